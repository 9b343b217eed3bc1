"""Narrative of the partition of the variance, and of explained variance."""

from collections.abc import Iterator, Sequence

from bayes_mlm.base import count, number, percent
from bayes_mlm.design import INTERCEPT
from bayes_mlm.engines import has_random_effects
from bayes_mlm.fitting import Analysis, QuantityRow
from bayes_mlm.report.narrative.choosing import null_of
from bayes_mlm.report.narrative.families import group_differences
from bayes_mlm.report.narrative.parts import (
    Conclusion,
    preferred,
    sds_in_words,
    share,
    share_span,
    span,
)

# An interval that reaches below this does not exclude zero for practical purposes.
_NEGLIGIBLE = 0.01


def variation(analyses: Sequence[Analysis], main: Analysis) -> Iterator[Conclusion]:
    """Yield the share of the variance between groups, and the share that predictors explain."""
    if not main.design.family.is_additive:
        yield from group_differences(main)
        return
    model = null_of(analyses) or main
    design, row = model.design, preferred(model, "icc")
    if row is None:
        yield from _no_share(main)
        return
    part = "" if design.terms == (INTERCEPT,) else " not explained by the predictors"
    text = (
        f"Of the variance of {design.outcome}{part}, {share(row.estimate)}{share_span(row)} lies "
        f"between the groups of {design.group} and the other {share(1 - row.estimate)} within "
        "them."
    )
    if row.lower is not None and row.lower < _NEGLIGIBLE:
        text += (
            " The share between groups is not distinguishable from zero: its interval reaches "
            f"{share(row.lower)}."
        )
    lead = text
    effect = preferred(model, "design_effect")
    if not part and effect is not None and effect.estimate >= 1.0:
        alone = design.n / effect.estimate
        text += (
            f" For the overall mean, the {count(design.n, 'row')} carry the information of about "
            f"{number(alone, alone / 5)} independent ones."
        )
    topic, name = "Within and between groups", model.spec.name
    yield Conclusion(topic=topic, text=text, model=name, lead=lead)
    between, within = preferred(main, "r2_between"), preferred(main, "r2_within")
    if between is None or within is None or between.estimate != between.estimate:
        return
    text = (
        f"Relative to the null model, the predictors of {main.spec.formula} explain "
        f"{_explained(between)} of the variance between groups and {_explained(within)} of that "
        "within."
    )
    if min(between.estimate, within.estimate) < 0.0:
        text += (
            " A negative value can occur: predictors may reveal variance that the null model "
            "conceals."
        )
    yield Conclusion(topic="Explained variance", text=text, model=main.spec.name)


def _no_share(main: Analysis) -> Iterator[Conclusion]:
    design = main.design
    topic, name = "Within and between groups", main.spec.name
    if not has_random_effects(design):
        text = (
            f"The share is not defined for this model ({design.kind.replace('_', ' ')}): it has no "
            "distribution of group effects. Add one to the formula, such as (1 | group)."
        )
        yield Conclusion(topic=topic, text=text, model=name)
        return
    residual = preferred(main, design.family.residual_sd or "")
    why = (
        "Slopes differ between groups, so the share is not constant: it depends on the predictors."
    )
    if len(design.factors) > 1:
        why = f"The grouping factors ({', '.join(design.factors)}) each have a share."
    lead = f"The sds between groups ({', '.join(design.factors)}) are {sds_in_words(main)}"
    if residual is not None:
        lead += f"; that of residuals is {number(residual.estimate, residual.sd)}{span(residual)}"
    lead += "."
    yield Conclusion(topic=topic, text=f"{why} {lead}", model=name, lead=lead)


def _explained(row: QuantityRow) -> str:
    return percent(row.estimate).replace("-", "−")
