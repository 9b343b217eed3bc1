"""What a function of the formula language is: a value of functions, like a family or an engine.

A function is one file of `bayes_mlm.formula.transforms` and one line in its ``__init__``; nothing
else names it. NumPy and SciPy are imported inside what computes, because parsing needs neither.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from bayes_mlm.base import FormulaError, Registry

if TYPE_CHECKING:
    import narwhals as nw

    from bayes_mlm.base import Flags, Floats

type FunctionKind = Literal[
    "elementwise", "centring", "grouped", "categorical", "identity", "basis", "offset"
]
type OptionKind = Literal["count", "number", "numbers", "flag", "label", "labels", "coding"]
type OptionValue = bool | int | float | str | tuple[float | str, ...]
type Options = Mapping[str, OptionValue]
type Constants = Mapping[str, tuple[float, ...]]


@dataclass(frozen=True, kw_only=True)
class Option:
    """An argument of a function after its column.

    Parameters
    ----------
    name : str
        As written before the equals sign.
    kind : str
        A whole number of 1 or more (count), a number, several (numbers), True or False (flag), a
        category (label), several in their order (labels), or the name of a coding of categories
        (coding).
    positional : bool
        Whether it is shown without its name: ``poly(x, 2)``.
    """

    name: str
    kind: OptionKind
    positional: bool = False


@dataclass(frozen=True, kw_only=True, eq=False)
class Elementwise:
    """A function of each value alone, in memory and as a query.

    Parameters
    ----------
    apply : callable
        Values (n,) to values (n,).
    push : callable
        The same of an expression of narwhals.
    allowed : callable, optional
        Which values it is defined for; it is written so that arrays and expressions take it.
    needs : str
        What these are, for a message: "values above 0".
    """

    apply: "Callable[[Floats], Floats]"
    push: "Callable[[nw.Expr], nw.Expr]"
    allowed: Callable[..., "Flags"] | None = None
    needs: str = ""


class Summaries(Protocol):
    """Answers about a column of numbers, which an engine gives by queries."""

    def count(self) -> int:
        """Return the number of rows."""

    def distinct(self) -> int:
        """Return the number of different values."""

    def ends(self) -> tuple[float, float]:
        """Return the smallest and the largest value."""

    def means(self, made: "Callable[[nw.Expr], Sequence[nw.Expr]]") -> list[float]:
        """Return the means over the rows of some expressions of the column."""

    def quantiles(
        self, probs: Sequence[float], ends: tuple[float, float], *, distinct: bool
    ) -> list[float]:
        """Return quantiles of the values in a range, or of the different ones.

        Between two values they are interpolated linearly, as by `numpy.quantile`.
        """


@dataclass(frozen=True, kw_only=True, eq=False)
class Basis:
    """A function of one column that is several columns, with constants learned from the data.

    Parameters
    ----------
    names : callable
        ``(options)`` to the names of its columns, k of them; they depend on nothing else.
    learn : callable
        ``(values, options)`` to the constants, from values of shape (n,). A DataError says what
        the values lack, in words that follow the function's: "needs 3 different values".
    evaluate : callable
        ``(values, options, constants)`` to the columns, shape (n, k).
    learn_query : callable, optional
        ``(summaries, options)`` to the constants, by queries. Without it the rows are needed.
    push : callable, optional
        ``(expression, options, constants)`` to k expressions of narwhals.
    limits : callable, optional
        ``(constants)`` to the ends of the range outside of which it is not defined.
    beyond : callable, optional
        ``(constants)`` to the ends of the data's range, where it goes on past them.
    constant : callable
        ``(options)`` to whether the constant is among the combinations of its columns.
    """

    names: Callable[[Options], tuple[str, ...]]
    learn: "Callable[[Floats, Options], Constants]"
    evaluate: "Callable[[Floats, Options, Constants], Floats]"
    learn_query: Callable[[Summaries, Options], Constants] | None = None
    push: "Callable[[nw.Expr, Options, Constants], tuple[nw.Expr, ...]] | None" = None
    limits: Callable[[Constants], tuple[float, float]] | None = None
    beyond: Callable[[Constants], tuple[float, float]] | None = None
    constant: Callable[[Options], bool] = lambda _: False


@dataclass(frozen=True, kw_only=True, eq=False)
class Function:
    """A function of the formula language.

    Parameters
    ----------
    name : str
        As written in a formula.
    kind : str
        What it depends on: each value alone (elementwise), the mean of the column it was first
        used on (centring), that of each group (grouped), several learned constants (basis); or it
        says how a column is used (categorical, identity, offset).
    summary : str
        What it gives, in a line.
    options : tuple of Option
        Its arguments after the column, in the order in which they may stand without names.
    check : callable
        Options to why they do not go together, or to "".
    elementwise, basis : Elementwise, Basis, optional
        What computes it, of these kinds.

    Examples
    --------
    >>> from bayes_mlm.formula import FUNCTIONS
    >>> FUNCTIONS["poly"].kind, [one.name for one in FUNCTIONS["poly"].options]
    ('basis', ['degree', 'raw'])
    """

    name: str
    kind: FunctionKind
    summary: str
    options: tuple[Option, ...] = ()
    check: Callable[[Options], str] = lambda _: ""
    elementwise: Elementwise | None = None
    basis: Basis | None = None


def whole_number(options: Options, name: str, default: int) -> int:
    """Return an option that was read as a count."""
    value = options.get(name, default)
    assert isinstance(value, int)  # for mypy: read as a whole number
    return value


def real_number(options: Options, name: str, default: float) -> float:
    """Return an option that was read as a number."""
    value = options.get(name, default)
    assert isinstance(value, int | float)  # for mypy: read as a number
    return float(value)


FUNCTIONS = Registry[Function]("function", FormulaError)


def register(function: Function) -> Function:
    """Add a function to the language under its name, and return it."""
    return FUNCTIONS.register(function.name, function)
