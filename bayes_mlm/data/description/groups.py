"""Summarise how many rows the groups of a table have."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bayes_mlm.base import Ints, Tabular, View, scaled
from bayes_mlm.data.groups import find_groups
from bayes_mlm.data.table import Table
from bayes_mlm.data.validation import require_columns

if TYPE_CHECKING:
    import pandas as pd

_BINS = 12
_BLOCKS = " ▁▂▃▄▅▆▇█"


@dataclass(frozen=True, kw_only=True)
class GroupSizes(Tabular):
    """Numbers of rows of the groups.

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
    histogram : tuple of int
        Number of groups in each of some bins of equal width, from `smallest` to `largest`.
    """

    group: str
    n: int
    n_groups: int
    smallest: int
    largest: int
    mean: float
    histogram: tuple[int, ...] = ()

    def rows(self) -> tuple[tuple[str, ...], ...]:
        """Return the summary as text, a line for each number, labelled as in the 2015 document."""
        return (
            ("No. Observations", f"{self.n}"),
            ("No. Groups", f"{self.n_groups}"),
            ("Min. group size", f"{self.smallest}"),
            ("Max. group size", f"{self.largest}"),
            ("Mean group size", scaled(self.mean, 1)),
        )

    def bars(self) -> str:
        """Return the histogram of the sizes on one line, between the smallest and the largest.

        Examples
        --------
        >>> from bayes_mlm.data.datasets import load_dataset
        >>> group_sizes(load_dataset("hsb"), "schoolid").bars()
        '14 ▁▂▂▆▅▄▆███▃▃ 67'
        """
        most = max(self.histogram, default=0)
        blocks = [_BLOCKS[-(-8 * many // most) if most else 0] for many in self.histogram]
        return f"{self.smallest} {''.join(blocks)} {self.largest}"

    def to_frame(self) -> "pd.DataFrame":
        """Return the summary as a pandas frame of one row, indexed by the group's name."""
        import pandas as pd

        return pd.DataFrame(self.raw(), columns=list(self.names)).set_index("group")

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns of the data."""
        return ("group", "n", "n_groups", "smallest", "largest", "mean")

    def raw(self) -> list[tuple[Any, ...]]:
        """Return the one row of the summary."""
        return [tuple(getattr(self, name) for name in self.names)]

    def view(self) -> View:
        """Return the table as text, for a renderer."""
        head, *rest = self.rows()
        return View(headings=head, cells=tuple(rest))


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
    >>> from bayes_mlm.data.datasets import load_dataset
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
        histogram=_histogram(sizes),
    )


def _histogram(sizes: Ints) -> tuple[int, ...]:
    width = int(sizes.max()) - int(sizes.min()) + 1
    counts, _ = np.histogram(
        sizes, bins=min(_BINS, width), range=(sizes.min() - 0.5, sizes.max() + 0.5)
    )
    return tuple(counts.tolist())
