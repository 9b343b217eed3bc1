"""Compiled sums over groups of which no two share a design, in one pass for many covariances.

Groups are worked on in the blocks of `RotatedMoments.blocks`, an entry of their small matrices at a
time, so that every inner loop runs along contiguous numbers and the processor does several groups
at once. With ``N = I + R S R' = L L'``, ``X = L^-1 C`` and ``P = L^-1 R``:

    C'N^-1 C = X'X        F = R'N^-1 C = P'X        G = R'N^-1 R = P'P

This module imports numba, so it is imported where there are many groups and nowhere else.
"""

import math

import numba
import numpy as np

from bayes_mlm.base import Flags, Floats
from bayes_mlm.moments import BLOCK

# Determinants up to this size are multiplied over a block before their log is taken: 128 of them
# are below 1e256.
_MODERATE = 1e2
# Sums may be reordered; not-a-number and infinity keep their meaning.
_FAST = {"reassoc", "contract", "arcp", "nsz"}


@numba.njit(cache=True, error_model="numpy", nogil=True, fastmath=_FAST)
def _add(row: Floats, factor: float, column: Floats) -> None:
    for g in range(BLOCK):
        row[g] += factor * column[g]


@numba.njit(cache=True, error_model="numpy", nogil=True, fastmath=_FAST)
def _add_product(row: Floats, one: Floats, two: Floats) -> None:
    for g in range(BLOCK):
        row[g] += one[g] * two[g]


@numba.njit(cache=True, error_model="numpy", nogil=True, fastmath=_FAST)
def _subtract_product(row: Floats, one: Floats, two: Floats) -> None:
    for g in range(BLOCK):
        row[g] -= one[g] * two[g]


@numba.njit(cache=True, error_model="numpy", nogil=True, fastmath=_FAST)
def _scale(row: Floats, by: Floats) -> None:
    for g in range(BLOCK):
        row[g] *= by[g]


@numba.njit(cache=True, error_model="numpy", nogil=True, fastmath=_FAST)
def _dot(one: Floats, two: Floats) -> float:
    found = 0.0
    for g in range(BLOCK):
        found += one[g] * two[g]
    return found


@numba.njit(cache=True, error_model="numpy", nogil=True, fastmath=_FAST)
def _factor_one(r: Floats, s: Floats, inverse: Floats) -> None:
    """Factor N as `_factor_block`, of one effect."""
    s00 = s[0, 0]
    for g in range(BLOCK):
        d0 = 1.0 + s00 * r[0, g] * r[0, g]
        inverse[0, g] = 1.0 / math.sqrt(d0)
        inverse[1, g] = d0


@numba.njit(cache=True, error_model="numpy", nogil=True, fastmath=_FAST)
def _factor_two(r: Floats, s: Floats, lower: Floats, inverse: Floats) -> None:
    """Factor N as `_factor_block`, of two effects."""
    s00, s10, s11 = s[0, 0], s[1, 0], s[1, 1]
    for g in range(BLOCK):
        a, b, c, d = r[0, g], r[1, g], r[2, g], r[3, g]
        n00 = 1.0 + (s00 * a + s10 * b) * a + (s10 * a + s11 * b) * b
        e, f = s00 * c + s10 * d, s10 * c + s11 * d
        n10 = e * a + f * b
        n11 = 1.0 + e * c + f * d
        i0 = 1.0 / math.sqrt(n00)
        l10 = n10 * i0
        d1 = n11 - l10 * l10
        lower[2, g] = l10
        inverse[0, g] = i0
        inverse[1, g] = 1.0 / math.sqrt(d1)
        inverse[2, g] = n00 * d1 if d1 > 0.0 else np.nan


@numba.njit(cache=True, error_model="numpy", nogil=True, fastmath=_FAST)
def _factor_three(r: Floats, s: Floats, lower: Floats, inverse: Floats) -> None:
    """Factor N as `_factor_block`, of three effects."""
    s00, s10, s20, s11, s21, s22 = s[0, 0], s[1, 0], s[2, 0], s[1, 1], s[2, 1], s[2, 2]
    for g in range(BLOCK):
        a, b, c = r[0, g], r[1, g], r[2, g]
        n00 = 1.0 + (s00 * a + s10 * b + s20 * c) * a
        n00 += (s10 * a + s11 * b + s21 * c) * b + (s20 * a + s21 * b + s22 * c) * c
        d, e, f = r[3, g], r[4, g], r[5, g]
        x, y, z = (
            s00 * d + s10 * e + s20 * f,
            s10 * d + s11 * e + s21 * f,
            s20 * d + s21 * e + s22 * f,
        )
        n10 = x * a + y * b + z * c
        n11 = 1.0 + x * d + y * e + z * f
        h, i, j = r[6, g], r[7, g], r[8, g]
        x, y, z = (
            s00 * h + s10 * i + s20 * j,
            s10 * h + s11 * i + s21 * j,
            s20 * h + s21 * i + s22 * j,
        )
        n20, n21 = x * a + y * b + z * c, x * d + y * e + z * f
        n22 = 1.0 + x * h + y * i + z * j
        i0 = 1.0 / math.sqrt(n00)
        l10, l20 = n10 * i0, n20 * i0
        d1 = n11 - l10 * l10
        i1 = 1.0 / math.sqrt(d1)
        l21 = (n21 - l20 * l10) * i1
        d2 = n22 - l20 * l20 - l21 * l21
        lower[3, g], lower[6, g], lower[7, g] = l10, l20, l21
        inverse[0, g], inverse[1, g] = i0, i1
        inverse[2, g] = 1.0 / math.sqrt(d2)
        inverse[3, g] = n00 * d1 * d2 if min(d1, d2) > 0.0 else np.nan


@numba.njit(cache=True, error_model="numpy", nogil=True, fastmath=_FAST)
def _assemble(r: Floats, shown: Flags, s: Floats, work: Floats, lower: Floats) -> None:
    """Compute the lower triangles of ``N = I + R S R'``."""
    q = len(s)
    work[:] = 0.0
    for a in range(q):
        for d in range(q):
            if shown[a * q + d]:
                for b in range(q):
                    _add(work[a * q + b], s[d, b], r[a * q + d])
    for a in range(q):
        for b in range(a + 1):
            entry = lower[a * q + b]
            entry[:] = 1.0 if a == b else 0.0
            for d in range(q):
                if shown[b * q + d]:
                    _add_product(entry, work[a * q + d], r[b * q + d])


@numba.njit(cache=True, error_model="numpy", nogil=True, fastmath=_FAST)
def _factor_block(
    r: Floats, shown: Flags, s: Floats, work: Floats, lower: Floats, inverse: Floats
) -> None:
    """Factor N of a block: L (q*q, BLOCK) below the diagonal; 1 / its diagonal and |N|.

    The latter two are the rows of `inverse` (q+1, BLOCK). A pivot lost to rounding makes |N| not a
    number, whatever the signs of the others.
    """
    q = len(s)
    if q == 1:
        _factor_one(r, s, inverse)
        return
    if q == 2:
        _factor_two(r, s, lower, inverse)
        return
    if q == 3:
        _factor_three(r, s, lower, inverse)
        return
    _assemble(r, shown, s, work, lower)
    determinant = inverse[q]
    determinant[:] = 1.0
    for j in range(q):
        pivot, one = lower[j * q + j], inverse[j]
        for d in range(j):
            _subtract_product(pivot, lower[j * q + d], lower[j * q + d])
        for g in range(BLOCK):
            one[g] = 1.0 / math.sqrt(pivot[g])
            determinant[g] *= pivot[g] if pivot[g] > 0.0 else np.nan
        for i in range(j + 1, q):
            entry = lower[i * q + j]
            for d in range(j):
                _subtract_product(entry, lower[i * q + d], lower[j * q + d])
            _scale(entry, one)


@numba.njit(cache=True, error_model="numpy", nogil=True, fastmath=_FAST)
def _third_row(
    column: Floats, f0: Floats, x0: Floats, f1: Floats, x1: Floats, one: Floats, row: Floats
) -> None:
    for g in range(BLOCK):
        row[g] = (column[g] - f0[g] * x0[g] - f1[g] * x1[g]) * one[g]


@numba.njit(cache=True, error_model="numpy", nogil=True, fastmath=_FAST)
def _solve_block(
    source: Floats, k: int, lower: Floats, inverse: Floats, q: int, out: Floats
) -> None:
    """Solve ``L X = source`` of a block: source and X (q*k, BLOCK)."""
    for i in range(q):
        one = inverse[i]
        for a in range(k):
            row, column = out[i * k + a], source[i * k + a]
            if i == 1:
                factor, above = lower[q], out[a]
                for g in range(BLOCK):
                    row[g] = (column[g] - factor[g] * above[g]) * one[g]
                continue
            if i == 2:
                _third_row(column, lower[2 * q], out[a], lower[2 * q + 1], out[k + a], one, row)
                continue
            row[:] = column
            for d in range(i):
                _subtract_product(row, lower[i * q + d], out[d * k + a])
            _scale(row, one)


@numba.njit(cache=True, error_model="numpy", nogil=True, fastmath=_FAST)
def _log_sum(determinant: Floats) -> float:
    """Sum the logs of m determinants, each 1 or more."""
    largest, product, total = 0.0, 1.0, 0.0
    for g in range(BLOCK):
        largest = max(largest, determinant[g])
        product *= determinant[g]
    if largest < _MODERATE:
        return math.log(product)  # not a number if one of them is not
    for g in range(BLOCK):
        total += math.log(determinant[g])
    return total


@numba.njit(cache=True, error_model="numpy", nogil=True, fastmath=_FAST)
def _add_cross(left: Floats, right: Floats, q: int, k: int, total: Floats) -> None:
    """Add ``sum left' right`` of a block to the lower triangle of total (k, k)."""
    for a in range(k):
        for b in range(a + 1):
            found = 0.0
            if q == 2:
                one, two, three, four = left[a], right[b], left[k + a], right[k + b]
                for g in range(BLOCK):
                    found += one[g] * two[g] + three[g] * four[g]
            else:
                for i in range(q):
                    found += _dot(left[i * k + a], right[i * k + b])
            total[a, b] += found


@numba.njit(cache=True, error_model="numpy", nogil=True, fastmath=_FAST)
def evaluate(r: Floats, c: Floats, shown: Flags, s: Floats, logdet: Floats, a: Floats) -> None:
    """Add ``sum log|N|`` to logdet (B,), and ``sum C'N^-1 C`` to lower triangles of a (B, k, k).

    Parameters
    ----------
    r : (blocks, q*q, BLOCK) array
        Entries of R, by rows; of zeros where the last block has no groups.
    c : (blocks, q*k, BLOCK) array
        Entries of C, by rows.
    shown : (q*q,) array of bool
        Whether an entry of R differs from zero in any group.
    s : (B, q, q) array
        Relative covariances of the effects of the centred Z.
    logdet, a : arrays
        Changed in place.
    """
    q, k = s.shape[1], a.shape[1]
    work, lower = np.empty((q * q, BLOCK)), np.empty((q * q, BLOCK))
    inverse = np.empty((q + 1, BLOCK))
    x = np.empty((q * k, BLOCK))
    for block in range(len(r)):
        for b in range(len(s)):
            _factor_block(r[block], shown, s[b], work, lower, inverse)
            logdet[b] += _log_sum(inverse[q])
            _solve_block(c[block], k, lower, inverse, q, x)
            _add_cross(x, x, q, k, a[b])


@numba.njit(cache=True, error_model="numpy", nogil=True, fastmath=_FAST)
def _cross_block(left: Floats, right: Floats, q: int, k: int, out: Floats) -> None:
    """Compute ``left' right`` of each group: left (q*q, BLOCK), right and out (q*k, BLOCK)."""
    out[:] = 0.0
    for i in range(q):
        for a in range(q):
            for b in range(k):
                _add_product(out[a * k + b], left[i * q + a], right[i * k + b])


@numba.njit(cache=True, error_model="numpy", nogil=True, fastmath=_FAST)
def _weigh_block(f: Floats, weight: Floats, part: Floats, q: int, out: Floats) -> None:
    """Compute the lower triangles of ``F weight F'``, F (q*k, BLOCK), out (q*q, BLOCK)."""
    k = len(weight)
    out[:] = 0.0
    for b in range(q):
        for j in range(k):
            part[:] = 0.0
            for i in range(k):
                _add(part, weight[i, j], f[b * k + i])
            for a in range(b, q):
                _add_product(out[a * q + b], part, f[a * k + j])


@numba.njit(cache=True, error_model="numpy", nogil=True, fastmath=_FAST)
def first_derivatives(
    r: Floats, c: Floats, shown: Flags, s: Floats, logdet: Floats, a: Floats, along: Floats
) -> None:
    """Evaluate at one covariance, with the derivatives of ``sum C'N^-1 C`` in its entries.

    Parameters
    ----------
    r, c, shown
        As of `evaluate`.
    s : (q, q) array
    logdet : (1,) array
        ``sum log|N|`` is added.
    a : (k, k) array
        To its lower triangle ``sum C'N^-1 C`` is added.
    along : (q, q, k, k) array
        To ``[a, b]`` with b at most a, lower triangle, the sum of ``F[a] (outer) F[b]`` is added,
        and its transpose where a differs from b.
    """
    q, k = len(s), len(a)
    work, lower = np.empty((q * q, BLOCK)), np.empty((q * q, BLOCK))
    inverse, x = np.empty((q + 1, BLOCK)), np.empty((q * k, BLOCK))
    solved, f = np.empty((q * q, BLOCK)), np.empty((q * k, BLOCK))
    for block in range(len(r)):
        _factor_block(r[block], shown, s, work, lower, inverse)
        logdet[0] += _log_sum(inverse[q])
        _solve_block(c[block], k, lower, inverse, q, x)
        _add_cross(x, x, q, k, a)
        _solve_block(r[block], q, lower, inverse, q, solved)
        _cross_block(solved, x, q, k, f)
        for one in range(q):
            for two in range(one + 1):
                total = along[one, two]
                for i in range(k):
                    for j in range(i + 1):
                        total[i, j] += _dot(f[one * k + i], f[two * k + j])
                        if one != two:
                            total[i, j] += _dot(f[two * k + i], f[one * k + j])


@numba.njit(cache=True, error_model="numpy", nogil=True, fastmath=_FAST)
def second_derivatives(
    r: Floats, c: Floats, shown: Flags, s: Floats, weight: Floats, sums: Floats, pairs: Floats
) -> None:
    """Sum the products of ``G = R'N^-1 R`` and ``H = F weight F'`` that second derivatives need.

    Parameters
    ----------
    r, c, shown, s
        As of `first_derivatives`.
    weight : (k, k) array
        Symmetric.
    sums : (2, q*q) array
        Lower triangles, by rows, of the sums of G and of H are added.
    pairs : (2, q*q, q*q) array
        The sums of ``G (outer) G`` and ``G (outer) H`` are added, of those entries.
    """
    q, k = len(s), len(weight)
    work, lower = np.empty((q * q, BLOCK)), np.empty((q * q, BLOCK))
    inverse, x = np.empty((q + 1, BLOCK)), np.empty((q * k, BLOCK))
    solved, f = np.empty((q * q, BLOCK)), np.empty((q * k, BLOCK))
    squares, heavy = np.empty((q * q, BLOCK)), np.empty((q * q, BLOCK))
    part = np.empty(BLOCK)
    for block in range(len(r)):
        _factor_block(r[block], shown, s, work, lower, inverse)
        _solve_block(c[block], k, lower, inverse, q, x)
        _solve_block(r[block], q, lower, inverse, q, solved)
        _cross_block(solved, x, q, k, f)
        _cross_block(solved, solved, q, q, squares)
        _weigh_block(f, weight, part, q, heavy)
        for a in range(q):
            for b in range(a + 1):
                one = squares[a * q + b]
                sums[0, a * q + b] += one.sum()
                sums[1, a * q + b] += heavy[a * q + b].sum()
                for d in range(q):
                    for e in range(d + 1):
                        pairs[0, a * q + b, d * q + e] += _dot(one, squares[d * q + e])
                        pairs[1, a * q + b, d * q + e] += _dot(one, heavy[d * q + e])


@numba.njit(cache=True, error_model="numpy", nogil=True, fastmath=_FAST)
def _accumulate(
    found: Floats,
    centre: Floats,
    left: Floats,
    noise: float,
    first: Floats,
    second: Floats,
    within: Floats,
) -> None:
    """Add deviations from a centre, their squares, and variances, to their sums."""
    for g in range(BLOCK):
        off = found[g] - centre[g]
        first[g] += off
        second[g] += off * off
        within[g] += noise * max(left[g], 0.0)


@numba.njit(cache=True, error_model="numpy", nogil=True, fastmath=_FAST)
def summarise(
    r: Floats,
    c: Floats,
    shown: Flags,
    s: Floats,
    v: Floats,
    weights: Floats,
    variance: Floats,
    sigma2: Floats,
    mean: Floats,
    sd: Floats,
) -> None:
    """Compute means and sds of effects over draws of the other parameters, without drawing them.

    By the laws of total expectation and variance, in one pass over the groups: given the other
    parameters ``weights S R'N^-1 (C v)`` is the mean, and ``sigma2 (weights S weights' - weights S
    G S weights')`` the variance of the effects.

    Parameters
    ----------
    r, c, shown
        As of `evaluate`.
    s : (B, q, q) array
    v : (B, k) array
    weights : (B, q, q) array
        ``back S``, of which row a takes R'N^-1 C v to the effect a of Z as given.
    variance : (B, q) array
        Relative variances of the effects.
    sigma2 : (B,) array
    mean, sd : (blocks, q, BLOCK) arrays
        Changed in place.
    """
    draws, q, k = len(s), s.shape[1], v.shape[1]
    work, lower = np.empty((q * q, BLOCK)), np.empty((q * q, BLOCK))
    inverse, t = np.empty((q + 1, BLOCK)), np.empty((q, BLOCK))
    x, centre = np.empty((q, BLOCK)), np.empty((q, BLOCK))
    along, solved = np.empty((q, BLOCK)), np.empty((q, BLOCK))
    found, left = np.empty(BLOCK), np.empty(BLOCK)
    first, second = np.empty((q, BLOCK)), np.empty((q, BLOCK))
    within = np.empty((q, BLOCK))
    for block in range(len(r)):
        of_r, of_c = r[block], c[block]
        first[:], second[:], within[:] = 0.0, 0.0, 0.0
        for b in range(draws):
            _factor_block(of_r, shown, s[b], work, lower, inverse)
            t[:] = 0.0
            for i in range(q):
                for j in range(k):
                    _add(t[i], v[b, j], of_c[i * k + j])
            _solve_block(t, 1, lower, inverse, q, x)
            for a in range(q):
                along[:] = 0.0
                for i in range(q):
                    for j in range(q):
                        _add(along[i], weights[b, a, j], of_r[i * q + j])
                _solve_block(along, 1, lower, inverse, q, solved)
                # The sums of squares are about the first draw's mean, so that no digits cancel.
                found[:], left[:] = 0.0, variance[b, a]
                for i in range(q):
                    _add_product(found, solved[i], x[i])
                    _subtract_product(left, solved[i], solved[i])
                if b == 0:
                    centre[a] = found
                _accumulate(found, centre[a], left, sigma2[b], first[a], second[a], within[a])
        for a in range(q):
            for g in range(BLOCK):
                off = first[a, g] / draws
                mean[block, a, g] = centre[a, g] + off
                spread = max(second[a, g] / draws - off * off, 0.0)
                sd[block, a, g] = math.sqrt(spread + within[a, g] / draws)
