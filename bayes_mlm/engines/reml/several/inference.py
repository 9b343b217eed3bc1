"""Standard errors of the estimates of several grouping factors, by the delta method."""

import math
from dataclasses import dataclass

import numpy as np

from bayes_mlm.base import Flags, Floats, one_thread
from bayes_mlm.engines.reml.coefficient_tests import Satterthwaite
from bayes_mlm.engines.reml.inference import inverse_information
from bayes_mlm.engines.reml.several.deviance import coordinates, moved, residual_df
from bayes_mlm.engines.reml.several.search import Optimum, differentiate
from bayes_mlm.likelihood import Factor, Method

# Half the difference between points at which gradients are compared for the curvature.
_STEP = 5e-4


@dataclass(frozen=True, kw_only=True, eq=False)
class Variances:
    """Variances at the optimum, in the units of the outcome, and their derivatives.

    Attributes
    ----------
    covariances : tuple of ndarray, shape (q, q)
        Of the effects of each factor, in the order of the plan.
    slopes : tuple of ndarray, shape (d, q, q)
        Their derivatives in the chart at a fixed residual variance.
    sigma2 : float
        Residual variance.
    information : ndarray, shape (d + 1, d + 1), or None
        Of the chart's coordinates and the log of the residual variance; None of a singular fit,
        where the likelihood is not quadratic.
    free : tuple of ndarray of bool, shape (q, q)
        Of each factor, the entries of the relative factor that are estimated.
    tests : Satterthwaite or None
        Degrees of freedom of the coefficients; None where a covariance with correlations is
        singular: the chart has no direction in which a correlation leaves 1 or -1.
    """

    covariances: tuple[Floats, ...]
    slopes: tuple[Floats, ...]
    sigma2: float
    information: Floats | None
    free: tuple[Flags, ...]
    tests: Satterthwaite | None

    def is_free(self, f: int, pair: tuple[int, int]) -> bool:
        """Return whether two effects of a factor may correlate."""
        return bool(self.free[f][pair] or self.free[f][pair[::-1]])

    @property
    def covariance(self) -> Floats:
        """Covariance (d + 1, d + 1) of the coordinates; nan of a singular fit."""
        if self.information is None:
            size = 1 + sum(len(one) for one in self.slopes[:1])
            return np.full((size, size), np.nan)
        return inverse_information(self.information)

    @property
    def total(self) -> float:
        """Sum of the variances of the first effects and the residuals."""
        return float(self.sigma2 + sum(one[0, 0] for one in self.covariances))

    def correlations(self, f: int) -> Floats:
        """Return the correlations (q, q) of a factor's effects; nan where an sd is zero."""
        cov = self.covariances[f]
        sd = np.sqrt(np.diagonal(cov))
        with np.errstate(invalid="ignore", divide="ignore"):
            rho = np.clip(cov / np.outer(sd, sd), -1.0, 1.0)
        rho[range(len(cov)), range(len(cov))] = 1.0
        return np.asarray(rho)

    def gradient(self, weights: list[Floats], residual: float) -> Floats:
        """Return the derivatives (d + 1,) of a weighted sum of variances.

        Parameters
        ----------
        weights : list of ndarray, shape (q, q)
            Of the elements of the covariance of each factor.
        residual : float
            Of the residual variance.
        """
        of_chart = sum(
            np.einsum("dab,ab->d", slope, weight)
            for slope, weight in zip(self.slopes, weights, strict=True)
        )
        total = residual * self.sigma2 + sum(
            float((one * weight).sum())
            for one, weight in zip(self.covariances, weights, strict=True)
        )
        return np.append(of_chart, total)


def variances_at(optimum: Optimum, method: Method) -> Variances:
    """Return the variances of an optimum with what their standard errors need."""
    plan = optimum.factor.plan
    products, df = plan.products, residual_df(plan, method)
    sigma2 = optimum.factor.r2 / df * products.y_scale**2
    places = coordinates(plan)
    covariances, slopes = [], []
    for f, (one, lam) in enumerate(zip(products.factors, optimum.lam, strict=True)):
        root = one.transform @ lam
        covariances.append(sigma2 * root @ root.T)
        moves = np.zeros((len(places), one.q, one.q))
        for d, (g, a, b) in enumerate(places):
            if g == f:
                half = np.outer(root[:, a], root[:, b])
                moves[d] = sigma2 * (half + half.T)
        slopes.append(moves)
    information, tests = None, None
    correlated = [bool(np.tril(one.free, -1).any()) for one in products.factors]
    if not any(map(all, zip(optimum.singular, correlated, strict=True))):
        along = df * (log_r2 := _log_r2(optimum))
        profiled, moves_of_beta = curvature(optimum, method)
        information = 0.5 * np.block(
            [
                [profiled + np.outer(along, log_r2), -along[:, None]],
                [-along[None], np.array([[float(df)]])],
            ]
        )
        scale = optimum.factor.r2 / df
        beta_cov = scale * products.original_covariance(optimum.factor.beta_cov)
        tests = Satterthwaite(
            covariance=beta_cov,
            slopes=np.concatenate([scale * moves_of_beta, beta_cov[None]]),
            parameters=inverse_information(information),
        )
    return Variances(
        covariances=tuple(covariances),
        slopes=tuple(slopes),
        sigma2=sigma2,
        information=None if any(optimum.singular) else information,
        free=tuple(one.free for one in products.factors),
        tests=tests,
    )


def _log_r2(optimum: Optimum) -> Floats:
    """Return the derivatives (d,) of the log of the penalised sum of squares, as `Gradient` has."""
    factor = optimum.factor
    with one_thread():
        v = factor.modes()
    squares = [v[place].T @ v[place] for place in factor.plan.places]
    along = [squares[f][a, b] for f, a, b in coordinates(factor.plan)]
    return -2.0 * np.array(along) / factor.r2


def standard_error(gradient: Floats, covariance: Floats) -> float:
    """Return the standard error of a function with a gradient; nan without a covariance."""
    return math.sqrt(max(float(gradient @ covariance @ gradient), 0.0))


def curvature(optimum: Optimum, method: Method) -> tuple[Floats, Floats]:
    """Return second derivatives of the deviance in the chart, and those of the coefficients.

    By central differences of the exact gradient: at a stationary point the charts of points near by
    agree to first order.

    Returns
    -------
    deviance : ndarray, shape (d, d)
    coefficients : ndarray, shape (d, p, p)
        First derivatives of their covariance over the residual variance.
    """
    plan, d = optimum.factor.plan, len(coordinates(optimum.factor.plan))
    p = plan.products.p
    found, covariance, factor = np.empty((d, d)), np.empty((d, p, p)), Factor(plan)
    with one_thread():
        for k in range(d):
            ends = []
            for sign in (1.0, -1.0):
                step = np.zeros(d)
                step[k] = sign * _STEP
                factor.update(moved(plan, optimum.lam, step))
                of_beta = plan.products.original_covariance(factor.beta_cov)
                ends.append((differentiate(factor, method).gradient, of_beta))
            (up, up_beta), (down, down_beta) = ends
            found[k] = (up - down) / (2.0 * _STEP)
            covariance[k] = (up_beta - down_beta) / (2.0 * _STEP)
    return 0.5 * (found + found.T), covariance
