"""Estimability of a design: no column is a linear combination of those before it."""

import numpy as np

from bayes_mlm.base import DesignError, Flags, Floats, Ints
from bayes_mlm.design.design import INTERCEPT, VARIES, Design
from bayes_mlm.moments import GroupMoments

# A column is aliased if its residual on the columns before it is below this part of its length.
_ALIASED = 1e-8
# Sums of squares have half the digits of rows.
_AGGREGATED = 1e-6
# Rows worked on at a time where the whole would be a second copy of X.
_BLOCK = 65_536
# A pivot below it is rounding alone.
_ROUNDING = 1e-18


def check_estimable(design: Design, *, aliased: bool = False) -> None:
    """Refuse columns that are combinations of the rest of the model, and too few rows.

    Columns of several models together may be combinations of one another (`aliased`).

    Raises
    ------
    DesignError
        With the column, or the number of coefficients.
    """
    wanted = design.p + (design.J if design.kind == "no_pooling" else 0)
    design = design.weighted_rows
    weights = design.response.weights
    n = design.n if weights is None else round(weights.sum())
    if n <= wanted:
        raise DesignError(
            f"{n} rows cannot estimate {wanted} coefficients and a residual sd "
            f"({', '.join(design.terms)}); use fewer predictors or more data"
        )
    if design.aggregated is not None:
        _refuse_one_group(design)
    where, remedy = "", "omit one of them"
    if design.kind in ("no_pooling", "within"):
        where = f" within {design.group}"
    if design.kind == "no_pooling":
        remedy = "a no-pooling model has an intercept for each group, so that only slopes of"
        remedy += " predictors that vary within groups are estimable; else use partial pooling"
    alike, near = _ALIASED, ""
    intercept = np.array([term == INTERCEPT for term in design.terms])
    if design.aggregated is not None:
        found = lengths_of_sums(
            design.aggregated.cells, intercept, inside=design.kind == "no_pooling"
        )
        alike, near = _AGGREGATED, ", or too near to one for sums to distinguish"
    else:
        origin = np.zeros((1, design.p))
        if design.kind == "no_pooling":
            origin = design.group_term.means(design.X)
        elif design.has_intercept:
            origin = np.where(intercept, 0.0, design.X.mean(axis=0))[None]
        codes = design.codes if design.kind == "no_pooling" else None
        found = lengths_of_rows(design.X, origin, codes)
    for term, length, rest, several in zip(design.terms, *found, strict=True):
        if length <= VARIES and several and not where:
            raise DesignError(
                f"the predictor {term!r} varies too little, relative to its size, to be "
                "distinguished from the intercept; subtract a constant first, as center() does"
            )
        if length <= VARIES:
            raise DesignError(f"the predictor {term!r} does not vary{where}; {remedy}")
        if rest <= alike * length and not aliased:
            raise DesignError(
                f"the predictor {term!r} is a linear combination of the predictors before "
                f"it{near}; {remedy}"
            )


def _refuse_one_group(design: Design) -> None:
    """Refuse sums of one group of a factor with effects."""
    for one in design.group_terms:
        if one.q and one.J == 1:
            raise DesignError(
                f"the sums are of one group of {one.factor!r}: variance between groups cannot "
                "be estimated from one; add those of others (merge_sums, bayes-mlm merge)"
            )


def lengths_of_rows(X: Floats, origin: Floats, codes: Ints | None) -> tuple[Floats, Floats, Flags]:
    """Return the lengths of columns about an origin, relative to those about zero.

    Parameters
    ----------
    X : ndarray, shape (n, p)
    origin : ndarray, shape (1, p) or (J, p)
        Subtracted from every row, or from the rows of each group.
    codes : ndarray of int, shape (n,), or None
        Group of each row; None for one origin.

    Returns
    -------
    length, rest : ndarray, shape (p,)
        Length of each column about the origin, and of its residual on the columns before it.
    several : ndarray of bool, shape (p,)
        Whether it takes several values.
    """
    triangle = _triangle(X, origin, codes)
    length, rest = np.sqrt((triangle**2).sum(axis=0)), np.abs(np.diag(triangle))
    return length, rest, np.ptp(X, axis=0) > 0.0


def lengths_of_sums(
    s: GroupMoments, intercept: Flags, *, inside: bool
) -> tuple[Floats, Floats, Flags]:
    """Return what `lengths_of_rows` returns, from sums of squares, with half the digits.

    Parameters
    ----------
    s : GroupMoments
    intercept : ndarray of bool, shape (p,)
        Which column of X is the intercept, about which the lengths are.
    inside : bool
        Whether the lengths are about the means of the groups instead.
    """
    p = s.p
    cross = s.scatter[:, :p, :p].sum(axis=0)
    means = s.means[:, :p]
    if not inside:
        means = means - s.counts @ means / s.n if intercept.any() else means + s.centre[:p]
        cross = cross + (means * s.counts[:, None]).T @ means
    mean, sd = s.moments
    sizes = np.sqrt(s.n * (np.square(sd[:p]) + np.square(mean[:p])))
    sizes = np.where(sizes > 0, sizes, 1.0)
    cross = cross / np.outer(sizes, sizes)
    if not inside and intercept.any():
        cross[intercept] = cross[:, intercept] = 0.0
        cross[intercept, intercept] = 1.0
    # Gaussian elimination: the pivots are the squared lengths of the residuals.
    work, pivots = cross.copy(), np.zeros(p)
    for k in range(p):
        pivots[k] = work[k, k]
        if pivots[k] > _ROUNDING:
            work = work - np.outer(work[:, k], work[k]) / pivots[k]
    length = np.sqrt(np.maximum(np.diag(cross), 0.0))
    return length, np.sqrt(np.maximum(pivots, 0.0)), sd[:p] > 0.0


def _triangle(X: Floats, origin: Floats, codes: Ints | None) -> Floats:
    """Return R (p, p) of the QR of X, centred by the row's group, at unit column length.

    Computed by blocks of rows, each joined to the R of those before it: as accurate as at once,
    without a second copy of the rows (Golub & Van Loan 2013, Matrix Computations, sec. 5.1).
    """
    sizes = np.sqrt(np.einsum("np,np->p", X, X))
    sizes = np.where(sizes > 0, sizes, 1.0)
    triangle = np.zeros((0, X.shape[1]))
    for start in range(0, len(X), _BLOCK):
        rows = slice(start, start + _BLOCK)
        centre = origin if codes is None or len(origin) == 1 else origin[codes[rows]]
        block = (X[rows] - centre) / sizes
        triangle = np.linalg.qr(np.concatenate([triangle, block]), mode="r")
    return triangle
