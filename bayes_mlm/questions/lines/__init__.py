"""Group-specific intercepts, slopes and lines, with their uncertainty."""

from collections.abc import Callable, Iterator, Mapping, Sequence
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
from bayes_mlm.fitting import (
    CoefficientSource,
    DrawSummary,
    Estimate,
    Fit,
    IntervalKind,
    estimate_of,
    posterior_of,
    summarise_draws,
    summarise_wald,
)
from bayes_mlm.questions.effects.average import as_settings
from bayes_mlm.questions.effects.query import grid
from bayes_mlm.questions.effects.rows import Population, read_again, read_population, set_columns
from bayes_mlm.questions.lines.along import along_of, columns_at, rows_along
from bayes_mlm.questions.lines.level_two import coefficient_weights
from bayes_mlm.questions.lines.result import (
    GroupCoefficient,
    GroupLines,
    LinePoint,
    LinePoints,
    PopulationLine,
)
from bayes_mlm.questions.prediction.plug_in import expected

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
) -> GroupLines:
    """Estimate group-specific coefficients and lines, next to those of REML.

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

    Returns
    -------
    GroupLines

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
    compared = _reml(fit) if estimate is None else estimate
    rows = rows_along(design, table, along, grid, places)
    labels = design.labels[places].tolist()
    sums = _sums(fit, places, prob)
    effects = np.broadcast_to(np.eye(design.q), (len(places), design.q, design.q))
    coefficients: list[GroupCoefficient] = []
    points: list[LinePoint] = []
    X, Z = weights[:, places].swapaxes(0, 1), effects
    for label, found, reml in zip(
        labels, sums(X, Z, "hdi"), _means(compared, X, Z, places), strict=True
    ):
        coefficients += _coefficients(fit, label, found, reml)
    X, Z = rows.X, rows.Z
    for label, found, reml in zip(
        labels, sums(X, Z, "eti"), _means(compared, X, Z, places), strict=True
    ):
        points += _line(fit, label, grid, found, reml)
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
    coefficient_weights(design)  # raises for a model without group effects, or with several factors
    rows = read_population(design, fit.request, data)
    table = rows.table
    _check_along(rows, along)
    settings = grid(rows, at, without=[along])
    if len(settings) != 1:
        raise EngineError("a line is drawn at one value of each other predictor; give one (at)")
    table = set_columns(table, as_settings(rows, settings[0]))
    places = _grid(table.columns[along], x)
    X = np.stack([columns_at(design, table, along, value)[0].mean(axis=0) for value in places])
    compared = _reml(fit) if estimate is None else estimate
    found = _shared(fit, X, prob)
    reml = None if compared is None else X @ compared.solution.beta
    return PopulationLine(
        along=along,
        at=", ".join(map(str, settings[0])),
        rows=tuple(_line(fit, None, places, found, reml)),
        prob=prob,
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
    return design.single_term().places_of(dict.fromkeys(groups))


def _grid(values: NDArray[Any], x: ArrayLike | None) -> Floats:
    if x is None:
        return np.linspace(float(np.min(values)), float(np.max(values)), _POINTS)
    grid = np.atleast_1d(np.asarray(x, dtype=np.float64))
    if grid.ndim != 1 or not grid.size or not np.isfinite(grid).all():
        raise EngineError("x must be one or more finite numbers")
    return grid


def _reml(fit: Fit | Estimate) -> Estimate | None:
    """Fit by REML; None where only the priors identify the model."""
    if posterior_of(fit) is None:
        return estimate_of(fit)
    design = fit.design
    try:
        solution = fit_reml(design.whole, profile=False).of_groups(design)
    except (DesignError, EngineError):
        return None
    return Estimate(design=design, solution=solution, request=fit.request)


def _shared(fit: Fit | Estimate, X: Floats, prob: float) -> DrawSummary:
    """Return X beta: group effects at zero."""
    posterior = posterior_of(fit)
    if posterior is not None:
        return summarise_draws(posterior.beta @ X.T, prob, "eti")
    found = fit.combine(X)
    estimate, se = (np.array([getattr(one, name) for one in found]) for name in ("mean", "sd"))
    return summarise_wald(estimate, se, prob, found[0].df)


type _Sums = Callable[[Floats, Floats, IntervalKind], Iterator[DrawSummary]]


def _sums(fit: Fit | Estimate, places: Ints, prob: float) -> _Sums:
    """Return a function of X (G, m, p) and Z (G, m, q): X beta + Z u of G groups, one by one."""
    posterior = posterior_of(fit)
    if posterior is None:
        solution = estimate_of(fit).solution

        def at_estimate(X: Floats, Z: Floats, _: IntervalKind) -> Iterator[DrawSummary]:
            codes = np.repeat(places, X.shape[1])
            flat_X, flat_Z = (one.reshape(-1, one.shape[-1]) for one in (X, Z))
            parts = expected(solution, fit.design, flat_X, flat_Z, codes)
            for estimate, variance in zip(
                *(one.reshape(X.shape[:2]) for one in parts), strict=True
            ):
                yield summarise_wald(
                    estimate, np.sqrt(np.maximum(variance, 0.0)), prob, solution.df
                )

        return at_estimate
    beta = posterior.beta
    rng = stream(posterior.settings.random_seed, Stream.GROUP_LINES)
    u = effects_of_groups(fit.design, posterior.draws, rng)(places)

    def drawn(X: Floats, Z: Floats, interval: IntervalKind) -> Iterator[DrawSummary]:
        for k in range(len(X)):
            yield summarise_draws(beta @ X[k].T + u[:, k] @ Z[k].T, prob, interval)

    return drawn


def _means(fit: Estimate | None, X: Floats, Z: Floats, places: Ints) -> Iterator[Floats | None]:
    """Return X beta + Z u at an estimate, group by group."""
    for k, place in enumerate(places):
        solution = None if fit is None else fit.solution
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
