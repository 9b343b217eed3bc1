"""Order in which the levels are eliminated, so that the Cholesky factor fills in little.

Approximate minimum degree on the quotient graph (Amestoy, Davis & Duff 1996, SIAM J. Matrix Anal.
Appl. 17(4)), without supervariables: the degree of a variable is bounded by its neighbours that are
left, and by the sizes of its elements.
"""

import numpy as np
from numba import njit

from bayes_mlm.base import Ints


def minimum_degree(n: int, rows: Ints, columns: Ints) -> Ints:
    """Return an elimination order (n,) of a symmetric pattern, from its pairs of places."""
    source, target = np.concatenate([rows, columns]), np.concatenate([columns, rows])
    order = np.argsort(source, kind="stable")
    start = np.searchsorted(source[order], np.arange(n + 1))
    return np.asarray(_minimum_degree(n, start, target[order].astype(np.int64)))


@njit(cache=True)
def _unlink(v, head, following, before, degree):  # type: ignore[no-untyped-def]
    if before[v] >= 0:
        following[before[v]] = following[v]
    else:
        head[degree[v]] = following[v]
    if following[v] >= 0:
        before[following[v]] = before[v]


@njit(cache=True)
def _link(v, head, following, before, degree):  # type: ignore[no-untyped-def]
    d = degree[v]
    following[v], before[v] = head[d], -1
    if head[d] >= 0:
        before[head[d]] = v
    head[d] = v


@njit(cache=True)
def _surround(step, pivot, variables, elements, members, absorbed, eliminated, seen, found):  # type: ignore[no-untyped-def]
    """Gather the variables around a pivot; its elements are absorbed in the one it becomes."""
    size = 0
    seen[pivot] = step
    for v in variables[pivot]:
        if not eliminated[v] and seen[v] != step:
            seen[v] = step
            found[size] = v
            size += 1
    for e in elements[pivot]:
        if absorbed[e]:
            continue
        for v in members[e]:
            if not eliminated[v] and seen[v] != step:
                seen[v] = step
                found[size] = v
                size += 1
        absorbed[e] = True
        members[e] = members[e][:0]
    variables[pivot] = variables[pivot][:0]
    members[pivot] = found[:size].copy()


@njit(cache=True)
def _count_outside(step, around, elements, members, absorbed, outside, counted):  # type: ignore[no-untyped-def]
    """Count the members of each element near by that are outside the new one."""
    for v in around:
        for e in elements[v]:
            if absorbed[e]:
                continue
            if counted[e] != step:
                counted[e] = step
                outside[e] = len(members[e])
            outside[e] -= 1


@njit(cache=True)
def _prune(step, v, pivot, variables, elements, absorbed, eliminated, seen, outside):  # type: ignore[no-untyped-def]
    """Drop from a variable what the new element covers; return its degree outside of it."""
    near, kept = variables[v], 0
    for w in near:
        if not eliminated[w] and seen[w] != step:
            near[kept] = w
            kept += 1
    variables[v] = near[:kept]
    degree, n_left = kept, 0
    left = np.empty(len(elements[v]) + 1, np.int64)
    for e in elements[v]:
        if not absorbed[e] and outside[e] == 0:
            absorbed[e] = True
        if not absorbed[e]:
            left[n_left] = e
            n_left += 1
            degree += outside[e]
    left[n_left] = pivot
    elements[v] = left[: n_left + 1]
    return degree


@njit(cache=True)
def _minimum_degree(n, start, adjacent):  # type: ignore[no-untyped-def]
    """Eliminate the variable of least degree, again and again."""
    variables = [adjacent[start[v] : start[v + 1]].copy() for v in range(n)]
    elements = [adjacent[:0].copy() for _ in range(n)]  # of a variable: those it belongs to
    members = [adjacent[:0].copy() for _ in range(n)]  # of an element: its variables
    absorbed, eliminated = np.zeros(n, np.bool_), np.zeros(n, np.bool_)
    degree = np.array([len(one) for one in variables])
    head = np.full(n + 1, -1, np.int64)
    following, before = np.full(n, -1, np.int64), np.full(n, -1, np.int64)
    for v in range(n - 1, -1, -1):
        _link(v, head, following, before, degree)
    order, seen = np.empty(n, np.int64), np.full(n, -1, np.int64)
    outside, counted = np.zeros(n, np.int64), np.full(n, -1, np.int64)
    found = np.empty(n, np.int64)
    low = 0
    for step in range(n):
        while head[low] < 0:
            low += 1
        if low >= n - step - 1:  # what is left is a clique: any order
            order[step:] = np.flatnonzero(~eliminated)
            return order
        pivot = head[low]
        _unlink(pivot, head, following, before, degree)
        order[step], eliminated[pivot] = pivot, True
        _surround(step, pivot, variables, elements, members, absorbed, eliminated, seen, found)
        around = members[pivot]
        _count_outside(step, around, elements, members, absorbed, outside, counted)
        for v in around:
            bound = (
                len(around)
                - 1
                + _prune(step, v, pivot, variables, elements, absorbed, eliminated, seen, outside)
            )
            _unlink(v, head, following, before, degree)
            degree[v] = min(bound, n - step - 2)
            _link(v, head, following, before, degree)
            low = min(low, degree[v])
    return order
