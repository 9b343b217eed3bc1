"""Climb to a local maximum of any function by Newton steps with exact second derivatives."""

from collections.abc import Callable

import numpy as np

from bayes_mlm.base import Floats

MAX_STEPS = 200
# Longest step, as a multiple of where it starts.
_FARTHEST = 1e3


def eliminate(gradient: Floats, hessian: Floats) -> tuple[Floats, Floats]:
    """Eliminate log sigma_e^2 (the last coordinate, at its optimum) from the derivatives."""
    cross = hessian[:-1, -1]
    return gradient[:-1], hessian[:-1, :-1] - np.outer(cross, cross) / hessian[-1, -1]


def ascent(gradient: Floats, hessian: Floats) -> Floats:
    """Return a Newton step made uphill by reversing the curvatures that have the wrong sign."""
    # Scaled to unit curvature in each coordinate, so that units do not matter.
    size = np.sqrt(np.abs(np.diagonal(hessian)))
    size = np.maximum(size, max(1e-15 * size.max(initial=0.0), 1e-20))
    value, vector = np.linalg.eigh(-hessian / size / size[:, None])
    value = np.maximum(np.abs(value), 1e-10 * max(np.abs(value).max(initial=0.0), 1.0))
    step: Floats = vector @ ((vector.T @ (gradient / size)) / value) / size
    return step


def climb(
    value: Callable[[Floats], Floats],
    slopes: Callable[[Floats], tuple[Floats, Floats]],
    x: Floats,
    reach: Floats | float = np.inf,
) -> tuple[Floats, float]:
    """Climb to a local maximum by Newton steps, made uphill and shortened where need be.

    Parameters
    ----------
    value : callable
        Function values (B,) at points (B, m); not finite where there is none.
    slopes : callable
        Gradient (m,) and Hessian (m, m) at a point (m,).
    x : (m,) array
        Start.
    reach : float or (m,) array
        The longest step in each coordinate.

    Returns
    -------
    (m,) array, float
        The maximum and its value.
    """
    lengths = np.array([0.5, 0.2, 0.05, 0.01, 1e-3, 2.0, 4.0])
    best = float(value(x[None])[0])
    for _ in range(MAX_STEPS):
        gradient, hessian = slopes(x)
        step = ascent(gradient, hessian)
        if 0.5 * float(gradient @ step) < 1e-9:
            # Convergence is quadratic: one full step more is exact to rounding. Along a ridge it
            # would lead anywhere.
            if (np.abs(step) > 0.1 * (1.0 + np.abs(x))).any():
                return x, best
            last = float(value((x + step)[None])[0])
            return (x + step, last) if last >= best - 1e-10 * (1.0 + abs(best)) else (x, best)
        longest = np.minimum(reach, _FARTHEST * (1.0 + np.abs(x)))
        step = step / max(1.0, float((np.abs(step) / longest).max()))
        full = float(value((x + step)[None])[0])
        if full > best:
            x, best = x + step, full
            continue
        trial = x + lengths[:, None] * step
        values = value(trial)
        values = np.where(np.isfinite(values), values, -np.inf)
        if values.max() <= best:
            break
        x, best = trial[int(values.argmax())], float(values.max())
    return x, best
