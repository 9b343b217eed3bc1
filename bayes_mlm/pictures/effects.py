"""Collect the group effects of a fit, from draws or from their means and sds."""

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from bayes_mlm.classical import has_random_effects
from bayes_mlm.design import Floats
from bayes_mlm.fitted import Fit
from bayes_mlm.group_effects import group_effects
from bayes_mlm.pictures.lines import samples
from bayes_mlm.recovery import effects_root
from bayes_mlm.reduced import reduce
from bayes_mlm.residual_draws import residual_draws
from bayes_mlm.sufficient import from_design
from bayes_mlm.summary import shortest_interval
from bayes_mlm.whitened import whitened

# Numbers whose order an interval is read from: of more, every k-th draw will do.
_MOST_NUMBERS = 1_500_000
# Below this share of the effects' variance, the data say next to nothing of a group.
_LEAST_RELIABLE = 0.05


@dataclass(frozen=True, kw_only=True, eq=False)
class GroupEffect:
    """Hold one effect of every group: the intercepts, or the slopes of one predictor.

    Parameters
    ----------
    name : str
        "Intercept", or the predictor.
    mean, sd, lower, upper : ndarray, shape (J,)
        Posterior mean and sd, and the ends of the interval.
    standardised : ndarray, shape (J,)
        The effect expected at the posterior means of all else, divided by the sd that such
        expectations have among groups if the model is right; nan for a group of which the data
        say next to nothing.
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


def effects_of(fit: Fit, mass: float) -> tuple[GroupEffect, ...]:
    """Collect the effects of a model with random effects; empty for others.

    Parameters
    ----------
    fit : Fit
    mass : float
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
        lower, upper = (ends.reshape(mean.shape) for ends in shortest_interval(flat, mass))
    elif "u_mean" in draws.posterior:
        mean, sd = draws["u_mean"], draws["u_sd"]
        reach = NormalDist().inv_cdf(0.5 + mass / 2) * sd
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


def standardised_effects(fit: Fit) -> Floats:
    """Divide the expected effects (J, q) by the sd that they have among groups.

    Given the variance parameters that sd is ``sqrt(sigma_u^2 - var(u_j | y))``: what the variance
    of the effects leaves when a group's own uncertainty is taken away. The parameters are taken
    at their posterior means, because their uncertainty is shared by all groups.

    References
    ----------
    Snijders & Bosker (2012), Multilevel Analysis, 2nd ed., sec. 10.4.3 (the diagnostic variance).
    """
    roots = effects_root(fit.draws)
    covariance = (roots @ roots.swapaxes(1, 2)).mean(axis=0)
    values, vectors = np.linalg.eigh(covariance)
    given = residual_draws(fit.draws).mean
    sigma_e = float(given.sds[0, 0])
    lam = (vectors * np.sqrt(np.maximum(values, 0.0)) / sigma_e)[None]
    beta = samples(fit.draws, "beta").mean(axis=0)[None]
    if fit.design.residual is None:
        reduced = reduce(from_design(fit.design))
    else:  # rows made independent, of the first stratum's sd; Student-t residuals taken as normal
        data = whitened(fit.design)
        reduced = data.reduced(given.sds[0] / sigma_e, float(given.rho[0]))
        beta = np.linalg.solve(data.turn, (beta - data.offset).T).T
    found = group_effects(reduced, lam, beta)
    root = sigma_e * found.root[0]
    own = np.square(root).sum(axis=2)[found.of_group]
    variance = np.diagonal(covariance)
    spread = variance - own
    told = spread > _LEAST_RELIABLE * variance
    return np.where(told, found.mean[0] / np.sqrt(np.where(told, spread, 1.0)), np.nan)
