"""Residuals of new rows: their sds, and their distribution given rows near in time.

With AR(1) residuals, an outcome of a group of the data shares its residual with those observed
just before and just after it. Given both nothing else tells more of it (the residuals are a Markov
chain), and its mean is a weighted sum of theirs: with correlations r_a and r_b to the one before
and the one after, of standardised residuals,

    w_a = r_a (1 - r_b^2) / (1 - r_a^2 r_b^2),   w_b likewise,
    variance = (1 - r_a^2)(1 - r_b^2) / (1 - r_a^2 r_b^2).
"""

from dataclasses import dataclass

import numpy as np

from bayes_mlm.base import Floats, Ints
from bayes_mlm.design import Design

# Steps are whole to this part of one.
_WHOLE = 1e-6


@dataclass(frozen=True, kw_only=True, eq=False)
class Neighbours:
    """For each of m new rows, the adjacent rows in time of the data of the same group.

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


@dataclass(frozen=True, kw_only=True, eq=False)
class Bridge:
    """Conditional mean and sd of standardised residuals given their neighbours, (S, m) each.

    Parameters
    ----------
    weight_before, weight_after : ndarray
        Of the neighbours' standardised residuals in the mean.
    variance : ndarray
        What they leave of a variance of 1.
    """

    weight_before: Floats
    weight_after: Floats
    variance: Floats


def neighbours(design: Design, codes: Ints, times: Floats) -> Neighbours:
    """Find the neighbours of new rows among the rows of a design with AR(1) residuals.

    Parameters
    ----------
    design : Design
    codes : ndarray of int, shape (m,)
        Group of each new row; -1 for one that is not in the data.
    times : ndarray, shape (m,)
    """
    rows = design.residual
    assert rows is not None  # for mypy: the caller looked
    m = len(codes)
    before, after = np.full((2, m), -1, dtype=np.int64)
    order = design.row_order(rows.time)
    starts = np.concatenate([[0], np.cumsum(design.group_sizes)])
    for k in np.flatnonzero(codes >= 0).tolist():
        own = order[starts[codes[k]] : starts[codes[k] + 1]]
        place = int(np.searchsorted(rows.time[own], times[k], side="right"))
        before[k] = own[place - 1] if place else -1
        after[k] = own[place] if place < own.size else -1
    gap_before = np.where(before >= 0, times - rows.time[np.maximum(before, 0)], np.inf)
    gap_after = np.where(after >= 0, rows.time[np.maximum(after, 0)] - times, np.inf)
    return Neighbours(
        before=before,
        after=after,
        gap_before=gap_before / rows.step,
        gap_after=gap_after / rows.step,
    )


def bridge(near: Neighbours, rho: Floats) -> Bridge:
    """Weigh the neighbours, given the correlation of residuals one step apart, shape (S,).

    A negative correlation is defined for whole steps only, and counts as 0 in between.

    Examples
    --------
    >>> near = Neighbours(
    ...     before=np.array([0]), after=np.array([-1]), gap_before=np.array([2.0]),
    ...     gap_after=np.array([np.inf]),
    ... )
    >>> found = bridge(near, np.array([0.5]))
    >>> found.weight_before.item(), found.weight_after.item(), found.variance.item()
    (0.25, 0.0, 0.9375)
    """
    a, b = _correlation(rho, near.gap_before), _correlation(rho, near.gap_after)
    left_a, left_b = 1.0 - np.square(a), 1.0 - np.square(b)
    whole = 1.0 - np.square(a * b)
    # At the time of an observed row both weights are of that row, and nothing is left.
    safe = np.where(whole > 0, whole, 1.0)
    return Bridge(
        weight_before=np.where(left_a > 0, a * left_b / safe, 1.0),
        weight_after=np.where(left_a > 0, b * left_a / safe, 0.0),
        variance=left_a * left_b / safe,
    )


def _correlation(rho: Floats, gap: Floats) -> Floats:
    known = np.isfinite(gap)
    steps = np.where(known, gap, 1.0)
    whole = np.abs(steps - np.round(steps)) < _WHOLE
    steps = np.where(whole, np.round(steps), steps)
    base = rho[:, None] * np.ones(len(gap))
    base = np.where(whole | (base > 0), base, 0.0)
    return np.where(known, base**steps, 0.0)


def draw_together(
    near: Neighbours,
    codes: Ints,
    times: Floats,
    rho: Floats,
    known: tuple[Floats, Floats],
    rng: np.random.Generator,
) -> Floats:
    """Draw standardised residuals (S, m) of new rows jointly: those of one group are alike.

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
        The neighbours' standardised residuals, before and after.
    rng : numpy.random.Generator
    """
    made = np.empty((len(rho), len(codes)))
    latest: dict[int, int] = {}
    for k in np.lexsort((times, codes)).tolist():
        gap, value = near.gap_before[k], known[0][:, k]
        last = latest.get(int(codes[k]))
        if last is not None and times[k] - times[last] <= gap:
            gap, value = times[k] - times[last], made[:, last]
        one = Neighbours(
            before=near.before[[k]],
            after=near.after[[k]],
            gap_before=np.array([gap]),
            gap_after=near.gap_after[[k]],
        )
        found = bridge(one, rho)
        mean = found.weight_before[:, 0] * value + found.weight_after[:, 0] * known[1][:, k]
        made[:, k] = mean + np.sqrt(found.variance[:, 0]) * rng.standard_normal(len(rho))
        latest[int(codes[k])] = k
    return made
