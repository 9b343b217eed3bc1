"""Compute profile-likelihood intervals of the sds and of the icc.

A value belongs to the interval if the best log-likelihood with the parameter held there lies
within chi^2_1(level) / 2 of the maximum (Bates et al. 2015, J. Stat. Softw. 67(1), section 5.1).
lme4's `profile()` does this on the ML scale whatever the fit; here it is the scale of the fit.
"""

import math
from dataclasses import dataclass

import numpy as np

from bayes_mlm.base import wald_reach
from bayes_mlm.engines.reml.inference import Interval
from bayes_mlm.engines.reml.profile_line import log_variance, profile_line
from bayes_mlm.engines.reml.profile_sd import profile_sd, profile_sigma_e
from bayes_mlm.engines.reml.search import Optimum
from bayes_mlm.likelihood import Method, residual_df
from bayes_mlm.moments import RotatedMoments


@dataclass(frozen=True, kw_only=True, eq=False)
class ProfileIntervals:
    """Profile intervals: one for each sd of the group effects, sigma_e, and the icc if defined."""

    sigma_u: tuple[Interval, ...]
    sigma_e: Interval
    icc: Interval | None


def profile_intervals(
    reduced: RotatedMoments,
    optimum: Optimum,
    method: Method,
    level: float,
    *,
    correlated: bool = True,
) -> ProfileIntervals:
    """Profile every sd, and the icc of a random-intercept model.

    Parameters
    ----------
    reduced : RotatedMoments
    optimum : Optimum
    method : {"REML", "ML"}
        Scale of the profile; that of the fit.
    level : float
        Coverage.
    correlated : bool
        As in the fit.

    Returns
    -------
    ProfileIntervals
    """
    z = wald_reach(level)
    label = f"profile ({method})"

    def interval(lower: float, upper: float, note: str = "") -> Interval:
        return Interval(lower=lower, upper=upper, level=level, method=label, note=note)

    if reduced.q == 0:
        down, up = log_variance(np.array([z * z / residual_df(reduced, method)]))
        sigma_e = math.sqrt(optimum.point.sigma_e2)
        ends = (sigma_e * math.exp(0.5 * down[0]), sigma_e * math.exp(0.5 * up[0]))
        return ProfileIntervals(sigma_u=(), sigma_e=interval(*ends), icc=None)
    if reduced.q == 1:
        line = profile_line(reduced, optimum, method, z)
        has_icc = reduced.effects == ("Intercept",)
        low, high = line.ratio
        icc = interval(low / (1.0 + low), high / (1.0 + high)) if has_icc else None
        return ProfileIntervals(
            sigma_u=(interval(*line.sigma_u),), sigma_e=interval(*line.sigma_e), icc=icc
        )
    sds = [
        profile_sd(reduced, optimum, a, method, z, correlated=correlated) for a in range(reduced.q)
    ]
    residual = profile_sigma_e(reduced, optimum, method, z)
    return ProfileIntervals(
        sigma_u=tuple(interval(ends.lower, ends.upper, ends.note) for ends in sds),
        sigma_e=interval(residual.lower, residual.upper, residual.note),
        icc=None,
    )
