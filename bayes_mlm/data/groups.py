"""Groups of a table: the membership of each row, and the columns that vary within groups."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bayes_mlm.base import DataError, Ints
from bayes_mlm.data.columns import EXACT, Column
from bayes_mlm.data.table import Table

# Two values differ when they are further apart than this part of the column's range, or than
# rounding in a mean of them can bring about. Both are free of the column's units and offset.
_OF_RANGE = 1e-9
_OF_SIZE = 1e-12


@dataclass(frozen=True, kw_only=True, eq=False)
class Groups:
    """Membership of each row in a group.

    Parameters
    ----------
    name : str
        The grouping column.
    labels : ndarray, shape (J,)
        The labels of the groups, sorted: int64 for whole numbers (also when read as floats), else
        float64, bool or str (dtype object).
    codes : ndarray of int64, shape (n,)
        Position in `labels` of each row's group.
    sizes : ndarray of int64, shape (J,)
        Number of rows in each group; all positive, summing to n.
    """

    name: str
    labels: NDArray[Any]
    codes: Ints
    sizes: Ints


def find_groups(table: Table, name: str) -> Groups:
    """Find the groups of a table and number them by their sorted labels.

    Parameters
    ----------
    table : Table
        The rows; at least one.
    name : str
        The grouping column.

    Returns
    -------
    Groups
        One entry a distinct label; independent of the order of the rows.

    Raises
    ------
    DataError
        If a label is missing.

    Examples
    --------
    >>> from bayes_mlm.data.table import as_table
    >>> groups = find_groups(as_table({"school": [20.0, 10.0, 20.0]}), "school")
    >>> groups.labels.tolist(), groups.codes.tolist(), groups.sizes.tolist()
    ([10, 20], [1, 0, 1], [1, 2])
    """
    levels, codes = levels_of(table.columns[name])
    gone = np.flatnonzero(codes < 0)
    if gone.size:
        raise DataError(
            f"group {name!r} has {gone.size} missing labels (first in row {gone[0] + 1}); "
            'drop these rows first, or in a fit with missing="drop" (fit --missing drop)'
        )
    if levels.dtype.kind == "f" and is_whole(levels):
        levels = levels.astype(np.int64)
    return Groups(
        name=name, labels=levels, codes=codes, sizes=np.bincount(codes, minlength=levels.size)
    )


def levels_of(values: Column) -> tuple[NDArray[Any], Ints]:
    """Return the distinct values of a column and the index of each row's among them.

    Parameters
    ----------
    values : ndarray, shape (n,)
        A column of a `Table`.

    Returns
    -------
    levels : ndarray, shape (k,)
        The distinct values, sorted, without the missing one.
    codes : ndarray of int64, shape (n,)
        Position of each value in `levels`; -1 where it is missing.

    Examples
    --------
    >>> levels_of(np.array(["b", None, "a"], dtype=object))
    (array(['a', 'b'], dtype=object), array([ 1, -1,  0]))
    """
    if values.dtype == object:
        # Hashing takes seconds where sorting ten million texts (numpy.unique) takes minutes; and
        # pyarrow, which hashes too, imports pandas to do so.
        texts = values.tolist()
        known = sorted(set(texts) - {None})
        index = {text: code for code, text in enumerate(known)} | {None: -1}
        levels = np.empty(len(known), dtype=object)
        levels[:] = known
        return levels, np.fromiter(map(index.__getitem__, texts), dtype=np.int64, count=len(texts))
    codes = np.full(values.shape, -1, dtype=np.int64)
    present = ~np.isnan(values)
    levels, codes[present] = np.unique(values[present], return_inverse=True)
    return levels, codes


def as_labels(values: Column) -> tuple[NDArray[Any], Ints]:
    """Return group labels sorted as by `find_groups`, whole numbers as int64, and their order."""
    labels, codes = levels_of(values)
    order = np.empty(labels.size, dtype=np.int64)
    order[codes] = np.arange(labels.size)
    if labels.dtype.kind == "f" and is_whole(labels):
        labels = labels.astype(np.int64)
    return labels, order


def is_whole(values: NDArray[Any]) -> bool:
    """Return whether all values are finite whole numbers that int64 can hold."""
    finite = bool(np.isfinite(values).all())
    return finite and bool((values == np.rint(values)).all() and (np.abs(values) < 2.0**63).all())


def spread_tolerance(values: NDArray[Any]) -> float:
    """Return the difference below which two values of a numeric column count as equal.

    Parameters
    ----------
    values : ndarray, shape (n,)
        A numeric or bool column; NaN is ignored.

    Returns
    -------
    float
        1e-9 of the column's range or 1e-12 of its largest size, whichever is more, in its units:
        so that rescaling or shifting the column does not change the answer, and a group mean
        computed in another order still counts as the same number.

    Examples
    --------
    >>> spread_tolerance(np.array([0.0, 10.0]))
    1e-08
    """
    low, high = float(np.fmin.reduce(values)), float(np.fmax.reduce(values))
    return max(_OF_RANGE * (high - low), _OF_SIZE * max(abs(low), abs(high)))


def group_spread(values: Column, groups: Groups) -> NDArray[np.bool_]:
    """Return the groups in which a column takes more than one value, as flags.

    Parameters
    ----------
    values : ndarray, shape (n,)
        A column of a `Table`; numbers are compared by `spread_tolerance`. Missing is ignored.
    groups : Groups
        The groups of its rows.

    Returns
    -------
    ndarray of bool, shape (J,)
        Whether the column varies within each group.
    """
    if values.dtype == object:
        codes = levels_of(values)[1]
        numbers = np.where(codes < 0, np.nan, codes.astype(np.float64))
    else:
        numbers = values.astype(np.float64)
    low = np.full(groups.sizes.size, np.nan)
    high = low.copy()
    np.fmin.at(low, groups.codes, numbers)
    np.fmax.at(high, groups.codes, numbers)
    spread: NDArray[np.bool_] = np.nan_to_num(high - low) > spread_tolerance(numbers)
    return spread


def varies_within(table: Table, group: str, names: Sequence[str]) -> tuple[str, ...]:
    """Return the columns that vary within groups: in the school example, the student-level ones.

    Parameters
    ----------
    table : Table
        The rows.
    group : str
        The grouping column.
    names : sequence of str
        The columns to examine.

    Returns
    -------
    tuple of str
        Those of `names` that take different values (by more than rounding) in some group.

    Examples
    --------
    >>> from bayes_mlm.data.datasets import load_dataset
    >>> varies_within(load_dataset("hsb"), "schoolid", ["ses", "sector", "meanses"])
    ('ses',)
    """
    groups = find_groups(table, group)
    return tuple(name for name in names if group_spread(table.columns[name], groups).any())


def label_text(value: Any) -> str:
    """Return a group label or a value of a column as text: 1224, not 1224.0.

    Whole numbers have all their digits, so that two identifiers never have one text.

    Examples
    --------
    >>> label_text(1224.0), label_text(123456789012.0), label_text(0.1 + 0.2)
    ('1224', '123456789012', '0.3')
    """
    if not isinstance(value, float | np.floating):
        return str(value)
    number = float(value)
    return f"{number:.0f}" if number.is_integer() and abs(number) <= EXACT else f"{number:.10g}"
