"""Minimise the deviance with its first coordinate held, by Newton's method on differences.

All points of a step are evaluated as one batch: what costs time in a small model is the number of
calls, not that of points.
"""

import math
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np

from bayes_mlm.base import Floats
from bayes_mlm.engines.reml.several.held import Coordinates

MAX_STEPS = 60
# Deviance that a Newton step may still gain where the search ends; below the second one the step is
# taken without a look at where it leads, the rest being its square.
_SETTLED, _SAFE = 1e-9, 1e-6
# Change of the deviance over a difference, and the longest difference relative to 1 + |x|.
_RISE, _LONGEST = 1e-3, 1e-3
# Part of the predicted gain that a whole step must reach.
_DECREASE = 1e-3
_LENGTHS = np.array([0.5, 0.25, 0.1, 0.03, 0.01, 1e-3])


@dataclass(frozen=True, kw_only=True, eq=False)
class Lowest:
    """Least deviance with the first coordinate held.

    Attributes
    ----------
    z : ndarray, shape (d,)
    deviance : float
    slope : float
        Of the least deviance along the first coordinate.
    curvature : float
        The same of second order.
    tangent : ndarray, shape (d - 1,)
        Of the rest along the first coordinate.
    """

    z: Floats
    deviance: float
    slope: float
    curvature: float
    tangent: Floats


@dataclass(kw_only=True, eq=False)
class Climber:
    """Minimises over all but the first coordinate; remembers how long differences should be."""

    of: Coordinates
    lengths: Floats = field(init=False)

    def __post_init__(self) -> None:
        self.lengths = _LONGEST * (1.0 + np.abs(self.of.start))
        d = len(self.of.start)
        self._i, self._j = np.tril_indices(d, -1)
        eye = np.eye(d)
        self._moves = np.vstack([np.zeros((1, d)), eye, -eye, eye[self._i] + eye[self._j]])

    def differences(self, z: Floats) -> tuple[float, Floats, Floats]:
        """Return the deviance at a point, its gradient (d,) and Hessian (d, d)."""
        d, h, i, j = len(z), self.lengths, self._i, self._j
        values = self.of.deviances(z + self._moves * h)
        value, up, down = float(values[0]), values[1 : d + 1], values[d + 1 : 2 * d + 1]
        with np.errstate(invalid="ignore"):
            gradient = (up - down) / (2.0 * h)
            hessian = np.zeros((d, d))
            hessian[i, j] = (values[2 * d + 1 :] - up[i] - up[j] + value) / (h[i] * h[j])
            hessian += hessian.T
            second = (up + down - 2.0 * value) / h**2
        hessian[range(d), range(d)] = second
        if np.isfinite(second).all():
            size = np.sqrt(_RISE / np.maximum(np.abs(second), 1e-300))
            self.lengths = np.minimum(size, _LONGEST * (1.0 + np.abs(z)))
        return value, gradient, hessian

    def minimise(self, held: float, x: Floats) -> Lowest:
        """Descend from a start (d - 1,) with the first coordinate held."""
        z = np.append(held, x)
        value, gradient, hessian = self.differences(z)
        for _ in range(MAX_STEPS):
            if not (np.isfinite(gradient).all() and np.isfinite(hessian).all()):
                break
            step, gain = _newton(gradient[1:], hessian[1:, 1:], z[1:])
            if gain < _SAFE:
                return _lowest(z, value, gradient, hessian, step, gain)
            trial = np.append(held, z[1:] + step)
            found = self.differences(trial)
            if not found[0] < value - _DECREASE * gain + 1e-12 * abs(value):
                trials = np.column_stack(
                    [np.full(len(_LENGTHS), held), z[1:] + _LENGTHS[:, None] * step]
                )
                best = trials[int(np.argmin(self.of.deviances(trials)))]
                found = self.differences(best)
                if not found[0] < value - _SETTLED:
                    return _lowest(z, value, gradient, hessian, 0.0 * step, 0.0)
                trial = best
            z, (value, gradient, hessian) = trial, found
        return _lowest(z, value, gradient, hessian, np.zeros(len(x)), 0.0)


def _newton(gradient: Floats, hessian: Floats, x: Floats) -> tuple[Floats, float]:
    """Return a bounded step downhill, and the deviance that it is to gain."""
    if not len(x):
        return x, 0.0
    size = np.sqrt(np.maximum(np.abs(np.diagonal(hessian)), 1e-8))
    curve, vector = np.linalg.eigh(hessian / np.outer(size, size))
    along = vector.T @ (gradient / size)
    # Downhill out of a saddle, where by symmetry there is no slope.
    along[(curve < -1e-4) & (np.abs(along) < 1e-3)] = 1e-2
    curve = np.maximum(np.abs(curve), 1e-6)
    step = -(vector @ (along / curve)) / size
    longest = float(np.max(np.abs(step) / (0.5 + np.abs(x))))
    return step / max(longest, 1.0), 0.5 * float((along**2 / curve).sum())


def _lowest(
    z: Floats, value: float, gradient: Floats, hessian: Floats, step: Floats, gain: float
) -> Lowest:
    """Return the minimum one small step ahead."""
    cross, tangent = hessian[0, 1:], np.zeros(len(z) - 1)
    if not (math.isfinite(value) and np.isfinite(hessian).all()):
        return Lowest(z=z, deviance=value, slope=0.0, curvature=0.0, tangent=tangent)
    if len(tangent):
        size = np.sqrt(np.maximum(np.abs(np.diagonal(hessian)[1:]), 1e-8))
        scaled = hessian[1:, 1:] / np.outer(size, size) + 1e-8 * np.eye(len(size))
        with suppress(np.linalg.LinAlgError):
            tangent = -np.linalg.solve(scaled, cross / size) / size
    return Lowest(
        z=np.append(z[0], z[1:] + step),
        deviance=value - gain,
        slope=float(gradient[0] + cross @ step),
        curvature=float(hessian[0, 0] + cross @ tangent),
        tangent=tangent,
    )
