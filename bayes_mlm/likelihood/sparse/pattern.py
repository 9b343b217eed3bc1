"""Compiled analysis of a pattern: elimination tree, column counts, and where each entry goes."""

import numpy as np
from numba import njit


@njit(cache=True)
def tree_and_counts(n, row_start, columns, limit):  # type: ignore[no-untyped-def]
    """Return elimination tree and column counts, diagonal included; whether they are complete."""
    parent, ancestor = np.full(n, -1, np.int64), np.full(n, -1, np.int64)
    for i in range(n):
        for p in range(row_start[i], row_start[i + 1]):
            k = columns[p]
            while k != -1 and k < i:
                above = ancestor[k]
                ancestor[k] = i
                if above == -1:
                    parent[k] = i
                k = above
    count, mark, total = np.ones(n, np.int64), np.full(n, -1, np.int64), 0
    for i in range(n):
        mark[i] = i
        for p in range(row_start[i], row_start[i + 1]):
            k = columns[p]
            while k != -1 and k < i and mark[k] != i:
                mark[k] = i
                count[k] += 1
                total += 1
                k = parent[k]
        if total > limit:
            return parent, count, False
    return parent, count, True


@njit(cache=True)
def head_pattern(n, h, row_start, columns, parent, count):  # type: ignore[no-untyped-def]
    """Return the rows of each column of the head, sorted, and where those of the tail begin."""
    Lp = np.zeros(h + 1, np.int64)
    for j in range(h):
        Lp[j + 1] = Lp[j] + count[j]
    Li, fill, mark = np.empty(Lp[h], np.int64), Lp[:-1].copy(), np.full(n, -1, np.int64)
    for i in range(n):
        if i < h:
            Li[fill[i]] = i
            fill[i] += 1
        mark[i] = i
        for p in range(row_start[i], row_start[i + 1]):
            k = columns[p]
            while k != -1 and k < i and k < h and mark[k] != i:
                mark[k] = i
                Li[fill[k]] = i
                fill[k] += 1
                k = parent[k]
    Lt = np.empty(h, np.int64)
    for j in range(h):
        at = Lp[j]
        while at < Lp[j + 1] and Li[at] < h:
            at += 1
        Lt[j] = at
    return Lp, Li, Lt


@njit(cache=True)
def locate(rows, columns, h, tail, Lp, Li):  # type: ignore[no-untyped-def]
    """Return places (row >= column): in the head, or minus one in the tail less 1."""
    found = np.empty(len(rows), np.int64)
    for e in range(len(rows)):
        i, j = rows[e], columns[e]
        if j >= h:
            found[e] = -((j - h) * tail + (i - h)) - 1
            continue
        low, high = Lp[j], Lp[j + 1]
        while low < high:
            middle = (low + high) >> 1
            if Li[middle] < i:
                low = middle + 1
            else:
                high = middle
        found[e] = low
    return found
