"""Group-specific intercepts, slopes and lines, with their uncertainty."""

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
    check_prob,
    expect,
    expect_text,
)
from bayes_mlm.design import Design
from bayes_mlm.engines import fit_reml, is_drawing
from bayes_mlm.fitting import (
    CoefficientSource,
    DrawSummary,
    Estimate,
    Fit,
    summarise_values,
)
from bayes_mlm.questions.effects.average import as_settings
from bayes_mlm.questions.effects.query import grid
from bayes_mlm.questions.effects.rows import Population, population, read_again, set_columns
from bayes_mlm.questions.lines.along import along_of, columns_at, rows_along
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
    fit: Fit | Estimate,
    *,
    along: str | None = None,
    x: ArrayLike | None = None,
    groups: Sequence[Any] | None = None,
    prob: float = DEFAULT_PROB,
    estimate: Estimate | None = None,
    data: Any = None,
) -> GroupLines:
    """Estimate group-specific coefficients and lines; a posterior's next to those of REML.

    Parameters
    ----------
    fit : Fit or Estimate
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
        By REML, to compare a posterior with, where it is at hand.
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
    expect("group_lines", fit, Fit, Estimate)
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
    compared = _reml(fit) if estimate is None else estimate
    rows = rows_along(design, table, along, grid, places)
    labels = design.single_term().names(places)
    effects = np.broadcast_to(np.eye(design.q), (len(places), design.q, design.q))
    X = np.concatenate([weights[:, places].swapaxes(0, 1), rows.X], axis=1)
    Z = np.concatenate([effects, rows.Z], axis=1)
    coefficients: list[OwnCoefficient] = []
    points: list[LinePoint] = []
    for label, found, reml in zip(
        labels, fit.combine_by_group(X, Z, places), _means(compared, X, Z, places), strict=True
    ):
        own, line = found[: design.q], found[design.q :]
        at_own, at_line = (None, None) if reml is None else (reml[: design.q], reml[design.q :])
        coefficients += _coefficients(fit, label, summarise_values(own, prob), at_own)
        points += _line(fit, label, grid, summarise_values(line, prob, "eti"), at_line)
    return GroupLines(
        along=along,
        outcome=design.outcome,
        group=str(design.group),
        rows=tuple(coefficients),
        points=LinePoints(rows=tuple(points), verdict=fit.verdict),
        prob=prob,
        interval_kind=fit.interval_kind,
        verdict=fit.verdict,
    )


def population_line(
    fit: Fit | Estimate,
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
    fit : Fit or Estimate
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
    expect("population_line", fit, Fit, Estimate)
    check_prob(prob)
    design = fit.design
    own_weights(design)  # refuses a model without group effects, or of several factors
    rows = population(design, fit.request, data)
    table = rows.table
    _check_along(rows, along)
    settings = grid(rows, at, without=[along])
    if len(settings) != 1:
        raise EngineError("a line is drawn at one value of each other predictor; give one (at)")
    table = set_columns(table, as_settings(rows, settings[0]))
    places = _grid(table.columns[along], x)
    X = np.stack([columns_at(design, table, along, value)[0].mean(axis=0) for value in places])
    compared = _reml(fit) if estimate is None else estimate
    found = summarise_values(fit.combine(X), prob, "eti")
    reml = None if compared is None else X @ compared.solution.beta
    return PopulationLine(
        along=along,
        at=", ".join(map(str, settings[0])),
        rows=tuple(_line(fit, None, places, found, reml)),
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


def _reml(fit: CoefficientSource) -> Estimate | None:
    """Fit a posterior's design by REML, where that is defined: priors can identify more."""
    design = fit.design
    if not is_drawing(fit.engine):
        return None
    try:
        solution = fit_reml(design.whole, profile=False).of_groups(design)
    except (DesignError, EngineError):
        return None
    return Estimate(design=design, solution=solution, request=fit.request)


def _means(fit: Estimate | None, X: Floats, Z: Floats, places: Ints) -> Iterator[Floats | None]:
    """Return X beta + Z u at an estimate, group by group."""
    for k, place in enumerate(places):
        solution = None if fit is None else fit.solution
        yield None if solution is None else X[k] @ solution.beta + Z[k] @ solution.u[place]


def _coefficients(
    fit: CoefficientSource, group: Any, found: DrawSummary, reml: Floats | None
) -> Iterator[OwnCoefficient]:
    for k, effect in enumerate(fit.design.effects):
        yield OwnCoefficient(
            model=fit.name,
            engine=fit.engine,
            group=group,
            effect=effect,
            estimate=float(found.mean[k]),
            sd=float(found.sd[k]),
            lower=float(found.lower[k]),
            upper=float(found.upper[k]),
            reml=None if reml is None else float(reml[k]),
        )


def _line(
    fit: CoefficientSource, group: Any, grid: Floats, found: DrawSummary, reml: Floats | None
) -> Iterator[LinePoint]:
    for i, value in enumerate(grid):
        yield LinePoint(
            model=fit.name,
            engine=fit.engine,
            group=group,
            x=float(value),
            estimate=float(found.mean[i]),
            lower=float(found.lower[i]),
            upper=float(found.upper[i]),
            reml=None if reml is None else float(reml[i]),
        )
