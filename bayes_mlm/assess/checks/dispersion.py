"""Judge whether residuals have one variance and do not follow on each other."""

import math
from collections.abc import Sequence

import numpy as np

from bayes_mlm.assess.checks.reference import two_sided, upper_tail
from bayes_mlm.assess.checks.result import Assessment, GroupRow
from bayes_mlm.assess.checks.statistics import Sampled, quadratic_form
from bayes_mlm.assess.checks.working import Working
from bayes_mlm.base import count, number, shorten
from bayes_mlm.model import MAX_STRATA

_NAMED = 3
# Rows that a level of a factor needs for a level-specific residual sd.
LEAST_ROWS = 3

ALONG = (
    "Residual variance along predictors",
    "Is the residual variance the same at all predictors?",
)
BY_GROUP = ("Residual variance by group", "Is the residual variance the same in all groups?")
SERIAL = ("Residual autocorrelation", "Are residuals of neighbouring rows of a group unrelated?")


def on_variance(work: Working, sampled: Sampled, names: Sequence[str], among: str) -> Assessment:
    """Judge whether the residual variance changes along predictors (Breusch & Pagan)."""
    topic, question = ALONG
    if not names:
        return Assessment(topic=topic, question=question, found="The model has no predictor.")
    form = quadratic_form(sampled.variance)
    replicates = sampled.variance[:, 1:]
    z = (sampled.variance[:, 0] - replicates.mean(axis=1)) / replicates.std(axis=1)
    most = int(np.argmax(np.abs(z)))
    term = names[most]
    factor, known = _factor_of(work, term), _sigma_of(work)
    if known and factor != known:
        remedy = (
            f"--sigma {known} does not account for it: cross {known} with {factor or term} (in a "
            "few classes) in a new column, for --sigma."
        )
    elif factor:
        remedy = f"Let the residual sd differ between levels of {factor}: --sigma {factor}."
    else:
        remedy = (
            f"Cut {term} into a few classes in a new column, and let the residual sd differ "
            "between them: --sigma with that column; or transform the outcome."
        )
    more = "rises" if z[most] > 0 else "falls"
    return Assessment(
        topic=topic,
        question=question,
        statistic=f"chi² = {form[0]:.1f} on {len(names)} df",
        p=upper_tail(float(form[0]), form[1:]),
        found=f"The residual variance{among} {more} most with {term} (z = "
        f"{number(float(z[most]), 0.1)}).",
        remedy=remedy,
    )


def _sigma_of(work: Working) -> str | None:
    """Return the factor whose levels have different residual sds in the model."""
    return None if work.design.residual is None else work.design.residual.spec.sigma_column


def _factor_of(work: Working, term: str) -> str:
    """Return the column of a term, if it is a factor of few levels."""
    if "[" in term:
        name = term.partition("[")[0]
        return name.removeprefix("C(").removesuffix(")")
    column = work.design.X[:, work.design.terms.index(term)]
    _, sizes = np.unique(column, return_counts=True)
    few = sizes.size <= MAX_STRATA and sizes.min() >= LEAST_ROWS
    return term if few and "(" not in term else ""


def on_spread(
    work: Working, sampled: Sampled, rows: Sequence[GroupRow], among: str, *, small: bool
) -> Assessment:
    """Judge whether the residual variance is the same in all groups.

    Parameters
    ----------
    small : bool
        Whether there are few enough groups for group-specific sds.
    """
    topic, question = BY_GROUP
    h = float(sampled.spread[0])
    if math.isnan(h):
        return Assessment(
            topic=topic, question=question, found="Too few groups have enough rows to be compared."
        )
    return heteroscedasticity_assessment(
        h,
        upper_tail(h, sampled.spread[1:]),
        rows,
        among,
        str(work.design.group),
        small=small,
    )


def heteroscedasticity_assessment(
    h: float, p: float, rows: Sequence[GroupRow], among: str, group: str, *, small: bool
) -> Assessment:
    """Describe H and its probability."""
    topic, question = BY_GROUP
    known = [row for row in rows if row.spread is not None]
    far = sorted(known, key=lambda row: row.spread_p or 0.0)[:_NAMED]
    named = ", ".join(f"{shorten(row.group)} ({number(row.spread or 0.0, 0.1)})" for row in far)
    remedy = (
        "Let the residual sd differ between levels of a factor that the groups share, such as a "
        "sector or a year: --sigma factor. Until then intervals are too wide in some groups and "
        "too narrow in others."
    )
    if small:
        remedy = f"Let the residual sd differ between groups: --sigma {group}."
    return Assessment(
        topic=topic,
        question=question,
        statistic=f"H = {h:.1f}" + (f" over {count(len(known), 'group')}" if known else ""),
        p=p,
        found=f"Sds within groups{among}, as ratios to the model's, furthest from 1: {named}."
        if named
        else f"Sds within groups{among} were compared.",
        remedy=remedy,
    )


def on_correlation(work: Working, sampled: Sampled, among: str) -> Assessment:
    """Judge whether residuals follow on those before them in their group."""
    topic, question = SERIAL
    order = work.ordering
    if not work.grouped or work.starts.size == work.n:
        found = "There are no groups of two rows or more."
        return Assessment(topic=topic, question=question, found=found)
    if order.by_outcome:
        found = (
            f"The rows are sorted by {work.design.outcome} within groups, so that their order "
            "is not informative."
        )
        return Assessment(topic=topic, question=question, found=found)
    value, replicates = float(sampled.correlation[0]), sampled.correlation[1:]
    expected, sd = float(replicates.mean()), float(replicates.std())
    z = (value - expected) / sd if sd > 0.0 else 0.0
    along = f"along {order.by}" if order.by else "in the order of the rows"
    if order.modelled:
        remedy = (
            f"Correlation is left that AR(1) along {order.by} does not account for: let the "
            f"slope of {order.by} vary between groups, or add a predictor that changes with it."
        )
    elif order.by:
        remedy = f"Let residuals be AR(1): --ar {order.by}."
    else:
        remedy = (
            "If the order is one of time, let residuals be AR(1): --ar time, with the column of "
            "times. If it is another (rows sorted by something), include that in the model."
        )
    return Assessment(
        topic=topic,
        question=question,
        statistic=f"lag-1 correlation {number(value, 0.1)}, expected {number(expected, 0.1)} "
        f"(z = {number(z, 0.1)})",
        p=two_sided(value, replicates),
        found=f"Neighbouring residuals{among} {along}; expected is the mean for independent ones.",
        remedy=remedy,
    )
