"""Posteriors of outcomes that are simulated on one design: where they place the truth."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from bayes_mlm.base import EngineError, Floats, UnsupportedModelError, count, one_thread
from bayes_mlm.engines import (
    Direct,
    Joined,
    OutcomeDistribution,
    join,
    quantities,
    sample_problem,
    why_not_direct,
)
from bayes_mlm.fitting import Fit, summarise_draws

# Draws of each posterior, as a fit has: the shortest interval of fewer is too short.
DRAWS = 4000


@dataclass(frozen=True, kw_only=True, eq=False)
class Placed:
    """Where the posteriors of N simulated outcomes place the k true quantities.

    Attributes
    ----------
    names : tuple of str
        Of the quantities.
    truth, mean : ndarray, shape (N, k)
        True value, posterior mean.
    pit : ndarray, shape (N, k)
        Share of the posterior below the truth; uniform where truths are from the prior.
    held : ndarray of bool, shape (N, k)
        Whether the highest density interval holds the truth.
    untrusted : int
        Posteriors whose draws their engine does not trust.
    """

    names: tuple[str, ...]
    truth: Floats
    mean: Floats
    pit: Floats
    held: np.ndarray
    untrusted: int

    @property
    def caution(self) -> tuple[str, ...]:
        """What limits the numbers: draws that their engine does not trust."""
        if not self.untrusted:
            return ()
        return (
            f"{count(self.untrusted)} of {count(len(self.pit))} posteriors were not drawn to the "
            "engine's accuracy",
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class SimulatedPosteriors:
    """A fitted model, whose outcomes are drawn anew as sums and its posterior by quadrature.

    Parameters
    ----------
    fit : Fit
        Of a Gaussian outcome with one grouping factor.
    """

    fit: Fit

    def __post_init__(self) -> None:
        """Refuse what has no posterior from simulated sums.

        Raises
        ------
        UnsupportedModelError
        """
        design, priors = self.fit.design, self.fit.priors
        why = ""
        if not design.family.gaussian_moments or design.residual is not None:
            why = "the model is not Gaussian with residuals of one sd"
        elif len(design.factors) != 1 or not design.q or priors.u is not None:
            why = "it is not of a model with one grouping factor whose effects have a common sd"
        else:
            why = why_not_direct(priors)
        if why:
            raise UnsupportedModelError(f"posteriors of simulated outcomes are not possible: {why}")

    @cached_property
    def joined(self) -> Joined:
        """Data and priors."""
        return join(self.fit.design.moments(), self.fit.priors)

    def place(
        self,
        truths: Mapping[str, Floats],
        rng: np.random.Generator,
        *,
        prob: float,
        n_draws: int = DRAWS,
    ) -> Placed:
        """Draw an outcome at each truth, and its posterior.

        Parameters
        ----------
        truths : mapping of str to ndarray, shape (N, ...)
            ``beta``, ``sigma_u``, ``rho_u`` of correlated effects, ``sigma_e``, as reported.
        rng : numpy.random.Generator
        prob : float
            Of the intervals.
        n_draws : int
            Of each posterior.

        Raises
        ------
        EngineError
            If a posterior has no draws.
        """
        names: tuple[str, ...] = ()
        truth, mean, pit, held, untrusted = [], [], [], [], 0
        with one_thread():
            for known, drawn in self._each(truths, rng, n_draws):
                values = dict(quantities(drawn.draws))
                names = tuple(values)
                true = np.array([known[name] for name in names])
                draws = np.stack([values[name][0] for name in names], axis=1)
                found = summarise_draws(draws, prob)
                below = (draws < true).sum(axis=0) + rng.uniform(size=len(names))
                truth.append(true)
                mean.append(found.mean)
                pit.append(below / (n_draws + 1.0))
                held.append((found.lower <= true) & (true <= found.upper))
                untrusted += not drawn.report.trusted
        return Placed(
            names=names,
            truth=np.array(truth),
            mean=np.array(mean),
            pit=np.array(pit),
            held=np.array(held),
            untrusted=untrusted,
        )

    def _each(
        self, truths: Mapping[str, Floats], rng: np.random.Generator, n_draws: int
    ) -> Iterator[tuple[dict[str, float], Direct]]:
        design, joined = self.fit.design, self.joined
        reduced = joined.problem.reduced
        many = len(truths["sigma_e"])
        for k in range(many):
            at = {name: np.atleast_1d(values[k]) for name, values in truths.items()}
            cov = _covariance(at, design.group_term.pairs, reduced.q)
            turned = reduced.z_centring @ cov @ reduced.z_centring.T
            sigma2 = float(at["sigma_e"][0]) ** 2
            outcome = OutcomeDistribution.of(reduced, turned, sigma2).draw(1, rng)
            problem = joined.with_outcome(outcome, at["beta"])
            try:
                drawn = sample_problem(design, problem, n_draws, rng)
            except EngineError as error:
                raise EngineError(
                    f"simulated outcome {count(k + 1)} of {count(many)} has no posterior: {error}"
                ) from error
            yield self._named(at, drawn), drawn

    def _named(self, at: Mapping[str, Floats], drawn: Direct) -> dict[str, float]:
        """Return the truth by the names of the quantities."""
        posterior = drawn.draws.posterior
        found: dict[str, float] = {}
        for one, values in at.items():
            if one in posterior:
                for place, value in enumerate(values.tolist()):
                    index = (place,) * (len(posterior[one].dims) - 2)
                    found[drawn.draws.label(one, index)] = value
        if "icc" in posterior:
            between, within = float(at["sigma_u"][0]) ** 2, float(at["sigma_e"][0]) ** 2
            found["icc"] = between / (between + within)
        return found


def _covariance(at: Mapping[str, Floats], pairs: tuple[tuple[int, int], ...], q: int) -> Floats:
    """Return the covariance (q, q) of the group effects."""
    correlation = np.eye(q)
    for (a, b), rho in zip(pairs, at.get("rho_u", np.zeros(0)).tolist(), strict=True):
        correlation[a, b] = correlation[b, a] = rho
    return np.asarray(correlation * np.outer(at["sigma_u"], at["sigma_u"]))
