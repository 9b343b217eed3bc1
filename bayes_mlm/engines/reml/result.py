"""Carry the result of a REML or maximum-likelihood fit."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
import numpy.typing as npt

from bayes_mlm.base import Finding, Floats, Verdict, scaled
from bayes_mlm.design import Design
from bayes_mlm.engines.reml.certificate import Certificate
from bayes_mlm.engines.reml.coefficient_tests import CoefficientTests
from bayes_mlm.engines.reml.inference import (
    EstimateRow,
    EstimatesTable,
    Interval,
    ResidualEstimates,
    VarianceErrors,
)
from bayes_mlm.engines.reml.profile import ProfileIntervals
from bayes_mlm.likelihood import Method


class CertifiedEstimates(EstimatesTable):
    """Estimates at an optimum that has a certificate."""

    method: Method
    beta_cov: Floats
    certificate: Certificate
    tests: CoefficientTests | None

    @property
    def engine(self) -> str:
        """The engine: "reml" or "ml"."""
        return self.method.lower()

    @property
    def df(self) -> float:
        """Degrees of freedom of Wald intervals of group effects: infinite, the normal."""
        return math.inf

    @property
    def verdict(self) -> Verdict:
        """Whether this is the optimum."""
        return Verdict((Finding("optimum", self.certificate.ok, self.certificate.message),))

    @property
    def remarks(self) -> tuple[str, ...]:
        """The certificate, below the table."""
        return (self.certificate.message,)

    @property
    def beta_se(self) -> Floats:
        """Standard errors (p,) of `beta` at the variance estimates (lme4's)."""
        return np.sqrt(np.diagonal(self.beta_cov))


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class RemlFit(CertifiedEstimates):
    """A REML (or ML) fit.

    Attributes
    ----------
    method : {"REML", "ML"}
    n, n_groups : int
        Rows; groups.
    loglik, aic, bic : float
        As lme4 defines them: df = p + variance parameters, and n rows in BIC also for REML.
    terms : tuple of str
        Names of the p fixed effects.
    effects : tuple of str
        Names of the q group effects.
    group : str or None
        Grouping factor.
    labels : (J,) array
        Group labels.
    beta : (p,) array
        Fixed effects, in units of y per unit of X.
    beta_cov, beta_cov_joint : (p, p) arrays
        Covariance of `beta` at the variance estimates (lme4's), and jointly with them
        (statsmodels'); see `beta_covariances`.
    beta_interval : tuple of Interval
        Intervals from `beta_cov`, of the t with the degrees of freedom of `tests`; normal of None.
    theta : (q(q+1)/2,) or (q,) array
        Lower triangle by columns of the relative factor (lme4's theta); its diagonal where the
        effects are independent.
    cov_u : (q, q) array
        Covariance of the group effects, in squared units of y.
    sigma_u : (q,) array
        Their sds.
    rho_u : (q, q) array
        Their correlations; nan where an sd is zero, and 0 where the effects are independent.
    sigma_e : float
        Residual sd.
    icc : float or None
        ``sigma_u^2 / (sigma_u^2 + sigma_e^2)``: share of the variance left by X that lies
        between groups. None unless the model has a random intercept and no other effect.
    errors : VarianceErrors
        Standard errors of the variance parameters.
    intervals : ProfileIntervals or None
        Profile intervals of the sds and the icc; None if not requested.
    singular : bool
        Whether the covariance of the effects is singular: smallest singular value of the
        relative factor below 1e-4, the columns of Z being at unit mean square. An ordinary
        outcome: some variance is not distinguishable from zero.
    u : (J, q) array
        Group effects: best linear unbiased predictions.
    u_sd : (J, q) array
        Their sds given `beta` and the variances (lme4's condVar).
    u_cov : (C, q, q) array
        Their covariances, one a class of groups with equal designs; see `u_class`.
    u_class : (J,) int array
        Class of each group.
    certificate : Certificate
        Evidence that this is the optimum.
    tests : CoefficientTests or None
        Degrees of freedom of the coefficients, by Satterthwaite; None with a residual structure.
    residual : ResidualEstimates or None
        Of residuals that differ in variance or are AR(1); `sigma_e` is then the sd over all rows,
        and intervals of variance parameters are Wald, on the scale of logs and of Fisher's z.
    """

    method: Method
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
    beta_cov_joint: Floats
    beta_interval: tuple[Interval, ...]
    theta: Floats
    cov_u: Floats
    sigma_u: Floats
    rho_u: Floats
    sigma_e: float
    icc: float | None
    errors: VarianceErrors
    intervals: ProfileIntervals | None
    singular: bool
    u: Floats
    u_sd: Floats
    u_cov: Floats
    u_class: npt.NDArray[np.int64]
    certificate: Certificate
    tests: CoefficientTests | None = None
    residual: ResidualEstimates | None = None

    def __repr__(self) -> str:
        """Return the method, the size of the data and the log-likelihood."""
        groups = f", {self.n_groups} groups ({self.group})" if self.group else ""
        return f"<RemlFit ({self.method}), n = {self.n}{groups}, loglik = {scaled(self.loglik, 2)}>"

    def estimate_rows(self) -> Iterator[EstimateRow]:
        """Return coefficients, sds, correlations and the icc with their intervals."""
        intervals = self.intervals
        for k, term in enumerate(self.terms):
            yield f"beta[{term}]", self.beta[k], self.beta_se[k], self.beta_interval[k]
        for k, effect in enumerate(self.effects):
            interval = None if intervals is None else intervals.sigma_u[k]
            yield f"sigma_u[{effect}]", self.sigma_u[k], self.errors.sigma_u[k], interval
        for (j, one), (k, other) in combinations(enumerate(self.effects), 2):
            yield f"rho_u[{one},{other}]", self.rho_u[j, k], self.errors.rho_u[j, k], None
        interval = None if intervals is None else intervals.sigma_e
        yield "sigma_e", self.sigma_e, self.errors.sigma_e, interval
        if self.icc is not None:
            yield "icc", self.icc, self.errors.icc, None if intervals is None else intervals.icc
        if self.residual is not None:
            yield from self.residual.rows()

    @property
    def lam(self) -> Floats:
        """Relative factor (q, q) of the group effects, lower triangular: lme4's Lambda."""
        q = len(self.effects)
        found = np.zeros((q, q))
        if len(self.theta) == q:
            found[range(q), range(q)] = self.theta
        else:
            columns = [(a, b) for b in range(q) for a in range(b, q)]
            found[tuple(np.array(columns).T)] = self.theta
        return found

    @property
    def covariances_u(self) -> tuple[Floats, ...]:
        """Covariance (q, q) of the group effects of each factor."""
        return (self.cov_u,) if self.effects else ()

    @property
    def beta_se_joint(self) -> Floats:
        """Standard errors (p,) of `beta` jointly with the variances (statsmodels')."""
        return np.sqrt(np.diagonal(self.beta_cov_joint))

    def of_groups(self, design: Design) -> "RemlFit":
        """Return the fit with the effects of a design's groups only; the rest stays that of all."""
        places = design.group_term.places_in(self.labels)
        return replace(
            self,
            labels=self.labels[places],
            u=self.u[places],
            u_sd=self.u_sd[places],
            u_class=self.u_class[places],
        )
