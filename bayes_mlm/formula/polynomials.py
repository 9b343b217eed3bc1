"""Polynomials that are orthogonal over some values, by the three-term recurrence."""

import math
from typing import TYPE_CHECKING

from bayes_mlm.formula.function import Constants

if TYPE_CHECKING:
    import narwhals as nw

    from bayes_mlm.base import Floats


def recurrence(x: "Floats", degree: int) -> Constants:
    """Return the constants of the three-term recurrence over some values (n,).

    ``alpha`` are the centres of the polynomials of degree 0, 1, …, and ``norm2`` their sums of
    squares, that of degree 0 (the number of rows) first; with those of lower degrees they make
    the next.
    """
    import numpy as np

    # About the mean first, so that an offset costs no digits; it is added to every centre.
    middle = float(x[0] + (x - x[0]).mean())
    left, before, now = x - middle, np.zeros_like(x), np.ones_like(x)
    alpha: list[float] = []
    norm2 = [float(x.size)]
    for _ in range(degree):
        square = np.square(now)
        centre = float((left * square).sum() / square.sum())
        alpha.append(middle + centre)
        ratio = norm2[-1] / norm2[-2] if len(norm2) > 1 else 0.0
        before, now = now, (left - centre) * now - ratio * before
        norm2.append(float(np.square(now).sum()))
    return {"alpha": tuple(alpha), "norm2": tuple(norm2)}


def orthogonal(x: "Floats", constants: Constants) -> "Floats":
    """Return the polynomials of degree 1, 2, …, of unit length where they were learned, (n, k)."""
    import numpy as np

    return np.column_stack(polynomials(x, constants))


def polynomials[A: (Floats, nw.Expr)](x: A, constants: Constants) -> list[A]:
    """Return the columns of `orthogonal`, of numbers or of an expression of narwhals."""
    alpha, norm2 = constants["alpha"], constants["norm2"]
    found, before, now = [], x * 0.0, x * 0.0 + 1.0
    for k, centre in enumerate(alpha):
        ratio = norm2[k] / norm2[k - 1] if k else 0.0
        before, now = now, (x - centre) * now - before * ratio
        found.append(now / math.sqrt(norm2[k + 1]))
    return found
