"""The linear predictor of a fit's rows, and the likelihood of each row given it, draw by draw."""

import numpy as np

from bayes_mlm.base import Floats, Ints
from bayes_mlm.fitting.residuals import residual_draws
from bayes_mlm.fitting.sampled import Sampled
from bayes_mlm.likelihood import Likelihood, group_parameters


def linear_predictors(fit: Sampled, chosen: Ints) -> Floats:
    """Return the linear predictor (S, n) of each row at some draws, with group effects and offset.

    Parameters
    ----------
    fit : Fit or Sampled
        With rows, and draws of its group effects.
    chosen : ndarray of int, shape (S,)
        Which draws, chains joined.

    Examples
    --------
    >>> from bayes_mlm import fit
    >>> fitted = fit("reaction ~ days + (1 | subject)", "sleepstudy", random_seed=1)
    >>> linear_predictors(fitted, np.arange(3)).shape
    (3, 180)
    """
    design, draws = fit.design, fit.draws
    n_draws = draws.n_chains * draws.n_draws

    def taken(name: str) -> Floats:
        values = draws[name]
        return np.asarray(values.reshape(n_draws, *values.shape[2:])[chosen])

    eta: Floats = np.zeros((len(chosen), design.n)) + design.offset
    if design.p:
        eta += taken("beta") @ design.X.T
    terms = [term for term in design.group_terms if term.q]
    for term, names in zip(terms, group_parameters(design), strict=True):
        eta += term.sum_effects(taken(names.u.name))
    return eta


def conditional_log_densities(fit: Sampled, chosen: Ints) -> Floats:
    """Return ``log p(y_i | eta_i, auxiliary)`` (S, n) of each row at some draws."""
    aux = residual_draws(fit.draws).at(chosen).auxiliary(fit.design)
    return Likelihood(design=fit.design).conditional(linear_predictors(fit, chosen), aux)
