"""Ordered categories: P(y <= k) = F(threshold_k - eta), with the thresholds for an intercept.

References
----------
McCullagh (1980), JRSS B 42(2), sec. 2; Pratt (1981), JASA 76(373): the log-likelihood is concave.
"""

import math
from functools import partial
from typing import Any

import numpy as np

from bayes_mlm.base import DataError, Floats
from bayes_mlm.model.family import FAMILIES, Auxiliary, Family, Known
from bayes_mlm.model.links import LINKS, Link
from bayes_mlm.model.parameter import Parameter
from bayes_mlm.model.prior import Prior


def _threshold_prior(sd: float) -> Prior:
    return Prior("Normal", (("mu", 0.0), ("sigma", 2.5 * sd)))


THRESHOLD = Parameter(
    name="threshold",
    role="auxiliary",
    dims=("threshold_between",),
    default=_threshold_prior,
    note="threshold[a|b]: of the latent outcome, between category a and the next",
)


def _ends(y: Floats, eta: Floats, aux: Auxiliary) -> tuple[Floats, Floats]:
    """Return the thresholds below and above each outcome, less eta; infinite at the ends."""
    inner = np.asarray(aux["threshold"])
    inner = inner if inner.ndim > 1 else inner[None]
    side = np.full((*inner.shape[:-1], 1), math.inf)
    padded = np.concatenate([-side, inner, side], axis=-1)
    place = np.asarray(y, dtype=np.int64)
    below, above = (np.take(padded, at, axis=-1)[..., 0, :] for at in (place, place + 1))
    return below - eta, above - eta


def _log_between(link: Link, below: Floats, above: Floats) -> Floats:
    """Return log(F(above) - F(below)), in the tail that loses no digits."""
    upper = below > 0
    first = np.where(upper, link.log_tails(below)[1], link.log_tails(above)[0])
    second = np.where(upper, link.log_tails(above)[1], link.log_tails(below)[0])
    with np.errstate(divide="ignore", invalid="ignore"):
        gap = np.where(np.isneginf(second), -math.inf, second - first)
        return np.asarray(first + np.log(-np.expm1(np.minimum(gap, 0.0))))


def _slopes(link: Link, at: Floats) -> tuple[Floats, Floats]:
    """Return log F' and F''/F', which count for nothing where a threshold is infinite."""
    inside = np.isfinite(at)
    safe = np.where(inside, at, 0.0)
    return np.where(inside, link.log_slope(safe), -math.inf), np.where(
        inside, link.slope_ratio(safe), 0.0
    )


def _family(link: Link) -> Family:
    def log_density(y: Floats, eta: Floats, aux: Auxiliary) -> Floats:
        return _log_between(link, *_ends(y, eta, aux))

    def score(y: Floats, eta: Floats, aux: Auxiliary) -> tuple[Floats, Floats]:
        below, above = _ends(y, eta, aux)
        level = _log_between(link, below, above)
        (low, low_ratio), (high, high_ratio) = _slopes(link, below), _slopes(link, above)
        lower, upper = np.exp(low - level), np.exp(high - level)
        uphill = lower - upper
        observed = np.square(uphill) - (upper * high_ratio - lower * low_ratio)
        return np.asarray(uphill), np.asarray(np.maximum(observed, 1e-10))

    def chances(eta: Floats, aux: Auxiliary) -> Floats:
        """Return the probability of each category, shape (..., n, K)."""
        inner = np.asarray(aux["threshold"])
        inner = inner if inner.ndim > 1 else inner[None]
        below = link.inverse(inner - np.asarray(eta)[..., None])
        padded = np.concatenate(
            [np.zeros((*below.shape[:-1], 1)), below, np.ones((*below.shape[:-1], 1))], axis=-1
        )
        return np.diff(padded, axis=-1)

    def mean(eta: Floats, aux: Auxiliary) -> Floats:
        found = chances(eta, aux)
        return np.asarray(found @ np.arange(found.shape[-1]))

    def variance(eta: Floats, aux: Auxiliary) -> Floats:
        found = chances(eta, aux)
        places = np.arange(found.shape[-1])
        return np.asarray(found @ np.square(places) - np.square(found @ places))

    def draw(eta: Floats, aux: Auxiliary, rng: np.random.Generator) -> Floats:
        below = np.cumsum(chances(eta, aux), axis=-1)[..., :-1]
        return (rng.random(eta.shape)[..., None] > below).sum(axis=-1).astype(float)

    def observe(name: str, eta: Any, aux: Any, observed: Any, dims: str) -> Any:
        import pymc as pm

        kinds = {"logit": pm.OrderedLogistic, "probit": pm.OrderedProbit}
        found = kinds[link.name]
        cut, whole = aux["threshold"], observed.astype("int64")
        return found(name, eta=eta, cutpoints=cut, observed=whole, dims=dims, compute_p=False)

    return Family(
        name="cumulative",
        label="cumulative",
        link=link.name,
        auxiliary=(THRESHOLD,),
        log_density=log_density,
        score=score,
        variance=variance,
        draw=draw,
        observe=observe,
        inverse_link=link.inverse,
        mean=mean,
        smoothed=link.smoothed,
        mean_range=(0.0, 1.0),
        mean_name="probability",
        chances=chances,
        scale=lambda *_: (0.0, link.latent_variance**0.5),
        check_response=_check_categories,
        outcome="ordered levels",
        latent_variance=link.latent_variance,
        ratio_name=link.ratio_name,
        links={one: partial(_family, LINKS[one]) for one in ("logit", "probit")},
    )


def _check_categories(y: Floats, _: Known) -> tuple[str, ...]:
    if np.unique(y).size == 2:
        return ("the outcome has two categories: family='bernoulli' is the same model",)
    if np.unique(y).size < 2:
        raise DataError("ordered categories need two or more that have rows")
    return ()


CUMULATIVE = FAMILIES.register("cumulative", _family(LINKS["logit"]))
