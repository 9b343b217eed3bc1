r"""Compiled integrals over the effects of a group at 64 parameter points, with draws of u.

A group's integral is that of exp(h(v)), h = sum_i l(eta_i) - |v|^2 / 2 with eta_i = x_i'b +
z_i'L v, over one or two standard normal v: a trapezium rule on the lattice v = mode + k h1 R1 +
l h2 R2, with R R' the inverse of -h'' at the mode. The spacing is bounded by the nearest poles of
l, so the rule converges geometrically (Trefethen & Weideman 2014, SIAM Review 56(3)).

Three forms of the likelihood, each a product over rows of a function of a_i e^(z_i'u):

    0  prod (1 + a e)^-w        logistic; rows with y = 1 turned round (x, z to -x, -z)
    1  exp(Y'u - sum a e)       Poisson, gamma
    2  exp(Y'u) prod (1 + a e)^-(w + c)    negative binomial, c its shape

Relative to the mode a factor is w + g E with E a power of a number per row and lattice line, so
that a row and node cost a multiplication and an addition. Rows of one z (a cell) share E.

Draws of u are by rejection from a t with 5 degrees of freedom fitted to the values at the nodes,
its bound the largest ratio at a node times `SLACK`: violations are counted, not excluded.
"""

import math

import numpy as np
from numba import njit

from bayes_mlm.base import Flags, Floats, Ints
from bayes_mlm.engines.direct.generalised.lane_kernels import (
    FAST,
    LANES,
    cell_product,
    cell_terms,
    exp_lanes,
    powers,
    row_product,
)

# Of the bound at the nodes, for what lies between them.
SLACK = 1.3
_TRIALS = 400


@njit(cache=True, error_model="numpy", nogil=True, fastmath=FAST)
def integrate(
    form: int,
    a: Floats,
    weight: Floats,
    extra: Floats,
    scale: Floats,
    of_group: Ints,
    of_cell: Ints,
    cz: Floats,
    total: Floats,
    z_mean: Floats,
    flat: Flags,
    root: Floats,
    start: Floats,
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
) -> None:
    """Add the log integrals of groups to `out` (LANES,).

    Parameters
    ----------
    form : int
    a : (rows, LANES) array
        exp(x'b), by row; of form 1 by cell.
    weight : (rows,) array
        Trials, or counts of form 2.
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
    start : (J, 2, LANES) array
        Of v, for Newton's method.
    of_nodes, nk, nl, edge : arrays
        Lattice of each group, and which of its nodes are at the rim.
    refine, widest, tolerance : float
        Spacing, in sds; its bound by the poles; Newton decrement at which a mode is good enough.
    rim : (LANES,) array
        Added to: shares of the nodes at the rim.
    share : (nodes,) or (0,) array
        Raised to the value of each node over the top's, where wanted.
    span : (J, 2) array
        Lowered to the least spacings.
    seed : int
    u, moments : (LANES, J or 0, 2), (LANES, J or 0, 5) arrays
        Draws, and means and second moments (00, 01, 11) of u, where wanted.
    counts : (2,) array
        Added to: trials of the draws, and violations of their bounds.
    """
    groups, draws, wanted = len(of_group) - 1, u.shape[1] > 0, moments.shape[1] > 0
    shares, unit = share.shape[0] > 0, form == 0
    for i in range(len(weight)):
        unit = unit and weight[i] == 1.0
    most, middle, cells, rows = 1, 0, 1, 1
    for j in range(groups):
        most = max(most, of_nodes[j + 1] - of_nodes[j])
        cells = max(cells, of_group[j + 1] - of_group[j])
        rows = max(rows, of_cell[of_group[j + 1]] - of_cell[of_group[j]])
    for i in range(len(nk)):
        middle = max(middle, max(abs(nk[i]), abs(nl[i])))
    bits = np.empty(max(LANES, most), np.int64)
    same = bits.view(np.float64)
    one, two = np.empty((2 * middle + 1, LANES)), np.empty((2 * middle + 1, LANES))
    e1, e2 = np.empty((cells, LANES)), np.empty((cells, LANES))
    node, power, tilt, value = (
        np.empty(most),
        np.empty(most),
        np.empty(most),
        np.empty((most, LANES)),
    )
    kept, gone, work = np.empty((rows, LANES)), np.empty((rows, LANES)), np.empty((24, LANES))
    va, vb, x, e, ga, gb = work[0], work[1], work[2], work[3], work[4], work[5]
    haa, hab, hbb, slope, info = work[6], work[7], work[8], work[9], work[10]
    d1a, d1b, d2a, d2b, area = work[11], work[12], work[13], work[14], work[15]
    r1a, r1b, r2a, r2b = work[16], work[17], work[18], work[19]
    product, level, s1, s2 = work[20], work[21], work[22], work[23]
    l0, l1, l2 = root[0], root[1], root[2]
    if draws:
        np.random.seed(seed)
    for j in range(groups):
        c0, c1, n0, n = of_group[j], of_group[j + 1], of_nodes[j], of_nodes[j + 1] - of_nodes[j]
        base, single = of_cell[c0], flat[j]
        low_k, high_k, low_l, high_l = 0, 0, 0, 0
        for i in range(n0, n0 + n):
            low_k, high_k = min(low_k, nk[i]), max(high_k, nk[i])
            low_l, high_l = min(low_l, nl[i]), max(high_l, nl[i])
        for b in range(LANES):
            va[b], vb[b] = start[j, 0, b], start[j, 1, b]
        worst = 1.0
        for step in range(41):  # Newton from the starts; the last pass only evaluates
            last, worst = worst < tolerance or step == 40, 0.0
            for b in range(LANES):
                ga[b], gb[b] = scale[b] * total[j, 0], scale[b] * total[j, 1]
                product[b], level[b] = 1.0, 0.0
                haa[b] = hab[b] = hbb[b] = 0.0
            for c in range(c0, c1):
                za, zb = cz[c, 0], cz[c, 1]
                for b in range(LANES):
                    x[b] = za * l0[b] * va[b] + zb * (l1[b] * va[b] + l2[b] * vb[b])
                exp_lanes(x, e, bits, same, LANES)
                if form == 1:
                    for b in range(LANES):
                        slope[b] = info[b] = gone[c - c0, b] = a[c, b] * e[b]
                        level[b] += slope[b]
                else:
                    cell_terms(
                        form, a, weight, extra, e, kept, gone, slope, info, product, level,
                        of_cell[c], of_cell[c + 1], base, unit, last,
                    )  # fmt: skip
                for b in range(LANES):
                    ga[b] -= za * slope[b]
                    gb[b] -= zb * slope[b]
                    haa[b] += za * za * info[b]
                    hab[b] += za * zb * info[b]
                    hbb[b] += zb * zb * info[b]
            for b in range(LANES):  # to v: L'g - v and I + L'HL
                p, q = l0[b] * ga[b] + l1[b] * gb[b] - va[b], l2[b] * gb[b] - vb[b]
                h11 = 1.0 + hbb[b] * l2[b] * l2[b]
                h01 = l2[b] * (l0[b] * hab[b] + l1[b] * hbb[b])
                h00 = 1.0 + l0[b] * l0[b] * haa[b] + 2 * l0[b] * l1[b] * hab[b]
                h00 += l1[b] * l1[b] * hbb[b]
                det = h00 * h11 - h01 * h01
                sa, sb = (h11 * p - h01 * q) / det, (h00 * q - h01 * p) / det
                worst = max(worst, p * sa + q * sb)
                f = 0.0 if last else 1.5 / max(1.5, math.sqrt(sa * sa + sb * sb))
                va[b] += f * sa
                vb[b] += f * sb
                haa[b], hab[b], hbb[b] = h00, h01, h11
            if last:
                break
        for b in range(LANES):
            level[b] -= math.log(product[b])
            level[b] -= scale[b] * total[j, 0] * l0[b] * va[b]
            level[b] -= scale[b] * total[j, 1] * (l1[b] * va[b] + l2[b] * vb[b])
            p, q = l0[b] * z_mean[j, 0] + l1[b] * z_mean[j, 1], l2[b] * z_mean[j, 1]
            s = math.sqrt(p * p + q * q)
            p, q = (p / s, q / s) if s > 1e-150 else (1.0, 0.0)
            h00 = p * p * haa[b] + 2 * p * q * hab[b] + q * q * hbb[b]
            h01 = -p * q * haa[b] + (p * p - q * q) * hab[b] + p * q * hbb[b]
            h11 = q * q * haa[b] - 2 * p * q * hab[b] + p * p * hbb[b]
            if single:
                s = p * va[b] + q * vb[b]
                va[b], vb[b], h01, h11 = p * s, q * s, 0.0, 1.0
            k11, k22 = math.sqrt(h11 / (h00 * h11 - h01 * h01)), 1.0 / math.sqrt(h11)
            k21 = -h01 / h11 * k11
            r1a[b], r1b[b], r2a[b], r2b[b] = k11 * p - k21 * q, k11 * q + k21 * p, -k22 * q, k22 * p
            d1a[b], d1b[b] = l0[b] * r1a[b], l1[b] * r1a[b] + l2[b] * r1b[b]
            d2a[b], d2b[b] = l0[b] * r2a[b], l1[b] * r2a[b] + l2[b] * r2b[b]
            area[b] = k11 * k22
            s1[b] = s2[b] = 1e-300
            for c in range(c0, c1):
                s1[b] = max(s1[b], abs(cz[c, 0] * d1a[b] + cz[c, 1] * d1b[b]))
                s2[b] = max(s2[b], abs(cz[c, 0] * d2a[b] + cz[c, 1] * d2b[b]))
            h1 = refine * min(1.0, widest / s1[b])
            h2 = 1.0 if single else refine * min(1.0, widest / s2[b])
            span[j, 0], span[j, 1] = min(span[j, 0], h1), min(span[j, 1], h2)
            r1a[b], r1b[b], r2a[b], r2b[b] = h1 * r1a[b], h1 * r1b[b], h2 * r2a[b], h2 * r2b[b]
            d1a[b], d1b[b], d2a[b], d2b[b] = h1 * d1a[b], h1 * d1b[b], h2 * d2a[b], h2 * d2b[b]
            area[b] *= h1 * (2.5066282746310002 if single else h2)
        for i in range(n):
            for b in range(LANES):
                value[i, b] = 1.0 if form == 0 else 0.0
        for c in range(c0, c1):
            for b in range(LANES):
                x[b] = cz[c, 0] * d1a[b] + cz[c, 1] * d1b[b]
            exp_lanes(x, e1[c - c0], bits, same, LANES)
            for b in range(LANES):
                x[b] = cz[c, 0] * d2a[b] + cz[c, 1] * d2b[b]
            if single:
                for b in range(LANES):
                    x[b] = 0.0
            exp_lanes(x, e2[c - c0], bits, same, LANES)
            powers(one, e1[c - c0], middle, low_k, high_k)
            powers(two, e2[c - c0], middle, low_l, high_l)
            if form == 1:
                stay, go = kept[0], gone[c - c0]
                row_product(
                    form, value, one, two, stay, go, 1.0, extra, nk, nl, n0, n, middle, x
                )  # fmt: skip
                continue
            if form == 2 or of_cell[c + 1] - of_cell[c] <= 3:
                for r in range(of_cell[c], of_cell[c + 1]):
                    row_product(
                        form, value, one, two, kept[r - base], gone[r - base], weight[r], extra,
                        nk, nl, n0, n, middle, x,
                    )  # fmt: skip
                continue
            for b in range(LANES):
                for i in range(n):
                    power[i] = one[nk[n0 + i] + middle, b] * two[nl[n0 + i] + middle, b]
                    node[i] = value[i, b]
                cell_product(
                    node, power, kept, gone, weight, b, of_cell[c] - base, of_cell[c + 1] - base,
                    base, n, unit,
                )  # fmt: skip
                for i in range(n):
                    value[i, b] = node[i]
        for b in range(LANES):
            a1, a2 = va[b] * r1a[b] + vb[b] * r1b[b], va[b] * r2a[b] + vb[b] * r2b[b]
            b11, b22 = r1a[b] * r1a[b] + r1b[b] * r1b[b], r2a[b] * r2a[b] + r2b[b] * r2b[b]
            b12 = r1a[b] * r2a[b] + r1b[b] * r2b[b]
            if single:
                a2, b12 = 0.0, 0.0
            t0, t1 = scale[b] * total[j, 0], scale[b] * total[j, 1]
            a1 -= t0 * d1a[b] + t1 * d1b[b]
            a2 -= 0.0 if single else t0 * d2a[b] + t1 * d2b[b]
            for i in range(n):
                k, l = float(nk[n0 + i]), float(nl[n0 + i])
                tilt[i] = -(k * a1 + l * a2)
                tilt[i] -= 0.5 * (k * k * b11 + 2 * k * l * b12 + l * l * b22)
                tilt[i] -= 0.0 if form == 0 else value[i, b]
            exp_lanes(tilt, power, bits, same, n)
            sum_, outer, high, m1, m2 = 0.0, 0.0, 0.0, 0.0, 0.0
            q11, q12, q22, bound = 0.0, 0.0, 0.0, 0.0
            for i in range(n):
                t = power[i] / value[i, b] if form == 0 else power[i]
                k, l = float(nk[n0 + i]), float(nl[n0 + i])
                node[i] = t
                sum_, outer, high = sum_ + t, outer + t * edge[n0 + i], max(high, t)
                m1, m2 = m1 + t * k, m2 + t * l
                q11, q12, q22 = q11 + t * k * k, q12 + t * k * l, q22 + t * l * l
            out[b] += math.log(sum_ * area[b] / (2 * math.pi)) - level[b]
            out[b] -= 0.5 * (va[b] * va[b] + vb[b] * vb[b])
            rim[b] += outer / sum_
            if shares:
                for i in range(n):
                    share[n0 + i] = max(share[n0 + i], node[i] / high)
            if not (draws or wanted):
                continue
            m1, m2 = m1 / sum_, m2 / sum_
            q11, q12, q22 = q11 / sum_ - m1 * m1, q12 / sum_ - m1 * m2, q22 / sum_ - m2 * m2
            if wanted:
                if single:
                    m2, q12, q22 = 0.0, 0.0, 1.0
                p = va[b] + m1 * r1a[b] + m2 * r2a[b]
                q = vb[b] + m1 * r1b[b] + m2 * r2b[b]
                ua, ub = l0[b] * p, l1[b] * p + l2[b] * q
                f0, f1 = l0[b] * r1a[b], l1[b] * r1a[b] + l2[b] * r1b[b]
                g0, g1 = l0[b] * r2a[b], l1[b] * r2a[b] + l2[b] * r2b[b]
                moments[b, j, 0], moments[b, j, 1] = ua, ub
                moments[b, j, 2] = f0 * f0 * q11 + 2 * f0 * g0 * q12 + g0 * g0 * q22 + ua * ua
                moments[b, j, 3] = f0 * f1 * q11 + (f0 * g1 + f1 * g0) * q12 + g0 * g1 * q22
                moments[b, j, 3] += ua * ub
                moments[b, j, 4] = f1 * f1 * q11 + 2 * f1 * g1 * q12 + g1 * g1 * q22 + ub * ub
            if not draws:
                continue
            k11 = math.sqrt(max(q11, 1e-12))
            k21 = 0.0 if single else q12 / k11
            k22 = math.sqrt(max(q22 - k21 * k21, 1e-12))
            for i in range(n):
                p = (nk[n0 + i] - m1) / k11
                q = 0.0 if single else ((nl[n0 + i] - m2) - k21 * p) / k22
                s = 1.0 + (p * p + q * q) / 5.0
                bound = max(bound, node[i] * s * s * s * (1.0 if single else math.sqrt(s)))
            bound = math.log(bound * SLACK)
            k, l = m1, m2
            for _ in range(_TRIALS):  # ends only at a point so far out that it has no weight
                s = 1.0 / math.sqrt(np.random.standard_gamma(2.5) / 2.5)
                p = s * np.random.standard_normal()
                q = 0.0 if single else s * np.random.standard_normal()
                k, l = m1 + k11 * p, 0.0 if single else m2 + k21 * p + k22 * q
                height, f = -(k * a1 + l * a2), 1.0
                height -= 0.5 * (k * k * b11 + 2 * k * l * b12 + l * l * b22)
                for c in range(c0, c1):
                    t = cz[c, 0] * (k * d1a[b] + l * d2a[b]) + cz[c, 1] * (k * d1b[b] + l * d2b[b])
                    t = math.exp(min(t, 600.0))
                    if form == 1:
                        height -= gone[c - c0, b] * (t - 1.0)
                        continue
                    if unit:
                        for r in range(of_cell[c] - base, of_cell[c + 1] - base):
                            f *= kept[r, b] + gone[r, b] * t
                            if r % 16 == 15:
                                height, f = height - math.log(f), 1.0
                    else:
                        for r in range(of_cell[c] - base, of_cell[c + 1] - base):
                            height -= (weight[r + base] + extra[b]) * math.log(
                                kept[r, b] + gone[r, b] * t
                            )
                s = 1.0 + (p * p + q * q) / 5.0
                height += math.log(s * s * s * (1.0 if single else math.sqrt(s)) / f) - bound
                counts[0], counts[1] = counts[0] + 1, counts[1] + (height > 0)
                if math.log(np.random.random()) < height:
                    break
            l = np.random.standard_normal() if single else l
            p, q = va[b] + k * r1a[b] + l * r2a[b], vb[b] + k * r1b[b] + l * r2b[b]
            u[b, j, 0], u[b, j, 1] = l0[b] * p, l1[b] * p + l2[b] * q
