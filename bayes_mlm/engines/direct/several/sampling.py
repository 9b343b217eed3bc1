"""Direct draws from the posterior of a model with several grouping factors."""

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from bayes_mlm.base import Floats, check_memory, one_thread
from bayes_mlm.design import Design
from bayes_mlm.engines.direct.density import draw_beta
from bayes_mlm.engines.direct.posterior import Variances
from bayes_mlm.engines.direct.propriety import check_proper
from bayes_mlm.engines.direct.report import DirectReport
from bayes_mlm.engines.direct.several.problem import SeveralProblem, make_several
from bayes_mlm.engines.direct.several.start import choose_start
from bayes_mlm.engines.direct.variances import draw_by_importance
from bayes_mlm.engines.draws import SAMPLE_DIMS, Draws, Variable
from bayes_mlm.likelihood import ModelPriors, effect_pairs, group_views, parameters_of

# Numbers of u that are held at a time.
_CHUNK = 2_000_000


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
    start = choose_start(problem)
    check_proper(problem, start)
    n_draws = math.prod(shape)
    variances = draw_by_importance(problem, start, n_draws, rng)
    at, report = variances.at, variances.report
    beta = draw_beta(problem, at, rng)
    posterior = _parameters(problem, at, beta)
    if effects:
        numbers = n_draws * problem.system.products.n_effects
        drawn = numbers <= max_effects
        draw = _draw_effects if drawn else _summarise_effects
        check_memory(
            8 * (2 * numbers if drawn else 0),
            f"{n_draws:,} draws of the group effects",
            "draw fewer (draws, --draws)",
        )
        posterior |= draw(problem, at, beta, rng)
        report = replace(report, effects="drawn" if drawn else "summarised")
    dims = _dims(problem)
    coords = _coords(design, problem)
    variables = {}
    for name, values in posterior.items():
        summary = name not in dims
        if summary:
            variables[name] = Variable(dims[_of_summary(name)], values)
        else:
            variables[name] = Variable(
                SAMPLE_DIMS + dims[name], values.reshape(*shape, *values.shape[1:])
            )
    draws = Draws(
        posterior=variables,
        sample_stats={
            "lp": Variable(SAMPLE_DIMS, variances.log_density.reshape(shape)),
            "log_weight": Variable(SAMPLE_DIMS, variances.log_weight.reshape(shape)),
        },
        coords=coords,
        parameters=parameters_of(design),
    )
    proper = all(prior.is_proper for prior in priors.by_name(design).values())
    return draws, replace(
        report, log_marginal_likelihood=report.log_marginal_likelihood if proper else None
    )


def _of_summary(name: str) -> str:
    """Return the variable that ``u_mean_school`` and ``u_sd_school`` summarise."""
    for prefix in ("u_mean", "u_sd"):
        if name.startswith(prefix):
            return f"u{name.removeprefix(prefix)}"
    return name


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


def _effect_parts(
    problem: SeveralProblem, at: Variances, beta: Floats, rng: np.random.Generator
) -> Iterator[tuple[Floats, ...]]:
    """Draw the group effects a part of the draws at a time."""
    n_effects = problem.system.products.n_effects
    step = max(1, _CHUNK // n_effects)
    for start in range(0, len(beta), step):
        part = slice(start, start + step)
        some = at.part(part)
        noise = rng.standard_normal((len(some.log_sigma_e), n_effects))
        relative = problem.relative(some)
        yield problem.system.draw(relative, np.exp(some.log_sigma_e), beta[part], noise)


def _draw_effects(
    problem: SeveralProblem, at: Variances, beta: Floats, rng: np.random.Generator
) -> dict[str, Floats]:
    """Draw the group effects of each factor, (S, J, q)."""
    parts = list(_effect_parts(problem, at, beta, rng))
    return {
        term.names.u.name: np.concatenate([one[k] for one in parts])
        for k, term in enumerate(problem.terms)
    }


def _summarise_effects(
    problem: SeveralProblem, at: Variances, beta: Floats, rng: np.random.Generator
) -> dict[str, Floats]:
    """Return posterior means and sds (J, q) of the group effects, from draws that are not kept."""
    total = [np.zeros(1)] * len(problem.terms)
    squares = [np.zeros(1)] * len(problem.terms)
    for effects in _effect_parts(problem, at, beta, rng):
        total = [a + one.sum(axis=0) for a, one in zip(total, effects, strict=True)]
        squares = [a + np.square(one).sum(axis=0) for a, one in zip(squares, effects, strict=True)]
    found: dict[str, Floats] = {}
    for term, a, b in zip(problem.terms, total, squares, strict=True):
        mean = a / len(beta)
        found[term.names.variable("u_mean")] = mean
        found[term.names.variable("u_sd")] = np.sqrt(np.maximum(b / len(beta) - mean**2, 0.0))
    return found


def _dims(problem: SeveralProblem) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {"beta": ("term",), "sigma_e": ()}
    for term in problem.terms:
        for one in (term.names.sigma_u, term.names.rho_u, term.names.u):
            found[one.name] = one.dims
    return found


def _coords(design: Design, problem: SeveralProblem) -> dict[str, np.ndarray]:
    coords = {"term": np.array(design.terms, dtype=str)}
    for view, term in zip(group_views(design), problem.terms, strict=True):
        names = term.names
        coords |= {names.group: view.labels, names.effect: np.array(view.effects, dtype=str)}
        if view.group_term.pairs:
            coords[names.pair] = np.array(effect_pairs(view), dtype=str)
    return coords
