"""Evaluate the Gaussian likelihood with the group effects integrated out.

The variance parameters enter as the relative factor Lambda, with cov(u) = sigma_e^2 Lambda
Lambda', so that sigma_u = 0 is an ordinary point (Bates et al. 2015, J. Stat. Softw. 67(1),
sections 2-3; Pinheiro & Bates 2000, ch. 2). Given Lambda, beta and sigma_e have closed forms,
and everything that depends on the data comes from one small matrix a factor:

    A(Lambda) = sigma_e^2 [X, y]' V^-1 [X, y]        (p+1, p+1)

All functions take many Lambda at once along a leading axis.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from bayes_mlm.base import EngineError, Floats
from bayes_mlm.likelihood.many_groups import sums_by_group
from bayes_mlm.moments import RotatedMoments

Method = Literal["REML", "ML"]
LOG_2PI = math.log(2.0 * math.pi)


@dataclass(frozen=True, kw_only=True, eq=False)
class Marginal:
    """Terms of the likelihood at B values of the relative factor.

    Attributes
    ----------
    lam : (B, q, q) array
        The relative factors, in the units of Z as given.
    logdet_v : (B,) array
        ``log |V| - n log sigma_e^2``.
    logdet_x : (B,) array
        ``log |X'V^-1 X| + p log sigma_e^2``.
    rss : (B,) array
        ``sigma_e^2 (y - X beta)' V^-1 (y - X beta)`` at `beta`.
    beta : (B, p) array
        Generalised least-squares estimate, of the columns of X as given.
    chol_x : (B, p, p) array
        Lower Cholesky factor of ``sigma_e^2 X'V^-1 X`` for the *centred* columns.
    quadratic : (B, p+1, p+1) array
        A(Lambda) for the centred ``[X, y]``.
    beta_root : (B, p, p) array
        Root of the covariance of beta: ``beta + sigma_e * beta_root @ z`` with z standard
        normal has the distribution of beta given Lambda and sigma_e under a flat prior.
    n, p : int
        Rows and fixed effects.
    """

    lam: Floats
    logdet_v: Floats
    logdet_x: Floats
    rss: Floats
    beta: Floats
    chol_x: Floats
    quadratic: Floats
    beta_root: Floats
    n: int
    p: int


def evaluate(reduced: RotatedMoments, lam: Floats) -> Marginal:
    """Evaluate the pieces of the likelihood at many relative factors.

    Parameters
    ----------
    reduced : RotatedMoments
    lam : (B, q, q) array
        Relative factors, ``cov(u) = sigma_e^2 lam lam'``; any square root will do, triangular
        or not, singular or not.

    Returns
    -------
    Marginal

    Raises
    ------
    EngineError
        If y is an exact linear function of X (no residual variance), or a factor is not finite.
    """
    transform = reduced.z_centring
    s = transform @ lam @ lam.swapaxes(-1, -2) @ transform.T
    logdet_v, a = quadratic(reduced, s)
    chol = cholesky(a)
    p = reduced.p
    chol_x = chol[:, :p, :p]
    inverse = invert_lower(chol_x)
    centred = (chol[:, p, None, :p] @ inverse)[:, 0]
    return Marginal(
        lam=lam,
        logdet_v=logdet_v,
        logdet_x=2.0 * np.log(np.diagonal(chol_x, axis1=1, axis2=2)).sum(axis=1),
        rss=chol[:, p, p] ** 2,
        beta=reduced.original_beta(centred),
        chol_x=chol_x,
        quadratic=a,
        beta_root=reduced.beta_transform @ inverse.swapaxes(1, 2),
        n=reduced.n,
        p=p,
    )


def profiled_loglik(
    reduced: RotatedMoments, s: Floats, method: Method, *, log_sigma_e2: Floats | None = None
) -> Floats:
    """Return the log-likelihood (B,) with beta, and by default sigma_e, at their optimum.

    Parameters
    ----------
    reduced : RotatedMoments
    s : (B, q, q) array
        Relative covariances of the effects of the *centred* Z (`RotatedMoments.z_centring`).
    method : {"REML", "ML"}
        REML as lme4, nlme and statsmodels define it: |X'V^-1X| counts, |X'X| does not.
    log_sigma_e2 : (B,) array, optional
        Logarithm of the residual variance; by default its optimum at `s`.

    Returns
    -------
    (B,) array
        Minus infinity where the likelihood cannot be computed.
    """
    logdet_v, a = quadratic(reduced, s)
    logdet_x, rss = _outcome(a)
    df = residual_df(reduced, method)
    penalty = logdet_v + (logdet_x if method == "REML" else 0.0)
    with np.errstate(divide="ignore", over="ignore"):
        level = np.log(rss / df) if log_sigma_e2 is None else log_sigma_e2
        return -0.5 * (penalty + df * (LOG_2PI + level) + rss * np.exp(-level))


def residual_df(reduced: RotatedMoments, method: Method) -> int:
    """Return the degrees of freedom of sigma_e: n - p for REML, n for ML."""
    return reduced.n - (reduced.p if method == "REML" else 0)


def quadratic(reduced: RotatedMoments, s: Floats) -> tuple[Floats, Floats]:
    """Compute ``log |V| - n log sigma_e^2`` (B,) and A (B, p+1, p+1) at covariances s (B, q, q).

    `s` is the relative covariance of the effects of the centred Z.
    """
    n_batch, k, q = len(s), reduced.p + 1, reduced.q
    if q == 0:
        return np.zeros(n_batch), np.broadcast_to(reduced.rest, (n_batch, k, k)).copy()
    if reduced.many_designs:
        logdet, a = sums_by_group(reduced, s)
        return logdet, reduced.rest + a
    inverse, logdet = invert_classes(reduced.r, s)
    with np.errstate(invalid="ignore", over="ignore"):  # covariances too large, as below
        a = inverse.reshape(n_batch, -1) @ reduced.products
    return logdet @ reduced.size, reduced.rest + a.reshape(n_batch, k, k)


def invert_classes(r: Floats, s: Floats) -> tuple[Floats, Floats]:
    """Invert N = I + R S R' for every s (B) and class (C): inverse (B, C, q, q), log|N| (B, C)."""
    if r.shape[-1] == 1:
        inner = 1.0 + s[:, None] * (r * r)
        return 1.0 / inner, np.log(inner[..., 0, 0])
    inner = r @ s[:, None] @ r.swapaxes(1, 2)
    inner += np.eye(r.shape[-1])
    # A scan reaches covariances so large that a pivot is lost; what comes of it is not finite,
    # which every caller checks.
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return _sweep(inner)


def _sweep(a: Floats) -> tuple[Floats, Floats]:
    """Invert many small positive definite matrices (..., q, q) in place; also their log|.|.

    Gauss-Jordan without pivoting, which positive definiteness makes stable. LAPACK is called a
    matrix at a time and costs several times as much on 2x2 and 3x3 ones.
    """
    logdet = np.zeros(a.shape[:-2])
    for k in range(a.shape[-1]):
        pivot = a[..., k, k].copy()
        logdet += np.log(pivot)
        column = a[..., :, k].copy()
        row = a[..., k, :] / pivot[..., None]
        a -= column[..., :, None] * row[..., None, :]
        a[..., k, :] = row
        a[..., :, k] = column / -pivot[..., None]
        a[..., k, k] = 1.0 / pivot
    return a, logdet


def cholesky(a: Floats) -> Floats:
    """Return Cholesky factors of matrices (..., k, k), or raise an EngineError with the reason."""
    try:
        chol = np.linalg.cholesky(a)
    except np.linalg.LinAlgError:
        chol = np.full_like(a, np.nan)
    if not np.isfinite(chol).all():
        raise EngineError(
            "the likelihood is not finite: the outcome is an exact linear function of the "
            "predictors, or a variance ratio overflowed; check the outcome column"
        )
    return chol


def invert_lower(chol: Floats) -> Floats:
    """Invert Cholesky factors (..., p, p), to the same digits whatever the units of the columns."""
    size = np.diagonal(chol, axis1=-2, axis2=-1)
    inverse: Floats = np.linalg.inv(chol / size[..., :, None]) / size[..., None, :]
    return inverse


def _outcome(a: Floats) -> tuple[Floats, Floats]:
    """Compute log|A_xx| and the residual sum of squares, nan where A is not positive definite."""
    try:
        diagonal = np.diagonal(np.linalg.cholesky(a), axis1=1, axis2=2)
    except np.linalg.LinAlgError:
        diagonal = np.full(a.shape[:2], np.nan)
        for i, one in enumerate(a):
            try:
                diagonal[i] = np.diagonal(np.linalg.cholesky(one))
            except np.linalg.LinAlgError:
                continue
    return 2.0 * np.log(diagonal[:, :-1]).sum(axis=1), diagonal[:, -1] ** 2
