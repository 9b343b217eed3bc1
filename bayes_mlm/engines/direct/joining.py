"""Join sufficient statistics with priors into the problem that the direct engine solves."""

import math
from dataclasses import dataclass, replace

from bayes_mlm.base import Floats
from bayes_mlm.engines.direct.density import Problem, make_problem
from bayes_mlm.likelihood import ModelPriors
from bayes_mlm.moments import GroupMoments, rotate_moments


@dataclass(frozen=True, kw_only=True, eq=False)
class Joined:
    """A problem with its columns joined, and the map from it back to the rows.

    Attributes
    ----------
    problem : Problem
        Of the outcome less `prior_mean`.
    prior_mean : float
        Prior mean of the group-specific intercepts in a no-pooling model, else 0.
    means : (p + q,) array
        Of the columns of X and Z: at which the priors of the intercept and of group effects apply.
    """

    problem: Problem
    prior_mean: float
    means: Floats


def join(
    statistics: GroupMoments,
    priors: ModelPriors,
    *,
    means: Floats | None = None,
    aliased: bool = False,
) -> Joined:
    """Return the problem of data and priors.

    Parameters
    ----------
    statistics : GroupMoments
    priors : ModelPriors
    means : (p + q,) array, optional
        Means of the columns of X and Z, at which the priors of the intercept and of group effects
        apply; by default those of these rows. For part of the rows of a design they are required:
        the priors are those of the whole design.
    aliased : bool
        As in `rotate_moments`.
    """
    total = statistics.centre + statistics.counts @ statistics.means / statistics.n
    if means is None:
        means = total[:-1]
    prior_mean, intercept_sd = 0.0, None
    if priors.u is not None:
        flat = priors.u.family == "Flat"
        prior_mean = float(total[-1]) if flat else priors.u["mu"]
        intercept_sd = math.inf if flat else priors.u["sigma"]
        centre = statistics.centre.copy()
        centre[-1] -= prior_mean
        statistics = replace(statistics, centre=centre)
    reduced = rotate_moments(statistics, aliased=aliased)
    return Joined(
        problem=make_problem(reduced, priors, means, intercept_sd=intercept_sd),
        prior_mean=prior_mean,
        means=means,
    )
