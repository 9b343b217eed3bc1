"""A compiled pass over the rows for Newton's method in coefficients and group effects together."""

import math

import numpy as np
from numba import njit

from bayes_mlm.base import Floats, Ints
from bayes_mlm.likelihood import row, row_second


@njit(cache=True, error_model="numpy", nogil=True)
def newton_pass(
    code: int,
    psi: float,
    y: Floats,
    trials: Floats,
    thresholds: Floats,
    eta: Floats,
    X: Floats,
    Z: Floats,
    starts: Ints,
    v: Floats,
    precision: Floats,
    s: Floats,
    uphill: Floats,
    inner: Floats,
    move: Floats,
    cross: Floats,
) -> tuple[float, float, float]:
    """Return log-likelihood less |v|^2 / 2, sum of log|H_j|, and the decrement of the effects.

    Parameters
    ----------
    code, psi : int, float
        Of the family, as `row` takes them.
    y, trials, thresholds : arrays
    eta : (n,) array
        x'b + offset, without the effects.
    X : (n, p) array
    Z : (n, q) array
        Times the root of the effects' covariance.
    starts : (J + 1,) array
        First row of each group.
    v : (J, q) array
    precision : (k, k) array
        Added to the information of the k = p + len(thresholds) coefficients.
    s : (k, k) array
        Set to the Schur complement, of the coefficients, of the information.
    uphill : (k,) array
        Set to the score in the coefficients less what the effects take of it.
    inner : (J, q, q) array
        Set to the information H_j of the effects; its upper triangle is not.
    move, cross : (J, q), (J, q, k) arrays
        Set to ``H_j^-1 G_j`` and ``H_j^-1 C_j``: the step in v is `move` less `cross` times that of
        the coefficients.
    """
    groups, q, p, cuts = len(starts) - 1, v.shape[1], X.shape[1], len(thresholds)
    k = p + cuts
    for a in range(k):
        uphill[a] = 0.0
        for b in range(k):
            s[a, b] = precision[a, b]
    value, logdet, gain = 0.0, 0.0, 0.0
    h, g, c = np.empty((max(q, 1), max(q, 1))), np.empty(max(q, 1)), np.empty((max(q, 1), k))
    solved = np.empty(max(q, 1))
    for j in range(groups):
        for a in range(q):
            g[a] = -v[j, a]
            value -= 0.5 * v[j, a] * v[j, a]
            for b in range(q):
                h[a, b] = 1.0 if a == b else 0.0
            for b in range(k):
                c[a, b] = 0.0
        for i in range(starts[j], starts[j + 1]):
            t = eta[i]
            for a in range(q):
                t += Z[i, a] * v[j, a]
            place = int(y[i]) if cuts else 0
            low = thresholds[place - 1] if place > 0 else -math.inf
            high = thresholds[place] if place < cuts else math.inf
            level, d1, second, in_low, in_high = row(code, y[i], trials[i], t, psi, low, high)
            value += level
            d2 = -second
            if cuts:
                aa, ab, bb, with_low, with_high = row_second(code, y[i], t, psi, low, high)
                many = trials[i]
                aa, ab, bb = many * aa, many * ab, many * bb
                with_low, with_high = many * with_low, many * with_high
                for side in range(2):
                    at = p + place - 1 + side
                    if at < p or at >= k:
                        continue
                    mixed = with_low if side == 0 else with_high
                    uphill[at] += in_low if side == 0 else in_high
                    s[at, at] -= aa if side == 0 else bb
                    for b in range(p):
                        s[at, b] -= mixed * X[i, b]
                    for a in range(q):
                        c[a, at] -= mixed * Z[i, a]
                if 0 < place < cuts:
                    s[p + place, p + place - 1] -= ab
            for a in range(p):
                w = d2 * X[i, a]
                uphill[a] += d1 * X[i, a]
                for b in range(a + 1):
                    s[a, b] += w * X[i, b]
            for a in range(q):
                w = d2 * Z[i, a]
                g[a] += d1 * Z[i, a]
                for b in range(p):
                    c[a, b] += w * X[i, b]
                for b in range(a + 1):
                    h[a, b] += w * Z[i, b]
        for a in range(q):  # Cholesky
            for b in range(a + 1):
                inner[j, a, b] = total = h[a, b]
                for m in range(b):
                    total -= h[a, m] * h[b, m]
                h[a, b] = math.sqrt(total) if a == b else total / h[b, b]
            logdet += 2.0 * math.log(h[a, a])
        for column in range(k + 1):
            for a in range(q):
                total = g[a] if column == k else c[a, column]
                for m in range(a):
                    total -= h[a, m] * solved[m]
                solved[a] = total / h[a, a]
            for a in range(q - 1, -1, -1):
                for m in range(a + 1, q):
                    solved[a] -= h[m, a] * solved[m]
                solved[a] /= h[a, a]
            for a in range(q):
                if column == k:
                    move[j, a] = solved[a]
                    gain += solved[a] * g[a]
                else:
                    cross[j, a, column] = solved[a]
        if q:
            for a in range(k):
                for m in range(q):
                    uphill[a] -= c[m, a] * move[j, m]
                    for b in range(a + 1):
                        s[a, b] -= c[m, a] * cross[j, m, b]
    for a in range(k):
        for b in range(a):
            s[b, a] = s[a, b]
    return value, logdet, gain
