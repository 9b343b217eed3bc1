"""The mean of a function of the linear predictor over normal group effects."""

import math
from collections.abc import Callable

import numpy as np

from bayes_mlm.base import Floats
from bayes_mlm.model import Family

type Curve = Callable[[Floats], Floats]
# Relative error of an integral, by half the spacing, and the most halvings.
PRECISE, _MOST_HALVINGS = 1e-9, 4
# Normal sds on either side; the logistic has poles at distance pi of the real line. A function
# that grows like exp() has its mass at z = sd, up to the largest that is looked for.
_REACH, _SPACING, _POLES, _FURTHER = 8.0, 0.9, 0.86, 40.0
# The same of a rule that is not halved: of the weight, and of a pole at distance pi / 2 (cloglog).
_FINE, _NEAREST = 0.5, 0.32
# Sds beyond which a probability is a step and a rest, and the panels of the rest.
_WIDE, _PANELS, _ORDER = 3.0, (0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 45.0), 12
# Numbers in one working array.
_BLOCK = 400_000


def smoothed(curve: Curve, mean: Floats, variance: Floats, *, probability: bool = False) -> Floats:
    """Return the mean of a function over normal arguments, by a trapezium rule.

    Parameters
    ----------
    curve : callable
        Smooth; elementwise.
    mean, variance : ndarray
        Of the argument, broadcast together.
    probability : bool
        Whether it rises from 0 to 1, which takes no more points at a large variance.

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
    order = np.argsort(sd, kind="stable")
    if probability and _is_step(curve):
        wide = int(np.searchsorted(sd[order], _WIDE))
        for start in range(wide, flat.size, _BLOCK // 200):
            some = order[start : start + _BLOCK // 200]
            found[some] = _about_step(curve, flat[some], sd[some])
        order = order[:wide]
    start = 0
    while start < order.size:
        # As many as the last of them, of the largest sd, has room for.
        step = max(1, int(_BLOCK / _points(float(sd[order[start]]))))
        step = max(1, int(_BLOCK / _points(float(sd[order[start : start + step]][-1]))))
        some = order[start : start + step]
        found[some] = _integrate(curve, flat[some], sd[some])
        start += step
    return found.reshape(shape)


def _points(largest: float) -> float:
    """Return about how many points an integral of an sd takes at first."""
    return 2.0 * (_REACH + min(largest, _FURTHER)) / min(_SPACING, _POLES / max(largest, 1e-9))


def _is_step(curve: Curve) -> bool:
    """Return whether a function is 0 below the panels and 1 above them, to the last digits."""
    low, high = np.asarray(curve(np.array([-_PANELS[-1], _PANELS[-1]]))).tolist()
    return bool(abs(low) < 1e-14 and abs(high - 1.0) < 1e-14)


def _about_step(curve: Curve, mean: Floats, sd: Floats) -> Floats:
    """Integrate the step at 0 in closed form, and the rest, near 0, by Gauss-Legendre panels."""
    from scipy.special import ndtr

    point, weight = np.polynomial.legendre.leggauss(_ORDER)
    ends = np.array(_PANELS)
    half = np.diff(ends) / 2.0
    x = (ends[:-1, None] + half[:, None] * (1.0 + point)).ravel()
    rest = (half[:, None] * weight).ravel() / math.sqrt(2.0 * math.pi)
    below, above = rest * curve(-x), rest * (1.0 - curve(x))
    left, right = (
        np.exp(-0.5 * np.square((at - mean[:, None]) / sd[:, None])) @ part
        for at, part in ((-x, below), (x, above))
    )
    return np.asarray(ndtr(mean / sd) + (left - right) / sd)


def _integrate(curve: Curve, mean: Floats, sd: Floats) -> Floats:
    largest = float(sd.max())
    spacing = min(_SPACING, _POLES / largest) if largest > 0 else _SPACING
    reach = _REACH + min(largest, _FURTHER)
    half = math.ceil(reach / spacing)
    nodes: Floats = spacing * np.arange(-half, half + 1, dtype=np.float64)
    found = _sum(curve, mean, sd, nodes, spacing)
    for _ in range(_MOST_HALVINGS):
        between = _sum(curve, mean, sd, nodes[:-1] + 0.5 * spacing, spacing)
        finer = 0.5 * (found + between)
        error = np.abs(finer - found)
        found = finer
        if not (error > PRECISE * np.abs(finer) + 1e-15).any():
            break
        nodes = np.sort(np.concatenate([nodes, nodes[:-1] + 0.5 * spacing]))
        spacing *= 0.5
    return found


def _sum(curve: Curve, mean: Floats, sd: Floats, nodes: Floats, spacing: float) -> Floats:
    weights = np.exp(-0.5 * np.square(nodes)) * (spacing / math.sqrt(2.0 * math.pi))
    return np.asarray(curve(mean[:, None] + sd[:, None] * nodes) @ weights)


def normal_nodes(largest: float) -> tuple[Floats, Floats]:
    """Return standard normal nodes (K,) and weights for functions of an sd at most `largest`.

    The upper end is farther off the larger the sd is, by twice it: the square of a mean with a log
    link has its mass there.

    Examples
    --------
    >>> nodes, weights = normal_nodes(1.0)
    >>> float((np.exp(nodes) @ weights).round(6))
    1.648721
    """
    if largest == 0.0:
        return np.zeros(1), np.ones(1)
    spacing = min(_FINE, _NEAREST / largest)
    last = math.ceil((_REACH + 0.5 + 2.0 * min(largest, _FURTHER)) / spacing)
    first = -math.ceil((_REACH + 0.5) / spacing)
    nodes: Floats = spacing * np.arange(first, last + 1, dtype=np.float64)
    weights = np.exp(-0.5 * np.square(nodes))
    return nodes, np.asarray(weights / weights.sum())


def smoothed_link(family: Family) -> Callable[[Floats, Floats], Floats]:
    """Return the inverse link's mean over normal linear predictors: (mean, variance) to it.

    In closed form where the family has one, else by quadrature.
    """
    if family.smoothed is not None:
        return family.smoothed
    probability = family.mean_range == (0.0, 1.0)
    return lambda mean, variance: smoothed(
        family.inverse_link, mean, variance, probability=probability
    )
