r"""Compiled integrals over the effects of a group at 64 parameter points, with draws of u.

A group's integral is that of exp(h(v)), h = sum_i l(eta_i) - |v|^2 / 2 with eta_i = x_i'b +
z_i'L v, over one or two standard normal v: a trapezium rule on the lattice v = mode + k h1 R1 +
l h2 R2, with R R' the inverse of -h'' near the mode. The spacing is bounded by the nearest poles of
l, so the rule converges geometrically (Trefethen & Weideman 2014, SIAM Review 56(3)).

Three forms of the likelihood, each a product over rows of a function of a_i e^(z_i'u):

    0  prod (1 + a e)^-w        logistic; rows with y = 1 turned round (x, z to -x, -z)
    1  exp(Y'u - sum a e)       Poisson, gamma
    2  exp(Y'u) prod (1 + a e)^-(w + c)    negative binomial, c its shape

Relative to the mode a factor is w + g E with E a power of a number per row and lattice line, so
that a row of weight 1 and a node cost a multiplication and an addition. Rows of one z (a cell)
share E.

Draws of u are by rejection from a t with 4 degrees of freedom fitted to the values at the nodes,
its bound the largest ratio at a node times a slack: violations are counted, not excluded.

References
----------
Bailey (1994), Mathematics of Computation 62(206): t variates from a point in the unit disc.
"""

from typing import Any  # noqa: I001  places in the scratch array are listed in lines

import numpy as np
from numba import njit

from bayes_mlm.base import Flags, Floats, Ints
from bayes_mlm.engines.direct.generalised.draw_kernels import draw, effect_moments, sum_nodes
from bayes_mlm.engines.direct.generalised.group_kernels import fill_nodes, find_mode, lay_lattice
from bayes_mlm.engines.direct.generalised.lane_kernels import (
    AREA, EXTRA, FAST, GA, GB, HIGH, L0, L1, L2, LANE, LANES, LEVEL, OUTER, P, SCALE, SCRATCH,
    SUM, VA, VB, X, factors, log_lanes,
)  # fmt: skip


def scratch(of_group: Ints, of_cell: Ints, of_nodes: Ints, nk: Ints, nl: Ints) -> tuple[Any, ...]:
    """Return the arrays that `integrate` works in; made here, they need no compiling."""
    most, wide = (
        int(np.diff(of_nodes).max()),
        int(max(nk.max(), nl.max()) - min(nk.min(), nl.min())) + 1,
    )
    rows = int(np.diff(of_cell[of_group]).max())
    s, bits = np.zeros(SCRATCH), np.empty(LANES, np.int64)
    sizes = 8 * wide, wide, most, rows, 2 * rows
    flat = (np.empty(size * LANES) for size in sizes)
    return s, s.view(np.int64), bits, bits.view(np.float64), *flat


@njit(cache=True, error_model="numpy", nogil=True, fastmath=FAST)
def integrate(
    form: int,
    x: Floats,
    offset: Floats,
    sign: Floats,
    level: Ints,
    weight: Floats,
    g: Floats,
    lane: Floats,
    cuts: Floats,
    extra: Floats,
    scale: Floats,
    of_group: Ints,
    of_cell: Ints,
    cz: Floats,
    total: Floats,
    z_mean: Floats,
    flat: Flags,
    root: Floats,
    pull: Floats,
    inner: Floats,
    cross: Floats,
    moved: Floats,
    of_nodes: Ints,
    nk: Ints,
    nl: Ints,
    edge: Floats,
    refine: float,
    widest: float,
    tolerance: float,
    out: Floats,
    rim: Floats,
    share: Floats,
    span: Floats,
    seed: int,
    u: Floats,
    moments: Floats,
    counts: Floats,
    s: Floats,
    whole: Ints,
    bits: Ints,
    same: Floats,
    one: Floats,
    two: Floats,
    value: Floats,
    a: Floats,
    ratio: Floats,
) -> None:
    """Add the log integrals of groups to `out` (LANES,).

    Parameters
    ----------
    form : int
    x, offset, sign, level : (rows, p), (rows,), (rows,), (rows,) arrays
        Of a = exp(x'g + offset - sign * cut[level] + lane); level -1 has no cut.
    weight : (rows,) array
        Trials, or counts of form 2.
    g, lane, cuts : (p * LANES,), (LANES,), (n_cuts * LANES,) arrays
    extra, scale : (LANES,) arrays
        Added to the weights; factor of `total`.
    of_group, of_cell : arrays
        First cell of each group, and first row of each cell; each with the end.
    cz : (cells, 2) array
        z of each cell.
    total : (J, 2) array
        Sums of y z; 0 of form 0.
    z_mean, flat : (J, 2), (J,) arrays
        Means of z, and whether all rows of a group have one z (up to its sign in a cell).
    root : (3, LANES) array
        L11, L21, L22.
    pull, inner, cross, moved : (J, 2), (J, 3), (J, 2, k), (k * LANES,) arrays
        Newton's method starts where a quadratic log-likelihood has the mode: score plus
        information times u at a point, the information (00, 01, 11), that with the coefficients,
        and what these are from that point.
    of_nodes, nk, nl, edge : arrays
        Lattice of each group, and which of its nodes are at the rim.
    refine, widest, tolerance : float
        Spacing, in sds; its bound by the poles; Newton decrement at which a mode is good enough.
    rim : (LANES,) array
        Added to: shares of the nodes at the rim.
    share : (nodes,) or (0,) array
        Raised to the value of each node over the top's, where wanted.
    span : (J, 2) or (J, 0) array
        Lowered to the least spacings, where wanted.
    seed : int
    u, moments : (LANES, J or 0, 2), (LANES, J or 0, 5) arrays
        Draws, and means and second moments (00, 01, 11) of u, where wanted.
    counts : (2,) array
        Added to: trials of the draws, and violations of their bounds.
    s, whole, bits, same, one, two, value, a, ratio : arrays
        What `scratch` makes.
    """
    groups, draws, wanted = len(of_group) - 1, u.shape[1] > 0, moments.shape[1] > 0
    unit = form == 0
    for i in range(len(weight)):
        unit = unit and weight[i] == 1.0
    for b in range(LANES):
        s[L0 + b], s[L1 + b], s[L2 + b] = root[0, b], root[1, b], root[2, b]
        s[LANE + b], s[EXTRA + b], s[SCALE + b] = lane[b], extra[b], scale[b]
    if draws:
        np.random.seed(seed)
    for j in range(groups):
        c0, c1, n0, n = of_group[j], of_group[j + 1], of_nodes[j], of_nodes[j + 1] - of_nodes[j]
        single = flat[j]
        for c in range(c0, c1):
            i = c - c0 if form == 1 else of_cell[c] - of_cell[c0]
            factors(
                x, offset, sign, level, g, cuts, of_cell[c], of_cell[c + 1], form == 1,
                a[i * LANES :], s, bits, same,
            )  # fmt: skip
        for b in range(LANES):
            s[GA + b], s[GB + b] = pull[j, 0], pull[j, 1]
        for k in range(cross.shape[2]):
            ca, cb, move = cross[j, 0, k], cross[j, 1, k], moved[k * LANES : (k + 1) * LANES]
            for b in range(LANES):
                s[GA + b] -= ca * move[b]
                s[GB + b] -= cb * move[b]
        ia, ib, ic = inner[j, 0], inner[j, 1], inner[j, 2]
        for b in range(LANES):
            l0, l1, l2 = s[L0 + b], s[L1 + b], s[L2 + b]
            p, q = l0 * s[GA + b] + l1 * s[GB + b], l2 * s[GB + b]
            h11, h01 = 1.0 + ic * l2 * l2, l2 * (l0 * ib + l1 * ic)
            h00 = 1.0 + l0 * l0 * ia + 2 * l0 * l1 * ib + l1 * l1 * ic
            det = 1.0 / (h00 * h11 - h01 * h01)
            s[VA + b], s[VB + b] = (h11 * p - h01 * q) * det, (h00 * q - h01 * p) * det
        find_mode(
            form, unit, c0, c1, of_cell, cz, weight, a, ratio, s, whole, bits, same, total[j],
            tolerance,
        )  # fmt: skip
        lay_lattice(c0, c1, cz, s, total[j], z_mean[j], single, refine, widest, span[j])
        fill_nodes(
            form, unit, c0, c1, of_cell, cz, weight, ratio, s, bits, same, single, value, one, two,
            nk, nl, n0, n,
        )  # fmt: skip
        sum_nodes(s, value, nk, nl, edge, n0, n, draws or wanted)
        for b in range(LANES):
            s[P + b] = s[SUM + b] * s[AREA + b]
        log_lanes(s[P : P + LANES], s[X : X + LANES], bits, same)
        for b in range(LANES):
            out[b] += s[X + b] - s[LEVEL + b]
            rim[b] += s[OUTER + b] / s[SUM + b]
        if len(share):
            for i in range(n):
                for b in range(LANES):
                    s[HIGH + b] = max(s[HIGH + b], value[i * LANES + b])
            for i in range(n):
                for b in range(LANES):
                    share[n0 + i] = max(share[n0 + i], value[i * LANES + b] / s[HIGH + b])
        if wanted:
            effect_moments(s, single, moments, j)
        if draws:
            draw(
                form, unit, c0, c1, of_cell, cz, weight, ratio, s, whole, bits, same, single,
                value, nk, nl, n0, n, u, j, counts,
            )  # fmt: skip
