"""Evaluate the numeric expressions of a formula on the columns of a table.

Each kind of node has one function below; nothing is looked up by a name from the formula except
in the tables of this module.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bayes_mlm.base import DataError, Floats, FormulaError, count
from bayes_mlm.design.encoding.columns import basis_of
from bayes_mlm.design.encoding.inputs import is_text, list_rows, numeric_column, raw_column
from bayes_mlm.design.encoding.means import (
    Centring,
    LearnedBasis,
    LevelMeans,
    learn_centring,
    learn_means,
    means_by_code,
)
from bayes_mlm.formula import (
    FUNCTIONS,
    Call,
    Expression,
    Name,
    Negative,
    Number,
    Operation,
    calls,
    label,
)

if TYPE_CHECKING:
    from bayes_mlm.data import Table


@dataclass(frozen=True, kw_only=True)
class Learned:
    """Constants by which numeric expressions are replayed on new data, by expression.

    With `extend` a spline goes on past the ends where it is not defined.
    """

    centrings: Mapping[str, Centring]
    means: Mapping[tuple[str, str], LevelMeans]
    bases: Mapping[str, LearnedBasis]
    group: str | None
    extend: bool = False


_ARITHMETIC: Mapping[str, Callable[[Floats, Floats], Floats]] = MappingProxyType(
    {"+": np.add, "-": np.subtract, "*": np.multiply, "/": np.divide, "**": np.power}
)


def evaluate(expression: Expression, table: "Table", learned: Learned) -> Floats:
    """Evaluate a numeric expression.

    Parameters
    ----------
    expression : Expression
        From a parsed formula; anything but ``C(x)``.
    table : Table
        With the columns that the expression names.
    learned : Learned
        The constants of every centring and group mean in it (see `learn_values`).

    Returns
    -------
    ndarray of float64, shape (n,)
        Of a function that is several columns, shape (n, k).

    Raises
    ------
    DataError
        If a column is absent, is text, or has missing values, or a result is undefined or infinite.
    """
    match expression:
        case Name(name):
            return numeric_column(table, name)
        case Number(value):
            return np.full(table.n, value)
        case Negative(operand):
            return -evaluate(operand, table, learned)
        case Operation(operator, left, right):
            first, second = evaluate(left, table, learned), evaluate(right, table, learned)
            if operator == "/" and not second.all():
                raise _undefined(expression, f"{label(right)} is 0 there", second == 0)
            with np.errstate(all="ignore"):
                values = _ARITHMETIC[operator](first, second)
            return _finite(values, expression)
        case Call(_, argument):
            values = evaluate(argument, table, learned)
            kind = expression.kind
            if kind == "identity":
                return values
            if kind == "elementwise":
                return _elementwise(expression, values)
            if kind == "centring":
                return _centred(expression, values, learned)
            if kind == "basis":
                return _basis(expression, values, learned)
            return _grouped(expression, values, table, learned)


def learn_values(
    expressions: Sequence[Expression], table: "Table", *, group: str | None
) -> Learned:
    """Learn what `center`, `scale`, `within`, `between` and splines will replay.

    Parameters
    ----------
    expressions : sequence of Expression
        Numeric ones; calls inside calls are learned first.
    table : Table
        The rows to learn from.
    group : str or None
        The column that `within` and `between` group by when they name none.

    Returns
    -------
    Learned
    """
    centrings: dict[str, Centring] = {}
    means: dict[tuple[str, str], LevelMeans] = {}
    bases: dict[str, LearnedBasis] = {}
    learned = Learned(
        centrings=MappingProxyType(centrings),
        means=MappingProxyType(means),
        bases=MappingProxyType(bases),
        group=group,
    )
    for call in (call for expression in expressions for call in calls(expression)):
        text, kind = str(call.argument), call.kind
        if kind == "centring" and text not in centrings:
            centrings[text] = learn_centring(text, evaluate(call.argument, table, learned))
        if kind == "grouped" and (text, group_of(call, group)) not in means:
            by = group_of(call, group)
            values = evaluate(call.argument, table, learned)
            means[text, by] = learn_means(text, by, values, raw_column(table, by))
        if kind == "basis" and str(call) not in bases:
            values = evaluate(call.argument, table, learned)
            bases[str(call)] = learn_basis(call, values)
    return learned


def group_of(call: Call, group: str | None) -> str:
    """Return the column a `within` or `between` groups by: one named in it, else the model's."""
    by = call.group or group
    if by is None:
        raise FormulaError(
            f"{call} does not name the groups; write {call.function}({call.argument}, group) or "
            "add a group term such as (1 | group)"
        )
    return by


def learn_basis(call: Call, values: Floats) -> LearnedBasis:
    """Learn the constants of a function that is several columns from values of its argument.

    Raises
    ------
    DataError
        If the values cannot carry it: too few different ones.
    """
    basis = basis_of(call)
    try:
        constants = basis.learn(values, call.settings)
    except DataError as error:
        raise DataError(f"{label(call)} {error}") from None
    return LearnedBasis(expression=str(call), constants=constants)


def _basis(call: Call, values: Floats, learned: Learned) -> Floats:
    basis, constants = basis_of(call), learned.bases[str(call)].constants
    if basis.limits is not None and not learned.extend:
        lower, upper = basis.limits(constants)
        outside = (values < lower) | (values > upper)
        if outside.any():
            raise _undefined(call, outside_reason(call, lower, upper), outside)
    with np.errstate(all="ignore"):
        return _finite(basis.evaluate(values, call.settings, constants), call)


def outside_reason(call: Call, lower: float, upper: float) -> str:
    """Word why a spline is not defined outside of its boundary knots."""
    text = label(call.argument)
    return (
        f"{text} lies outside of its boundary knots, {lower:g} and {upper:g}; fit with "
        f"lower_bound= and upper_bound= that hold all values, or with cr({text}, ...) or "
        f"ns({text}, ...), which go on in a straight line"
    )


def _elementwise(call: Call, values: Floats) -> Floats:
    function = FUNCTIONS[call.function].elementwise
    assert function is not None  # for mypy: of this kind
    if function.allowed is not None:
        allowed = function.allowed(values)
        if not allowed.all():
            first = values[np.flatnonzero(~allowed)[0]]
            reason = (
                f"{call.function} needs {function.needs}, and {label(call.argument)} is {first:g}"
            )
            raise _undefined(call, reason, ~allowed)
    with np.errstate(all="ignore"):
        return _finite(function.apply(values), call)


def _finite(values: Floats, expression: Expression) -> Floats:
    bad = ~np.isfinite(values)
    bad = bad.any(axis=1) if bad.ndim > 1 else bad
    if bad.any():
        raise _undefined(expression, "the result is not a finite number", bad)
    return values


def _undefined(expression: Expression, reason: str, bad: NDArray[np.bool_]) -> DataError:
    return DataError(
        f"{label(expression)} is undefined in {int(bad.sum()):,} of {count(bad.size, 'row')} "
        f"({list_rows(bad)}): {reason}; correct or drop these rows, or transform otherwise"
    )


def _centred(call: Call, values: Floats, learned: Learned) -> Floats:
    known = learned.centrings[str(call.argument)]
    if call.function == "center":
        return values - known.mean
    if known.sd == 0.0:
        raise DataError(
            f"{label(call)} is undefined: {label(call.argument)} is {known.mean:g} in every row, "
            "so its sd is 0; omit it"
        )
    return (values - known.mean) / known.sd


def _grouped(call: Call, values: Floats, table: "Table", learned: Learned) -> Floats:
    by = group_of(call, learned.group)
    known = learned.means[str(call.argument), by]
    labels = raw_column(table, by)
    if table.n == 0:
        return values
    if is_text(labels) != isinstance(known.labels[0], str):
        was, is_now = ("text", "numbers") if is_text(labels) is False else ("numbers", "text")
        raise DataError(
            f"the groups of column {by!r} are {is_now}, and were {was} when {label(call)} was "
            "learned; convert them"
        )
    found, codes = np.unique(labels, return_inverse=True)
    places = dict(zip(known.labels, known.means, strict=True))
    # The mean of a new group is that of its new rows.
    new = means_by_code(values, codes, found.size)
    means = np.array(
        [places.get(key, mean) for key, mean in zip(found.tolist(), new.tolist(), strict=True)]
    )[codes]
    return means if call.function == "between" else values - means
