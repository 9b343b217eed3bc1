"""Collect the group effects of a fit, from draws or from their means and sds."""

from dataclasses import dataclass

from bayes_mlm.assess import standardised_effects
from bayes_mlm.base import Floats
from bayes_mlm.engines import has_random_effects, samples
from bayes_mlm.fitting import Fit


@dataclass(frozen=True, kw_only=True, eq=False)
class GroupEffect:
    """One effect of every group: the intercepts, or the slopes of one predictor.

    Parameters
    ----------
    name : str
        "Intercept", or the predictor.
    mean, sd, lower, upper : ndarray, shape (J,)
        Posterior mean and sd, and the ends of the interval.
    standardised : ndarray, shape (J,)
        The effect expected at the posterior means of all else, divided by the sd that such
        expectations have among groups if the model is right; nan for a group with next to
        no data on it.
    sigma_u : float
        Posterior mean of the effects' sd.
    """

    name: str
    mean: Floats
    sd: Floats
    lower: Floats
    upper: Floats
    standardised: Floats
    sigma_u: float


def effects_of(fit: Fit, prob: float, factor: str | None = None) -> tuple[GroupEffect, ...]:
    """Collect the effects of a model with random effects; empty for others.

    Parameters
    ----------
    fit : Fit
    prob : float
        Of the intervals: shortest from draws, normal from means and sds.
    factor : str, optional
        Whose effects, where the model has several grouping factors.
    """
    found = fit.group_effects(prob, factor) if has_random_effects(fit.design) else None
    if found is None:
        return ()
    standardised = standardised_effects(fit, factor)
    fit = fit.of_factor(factor)
    sigma = samples(fit.draws, "sigma_u").reshape(-1, fit.design.q)
    return tuple(
        GroupEffect(
            name=name,
            mean=found.mean[:, k],
            sd=found.sd[:, k],
            lower=found.lower[:, k],
            upper=found.upper[:, k],
            standardised=standardised[:, k],
            sigma_u=float(sigma[:, k].mean()),
        )
        for k, name in enumerate(fit.design.effects)
    )
