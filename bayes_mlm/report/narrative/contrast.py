"""Differences in the expected outcome, with uncertainty."""

import math
from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

from bayes_mlm.base import Floats
from bayes_mlm.design import column_moments
from bayes_mlm.figures import Roles, rows_of_x
from bayes_mlm.fitting import Analysis, Value


@dataclass(frozen=True, kw_only=True)
class Contrast:
    """Difference in the expected outcome.

    Parameters
    ----------
    estimate, lower, upper : float
        Posterior mean and HDI; without a posterior the REML or OLS estimate and its Wald interval.
        In units of the outcome.
    above : float
        Probability of a positive difference; without a posterior by the normal approximation.
    """

    estimate: float
    lower: float
    upper: float
    above: float

    @property
    def clear(self) -> bool:
        """Whether the interval excludes zero."""
        return self.lower > 0.0 or self.upper < 0.0


def contrast(analysis: Analysis, weights: ArrayLike) -> Contrast:
    """Return a linear combination of the coefficients.

    Parameters
    ----------
    analysis : Analysis
    weights : array_like, shape (p,)
        Of the coefficients, in the order of the design's terms.

    Returns
    -------
    Contrast

    Examples
    --------
    >>> from bayes_mlm import load_record
    >>> from bayes_mlm.fitting import analyse
    >>> ses = analyse(load_record("hsb_ses").request, None, engines=["reml"])
    >>> found = contrast(ses, [0.0, 1.0])
    >>> round(found.estimate, 3), found.clear
    (2.39, True)
    """
    value = _value(analysis, weights)
    lower, upper = value.interval(analysis.prob)
    above = value.positive
    if above is None:  # the normal approximation
        above = NormalDist().cdf(value.mean / value.sd) if value.sd else float(value.mean > 0.0)
    return Contrast(estimate=value.mean, lower=lower, upper=upper, above=above)


def ratio(analysis: Analysis, weights: ArrayLike) -> tuple[float, float, float]:
    """Return exp() of a linear combination, with the ends of its interval: an odds ratio."""
    value = _value(analysis, weights)
    if value.draws is not None:
        value = replace(value, draws=np.exp(value.draws))
        return value.mean, *value.interval(analysis.prob)
    lower, upper = value.interval(analysis.prob)
    return math.exp(value.mean), math.exp(lower), math.exp(upper)


def _value(analysis: Analysis, weights: ArrayLike) -> Value:
    source = analysis.fits[0] if analysis.fits else analysis.estimate
    (value,) = source.combine(np.asarray(weights, dtype=np.float64)[None])
    return value


def slope_weights(
    analysis: Analysis, roles: Roles, *, subgroup: int | None = None, follow: bool = False
) -> Floats:
    """Return the weights of the slope: one unit more of its predictor, all else equal.

    Parameters
    ----------
    analysis : Analysis
    roles : Roles
        Of its design, with a slope.
    subgroup : int, optional
        0 or 1: for groups at that level of the binary predictor.
    follow : bool
        Whether a Mundlak model's group mean increases too: the slope between groups.
    """
    rows = _rows(analysis, roles, np.array([0.0, 1.0]), subgroup, follow=follow)
    return np.asarray(rows[1] - rows[0])


def moderator_weights(analysis: Analysis, roles: Roles) -> Floats:
    """Return the weights of the binary predictor: level 1 less 0, at the mean of the slope's."""
    at = np.zeros(1)
    if roles.slope is not None:
        at[0] = average_of_slope(analysis, roles)
    low, high = (_rows(analysis, roles, at, level, follow=False)[0] for level in (0, 1))
    return np.asarray(high - low)


def average_of_slope(analysis: Analysis, roles: Roles) -> float:
    """Return the mean of the slope's predictor over the rows, as coded for the kind of model."""
    assert roles.slope is not None  # for mypy: the caller looked
    if analysis.design.kind == "within":  # deviations have mean zero
        return 0.0
    design = analysis.design
    return float(column_moments(design).x_mean[design.terms.index(roles.slope)])


def _rows(
    analysis: Analysis, roles: Roles, x: Floats, subgroup: int | None, *, follow: bool
) -> Floats:
    if roles.slope is None:
        return _rows_without_slope(analysis, roles, subgroup)
    return rows_of_x(analysis.design, roles, x, None, subgroup, follow=follow)


def _rows_without_slope(analysis: Analysis, roles: Roles, subgroup: int | None) -> Floats:
    """Return the mean row of X (1, p), with the binary predictor set to a level."""
    design = analysis.design
    row = column_moments(design).x_mean.copy()
    if subgroup is not None and roles.moderator_column in design.terms:
        row[design.terms.index(roles.moderator_column)] = roles.moderator_values[subgroup]
    return row[None, :]
