"""Draws of a model with one grouping factor as named variables, with their dimensions."""

import numpy as np

from bayes_mlm.base import Floats
from bayes_mlm.design import Design
from bayes_mlm.engines.direct.density import Problem
from bayes_mlm.engines.direct.posterior import Variances
from bayes_mlm.engines.draws import SAMPLE_DIMS, Variable
from bayes_mlm.likelihood import effect_pairs, group_dim


def parameters_of_draws(
    design: Design, problem: Problem, at: Variances, beta: Floats
) -> dict[str, Floats]:
    """Return the draws (S, ...) of everything but the group effects, by name."""
    found: dict[str, Floats] = {}
    if design.p:
        found["beta"] = beta
    q = at.log_sigma_u.shape[1]
    if design.group_term.pairs:
        found["sigma_u"], correlation = at.reported(problem.effects_transform)
        rows, columns = np.array(design.group_term.pairs).T
        found["rho_u"] = correlation[:, rows, columns]
    elif q:
        sigma_u = np.exp(at.log_sigma_u)
        found["sigma_u"] = sigma_u[:, 0] if design.has_icc else sigma_u
    found["sigma_e"] = np.exp(at.log_sigma_e)
    if q and design.has_icc:
        with np.errstate(over="ignore"):  # an icc below 1e-308 is 0
            found["icc"] = 1.0 / (1.0 + np.exp(2.0 * (at.log_sigma_e - at.log_sigma_u[:, 0])))
    return found


def variable_of(design: Design, name: str, values: Floats, shape: tuple[int, int]) -> Variable:
    """Shape draws (S, ...) into chains, with the names of their dimensions."""
    if name in ("u_mean", "u_sd"):
        return Variable((group_dim(design), "effect"), values)
    dims: tuple[str, ...] = {
        "beta": ("term",),
        "u": (group_dim(design), "effect"),
        "rho_u": ("effect_pair",),
        "sigma_u": () if design.has_icc else ("effect",),
    }.get(name, ())
    return Variable(SAMPLE_DIMS + dims, values.reshape(*shape, *values.shape[1:]))


def coords_of(design: Design) -> dict[str, np.ndarray]:
    """Return the labels of the dimensions."""
    coords = {"term": np.array(design.terms, dtype=str)}
    if design.q:
        coords |= {group_dim(design): design.labels, "effect": np.array(design.effects, dtype=str)}
    if design.group_term.pairs:
        coords["effect_pair"] = np.array(effect_pairs(design), dtype=str)
    return coords
