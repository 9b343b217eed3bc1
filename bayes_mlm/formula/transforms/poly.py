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
)

if TYPE_CHECKING:
    import narwhals as nw

    from bayes_mlm.base import Floats

MAX_DEGREE = 10


def _degree(options: Options) -> int:
    return int(options.get("degree", 1))


def _names(options: Options) -> tuple[str, ...]:
    return tuple(str(k + 1) for k in range(_degree(options)))


def _check(options: Options) -> str:
    if _degree(options) > MAX_DEGREE:
        return f"a degree of {_degree(options)} is given, and {MAX_DEGREE} is the highest"
    return ""


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

    alpha, norm2 = constants["alpha"], constants["norm2"]
    columns, before, now = [], np.zeros_like(x), np.ones_like(x)
    for k, centre in enumerate(alpha):
        ratio = norm2[k] / norm2[k - 1] if k else 0.0
        before, now = now, (x - centre) * now - ratio * before
        columns.append(now / np.sqrt(norm2[k + 1]))
    return np.column_stack(columns)


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
    alpha, norm2 = constants["alpha"], constants["norm2"]
    found, before, now = [], x * 0.0, x * 0.0 + 1.0
    for k, centre in enumerate(alpha):
        ratio = norm2[k] / norm2[k - 1] if k else 0.0
        before, now = now, (x - centre) * now - before * ratio
        found.append(now / float(norm2[k + 1] ** 0.5))
    return tuple(found)


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
