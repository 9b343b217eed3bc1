"""Log-densities of priors and draws from them, cut to a support.

The usual families are in plain numpy: PyMC takes seconds to import, and SciPy's distributions
nearly as long (it is needed only where a Gamma prior is cut). The others are PyMC's.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from bayes_mlm.base import EngineError, Floats
from bayes_mlm.likelihood.pymc.prior_variables import draw_from_pymc, pymc_log_density
from bayes_mlm.model import Prior, is_within

# Rounds of rejection after which a prior lies elsewhere.
_MOST_ROUNDS = 1000
_LINE = (-math.inf, math.inf)


@dataclass(frozen=True, kw_only=True)
class Distribution:
    """A family of priors, as functions of a prior.

    Parameters
    ----------
    log_density : callable
        ``(prior, values)`` to the log-density inside the prior's support.
    draw : callable
        ``(prior, rng, shape)`` to draws.
    below : callable, optional
        ``(prior, value)`` to the probability of less, for priors that are cut.
    """

    log_density: Callable[[Prior, Floats], Floats]
    draw: Callable[[Prior, np.random.Generator, Any], Floats]
    below: Callable[[Prior, float], float] | None = None


def _normal(values: Floats, mu: float, sigma: float) -> Floats:
    z = (values - mu) / sigma
    return np.asarray(-0.5 * np.square(z) - math.log(sigma) - 0.5 * math.log(2.0 * math.pi))


def _student(values: Floats, nu: float, mu: float, sigma: float) -> Floats:
    constant = math.lgamma(0.5 * (nu + 1.0)) - math.lgamma(0.5 * nu)
    constant -= 0.5 * math.log(nu * math.pi) + math.log(sigma)
    return np.asarray(constant - 0.5 * (nu + 1.0) * np.log1p(((values - mu) / sigma) ** 2 / nu))


def _gamma_below(p: Prior, value: float) -> float:
    from scipy.special import gammainc

    return float(gammainc(p["alpha"], p["beta"] * value))


def _log_gamma(p: Prior, x: Floats) -> Floats:
    a, b = p["alpha"], p["beta"]
    return np.asarray(a * math.log(b) - math.lgamma(a) + (a - 1.0) * np.log(x) - b * x)


def _log_inverse_gamma(p: Prior, x: Floats) -> Floats:
    a, b = p["alpha"], p["beta"]
    return np.asarray(a * math.log(b) - math.lgamma(a) - (a + 1.0) * np.log(x) - b / x)


def _normal_below(p: Prior, value: float) -> float:
    return 0.5 * math.erfc((p["mu"] - value) / (p["sigma"] * math.sqrt(2.0)))


def _uniform_below(p: Prior, value: float) -> float:
    return min(max((value - p["lower"]) / (p["upper"] - p["lower"]), 0.0), 1.0)


_LOG_2 = math.log(2.0)
DISTRIBUTIONS: Mapping[str, Distribution] = {
    "Normal": Distribution(
        log_density=lambda p, x: _normal(x, p["mu"], p["sigma"]),
        draw=lambda p, rng, shape: rng.normal(p["mu"], p["sigma"], shape),
        below=_normal_below,
    ),
    "StudentT": Distribution(
        log_density=lambda p, x: _student(x, p["nu"], p["mu"], p["sigma"]),
        draw=lambda p, rng, shape: p["mu"] + p["sigma"] * rng.standard_t(p["nu"], shape),
    ),
    "Cauchy": Distribution(
        log_density=lambda p, x: _student(x, 1.0, p["alpha"], p["beta"]),
        draw=lambda p, rng, shape: p["alpha"] + p["beta"] * rng.standard_cauchy(shape),
    ),
    "HalfNormal": Distribution(
        log_density=lambda p, x: _LOG_2 + _normal(x, 0.0, p["sigma"]),
        draw=lambda p, rng, shape: np.abs(rng.normal(0.0, p["sigma"], shape)),
    ),
    "HalfStudentT": Distribution(
        log_density=lambda p, x: _LOG_2 + _student(x, p["nu"], 0.0, p["sigma"]),
        draw=lambda p, rng, shape: np.abs(p["sigma"] * rng.standard_t(p["nu"], shape)),
    ),
    "HalfCauchy": Distribution(
        log_density=lambda p, x: _LOG_2 + _student(x, 1.0, 0.0, p["beta"]),
        draw=lambda p, rng, shape: np.abs(p["beta"] * rng.standard_cauchy(shape)),
    ),
    "Exponential": Distribution(
        log_density=lambda p, x: math.log(p["lam"]) - p["lam"] * x,
        draw=lambda p, rng, shape: rng.exponential(1.0 / p["lam"], shape),
        below=lambda p, value: -math.expm1(-p["lam"] * value),
    ),
    "Gamma": Distribution(
        log_density=_log_gamma,
        draw=lambda p, rng, shape: rng.gamma(p["alpha"], 1.0 / p["beta"], shape),
        below=_gamma_below,
    ),
    "InverseGamma": Distribution(
        log_density=_log_inverse_gamma,
        draw=lambda p, rng, shape: p["beta"] / rng.standard_gamma(p["alpha"], shape),
    ),
    "Uniform": Distribution(
        log_density=lambda p, x: np.full(np.shape(x), -math.log(p["upper"] - p["lower"])),
        draw=lambda p, rng, shape: rng.uniform(p["lower"], p["upper"], shape),
        below=_uniform_below,
    ),
}


def _by_numpy(prior: Prior, support: tuple[float, float]) -> Distribution | None:
    """Return the functions of a family, if they are here; None if PyMC is needed."""
    found = DISTRIBUTIONS.get(prior.family)
    if found is None or (found.below is None and not is_within(prior.support, support)):
        return None
    return found


def log_density(prior: Prior, values: Floats, support: tuple[float, float] = _LINE) -> Floats:
    """Return the log-density of a prior, cut to a support, at values of any shape.

    Raises
    ------
    EngineError
        If next to none of the prior lies in the support.

    Examples
    --------
    >>> half = Prior("HalfNormal", (("sigma", 2.0),))
    >>> log_density(half, np.array([-1.0, 1.0])).round(4)
    array([   -inf, -1.0439])
    """
    if prior.family == "Flat":
        return np.zeros(np.shape(values))
    family = _by_numpy(prior, support)
    if family is None:
        return pymc_log_density(prior, values, support)
    lower, upper = max(prior.support[0], support[0]), min(prior.support[1], support[1])
    with np.errstate(divide="ignore", invalid="ignore"):
        found = family.log_density(prior, values) - _log_mass(prior, family, lower, upper)
    return np.where((values >= lower) & (values <= upper), found, -np.inf)


def _log_mass(prior: Prior, family: Distribution, lower: float, upper: float) -> float:
    """Return the log of the probability between the ends; 0 where nothing is cut off."""
    if (lower, upper) == prior.support:
        return 0.0
    assert family.below is not None  # for mypy: only such are cut here
    low = family.below(prior, lower) if math.isfinite(lower) else 0.0
    high = family.below(prior, upper) if math.isfinite(upper) else 1.0
    if not high > low:
        raise EngineError(f"the prior {prior} has almost no probability between {lower, upper}")
    return math.log(high - low)


def draw_prior(
    prior: Prior,
    rng: np.random.Generator,
    shape: int | tuple[int, ...],
    support: tuple[float, float] = _LINE,
) -> Floats:
    """Draw from a prior, cut to a support, by rejection.

    Raises
    ------
    EngineError
        If next to none of the prior lies in the support.
    """
    family = _by_numpy(prior, support)
    if family is None:
        return draw_from_pymc(prior, rng, shape, support)
    found = np.asarray(family.draw(prior, rng, shape))
    for _ in range(_MOST_ROUNDS):
        outside = ~((found >= support[0]) & (found <= support[1]))
        if not outside.any():
            return found
        found[outside] = family.draw(prior, rng, int(outside.sum()))
    raise EngineError(f"the prior {prior} has almost no probability between {support}")
