"""The mean of a function of the linear predictor over normal group effects."""

import math
from collections.abc import Callable

import numpy as np

from bayes_mlm.base import Floats
from bayes_mlm.model import Family

type Curve = Callable[[Floats], Floats]
# Relative error of an integral, by half the spacing, and the most halvings.
PRECISE, _MOST_HALVINGS = 1e-9, 7
# Normal sds on either side; the logistic has poles at distance pi of the real line.
_REACH, _SPACING, _POLES = 7.0, 0.9, 0.86
# Numbers in one working array.
_BLOCK = 400_000


def smoothed(curve: Curve, mean: Floats, variance: Floats) -> Floats:
    """Return the mean of a function over normal arguments, by a trapezium rule.

    Parameters
    ----------
    curve : callable
        Smooth; elementwise.
    mean, variance : ndarray
        Of the argument, broadcast together.

    Returns
    -------
    ndarray
        To a relative error of 1e-9, by half the spacing.

    References
    ----------
    Trefethen & Weideman (2014), SIAM Review 56(3).

    Examples
    --------
    >>> smoothed(np.exp, np.array([0.0]), np.array([1.0])).round(6)
    array([1.648721])
    """
    shape = np.broadcast_shapes(mean.shape, variance.shape)
    if not variance.any():
        return np.asarray(np.broadcast_to(curve(mean), shape))
    flat, sd = (np.broadcast_to(one, shape).ravel() for one in (mean, np.sqrt(variance)))
    found = np.empty(flat.size)
    largest = float(sd.max())
    many = 2.0 * (_REACH + largest) / min(_SPACING, _POLES / largest)
    step = max(1, int(_BLOCK / many))
    order = np.argsort(sd, kind="stable") if flat.size > step else np.arange(flat.size)
    for start in range(0, flat.size, step):
        some = order[start : start + step]
        found[some] = _integrate(curve, flat[some], sd[some])
    return found.reshape(shape)


def _integrate(curve: Curve, mean: Floats, sd: Floats) -> Floats:
    largest = float(sd.max())
    spacing = min(_SPACING, _POLES / largest) if largest > 0 else _SPACING
    reach = _REACH + largest  # a function that grows like exp() has its mass at z = sd
    half = math.ceil(reach / spacing)
    nodes: Floats = spacing * np.arange(-half, half + 1, dtype=np.float64)
    found = _sum(curve, mean, sd, nodes, spacing)
    for _ in range(_MOST_HALVINGS):
        between = _sum(curve, mean, sd, nodes[:-1] + 0.5 * spacing, spacing)
        finer = 0.5 * (found + between)
        error = np.abs(finer - found)
        found = finer
        if not (error > PRECISE * np.abs(finer)).any():
            break
        nodes = np.sort(np.concatenate([nodes, nodes[:-1] + 0.5 * spacing]))
        spacing *= 0.5
    return found


def _sum(curve: Curve, mean: Floats, sd: Floats, nodes: Floats, spacing: float) -> Floats:
    weights = np.exp(-0.5 * np.square(nodes)) * (spacing / math.sqrt(2.0 * math.pi))
    return np.asarray(curve(mean[:, None] + sd[:, None] * nodes) @ weights)


def normal_nodes(largest: float) -> tuple[Floats, Floats]:
    """Return standard normal nodes (K,) and weights for functions of an sd at most `largest`.

    Examples
    --------
    >>> nodes, weights = normal_nodes(1.0)
    >>> float((np.exp(nodes) @ weights).round(6))
    1.648721
    """
    if largest == 0.0:
        return np.zeros(1), np.ones(1)
    spacing = 0.5 * min(_SPACING, _POLES / largest)
    half = math.ceil((_REACH + largest) / spacing)
    nodes: Floats = spacing * np.arange(-half, half + 1, dtype=np.float64)
    weights = np.exp(-0.5 * np.square(nodes))
    return nodes, np.asarray(weights / weights.sum())


def smoothed_link(family: Family) -> Callable[[Floats, Floats], Floats]:
    """Return the inverse link's mean over normal linear predictors: (mean, variance) to it.

    In closed form where the family has one, else by quadrature.
    """
    if family.smoothed is not None:
        return family.smoothed
    return lambda mean, variance: smoothed(family.inverse_link, mean, variance)
