"""Means and covariances of the predictors, for model-implied variances."""

from dataclasses import dataclass

import numpy as np

from bayes_mlm.base import Floats, Ints
from bayes_mlm.design import Design, means_by_group
from bayes_mlm.moments import GroupMoments

# Rows processed at a time, to avoid a second copy of X.
_BLOCK = 65_536


@dataclass(frozen=True, kw_only=True, eq=False)
class Moments:
    """Variances of columns over the rows, within groups and between them.

    Covariances have the divisor n - 1 over rows (as R's ``var`` of the column), so within and
    between add up to the total.

    Parameters
    ----------
    mean : ndarray, shape (k,)
    within, between : ndarray, shape (k, k)
        Of the deviations from the group's mean, and of the group means counted once a row.
    second : ndarray, shape (k, k)
        Mean of the raw products of the columns, divisor n.
    """

    mean: Floats
    within: Floats
    between: Floats
    second: Floats

    @property
    def total(self) -> Floats:
        """Covariance over all rows, shape (k, k)."""
        return self.within + self.between


def moments(columns: Floats, codes: Ints, n_groups: int) -> Moments:
    """Return the moments of columns (n, k) of rows in groups.

    Examples
    --------
    >>> found = moments(np.array([[0.0], [2.0], [4.0], [6.0]]), np.array([0, 0, 1, 1]), 2)
    >>> float(found.mean[0]), round(found.within.item(), 3), round(found.between.item(), 3)
    (3.0, 1.333, 5.333)
    """
    n, k = columns.shape
    sizes = np.bincount(codes, minlength=n_groups)
    if not k:
        empty = np.zeros((0, 0))
        return Moments(mean=np.zeros(0), within=empty, between=empty, second=empty)
    means = means_by_group(columns, codes, n_groups)
    mean = sizes @ means / n
    inside = np.zeros((k, k))
    for start in range(0, n, _BLOCK):
        rows = slice(start, start + _BLOCK)
        deviations = columns[rows] - means[codes[rows]]
        inside += deviations.T @ deviations
    centred = means - mean
    outside = (centred * sizes[:, None]).T @ centred
    return Moments(
        mean=mean,
        within=inside / (n - 1),
        between=outside / (n - 1),
        second=(inside + outside) / n + np.outer(mean, mean),
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class DesignMoments:
    """Moments of the columns of X and of Z.

    Parameters
    ----------
    x, z : Moments
        Of p and of q columns.
    sizes : ndarray of int, shape (J,)
        Rows in each group.
    """

    x: Moments
    z: Moments
    sizes: Ints


def design_moments(design: Design) -> DesignMoments:
    """Return the moments of the columns of X and of Z."""
    if not design.has_rows:
        x = list(range(design.p))
        z = list(range(design.p, design.p + design.q))
        return DesignMoments(
            x=moments_of_sums(design.moments(), x),
            z=moments_of_sums(design.moments(), z),
            sizes=design.group_sizes,
        )
    return DesignMoments(
        x=moments(design.X, design.codes, design.J),
        z=moments(design.Z, design.codes, design.J),
        sizes=design.group_sizes,
    )


def moments_of_sums(s: GroupMoments, places: list[int]) -> Moments:
    """Return the moments of some columns from moments by group."""
    means = s.means[:, places] + s.centre[places]
    mean = s.counts @ means / s.n
    inside = s.scatter[:, places][:, :, places].sum(axis=0)
    centred = means - mean
    outside = (centred * s.counts[:, None]).T @ centred
    return Moments(
        mean=mean,
        within=inside / (s.n - 1),
        between=outside / (s.n - 1),
        second=(inside + outside) / s.n + np.outer(mean, mean),
    )


def quadratic(vectors: Floats, matrix: Floats) -> Floats:
    """Return ``v' M v`` for each of the vectors (S, k), shape (S,)."""
    return np.asarray(np.einsum("sa,ab,sb->s", vectors, matrix, vectors, optimize=True))


def trace_product(covariances: Floats, matrix: Floats) -> Floats:
    """Return the trace of ``C M`` for each of the covariances (S, k, k), shape (S,)."""
    return np.asarray(np.einsum("sab,ab->s", covariances, matrix))
