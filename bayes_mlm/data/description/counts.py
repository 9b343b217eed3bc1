"""Count rows by combinations of labels."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bayes_mlm.base import DataError, Ints, Tabular, View, describe_value, expect_text
from bayes_mlm.data.groups import label_text, levels_of
from bayes_mlm.data.table import Table, as_table
from bayes_mlm.data.validation import require_columns

if TYPE_CHECKING:
    import pandas as pd

_MOST_LEVELS = 50


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Crosstab(Tabular):
    """Numbers of rows for each combination of labels.

    Parameters
    ----------
    row : str
        The column whose labels are the table's rows.
    columns : tuple of str
        The columns whose combinations are the table's columns.
    row_labels : ndarray, shape (r,)
        Sorted labels of `row`.
    column_labels : tuple of tuple
        The c combinations that occur, sorted, one label for each of `columns`.
    counts : ndarray of int64, shape (r, c)
        Number of rows.
    n_missing : int
        Rows omitted because a label is missing.
    """

    row: str
    columns: tuple[str, ...]
    row_labels: NDArray[Any]
    column_labels: tuple[tuple[Any, ...], ...]
    counts: Ints
    n_missing: int

    def __repr__(self) -> str:
        """Return the names on one line."""
        return f"<Crosstab of {self.row} by {', '.join(self.columns)}: {self.counts.sum():,} rows>"

    def rows(self) -> tuple[tuple[str, ...], ...]:
        """Return the table as text: a header line for each of `columns`, then the rows.

        A label is written once over the columns it spans.
        """
        lines = []
        for level, name in enumerate(self.columns):
            prefixes = [labels[: level + 1] for labels in self.column_labels]
            last = level == len(self.columns) - 1
            repeated = [False, *(left == right and not last for left, right in pairwise(prefixes))]
            cells = (
                "" if again else label_text(labels[level])
                for labels, again in zip(self.column_labels, repeated, strict=True)
            )
            lines.append((name, *cells))
        lines.append((self.row, *("" for _ in self.column_labels)))
        for label, counts in zip(self.row_labels, self.counts, strict=True):
            lines.append((label_text(label), *(f"{count:d}" for count in counts)))
        return tuple(lines)

    def to_frame(self) -> "pd.DataFrame":
        """Return the counts as a pandas frame, as ``pandas.crosstab`` does."""
        import pandas as pd

        if len(self.columns) == 1:
            columns = pd.Index([labels[0] for labels in self.column_labels], name=self.columns[0])
        else:
            columns = pd.MultiIndex.from_tuples(self.column_labels, names=self.columns)
        index = pd.Index(self.row_labels, name=self.row)
        return pd.DataFrame(self.counts, index=index, columns=columns)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns of the data: a row for each combination of labels."""
        return (self.row, *self.columns, "n")

    def raw(self) -> list[tuple[Any, ...]]:
        """Return the counts, a row for each combination of labels."""
        return [
            (label, *labels, int(count))
            for label, counts in zip(self.row_labels.tolist(), self.counts, strict=True)
            for labels, count in zip(self.column_labels, counts, strict=True)
        ]

    def view(self) -> View:
        """Return the table as text, for a renderer."""
        head, *rest = self.rows()
        return View(headings=head, cells=tuple(rest))


def crosstab(table: Table, row: str, columns: Sequence[str]) -> Crosstab:
    """Count the rows in each combination of labels.

    Parameters
    ----------
    table : Table
        The rows.
    row : str
        Column of labels; its levels become the rows.
    columns : sequence of str
        Columns of labels; their combinations that occur become the columns.

    Returns
    -------
    Crosstab
        The counts; rows with a missing label are omitted and counted.

    Raises
    ------
    DataError
        If a column is absent, named twice or has more than 50 levels, or every row misses a label.

    Examples
    --------
    >>> from bayes_mlm.data.datasets import load_dataset
    >>> print(crosstab(load_dataset("hsb"), "sector", ["female", "minority"]))
    female       0          1
    minority     0    1     0    1
    sector
    0         1315  415  1406  506
    1         1166  494  1324  559
    """
    table = as_table(table)
    expect_text("crosstab", row, "the name of a column to put in rows")
    if isinstance(columns, str) or not isinstance(columns, Sequence):
        found = describe_value(columns)
        raise DataError(f"crosstab takes a list of columns to put in columns, found {found}")
    names = (row, *columns)
    if not columns or len(set(names)) < len(names):
        raise DataError(
            f"a crosstab needs a row column and other columns, each once; got row {row!r}, columns "
            f"{list(columns)!r}"
        )
    require_columns(table, names)
    levels, codes = zip(*(levels_of(table.columns[name]) for name in names), strict=True)
    for name, found in zip(names, levels, strict=True):
        if found.size > _MOST_LEVELS:
            raise DataError(
                f"column {name!r} has {found.size} levels; a crosstab is for columns of labels, of "
                f"at most {_MOST_LEVELS} levels"
            )
    stacked = np.column_stack(codes)
    complete = stacked[(stacked >= 0).all(axis=1)]
    if complete.size == 0:
        raise DataError(f"every row of {table.source} has a missing value in {', '.join(names)}")
    kept_rows, row_codes = np.unique(complete[:, 0], return_inverse=True)
    kept, column_codes = np.unique(complete[:, 1:], axis=0, return_inverse=True)
    counts = np.zeros((kept_rows.size, len(kept)), dtype=np.int64)
    np.add.at(counts, (row_codes, column_codes.reshape(-1)), 1)
    return Crosstab(
        row=row,
        columns=tuple(columns),
        row_labels=levels[0][kept_rows],
        column_labels=tuple(
            tuple(found[code] for found, code in zip(levels[1:], combination, strict=True))
            for combination in kept
        ),
        counts=counts,
        n_missing=table.n - len(complete),
    )
