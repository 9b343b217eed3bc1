"""What tests and intervals of coefficients need: a covariance, and degrees of freedom."""

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from bayes_mlm.base import Floats

# Eigenvalues of the covariance of several combinations below this share of the largest are zero,
# as in lmerTest: the rows are then not independent.
_RANK = 1e-8
# Weights below this share of the largest of a row are rounding errors.
_ROUNDING = 1e-12
# Degrees of freedom from which the t is the normal to all digits.
_AS_NORMAL = 1e12


@dataclass(frozen=True, kw_only=True, eq=False)
class FTest:
    """F test that several linear combinations of the coefficients are zero.

    Attributes
    ----------
    statistic : float
    df : int
        Of the numerator: rows that are independent.
    denominator_df : float
    p : float
    """

    statistic: float
    df: int
    denominator_df: float
    p: float

    @classmethod
    def at(cls, statistic: float, df: int, denominator_df: float) -> "FTest":
        """Return the test of a statistic by its degrees of freedom; infinite: chi-squared."""
        from scipy.special import chdtrc, fdtrc

        if math.isinf(denominator_df):
            p = chdtrc(df, df * statistic)
        else:
            p = fdtrc(df, denominator_df, statistic)
        return cls(statistic=statistic, df=df, denominator_df=denominator_df, p=float(p))


class CoefficientTests(Protocol):
    """What tests and intervals of the coefficients need: a covariance, and degrees of freedom.

    Attributes
    ----------
    label : str
        Of the method, as a table names it.
    covariance : ndarray, shape (p, p)
        Of the coefficients.
    """

    @property
    def label(self) -> str:
        """The method, as a table names it."""

    @property
    def covariance(self) -> Floats:
        """Covariance (p, p) of the coefficients."""

    def df(self, weights: Floats) -> Floats:
        """Return the degrees of freedom (k,) of linear combinations, weights (k, p)."""

    def f_test(self, estimates: Floats, weights: Floats) -> FTest:
        """Test that linear combinations (k, p) of coefficients, with estimates (k,), are zero."""


def degrees_of(tests: CoefficientTests | None, weights: Floats) -> Floats:
    """Return the degrees of freedom (k,) of combinations (k, p); infinite, the normal, of none."""
    return np.full(len(weights), np.inf) if tests is None else tests.df(weights)


@dataclass(frozen=True, kw_only=True, eq=False)
class KnownDf:
    """Degrees of freedom that are known for every coefficient; those of least a combination.

    Parameters
    ----------
    label : str
    covariance : ndarray, shape (p, p)
    degrees : ndarray, shape (p,)

    Examples
    --------
    >>> known = KnownDf(label="residual", covariance=np.eye(2), degrees=np.array([8.0, 20.0]))
    >>> known.df(np.array([[1.0, 1.0], [0.0, 1.0]]))
    array([ 8., 20.])
    """

    label: str
    covariance: Floats
    degrees: Floats

    def df(self, weights: Floats) -> Floats:
        """Return the degrees of freedom (k,) of linear combinations, weights (k, p)."""
        size = np.abs(weights)
        used = size > _ROUNDING * size.max(axis=1, keepdims=True)
        return np.asarray(np.where(used, self.degrees, np.inf).min(axis=1))

    def f_test(self, estimates: Floats, weights: Floats) -> FTest:
        """Test that linear combinations (k, p) of coefficients, with estimates (k,), are zero."""
        statistic, rank, _ = independent_rows(self.covariance, estimates, weights)
        return FTest.at(statistic, rank, float(self.df(weights).min()))


def independent_rows(
    covariance: Floats, estimates: Floats, weights: Floats
) -> tuple[float, int, Floats]:
    """Return the mean square of independent combinations, their number, and they (r, p)."""
    value, vector = np.linalg.eigh(weights @ covariance @ weights.T)
    keep = value > _RANK * value[-1]
    turned = vector[:, keep].T
    return float(np.mean((turned @ estimates) ** 2 / value[keep])), len(turned), turned @ weights


@dataclass(frozen=True, kw_only=True, eq=False)
class Satterthwaite:
    """How the covariance of the coefficients varies with the variance parameters.

    Parameters
    ----------
    covariance : ndarray, shape (p, p)
        Of the coefficients at the estimates.
    slopes : ndarray, shape (m, p, p)
        Its derivatives in the m variance parameters, at a fixed outcome.
    parameters : ndarray, shape (m, m)
        Covariance of the estimates of those: the inverse observed information.

    Notes
    -----
    ``df(l) = 2 (l'Cl)^2 / (g'Ag)`` with ``g_i = l' dC_i l`` (Giesbrecht & Burns 1985, Biometrics
    41(2)); several rows by Fai & Cornelius (1996, J. Stat. Comput. Simul. 54), as lmerTest has them
    (Kuznetsova, Brockhoff & Christensen 2017, J. Stat. Softw. 82(13), sec. 2). With the observed
    information they do not depend on the parameters chosen; at a singular fit these are entries of
    the factor of the covariance, as lmerTest's.

    Examples
    --------
    A mean of ten outcomes, whose variance has a chi-squared estimate on nine:

    >>> found = Satterthwaite(covariance=np.eye(1) / 10, slopes=np.eye(1)[None] / 10,
    ...                       parameters=np.array([[2 / 9]]))
    >>> found.df(np.ones((1, 1))).round(6)
    array([9.])
    """

    covariance: Floats
    slopes: Floats
    parameters: Floats

    label = "Satterthwaite"

    def df(self, weights: Floats) -> Floats:
        """Return the degrees of freedom (k,) of linear combinations, weights (k, p).

        Infinite where the variance does not vary with the parameters.
        """
        return satterthwaite_df(weights, self.covariance, self.slopes, self.parameters)

    def f_test(self, estimates: Floats, weights: Floats) -> FTest:
        """Test that linear combinations (k, p) of coefficients, with estimates (k,), are zero."""
        statistic, k, turned = independent_rows(self.covariance, estimates, weights)
        nu = np.minimum(self.df(turned), _AS_NORMAL)
        if np.ptp(nu) < _RANK * nu.mean():
            df = float(nu.mean())
        else:
            excess = float(np.sum(nu[nu > 2.0] / (nu[nu > 2.0] - 2.0)))
            df = 2.0 * excess / (excess - k) if excess > k else 2.0
        return FTest.at(statistic, k, df)


def satterthwaite_df(
    weights: Floats, covariance: Floats, slopes: Floats, parameters: Floats
) -> Floats:
    """Return twice the squared variance over the variance of the variance, of rows (k, p)."""
    variance = np.einsum("kp,pr,kr->k", weights, covariance, weights)
    along = np.einsum("kp,mpr,kr->km", weights, slopes, weights)
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = along / variance[:, None]  # squares of a variance may overflow
        spread = np.einsum("km,mn,kn->k", relative, parameters, relative)
        return np.where(spread > 0.0, 2.0 / spread, np.inf)
