"""The default probability of intervals, Bayesian or not."""

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
