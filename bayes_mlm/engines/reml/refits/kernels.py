"""Compiled REML or ML of many outcomes on one design, by Newton's method in the relative factor.

With S = Lambda Lambda' = Sigma / sigma_e^2, N_j = I + R_j S R_j', A = rest + sum_j C_j'N_j^-1 C_j
in the columns W = [X, y], Phi = A_XX^-1, v = (-beta, 1), rss = v'Av, nu = n - p, s2 = rss / nu:

    dev    = sum log |N_j| + log |A_XX| + nu log s2
    dev_i  = sum tr K_i + tr Phi A_i + v'A_i v / s2,  K_i = N^-1 D_i,  D_i = R E_i R',
             A_i = -sum C'N^-1 D_i N^-1 C
    e_ij   = sum tr K_i K_j - 2 sum tr D_i K_j N^-1 C Phi C'N^-1 + tr Phi A_i Phi A_j
    dev_ij = -e_ij + 2 (sum v'C'N^-1 D_i K_j N^-1 C v - v'A_i,X Phi A_j,X'v) / s2

in the entries of S at a fixed sigma_e, and in log sigma_e^2 with cross derivatives -v'A_i v / s2
and second derivative nu: the profiled deviance of Bates et al. (2015, J. Stat. Softw. 67(1), eq.
41), its observed Hessian and the expected one e. The chain rule takes them to Lambda, in which a
singular S is an ordinary point, and where a positive definite Hessian of an S on the boundary
implies that no variance at zero would gain by rising.

A weight w_j on a group multiplies its part of every sum. Of ML (`restricted` is 0, else 1) log
|A_XX| and all terms with Phi in the traces are out, and nu = n.

`tag` is a tuple of q zeros: its length is a constant for the compiler, which unrolls the loops over
effects. The loops are written out because small matrices cost more to make than to multiply.
"""

import math

import numpy as np
from numba import njit

from bayes_mlm.base import Floats, Ints

# How a refit ended: at a minimum, at one whose covariance is singular, or nowhere.
INSIDE, SINGULAR, FAILED = 0, 1, 2
_FAST = {"contract", "nsz", "arcp", "reassoc"}


@njit(cache=True, error_model="numpy", fastmath=_FAST)
def sweep(a: Floats, size: int, pivots: int) -> float:
    """Sweep the first pivots of a symmetric matrix; return their log product, nan if not positive.

    Leaves the inverse, the solution and the Schur complement (Goodnight 1979, Am. Stat. 33(3)).
    """
    product, log_product = 1.0, 0.0
    for i in range(pivots):
        pivot = a[i, i]
        if not pivot > 0.0:
            return math.nan
        product *= pivot
        if not 1e-100 < product < 1e100:
            log_product, product = log_product + math.log(product), 1.0
        for column in range(size):
            a[i, column] /= pivot
        for j in range(size):
            if j != i:
                t = a[j, i]
                for column in range(size):
                    a[j, column] -= t * a[i, column]
                a[j, i] = -t / pivot
        a[i, i] = 1.0 / pivot
    return log_product + math.log(product)


@njit(cache=True, error_model="numpy", fastmath=_FAST)
def deviance(
    tag: tuple[int, ...],
    r: Floats,
    c: Floats,
    rest: Floats,
    weights: Floats,
    n: float,
    restricted: float,
    lam: Floats,
    inverse: Floats,
    solved: Floats,
    a_matrix: Floats,
) -> float:
    """Return the profiled deviance at a factor (q, q); infinite where it is not defined.

    Weights (J,) of the groups are empty where each counts once.

    Fills N^-1 (J, q, q) and N^-1 C (J, q, k) by group, and A (k, k), swept: Phi, beta in the last
    column, rss in the corner.
    """
    q, k = len(tag), c.shape[2]
    a_matrix[:] = rest
    f, m = np.empty((q, q)), np.empty((q, q))
    log_n, product, weight = 0.0, 1.0, 1.0
    for g in range(len(c)):
        if len(weights) > 0:
            weight = weights[g]
        for a in range(q):
            for b in range(q):
                s = 0.0
                for d in range(q):
                    s += r[g, a, d] * lam[d, b]
                f[a, b] = s
        for a in range(q):
            for b in range(q):
                s = 1.0 if a == b else 0.0
                for d in range(q):
                    s += f[a, d] * f[b, d]
                m[a, b] = s
        size = 1.0
        for a in range(q):  # Gauss-Jordan: N is at least I, and needs no pivoting
            pivot = m[a, a]
            size *= pivot
            m[a, a] = 1.0
            for b in range(q):
                m[a, b] /= pivot
            for x in range(q):
                if x != a:
                    t = m[x, a]
                    m[x, a] = 0.0
                    for b in range(q):
                        m[x, b] -= t * m[a, b]
        if len(weights) > 0:
            log_n += weight * math.log(size)
        else:
            product *= size
        if product > 1e100:
            log_n, product = log_n + math.log(product), 1.0
        for a in range(q):
            for b in range(q):
                inverse[g, a, b] = m[a, b]
            for i in range(k):
                s = 0.0
                for b in range(q):
                    s += m[a, b] * c[g, b, i]
                solved[g, a, i] = s
                s *= weight
                for j in range(i + 1):
                    a_matrix[i, j] += s * c[g, a, j]
    for i in range(k):
        for j in range(i):
            a_matrix[j, i] = a_matrix[i, j]
    nu = n - restricted * (k - 1)
    found = log_n + math.log(product) + restricted * sweep(a_matrix, k, k - 1)
    found += nu * math.log(a_matrix[k - 1, k - 1] / nu)
    return found if found == found else math.inf


@njit(cache=True, error_model="numpy", fastmath=_FAST)
def derivatives(
    tag: tuple[int, ...],
    r: Floats,
    inverse: Floats,
    solved: Floats,
    a_matrix: Floats,
    weights: Floats,
    n: float,
    restricted: float,
    entries: Ints,
    slopes: Floats,
    gradient: Floats,
    observed: Floats,
    expected: Floats,
) -> None:
    """Fill the derivatives in the entries (m, 2) of S and in log sigma_e^2.

    The first four arrays are as `deviance` leaves them. Slopes (m, k, k) are those of A; gradient
    is (m,), the Hessians (m + 1, m + 1).
    """
    q, k, m = len(tag), solved.shape[2], len(entries)
    p, nu = k - 1, n - restricted * (k - 1)
    s2, weight = a_matrix[p, p] / nu, 1.0
    along, left, right = np.empty((m, q, q)), np.empty((m, q, q)), np.empty((m, q, q))
    unit = np.zeros((m, q, q))
    outer, half, kc = np.empty((q, q)), np.empty((q, q)), np.empty((q, k))
    w, dw, kw = np.empty(q), np.empty((m, q)), np.empty((m, q))
    for i in range(m):
        unit[i, entries[i, 0], entries[i, 1]] = unit[i, entries[i, 1], entries[i, 0]] = 1.0
    slopes[:] = 0.0
    gradient[:] = 0.0
    observed[:] = 0.0
    expected[:] = 0.0
    for g in range(len(solved)):
        if len(weights) > 0:
            weight = weights[g]
        for a in range(q):
            s = solved[g, a, p]
            for i in range(p):
                s -= solved[g, a, i] * a_matrix[i, p]
                t = 0.0
                for j in range(p):
                    t += a_matrix[i, j] * solved[g, a, j]
                kc[a, i] = t
            w[a] = s  # N^-1 C v
        for a in range(q):
            for b in range(a + 1):
                s = 0.0
                for i in range(p):
                    s += kc[a, i] * solved[g, b, i]
                outer[a, b] = outer[b, a] = s  # N^-1 C Phi C'N^-1
        for i in range(m):
            for a in range(q):
                for b in range(q):
                    s = 0.0
                    for d in range(q):
                        s += r[g, a, d] * unit[i, d, b]
                    half[a, b] = s
            for a in range(q):
                for b in range(q):
                    s = 0.0
                    for d in range(q):
                        s += half[a, d] * r[g, b, d]
                    along[i, a, b] = s
            for a in range(q):
                s, t = 0.0, 0.0
                for b in range(q):
                    left[i, a, b] = 0.0
                    for d in range(q):
                        left[i, a, b] += inverse[g, a, d] * along[i, d, b]
                    s += along[i, a, b] * w[b]
                    t += left[i, a, b] * w[b]
                dw[i, a], kw[i, a] = s, t
                gradient[i] += weight * left[i, a, a]
                for b in range(q):
                    s = 0.0
                    for d in range(q):
                        s += left[i, a, d] * outer[d, b]
                    right[i, a, b] = s
                for b in range(k):
                    s = 0.0
                    for d in range(q):
                        s += along[i, a, d] * solved[g, d, b]
                    kc[a, b] = s
            for a in range(q):
                for b in range(k):
                    t = weight * solved[g, a, b]
                    for d in range(b + 1):
                        slopes[i, b, d] -= t * kc[a, d]
            for j in range(i + 1):
                s, t = 0.0, 0.0
                for a in range(q):
                    s += dw[i, a] * kw[j, a]
                    for b in range(q):
                        t += left[i, a, b] * left[j, b, a]
                        t -= 2.0 * restricted * along[i, a, b] * right[j, b, a]
                observed[i, j] += weight * s
                expected[i, j] += weight * t
    _close(a_matrix, s2, nu, restricted, slopes, gradient, observed, expected)


@njit(cache=True, error_model="numpy", fastmath=_FAST)
def _close(
    a_matrix: Floats,
    s2: float,
    nu: float,
    restricted: float,
    slopes: Floats,
    gradient: Floats,
    observed: Floats,
    expected: Floats,
) -> None:
    """Add to the sums over groups what depends on A alone."""
    m, k = slopes.shape[0], slopes.shape[1]
    p = k - 1
    turned, moved, back = np.zeros((m, p, p)), np.zeros((m, k)), np.zeros((m, p))
    for i in range(m):
        for b in range(k):
            for d in range(b):
                slopes[i, d, b] = slopes[i, b, d]
        for a in range(k):
            moved[i, a] = slopes[i, a, p]
            for b in range(p):
                moved[i, a] -= slopes[i, a, b] * a_matrix[b, p]
        along_v = moved[i, p]
        for a in range(p):
            along_v -= moved[i, a] * a_matrix[a, p]
            for b in range(p):
                back[i, a] += a_matrix[a, b] * moved[i, b]
                for d in range(p):
                    turned[i, a, b] += a_matrix[a, d] * slopes[i, d, b]
            gradient[i] += restricted * turned[i, a, a]
        expected[i, m] = expected[m, i] = gradient[i]
        gradient[i] += along_v / s2
        observed[i, m] = observed[m, i] = -along_v / s2
        for j in range(i + 1):
            for a in range(p):
                observed[i, j] -= moved[i, a] * back[j, a]
                for b in range(p):
                    expected[i, j] += restricted * turned[i, a, b] * turned[j, b, a]
            observed[i, j] = 2.0 * observed[i, j] / s2 - expected[i, j]
            expected[j, i], observed[j, i] = expected[i, j], observed[i, j]
    observed[m, m] = expected[m, m] = nu


@njit(cache=True, error_model="numpy")
def quadratic(h: Floats, g: Floats, step: Floats) -> float:
    """Fill H^-1 g and return g'H^-1 g; nan where H is not positive definite."""
    m = len(g)
    a = np.zeros((m + 1, m + 1))
    for i in range(m):
        a[i, m] = a[m, i] = g[i]
        for j in range(m):
            a[i, j] = h[i, j]
    log_product = sweep(a, m + 1, m)
    for i in range(m):
        step[i] = a[i, m]
    return math.nan if math.isnan(log_product) else -a[m, m]


@njit(cache=True, error_model="numpy")
def in_factor(
    lam: Floats,
    entries: Ints,
    gradient: Floats,
    hessian: Floats,
    nu: float,
    jacobian: Floats,
    slope: Floats,
    out: Floats,
) -> None:
    """Fill slope and Hessian in the free entries of Lambda, sigma_e profiled out.

    ``dS = E Lambda' + Lambda E'``; the second derivative of S meets the gradient.
    """
    m = len(entries)
    for j in range(m):
        a, b = entries[j]
        slope[j] = 0.0
        for i in range(m):
            x, y = entries[i]
            jacobian[i, j] = (lam[y, b] if x == a else 0.0) + (lam[x, b] if y == a else 0.0)
            if x == y:
                jacobian[i, j] = 2.0 * lam[x, b] if x == a else 0.0
            slope[j] += jacobian[i, j] * gradient[i]
    for i in range(m):
        for j in range(m):
            out[i, j] = 0.0
            for x in range(m):
                for y in range(m):
                    free = hessian[x, y] - hessian[x, m] * hessian[y, m] / nu
                    out[i, j] += jacobian[x, i] * free * jacobian[y, j]
            if entries[i, 1] != entries[j, 1]:
                continue
            a, b = entries[i, 0], entries[j, 0]
            for e in range(m):  # the gradient of an entry off the diagonal is of both its places
                x, y = entries[e, 0], entries[e, 1]
                if (x == a and y == b) or (x == b and y == a):
                    out[i, j] += gradient[e] if x != y else 2.0 * gradient[e]
