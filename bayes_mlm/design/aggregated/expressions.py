"""Expressions of a formula as queries, equal to `bayes_mlm.design.encoding.values` in memory.

Each kind of node has one place below. Where a function is not defined (the logarithm of 0) a
harmless value stands in, so that no engine stumbles, and a guard counts such rows.

Why this is not one evaluator with that of rows in memory: that one has values at every node, and
stops at the first undefined one with its row and its value; a query has none until it is run, so
that guards are gathered and counted in one pass. NumPy's `log1p` and `power` have no counterpart
in the engines, whose substitutes (`_log1p`, products for whole powers) differ in the last digits:
rows in memory would change, at the price of loading narwhals' lazy engines for each of them.
"""

import functools
import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import cast

import narwhals as nw

from bayes_mlm.base import DataError
from bayes_mlm.data import FILE, NUMBER, Scan, collect, stripped
from bayes_mlm.design.encoding.columns import basis_of
from bayes_mlm.design.encoding.means import Centring, LearnedBasis
from bayes_mlm.design.encoding.values import group_of, outside_reason
from bayes_mlm.formula import FUNCTIONS, Call, Expression, Name, Negative, Number, Operation, label


@dataclass(frozen=True, kw_only=True)
class Guard:
    """Condition that no row may meet, and what it means."""

    what: str
    reason: str
    broken: nw.Expr


@dataclass(frozen=True, kw_only=True)
class Written:
    """An expression as an engine reads it, with its guards, innermost first."""

    value: nw.Expr
    guards: tuple[Guard, ...] = ()


_ARITHMETIC: Mapping[str, Callable[[nw.Expr, nw.Expr], nw.Expr]] = MappingProxyType(
    {
        "+": lambda a, b: a + b,
        "-": lambda a, b: a - b,
        "*": lambda a, b: a * b,
        "/": lambda a, b: a / b,
    }
)


@dataclass(frozen=True, kw_only=True)
class Constants:
    """Learned constants, and the positions of the group means that were joined on.

    Parameters
    ----------
    centrings : mapping of str to Centring
        By the text of the expression.
    means : mapping of (str, str) to str
        Name of the column that holds the means of an expression by a group.
    bases : mapping of str to LearnedBasis
        By the text of the call.
    group : str or None
        The column that `within` and `between` group by when they name none.
    """

    centrings: Mapping[str, Centring]
    means: Mapping[tuple[str, str], str]
    bases: Mapping[str, LearnedBasis]
    group: str | None


def number_of(scan: Scan, name: str) -> nw.Expr:
    """Return a column in floating point, so that no product of whole numbers overflows.

    Raises
    ------
    DataError
        If it is text.
    """
    if scan.kinds[name] == "text":
        stray = stray_text(scan, name)
        raise DataError(
            f"column {name!r} of {scan.source} is text where a number is needed"
            f"{stray and f' ({stray})'}; correct its values, or use it by itself, as categories"
        )
    return scan.col(name).cast(nw.Float64)


def stray_text(scan: Scan, name: str) -> str:
    """Return a value of a column of text that is no number, and its file, for a message."""
    text = stripped(scan.col(name).cast(nw.String))
    file = [FILE] if scan.files else []
    odd = scan.frame.select(*file, text_=text).filter(~nw.col("text_").str.contains(NUMBER))
    found = collect(scan, odd.head(1))
    if not found["text_"].size:
        return ""
    where = f" in {scan.files[found[FILE][0]]}" if scan.files else ""
    return f"{str(found['text_'][0])[:40]!r}{where}"


def write(expression: Expression, scan: Scan, known: Constants) -> Written:
    """Write a numeric expression for the scan's engine.

    Parameters
    ----------
    expression : Expression
        Anything but ``C(x)``, and what is several columns.
    scan : Scan
    known : Constants
        With all that calls inside it need.
    """
    match expression:
        case Name(name):
            return Written(value=number_of(scan, name))
        case Number(value):
            return Written(value=nw.lit(float(value), dtype=nw.Float64))
        case Negative(operand):
            inner = write(operand, scan, known)
            return Written(value=inner.value * -1.0, guards=inner.guards)
        case Operation():
            return _operation(expression, scan, known)
        case Call():
            return _call(expression, scan, known)


def _operation(expression: Operation, scan: Scan, known: Constants) -> Written:
    first, second = (write(operand, scan, known) for operand in (expression.left, expression.right))
    guards = first.guards + second.guards
    if expression.operator == "**":
        return Written(value=_power(expression, first.value, second.value), guards=guards)
    right = second.value
    if expression.operator == "/" and not expression.right.columns:
        if _constant(expression.right) == 0.0:
            raise DataError(
                f"{label(expression)} is undefined: {label(expression.right)} is 0; correct the "
                "formula"
            )
    elif expression.operator == "/":
        zero = right == 0.0
        guards += (
            Guard(
                what=label(expression),
                reason=f"{label(expression.right)} is 0 there",
                broken=zero,
            ),
        )
        right = nw.when(zero).then(nw.lit(1.0)).otherwise(right)
    return Written(value=_ARITHMETIC[expression.operator](first.value, right), guards=guards)


def _constant(expression: Expression) -> float:
    """Work out an expression of numbers alone; no call is among them (the grammar sees to that)."""
    match expression:
        case Number(value):
            return float(value)
        case Negative(operand):
            return -_constant(operand)
        case Operation(sign, left, right):
            first, second = _constant(left), _constant(right)
            if sign == "**":
                return float(first**second)
            return {"+": first + second, "-": first - second, "*": first * second}.get(
                sign, first / second if second else math.nan
            )
    raise AssertionError(f"{expression} holds columns")


def _power(expression: Operation, base: nw.Expr, exponent: nw.Expr) -> nw.Expr:
    power = expression.right
    sign = 1.0
    if isinstance(power, Negative):
        power, sign = power.operand, -1.0
    if isinstance(power, Number) and float(power.value).is_integer() and 1 <= power.value <= 8:
        # Multiplied out, as exact in every engine.
        found = base
        for _ in range(int(power.value) - 1):
            found = found * base
        return found if sign > 0 else nw.lit(1.0) / found
    if isinstance(power, Number):
        return base ** (sign * float(power.value))
    return base**exponent


def _call(call: Call, scan: Scan, known: Constants) -> Written:
    inner = write(call.argument, scan, known)
    kind = call.kind
    if kind == "identity":
        return inner
    if kind == "elementwise":
        return _elementwise(call, inner)
    if kind == "centring":
        learned = known.centrings[str(call.argument)]
        centred = inner.value - learned.mean
        if call.function == "center":
            return Written(value=centred, guards=inner.guards)
        if learned.sd == 0.0:
            raise DataError(
                f"{label(call)} is undefined: {label(call.argument)} is {learned.mean:g} in every "
                "row, so its sd is 0; omit it"
            )
        return Written(value=centred / learned.sd, guards=inner.guards)
    mean = nw.col(known.means[str(call.argument), group_of(call, known.group)])
    value = mean if call.function == "between" else inner.value - mean
    return Written(value=value, guards=inner.guards)


def _elementwise(call: Call, inner: Written) -> Written:
    function = FUNCTIONS[call.function].elementwise
    assert function is not None  # for mypy: of this kind
    if function.allowed is None:
        return Written(value=function.push(inner.value), guards=inner.guards)
    allowed = cast("nw.Expr", function.allowed(inner.value))
    safe = nw.when(allowed).then(inner.value).otherwise(nw.lit(1.0))
    guard = Guard(
        what=label(call),
        reason=f"{call.function} needs {function.needs}",
        broken=~allowed,
    )
    return Written(value=function.push(safe), guards=(*inner.guards, guard))


def write_basis(call: Call, scan: Scan, known: Constants) -> tuple[Written, ...]:
    """Write the columns of a function that is several, for the scan's engine.

    The first carries the guards of all.
    """
    basis, constants = basis_of(call), known.bases[str(call)].constants
    inner = write(call.argument, scan, known)
    assert basis.push is not None  # for mypy: learned by queries
    columns = basis.push(inner.value, call.settings, constants)
    guards = inner.guards
    if basis.limits is not None:
        lower, upper = basis.limits(constants)
        outside = (inner.value < lower) | (inner.value > upper)
        reason = outside_reason(call, lower, upper)
        guards += (Guard(what=label(call), reason=reason, broken=outside),)
    return tuple(
        Written(value=column, guards=() if k else guards) for k, column in enumerate(columns)
    )


def product(parts: list[nw.Expr]) -> nw.Expr:
    """Multiply expressions."""
    return functools.reduce(operator.mul, parts)
