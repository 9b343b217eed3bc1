"""Variance partition coefficient as a function of a predictor with a random slope."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bayes_mlm.base import EngineError, Floats, RowsNeededError
from bayes_mlm.design import INTERCEPT, Design, column_moments
from bayes_mlm.fitting import ParameterValues

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
    Z : ndarray, shape (m, q)
        Group-effect columns: those that are functions of the same column at its values, others at
        their means.
    """

    effect: str
    values: Floats
    Z: Floats


def partition(parameters: ParameterValues, Z: Floats) -> Floats:
    r"""Return the variance partition coefficient (VPC) at rows of Z.

    .. math:: \mathrm{VPC}(z) = \frac{z'\Sigma_u z}{z'\Sigma_u z + \sigma_e^2}

    The proportion of the unexplained variance that lies between groups, and the correlation of two
    members of one group with these values of the predictors. With a random intercept alone it is
    the adjusted icc.

    Parameters
    ----------
    parameters : ParameterValues
        With group effects.
    Z : ndarray, shape (m, q)

    Returns
    -------
    ndarray, shape (S, m)

    References
    ----------
    Goldstein, Browne & Rasbash (2002), Understanding Statistics 1(4).
    """
    between = np.einsum("ma,sab,mb->sm", Z, parameters.cov_u, Z, optimize=True)
    return np.asarray(between / (between + parameters.sigma_e2[:, None]))


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
    moving = [effect for effect in design.effects if effect != INTERCEPT]
    for name in at or {}:
        if name not in moving:
            known = ", ".join(moving) or "none"
            raise EngineError(f"{name!r} has no random slope; predictors with one: {known}")
    found = []
    for effect in moving:
        k = design.effects.index(effect)
        chosen = None if at is None else at.get(effect)
        if not design.has_rows:
            found.append(_along_sums(design, effect, chosen))
            continue
        column = design.Z[:, k]
        spread = float(column.std(ddof=1))
        centre = float(column.mean())
        centre = 0.0 if abs(centre) < _ROUNDING * spread else centre
        default = centre + np.array([-1.0, 0.0, 1.0]) * spread
        if column.min() == 0.0 and column.max() == 1.0 and np.unique(column).size == 2:
            default = np.array([0.0, 1.0])
        values = default if chosen is None else np.asarray(chosen, dtype=np.float64)
        rows = np.tile(design.Z.mean(axis=0), (values.size, 1))
        rows[:, k] = values
        following = _following(design, k)
        inside = column.min() <= values.min() and values.max() <= column.max()
        if following and not inside:
            raise EngineError(
                f"values of {effect} must lie in the range of the data, {column.min():g} to "
                f"{column.max():g}, where {design.effects[following[0]]} is known"
            )
        for other in following:
            order = np.unique(column, return_index=True)
            rows[:, other] = np.interp(values, order[0], design.Z[order[1], other])
        found.append(Along(effect=effect, values=values, Z=rows))
    return tuple(found)


def _along_sums(design: Design, effect: str, chosen: Sequence[float] | None) -> Along:
    """As `along` for one effect, from the means and sds of aggregated data."""
    k, moments = design.effects.index(effect), column_moments(design)
    if _following(design, k):
        raise RowsNeededError(
            f"{effect} and a function of it are random slopes, which needs rows; use a sample of "
            "groups (sample_groups)"
        )
    spread = float(moments.z_sd[k] * np.sqrt(design.n / (design.n - 1)))
    default = float(moments.z_mean[k]) + np.array([-1.0, 0.0, 1.0]) * spread
    values = default if chosen is None else np.asarray(chosen, dtype=np.float64)
    rows = np.tile(moments.z_mean, (values.size, 1))
    rows[:, k] = values
    return Along(effect=effect, values=values, Z=rows)


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
