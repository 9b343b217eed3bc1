"""Variance partition coefficient as a function of a predictor whose slope varies."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bayes_mlm.base import EngineError, Floats, RowsNeededError
from bayes_mlm.design import INTERCEPT, Design, column_moments
from bayes_mlm.fitting import ParameterValues

# A mean this small, in sds, is that of deviations: nothing.
_ROUNDING = 1e-9


@dataclass(frozen=True, kw_only=True, eq=False)
class Along:
    """Points along one predictor whose slope varies.

    Parameters
    ----------
    effect : str
        Name of the column of Z.
    values : ndarray, shape (m,)
    Z : ndarray, shape (m, q)
        Group-effect columns there: functions of the same column follow it, the rest stay at
        their means.
    """

    effect: str
    values: Floats
    Z: Floats


def partition(parameters: ParameterValues, Z: Floats) -> Floats:
    r"""Compute the proportion of the residual variance that lies between groups, at points.

    .. math:: \mathrm{VPC}(z) = \frac{z'\Sigma_u z}{z'\Sigma_u z + \sigma_e^2}

    It is the correlation of two members of one group whose predictors are both at that point.
    With a random intercept alone it is the adjusted icc everywhere.

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
    """Choose the points: for every effect but the intercept its mean, and an sd either way.

    Parameters
    ----------
    design : Design
    at : mapping of str to sequence of float, optional
        Values of an effect instead, in its own units.

    Raises
    ------
    EngineError
        If `at` names what has no varying slope.

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
            raise EngineError(f"no slope of {name!r} varies between groups; those that do: {known}")
    found = []
    for effect in moving:
        k = design.effects.index(effect)
        given = None if at is None else at.get(effect)
        if not design.has_rows:
            found.append(_along_sums(design, effect, given))
            continue
        column = design.Z[:, k]
        spread = float(column.std(ddof=1))
        centre = float(column.mean())
        centre = 0.0 if abs(centre) < _ROUNDING * spread else centre
        default = centre + np.array([-1.0, 0.0, 1.0]) * spread
        if column.min() == 0.0 and column.max() == 1.0 and np.unique(column).size == 2:
            default = np.array([0.0, 1.0])
        values = default if given is None else np.asarray(given, dtype=np.float64)
        rows = np.tile(design.Z.mean(axis=0), (values.size, 1))
        rows[:, k] = values
        following = _following(design, k)
        inside = column.min() <= values.min() and values.max() <= column.max()
        if following and not inside:
            raise EngineError(
                f"{effect} is from {column.min():g} to {column.max():g} in the data, and "
                f"{design.effects[following[0]]} is known there only; choose values in between"
            )
        for other in following:
            order = np.unique(column, return_index=True)
            rows[:, other] = np.interp(values, order[0], design.Z[order[1], other])
        found.append(Along(effect=effect, values=values, Z=rows))
    return tuple(found)


def _along_sums(design: Design, effect: str, given: Sequence[float] | None) -> Along:
    """Choose the points from the means and sds of summed data."""
    k, moments = design.effects.index(effect), column_moments(design)
    if _following(design, k):
        raise RowsNeededError(
            f"{effect} and its function vary together, which sums do not tell; ask it of a sample "
            "of groups (sample_groups)"
        )
    spread = float(moments.z_sd[k] * np.sqrt(design.n / (design.n - 1)))
    default = float(moments.z_mean[k]) + np.array([-1.0, 0.0, 1.0]) * spread
    values = default if given is None else np.asarray(given, dtype=np.float64)
    rows = np.tile(moments.z_mean, (values.size, 1))
    rows[:, k] = values
    return Along(effect=effect, values=values, Z=rows)


def _following(design: Design, k: int) -> list[int]:
    """List the effects that are functions of the same column as effect k: the square of days."""
    terms = design.formula.effects
    if len(terms) != design.q:  # a category's columns: none is a function of another
        return []
    columns = [{name for factor in term for name in factor.columns} for term in terms]
    relative = ["within(" in effect or "between(" in effect for effect in design.effects]
    if relative[k] or not columns[k]:
        return []
    return [j for j in range(design.q) if j != k and columns[j] == columns[k] and not relative[j]]
