"""What the direct engine does with outcomes that are not Gaussian: refusals, draws and report."""

import math
from typing import Literal

import numpy as np

from bayes_mlm.base import Floats, check_memory
from bayes_mlm.design import NEED_ROWS, Design
from bayes_mlm.engines.direct.generalised.lattice import MOST_TRIALS
from bayes_mlm.engines.direct.generalised.problem import CODES, Problem, make_problem, takes_counts
from bayes_mlm.engines.direct.generalised.sampling import Found, draw_points
from bayes_mlm.engines.direct.priors import not_taken
from bayes_mlm.engines.direct.report import DirectReport
from bayes_mlm.engines.draws import SAMPLE_DIMS, Draws, Variable
from bayes_mlm.likelihood import ModelPriors, effect_pairs, group_parameters

MAX_Q = 2
# Outer parameters and coefficients beyond which importance sampling is not tried.
MAX_DIMENSION = 80


def why_not_generalised(design: Design, priors: ModelPriors | None) -> str:
    """Return the reason why the direct engine cannot draw from a model; "" if it can.

    Parameters
    ----------
    design : Design
        Of an outcome that is not Gaussian.
    priors : ModelPriors or None

    Examples
    --------
    >>> from bayes_mlm import build_design
    >>> data = {"y": [0, 1, 1, 0, 1, 0], "x": [1.0, 2, 4, 3, 2, 1], "g": [1, 1, 2, 2, 3, 3]}
    >>> design = build_design("y ~ x + (1 | g)", data, family="bernoulli(probit)")
    >>> why_not_generalised(design, None)
    'it has Bernoulli outcomes with link probit'
    """
    family = design.family
    if (family.name, family.link) not in CODES:
        known = any(name == family.name for name, _ in CODES)
        return f"it has {family.label} outcomes" + (f" with link {family.link}" if known else "")
    if design.residual is not None and not design.residual.spec.is_plain:
        return f"it has {design.residual.spec}"
    rows = design.weighted_rows
    if design.patterns is not None and not takes_counts(family):
        return f"{family.label} outcomes {NEED_ROWS}"
    if len(design.factors) > 1:
        return f"{family.label} outcomes with {len(design.factors)} grouping factors"
    if design.kind == "no_pooling":
        return f"{family.label} outcomes with group-specific intercepts that have no distribution"
    if design.q > MAX_Q:
        return f"{design.q} group effects of {family.label} outcomes are more than {MAX_Q}"
    if design.p + design.q + design.q**2 > MAX_DIMENSION:
        return f"{design.p} coefficients are more than {MAX_DIMENSION - 6}"
    trials = rows.response.trials
    if trials is not None and design.q:
        each = trials if rows.response.weights is None else trials * rows.response.weights
        most = np.bincount(rows.codes, each).max(initial=0.0)
        if most > MOST_TRIALS:
            return f"a group has {most:,.0f} trials, more than {MOST_TRIALS:,.0f}"
    elif design.q and design.group_sizes.max(initial=0) > MOST_TRIALS:
        return f"a group has {design.group_sizes.max():,} rows, more than {MOST_TRIALS:,.0f}"
    return "" if priors is None else _priors_not(priors)


def _priors_not(priors: ModelPriors) -> str:
    other = not_taken(
        (
            ("fixed effect", "coefficient", priors.beta),
            ("group sd", "group sd", priors.group_sds),
        ),
        flat_sds=False,
    )
    if other:
        return other
    if priors.rho_u is not None and priors.rho_u.family != "LKJ":
        return f"the prior of the correlations is {priors.rho_u}"
    threshold = priors.auxiliary.get("threshold")
    if threshold is not None and threshold.family != "Normal":
        return f"the prior of the thresholds is {threshold}, and the direct engine takes Normal"
    shape = priors.auxiliary.get("shape")
    if shape is not None and not shape.is_proper:
        return f"the prior of the shape is {shape}"
    return ""


def draw_generalised(
    design: Design,
    priors: ModelPriors,
    *,
    shape: tuple[int, int],
    rng: np.random.Generator,
    effects: bool,
    max_effects: int,
) -> tuple[Draws, DirectReport]:
    """Draw independently from the posterior of a model whose outcomes are not Gaussian.

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

    Raises
    ------
    EngineError
        If the density has no mode that is found.
    """
    problem = make_problem(design, priors)
    n_draws = math.prod(shape)
    numbers = n_draws * design.J * design.q if design.q else 0
    keep = numbers <= max_effects
    check_memory(
        8 * (5 * numbers if keep and effects else 0),
        f"{n_draws:,} draws of the group effects",
        "draw fewer (draws, --draws)",
    )
    found = draw_points(problem, n_draws, rng, effects=effects, keep=keep)
    proper = all(prior.is_proper for prior in priors.by_name(design).values())
    what: Literal["none", "drawn", "summarised"] = "none"
    if effects and design.q:
        what = "drawn" if keep else "summarised"
    report = DirectReport(
        method="importance",
        log_marginal_likelihood=found.log_integral if proper else None,
        log_marginal_likelihood_error=found.log_integral_error,
        error=None,
        k_hat=found.k_hat,
        ess=found.ess,
        n_draws=n_draws,
        n_unique=found.n_unique,
        n_evaluations=found.n_evaluations,
        effects=what,
        log_weight_sd=found.residual,
        integral_error=found.integral_error,
        n_trials=found.n_trials,
        n_violations=found.n_violations,
    )
    return Draws(
        posterior=_variables(design, problem, found, shape),
        sample_stats={
            "lp": Variable(SAMPLE_DIMS, found.log_density.reshape(shape)),
            "log_weight": Variable(SAMPLE_DIMS, found.log_weight.reshape(shape)),
        },
        coords=_coords(design),
    ), report


def _variables(
    design: Design, problem: Problem, found: Found, shape: tuple[int, int]
) -> dict[str, Variable]:
    """Return the draws as variables, with the names of their dimensions."""
    at = problem.values(found.x)
    values: dict[str, tuple[tuple[str, ...], Floats]] = {}
    if problem.p:
        values["beta"] = ("term",), problem.beta(at)
    for names in group_parameters(design):
        sds, correlation = reported_spread(problem, at.sds, at.factor)
        values["sigma_u"] = names.sigma_u.dims, sds if names.sigma_u.dims else sds[:, 0]
        if design.group_term.pairs:
            rows, columns = np.array(design.group_term.pairs).T
            values["rho_u"] = names.rho_u.dims, correlation[:, rows, columns]
        if found.u is not None:
            u = found.u[:, :, : problem.q]
            values["u"] = names.u.dims, u @ problem.to_effects.T
    for one in design.family.auxiliary:
        drawn = problem.thresholds(at) if one.dims else at.shape
        values[one.name] = one.dims, drawn
    variables = {
        name: Variable(SAMPLE_DIMS + dims, array.reshape(*shape, *array.shape[1:]))
        for name, (dims, array) in values.items()
    }
    if found.moments is not None:
        (names,) = group_parameters(design)
        mean, sd = _summary(problem, found.moments)
        variables["u_mean"] = Variable(names.u.dims, mean)
        variables["u_sd"] = Variable(names.u.dims, sd)
    return variables


def reported_spread(problem: Problem, sds: Floats, factor: Floats) -> tuple[Floats, Floats]:
    """Return sds (N, q) and correlations (N, q, q) of the effects as reported."""
    root = problem.to_effects @ (sds[:, :, None] * factor)
    norm = np.sqrt(np.square(root).sum(axis=2, keepdims=True))
    unit = root / np.maximum(norm, 1e-300)
    correlation: Floats = np.clip(unit @ unit.swapaxes(1, 2), -1.0, 1.0)
    return norm[:, :, 0], correlation


def _summary(problem: Problem, moments: Floats) -> tuple[Floats, Floats]:
    """Return means and sds (J, q) of the effects as reported, from moments (J, 5)."""
    q = problem.q
    mean = moments[:, :q]
    second = np.empty((len(moments), 2, 2))
    second[:, 0, 0], second[:, 1, 1] = moments[:, 2], moments[:, 4]
    second[:, 0, 1] = second[:, 1, 0] = moments[:, 3]
    covariance = second[:, :q, :q] - mean[:, :, None] * mean[:, None, :]
    covariance = problem.to_effects @ covariance @ problem.to_effects.T
    sd = np.sqrt(np.maximum(np.diagonal(covariance, axis1=1, axis2=2), 0.0))
    return mean @ problem.to_effects.T, sd


def _coords(design: Design) -> dict[str, np.ndarray]:
    coords = {"term": np.array(design.terms, dtype=str)}
    for names in group_parameters(design):
        coords |= {names.group: design.labels, names.effect: np.array(design.effects, dtype=str)}
        if design.group_term.pairs:
            coords[names.pair] = np.array(effect_pairs(design), dtype=str)
    if design.family.thresholds is not None:
        (dim,) = design.family.thresholds.dims
        coords[dim] = np.array(design.encoding.between_levels)
    return coords
