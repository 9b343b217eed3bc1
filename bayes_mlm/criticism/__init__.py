"""Criticise a fitted model: what about it is fine, what is not, and which groups are behind it."""

from collections.abc import Iterator

import numpy as np

from bayes_mlm.arguments import expect
from bayes_mlm.classical import has_random_effects
from bayes_mlm.criticism.groups import group_rows, outlying
from bayes_mlm.criticism.judging import (
    Observed,
    enough_replicates,
    has_extreme_tail,
    on_computation,
    on_effects,
    on_influence,
    on_outlying,
    on_replicates,
    on_residuals,
    on_spread,
    without_rows,
)
from bayes_mlm.criticism.normality import normal_qq
from bayes_mlm.criticism.replicates import bulk_skewness, replicate, skewness_of
from bayes_mlm.criticism.result import Check, GroupRow, Judgement
from bayes_mlm.criticism.spread import Spread, spread_within
from bayes_mlm.criticism.standardised import (
    fitted_values,
    standardised_effects,
    standardised_residuals,
)
from bayes_mlm.design import Floats
from bayes_mlm.errors import BayesMLMError
from bayes_mlm.fitted import Fit
from bayes_mlm.leave_out import shifts_without_groups

__all__ = ["Check", "GroupRow", "Judgement", "check"]

# Streams of random numbers apart from those of the fit.
_STREAM = 11
_LEAST_GROUPS = 3


def check(fit: Fit, *, sample: Fit | None = None) -> Check:
    """Criticise a model: normality, outliers, influence, spread, replicated data.

    Parameters
    ----------
    fit : Fit
        By any engine.
    sample : Fit, optional
        Of summed data: some groups with their rows (`sample_groups`), for what only rows tell.

    Returns
    -------
    Check
        Prints as a page of judgements, each fine or to be looked at, with what to do; `groups`
        and `to_frame` have a row a group.

    Raises
    ------
    EngineError
        If `fit` is none.

    References
    ----------
    Snijders & Bosker (2012), Multilevel Analysis, 2nd ed., ch. 10; Raudenbush & Bryk (2002),
    Hierarchical Linear Models, 2nd ed., ch. 9; Gelman et al. (2013), Bayesian Data Analysis, 3rd
    ed., ch. 6.

    Examples
    --------
    >>> from bayes_mlm import check, fit
    >>> found = check(fit("reaction ~ days + (days | subject)", "sleepstudy", random_seed=1))
    >>> [one.topic for one in found.judgements if one.fine is False]
    ['Influential groups', 'Distribution of residuals']
    >>> max(found.groups, key=lambda row: row.spread).group
    332
    """
    expect("check", fit, Fit)
    if sample is not None:
        expect("check (sample)", sample, Fit)
    design = fit.design
    whose = sample or fit
    residual = None
    if whose.design.summed is None:
        residual = standardised_residuals(whose, fitted_values(whose))
    rows: tuple[GroupRow, ...] = ()
    spread = None
    if design.group is not None:
        if design.q:
            normal = residual if fit.priors.nu is None else None  # with others it is not judged
            spread = spread_within(fit, fit.settings.random_seed, residual=normal)
        rows = _group_rows(fit, spread)
    return Check(
        model=fit.record.formula if fit.record.name == "model" else fit.record.name,
        group=design.group,
        judgements=tuple(_judgements(fit, rows, spread, whose, residual)),
        groups=rows,
        verdict=fit.verdict,
    )


def _group_rows(fit: Fit, spread: Spread | None) -> tuple[GroupRow, ...]:
    out = None
    if has_random_effects(fit.design) and fit.design.J >= _LEAST_GROUPS:
        out = outlying(standardised_effects(fit))
    try:
        shifts = shifts_without_groups(fit)
    except BayesMLMError:  # no other group tells a coefficient: the judgement says that it is open
        shifts = None
    return group_rows(fit, out, spread, shifts)


def _judgements(
    fit: Fit,
    rows: tuple[GroupRow, ...],
    spread: Spread | None,
    whose: Fit,
    residual: Floats | None,
) -> Iterator[Judgement]:
    design, seed = fit.design, fit.settings.random_seed + _STREAM
    student = fit.priors.nu is not None
    yield on_computation(fit)
    if has_random_effects(design) and design.J >= _LEAST_GROUPS:
        standardised = standardised_effects(fit)
        for k, name in enumerate(design.effects):
            values = standardised[:, k]
            known = values[np.isfinite(values)]
            enough = known.size >= max(_LEAST_GROUPS, design.J // 2)
            yield on_effects(name, normal_qq(known, seed + k) if enough else None)
        yield on_outlying(rows, str(design.group))
    if design.group is not None:
        yield on_influence(rows, str(design.group))
    if spread is not None:
        structured = design.residual is not None
        yield on_spread(spread, rows, structured=structured, student=student)
    if residual is None:
        yield from without_rows()
        return
    among = "" if whose is fit else f" (of {whose.design.notes[-1]})"
    bulk = bulk_skewness(residual)
    yield on_residuals(normal_qq(residual, seed), bulk, student=student, among=among)
    y = whose.design.y
    observed = Observed(
        low=float(y.min()), high=float(y.max()), skewness=skewness_of(y), bulk=bulk_skewness(y)
    )
    made = replicate(whose)
    if made.n < enough_replicates() and has_extreme_tail(made, observed):
        made = replicate(whose, n=enough_replicates())
    yield on_replicates(made, observed, design.outcome, among)
