"""Probabilities of intervals: the default, the check, the reach of a Wald interval."""

import math
from numbers import Real
from typing import Any

from bayes_mlm.base.errors import EngineError

DEFAULT_PROB = 0.95


def check_prob(prob: Any) -> None:
    """Raise an error if the probability of an interval is not a number between 0 and 1.

    Raises
    ------
    EngineError

    Examples
    --------
    >>> check_prob(95)
    Traceback (most recent call last):
        ...
    bayes_mlm.base.errors.EngineError: the probability of an interval must be a number between 0
    and 1, \
such as 0.95; found 95
    """
    if not (isinstance(prob, Real) and 0 < float(prob) < 1):
        raise EngineError(
            "the probability of an interval must be a number between 0 and 1, such as "
            f"{DEFAULT_PROB}; found {prob!r}"
        )


def wald_reach(prob: float, df: float = math.inf) -> float:
    """Return how many standard errors a Wald interval reaches: of the t, or of the normal.

    Examples
    --------
    >>> round(wald_reach(0.95, math.inf), 4), round(wald_reach(0.95, 10), 4)
    (1.96, 2.2281)
    """
    if math.isinf(df):
        from statistics import NormalDist

        return NormalDist().inv_cdf(0.5 + 0.5 * prob)
    from scipy.special import stdtrit

    return float(stdtrit(df, 0.5 + 0.5 * prob))
