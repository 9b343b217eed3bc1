"""Estimates without each group, by exact refits, and the jackknife covariance of all parameters."""

from collections.abc import Iterator

import numpy as np

from bayes_mlm.base import EngineError, Floats
from bayes_mlm.engines.reml.refits import (
    Designs,
    OutcomeSums,
    Refits,
    Simulation,
    refit as refit_each,
)
from bayes_mlm.engines.reml.result import RemlFit
from bayes_mlm.moments import GroupMoments, RotatedMoments, rest_by_group

# Numbers of weights that are in memory at once.
_AT_ONCE = 4_000_000


def jackknife(
    s: GroupMoments, reduced: RotatedMoments, fit: RemlFit, *, correlated: bool
) -> Floats:
    """Return the jackknife covariance (v + p, v + p) of variance parameters and coefficients.

    Each group is left out in turn, with its weight, and the model fitted again (JKn); deviations
    are from the estimate of all groups, times (J - 1) / J.

    Parameters
    ----------
    s, reduced : GroupMoments, RotatedMoments
        With the weights of the groups.
    fit : RemlFit
        Of all groups.
    correlated : bool
        Whether the effects may correlate.

    Raises
    ------
    EngineError
        If a coefficient is not identified without a group.
    """
    found = np.concatenate(
        [parameters_of(one, fit, correlated=correlated)
         for one in _without_each(s, reduced, fit, correlated=correlated)]
    )  # fmt: skip
    wrong = np.flatnonzero(~np.isfinite(found).all(axis=1))
    if wrong.size:
        raise EngineError(
            f"without the group {fit.labels[wrong[0]]!r} the model has no estimate, so that there "
            'is no jackknife over groups; use standard_errors="sandwich"'
        )
    apart = found - all_parameters(fit, correlated=correlated)
    covariance: Floats = (s.J - 1.0) / s.J * apart.T @ apart
    return covariance


def all_parameters(fit: RemlFit, *, correlated: bool) -> Floats:
    """Return sds, correlations, the residual sd and coefficients of a fit, (v + p,)."""
    q = len(fit.effects)
    pairs = np.array(fit.rho_u[np.triu_indices(q, 1)] if correlated else [])
    return np.concatenate([fit.sigma_u, pairs, [fit.sigma_e], fit.beta])


def parameters_of(found: Refits, fit: RemlFit, *, correlated: bool) -> Floats:
    """Return the same of refits, (B, v + p); nan of one that failed."""
    q = len(fit.effects)
    sd = np.sqrt(np.maximum(np.einsum("baa->ba", found.cov_u), 0.0))
    columns = [sd]
    if correlated:
        a, b = np.triu_indices(q, 1)
        with np.errstate(invalid="ignore", divide="ignore"):
            columns.append(found.cov_u[:, a, b] / (sd[:, a] * sd[:, b]))
    values = np.column_stack([*columns, np.sqrt(found.sigma2), found.beta])
    values[found.failed] = np.nan
    return values


def _without_each(
    s: GroupMoments, reduced: RotatedMoments, fit: RemlFit, *, correlated: bool
) -> Iterator[Refits]:
    """Fit the model without each group, some of them at a time."""
    weights = np.ones(s.J) if s.weights is None else s.weights
    step, outside = max(1, _AT_ONCE // s.J), rest_by_group(s)
    for first in range(0, s.J, step):
        some = np.arange(first, min(first + step, s.J))
        left = np.tile(weights, (len(some), 1))
        left[np.arange(len(some)), some] = 0.0
        rest = reduced.rest - weights[some, None, None] * outside[some]
        yield refit_weighted(reduced, fit, left, rest, left @ s.counts, correlated=correlated)


def refit_weighted(
    reduced: RotatedMoments,
    fit: RemlFit,
    weights: Floats,
    rest: Floats,
    n: Floats,
    *,
    correlated: bool,
) -> Refits:
    """Fit a model by other weights of its groups, from an estimate near by.

    Parameters
    ----------
    reduced : RotatedMoments
    fit : RemlFit
    weights : ndarray, shape (B, J)
    rest : ndarray, shape (B, p + 1, p + 1)
        Weighted products outside the span of Z.
    n : ndarray, shape (B,)
        Sums of all weights.
    correlated : bool

    Returns
    -------
    Refits
        In the units of the data.
    """
    p, own = reduced.p, reduced.of_each_group
    turn = Simulation(reduced=reduced, correlated=correlated).turn
    r = (reduced.r @ reduced.z_centring @ np.linalg.inv(turn))[reduced.of_group]
    designs = Designs(
        r=r[None],
        c_x=own.c[None, :, :, :p],
        x_x=rest[:, :p, :p],
        n=n,
        correlated=correlated,
        weights=weights,
        method="ML",
    )
    outcomes = OutcomeSums(
        c_y=np.broadcast_to(own.c[:, :, p], (len(weights), *r.shape[:2])),
        x_y=rest[:, :p, p],
        y_y=rest[:, p, p],
    )
    sigma = turn @ fit.cov_u @ turn.T
    found = refit_each(designs, outcomes, np.empty((0, p)), sigma, fit.sigma_e**2, near=True)
    return found.in_units(np.linalg.inv(turn), reduced)


def refit_one(reduced: RotatedMoments, fit: RemlFit, *, correlated: bool) -> Refits:
    """Fit a model to other weighted sums of the same rows, from an estimate near by."""
    weights = np.ones(len(reduced.c)) if reduced.weights is None else reduced.weights
    return refit_weighted(
        reduced,
        fit,
        weights[None],
        reduced.rest[None],
        np.array([float(reduced.n)]),
        correlated=correlated,
    )
