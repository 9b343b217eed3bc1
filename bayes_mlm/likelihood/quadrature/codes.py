"""Codes of the families that have compiled rows, and the parts of their likelihood without eta."""

import numpy as np

from bayes_mlm.base import Floats
from bayes_mlm.model import Auxiliary, Family

LOGIT, PROBIT, CLOGLOG, POISSON, NEGATIVE_BINOMIAL, GAMMA, ORDERED_LOGIT, ORDERED_PROBIT = range(8)
# By family and link. A family that is not here is drawn by NUTS.
CODES = {
    ("bernoulli", "logit"): LOGIT,
    ("bernoulli", "probit"): PROBIT,
    ("bernoulli", "cloglog"): CLOGLOG,
    ("binomial", "logit"): LOGIT,
    ("binomial", "probit"): PROBIT,
    ("binomial", "cloglog"): CLOGLOG,
    ("poisson", "log"): POISSON,
    ("negative_binomial", "log"): NEGATIVE_BINOMIAL,
    ("gamma", "log"): GAMMA,
    ("cumulative", "logit"): ORDERED_LOGIT,
    ("cumulative", "probit"): ORDERED_PROBIT,
}


def code_of(family: Family) -> int | None:
    """Return the code of a family with its link; None of one that has no compiled rows."""
    return CODES.get((family.name, family.link))


def constants(family: Family, y: Floats, aux: Auxiliary) -> tuple[float, float]:
    """Return the part of the log-likelihood without eta, of all rows, and its derivative in psi."""
    from scipy.special import digamma, gammaln

    if family.name == "binomial":
        trials = aux["trials"]
        total = gammaln(trials + 1.0) - gammaln(y + 1.0) - gammaln(trials - y + 1.0)
        return float(total.sum()), 0.0
    if family.name == "poisson":
        return float(-gammaln(y + 1.0).sum()), 0.0
    if family.name == "negative_binomial":
        shape = float(aux["shape"])
        total = gammaln(y + shape) - gammaln(shape) - gammaln(y + 1.0) + shape * np.log(shape)
        slope = shape * (digamma(y + shape) - digamma(shape) + np.log(shape) + 1.0)
        return float(total.sum()), float(slope.sum())
    if family.name == "gamma":
        shape = float(aux["shape"])
        log_y = np.log(y)
        total = shape * np.log(shape) + (shape - 1.0) * log_y - gammaln(shape)
        slope = shape * (np.log(shape) + 1.0 + log_y - digamma(shape))
        return float(total.sum()), float(slope.sum())
    return 0.0, 0.0
