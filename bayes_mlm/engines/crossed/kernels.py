"""Compiled parts of a sweep: random numbers by counter, the one-way density, draws of effects.

References
----------
Salmon, Moraes, Dror & Shaw (2011), Parallel random numbers: as easy as 1, 2, 3, SC'11 (Philox).
"""

import math

import numpy as np
from numba import njit, prange

_U = np.uint64
_LOW = np.uint64(0xFFFFFFFF)
# Chains that are drawn side by side: a list of levels is read once for all of them, and a call of
# the generator has a number for each.
LANES = 4
# Of the moments of a level: of each chain the mean of the conditional means and the sum of their
# squared deviations, and the sum of the conditional variances of all.
MOMENTS = 2 * LANES + 1
# Levels below which one thread is faster than a call of several.
SERIAL_LEVELS = 30_000


@njit(cache=True, nogil=True)
def philox(c0, c1, c2, c3, key):  # type: ignore[no-untyped-def]
    """Return four random words of 32 bits of a counter of four words and a key (Philox4x32-10)."""
    x0, x1, x2, x3 = _U(c0) & _LOW, _U(c1) & _LOW, _U(c2) & _LOW, _U(c3) & _LOW
    k0, k1 = _U(key) & _LOW, _U(key) >> _U(32)
    for _ in range(10):
        p, q = _U(0xD2511F53) * x0, _U(0xCD9E8D57) * x2
        x0, x1 = (q >> _U(32)) ^ x1 ^ k0, q & _LOW
        x2, x3 = (p >> _U(32)) ^ x3 ^ k1, p & _LOW
        k0, k1 = (k0 + _U(0x9E3779B9)) & _LOW, (k1 + _U(0xBB67AE85)) & _LOW
    return x0, x1, x2, x3


@njit(cache=True, nogil=True)
def two_normals(one, two):  # type: ignore[no-untyped-def]
    """Return two normal numbers, of 6.7 at most, of two words (Box & Muller)."""
    away = math.sqrt(-2.0 * math.log((np.float64(one) + 1.0) / 4294967296.0))
    angle = 2.0 * math.pi / 4294967296.0 * np.float64(two)
    return away * math.cos(angle), away * math.sin(angle)


@njit(cache=True, nogil=True)
def condition(  # type: ignore[no-untyped-def]
    right, sums, size_of, their_right, their_counts, u, rest, Xr, total
):
    """Subtract the effects of the other factor from the outcome of a one-way layout, by chain.

    Parameters
    ----------
    right, sums, size_of : ndarray
        Of the margin: sums (m, p + 1) of [X, y] by level, those (m, LANES) of the other's effects,
        and which of the sizes each level has.
    their_right, their_counts, u : ndarray
        Of the other margin: sums of [X, y], rows and effects (m, LANES) of each level.
    rest : ndarray, shape (m, LANES)
        Takes the sums by level of what is left of y.
    Xr : ndarray, shape (k, p + 1, LANES)
        Takes the sums of ``(X_l, r_l) r_l`` over the levels of each size.
    total : ndarray, shape (LANES, p + 1, p + 1)
        ``[X, y]'[X, y]``; becomes that of what is left.
    """
    p = right.shape[1] - 1
    Xr[:] = 0.0
    for level in range(len(rest)):
        k, own = size_of[level], right[level, p]
        for c in range(LANES):
            left = own - sums[level, c]
            rest[level, c] = left
            Xr[k, p, c] += left * left
        for j in range(p):
            x = right[level, j]
            for c in range(LANES):
                Xr[k, j, c] += x * rest[level, c]
    onto, squares = np.zeros((p, LANES)), np.zeros(LANES)
    for level in range(len(u)):
        n, y = their_counts[level], 2.0 * their_right[level, p]
        for c in range(LANES):
            squares[c] += u[level, c] * (n * u[level, c] - y)
        for j in range(p):
            x = their_right[level, j]
            for c in range(LANES):
                onto[j, c] += x * u[level, c]
    for c in range(LANES):
        for j in range(p):
            total[c, j, p] -= onto[j, c]
            total[c, p, j] = total[c, j, p]
        total[c, p, p] += squares[c]


@njit(cache=True, nogil=True)
def one_way(  # type: ignore[no-untyped-def]
    log_f, log_e, n, sizes, levels, XX, Xr, total, prior, root
):
    """Return the log-density of a one-way layout at two sds, effects and coefficients integrated.

    Parameters
    ----------
    log_f, log_e : float
        Logs of the sds of effects and residuals.
    n : int
        Rows.
    sizes, levels : ndarray, shape (k,)
        Numbers of rows that a level may have, and how many levels have them.
    XX : ndarray, shape (k, p, p)
        Sums over those levels of ``X_l X_l'``.
    Xr : ndarray, shape (k, p + 1)
        Of `condition`.
    total : ndarray, shape (p + 1, p + 1)
        ``[X, r]'[X, r]``.
    prior : ndarray, shape (p + 1, p + 1)
        Quadratic form of the prior of the coefficients, in (beta, -1).
    root : ndarray, shape (p + 1, p + 1)
        Takes the Cholesky factor of the precision of (beta, -1).
    """
    p = total.shape[0] - 1
    vf, ve = math.exp(2.0 * log_f), math.exp(2.0 * log_e)
    root[:] = total
    logs = 0.0
    for k in range(len(sizes)):
        weight = vf / (ve + sizes[k] * vf)
        logs += levels[k] * math.log1p(sizes[k] * vf / ve)
        for i in range(p):
            for j in range(i + 1):
                root[i, j] -= weight * XX[k, i, j]
        for j in range(p + 1):
            root[p, j] -= weight * Xr[k, j]
    for i in range(p + 1):
        for j in range(i + 1):
            root[i, j] = root[i, j] / ve + prior[i, j]
    return _integrated(-n * log_e - 0.5 * logs, root)


@njit(cache=True, nogil=True)
def _integrated(value, root):  # type: ignore[no-untyped-def]
    """Integrate the coefficients out of a log-density; `root` becomes its Cholesky factor."""
    p = root.shape[0] - 1
    for j in range(p + 1):
        for k in range(j):
            root[j, j] -= root[j, k] * root[j, k]
        if not root[j, j] > 0.0:
            return -math.inf
        if j == p:
            return value - 0.5 * root[p, p]
        root[j, j] = math.sqrt(root[j, j])
        value -= math.log(root[j, j])
        for i in range(j + 1, p + 1):
            for k in range(j):
                root[i, j] -= root[i, k] * root[j, k]
            root[i, j] /= root[j, j]
    return value


@njit(cache=True, nogil=True)
def draw_levels(  # type: ignore[no-untyped-def]
    start,
    stop,
    counts,
    right,
    rest,
    vf,
    ve,
    beta,
    expected,
    inverse,
    counter,
    seed,
    u,
    moments,
    kept,
):
    """Draw the effects of the levels from start to stop, and add to their running moments.

    Parameters
    ----------
    start, stop : int
    counts, right, rest : ndarray
        Of the margin: rows (m,), sums (m, p + 1) of [X, y] and (m, LANES) of what is left of y.
    vf, ve : ndarray, shape (chains,)
        Variances of effects and residuals.
    beta, expected : ndarray, shape (chains, p)
        Coefficients, and their means given the sds.
    inverse : ndarray, shape (chains, p, p)
        Inverses of the Cholesky factors of their precisions.
    counter : (int, int, int)
        Sweep, margin and block of chains.
    seed : int
    u : ndarray, shape (m, LANES)
    moments : ndarray, shape (m, MOMENTS)
    kept : int
        Draws with this one; 0 of one that is not kept.
    """
    chains, p = beta.shape
    ratio, normal = ve / vf, np.empty(LANES)
    share = 1.0 / max(kept, 1)
    for level in range(start, stop):
        w0, w1, w2, w3 = philox(level, counter[0], counter[1], counter[2], seed)
        normal[0], normal[1] = two_normals(w0, w1)
        normal[2], normal[3] = two_normals(w2, w3)
        for c in range(chains):
            weight = 1.0 / (counts[level] + ratio[c])
            on = on_expected = rest[level, c]
            for j in range(p):
                on -= right[level, j] * beta[c, j]
                on_expected -= right[level, j] * expected[c, j]
            u[level, c] = weight * on + math.sqrt(ve[c] * weight) * normal[c]
            if kept > 0:
                spread = 0.0
                for i in range(p):
                    along = 0.0
                    for j in range(i + 1):
                        along += inverse[c, i, j] * right[level, j]
                    spread += along * along
                mean = weight * on_expected
                change = mean - moments[level, c]
                moments[level, c] += change * share
                moments[level, LANES + c] += change * (mean - moments[level, c])
                moments[level, 2 * LANES] += ve[c] * weight + weight * weight * spread


@njit(cache=True, nogil=True, parallel=True)
def draw_parts(  # type: ignore[no-untyped-def]
    parts, counts, right, rest, vf, ve, beta, expected, inverse, counter, seed, u, moments, kept
):
    """Draw the effects of all levels as `draw_levels` does, runs of them by several threads."""
    for k in prange(len(parts) - 1):
        draw_levels(
            parts[k],
            parts[k + 1],
            counts,
            right,
            rest,
            vf,
            ve,
            beta,
            expected,
            inverse,
            counter,
            seed,
            u,
            moments,
            kept,
        )
