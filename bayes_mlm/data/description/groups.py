"""Summarise how many rows the groups of a table have."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bayes_mlm.base import scaled
from bayes_mlm.data.description.rows import format_rows
from bayes_mlm.data.groups import find_groups
from bayes_mlm.data.table import Table
from bayes_mlm.data.validation import require_columns

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True)
class GroupSizes:
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
    """

    group: str
    n: int
    n_groups: int
    smallest: int
    largest: int
    mean: float

    def rows(self) -> tuple[tuple[str, ...], ...]:
        """Return the summary as text, a line for each number, labelled as in the 2015 document."""
        return (
            ("No. Observations", f"{self.n}"),
            ("No. Groups", f"{self.n_groups}"),
            ("Min. group size", f"{self.smallest}"),
            ("Max. group size", f"{self.largest}"),
            ("Mean group size", scaled(self.mean, 1)),
        )

    def to_frame(self) -> "pd.DataFrame":
        """Return the summary as a pandas frame of one row, indexed by the group's name."""
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
    )
