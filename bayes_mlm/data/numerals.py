"""Recognise and read numbers written with a decimal comma, thousands separators or a unit.

One grammar serves Python's `re`, Arrow's and DuckDB's (RE2): it uses what all three have.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import pyarrow.compute as pc

from bayes_mlm.base import DataError
from bayes_mlm.data.dates import NEARLY_ALL

type Decimal = Literal[".", ","]
DECIMALS: tuple[Decimal, ...] = get_args(Decimal.__value__)
# The sign itself, and the dash that word processors make of a hyphen.
MINUS = "\u2212\u2013"
# Blanks (also those that do not break or are thin) and apostrophes part thousands too.
_BLANKS = " \u00a0\u2009\u202f"
_APOSTROPHES = "'\u2019"
UNITS = (
    *("€", "$", "£", "¥", "₹", "₽", "₩", "₪", "₺", "₴", "₫", "₱", "₦", "¢", "%", "‰"),
    *("EUR", "USD", "GBP", "CHF", "JPY", "CNY", "SEK", "NOK", "DKK", "PLN", "CZK", "HUF"),
    *("AUD", "CAD", "NZD", "INR", "BRL", "MXN", "ZAR", "kr", "zł", "Kč", "Ft"),
)
# Text that is mostly numbers may still be categories, if it has no more levels.
_CATEGORY_LEVELS = 20
_PLAIN = re.compile(r"\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\s*")


@dataclass(frozen=True, kw_only=True)
class Notation:
    """Notation of the numbers of one column.

    Parameters
    ----------
    decimal : {".", ","}
        The mark before the decimals; the other one may part thousands.
    unit : str
        The sign or code that every value bears, before or after it; empty for none.
    """

    decimal: Decimal
    unit: str = ""

    @property
    def pattern(self) -> str:
        """Regular expression of a whole value, less the blanks around it."""
        return _pattern(self.decimal, re.escape(self.unit) if self.unit else "")

    @property
    def steps(self) -> tuple[tuple[str, str], ...]:
        """Replacements of regular expressions by which a value becomes a plain number."""
        other = "." if self.decimal == "," else ","
        unit = ((re.escape(self.unit), ""),) if self.unit else ()
        return (
            *unit,
            (f"[{_BLANKS}{_APOSTROPHES}{re.escape(other)}+)]", ""),
            (f"[({MINUS}]", "-"),
            (re.escape(self.decimal), "."),
        )


def _pattern(decimal: str, unit: str) -> str:
    other = "." if decimal == "," else ","
    marks = (re.escape(other), f"[{_BLANKS}]", f"[{_APOSTROPHES}]")
    thousands = "|".join(f"(?:{mark}[0-9]{{3}})+" for mark in marks)
    lakhs = f"[1-9][0-9]?(?:{marks[0]}[0-9]{{2}})+{marks[0]}[0-9]{{3}}"
    mark, sign, blank = re.escape(decimal), f"[+\\-{MINUS}]?", f"[{_BLANKS}]*"
    number = (
        rf"(?:(?:[0-9]+|[1-9][0-9]{{0,2}}(?:{thousands})|{lakhs})(?:{mark}[0-9]*)?|{mark}[0-9]+)"
        rf"(?:[eE][+-]?[0-9]+)?"
    )
    plain, negative = f"{sign}{blank}{number}", rf"\({number}\)"
    if not unit:
        return f"(?:{plain}|{negative})"
    before = rf"{sign}{unit}{blank}{number}|{unit}{blank}{sign}{number}|\({unit}{blank}{number}\)"
    return rf"(?:{before}|(?:{plain}|{negative}){blank}{unit}|\({number}{blank}{unit}\))"


def is_number(value: object) -> bool:
    """Return whether a value, written as text, is a number in plain notation."""
    return _PLAIN.fullmatch(str(value)) is not None


def mostly_numbers(levels: Sequence[str]) -> bool:
    """Return whether the distinct values of text are a spoiled numeric column, not categories.

    Examples
    --------
    >>> mostly_numbers([*map(str, range(30)), "n/k"]), mostly_numbers(["1", "2", "3", "n/k"])
    (True, False)
    """
    return len(levels) > _CATEGORY_LEVELS and 2 * sum(map(is_number, levels)) > len(levels)


def notation_of(example: str, decimal: Decimal) -> Notation | None:
    """Return the notation of one value, given its decimal mark; None if it is no such number.

    Examples
    --------
    >>> notation_of("1.234,50 €", ","), notation_of("n/k", ",")
    (Notation(decimal=',', unit='€'), None)
    """
    text = example.strip()
    for unit in ("", *(unit for unit in UNITS if unit in text)):
        found = Notation(decimal=decimal, unit=unit)
        if re.fullmatch(found.pattern, text):
            return found
    return None


def check_decimal(decimal: str | None) -> None:
    """Raise an error if a decimal mark is neither a comma nor a point."""
    if decimal is not None and decimal not in DECIMALS:
        raise DataError(f'decimal={decimal!r} is no decimal mark; give "," or "."')


def plain_numerals(values: Any, decimal: Decimal) -> Any | None:
    """Rewrite an Arrow array of text as plain numbers; None if a value is no number.

    Parameters
    ----------
    values : pyarrow.Array or pyarrow.ChunkedArray of string, length n
        Without blanks around the values; at least one is not null.
    decimal : {".", ","}
        Their decimal mark. All bear the same unit, or none.
    """
    notation = notation_of(pc.min_max(values)["min"].as_py(), decimal)
    if notation is None:
        return None
    matched = pc.match_substring_regex(values, rf"^({notation.pattern})$")
    if not pc.all(matched).as_py():
        return None
    for pattern, value in notation.steps:
        values = pc.replace_substring_regex(values, pattern, value)
    return values


@dataclass(frozen=True, kw_only=True)
class Numerals:
    """The notation of a column of text that is read as numbers.

    Parameters
    ----------
    example : str
        One value that plain reading does not take.
    decimals : tuple of {".", ","}
        The decimal marks by which (nearly) all values are numbers; two if it might be either,
        none if some are numbers by one and some by the other.
    units : tuple of str
        The different units that values bear ("" for none).
    stray : tuple of str
        Values that are no number by the first of `decimals`.
    """

    example: str
    decimals: tuple[Decimal, ...]
    units: tuple[str, ...]
    stray: tuple[str, ...]


def numerals_among(levels: Sequence[str]) -> Numerals | None:
    """Recognise values that are numbers, nearly all, though not as a computer writes them.

    Parameters
    ----------
    levels : sequence of str
        The different values of a column of text.

    Returns
    -------
    Numerals or None
        None if the values are labels, or plain numbers.

    Examples
    --------
    >>> numerals_among(["3,14", "2,72", "-1,5"]).decimals
    (',',)
    >>> numerals_among(["a", "b"]), numerals_among(["3.14", "2.72"])
    (None, None)
    """
    plain = [is_number(level) for level in levels]
    marks: tuple[Decimal, ...] = (",", ".")
    found = {mark: [notation_of(level, mark) for level in levels] for mark in marks}
    many = {decimal: len(read) - read.count(None) for decimal, read in found.items()}
    most = max(many.values())
    best = tuple(mark for mark in marks if many[mark] == most)
    read = found[best[0]]
    if most < NEARLY_ALL * len(levels):
        best, read = (), [one or other for one, other in zip(*found.values(), strict=True)]
        most = len(read) - read.count(None)
    if most <= sum(plain) or most < NEARLY_ALL * len(levels):
        return None
    odd = [k for k, one in enumerate(read) if one is not None and not plain[k]]
    marked = [k for k in odd if set(levels[k]) & set(DECIMALS)]
    return Numerals(
        example=levels[(marked or odd)[0]],
        decimals=best if marked or not best else (".",),
        units=tuple(sorted({one.unit for one in read if one is not None})),
        stray=tuple(level for level, one in zip(levels, read, strict=True) if one is None),
    )
