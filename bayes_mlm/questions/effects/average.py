"""Compute differences and slopes, at values of other predictors or averaged over rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bayes_mlm.base import (
    DEFAULT_PROB,
    DataError,
    DesignError,
    EmptyCellError,
    EngineError,
    Floats,
    check_prob,
    expect,
)
from bayes_mlm.fitting import CoefficientSource, Estimate, Fit, Value, with_estimate
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
from bayes_mlm.questions.effects.rows import Moved, Population, Settings, population

type Rope = tuple[float, float]
# Of the sd of the predictor: the error of a central difference is of the order of its square.
_STEP = 1e-4


@dataclass(frozen=True, kw_only=True, eq=False)
class Asked:
    """One requested effect: its name, setting, weights (p,), and the values it is between.

    `shift` is what the offset adds to it.
    """

    contrast: str
    at: tuple[At, ...]
    weights: Floats
    shift: float = 0.0
    ends: tuple[At, ...] = ()


def comparisons(
    fit: Fit | Estimate,
    contrast: str | Mapping[str, Any],
    *,
    at: Mapping[str, Any] | None = None,
    data: Any = None,
    rope: Rope | None = None,
    prob: float = DEFAULT_PROB,
    likelihood: bool = True,
) -> Effects:
    """Compare the expected outcome at two values of a predictor.

    The rows at hand are taken twice, with the predictor at the one value and at the other, and
    laid out as the model's design was; so interactions, transformations, ``within(x)`` and
    ``between(x)`` follow by themselves. The effect is the mean difference: of the fixed part, for
    a group whose effects are zero.

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
    rope : (float, float), optional
        Region of practical equivalence, in units of the outcome.
    prob : float
        Probability of the intervals.
    likelihood : bool
        Whether to compare a posterior with REML or OLS.

    Returns
    -------
    Effects
        Posterior mean, sd, HDI, probability of direction, and the shares of the posterior below,
        in and above `rope`; by REML the estimate, its standard error by the delta method (exact,
        for the effect is linear in the coefficients) and its Wald interval.

    Raises
    ------
    DesignError
        If a predictor or a category is not there, or the model does not let it have an effect.
    DataError
        If the rows are needed and not to be had.
    RowsNeededError
        Of data that were summed, unless every predictor is set.

    Notes
    -----
    In `within` and `mundlak` models a change of what members have leaves the means of their group
    as they are; a change of what a group shares changes the group's means of products with it.

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
    people = population_of(fit, data, prob)
    queries = compared(people, contrast, at)
    found = with_estimate(fit, prob, wanted=likelihood)
    return measure(found, people, "comparison", queries, rope=rope, prob=prob)


def slopes(
    fit: Fit | Estimate,
    predictor: str,
    *,
    at: Mapping[str, Any] | None = None,
    data: Any = None,
    rope: Rope | None = None,
    prob: float = DEFAULT_PROB,
    likelihood: bool = True,
) -> Effects:
    """Estimate the slope of the expected outcome along a numeric predictor.

    The derivative of the fixed part with all that the predictor is in (polynomials, splines,
    interactions, an offset), by a central difference of the design's columns (exact where they are
    straight in the predictor). At values of a moderator these are the simple slopes; the
    predictor itself may be set too, where the line bends.

    Parameters
    ----------
    fit, at, data, rope, prob, likelihood
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
    people = population_of(fit, data, prob)
    check_predictor(people, predictor)
    if people.levels(predictor) is not None:
        raise DesignError(f"{predictor!r} is made of categories and has no slope; compare them")
    asked = [
        _asked(people, change, setting)
        for change in changes(people, {predictor: "slope"})
        for setting in grid(people, at)
    ]
    found = with_estimate(fit, prob, wanted=likelihood)
    return measure(found, people, "slope", asked, rope=rope, prob=prob)


def compared(
    people: Population, contrast: str | Mapping[str, Any], at: Mapping[str, Any] | None
) -> list[Asked]:
    """Make the weights of every contrast at every setting."""
    asked = changes(people, contrast)
    settings = grid(people, at, without=[name for change in asked for name in change.sets])
    return [_asked(people, change, setting) for change in asked for setting in settings]


def _asked(people: Population, change: Change, setting: tuple[At, ...]) -> Asked:
    """Make the weights of a change at a setting."""
    moved = change_of(people, change, setting)
    ends = (value for value in (change.low, change.high) if value is not None)
    return Asked(
        contrast=change.text,
        at=setting,
        weights=moved.weights,
        shift=moved.shift,
        ends=tuple(At(name=change.name, value=value) for value in ends),
    )


def change_of(people: Population, change: Change, setting: Sequence[At]) -> Moved:
    """Return a change, or a slope, at one setting: weights of the coefficients, and a shift."""
    if change.is_slope:
        return _slope(people, change.name, setting)
    base = as_settings(people, setting)
    low, high = change.ends(people, base)
    return people.difference({**base, change.name: high}, {**base, change.name: low})


def as_settings(people: Population, setting: Sequence[At]) -> Settings:
    """Convert values to columns."""
    return {one.name: constant(people, one.value) for one in setting}


def _slope(people: Population, name: str, setting: Sequence[At]) -> Moved:
    base = as_settings(people, setting)
    if people.away and name not in base:
        return _slope_anywhere(people, name, setting)
    centre = np.asarray(base[name] if name in base else people.own(name), dtype=float)
    spread = 0.0 if people.away else float(people.own(name).astype(float).std())
    step = _STEP * (spread if spread > 0 else max(1.0, float(np.abs(centre).max())))
    here = {**base, name: centre}
    before, after = {**base, name: centre - step}, {**base, name: centre + step}
    splines = bool(people.design.encoding.bases)
    if splines:  # defined at the values themselves; their polynomials go on a step past the ends
        people.difference(here, here)
    try:
        return people.difference(after, before, extend=splines).over(2.0 * step)
    except EmptyCellError:
        raise
    except DataError:  # at the edge of a logarithm's domain there is only one side
        return people.difference(after, here, extend=splines).over(step)


def _slope_anywhere(people: Population, name: str, setting: Sequence[At]) -> Moved:
    """Return the slope along a predictor whose values are unavailable, where it is constant."""
    try:
        here, there = (
            _slope(people, name, (*setting, At(name=name, value=at))) for at in (0.0, 1.0)
        )
    except EmptyCellError:
        raise
    except DataError:  # not defined at 0, so no straight line
        people.own(name)  # which says that it needs the rows
        raise
    size = float(np.abs(here.weights).max())
    if not np.allclose(here.weights, there.weights, rtol=1e-6, atol=1e-6 * size):
        people.own(name)
    return here


def population_of(fit: Fit | Estimate, data: Any, prob: float) -> Population:
    """Return the rows that the effects of a result are averaged over.

    Raises
    ------
    EngineError
        If `fit` is no result, or `prob` no probability.
    """
    check_prob(prob)
    expect("a question about effects", fit, Fit, Estimate)
    return population(fit.design, fit.request, data)


def measure(
    results: Sequence[CoefficientSource],
    people: Population,
    kind: Kind,
    asked: Sequence[Asked],
    *,
    rope: Rope | None,
    prob: float,
) -> Effects:
    """Evaluate effects by every available result, the first of which gives the verdict."""
    _check_rope(rope)
    weights = np.array([one.weights for one in asked])
    for one in asked:
        if not np.abs(one.weights).max(initial=0.0) > 0.0 and one.shift == 0.0:
            raise DesignError(
                f"the {people.design.kind} model lets {one.contrast!r} change nothing: "
                "its columns are not among the model's coefficients"
            )
    values = [result.combine(weights) for result in results]
    rows = [
        _effect(result, kind, one, found[k].plus(one.shift), rope, prob)
        for k, one in enumerate(asked)
        for result, found in zip(results, values, strict=True)
    ]
    return Effects(
        rows=tuple(rows),
        over=people.what,
        prob=prob,
        rope=None if rope is None else (float(rope[0]), float(rope[1])),
        weights=weights,
        verdict=results[0].verdict,
        cautions=beyond(people, ((*one.at, *one.ends) for one in asked)),
    )


def _effect(
    result: CoefficientSource, kind: Kind, one: Asked, value: Value, rope: Rope | None, prob: float
) -> Effect:
    lower, upper = value.interval(prob)
    shares: dict[str, float] = {}
    if rope is not None and value.draws is not None:
        below, above = (
            float((value.draws < rope[0]).mean()),
            float((value.draws > rope[1]).mean()),
        )
        shares = {"below": below, "within": 1.0 - below - above, "above": above}
    return Effect(
        model=result.title,
        engine=result.engine,
        kind=kind,
        contrast=one.contrast,
        at=one.at,
        estimate=value.mean,
        sd=value.sd,
        lower=lower,
        upper=upper,
        direction=value.direction,
        positive=value.positive,
        **shares,
    )


def _check_rope(rope: Rope | None) -> None:
    if rope is None:
        return
    ends = np.asarray(rope, dtype=np.float64)
    if ends.shape != (2,) or not np.isfinite(ends).all() or not ends[0] < ends[1]:
        raise EngineError(
            f"rope is a region (lower, upper) in units of the outcome, the lower end first; found "
            f"{rope!r}"
        )
