"""Quantiles of a predictive distribution: a mixture of normals, one for each posterior draw."""

import numpy as np

from bayes_mlm.base import Floats

_MOST = 80
# Of the mixture's sd. A Newton step of this size leaves an error of about its square.
_ENOUGH = 1e-4
# Mixtures processed at a time: the working arrays stay in the cache.
_BLOCK = 32


def mixture_quantile(centre: Floats, sd: Floats, probability: float) -> Floats:
    """Return a quantile of each of m mixtures of S normals with equal weights.

    Its Monte Carlo error is only that of the draws of the parameters.

    Parameters
    ----------
    centre, sd : ndarray, shape (S, m)
        Of the normals; an sd may be zero.
    probability : float
        Between 0 and 1.

    Returns
    -------
    ndarray, shape (m,)

    Notes
    -----
    Newton steps on the probit scale, where the distribution function of near-normal mixtures is
    nearly linear, with bisection wherever a step would leave the bracket.

    Examples
    --------
    >>> centre, sd = np.zeros((2, 1)), np.array([[1.0], [1.0]])
    >>> mixture_quantile(centre, sd, 0.975).round(4)
    array([1.96])
    """
    if not sd.any():
        return np.asarray(np.quantile(centre, probability, axis=0))
    found = np.empty(centre.shape[1])
    for start in range(0, found.size, _BLOCK):
        some = slice(start, start + _BLOCK)
        found[some] = _solve(centre[:, some], sd[:, some], probability)
    return found


def _solve(centre: Floats, sd: Floats, probability: float) -> Floats:
    """Find the quantile of each mixture of a block."""
    from scipy.special import ndtr, ndtri

    wanted = float(ndtri(probability))
    ends = centre + wanted * sd
    low, high = ends.min(axis=0), ends.max(axis=0)  # the quantile lies among those of the normals
    spread = np.sqrt(centre.var(axis=0) + np.square(sd).mean(axis=0))
    at = np.clip(centre.mean(axis=0) + wanted * spread, low, high)
    scale = np.maximum(sd, np.finfo(float).tiny)
    for _ in range(_MOST):
        with np.errstate(over="ignore"):
            standard = (at - centre) / scale
        reached = ndtr(standard).mean(axis=0)
        low = np.where(reached < probability, at, low)
        high = np.where(reached >= probability, at, high)
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            density = (np.exp(-0.5 * np.square(standard)) / scale).mean(axis=0)
            probit = ndtri(reached)
            step = at + (wanted - probit) * np.exp(-0.5 * np.square(probit)) / density
        inside = np.isfinite(step) & (step > low) & (step < high)
        moved = np.where(inside, step, 0.5 * (low + high))
        done = np.abs(moved - at) <= _ENOUGH * spread
        at = moved
        if done.all():
            break
    return np.asarray(at)
