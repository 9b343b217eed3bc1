"""PyMC models of designs: without group effects, with them, and with them integrated out."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, get_args

from bayes_mlm.base import EngineError, check_choice
from bayes_mlm.design import Design
from bayes_mlm.likelihood.default_priors import ModelPriors, model_priors
from bayes_mlm.likelihood.effect_centring import at_means
from bayes_mlm.likelihood.parameters import (
    group_dim,
    group_parameters,
    group_views,
    outcome_variable,
)
from bayes_mlm.likelihood.pymc.marginal import cross_products, observe_marginally
from bayes_mlm.likelihood.pymc.parts import (
    coefficients,
    coords,
    effect_root,
    fixed_part,
    group_coefficients,
    group_effects,
    group_part,
    intraclass_correlation,
    observe,
    prefers_centred,
    residual_sd,
)

if TYPE_CHECKING:
    import pymc as pm

type Priors = Mapping[str, Any] | ModelPriors | None
LikelihoodForm = Literal["conditional", "marginal"]


def regression(design: Design, priors: Priors, *, mu: bool = False) -> "pm.Model":
    """Build the model of a design without group effects."""
    import pymc as pm

    chosen = model_priors(design, priors)
    with pm.Model(coords=coords(design)) as model:
        eta = fixed_part(design, coefficients(design, chosen))
        observe(design, chosen, eta, residual_sd(design, chosen), mu=mu)
    return model


def multilevel(
    design: Design,
    priors: Priors,
    centred: bool | None,
    likelihood: LikelihoodForm,
    *,
    mu: bool = False,
) -> "pm.Model":
    """Build the model of a design with group effects that have a distribution."""
    import pymc as pm

    check_choice("likelihood", likelihood, get_args(LikelihoodForm))
    chosen = model_priors(design, priors)
    if likelihood == "marginal":
        if mu:
            raise EngineError(
                "the marginal likelihood has no linear predictor by row; omit mu, or use "
                'likelihood="conditional"'
            )
        return _marginal(design, chosen, centred)
    views, names = group_views(design), group_parameters(design)
    additive = design.family.is_additive
    with pm.Model(coords=coords(design)) as model:
        beta = coefficients(design, chosen)
        sd = residual_sd(design, chosen)
        informed = [
            centred is None and additive and prefers_centred(at_means(view, chosen.of_term(place)))
            for place, view in enumerate(views)
        ]
        eta = fixed_part(design, beta)
        for place, (view, group) in enumerate(zip(views, names, strict=True)):
            term_priors = chosen.of_term(place)
            if informed == [True]:
                u = group_coefficients(view, term_priors, group, beta)
            else:
                effects_centred = bool(centred) or informed[place]
                u = group_effects(view, term_priors, group, centred=effects_centred)
            eta = eta + group_part(view, group, u)
        intraclass_correlation(design)
        observe(design, chosen, eta, sd, mu=mu)
    return model


def _marginal(design: Design, priors: ModelPriors, centred: bool | None) -> "pm.Model":
    import pymc as pm

    if design.residual is not None:
        raise EngineError(
            f"the marginal likelihood is that of independent normal residuals of one sd, and the "
            f"design has {design.errors}; omit likelihood"
        )
    if centred is not None:
        raise EngineError(
            "the marginal likelihood has no group effects to be centred; omit centred, or "
            'use likelihood="conditional"'
        )
    if len(group_views(design)) > 1:
        raise EngineError(
            "the marginal likelihood is that of one term of group effects, and the formula has "
            f"{len(group_views(design))}; omit likelihood, or use fit(..., engine='direct'), which "
            "integrates the effects of all of them out"
        )
    without = (group_dim(design), "obs")
    named = {dim: labels for dim, labels in coords(design).items() if dim not in without}
    data = cross_products(design, priors)
    (group,) = group_parameters(design)
    with pm.Model(coords=named) as model:
        beta = coefficients(design, priors)
        free = model["beta_free_"] if design.has_intercept else beta
        (sd,) = residual_sd(design, priors).values()
        root = effect_root(design, priors, group)
        intraclass_correlation(design)
        observe_marginally(outcome_variable(design), data, free, root, sd)
    return model
