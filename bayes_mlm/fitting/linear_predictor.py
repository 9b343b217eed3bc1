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

    Raises
    ------
    SeveralFactorsError
        If effects of the model's factors are omitted.

    Examples
    --------
    >>> from bayes_mlm import fit
    >>> fitted = fit("reaction ~ days + (1 | subject)", "sleepstudy", random_seed=1)
    >>> linear_predictors(fitted, np.arange(3)).shape
    (3, 180)
    """
    design, draws = fit.design, fit.draws
    design.require_all_factors("a linear predictor")
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
    """Return the log-density (S, n) of each row given every parameter, at some draws.

    Of AR(1) residuals given the row before it in its group, so that the rows' sum is the
    log-likelihood.
    """
    given, eta = residual_draws(fit.draws).at(chosen), linear_predictors(fit, chosen)
    likelihood = Likelihood(design=fit.design)
    if not given.rho.any():
        return likelihood.conditional(eta, given.auxiliary(fit.design))
    found = np.empty(eta.shape)
    for s, mean in enumerate(eta):
        others = {name: values[s] for name, values in given.others.items()}
        found[s] = likelihood.series(mean, given.sds[s], float(given.rho[s]), others)
    return found
