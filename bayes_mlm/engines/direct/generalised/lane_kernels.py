"""Compiled arithmetic on rows and nodes at 64 parameter points side by side; see `kernels`.

Arrays are flat, and what a loop writes lies in as few of them as can be: of several arrays the
compiler must see at run time that they do not overlap, and of more than a few it gives up and
takes the points one by one.
"""

from numba import njit

from bayes_mlm.base import Floats, Ints

LANES = 64
# Points that a pass over the rows takes at least.
STRIDE = 16
FAST = {"contract", "reassoc", "nsz", "arcp", "afn"}
# Arguments of exp() above them, of z'u and x'b, are taken for them: two rows' product is finite.
TOP, MOST = 270.0, 80.0
_LOG_2 = 0.6931471805599453
# Places in the scratch array: effects, slope and information of a group or cell, and so on.
X, E, VA, VB, GA, GB, HAA, HAB, HBB, SLOPE, INFO, PRODUCT, POWER, LEVEL = range(0, 14 * 64, 64)
L0, L1, L2, SCALE, EXTRA, LANE, GAIN = range(14 * 64, 21 * 64, 64)
R1A, R1B, R2A, R2B, D1A, D1B, D2A, D2B, AREA, S1, S2 = range(21 * 64, 32 * 64, 64)
A1, A2, B11, B12, B22, SUM, OUTER, HIGH = range(32 * 64, 40 * 64, 64)
M1, M2, Q11, Q12, Q22, K11, K21, K22, BOUND = range(40 * 64, 49 * 64, 64)
P, Q, K, L, U, DONE, WHO = range(49 * 64, 56 * 64, 64)
FOUR = 56 * 64
SCRATCH = 72 * 64


@njit(cache=True, error_model="numpy", nogil=True, fastmath={"contract"})
def _exp_parts(x: float, top: float) -> tuple[float, float]:
    """Return exp(r) of the remainder r of min(x, top) after whole multiples of log 2, and these.

    Adding 1.5 * 2^52 rounds to an integer in the low bits; the remainder has a Taylor series.
    """
    y = max(min(x, top), -600.0)
    t = y * 1.4426950408889634 + 6755399441055744.0
    k = t - 6755399441055744.0
    r = (y - k * 6.93147180369123816490e-01) - k * 1.90821492927058770002e-10
    s = 1 / 3628800 + r * (1 / 39916800)
    s = 1 / 40320 + r * (1 / 362880 + r * s)
    s = 1 / 720 + r * (1 / 5040 + r * s)
    s = 1 / 24 + r * (1 / 120 + r * s)
    return 1.0 + r * (1.0 + r * (0.5 + r * (1 / 6 + r * s))), t


@njit(cache=True, error_model="numpy", nogil=True, fastmath={"contract"})
def exp_lanes(x: Floats, out: Floats, bits: Ints, same: Floats, top: float) -> None:
    """Evaluate exp(min(x, top)) to 1e-14; `bits` and `same` are one memory, as int and float."""
    for b in range(LANES):
        out[b], same[b] = _exp_parts(x[b], top)
    for b in range(LANES):
        bits[b] = (bits[b] + 1023) << 52
    for b in range(LANES):
        out[b] *= same[b]


@njit(cache=True, error_model="numpy", nogil=True, fastmath={"contract"})
def exp_some(x: Floats, out: Floats, bits: Ints, same: Floats, top: float, some: int) -> None:
    """Do the same of the first `some` points."""
    for b in range(some):
        out[b], same[b] = _exp_parts(x[b], top)
    for b in range(some):
        bits[b] = (bits[b] + 1023) << 52
    for b in range(some):
        out[b] *= same[b]


@njit(cache=True, error_model="numpy", nogil=True, fastmath={"contract"})
def _log_of(m: float, k: float) -> float:
    """Return log(m 2^k) of m near 1, by a series."""
    t = (m - 1.0) / (m + 1.0)
    s = t * t
    r = 1 / 15 + s * (1 / 17 + s * (1 / 19))
    r = 1 / 9 + s * (1 / 11 + s * (1 / 13 + s * r))
    r = 1 / 3 + s * (1 / 5 + s * (1 / 7 + s * r))
    return k * _LOG_2 + 2.0 * t * (1.0 + s * r)


@njit(cache=True, error_model="numpy", nogil=True, fastmath={"contract"})
def log_lanes(x: Floats, out: Floats, bits: Ints, same: Floats) -> None:
    """Evaluate the log of positive numbers to 1e-15, from their exponents and a series."""
    for b in range(LANES):
        same[b] = x[b]
    for b in range(LANES):
        k = (bits[b] - 0x3FE6A09E667F3BCD) >> 52
        bits[b] -= k << 52
        out[b] = k
    for b in range(LANES):
        out[b] = _log_of(same[b], out[b])


@njit(cache=True, error_model="numpy", nogil=True, fastmath={"contract"})
def log_some(x: Floats, out: Floats, bits: Ints, same: Floats, some: int) -> None:
    """Do the same of the first `some` points."""
    for b in range(some):
        same[b] = x[b]
    for b in range(some):
        k = (bits[b] - 0x3FE6A09E667F3BCD) >> 52
        bits[b] -= k << 52
        out[b] = k
    for b in range(some):
        out[b] = _log_of(same[b], out[b])


@njit(cache=True, error_model="numpy", nogil=True)
def rescale(s: Floats, bits: Ints) -> None:
    """Move the exponents of the products to the powers; `bits` is the scratch as integers."""
    for b in range(LANES):
        k = (bits[PRODUCT + b] >> 52) - 1023
        bits[PRODUCT + b] -= k << 52
        s[POWER + b] += k


@njit(cache=True, error_model="numpy", nogil=True, fastmath=FAST)
def factors(  # type: ignore[no-untyped-def]
    x, offset, sign, level, g, cuts, first, stop, by_cell, a, s, bits, same
):
    """Fill a with exp(x'g + offset - sign * cut + lane) by row, or their sum."""
    p = x.shape[1]
    if by_cell:
        for b in range(LANES):
            a[b] = 0.0
    for i in range(first, stop):
        if level[i] < 0:
            for b in range(LANES):
                s[X + b] = offset[i] + s[LANE + b]
        else:
            cut = cuts[level[i] * LANES : (level[i] + 1) * LANES]
            for b in range(LANES):
                s[X + b] = offset[i] + s[LANE + b] - sign[i] * cut[b]
        k = 0
        while k + 3 < p:
            four, x0, x1 = g[k * 64 : k * 64 + 256], x[i, k], x[i, k + 1]
            x2, x3 = x[i, k + 2], x[i, k + 3]
            for b in range(LANES):
                s[X + b] += (x0 * four[b] + x1 * four[64 + b]) + (
                    x2 * four[128 + b] + x3 * four[192 + b]
                )
            k += 4
        while k < p:
            one, x0 = g[k * 64 : k * 64 + 64], x[i, k]
            for b in range(LANES):
                s[X + b] += x0 * one[b]
            k += 1
        if by_cell:
            exp_lanes(s[X : X + LANES], s[E : E + LANES], bits, same, MOST)
            for b in range(LANES):
                a[b] += s[E + b]
        else:
            r = (i - first) * LANES
            exp_lanes(s[X : X + LANES], a[r : r + LANES], bits, same, MOST)


@njit(cache=True, error_model="numpy", nogil=True, fastmath=FAST)
def unit_rows(a: Floats, ratio: Floats, s: Floats, whole: Ints, first: int, stop: int) -> None:
    """Sum slope and information of rows of weight 1; keep 1/(1+t) and t/(1+t) of each."""
    i, done = first, first // 8
    while i + 1 < stop:
        t, o = a[i * 64 : i * 64 + 128], ratio[i * 128 : i * 128 + 256]
        for b in range(LANES):
            t0, t1 = t[b] * s[E + b], t[64 + b] * s[E + b]
            x0, x1 = 1.0 + t0, 1.0 + t1
            r = 1.0 / (x0 * x1)
            w0, w1 = r * x1, r * x0
            g0, g1 = t0 * w0, t1 * w1
            o[b], o[64 + b], o[128 + b], o[192 + b] = w0, g0, w1, g1
            s[SLOPE + b] += g0 + g1
            s[INFO + b] += g0 * w0 + g1 * w1
            s[PRODUCT + b] *= r
        i += 2
        if i // 8 > done:
            rescale(s, whole)
            done = i // 8
    if i < stop:
        t, o = a[i * 64 : i * 64 + 64], ratio[i * 128 : i * 128 + 128]
        for b in range(LANES):
            t0 = t[b] * s[E + b]
            w0 = 1.0 / (1.0 + t0)
            g0 = t0 * w0
            o[b], o[64 + b] = w0, g0
            s[SLOPE + b] += g0
            s[INFO + b] += g0 * w0
            s[PRODUCT + b] *= w0
        if stop // 8 > done:
            rescale(s, whole)


@njit(cache=True, error_model="numpy", nogil=True, fastmath=FAST)
def weighted_rows(  # type: ignore[no-untyped-def]
    a, weight, ratio, s, bits, same, first, stop, base
):
    """Do the same of rows that have weights; add weight * log(1+t) to the level."""
    for i in range(first, stop):
        t, o, m = a[i * 64 : i * 64 + 64], ratio[i * 128 : i * 128 + 128], weight[base + i]
        for b in range(LANES):
            t0 = t[b] * s[E + b]
            w0 = 1.0 / (1.0 + t0)
            g0 = t0 * w0
            o[b], o[64 + b] = w0, g0
            power = (m + s[EXTRA + b]) * g0
            s[SLOPE + b] += power
            s[INFO + b] += power * w0
        log_lanes(o[:LANES], s[X : X + LANES], bits, same)
        for b in range(LANES):
            s[LEVEL + b] -= (m + s[EXTRA + b]) * s[X + b]


@njit(cache=True, error_model="numpy", nogil=True, fastmath=FAST)
def powers(table, ratio, low, high):  # type: ignore[no-untyped-def]
    """Fill a flat table with the whole powers of ratios from `low` to `high`."""
    for b in range(LANES):
        table[-low * LANES + b] = 1.0
    for k in range(-low, high - low):
        at = table[k * LANES : (k + 2) * LANES]
        for b in range(LANES):
            at[LANES + b] = at[b] * ratio[b]
    for b in range(LANES):
        ratio[b] = 1.0 / ratio[b]
    for k in range(-low, 0, -1):
        at = table[(k - 1) * LANES : (k + 1) * LANES]
        for b in range(LANES):
            at[b] = at[LANES + b] * ratio[b]


@njit(cache=True, error_model="numpy", nogil=True, fastmath=FAST)
def unit_products(  # type: ignore[no-untyped-def]
    value, one, two, ratio, first, stop, nk, nl, n0, n, low_k, low_l, s
):
    """Multiply values at the nodes by the rows of a cell."""
    r = first
    while r + 3 < stop:
        o = ratio[r * 128 : r * 128 + 512]
        for i in range(n):
            k, l = nk[n0 + i] - low_k, nl[n0 + i] - low_l
            v, p = value[i * 64 : i * 64 + 64], one[k * 64 : k * 64 + 64]
            q = two[l * 64 : l * 64 + 64]
            for b in range(LANES):
                t = p[b] * q[b]
                v[b] *= ((o[b] + o[64 + b] * t) * (o[128 + b] + o[192 + b] * t)) * (
                    (o[256 + b] + o[320 + b] * t) * (o[384 + b] + o[448 + b] * t)
                )
        r += 4
    for i in range(r, stop):
        row_products(
            value, one, two, ratio[i * 128 : i * 128 + 128], nk, nl, n0, n, low_k, low_l, s
        )


@njit(cache=True, error_model="numpy", nogil=True, fastmath=FAST)
def row_products(  # type: ignore[no-untyped-def]
    value, one, two, o, nk, nl, n0, n, low_k, low_l, s
):
    """Do the same of one row, whose z may be its own."""
    line = -1
    for i in range(n):
        k, l = nk[n0 + i] - low_k, nl[n0 + i] - low_l
        if l != line:
            q, line = two[l * 64 : l * 64 + 64], l
            for b in range(LANES):
                s[X + b] = o[64 + b] * q[b]
        v, p = value[i * 64 : i * 64 + 64], one[k * 64 : k * 64 + 64]
        for b in range(LANES):
            v[b] *= o[b] + s[X + b] * p[b]


@njit(cache=True, error_model="numpy", nogil=True, fastmath=FAST)
def four_products(value, table, o, cz, nk, nl, n0, n, low, high, s, bits, same):  # type: ignore[no-untyped-def]
    """Do the same of four rows with their own z; `table` has their powers along both axes."""
    for r in range(4):
        za, zb = cz[r, 0], cz[r, 1]
        here = table[-low * 512 + r * 128 : -low * 512 + r * 128 + 128]
        for b in range(LANES):
            s[X + b] = za * s[D1A + b] + zb * s[D1B + b]
            s[P + b] = za * s[D2A + b] + zb * s[D2B + b]
        exp_lanes(s[X : X + LANES], here[:LANES], bits, same, TOP)
        exp_lanes(s[P : P + LANES], here[LANES:], bits, same, TOP)
    base = s[FOUR : FOUR + 1024]
    here = table[-low * 512 : -low * 512 + 512]
    for b in range(512):
        base[b] = here[b]
        here[b] = 1.0
    for b in range(256):
        r = 1.0 / (base[b] * base[256 + b])
        base[512 + b], base[768 + b] = r * base[256 + b], r * base[b]
    for k in range(-low, high - low):
        at = table[k * 512 : (k + 2) * 512]
        for b in range(512):
            at[512 + b] = at[b] * base[b]
    for k in range(-low, 0, -1):
        at = table[(k - 1) * 512 : (k + 1) * 512]
        for b in range(512):
            at[b] = at[512 + b] * base[512 + b]
    c, line = s[FOUR : FOUR + 256], low - 1
    for i in range(n):
        k, l = nk[n0 + i] - low, nl[n0 + i]
        if l != line:
            q, line = table[(l - low) * 512 : (l - low + 1) * 512], l
            for b in range(LANES):
                c[b], c[64 + b] = o[64 + b] * q[64 + b], o[192 + b] * q[192 + b]
                c[128 + b], c[192 + b] = o[320 + b] * q[320 + b], o[448 + b] * q[448 + b]
        v, p = value[i * 64 : i * 64 + 64], table[k * 512 : k * 512 + 512]
        for b in range(LANES):
            v[b] *= ((o[b] + c[b] * p[b]) * (o[128 + b] + c[64 + b] * p[128 + b])) * (
                (o[256 + b] + c[128 + b] * p[256 + b]) * (o[384 + b] + c[192 + b] * p[384 + b])
            )


@njit(cache=True, error_model="numpy", nogil=True, fastmath=FAST)
def weighted_sums(  # type: ignore[no-untyped-def]
    value, one, two, o, m, nk, nl, n0, n, low_k, low_l, s, bits, same
):
    """Add weight * log of one row to the values at the nodes."""
    for i in range(n):
        k, l = nk[n0 + i] - low_k, nl[n0 + i] - low_l
        v, p = value[i * 64 : i * 64 + 64], one[k * 64 : k * 64 + 64]
        q = two[l * 64 : l * 64 + 64]
        for b in range(LANES):
            s[X + b] = o[b] + o[64 + b] * (p[b] * q[b])
        log_lanes(s[X : X + LANES], s[E : E + LANES], bits, same)
        for b in range(LANES):
            v[b] += (m + s[EXTRA + b]) * s[E + b]


@njit(cache=True, error_model="numpy", nogil=True, fastmath=FAST)
def rate_sums(  # type: ignore[no-untyped-def]
    value, one, two, o, nk, nl, n0, n, low_k, low_l
):
    """Add the rate of one cell to the values at the nodes, less that at the mode."""
    for i in range(n):
        k, l = nk[n0 + i] - low_k, nl[n0 + i] - low_l
        v, p = value[i * 64 : i * 64 + 64], one[k * 64 : k * 64 + 64]
        q = two[l * 64 : l * 64 + 64]
        for b in range(LANES):
            v[b] += o[64 + b] * (p[b] * q[b] - 1.0)
