"""Link functions: between the mean of an outcome and its linear predictor."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from bayes_mlm.base import Floats, Registry

_HALF_LOG_2PI = 0.5 * math.log(2.0 * math.pi)
# exp() of anything above it is infinite.
_LARGEST = 700.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Link:
    """A link of a probability: the distribution function F of a latent outcome, F(eta) = p.

    Parameters
    ----------
    name : str
    log_tails : callable
        eta to log F(eta) and log(1 - F(eta)), without loss of digits in either tail.
    log_slope : callable
        eta to the log of F's derivative.
    slope_ratio : callable
        eta to the second derivative of F over the first.
    function : callable
        Mean to linear predictor: F's inverse.
    tensor : callable
        eta to F(eta), of PyTensor variables.
    smoothed : callable, optional
        ``(eta, variance)`` to the mean of F over a normal eta, in closed form.
    latent_variance : float
        Of the latent outcome given the linear predictor (Goldstein, Browne & Rasbash 2002,
        Understanding Statistics 1(4)): π²/3 of the logit.
    ratio_name : str
        What exp() of a coefficient is; empty where it has no meaning.

    Examples
    --------
    >>> LINKS["logit"].inverse(np.array([0.0])), LINKS["probit"].latent_variance
    (array([0.5]), 1.0)
    """

    name: str
    log_tails: Callable[[Floats], tuple[Floats, Floats]]
    log_slope: Callable[[Floats], Floats]
    slope_ratio: Callable[[Floats], Floats]
    function: Callable[[float], float]
    tensor: Callable[[Any], Any]
    latent_variance: float
    smoothed: Callable[[Floats, Floats], Floats] | None = None
    ratio_name: str = ""

    def inverse(self, eta: Floats) -> Floats:
        """Return the probability at a linear predictor."""
        return np.exp(self.log_tails(np.asarray(eta))[0])


def _logit_tails(eta: Floats) -> tuple[Floats, Floats]:
    return -np.logaddexp(0.0, -eta), -np.logaddexp(0.0, eta)


def _logit_log_slope(eta: Floats) -> Floats:
    low, high = _logit_tails(eta)
    return low + high


def _logit_tensor(eta: Any) -> Any:
    import pymc as pm

    return pm.math.sigmoid(eta)


def _probit_tails(eta: Floats) -> tuple[Floats, Floats]:
    from scipy.special import log_ndtr

    return np.asarray(log_ndtr(eta)), np.asarray(log_ndtr(-eta))


def _probit_function(mean: float) -> float:
    from scipy.special import ndtri

    return float(ndtri(mean))


def _probit_tensor(eta: Any) -> Any:
    import pymc as pm

    return pm.math.invprobit(eta)


def _cloglog_tails(eta: Floats) -> tuple[Floats, Floats]:
    rate = np.exp(np.minimum(eta, _LARGEST))
    with np.errstate(divide="ignore"):  # F(eta) is exp(eta) where that is tiny
        low = np.where(eta < -30.0, eta, np.log(-np.expm1(-rate)))
    return low, -rate


def _cloglog_tensor(eta: Any) -> Any:
    import pytensor.tensor as pt

    return -pt.expm1(-pt.exp(eta))


LINKS = Registry[Link]("link")
for _link in (
    Link(
        name="logit",
        log_tails=_logit_tails,
        log_slope=_logit_log_slope,
        slope_ratio=lambda eta: -np.tanh(0.5 * np.asarray(eta)),
        function=lambda mean: math.log(mean / (1.0 - mean)),
        tensor=_logit_tensor,
        latent_variance=math.pi**2 / 3.0,
        ratio_name="odds ratio",
    ),
    Link(
        name="probit",
        log_tails=_probit_tails,
        log_slope=lambda eta: -0.5 * np.square(eta) - _HALF_LOG_2PI,
        slope_ratio=lambda eta: -np.asarray(eta),
        function=_probit_function,
        tensor=_probit_tensor,
        latent_variance=1.0,
        smoothed=lambda eta, variance: np.exp(_probit_tails(eta / np.sqrt(1.0 + variance))[0]),
    ),
    Link(
        name="cloglog",
        log_tails=_cloglog_tails,
        log_slope=lambda eta: eta - np.exp(np.minimum(eta, _LARGEST)),
        slope_ratio=lambda eta: -np.expm1(np.minimum(eta, _LARGEST)),
        function=lambda mean: math.log(-math.log1p(-mean)),
        tensor=_cloglog_tensor,
        latent_variance=math.pi**2 / 6.0,
        ratio_name="hazard ratio",
    ),
):
    LINKS.register(_link.name, _link)
