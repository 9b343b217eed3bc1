"""Join sufficient statistics with priors into the problem that the direct engine solves."""

import math
from dataclasses import dataclass, replace

from bayes_mlm.base import Floats
from bayes_mlm.engines.direct.density import Problem, make_problem
from bayes_mlm.engines.reml.refits.outcomes import OutcomeSums
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

    def with_outcome(self, outcomes: OutcomeSums, beta: Floats) -> Problem:
        """Return the problem of the same rows with another outcome.

        Parameters
        ----------
        outcomes : OutcomeSums
            One, drawn at coefficients of zero.
        beta : ndarray, shape (p,)
            Of X as given, whose part is added.
        """
        reduced, p = self.problem.reduced, self.problem.p
        centred = reduced.centred_beta(beta)
        c, rest = reduced.c.copy(), reduced.rest.copy()
        c[:, :, p] = outcomes.c_y[0] + c[:, :, :p] @ centred
        along = rest[:p, :p] @ centred
        rest[:p, p] = rest[p, :p] = outcomes.x_y[0] + along
        rest[p, p] = outcomes.y_y[0] + centred @ (2.0 * outcomes.x_y[0] + along)
        return make_problem(replace(reduced, c=c, rest=rest), self.problem.priors, self.means)


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
