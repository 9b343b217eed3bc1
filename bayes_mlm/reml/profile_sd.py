"""Profile the sds of a model with several group effects."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bayes_mlm.errors import EngineError
from bayes_mlm.marginal import Method, profiled_loglik, residual_df
from bayes_mlm.reduced import Reduced
from bayes_mlm.reml.factor import Factor, lower_factor
from bayes_mlm.reml.search import Optimum, climb, differentiate
from bayes_mlm.sufficient import FloatArray


def profile_sd(
    reduced: Reduced,
    optimum: Optimum,
    factor: Factor,
    effect: int,
    method: Method,
    z: float,
    correlated: bool,
) -> tuple[float, float]:
    """Profile the sd of one of several group effects.

    In the coordinates of `factor` the sd is ``sigma_e * theta[k] / scaling`` alone, so that
    holding it ties theta[k] to sigma_e and leaves the rest free.
    """
    k = 0 if correlated else effect
    m = len(factor.basis)
    rest = [i for i in range(m) if i != k]
    scaling = float(factor.scaling[effect])
    theta_hat = _theta_for(reduced, optimum, factor, effect, correlated)
    log_s2 = math.log(optimum.point.sigma_e2)

    def expand(x: FloatArray, sd: float) -> FloatArray:
        theta = np.empty((len(x), m))
        theta[:, rest] = x[:, :-1]
        theta[:, k] = sd * scaling * np.exp(-0.5 * x[:, -1])
        return theta

    def profile(sd: float, x: FloatArray) -> _Held:
        def value(points: FloatArray) -> FloatArray:
            s = factor.covariance(expand(points, sd))
            return profiled_loglik(reduced, s, method, log_sigma_e2=points[:, -1])

        def slopes(at: FloatArray) -> tuple[FloatArray, FloatArray]:
            theta = expand(at[None], sd)[0]
            _, gradient, hessian = differentiate(
                reduced, factor, theta, method, math.exp(float(at[-1]))
            )
            jacobian = np.zeros((m + 1, m))
            jacobian[rest, range(m - 1)] = 1.0
            jacobian[k, -1], jacobian[m, -1] = -0.5 * theta[k], 1.0
            bent = jacobian.T @ hessian @ jacobian
            bent[-1, -1] += 0.25 * theta[k] * gradient[k]
            return jacobian.T @ gradient, bent

        x, best = climb(value, slopes, np.append(_off_boundary(x[:-1]), x[-1]))
        theta = expand(x[None], sd)[0]
        gradient = differentiate(reduced, factor, theta, method, math.exp(float(x[-1])))[1]
        slope = gradient[k] * scaling * math.exp(-0.5 * x[-1])
        return _Held(x=x, loglik=best, slope=float(slope))

    x_hat = np.append(theta_hat[rest], log_s2)
    turn = np.append(np.where(factor.off_diagonal[rest], -1.0, 1.0), 1.0)
    sd_hat = float(theta_hat[k]) / scaling * math.sqrt(optimum.point.sigma_e2)
    # Without an estimate to go by, start where the effect is a tenth of the residual.
    step = max(0.3 * sd_hat, 0.1 * math.sqrt(optimum.point.sigma_e2) / scaling)
    lower = 0.0
    if sd_hat > 0.0 and profile(0.0, x_hat).loglik < optimum.loglik - 0.5 * z * z:
        lower = _solve(profile, sd_hat, -min(step, 0.5 * sd_hat), x_hat, turn, optimum, z, 0.0)
    upper = _solve(profile, sd_hat, step, x_hat, turn, optimum, z, math.inf)
    return lower, upper


def profile_sigma_e(
    reduced: Reduced, optimum: Optimum, method: Method, z: float
) -> tuple[float, float]:
    """Profile sigma_e with several group effects; the variable is log sigma_e^2."""
    factor = optimum.factor

    def profile(log_s2: float, x: FloatArray) -> _Held:
        def value(points: FloatArray) -> FloatArray:
            held = np.full(len(points), log_s2)
            return profiled_loglik(reduced, factor.covariance(points), method, log_sigma_e2=held)

        def slopes(at: FloatArray) -> tuple[FloatArray, FloatArray]:
            _, gradient, hessian = differentiate(reduced, factor, at, method, math.exp(log_s2))
            return gradient[:-1], hessian[:-1, :-1]

        x, best = climb(value, slopes, _off_boundary(x))
        gradient = differentiate(reduced, factor, x, method, math.exp(log_s2))[1]
        return _Held(x=x, loglik=best, slope=float(gradient[-1]))

    at = math.log(optimum.point.sigma_e2)
    step = z * math.sqrt(2.0 / residual_df(reduced, method))
    turn = np.where(factor.off_diagonal, -1.0, 1.0)
    ends = [
        _solve(profile, at, sign * step, optimum.theta, turn, optimum, z, sign * math.inf)
        for sign in (-1.0, 1.0)
    ]
    return math.exp(0.5 * ends[0]), math.exp(0.5 * ends[1])


@dataclass(frozen=True, kw_only=True, eq=False)
class _Held:
    """Hold the maximum with one parameter held: the rest, the value, and its slope there."""

    x: FloatArray
    loglik: float
    slope: float


def _off_boundary(theta: FloatArray) -> FloatArray:
    """Move a theta stuck at zero, a saddle once the held parameter has moved, off it."""
    return np.where(np.abs(theta) < 1e-3, 0.02, theta)


def _solve(
    profile: Callable[[float, FloatArray], _Held],
    at: float,
    step: float,
    x: FloatArray,
    turn: FloatArray,
    optimum: Optimum,
    z: float,
    bound: float,
) -> float:
    """Find where the root of twice the fall of the profile reaches z, on one side of `at`.

    The signed root is nearly linear in the parameter, so that Newton's steps on it take few
    evaluations; they are kept between the last point inside and the last one outside. An end is
    accepted when starting from ``turn * x``, the correlations turned round, finds nothing better.
    """
    inside, outside, t, turned = at, bound, at + step, False
    for _ in range(60):
        held = profile(t, x)
        root = math.sqrt(max(2.0 * (optimum.loglik - held.loglik), 0.0))
        if root < z:
            inside, x = t, held.x
        else:
            outside = t
        slope = -held.slope / root if root > 0.0 else 0.0
        rising = slope * math.copysign(1.0, step) > 0.0
        target = t + (z - root) / slope if rising else math.inf
        low, high = min(inside, outside), max(inside, outside)
        if not low < target < high or not math.isfinite(target):
            wide = not math.isfinite(outside)
            target = at + 2.0 * (t - at) if wide else 0.5 * (inside + outside)
        elif not math.isfinite(outside):
            # Far from the answer the root bends: no step longer than fourfold.
            target = at + math.copysign(min(abs(target - at), 4.0 * abs(t - at)), step)
        if abs(target - t) <= 1e-10 * max(abs(target - at), abs(target)):
            if turned or (turn > 0.0).all():
                return target
            turned, other = True, profile(target, held.x * turn)
            if other.loglik <= held.loglik + 1e-6:
                return target
            # A better point lies outside what was thought the end: go on from there.
            x, inside, outside = other.x, target, bound
            target = target + 0.1 * (target - at) if not math.isfinite(bound) else 0.9 * target
        t = target
    raise EngineError(
        "the profile interval of a variance parameter did not settle in 60 steps; ask for the "
        "fit without profile intervals (fit_reml with profile=False), or centre the predictors"
    )


def _theta_for(
    reduced: Reduced, optimum: Optimum, factor: Factor, effect: int, correlated: bool
) -> FloatArray:
    """Give the optimum in the coordinates of a factor made with `first=effect`."""
    if not correlated:
        return np.abs(optimum.theta)
    q = reduced.q
    order = [effect, *(a for a in range(q) if a != effect)]
    lam = np.linalg.inv(reduced.z_centring) @ optimum.factor.lam(optimum.theta)
    lower = lower_factor(lam[order])
    scaled = lower * factor.scaling[order][:, None]
    return np.array([scaled[a, b] for b in range(q) for a in range(b, q)])
