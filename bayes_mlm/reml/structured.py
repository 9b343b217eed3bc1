"""Fit by REML where residuals differ in variance or are AR(1): beside the posterior by NUTS."""

import math
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

from bayes_mlm.marginal import Method, profiled_loglik
from bayes_mlm.reml.certificate import Certificate
from bayes_mlm.reml.inference import Interval, ResidualEstimates, VarianceErrors, effect_name
from bayes_mlm.reml.profile import ProfileIntervals
from bayes_mlm.reml.result import RemlFit
from bayes_mlm.reml.structure import (
    Structured,
    correlation_at,
    correlation_place,
    differences,
)
from bayes_mlm.residual import log_spread
from bayes_mlm.sufficient import FloatArray
from bayes_mlm.whitened import Whitened
from bayes_mlm.wording import tiny

if TYPE_CHECKING:
    from bayes_mlm.reduced import Reduced

# Log-likelihood that a further step in the residual structure may gain.
_STATIONARY = 1e-6


def add_structure(
    plain: RemlFit, found: Structured, data: Whitened, method: Method, level: float
) -> RemlFit:
    """Turn the fit of the whitened rows into that of the rows as given.

    Parameters
    ----------
    plain : RemlFit
        Of the whitened rows; its residual sd is that of the first stratum.
    found : Structured
    data : Whitened
    method : {"REML", "ML"}
    level : float
        Coverage of the intervals.
    """
    rows, turn = data.rows, data.turn
    beta = turn @ plain.beta + data.offset
    cov = turn @ plain.beta_cov @ turn.T
    half = NormalDist().inv_cdf(0.5 + 0.5 * level) * np.sqrt(np.diagonal(cov))
    own = plain.sigma_e * found.sds
    overall = math.sqrt(float(rows.share @ own**2))
    n_par = rows.n_sds - 1 + (rows.asked.ar is not None)
    penalty = -2.0 * (found.loglik - plain.loglik)
    errors, intervals, residual = _inference(plain, found, data, method, level, own)
    return replace(
        plain,
        loglik=found.loglik,
        aic=plain.aic + penalty + 2.0 * n_par,
        bic=plain.bic + penalty + math.log(plain.n) * n_par,
        beta=beta,
        beta_cov=cov,
        beta_cov_joint=turn @ plain.beta_cov_joint @ turn.T,
        beta_interval=tuple(
            Interval(lower=float(b - h), upper=float(b + h), level=level, method="Wald")
            for b, h in zip(beta, half, strict=True)
        ),
        sigma_e=overall,
        icc=None if plain.icc is None else _icc(float(plain.sigma_u[0]), overall),
        errors=errors,
        intervals=intervals,
        certificate=_certify(plain.certificate, found),
        residual=residual,
    )


def _icc(sigma_u: float, sigma_e: float) -> float:
    return sigma_u**2 / (sigma_u**2 + sigma_e**2)


def _certify(inner: Certificate, found: Structured) -> Certificate:
    """Add the search over residual structures to what is known of the rest."""
    if not found.starts:
        return inner
    settled = abs(found.decrement) <= _STATIONARY
    count = len(found.starts)
    searched = "1 start" if count == 1 else f"{count} starts"
    text = (
        f"residual structure: a Newton step would gain {tiny(found.decrement)}, the highest of "
        f"{searched}"
    )
    if not settled:
        text = (
            f"not certified: a Newton step in the residual structure would still gain "
            f"{tiny(found.decrement)} log-likelihood; ask for less of the residuals"
        )
    return replace(
        inner,
        ok=inner.ok and settled,
        decrement=max(inner.decrement, found.decrement),
        message=f"{inner.message}; {text}" if settled else f"{text}; {inner.message}",
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Place:
    """Hold unbounded coordinates of the variance parameters: logs of sds, Fisher's z.

    `n_effects` coordinates are of the group effects, then come the residual sds, then rho_e.
    """

    at: FloatArray
    n_effects: int


def _inference(
    plain: RemlFit,
    found: Structured,
    data: Whitened,
    method: Method,
    level: float,
    own: FloatArray,
) -> tuple[VarianceErrors, ProfileIntervals, ResidualEstimates]:
    """Give standard errors and Wald intervals in unbounded coordinates, as nlme's `intervals`."""
    rows, q = data.rows, plain.sigma_u.size
    pairs = data.design.effect_pairs
    place = _coordinates(plain, found, data, own)
    covariance = _covariance(plain, place, data, method)
    spread = np.sqrt(np.diagonal(covariance))
    z = NormalDist().inv_cdf(0.5 + 0.5 * level)

    def interval(lower: float, upper: float) -> Interval:
        return Interval(lower=lower, upper=upper, level=level, method="Wald")

    def sd_interval(estimate: float, error: float) -> Interval:
        return interval(*(estimate * math.exp(sign * z * error) for sign in (-1, 1)))

    n = q + len(pairs)
    log_u, log_e = np.full(q, np.nan), spread[place.n_effects : place.n_effects + rows.n_sds]
    rho_u = np.zeros((q, q))
    if place.n_effects:
        log_u = spread[:q]
        for k, (a, b) in enumerate(pairs, start=q):
            rho_u[a, b] = rho_u[b, a] = spread[k] * (1.0 - plain.rho_u[a, b] ** 2)
    else:
        rho_u[:] = np.nan
    # log of the overall sd is a mean of the logs, weighted by variance; the icc its log odds.
    weight = rows.share * own**2 / (rows.share @ own**2)
    residuals = slice(place.n_effects, place.n_effects + rows.n_sds)
    log_overall = math.sqrt(float(weight @ covariance[residuals, residuals] @ weight))
    overall = math.sqrt(float(rows.share @ own**2))

    def icc_interval(e: FloatArray, sigma_e: float) -> tuple[float, Interval]:
        along = np.zeros(len(covariance))
        along[residuals] = -2.0 * e
        if place.n_effects:
            along[0] = 2.0
        value = _icc(float(plain.sigma_u[0]), sigma_e)
        error = math.sqrt(float(along @ covariance @ along)) if place.n_effects else math.nan
        odds = math.log(value / (1.0 - value)) if 0 < value < 1 else math.nan
        ends = (1.0 / (1.0 + math.exp(-(odds + sign * z * error))) for sign in (-1, 1))
        return value * (1.0 - value) * error, interval(*ends)

    names = [effect_name("sigma_u", plain.effects, a) for a in range(q)]
    names += [effect_name("rho_u", plain.effects, a, b) for a, b in pairs]
    joint = np.full((n + 1, n + 1), np.nan)
    icc_error, whole_icc = None, None
    if plain.icc is not None:
        icc_error, whole_icc = icc_interval(weight, overall)
    by_stratum: list[tuple[float, Interval]] = []
    if plain.icc is not None and rows.strata:
        by_stratum = [icc_interval(one, sd) for one, sd in zip(np.eye(own.size), own, strict=True)]
    errors = VarianceErrors(
        names=(*names, "sigma_e"),
        covariance=joint,
        sigma_u=plain.sigma_u * log_u,
        sigma_u2=2.0 * plain.sigma_u**2 * log_u,
        rho_u=rho_u,
        sigma_e=overall * log_overall,
        sigma_e2=2.0 * overall**2 * log_overall,
        icc=icc_error,
    )
    intervals = ProfileIntervals(
        sigma_u=tuple(
            sd_interval(float(sd), float(error))
            for sd, error in zip(plain.sigma_u, log_u, strict=True)
        ),
        sigma_e=sd_interval(overall, log_overall),
        icc=whole_icc,
    )
    rho, rho_error, rho_interval = None, None, None
    if rows.asked.ar is not None:
        rho, middle, error = found.rho, float(place.at[-1]), float(spread[-1])
        rho_interval = interval(
            *(correlation_at(rows, middle + sign * z * error) for sign in (-1, 1))
        )
        slope = 1.0 - rho**2 if rows.whole else rho * (1.0 - rho)
        rho_error = slope * error
    return (
        errors,
        intervals,
        ResidualEstimates(
            strata=rows.strata,
            sigma_e=own,
            sigma_e_se=own * log_e,
            sigma_e_interval=tuple(
                sd_interval(float(sd), float(error)) for sd, error in zip(own, log_e, strict=True)
            ),
            icc=tuple(_icc(float(plain.sigma_u[0]), float(sd)) for sd in own) if by_stratum else (),
            icc_interval=tuple(one[1] for one in by_stratum),
            rho_e=rho,
            rho_e_se=rho_error,
            rho_e_interval=rho_interval,
        ),
    )


def _coordinates(plain: RemlFit, found: Structured, data: Whitened, own: FloatArray) -> _Place:
    """Give the estimates in unbounded coordinates; a singular covariance has none."""
    at: list[float] = []
    if plain.sigma_u.size and not plain.singular:
        at = [math.log(sd) for sd in plain.sigma_u]
        at += [math.atanh(plain.rho_u[a, b]) for a, b in data.design.effect_pairs]
    n_effects = len(at)
    at += [math.log(sd) for sd in own]
    if data.rows.asked.ar is not None:
        at.append(correlation_place(data.rows, found.rho))
    return _Place(at=np.array(at), n_effects=n_effects)


def _covariance(plain: RemlFit, place: _Place, data: Whitened, method: Method) -> FloatArray:
    """Invert the observed information in the coordinates, beta at its optimum given the rest."""
    rows, q = data.rows, plain.sigma_u.size
    known: dict[tuple[float, ...], Reduced] = {}

    def one(x: FloatArray) -> float:
        rest = x[place.n_effects :]
        log_sds = rest[: rows.n_sds]
        rho = correlation_at(rows, float(rest[-1])) if rows.asked.ar is not None else 0.0
        relative = np.exp(log_sds - log_sds[0])
        key = (*relative.tolist(), rho)
        if key not in known:
            known[key] = data.reduced(relative, rho)
        reduced = known[key]
        cov_u = plain.cov_u
        if place.n_effects:
            correlation = np.eye(q)
            for k, (a, b) in enumerate(data.design.effect_pairs, start=q):
                correlation[a, b] = correlation[b, a] = math.tanh(x[k])
            sds = np.exp(x[:q])
            cov_u = sds[:, None] * correlation * sds
        turn = reduced.z_centring
        s = turn @ cov_u @ turn.T * math.exp(-2.0 * log_sds[0])
        level = np.array([2.0 * log_sds[0]])
        value = profiled_loglik(reduced, s[None], method, log_sigma_e2=level)
        return float(value[0]) - log_spread(rows, relative, rho)

    _, hessian = differences(lambda points: np.array([one(x) for x in points]), place.at)
    try:
        covariance: FloatArray = np.linalg.inv(-hessian)
    except np.linalg.LinAlgError:
        covariance = np.full_like(hessian, np.nan)
    diagonal = np.diagonal(covariance)
    return covariance if (diagonal > 0).all() else np.full_like(covariance, np.nan)
