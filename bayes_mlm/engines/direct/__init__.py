"""Direct sampling from the posterior, without Markov chains.

In a Gaussian model the coefficients and the group effects have normal distributions given the
variance parameters. The remaining density in a few dimensions is sampled by adaptive quadrature (at
most one group effect) or by importance sampling (several, of one grouping factor or more; or
coefficients with t priors); then the rest is drawn exactly. Of outcomes that are not Gaussian the
coefficients are drawn with the variance parameters (`generalised`). The draws are independent:
there is no warm-up, and no convergence to diagnose.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from bayes_mlm.base import EngineError, Floats, check_memory
from bayes_mlm.design import Design
from bayes_mlm.engines.crossed.route import crossed_table_of
from bayes_mlm.engines.direct.density import Problem, draw_beta
from bayes_mlm.engines.direct.effects import (
    MAX_EFFECTS,
    Conditions,
    draw_effects,
    summarise_effects,
)
from bayes_mlm.engines.direct.initialisation import choose_start
from bayes_mlm.engines.direct.joining import join
from bayes_mlm.engines.direct.priors import not_taken
from bayes_mlm.engines.direct.propriety import check_proper
from bayes_mlm.engines.direct.report import DirectReport
from bayes_mlm.engines.direct.variables import coords_of, parameters_of_draws, variable_of
from bayes_mlm.engines.direct.variances import VarianceDraws, draw_variances
from bayes_mlm.engines.draws import SAMPLE_DIMS, Draws, Variable
from bayes_mlm.likelihood import ModelPriors, unidentified
from bayes_mlm.model import FAMILIES
from bayes_mlm.moments import GroupMoments

# Draws of the other parameters over which u is summarised, at least: the mean is then known to a
# thirtieth of what the other parameters' spread adds to it.
LEAST_SUMMARISED = 1000
# Effects beyond this are too many dimensions for importance sampling.
MAX_Q = 4
MAX_DIMENSION = 15
# Numbers of a draw other than its coefficients and effects' sds; and the bytes that one takes at
# the peak: 110 to 162, as measured with two million draws.
_FURTHER, _BYTES = 6, 165


@dataclass(frozen=True, kw_only=True)
class Direct:
    """Direct draws with the report on how they were made.

    Parameters
    ----------
    draws : Draws
        Variables and dimensions as the factories' models have them, and in `sample_stats`
        ``lp`` (log-density of the variance parameters, the rest integrated out, in the
        engine's coordinates) and ``log_weight``: log of the exact density over the one drawn
        from, which for quadrature is its error and for importance sampling the weight by which
        a draw was chosen.
    report : DirectReport
        Quality, and the log marginal likelihood.
    """

    draws: Draws
    report: DirectReport


def why_not_direct(priors: ModelPriors) -> str:
    """Return the reason why Gaussian moments do not suffice to draw a model exactly; "" if they do.

    Of other outcomes the direct engine has `why_not_generalised`.

    Parameters
    ----------
    priors : ModelPriors
        Of the design, laid out for its kind.

    Examples
    --------
    >>> from bayes_mlm import build_design, load_dataset
    >>> from bayes_mlm.likelihood import model_priors
    >>> design = build_design("mathach ~ ses + (1 | schoolid)", load_dataset("hsb"))
    >>> why_not_direct(model_priors(design))
    ''
    """
    family = FAMILIES[priors.family]
    structure = [
        *(["residual sds that differ"] if priors.residual_sds else []),
        *(["AR(1) residuals"] if priors.rho_e is not None else []),
        *([] if family.gaussian_moments else [f"{family.label} outcomes"]),
    ]
    if structure:
        return f"it has {' and '.join(structure)}"
    other = not_taken(
        (
            ("fixed effect", "coefficient", priors.beta),
            ("group effect", "group-specific intercept", () if priors.u is None else (priors.u,)),
            ("group sd", "group sd", priors.group_sds),
            ("residual sd", "residual sd", priors.auxiliary.values()),
        )
    )
    if other:
        return other
    sizes = [len(group.sigma_u) for group in priors.groups]
    most = max(sizes, default=0)
    if most > MAX_Q:
        return f"{most} group effects are more than {MAX_Q}"
    mixed = sum(prior.family in ("StudentT", "Cauchy") for prior in priors.beta)
    pairs = sum(
        len(one.sigma_u) * (len(one.sigma_u) - 1) // 2 for one in priors.groups if one.rho_u
    )
    dimension = sum(sizes) + pairs + 1 + mixed
    if mixed and dimension > MAX_DIMENSION:
        return f"{mixed} coefficients have a StudentT or Cauchy prior"
    if dimension > MAX_DIMENSION:
        return f"{dimension} variance parameters are more than {MAX_DIMENSION}"
    return ""


def refusal_of(design: Design, priors: ModelPriors | None) -> str:
    """Return the reason why the direct engine cannot draw from a model; "" if it can."""
    if design.family.gaussian_moments:
        return "" if priors is None else why_not_direct(priors)
    from bayes_mlm.engines.direct.generalised.entry import why_not_generalised

    return why_not_generalised(design, priors)


def _drawing(design: Design) -> Callable[..., tuple[Draws, DirectReport]]:
    """Return what draws from models that one factor's Gaussian moments do not describe."""
    if design.family.gaussian_moments:
        from bayes_mlm.engines.direct.several.sampling import draw_several  # loads numba

        return draw_several
    from bayes_mlm.engines.direct.generalised.entry import draw_generalised

    return draw_generalised


def why_improper(priors: ModelPriors, statistics: GroupMoments) -> str:
    """Return the reason why the posterior is improper, without drawing from it; "" if it is proper.

    Parameters
    ----------
    priors : ModelPriors
        Of the design, laid out for its kind.
    statistics : GroupMoments
        Of the design.

    Examples
    --------
    >>> from bayes_mlm import build_design
    >>> from bayes_mlm.likelihood import model_priors
    >>> table = {"y": [1.0, 2.0, 4.0, 6.0], "g": [1, 1, 2, 2]}
    >>> design = build_design("y ~ 1 + (1 | g)", table)
    >>> flat = model_priors(design, {"sigma_u": "Flat", "Intercept": "Flat"})
    >>> why_improper(flat, design.moments())[:25]
    'the posterior is improper'
    """
    problem, _ = _problem(statistics, priors)
    try:
        check_proper(problem, choose_start(problem))
    except EngineError as refusal:
        return str(refusal)
    return ""


def sample_direct(
    design: Design,
    priors: ModelPriors,
    *,
    draws: int = 1000,
    chains: int = 4,
    random_seed: int,
    statistics: GroupMoments | None = None,
    effects: bool = True,
    max_effects: int = MAX_EFFECTS,
) -> Direct:
    """Draw independently from the posterior of a model with grouping factors, or none.

    Outcomes that are not Gaussian have at most one grouping factor.

    Parameters
    ----------
    design : Design
        Laid out for its kind.
    priors : ModelPriors
        Of `bayes_mlm.likelihood.default_priors.model_priors`.
    draws, chains : int
        The draws are independent; "chains" only gives them the shape that ArviZ expects.
    random_seed : int
        The same seed gives the same draws.
    statistics : GroupMoments, optional
        Of a design with at most one grouping factor; computed by default.
    effects : bool
        Whether to draw the group effects, which take most of the time and memory. The other
        parameters' draws are the same either way.
    max_effects : int
        Above this many numbers (draws x chains x groups x effects) the group effects are not
        drawn; their posterior means and sds are stored as ``u_mean`` and ``u_sd`` (dims factor,
        effect), by the laws of total expectation and variance; with several factors as
        ``u_mean_school``, ``u_sd_school``.

    Returns
    -------
    Direct
        Where ``report.trusted`` is False, use NUTS.

    Raises
    ------
    EngineError
        If the engine does not support this model (see `why_not_direct`), the posterior
        is improper, or the outcome has no residual variation.
    DesignError
        If a coefficient is not identified.

    References
    ----------
    Gelman et al. (2013), Bayesian Data Analysis, 3rd ed., ch. 5 and 15.

    Examples
    --------
    >>> from bayes_mlm import build_design, load_dataset
    >>> from bayes_mlm.likelihood import model_priors
    >>> design = build_design("mathach ~ ses + (1 | schoolid)", load_dataset("hsb"))
    >>> result = sample_direct(design, model_priors(design), random_seed=1)
    >>> result.draws["u"].shape, result.report.method, result.report.trusted
    ((4, 1000, 160, 1), 'quadrature', True)
    """
    refusal = refusal_of(design, priors)
    if refusal:
        raise EngineError(f"the direct engine cannot fit this model: {refusal}; use --engine nuts")
    if draws < 1 or chains < 1:
        raise EngineError(f"draws and chains must be 1 or more, found {draws} and {chains}")
    scalars = design.p + sum(len(group.sigma_u) for group in priors.groups) + _FURTHER
    numbers = draws * chains * scalars
    check_memory(_BYTES * numbers, f"{draws * chains:,} draws", "draw fewer (draws, --draws)")
    if len(priors.groups) > 1 or not design.family.gaussian_moments:
        table = crossed_table_of(design)
        if table is not None:
            from bayes_mlm.engines.direct.gibbs.drawing import draw_crossed  # loads numba

            found, report = draw_crossed(
                table,
                design,
                priors,
                shape=(chains, draws),
                seed=random_seed,
                effects=effects,
                max_effects=max_effects,
            )
            return Direct(draws=found, report=report)
        found, report = _drawing(design)(
            design,
            priors,
            shape=(chains, draws),
            rng=np.random.default_rng(random_seed),
            effects=effects,
            max_effects=max_effects,
        )
        return Direct(draws=found, report=report)
    data = statistics if statistics is not None else design.moments()
    problem, prior_mean = _problem(data, priors)
    return _sample(
        design,
        problem,
        prior_mean,
        shape=(chains, draws),
        rng=np.random.default_rng(random_seed),
        effects=effects,
        max_effects=max_effects,
    )


def sample_problem(
    design: Design, problem: Problem, n_draws: int, rng: np.random.Generator
) -> Direct:
    """Draw all but the group effects, given the problem of a design with another outcome.

    Parameters
    ----------
    design : Design
    problem : Problem
        See `with_outcome`.
    n_draws : int
    rng : numpy.random.Generator

    Returns
    -------
    Direct
        Of one chain.
    """
    return _sample(
        design, problem, 0.0, shape=(1, n_draws), rng=rng, effects=False, max_effects=MAX_EFFECTS
    )


def _sample(
    design: Design,
    problem: Problem,
    prior_mean: float,
    *,
    shape: tuple[int, int],
    rng: np.random.Generator,
    effects: bool,
    max_effects: int,
) -> Direct:
    priors = problem.priors
    start = choose_start(problem, design)
    check_proper(problem, start)
    variances = draw_variances(problem, start, shape[0] * shape[1], rng)
    beta = draw_beta(problem, variances.at, rng, variances.sums)
    posterior = parameters_of_draws(design, problem, variances.at, beta)
    u = _effects(problem, variances, beta, rng, max_effects) if effects else None
    report = variances.report
    if u is not None:
        report = replace(report, effects="drawn" if len(u) == 1 else "summarised")
        for name, values in u.items():
            posterior[name] = values + prior_mean if prior_mean and name != "u_sd" else values
    proper = all(prior.is_proper for prior in priors.by_name(design).values())
    return Direct(
        draws=Draws(
            posterior={
                name: variable_of(design, name, values, shape) for name, values in posterior.items()
            },
            sample_stats={
                "lp": Variable(SAMPLE_DIMS, variances.log_density.reshape(shape)),
                "log_weight": Variable(SAMPLE_DIMS, variances.log_weight.reshape(shape)),
            },
            coords=coords_of(design),
        ),
        report=replace(
            report,
            log_marginal_likelihood=report.log_marginal_likelihood if proper else None,
            notes=unidentified(problem.reduced, correlated=priors.rho_u is not None),
        ),
    )


def _problem(statistics: GroupMoments, priors: ModelPriors) -> tuple[Problem, float]:
    """Join data and priors; also give what was taken from y, the mean of the groups' prior."""
    joined = join(statistics, priors)
    return joined.problem, joined.prior_mean


def _effects(
    problem: Problem,
    variances: VarianceDraws,
    beta: Floats,
    rng: np.random.Generator,
    max_effects: int,
) -> dict[str, Floats] | None:
    """Draw the group effects; return their means and sds where the draws are too many."""
    reduced, at = problem.reduced, variances.at
    if reduced.q == 0:
        return None
    sigma_e = np.exp(at.log_sigma_e)
    if problem.intercept_sd is None:
        relative = np.exp(at.log_sigma_u - at.log_sigma_e[:, None])
        root = problem.effects_transform @ (relative[:, :, None] * at.factor)
    else:
        root = (problem.intercept_sd / sigma_e)[:, None, None]
    conditions = Conditions(beta=beta, root=root, sigma_e=sigma_e)
    if len(beta) * len(reduced.c) * reduced.q <= max_effects:
        return {"u": draw_effects(reduced, problem.kernel, conditions, rng)}
    # Where no two groups are alike, the work is as much as drawing: fewer draws then suffice.
    most = max(LEAST_SUMMARISED, max_effects // (problem.kernel.n_classes * reduced.q))
    part = Conditions(beta=beta[:most], root=root[:most], sigma_e=sigma_e[:most])
    summary = summarise_effects(reduced, problem.kernel, part)
    return {"u_mean": summary.mean, "u_sd": summary.sd}
