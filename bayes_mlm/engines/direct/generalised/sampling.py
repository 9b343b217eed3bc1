"""Independent draws from the posterior of a model whose outcomes are not Gaussian."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from bayes_mlm.base import Floats
from bayes_mlm.engines.direct.generalised.laplace import Node, expand
from bayes_mlm.engines.direct.generalised.lattice import Exact
from bayes_mlm.engines.direct.generalised.problem import Problem
from bayes_mlm.engines.direct.generalised.proposal import Proposal, Proposals
from bayes_mlm.engines.direct.generalised.tables import Tables, can_tabulate
from bayes_mlm.engines.direct.importance import systematic
from bayes_mlm.engines.direct.pareto import smooth_weights

PILOT = 512
RATIO = 1.25
# k-hat above which the proposal is moved once more.
_WANTED = 0.5
_COPIES = 0.015
_MOST_BATCHES = 4
# Logs below the largest prior density at which a proposal is not evaluated.
_HOPELESS = 200.0
# Part of the pilot, the least probable by Laplace's approximation, that lattices are not made for.
_FAR = 0.05
# Draws at which the integral is evaluated again on a finer lattice; rows, and groups, that do.
_CHECKED, _CHECKED_ROWS, _CHECKED_GROUPS = 64, 10_000, 64
# Error of the log-likelihood with which tables are not used.
_MOST_ERROR = 0.03


@dataclass(frozen=True, kw_only=True, eq=False)
class Found:
    """Resampled points with the diagnostics of their quality.

    Attributes
    ----------
    x : (S, d) array
    log_density, log_weight : (S,) arrays
    u : (S, J, 2) array or None
        Of the scaled Z.
    moments : (J, 5) array or None
        Means and second moments of u, where the draws are too many.
    residual : float
        Sd of the log weights.
    """

    x: Floats
    log_density: Floats
    log_weight: Floats
    u: Floats | None
    moments: Floats | None
    residual: float
    k_hat: float
    ess: float
    log_integral: float
    log_integral_error: float
    n_unique: int
    n_evaluations: int
    integral_error: float
    n_trials: int
    n_violations: int


def draw_points(
    problem: Problem, n_draws: int, rng: np.random.Generator, *, effects: bool, keep: bool
) -> Found:
    """Draw from the posterior: proposals, exact weights, smoothed and resampled."""
    proposal = Proposal(problem, rng)
    pilot = max(PILOT, 4 * proposal.n_terms)
    at = proposal.draw(pilot)
    likely = at.x[np.argsort(-at.approximate)[: int((1.0 - _FAR) * pilot)]]
    exact = _integrals(problem, _nearest(proposal), likely)

    def log_posterior(at: Proposals, **wanted: Any) -> Floats:
        prior = problem.log_prior_inner(problem.values(at.x), at.x)
        prior = prior + problem.log_prior_outer(at.x[:, problem.inner :])
        fine = prior > np.nanmax(prior) - _HOPELESS
        x = np.where(fine[:, None], at.x, at.x[int(np.nanargmax(at.approximate))])
        with np.errstate(invalid="ignore"):
            found = exact(x, **wanted) + prior
        return np.where(fine & np.isfinite(found), found, -np.inf)

    keep = effects and keep and problem.q > 0
    summarised = effects and not keep and problem.q > 0
    every_moment = np.empty((pilot, problem.n_groups, 5)) if summarised else None
    target = log_posterior(at, moments=every_moment)
    weight = np.exp(smooth_weights(_ratio(target, at)).log_weight)
    moments = None if every_moment is None else np.einsum("n,njm->jm", weight, every_moment)
    proposal.adapt(at, target, weight + 0.3 / pilot)
    n = max(math.ceil(RATIO * n_draws), PILOT)
    batches: list[tuple[Proposals, Floats, Floats | None, Floats]] = []
    moved = 1
    while True:
        at = proposal.draw(n)
        u = np.empty((n, problem.n_groups, 2)) if keep else None
        counts, seed = np.zeros((n, 2)), int(rng.integers(1 << 30))
        target = log_posterior(at, seed=seed, u=u, counts=counts)
        batches.append((at, target, u, counts))
        ratio = np.concatenate([_ratio(t, one) + one.log_integral for one, t, _, _ in batches])
        smoothed = smooth_weights(ratio)
        weight = np.exp(smoothed.log_weight)
        copies = float(np.maximum(n_draws * weight - 1.0, 0.0).sum())
        if len(batches) == 1 and moved < 2 and smoothed.k_hat > _WANTED:
            moved += 1
            proposal.adapt(at, target, weight + 0.3 / n)
            batches = []
            continue
        if copies <= _COPIES * n_draws or len(batches) >= _MOST_BATCHES:
            break
        n = math.ceil(0.5 * RATIO * n_draws)
    x = np.concatenate([one.x for one, _, _, _ in batches])
    target = np.concatenate([one for _, one, _, _ in batches])
    chosen = rng.permutation(systematic(weight, n_draws, rng))
    top = float(ratio.max())
    raw = np.exp(ratio - top)
    errors = [one.log_integral_error for one, _, _, _ in batches]
    n_trials, n_violations = np.concatenate([one for _, _, _, one in batches])[chosen].sum(axis=0)
    effects_drawn = None
    if keep:
        every = [one for _, _, one, _ in batches if one is not None]
        effects_drawn = (every[0] if len(every) == 1 else np.concatenate(every))[chosen]
    shift, wrong = _check_integral(problem, exact, x[chosen[:_CHECKED]])
    return Found(
        x=x[chosen],
        log_density=target[chosen],
        log_weight=smoothed.log_weight[chosen] + math.log(len(weight)),
        u=effects_drawn,
        moments=moments,
        residual=_spread(ratio),
        k_hat=smoothed.k_hat,
        ess=1.0 / (float((weight**2).sum()) + _rounding(n_draws * weight) / n_draws**2),
        log_integral=shift + top + math.log(float(raw.mean())),
        log_integral_error=math.hypot(
            float(raw.std() / raw.mean()) / math.sqrt(len(raw)),
            max(errors) / math.sqrt(len(errors)),
        ),
        n_unique=len(np.unique(chosen)),
        n_evaluations=exact.n_evaluations + len(proposal.nodes),
        integral_error=wrong,
        n_trials=int(n_trials),
        n_violations=int(n_violations),
    )


def _ratio(target: Floats, at: Proposals) -> Floats:
    return np.where(np.isfinite(target), target - at.log_density, -np.inf)


def _nearest(proposal: Proposal) -> Node:
    """Return the node nearest the mode of the outer part."""
    good = [one for one in proposal.nodes if math.isfinite(one.value)]
    gaps = [float(((one.outer - proposal.mode) ** 2).sum()) for one in good]
    return good[int(np.argmin(gaps))]


def _integrals(problem: Problem, node: Node, points: Floats) -> Exact | Tables:
    """Return what evaluates the log-likelihood about a node: tables if they do at the points."""
    if can_tabulate(problem, points):
        tables = Tables(problem, node)
        few = points[np.linspace(0, len(points) - 1, _CHECKED).astype(int)]
        if tables.complete and _check_integral(problem, tables, few)[1] < _MOST_ERROR:
            return tables
    exact = Exact(problem, expand(problem, node))
    exact.prepare(points)
    return exact


def _check_integral(problem: Problem, exact: Exact | Tables, x: Floats) -> tuple[float, float]:
    """Return mean and sd of the error of the log-likelihood, by a lattice half as wide and deeper.

    The mean is of the marginal likelihood alone. Of a great many rows some groups stand for all.
    """
    if not problem.q:
        return 0.0, 0.0
    some, every = problem.n_groups, problem.n_groups
    if problem.n > 2 * _CHECKED_ROWS:
        some = min(every, max(round(every * _CHECKED_ROWS / problem.n), _CHECKED_GROUPS))
    if some < every:
        exact = exact.of_groups(np.linspace(0, every - 1, some).astype(np.int64))
    fine = Exact(exact.problem, exact.expansion, refine=0.65, depth=1e-10, tolerance=1e-8)
    fine.prepare(x, bins=1)
    gap = (fine(x) - exact(x)) * every / some
    return float(gap.mean()), float(gap.std())


def _rounding(expected: Floats) -> float:
    """Return the sum of variances of the numbers of copies, given how many are expected."""
    part = expected - np.floor(expected)
    return float((part * (1.0 - part)).sum())


def _spread(ratio: Floats) -> float:
    """Return the sd of log weights, under the weights."""
    fine = ratio[np.isfinite(ratio)]
    weight = np.exp(fine - fine.max())
    mean = float(np.average(fine, weights=weight))
    return math.sqrt(float(np.average((fine - mean) ** 2, weights=weight)))
