"""The negative binomial family: counts of more spread than Poisson; log link."""

import math
from typing import Any

import numpy as np

from bayes_mlm.base import Floats
from bayes_mlm.model.families.poisson import check_counts, exp, log_scale, smoothed_exp
from bayes_mlm.model.family import FAMILIES, Auxiliary, Family
from bayes_mlm.model.parameter import Parameter
from bayes_mlm.model.prior import Prior


def shape_prior(_: float) -> Prior:
    """Return the default prior of a shape or precision: little near 0, and a heavy upper tail."""
    return Prior("InverseGamma", (("alpha", 0.4), ("beta", 0.3)))


SHAPE = Parameter(
    name="shape",
    role="auxiliary",
    support=(0.0, math.inf),
    default=shape_prior,
    unit="shape",
    note="shape: of the outcome given its mean μ; the variance is μ + μ²/shape of negative "
    "binomial counts, μ²/shape of gamma outcomes",
)


def _negative_log_density(y: Floats, eta: Floats, aux: Auxiliary) -> Floats:
    from scipy.special import gammaln

    shape = aux["shape"]
    total = np.logaddexp(eta, np.log(shape))
    constant = gammaln(y + shape) - gammaln(shape) - gammaln(y + 1.0) + shape * np.log(shape)
    return np.asarray(constant + y * eta - (y + shape) * total)


def _negative_score(y: Floats, eta: Floats, aux: Auxiliary) -> tuple[Floats, Floats]:
    mean, shape = exp(eta), aux["shape"]
    part = shape / (mean + shape)
    return np.asarray((y - mean) * part), np.asarray(mean * part)


def _negative_variance(eta: Floats, aux: Auxiliary) -> Floats:
    mean = exp(eta)
    return np.asarray(mean + np.square(mean) / aux["shape"])


def _negative_draw(eta: Floats, aux: Auxiliary, rng: np.random.Generator) -> Floats:
    shape = np.broadcast_to(aux["shape"], eta.shape)
    return rng.poisson(exp(eta) * rng.standard_gamma(shape) / shape).astype(float)


def _observe_negative(name: str, eta: Any, aux: Any, observed: Any, dims: str) -> Any:
    import pymc as pm

    return pm.NegativeBinomial(
        name, mu=pm.math.exp(eta), alpha=aux["shape"], observed=observed.astype("int64"), dims=dims
    )


NEGATIVE_BINOMIAL = FAMILIES.register(
    "negative_binomial",
    Family(
        name="negative_binomial",
        label="negative binomial",
        link="log",
        auxiliary=(SHAPE,),
        log_density=_negative_log_density,
        score=_negative_score,
        variance=_negative_variance,
        draw=_negative_draw,
        observe=_observe_negative,
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
