"""Splines by their knots: options, names of columns, knots at quantiles of rows or of queries."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from bayes_mlm.base import DataError, count
from bayes_mlm.formula.function import (
    Basis,
    Constants,
    Function,
    Option,
    Options,
    Summaries,
    real_number,
    register,
    whole_number,
)

if TYPE_CHECKING:
    import narwhals as nw

    from bayes_mlm.base import Floats
    from bayes_mlm.formula.transforms.piecewise import Pieces

MAX_DF = 50
DF, KNOTS = Option(name="df", kind="count"), Option(name="knots", kind="numbers")
REST = (
    Option(name="include_intercept", kind="flag"),
    Option(name="lower_bound", kind="number"),
    Option(name="upper_bound", kind="number"),
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Spline:
    """A kind of spline, of which the knots are learned.

    Parameters
    ----------
    size : callable
        ``(options)`` to the number of its columns without inner knots and without the constant.
    pieces : callable
        ``(options, constants)`` to its columns; of the constants ``knots`` are all knots, those at
        the boundary first and last.
    distinct : bool
        Whether inner knots are quantiles of the different values, not of all rows.
    centred : callable, optional
        ``(constants)`` to columns whose means over the rows are constants too (``means``), unless
        the constant is to be among the columns.
    """

    size: Callable[[Options], int]
    pieces: "Callable[[Options, Constants], Pieces]"
    distinct: bool = False
    centred: "Callable[[Constants], Pieces] | None" = None

    def check(self, options: Options) -> str:
        """Return why the options do not go together, or nothing."""
        reason = _check_knots(options)
        if not reason and self._inner(options) < 0:
            least = self.size(options) + has_constant(options)
            constant = "with include_intercept=True " if has_constant(options) else ""
            reason = f"{constant}it has at least {count(least, 'column')}: df={least}"
        return reason

    def names(self, options: Options) -> tuple[str, ...]:
        """Return the names of the columns: numbers from 1."""
        size = self._inner(options) + self.size(options) + has_constant(options)
        return tuple(str(k + 1) for k in range(size))

    def learn(self, x: "Floats", options: Options) -> Constants:
        """Return the knots, and perhaps means, from values of shape (n,)."""

        def quantiles(probs: list[float], ends: tuple[float, float]) -> list[float]:
            import numpy as np

            inside = x[(x >= ends[0]) & (x <= ends[1])]
            inside = np.unique(inside) if self.distinct else inside
            if not inside.size:
                raise DataError("has no values between lower_bound and upper_bound")
            return [float(one) for one in np.quantile(inside, probs)]

        knots = self._knots(options, (float(x.min()), float(x.max())), quantiles)
        if self.centred is None or has_constant(options):
            return knots
        means = self.centred(knots).evaluate(x).mean(axis=0)
        return {**knots, "means": tuple(means.tolist())}

    def learn_query(self, of: Summaries, options: Options) -> Constants:
        """Return what `learn` does, by queries."""
        knots = self._knots(
            options,
            of.ends(),
            lambda probs, ends: of.quantiles(probs, ends, distinct=self.distinct),
        )
        if self.centred is None or has_constant(options):
            return knots
        return {**knots, "means": tuple(of.means(self.centred(knots).push))}

    def evaluate(self, x: "Floats", options: Options, constants: Constants) -> "Floats":
        """Return the columns at some values, shape (n, k)."""
        return self.pieces(options, constants).evaluate(x)

    def push(self, x: "nw.Expr", options: Options, constants: Constants) -> "tuple[nw.Expr, ...]":
        """Return the columns as expressions of narwhals."""
        return self.pieces(options, constants).push(x)

    def _inner(self, options: Options) -> int:
        """Return the number of inner knots."""
        if "knots" in options:
            return len(_given_knots(options))
        return whole_number(options, "df", 0) - self.size(options) - has_constant(options)

    def _knots(
        self,
        options: Options,
        found: tuple[float, float],
        quantiles: Callable[[list[float], tuple[float, float]], list[float]],
    ) -> Constants:
        """Return the boundary knots and, between them, those given or at quantiles."""
        ends = (
            real_number(options, "lower_bound", found[0]),
            real_number(options, "upper_bound", found[1]),
        )
        if "knots" in options:
            inner = list(_given_knots(options))
        else:
            size = self._inner(options)
            inner = quantiles([(k + 1) / (size + 1) for k in range(size)], ends)
        return {"knots": _checked_knots(ends, inner)}


def register_spline(
    spline: Spline,
    *,
    name: str,
    summary: str,
    straight: bool,
    options: tuple[Option, ...] = (DF, KNOTS, *REST),
    check: Callable[[Options], str] | None = None,
) -> None:
    """Add a kind of spline to the language.

    Parameters
    ----------
    spline : Spline
    name, summary : str
        As of a `Function`.
    straight : bool
        Whether it goes on in straight lines past its boundary knots, and is not undefined there.
    options : tuple of Option
    check : callable, optional
        In place of `Spline.check`.
    """
    basis = Basis(
        names=spline.names,
        learn=spline.learn,
        evaluate=spline.evaluate,
        learn_query=spline.learn_query,
        push=spline.push,
        limits=None if straight else _boundary,
        beyond=_boundary if straight else None,
        constant=has_constant,
    )
    register(
        Function(
            name=name,
            kind="basis",
            summary=summary,
            options=options,
            check=check or spline.check,
            basis=basis,
        )
    )


def has_constant(options: Options) -> bool:
    """Return whether the constant is among the combinations of a spline's columns."""
    return bool(options.get("include_intercept"))


def _boundary(constants: Constants) -> tuple[float, float]:
    return constants["knots"][0], constants["knots"][-1]


def _check_knots(options: Options) -> str:
    """Return why the options of a spline do not go together, or nothing."""
    if ("df" in options) == ("knots" in options):
        return "it takes df= (then knots are quantiles) or knots=, one of them: df=4"
    if whole_number(options, "df", 1) > MAX_DF:
        return f"df={options['df']} is given, and {MAX_DF} is the most"
    lower = real_number(options, "lower_bound", -math.inf)
    upper = real_number(options, "upper_bound", math.inf)
    if not lower < upper:
        return f"lower_bound={lower:g} is not below upper_bound={upper:g}"
    knots = _given_knots(options)
    if list(knots) != sorted(set(knots)):
        return "knots= are in increasing order, each once"
    if any(not lower < one < upper for one in knots):
        return "knots= lie between lower_bound and upper_bound"
    return ""


def _given_knots(options: Options) -> tuple[float, ...]:
    """Return the knots that are given; none where they are chosen by quantiles."""
    knots = options.get("knots", ())
    assert isinstance(knots, tuple)  # for mypy: read as numbers
    return tuple(float(one) for one in knots)


def _checked_knots(ends: tuple[float, float], knots: list[float]) -> tuple[float, ...]:
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
    return tuple(float(one) for one in wanted)
