"""Whether the columns of a design are estimable: none is a combination of those before it."""

import numpy as np

from bayes_mlm.base import DesignError, Flags, Floats, Ints
from bayes_mlm.design.design import INTERCEPT, VARIES, Design
from bayes_mlm.moments import GroupMoments

# A column is aliased when what the columns before it leave of it is below this part of its sd.
_ALIASED = 1e-8
# Sums of squares hold half the digits that rows do.
_AGGREGATED = 1e-6
# Rows worked on at a time where the whole would be a second copy of X.
_BLOCK = 65_536
# A pivot below it is nothing but rounding, and no column is told by it.
_NOTHING = 1e-18


def check_estimable(design: Design) -> None:
    """Refuse columns that are combinations of the rest of the model, and too few rows.

    Raises
    ------
    DesignError
        With the column, or the number of coefficients.
    """
    wanted = design.p + (design.J if design.kind == "no_pooling" else 0)
    if design.n <= wanted:
        raise DesignError(
            f"{design.n} rows cannot estimate {wanted} coefficients and a residual sd "
            f"({', '.join(design.terms)}); use fewer predictors or more data"
        )
    if design.aggregated is not None and design.q and design.J == 1:
        raise DesignError(
            f"the sums are of one group of {design.group!r}: how groups differ cannot be learned "
            "from one; add those of others (merge_sums, bayes-mlm merge)"
        )
    where, remedy = "", "leave one of them out"
    if design.kind in ("no_pooling", "within"):
        where = f" within {design.group}"
    if design.kind == "no_pooling":
        remedy = "a no-pooling model has an intercept for each group, which leaves only what varies"
        remedy += " within groups; use partial pooling for predictors of the group"
    aliased, near = _ALIASED, ""
    intercept = np.array([term == INTERCEPT for term in design.terms])
    if design.aggregated is not None:
        found = left_of_sums(design.aggregated, intercept, inside=design.kind == "no_pooling")
        aliased, near = _AGGREGATED, ", or so near to one that sums cannot tell"
    else:
        origin = np.zeros((1, design.p))
        if design.kind == "no_pooling":
            origin = design.group_means(design.X)
        elif design.has_intercept:
            origin = np.where(intercept, 0.0, design.X.mean(axis=0))[None]
        codes = design.codes if design.kind == "no_pooling" else None
        found = left_of_rows(design.X, origin, codes)
    for term, own, left, several in zip(design.terms, *found, strict=True):
        if own <= VARIES and several and not where:
            raise DesignError(
                f"the predictor {term!r} varies by next to nothing of its own size, too little to "
                "tell from the intercept; take a constant off it first, as center() does"
            )
        if own <= VARIES:
            raise DesignError(f"the predictor {term!r} does not vary{where}; {remedy}")
        if left <= aliased * own:
            raise DesignError(
                f"the predictor {term!r} is a linear combination of the predictors before "
                f"it{near}; {remedy}"
            )


def left_of_rows(X: Floats, origin: Floats, codes: Ints | None) -> tuple[Floats, Floats, Flags]:
    """Measure the columns of rows about an origin, as parts of their length.

    Parameters
    ----------
    X : ndarray, shape (n, p)
    origin : ndarray, shape (1, p) or (J, p)
        What is taken from every row, or from those of each group.
    codes : ndarray of int, shape (n,), or None
        Group of each row; None for one origin.

    Returns
    -------
    own, left : ndarray, shape (p,)
        How long each column is about the origin, and what the columns before leave of that.
    several : ndarray of bool, shape (p,)
        Whether it takes several values.
    """
    triangle = _triangle(X, origin, codes)
    own, left = np.sqrt((triangle**2).sum(axis=0)), np.abs(np.diag(triangle))
    return own, left, np.ptp(X, axis=0) > 0.0


def left_of_sums(
    s: GroupMoments, intercept: Flags, *, inside: bool
) -> tuple[Floats, Floats, Flags]:
    """Measure the same by sums of squares, which hold half the digits.

    Parameters
    ----------
    s : GroupMoments
    intercept : ndarray of bool, shape (p,)
        Which column of X is the intercept, about which the others are measured.
    inside : bool
        Whether they are measured about the means of their groups instead.
    """
    p = s.p
    cross = s.scatter[:, :p, :p].sum(axis=0)
    away = s.means[:, :p]
    if not inside:
        away = away - s.counts @ away / s.n if intercept.any() else away + s.centre[:p]
        cross = cross + (away * s.counts[:, None]).T @ away
    mean, sd = s.moments
    sizes = np.sqrt(s.n * (np.square(sd[:p]) + np.square(mean[:p])))
    sizes = np.where(sizes > 0, sizes, 1.0)
    cross = cross / np.outer(sizes, sizes)
    if not inside and intercept.any():
        cross[intercept] = cross[:, intercept] = 0.0
        cross[intercept, intercept] = 1.0
    # Gaussian elimination of what the columns before explain.
    work, left = cross.copy(), np.zeros(p)
    for k in range(p):
        left[k] = work[k, k]
        if left[k] > _NOTHING:
            work = work - np.outer(work[:, k], work[k]) / left[k]
    own = np.sqrt(np.maximum(np.diag(cross), 0.0))
    return own, np.sqrt(np.maximum(left, 0.0)), sd[:p] > 0.0


def _triangle(X: Floats, origin: Floats, codes: Ints | None) -> Floats:
    """Return R (p, p) of the QR of X, centred by the row's group, at unit column length.

    Made a block of rows at a time, each joined to the R of those before it: as accurate as in one
    go, without a second copy of the rows (Golub & Van Loan 2013, Matrix Computations, sec. 5.1).
    """
    sizes = np.sqrt(np.einsum("np,np->p", X, X))
    sizes = np.where(sizes > 0, sizes, 1.0)
    triangle = np.zeros((0, X.shape[1]))
    for start in range(0, len(X), _BLOCK):
        rows = slice(start, start + _BLOCK)
        own = origin if codes is None or len(origin) == 1 else origin[codes[rows]]
        block = (X[rows] - own) / sizes
        triangle = np.linalg.qr(np.concatenate([triangle, block]), mode="r")
    return triangle
