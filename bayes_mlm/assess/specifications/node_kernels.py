"""Compiled densities of many small models at values of their variance parameters.

With one group effect, theta = sigma_u / sigma_e, d_j = 1 / (1 + theta^2 r_j^2) and W = [X, y],

    A(theta) = rest + sum d_j c_j c_j',    V = A / sigma_e^2 + P

where P is the quadratic form of the normal priors of the coefficients in [beta, -1]. Of V's
Cholesky factor L, with p columns of X,

    log p(y | theta, sigma_e) = const - n log sigma_e + 1/2 sum log d_j - sum_{i<=p} log L_ii
                                - L_(p+1,p+1)^2 / 2

and the same without a group gives the density of the group given all others.
"""

import math

import numpy as np
from numba import njit

from bayes_mlm.base import Floats

_FAST = {"contract", "nsz", "arcp", "reassoc"}
_LOG_2PI = math.log(2.0 * math.pi)


@njit(cache=True, error_model="numpy", fastmath=_FAST)
def _factor(a: Floats) -> float:
    """Factor a symmetric matrix in its lower triangle; return ``sum log L_ii + L_kk^2 / 2``.

    The sum is without the last row, of y. Not a number if the matrix is not positive definite.
    """
    k, product, total = len(a), 1.0, 0.0
    for j in range(k):
        s = a[j, j]
        for m in range(j):
            s -= a[j, m] * a[j, m]
        if not s > 0.0:
            return math.nan
        root = math.sqrt(s)
        a[j, j] = root
        if j < k - 1:
            product *= root
            if not 1e-100 < product < 1e100:
                total, product = total + math.log(product), 1.0
        for i in range(j + 1, k):
            t = a[i, j]
            for m in range(j):
                t -= a[i, m] * a[j, m]
            a[i, j] = t / root
    return float(total + math.log(product) + 0.5 * a[k - 1, k - 1] ** 2)


@njit(cache=True, error_model="numpy", fastmath=_FAST)
def fill_densities(
    rest: Floats,
    products: Floats,
    r2: Floats,
    size: Floats,
    prior: Floats,
    n: float,
    log_theta: Floats,
    shift: Floats,
    levels: Floats,
    values: Floats,
) -> None:
    """Fill log-densities (B, m) of y at theta (B,), and log sigma_e = level + shift (m,).

    Levels (B,) are the generalised least-squares estimates of log sigma_e. Products (C, k, k) are
    sums of ``c_j c_j'`` over classes of groups of equal r^2, of some size. The constant is omitted.
    """
    k = len(rest)
    a, work = np.empty((k, k)), np.empty((k, k))
    for b in range(len(log_theta)):
        s = math.exp(2.0 * log_theta[b])
        log_n = 0.0
        for i in range(k):
            for j in range(i + 1):
                a[i, j] = rest[i, j]
        for c in range(len(r2)):
            d = 1.0 + s * r2[c]
            log_n += size[c] * math.log(d)
            for i in range(k):
                for j in range(i + 1):
                    a[i, j] += products[c, i, j] / d
        work[:] = a
        _factor(work)
        levels[b] = math.log(work[k - 1, k - 1]) - 0.5 * math.log(n - k + 1)
        for m in range(len(shift)):
            at = levels[b] + shift[m]
            scale = math.exp(-2.0 * at)
            for i in range(k):
                for j in range(i + 1):
                    work[i, j] = a[i, j] * scale + prior[i, j]
            values[b, m] = -n * at - 0.5 * log_n - _factor(work)


@njit(cache=True, error_model="numpy", fastmath=_FAST)
def fill_nodes(
    rest: Floats,
    c: Floats,
    r2: Floats,
    counts: Floats,
    prior: Floats,
    contrasts: Floats,
    log_theta: Floats,
    log_sigma_e: Floats,
    loo: Floats,
    mean: Floats,
    variance: Floats,
) -> None:
    """Fill ``log p(y_j | y_-j, theta, sigma_e)`` (J, N), and moments (N, h) of contrasts.

    `rest` (J, k, k) and `c` (J, k) are by group. The sum without a group is made of the sums before
    and after it: taking a group from the whole would cancel.
    """
    groups, k = c.shape
    before = np.empty((groups + 1, k, k))
    after, work = np.empty((k, k)), np.empty((k, k))
    z, beta = np.empty(k), np.empty(k)
    for node in range(len(log_theta)):
        s, at = math.exp(2.0 * log_theta[node]), log_sigma_e[node]
        scale = math.exp(-2.0 * at)
        for i in range(k):
            for j in range(i + 1):
                before[0, i, j] = prior[i, j]
                after[i, j] = 0.0
        for g in range(groups):
            d = 1.0 / (1.0 + s * r2[g])
            for i in range(k):
                t = c[g, i] * d
                for j in range(i + 1):
                    before[g + 1, i, j] = before[g, i, j] + scale * (rest[g, i, j] + t * c[g, j])
        work[:] = before[groups]
        whole = _factor(work)
        for i in range(k - 2, -1, -1):
            t = work[k - 1, i]
            for j in range(i + 1, k - 1):
                t -= work[j, i] * beta[j]
            beta[i] = t / work[i, i]
        for h in range(len(contrasts)):
            t, v = 0.0, 0.0
            for i in range(k - 1):
                t += contrasts[h, i] * beta[i]
                w = contrasts[h, i]
                for j in range(i):
                    w -= work[i, j] * z[j]
                z[i] = w / work[i, i]
                v += z[i] * z[i]
            mean[node, h], variance[node, h] = t, v
        for g in range(groups - 1, -1, -1):
            for i in range(k):
                for j in range(i + 1):
                    work[i, j] = before[g, i, j] + after[i, j]
            others = _factor(work)
            d = 1.0 + s * r2[g]
            own = counts[g] * (at + 0.5 * _LOG_2PI) + 0.5 * math.log(d)
            loo[g, node] = others - whole - own
            for i in range(k):
                t = c[g, i] / d
                for j in range(i + 1):
                    after[i, j] += scale * (rest[g, i, j] + t * c[g, j])
