"""Summarise numeric columns."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bayes_mlm.base import DataError, Floats, Ints, Tabular, View, count, describe_value, digits
from bayes_mlm.data.table import Table, as_table
from bayes_mlm.data.validation import require_columns, require_numeric

if TYPE_CHECKING:
    import pandas as pd

# An error that leaves six decimals.
_SIX_DECIMALS = 1.1e-5
_STATISTICS = ("count", "mean", "std", "min", "25%", "50%", "75%", "max")


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Description(Tabular):
    """Summary statistics of k numeric columns, missing values omitted.

    Parameters
    ----------
    variables : tuple of str
        The columns, k of them.
    values : ndarray, shape (8, k)
        In the units of the columns: count, mean, sd (divisor count - 1), minimum, quartiles (linear
        interpolation between order statistics) and maximum. NaN where undefined.
    n_missing : ndarray of int64, shape (k,)
        Number of missing values.
    omitted : tuple of str
        Text columns, which have no such summary, where no columns were named.
    """

    variables: tuple[str, ...]
    values: Floats
    n_missing: Ints
    omitted: tuple[str, ...]

    def __repr__(self) -> str:
        """Return how many columns are described, on one line."""
        return f"<Description of {len(self.variables)} columns>"

    def rows(self) -> tuple[tuple[str, ...], ...]:
        """Return the table as text, the header first, with six decimals as in the 2015 document.

        A column whose sd is too small for them gets four significant digits of its sd.
        """
        columns = [_shown(column) for column in self.values.T]
        body = [(label, *(column[k] for column in columns)) for k, label in enumerate(_STATISTICS)]
        if self.n_missing.any():
            body.insert(1, ("missing", *(f"{count:d}" for count in self.n_missing)))
        return (("", *self.variables), *body)

    def to_frame(self) -> "pd.DataFrame":
        """Return the summary as a pandas frame: a row for each statistic."""
        import pandas as pd

        frame = pd.DataFrame(self.values, index=list(_STATISTICS), columns=list(self.variables))
        frame.loc["missing"] = self.n_missing.astype(float)
        return frame

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns of the data."""
        return ("statistic", *self.variables)

    def raw(self) -> list[tuple[Any, ...]]:
        """Return the statistics, a row each."""
        rows = zip((*_STATISTICS, "missing"), [*self.values, self.n_missing], strict=True)
        return [(name, *values.tolist()) for name, values in rows]

    def view(self) -> View:
        """Return the table as text, for a renderer."""
        head, *rest = self.rows()
        return View(headings=head, cells=tuple(rest))


def describe(table: Table, columns: Sequence[str] | None = None) -> Description:
    """Summarise numeric columns as the 2015 document does: count, mean, sd, quartiles, extremes.

    Parameters
    ----------
    table : Table
        The rows.
    columns : sequence of str, optional
        Numeric columns; by default all there are (text ones are then listed in `omitted`).

    Returns
    -------
    Description
        One column each; missing values are counted and omitted.

    Raises
    ------
    DataError
        If a column is absent or text, or there is none to describe.

    Examples
    --------
    >>> from bayes_mlm.data.datasets import load_dataset
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
        names, omitted = tuple(name for name in table.names if name not in text), text
    else:
        if isinstance(columns, str) or not isinstance(columns, Iterable):
            found = describe_value(columns)
            raise DataError(f"describe takes a list of names of columns, found {found}")
        names, omitted = tuple(dict.fromkeys(columns)), ()
        require_columns(table, names)
        require_numeric(table, names)
    if not names:
        raise DataError(f"{table.source} has no numeric column to describe: {', '.join(text)}")
    return Description(
        variables=names,
        values=np.column_stack([_statistics(table.columns[name]) for name in names]),
        n_missing=np.array([np.isnan(_numbers(table.columns[name])).sum() for name in names]),
        omitted=omitted,
    )


def _shown(column: Floats) -> list[str]:
    """Return the statistics of one column as text, its count first."""
    sd = column[_STATISTICS.index("std")]
    chosen = digits(column[1:], min(sd / 100, _SIX_DECIMALS) or _SIX_DECIMALS)
    if not chosen.power:
        return [chosen.number(value) for value in column]
    return [count(column[0]), *(chosen.number(value) for value in column[1:])]


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
