"""Compiled search: the estimate of each of many outcomes, and what its intervals need."""

import math

import numpy as np
from numba import njit

from bayes_mlm.base import Floats, Ints
from bayes_mlm.engines.reml.refits.kernels import (
    FAILED,
    INSIDE,
    SINGULAR,
    derivatives,
    deviance,
    in_factor,
    quadratic,
)

_MAX_STEPS = 100
# Deviance that a Newton step is to gain below which it is the last, and below which it is not made.
_LAST, _DONE = 2e-7, 2e-16
# A relative factor, of Z at unit mean square, with a diagonal entry below this is singular.
_ZERO = 1e-7
# What the diagonal of the factor is raised by where the slope vanishes at a saddle.
_OFF_SADDLE = 0.1
# Shortest part of a step that is tried, and what parts are shortened by.
_SHORTEST, _SHORTER = 1e-9, 0.4


@njit(cache=True, error_model="numpy")
def search(
    tag: tuple[int, ...],
    r: Floats,
    c: Floats,
    rest: Floats,
    weights: Floats,
    n: float,
    restricted: float,
    lam: Floats,
    entries: Ints,
    contrasts: Floats,
    inverse: Floats,
    solved: Floats,
    relative: Floats,
    beta: Floats,
    variance: Floats,
    df: Floats,
) -> tuple[float, float, int]:
    """Find the estimate of one outcome, by REML or ML, from a factor (q, q), which is overwritten.

    Returns deviance, sigma_e^2 and how it ended. Fills S (q, q), beta (p,), and of contrasts (h, p)
    the variances (h,) and Satterthwaite's degrees of freedom (h,). The search begins above the
    estimate, so that it descends to the minimum that lies inside, if there is one.
    """
    k, m = c.shape[2], len(entries)
    p, nu = k - 1, n - restricted * (k - 1)
    a_matrix, slopes, jacobian = np.empty((k, k)), np.empty((m, k, k)), np.empty((m, m))
    hessian, fisher, gradient = np.empty((m, m)), np.empty((m, m)), np.empty(m)
    observed, expected = np.empty((m + 1, m + 1)), np.empty((m + 1, m + 1))
    slope, unused, step = np.empty(m), np.empty(m), np.empty(m)
    trial, level = lam.copy(), np.zeros(m)
    value = deviance(tag, r, c, rest, weights, n, restricted, lam, inverse, solved, a_matrix)
    ended, last = FAILED, False
    for _ in range(_MAX_STEPS):
        derivatives(
            tag,
            r,
            inverse,
            solved,
            a_matrix,
            weights,
            n,
            restricted,
            entries,
            slopes,
            gradient,
            observed,
            expected,
        )
        in_factor(lam, entries, gradient, observed, nu, jacobian, slope, hessian)
        gain = quadratic(hessian, slope, step)
        convex = gain >= 0.0
        if not convex:  # by Fisher scoring, which does not depend on the units of Z
            in_factor(lam, entries, level, expected, nu, jacobian, unused, fisher)
            for i in range(m):  # where dS / dLambda vanishes, as large as the second-order term
                fisher[i, i] = max(1.001 * fisher[i, i], abs(hessian[i, i])) + 1e-300
            gain, ridge = quadratic(fisher, slope, step), 1e-3
            while not gain >= 0.0 and ridge < 1e12:
                for i in range(m):
                    fisher[i, i] *= 1.0 + ridge
                gain, ridge = quadratic(fisher, slope, step), 4.0 * ridge
        if convex and (last or gain < _DONE):
            ended = INSIDE
            for a in range(len(tag)):
                if abs(lam[a, a]) < _ZERO:
                    ended = SINGULAR
            break
        size, new, limit = 1.0, math.inf, value + 1e-11 * (1.0 + abs(value))
        off = _OFF_SADDLE if not convex and gain < _DONE else 0.0
        while size > _SHORTEST and not new <= limit:
            for i in range(m):
                a, b = entries[i]
                trial[a, b] = lam[a, b] - size * step[i] + (size * off if a == b else 0.0)
            new = deviance(
                tag, r, c, rest, weights, n, restricted, trial, inverse, solved, a_matrix
            )
            # Convergence is quadratic: after a full step this small the rest is rounding.
            last = gain < _LAST and size == 1.0 and off == 0.0
            size *= _SHORTER
        if not new <= limit:
            deviance(tag, r, c, rest, weights, n, restricted, lam, inverse, solved, a_matrix)
            break
        lam[:] = trial
        value = new
    relative[:] = 0.0
    for a in range(len(tag)):
        for b in range(len(tag)):
            for d in range(len(tag)):
                relative[a, b] += lam[a, d] * lam[b, d]
    for a in range(p):
        beta[a] = a_matrix[a, p]
    _of_contrasts(a_matrix, nu, slopes, observed, jacobian, hessian, contrasts, variance, df)
    return value, a_matrix[p, p] / nu, ended


@njit(cache=True, error_model="numpy")
def _of_contrasts(
    a_matrix: Floats,
    nu: float,
    slopes: Floats,
    observed: Floats,
    jacobian: Floats,
    hessian: Floats,
    contrasts: Floats,
    variance: Floats,
    df: Floats,
) -> None:
    """Fill variances and Satterthwaite's degrees of freedom of contrasts of the coefficients.

    ``df = 1 / (d'H^-1 d)``, d the gradient of the log variance and H the Hessian of the deviance in
    the variance parameters: twice the squared variance over its variance. H is in the entries of
    Lambda, where it is positive definite also at a singular covariance (as lmerTest's), with log
    sigma_e^2 eliminated.
    """
    m, p = slopes.shape[0], slopes.shape[1] - 1
    side, d, free, step = np.empty(p), np.empty(m), np.empty(m), np.empty(m)
    for h in range(len(contrasts)):
        size = 0.0
        for a in range(p):
            side[a] = 0.0
            for b in range(p):
                side[a] += a_matrix[a, b] * contrasts[h, b]
            size += contrasts[h, a] * side[a]
        variance[h] = size * a_matrix[p, p] / nu
        for i in range(m):
            d[i] = 0.0
            for a in range(p):
                for b in range(p):
                    d[i] -= side[a] * slopes[i, a, b] * side[b] / size
        for j in range(m):
            free[j] = 0.0
            for i in range(m):
                free[j] += jacobian[i, j] * (d[i] - observed[i, m] / nu)
        df[h] = 1.0 / (quadratic(hessian, free, step) + 1.0 / nu)


@njit(cache=True, nogil=True, error_model="numpy")
def search_all(
    tag: tuple[int, ...],
    r: Floats,
    c_x: Floats,
    c_y: Floats,
    x_x: Floats,
    x_y: Floats,
    y_y: Floats,
    weights: Floats,
    n: Floats,
    restricted: float,
    first: int,
    contrasts: Floats,
    start: Floats,
    entries: Ints,
    relative: Floats,
    sigma2: Floats,
    beta: Floats,
    variance: Floats,
    df: Floats,
    value: Floats,
    ended: Ints,
) -> None:
    """Search for each of B outcomes; the arrays of designs are one for all, or taken in turn."""
    many, groups, q = c_y.shape
    k = c_x.shape[3] + 1
    c, rest = np.empty((groups, q, k)), np.zeros((k, k))
    inverse, solved = np.empty((groups, q, q)), np.empty((groups, q, k))
    for b in range(many):
        at = first + b
        rest[: k - 1, : k - 1] = x_x[at % len(x_x)]
        c[:, :, : k - 1], c[:, :, k - 1] = c_x[at % len(c_x)], c_y[b]
        rest[k - 1, : k - 1] = rest[: k - 1, k - 1] = x_y[b]
        rest[k - 1, k - 1] = y_y[b]
        value[b], sigma2[b], ended[b] = search(
            tag,
            r[at % len(r)],
            c,
            rest,
            weights[at % len(weights)],
            n[at % len(n)],
            restricted,
            start.copy(),
            entries,
            contrasts,
            inverse,
            solved,
            relative[b],
            beta[b],
            variance[b],
            df[b],
        )
