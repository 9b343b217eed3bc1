"""Compiled passes over the lists of neighbours of two crossed factors.

Sums are added up in an order that no number of threads changes.
"""

import numpy as np
from numba import njit, prange

from bayes_mlm.base import Ints

# Runs of levels that threads share out, and rows that a level without any costs.
_PARTS, _LEVEL = 64, 8
# Rows below which a call of several threads, which wait for one another, is not worth it.
SERIAL = 4_000_000


def divide_levels(first: Ints) -> Ints:
    """Return the bounds of runs of levels of about the same number of rows.

    Parameters
    ----------
    first : ndarray of int, shape (m + 1,)
        Where the rows of each level begin.
    """
    cost = first + _LEVEL * np.arange(len(first))
    found = np.searchsorted(cost, np.linspace(0, cost[-1], _PARTS + 1)).astype(np.int64)
    found[-1] = len(first) - 1
    return found


@njit(cache=True, nogil=True)
def place_rows(then, code, other, rank, other_rank, found):  # type: ignore[no-untyped-def]
    """Put the other level of each row where the next row of its level goes."""
    for r in range(len(code)):
        level = rank[code[r]]
        found[then[level]] = other_rank[other[r]]
        then[level] += 1


@njit(cache=True, nogil=True)
def turn_round(first, other, their_first, found):  # type: ignore[no-untyped-def]
    """Make the lists by level of the other factor from those by level of this one."""
    then = their_first[:-1].copy()
    for level in range(len(first) - 1):
        for k in range(first[level], first[level + 1]):
            found[then[other[k]]] = level
            then[other[k]] += 1


@njit(cache=True, nogil=True)
def _sum_one(first, other, values, found, start, stop):  # type: ignore[no-untyped-def]
    for level in range(start, stop):
        p, end = first[level], first[level + 1]
        s0 = s1 = s2 = s3 = 0.0
        while p + 3 < end:
            s0 += values[other[p]]
            s1 += values[other[p + 1]]
            s2 += values[other[p + 2]]
            s3 += values[other[p + 3]]
            p += 4
        while p < end:
            s0 += values[other[p]]
            p += 1
        found[level] = (s0 + s1) + (s2 + s3)


@njit(cache=True, nogil=True, parallel=True)
def sum_one(first, other, parts, values, found):  # type: ignore[no-untyped-def]
    """Sum values (m of the other,) over the rows of each level."""
    if len(other) < SERIAL:
        _sum_one(first, other, values, found, 0, len(first) - 1)
    else:
        for part in prange(len(parts) - 1):
            _sum_one(first, other, values, found, parts[part], parts[part + 1])


@njit(cache=True, nogil=True)
def _sum_four(first, other, values, found, start, stop):  # type: ignore[no-untyped-def]
    for level in range(start, stop):
        s0 = s1 = s2 = s3 = 0.0
        for p in range(first[level], first[level + 1]):
            k = other[p]
            s0 += values[k, 0]
            s1 += values[k, 1]
            s2 += values[k, 2]
            s3 += values[k, 3]
        found[level, 0] = s0
        found[level, 1] = s1
        found[level, 2] = s2
        found[level, 3] = s3


@njit(cache=True, nogil=True, parallel=True)
def sum_four(first, other, parts, values, found):  # type: ignore[no-untyped-def]
    """Sum values (m of the other, 4) over the rows of each level."""
    if len(other) < SERIAL:
        _sum_four(first, other, values, found, 0, len(first) - 1)
    else:
        for part in prange(len(parts) - 1):
            _sum_four(first, other, values, found, parts[part], parts[part + 1])


@njit(cache=True, nogil=True)
def add_rows(  # type: ignore[no-untyped-def]
    first, second, columns, shift, scale, constant, n_first, n_second, by_first, by_second, total
):
    """Add rows to counts and sums by level of two factors, and to the total of products.

    Columns are taken less `shift`, times `scale`; `constant` is left of those that are always 1.
    """
    width = columns.shape[1]
    w = np.empty(width)
    for r in range(len(columns)):
        a, b = first[r], second[r]
        n_first[a] += 1
        n_second[b] += 1
        for k in range(width):
            if constant[k] and columns[r, k] != 1.0:
                constant[k] = False
            w[k] = (columns[r, k] - shift[k]) * scale[k]
            by_first[a, k] += w[k]
            by_second[b, k] += w[k]
            for j in range(k + 1):
                total[k, j] += w[k] * w[j]
    for k in range(width):
        for j in range(k):
            total[j, k] = total[k, j]


@njit(cache=True, nogil=True)
def number_levels(values, keys, numbers, found, n, out):  # type: ignore[no-untyped-def]
    """Write the number of each level, by open addressing; return -1 if the table must grow."""
    mask = np.uint64(len(keys) - 1)
    for r in range(len(values)):
        x = np.uint64(values[r])
        x ^= x >> np.uint64(33)
        x *= np.uint64(0xFF51AFD7ED558CCD)
        x ^= x >> np.uint64(33)
        x *= np.uint64(0xC4CEB9FE1A85EC53)
        x ^= x >> np.uint64(33)
        k = x & mask
        while numbers[k] >= 0 and keys[k] != values[r]:
            k = (k + np.uint64(1)) & mask
        if numbers[k] < 0:
            if 2 * n >= len(found):
                return -1
            keys[k] = values[r]
            numbers[k] = n
            found[n] = values[r]
            n += 1
        out[r] = numbers[k]
    return n
