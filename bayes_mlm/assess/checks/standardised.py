"""Group effects and residuals on a scale on which they are alike if the model is right."""

import numpy as np

from bayes_mlm.base import Floats
from bayes_mlm.engines import effects_root, samples
from bayes_mlm.fitting import Fit, residual_draws
from bayes_mlm.likelihood import group_effects, whitened
from bayes_mlm.model import whiten
from bayes_mlm.moments import rotate_moments

# Share of the variance of a group effect that its estimate must have to be looked at.
LEAST_RELIABLE = 0.05


def standardised_effects(fit: Fit, factor: str | None = None) -> Floats:
    """Divide the expected effects (J, q) by the sd that they have among groups.

    Given the variance parameters that sd is ``sqrt(sigma_u^2 - var(u_j | y))``: what the variance
    of the effects leaves when the uncertainty of a group's effects is subtracted. The parameters
    are taken at their posterior means, because their uncertainty is shared by all groups. With
    several factors, of which one is named, or a family that is not additive, mean and variance of
    the effects are those of their draws.

    References
    ----------
    Snijders & Bosker (2012), Multilevel Analysis, 2nd ed., sec. 10.4.3 (the diagnostic variance).
    """
    several = len(fit.design.factors) > 1
    fit = fit.of_factor(factor)
    roots = effects_root(fit.draws)
    covariance = (roots @ roots.swapaxes(1, 2)).mean(axis=0)
    values, vectors = np.linalg.eigh(covariance)
    if several or not fit.design.family.is_additive:
        if "u" in fit.draws.posterior:
            u = samples(fit.draws, "u")
            mean, variance = u.mean(axis=0), u.var(axis=0)
        else:  # too many to keep: summarised as they were drawn
            mean, variance = fit.draws["u_mean"], np.square(fit.draws["u_sd"])
        left = np.diagonal(covariance) - variance
        scale = np.where(left > LEAST_RELIABLE * np.diagonal(covariance), left, np.nan)
        return np.asarray(mean / np.sqrt(scale))
    given = residual_draws(fit.draws).mean
    residual_sd = float(given.sds[0, 0])
    lam = (vectors * np.sqrt(np.maximum(values, 0.0)) / residual_sd)[None]
    beta = samples(fit.draws, "beta").mean(axis=0)[None]
    if fit.design.residual is None:
        reduced = rotate_moments(fit.design.moments())
    else:  # rows made independent, of the first stratum's sd; Student-t residuals taken as normal
        data = whitened(fit.design)
        reduced = data.reduced(given.sds[0] / residual_sd, float(given.rho[0]))
        beta = np.linalg.solve(data.transform, (beta - data.offset).T).T
    found = group_effects(reduced, lam, beta)
    root = residual_sd * found.root[0]
    uncertainty = np.square(root).sum(axis=2)[found.of_group]
    variance = np.diagonal(covariance)
    spread = variance - uncertainty
    reliable = spread > LEAST_RELIABLE * variance
    return np.where(reliable, found.mean[0] / np.sqrt(np.where(reliable, spread, 1.0)), np.nan)


def standardised_residuals(fit: Fit, fitted: Floats) -> Floats:
    """Divide residuals by their sd, and take out what a residual structure says of them.

    AR(1) residuals are whitened, Student-t ones taken to the normal quantile of their probability,
    all at the posterior means.
    """
    given, family = residual_draws(fit.draws).mean, fit.design.family
    if not family.is_additive:  # Pearson residuals; `fitted` is the linear predictor
        aux = given.auxiliary(fit.design)
        aux = {name: values[0] for name, values in aux.items()}
        off = fit.design.y - family.expected(fitted, aux)
        return np.asarray(off / np.sqrt(family.variance(fitted, aux)))
    left = fit.design.y - fitted
    if fit.design.residual is None:
        return np.asarray(left / given.sds[0, 0])
    white = whiten(fit.design.residual, left, given.sds[0], float(given.rho[0]))
    return fit.design.family.normal_scores(white, given.others)


def fitted_values(fit: Fit) -> Floats:
    """Return the linear predictor of each row at the posterior means, group effects included."""
    design, draws = fit.design, fit.draws
    fitted = design.offset
    if design.p:
        fitted = fitted + design.X @ samples(draws, "beta").mean(axis=0)
    if design.q:
        known = "u" in draws.posterior
        u = samples(draws, "u").mean(axis=0) if known else draws["u_mean"]
        fitted = fitted + design.group_term.sum_effects(u)
    return np.asarray(fitted)
