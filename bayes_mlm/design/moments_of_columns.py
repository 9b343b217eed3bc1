"""Give means and sds of a design's columns, from its rows or from its sums."""

from dataclasses import dataclass

import numpy as np

from bayes_mlm.base import Floats
from bayes_mlm.design.design import Design, means_by_group


@dataclass(frozen=True, kw_only=True, eq=False)
class ColumnMoments:
    """Hold means and sds (divisor n) over all rows: of y, of X (p,) and of Z (q,)."""

    y_mean: float
    y_sd: float
    x_mean: Floats
    x_sd: Floats
    z_mean: Floats
    z_sd: Floats


def same_outcome(one: Design, other: Design) -> bool:
    """Tell whether two designs have the same outcome in the same rows, or in the same sums."""
    if one.summed is None and other.summed is None:
        return one.n == other.n and np.array_equal(one.y, other.y)
    if one.summed is None or other.summed is None:
        return False
    a, b = one.summed, other.summed
    if not np.array_equal(a.labels, b.labels) or not np.array_equal(a.counts, b.counts):
        return False
    first, second = (s.means[:, -1] + s.centre[-1] for s in (a, b))
    # Sums made in two passes differ by rounding.
    return np.allclose(first, second, rtol=1e-9, atol=1e-9 * float(a.moments[1][-1]))


def column_moments(design: Design) -> ColumnMoments:
    """Compute the means and sds of a design's columns, from its rows or from its sums."""
    if design.summed is None:
        return ColumnMoments(
            y_mean=float(np.mean(design.y)),
            y_sd=float(np.std(design.y)),
            x_mean=design.X.mean(axis=0),
            x_sd=design.X.std(axis=0),
            z_mean=design.Z.mean(axis=0),
            z_sd=design.Z.std(axis=0),
        )
    mean, sd = design.summed.moments
    x, z = slice(0, design.p), slice(design.p, design.p + design.q)
    return ColumnMoments(
        y_mean=float(mean[-1]),
        y_sd=float(sd[-1]),
        x_mean=mean[x],
        x_sd=sd[x],
        z_mean=mean[z],
        z_sd=sd[z],
    )


def outcome_means(design: Design) -> Floats:
    """Give the mean outcome of each group, shape (J,), from rows or from sums."""
    if design.summed is not None:
        return np.asarray(design.summed.means[:, -1] + design.summed.centre[-1])
    return means_by_group(design.y, design.codes, design.J)
