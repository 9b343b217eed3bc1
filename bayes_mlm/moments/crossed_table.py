"""Sums by level and lists of neighbours of two crossed factors whose cells are too many.

With a random intercept for each of two factors, all that the likelihood needs of n rows is, by
level of each, the sums of ``[1, X, y]``, in total ``[X, y]'[X, y]``, and of the cells which level
of the one meets which of the other: two lists of n level numbers, 4 bytes each. A cell that occurs
k times is listed k times. The rows are read once, in parts, and not kept.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from bayes_mlm.base import DesignError, Flags, Floats, Ints, check_memory
from bayes_mlm.moments.group_moments import GroupMoments
from bayes_mlm.moments.transformed import TransformedSums

type _Codes = Ints | npt.NDArray[np.int32]

# Bytes that a row takes while the lists are made.
_BYTES = 16
_COLUMNS = 4  # of a pass over the lists


@dataclass(frozen=True, kw_only=True, eq=False)
class Margin:
    """Sums by level of one of two crossed factors; the levels with most rows come first.

    Attributes
    ----------
    factor : str
    counts : ndarray of int, shape (m,)
        Rows of each level.
    right : ndarray, shape (m, p + 1)
        Sums of ``[X, y]`` of each level.
    first : ndarray of int, shape (m + 1,)
        Where the rows of each level begin in `other`.
    other : ndarray of int32, shape (n,)
        Level of the other factor of each row, by level of this one.
    places : ndarray of int, shape (m,)
        Each level's number in the data.
    """

    factor: str
    counts: Ints
    right: Floats
    first: Ints
    other: Ints
    places: Ints

    @property
    def m(self) -> int:
        """Number of levels."""
        return len(self.counts)

    @cached_property
    def parts(self) -> Ints:
        """Bounds of runs of levels of about the same work."""
        from bayes_mlm.moments.neighbours import divide_levels

        return divide_levels(self.first)

    @cached_property
    def sizes(self) -> tuple[Floats, Ints]:
        """The counts that occur (k,), and which of them each level has (m,)."""
        found, of = np.unique(self.counts, return_inverse=True)
        return found.astype(float), of.astype(np.int64)

    def sums(self, values: Floats) -> Floats:
        """Return sums (m,) or (m, k) over the rows of each level, of values by level of the other.

        Parameters
        ----------
        values : ndarray, shape (m of the other,) or (m of the other, k)
        """
        from bayes_mlm.moments.neighbours import sum_four, sum_one

        if values.ndim == 1:
            found = np.empty(self.m)
            sum_one(self.first, self.other, self.parts, values, found)
            return found
        k = values.shape[1]
        found = np.empty((self.m, k))
        if k == _COLUMNS and values.flags.c_contiguous:
            sum_four(self.first, self.other, self.parts, values, found)
            return found
        for start in range(0, k, _COLUMNS):
            width = min(_COLUMNS, k - start)
            if width == 1:
                found[:, start] = self.sums(np.ascontiguousarray(values[:, start]))
                continue
            four, sums = np.zeros((len(values), _COLUMNS)), np.empty((self.m, _COLUMNS))
            four[:, :width] = values[:, start : start + width]
            sum_four(self.first, self.other, self.parts, four, sums)
            found[:, start : start + width] = sums[:, :width]
        return found

    def in_data_order[A: np.generic](self, values: npt.NDArray[A]) -> npt.NDArray[A]:
        """Return values (m, ...) by level in the order of the data."""
        found = np.empty_like(values)
        found[self.places] = values
        return found


@dataclass(frozen=True, kw_only=True, eq=False)
class CrossedTable(TransformedSums):
    """All that the likelihood of two crossed random intercepts needs of the rows.

    Attributes
    ----------
    n, terms, total, transform
        As of `TransformedSums`; a constant is among the columns.
    margins : (Margin, Margin)
        The factor with more levels first.
    swapped : bool
        Whether the data have the factors in the other order.
    """

    margins: tuple[Margin, Margin]
    swapped: bool

    def pooled_moments(self, factor: str) -> GroupMoments:
        """Return moments by level of one factor, of X, of an intercept and of y as given.

        Counts and means are exact. Of the scatter within levels only the total is known; it is
        shared out by rows, which is right for sums over levels, and for nothing else.
        """
        margin = next(one for one in self.margins if one.factor == factor)
        back = np.linalg.inv(self.transform)
        sums, total = margin.right, self.total
        overall = sums.sum(axis=0) / self.n
        away = sums / margin.counts[:, None] - overall
        inside = total - self.n * np.outer(overall, overall) - (away.T * margin.counts) @ away
        centre, width = overall @ back, len(back) + 1
        live = [*range(self.p), width - 1]
        means, scatter = np.zeros((margin.m, width)), np.zeros((width, width))
        means[:, live] = away @ back
        scatter[np.ix_(live, live)] = back.T @ inside @ back
        origin = np.ones(width)
        origin[live] = centre
        order = np.argsort(margin.places)
        counts = margin.counts[order]
        return GroupMoments(
            labels=np.arange(margin.m),
            counts=counts,
            centre=origin,
            means=means[order],
            scatter=scatter * (counts / self.n)[:, None, None],
            terms=self.terms,
            effects=("Intercept",),
            group=factor,
        )

    def in_formula_order[A](self, first: A, second: A) -> tuple[A, A]:
        """Return what belongs to the two margins in the order of the data's factors."""
        return (second, first) if self.swapped else (first, second)


class CrossedSums:
    """Sums of two crossed factors that rows are added to, a part at a time.

    Parameters
    ----------
    factors : (str, str)
    terms : sequence of str
        Names of the columns of X.

    Examples
    --------
    >>> sums = CrossedSums(("user", "film"), ("Intercept",))
    >>> columns = np.array([[1.0, 3.0], [1.0, 4.0], [1.0, 1.0]])
    >>> sums.add(np.array([0, 1, 1]), np.array([0, 0, 1]), columns)
    >>> table = sums.finish((2, 2))
    >>> table.n, table.margins[0].counts, table.margins[0].sums(np.array([10.0, 1.0]))
    (3, array([2, 1]), array([11., 10.]))
    """

    def __init__(self, factors: tuple[str, str], terms: Sequence[str]) -> None:
        self.factors, self.terms, self.n = factors, tuple(terms), 0
        width = len(self.terms) + 1
        self._codes: list[tuple[Ints, Ints]] = []
        self._counts = [np.zeros(0, dtype=np.int64)] * 2
        self._sums = [np.zeros((0, width))] * 2
        self._total = np.zeros((width, width))
        self._constant = np.zeros(width, dtype=bool)
        self._shift: Floats | None = None
        self._scale = np.ones(width)

    def add(self, first: _Codes, second: _Codes, columns: Floats) -> None:
        """Add rows: their levels of the two factors, (k,) each, and their [X, y], (k, p + 1).

        Raises
        ------
        DesignError
            If no column of X is 1 in every row.
        """
        from bayes_mlm.moments.neighbours import add_rows

        if not len(columns):
            return
        if self._shift is None:
            self._shift, self._scale, self._constant = _provisional(columns)
        for f, codes in enumerate((first, second)):
            short = int(codes.max()) + 1 - len(self._counts[f])
            if short > 0:
                more = max(short, len(self._counts[f]))
                empty = np.zeros((more, columns.shape[1]))
                self._counts[f] = np.concatenate([self._counts[f], np.zeros(more, dtype=np.int64)])
                self._sums[f] = np.concatenate([self._sums[f], empty])
        narrow: tuple[Ints, Ints] = (first.astype(np.int32), second.astype(np.int32))
        add_rows(
            *(*narrow, np.ascontiguousarray(columns), self._shift, self._scale, self._constant),
            *(*self._counts, *self._sums, self._total),
        )
        if not self._constant.any():
            raise DesignError("of two crossed factors, this takes a model with an intercept")
        self._codes.append(narrow)
        self.n += len(columns)

    def finish(
        self, sizes: tuple[int, int], ranks: tuple[Ints, Ints] | None = None
    ) -> CrossedTable:
        """Return the table; the sums that were added up are used up.

        Parameters
        ----------
        sizes : (int, int)
            Levels of each factor, each with a row.
        ranks : (ndarray, ndarray), optional
            The number in the data's order of each level as it was added; by default the same.

        Raises
        ------
        DesignError
            If there are no rows.
        """
        from bayes_mlm.moments.neighbours import place_rows, turn_round

        if self._shift is None:
            raise DesignError("no rows to fit; give at least one")
        check_memory(
            _BYTES / 2 * self.n, f"lists of the {self.n:,} rows", "use a sample of the rows"
        )
        one = int(np.flatnonzero(self._constant)[0])
        provisional = np.diag(self._scale)
        provisional[one] -= self._shift * self._scale
        transform, last = _finished(self._total, one, self.n)
        counts = [one[:m] for one, m in zip(self._counts, sizes, strict=True)]
        orders = [np.argsort(-one, kind="stable") for one in counts]
        places = []
        for order in orders:
            place = np.empty(len(order), dtype=np.int32)
            place[order] = np.arange(len(order))
            places.append(place)
        starts = [
            np.concatenate([[0], np.cumsum(one[order])])
            for one, order in zip(counts, orders, strict=True)
        ]
        lists: list[Ints] = [np.empty(self.n, dtype=np.int32) for _ in range(2)]
        then = starts[1][:-1].copy()
        while self._codes:
            a, b = self._codes.pop(0)
            place_rows(then, b, a, places[1], places[0], lists[1])
        # Round and back again: the rows of a level are in the order of the other's levels.
        turn_round(starts[1], lists[1], starts[0], lists[0])
        turn_round(starts[0], lists[0], starts[1], lists[1])
        margins = [
            Margin(
                factor=self.factors[f],
                counts=counts[f][orders[f]],
                right=self._sums[f][: sizes[f]][orders[f]] @ transform,
                first=starts[f],
                other=lists[f],
                places=orders[f] if ranks is None else ranks[f][orders[f]],
            )
            for f in range(2)
        ]
        swapped = sizes[1] > sizes[0]
        return CrossedTable(
            n=self.n,
            terms=self.terms,
            margins=(margins[1], margins[0]) if swapped else (margins[0], margins[1]),
            swapped=swapped,
            total=last,
            transform=provisional @ transform,
        )


def crossed_table(
    y: Floats,
    X: Floats,
    codes: tuple[Ints, Ints],
    sizes: tuple[int, int],
    *,
    factors: tuple[str, str],
    terms: Sequence[str],
) -> CrossedTable:
    """Reduce rows in memory to sums by level and lists of neighbours.

    Parameters
    ----------
    y : ndarray, shape (n,)
        Outcome, less the offset.
    X : ndarray, shape (n, p)
        With a column of ones.
    codes : two ndarrays of int, shape (n,)
        Levels of the rows, each in 0..m-1.
    sizes : (int, int)
        Levels m of each factor.
    factors, terms
        Names of the factors and of the columns of X.
    """
    sums = CrossedSums(factors, terms)
    for start in range(0, len(y), 1 << 18):
        part = slice(start, start + (1 << 18))
        sums.add(codes[0][part], codes[1][part], np.column_stack([X[part], y[part]]))
    return sums.finish(sizes)


def _provisional(columns: Floats) -> tuple[Floats, Floats, Flags]:
    """Return rough centres and scales (p + 1,) by some of the rows, and which are ones there."""
    ones = (columns == 1.0).all(axis=0)
    ones[-1] = False
    mean, sd = columns.mean(axis=0), columns.std(axis=0)
    sd[sd == 0.0] = 1.0
    mean[ones], sd[ones] = 0.0, 1.0
    return mean, 1.0 / sd, ones


def _finished(given: Floats, one: int, n: int) -> tuple[Floats, Floats]:
    """Centre and scale exactly, and take the least-squares fit from y; also the new total."""
    width = len(given)
    centre = np.eye(width)
    for k in range(width):
        if k != one:
            centre[one, k] = -given[one, k] / given[one, one]
    total: Floats = centre.T @ given @ centre
    sd = np.sqrt(np.diagonal(total) / n)
    scale = np.diag(1.0 / np.where(sd > 0.0, sd, 1.0))
    total = scale @ total @ scale
    fit = np.eye(width)
    fit[:-1, -1] = -np.linalg.lstsq(total[:-1, :-1], total[:-1, -1], rcond=None)[0]
    total = fit.T @ total @ fit
    rest = math.sqrt(max(float(total.diagonal()[-1]), 0.0) / n)
    if rest > 0.0:
        fit[:, -1] /= rest
    total[-1, -1] = np.float64(n if rest > 0.0 else 0)
    total[:-1, -1] = total[-1, :-1] = 0.0
    return centre @ scale @ fit, total
