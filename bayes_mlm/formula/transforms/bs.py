"""``bs(x, df=4)``: B-splines, as R's ``splines::bs``, patsy's and formulaic's ``bs``.

Inner knots are quantiles of x; boundary knots its smallest and largest value, unless
``lower_bound`` and ``upper_bound`` are given. Outside of them the basis is not defined, as in patsy
and formulaic: predictions there are refused.

References
----------
de Boor (1978), A Practical Guide to Splines, ch. IX.
"""

from typing import TYPE_CHECKING

from bayes_mlm.base import count
from bayes_mlm.formula.function import (
    Basis,
    Constants,
    Function,
    Option,
    Options,
    Summaries,
    register,
    whole_number,
)
from bayes_mlm.formula.transforms.piecewise import (
    Pieces,
    ask_knots,
    b_splines,
    check_knots,
    has_constant,
    inner_knots,
    place_knots,
)

if TYPE_CHECKING:
    import narwhals as nw

    from bayes_mlm.base import Floats

MAX_DEGREE = 5


def _degree(options: Options) -> int:
    return whole_number(options, "degree", 3)


def _inner(options: Options) -> int:
    """Return the number of inner knots."""
    if "knots" in options:
        return len(inner_knots(options))
    whole = has_constant(options)
    return whole_number(options, "df", 0) - _degree(options) - whole


def _names(options: Options) -> tuple[str, ...]:
    size = _inner(options) + _degree(options) + has_constant(options)
    return tuple(str(k + 1) for k in range(size))


def _check(options: Options) -> str:
    if _degree(options) > MAX_DEGREE:
        return f"degree={_degree(options)} is given, and {MAX_DEGREE} is the highest"
    reason = check_knots(options)
    if not reason and _inner(options) < 0:
        least = whole_number(options, "df", 0) - _inner(options)
        columns = count(_degree(options), "column")
        reason = f"a spline of degree {_degree(options)} has at least {columns}: df={least}"
    return reason


def _learn(x: "Floats", options: Options) -> Constants:
    return _kept(place_knots(x, options, _inner(options), distinct=False))


def _learn_query(of: Summaries, options: Options) -> Constants:
    return _kept(ask_knots(of, options, _inner(options), distinct=False))


def _kept(knots: tuple[float, tuple[float, ...], float]) -> Constants:
    lower, inner, upper = knots
    return {"knots": (lower, *inner, upper)}


def _pieces(options: Options, constants: Constants) -> Pieces:
    import numpy as np

    degree, (lower, *inner, upper) = _degree(options), constants["knots"]
    found = b_splines(np.array([*[lower] * (degree + 1), *inner, *[upper] * (degree + 1)]), degree)
    first = 0 if options.get("include_intercept") else 1
    return Pieces(breaks=found.breaks, powers=found.powers[:, :, first:])


def _evaluate(x: "Floats", options: Options, constants: Constants) -> "Floats":
    return _pieces(options, constants).evaluate(x)


def _push(x: "nw.Expr", options: Options, constants: Constants) -> "tuple[nw.Expr, ...]":
    return _pieces(options, constants).push(x)


def _limits(options: Options, constants: Constants) -> tuple[float, float]:  # noqa: ARG001
    return constants["knots"][0], constants["knots"][-1]


register(
    Function(
        name="bs",
        kind="basis",
        summary="B-splines of x, df of them: bs(x, df=4), or bs(x, knots=(10, 20), degree=2)",
        options=(
            Option(name="df", kind="count"),
            Option(name="knots", kind="numbers"),
            Option(name="degree", kind="count"),
            Option(name="include_intercept", kind="flag"),
            Option(name="lower_bound", kind="number"),
            Option(name="upper_bound", kind="number"),
        ),
        check=_check,
        basis=Basis(
            names=_names,
            learn=_learn,
            evaluate=_evaluate,
            learn_query=_learn_query,
            push=_push,
            limits=_limits,
            constant=has_constant,
        ),
    )
)
