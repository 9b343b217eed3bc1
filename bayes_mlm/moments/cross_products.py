"""Reduce rows to the cross-products of a Gaussian model with any number of grouping factors.

The likelihood touches the rows only through ``[Z, X, y]'[Z, X, y]`` (Bates et al. 2015, J. Stat.
Softw. 67(1), section 3): per level of each factor ``Z_f'[Z_f, X, y]``, per pair of levels of two
factors ``Z_f'Z_g`` (of two random intercepts a count), and in total ``[X, y]'[X, y]``. All of them
add up over rows, and no cell of three factors is needed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from bayes_mlm.base import DesignError, Flags, Floats, Ints, check_memory
from bayes_mlm.moments.transformed import TransformedSums


@dataclass(frozen=True, kw_only=True, eq=False)
class EffectColumns:
    """The group effects of one factor over rows, of one term or several on the same factor.

    Parameters
    ----------
    factor : str
    codes : ndarray of int, shape (n,)
        Group of each row, in 0..m-1.
    m : int
        Number of groups.
    Z : ndarray, shape (n, q)
    effects : tuple of str, length q
    free : ndarray of bool, shape (q, q)
        Lower triangle: which entries of the relative factor are estimated. All of it for
        ``(x | g)``, the diagonal for ``(x || g)``.
    """

    factor: str
    codes: Ints
    m: int
    Z: Floats
    effects: tuple[str, ...]
    free: Flags


@dataclass(frozen=True, kw_only=True, eq=False)
class FactorProducts:
    """Cross-products by level of one factor.

    Attributes
    ----------
    factor : str
    effects : tuple of str, length q
    free : ndarray of bool, shape (q, q)
        As in `EffectColumns`.
    counts : ndarray of int, shape (m,)
        Rows of each level.
    own : ndarray, shape (m, q, q)
        ``Z'Z`` of each level.
    right : ndarray, shape (m, q, p + 1)
        ``Z'[X, y]`` of each level.
    transform : ndarray, shape (q, q)
        The columns are ``Z @ transform``, so that effects u as given are ``transform @ v``.
    """

    factor: str
    effects: tuple[str, ...]
    free: Flags
    counts: Ints
    own: Floats
    right: Floats
    transform: Floats

    @property
    def q(self) -> int:
        """Number of effects of a level."""
        return len(self.effects)

    @property
    def m(self) -> int:
        """Number of levels."""
        return len(self.counts)

    @property
    def size(self) -> int:
        """Number of effects of all levels."""
        return self.m * self.q


@dataclass(frozen=True, kw_only=True, eq=False)
class Cells:
    """Cross-products ``Z_f'Z_g`` of the pairs of levels of two factors that occur.

    Attributes
    ----------
    rows, columns : ndarray of int, shape (c,)
        Levels of the first and of the second factor.
    products : ndarray, shape (c, q_f, q_g)
    """

    rows: Ints
    columns: Ints
    products: Floats


@dataclass(frozen=True, kw_only=True, eq=False)
class CrossProducts(TransformedSums):
    """All that the likelihood of a Gaussian model with grouping factors needs of the rows.

    The columns are centred and scaled by linear transformations, which lose no information and
    keep the digits of a column with an offset a million times its spread.

    Attributes
    ----------
    n, terms, total, transform
        As of `TransformedSums`.
    factors : tuple of FactorProducts
        The one with most effects first.
    places : tuple of int
        Place of each in the order in which they were given.
    cells : mapping of (int, int) to Cells
        Of each pair of `factors`, the first before the second.
    """

    factors: tuple[FactorProducts, ...]
    places: tuple[int, ...]
    cells: dict[tuple[int, int], Cells]

    @property
    def n_effects(self) -> int:
        """Number of effects of all levels of all factors."""
        return sum(one.size for one in self.factors)

    def original_effects(self, place: int, effects: Floats) -> Floats:
        """Return effects (..., m, q) of one of `factors` as given, from transformed ones."""
        return np.asarray(effects @ self.factors[place].transform.T * self.y_scale)


def cross_products(
    y: Floats,
    X: Floats,
    columns: Sequence[EffectColumns],
    *,
    terms: Sequence[str] | None = None,
    first: int | None = None,
) -> CrossProducts:
    """Reduce rows to cross-products; the rows may come in any order.

    Parameters
    ----------
    y : ndarray, shape (n,)
        Outcome, less the offset.
    X : ndarray, shape (n, p)
    columns : sequence of EffectColumns
        One for each factor.
    terms : sequence of str, optional
        Names of the columns of X.
    first : int, optional
        Place of the factor that comes first; by default the one with most effects.

    Raises
    ------
    DesignError
        If there are no rows, or two of `columns` have the same factor.
    OutOfMemoryError
        If the cells of two factors do not fit the memory; with their number.

    Examples
    --------
    >>> one = np.ones((4, 1))
    >>> rater, item = (
    ...     EffectColumns(factor=name, codes=np.array(codes), m=2, Z=one, effects=("Intercept",),
    ...                   free=np.ones((1, 1), dtype=bool))
    ...     for name, codes in (("rater", [0, 0, 1, 1]), ("item", [0, 1, 0, 1])))
    >>> found = cross_products(np.array([1.0, 2, 2, 5]), one, [rater, item])
    >>> found.cells[0, 1].products.ravel(), found.factors[0].counts
    (array([1., 1., 1., 1.]), array([2, 2]))
    """
    if not len(y):
        raise DesignError("no rows to fit; give at least one")
    names = [one.factor for one in columns]
    if len(set(names)) < len(names):
        raise DesignError(f"a grouping factor is given twice ({', '.join(names)}); join its terms")
    sizes = [one.m * one.Z.shape[1] for one in columns]
    order = sorted(range(len(columns)), key=lambda k: (k != first, -sizes[k]))
    transform, W = _transformed(y, X)
    chosen = [columns[k] for k in order]
    transforms = [_effects_transform(one) for one in chosen]
    Z = [one.Z @ to for one, to in zip(chosen, transforms, strict=True)]
    factors = tuple(
        FactorProducts(
            factor=one.factor,
            effects=one.effects,
            free=np.tril(one.free),
            counts=np.bincount(one.codes, minlength=one.m),
            own=_by_level(z, z, one.codes, one.m),
            right=_by_level(z, W, one.codes, one.m),
            transform=to,
        )
        for one, z, to in zip(chosen, Z, transforms, strict=True)
    )
    cells = {
        (f, g): _cells(chosen[f], chosen[g], Z[f], Z[g])
        for f, g in combinations(range(len(chosen)), 2)
    }
    return CrossProducts(
        n=len(y),
        terms=tuple(terms) if terms is not None else tuple(f"x{k}" for k in range(X.shape[1])),
        factors=factors,
        places=tuple(order),
        cells=cells,
        total=W.T @ W,
        transform=transform,
    )


def _transformed(y: Floats, X: Floats) -> tuple[Floats, Floats]:
    """Return the transformation of [X, y], and its columns: centred, scaled, y without X."""
    n, p = X.shape
    transform = np.eye(p + 1)
    ones = [k for k in range(p) if X[0, k] != 0.0 and (X[:, k] == X[0, k]).all()]
    W = np.empty((n, p + 1))
    for k in range(p):
        W[:, k] = X[:, k]
        if ones and k != ones[0]:
            mean = X[:, k].mean()
            W[:, k] -= mean
            transform[ones[0], k] = -mean / X[0, ones[0]]
    scale = np.array([_scale(column) for column in W[:, :p].T])
    W[:, :p] /= scale
    transform[:p, :p] /= scale
    rest = y - y.mean() if ones else y
    beta = np.linalg.lstsq(W[:, :p].T @ W[:, :p], W[:, :p].T @ rest, rcond=None)[0]
    if ones:
        beta[ones[0]] += y.mean() / W[0, ones[0]]
    rest = y - W[:, :p] @ beta
    unit = _scale(rest)
    W[:, p] = rest / unit
    transform[:p, p] = -transform[:p, :p] @ beta / unit
    transform[p, p] = 1.0 / unit
    return transform, W


def _scale(column: Floats) -> float:
    """Return the root mean square of a column; 1 of zeros."""
    top = float(np.abs(column).max(initial=0.0))
    if top == 0.0 or not np.isfinite(top):
        return 1.0
    return top * float(np.sqrt(np.mean(np.square(column / top))))


def _effects_transform(one: EffectColumns) -> Floats:
    """Centre the columns of effects that correlate with an intercept, and scale all of them."""
    q = one.Z.shape[1]
    transform = np.eye(q)
    ones = [k for k in range(q) if one.Z[0, k] != 0.0 and (one.Z[:, k] == one.Z[0, k]).all()]
    if ones and bool(np.tril(np.ones((q, q), dtype=bool))[~one.free].any()) is False:
        for k in range(q):
            if k != ones[0]:
                transform[ones[0], k] = -one.Z[:, k].mean() / one.Z[0, ones[0]]
    return np.asarray(transform / np.array([_scale(column) for column in (one.Z @ transform).T]))


def _by_level(a: Floats, b: Floats, codes: Ints, m: int) -> Floats:
    """Return ``a'b`` of each level, shape (m, columns of a, columns of b)."""
    found = np.empty((m, a.shape[1], b.shape[1]))
    for j in range(a.shape[1]):
        for k in range(b.shape[1]):
            found[:, j, k] = np.bincount(codes, weights=a[:, j] * b[:, k], minlength=m)
    return found


def _cells(f: EffectColumns, g: EffectColumns, z_f: Floats, z_g: Floats) -> Cells:
    key = f.codes.astype(np.int64) * g.m + g.codes
    found, at = distinct_keys(key, f.m * g.m)
    q_f, q_g = z_f.shape[1], z_g.shape[1]
    check_cells(len(found), q_f * q_g, f.factor, g.factor)
    return Cells(
        rows=found // g.m, columns=found % g.m, products=_by_level(z_f, z_g, at, len(found))
    )


def check_cells(many: int, width: int, *factors: str) -> None:
    """Refuse more cells, each of `width` products, than the memory can hold."""
    check_memory(
        8 * many * (width + 2),
        f"the {many:,} combinations of levels of {' and '.join(factors)} that occur",
        "use fewer levels or a sample of the rows",
    )


def distinct_keys(key: npt.NDArray[np.int64], top: int) -> tuple[Ints, Ints]:
    """Return the distinct keys, sorted, and the place of each row among them."""
    if top <= max(4 * len(key), 1_000_000):  # a table of all of them is cheaper than sorting
        occurs = np.zeros(top, dtype=bool)
        occurs[key] = True
        found = np.flatnonzero(occurs)
        place = np.zeros(top, dtype=np.int64)
        place[found] = np.arange(len(found))
        return found, place[key]
    found, at = np.unique(key, return_inverse=True)
    return found, at.ravel()
