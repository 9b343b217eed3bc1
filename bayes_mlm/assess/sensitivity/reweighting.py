"""Importance weights that take posterior draws from one prior to another.

The likelihood does not know the prior, so draws under one prior are draws under another once each
is weighted by the ratio of the two prior densities. The ratio of priors on sigma_u depends on
sigma_u alone, and so its weights serve every quantity. Pareto smoothing steadies the largest and
says, by k-hat, whether the draws reach where the new posterior lies.

References: Kallioinen, Paananen, Bürkner & Vehtari (2024), "Detecting and diagnosing prior and
likelihood sensitivity with power-scaling", Statistics and Computing 34, 57; Vehtari, Simpson,
Gelman, Yao & Gabry (2024), "Pareto smoothed importance sampling", JMLR 25(72).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bayes_mlm.base import Floats
from bayes_mlm.engines import sd_log_density, smooth_weights
from bayes_mlm.model import Prior, is_within


@dataclass(frozen=True, kw_only=True, eq=False)
class Weights:
    """Importance weights that take draws to another prior.

    Attributes
    ----------
    weight : (N,) array
        Not negative, summing to one.
    k_hat : float
        Shape of the tail of the weights; minus infinity where all are equal.
    share : float
        Effective sample size as a part of the draws' number.
    """

    weight: Floats
    k_hat: float
    share: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Moments:
    """Summary of k weighted quantities; each array is (k,), in the quantity's units.

    Attributes
    ----------
    mean, sd : (k,) array
    lower, upper : (k,) array
        Ends of the shortest interval of probability `prob`.
    mcse : (k,) array
        Monte Carlo standard error of the mean.
    """

    mean: Floats
    sd: Floats
    lower: Floats
    upper: Floats
    mcse: Floats


def covers(old: Sequence[Prior], new: Sequence[Prior]) -> bool:
    """Return whether the support of `old` covers that of `new`, which weights do not show.

    Examples
    --------
    >>> bounded = Prior("Uniform", (("lower", 0.0), ("upper", 5.0)))
    >>> covers([bounded], [Prior("Flat")]), covers([Prior("Flat")], [bounded])
    (False, True)
    """
    return all(is_within(_of_sd(b), _of_sd(a)) for a, b in zip(old, new, strict=True))


def _of_sd(prior: Prior) -> tuple[float, float]:
    """Return the support of a prior of an sd."""
    return max(prior.support[0], 0.0), prior.support[1]


def reweight(log_sigma_u: Floats, old: Sequence[Prior], new: Sequence[Prior]) -> Weights | None:
    """Weight draws made under one prior of the group sds so that they stand for another.

    Parameters
    ----------
    log_sigma_u : (N, q) array
        Logs of the draws of the sds, made under `old`.
    old, new : sequence of Prior, length q

    Returns
    -------
    Weights or None
        None where no draw is possible under `new`.

    Examples
    --------
    >>> draws = np.log(np.random.default_rng(1).exponential(1.0, (4000, 1)))
    >>> rates = [Prior("Exponential", (("lam", rate),)) for rate in (1.0, 1.5)]
    >>> found = reweight(draws, rates[:1], rates[1:])
    >>> abs(float(found.weight @ np.exp(draws[:, 0])) - 1 / 1.5) < 0.03, found.k_hat < 0.1
    (True, True)
    """
    log_ratio = np.zeros(len(log_sigma_u))
    for column, a, b in zip(log_sigma_u.T, old, new, strict=True):
        log_ratio += sd_log_density(b, column) - sd_log_density(a, column)
    if not np.isfinite(log_ratio.max()):
        return None
    smoothed = smooth_weights(log_ratio)
    weight = np.exp(smoothed.log_weight)
    share = 1.0 / (float((weight**2).sum()) * len(weight))
    return Weights(weight=weight, k_hat=smoothed.k_hat, share=share)


def equal_weights(n: int) -> Weights:
    """Return equal weights of n draws."""
    return Weights(weight=np.full(n, 1.0 / n), k_hat=-np.inf, share=1.0)


def summarise_weighted(values: Floats, weights: Weights, prob: float) -> Moments:
    """Summarise weighted draws; with equal weights as `bayes_mlm.fitting.summary` does.

    Parameters
    ----------
    values : (N, k) array
    weights : Weights
    prob : float
        Probability of the interval.

    Examples
    --------
    >>> found = summarise_weighted(np.array([[1.0], [2.0], [3.0], [9.0]]), equal_weights(4), 0.5)
    >>> found.mean, found.sd.round(3), found.lower, found.upper
    (array([3.75]), array([3.594]), array([1.]), array([2.]))
    """
    weight = weights.weight
    mean = weight @ values
    square = (values - mean) ** 2
    worth = weights.share * len(weight)
    sd = np.sqrt(weight @ square * worth / max(worth - 1.0, 1.0))
    lower, upper = shortest_weighted_interval(values, weight, prob)
    return Moments(mean=mean, sd=sd, lower=lower, upper=upper, mcse=np.sqrt(weight**2 @ square))


def shortest_weighted_interval(
    values: Floats, weight: Floats, prob: float
) -> tuple[Floats, Floats]:
    """Return the ends (k,) of the highest density intervals of weighted draws (N, k).

    The weighted form of `bayes_mlm.fitting.summary.shortest_interval` (Chen & Shao 1999, Journal of
    Computational and Graphical Statistics 8(1), sec. 3), and equal to it where the weights are.

    Examples
    --------
    >>> values, weight = np.array([[0.0], [1.0], [2.0], [9.0]]), np.array([0.1, 0.4, 0.4, 0.1])
    >>> shortest_weighted_interval(values, weight, 0.8)
    (array([1.]), array([2.]))
    """
    n, k = values.shape
    lower, upper = np.empty(k), np.empty(k)
    for column in range(k):
        order = np.argsort(values[:, column])
        ordered, cumulative = values[order, column], np.cumsum(weight[order])
        before = cumulative - weight[order]
        # Rounding of the sums must not ask for one draw more.
        end = np.searchsorted(cumulative, before + prob - 1e-12)
        possible = end < n
        width = np.where(possible, ordered[np.minimum(end, n - 1)] - ordered, np.inf)
        start = int(np.argmin(width))
        lower[column], upper[column] = ordered[start], ordered[min(int(end[start]), n - 1)]
    return lower, upper
