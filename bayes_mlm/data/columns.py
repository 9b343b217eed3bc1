"""Conversion of columns of any library to the arrays of a `Table`."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from numbers import Integral, Real
from typing import Any

import narwhals as nw
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from bayes_mlm.base import DataError
from bayes_mlm.data.numerals import Decimal as DecimalMark, plain_numerals
from bayes_mlm.data.texts import BLANKS

type Column = NDArray[Any]
EXACT = 2**53
"""The whole number up to which float64 represents every whole number."""

_CAST_TO_TEXT = (
    *(pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view),
    *(pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal, pa.types.is_boolean),
    *(pa.types.is_date, pa.types.is_time),
)
_NUMERIC = {"b": np.bool_, "i": np.int64, "f": np.float64}
_TIMES = (
    *(pa.types.is_date, pa.types.is_timestamp, pa.types.is_time, pa.types.is_duration),
    pa.types.is_interval,
)
_MERGED = 1000  # labels
_PERIOD, _EXTENSION = "pandas.period", b"ARROW:extension:name"
# Objects that are times, by name: importing pandas to compare costs seconds.
_TIME_TYPES = frozenset(
    {"date", "datetime", "time", "timedelta", "Timestamp", "Timedelta", "Period", "Date"}
    | {"datetime64", "timedelta64"}
)


@dataclass(frozen=True, kw_only=True, eq=False)
class TypedColumn:
    """A column of a `Table`, with what its declared type implies.

    Parameters
    ----------
    values : ndarray, shape (n,)
        As of `bayes_mlm.data.table.as_table`.
    categories : tuple of str or None
        Categories in their declared order, also those without rows; None if none were declared.
    is_time : bool
        Whether it held dates, timestamps, times of day, periods or durations.
    """

    values: Column
    categories: tuple[str, ...] | None = None
    is_time: bool = False


def from_any(name: str, values: Any) -> TypedColumn:
    """Convert one column of any form: a list, an array, a series of any library.

    Parameters
    ----------
    name : str
        Its name, for messages.
    values : iterable, length n
        A one-dimensional NumPy or Arrow array, a pandas or polars series, or an iterable.

    Returns
    -------
    TypedColumn

    Raises
    ------
    DataError
        If it is a single value or has more than one dimension.

    Examples
    --------
    >>> from_any("y", [1, 2.5, None]).values.tolist()
    [1.0, 2.5, nan]
    """
    if isinstance(values, (pa.Array, pa.ChunkedArray)):
        return typed_from_arrow(values)
    if type(values).__name__ == "Categorical" and (pandas := nw.dependencies.get_pandas()):
        values = pandas.Series(values)
    values = nw.from_native(values, series_only=True, pass_through=True)
    if isinstance(values, nw.Series):
        try:
            arrow = values.to_arrow()
        except (pa.ArrowException, OverflowError):  # objects that Arrow has no one type for
            return _typed_from_objects(values.to_list())
        return _typed_from_series(values, arrow)
    if isinstance(values, (str, bytes)) or not isinstance(values, Iterable):
        raise DataError(f"column {name!r} is a single value ({values!r}); give one value per row")
    if isinstance(values, np.ndarray):
        if values.ndim != 1:
            raise DataError(f"column {name!r} has shape {values.shape}; give one dimension")
        if values.dtype.kind in _NUMERIC and not isinstance(values, np.ma.MaskedArray):
            return TypedColumn(values=values.astype(_NUMERIC[values.dtype.kind]))
    elif not hasattr(values, "dtype"):  # what has one (pandas.Categorical) keeps it
        values = list(values)
        plain = _from_plain(values)
        if plain is not None:
            return TypedColumn(values=plain)
    try:
        return typed_from_arrow(pa.array(values, from_pandas=True))
    except (pa.ArrowException, OverflowError):
        return _typed_from_objects(list(values))


def _typed_from_series(values: "nw.Series[Any]", arrow: Any) -> TypedColumn:
    """Convert a series through Arrow, unless its type exists only in its library."""
    is_polars = nw.dependencies.is_polars_series(values.to_native())
    kind = arrow.type.value_type if pa.types.is_dictionary(arrow.type) else arrow.type
    # Of such a type (a pandas Period or Interval) Arrow has only the storage, a number.
    if not isinstance(kind, pa.BaseExtensionType):
        # The order of polars' Categorical is that in which the whole process met its texts.
        return typed_from_arrow(arrow, declared=not is_polars or isinstance(values.dtype, nw.Enum))
    found = _typed_from_objects(values.to_list())
    if kind is arrow.type:
        return replace(found, is_time=found.is_time or is_time(kind))
    categories = tuple(map(str, values.to_native().cat.categories))
    return TypedColumn(values=found.values, categories=categories)


def typed_from_arrow(values: Any, *, declared: bool = True) -> TypedColumn:
    """Convert an Arrow array, with its categories and whether it is a time.

    Parameters
    ----------
    values : pyarrow.Array or pyarrow.ChunkedArray, length n
    declared : bool
        Whether the order of a dictionary was declared by somebody.
    """
    kind = values.type
    if not pa.types.is_dictionary(kind):
        return TypedColumn(values=from_arrow(values), is_time=is_time(kind))
    chunks = values.chunks if isinstance(values, pa.ChunkedArray) else [values]
    categories = join_categories([chunk.dictionary for chunk in chunks]) if declared else None
    return TypedColumn(values=from_arrow(values), categories=categories)


def is_time(kind: Any) -> bool:
    """Return whether an Arrow type is one of dates or times; a pandas period is one too."""
    if isinstance(kind, pa.BaseExtensionType):
        return str(kind.extension_name) == _PERIOD
    return any(is_it(kind) for is_it in _TIMES)


def holds_time(field: Any) -> bool:
    """Return whether an Arrow field is of dates or times, including pandas periods."""
    return is_time(field.type) or (field.metadata or {}).get(_EXTENSION) == _PERIOD.encode()


def join_categories(dictionaries: Iterable[Any]) -> tuple[str, ...]:
    """Join the categories of several Arrow arrays of one column, as `merge_orders` does."""
    return merge_orders([text for text in _text(one).tolist() if text] for one in dictionaries)


def merge_orders(orders: Iterable[Sequence[str]]) -> tuple[str, ...]:
    """Return the labels of several orders in one: a new label stands after the one before it.

    Of many labels (identifiers), the new ones stand last.

    Examples
    --------
    >>> merge_orders([["never", "often"], ["never", "sometimes", "often", "always"]])
    ('never', 'sometimes', 'often', 'always')
    """
    found: list[str] = []
    for order in orders:
        known = set(found)
        new = [label for label in order if label not in known]
        if not new or len(found) + len(new) > _MERGED:
            found += new
            continue
        first = next((label for label in order if label in known), None)
        place = len(found) if first is None else found.index(first)
        for label in order:
            if label in known:
                place = found.index(label) + 1
            else:
                found.insert(place, label)
                place += 1
    return tuple(found)


def is_declared(field: Any) -> bool:
    """Return whether an Arrow field is of categories whose order somebody declared."""
    return pa.types.is_dictionary(field.type) and not any(
        key.startswith(b"_PL_CATEGORICAL") for key in field.metadata or ()
    )


def typed_from_table(table: Any) -> Mapping[str, TypedColumn]:
    """Convert every column of a pyarrow table."""
    return {
        field.name: replace(
            typed_from_arrow(table.column(field.name), declared=is_declared(field)),
            is_time=holds_time(field),
        )
        for field in table.schema
    }


def from_arrow(values: Any) -> Column:
    """Convert an Arrow array to a column of a `Table`.

    Parameters
    ----------
    values : pyarrow.Array or pyarrow.ChunkedArray, length n
        Of any type.

    Returns
    -------
    ndarray, shape (n,)
        float64, int64, bool, or object holding str and None; see `as_table` for which.
    """
    if isinstance(values, pa.Array):
        values = pa.chunked_array([values])
    kind = values.type
    if pa.types.is_dictionary(kind):
        return _text(_decoded(values))
    if pa.types.is_null(kind):
        return np.full(len(values), np.nan)
    if pa.types.is_boolean(kind):
        numbers = _floats(values.cast(pa.int8()))
        return numbers if values.null_count else numbers.astype(np.bool_)
    if pa.types.is_decimal(kind) and kind.scale > 0:
        return _floats(values)
    if pa.types.is_integer(kind) or pa.types.is_decimal(kind):
        return _whole(values)
    if pa.types.is_floating(kind):
        return _floats(values)
    return _text(values)


def _decoded(values: Any) -> Any:
    """Return the labels of a column of categories; Arrow casts none of string views (polars)."""
    label = values.type.value_type
    if not pa.types.is_string_view(label):
        return values.cast(label)
    return pa.chunked_array(
        [
            pa.DictionaryArray.from_arrays(
                one.indices, one.dictionary.cast(pa.large_string())
            ).cast(pa.large_string())
            for one in values.chunks
        ],
        type=pa.large_string(),
    )


def numbers_in(texts: Any) -> Any | None:
    """Cast an Arrow array of text to whole numbers, or else to numbers; None if it has labels."""
    # Arrow would read 00123 as 123, and 0x1F as 31.
    if any_match(texts, r"^[+-]?0([0-9]+|[xX].*)$"):
        return None
    for kind in (pa.int64(), pa.float64()):
        try:
            numbers = texts.cast(kind)
        except pa.ArrowInvalid:
            continue
        # Whole numbers only, and too large for 64 bits: identifiers, which a float would blur.
        huge = pa.types.is_floating(kind) and any_match(texts, r"^[+-]?[0-9]{19,}$")
        return None if huge and not any_match(texts, r"[^0-9+-]") else numbers
    return None


def read_numerals(column: Column, decimal: DecimalMark) -> Column:
    """Read a column of text as numbers written with a decimal mark, if all are."""
    texts = pa.array(column.tolist(), pa.string())
    if texts.null_count == len(texts):
        return column
    numerals = plain_numerals(pc.utf8_trim(texts, characters=BLANKS), decimal)
    numbers = None if numerals is None else numbers_in(numerals)
    return column if numbers is None else from_arrow(numbers)


def any_match(values: Any, pattern: str) -> bool:
    """Return whether a value of an Arrow array of text matches a regular expression."""
    return bool(pc.any(pc.match_substring_regex(values, pattern)).as_py())


def _whole(values: Any) -> Column:
    try:
        values = values.cast(pa.int64())
    except pa.ArrowInvalid:  # beyond 64 bits: an identifier, which a float would blur
        return _text(values)
    if values.null_count == 0:
        return _numpy(values)
    span = pc.min_max(values).as_py()
    if max(abs(span["min"] or 0), abs(span["max"] or 0)) > EXACT:
        return _text(values)
    return _floats(values)


def as_whole(values: Column) -> Column:
    """Return numbers that are all whole, and exact as float64, as whole numbers."""
    if values.dtype.kind != "f" or not np.isfinite(values).all():
        return values
    if (values != np.rint(values)).any() or (np.abs(values) >= EXACT).any():
        return values
    return values.astype(np.int64)


def _floats(values: Any) -> Column:
    return _numpy(values.cast(pa.float64()), np.array([np.nan]))


def _numpy(values: Any, missing: Column | None = None) -> Column:
    """Return numbers as NumPy, nulls as the one value of `missing` (of the same type).

    Arrow's own to_numpy and fill_null import pandas, which costs seconds; DLPack does not.
    """
    if values.null_count and missing is not None:
        fill = pa.Array.from_buffers(values.type, 1, [None, pa.py_buffer(missing)])
        values = pc.coalesce(values, fill[0])
    whole = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    return np.from_dlpack(whole)


def _text(values: Any) -> Column:
    kind = values.type
    if pa.types.is_timestamp(kind):  # the same text whatever the precision of the frame
        values = values.cast(pa.timestamp("us", tz=kind.tz), safe=False).cast(pa.large_string())
        values = pc.replace_substring_regex(values, r"\.0{6}", "")
    elif any(castable(kind) for castable in _CAST_TO_TEXT):
        values = values.cast(pa.large_string())
    else:  # nested, binary, a duration, an extension: as Python writes it
        texts = [None if value is None else str(value) for value in values.to_pylist()]
        values = pa.chunked_array([pa.array(texts, type=pa.large_string())])
    # Through a dictionary, so that a label is one Python string however many rows share it.
    whole = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    encoded = whole.dictionary_encode()
    if isinstance(encoded, pa.ChunkedArray):  # a column without chunks stays chunked
        return np.empty(0, dtype=object)
    levels = np.empty(len(encoded.dictionary) + 1, dtype=object)
    levels[:] = [*encoded.dictionary.to_pylist(), None]
    codes = _numpy(encoded.indices.cast(pa.int64()), np.array([levels.size - 1]))
    labels: Column = levels[codes]
    return labels


def _from_plain(values: list[Any]) -> Column | None:
    """Convert a list of numbers, truth values or text; None if it has anything else.

    Arrow would convert it to the same, but imports pandas for any list, which costs a second.
    """
    kinds = set(map(type, values))
    present = kinds - {type(None)}
    if present == {str}:
        known: dict[str | None, str | None] = {}  # rows of one label share one string
        column = np.empty(len(values), dtype=object)
        column[:] = [known.setdefault(value, value) for value in values]
        return column
    if not (present == {bool} or present <= {int, float, np.float64}):
        return None
    if any(type(value) is int and abs(value) > EXACT for value in values):
        return None
    if kinds == {bool}:
        return np.array(values, dtype=np.bool_)
    return np.array(values, dtype=np.int64 if kinds == {int} else np.float64)


def _typed_from_objects(values: list[Any]) -> TypedColumn:
    present = [value for value in values if not _is_missing(value)]
    times = bool(present) and all(type(value).__name__ in _TIME_TYPES for value in present)
    return TypedColumn(values=_from_objects(values, times=times), is_time=times)


def _from_objects(values: list[Any], *, times: bool) -> Column:
    missing = [_is_missing(value) for value in values]
    present = [value for value, gone in zip(values, missing, strict=True) if not gone]
    # NumPy's durations count as whole numbers.
    numbers = not times and all(isinstance(value, (Real, Decimal)) for value in present)
    whole = all(isinstance(value, Integral) for value in present)
    if numbers and not (whole and any(abs(value) > EXACT for value in present)):
        return np.array(
            [math.nan if gone else float(v) for v, gone in zip(values, missing, strict=True)]
        )
    column = np.empty(len(values), dtype=object)
    column[:] = [None if gone else str(v) for v, gone in zip(values, missing, strict=True)]
    return column


def _is_missing(value: Any) -> bool:
    # pandas.NA and NaT are known by name: importing pandas to compare costs seconds.
    if value is None or type(value).__name__ in {"NAType", "NaTType"}:
        return True
    return isinstance(value, (float, Decimal)) and math.isnan(value)
