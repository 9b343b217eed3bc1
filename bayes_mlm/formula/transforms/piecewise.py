"""Splines as polynomials between knots, in memory and as an expression of narwhals."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import narwhals as nw

    from bayes_mlm.base import Floats


@dataclass(frozen=True, kw_only=True, eq=False)
class Pieces:
    """The columns of a spline basis, as polynomials between breaks.

    Parameters
    ----------
    breaks : ndarray, shape (m + 1,)
        Ends of the intervals, increasing. The first and the last polynomial go on past them.
    powers : ndarray, shape (d + 1, m, k)
        Coefficients in each interval, in powers of x less its left end, the highest first.
    """

    breaks: "Floats"
    powers: "Floats"

    def evaluate(self, x: "Floats") -> "Floats":
        """Return the columns at some values, shape (n, k)."""
        import numpy as np
        from scipy.interpolate import PPoly

        return np.asarray(PPoly(self.powers, self.breaks)(x))

    def push(self, x: "nw.Expr") -> "tuple[nw.Expr, ...]":
        """Return the columns as expressions of narwhals: a condition for each interval."""
        import narwhals as nw

        found = []
        for k in range(self.powers.shape[2]):
            *rest, last = [
                _polynomial(x - float(left), self.powers[:, m, k].tolist())
                for m, left in enumerate(self.breaks[:-1])
            ]
            value = last
            for upper, piece in zip(self.breaks[-2:0:-1], reversed(rest), strict=True):
                value = nw.when(x < float(upper)).then(piece).otherwise(value)
            found.append(value)
        return tuple(found)

    def turned(self, matrix: "Floats") -> "Pieces":
        """Return the basis of linear combinations of the columns, matrix (k, l)."""
        return Pieces(breaks=self.breaks, powers=self.powers @ matrix)


def _polynomial(x: "nw.Expr", powers: list[float]) -> "nw.Expr":
    """Return a polynomial by Horner's rule, the highest power first."""
    value = x * 0.0 + powers[0]
    for power in powers[1:]:
        value = value * x + power
    return value


def b_splines(knots: Sequence[float], degree: int, *, constant: bool) -> Pieces:
    """Return the B-splines of some knots, of which the first and the last are the boundary.

    Parameters
    ----------
    knots : sequence of float
        Increasing; those at the boundary count ``degree + 1`` times.
    degree : int
    constant : bool
        Whether the first is among them; the others do not add up to a constant.
    """
    import numpy as np
    from scipy.interpolate import BSpline

    lower, *inner, upper = knots
    repeated = np.array([*[lower] * (degree + 1), *inner, *[upper] * (degree + 1)])
    breaks = np.unique(repeated)
    basis = BSpline(repeated, np.eye(repeated.size - degree - 1), degree)
    powers = [basis(breaks[:-1])]
    powers += [basis.derivative(d)(breaks[:-1]) / math.factorial(d) for d in range(1, degree + 1)]
    return Pieces(breaks=breaks, powers=np.stack(powers[::-1])[:, :, 0 if constant else 1 :])


def straight_ends(pieces: Pieces) -> Pieces:
    """Return a basis that goes on in straight lines past its first and last break."""
    import numpy as np

    breaks, powers = pieces.breaks, pieces.powers
    width = float(breaks[-1] - breaks[0])
    low, slope_low = powers[-1, 0], powers[-2, 0]
    reach = float(breaks[-1] - breaks[-2])
    order = np.arange(powers.shape[0])[::-1, None]
    high = (powers[:, -1] * reach**order).sum(axis=0)
    slope_high = (order[:-1] * powers[:-1, -1] * reach ** (order[:-1] - 1)).sum(axis=0)
    ends = np.zeros((powers.shape[0], 2, powers.shape[2]))
    ends[-2, 0], ends[-1, 0] = slope_low, low - slope_low * width
    ends[-2, 1], ends[-1, 1] = slope_high, high
    return Pieces(
        breaks=np.concatenate([[breaks[0] - width], breaks, [breaks[-1] + width]]),
        powers=np.concatenate([ends[:, :1], powers, ends[:, 1:]], axis=1),
    )
