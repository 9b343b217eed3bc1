"""Rubin's rules: estimates of M completed data sets as one, with degrees of freedom.

References
----------
Rubin (1987), Multiple Imputation for Nonresponse in Surveys, ch. 3; Barnard & Rubin (1999),
Biometrika 86(4), eq. 3-5; Li, Raghunathan & Rubin (1991), J. Am. Stat. Assoc. 86(416); Reiter
(2007), Biometrika 94(2), eq. 8.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from bayes_mlm.base import EngineError, Floats
from bayes_mlm.engines.reml.coefficient_tests import FTest, independent_rows

# Whose sampling variance is taken: the mean over the imputations, or that of the first alone (NAEP,
# and TIMSS until 2011).
type Within = Literal["mean", "first"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Pooled:
    """k quantities pooled by Rubin's rules, arrays (k,).

    Parameters
    ----------
    estimate : ndarray
        Mean of the M estimates.
    within : ndarray
        Sampling variance U: the mean of the M, or that of the first.
    between : ndarray
        Variance B of the M estimates, with divisor M - 1.
    m : int
        M.
    df_complete : ndarray
        Degrees of freedom if nothing had been missing; infinite of the normal.

    Examples
    --------
    >>> found = pool(np.array([[1.0], [2.0], [3.0]]), np.array([[1.0], [1.0], [1.0]]))
    >>> found.total.round(4), found.share.round(4), found.df.round(4)
    (array([2.3333]), array([0.5714]), array([6.125]))
    """

    estimate: Floats
    within: Floats
    between: Floats
    m: int
    df_complete: Floats

    @property
    def total(self) -> Floats:
        """Total variance ``T = U + (1 + 1/M) B``."""
        return self.within + (1.0 + 1.0 / self.m) * self.between

    @property
    def se(self) -> Floats:
        """Standard errors, the roots of `total`."""
        return np.sqrt(np.maximum(self.total, 0.0))

    @property
    def share(self) -> Floats:
        """Share of the total variance that is due to missing data: ``(1 + 1/M) B / T``."""
        with np.errstate(invalid="ignore", divide="ignore"):
            found = (1.0 + 1.0 / self.m) * self.between / self.total
        return np.where((self.between > 0.0) | np.isnan(self.within), found, 0.0)

    @property
    def relative_increase(self) -> Floats:
        """Relative increase of the variance due to missing data: ``(1 + 1/M) B / U``."""
        with np.errstate(invalid="ignore", divide="ignore"):
            found = (1.0 + 1.0 / self.m) * self.between / self.within
        return np.where((self.between > 0.0) | np.isnan(self.within), found, 0.0)

    @property
    def df(self) -> Floats:
        """Degrees of freedom of Barnard & Rubin (1999).

        Without between-imputation variance they are ``n (n + 1) / (n + 3)`` of n in the complete
        data, by their formula.
        """
        share, n = self.share, self.df_complete
        with np.errstate(divide="ignore", invalid="ignore"):
            between = share**2 / (self.m - 1)
            known = np.where(np.isinf(n), 0.0, (n + 3.0) / ((n + 1.0) * n * (1.0 - share)))
            return np.asarray(1.0 / (between + known))

    @property
    def fmi(self) -> Floats:
        """Fraction of missing information, adjusted for the degrees of freedom.

        ``(r + 2 / (df + 3)) / (r + 1)`` with r the relative increase (Rubin 1987, eq. 3.1.10), as
        R's mice gives it; `share` is without the adjustment.
        """
        r = self.relative_increase
        with np.errstate(invalid="ignore"):
            found = (r + 2.0 / (self.df + 3.0)) / (r + 1.0)
        return np.where(np.isinf(r), 1.0, found)


def pool(
    estimates: Floats,
    variances: Floats,
    *,
    df_complete: Floats | float = math.inf,
    within: Within = "mean",
) -> Pooled:
    """Pool k quantities by Rubin's rules.

    Parameters
    ----------
    estimates, variances : ndarray, shape (M, k)
        Of each imputation.
    df_complete : float or ndarray, shape (k,)
        Degrees of freedom of the complete data.
    within : {"mean", "first"}
        Whose sampling variance is taken.

    Raises
    ------
    EngineError
        If there are fewer than two imputations.
    """
    m = len(estimates)
    check_several(m)
    used = variances if within == "mean" else variances[:1]
    return Pooled(
        estimate=estimates.mean(axis=0),
        within=used.mean(axis=0),
        between=estimates.var(axis=0, ddof=1),
        m=m,
        df_complete=np.broadcast_to(np.asarray(df_complete, float), estimates.shape[1:]),
    )


def check_several(m: int) -> None:
    """Refuse a single imputation, which says nothing about the variance between them.

    Raises
    ------
    EngineError
    """
    if m < 2:
        raise EngineError(
            f"pooling needs at least two imputations, or plausible values, and found {m}: how much "
            "they differ is a part of the standard errors; fit one data set as it is"
        )


def total_covariance(estimates: Floats, covariances: Floats, within: Within = "mean") -> Floats:
    """Return Rubin's total covariance (k, k) of M estimates (M, k) with covariances (M, k, k)."""
    m = len(estimates)
    off = estimates - estimates.mean(axis=0)
    used = covariances if within == "mean" else covariances[:1]
    return np.asarray(used.mean(axis=0) + (1.0 + 1.0 / m) / (m - 1) * off.T @ off)


def harmonic(degrees: Floats) -> Floats:
    """Return degrees of freedom (M, ...) as one (...,): their harmonic mean.

    A variance on ν degrees of freedom has the relative variance 2/ν, and those are averaged.
    """
    with np.errstate(divide="ignore"):
        return np.asarray(1.0 / np.mean(1.0 / degrees, axis=0))


@dataclass(frozen=True, kw_only=True, eq=False)
class BarnardRubin:
    """Tests of pooled coefficients; a `CoefficientTests`.

    Parameters
    ----------
    estimates : ndarray, shape (M, p)
        The coefficients of each imputation.
    covariances : ndarray, shape (M, p, p)
    df_complete : callable
        From combinations (k, p) to their degrees of freedom (k,) in the complete data.
    within : {"mean", "first"}
    label : str
        The method, as a table names it.

    Notes
    -----
    Every linear combination has its own variance within and between imputations, and so its own
    degrees of freedom. Several are tested by D1 of Li, Raghunathan & Rubin (1991), which takes the
    relative increase of the variance as one for all, on the degrees of freedom of Reiter (2007);
    where those are not defined (k (M - 1) up to 4, or few in the complete data), by Li's, or below
    five Rubin's, joined with the complete data's as Barnard & Rubin join them.

    Examples
    --------
    >>> tests = BarnardRubin(
    ...     estimates=np.array([[1.0, 0.0], [2.0, 1.0], [3.0, -1.0]]),
    ...     covariances=np.tile(np.eye(2), (3, 1, 1)),
    ...     df_complete=lambda weights: np.full(len(weights), np.inf),
    ... )
    >>> tests.covariance.diagonal().round(4), tests.df(np.eye(2)).round(4)
    (array([2.3333, 2.3333]), array([6.125, 6.125]))
    """

    estimates: Floats
    covariances: Floats
    df_complete: Callable[[Floats], Floats]
    within: Within = "mean"
    label: str = "Barnard-Rubin"

    @property
    def covariance(self) -> Floats:
        """Rubin's total covariance (p, p) of the coefficients."""
        return total_covariance(self.estimates, self.covariances, self.within)

    def pooled(self, weights: Floats) -> Pooled:
        """Return linear combinations, weights (k, p), pooled each by itself."""
        return pool(
            self.estimates @ weights.T,
            np.einsum("kp,mpr,kr->mk", weights, self.covariances, weights),
            df_complete=self.df_complete(weights),
            within=self.within,
        )

    def df(self, weights: Floats) -> Floats:
        """Return the degrees of freedom (k,) of linear combinations, weights (k, p)."""
        return self.pooled(weights).df

    def f_test(self, estimates: Floats, weights: Floats) -> FTest:
        """Test that linear combinations (k, p) of coefficients, with estimates (k,), are zero."""
        used = self.covariances if self.within == "mean" else self.covariances[:1]
        inside = used.mean(axis=0)
        statistic, k, turned = independent_rows(inside, estimates, weights)
        if k == 1:
            one = self.pooled(turned)
            return FTest.at(statistic * float(one.within[0] / one.total[0]), 1, float(one.df[0]))
        m, each = len(self.estimates), self.estimates @ turned.T
        shape = np.linalg.solve(turned @ inside @ turned.T, np.cov(each.T, ddof=1))
        r = (1.0 + 1.0 / m) * float(np.trace(shape)) / k
        n = float(self.df_complete(turned).min())
        return FTest.at(statistic / (1.0 + r), k, joint_df(r, k, m, n))


def joint_df(r: float, k: int, m: int, n: float = math.inf) -> float:
    """Return the denominator's degrees of freedom of D1, a joint test of k quantities.

    Parameters
    ----------
    r : float
        Mean relative increase of the variance.
    k, m : int
        Quantities; imputations.
    n : float
        Degrees of freedom of the complete data.

    Examples
    --------
    >>> round(joint_df(0.5, 3, 5), 2), round(joint_df(0.0, 3, 5, 100.0), 2)
    (60.89, 98.06)
    """
    t = k * (m - 1)
    known = n if math.isinf(n) else n * (n + 1.0) / (n + 3.0)
    if r <= 0.0:
        return known
    if t <= 4:
        rubin = 0.5 * t * (1.0 + 1.0 / k) * (1.0 + 1.0 / r) ** 2
        return 1.0 / (1.0 / rubin + (1.0 + r) / known)
    li = 4.0 + (t - 4.0) * (1.0 + (1.0 - 2.0 / t) / r) ** 2
    if math.isinf(n):
        return li
    a = r * t / (t - 2.0)
    c0, c1, c2 = 1.0 / (t - 4.0), known - 2.0 * (1.0 + a), known - 4.0 * (1.0 + a)
    if c2 <= 0.0:
        return 1.0 / (1.0 / li + (1.0 + r) / known)
    z = (
        1.0 / c2
        + c0 * a**2 * c1 / ((1.0 + a) ** 2 * c2)
        + c0 * (8.0 * a**2 * c1 / ((1.0 + a) * c2**2) + 4.0 * a**2 / ((1.0 + a) * c2))
        + c0 * (4.0 * a**2 / (c2 * c1) + 16.0 * a**2 * c1 / c2**3)
        + c0 * 8.0 * a**2 / c2**2
    )
    return 4.0 + 1.0 / z
