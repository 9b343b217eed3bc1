"""Moments and intervals of mixtures of normal distributions."""

import math
from dataclasses import dataclass

import numpy as np

from bayes_mlm.base import Floats


@dataclass(frozen=True, kw_only=True, eq=False)
class Mixture:
    """Summary of h mixtures.

    Attributes
    ----------
    mean, sd, lower, upper, above : ndarray, shape (h,)
        Mean, sd, ends of the equal-tailed interval, and probability above zero.
    """

    mean: Floats
    sd: Floats
    lower: Floats
    upper: Floats
    above: Floats


def mixture(mean: Floats, variance: Floats, weights: Floats, tail: float) -> Mixture:
    """Summarise mixtures of normals.

    Parameters
    ----------
    mean, variance : ndarray, shape (N, h)
    weights : ndarray, shape (N,)
        With a sum of 1.
    tail : float
        Probability on each side of the interval.

    Examples
    --------
    >>> one = mixture(np.array([[1.0]]), np.array([[4.0]]), np.ones(1), 0.025)
    >>> round(float(one.lower[0]), 3), round(float(one.above[0]), 3)
    (-2.92, 0.691)
    """
    from scipy.special import ndtr, ndtri

    centre, sds = weights @ mean, np.sqrt(variance)
    sd = np.sqrt(weights @ (variance + np.square(mean - centre)))
    ends = []
    for prob in (tail, 1.0 - tail):
        low, high = centre - 40.0 * sd, centre + 40.0 * sd  # Chebyshev: tails below 1/1600
        at = centre + float(ndtri(prob)) * sd
        for _ in range(100):
            z = (at - mean) / sds
            off = weights @ ndtr(z) - prob
            low, high = np.where(off < 0.0, at, low), np.where(off < 0.0, high, at)
            density = weights @ (np.exp(-0.5 * z**2) / sds) / math.sqrt(2.0 * math.pi)
            step = at - off / np.maximum(density, 1e-300)
            moved = np.where((step > low) & (step < high), step, 0.5 * (low + high))
            done = np.abs(moved - at) <= 1e-10 * sd
            at = moved
            if done.all():
                break
        ends.append(at)
    return Mixture(
        mean=centre, sd=sd, lower=ends[0], upper=ends[1], above=weights @ ndtr(mean / sds)
    )
