"""The parts that the model factories share: coefficients, group effects, coordinates.

Every function here that makes variables is called inside ``with pymc.Model(...)``.
"""

from typing import TYPE_CHECKING, Any

import numpy as np

from bayes_mlm.base import UnsupportedModelError
from bayes_mlm.design import INTERCEPT, Design, column_moments
from bayes_mlm.likelihood.default_priors import ModelPriors
from bayes_mlm.likelihood.effect_centring import design_transform, hold_at_means
from bayes_mlm.likelihood.free_variables import free_transform, group_regressions
from bayes_mlm.likelihood.parameters import (
    GroupParameters,
    by_level,
    group_dim,
    group_parameters,
    group_views,
    outcome_variable,
    parameters_of,
    row_dim,
)
from bayes_mlm.likelihood.pymc.prior_variables import cut_variable, mixture, variable
from bayes_mlm.likelihood.pymc.series import autocorrelation, observe_series

if TYPE_CHECKING:
    from pytensor.tensor import TensorVariable

    from bayes_mlm.model import Prior


def data(name: str, values: Any, dims: tuple[str, ...]) -> "TensorVariable":
    """Make a container of data, which ``pymc.set_data`` can replace."""
    import pymc as pm

    return pm.Data(name, values, dims=dims)


def fixed_part(design: Design, beta: "TensorVariable") -> "TensorVariable":
    """Return ``X beta``, with `X` a container."""
    import pymc as pm

    return pm.math.dot(data("X", design.X, (row_dim(design), "term")), beta)


def group_part(design: Design, names: GroupParameters, u: "TensorVariable") -> "TensorVariable":
    """Return ``z'u`` of each row for one term, its columns and the groups' places containers."""
    of_row = u[data(names.variable("codes"), design.codes, ("obs",))]
    if design.effects == (INTERCEPT,):
        return of_row[:, 0]
    return (data(names.variable("Z"), design.Z, ("obs", names.effect)) * of_row).sum(axis=1)


def prefers_centred(design: Design) -> bool:
    """Decide from the data whether group effects are better sampled themselves (centred).

    Centred is better where the rows determine each group's effects well, non-centred where the
    prior determines them. The mean reliability of the least reliable effect, from moments, is
    compared with one half.

    Parameters
    ----------
    design : Design
        With group effects.

    Returns
    -------
    bool

    References
    ----------
    Papaspiliopoulos, Roberts & Sköld (2007), Statistical Science 22(1), sec. 4: the rate of either
    parametrisation depends on exactly this ratio.

    Examples
    --------
    >>> from bayes_mlm import build_design, load_dataset
    >>> hsb = load_dataset("hsb")
    >>> prefers_centred(build_design("mathach ~ ses + (1 | schoolid)", hsb))
    True
    >>> prefers_centred(build_design("mathach ~ ses + (ses | schoolid)", hsb))
    False
    """
    y = design.y_less_offset
    residual = y - design.X @ np.linalg.lstsq(design.X, y, rcond=None)[0]
    reliabilities = []
    for column in design.Z.T:
        # One effect at a time: the slope of the residuals on its column within each group.
        size = design.group_term.sums(column**2)
        cross = design.group_term.sums(column * residual)
        known = size > 0
        slopes = np.where(known, cross / np.where(known, size, 1.0), 0.0)
        sigma2 = np.sum((residual - column * design.group_term.by_row(slopes)) ** 2) / max(
            design.n - known.sum(), 1
        )
        noise = sigma2 / size[known]
        signal = max(float(np.mean(slopes[known] ** 2 - noise)), 0.0)
        reliabilities.append(float(np.mean(signal / (signal + noise))))
    return min(reliabilities) > 0.5


def group_effects(
    design: Design, priors: ModelPriors, names: GroupParameters, centred: bool
) -> "TensorVariable":
    """Make u (group, effect) of one term, with its sds and, if they may correlate, correlations."""
    import pymc as pm
    import pytensor.tensor as pt

    dims, u, z = names.u.dims, names.u.name, names.variable("z_")
    root = effect_root(design, priors, names)
    if not design.group_term.pairs:
        if centred:
            return pm.Normal(u, 0.0, root, dims=dims)
        return pm.Deterministic(u, root * pm.Normal(z, dims=dims), dims=dims)
    if not centred:
        free = pt.dot(pm.Normal(z, dims=dims), root.T)
        return _report_effects(design, priors, names, free)
    transformed = hold_at_means(design.effects, priors)
    free_name = names.variable("u_free_") if transformed else u
    free = pm.MvNormal(free_name, mu=np.zeros(design.q), chol=root, dims=dims)
    return _report_effects(design, priors, names, free) if transformed else free


def _report_effects(
    design: Design, priors: ModelPriors, names: GroupParameters, free: "TensorVariable"
) -> "TensorVariable":
    """Make u, the effects as reported, from the effects that have the priors."""
    import pymc as pm
    import pytensor.tensor as pt

    u = free
    if hold_at_means(design.effects, priors):
        place = design.effects.index(INTERCEPT)
        at_zero = (design_transform(design, priors)[place] * free).sum(axis=1)
        u = pt.set_subtensor(free[:, place], at_zero)
    return pm.Deterministic(names.u.name, u, dims=names.u.dims)


def group_coefficients(
    design: Design, priors: ModelPriors, names: GroupParameters, beta: "TensorVariable"
) -> "TensorVariable":
    """Make u (group, effect) by way of group-specific coefficients.

    The rows of a group determine the group-specific coefficients, ``u_j + B_j beta`` with the
    least-squares ``B_j = (Z_j'Z_j)^-1 Z_j'X_j``, and these do not depend on beta as u does. Which
    B is used changes no posterior: groups beyond those of the data take any of it.
    """
    import pymc as pm
    import pytensor.tensor as pt

    dims, root = names.u.dims, effect_root(design, priors, names)
    on_z = pt.as_tensor(group_regressions(design, priors).reshape(design.J, -1))
    places = pt.arange(pm.modelcontext(None).dim_lengths[names.group]) % design.J
    flat = pm.math.dot(on_z[places].reshape((-1, design.p)), beta)
    expected = flat.reshape((-1, design.q))
    if design.group_term.pairs:
        specific = pm.MvNormal("group_beta_", mu=expected, chol=root, dims=dims)
    else:
        specific = pm.Normal("group_beta_", expected, root, dims=dims)
    return _report_effects(design, priors, names, specific - expected)


def effect_root(design: Design, priors: ModelPriors, names: GroupParameters) -> "TensorVariable":
    """Make sigma_u and, if the effects may correlate, rho_u; return the root of their covariance.

    That is the sds themselves, a scalar or of shape (q,), for one effect or independent ones,
    else the lower Cholesky factor (q, q), of the effects that have the priors.
    """
    import pymc as pm
    import pytensor.tensor as pt
    from pymc.distributions.transforms import CholeskyCorrTransform

    sigma_u = names.sigma_u.name
    if not names.sigma_u.dims:
        return variable(sigma_u, priors.sigma_u, positive=True)
    if not design.group_term.pairs:
        return mixture(sigma_u, priors.sigma_u, positive=True, dims=names.effect)
    assert priors.rho_u is not None  # for mypy: model_priors gives one where effects correlate
    transformed = hold_at_means(design.effects, priors)
    free_name = names.variable("sigma_u_free_") if transformed else sigma_u
    sds = mixture(free_name, priors.sigma_u, positive=True, dims=names.effect)
    transform = CholeskyCorrTransform(n=design.q, upper=False)
    # PyMC takes a transformation's name off the variable's up to its last underscore only, and
    # finds no value of one named cholesky_corr (compute_log_likelihood, compute_log_prior).
    transform.name = "corr"
    factor = pm.LKJCorr(
        names.variable("rho_cholesky_"),
        n=design.q,
        eta=priors.rho_u["eta"],
        default_transform=transform,
    )
    lower, upper = np.triu_indices(design.q, k=1)
    unit = factor
    # Sums of products, not pt.dot: numba takes 20 s to compile its first matrix product.
    if transformed:
        place = design.effects.index(INTERCEPT)
        to_reported = design_transform(design, priors)[place]
        row = (to_reported[:, None] * sds[:, None] * factor).sum(axis=0)
        norm = (row**2).sum() ** 0.5
        pm.Deterministic(sigma_u, pt.set_subtensor(sds[place], norm), dims=names.effect)
        unit = pt.set_subtensor(factor[place], row / norm)
    pm.Deterministic(names.rho_u.name, (unit[lower] * unit[upper]).sum(axis=1), dims=names.pair)
    return sds[:, None] * factor


def coefficients(design: Design, priors: ModelPriors) -> "TensorVariable":
    """Return the coefficients; the intercept is sampled where the predictors are at their means.

    That is where its prior is stated, and it removes the correlation of intercept and slopes.
    """
    import pymc as pm
    import pytensor.tensor as pt

    if not design.has_intercept:
        return mixture("beta", priors.beta, dims="term")
    free = mixture("beta_free_", priors.beta, dims="term")
    place = design.terms.index(INTERCEPT)
    shifted = (free_transform(design)[place] * free).sum()
    return pm.Deterministic("beta", pt.set_subtensor(free[place], shifted), dims="term")


def residual_sd(design: Design, priors: ModelPriors) -> dict[str, "TensorVariable"]:
    """Make the residual sd of a family that has one, by name; empty for others.

    Where it differs by the levels of a factor there are one a level (dimension stratum), and
    the sd over all rows is the root of their mean variance.
    """
    import pymc as pm

    sd = next((one for one in design.family.auxiliary if one.role == "residual sd"), None)
    if sd is None:
        return {}
    if not priors.residual_sds:
        return {sd.name: variable(sd.name, (priors.auxiliary[sd.name],), positive=True)}
    assert design.residual is not None  # for mypy: there are priors of its sds
    name = by_level(sd).name
    sds = mixture(name, priors.residual_sds, positive=True, dims="stratum")
    return {sd.name: pm.Deterministic(sd.name, (design.residual.share * sds**2).sum() ** 0.5)}


def intraclass_correlation(design: Design) -> None:
    """Make icc, and icc_by of each stratum, if a random intercept is the only group effect."""
    import pymc as pm

    table, model = parameters_of(design), pm.modelcontext(None)
    if not table.role("derived"):
        return
    (sigma_u,) = table.role("group sd")
    variance = model[sigma_u.name] ** 2
    for sd, icc in zip(table.role("residual sd"), table.role("derived"), strict=True):
        shares = variance / (variance + model[sd.name] ** 2)
        pm.Deterministic(icc.name, shares, dims=icc.dims or None)


def observe(
    design: Design,
    priors: ModelPriors,
    eta: "TensorVariable",
    sd: dict[str, "TensorVariable"],
    *,
    mu: bool = False,
) -> None:
    """Make the family's further auxiliary parameters, and tie the model to the outcome.

    Parameters
    ----------
    design : Design
    priors : ModelPriors
    eta : variable
        Linear predictor without the offset, one a row.
    sd : mapping
        From `residual_sd`.
    mu : bool
        Whether to keep the linear predictor, with the offset, as a variable: `mu`.
    """
    import pymc as pm

    rows, aux, dim = design.residual, dict(sd), row_dim(design)
    if design.response.offset is not None:
        eta = eta + data("offset", design.offset, (dim,))
    if mu:
        eta = pm.Deterministic("mu", eta, dims=dim)
    observed = data("y_data", design.y, (dim,))
    if rows is not None and rows.levels:
        stratum = data("stratum_idx", rows.stratum, ("obs",))
        for one in parameters_of(design).role("residual sd"):
            if one.dims:
                aux[one.text] = pm.modelcontext(None)[one.name][stratum]
    if rows is not None and priors.rho_e is not None:  # of a Gaussian family
        (row_sd,) = aux.values()
        row_sd = row_sd if rows.levels else row_sd[None][rows.stratum]
        rho = autocorrelation(rows, priors.rho_e)
        observe_series(outcome_variable(design), rows, eta, row_sd, rho, observed)
        return
    for one in design.family.auxiliary:
        if one.name not in aux:
            prior = priors.auxiliary[one.name]
            aux[one.name] = (
                ordered_thresholds(design, one.name, prior)
                if one.dims
                else cut_variable(one.name, prior, one.support)
            )
    aux |= {name: data(name, known, (dim,)) for name, known in design.response.known.items()}
    design.family.observe(outcome_variable(design), eta, aux, observed, dim)


def ordered_thresholds(design: Design, name: str, prior: "Prior") -> "TensorVariable":
    """Make the thresholds, in increasing order; sampled where the predictors are at their means.

    That is where their prior is stated, as that of an intercept is. Given the prior of each they
    are the order statistics of so many draws, hence the constant.
    """
    import pymc as pm
    import pytensor.tensor as pt
    from scipy.special import gammaln

    names = design.encoding.between_levels
    (dim,) = design.family.thresholds.dims  # type: ignore[union-attr]  # they are made of it
    if prior.family != "Normal":
        raise UnsupportedModelError(f"thresholds have a Normal prior, found {prior}")
    spread = prior["sigma"] * np.linspace(-1.0, 1.0, len(names)) if len(names) > 1 else np.zeros(1)
    free = pm.Normal(
        f"{name}_free_",
        mu=prior["mu"],
        sigma=prior["sigma"],
        shape=len(names),
        transform=pm.distributions.transforms.ordered,
        initval=prior["mu"] + spread,
    )
    pm.Potential(f"{name}_order_", pt.as_tensor(gammaln(len(names) + 1.0)))
    beta = pm.modelcontext(None).named_vars.get("beta")
    means = column_moments(design).x_mean
    shift = 0.0 if beta is None or not design.p else (pt.as_tensor(means) * beta).sum()
    return pm.Deterministic(name, free + shift, dims=dim)


def coords(design: Design) -> dict[str, Any]:
    """Label every dimension with what the user calls it."""
    coords: dict[str, Any] = {"term": design.terms}
    if design.kind == "between":
        coords[group_dim(design)] = design.labels
    else:
        coords["obs"] = np.arange(design.n)
    for view, names in zip(group_views(design), group_parameters(design), strict=True):
        coords[names.group] = view.labels
        coords[names.effect] = view.effects
        if view.group_term.pairs:
            coords[names.pair] = effect_pairs(view)
    if design.residual is not None and design.residual.strata:
        coords["stratum"] = design.residual.strata
    if design.family.thresholds is not None:
        (dim,) = design.family.thresholds.dims
        coords[dim] = design.encoding.between_levels
    return coords


def effect_pairs(design: Design) -> tuple[str, ...]:
    """Return the names of the group effects' correlations: the upper triangle by rows.

    There are none where the effects are independent (``||``).

    Examples
    --------
    >>> from bayes_mlm import build_design, load_dataset
    >>> effect_pairs(build_design("mathach ~ ses + (ses | schoolid)", load_dataset("hsb")))
    ('Intercept,ses',)
    """
    return tuple(f"{design.effects[a]},{design.effects[b]}" for a, b in design.group_term.pairs)
