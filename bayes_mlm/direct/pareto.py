"""Smooth importance weights by the generalised Pareto distribution of their tail."""

import math
from dataclasses import dataclass

import numpy as np

from bayes_mlm.sufficient import FloatArray

# Beyond it importance weights are not reliable (Vehtari et al. 2024, sec. 3).
MAX_K_HAT = 0.7


@dataclass(frozen=True, kw_only=True, eq=False)
class SmoothedWeights:
    """Hold smoothed importance weights.

    Attributes
    ----------
    log_weight : (N,) array
        Normalised: the exponentials sum to one.
    k_hat : float
        Shape of the tail; up to 0.7 the weights can be relied on.
    """

    log_weight: FloatArray
    k_hat: float


def smooth_weights(log_ratio: FloatArray) -> SmoothedWeights:
    """Replace the largest weights by the expected order statistics of a fitted Pareto tail.

    Parameters
    ----------
    log_ratio : (N,) array
        Log importance ratios, at least 25 of them; minus infinity is allowed.

    Returns
    -------
    SmoothedWeights

    References
    ----------
    Vehtari, Simpson, Gelman, Yao & Gabry (2024), "Pareto smoothed importance sampling", Journal of
    Machine Learning Research 25(72), algorithm 1.

    Examples
    --------
    >>> import numpy as np
    >>> ratios = np.log(np.random.default_rng(1).pareto(2.0, 4000) + 1.0)  # k = 1 / 2
    >>> abs(smooth_weights(ratios).k_hat - 0.5) < 0.15
    True
    """
    n = len(log_ratio)
    value = log_ratio - log_ratio.max()
    length = math.floor(min(0.2 * n, 3.0 * math.sqrt(n)))
    order = np.argsort(value)
    tail = order[n - length :]
    # exp() of anything lower is not a number that matters.
    cutoff = max(float(value[order[n - length - 1]]), math.log(np.finfo(float).tiny))
    excess = np.exp(value[tail]) - math.exp(cutoff)
    k_hat = math.inf
    if excess[-1] <= 1e-10:
        k_hat = -math.inf  # the weights are equal
    elif np.count_nonzero(excess > 0) > 4:
        excess = np.maximum(excess, 0.0)
        k_hat, sigma = fit_pareto(excess)
        if math.isfinite(k_hat):
            chance = (np.arange(length) + 0.5) / length
            step = -np.log1p(-chance)
            quantile = sigma * (np.expm1(k_hat * step) / k_hat if k_hat else step)
            value = value.copy()
            value[tail] = np.minimum(np.log(quantile + math.exp(cutoff)), 0.0)
    total = math.log(float(np.exp(value).sum()))
    return SmoothedWeights(log_weight=value - total, k_hat=k_hat)


def fit_pareto(excess: FloatArray) -> tuple[float, float]:
    """Fit a generalised Pareto distribution to sorted excesses: shape k and scale sigma.

    Parameters
    ----------
    excess : (M,) array
        Sorted, not negative.

    Returns
    -------
    k, sigma : float
        k is drawn towards 1/2 with the weight of ten observations.

    References
    ----------
    Zhang & Stephens (2009), Technometrics 51(3), eqs 5-7, in the sign of k of Vehtari et al.
    (2024), whose appendix C gives the weak prior on k.
    """
    m = len(excess)
    quarter = excess[int(m / 4.0 + 0.5) - 1]
    n_grid = 30 + math.floor(math.sqrt(m))
    j = np.arange(1, n_grid + 1)
    if quarter <= 0:
        quarter = excess[excess > 0][0]
    b = (1.0 - np.sqrt(n_grid / (j - 0.5))) / (3.0 * quarter) + 1.0 / excess[-1]
    k = np.log1p(-b[:, None] * excess).mean(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        profile = m * (np.log(-b / k) - k - 1.0)
    usable = np.isfinite(profile)
    profile, b = profile[usable], b[usable]
    weight = np.exp(profile - profile.max())
    weight /= weight.sum()
    chosen = float(weight @ b)
    shape = float(np.log1p(-chosen * excess).mean())
    sigma = -shape / chosen
    return (shape * m + 0.5 * 10.0) / (m + 10.0), sigma
