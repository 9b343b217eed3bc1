"""Expected outcomes along a predictor where the linear predictor is not on their scale."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from bayes_mlm.base import Floats, Ints, wald_reach
from bayes_mlm.design import Design, expected_name
from bayes_mlm.engines import GeneralisedFit
from bayes_mlm.fitting import DrawSummary, Estimate, Fit, ParameterPoints, summarise_draws
from bayes_mlm.questions.effects.rows import Population, Settings
from bayes_mlm.questions.lines.averages import RowSets, averages_by_set, outcome_rows
from bayes_mlm.questions.prediction.of_estimate import bounded_interval
from bayes_mlm.questions.response.average import average_means, means_at
from bayes_mlm.questions.response.conditional import ConditionalEffects
from bayes_mlm.questions.response.known import known_averages
from bayes_mlm.questions.response.rows import Question, scores_of

# Rows, over all values of the predictor, that are computed at once.
_ROWS = 1_000_000
# Numbers in one working array.
_BLOCK = 400_000


@dataclass(frozen=True, kw_only=True, eq=False)
class Expected:
    """Expected outcomes of G groups at m values of a predictor: mean, sd and interval (G, m).

    `scale` is what they are, such as "probability of use = Y"; `n_draws` how many draws they are
    of, 0 of an estimate.
    """

    mean: Floats
    sd: Floats
    lower: Floats
    upper: Floats
    scale: str
    n_draws: int

    @classmethod
    def of(cls, parts: Floats, design: Design, *, rate: bool, n_draws: int) -> "Expected":
        """Return mean, sd and ends of intervals (4, G, m), of outcomes or of their rates."""
        mean, sd, lower, upper = parts
        scale = expected_name(design, rate=rate)
        return cls(mean=mean, sd=sd, lower=lower, upper=upper, scale=scale, n_draws=n_draws)

    def of_group(self, place: int) -> DrawSummary:
        """Return the curve of one of the groups."""
        return DrawSummary(
            mean=self.mean[place],
            sd=self.sd[place],
            lower=self.lower[place],
            upper=self.upper[place],
        )


def expected_by_group(
    result: Fit | Estimate,
    population: Population,
    along: str,
    grid: Floats,
    places: Ints,
    *,
    factor: int,
    prob: float,
) -> Expected:
    """Average the expected outcomes of the rows of each group, one predictor set to each value.

    Of counts among trials the chance of one trial, of counts with an exposure the rate, of ordered
    categories the expected score; rows count by their trials or exposures. Effects of other
    factors are at zero.

    Parameters
    ----------
    result : Fit or Estimate
        Of outcomes with a link; with all of its factors.
    population : Population
        The fitted rows.
    along : str
    grid : ndarray, shape (m,)
    places : ndarray of int, shape (G,)
        Of the groups.
    factor : int
        Place of the grouping factor.
    prob : float
        Of the intervals: equal tails of draws; by ML Wald's on the scale of the logit or log of
        the mean, whose error is by the delta method and of the effects given the outcomes.
    """
    design = population.design
    term = design.weighted_rows.group_terms[factor]
    where = np.full(term.J, -1)
    where[places] = np.arange(places.size)
    kept = np.flatnonzero(where[term.codes] >= 0)
    kept = kept[np.argsort(where[term.codes[kept]], kind="stable")]  # group by group
    codes = where[term.codes[kept]]
    rate = False

    def sets() -> Iterator[RowSets]:
        nonlocal rate
        for value in grid:
            column: Settings = {along: np.full(population.table.n, value)}
            found = outcome_rows(design, population.rows_at(column))
            rate = found.is_rate
            rows = found.rows.take(kept)
            others = tuple(Z if k == factor else np.zeros_like(Z) for k, Z in enumerate(rows.Z))
            yield RowSets(rows=replace(rows, Z=others), places=codes, weights=found.weights[kept])

    parts: list[Floats] = []
    n_draws = 0
    if isinstance(result, Fit):
        for one in sets():
            values = averages_by_set(result, one, "existing_group", draws=_ROWS)
            n_draws = len(values)
            parts.append(_stack(summarise_draws(values, prob, "eti")))
    else:
        some: list[RowSets] = []
        step = max(1, _ROWS // kept.size)
        for place, one in enumerate(sets()):
            some.append(one)
            if len(some) == step or place + 1 == grid.size:
                mean, sd = _estimated(result, some, places)
                parts += list(_bounded(result, mean, sd, prob).swapaxes(0, 1))
                some = []
    return Expected.of(np.stack(parts, axis=2), design, rate=rate, n_draws=n_draws)


def expected_of_population(
    result: Fit | Estimate,
    population: Population,
    along: str,
    grid: Floats,
    settings: Settings,
    *,
    question: Question,
    prob: float,
    fitted: bool,
) -> Expected:
    """Average the expected outcomes of all rows, one predictor set to each value.

    Over the distribution of group effects ("new_group") or with these at zero ("population"). The
    rows count as in `expected_by_group`; new rows (not `fitted`) by their exposures.
    """
    design, points = population.design, result.parameter_points()
    values, rate = np.empty((points.size, grid.size)), False
    for place, value in enumerate(grid):
        rows = population.rows_at({**settings, along: np.full(population.table.n, value)})
        found = outcome_rows(design, rows, fitted=fitted)
        rate = found.is_rate
        values[:, place] = average_means(
            design.family,
            points,
            found.rows,
            integrated=question == "new_group",
            scores=scores_of(design),
            weights=found.weights,
        )[:, -1]
    if points.is_drawn:
        parts = _stack(summarise_draws(values, prob, "eti"))
    else:
        parts = _bounded(result, values[0], points.errors(values), prob)
    n_draws = points.size if points.is_drawn else 0
    return Expected.of(parts[:, None], design, rate=rate, n_draws=n_draws)


def _stack(found: DrawSummary) -> Floats:
    return np.stack([found.mean, found.sd, found.lower, found.upper])


def _bounded(result: Fit | Estimate, mean: Floats, sd: Floats, prob: float) -> Floats:
    """Return mean, sd and the ends of intervals that stay in the range of the mean (4, ...)."""
    design, scores = result.design, scores_of(result.design)
    span = design.family.mean_range
    if scores.size:
        span = float(scores.min()), float(scores.max())
    ends = bounded_interval(mean, wald_reach(prob, math.inf) * sd, span)
    return np.stack([mean, sd, *ends])


def _estimated(estimate: Estimate, sets: Sequence[RowSets], places: Ints) -> tuple[Floats, Floats]:
    """Return averages by group (m, G) at a maximum of the likelihood, and their errors."""
    points = estimate.parameter_points()
    if isinstance(estimate.solution, GeneralisedFit):
        return _of_one_factor(estimate, estimate.solution, points, sets, places)
    mean, sd = np.empty((2, len(sets), places.size))
    for k, one in enumerate(sets):
        for j in range(places.size):
            some = np.flatnonzero(one.places == j)
            found = known_averages(estimate, points, one.rows.take(some), one.weights[some])
            errors = np.hypot(points.errors(found.values), np.linalg.norm(found.root, axis=0))
            mean[k, j], sd[k, j] = found.values[0, -1], errors[-1]
    return mean, sd


def _of_one_factor(
    estimate: Estimate,
    solution: GeneralisedFit,
    points: ParameterPoints,
    sets: Sequence[RowSets],
    places: Ints,
) -> tuple[Floats, Floats]:
    """Return averages (m, G) over the exact distribution of the effects given the outcomes.

    Rows of a group follow each other.
    """
    design, scores = estimate.design, scores_of(estimate.design)
    effects = ConditionalEffects(design=design, solution=solution, groups=np.unique(places))
    order = np.searchsorted(effects.groups, places)
    values = np.empty((points.size, len(sets), places.size))
    variance = np.empty((len(sets), places.size))
    step = max(1, _BLOCK // len(effects.nodes))
    for s in range(points.size):
        shares = effects.weights(points, s)[order]
        aux = {name: one[s : s + 1] for name, one in points.auxiliary.items()}
        for k, one in enumerate(sets):
            at = np.zeros((places.size, len(effects.nodes)))
            for start in range(0, one.rows.n, step):
                part = slice(start, start + step)
                eta = effects.linear(points, s, one.rows.take(part))
                means = means_at(design.family, eta, aux, scores)[..., -1]
                means *= one.weights[part, None]
                starts = np.flatnonzero(np.diff(one.places[part], prepend=-1))
                at[one.places[part][starts]] += np.add.reduceat(means, starts, axis=0)
            at /= np.bincount(one.places, weights=one.weights)[:, None]
            values[s, k] = (shares * at).sum(axis=1)
            if s == 0:
                variance[k] = (shares * np.square(at - values[0, k][:, None])).sum(axis=1)
    errors = points.errors(values.reshape(points.size, -1)).reshape(variance.shape)
    return values[0], np.sqrt(variance + np.square(errors))
