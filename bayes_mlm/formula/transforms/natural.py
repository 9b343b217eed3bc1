"""``cr(x, df=4)`` and ``ns(x, df=4)``: natural cubic splines, straight past their boundary knots.

Both span the same curves where they have the same knots, in other coordinates. ``cr`` is mgcv's,
patsy's and formulaic's: a column is the curve that is 1 at its knot and 0 at the others, and knots
are quantiles of the *different* values. Its columns are made to have mean zero over the rows
(``constraints="center"`` there), since with the constant among them they would repeat an
intercept; ``include_intercept=True`` leaves them as they are, with all knots and no constraint.
``ns`` is R's ``splines::ns``: B-splines whose second derivatives at the boundary are zero.

References
----------
Wood (2017), Generalized Additive Models, 2nd ed., sec. 5.3.1 (cr); Chambers & Hastie (1992),
Statistical Models in S, ch. 7 (ns).
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
    straight_ends,
)

if TYPE_CHECKING:
    import narwhals as nw

    from bayes_mlm.base import Floats

_OPTIONS = (
    Option(name="df", kind="count"),
    Option(name="knots", kind="numbers"),
    Option(name="include_intercept", kind="flag"),
    Option(name="lower_bound", kind="number"),
    Option(name="upper_bound", kind="number"),
)


def _inner(options: Options) -> int:
    """Return the number of inner knots: with the two at the ends, one more than free columns."""
    if "knots" in options:
        return len(inner_knots(options))
    whole = has_constant(options)
    return whole_number(options, "df", 0) - 1 - whole


def _names(options: Options) -> tuple[str, ...]:
    size = _inner(options) + 1 + has_constant(options)
    return tuple(str(k + 1) for k in range(size))


def _check(options: Options) -> str:
    reason = check_knots(options)
    if not reason and _inner(options) < 0:
        return f"with include_intercept=True it has at least {count(2, 'column')}: df=2"
    return reason


def _kept(knots: tuple[float, tuple[float, ...], float]) -> dict[str, tuple[float, ...]]:
    lower, inner, upper = knots
    return {"knots": (lower, *inner, upper)}


def _cardinal(constants: Constants) -> Pieces:
    """Return the curves that are 1 at one knot and 0 at the others."""
    import numpy as np
    from scipy.interpolate import CubicSpline

    knots = np.array(constants["knots"])
    found = CubicSpline(knots, np.eye(knots.size), bc_type="natural")
    return straight_ends(Pieces(breaks=knots, powers=np.asarray(found.c)))


def _cr_pieces(options: Options, constants: Constants) -> Pieces:
    import numpy as np

    pieces = _cardinal(constants)
    if options.get("include_intercept"):
        return pieces
    # Coefficients orthogonal to the columns' means: as patsy and mgcv absorb a constraint.
    q, _ = np.linalg.qr(np.array([constants["means"]]).T, mode="complete")
    return pieces.turned(q[:, 1:])


def _cr_learn(x: "Floats", options: Options) -> Constants:
    kept = _kept(place_knots(x, options, _inner(options), distinct=True))
    if options.get("include_intercept"):
        return kept
    means = _cardinal(kept).evaluate(x).mean(axis=0)
    return kept | {"means": tuple(means.tolist())}


def _cr_learn_query(of: Summaries, options: Options) -> Constants:
    kept = _kept(ask_knots(of, options, _inner(options), distinct=True))
    if options.get("include_intercept"):
        return kept
    return kept | {"means": tuple(of.means(_cardinal(kept).push))}


def _cr_evaluate(x: "Floats", options: Options, constants: Constants) -> "Floats":
    return _cr_pieces(options, constants).evaluate(x)


def _cr_push(x: "nw.Expr", options: Options, constants: Constants) -> "tuple[nw.Expr, ...]":
    return _cr_pieces(options, constants).push(x)


def _ns_pieces(options: Options, constants: Constants) -> Pieces:
    import numpy as np

    lower, *inner, upper = constants["knots"]
    cubic = b_splines(np.array([*[lower] * 4, *inner, *[upper] * 4]), 3)
    reach = float(cubic.breaks[-1] - cubic.breaks[-2])
    # Second derivatives at the two ends, of each B-spline: a row each.
    ends = np.array(
        [2.0 * cubic.powers[1, 0], 2.0 * cubic.powers[1, -1] + 6.0 * cubic.powers[0, -1] * reach]
    )
    first = 0 if options.get("include_intercept") else 1
    q, _ = np.linalg.qr(ends[:, first:].T, mode="complete")
    kept = Pieces(breaks=cubic.breaks, powers=cubic.powers[:, :, first:])
    return straight_ends(kept.turned(q[:, 2:]))


def _ns_learn(x: "Floats", options: Options) -> Constants:
    return _kept(place_knots(x, options, _inner(options), distinct=False))


def _ns_learn_query(of: Summaries, options: Options) -> Constants:
    return _kept(ask_knots(of, options, _inner(options), distinct=False))


def _ns_evaluate(x: "Floats", options: Options, constants: Constants) -> "Floats":
    return _ns_pieces(options, constants).evaluate(x)


def _ns_push(x: "nw.Expr", options: Options, constants: Constants) -> "tuple[nw.Expr, ...]":
    return _ns_pieces(options, constants).push(x)


def _beyond(options: Options, constants: Constants) -> tuple[float, float]:  # noqa: ARG001
    return constants["knots"][0], constants["knots"][-1]


register(
    Function(
        name="cr",
        kind="basis",
        summary="natural cubic splines of x by their values at knots, centred: cr(x, df=4)",
        options=_OPTIONS,
        check=_check,
        basis=Basis(
            names=_names,
            learn=_cr_learn,
            evaluate=_cr_evaluate,
            learn_query=_cr_learn_query,
            push=_cr_push,
            beyond=_beyond,
            constant=has_constant,
        ),
    )
)
register(
    Function(
        name="ns",
        kind="basis",
        summary="natural cubic splines of x as R's ns: ns(x, df=4), or ns(x, knots=(10, 20))",
        options=_OPTIONS,
        check=_check,
        basis=Basis(
            names=_names,
            learn=_ns_learn,
            evaluate=_ns_evaluate,
            learn_query=_ns_learn_query,
            push=_ns_push,
            beyond=_beyond,
            constant=has_constant,
        ),
    )
)
