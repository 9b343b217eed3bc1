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
# Levels below which one thread is faster than a call of several.
SERIAL_LEVELS = 100_000


@njit(cache=True, nogil=True)
def philox(c0, c1, c2, c3, key):  # type: ignore[no-untyped-def]
    """Return two uniform numbers in (0, 1] of a counter of four words and a key (Philox4x32-10)."""
    x0, x1, x2, x3 = _U(c0) & _LOW, _U(c1) & _LOW, _U(c2) & _LOW, _U(c3) & _LOW
    k0, k1 = _U(key) & _LOW, _U(key) >> _U(32)
    for _ in range(10):
        p, q = _U(0xD2511F53) * x0, _U(0xCD9E8D57) * x2
        x0, x1 = (q >> _U(32)) ^ x1 ^ k0, q & _LOW
        x2, x3 = (p >> _U(32)) ^ x3 ^ k1, p & _LOW
        k0, k1 = (k0 + _U(0x9E3779B9)) & _LOW, (k1 + _U(0xBB67AE85)) & _LOW
    unit = 1.0 / 9007199254740992.0
    return (
        ((x0 >> _U(5)) * 67108864.0 + (x1 >> _U(6)) + 1.0) * unit,
        ((x2 >> _U(5)) * 67108864.0 + (x3 >> _U(6)) + 1.0) * unit,
    )


@njit(cache=True, nogil=True)
def condition(  # type: ignore[no-untyped-def]
    right, sums, size_of, their_right, their_counts, u, rest, Xr, total
):
    """Subtract the effects of the other factor from the outcome of a one-way layout.

    Parameters
    ----------
    right, sums, size_of : ndarray
        Of the margin: sums (m, p + 1) of [X, y] by level, those (m,) of the other's effects, and
        which of the sizes each level has.
    their_right, their_counts, u : ndarray
        Of the other margin: sums of [X, y], rows and effects of each level.
    rest : ndarray, shape (m,)
        Takes the sums by level of what is left of y.
    Xr : ndarray, shape (k, p + 1)
        Takes the sums of ``(X_l, r_l) r_l`` over the levels of each size.
    total : ndarray, shape (p + 1, p + 1)
        ``[X, y]'[X, y]``; becomes that of what is left.
    """
    p = right.shape[1] - 1
    Xr[:] = 0.0
    for level in range(len(rest)):
        left = right[level, p] - sums[level]
        rest[level] = left
        k = size_of[level]
        for j in range(p):
            Xr[k, j] += right[level, j] * left
        Xr[k, p] += left * left
    for level in range(len(u)):
        value = np.float64(u[level])
        for j in range(p):
            total[j, p] -= their_right[level, j] * value
        total[p, p] += value * (their_counts[level] * value - 2.0 * their_right[level, p])
    for j in range(p):
        total[p, j] = total[j, p]


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
        Of the margin: rows, sums of X and of what is left of y.
    vf, ve : float
        Variances of effects and residuals.
    beta, expected : ndarray, shape (p,)
        Coefficients, and their mean given the sds.
    inverse : ndarray, shape (p, p)
        Inverse of the Cholesky factor of their precision.
    counter : (int, int, int)
        Sweep, margin and chain.
    seed : int
    u : ndarray of float32, shape (m,)
    moments : ndarray, shape (m, 3)
        Mean of the conditional means, sum of their squared deviations, sum of the conditional
        variances.
    kept : int
        Draws with this one; 0 of one that is not kept.
    """
    p = len(beta)
    for level in range(start, stop):
        weight = vf / (ve + counts[level] * vf)
        on, on_expected = rest[level], rest[level]
        for j in range(p):
            on -= right[level, j] * beta[j]
            on_expected -= right[level, j] * expected[j]
        one, two = philox(level, counter[0], counter[1], counter[2], seed)
        normal = math.sqrt(-2.0 * math.log(one)) * math.cos(2.0 * math.pi * two)
        u[level] = np.float32(weight * on + math.sqrt(ve * weight) * normal)
        if kept > 0:
            spread = 0.0
            for i in range(p):
                along = 0.0
                for j in range(i + 1):
                    along += inverse[i, j] * right[level, j]
                spread += along * along
            mean = weight * on_expected
            change = mean - moments[level, 0]
            moments[level, 0] += change / kept
            moments[level, 1] += change * (mean - moments[level, 0])
            moments[level, 2] += ve * weight + weight * weight * spread


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
