"""The line of the population: of an average group, or averaged over groups."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from bayes_mlm.base import DEFAULT_PROB, EngineError, check_prob, expect
from bayes_mlm.fitting import Estimate, Fit, summarise_values
from bayes_mlm.questions.effects.average import as_settings
from bayes_mlm.questions.effects.query import grid
from bayes_mlm.questions.effects.rows import read_population, set_columns
from bayes_mlm.questions.effects.scale import Scale, read_measure
from bayes_mlm.questions.lines.along import columns_at
from bayes_mlm.questions.lines.expected import expected_of_population
from bayes_mlm.questions.lines.level_two import check_random_effects
from bayes_mlm.questions.lines.points import check_along, grid_of, line_points, line_scale, reml_of
from bayes_mlm.questions.lines.result import PopulationLine
from bayes_mlm.questions.response.rows import Question


def population_line(
    fit: Fit | Estimate,
    along: str,
    x: ArrayLike | None = None,
    *,
    at: Mapping[str, Any] | None = None,
    scale: Scale | None = None,
    question: Question | None = None,
    prob: float = DEFAULT_PROB,
    estimate: Estimate | None = None,
    data: Any = None,
) -> PopulationLine:
    """Estimate the line of the population, averaged over the rows.

    With group effects at zero; with a link the curve of the expected outcome, over the
    distribution of group effects: population-averaged.

    Parameters
    ----------
    fit : Fit or Estimate
    along : str
        The column of the table on the horizontal axis.
    x : array_like, shape (m,), optional
        Its values; by default over the range of the data.
    at : mapping of str to value, optional
        Predictors set to one value, such as ``{"sex": "Male"}``; others keep those of the rows.
    scale : {"response", "link"}, optional
        As in `group_lines`.
    question : {"new_group", "population"}, optional
        Of expected outcomes with a link: averaged over the distribution of groups (the default),
        or at group effects of zero.
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
        As `group_lines`; also if `at` names `along` itself or no predictor, or the model has no
        such question.

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
    if question == "existing_group":
        raise EngineError("the population has no groups of its own; use group_lines for theirs")
    measure = read_measure(design, scale, "difference", question)
    rows = read_population(design, fit.request, data)
    table = rows.table
    check_along(rows, along)
    settings = grid(rows, at, without=[along])
    if len(settings) != 1:
        raise EngineError("a line is drawn at one value of each other predictor; give one (at)")
    chosen = as_settings(rows, settings[0])
    at_text = ", ".join(map(str, settings[0]))
    places = grid_of(table.columns[along], x)
    if not measure.is_linear(design):
        expected = expected_of_population(
            fit,
            rows,
            along,
            places,
            chosen,
            question=measure.question,
            prob=prob,
            fitted=data is None,
        )
        return PopulationLine(
            along=along,
            at=at_text,
            rows=tuple(line_points(fit, None, places, expected.of_group(0), None)),
            prob=prob,
            scale=expected.scale,
            question=measure.question,
            verdict=fit.verdict,
        )
    table = set_columns(table, chosen)
    replayed = [columns_at(design, table, along, value) for value in places]
    X = np.stack([np.average(one.X, axis=0, weights=rows.weights) for one in replayed])
    offset = np.array([np.average(one.offset, weights=rows.weights) for one in replayed])
    compared = reml_of(fit) if estimate is None else estimate
    found = summarise_values(fit.combine(X), prob, "eti").plus(offset)
    reml = None if compared is None else X @ compared.solution.beta + offset
    return PopulationLine(
        along=along,
        at=at_text,
        rows=tuple(line_points(fit, None, places, found, reml)),
        prob=prob,
        scale=line_scale(design, None),
        verdict=fit.verdict,
    )
