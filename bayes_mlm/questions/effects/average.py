"""Differences and slopes of the expected outcome, at set values or averaged over rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bayes_mlm.base import (
    DEFAULT_PROB,
    DataError,
    DesignError,
    EmptyCellError,
    UnsupportedModelError,
    check_prob,
    expect,
    knows_words,
)
from bayes_mlm.engines import ENGINES
from bayes_mlm.fitting import Estimate, Fit, with_estimate
from bayes_mlm.questions.effects.query import (
    At,
    Change,
    beyond,
    changes,
    check_predictor,
    constant,
    grid,
)
from bayes_mlm.questions.effects.result import Effect, Effects, Kind
from bayes_mlm.questions.effects.rows import Moved, Population, Settings, read_population
from bayes_mlm.questions.effects.scale import (
    Comparison,
    Measure,
    Rope,
    Scale,
    check_rope,
    read_measure,
)
from bayes_mlm.questions.effects.values import Found, values_of
from bayes_mlm.questions.response.rows import Question

# Of the sd of the predictor: the error of a central difference is of the order of its square.
_STEP = 1e-4


@dataclass(frozen=True, kw_only=True, eq=False)
class ContrastSpec:
    """A requested effect: its name, setting, change, and the values it is between."""

    contrast: str
    at: tuple[At, ...]
    moved: Moved
    ends: tuple[At, ...] = ()


_BY_GROUP = "at={'sex': ['Female', 'Male']}, an estimate for each"
_OF_ROWS = "data=, the rows to average over"
# What marginaleffects, bambi's interpret and Stata's margins call an argument.
_ELSEWHERE = {
    **dict.fromkeys(("average_by", "by", "conditional", "condition", "over"), _BY_GROUP),
    **dict.fromkeys(("newdata", "new_data", "new_rows"), _OF_ROWS),
    **dict.fromkeys(("conf_level", "level", "ci", "ci_prob", "hdi_prob"), "prob=0.9"),
    **dict.fromkeys(("model", "idata", "fit_result"), "the fit, in first place"),
    **dict.fromkeys(("wrt", "variables", "variable", "dydx"), "the predictor, in second place"),
    "eps": "nothing: the derivative is exact where the model is linear in the predictor",
}


@knows_words(_ELSEWHERE)
def comparisons(
    fit: Fit | Estimate,
    contrast: str | Mapping[str, Any],
    *,
    at: Mapping[str, Any] | None = None,
    data: Any = None,
    scale: Scale | None = None,
    comparison: Comparison = "difference",
    question: Question | None = None,
    rope: Rope | None = None,
    prob: float = DEFAULT_PROB,
    likelihood: bool = True,
) -> Effects:
    """Compare the expected outcome at two values of a predictor.

    The average, over the rows, of the difference in the expected outcome between two values of
    the predictor: a difference of means, of probabilities (risk difference) or of rates. The
    columns of the design are computed anew at either value, so that interactions,
    transformations, ``within(x)`` and ``between(x)`` follow.

    Parameters
    ----------
    fit : Fit or Estimate
        A posterior is compared with the REML or OLS estimate of the same design.
    contrast : str or mapping
        ``"sector"``, ``{"sector": (0, 1)}`` (from 0 to 1), ``{"ses": "sd"}`` (a change by one sd),
        ``{"ses": 2}``, ``{"ses": "slope"}``, ``{"grade": "pairwise"}``. A name alone means: the
        second value against the first if there are two, each category against the first, and a
        change by 1 of a number.
    at : mapping, optional
        Values of other predictors: a number, a category, "mean", "mean±sd", "median", or several
        (a row for each combination). Those not named keep the values they have in the rows.
        Without `at` the effect is the average effect.
    data : data frame, str or Path, optional
        Rows to average over instead of those fitted: another population.
    scale : {"response", "link"}, optional
        Of a family with a link: expected outcomes (the default: probabilities, of one trial;
        counts; the probability of each category and the expected score), or the linear
        predictor. The same for Gaussian outcomes.
    comparison : {"difference", "ratio", "odds_ratio"}
        Difference, ratio (of risks or rates) or odds ratio of the averages over rows. With
        ``scale="link"`` the exponential of the difference, where that is an odds or rate ratio.
    question : {"new_group", "population", "existing_group"}, optional
        Of a family with a link and group effects: outcomes averaged over the distribution of
        groups (population-averaged; the default), at group effects of zero, or of each row with
        the effects of its own group. By ML these are integrated over their distribution given
        the outcomes.
    rope : (float, float), optional
        Region of practical equivalence, in units of the outcome, or as a ratio.
    prob : float
        Probability of the intervals.
    likelihood : bool
        Whether to compare a posterior with REML or OLS.

    Returns
    -------
    Effects
        Posterior mean, sd, HDI, probability of direction, and the shares of the posterior below,
        in and above `rope`, every one computed draw by draw; by REML or ML the estimate, its
        standard error by the delta method (exact where the effect is linear in the coefficients,
        else with the covariance of all parameters) and its Wald interval, of a ratio that of its
        logarithm.

    Raises
    ------
    DesignError
        If there is no such predictor or category, the model has no coefficient for it, or the
        comparison or question has no meaning for the model.
    DataError
        If the rows are needed and unavailable.
    RowsNeededError
        If the data are aggregated, unless every predictor is set.

    Notes
    -----
    In `within` and `mundlak` models a change of a predictor that varies within groups leaves the
    group means unchanged; a change of a group-level predictor changes the group means of its
    products.

    References
    ----------
    Arel-Bundock, Greifer & Heiss (2024), Journal of Statistical Software 111(9) (the averages);
    Kruschke (2018), Advances in Methods and Practices in Psychological Science 1(2) (`rope`).

    Examples
    --------
    >>> from bayes_mlm import fit
    >>> fitted = fit("mathach ~ ses * sector + (1 | schoolid)", "hsb", random_seed=1)
    >>> found = comparisons(fitted, "sector", at={"ses": [-1, 0, 1]})
    >>> [round(row.estimate, 1) for row in found.by("direct")]
    [3.5, 2.1, 0.8]
    >>> [round(row.estimate, 2) for row in found.by("reml")]
    [3.45, 2.14, 0.83]
    """
    population = population_of(fit, data, prob)
    measure = read_measure(population.design, scale, comparison, question)
    specs = contrast_specs(population, contrast, at)
    found = with_estimate(fit, prob, wanted=likelihood)
    return effects_of(found, population, "comparison", specs, measure, rope=rope, prob=prob)


@knows_words(_ELSEWHERE)
def slopes(
    fit: Fit | Estimate,
    predictor: str,
    *,
    at: Mapping[str, Any] | None = None,
    data: Any = None,
    scale: Scale | None = None,
    question: Question | None = None,
    rope: Rope | None = None,
    prob: float = DEFAULT_PROB,
    likelihood: bool = True,
) -> Effects:
    """Estimate the slope of the expected outcome along a numeric predictor.

    The derivative of the expected outcome with all that the predictor is in (polynomials,
    splines, interactions, an offset), by a central difference of the design's columns (exact where
    they are linear in the predictor); of a family with a link that of the mean. At values of a
    moderator these are the simple slopes; where the relation is curved the predictor may be set
    as well.

    Parameters
    ----------
    fit, at, data, scale, question, rope, prob, likelihood
        As in `comparisons`.
    predictor : str
        A numeric column of the table.

    Returns
    -------
    Effects
        In units of the outcome for one unit of the predictor.

    Examples
    --------
    >>> from bayes_mlm import fit
    >>> fitted = fit("mathach ~ ses * sector + (1 | schoolid)", "hsb", random_seed=1)
    >>> found = slopes(fitted, "ses", at={"sector": [0, 1]})
    >>> [round(row.estimate, 2) for row in found.by("reml")]
    [2.95, 1.64]
    """
    population = population_of(fit, data, prob)
    measure = read_measure(population.design, scale, "difference", question)
    check_predictor(population, predictor)
    if population.levels(predictor) is not None:
        raise DesignError(f"{predictor!r} is categorical and has no slope; use comparisons")
    specs = contrast_specs(population, {predictor: "slope"}, at)
    found = with_estimate(fit, prob, wanted=likelihood)
    return effects_of(found, population, "slope", specs, measure, rope=rope, prob=prob)


def contrast_specs(
    population: Population, contrast: str | Mapping[str, Any], at: Mapping[str, Any] | None
) -> list[ContrastSpec]:
    """Return every contrast at every setting."""
    found = changes(population, contrast)
    settings = grid(population, at, without=[name for change in found for name in change.sets])
    return [_spec(population, change, setting) for change in found for setting in settings]


def _spec(population: Population, change: Change, setting: tuple[At, ...]) -> ContrastSpec:
    """Return a contrast at a setting."""
    ends = (value for value in (change.low, change.high) if value is not None)
    return ContrastSpec(
        contrast=change.text,
        at=setting,
        moved=change_of(population, change, setting),
        ends=tuple(At(name=change.name, value=value) for value in ends),
    )


def change_of(population: Population, change: Change, setting: Sequence[At]) -> Moved:
    """Return a change, or a slope, at one setting: weights of the coefficients, and a shift."""
    if change.is_slope:
        return _slope(population, change.name, setting)
    base = as_settings(population, setting)
    name, (low, high) = change.name, change.ends(population, base)
    try:
        return population.difference({**base, name: high}, {**base, name: low})
    except EmptyCellError:
        raise
    except DataError as error:
        if change.low is not None:
            raise
        raise DataError(
            f"{change.text} moves rows to where the model is not defined: {error}; or compare two "
            f"values inside, {{{name!r}: (from, to)}} (--contrast), or take its slope"
        ) from error


def as_settings(population: Population, setting: Sequence[At]) -> Settings:
    """Return the values of a setting as columns (n,)."""
    return {one.name: constant(population, one.value) for one in setting}


def _slope(population: Population, name: str, setting: Sequence[At]) -> Moved:
    base = as_settings(population, setting)
    if not population.rows_known and name not in base:
        return _slope_anywhere(population, name, setting)
    centre = np.asarray(base[name] if name in base else population.column(name), dtype=float)
    spread = population.numbers(name).sd() if population.rows_known else 0.0
    step = _STEP * (spread if spread > 0 else max(1.0, float(np.abs(centre).max())))
    here = {**base, name: centre}
    before, after = {**base, name: centre - step}, {**base, name: centre + step}
    splines = bool(population.design.encoding.bases)
    if splines:  # defined at the values themselves; their polynomials go on a step past the ends
        population.difference(here, here)
    try:
        return population.difference(after, before, extend=splines).over(2.0 * step)
    except EmptyCellError:
        raise
    except DataError:  # at the edge of a logarithm's domain: a one-sided difference
        return population.difference(after, here, extend=splines).over(step)


def _slope_anywhere(population: Population, name: str, setting: Sequence[At]) -> Moved:
    """Return the slope along a predictor whose values are unavailable, if it is constant."""
    try:
        here, there = (
            _slope(population, name, (*setting, At(name=name, value=at))) for at in (0.0, 1.0)
        )
    except EmptyCellError:
        raise
    except DataError:  # not defined at 0, so no straight line
        population.column(name)  # raises RowsNeededError
        raise
    size = float(np.abs(here.weights).max())
    if not np.allclose(here.weights, there.weights, rtol=1e-6, atol=1e-6 * size):
        population.column(name)
    return here


def population_of(fit: Fit | Estimate, data: Any, prob: float) -> Population:
    """Return the rows that the effects of a result are averaged over, after checking arguments."""
    check_prob(prob)
    expect("an effect", fit, Fit, Estimate)
    return read_population(fit.design, fit.request, data)


def effects_of(
    results: Sequence[Fit | Estimate],
    population: Population,
    kind: Kind,
    specs: Sequence[ContrastSpec],
    measure: Measure,
    *,
    rope: Rope | None,
    prob: float,
) -> Effects:
    """Return the effects by every result; the verdict is that of the first."""
    check_rope(rope)
    design = population.design
    for one in specs:
        if not np.abs(one.moved.weights).max(initial=0.0) > 0.0 and one.moved.shift == 0.0:
            raise DesignError(
                f"{one.contrast!r} has no effect in the {design.kind} model, which has "
                "no coefficient for it; fit a model of another kind, or choose another contrast"
            )
    moved = [one.moved for one in specs]
    found, left_out = [], []
    for result in results:
        try:
            found.append((result, list(values_of(result, moved, measure))))
        except UnsupportedModelError as error:
            if not found:
                raise
            left_out.append(f"without {ENGINES[result.engine].label}: {error}")
    rows = [
        _effect(result, kind, one, values[k][t], measure, rope, prob)
        for k, one in enumerate(specs)
        for t in range(len(found[0][1][k]))
        for result, values in found
    ]
    return Effects(
        rows=tuple(rows),
        over=f"{population.what}{measure.groups(design)}",
        prob=prob,
        methods=tuple(_method(result) for result, _ in found),
        rope=None if rope is None else (float(rope[0]), float(rope[1])),
        weights=np.array([one.weights for one in moved]),
        measure=measure,
        what=measure.text(design, slope=kind == "slope"),
        verdict=results[0].verdict,
        cautions=(*beyond(population, ((*one.at, *one.ends) for one in specs)), *left_out),
    )


def _method(result: Fit | Estimate) -> str:
    """Return how the intervals of a result are made, and of what."""
    of = "the posterior" if isinstance(result, Fit) else ENGINES[result.engine].label
    return f"{result.interval_method} of {of}"


def _effect(
    result: Fit | Estimate,
    kind: Kind,
    spec: ContrastSpec,
    value: Found,
    measure: Measure,
    rope: Rope | None,
    prob: float,
) -> Effect:
    estimate, sd, lower, upper = value.summary(prob)
    shares: dict[str, float] = {}
    if value.value.draws is not None:
        negative, positive = value.shares((measure.null, measure.null))
        shares = {"direction": max(negative, positive), "positive": positive}
        if rope is not None:
            below, above = value.shares(rope)
            shares |= {"below": below, "within": 1.0 - below - above, "above": above}
    return Effect(
        model=result.title,
        engine=result.engine,
        kind=kind,
        contrast=spec.contrast,
        at=spec.at,
        estimate=estimate,
        sd=sd,
        lower=lower,
        upper=upper,
        outcome=value.target,
        scale=measure.scale,
        comparison=measure.comparison,
        question=measure.question,
        **shares,
    )
