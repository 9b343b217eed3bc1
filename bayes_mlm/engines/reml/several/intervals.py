"""Wald intervals of variance parameters on the scales where they are most nearly normal."""

import math

from bayes_mlm.base import wald_reach
from bayes_mlm.engines.reml.inference import Interval

_AT_ZERO = (
    "no Wald interval where the most likely covariance is singular: the likelihood is not quadratic"
)


def interval_of_log(sd: float, error: float, level: float, note: str = "") -> Interval:
    """Return the Wald interval of an sd on the scale of logs."""
    if math.isnan(error) or sd <= 0.0:
        nan = math.nan
        return Interval(lower=nan, upper=nan, level=level, method="Wald", note=_AT_ZERO)
    half = math.exp(min(wald_reach(level) * error / sd, 700.0))
    return Interval(
        lower=sd / half, upper=sd * half, level=level, method="Wald of the log", note=note
    )


def interval_of_correlation(rho: float, error: float, level: float, note: str = "") -> Interval:
    """Return the Wald interval of a correlation on Fisher's scale."""
    if not abs(rho) < 1.0 or math.isnan(error):
        nan = math.nan
        return Interval(lower=nan, upper=nan, level=level, method="Wald", note=_AT_ZERO)
    z, half = math.atanh(rho), wald_reach(level) * error / (1.0 - rho**2)
    ends = math.tanh(z - half), math.tanh(z + half)
    return Interval(
        lower=ends[0], upper=ends[1], level=level, method="Wald of Fisher's z", note=note
    )


def interval_of_share(share: float, error: float, level: float, note: str = "") -> Interval:
    """Return the Wald interval of a share on the scale of log odds."""
    if not 0.0 < share < 1.0 or math.isnan(error):
        nan = math.nan
        return Interval(lower=nan, upper=nan, level=level, method="Wald", note=_AT_ZERO)
    odds, half = math.log(share / (1.0 - share)), wald_reach(level) * error / share / (1.0 - share)
    ends = [1.0 / (1.0 + math.exp(-(odds + sign * half))) for sign in (-1.0, 1.0)]
    return Interval(
        lower=ends[0], upper=ends[1], level=level, method="Wald of the log odds", note=note
    )
