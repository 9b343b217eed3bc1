"""Conditional models: a fit as needed to integrate all but the variance parameters out."""

import math
from dataclasses import dataclass

import numpy as np

from bayes_mlm.base import DesignError, EngineError, Floats, Ints, Stream, stream
from bayes_mlm.design import Design
from bayes_mlm.engines import Draws, Joined, Problem, Variances, has_chains, join
from bayes_mlm.fitting import Fit, spaced
from bayes_mlm.likelihood import ModelPriors, transform_spread
from bayes_mlm.model import DIRECT_FAMILIES
from bayes_mlm.moments import GroupMoments

# Fewer draws say too little of the tail of the weights.
LEAST_DRAWS = 100


@dataclass(frozen=True, kw_only=True, eq=False)
class Model:
    """Fitted model in the form that leave-one-out needs.

    Parameters
    ----------
    design : Design
        The fit's, with the grouping to leave out.
    priors : ModelPriors
        In force in the fit; they stay as they are whatever is left out.
    statistics : GroupMoments
    joined : Joined
        Both as the direct engine's problem.
    at : Variances
        S draws of the variance parameters from the posterior given all data.
    n_batches : int
        Batches of successive draws that count as independent of each other: S for independent
        draws, fewer for Markov chains.
    chosen : (S,) int array
        Which of the fit's draws they are, chains joined.
    """

    design: Design
    priors: ModelPriors
    statistics: GroupMoments
    joined: Joined
    at: Variances
    n_batches: int
    chosen: Ints

    @property
    def problem(self) -> Problem:
        """What the direct engine would solve."""
        return self.joined.problem


def check_draws(fit: Fit) -> int:
    """Count the draws of a fit, and refuse too few."""
    n_draws = fit.draws.n_chains * fit.draws.n_draws
    if n_draws < LEAST_DRAWS:
        raise EngineError(
            f"leave-one-out needs {LEAST_DRAWS} draws, found {n_draws}; raise draws (--draws)"
        )
    return n_draws


def make_model(fit: Fit, grouping: Design | None, most_draws: int) -> Model:
    """Prepare a fit, with at most `most_draws` of its draws.

    Parameters
    ----------
    fit : Fit
        By any engine.
    grouping : Design or None
        Of the same rows, whose groups a fit without groups is given.
    most_draws : int

    Raises
    ------
    EngineError
        If the group-specific intercepts have a prior that is not normal or flat, or the fit has too
        few draws.
    """
    priors, design = fit.priors, fit.design
    if priors.u is not None and priors.u.family not in ("Normal", "Flat"):
        raise EngineError(
            f"leave-one-out is exact for normal and flat priors of u, and this model has "
            f"{priors.u}; give u a Normal prior"
        )
    takes = DIRECT_FAMILIES["fixed effect"]
    other = [str(prior) for prior in priors.beta if prior.family not in takes]
    if other:
        raise EngineError(
            f"leave-one-out of a {design.kind} model is exact for {', '.join(takes)} priors of "
            f"coefficients, and one here is {other[0]}; give such a prior, or fit partial_pooling"
        )
    n_draws = check_draws(fit)
    statistics = design.moments()
    if design.group is None and grouping is not None:
        if not np.array_equal(grouping.y, design.y):
            raise DesignError("the grouping is of other rows; give a design of the same rows")
        statistics = design.grouped_by(grouping).moments()
    joined = join(statistics, priors)
    chosen = spaced(n_draws, most_draws)
    rng = stream(fit.settings.random_seed, Stream.LOO_VARIANCES)
    return Model(
        design=design,
        priors=priors,
        statistics=statistics,
        joined=joined,
        at=_variances(fit.draws, joined.problem, chosen, rng),
        chosen=chosen,
        n_batches=math.isqrt(len(chosen)) if has_chains(fit.engine) else len(chosen),
    )


def _variances(
    draws: Draws, problem: Problem, chosen: np.ndarray, rng: np.random.Generator
) -> Variances:
    """Return the chosen draws of the variance parameters, by any engine."""

    def take(name: str) -> Floats:
        values = draws[name]
        flat: Floats = values.reshape(-1, *values.shape[2:])[chosen]
        return flat

    q, reduced, beta = problem.q, problem.reduced, problem.beta
    sigma_u = take("sigma_u").reshape(len(chosen), q) if q else np.empty((len(chosen), 0))
    correlation = np.repeat(np.eye(q)[None], len(chosen), axis=0)
    if problem.n_pairs:
        rows, columns = np.triu_indices(q, k=1)
        back = np.linalg.inv(problem.effects_transform)
        sigma_u, pairs = transform_spread(back, sigma_u, take("rho_u"))
        correlation[:, rows, columns] = correlation[:, columns, rows] = pairs
    # A root by eigenvalues exists also where rounding leaves a correlation matrix singular.
    value, vector = np.linalg.eigh(correlation)
    log_scale = np.empty((len(chosen), 0))
    if beta.mixed:
        form, nu = beta.form[beta.mixed], beta.nu[beta.mixed]
        off = reduced.centred_beta(take("beta")) @ form[:, :-1].T - form[:, -1]
        rate = 0.5 * (nu + off**2 * beta.precision[beta.mixed])
        # lambda | beta ~ InverseGamma((nu + 1) / 2, rate).
        log_scale = np.log(rate / rng.standard_gamma(0.5 * (nu + 1.0), size=rate.shape))
    with np.errstate(divide="ignore"):  # an sd that underflowed is zero
        return Variances(
            log_sigma_u=np.log(sigma_u),
            factor=vector * np.sqrt(np.maximum(value, 0.0))[:, None, :],
            log_sigma_e=np.log(take("sigma_e")),
            log_scale=log_scale,
        )


def relative_root(problem: Problem, at: Variances) -> Floats:
    """Return roots (S, q, q) of the group effects' covariance over sigma_e^2, of the centred Z.

    Of a no-pooling model: the prior sd of the group-specific intercepts, which must not be flat.
    """
    if problem.intercept_sd is not None:
        return np.exp(math.log(problem.intercept_sd) - at.log_sigma_e)[:, None, None]
    root = np.exp(at.log_sigma_u - at.log_sigma_e[:, None])[:, :, None] * at.factor
    centred: Floats = problem.z_transform @ root
    return centred
