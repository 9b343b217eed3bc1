"""Encode the terms of a formula as named columns that new data can replay.

`learn_encoding` reads a table once and keeps what the columns depend on: the categories of
text columns, means and sds for `center` and `scale`, group means for `within` and `between`.
`encode` then makes the columns for that table or for any other.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bayes_mlm.base import DataError, DesignError, Floats
from bayes_mlm.design.encoding.cells import Crossing, find_crossings, refuse_empty
from bayes_mlm.design.encoding.columns import (
    Column,
    basis_of,
    check_columns,
    check_constants,
    check_independent,
    is_basis,
    part_values,
)
from bayes_mlm.design.encoding.inputs import is_text, numeric_column, raw_column
from bayes_mlm.design.encoding.levels import Levels, codes_of, learn_levels
from bayes_mlm.design.encoding.result import Encoding, factor_values
from bayes_mlm.design.encoding.values import Learned, evaluate, learn_values
from bayes_mlm.formula import Call, Factor, Formula, Name, calls, label, unique

if TYPE_CHECKING:
    from bayes_mlm.data import Table

__all__ = [
    "Encoded",
    "Encoding",
    "check_cells",
    "encode",
    "factors_of",
    "inputs_of",
    "known_of",
    "learn_encoding",
    "notes_beyond",
    "with_crossings",
]


@dataclass(frozen=True, kw_only=True, eq=False)
class Encoded:
    """The columns that an encoding makes of a table.

    Parameters
    ----------
    y : ndarray, shape (n,)
        Outcome; shape (0,) if not requested.
    X : ndarray, shape (n, p)
        Fixed-effect columns.
    Z : tuple of ndarray, shapes (n, q)
        Group-effect columns of each group term.
    terms : tuple of str
        Names of the columns of X.
    effects : tuple of tuple of str
        Names of the columns of each Z.
    offset : ndarray, shape (n,), or None
        What is added to the linear predictor; None without an offset.
    trials : ndarray, shape (n,), or None
        The number of trials; None without any.
    """

    y: Floats
    X: Floats
    Z: tuple[Floats, ...]
    terms: tuple[str, ...]
    effects: tuple[tuple[str, ...], ...]
    offset: Floats | None = None
    trials: Floats | None = None


def learn_encoding(
    formula: Formula,
    table: "Table",
    *,
    group: str | None = None,
    outcome: Levels | None = None,
    thresholds: bool = False,
) -> Encoding:
    """Learn from a table what the columns of a formula depend on.

    Parameters
    ----------
    formula : Formula
        As parsed.
    table : Table
        Rows without missing values in the columns used.
    group : str, optional
        For a formula without a bar: the column that `within` and `between` group by.
    outcome : Levels, optional
        The categories of an outcome that is not numbers.
    thresholds : bool
        Whether thresholds stand for the intercept, so that X has none.

    Returns
    -------
    Encoding

    Raises
    ------
    DataError
        If a column is absent, has missing values, or does not suit its use: a single category, an
        identifier as categories, text to be centred.
    DesignError
        If `group` contradicts the formula.
    FormulaError
        If `within` or `between` has no group, or the effects of a basis by group are to be
        independent (``||``).

    Examples
    --------
    >>> from bayes_mlm.formula import parse_formula
    >>> from bayes_mlm.data import as_table
    >>> table = as_table({"y": [1.0, 2.0, 4.0], "x": [1.0, 2.0, 6.0], "sex": ["f", "m", "f"]})
    >>> encoding = learn_encoding(parse_formula("y ~ center(x) * sex"), table)
    >>> encode(encoding, table).terms
    ('Intercept', 'center(x)', 'sex[m]', 'center(x):sex[m]')
    >>> encode(encoding, as_table({"x": [5.0], "sex": ["m"]}), outcome=False).X
    array([[1., 2., 1., 2.]])
    """
    factors = factors_of(formula, group)
    by = group if len(factors) != 1 else factors[0]
    if table.n == 0:
        raise DataError(f"{table.source} has no rows to learn from")
    categorical = [factor for factor in formula.factors if _is_categorical(factor, table)]
    check_constants(formula)
    check_independent(formula)
    levels = tuple(learn_levels(factor, table) for factor in categorical)
    numeric = [factor for factor in formula.factors if factor not in categorical]
    measured = [] if outcome is not None else [formula.outcome]
    learned = learn_values([*measured, *numeric, *formula.offsets], table, group=by)
    encoding = Encoding(
        formula=formula,
        group=by,
        levels=levels,
        centrings=tuple(learned.centrings.values()),
        means=tuple(learned.means.values()),
        bases=tuple(learned.bases.values()),
        outcome_levels=outcome,
        thresholds=thresholds,
    )
    check_columns(encoding.terms, encoding.effects, formula.grouping_factors)
    return with_crossings(
        encoding, lambda name: _two_valued(table, name), lambda names: _distinct(table, names)
    )


def factors_of(formula: Formula, group: str | None) -> tuple[str, ...]:
    """Return the grouping factors: those of the bars, or `group` for a formula without one.

    Raises
    ------
    DesignError
        If both are given and differ.
    """
    factors = formula.grouping_factors
    if group is not None and factors not in ((), (group,)):
        raise DesignError(
            f"the formula groups by {', '.join(map(repr, factors))} but group={group!r} was given; "
            "give one of them"
        )
    return factors or (() if group is None else (group,))


def with_crossings(
    encoding: Encoding,
    two_valued: Callable[[str], bool],
    distinct: Callable[[Sequence[str]], "Table"],
) -> Encoding:
    """Return an encoding without the columns that are aliased because cells are empty.

    Parameters
    ----------
    encoding : Encoding
    two_valued : callable
        Whether a numeric column of the data has two values.
    distinct : callable
        The distinct rows of some columns of the data.
    """

    def is_dummy(factor: Factor) -> bool:
        kinds = {call.kind for call in calls(factor)}
        plain = not kinds & {"grouped", "basis"}
        return len(factor.columns) == 1 and plain and two_valued(factor.columns[0])

    def cells_of(factors: Sequence[Factor]) -> dict[Factor, NDArray[Any]]:
        cells = distinct(unique(tuple(name for factor in factors for name in factor.columns)))
        found = factor_values(encoding, factors, cells, encoding.learned)
        rows = np.unique(np.column_stack([found[factor] for factor in factors]), axis=0)
        return {factor: rows[:, k] for k, factor in enumerate(factors)}

    return replace(encoding, crossings=find_crossings(encoding.layout, is_dummy, cells_of))


def encode(
    encoding: Encoding, table: "Table", *, outcome: bool = True, extend: bool = False
) -> Encoded:
    """Make the columns of a model for a table, with what the encoding learned.

    A group that was not there to learn from takes, in `within` and `between`, the mean of its rows
    in this table.

    Parameters
    ----------
    encoding : Encoding
        From `learn_encoding`.
    table : Table
        The same rows or new ones.
    outcome : bool
        Whether to evaluate the outcome; if not, its columns need not be there.
    extend : bool
        Whether a spline goes on past the ends where it is not defined, as its last polynomial:
        for derivatives at the ends.

    Returns
    -------
    Encoded

    Raises
    ------
    DataError
        If a column is absent, misses values, is text where a number is needed, or holds a
        category that was not there to learn from; if a result is undefined (the logarithm of 0).
    EmptyCellError
        If a row lies in a cell of an interaction that had no rows to learn from.
    """
    formula = encoding.formula
    learned = replace(encoding.learned, extend=extend)
    values = factor_values(encoding, formula.factors, table, learned)
    refuse_empty(encoding.layout, encoding.crossings, values, table.source)
    terms = encoding.x_columns
    return Encoded(
        y=_outcome(encoding, table, learned) if outcome else np.empty(0),
        X=_fill(terms, values, table.n),
        Z=tuple(_fill(columns, values, table.n) for columns in encoding.z_columns),
        terms=tuple(column.name for column in terms),
        effects=encoding.effects,
        offset=_offset(formula, table, learned),
        trials=_trials(formula, table, learned) if outcome else None,
    )


def _outcome(encoding: Encoding, table: "Table", learned: Learned) -> Floats:
    """Return the outcome by row: a number, or the place of its category."""
    if encoding.outcome_levels is None:
        return evaluate(encoding.formula.outcome, table, learned)
    return codes_of(encoding.outcome_levels, table).astype(np.float64)


def known_of(encoding: Encoding, table: "Table") -> dict[str, Floats]:
    """Return what a family is told of each outcome of new data, shapes (n,).

    The number of trials is one where the data do not have its columns, so that an expected outcome
    is a probability.
    """
    trials = encoding.formula.trials
    if trials is None:
        return {}
    if not trials.columns or not set(trials.columns) <= set(table.names):
        return {"trials": np.ones(table.n)}
    return {"trials": evaluate(trials, table, encoding.learned)}


def _trials(formula: Formula, table: "Table", learned: Learned) -> Floats | None:
    return None if formula.trials is None else evaluate(formula.trials, table, learned)


def inputs_of(encoding: Encoding, table: "Table") -> dict[str, Floats]:
    """Return what the columns of X and Z do not tell of the columns of a table.

    Numbers that they are functions of, x of ``log(x)``; and the places of categories that have no
    term of their own.

    Raises
    ------
    DataError
        As `encode`.
    """
    levels, numbers = columns_of_inputs(encoding)
    found = {one.column: codes_of(one, table).astype(np.float64) for one in levels}
    for name in numbers:
        if not is_text(raw_column(table, name)):
            found[name] = numeric_column(table, name)
    return found


def columns_of_inputs(encoding: Encoding) -> tuple[list[Levels], list[str]]:
    """Return the categories and the names of the columns that `inputs_of` takes."""
    formula = encoding.formula
    alone = {str(term[0]) for term in formula.terms if len(term) == 1}
    levels = [one for one in encoding.levels if one.factor not in alone]
    alone |= {str(term[0]) for term in formula.effects if len(term) == 1}
    known = {one.column for one in encoding.levels} | set(formula.grouping_factors)
    numbers = []
    for name in encoding.predictor_columns:
        text = str(Name(name))
        apart = not {text, f"center({text})", f"scale({text})"} & alone
        if apart and name not in known:
            numbers.append(name)
    return levels, numbers


def notes_beyond(encoding: Encoding, table: "Table") -> tuple[str, ...]:
    """Return remarks on rows outside of the boundary knots of splines that go on past them."""
    notes = []
    learned = encoding.learned
    for call in filter(is_basis, encoding.formula.factors):
        beyond = basis_of(call).beyond
        if beyond is None:
            continue
        low, high = beyond(learned.bases[str(call)].constants)
        values = evaluate(call.argument, table, learned)
        outside = int(np.count_nonzero((values < low) | (values > high)))
        if outside:
            notes.append(
                f"{label(call.argument)} lies outside of the boundary knots of {label(call)}, "
                f"{low:g} and {high:g}, in {outside:,} of {table.n:,} rows: the curve goes on "
                "there in a straight line, an extrapolation"
            )
    return tuple(notes)


def _offset(formula: Formula, table: "Table", learned: Learned) -> Floats | None:
    """Return the sum of the offsets by row, shape (n,); None without any."""
    if not formula.offsets:
        return None
    return np.sum([evaluate(one, table, learned) for one in formula.offsets], axis=0)


def check_cells(encoding: Encoding, cells: "Table", crossing: Crossing) -> None:
    """Refuse cells of an interaction that the encoding was learned without.

    Raises
    ------
    EmptyCellError
        With the first such cell.
    """
    factors = encoding.layout.factors_of(crossing)
    values = factor_values(encoding, factors, cells, encoding.learned)
    refuse_empty(encoding.layout, (crossing,), values, cells.source)


def _two_valued(table: "Table", name: str) -> bool:
    values = raw_column(table, name)
    if is_text(values):
        return False
    low, high = values.min(), values.max()
    return bool(low < high and ((values == low) | (values == high)).all())


def _distinct(table: "Table", names: Sequence[str]) -> "Table":
    """Return the distinct rows of some columns, sorted."""
    columns = [raw_column(table, name) for name in names]
    rows = sorted(set(zip(*(column.tolist() for column in columns), strict=True)))
    kept = {
        name: np.array(values, dtype=column.dtype)
        for name, column, values in zip(names, columns, zip(*rows, strict=True), strict=True)
    }
    return replace(table, columns=kept, n=len(rows))


def _is_categorical(factor: Factor, table: "Table") -> bool:
    if isinstance(factor, Call):
        return factor.kind == "categorical"
    return is_text(raw_column(table, factor.name))


def _fill(columns: Sequence[Column], values: Mapping[Factor, NDArray[Any]], n: int) -> Floats:
    filled = np.ones((n, len(columns)))
    for index, column in enumerate(columns):
        for factor, place in column.parts:
            part = part_values(values[factor], place)
            with np.errstate(over="ignore"):
                filled[:, index] *= part
        if not np.isfinite(filled[:, index]).all():
            raise DataError(f"the product {column.name} is too large for a number; rescale")
    return filled
