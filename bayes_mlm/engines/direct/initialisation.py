"""Choose where to start looking for the mode of the variance parameters."""

import math
from itertools import product

import numpy as np

from bayes_mlm.base import Floats
from bayes_mlm.design import Design
from bayes_mlm.engines.direct.density import Problem, sums_of
from bayes_mlm.engines.direct.mode import highest
from bayes_mlm.engines.direct.parametrisation import coordinate, dimension, log_density
from bayes_mlm.engines.direct.posterior import Posterior
from bayes_mlm.engines.direct.quadratic import cholesky
from bayes_mlm.likelihood import check_bounded

# Group effects that are this times the residual error of a typical group.
_LEVELS = (0.1, 0.5, 2.0)


def residual_level(problem: Problem) -> float:
    """Return log sigma_e by least squares outside the span of Z (for q = 0: of X)."""
    rest = problem.kernel.rest
    p = len(rest) - 1
    norm = np.sqrt(np.maximum(np.diagonal(rest)[:p], np.finfo(float).tiny))
    scaled = rest[:p, :p] / np.outer(norm, norm)
    beta = np.linalg.lstsq(scaled, rest[:p, p] / norm, rcond=1e-12)[0] / norm
    left = float(rest[p, p] - rest[p, :p] @ beta)
    return 0.5 * math.log(left / problem.residual_df)


def choose_start(problem: Problem, rows: Design | None = None) -> Floats:
    """Choose the best of a few ordinary points, in the coordinates of `parametrisation`.

    Parameters
    ----------
    problem : Problem
    rows : Design, optional
        As in `bayes_mlm.likelihood.bounded.check_bounded`.

    Returns
    -------
    (d,) array

    Raises
    ------
    EngineError
        If the density is zero at all of them, or has no bound as residuals vanish.
    """
    check_bounded(problem.reduced, rows=rows)
    q, priors = problem.q, problem.priors
    if q == 0:
        levels = [residual_level(problem)]
        ratios = np.zeros((1, 0))
    else:
        reduced = problem.reduced
        r = reduced.r @ problem.z_transform
        mean = np.einsum("c,cab,cab->b", reduced.size, r, r) / len(reduced.c)
        ratios = np.array(list(product(_LEVELS, repeat=q))) / np.sqrt(mean)
        sums = sums_of(problem, ratios[:, :, None] ** 2 * np.eye(q))
        size = cholesky(sums.a)[reduced.p, reduced.p]
        levels = list(np.log(size) - 0.5 * math.log(problem.residual_df))
    points = []
    for ratio, level in zip(ratios, levels, strict=True):
        for shift in (0.0, -0.7, 0.7, -1.5, 1.5):
            x = np.zeros(dimension(problem))
            x[problem.place_e] = coordinate(priors.sigma_e, level + shift)
            for k in range(q):
                x[k] = coordinate(priors.sigma_u[k], level + math.log(ratio[k]))
            points.append(x)
    values = log_density(problem, np.array(points))
    return points[highest(values)]


def typical_scale(problem: Posterior) -> Floats:
    """Return about one posterior sd of each coordinate, for a first step."""
    scale = np.full(dimension(problem), 0.3)
    scale[problem.place_e] = 1.0 / math.sqrt(2.0 * problem.residual_df)
    return scale


def widest_scale(problem: Posterior) -> Floats:
    """Return the sd of each coordinate where the data are uninformative on it; 0 if they never are.

    Near zero the log of an sd has a density e^x, of sd 1, whatever the data; the correlations of
    an effect that hardly varies follow their prior, as do the scales of t priors.
    """
    q = len(problem.sds)
    widest = np.zeros(dimension(problem))
    widest[:q] = 1.0
    # sech(x)^(2 eta) has about the sd of a logistic density over its power.
    etas = [block.eta for block in problem.blocks if block.eta for _ in range(block.n_pairs)]
    widest[q : problem.place_e] = [min(0.95, 0.9 / math.sqrt(eta)) for eta in etas]
    mixed = problem.beta.nu[problem.beta.mixed]
    widest[len(widest) - len(mixed) :] = np.minimum(0.95, np.sqrt(2.0 / mixed))
    return widest
