"""The Gaussian family: y = eta + e, e ~ N(0, sigma_e²)."""

import math
from typing import Any

import numpy as np

from bayes_mlm.base import Floats
from bayes_mlm.model.family import FAMILIES, Auxiliary, Family
from bayes_mlm.model.parameter import Parameter, half_student_t

RESIDUAL_SD = Parameter(
    name="sigma_e", role="residual sd", support=(0.0, math.inf), default=half_student_t
)
_HALF_LOG_2PI = 0.5 * math.log(2.0 * math.pi)


def _log_density(y: Floats, eta: Floats, aux: Auxiliary) -> Floats:
    sd = aux["sigma_e"]
    return np.asarray(-0.5 * np.square((y - eta) / sd) - np.log(sd) - _HALF_LOG_2PI)


def _score(y: Floats, eta: Floats, aux: Auxiliary) -> tuple[Floats, Floats]:
    weight = np.broadcast_to(1.0 / np.square(aux["sigma_e"]), np.broadcast(y, eta).shape)
    return (y - eta) * weight, weight


def variance(eta: Floats, aux: Auxiliary) -> Floats:
    """Return the residual variance, in the shape of eta."""
    return np.square(aux["sigma_e"]) * np.ones_like(eta)


def _draw(eta: Floats, aux: Auxiliary, rng: np.random.Generator) -> Floats:
    return np.asarray(eta + aux["sigma_e"] * rng.standard_normal(eta.shape))


def _observe(name: str, eta: Any, aux: Any, observed: Floats, dims: str) -> Any:
    import pymc as pm

    return pm.Normal(name, mu=eta, sigma=aux["sigma_e"], observed=observed, dims=dims)


GAUSSIAN = FAMILIES.register(
    "gaussian",
    Family(
        name="gaussian",
        label="Gaussian",
        link="identity",
        auxiliary=(RESIDUAL_SD,),
        log_density=_log_density,
        score=_score,
        variance=variance,
        draw=_draw,
        observe=_observe,
        gaussian_moments=True,
    ),
)
