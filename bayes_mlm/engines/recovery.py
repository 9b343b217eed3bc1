"""Exact draws of the group effects of a marginal model, conditional on its draws."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from bayes_mlm.base import EngineError, Floats, Ints, Stream, stream
from bayes_mlm.design import Design
from bayes_mlm.engines.direct.effects import (
    MAX_EFFECTS,
    Conditions,
    draw_effects,
    summarise_effects,
)
from bayes_mlm.engines.direct.quadratic import Kernel
from bayes_mlm.engines.draws import SAMPLE_DIMS, Draws, Variable
from bayes_mlm.likelihood import group_dim
from bayes_mlm.moments import RotatedMoments, rotate_moments

# Draws of the variance parameters that moments of effects are averaged over; these give an error
# of a hundredth of an effect's sd in its mean.
_DRAWS = 400


def recover_effects(
    design: Design, draws: Draws, random_seed: int, *, max_effects: int = MAX_EFFECTS
) -> Draws:
    """Return draws with those of the group effects added.

    A draw of u given each draw of the other parameters is a draw of u from the joint posterior.

    Parameters
    ----------
    design : Design
        With group effects, laid out for its kind.
    draws : Draws
        Of ``beta``, ``sigma_u``, ``sigma_e`` and, if the effects may correlate, ``rho_u``.
    random_seed : int
        That of the fit; the stream is another than the sampler's.
    max_effects : int
        Above this many numbers the posterior means and sds are stored instead of the draws, as
        ``u_mean`` and ``u_sd`` (group, effect).

    Returns
    -------
    Draws
        With ``u`` (chain, draw, group, effect).

    References
    ----------
    Gelman et al. (2013), Bayesian Data Analysis, 3rd ed., sec. 5.4: drawing from p(phi | y), then
    from p(theta | phi, y).
    """
    reduced = rotate_moments(design.moments())
    kernel, conditions = Kernel(reduced=reduced), conditions_of(design, draws)
    n_draws = len(conditions.sigma_e)
    dims = (group_dim(design), "effect")
    if n_draws * design.J * design.q > max_effects:
        summary = summarise_effects(reduced, kernel, conditions)
        found = {"u_mean": Variable(dims, summary.mean), "u_sd": Variable(dims, summary.sd)}
    else:
        rng = stream(random_seed, Stream.GROUP_EFFECTS)
        u = draw_effects(reduced, kernel, conditions, rng)
        shape = (draws.n_chains, draws.n_draws, design.J, design.q)
        found = {"u": Variable(SAMPLE_DIMS + dims, u.reshape(shape))}
    labels = {group_dim(design): design.labels, "effect": np.array(design.effects, dtype=object)}
    return replace(draws, posterior={**draws.posterior, **found}, coords={**draws.coords, **labels})


def effects_of_groups(
    design: Design, draws: Draws, rng: np.random.Generator
) -> Callable[[Ints], Floats]:
    """Return what draws the effects of some groups: those stored, or else recovered.

    Given the other parameters the groups are independent, so that no other group's rows are
    needed where the draws of all of them would have been too many to keep.

    Parameters
    ----------
    design : Design
        With group effects that are drawn from a distribution.
    draws : Draws
    rng : numpy.random.Generator

    Returns
    -------
    callable
        Takes (G,) indices into the design's labels and gives (S, G, q) draws, chains joined.
    """
    if "u" in draws.posterior:
        u = draws["u"].reshape(-1, design.J, design.q)
        return lambda places: u[:, places]
    if design.crossed is not None or design.imputations:
        raise EngineError(
            f"the draws of the effects of {design.group} were too many to keep, and only their "
            "means and sds are there; use engine='reml', or draw fewer (draws, --draws)"
        )
    reduced = rotate_moments(design.moments())
    kernel, conditions = Kernel(reduced=reduced), conditions_of(design, draws)

    def recover(places: Ints) -> Floats:
        some = replace(
            reduced,
            c=reduced.c[places],
            of_group=reduced.of_group[places],
            labels=reduced.labels[places],
        )
        return draw_effects(some, kernel, conditions, rng)

    return recover


def with_effects_of(design: Design, draws: Draws, places: Ints, rng: np.random.Generator) -> Draws:
    """Return draws with the effects of some groups, drawn again where they were summarised."""
    if not design.q:
        return draws
    shape = (draws.n_chains, draws.n_draws, places.size, design.q)
    known = {k: v for k, v in draws.posterior.items() if k not in ("u", "u_mean", "u_sd")}
    if "u" in draws.posterior:
        u = draws["u"][:, :, places]
    else:
        u = effects_of_groups(design, draws, rng)(places).reshape(shape)
    dim = group_dim(design)
    known["u"] = Variable((*SAMPLE_DIMS, dim, "effect"), u)
    coords = {**draws.coords, dim: design.labels[places]}
    return replace(draws, posterior=known, coords=coords)


def effect_moments(design: Design, draws: Draws) -> Callable[[Ints], tuple[Floats, Floats]]:
    """Return what computes the means and sds of the effects of some groups, drawing nothing.

    Parameters
    ----------
    design : Design
        With group effects that are drawn from a distribution.
    draws : Draws

    Returns
    -------
    callable
        Takes (G,) indices into the design's labels and gives two arrays (G, q).

    Raises
    ------
    EngineError
        If the residuals are not normal, or have a structure.
    """
    if design.residual is not None or not design.family.gaussian_moments:
        raise EngineError(
            f"the group effects of '{design.formula}' have no closed form, as its residuals "
            "are not independent and normal; fit it without a residual structure, or use "
            "group_lines"
        )
    reduced = rotate_moments(design.moments())
    conditions = conditions_of(design, draws)
    chosen = np.unique(np.linspace(0, len(conditions.sigma_e) - 1, _DRAWS).astype(int))
    conditions = replace(
        conditions,
        beta=conditions.beta[chosen],
        root=conditions.root[chosen],
        sigma_e=conditions.sigma_e[chosen],
    )

    def moments(places: Ints) -> tuple[Floats, Floats]:
        part = _some(reduced, places)
        found = summarise_effects(part, Kernel(reduced=part), conditions)
        return found.mean, found.sd

    return moments


def conditions_of(design: Design, draws: Draws) -> Conditions:
    """Return what the group effects are conditional on, chains joined."""
    sigma_e = draws["sigma_e"].ravel()
    return Conditions(
        beta=draws["beta"].reshape(sigma_e.size, design.p),
        root=effects_root(draws) / sigma_e[:, None, None],
        sigma_e=sigma_e,
    )


def effects_root(draws: Draws) -> Floats:
    """Return a root (S, q, q) of the covariance of the group effects at each draw."""
    sds, correlation = _spread(draws)
    # Not Cholesky's: a correlation that rounds to one must not end the fit.
    values, vectors = np.linalg.eigh(correlation)
    root: Floats = sds[:, :, None] * vectors * np.sqrt(np.maximum(values, 0.0))[:, None, :]
    return root


def effects_covariance(draws: Draws) -> Floats:
    """Return the covariance (S, q, q) of the group effects at each draw."""
    sds, correlation = _spread(draws)
    return correlation * sds[:, :, None] * sds[:, None, :]


def _spread(draws: Draws) -> tuple[Floats, Floats]:
    """Return the sds (S, q) and the correlation matrices (S, q, q) of the group effects."""
    sds = draws["sigma_u"].reshape(draws.n_chains * draws.n_draws, -1)
    n_draws, q = sds.shape
    correlation = np.broadcast_to(np.eye(q), (n_draws, q, q)).copy()
    if "rho_u" in draws.posterior:
        lower, upper = np.triu_indices(q, k=1)
        correlation[:, lower, upper] = draws["rho_u"].reshape(n_draws, -1)
        correlation[:, upper, lower] = correlation[:, lower, upper]
    return sds, correlation


def _some(reduced: RotatedMoments, places: Ints) -> RotatedMoments:
    """Select some groups, and the classes that they are of."""
    classes, of_group = np.unique(reduced.of_group[places], return_inverse=True)
    return replace(
        reduced,
        r=reduced.r[classes],
        size=np.bincount(of_group).astype(float),
        of_group=of_group,
        c=reduced.c[places],
        labels=reduced.labels[places],
    )
