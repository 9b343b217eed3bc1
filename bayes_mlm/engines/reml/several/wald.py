"""Wald intervals of sds, correlations and shares, on scales on which they are unbounded."""

import math
from collections.abc import Sequence
from itertools import combinations

from bayes_mlm.engines.reml.inference import VarianceErrors
from bayes_mlm.engines.reml.several.inference import Variances
from bayes_mlm.engines.reml.several.intervals import (
    interval_of_correlation,
    interval_of_log,
    interval_of_share,
)
from bayes_mlm.engines.reml.several.profile import FactorIntervals, SeveralIntervals


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
                    interval_of_log(sd, float(error), level, note)
                    for sd, error in zip(sds, one.sigma_u, strict=True)
                ),
                rho_u=tuple(
                    interval_of_correlation(float(rho[pair]), float(one.rho_u[pair]), level, note)
                    for pair in pairs
                ),
                icc=None
                if one.icc is None
                else interval_of_share(float(cov[0, 0]) / variances.total, one.icc, level, note),
            )
        )
    return SeveralIntervals(
        factors=tuple(factors), sigma_e=interval_of_log(sigma_e, errors[0].sigma_e, level, note)
    )
