"""Plug-in predictions of a REML, ML or OLS fit: its variances are treated as known."""

import numpy as np

from bayes_mlm.base import Floats
from bayes_mlm.design import Design
from bayes_mlm.fitting import Solution, expected_outcomes, summarise_wald
from bayes_mlm.questions.prediction.result import PlugIn
from bayes_mlm.questions.prediction.rows import PredictionRows


def plug_in(
    fit: Solution,
    design: Design,
    new: PredictionRows,
    *,
    observation: bool,
    prob: float,
) -> PlugIn:
    """Predict rows, with standard errors conditional on the variance estimates.

    Parameters
    ----------
    fit : RemlFit or OlsFit
    design : Design
        Of the fit.
    new : PredictionRows
        The rows: of groups of the data, whose effects are predicted (BLUP), or of new ones, the
        variance of whose effects is added.
    observation : bool
        Whether to add the residual variance.
    prob : float
        Coverage of the intervals.

    Returns
    -------
    PlugIn

    Notes
    -----
    The variance of the expected outcome of a row is that of `expected_outcomes`. With AR(1)
    residuals the conditional mean of an outcome also depends on the residuals of its neighbours,
    ``y_k - x_k'beta - z_k'u``, which are linear in beta and u; so the weighted x and z of the
    neighbours are subtracted from those of the row.
    """
    known = [one.status == "known" for one in new.groups]
    X = new.X
    groups = [
        (one.Z, one.codes) if its else None for one, its in zip(new.groups, known, strict=True)
    ]
    shared, residual_variance = np.zeros(len(X)), _residual_variance(fit, new)
    if observation and new.near is not None and fit.residual is not None:
        X, Z, shared, left = _less_neighbours(fit, design, new)
        groups = [(Z, new.codes) if known[0] else None]
        residual_variance = residual_variance * left
    estimate, variance = expected_outcomes(fit, design, X, groups)
    for cov_u, one in zip(fit.covariances_u, new.groups, strict=False):
        if one.status == "new":
            variance = variance + np.einsum("mq,qr,mr->m", one.Z, cov_u, one.Z)
    if observation:
        variance = variance + residual_variance
    estimate = estimate + shared + new.offset
    found = summarise_wald(estimate, np.sqrt(np.maximum(variance, 0.0)), prob, fit.df)
    return PlugIn(
        engine=fit.engine,
        estimate=found.mean,
        se=found.sd,
        lower=found.lower,
        upper=found.upper,
        what="plug-in prediction, variances treated as known; Wald interval"
        if fit.errors is not None
        else "least-squares prediction; t interval",
    )


def _residual_variance(fit: Solution, new: PredictionRows) -> Floats:
    """Return the residual variance of each row, shape (m,)."""
    if fit.residual is not None:
        return np.asarray(np.square(fit.residual.sigma_e)[new.stratum])
    return np.full(len(new.X), fit.sigma_e**2)


def _less_neighbours(
    fit: Solution, design: Design, new: PredictionRows
) -> tuple[Floats, Floats, Floats, Floats]:
    """Subtract from rows the contribution of their neighbours in time.

    Returns X (m, p), Z (m, q), the contribution of the outcomes of the neighbours (m,), and the
    conditional share of the residual variance (m,).
    """
    near, residual, rows = new.near, fit.residual, design.residual
    assert near is not None
    assert residual is not None
    assert rows is not None
    found = near.conditional(np.array([residual.rho_e]))
    X, Z, shared = new.X, new.Z, np.zeros(len(new.X))
    sd = residual.sigma_e[new.stratum]
    for place, weight in ((near.before, found.weight_before), (near.after, found.weight_after)):
        at = np.maximum(place, 0)
        share = np.where(place >= 0, weight[0] * sd / residual.sigma_e[rows.stratum[at]], 0.0)
        X = X - share[:, None] * design.X[at]
        Z = Z - share[:, None] * design.group_term.take(at).Z
        shared = shared + share * design.y_less_offset[at]
    return X, Z, shared, found.variance[0]
