"""Posterior, marginal likelihood and leave-one-group-out of one model of many, from sums."""

import math
from dataclasses import replace

import numpy as np

from bayes_mlm.assess.loo.average import average
from bayes_mlm.assess.loo.conditional import Model
from bayes_mlm.assess.loo.groups import group_densities
from bayes_mlm.assess.specifications.mixture import mixture
from bayes_mlm.assess.specifications.nodes import NodeData, Nodes, SubmodelPosterior
from bayes_mlm.base import Floats, Ints, Stream, stream
from bayes_mlm.design import Design
from bayes_mlm.engines import (
    Problem,
    Variances,
    cholesky,
    choose_start,
    draw_variances,
    join,
    reliable_k_hat,
    solve_transposed,
    sums_at,
    with_prior,
)
from bayes_mlm.likelihood import ModelPriors
from bayes_mlm.moments import GroupMoments, RotatedMoments, rest_by_group

# Draws by which models of several group effects are summarised; draws times groups, and draws at
# least, by which groups are left out.
_DRAWS, _MOST_LOO, _LEAST_LOO = 4000, 64_000, 400


class Posteriors:
    """Posteriors of models whose columns are some of those of one design.

    Parameters
    ----------
    design : Design
        Of all columns.
    statistics : GroupMoments
        Of all columns of X, and those of Z that the models have.
    reduced : RotatedMoments
        The same, rotated.
    priors : ModelPriors
        Of all columns of X, and of this Z; proper.
    prob : float
        Of the intervals.
    seed : int
        Of draws, where several group effects need some.
    """

    def __init__(
        self,
        design: Design,
        statistics: GroupMoments,
        reduced: RotatedMoments,
        priors: ModelPriors,
        prob: float,
        seed: int,
    ) -> None:
        self._design, self._statistics, self._reduced = design, statistics, reduced
        self._priors, self._seed = priors, seed
        self._tail = 0.5 * (1.0 - prob)
        whole = join(statistics, priors, aliased=True)
        self._means = whole.means
        sds = [*priors.sigma_u, priors.sigma_e]
        normal = all(one.family == "Normal" for one in priors.beta)
        by_nodes = reduced.q == 1 and normal and not any(one.family == "Uniform" for one in sds)
        self._nodes = self._node_data(whole.problem) if by_nodes else None

    def _node_data(self, problem: Problem) -> NodeData:
        reduced, k = self._reduced, self._reduced.p + 1
        scale = float(problem.z_transform[0, 0])
        return NodeData(
            rest=reduced.rest,
            by_group=rest_by_group(self._statistics),
            c=np.ascontiguousarray(reduced.c[:, 0]),
            products=np.ascontiguousarray(reduced.products.reshape(-1, k, k)),
            size=reduced.size,
            r2=np.square(scale * reduced.r[:, 0, 0]),
            of_group=reduced.of_group,
            counts=self._statistics.counts.astype(float),
            precision=problem.beta.precision,
            offset=problem.beta.form[:, -1],
            sigma_u=self._priors.sigma_u[0],
            sigma_e=self._priors.sigma_e,
            tail=self._tail,
        )

    def of(self, x: Ints, contrasts: Floats) -> SubmodelPosterior:
        """Return the posterior of the model of columns x (p,), for contrasts (h, p) of slopes."""
        if self._nodes is not None:
            found = Nodes(self._nodes, x).summary(contrasts)
            if found is not None:
                return found
        return self._by_draws(x, contrasts)

    def priors_of(self, x: Ints) -> ModelPriors:
        """Return the priors of the model of columns x."""
        return replace(self._priors, beta=tuple(self._priors.beta[k] for k in x))

    def _by_draws(self, x: Ints, contrasts: Floats) -> SubmodelPosterior:
        """Summarise the posterior as the direct engine draws it."""
        statistics, priors = self._statistics.select(x=x.tolist()), self.priors_of(x)
        joined = join(statistics, priors, aliased=True)
        problem = joined.problem
        rng = stream(self._seed, Stream.MULTIVERSE, *x.tolist())
        drawn = draw_variances(problem, choose_start(problem), _DRAWS, rng)
        mean, variance = _conditional(problem, drawn.at, contrasts)
        some = min(_DRAWS, max(_LEAST_LOO, _MOST_LOO // statistics.J))
        at = drawn.at.part(slice(0, some))
        model = Model(
            design=self._design,
            priors=priors,
            statistics=statistics,
            joined=joined,
            at=at,
            n_batches=some,
            chosen=np.arange(some),
        )
        densities = group_densities(model, at)
        averaged = average(densities.loo, densities.lpd)
        report = drawn.report
        return SubmodelPosterior(
            effects=mixture(mean, variance, np.full(_DRAWS, 1.0 / _DRAWS), self._tail),
            log_marginal_likelihood=float(report.log_marginal_likelihood or math.nan),
            error=report.log_marginal_likelihood_error,
            loo=averaged.loo,
            reliable=report.trusted and bool((averaged.k_hat <= reliable_k_hat(some)).all()),
        )


def _conditional(problem: Problem, at: Variances, contrasts: Floats) -> tuple[Floats, Floats]:
    """Return means and variances (S, h) of contrasts given the variance parameters."""
    mean, variance = [], []
    for part in problem.parts(len(at.log_sigma_e)):
        values = at.part(part)
        lower = cholesky(with_prior(problem, values, sums_at(problem, values)))
        p = problem.p
        beta = problem.original_beta(solve_transposed(lower[:p, :p], lower[p, :p]).T)
        factors = np.moveaxis(lower[:p, :p], 2, 0)
        turned = np.linalg.solve(
            factors, np.broadcast_to(contrasts.T, (len(beta), *contrasts.T.shape))
        )
        mean.append(beta @ contrasts.T)
        variance.append(np.square(turned).sum(axis=1))
    return np.concatenate(mean), np.concatenate(variance)
