"""Compiled sums over the rows of several grouping factors, at the joint mode of their effects.

The effects of all factors are one array, factor by factor and level by level: those of a row in
factor f begin at ``first[f] + codes[i, f] * q[f]``; its columns are side by side in a row of Z.
"""

import numba
import numpy as np

from bayes_mlm.likelihood.quadrature.row_kernels import row, row_second

# Of eta, psi or a threshold: central differences of second derivatives are good to ten digits.
_STEP = 2e-5


@numba.njit(cache=True, error_model="numpy", nogil=True)
def joint_rows(code, psi, cuts, eta0, y, trials, Z, codes, q, first, u, part, slope, weight):  # type: ignore[no-untyped-def]
    """Return the log-likelihood; fill the effects' part of eta, dl/deta and -d2l/deta2 (n,)."""
    total = 0.0
    for i in range(len(y)):
        effect, column = 0.0, 0
        for f in range(len(q)):
            at = first[f] + codes[i, f] * q[f]
            for a in range(q[f]):
                effect += Z[i, column] * u[at + a]
                column += 1
        part[i] = effect
        c = int(y[i]) if code >= 6 else 0
        low = cuts[c] if code >= 6 else 0.0
        high = cuts[c + 1] if code >= 6 else 0.0
        level, d1, d2, _, _ = row(code, y[i], trials[i], eta0[i] + effect, psi, low, high)
        total += level
        slope[i] = d1
        weight[i] = -d2
    return total


@numba.njit(cache=True, error_model="numpy", nogil=True)
def joint_sums(part, slope, weight, Z, codes, q, first, where, sets, blocks, right):  # type: ignore[no-untyped-def]
    """Fill the blocks Z_f'WZ_g, and in the last column of `right` Z'(W part + slope)."""
    blocks[:] = 0.0
    last = right.shape[1] - 1
    right[:] = 0.0
    starts = np.zeros(len(q) + 1, np.int64)
    for f in range(len(q)):
        starts[f + 1] = starts[f] + q[f]
    for i in range(len(part)):
        w = weight[i]
        working = w * part[i] + slope[i]
        for f in range(len(q)):
            at = first[f] + codes[i, f] * q[f]
            for a in range(q[f]):
                right[at + a, last] += working * Z[i, starts[f] + a]
        for k in range(sets.shape[0]):
            f, g, at = sets[k, 0], sets[k, 1], where[i, k]
            for a in range(q[f]):
                for b in range(q[g]):
                    blocks[at] += w * Z[i, starts[f] + a] * Z[i, starts[g] + b]
                    at += 1


@numba.njit(cache=True, error_model="numpy", nogil=True)
def project(values, Z, codes, q, first, out):  # type: ignore[no-untyped-def]
    """Fill out (Q,) with Z'values."""
    out[:] = 0.0
    for i in range(len(values)):
        column = 0
        for f in range(len(q)):
            at = first[f] + codes[i, f] * q[f]
            for a in range(q[f]):
                out[at + a] += values[i] * Z[i, column]
                column += 1


@numba.njit(cache=True, error_model="numpy", nogil=True)
def curvature_rows(  # type: ignore[no-untyped-def]
    code,
    psi,
    cuts,
    eta,
    y,
    trials,
    weight,
    Z,
    ZL,
    q,
    where,
    sets,
    inverse,
    lam_start,
    third,
    explicit,
    own,
    cross,
):
    """Fill what the log-determinant of the curvature M changes by, row by row.

    With h = z'Lambda inv(M) Lambda'z of a row: third (n,) = h d3l/deta3; explicit (k,), for the
    entries of the factors Lambda, the sum of w z (inv(M) Lambda'z); own (A,) of the auxiliary
    parameters the sums of dl/da + h/2 d3l/deta2da, and cross (n, 2) d2l/deta da of the two (or
    one) that a row has.
    """
    starts = np.zeros(len(q) + 1, np.int64)
    for f in range(len(q)):
        starts[f + 1] = starts[f] + q[f]
    moved = np.empty(starts[-1])
    explicit[:] = 0.0
    own[:] = 0.0
    n_aux = len(own)
    for i in range(len(y)):
        moved[:] = 0.0
        for k in range(sets.shape[0]):
            f, g, at = sets[k, 0], sets[k, 1], where[i, k]
            for a in range(q[f]):
                for b in range(q[g]):
                    moved[starts[f] + a] += inverse[at] * ZL[i, starts[g] + b]
                    if f != g:
                        moved[starts[g] + b] += inverse[at] * ZL[i, starts[f] + a]
                    at += 1
        h = 0.0
        for f in range(len(q)):
            for a in range(q[f]):
                h += moved[starts[f] + a] * ZL[i, starts[f] + a]
                for b in range(q[f]):
                    explicit[lam_start[f] + a * q[f] + b] += (
                        weight[i] * Z[i, starts[f] + a] * moved[starts[f] + b]
                    )
        c = int(y[i]) if code >= 6 else 0
        low = cuts[c] if code >= 6 else 0.0
        high = cuts[c + 1] if code >= 6 else 0.0
        up = row(code, y[i], trials[i], eta[i] + _STEP, psi, low, high)[2]
        down = row(code, y[i], trials[i], eta[i] - _STEP, psi, low, high)[2]
        third[i] = h * (up - down) / (2.0 * _STEP)
        if n_aux == 0:
            continue
        _, _, _, first_a, first_b = row(code, y[i], trials[i], eta[i], psi, low, high)
        _, _, _, eta_a, eta_b = row_second(code, y[i], eta[i], psi, low, high)
        cross[i, 0], cross[i, 1] = eta_a, eta_b
        if code < 6:
            up = row(code, y[i], trials[i], eta[i], psi + _STEP, low, high)[2]
            down = row(code, y[i], trials[i], eta[i], psi - _STEP, low, high)[2]
            own[0] += first_a + 0.5 * h * (up - down) / (2.0 * _STEP)
            continue
        if c > 0:
            up = row(code, y[i], trials[i], eta[i], psi, low + _STEP, high)[2]
            down = row(code, y[i], trials[i], eta[i], psi, low - _STEP, high)[2]
            own[c - 1] += first_a + 0.5 * h * (up - down) / (2.0 * _STEP)
        if c < n_aux:
            up = row(code, y[i], trials[i], eta[i], psi, low, high + _STEP)[2]
            down = row(code, y[i], trials[i], eta[i], psi, low, high - _STEP)[2]
            own[c] += first_b + 0.5 * h * (up - down) / (2.0 * _STEP)
