"""Compiled numerics of the factor: assembly, factorisation, inverse, solves and draws.

``M = Lambda'Z'Z Lambda + I``, bordered by X and y (Bates et al. 2015, J. Stat. Softw. 67(1), eq.
19), is factorised as a sparse head and a dense tail. A tail entry (row, column) is stored at
``[column, row]``, so that LAPACK, which reads arrays by columns, sees a lower triangle.
"""

import numpy as np
from numba import njit

# Each kernel is one long function: to call one costs the reference counts of all arrays that it
# takes, which in the loop over the columns took eight times as long as the arithmetic.


@njit(cache=True)
def assemble(lam, a, Lx, LX, T):  # type: ignore[no-untyped-def]
    """Fill the head Lx, its rows LX against X and y, and the tail T, from relative factors."""
    head, p1, starts, right = a.sizes[1], a.total.shape[0], a.starts, a.right
    sets, blocks, target, lam_start = a.sets, a.blocks, a.target, a.lam_start
    tz, flat = a.sizes[2] - p1, T.ravel()
    Lx[:] = 0.0
    T[:] = 0.0
    widest = 1
    for q in a.q:
        widest = max(widest, q)
    half = np.empty((widest, widest))
    for k in range(sets.shape[0]):
        f, g, qf, qg, count, first = sets[k]
        Lf, Lg = lam[lam_start[f] : lam_start[f + 1]], lam[lam_start[g] : lam_start[g + 1]]
        same = f == g
        if qf == 1 and qg == 1:
            weight, add = Lf[0] * Lg[0], 1.0 if same else 0.0
            for e in range(first, first + count):
                place, value = target[e], weight * blocks[e] + add
                if place >= 0:
                    Lx[place] = value
                else:
                    flat[-place - 1] = value
            continue
        for at in range(first, first + count * qf * qg, qf * qg):
            for i in range(qf):
                for j in range(qg):
                    value = 0.0
                    for d in range(qg):
                        value += blocks[at + i * qg + d] * Lg[d * qg + j]
                    half[i, j] = value
            for i in range(qf):
                for j in range(i + 1 if same else qg):
                    value = 1.0 if same and i == j else 0.0
                    for d in range(qf):
                        value += Lf[d * qf + i] * half[d, j]
                    place = target[at + i * qg + j]
                    if place >= 0:
                        Lx[place] = value
                    else:
                        flat[-place - 1] = value
    row, level = 0, 0
    for f in range(len(a.q)):
        q, L = a.q[f], lam[lam_start[f] : lam_start[f + 1]]
        for _ in range(a.m[f]):
            for i in range(q):
                j = starts[level] + i
                for k in range(p1):
                    value = 0.0
                    for d in range(q):
                        value += L[d * q + i] * right[row + d, k]
                    if j < head:
                        LX[j, k] = value
                    else:
                        T[j - head, tz + k] = value
            level += 1
            row += q
    for j in range(p1):
        for k in range(j, p1):
            T[tz + j, tz + k] = a.total[j, k]


@njit(cache=True)
def factor_head(a, Lx, LX, T, work, following, link, place):  # type: ignore[no-untyped-def]
    """Factorise the head in place (left-looking), and subtract its part from the tail.

    A column that contributes to others waits in the list of the next one (link, following).

    Returns the log-determinant of the head; nan where it is not positive definite.
    """
    p1 = LX.shape[1]
    head, tz, Lp, Li, Lt = a.sizes[1], a.sizes[2] - p1, a.Lp, a.Li, a.Lt
    link[:head] = -1
    logdet = 0.0
    for j in range(head):
        start, end = Lp[j], Lp[j + 1]
        k = link[j]
        if k >= 0:
            for p in range(start, end):
                work[Li[p]] = Lx[p]
            while k >= 0:
                after, at = following[k], place[k]
                value = Lx[at]
                for p in range(at, Lp[k + 1]):
                    work[Li[p]] -= value * Lx[p]
                for c in range(p1):
                    LX[j, c] -= value * LX[k, c]
                at += 1
                if at < Lt[k]:
                    row = Li[at]
                    place[k], following[k] = at, link[row]
                    link[row] = k
                k = after
            for p in range(start, end):
                Lx[p] = work[Li[p]]
        if not Lx[start] > 0.0:
            return np.nan
        root = np.sqrt(Lx[start])
        logdet += 2.0 * np.log(root)
        Lx[start] = root
        inverse = 1.0 / root
        for p in range(start + 1, end):
            Lx[p] *= inverse
        for c in range(p1):
            LX[j, c] *= inverse
        if start + 1 < Lt[j]:
            row = Li[start + 1]
            place[j], following[j] = start + 1, link[row]
            link[row] = j
        for p in range(Lt[j], end):
            value, row = Lx[p], Li[p] - head
            for other in range(p, end):
                T[row, Li[other] - head] -= value * Lx[other]
            for c in range(p1):
                T[row, tz + c] -= value * LX[j, c]
        for c in range(p1):
            value = LX[j, c]
            for other in range(c, p1):
                T[tz + c, tz + other] -= value * LX[j, other]
    return logdet


@njit(cache=True)
def factor_tail(T):  # type: ignore[no-untyped-def]
    """Factorise a small tail in place; whether it is positive definite."""
    n = T.shape[0]
    for j in range(n):
        if not T[j, j] > 0.0:
            return False
        root = np.sqrt(T[j, j])
        T[j, j], inverse = root, 1.0 / root
        for i in range(j + 1, n):
            T[j, i] *= inverse
        for k in range(j + 1, n):
            value = T[j, k]
            if value != 0.0:
                for i in range(k, n):
                    T[k, i] -= value * T[j, i]
    return True


@njit(cache=True)
def forward_head(a, Lx, B):  # type: ignore[no-untyped-def]
    """Solve with the head of L from the left in place: B (Q, k); rows of the tail are updated."""
    Lp, Li = a.Lp, a.Li
    for j in range(a.sizes[1]):
        start = Lp[j]
        for r in range(B.shape[1]):
            B[j, r] /= Lx[start]
        for p in range(start + 1, Lp[j + 1]):
            for r in range(B.shape[1]):
                B[Li[p], r] -= Lx[p] * B[j, r]


@njit(cache=True)
def backward_head(a, Lx, B):  # type: ignore[no-untyped-def]
    """Solve with the transpose of L in place: B (Q, k), of which the rows of the tail are known."""
    Lp, Li = a.Lp, a.Li
    for j in range(a.sizes[1] - 1, -1, -1):
        start = Lp[j]
        for p in range(start + 1, Lp[j + 1]):
            for r in range(B.shape[1]):
                B[j, r] -= Lx[p] * B[Li[p], r]
        for r in range(B.shape[1]):
            B[j, r] /= Lx[start]


@njit(cache=True)
def invert_head(a, Lx, LX, S, Sx, SX, work, where):  # type: ignore[no-untyped-def]
    """Compute the inverse of M on the pattern of the head, from that of the tail.

    Takahashi's recursion (Takahashi, Fagan & Chin 1973; Erisman & Tinney 1975, Comm. ACM 18(3)).

    S is the inverse (tz + p, tz + p) of the tail with the p columns of X; Sx is filled on the
    pattern of the head, SX (h, p) against X. `where` is -1 everywhere, before and after.
    """
    head, Lp, Li, Lt, p = a.sizes[1], a.Lp, a.Li, a.Lt, SX.shape[1]
    tz = S.shape[0] - p
    for j in range(head - 1, -1, -1):
        start, end, tail = Lp[j], Lp[j + 1], Lt[j]
        root = 1.0 / Lx[start]
        for q in range(start + 1, end):
            where[Li[q]] = q
            work[q - start] = 0.0
        for c in range(p):
            SX[j, c] = 0.0
        for q in range(start + 1, tail):
            k, value = Li[q], Lx[q]
            work[q - start] += value * Sx[Lp[k]]
            for r in range(Lp[k] + 1, Lp[k + 1]):
                w = where[Li[r]]
                if w >= 0:
                    work[w - start] += value * Sx[r]
                    work[q - start] += Lx[w] * Sx[r]
            for c in range(p):
                SX[j, c] += value * SX[k, c]
                work[q - start] += LX[j, c] * SX[k, c]
        for q in range(tail, end):
            value, row = Lx[q], Li[q] - head
            for r in range(tail, end):
                work[r - start] += value * S[row, Li[r] - head]
            for c in range(p):
                SX[j, c] += value * S[row, tz + c]
                work[q - start] += LX[j, c] * S[row, tz + c]
        for c in range(p):
            for other in range(p):
                SX[j, other] += LX[j, c] * S[tz + c, tz + other]
        diagonal = root
        for q in range(start + 1, end):
            Sx[q] = -work[q - start] * root
            diagonal -= Lx[q] * Sx[q]
            where[Li[q]] = -1
        for c in range(p):
            SX[j, c] *= -root
            diagonal -= LX[j, c] * SX[j, c]
        Sx[start] = diagonal * root


@njit(cache=True)
def _effects(f, first, row, lam, v, a, u):  # type: ignore[no-untyped-def]
    """Fill in ``Lambda v`` of one factor, from its first level and row."""
    q, L, starts = a.q[f], lam[a.lam_start[f] : a.lam_start[f + 1]], a.starts
    for k in range(a.m[f]):
        start = starts[first + k]
        for i in range(q):
            value = 0.0
            for d in range(q):
                value += L[i * q + d] * v[start + d, 0]
            u[row + k * q + i] = value


@njit(cache=True)
def mirror(S):  # type: ignore[no-untyped-def]
    """Copy the upper triangle to the lower in place, block by block to stay in the cache."""
    n, block = S.shape[0], 64
    for i in range(0, n, block):
        for j in range(i, n, block):
            for row in range(i, min(i + block, n)):
                for column in range(max(j, row + 1), min(j + block, n)):
                    S[column, row] = S[row, column]


@njit(cache=True)
def _evaluate(lam, a, Lx, LX, T, work, following, link, place, root):  # type: ignore[no-untyped-def]
    """Fill the root of the Schur complement of X and y, and return log|M|; nan where singular."""
    assemble(lam, a, Lx, LX, T)
    total = factor_head(a, Lx, LX, T, work, following, link, place)
    if np.isnan(total) or not factor_tail(T):
        root[:] = np.nan
        return np.nan
    p1 = root.shape[0]
    tz = T.shape[0] - p1
    for k in range(tz):
        total += 2.0 * np.log(T[k, k])
    for j in range(p1):
        for i in range(j, p1):
            root[i, j] = T[tz + j, tz + i]
    return total


@njit(cache=True)
def evaluate_small(lam, a):  # type: ignore[no-untyped-def]
    """Return log|M| (B,), and the root (B, p + 1, p + 1) of the Schur complement of X and y.

    For relative factors lam (B, k), by a tail that needs no LAPACK; nan where M is singular.
    """
    Q, head, tail = a.sizes
    p1, n = a.total.shape[0], lam.shape[0]
    logdet, roots = np.empty(n), np.zeros((n, p1, p1))
    Lx, LX, T = np.zeros(len(a.Li)), np.zeros((head, p1)), np.zeros((tail, tail))
    work = np.zeros(Q)
    following, link = np.zeros(head, np.int64), np.zeros(head, np.int64)
    place = np.zeros(head, np.int64)
    for b in range(n):
        logdet[b] = _evaluate(lam[b], a, Lx, LX, T, work, following, link, place, roots[b])
    return logdet, roots


@njit(cache=True)
def _solve_tail(a, sigma, beta, noise, LX, T, v):  # type: ignore[no-untyped-def]
    """Fill v: of the tail what solves, of the head the right-hand side."""
    head, p = a.sizes[1], a.total.shape[0] - 1
    tz = a.sizes[2] - p - 1
    for j in range(tz - 1, -1, -1):
        value = T[j, tz + p] + sigma * noise[head + j]
        for k in range(p):
            value -= T[j, tz + k] * beta[k]
        for k in range(j + 1, tz):
            value -= T[j, k] * v[head + k, 0]
        v[head + j, 0] = value / T[j, j]
    for j in range(head):
        value = LX[j, p] + sigma * noise[j]
        for k in range(p):
            value -= LX[j, k] * beta[k]
        v[j, 0] = value


@njit(cache=True)
def draw_small(lam, sigma, beta, noise, a):  # type: ignore[no-untyped-def]
    """Return group effects (B, Q), factor by factor, given the parameters.

    ``L'v = L^-1 Lambda'Z'(y - X beta) + sigma noise`` and ``u = Lambda v``; noise (B, Q) is
    standard normal, or zero for the conditional means.
    """
    Q, head, tail = a.sizes
    p1 = a.total.shape[0]
    n = lam.shape[0]
    u, v = np.empty((n, Q)), np.empty((Q, 1))
    Lx, LX, T = np.zeros(len(a.Li)), np.zeros((head, p1)), np.zeros((tail, tail))
    work = np.zeros(Q)
    following, link = np.zeros(head, np.int64), np.zeros(head, np.int64)
    place = np.zeros(head, np.int64)
    for b in range(n):
        assemble(lam[b], a, Lx, LX, T)
        factor_head(a, Lx, LX, T, work, following, link, place)
        factor_tail(T)
        _solve_tail(a, sigma[b], beta[b], noise[b], LX, T, v)
        backward_head(a, Lx, v)
        level, row = 0, 0
        for f in range(len(a.q)):
            _effects(f, level, row, lam[b], v, a, u[b])
            level += a.m[f]
            row += a.m[f] * a.q[f]
    return u


@njit(cache=True)
def evaluate_responses(lam, which, responses, a):  # type: ignore[no-untyped-def]
    """Return what `evaluate_small` does, at each point of one of several outcomes.

    The outcome of lam (B, k) is ``which`` (B,); a row of `responses` is ``Z'y``, ``X'y`` and
    ``y'y``. The products of y in `a` are overwritten.
    """
    Q, head, tail = a.sizes
    p1 = a.total.shape[0]
    p, n = p1 - 1, lam.shape[0]
    rows, current = a.right.shape[0], -1
    logdet, roots = np.empty(n), np.zeros((n, p1, p1))
    Lx, LX, T = np.zeros(len(a.Li)), np.zeros((head, p1)), np.zeros((tail, tail))
    work = np.zeros(Q)
    following, link = np.zeros(head, np.int64), np.zeros(head, np.int64)
    place = np.zeros(head, np.int64)
    for b in range(n):
        if which[b] != current:
            current = which[b]
            for row in range(rows):
                a.right[row, p] = responses[current, row]
            for k in range(p1):
                value = responses[current, rows + k]
                a.total[p, k] = value
                a.total[k, p] = value
        logdet[b] = _evaluate(lam[b], a, Lx, LX, T, work, following, link, place, roots[b])
    return logdet, roots
