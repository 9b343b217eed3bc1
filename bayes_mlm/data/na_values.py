"""Codes that stand for missing values, as an analyst declares them: -999, "k.A.", "-"."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from bayes_mlm.base import DataError
from bayes_mlm.data.absent import explain_absent
from bayes_mlm.data.columns import Column, read_numerals
from bayes_mlm.data.numerals import Decimal, is_number
from bayes_mlm.data.table import Table
from bayes_mlm.data.texts import BLANKS

_COLUMN = re.compile(r"(?P<name>[^=]*)=(?P<value>.*)", re.DOTALL)
_FORM = 'such as "-999,k.A." for every column, "score=-9,-8;income=-1" for one or more'
# Codes of missing values that surveys use: below the scale, and above it.
_LOW = (-1, -7, -8, -9, -66, -77, -88, -99, -777, -888, -999, -9999, -99999, -999999)
_HIGH = (99, 999, 9999, 99999, 999999)
# A scale of fewer different values than this has no code that stands apart.
_FEWEST = 4


@dataclass(frozen=True, kw_only=True)
class NaValues:
    """Codes of missing values: of every column, and of some.

    Parameters
    ----------
    everywhere : tuple of str
    by_column : mapping of str to tuple of str
    """

    everywhere: tuple[str, ...]
    by_column: Mapping[str, tuple[str, ...]]

    @property
    def every(self) -> tuple[str, ...]:
        """The codes of any column."""
        found = (code for codes in self.by_column.values() for code in codes)
        return tuple(dict.fromkeys((*self.everywhere, *found)))

    def of(self, name: str) -> tuple[str, ...]:
        """Return the codes of a column, as they are written."""
        return tuple(dict.fromkeys((*self.everywhere, *self.by_column.get(name, ()))))


def read_na_values(text: str | None) -> NaValues | None:
    """Read codes of missing values, such as "-999,k.A." or "score=-9,-8;income=-1".

    Raises
    ------
    DataError
        If there are none, or a column has none.

    Examples
    --------
    >>> read_na_values("k.A.,-999;score=-9,-8").of("score")
    ('k.A.', '-999', '-9', '-8')
    """
    if text is None:
        return None
    everywhere: list[str] = []
    by_column: dict[str, list[str]] = {}
    for part in text.split(";"):
        codes = everywhere
        for item in part.split(","):
            found = _COLUMN.fullmatch(item)
            if found is not None:
                codes = by_column.setdefault(found["name"].strip(), [])
            code = (item if found is None else found["value"]).strip(BLANKS)
            if not code or (found is not None and not found["name"].strip()):
                raise DataError(
                    f"na_values={text!r} are no codes of missing values; give some, {_FORM}"
                )
            codes.append(code)
    return NaValues(
        everywhere=tuple(everywhere), by_column={name: tuple(c) for name, c in by_column.items()}
    )


def na_text(given: Any) -> str | None:
    """Return codes of missing values as one text: of a text, a number, several, or by column.

    Raises
    ------
    DataError
        If they are none of these, or a code contains a comma, a semicolon or an equals sign.

    Examples
    --------
    >>> na_text([-999, "k.A."]), na_text({"score": [-9, -8], "income": -1})
    ('-999,k.A.', 'score=-9,-8;income=-1')
    """
    if given is None:
        return None
    if isinstance(given, str):
        read_na_values(given)
        return given
    if isinstance(given, Mapping):
        text = ";".join(f"{name}={','.join(_codes(codes))}" for name, codes in given.items())
    else:
        text = ",".join(_codes(given))
    read_na_values(text)
    return text


def _codes(given: Any) -> list[str]:
    several = given if isinstance(given, Iterable) and not isinstance(given, str) else (given,)
    codes = [f"{one:.15g}" if isinstance(one, float) else str(one) for one in several]
    odd = next((code for code in codes if set(code) & set(",;=")), None)
    if odd is not None or any(isinstance(one, Mapping) for one in several):
        raise DataError(
            f"na_values: {odd!r} is no code of a missing value (it may not contain , ; or =); "
            f"give some, {_FORM}"
        )
    return codes


def numbers_of(codes: Sequence[str]) -> dict[float, str]:
    """Return the codes that are numbers, by their values."""
    return {float(code): code for code in codes if is_number(code)}


def note_on_codes(name: str, counts: Mapping[str, int]) -> tuple[str, ...]:
    """Return a note on each code that a column had.

    Examples
    --------
    >>> note_on_codes("score", {"-999": 12, "k.A.": 1, "-8": 0})
    ('12 values of score are -999: read as missing', '1 value of score is k.A.: read as missing')
    """
    return tuple(
        f"{many:,} value{'s' if many > 1 else ''} of {name} {'are' if many > 1 else 'is'} "
        f"{code}: read as missing"
        for code, many in counts.items()
        if many
    )


def note_on_absent(declared: NaValues, names: Sequence[str], source: str) -> tuple[str, ...]:
    """Return a note on columns with codes that a table does not have."""
    absent = [name for name in declared.by_column if name not in names]
    return (f"na_values: {explain_absent(absent, list(names), source)}",) if absent else ()


def without_codes(
    table: Table, na_values: str | None, decimal: Decimal | None = None, *, whole: bool = True
) -> Table:
    """Return a table whose codes of missing values are missing, with a note on each.

    Parameters
    ----------
    table : Table
    na_values : str or None
        As of `bayes_mlm.read_table`.
    decimal : {".", ","}, optional
        Of the numbers in columns of text, which are numeric without their codes.
    whole : bool
        Whether the table has all the columns of its source, so that one with codes must be there.

    Examples
    --------
    >>> from bayes_mlm.data.table import as_table
    >>> table = without_codes(as_table({"x": [1.5, "k.A.", -9], "g": [1, 2, 3]}), "k.A.,-9")
    >>> table.columns["x"].tolist(), table.notes["x"][0]
    ([1.5, nan, nan], '1 value of x is k.A.: read as missing')
    """
    declared = read_na_values(na_values)
    if declared is None:
        return table
    columns, notes = dict(table.columns), dict(table.notes)
    categories = dict(table.categories)
    for name, values in table.columns.items():
        codes = declared.of(name)
        labels = table.value_labels.get(name, {})
        if values.dtype == object:
            columns[name], counts = _of_texts(values, codes, labels)
            if name in categories:
                gone = {text for text in categories[name] if _code_of(text, codes, labels)}
                categories[name] = tuple(one for one in categories[name] if one not in gone)
            elif sum(counts.values()) and name not in table.times:
                columns[name] = read_numerals(columns[name], decimal or ".")
        else:
            columns[name], counts = _of_numbers(values, codes, labels)
        found = note_on_codes(name, counts)
        if found:
            notes[name] = (*notes.get(name, ()), *found)
    absent = note_on_absent(declared, table.names, table.source) if whole else ()
    if absent:
        notes[""] = (*notes.get("", ()), *absent)
    return replace(table, columns=columns, notes=notes, categories=categories)


def _code_of(text: str, codes: Sequence[str], labels: Mapping[float | str, str]) -> str:
    """Return the code that a text is, or that it is the label of; "" if none."""
    bare = text.strip(BLANKS)
    if bare in codes:
        return bare
    numbers = numbers_of(codes)
    for value, label in labels.items():
        if label.strip(BLANKS) == bare:
            code = numbers.get(value) if isinstance(value, (int, float)) else str(value)
            if code in codes:
                return str(code)
    return ""


def _of_texts(
    values: Column, codes: Sequence[str], labels: Mapping[float | str, str]
) -> tuple[Column, dict[str, int]]:
    counts = dict.fromkeys(codes, 0)
    of_text = {text: _code_of(text, codes, labels) for text in set(values.tolist()) - {None}}
    if not any(of_text.values()):
        return values, counts
    kept = values.copy()
    for k, text in enumerate(values):
        code = of_text.get(text, "")
        if code:
            kept[k] = None
            counts[code] += 1
    return kept, counts


def _of_numbers(
    values: Column, codes: Sequence[str], labels: Mapping[float | str, str]
) -> tuple[Column, dict[str, int]]:
    counts = dict.fromkeys(codes, 0)
    wanted = numbers_of(codes)
    for value, label in labels.items():
        if isinstance(value, (int, float)) and label.strip(BLANKS) in codes:
            wanted.setdefault(float(value), label.strip(BLANKS))
    if values.dtype == np.bool_:
        return values, counts
    kept = values
    for value, code in wanted.items():
        gone = values == value
        if gone.any():
            counts[code] += int(np.count_nonzero(gone))
            kept = np.where(gone, np.nan, kept)
    return kept, counts


def notes_on_sentinels(table: Table, names: Iterable[str]) -> tuple[str, ...]:
    """Return notes on values of some columns that look like codes of missing values."""
    listed = dict.fromkeys(names)
    return tuple(one for name in listed for one in note_on_sentinel(name, table.columns[name]))


def note_on_sentinel(name: str, values: Column) -> tuple[str, ...]:
    """Return a note on a value of a numeric column that looks like a code of a missing value.

    It occurs more than once, is an extreme that surveys use as such a code (-9, -999, 999, ...),
    and stands apart: below a column that is otherwise not negative, or beyond it by more than all
    the other values span.

    Examples
    --------
    >>> note_on_sentinel("x", np.array([0.0, 3.0, 5.0, 8.0, -9.0, -9.0]))[0][:46]
    '2 values of x are -9, which looks like a code '
    >>> note_on_sentinel("x", np.array([-1.0, 0.0, 1.0, -1.0]))
    ()
    """
    if values.dtype == object or values.dtype == np.bool_:
        return ()
    there = values[~np.isnan(values)] if values.dtype.kind == "f" else values
    if there.size == 0:
        return ()
    low, high = float(there.min()), float(there.max())
    codes = [code for code in (low, high) if code in (_LOW if code == low else _HIGH)]
    for code in codes:
        many = int(np.count_nonzero(there == code))
        # Other codes on the same side (-8 next to -9) do not make the scale wider.
        others = there[~np.isin(there, _LOW if code < 0 else _HIGH)]
        distinct = np.unique(others)
        if many < 2 or many > others.size or distinct.size < _FEWEST:
            continue
        first, last = float(distinct[0]), float(distinct[-1])
        gap = first - code if code < 0 else code - last
        apart = gap > last - first
        below = code < 0 <= first and (code < -1 or first > 0 or distinct.size > 10)
        if apart or below:
            written = f"{code:g}"
            return (
                f"{many:,} values of {name} are {written}, which looks like a code for missing "
                f"values (the others are {first:.6g} to {last:.6g}); if it is one, "
                f'na_values="{name}={written}" (--na-values {name}={written}) reads it as missing',
            )
    return ()
