"""Turn the terms of a formula into named columns, so that new data can replay them.

`learn_encoding` looks at a table once and keeps what the columns depend on: the categories of
text columns, means and sds for `center` and `scale`, group means for `within` and `between`.
`encode` then makes the columns for that table or for any other.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from bayes_mlm.encoding.cells import Crossing, Layout, find_crossings, notes_on, refuse_empty
from bayes_mlm.encoding.columns import Column, check_effects, lay_out
from bayes_mlm.encoding.inputs import is_text, raw_column
from bayes_mlm.encoding.levels import Levels, codes_of, learn_levels
from bayes_mlm.encoding.means import Centring, LevelMeans
from bayes_mlm.encoding.values import Learned, evaluate, group_of, learn_values
from bayes_mlm.errors import DataError, FormulaError, StorageError
from bayes_mlm.formula import Formula, parse_formula
from bayes_mlm.formula.expressions import Call, Factor, calls, label, unique
from bayes_mlm.formula.functions import FUNCTIONS

if TYPE_CHECKING:
    from bayes_mlm.data.table import Table

type Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Encoding:
    """Hold a formula and all that was learned from the table it was first used on.

    Parameters
    ----------
    formula : Formula
        The formula.
    group : str or None
        The column that `within` and `between` group by when they name none.
    levels : tuple of Levels
        Categories of each categorical factor, the reference first.
    centrings : tuple of Centring
        Mean and sd of each expression in `center` or `scale`.
    means : tuple of LevelMeans
        Group means of each expression in `within` or `between`.
    crossings : tuple of Crossing
        Interactions with cells that have no rows, and the columns dropped because of them.
    strip : bool
        Whether spaces were taken off the ends of labels, as they are of those of new data.
    """

    formula: Formula
    group: str | None
    levels: tuple[Levels, ...]
    centrings: tuple[Centring, ...]
    means: tuple[LevelMeans, ...]
    crossings: tuple[Crossing, ...] = ()
    strip: bool = False

    @property
    def outcome(self) -> str:
        """Name of the outcome, as in ``log(y)``."""
        return label(self.formula.outcome)

    @property
    def terms(self) -> tuple[str, ...]:
        """Names of the columns of X, p of them."""
        return tuple(column.name for column in self.x_columns)

    @property
    def effects(self) -> tuple[str, ...]:
        """Names of the columns of Z, q of them."""
        return tuple(column.name for column in self.z_columns)

    @property
    def x_columns(self) -> tuple[Column, ...]:
        """Columns of X, those aliased by empty cells dropped."""
        dropped = {name for one in self.crossings for name in one.dropped}
        return tuple(column for column in self.layout.x if column.name not in dropped)

    @property
    def z_columns(self) -> tuple[Column, ...]:
        """Columns of Z, those aliased by empty cells dropped."""
        dropped = {name for one in self.crossings for name in one.dropped_effects}
        return tuple(column for column in self.layout.z if column.name not in dropped)

    @cached_property
    def layout(self) -> Layout:
        """The columns of the formula before any is dropped."""
        return Layout(
            formula=self.formula,
            levels=self.levels,
            x=lay_out(self.formula.terms, self.levels),
            z=lay_out(self.formula.effects, self.levels),
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """Remarks on columns that were dropped because cells have no rows."""
        return notes_on(self.layout, self.crossings)

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of the table that `encode` reads, in order of appearance."""
        return unique(self.formula.outcome.columns + self.predictor_columns)

    @property
    def predictor_columns(self) -> tuple[str, ...]:
        """Columns of the table that `encode` reads when the outcome is not wanted."""
        factors = (name for factor in self.formula.factors for name in factor.columns)
        return unique((*factors, *(known.group for known in self.means)))

    def columns_with(self, group: str | None) -> tuple[str, ...]:
        """Columns of the table that `encode` reads, and the group."""
        return unique((*self.columns, *((group,) if group is not None else ())))

    def to_dict(self) -> dict[str, Any]:
        """Write the encoding as values that JSON holds exactly."""
        return {
            "formula": self.formula.text,
            "group": self.group,
            "levels": [asdict(item) for item in self.levels],
            "centrings": [asdict(item) for item in self.centrings],
            "means": [asdict(item) for item in self.means],
            "crossings": [asdict(item) for item in self.crossings],
            "strip": self.strip,
        }

    @staticmethod
    def from_dict(payload: Mapping[str, Any]) -> "Encoding":
        """Read what `to_dict` wrote, directly or by way of JSON.

        Raises
        ------
        StorageError
            If the payload is not such a dict.
        """
        try:
            encoding = Encoding(
                formula=parse_formula(payload["formula"]),
                group=msgspec.convert(payload["group"], str | None),
                levels=msgspec.convert(payload["levels"], tuple[Levels, ...]),
                centrings=msgspec.convert(payload["centrings"], tuple[Centring, ...]),
                means=msgspec.convert(payload["means"], tuple[LevelMeans, ...]),
                crossings=msgspec.convert(payload.get("crossings", []), tuple[Crossing, ...]),
                strip=msgspec.convert(payload.get("strip", False), bool),
            )
            _check_complete(encoding)
        except (KeyError, TypeError, FormulaError, msgspec.ValidationError) as error:
            raise StorageError(f"the stored encoding is damaged: {error!s}") from error
        return encoding


@dataclass(frozen=True, kw_only=True, eq=False)
class Encoded:
    """Hold the columns that an encoding makes of a table.

    Parameters
    ----------
    y : ndarray, shape (n,)
        Outcome; shape (0,) if it was not asked for.
    X : ndarray, shape (n, p)
        Fixed-effect columns.
    Z : ndarray, shape (n, q)
        Group-effect columns; q = 0 without a bar.
    terms, effects : tuple of str
        Names of the columns of X and Z.
    """

    y: Floats
    X: Floats
    Z: Floats
    terms: tuple[str, ...]
    effects: tuple[str, ...]


def learn_encoding(formula: Formula, table: "Table", *, group: str | None = None) -> Encoding:
    """Learn from a table what the columns of a formula depend on.

    Parameters
    ----------
    formula : Formula
        As parsed.
    table : Table
        Rows without missing values in the columns used.
    group : str, optional
        For a formula without a bar: the column that `within` and `between` group by.

    Returns
    -------
    Encoding

    Raises
    ------
    DataError
        If a column that something is learned from is absent, misses values, or does not suit its
        use: a single category, an identifier as categories, text that is to be centred.
    FormulaError
        If `within` or `between` has no group, `group` contradicts the formula, or categorical
        effects of the group are to be independent (``||``).

    Examples
    --------
    >>> from bayes_mlm.formula import parse_formula
    >>> from bayes_mlm.data.table import as_table
    >>> table = as_table({"y": [1.0, 2.0, 4.0], "x": [1.0, 2.0, 6.0], "sex": ["f", "m", "f"]})
    >>> encoding = learn_encoding(parse_formula("y ~ center(x) * sex"), table)
    >>> encode(encoding, table).terms
    ('Intercept', 'center(x)', 'sex[m]', 'center(x):sex[m]')
    >>> encode(encoding, as_table({"x": [5.0], "sex": ["m"]}), outcome=False).X
    array([[1., 2., 1., 2.]])
    """
    if group is not None and formula.group not in (None, group):
        raise FormulaError(
            f"the formula groups by {formula.group!r} but group={group!r} was given; give one"
        )
    by = formula.group or group
    if table.n == 0:
        raise DataError(f"{table.source} has no rows to learn from")
    categorical = [factor for factor in formula.factors if _is_categorical(factor, table)]
    _check_independent(formula, categorical)
    levels = tuple(learn_levels(factor, table) for factor in categorical)
    numeric = [factor for factor in formula.factors if factor not in categorical]
    learned = learn_values([formula.outcome, *numeric], table, group=by)
    encoding = Encoding(
        formula=formula,
        group=by,
        levels=levels,
        centrings=tuple(learned.centrings.values()),
        means=tuple(learned.means.values()),
    )
    for names in (encoding.terms, encoding.effects):
        twice = [name for name in names if names.count(name) > 1]
        if twice:
            raise DataError(f"two columns of the model are called {twice[0]!r}; rename one")
    check_effects(encoding.effects, encoding.group)
    return with_crossings(
        encoding, lambda name: _two_valued(table, name), lambda names: _distinct(table, names)
    )


def with_crossings(
    encoding: Encoding,
    two_valued: Callable[[str], bool],
    distinct: Callable[[Sequence[str]], "Table"],
) -> Encoding:
    """Find the interactions with empty cells, and drop the columns that these leave aliased.

    Parameters
    ----------
    encoding : Encoding
    two_valued : callable
        Whether a numeric column of the data has two values.
    distinct : callable
        The distinct rows of some columns of the data.
    """
    known = {item.factor: item for item in encoding.levels}

    def is_dummy(factor: Factor) -> bool:
        grouped = any(FUNCTIONS[call.function].kind == "grouped" for call in calls(factor))
        return len(factor.columns) == 1 and not grouped and two_valued(factor.columns[0])

    def cells_of(factors: Sequence[Factor]) -> dict[Factor, NDArray[Any]]:
        cells = distinct(unique(tuple(name for factor in factors for name in factor.columns)))
        found = _values(factors, known, cells, _learned(encoding))
        rows = np.unique(np.column_stack([found[factor] for factor in factors]), axis=0)
        return {factor: rows[:, k] for k, factor in enumerate(factors)}

    return replace(encoding, crossings=find_crossings(encoding.layout, is_dummy, cells_of))


def encode(encoding: Encoding, table: "Table", *, outcome: bool = True) -> Encoded:
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
    formula, learned = encoding.formula, _learned(encoding)
    known = {item.factor: item for item in encoding.levels}
    values = _values(formula.factors, known, table, learned)
    refuse_empty(encoding.layout, encoding.crossings, values, table.source)
    terms, effects = encoding.x_columns, encoding.z_columns
    return Encoded(
        y=evaluate(formula.outcome, table, learned) if outcome else np.empty(0),
        X=_fill(terms, values, table.n),
        Z=_fill(effects, values, table.n),
        terms=tuple(column.name for column in terms),
        effects=tuple(column.name for column in effects),
    )


def check_cells(encoding: Encoding, cells: "Table", crossing: Crossing) -> None:
    """Refuse cells of an interaction that the encoding was learned without.

    Raises
    ------
    EmptyCellError
        With the first such cell.
    """
    by_text = {str(factor): factor for factor in encoding.formula.factors}
    known = {item.factor: item for item in encoding.levels}
    factors = [by_text[text] for text in crossing.factors]
    values = _values(factors, known, cells, _learned(encoding))
    refuse_empty(encoding.layout, (crossing,), values, cells.source)


def _learned(encoding: Encoding) -> Learned:
    return Learned(
        centrings={item.expression: item for item in encoding.centrings},
        means={(item.expression, item.group): item for item in encoding.means},
        group=encoding.group,
    )


def _values(
    factors: Sequence[Factor], known: Mapping[str, Levels], table: "Table", learned: Learned
) -> dict[Factor, NDArray[Any]]:
    """Evaluate factors by row: places of categories, and numbers."""
    return {
        factor: codes_of(known[str(factor)], table)
        if str(factor) in known
        else evaluate(factor, table, learned)
        for factor in factors
    }


def _two_valued(table: "Table", name: str) -> bool:
    values = raw_column(table, name)
    if is_text(values):
        return False
    low, high = values.min(), values.max()
    return bool(low < high and ((values == low) | (values == high)).all())


def _distinct(table: "Table", names: Sequence[str]) -> "Table":
    """Give the distinct rows of some columns, sorted."""
    columns = [raw_column(table, name) for name in names]
    rows = sorted(set(zip(*(column.tolist() for column in columns), strict=True)))
    kept = {
        name: np.array(values, dtype=column.dtype)
        for name, column, values in zip(names, columns, zip(*rows, strict=True), strict=True)
    }
    return replace(table, columns=kept, n=len(rows))


def _check_complete(encoding: Encoding) -> None:
    """Refuse a stored encoding that does not hold all that its formula needs."""
    factors = (encoding.formula.outcome, *encoding.formula.factors)
    known = {item.factor for item in encoding.levels}
    found = [call for factor in factors if str(factor) not in known for call in calls(factor)]
    centred = {str(c.argument) for c in found if FUNCTIONS[c.function].kind == "centring"}
    grouped = {
        (str(call.argument), group_of(call, encoding.group))
        for call in found
        if FUNCTIONS[call.function].kind == "grouped"
    }
    complete = (
        known <= {str(factor) for factor in encoding.formula.factors}
        and all(len(item.levels) > 1 for item in encoding.levels)
        and centred == {item.expression for item in encoding.centrings}
        and grouped == {(item.expression, item.group) for item in encoding.means}
        and all(len(item.labels) == len(item.means) > 0 for item in encoding.means)
        and all(call.function != "C" for call in found)
        and all(_is_whole(encoding, one) for one in encoding.crossings)
    )
    if not complete:
        raise StorageError(
            f"the stored encoding of '{encoding.formula}' lacks parts that the formula needs, or "
            "holds others; fit the model again"
        )


def _is_whole(encoding: Encoding, one: Crossing) -> bool:
    """Tell whether stored cells are of the formula's factors, categories and columns."""
    known = {item.factor: set(item.levels) for item in encoding.levels}
    cells = [dict(zip(one.factors, cell, strict=False)) for cell in one.seen]
    return (
        set(one.factors) <= {str(factor) for factor in encoding.formula.factors}
        and len(cells) > 0
        and all(len(cell) == len(one.factors) for cell in one.seen)
        and all(value in known.get(f, {value}) for cell in cells for f, value in cell.items())
        and set(one.dropped) <= {column.name for column in encoding.layout.x}
        and set(one.dropped_effects) <= {column.name for column in encoding.layout.z}
    )


def _check_independent(formula: Formula, categorical: Sequence[Factor]) -> None:
    """Refuse independent effects of categories, which would depend on the reference category.

    lme4's double bar leaves the columns of a category correlated among themselves, and says so
    nowhere in its results.
    """
    for term in () if formula.correlated else formula.effects:
        for factor in term:
            if factor in categorical:
                raise FormulaError(
                    f"the group effects of the categorical {label(factor)!r} cannot be independent "
                    "of one another (||): what that says depends on the reference category; write "
                    "| , or a column of numbers (0 and 1) for a contrast of your own"
                )


def _is_categorical(factor: Factor, table: "Table") -> bool:
    if isinstance(factor, Call):
        return factor.function == "C"
    return is_text(raw_column(table, factor.name))


def _fill(columns: Sequence[Column], values: Mapping[Factor, NDArray[Any]], n: int) -> Floats:
    filled = np.ones((n, len(columns)))
    for index, column in enumerate(columns):
        for factor, place in column.parts:
            part = values[factor] if place is None else values[factor] == place
            with np.errstate(over="ignore"):
                filled[:, index] *= part
        if not np.isfinite(filled[:, index]).all():
            raise DataError(f"the product {column.name} is too large for a number; rescale")
    return filled
