"""``poly(x, degree)``: orthogonal polynomials of a column, as R's ``poly`` and formulaic's.

The polynomials are monic and orthogonal over the rows, by the three-term recurrence, then scaled
to unit length. Its constants, 2 (degree + 1) - 1 numbers, replay them on new data; they are means
of products over the rows, so that a query of an engine learns them as well.

References
----------
Kennedy & Gentle (1980), Statistical Computing, sec. 8.3.2: what R's ``poly`` cites.
"""

from typing import TYPE_CHECKING

from bayes_mlm.base import DataError, count
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
from bayes_mlm.formula.polynomials import orthogonal, polynomials, recurrence

if TYPE_CHECKING:
    import narwhals as nw

    from bayes_mlm.base import Floats

MAX_DEGREE = 10


def _degree(options: Options) -> int:
    return whole_number(options, "degree", 1)


def _names(options: Options) -> tuple[str, ...]:
    return tuple(str(k + 1) for k in range(_degree(options)))


def _check(options: Options) -> str:
    if _degree(options) > MAX_DEGREE:
        return f"a degree of {_degree(options)} is given, and {MAX_DEGREE} is the highest"
    return ""


def _learn(x: "Floats", options: Options) -> Constants:
    if options.get("raw"):
        return {}
    import numpy as np

    _require(int(np.unique(x).size), _degree(options))
    return recurrence(x, _degree(options))


def _require(distinct: int, degree: int) -> None:
    if distinct <= degree:
        raise DataError(f"needs more than {count(degree, 'different value')}, found {distinct}")


def _evaluate(x: "Floats", options: Options, constants: Constants) -> "Floats":
    import numpy as np

    if options.get("raw"):
        return np.column_stack([x ** (k + 1) for k in range(_degree(options))])
    return orthogonal(x, constants)


def _learn_query(of: Summaries, options: Options) -> Constants:
    """Learn by a query for each degree, and two for the mean, as `recurrence` in memory."""
    if options.get("raw"):
        return {}
    degree = _degree(options)
    _require(of.distinct(), degree)
    (rough,) = of.means(lambda x: [x])
    (rest,) = of.means(lambda x: [x - rough])
    middle = rough + rest
    centres: list[float] = []
    norm2 = [float(of.count())]

    def products(x: "nw.Expr") -> "list[nw.Expr]":
        left = x - middle
        before, now = left * 0.0, left * 0.0 + 1.0
        for k, centre in enumerate(centres):
            ratio = norm2[k] / norm2[k - 1] if k else 0.0
            before, now = now, (left - centre) * now - before * ratio
        return [now * now, left * now * now]

    for _ in range(degree):
        square, product = of.means(products)
        if centres:
            norm2.append(square * norm2[0])
        centres.append(product / square)
    norm2.append(of.means(products)[0] * norm2[0])
    return {"alpha": tuple(middle + one for one in centres), "norm2": tuple(norm2)}


def _push(x: "nw.Expr", options: Options, constants: Constants) -> "tuple[nw.Expr, ...]":
    if options.get("raw"):
        powers = [x]
        for _ in range(_degree(options) - 1):
            powers.append(powers[-1] * x)
        return tuple(powers)
    return tuple(polynomials(x, constants))


register(
    Function(
        name="poly",
        kind="basis",
        summary="polynomials of x up to a degree, orthogonal: poly(x, 2); raw=True: x, x ** 2, …",
        options=(
            Option(name="degree", kind="count", positional=True),
            Option(name="raw", kind="flag"),
        ),
        check=_check,
        basis=Basis(
            names=_names,
            learn=_learn,
            evaluate=_evaluate,
            learn_query=_learn_query,
            push=_push,
        ),
    )
)
