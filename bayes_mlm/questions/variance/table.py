"""Measures of variance by level of one fitted model."""

from collections.abc import Mapping, Sequence

import numpy as np

from bayes_mlm.base import DEFAULT_PROB, EngineError, check_prob, expect, level
from bayes_mlm.design import Design, same_outcome
from bayes_mlm.fitting import Estimate, Fit, Value
from bayes_mlm.questions.variance.inputs import Measure, VarianceInputs, inputs_of_family
from bayes_mlm.questions.variance.measures import measures_of, notes_on
from bayes_mlm.questions.variance.moments import design_moments
from bayes_mlm.questions.variance.parameters import is_null, null_formula, shifted
from bayes_mlm.questions.variance.rows import VarianceRow, VarianceTable

_BELOW_ZERO = {
    "r2_between": (
        "below zero: the predictors increase the variance between groups, which is possible where "
        "predictors that vary within groups suppress differences between them"
    ),
    "r2_within": (
        "below zero: the residual variance exceeds that of the null model, by chance where the "
        "predictors explain almost nothing within groups"
    ),
    "r2_level1": (
        "below zero: the model predicts a row of a new group worse than the null model; by "
        "chance, or because slopes within and between groups differ and the model has one for both"
    ),
    "r2_level2": (
        "below zero: the model predicts the mean of a new group worse than the null model; by "
        "chance, or because slopes within and between groups differ and the model has one for both"
    ),
}


def variance_by_level(
    fit: Fit | Estimate,
    *,
    null: Fit | Estimate | None = None,
    at: Mapping[str, Sequence[float]] | None = None,
    prob: float = DEFAULT_PROB,
) -> VarianceTable:
    """Return every measure of variance by level that is defined for a model.

    Parameters
    ----------
    fit : Fit or Estimate
        By any engine; of an estimate the measures have no intervals.
    null : Fit or Estimate, optional
        The model without predictors of the same rows, by the same engine with as many draws: for
        the null icc and for the R² relative to it.
    at : mapping of str to sequence of float, optional
        Values of predictors with random slopes at which the variance partition coefficient is
        computed; by default the mean, and the mean plus and minus one sd.
    prob : float
        Of the intervals.

    Returns
    -------
    VarianceTable
        A measure that is not defined for the model has a row too, with the reason.

    Raises
    ------
    EngineError
        If `null` is no null model of the same rows, or `at` names a predictor without a random
        slope.

    Examples
    --------
    >>> from bayes_mlm import fit
    >>> model = fit("reaction ~ days + (days | subject)", "sleepstudy", random_seed=1)
    >>> found = variance_by_level(model, at={"days": [0, 9]})
    >>> found["vpc[days=9]"].estimate > found["vpc[days=0]"].estimate
    True
    """
    expect("variance_by_level", fit, Fit, Estimate)
    if null is not None:
        expect("variance_by_level (null)", null, Fit, Estimate)
    check_prob(prob)
    fit.design.require_all_factors("variance_by_level")
    design, values = fit.design.whole, fit.values
    other = None
    if is_null(design):
        other = values
    elif null is not None:
        check_null(design, null.design.whole, null.name)
        other = null.values
        if len(other.beta) != len(values.beta):
            raise EngineError(
                f"the null model has {len(other.beta):,} draws and the model {len(values.beta):,}; "
                "measures relative to it need equal numbers: fit both with the same settings"
            )
        # Draws of one seed are the same quantiles of both posteriors; see
        # `bayes_mlm.fitting.summary`.
        other = shifted(other)
    inputs = VarianceInputs(
        design=design,
        parameters=values,
        moments=design_moments(design),
        null=other,
        at=at,
        request=fit.request,
    )
    if not design.family.is_additive:
        of_null = None if null is None else null.design.whole
        inputs = inputs_of_family(inputs, of_null)
    return VarianceTable(
        rows=tuple(_row(one, fit.name, fit.engine, prob) for one in measures_of(inputs)),
        interval=f"{level(prob)} HDI" if len(values.beta) > 1 else "",
        notes=tuple(notes_on(inputs)),
        verdict=fit.verdict,
    )


def check_null(design: Design, null: Design, name: str) -> None:
    """Raise an error if a design is no null model of another.

    Raises
    ------
    EngineError
        If it has predictors, or other grouping factors, another outcome or other rows.
    """
    if not is_null(null):
        raise EngineError(
            f"{name!r} is no null model: it must have random intercepts and no predictors, found "
            f"'{null.formula}'"
        )
    if null.factors != design.factors:
        raise EngineError(
            f"{name!r} is no null model of '{design.formula}': it must have the same grouping "
            f"factors ({', '.join(design.factors)}), found {', '.join(null.factors)}; compare with "
            f"{null_formula(design)}"
        )
    same = null.n == design.n and null.outcome == design.outcome
    if not same or not same_outcome(null, design):
        raise EngineError(
            f"{name!r} is no null model of '{design.formula}': it must have the same outcome in "
            f"the same {design.n} rows, found {null.outcome} in {null.n}"
        )


def _row(measure: Measure, model: str, engine: str, prob: float) -> VarianceRow:
    estimate = sd = lower = upper = None
    note = measure.note
    if measure.values is not None:
        values = measure.values
        estimate = float(values.mean())
        if len(values) > 1:  # draws, not one estimate
            value = Value(draws=values)
            sd, (lower, upper) = value.sd, value.interval(prob)
        if not np.isfinite(estimate):
            estimate = sd = lower = upper = None
            note = "not defined: its denominator is zero"
        elif estimate < 0:
            note = _BELOW_ZERO.get(measure.quantity.split("[")[0], "")
    return VarianceRow(
        model=model,
        engine=engine,
        question=measure.question,
        quantity=measure.quantity,
        estimate=estimate,
        sd=sd,
        lower=lower,
        upper=upper,
        meaning=measure.meaning,
        note=note,
    )
