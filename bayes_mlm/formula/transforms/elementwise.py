"""Functions of each value alone: logarithms, exponential, square root, absolute value."""

import math
from typing import TYPE_CHECKING, Any

from bayes_mlm.formula.function import Elementwise, Function, register

if TYPE_CHECKING:
    from collections.abc import Callable

    import narwhals as nw

    from bayes_mlm.base import Floats


def _numpy(name: str) -> "Callable[[Floats], Floats]":
    """Return a function of NumPy, which is imported when it is called."""

    def apply(x: "Floats") -> "Floats":
        import numpy as np

        return np.asarray(getattr(np, name)(x))

    return apply


def _positive(x: Any) -> Any:
    return x > 0


def _push_log1p(x: "nw.Expr") -> "nw.Expr":
    """Return log(1 + x) to full precision also near 0, which engines have no function for.

    What rounding takes from 1 + x it takes from both logarithm and difference (Kahan's method;
    Higham 2002, Accuracy and Stability of Numerical Algorithms, 2nd ed., sec. 1.14.1).
    """
    import narwhals as nw

    rounded = x + 1.0
    near = rounded == 1.0
    gap = nw.when(near).then(nw.lit(1.0)).otherwise(rounded - 1.0)
    return nw.when(near).then(x).otherwise(rounded.log() * x / gap)


_MEMBERS = (
    (
        "log",
        "natural logarithm; values above 0",
        Elementwise(
            apply=_numpy("log"), push=lambda x: x.log(), allowed=_positive, needs="values above 0"
        ),
    ),
    (
        "log2",
        "logarithm to base 2; values above 0",
        Elementwise(
            apply=_numpy("log2"),
            push=lambda x: x.log() / math.log(2.0),
            allowed=_positive,
            needs="values above 0",
        ),
    ),
    (
        "log10",
        "logarithm to base 10; values above 0",
        Elementwise(
            apply=_numpy("log10"),
            push=lambda x: x.log() / math.log(10.0),
            allowed=_positive,
            needs="values above 0",
        ),
    ),
    (
        "log1p",
        "log(1 + x); values above -1",
        Elementwise(
            apply=_numpy("log1p"),
            push=_push_log1p,
            allowed=lambda x: x > -1,
            needs="values above -1",
        ),
    ),
    (
        "exp",
        "exponential",
        Elementwise(
            apply=_numpy("exp"),
            push=lambda x: x.exp(),
            allowed=lambda x: x < 709.78,
            needs="values below 709",
        ),
    ),
    (
        "sqrt",
        "square root; values of 0 or more",
        Elementwise(
            apply=_numpy("sqrt"),
            push=lambda x: x.sqrt(),
            allowed=lambda x: x >= 0,
            needs="values of 0 or more",
        ),
    ),
    ("abs", "absolute value", Elementwise(apply=abs, push=lambda x: x.abs())),
)
for _name, _summary, _elementwise in _MEMBERS:
    register(Function(name=_name, kind="elementwise", summary=_summary, elementwise=_elementwise))
