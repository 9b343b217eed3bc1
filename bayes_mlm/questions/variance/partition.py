"""Variance partition coefficient as a function of a predictor with a random slope."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bayes_mlm.base import EngineError, Floats
from bayes_mlm.design import INTERCEPT, Design, column_moments
from bayes_mlm.fitting import ParameterValues
from bayes_mlm.questions.variance.moments import factor_views

# A mean this small, in sds, is rounding error of deviations from a mean.
_ROUNDING = 1e-9


@dataclass(frozen=True, kw_only=True, eq=False)
class Along:
    """Values of one predictor with a random slope.

    Parameters
    ----------
    effect : str
        Name of the column of Z.
    values : ndarray, shape (m,)
    Z : tuple of ndarray, shape (m, q)
        Group-effect columns of each factor: those that are functions of the same column at its
        values, others at their means.
    """

    effect: str
    values: Floats
    Z: tuple[Floats, ...]


def partition(parameters: ParameterValues, Z: Sequence[Floats]) -> list[Floats]:
    r"""Return the variance partition coefficient (VPC) of each factor at rows of Z.

    .. math:: \mathrm{VPC}_f(z) = \frac{z_f'\Sigma_f z_f}{\sum_g z_g'\Sigma_g z_g + \sigma_e^2}

    The proportion of the unexplained variance that lies between the groups of a factor. With one
    factor it is also the correlation of two members of one group with these values of the
    predictors, and with a random intercept alone the adjusted icc.

    Parameters
    ----------
    parameters : ParameterValues
        With group effects.
    Z : sequence of ndarray, shape (m, q)
        Columns of each factor.

    Returns
    -------
    list of ndarray, shape (S, m)
        One for each factor, then that of the residual; their sum is 1.

    References
    ----------
    Goldstein, Browne & Rasbash (2002), Understanding Statistics 1(4).
    """
    parts = [
        np.einsum("ma,sab,mb->sm", columns, one.cov_u, columns, optimize=True)
        for columns, one in zip(Z, parameters.factors, strict=True)
    ]
    parts.append(np.broadcast_to(parameters.residual_variance[:, None], parts[0].shape))
    total = np.sum(parts, axis=0)
    return [np.asarray(part / total) for part in parts]


def along(design: Design, at: Mapping[str, Sequence[float]] | None = None) -> tuple[Along, ...]:
    """Return the values of each random slope's predictor: mean - sd, mean and mean + sd.

    Parameters
    ----------
    design : Design
    at : mapping of str to sequence of float, optional
        Values of an effect in place of those, in its units.

    Raises
    ------
    EngineError
        If `at` names a predictor without a random slope.

    Examples
    --------
    >>> from bayes_mlm import build_design, load_dataset
    >>> sleep = build_design("reaction ~ days + (days | subject)", load_dataset("sleepstudy"))
    >>> [float(value) for value in along(sleep, {"days": [0, 9]})[0].values]
    [0.0, 9.0]
    """
    views = factor_views(design)
    moving = list(
        dict.fromkeys(effect for view in views for effect in view.effects if effect != INTERCEPT)
    )
    # Without a residual sd the partition depends on every predictor.
    additive = design.family.is_additive
    allowed = [*moving, *(() if additive else design.terms)]
    for name in at or {}:
        if name == INTERCEPT or name not in allowed:
            known = ", ".join(dict.fromkeys(one for one in allowed if one != INTERCEPT)) or "none"
            what = "has no random slope; predictors with one" if additive else "is no predictor"
            raise EngineError(f"{name!r} {what}: {known}")
    moving += [name for name in at or {} if name not in moving]
    found = []
    for effect in moving:
        chosen = None if at is None else at.get(effect)
        if chosen is None:
            values = _usual(next(view for view in views if effect in view.effects), effect)
        else:
            values = np.asarray(chosen, dtype=np.float64)
        Z = tuple(_columns_along(view, effect, values) for view in views)
        found.append(Along(effect=effect, values=values, Z=Z))
    return tuple(found)


def _usual(design: Design, effect: str) -> Floats:
    """Return the mean of an effect's column, and the mean less and plus its sd."""
    if design.aggregated is None and _is_dummy(design.weighted_rows, effect):
        return np.array([0.0, 1.0])
    k, moments = design.effects.index(effect), column_moments(design)
    spread = float(moments.z_sd[k] * np.sqrt(design.n / (design.n - 1)))
    centre = float(moments.z_mean[k])
    centre = 0.0 if abs(centre) < _ROUNDING * spread else centre
    return np.asarray(centre + np.array([-1.0, 0.0, 1.0]) * spread)


def _columns_along(design: Design, effect: str, values: Floats) -> Floats:
    """Return the columns (m, q) of one factor's effects at values of an effect's column."""
    Z = np.tile(column_moments(design).z_mean, (values.size, 1))
    if effect in design.effects:
        k = design.effects.index(effect)
        Z[:, k] = values
        for other in _following(design, k):
            Z[:, other] = _interpolated(design, effect, design.effects[other], values)
    return Z


def _is_dummy(design: Design, effect: str) -> bool:
    return np.array_equal(np.unique(design.group_term.column(effect)), [0.0, 1.0])


def _interpolated(design: Design, effect: str, other: str, values: Floats) -> Floats:
    """Return an effect's column, a function of another, at values of that one."""
    term = design.weighted_rows.rows().group_term
    column = term.column(effect)
    if values.min() < column.min() or column.max() < values.max():
        raise EngineError(
            f"values of {effect} must lie in the range of the data, {column.min():g} to "
            f"{column.max():g}, where {other} is known"
        )
    known, first = np.unique(column, return_index=True)
    return np.asarray(np.interp(values, known, term.column(other)[first]))


def _following(design: Design, k: int) -> list[int]:
    """Return the effects that are functions of the same column as effect k."""
    terms = design.formula.effects
    if len(terms) != design.q:  # a category's columns: none is a function of another
        return []
    columns = [{name for factor in term for name in factor.columns} for term in terms]
    relative = ["within(" in effect or "between(" in effect for effect in design.effects]
    if relative[k] or not columns[k]:
        return []
    return [j for j in range(design.q) if j != k and columns[j] == columns[k] and not relative[j]]
