"""Compute the line that a model draws along its slope, with the posterior's band about it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bayes_mlm.base import Floats, estimate
from bayes_mlm.design import Column, Design, Place, column_moments
from bayes_mlm.engines import ENGINES, samples
from bayes_mlm.figures.roles import Roles, base_columns, base_values
from bayes_mlm.fitting import Analysis, Fit, shortest_interval
from bayes_mlm.formula import label
from bayes_mlm.moments import refuse_rows

type Rows = NDArray[np.bool_]
_POINTS = 41


@dataclass(frozen=True, kw_only=True, eq=False)
class Line:
    """A straight line with the posterior's band, and the REML or OLS line.

    Parameters
    ----------
    name : str
        What the line is of: "between", "sector = 1", a group's label.
    model : str
        The record's name.
    engine, likelihood_engine : str
        Which engine drew, and "REML" or "OLS".
    x : ndarray, shape (m,)
        In units of the slope's predictor.
    centre, lower, upper : ndarray, shape (m,)
        Posterior mean of the expected outcome, and the ends of its central interval (equal tails,
        which make a smooth band), in outcome units.
    slope, slope_lower, slope_upper : float
        Posterior mean of the slope and its shortest interval, as the tables have it, in outcome
        units for one unit of x.
    likelihood : ndarray, shape (m,)
        The line of REML or OLS.
    likelihood_slope : float
        Its slope.
    prob : float
        Of every interval.
    """

    name: str
    model: str
    engine: str
    likelihood_engine: str
    x: Floats
    centre: Floats
    lower: Floats
    upper: Floats
    slope: float
    slope_lower: float
    slope_upper: float
    likelihood: Floats
    likelihood_slope: float
    prob: float

    @property
    def slope_text(self) -> str:
        """The slope with its interval: ``2.39 (2.17 to 2.60)``."""
        return estimate(self.slope, self.slope_lower, self.slope_upper)

    @property
    def slope_margin(self) -> float:
        """Half the width of the slope's interval."""
        return (self.slope_upper - self.slope_lower) / 2

    def slope_overlaps(self, other: "Line") -> bool:
        """Test whether the intervals of two slopes overlap."""
        return self.slope_lower <= other.slope_upper and other.slope_lower <= self.slope_upper


def has_effects(fit: Fit) -> bool:
    """Test whether the group effects are stored as draws (too many are kept as summaries)."""
    return "u" in fit.draws.posterior


def span(values: NDArray[Any]) -> Floats:
    """Return points evenly spaced over the range of some values, for a line."""
    return np.linspace(float(np.min(values)), float(np.max(values)), _POINTS)


def line_along(
    analysis: Analysis,
    roles: Roles,
    x: Floats,
    *,
    name: str,
    subgroup: int | None = None,
    group: int | None = None,
    follow: bool = False,
) -> Line:
    """Compute a model's expected outcome along its slope.

    Parameters
    ----------
    analysis : Analysis
        With a posterior; its first fit is used.
    roles : Roles
        Of its design, with a slope.
    x : ndarray, shape (m,)
        Where; deviations from the group means for the within kind.
    name : str
        What the line is of.
    subgroup : int, optional
        0 or 1: which subgroup. Every other predictor is at its mean of all rows.
    group : int, optional
        Place of a group among the labels: its group-specific line, other predictors at
        their mean in it. Needs draws of the group effects.
    follow : bool
        Whether a Mundlak model's group mean of the slope moves with it: the line that the means of
        groups follow, instead of the members of one group.

    Returns
    -------
    Line
    """
    fit = analysis.fits[0]
    design = fit.design
    rows = None if group is None else design.group_term.rows_of(group)
    X = rows_of_x(design, roles, x, rows, subgroup, follow=follow)
    X_step = rows_of_x(design, roles, np.array([0.0, 1.0]), rows, subgroup, follow=follow)
    beta = samples(fit.draws, "beta")
    expected, slopes = beta @ X.T, beta @ (X_step[1] - X_step[0])
    beta_likelihood = analysis.estimate.solution.beta
    likelihood = X @ beta_likelihood
    likelihood_slope = float((X_step[1] - X_step[0]) @ beta_likelihood)
    if rows is not None and group is not None and design.q:
        Z = _rows_of_z(design, roles, x, rows)
        Z_step = _rows_of_z(design, roles, np.array([0.0, 1.0]), rows)
        u = samples(fit.draws, "u")[:, group]
        u_likelihood = analysis.estimate.single_solution().u[group]
        expected, slopes = expected + u @ Z.T, slopes + u @ (Z_step[1] - Z_step[0])
        likelihood = likelihood + Z @ u_likelihood
        likelihood_slope += float((Z_step[1] - Z_step[0]) @ u_likelihood)
    tail = (1.0 - analysis.prob) / 2.0
    lower, upper = np.quantile(expected, [tail, 1.0 - tail], axis=0)
    slope_lower, slope_upper = shortest_interval(slopes[:, None], analysis.prob)
    return Line(
        name=name,
        model=analysis.spec.name,
        engine=fit.engine,
        likelihood_engine=ENGINES[analysis.estimate.engine].label,
        x=x,
        centre=expected.mean(axis=0),
        lower=lower,
        upper=upper,
        slope=float(slopes.mean()),
        slope_lower=float(slope_lower[0]),
        slope_upper=float(slope_upper[0]),
        likelihood=likelihood,
        likelihood_slope=likelihood_slope,
        prob=analysis.prob,
    )


def rows_of_x(
    design: Design,
    roles: Roles,
    x: Floats,
    rows: Rows | None,
    subgroup: int | None,
    *,
    follow: bool,
) -> Floats:
    """Make the rows (m, p) of X along x: other predictors at their mean of some rows, or of all."""
    known = {_laid_out(design, column.name): column for column in base_columns(design)}
    at_mean = np.full_like(x, _slope_mean(design, roles, rows))
    made = []
    for term in design.terms:
        base = term.removeprefix("between(").removesuffix(")")
        if term in known:
            made.append(_column(design, roles, known[term], term, x, rows, subgroup))
        else:  # a Mundlak model's group mean of the column `base`
            moves = x if follow else at_mean
            made.append(_column(design, roles, known[base], base, moves, rows, subgroup))
    return np.array(made).T


def _rows_of_z(design: Design, roles: Roles, x: Floats, rows: Rows) -> Floats:
    """Make the rows (m, q) of Z along x for one group."""
    if design.kind == "no_pooling":
        return np.ones((x.size, 1))
    columns = design.effect_columns
    term = design.group_term
    made = [
        _along(design, roles, column, values, x, rows, None)
        for column, values in zip(columns, map(term.column, term.effects), strict=True)
    ]
    return np.array(made).T


def _laid_out(design: Design, name: str) -> str:
    return f"within({name})" if design.kind == "within" and name != "Intercept" else name


def _slope_values(design: Design, roles: Roles) -> Floats:
    """Return the slope's predictor by row in the kind's layout (deviations for `within`)."""
    assert roles.slope is not None  # for mypy: lines are drawn where there is a slope
    return design.X[:, design.terms.index(_laid_out(design, roles.slope))]


def _slope_mean(design: Design, roles: Roles, rows: Rows | None) -> float:
    if rows is not None:
        return float(_slope_values(design, roles)[rows].mean())
    assert roles.slope is not None  # for mypy: lines are drawn where there is a slope
    place = design.terms.index(_laid_out(design, roles.slope))
    return float(column_moments(design).x_mean[place])


def _column(
    design: Design,
    roles: Roles,
    column: Column,
    term: str,
    x: Floats,
    rows: Rows | None,
    subgroup: int | None,
) -> Floats:
    place = design.terms.index(term)
    values = design.compute(lambda rows: rows.X[:, place], lambda _: None)
    return _along(design, roles, column, values, x, rows, subgroup)


def _along(
    design: Design,
    roles: Roles,
    column: Column,
    values: Floats | None,
    x: Floats,
    rows: Rows | None,
    subgroup: int | None,
) -> Floats:
    """Return a column along x: a product of the slope, the moderator and a rest at its mean.

    The mean is that of the rest's column, over the rows (of groups where the moderator's factor is
    not zero). Without a column, it is what remains of `values` by row when the other two are
    divided out; sums by group do not determine that.
    """
    factors = [label(factor) for factor, _ in column.parts]
    wanted, divided = np.ones_like(x), np.ones(design.J)
    slopes = roles.slope in factors
    if slopes:
        wanted = wanted * x
    splits = subgroup is not None and roles.moderator in factors
    if splits:
        value = _moderator_value(
            design, roles, column.parts[factors.index(str(roles.moderator))][1]
        )
        assert roles.subgroup is not None  # for mypy: there is a moderator
        wanted, divided = wanted * value(np.array(subgroup)), value(roles.subgroup)
    taken = {roles.slope if slopes else None, roles.moderator if splits else None}
    rest = tuple(part for part in column.parts if label(part[0]) not in taken)
    if column.parts and not rest:
        return wanted
    if not slopes and not splits:
        return wanted * _column_mean(design, column, values, rows)
    known = {frozenset(one.parts): one.name for one in base_columns(design)}
    name = known.get(frozenset(rest))
    if name is not None:
        return wanted * _mean_where(design, name, divided != 0.0, rows)
    if values is None:
        refuse_rows(column.name)
    divisor = design.group_term.by_row(divided)
    if slopes:
        divisor = divisor * _slope_values(design, roles)
    used = np.abs(divisor) > 0.0
    if rows is not None:
        used &= rows
    if not used.any():
        return np.zeros_like(x)
    return np.asarray(wanted * float((values[used] / divisor[used]).mean()))


def _column_mean(design: Design, column: Column, values: Floats | None, rows: Rows | None) -> float:
    """Return the mean of a column in the kind's layout: zero for deviations."""
    if values is not None:
        return float((values if rows is None else values[rows]).mean())
    place = design.terms.index(_laid_out(design, column.name))
    return float(column_moments(design).x_mean[place])


def _mean_where(design: Design, name: str, kept: Rows, rows: Rows | None) -> float:
    """Return the mean of a column of the formula over the rows of some groups, in its units."""
    if rows is not None:
        used = design.group_term.by_row(kept) & rows
        return float(base_values(design, name)[used].mean()) if used.any() else 0.0
    if design.base is None:
        return float(column_moments(design).x_mean[design.terms.index(name)])
    sizes = np.where(kept, design.group_sizes, 0).astype(np.float64)
    means = design.base.means[:, design.base.terms.index(name)]
    return float(sizes @ means / sizes.sum()) if sizes.any() else 0.0


def _moderator_value(
    design: Design, roles: Roles, place: Place
) -> Callable[[NDArray[Any]], Floats]:
    """Return the value of a column's factor in either subgroup: a number, or a dummy."""
    if place is None:
        return lambda k: np.asarray(roles.moderator_values)[k]
    dummy = next(column for column in base_columns(design) if column.name == roles.moderator_column)
    same = place == dummy.parts[0][1]
    return lambda k: np.asarray(k if same else 1 - k, dtype=np.float64)
