"""Carry the result of REML or maximum likelihood with several grouping factors."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Protocol

import numpy as np
import numpy.typing as npt

from bayes_mlm.base import Floats, Ints, one_thread, scaled
from bayes_mlm.engines.reml.certificate import Certificate
from bayes_mlm.engines.reml.inference import (
    EstimateRow,
    Interval,
    VarianceErrors,
)
from bayes_mlm.engines.reml.profile import ProfileIntervals
from bayes_mlm.engines.reml.result import CertifiedEstimates, RemlFit
from bayes_mlm.likelihood import Factor, Method, Plan


@dataclass(frozen=True, kw_only=True, eq=False)
class FactorEstimates:
    """Estimates of the group effects of one factor.

    Attributes
    ----------
    factor : str
    effects : tuple of str, length q
    sd_names : tuple of str, length q
        What tables call each sd: ``sigma_u[school]``, ``sigma_u[school,ses]``.
    rho_names : tuple of str
        The same of the correlations, the upper triangle by rows; empty of independent effects.
    labels : ndarray, shape (m,)
    theta : ndarray, shape (q, q)
        Relative factor: ``cov_u = sigma_e^2 theta theta'``, lower triangular.
    cov_u, rho_u : ndarray, shape (q, q)
    sigma_u : ndarray, shape (q,)
    errors : VarianceErrors
    sigma_u_interval : tuple of Interval
    rho_u_interval : tuple of Interval
    icc : float or None
        Share of the variance left by X that is of this factor; None unless every factor has a
        random intercept alone.
    icc_interval : Interval or None
    u, u_sd : ndarray, shape (m, q)
        Predicted effects and their sds given the coefficients and variances (lme4's condVar).
    u_cov : ndarray, shape (m, q, q)
    """

    factor: str
    effects: tuple[str, ...]
    sd_names: tuple[str, ...]
    rho_names: tuple[str, ...]
    labels: npt.NDArray[np.generic]
    theta: Floats
    cov_u: Floats
    rho_u: Floats
    sigma_u: Floats
    errors: VarianceErrors
    sigma_u_interval: tuple[Interval, ...]
    rho_u_interval: tuple[Interval, ...]
    icc: float | None
    icc_interval: Interval | None
    u: Floats
    u_sd: Floats
    u_cov: Floats

    def variance_rows(self) -> Iterator[EstimateRow]:
        """Return the sds and correlations."""
        columns = (self.sd_names, self.sigma_u, self.errors.sigma_u, self.sigma_u_interval)
        for name, sd, error, interval in zip(*columns, strict=True):
            yield name, float(sd), float(error), interval
        pairs = combinations(range(len(self.effects)), 2)
        for name, (a, b), interval in zip(
            self.rho_names, pairs if self.rho_names else (), self.rho_u_interval, strict=True
        ):
            yield name, float(self.rho_u[a, b]), float(self.errors.rho_u[a, b]), interval

    def effect_rows(self, level: float, reach: float) -> Iterator[EstimateRow]:
        """Return the group effects: ``u_school[3]``, or with an effect ``u_school[3,ses]``."""
        for label, means, sds in zip(self.labels.tolist(), self.u, self.u_sd, strict=True):
            for effect, u, sd in zip(self.effects, means.tolist(), sds.tolist(), strict=True):
                name = f"{label},{effect}" if len(means) > 1 else str(label)
                ends = Interval(
                    lower=u - reach * sd, upper=u + reach * sd, level=level, method="Wald"
                )
                yield f"u_{self.factor}[{name}]", u, sd, ends


class Equations(Protocol):
    """The mixed-model equations at the estimates, by whatever way they are solved."""

    def relative_variance(self, X: Floats, groups: Mapping[int, tuple[Floats, Ints]]) -> Floats:
        """Return what `SeveralFactorsFit.error_variance` does, over the residual variance."""


@dataclass(frozen=True, kw_only=True, eq=False)
class FactorisedEquations:
    """The mixed-model equations by their Cholesky factor; an `Equations`.

    Attributes
    ----------
    plan : Plan
        Layout of the factor, with the sufficient statistics.
    lam : tuple of ndarray
        Relative factors in the order of the plan.
    """

    plan: Plan
    lam: tuple[Floats, ...]

    @cached_property
    def factor(self) -> Factor:
        """The likelihood's factor at the estimates."""
        found = Factor(self.plan)
        with one_thread():
            found.update(self.lam)
        return found

    def relative_variance(self, X: Floats, groups: Mapping[int, tuple[Floats, Ints]]) -> Floats:
        """Return what `SeveralFactorsFit.error_variance` does, over the residual variance."""
        products, k = self.plan.products, len(X)
        E = np.zeros((self.plan.Q, k))
        for f, place in enumerate(products.places):
            if place in groups:
                Z, codes = groups[place]
                root = products.factors[f].transform @ self.lam[f]
                E[self.plan.places[f][codes], np.arange(k)[:, None]] = Z @ root
        return np.asarray(np.square(self._half(X, E)).sum(axis=0))

    def relative_root(self, X: Floats, sums: Mapping[int, Floats]) -> Floats:
        """Return W (D, k), with ``W'W`` the covariance of errors over the residual variance.

        Parameters
        ----------
        X : ndarray, shape (k, p)
            Weights of the coefficients in k linear combinations.
        sums : mapping of int to ndarray, shape (k, m, q)
            Weights of the effects of every level, by the place of the factor in the formula.
        """
        products = self.plan.products
        E = np.zeros((self.plan.Q, len(X)))
        for f, place in enumerate(products.places):
            root = products.factors[f].transform @ self.lam[f]
            E[self.plan.places[f]] = np.moveaxis(sums[place] @ root, 0, -1)
        return self._half(X, E)

    def _half(self, X: Floats, E: Floats) -> Floats:
        with one_thread():
            return self.factor.half_solve(E, X @ self.plan.products.transform[:-1, :-1])


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class SeveralFactorsFit(CertifiedEstimates):
    """A REML (or ML) fit with several grouping factors.

    Attributes
    ----------
    method : {"REML", "ML"}
    n : int
    loglik, aic, bic : float
        As lme4 defines them.
    terms : tuple of str
    beta : ndarray, shape (p,)
    beta_cov : ndarray, shape (p, p)
        At the variance estimates (lme4's).
    beta_interval : tuple of Interval
    sigma_e : float
    sigma_e_se : float
    sigma_e_interval : Interval
    factors : tuple of FactorEstimates
        In the order of the formula.
    singular : bool
        Whether the covariance of some factor's effects is.
    certificate : Certificate
    equations : Equations
        The mixed-model equations at the estimates, for the errors of predictions.
    """

    method: Method
    n: int
    loglik: float
    aic: float
    bic: float
    terms: tuple[str, ...]
    beta: Floats
    beta_cov: Floats
    beta_interval: tuple[Interval, ...]
    sigma_e: float
    sigma_e_se: float
    sigma_e_interval: Interval
    factors: tuple[FactorEstimates, ...]
    singular: bool
    certificate: Certificate
    equations: Equations

    icc = None
    residual = None

    def __repr__(self) -> str:
        """Return the method, the size of the data and the log-likelihood."""
        groups = "".join(f", {len(one.labels):,} groups ({one.factor})" for one in self.factors)
        text = scaled(self.loglik, 2)
        return f"<SeveralFactorsFit ({self.method}), n = {self.n:,}{groups}, loglik = {text}>"

    @property
    def covariances_u(self) -> tuple[Floats, ...]:
        """Covariance (q, q) of the group effects of each factor."""
        return tuple(one.cov_u for one in self.factors)

    @property
    def errors(self) -> tuple[VarianceErrors, ...]:
        """Standard errors of the variance parameters, factor by factor."""
        return tuple(one.errors for one in self.factors)

    def coefficient_rows(self) -> Iterator[EstimateRow]:
        """Return the coefficients."""
        for row in zip(self.terms, self.beta, self.beta_se, self.beta_interval, strict=True):
            yield f"beta[{row[0]}]", float(row[1]), float(row[2]), row[3]

    def variance_rows(self) -> Iterator[EstimateRow]:
        """Return sds and correlations factor by factor, and the residual sd."""
        for one in self.factors:
            yield from one.variance_rows()
        yield "sigma_e", self.sigma_e, self.sigma_e_se, self.sigma_e_interval

    def icc_rows(self) -> Iterator[EstimateRow]:
        """Return each factor's share of the variance left by X, where that is one number."""
        for one in self.factors:
            if one.icc is not None:
                yield f"icc[{one.factor}]", one.icc, one.errors.icc, one.icc_interval

    def estimate_rows(self) -> Iterator[EstimateRow]:
        """Return all estimates but the group effects."""
        yield from self.coefficient_rows()
        yield from self.variance_rows()
        yield from self.icc_rows()

    def of_factor(self, place: int) -> "OneFactorFit":
        """Return the fit with the group effects of one factor, by its place in the formula."""
        one = self.factors[place]
        n_groups = len(one.labels)
        return OneFactorFit(
            whole=self,
            place=place,
            method=self.method,
            n=self.n,
            n_groups=n_groups,
            loglik=self.loglik,
            aic=self.aic,
            bic=self.bic,
            terms=self.terms,
            effects=one.effects,
            group=one.factor,
            labels=one.labels,
            beta=self.beta,
            beta_cov=self.beta_cov,
            beta_cov_joint=self.beta_cov,
            beta_interval=self.beta_interval,
            theta=one.theta,
            cov_u=one.cov_u,
            sigma_u=one.sigma_u,
            rho_u=one.rho_u,
            sigma_e=self.sigma_e,
            icc=None,
            errors=one.errors,
            intervals=ProfileIntervals(
                sigma_u=one.sigma_u_interval, sigma_e=self.sigma_e_interval, icc=None
            ),
            singular=self.singular,
            u=one.u,
            u_sd=one.u_sd,
            u_cov=one.u_cov,
            u_class=np.arange(n_groups),
            certificate=self.certificate,
        )

    def error_variance(self, X: Floats, groups: Mapping[int, tuple[Floats, Ints]]) -> Floats:
        """Return the variance (k,) of the error of ``x'beta + z'u`` predicted at rows.

        With ``w = (Lambda'z, x)`` it is ``sigma_e^2 w' inv(M) w``, M being the matrix of the
        mixed-model equations (Henderson 1975, Biometrics 31(2)).

        Parameters
        ----------
        X : ndarray, shape (k, p)
        groups : mapping of int to (ndarray, shape (k, q); ndarray of int, shape (k,))
            Columns and groups of the rows, by the place of the factor in the formula; effects of
            factors that it does not have are left out.
        """
        return np.asarray(self.sigma_e**2 * self.equations.relative_variance(X, groups))


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class OneFactorFit(RemlFit):
    """A fit with several grouping factors, of whose group effects it has those of one.

    The log-likelihood, coefficients, residual sd and intervals are those of the whole model.

    Attributes
    ----------
    whole : SeveralFactorsFit
    place : int
        Of the factor in the formula.
    """

    whole: SeveralFactorsFit
    place: int
