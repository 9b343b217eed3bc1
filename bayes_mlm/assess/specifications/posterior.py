"""Posterior, marginal likelihood and leave-one-group-out of one model of many, from sums."""

import math
from dataclasses import dataclass, replace

import numpy as np

from bayes_mlm.assess.loo.average import average
from bayes_mlm.assess.loo.conditional import Model
from bayes_mlm.assess.loo.groups import group_densities
from bayes_mlm.assess.specifications.mixture import Mixture, mixture
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
    sd_log_density,
    solve_transposed,
    sums_at,
    with_prior,
)
from bayes_mlm.likelihood import LOG_2PI, ModelPriors
from bayes_mlm.moments import GroupMoments, RotatedMoments, rest_by_group

# Steps of the quadrature, in posterior sds; of the trapezium rule for a normal density the error is
# then below 1e-20, and with every second node, which leave-one-out takes, below 1e-5.
_STEP = 0.6
# Log-density below the highest at which the nodes end, and at which those of leave-one-out do.
_DEPTH, _DEPTH_LOO = 25.0, 16.0
_REACH, _MOST_EXTENSIONS = 12, 12
# Difference of log integrals by all and by every second node above which steps are halved.
_TOLERANCE = 1e-4
_HALVINGS = 3
_SCAN = np.linspace(-12.0, 12.0, 65)
_ZOOM = np.linspace(-1.0, 1.0, 17)
# Draws by which models of several group effects are summarised, and left out of.
_DRAWS, _DRAWS_LOO = 2000, 400


@dataclass(frozen=True, kw_only=True, eq=False)
class SubmodelPosterior:
    """What is kept of the posterior of one model.

    Attributes
    ----------
    effects : Mixture
        Of contrasts of the coefficients.
    log_marginal_likelihood, error : float
        And its numerical error.
    loo : ndarray, shape (J,)
        ``log p(y_j | y_-j)`` of each group.
    reliable : bool
        Whether all numerical errors are small.
    """

    effects: Mixture
    log_marginal_likelihood: float
    error: float
    loo: Floats
    reliable: bool


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
        self._tails = 0.5 * (1.0 - prob)
        whole = join(statistics, priors, aliased=True)
        self._means = whole.means
        sds = [*priors.sigma_u, priors.sigma_e]
        normal = all(one.family == "Normal" for one in priors.beta)
        self.by_nodes = (
            reduced.q == 1 and normal and not any(one.family == "Uniform" for one in sds)
        )
        if not self.by_nodes:
            return
        self._scale = abs(float(whole.problem.z_transform[0, 0]))
        self._r2 = self._scale**2 * np.square(reduced.r[:, 0, 0])
        k = reduced.p + 1
        self._products = np.ascontiguousarray(reduced.products.reshape(-1, k, k))
        self._by_group = rest_by_group(statistics)
        self._c = np.ascontiguousarray(reduced.c[:, 0])
        beta = whole.problem.beta
        self._precision, self._offset = beta.precision, beta.form[:, -1]

    def of(self, x: Ints, contrasts: Floats) -> SubmodelPosterior:
        """Return the posterior of the model of columns x (p,), for contrasts (h, p) of slopes."""
        if self.by_nodes:
            found = _Nodes(self, x).summary(contrasts)
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
        at = drawn.at.part(slice(0, _DRAWS_LOO))
        model = Model(
            design=self._design,
            priors=priors,
            statistics=statistics,
            joined=joined,
            at=at,
            n_batches=_DRAWS_LOO,
            chosen=np.arange(_DRAWS_LOO),
        )
        densities = group_densities(model, at)
        averaged = average(densities.loo, densities.lpd)
        report = drawn.report
        return SubmodelPosterior(
            effects=mixture(mean, variance, np.full(_DRAWS, 1.0 / _DRAWS), self._tails),
            log_marginal_likelihood=float(report.log_marginal_likelihood or math.nan),
            error=report.log_marginal_likelihood_error,
            loo=averaged.loo,
            reliable=report.trusted and bool((averaged.k_hat <= reliable_k_hat(_DRAWS_LOO)).all()),
        )


class _Nodes:
    """Quadrature over log theta and log sigma_e of one model, by the trapezium rule."""

    def __init__(self, of: Posteriors, x: Ints) -> None:
        kept = np.append(x, of._reduced.p)
        square = np.ix_(kept, kept)
        self.of, self.x, self.kept = of, x, kept
        self.rest = np.ascontiguousarray(of._reduced.rest[square])
        self.products = np.ascontiguousarray(of._products[:, kept][:, :, kept])
        precision, offset = of._precision[x], of._offset[x]
        p = len(x)
        self.prior = np.zeros((p + 1, p + 1))
        self.prior[range(p), range(p)] = precision
        self.prior[p, :p] = self.prior[:p, p] = precision * offset
        self.prior[p, p] = float(precision @ offset**2)
        n = of._reduced.n
        self.constant = 0.5 * float(np.log(precision).sum()) - 0.5 * n * LOG_2PI
        self.residual_df = n - p

    def densities(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """Return log-densities (B, m) in the logs at theta (B,) and levels + y; and the levels."""
        from bayes_mlm.assess.specifications.node_kernels import fill_densities

        of = self.of
        levels, values = np.empty(len(x)), np.empty((len(x), len(y)))
        fill_densities(
            self.rest,
            self.products,
            of._r2,
            of._reduced.size,
            self.prior,
            float(of._reduced.n),
            x,
            y,
            levels,
            values,
        )
        log_sigma_e = levels[:, None] + y
        log_sigma_u = x[:, None] + log_sigma_e
        values += sd_log_density(of._priors.sigma_e, log_sigma_e) + log_sigma_e
        values += sd_log_density(of._priors.sigma_u[0], log_sigma_u) + log_sigma_u
        values += self.constant
        return np.where(np.isfinite(values), values, -np.inf), levels

    def mode(self) -> tuple[Floats, Floats]:
        """Return the mode (2,) of (log theta, shift), and sds (2,) by the curvature along each."""
        of = self.of
        mean = float(of._reduced.size @ of._r2) / len(of._reduced.c)
        at = np.array([-0.5 * math.log(mean), 0.0])
        reach = np.array([0.0, 8.0 / math.sqrt(2.0 * self.residual_df)])
        scan = at[0] + _SCAN
        at[0] = scan[self.densities(scan, at[1:])[0][:, 0].argmax()]
        reach[0] = _SCAN[1] - _SCAN[0]
        sds = np.empty(2)
        for _ in range(2):
            for axis in (1, 0):
                at[axis], sds[axis] = self._along(at, axis, reach[axis])
                reach[axis] = 4.0 * sds[axis]
        return at, sds

    def _along(self, at: Floats, axis: int, reach: float) -> tuple[float, float]:
        """Return the highest point and the sd along an axis, from points ever closer."""
        centre = at[axis]
        for _ in range(60):
            points = centre + reach * _ZOOM
            values = (
                self.densities(points, at[1:])[0][:, 0]
                if axis == 0
                else self.densities(at[:1], points)[0][0]
            )
            best = int(values.argmax())
            centre = points[best]
            if best in (0, len(points) - 1):
                reach *= 2.0
                continue
            low, top, high = values[best - 1 : best + 2]
            curvature = 2.0 * top - low - high
            step = reach * (_ZOOM[1] - _ZOOM[0])
            if curvature < 0.5:
                bent = max(curvature, step**2)  # as of a density that falls off as exp(-x)
                move = 0.5 * (high - low) / bent
                return float(centre + step * min(1.0, max(-1.0, move))), step / math.sqrt(bent)
            reach *= 0.15
        return float(centre), 1.0

    def summary(self, contrasts: Floats) -> SubmodelPosterior | None:
        """Return the summary; None if the quadrature is not exact enough."""
        from bayes_mlm.assess.specifications.node_kernels import fill_nodes

        at, sds = self.mode()
        step = _STEP * sds
        for _ in range(_HALVINGS):
            found = self._grid(at, step)
            if found is None:
                return None
            x, y, values, levels, error = found
            if error <= _TOLERANCE:
                break
            step = 0.5 * step
        if error > 100.0 * _TOLERANCE:
            return None
        top = values.max()
        total = top + math.log(np.exp(values - top).sum() * (x[1] - x[0]) * (y[1] - y[0]))
        half = values[::2, ::2]
        rows, columns = np.nonzero(half > half.max() - _DEPTH_LOO)
        weights = np.exp(half[rows, columns] - half.max())
        weights /= weights.sum()
        log_theta, log_sigma_e = x[::2][rows], levels[::2][rows] + y[::2][columns]
        of, groups = self.of, len(self.of._c)
        loo = np.empty((groups, len(weights)))
        mean, variance = np.empty((2, len(weights), len(contrasts)))
        fill_nodes(
            np.ascontiguousarray(of._by_group[:, self.kept][:, :, self.kept]),
            np.ascontiguousarray(of._c[:, self.kept]),
            of._r2[of._reduced.of_group],
            of._statistics.counts.astype(float),
            self.prior,
            contrasts,
            log_theta,
            log_sigma_e,
            loo,
            mean,
            variance,
        )
        lowest = loo.min(axis=1, keepdims=True)
        inverse = np.exp(lowest - loo) * weights  # the posterior without the group, by node
        whole = inverse.sum(axis=1)
        outer = inverse[:, half[rows, columns] < half.max() - 0.75 * _DEPTH_LOO].sum(axis=1)
        return SubmodelPosterior(
            effects=mixture(mean, variance, weights, of._tails),
            log_marginal_likelihood=total,
            error=error,
            loo=lowest[:, 0] - np.log(whole),
            reliable=bool((outer <= 0.01 * whole).all()) and error <= _TOLERANCE,
        )

    def _grid(
        self, at: Floats, step: Floats
    ) -> tuple[Floats, Floats, Floats, Floats, float] | None:
        """Return nodes x, y, log-densities, levels and the error of every second node."""
        low, high = np.full(2, -_REACH), np.full(2, _REACH)
        for _ in range(_MOST_EXTENSIONS):
            x = at[0] + step[0] * np.arange(low[0], high[0] + 1)
            y = at[1] + step[1] * np.arange(low[1], high[1] + 1)
            values, levels = self.densities(x, y)
            floor = values.max() - _DEPTH
            if not math.isfinite(floor):
                return None
            edges = values[0], values[-1], values[:, 0], values[:, -1]
            over = [bool((edge > floor).any()) for edge in edges]
            if not any(over):
                every = np.exp(values - values.max())
                second = every[::2, ::2].sum() * 4.0
                error = abs(math.log(second / every.sum()))
                return x, y, values, levels, error
            low[0] -= 2 * _REACH * over[0]
            high[0] += 2 * _REACH * over[1]
            low[1] -= _REACH * over[2]
            high[1] += _REACH * over[3]
        return None


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
