"""Profile the sds of a model with several group effects."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bayes_mlm.base import Floats, Ints
from bayes_mlm.engines.reml.climb import climb
from bayes_mlm.engines.reml.factor import Factor, rotate_to
from bayes_mlm.engines.reml.grid_start import FEW_GROUPS
from bayes_mlm.engines.reml.profile_curvature import Slopes, curvature_ends
from bayes_mlm.engines.reml.profile_ends import Ends, Held, Profile, solve
from bayes_mlm.engines.reml.search import Optimum, differentiate
from bayes_mlm.likelihood import Method, profiled_loglik, residual_df
from bayes_mlm.moments import RotatedMoments

# Longest step of the log of the residual variance.
_REACH = 3.0
# Points among which other starts are sought at each end, how many of its nearest a start must be
# higher than, and how many starts are tried.
_SCATTERED, _NEAREST, _STARTS = 120, 8, 4
# Logs of the residual variance at which they are sought, about the estimate.
_LEVELS = np.array([-0.6, 0.0, 0.6])


def profile_sd(
    reduced: RotatedMoments,
    optimum: Optimum,
    effect: int,
    method: Method,
    z: float,
    *,
    correlated: bool,
) -> Ends:
    """Profile the sd of one of several group effects.

    In coordinates where the sd is ``sigma_e * theta[k] / unit`` alone, holding it ties theta[k]
    to sigma_e; the rest stays free.
    """
    transformed = rotate_to(reduced, effect, correlated=correlated)
    factor, k, unit = transformed.factor, transformed.place, transformed.unit
    m = len(factor.basis)
    rest = [i for i in range(m) if i != k]
    theta_hat = transformed.theta(optimum.factor.lam(optimum.theta))
    log_s2 = math.log(optimum.point.sigma_e2)
    if reduced.many_designs:
        found = curvature_ends(_slopes(reduced, factor, method), np.append(theta_hat, log_s2), k, z)
        if found is not None:
            return Ends(lower=found.lower / unit, upper=found.upper / unit)
    reach = np.append(np.full(m - 1, np.inf), _REACH)

    def expand(x: Floats, sd: float) -> Floats:
        theta = np.empty((len(x), m))
        theta[:, rest] = x[:, :-1]
        theta[:, k] = sd * unit * np.exp(-0.5 * x[:, -1])
        return theta

    def values(points: Floats, sd: float) -> Floats:
        s = factor.covariance(expand(points, sd))
        return profiled_loglik(reduced, s, method, log_sigma_e2=points[:, -1])

    def at(sd: float, x: Floats) -> Held:
        def slopes(x: Floats) -> tuple[Floats, Floats]:
            theta = expand(x[None], sd)[0]
            _, gradient, hessian = differentiate(
                reduced, factor, theta, method, math.exp(float(x[-1]))
            )
            jacobian = np.zeros((m + 1, m))
            jacobian[rest, range(m - 1)] = 1.0
            jacobian[k, -1], jacobian[m, -1] = -0.5 * theta[k], 1.0
            bent = jacobian.T @ hessian @ jacobian
            bent[-1, -1] += 0.25 * theta[k] * gradient[k]
            return jacobian.T @ gradient, bent

        start = np.append(_off_boundary(x[:-1]), x[-1])
        x, best = climb(lambda points: values(points, sd), slopes, start, reach)
        gradient = differentiate(
            reduced, factor, expand(x[None], sd)[0], method, math.exp(float(x[-1]))
        )[1]
        return Held(x=x, loglik=best, slope=float(gradient[k] * unit * math.exp(-0.5 * x[-1])))

    few = correlated and len(reduced.c) <= FEW_GROUPS
    scattered = _scatter(reduced.q, rest) if few else None

    def others(sd: float, x: Floats) -> Floats:
        mirror = np.append(np.where(factor.off_diagonal[rest], -1.0, 1.0), 1.0)
        found = [x * mirror] if correlated else []
        if scattered is not None:
            found += _peaks(scattered, log_s2 + _LEVELS, lambda points: values(points, sd))
        return np.array(found).reshape(-1, m)

    sd_hat = float(theta_hat[k]) / unit * math.sqrt(optimum.point.sigma_e2)
    profile = Profile(
        at=at,
        others=others,
        estimate=sd_hat,
        x=np.append(theta_hat[rest], log_s2),
        peak=optimum.loglik,
        cut=optimum.loglik - 0.5 * z * z,
    )
    # Without an estimate to go by, start where the effect is a tenth of the residual.
    step = max(0.3 * sd_hat, 0.1 * math.sqrt(optimum.point.sigma_e2) / unit)
    lower, note = 0.0, ""
    if sd_hat > 0.0 and profile.best(0.0, at(0.0, profile.x)).loglik < profile.cut:
        lower, note = solve(profile, -min(step, 0.5 * sd_hat), 0.0)
    upper, other = solve(profile, step, math.inf)
    return Ends(lower=lower, upper=upper, note=note or other)


def profile_sigma_e(reduced: RotatedMoments, optimum: Optimum, method: Method, z: float) -> Ends:
    """Profile sigma_e with several group effects; the variable is log sigma_e^2."""
    factor = optimum.factor
    at_estimate = math.log(optimum.point.sigma_e2)
    if reduced.many_designs:
        slopes = _slopes(reduced, factor, method)
        found = curvature_ends(slopes, np.append(optimum.theta, at_estimate), None, z)
        if found is not None:
            return found

    def at(log_s2: float, x: Floats) -> Held:
        def value(points: Floats) -> Floats:
            held = np.full(len(points), log_s2)
            return profiled_loglik(reduced, factor.covariance(points), method, log_sigma_e2=held)

        def slopes(x: Floats) -> tuple[Floats, Floats]:
            _, gradient, hessian = differentiate(reduced, factor, x, method, math.exp(log_s2))
            return gradient[:-1], hessian[:-1, :-1]

        x, best = climb(value, slopes, _off_boundary(x))
        gradient = differentiate(reduced, factor, x, method, math.exp(log_s2))[1]
        return Held(x=x, loglik=best, slope=float(gradient[-1]))

    step = z * math.sqrt(2.0 / residual_df(reduced, method))
    mirror = np.where(factor.off_diagonal, -1.0, 1.0)
    few = factor.off_diagonal.any() and len(reduced.c) <= FEW_GROUPS
    scattered = _scatter(reduced.q, list(range(len(mirror)))) if few else None

    def others(log_s2: float, x: Floats) -> Floats:
        def values(points: Floats) -> Floats:
            s = factor.covariance(points[:, :-1])
            return profiled_loglik(reduced, s, method, log_sigma_e2=points[:, -1])

        found = [x * mirror] if factor.off_diagonal.any() else []
        if scattered is not None:
            found += [one[:-1] for one in _peaks(scattered, np.array([log_s2]), values)]
        return np.array(found).reshape(-1, len(x))

    profile = Profile(
        at=at,
        others=others,
        estimate=at_estimate,
        x=optimum.theta,
        peak=optimum.loglik,
        cut=optimum.loglik - 0.5 * z * z,
    )
    (lower, note), (upper, other) = (
        solve(profile, sign * step, sign * math.inf) for sign in (-1.0, 1.0)
    )
    return Ends(lower=math.exp(0.5 * lower), upper=math.exp(0.5 * upper), note=note or other)


def _slopes(reduced: RotatedMoments, factor: Factor, method: Method) -> Slopes:
    """Return the derivatives in theta and log sigma_e^2 as a function of both."""

    def slopes(x: Floats) -> tuple[float, Floats, Floats]:
        sigma_e2 = math.exp(float(x[-1]))
        point, gradient, hessian = differentiate(reduced, factor, x[:-1], method, sigma_e2)
        return point.loglik, gradient, hessian

    return slopes


def _off_boundary(theta: Floats) -> Floats:
    """Move a theta stuck at zero, a saddle once the held parameter has moved, off it."""
    return np.where(np.abs(theta) < 1e-3, 0.02, theta)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Scattered:
    """Points (N, m) of the rest of theta, and the places (N, K) of the nearest to each."""

    theta: Floats
    nearest: Ints


def _scatter(q: int, rest: list[int]) -> _Scattered:
    """Scatter lower-triangular factors: rows of any direction, and lengths over three decades."""
    rng = np.random.default_rng(0)
    rows = np.tril(rng.normal(size=(_SCATTERED, q, q)))
    rows /= np.linalg.norm(rows, axis=2, keepdims=True)
    rows *= np.exp(rng.uniform(np.log(0.01), np.log(10.0), size=(_SCATTERED, q, 1)))
    rows[:, range(q), range(q)] = np.abs(rows[:, range(q), range(q)])
    theta = np.stack([rows[:, a, b] for b in range(q) for a in range(b, q)], axis=1)[:, rest]
    place = np.arcsinh(30.0 * theta)  # as logs, but for those near zero
    apart = np.square(place[:, None] - place).sum(axis=2)
    return _Scattered(theta=theta, nearest=np.argpartition(apart, _NEAREST, axis=1)[:, :_NEAREST])


def _peaks(
    scattered: _Scattered, log_s2: Floats, values: Callable[[Floats], Floats]
) -> list[Floats]:
    """Choose starts (m+1,): the highest of the points that are above their neighbours."""
    points = np.column_stack(
        [np.tile(scattered.theta, (log_s2.size, 1)), np.repeat(log_s2, _SCATTERED)]
    )
    loglik = values(points).reshape(log_s2.size, _SCATTERED)
    loglik = np.where(np.isfinite(loglik), loglik, -np.inf)
    best = loglik.max(axis=0)
    peaks = np.flatnonzero(best >= best[scattered.nearest].max(axis=1))
    highest = peaks[np.argsort(-best[peaks])][:_STARTS]
    return [np.append(scattered.theta[k], log_s2[loglik[:, k].argmax()]) for k in highest]
