"""Find the order of the rows within groups: by time where the model has one, else as given."""

import re
from dataclasses import dataclass

import numpy as np

from bayes_mlm.base import Floats, Ints
from bayes_mlm.design import Design

# A predictor with so many times the values that a group has rows is a measurement, not a time.
_MOST_VALUES = 3
# Share of the groups sorted by the outcome from which the order of rows is not informative.
_SORTED = 0.9
_LEAST_ROWS = 4


@dataclass(frozen=True, kw_only=True, eq=False)
class Ordering:
    """The order of rows in which neighbours are compared.

    Parameters
    ----------
    order : ndarray of int, shape (n,)
        Groups one after the other.
    by : str or None
        The column of times; None for the order of the table.
    modelled : bool
        Whether the model has AR(1) residuals along it.
    by_outcome : bool
        Whether the table is sorted by the outcome within groups.
    """

    order: Ints
    by: str | None
    modelled: bool
    by_outcome: bool


def order_of_rows(design: Design) -> Ordering:
    """Sort rows by group and, within groups, by time."""
    n, by, modelled = design.n, None, False
    time: Floats = np.arange(n, dtype=np.float64)
    if design.residual is not None and design.residual.spec.ar is not None:
        time, by, modelled = design.residual.time, design.residual.spec.ar, True
    else:
        most = _MOST_VALUES * int(design.group_sizes.max())
        for term, column in zip(design.terms, design.X.T, strict=True):
            if ":" not in term and _is_time(column, design.codes, most):
                time, by = column, _column_of(term)
                break
    return Ordering(
        order=design.row_order(time),
        by=by,
        modelled=modelled,
        by_outcome=by is None and _sorted_by(design.y, design.codes),
    )


def in_order(design: Design, order: Ints) -> Design:
    """Return a design with its rows in another order."""
    return design.take(order)


def _column_of(term: str) -> str:
    """Return the column in a term: age in center(age), which --ar takes."""
    return re.sub(r"^\w+\(([\w.]+)\)$", r"\1", term)


def _is_time(column: Floats, codes: Ints, most: int) -> bool:
    """Return whether no two rows of a group share a value, and groups have values in common."""
    if np.unique(column).size > most:
        return False
    order = np.lexsort((column, codes))
    same = np.diff(codes[order]) == 0
    return bool(same.any() and (np.diff(column[order])[same] > 0).all())


def _sorted_by(values: Floats, codes: Ints) -> bool:
    order = np.argsort(codes, kind="stable")
    steps, group = np.diff(values[order]), codes[order][1:]
    same = np.diff(codes[order]) == 0
    ups = np.bincount(group[same & (steps > 0)], minlength=int(codes.max()) + 1)
    downs = np.bincount(group[same & (steps < 0)], minlength=ups.size)
    large = np.bincount(codes, minlength=ups.size) >= _LEAST_ROWS
    if not large.any():
        return False
    return max(float((downs == 0)[large].mean()), float((ups == 0)[large].mean())) >= _SORTED
