"""Where to start looking for the mode, with several grouping factors."""

import math
from itertools import product

import numpy as np

from bayes_mlm.base import Floats, Ints
from bayes_mlm.engines.direct.mode import highest
from bayes_mlm.engines.direct.parametrisation import coordinate, dimension, log_density
from bayes_mlm.engines.direct.posterior import Variances
from bayes_mlm.engines.direct.quadratic import cholesky
from bayes_mlm.engines.direct.several.problem import SeveralProblem
from bayes_mlm.likelihood import check_bounded_outcome

# Group effects that are this times the residual error of a typical group.
_LEVELS = (0.1, 0.5, 2.0)
# Points of the grid, at most.
_MOST = 100


def typical_ratio(problem: SeveralProblem) -> Floats:
    """Return the sd of each effect, over sigma_e, at which a typical group shows it."""
    found: list[tuple[Ints, Floats]] = []
    for places, to in problem.roots:
        own = problem.system.products.factors[len(found)].own
        mean = np.einsum("ja,mjk,ka->a", to, own, to) / len(own)
        found.append((places, 1.0 / np.sqrt(np.maximum(mean, np.finfo(float).tiny))))
    ratio = np.empty(len(problem.sds))
    for places, values in found:
        ratio[places] = values
    return ratio


def choose_start(problem: SeveralProblem) -> Floats:
    """Choose the best of a few ordinary points, in the coordinates of `parametrisation`.

    Raises
    ------
    EngineError
        If the density is zero at all of them, or has no bound as residuals vanish.
    """
    q, typical = len(problem.sds), typical_ratio(problem)
    check_bounded_outcome(problem.system.plan)
    levels: tuple[float, ...] = _LEVELS
    while len(levels) ** q > _MOST and len(levels) > 1:
        levels = levels[1:]
    ratios = typical * np.array(list(product(levels, repeat=q)))
    points = []
    for ratio, level in zip(ratios, np.log(_residual_sd(problem, ratios)), strict=True):
        for shift in (0.0, -0.7, 0.7, -1.5, 1.5):
            x = np.zeros(dimension(problem))
            x[problem.place_e] = coordinate(problem.sigma_e, level + shift)
            for k, prior in enumerate(problem.sds):
                x[k] = coordinate(prior, level + math.log(ratio[k]))
            points.append(x)
    values = log_density(problem, np.array(points))
    return points[highest(values)]


def _residual_sd(problem: SeveralProblem, ratios: Floats) -> Floats:
    """Return the generalised least-squares estimates (B,) of sigma_e at sds (B, q) over it."""
    b, q = ratios.shape
    at = Variances(
        log_sigma_u=np.log(ratios),
        factor=np.broadcast_to(np.eye(q), (b, q, q)),
        log_sigma_e=np.zeros(b),
        log_scale=np.zeros((b, 0)),
    )
    lower = cholesky(problem.sums(at).a)
    found: Floats = lower[problem.p, problem.p] / math.sqrt(problem.residual_df)
    return found
