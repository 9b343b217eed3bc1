"""Direct draws from the posterior of a model with several grouping factors."""

import math
from dataclasses import replace

import numpy as np

from bayes_mlm.base import EngineError, Floats, check_memory, one_thread
from bayes_mlm.design import Design
from bayes_mlm.engines.direct.importance import MAX_ROUNDS, PROPOSALS_PER_DRAW
from bayes_mlm.engines.direct.parametrisation import dimension
from bayes_mlm.engines.direct.posterior import Variances
from bayes_mlm.engines.direct.report import DirectReport
from bayes_mlm.engines.direct.several.exact import SeveralDraws, draw_exactly
from bayes_mlm.engines.direct.several.interpolated import draw_interpolated
from bayes_mlm.engines.direct.several.problem import SeveralProblem, make_several
from bayes_mlm.engines.draws import SAMPLE_DIMS, Draws, Variable
from bayes_mlm.likelihood import (
    ModelPriors,
    effect_pairs,
    explained_effects,
    group_views,
    parameters_of,
)

# Seconds up to which every proposal is evaluated exactly, and where an interpolant is not exact
# enough.
EXACT_SECONDS, FALLBACK_SECONDS = 4.0, 60.0


def draw_several(
    design: Design,
    priors: ModelPriors,
    *,
    shape: tuple[int, int],
    rng: np.random.Generator,
    effects: bool,
    max_effects: int,
) -> tuple[Draws, DirectReport]:
    """Draw independently from the posterior of a model with several grouping factors.

    Parameters
    ----------
    design : Design
    priors : ModelPriors
    shape : (int, int)
        Chains and draws.
    rng : numpy.random.Generator
    effects : bool
    max_effects : int
        As of `sample_direct`.
    """
    with one_thread():
        return _draw(design, priors, shape, rng, effects, max_effects)


def _draw(
    design: Design,
    priors: ModelPriors,
    shape: tuple[int, int],
    rng: np.random.Generator,
    effects: bool,
    max_effects: int,
) -> tuple[Draws, DirectReport]:
    problem = make_several(design, priors)
    n_draws = math.prod(shape)
    numbers = n_draws * problem.system.products.n_effects
    keep = numbers <= max_effects
    check_memory(
        8 * (2 * numbers if keep and effects else 0),
        f"{n_draws:,} draws of the group effects",
        "draw fewer (draws, --draws)",
    )
    drawn, seconds = None, exact_seconds(problem, n_draws)
    if seconds > EXACT_SECONDS:
        try:
            drawn = draw_interpolated(problem, n_draws, rng, keep=keep and effects)
        except EngineError:
            if seconds > FALLBACK_SECONDS:
                raise
    if drawn is None or not (drawn.report.trusted or seconds > FALLBACK_SECONDS):
        drawn = draw_exactly(problem, n_draws, rng, effects=effects, keep=keep)
    report = drawn.report
    if effects:
        report = replace(report, effects="drawn" if keep else "summarised")
    draws = Draws(
        posterior=_variables(problem, drawn, shape, effects=effects),
        sample_stats={
            "lp": Variable(SAMPLE_DIMS, drawn.log_density.reshape(shape)),
            "log_weight": Variable(SAMPLE_DIMS, drawn.log_weight.reshape(shape)),
        },
        coords=_coords(design, problem),
        parameters=parameters_of(design),
    )
    proper = all(prior.is_proper for prior in priors.by_name(design).values())
    return draws, replace(
        report,
        log_marginal_likelihood=report.log_marginal_likelihood if proper else None,
        notes=tuple(
            f"the fixed effects explain every difference between groups in {effect}, so the "
            "posterior of its sd is its prior; drop a predictor of that level, or the effect"
            for effect in explained_effects(problem.system.products)
        ),
    )


def exact_seconds(problem: SeveralProblem, n_draws: int) -> float:
    """Return the seconds that exact evaluations of all proposals would take, roughly.

    From the operations of a factorisation, not from a clock: the same model and seed give the same
    draws.
    """
    d = dimension(problem)
    adaptation = MAX_ROUNDS * (400 + 250 * d)
    n_evaluations = adaptation + (PROPOSALS_PER_DRAW + 2) * n_draws
    return problem.system.plan.cost * n_evaluations


def _variables(
    problem: SeveralProblem, drawn: SeveralDraws, shape: tuple[int, int], *, effects: bool
) -> dict[str, Variable]:
    """Return the draws as variables, with the names of their dimensions."""
    dims: dict[str, tuple[str, ...]] = {"beta": ("term",), "sigma_e": ()}
    values = _parameters(problem, drawn.at, drawn.beta)
    for place, term in enumerate(problem.terms):
        names = term.names
        dims |= {one.name: one.dims for one in (names.sigma_u, names.rho_u, names.u)}
        if effects and drawn.effects:
            values[names.u.name] = drawn.effects[place]
    found = {
        name: Variable(SAMPLE_DIMS + dims[name], array.reshape(*shape, *array.shape[1:]))
        for name, array in values.items()
    }
    if effects and drawn.mean:
        for term, mean, sd in zip(problem.terms, drawn.mean, drawn.sd, strict=True):
            found[term.names.variable("u_mean")] = Variable(term.names.u.dims, mean)
            found[term.names.variable("u_sd")] = Variable(term.names.u.dims, sd)
    return found


def _parameters(problem: SeveralProblem, at: Variances, beta: Floats) -> dict[str, Floats]:
    """Return the draws (S, ...) of everything but the group effects, by name."""
    found: dict[str, Floats] = {"beta": beta} if problem.p else {}
    sds, correlations = {}, {}
    for term in problem.terms:
        block = term.block
        own = Variances(
            log_sigma_u=at.log_sigma_u[:, block.places],
            factor=at.factor[:, block.places, block.places],
            log_sigma_e=at.log_sigma_e,
            log_scale=at.log_scale,
        )
        if block.n_pairs:
            sd, correlation = own.reported(term.transform)
            rows, columns = np.triu_indices(block.q, k=1)
            correlations[term.names.rho_u.name] = correlation[:, rows, columns]
        else:
            sd = np.exp(own.log_sigma_u)
        sds[term.names.sigma_u.name] = sd if term.names.sigma_u.dims else sd[:, 0]
    return found | sds | correlations | {"sigma_e": np.exp(at.log_sigma_e)}


def _coords(design: Design, problem: SeveralProblem) -> dict[str, np.ndarray]:
    coords = {"term": np.array(design.terms, dtype=str)}
    for view, term in zip(group_views(design), problem.terms, strict=True):
        names = term.names
        coords |= {names.group: view.labels, names.effect: np.array(view.effects, dtype=str)}
        if view.group_term.pairs:
            coords[names.pair] = np.array(effect_pairs(view), dtype=str)
    return coords
