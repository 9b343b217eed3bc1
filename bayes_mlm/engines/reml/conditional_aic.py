"""Conditional Akaike criterion: the fit to the groups at hand, and what it cost in parameters."""

import math
from dataclasses import dataclass

import numpy as np

from bayes_mlm.engines.reml.climb import eliminate
from bayes_mlm.engines.reml.factor import make_factor
from bayes_mlm.engines.reml.inference import inverse_information
from bayes_mlm.engines.reml.result import RemlFit
from bayes_mlm.engines.reml.search import maximise_near
from bayes_mlm.likelihood import LOG_2PI
from bayes_mlm.moments import GroupMoments, rotate_moments


@dataclass(frozen=True, kw_only=True)
class ConditionalAic:
    """Conditional criterion of one fit.

    Attributes
    ----------
    loglik : float
        Log-density of the outcomes given the predicted group effects.
    df : float
        Effective parameters of the mean: the sum of the derivatives of the fitted values in their
        own outcomes, the dependence of the estimated variances on these included.
    """

    loglik: float
    df: float

    @property
    def value(self) -> float:
        """The criterion, with the residual variance as one more parameter."""
        return -2.0 * self.loglik + 2.0 * (self.df + 1.0)


def conditional_aic(statistics: GroupMoments, fit: RemlFit) -> ConditionalAic:
    """Compute the conditional criterion of a Gaussian model with one grouping factor.

    Parameters
    ----------
    statistics : GroupMoments
    fit : RemlFit
        Of these statistics.

    References
    ----------
    Vaida & Blanchard (2005), Biometrika 92(2); Greven & Kneib (2010), Biometrika 97(4), whose
    correction for estimated variances is R's cAIC4. With P the projection of generalised least
    squares over sigma_e^2, so that Py are the conditional residuals, W_j = Z dS_j Z' and H the
    Hessian of the profiled deviance,

        df = n - tr P + sum_jk (H^-1)_jk nu (2 a_j'a_k - 2 s_k a_j'Py / rss) / rss,
        a_j = P W_j P y,  s_k = y'P W_k P y.

    Examples
    --------
    >>> from bayes_mlm import build_design, load_sleepstudy
    >>> from bayes_mlm.engines import fit_reml
    >>> design = build_design("reaction ~ days + (1 | subject)", load_sleepstudy())
    >>> found = conditional_aic(design.moments(), fit_reml(design, method="ML"))
    >>> round(found.df, 2), round(found.value, 1)
    (17.97, 1767.0)
    """
    reduced = rotate_moments(statistics)
    n, p, q = reduced.n, reduced.p, reduced.q
    factor = make_factor(reduced, correlated=len(fit.theta) > q)
    optimum = maximise_near(reduced, factor, fit.method, reduced.z_centring @ fit.lam)
    point, root = optimum.point, factor.lam(optimum.theta)
    half = factor.basis @ root.T
    directions = half + half.swapaxes(1, 2)
    beta, cov = point.beta, point.beta_cov
    r = reduced.r[reduced.of_group]
    inverse = np.linalg.inv(np.eye(q) + r @ (root @ root.T) @ r.swapaxes(1, 2))
    c_x, c_y = reduced.c[:, :, :p], reduced.c[:, :, p]
    inside = inverse @ c_x  # N^-1 C_x
    w = np.einsum("jab,jb->ja", inverse, c_y - c_x @ beta)
    out_xx, out_xy, out_yy = reduced.rest[:p, :p], reduced.rest[:p, p], reduced.rest[p, p]
    left = out_xy - out_xx @ beta  # X'(y - X beta) outside the span of Z
    squares = float(np.square(w).sum() + out_yy - 2.0 * out_xy @ beta + beta @ out_xx @ beta)
    of_x = out_xx + np.einsum("jap,jar->pr", inside, inside)  # X'V^-2 X
    traced = n - len(r) * q + float(np.trace(inverse, axis1=1, axis2=2).sum())
    df = n - (traced - float((cov * of_x).sum()))
    m = len(directions)
    if m:
        moved = np.einsum("jab,mbc,jdc,jd->mja", r, directions, r, w)  # W_m P y
        s = np.einsum("mja,ja->m", moved, w)
        back = np.einsum("mja,jap->mp", moved, inside) @ cov
        a = np.einsum("jab,mjb->mja", inverse, moved) - np.einsum("jap,mp->mja", inside, back)
        products = np.einsum("mja,kja->mk", a, a) + back @ out_xx @ back.T
        along = np.einsum("mja,ja->m", a, w) - back @ left
        nu = n - p if fit.method == "REML" else n
        rss = point.sigma_e2 * nu
        _, curve = eliminate(optimum.gradient, optimum.hessian)
        bread = inverse_information(-2.0 * curve)
        meat = nu * (2.0 * products - 2.0 * np.outer(along, s) / rss) / rss
        df += float((bread * meat).sum())
    return ConditionalAic(
        loglik=-0.5 * n * (LOG_2PI + math.log(point.sigma_e2)) - 0.5 * squares / point.sigma_e2,
        df=float(df),
    )
