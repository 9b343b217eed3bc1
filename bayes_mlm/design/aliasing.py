"""Measure what each column of X has of its own: what the columns before it do not already say."""

import numpy as np

from bayes_mlm.base import Flags, Floats, Ints
from bayes_mlm.moments import GroupMoments

# Rows worked on at a time where the whole would be a second copy of X.
_BLOCK = 65_536
# A pivot below it is nothing but rounding, and no column is told by it.
_NOTHING = 1e-18


def left_of_rows(X: Floats, origin: Floats, codes: Ints | None) -> tuple[Floats, Floats, Flags]:
    """Measure the columns of rows about an origin, as parts of their length.

    Parameters
    ----------
    X : ndarray, shape (n, p)
    origin : ndarray, shape (1, p) or (J, p)
        What is taken from every row, or from those of each group.
    codes : ndarray of int, shape (n,), or None
        Group of each row; None for one origin.

    Returns
    -------
    own, left : ndarray, shape (p,)
        How long each column is about the origin, and what the columns before leave of that.
    several : ndarray of bool, shape (p,)
        Whether it takes several values.
    """
    triangle = _triangle(X, origin, codes)
    own, left = np.sqrt((triangle**2).sum(axis=0)), np.abs(np.diag(triangle))
    return own, left, np.ptp(X, axis=0) > 0.0


def left_of_sums(
    s: GroupMoments, intercept: Flags, *, inside: bool
) -> tuple[Floats, Floats, Flags]:
    """Measure the same by sums of squares, which hold half the digits.

    Parameters
    ----------
    s : GroupMoments
    intercept : ndarray of bool, shape (p,)
        Which column of X is the intercept, about which the others are measured.
    inside : bool
        Whether they are measured about the means of their groups instead.
    """
    p = s.p
    cross = s.scatter[:, :p, :p].sum(axis=0)
    away = s.means[:, :p]
    if not inside:
        away = away - s.counts @ away / s.n if intercept.any() else away + s.centre[:p]
        cross = cross + (away * s.counts[:, None]).T @ away
    mean, sd = s.moments
    sizes = np.sqrt(s.n * (np.square(sd[:p]) + np.square(mean[:p])))
    sizes = np.where(sizes > 0, sizes, 1.0)
    cross = cross / np.outer(sizes, sizes)
    if not inside and intercept.any():
        cross[intercept] = cross[:, intercept] = 0.0
        cross[intercept, intercept] = 1.0
    # Gaussian elimination of what the columns before explain.
    work, left = cross.copy(), np.zeros(p)
    for k in range(p):
        left[k] = work[k, k]
        if left[k] > _NOTHING:
            work = work - np.outer(work[:, k], work[k]) / left[k]
    own = np.sqrt(np.maximum(np.diag(cross), 0.0))
    return own, np.sqrt(np.maximum(left, 0.0)), sd[:p] > 0.0


def _triangle(X: Floats, origin: Floats, codes: Ints | None) -> Floats:
    """Return R (p, p) of the QR of X, centred by the row's group, at unit column length.

    Made a block of rows at a time, each joined to the R of those before it: as accurate as in one
    go, without a second copy of the rows (Golub & Van Loan 2013, Matrix Computations, sec. 5.1).
    """
    sizes = np.sqrt(np.einsum("np,np->p", X, X))
    sizes = np.where(sizes > 0, sizes, 1.0)
    triangle = np.zeros((0, X.shape[1]))
    for start in range(0, len(X), _BLOCK):
        rows = slice(start, start + _BLOCK)
        own = origin if codes is None or len(origin) == 1 else origin[codes[rows]]
        block = (X[rows] - own) / sizes
        triangle = np.linalg.qr(np.concatenate([triangle, block]), mode="r")
    return triangle
