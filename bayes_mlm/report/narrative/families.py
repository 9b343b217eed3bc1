"""Narrative of how groups differ in outcomes that have no residual variance."""

from collections.abc import Iterator

import numpy as np

from bayes_mlm.base import estimate, number, percent, wald_reach
from bayes_mlm.design import column_moments, mean_name, predictor_name
from bayes_mlm.engines import has_random_effects
from bayes_mlm.fitting import Analysis, QuantityRow
from bayes_mlm.likelihood import group_parameters
from bayes_mlm.report.narrative.parts import (
    Conclusion,
    preferred,
    sds_in_words,
    share,
    share_span,
    span,
)

# Of normal effects, those that are described.
_MOST = 0.95


def group_differences(main: Analysis) -> Iterator[Conclusion]:
    """Yield how far groups differ: sds, median ratios, latent icc, and expected outcomes."""
    design, rows = main.design, main.summaries[0]
    if not has_random_effects(design):
        return
    names = [name for term in group_parameters(design) for name in term.sd_names]
    sds = [row for row in rows if row.quantity in names]
    text = [_sds(main, sds)]
    text += [_median(main, row) for row in rows if row.quantity.startswith("median_")]
    lead = " ".join(text)
    shares = [row for row in rows if row.quantity == "icc" or row.quantity.startswith("icc[")]
    if shares:
        listed = "; ".join(f"{share(row.estimate)}{share_span(row)}{_of(row)}" for row in shares)
        text.append(
            f"Of the variance of the latent outcome ({design.family.link}) that the predictors do "
            f"not explain, {listed} lies between groups."
        )
        lead = " ".join(text)
    elif any(view.q > 1 for view in design.group_terms):
        text.append("Slopes differ between groups, so how far groups differ depends on them.")
    if len(sds) == 1 and design.family.outcome != "ordered levels":
        text.append(_expected(main, sds[0]))
    yield Conclusion(topic="Between groups", text=" ".join(text), model=main.spec.name, lead=lead)


def _sds(main: Analysis, sds: list[QuantityRow]) -> str:
    scale, factors = predictor_name(main.design), " and ".join(main.design.factors)
    if len(sds) == 1:
        shown = f"{number(sds[0].estimate, sds[0].sd)}{span(sds[0])}"
        return f"Groups ({factors}) differ in {scale} with an sd of {shown}."
    return f"Groups ({factors}) differ in {scale}, with sds of {sds_in_words(main)}."


def _median(main: Analysis, row: QuantityRow) -> str:
    """Describe a median odds ratio (Larsen & Merlo 2005), or that of rates."""
    name = main.design.family.ratio_name
    shown = number(row.estimate, row.sd)
    if row.lower is not None and row.upper is not None:
        shown = estimate(row.estimate, row.lower, row.upper)
    factor = row.quantity.partition("[")[2].rstrip("]")
    groups = f"groups of {factor}" if factor else "groups"
    return (
        f"Of two rows with equal predictors in two {groups} taken at random, the {name} of the "
        f"higher to the lower is {shown} in the median (median {name})."
    )


def _of(row: QuantityRow) -> str:
    factor = row.quantity.partition("[")[2].rstrip("]")
    return f" ({factor})" if factor else ""


def _expected(main: Analysis, sd: QuantityRow) -> str:
    """Describe the expected outcomes of most groups, where predictors are at their means."""
    design = main.design
    betas = [preferred(main, f"beta[{term}]") for term in design.terms]
    centre = sum(
        x * row.estimate
        for x, row in zip(column_moments(design).x_mean, betas, strict=True)
        if row is not None
    )
    eta = centre + sd.estimate * wald_reach(_MOST) * np.array([-1.0, 0.0, 1.0])
    low, middle, high = design.family.inverse_link(np.asarray(eta))
    spread = float(high - low) / 20
    offset = ", with an offset of 0" if design.formula.offsets else ""
    return (
        f"Where predictors are at their means{offset}, the {mean_name(design)} is "
        f"{number(float(middle), spread)} in a group with an effect of 0, and between "
        f"{number(float(low), spread)} and {number(float(high), spread)} in {percent(_MOST)} of "
        "groups."
    )
