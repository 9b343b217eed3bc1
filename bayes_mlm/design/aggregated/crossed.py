"""Sums of a model with many indicators, without an expression for each product of two.

Within a cell (the rows of one group that have the same categories) an indicator is 0 or 1
throughout, so that the sums of the numeric columns by cell suffice. A cell is to a group what a
group is to all rows: the scatter within a group is that within its cells and that between them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

from bayes_mlm.base import Floats
from bayes_mlm.data import Scan, collect_row
from bayes_mlm.design.aggregated.learning import as_category
from bayes_mlm.design.encoding.levels import Levels
from bayes_mlm.moments import Columns, GroupSums, Keys, sum_by_keys

# From so many columns with indicators on, cells cost less than an expression for each product.
_MANY = 20


@dataclass(frozen=True, kw_only=True, eq=False)
class Product:
    """A column of the model as a number times what it is in categories.

    Parameters
    ----------
    number : str or None
        Name of the number; None for 1.
    indicators : tuple of (Levels, weights)
        Of each categorical factor in it, the column's value in each category: 1 in one and 0 in
        the others for an indicator.
    """

    number: str | None
    indicators: tuple[tuple[Levels, tuple[float, ...]], ...]


def is_wide(products: Sequence[Product]) -> bool:
    """Return whether so many columns have indicators that cells are summed first."""
    return sum(bool(one.indicators) for one in products) >= _MANY


def sum_by_cells(
    scan: Scan,
    columns: Columns,
    keys: Keys,
    products: Sequence[Product],
    numbers: Mapping[str, nw.Expr],
) -> GroupSums:
    """Return sums of cross-products by keys, from those of the cells of these and categories.

    Parameters
    ----------
    scan : Scan
    columns : Columns
        Whose distinct columns are `products`, one each.
    keys : tuple of narwhals.Expr
    products : sequence of Product
    numbers : mapping of str to narwhals.Expr
        The numbers that products are made of, by name; the outcome is one of them.
    """
    factors = {one.factor: one for product in products for one, _ in product.indicators}
    cells = sum_by_keys(
        scan,
        Columns(values=tuple(numbers.values()), centre=_means(scan, numbers), place=()),
        (*keys, *(as_category(one.column, scan) for one in factors.values())),
    )
    size = cells.counts.size
    by, crossed = cells.labels[: len(keys)], cells.labels[len(keys) :]
    places = []
    for one, labels in zip(factors.values(), crossed, strict=True):
        known = {level: place for place, level in enumerate(one.levels)}
        places.append(np.array([known[label] for label in labels.tolist()]))
    factor = np.ones((len(products), size))
    for k, product in enumerate(products):
        for one, weights in product.indicators:
            factor[k] *= np.asarray(weights)[places[list(factors).index(one.factor)]]
    number = np.array([-1 if p.number is None else list(numbers).index(p.number) for p in products])
    # The cells come sorted by group, so that those of one lie together.
    changes = np.zeros(size, dtype=bool)
    changes[:1] = True
    for labels in by:
        changes[1:] |= labels[1:] != labels[:-1]
    starts = np.flatnonzero(changes)
    parts = [
        _join(cells, slice(start, end), factor, number, columns.centre)
        for start, end in zip(starts, [*starts[1:], size], strict=True)
    ]
    counts, means, scatter = (np.array(part) for part in zip(*parts, strict=True))
    return replace(
        cells,
        labels=tuple(labels[starts] for labels in by),
        counts=counts,
        means=means,
        scatter=scatter,
        squares=np.einsum("jkk->jk", scatter) + counts[:, None] * means**2,
        watched=(),
    )


def _means(scan: Scan, numbers: Mapping[str, nw.Expr]) -> Floats:
    found = collect_row(scan, {f"mean{k}": one.mean() for k, one in enumerate(numbers.values())})
    return np.array(list(found.values()))


def _join(
    cells: GroupSums,
    rows: slice,
    factor: Floats,
    number: NDArray[np.int64],
    centre: Floats,
) -> tuple[int, Floats, Floats]:
    """Join the cells of one group: its count, means less the centre, and scatter of all columns.

    Parameters
    ----------
    cells : GroupSums
    rows : slice
        The cells of the group.
    factor : ndarray, shape (k, C)
        What the categories of each cell make of each column: 0 or 1 for indicators.
    number : ndarray of int, shape (k,)
        The number that a column is made of; -1 for 1.
    centre : ndarray, shape (k,)
    """
    weights = cells.counts[rows]
    on = factor[:, rows].T
    plain = number < 0
    means = np.where(plain, 1.0, (cells.means[rows] + cells.centre)[:, number])
    values = on * means - centre
    level = weights @ values / weights.sum()
    deviations = values - level
    scatter = (deviations * weights[:, None]).T @ deviations
    for a in set(number[~plain].tolist()):
        for b in set(number[~plain].tolist()):
            left, right = np.flatnonzero(number == a), np.flatnonzero(number == b)
            inside = cells.scatter[rows, a, b]
            scatter[np.ix_(left, right)] += (on[:, left] * inside[:, None]).T @ on[:, right]
    return int(weights.sum()), level, scatter
