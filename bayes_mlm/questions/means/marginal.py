"""Marginal means: expected outcomes on a reference grid, averaged over other predictors."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bayes_mlm.base import (
    DEFAULT_PROB,
    DesignError,
    Floats,
    UnsupportedModelError,
    describe_value,
    knows_words,
    level,
)
from bayes_mlm.engines import ENGINES, is_drawing
from bayes_mlm.fitting import Estimate, Fit, summarise_draws, with_estimate
from bayes_mlm.questions.effects.average import population_of
from bayes_mlm.questions.effects.query import beyond
from bayes_mlm.questions.effects.scale import Measure, Scale, mean_text, read_measure
from bayes_mlm.questions.means.adjustments import t_reach
from bayes_mlm.questions.means.grid import ReferenceGrid, Weighting, reference_grid
from bayes_mlm.questions.means.result import MarginalMean, mean_name
from bayes_mlm.questions.means.table import MarginalMeans
from bayes_mlm.questions.means.values import MeanValues, mean_values, tests_of
from bayes_mlm.questions.response.rows import Question

# What emmeans, marginaleffects and Stata's margins call an argument.
_ELSEWHERE = {
    **dict.fromkeys(("specs", "factors", "variables"), "the predictors, in second place"),
    **dict.fromkeys(("object", "model", "idata"), "the fit, in first place"),
    **dict.fromkeys(("lmer_df", "mode", "ddf", "dfmethod"), "df='kenward-roger'"),
    **dict.fromkeys(("level", "conf_level", "ci", "hdi_prob"), "prob=0.9"),
    **dict.fromkeys(("type", "regrid", "transform"), "scale='link' or scale='response'"),
    **dict.fromkeys(("adjust", "method", "mcompare"), ".contrasts('pairwise', adjust='tukey')"),
    **dict.fromkeys(("cov_reduce", "newdata", "cov_keep"), "at={'age': [8, 14]}"),
}


@knows_words(_ELSEWHERE)
def marginal_means(
    fit: Fit | Estimate,
    of: str | Sequence[str],
    *,
    by: str | Sequence[str] | None = None,
    at: Mapping[str, Any] | None = None,
    weights: Weighting = "equal",
    df: str | None = None,
    scale: Scale | None = None,
    question: Question | None = None,
    prob: float = DEFAULT_PROB,
    likelihood: bool = True,
    data: Any = None,
) -> MarginalMeans:
    """Estimate marginal means: expected outcomes at categories, averaged over other predictors.

    Outcomes are expected at every point of a reference grid, in which categorical predictors (and
    numbers of two values) have all their values and other numbers their mean; a marginal mean is a
    weighted average of them (R's emmeans, SAS's least-squares means).

    Parameters
    ----------
    fit : Fit or Estimate
        A posterior is compared with the REML, ML or OLS estimate of the same design.
    of : str or sequence of str
        Predictors whose means are wanted; of several those of each combination.
    by : str or sequence of str, optional
        Predictors within whose values means are compared.
    at : mapping, optional
        Values of predictors, as in `comparisons`: ``{"age": [8, 14]}``. A number in `of` or `by`
        needs them, unless it has two values in the data.
    weights : {"equal", "proportional", "cells"}
        Of the categories that are averaged over: alike; as frequent as their combinations are in
        the data; or as those are within each mean's own rows (observed).
    df : str, optional
        Degrees of freedom of the estimate, as in `coefficient_tests`: by default Satterthwaite's,
        where these are defined, else the normal distribution.
    scale : {"response", "link"}, optional
        Of a family with a link: expected outcomes (the default) or the linear predictor.
    question : {"new_group", "population"}, optional
        Of expected outcomes with a link: averaged over the distribution of group effects (the
        default), or at group effects of zero.
    prob : float
        Probability of the intervals.
    likelihood : bool
        Whether to compare a posterior with the likelihood estimate.
    data : data frame, str or Path, optional
        Rows whose means and frequencies the grid has, instead of those fitted.

    Returns
    -------
    MarginalMeans
        Its `contrasts` compares the means.

    Raises
    ------
    DesignError
        If a predictor is unknown, or a number without values to compare; or the model has group
        means among its predictors, which no point of a grid has.
    EmptyCellError
        If no point of the grid can be estimated.
    RowsNeededError
        If the data are sums by group, and these do not hold what is needed.

    References
    ----------
    Searle, Speed & Milliken (1980), The American Statistician 34(4); Lenth & Piaskowski, emmeans
    (R package).

    Examples
    --------
    >>> from bayes_mlm import fit
    >>> found = fit("distance ~ age * sex + (1 | subject)", "orthodont", engine="reml")
    >>> means = marginal_means(found, "sex", by="age", at={"age": [8, 14]}, df="kenward-roger")
    >>> for row in means:
    ...     print(f"{row.mean} at {row.by[0].value:.0f}: {row.estimate:.2f} ({row.sd:.2f}), "
    ...           f"df {row.df:.1f}")
    Female at 8: 21.21 (0.65), df 37.1
    Male at 8: 22.62 (0.54), df 37.1
    Female at 14: 24.09 (0.65), df 37.1
    Male at 14: 27.32 (0.54), df 37.1
    """
    if not _names(of):
        raise DesignError("name the predictors whose means are wanted, as in 'sex'")
    population = population_of(fit, data, prob)
    measure = read_measure(population.design, scale, "difference", question)
    if measure.question == "existing_group":
        raise DesignError(
            "marginal means are of new groups (question='new_group') or at group effects of zero "
            "('population'); for those of the data use group_lines"
        )
    grid = reference_grid(population, _names(of), _names(by), at, weights)
    results = with_estimate(fit, prob, wanted=likelihood)
    cautions = list(beyond(population, grid.points))
    found: list[tuple[MeanValues, ...]] = []
    method = ""
    linear = measure.is_linear(population.design)
    for place, result in enumerate(results):
        tests = None
        if isinstance(result, Estimate):
            # A method that the model has not is refused, though the mean needs none.
            tests, why = tests_of(result, df)
            method = tests.label if linear else "normal"
            cautions += [f"{why}: intervals are normal"] if why else []
            if getattr(result.solution, "singular", False) and method != "normal":
                cautions.append(
                    "singular fit: degrees of freedom hang on the boundary of the variances"
                )
        try:
            found.append(mean_values(result, grid, measure, tests))
        except UnsupportedModelError as error:
            if place == 0:
                raise
            cautions.append(f"without {ENGINES[result.engine].label}: {error}")
    return MarginalMeans(
        rows=tuple(_rows(found, grid, prob)),
        prob=prob,
        grid=grid,
        measure=measure,
        found=tuple(found),
        method=method,
        notes=_notes(found, grid, measure, method, prob),
        cautions=(*cautions, *_inestimable(found[0][0], grid)),
        verdict=results[0].verdict,
    )


def _names(named: str | Sequence[str] | None) -> tuple[str, ...]:
    """Return the names of predictors, which are checked where the grid is made."""
    if named is None:
        return ()
    if isinstance(named, str):
        return (named,)
    if not isinstance(named, Sequence):
        raise DesignError(
            f"predictors are named as in 'sex' or ['sex', 'age']; found {describe_value(named)}"
        )
    return tuple(named)


def _rows(
    found: Sequence[tuple[MeanValues, ...]], grid: ReferenceGrid, prob: float
) -> list[MarginalMean]:
    tables = []
    for of_result in found:
        made = []
        for values in of_result:
            if values.draws is not None:
                summary = summarise_draws(values.draws, prob)
                ends: tuple[Floats, Floats] = summary.lower, summary.upper
                df: list[float | None] = [None] * len(grid.means)
            else:
                degrees = values.df
                half = t_reach(degrees, 0.5 * (1.0 - prob)) * values.sd
                ends = values.estimate - half, values.estimate + half
                df = degrees.tolist()
            numbers = np.stack([values.estimate, values.sd, *ends], axis=1)
            numbers[~values.estimable] = math.nan
            made.append((values, numbers, df))
        tables.append(made)
    rows = []
    for k, (of, by) in enumerate(grid.means):
        for t in range(len(found[0])):
            for made in tables:
                values, numbers, df = made[t]
                estimate, sd, lower, upper = numbers[k].tolist()
                rows.append(
                    MarginalMean(
                        model=values.result.title,
                        engine=values.result.engine,
                        mean=mean_name(of, grid.population),
                        of=of,
                        by=by,
                        estimate=estimate,
                        sd=sd,
                        df=df[k],
                        lower=lower,
                        upper=upper,
                        outcome=values.target,
                    )
                )
    return rows


def _notes(
    found: Sequence[tuple[MeanValues, ...]],
    grid: ReferenceGrid,
    measure: Measure,
    method: str,
    prob: float,
) -> tuple[str, ...]:
    design = grid.population.design
    what = "marginal means"
    if not design.family.is_additive:
        on = f"the {mean_text(design.family, design.outcome)}"
        if measure.scale == "link":
            on = f"the linear predictor ({design.family.predictor_scale})"
        what = f"marginal means of {on}"
    notes = [f"{what}{'; over ' + grid.over if grid.over else ''}{measure.groups(design)}"]
    drawn = [is_drawing(one[0].result.engine) for one in found]
    kinds = ["HDI of the posterior"] if any(drawn) else []
    if not all(drawn):
        kinds.append(
            "Wald (normal)" if method == "normal" else f"t with {method} degrees of freedom"
        )
    notes.append(f"{level(prob)} intervals: {', '.join(kinds)}")
    return tuple(notes)


def _inestimable(values: MeanValues, grid: ReferenceGrid) -> tuple[str, ...]:
    """Name the means that no rows allow to estimate."""
    gone = [
        ", ".join(map(str, (*of, *by)))
        for (of, by), known in zip(grid.means, values.estimable, strict=True)
        if not known
    ]
    if not gone:
        return ()
    shown = "; ".join(gone[:4]) + (f" and {len(gone) - 4} more" if len(gone) > 4 else "")
    return (f"not estimable, since a cell that it averages over has no rows: {shown}",)
