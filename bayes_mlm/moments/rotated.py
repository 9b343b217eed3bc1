"""Rotate sufficient statistics into the form in which the likelihood is cheap and exact.

Write Z_j = Q_j R_j with orthonormal Q_j. Then, with S = Lambda Lambda' and N_j = I + R_j S R_j',

    |V_j| = sigma_e^(2 n_j) |N_j|
    W_j' V_j^-1 W_j = sigma_e^-2 (W_j'(I - Q_j Q_j')W_j + C_j' N_j^-1 C_j),   C_j = Q_j' W_j

for any columns W. This is the identity of `design.md` rearranged (Woodbury) so that nothing is
subtracted: what lies outside the span of Z is summed over the groups once for all, and groups
with equal R_j share N_j and add their products of C_j. For a random intercept R_j is sqrt(n_j),
so that the cost of an evaluation grows with the number of distinct group sizes only.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from bayes_mlm.base import DesignError, Floats, Ints
from bayes_mlm.moments.blocks import BLOCK, Blocks, in_blocks
from bayes_mlm.moments.group_moments import GroupMoments
from bayes_mlm.moments.rank import INSIDE, RANK_TOLERANCE, check_rank, rank_of, rank_of_groups

# From this many classes on, by the number of effects, and of so few groups each, sums run over the
# groups by compiled code, which takes a second to load; matrices of every class take longer.
_MANY_CLASSES, _ALIKE = {1: 30_000, 2: 1_500, 3: 600}, 20
_MANY_OF_MORE_EFFECTS = 300


@dataclass(frozen=True, kw_only=True, eq=False)
class RotatedMoments:
    """Rotated statistics of W = [X, y] (p + 1 columns), centred where that is harmless.

    Attributes
    ----------
    n, p, q : int
        Rows (of weighted ones the sum of their weights), columns of X, columns of Z.
    rest : (p+1, p+1) array
        Cross-products of W outside the span of Z, summed over the groups.
    r : (C, q, q) array
        R of each class of groups (groups of one class share their Z'Z).
    size : (C,) array
        Number of groups in each class, or the sum of their weights.
    of_group : (J,) int array
        Class of each group.
    c : (J, q, p+1) array
        C of each group, times the root of its weight.
    ones : (p,) array
        Coefficients with ``X @ ones == 1``; zeros where the constant is not in the span of X.
    x_mean : (p,) array
        What was taken from the columns of X; zero for those that make up the constant.
    y_mean : float
        What was taken from y.
    z_centring : (q, q) array
        Takes group effects to those of the centred Z: ``u_centred = z_centring @ u``.
    z_constant : int or None
        Place of a constant column of Z, the first row of R and C; None where there is none.
    between_df, within_df : int
        Dimensions left to distinguish the group effects from X, and the residuals from both.
    labels, terms, effects, group, weights
        As in `GroupMoments`.

    Notes
    -----
    A weight on a group multiplies its whole log-likelihood: its log-determinant, and products.
    """

    n: int
    p: int
    q: int
    rest: Floats
    r: Floats
    size: Floats
    of_group: Ints
    c: Floats
    ones: Floats
    x_mean: Floats
    y_mean: float
    z_centring: Floats
    z_constant: int | None
    between_df: int
    within_df: int
    labels: npt.NDArray[np.generic]
    terms: tuple[str, ...]
    effects: tuple[str, ...]
    group: str | None
    weights: Floats | None = None

    @cached_property
    def products(self) -> Floats:
        """Sums over each class of ``C_j[a] (outer) C_j[b]``: (C*q*q, (p+1)**2).

        A row for each (class, a, b).
        """
        return _products(self.c, self.of_group, len(self.size))

    @property
    def many_designs(self) -> bool:
        """Whether so many groups differ in design that sums run over groups, not over classes."""
        classes = len(self.size) if self.q else 0
        least = _MANY_CLASSES.get(self.q, _MANY_OF_MORE_EFFECTS)
        return classes >= least and len(self.c) <= _ALIKE * classes

    @property
    def of_each_group(self) -> "RotatedMoments":
        """The statistics with each group's own products, whatever its weight."""
        if self.weights is None:
            return self
        root = np.sqrt(self.weights)[:, None, None]
        own = np.divide(self.c, root, out=np.zeros_like(self.c), where=root > 0.0)
        return replace(self, c=own, size=np.bincount(self.of_group).astype(float), weights=None)

    @cached_property
    def blocks(self) -> Blocks:
        """R and C of the groups in blocks, for compiled sums over them."""
        r = in_blocks(self.r[self.of_group])
        weights = np.empty((0, BLOCK)) if self.weights is None else in_blocks(self.weights)[:, 0]
        return Blocks(r=r, c=in_blocks(self.c), shown=r.any(axis=(0, 2)), weights=weights)

    def every(self, step: int) -> "RotatedMoments":
        """Return the statistics of every so manieth group, as if the data were those."""
        c = self.c[::step]
        share = len(c) / len(self.c)
        return replace(
            self,
            n=round(share * self.n),
            rest=share * self.rest,
            r=self.r[self.of_group[::step]],
            size=np.ones(len(c)) if self.weights is None else self.weights[::step],
            of_group=np.arange(len(c)),
            weights=None if self.weights is None else self.weights[::step],
            c=c,
            labels=self.labels[::step],
        )

    def original_beta(self, beta: Floats) -> Floats:
        """Transform coefficients (..., p) of the centred columns to those of X as given."""
        return beta + (self.y_mean - beta @ self.x_mean)[..., None] * self.ones

    def centred_beta(self, beta: Floats) -> Floats:
        """Transform coefficients (..., p) of X as given to those of the centred columns."""
        return beta + (beta @ self.x_mean - self.y_mean)[..., None] * self.ones

    @property
    def beta_transform(self) -> Floats:
        """Return the (p, p) matrix that maps differences of centred to original coefficients."""
        return np.eye(self.p) - np.outer(self.ones, self.x_mean)


def rotate_moments(s: GroupMoments, *, aliased: bool = False) -> RotatedMoments:
    """Rotate sufficient statistics, after checking that the fixed effects are estimable.

    Parameters
    ----------
    s : GroupMoments
    aliased : bool
        Whether columns of X may depend on each other, because priors identify their coefficients.

    Returns
    -------
    RotatedMoments

    Raises
    ------
    DesignError
        If a column of X is a linear combination of others (it is named), or there are no more
        rows than columns.
    """
    p, q = s.p, s.q
    if s.n <= p and s.weights is None:
        raise DesignError(
            f"{s.n} rows cannot estimate {p} coefficients and a residual variance; drop terms "
            "or add rows"
        )
    transformed = _rotate(s)
    centre, ones, z_constant = transformed.centre, transformed.ones, transformed.z_constant
    c, xy, z = transformed.c, transformed.xy, list(range(p, p + q))
    r, of_group, groups = _classes(transformed.r)
    left, size, n = transformed.left.sum(axis=0), groups, s.n
    if s.weights is not None:
        left, n = np.tensordot(s.weights, transformed.left, 1), s.counted.n
        size = np.bincount(of_group, s.weights)
        c = np.sqrt(s.weights)[:, None, None] * c
    rest = left[np.ix_(xy, xy)]
    stacked = c.reshape(-1, p + 1)
    information = rest + stacked.T @ stacked
    if not aliased:
        check_rank(information[:p, :p], s.terms, ones)
    inside = rank_of(rest[:p, :p], np.diag(information)[:p])
    z_rank = rank_of_groups(r, groups)
    transform = np.eye(q)
    if z_constant is not None:
        shift = centre[z].copy()
        shift[z_constant] = 0.0
        transform[z_constant] += shift / _constant(s, p + z_constant)
    return RotatedMoments(
        n=n,
        p=p,
        q=q,
        rest=rest,
        r=r,
        size=size,
        of_group=of_group,
        c=c,
        ones=ones,
        x_mean=centre[:p],
        y_mean=float(centre[-1]),
        z_centring=transform,
        z_constant=z_constant,
        between_df=z_rank + inside - p,
        within_df=s.n - z_rank - inside if s.weights is None else 1,  # of rows, checked before
        labels=s.labels,
        terms=s.terms,
        effects=s.effects,
        group=s.group,
        weights=s.weights,
    )


def residual_squares(reduced: RotatedMoments) -> float:
    """Return the sum of squares of y outside of the span of Z and of X."""
    p, rest = reduced.p, reduced.rest
    norm, value, vector = _outside(reduced)
    along = vector.T @ (rest[:p, p] / norm)
    return float(rest[p, p] - (along**2 / value).sum())


def root_outside(reduced: RotatedMoments) -> Floats:
    """Return a root (p, f) of the products of X outside of the span of Z, f their rank."""
    norm, value, vector = _outside(reduced)
    root: Floats = norm[:, None] * vector * np.sqrt(value)
    return root


def _outside(reduced: RotatedMoments) -> tuple[Floats, Floats, Floats]:
    """Return norms (p,) of the columns of X, and eigenvalues and -vectors of their normed rest."""
    p, rest = reduced.p, reduced.rest
    size = np.diagonal(rest)[:p] + np.square(reduced.c[:, :, :p]).sum(axis=(0, 1))
    norm = np.sqrt(np.maximum(size, np.finfo(float).tiny))
    value, vector = np.linalg.eigh(rest[:p, :p] / np.outer(norm, norm))
    kept = value > INSIDE
    return norm, value[kept], vector[:, kept]


def root_mean_square(reduced: RotatedMoments, transform: Floats) -> Floats:
    """Return the root mean square (q,) of the columns of ``Z transform``, Z centred."""
    r = reduced.r @ transform
    mean = np.einsum("c,cab,cab->b", reduced.size, r, r) / reduced.n
    found: Floats = np.sqrt(np.maximum(mean, np.finfo(float).tiny))
    return found


def rest_by_group(s: GroupMoments) -> Floats:
    """Return each group's cross-products of W outside the span of Z, (J, p+1, p+1).

    Their sum is `RotatedMoments.rest`, which is all that a fit needs; leave-one-group-out needs
    the parts.
    """
    transformed = _rotate(s)
    by_group: Floats = transformed.left[np.ix_(range(s.J), transformed.xy, transformed.xy)]
    return by_group


@dataclass(frozen=True, kw_only=True, eq=False)
class _Rotated:
    """Each group's R (J, q, q), C (J, q, p+1) and the remainder of its cross-products.

    `left` is (J, k, k) in the columns [X, Z, y], `xy` the places of [X, y] in it; `centre`, `ones`
    and `z_constant` are as `_centring` gives them.
    """

    centre: Floats
    ones: Floats
    z_constant: int | None
    r: Floats
    c: Floats
    left: Floats
    xy: list[int]


def _rotate(s: GroupMoments) -> _Rotated:
    """Project the span of Z out of every group's cross-products."""
    p, q = s.p, s.q
    centre, ones, z_constant = _centring(s)
    counts = s.counts.astype(float)
    # Group means of the centred columns [X, Z, y].
    d = s.means + (s.centre - centre)
    work = s.scatter.copy() if z_constant is not None else s.scatter + _outer(d, counts)
    r, c = np.zeros((s.J, q, q)), np.zeros((s.J, q, p + 1))
    xy = [*range(p), p + q]
    z = list(range(p, p + q))
    total = s.scatter[:, z, z] + counts[:, None] * d[:, z] ** 2
    first = 0
    if z_constant is not None:
        # The constant column of Z is rotated out through the means, which cancels nothing.
        row = np.sqrt(counts)[:, None] * d * np.sign(d[:, [p + z_constant]])
        r[:, 0], c[:, 0], first = row[:, z], row[:, xy], 1
    for i, a in enumerate((a for a in range(q) if a != z_constant), start=first):
        pivot = work[:, p + a, p + a]
        live = pivot > RANK_TOLERANCE * total[:, a]
        row = np.where(live[:, None], work[:, p + a], 0.0)
        row /= np.sqrt(np.where(live, pivot, 1.0))[:, None]
        r[:, i], c[:, i] = row[:, z], row[:, xy]
        work = work - row[:, :, None] * row[:, None, :]
        work[:, p + a, :] = work[:, :, p + a] = 0.0
    return _Rotated(centre=centre, ones=ones, z_constant=z_constant, r=r, c=c, left=work, xy=xy)


def _outer(d: Floats, weight: Floats) -> Floats:
    return weight[:, None, None] * d[:, :, None] * d[:, None, :]


def _constant(s: GroupMoments, column: int) -> float:
    """Return the value of a column that is constant over all rows, else 0."""
    full = s.counts > 0
    means = s.means[full, column]
    if s.scatter[:, column, column].any() or (means != means[0]).any():
        return 0.0
    return float(means[0] + s.centre[column])


def _centring(s: GroupMoments) -> tuple[Floats, Floats, int | None]:
    """Choose what to take from each column so that the model stays the same one.

    With X @ ones == 1, moving the columns that have no part in `ones`, and y, along the constant
    is a change of basis of determinant one: neither the likelihood nor |X'V^-1X| changes. Columns
    of Z move likewise along a constant column of Z. Returns centre (k,), ones (p,), and the
    position of the constant in Z.
    """
    p, q = s.p, s.q
    mean = s.centre + s.counts @ s.means / s.n
    centre = np.zeros(p + q + 1)
    ones = np.zeros(p)
    for column in range(p):
        value = _constant(s, column)
        if value != 0.0:
            ones[column] = 1.0 / value
            break
    else:
        ones = _ones(s)
    if ones.any():
        free = ones == 0.0
        centre[:p][free] = mean[:p][free]
        centre[-1] = mean[-1]
    z_constant = next((a for a in range(q) if _constant(s, p + a) != 0.0), None)
    if z_constant is not None:
        centre[p : p + q] = mean[p : p + q]
        centre[p + z_constant] = 0.0
    return centre, ones, z_constant


def _ones(s: GroupMoments) -> Floats:
    """Find coefficients with X @ ones == 1 (a set of dummies, say), or zeros if there are none."""
    p = s.p
    d = s.means[:, :p] + s.centre[:p]
    counts = s.counts.astype(float)
    cross = s.scatter[:, :p, :p].sum(axis=0) + (d * counts[:, None]).T @ d
    sums = counts @ d
    norm = np.sqrt(np.maximum(np.diag(cross), np.finfo(float).tiny))
    ones = np.linalg.lstsq(cross / np.outer(norm, norm), sums / norm, rcond=RANK_TOLERANCE)[0]
    ones = np.where(np.abs(ones) < 1e-9, 0.0, ones) / norm
    miss = s.n - 2 * ones @ sums + ones @ cross @ ones
    return ones if abs(miss) < RANK_TOLERANCE * s.n else np.zeros(p)


def _classes(r: Floats) -> tuple[Floats, Ints, Floats]:
    """Sort the groups into classes of equal R; returns R by class, class of group, class size."""
    J, q = r.shape[:2]
    if q == 0 or J == 0:
        return r[:1], np.zeros(J, dtype=np.int64), np.array([float(J)])
    # Rounding lets groups with the same rows in another order meet; it moves R by 1e-13 at most.
    flat = r.reshape(J, -1)
    top = np.abs(flat).max(axis=0)
    used = np.flatnonzero(top > 0)
    if len(used) == 0:
        return r[:1], np.zeros(J, dtype=np.int64), np.array([float(J)])
    key = np.round(flat[:, used] / top[used] * 1e13).astype(np.int64)
    order = np.lexsort(key.T)
    new = np.ones(J, dtype=bool)
    new[1:] = (np.diff(key[order], axis=0) != 0).any(axis=1)
    of_group = np.empty(J, dtype=np.int64)
    of_group[order] = np.cumsum(new) - 1
    return r[order[new]], of_group, np.bincount(of_group).astype(float)


def _products(c: Floats, of_group: Ints, n_classes: int) -> Floats:
    """Sum C_j[a] (outer) C_j[b] over the groups of each class."""
    J, q, k = c.shape
    out = np.zeros((n_classes, q, q, k, k))
    order = np.argsort(of_group, kind="stable")
    starts = np.searchsorted(of_group[order], np.arange(n_classes))
    c = c[order]
    for a in range(q):
        for b in range(a + 1):
            each = c[:, a, :, None] * c[:, b, None, :]
            out[:, a, b] = np.add.reduceat(each, starts, axis=0) if n_classes < J else each
            # C_b (outer) C_a is the transpose; only the symmetric part ever matters.
            out[:, b, a] = out[:, a, b].swapaxes(1, 2)
    return out.reshape(n_classes * q * q, k * k)
