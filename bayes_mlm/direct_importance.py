"""Draw from a density in a handful of dimensions by adaptive importance sampling.

A mixture of heavy-tailed distributions is fitted to the density in a few rounds, each from the
weighted points of all rounds before it; then it is frozen, and fresh points from it are weighted,
Pareto-smoothed and resampled. The weights of the last round alone count, so that nothing of the
adaptation biases the result.

References: Cornuet, Marin, Mira & Robert (2012), "Adaptive multiple importance sampling",
Scandinavian Journal of Statistics 39(4); Vehtari et al. (2024), JMLR 25(72), on k-hat.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bayes_mlm.direct_mixture import (
    Mixture,
    draw_mixture,
    fit_mixture,
    join,
    make_mixture,
    mixture_log_density,
)
from bayes_mlm.direct_mode import Mode
from bayes_mlm.direct_pareto import smooth_weights
from bayes_mlm.sufficient import FloatArray, IntArray

N_COMPONENTS = 6
MAX_ROUNDS = 6
# Part of the proposals that an adapted mixture should be worth; adaptation then stops.
GOOD_ENOUGH = 0.75
# Part of the final proposals that come from the widest component, against tails not yet seen.
DEFENSIVE = 0.1
PROPOSALS_PER_DRAW = 4
MAX_BATCHES = 5


@dataclass(frozen=True, kw_only=True, eq=False)
class ImportanceDraws:
    """Hold S resampled points and what is known of their quality.

    Attributes
    ----------
    x : (S, d) array
    log_density : (S,) array
        Log-density of each, as given.
    log_weight : (S,) array
        Log of the importance weight each point had, over the mean weight.
    k_hat : float
        Shape of the tail of the weights (`direct_pareto`).
    ess : float
        Effective sample size of the N proposals.
    log_integral : float
        Log of the integral of the density.
    log_integral_error : float
        Its Monte Carlo standard error.
    n_proposals, n_unique, n_evaluations : int
        Proposals of the last round; different points among the S; evaluations in all.
    """

    x: FloatArray
    log_density: FloatArray
    log_weight: FloatArray
    k_hat: float
    ess: float
    log_integral: float
    log_integral_error: float
    n_proposals: int
    n_unique: int
    n_evaluations: int


def sample_importance(
    log_density: Callable[[FloatArray], FloatArray],
    mode: Mode,
    n_draws: int,
    rng: np.random.Generator,
) -> ImportanceDraws:
    """Draw from a density known up to a constant.

    Parameters
    ----------
    log_density : callable
        Takes (B, d) points and gives (B,) values; minus infinity is allowed.
    mode : Mode
        Where to start.
    n_draws : int
        S.
    rng : numpy.random.Generator

    Returns
    -------
    ImportanceDraws
        Independent in the limit of many proposals; whether they can be trusted is in `k_hat`.
    """
    mixture, n_evaluations = _adapt(log_density, mode, rng)
    x = np.empty((0, len(mode.x)))
    target, log_ratio = np.empty(0), np.empty(0)
    for _ in range(MAX_BATCHES):
        fresh = draw_mixture(mixture, max(PROPOSALS_PER_DRAW * n_draws, 2_000), rng)
        value = log_density(fresh)
        x, target = np.concatenate([x, fresh]), np.concatenate([target, value])
        log_ratio = np.append(log_ratio, value - mixture_log_density(mixture, fresh))
        smoothed = smooth_weights(log_ratio)
        # No point is drawn twice once each of them stands for less than one draw.
        if n_draws * math.exp(smoothed.log_weight.max()) <= 1.0 or smoothed.k_hat > 0.7:
            break
    weight = np.exp(smoothed.log_weight)
    n = len(weight)
    chosen = rng.permutation(_systematic(weight, n_draws, rng))
    top = log_ratio.max()
    raw = np.exp(log_ratio - top)
    return ImportanceDraws(
        x=x[chosen],
        log_density=target[chosen],
        log_weight=smoothed.log_weight[chosen] + math.log(n),
        k_hat=smoothed.k_hat,
        ess=1.0 / float((weight**2).sum()),
        log_integral=float(top) + math.log(float(raw.mean())),
        log_integral_error=float(raw.std() / raw.mean()) / math.sqrt(n),
        n_proposals=n,
        n_unique=len(np.unique(chosen)),
        n_evaluations=n_evaluations + n,
    )


def _adapt(
    log_density: Callable[[FloatArray], FloatArray], mode: Mode, rng: np.random.Generator
) -> tuple[Mixture, int]:
    """Fit a mixture to the density in a few rounds; also give the number of evaluations."""
    d = len(mode.x)
    n_round = 400 + 250 * d
    wide = np.array([1.0, 4.0, 16.0])[:, None, None] * mode.covariance
    current = make_mixture(np.array([0.5, 0.3, 0.2]), np.repeat(mode.x[None], 3, axis=0), wide)
    proposals, points, values = [current], np.empty((0, d)), np.empty(0)
    best, best_share = current, 0.0
    for turn in range(MAX_ROUNDS):
        fresh = draw_mixture(current, n_round, rng)
        value = log_density(fresh)
        points, values = np.concatenate([points, fresh]), np.append(values, value)
        ratio = value - mixture_log_density(current, fresh)
        share = _share(ratio)
        if turn and share > best_share:
            best, best_share = current, share
        if best_share >= GOOD_ENOUGH:
            break
        # All points so far, weighted as if drawn from the mixture of all rounds' proposals.
        together = np.stack([mixture_log_density(m, points) for m in proposals])
        top = together.max(axis=0)
        log_weight = values - (top + np.log(np.exp(together - top).mean(axis=0)))
        weight = _tempered(log_weight, wanted=20.0 * (d + 2))
        n_components = N_COMPONENTS if len(points) * _share(log_weight) > 100 * d else 2
        fitted = fit_mixture(points, weight, n_components, rng)
        current = join(fitted, _widened(points, weight), DEFENSIVE)
        proposals.append(current)
    else:
        best = current if best_share == 0.0 else best
    return best, len(values)


def _share(log_ratio: FloatArray) -> float:
    """Give the effective sample size of importance ratios as a part of their number."""
    top = log_ratio.max()
    if not np.isfinite(top):
        return 0.0
    weight = np.exp(log_ratio - top)
    return float(weight.sum() ** 2 / (weight**2).sum()) / len(weight)


def _tempered(log_weight: FloatArray, *, wanted: float) -> FloatArray:
    """Flatten weights until they are worth `wanted` points, so that a fit to them is stable."""
    power = 1.0
    while _share(power * log_weight) * len(log_weight) < wanted and power > 1e-3:
        power *= 0.7
    weight = np.exp(power * (log_weight - log_weight.max()))
    normal: FloatArray = weight / weight.sum()
    return normal


def _widened(points: FloatArray, weight: FloatArray) -> Mixture:
    """Make one wide component about all points."""
    centre = weight @ points
    spread = ((points - centre) * weight[:, None]).T @ (points - centre)
    spread += np.diag(1e-10 + 1e-8 * np.diagonal(spread))
    return make_mixture(np.ones(1), centre[None], 2.0 * spread[None])


def _systematic(weight: FloatArray, n: int, rng: np.random.Generator) -> IntArray:
    """Choose n indices by systematic resampling: each point the whole number of times due to it.

    Kitagawa (1996), Journal of Computational and Graphical Statistics 5(1), appendix.
    """
    cumulative = np.cumsum(weight)
    at = (np.arange(n) + rng.random()) / n * cumulative[-1]
    return np.minimum(np.searchsorted(cumulative, at, side="right"), len(weight) - 1)
