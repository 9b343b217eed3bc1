"""Check a fitted model: what about it holds, what does not, and what to do about that."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from bayes_mlm.assess.checks.dispersion import (
    ALONG,
    BY_GROUP,
    LEAST_ROWS,
    SERIAL,
    heteroscedasticity_assessment,
    on_correlation,
    on_spread,
    on_variance,
)
from bayes_mlm.assess.checks.groups import group_rows, outlying
from bayes_mlm.assess.checks.heteroscedasticity import Heteroscedasticity, heteroscedasticity
from bayes_mlm.assess.checks.influence import on_influence
from bayes_mlm.assess.checks.mean_part import CURVED, on_curvature, on_slopes, on_varying
from bayes_mlm.assess.checks.nested import (
    curvature,
    group_statistics,
    omitted_effects,
    slopes_by_level,
)
from bayes_mlm.assess.checks.predictive import RESIDUALS, predictive_assessments
from bayes_mlm.assess.checks.reference import holm
from bayes_mlm.assess.checks.result import LEVEL, Assessment, Check, GroupRow, GroupRows
from bayes_mlm.assess.checks.shape import (
    FEW_VALUES,
    SKEW,
    TAILS,
    effect_moments,
    on_effects,
    on_outcome,
    on_skewness,
    on_tails,
    values_of_outcome,
)
from bayes_mlm.assess.checks.standardised import standardised_effects
from bayes_mlm.assess.checks.statistics import Sampled, sample_statistics, variance_predictors
from bayes_mlm.assess.checks.working import working_rows
from bayes_mlm.assess.loo import shifts_without_groups
from bayes_mlm.base import DesignError, EngineError, expect
from bayes_mlm.design import INTERCEPT, Design
from bayes_mlm.engines import has_random_effects
from bayes_mlm.fitting import Fit, expect_draws, residual_draws
from bayes_mlm.model import MAX_STRATA

__all__ = ["Assessment", "Check", "GroupRow", "assess", "check"]

# Streams of random numbers apart from those of the fit.
_STREAM = 11
# Groups below which the distribution of their effects is not judged.
_LEAST_GROUPS = 5
_NO_ROWS = (
    "The data were reduced to sums by group, and this check needs rows: give a sample of groups "
    "with their rows (sample_groups)."
)
# Kinds whose residuals are independent normals of one sd.
_PLAIN_ONLY = ("between", "no_pooling")
# Share of the level that a single test has among ten of a page.
_CLEAR = 0.1
# Times its value that a p counts, for what it is uncertain by.
_UNSURE = 1.25
_OMITTED = "Omitted group effects can cause this too: correct those first."
_FOLLOWS = "Not judged: it follows from an outcome of few values."
# Checks that need rows, and those that an outcome of few values fails by itself.
_OF_ROWS = (CURVED, ALONG, SERIAL, SKEW, TAILS)
_OF_VALUES = {topic for topic, _ in (ALONG, BY_GROUP, SKEW, TAILS)}


def check(fit: Fit, *, sample: Fit | None = None) -> Check:
    """Check a model: its slopes, group effects, residuals, and the groups behind the results.

    Each check asks one question and makes one test of it. The tests together raise any false alarm
    on at most 5 % of data sets that are as the model says (Holm); what fails names its remedy.

    Parameters
    ----------
    fit : Fit
        By any engine.
    sample : Fit, optional
        Of summed data: some groups with rows (`sample_groups`), for the checks that need them.

    Returns
    -------
    Check
        Prints as a page; ``to_frame("checks")`` has a row a check, `groups` and `to_frame` one a
        group.

    Raises
    ------
    EngineError
        If `fit` is not what `fit` returns, or `sample` not what `sample_groups` does of it.

    Notes
    -----
    Slopes, curvature and effects that are missing are tested by REML against the larger model. The
    statistics of residuals and group effects are compared with those of data redrawn under the
    model at its posterior means. Which groups a result hangs on is a note, and no test. Several
    grouping factors, and families without a residual sd, have posterior predictive checks.

    References
    ----------
    Snijders & Bosker (2012), Multilevel Analysis, 2nd ed., ch. 10; Raudenbush & Bryk (2002),
    Hierarchical Linear Models, 2nd ed., ch. 9; Holm (1979), Scandinavian Journal of Statistics
    6(2).

    Examples
    --------
    >>> from bayes_mlm import check, fit
    >>> found = check(fit("reaction ~ days + (days | subject)", "sleepstudy", random_seed=1))
    >>> [one.topic for one in found if one.fine is False]
    ['Residual autocorrelation', 'Tails of residuals']
    >>> max(found.groups, key=lambda row: row.spread).group
    332
    """
    expect_draws("check", fit)
    if len(fit.design.factors) > 1:
        return _of_several(fit)
    if sample is not None:
        expect("check (sample)", sample, Fit)
        if sample.design.sample_of is not fit.design:
            raise EngineError("check (sample) takes what sample_groups gives for the same fit")
    design, whose = fit.design, sample or fit
    additive = design.family.is_additive
    spread = heteroscedasticity(fit) if additive and design.group is not None and design.q else None
    rows = () if design.group is None else _group_rows(fit, spread)
    found = [_on_computation(fit), *assess(fit, whose, rows)]
    if design.group is not None:
        found.append(on_influence(rows, design.group))
    return Check(
        model=fit.spec.title,
        group=design.group,
        rows=tuple(found),
        groups=GroupRows(rows=rows, verdict=fit.verdict),
        verdict=fit.verdict,
    )


def _of_several(fit: Fit) -> Check:
    """Return the page of a model with several grouping factors, by posterior predictive checks."""
    if fit.design.has_rows:
        found = list(predictive_assessments(fit))
    else:
        found = [Assessment(topic=RESIDUALS[0], question=RESIDUALS[1], found=_NO_ROWS)]
    return Check(
        model=fit.spec.title,
        group=None,
        rows=(_on_computation(fit), *_together(found)),
        groups=GroupRows(rows=(), verdict=fit.verdict),
        verdict=fit.verdict,
    )


def assess(
    fit: Fit, whose: Fit | None = None, rows: tuple[GroupRow, ...] = ()
) -> tuple[Assessment, ...]:
    """Run the tests of a page, adjusted for their number.

    Parameters
    ----------
    fit : Fit
    whose : Fit, optional
        With the rows, where they are those of a sample.
    rows : tuple of GroupRow
        Of the groups, which the words name.
    """
    return tuple(_together(list(_assessments(fit, whose or fit, rows))))


def _together(found: list[Assessment]) -> Iterator[Assessment]:
    """Adjust p values for multiple tests and for Monte Carlo error; flag those below the level.

    Each p is itself estimated, by replicates or by a formula for many groups.
    """
    tested = [one for one in found if one.p is not None]
    p = holm(np.minimum(_UNSURE * np.array([one.p for one in tested]), 1.0))
    adjusted = iter(p.tolist())
    for one in found:
        if one.p is None:
            yield one
            continue
        value = next(adjusted)
        fine = value >= LEVEL or one.negligible
        yield replace(one, fine=fine, p_adjusted=value, remedy="" if fine else one.remedy)


def _on_computation(fit: Fit) -> Assessment:
    return Assessment(
        topic="Computation",
        question="Can the draws be relied on?",
        fine=fit.verdict.ok,
        found=f"By {fit.engine}: {fit.verdict}.",
        remedy="" if fit.verdict.ok else "Fix this first: no check below is reliable without it.",
    )


def _group_rows(fit: Fit, spread: Heteroscedasticity | None) -> tuple[GroupRow, ...]:
    out = None
    enough = fit.design.J >= _LEAST_GROUPS and fit.design.family.is_additive
    if has_random_effects(fit.design) and enough:
        out = outlying(standardised_effects(fit))
    try:
        shifts = shifts_without_groups(fit)
    except (DesignError, EngineError):  # a coefficient not identified without one of the groups
        shifts = None
    return group_rows(fit, out, spread, shifts)


def _assessments(fit: Fit, whose: Fit, rows: tuple[GroupRow, ...]) -> Iterator[Assessment]:
    if not fit.design.family.is_additive:
        yield from predictive_assessments(whose)
        return
    seed = fit.settings.random_seed + _STREAM
    values = values_of_outcome(fit, whose)
    few = values is not None and values <= FEW_VALUES
    yield on_outcome(fit, values)
    design, omitted = fit.design.whole, False
    if design.group is not None and design.kind != "between":
        yield on_slopes(slopes_by_level(fit), design)
        varying = on_varying(omitted_effects(fit, group_statistics(fit)), design)
        omitted = is_clear(varying) and INTERCEPT not in design.effects
        yield varying
    found = whose.design.compute(
        lambda _: _of_rows(fit, whose, rows, seed), lambda _: _of_sums(fit, rows, seed)
    )
    for one in found:
        if few and one.topic in _OF_VALUES:
            yield Assessment(topic=one.topic, question=one.question, found=_FOLLOWS)
        elif omitted and one.remedy:
            yield replace(one, remedy=f"{_OMITTED} {one.remedy}")
        elif design.kind in _PLAIN_ONLY and "--" in one.remedy:
            yield replace(one, remedy=f"{one.remedy} {_needs_partial(design)}")
        else:
            yield one


def is_clear(one: Assessment | None) -> bool:
    """Return whether a check fails whatever the p values of the others."""
    return one is not None and one.p is not None and one.p < _CLEAR * LEVEL


def _needs_partial(design: Design) -> str:
    return (
        f"That is for partial pooling, (1 | {design.group}): the {design.kind} kind has "
        "independent normal residuals of one sd."
    )


def _of_rows(fit: Fit, whose: Fit, rows: tuple[GroupRow, ...], seed: int) -> Iterator[Assessment]:
    """Run the checks that need rows."""
    work = working_rows(whose, seed)
    predictors, names = variance_predictors(work)
    sampled = sample_statistics(work, predictors, seed)
    among = "" if whose is fit else f" (of {whose.design.notes[-1]})"
    if work.n < whose.design.n:
        among = f" (of {work.n:,} of {whose.design.n:,} rows)"
    yield on_curvature(curvature(whose, work))
    variance = on_variance(work, sampled, names, among)
    spread = None
    yield variance
    if work.grouped:
        small = _few_large(fit)
        spread = on_spread(work, sampled, rows, among, small=small)
        if whose is not fit:  # of all groups, with the kurtosis of the sample
            spread = _spread_of_sums(fit, rows, seed, float(sampled.kurtosis[0])) or spread
        yield spread
        yield on_correlation(work, sampled, among)
    unequal = is_clear(variance) or is_clear(spread)
    yield on_skewness(work, sampled, among)
    sd = float(residual_draws(fit.draws).mean.sds[0, 0]) if fit.design.residual is None else None
    yield on_tails(work, sampled, among, unequal=unequal, sd=sd)
    if has_random_effects(fit.design):
        whole = sampled if whose is fit and work.n == whose.design.n else None
        yield from _on_effects(fit, whole, rows, seed)


def _of_sums(fit: Fit, rows: tuple[GroupRow, ...], seed: int) -> Iterator[Assessment]:
    """Run the checks that sums by group allow; those that need rows are not tested."""
    spread = _spread_of_sums(fit, rows, seed, 3.0)
    if spread is not None:
        yield spread
    for topic, question in _OF_ROWS:
        yield Assessment(topic=topic, question=question, found=_NO_ROWS)
    if has_random_effects(fit.design):
        yield from _on_effects(fit, None, rows, seed)


def _few_large(fit: Fit) -> bool:
    """Return whether groups are few and large enough for a residual sd each."""
    sizes = fit.design.group_sizes
    return sizes.size <= MAX_STRATA and bool(sizes.min() >= LEAST_ROWS)


def _spread_of_sums(
    fit: Fit, rows: tuple[GroupRow, ...], seed: int, kurtosis: float
) -> Assessment | None:
    if not fit.design.q:
        return None
    spread = heteroscedasticity(fit, seed, kurtosis=kurtosis)
    if spread.h is None or spread.h_p is None:
        return None
    return heteroscedasticity_assessment(
        spread.h, spread.h_p, rows, "", str(fit.design.group), small=_few_large(fit)
    )


def _on_effects(
    fit: Fit, sampled: Sampled | None, rows: tuple[GroupRow, ...], seed: int
) -> Iterator[Assessment]:
    """Check the distribution of group effects, redrawn with the rows or as normal samples."""
    if sampled is not None:
        found = (sampled.effect_sizes, sampled.effect_skewness, sampled.effect_kurtosis)
    else:
        found = effect_moments(standardised_effects(fit), seed)
    yield from on_effects(fit.design.effects, *found, rows, str(fit.design.group))
