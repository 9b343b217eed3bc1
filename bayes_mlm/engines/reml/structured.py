"""REML with residual sds by level or AR(1) residuals, for comparison with NUTS."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from bayes_mlm.base import Floats, tiny, wald_reach
from bayes_mlm.engines.reml.certificate import Certificate
from bayes_mlm.engines.reml.inference import (
    Interval,
    ResidualEstimates,
    VarianceErrors,
    effect_name,
    wald_intervals,
)
from bayes_mlm.engines.reml.profile import ProfileIntervals
from bayes_mlm.engines.reml.profile_structured import profile_from_zero
from bayes_mlm.engines.reml.result import RemlFit
from bayes_mlm.engines.reml.structure import (
    Structured,
    correlation_at,
    correlation_edges,
    correlation_place,
    differences,
)
from bayes_mlm.likelihood import Method, Whitened, profiled_loglik
from bayes_mlm.model import log_spread

if TYPE_CHECKING:
    from bayes_mlm.moments import RotatedMoments

# Log-likelihood that a further step in the residual structure may gain.
_STATIONARY = 1e-6
# Least eigenvalue of the information, at unit diagonal, that is not rounding of differences.
_FLAT = 1e-6
_AT_BOUNDARY = (
    "no Wald interval at the boundary of the parameter's range, where the likelihood is not "
    "quadratic"
)
_NO_INFORMATION = "no Wald interval: the data do not identify the variance parameters separately"


def add_structure(
    plain: RemlFit, found: Structured, data: Whitened, method: Method, level: float
) -> RemlFit:
    """Convert the fit of the whitened rows to that of the rows as given.

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
    rows, transform = data.rows, data.transform
    beta = transform @ plain.beta + data.offset
    cov = transform @ plain.beta_cov @ transform.T
    stratum_sds = plain.sigma_e * found.sds
    overall = math.sqrt(float(rows.share @ stratum_sds**2))
    n_par = rows.n_sds - 1 + (rows.spec.ar is not None)
    penalty = -2.0 * (found.loglik - plain.loglik)
    errors, intervals, residual = _inference(plain, found, data, method, level, stratum_sds)
    return replace(
        plain,
        loglik=found.loglik,
        aic=plain.aic + penalty + 2.0 * n_par,
        bic=plain.bic + penalty + math.log(plain.n) * n_par,
        beta=beta,
        beta_cov=cov,
        beta_cov_joint=transform @ plain.beta_cov_joint @ transform.T,
        beta_interval=wald_intervals(beta, cov, level),
        tests=None,
        sigma_e=overall,
        icc=None if plain.icc is None else _icc(float(plain.sigma_u[0]), overall),
        errors=errors,
        intervals=intervals,
        certificate=_certify(plain.certificate, found, identified=not math.isnan(errors.sigma_e)),
        residual=residual,
    )


def _icc(sigma_u: float, sigma_e: float) -> float:
    return sigma_u**2 / (sigma_u**2 + sigma_e**2)


def _certify(inner: Certificate, found: Structured, *, identified: bool) -> Certificate:
    """Return a fit with the certificate of the search over residual structures."""
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
            f"{tiny(found.decrement)} log-likelihood; simplify the residual structure"
        )
    if settled and not identified:
        text = (
            "not certified: the data do not identify the variance parameters separately (their "
            "information matrix is singular); omit ar, sigma, or the group effects"
        )
    fine = settled and identified
    return replace(
        inner,
        ok=inner.ok and fine,
        decrement=max(inner.decrement, found.decrement),
        message=f"{inner.message}; {text}" if fine else f"{text}; {inner.message}",
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Place:
    """Unbounded coordinates of the variance parameters: logs of sds, Fisher's z.

    `n_effects` coordinates are of the group effects, then come the residual sds, then rho_e.
    """

    at: Floats
    n_effects: int


def _inference(
    plain: RemlFit,
    found: Structured,
    data: Whitened,
    method: Method,
    level: float,
    stratum_sds: Floats,
) -> tuple[VarianceErrors, ProfileIntervals, ResidualEstimates]:
    """Compute standard errors and Wald intervals in unbounded coordinates, as nlme does."""
    rows, q = data.rows, plain.sigma_u.size
    pairs = data.design.group_term.pairs
    place = _coordinates(plain, found, data, stratum_sds)
    likelihood = _Likelihood(data=data, method=method, rho=found.rho, known={})
    covariance = _covariance(plain, place, data, likelihood)
    reason = _AT_BOUNDARY if not np.isnan(covariance).any() else _NO_INFORMATION
    spread = np.sqrt(np.diagonal(covariance))
    z = wald_reach(level)

    def interval(lower: float, upper: float) -> Interval:
        note = reason if math.isnan(lower + upper) else ""
        return Interval(lower=lower, upper=upper, level=level, method="Wald", note=note)

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
    weight = rows.share * stratum_sds**2 / (rows.share @ stratum_sds**2)
    residuals = slice(place.n_effects, place.n_effects + rows.n_sds)
    log_overall = math.sqrt(float(weight @ covariance[residuals, residuals] @ weight))
    overall = math.sqrt(float(rows.share @ stratum_sds**2))

    def icc_interval(e: Floats, sigma_e: float) -> tuple[float, Interval]:
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
        by_stratum = [
            icc_interval(one, sd)
            for one, sd in zip(np.eye(stratum_sds.size), stratum_sds, strict=True)
        ]
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
    spans_u = tuple(
        sd_interval(float(sd), float(error)) for sd, error in zip(plain.sigma_u, log_u, strict=True)
    )
    if q == 1 and plain.singular:
        one, whole_icc = _from_zero(plain, place, likelihood, level)
        spans_u = (one,)
    intervals = ProfileIntervals(
        sigma_u=spans_u,
        sigma_e=sd_interval(overall, log_overall),
        icc=whole_icc,
    )
    rho, rho_error, rho_interval = None, None, None
    if rows.spec.ar is not None:
        rho = found.rho if found.free_rho else 0.0
        rho_error, rho_interval = math.nan, interval(math.nan, math.nan)
        if found.free_rho:
            middle, error = float(place.at[-1]), float(spread[-1])
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
            sigma_e=stratum_sds,
            sigma_e_se=stratum_sds * log_e,
            sigma_e_interval=tuple(
                sd_interval(float(sd), float(error))
                for sd, error in zip(stratum_sds, log_e, strict=True)
            ),
            icc=tuple(_icc(float(plain.sigma_u[0]), float(sd)) for sd in stratum_sds)
            if by_stratum
            else (),
            icc_interval=tuple(one[1] for one in by_stratum),
            rho_e=rho,
            rho_e_se=rho_error,
            rho_e_interval=rho_interval,
        ),
    )


def _coordinates(plain: RemlFit, found: Structured, data: Whitened, stratum_sds: Floats) -> _Place:
    """Return the estimates in unbounded coordinates; a singular covariance has none."""
    at: list[float] = []
    if plain.sigma_u.size and not plain.singular:
        at = [math.log(sd) for sd in plain.sigma_u]
        at += [math.atanh(plain.rho_u[a, b]) for a, b in data.design.group_term.pairs]
    n_effects = len(at)
    at += [math.log(sd) for sd in stratum_sds]
    if data.rows.spec.ar is not None and found.free_rho:
        at.append(correlation_place(data.rows, found.rho))
    return _Place(at=np.array(at), n_effects=n_effects)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Likelihood:
    """Log-likelihood with beta at its optimum.

    Attributes
    ----------
    data : Whitened
    method : {"REML", "ML"}
    rho : float
        Value used where it is not among the coordinates.
    known : dict
        Rotated moments of the rows, by residual structure.
    """

    data: Whitened
    method: Method
    rho: float
    known: dict[tuple[float, ...], "RotatedMoments"]

    def __call__(self, cov_u: Floats, residual: Floats) -> float:
        """Evaluate at a covariance (q, q), the logs of the residual sds, and a place of rho."""
        rows = self.data.rows
        log_sds, rho = residual[: rows.n_sds], self.rho
        if residual.size > rows.n_sds:
            rho = correlation_at(rows, float(np.clip(residual[-1], *correlation_edges(rows))))
        relative = np.exp(log_sds - log_sds[0])
        key = (*relative.tolist(), rho)
        if key not in self.known:
            self.known[key] = self.data.reduced(relative, rho)
        reduced = self.known[key]
        transform = reduced.z_centring
        s = transform @ cov_u @ transform.T * math.exp(-2.0 * log_sds[0])
        level = np.array([2.0 * log_sds[0]])
        value = profiled_loglik(reduced, s[None], self.method, log_sigma_e2=level)
        return float(value[0]) - log_spread(rows, relative, rho)


def _from_zero(
    plain: RemlFit, place: _Place, likelihood: _Likelihood, level: float
) -> tuple[Interval, Interval | None]:
    """Profile a sigma_u whose estimate is 0, and the corresponding icc."""
    z = wald_reach(level)
    share = likelihood.data.rows.share
    at = place.at[place.n_effects :]
    n_sds = share.size

    def of_icc(icc: float, x: Floats) -> float:
        variance = icc / (1.0 - icc) * float(share @ np.exp(2.0 * x[:n_sds]))
        return likelihood(np.array([[variance]]), x)

    def span(loglik: Callable[[float, Floats], float], first: float, bound: float) -> Interval:
        ends = profile_from_zero(loglik, at, first=first, bound=bound, z=z)
        label = f"profile ({likelihood.method})"
        return Interval(
            lower=ends.lower, upper=ends.upper, level=level, method=label, note=ends.note
        )

    first = 0.2 * math.sqrt(float(share @ np.exp(2.0 * at[:n_sds])))
    sigma_u = span(lambda sd, x: likelihood(np.array([[sd * sd]]), x), first, math.inf)
    return sigma_u, None if plain.icc is None else span(of_icc, 0.05, 1.0)


def _covariance(plain: RemlFit, place: _Place, data: Whitened, likelihood: _Likelihood) -> Floats:
    """Invert the observed information in the coordinates; all nan where it is singular."""
    q = plain.sigma_u.size

    def one(x: Floats) -> float:
        cov_u = plain.cov_u
        if place.n_effects:
            correlation = np.eye(q)
            for k, (a, b) in enumerate(data.design.group_term.pairs, start=q):
                correlation[a, b] = correlation[b, a] = math.tanh(x[k])
            sds = np.exp(x[:q])
            cov_u = sds[:, None] * correlation * sds
        return likelihood(cov_u, x[place.n_effects :])

    _, hessian = differences(lambda points: np.array([one(x) for x in points]), place.at)
    size = np.sqrt(np.abs(np.diagonal(hessian)))
    if not (size > 0.0).all() or np.linalg.eigvalsh(-hessian / size / size[:, None])[0] < _FLAT:
        return np.full_like(hessian, np.nan)
    return np.asarray(np.linalg.inv(-hessian))
