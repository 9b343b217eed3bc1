"""The maximum of the likelihood of outcomes that are not Gaussian."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
import numpy.typing as npt

from bayes_mlm.base import Floats, scaled
from bayes_mlm.design import Design
from bayes_mlm.engines.generalised.joint import JointEstimate
from bayes_mlm.engines.reml.certificate import Certificate
from bayes_mlm.engines.reml.inference import EstimateRow, Interval, VarianceErrors
from bayes_mlm.engines.reml.result import CertifiedEstimates
from bayes_mlm.likelihood import Method


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class GeneralisedFit(CertifiedEstimates):
    """An ML fit of outcomes that are not Gaussian, on the scale of the linear predictor.

    Attributes
    ----------
    method : "ML"
    family : str
        With its link, where that is not the usual one.
    n, n_groups : int
    loglik, aic, bic : float
        With all constants of the distribution.
    terms, effects : tuple of str
        Names of the p fixed and q group effects.
    group : str or None
    labels : ndarray, shape (J,)
    beta : ndarray, shape (p,)
    beta_cov : ndarray, shape (p, p)
        From the observed information of all parameters.
    beta_interval : tuple of Interval
        Wald intervals.
    cov_u : ndarray, shape (q, q)
    sigma_u : ndarray, shape (q,)
    rho_u : ndarray, shape (q, q)
        nan where an sd is zero.
    auxiliary : dict of str to ndarray
        Further parameters: shape (), thresholds (K - 1,).
    auxiliary_rows : tuple
        Their names, estimates, standard errors and Wald intervals (of a shape, of its log).
    errors : VarianceErrors
        `sigma_e` is nan: there is no residual sd.
    sigma_u_interval : tuple of Interval
        Profile intervals of a single effect; else Wald intervals of the logs.
    singular : bool
    u : ndarray, shape (J, q)
        Means of the group effects given the outcomes, at the estimates.
    u_cov : ndarray, shape (J, q, q)
        Their covariances.
    u_mode : ndarray, shape (J, q)
        Their modes (lme4's ``ranef``).
    sd_names : tuple of str
        What tables call each sd.
    rho_names : tuple of str
        And each correlation: "rho_u[Intercept,x]".
    certificate : Certificate
    joint : JointEstimate
        Every parameter with the covariance of all.
    """

    method: Method
    family: str
    n: int
    n_groups: int
    loglik: float
    aic: float
    bic: float
    terms: tuple[str, ...]
    effects: tuple[str, ...]
    group: str | None
    labels: npt.NDArray[np.generic]
    beta: Floats
    beta_cov: Floats
    beta_interval: tuple[Interval, ...]
    cov_u: Floats
    sigma_u: Floats
    rho_u: Floats
    auxiliary: dict[str, Floats]
    auxiliary_rows: tuple[EstimateRow, ...]
    errors: VarianceErrors
    sigma_u_interval: tuple[Interval, ...]
    singular: bool
    u: Floats
    u_cov: Floats
    u_mode: Floats
    sd_names: tuple[str, ...]
    rho_names: tuple[str, ...]
    certificate: Certificate
    joint: JointEstimate

    icc = None
    tests = None
    residual = None
    intervals = None
    sigma_e = math.nan  # there is no residual sd

    @property
    def u_sd(self) -> Floats:
        """Sds (J, q) of the group effects given the outcomes, at the estimates."""
        found: Floats = np.sqrt(np.einsum("jaa->ja", self.u_cov))
        return found

    def __repr__(self) -> str:
        """Return the family, the size of the data and the log-likelihood."""
        groups = f", {self.n_groups} groups ({self.group})" if self.group else ""
        loglik = scaled(self.loglik, 2)
        return f"<GeneralisedFit ({self.family}, ML), n = {self.n}{groups}, loglik = {loglik}>"

    def of_groups(self, design: Design) -> "GeneralisedFit":
        """Return the fit with the effects of a design's groups only; the rest stays that of all."""
        at = design.group_term.places_in(self.labels)
        kept = {name: getattr(self, name)[at] for name in ("labels", "u", "u_cov", "u_mode")}
        return replace(self, **kept)

    @property
    def covariances_u(self) -> tuple[Floats, ...]:
        """Covariance (q, q) of the group effects of each factor."""
        return (self.cov_u,) if self.effects else ()

    def variance_rows(self) -> Iterator[EstimateRow]:
        """Return sds, correlations and auxiliary parameters."""
        columns = (self.sd_names, self.sigma_u, self.errors.sigma_u, self.sigma_u_interval)
        for name, sd, error, interval in zip(*columns, strict=True):
            yield name, float(sd), float(error), interval
        pairs = combinations(range(len(self.effects)), 2)
        for name, (a, b) in zip(self.rho_names, pairs if self.rho_names else (), strict=True):
            yield name, float(self.rho_u[a, b]), float(self.errors.rho_u[a, b]), None
        yield from self.auxiliary_rows

    def icc_rows(self) -> Iterator[EstimateRow]:
        """Return nothing: what share of the variance is between groups depends on the scale."""
        return iter(())

    def estimate_rows(self) -> Iterator[EstimateRow]:
        """Return all estimates but the group effects."""
        columns = (self.terms, self.beta, self.beta_se, self.beta_interval)
        for term, beta, error, interval in zip(*columns, strict=True):
            yield f"beta[{term}]", float(beta), float(error), interval
        yield from self.variance_rows()
