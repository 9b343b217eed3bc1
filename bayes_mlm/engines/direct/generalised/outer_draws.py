"""Independent draws from a cheap density in a few dimensions, by rejection from t kernels."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bayes_mlm.base import Floats
from bayes_mlm.engines.direct.importance import systematic
from bayes_mlm.engines.direct.pareto import smooth_weights

NU = 5.0
_KERNELS = 100
# Part of the draws proposed from wide kernels about the mode.
_WIDE = 0.2
# Least acceptance: the density is cut where it is larger than this allows.
_LEAST = 1.0 / 12.0
_SCALES = ((1.2, 0.7), (2.5, 0.3))


@dataclass(frozen=True, kw_only=True, eq=False)
class OuterDraws:
    """Draws (n, d), the log-density that they are from up to a constant, and the constant's log.

    `log_integral_error` is the Monte Carlo error of the constant.
    """

    x: Floats
    log_density: Floats
    log_integral: float = 0.0
    log_integral_error: float = 0.0


def draw_t(n: int, d: int, nu: float, rng: np.random.Generator) -> Floats:
    """Draw from a standard multivariate t: (n, d)."""
    return np.asarray(rng.standard_normal((n, d)) * np.sqrt(nu / rng.chisquare(nu, n))[:, None])


def log_t(square: Floats, d: int, nu: float) -> Floats:
    """Return log-densities of a standard multivariate t at squared distances."""
    constant = (
        math.lgamma(0.5 * (nu + d)) - math.lgamma(0.5 * nu) - 0.5 * d * math.log(nu * math.pi)
    )
    return np.asarray(constant - 0.5 * (nu + d) * np.log1p(square / nu))


def draw_outer(
    log_density: Callable[[Floats], Floats],
    mode: Floats,
    root: Floats,
    n: int,
    rng: np.random.Generator,
    *,
    defend: float = 0.1,
) -> OuterDraws:
    """Draw from ``min(f + defend Z q, C q)``, with f the density and q a mixture of t kernels.

    Parameters
    ----------
    log_density : callable
        Of points (N, d).
    mode, root : (d,), (d, d) arrays
        Where the density is high, and a square root of its covariance there.
    n : int
    rng : numpy.random.Generator
    defend : float
        Share of q that is added: where f is too low, draws are still made.
    """
    d = len(mode)
    if d == 0:
        return OuterDraws(x=np.empty((n, 0)), log_density=np.zeros(n))
    inverse, logdet = np.linalg.inv(root).T, float(np.log(np.abs(np.diagonal(root))).sum())

    def far(m: int) -> Floats:
        (small, share), (large, _) = _SCALES
        size = np.where(rng.random(m) < share, small, large)
        return np.asarray(mode + size[:, None] * (draw_t(m, d, NU, rng) @ root.T))

    def wide(x: Floats) -> Floats:
        square = (((x - mode) @ inverse) ** 2).sum(axis=1)
        parts = [math.log(w / s**d) + log_t(square / s**2, d, NU) for s, w in _SCALES]
        return np.asarray(np.logaddexp(parts[0], parts[1]) - logdet)

    x = far(1500)
    log_ratio, power = log_density(x) - wide(x), 1.0
    while True:  # tempered until the weighted sample has a spread
        weight = np.exp(smooth_weights(power * log_ratio).log_weight)
        if 1.0 / (weight**2).sum() > 60 or power < 0.05:
            break
        power *= 0.6
    spread = np.atleast_2d(np.cov(x.T, aweights=weight + 1e-300))
    kernel = 0.9 * np.linalg.cholesky(spread + 1e-10 * np.eye(d))
    centres = x[systematic(weight, _KERNELS, rng)]
    white, kernel_logdet = np.linalg.inv(kernel).T, float(np.log(np.diagonal(kernel)).sum())
    at = centres @ white
    level = math.log(1.0 - _WIDE) + float(log_t(np.zeros(1), d, NU)[0]) - kernel_logdet
    points, values, ratios, got = [], [], [], 0
    cap, floor = np.inf, -np.inf
    while got < n:
        m = int(min(max(2.2 * (n - got), 1500), 20_000))
        near = centres[rng.integers(_KERNELS, size=m)] + draw_t(m, d, NU, rng) @ kernel.T
        y = np.where((rng.random(m) < _WIDE)[:, None], far(m), near)
        yw = y @ white
        square = (yw**2).sum(axis=1)[:, None] + (at**2).sum(axis=1) - 2.0 * yw @ at.T
        e = 1.0 + np.maximum(square, 0.0) / NU
        close = np.log((e ** (-0.5 * (NU + d))).mean(axis=1))
        log_q = np.logaddexp(level + close, math.log(_WIDE) + wide(y))
        ratio = log_density(y) - log_q
        if np.isinf(cap):
            top = ratio.max()
            size = top + math.log(np.exp(ratio - top).mean())
            floor = size + math.log(defend) if defend else -np.inf
            cap = min(float(np.logaddexp(ratio, floor).max()), size - math.log(_LEAST))
        ratio = np.minimum(np.logaddexp(ratio, floor), cap)
        ok = np.log(rng.random(m)) < ratio - cap
        points.append(y[ok])
        values.append((log_q + ratio)[ok])
        ratios.append(ratio)
        got += int(ok.sum())
    every = np.exp(np.concatenate(ratios) - cap)
    error = float(every.std() / every.mean()) / math.sqrt(len(every))
    return OuterDraws(
        x=np.concatenate(points)[:n],
        log_density=np.concatenate(values)[:n],
        log_integral=cap + math.log(float(every.mean())),
        log_integral_error=error,
    )
