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

from bayes_mlm.base import Floats, Ints
from bayes_mlm.engines.direct.mixture import (
    Mixture,
    draw_mixture,
    fit_mixture,
    join,
    make_mixture,
    mixture_log_density,
)
from bayes_mlm.engines.direct.mode import Mode
from bayes_mlm.engines.direct.pareto import MAX_K_HAT, smooth_weights

N_COMPONENTS = 6
MAX_ROUNDS = 6
# Part of the proposals that an adapted mixture should be worth; adaptation then stops.
GOOD_ENOUGH = 0.75
# Part of the proposals that come from wide components, against tails not yet seen.
DEFENSIVE = 0.15
# An arm of the density is followed until the density is below the mode's by this much, in logs.
_DEPTH = 9.0
PROPOSALS_PER_DRAW = 4
# Draws that may be copies of others, as a part of all; more proposals are made until they are.
_COPIES = 5e-4
MAX_BATCHES = 5


@dataclass(frozen=True, kw_only=True, eq=False)
class ImportanceDraws:
    """Resampled points (S of them) with the diagnostics of their quality.

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

    x: Floats
    log_density: Floats
    log_weight: Floats
    k_hat: float
    ess: float
    log_integral: float
    log_integral_error: float
    n_proposals: int
    n_unique: int
    n_evaluations: int


def sample_importance(
    log_density: Callable[[Floats], Floats],
    mode: Mode,
    widest: Floats,
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
    widest : (d,) array
        Prior standard deviation of each coordinate that the data may not identify (0: they always
        do). Along these the density may have long arms, such as that towards sigma_u = 0.
    n_draws : int
        S.
    rng : numpy.random.Generator

    Returns
    -------
    ImportanceDraws
        Independent in the limit of many proposals; whether they can be trusted is in `k_hat`.
    """
    mixture, n_evaluations = _adapt(log_density, mode, widest, rng)
    x = np.empty((0, len(mode.x)))
    target, log_ratio = np.empty(0), np.empty(0)
    for _ in range(MAX_BATCHES):
        fresh = draw_mixture(mixture, max(PROPOSALS_PER_DRAW * n_draws, 2_000), rng)
        value = log_density(fresh)
        x, target = np.concatenate([x, fresh]), np.concatenate([target, value])
        log_ratio = np.append(log_ratio, value - mixture_log_density(mixture, fresh))
        smoothed = smooth_weights(log_ratio)
        weight = np.exp(smoothed.log_weight)
        # A point is drawn twice only if its weight exceeds one draw.
        copies = float(np.maximum(n_draws * weight - 1.0, 0.0).sum())
        if copies <= _COPIES * n_draws or smoothed.k_hat > MAX_K_HAT:
            break
    n = len(weight)
    chosen = rng.permutation(systematic(weight, n_draws, rng))
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
    log_density: Callable[[Floats], Floats],
    mode: Mode,
    widest: Floats,
    rng: np.random.Generator,
) -> tuple[Mixture, int]:
    """Fit a mixture to the density in a few rounds; also give the number of evaluations."""
    d = len(mode.x)
    n_round = 400 + 250 * d
    wide = np.array([1.0, 4.0])[:, None, None] * mode.covariance
    hill = make_mixture(np.array([0.6, 0.4]), np.repeat(mode.x[None], 2, axis=0), wide)
    arms = _arms(log_density, mode, widest)
    current = join(hill, arms, 2.0 * DEFENSIVE)
    proposals, points, values = [], np.empty((0, d)), np.empty(0)
    best, best_share = current, 0.0
    for round_ in range(MAX_ROUNDS):
        proposals.append(current)
        fresh = draw_mixture(current, n_round, rng)
        value = log_density(fresh)
        points, values = np.concatenate([points, fresh]), np.append(values, value)
        share = _share(value - mixture_log_density(current, fresh))
        if round_ and share > best_share:
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
        current = join(fitted, join(arms, _widened(points, weight), 0.4), DEFENSIVE)
    return best, len(values)


def _arms(log_density: Callable[[Floats], Floats], mode: Mode, widest: Floats) -> Mixture:
    """Add a component along each long arm of the density, however small its probability.

    An arm starts at the mode along one coordinate; it is as long as the density stays within reach
    of the mode's, and as wide across, in the other coordinates that have a `widest`, as the data
    let it be or the prior does.
    """
    sd = np.sqrt(np.diagonal(mode.covariance))
    reach = np.array([1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 11.0, 15.0, 20.0])
    means, scales = [mode.x], [4.0 * mode.covariance]
    for k in np.flatnonzero(widest > 0):
        for sign in (-1.0, 1.0):
            line = np.repeat(mode.x[None], len(reach), axis=0)
            line[:, k] += sign * reach * max(sd[k], 0.5 * widest[k])
            near = np.flatnonzero(log_density(line) > mode.value - _DEPTH)
            if len(near) == 0:
                continue
            length = abs(line[near[-1], k] - mode.x[k])
            # The length is often 4 sds to the last digit: rounding must not decide.
            if length <= 4.0 * (1.0 + 1e-6) * sd[k]:
                continue
            mean = mode.x.copy()
            mean[k] += sign * 0.45 * length
            across = np.maximum(1.2 * sd, np.where(widest < 1.0, widest, 0.0))
            across[k] = 0.35 * length
            means.append(mean)
            scales.append(np.diag(across**2))
    return make_mixture(np.ones(len(means)), np.array(means), np.array(scales))


def _share(log_ratio: Floats) -> float:
    """Return the effective sample size of importance ratios as a fraction of their number."""
    top = log_ratio.max()
    if not np.isfinite(top):
        return 0.0
    weight = np.exp(log_ratio - top)
    return float(weight.sum() ** 2 / (weight**2).sum()) / len(weight)


def _tempered(log_weight: Floats, *, wanted: float) -> Floats:
    """Temper weights to an effective size of `wanted` points, so that a fit to them is stable."""
    power = 1.0
    while _share(power * log_weight) * len(log_weight) < wanted and power > 1e-3:
        power *= 0.7
    weight = np.exp(power * (log_weight - log_weight.max()))
    normal: Floats = weight / weight.sum()
    return normal


def _widened(points: Floats, weight: Floats) -> Mixture:
    """Make one wide component about all points."""
    centre = weight @ points
    spread = ((points - centre) * weight[:, None]).T @ (points - centre)
    spread += np.diag(1e-10 + 1e-8 * np.diagonal(spread))
    return make_mixture(np.ones(1), centre[None], 2.0 * spread[None])


def systematic(weight: Floats, n: int, rng: np.random.Generator) -> Ints:
    """Choose n indices by systematic resampling: each point the whole number of times due to it.

    Kitagawa (1996), Journal of Computational and Graphical Statistics 5(1), appendix.
    """
    cumulative = np.cumsum(weight)
    at = (np.arange(n) + rng.random()) / n * cumulative[-1]
    chosen: Ints = np.searchsorted(cumulative, at, side="right")
    return np.minimum(chosen, len(weight) - 1)
