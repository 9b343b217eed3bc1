"""Chart and deviance of relative factors: minus twice the profiled log-likelihood, REML or ML."""

import math

import numpy as np

from bayes_mlm.base import Floats
from bayes_mlm.likelihood import Factor, Method, Plan, evaluate


def coordinates(plan: Plan) -> list[tuple[int, int, int]]:
    """Return the free entries (factor, row, column) of the relative factors, column by column."""
    return [
        (f, a, b)
        for f, one in enumerate(plan.products.factors)
        for b in range(one.q)
        for a in range(b, one.q)
        if one.free[a, b]
    ]


def moved(plan: Plan, lam: list[Floats], step: Floats) -> list[Floats]:
    """Return ``Lambda expm(K)`` with the coordinates of K in `step`."""
    changes = [np.zeros_like(one) for one in lam]
    for (f, a, b), value in zip(coordinates(plan), step, strict=True):
        changes[f][a, b] = value
    return [one @ _exponential(change) for one, change in zip(lam, changes, strict=True)]


def _exponential(K: Floats) -> Floats:
    if len(K) == 1 or not (K - np.diag(np.diagonal(K))).any():
        return np.diag(np.exp(np.diagonal(K)))
    from scipy.linalg import expm

    return np.asarray(expm(K))


def residual_df(plan: Plan, method: Method) -> int:
    """Return the degrees of freedom of the residual variance: n - p by REML, n by ML."""
    products = plan.products
    return products.n - (products.p if method == "REML" else 0)


def deviance_of(factor: Factor, method: Method) -> float:
    """Return minus twice the profiled log-likelihood at a factor; infinite if it failed."""
    if math.isnan(factor.logdet):
        return math.inf
    df = residual_df(factor.plan, method)
    fixed = factor.logdet_x if method == "REML" else 0.0
    return factor.logdet + fixed + df * (1.0 + math.log(2.0 * math.pi * factor.r2 / df))


def relative(plan: Plan, theta: Floats) -> Floats:
    """Return the relative factors (B, k) of free entries (B, d)."""
    lam = np.zeros((len(theta), int(plan.arrays.lam_start[-1])))
    for k, (f, a, b) in enumerate(coordinates(plan)):
        lam[:, plan.arrays.lam_start[f] + a * plan.arrays.q[f] + b] = theta[:, k]
    return lam


def profiled(
    plan: Plan, method: Method, logdet: Floats, root: Floats, log_s2: Floats | None = None
) -> Floats:
    """Return the deviance (B,) of evaluated relative factors; infinite where that failed.

    Parameters
    ----------
    plan : Plan
    method : {"REML", "ML"}
    logdet, root : ndarray, shape (B,) and (B, p + 1, p + 1)
        As of `evaluate`.
    log_s2 : ndarray, shape (B,), optional
        Logs of the residual variance; by default it is profiled out too.
    """
    df, diagonal = residual_df(plan, method), np.diagonal(root, axis1=1, axis2=2)
    r2 = diagonal[:, -1] ** 2
    with np.errstate(all="ignore"):
        if log_s2 is None:
            found = logdet + df * (1.0 + np.log(2.0 * np.pi * r2 / df))
        else:
            found = logdet + df * (math.log(2.0 * math.pi) + log_s2) + r2 * np.exp(-log_s2)
        if method == "REML":
            found = found + 2.0 * np.log(diagonal[:, :-1]).sum(axis=1)
    return np.where(np.isfinite(found), found, np.inf)


def deviances(plan: Plan, theta: Floats, method: Method) -> Floats:
    """Return the deviance (B,) at free entries (B, d) of the relative factors."""
    return profiled(plan, method, *evaluate(plan, relative(plan, theta)))
