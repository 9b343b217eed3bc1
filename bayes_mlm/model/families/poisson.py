"""The Poisson family: counts whose variance is their mean; log link."""

import math
from typing import Any

import numpy as np

from bayes_mlm.base import DataError, Floats, count
from bayes_mlm.model.family import FAMILIES, Auxiliary, Family, Known, alike

_LARGEST = 700.0


def exp(eta: Floats) -> Floats:
    """Return exp(eta), finite."""
    return np.exp(np.minimum(eta, _LARGEST))


def smoothed_exp(eta: Floats, variance: Floats) -> Floats:
    """Return the mean of exp() over a normal linear predictor."""
    return exp(eta + 0.5 * variance)


def log_scale(mean: float, _: float) -> tuple[float, float]:
    """Return the log of the mean, and 1: an effect of one is a factor of e."""
    return math.log(max(mean, 1e-3)), 1.0


def check_counts(y: Floats, known: Known) -> tuple[str, ...]:
    """Refuse what is no count."""
    wrong = np.flatnonzero((y < 0) | (y != np.floor(y)))
    if wrong.size:
        raise DataError(
            f"counts are 0, 1, 2, ..., and {count(wrong.size, 'value')} of {y.size:,} are not "
            f"(first: {y[wrong[0]]:g}, row {wrong[0] + 1}); give counts, with the exposure as "
            "offset(log(exposure)), or use family='gamma' for positive measurements"
        )
    return () if y.any() else alike(y, known)


def _poisson_log_density(y: Floats, eta: Floats, _: Auxiliary) -> Floats:
    from scipy.special import gammaln

    return np.asarray(y * eta - exp(eta) - gammaln(y + 1.0))


def _poisson_score(y: Floats, eta: Floats, _: Auxiliary) -> tuple[Floats, Floats]:
    mean = exp(eta)
    return y - mean, mean


def _observe_poisson(name: str, eta: Any, _: Any, observed: Any, dims: str) -> Any:
    import pymc as pm

    return pm.Poisson(name, mu=pm.math.exp(eta), observed=observed.astype("int64"), dims=dims)


POISSON = FAMILIES.register(
    "poisson",
    Family(
        name="poisson",
        label="Poisson",
        link="log",
        auxiliary=(),
        log_density=_poisson_log_density,
        score=_poisson_score,
        variance=lambda eta, _: exp(eta),
        draw=lambda eta, _, rng: rng.poisson(exp(eta)).astype(float),
        observe=_observe_poisson,
        inverse_link=exp,
        smoothed=smoothed_exp,
        mean_range=(0.0, math.inf),
        mean_name="expected count",
        scale=log_scale,
        ratio_name="rate ratio",
        counts=True,
        check_response=check_counts,
    ),
)
