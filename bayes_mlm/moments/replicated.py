"""Weighted sums of many sets of weights and many outcomes, in one pass over the rows.

Rows are read in blocks of whole groups. Of a group with weights V (n_j, G) and deviations D of its
columns from its own plain means, one product V'[1, D, D x D] has the sums of all sets and outcomes;
a scaling of the weights multiplies them afterwards. What the likelihood needs is, by set, the
rotated products R and C of each group (`bayes_mlm.moments.rotated`) and, over all groups with
their weights, the products outside the span of Z.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bayes_mlm.base import Floats, Ints
from bayes_mlm.moments.rank import RANK_TOLERANCE

# Numbers of sums that are in memory at once.
_AT_ONCE = 4_000_000

# From sums of weights, of their squares, and numbers of rows that they are above 0 for, all (b, G),
# of some groups (their places), to what the weights of each group are scaled to sum to and the
# weights of the groups, both (b, G).
type ScaleOf = Callable[[Floats, Floats, Floats, slice], tuple[Floats, Floats]]


@dataclass(frozen=True, kw_only=True, eq=False)
class ReplicatedMoments:
    """Rotated sums of G sets of weights and M outcomes.

    Attributes
    ----------
    r : ndarray, shape (G, J, q, q)
        ``Z_j = Q_j R_j`` of the weighted rows.
    c_x : ndarray, shape (G, J, q, p)
    c_y : ndarray, shape (G, M, J, q)
    x_x : ndarray, shape (G, p, p)
        Weighted products of X outside the span of Z, over all groups.
    x_y : ndarray, shape (G, M, p)
    y_y : ndarray, shape (G, M)
    n : ndarray, shape (G,)
        Sums of all weights.
    weights : ndarray, shape (G, J)
        Of the groups.
    """

    r: Floats
    c_x: Floats
    c_y: Floats
    x_x: Floats
    x_y: Floats
    y_y: Floats
    n: Floats
    weights: Floats


def replicated_moments(
    X: Floats, Z: Floats, Y: Floats, codes: Ints, n_groups: int, weights: Floats, scale: ScaleOf
) -> ReplicatedMoments:
    """Sum the products of columns and outcomes by many sets of weights.

    Parameters
    ----------
    X, Z, Y : ndarray, shapes (n, p), (n, q), (n, M)
        Columns and outcomes; centre those of X and Y that may be.
    codes : ndarray of int, shape (n,)
        Groups of the rows, in any order.
    n_groups : int
    weights : ndarray, shape (n, G)
        None below 0; a group whose weights are all 0 has no part in that set.
    scale : callable
        See `ScaleOf`.
    """
    n, p, q, M, G = len(codes), X.shape[1], Z.shape[1], Y.shape[1], weights.shape[1]
    order = np.argsort(codes, kind="stable")
    if (order[1:] > order[:-1]).all():
        order = np.arange(n)
    ends = np.searchsorted(codes[order], np.arange(n_groups + 1))
    kept, place = _distinct(np.concatenate([X, Z, Y], axis=1))
    k = kept.shape[1]
    a, b = np.triu_indices(k)
    where = np.empty((k, k), dtype=np.int64)
    where[a, b] = where[b, a] = np.arange(len(a))
    x, z, y = place[:p], place[p : p + q], place[p + q :]
    rows = np.concatenate([z, x, y])  # the columns of what is rotated
    constant = _constant(kept, z)
    J = n_groups
    found = {
        "r": np.zeros((G, J, q, q)),
        "c_x": np.zeros((G, J, q, p)),
        "c_y": np.zeros((G, M, J, q)),
        "weights": np.zeros((G, J)),
    }
    rest, total = np.zeros((G, p + M, p + M)), np.zeros(G)
    xy = np.concatenate([x, y])
    step = max(1, _AT_ONCE // (G * (1 + k + len(a))))
    for first in range(0, J, step):
        groups = slice(first, min(first + step, J))
        sums, own = _sums(kept, weights, order, ends[first : groups.stop + 1], a, b)
        W, square, count = sums[:, :, 0], sums[:, :, 1], sums[:, :, 2]
        target, level2 = scale(W, square, count, groups)
        live = W > 0.0
        factor = np.divide(target, W, out=np.zeros_like(W), where=live)
        level2 = np.where(live, level2, 0.0)
        dev = np.divide(sums[:, :, 3 : 3 + k], W[:, :, None], where=live[:, :, None],
                        out=np.zeros((*W.shape, k)))  # fmt: skip
        means, size = own[:, None] + dev, np.where(live, target, 0.0)
        products, both = sums[:, :, 3 + k :], level2 * factor
        # All products: those of deviations from the group's plain mean, less those of its shift.
        inside = np.einsum("bg,bgm->gm", both, products)[:, where[np.ix_(xy, xy)]]
        shift, shifted = dev[:, :, xy], (level2 * size)[:, :, None] * dev[:, :, xy]
        inside -= np.einsum("bga,bgc->gac", shifted, shift, optimize=True)
        near = factor[:, :, None, None] * products[:, :, where[np.ix_(z, rows)]]
        near -= size[:, :, None, None] * dev[:, :, z, None] * dev[:, :, None, rows]
        r, c, used = np.zeros((*W.shape, q, q)), np.zeros((*W.shape, q, p + M)), 0
        if constant is None:
            inside += np.einsum("bga,bgc->gac", (level2 * size)[:, :, None] * means[:, :, xy],
                                means[:, :, xy], optimize=True)  # fmt: skip
            near += size[:, :, None, None] * means[:, :, z, None] * means[:, :, None, rows]
        else:
            sign = np.sign(means[:, :, z[constant]])
            row = (np.sqrt(size) * sign)[:, :, None] * means[:, :, rows]
            r[:, :, 0], c[:, :, 0], used = row[:, :, :q], row[:, :, q:], 1
        length = np.einsum("bgaa->bga", near[:, :, :, :q]).copy()
        for i in (i for i in range(q) if i != constant):
            pivot = near[:, :, i, i]
            full = pivot > RANK_TOLERANCE * np.maximum(length[:, :, i], 1e-300)
            root = np.sqrt(np.where(full, pivot, 1.0))
            row = np.where(full[:, :, None], near[:, :, i], 0.0) / root[:, :, None]
            r[:, :, used], c[:, :, used] = row[:, :, :q], row[:, :, q:]
            inside -= np.einsum("bga,bgc->gac", level2[:, :, None] * row[:, :, q:],
                                row[:, :, q:], optimize=True)  # fmt: skip
            near = near - row[:, :, :q, None] * row[:, :, None, :]
            used += 1
        rest += inside
        total += (level2 * size).sum(axis=0)
        found["r"][:, groups] = r.swapaxes(0, 1)
        found["c_x"][:, groups] = c[:, :, :, :p].swapaxes(0, 1)
        found["c_y"][:, :, groups] = c[:, :, :, p:].transpose(1, 3, 0, 2)
        found["weights"][:, groups] = level2.T
    return ReplicatedMoments(
        **found,
        x_x=rest[:, :p, :p],
        x_y=rest[:, p:, :p],
        y_y=np.diagonal(rest[:, p:, p:], axis1=1, axis2=2).copy(),
        n=total,
    )


def _sums(
    kept: Floats, weights: Floats, order: Ints, ends: Ints, a: Ints, b: Ints
) -> tuple[Floats, Floats]:
    """Return the sums of some groups, (b, G, 3 + k + pairs), and their plain means, (b, k).

    Of the weights, of their squares, of how many are above 0, of the deviations of the columns, and
    of the products of these.
    """
    rows = order[ends[0] : ends[-1]]
    block, V, cut = kept[rows], weights[rows], ends - ends[0]
    sizes = np.diff(cut)
    own = np.add.reduceat(block, cut[:-1]) / sizes[:, None]
    block = block - np.repeat(own, sizes, axis=0)
    P = np.concatenate([block, block[:, a] * block[:, b]], axis=1)
    out = np.empty((len(sizes), V.shape[1], 3 + P.shape[1]))
    for j, (start, end) in enumerate(zip(cut[:-1].tolist(), cut[1:].tolist(), strict=True)):
        np.matmul(V[start:end].T, P[start:end], out=out[j, :, 3:])
    out[:, :, 0] = np.add.reduceat(V, cut[:-1])
    out[:, :, 1] = np.add.reduceat(V * V, cut[:-1])
    out[:, :, 2] = np.add.reduceat(V > 0.0, cut[:-1], dtype=float)
    return out, own


def _distinct(columns: Floats) -> tuple[Floats, Ints]:
    """Return the distinct columns (n, k), and the place of each of all among them."""
    kept: list[int] = []
    place = []
    for i, column in enumerate(columns.T):
        for at, other in enumerate(kept):
            twin = columns[:, other]
            if twin[0] == column[0] and twin[-1] == column[-1] and np.array_equal(twin, column):
                place.append(at)
                break
        else:
            place.append(len(kept))
            kept.append(i)
    return np.ascontiguousarray(columns[:, kept]), np.array(place, dtype=np.int64)


def _constant(kept: Floats, z: Ints) -> int | None:
    """Return the place of a column of Z that is constant and not 0; None without one."""
    for place, at in enumerate(z.tolist()):
        column = kept[:, at]
        if column[0] != 0.0 and (column == column[0]).all():
            return place
    return None
