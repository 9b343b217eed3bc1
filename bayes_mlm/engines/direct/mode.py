"""Mode of a smooth log-density, from its values at many points at a time."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bayes_mlm.base import EngineError, Floats

MAX_STEPS = 80
# Differences are taken over a twentieth of a standard deviation: their error is of the order of
# 1e-3 of the curvature, and rounding of a log-density of -1e5 (1e-11) stays far below it.
_REACH = 0.05
_LENGTHS = np.array([1.0, 0.5, 0.2, 0.05, 0.01, 1e-3, 2.0, 4.0])
# Upper limit, in logs, of the standard deviation of a direction in which the density is flat.
WIDEST = 3.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Mode:
    """Mode (d,), the log-density there, and the covariance (d, d) that its curvature implies."""

    x: Floats
    value: float
    covariance: Floats


def highest(values: Floats) -> int:
    """Return the index of the largest of some log-densities.

    Raises
    ------
    EngineError
        If none of them is finite.
    """
    best = int(np.argmax(values))
    if not np.isfinite(values[best]):
        raise EngineError(
            "the posterior density is zero or not finite wherever it was evaluated: the priors "
            "contradict the data, or exclude every standard deviation; widen the priors"
        )
    return best


def find_mode(log_density: Callable[[Floats], Floats], start: Floats, scale: Floats) -> Mode:
    """Find a local mode by Newton's method, with derivatives from differences.

    Parameters
    ----------
    log_density : callable
        Takes (B, d) points and gives (B,) values; minus infinity is allowed.
    start : (d,) array
        A point of finite density.
    scale : (d,) array
        About one standard deviation of each coordinate; it is adapted.

    Returns
    -------
    Mode
    """
    x, scale = start.copy(), scale.copy()
    value, inverse = -np.inf, np.diag(scale**2)
    for _ in range(MAX_STEPS):
        value, gradient, hessian = _differentiate(log_density, x, scale)
        curvature, vector = np.linalg.eigh(-hessian * np.outer(scale, scale))
        # In units of `scale`: turned uphill where the curvature is of the wrong sign.
        floor = np.maximum(np.abs(curvature), 1e-3)
        step = scale * (vector @ ((vector.T @ (gradient * scale)) / floor))
        inverse = (vector / floor) @ vector.T * np.outer(scale, scale)
        gain = 0.5 * float(gradient @ step)
        length = np.abs(step / scale).max(initial=0.0)
        step = step * min(1.0, 10.0 / max(length, 1e-300))
        trial = x + _LENGTHS[:, None] * step
        values = log_density(trial)
        best = int(np.argmax(values))
        spread = np.sqrt(np.diagonal(inverse))
        settled = bool((np.abs(np.log(spread / scale)) < 0.5).all())
        scale = np.clip(spread, scale / 30.0, scale * 30.0)
        scale = np.minimum(scale, WIDEST)
        if values[best] > value:
            x, value = trial[best], float(values[best])
        elif settled:
            break
        if gain < 1e-4 and settled:
            break
    size = np.sqrt(np.diagonal(inverse))
    shrink = np.minimum(1.0, WIDEST / size)
    return Mode(x=x, value=value, covariance=inverse * np.outer(shrink, shrink))


def _differentiate(
    log_density: Callable[[Floats], Floats], x: Floats, scale: Floats
) -> tuple[float, Floats, Floats]:
    """Return value, gradient (d,) and Hessian (d, d) at x from one batch of points."""
    d = len(x)
    steps = np.diag(_REACH * scale)
    pairs = [(i, j) for i in range(d) for j in range(i)]
    moves = [np.zeros(d), *steps, *-steps]
    moves += [steps[i] + steps[j] for i, j in pairs] + [-steps[i] - steps[j] for i, j in pairs]
    values = log_density(x + np.array(moves))
    values = np.maximum(values, values[0] - 1e6)  # minus infinity at a bound
    centre, up, down = values[0], values[1 : d + 1], values[d + 1 : 2 * d + 1]
    h = _REACH * scale
    gradient = (up - down) / (2.0 * h)
    second = up + down - 2.0 * centre
    hessian = np.diag(second / h**2)
    both = values[2 * d + 1 : 2 * d + 1 + len(pairs)] + values[2 * d + 1 + len(pairs) :]
    for (i, j), value in zip(pairs, both, strict=True):
        cross = 0.5 * (value - 2.0 * centre - second[i] - second[j]) / (h[i] * h[j])
        hessian[i, j] = hessian[j, i] = cross
    return float(centre), gradient, hessian
