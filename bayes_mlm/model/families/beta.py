"""The beta family: shares between 0 and 1; logit link."""

import math
from typing import Any

import numpy as np

from bayes_mlm.base import DataError, Floats, count
from bayes_mlm.model.families.negative_binomial import shape_prior
from bayes_mlm.model.family import FAMILIES, Auxiliary, Family, Known
from bayes_mlm.model.links import LINKS
from bayes_mlm.model.parameter import Parameter

_LOGIT = LINKS["logit"]
_LEAST = 1e-12


def _check_shares(y: Floats, _: Known) -> tuple[str, ...]:
    wrong = np.flatnonzero((y <= 0) | (y >= 1))
    if wrong.size:
        raise DataError(
            f"a beta outcome lies between 0 and 1, ends excluded, and "
            f"{count(wrong.size, 'value')} of {y.size:,} do not (first: {y[wrong[0]]:g}, row "
            f"{wrong[0] + 1}); shares of a count are family='binomial' with '| trials(n)'"
        )
    if y.size and (y == y[0]).all():
        raise DataError(f"every outcome is {y[0]:g}: there is no variation to model")
    return ()


def _beta_parts(eta: Floats, aux: Auxiliary) -> tuple[Floats, Floats, Floats]:
    """Return the two parameters of the beta distribution, and the derivative of its mean."""
    happens, fails = _LOGIT.log_tails(eta)
    precision = aux["precision"]
    # Kept above 0, where the log-density is flat.
    first = np.maximum(precision * np.exp(happens), _LEAST)
    second = np.maximum(precision * np.exp(fails), _LEAST)
    return first, second, precision * np.exp(happens + fails)


def _beta_log_density(y: Floats, eta: Floats, aux: Auxiliary) -> Floats:
    from scipy.special import betaln

    first, second, _ = _beta_parts(eta, aux)
    return np.asarray(
        (first - 1.0) * np.log(y) + (second - 1.0) * np.log1p(-y) - betaln(first, second)
    )


def _beta_score(y: Floats, eta: Floats, aux: Auxiliary) -> tuple[Floats, Floats]:
    from scipy.special import digamma, polygamma

    first, second, slope = _beta_parts(eta, aux)
    uphill = np.log(y) - np.log1p(-y) - digamma(first) + digamma(second)
    weight = np.square(slope) * (polygamma(1, first) + polygamma(1, second))
    return np.asarray(slope * uphill), np.asarray(np.maximum(weight, _LEAST))


def _beta_variance(eta: Floats, aux: Auxiliary) -> Floats:
    happens, fails = _LOGIT.log_tails(eta)
    return np.asarray(np.exp(happens + fails) / (1.0 + aux["precision"]))


def _beta_draw(eta: Floats, aux: Auxiliary, rng: np.random.Generator) -> Floats:
    first, second, _ = _beta_parts(eta, aux)
    return np.asarray(np.clip(rng.beta(first, second), 1e-15, 1.0 - 1e-15))


def _observe_beta(name: str, eta: Any, aux: Any, observed: Any, dims: str) -> Any:
    import pymc as pm

    mean, precision = pm.math.sigmoid(eta), aux["precision"]
    return pm.Beta(
        name, alpha=mean * precision, beta=(1.0 - mean) * precision, observed=observed, dims=dims
    )


def _beta_scale(mean: float, _: float) -> tuple[float, float]:
    return _LOGIT.function(min(max(mean, 0.01), 0.99)), 1.0


BETA = FAMILIES.register(
    "beta",
    Family(
        name="beta",
        label="beta",
        link="logit",
        auxiliary=(
            Parameter(
                name="precision",
                role="auxiliary",
                support=(0.0, math.inf),
                default=shape_prior,
                unit="precision",
                note="precision: the variance of the outcome given its mean μ is "
                "μ(1 − μ)/(1 + precision)",
            ),
        ),
        log_density=_beta_log_density,
        score=_beta_score,
        variance=_beta_variance,
        draw=_beta_draw,
        observe=_observe_beta,
        inverse_link=_LOGIT.inverse,
        mean_range=(0.0, 1.0),
        mean_name="expected share",
        scale=_beta_scale,
        ratio_name="odds ratio",
        check_response=_check_shares,
    ),
)
