"""The Student-t family: heavier tails than the Gaussian; sigma_e is the sd, not the t's scale."""

import math
from typing import Any

import numpy as np

from bayes_mlm.base import Floats
from bayes_mlm.model.families.gaussian import RESIDUAL_SD, variance
from bayes_mlm.model.family import FAMILIES, Auxiliary, Family
from bayes_mlm.model.parameter import Parameter
from bayes_mlm.model.prior import Prior

# Residuals have a variance only above it.
LEAST_NU = 2.0


def _gamma(sd: float) -> Prior:  # noqa: ARG001  (degrees of freedom have no unit)
    """Return Juárez & Steel's (2010) prior: from heavy tails to all but normal ones."""
    return Prior("Gamma", (("alpha", 2.0), ("beta", 0.1)))


def _log_density(y: Floats, eta: Floats, aux: Auxiliary) -> Floats:
    from scipy.special import gammaln

    nu, sd = aux["nu"], aux["sigma_e"]
    constant = gammaln(0.5 * (nu + 1.0)) - gammaln(0.5 * nu) - 0.5 * np.log((nu - 2.0) * math.pi)
    tail = np.log1p(np.square((y - eta) / sd) / (nu - 2.0))
    return np.asarray(constant - 0.5 * (nu + 1.0) * tail - np.log(sd))


def _score(y: Floats, eta: Floats, aux: Auxiliary) -> tuple[Floats, Floats]:
    """Return derivative and weight of the EM step, which always moves towards the mode."""
    nu, sd = aux["nu"], aux["sigma_e"]
    weight = (nu + 1.0) / (nu - 2.0 + np.square((y - eta) / sd)) / np.square(sd)
    return (y - eta) * weight, weight


def _mixing(aux: Auxiliary, rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Draw factors of sd one that make a normal of sd 1 a Student-t of sd 1."""
    nu = aux["nu"]
    return np.asarray(np.sqrt((nu - 2.0) / (2.0 * rng.standard_gamma(0.5 * nu, size=shape))))


def _normal_scores(z: Floats, aux: Auxiliary) -> Floats:
    from scipy.special import ndtri, stdtr

    nu = aux["nu"]
    tail = stdtr(nu, -np.abs(z) * np.sqrt(nu / (nu - 2.0)))
    return np.asarray(np.sign(z) * -ndtri(np.maximum(tail, 1e-300)))


def _draw(eta: Floats, aux: Auxiliary, rng: np.random.Generator) -> Floats:
    noise = rng.standard_normal(eta.shape)
    noise *= _mixing(aux, rng, eta.shape)
    return np.asarray(eta + aux["sigma_e"] * noise)


def _observe(name: str, eta: Any, aux: Any, observed: Floats, dims: str) -> Any:
    import pymc as pm

    # The prior and the tables are about the sd; the scale of the t is smaller.
    scale = aux["sigma_e"] * (1.0 - 2.0 / aux["nu"]) ** 0.5
    return pm.StudentT(name, nu=aux["nu"], mu=eta, sigma=scale, observed=observed, dims=dims)


STUDENT_T = FAMILIES.register(
    "student_t",
    Family(
        name="student_t",
        label="Student-t",
        link="identity",
        auxiliary=(
            RESIDUAL_SD,
            Parameter(
                name="nu",
                role="auxiliary",
                support=(LEAST_NU, math.inf),
                default=_gamma,
                unit="degrees of freedom",
                note="ν: degrees of freedom of the residuals, whose sd is σ_e",
            ),
        ),
        log_density=_log_density,
        score=_score,
        variance=variance,
        draw=_draw,
        observe=_observe,
        normal_scores=_normal_scores,
        mixing=_mixing,
    ),
)
