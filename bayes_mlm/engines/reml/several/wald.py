"""Wald intervals of sds, correlations and shares, on scales on which they are unbounded."""

import math
from collections.abc import Sequence
from itertools import combinations

from bayes_mlm.base import wald_reach
from bayes_mlm.engines.reml.inference import Interval, VarianceErrors
from bayes_mlm.engines.reml.several.inference import Variances
from bayes_mlm.engines.reml.several.profile import FactorIntervals, SeveralIntervals

_AT_ZERO = (
    "no Wald interval where the most likely covariance is singular: the likelihood is not quadratic"
)


def wald_several(
    variances: Variances, errors: Sequence[VarianceErrors], level: float, note: str
) -> SeveralIntervals:
    """Return the intervals on the scales of logs, Fisher's z and log odds.

    Parameters
    ----------
    variances : Variances
    errors : sequence of VarianceErrors
        One a factor, in the order of the plan.
    level : float
        Coverage.
    note : str
        Why they are not profile intervals.
    """
    factors, sigma_e = [], math.sqrt(variances.sigma2)
    for f, one in enumerate(errors):
        cov, rho = variances.covariances[f], variances.correlations(f)
        sds = [math.sqrt(cov[k, k]) for k in range(len(cov))]
        pairs = [pair for pair in combinations(range(len(cov)), 2) if variances.is_free(f, pair)]
        factors.append(
            FactorIntervals(
                sigma_u=tuple(
                    _of_log(sd, float(error), level, note)
                    for sd, error in zip(sds, one.sigma_u, strict=True)
                ),
                rho_u=tuple(
                    _of_correlation(float(rho[pair]), float(one.rho_u[pair]), level, note)
                    for pair in pairs
                ),
                icc=None
                if one.icc is None
                else _of_share(float(cov[0, 0]) / variances.total, one.icc, level, note),
            )
        )
    return SeveralIntervals(
        factors=tuple(factors), sigma_e=_of_log(sigma_e, errors[0].sigma_e, level, note)
    )


def _missing(level: float) -> Interval:
    return Interval(lower=math.nan, upper=math.nan, level=level, method="Wald", note=_AT_ZERO)


def _of_log(sd: float, error: float, level: float, note: str) -> Interval:
    """Return the Wald interval of an sd on the scale of logs."""
    if math.isnan(error) or sd <= 0.0:
        return _missing(level)
    half = math.exp(wald_reach(level) * error / sd)
    ends = sd / half, sd * half
    return Interval(lower=ends[0], upper=ends[1], level=level, method="Wald of the log", note=note)


def _of_correlation(rho: float, error: float, level: float, note: str) -> Interval:
    """Return the Wald interval of a correlation on Fisher's scale."""
    if not abs(rho) < 1.0 or math.isnan(error):
        return _missing(level)
    z, half = math.atanh(rho), wald_reach(level) * error / (1.0 - rho**2)
    ends = math.tanh(z - half), math.tanh(z + half)
    return Interval(
        lower=ends[0], upper=ends[1], level=level, method="Wald of Fisher's z", note=note
    )


def _of_share(share: float, error: float, level: float, note: str) -> Interval:
    """Return the Wald interval of a share on the scale of log odds."""
    if not 0.0 < share < 1.0 or math.isnan(error):
        return _missing(level)
    odds, half = math.log(share / (1.0 - share)), wald_reach(level) * error / share / (1.0 - share)
    ends = [1.0 / (1.0 + math.exp(-(odds + sign * half))) for sign in (-1.0, 1.0)]
    return Interval(
        lower=ends[0], upper=ends[1], level=level, method="Wald of the log odds", note=note
    )
