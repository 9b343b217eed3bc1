"""Decide what the columns of text files hold, from all their values, as `read_table` does."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import narwhals as nw

from bayes_mlm.data.texts import MISSING_TEXTS
from bayes_mlm.errors import DataError
from bayes_mlm.scan.source import FILE, Scan, as_scan, engine_errors

# Text that is mostly numbers may still be categories, if it has few levels.
_FEW_LEVELS = 20
_WHOLE = r"[+-]?[0-9]+"
NUMBER = (
    r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?|[+-]?[iI][nN][fF]([iI][nN][iI][tT][yY])?"
)
# 00123 and 0x1F are labels; so are whole numbers, and nothing else, that no 64 bits hold.
_LABEL = r"[+-]?0([0-9]+|[xX].*)"
# What trim() leaves at the ends, and Arrow's reader takes away (Unicode's White_Space).
_SPACES = [9, 10, 11, 12, 13, 32, 133, 160, 5760, *range(8192, 8203), 8232, 8233, 8239, 8287, 12288]
_TRUTH = ("true", "True", "TRUE", "false", "False", "FALSE")


def settle_types(scan: Scan, names: Sequence[str]) -> Scan:
    """Convert the columns named from text to what they hold; they are the only ones kept."""
    return _settle(scan, names, odd_spaces=False)


def _settle(scan: Scan, names: Sequence[str], *, odd_spaces: bool) -> Scan:
    """Convert columns; the slow way about blanks only where there are some other than spaces."""
    relation: Any = nw.to_native(scan.frame)
    spaces = " || ".join(f"chr({code})" for code in _SPACES) if odd_spaces else "' '"
    missing = ", ".join(f"'{text}'" for text in MISSING_TEXTS)
    cleaned = {name: f"nullif_{k}" for k, name in enumerate(names)}

    def clean(name: str) -> str:
        quoted = '"' + name.replace('"', '""') + '"'
        trimmed = f"trim({quoted}, {spaces})" if odd_spaces else f"trim({quoted})"
        return f"(case when {trimmed} in ({missing}) then null else {trimmed} end)"

    file = f", {FILE}" if scan.files else ""
    texts = relation.project(", ".join(f"{clean(n)} as {cleaned[n]}" for n in names) + file)
    flags, codes = [], f"({', '.join(map(str, _SPACES))})"
    for alias in cleaned.values():
        flags += [
            f"count({alias})",
            f"count_if(regexp_full_match({alias}, '{_WHOLE}'))",
            f"count_if(regexp_full_match({alias}, '{NUMBER}'))",
            f"count_if(regexp_full_match({alias}, '{_LABEL}'))",
            f"count_if(regexp_full_match({alias}, '{_WHOLE}') "
            f"and try_cast({alias} as bigint) is null)",
            f"count_if(unicode({alias}) in {codes} or unicode(right({alias}, 1)) in {codes})",
            f"count_if({alias} in ({', '.join(map(repr, _TRUTH))}))",
        ]
    with engine_errors(scan):
        found = texts.aggregate(", ".join(flags)).fetchall()[0]
    types = {}
    for k, name in enumerate(names):
        present, whole, number, label, huge, spaced, truth = found[7 * k : 7 * k + 7]
        if spaced and not odd_spaces:
            return _settle(scan, names, odd_spaces=True)
        label = label or (huge if whole == present else 0)
        if present == 0 or (number == present and not label):
            types[name] = "bigint" if present and whole == present else "double"
        elif truth == present:
            types[name] = "boolean"
        else:
            types[name] = "varchar"
            if 2 * number > present and not label:
                _refuse_mixed(scan, texts, name, cleaned[name])
    columns = ", ".join(
        f'cast({cleaned[n]} as {types[n]}) as "' + n.replace('"', '""') + '"' for n in names
    )
    prepared = as_scan(
        texts.project(columns + file), source=scan.source, files=scan.files, explain=scan.explain
    )
    return replace(prepared, progress=scan.progress, tell=scan.tell)


def _refuse_mixed(scan: Scan, texts: Any, name: str, alias: str) -> None:
    """Name the value, and of several files the file, that keeps a column from being numbers."""
    with engine_errors(scan):
        levels = texts.aggregate(f"approx_count_distinct({alias})").fetchall()[0][0]
        if levels <= _FEW_LEVELS:
            return
        file = f", {FILE}" if scan.files else ""
        odd = texts.filter(f"not regexp_full_match({alias}, '{NUMBER}')")
        example = odd.project(alias + file).limit(1).fetchall()[0]
        many = odd.aggregate("count(*)").fetchall()[0][0]
    where = f" in {scan.files[example[1]]}" if scan.files else ""
    plural = "value is" if many == 1 else "values are"
    raise DataError(
        f"column {name!r} of {scan.source} is mostly numbers, but {many:,} {plural} not, such as "
        f"{str(example[0])[:40]!r}{where}; correct them, or leave them empty and drop those rows "
        'with missing="drop" (--missing drop)'
    )
