"""What a factorisation of two crossed factors would cost, from the numbers of their rows."""

import numpy as np

from bayes_mlm.base import Ints

# Seconds of a multiplication in the sparse head and in the dense tail of a Cholesky factor, as in
# `bayes_mlm.likelihood.sparse.plan`.
_SPARSE, _DENSE = 2.5e-9, 4.0e-11
# Seconds of a factorisation above which conjugate gradients and Gibbs sampling are used.
MAX_COST = 0.5
# Rows for each level above which the tail is dense in any order of elimination.
_DENSE_ROWS = 8


def crossing_cost(one: Ints, other: Ints) -> float:
    """Return the seconds of a factorisation, at most, from rows by level (m,) of two factors.

    The levels of the larger factor are eliminated first; each touches no more of the other's than
    it has rows.

    Examples
    --------
    >>> round(crossing_cost(np.full(200_000, 160), np.full(84_000, 380)), -1)
    7920.0
    """
    larger, smaller = (one, other) if len(one) >= len(other) else (other, one)
    tail = float(len(smaller))
    touched = np.minimum(np.asarray(larger, dtype=float), tail)
    return float(_SPARSE * (touched**2).sum() + _DENSE * tail**3 / 3.0)


def is_dense(one: Ints, other: Ints) -> bool:
    """Return whether no order of elimination leaves a sparse tail, from rows by level (m,)."""
    return int(one.sum()) >= _DENSE_ROWS * (len(one) + len(other))


def is_nested(inner: Ints, outer: Ints, m: int) -> bool:
    """Return whether each of m levels occurs with one level of another factor.

    Parameters
    ----------
    inner, outer : ndarray of int, shape (n,)
        Levels of the rows of the two factors.
    m : int
        Levels of the first.

    Examples
    --------
    >>> is_nested(np.array([0, 1, 2, 1]), np.array([0, 0, 1, 0]), 3)
    True
    """
    known = np.zeros(m, dtype=np.int64)
    known[inner] = outer
    return bool((known[inner] == outer).all())
