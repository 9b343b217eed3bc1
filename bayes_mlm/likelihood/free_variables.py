"""Values of a model's free variables, computed from the parameters that are reported.

The factories sample some parameters in other coordinates, in variables whose names end in an
underscore. PyMC draws a free variable without draws from its prior, so the draws passed to PyMC
must contain all of them. The transformation of each is stated here once, for the models and for
the draws.
"""

from collections.abc import Mapping

import numpy as np

from bayes_mlm.base import Floats
from bayes_mlm.design import INTERCEPT, Design, column_moments
from bayes_mlm.likelihood.default_priors import ModelPriors
from bayes_mlm.likelihood.effect_centring import (
    at_means,
    design_transform,
    hold_at_means,
    transform_spread,
)
from bayes_mlm.likelihood.parameters import (
    GroupParameters,
    group_parameters,
    group_views,
    parameters_of,
)
from bayes_mlm.model import Prior


def free_values(
    design: Design, priors: ModelPriors, reported: Mapping[str, Floats]
) -> dict[str, Floats]:
    """Compute a factory's free variables from draws of the reported parameters.

    Parameters
    ----------
    design : Design
        Laid out for its kind.
    priors : ModelPriors
        In force.
    reported : mapping of str to ndarray
        ``beta``, ``u``, ``sigma_u``, ``rho_u``, ``sigma_e_by`` (those the model has), with any
        leading dimensions: ``beta`` (..., p), ``u`` (..., J, q).

    Returns
    -------
    dict of str to ndarray
        ``beta_free_`` (..., p), ``sigma_u_free_`` (..., q), ``rho_cholesky_`` (..., q, q),
        ``u_free_``, ``z_`` and ``group_beta_`` (..., J, q), where some parametrisation of the
        model has them and `reported` determines them, and the parts by family of prior of a
        vector (``sigma_uGamma_``).

    Examples
    --------
    >>> from bayes_mlm import build_design
    >>> from bayes_mlm.likelihood.default_priors import model_priors
    >>> design = build_design("y ~ x", {"y": [1.0, 2, 4], "x": [1.0, 2, 3]})
    >>> free_values(design, model_priors(design), {"beta": np.array([-1.0, 1.5])})
    {'beta_free_': array([2. , 1.5])}
    """
    found: dict[str, Floats] = {}
    if "beta" in reported:
        name, values = "beta", reported["beta"]
        if design.has_intercept:
            name, values = "beta_free_", values @ np.linalg.inv(free_transform(design)).T
            found[name] = values
        found |= _parts(name, priors.beta, values)
    for one in parameters_of(design).role("residual sd"):
        if one.dims and one.name in reported:
            found |= _parts(one.name, priors.residual_sds, reported[one.name])
    for place, names in enumerate(group_parameters(design)):
        if names.sigma_u.name in reported:
            view = group_views(design)[place]
            found |= _effect_values(view, priors.of_term(place), names, reported)
    return found


def free_dims(design: Design) -> dict[str, tuple[str, ...]]:
    """Return the dimensions of the free variables, where these have labels."""
    found: dict[str, tuple[str, ...]] = {"beta_free_": ("term",)}
    for names in group_parameters(design):
        found[names.variable("sigma_u_free_")] = (names.effect,)
        found |= {names.variable(name): names.u.dims for name in ("u_free_", "z_", "group_beta_")}
    return found


def _effect_values(
    design: Design, priors: ModelPriors, names: GroupParameters, reported: Mapping[str, Floats]
) -> dict[str, Floats]:
    sigma_u, sds = names.sigma_u.name, reported[names.sigma_u.name]
    sds = sds if names.sigma_u.dims else sds[..., None]
    factor = np.broadcast_to(np.eye(design.q), (*sds.shape, design.q))
    found: dict[str, Floats] = {}
    back = np.linalg.inv(design_transform(design, priors))
    if names.rho_u.name in reported:
        sds, rho_u = transform_spread(back, sds, reported[names.rho_u.name])
        factor = found[names.variable("rho_cholesky_")] = correlation_cholesky(design, rho_u)
    at_mean = hold_at_means(design.effects, priors)
    if at_mean:
        sigma_u = names.variable("sigma_u_free_")
        found[sigma_u] = sds
    found |= _parts(sigma_u, priors.sigma_u, sds)
    if names.u.name not in reported:
        return found

    def of_u(rows: Design) -> dict[str, Floats]:
        u = reported[names.u.name] @ back.T
        expected = reported["beta"] @ group_regressions(rows, priors).reshape(-1, rows.p).T
        free = {
            names.variable("z_"): _solve(factor, _divide(u, sds[..., None, :])),
            names.variable("group_beta_"): u + expected.reshape(u.shape),
        }
        return free | ({names.variable("u_free_"): u} if at_mean else {})

    return found | design.compute(of_u, lambda _: {})  # the model of moments has no u


def free_transform(design: Design) -> Floats:
    """Return the matrix (p, p) that transforms the coefficients as sampled to `beta`.

    The intercept is sampled where the predictors have their means over all rows.
    """
    transform: Floats = np.eye(design.p)
    if design.has_intercept:
        place = design.terms.index(INTERCEPT)
        transform[place] = -column_moments(design.whole).x_mean
        transform[place, place] = 1.0
    return transform


def group_regressions(design: Design, priors: ModelPriors) -> Floats:
    """Regress the columns of X on those of Z in each group, (J, q, p); 0 where Z does not vary.

    Z is that of the effects that have the priors.
    """
    p, products = design.p, at_means(design, priors).moments().products()
    zz, zx = products[:, p:-1, p:-1], products[:, p:-1, :p]
    found: Floats = np.linalg.pinv(zz, hermitian=True) @ zx
    return found


def family_places(name: str, priors: tuple[Prior, ...]) -> dict[str, list[int]]:
    """Return the names of the variables that make up a vector, with their places in it.

    One family of priors is one variable under the vector's name; several are one variable each, as
    are those of a family that are cut at different ends.

    Examples
    --------
    >>> normal, flat = Prior("Normal", (("mu", 0.0), ("sigma", 1.0))), Prior("Flat")
    >>> family_places("beta", (normal, flat, normal))
    {'betaFlat_': [1], 'betaNormal_': [0, 2]}
    """
    families = sorted({prior.variant for prior in priors})
    return {
        f"{name}{family}_" if len(families) > 1 else name: [
            place for place, prior in enumerate(priors) if prior.variant == family
        ]
        for family in families
    }


def _parts(name: str, priors: tuple[Prior, ...], values: Floats) -> dict[str, Floats]:
    places = family_places(name, priors)
    return {part: values[..., at] for part, at in places.items() if part != name}


def correlation_cholesky(design: Design, rho_u: Floats) -> Floats:
    """Factor the correlations (..., pairs) of group effects; lower factors (..., q, q).

    Correlations that round to a singular matrix have a factor too, with zeros on its diagonal.
    """
    q = design.q
    correlation = np.zeros((*rho_u.shape[:-1], q, q))
    for place, (a, b) in enumerate(design.group_term.pairs):
        correlation[..., b, a] = rho_u[..., place]
    factor = np.zeros_like(correlation)
    for row in range(q):
        for column in range(row):
            left = correlation[..., row, column] - (
                factor[..., row, :column] * factor[..., column, :column]
            ).sum(axis=-1)
            factor[..., row, column] = _divide(left, factor[..., column, column])
        left = 1.0 - np.square(factor[..., row, :row]).sum(axis=-1)
        factor[..., row, row] = np.sqrt(np.maximum(left, 0.0))
    return factor


def _solve(factor: Floats, values: Floats) -> Floats:
    """Solve lower factors (..., q, q) for each group's values (..., J, q)."""
    out = np.empty_like(values)
    for row in range(values.shape[-1]):
        known = (out[..., :row] * factor[..., None, row, :row]).sum(axis=-1)
        out[..., row] = _divide(values[..., row] - known, factor[..., None, row, row])
    return out


def _divide(values: Floats, by: Floats) -> Floats:
    """Divide; 0 by 0 is 0, a direction in which nothing varies."""
    by = np.broadcast_to(by, values.shape)
    return np.divide(values, by, out=np.zeros(values.shape), where=by > 0)
