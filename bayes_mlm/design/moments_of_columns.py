"""Means and sds of a design's columns, from its rows or from its sums."""

from dataclasses import dataclass, replace

import numpy as np

from bayes_mlm.base import Floats, Ints
from bayes_mlm.design.design import Design
from bayes_mlm.moments import GroupMoments


@dataclass(frozen=True, kw_only=True, eq=False)
class ColumnMoments:
    """Means and sds (divisor n) over all rows: of y, of X (p,) and of Z (q,)."""

    y_mean: float
    y_sd: float
    x_mean: Floats
    x_sd: Floats
    z_mean: Floats
    z_sd: Floats


def same_outcome(one: Design, other: Design) -> bool:
    """Return whether two designs have the same outcome in the same rows, or in the same sums."""
    if one.has_rows and other.has_rows:
        return one.n == other.n and np.array_equal(one.y, other.y)
    if one.has_rows or other.has_rows or one.factors != other.factors:
        return False
    a, b = (each.compute(lambda rows: rows.moments(), lambda s: s) for each in (one, other))
    if not np.array_equal(a.labels, b.labels) or not np.array_equal(a.counts, b.counts):
        return False
    first, second = (s.means[:, -1] + s.centre[-1] for s in (a, b))
    # Sums made in two passes differ by rounding.
    return np.allclose(first, second, rtol=1e-9, atol=1e-9 * float(a.moments[1][-1]))


def same_columns(one: Design, other: Design) -> bool:
    """Return whether two designs have the same columns and groups; True if either lacks rows."""
    if not one.has_rows or not other.has_rows:
        return True
    return np.array_equal(one.X, other.X) and all(
        np.array_equal(a.codes, b.codes) and np.array_equal(a.Z, b.Z)
        for a, b in zip(one.group_terms, other.group_terms, strict=True)
        if a.q
    )


def column_moments(design: Design) -> ColumnMoments:
    """Compute the means and sds of a design's columns, from its rows or from its sums."""
    if design.aggregated is None:
        rows = design.weighted_rows
        weights, trials = rows.response.weights, rows.response.trials
        y = rows.y_less_offset if design.family.link == "identity" else rows.y
        if trials is not None:  # the share of all trials
            y = y / np.average(trials, weights=weights)
        Z = np.column_stack([np.empty((len(y), 0)), *(one.Z for one in rows.group_terms)])
        (y_mean, y_sd), (x_mean, x_sd), (z_mean, z_sd) = (
            _mean_and_sd(one, weights) for one in (y, rows.X, Z)
        )
        return ColumnMoments(
            y_mean=float(y_mean),
            y_sd=float(y_sd),
            x_mean=x_mean,
            x_sd=x_sd,
            z_mean=z_mean,
            z_sd=z_sd,
        )
    mean, sd = design.aggregated.cells.moments
    x, z = slice(0, design.p), slice(design.p, -1)
    return ColumnMoments(
        y_mean=float(mean[-1]),
        y_sd=float(sd[-1]),
        x_mean=mean[x],
        x_sd=sd[x],
        z_mean=mean[z],
        z_sd=sd[z],
    )


def _mean_and_sd(values: Floats, weights: Floats | None) -> tuple[Floats, Floats]:
    """Return those of columns, over the rows that the values stand for."""
    if weights is None:
        return np.asarray(values.mean(axis=0)), np.asarray(values.std(axis=0))
    mean = np.average(values, axis=0, weights=weights)
    spread = np.average(np.square(values - mean), axis=0, weights=weights)
    return np.asarray(mean), np.asarray(np.sqrt(spread))


def mean_offset(design: Design) -> float:
    """Return the mean of the offset over all rows."""
    rows = design.weighted_rows
    if rows.response.offset is None:
        return 0.0
    return float(np.average(rows.response.offset, weights=rows.response.weights))


def outcome_means(design: Design) -> Floats:
    """Return the mean outcome of each group, less the offset, shape (J,); over imputations too."""
    if design.imputations:
        return np.asarray(np.mean([outcome_means(one) for one in design.imputations], axis=0))
    if design.has_rows:
        return design.group_term.means(design.y_less_offset)
    s = design.moments()
    return np.asarray(s.means[:, -1] + s.centre[-1])


def moments_of_rows(design: Design, rows: Ints, *, drop_empty: bool = False) -> GroupMoments:
    """Return the moments of some rows of a design; without effects, as of one group.

    Parameters
    ----------
    design : Design
        With its rows.
    rows : ndarray of int
    drop_empty : bool
        Whether groups without any of the rows are omitted.
    """
    some = replace(design, residual=None).take(rows)
    some = some.drop_empty_groups() if drop_empty else some
    return some.moments_of(some.columns, grouped=design.q > 0)


def moments_without(design: Design, row: int) -> GroupMoments:
    """Return the moments of all rows but one: those left, or the aggregated without it."""
    return design.compute(
        lambda rows: moments_of_rows(rows, np.delete(np.arange(rows.n), row)),
        lambda s: _less_row(s, design, row),
    )


def _less_row(s: GroupMoments, design: Design, row: int) -> GroupMoments:
    """Return the moments of all rows less one: the inverse of merging it in."""
    j = int(design.codes[row])
    n = int(s.counts[j])
    counts, means, scatter = s.counts.copy(), s.means.copy(), s.scatter.copy()
    counts[j] = n - 1
    deviation = design.columns[row] - s.centre - means[j]
    means[j] = 0.0 if n == 1 else means[j] - deviation / (n - 1)
    scatter[j] = 0.0 if n <= 2 else scatter[j] - n / (n - 1) * np.outer(deviation, deviation)
    return replace(s, counts=counts, means=means, scatter=scatter)
