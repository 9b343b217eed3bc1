"""Group-specific intercepts, slopes and lines, with their uncertainty."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from bayes_mlm.base import DEFAULT_PROB, EngineError, Floats, Ints, check_prob, expect
from bayes_mlm.design import Design, predictor_name
from bayes_mlm.fitting import CoefficientSource, DrawSummary, Estimate, Fit, summarise_values
from bayes_mlm.questions.effects.rows import Population, read_again, read_population
from bayes_mlm.questions.effects.scale import Scale, read_measure
from bayes_mlm.questions.lines.along import along_of, rows_along
from bayes_mlm.questions.lines.expected import Expected, expected_by_group
from bayes_mlm.questions.lines.level_two import coefficient_weights
from bayes_mlm.questions.lines.points import check_along, grid_of, line_points, line_scale, reml_of
from bayes_mlm.questions.lines.population import population_line
from bayes_mlm.questions.lines.result import GroupCoefficient, GroupLines, LinePoint, LinePoints
from bayes_mlm.questions.one_factor import check_kept, of_one_factor

__all__ = [
    "GroupCoefficient",
    "GroupLines",
    "LinePoint",
    "along_of",
    "group_lines",
    "population_line",
]

# More groups at a time take minutes to compute.
MOST_GROUPS = 2_000


def group_lines(
    fit: Fit | Estimate,
    *,
    along: str | None = None,
    x: ArrayLike | None = None,
    groups: Sequence[Any] | None = None,
    scale: Scale | None = None,
    prob: float = DEFAULT_PROB,
    estimate: Estimate | None = None,
    data: Any = None,
    factor: str | None = None,
) -> GroupLines:
    """Estimate group-specific coefficients and lines; a posterior's next to those of REML.

    With a link the coefficients are on the scale of the linear predictor (log odds, log of the
    mean), and the lines are curves of the expected outcome: probabilities, rates or counts.

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
    scale : {"response", "link"}, optional
        Of the lines of a family with a link: expected outcomes (the default), averaged over the
        rows of the group as `predict` has them (the chance of one trial; the rate, where there is
        an exposure; the expected score of ordered categories), or the linear predictor, on whose
        scale they are straight. The same for Gaussian outcomes.
    prob : float
        Of the intervals.
    estimate : Estimate, optional
        By REML, to compare a posterior of Gaussian outcomes with; by default it is computed.
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
        By ML the mean of outcomes with a link is over the distribution of the group's effects
        given its outcomes, and intervals are Wald's on the scale of the logit or log of the mean.

    Raises
    ------
    EngineError
        If the model has no random effects, a group, the column or the scale is unknown, or there
        are too many groups.
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
    measure = read_measure(fit.design, scale, "difference", None)
    curved, whole = not measure.is_linear(fit.design), fit
    compared = reml_of(fit) if estimate is None else estimate
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
    check_along(fitted, along)
    grid = grid_of(table.columns[along], x)
    rows = rows_along(design, table, along, grid, places)
    labels = design.group_term.names(places)
    effects = np.broadcast_to(np.eye(design.q), (len(places), design.q, design.q))
    X = np.concatenate([weights[:, places].swapaxes(0, 1), rows.X], axis=1)
    Z = np.concatenate([effects, rows.Z], axis=1)
    expected: Expected | None = None
    if curved:
        expected = expected_by_group(
            whole,
            _of_all_factors(fitted, whole.design),
            along,
            grid,
            places,
            factor=whole.design.factors.index(str(design.group)),
            prob=prob,
        )
    coefficients: list[GroupCoefficient] = []
    points: list[LinePoint] = []
    for k, (label, offset, found, reml) in enumerate(
        zip(
            labels,
            rows.offset,
            fit.combine_by_group(X, Z, places),
            _means(compared, X, Z, places),
            strict=True,
        )
    ):
        specific, line = found[: design.q], found[design.q :]
        at_specific, at_line = (
            (None, None) if reml is None else (reml[: design.q], reml[design.q :] + offset)
        )
        coefficients += _coefficients(fit, label, summarise_values(specific, prob), at_specific)
        if expected is None:
            summary = summarise_values(line, prob, "eti").plus(offset)
        else:
            summary = expected.of_group(k)
        points += line_points(fit, label, grid, summary, at_line)
    return GroupLines(
        along=along,
        outcome=design.outcome,
        group=str(design.group),
        rows=tuple(coefficients),
        points=LinePoints(
            rows=tuple(points),
            along=along,
            prob=prob,
            scale=line_scale(design, expected),
        ),
        prob=prob,
        interval_kind=fit.interval_kind,
        notes=_notes(fit, others, expected),
        verdict=fit.verdict,
    )


def _of_all_factors(rows: Population, design: Design) -> Population:
    """Return rows with the design of all grouping factors."""
    return rows if rows.design is design else replace(rows, design=design)


def _notes(
    fit: CoefficientSource, others: Sequence[str], expected: Expected | None
) -> tuple[str, ...]:
    design = fit.design
    notes = (f"effects of {', '.join(others)} at zero, their mean",) if others else ()
    if not design.family.predictor_scale:
        return notes
    on = f"coefficients are on the scale of the linear predictor: {predictor_name(design)}"
    if expected is None:
        return (*notes, f"{on}; so are the lines")
    found = (*notes, f"{on}; lines are the {expected.scale}")
    many = fit.parameter_points().size if expected.n_draws else 0
    if expected.n_draws < many:
        return (*found, f"lines by {expected.n_draws:,} of the {many:,} draws")
    return found


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
