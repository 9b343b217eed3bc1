"""Compiled algebra of the small matrices of a block of groups, an entry of all groups at a time.

Matrices of a block are (entries, BLOCK), so that every inner loop runs along contiguous numbers and
the processor does several groups at once. This module imports numba, as `group_kernels` does.
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
FAST = {"reassoc", "contract", "arcp", "nsz"}


@numba.njit(cache=True, error_model="numpy", nogil=True, fastmath=FAST)
def add_scaled(row: Floats, factor: float, column: Floats) -> None:
    """Add a multiple of a column."""
    for g in range(BLOCK):
        row[g] += factor * column[g]


@numba.njit(cache=True, error_model="numpy", nogil=True, fastmath=FAST)
def add_product(row: Floats, one: Floats, two: Floats) -> None:
    """Add the products of two columns."""
    for g in range(BLOCK):
        row[g] += one[g] * two[g]


@numba.njit(cache=True, error_model="numpy", nogil=True, fastmath=FAST)
def subtract_product(row: Floats, one: Floats, two: Floats) -> None:
    """Subtract the products of two columns."""
    for g in range(BLOCK):
        row[g] -= one[g] * two[g]


@numba.njit(cache=True, error_model="numpy", nogil=True, fastmath=FAST)
def _scale(row: Floats, by: Floats) -> None:
    for g in range(BLOCK):
        row[g] *= by[g]


@numba.njit(cache=True, error_model="numpy", nogil=True, fastmath=FAST)
def dot(one: Floats, two: Floats) -> float:
    """Sum the products of two columns."""
    found = 0.0
    for g in range(BLOCK):
        found += one[g] * two[g]
    return found


@numba.njit(cache=True, error_model="numpy", nogil=True, fastmath=FAST)
def _factor_one(r: Floats, s: Floats, inverse: Floats) -> None:
    """Factor N as `factor_block`, of one effect."""
    s00 = s[0, 0]
    for g in range(BLOCK):
        d0 = 1.0 + s00 * r[0, g] * r[0, g]
        inverse[0, g] = 1.0 / math.sqrt(d0)
        inverse[1, g] = d0


@numba.njit(cache=True, error_model="numpy", nogil=True, fastmath=FAST)
def _factor_two(r: Floats, s: Floats, lower: Floats, inverse: Floats) -> None:
    """Factor N as `factor_block`, of two effects."""
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


@numba.njit(cache=True, error_model="numpy", nogil=True, fastmath=FAST)
def _factor_three(r: Floats, s: Floats, lower: Floats, inverse: Floats) -> None:
    """Factor N as `factor_block`, of three effects."""
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


@numba.njit(cache=True, error_model="numpy", nogil=True, fastmath=FAST)
def _assemble(r: Floats, shown: Flags, s: Floats, work: Floats, lower: Floats) -> None:
    """Compute the lower triangles of ``N = I + R S R'``."""
    q = len(s)
    work[:] = 0.0
    for a in range(q):
        for d in range(q):
            if shown[a * q + d]:
                for b in range(q):
                    add_scaled(work[a * q + b], s[d, b], r[a * q + d])
    for a in range(q):
        for b in range(a + 1):
            entry = lower[a * q + b]
            entry[:] = 1.0 if a == b else 0.0
            for d in range(q):
                if shown[b * q + d]:
                    add_product(entry, work[a * q + d], r[b * q + d])


@numba.njit(cache=True, error_model="numpy", nogil=True, fastmath=FAST)
def factor_block(
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
            subtract_product(pivot, lower[j * q + d], lower[j * q + d])
        for g in range(BLOCK):
            one[g] = 1.0 / math.sqrt(pivot[g])
            determinant[g] *= pivot[g] if pivot[g] > 0.0 else np.nan
        for i in range(j + 1, q):
            entry = lower[i * q + j]
            for d in range(j):
                subtract_product(entry, lower[i * q + d], lower[j * q + d])
            _scale(entry, one)


@numba.njit(cache=True, error_model="numpy", nogil=True, fastmath=FAST)
def _third_row(
    column: Floats, f0: Floats, x0: Floats, f1: Floats, x1: Floats, one: Floats, row: Floats
) -> None:
    for g in range(BLOCK):
        row[g] = (column[g] - f0[g] * x0[g] - f1[g] * x1[g]) * one[g]


@numba.njit(cache=True, error_model="numpy", nogil=True, fastmath=FAST)
def solve_block(
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
                subtract_product(row, lower[i * q + d], out[d * k + a])
            _scale(row, one)


@numba.njit(cache=True, error_model="numpy", nogil=True, fastmath=FAST)
def log_sum(determinant: Floats, weights: Floats) -> float:
    """Sum the logs of determinants, each 1 or more, with their weights if there are any."""
    if len(weights) > 0:
        weighted = 0.0
        for g in range(BLOCK):
            weighted += weights[g] * math.log(determinant[g])
        return weighted
    largest, product, total = 0.0, 1.0, 0.0
    for g in range(BLOCK):
        largest = max(largest, determinant[g])
        product *= determinant[g]
    if largest < _MODERATE:
        return math.log(product)  # not a number if one of them is not
    for g in range(BLOCK):
        total += math.log(determinant[g])
    return total


@numba.njit(cache=True, error_model="numpy", nogil=True, fastmath=FAST)
def add_cross(left: Floats, right: Floats, q: int, k: int, total: Floats) -> None:
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
                    found += dot(left[i * k + a], right[i * k + b])
            total[a, b] += found


@numba.njit(cache=True, error_model="numpy", nogil=True, fastmath=FAST)
def cross_block(left: Floats, right: Floats, q: int, k: int, out: Floats) -> None:
    """Compute ``left' right`` of each group: left (q*q, BLOCK), right and out (q*k, BLOCK)."""
    out[:] = 0.0
    for i in range(q):
        for a in range(q):
            for b in range(k):
                add_product(out[a * k + b], left[i * q + a], right[i * k + b])


@numba.njit(cache=True, error_model="numpy", nogil=True, fastmath=FAST)
def weigh_block(f: Floats, weight: Floats, part: Floats, q: int, out: Floats) -> None:
    """Compute the lower triangles of ``F weight F'``, F (q*k, BLOCK), out (q*q, BLOCK)."""
    k = len(weight)
    out[:] = 0.0
    for b in range(q):
        for j in range(k):
            part[:] = 0.0
            for i in range(k):
                add_scaled(part, weight[i, j], f[b * k + i])
            for a in range(b, q):
                add_product(out[a * q + b], part, f[a * k + j])


@numba.njit(cache=True, error_model="numpy", nogil=True, fastmath=FAST)
def accumulate(
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
