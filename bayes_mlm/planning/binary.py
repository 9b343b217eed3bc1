"""Simulate studies with groups and a binary outcome, and refit each by maximum likelihood."""

import math
from dataclasses import dataclass, field

import numpy as np

from bayes_mlm.base import EngineError, Floats
from bayes_mlm.design import Design, build_design
from bayes_mlm.engines import Refits, maximum_of
from bayes_mlm.planning.simulation import Scenario

# Variance of the standard logistic distribution, which the latent icc is relative to.
LATENT = math.pi**2 / 3.0


@dataclass(frozen=True, kw_only=True, eq=False)
class BinaryScenario(Scenario):
    """A study whose outcome is 0 or 1, on the logit.

    Parameters
    ----------
    probability : float
        Of 1 at the middle of the predictor in a typical group.

    Notes
    -----
    ``logit P(y = 1) = logit(probability) + effect x + u``, with x = -1/2, 1/2, of half of the
    groups or of half of the rows of each. `sigma_u` is on the logit.
    """

    probability: float = 0.5
    sigma_e: float = field(default=math.sqrt(LATENT), init=False)

    @property
    def q(self) -> int:
        """Number of group effects."""
        return 1

    def errors(self, effects: Floats, rng: np.random.Generator) -> Refits:
        """Simulate a study of each effect (n,), and refit it.

        Returns
        -------
        Refits
            Whose coefficients are the estimates less the effects.
        """
        estimates = np.array([self._study(effect, rng) for effect in effects.tolist()])
        beta, variance, sigma_u, failed = estimates.T
        return Refits(
            deviance=np.full(len(beta), math.nan),
            cov_u=np.square(sigma_u)[:, None, None],
            sigma2=np.full(len(beta), LATENT),
            beta=(beta - effects)[:, None],
            variance=variance[:, None],
            df=np.full((len(beta), 1), np.inf),
            singular=sigma_u < _ZERO,
            failed=failed.astype(bool),
        )

    def _study(self, effect: float, rng: np.random.Generator) -> tuple[float, float, float, float]:
        """Return estimate and variance of the effect, the sd, and whether there are none."""
        u = self.sigma_u * rng.standard_normal(self.groups)
        x, g, planned = self._arms()
        trials = planned - rng.binomial(planned, self.missing)
        eta = math.log(self.probability / (1.0 - self.probability)) + effect * x + u[g]
        hits = rng.binomial(trials, 1.0 / (1.0 + np.exp(-eta)))
        some = trials > 0
        try:
            beta, covariance, sigma_u = maximum_of(
                _design(x[some], g[some], hits[some], trials[some])
            )
        except EngineError:  # no outcome, or only such, in an arm: the estimate is infinite
            return math.nan, math.nan, math.nan, 1.0
        return float(beta[1]), float(covariance[1, 1]), float(sigma_u[0]), 0.0

    def _arms(self) -> tuple[Floats, np.ndarray, np.ndarray]:
        """Return x, group and planned rows of the two parts of every group."""
        codes, half = np.repeat(np.arange(self.groups), 2), self.size // 2
        planned = np.tile([half, self.size - half], self.groups)
        if self.compared == "groups":  # in two parts too, for a group has two rows or more
            return np.where(codes % 2 == 0, 0.5, -0.5), codes, planned
        return np.tile([0.5, -0.5], self.groups), codes, planned


def binary_scenario(scenario: Scenario, icc: float, probability: float) -> BinaryScenario:
    """Return the study of a binary outcome on the design of a scenario."""
    return BinaryScenario(
        groups=scenario.groups,
        size=scenario.size,
        sigma_u=math.sqrt(LATENT * icc / (1.0 - icc)),
        sigma_slope=0.0,
        compared=scenario.compared,
        predictor=scenario.predictor,
        missing=scenario.missing,
        probability=probability,
    )


# Sds on the logit below which a fit is singular.
_ZERO = 1e-4


def _design(x: Floats, g: np.ndarray, hits: np.ndarray, trials: np.ndarray) -> Design:
    table = {"x": x, "g": g, "hits": hits, "trials": trials}
    return build_design("p(hits, trials) ~ x + (1 | g)", table, family="binomial")


def standard_error_of_logit(scenario: BinaryScenario, effect: float) -> float:
    """Return the standard error of the effect as if variances were known, to the first order.

    Examples
    --------
    >>> one = BinaryScenario(groups=40, size=20, sigma_u=0.5, sigma_slope=0.0,
    ...                      compared="groups", predictor="binary", probability=0.3)
    >>> round(standard_error_of_logit(one, 0.0), 3)
    0.221
    """
    rows = scenario.size * (1.0 - scenario.missing)
    middle = math.log(scenario.probability / (1.0 - scenario.probability))
    informations = []
    for x in (0.5, -0.5):
        mean = 1.0 / (1.0 + math.exp(-(middle + effect * x)))
        informations.append(mean * (1.0 - mean))
    if scenario.compared == "groups":
        arms = sum(scenario.sigma_u**2 + 1.0 / (rows * one) for one in informations)
        return math.sqrt(2.0 * arms / scenario.groups)
    arms = sum(2.0 / (rows * one) for one in informations)
    return math.sqrt(arms / scenario.groups)
