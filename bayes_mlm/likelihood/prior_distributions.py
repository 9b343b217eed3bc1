"""Prior distributions as SciPy has them: log-densities, and draws of every reported parameter.

The factories state some priors at the predictors' means (`bayes_mlm.likelihood.effect_centring`);
here as there the densities are of the parameters that have the priors, and the draws are
transformed to what is reported.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from bayes_mlm.base import EngineError, Floats
from bayes_mlm.design import Design
from bayes_mlm.likelihood.default_priors import ModelPriors
from bayes_mlm.likelihood.effect_centring import (
    design_transform,
    transform_spread,
)
from bayes_mlm.likelihood.free_variables import correlation_cholesky, free_transform
from bayes_mlm.likelihood.parameters import (
    GroupParameters,
    group_parameters,
    group_views,
    parameters_of,
)
from bayes_mlm.model import Prior

_HALF = (0.0, math.inf)
_LINE = (-math.inf, math.inf)

# Family -> SciPy's distribution, its arguments, and where it is cut.
type _Frozen = tuple[str, dict[str, float], tuple[float, float]]
_SCIPY: Mapping[str, Callable[[Prior], _Frozen]] = {
    "Normal": lambda p: ("norm", {"loc": p["mu"], "scale": p["sigma"]}, _LINE),
    "StudentT": lambda p: ("t", {"df": p["nu"], "loc": p["mu"], "scale": p["sigma"]}, _LINE),
    "Cauchy": lambda p: ("cauchy", {"loc": p["alpha"], "scale": p["beta"]}, _LINE),
    "HalfNormal": lambda p: ("norm", {"scale": p["sigma"]}, _HALF),
    "HalfStudentT": lambda p: ("t", {"df": p["nu"], "scale": p["sigma"]}, _HALF),
    "HalfCauchy": lambda p: ("cauchy", {"scale": p["beta"]}, _HALF),
    "Exponential": lambda p: ("expon", {"scale": 1.0 / p["lam"]}, _HALF),
    "Gamma": lambda p: ("gamma", {"a": p["alpha"], "scale": 1.0 / p["beta"]}, _HALF),
    "InverseGamma": lambda p: ("invgamma", {"a": p["alpha"], "scale": p["beta"]}, _HALF),
    "Uniform": lambda p: (
        "uniform",
        {"loc": p["lower"], "scale": p["upper"] - p["lower"]},
        _LINE,
    ),
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Distribution:
    """A prior, cut to where its parameter may lie.

    Parameters
    ----------
    frozen : scipy.stats frozen distribution
    lower, upper : float
        Where it is cut.
    """

    frozen: Any
    lower: float
    upper: float

    @property
    def _ends(self) -> tuple[float, float]:
        return float(self.frozen.cdf(self.lower)), float(self.frozen.cdf(self.upper))

    def log_density(self, values: Floats) -> Floats:
        """Return the log-density at values of any shape; minus infinity where it is cut off."""
        low, high = self._ends
        with np.errstate(divide="ignore"):
            inside = np.asarray(self.frozen.logpdf(values)) - math.log(high - low)
        return np.where((values >= self.lower) & (values <= self.upper), inside, -np.inf)

    def draw(self, rng: np.random.Generator, shape: int | tuple[int, ...]) -> Floats:
        """Draw values of a shape, by the inverse of the distribution function."""
        low, high = self._ends
        return np.asarray(self.frozen.ppf(low + (high - low) * rng.random(shape)))


def prior_distribution(
    prior: Prior, support: tuple[float, float] = (-math.inf, math.inf)
) -> Distribution | None:
    """Return a prior as a distribution on a support; None of `Flat`, which has no density.

    Raises
    ------
    EngineError
        If the family is not known here.

    Examples
    --------
    >>> half = prior_distribution(Prior("HalfNormal", (("sigma", 2.0),)))
    >>> float(half.log_density(np.array(1.0)).round(4))
    -1.0439
    """
    from scipy import stats

    if prior.family == "Flat":
        return None
    if prior.family not in _SCIPY:
        raise EngineError(f"the density of the prior {prior} is not known outside PyMC")
    name, arguments, cut = _SCIPY[prior.family](prior)
    frozen = getattr(stats, name)(**arguments)
    lower, upper = max(cut[0], support[0]), min(cut[1], support[1])
    return Distribution(frozen=frozen, lower=lower, upper=upper)


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
        of the whole matrix, and the others as they are. A flat prior counts as 0. The distribution
        of the group effects belongs to the model and is not among them.

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
        found["u"] = _density(priors.u, reported["u"])
    terms = zip(group_views(design), group_parameters(design), strict=True) if priors.groups else ()
    for place, (view, names) in enumerate(terms):
        own = priors.of_term(place)
        sds = reported[names.sigma_u.name]
        sds = sds if names.sigma_u.dims else sds[..., None]
        if own.rho_u is not None:
            back = np.linalg.inv(design_transform(view, own))
            sds, pairs = transform_spread(back, sds, reported[names.rho_u.name])
            found[names.rho_u.name] = _lkj_log_density(own.rho_u["eta"], view, pairs)
        density = _by_column(own.sigma_u, sds)
        found[names.sigma_u.name] = density if names.sigma_u.dims else density[..., 0]
    for name, prior, support in _of_residuals(design, priors):
        if isinstance(prior, tuple):
            found[name] = _by_column(prior, reported[name])
        else:
            found[name] = _density(prior, reported[name], support)
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
        free = np.column_stack([_draw(prior, rng, n_draws) for prior in priors.beta])
        found["beta"] = free @ free_transform(design).T
    if priors.u is not None:
        found["u"] = _draw(priors.u, rng, (n_draws, design.J, 1))
    terms = zip(group_views(design), group_parameters(design), strict=True) if priors.groups else ()
    for place, (view, names) in enumerate(terms):
        found |= _draw_effects(view, priors.of_term(place), names, rng, n_draws)
    for name, prior, support in _of_residuals(design, priors):
        if isinstance(prior, tuple):
            found[name] = np.column_stack([_draw(one, rng, n_draws) for one in prior])
        else:
            found[name] = _draw(prior, rng, n_draws, support)
    return found | _derived(design, found)


def _of_residuals(
    design: Design, priors: ModelPriors
) -> "list[tuple[str, Prior | tuple[Prior, ...], tuple[float, float]]]":
    """List the parameters of outcomes given the linear predictor: name, prior, support."""
    sds = [one for one in parameters_of(design).role("residual sd") if one.dims]
    found: list[tuple[str, Prior | tuple[Prior, ...], tuple[float, float]]] = [
        (one.name, priors.residual_sds, _HALF) for one in sds if priors.residual_sds
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
    sds = np.column_stack([_draw(prior, rng, n) for prior in priors.sigma_u])
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
    from scipy.special import betaln

    q = view.q
    factor = correlation_cholesky(view, pairs)
    diagonal = np.diagonal(factor, axis1=-2, axis2=-1)
    with np.errstate(divide="ignore"):
        log_det = 2.0 * np.log(diagonal).sum(axis=-1)
    k = np.arange(1, q)
    b = eta + 0.5 * (q - k - 1)
    constant = ((2.0 * eta - 2.0 + q - k) * (q - k) * math.log(2.0)).sum()
    constant += ((q - k) * betaln(b, b)).sum()
    return np.asarray((eta - 1.0) * log_det - constant)


def _density(
    prior: Prior, values: Floats, support: tuple[float, float] = (-math.inf, math.inf)
) -> Floats:
    found = prior_distribution(prior, support)
    return np.zeros(values.shape) if found is None else found.log_density(values)


def _by_column(priors: tuple[Prior, ...], values: Floats) -> Floats:
    columns = [_density(prior, values[..., k]) for k, prior in enumerate(priors)]
    return np.stack(columns, axis=-1)


def _draw(
    prior: Prior,
    rng: np.random.Generator,
    shape: int | tuple[int, ...],
    support: tuple[float, float] = (-math.inf, math.inf),
) -> Floats:
    found = prior_distribution(prior, support)
    assert found is not None  # for mypy: a flat prior was refused
    return found.draw(rng, shape)
