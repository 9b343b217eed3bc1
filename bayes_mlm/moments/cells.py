"""Moments of rows by cell: the combinations of levels of a design's grouping factors.

A cell is what the rows of one level of each factor have in common: of one factor a group, of
classes in schools a class. Counts, means and scatter by cell suffice for every level, pair of
levels and total that the likelihood needs (`cross_products`), for the moments within and between
the levels of each factor, and for those of the rows that are left without a level; and they merge
exactly, as those of groups do.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
import numpy.typing as npt

from bayes_mlm.base import DesignError, Flags, Floats, Ints
from bayes_mlm.moments.cross_products import (
    Cells,
    CrossProducts,
    FactorProducts,
    check_cells,
    distinct_keys,
)
from bayes_mlm.moments.group_moments import GroupMoments, merge


@dataclass(frozen=True, kw_only=True, eq=False)
class CellFactor:
    """A grouping factor over cells.

    Attributes
    ----------
    factor : str
    labels : ndarray, shape (m,)
        Labels of its levels, sorted.
    codes : ndarray of int, shape (C,)
        Level of each cell.
    effects : tuple of str, length q
        Names of its columns of Z.
    """

    factor: str
    labels: npt.NDArray[np.generic]
    codes: Ints
    effects: tuple[str, ...]

    @property
    def m(self) -> int:
        """Number of levels."""
        return len(self.labels)


@dataclass(frozen=True, kw_only=True, eq=False)
class CellMoments:
    """Sufficient statistics of a Gaussian model with any number of grouping factors.

    Attributes
    ----------
    cells : GroupMoments
        Of each cell; its columns are those of X, those of Z of each factor in turn, and y. Of one
        factor the cells are its groups, and of none there is one.
    factors : tuple of CellFactor

    Examples
    --------
    >>> from bayes_mlm.moments import from_rows
    >>> one = np.ones((4, 1))
    >>> classes = from_rows(
    ...     np.array([1.0, 2, 2, 5]), one, np.ones((4, 2)), np.array([0, 0, 1, 2]), 3)
    >>> nested = CellMoments(cells=classes, factors=(
    ...     CellFactor(factor="school", labels=np.array(["a", "b"]), codes=np.array([0, 0, 1]),
    ...                effects=("Intercept",)),
    ...     CellFactor(factor="class", labels=np.arange(3), codes=np.arange(3),
    ...                effects=("Intercept",))))
    >>> nested.n, nested.counts_of(0)
    (4, array([3, 1]))
    """

    cells: GroupMoments
    factors: tuple[CellFactor, ...]

    @property
    def n(self) -> int:
        """Number of rows."""
        return self.cells.n

    @property
    def effects_from(self) -> tuple[int, ...]:
        """The first column of each factor's effects."""
        widths = [self.cells.p, *(len(one.effects) for one in self.factors)]
        return tuple(np.cumsum(widths)[: len(self.factors)].tolist())

    def places_of(self, place: int) -> list[int]:
        """Return the columns of the effects of a factor."""
        first = self.effects_from[place]
        return list(range(first, first + len(self.factors[place].effects)))

    def counts_of(self, place: int) -> Ints:
        """Return the rows of each level of a factor, shape (m,)."""
        one = self.factors[place]
        return _summed(self.cells.counts, one.codes, one.m).astype(np.int64)

    def products_about(self, origin: Floats, places: Sequence[int]) -> Floats:
        """Return the cross-products (C, k, k) of some columns, each less its origin (k,)."""
        s = self.cells
        means = s.means[:, places] + (s.centre[list(places)] - origin)
        outer = means[:, :, None] * means[:, None, :]
        inside = s.scatter[:, places][:, :, places]
        return np.asarray(inside + s.counts[:, None, None] * outer)


def by_group(moments: GroupMoments) -> CellMoments:
    """Return the moments by group of one factor, or of none, as those of its cells."""
    if moments.group is None:
        return CellMoments(cells=moments, factors=())
    one = CellFactor(
        factor=moments.group,
        labels=moments.labels,
        codes=np.arange(moments.J),
        effects=moments.effects,
    )
    return CellMoments(cells=moments, factors=(one,))


def by_cell(cells: GroupMoments, factors: Sequence[CellFactor]) -> CellMoments:
    """Return moments by cell in the order of its levels; of one factor by its labels.

    Parameters
    ----------
    cells : GroupMoments
        One of each cell that occurs, whatever its labels.
    factors : sequence of CellFactor
    """
    one = factors[0] if len(factors) == 1 else None
    order = np.lexsort([factor.codes for factor in reversed(factors)]) if factors else np.arange(1)
    ordered = replace(
        cells,
        labels=np.arange(cells.J) if one is None else one.labels,
        counts=cells.counts[order],
        means=cells.means[order],
        scatter=cells.scatter[order],
        effects=tuple(effect for factor in factors for effect in factor.effects),
        group=None if one is None else one.factor,
    )
    placed = (replace(factor, codes=factor.codes[order]) for factor in factors)
    return CellMoments(cells=ordered, factors=tuple(placed))


def by_level(moments: CellMoments, place: int) -> GroupMoments:
    """Return the moments by level of one factor, with the columns of its effects alone."""
    one, s = moments.factors[place], moments.cells
    kept = [*range(s.p), *moments.places_of(place), len(s.centre) - 1]
    counts = moments.counts_of(place)
    weighted = s.means[:, kept] * s.counts[:, None]
    sums = [_summed(column, one.codes, one.m) for column in weighted.T]
    means = np.column_stack(sums) / np.maximum(counts, 1)[:, None]
    apart = s.means[:, kept] - means[one.codes]
    between = s.counts[:, None, None] * (apart[:, :, None] * apart[:, None, :])
    scatter = _by_level(s.scatter[:, kept][:, :, kept] + between, one.codes, one.m)
    return GroupMoments(
        labels=one.labels,
        counts=counts,
        centre=s.centre[kept],
        means=means,
        scatter=scatter,
        terms=s.terms,
        effects=one.effects,
        group=one.factor,
    )


def without_effects(moments: CellMoments) -> CellMoments:
    """Return the moments without the columns of Z; the factors stay."""
    bare = tuple(replace(one, effects=()) for one in moments.factors)
    return CellMoments(cells=moments.cells.select(z=()), factors=bare)


def merge_cells(a: CellMoments, b: CellMoments) -> CellMoments:
    """Merge the moments of two sets of rows of one model; levels are matched by label.

    Raises
    ------
    DesignError
        If the two describe different models.
    """
    names = [[one.factor for one in of.factors] for of in (a, b)]
    if names[0] != names[1]:
        raise DesignError(
            f"cannot merge moments by {' and '.join(names[0])} and by {' and '.join(names[1])}; "
            "make both from the same formula"
        )
    if len(a.factors) < 2:
        return by_group(merge(a.cells, b.cells))
    factors, size = [], a.cells.J
    key = np.zeros(size + b.cells.J, dtype=np.int64)
    for one, other in zip(a.factors, b.factors, strict=True):
        labels, places = np.unique(np.concatenate([one.labels, other.labels]), return_inverse=True)
        codes = np.concatenate([places[: one.m][one.codes], places[one.m :][other.codes]])
        factors.append(replace(one, labels=labels, codes=codes))
        # Numbered anew after each factor, so that the product of the levels never overflows.
        key = np.unique(key * len(labels) + codes, return_inverse=True)[1].ravel()
    merged = merge(replace(a.cells, labels=key[:size]), replace(b.cells, labels=key[size:]))
    _, first = np.unique(key, return_index=True)
    at = first[np.searchsorted(np.unique(key), merged.labels)]
    return by_cell(merged, [replace(one, codes=one.codes[at]) for one in factors])


def cross_products_of_cells(moments: CellMoments, free: Sequence[Flags]) -> CrossProducts:
    """Return the cross-products of a model from its moments by cell.

    Parameters
    ----------
    moments : CellMoments
    free : sequence of ndarray of bool, shape (q, q)
        Of each factor the entries of the relative factor that are estimated, as in
        `EffectColumns`. Factors without effects are left out.

    Raises
    ------
    OutOfMemoryError
        If the cells of two factors do not fit the memory; with their number.
    """
    s = moments.cells
    mean, sd = s.moments
    shift, transform, to_units = _fixed_transform(s)
    active = [k for k, one in enumerate(moments.factors) if one.effects]
    order = sorted(
        range(len(active)),
        key=lambda k: -moments.factors[active[k]].m * len(moments.factors[active[k]].effects),
    )
    found: list[FactorProducts] = []
    columns: list[tuple[int, Floats, Floats]] = []
    for at in order:
        place, lower = active[at], np.tril(free[at])
        one, z = moments.factors[place], moments.places_of(place)
        origin, centred, unit = effects_transform(mean[z], sd[z], lower)
        fixed = [*range(s.p), len(s.centre) - 1]
        both = moments.products_about(np.concatenate([origin, shift]), [*z, *fixed])
        own = _by_level(both[:, : len(z), : len(z)], one.codes, one.m)
        right = _by_level(both[:, : len(z), len(z) :], one.codes, one.m)
        found.append(
            FactorProducts(
                factor=one.factor,
                effects=one.effects,
                free=lower,
                counts=moments.counts_of(place),
                own=unit[:, None] * own * unit,
                right=unit[:, None] * (right @ to_units),
                transform=centred * unit,
            )
        )
        columns.append((place, origin, unit))
    cells = {
        (f, g): _cells(moments, columns[f], columns[g])
        for f, g in combinations(range(len(columns)), 2)
    }
    fixed = [*range(s.p), len(s.centre) - 1]
    total = moments.products_about(shift, fixed).sum(axis=0)
    return CrossProducts(
        n=s.n,
        terms=s.terms,
        factors=tuple(found),
        places=tuple(order),
        cells=cells,
        total=to_units.T @ total @ to_units,
        transform=transform,
    )


def effects_transform(mean: Floats, sd: Floats, free: Flags) -> tuple[Floats, Floats, Floats]:
    """Centre the columns of effects that correlate with an intercept, and scale all of them.

    Parameters
    ----------
    mean, sd : ndarray, shape (q,)
        Of the columns, over all rows.
    free : ndarray of bool, shape (q, q)

    Returns
    -------
    origin : ndarray, shape (q,)
        What is subtracted from each column.
    centred : ndarray, shape (q, q)
        The columns less their origin are the columns times this.
    unit : ndarray, shape (q,)
        One over the root mean square of each column less its origin; 1 of zeros.
    """
    q = len(mean)
    origin, centred = np.zeros(q), np.eye(q)
    ones = np.flatnonzero((sd == 0.0) & (mean != 0.0))
    if ones.size and free[np.tril_indices(q)].all():
        origin = np.where(np.arange(q) == ones[0], 0.0, mean)
        centred[ones[0]] -= origin / mean[ones[0]]
    size = np.hypot(mean - origin, sd)
    return origin, centred, 1.0 / np.where(size > 0.0, size, 1.0)


def _fixed_transform(s: GroupMoments) -> tuple[Floats, Floats, Floats]:
    """Return what centres and scales [X, y] and takes X out of y.

    Returns
    -------
    shift : ndarray, shape (p + 1,)
        Subtracted from each column first.
    transform : ndarray, shape (p + 1, p + 1)
        As in `CrossProducts`.
    to_units : ndarray, shape (p + 1, p + 1)
        What the columns less `shift` are multiplied by.
    """
    p, fixed = s.p, [*range(s.p), len(s.centre) - 1]
    mean, sd = (one[fixed] for one in s.moments)
    ones = np.flatnonzero((sd[:p] == 0.0) & (mean[:p] != 0.0))
    shift, centring = np.zeros(p + 1), np.eye(p + 1)
    if ones.size:
        shift = np.where(np.arange(p + 1) == ones[0], 0.0, mean)
        centring[ones[0]] -= shift / mean[ones[0]]
    means = s.means[:, fixed] + (s.centre[fixed] - shift)
    total = s.scatter[:, fixed][:, :, fixed].sum(axis=0) + (means * s.counts[:, None]).T @ means
    size = np.sqrt(np.diagonal(total) / s.n)
    unit = 1.0 / np.where(size > 0.0, size, 1.0)
    unit_total = unit[:, None] * total * unit
    beta = np.linalg.lstsq(unit_total[:p, :p], unit_total[:p, p], rcond=None)[0]
    rest = float(unit_total[p, p] - beta @ unit_total[:p, p])
    scale = np.sqrt(rest / s.n) if rest > 0.0 else 1.0
    to_units = np.diag(unit)
    to_units[:p, p] = -unit[:p] * beta / scale
    to_units[p, p] = unit[p] / scale
    return shift, centring @ to_units, to_units


def _by_level(values: Floats, codes: Ints, m: int) -> Floats:
    """Return the sums over the cells of each level, (C, a, b) to (m, a, b)."""
    found = np.empty((m, *values.shape[1:]))
    for j in range(values.shape[1]):
        for k in range(values.shape[2]):
            found[:, j, k] = _summed(values[:, j, k], codes, m)
    return found


def _summed(values: Floats | Ints, codes: Ints, m: int) -> Floats:
    return np.bincount(codes, weights=values, minlength=m)


def _cells(
    moments: CellMoments, f: tuple[int, Floats, Floats], g: tuple[int, Floats, Floats]
) -> Cells:
    """Return the cross-products of the effects of two factors by pair of levels."""
    (of_f, origin_f, unit_f), (of_g, origin_g, unit_g) = f, g
    one, other = moments.factors[of_f], moments.factors[of_g]
    q = len(one.effects)
    pairs, at = distinct_keys(one.codes * other.m + other.codes, one.m * other.m)
    check_cells(len(pairs), q * len(other.effects), one.factor, other.factor)
    both = moments.products_about(
        np.concatenate([origin_f, origin_g]),
        [*moments.places_of(of_f), *moments.places_of(of_g)],
    )
    products = _by_level(both[:, :q, q:], at, len(pairs))
    return Cells(
        rows=pairs // other.m,
        columns=pairs % other.m,
        products=unit_f[:, None] * products * unit_g,
    )
