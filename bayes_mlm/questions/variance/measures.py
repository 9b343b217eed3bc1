"""Measures of variance by level of one model: values, or the reason there are none."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bayes_mlm.base import Floats, rounded
from bayes_mlm.design import Design
from bayes_mlm.engines import has_random_effects
from bayes_mlm.fitting import ParameterValues, derived as posterior
from bayes_mlm.questions.variance import rsquared
from bayes_mlm.questions.variance.moments import DesignMoments
from bayes_mlm.questions.variance.parameters import is_null
from bayes_mlm.questions.variance.partition import along, partition
from bayes_mlm.questions.variance.rights_sterba import decompose, shares
from bayes_mlm.questions.variance.shares import icc_adjusted, icc_null, icc_unadjusted

_PARTS = {
    "fixed_within": "fixed effects of predictors within groups (f1)",
    "fixed_between": "fixed effects of predictors between groups (f2)",
    "slopes_within": "random slopes of predictors within groups (v)",
    "slopes_between": "random slopes of predictors between groups (v2)",
    "means": "group effects, the predictors at their means (m)",
    "residual": "residuals",
}
_WHOLES = {
    "total": "of the total variance",
    "within": "of the variance within groups",
    "between": "of the variance between groups",
}
# Of the total: a smaller part is rounding error.
_NOTHING = 1e-9


@dataclass(frozen=True, kw_only=True, eq=False)
class VarianceInputs:
    """What the measures of one model are computed from.

    Parameters
    ----------
    design : Design
    parameters : ParameterValues
    moments : DesignMoments
    null : ParameterValues or None
        Of the null model of the same rows; equal to `parameters` of a null model.
    at : mapping of str to sequence of float, or None
        Values of predictors with random slopes.
    """

    design: Design
    parameters: ParameterValues
    moments: DesignMoments
    null: ParameterValues | None
    at: Mapping[str, Sequence[float]] | None


@dataclass(frozen=True, kw_only=True, eq=False)
class Measure:
    """S values of one measure, or None with the reason in `note`.

    Parameters
    ----------
    question, quantity : str
    values : ndarray, shape (S,), or None
    meaning, note : str
    """

    question: str
    quantity: str
    values: Floats | None
    meaning: str
    note: str = ""


_NO_EFFECTS = "needs random effects, and the model ({}) has none: add (1 | group)"
_SLOPES = (
    "not defined with random slopes, since the variance between groups depends on the predictors; "
    "refit the model without random slopes"
)


def measures_of(inputs: VarianceInputs) -> Iterator[Measure]:
    """Yield every measure, by question; one that is not defined with the reason."""
    yield from _shares(inputs)
    if has_random_effects(inputs.design):
        for line in along(inputs.design, inputs.at):
            values = partition(inputs.parameters, line.Z)
            for k, value in enumerate(line.values):
                yield Measure(
                    question="partition",
                    quantity=f"vpc[{line.effect}={rounded(value)}]",
                    values=values[:, k],
                    meaning=f"between groups, of the unexplained variance, at {line.effect} = "
                    f"{rounded(value)}",
                )
    elif inputs.at:
        along(inputs.design, inputs.at)
    yield from _relative_to_null(inputs)
    yield from _whole(inputs)
    yield from _parts(inputs)


def _shares(inputs: VarianceInputs) -> Iterator[Measure]:
    yield Measure(
        question="shares",
        quantity="icc_null",
        values=None if inputs.null is None else icc_null(inputs.null),
        meaning="between groups, of the outcome (unconditional: no predictors)",
        note="" if inputs.null is not None else _no_null(inputs.design),
    )
    effects = has_random_effects(inputs.design)
    slopes = effects and not inputs.design.has_icc
    mean = "; a mean over the rows, as slopes are random" if slopes else ""
    reason = "" if effects else _NO_EFFECTS.format(inputs.design.kind)
    yield Measure(
        question="shares",
        quantity="icc_adjusted",
        values=icc_adjusted(inputs.parameters, inputs.moments) if effects else None,
        meaning=f"between groups, of the unexplained variance (conditional{mean})",
        note=reason,
    )
    yield Measure(
        question="shares",
        quantity="icc_unadjusted",
        values=icc_unadjusted(inputs.parameters, inputs.moments) if effects else None,
        meaning="unexplained between groups, of the total variance",
        note=reason,
    )


def _relative_to_null(inputs: VarianceInputs) -> Iterator[Measure]:
    size = rsquared.representative_size(inputs.design.group_sizes)
    meanings = {
        "r2_between": "reduction of the variance between groups (Raudenbush & Bryk)",
        "r2_within": "reduction of the variance within groups (Raudenbush & Bryk)",
        "r2_level1": "reduction of the prediction error, a row of a new group (Snijders & Bosker)",
        "r2_level2": f"the same for the mean of {rounded(size)} rows (harmonic mean of group "
        "sizes)",
    }
    reason = _no_comparison(inputs)
    values: dict[str, Floats] = {}
    if not reason and inputs.null is not None:
        model, null = inputs.parameters, inputs.null
        sds = [np.sqrt(v) for v in (model.cov_u[:, 0, 0], model.residual_variance)]
        sds += [np.sqrt(v) for v in (null.cov_u[:, 0, 0], null.residual_variance)]
        first, second = rsquared.snijders_bosker(model, null, size)
        values = posterior.r_squared(*sds) | {"r2_level1": first, "r2_level2": second}
    for quantity, meaning in meanings.items():
        yield Measure(
            question="null",
            quantity=quantity,
            values=values.get(quantity),
            meaning=meaning,
            note=reason,
        )


def _no_comparison(inputs: VarianceInputs) -> str:
    if not has_random_effects(inputs.design):
        return _NO_EFFECTS.format(inputs.design.kind)
    if is_null(inputs.design):
        return "this is the null model, without predictors"
    if not inputs.design.has_icc:
        return _SLOPES
    return "" if inputs.null is not None else _no_null(inputs.design)


def _no_null(design: Design) -> str:
    if design.group is None or design.kind == "between":
        return "needs rows in groups, and this model has none: add their column, (1 | group)"
    return f"needs a null model of the same rows: {design.outcome} ~ 1 + (1 | {design.group})"


def _whole(inputs: VarianceInputs) -> Iterator[Measure]:
    model, moments, design = inputs.parameters, inputs.moments, inputs.design
    effects = has_random_effects(design)
    reason = "" if effects else _NO_EFFECTS.format(design.kind)
    yield Measure(
        question="whole",
        quantity="r2_marginal",
        values=rsquared.marginal(model, moments) if effects else None,
        meaning="by the fixed effects (Nakagawa & Schielzeth)",
        note=reason,
    )
    yield Measure(
        question="whole",
        quantity="r2_conditional",
        values=rsquared.conditional(model, moments) if effects else None,
        meaning="by the fixed and the random effects (Nakagawa & Schielzeth)",
        note=reason,
    )
    values, reason = design.compute(
        lambda rows: _bayes_conditional(model, rows),
        lambda _: (None, "needs the rows, and the data are aggregated"),
    )
    of_groups = " and the group effects" if design.q else ""
    yield Measure(
        question="whole",
        quantity="r2_bayes",
        values=values,
        meaning=f"of the rows of the data, by the predictors{of_groups} (Gelman et al.)",
        note=reason,
    )
    if effects:
        yield Measure(
            question="whole",
            quantity="r2_bayes_marginal",
            values=rsquared.bayes_marginal(model, moments),
            meaning="of rows of new groups, by the predictors (Gelman et al.; equals r2_marginal)",
        )


def _bayes_conditional(model: ParameterValues, design: Design) -> tuple[Floats | None, str]:
    if model.u is None and design.q:
        return None, "needs draws of every group effect, and there are too many groups"
    return rsquared.bayes_conditional(model, design), ""


def _parts(inputs: VarianceInputs) -> Iterator[Measure]:
    if not has_random_effects(inputs.design):
        yield Measure(
            question="parts",
            quantity="part_total",
            values=None,
            meaning="parts of the model-implied variance",
            note=_NO_EFFECTS.format(inputs.design.kind),
        )
        return
    found = decompose(inputs.parameters, inputs.moments)
    least = _NOTHING * found.total
    for whole, of in _WHOLES.items():
        for part, values in shares(found, whole).items():
            if part.startswith("slopes") and not np.any(getattr(found, part) > least):
                continue  # no random slopes, or only of deviations from group means
            yield Measure(
                question="parts",
                quantity=f"part_{whole}[{part}]",
                values=values,
                meaning=f"{of}: {_PARTS[part]}",
            )


def notes_on(inputs: VarianceInputs) -> Iterator[str]:
    """Yield notes on how the predictors enter the model."""
    design = inputs.design
    if not has_random_effects(design):
        return
    mixed = mixed_predictors(design, inputs.moments)
    if mixed:
        listed = ", ".join(mixed)
        yield (
            f"one slope at both levels for {listed}: fixed_within and fixed_between split its "
            "part; within(x) and between(x) in the formula estimate two"
        )
    if inputs.null is not None and not _no_comparison(inputs) and len(inputs.null.beta) > 1:
        yield (
            "intervals against the null model are outer bounds, because the draws of two models "
            "are paired at random"
        )


def mixed_predictors(design: Design, moments: DesignMoments) -> list[str]:
    """Return the columns that vary at both levels, each with more than 0.1 % of its variance."""
    within, between = np.diag(moments.x.within), np.diag(moments.x.between)
    total = within + between
    held = {name for name in design.terms if f"between({name})" in design.terms}
    return [
        term
        for term, inside, outside, whole in zip(design.terms, within, between, total, strict=True)
        if term not in held and inside > 1e-3 * whole and outside > 1e-3 * whole
    ]
