"""Ends of profile intervals by Newton's method, where estimates lie far from any boundary.

At an end of the interval of h, the log of an sd, the log-likelihood has fallen to the cut, and its
gradient is along that of h: as many equations as unknowns, solved from where the curvature at the
maximum puts the end, in a few evaluations (Venzon & Moolgavkar 1988, J. R. Stat. Soc. C 37(1)).
The search of `profile_ends` maximises afresh at every value that it tries.
"""

import math
from collections.abc import Callable

import numpy as np

from bayes_mlm.base import Floats
from bayes_mlm.engines.reml.profile_ends import Ends

MAX_STEPS = 12
# Largest standard error of the log of an sd: an estimate ten of them away from zero, about which
# the likelihood has one maximum, so that no further starts are tried at the ends.
WELL_KNOWN = 0.1
# Change of the log of the sd, as a part of the interval's half-length, at which Newton's method
# has converged: its next step would be the square of that.
_SETTLED = 1e-7

# The log-likelihood at coordinates (m+1,), its gradient and Hessian.
type Slopes = Callable[[Floats], tuple[float, Floats, Floats]]


def curvature_ends(slopes: Slopes, x: Floats, place: int | None, z: float) -> Ends | None:
    """Find the ends of the profile interval of an sd; None where only a search can.

    Parameters
    ----------
    slopes : callable
        At coordinates theta (m), log sigma_e^2.
    x : (m+1,) array
        The estimate.
    place : int or None
        The sd is ``theta[place] * sigma_e``, or sigma_e.
    z : float
        Normal quantile of the interval.

    Returns
    -------
    Ends or None
    """
    if place is not None and not x[place] > 0.0:
        return None
    peak, _, hessian = slopes(x)
    along = _constraint(x, place)[1]
    try:
        np.linalg.cholesky(-hessian)
        direction = np.linalg.solve(-hessian, along)
    except np.linalg.LinAlgError:
        return None
    error = math.sqrt(float(along @ direction))
    if not error < WELL_KNOWN:
        return None
    cut, found = peak - 0.5 * z * z, []
    for sign in (-1.0, 1.0):
        start = x + sign * z / error * direction
        end = _end(slopes, start, place, -sign * z / error, cut, z * error)
        if end is None:
            return None
        found.append(math.exp(end))
    return Ends(lower=found[0], upper=found[1])


def _constraint(x: Floats, place: int | None) -> tuple[float, Floats, Floats]:
    """Return the log of the sd at x, its gradient (m+1,) and Hessian (m+1, m+1)."""
    gradient, hessian = np.zeros(len(x)), np.zeros((len(x), len(x)))
    value, gradient[-1] = 0.5 * float(x[-1]), 0.5
    if place is not None:
        value += math.log(x[place])
        gradient[place] = 1.0 / x[place]
        hessian[place, place] = -1.0 / x[place] ** 2
    return value, gradient, hessian


def _end(
    slopes: Slopes, x: Floats, place: int | None, multiplier: float, cut: float, length: float
) -> float | None:
    """Solve for one end, the log of the sd there; None where that does not converge to a maximum.

    The unknowns are x and the multiplier of Lagrange.
    """
    for _ in range(MAX_STEPS):
        if not np.isfinite(x).all() or (place is not None and not x[place] > 0.0):
            return None
        loglik, gradient, hessian = slopes(x)
        value, along, bend = _constraint(x, place)
        curve = hessian - multiplier * bend
        system = np.block([[curve, -along[:, None]], [gradient[None], np.zeros((1, 1))]])
        right = np.append(multiplier * along - gradient, cut - loglik)
        try:
            step = np.linalg.solve(system, right)
        except np.linalg.LinAlgError:
            return None
        x, multiplier = x + step[:-1], multiplier + float(step[-1])
        move = float(along @ step[:-1])
        if abs(move) < _SETTLED * length:
            return value + move if _is_maximum(curve, along) else None
    return None


def _is_maximum(curve: Floats, along: Floats) -> bool:
    """Return whether the curvature is downwards in all directions in which the sd does not move."""
    across = np.linalg.svd(along[None])[2][1:]
    scale = np.sqrt(np.maximum(np.abs(np.diagonal(curve)), np.finfo(float).tiny))
    across = np.linalg.qr((across * scale).T)[0].T / scale
    return bool((np.linalg.eigvalsh(across @ curve @ across.T) < 0.0).all())
