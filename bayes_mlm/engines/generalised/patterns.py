"""Rows of equal predictors in a group as one: a likelihood term of many rows is computed once."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bayes_mlm.base import Floats, Ints

# Rows of whole groups by which it is judged whether many are equal; the share that may differ.
_SAMPLE = 20_000
_MOST_DISTINCT = 0.5
# Rows from which a hash table is worth the import of pandas.
_MANY = 200_000


@dataclass(frozen=True, kw_only=True, eq=False)
class Patterns:
    """The distinct combinations of group and columns.

    Attributes
    ----------
    first : ndarray of int, shape (m,)
        A row of each, sorted by group.
    of_row : ndarray of int, shape (n,)
        The place of each row in `first`.
    """

    first: Ints
    of_row: Ints

    def total(self, values: Floats) -> Floats:
        """Return sums (m,) of values (n,) over the rows of each combination."""
        return np.bincount(self.of_row, values, minlength=self.first.size)


def find_patterns(codes: Ints, columns: list[Floats], n_groups: int) -> Patterns | None:
    """Return the distinct combinations of group and columns; None where few rows are equal.

    Parameters
    ----------
    codes : ndarray of int, shape (n,)
        The group of each row.
    columns : list of ndarray, shape (n,)
    n_groups : int

    Examples
    --------
    >>> find_patterns(np.array([1, 0, 1, 0, 1, 1]), [np.array([2.0, 3, 2, 3, 3, 3])], 2).of_row
    array([1, 0, 1, 0, 2, 2])
    """
    n = codes.size
    if not n:
        return None
    # Equal rows have equal sums, computed element by element; that others differ is verified.
    weights = np.random.default_rng(0).uniform(0.5, 1.5, len(columns))
    sample = np.flatnonzero(codes % -(-n // _SAMPLE) == 0)
    mixed = _mixture([one[sample] for one in columns], weights, sample.size)
    pairs = np.unique(np.rec.fromarrays([codes[sample], mixed]))
    if pairs.size > _MOST_DISTINCT * max(sample.size, 1):
        return None
    values, places = _factorise(_mixture(columns, weights, n))
    rows = np.empty(values, dtype=np.int64)
    rows[places] = np.arange(n)
    if not all(bool((one[rows][places] == one).all()) for one in columns):
        return None
    cells = codes * np.int64(values) + places
    if n_groups * values <= 4 * n + 1000:
        found = np.flatnonzero(np.bincount(cells, minlength=n_groups * values))
        place = np.empty(n_groups * values, dtype=np.int64)
        place[found] = np.arange(found.size)
        of_row = place[cells]
    else:
        found, of_row = np.unique(cells, return_inverse=True)
    if found.size > _MOST_DISTINCT * n:
        return None
    first = np.empty(found.size, dtype=np.int64)
    first[of_row] = np.arange(n)
    return Patterns(first=first, of_row=of_row)


def _mixture(columns: list[Floats], weights: Floats, n: int) -> Floats:
    total = np.zeros(n)
    for weight, column in zip(weights.tolist(), columns, strict=True):
        total += weight * column
    return total


def _factorise(values: Floats) -> tuple[int, npt.NDArray[np.int64]]:
    """Return the number of distinct values, and the place of each among them."""
    if values.size < _MANY:
        distinct, places = np.unique(values, return_inverse=True)
        return distinct.size, places
    import pandas as pd

    places, distinct = pd.factorize(values)
    return len(distinct), places
