"""Layout of the Cholesky factor of a design: which entries it has, and where each goes.

The unknowns are all group effects, then the coefficients of X, then y. The first columns (the head)
are sparse; what is left (the tail, which fills in, with X and y) is dense. The split minimises a
cost in time: of classes in schools all is head, of two crossed factors the larger one.

References
----------
Davis (2006), Direct Methods for Sparse Linear Systems, SIAM, chapter 4: elimination tree and column
counts.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from bayes_mlm.base import EngineError, Floats, Ints, check_memory
from bayes_mlm.moments import CrossProducts

# Seconds, measured: a multiplication in the sparse head and in the dense tail, and one of its
# numbers passed through memory.
_SPARSE, _DENSE, _MEMORY = 2.5e-9, 4.0e-11, 2.0e-9
# Seconds of a factorisation below which no better order is looked for.
_CHEAP = 0.05
# Entries of the head, at most: beyond it a factorisation takes minutes.
MAX_ENTRIES = 300_000_000


class Arrays(NamedTuple):
    """What the compiled kernels read, the blocks of all factors end to end.

    Attributes
    ----------
    sets : ndarray of int, shape (k, 6)
        Of each set of blocks: factors f and g, their effects q_f and q_g, blocks, first number.
    blocks : ndarray
        ``Z_f'Z_g`` of all sets, in C order.
    target : ndarray of int
        Where each of those goes: a place in the head, or minus a place in the tail less one.
    q, m : ndarray of int, shape (F,)
        Effects and levels of each factor.
    lam_start : ndarray of int, shape (F + 1,)
        First number of each relative factor in a row of all of them.
    starts : ndarray of int
        First unknown of each level, factor by factor.
    right : ndarray, shape (Q, p + 1)
        ``Z'[X, y]``, effects in the order of the factors.
    total : ndarray, shape (p + 1, p + 1)
    Lp, Li, Lt : ndarray of int
        Columns of the head: starts, rows, and where the rows of the tail begin.
    sizes : ndarray of int, shape (3,)
        Unknown effects Q, columns of the head h, size of the tail with X and y.
    """

    sets: Ints
    blocks: Floats
    target: Ints
    q: Ints
    m: Ints
    lam_start: Ints
    starts: Ints
    right: Floats
    total: Floats
    Lp: Ints
    Li: Ints
    Lt: Ints
    sizes: Ints


@dataclass(frozen=True, kw_only=True, eq=False)
class Plan:
    """Layout of the factor of a design, computed once.

    Attributes
    ----------
    products : CrossProducts
    arrays : Arrays
    diagonal : tuple of ndarray of int, shape (m, q, q)
        Where the own block of each level of each factor goes, as in `Arrays.target`.
    """

    products: CrossProducts
    arrays: Arrays
    diagonal: tuple[Ints, ...]

    @property
    def Q(self) -> int:  # noqa: N802  (the number of all group effects)
        """Number of group effects."""
        return int(self.arrays.sizes[0])

    @property
    def head(self) -> int:
        """Number of sparse columns."""
        return int(self.arrays.sizes[1])

    @property
    def tail(self) -> int:
        """Size of the dense tail, with the columns of X and y."""
        return int(self.arrays.sizes[2])

    @cached_property
    def places(self) -> tuple[Ints, ...]:
        """Unknowns (m, q) of the levels of each factor."""
        arrays, ends = self.arrays, np.cumsum(self.arrays.m)
        return tuple(
            arrays.starts[end - m : end, None] + np.arange(q)
            for end, m, q in zip(ends, arrays.m, arrays.q, strict=True)
        )

    @cached_property
    def cost(self) -> float:
        """Seconds that a factorisation takes, roughly."""
        counts = np.diff(self.arrays.Lp).astype(float) + len(self.arrays.total)
        return float(_SPARSE * (counts**2).sum() + _tail_cost(np.array([self.tail]))[0])


def make_plan(products: CrossProducts, *, reorder: bool = True) -> Plan:
    """Choose the order and the split of a design, and lay out its factor.

    Parameters
    ----------
    products : CrossProducts
    reorder : bool
        Whether another order than that of the factors is looked for, where a factorisation is slow.

    Raises
    ------
    EngineError
        If the factor has more than `MAX_ENTRIES` numbers, or does not fit the memory.
    """
    q = np.array([one.q for one in products.factors], dtype=np.int64)
    m = np.array([one.m for one in products.factors], dtype=np.int64)
    level = np.concatenate([[0], np.cumsum(m)])
    none = np.empty(0, dtype=np.int64)
    pairs = products.cells.items()
    rows = np.concatenate([none, *(level[f] + cells.rows for (f, _), cells in pairs)])
    columns = np.concatenate([none, *(level[g] + cells.columns for (_, g), cells in pairs)])
    width = np.repeat(q, m)
    found = _split(np.arange(level[-1]), width, rows, columns, products.p + 1)
    if reorder and len(products.factors) > 1 and found.cost > _CHEAP:
        from bayes_mlm.likelihood.sparse.ordering import minimum_degree

        other = minimum_degree(int(level[-1]), rows, columns)
        trial = _split(other, width, rows, columns, products.p + 1)
        found = trial if trial.cost < 0.8 * found.cost else found
    return _lay_out(products, found, q, m, level)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Split:
    cost: float
    head: int
    start: Ints
    parent: Ints
    count: Ints
    row_start: Ints
    row_columns: Ints


def _tail_cost(size: Ints) -> Floats:
    t = size.astype(float)
    return np.asarray(_DENSE * t**3 / 3 + _MEMORY * t**2)


def _split(order: Ints, width: Ints, rows: Ints, columns: Ints, p1: int) -> _Split:
    """Count the entries of the factor in an order, and choose the head."""
    start = np.empty(len(width), dtype=np.int64)
    start[order] = np.concatenate([[0], np.cumsum(width[order])[:-1]])
    Q = int(width.sum())
    row_start, row_columns = _lower_pattern(start, width, rows, columns, Q)
    from bayes_mlm.likelihood.sparse import pattern

    parent, count, complete = pattern.tree_and_counts(Q, row_start, row_columns, MAX_ENTRIES)
    if not complete:
        return _Split(
            cost=np.inf,
            head=0,
            start=start,
            parent=parent,
            count=count,
            row_start=row_start,
            row_columns=row_columns,
        )
    sparse = np.concatenate([[0.0], np.cumsum((count + p1).astype(float) ** 2)]) * _SPARSE
    cost = sparse + _tail_cost(Q - np.arange(Q + 1) + p1)
    edges = np.append(np.sort(start), Q)  # a level is not divided
    head = int(edges[np.argmin(cost[edges])])
    return _Split(
        cost=float(cost[head]),
        head=head,
        start=start,
        parent=parent,
        count=count,
        row_start=row_start,
        row_columns=row_columns,
    )


def _lower_pattern(
    start: Ints,
    width: Ints,
    rows: Ints,
    columns: Ints,
    Q: int,
) -> tuple[Ints, Ints]:
    """Return the strict lower triangle of the unknowns by rows, blocks expanded."""
    found = []
    widths = np.unique(width)
    for a in widths:
        for b in widths:
            some = (width[rows] == a) & (width[columns] == b)
            i, j = np.meshgrid(np.arange(a), np.arange(b), indexing="ij")
            one = start[rows[some], None] + i.ravel()
            other = start[columns[some], None] + j.ravel()
            found.append((np.maximum(one, other).ravel(), np.minimum(one, other).ravel()))
        below, left = np.tril_indices(int(a), -1)
        first = start[width == a, None]
        found.append(((first + below).ravel(), (first + left).ravel()))
    row = np.concatenate([one for one, _ in found])
    column = np.concatenate([one for _, one in found])
    order = np.argsort(row * Q + column, kind="stable")
    row_start = np.searchsorted(row[order], np.arange(Q + 1)).astype(np.int64)
    return row_start, column[order].astype(np.int64)


def _lay_out(products: CrossProducts, split: _Split, q: Ints, m: Ints, level: Ints) -> Plan:
    from bayes_mlm.likelihood.sparse import pattern

    if not np.isfinite(split.cost):
        sizes = " x ".join(f"{one.m:,} {one.factor}" for one in products.factors)
        raise EngineError(
            f"the factorisation of {sizes} has more than {MAX_ENTRIES:,} numbers; use "
            "fewer levels, or a sample of the rows"
        )
    Q, p1 = len(split.count), products.p + 1
    h, tail = split.head, len(split.count) - split.head + p1
    check_memory(
        8.0 * (2 * tail**2 + 3 * split.count[:h].sum()),
        f"the factorisation of {Q:,} group effects ({tail:,} of them densely)",
        "use fewer levels or a sample of the rows",
    )
    Lp, Li, Lt = pattern.head_pattern(
        Q, h, split.row_start, split.row_columns, split.parent, split.count
    )

    def targets(i: Ints, j: Ints, q_i: int, q_j: int) -> Ints:
        a, b = np.meshgrid(np.arange(q_i), np.arange(q_j), indexing="ij")
        one, other = (i[:, None] + a.ravel()).ravel(), (j[:, None] + b.ravel()).ravel()
        found = pattern.locate(np.maximum(one, other), np.minimum(one, other), h, tail, Lp, Li)
        return np.asarray(found).reshape(len(i), q_i, q_j)

    starts = [split.start[level[f] : level[f + 1]] for f in range(len(m))]
    sets, blocks, target, diagonal, first = [], [], [], [], 0
    for f, factor in enumerate(products.factors):
        diagonal.append(targets(starts[f], starts[f], q[f], q[f]))
        sets.append((f, f, q[f], q[f], m[f], first))
        blocks.append(factor.own)
        target.append(diagonal[-1])
        first += factor.own.size
    for (f, g), cells in products.cells.items():
        sets.append((f, g, q[f], q[g], len(cells.rows), first))
        blocks.append(cells.products)
        target.append(targets(starts[f][cells.rows], starts[g][cells.columns], q[f], q[g]))
        first += cells.products.size
    arrays = Arrays(
        sets=np.array(sets, dtype=np.int64).reshape(-1, 6),
        blocks=np.concatenate([np.empty(0), *(one.ravel() for one in blocks)]),
        target=np.concatenate([np.empty(0, dtype=np.int64), *(one.ravel() for one in target)]),
        q=q,
        m=m,
        lam_start=np.concatenate([[0], np.cumsum(q**2)]).astype(np.int64),
        starts=np.concatenate([np.empty(0, dtype=np.int64), *starts]),
        right=np.concatenate(
            [np.empty((0, p1)), *(one.right.reshape(-1, p1) for one in products.factors)]
        ),
        total=products.total,
        Lp=Lp,
        Li=Li,
        Lt=Lt,
        sizes=np.array([Q, h, tail], dtype=np.int64),
    )
    return Plan(products=products, arrays=arrays, diagonal=tuple(diagonal))
