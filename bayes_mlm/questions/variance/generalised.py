"""Measures of outcomes whose family has no residual sd: probabilities, counts, categories.

On the scale of the linear predictor a distribution-specific variance stands for the residual one
(`distribution`); on the observation scale the group effects are integrated out (`observation`).
"""

from collections.abc import Iterator

import numpy as np

from bayes_mlm.base import Floats, rounded
from bayes_mlm.engines import has_random_effects
from bayes_mlm.fitting import derived
from bayes_mlm.questions.variance import rsquared
from bayes_mlm.questions.variance.distribution import (
    NAMES,
    default_variance,
    of_distribution,
    scale_of,
)
from bayes_mlm.questions.variance.inputs import (
    NO_EFFECTS,
    NO_SCALE,
    Measure,
    VarianceInputs,
)
from bayes_mlm.questions.variance.observation import fitted_share
from bayes_mlm.questions.variance.shares import icc_adjusted, icc_unadjusted

_MEASURES = {
    "r2_marginal": rsquared.marginal,
    "r2_conditional": rsquared.conditional,
}
_FIXED = (
    "the variance given the linear predictor is the distribution's, and not reduced by predictors; "
    "see r2_marginal"
)
_SNIJDERS = "of such outcomes Snijders & Bosker's R² needs no null model: see r2_marginal"


def other_variances(inputs: VarianceInputs) -> Iterator[Measure]:
    """Yield icc and R² by the distribution-specific variances that are not the default."""
    for name in list(inputs.variances)[1:]:
        other = of_distribution(inputs.parameters, inputs.variances[name])
        for quantity, compute, what in (
            ("icc_adjusted", icc_adjusted, "between groups, of the unexplained variance"),
            ("icc_unadjusted", icc_unadjusted, "unexplained between groups, of the total variance"),
        ):
            yield Measure(
                question="shares",
                quantity=f"{quantity}[{name}]",
                values=compute(other, inputs.moments),
                meaning=f"{what}, distribution-specific variance: {name}",
            )


def relative_to_null(inputs: VarianceInputs, reason: str) -> Iterator[Measure]:
    """Yield the proportional change in variance, and why there is no more relative to the null."""
    design, several = inputs.design, len(inputs.design.factors) > 1
    latent = design.family.latent_variance is not None
    meaning = "proportional change in variance between groups, PCV (Merlo et al. 2005)"
    meaning += "; the latent scales of two models differ" if latent else ""
    names = [f"r2_between[{name}]" for name in design.factors] if several else ["r2_between"]
    for k, name in enumerate(names):
        values = None
        if not reason and inputs.null is not None:
            sds = (
                np.sqrt(one.factors[k].cov_u[:, 0, 0]) for one in (inputs.parameters, inputs.null)
            )
            values = derived.explained(*sds)
        yield Measure(question="null", quantity=name, values=values, meaning=meaning, note=reason)
    yield Measure(
        question="null",
        quantity="r2_within",
        values=None,
        meaning="reduction of the variance within groups",
        note=reason or _FIXED,
    )
    yield Measure(
        question="null",
        quantity="r2_level1",
        values=None,
        meaning="reduction of the prediction error (Snijders & Bosker)",
        note=reason or _SNIJDERS,
    )


def whole(inputs: VarianceInputs) -> Iterator[Measure]:
    """Yield marginal and conditional R² by each distribution-specific variance, and Bayesian R²."""
    design, family = inputs.design, inputs.design.family
    effects = has_random_effects(design)
    reason = "" if effects else NO_EFFECTS.format(design.kind)
    names = list(inputs.variances) or [default_variance(family)]
    same = ""
    if family.latent_variance is not None:
        same = "; that of Snijders & Bosker 2012, sec. 17.3.4, and of McKelvey & Zavoina's form"
    for place, name in enumerate(names):
        for quantity, compute in _MEASURES.items():
            marginal = quantity == "r2_marginal"
            by = "by the fixed effects" if marginal else "by the fixed and the random effects"
            values = None
            if effects:
                parameters = of_distribution(inputs.parameters, inputs.variances[name])
                values = compute(parameters, inputs.moments)
            yield Measure(
                question="whole",
                quantity=quantity if place == 0 else f"{quantity}[{name}]",
                values=values,
                meaning=f"{by} (Nakagawa, Johnson & Schielzeth 2017, {name} variance"
                f"{same if marginal and place == 0 else ''}), {scale_of(inputs.design.family)}",
                note=reason,
            )
    values, note = _bayes(inputs)
    of_groups = " and the group effects" if design.has_group_effects else ""
    yield Measure(
        question="whole",
        quantity="r2_bayes",
        values=values,
        meaning=f"of the outcomes of the data, by the predictors{of_groups} (Gelman et al. 2019), "
        "observation scale",
        note=note,
    )
    if effects:
        at = inputs.averages
        yield Measure(
            question="whole",
            quantity="r2_bayes_marginal",
            values=None if at is None else at.fixed / at.total,
            meaning="of outcomes of new groups, by the predictors, observation scale",
            note=NO_SCALE if at is None else "",
        )


def _bayes(inputs: VarianceInputs) -> tuple[Floats | None, str]:
    design = inputs.design
    if design.family.chances is not None:
        return None, NO_SCALE
    if rsquared.lacks_effects(inputs.parameters, design):
        return None, "needs draws of every group effect, and there are too many groups"
    return fitted_share(design.family, inputs.parameters, design), ""


def notes_of_family(inputs: VarianceInputs) -> Iterator[str]:
    """Yield notes on the scales of the measures."""
    if not inputs.variances:
        return
    family, design = inputs.design.family, inputs.design
    name = next(iter(inputs.variances))
    what = NAMES[name]
    if family.latent_variance is not None:
        what = f"{rounded(family.latent_variance)}, {what} {family.link}"
    others = "".join(f"; [{one}]: {NAMES[one]}" for one in list(inputs.variances)[1:])
    yield (
        f"{scale_of(family)}: the variance within groups is distribution-specific, {name} "
        f"({what}){others}"
    )
    if inputs.averages is not None:
        trial = "a single trial" if family.takes_trials else design.outcome
        yield (
            f"observation scale: of {trial} itself, group effects integrated out by quadrature, "
            f"averaged over the {'trials' if family.takes_trials else 'rows'}"
        )
        if inputs.averages.mean.size < len(inputs.parameters.beta):
            yield (
                f"observation scale: by {inputs.averages.mean.size:,} of the "
                f"{len(inputs.parameters.beta):,} draws, evenly spaced"
            )
