"""Aggregated designs of each kind of model: the layouts of `bayes_mlm.design.layouts`, of sums.

Every kind is a linear change of columns within groups, so counts, means and scatter follow:
a column less its group mean has mean 0 and the scatter it had, a group mean has no scatter.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from bayes_mlm.base import DesignError, Floats
from bayes_mlm.design.design import INTERCEPT, Design
from bayes_mlm.design.estimability import check_estimable
from bayes_mlm.design.terms import GroupMeans
from bayes_mlm.formula import Name, refuse_several
from bayes_mlm.moments import GroupMoments, one_group, without_effects


def lay_out_sums(design: Design, kind: str) -> Design:
    """Return an aggregated design laid out for one kind of model.

    Parameters
    ----------
    design : Design
        Of kind "pooled" or "partial_pooling", aggregated.
    kind : str
        Not "partial_pooling".

    Returns
    -------
    Design
        Aggregated; for "between" one with rows, which are the groups.
    """
    if kind == "pooled":
        assert design.aggregated is not None  # for mypy: the caller looked
        return design.with_moments(without_effects(design.aggregated), kind=kind)
    refuse_several(design.factors, f"the {kind} model", instead_of_kind(design, kind))
    s = design.moments()
    p = s.p
    x, z, y = list(range(p)), list(range(p, p + s.q)), [p + s.q]
    base = base_of(design, kind)
    if kind == "between":
        return _of_means(design, s)
    terms = base.terms
    slopes = np.array([term != INTERCEPT for term in terms])
    if kind == "within":
        names = tuple(t if t == INTERCEPT else f"within({t})" for t in terms)
        laid_out = _centred(select_columns(s, [*x, *y], names, ()), slopes)
    elif kind == "no_pooling":
        kept = tuple(t for t in terms if t != INTERCEPT)
        columns = [*np.flatnonzero(slopes).tolist(), *y]
        laid_out = _with_ones(select_columns(s, columns, (), ()), kept)
    else:
        moving = slopes & base.varies
        places = np.flatnonzero(moving).tolist()
        added = tuple(f"between({terms[k]})" for k in places)
        laid_out = select_columns(s, [*x, *places, *z, *y], (*s.terms, *added), s.effects)
        fixed = np.zeros(len(laid_out.centre), dtype=bool)
        fixed[p : p + len(places)] = True
        scatter = laid_out.scatter.copy()
        scatter[:, fixed] = scatter[:, :, fixed] = 0.0
        laid_out = replace(laid_out, scatter=scatter)
    found = _with(design, laid_out, kind)
    check_estimable(found)
    return found


def instead_of_kind(design: Design, kind: str) -> str:
    """Return what to write where a kind of model takes one grouping factor and there are several.

    Of the Mundlak model the formula with the group means of each factor, which is the same model.
    """
    formula = design.formula
    coded = {one.column for one in design.encoding.levels}
    plain = [str(term[0]) for term in formula.terms if len(term) == 1 and isinstance(term[0], Name)]
    means = [
        f"between({name}, {factor})"
        for factor in formula.grouping_factors
        for name in plain
        if name not in coded
    ]
    if kind != "mundlak" or not means:
        return "keep one of them, or use partial_pooling"
    return f"write the group means of each: {' + '.join([str(formula), *means])}"


def base_of(design: Design, kind: str) -> GroupMeans:
    """Return the group means of a design.

    Raises
    ------
    DesignError
        If it has no groups.
    """
    if design.base is None:
        raise DesignError(
            f"the {kind} model needs groups; name their column "
            '(group = "NAME" in a record, --group on the command line)'
        )
    return design.base


def sums_of_null(s: GroupMoments) -> GroupMoments:
    """Return the sums of the null model of the same rows: an intercept in X and in Z."""
    return _with_intercept(_with_ones(select_columns(s, [s.p + s.q], (), ()), ()))


def sums_of_one_slope(design: Design) -> GroupMoments:
    """Return the sums of the formula's columns with a random intercept, whatever the kind.

    Raises
    ------
    DesignError
        If the kind is of rows that are groups.
    """
    s, base = design.moments(), design.base
    assert base is not None
    known = len(base.terms)
    if design.kind == "no_pooling":  # its intercepts are group effects
        slopes = _with_ones(select_columns(s, [*range(s.p), s.p + s.q], (), ()), s.terms)
        return _with_intercept(slopes)
    found = _with_ones(select_columns(s, [*range(known), s.p + s.q], (), ()), base.terms)
    if design.kind != "within":
        return found
    centre, means = found.centre.copy(), found.means.copy()
    centre[:known] = 0.0
    means[:, :known] = base.means
    return replace(found, centre=centre, means=means)


def without(s: GroupMoments, names: Sequence[str]) -> GroupMoments:
    """Return the sums without some columns of X, by name."""
    places = [k for k, term in enumerate(s.terms) if term not in names]
    rest = [*range(s.p, s.p + s.q + 1)]
    return select_columns(s, [*places, *rest], tuple(s.terms[k] for k in places), s.effects)


def with_group_means(s: GroupMoments, places: list[int]) -> GroupMoments:
    """Append the group means of some columns of X to those of X."""
    columns = [*range(s.p), *places, *range(s.p, s.p + s.q + 1)]
    terms = (*s.terms, *(f"between({s.terms[k]})" for k in places))
    found = select_columns(s, columns, terms, s.effects)
    scatter = found.scatter.copy()
    added = slice(s.p, s.p + len(places))
    scatter[:, added] = scatter[:, :, added] = 0.0
    return replace(found, scatter=scatter)


def new_group_means(s: GroupMoments, places: list[int], least: float) -> list[int]:
    """Return which group means are linearly independent of the columns before them.

    Parameters
    ----------
    s : GroupMoments
        With an intercept in X.
    places : list of int
        Columns of X.
    least : float
        Length that a mean must have outside the span of the others, relative to its length.
    """
    both = one_group(with_group_means(s, places))
    p = s.p
    # About the overall means, which the intercept takes out; at unit length.
    cross = both.scatter[0, : p + len(places), : p + len(places)]
    size = np.sqrt(np.diag(cross))
    whole = np.sqrt(np.diag(cross) + both.n * np.square((both.means + both.centre)[0, : len(size)]))
    live = [k for k in range(p) if size[k] > 0.0]
    unit = cross / np.where(size > 0, size, 1.0)[:, None] / np.where(size > 0, size, 1.0)
    kept: list[int] = []
    for order in range(len(places)):
        k = p + order
        if size[k] <= least * whole[k]:
            continue
        known = [*live, *(p + one for one in kept)]
        cross_k = unit[k, known]
        rest = 1.0 - float(cross_k @ np.linalg.lstsq(unit[np.ix_(known, known)], cross_k)[0])
        if rest > least**2:
            kept.append(order)
    return kept


def _with_intercept(s: GroupMoments) -> GroupMoments:
    """Insert a column of ones before those of X."""
    return replace(
        s,
        centre=np.insert(s.centre, 0, 1.0),
        means=np.insert(s.means, 0, 0.0, axis=1),
        scatter=np.insert(np.insert(s.scatter, 0, 0.0, axis=1), 0, 0.0, axis=2),
        terms=(INTERCEPT, *s.terms),
    )


def select_columns(
    s: GroupMoments, places: list[int], terms: tuple[str, ...], effects: tuple[str, ...]
) -> GroupMoments:
    """Select some columns, in the order given."""
    return replace(
        s,
        centre=s.centre[places],
        means=s.means[:, places],
        scatter=s.scatter[:, places][:, :, places],
        terms=terms,
        effects=effects,
    )


def _centred(s: GroupMoments, slopes: Floats) -> GroupMoments:
    """Subtract from the columns of slopes their group means."""
    places = np.flatnonzero(slopes)
    centre, means = s.centre.copy(), s.means.copy()
    centre[places] = 0.0
    means[:, places] = 0.0
    return replace(s, centre=centre, means=means)


def _with_ones(s: GroupMoments, terms: tuple[str, ...]) -> GroupMoments:
    """Insert a column of ones before the outcome, as the one group effect."""
    at = len(s.centre) - 1
    centre = np.insert(s.centre, at, 1.0)
    means = np.insert(s.means, at, 0.0, axis=1)
    scatter = np.insert(np.insert(s.scatter, at, 0.0, axis=1), at, 0.0, axis=2)
    return replace(
        s, centre=centre, means=means, scatter=scatter, terms=terms, effects=(INTERCEPT,)
    )


def _with(design: Design, s: GroupMoments, kind: str) -> Design:
    return design.with_moments(s, kind=kind)


def _of_means(design: Design, s: GroupMoments) -> Design:
    """Make rows of the groups' means."""
    assert design.base is not None  # for mypy: the caller looked
    found = design.with_arrays(
        y=s.means[:, -1] + s.centre[-1],
        X=design.base.means,
        Z=np.empty((s.J, 0)),
        codes=np.arange(s.J),
        effects=(),
        kind="between",
        aggregated=None,
    )
    check_estimable(found)
    return found
