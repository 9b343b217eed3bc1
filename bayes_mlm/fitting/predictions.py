"""Expected outcomes at a likelihood estimate, with the variances of their errors."""

from collections.abc import Sequence

import numpy as np

from bayes_mlm.base import Floats, Ints
from bayes_mlm.design import Design, sum_effects
from bayes_mlm.engines import (
    GeneralisedFit,
    OlsFit,
    OneFactorFit,
    PooledFit,
    PooledResult,
    PooledSeveralFit,
    RemlFit,
    SeveralFactorsFit,
    pool,
)
from bayes_mlm.model import whiten

type Solution = RemlFit | SeveralFactorsFit | GeneralisedFit | OlsFit | PooledFit | PooledSeveralFit
type OneFactorSolution = RemlFit | GeneralisedFit | OlsFit | PooledFit


def expected_outcomes(
    fit: Solution, design: Design, X: Floats, groups: Sequence[tuple[Floats, Ints] | None]
) -> tuple[Floats, Floats]:
    """Return the expected outcomes (m,) of rows, and the variances of their errors.

    Parameters
    ----------
    fit : RemlFit, SeveralFactorsFit, GeneralisedFit or OlsFit
    design : Design
        That was fitted.
    X : ndarray, shape (m, p)
        Columns of the rows.
    groups : sequence of (ndarray, shape (m, q); ndarray of int, shape (m,))
        Columns Z and groups of the rows for each factor, whose effects are predicted; None, or
        none at all, to leave group effects at zero.

    Returns
    -------
    expected, variance : ndarray, shape (m,)

    Notes
    -----
    With S = cov(u), V_j = Z_j S Z_j' + sigma_e^2 I and W_j = S Z_j' V_j^-1, the error of
    ``x'beta + z'u_j`` has variance ``z'(S - W_j Z_j S)z + d' cov(beta) d`` with
    ``d = x - X_j' W_j' z``: the variance of the effects conditional on beta, and that
    due to beta. Residuals with a structure are whitened first. Of several imputations each is
    predicted, and the predictions are pooled by Rubin's rules.

    References
    ----------
    Henderson (1975), Biometrics 31(2); McLean, Sanders & Stroup (1991), The American Statistician
    45(1), sec. 3.
    """
    if isinstance(fit, PooledResult):
        each = zip(fit.parts, design.imputations, strict=True)
        parts = [expected_outcomes(part, one, X, groups) for part, one in each]
        estimates, variances = (np.array(values) for values in zip(*parts, strict=True))
        found = pool(estimates, variances, within=fit.tests.within)
        return found.estimate, found.total
    if isinstance(fit, SeveralFactorsFit | OneFactorFit):
        return _of_several(fit, X, groups)
    estimate, weights, variance = X @ fit.beta, X, np.zeros(len(X))
    first = groups[0] if groups else None
    Z, codes = (X[:, :0], None) if first is None else first
    if fit.effects and codes is not None:
        numbers, places = np.unique(codes, return_inverse=True)
        move, spread = _of_groups(fit, design, numbers)
        estimate = estimate + sum_effects(fit.u, codes, Z)
        weights = X - np.einsum("mq,mqp->mp", Z, move[places])
        variance = np.einsum("mq,mqr,mr->m", Z, spread[places], Z)
    elif codes is not None:
        # The intercept of a group is its mean less its slopes: y_j + (x - x_j)'b.
        s = design.moments()
        estimate = estimate + fit.u[codes, 0]
        weights = X - (s.means[:, : design.p] + s.centre[: design.p])[codes]
        variance = fit.sigma_e**2 / s.counts[codes]
    return estimate, variance + np.einsum("mp,pr,mr->m", weights, fit.beta_cov, weights)


def _of_several(
    fit: SeveralFactorsFit | OneFactorFit, X: Floats, groups: Sequence[tuple[Floats, Ints] | None]
) -> tuple[Floats, Floats]:
    whole, first = (fit, 0) if isinstance(fit, SeveralFactorsFit) else (fit.whole, fit.place)
    known = {place: one for place, one in enumerate(groups, start=first) if one is not None}
    estimate = X @ fit.beta
    for place, (Z, codes) in known.items():
        estimate = estimate + sum_effects(whole.factors[place].u, codes, Z)
    return estimate, whole.error_variance(X, known)


def _of_groups(fit: OneFactorSolution, design: Design, groups: Ints) -> tuple[Floats, Floats]:
    """Return W_j X_j (G, q, p), and the covariance (G, q, q) of the effects given beta."""
    if isinstance(fit, GeneralisedFit):
        return _of_generalised(fit, design, groups)
    s, residual = design.moments(), fit.sigma_e**2
    if fit.residual is not None and design.residual is not None:
        fitted = fit.residual
        white = whiten(design.residual, design.columns, fitted.sigma_e, fitted.rho_e or 0.0)
        s, residual = design.moments_of(white), 1.0
    p, q, products = design.p, design.q, s.products(groups)
    zz, zx = products[:, p : p + q, p : p + q], products[:, p : p + q, :p]
    relative = fit.cov_u / residual
    # Z_j' V_j^-1 = (I + Z_j'Z_j S / sigma_e^2)^-1 Z_j' / sigma_e^2, defined for a singular S too.
    inside = np.eye(design.q) + zz @ relative
    move = relative @ np.linalg.solve(inside, zx)
    spread = fit.cov_u - relative @ np.linalg.solve(inside, zz @ fit.cov_u)
    return move, 0.5 * (spread + spread.swapaxes(1, 2))


def _of_generalised(fit: GeneralisedFit, design: Design, groups: Ints) -> tuple[Floats, Floats]:
    """Return the same of a linear predictor: minus du/dbeta at the mode, and cov(u | y)."""
    design = design.weighted_rows
    term, family, counts = design.group_term, design.family, design.response.weights
    eta = design.X @ fit.beta + design.offset + term.sum_effects(fit.u)
    _, weight = family.score(design.y, eta, {**design.response.known, **fit.auxiliary})
    weight = weight if counts is None else weight * counts
    zz = term.products(weight)[groups]
    zx = np.stack([term.sums(z[:, None] * design.X) for z in (weight[:, None] * term.Z).T], axis=1)
    inside = np.eye(design.q) + zz @ fit.cov_u
    return fit.cov_u @ np.linalg.solve(inside, zx[groups]), fit.u_cov[groups]
