"""Roles of a design's columns in figures: the slope, and a binary group-level moderator.

No figure has a column's name or a group's label written into it; what is drawn follows from these
rules, for any data.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bayes_mlm.base import Floats, Ints
from bayes_mlm.design import Column, Design, RowArray
from bayes_mlm.formula import Call, Expression, Factor, label

# A line needs an axis: a predictor of two values is a comparison, not a slope.
_LEAST_VALUES = 3
_SAME = 1e-9


@dataclass(frozen=True, kw_only=True, eq=False)
class Roles:
    """Predictors that have a role in the figures of one design.

    Parameters
    ----------
    outcome : str
        The outcome, as in ``log(y)``.
    group : str or None
        The grouping factor.
    slope : str or None
        The first numeric predictor that varies within groups, has three values or more, and enters
        no other term as anything but a factor (so that the model is straight in it); as its term
        is named in the formula.
    x : ndarray, shape (n,)
        Its value by row of the design, in its units (also where the kind takes the group means
        out of it).
    moderator_column : str or None
        Column of X of the first binary group-level predictor.
    moderator : str or None
        Its name without the level that a dummy's name carries: ``sex`` for ``sex[Male]``.
    subgroup_labels : tuple of str
        Labels of the two subgroups, ``("sector = 0", "sector = 1")``; empty without a moderator.
    moderator_values : tuple of float
        Its two values in X, the smaller first; empty without a moderator.
    subgroup : ndarray of int, shape (J,), or None
        0 or 1: the subgroup of each group.
    """

    outcome: str
    group: str | None
    slope: str | None
    x: RowArray[Floats] = RowArray()  # noqa: RUF009  (a descriptor)
    moderator_column: str | None
    moderator: str | None
    subgroup_labels: tuple[str, ...]
    moderator_values: tuple[float, ...]
    subgroup: Ints | None


def roles_of(design: Design) -> Roles:
    """Find the predictor to draw along and the binary moderator that divides the groups.

    Parameters
    ----------
    design : Design
        Of any kind.

    Returns
    -------
    Roles

    Examples
    --------
    >>> from bayes_mlm import build_design, load_dataset
    >>> hsb = load_dataset("hsb")
    >>> roles = roles_of(build_design("mathach ~ ses * sector + (1 | schoolid)", hsb))
    >>> roles.slope, roles.moderator_column, roles.subgroup_labels
    ('ses', 'sector', ('sector = 0', 'sector = 1'))
    """
    columns = base_columns(design)
    slope = next((column for column in columns if _is_slope(design, column)), None)
    moderator = next((column for column in columns if _is_moderator(design, column)), None)
    means = None if moderator is None else _group_means(design, moderator.name)
    return Roles(
        outcome=design.outcome,
        group=design.group,
        slope=None if slope is None else slope.name,
        x=None if slope is None else _values(design, slope.name),
        moderator_column=None if moderator is None else moderator.name,
        moderator=None if moderator is None else label(moderator.parts[0][0]),
        subgroup_labels=() if moderator is None else _labels(design, moderator),
        moderator_values=() if means is None else _ends(means),
        subgroup=None
        if means is None
        else (means > (means.min() + means.max()) / 2).astype(np.int64),
    )


def base_columns(design: Design) -> tuple[Column, ...]:
    """Return the columns of X as the formula has them, before the kind changed them."""
    return design.encoding.x_columns


def base_values(design: Design, name: str) -> Floats:
    """Return a column of the formula by row of the design, in its units.

    Raises
    ------
    KeyError
        If the kind of model has no such column (an intercept under no pooling).
    """
    laid_out = f"within({name})" if design.kind == "within" and name != "Intercept" else name
    if laid_out not in design.terms:
        raise KeyError(name)
    values = design.X[:, design.terms.index(laid_out)]
    if laid_out != name:
        values = values + design.group_term.by_row(_group_means(design, name))
    return values


def _group_means(design: Design, name: str) -> Floats:
    assert design.base is not None  # for mypy: used only for designs with groups
    return design.base.means[:, design.base.terms.index(name)]


def _is_slope(design: Design, column: Column) -> bool:
    """Test whether a column is one numeric factor, linear and varying within groups."""
    if len(column.parts) != 1 or column.parts[0][1] is not None:
        return False
    factor = column.parts[0][0]
    if design.base is not None and not _varies(design, column.name):
        return False
    others = (*design.formula.factors, *design.formula.offsets)
    if any(_bends(factor, other) for other in others):
        return False
    values = _values(design, column.name)  # moments do not determine the number of its values
    return values is None or _has_values(values, _LEAST_VALUES)


def _values(design: Design, name: str) -> Floats | None:
    return design.compute(lambda rows: base_values(rows, name), lambda _: None)


def _varies(design: Design, name: str) -> bool:
    assert design.base is not None  # for mypy: the caller looked
    return bool(design.base.varies[design.base.terms.index(name)])


def _bends(factor: Factor, other: Expression) -> bool:
    """Test whether another factor is made of the same columns and varies with them in a group."""
    moves = not (isinstance(other, Call) and other.function == "between")
    return other != factor and moves and not set(factor.columns).isdisjoint(other.columns)


def _is_moderator(design: Design, column: Column) -> bool:
    """Test whether a column is one factor of two values, constant within groups."""
    if design.base is None or len(column.parts) != 1 or column.name not in design.base.terms:
        return False
    factor, place = column.parts[0]
    levels = next((item for item in design.encoding.levels if item.factor == str(factor)), None)
    dummy = isinstance(place, int) and levels is not None and len(levels.levels) == 2
    if place is not None and not dummy:
        return False
    means = _group_means(design, column.name)
    low, high = means.min(), means.max()
    near = np.minimum(means - low, high - means) <= _SAME * max(abs(low), abs(high))
    return not _varies(design, column.name) and bool(high > low) and bool(near.all())


def _ends(means: Floats) -> tuple[float, float]:
    """Return the least and the largest; rounding error of summing counts as zero."""
    low, high = float(means.min()), float(means.max())
    near = _SAME * max(abs(low), abs(high))
    return (0.0 if abs(low) <= near else low), (0.0 if abs(high) <= near else high)


def _labels(design: Design, column: Column) -> tuple[str, str]:
    """Return the labels of the two subgroups, the smaller value of the moderator first."""
    factor, place = column.parts[0]
    if not isinstance(place, int):
        means = _group_means(design, column.name)
        low, high = _ends(means)
        return f"{column.name} = {low:g}", f"{column.name} = {high:g}"
    levels = next(item for item in design.encoding.levels if item.factor == str(factor))
    name = label(factor)
    return f"{name} = {levels.name(1 - place)}", f"{name} = {levels.name(place)}"


def _has_values(values: NDArray[np.float64], least: int) -> bool:
    """Test whether an array has at least so many different values, without sorting it whole."""
    found: list[float] = []
    for _ in range(least):
        values = values[~np.isin(values, found)] if found else values
        if not values.size:
            return False
        found.append(float(values[0]))
    return True
