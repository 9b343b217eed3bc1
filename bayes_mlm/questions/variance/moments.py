"""Means and covariances of the predictors, for model-implied variances."""

from dataclasses import dataclass

import numpy as np

from bayes_mlm.base import Floats, Ints
from bayes_mlm.design import Design, mean_moments
from bayes_mlm.moments import GroupMoments


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


def moments(s: GroupMoments, places: range) -> Moments:
    """Return the moments of some columns of rows in groups.

    Examples
    --------
    >>> from bayes_mlm.moments import from_rows
    >>> x, codes = np.array([0.0, 2.0, 4.0, 6.0]), np.array([0, 0, 1, 1])
    >>> found = moments(from_rows(x, x[:, None], np.empty((4, 0)), codes, 2), range(1))
    >>> float(found.mean[0]), round(found.within.item(), 3), round(found.between.item(), 3)
    (3.0, 1.333, 5.333)
    """
    s = s.counted
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


@dataclass(frozen=True, kw_only=True, eq=False)
class FactorMoments:
    """Moments of the columns of X and of Z, within the groups of one factor and between them.

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


@dataclass(frozen=True, kw_only=True, eq=False)
class DesignMoments:
    """Moments of the columns of X and of Z of a design.

    Parameters
    ----------
    factors : tuple of FactorMoments
        One for each grouping factor, in the order of the design; without any, of one group.
    """

    factors: tuple[FactorMoments, ...]

    @property
    def x_total(self) -> Floats:
        """Covariance (p, p) of the columns of X over all rows."""
        return self.factors[0].x.total


def design_moments(design: Design) -> DesignMoments:
    """Return the moments of the columns of X and of Z."""
    return DesignMoments(factors=tuple(map(_of_factor, factor_views(design))))


def factor_views(design: Design) -> tuple[Design, ...]:
    """Return the design with each grouping factor alone; itself without any."""
    places = range(len(design.factors))
    return tuple(design.of_factor(place) for place in places) or (design,)


def _of_factor(design: Design) -> FactorMoments:
    crossed = design.crossed
    s = mean_moments(design) if crossed is None else crossed.pooled_moments(str(design.group))
    x, z = range(s.p), range(s.p, s.p + s.q)
    return FactorMoments(x=moments(s, x), z=moments(s, z), sizes=design.group_sizes)


def quadratic(vectors: Floats, matrix: Floats) -> Floats:
    """Return ``v' M v`` for each of the vectors (S, k), shape (S,)."""
    return np.asarray(np.einsum("sa,ab,sb->s", vectors, matrix, vectors, optimize=True))


def trace_product(covariances: Floats, matrix: Floats) -> Floats:
    """Return the trace of ``C M`` for each of the covariances (S, k, k), shape (S,)."""
    return np.asarray(np.einsum("sab,ab->s", covariances, matrix))
