"""Predict from a REML or OLS fit as if its variance estimates were the truth."""

import numpy as np

from bayes_mlm.base import Floats, Ints
from bayes_mlm.design import Design
from bayes_mlm.fitting import Solution, summarise_wald
from bayes_mlm.model import whiten
from bayes_mlm.moments import from_design
from bayes_mlm.questions.prediction.result import PlugIn
from bayes_mlm.questions.prediction.rows import LaidOut


def plug_in(
    fit: Solution,
    design: Design,
    laid_out: LaidOut,
    *,
    known: bool,
    new_group: bool,
    observation: bool,
    prob: float,
) -> PlugIn:
    """Predict rows, with their standard errors given the variance estimates.

    Parameters
    ----------
    fit : RemlFit or OlsFit
    design : Design
        That was fitted.
    laid_out : LaidOut
        The rows.
    known : bool
        Whether their groups are among the design's, whose effects are then predicted (BLUP).
    new_group : bool
        Whether the variance of the group effects is to be added: a group not seen.
    observation : bool
        Whether the residual variance is.
    prob : float
        Coverage of the intervals.

    Returns
    -------
    PlugIn

    Notes
    -----
    With S = cov(u), V_j = Z_j S Z_j' + sigma_e^2 I and W_j = S Z_j' V_j^-1, the error of
    ``x'beta + z'u_j`` has variance ``z'(S - W_j Z_j S)z + d' cov(beta) d`` with
    ``d = x - X_j' W_j' z``: the effects' own uncertainty, and what that of beta adds to both parts.
    Residuals with a structure are whitened first. With AR(1) ones an outcome also has its share of
    its neighbours' residuals, ``y_k - x_k'beta - z_k'u``: linear in beta and u too, so that x and z
    less the same share of the neighbours' take their place.

    References
    ----------
    Henderson (1975), Biometrics 31(2); McLean, Sanders & Stroup (1991), The American Statistician
    45(1), sec. 3.
    """
    X, Z, codes = laid_out.X, laid_out.Z, laid_out.codes if known else None
    shared, residual_variance = np.zeros(len(X)), _residual_variance(fit, laid_out)
    if observation and laid_out.near is not None and fit.residual is not None:
        X, Z, shared, left = _less_neighbours(fit, design, laid_out)
        residual_variance = residual_variance * left
    estimate, variance = expected(fit, design, X, Z, codes)
    if fit.effects and new_group and codes is None:
        variance = variance + np.einsum("mq,qr,mr->m", Z, fit.cov_u, Z)
    if observation:
        variance = variance + residual_variance
    found = summarise_wald(estimate + shared, np.sqrt(np.maximum(variance, 0.0)), prob, fit.df)
    return PlugIn(
        engine=fit.engine,
        estimate=found.mean,
        se=found.sd,
        lower=found.lower,
        upper=found.upper,
        what="plug-in prediction, its variances taken as known; Wald interval"
        if fit.errors is not None
        else "least-squares prediction; t interval",
    )


def expected(
    fit: Solution, design: Design, X: Floats, Z: Floats, codes: Ints | None
) -> tuple[Floats, Floats]:
    """Return the expected outcomes (m,) of rows, and the variances of their errors.

    Parameters
    ----------
    fit : RemlFit or OlsFit
    design : Design
        That was fitted.
    X, Z : ndarray, shapes (m, p) and (m, q)
        Columns of the rows.
    codes : ndarray of int, shape (m,), or None
        Groups of the rows, whose effects are predicted; None leaves group effects at zero.

    Returns
    -------
    expected, variance : ndarray, shape (m,)
    """
    estimate, weights, variance = X @ fit.beta, X, np.zeros(len(X))
    if fit.effects and codes is not None:
        groups, places = np.unique(codes, return_inverse=True)
        move, spread = _of_groups(fit, design, groups)
        estimate = estimate + (Z * fit.u[codes]).sum(axis=1)
        weights = X - np.einsum("mq,mqp->mp", Z, move[places])
        variance = np.einsum("mq,mqr,mr->m", Z, spread[places], Z)
    elif codes is not None:
        # The intercept of a group is its mean less its slopes: y_j + (x - x_j)'b.
        s = from_design(design)
        estimate = estimate + fit.u[codes, 0]
        weights = X - (s.means[:, : design.p] + s.centre[: design.p])[codes]
        variance = fit.sigma_e**2 / s.counts[codes]
    return estimate, variance + np.einsum("mp,pr,mr->m", weights, fit.beta_cov, weights)


def _of_groups(fit: Solution, design: Design, groups: Ints) -> tuple[Floats, Floats]:
    """Return W_j X_j (G, q, p), and the covariance (G, q, q) of the effects given beta."""
    s, residual = from_design(design), fit.sigma_e**2
    if fit.residual is not None and design.residual is not None:
        own = fit.residual
        white = whiten(design.residual, design.columns, own.sigma_e, own.rho_e or 0.0)
        s, residual = design.moments_of(white), 1.0
    p, q, products = design.p, design.q, s.products(groups)
    zz, zx = products[:, p : p + q, p : p + q], products[:, p : p + q, :p]
    relative = fit.cov_u / residual
    # Z_j' V_j^-1 = (I + Z_j'Z_j S / sigma_e^2)^-1 Z_j' / sigma_e^2, defined for a singular S too.
    inside = np.eye(design.q) + zz @ relative
    move = relative @ np.linalg.solve(inside, zx)
    spread = fit.cov_u - relative @ np.linalg.solve(inside, zz @ fit.cov_u)
    return move, 0.5 * (spread + spread.swapaxes(1, 2))


def _residual_variance(fit: Solution, laid_out: LaidOut) -> Floats:
    """Return the residual variance of each row, shape (m,)."""
    if fit.residual is not None:
        return np.asarray(np.square(fit.residual.sigma_e)[laid_out.stratum])
    return np.full(len(laid_out.X), fit.sigma_e**2)


def _less_neighbours(
    fit: Solution, design: Design, laid_out: LaidOut
) -> tuple[Floats, Floats, Floats, Floats]:
    """Subtract from rows the contribution of their neighbours in time.

    Returns X (m, p), Z (m, q), the shares of the neighbours' outcomes (m,), and the part of the
    residual variance that they leave (m,).
    """
    near, residual, rows = laid_out.near, fit.residual, design.residual
    assert near is not None
    assert residual is not None
    assert rows is not None
    found = near.conditional(np.array([residual.rho_e]))
    X, Z, shared = laid_out.X, laid_out.Z, np.zeros(len(laid_out.X))
    own = residual.sigma_e[laid_out.stratum]
    for place, weight in ((near.before, found.weight_before), (near.after, found.weight_after)):
        at = np.maximum(place, 0)
        share = np.where(place >= 0, weight[0] * own / residual.sigma_e[rows.stratum[at]], 0.0)
        X = X - share[:, None] * design.X[at]
        Z = Z - share[:, None] * design.Z[at]
        shared = shared + share * design.y[at]
    return X, Z, shared, found.variance[0]
