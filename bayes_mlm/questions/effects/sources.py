"""Hold what effects are read from: a posterior, a REML or OLS fit, or both of one design."""

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np

from bayes_mlm.base import EngineError, Finding, Floats, Verdict, check_prob, expect
from bayes_mlm.design import Design
from bayes_mlm.engines import OlsFit, RemlFit
from bayes_mlm.fitting import Classical, Fit, fit_classical
from bayes_mlm.questions.effects.rows import Population, population


@dataclass(frozen=True, kw_only=True, eq=False)
class Sources:
    """Hold the coefficients of one model as its engines have them.

    Parameters
    ----------
    name : str
        Of the model.
    beta : ndarray, shape (S, p), or None
        Posterior draws.
    sigma_e : ndarray, shape (S,), or None
        The residual sd in the same draws.
    engine : str
        Which engine drew; empty without draws.
    classical : RemlFit or OlsFit or None
    population : Population
        The rows to average over.
    verdict : Verdict
        Of the posterior, or of the REML or OLS fit if there is none.
    """

    name: str
    beta: Floats | None
    sigma_e: Floats | None
    engine: str
    classical: Classical | None
    population: Population
    verdict: Verdict

    @property
    def classical_engine(self) -> str:
        """Give "reml" or "ols"."""
        return "ols" if isinstance(self.classical, OlsFit) else "reml"


def sources(
    fit: Fit | Classical, *, design: Design | None, data: Any, prob: float, classical: bool
) -> Sources:
    """Gather what there is of a model.

    Raises
    ------
    EngineError
        If `fit` is none, or is a REML or OLS fit without its design.
    """
    check_prob(prob)
    if isinstance(fit, Fit):
        if design is not None:
            raise EngineError("a posterior fit brings its own design; leave design= away")
        beside = fit_classical(fit.design, prob=prob) if classical else None
        beta = fit.draws["beta"]
        return Sources(
            name=fit.spec.title,
            beta=beta.reshape(-1, beta.shape[-1]),
            sigma_e=fit.draws["sigma_e"].reshape(-1),
            engine=fit.engine,
            classical=beside,
            population=population(fit.design, fit.request, data),
            verdict=fit.verdict,
        )
    expect("a question about effects", fit, Fit, RemlFit, OlsFit)
    if design is None or tuple(fit.terms) != design.terms:
        raise EngineError(
            "a REML or OLS fit does not hold the columns of its data; give the design that was "
            "fitted too (design=...)"
        )
    finding = Finding("optimum", True, "closed form")
    if isinstance(fit, RemlFit):
        finding = Finding("optimum", fit.certificate.ok, fit.certificate.message)
    return Sources(
        name=str(design.formula),
        beta=None,
        sigma_e=None,
        engine="",
        classical=fit,
        population=population(design, None, data),
        verdict=Verdict((finding,)),
    )


def reach(fit: Classical, prob: float) -> float:
    """Give the number of standard errors that an interval reaches: normal for REML, t for OLS.

    Examples
    --------
    >>> from bayes_mlm import build_design, fit_reml, load_dataset
    >>> reml = fit_reml(build_design("reaction ~ days + (1|subject)", load_dataset("sleepstudy")))
    >>> round(reach(reml, 0.95), 4)
    1.96
    """
    if isinstance(fit, OlsFit):
        from scipy.special import stdtrit

        return float(stdtrit(fit.df_resid, 0.5 + 0.5 * prob))
    return NormalDist().inv_cdf(0.5 + 0.5 * prob)


def standard_error(fit: Classical, weights: Floats) -> float:
    """Give the standard error of a weighted sum (p,) of the coefficients: exact, as it is linear.

    By the covariance of generalised least squares at the variance estimates (lme4's).
    """
    return math.sqrt(max(float(weights @ fit.beta_cov @ weights), 0.0))


def draws_of(beta: Floats, weights: Floats) -> Floats:
    """Give the draws (S, k) of weighted sums of the coefficients, weights (k, p)."""
    return np.asarray(beta @ weights.T)
