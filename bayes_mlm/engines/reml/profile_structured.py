"""Profile the sd of a single group effect at 0, where residuals differ in variance or are AR(1).

At 0 the likelihood is not quadratic, so that a Wald interval has no meaning there; the interval
runs from 0 to where the likelihood, at its best over all that concerns the residuals, has fallen.
"""

from collections.abc import Callable
from functools import partial

import numpy as np

from bayes_mlm.base import Floats
from bayes_mlm.engines.reml.climb import climb
from bayes_mlm.engines.reml.profile_ends import Ends, Held, Profile, solve
from bayes_mlm.engines.reml.structure import LONGEST_STEP, differences

# Step of the slope's difference, as a part of the first step.
_NEAR = 1e-4


def profile_from_zero(
    loglik: Callable[[float, Floats], float],
    x: Floats,
    *,
    first: float,
    bound: float,
    z: float,
) -> Ends:
    """Find the upper end of a parameter whose estimate is 0.

    Parameters
    ----------
    loglik : callable
        At a value of the parameter and coordinates of the rest.
    x : (m,) array
        The rest at the estimate.
    first : float
        A first value to try.
    bound : float
        Upper limit of the parameter.
    z : float
        Normal quantile of the interval.
    """
    near = _NEAR * first

    def at(value: float, start: Floats) -> Held:
        def values(points: Floats) -> Floats:
            return np.array([loglik(value, point) for point in points])

        best, height = climb(values, partial(differences, values), start, LONGEST_STEP)
        rise = loglik(value + near, best) - loglik(value - near, best)
        return Held(x=best, loglik=height, slope=rise / (2.0 * near))

    peak = loglik(0.0, x)
    profile = Profile(
        at=at,
        others=lambda _, known: np.empty((0, known.size)),
        estimate=0.0,
        x=x,
        peak=peak,
        cut=peak - 0.5 * z * z,
    )
    upper, note = solve(profile, first, bound)
    return Ends(lower=0.0, upper=upper, note=note)
