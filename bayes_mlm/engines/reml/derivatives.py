"""Differentiate the marginal likelihood exactly, twice, in the variance parameters."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bayes_mlm.base import Floats
from bayes_mlm.likelihood import (
    LOG_2PI,
    Method,
    cholesky,
    curvature_sums,
    derivative_sums,
    invert_classes,
    invert_lower,
    residual_df,
)
from bayes_mlm.moments import RotatedMoments


@dataclass(frozen=True, kw_only=True, eq=False)
class Derivatives:
    """Log-likelihood and its derivatives at one relative covariance.

    The coordinates are the m directions given, then log sigma_e^2.

    Attributes
    ----------
    loglik : float
    gradient : (m+1,) array
    hessian : (m+1, m+1) array
    slope : (q, q) array
        Derivative with respect to the relative covariance: ``d loglik = trace(slope dS)``.
    beta : (p,) array
        Generalised least-squares estimate (centred columns).
    beta_cov : (p, p) array
        Its covariance over sigma_e^2 (centred columns).
    d_beta : (m, p) array
        Derivative of `beta` along the directions.
    d_information : (m, p, p) array
        Derivative of the inverse of `beta_cov` along the directions.
    rss : float
    sigma_e2 : float
        The residual variance at which this was evaluated.
    """

    loglik: float
    gradient: Floats
    hessian: Floats
    slope: Floats
    beta: Floats
    beta_cov: Floats
    d_beta: Floats
    d_information: Floats
    rss: float
    sigma_e2: float


def derivatives(
    reduced: RotatedMoments,
    s: Floats,
    directions: Floats,
    method: Method,
    *,
    sigma_e2: float | None = None,
) -> Derivatives:
    """Differentiate the log-likelihood twice along directions of the relative covariance.

    Parameters
    ----------
    reduced : RotatedMoments
    s : (q, q) array
        Relative covariance of the effects of the centred Z.
    directions : (m, q, q) array
        Symmetric directions dS.
    method : {"REML", "ML"}
    sigma_e2 : float, optional
        Residual variance; its optimum given `s` where it is not given.

    Returns
    -------
    Derivatives

    Notes
    -----
    With P_i = N^-1 (R dS_i R') N^-1: dA_i = -sum P_i : CC', and log|N| and A differentiate once
    more by the same rule; beta, its covariance and the residual sum of squares follow from A.
    """
    p, m = reduced.p, len(directions)
    sums = (_by_group if reduced.many_designs else _by_class)(reduced, s, directions)
    a, da = reduced.rest + sums.a, sums.da
    chol = cholesky(a[None])[0]
    root = invert_lower(chol[:p, :p])
    beta_cov = root.T @ root
    beta = chol[p, :p] @ root
    rss = float(chol[p, p] ** 2)
    reml = method == "REML"
    df = residual_df(reduced, method)
    sigma2 = rss / df if sigma_e2 is None else sigma_e2
    v = np.append(-beta, 1.0)
    weight = v[:, None] * v / sigma2
    if reml:
        weight[:p, :p] += beta_cov
    slope, plain, weighted = sums.curvature(weight)
    along = np.einsum("mab,ab->m", directions, slope)

    transformed = da @ v  # (m, k)
    second = transformed[:, :p] @ beta_cov @ transformed[:, :p].T
    hess = -plain + weighted + weighted.T - 2.0 * second / sigma2
    if reml:
        half = beta_cov @ da[:, :p, :p]
        hess -= half.reshape(m, p * p) @ half.swapaxes(1, 2).reshape(m, p * p).T
    full = np.empty((m + 1, m + 1))
    full[:m, :m] = -0.5 * hess
    full[:m, m] = full[m, :m] = 0.5 * (transformed @ v) / sigma2
    full[m, m] = -0.5 * rss / sigma2
    penalty = sums.logdet + (2.0 * float(np.log(np.diagonal(chol)[:p]).sum()) if reml else 0.0)
    return Derivatives(
        loglik=-0.5 * (df * (LOG_2PI + math.log(sigma2)) + penalty + rss / sigma2),
        gradient=np.append(along, 0.5 * (rss / sigma2 - df)),
        hessian=full,
        slope=slope,
        beta=beta,
        beta_cov=beta_cov,
        d_beta=transformed[:, :p] @ beta_cov,
        d_information=da[:, :p, :p],
        rss=rss,
        sigma_e2=sigma2,
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Sums:
    """Sums over groups, by either way of adding them up.

    `logdet`, `a` (k, k) less `rest`, and its derivatives `da` (m, k, k) are as of
    `bayes_mlm.likelihood.many_groups.DerivativeSums`; `curvature` takes a weight (k, k) to the
    slope, plain and weighted sums of `CurvatureSums`.
    """

    logdet: float
    a: Floats
    da: Floats
    curvature: Callable[[Floats], tuple[Floats, Floats, Floats]]


def _by_group(reduced: RotatedMoments, s: Floats, directions: Floats) -> _Sums:
    first = derivative_sums(reduced, s, directions)

    def curvature(weight: Floats) -> tuple[Floats, Floats, Floats]:
        found = curvature_sums(reduced, s, directions, weight)
        return found.slope, found.plain, found.weighted

    return _Sums(logdet=first.logdet, a=first.a, da=first.da, curvature=curvature)


def _by_class(reduced: RotatedMoments, s: Floats, directions: Floats) -> _Sums:
    q, k = reduced.q, reduced.p + 1
    m, c = len(directions), len(reduced.size)
    r, size = reduced.r, reduced.size
    inverses, logdet = invert_classes(r, s[None])
    inverse = inverses[0]
    rd = r @ directions[:, None] @ r.swapaxes(1, 2)  # (m, C, q, q)
    left = inverse @ rd  # N^-1 dN
    dn = left @ inverse

    def curvature(weight: Floats) -> tuple[Floats, Floats, Floats]:
        inner = (reduced.products @ weight.reshape(-1)).reshape(c, q, q)
        # d log|N| - trace(weight CC' : dN^-1), as a matrix against dN.
        bend = inverse @ inner @ inverse
        slope_n = size[:, None, None] * inverse - 0.5 * (bend + bend.swapaxes(1, 2))
        slope = -0.5 * (r.swapaxes(1, 2) @ slope_n @ r).sum(axis=0)
        flat_l = left.reshape(m, c * q * q)
        flat_r = left.swapaxes(2, 3)
        plain = (left * size[:, None, None]).reshape(m, c * q * q) @ flat_r.reshape(m, c * q * q).T
        cross = left @ (inverse @ inner)  # (m, C, q, q)
        return slope, plain, flat_l @ cross.swapaxes(2, 3).reshape(m, c * q * q).T

    return _Sums(
        logdet=float(logdet[0] @ size),
        a=(inverse.reshape(-1) @ reduced.products).reshape(k, k),
        da=-(dn.reshape(m, c * q * q) @ reduced.products).reshape(m, k, k),
        curvature=curvature,
    )
