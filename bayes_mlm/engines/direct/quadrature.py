"""Draw the variance parameters of a model with at most one group effect by adaptive quadrature.

The coordinates are chosen so that the density is a single, nearly round hill whatever the data:
log theta with theta = sigma_u / sigma_e, and the log of sigma_e over its generalised
least-squares estimate at that theta. sigma_u = 0 lies at minus infinity, where the density falls
off as theta or faster; a posterior that piles up there is a long, smooth slope and nothing else.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bayes_mlm.base import Floats
from bayes_mlm.engines.direct.density import Problem, log_posterior, sums_at, sums_of
from bayes_mlm.engines.direct.initialisation import residual_level
from bayes_mlm.engines.direct.mode import Mode, find_mode, highest
from bayes_mlm.engines.direct.partition import Partition, Region, draw_from, integrate
from bayes_mlm.engines.direct.posterior import Sums, Variances
from bayes_mlm.engines.direct.quadratic import cholesky, parts

# Log-density below the highest at which a point of the first scan still deserves rectangles.
_DEPTH = 30.0
_SCAN = np.linspace(-12.0, 12.0, 65)
# Edges of the first rectangles, in standard deviations from the mode.
_EDGES = np.array([-6.0, -4.0, -2.0, 0.0, 2.0, 4.0, 6.0])


@dataclass(frozen=True, kw_only=True, eq=False)
class QuadratureDraws:
    """Draws of a quadrature.

    Attributes
    ----------
    at : Variances
        S independent draws.
    log_density : (S,) array
        Log posterior density of the draws, exact, in the coordinates of the quadrature.
    log_ratio : (S,) array
        Log of the exact density over the one drawn from: the error, seen at the draws.
    log_marginal : float
        Log of the integral of likelihood times priors.
    error : float
        Bound on the error of any probability, from the highest polynomial coefficients.
    n_evaluations : int
    """

    at: Variances
    log_density: Floats
    log_ratio: Floats
    log_marginal: float
    error: float
    n_evaluations: int


def sample_quadrature(problem: Problem, n_draws: int, rng: np.random.Generator) -> QuadratureDraws:
    """Draw the variance parameters of a model with at most one group effect.

    Parameters
    ----------
    problem : Problem
        With q of 0 or 1, and no coefficient whose prior is of random scale.
    n_draws : int
    rng : numpy.random.Generator

    Returns
    -------
    QuadratureDraws

    Raises
    ------
    EngineError
        If the density is nowhere finite.
    """
    rectangles = _partition_line(problem) if problem.q == 0 else _partition_plane(problem)
    drawn = draw_from(rectangles, n_draws, rng)
    points = drawn.points
    if problem.q == 0:
        at = _line_point(points[:, 0] + residual_level(problem))
        exact = _line_density(problem, at)
    else:
        log_sigma_e, exact = np.empty((2, n_draws))
        for part in parts(problem.kernel, n_draws):
            log_sigma_e[part], exact[part] = _on_plane(problem, points[part])
        at = _plane_point(points[:, 0], log_sigma_e)
    return QuadratureDraws(
        at=at,
        log_density=exact,
        log_ratio=exact - drawn.log_density,
        log_marginal=rectangles.log_total,
        error=rectangles.relative_error,
        n_evaluations=rectangles.n_evaluations,
    )


def _line_point(log_sigma_e: Floats) -> Variances:
    n = len(log_sigma_e)
    return Variances(
        log_sigma_u=np.zeros((n, 0)),
        factor=np.zeros((n, 0, 0)),
        log_sigma_e=log_sigma_e,
        log_scale=np.zeros((n, 0)),
    )


def _plane_point(log_theta: Floats, log_sigma_e: Floats) -> Variances:
    return Variances(
        log_sigma_u=(log_theta + log_sigma_e)[:, None],
        factor=np.ones((len(log_theta), 1, 1)),
        log_sigma_e=log_sigma_e,
        log_scale=np.zeros((len(log_theta), 0)),
    )


def _line_density(problem: Problem, at: Variances) -> Floats:
    """Compute the density in log sigma_e."""
    found = np.empty(len(at.log_sigma_e))
    for part in parts(problem.kernel, len(found)):
        at_part = at.part(part)
        found[part] = (
            log_posterior(problem, at_part, sums_at(problem, at_part)) + at_part.log_sigma_e
        )
    return found


def _on_plane(problem: Problem, points: Floats) -> tuple[Floats, Floats]:
    """Compute log sigma_e and the density at points (B, 2) of the plane."""
    sums = sums_of(problem, np.exp(2.0 * points[:, 0])[:, None, None])
    at = _plane_point(points[:, 0], points[:, 1] + _levels(problem, sums))
    return at.log_sigma_e, _plane_density(problem, at, sums)


def _plane_density(problem: Problem, at: Variances, sums: Sums) -> Floats:
    """Return the density in the logs: their Jacobian is sigma_u sigma_e."""
    value = log_posterior(problem, at, sums)
    return value + at.log_sigma_u[:, 0] + at.log_sigma_e


def _levels(problem: Problem, sums: Sums) -> Floats:
    """Return the log (B,) of the generalised least-squares estimate of sigma_e."""
    p = problem.reduced.p
    with np.errstate(invalid="ignore", divide="ignore"):
        size = np.log(cholesky(sums.a)[p, p])
    level: Floats = size - 0.5 * math.log(problem.residual_df)
    return level


def _partition_line(problem: Problem) -> Partition:
    level, width = residual_level(problem), 1.0 / math.sqrt(2.0 * problem.residual_df)

    def density(x: Floats) -> Floats:
        return _line_density(problem, _line_point(x.ravel() + level))

    def evaluate(x: Floats, _: Floats) -> Floats:
        return density(x).reshape(*x.shape, 1)

    scan = np.concatenate([width * np.linspace(-60.0, 60.0, 121), np.linspace(-12.0, 12.0, 97)])
    limits = np.full((2, 2), np.inf) * [[-1.0, 1.0]]
    prior = problem.priors.sigma_e
    if prior.family == "Uniform":
        with np.errstate(divide="ignore"):
            limits[0] = np.log([prior["lower"], prior["upper"]]) - level
        low, high = limits[0]
        scan = np.append(scan[(scan > low) & (scan < high)], 0.5 * (max(low, high - 1.0) + high))
        scan = np.append(scan, high - 1e-9 * abs(high) - 1e-12)
    mode = _best_mode(density, np.sort(scan)[:, None], np.array([width]))
    sd = math.sqrt(mode.covariance[0, 0])
    x = np.unique(np.clip(mode.x[0] + sd * _EDGES, *limits[0]))
    region = Region(x=x, y=np.array([0.0, 1.0]), growth=np.array([2.0 * sd, 1.0]), limits=limits)
    return integrate(evaluate, region, mode.value, flat=True)


def _partition_plane(problem: Problem) -> Partition:
    width = 1.0 / math.sqrt(2.0 * problem.residual_df)

    def density(points: Floats) -> Floats:
        return np.concatenate(
            [_on_plane(problem, points[part])[1] for part in parts(problem.kernel, len(points))]
        )

    def evaluate(x: Floats, y: Floats) -> Floats:
        cut = parts(problem.kernel, len(x), x.shape[1] * y.shape[1])
        return np.concatenate([on_some(x[part], y[part]) for part in cut])

    def on_some(x: Floats, y: Floats) -> Floats:
        sums = sums_of(problem, np.exp(2.0 * x.ravel())[:, None, None])
        m = y.shape[1]
        level = _levels(problem, sums).reshape(x.shape)
        log_sigma_e = level[:, :, None] + y[:, None, :]
        log_theta = np.broadcast_to(x[:, :, None], log_sigma_e.shape)
        wide = Sums(logdet=np.repeat(sums.logdet, m), a=np.repeat(sums.a, m, axis=2))
        at = _plane_point(log_theta.ravel(), log_sigma_e.ravel())
        return _plane_density(problem, at, wide).reshape(log_sigma_e.shape)

    near = np.array([0.0, 1.0, 3.0, 10.0, 30.0]) * width
    y = np.unique(np.concatenate([near, -near, [-3.0, -1.5, -0.5, 0.5, 1.5, 3.0]]))
    x = _typical_log_theta(problem) + _SCAN
    values = evaluate(x[None], y[None])[0]
    profile = values.max(axis=1)
    scan = np.stack([x, y[values.argmax(axis=1)]], axis=1)
    mode = _best_mode(density, scan, np.array([0.3, width]), values=profile)
    sd = np.sqrt(np.diagonal(mode.covariance))
    deserving = np.flatnonzero(profile > max(mode.value, profile.max()) - _DEPTH)
    inner = mode.x[0] + sd[0] * _EDGES
    far = x[deserving]
    edges = np.sort(np.concatenate([inner, far[(far < inner[0] - 0.1) | (far > inner[-1] + 0.1)]]))
    region = Region(
        x=edges,
        y=mode.x[1] + sd[1] * _EDGES,
        growth=2.0 * sd,
        limits=np.full((2, 2), np.inf) * [[-1.0, 1.0]],
    )
    return integrate(evaluate, region, mode.value)


def _typical_log_theta(problem: Problem) -> float:
    """Return the log theta at which a typical group's effect is as large as its error."""
    r = problem.reduced.r
    mean = float(problem.reduced.size @ r[:, 0, 0] ** 2) / len(problem.reduced.c)
    return -0.5 * math.log(mean)


def _best_mode(
    density: Callable[[Floats], Floats],
    scan: Floats,
    scale: Floats,
    *,
    values: Floats | None = None,
) -> Mode:
    found = density(scan) if values is None else values
    return find_mode(density, scan[highest(found)], scale)
