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
    estimate_design,
    summarise_values,
)
from bayes_mlm.questions.effects.average import as_settings
from bayes_mlm.questions.effects.query import grid
from bayes_mlm.questions.effects.rows import Population, read_again, read_population, set_columns
from bayes_mlm.questions.lines.along import along_of, columns_at, rows_along
from bayes_mlm.questions.lines.level_two import check_random_effects, coefficient_weights
from bayes_mlm.questions.lines.result import (
    GroupCoefficient,
    GroupLines,
    LinePoint,
    LinePoints,
    PopulationLine,
)
from bayes_mlm.questions.one_factor import check_kept, of_one_factor

__all__ = [
    "GroupCoefficient",
    "GroupLines",
    "LinePoint",
    "along_of",
    "group_lines",
    "population_line",
]

# Points of a line by default.
_POINTS = 11
# More groups at a time take minutes to compute.
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
    factor: str | None = None,
) -> GroupLines:
    """Estimate group-specific coefficients and lines; a posterior's next to those of REML.

    Parameters
    ----------
    fit : Fit or Estimate
        Of a model with random effects.
    along : str, optional
        The column of the table on the horizontal axis; by default that of the first random slope,
        else of the first predictor that varies within groups.
    x : array_like, shape (m,), optional
        Its values; by default evenly over the range of the data.
    groups : sequence, optional
        Labels; by default every group.
    prob : float
        Of the intervals.
    estimate : Estimate, optional
        By REML, to compare a posterior with; by default it is computed.
    data : data frame, mapping, str or Path, optional
        The rows of the fit, for predictors that enter the formula only through a function and
        were not read from a file.
    factor : str, optional
        Whose groups, where the model has several grouping factors; the effects of the others are
        at zero, their mean.

    Returns
    -------
    GroupLines
        With an offset, the lines are of the outcome and the coefficients of the outcome less it.

    Raises
    ------
    EngineError
        If the model has no random effects, a group or the column is unknown, or there are too
        many groups.
    DataError
        If the rows cannot be recovered from the model and `data` is missing, or `data` holds
        other outcomes than the fitted ones.

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
    compared = _likelihood(fit) if estimate is None else estimate
    compared = None if compared is None else compared.of_factor(factor)
    others = [name for name in fit.design.factors if factor is not None and name != factor]
    if isinstance(fit, Fit) and factor is not None:
        check_kept(fit, (factor,))
    fit = of_one_factor(fit, factor)
    design = fit.design
    weights = coefficient_weights(design)
    places = _places(design, groups)
    along = along_of(design) if along is None else along
    # The fitted rows, since a line is that of its group's rows.
    reread = None if data is None else read_again(design, fit.request, data)
    fitted = read_population(design, fit.request, reread)
    table = fitted.table
    _check_along(fitted, along)
    grid = _grid(table.columns[along], x)
    rows = rows_along(design, table, along, grid, places)
    labels = design.group_term.names(places)
    effects = np.broadcast_to(np.eye(design.q), (len(places), design.q, design.q))
    X = np.concatenate([weights[:, places].swapaxes(0, 1), rows.X], axis=1)
    Z = np.concatenate([effects, rows.Z], axis=1)
    coefficients: list[GroupCoefficient] = []
    points: list[LinePoint] = []
    for label, offset, found, reml in zip(
        labels,
        rows.offset,
        fit.combine_by_group(X, Z, places),
        _means(compared, X, Z, places),
        strict=True,
    ):
        specific, line = found[: design.q], found[design.q :]
        at_specific, at_line = (
            (None, None) if reml is None else (reml[: design.q], reml[design.q :] + offset)
        )
        coefficients += _coefficients(fit, label, summarise_values(specific, prob), at_specific)
        summary = summarise_values(line, prob, "eti").plus(offset)
        points += _line(fit, label, grid, summary, at_line)
    return GroupLines(
        along=along,
        outcome=design.outcome,
        group=str(design.group),
        rows=tuple(coefficients),
        points=LinePoints(rows=tuple(points), verdict=fit.verdict),
        prob=prob,
        interval_kind=fit.interval_kind,
        notes=_notes(design, others),
        verdict=fit.verdict,
    )


def _notes(design: Design, others: Sequence[str]) -> tuple[str, ...]:
    scale = design.family.predictor_scale
    found = (f"effects of {', '.join(others)} at zero, their mean",) if others else ()
    on = f"coefficients and lines are on the scale of the linear predictor: {scale}"
    return (*found, on) if scale else found


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
        The column of the table on the horizontal axis.
    x : array_like, shape (m,), optional
        Its values; by default over the range of the data.
    at : mapping of str to value, optional
        Predictors set to one value, such as ``{"sex": "Male"}``; others keep those of the rows.
    prob, estimate : optional
        As in `group_lines`.
    data : data frame, mapping, str or Path, optional
        Rows to average over in place of those of the fit.

    Returns
    -------
    PopulationLine
        A sequence of `LinePoint`, with None for their group.

    Raises
    ------
    EngineError, DataError, DesignError
        As `group_lines`; also if `at` names `along` itself or no predictor.

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
    check_random_effects(design)
    rows = read_population(design, fit.request, data)
    table = rows.table
    _check_along(rows, along)
    settings = grid(rows, at, without=[along])
    if len(settings) != 1:
        raise EngineError("a line is drawn at one value of each other predictor; give one (at)")
    table = set_columns(table, as_settings(rows, settings[0]))
    places = _grid(table.columns[along], x)
    replayed = [columns_at(design, table, along, value) for value in places]
    X = np.stack([np.average(one.X, axis=0, weights=rows.weights) for one in replayed])
    offset = np.array([np.average(one.offset, weights=rows.weights) for one in replayed])
    compared = _likelihood(fit) if estimate is None else estimate
    found = summarise_values(fit.combine(X), prob, "eti").plus(offset)
    reml = None if compared is None else X @ compared.solution.beta + offset
    return PopulationLine(
        along=along,
        at=", ".join(map(str, settings[0])),
        rows=tuple(_line(fit, None, places, found, reml)),
        prob=prob,
        scale=design.family.predictor_scale,
        verdict=fit.verdict,
    )


def _check_along(rows: Population, along: str) -> None:
    expect_text("a line", along, "the name of the column along which it runs", EngineError)
    numeric = [name for name in rows.predictors if rows.column(name).dtype.kind in "biuf"]
    if along not in numeric:
        raise EngineError(
            f"{along!r} is no numeric predictor of the model; there are {', '.join(numeric)}"
        )


def _places(design: Design, groups: Sequence[Any] | None) -> Ints:
    if groups is None:
        if design.J > MOST_GROUPS:
            raise EngineError(
                f"lines of {design.J:,} groups are too many; at most {MOST_GROUPS:,} are allowed: "
                "name some groups (groups=[...])"
            )
        return np.arange(design.J)
    if not groups:
        raise EngineError("groups is empty; name one or more, or omit it for all groups")
    return design.group_term.places_of(dict.fromkeys(groups))


def _grid(values: NDArray[Any], x: ArrayLike | None) -> Floats:
    if x is None:
        return np.linspace(float(np.min(values)), float(np.max(values)), _POINTS)
    grid = np.atleast_1d(np.asarray(x, dtype=np.float64))
    if grid.ndim != 1 or not grid.size or not np.isfinite(grid).all():
        raise EngineError("x must be one or more finite numbers")
    return grid


def _likelihood(fit: CoefficientSource) -> Estimate | None:
    """Fit the design of a posterior by REML; None where only the priors identify the model.

    None of outcomes with a link, too.
    """
    design = fit.design
    if not is_drawing(fit.engine) or not design.family.is_additive:  # REML has no such outcomes
        return None
    try:
        if len(design.factors) > 1:
            return estimate_design(design, "reml", request=fit.request)
        solution = fit_reml(design.whole, profile=False).of_groups(design)
    except (DesignError, EngineError):
        return None
    return Estimate(design=design, solution=solution, request=fit.request)


def _means(fit: Estimate | None, X: Floats, Z: Floats, places: Ints) -> Iterator[Floats | None]:
    """Return X beta + Z u at an estimate, group by group."""
    for k, place in enumerate(places):
        solution = None if fit is None else fit.single_solution()
        yield None if solution is None else X[k] @ solution.beta + Z[k] @ solution.u[place]


def _coefficients(
    fit: CoefficientSource, group: Any, found: DrawSummary, reml: Floats | None
) -> Iterator[GroupCoefficient]:
    for k, effect in enumerate(fit.design.effects):
        yield GroupCoefficient(
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
