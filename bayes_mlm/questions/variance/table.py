"""Measures of variance by level of one fitted model, in rows."""

from collections.abc import Mapping, Sequence

import numpy as np

from bayes_mlm.base import DEFAULT_PROB, EngineError, check_prob, expect, level
from bayes_mlm.design import Design, same_outcome
from bayes_mlm.fitting import Estimate, Fit, Value
from bayes_mlm.questions.variance.answers import Answer, Asked, answers_to, notes_on
from bayes_mlm.questions.variance.moments import design_moments
from bayes_mlm.questions.variance.parameters import is_null, turned
from bayes_mlm.questions.variance.rows import VarianceRow, VarianceTable

_BELOW_ZERO = {
    "r2_between": (
        "below zero: the predictors raise the variance between groups. That is no error: "
        "predictors of rows can uncover differences between groups that the null model hides"
    ),
    "r2_within": (
        "below zero: the residual variance is estimated as larger than the null model's, which "
        "chance does where predictors explain next to nothing within groups"
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
    """Measure variance by level in every way that is defined for a model.

    Parameters
    ----------
    fit : Fit or Estimate
        By any engine: draw by draw, or at the estimate (without intervals).
    null : Fit or Estimate, optional
        The model without predictors of the same rows, by an engine of the same kind, with as many
        draws: for the null icc and for R² against it.
    at : mapping of str to sequence of float, optional
        Where to evaluate the variance partition coefficient, by effect whose slope varies;
        elsewhere at its mean and an sd either way.
    prob : float
        Of the intervals.

    Returns
    -------
    VarianceTable
        What is not defined for the model has a row too, which says why.

    Raises
    ------
    EngineError
        If `null` is no null model of the same rows, or `at` names what does not vary.

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
    design, values = fit.design.whole, fit.values
    other = None
    if is_null(design):
        other = values
    elif null is not None:
        check_null(design, null.design.whole, null.name)
        other = null.values
        if len(other.beta) != len(values.beta):
            raise EngineError(
                "measures against a null model need as many draws of it: give both the same "
                "settings"
            )
        # From one seed both are the same quantiles of their posteriors; see
        # `bayes_mlm.fitting.summary`.
        other = turned(other)
    asked = Asked(
        design=design,
        parameters=values,
        moments=design_moments(design),
        null=other,
        at=at,
    )
    return VarianceTable(
        rows=tuple(_row(one, fit.name, fit.engine, prob) for one in answers_to(asked)),
        interval=f"{level(prob)} HDI" if len(values.beta) > 1 else "",
        notes=tuple(notes_on(asked)),
        verdict=fit.verdict,
    )


def check_null(design: Design, null: Design, name: str) -> None:
    """Refuse what is no null model of a design.

    Raises
    ------
    EngineError
        That says what it must have.
    """
    if not is_null(null):
        raise EngineError(
            f"{name!r} is no null model: it must have a random intercept and no predictors, found "
            f"'{null.formula}'"
        )
    same = null.n == design.n and null.outcome == design.outcome
    if not same or not same_outcome(null, design):
        raise EngineError(
            f"{name!r} is no null model of '{design.formula}': it must have the same outcome in "
            f"the same {design.n} rows, found {null.outcome} in {null.n}"
        )


def _row(answer: Answer, model: str, engine: str, prob: float) -> VarianceRow:
    estimate = sd = lower = upper = None
    note = answer.note
    if answer.values is not None:
        values = answer.values
        estimate = float(values.mean())
        if len(values) > 1:  # draws, not one estimate
            value = Value(draws=values)
            sd, (lower, upper) = value.sd, value.interval(prob)
        if not np.isfinite(estimate):
            estimate = sd = lower = upper = None
            note = "not defined: the variance it is a share of is zero"
        elif estimate < 0:
            note = _BELOW_ZERO.get(answer.quantity, "")
    return VarianceRow(
        model=model,
        engine=engine,
        question=answer.question,
        quantity=answer.quantity,
        estimate=estimate,
        sd=sd,
        lower=lower,
        upper=upper,
        meaning=answer.meaning,
        note=note,
    )
