"""Standard errors and intervals at the maximum of the likelihood of other families."""

import math
from collections.abc import Callable
from itertools import combinations

import numpy as np

from bayes_mlm.base import Floats, wald_reach
from bayes_mlm.engines.generalised.problem import Problem
from bayes_mlm.engines.reml.inference import EstimateRow, Interval, VarianceErrors

# Shapes of counts beyond it differ from a Poisson in no digit that is shown.
_INFINITE = 1e6
_POISSON = (
    "its most likely value is infinite: the counts vary no more than Poisson, fit that family"
)


def covariance_of(hessian: Floats | None, size: int) -> Floats:
    """Return the covariance of the estimates; nan where the information is singular."""
    if hessian is None:
        return np.full((size, size), math.nan)
    scale = np.sqrt(np.maximum(-np.diagonal(hessian), 1e-300))
    value, vector = np.linalg.eigh(-hessian / np.outer(scale, scale))
    if value.min() > 1e-10:
        found: Floats = np.linalg.inv(-hessian)
        return found
    # At an sd of zero: the rest is inverted as if the sd were known.
    good = value > 1e-10
    part = (vector[:, good] / value[good]) @ vector[:, good].T
    return np.asarray(part / np.outer(scale, scale))


def variance_errors(
    factor_of: Callable[[Floats], Floats], theta: Floats, covariance: Floats, *, singular: bool
) -> VarianceErrors:
    """Return standard errors of sds and correlations, by the delta method.

    Parameters
    ----------
    factor_of : callable
        From the free entries to the factor (q, q) of the covariance of the effects.
    theta : ndarray, shape (k,)
    covariance : ndarray, shape (k, k)
    singular : bool
        Whether the covariance is singular: then they are not defined, nan.
    """
    q = len(factor_of(theta))
    pairs = list(combinations(range(q), 2))

    def variances(at: Floats) -> Floats:
        factor = factor_of(at)
        cov = factor @ factor.T
        sd = np.sqrt(np.diagonal(cov))
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.concatenate([sd, [cov[a, b] / (sd[a] * sd[b]) for a, b in pairs]])

    jacobian = np.empty((q + len(pairs), theta.size))
    for k in range(theta.size):
        step = 1e-6 * (1.0 + abs(float(theta[k])))
        sides = [variances(theta + sign * step * np.eye(theta.size)[k]) for sign in (1.0, -1.0)]
        jacobian[:, k] = (sides[0] - sides[1]) / (2.0 * step)
    spread = jacobian @ covariance @ jacobian.T
    se = np.full(q + len(pairs), math.nan) if singular else np.sqrt(np.diagonal(spread))
    rho = np.zeros((q, q))
    for (a, b), value in zip(pairs, se[q:], strict=True):
        rho[a, b] = rho[b, a] = value
    names = (*(f"sigma_u[{k}]" for k in range(q)), *(f"rho_u[{a},{b}]" for a, b in pairs))
    return VarianceErrors(
        names=names,
        covariance=spread,
        sigma_u=se[:q],
        sigma_u2=2.0 * variances(theta)[:q] * se[:q],
        rho_u=rho,
        sigma_e=math.nan,
        sigma_e2=math.nan,
        icc=None,
    )


def auxiliary_rows(
    problem: Problem, aux: Floats, covariance: Floats, level: float
) -> list[EstimateRow]:
    """Return name, estimate, standard error and interval of shapes and thresholds."""
    first, family, reach = covariance.shape[0] - aux.size, problem.design.family, wald_reach(level)
    rows: list[EstimateRow] = []
    for k, value in enumerate(aux.tolist()):
        se, note = math.sqrt(max(float(covariance[first + k, first + k]), 0.0)), ""
        if family.thresholds is not None:
            name = family.thresholds.element(problem.design.encoding.between_levels[k])
            ends = value - reach * se, value + reach * se
            method, estimate, error = "Wald", value, se
        else:
            name, estimate = family.auxiliary[k].name, math.exp(value)
            ends = math.exp(value - reach * se), math.exp(min(value + reach * se, 700.0))
            method, error = "Wald of the log", estimate * se
            if estimate > _INFINITE and family.name == "negative_binomial":
                ends, error, note = (math.nan, math.nan), math.nan, _POISSON
        interval = Interval(lower=ends[0], upper=ends[1], level=level, method=method, note=note)
        rows.append((name, estimate, error, interval))
    return rows
