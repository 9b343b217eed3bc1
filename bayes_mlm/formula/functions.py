"""List the functions a formula may call; no other name is ever looked up, let alone run.

The list is data. What each function computes is in `bayes_mlm.design.encoding.values`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

type FunctionKind = Literal["elementwise", "centring", "grouped", "categorical", "identity"]


@dataclass(frozen=True)
class Function:
    """Describe a function of the formula language.

    Parameters
    ----------
    name : str
        As written in a formula.
    kind : str
        What it depends on: each value alone (elementwise), the mean of the column it was first
        used on (centring), that of each group (grouped); or it says how to read a column
        (categorical, identity).
    summary : str
        What it gives, in a line.
    """

    name: str
    kind: FunctionKind
    summary: str


FUNCTIONS: Mapping[str, Function] = MappingProxyType(
    {
        function.name: function
        for function in (
            Function("log", "elementwise", "natural logarithm; values above 0"),
            Function("log2", "elementwise", "logarithm to base 2; values above 0"),
            Function("log10", "elementwise", "logarithm to base 10; values above 0"),
            Function("log1p", "elementwise", "log(1 + x); values above -1"),
            Function("exp", "elementwise", "exponential"),
            Function("sqrt", "elementwise", "square root; values of 0 or more"),
            Function("abs", "elementwise", "absolute value"),
            Function("center", "centring", "x minus its mean"),
            Function("scale", "centring", "x minus its mean, over its sd (divisor n - 1, as in R)"),
            Function("within", "grouped", "x minus the mean of its group: within(x) or (x, group)"),
            Function("between", "grouped", "mean of x in its group: between(x) or (x, group)"),
            Function("C", "categorical", "the column x read as categories"),
            Function("I", "identity", "arithmetic, + - * / **, in its ordinary meaning"),
        )
    }
)

# What people write from habit, and the advice on each; every other name is answered with the
# nearest in FUNCTIONS.
HABITS: Mapping[str, str] = MappingProxyType(
    {
        "ln": "write log(...)",
        "log1": "write log1p(...)",
        "standardize": "write scale(...)",
        "standardise": "write scale(...)",
        "zscore": "write scale(...)",
        "factor": "write C(...)",
        "as.factor": "write C(...)",
        "mean": "for the mean of each group, write between(...)",
        "demean": "for the deviation from each group's mean, write within(...)",
        "power": "write I(x ** 2)",
        "pow": "write I(x ** 2)",
        "poly": "write x + I(x ** 2)",
        "offset": "subtract it from the outcome, as in I(y - x) ~ ...",
    }
)
