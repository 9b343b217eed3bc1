"""Rows that effects are averaged over, in the columns of the table they came from."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bayes_mlm.base import DataError, Floats, RowsNeededError
from bayes_mlm.data import (
    IN_MEMORY,
    USUAL,
    Table,
    find_groups,
    handle_missing,
    require_columns,
    varies_within,
    with_interactions,
)
from bayes_mlm.design import (
    INTERCEPT,
    Design,
    Levels,
    as_learned,
    encode,
    lay_out,
    level_weights,
    means_by_group,
    read_data,
    replay,
    table_of,
)
from bayes_mlm.formula import Call, Factor, Name
from bayes_mlm.model import ModelRequest
from bayes_mlm.moments import refuse_rows
from bayes_mlm.questions.effects.numbers import Numbers
from bayes_mlm.questions.response.rows import ResponseRows

type Settings = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, kw_only=True, eq=False)
class Moved:
    """A change of the linear predictor: weights (p,) of the coefficients, and of the offset.

    `high` and `low` are the rows that it is between, where expected outcomes need them, and `step`
    what a difference of these is divided by.
    """

    weights: Floats
    shift: float
    high: ResponseRows | None = None
    low: ResponseRows | None = None
    step: float = 1.0

    def over(self, step: float) -> "Moved":
        """Return the rate of change for a step."""
        return replace(self, weights=self.weights / step, shift=self.shift / step, step=step)


@dataclass(frozen=True, kw_only=True, eq=False)
class Population:
    """Rows that an effect is averaged over.

    Parameters
    ----------
    design : Design
        Laid out for its kind; it says how the rows become columns of X.
    table : Table
        The rows, with every column that the predictors of the model are made of.
    what : str
        Their description: "the 7,185 rows of the data".
    weights : ndarray, shape (n,), or None
        How many rows of the data each row of the table stands for; None where each is one.
    rows_known : bool
        False where rows are unavailable: the table is a placeholder of one row, enough for effects
        at values of every predictor.
    """

    design: Design
    table: Table
    what: str
    weights: Floats | None = None
    rows_known: bool = True

    def column(self, name: str) -> NDArray[Any]:
        """Return a column of the rows.

        Raises
        ------
        RowsNeededError
            If rows are unavailable.
        """
        if not self.rows_known:
            raise RowsNeededError(
                f"this needs the values of {name} by row, and the data were reduced to sums by "
                f"group; set {name} (at), or use a sample of groups (sample_groups)"
            )
        return self.table.columns[name]

    def numbers(self, name: str) -> Numbers:
        """Return the mean, sds and median of a column of numbers over the rows.

        Raises
        ------
        RowsNeededError
            If rows are unavailable.
        """
        return Numbers(values=self.column(name).astype(np.float64), weights=self.weights)

    @property
    def predictors(self) -> tuple[str, ...]:
        """Columns of the table that the predictors are made of; the group is none."""
        names = self.design.encoding.predictor_columns
        return tuple(name for name in names if name not in self.design.factors)

    def levels(self, name: str) -> Levels | None:
        """Return the categories of a column that the formula takes as categories."""
        known = self.design.encoding.levels
        return next((item for item in known if item.column == name), None)

    def difference(self, high: Settings, low: Settings, *, extend: bool = False) -> Moved:
        """Average, over the rows, what changes between two settings of some columns.

        With `extend` splines go on past their boundary knots, for derivatives there.
        """
        unset = [name for name in self.predictors if name not in high]
        plain = self.design.kind in ("pooled", "partial_pooling") and not self.design.encoding.means
        if not self.rows_known and (unset or not plain):
            raise RowsNeededError(
                f"averaging over rows ({', '.join(unset) or 'group means'}) needs them, and the "
                "data were reduced to sums by group; set every predictor (at), or use a sample of "
                "groups (sample_groups)"
            )
        above, below = (self.rows_at(one, extend=extend) for one in (high, low))
        kept = not self.design.family.is_additive
        return Moved(
            weights=np.average(above.X - below.X, axis=0, weights=above.weights),
            shift=float(np.average(above.offset - below.offset, weights=above.weights)),
            high=above if kept else None,
            low=below if kept else None,
        )

    def rows_at(self, settings: Settings, *, extend: bool = False) -> ResponseRows:
        """Return the rows, or those of group means in a `between` model, with columns set."""
        design, means_of = self.design, None
        if design.kind in ("within", "mundlak"):
            # A group-level predictor changes the group means of its products; a predictor that
            # varies within groups changes no group mean.
            shared = {name: value for name, value in settings.items() if name in self._shared}
            means_of = set_columns(self.table, shared) if shared else None
        table = set_columns(self.table, settings)
        rows = replay(design, table, means_of=means_of, extend=extend, weights=self.weights)
        X, offset = rows.X, rows.offset
        if design.kind == "between":
            groups = find_groups(self.table, str(design.group))
            X, offset = (
                means_by_group(one, groups.codes, groups.labels.size) for one in (X, offset)
            )
        drawn = rows.groups if design.has_group_effects else ()
        return ResponseRows(
            X=X,
            offset=offset,
            Z=tuple(one.Z for one in drawn),
            codes=tuple(one.codes for one in drawn),
            weights=self.weights,
        )

    @cached_property
    def _shared(self) -> frozenset[str]:
        names = self.predictors
        return frozenset(names) - set(varies_within(self.table, str(self.design.group), names))


def read_population(design: Design, request: ModelRequest | None, data: Any = None) -> Population:
    """Return the rows to average over: new rows, else those that the model was fitted to.

    Parameters
    ----------
    design : Design
        Laid out for its kind.
    request : ModelRequest or None
        Names the data, which are read again where the design does not hold them.
    data : data frame, mapping, str or Path, optional
        New rows, such as another population.

    Raises
    ------
    DataError
        If new rows lack a column or a value, or the fitted rows are unavailable.
    """
    if data is not None:
        options = USUAL if request is None else request.source.options.of_new_rows(data)
        table = read_data(data, strip=design.encoding.strip, options=options)
        table = as_learned(design, table)
        needed = _needed(design)
        require_columns(table, needed)
        handle_missing(table, needed)
        return Population(design=design, table=table, what=_count(table, design, "of the new data"))

    if design.patterns is not None:
        counted = rebuild(design.weighted_rows)
        if counted is None:
            refuse_rows("predictors")
        return Population(
            design=design,
            table=counted,
            what=_count(counted, design, _of_data(design), n=design.n),
            weights=design.patterns.response.weights,
        )

    def fitted(rows: Design) -> Population:
        found = rebuild(rows) or read_again(rows, request)
        which = "of the data"
        if rows.sample_of is not None:
            which = f"of {rows.J:,} of the {rows.sample_of.J:,} groups"
        return Population(design=rows, table=found, what=_count(found, rows, which))

    stand_in = Table(columns={}, n=1, source="sums")
    return design.compute(
        fitted,
        lambda _: Population(
            design=design,
            table=stand_in,
            what="no rows, since every predictor is set",
            rows_known=False,
        ),
    )


def rebuild(design: Design) -> Table | None:
    """Recover the predictors' columns from the design; None where it does not store all of them.

    A column that enters the formula only through a function (``log(x)``), or a product of
    categories, is in the design's `inputs`.

    Examples
    --------
    >>> from bayes_mlm import build_design, load_dataset
    >>> hsb = load_dataset("hsb")
    >>> rebuild(build_design("mathach ~ ses * sector + (1 | schoolid)", hsb)).names
    ('ses', 'sector', 'schoolid')
    >>> rebuild(build_design("mathach ~ exp(ses) + (1 | schoolid)", hsb)).names
    ('ses', 'schoolid')
    """
    if design.kind == "between":
        return None
    columns: dict[str, NDArray[Any]] = {}
    for name in design.encoding.predictor_columns:
        if name in design.factors:  # below
            continue
        values = _category(design, name) if _is_category(design, name) else _number(design, name)
        if values is None:
            return None
        columns[name] = values
    columns |= {term.factor: term.row_labels for term in design.group_terms}
    return Table(columns=columns, n=design.n, source="the design")


def read_again(design: Design, request: ModelRequest | None, data: Any = None) -> Table:
    """Read the rows that a model was fitted to, from its source or from `data`.

    Raises
    ------
    DataError
        If there are none to read, or their outcome is not the fitted one.
    """
    if request is None or (data is None and request.source.data == IN_MEMORY):
        raise DataError(
            f"the predictors of '{design.formula}' cannot be recovered from the fitted model; give "
            "its rows too (data=..., --data)"
        )
    table = table_of(request.source, data)
    interactions = design.formula.interactions
    names = [*design.encoding.columns, *design.factors, *design.formula.grouping_columns]
    names += [*request.model.group_level, *request.model.residual.columns]
    require_columns(table, [name for name in names if name not in interactions])
    table = with_interactions(table, interactions)
    table = handle_missing(table, names, missing=request.source.missing).table
    y = encode(design.encoding, table).y
    if design.kind == "between":
        groups = find_groups(table, str(design.group))
        y = means_by_group(y, groups.codes, groups.labels.size)
    if not np.array_equal(y, design.y):
        raise DataError(
            f"{table.source} holds other outcomes than the fitted ones; give the rows of the fit "
            "(data=..., --data)"
        )
    return table


def set_columns(table: Table, settings: Settings) -> Table:
    """Return a table with some columns replaced."""
    return Table(columns={**table.columns, **settings}, n=table.n, source=table.source)


def _needed(design: Design) -> list[str]:
    names = list(design.encoding.predictor_columns)
    if design.kind in ("between", "within", "mundlak", "no_pooling"):
        names += design.factors
    return list(dict.fromkeys(names))


def _is_category(design: Design, name: str) -> bool:
    return any(item.column == name for item in design.encoding.levels)


def _number(design: Design, name: str) -> Floats | None:
    """Recover a column that is kept, or is a term, or a group effect, by itself or centred."""
    if name in design.inputs:
        return design.inputs[name]
    transforms: dict[Factor, tuple[float, float]] = {Name(name): (0.0, 1.0)}
    for known in design.encoding.centrings:
        if known.expression == str(Name(name)):
            transforms[Call("center", Name(name))] = (known.mean, 1.0)
            transforms[Call("scale", Name(name))] = (known.mean, known.sd)
    for terms, matrix in ((design.formula.terms, "X"), (design.formula.effects, "Z")):
        for column in lay_out(terms, design.encoding.levels):
            if len(column.parts) == 1 and column.parts[0][0] in transforms:
                values = _values(design, column.name, matrix)
                mean, sd = transforms[column.parts[0][0]]
                return None if values is None else mean + sd * values
    return None


def _category(design: Design, name: str) -> NDArray[Any] | None:
    """Recover the categories of a column from the columns of its main effect."""
    levels = next(item for item in design.encoding.levels if item.column == name)
    text = isinstance(levels.levels[0], str)
    known = np.array(levels.levels, dtype=object if text else None)
    if name in design.inputs:
        return np.asarray(known[design.inputs[name].astype(np.int64)])
    away = np.zeros((design.n, len(levels.levels)))
    found = False
    for column in lay_out(design.formula.terms, design.encoding.levels):
        factor, place = column.parts[0] if len(column.parts) == 1 else ("", None)
        if place is not None and str(factor) == levels.factor:
            values = _values(design, column.name, "X")
            if values is None:
                return None
            away += np.square(values[:, None] - np.array(level_weights(place, levels)))
            found = True
    return known[away.argmin(axis=1)] if found else None


def _values(design: Design, name: str, matrix: str) -> Floats | None:
    """Return a column of the formula by row, in its original units for every kind of model."""
    if matrix == "Z":
        terms = design.group_terms if design.kind != "no_pooling" else ()
        found = (one.column(name) for one in terms if name in one.effects)
        return next(found, None)
    laid_out = f"within({name})" if design.kind == "within" and name != INTERCEPT else name
    if laid_out not in design.terms:
        return None
    values = design.X[:, design.terms.index(laid_out)]
    if laid_out != name and design.base is not None:
        means = design.base.means[:, design.base.terms.index(name)]
        values = values + design.group_term.by_row(means)
    return values


def _of_data(design: Design) -> str:
    several = len(design.imputations)
    return f"of the data, in {several} imputations" if several else "of the data"


def _count(table: Table, design: Design, which: str, n: int | None = None) -> str:
    if design.kind == "between":
        size = find_groups(table, str(design.group)).sizes.size
        return f"the means of the {size:,} groups {which}"
    return f"the {table.n if n is None else n:,} rows {which}"
