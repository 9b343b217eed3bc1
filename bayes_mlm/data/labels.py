"""Comparison of the labels of a factor: similar ones, and labels stripped of spaces."""

import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np

from bayes_mlm.data.groups import label_text, levels_of
from bayes_mlm.data.numerals import is_number
from bayes_mlm.data.table import Table
from bayes_mlm.data.texts import BLANKS, MISSING_TEXTS

ALIKE = " differ only by spaces or case, and are different levels: "
_SETS, _LABELS = 3, 4  # shown in a note
_OPEN_ENDED = re.compile(r"\s*(?:[0-9.,]+\s*\+|[<>≤≥]=?\s*[0-9.,]+)\s*")  # "3+", "<20"
_NUMBERS = 3  # labels that are numbers, beyond which one that is not is remarkable
# Of these alone no two texts look alike.
_UNLIKE = frozenset("0123456789:._-")


def strip_labels(table: Table) -> Table:
    """Return a table whose text has no spaces at its ends (tabs, no-break and zero-width ones too).

    Examples
    --------
    >>> from bayes_mlm.data.table import as_table
    >>> strip_labels(as_table({"school": ["a", " a", None]})).columns["school"].tolist()
    ['a', 'a', None]
    """
    columns = dict(table.columns)
    for name, values in columns.items():
        if values.dtype == object:
            levels, codes = levels_of(values)
            stripped = np.array([*(text.strip(BLANKS) for text in levels), None], dtype=object)
            columns[name] = stripped[codes]  # a missing value has code -1: the last
    return replace(table, columns=columns, categories=strip_categories(table.categories))


def strip_categories(declared: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """Return declared categories without the spaces at their ends, in their order.

    Examples
    --------
    >>> strip_categories({"size": ("small", "small ", "large")})
    {'size': ('small', 'large')}
    """
    return {
        name: tuple(dict.fromkeys(text.strip(BLANKS) for text in levels))
        for name, levels in declared.items()
    }


def label_texts(labels: Mapping[float | str, str]) -> dict[float | str, str]:
    """Return a distinct text for each value: its label, with the value where two are alike.

    Examples
    --------
    >>> label_texts({1.0: "Nord", 3.0: "St. Mary", 9.0: "St. Mary"})
    {1.0: 'Nord', 3.0: 'St. Mary (3)', 9.0: 'St. Mary (9)'}
    >>> label_texts({1.0: "a", 2.0: "a", 3.0: "a (1)"})
    {1.0: 'a (1)', 2.0: 'a (2)', 3.0: 'a (1) (3)'}
    """
    coded = {value: f"{label} ({label_text(value)})" for value, label in labels.items()}
    many = Counter(labels.values())
    texts = {value: coded[value] if many[one] > 1 else one for value, one in labels.items()}
    # A label may be what another one has become.
    return texts if len(set(texts.values())) == len(texts) else coded


def advice_to_code(name: str) -> str:
    """Return the advice of a note on a column that is numeric and could be categorical."""
    return f"C({name}) makes it categorical"


def notes_on_columns(
    notes: Mapping[str, tuple[str, ...]],
    names: Iterable[str],
    categories: Collection[str] = (),
) -> tuple[str, ...]:
    """Return the notes on a whole table and some of its columns, as a model takes them.

    Parameters
    ----------
    notes : mapping of str to tuple of str
        As of `Table.notes`.
    names : iterable of str
        The columns.
    categories : collection of str, optional
        Those that are categorical in the model, of which no note advises to make them so.

    Examples
    --------
    >>> notes = {"": ("detected",), "x": ("x: numeric; C(x) makes it categorical",)}
    >>> notes_on_columns(notes, ["x"])
    ('detected', 'x: numeric; C(x) makes it categorical')
    >>> notes_on_columns(notes, ["x"], categories=["x"])
    ('detected',)
    """
    return tuple(
        note
        for name in ("", *names)
        for note in notes.get(name, ())
        if not (name in categories and note.endswith(advice_to_code(name)))
    )


def relabelled(table: Table, as_text: Mapping[str, bool]) -> Table:
    """Return a table whose columns with value labels hold the labels, or the values.

    Parameters
    ----------
    table : Table
    as_text : mapping of str to bool
        Of some columns, whether they are to hold labels.

    Examples
    --------
    >>> from bayes_mlm.data.table import as_table
    >>> table = replace(as_table({"x": [1, 4]}), value_labels={"x": {1.0: "low"}})
    >>> relabelled(table, {"x": True}).columns["x"].tolist()
    ['low', '4']
    """
    columns, categories = dict(table.columns), dict(table.categories)
    for name, wanted in as_text.items():
        labels = table.value_labels.get(name)
        values = table.columns.get(name)
        if not labels or values is None or any(isinstance(value, str) for value in labels):
            continue
        texts = label_texts(labels)
        if values.dtype == object and not wanted:
            numbers = {text: float(value) for value, text in texts.items()}
            columns[name] = np.array([numbers.get(text, np.nan) for text in values.tolist()])
            categories.pop(name, None)
        elif values.dtype != object and wanted:
            column = np.empty(values.shape, dtype=object)
            column[:] = [
                None if value != value else texts.get(float(value), label_text(value))
                for value in values.tolist()
            ]
            columns[name] = column
    return replace(table, columns=columns, categories=categories)


def notes_on_labels(name: str, labels: Iterable[Any]) -> tuple[str, ...]:
    """Return notes on labels that are easily confused with one another, or with missing values.

    Parameters
    ----------
    name : str
        The factor.
    labels : iterable
        Its distinct labels; those that are no text are passed over.

    Returns
    -------
    tuple of str

    Examples
    --------
    >>> for note in notes_on_labels("school", ["x0", " x0", "X1", "x1", "x2"]):
    ...     print(note)
    school: 2 sets of labels differ only by spaces or case, and are different levels: \
' x0', 'x0'; 'X1', 'x1'; strip=True (--strip) strips the spaces at their ends
    """
    texts = list(labels)
    if not all(isinstance(label, str) for label in texts):
        return ()
    alike: dict[str, list[str]] = {}
    if not set("".join(texts)) <= _UNLIKE:
        for label in texts:
            alike.setdefault(_likeness(label), []).append(label)
    blank = [label for label in texts if label.strip(BLANKS) in MISSING_TEXTS]
    odd = list(islice((text for text in texts if not is_number(text)), 2))  # one, or more
    sets = [sorted(same) for same in alike.values() if len(same) > 1]
    notes = []
    if sets:
        what = "labels" if len(sets) == 1 else f"{len(sets):,} sets of labels"
        shown = "; ".join(_listed(same, _LABELS) for same in sorted(sets)[:_SETS])
        more = "; …" if len(sets) > _SETS else ""
        gain = any(len({label.strip(BLANKS) for label in same}) < len(same) for same in sets)
        advice = "; strip=True (--strip) strips the spaces at their ends" if gain else ""
        notes.append(f"{name}: {what}{ALIKE}{shown}{more}{advice}")
    if blank:
        notes.append(
            f"{name}: {_listed(sorted(blank), _LABELS)} is a label here, as in any table that has "
            "declared missing values; make it missing if it marks one"
        )
    if len(odd) == 1 and len(texts) > _NUMBERS and not _OPEN_ENDED.fullmatch(odd[0]):
        notes.append(
            f"{name}: every label is a number but {odd[0]!r}; check that label, and if it stands "
            "for a missing value, leave it empty or write NA: the column is then one of numbers"
        )
    return tuple(notes)


def _likeness(label: str) -> str:
    """Return a label without case, spaces and invisible characters."""
    if label.isascii():
        return "".join(label.casefold().split())
    text = unicodedata.normalize("NFKC", label).casefold()
    hidden = ("Cc", "Cf", "Zs", "Zl", "Zp")
    return "".join(c for c in text if unicodedata.category(c) not in hidden)


def _listed(labels: list[str], most: int) -> str:
    return ", ".join(map(repr, labels[:most])) + (", …" if len(labels) > most else "")
