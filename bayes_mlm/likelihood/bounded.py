"""Refuse data whose likelihood has no bound: residuals that vanish, so that sigma_e can too.

With the outcome an exact function of the predictors and the groups, the density of the data rises
without limit as sigma_e goes to 0: there is no REML estimate, and no posterior. What counts as
zero is the rounding of the numbers as given.
"""

import numpy as np

from bayes_mlm.base import EngineError, Floats, Ints
from bayes_mlm.design import INTERCEPT, Design, moments_of_rows
from bayes_mlm.moments import RotatedMoments, residual_squares, rotate_moments

# An outcome printed with 15 digits is off by up to this part of it.
_PRINTED = 5e-15
# Sums of squares that cancel to less than this part of them have not four digits left.
_FOUR_DIGITS = 1e-11
# And below this part of them there is nothing but rounding.
_NOISE = 1e-14
# Rounds of reweighting by which the rows on an exact line, if most are, are found.
_ROUNDS = 40


def check_bounded(reduced: RotatedMoments, which: str = "", rows: Design | None = None) -> None:
    """Raise an error for an outcome that the columns explain exactly, or as far as digits show.

    Parameters
    ----------
    reduced : RotatedMoments
    which : str
        Name of the rows, where they are not all of them: ``"s=a"``.
    rows : Design, optional
        Rows from which the residuals are computed where sums of squares cancel.

    Raises
    ------
    EngineError
        With the name of the sum of squares that is zero, and its value.

    Examples
    --------
    >>> import numpy as np
    >>> from bayes_mlm.moments import from_rows, rotate_moments
    >>> one = np.ones((4, 1))
    >>> y = np.array([1.0, 1.0, 4.0, 4.0])
    >>> rows = from_rows(y, one, one, np.array([0, 0, 1, 1]), 2, group="g")
    >>> check_bounded(rotate_moments(rows))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    bayes_mlm.base.errors.EngineError: the outcome has no residual variation: ...
    """
    if reduced.within_df < 1:
        return
    p, inside = reduced.p, float(reduced.rest[reduced.p, reduced.p])
    of_y = np.square(reduced.c[:, :, p])
    whole = inside + float(of_y.sum())
    left = residual_squares(reduced)
    # The constant effect is taken out through the means, which cancels nothing.
    lines = float(of_y[:, 0 if reduced.z_constant is None else 1 :].sum())
    cancelled = max(inside - left, 0.0) + lines
    printed = nothing_left(reduced.n, reduced.y_mean, whole)
    if left > max(_FOUR_DIGITS * cancelled, printed):
        return
    names = (reduced.terms, reduced.effects, reduced.group)
    repeats = reduced.q > 0 and inside + lines <= printed
    nearly = left > max(_NOISE * cancelled, printed)
    if not nearly and not repeats and rows is not None:
        exact = rows.compute(_squares_left, lambda _: 0.0)
        nearly = exact > printed
        left = exact if nearly else left
    raise EngineError(
        exact_outcome(*names, left, whole, repeats=repeats, which=which, nearly=nearly)
    )


def nothing_left(n: int, mean: float, squares: float) -> float:
    """Return the sum of squares of the rounding of n numbers printed to 15 digits.

    `mean` is theirs, and `squares` their sum of squares about it.

    Examples
    --------
    >>> nothing_left(4, 0.0, 4.0) < 1e-27
    True
    """
    return n * _PRINTED**2 * (mean**2 + squares / n)


def check_bounded_rows(design: Design) -> None:
    """Raise an error where the residual sd of all rows, or of a level of a factor, can vanish.

    Parameters
    ----------
    design : Design
        Of any kind, with rows where it has a residual structure.

    Raises
    ------
    EngineError
        As of `check_bounded`; or if, with Student-t residuals, most rows lie on an exact line.
    """
    if not design.family.is_additive:  # no sd of residuals that could vanish
        return
    for view in [design.of_factor(k) for k in range(len(design.factors))] or [design]:
        check_bounded(rotate_moments(view.moments(), aliased=True), rows=view)
    rows = design.residual
    if rows is None or len(design.factors) > 1:
        return
    if rows.spec.ar is not None and not design.q and design.group is not None:
        # As rho_e goes to 1 the residuals of a group become one constant.
        one = design.with_arrays(Z=np.ones((design.n, 1)), effects=(INTERCEPT,))
        check_bounded(_of_rows(one, np.arange(design.n)))
    for k, name in enumerate(rows.strata):
        some = np.flatnonzero(rows.stratum == k)
        if some.size > 1:
            check_bounded(_of_rows(design, some), name)
    if not design.family.gaussian_moments:
        _check_majority(design)


def _of_rows(design: Design, some: Ints) -> RotatedMoments:
    """Return the moments of some rows of a design, with the groups and columns they have."""
    return rotate_moments(moments_of_rows(design, some, drop_empty=True), aliased=True)


def exact_outcome(
    terms: tuple[str, ...],
    effects: tuple[str, ...],
    group: str | None,
    left: float,
    whole: float,
    *,
    repeats: bool = False,
    which: str = "",
    nearly: bool = False,
) -> str:
    """Return the message that names the sum of squares that is zero, and what follows.

    Parameters
    ----------
    terms, effects, group
        Of the design.
    left, whole : float
        The residual squares and all of them.
    repeats : bool
        Whether the outcome is one value a group.
    which : str
        As of `check_bounded`.
    nearly : bool
        Whether something is left, too little for sums of squares to have four digits of it.
    """
    slopes = [name for name in effects if name != INTERCEPT]
    columns = [name for name in terms if name != INTERCEPT]
    where = f" within the groups of {group!r}" if effects else ""
    less = ""
    if repeats:
        remedy = "it is one value a group: keep one row a group, and fit that without groups"
    else:
        less = f", less each group's line in {_listed(slopes)}," if slopes else ""
        if columns:
            verb = "explains" if len(columns) == 1 else "explain"
            less = f"{less or ','} less what {_listed(columns)} {verb},"
        remedy = (
            "check that it is not computed from the predictors; if residuals are truly so small, "
            "subtract the known part from the outcome first"
        )
    rows = f" in the rows of {which}" if which else ""
    sd = f"the residual sd of {which}" if which else "sigma_e"
    what = f"its sum of squares{rows}{where}{less} is"
    if nearly:
        return (
            f"the outcome has next to no residual variation: {what} {left:.2g} of {whole:.4g} in "
            f"all, too small a part to be computed from sums of squares ({sd} would not have four "
            f"digits); {remedy}"
        )
    return (
        f"the outcome has no residual variation: {what} 0 to rounding ({max(left, 0.0):.2g} of "
        f"{whole:.4g} in all), so the likelihood has no maximum, and no posterior is proper: it "
        f"rises without bound as {sd} goes to 0; {remedy}"
    )


def _listed(names: list[str]) -> str:
    return ", ".join(names[:4]) + (", …" if len(names) > 4 else "")


def _check_majority(design: Design) -> None:
    """Raise an error for Student-t residuals if too few rows off an exact line bound the scale.

    Each row on the line adds a power of 1/scale to the likelihood, each other one takes `nu` of
    them, and `nu` may be as small as 2. Least absolute deviations find such a line.
    """
    columns = design.columns
    scale = float(np.abs(columns[:, -1] - columns[:, -1].mean()).max())
    tiny, n = 1e-10 * scale, design.n
    weight, exact = np.ones(n), np.zeros(n, dtype=bool)
    for _ in range(_ROUNDS):
        residual = np.abs(_residual(design, columns, weight))
        exact, before = residual <= tiny, exact
        if 3 * np.count_nonzero(exact) > 2 * n and (exact == before).all():
            break
        weight = 1.0 / np.maximum(residual, 1e-3 * tiny)
    on_line = np.flatnonzero(exact)
    if 3 * on_line.size <= 2 * n:
        return
    free = _of_rows(design, on_line).within_df
    off = n - on_line.size
    if free > 2 * off + 1:
        raise EngineError(
            "the outcome has too little residual variation for Student-t residuals: "
            f"{on_line.size} of {n} rows lie exactly on one line or their groups' values, and the "
            "sum of squares of those is 0; the likelihood rises without bound as their scale goes "
            f"to 0 and the other {off} count as outliers; take normal residuals, or look for "
            "repeated values"
        )


def _squares_left(design: Design) -> float:
    return float(np.square(_residual(design, design.columns, np.ones(design.n))).sum())


def _residual(design: Design, columns: Floats, weight: Floats) -> Floats:
    """Return the residuals (n,) of weighted least squares on X and on Z by group."""
    p, q = design.p, design.q
    root = np.sqrt(weight / weight.max())[:, None]
    left = root * columns
    whole = np.linalg.norm(left[:, :p], axis=0)
    ends = np.cumsum(design.group_sizes)[:-1]
    for some in np.split(design.group_term.row_order(), ends) if q else ():
        base = np.linalg.qr(left[some, p : p + q])[0]
        left[some] -= base @ (base.T @ left[some])
    x = left[:, :p]
    x = x[:, np.linalg.norm(x, axis=0) > 1e-10 * whole]  # X within groups
    beta = np.linalg.lstsq(x, left[:, -1], rcond=1e-10)[0]
    residual: Floats = (left[:, -1] - x @ beta) / root[:, 0]
    return residual
