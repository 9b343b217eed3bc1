"""Rows of equal predictors in a group as one: a likelihood term of many rows is computed once."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bayes_mlm.base import Floats, Ints
from bayes_mlm.design import Design
from bayes_mlm.likelihood.quadrature.codes import (
    CLOGLOG,
    GAMMA,
    LOGIT,
    POISSON,
    PROBIT,
    Outcomes,
)

# Families whose outcomes at equal predictors are summed: successes among trials, Poisson counts.
ADDED = (LOGIT, PROBIT, CLOGLOG, POISSON)
# Rows below which nothing is saved by finding those that are equal.
_FEW = 200
# Rows of whole groups by which it is judged whether many are equal; the share that may differ.
_SAMPLE = 20_000
MOST_DISTINCT = 0.5
# Rows from which a hash table is worth the import of pandas.
_MANY = 200_000


@dataclass(frozen=True, kw_only=True, eq=False)
class Patterns:
    """The distinct combinations of group and columns.

    Attributes
    ----------
    first : ndarray of int, shape (m,)
        A row of each, sorted by group.
    of_row : ndarray of int, shape (n,)
        The place of each row in `first`.
    """

    first: Ints
    of_row: Ints

    def total(self, values: Floats) -> Floats:
        """Return sums (m,) of values (n,) over the rows of each combination."""
        return np.bincount(self.of_row, values, minlength=self.first.size)


@dataclass(frozen=True, kw_only=True, eq=False)
class LikelihoodRows:
    """Rows of a design as a likelihood takes them, sorted by group; equal ones may be one.

    Attributes
    ----------
    X, Z : ndarray, shapes (m, p) and (m, q)
    y, trials : ndarray, shape (m,)
        Of rows that stand for several: sums of successes and trials; of Poisson counts the sum and
        how many; of other families the outcome and how many.
    offset : ndarray, shape (m,)
    starts : ndarray of int, shape (J + 1,)
        First row of each group.
    outcomes : Outcomes
        Of every row, for the constants of the likelihood.
    order : ndarray of int, shape (m,), or None
        The row of the design that each is, or is like; None for all in their order.
    counts : ndarray, shape (m,), or None
        How many rows of the data each stands for; None where each is one.
    """

    X: Floats
    Z: Floats
    y: Floats
    trials: Floats
    offset: Floats
    starts: Ints
    outcomes: Outcomes
    order: Ints | None
    counts: Floats | None


def likelihood_rows(
    design: Design, code: int, *, effects: bool = True, most_distinct: float = 0.0
) -> LikelihoodRows:
    """Return the rows of a design of one grouping factor, or none, for its likelihood.

    Parameters
    ----------
    design : Design
        With rows, or the distinct ones with their numbers.
    code : int
        Of its family.
    effects : bool
        Whether with the effects of groups.
    most_distinct : float
        Rows of equal predictors in a group (and, but of successes and Poisson counts, of equal
        outcomes) are one where at most this share of all are distinct; 0 leaves them.
    """
    design = design.weighted_rows
    q = design.q if effects else 0
    y, trials = np.ascontiguousarray(design.y, dtype=np.float64), design.response.trials
    trials = np.ones(y.size) if trials is None else np.ascontiguousarray(trials, dtype=float)
    outcomes = Outcomes(y=y, trials=trials, counts=design.response.weights)
    counts = outcomes.counts
    offset = np.broadcast_to(np.asarray(design.offset, dtype=float), (y.size,))
    codes = design.group_term.codes if q else np.zeros(y.size, dtype=np.int64)
    found = None
    if code != GAMMA and y.size >= _FEW and most_distinct:
        columns = [
            *design.X.T,
            *(design.Z.T if q else ()),
            offset,
            *(() if code in ADDED else (y,)),
        ]
        n_groups = design.group_term.J if q else 1
        found = find_patterns(codes, columns, n_groups, most_distinct)
    if counts is not None:
        y, trials = (y * counts, trials * counts) if code in ADDED else (y, counts)
    order = design.group_term.row_order() if q else None
    if found is not None:
        order = found.first
        y = found.total(y) if code in ADDED else y[order]
        trials = found.total(trials)
        counts = found.total(np.ones(found.of_row.size) if counts is None else counts)
    elif order is not None:
        outcomes = Outcomes(
            y=outcomes.y[order],
            trials=outcomes.trials[order],
            counts=None if counts is None else counts[order],
        )
        y, trials, counts = y[order], trials[order], outcomes.counts

    def of(values: Floats) -> Floats:
        return np.ascontiguousarray(values if order is None else values[order])

    ordered = codes if order is None else codes[order]
    starts = np.searchsorted(ordered, np.arange(design.group_term.J + 1)) if q else [0, y.size]
    return LikelihoodRows(
        X=of(design.X),
        Z=of(design.Z) if q else np.empty((y.size, 0)),
        y=y,
        trials=trials,
        offset=of(offset),
        starts=np.asarray(starts, dtype=np.int64),
        outcomes=outcomes,
        order=order,
        counts=counts,
    )


def find_patterns(
    codes: Ints, columns: list[Floats], n_groups: int, most_distinct: float = MOST_DISTINCT
) -> Patterns | None:
    """Return the distinct combinations of group and columns; None where few rows are equal.

    Parameters
    ----------
    codes : ndarray of int, shape (n,)
        The group of each row.
    columns : list of ndarray, shape (n,)
    n_groups : int
    most_distinct : float
        Share of the rows that may be distinct.

    Examples
    --------
    >>> find_patterns(np.array([1, 0, 1, 0, 1, 1]), [np.array([2.0, 3, 2, 3, 3, 3])], 2).of_row
    array([1, 0, 1, 0, 2, 2])
    """
    n = codes.size
    if not n:
        return None
    # Equal rows have equal sums, computed element by element; that others differ is verified.
    weights = np.random.default_rng(0).uniform(0.5, 1.5, len(columns))
    sample = np.flatnonzero(codes % -(-n // _SAMPLE) == 0)
    mixed = _mixture([one[sample] for one in columns], weights, sample.size)
    pairs = np.unique(np.rec.fromarrays([codes[sample], mixed]))
    if pairs.size > most_distinct * max(sample.size, 1):
        return None
    values, places = _factorise(_mixture(columns, weights, n))
    rows = np.empty(values, dtype=np.int64)
    rows[places] = np.arange(n)
    if not all(bool((one[rows][places] == one).all()) for one in columns):
        return None
    cells = codes * np.int64(values) + places
    if n_groups * values <= 4 * n + 1000:
        found = np.flatnonzero(np.bincount(cells, minlength=n_groups * values))
        place = np.empty(n_groups * values, dtype=np.int64)
        place[found] = np.arange(found.size)
        of_row = place[cells]
    else:
        found, of_row = np.unique(cells, return_inverse=True)
    if found.size > most_distinct * n:
        return None
    first = np.empty(found.size, dtype=np.int64)
    first[of_row] = np.arange(n)
    return Patterns(first=first, of_row=of_row)


def _mixture(columns: list[Floats], weights: Floats, n: int) -> Floats:
    total = np.zeros(n)
    for weight, column in zip(weights.tolist(), columns, strict=True):
        total += weight * column
    return total


def _factorise(values: Floats) -> tuple[int, npt.NDArray[np.int64]]:
    """Return the number of distinct values, and the place of each among them."""
    if values.size < _MANY:
        distinct, places = np.unique(values, return_inverse=True)
        return distinct.size, places
    import pandas as pd

    places, distinct = pd.factorize(values)
    return len(distinct), places
