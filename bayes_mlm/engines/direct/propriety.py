"""Refuse models whose posterior is not a distribution."""

import math
from itertools import combinations

import numpy as np

from bayes_mlm.base import EngineError, Floats
from bayes_mlm.engines.direct.parametrisation import log_density
from bayes_mlm.engines.direct.posterior import Posterior

# Logs by which flat sds are moved beyond the range of the data and the other priors; at
# most `_FARTHEST`, where a relative variance of e^28 keeps some of 16 digits.
_FAR, _FARTHEST = 8.0, 14.0
# The density falls off by whole powers of an sd: by one power at least, or not at all.
_LEAST_SLOPE = -0.5


def check_proper(problem: Posterior, start: Floats) -> None:
    """Refuse an improper posterior.

    Parameters
    ----------
    problem : Problem
    start : (d,) array
        A point of ordinary density, in the coordinates of `direct_space`.

    Raises
    ------
    EngineError
        If a flat prior gives an sd no upper bound: of the log-density in the logs of the
        sds, the slope far out along every set of flat sds must be negative (Gelman 2006, Bayesian
        Analysis 1(3), sec. 2.2: a flat sigma_u needs three groups).
    """
    place_e = problem.place_e
    flat = [k for k, prior in enumerate(problem.sds) if prior.family == "Flat"]
    flat += [place_e] if problem.sigma_e.family == "Flat" else []
    if not flat:
        return
    precision = problem.beta.precision
    widest = max((-0.5 * math.log(v) for v in precision if v > 0), default=-math.inf)
    far = min(_FAR + max(0.0, widest - float(start[place_e])), _FARTHEST)
    for size in range(1, len(flat) + 1):
        for chosen in combinations(flat, size):
            move = np.zeros(len(start))
            move[list(chosen)] = 1.0
            low, high = log_density(problem, start + np.array([[far], [far + 1.0]]) * move)
            if not high - low < _LEAST_SLOPE:
                raise EngineError(_improper(problem, chosen, place_e))


def _improper(problem: Posterior, chosen: tuple[int, ...], place_e: int) -> str:
    names = ["sigma_e" if k == place_e else problem.sd_names[k] for k in chosen]
    return (
        f"the posterior is improper: the flat prior on {' and '.join(names)} meets data that set "
        f"no upper bound ({problem.size}); give "
        f'a proper prior, for example "HalfNormal(10)" in the units of the outcome'
    )
