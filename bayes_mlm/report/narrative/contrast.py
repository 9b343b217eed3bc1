"""Compute what a model says of a difference between two rows of its design, with uncertainty."""

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

from bayes_mlm.base import Floats
from bayes_mlm.design import column_moments
from bayes_mlm.figures import Roles, rows_of_x
from bayes_mlm.fitting import Analysis


@dataclass(frozen=True, kw_only=True)
class Contrast:
    """Difference in the expected outcome.

    Parameters
    ----------
    estimate, lower, upper : float
        Posterior mean and shortest interval; of REML or OLS the estimate and its Wald interval if
        there is no posterior. In units of the outcome.
    above : float
        Probability that it is above zero; of REML or OLS by the normal approximation.
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
    """Evaluate a weighted sum of the coefficients.

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
    w = np.asarray(weights, dtype=np.float64)
    source = analysis.fits[0] if analysis.fits else analysis.estimate
    (value,) = source.combine(w[None])
    lower, upper = value.interval(analysis.prob)
    above = value.positive
    if above is None:  # as a flat prior would have it
        above = NormalDist().cdf(value.mean / value.sd) if value.sd else float(value.mean > 0.0)
    return Contrast(estimate=value.mean, lower=lower, upper=upper, above=above)


def slope_weights(
    analysis: Analysis, roles: Roles, *, side: int | None = None, follow: bool = False
) -> Floats:
    """Return the weights of the slope: one unit more of its predictor, all else equal.

    Parameters
    ----------
    analysis : Analysis
    roles : Roles
        Of its design, with a slope.
    side : int, optional
        0 or 1: for groups at that level of the binary predictor.
    follow : bool
        Whether a Mundlak model's group mean rises with it: the slope of the means of groups.
    """
    rows = _rows(analysis, roles, np.array([0.0, 1.0]), side, follow=follow)
    return np.asarray(rows[1] - rows[0])


def split_weights(analysis: Analysis, roles: Roles) -> Floats:
    """Return the weights of the binary predictor: level 1 less 0, at the mean of the slope's."""
    at = np.zeros(1)
    if roles.slope is not None:
        at[0] = average_of_slope(analysis, roles)
    sides = [_rows(analysis, roles, at, side, follow=False)[0] for side in (0, 1)]
    return np.asarray(sides[1] - sides[0])


def average_of_slope(analysis: Analysis, roles: Roles) -> float:
    """Return the mean of the slope's predictor over the rows, as coded for the kind of model."""
    assert roles.slope is not None  # for mypy: the caller looked
    if analysis.design.kind == "within":  # deviations, whose mean is nothing
        return 0.0
    design = analysis.design
    return float(column_moments(design).x_mean[design.terms.index(roles.slope)])


def _rows(analysis: Analysis, roles: Roles, x: Floats, side: int | None, *, follow: bool) -> Floats:
    if roles.slope is None:
        return _rows_without_slope(analysis, roles, side)
    return rows_of_x(analysis.design, roles, x, None, side, follow=follow)


def _rows_without_slope(analysis: Analysis, roles: Roles, side: int | None) -> Floats:
    """Return the mean row of X (1, p), with the binary predictor set to a level."""
    design = analysis.design
    row = column_moments(design).x_mean.copy()
    if side is not None and roles.moderator_column in design.terms:
        row[design.terms.index(roles.moderator_column)] = roles.moderator_values[side]
    return row[None, :]
