"""Line of each group: intercept, slope and expected outcome, with their uncertainty."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bayes_mlm.base import (
    DEFAULT_PROB,
    DesignError,
    EngineError,
    Floats,
    Ints,
    Stream,
    check_prob,
    expect,
    expect_text,
    stream,
)
from bayes_mlm.design import Design
from bayes_mlm.engines import effects_of_groups, fit_reml
from bayes_mlm.fitting import Estimate, Fit, Solution, summarise_draws
from bayes_mlm.questions.effects.average import as_settings
from bayes_mlm.questions.effects.query import grid
from bayes_mlm.questions.effects.rows import Population, population, read_again, set_columns
from bayes_mlm.questions.lines.along import RowsAlong, along_of, columns_at, rows_along
from bayes_mlm.questions.lines.level_two import own_weights
from bayes_mlm.questions.lines.result import (
    GroupLines,
    LinePoint,
    LinePoints,
    OwnCoefficient,
    PopulationLine,
)

__all__ = [
    "GroupLines",
    "LinePoint",
    "OwnCoefficient",
    "along_of",
    "group_lines",
    "population_line",
]

# Points of a line, unless others are asked for: the ends are enough for a straight one.
_POINTS = 11
# Lines of more groups at a time would not be read, and take minutes to compute.
MOST_GROUPS = 2_000


def group_lines(
    fit: Fit,
    *,
    along: str | None = None,
    x: ArrayLike | None = None,
    groups: Sequence[Any] | None = None,
    prob: float = DEFAULT_PROB,
    estimate: Estimate | None = None,
    data: Any = None,
) -> GroupLines:
    """Estimate the coefficients and lines of groups, with REML's for comparison.

    Parameters
    ----------
    fit : Fit
        Of a model with group effects that are drawn from a distribution.
    along : str, optional
        The column of the table that the lines run along; by default that of the first slope that
        varies between groups, else the first predictor that varies within them.
    x : array_like, shape (m,), optional
        Where; by default evenly over the range of the data.
    groups : sequence, optional
        Labels; by default every group.
    prob : float
        Of the intervals.
    estimate : Estimate, optional
        Of the same design, where it is at hand.
    data : data frame, mapping, str or Path, optional
        The rows that were fitted, for predictors that are in the model only as functions of
        columns and were not read from a file.

    Returns
    -------
    GroupLines

    Raises
    ------
    EngineError
        If the model has no such group effects, a group or the column is unknown, or groups are
        too many to give a line each.
    DataError
        If the rows cannot be taken back out of the model, and are not given, or those given are
        not what was fitted.

    Examples
    --------
    >>> from bayes_mlm import fit, group_lines
    >>> fitted = fit("reaction ~ days + (days || subject)", "sleepstudy", random_seed=1)
    >>> lines = group_lines(fitted, groups=[308], x=[0, 9])
    >>> for row in lines:
    ...     print(row.effect, f"{row.estimate:.0f} ({row.lower:.0f} to {row.upper:.0f})")
    Intercept 253 (228 to 278)
    days 20 (15 to 25)
    >>> [f"{point.estimate:.0f}" for point in lines.line(308)]
    ['253', '432']
    """
    expect("group_lines", fit, Fit)
    check_prob(prob)
    design = fit.design
    weights = own_weights(design)
    places = _places(design, groups)
    along = along_of(design) if along is None else along
    # The rows that were fitted: each group's line is of its own.
    given = None if data is None else read_again(design, fit.request, data)
    fitted = population(design, fit.request, given)
    table = fitted.table
    _check_along(fitted, along)
    grid = _grid(table.columns[along], x)
    beta = np.asarray(fit.draws["beta"]).reshape(-1, design.p)
    rng = stream(fit.settings.random_seed, Stream.GROUP_LINES)
    u = effects_of_groups(design, fit.draws, rng)(places)
    reml = _reml(design) if estimate is None else estimate.solution
    rows = rows_along(design, table, along, grid, places)
    coefficients = [
        row
        for k, place in enumerate(places)
        for row in _coefficients(fit, weights[:, place], beta, u[:, k], place, reml, prob)
    ]
    points = [
        point
        for k, place in enumerate(places)
        for point in _points(fit, rows, k, grid, beta, u[:, k], place, reml, prob)
    ]
    return GroupLines(
        along=along,
        outcome=design.outcome,
        group=str(design.group),
        rows=tuple(coefficients),
        points=LinePoints(rows=tuple(points), verdict=fit.verdict),
        prob=prob,
        verdict=fit.verdict,
    )


def population_line(
    fit: Fit,
    along: str,
    x: ArrayLike | None = None,
    *,
    at: Mapping[str, Any] | None = None,
    prob: float = DEFAULT_PROB,
    estimate: Estimate | None = None,
    data: Any = None,
) -> PopulationLine:
    """Estimate the line of the population: group effects at zero, averaged over the rows.

    Parameters
    ----------
    fit : Fit
    along : str
        The column of the table that the line runs along.
    x : array_like, shape (m,), optional
        Where; by default over the range of the data.
    at : mapping of str to value, optional
        Columns set to one value, such as ``{"sex": "Male"}``; others keep those of the rows.
    prob, estimate : optional
        As in `group_lines`.
    data : data frame, mapping, str or Path, optional
        Other rows to average over than those that were fitted.

    Returns
    -------
    PopulationLine
        A sequence of `LinePoint`, with None for their group.

    Raises
    ------
    EngineError, DataError, DesignError
        As `group_lines`; also if `at` names what is no predictor, or `along` itself.

    Examples
    --------
    >>> from bayes_mlm import fit, population_line
    >>> fitted = fit("distance ~ age * sex + (age | subject)", "orthodont", random_seed=1)
    >>> [f"{one.estimate:.1f}" for one in population_line(fitted, "age", [8, 14])]
    ['22.0', '26.0']
    >>> [f"{one.reml:.2f}" for one in population_line(fitted, "age", [8], at={"sex": "Male"})]
    ['22.62']
    """
    expect("population_line", fit, Fit)
    check_prob(prob)
    design = fit.design
    own_weights(design)  # refuses a model without group effects
    rows = population(design, fit.request, data)
    table = rows.table
    _check_along(rows, along)
    settings = grid(rows, at, without=[along])
    if len(settings) != 1:
        raise EngineError("a line is drawn at one value of each other predictor; give one (at)")
    table = set_columns(table, as_settings(rows, settings[0]))
    places = _grid(table.columns[along], x)
    X = np.stack([columns_at(design, table, along, value)[0].mean(axis=0) for value in places])
    beta = np.asarray(fit.draws["beta"]).reshape(-1, design.p)
    reml = _reml(design) if estimate is None else estimate.solution
    told = None if reml is None else X @ reml.beta
    return PopulationLine(
        along=along,
        at=", ".join(map(str, settings[0])),
        rows=tuple(_line(fit, None, places, beta @ X.T, told, prob)),
        prob=prob,
        verdict=fit.verdict,
    )


def _check_along(rows: Population, along: str) -> None:
    expect_text("a line", along, "the name of the column that it runs along", EngineError)
    numeric = [name for name in rows.predictors if rows.own(name).dtype.kind in "biuf"]
    if along not in numeric:
        raise EngineError(
            f"{along!r} is no numeric predictor of the model; there are {', '.join(numeric)}"
        )


def _places(design: Design, groups: Sequence[Any] | None) -> Ints:
    if groups is None:
        if design.J > MOST_GROUPS:
            raise EngineError(
                f"{design.J:,} groups are more than the {MOST_GROUPS:,} that can have a line each; "
                "name some of them (groups=[...])"
            )
        return np.arange(design.J)
    if not groups:
        raise EngineError("no group is named; leave groups out for all of them")
    return design.single_term().places_of(dict.fromkeys(groups))


def _grid(values: NDArray[Any], x: ArrayLike | None) -> Floats:
    if x is None:
        return np.linspace(float(np.min(values)), float(np.max(values)), _POINTS)
    grid = np.atleast_1d(np.asarray(x, dtype=np.float64))
    if grid.ndim != 1 or not grid.size or not np.isfinite(grid).all():
        raise EngineError("x must be one or more finite numbers")
    return grid


def _reml(design: Design) -> Solution | None:
    """Fit by REML, where REML is defined: priors can identify what the data cannot."""
    try:
        return fit_reml(design.whole, profile=False).of_groups(design)
    except (DesignError, EngineError):
        return None


def _coefficients(
    fit: Fit,
    weights: Floats,
    beta: Floats,
    u: Floats,
    place: int,
    reml: Solution | None,
    prob: float,
) -> Iterator[OwnCoefficient]:
    own = beta @ weights.T + u
    shown = summarise_draws(own, prob)
    told = None if reml is None else weights @ reml.beta + reml.u[place]
    for k, effect in enumerate(fit.design.effects):
        yield OwnCoefficient(
            model=fit.spec.name,
            engine=fit.engine,
            group=fit.design.single_term().label(place),
            effect=effect,
            estimate=float(shown.mean[k]),
            sd=float(shown.sd[k]),
            lower=float(shown.lower[k]),
            upper=float(shown.upper[k]),
            reml=None if told is None else float(told[k]),
        )


def _points(
    fit: Fit,
    rows: RowsAlong,
    k: int,
    grid: Floats,
    beta: Floats,
    u: Floats,
    place: int,
    reml: Solution | None,
    prob: float,
) -> Iterator[LinePoint]:
    expected = beta @ rows.X[k].T + u @ rows.Z[k].T
    told = None if reml is None else rows.X[k] @ reml.beta + rows.Z[k] @ reml.u[place]
    return _line(fit, fit.design.single_term().label(place), grid, expected, told, prob)


def _line(
    fit: Fit, group: Any, grid: Floats, expected: Floats, told: Floats | None, prob: float
) -> Iterator[LinePoint]:
    shown = summarise_draws(expected, prob, "eti")
    for i, value in enumerate(grid):
        yield LinePoint(
            model=fit.spec.name,
            engine=fit.engine,
            group=group,
            x=float(value),
            estimate=float(shown.mean[i]),
            lower=float(shown.lower[i]),
            upper=float(shown.upper[i]),
            reml=None if told is None else float(told[i]),
        )
