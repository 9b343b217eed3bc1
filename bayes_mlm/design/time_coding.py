"""Coding of dates or measures of time as the numeric time of a growth model.

Where zero lies decides what an intercept means, and how it correlates with the slope; the unit
decides what a slope means. Both are stated here rather than left implicit in a column of dates.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from numbers import Real
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bayes_mlm.base import DataError, Floats
from bayes_mlm.design.encoding.inputs import list_rows

type Unit = Literal["seconds", "minutes", "hours", "days", "weeks", "months", "years"]
type Origin = Literal["first", "person-first", "mean", "person-mean"]

# Seconds; a year is the Gregorian mean of 365.2425 days and a month its twelfth, so that
# differences of dates are linear in time.
_SECONDS: dict[str, float] = {
    "seconds": 1.0,
    "minutes": 60.0,
    "hours": 3600.0,
    "days": 86_400.0,
    "weeks": 604_800.0,
    "months": 31_556_952.0 / 12.0,
    "years": 31_556_952.0,
}
UNITS: tuple[str, ...] = get_args(Unit.__value__)
ORIGINS: tuple[str, ...] = get_args(Origin.__value__)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class CodedTime:
    """Time as numbers, with unit and zero.

    Parameters
    ----------
    values : ndarray, shape (n,)
        Time since the origin.
    unit : str
        Of `values`: "years"; empty for plain numbers whose unit was not given.
    origin : str
        What zero is, for a reader: "each person's first visit".
    """

    values: Floats
    unit: str
    origin: str

    def __repr__(self) -> str:
        """Return how many there are, and their unit and origin, on one line."""
        return f"<CodedTime of {self.values.size:,} rows: {self}>"

    def __str__(self) -> str:
        """Describe the numbers: "years since each person's first visit"."""
        return f"{self.unit or 'time'} since {self.origin}"


def code_time(
    times: ArrayLike,
    *,
    origin: Origin | float | str | date = "first",
    person: ArrayLike | None = None,
    unit: Unit | None = None,
    input_unit: Unit | None = None,
) -> CodedTime:
    """Code time as a number of units since an origin.

    Parameters
    ----------
    times : array_like, shape (n,)
        Numbers, or dates: ISO text (``"2024-03-01"``, ``"2024-03-01T09:30"``), `datetime.date`,
        or numpy's datetime64.
    origin : {"first", "person-first", "mean", "person-mean"} or a time
        Time that is zero: the earliest of all rows or of each person, the mean of all rows or of
        each person; or a time in the form of `times`, such as ``"2020-01-01"``. With zero at each
        person's mean, time has no differences between persons: growth is within persons alone.
    person : array_like, shape (n,), optional
        Person of each row; for the origins by person.
    unit : str, optional
        Unit of the result: one of `UNITS`; for dates "days" by default. A month is a twelfth of a
        year, and a year 365.2425 days. For numbers without `input_unit` it is only a label.
    input_unit : str, optional
        Unit of numeric `times`, to convert from.

    Returns
    -------
    CodedTime

    Raises
    ------
    DataError
        If a time is missing or unreadable, an option is unknown, or `person` is needed and absent.

    Examples
    --------
    >>> visits = ["2020-01-01", "2021-01-01", "2020-06-01", "2022-06-01"]
    >>> coded = code_time(visits, origin="person-first", person=["a", "a", "b", "b"], unit="years")
    >>> coded.values.round(2)
    array([0., 1., 0., 2.])
    >>> print(coded)
    years since each person's first time
    >>> code_time([8, 10, 12, 14], origin="mean", unit="years").values
    array([-3., -1.,  1.,  3.])
    """
    for name, value in (("unit", unit), ("input_unit", input_unit)):
        if value is not None and value not in UNITS:
            raise DataError(f"{name} = {value!r} is no unit of time; use {', '.join(UNITS)}")
    values, dates = _as_seconds(times)
    if dates and input_unit is not None:
        raise DataError("the times are dates, which need no input_unit; omit it")
    unit = "days" if dates and unit is None else unit or input_unit
    if not dates and input_unit is not None:
        values = values * _SECONDS[input_unit]
    in_seconds = dates or input_unit is not None
    zero, what = _zero(values, origin, person, dates=dates, input_unit=input_unit)
    size = _SECONDS[unit] if in_seconds and unit is not None else 1.0
    # The difference is taken first: an origin far from the data would cost digits.
    return CodedTime(values=(values - zero) / size, unit=unit or "", origin=what)


def _as_seconds(times: ArrayLike) -> tuple[Floats, bool]:
    """Return numbers as they are, or dates as seconds, and whether they are dates."""
    array = np.asarray(times)
    if array.ndim != 1 or array.size == 0:
        raise DataError("times must be one column with at least one row")
    if array.dtype.kind in "biuf":
        values, dates = array.astype(np.float64), False
    else:
        values, dates = _read_dates(array), True
    bad = ~np.isfinite(values)
    if bad.any():
        raise DataError(f"{int(bad.sum())} times are missing ({list_rows(bad)}); drop those rows")
    return values, dates


def _read_dates(array: NDArray[Any]) -> Floats:
    if array.dtype.kind == "M":
        seconds = (array - np.datetime64("1970-01-01")) / np.timedelta64(1, "us") / 1e6
        return np.asarray(np.where(np.isnat(array), np.nan, seconds), dtype=np.float64)
    return np.array([_read_date(value, row) for row, value in enumerate(array.tolist(), 1)])


def _read_date(value: Any, row: int) -> float:
    """Read one date as seconds since 1970; what has no time zone is taken to be in UTC."""
    if value is None:
        return float("nan")
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError:
            raise DataError(
                f"the time in row {row} is {value[:40]!r}; write dates as 2024-03-01 or "
                "2024-03-01T09:30, or give numbers"
            ) from None
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day, tzinfo=UTC)
    if not isinstance(value, datetime):
        raise DataError(
            f"the time in row {row} is {value!r}, neither a number nor a date; use one of the "
            "two throughout"
        )
    return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()


def _zero(
    values: Floats,
    origin: Origin | float | str | date,
    person: ArrayLike | None,
    *,
    dates: bool,
    input_unit: Unit | None,
) -> tuple[Floats | float, str]:
    """Return the time that is zero, for each row or for all, and its description."""
    by_person = isinstance(origin, str) and origin.startswith("person-")
    if person is not None and not by_person:
        raise DataError(
            f"person is given, but origin = {origin!r} is the same for every person; use "
            "'person-first' or 'person-mean'"
        )
    if origin == "first":
        return float(values.min()), "the first time of all"
    if origin == "mean":
        return _mean(values), "the mean time"
    if isinstance(origin, str) and origin in ("person-first", "person-mean"):
        codes = _persons(person, values.size, origin)
        sizes = np.bincount(codes)
        if origin == "person-mean":
            level = float(values.min())
            means = np.bincount(codes, weights=values - level) / sizes
            return level + means[codes], "each person's mean time"
        least = np.full(sizes.size, np.inf)
        np.minimum.at(least, codes, values)
        return least[codes], "each person's first time"
    zero = _parse_origin(origin, dates=dates)
    return zero if input_unit is None else zero * _SECONDS[input_unit], str(origin)


def _parse_origin(origin: Any, *, dates: bool) -> float:
    """Read an origin that is a time, of the same type as the times."""
    number = isinstance(origin, Real) and not isinstance(origin, bool)
    try:
        if number != dates:
            return float(_as_seconds([origin])[0][0])
    except DataError:
        pass  # a text that is no date: reported below with all that is allowed
    allowed = ", ".join(map(repr, ORIGINS))
    kind = "a date" if dates else "a number"
    raise DataError(f"origin = {origin!r}: give one of {allowed}, or {kind} as the times are")


def _mean(values: Floats) -> float:
    return float(values[0] + (values - values[0]).mean())


def _persons(person: ArrayLike | None, n: int, origin: str) -> NDArray[np.int64]:
    if person is None:
        raise DataError(f"origin = {origin!r} needs the person of each row; give person")
    labels = np.asarray(person)
    if labels.shape != (n,):
        raise DataError(f"person has shape {labels.shape}, and there are {n} times; give one each")
    if labels.dtype.kind == "O":
        labels = np.array([str(label) for label in labels.tolist()])
    return np.unique(labels, return_inverse=True)[1].astype(np.int64)
