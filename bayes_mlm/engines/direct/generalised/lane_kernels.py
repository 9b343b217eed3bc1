"""Compiled arithmetic on rows and nodes at 64 parameter points side by side; see `kernels`."""

import math

import numpy as np
from numba import njit

from bayes_mlm.base import Floats, Ints

LANES = 64
FAST = {"contract", "reassoc", "nsz", "arcp", "afn"}


@njit(cache=True, error_model="numpy", nogil=True, fastmath={"contract"})
def exp_lanes(x: Floats, out: Floats, bits: Ints, same: Floats, n: int) -> None:
    """Evaluate exp to 2e-16; `bits` and `same` are one memory, as int64 and as float64.

    Adding 1.5 * 2^52 rounds to an integer in the low bits; the remainder has a Taylor series.
    """
    for b in range(n):
        y = min(max(x[b], -600.0), 600.0) if x[b] == x[b] else 0.0
        t = y * 1.4426950408889634 + 6755399441055744.0
        k = t - 6755399441055744.0
        r = (y - k * 6.93147180369123816490e-01) - k * 1.90821492927058770002e-10
        s = 1.0 + r / 11 * (1.0 + r * (1 / 12.0))
        s = 1.0 + r * (1 / 8.0) * (1.0 + r * (1 / 9.0) * (1.0 + r * (1 / 10.0) * s))
        s = 1.0 + r * (1 / 4.0) * (
            1.0 + r * (1 / 5.0) * (1.0 + r * (1 / 6.0) * (1.0 + r * (1 / 7.0) * s))
        )
        out[b] = 1.0 + r * (1.0 + r * 0.5 * (1.0 + r * (1 / 3.0) * s))
        same[b] = t
    for b in range(n):
        bits[b] = (bits[b] + 1023) << 52
    for b in range(n):
        out[b] *= same[b]


@njit(cache=True, error_model="numpy", nogil=True)
def exp_columns(eta: Floats, top: float) -> Floats:
    """Return exp of an (n, LANES) array, its argument at most `top`."""
    out = np.empty_like(eta)
    bits = np.empty(LANES, np.int64)
    same = bits.view(np.float64)
    x = np.empty(LANES)
    for i in range(len(eta)):
        for b in range(LANES):
            x[b] = min(eta[i, b], top)
        exp_lanes(x, out[i], bits, same, LANES)
    return out


@njit(cache=True, error_model="numpy", nogil=True, fastmath=FAST)
def cell_terms(  # type: ignore[no-untyped-def]
    form,
    a,
    weight,
    extra,
    e,
    kept,
    gone,
    slope,
    info,
    product,
    level,
    first,
    stop,
    base,
    unit,
    last,
):
    """Sum slope and information of a cell over its rows; keep 1/(1+t) and t/(1+t) of each."""
    for b in range(LANES):
        slope[b] = info[b] = 0.0
    for i in range(first, stop):
        row, w, g = a[i], kept[i - base], gone[i - base]
        for b in range(LANES):
            t = row[b] * e[b]
            r = 1.0 / (1.0 + t)
            w[b] = r
            g[b] = t * r
        if unit:
            for b in range(LANES):
                slope[b] += g[b]
                info[b] += g[b] * w[b]
        else:
            for b in range(LANES):
                power = weight[i] + extra[b]
                slope[b] += power * g[b]
                info[b] += power * g[b] * w[b]
        if last and unit:
            for b in range(LANES):
                product[b] *= w[b]
            if (i - base) % 8 == 7:
                for b in range(LANES):
                    level[b] -= math.log(product[b])
                    product[b] = 1.0
        elif last:
            for b in range(LANES):
                level[b] -= (weight[i] + extra[b]) * math.log(w[b])


@njit(cache=True, error_model="numpy", nogil=True, fastmath=FAST)
def whole_power(x, n):  # type: ignore[no-untyped-def]
    """Return x to a whole power."""
    out = 1.0
    while n > 0:
        if n & 1:
            out *= x
        x *= x
        n >>= 1
    return out


@njit(cache=True, error_model="numpy", nogil=True, fastmath=FAST)
def cell_product(value, e, kept, gone, weight, b, r, stop, base, n, unit):  # type: ignore[no-untyped-def]
    """Multiply values at the nodes by the rows of a cell, nodes side by side."""
    while unit and r + 3 < stop:
        w0, w1, w2, w3 = kept[r, b], kept[r + 1, b], kept[r + 2, b], kept[r + 3, b]
        g0, g1, g2, g3 = gone[r, b], gone[r + 1, b], gone[r + 2, b], gone[r + 3, b]
        for i in range(n):
            t = e[i]
            value[i] *= ((w0 + g0 * t) * (w1 + g1 * t)) * ((w2 + g2 * t) * (w3 + g3 * t))
        r += 4
    for q in range(r, stop):
        w0, g0, power = kept[q, b], gone[q, b], int(weight[q + base])
        if power == 1:
            for i in range(n):
                value[i] *= w0 + g0 * e[i]
        else:
            for i in range(n):
                value[i] *= whole_power(w0 + g0 * e[i], power)


@njit(cache=True, error_model="numpy", nogil=True, fastmath=FAST)
def powers(table, ratio, middle, low, high):  # type: ignore[no-untyped-def]
    """Fill a table with the whole powers of ratios from `low` to `high`, that of 0 at `middle`."""
    for b in range(LANES):
        table[middle, b] = 1.0
    for k in range(high):
        for b in range(LANES):
            table[middle + k + 1, b] = table[middle + k, b] * ratio[b]
    for b in range(LANES):
        ratio[b] = 1.0 / ratio[b]
    for k in range(-low):
        for b in range(LANES):
            table[middle - k - 1, b] = table[middle - k, b] * ratio[b]


@njit(cache=True, error_model="numpy", nogil=True, fastmath=FAST)
def row_product(form, value, one, two, w, g, weight, extra, nk, nl, first, n, middle, c):  # type: ignore[no-untyped-def]
    """Multiply by one row with a z of its own (form 1: add one cell), points side by side."""
    line = -1000000
    for i in range(n):
        l = nl[first + i]
        if l != line:
            along, line = two[l + middle], l
            for b in range(LANES):
                c[b] = g[b] * along[b]
        at, across = value[i], one[nk[first + i] + middle]
        if form == 1:
            for b in range(LANES):
                at[b] += c[b] * across[b] - g[b]
        elif form == 2:
            for b in range(LANES):
                at[b] += (weight + extra[b]) * math.log(w[b] + c[b] * across[b])
        elif weight == 1.0:
            for b in range(LANES):
                at[b] *= w[b] + c[b] * across[b]
        else:
            for b in range(LANES):
                at[b] *= whole_power(w[b] + c[b] * across[b], int(weight))
