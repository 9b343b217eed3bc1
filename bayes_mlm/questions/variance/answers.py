"""Measures of variance by level of one model: values, or the reason why there are none."""

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
    "fixed_within": "predictors, by their slopes, within groups (f1)",
    "fixed_between": "predictors, by their slopes, between groups (f2)",
    "slopes_within": "predictors within groups, by slopes that vary (v)",
    "slopes_between": "predictors between groups, by slopes that vary (v2)",
    "means": "group effects, the predictors at their means (m)",
    "residual": "residuals",
}
_WHOLES = {
    "total": "of the whole variance",
    "within": "of the variance within groups",
    "between": "of the variance between groups",
}
# Of the total: below this a part is rounding, not a part.
_NOTHING = 1e-9


@dataclass(frozen=True, kw_only=True, eq=False)
class Asked:
    """One model with what its measures are computed from.

    Parameters
    ----------
    design : Design
    parameters : ParameterValues
    moments : DesignMoments
    null : ParameterValues or None
        Of the null model of the same rows; the model's own if it is one.
    at : mapping of str to sequence of float, or None
        Points along effects whose slopes vary.
    """

    design: Design
    parameters: ParameterValues
    moments: DesignMoments
    null: ParameterValues | None
    at: Mapping[str, Sequence[float]] | None


@dataclass(frozen=True, kw_only=True, eq=False)
class Answer:
    """S values of one measure, or None and the reason.

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


_NO_EFFECTS = "needs a distribution of group effects, and the model ({}) has none: add (1 | group)"
_SLOPES = (
    "not defined when slopes vary: the variance between groups depends on the predictors; fit the "
    "model again without varying slopes for it"
)


def answers_to(asked: Asked) -> Iterator[Answer]:
    """Yield every measure, by question; what is not defined comes with the reason."""
    yield from _shares(asked)
    if has_random_effects(asked.design):
        for line in along(asked.design, asked.at):
            values = partition(asked.parameters, line.Z)
            for k, value in enumerate(line.values):
                yield Answer(
                    question="partition",
                    quantity=f"vpc[{line.effect}={rounded(value)}]",
                    values=values[:, k],
                    meaning=f"between groups, of what the predictors leave, at {line.effect} = "
                    f"{rounded(value)}",
                )
    elif asked.at:
        along(asked.design, asked.at)
    yield from _against_null(asked)
    yield from _whole(asked)
    yield from _parts(asked)


def _shares(asked: Asked) -> Iterator[Answer]:
    yield Answer(
        question="shares",
        quantity="icc_null",
        values=None if asked.null is None else icc_null(asked.null),
        meaning="between groups, of the outcome (unconditional: no predictors)",
        note="" if asked.null is not None else _no_null(asked.design),
    )
    effects = has_random_effects(asked.design)
    slopes = effects and not asked.design.has_icc
    mean = "; a mean over the rows, as slopes vary" if slopes else ""
    why = "" if effects else _NO_EFFECTS.format(asked.design.kind)
    yield Answer(
        question="shares",
        quantity="icc_adjusted",
        values=icc_adjusted(asked.parameters, asked.moments) if effects else None,
        meaning=f"between groups, of what the predictors leave (conditional{mean})",
        note=why,
    )
    yield Answer(
        question="shares",
        quantity="icc_unadjusted",
        values=icc_unadjusted(asked.parameters, asked.moments) if effects else None,
        meaning="left between groups by the predictors, of the whole variance",
        note=why,
    )


def _against_null(asked: Asked) -> Iterator[Answer]:
    size = rsquared.representative_size(asked.design.group_sizes)
    meanings = {
        "r2_between": "fall of the variance between groups (Raudenbush & Bryk)",
        "r2_within": "fall of the variance within groups (Raudenbush & Bryk)",
        "r2_level1": "fall of the prediction error for a row of a new group (Snijders & Bosker)",
        "r2_level2": f"the same for the mean of {rounded(size)} rows (harmonic mean of group "
        "sizes)",
    }
    why = _why_not_against_null(asked)
    values: dict[str, Floats] = {}
    if not why and asked.null is not None:
        own, null = asked.parameters, asked.null
        sds = [np.sqrt(v) for v in (own.cov_u[:, 0, 0], own.sigma_e2)]
        sds += [np.sqrt(v) for v in (null.cov_u[:, 0, 0], null.sigma_e2)]
        first, second = rsquared.snijders_bosker(own, null, size)
        values = posterior.r_squared(*sds) | {"r2_level1": first, "r2_level2": second}
    for quantity, meaning in meanings.items():
        yield Answer(
            question="null",
            quantity=quantity,
            values=values.get(quantity),
            meaning=meaning,
            note=why,
        )


def _why_not_against_null(asked: Asked) -> str:
    if not has_random_effects(asked.design):
        return _NO_EFFECTS.format(asked.design.kind)
    if is_null(asked.design):
        return "this is the null model: there is nothing to explain it with"
    if not asked.design.has_icc:
        return _SLOPES
    return "" if asked.null is not None else _no_null(asked.design)


def _no_null(design: Design) -> str:
    if design.group is None or design.kind == "between":
        return "needs rows in groups, and this model has none: name their column, (1 | group)"
    return f"needs a null model of the same rows: {design.outcome} ~ 1 + (1 | {design.group})"


def _whole(asked: Asked) -> Iterator[Answer]:
    own, moments, design = asked.parameters, asked.moments, asked.design
    effects = has_random_effects(design)
    why = "" if effects else _NO_EFFECTS.format(design.kind)
    yield Answer(
        question="whole",
        quantity="r2_marginal",
        values=rsquared.marginal(own, moments) if effects else None,
        meaning="by the predictors' slopes (Nakagawa & Schielzeth)",
        note=why,
    )
    yield Answer(
        question="whole",
        quantity="r2_conditional",
        values=rsquared.conditional(own, moments) if effects else None,
        meaning="by those and by groups as such (Nakagawa & Schielzeth)",
        note=why,
    )
    values, why_not = design.compute(
        lambda rows: _bayes_conditional(own, rows),
        lambda _: (None, "needs the rows, which were summed where they lie"),
    )
    of_groups = " and these groups' effects" if design.q else ""
    yield Answer(
        question="whole",
        quantity="r2_bayes",
        values=values,
        meaning=f"of these rows, by the predictors{of_groups} (Gelman et al.)",
        note=why_not,
    )
    if effects:
        yield Answer(
            question="whole",
            quantity="r2_bayes_marginal",
            values=rsquared.bayes_marginal(own, moments),
            meaning="of rows of new groups, by the predictors (Gelman et al.; equals r2_marginal)",
        )


def _bayes_conditional(own: ParameterValues, design: Design) -> tuple[Floats | None, str]:
    if own.u is None and design.q:
        return None, "needs draws of every group's effect, and there are too many groups"
    return rsquared.bayes_conditional(own, design), ""


def _parts(asked: Asked) -> Iterator[Answer]:
    if not has_random_effects(asked.design):
        yield Answer(
            question="parts",
            quantity="part_total",
            values=None,
            meaning="the parts of the variance that the model implies",
            note=_NO_EFFECTS.format(asked.design.kind),
        )
        return
    found = decompose(asked.parameters, asked.moments)
    least = _NOTHING * found.total
    for whole, of in _WHOLES.items():
        for part, values in shares(found, whole).items():
            if part.startswith("slopes") and not np.any(getattr(found, part) > least):
                continue  # no slope varies, or only slopes of deviations from group means do
            yield Answer(
                question="parts",
                quantity=f"part_{whole}[{part}]",
                values=values,
                meaning=f"{of}: {_PARTS[part]}",
            )


def notes_on(asked: Asked) -> Iterator[str]:
    """Return notes on the model's layout that a reader needs."""
    design = asked.design
    if not has_random_effects(design):
        return
    mixed = mixed_predictors(design, asked.moments)
    if mixed:
        listed = ", ".join(mixed)
        yield (
            f"one slope for both levels: that of {listed}; fixed_within and fixed_between share it "
            "out, where within(x) and between(x) in the formula would tell two slopes apart"
        )
    if asked.null is not None and not _why_not_against_null(asked) and len(asked.null.beta) > 1:
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
