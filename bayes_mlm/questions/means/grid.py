"""The reference grid: every combination of categories, with numbers at their means."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any, Literal, get_args

import numpy as np

from bayes_mlm.base import (
    DesignError,
    EmptyCellError,
    Flags,
    Floats,
    RowsNeededError,
    check_choice,
    describe_value,
)
from bayes_mlm.data import Table
from bayes_mlm.design import column_moments, replay
from bayes_mlm.formula import Name
from bayes_mlm.questions.effects.query import At, check_predictor, grid as settings_of
from bayes_mlm.questions.effects.rows import Population
from bayes_mlm.questions.response.rows import ResponseRows

type Weighting = Literal["equal", "proportional", "cells"]
_POINTS = 20_000
_SET_ALL = "set it (at, --at), or use a sample of groups (sample_groups)"


@dataclass(frozen=True, kw_only=True, eq=False)
class Axis:
    """A predictor with its values in the grid; `crossed` where rows are counted by its values."""

    name: str
    values: tuple[At, ...]
    crossed: bool


@dataclass(frozen=True, kw_only=True, eq=False)
class ReferenceGrid:
    """Points at which outcomes are expected, and which of them each mean averages over.

    Parameters
    ----------
    population : Population
    axes : tuple of Axis
        Predictors whose means are wanted, then those within which they are compared, then those
        that are averaged over.
    n_of, n_by : int
        Number of the first and of the second.
    weighting : {"equal", "proportional", "cells"}
    """

    population: Population
    axes: tuple[Axis, ...]
    n_of: int
    n_by: int
    weighting: Weighting

    @cached_property
    def points(self) -> tuple[tuple[At, ...], ...]:
        """Every combination of values, the last axis varying fastest; G of them."""
        size = int(np.prod([len(axis.values) for axis in self.axes]))
        if size > _POINTS:
            raise DesignError(
                f"the reference grid has {size:,} points, more than {_POINTS:,}; set some "
                "predictors to one value (at)"
            )
        return tuple(product(*(axis.values for axis in self.axes)))

    @cached_property
    def rows(self) -> tuple[ResponseRows, Flags]:
        """Rows of the design at the points, and which (G,) are estimable; others are the first."""
        every = list(range(len(self.points)))
        try:
            return self._replayed(every), np.ones(len(every), dtype=np.bool_)
        except EmptyCellError as error:
            known = np.array([self._is_estimable(place) for place in every])
            if not known.any():
                raise error from None
        first = int(np.flatnonzero(known)[0])
        return self._replayed([k if known[k] else first for k in every]), known

    def _is_estimable(self, place: int) -> bool:
        try:
            self._replayed([place])
        except EmptyCellError:
            return False
        return True

    def _replayed(self, places: Sequence[int]) -> ResponseRows:
        design = self.population.design
        chosen = [self.points[k] for k in places]
        columns = {}
        for k, axis in enumerate(self.axes):
            values = [one[k].value for one in chosen]
            dtype = object if isinstance(values[0], str) else None
            columns[axis.name] = np.array(values, dtype=dtype)
        found = replay(design, Table(columns=columns, n=len(places), source="the reference grid"))
        drawn = found.groups if design.has_group_effects else ()
        return ResponseRows(
            X=found.X,
            offset=found.offset,
            Z=tuple(one.Z for one in drawn),
            codes=tuple(one.codes for one in drawn),
        )

    @cached_property
    def means(self) -> tuple[tuple[tuple[At, ...], tuple[At, ...]], ...]:
        """What each mean is of, and the values within which it is compared: m of them."""
        of, by = self.axes[: self.n_of], self.axes[self.n_of : self.n_of + self.n_by]
        return tuple(
            (mean, within)
            for within in product(*(axis.values for axis in by))
            for mean in product(*(axis.values for axis in of))
        )

    @cached_property
    def weights(self) -> Floats:
        """Weights (m, G) of the points in each mean, of sum one; nan where there are no rows."""
        kept = self.n_of + self.n_by
        places = {mean: k for k, mean in enumerate(self.means)}
        shares = np.zeros((len(places), len(self.points)))
        frequency = self._frequencies()
        for k, point in enumerate(self.points):
            mean = places[point[: self.n_of], point[self.n_of : kept]]
            shares[mean, k] = frequency[k]
        total = shares.sum(axis=1, keepdims=True)
        with np.errstate(invalid="ignore"):
            return np.asarray(shares / total)

    def _frequencies(self) -> Floats:
        """Return how often each point counts: alike, or as often as rows have its categories."""
        kept = self.n_of + self.n_by
        counted = [
            k
            for k, axis in enumerate(self.axes)
            if axis.crossed and (k >= kept or self.weighting == "cells")
        ]
        averaged = [k for k in counted if k >= kept]
        if self.weighting == "equal" or not averaged:
            return np.ones(len(self.points))
        population = self.population
        if not population.rows_known:
            names = ", ".join(self.axes[k].name for k in averaged)
            raise RowsNeededError(
                f"weights={self.weighting!r} counts rows by {names}, and the data were reduced to "
                "sums by group; use weights='equal', or a sample of groups (sample_groups)"
            )
        n = population.table.n
        codes = np.zeros(n, dtype=np.int64)
        inside = np.ones(n, dtype=np.bool_)
        of_points = np.zeros(len(self.points), dtype=np.int64)
        for k in counted:
            axis, column = self.axes[k], population.column(self.axes[k].name)
            same = np.stack([np.asarray(column == one.value) for one in axis.values])
            inside &= same.any(axis=0)
            codes = codes * len(axis.values) + same.argmax(axis=0)
            spots = {one: place for place, one in enumerate(axis.values)}
            of_points *= len(axis.values)
            of_points += np.array([spots[point[k]] for point in self.points])
        rows = None if population.weights is None else population.weights[inside]
        return np.bincount(codes[inside], rows, minlength=int(of_points.max()) + 1)[
            of_points
        ].astype(np.float64)

    @property
    def over(self) -> str:
        """What the means average over, in words."""
        parts = []
        for axis in self.axes[self.n_of + self.n_by :]:
            if len(axis.values) == 1:
                parts.append(str(axis.values[0]))
            else:
                parts.append(f"{axis.name} ({len(axis.values)} values)")
        weights = {
            "equal": "weighted equally",
            "proportional": "weighted by their rows in the data",
            "cells": "weighted by the rows of each cell",
        }[self.weighting]
        several = any(len(axis.values) > 1 for axis in self.axes[self.n_of + self.n_by :])
        return f"{', '.join(parts)}{', ' + weights if several else ''}" if parts else ""


def reference_grid(
    population: Population,
    of: Sequence[str],
    by: Sequence[str],
    at: Mapping[str, Any] | None,
    weighting: str,
) -> ReferenceGrid:
    """Return the grid for means of some predictors.

    Raises
    ------
    DesignError
        If a predictor is unknown, named twice, or a number without values to compare; or means
        are not defined for the kind of model.
    RowsNeededError
        If the mean of a predictor is needed, and the sums do not have it.
    """
    check_choice("weights", weighting, get_args(Weighting.__value__))
    check_kind(population)
    if at is not None and not isinstance(at, Mapping):
        raise DesignError(
            f"at is a mapping of predictors to values, as in {{'age': [8, 14]}}; found "
            f"{describe_value(at)}"
        )
    for name in (*of, *by):
        check_predictor(population, name)
    named = [*of, *by]
    for name in named:
        if named.count(name) > 1:
            raise DesignError(f"{name!r} is named twice; name each predictor once")
    rest = [name for name in population.predictors if name not in named]
    axes = [_axis(population, name, at or {}, compared=name in named) for name in [*named, *rest]]
    for name in at or {}:
        check_predictor(population, name)
    return ReferenceGrid(
        population=population,
        axes=tuple(axes),
        n_of=len(of),
        n_by=len(by),
        weighting=next(one for one in get_args(Weighting.__value__) if one == weighting),
    )


def check_kind(population: Population) -> None:
    """Refuse models whose expected outcomes depend on group means, which no grid point has.

    Raises
    ------
    DesignError
    """
    design = population.design
    if design.kind not in ("pooled", "partial_pooling") or design.encoding.means:
        what = f"a {design.kind} model has" if not design.encoding.means else "this formula has"
        raise DesignError(
            f"{what} group means or groups among its predictors, which no point of a reference "
            "grid has; use comparisons, which averages over the rows of the data "
            "(bayes-mlm effects)"
        )


def _axis(population: Population, name: str, at: Mapping[str, Any], *, compared: bool) -> Axis:
    """Return a predictor with its values: those set, its categories, or its mean."""
    levels = population.levels(name)
    if name in at:
        values = tuple(one for (one,) in settings_of(population, {name: at[name]}))
        if len(set(values)) < len(values):
            raise DesignError(f"{name!r} has the same value twice; give each once (at)")
        return Axis(name=name, values=values, crossed=levels is not None)
    if levels is not None:
        return Axis(
            name=name, values=tuple(At(name=name, value=one) for one in levels.levels), crossed=True
        )
    if population.rows_known:
        known = np.unique(population.column(name))
        if known.size == 2:
            values = tuple(At(name=name, value=one) for one in known.tolist())
            return Axis(name=name, values=values, crossed=True)
        if not compared:
            mean = At(name=name, value=population.numbers(name).mean, word="mean")
            return Axis(name=name, values=(mean,), crossed=False)
    if compared:
        raise DesignError(
            f"{name!r} is a number; give the values at which means are wanted, "
            f"at={{{name!r}: [...]}} (--at {name}=...), or its slope (slopes)"
        )
    mean = At(name=name, value=_mean_of_sums(population, name), word="mean")
    return Axis(name=name, values=(mean,), crossed=False)


def _mean_of_sums(population: Population, name: str) -> float:
    """Return the mean of a column that is a term by itself, from the sums by group."""
    design = population.design
    columns = design.encoding.x_columns
    place = next((k for k, one in enumerate(columns) if one.parts == ((Name(name), None),)), None)
    if place is None:
        raise RowsNeededError(
            f"the mean of {name} is not among the sums by group that the data were reduced to; "
            f"{_SET_ALL}"
        )
    found = column_moments(design)
    mean, sd = float(found.x_mean[place]), float(found.x_sd[place])
    # A column of zeros and ones has the variance m (1 - m); rows would have both its values.
    if np.isclose(sd * sd, mean * (1.0 - mean), rtol=1e-6, atol=0.0):
        raise RowsNeededError(
            f"{name} seems to be a number of two values, and sums by group do not tell them; "
            f"{_SET_ALL}"
        )
    return mean
