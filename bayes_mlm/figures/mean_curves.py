"""Curves of expected outcomes along a predictor, and what was observed along it."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from bayes_mlm.base import Floats, Ints
from bayes_mlm.data import varies_within
from bayes_mlm.figures.roles import roles_of
from bayes_mlm.fitting import Analysis, Estimate, Fit
from bayes_mlm.questions import (
    OutcomeRows,
    Population,
    RowSets,
    average_curve,
    averages_by_set,
    outcome_rows,
)

# Groups with a curve, points of a curve, parts in which outcomes of a group are averaged, the rows
# of a group and of all that a curve is averaged over, and draws of the curve of a group.
MOST_CURVES, _POINTS, _PARTS = 60, 25, 5
_ROWS_OF_GROUP, _ROWS, _DRAWS = 200, 2_000, 400
# A numeric predictor of fewer values has no curve.
_LEAST_VALUES = 3


@dataclass(frozen=True, kw_only=True, eq=False)
class MeanCurve:
    """Expected outcomes along a predictor; without draws the ends of the band are nan.

    `likelihood` is the curve by ML next to a posterior's, or None.
    """

    name: str
    x: Floats
    centre: Floats
    lower: Floats
    upper: Floats
    likelihood: Floats | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Observed:
    """Averages of outcomes in parts of rows, by the value of the predictor.

    Parameters
    ----------
    x : ndarray, shape (b,)
        Mean value of the predictor.
    y, expected : ndarray, shape (b,)
        What was observed, and what the model expects of the same rows and groups.
    rows : ndarray of int, shape (b,)
        Their number.
    """

    x: Floats
    y: Floats
    expected: Floats
    rows: Ints


@dataclass(frozen=True, kw_only=True, eq=False)
class GroupCurve:
    """The curve of one group over the range of its rows, and what was observed in them."""

    curve: MeanCurve
    observed: Observed


def predictor_of(population: Population, group: str) -> tuple[str, bool] | None:
    """Return the numeric predictor to draw along, and whether it varies within groups."""
    names = [
        name
        for name in population.predictors
        if population.levels(name) is None
        and population.column(name).dtype.kind in "biuf"
        and np.unique(population.column(name)).size >= _LEAST_VALUES
    ]
    within = varies_within(population.table, group, names)
    for name in within:
        return name, True
    return (names[0], False) if names else None


def moderator_of(population: Population) -> str | None:
    """Return the column of a binary predictor of groups, of one factor."""
    if len(population.design.factors) > 1:
        return None
    roles = roles_of(population.design)
    known = roles.moderator is not None and roles.subgroup is not None
    return roles.moderator if known and roles.moderator in population.table.columns else None


def population_curves(
    analysis: Analysis, result: Fit | Estimate, population: Population, along: str, x: Floats
) -> tuple[tuple[MeanCurve, ...], tuple[MeanCurve, ...], Ints]:
    """Return the averaged curves, those at effects of zero, and the subgroup (n,) of each row."""
    name = moderator_of(population)
    subgroups = np.zeros(population.table.n, dtype=np.int64)
    given: list[tuple[str, dict[str, Any]]] = [("", {})]
    if name is not None and name != along:
        roles = roles_of(population.design)
        assert roles.subgroup is not None  # for mypy: there is a moderator
        subgroups = population.design.group_term.by_row(roles.subgroup)
        column = population.table.columns[name]
        given = [
            (label, {name: np.full(column.size, column[subgroups == k][0], dtype=column.dtype)})
            for k, label in enumerate(roles.subgroup_labels)
        ]
    grid = np.linspace(x.min(), x.max(), _POINTS)
    some = np.unique(np.linspace(0, x.size - 1, _ROWS).astype(np.int64))
    estimates = analysis.estimates[:1] if isinstance(result, Fit) else ()
    averaged, zero = [], []
    for label, at in given:
        sets = [
            outcome_rows(
                population.design, population.rows_at({**at, along: np.full(x.size, value)})
            )
            for value in grid
        ]
        pairs = [(one.rows.take(some), one.weights[some]) for one in sets]

        def values(source: Fit | Estimate, question: Any, pairs: Any = pairs) -> Floats:
            return np.stack(
                [average_curve(source, rows, weights, question) for rows, weights in pairs], axis=1
            )

        likelihood = [values(one, "new_group")[0] for one in estimates]
        averaged.append(
            _curve(label, grid, values(result, "new_group"), analysis.prob, *likelihood)
        )
        zero.append(_curve(label, grid, values(result, "population"), analysis.prob))
    return tuple(averaged), tuple(zero), subgroups


def _curve(
    name: str, x: Floats, values: Floats, prob: float, likelihood: Floats | None = None
) -> MeanCurve:
    """Return the curve of draws (S, m), or of one estimate."""
    tail = (1.0 - prob) / 2.0
    lower, upper = np.quantile(values, [tail, 1.0 - tail], axis=0)
    if len(values) == 1:
        lower, upper = np.full((2, x.size), np.nan)
    return MeanCurve(
        name=name,
        x=x,
        centre=values.mean(axis=0),
        lower=lower,
        upper=upper,
        likelihood=likelihood,
    )


def group_curves(
    result: Fit | Estimate, population: Population, along: str, x: Floats, prob: float
) -> tuple[GroupCurve, ...]:
    """Return the curve of some groups over the range of their rows, the lowest first."""
    design = population.design
    term, outcomes = design.group_terms[0], outcome_rows(design)
    places = evenly(term.J, MOST_CURVES)
    rows = [np.flatnonzero(term.codes == place) for place in places]
    moving = [k for k, some in enumerate(rows) if np.ptp(x[some]) > 0.0]
    places, rows = places[moving], [rows[k] for k in moving]
    if not rows:
        return ()
    used = [some[evenly(some.size, _ROWS_OF_GROUP)] for some in rows]
    flat, sets = np.concatenate(used), np.repeat(np.arange(len(used)), [one.size for one in used])
    ends = np.array([(x[some].min(), x[some].max()) for some in rows])
    grids = np.linspace(ends[:, 0], ends[:, 1], _POINTS)
    values = []
    for grid in grids:
        column = x.copy()
        column[flat] = grid[sets]
        moved = outcome_rows(design, population.rows_at({along: column}))
        values.append(
            averages_by_set(
                result,
                RowSets(rows=moved.rows.take(flat), places=sets, weights=moved.weights[flat]),
                "existing_group",
                draws=_DRAWS,
            )
        )
    found = np.stack(values, axis=1)
    parts = np.full((x.size, 2), -1, dtype=np.int64)
    for k, own in enumerate(rows):
        parts[own] = np.column_stack([np.full(own.size, k), parts_of(x[own], _PARTS)])
    names = term.names(places)
    curves = [
        GroupCurve(curve=_curve(str(names[k]), grids[:, k], found[:, :, k], prob), observed=seen)
        for k, seen in enumerate(observe(result, outcomes, x, parts))
    ]
    return tuple(sorted(curves, key=lambda one: float(np.mean(one.curve.centre))))


def observe(
    result: Fit | Estimate, outcomes: OutcomeRows, x: Floats, parts: Ints
) -> tuple[Observed, ...]:
    """Average outcomes in parts, and group the parts: parts (n, 2), the group and part of rows.

    Rows of a negative group are in none.
    """
    some = np.flatnonzero(parts[:, 0] >= 0)
    pairs, places = np.unique(parts[some], axis=0, return_inverse=True)
    places = places.ravel()
    weights = outcomes.weights[some]
    sets = RowSets(rows=outcomes.rows.take(some), places=places, weights=weights)
    rows = np.bincount(places)
    means = np.bincount(places, weights=x[some]) / rows
    y = np.bincount(places, weights=outcomes.total[some]) / np.bincount(places, weights=weights)
    expected = averages_by_set(result, sets, "existing_group", draws=_DRAWS).mean(axis=0)
    ends = np.searchsorted(pairs[:, 0], np.arange(pairs[-1, 0] + 2))
    return tuple(
        Observed(x=means[a:b], y=y[a:b], expected=expected[a:b], rows=rows[a:b])
        for a, b in pairwise(ends.tolist())
    )


def parts_of(x: Floats, most: int) -> Ints:
    """Return at most so many parts (n,) of rows by their value, of about as many rows each."""
    values, places = np.unique(x, return_inverse=True)
    if values.size <= most:
        return np.asarray(places)
    edges = np.unique(np.quantile(x, np.linspace(0.0, 1.0, most + 1)[1:-1]))
    return np.searchsorted(edges, x, side="left")


def evenly(n: int, most: int) -> Ints:
    """Select at most so many of n indices, evenly, the first and the last among them."""
    if n <= most:
        return np.arange(n, dtype=np.int64)
    return np.linspace(0, n - 1, most).round().astype(np.int64)
