"""Draw the variance parameters from interpolated sums, and check them by exact ones.

Where a factorisation is dear, some tens of them at well-placed nodes replace the tens of thousands
that importance sampling evaluates. Nodes are added where the draws are and the interpolant is least
sure, and far out along every coordinate, until its error at fresh draws is small: the exact log
weights of the draws are then nearly equal. Weights cannot show mass that was never proposed; points
far out, evaluated exactly, can.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from bayes_mlm.base import EngineError, Floats, Ints
from bayes_mlm.engines.direct.importance import ImportanceDraws, sample_importance
from bayes_mlm.engines.direct.initialisation import typical_scale, widest_scale
from bayes_mlm.engines.direct.mode import find_mode
from bayes_mlm.engines.direct.parametrisation import coordinate, log_density, variances_at
from bayes_mlm.engines.direct.posterior import Sums, Variances
from bayes_mlm.engines.direct.several.interpolant import (
    Chart,
    Interpolant,
    interpolate,
    pack,
    relative_coordinates,
    unpack,
)
from bayes_mlm.engines.direct.several.neighbourhood import Neighbourhood
from bayes_mlm.engines.direct.several.problem import SeveralProblem

# Standard deviation of the exact log weights of fresh draws, and the largest, at which the nodes
# suffice: a mean then is off by a fiftieth of an sd at most.
GOOD_SD, GOOD_WORST = 0.02, 0.25
MAX_NODES = 240
# Draws at which each interpolant is checked.
N_TEST = 8
# Sd of log theta beyond which the posterior may reach theta = 0, where nodes are then put.
_WIDE = 0.15
# Logs below the mode, and logs of the ratio of the exact to the approximate density, from which on
# a point far out shows mass that the draws lack.
_DEPTH, _MISSED = 7.0, 0.3
_LOST = 1.0
_DOUBT = 0.05


@dataclass(frozen=True, kw_only=True, eq=False)
class Nodes:
    """Exact evaluations: relative coordinates (K, d), and the interpolated functions (K, k)."""

    relative: Floats
    functions: Floats

    def part(self, which: Ints) -> "Nodes":
        """Return some of them."""
        return Nodes(relative=self.relative[which], functions=self.functions[which])

    def joined(self, other: "Nodes") -> "Nodes":
        """Return both."""
        return Nodes(
            relative=np.concatenate([self.relative, other.relative]),
            functions=np.concatenate([self.functions, other.functions]),
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class ApproximateDraws:
    """Draws from the density of interpolated sums.

    Attributes
    ----------
    problem : SeveralProblem
        With the interpolant as its sums.
    interpolant : Interpolant
    found : ImportanceDraws
    weight_sd, worst : float
        Standard deviation of the log of the exact over the approximate density at fresh draws, and
        the largest distance from its median.
    missed : float
        Largest log of that ratio at points about the draws whose density is not negligible;
        infinite if a node has a higher density than any draw.
    doubt : float
        Root mean square over the draws of the uncertainty of the log-density, by the process.
    nodes : Nodes
        Exact evaluations that the interpolant has, or may have.
    """

    problem: SeveralProblem
    interpolant: Interpolant
    found: ImportanceDraws
    weight_sd: float
    worst: float
    missed: float
    doubt: float
    nodes: Nodes

    @property
    def good(self) -> bool:
        """Whether the interpolant is exact enough."""
        exact = self.weight_sd <= GOOD_SD and self.worst <= GOOD_WORST
        return exact and self.missed <= _MISSED and self.doubt <= _DOUBT


def draw_refined(
    problem: SeveralProblem,
    near: Neighbourhood,
    n_draws: int,
    rng: np.random.Generator,
    known: Nodes | None = None,
) -> ApproximateDraws:
    """Draw from the density of interpolated sums, adding nodes until these are exact enough.

    Parameters
    ----------
    problem : SeveralProblem
    near : Neighbourhood
    n_draws : int
    rng : numpy.random.Generator
    known : Nodes, optional
        Exact evaluations of before.

    Returns
    -------
    ApproximateDraws
        Good, or the last that was made with `MAX_NODES`.
    """
    first = _chart_at(near, len(problem.sds))
    nodes = _evaluate(problem, _star(near, len(problem.sds), rng)) if known is None else known
    most = MAX_NODES if known is None else len(known.relative) + MAX_NODES // 4
    chart, far_done = first, known is not None
    while True:
        try:
            interpolant = interpolate(chart, nodes.relative, nodes.functions)
            approximate = replace(problem, approximation=_sums(problem, interpolant))
            found = _sample(approximate, interpolant, nodes, n_draws, rng)
        except (np.linalg.LinAlgError, ValueError):  # a spurious peak has swallowed every draw
            if len(nodes.relative) >= most:
                raise EngineError(
                    "the sums of this model could not be interpolated; use --engine nuts"
                ) from None
            chart, nodes = first, nodes.joined(_evaluate(problem, _around(near, rng)))
            continue
        relative = relative_coordinates(problem, variances_at(problem, found.x))
        done = _check(problem, approximate, interpolant, found, nodes, rng)
        nodes = done.nodes
        if not far_done:
            far_done = True
            distant = _far(found.x, problem.place_e, rng)
            fresh, error = _compare(problem, approximate, distant)
            exact = log_density(problem_at(problem, fresh, distant), distant)
            counts = exact > found.log_density.max() - _DEPTH
            missed = max(done.missed, float(error[counts].max(initial=-math.inf)))
            nodes = nodes.joined(fresh)
            done = replace(done, missed=missed, nodes=nodes)
        if done.good or len(nodes.relative) >= most:
            return done
        # Lost: the draws are where the density is lower than at a node.
        lost = done.missed == math.inf
        chart = first if lost else _chart(chart.floor, chart.bend(relative))


def _check(
    problem: SeveralProblem,
    approximate: SeveralProblem,
    interpolant: Interpolant,
    found: ImportanceDraws,
    nodes: Nodes,
    rng: np.random.Generator,
) -> ApproximateDraws:
    """Evaluate some draws and doubtful points exactly, and judge the interpolant by them."""
    top = float(found.log_density.max())
    test = found.x[rng.permutation(len(found.x))[:N_TEST]]
    n_new = max(6, 2 * nodes.relative.shape[1])
    x = np.concatenate([test, _unsure(approximate, interpolant, found, n_new, rng)])
    fresh, error = _compare(problem, approximate, x)
    exact = log_density(problem_at(problem, fresh, x), x)
    missed = float(error[exact > top - _DEPTH].max(initial=-math.inf))
    points = _node_points(problem, nodes)
    if log_density(problem_at(problem, nodes, points), points).max() > top + _LOST:
        missed = math.inf
    relative = relative_coordinates(problem, variances_at(problem, found.x))
    doubt = np.minimum(interpolant.uncertainty(relative), 1.0)
    return ApproximateDraws(
        problem=approximate,
        interpolant=interpolant,
        found=found,
        # Not about their mean: where the draws lie in a spurious peak, all are wrong alike.
        weight_sd=float(np.sqrt(np.mean(error[:N_TEST] ** 2))),
        worst=float(np.abs(error[:N_TEST]).max()),
        missed=missed,
        doubt=float(np.sqrt(np.mean(doubt**2))),
        nodes=nodes.joined(fresh),
    )


def _around(near: Neighbourhood, rng: np.random.Generator) -> Floats:
    """Return points about the neighbourhood's centre."""
    d = len(near.centre)
    found: Floats = (
        near.centre
        + 1.2 * rng.standard_normal((2 * d + 4, d)) @ np.linalg.cholesky(near.covariance).T
    )
    return found


def starting_point(problem: SeveralProblem, centre: Floats) -> Floats:
    """Return the point (D,) at relative coordinates (d,), by one factorisation."""
    found: Floats = _node_points(problem, _evaluate(problem, centre[None]))[0]
    return found


def _node_points(problem: SeveralProblem, nodes: Nodes) -> Floats:
    """Return points x (K, D) of the nodes, each at the residual sd that suits it."""
    df, q = problem.residual_df, len(problem.sds)
    level = 0.5 * (nodes.functions[:, 1] / df - math.log(df))
    level = np.where(np.isfinite(level), level, 0.0)
    x = np.zeros((len(level), len(typical_scale(problem))))
    for k, prior in enumerate(problem.sds):
        x[:, k] = [coordinate(prior, one) for one in level + nodes.relative[:, k]]
    x[:, q : problem.place_e] = nodes.relative[:, q:]
    x[:, problem.place_e] = [coordinate(problem.sigma_e, one) for one in level]
    return x


def _star(near: Neighbourhood, q: int, rng: np.random.Generator) -> Floats:
    """Return the first nodes: along each axis, in between, and at theta = 0."""
    d, sd = len(near.centre), np.sqrt(np.diagonal(near.covariance))
    root = np.linalg.cholesky(near.covariance)
    star = np.concatenate([np.zeros((1, d)), 1.7 * np.eye(d), -1.7 * np.eye(d)])
    between = rng.standard_normal((d * (d + 1) // 2 + 4, d))
    between *= 2.0 / np.maximum(np.linalg.norm(between, axis=1, keepdims=True), 1e-9)
    relative = near.centre + np.concatenate([star, between]) @ root.T
    for k in np.flatnonzero(sd[:q] > _WIDE):
        zero = np.repeat(near.centre[None], 3, axis=0)
        zero[1:] += rng.standard_normal((2, d)) * np.minimum(sd, 0.5)
        zero[:, k] = near.centre[k] - 9.0
        relative = np.concatenate([relative, zero])
    return relative


def _chart_at(near: Neighbourhood, q: int) -> Chart:
    """Return the chart in which the neighbourhood is centred and round."""
    d, sd = len(near.centre), np.sqrt(np.diagonal(near.covariance))
    floor = np.full(d, -np.inf)
    floor[:q] = 2.0 * near.centre[:q] + np.log(0.5 * np.minimum(2.0 * sd[:q], 3.0))
    blank = Chart(floor=floor, centre=np.zeros(d), whiten=np.eye(d))
    bend = np.ones(d)
    bend[:q] = 2.0 / (1.0 + np.exp(floor[:q] - 2.0 * near.centre[:q]))
    root = bend[:, None] * np.linalg.cholesky(near.covariance)
    return Chart(floor=floor, centre=blank.bend(near.centre[None])[0], whiten=np.linalg.inv(root))


def _chart(floor: Floats, s: Floats) -> Chart:
    """Return a chart in which draws s (S, d) are centred and round."""
    covariance = np.atleast_2d(np.cov(s.T))
    covariance += 1e-10 * np.diag(np.diagonal(covariance)) + 1e-14 * np.eye(len(floor))
    return Chart(
        floor=floor, centre=s.mean(axis=0), whiten=np.linalg.inv(np.linalg.cholesky(covariance))
    )


def _evaluate(problem: SeveralProblem, relative: Floats) -> Nodes:
    sums = problem.sums(problem.at_relative(relative))
    return Nodes(relative=relative, functions=pack(sums, problem.residual_df))


def _sums(problem: SeveralProblem, interpolant: Interpolant) -> Callable[[Variances], Sums]:
    """Return the function of variance parameters that gives interpolated sums."""

    def sums(at: Variances) -> Sums:
        functions = interpolant(relative_coordinates(problem, at))
        return unpack(functions, problem.p, problem.residual_df)

    return sums


def problem_at(problem: SeveralProblem, nodes: Nodes, x: Floats) -> SeveralProblem:
    """Return the problem with sums that are known at some points x, and at no others."""

    def sums(at: Variances) -> Sums:
        assert len(at.log_sigma_e) == len(x)
        return unpack(nodes.functions, problem.p, problem.residual_df)

    return replace(problem, approximation=sums)


def _compare(
    problem: SeveralProblem, approximate: SeveralProblem, x: Floats
) -> tuple[Nodes, Floats]:
    """Evaluate points x (B, d) exactly; return them, and the log of exact over approximate."""
    nodes = _evaluate(problem, relative_coordinates(problem, variances_at(problem, x)))
    exact = log_density(problem_at(problem, nodes, x), x)
    return nodes, exact - log_density(approximate, x)


def _sample(
    approximate: SeveralProblem,
    interpolant: Interpolant,
    nodes: Nodes,
    n_draws: int,
    rng: np.random.Generator,
) -> ImportanceDraws:
    """Draw from the approximate density, within reach of the nodes."""

    def density(x: Floats) -> Floats:
        relative = relative_coordinates(approximate, variances_at(approximate, x))
        return log_density(approximate, x) - interpolant.beyond(relative)

    points = _node_points(approximate, nodes)
    values = log_density(problem_at(approximate, nodes, points), points)
    start = points[int(np.argmax(values - interpolant.beyond(nodes.relative)))]
    scale, widest = typical_scale(approximate), widest_scale(approximate)
    spread = 1.0 / np.linalg.norm(interpolant.chart.whiten, axis=0)
    scale[: approximate.place_e] = np.minimum(spread, scale[: approximate.place_e])
    q = len(approximate.sds)
    tight = spread[:q] < _WIDE
    widest[:q][tight] = 0.0
    with np.errstate(all="ignore"):  # a spurious peak may swallow every draw
        mode = find_mode(density, start, scale)
        return sample_importance(density, mode, widest, n_draws, rng)


def _unsure(
    approximate: SeveralProblem,
    interpolant: Interpolant,
    found: ImportanceDraws,
    wanted: int,
    rng: np.random.Generator,
) -> Floats:
    """Return points (wanted, d) that may matter, where the interpolant is least sure.

    Half of the candidates are draws, half are draws moved away from their mean to twice the
    distance: where the density may be higher than it seems.
    """
    pool = found.x[rng.permutation(len(found.x))[:400]]
    wide = pool.mean(axis=0) + 2.0 * (pool - pool.mean(axis=0))
    x = np.concatenate([pool, wide])
    relative = relative_coordinates(approximate, variances_at(approximate, x))
    unsure = interpolant.uncertainty(relative)
    depth = found.log_density.max() - log_density(approximate, x) - 2.0 * unsure
    # What an error there moves: the share of the density that it may add or take.
    score = np.minimum(unsure, 3.0) * np.exp(-np.maximum(depth - 2.0, 0.0) / 3.0)
    z, taken = interpolant.chart(relative), list[int]()
    for place in np.argsort(-score).tolist():
        if all(np.linalg.norm(z[place] - z[other]) > 0.7 for other in taken):
            taken.append(place)
        if len(taken) == wanted:
            break
    return x[taken]


def _far(x: Floats, place_e: int, rng: np.random.Generator) -> Floats:
    """Return points far out along each coordinate, and a few in random directions."""
    d = x.shape[1]
    centre, sd = np.median(x, axis=0), np.minimum(x.std(axis=0), 1.5)
    root = np.linalg.cholesky(np.cov(x.T) + 1e-12 * np.eye(d))
    points = []
    for k in range(place_e):  # sigma_e costs no factorisation
        for reach in (-4.5, 4.5):
            point = centre.copy()
            point[k] += reach * sd[k]
            points.append(point)
    directions = rng.standard_normal((place_e, d))
    directions *= 4.0 / np.linalg.norm(directions, axis=1, keepdims=True)
    return np.concatenate([points, centre + directions @ root.T])
