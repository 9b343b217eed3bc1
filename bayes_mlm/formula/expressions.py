"""Expressions of a formula as data: columns, numbers, arithmetic, calls of listed functions.

These are values, not code. Nothing here computes: `bayes_mlm.design.encoding` reads an expression
and decides, node by node, which NumPy function stands for it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from bayes_mlm.formula.function import FUNCTIONS, FunctionKind, Options, OptionValue

_BARE = re.compile(r"[^\W\d]\w*(?:\.\w+)*")
_SUM, _PRODUCT, _NEGATIVE, _POWER, _ATOM = range(1, 6)
_STRENGTH = {"+": _SUM, "-": _SUM, "*": _PRODUCT, "/": _PRODUCT, "**": _POWER}


@dataclass(frozen=True)
class Name:
    """Column of the table."""

    name: str

    def __str__(self) -> str:
        return _show(self, quote=True)

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns needed, in order of appearance."""
        return (self.name,)


@dataclass(frozen=True)
class Number:
    """Number written in the formula; finite and not negative."""

    value: float

    def __str__(self) -> str:
        return _show(self, quote=True)

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns needed: none."""
        return ()


@dataclass(frozen=True)
class Negative:
    """Minus an expression."""

    operand: "Expression"

    def __str__(self) -> str:
        return _show(self, quote=True)

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns needed, in order of appearance."""
        return self.operand.columns


@dataclass(frozen=True)
class Operation:
    """Arithmetic on two expressions; `operator` is one of ``+ - * / **``."""

    operator: str
    left: "Expression"
    right: "Expression"

    def __str__(self) -> str:
        return _show(self, quote=True)

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns needed, in order of appearance."""
        return unique(self.left.columns + self.right.columns)


@dataclass(frozen=True)
class Call:
    """A listed function of an expression.

    Parameters
    ----------
    function : str
    argument : Expression
    group : str or None
        The column it groups by.
    options : tuple of (str, value)
        Its other arguments, in the order of the function's `options`.
    """

    function: str
    argument: "Expression"
    group: str | None = None
    options: "tuple[tuple[str, OptionValue], ...]" = ()

    def __str__(self) -> str:
        return _show(self, quote=True)

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns needed, in order of appearance."""
        return unique(self.argument.columns + (() if self.group is None else (self.group,)))

    @property
    def kind(self) -> FunctionKind:
        """What the function depends on, or says of its column."""
        return FUNCTIONS[self.function].kind

    @property
    def settings(self) -> Options:
        """The other arguments by name."""
        return dict(self.options)


type Expression = Name | Number | Negative | Operation | Call
type Factor = Name | Call
type Term = tuple[Factor, ...]


def unique(names: tuple[str, ...]) -> tuple[str, ...]:
    """Drop repeated names, keeping the order of first appearance."""
    return tuple(dict.fromkeys(names))


def measured(expression: Expression) -> tuple[str, ...]:
    """Return the columns that an expression uses by their values: none for ``C(column)``."""
    match expression:
        case Name(name):
            return (name,)
        case Call(function, argument):
            return () if function == "C" else measured(argument)
        case Negative(operand):
            return measured(operand)
        case Operation(_, left, right):
            return measured(left) + measured(right)
        case _:
            return ()


def grouped_by(expression: Expression, names: Mapping[frozenset[str], str]) -> Expression:
    """Return an expression whose `within` and `between` name their groups as the model does.

    Parameters
    ----------
    names : mapping of frozenset of str to str
        Name of each grouping factor, by the columns that it is made of.

    Examples
    --------
    >>> call = Call("between", Name("x"), "school:class")
    >>> str(grouped_by(call, {frozenset(["class", "school"]): "class:school"}))
    'between(x, `class:school`)'
    """
    match expression:
        case Call(_, argument, group):
            by = None if group is None else names.get(frozenset(group.split(":")), group)
            return replace(expression, argument=grouped_by(argument, names), group=by)
        case Negative(operand):
            return Negative(grouped_by(operand, names))
        case Operation(operator, left, right):
            return Operation(operator, grouped_by(left, names), grouped_by(right, names))
        case _:
            return expression


def calls(expression: Expression) -> tuple[Call, ...]:
    """List the calls inside an expression, the innermost first."""
    match expression:
        case Call(_, argument):
            return (*calls(argument), expression)
        case Negative(operand):
            return calls(operand)
        case Operation(_, left, right):
            return calls(left) + calls(right)
        case _:
            return ()


def is_bare_name(name: str) -> bool:
    """Test whether a column's name can be written without backquotes.

    Examples
    --------
    >>> is_bare_name("mean.ses"), is_bare_name("school id"), is_bare_name("__class__")
    (True, False, False)
    """
    parts = name.split(".")
    return _BARE.fullmatch(name) is not None and all(
        f"_{part}".isidentifier() and not part.startswith("__") for part in parts
    )


def label(expression: Expression) -> str:
    """Write an expression for a table of results: as in a formula, but without backquotes."""
    return _show(expression, quote=False)


def label_term(term: Term) -> str:
    """Write a term for a message: factors joined by colons, the empty term as Intercept."""
    return ":".join(label(factor) for factor in term) or "Intercept"


def _show(node: Expression, *, quote: bool, least: int = _SUM) -> str:
    """Write a node, in parentheses if it binds less than `least`."""
    match node:
        case Name(name):
            return name if not quote or is_bare_name(name) else f"`{name}`"
        case Number(value):
            return _number(value)
        case Call(function, argument, group, options):
            by = "" if group is None else f", {_show(Name(group), quote=quote)}"
            more = "".join(f", {_option(function, *one)}" for one in options)
            return f"{function}({_show(argument, quote=quote)}{by}{more})"
        case Negative(operand):
            text, strength = f"-{_show(operand, quote=quote, least=_POWER)}", _NEGATIVE
        case Operation(operator, left, right):
            strength = _STRENGTH[operator]
            first = _show(left, quote=quote, least=_ATOM if operator == "**" else strength)
            second = _show_right(right, strength, quote=quote)
            text = f"{first} {operator} {second}"
    return text if strength >= least else f"({text})"


def _number(value: float) -> str:
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)


def _option(function: str, name: str, value: OptionValue) -> str:
    """Write an argument, by its name unless it is known by its place."""
    known = FUNCTIONS.get(function)
    by_place = known is not None and any(o.name == name and o.positional for o in known.options)
    return _value(value, quoted=not by_place) if by_place else f"{name}={_value(value)}"


def _value(value: OptionValue, *, quoted: bool = True) -> str:
    if isinstance(value, str):
        mark = "'" if '"' in value else '"'
        return f"{mark}{value}{mark}" if quoted else value
    if isinstance(value, tuple):
        parts = [_value(one) for one in value]
        if any(isinstance(one, str) for one in value):
            return f"[{', '.join(parts)}]"
        return f"({', '.join(parts)}{',' if len(value) == 1 else ''})"
    return str(value) if isinstance(value, bool) else _number(float(value))


def _show_right(node: Expression, strength: int, *, quote: bool) -> str:
    if strength == _POWER and isinstance(node, Negative):
        return f"-{_show(node.operand, quote=quote, least=_ATOM)}"
    return _show(node, quote=quote, least=min(strength + 1, _ATOM))
