"""Apply the value labels and the missing codes of statistical files to columns of values."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from bayes_mlm.base import DataError, count
from bayes_mlm.data.columns import Column, TypedColumn, as_whole, from_any
from bayes_mlm.data.groups import label_text
from bayes_mlm.data.labels import advice_to_code, label_texts
from bayes_mlm.data.missing import is_missing
from bayes_mlm.data.table import Table, table_of_columns

type Value = float | str
_SHOWN = 4


@dataclass(frozen=True, kw_only=True, eq=False)
class Coded:
    """A column of values as a statistical file has it.

    Parameters
    ----------
    values : sequence, length n
        Numbers, texts or dates; None or NaN where missing.
    label : str
        The variable label; "" for none.
    labels : mapping
        The labels of values.
    missing : tuple of (lowest, highest)
        Ranges of user-missing codes; a single code is a range of itself.
    tags : frozenset of str
        Texts among numbers that stand for kinds of missing values (Stata's .a, SAS's ._).
    """

    values: Sequence[Any]
    label: str = ""
    labels: Mapping[Value, str] = field(default_factory=dict)
    missing: tuple[tuple[Value, Value], ...] = ()
    tags: frozenset[str] = frozenset()


def table_of_coded(columns: Mapping[str, Coded], source: str, codes: str | None) -> Table:
    """Return the table of coded columns.

    Parameters
    ----------
    columns : mapping of str to Coded
    source : str
        The name of the file.
    codes : str or None
        Columns whose values are kept although they have labels: as of `read_table`.

    Raises
    ------
    DataError
        If a column of `codes` is not there, or has no value labels.
    """
    kept = _read_by_value(columns, source, codes)
    given: dict[str, TypedColumn] = {}
    notes: dict[str, tuple[str, ...]] = {}
    labelled: dict[str, dict[Value, str]] = {}
    for name, one in columns.items():
        values, counts = _without_missing(one)
        found = from_any(name, values)
        whole = TypedColumn(values=as_whole(found.values), is_time=found.is_time)
        remarks = _about_missing(name, one, counts)
        labels = _labels_of(one, whole.values)
        if labels:
            labelled[name] = labels
            if name not in kept:
                whole, remark = _labelled(name, whole, labels)
                remarks = (*remarks, *remark)
        given[name] = whole
        if remarks:
            notes[name] = remarks
    table = table_of_columns(given, source)
    titles = {name: one.label.strip() for name, one in columns.items() if one.label.strip()}
    return replace(
        table,
        labels={name: title for name, title in titles.items() if title != name},
        value_labels=labelled,
        notes=notes,
    )


def _read_by_value(columns: Mapping[str, Coded], source: str, codes: str | None) -> frozenset[str]:
    if codes is None:
        return frozenset()
    with_labels = [name for name, one in columns.items() if one.labels]
    names = [name.strip() for name in codes.split(",") if name.strip()]
    if names == ["all"]:
        return frozenset(with_labels)
    odd = [name for name in names if name in columns and name not in with_labels]
    absent = [name for name in names if name not in columns]
    if odd or absent or not names:
        wrong = repr((absent or odd or [codes])[0])
        what = "is no column" if absent else "has no value labels" if odd else "names no column"
        listed = ", ".join(with_labels[:12]) or "none"
        raise DataError(
            f"codes={codes!r}: {wrong} {what} in {source}; columns with value labels: {listed}"
        )
    return frozenset(names)


def _without_missing(one: Coded) -> tuple[list[Any], Counter[Value]]:
    """Return the values without missing codes, and how often each code occurs."""
    counts: Counter[Value] = Counter()
    if not one.missing and not one.tags:
        return [None if value == "" else value for value in one.values], counts
    values = []
    for value in one.values:
        gone = isinstance(value, str) and value in one.tags
        gone = gone or any(_between(value, low, high) for low, high in one.missing)
        if gone:
            counts[value] += 1
        values.append(None if gone or value == "" else value)
    return values, counts


def _between(value: Any, low: Value, high: Value) -> bool:
    if isinstance(low, str) or isinstance(high, str):
        return isinstance(value, str) and value.rstrip() in (str(low).rstrip(), str(high).rstrip())
    return isinstance(value, (int, float)) and low <= value <= high


def _about_missing(name: str, one: Coded, counts: Counter[Value]) -> tuple[str, ...]:
    """Return a note on the missing codes that occur."""
    if not counts:
        return ()
    parts = []
    for value in sorted(counts, key=lambda value: (isinstance(value, str), value)):
        code = f".{value}" if value in one.tags else label_text(value)
        label = one.labels.get(value, "")
        parts.append(f"{code}{f' {label!r}' if label else ''}: {counts[value]:,}")
    shown = ", ".join(parts[:_SHOWN]) + (", …" if len(parts) > _SHOWN else "")
    what = "extended missing codes" if one.tags else "user-missing codes"
    many = count(sum(counts.values()), "value")
    return (f"{name}: {many} with {what} treated as missing ({shown})",)


def _labels_of(one: Coded, values: Column) -> dict[Value, str]:
    """Return the labels of values that are not missing; none if they only repeat the values."""
    gone = one.tags
    labels = {
        value: label.strip()
        for value, label in one.labels.items()
        if label.strip()
        and value not in gone
        and not any(_between(value, low, high) for low, high in one.missing)
    }
    if all(label == label_text(value) for value, label in labels.items()):
        return {}
    if values.dtype == object:
        return {value: label for value, label in labels.items() if isinstance(value, str)}
    return {float(value): label for value, label in labels.items() if not isinstance(value, str)}


def _labelled(
    name: str, given: TypedColumn, labels: dict[Value, str]
) -> tuple[TypedColumn, tuple[str, ...]]:
    """Replace values by their labels, if every value that occurs has one."""
    values = given.values
    occurring = set(values[~is_missing(values)].tolist())
    if not occurring:
        return given, ()
    without = sorted(occurring - set(labels))
    if without and values.dtype == object:
        return given, ()
    if without:
        shown = ", ".join(map(label_text, without[:_SHOWN]))
        more = ", …" if len(without) > _SHOWN else ""
        pairs = list(labels.items())[:2]
        some = ", ".join(f"{label_text(value)} {label!r}" for value, label in pairs)
        which = f"only some values have labels ({some}; none for {shown}{more})"
        return given, (f"{name}: {which}, so it is numeric; {advice_to_code(name)}",)
    texts, repeated = label_texts(labels), _repeated(labels, occurring)
    column = np.empty(values.shape, dtype=object)
    column[:] = [texts.get(value) for value in values.tolist()]
    order = tuple(dict.fromkeys(texts[value] for value in sorted(texts)))
    note = (
        (
            f"{name}: the label {repeated[0]!r} is used for several values, which remain different "
            "levels; the value is added in brackets",
        )
        if repeated
        else ()
    )
    return TypedColumn(values=column, categories=order), note


def _repeated(labels: Mapping[Value, str], used: set[Any]) -> list[str]:
    """Return the labels that several of the values that occur have."""
    many = Counter(labels[value] for value in used)
    return [label for label, count in many.items() if count > 1]
