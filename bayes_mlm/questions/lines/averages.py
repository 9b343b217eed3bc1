"""Expected outcomes averaged over sets of rows, such as those of each group."""

from dataclasses import dataclass, replace

import numpy as np

from bayes_mlm.base import Floats, Ints
from bayes_mlm.design import Design
from bayes_mlm.fitting import Estimate, Fit, ParameterPoints
from bayes_mlm.questions.effects.values import effects_on
from bayes_mlm.questions.response.average import average_means, means_at
from bayes_mlm.questions.response.known import known_means
from bayes_mlm.questions.response.rows import Question, ResponseRows, entries, scores_of
from bayes_mlm.questions.response.smooth import normal_nodes

# Expected outcomes that are computed over all draws, and the fewest and most draws.
_NUMBERS, _FEWEST, _MOST = 10_000_000, 100, 1_000
# Numbers in one working array.
_BLOCK = 400_000


@dataclass(frozen=True, kw_only=True, eq=False)
class RowSets:
    """Rows in m sets, whose weighted averages are wanted.

    Parameters
    ----------
    rows : ResponseRows
        n of them.
    places : ndarray of int, shape (n,)
        Set of each row, 0 to m - 1; none is empty.
    weights : ndarray, shape (n,)
        Trials or exposures; one of other outcomes.
    """

    rows: ResponseRows
    places: Ints
    weights: Floats

    def average(self, values: Floats) -> Floats:
        """Return the weighted averages (m,) of values (n,)."""
        total = np.bincount(self.places, weights=self.weights)
        return np.asarray(np.bincount(self.places, weights=self.weights * values) / total)


@dataclass(frozen=True, kw_only=True, eq=False)
class OutcomeRows:
    """Outcomes of the rows of a design, and rows whose expected outcomes they are compared with.

    Parameters
    ----------
    rows : ResponseRows
    total, weights : ndarray, shape (n,)
        What an average is the ratio of sums of: successes and trials, counts and exposures (of a
        log link with an offset, which `rows` then has no more), scores and ones.
    is_rate : bool
        Whether weights are exposures.
    """

    rows: ResponseRows
    total: Floats
    weights: Floats
    is_rate: bool


def outcome_rows(
    design: Design, rows: ResponseRows | None = None, *, fitted: bool = True
) -> OutcomeRows:
    """Return the outcomes of a design: of its rows, or of ones with predictors set.

    Other rows than the fitted ones (not `fitted`) have no outcomes, and one trial each.

    Examples
    --------
    >>> from bayes_mlm import build_design
    >>> data = {"y": [2, 8], "n": [1.0, 4.0]}
    >>> one = outcome_rows(build_design("y ~ 1 + offset(log(n))", data, family="poisson"))
    >>> float(one.total.sum() / one.weights.sum())
    2.0
    """
    design = design.rows() if rows is None else design.weighted_rows
    counts = design.response.weights
    terms = design.group_terms if design.has_group_effects else ()
    if rows is None:
        rows = ResponseRows(
            X=design.X,
            offset=np.asarray(design.offset) + np.zeros(design.n),
            Z=tuple(one.Z for one in terms),
            codes=tuple(one.codes for one in terms),
        )
    total, weights = np.full(rows.n, np.nan), np.ones(rows.n)
    if fitted:
        total = np.asarray(design.y, dtype=np.float64)
    rate = design.family.link == "log" and bool(rows.offset.any())
    if design.family.thresholds is not None and fitted:
        total = scores_of(design)[total.astype(np.int64)]
    elif design.response.trials is not None and fitted:
        weights = np.asarray(design.response.trials, dtype=np.float64)
    elif rate:
        weights = np.exp(rows.offset)
        rows = replace(rows, offset=np.zeros(rows.n))
    if counts is not None and fitted:
        total, weights = total * counts, weights * counts
    return OutcomeRows(rows=rows, total=total, weights=weights, is_rate=rate)


def averages_by_set(
    result: Fit | Estimate, sets: RowSets, question: Question, *, draws: int = _MOST
) -> Floats:
    """Return the averages (S, m) of expected outcomes over each set, at some draws.

    Parameters
    ----------
    result : Fit or Estimate
        Of outcomes with a link; S is 1 of an estimate.
    sets : RowSets
    question : {"existing_group", "new_group", "population"}
        The group effects: those of the rows' groups (of an estimate integrated over their
        distribution given the outcomes), integrated over their distribution, or zero.
    draws : int
        At most so many.

    Returns
    -------
    ndarray, shape (S, m)
        Of one trial; of ordered categories the expected score.
    """
    family, scores, rows = result.design.family, scores_of(result.design), sets.rows
    points = result.parameter_points()
    if isinstance(result, Estimate) and question == "existing_group":
        return sets.average(known_means(result, points, rows))[None]
    chosen = _chosen(points, rows.n, draws) if points.is_drawn else np.zeros(1, dtype=np.int64)
    added = None
    if isinstance(result, Fit) and question == "existing_group":
        added = effects_on(result, rows, result.settings.random_seed)
    variance = np.zeros((1, rows.n))
    found = np.empty((chosen.size, int(sets.places.max()) + 1))
    for place, s in enumerate(chosen.tolist()):
        some = slice(s, s + 1)
        eta = rows.X @ points.beta[s] + rows.offset
        if added is not None:
            eta = eta + added(some)[0]
        if question == "new_group" and points.cov_u:
            covariance = entries([one[some] for one in points.cov_u])
            variance = np.maximum(covariance @ rows.products[:, : covariance.shape[1]].T, 0.0)
        aux = dict(points.auxiliary_of(some))
        nodes, weights = normal_nodes(float(np.sqrt(variance.max())))
        values = np.empty(rows.n)
        for start in range(0, rows.n, step := max(1, _BLOCK // nodes.size)):
            part = slice(start, start + step)
            spread = np.sqrt(variance[0, part, None]) * nodes
            means = means_at(family, eta[part, None] + spread, aux, scores)[..., -1]
            values[part] = means @ weights
        found[place] = sets.average(values)
    return found


def average_curve(
    result: Fit | Estimate, rows: ResponseRows, weights: Floats, question: Question
) -> Floats:
    """Return the weighted average (S,) over all rows, of a new group or at effects of zero."""
    points = result.parameter_points()
    chosen = _chosen(points, rows.n, _MOST) if points.is_drawn else np.zeros(1, dtype=np.int64)
    some = replace(
        points,
        beta=points.beta[chosen],
        cov_u=tuple(one[chosen] for one in points.cov_u),
        auxiliary={name: one[chosen] for name, one in points.auxiliary.items()},
    )
    values = average_means(
        result.design.family,
        some,
        rows,
        integrated=question == "new_group",
        scores=scores_of(result.design),
        weights=weights,
    )
    return np.asarray(values[:, -1])


def _chosen(points: ParameterPoints, n: int, most: int) -> Ints:
    """Return the places of some draws, evenly, the fewer the more rows there are."""
    many = int(np.clip(_NUMBERS // n, _FEWEST, most))
    return np.unique(np.linspace(0, points.size - 1, many).astype(np.int64))
