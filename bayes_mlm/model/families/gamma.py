"""The gamma family: positive measurements whose sd is in proportion to their mean; log link."""

import math
from typing import Any

import numpy as np

from bayes_mlm.base import DataError, Floats, count
from bayes_mlm.model.families.negative_binomial import SHAPE
from bayes_mlm.model.families.poisson import exp, log_scale, smoothed_exp
from bayes_mlm.model.family import FAMILIES, Auxiliary, Family, Known


def _check_positive(y: Floats, _: Known) -> tuple[str, ...]:
    wrong = np.flatnonzero(y <= 0)
    if wrong.size:
        raise DataError(
            f"a gamma outcome is above 0, and {count(wrong.size, 'value')} of {y.size:,} are not "
            f"(first: {y[wrong[0]]:g}, row {wrong[0] + 1}); counts with zeros are "
            "family='poisson' or 'negative_binomial'"
        )
    if y.size and (y == y[0]).all():
        raise DataError(f"every outcome is {y[0]:g}: there is no variation to model")
    return ()


def _gamma_log_density(y: Floats, eta: Floats, aux: Auxiliary) -> Floats:
    from scipy.special import gammaln

    shape = aux["shape"]
    log_y = np.log(y)
    value = shape * (np.log(shape) - eta - exp(log_y - eta)) + (shape - 1.0) * log_y
    return np.asarray(value - gammaln(shape))


def _gamma_score(y: Floats, eta: Floats, aux: Auxiliary) -> tuple[Floats, Floats]:
    shape, share = aux["shape"], exp(np.log(y) - eta)
    # The information observed: the expected one, the shape, overshoots far from the mode.
    return np.asarray(shape * (share - 1.0)), np.asarray(shape * np.maximum(share, 1e-3))


def _gamma_draw(eta: Floats, aux: Auxiliary, rng: np.random.Generator) -> Floats:
    shape = np.broadcast_to(aux["shape"], eta.shape)
    return np.asarray(np.maximum(exp(eta) * rng.standard_gamma(shape) / shape, 1e-300))


def _observe_gamma(name: str, eta: Any, aux: Any, observed: Any, dims: str) -> Any:
    import pymc as pm

    shape = aux["shape"]
    return pm.Gamma(name, alpha=shape, beta=shape * pm.math.exp(-eta), observed=observed, dims=dims)


GAMMA = FAMILIES.register(
    "gamma",
    Family(
        name="gamma",
        label="gamma",
        link="log",
        auxiliary=(SHAPE,),
        log_density=_gamma_log_density,
        score=_gamma_score,
        variance=lambda eta, aux: np.asarray(np.square(exp(eta)) / aux["shape"]),
        draw=_gamma_draw,
        observe=_observe_gamma,
        inverse_link=exp,
        smoothed=smoothed_exp,
        mean_range=(0.0, math.inf),
        mean_name="expected outcome",
        scale=log_scale,
        ratio_name="mean ratio",
        check_response=_check_positive,
    ),
)
