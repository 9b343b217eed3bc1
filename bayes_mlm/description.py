"""Summarise a table before any model: columns, cross-counts and group sizes."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bayes_mlm.arguments import describe_value, expect_text
from bayes_mlm.data import (
    Table,
    as_table,
    find_groups,
    label_text,
    levels_of,
    require_columns,
    require_numeric,
)
from bayes_mlm.errors import DataError
from bayes_mlm.visible import visible
from bayes_mlm.wording import align, count, digits, scaled

if TYPE_CHECKING:
    import pandas as pd

type Floats = NDArray[np.float64]
type Ints = NDArray[np.int64]
_MOST_LEVELS = 50
_WIDEST = 60  # characters of a label
# An error that leaves six decimals.
_SIX_DECIMALS = 1.1e-5
_STATISTICS = ("count", "mean", "std", "min", "25%", "50%", "75%", "max")


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Description:
    """Hold the summary of k numeric columns, missing values left out.

    Parameters
    ----------
    names : tuple of str
        The columns, k of them.
    values : ndarray, shape (8, k)
        In the columns' own units: count, mean, sd (divisor count - 1), minimum, quartiles (linear
        interpolation between order statistics) and maximum. NaN where undefined.
    n_missing : ndarray of int64, shape (k,)
        Number of missing values.
    left_out : tuple of str
        Text columns that were not asked for by name and have no such summary.
    """

    names: tuple[str, ...]
    values: Floats
    n_missing: Ints
    left_out: tuple[str, ...]

    def __repr__(self) -> str:
        """Say what is described."""
        return f"<Description of {len(self.names)} columns>"

    def rows(self) -> tuple[tuple[str, ...], ...]:
        """List the table as text, the header first, with six decimals as the 2015 document has.

        A column whose sd is too small for them gets four significant digits of its sd.
        """
        columns = [_shown(column) for column in self.values.T]
        body = [(label, *(column[k] for column in columns)) for k, label in enumerate(_STATISTICS)]
        if self.n_missing.any():
            body.insert(1, ("missing", *(f"{count:d}" for count in self.n_missing)))
        return (("", *self.names), *body)

    def to_frame(self) -> "pd.DataFrame":
        """Give the summary as a pandas frame: a row a statistic, a column a column."""
        import pandas as pd

        frame = pd.DataFrame(self.values, index=list(_STATISTICS), columns=list(self.names))
        frame.loc["missing"] = self.n_missing.astype(float)
        return frame

    def __str__(self) -> str:
        return format_rows(self.rows())


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Crosstab:
    """Hold how many rows fall into each combination of labels.

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
        Rows left out because a label is missing.
    """

    row: str
    columns: tuple[str, ...]
    row_labels: NDArray[Any]
    column_labels: tuple[tuple[Any, ...], ...]
    counts: Ints
    n_missing: int

    def __repr__(self) -> str:
        """Say what is counted."""
        return f"<Crosstab of {self.row} by {', '.join(self.columns)}: {self.counts.sum():,} rows>"

    def rows(self) -> tuple[tuple[str, ...], ...]:
        """List the table as text: a header line for each of `columns`, then the rows.

        A label is written once over the columns it spans, as the 2015 document prints it.
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
        """Give the counts as a pandas frame, as ``pandas.crosstab`` would."""
        import pandas as pd

        if len(self.columns) == 1:
            columns = pd.Index([labels[0] for labels in self.column_labels], name=self.columns[0])
        else:
            columns = pd.MultiIndex.from_tuples(self.column_labels, names=self.columns)
        index = pd.Index(self.row_labels, name=self.row)
        return pd.DataFrame(self.counts, index=index, columns=columns)

    def __str__(self) -> str:
        return format_rows(self.rows())


@dataclass(frozen=True, kw_only=True)
class GroupSizes:
    """Hold how many rows the groups have.

    Parameters
    ----------
    group : str
        The grouping column.
    n, n_groups : int
        Number of rows and of groups.
    smallest, largest : int
        Rows of the smallest and of the largest group.
    mean : float
        Rows per group: n / n_groups.
    """

    group: str
    n: int
    n_groups: int
    smallest: int
    largest: int
    mean: float

    def rows(self) -> tuple[tuple[str, ...], ...]:
        """List the summary as text, a line a figure, worded as the 2015 document's fits are."""
        return (
            ("No. Observations", f"{self.n}"),
            ("No. Groups", f"{self.n_groups}"),
            ("Min. group size", f"{self.smallest}"),
            ("Max. group size", f"{self.largest}"),
            ("Mean group size", scaled(self.mean, 1)),
        )

    def to_frame(self) -> "pd.DataFrame":
        """Give the summary as a pandas frame of one row, indexed by the group's name."""
        import pandas as pd

        figures = {
            "n": self.n,
            "n_groups": self.n_groups,
            "smallest": self.smallest,
            "largest": self.largest,
            "mean": self.mean,
        }
        return pd.DataFrame(figures, index=[self.group])

    def __str__(self) -> str:
        return format_rows(self.rows())


def describe(table: Table, columns: Sequence[str] | None = None) -> Description:
    """Summarise numeric columns as the 2015 document does: count, mean, sd, quartiles, extremes.

    Parameters
    ----------
    table : Table
        The rows.
    columns : sequence of str, optional
        Numeric columns; by default all there are (text ones are then listed in `left_out`).

    Returns
    -------
    Description
        One column each; missing values are counted and left out.

    Raises
    ------
    DataError
        If a column is absent or text, or there is none to describe.

    Examples
    --------
    >>> from bayes_mlm.datasets import load_dataset
    >>> print(describe(load_dataset("hsb"), ["mathach", "ses"]))
               mathach          ses
    count  7185.000000  7185.000000
    mean     12.747853     0.000143
    std       6.878246     0.779355
    min      -2.832000    -3.758000
    25%       7.275000    -0.538000
    50%      13.131000     0.002000
    75%      18.317000     0.602000
    max      24.993000     2.692000
    """
    table = as_table(table)
    text = tuple(name for name, values in table.columns.items() if values.dtype == object)
    if columns is None:
        names, left_out = tuple(name for name in table.names if name not in text), text
    else:
        asked: object = columns
        if isinstance(asked, str) or not isinstance(asked, Iterable):
            raise DataError(
                f"describe takes a list of names of columns, found {describe_value(columns)}"
            )
        names, left_out = tuple(dict.fromkeys(columns)), ()
        require_columns(table, names)
        require_numeric(table, names)
    if not names:
        raise DataError(f"{table.source} has no numeric column to describe: {', '.join(text)}")
    return Description(
        names=names,
        values=np.column_stack([_statistics(table.columns[name]) for name in names]),
        n_missing=np.array([np.isnan(_numbers(table.columns[name])).sum() for name in names]),
        left_out=left_out,
    )


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
        The counts; rows with a missing label are left out and counted.

    Raises
    ------
    DataError
        If a column is absent, named twice or has more than 50 levels, or every row misses a label.

    Examples
    --------
    >>> from bayes_mlm.datasets import load_dataset
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
        raise DataError(f"every row of {table.source} misses one of {', '.join(names)}")
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


def group_sizes(table: Table, group: str) -> GroupSizes:
    """Summarise how many rows the groups of a table have.

    Parameters
    ----------
    table : Table
        The rows.
    group : str
        The grouping column.

    Returns
    -------
    GroupSizes
        Number of groups; smallest, largest and mean size.

    Raises
    ------
    DataError
        If the column is absent or a label is missing.

    Examples
    --------
    >>> from bayes_mlm.datasets import load_dataset
    >>> print(group_sizes(load_dataset("hsb"), "schoolid"))
    No. Observations  7185
    No. Groups         160
    Min. group size     14
    Max. group size     67
    Mean group size   44.9
    """
    require_columns(table, [group])
    sizes = find_groups(table, group).sizes
    return GroupSizes(
        group=group,
        n=table.n,
        n_groups=sizes.size,
        smallest=int(sizes.min()),
        largest=int(sizes.max()),
        mean=float(sizes.mean()),
    )


def format_rows(rows: Sequence[Sequence[str]]) -> str:
    """Align rows of text: the first column to the left, numbers on their points, others right.

    Parameters
    ----------
    rows : sequence of sequence of str
        Lines of equal length.

    Returns
    -------
    str
        One line each, two blanks between columns, no blanks at the end of a line.

    Examples
    --------
    >>> print(format_rows([("", "y"), ("mean", "12.5")]))
             y
    mean  12.5
    """
    rows = [[_cut(visible(cell)) for cell in row] for row in rows]
    labels, *others = zip(*rows, strict=True)
    columns = [labels, *map(_aligned, others)]
    first, *rest = (max(map(len, column)) for column in columns)
    lines = []
    for label, *cells in zip(*columns, strict=True):
        aligned = (cell.rjust(width) for cell, width in zip(cells, rest, strict=True))
        lines.append("  ".join((label.ljust(first), *aligned)).rstrip())
    return "\n".join(lines)


def _cut(cell: str) -> str:
    """Cut a label that would push a table off any screen."""
    return cell if len(cell) <= _WIDEST else f"{cell[: _WIDEST - 1]}…"


def _shown(column: Floats) -> list[str]:
    """Write the statistics of one column, its count first."""
    sd = column[_STATISTICS.index("std")]
    chosen = digits(column[1:], min(sd / 100, _SIX_DECIMALS) or _SIX_DECIMALS)
    if not chosen.power:
        return [chosen.number(value) for value in column]
    return [count(column[0]), *(chosen.number(value) for value in column[1:])]


def _aligned(column: Sequence[str]) -> list[str]:
    """Align a column that has a head, or none."""
    every = align(column)
    return every if every != list(column) else [column[0], *align(column[1:])]


def _numbers(values: NDArray[Any]) -> Floats:
    return values.astype(np.float64)


def _statistics(values: NDArray[Any]) -> Floats:
    numbers = _numbers(values)
    numbers = numbers[~np.isnan(numbers)]
    if numbers.size == 0:
        return np.array([0.0, *[np.nan] * 7])
    with np.errstate(invalid="ignore"):  # an infinity makes the mean infinite and the sd undefined
        mean = numbers.mean()
        sd = numbers.std(ddof=1) if numbers.size > 1 else np.nan
        quartiles = np.quantile(numbers, [0.25, 0.5, 0.75])
    return np.array([numbers.size, mean, sd, numbers.min(), *quartiles, numbers.max()])
