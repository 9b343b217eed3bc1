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

from bayes_mlm.formula.function import Constants, Options
from bayes_mlm.formula.transforms.piecewise import Pieces, b_splines, straight_ends
from bayes_mlm.formula.transforms.splines import Spline, has_constant, register_spline


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
    if has_constant(options):
        return pieces
    # Coefficients orthogonal to the columns' means: as patsy and mgcv absorb a constraint.
    q, _ = np.linalg.qr(np.array([constants["means"]]).T, mode="complete")
    return pieces.turned(q[:, 1:])


def _ns_pieces(options: Options, constants: Constants) -> Pieces:
    import numpy as np

    cubic = b_splines(constants["knots"], 3, constant=has_constant(options))
    reach = float(cubic.breaks[-1] - cubic.breaks[-2])
    # Second derivatives at the two ends, of each B-spline: a row each.
    ends = np.array(
        [2.0 * cubic.powers[1, 0], 2.0 * cubic.powers[1, -1] + 6.0 * cubic.powers[0, -1] * reach]
    )
    q, _ = np.linalg.qr(ends.T, mode="complete")
    return straight_ends(cubic.turned(q[:, 2:]))


register_spline(
    Spline(size=lambda _: 1, pieces=_cr_pieces, distinct=True, centred=_cardinal),
    name="cr",
    summary="natural cubic splines of x by their values at knots, centred: cr(x, df=4)",
    straight=True,
)
register_spline(
    Spline(size=lambda _: 1, pieces=_ns_pieces),
    name="ns",
    summary="natural cubic splines of x as R's ns: ns(x, df=4), or ns(x, knots=(10, 20))",
    straight=True,
)
