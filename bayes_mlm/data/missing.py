"""Missing values of a table; rows are dropped only on request."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bayes_mlm.base import DataError, check_choice
from bayes_mlm.data.columns import Column
from bayes_mlm.data.groups import levels_of
from bayes_mlm.data.parsing import as_texts, parse_column
from bayes_mlm.data.table import Table, take

_SHOWN = 3


@dataclass(frozen=True, kw_only=True)
class Complete:
    """Table without missing values in the columns of a model, and the rows dropped for it.

    Parameters
    ----------
    table : Table
        The rows kept (the table itself if none was dropped), with all their columns.
    n_dropped : int
        Number of rows dropped.
    by_column : mapping of str to int
        Number of missing values in each column that had any; a row missing two counts in both.
    """

    table: Table
    n_dropped: int
    by_column: Mapping[str, int]


def count_labels(values: Column, *, as_numbers: bool) -> int:
    """Return the number of distinct labels; with `as_numbers`, of those that are numbers.

    Examples
    --------
    >>> count_labels(np.array(["1", " 1", "Total", None], dtype=object), as_numbers=True)
    1
    """
    if as_numbers and values.dtype == object:
        return len({_number(text) for text in set(values.tolist())} - {None})
    return int(levels_of(values)[0].size)


def _number(text: str | None) -> float | int | None:
    """Return the number that a text is, exactly: an identifier may have 19 digits."""
    for kind in (int, float):
        try:
            number: float | int = kind(text or "nan")
        except ValueError:
            continue
        return None if math.isnan(number) else number
    return None


def note_on_lost_groups(n_before: int, n_after: int, group: str) -> tuple[str, ...]:
    """Return a note on groups that have a missing value in every row, and are dropped."""
    if n_before == n_after:
        return ()
    return (
        f"{n_before - n_after:,} of {n_before:,} groups ({group}) had a missing value in "
        "every row, and are dropped",
    )


def check_missing(missing: str) -> None:
    """Refuse an unknown treatment of missing values."""
    check_choice("missing", missing, ("error", "drop"), DataError)


def handle_missing(
    table: Table, names: Sequence[str], missing: Literal["error", "drop"] = "error"
) -> Complete:
    """Require that the columns named miss nothing, or drop the rows that do.

    Parameters
    ----------
    table : Table
        The rows.
    names : sequence of str
        The columns that the model uses; missing values in others are ignored.
    missing : {"error", "drop"}
        What to do with a row that misses a value: never anything silent.

    Returns
    -------
    Complete
        The table kept, and the numbers of rows dropped and of values missing.

    Raises
    ------
    DataError
        If values are missing and `missing` is "error", if dropping leaves no row, or if `missing`
        is neither word.

    Examples
    --------
    >>> from bayes_mlm.data.table import as_table
    >>> kept = handle_missing(as_table({"y": [1.0, None, 3.0]}), ["y"], missing="drop")
    >>> kept.table.columns["y"].tolist(), kept.n_dropped
    ([1.0, 3.0], 1)
    """
    check_missing(missing)
    masks = {name: is_missing(table.columns[name]) for name in dict.fromkeys(names)}
    masks = {name: mask for name, mask in masks.items() if mask.any()}
    if not masks:
        return Complete(table=table, n_dropped=0, by_column={})
    gone = np.logical_or.reduce(list(masks.values()))
    n_dropped = int(np.count_nonzero(gone))
    if missing == "error" or n_dropped == table.n:
        parts = [
            f"column {name!r} has {count_text(mask, 'missing')}" for name, mask in masks.items()
        ]
        if n_dropped == table.n:
            raise DataError(f"{'; '.join(parts)}: every row of {table.source} has one of them")
        total = f": {n_dropped} of {table.n} rows in all" if len(masks) > 1 else ""
        raise DataError(
            f'{"; ".join(parts)}{total}; drop them with missing="drop" (--missing drop), '
            "or impute them (bayes_mlm.impute, bayes-mlm impute)"
        )
    counts = {name: int(np.count_nonzero(mask)) for name, mask in masks.items()}
    kept = _retyped(take(table, ~gone), names)
    return Complete(table=kept, n_dropped=n_dropped, by_column=counts)


def _retyped(table: Table, names: Sequence[str]) -> Table:
    """Infer the types of columns of text without the dropped rows, such as a footer."""
    if not table.from_text:
        return table
    columns = dict(table.columns)
    for name in dict.fromkeys(names):
        if columns[name].dtype == object:
            columns[name] = parse_column(as_texts(columns[name].tolist()))
    return replace(table, columns=columns)


def is_missing(values: Column) -> NDArray[np.bool_]:
    """Return the mask (n,) of the missing values of a column of a `Table`."""
    if values.dtype == object:
        absent: NDArray[np.bool_] = np.equal(values, np.array(None))
        return absent
    return np.isnan(values) if values.dtype.kind == "f" else np.zeros(values.shape, dtype=np.bool_)


def count_text(mask: NDArray[np.bool_], what: str) -> str:
    """Return the number of flagged values, and the first rows (numbered from 1), as text.

    Examples
    --------
    >>> count_text(np.array([True, False, True]), "missing")
    '2 missing values (rows 1, 3)'
    """
    rows = np.flatnonzero(mask)
    shown = ", ".join(str(row + 1) for row in rows[:_SHOWN]) + (", …" if rows.size > _SHOWN else "")
    if rows.size == 1:
        return f"1 {what} value (row {shown})"
    return f"{rows.size} {what} values (rows {shown})"
