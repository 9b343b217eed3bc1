"""List the functions a formula may call; no other name is ever looked up, let alone run.

The list is a registry (`bayes_mlm.formula.function`), filled by `bayes_mlm.formula.transforms`.
"""

from collections.abc import Mapping
from types import MappingProxyType

from bayes_mlm.formula import transforms
from bayes_mlm.formula.function import FUNCTIONS, Function

__all__ = ["FUNCTIONS", "HABITS", "INSTEAD", "REWRITES", "Function", "transforms"]

# What people write from habit, and the name that it has here, where a call is otherwise the same.
REWRITES: Mapping[str, str] = MappingProxyType(
    {
        "ln": "log",
        "log1": "log1p",
        "standardize": "scale",
        "standardise": "scale",
        "zscore": "scale",
        "factor": "C",
        "as.factor": "C",
        "ordered": "C",
        "demean": "within",
        "relevel": "C",
        "cs": "cr",
        "natural_cubic_spline": "cr",
    }
)

# What stands here for a call of others, in which {0} and {1} are its arguments.
INSTEAD: Mapping[str, str] = MappingProxyType(
    {
        "s": "cr({0}, df=4)",
        "te": "cr({0}, df=3):cr({1}, df=3)",
        "ti": "cr({0}, df=3):cr({1}, df=3)",
        "rcs": "ns({0}, df=4)",
        "mo": "C({0}, Diff)",
        "interaction": "{0}:{1}",
        "pow": "I({0} ** {1})",
        "power": "I({0} ** {1})",
        "mean": "between({0})",
    }
)

# The advice on others; every name that is in neither is answered with the nearest in FUNCTIONS.
HABITS: Mapping[str, str] = MappingProxyType(
    {
        "mean": "for the mean of each group, write between(...)",
        "power": "write I(x ** 2)",
        "pow": "write I(x ** 2)",
        "s": "there are no penalised smooths, only splines of a fixed df",
        "te": "there are no tensor smooths, only products of splines of a fixed df",
        "ti": "there are no tensor smooths, only products of splines of a fixed df",
        "cc": "there is no cyclic spline; make the columns of sine and cosine in the data",
        "rcs": "a restricted cubic spline of k knots is ns(x, df=k - 1)",
        "lsp": "a piecewise straight line is bs(x, knots=(1, 2), degree=1)",
        "lspline": "a piecewise straight line is bs(x, knots=(1, 2), degree=1)",
        "Q": "write a name with spaces in `backquotes`",
        "mo": "there are no monotonic effects; C(x, Diff) has the steps between categories",
        "weights": "weights are no part of a formula",
        "cut": "make the column of categories in the data, or write bs(x, df=4)",
        "lag": "make the column of earlier values in the data",
        "cbind": "give successes as the outcome",
        "interaction": "write a:b",
    }
)
