"""Compiled: tables of the log-likelihood of each group, its integrals and draws from them.

See `tables`. Lanes are the 64 parameter points of `lane_kernels`.
"""

import math  # noqa: I001  places in the scratch array are listed in lines

import numpy as np
from numba import njit

from bayes_mlm.engines.direct.generalised.draw_kernels import SLACK
from bayes_mlm.engines.direct.generalised.lane_kernels import (
    A1, A2, B11, BOUND, FAST, HAA, HAB, HBB, K11, K21, K22, LANES, M1, M2, OUTER, P, Q11, Q12,
    Q22, SUM, VA, VB, X, exp_lanes, log_lanes,
)  # fmt: skip
from bayes_mlm.likelihood import row

_TRIALS = 400
# Of the largest fourth difference, the error of a cubic through four nodes.
_CUBIC = 3.0 / 128.0


@njit(cache=True, error_model="numpy", nogil=True)
def tabulate(  # type: ignore[no-untyped-def]
    code, y, trials, eta, x, Z, starts, u, axes, prior, half, of_nodes, todo, table, top, rough
):
    """Fill the table of each group that is still to do: value, score and information at its nodes.

    Parameters
    ----------
    code : int
        Of the family, as `row` takes it.
    y, trials, eta : (n,) arrays
        eta at the centre of the coefficients, without group effects.
    x : (n, m) array
        What the predictors have beyond the group's z.
    Z, starts : (n, 2), (J + 1,) arrays
    u, axes : (J, 2), (J, 2, 2) arrays
        Middle of a lattice, and its steps as columns.
    prior : (3,) array
        Precision of the effects: 00, 01, 11.
    half : (J, 2) array
        Nodes of a lattice on each side of its middle.
    of_nodes, todo : (J + 1,), (J,) arrays
    table : (nodes, 1 + m + m (m + 1) / 2) array
        Set: values less `top`, scores, and information with its diagonal halved, negative.
    top : (J,) array
        Set to the largest value at a node with its prior.
    rough : (J,) array
        Set to the error of cubic interpolation between the nodes.
    """
    m = x.shape[1]
    for j in range(len(starts) - 1):
        if not todo[j]:
            continue
        a, c, node = half[j, 0], half[j, 1], of_nodes[j]
        top[j] = -math.inf
        for l in range(-c, c + 1):
            for k in range(-a, a + 1):
                w0 = u[j, 0] + axes[j, 0, 0] * k + axes[j, 0, 1] * l
                w1 = u[j, 1] + axes[j, 1, 0] * k + axes[j, 1, 1] * l
                here = table[node]
                here[:] = 0.0
                for i in range(starts[j], starts[j + 1]):
                    t = eta[i] + Z[i, 0] * w0 + Z[i, 1] * w1
                    value, d1, d2, _, _ = row(code, y[i], trials[i], t, 0.0, 0.0, 0.0)
                    here[0] += value
                    place = 1 + m
                    for p in range(m):
                        here[1 + p] += d1 * x[i, p]
                        w = d2 * x[i, p]
                        for q in range(p):
                            here[place] += w * x[i, q]
                            place += 1
                        here[place] += 0.5 * w * x[i, p]
                        place += 1
                level = here[0] - 0.5 * (
                    prior[0] * w0 * w0 + 2.0 * prior[1] * w0 * w1 + prior[2] * w1 * w1
                )
                top[j] = max(top[j], level)
                node += 1
        n0, wide, worst = of_nodes[j], 2 * a + 1, 0.0
        for i in range(n0, node):
            table[i, 0] -= top[j]
        for i in range(n0, node):
            k, l = (i - n0) % wide, (i - n0) // wide
            bent = 0.0
            if 2 <= k < wide - 2:
                bent = abs(
                    table[i - 2, 0] - 4.0 * table[i - 1, 0] + 6.0 * table[i, 0]
                    - 4.0 * table[i + 1, 0] + table[i + 2, 0]
                )  # fmt: skip
            if 2 <= l < 2 * c - 1:
                bent += abs(
                    table[i - 2 * wide, 0] - 4.0 * table[i - wide, 0] + 6.0 * table[i, 0]
                    - 4.0 * table[i + wide, 0] + table[i + 2 * wide, 0]
                )  # fmt: skip
            worst = max(worst, bent)
        rough[j] = _CUBIC * worst


@njit(cache=True, error_model="numpy", nogil=True, fastmath=FAST)
def from_tables(  # type: ignore[no-untyped-def]
    table, kept, rim, of_kept, of_nodes, half, u, axes, rough, tied, move, product, precision, out,
    edge, seed, drawn, moments, counts, code, y, trials, offset, X_rows, Z, starts, top, g, s, bits,
    same, level, value,
):  # fmt: skip
    """Add log integrals, up to what all points share, at 64 points; draw or sum up the effects.

    Parameters
    ----------
    table, of_nodes, half, u, axes, rough, top : arrays
        As of `tabulate`.
    kept, rim, of_kept : arrays
        The nodes that are summed, which of them have no neighbour, and the first of each group.
    tied : (J, 2, k) array
        Effects change by ``tied @ move`` as the coefficients move.
    move, product : (k * LANES,), (terms * LANES,) arrays
        Coefficients less those of the centre, and the factors of the table's columns.
    precision : (3, LANES) array
        Of the effects.
    out, edge : (LANES,) arrays
        Added to: log integrals, and shares of nodes at the rim.
    seed, drawn, moments, counts :
        As `u` and so on of `kernels.integrate`.
    code, y, trials, offset, X_rows, Z, starts, g :
        The rows, and coefficients (LANES, k), for exact values where the table's may not decide.
    s, bits, same, level, value : arrays
        To work in; the last two have (most nodes * LANES,).
    """
    groups, terms, k_all = len(of_nodes) - 1, table.shape[1] - 1, tied.shape[2]
    draws, wanted = drawn.shape[1] > 0, moments.shape[1] > 0
    if draws:
        np.random.seed(seed)
    for b in range(LANES):
        s[HAA + b], s[HAB + b], s[HBB + b] = precision[0, b], precision[1, b], precision[2, b]
    for j in range(groups):
        n0, n, wide = of_nodes[j], of_nodes[j + 1] - of_nodes[j], 2 * half[j, 0] + 1
        for b in range(LANES):
            s[VA + b] = s[VB + b] = 0.0
            s[SUM + b] = s[OUTER + b] = s[M1 + b] = s[M2 + b] = 0.0
            s[Q11 + b] = s[Q12 + b] = s[Q22 + b] = s[BOUND + b] = 0.0
            s[A1 + b] = s[A2 + b] = s[B11 + b] = 0.0
        for p in range(k_all):
            t0, t1, by = tied[j, 0, p], tied[j, 1, p], move[p * LANES : (p + 1) * LANES]
            for b in range(LANES):
                s[VA + b] += t0 * by[b]
                s[VB + b] += t1 * by[b]
        for i in range(n):
            here = level[i * LANES : (i + 1) * LANES]
            v = table[n0 + i, 0]
            for b in range(LANES):
                here[b] = v
            for p in range(terms):
                v, by = table[n0 + i, 1 + p], product[p * LANES : (p + 1) * LANES]
                for b in range(LANES):
                    here[b] += v * by[b]
        first, line = of_kept[j], 0.0
        for i in range(first, of_kept[j + 1]):
            node = kept[i]
            k, l = float(node % wide - half[j, 0]), float(node // wide - half[j, 1])
            w0 = u[j, 0] + axes[j, 0, 0] * k + axes[j, 0, 1] * l
            w1 = u[j, 1] + axes[j, 1, 0] * k + axes[j, 1, 1] * l
            here = level[node * LANES : (node + 1) * LANES]
            v = value[(i - first) * LANES : (i - first + 1) * LANES]
            for b in range(LANES):
                e0, e1 = w0 + s[VA + b], w1 + s[VB + b]
                s[X + b] = here[b] - 0.5 * (
                    s[HAA + b] * e0 * e0 + 2.0 * s[HAB + b] * e0 * e1 + s[HBB + b] * e1 * e1
                )
            exp_lanes(s[X : X + LANES], v, bits, same, 600.0)
            if l != line:
                if i > first:
                    _add_line(s, line)
                line = l
                for b in range(LANES):
                    s[A1 + b] = s[A2 + b] = s[B11 + b] = 0.0
            ends = rim[i]
            for b in range(LANES):
                s[A1 + b] += v[b]
                s[A2 + b] += v[b] * k
                s[B11 + b] += v[b] * (k * k)
                s[OUTER + b] += v[b] * ends
        _add_line(s, line)
        for b in range(LANES):
            f = 1.0 / s[SUM + b]
            s[M1 + b] *= f
            s[M2 + b] *= f
            s[Q11 + b] = s[Q11 + b] * f - s[M1 + b] * s[M1 + b]
            s[Q12 + b] = s[Q12 + b] * f - s[M1 + b] * s[M2 + b]
            s[Q22 + b] = s[Q22 + b] * f - s[M2 + b] * s[M2 + b]
            edge[b] += s[OUTER + b] * f
        log_lanes(s[SUM : SUM + LANES], s[X : X + LANES], bits, same)
        for b in range(LANES):
            out[b] += s[X + b]
        a00, a01, a10, a11 = axes[j, 0, 0], axes[j, 0, 1], axes[j, 1, 0], axes[j, 1, 1]
        if wanted:
            for b in range(LANES):
                e0 = u[j, 0] + s[VA + b] + a00 * s[M1 + b] + a01 * s[M2 + b]
                e1 = u[j, 1] + s[VB + b] + a10 * s[M1 + b] + a11 * s[M2 + b]
                q11, q12, q22 = s[Q11 + b], s[Q12 + b], s[Q22 + b]
                moments[b, j, 0], moments[b, j, 1] = e0, e1
                moments[b, j, 2] = a00 * a00 * q11 + 2 * a00 * a01 * q12 + a01 * a01 * q22 + e0 * e0
                moments[b, j, 3] = (
                    a00 * a10 * q11 + (a00 * a11 + a01 * a10) * q12 + a01 * a11 * q22 + e0 * e1
                )
                moments[b, j, 4] = a10 * a10 * q11 + 2 * a10 * a11 * q12 + a11 * a11 * q22 + e1 * e1
        if not draws:
            continue
        single = half[j, 1] == 0
        for b in range(LANES):
            k11 = math.sqrt(max(s[Q11 + b], 1e-12))
            k21 = s[Q12 + b] / k11
            s[K11 + b], s[K21 + b] = k11, k21
            s[K22 + b] = math.sqrt(max(s[Q22 + b] - k21 * k21, 1e-12))
        for i in range(first, of_kept[j + 1]):
            node = kept[i]
            k, l = float(node % wide - half[j, 0]), float(node // wide - half[j, 1])
            v = value[(i - first) * LANES : (i - first + 1) * LANES]
            for b in range(LANES):
                p = (k - s[M1 + b]) / s[K11 + b]
                q = ((l - s[M2 + b]) - s[K21 + b] * p) / s[K22 + b]
                t = 1.0 + 0.25 * (p * p + (0.0 if single else q * q))
                s[BOUND + b] = max(s[BOUND + b], v[b] * t * t * (math.sqrt(t) if single else t))
        for b in range(LANES):
            s[BOUND + b] *= SLACK
        log_lanes(s[BOUND : BOUND + LANES], s[P : P + LANES], bits, same)
        for b in range(LANES):
            _draw_one(
                b, j, single, half[j, 0], half[j, 1], 3.0 * rough[j] + 1e-4, u, axes,
                level, code, y, trials, offset, X_rows, Z, starts, top[j], g, s, drawn, counts,
            )  # fmt: skip


@njit(cache=True, error_model="numpy", nogil=True, fastmath=FAST)
def _add_line(s, l):  # type: ignore[no-untyped-def]
    """Add the sums over one line of nodes to those of all."""
    for b in range(LANES):
        s[SUM + b] += s[A1 + b]
        s[M1 + b] += s[A2 + b]
        s[M2 + b] += l * s[A1 + b]
        s[Q11 + b] += s[B11 + b]
        s[Q12 + b] += l * s[A2 + b]
        s[Q22 + b] += (l * l) * s[A1 + b]


@njit(cache=True, error_model="numpy", nogil=True)
def _draw_one(  # type: ignore[no-untyped-def]
    b, j, single, a, c, unsure, u, axes, level, code, y, trials, offset, X_rows, Z,
    starts, top, g, s, drawn, counts,
):  # fmt: skip
    """Draw one effect of a group at one point by rejection.

    Cubics through the nodes decide, but for what is closer than `unsure` to the border, or beyond
    the nodes: that the rows decide.
    """
    for _ in range(_TRIALS):  # ends only at a point so far out that it has no weight
        while True:
            p, q = 2.0 * np.random.random() - 1.0, 2.0 * np.random.random() - 1.0
            r = p * p + q * q
            if 0.0 < r < 1.0:
                break
        f = 2.0 * math.sqrt((1.0 / math.sqrt(r) - 1.0) / r)
        p, q = f * p, 0.0 if single else f * q
        t = 1.0 + 0.25 * (p * p + q * q)
        k = s[M1 + b] + s[K11 + b] * p
        l = 0.0 if single else s[M2 + b] + s[K21 + b] * p + s[K22 + b] * q
        uniform, power = np.random.random(), t * t * (math.sqrt(t) if single else t)
        border = math.log(uniform / power) + s[P + b]
        counts[b, 0] += 1.0
        inside = min(1.0, (a - 1.001) / max(abs(k), 1e-9))
        if not single:
            inside = min(inside, (c - 1.001) / max(abs(l), 1e-9))
        height, e0, e1 = _between(b, j, single, a, c, inside * k, inside * l, u, axes, level, s)
        if inside < 1.0:  # a line from the middle through a point of a concave function is above it
            middle = _between(b, j, single, a, c, 0.0, 0.0, u, axes, level, s)[0]
            if middle + (height - middle + unsure) / inside + unsure < border:
                continue
        if inside < 1.0 or abs(height - border) < unsure:
            e0 = u[j, 0] + s[VA + b] + axes[j, 0, 0] * k + axes[j, 0, 1] * l
            e1 = u[j, 1] + s[VB + b] + axes[j, 1, 0] * k + axes[j, 1, 1] * l
            height = -top - _half_square(e0, e1, b, s)
            for i in range(starts[j], starts[j + 1]):
                eta = offset[i] + Z[i, 0] * e0 + Z[i, 1] * e1
                for m in range(X_rows.shape[1]):
                    eta += X_rows[i, m] * g[b, m]
                height += row(code, y[i], trials[i], eta, 0.0, 0.0, 0.0)[0]
        if border < height:
            counts[b, 1] += height > border - math.log(uniform)
            break
    drawn[b, j, 0], drawn[b, j, 1] = e0, e1


@njit(cache=True, error_model="numpy", nogil=True)
def _half_square(e0, e1, b, s):  # type: ignore[no-untyped-def]
    """Return half the square of effects in the metric of their precision."""
    return 0.5 * (s[HAA + b] * e0 * e0 + 2.0 * s[HAB + b] * e0 * e1 + s[HBB + b] * e1 * e1)


@njit(cache=True, error_model="numpy", nogil=True)
def _between(b, j, single, a, c, k, l, u, axes, level, s):  # type: ignore[no-untyped-def]
    """Return the log density between the nodes, by cubics, and the effects there."""
    x0, y0, wide, total = math.floor(k), math.floor(l), 2 * a + 1, 0.0
    d, f = k - x0, l - y0
    h0, h1 = -d * (d - 1.0) * (d - 2.0) / 6.0, (d + 1.0) * (d - 1.0) * (d - 2.0) / 2.0
    h2, h3 = -(d + 1.0) * d * (d - 2.0) / 2.0, (d + 1.0) * d * (d - 1.0) / 6.0
    for i in range(-1, 3):
        if single:
            share = 1.0 if i == 0 else 0.0
        elif i == -1:
            share = -f * (f - 1.0) * (f - 2.0) / 6.0
        elif i == 0:
            share = (f + 1.0) * (f - 1.0) * (f - 2.0) / 2.0
        elif i == 1:
            share = -(f + 1.0) * f * (f - 2.0) / 2.0
        else:
            share = (f + 1.0) * f * (f - 1.0) / 6.0
        if share == 0.0:
            continue
        at = ((y0 + c + i) * wide + x0 + a - 1) * LANES + b
        line = h0 * level[at] + h1 * level[at + LANES]
        total += share * (line + h2 * level[at + 2 * LANES] + h3 * level[at + 3 * LANES])
    e0 = u[j, 0] + s[VA + b] + axes[j, 0, 0] * k + axes[j, 0, 1] * l
    e1 = u[j, 1] + s[VB + b] + axes[j, 1, 0] * k + axes[j, 1, 1] * l
    return total - _half_square(e0, e1, b, s), e0, e1
