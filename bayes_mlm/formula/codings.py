"""Codings of categories: the columns that a factor has next to an intercept.

================ =================================================================================
``Treatment``    an indicator of each category but the reference: its difference from it
``Sum``          deviation from the mean of the categories' means; the last is minus the others
``Helmert``      each category but the first against the mean of those before it, over its place
``Diff``         each category minus the one before it
``Poly``         linear, quadratic, … trend over categories in their order, equally spaced
================ =================================================================================

References
----------
Chambers & Hastie (1992), Statistical Models in S, sec. 2.3.2: the matrices are those of R's
``contr.*`` and of patsy's classes of these names.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bayes_mlm.base import FormulaError, Registry

if TYPE_CHECKING:
    from bayes_mlm.base import Floats


@dataclass(frozen=True, kw_only=True, eq=False)
class Coding:
    """A coding of categories.

    Parameters
    ----------
    matrix : callable, optional
        Number of categories L to the contrast matrix, shape (L, L - 1); None for indicators.
    names : callable
        Names of the categories to those of the columns, L - 1 of them.
    most : int
        Categories that it can be of.
    """

    matrix: "Callable[[int], Floats] | None" = None
    names: Callable[[Sequence[str]], tuple[str, ...]]
    most: int = 300


def _sum(size: int) -> "Floats":
    import numpy as np

    return np.vstack([np.eye(size - 1), np.full((1, size - 1), -1.0)])


def _helmert(size: int) -> "Floats":
    import numpy as np

    matrix = np.triu(np.full((size, size - 1), -1.0))
    matrix[np.arange(1, size), np.arange(size - 1)] = np.arange(1.0, size)
    return matrix


def _diff(size: int) -> "Floats":
    import numpy as np

    share = np.arange(1, size) / size
    return np.where(np.arange(size)[:, None] < np.arange(1, size), share - 1.0, share)


def _poly(size: int) -> "Floats":
    import numpy as np

    from bayes_mlm.formula.polynomials import orthogonal, recurrence

    places = np.arange(float(size))
    return orthogonal(places, recurrence(places, size - 1))


def _trends(levels: Sequence[str]) -> tuple[str, ...]:
    known = ("L", "Q", "C")
    return tuple(known[k] if k < len(known) else f"^{k + 1}" for k in range(len(levels) - 1))


CODINGS = Registry[Coding]("coding of categories", FormulaError)
CODINGS.register("Treatment", Coding(names=lambda levels: tuple(levels[1:])))
CODINGS.register(
    "Sum", Coding(matrix=_sum, names=lambda levels: tuple(f"S.{one}" for one in levels[:-1]))
)
CODINGS.register(
    "Helmert",
    Coding(matrix=_helmert, names=lambda levels: tuple(f"H.{one}" for one in levels[1:])),
)
CODINGS.register(
    "Diff", Coding(matrix=_diff, names=lambda levels: tuple(f"D.{one}" for one in levels[:-1]))
)
CODINGS.register("Poly", Coding(matrix=_poly, names=_trends, most=12))
