"""Rank of columns from their cross-products, and the column that the others determine."""

import numpy as np

from bayes_mlm.base import DesignError, Floats

# A pivot below this share of its column's sum of squares counts as zero. Two columns that differ
# by 1e-4 of their spread leave a share of 1e-8; rounding leaves about 1e-15.
RANK_TOLERANCE = 1e-12
# A column's squares outside of the span of Z, below this share of them all, are rounding.
INSIDE = 1e-11


def rank_of(cross: Floats, scale: Floats) -> int:
    """Count the independent columns behind cross-products, relative to `scale` (p,)."""
    norm = np.sqrt(np.maximum(scale, np.finfo(float).tiny))
    return int(np.count_nonzero(np.linalg.eigvalsh(cross / np.outer(norm, norm)) > INSIDE))


def rank_of_groups(r: Floats, size: Floats) -> int:
    """Count the dimensions of the span of Z over all groups, from R (C, q, q) by class and size."""
    ranks = np.count_nonzero(np.abs(r).max(axis=2, initial=0.0) > 0, axis=1)
    return int(ranks @ size) if r.shape[1] else 0


def check_rank(cross: Floats, terms: tuple[str, ...], ones: Floats) -> None:
    """Raise a DesignError that names the column of X which the others determine."""
    p = len(terms)
    diagonal = np.diag(cross)
    for k in np.flatnonzero(diagonal <= 0).tolist():
        raise DesignError(
            f"column {terms[k]!r} is zero in every row; drop it from the formula"
            if not ones.any()
            else f"column {terms[k]!r} does not vary: it repeats the intercept; drop it"
        )
    norm = np.sqrt(diagonal)
    work = cross / np.outer(norm, norm)
    scaled = work.copy()
    done: list[int] = []
    for k in range(p):
        pivot = work[k, k]
        if pivot < RANK_TOLERANCE:
            weight = np.zeros(p)
            weight[done] = np.linalg.solve(scaled[np.ix_(done, done)], scaled[done, k])
            weight[k] = -1.0
            _name_alias(weight, terms, ones)
        work = work - np.outer(work[:, k], work[k]) / pivot
        done.append(k)


def _name_alias(weight: Floats, terms: tuple[str, ...], ones: Floats) -> None:
    """Raise for a dependence among columns: `weight` are its coefficients at unit length."""
    involved = [k for k in range(len(terms)) if abs(weight[k]) > 1e-6]
    is_constant = np.count_nonzero(ones) == 1
    named = [k for k in involved if not (is_constant and ones[k])] or involved
    # Of a group-level predictor and the dummies that add up to it, the predictor weighs most.
    worst = max(named, key=lambda k: (round(float(abs(weight[k])), 6), k))
    others = [terms[k] for k in involved if k != worst]
    shown = ", ".join(repr(t) for t in others[:5]) + (", …" if len(others) > 5 else "")
    raise DesignError(
        f"column {terms[worst]!r} is a linear combination of {shown or 'the constant'}, so its "
        "coefficient is not identified; drop one of them from the formula"
    )
