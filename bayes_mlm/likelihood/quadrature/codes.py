"""Codes of the families that have compiled rows, and the parts of their likelihood without eta."""

from dataclasses import dataclass

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

# Families whose likelihood has no such part.
_WITHOUT = {"bernoulli", "cumulative"}
# Counts up to which sums over 0, 1, ..., y - 1 are made term by term.
_TABULATED = 1_000_000


def code_of(family: Family) -> int | None:
    """Return the code of a family with its link; None of one that has no compiled rows."""
    return CODES.get((family.name, family.link))


@dataclass(frozen=True, kw_only=True, eq=False)
class Outcomes:
    """Outcomes and trials (n,), and how many rows each stands for: one where that is None."""

    y: Floats
    trials: Floats
    counts: Floats | None = None

    @property
    def n(self) -> float:
        """Number of rows."""
        return float(self.y.size if self.counts is None else self.counts.sum())

    def total(self, values: Floats) -> float:
        """Return the sum over all rows of values (n,)."""
        return float(values.sum() if self.counts is None else self.counts @ values)


def constants(family: Family, outcomes: Outcomes, aux: Auxiliary) -> tuple[float, float, float]:
    """Return the part of the log-likelihood without eta, of all rows; two derivatives in psi."""
    if family.name in _WITHOUT:
        return 0.0, 0.0, 0.0
    from scipy.special import digamma, gammaln, polygamma  # 40 ms, which a binary outcome spares

    y = outcomes.y
    if family.name == "binomial":
        trials = outcomes.trials
        each = gammaln(trials + 1.0) - gammaln(y + 1.0) - gammaln(trials - y + 1.0)
        return outcomes.total(each), 0.0, 0.0
    if family.name == "poisson":
        return -outcomes.total(gammaln(y + 1.0)), 0.0, 0.0
    if family.name == "negative_binomial":
        return _of_negative_binomial(outcomes, float(aux["shape"]))
    if family.name == "gamma":  # the rest is -shape (t + exp(-t) - 1), t = eta - log y
        shape, log_y = float(aux["shape"]), np.log(y)
        total = shape * (np.log(shape) - 1.0) - gammaln(shape)
        slope = shape * (np.log(shape) - digamma(shape))
        second = slope + shape * (1.0 - shape * polygamma(1, shape))
        n = outcomes.n
        return float(n * total - outcomes.total(log_y)), float(n * slope), float(n * second)
    return 0.0, 0.0, 0.0


def _of_negative_binomial(outcomes: Outcomes, shape: float) -> tuple[float, float, float]:
    """Return sum log prod_{k < y} (1 + k / shape) / y!, and two derivatives in log shape.

    As a sum over k it keeps its digits at shapes of 1e10, where the outcome is a Poisson's.
    """
    from scipy.special import digamma, gammaln, polygamma

    y = outcomes.y
    if y.max(initial=0.0) < _TABULATED:
        k = np.arange(int(y.max(initial=0.0)))
        numbers = np.bincount(y.astype(np.int64), outcomes.counts)
        at_least = np.cumsum(numbers[::-1])[::-1][1:]
        total = float(at_least @ np.log1p(k / shape))
        return (
            total - outcomes.total(gammaln(y + 1.0)),
            -float(at_least @ (k / (shape + k))),
            float(at_least @ (k * shape / np.square(shape + k))),
        )
    total = gammaln(y + shape) - gammaln(shape) - y * np.log(shape) - gammaln(y + 1.0)
    slope = shape * (digamma(y + shape) - digamma(shape)) - y
    second = slope + y + shape**2 * (polygamma(1, y + shape) - polygamma(1, shape))
    return outcomes.total(total), outcomes.total(slope), outcomes.total(second)
