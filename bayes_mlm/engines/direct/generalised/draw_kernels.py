"""Compiled: sums and moments over the nodes of a group, and draws of its effects."""

import math  # noqa: I001  places in the scratch array are listed in lines

import numpy as np
from numba import njit

from bayes_mlm.engines.direct.generalised.lane_kernels import (
    A1, A2, B11, B12, B22, BOUND, D1A, D1B, D2A, D2B, DONE, E, EXTRA, FAST, GA, GAIN, HAA, HIGH,
    K, K11, K21, K22, L, L0, L1, L2, LANES, LEVEL, M1, M2, OUTER, P, POWER, PRODUCT, Q, Q11, Q12,
    Q22, R1A, R1B, R2A, R2B, STRIDE, SUM, TOP, U, VA, VB, WHO, X, exp_some, log_some, rescale,
)  # fmt: skip

# Of the bound at the nodes, for what lies between them.
SLACK = 1.3
_TRIALS = 400
_LOG_2 = math.log(2.0)
# What is known of a point while its effects are drawn.
_MOVED = (
    A1, A2, B11, B12, B22, BOUND, D1A, D1B, D2A, D2B, DONE, GAIN, HAA, K11, K21, K22, M1, M2, R1A,
    R1B, R2A, R2B, VA, VB, WHO,
)  # fmt: skip


@njit(cache=True, error_model="numpy", nogil=True, fastmath=FAST)
def sum_nodes(s, value, nk, nl, edge, n0, n, second):  # type: ignore[no-untyped-def]
    """Sum the values at the nodes, and where wanted their moments in the lattice's units."""
    for b in range(LANES):
        s[SUM + b] = s[OUTER + b] = s[HIGH + b] = s[M1 + b] = s[M2 + b] = 0.0
        s[Q11 + b] = s[Q12 + b] = s[Q22 + b] = 0.0
    for i in range(n):
        v, rim = value[i * 64 : i * 64 + 64], edge[n0 + i]
        for b in range(LANES):
            s[SUM + b] += v[b]
            s[OUTER + b] += v[b] * rim
        if second:
            k, l = float(nk[n0 + i]), float(nl[n0 + i])
            for b in range(LANES):
                s[M1 + b] += v[b] * k
                s[M2 + b] += v[b] * l
                s[Q11 + b] += v[b] * (k * k)
                s[Q12 + b] += v[b] * (k * l)
                s[Q22 + b] += v[b] * (l * l)
    if second:
        for b in range(LANES):
            f = 1.0 / s[SUM + b]
            m1, m2 = s[M1 + b] * f, s[M2 + b] * f
            s[Q11 + b] = s[Q11 + b] * f - m1 * m1
            s[Q12 + b] = s[Q12 + b] * f - m1 * m2
            s[Q22 + b] = s[Q22 + b] * f - m2 * m2
            s[M1 + b], s[M2 + b] = m1, m2


@njit(cache=True, error_model="numpy", nogil=True, fastmath=FAST)
def effect_moments(s, single, moments, j):  # type: ignore[no-untyped-def]
    """Set means and second moments of u from those in the lattice's units."""
    for b in range(LANES):
        m1, q11 = s[M1 + b], s[Q11 + b]
        m2, q12, q22 = s[M2 + b], s[Q12 + b], s[Q22 + b]
        if single:
            m2, q12, q22 = 0.0, 0.0, 1.0
        p = s[VA + b] + m1 * s[R1A + b] + m2 * s[R2A + b]
        q = s[VB + b] + m1 * s[R1B + b] + m2 * s[R2B + b]
        ua, ub = s[L0 + b] * p, s[L1 + b] * p + s[L2 + b] * q
        f0, f1 = s[D1A + b], s[D1B + b]
        g0, g1 = s[L0 + b] * s[R2A + b], s[L1 + b] * s[R2A + b] + s[L2 + b] * s[R2B + b]
        moments[b, j, 0], moments[b, j, 1] = ua, ub
        moments[b, j, 2] = f0 * f0 * q11 + 2 * f0 * g0 * q12 + g0 * g0 * q22 + ua * ua
        moments[b, j, 3] = f0 * f1 * q11 + (f0 * g1 + f1 * g0) * q12 + g0 * g1 * q22 + ua * ub
        moments[b, j, 4] = f1 * f1 * q11 + 2 * f1 * g1 * q12 + g1 * g1 * q22 + ub * ub


@njit(cache=True, error_model="numpy", nogil=True, fastmath=FAST)
def draw(  # type: ignore[no-untyped-def]
    form, unit, c0, c1, of_cell, cz, weight, ratio, s, whole, bits, same, single, value, nk, nl, n0,
    n, u, j, counts,
):  # fmt: skip
    """Draw one effect of the group at each point by rejection.

    Points whose draw is accepted leave: the others move up, and the passes over the rows are of
    fewer points.
    """
    base = of_cell[c0]
    for b in range(LANES):
        k11 = math.sqrt(max(s[Q11 + b], 1e-12))
        k21 = 0.0 if single else s[Q12 + b] / k11
        s[K11 + b], s[K21 + b] = k11, k21
        s[K22 + b] = math.sqrt(max(s[Q22 + b] - k21 * k21, 1e-12))
        s[BOUND + b] = s[DONE + b] = 0.0
        s[WHO + b], s[HAA + b] = b, s[EXTRA + b]
    for i in range(n):
        k, l, v = float(nk[n0 + i]), float(nl[n0 + i]), value[i * 64 : i * 64 + 64]
        for b in range(LANES):
            p = (k - s[M1 + b]) / s[K11 + b]
            q = 0.0 if single else ((l - s[M2 + b]) - s[K21 + b] * p) / s[K22 + b]
            t = 1.0 + 0.25 * (p * p + q * q)
            s[BOUND + b] = max(s[BOUND + b], v[b] * t * t * (math.sqrt(t) if single else t))
    todo = some = LANES
    for _ in range(_TRIALS):  # ends only at a point so far out that it has no weight
        for b in range(some):
            if s[DONE + b] == 0.0:
                while True:
                    p, q = 2.0 * np.random.random() - 1.0, 2.0 * np.random.random() - 1.0
                    r = p * p + q * q
                    if 0.0 < r < 1.0:
                        break
                s[P + b], s[Q + b], s[GAIN + b] = p, q, r
                s[U + b] = np.random.random()
                counts[int(s[WHO + b]), 0] += 1.0
        for b in range(some):
            r = s[GAIN + b]
            f = 2.0 * math.sqrt((1.0 / math.sqrt(r) - 1.0) / r)
            p, q = f * s[P + b], 0.0 if single else f * s[Q + b]
            t = 1.0 + 0.25 * (p * p + q * q)
            k = s[M1 + b] + s[K11 + b] * p
            l = 0.0 if single else s[M2 + b] + s[K21 + b] * p + s[K22 + b] * q
            s[GA + b] = t * t * (math.sqrt(t) if single else t)
            s[K + b], s[L + b] = k, l
            s[LEVEL + b] = -(k * s[A1 + b] + l * s[A2 + b]) - 0.5 * (
                k * k * s[B11 + b] + 2 * k * l * s[B12 + b] + l * l * s[B22 + b]
            )
            s[PRODUCT + b], s[POWER + b] = 1.0, 0.0
        for c in range(c0, c1):
            za, zb = cz[c, 0], cz[c, 1]
            for b in range(some):
                k, l = s[K + b], s[L + b]
                s[X + b] = za * (k * s[D1A + b] + l * s[D2A + b])
                s[X + b] += zb * (k * s[D1B + b] + l * s[D2B + b])
            exp_some(s[X : X + LANES], s[E : E + LANES], bits, same, TOP, some)
            if form == 1:
                o = ratio[(c - c0) * 128 : (c - c0) * 128 + 128]
                for b in range(some):
                    s[LEVEL + b] -= o[64 + b] * (s[E + b] - 1.0)
                continue
            for r in range(of_cell[c] - base, of_cell[c + 1] - base):
                o = ratio[r * 128 : r * 128 + 128]
                if unit:
                    for b in range(some):
                        s[PRODUCT + b] *= o[b] + o[64 + b] * s[E + b]
                    if r % 8 == 7:
                        rescale(s, whole)
                    continue
                for b in range(some):
                    s[HIGH + b] = o[b] + o[64 + b] * s[E + b]
                log_some(s[HIGH : HIGH + LANES], s[X : X + LANES], bits, same, some)
                m = weight[r + base]
                for b in range(some):
                    s[LEVEL + b] -= (m + s[HAA + b]) * s[X + b]
        rescale(s, whole)
        for b in range(some):
            s[X + b] = s[LEVEL + b] - s[POWER + b] * _LOG_2
        exp_some(s[X : X + LANES], s[E : E + LANES], bits, same, 600.0, some)
        for b in range(some):
            if s[DONE + b] == 0.0:
                height = s[E + b] * s[GA + b] / (s[PRODUCT + b] * s[BOUND + b] * SLACK)
                who = int(s[WHO + b])
                counts[who, 1] += height > 1.0
                if s[U + b] < height:
                    s[DONE + b] = 1.0
                    todo -= 1
                    set_effect(s, b, who, single, u[who, j])
        if todo == 0:
            break
        if todo <= some - STRIDE:
            some = move_up(s, ratio, c1 - c0 if form == 1 else of_cell[c1] - base, some, todo)
    for b in range(some):  # of points without weight
        if s[DONE + b] == 0.0:
            who = int(s[WHO + b])
            set_effect(s, b, who, single, u[who, j])


@njit(cache=True, error_model="numpy", nogil=True, fastmath=FAST)
def set_effect(s, b, who, single, u):  # type: ignore[no-untyped-def]
    """Set u from the place in the lattice where it was drawn."""
    k, l = s[K + b], np.random.standard_normal() if single else s[L + b]
    p = s[VA + b] + k * s[R1A + b] + l * s[R2A + b]
    q = s[VB + b] + k * s[R1B + b] + l * s[R2B + b]
    u[0], u[1] = s[L0 + who] * p, s[L1 + who] * p + s[L2 + who] * q


@njit(cache=True, error_model="numpy", nogil=True, fastmath=FAST)
def move_up(s, ratio, rows, some, todo):  # type: ignore[no-untyped-def]
    """Move what is known of the points that are still to be drawn before the others.

    Returns how many points there are, rounded up to whole strides.
    """
    order = np.empty(LANES, np.int64)
    n = 0
    for b in range(some):
        if s[DONE + b] == 0.0:
            order[n] = b
            n += 1
    fewer = (todo + STRIDE - 1) // STRIDE * STRIDE
    while n < fewer:  # they fill the stride, done as they are
        order[n] = order[todo - 1]
        n += 1
    for place in _MOVED:
        for b in range(fewer):
            s[place + b] = s[place + order[b]]
    for r in range(2 * rows):
        o = ratio[r * 64 : r * 64 + 64]
        for b in range(fewer):
            o[b] = o[order[b]]
    for b in range(todo, fewer):
        s[DONE + b] = 1.0
    return fewer
