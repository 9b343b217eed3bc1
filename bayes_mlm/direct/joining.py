"""Join sufficient statistics with priors into the problem that the direct engine solves."""

import math
from dataclasses import dataclass, replace

from bayes_mlm.design_priors import ModelPriors
from bayes_mlm.direct.density import Problem, make_problem
from bayes_mlm.reduced import reduce
from bayes_mlm.sufficient import FloatArray, Sufficient


@dataclass(frozen=True, kw_only=True, eq=False)
class Joined:
    """Hold a problem with what leads back from it to the rows.

    Attributes
    ----------
    problem : Problem
        Of the outcome less `own_mean`.
    own_mean : float
        Prior mean of the groups' own intercepts in a no-pooling model, else 0.
    x_mean : (p,) array
        Where the prior of the intercept holds.
    """

    problem: Problem
    own_mean: float
    x_mean: FloatArray


def join(
    statistics: Sufficient,
    priors: ModelPriors,
    *,
    x_mean: FloatArray | None = None,
    aliased: bool = False,
) -> Joined:
    """Join data and priors.

    Parameters
    ----------
    statistics : Sufficient
    priors : ModelPriors
    x_mean : (p,) array, optional
        Where the prior of the intercept holds; by default the means of X over these rows. For
        part of the rows of a design it must be given: the prior is the whole design's.
    aliased : bool
        As in `reduce`.
    """
    total = statistics.centre + statistics.counts @ statistics.means / statistics.n
    if x_mean is None:
        x_mean = total[: statistics.p]
    own_mean, own_sd = 0.0, None
    if priors.u is not None:
        flat = priors.u.family == "Flat"
        own_mean = float(total[-1]) if flat else priors.u["mu"]
        own_sd = math.inf if flat else priors.u["sigma"]
        centre = statistics.centre.copy()
        centre[-1] -= own_mean
        statistics = replace(statistics, centre=centre)
    reduced = reduce(statistics, aliased=aliased)
    return Joined(
        problem=make_problem(reduced, priors, x_mean, own_sd=own_sd),
        own_mean=own_mean,
        x_mean=x_mean,
    )
