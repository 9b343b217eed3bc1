"""Find the order of the rows within groups: by time where the model has one, else as given."""

import re
from dataclasses import dataclass

import numpy as np

from bayes_mlm.base import Floats, Ints
from bayes_mlm.design import Design, GroupTerm

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
            if ":" not in term and _is_time(column, design.group_term, most):
                time, by = column, _column_of(term)
                break
    return Ordering(
        order=design.group_term.row_order(time),
        by=by,
        modelled=modelled,
        by_outcome=by is None and _is_sorted(design.y, design.group_term),
    )


def in_order(design: Design, order: Ints) -> Design:
    """Return a design with its rows in another order."""
    return design.take(order)


def _column_of(term: str) -> str:
    """Return the column in a term: age in center(age), which --ar takes."""
    return re.sub(r"^\w+\(([\w.]+)\)$", r"\1", term)


def _is_time(column: Floats, term: GroupTerm, most: int) -> bool:
    """Return whether no two rows of a group share a value, and groups have values in common."""
    if np.unique(column).size > most:
        return False
    row, following = term.neighbours(column)
    return bool(row.size and (column[following] > column[row]).all())


def _is_sorted(values: Floats, term: GroupTerm) -> bool:
    row, following = term.neighbours()
    steps, after = values[following] - values[row], term.take(following)
    ups, downs = after.sums(np.maximum(steps, 0.0)), after.sums(np.minimum(steps, 0.0))
    large = term.sizes >= _LEAST_ROWS
    if not large.any():
        return False
    return max(float((downs == 0)[large].mean()), float((ups == 0)[large].mean())) >= _SORTED
