"""Decide what the columns of text files hold, from all their values, as `read_table` does."""

import functools
import operator
from collections.abc import Mapping, Sequence
from dataclasses import replace

import narwhals as nw

from bayes_mlm.data.footers import FOOTER, refuse_footer
from bayes_mlm.data.numerals import Decimal, check_decimal, notation_of
from bayes_mlm.data.texts import FALSE_TEXTS, MISSING_TEXTS, TRUE_TEXTS
from bayes_mlm.scan.source import (
    FILE,
    NUMBER,
    Frame,
    Scan,
    as_scan,
    collect,
    collect_row,
    count,
    stripped,
)

_WHOLE = r"^[+-]?[0-9]+\z"
# 00123 and 0x1F are labels; so are whole numbers, and nothing else, that no 64 bits hold.
_LABEL = r"^[+-]?0([0-9]+|[xX].*)\z"
_LARGEST = str(2**63 - 1)


def with_decimal(scan: Scan, decimal: Decimal | None) -> Scan:
    """Give a scan whose columns of text are read as numbers of a decimal mark, if they are such."""
    check_decimal(decimal)
    if decimal is None or scan.from_text:
        return replace(scan, decimal=decimal)

    def read(given: Scan, names: Sequence[str]) -> Scan:
        prepared = replace(scan.prepare(given, names), decimal=decimal)
        return _read_numerals(prepared, names)

    return replace(scan, decimal=decimal, prepare=read)


def _read_numerals(scan: Scan, names: Sequence[str]) -> Scan:
    """Convert columns of text that hold numbers, but not declared categories nor dates."""
    asked = [
        name
        for name in names
        if scan.kinds[name] == "text" and name not in scan.categories and name not in scan.times
    ]
    texts = {f"text{k}_": stripped(scan.col(n).cast(nw.String)) for k, n in enumerate(asked)}
    frame = _with_numerals(replace(scan, frame=scan.frame.with_columns(**texts)), len(asked))
    counts: dict[str, nw.Expr] = {}
    for k in range(len(asked)):
        own = _counts(nw.col(f"text{k}_"), nw.col(f"number{k}_"))
        counts |= {f"{what}{k}": own[what] for what in ("there", "number", "label")}
    found = collect_row(replace(scan, frame=frame), counts) if asked else {}
    read = {
        name: nw.col(f"number{k}_").cast(nw.Float64)
        for k, name in enumerate(asked)
        if found[f"there{k}"] == found[f"number{k}"] > 0 and not found[f"label{k}"]
    }
    file = [FILE] if scan.files else []
    columns = {f"column{k}_": read.get(n, scan.col(n)) for k, n in enumerate(names)}
    return replace(
        scan,
        frame=frame.select(*file, **columns),
        kinds={n: "number" if n in read else scan.kinds[n] for n in names},
        aliases=dict(zip(names, columns, strict=True)),
    )


def settle_types(scan: Scan, names: Sequence[str]) -> Scan:
    """Convert the columns named from text to what they hold; they are the only ones kept.

    Where rows that miss a value will be dropped (`Scan.complete`), they have no say in it.

    Raises
    ------
    DataError
        If a row looks like the footer of a spreadsheet.
    """
    first = next(iter(scan.kinds))
    columns: dict[str, nw.Expr] = {}
    for k, name in enumerate([*names, first]):
        label = scan.col(name)
        text = stripped(label)
        there = ~(text.is_null() | text.is_in(MISSING_TEXTS))
        columns[f"text{k}_"] = nw.when(there).then(text)
        columns[f"label{k}_"] = nw.when(there).then(label)
    texts = scan.frame.select(*([FILE] if scan.files else []), **columns)
    held = [nw.col(f"text{k}_") for k in range(len(names))]
    whole_rows = functools.reduce(operator.and_, (~text.is_null() for text in held))
    if scan.decimal is not None:
        texts = _with_numerals(replace(scan, frame=texts), len(names))
    seen = texts.filter(whole_rows) if scan.complete else texts
    footer = _is_footer(nw.col(f"text{len(names)}_"))
    counts = {"footer": count(footer)}
    for k, text in enumerate(held):
        number = text if scan.decimal is None else nw.col(f"number{k}_")
        counts |= {f"{what}{k}": value for what, value in _counts(text, number).items()}
    found = collect_row(replace(scan, frame=seen), counts)
    if found["footer"] and found["footer"] <= max(len(scan.files), 1):
        words = collect(scan, seen.filter(footer).select(word=nw.col(f"text{len(names)}_")))
        refuse_footer(words["word"][0], scan.source)
    numbers = "text" if scan.decimal is None else "number"
    types = {f"column{k}_": _typed(k, found, nw.col(f"{numbers}{k}_")) for k in range(len(names))}
    frame = texts.select(*([FILE] if scan.files else []), **types)
    settled = as_scan(nw.to_native(frame), source=scan.source, files=scan.files)
    aliases = dict(zip(names, types, strict=True))
    return replace(
        scan,
        frame=settled.frame,
        kinds={name: settled.kinds[alias] for name, alias in aliases.items()},
        floats=frozenset(name for name, alias in aliases.items() if alias in settled.floats),
        aliases=aliases,
        prepare=settled.prepare,
    )


def _with_numerals(scan: Scan, many: int) -> Frame:
    """Add what the columns of text say as plain numbers: null where that is nothing."""
    assert scan.decimal is not None  # for mypy: the caller looked
    low = {f"low{k}": nw.col(f"text{k}_").min() for k in range(many)}
    found = collect(scan, scan.frame.select(**low))
    numbers = {}
    for k in range(many):
        example = found[f"low{k}"][0]
        notation = notation_of(example, scan.decimal) if isinstance(example, str) else None
        text = plain = nw.col(f"text{k}_")
        for pattern, value in () if notation is None else notation.steps:
            plain = plain.str.replace_all(pattern, value)
        known = rf"^({notation.pattern})\z" if notation is not None else r"^\z"
        numbers[f"number{k}_"] = nw.when(text.str.contains(known)).then(plain)
    return scan.frame.with_columns(**numbers)


def _counts(text: nw.Expr, number: nw.Expr) -> dict[str, nw.Expr]:
    """Count the values of a column, and those of each kind."""
    return {
        "there": text.count(),
        "whole": count(number.str.contains(_WHOLE)),
        "number": count(number.str.contains(NUMBER)),
        "label": count(number.str.contains(_LABEL)),
        "huge": count(_beyond_64_bits(number)),
        "truth": count(text.is_in(TRUE_TEXTS + FALSE_TEXTS)),
    }


def _typed(k: int, found: Mapping[str, float], number: nw.Expr) -> nw.Expr:
    """Convert the column of a place to what the counts say it holds."""
    label, text = nw.col(f"label{k}_"), nw.col(f"text{k}_")
    there, whole = found[f"there{k}"], found[f"whole{k}"]
    if found[f"label{k}"] or (whole == there and found[f"huge{k}"]):
        return label
    if found[f"number{k}"] == there:
        pattern, dtype = (_WHOLE, nw.Int64) if whole == there > 0 else (NUMBER, nw.Float64)
        return nw.when(number.str.contains(pattern)).then(number).cast(dtype)
    if found[f"truth{k}"] == there:
        return nw.when(~text.is_null()).then(text.is_in(TRUE_TEXTS))
    return label


def _is_footer(text: nw.Expr) -> nw.Expr:
    return text.str.to_lowercase().str.contains(rf"^({FOOTER})\z")


def _beyond_64_bits(text: nw.Expr) -> nw.Expr:
    digits = text.str.replace_all("[+-]", "")
    return text.str.contains(r"^[+-]?[0-9]{20,}\z") | (
        text.str.contains(r"^[+-]?[0-9]{19}\z") & (digits > _LARGEST)
    )
