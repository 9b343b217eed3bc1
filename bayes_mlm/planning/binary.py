"""Simulate studies with groups and a binary outcome, and refit each by maximum likelihood."""

import math
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from bayes_mlm.base import EngineError, Floats
from bayes_mlm.design import Design, build_design
from bayes_mlm.engines import Refits, maximum_of
from bayes_mlm.planning.closed_form import standard_error
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

    unit: ClassVar[str] = "in the log odds ratio"
    units: ClassVar[str] = "logarithms of odds ratios"
    fitted: ClassVar[str] = "maximum likelihood"
    tested: ClassVar[str] = "Wald tests at {}"

    def errors(
        self,
        effects: Floats,
        rng: np.random.Generator,
        _known: Refits | None = None,
        /,
    ) -> Refits:
        """Simulate a study of each effect (n,) anew, for it moves the information, and refit it."""
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


@standard_error.register
def _(scenario: BinaryScenario, effect: float = 0.0) -> tuple[float, float]:
    """Return the standard error, to the first order (Moerbeek et al. 2001), and infinite df."""
    rows = scenario.size * (1.0 - scenario.missing)
    middle = math.log(scenario.probability / (1.0 - scenario.probability))
    means = (1.0 / (1.0 + math.exp(-(middle + effect * x))) for x in (0.5, -0.5))
    noise = [1.0 / (rows * mean * (1.0 - mean)) for mean in means]
    if scenario.compared == "groups":  # half of them, with all their rows
        noise = [one + scenario.sigma_u**2 for one in noise]
    return math.sqrt(2.0 * sum(noise) / scenario.groups), math.inf
