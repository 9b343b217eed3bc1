"""``bs(x, df=4)``: B-splines, as R's ``splines::bs``, patsy's and formulaic's ``bs``.

Inner knots are quantiles of x; boundary knots its smallest and largest value, unless
``lower_bound`` and ``upper_bound`` are given. Outside of them the basis is not defined, as in patsy
and formulaic: predictions there are refused.

References
----------
de Boor (1978), A Practical Guide to Splines, ch. IX.
"""

from bayes_mlm.formula.function import Constants, Option, Options, whole_number
from bayes_mlm.formula.transforms.piecewise import Pieces, b_splines
from bayes_mlm.formula.transforms.splines import (
    DF,
    KNOTS,
    REST,
    Spline,
    has_constant,
    register_spline,
)

MAX_DEGREE = 5


def _degree(options: Options) -> int:
    return whole_number(options, "degree", 3)


def _pieces(options: Options, constants: Constants) -> Pieces:
    return b_splines(constants["knots"], _degree(options), constant=has_constant(options))


_BS = Spline(size=_degree, pieces=_pieces)


def _check(options: Options) -> str:
    if _degree(options) > MAX_DEGREE:
        return f"degree={_degree(options)} is given, and {MAX_DEGREE} is the highest"
    return _BS.check(options)


register_spline(
    _BS,
    name="bs",
    summary="B-splines of x, df of them: bs(x, df=4), or bs(x, knots=(10, 20), degree=2)",
    straight=False,
    options=(DF, KNOTS, Option(name="degree", kind="count"), *REST),
    check=_check,
)
