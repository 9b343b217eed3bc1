"""Lay the sums of a design out for each kind of model: what `kinds` does to rows, done to sums.

Every kind is a linear change of columns within groups, so counts, means and scatter follow:
a column less its group mean has mean 0 and the scatter it had, a group mean has no scatter.
"""

from dataclasses import replace

import numpy as np

from bayes_mlm.design import INTERCEPT, Design, check_estimable
from bayes_mlm.errors import DesignError
from bayes_mlm.rows_away import rows_away
from bayes_mlm.sufficient import FloatArray, Sufficient


def lay_out_sums(design: Design, kind: str) -> Design:
    """Lay out the sums of a design that holds no rows.

    Parameters
    ----------
    design : Design
        Of kind "pooled" or "partial_pooling", with `summed`.
    kind : str
        Not "partial_pooling".

    Returns
    -------
    Design
        Of summed data; for "between" one with rows, which are the groups.
    """
    s = design.summed
    assert s is not None  # for mypy: the caller looked
    p = s.p
    x, z, y = list(range(p)), list(range(p, p + s.q)), [p + s.q]
    if kind == "pooled":
        return _with(design, _columns(s, [*x, *y], s.terms, ()), kind)
    if design.base is None:
        raise DesignError(
            f"the {kind} model needs to know the groups; name their column "
            '(group = "schoolid" in a record, --group on the command line)'
        )
    if kind == "between":
        return _of_means(design, s)
    terms = design.base.terms
    slopes = np.array([term != INTERCEPT for term in terms])
    if kind == "within":
        names = tuple(t if t == INTERCEPT else f"within({t})" for t in terms)
        laid_out = _centred(_columns(s, [*x, *y], names, ()), slopes)
    elif kind == "no_pooling":
        own = _columns(s, [*np.flatnonzero(slopes).tolist(), *y], (), ())
        kept = tuple(t for t in terms if t != INTERCEPT)
        laid_out = _with_ones(own, kept)
    else:
        moving = slopes & design.base.varies
        places = np.flatnonzero(moving).tolist()
        added = tuple(f"between({terms[k]})" for k in places)
        laid_out = _columns(s, [*x, *places, *z, *y], (*s.terms, *added), s.effects)
        fixed = np.zeros(len(laid_out.centre), dtype=bool)
        fixed[p : p + len(places)] = True
        scatter = laid_out.scatter.copy()
        scatter[:, fixed] = scatter[:, :, fixed] = 0.0
        laid_out = replace(laid_out, scatter=scatter)
    found = _with(design, laid_out, kind)
    check_estimable(found)
    return found


def sums_of_null(s: Sufficient) -> Sufficient:
    """Keep the outcome beside an intercept in X and in Z: the null model of the same rows."""
    bare = _with_ones(_columns(s, [s.p + s.q], (), ()), ())
    return replace(
        bare,
        centre=np.insert(bare.centre, 0, 1.0),
        means=np.insert(bare.means, 0, 0.0, axis=1),
        scatter=np.insert(np.insert(bare.scatter, 0, 0.0, axis=1), 0, 0.0, axis=2),
        terms=(INTERCEPT,),
    )


def _columns(
    s: Sufficient, places: list[int], terms: tuple[str, ...], effects: tuple[str, ...]
) -> Sufficient:
    """Keep some columns, in the order given."""
    return replace(
        s,
        centre=s.centre[places],
        means=s.means[:, places],
        scatter=s.scatter[:, places][:, :, places],
        terms=terms,
        effects=effects,
    )


def _centred(s: Sufficient, slopes: FloatArray) -> Sufficient:
    """Take from the columns of slopes their group means."""
    places = np.flatnonzero(slopes)
    centre, means = s.centre.copy(), s.means.copy()
    centre[places] = 0.0
    means[:, places] = 0.0
    return replace(s, centre=centre, means=means)


def _with_ones(s: Sufficient, terms: tuple[str, ...]) -> Sufficient:
    """Put a column of ones before the outcome, as the one group effect."""
    at = len(s.centre) - 1
    centre = np.insert(s.centre, at, 1.0)
    means = np.insert(s.means, at, 0.0, axis=1)
    scatter = np.insert(np.insert(s.scatter, at, 0.0, axis=1), at, 0.0, axis=2)
    return replace(
        s, centre=centre, means=means, scatter=scatter, terms=terms, effects=(INTERCEPT,)
    )


def _with(design: Design, s: Sufficient, kind: str) -> Design:
    return replace(design, summed=s, terms=s.terms, effects=s.effects, kind=kind, **rows_away())


def _of_means(design: Design, s: Sufficient) -> Design:
    """Make rows of the groups' means."""
    assert design.base is not None  # for mypy: the caller looked
    found = replace(
        design,
        y=s.means[:, -1] + s.centre[-1],
        X=design.base.means,
        Z=np.empty((s.J, 0)),
        codes=np.arange(s.J),
        effects=(),
        kind="between",
        summed=None,
    )
    check_estimable(found)
    return found
