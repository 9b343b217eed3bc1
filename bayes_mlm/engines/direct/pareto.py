"""Smooth importance weights by the generalised Pareto distribution of their tail."""

import math
from dataclasses import dataclass

import numpy as np

from bayes_mlm.base import Floats

# Beyond it importance weights are not reliable (Vehtari et al. 2024, sec. 3).
MAX_K_HAT = 0.7
# Numbers in a working array.
_CHUNK = 500_000


@dataclass(frozen=True, kw_only=True, eq=False)
class SmoothedWeights:
    """Smoothed importance weights.

    Attributes
    ----------
    log_weight : (N,) array
        Normalised: the exponentials sum to one.
    k_hat : float
        Shape of the tail; up to 0.7 the weights can be relied on.
    """

    log_weight: Floats
    k_hat: float


@dataclass(frozen=True, kw_only=True, eq=False)
class SmoothedRows:
    """M sets of N smoothed weights: `log_weight` (M, N) and `k_hat` (M,)."""

    log_weight: Floats
    k_hat: Floats


def smooth_weights(log_ratio: Floats) -> SmoothedWeights:
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
    found = smooth_rows(log_ratio[None])
    return SmoothedWeights(log_weight=found.log_weight[0], k_hat=float(found.k_hat[0]))


def smooth_rows(log_ratio: Floats) -> SmoothedRows:
    """Smooth many sets of weights at once, each by itself (`smooth_weights`).

    Parameters
    ----------
    log_ratio : (M, N) array
        A set of N log importance ratios a row.

    Returns
    -------
    SmoothedRows
        `k_hat` is minus infinity where the weights are equal, and infinity where too few of them
        are above zero to estimate it.
    """
    n = log_ratio.shape[1]
    value = log_ratio - log_ratio.max(axis=1, keepdims=True)
    length = math.floor(min(0.2 * n, 3.0 * math.sqrt(n)))
    tail = np.argpartition(value, n - length - 1, axis=1)[:, n - length - 1 :]
    tail = np.take_along_axis(tail, np.argsort(np.take_along_axis(value, tail, 1), axis=1), 1)
    top = np.take_along_axis(value, tail, 1)
    # exp() of anything lower is not a number that matters.
    cutoff = np.exp(np.maximum(top[:, :1], math.log(np.finfo(float).tiny)))
    excess = np.exp(top[:, 1:]) - cutoff
    equal = excess[:, -1] <= 1e-10
    k_hat = np.where(equal, -np.inf, np.inf)
    usable = np.flatnonzero(~equal & (np.count_nonzero(excess > 0, axis=1) > 4))
    step = -np.log1p(-(np.arange(length) + 0.5) / length)
    n_rows = max(1, _CHUNK // (length * _grid(length)))
    for start in range(0, len(usable), n_rows):
        rows = usable[start : start + n_rows]
        shape, sigma = fit_pareto(np.maximum(excess[rows], 0.0))
        k_hat[rows] = shape
        fine = np.isfinite(shape)
        rows, k = rows[fine], shape[fine, None]
        with np.errstate(invalid="ignore", divide="ignore"):
            quantile = sigma[fine, None] * np.where(k == 0.0, step, np.expm1(k * step) / k)
        smooth = np.minimum(np.log(quantile + cutoff[rows]), 0.0)
        value[rows[:, None], tail[rows, 1:]] = smooth
    total = np.log(np.exp(value).sum(axis=1, keepdims=True))
    return SmoothedRows(log_weight=value - total, k_hat=k_hat)


def reliable_k_hat(n: int) -> float:
    """Return the largest k-hat at which n weights are reliable: 0.7, and less for n < 2,200.

    Examples
    --------
    >>> reliable_k_hat(200), reliable_k_hat(4000)
    (0.565, 0.7)

    References
    ----------
    Vehtari et al. (2024), sec. 3.2.4.
    """
    return min(1.0 - 1.0 / math.log10(n), MAX_K_HAT)


def _grid(m: int) -> int:
    return 30 + math.floor(math.sqrt(m))


def fit_pareto(excess: Floats) -> tuple[Floats, Floats]:
    """Fit generalised Pareto distributions to rows of sorted excesses: shapes k and scales sigma.

    Parameters
    ----------
    excess : (R, M) array
        Each row sorted, not negative, not all zero.

    Returns
    -------
    k, sigma : (R,) arrays
        k is drawn towards 1/2 with the weight of ten observations.

    References
    ----------
    Zhang & Stephens (2009), Technometrics 51(3), eqs 5-7, in the sign of k of Vehtari et al.
    (2024), whose appendix C gives the weak prior on k.
    """
    m = excess.shape[1]
    quarter = excess[:, int(m / 4.0 + 0.5) - 1]
    lowest = np.take_along_axis(excess, np.argmax(excess > 0, axis=1)[:, None], 1)[:, 0]
    quarter = np.where(quarter > 0, quarter, lowest)
    n_grid = _grid(m)
    j = np.arange(1, n_grid + 1)
    b = (1.0 - np.sqrt(n_grid / (j - 0.5))) / (3.0 * quarter[:, None]) + 1.0 / excess[:, -1:]
    k = np.log1p(-b[:, :, None] * excess[:, None, :]).mean(axis=2)
    with np.errstate(divide="ignore", invalid="ignore"):
        profile = m * (np.log(-b / k) - k - 1.0)
    profile = np.where(np.isfinite(profile), profile, -np.inf)
    weight = np.exp(profile - profile.max(axis=1, keepdims=True))
    weight /= weight.sum(axis=1, keepdims=True)
    chosen = (weight * b).sum(axis=1)
    shape = np.log1p(-chosen[:, None] * excess).mean(axis=1)
    sigma = -shape / chosen
    return (shape * m + 0.5 * 10.0) / (m + 10.0), sigma
