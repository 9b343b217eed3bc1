"""Predict from a REML or OLS fit as if its variance estimates were the truth."""

from dataclasses import dataclass

import numpy as np

from bayes_mlm.design import Design, Floats, Ints
from bayes_mlm.ols import OlsFit
from bayes_mlm.reml import RemlFit


@dataclass(frozen=True, kw_only=True, eq=False)
class PlugIn:
    """Hold the predictions of m rows from one set of estimates.

    Parameters
    ----------
    engine : {"reml", "ols"}
    estimate, se, lower, upper : ndarray, shape (m,)
        In units of the outcome. The standard error is that of the prediction's own error, with
        the coefficients and the group effects estimated and the variances taken as known; the
        interval is Wald's.
    what : str
        What it is, for a reader.
    """

    engine: str
    estimate: Floats
    se: Floats
    lower: Floats
    upper: Floats
    what: str


def plug_in(
    fit: RemlFit | OlsFit,
    design: Design,
    X: Floats,
    Z: Floats,
    *,
    codes: Ints | None,
    new_group: bool,
    observation: bool,
    reach: float,
) -> PlugIn:
    """Predict rows, with their standard errors given the variance estimates.

    Parameters
    ----------
    fit : RemlFit or OlsFit
    design : Design
        That was fitted.
    X, Z : ndarray, shapes (m, p) and (m, q)
        Columns of the rows.
    codes : ndarray of int, shape (m,), or None
        Their groups among the design's labels, whose effects are then predicted (BLUP).
    new_group : bool
        Whether the variance of the group effects is to be added: a group not seen.
    observation : bool
        Whether the residual variance is.
    reach : float
        Standard errors that an interval reaches.

    Returns
    -------
    PlugIn

    Notes
    -----
    With S = cov(u), V_j = Z_j S Z_j' + sigma_e^2 I and W_j = S Z_j' V_j^-1, the error of
    ``x'beta + z'u_j`` has variance ``z'(S - W_j Z_j S)z + d' cov(beta) d`` with
    ``d = x - X_j' W_j' z``: the effects' own uncertainty, and what that of beta adds to both parts.

    References
    ----------
    Henderson (1975), Biometrics 31(2); McLean, Sanders & Stroup (1991), The American Statistician
    45(1), sec. 3.
    """
    estimate, own = X @ fit.beta, X
    variance = np.zeros(len(X))
    if isinstance(fit, RemlFit) and codes is not None:
        groups, places = np.unique(codes, return_inverse=True)
        move, spread = _of_groups(fit, design, groups)
        estimate = estimate + (Z * fit.u[codes]).sum(axis=1)
        own = X - np.einsum("mq,mqp->mp", Z, move[places])
        variance = np.einsum("mq,mqr,mr->m", Z, spread[places], Z)
    elif isinstance(fit, RemlFit) and new_group:
        variance = np.einsum("mq,qr,mr->m", Z, fit.cov_u, Z)
    elif isinstance(fit, OlsFit) and codes is not None:
        # The own intercept is the group's mean less its slopes: y_j + (x - x_j)'b.
        sums = [np.bincount(design.codes, column, minlength=design.J) for column in design.X.T]
        sizes = np.bincount(design.codes, minlength=design.J)
        estimate = estimate + fit.group_intercepts[codes]
        own = X - (np.array(sums).reshape(design.p, design.J) / sizes).T[codes]
        variance = fit.sigma_e**2 / sizes[codes]
    variance = variance + np.einsum("mp,pr,mr->m", own, fit.beta_cov, own)
    if observation:
        variance = variance + fit.sigma_e**2
    se = np.sqrt(np.maximum(variance, 0.0))
    reml = isinstance(fit, RemlFit)
    return PlugIn(
        engine="reml" if reml else "ols",
        estimate=estimate,
        se=se,
        lower=estimate - reach * se,
        upper=estimate + reach * se,
        what="plug-in prediction, its variances taken as known; Wald interval"
        if reml
        else "least-squares prediction; t interval",
    )


def _of_groups(fit: RemlFit, design: Design, groups: Ints) -> tuple[Floats, Floats]:
    """Give W_j X_j (G, q, p), and the covariance (G, q, q) of the effects given beta."""
    place = np.full(design.J, -1, dtype=np.int64)
    place[groups] = np.arange(groups.size)
    rows = np.flatnonzero(place[design.codes] >= 0)
    at, Z, X = place[design.codes[rows]], design.Z[rows], design.X[rows]

    def products(left: Floats, right: Floats) -> Floats:
        sums = [
            [np.bincount(at, one * other, minlength=groups.size) for other in right.T]
            for one in left.T
        ]
        return np.array(sums).reshape(left.shape[1], right.shape[1], groups.size)

    zz, zx = products(Z, Z).transpose(2, 0, 1), products(Z, X).transpose(2, 0, 1)
    relative = fit.cov_u / fit.sigma_e**2
    # Z_j' V_j^-1 = (I + Z_j'Z_j S / sigma_e^2)^-1 Z_j' / sigma_e^2, defined for a singular S too.
    inside = np.eye(design.q) + zz @ relative
    move = relative @ np.linalg.solve(inside, zx)
    spread = fit.cov_u - relative @ np.linalg.solve(inside, zz @ fit.cov_u)
    return move, 0.5 * (spread + spread.swapaxes(1, 2))
