"""Collect the group effects of a result: from draws, from their means and sds, or predicted."""

from dataclasses import dataclass

import numpy as np

from bayes_mlm.assess import LEAST_RELIABLE, standardised_effects
from bayes_mlm.base import Floats
from bayes_mlm.engines import has_random_effects, samples
from bayes_mlm.fitting import Estimate, Fit


@dataclass(frozen=True, kw_only=True, eq=False)
class GroupEffect:
    """One effect of every group: the intercepts, or the slopes of one predictor.

    Parameters
    ----------
    name : str
        "Intercept", or the predictor.
    mean, sd, lower, upper : ndarray, shape (J,)
        Posterior mean and sd (of an estimate, prediction and conditional sd), and the ends of the
        interval.
    standardised : ndarray, shape (J,)
        The effect expected at the posterior means of all else, divided by the sd that such
        expectations have among groups if the model is right; nan for a group with next to
        no data on it.
    sigma_u : float
        Posterior mean, or estimate, of the effects' sd.
    """

    name: str
    mean: Floats
    sd: Floats
    lower: Floats
    upper: Floats
    standardised: Floats
    sigma_u: float


def effects_of(
    fit: Fit | Estimate, prob: float, factor: str | None = None
) -> tuple[GroupEffect, ...]:
    """Collect the effects of a model with random effects; empty for others.

    Parameters
    ----------
    fit : Fit or Estimate
    prob : float
        Of the intervals: shortest from draws, normal from means and sds.
    factor : str, optional
        Whose effects, where the model has several grouping factors.
    """
    found = fit.group_effects(prob, factor) if has_random_effects(fit.design) else None
    if found is None:
        return ()
    one = fit.of_factor(factor)
    if isinstance(fit, Estimate) or isinstance(one, Estimate):
        # A prediction has the variance of the effects less what is left of it given the data.
        variance = np.diagonal(one.group_covariance()[0])
        known = variance - np.square(found.sd)
        scale = np.sqrt(np.where(known > LEAST_RELIABLE * variance, known, np.nan))
        standardised, sigma_u = found.mean / scale, np.sqrt(variance)
    else:
        standardised = standardised_effects(fit, factor)
        sigma_u = samples(one.draws, "sigma_u").reshape(-1, one.design.q).mean(axis=0)
    return tuple(
        GroupEffect(
            name=name,
            mean=found.mean[:, k],
            sd=found.sd[:, k],
            lower=found.lower[:, k],
            upper=found.upper[:, k],
            standardised=standardised[:, k],
            sigma_u=float(sigma_u[k]),
        )
        for k, name in enumerate(one.design.effects)
    )
