"""Log-densities of a model's priors at draws, and draws of every reported parameter from them.

The factories state some priors at the predictors' means (`bayes_mlm.likelihood.effect_centring`);
here as there the densities are of the parameters that have the priors, and the draws are
transformed to what is reported.
"""

import math
from collections.abc import Mapping

import numpy as np

from bayes_mlm.base import EngineError, Floats
from bayes_mlm.design import Design, column_moments
from bayes_mlm.likelihood.default_priors import ModelPriors
from bayes_mlm.likelihood.effect_centring import design_transform, transform_spread
from bayes_mlm.likelihood.free_variables import correlation_cholesky, free_transform
from bayes_mlm.likelihood.parameters import (
    GroupParameters,
    group_parameters,
    group_views,
    parameters_of,
)
from bayes_mlm.likelihood.prior_densities import draw_prior, log_density
from bayes_mlm.model import Prior

_POSITIVE = (0.0, math.inf)


def log_priors(
    design: Design, priors: ModelPriors, reported: Mapping[str, Floats]
) -> dict[str, Floats]:
    """Return the log-density of each prior at draws of the reported parameters.

    Parameters
    ----------
    design : Design
        Laid out for its kind.
    priors : ModelPriors
        In force.
    reported : mapping of str to ndarray
        Draws (..., k) of the parameters that have priors.

    Returns
    -------
    dict of str to ndarray
        By the parameter's name: ``beta`` (..., p), ``sigma_u`` (..., q) or (...), ``rho_u`` (...)
        of the whole matrix, and the others as they are. A flat prior
        counts as 0. The distribution of the group effects belongs to the model and is not among
        them.

    Examples
    --------
    >>> from bayes_mlm.design import build_design
    >>> from bayes_mlm.likelihood.default_priors import model_priors
    >>> design = build_design("y ~ x", {"y": [1.0, 2, 4], "x": [1.0, 2, 3]})
    >>> at = {"beta": np.array([-1.0, 1.5]), "sigma_e": np.array(1.0)}
    >>> found = log_priors(design, model_priors(design), at)
    >>> {name: one.shape for name, one in found.items()}
    {'beta': (2,), 'sigma_e': ()}
    """
    found: dict[str, Floats] = {}
    if design.p:
        free = reported["beta"]
        if design.has_intercept:
            free = free @ np.linalg.inv(free_transform(design)).T
        found["beta"] = _by_column(priors.beta, free)
    if priors.u is not None and "u" in reported:
        found["u"] = log_density(priors.u, reported["u"])
    terms = zip(group_views(design), group_parameters(design), strict=True) if priors.groups else ()
    for place, (view, names) in enumerate(terms):
        of_term = priors.of_term(place)
        sds = reported[names.sigma_u.name]
        sds = sds if names.sigma_u.dims else sds[..., None]
        if of_term.rho_u is not None:
            back = np.linalg.inv(design_transform(view, of_term))
            sds, pairs = transform_spread(back, sds, reported[names.rho_u.name])
            found[names.rho_u.name] = _lkj_log_density(of_term.rho_u["eta"], view, pairs)
        density = _by_column(of_term.sigma_u, sds)
        found[names.sigma_u.name] = density if names.sigma_u.dims else density[..., 0]
    for name, prior, support in _of_residuals(design, priors):
        if isinstance(prior, tuple):
            found[name] = _by_column(prior, reported[name])
        elif _are_thresholds(design, name):
            free = reported[name] - _at_means(design, reported)[..., None]
            # Of so many draws in increasing order: the constant in equal parts.
            order = math.lgamma(free.shape[-1] + 1.0) / free.shape[-1]
            found[name] = log_density(prior, free) + order
        else:
            found[name] = log_density(prior, reported[name], support)
    return found


def draw_priors(
    design: Design, priors: ModelPriors, n_draws: int, rng: np.random.Generator
) -> dict[str, Floats]:
    """Draw every reported parameter from its prior, group effects included.

    Parameters
    ----------
    design : Design
        Laid out for its kind.
    priors : ModelPriors
        In force.
    n_draws : int
        N.
    rng : numpy.random.Generator

    Returns
    -------
    dict of str to ndarray, shape (N, ...)
        ``beta``, ``sigma_u``, ``rho_u``, ``u``, ``sigma_e`` and the others the model has.

    Raises
    ------
    EngineError
        If a prior is flat, which has no draws.

    References
    ----------
    Lewandowski, Kurowicka & Joe (2009), Journal of Multivariate Analysis 100(9), sec. 2.4.

    Examples
    --------
    >>> from bayes_mlm.design import build_design
    >>> from bayes_mlm.likelihood.default_priors import model_priors
    >>> design = build_design("y ~ x", {"y": [1.0, 2, 4], "x": [1.0, 2, 3]})
    >>> drawn = draw_priors(design, model_priors(design), 5, np.random.default_rng(1))
    >>> {name: one.shape for name, one in drawn.items()}
    {'beta': (5, 2), 'sigma_e': (5,)}
    """
    improper = [name for name, one in priors.by_name(design).items() if not one.is_proper]
    if improper:
        raise EngineError(
            f"a flat prior ({', '.join(improper)}) has no draws; give a proper one, such as "
            "Normal(0, 10)"
        )
    found: dict[str, Floats] = {}
    if design.p:
        free = np.column_stack([draw_prior(prior, rng, n_draws) for prior in priors.beta])
        found["beta"] = free @ free_transform(design).T
    if priors.u is not None:
        found["u"] = draw_prior(priors.u, rng, (n_draws, design.J, 1))
    terms = zip(group_views(design), group_parameters(design), strict=True) if priors.groups else ()
    for place, (view, names) in enumerate(terms):
        found |= _draw_effects(view, priors.of_term(place), names, rng, n_draws)
    for name, prior, support in _of_residuals(design, priors):
        if isinstance(prior, tuple):
            found[name] = np.column_stack([draw_prior(one, rng, n_draws) for one in prior])
        elif _are_thresholds(design, name):
            size = (n_draws, len(design.encoding.between_levels))
            free = np.sort(draw_prior(prior, rng, size), axis=1)
            found[name] = free + _at_means(design, found)[..., None]
        else:
            found[name] = draw_prior(prior, rng, n_draws, support)
    return found | _derived(design, found)


def _are_thresholds(design: Design, name: str) -> bool:
    thresholds = design.family.thresholds
    return thresholds is not None and thresholds.name == name


def _at_means(design: Design, values: Mapping[str, Floats]) -> Floats:
    """Return the fixed part where the predictors are at their means, which thresholds refer to."""
    if not design.p:
        return np.zeros(())
    return np.asarray(values["beta"] @ column_moments(design).x_mean)


def _of_residuals(
    design: Design, priors: ModelPriors
) -> "list[tuple[str, Prior | tuple[Prior, ...], tuple[float, float]]]":
    """List the parameters of outcomes given the linear predictor: name, prior, support."""
    sds = [one for one in parameters_of(design).role("residual sd") if one.dims]
    found: list[tuple[str, Prior | tuple[Prior, ...], tuple[float, float]]] = [
        (one.name, priors.residual_sds, _POSITIVE) for one in sds if priors.residual_sds
    ]
    if priors.rho_e is not None:
        assert design.residual is not None  # for mypy: there is a prior of rho_e
        found.append(("rho_e", priors.rho_e, (design.residual.least_rho, 1.0)))
    replaced = design.family.residual_sd if priors.residual_sds else None
    return found + [
        (one.name, priors.auxiliary[one.name], one.support)
        for one in design.family.auxiliary
        if one.name != replaced
    ]


def _derived(design: Design, drawn: Mapping[str, Floats]) -> dict[str, Floats]:
    """Return what follows from the parameters: the sd over all rows, and the icc."""
    found: dict[str, Floats] = {}
    table, values = parameters_of(design), dict(drawn)
    for one in table.role("residual sd"):
        if one.name not in values:  # it follows from those by level
            assert design.residual is not None  # for mypy: there are levels
            by_level = next(sd for sd in table.role("residual sd") if sd.dims)
            share = design.residual.share
            found[one.name] = values[one.name] = np.sqrt(np.square(drawn[by_level.name]) @ share)
    if not table.role("derived"):
        return found
    (sigma_u,) = table.role("group sd")
    between = np.square(values[sigma_u.name])
    for sd, icc in zip(table.role("residual sd"), table.role("derived"), strict=True):
        within = np.square(values[sd.name])
        shared = between.reshape(between.shape + (1,) * (within.ndim - between.ndim))
        found[icc.name] = shared / (shared + within)
    return found


def _draw_effects(
    view: Design, priors: ModelPriors, names: GroupParameters, rng: np.random.Generator, n: int
) -> dict[str, Floats]:
    """Draw sigma_u, rho_u and u of one term, and transform them to what is reported."""
    q = view.q
    sds = np.column_stack([draw_prior(prior, rng, n) for prior in priors.sigma_u])
    transform = design_transform(view, priors)
    factor = np.broadcast_to(np.eye(q), (n, q, q))
    found: dict[str, Floats] = {}
    reported = sds
    if priors.rho_u is not None:
        pairs = _draw_lkj(priors.rho_u["eta"], q, rng, n)
        factor = correlation_cholesky(view, pairs)
        reported, found[names.rho_u.name] = transform_spread(transform, sds, pairs)
    found[names.sigma_u.name] = reported if names.sigma_u.dims else reported[:, 0]
    z = rng.standard_normal((n, view.J, q))
    scaled = np.einsum("nq,nqk,njk->njq", sds, factor, z)
    found[names.u.name] = scaled @ transform.T
    return found


def _draw_lkj(eta: float, q: int, rng: np.random.Generator, n: int) -> Floats:
    """Draw correlations (n, pairs) from LKJ: the partial ones of a C-vine are independent."""
    factor = np.zeros((n, q, q))
    factor[:, 0, 0] = 1.0
    for row in range(1, q):
        rest = np.ones(n)
        for column in range(row):
            b = eta + 0.5 * (q - 2 - column)
            partial = 2.0 * rng.beta(b, b, n) - 1.0
            factor[:, row, column] = partial * np.sqrt(rest)
            rest = rest * (1.0 - np.square(partial))
        factor[:, row, row] = np.sqrt(rest)
    lower, upper = np.triu_indices(q, k=1)
    return np.asarray((factor[:, lower] * factor[:, upper]).sum(axis=2))


def _lkj_log_density(eta: float, view: Design, pairs: Floats) -> Floats:
    """Return the log-density of correlations (..., pairs), of all together."""
    q = view.q
    factor = correlation_cholesky(view, pairs)
    diagonal = np.diagonal(factor, axis1=-2, axis2=-1)
    with np.errstate(divide="ignore"):
        log_det = 2.0 * np.log(diagonal).sum(axis=-1)
    constant = 0.0
    for k in range(1, q):
        b = eta + 0.5 * (q - k - 1)
        log_beta = 2.0 * math.lgamma(b) - math.lgamma(2.0 * b)
        constant += (q - k) * ((2.0 * eta - 2.0 + q - k) * math.log(2.0) + log_beta)
    return np.asarray((eta - 1.0) * log_det - constant)


def _by_column(priors: tuple[Prior, ...], values: Floats) -> Floats:
    columns = [log_density(prior, values[..., k]) for k, prior in enumerate(priors)]
    return np.stack(columns, axis=-1)
