"""Profile interval of the sd of a single group effect."""

import math
from typing import TYPE_CHECKING

import numpy as np

from bayes_mlm.engines.generalised.problem import Problem
from bayes_mlm.engines.generalised.search import Optimum, climb
from bayes_mlm.engines.reml.inference import Interval

if TYPE_CHECKING:
    from bayes_mlm.base import Floats

# Sds beyond it have no meaning on the scale of a linear predictor.
_LARGEST = 1e3
_PRECISION = 1e-5


def profile_sd(problem: Problem, optimum: Optimum, level: float) -> Interval:
    """Return where the profile of the log-likelihood falls by half a chi-squared quantile.

    Raises
    ------
    EngineError
        Where the likelihood cannot be computed.
    """
    from scipy.special import chdtri

    place = problem.p
    drop = 0.5 * float(chdtri(1, 1.0 - level))
    target = optimum.at.loglik - drop
    fixed = np.zeros(optimum.x.size, dtype=bool)
    fixed[place] = True
    sd = abs(float(optimum.x[place]))
    known: dict[float, tuple[Floats, Floats]] = {sd: (optimum.x, optimum.at.modes)}

    def height(at: float) -> float:
        near = min(known, key=lambda one: abs(one - at))
        x, modes = known[near]
        x = x.copy()
        x[place] = math.copysign(at, float(optimum.x[place]) or 1.0)
        x, found, _ = climb(problem, x, fixed=fixed, modes=modes if near else None)
        known[at] = (x, found.modes)
        return found.loglik - target

    def end(inside: float, outside: float) -> float:
        from scipy.optimize import brentq

        return float(brentq(height, inside, outside, xtol=_PRECISION * max(sd, 1e-3)))

    note, lower = "", 0.0
    if sd > 0 and height(0.0) < 0.0:
        lower = end(sd, 0.0)
    upper = max(2.0 * sd, 0.25)
    while height(upper) > 0.0:
        upper *= 2.0
        if upper > _LARGEST:
            note = "the likelihood has not fallen at an sd of 1000"
            break
    upper = math.inf if note else end(sd, upper)
    return Interval(lower=lower, upper=upper, level=level, method="profile (ML)", note=note)
