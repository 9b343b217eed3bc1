"""Collect the group effects of a fit, from draws or from their means and sds."""

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from bayes_mlm.assess import standardised_effects
from bayes_mlm.base import Floats
from bayes_mlm.engines import has_random_effects, samples
from bayes_mlm.fitting import Fit, shortest_interval

# Numbers whose order an interval is read from: of more, every k-th draw will do.
_MOST_NUMBERS = 1_500_000


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


def effects_of(fit: Fit, prob: float) -> tuple[GroupEffect, ...]:
    """Collect the effects of a model with random effects; empty for others.

    Parameters
    ----------
    fit : Fit
    prob : float
        Of the intervals: shortest from draws, normal from means and sds.
    """
    design, draws = fit.design, fit.draws
    if not has_random_effects(design):
        return ()
    if "u" in draws.posterior:
        u = samples(draws, "u")
        mean = u.mean(axis=0)
        # Not u.std: of 2,000 groups it takes a second, and effects are about zero anyway.
        square = np.einsum("sjq,sjq->jq", u, u) / len(u)
        sd = np.sqrt(np.maximum(square - np.square(mean), 0.0))
        thin = max(1, u.size // _MOST_NUMBERS)
        flat = u[::thin].reshape(-1, design.J * design.q)
        lower, upper = (ends.reshape(mean.shape) for ends in shortest_interval(flat, prob))
    elif "u_mean" in draws.posterior:
        mean, sd = draws["u_mean"], draws["u_sd"]
        reach = NormalDist().inv_cdf(0.5 + prob / 2) * sd
        lower, upper = mean - reach, mean + reach
    else:
        return ()
    sigma = samples(draws, "sigma_u").reshape(-1, design.q)
    standardised = standardised_effects(fit)
    return tuple(
        GroupEffect(
            name=name,
            mean=mean[:, k],
            sd=sd[:, k],
            lower=lower[:, k],
            upper=upper[:, k],
            standardised=standardised[:, k],
            sigma_u=float(sigma[:, k].mean()),
        )
        for k, name in enumerate(design.effects)
    )
