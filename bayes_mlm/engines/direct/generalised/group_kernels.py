"""Compiled: the mode of a group's effects, the lattice about it and the values at its nodes."""

import math  # noqa: I001  places in the scratch array are listed in lines

from numba import njit

from bayes_mlm.engines.direct.generalised.lane_kernels import (
    A1, A2, AREA, B11, B12, B22, D1A, D1B, D2A, D2B, E, FAST, GA, GAIN, GB, HAA, HAB, HBB, INFO,
    L0, L1, L2, LANES, LEVEL, P, POWER, PRODUCT, R1A, R1B, R2A, R2B, S1, S2, SCALE, SLOPE,
    TOP, VA, VB, X, exp_lanes, four_products, log_lanes, powers, rate_sums, unit_products,
    unit_rows, weighted_rows, weighted_sums,
)  # fmt: skip

_LOG_2 = math.log(2.0)
_ROOT_2PI = math.sqrt(2.0 * math.pi)


@njit(cache=True, error_model="numpy", nogil=True, fastmath=FAST)
def find_mode(  # type: ignore[no-untyped-def]
    form, unit, c0, c1, of_cell, cz, weight, a, ratio, s, whole, bits, same, total, tolerance
):
    """Move v to the mode by Newton's method; keep factors, level and curvature where it ends."""
    base, t0, t1 = of_cell[c0], total[0], total[1]
    for step in range(41):
        for b in range(LANES):
            s[GA + b], s[GB + b] = s[SCALE + b] * t0, s[SCALE + b] * t1
            s[PRODUCT + b], s[POWER + b], s[LEVEL + b] = 1.0, 0.0, 0.0
            s[HAA + b] = s[HAB + b] = s[HBB + b] = 0.0
        for c in range(c0, c1):
            za, zb = cz[c, 0], cz[c, 1]
            for b in range(LANES):
                v, w = s[VA + b], s[VB + b]
                s[X + b] = za * s[L0 + b] * v + zb * (s[L1 + b] * v + s[L2 + b] * w)
                s[SLOPE + b] = s[INFO + b] = 0.0
            exp_lanes(s[X : X + LANES], s[E : E + LANES], bits, same, TOP)
            if form == 1:
                r = c - c0
                t, o = a[r * 64 : r * 64 + 64], ratio[r * 128 : r * 128 + 128]
                for b in range(LANES):
                    g = t[b] * s[E + b]
                    o[64 + b] = g
                    s[SLOPE + b], s[INFO + b] = g, g
                    s[LEVEL + b] += g
            elif unit:
                unit_rows(a, ratio, s, whole, of_cell[c] - base, of_cell[c + 1] - base)
            else:
                first, stop = of_cell[c] - base, of_cell[c + 1] - base
                weighted_rows(a, weight, ratio, s, bits, same, first, stop, base)
            for b in range(LANES):
                s[GA + b] -= za * s[SLOPE + b]
                s[GB + b] -= zb * s[SLOPE + b]
                s[HAA + b] += za * za * s[INFO + b]
                s[HAB + b] += za * zb * s[INFO + b]
                s[HBB + b] += zb * zb * s[INFO + b]
        for b in range(LANES):  # to v: L'g - v and I + L'HL
            l0, l1, l2 = s[L0 + b], s[L1 + b], s[L2 + b]
            p, q = l0 * s[GA + b] + l1 * s[GB + b] - s[VA + b], l2 * s[GB + b] - s[VB + b]
            h11 = 1.0 + s[HBB + b] * l2 * l2
            h01 = l2 * (l0 * s[HAB + b] + l1 * s[HBB + b])
            h00 = 1.0 + l0 * l0 * s[HAA + b] + 2 * l0 * l1 * s[HAB + b] + l1 * l1 * s[HBB + b]
            det = 1.0 / (h00 * h11 - h01 * h01)
            s[GA + b], s[GB + b] = (h11 * p - h01 * q) * det, (h00 * q - h01 * p) * det
            s[GAIN + b] = p * s[GA + b] + q * s[GB + b]
            s[HAA + b], s[HAB + b], s[HBB + b] = h00, h01, h11
        worst = 0.0
        for b in range(LANES):
            worst += s[GAIN + b] * s[GAIN + b]
        if not worst > tolerance * tolerance or step == 40:
            break
        for b in range(LANES):
            p, q = s[GA + b], s[GB + b]
            f = 1.5 / max(1.5, math.sqrt(p * p + q * q))
            s[VA + b] += f * p
            s[VB + b] += f * q
    log_lanes(s[PRODUCT : PRODUCT + LANES], s[X : X + LANES], bits, same)
    for b in range(LANES):
        ua, ub = s[L0 + b] * s[VA + b], s[L1 + b] * s[VA + b] + s[L2 + b] * s[VB + b]
        s[LEVEL + b] -= s[X + b] + s[POWER + b] * _LOG_2
        s[LEVEL + b] -= s[SCALE + b] * (t0 * ua + t1 * ub)
        s[LEVEL + b] += 0.5 * (s[VA + b] * s[VA + b] + s[VB + b] * s[VB + b])


@njit(cache=True, error_model="numpy", nogil=True, fastmath=FAST)
def lay_lattice(c0, c1, cz, s, total, z_mean, single, refine, widest, span):  # type: ignore[no-untyped-def]
    """Set the axes of the lattice, and the quadratic that its nodes have."""
    za, zb, ya, yb = z_mean[0], z_mean[1], total[0], total[1]
    for b in range(LANES):
        p, q = s[L0 + b] * za + s[L1 + b] * zb, s[L2 + b] * zb
        r = math.sqrt(p * p + q * q)
        f = 1.0 / max(r, 1e-150)
        p, q = (p * f if r > 1e-150 else 1.0), (q * f if r > 1e-150 else 0.0)
        haa, hab, hbb = s[HAA + b], s[HAB + b], s[HBB + b]
        h00 = p * p * haa + 2 * p * q * hab + q * q * hbb
        h01 = -p * q * haa + (p * p - q * q) * hab + p * q * hbb
        h11 = q * q * haa - 2 * p * q * hab + p * p * hbb
        if single:
            r = p * s[VA + b] + q * s[VB + b]
            # What of v has no likelihood is integrated by hand.
            s[LEVEL + b] -= 0.5 * (s[VA + b] * s[VA + b] + s[VB + b] * s[VB + b] - r * r)
            s[VA + b], s[VB + b], h01, h11 = p * r, q * r, 0.0, 1.0
        k11, k22 = math.sqrt(h11 / (h00 * h11 - h01 * h01)), 1.0 / math.sqrt(h11)
        k21 = -h01 / h11 * k11
        s[R1A + b], s[R1B + b] = k11 * p - k21 * q, k11 * q + k21 * p
        s[R2A + b], s[R2B + b] = -k22 * q, k22 * p
        s[AREA + b] = k11 * k22 * (_ROOT_2PI if single else 1.0) / (2 * math.pi)
        s[D1A + b] = s[L0 + b] * s[R1A + b]
        s[D1B + b] = s[L1 + b] * s[R1A + b] + s[L2 + b] * s[R1B + b]
        s[D2A + b] = s[L0 + b] * s[R2A + b]
        s[D2B + b] = s[L1 + b] * s[R2A + b] + s[L2 + b] * s[R2B + b]
        s[S1 + b] = s[S2 + b] = 1e-300
    for c in range(c0, c1):
        za, zb = cz[c, 0], cz[c, 1]
        for b in range(LANES):
            s[S1 + b] = max(s[S1 + b], abs(za * s[D1A + b] + zb * s[D1B + b]))
            s[S2 + b] = max(s[S2 + b], abs(za * s[D2A + b] + zb * s[D2B + b]))
    for b in range(LANES):
        h1 = min(refine, widest / s[S1 + b])
        h2 = 1.0 if single else min(refine, widest / s[S2 + b])
        s[S1 + b], s[S2 + b] = h1, h2
        s[R1A + b], s[R1B + b] = h1 * s[R1A + b], h1 * s[R1B + b]
        s[R2A + b], s[R2B + b] = h2 * s[R2A + b], h2 * s[R2B + b]
        s[D1A + b], s[D1B + b] = h1 * s[D1A + b], h1 * s[D1B + b]
        s[D2A + b], s[D2B + b] = h2 * s[D2A + b], h2 * s[D2B + b]
        s[AREA + b] *= h1 * h2
        t0, t1 = s[SCALE + b] * ya, s[SCALE + b] * yb
        s[A1 + b] = s[VA + b] * s[R1A + b] + s[VB + b] * s[R1B + b]
        s[A1 + b] -= t0 * s[D1A + b] + t1 * s[D1B + b]
        s[A2 + b] = s[VA + b] * s[R2A + b] + s[VB + b] * s[R2B + b]
        s[A2 + b] -= t0 * s[D2A + b] + t1 * s[D2B + b]
        s[B11 + b] = s[R1A + b] * s[R1A + b] + s[R1B + b] * s[R1B + b]
        s[B12 + b] = s[R1A + b] * s[R2A + b] + s[R1B + b] * s[R2B + b]
        s[B22 + b] = s[R2A + b] * s[R2A + b] + s[R2B + b] * s[R2B + b]
    if single:
        for b in range(LANES):
            s[A2 + b] = s[B12 + b] = 0.0
    if len(span):
        for b in range(LANES):
            span[0], span[1] = min(span[0], s[S1 + b]), min(span[1], s[S2 + b])


@njit(cache=True, error_model="numpy", nogil=True, fastmath=FAST)
def fill_nodes(  # type: ignore[no-untyped-def]
    form, unit, c0, c1, of_cell, cz, weight, ratio, s, bits, same, single, value, one, two, nk, nl,
    n0, n,
):  # fmt: skip
    """Set the values at the nodes, relative to the mode."""
    base = of_cell[c0]
    low_k, high_k, low_l, high_l = nk[n0], nk[n0], nl[n0], nl[n0]
    for i in range(n0, n0 + n):
        low_k, high_k = min(low_k, nk[i]), max(high_k, nk[i])
        low_l, high_l = min(low_l, nl[i]), max(high_l, nl[i])
    product = unit and form != 1
    for i in range(n * LANES):
        value[i] = 1.0 if product else 0.0
    lone = c0
    if product and not single:
        low, high = min(low_k, low_l), max(high_k, high_l)
        while lone + 3 < c1 and of_cell[lone + 4] - of_cell[lone] == 4:
            r = of_cell[lone] - base
            four_products(
                value, one, ratio[r * 128 : r * 128 + 512], cz[lone : lone + 4], nk, nl, n0, n, low,
                high, s, bits, same,
            )  # fmt: skip
            lone += 4
    for c in range(lone, c1):
        za, zb = cz[c, 0], cz[c, 1]
        for b in range(LANES):
            s[X + b] = za * s[D1A + b] + zb * s[D1B + b]
            s[P + b] = 0.0 if single else za * s[D2A + b] + zb * s[D2B + b]
        exp_lanes(s[X : X + LANES], s[E : E + LANES], bits, same, TOP)
        powers(one, s[E : E + LANES], low_k, high_k)
        exp_lanes(s[P : P + LANES], s[E : E + LANES], bits, same, TOP)
        powers(two, s[E : E + LANES], low_l, high_l)
        if form == 1:
            o = ratio[(c - c0) * 128 : (c - c0) * 128 + 128]
            rate_sums(value, one, two, o, nk, nl, n0, n, low_k, low_l)
        elif unit:
            first, stop = of_cell[c] - base, of_cell[c + 1] - base
            unit_products(
                value, one, two, ratio, first, stop, nk, nl, n0, n, low_k, low_l, s
            )  # fmt: skip
        else:
            for r in range(of_cell[c] - base, of_cell[c + 1] - base):
                weighted_sums(
                    value, one, two, ratio[r * 128 : r * 128 + 128], weight[r + base], nk, nl, n0,
                    n, low_k, low_l, s, bits, same,
                )  # fmt: skip
    for i in range(n):
        k, l = float(nk[n0 + i]), float(nl[n0 + i])
        v = value[i * 64 : i * 64 + 64]
        for b in range(LANES):
            s[X + b] = -(k * s[A1 + b] + l * s[A2 + b]) - 0.5 * (
                k * k * s[B11 + b] + 2 * k * l * s[B12 + b] + l * l * s[B22 + b]
            )
        if product:
            exp_lanes(s[X : X + LANES], s[E : E + LANES], bits, same, 600.0)
            for b in range(LANES):
                v[b] = s[E + b] / v[b]
        else:
            for b in range(LANES):
                s[X + b] -= v[b]
            exp_lanes(s[X : X + LANES], v, bits, same, 600.0)
