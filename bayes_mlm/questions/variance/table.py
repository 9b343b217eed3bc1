"""Put the measures of variance by level of one fitted model in rows."""

from collections.abc import Mapping, Sequence

import numpy as np

from bayes_mlm.base import DEFAULT_PROB, EngineError, Finding, Verdict, check_prob, expect, level
from bayes_mlm.design import INTERCEPT, Design, same_outcome
from bayes_mlm.engines import OlsFit, RemlFit
from bayes_mlm.fitting import Classical, Fit, shortest_interval
from bayes_mlm.questions.variance.answers import Answer, Asked, answers_to, notes_on
from bayes_mlm.questions.variance.moments import design_moments
from bayes_mlm.questions.variance.parameters import (
    is_null,
    parameters_of_classical,
    parameters_of_fit,
    turned,
)
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
    fit: Fit,
    *,
    null: Fit | None = None,
    at: Mapping[str, Sequence[float]] | None = None,
    prob: float = DEFAULT_PROB,
) -> VarianceTable:
    """Measure variance by level in every way that is defined for a model, draw by draw.

    Parameters
    ----------
    fit : Fit
        By any engine.
    null : Fit, optional
        The model without predictors of the same rows, with as many draws: for the null icc and
        for R² against it.
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
    hint = "for a REML or OLS fit use variance_by_level_classical(fit, design)"
    expect("variance_by_level", fit, Fit, hint=hint)
    if null is not None:
        expect("variance_by_level (null)", null, Fit)
    check_prob(prob)
    design, own = fit.design.whole, parameters_of_fit(fit)
    other = None
    if is_null(design):
        other = own
    elif null is not None:
        check_null(design, null.design.whole, null.spec.name)
        other = parameters_of_fit(null)
        if len(other.beta) != len(own.beta):
            raise EngineError(
                "measures against a null model need as many draws of it: give both the same "
                "settings"
            )
        # From one seed both are the same quantiles of their posteriors; see
        # `bayes_mlm.fitting.summary`.
        other = turned(other)
    asked = Asked(
        design=design,
        parameters=own,
        moments=design_moments(design),
        null=other,
        at=at,
    )
    return _table(asked, fit.spec.name, fit.engine, prob, fit.verdict)


def variance_by_level_classical(
    fit: Classical,
    design: Design,
    *,
    name: str = "model",
    null: Classical | None = None,
    at: Mapping[str, Sequence[float]] | None = None,
) -> VarianceTable:
    """Measure variance by level at a REML or OLS estimate (plug-in, without intervals).

    Parameters
    ----------
    fit : RemlFit or OlsFit
    design : Design
        That was fitted.
    name : str
        Of the model.
    null : RemlFit, optional
        Of the model without predictors, of the same rows.
    at
        As in `variance_by_level`.

    Returns
    -------
    VarianceTable

    Examples
    --------
    >>> from bayes_mlm import build_design, fit_reml, load_dataset
    >>> design = build_design("mathach ~ ses + (1 | schoolid)", load_dataset("hsb"))
    >>> found = variance_by_level_classical(fit_reml(design), design)
    >>> print(f"{found['icc_adjusted'].estimate:.4f} {found['icc_unadjusted'].estimate:.4f}")
    0.1141 0.1053
    """
    for one in (fit,) if null is None else (fit, null):
        expect("variance_by_level_classical", one, RemlFit, OlsFit)
    expect("variance_by_level_classical", design, Design)
    own = parameters_of_classical(fit)
    engine = "ols" if isinstance(fit, OlsFit) else "reml"
    other = None
    if is_null(design):
        other = own
    elif null is not None:
        if isinstance(null, OlsFit) or _wrong_null(null, design):
            raise EngineError(
                f"the null model must have a random intercept, no predictors and the same "
                f"{design.n} rows"
            )
        other = parameters_of_classical(null)
    asked = Asked(
        design=design,
        parameters=own,
        moments=design_moments(design),
        null=other,
        at=at,
    )
    if isinstance(fit, OlsFit):
        verdict = Verdict((Finding("optimum", True, "closed form"),))
    else:
        verdict = Verdict((Finding("optimum", fit.certificate.ok, fit.certificate.message),))
    return _table(asked, name, engine, None, verdict)


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


def _wrong_null(null: RemlFit, design: Design) -> bool:
    return (null.terms, null.effects, null.n) != ((INTERCEPT,), (INTERCEPT,), design.n)


def _table(
    asked: Asked, model: str, engine: str, prob: float | None, verdict: Verdict
) -> VarianceTable:
    rows = tuple(_row(one, model, engine, prob) for one in answers_to(asked))
    return VarianceTable(
        rows=rows,
        interval="" if prob is None else f"{level(prob)} HDI",
        notes=tuple(notes_on(asked)),
        verdict=verdict,
    )


def _row(answer: Answer, model: str, engine: str, prob: float | None) -> VarianceRow:
    estimate = sd = lower = upper = None
    note = answer.note
    if answer.values is not None:
        values = answer.values
        estimate = float(values.mean())
        if prob is not None:
            sd = float(values.std(ddof=1))
            ends = shortest_interval(values[:, None], prob)
            lower, upper = float(ends[0][0]), float(ends[1][0])
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
