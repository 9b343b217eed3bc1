"""Draw the variance parameters, by quadrature where it is exact enough and else by importance."""

from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from bayes_mlm.base import Floats
from bayes_mlm.engines.direct.density import Problem
from bayes_mlm.engines.direct.importance import sample_importance
from bayes_mlm.engines.direct.initialisation import typical_scale, widest_scale
from bayes_mlm.engines.direct.interpolation import sample_interpolated
from bayes_mlm.engines.direct.mode import find_mode
from bayes_mlm.engines.direct.parametrisation import (
    density_and_sums,
    log_density,
    variances_at,
)
from bayes_mlm.engines.direct.posterior import Posterior, Sums, Variances
from bayes_mlm.engines.direct.quadrature import sample_quadrature
from bayes_mlm.engines.direct.report import MAX_ERROR, DirectReport

# Numbers in the sums over groups that are kept for draws of the coefficients.
_MOST_KEPT = 20_000_000
# Entries of the groups' covariances in an evaluation, above which the density is interpolated.
_DEAR = 100_000


@dataclass(frozen=True, kw_only=True, eq=False)
class VarianceDraws:
    """The S draws of the variance parameters, by either method.

    Attributes
    ----------
    at : Variances
    log_density : (S,) array
        Log posterior density in the coordinates of the method.
    log_weight : (S,) array
        Log of the exact density over the proposal density.
    report : DirectReport
        Diagnostics, without those of the group effects.
    sums : Sums, optional
        Sums over groups at `at`, where they were kept.
    """

    at: Variances
    log_density: Floats
    log_weight: Floats
    report: DirectReport
    sums: Sums | None = None


def draw_variances(
    problem: Problem, start: Floats, n_draws: int, rng: np.random.Generator
) -> VarianceDraws:
    """Draw by quadrature where it can be done to a small error, else by importance sampling.

    Parameters
    ----------
    problem : Problem
    start : (d,) array
        A point of ordinary density in the coordinates of `direct_space`.
    n_draws : int
    rng : numpy.random.Generator

    Returns
    -------
    VarianceDraws
    """
    # The edge of a Uniform prior on one sd of two is a curve in the plane of the quadrature.
    sds = [*problem.priors.sigma_u, problem.priors.sigma_e]
    curved = problem.q > 0 and any(prior.family == "Uniform" for prior in sds)
    if problem.q <= 1 and not problem.beta.mixed and not curved:
        drawn = _by_quadrature(problem, n_draws, rng)
        if drawn.report.trusted or problem.q == 0:
            return drawn
    return draw_by_importance(problem, start, n_draws, rng, dear=_is_dear(problem))


def _by_quadrature(problem: Problem, n_draws: int, rng: np.random.Generator) -> VarianceDraws:
    found = sample_quadrature(problem, n_draws, rng)
    seen = 0.5 * float(np.abs(np.expm1(np.minimum(found.log_ratio, MAX_ERROR + 1.0))).mean())
    return VarianceDraws(
        at=found.at,
        log_density=found.log_density,
        log_weight=found.log_ratio,
        report=DirectReport(
            method="quadrature",
            log_marginal_likelihood=found.log_marginal,
            log_marginal_likelihood_error=found.error,
            error=max(found.error, seen),
            k_hat=None,
            ess=float(n_draws),
            n_draws=n_draws,
            n_unique=n_draws,
            n_evaluations=found.n_evaluations,
            effects="none",
        ),
    )


def _is_dear(problem: Problem) -> bool:
    """Return whether an evaluation of the density takes so long that as few as can be are made."""
    reduced = problem.reduced
    return reduced.many_designs and len(reduced.c) * reduced.q * (reduced.q + 1) // 2 >= _DEAR


def draw_by_importance(
    problem: Posterior,
    start: Floats,
    n_draws: int,
    rng: np.random.Generator,
    *,
    dear: bool = False,
) -> VarianceDraws:
    """Draw by importance sampling; as `draw_variances`, of any model.

    Where evaluations are `dear`, the density is interpolated if it is near enough to a normal's.
    """

    def density(x: Floats) -> Floats:
        return log_density(problem, x)

    mode = find_mode(density, start, typical_scale(problem))
    found, sums, spread = None, None, None
    if dear and n_draws * (problem.p + 1) ** 2 <= _MOST_KEPT:
        by_surface = sample_interpolated(partial(density_and_sums, problem), mode, n_draws, rng)
        if by_surface is not None:
            found, sums = by_surface.draws, by_surface.sums
            spread = by_surface.log_weight_sd
    if found is None:
        found = sample_importance(density, mode, widest_scale(problem), n_draws, rng)
        # The noise of choosing among the proposals comes on top of that of the proposals.
        found = replace(found, ess=1.0 / (1.0 / n_draws + 1.0 / found.ess))
    return VarianceDraws(
        at=variances_at(problem, found.x),
        log_density=found.log_density,
        log_weight=found.log_weight,
        report=DirectReport(
            method="importance",
            log_marginal_likelihood=found.log_integral,
            log_marginal_likelihood_error=found.log_integral_error,
            error=None,
            k_hat=found.k_hat,
            ess=found.ess,
            n_draws=n_draws,
            n_unique=found.n_unique,
            n_evaluations=found.n_evaluations,
            effects="none",
            log_weight_sd=spread,
        ),
        sums=sums,
    )
