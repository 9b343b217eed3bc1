"""Standard errors of the estimates, from the information at the optimum.

The observed information is that of (theta, log sigma_e^2) with beta at its generalised
least-squares estimate; standard errors of the variance parameters follow by the delta method,
and those of beta in two forms that the field both uses (`beta_covariances`).
"""

import math
from abc import abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from bayes_mlm.base import Floats, Tabular, View, level, texts, wald_reach
from bayes_mlm.engines.reml.climb import eliminate
from bayes_mlm.engines.reml.coefficient_tests import (
    CoefficientTests,
    Satterthwaite,
    degrees_of,
)
from bayes_mlm.engines.reml.search import Optimum
from bayes_mlm.moments import RotatedMoments


@dataclass(frozen=True, kw_only=True, eq=False)
class Interval:
    """Confidence interval and the method behind it.

    Attributes
    ----------
    lower, upper : float
        Ends, in the units of the quantity; infinite where the data set no bound, and nan where
        none was found, or defined, which `note` explains.
    level : float
        Nominal coverage.
    method : str
        "profile (REML)", "profile (ML)", or "Wald".
    note : str
        Reason why an end is infinite or missing, else "".
    """

    lower: float
    upper: float
    level: float
    method: str
    note: str = ""


def wald_intervals(
    estimates: Floats, covariance: Floats, level: float, tests: CoefficientTests | None = None
) -> tuple[Interval, ...]:
    """Return the intervals of estimates (k,) with a covariance (k, k): of their t tests, or normal.

    Parameters
    ----------
    estimates, covariance : ndarray, shape (k,); (k, k)
    level : float
        Nominal coverage.
    tests : CoefficientTests, optional
        Degrees of freedom of the t; by default the interval is normal.
    """
    method = "Wald" if tests is None else f"t ({tests.label} df)"
    degrees = degrees_of(tests, np.eye(len(estimates)))
    reach = np.array([wald_reach(level, df) for df in degrees.tolist()])
    half = reach * np.sqrt(np.diagonal(covariance))
    return tuple(
        Interval(lower=float(b - h), upper=float(b + h), level=level, method=method)
        for b, h in zip(estimates, half, strict=True)
    )


# A quantity's name, estimate, standard error and interval.
type EstimateRow = tuple[str, float, float | None, Interval | None]


class EstimatesTable(Tabular):
    """Table of names, estimates, standard errors and intervals; a subclass has `estimate_rows`."""

    @abstractmethod
    def estimate_rows(self) -> Iterable[EstimateRow]:
        """Return the rows."""

    @property
    def remarks(self) -> tuple[str, ...]:
        """Lines below the table."""
        return ()

    @property
    def summary_notes(self) -> tuple[str, ...]:
        """Lines below the summary of the model."""
        return ()

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns of the data."""
        return ("quantity", "estimate", "se", "lower", "upper", "method")

    def raw(self) -> Iterator[tuple[str | float | None, ...]]:
        """Return the estimates in full precision."""
        for name, estimate, se, one in self.estimate_rows():
            ends = (None, None, None) if one is None else (one.lower, one.upper, one.method)
            yield (name, float(estimate), None if se is None else float(se), *ends)

    def view(self) -> View:
        """Return the table as text."""
        prob, cells = "", []
        for name, estimate, se, one in self.estimate_rows():
            ends = (None, None) if one is None else (one.lower, one.upper)
            cells.append((name, *texts(estimate, se, *ends)))
            prob = prob or ("" if one is None else level(one.level))
        return View(
            title=repr(self).strip("<>"),
            headings=("", "estimate", "se", prob),
            cells=tuple(cells),
            legend=self.remarks,
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class VarianceErrors:
    """Standard errors of the variance parameters; nan where they are not defined.

    They are not defined for the sds and correlations of a singular covariance (the likelihood is
    not quadratic at a boundary): use the profile intervals there.

    Attributes
    ----------
    names : tuple of str
        Names of the rows of `covariance`: `sigma_u`..., `rho_u`..., `sigma_e`.
    covariance : (v, v) array
        Covariance of the estimates of those parameters.
    sigma_u, sigma_u2 : (q,) arrays
        Of the sds and the variances of the group effects.
    rho_u : (q, q) array
        Of their correlations; zero on the diagonal, and where they are held at zero.
    sigma_e, sigma_e2 : float
    icc : float or None
        None where the icc is not defined.
    df : float
        Degrees of freedom of these errors; infinite of a likelihood's.
    """

    names: tuple[str, ...]
    covariance: Floats
    sigma_u: Floats
    sigma_u2: Floats
    rho_u: Floats
    sigma_e: float
    sigma_e2: float
    icc: float | None
    df: float = math.inf


@dataclass(frozen=True, kw_only=True, eq=False)
class ResidualEstimates:
    """REML estimates of a residual structure.

    Attributes
    ----------
    strata : tuple of str
        Levels of the factor, as in ``sex=Male``; empty if there is one residual sd.
    sigma_e, sigma_e_se : (n_sds,) arrays
        Residual sd of each, and its standard error.
    sigma_e_interval : tuple of Interval
    icc, icc_interval : tuple
        ``sigma_u^2 / (sigma_u^2 + sigma_e^2)`` of each, with intervals; empty unless there are
        strata, and a random intercept as the only group effect.
    rho_e, rho_e_se : float or None
        Correlation of residuals one step apart; None without AR(1).
    rho_e_interval : Interval or None
    """

    strata: tuple[str, ...]
    sigma_e: Floats
    sigma_e_se: Floats
    sigma_e_interval: tuple[Interval, ...]
    icc: tuple[float, ...]
    icc_interval: tuple[Interval, ...]
    rho_e: float | None
    rho_e_se: float | None
    rho_e_interval: Interval | None

    def rows(self) -> Iterator[EstimateRow]:
        """Iterate over the sds, where there are strata, and the correlation, where there is one."""
        if self.strata:
            columns = (self.strata, self.sigma_e, self.sigma_e_se, self.sigma_e_interval)
            for name, sd, error, interval in zip(*columns, strict=True):
                yield f"sigma_e[{name}]", float(sd), float(error), interval
        if self.rho_e is not None:
            yield "rho_e", self.rho_e, self.rho_e_se, self.rho_e_interval


def original_covariance(reduced: RotatedMoments, optimum: Optimum) -> tuple[Floats, Floats]:
    """Return the relative covariance (q, q) for Z as given, and its derivatives (m, q, q)."""
    back = np.linalg.inv(reduced.z_centring)
    lam = back @ optimum.factor.lam(optimum.theta)
    half = back @ optimum.factor.basis @ lam.T
    return lam @ lam.T, half + half.swapaxes(1, 2)


def effect_name(name: str, effects: tuple[str, ...], *which: int) -> str:
    """Return the name of a quantity of the group effects: plain for a random intercept alone."""
    if effects == ("Intercept",):
        return name
    return f"{name}[{','.join(effects[i] for i in which)}]"


def variance_errors(reduced: RotatedMoments, optimum: Optimum, *, singular: bool) -> VarianceErrors:
    """Compute standard errors of the variance parameters by the delta method.

    Parameters
    ----------
    reduced : RotatedMoments
    optimum : Optimum
    singular : bool
        Whether the covariance is singular; its standard errors are then nan.

    Returns
    -------
    VarianceErrors
    """
    q, m = reduced.q, len(optimum.theta)
    sigma2 = optimum.point.sigma_e2
    s, ds = original_covariance(reduced, optimum)
    information = inverse_information(-optimum.hessian)
    diagonal = np.diagonal(s)
    pairs = _pairs(q, m)
    names = [effect_name("sigma_u", reduced.effects, a) for a in range(q)]
    names += [effect_name("rho_u", reduced.effects, a, b) for a, b in pairs] + ["sigma_e"]
    sigma_u = np.sqrt(sigma2 * diagonal)
    undefined = singular or bool((diagonal <= 0).any())
    jacobian = variance_slopes(reduced, optimum)
    covariance = jacobian @ information @ jacobian.T
    if undefined:
        covariance[:-1] = covariance[:, :-1] = np.nan
    error = np.sqrt(np.diagonal(covariance))
    rho = np.zeros((q, q))
    for i, (a, b) in enumerate(pairs, start=q):
        rho[a, b] = rho[b, a] = error[i]
    icc = None
    if reduced.effects == ("Intercept",):
        # icc = s / (1 + s): its derivative along theta.
        slope = ds[:, 0, 0] / (1.0 + s[0, 0]) ** 2
        icc = np.nan if undefined else float(np.sqrt(slope @ information[:m, :m] @ slope))
    return VarianceErrors(
        names=tuple(names),
        covariance=covariance,
        sigma_u=error[:q],
        sigma_u2=2.0 * sigma_u * error[:q],
        rho_u=rho,
        sigma_e=float(error[-1]),
        sigma_e2=float(2.0 * np.sqrt(sigma2) * error[-1]),
        icc=icc,
    )


def _pairs(q: int, m: int) -> list[tuple[int, int]]:
    """Return the pairs of effects that correlate: independent effects have q coordinates only."""
    return [(a, b) for a in range(q) for b in range(a + 1, q)] if m > q else []


def variance_slopes(reduced: RotatedMoments, optimum: Optimum) -> Floats:
    """Return the derivatives (v, m + 1) of the variance parameters in theta and log sigma_e^2.

    The v rows are the sds, the correlations and the residual sd, as in `VarianceErrors`.
    """
    q, m = reduced.q, len(optimum.theta)
    pairs, (s, ds) = _pairs(q, m), original_covariance(reduced, optimum)
    sigma_e = np.sqrt(optimum.point.sigma_e2)
    diagonal = np.maximum(np.diagonal(s), np.finfo(float).tiny)
    found = np.zeros((q + len(pairs) + 1, m + 1))
    for a in range(q):
        sd = sigma_e * np.sqrt(diagonal[a])
        found[a, :m], found[a, m] = 0.5 * sd * ds[:, a, a] / diagonal[a], 0.5 * sd
    for i, (a, b) in enumerate(pairs, start=q):
        if min(diagonal[a], diagonal[b]) < np.sqrt(np.finfo(float).tiny):
            # A variance of zero to machine precision has no correlation.
            found[i] = np.nan
            continue
        root = np.sqrt(diagonal[a]) * np.sqrt(diagonal[b])
        relative = ds[:, a, a] / diagonal[a] + ds[:, b, b] / diagonal[b]
        found[i, :m] = ds[:, a, b] / root - 0.5 * s[a, b] / root * relative
    found[-1, m] = 0.5 * sigma_e
    return found


def beta_covariances(reduced: RotatedMoments, optimum: Optimum) -> tuple[Floats, Floats]:
    """Compute the covariance of beta, given the variance parameters and jointly with them.

    Returns
    -------
    gls, joint : (p, p) arrays
        `gls` is (X'V^-1X)^-1 at the estimates (what lme4 prints). `joint` is the block of the
        inverse joint information of (beta, variance parameters) (what statsmodels prints). By
        the block inverse it is ``gls + D cov(theta) D'`` with D = d beta / d theta: it adds how
        far beta would move with the variances.
    """
    transform, point = reduced.beta_transform, optimum.point
    gls = point.sigma_e2 * transform @ point.beta_cov @ transform.T
    if len(optimum.theta) == 0:
        return gls, gls.copy()
    _, curve = eliminate(optimum.gradient, optimum.hessian)
    move = transform @ point.d_beta.T
    return gls, gls + move @ inverse_information(-curve) @ move.T


def satterthwaite(reduced: RotatedMoments, optimum: Optimum) -> Satterthwaite:
    """Return what the degrees of freedom at an optimum need, of X as given.

    The parameters are those of the search, entries of the relative factor and the log of the
    residual variance, in which the covariance is ``sigma_e^2 A_xx^-1`` with exact derivatives.
    """
    point, transform = optimum.point, reduced.beta_transform
    covariance = point.sigma_e2 * point.beta_cov
    along = -covariance @ point.d_information @ point.beta_cov
    slopes = np.concatenate([along, covariance[None]])
    return Satterthwaite(
        covariance=transform @ covariance @ transform.T,
        slopes=transform @ slopes @ transform.T,
        parameters=inverse_information(-optimum.hessian),
    )


def inverse_information(information: Floats) -> Floats:
    """Invert an information matrix, without directions of zero information."""
    scale = np.sqrt(np.maximum(np.abs(np.diagonal(information)), np.finfo(float).tiny))
    value, vector = np.linalg.eigh(information / np.outer(scale, scale))
    keep = value > 1e-12
    vector = vector[:, keep] / scale[:, None]
    inverse: Floats = (vector / value[keep]) @ vector.T
    return inverse
