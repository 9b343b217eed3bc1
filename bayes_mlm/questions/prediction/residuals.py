"""AR(1) residuals of new rows: adjacent rows of the data, and joint draws."""

from dataclasses import dataclass

import numpy as np

from bayes_mlm.base import Floats, Ints
from bayes_mlm.design import Design
from bayes_mlm.model import GivenNeighbours, given_neighbours


@dataclass(frozen=True, kw_only=True, eq=False)
class Neighbours:
    """Rows of the data of the same group that are adjacent in time to m new rows.

    Parameters
    ----------
    before, after : ndarray of int, shape (m,)
        Rows of the design; -1 where there is none.
    gap_before, gap_after : ndarray, shape (m,)
        Steps of time to them; infinite where there is none.
    """

    before: Ints
    after: Ints
    gap_before: Floats
    gap_after: Floats

    def conditional(self, rho: Floats) -> GivenNeighbours:
        """Return the conditional distribution of standardised residuals at correlations (S,)."""
        return given_neighbours(rho, self.gap_before, self.gap_after)


def neighbours(design: Design, codes: Ints, times: Floats) -> Neighbours:
    """Return the neighbours of new rows among the rows of a design with AR(1) residuals.

    Parameters
    ----------
    design : Design
    codes : ndarray of int, shape (m,)
        Group of each new row; -1 for a new group.
    times : ndarray, shape (m,)
    """
    rows = design.residual
    assert rows is not None  # for mypy: the caller looked
    m = len(codes)
    before, after = np.full((2, m), -1, dtype=np.int64)
    order = design.group_term.row_order(rows.time)
    starts = np.concatenate([[0], np.cumsum(design.group_sizes)])
    for k in np.flatnonzero(codes >= 0).tolist():
        inside = order[starts[codes[k]] : starts[codes[k] + 1]]
        place = int(np.searchsorted(rows.time[inside], times[k], side="right"))
        before[k] = inside[place - 1] if place else -1
        after[k] = inside[place] if place < inside.size else -1
    gap_before = np.where(before >= 0, times - rows.time[np.maximum(before, 0)], np.inf)
    gap_after = np.where(after >= 0, rows.time[np.maximum(after, 0)] - times, np.inf)
    return Neighbours(
        before=before,
        after=after,
        gap_before=gap_before / rows.step,
        gap_after=gap_after / rows.step,
    )


def draw_together(
    near: Neighbours,
    codes: Ints,
    times: Floats,
    rho: Floats,
    known: tuple[Floats, Floats],
    rng: np.random.Generator,
) -> Floats:
    """Draw standardised residuals (S, m) of new rows jointly; those of one group are correlated.

    Parameters
    ----------
    near : Neighbours
        In steps of time.
    codes : ndarray of int, shape (m,)
        Rows of the same code are in one group.
    times : ndarray, shape (m,)
        In steps.
    rho : ndarray, shape (S,)
    known : tuple of ndarray, shape (S, m)
        Standardised residuals of the neighbours, before and after.
    rng : numpy.random.Generator
    """
    made = np.empty((len(rho), len(codes)))
    latest: dict[int, int] = {}
    for k in np.lexsort((times, codes)).tolist():
        gap, value = near.gap_before[k], known[0][:, k]
        last = latest.get(int(codes[k]))
        if last is not None and times[k] - times[last] <= gap:
            gap, value = times[k] - times[last], made[:, last]
        found = given_neighbours(rho, np.array([gap]), near.gap_after[[k]])
        mean = found.weight_before[:, 0] * value + found.weight_after[:, 0] * known[1][:, k]
        made[:, k] = mean + np.sqrt(found.variance[:, 0]) * rng.standard_normal(len(rho))
        latest[int(codes[k])] = k
    return made
