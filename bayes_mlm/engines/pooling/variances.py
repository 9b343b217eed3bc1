"""Variance parameters of several imputations, pooled on the scale of variances."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Literal, Protocol

import numpy as np

from bayes_mlm.base import Floats, wald_reach
from bayes_mlm.engines.pooling.rubin import Pooled, Within, pool
from bayes_mlm.engines.reml.inference import Interval, VarianceErrors

type Scale = Literal["log", "logit", "Fisher's z"]

_RANGES = {"log": (0.0, math.inf), "logit": (0.0, 1.0), "Fisher's z": (-1.0, 1.0)}
_THE = {"log": "the log", "logit": "the logit", "Fisher's z": "Fisher's z"}
VARIANCE_METHOD = "Rubin's, of the variance"
_SINGULAR = "not defined: the estimate is at the boundary in {} of {} imputations"


class HasVariances(Protocol):
    """The variance parameters of one factor and the residuals, of one imputation.

    What `pool_variances` reads of a solution: a `RemlFit`, a `FactorEstimates`.
    """

    @property
    def effects(self) -> tuple[str, ...]:
        """Names of the q effects."""

    @property
    def cov_u(self) -> Floats:
        """Covariance (q, q) of the group effects."""

    @property
    def sigma_u(self) -> Floats:
        """Their sds (q,)."""

    @property
    def rho_u(self) -> Floats:
        """Their correlations (q, q)."""

    @property
    def icc(self) -> float | None:
        """Intraclass correlation, where it is defined."""

    @property
    def errors(self) -> VarianceErrors:
        """Standard errors, nan where they are not defined."""


@dataclass(frozen=True, kw_only=True, eq=False)
class PooledVariances:
    """Pooled sds, correlations and icc of one factor, with errors and intervals.

    Parameters
    ----------
    cov_u, rho_u : ndarray, shape (q, q)
        Mean of the covariances; its correlations.
    sigma_u : ndarray, shape (q,)
        Roots of the mean variances.
    icc : float or None
        Mean of the iccs.
    errors : VarianceErrors
    sigma_u_interval, rho_u_interval : tuple of Interval
    icc_interval : Interval or None
    pooled : mapping of str to Pooled
        "sigma_u" (q variances), "rho_u" (correlations, the upper triangle by rows) and "icc".
    """

    cov_u: Floats
    rho_u: Floats
    sigma_u: Floats
    icc: float | None
    errors: VarianceErrors
    sigma_u_interval: tuple[Interval, ...]
    rho_u_interval: tuple[Interval, ...]
    icc_interval: Interval | None
    pooled: dict[str, Pooled]


def variance_interval(of: Pooled, k: int, level: float, at_zero: int) -> Interval:
    """Return the interval of an sd, of which variance k was pooled.

    It is t's on the scale of the log, about the pooled sd, where this is at least t of its standard
    errors from zero; below, from zero, and its upper end continues along a line in the standard
    error of the variance (the log runs off to infinity there).
    """
    value, se = float(of.estimate[k]), float(of.se[k])
    if math.isnan(se):
        return _undefined(level, VARIANCE_METHOD, at_zero, of.m)
    reach = wald_reach(level, float(of.df[k])) * se
    if value > 0.5 * reach:  # the sd has half the relative error of the variance
        ends = value * math.exp(-reach / value), value * math.exp(reach / value)
    else:
        ends = 0.0, value + 0.5 * (math.e**2 - 1.0) * reach
    lower, upper = map(math.sqrt, ends)
    return Interval(lower=lower, upper=upper, level=level, method=VARIANCE_METHOD)


def transformed_interval(of: Pooled, k: int, level: float, scale: Scale, at_zero: int) -> Interval:
    """Return the interval of quantity k by t on another scale, about the pooled value."""
    value, se, method = float(of.estimate[k]), float(of.se[k]), f"Rubin's, of {_THE[scale]}"
    low, high = _RANGES[scale]
    if math.isnan(se) or not low < value < high:
        return _undefined(level, method, at_zero, of.m)
    reach = wald_reach(level, float(of.df[k])) * se
    if scale == "log":
        ends = value * math.exp(-reach / value), value * math.exp(min(reach / value, 700.0))
    elif scale == "logit":
        centre, half = math.log(value / (1.0 - value)), reach / (value * (1.0 - value))
        ends = _expit(centre - half), _expit(centre + half)
    else:
        centre, half = math.atanh(value), reach / (1.0 - value**2)
        ends = math.tanh(centre - half), math.tanh(centre + half)
    return Interval(lower=ends[0], upper=ends[1], level=level, method=method)


def _expit(x: float) -> float:
    return 0.5 * (1.0 + math.tanh(0.5 * x))


def _undefined(level: float, method: str, at_zero: int, m: int) -> Interval:
    note = _SINGULAR.format(at_zero, m) if at_zero else ""
    return Interval(lower=math.nan, upper=math.nan, level=level, method=method, note=note)


def pool_sds(
    sds: Floats, errors: Floats, within: Within = "mean", df_complete: float = math.inf
) -> Pooled:
    """Pool sds (M, k) with standard errors (M, k), as variances."""
    return pool(
        np.square(sds), np.square(2.0 * sds * errors), df_complete=df_complete, within=within
    )


def sd_errors(of: Pooled) -> Floats:
    """Return the standard errors (k,) of sds of which the variances were pooled."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(of.estimate > 0.0, 0.5 * of.se / np.sqrt(of.estimate), np.nan)


def pool_variances(
    parts: Sequence[HasVariances],
    residual: Pooled,
    *,
    level: float,
    within: Within = "mean",
    at_zero: int = 0,
) -> PooledVariances:
    """Pool the variance parameters of one factor over M imputations.

    Parameters
    ----------
    parts : sequence of HasVariances
    residual : Pooled
        The residual variance.
    level : float
        Coverage of the intervals.
    within : {"mean", "first"}
        Whose sampling variance is taken.
    at_zero : int
        Imputations whose estimate is singular, for the notes.
    """
    first, q = parts[0], len(parts[0].effects)
    df = first.errors.df
    # Where they are held at zero the correlations have errors of zero, not nan.
    pairs = list(combinations(range(q), 2)) if first.errors.rho_u.any() else []
    places = tuple(np.array(pairs, dtype=np.int64).reshape(-1, 2).T)
    cov_u = np.mean([one.cov_u for one in parts], axis=0)
    sigma_u = np.sqrt(np.diagonal(cov_u))
    with np.errstate(invalid="ignore", divide="ignore"):
        rho_u = cov_u / np.outer(sigma_u, sigma_u)
    variances = pool_sds(
        np.array([one.sigma_u for one in parts]),
        np.array([one.errors.sigma_u for one in parts]),
        within,
        df,
    )
    correlations = pool(
        np.array([one.rho_u[places] for one in parts]),
        np.square(np.array([one.errors.rho_u[places] for one in parts])),
        df_complete=df,
        within=within,
    )
    found = {"sigma_u": variances, "rho_u": replace(correlations, estimate=rho_u[places])}
    if first.icc is not None:
        found["icc"] = pool(
            np.array([[one.icc] for one in parts], dtype=float),
            np.square(np.array([[one.errors.icc] for one in parts], dtype=float)),
            df_complete=df,
            within=within,
        )
    icc = found.get("icc")
    rho_errors = np.zeros((q, q))
    rho_errors[places] = rho_errors[places[::-1]] = correlations.se
    return PooledVariances(
        cov_u=cov_u,
        rho_u=rho_u,
        sigma_u=sigma_u,
        icc=None if icc is None else float(icc.estimate[0]),
        errors=VarianceErrors(
            names=(),
            covariance=np.empty((0, 0)),
            sigma_u=sd_errors(variances),
            sigma_u2=variances.se,
            rho_u=rho_errors,
            sigma_e=float(sd_errors(residual)[0]),
            sigma_e2=float(residual.se[0]),
            icc=None if icc is None else float(icc.se[0]),
        ),
        sigma_u_interval=tuple(variance_interval(variances, k, level, at_zero) for k in range(q)),
        rho_u_interval=tuple(
            transformed_interval(found["rho_u"], k, level, "Fisher's z", at_zero)
            for k in range(len(pairs))
        ),
        icc_interval=(
            None if icc is None else transformed_interval(icc, 0, level, "logit", at_zero)
        ),
        pooled=found,
    )
