"""Overview of a table's variables: type, label, missing values, level and ICC."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bayes_mlm.base import DataError, Tabular, View, count, digits, scaled, shorten
from bayes_mlm.data.columns import Column
from bayes_mlm.data.groups import Groups, find_groups, group_spread, label_text, levels_of
from bayes_mlm.data.missing import is_missing
from bayes_mlm.data.table import Table, as_table, take
from bayes_mlm.data.validation import require_columns

_LISTED = 4  # levels
_MIDNIGHT = " 00:00:00"
_MOST_LEVELS = 12


@dataclass(frozen=True, kw_only=True)
class Variable:
    """One column of a table.

    Parameters
    ----------
    name, label : str
        The column, and its variable label ("" for none).
    type : str
        "number", "whole number", "true/false", "category", "text", "date" or "empty".
    n_levels : int
        Number of different values.
    n_missing : int
    level : str
        "group" for the grouping column, "within" where it varies within groups, "between" where it
        is constant within every group; "" without groups, or where it is constant.
    n_varying : int or None
        Number of groups within which it varies.
    icc : float or None
        Share of its variance between groups (`intraclass`); None without groups.
    values : str
        Its range, or its levels.
    """

    name: str
    label: str
    type: str
    n_levels: int
    n_missing: int
    level: str
    n_varying: int | None
    icc: float | None
    values: str


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Variables(Tabular):
    """Overview of the variables of a table.

    Parameters
    ----------
    variables : tuple of Variable
    group : str or None
        The grouping column that levels and ICC refer to.
    n : int
        Number of rows.
    n_groups : int or None
    """

    variables: tuple[Variable, ...]
    group: str | None
    n: int
    n_groups: int | None

    def __repr__(self) -> str:
        """Return how many variables are described, on one line."""
        return f"<Variables of {self.n:,} rows: {len(self.variables)}>"

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns of the data."""
        return tuple(Variable.__dataclass_fields__)

    def raw(self) -> list[tuple[Any, ...]]:
        """Return a row for each variable."""
        return [tuple(getattr(one, name) for name in self.names) for one in self.variables]

    def view(self) -> View:
        """Return the table as text, for a renderer."""
        labelled = any(one.label for one in self.variables)
        grouped = self.group is not None
        missing = any(one.n_missing for one in self.variables)
        headings = ["variable", *(["label"] if labelled else []), "type"]
        headings += ["missing"] if missing else []
        headings += ["level", "icc"] if grouped else []
        cells = [
            (
                one.name,
                *([shorten(one.label, 32)] if labelled else []),
                one.type,
                *([count(one.n_missing) if one.n_missing else ""] if missing else []),
                *([self._level(one), _icc(one)] if grouped else []),
                one.values,
            )
            for one in self.variables
        ]
        where = f", {count(self.n_groups or 0, 'group')} ({self.group})" if grouped else ""
        legend = (
            "level: within = varies within groups, between = constant within every group. icc: "
            "share of its variance between groups (one-way analysis of variance).",
        )
        texts = {k for k, name in enumerate(headings) if name in ("label", "type", "level")}
        return View(
            title=f"{count(self.n, 'row')}, {count(len(self.variables), 'variable')}{where}",
            headings=(*headings, "values"),
            cells=tuple(cells),
            legend=legend if grouped else (),
            left=frozenset({*texts, len(headings)}),
        )

    def _level(self, one: Variable) -> str:
        if one.level != "within" or one.n_varying == self.n_groups:
            return one.level
        return f"within ({one.n_varying} of {self.n_groups} groups)"


def _icc(one: Variable) -> str:
    if one.icc is None or one.level in ("", "group"):
        return ""
    return scaled(one.icc, 2)


def describe_variables(
    table: Table, group: str | None = None, columns: Sequence[str] | None = None
) -> Variables:
    """Return an overview of the variables of a table, and of the level that each varies at.

    Parameters
    ----------
    table : Table or frame
        The rows.
    group : str, optional
        The grouping column.
    columns : sequence of str, optional
        The columns to describe; all by default.

    Returns
    -------
    Variables
        One row a column.

    Raises
    ------
    DataError
        If a column is absent, or every group label is missing.

    Examples
    --------
    >>> from bayes_mlm.data.datasets import load_dataset
    >>> found = describe_variables(load_dataset("hsb"), "schoolid", ["ses", "sector"])
    >>> [(one.name, one.type, one.level, round(one.icc, 2)) for one in found.variables]
    [('ses', 'number', 'within', 0.27), ('sector', 'whole number', 'between', 1.0)]
    """
    table = as_table(table)
    names = table.names if columns is None else tuple(dict.fromkeys(columns))
    require_columns(table, [*names, *(() if group is None else (group,))])
    groups, with_group = None, np.ones(table.n, dtype=np.bool_)
    if group is not None:
        with_group = ~is_missing(table.columns[group])
        if not with_group.any():
            raise DataError(f"every value of {group!r} is missing; give another grouping column")
        groups = find_groups(take(table, with_group), group)
    return Variables(
        variables=tuple(_variable(table, name, groups, with_group) for name in names),
        group=group,
        n=table.n,
        n_groups=None if groups is None else groups.sizes.size,
    )


def intraclass(values: Column, groups: Groups) -> float:
    """Return the intraclass correlation of a column by one-way analysis of variance.

    Parameters
    ----------
    values : ndarray, shape (n,)
        Numbers, or labels, of which the indicators of all categories count together. Missing values
        are omitted.
    groups : Groups
        The groups of its rows.

    Returns
    -------
    float
        (MSB - MSW) / (MSB + (n₀ - 1) MSW), n₀ = (n - Σ n_j² / n) / (J - 1); not below 0, and NaN
        where undefined: one group, no variation, or one row in every group. Source: Searle, Casella
        & McCulloch (1992), section 3.6.

    Examples
    --------
    >>> from bayes_mlm.data.table import as_table
    >>> table = as_table({"g": ["a", "a", "b", "b"], "x": [1.0, 2.0, 5.0, 6.0]})
    >>> round(intraclass(table.columns["x"], find_groups(table, "g")), 3)
    0.939
    """
    levels, places = levels_of(values)
    present = places >= 0
    codes, places = groups.codes[present], places[present]
    sizes = np.bincount(codes, minlength=groups.sizes.size).astype(np.float64)
    sizes = sizes[sizes > 0]
    n, many = float(codes.size), sizes.size
    if many < 2 or n <= many:
        return float("nan")
    if levels.dtype == object:
        within, total = _scatter_of_labels(codes, places, levels.size, groups.sizes.size)
    else:
        numbers = levels.astype(np.float64)[places]
        within, total = _scatter(codes, numbers - numbers.mean(), groups.sizes.size)
    if not np.isfinite(total) or total <= 0:
        return float("nan")
    between_square = (total - within) / (many - 1)
    within_square = within / (n - many)
    usual = (n - float((sizes**2).sum()) / n) / (many - 1)
    below = between_square + (usual - 1) * within_square
    return float(max((between_square - within_square) / below, 0.0)) if below > 0 else float("nan")


def _scatter(codes: Column, values: Column, many: int) -> tuple[float, float]:
    """Return the sums of squares within groups, and in total, of centred values."""
    counts = np.maximum(np.bincount(codes, minlength=many), 1)
    means = np.bincount(codes, weights=values, minlength=many) / counts
    return float(((values - means[codes]) ** 2).sum()), float((values**2).sum())


def _scatter_of_labels(
    codes: Column, places: Column, n_levels: int, many: int
) -> tuple[float, float]:
    """Return the sums of squares within groups, and in total, of the indicators of all levels."""
    n = float(codes.size)
    counts = np.bincount(codes, minlength=many).astype(np.float64)
    pairs, sizes = np.unique(codes * n_levels + places, return_counts=True)
    within = n - float((sizes**2.0 / counts[pairs // n_levels]).sum())
    return within, n - float((np.bincount(places) ** 2.0).sum()) / n


def _variable(table: Table, name: str, groups: Groups | None, with_group: Column) -> Variable:
    values = table.columns[name]
    gone = is_missing(values)
    levels = levels_of(values)[0]
    level, varying, icc = "", None, None
    if groups is not None and name == groups.name:
        level = "group"
    elif groups is not None and levels.size > 1:
        kept = values[with_group]
        spread = group_spread(kept, groups)
        varying = int(spread.sum())
        level = "within" if varying else "between"
        icc = intraclass(kept, groups) if varying else 1.0
    return Variable(
        name=name,
        label=table.labels.get(name, ""),
        type=_type(table, name, levels),
        n_levels=int(levels.size),
        n_missing=int(np.count_nonzero(gone)),
        level=level,
        n_varying=varying,
        icc=icc,
        values=_values(table, name, levels),
    )


def _type(table: Table, name: str, levels: Column) -> str:
    values = table.columns[name]
    if levels.size == 0:
        return "empty"
    if name in table.times:
        return "date"
    if values.dtype == object:
        return "category" if name in table.categories else "text"
    if values.dtype == np.bool_:
        return "true/false"
    whole = values.dtype.kind == "i" or bool((levels == np.rint(levels)).all())
    return "whole number" if whole else "number"


def _values(table: Table, name: str, levels: Column) -> str:
    """Return the range of numbers, or the levels of labels, as far as they have room."""
    if levels.size == 0:
        return ""
    if name in table.times and levels.dtype == object and levels.size > _LISTED:
        times = sorted(map(str, levels.tolist()))  # as ISO 8601 writes them
        if all(one.endswith(_MIDNIGHT) for one in times):
            times = [one.removesuffix(_MIDNIGHT) for one in times]
        return f"{times[0]} to {times[-1]} ({count(len(times))} times)"
    if levels.dtype == object:
        order = [one for one in table.categories.get(name, ()) if one in set(levels.tolist())]
        listed = order or [str(one) for one in levels.tolist()]
        sign = " < " if order else ", "
        shown = sign.join(shorten(one, 16) for one in listed[:_LISTED])
        more = f", … ({count(len(listed))} levels)" if len(listed) > _LISTED else ""
        return f"{shown}{more}"
    if levels.size <= 3:
        return ", ".join(map(label_text, levels))
    low, high = float(levels[0]), float(levels[-1])
    finite = levels[np.isfinite(levels.astype(np.float64))].astype(np.float64)
    error = float(finite.std()) / 10 if finite.size > 1 else None
    chosen = digits([low, high], error or None)
    if levels.dtype.kind in "iu" or (levels == np.rint(levels)).all():
        return f"{label_text(low)} to {label_text(high)}"
    return f"{chosen.number(low)} to {chosen.number(high)}"
