"""Integrals over the effects of each group, by a trapezium rule about the integrand's mode.

With u = L v, v standard normal, a group's integrand is ``exp(sum l(y | eta0 + z'L v) - v'v/2)``.
Points lie on a lattice along the square root of the inverse curvature at its mode, shell by shell
until a shell adds nothing: what lies beyond is never cut off, as by a fixed rule. The spacing is
that of a normal integrand, or what the strip asks for in which the likelihood of a row is analytic
and bounded (poles of the logistic at ``Im eta = pi``; counts and cloglog grow from ``pi / 2``).
Along each axis the sums over every second and every third place are compared: they are rules of
twice and three times the spacing, and where they differ, as they do where an integrand falls off
faster than at its mode, the spacing is halved.

Derivatives are those of the integral (Louis 1982, JRSS B 44(2), eqs 3.1 and 3.2).

References
----------
Trefethen & Weideman (2014), SIAM Review 56(3), sec. 5: the error of the rule.
"""

import math

import numba
import numpy as np

from bayes_mlm.likelihood.quadrature.row_kernels import row, row_second

_LOG_2PI = math.log(2.0 * math.pi)
# Shells of points beyond which a group's integral is given up, and reported as not finite.
MOST_SHELLS = 3000
# Times that spacings are halved, of one effect and of more.
_MOST_HALVINGS = (8, 3)


@numba.njit(cache=True, error_model="numpy", nogil=True)
def find_group_modes(code, psi, cuts, eta0, y, trials, zl, starts, v, root):  # type: ignore[no-untyped-def]
    """Move v (J, q) to each group's mode by damped Newton; root (J, q, q): R R' = curvature^-1."""
    n_groups, q = v.shape
    one = np.empty(q)
    step = np.zeros(q)
    uphill = np.empty(q)
    inner = np.empty((q, q))
    for j in range(n_groups):
        best, length, settled = -np.inf, 1.0, False
        step[:] = 0.0
        for _ in range(200):
            value = 0.0
            for a in range(q):
                one[a] = v[j, a] + length * step[a]
                value -= 0.5 * one[a] * one[a]
                uphill[a] = -one[a]
                for b in range(q):
                    inner[a, b] = 1.0 if a == b else 0.0
            for i in range(starts[j], starts[j + 1]):
                eta = eta0[i]
                for a in range(q):
                    eta += zl[i, a] * one[a]
                k = int(y[i])
                low = cuts[k] if code >= 6 else 0.0
                high = cuts[k + 1] if code >= 6 else 0.0
                level, d1, d2, _, _ = row(code, y[i], trials[i], eta, psi, low, high)
                value += level
                for a in range(q):
                    uphill[a] += d1 * zl[i, a]
                    for b in range(a + 1):
                        inner[a, b] -= d2 * zl[i, a] * zl[i, b]
            if not value >= best - 1e-12 * (1.0 + abs(best)):
                length *= 0.5
                if length < 1e-12:
                    break
                continue
            best, length = value, 1.0
            for a in range(q):
                v[j, a] = one[a]
            # Cholesky of the curvature, in its lower triangle.
            for a in range(q):
                for b in range(a + 1):
                    total = inner[a, b]
                    for c in range(b):
                        total -= inner[a, c] * inner[b, c]
                    inner[a, b] = math.sqrt(total) if a == b else total / inner[b, b]
            if settled:
                break
            for a in range(q):
                total = uphill[a]
                for c in range(a):
                    total -= inner[a, c] * step[c]
                step[a] = total / inner[a, a]
            gain = 0.0
            for a in range(q):
                gain += step[a] * step[a]
            for a in range(q - 1, -1, -1):
                total = step[a]
                for c in range(a + 1, q):
                    total -= inner[c, a] * step[c]
                step[a] = total / inner[a, a]
            if gain < 1e-8:  # one more step, by which the error is squared
                settled = True
        # R is the inverse of the upper factor C', curvature = C C'.
        for b in range(q):
            for a in range(q - 1, -1, -1):
                total = 1.0 if a == b else 0.0
                for c in range(a + 1, q):
                    total -= inner[c, a] * root[j, c, b]
                root[j, a, b] = total / inner[a, a]


@numba.njit(cache=True, error_model="numpy", nogil=True)
def integrate_groups(  # type: ignore[no-untyped-def]
    code,
    psi,
    cuts,
    eta0,
    y,
    trials,
    X,
    Z,
    zl,
    starts,
    v,
    root,
    refine,
    eps,
    derive,
    out,
    score,
    hessian,
    mean_v,
    square_v,
):
    """Fill out (J,) with log integrals; with `derive` score (P,), hessian (P, P), moments of v.

    The P parameters are beta, the lower triangle of L by rows, and psi or the thresholds.
    """
    n_groups, q = v.shape
    p = X.shape[1]
    pairs = q * (q + 1) // 2
    n_aux = 1 if code in (4, 5) else (cuts.size - 2 if code >= 6 else 0)
    P = p + pairs + n_aux
    depth = -math.log(eps)
    # Relative difference of the rules of twice the spacing: its square at least is the error. It
    # may be small by chance, for its phase, when that of three times the spacing is not.
    alike = math.exp(-(0.4 if q == 1 else 0.29) * depth)
    # Of a normal integrand the difference is exp(-pi^2 / 2 spacing^2), and exp(-2 pi^2 / 9 ...).
    normal = math.pi / math.sqrt(2.0 * (math.log(1.0 / alike) + 1.2))
    flat = 10.0 * eps
    near = 1.3 * math.exp(-2.0 * math.pi**2 / (9.0 * normal * normal))
    strip = 0.5 * math.pi if 2 <= code <= 5 else math.pi
    most = 0
    for j in range(n_groups):
        most = max(most, starts[j + 1] - starts[j])
    moments = 1 + q + pairs
    weighed = np.empty((most, moments))
    seconds = np.empty(most)
    # Of the auxiliary parameters: those of one point, and sums over points.
    own = np.empty((most if n_aux else 0, 5))
    crossed = np.empty((most if n_aux else 0, 2, 1 + q))
    curved = np.empty((n_aux, n_aux))
    h = np.empty(q)
    point = np.empty(q)
    place = np.empty(q, np.int64)
    thirds = np.empty((q, 3))
    # Of one effect: the last two values on either side, and whether there is something beyond.
    last = np.empty((2, 2))
    going = np.empty(2, np.bool_)
    odd = np.empty(q)
    S = np.empty(P)
    first = np.empty(P)
    outer = np.empty((P, P))
    row_of, column_of = np.empty(pairs, np.int64), np.empty(pairs, np.int64)
    k = 0
    for a in range(q):
        for b in range(a + 1):
            row_of[k], column_of[k] = a, b
            k += 1
    for j in range(n_groups):
        lo, hi = starts[j], starts[j + 1]
        log_volume = 0.0
        for a in range(q):
            widest = 0.0
            for i in range(lo, hi):
                along = 0.0
                for b in range(q):
                    along += zl[i, b] * root[j, b, a]
                widest = max(widest, abs(along))
            h[a] = refine * min(normal, 2.0 * math.pi * strip / (widest * depth + 1e-300))
            log_volume += math.log(h[a]) + math.log(abs(root[j, a, a]))
        rough = 0.0
        top, total, shell, finished, halved = -np.inf, 0.0, 0, False, 0
        while not finished and shell < MOST_SHELLS:
            if shell == 0:
                total = rough = 0.0
                going[:] = True
                odd[:] = 0.0
                thirds[:] = 0.0
                for a in range(q):
                    mean_v[j, a] = 0.0
                    for b in range(q):
                        square_v[j, a, b] = 0.0
                if derive:
                    weighed[: hi - lo] = 0.0
                    first[:] = 0.0
                    outer[:] = 0.0
                    crossed[:] = 0.0
                    curved[:] = 0.0
            largest = -np.inf
            for a in range(q):
                place[a] = -shell
            while True:
                square = 0
                for a in range(q):
                    square += place[a] * place[a]
                # In the shell of radius `shell`, one wide.
                if q == 1:
                    inside = shell == 0 or going[0 if place[0] < 0 else 1]
                else:
                    inside = (shell - 1) * (shell - 1) < square <= shell * shell or shell == 0
                if inside:
                    value = 0.0
                    for a in range(q):
                        at = v[j, a]
                        for b in range(q):
                            at += root[j, a, b] * h[b] * place[b]
                        point[a] = at
                        value -= 0.5 * at * at
                    S[:] = 0.0
                    for i in range(lo, hi):
                        eta = eta0[i]
                        for a in range(q):
                            eta += zl[i, a] * point[a]
                        c = int(y[i])
                        low = cuts[c] if code >= 6 else 0.0
                        high = cuts[c + 1] if code >= 6 else 0.0
                        level, d1, d2, in_first, in_second = row(
                            code, y[i], trials[i], eta, psi, low, high
                        )
                        value += level
                        if derive:
                            seconds[i - lo] = d2
                            for m in range(p):
                                S[m] += d1 * X[i, m]
                            for m in range(pairs):
                                S[p + m] += d1 * Z[i, row_of[m]] * point[column_of[m]]
                            if n_aux:
                                aa, ab, bb, ea, eb = row_second(code, y[i], eta, psi, low, high)
                                own[i - lo, 0], own[i - lo, 1], own[i - lo, 2] = aa, ab, bb
                                own[i - lo, 3], own[i - lo, 4] = ea, eb
                            if code in (4, 5):
                                S[p + pairs] += in_first
                            elif code >= 6:
                                if c > 0:
                                    S[p + pairs + c - 1] += in_first
                                if c < n_aux:
                                    S[p + pairs + c] += in_second
                    largest = max(largest, value)
                    if shell == 0:
                        top = value
                    w = math.exp(min(value - top, 600.0))
                    if q == 1:
                        side = 0 if place[0] < 0 else 1
                        if shell == 0:
                            last[:, :] = value
                        elif shell > 1 or side == 1:
                            # A normal integrand of the second difference at the place before.
                            before = last[side, 1] if shell > 1 else last[0, 0]
                            bend = 2.0 * last[side, 0] - before - value
                            if bend > 0.0:
                                rough += math.exp(
                                    min(last[side, 0] - top, 600.0) - 2.0 * math.pi**2 / bend
                                )
                        last[side, 1], last[side, 0] = last[side, 0], value
                        if value < top - depth:
                            going[side] = False
                    total += w
                    for a in range(q):
                        thirds[a, place[a] % 3] += w
                        if place[a] % 2 != 0:
                            odd[a] += w
                    if derive and w > 0.0:
                        for a in range(q):
                            mean_v[j, a] += w * point[a]
                            for b in range(q):
                                square_v[j, a, b] += w * point[a] * point[b]
                        for m in range(P):
                            first[m] += w * S[m]
                            for r in range(m + 1):
                                outer[m, r] += w * S[m] * S[r]
                        for i in range(lo, hi):
                            wd = w * seconds[i - lo]
                            weighed[i - lo, 0] += wd
                            for a in range(q):
                                weighed[i - lo, 1 + a] += wd * point[a]
                            for m in range(pairs):
                                weighed[i - lo, 1 + q + m] += (
                                    wd * point[row_of[m]] * point[column_of[m]]
                                )
                            if n_aux:
                                c = int(y[i]) if code >= 6 else 1
                                if c > 0:
                                    curved[c - 1, c - 1] += w * own[i - lo, 0]
                                if code >= 6 and c < n_aux:
                                    curved[c, c] += w * own[i - lo, 2]
                                    if c > 0:
                                        curved[c, c - 1] += w * own[i - lo, 1]
                                for side in range(2):
                                    we = w * own[i - lo, 3 + side]
                                    crossed[i - lo, side, 0] += we
                                    for a in range(q):
                                        crossed[i - lo, side, 1 + a] += we * point[a]
                # The next place of the cube; of one effect only its two ends.
                a = q - 1
                while a >= 0:
                    if q == 1 and place[0] == -shell and shell > 0:
                        place[0] = shell
                        break
                    place[a] += 1
                    if place[a] <= shell:
                        break
                    place[a] = -shell
                    a -= 1
                if a < 0:
                    break
            finished = q == 0 or (shell > 0 and largest < top - depth)
            shell += 1
            if finished and halved < _MOST_HALVINGS[min(q, 2) - 1]:
                for a in range(q):
                    s0, s1, s2 = thirds[a]
                    third = math.sqrt(0.5 * ((s0 - s1) ** 2 + (s1 - s2) ** 2 + (s2 - s0) ** 2))
                    gap = abs(total - 2.0 * odd[a])
                    if gap > alike * total or third > near * total or rough > flat * total:
                        h[a] *= 0.5
                        log_volume -= math.log(2.0)
                        finished, shell = False, 0
                halved += 1
        if not finished:
            out[j] = np.nan
            continue
        out[j] = top + math.log(total) + log_volume - 0.5 * q * _LOG_2PI
        if not derive:
            continue
        for a in range(q):
            mean_v[j, a] /= total
        for a in range(q):
            for b in range(q):
                square_v[j, a, b] /= total
        for m in range(P):
            first[m] /= total
            score[m] += first[m]
        for m in range(P):
            for r in range(m + 1):
                hessian[m, r] += outer[m, r] / total - first[m] * first[r]
        for i in range(lo, hi):
            w0 = weighed[i - lo, 0] / total
            for m in range(p):
                for r in range(m + 1):
                    hessian[m, r] += w0 * X[i, m] * X[i, r]
            for m in range(pairs):
                zm = Z[i, row_of[m]]
                w1 = weighed[i - lo, 1 + column_of[m]] / total * zm
                for r in range(p):
                    hessian[p + m, r] += w1 * X[i, r]
                for r in range(m + 1):
                    b, c = column_of[m], column_of[r]
                    big, small = max(b, c), min(b, c)
                    w2 = weighed[i - lo, 1 + q + big * (big + 1) // 2 + small] / total
                    hessian[p + m, p + r] += w2 * zm * Z[i, row_of[r]]
            for side in range(2 if code >= 6 else min(n_aux, 1)):
                c = int(y[i]) - 1 + side if code >= 6 else 0
                if 0 <= c < n_aux:
                    for m in range(p):
                        hessian[p + pairs + c, m] += crossed[i - lo, side, 0] / total * X[i, m]
                    for m in range(pairs):
                        hessian[p + pairs + c, p + m] += (
                            crossed[i - lo, side, 1 + column_of[m]] / total * Z[i, row_of[m]]
                        )
        for m in range(n_aux):
            for r in range(m + 1):
                hessian[p + pairs + m, p + pairs + r] += curved[m, r] / total
    for m in range(P):
        for r in range(m):
            hessian[r, m] = hessian[m, r]
