"""Codes that stand for missing values, set to missing where the rows are scanned."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import narwhals as nw

from bayes_mlm.data.lazy.expressions import count, stripped
from bayes_mlm.data.lazy.source import FILE, Scan, collect_row
from bayes_mlm.data.lazy.texts import read_columns_of_numerals
from bayes_mlm.data.na_values import (
    NaValues,
    note_on_absent,
    note_on_codes,
    numbers_of,
    read_na_values,
)


def scan_without_codes(scan: Scan, na_values: str | None) -> Scan:
    """Return a scan whose codes of missing values are missing; see `without_codes`."""
    declared = read_na_values(na_values)
    if declared is None:
        return scan
    absent = note_on_absent(declared, list(scan.kinds), scan.source)
    notes = {**scan.notes, "": (*scan.notes.get("", ()), *absent)} if absent else scan.notes
    before = scan

    def read(source: Scan, names: Sequence[str]) -> Scan:
        in_texts: dict[str, dict[str, int]] = {}
        if source.from_text:  # set aside before types are inferred from the values
            texts = {name: declared.of(name) for name in names if declared.of(name)}
            in_texts = _counts(source, texts, {})
            source = replace(source, codes=texts)
        settled = before.prepare(source, names)
        return _without(settled, names, declared, in_texts)

    return replace(scan, prepare=read, notes=notes)


def _without(
    scan: Scan, names: Sequence[str], declared: NaValues, found: Mapping[str, Mapping[str, int]]
) -> Scan:
    plain = [name for name in names if scan.kinds[name] == "text" and name not in scan.times]
    texts = {name: declared.of(name) for name in plain if declared.of(name)}
    numbers = {
        name: numbers_of(declared.of(name)) for name in names if scan.kinds[name] == "number"
    }
    numbers = {name: codes for name, codes in numbers.items() if codes}
    counts = _counts(scan, texts, numbers)
    columns, aliases = {}, {}
    categories = dict(scan.categories)
    for k, name in enumerate(names):
        value = scan.col(name)
        if any(counts.get(name, {}).values()):
            if name in texts:
                text = value.cast(nw.String)
                value = nw.when(~stripped(text).is_in(texts[name])).then(text)
            else:
                value = nw.when(~value.is_in(list(numbers[name]))).then(value)
        aliases[name] = f"column{k}_"
        columns[aliases[name]] = value
        if name in categories and name in texts:
            categories[name] = tuple(c for c in categories[name] if c.strip() not in texts[name])
    file = [FILE] if scan.files else []
    notes = dict(scan.notes)
    for name in names:
        many = {
            code: counts.get(name, {}).get(code, 0) + found.get(name, {}).get(code, 0)
            for code in declared.of(name)
        }
        said = note_on_codes(name, many)
        if said:
            notes[name] = (*notes.get(name, ()), *said)
    kept = replace(
        scan,
        frame=scan.frame.select(*file, **columns),
        aliases=aliases,
        categories=categories,
        notes=notes,
    )
    again = [name for name in texts if any(counts[name].values())]
    if not again or scan.from_text:
        return kept
    return read_columns_of_numerals(kept, names, scan.decimal or ".", again)


def _counts(
    scan: Scan, texts: Mapping[str, Sequence[str]], numbers: Mapping[str, Mapping[float, str]]
) -> dict[str, dict[str, int]]:
    """Count the codes of each column, by one query."""
    queries: dict[str, nw.Expr] = {}
    place: dict[str, tuple[str, str]] = {}
    for name, codes in texts.items():
        text = stripped(scan.col(name).cast(nw.String))
        for code in codes:
            key = f"count{len(queries)}_"
            queries[key], place[key] = count(text == code), (name, code)
    for name, values in numbers.items():
        for value, code in values.items():
            key = f"count{len(queries)}_"
            queries[key], place[key] = count(scan.col(name) == value), (name, code)
    counts: dict[str, dict[str, int]] = {}
    if queries:
        for key, many in collect_row(scan, queries).items():
            name, code = place[key]
            counts.setdefault(name, {})[code] = int(many) if many == many else 0
    return counts
