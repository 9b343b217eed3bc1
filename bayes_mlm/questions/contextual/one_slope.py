"""A design with one slope of each predictor, for both levels."""

from collections.abc import Mapping, Sequence

import numpy as np

from bayes_mlm.base import DesignError, Flags, Floats
from bayes_mlm.design import INTERCEPT, Design, Pair, pairs_of, sums_of_one_slope, without
from bayes_mlm.engines import has_random_effects
from bayes_mlm.formula import label_term
from bayes_mlm.moments import refuse_rows


def without_means(
    design: Design, means: Mapping[str, str] | None = None
) -> tuple[Design, list[str]]:
    """Return a design as a random-intercept model with one slope for both levels, and remarks.

    Parameters
    ----------
    design : Design
    means : mapping of str to str, optional
        Columns of group means by predictor, as of `pairs_of`.
    """
    notes = []
    pairs = () if design.kind == "mundlak" else pairs_of(design, means)[0]
    if has_random_effects(design) and not design.has_icc:
        notes.append("the model's slopes vary; the test is for a random intercept alone")
    if not has_random_effects(design):
        notes.append("the model has no random intercept; the test adds one")
    notes += [
        f"{pair.mean} is replaced by the means of {pair.predictor} over the rows"
        for pair in pairs
        if not pair.from_rows
    ]
    single = design.compute(
        lambda rows: _rows_without_means(rows, pairs),
        lambda _: _moments_without_means(design, pairs),
    )
    return single, notes


def _rows_without_means(design: Design, pairs: Sequence[Pair]) -> Design:
    X, terms = _one_slope(design, pairs)
    return design.with_arrays(
        X=X,
        terms=terms,
        Z=np.ones((design.n, 1)),
        effects=(INTERCEPT,),
        kind="partial_pooling",
        correlated=True,
    )


def _moments_without_means(design: Design, pairs: Sequence[Pair]) -> Design:
    terms = [label_term(term) for term in design.formula.terms]
    centred = any("between(" in term or "within(" in term for term in terms)
    if centred or any(pair.averaged for pair in pairs):
        refuse_rows("X")
    moments = without(sums_of_one_slope(design), [pair.mean for pair in pairs])
    return design.with_moments(moments, kind="partial_pooling", correlated=True)


def _one_slope(design: Design, pairs: Sequence[Pair]) -> tuple[Floats, tuple[str, ...]]:
    """Return X with one column for each predictor, without group means."""
    assert design.base is not None  # for mypy: the caller looked
    if design.kind == "mundlak":
        known = len(design.base.terms)
        return design.X[:, :known], design.base.terms
    if design.kind == "within":
        means = design.group_term.by_row(design.base.means)
        slopes = np.array([term != INTERCEPT for term in design.base.terms])
        return design.X + np.where(slopes, means, 0.0), design.base.terms
    if design.kind == "no_pooling":
        return np.column_stack([np.ones(design.n), design.X]), (INTERCEPT, *design.terms)
    columns = dict(zip(design.terms, design.X.T, strict=True))
    grouped = [t for t in columns if "between(" in t or "within(" in t]
    for pair in pairs:
        if pair.averaged:
            raise DesignError(
                f"the slopes of {pair.predictor} are tied to {', '.join(pair.averaged)} by "
                "products with within() or between(); use a record "
                'of kind = "mundlak" with the uncentred predictors'
            )
        mean = columns.pop(pair.mean)
        parts = [t for t in grouped if t != pair.mean and t.startswith(f"within({pair.predictor}")]
        for part in parts:
            columns[pair.predictor] = columns.pop(part) + mean
        grouped = [t for t in grouped if t != pair.mean and t not in parts]
    return np.column_stack(list(columns.values())), tuple(columns)


def varying(design: Design) -> Flags:
    """Flag the columns that vary within groups, by the tolerance of `bayes_mlm.design.design`."""

    def of_rows(rows: Design) -> Flags:
        inside = np.sqrt(np.square(rows.group_term.deviations(rows.X)).mean(axis=0))
        return np.asarray(inside > 1e-9 * np.abs(rows.X).max(axis=0))

    base = design.base
    assert base is not None  # for mypy: the caller looked
    moving = {term for term, one in zip(base.terms, base.varies, strict=True) if one}
    known = np.array([term in moving for term in design.terms])
    return design.compute(of_rows, lambda _: known)
