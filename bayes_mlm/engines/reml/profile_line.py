"""Profile a single group effect exactly, by tracing a contour of the likelihood."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bayes_mlm.base import Floats
from bayes_mlm.engines.reml.search import Optimum
from bayes_mlm.likelihood import LOG_2PI, Method, profiled_loglik, quadratic, residual_df
from bayes_mlm.moments import RotatedMoments

POINTS = 17
Curve = Callable[[Floats], Floats]


def log_variance(drop: Floats) -> tuple[Floats, Floats]:
    """Solve ``d + exp(-d) - 1 = drop`` for d < 0 and d > 0.

    With the rest at its optimum the log-likelihood falls by ``df/2 * drop`` where log sigma_e^2
    is d from its optimum. The function is convex and both starts lie outside the roots, so
    that Newton's steps converge monotonically.
    """
    drop = np.maximum(drop, 0.0)
    root = np.sqrt(2.0 * drop)
    ends = np.stack([-root, root + drop])
    for _ in range(50):
        fall = np.expm1(-ends)
        step = np.where(ends == 0.0, 0.0, (ends + fall - drop) / np.where(fall == 0, 1.0, -fall))
        ends = ends - step
        if np.abs(step).max(initial=0.0) <= 1e-14 * np.abs(ends).max(initial=1e-3):
            break
    return ends[0], ends[1]


@dataclass(frozen=True, kw_only=True)
class Line:
    """Ends of the interval for sigma_u, sigma_e, and the relative variance s of a single effect."""

    sigma_u: tuple[float, float]
    sigma_e: tuple[float, float]
    ratio: tuple[float, float]


def profile_line(reduced: RotatedMoments, optimum: Optimum, method: Method, z: float) -> Line:
    """Profile a single effect exactly: the likelihood's contour is traced along theta.

    On the contour log sigma_e^2 has two values at each theta, in closed form but for a scalar
    equation; the ends of sigma_e and sigma_u are extremes of smooth functions of theta alone.
    """
    df = residual_df(reduced, method)
    basis = float(optimum.factor.basis[0, 0, 0])
    target = optimum.loglik - 0.5 * z * z

    def loglik(theta: Floats) -> Floats:
        values = profiled_loglik(reduced, (basis * theta)[:, None, None] ** 2, method)
        return np.where(np.isfinite(values), values, -np.inf)

    def four(theta: Floats) -> Floats:
        """Evaluate (4, B): minus/plus log sigma_e, minus/plus log sigma_u on the contour."""
        s = (basis * theta) ** 2
        logdet_v, a = quadratic(reduced, s[:, None, None])
        chol = np.diagonal(np.linalg.cholesky(a), axis1=1, axis2=2)
        logdet_x = 2.0 * np.log(chol[:, :-1]).sum(axis=1)
        level = np.log(chol[:, -1] ** 2 / df)
        penalty = logdet_v + (logdet_x if method == "REML" else 0.0)
        best = -0.5 * (penalty + df * (1.0 + LOG_2PI + level))
        down, up = log_variance(2.0 * (best - target) / df)
        with np.errstate(divide="ignore"):
            half = 0.5 * np.log(s)
        ends = 0.5 * np.stack([level + down, level + up])
        out = np.stack([-ends[0], ends[1], -half - ends[0], half + ends[1]])
        return np.where(best >= target, out, -np.inf)

    low, high = _contour(loglik, float(optimum.theta[0]), target)
    tops = _extremes(four, low, high)
    sigma_u_low = 0.0 if low == 0.0 else math.exp(-tops[2])
    return Line(
        sigma_u=(sigma_u_low, math.exp(tops[3])),
        sigma_e=(math.exp(-tops[0]), math.exp(tops[1])),
        ratio=((basis * low) ** 2, (basis * high) ** 2),
    )


def _contour(loglik: Curve, theta: float, target: float) -> tuple[float, float]:
    """Find where the profile over theta crosses the target below and above the maximum."""
    beyond = max(theta, 1e-4) * 2.0 ** np.arange(0.0, 40.0)
    values = loglik(np.concatenate([[0.0], beyond]))
    outside = np.flatnonzero(values[1:] < target)
    far = float(beyond[outside[0]]) if len(outside) else math.inf
    near = theta if len(outside) and outside[0] == 0 else far / 2.0
    # Each lane runs from outside the interval to inside it.
    start, end = np.array([0.0, far]), np.array([theta, max(near, theta)])
    lanes = [i for i in range(2) if (i == 0 and values[0] < target) or (i == 1 and far < math.inf)]
    found = [0.0, far]
    unit = np.linspace(0.0, 1.0, POINTS)
    at = np.empty((0, POINTS))
    drop = at
    for _ in range(3):
        at = start[lanes, None] + (end - start)[lanes, None] * unit
        drop = loglik(at.ravel()).reshape(at.shape) - target
        for row, lane in enumerate(lanes):
            inside = int(np.argmax(drop[row] >= 0.0))
            start[lane], end[lane] = at[row, inside - 1], at[row, inside]
    for row, lane in enumerate(lanes):
        inside = int(np.argmax(drop[row] >= 0.0))
        first = min(max(inside - 3, 0), POINTS - 5)
        found[lane] = _inverse(drop[row, first : first + 5], at[row, first : first + 5])
    return found[0], found[1]


def _inverse(y: Floats, x: Floats) -> float:
    """Interpolate x at y = 0 through all points (Neville's scheme)."""
    x = x.copy()
    for gap in range(1, len(x)):
        x[:-gap] = (y[gap:] * x[:-gap] - y[:-gap] * x[1 : len(x) - gap + 1]) / (y[gap:] - y[:-gap])
    return float(x[0])


def _extremes(lanes: Curve, low: float, high: float) -> Floats:
    """Maximise each row of a vector function of theta on [low, high].

    Theta runs as a sine: the contour closes at the ends like a circle, so that its branches have
    square roots in theta there, and are smooth in the angle.
    """

    def at(angle: Floats) -> Floats:
        return low + (high - low) * (0.5 + 0.5 * np.sin(angle))

    angles = np.broadcast_to(np.linspace(-0.5 * np.pi, 0.5 * np.pi, 2 * POINTS + 1), (4, 35))
    values = lanes(at(angles[0]))
    rows = np.arange(4)
    unit = np.linspace(-1.0, 1.0, POINTS)
    for _ in range(2):
        best = values.argmax(axis=1).clip(1, angles.shape[1] - 2)
        step = angles[rows, best + 1] - angles[rows, best]
        angles = angles[rows, best][:, None] + step[:, None] * unit
        values = lanes(at(angles.ravel())).reshape(4, 4, POINTS)[rows, rows]
    best = values.argmax(axis=1).clip(1, POINTS - 2)
    # The vertex of the parabola through three points this close is exact to rounding.
    left, middle, right = (values[rows, best + i] for i in (-1, 0, 1))
    with np.errstate(invalid="ignore", divide="ignore"):
        vertex = middle - (left - right) ** 2 / (8.0 * (left - 2.0 * middle + right))
    inner = np.isfinite(vertex) & (middle >= left) & (middle >= right)
    return np.where(inner, vertex, values.max(axis=1))
