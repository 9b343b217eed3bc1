"""Distribution-specific variances: of an outcome given its linear predictor, on that scale.

They take the place of the residual variance in intraclass correlations and R² of outcomes whose
family has no residual sd.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import numpy as np

from bayes_mlm.base import Floats
from bayes_mlm.fitting import ParameterValues
from bayes_mlm.model import Family

# What is written of each, and where it is from.
NAMES = {
    "theoretical": "of the latent outcome with the link",
    "trigamma": "trigamma of 1 / squared coefficient of variation at the mean λ",
    "lognormal": "log of 1 + squared coefficient of variation at the mean λ",
    "delta": "variance of the outcome at its mean over the squared slope of the mean",
}
_STEP = 1e-3
_HALVINGS = 60


def default_variance(family: Family) -> str:
    """Return which of a family's distribution-specific variances is the default.

    Theoretical where there is a latent outcome; of log links the trigamma function, which Nakagawa,
    Johnson & Schielzeth (2017) find the most accurate; else the delta method.

    Examples
    --------
    >>> from bayes_mlm.model import family_of
    >>> [default_variance(family_of(one)) for one in ("bernoulli", "poisson", "beta")]
    ['theoretical', 'trigamma', 'delta']
    """
    if family.latent_variance is not None:
        return "theoretical"
    return "trigamma" if family.link == "log" else "delta"


def scale_of(family: Family) -> str:
    """Return the scale of measures with such a variance: "latent scale"; empty of additive ones."""
    if family.is_additive:
        return ""
    return "latent scale" if family.latent_variance is not None else f"{family.link} scale"


def distribution_variances(
    family: Family, mean: Floats | None, auxiliary: Mapping[str, Floats], size: int
) -> dict[str, Floats]:
    r"""Return the variance of an outcome given its linear predictor, by the name of the method.

    With a log link, mean :math:`\lambda` and squared coefficient of variation
    :math:`c^2 = \mathrm{var}(y)/\lambda^2` (:math:`1/\lambda` of Poisson counts, :math:`1/\lambda
    + 1/\theta` of negative binomial ones, :math:`1/\nu` of gamma outcomes): delta :math:`c^2`,
    lognormal :math:`\ln(1 + c^2)`, trigamma :math:`\psi_1(1/c^2)`. With other links delta is
    :math:`\mathrm{var}(y)/(d\mu/d\eta)^2`.

    Parameters
    ----------
    family : Family
    mean : ndarray, shape (S,), or None
        The mean at which to compute it; None of ordered categories, which have none.
    auxiliary : mapping of str to ndarray
        Auxiliary parameters, S values each; one trial a row.
    size : int
        S.

    Returns
    -------
    dict of str to ndarray, shape (S,)
        The default first.

    References
    ----------
    Nakagawa, Johnson & Schielzeth (2017), J. R. Soc. Interface 14, tables 1 and 2; Nakagawa &
    Schielzeth (2010), Biological Reviews 85(4).

    Examples
    --------
    >>> from bayes_mlm.model import FAMILIES
    >>> found = distribution_variances(FAMILIES["poisson"], np.array([2.0]), {}, 1)
    >>> {name: round(float(one[0]), 4) for name, one in found.items()}
    {'trigamma': 0.6449, 'lognormal': 0.4055, 'delta': 0.5}
    """
    from scipy.special import polygamma

    found: dict[str, Floats] = {}
    if family.latent_variance is not None:
        found["theoretical"] = np.full(size, family.latent_variance)
    if mean is None:
        return found
    eta = _predictor_at(family, mean, auxiliary)
    variance = family.variance(eta, auxiliary)
    if family.link == "log":
        with np.errstate(divide="ignore", invalid="ignore"):
            relative = variance / np.square(mean)
            found["trigamma"] = np.asarray(polygamma(1, 1.0 / relative))
            found["lognormal"] = np.log1p(relative)
        return found | {"delta": relative}
    slope = _slope(family, eta, auxiliary)
    return found | {"delta": np.asarray(variance / np.square(slope))}


def of_distribution(parameters: ParameterValues, variance: Floats) -> ParameterValues:
    """Return parameters with a distribution-specific variance as the residual variance."""
    return replace(parameters, residual_variance=variance)


def _predictor_at(family: Family, mean: Floats, auxiliary: Mapping[str, Floats]) -> Floats:
    """Return the linear predictor at which the expected outcome is a mean, by bisection."""
    if family.link == "log":
        return np.asarray(np.log(mean))
    low, high = np.full(mean.shape, -50.0), np.full(mean.shape, 50.0)
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        below = family.expected(middle, auxiliary) < mean
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return np.asarray(0.5 * (low + high))


def _slope(family: Family, eta: Floats, auxiliary: Mapping[str, Floats]) -> Floats:
    """Return the derivative of the expected outcome, by differences of the fourth order."""
    at = partial(family.expected, aux=auxiliary)
    one = at(eta + _STEP) - at(eta - _STEP)
    two = at(eta + 2 * _STEP) - at(eta - 2 * _STEP)
    return np.asarray((8.0 * one - two) / (12.0 * _STEP))
