"""Splines as polynomials between knots, in memory and as an expression of narwhals."""

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from bayes_mlm.base import DataError, count
from bayes_mlm.formula.function import Options, Summaries, real_number, whole_number

if TYPE_CHECKING:
    import narwhals as nw

    from bayes_mlm.base import Floats

MAX_DF = 50


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


def b_splines(knots: "Floats", degree: int) -> Pieces:
    """Return all B-splines of a sequence of knots, those at the ends repeated."""
    import numpy as np
    from scipy.interpolate import BSpline

    size = len(knots) - degree - 1
    breaks = np.unique(knots)
    basis = BSpline(knots, np.eye(size), degree)
    powers = [basis(breaks[:-1])]
    powers += [basis.derivative(d)(breaks[:-1]) / math.factorial(d) for d in range(1, degree + 1)]
    return Pieces(breaks=breaks, powers=np.stack(powers[::-1]))


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


def check_knots(options: Options) -> str:
    """Return why the options of a spline do not go together, or nothing."""
    if ("df" in options) == ("knots" in options):
        return "it takes df= (then knots are quantiles) or knots=, one of them: df=4"
    if whole_number(options, "df", 1) > MAX_DF:
        return f"df={options['df']} is given, and {MAX_DF} is the most"
    lower = real_number(options, "lower_bound", -math.inf)
    upper = real_number(options, "upper_bound", math.inf)
    if not lower < upper:
        return f"lower_bound={lower:g} is not below upper_bound={upper:g}"
    knots = inner_knots(options)
    if list(knots) != sorted(set(knots)):
        return "knots= are in increasing order, each once"
    if any(not lower < one < upper for one in knots):
        return "knots= lie between lower_bound and upper_bound"
    return ""


def has_constant(options: Options) -> bool:
    """Return whether the constant is among the combinations of a spline's columns."""
    return bool(options.get("include_intercept"))


def inner_knots(options: Options) -> tuple[float, ...]:
    """Return the knots that are given; none where they are chosen by quantiles."""
    knots = options.get("knots", ())
    assert isinstance(knots, tuple)  # for mypy: read as numbers
    return knots


def place_knots(
    x: "Floats", options: Options, size: int, *, distinct: bool
) -> tuple[float, tuple[float, ...], float]:
    """Return the lower boundary, the inner knots and the upper boundary.

    Parameters
    ----------
    x : ndarray, shape (n,)
    options : mapping
    size : int
        Inner knots wanted, where they are not given.
    distinct : bool
        Whether they are quantiles of the different values, not of all rows.
    """
    import numpy as np

    ends = _ends(options, (float(x.min()), float(x.max())))
    if "knots" in options:
        return _settled(ends, inner_knots(options))
    inside = x[(x >= ends[0]) & (x <= ends[1])]
    inside = np.unique(inside) if distinct else inside
    if not inside.size:
        raise DataError("has no values between lower_bound and upper_bound")
    return _settled(ends, np.quantile(inside, _probs(size)).tolist())


def ask_knots(
    of: Summaries, options: Options, size: int, *, distinct: bool
) -> tuple[float, tuple[float, ...], float]:
    """Return what `place_knots` does, by queries."""
    ends = _ends(options, of.ends())
    if "knots" in options:
        return _settled(ends, inner_knots(options))
    return _settled(ends, of.quantiles(_probs(size), ends, distinct=distinct))


def _probs(size: int) -> list[float]:
    return [(k + 1) / (size + 1) for k in range(size)]


def _ends(options: Options, found: tuple[float, float]) -> tuple[float, float]:
    return (
        real_number(options, "lower_bound", found[0]),
        real_number(options, "upper_bound", found[1]),
    )


def _settled(
    ends: tuple[float, float], knots: "list[float] | tuple[float, ...]"
) -> tuple[float, tuple[float, ...], float]:
    lower, upper = ends
    if not lower < upper:
        raise DataError(f"needs different values, and all are {lower:g}")
    wanted = [lower, *knots, upper]
    if any(not a < b for a, b in pairwise(wanted)):
        many = count(len(knots), "inner knot")
        raise DataError(
            f"cannot have {many} between {lower:g} and {upper:g}: they would be "
            f"{', '.join(f'{one:g}' for one in knots)} (many rows share a value, or a knot lies "
            "outside); take a smaller df, or give knots= between these ends"
        )
    return lower, tuple(float(one) for one in knots), upper
