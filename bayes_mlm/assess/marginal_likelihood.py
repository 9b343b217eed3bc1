"""Marginal likelihood: the prior predictive density of the data."""

from dataclasses import dataclass

from bayes_mlm.base import EngineError
from bayes_mlm.design import Design
from bayes_mlm.engines import why_not_direct
from bayes_mlm.fitting import Fit, expect_draws
from bayes_mlm.likelihood import ModelPriors, model_priors


@dataclass(frozen=True, kw_only=True)
class LogMarginalLikelihood:
    """Logarithm of the marginal likelihood of a model.

    Parameters
    ----------
    value : float
        Logarithm of the density of the outcome, with every parameter integrated out over its
        prior. In units of the outcome's density: only differences between models of the same
        outcome mean something.
    error : float
        Its numerical error: a bound (quadrature) or a Monte Carlo standard error (importance).
    """

    value: float
    error: float


def log_marginal_likelihood(fit: Fit) -> LogMarginalLikelihood:
    """Return the log marginal likelihood of a fit by the direct engine.

    Parameters
    ----------
    fit : Fit

    Returns
    -------
    LogMarginalLikelihood

    Raises
    ------
    EngineError
        If a prior is flat, which leaves it undefined, or the fit is not by the direct engine.

    References
    ----------
    Gelman et al. (2013), Bayesian Data Analysis, 3rd ed., sec. 7.4, on why it must be read with
    care: it depends on how wide the priors are even where the posterior does not.

    Examples
    --------
    >>> from bayes_mlm import fit
    >>> found = log_marginal_likelihood(fit("reaction ~ days + (1 | subject)", "sleepstudy"))
    >>> round(found.value, 2), found.error < 1e-4
    (-908.75, True)
    """
    expect_draws("log_marginal_likelihood", fit)
    if fit.design.imputations:
        raise EngineError(
            "a marginal likelihood is of one data set, and the fit is a mixture over "
            f"{len(fit.design.imputations)} imputations"
        )
    refuse_flat(fit.design, fit.priors)
    if fit.report is None or fit.report.log_marginal_likelihood is None:
        why = why_not_direct(fit.priors)
        raise EngineError(
            "the direct engine gives the marginal likelihood, and this fit is by "
            f"{fit.engine}; "
            + (
                f"it cannot fit this model: {why}; compare models by loo_compare"
                if why
                else "fit with engine direct"
            )
        )
    return LogMarginalLikelihood(
        value=fit.report.log_marginal_likelihood,
        error=fit.report.log_marginal_likelihood_error,
    )


def refuse_flat(design: Design, priors: ModelPriors) -> None:
    """Raise an EngineError where a flat prior leaves the marginal likelihood undefined."""
    flat = [name for name, prior in priors.by_name(design).items() if not prior.is_proper]
    if flat:
        proper = model_priors(design).by_name(design)
        advice = ", ".join(f"{name} = {proper[name]}" for name in flat)
        raise EngineError(
            f"the marginal likelihood is not defined with a flat prior on {' and '.join(flat)}; "
            f"give a proper one, such as {advice}"
        )
