"""Power of a study with groups of equal size by the non-central t, as if variances were known.

References
----------
Raudenbush (1997), Psychological Methods 2(2), 173-185, eqs 9 and 12: groups that are compared.
Raudenbush & Liu (2000), Psychological Methods 5(2), 199-213, eqs 6 and 18: treatments within groups
and what moderates them. A normal predictor within groups: the precision of a group's slope,
averaged over the squares that it may have.
"""

from functools import singledispatch

import numpy as np

from bayes_mlm.base import Floats
from bayes_mlm.planning.simulation import Scenario

_POINTS = 400
# Standard errors of an effect from which nothing is significant in the other direction.
_NO_TAIL = 4.0


@singledispatch
def standard_error(scenario: Scenario, _effect: float = 0.0) -> tuple[float, float]:
    """Return the standard error of the effect, and its degrees of freedom.

    Of scenarios of other outcomes, where it moves with the effect, other functions are registered.
    """
    groups, size = scenario.groups, scenario.size * (1.0 - scenario.missing)
    residual, slope = scenario.sigma_e**2, scenario.sigma_slope**2
    if scenario.compared == "groups":
        return float(np.sqrt(4.0 * (scenario.sigma_u**2 + residual / size) / groups)), groups - 2.0
    pairs = 1.0 if scenario.compared == "rows" else 4.0  # w = -1/2, 1/2 halves the groups
    columns = 1.0 if scenario.compared == "rows" else 2.0
    variance = pairs / (groups * np.mean(1.0 / (slope + residual / _squares(scenario, size))))
    df = groups - columns if slope else groups * (size - 1.0) - columns
    return float(np.sqrt(variance)), max(df, 1.0)


def _squares(scenario: Scenario, size: float) -> Floats:
    """Return squares of x about its mean that a group may have, each as probable."""
    if scenario.predictor == "binary":
        return np.array([size / 4.0])
    if scenario.sigma_slope == 0.0:  # the groups' squares add up
        return np.array([size - 1.0])
    from scipy.special import chdtri

    return np.asarray(chdtri(size - 1.0, 1.0 - (np.arange(_POINTS) + 0.5) / _POINTS))


def closed_power(effect: float, se: float, df: float, alpha: float) -> float:
    """Return the power of the two-sided t test.

    Examples
    --------
    >>> round(closed_power(0.3, 0.1, 40.0, 0.05), 3)
    0.833
    """
    from scipy.special import nctdtr, stdtrit

    t = float(stdtrit(df, 1.0 - alpha / 2.0))
    shift = abs(effect) / se
    # Far from zero the other tail is below 1e-7, and SciPy's function of it fails.
    other = float(nctdtr(df, shift, -t)) if shift < _NO_TAIL else 0.0
    return float(1.0 - nctdtr(df, shift, t)) + other
