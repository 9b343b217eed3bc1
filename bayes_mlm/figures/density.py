"""Estimate the density of draws, up to the ends of what the quantity can be."""

import math
from dataclasses import dataclass

import numpy as np

from bayes_mlm.base import Floats

_POINTS, _BINS = 200, 800
# Beyond so many bandwidths a normal kernel adds nothing that could be seen.
_REACH = 3.5


@dataclass(frozen=True, kw_only=True, eq=False)
class Density:
    """A density as a curve.

    Parameters
    ----------
    x : ndarray, shape (m,)
        In the quantity's units.
    y : ndarray, shape (m,)
        Density, in one over those units.
    """

    x: Floats
    y: Floats


def density_of(
    values: Floats, *, lower: float = -math.inf, upper: float = math.inf, points: int = _POINTS
) -> Density:
    """Estimate a density with a normal kernel, mirrored at the ends of the quantity's range.

    Parameters
    ----------
    values : ndarray, any shape
        Draws, two or more.
    lower, upper : float
        What no draw can go beyond: 0 for an sd.
    points : int
        Of the curve.

    Returns
    -------
    Density

    References
    ----------
    Silverman (1986), Density Estimation, eq. 3.28 (the bandwidth) and sec. 2.10 (mirroring).

    Examples
    --------
    >>> found = density_of(np.random.default_rng(1).normal(size=4000))
    >>> round(float(np.sum(found.y) * (found.x[1] - found.x[0])), 2)
    1.0
    """
    flat = np.ravel(values).astype(np.float64)
    width = _bandwidth(flat)
    start = max(float(flat.min()) - _REACH * width, lower)
    stop = min(float(flat.max()) + _REACH * width, upper)
    # Counted in fine bins first: a kernel sum over 4,000 draws would take fifty times as long.
    edges = np.linspace(start, stop, _BINS + 1)
    step = edges[1] - edges[0]
    counts = np.histogram(flat, bins=edges)[0].astype(np.float64)
    half = min(math.ceil(_REACH * width / step), _BINS - 1)
    kernel = np.exp(-0.5 * (np.arange(-half, half + 1) * step / width) ** 2)
    padded = np.concatenate(
        [
            counts[:half][::-1] if start == lower else np.zeros(half),
            counts,
            counts[::-1][:half] if stop == upper else np.zeros(half),
        ]
    )
    smooth = np.convolve(padded, kernel / kernel.sum(), mode="same")[half : half + _BINS]
    middles = 0.5 * (edges[1:] + edges[:-1])
    x = np.linspace(start, stop, points)
    return Density(x=x, y=np.interp(x, middles, smooth / (flat.size * step)))


def _bandwidth(values: Floats) -> float:
    lower, upper = np.quantile(values, [0.25, 0.75])
    sd = float(values.std())
    spread = min(sd, float(upper - lower) / 1.34) or sd
    if spread == 0.0:  # draws that are all alike: a spike, relative to the quantity's size
        spread = 1e-3 * abs(float(values[0])) or 1e-3
    return float(1.06 * spread * values.size**-0.2)
