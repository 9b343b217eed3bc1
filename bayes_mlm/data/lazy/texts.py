"""Infer the types of the columns of text files from all their values, as `read_table` does."""

import functools
import operator
from collections.abc import Mapping, Sequence
from dataclasses import replace

import narwhals as nw

from bayes_mlm.data.footers import FOOTER, refuse_footer
from bayes_mlm.data.lazy.expressions import NUMBER, count, stripped
from bayes_mlm.data.lazy.source import FILE, Frame, Scan, as_scan, collect, collect_row
from bayes_mlm.data.numerals import Decimal, Notation, check_decimal, notation_of
from bayes_mlm.data.texts import FALSE_TEXTS, MISSING_TEXTS, TRUE_TEXTS

_WHOLE = r"^[+-]?[0-9]+\z"
# 00123 and 0x1F are labels; so are whole numbers, and nothing else, that exceed 64 bits.
_LABEL = r"^[+-]?0([0-9]+|[xX].*)\z"
_LARGEST = str(2**63 - 1)


def with_decimal(scan: Scan, decimal: Decimal | None) -> Scan:
    """Return a scan that reads columns of numerals with a decimal mark as numbers."""
    check_decimal(decimal)
    if decimal is None or scan.from_text:
        return replace(scan, decimal=decimal)

    def read(source: Scan, names: Sequence[str]) -> Scan:
        return read_columns_of_numerals(scan.prepare(source, names), names, decimal)

    return replace(scan, decimal=decimal, prepare=read)


def read_columns_of_numerals(
    scan: Scan, names: Sequence[str], decimal: Decimal, among: Sequence[str] | None = None
) -> Scan:
    """Convert columns of numerals, but not declared categories nor dates."""
    candidates = [
        name
        for name in (names if among is None else among)
        if scan.kinds[name] == "text" and name not in scan.categories and name not in scan.times
    ]
    if not candidates:
        return replace(scan, decimal=decimal)
    texts = {f"text{k}_": stripped(scan.col(n).cast(nw.String)) for k, n in enumerate(candidates)}
    frame = scan.frame.with_columns(**texts)
    frame = _with_numerals(frame, _notations(scan, frame, len(candidates), decimal))
    counts: dict[str, nw.Expr] = {}
    for k in range(len(candidates)):
        counted = _counts(nw.col(f"text{k}_"), nw.col(f"number{k}_"))
        counts |= {f"{what}{k}": counted[what] for what in ("there", "number", "label")}
    found = collect_row(replace(scan, frame=frame), counts)
    read = {
        name: nw.col(f"number{k}_").cast(nw.Float64)
        for k, name in enumerate(candidates)
        if found[f"there{k}"] == found[f"number{k}"] > 0 and not found[f"label{k}"]
    }
    file = [FILE] if scan.files else []
    columns = {f"column{k}_": read.get(n, scan.col(n)) for k, n in enumerate(names)}
    return replace(
        scan,
        frame=frame.select(*file, **columns),
        decimal=decimal,
        kinds={n: "number" if n in read else scan.kinds[n] for n in names},
        aliases=dict(zip(names, columns, strict=True)),
    )


def settle_types(scan: Scan, names: Sequence[str]) -> Scan:
    """Convert the columns named from text to their inferred types; others are dropped.

    Rows that will be dropped for a missing value (`Scan.complete`) do not count.

    Raises
    ------
    DataError
        If a row looks like the footer of a spreadsheet.
    """
    columns = [*names, next(iter(scan.kinds))]
    texts = _texts(scan, columns, [True] * len(columns))
    held = [nw.col(f"text{k}_") for k in range(len(names))]
    whole_rows = functools.reduce(operator.and_, (~text.is_null() for text in held))
    notations: tuple[Notation | None, ...] = ()
    if scan.decimal is not None:
        notations = _notations(scan, texts, len(names), scan.decimal)
        texts = _with_numerals(texts, notations)
    seen = texts.filter(whole_rows) if scan.complete else texts
    footer = _is_footer(nw.col(f"text{len(names)}_"))
    counts = {"footer": count(footer)}
    for k, text in enumerate(held):
        number = text if scan.decimal is None else nw.col(f"number{k}_")
        counts |= {f"{what}{k}": value for what, value in _counts(text, number).items()}
        counts[f"spaced{k}"] = count(nw.col(f"spaced{k}_"))
    found = collect_row(replace(scan, frame=seen), counts)
    if found["footer"] and found["footer"] <= max(len(scan.files), 1):
        words = collect(scan, seen.filter(footer).select(word=nw.col(f"text{len(names)}_")))
        refuse_footer(words["word"][0], scan.source)
    # Stripping spaces is costly, so that later passes skip it where there are none.
    spaced = [scan.complete or found[f"spaced{k}"] > 0 for k in range(len(names))]
    texts = _texts(scan, names, spaced)
    if notations:
        texts = _with_numerals(texts, notations)
    numbers = "text" if scan.decimal is None else "number"
    types = {
        f"column{k}_": _typed(k, found, nw.col(f"{numbers}{k}_"), sure=not scan.complete)
        for k in range(len(names))
    }
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


def _texts(scan: Scan, names: Sequence[str], spaced: Sequence[bool]) -> Frame:
    """Select of each column the labels, the labels stripped of spaces, and where the two differ."""
    columns: dict[str, nw.Expr] = {}
    for k, (name, trim) in enumerate(zip(names, spaced, strict=True)):
        label = scan.col(name)
        text = stripped(label) if trim else label
        there = ~(text.is_null() | text.is_in((*MISSING_TEXTS, *scan.codes.get(name, ()))))
        columns[f"text{k}_"] = nw.when(there).then(text)
        columns[f"label{k}_"] = nw.when(there).then(label)
        columns[f"spaced{k}_"] = label != text
    return scan.frame.select(*([FILE] if scan.files else []), **columns)


def _notations(
    scan: Scan, texts: Frame, many: int, decimal: Decimal
) -> tuple[Notation | None, ...]:
    """Return how the numbers of each column of text are written, by its least value."""
    low = {f"low{k}": nw.col(f"text{k}_").min() for k in range(many)}
    found = collect(scan, texts.select(**low))
    examples = (found[name][0] for name in low)
    return tuple(notation_of(e, decimal) if isinstance(e, str) else None for e in examples)


def _with_numerals(texts: Frame, notations: Sequence[Notation | None]) -> Frame:
    """Add the values of columns of text as plain numbers: null where a value is none."""
    numbers = {}
    for k, notation in enumerate(notations):
        text = plain = nw.col(f"text{k}_")
        for pattern, value in () if notation is None else notation.steps:
            plain = plain.str.replace_all(pattern, value)
        known = rf"^({notation.pattern})\z" if notation is not None else r"^\z"
        numbers[f"number{k}_"] = nw.when(text.str.contains(known)).then(plain)
    return texts.with_columns(**numbers)


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


def _typed(k: int, found: Mapping[str, float], number: nw.Expr, *, sure: bool) -> nw.Expr:
    """Convert a column to the type that the counts show; `sure` if that of every row."""
    label, text = nw.col(f"label{k}_"), nw.col(f"text{k}_")
    there, whole = found[f"there{k}"], found[f"whole{k}"]
    if found[f"label{k}"] or (whole == there and found[f"huge{k}"]):
        return label
    if found[f"number{k}"] == there:
        pattern, dtype = (_WHOLE, nw.Int64) if whole == there > 0 else (NUMBER, nw.Float64)
        return (number if sure else nw.when(number.str.contains(pattern)).then(number)).cast(dtype)
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
