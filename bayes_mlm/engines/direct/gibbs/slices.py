"""Slice sampling of a density of one number."""

from collections.abc import Callable

import numpy as np


def slice_sample(
    log_density: Callable[[float], float],
    at: float,
    here: float,
    width: float,
    rng: np.random.Generator,
) -> tuple[float, float]:
    """Return a draw by one slice update from a density of one number, and its log-density.

    Stepping out and shrinkage (Neal 2003, Annals of Statistics 31(3), sec. 4).

    Parameters
    ----------
    log_density : callable
    at : float
        Where the chain is.
    here : float
        The log-density there.
    width : float
        Of the first interval.
    rng : numpy.random.Generator

    Examples
    --------
    >>> rng, x, here, draws = np.random.default_rng(1), 0.0, 0.0, []
    >>> for _ in range(2000):
    ...     x, here = slice_sample(lambda v: -0.5 * v * v, x, here, 2.0, rng)
    ...     draws.append(x)
    >>> bool(abs(np.mean(draws)) < 0.1 and abs(np.std(draws) - 1) < 0.1)
    True
    """
    level = here - rng.standard_exponential()
    low = at - width * rng.random()
    high = low + width
    for _ in range(60):
        if log_density(low) <= level:
            break
        low -= width
    for _ in range(60):
        if log_density(high) <= level:
            break
        high += width
    while True:
        x = low + (high - low) * rng.random()
        value = log_density(x)
        if value > level or high - low < 1e-14:
            return float(x), value
        low, high = (x, high) if x < at else (low, x)
