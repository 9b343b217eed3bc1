"""Intervals of bootstrap estimates."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bayes_mlm.base import EngineError, Floats, Registry


@dataclass(frozen=True, kw_only=True, eq=False)
class Replicated:
    """Bootstrap estimates of one quantity.

    Parameters
    ----------
    values : ndarray, shape (B,)
    estimate : float
        That of the data.
    jackknife : ndarray, shape (J,)
        Estimates without each group in turn; what only the "bca" interval reads.
    """

    values: Floats
    estimate: float
    jackknife: Floats


def percentile(sample: Replicated, prob: float) -> tuple[float, float]:
    """Return the quantiles of the bootstrap estimates.

    Examples
    --------
    >>> found = Replicated(values=np.arange(101.0), estimate=50.0, jackknife=np.zeros(0))
    >>> percentile(found, 0.9)
    (5.0, 95.0)
    """
    tail = (1.0 - prob) / 2.0
    lower, upper = np.quantile(sample.values, [tail, 1.0 - tail])
    return float(lower), float(upper)


def basic(sample: Replicated, prob: float) -> tuple[float, float]:
    """Return twice the estimate less the quantiles of the bootstrap estimates.

    Davison & Hinkley (1997), Bootstrap Methods and their Application, eq. 5.6.
    """
    lower, upper = percentile(sample, prob)
    return 2.0 * sample.estimate - upper, 2.0 * sample.estimate - lower


def bca(sample: Replicated, prob: float) -> tuple[float, float]:
    """Return quantiles corrected for bias and for an sd that changes with the quantity.

    Efron (1987), J. Am. Stat. Assoc. 82(397), eqs 2.3 and 6.6: the bias from the share of bootstrap
    estimates below that of the data (of ties the half), the acceleration from the skewness of the
    estimates without each group.
    """
    from scipy.special import ndtr, ndtri

    values, many = sample.values, len(sample.values)
    ties = int(np.count_nonzero(values == sample.estimate))
    below = int(np.count_nonzero(values < sample.estimate)) + 0.5 * ties
    bias = float(ndtri(np.clip(below / many, 0.5 / many, 1.0 - 0.5 / many)))
    apart = sample.jackknife.mean() - sample.jackknife
    square = float((apart**2).sum())
    acceleration = float((apart**3).sum() / (6.0 * square**1.5)) if square > 0.0 else 0.0
    z = ndtri(np.array([(1.0 - prob) / 2.0, (1.0 + prob) / 2.0]))
    levels = ndtr(bias + (bias + z) / (1.0 - acceleration * (bias + z)))
    lower, upper = np.quantile(values, levels)
    return float(lower), float(upper)


# Intervals by name.
INTERVALS: Registry[Callable[[Replicated, float], tuple[float, float]]] = Registry(
    "interval", EngineError
)
INTERVALS.register("percentile", percentile)
INTERVALS.register("basic", basic)
INTERVALS.register("bca", bca)
