"""Draw from interpolated sums, with group effects by a few factorisations."""

import math

import numpy as np

from bayes_mlm.base import Floats
from bayes_mlm.engines.direct.density import draw_beta
from bayes_mlm.engines.direct.parametrisation import variances_at
from bayes_mlm.engines.direct.propriety import check_proper
from bayes_mlm.engines.direct.report import DirectReport
from bayes_mlm.engines.direct.several.anchors import AnchoredEffects, draw_anchored
from bayes_mlm.engines.direct.several.exact import SeveralDraws
from bayes_mlm.engines.direct.several.neighbourhood import near_reml
from bayes_mlm.engines.direct.several.problem import SeveralProblem
from bayes_mlm.engines.direct.several.refine import ApproximateDraws, draw_refined, starting_point
from bayes_mlm.likelihood import check_bounded_outcome

# Rounds of drawing, where the anchors show that the interpolant was not exact enough; and where the
# verdict would say so.
_ROUNDS, _MOST_ROUNDS = 2, 4
# Anchors that become nodes then: those at which it is most wrong.
_WORST = 40
# Standard deviation of the log weights of anchors at which the draws are taken as they are.
_GOOD = 0.03
# Bound of reported logs, which a file can hold.
_BOUND = 1e3


def draw_interpolated(
    problem: SeveralProblem,
    n_draws: int,
    rng: np.random.Generator,
    *,
    keep: bool,
) -> SeveralDraws:
    """Draw the variance parameters from interpolated sums, and the rest given them.

    Parameters
    ----------
    problem : SeveralProblem
    n_draws : int
    rng : numpy.random.Generator
    keep : bool
        Whether all draws of the group effects are wanted; else their means and sds.
    """
    check_bounded_outcome(problem.system.plan)
    near = near_reml(problem)
    check_proper(problem, starting_point(problem, near.centre))
    nodes, n_exact = None, 0
    for rounds in range(1, _MOST_ROUNDS + 1):
        approximate = draw_refined(problem, near, n_draws, rng, nodes)
        at = variances_at(problem, approximate.found.x)
        beta = draw_beta(approximate.problem, at, rng)
        anchored = draw_anchored(problem, approximate, beta, rng, keep=keep)
        known = 0 if nodes is None else len(nodes.relative)
        n_exact += len(approximate.nodes.relative) - known + len(anchored.log_ratio)
        report = _report(approximate, anchored, n_draws, n_exact)
        enough = rounds >= _ROUNDS or _weight_sd(anchored.log_ratio) <= _GOOD
        if enough and report.trusted:
            break
        worst = np.argsort(-np.abs(anchored.log_ratio))[:_WORST]
        nodes = approximate.nodes.joined(anchored.nodes.part(worst))
    return SeveralDraws(
        at=at,
        log_density=approximate.found.log_density,
        log_weight=approximate.found.log_weight,
        beta=beta,
        effects=anchored.effects,
        mean=anchored.mean,
        sd=anchored.sd,
        report=report,
    )


def _weight_sd(log_ratio: Floats) -> float:
    """Return the root mean square of log weights, not about their mean: see `refine`."""
    return float(np.sqrt(np.mean(np.minimum(np.abs(log_ratio), 1e3) ** 2)))


def _report(
    approximate: ApproximateDraws, anchored: AnchoredEffects, n_draws: int, n_exact: int
) -> DirectReport:
    found, ratio = approximate.found, anchored.log_ratio
    weight_sd = max(_weight_sd(ratio), approximate.weight_sd)
    top = float(ratio.max())
    correction = top + math.log(float(np.mean(np.exp(ratio - top))))
    error = math.hypot(found.log_integral_error, weight_sd / math.sqrt(len(ratio)))
    ess = 1.0 / (1.0 / n_draws + 1.0 / found.ess)
    return DirectReport(
        method="interpolation",
        log_marginal_likelihood=found.log_integral + correction,
        log_marginal_likelihood_error=error,
        error=None,
        k_hat=found.k_hat,
        ess=ess / (1.0 + weight_sd**2),
        n_draws=n_draws,
        n_unique=found.n_unique,
        n_evaluations=n_exact,
        effects="none",
        log_weight_sd=weight_sd,
        missed=min(max(approximate.missed, -_BOUND), _BOUND),
        effects_error=anchored.error,
    )
