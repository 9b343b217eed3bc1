"""Predict from a REML or OLS fit as if its variance estimates were the truth."""

import numpy as np

from bayes_mlm.base import Floats
from bayes_mlm.design import Design
from bayes_mlm.fitting import Solution, expected_outcomes, summarise_wald
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
    The variance of a row's expected outcome is that of `expected_outcomes`.
    Residuals with a structure are whitened first. With AR(1) ones an outcome also has its share of
    its neighbours' residuals, ``y_k - x_k'beta - z_k'u``: linear in beta and u too, so that x and z
    less the same share of the neighbours' take their place.
    """
    X, Z, codes = laid_out.X, laid_out.Z, laid_out.codes if known else None
    shared, residual_variance = np.zeros(len(X)), _residual_variance(fit, laid_out)
    if observation and laid_out.near is not None and fit.residual is not None:
        X, Z, shared, left = _less_neighbours(fit, design, laid_out)
        residual_variance = residual_variance * left
    estimate, variance = expected_outcomes(fit, design, X, Z, codes)
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
        Z = Z - share[:, None] * design.single_term().take(at).Z
        shared = shared + share * design.y[at]
    return X, Z, shared, found.variance[0]
