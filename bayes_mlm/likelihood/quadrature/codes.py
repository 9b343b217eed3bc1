"""Which families have compiled rows, how their data enter them, and what does not depend on eta.

The log-density of a row is a compiled function of eta (`row_kernels.py`) plus a constant, computed
here: it has the gamma functions, which are then evaluated once a point and not at every node.
"""

from typing import TYPE_CHECKING

import numpy as np

from bayes_mlm.base import Floats

if TYPE_CHECKING:
    from bayes_mlm.model import Family

LOGIT, PROBIT, CLOGLOG, POISSON, NEGATIVE_BINOMIAL, GAMMA, ORDERED_LOGIT, ORDERED_PROBIT = range(8)
_CODES = {
    **{(name, "logit"): LOGIT for name in ("bernoulli", "binomial")},
    **{(name, "probit"): PROBIT for name in ("bernoulli", "binomial")},
    **{(name, "cloglog"): CLOGLOG for name in ("bernoulli", "binomial")},
    ("poisson", "log"): POISSON,
    ("negative_binomial", "log"): NEGATIVE_BINOMIAL,
    ("gamma", "log"): GAMMA,
    ("cumulative", "logit"): ORDERED_LOGIT,
    ("cumulative", "probit"): ORDERED_PROBIT,
}
SHAPED = (NEGATIVE_BINOMIAL, GAMMA)
ORDERED = (ORDERED_LOGIT, ORDERED_PROBIT)
OF_SUCCESSES = (LOGIT, PROBIT, CLOGLOG)
# Counts up to which sums over 0, 1, ..., y - 1 are tabulated.
_TABULATED = 1_000_000


def row_code(family: "Family") -> int | None:
    """Return the number of a family and link in the compiled rows; None if they have it not.

    The beta family is left out: its log-density is not concave in eta, so that a group's integrand
    may have two modes.

    Examples
    --------
    >>> from bayes_mlm.model import FAMILIES
    >>> row_code(FAMILIES["poisson"]), row_code(FAMILIES["beta"])
    (3, None)
    """
    return _CODES.get((family.name, family.link))


def companions(code: int, y: Floats, trials: Floats | None) -> Floats:
    """Return the second number (n,) of each row: trials of successes, log y of gamma, else 1."""
    if code == GAMMA:
        return np.asarray(np.log(y))
    if trials is None or code not in OF_SUCCESSES:
        return np.ones(len(y))
    return np.asarray(trials, dtype=float)


def constants(
    code: int, y: Floats, companion: Floats, aux: Floats
) -> tuple[Floats, Floats, Floats]:
    """Return the part of each log-density constant in eta, and two derivatives in aux[0]: (n,).

    Parameters
    ----------
    code : int
    y, companion : ndarray, shape (n,)
    aux : ndarray
        The log of the shape of negative binomial and gamma outcomes; thresholds; else empty.

    Examples
    --------
    >>> constants(POISSON, np.array([2.0]), np.ones(1), np.empty(0))[0].round(4)
    array([-0.6931])
    """
    from scipy.special import gammaln, polygamma, psi

    zero = np.zeros(len(y))
    if code in OF_SUCCESSES:
        if companion.max(initial=1.0) == 1.0:
            return zero, zero, zero
        value = gammaln(companion + 1.0) - gammaln(y + 1.0) - gammaln(companion - y + 1.0)
        return value, zero, zero
    if code == POISSON:
        return -gammaln(y + 1.0), zero, zero
    if code not in SHAPED:
        return zero, zero, zero
    log_shape = float(aux[0])
    shape = np.exp(log_shape)
    if code == GAMMA:  # the rest is -shape (t + exp(-t) - 1), t = eta - log y
        value = shape * (log_shape - 1.0) - float(gammaln(shape)) - companion
        first = shape * (log_shape - float(psi(shape)))
        second = first + shape * (1.0 - shape * float(polygamma(1, shape)))
        return value, zero + first, zero + second
    if y.max(initial=0.0) < _TABULATED:  # no loss of digits at shapes of 1e10, the Poisson
        k = np.arange(int(y.max(initial=0.0)))
        parts = np.stack([np.log1p(k / shape), -k / (shape + k), k * shape / np.square(shape + k)])
        table = np.concatenate([np.zeros((3, 1)), np.cumsum(parts, axis=1)], axis=1)
        value, first, second = table[:, y.astype(np.int64)]
        return value - gammaln(y + 1.0), first, second
    value = gammaln(y + shape) - gammaln(shape) - y * log_shape - gammaln(y + 1.0)
    first = shape * (psi(y + shape) - psi(shape)) - y
    second = first + y + np.square(shape) * (polygamma(1, y + shape) - polygamma(1, shape))
    return value, first, second
