"""Probabilities of intervals: the default, the check, the reach of a Wald interval."""

import math
from numbers import Real
from typing import Any

from bayes_mlm.base.errors import EngineError

DEFAULT_PROB = 0.95
# Degrees of freedom from which the expansion of the t quantile in 1 / df has eight digits.
_MANY = 100.0


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
    if df < _MANY:
        from scipy.special import stdtrit

        return float(stdtrit(df, 0.5 + 0.5 * prob))
    from statistics import NormalDist

    z = NormalDist().inv_cdf(0.5 + 0.5 * prob)
    if math.isinf(df):
        return z
    # Abramowitz & Stegun (1964), 26.7.5: SciPy takes as long to load as a model to fit.
    terms = (
        (z**3 + z) / 4.0,
        (5.0 * z**5 + 16.0 * z**3 + 3.0 * z) / 96.0,
        (3.0 * z**7 + 19.0 * z**5 + 17.0 * z**3 - 15.0 * z) / 384.0,
        (79.0 * z**9 + 776.0 * z**7 + 1482.0 * z**5 - 1920.0 * z**3 - 945.0 * z) / 92160.0,
    )
    return z + sum(term / df**k for k, term in enumerate(terms, start=1))
