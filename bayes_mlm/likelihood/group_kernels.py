"""Compiled sums over groups of which no two share a design, in one pass for many covariances.

Groups are worked on in the blocks of `RotatedMoments.blocks`. With ``N = I + R S R' = L L'``,
``X = L^-1 C`` and ``P = L^-1 R``:

    C'N^-1 C = X'X        F = R'N^-1 C = P'X        G = R'N^-1 R = P'P

This module imports numba, so it is imported where there are many groups and nowhere else.
"""

import math

import numba
import numpy as np

from bayes_mlm.base import Flags, Floats
from bayes_mlm.likelihood.group_blocks import (
    FAST,
    accumulate,
    add_cross,
    add_product,
    add_scaled,
    cross_block,
    dot,
    factor_block,
    log_sum,
    solve_block,
    subtract_product,
    weigh_block,
)
from bayes_mlm.moments import BLOCK


@numba.njit(cache=True, error_model="numpy", nogil=True, fastmath=FAST)
def evaluate(
    r: Floats,
    c: Floats,
    shown: Flags,
    weights: Floats,
    s: Floats,
    logdet: Floats,
    a: Floats,
) -> None:
    """Add ``sum log|N|`` to logdet (B,), and ``sum C'N^-1 C`` to lower triangles of a (B, k, k).

    Parameters
    ----------
    r : (blocks, q*q, BLOCK) array
        Entries of R, by rows; of zeros where the last block has no groups.
    c : (blocks, q*k, BLOCK) array
        Entries of C, by rows.
    shown : (q*q,) array of bool
        Whether an entry of R differs from zero in any group.
    weights : (blocks, BLOCK) array
        Of the groups, by whose roots C is multiplied; without blocks where each counts once.
    s : (B, q, q) array
        Relative covariances of the effects of the centred Z.
    logdet, a : arrays
        Changed in place.
    """
    q, k = s.shape[1], a.shape[1]
    work, lower = np.empty((q * q, BLOCK)), np.empty((q * q, BLOCK))
    inverse, none = np.empty((q + 1, BLOCK)), np.empty(0)
    x = np.empty((q * k, BLOCK))
    for block in range(len(r)):
        for b in range(len(s)):
            factor_block(r[block], shown, s[b], work, lower, inverse)
            logdet[b] += log_sum(inverse[q], weights[block] if len(weights) > 0 else none)
            solve_block(c[block], k, lower, inverse, q, x)
            add_cross(x, x, q, k, a[b])


@numba.njit(cache=True, error_model="numpy", nogil=True, fastmath=FAST)
def first_derivatives(
    r: Floats,
    c: Floats,
    shown: Flags,
    weights: Floats,
    s: Floats,
    logdet: Floats,
    a: Floats,
    along: Floats,
) -> None:
    """Evaluate at one covariance, with the derivatives of ``sum C'N^-1 C`` in its entries.

    Parameters
    ----------
    r, c, shown, weights
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
    none = np.empty(0)
    for block in range(len(r)):
        factor_block(r[block], shown, s, work, lower, inverse)
        logdet[0] += log_sum(inverse[q], weights[block] if len(weights) > 0 else none)
        solve_block(c[block], k, lower, inverse, q, x)
        add_cross(x, x, q, k, a)
        solve_block(r[block], q, lower, inverse, q, solved)
        cross_block(solved, x, q, k, f)
        for one in range(q):
            for two in range(one + 1):
                total = along[one, two]
                for i in range(k):
                    for j in range(i + 1):
                        total[i, j] += dot(f[one * k + i], f[two * k + j])
                        if one != two:
                            total[i, j] += dot(f[two * k + i], f[one * k + j])


@numba.njit(cache=True, error_model="numpy", nogil=True, fastmath=FAST)
def second_derivatives(
    r: Floats,
    c: Floats,
    shown: Flags,
    weights: Floats,
    s: Floats,
    weight: Floats,
    sums: Floats,
    pairs: Floats,
) -> None:
    """Sum the products of ``G = R'N^-1 R`` and ``H = F weight F'`` that second derivatives need.

    Parameters
    ----------
    r, c, shown, weights, s
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
    part, counted = np.empty(BLOCK), np.empty(BLOCK)
    for block in range(len(r)):
        factor_block(r[block], shown, s, work, lower, inverse)
        solve_block(c[block], k, lower, inverse, q, x)
        solve_block(r[block], q, lower, inverse, q, solved)
        cross_block(solved, x, q, k, f)
        cross_block(solved, solved, q, q, squares)
        weigh_block(f, weight, part, q, heavy)
        for a in range(q):
            for b in range(a + 1):
                one = squares[a * q + b]
                counted[:] = one
                if len(weights) > 0:
                    counted *= weights[block]
                sums[0, a * q + b] += counted.sum()
                sums[1, a * q + b] += heavy[a * q + b].sum()
                for d in range(q):
                    for e in range(d + 1):
                        pairs[0, a * q + b, d * q + e] += dot(counted, squares[d * q + e])
                        pairs[1, a * q + b, d * q + e] += dot(one, heavy[d * q + e])


@numba.njit(cache=True, error_model="numpy", nogil=True, fastmath=FAST)
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
            factor_block(of_r, shown, s[b], work, lower, inverse)
            t[:] = 0.0
            for i in range(q):
                for j in range(k):
                    add_scaled(t[i], v[b, j], of_c[i * k + j])
            solve_block(t, 1, lower, inverse, q, x)
            for a in range(q):
                along[:] = 0.0
                for i in range(q):
                    for j in range(q):
                        add_scaled(along[i], weights[b, a, j], of_r[i * q + j])
                solve_block(along, 1, lower, inverse, q, solved)
                # The sums of squares are about the first draw's mean, so that no digits cancel.
                found[:], left[:] = 0.0, variance[b, a]
                for i in range(q):
                    add_product(found, solved[i], x[i])
                    subtract_product(left, solved[i], solved[i])
                if b == 0:
                    centre[a] = found
                accumulate(found, centre[a], left, sigma2[b], first[a], second[a], within[a])
        for a in range(q):
            for g in range(BLOCK):
                off = first[a, g] / draws
                mean[block, a, g] = centre[a, g] + off
                spread = max(second[a, g] / draws - off * off, 0.0)
                sd[block, a, g] = math.sqrt(spread + within[a, g] / draws)
