"""Replicate weights: their columns, what they are, and the variance that is made of them."""

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from numbers import Real
from typing import Any, Literal

from bayes_mlm.base import (
    Registry,
    SpecError,
    check_choice,
    describe_value,
    numbered_names,
    suggest,
)


@dataclass(frozen=True)
class Replication:
    """A method of replication.

    Parameters
    ----------
    label : str
        In words, with a place for Fay's factor.
    multiplier : callable or None
        From the number of replicates and Fay's factor to the multiplier of squared deviations;
        None where each replicate has its own.
    per_zone : int
        Replicates that are made of a zone with a pair of units; 0 where none are.
    """

    label: str
    multiplier: Callable[[int, float], float] | None
    per_zone: int = 0


REPLICATIONS: Registry[Replication] = Registry("replication method", SpecError)
_BRR = "balanced repeated replication"
REPLICATIONS.register("brr", Replication(_BRR, lambda G, _: 1.0 / G))
REPLICATIONS.register(
    "fay",
    Replication(f"{_BRR}, Fay's factor {{:g}}", lambda G, fay: 1.0 / (G * (1.0 - fay) ** 2)),
)
REPLICATIONS.register("jk1", Replication("jackknife (JK1)", lambda G, _: (G - 1.0) / G))
REPLICATIONS.register("jk2", Replication("jackknife of pairs (JK2)", lambda *_: 1.0, per_zone=1))
REPLICATIONS.register(
    "jk2-full",
    Replication("jackknife of pairs, a replicate for either unit", lambda *_: 0.5, per_zone=2),
)
REPLICATIONS.register("jkn", Replication("stratified jackknife (JKn)", None))
REPLICATIONS.register("bootstrap", Replication("bootstrap", lambda G, _: 1.0 / G))
_FAY = 0.5


@dataclass(frozen=True, kw_only=True)
class Replicates:
    """Replicate weights of a survey.

    Parameters
    ----------
    columns : tuple of str
        Columns of replicate weights of the rows, unconditional (whole) weights each.
    method : str
        A name in `REPLICATIONS`: "brr" (balanced repeated replication), "fay" (with Fay's factor),
        "jk1", "jk2", "jkn" (jackknife of one stratum, of pairs, of strata), "jk2-full" (of pairs,
        with a replicate for either unit), "bootstrap".
    fay : float
        Fay's factor, of "fay": 0.5 as of PISA.
    multipliers : tuple of float
        Of the squared deviation of each replicate, as "jkn" needs them: ``(n_h - 1) / n_h`` of its
        stratum h; empty for those of the method.
    zone, unit : str, optional
        Instead of columns, with "jk2" or "jk2-full": those of jackknife zones, and of the unit of
        a pair (0 or 1), of which replicates are made: one unit of a zone at double weight, the
        other at zero. Of "jk2" the unit with the higher label is doubled.
    within : {"mean", "first"}
        Of several plausible values: the mean of their sampling variances, or that of the first.
    df : float, optional
        Degrees of freedom of the sampling variance; by default the number of replicates, or of
        zones.

    References
    ----------
    Wolter (2007), Introduction to Variance Estimation, 2nd ed., ch. 3 and 4; Fay (1989), Proc.
    Surv. Res. Methods Sect., ASA; OECD (2009), PISA Data Analysis Manual, 2nd ed., ch. 4 and 8.
    """

    columns: tuple[str, ...] = ()
    method: str = "brr"
    fay: float = _FAY
    multipliers: tuple[float, ...] = ()
    zone: str | None = None
    unit: str | None = None
    within: Literal["mean", "first"] = "mean"
    df: float | None = None

    @property
    def read(self) -> tuple[str, ...]:
        """The columns of the table that are needed."""
        made_of = (self.zone, self.unit)
        return (*self.columns, *(name for name in made_of if name is not None))

    def factors(self, count: int) -> tuple[float, ...]:
        """Return the multiplier of each of so many replicates."""
        multiplier = REPLICATIONS[self.method].multiplier
        if self.multipliers or multiplier is None:
            return self.multipliers
        return (multiplier(count, self.fay),) * count

    def __str__(self) -> str:
        """Return the method and the columns in a few words."""
        method = REPLICATIONS[self.method].label.format(self.fay)
        if self.zone:
            return f"{method}, of the zones {self.zone} with the units {self.unit}"
        first, last = self.columns[0], self.columns[-1]
        return f"{method}, {len(self.columns)} replicates ({first} to {last})"


def as_replicates(value: "Replicates | Mapping[str, Any] | str | None") -> "Replicates | None":
    """Read the replicate weights of a survey.

    Parameters
    ----------
    value : mapping or str, optional
        ``{"columns": "W_FSTURWT1..W_FSTURWT80", "method": "fay", "fay": 0.5}``; of `columns` a
        range, or a sequence; as text ``"fay(W_FSTURWT1..W_FSTURWT80)"``.

    Raises
    ------
    SpecError

    Examples
    --------
    >>> print(as_replicates("fay(W_FSTURWT1..W_FSTURWT80)"))
    balanced repeated replication, Fay's factor 0.5, 80 replicates (W_FSTURWT1 to W_FSTURWT80)
    """
    if value is None or isinstance(value, Replicates):
        return value
    if isinstance(value, str):
        found = re.fullmatch(r"\s*(\w+)\s*\((.*)\)\s*", value)
        if found is None:
            raise SpecError(
                f"replicates {value!r} must be a method with its columns, such as "
                "fay(W_FSTURWT1..W_FSTURWT80)"
            )
        value = {"method": found[1], "columns": found[2]}
    if not isinstance(value, Mapping):
        raise SpecError(
            "replicates are a mapping such as {'columns': 'W1..W80', 'method': 'fay'}, found "
            f"{value!r}"
        )
    known = tuple(one.name for one in fields(Replicates))
    for key in value:
        if key not in known:
            raise SpecError(f"replicates have no key {key!r}{suggest(str(key), known)}")
    given = dict(value)
    for key in ("columns", "multipliers"):
        one = given.get(key, ())
        if key == "columns" and isinstance(one, str):
            one = expand(one)
        elif isinstance(one, str) or not isinstance(one, Iterable):
            raise SpecError(f"replicates: {key} must be a list, found {describe_value(one)}")
        given[key] = tuple(one)
    made = Replicates(**given)
    check_replicates(made)
    return made


def check_replicates(found: Replicates) -> None:
    """Refuse replicates that contradict themselves.

    Raises
    ------
    SpecError
    """
    _check_types(found)
    check_choice("replication method", found.method, REPLICATIONS, SpecError)
    check_choice("within", found.within, ("mean", "first"), SpecError)
    replication = REPLICATIONS[found.method]
    if bool(found.zone) != bool(found.unit):
        raise SpecError("replicates of zones need both columns, zone and unit")
    if bool(found.columns) == bool(found.zone):
        raise SpecError(
            "replicates are columns of weights, or made of zone and unit: give one of the two"
        )
    if found.zone and not replication.per_zone:
        able = " or ".join(name for name, one in REPLICATIONS.items() if one.per_zone)
        raise SpecError(
            f"replicates of zones are by {able}, and method = {found.method!r} is given"
        )
    if found.columns and len(found.columns) < 2:
        raise SpecError(f"replicates are two columns or more, found {list(found.columns)}")
    twice = next((one for one in found.columns if found.columns.count(one) > 1), None)
    if twice is not None:
        raise SpecError(f"replicates have the column {twice!r} twice")
    if found.multipliers and len(found.multipliers) != len(found.columns):
        raise SpecError(
            f"replicates have {len(found.columns)} columns and {len(found.multipliers)} "
            "multipliers; give one for each"
        )
    if replication.multiplier is None and not found.multipliers:
        raise SpecError(
            f"replicates by {found.method} need the multiplier of each, (n_h - 1) / n_h of its "
            "stratum: multipliers=[...]"
        )


def _check_types(found: Replicates) -> None:
    """Refuse columns that are no names, and numbers that are none or out of range."""
    for name in found.columns:
        _check_text("columns", name)
    for key in ("zone", "unit"):
        if getattr(found, key) is not None:
            _check_text(key, getattr(found, key))
    if not 0.0 <= _number("fay", found.fay) < 1.0:
        raise SpecError(f"replicates: fay = {found.fay} must be from 0 to below 1")
    if found.df is not None and not 0.0 < _number("df", found.df) < math.inf:
        raise SpecError(f"replicates: df = {found.df} must be above 0, and finite")
    wrong = [one for one in found.multipliers if not 0.0 < _number("multipliers", one) < math.inf]
    if wrong:
        raise SpecError(f"replicates: multipliers must be above 0, and finite, found {wrong[0]}")


def _check_text(key: str, value: Any) -> None:
    if not isinstance(value, str):
        raise SpecError(
            f"replicates: {key} must be names of columns, found {describe_value(value)}"
        )


def _number(key: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, Real):
        raise SpecError(f"replicates: {key} must be a number, found {describe_value(value)}")
    return float(value)


def expand(text: str) -> tuple[str, ...]:
    """Return the columns of a list, in which ``W1..W80`` is all of these.

    Examples
    --------
    >>> expand("W1..W3, X")
    ('W1', 'W2', 'W3', 'X')
    """
    found: list[str] = []
    for part in text.split(","):
        if not part.strip():
            continue
        first, dots, last = (one.strip() for one in part.partition(".."))
        names = numbered_names(first, last) if dots else [first]
        if not names:
            raise SpecError(
                f"{part.strip()!r} is no range of columns: both ends have the same name but for "
                "a rising number, as in W_FSTURWT1..W_FSTURWT80"
            )
        found += names
    return tuple(found)
