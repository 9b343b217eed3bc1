"""Validate the columns of a model one by one.

Every function is pure, takes a `Table`, and raises `DataError`. Rows are numbered from 1, as a
reader of the file would, not counting the header. The cost is a few passes over the columns named.
"""

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bayes_mlm.base import DataError
from bayes_mlm.data.absent import explain_absent
from bayes_mlm.data.groups import label_text, levels_of, spread_tolerance
from bayes_mlm.data.misread import refuse_misread
from bayes_mlm.data.missing import count_text, is_missing
from bayes_mlm.data.numerals import is_number, mostly_numbers
from bayes_mlm.data.table import Table

_SHOWN = 3

# Whole values of an outcome that may be ordered categories; counts that are far from normal.
_FEW_CATEGORIES = 7
_SMALL_COUNT = 5.0
_LARGEST_COUNT = 1e6


def require_columns(table: Table, names: Sequence[str]) -> None:
    """Require that a table has the columns named.

    Raises
    ------
    DataError
        If any is absent; the nearest names are offered.

    Examples
    --------
    >>> from bayes_mlm.data.table import as_table
    >>> require_columns(as_table({"ses": [0.1]}), ["SES"])
    Traceback (most recent call last):
        ...
    bayes_mlm.base.errors.DataError: dict has no column 'SES' (did you mean 'ses'?); columns: ses
    """
    absent = [name for name in dict.fromkeys(names) if name not in table.columns]
    if absent:
        raise DataError(explain_absent(absent, table.names, table.source))


def require_finite(table: Table, names: Sequence[str]) -> None:
    """Require that the numeric columns among those named have no infinite values.

    Raises
    ------
    DataError
        If one does, with the count and the first rows.
    """
    for name in names:
        values = table.columns[name]
        if values.dtype.kind == "f" and (infinite := np.isinf(values)).any():
            raise DataError(
                f"column {name!r} has {count_text(infinite, 'infinite')}; correct them, or make "
                'them missing and drop them with missing="drop" (--missing drop)'
            )


def require_numeric(table: Table, names: Sequence[str], *, role: str = "column") -> None:
    """Require that columns are numeric (or truth values).

    Parameters
    ----------
    table : Table
        The rows.
    names : sequence of str
        The columns that must be numeric.
    role : str
        What the message calls the column: "outcome", "predictor".

    Raises
    ------
    DataError
        If one is text, with the values that are not numbers and their rows.

    Examples
    --------
    >>> from bayes_mlm.data.table import as_table
    >>> require_numeric(as_table({"y": ["1", "many", "3"]}), ["y"], role="outcome")
    Traceback (most recent call last):
        ...
    bayes_mlm.base.errors.DataError: outcome 'y' is text, not numbers: 1 of 3 values is not a
    number \
('many' in row 2); correct it, or leave it empty and drop the row with missing="drop" \
(--missing drop)
    """
    for name in names:
        if table.columns[name].dtype == object:
            levels = levels_of(table.columns[name])[0].tolist()
            refuse_misread(name, role, levels, is_time=name in table.times)
            raise DataError(f"{role} {name!r} is text, not numbers: {_explain_text(table, name)}")


def check_outcome(table: Table, name: str, *, gaussian: bool = True) -> tuple[str, ...]:
    """Check that a column can be the outcome of a model of numbers.

    Parameters
    ----------
    table : Table
        The rows, complete in this column.
    name : str
        The outcome.
    gaussian : bool
        Whether the model is Gaussian, which another family may suit better.

    Returns
    -------
    tuple of str
        Notes for the reader of the results: on two values, counts and ordered categories.

    Raises
    ------
    DataError
        If it is text or constant.

    Examples
    --------
    >>> from bayes_mlm.data.table import as_table
    >>> for remark in check_outcome(as_table({"passed": [0, 1, 1]}), "passed"):
    ...     print(remark)
    outcome 'passed' has only two values (0 and 1): a Gaussian model reads it as a linear \
probability model, whose residuals cannot be normal; sds and icc are on the 0/1 scale; \
family='bernoulli' models its probability
    """
    require_numeric(table, [name], role="outcome")
    values = table.columns[name]
    low, high = values.min(), values.max()
    if not gaussian:  # whether one value is enough is the family's matter
        return ()
    if _constant(values):
        raise DataError(constant_outcome(name, low))
    if ((values == low) | (values == high)).all():
        return (two_values(name, low, high),)
    return _whole_numbers(name, values.astype(float))


def _whole_numbers(name: str, values: NDArray[np.float64]) -> tuple[str, ...]:
    """Return a note on an outcome that looks like a count, or like ordered categories."""
    low, high = values.min(), values.max()
    if low < 0 or high > _LARGEST_COUNT or (values != np.floor(values)).any():
        return ()
    many = np.count_nonzero(np.bincount(values.astype(np.int64)))
    if many <= _FEW_CATEGORIES and high <= _FEW_CATEGORIES + 1:
        return (
            f"outcome {name!r} has {many} whole values ({low:g} to {high:g}): if they are "
            "ordered categories, family='cumulative' does not assume equal steps between them",
        )
    if low == 0 and values.mean() < _SMALL_COUNT:
        return (
            f"outcome {name!r} has whole values from 0 with a mean of {values.mean():.3g}: if they "
            "are counts, family='poisson' or 'negative_binomial' suits them",
        )
    return ()


def constant_outcome(name: str, value: Any) -> str:
    """Return the message on an outcome of one value."""
    return (
        f"outcome {name!r} is constant (every value is {label_text(value)}): there is no variation "
        "to model; check the column"
    )


def constant_predictor(name: str, value: Any) -> str:
    """Return the message on a predictor of one value."""
    return (
        f"predictor {name!r} is constant (every value is {label_text(value)}): its effect is not "
        "identified next to the intercept; omit it from the formula"
    )


def two_values(name: str, low: Any, high: Any) -> str:
    """Return a note on what an outcome of two values implies for a Gaussian model."""
    both = f"{label_text(low)} and {label_text(high)}"
    remark = f"outcome {name!r} has only two values ({both}): a Gaussian model"
    if (low, high) == (0, 1):
        return (
            f"{remark} reads it as a linear probability model, whose residuals cannot be normal; "
            "sds and icc are on the 0/1 scale; family='bernoulli' models its probability"
        )
    return f"{remark} assumes normal residuals, which two values cannot have"


def check_predictors(
    table: Table, names: Sequence[str], *, categories: Collection[str] = ()
) -> None:
    """Check that columns can be predictors: they vary, and text among them is categories.

    Parameters
    ----------
    table : Table
        The rows.
    names : sequence of str
        The predictors.
    categories : collection of str
        Those requested as categories, whatever their values.

    Raises
    ------
    DataError
        If one is constant, or is text that contains dates, numbers in another notation, or mostly
        numbers (a category may have up to 20 levels that look like numbers).

    Examples
    --------
    >>> from bayes_mlm.data.table import as_table
    >>> check_predictors(as_table({"year": [1982, 1982]}), ["year"])
    Traceback (most recent call last):
        ...
    bayes_mlm.base.errors.DataError: predictor 'year' is constant (every value is 1982): its effect
    \
is not identified next to the intercept; omit it from the formula
    """
    for name in names:
        values = table.columns[name]
        if values.dtype == object:
            levels = levels_of(values)[0].tolist()
            if name not in categories and name not in table.categories:
                refuse_misread(name, "predictor", levels, is_time=name in table.times)
                if mostly_numbers(levels):
                    raise DataError(
                        f"predictor {name!r} is text with {len(levels)} levels, most of them "
                        f"numbers: {_explain_text(table, name)}"
                    )
            constant = len(levels) == 1
        else:
            constant = _constant(values)
        if constant:
            raise DataError(constant_predictor(name, values[0]))


def _explain_text(table: Table, name: str) -> str:
    values = table.columns[name]
    there = ~is_missing(values)
    stray = ~_is_number(values) & there
    present, count = int(np.count_nonzero(there)), int(np.count_nonzero(stray))
    if present == 0:
        return "every value is missing"
    labels = table.value_labels.get(name)
    if labels and name in table.categories:
        shown = ", ".join(
            f"{label_text(v)} {label!r}" for v, label in list(labels.items())[:_SHOWN]
        )
        return (
            f"its values have labels ({shown}{', …' if len(labels) > _SHOWN else ''}); "
            f'codes="{name}" (--codes {name}) reads the values'
        )
    if count == 0:
        example = values[there][0]
        return (
            f"its values look like numbers but were kept as labels (such as {example!r}: leading "
            "zeros, very large numbers, or a category); convert the column to numbers first, or, "
            'of plain numbers that are text, give decimal="." (--decimal .)'
        )
    first = np.flatnonzero(stray)[:_SHOWN]
    shown = ", ".join(f"{values[row]!r} in row {row + 1}" for row in first)
    verb, it, row = (
        ("is not a number", "it", "row") if count == 1 else ("are not numbers", "them", "rows")
    )
    more = ", …" if count > _SHOWN else ""
    more += "".join(f"; {note}" for note in table.notes.get(name, ()))
    advice = (
        "give a numeric column, or name a family of categories: bernoulli for two "
        '(--family bernoulli, in Python family="bernoulli"), cumulative for ordered ones'
        if count == present
        else f'correct {it}, or leave {it} empty and drop the {row} with missing="drop" '
        "(--missing drop)"
    )
    return f"{count} of {present} values {verb} ({shown}{more}); {advice}"


def _is_number(values: NDArray[Any]) -> NDArray[np.bool_]:
    levels, codes = levels_of(values)
    found = [is_number(level) for level in levels]
    return np.array([*found, False])[codes]  # a missing value has code -1: the last


def _constant(values: NDArray[Any]) -> bool:
    numbers = values.astype(np.float64)
    return bool(np.ptp(numbers) <= spread_tolerance(numbers))
