"""List the functions a formula may call; no other name is ever looked up, let alone run.

The list is a registry (`bayes_mlm.formula.function`), filled by `bayes_mlm.formula.transforms`.
"""

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from bayes_mlm.formula import transforms
from bayes_mlm.formula.function import FUNCTIONS, Function

__all__ = ["FUNCTIONS", "HABITS", "INSTEAD", "REWRITES", "Function", "instead_of", "transforms"]

_KNOTS = re.compile(r"\s*(?:k\s*=\s*)?(\d{1,3})\s*")

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
        "ave": "between({0})",
        "group_mean": "between({0})",
        "cwc": "within({0})",
        "demeaned": "within({0})",
        "gmc": "center({0})",
        "cgm": "center({0})",
        "monotonic": "C({0}, Diff)",
        "dummy": "C({0})",
        "t2": "cr({0}, df=3):cr({1}, df=3)",
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
        "cbind": "successes and failures are written: successes | trials(n) ~ ..., family binomial",
        "trials": "the number of trials is left of the ~: successes | trials(n) ~ ...",
        "interaction": "write a:b",
        "cwc": "the deviation from the mean of the group is within(x)",
        "gmc": "the deviation from the mean of all rows is center(x)",
        "cgm": "the deviation from the mean of all rows is center(x)",
        "ave": "the mean of each group is between(x)",
        "group_mean": "the mean of each group is between(x)",
        "monotonic": "there are no monotonic effects; C(x, Diff) has the steps between categories",
        "t2": "there are no tensor smooths, only products of splines of a fixed df",
        "gp": "there are no Gaussian processes; cr(x, df=5) is a spline",
        "me": "there are no measurement errors of predictors",
        "mi": "missing values are not imputed",
        "mm": "a row belongs to one group; there are no multiple memberships",
        "grandmean": "the deviation from the mean of all rows is center(x)",
        "mvbind": "a model has one outcome",
        "ar": "AR(1) residuals along a column are an option (--ar TIME)",
        "ar1": "AR(1) residuals along a column are an option (--ar TIME)",
        "ifelse": "make a column of the truth values in the data",
        "dummy": "C(x) has a column for each category but the first",
        "xi": "C(x) has a column for each category but the first",
    }
)


def instead_of(name: str, arguments: Sequence[str], knots: Sequence[str] = ()) -> str:
    """Return what stands here for a call of another function; "" if nothing does.

    Examples
    --------
    >>> instead_of("s", ["x"]), instead_of("rcs", ["x", "5"]), instead_of("te", ["x"])
    ('cr(x, df=4)', 'ns(x, df=4)', '')
    """
    made = INSTEAD.get(name, "")
    if not made or not arguments or f"{{{len(arguments)}}}" in made:
        return ""
    several = next(filter(None, map(_KNOTS.fullmatch, knots or arguments[1:])), None)
    if several and name in ("s", "rcs") and int(several[1]) > 2:  # k knots, or a basis of k
        made = re.sub(r"df=\d+", f"df={int(several[1]) - 1}", made)
    return made.format(*arguments)
