"""Decide what the columns of text files hold, from all their values, as `read_table` does."""

import functools
import operator
from collections.abc import Mapping, Sequence
from dataclasses import replace

import narwhals as nw

from bayes_mlm.data.footers import FOOTER, refuse_footer
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


def settle_types(scan: Scan, names: Sequence[str]) -> Scan:
    """Convert the columns named from text to what they hold; they are the only ones kept.

    Where rows that miss a value will be dropped (`Scan.complete`), they have no say in it.

    Raises
    ------
    DataError
        If a row looks like the footer of a spreadsheet.
    """
    columns = [*names, next(iter(scan.kinds))]
    texts = _texts(scan, columns, [True] * len(columns))
    held = [nw.col(f"text{k}_") for k in range(len(names))]
    whole_rows = functools.reduce(operator.and_, (~text.is_null() for text in held))
    seen = texts.filter(whole_rows) if scan.complete else texts
    footer = _is_footer(nw.col(f"text{len(names)}_"))
    counts = {"footer": count(footer)}
    for k in range(len(names)):
        counts |= {f"{what}{k}": value for what, value in _counts(k).items()}
    found = collect_row(replace(scan, frame=seen), counts)
    if found["footer"] and found["footer"] <= max(len(scan.files), 1):
        words = collect(scan, seen.filter(footer).select(word=nw.col(f"text{len(names)}_")))
        refuse_footer(words["word"][0], scan.source)
    # To look for spaces costs as much as all else: no later pass does where there are none.
    spaced = [scan.complete or found[f"spaced{k}"] > 0 for k in range(len(names))]
    types = {f"column{k}_": _typed(k, found, sure=not scan.complete) for k in range(len(names))}
    frame = _texts(scan, names, spaced).select(*([FILE] if scan.files else []), **types)
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
    """Take of each column the labels, these without spaces around, and where the two differ."""
    columns: dict[str, nw.Expr] = {}
    for k, (name, trim) in enumerate(zip(names, spaced, strict=True)):
        label = scan.col(name)
        text = stripped(label) if trim else label
        there = ~(text.is_null() | text.is_in(MISSING_TEXTS))
        columns[f"text{k}_"] = nw.when(there).then(text)
        columns[f"label{k}_"] = nw.when(there).then(label)
        columns[f"spaced{k}_"] = label != text
    return scan.frame.select(*([FILE] if scan.files else []), **columns)


def _counts(k: int) -> dict[str, nw.Expr]:
    """Count the values of the column of a place, and those of each kind."""
    text = nw.col(f"text{k}_")
    return {
        "there": text.count(),
        "spaced": count(nw.col(f"spaced{k}_")),
        "whole": count(text.str.contains(_WHOLE)),
        "number": count(text.str.contains(NUMBER)),
        "label": count(text.str.contains(_LABEL)),
        "huge": count(_beyond_64_bits(text)),
        "truth": count(text.is_in(TRUE_TEXTS + FALSE_TEXTS)),
    }


def _typed(k: int, found: Mapping[str, float], *, sure: bool) -> nw.Expr:
    """Convert the column of a place to what the counts say it holds; `sure` if in every row."""
    label, text = nw.col(f"label{k}_"), nw.col(f"text{k}_")
    there, whole = found[f"there{k}"], found[f"whole{k}"]
    if found[f"label{k}"] or (whole == there and found[f"huge{k}"]):
        return label
    if found[f"number{k}"] == there:
        pattern, dtype = (_WHOLE, nw.Int64) if whole == there > 0 else (NUMBER, nw.Float64)
        return (text if sure else nw.when(text.str.contains(pattern)).then(text)).cast(dtype)
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
