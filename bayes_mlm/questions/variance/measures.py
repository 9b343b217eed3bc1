"""Measures of variance by level of one model: values, or the reason there are none."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain

import numpy as np

from bayes_mlm.base import Floats, rounded
from bayes_mlm.design import Design
from bayes_mlm.engines import has_random_effects
from bayes_mlm.fitting import ParameterValues, derived as posterior
from bayes_mlm.questions.variance import generalised, rsquared
from bayes_mlm.questions.variance.distribution import scale_of
from bayes_mlm.questions.variance.factors import (
    factor_shares,
    shared_correlations,
    total_parts,
)
from bayes_mlm.questions.variance.heterogeneity import observation, ratios
from bayes_mlm.questions.variance.inputs import NO_EFFECTS, Measure, VarianceInputs
from bayes_mlm.questions.variance.moments import DesignMoments
from bayes_mlm.questions.variance.parameters import (
    has_random_intercepts,
    is_null,
    null_formula,
)
from bayes_mlm.questions.variance.partition import Along, along, partition
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


_SLOPES = (
    "not defined with random slopes, since the variance between groups depends on the predictors; "
    "refit the model without random slopes"
)


def measures_of(inputs: VarianceInputs) -> Iterator[Measure]:
    """Yield every measure, by question; one that is not defined with the reason."""
    effects = has_random_effects(inputs.design)
    lines = along(inputs.design, inputs.at) if effects or inputs.at else ()
    lines = lines if effects else ()
    if not inputs.design.family.is_additive:
        yield from _of_family(inputs, lines)
        return
    yield from _shares(inputs)
    yield from _partitions(inputs, lines)
    yield from _relative_to_null(inputs)
    yield from _whole(inputs)
    yield from _parts(inputs)


def _of_family(inputs: VarianceInputs, lines: Sequence[Along]) -> Iterator[Measure]:
    """Yield the measures of a family without a residual sd; those of its scale say so."""
    effects = has_random_effects(inputs.design)
    latent = [_shares(inputs), generalised.other_variances(inputs), _partitions(inputs, lines)]
    for one in chain(*latent):
        yield replace(one, meaning=f"{one.meaning}, {scale_of(inputs.design.family)}")
    if effects:
        yield from observation(inputs, lines)
        yield from ratios(inputs, lines)
    yield from generalised.relative_to_null(inputs, _no_comparison(inputs))
    yield from generalised.whole(inputs)
    for one in _parts(inputs):
        meaning = one.meaning.replace("residuals", "distribution-specific variance")
        yield replace(one, meaning=f"{meaning}, {scale_of(inputs.design.family)}")


def _partitions(inputs: VarianceInputs, lines: Sequence[Along]) -> Iterator[Measure]:
    moving = {effect for term in inputs.design.group_terms for effect in term.effects}
    for line in lines:
        if line.effect in moving:
            yield from _partition(inputs, line)


def _partition(inputs: VarianceInputs, line: Along) -> Iterator[Measure]:
    *by_factor, residual = partition(inputs.parameters, line.Z)
    parts = [("", "between groups", by_factor[0])]
    if len(by_factor) > 1:
        names = inputs.design.factors
        parts = [
            (f"{name},", f"between groups of {name}", values)
            for name, values in zip(names, by_factor, strict=True)
        ]
        parts.append(("residual,", "of rows", residual))
    for k, value in enumerate(line.values):
        at = f"{line.effect}={rounded(value)}"
        for prefix, what, values in parts:
            yield Measure(
                question="partition",
                quantity=f"vpc[{prefix}{at}]",
                values=values[:, k],
                meaning=f"{what}, of the unexplained variance, at {line.effect} = {rounded(value)}",
            )


def _by_factor(inputs: VarianceInputs, mean: str) -> Iterator[Measure]:
    """Yield the shares of several factors, and the correlations of rows that share some."""
    if len(inputs.parameters.factors) < 2:
        return
    found = [
        *factor_shares(inputs.parameters, inputs.moments),
        *shared_correlations(inputs.design, inputs.parameters, inputs.moments),
    ]
    for quantity, values, meaning in found:
        yield Measure(
            question="shares", quantity=quantity, values=values, meaning=f"{meaning}{mean}"
        )


def _shares(inputs: VarianceInputs) -> Iterator[Measure]:
    yield Measure(
        question="shares",
        quantity="icc_null",
        values=None if inputs.null is None else icc_null(inputs.null),
        meaning="between groups, of the outcome (unconditional: no predictors)",
        note="" if inputs.null is not None else _no_null(inputs.design),
    )
    effects = has_random_effects(inputs.design)
    slopes = effects and not has_random_intercepts(inputs.design)
    mean = "; a mean over the rows, as slopes are random" if slopes else ""
    reason = "" if effects else NO_EFFECTS.format(inputs.design.kind)
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
    if effects:
        yield from _by_factor(inputs, mean)


def _relative_to_null(inputs: VarianceInputs) -> Iterator[Measure]:
    design = inputs.design
    several = len(design.factors) > 1
    size = None if several else rsquared.representative_size(design.group_sizes)
    between = [f"r2_between[{name}]" for name in design.factors] if several else ["r2_between"]
    within = "reduction of the residual variance" if several else "reduction of the variance within"
    meanings = {
        **dict.fromkeys(between, "reduction of the variance between groups (Raudenbush & Bryk)"),
        "r2_within": f"{within}{'' if several else ' groups'} (Raudenbush & Bryk)",
        "r2_level1": "reduction of the prediction error, a row of a new group (Snijders & Bosker)",
    }
    if size is not None:
        meanings["r2_level2"] = (
            f"the same for the mean of {rounded(size)} rows (harmonic mean of group sizes)"
        )
    reason = _no_comparison(inputs)
    values: dict[str, Floats] = {}
    if not reason and inputs.null is not None:
        model, null = inputs.parameters, inputs.null
        for quantity, now, before in zip(between, model.factors, null.factors, strict=True):
            sds = (np.sqrt(one.cov_u[:, 0, 0]) for one in (now, before))
            values[quantity] = posterior.explained(*sds)
        sds = (np.sqrt(one.residual_variance) for one in (model, null))
        values["r2_within"] = posterior.explained(*sds)
        first, second = rsquared.snijders_bosker(model, null, size or 1.0)
        values |= {"r2_level1": first, "r2_level2": second}
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
        return NO_EFFECTS.format(inputs.design.kind)
    if is_null(inputs.design):
        return "this is the null model, without predictors"
    if not has_random_intercepts(inputs.design):
        return _SLOPES
    return "" if inputs.null is not None else _no_null(inputs.design)


def _no_null(design: Design) -> str:
    if not design.factors or design.kind == "between":
        return "needs rows in groups, and this model has none: add their column, (1 | group)"
    return f"needs a null model of the same rows: {null_formula(design)}"


def _whole(inputs: VarianceInputs) -> Iterator[Measure]:
    model, moments, design = inputs.parameters, inputs.moments, inputs.design
    effects = has_random_effects(design)
    reason = "" if effects else NO_EFFECTS.format(design.kind)
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
    values: Floats | None = None
    if design.imputations:
        reason = f"is of the rows of one data set, and these are {len(design.imputations)}"
    else:
        values, reason = design.compute(
            lambda rows: _bayes_conditional(model, rows),
            lambda _: (None, "needs the rows, and the data are aggregated"),
        )
    of_groups = " and the group effects" if design.has_group_effects else ""
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
    if rsquared.lacks_effects(model, design):
        return None, "needs draws of every group effect, and there are too many groups"
    return rsquared.bayes_conditional(model, design), ""


def _parts(inputs: VarianceInputs) -> Iterator[Measure]:
    if not has_random_effects(inputs.design):
        yield Measure(
            question="parts",
            quantity="part_total",
            values=None,
            meaning="parts of the model-implied variance",
            note=NO_EFFECTS.format(inputs.design.kind),
        )
        return
    if len(inputs.parameters.factors) > 1:
        for part, values, meaning in total_parts(inputs.parameters, inputs.moments):
            yield Measure(
                question="parts",
                quantity=f"part_total[{part}]",
                values=values,
                meaning=f"{_WHOLES['total']}: {meaning}",
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
    if not design.family.is_additive:
        yield from generalised.notes_of_family(inputs)
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
    if len(moments.factors) > 1:
        return []  # the parts of one predictor by several factors do not add up
    x = moments.factors[0].x
    within, between = np.diag(x.within), np.diag(x.between)
    total = within + between
    held = {name for name in design.terms if f"between({name})" in design.terms}
    return [
        term
        for term, inside, outside, whole in zip(design.terms, within, between, total, strict=True)
        if term not in held and inside > 1e-3 * whole and outside > 1e-3 * whole
    ]
