"""Values by row and by group at every draw: expected outcomes, densities, replicated outcomes."""

from collections.abc import Iterator

import numpy as np

from bayes_mlm.base import Array, EngineError, Floats, Stream, check_memory, stream
from bayes_mlm.design import Design
from bayes_mlm.engines import effects_root
from bayes_mlm.fitting.linear_predictor import conditional_log_densities, linear_predictors
from bayes_mlm.fitting.residuals import ResidualDraws, make_outcomes, residual_draws
from bayes_mlm.fitting.sampled import Sampled
from bayes_mlm.fitting.structured_densities import conditional_model, group_log_densities
from bayes_mlm.likelihood import LOG_2PI, invert_classes
from bayes_mlm.moments import GroupMoments, rest_by_group, rotate_moments

# Numbers that are computed at a time.
_CHUNK = 2_000_000


def expected_outcomes(fit: Sampled) -> Floats:
    """Return the expected outcome of each row, its group effects included: (chain, draw, n)."""
    family, given = fit.design.family, residual_draws(fit.draws)
    found = _by_row(fit)
    for part, eta in _linear_predictors(fit):
        found[part] = family.expected(eta, given.at(part).auxiliary(fit.design))
    return _in_chains(fit, found)


def row_log_likelihood(fit: Sampled) -> Floats:
    """Return the log-likelihood of each row given every parameter: (chain, draw, n)."""
    found = _by_row(fit)
    for part in _parts(fit):
        found[part] = conditional_log_densities(fit, np.arange(part.start, part.stop))
    return _in_chains(fit, found)


def replicated_outcomes(fit: Sampled, use: Stream) -> Floats:
    """Draw outcomes of the rows, of the same groups: (chain, draw, n).

    Parameters
    ----------
    fit : Fit or Sampled
    use : Stream
        Of the random numbers.
    """
    design, given = fit.design, residual_draws(fit.draws)
    rng = stream(fit.settings.random_seed, use)
    found = _by_row(fit)
    for part, eta in _linear_predictors(fit):
        now = given.at(part)
        if given.rho.any():
            for place, row in enumerate(eta):
                found[part.start + place] = make_outcomes(design, now, place, row, rng)
        else:
            found[part] = _draw(design, eta, now, rng)
    return _in_chains(fit, found)


def _draw(design: Design, eta: Floats, given: ResidualDraws, rng: np.random.Generator) -> Floats:
    """Draw outcomes at linear predictors; a family may have none where they are very large."""
    try:
        return design.family.draw(eta, given.auxiliary(design), rng)
    except ValueError as error:
        raise EngineError(
            f"no {design.family.label} outcome can be drawn at a linear predictor of "
            f"{np.abs(eta).max():.3g} ({error}); narrower priors keep it within bounds"
        ) from error


def group_log_likelihood(fit: Sampled) -> Floats:
    """Return each group's log-likelihood, its effects integrated out: (chain, draw, J).

    ``log p(y_j | beta, sigma_u, rho_u, sigma_e)``, whose leave-one-out is of a group never seen.
    """
    design = fit.design
    if design.residual is not None or not design.family.gaussian_moments:
        n_draws = fit.draws.n_chains * fit.draws.n_draws
        return _in_chains(fit, group_log_densities(conditional_model(fit, None, n_draws)).T)
    return _in_chains(fit, _normal_groups(fit))


def _by_row(fit: Sampled) -> Floats:
    shape = fit.draws.n_chains * fit.draws.n_draws, fit.design.n
    check_memory(
        8.0 * shape[0] * shape[1],
        f"{shape[0]:,} draws of {shape[1]:,} rows",
        "fit with fewer draws (draws, --draws)",
    )
    return np.empty(shape)


def _parts(fit: Sampled) -> Iterator[slice]:
    """Yield successive draws, chains joined, of which rows are computed at a time."""
    n_draws = fit.draws.n_chains * fit.draws.n_draws
    step = max(1, _CHUNK // max(fit.design.n, 1))
    return (slice(start, min(start + step, n_draws)) for start in range(0, n_draws, step))


def _linear_predictors(fit: Sampled) -> Iterator[tuple[slice, Floats]]:
    """Yield the linear predictors (S, n) of successive draws, chains joined."""
    for part in _parts(fit):
        yield part, linear_predictors(fit, np.arange(part.start, part.stop))


def _in_chains(fit: Sampled, values: Array) -> Array:
    return values.reshape(fit.draws.n_chains, fit.draws.n_draws, *values.shape[1:])


def _normal_groups(fit: Sampled) -> Floats:
    """Integrate normal group effects out in closed form, from moments: (S, J)."""
    design, draws = fit.design, fit.draws
    statistics, root = _statistics(fit), _relative_root(fit)
    reduced = rotate_moments(statistics, aliased=True)
    n_draws = draws.n_chains * draws.n_draws
    beta = draws["beta"].reshape(n_draws, -1) if design.p else np.zeros((n_draws, 0))
    log_sd = np.log(draws[str(design.family.residual_sd)].reshape(n_draws))
    v = np.concatenate([-reduced.centred_beta(beta), np.ones((n_draws, 1))], axis=1)
    rest, found = rest_by_group(statistics), np.empty((n_draws, statistics.J))
    step = max(1, _CHUNK // (statistics.J * (reduced.p + 1)))
    for start in range(0, n_draws, step):
        part = slice(start, start + step)
        now = v[part]
        squares = np.einsum("bk,jkl,bl->bj", now, rest, now, optimize=True)
        half_logdet: Floats | float = 0.0
        if reduced.q:
            factor = reduced.z_centring @ root[part]
            inverse, logdet = invert_classes(reduced.r, factor @ factor.swapaxes(1, 2))
            rotated = np.tensordot(now, reduced.c, axes=([1], [2]))  # (B, J, q)
            solved = np.einsum("bjqk,bjk->bjq", inverse[:, reduced.of_group], rotated)
            squares = squares + (rotated * solved).sum(axis=2)
            half_logdet = 0.5 * logdet[:, reduced.of_group]
        sd = log_sd[part, None]
        constant = statistics.counts * (sd + 0.5 * LOG_2PI)
        found[part] = -constant - half_logdet - 0.5 * squares * np.exp(-2.0 * sd)
    return found


def _statistics(fit: Sampled) -> GroupMoments:
    """Return the moments, of unpooled intercepts about the mean of their prior."""
    design, prior = fit.design, fit.priors.u
    if prior is None:
        return design.moments()
    return design.with_arrays(y=design.y - prior["mu"]).moments()


def _relative_root(fit: Sampled) -> Floats:
    """Return roots (S, q, q) of the covariance of the group effects, over the residual variance."""
    sd = fit.draws[str(fit.design.family.residual_sd)].reshape(-1, 1, 1)
    if fit.priors.u is not None:
        return np.asarray(fit.priors.u["sigma"] / sd)
    if not fit.design.q:
        return np.zeros((sd.size, 0, 0))
    return np.asarray(effects_root(fit.draws) / sd)
