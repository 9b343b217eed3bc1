"""Draw bootstrap estimates: from simulated outcomes, and from resampled or omitted groups."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from bayes_mlm.base import (
    DesignError,
    EngineError,
    Floats,
    Ints,
    Registry,
    Stream,
    UnsupportedModelError,
    stream,
)
from bayes_mlm.engines import Designs, OutcomeSums, Refits, RemlFit, Simulation
from bayes_mlm.fitting import Estimate
from bayes_mlm.moments import GroupMoments, from_rows, rest_by_group, rotate_moments

# Numbers of resampled designs that are in memory at once.
_AT_ONCE = 4_000_000


@dataclass(frozen=True, kw_only=True, eq=False)
class Resampler:
    """An estimate by REML, and what its resamples are made of.

    Parameters
    ----------
    estimate : Estimate
        Of a Gaussian model with one grouping factor.
    """

    estimate: Estimate

    def __post_init__(self) -> None:
        """Refuse what has no sums that REML can be computed from anew.

        Raises
        ------
        UnsupportedModelError
        """
        self.estimate.design.require_likelihood("an estimate of simulated outcomes")
        why = why_not_refitted(self.estimate)
        if why:
            raise UnsupportedModelError(f"estimates of simulated outcomes are not possible: {why}")

    @property
    def solution(self) -> RemlFit:
        """The estimate that the outcomes are drawn at."""
        found = self.estimate.solution
        assert isinstance(found, RemlFit)
        return found

    @cached_property
    def simulation(self) -> Simulation:
        """The design, as its outcomes are refitted."""
        design = self.estimate.design
        return Simulation(
            reduced=rotate_moments(design.moments()), correlated=design.group_term.correlated
        )

    @cached_property
    def contrasts(self) -> Floats:
        """Every coefficient by itself."""
        return np.eye(self.simulation.reduced.p)

    @property
    def at_data(self) -> Refits:
        """The estimate of the data, as the one refit."""
        solution, none, no = self.solution, np.zeros((1, 0)), np.zeros(1, dtype=bool)
        return Refits(
            deviance=np.array([-2.0 * solution.loglik]),
            cov_u=solution.cov_u[None],
            sigma2=np.array([solution.sigma_e**2]),
            beta=solution.beta[None],
            variance=none,
            df=none,
            singular=no,
            failed=no,
        )

    @cached_property
    def _rest(self) -> Floats:
        """Products (J, p+1, p+1) outside of the span of Z, by group."""
        return rest_by_group(self.estimate.design.moments())

    @cached_property
    def _rows(self) -> Floats:
        """Rows (J,) of each group."""
        return np.asarray(self.estimate.design.moments().counts, dtype=np.float64)

    def parametric(self, size: int, seed: int) -> Refits:
        """Refit outcomes drawn from the model at its estimate."""
        solution = self.solution
        return self.simulation.refits(
            solution.beta,
            solution.cov_u,
            solution.sigma_e**2,
            contrasts=self.contrasts,
            size=size,
            rng=stream(seed, Stream.BOOTSTRAP),
        )

    def cluster(self, size: int, seed: int) -> Refits:
        """Refit samples of as many groups, drawn with replacement with all their rows."""
        groups, rng = len(self._rows), stream(seed, Stream.BOOTSTRAP)
        return self._of_groups(size, groups, lambda at: rng.integers(0, groups, (len(at), groups)))

    def case(self, size: int, seed: int) -> Refits:
        """Refit samples of as many groups, and of as many rows within each, with replacement.

        Raises
        ------
        RowsNeededError
            If there are sums alone.
        """
        rng = stream(seed, Stream.BOOTSTRAP)
        design = self.estimate.design.rows("fit the rows to draw them anew")
        y, X, Z, codes = design.y_less_offset, design.X, design.Z, design.codes
        order = np.argsort(codes, kind="stable")
        rows = np.bincount(codes, minlength=design.J)
        first = np.concatenate([[0], np.cumsum(rows)[:-1]])
        parts = []
        for _ in range(size):
            groups = rng.integers(0, design.J, design.J)
            drawn = np.repeat(np.arange(design.J), rows[groups])
            within = rng.uniform(size=len(drawn)) * rows[groups][drawn]
            taken = order[first[groups][drawn] + within.astype(np.int64)]
            moments = from_rows(
                y[taken],
                X[taken],
                Z[taken],
                drawn,
                design.J,
                terms=design.terms,
                effects=design.effects,
            )
            parts.append(self._of_moments(moments))
        return Refits.joined(parts)

    def _of_moments(self, moments: GroupMoments) -> Refits:
        """Refit one sample of rows; one in which a coefficient is not estimable has failed."""
        solution, correlated = self.solution, self.simulation.correlated
        try:
            reduced = rotate_moments(moments)
        except DesignError:
            one, many = self.at_data, len(self.contrasts)
            none = np.full((1, many), np.nan)
            return replace(one, variance=none, df=none, failed=np.ones(1, dtype=bool))
        again, p = Simulation(reduced=reduced, correlated=correlated), reduced.p
        outcome = OutcomeSums(
            c_y=reduced.c[None, :, :, p], x_y=reduced.rest[None, :p, p], y_y=reduced.rest[[p], p]
        )
        origin = reduced.original_beta(np.zeros(p))
        of = (origin, solution.cov_u, solution.sigma_e**2, self.contrasts)
        return again.refit(again.designs, outcome, *of)

    @cached_property
    def without_each(self) -> Refits:
        """The data without each group in turn, refitted."""
        groups = len(self._rows)
        others = np.arange(groups - 1)
        return self._of_groups(
            groups, groups - 1, lambda at: others + (others >= at[:, None]).astype(np.int64)
        )

    def _of_groups(self, size: int, groups: int, places_of: Callable[[Ints], Ints]) -> Refits:
        """Refit samples of groups, whose places (b, groups) are a function of numbers (b,)."""
        designs, reduced, solution = self.simulation.designs, self.simulation.reduced, self.solution
        p, width = reduced.p, reduced.q * (reduced.q + reduced.p + 1)
        many, parts = max(1, _AT_ONCE // max(1, groups * width)), []
        for start in range(0, size, many):
            places = places_of(np.arange(start, min(start + many, size)))
            times = np.zeros((len(places), len(self._rows)))
            np.add.at(times, (np.arange(len(places))[:, None], places), 1.0)
            rest = np.tensordot(times, self._rest, axes=1)
            resampled = Designs(
                r=designs.r[0][places],
                c_x=reduced.c[places][..., :p],
                x_x=rest[:, :p, :p],
                n=times @ self._rows,
                correlated=designs.correlated,
            )
            outcomes = OutcomeSums(
                c_y=reduced.c[places][..., p], x_y=rest[:, :p, p], y_y=rest[:, p, p]
            )
            origin = reduced.original_beta(np.zeros(p))
            of = (origin, solution.cov_u, solution.sigma_e**2, self.contrasts)
            parts.append(self.simulation.refit(resampled, outcomes, *of))
        return Refits.joined(parts)


def why_not_refitted(estimate: Estimate) -> str:
    """Return why an estimate has no refits of many outcomes; empty if it has."""
    solution, design = estimate.solution, estimate.design
    if not design.family.gaussian_moments or design.residual is not None:
        return "the model is not Gaussian with residuals of one sd"
    if len(design.factors) != 1 or not design.q:
        return f"the model has {len(design.factors)} grouping factors with effects, not one"
    if design.imputations:
        return f"the result is pooled over {len(design.imputations)} imputations; fit one of them"
    if not isinstance(solution, RemlFit) or solution.method != "REML":
        return "the estimate is not by REML; fit with engine='reml'"
    return ""


# Ways to make outcomes or data to refit: of so many, by a seed.
KINDS: Registry[Callable[[Resampler, int, int], Refits]] = Registry(
    "kind of bootstrap", EngineError
)
KINDS.register("parametric", Resampler.parametric)
KINDS.register("cluster", Resampler.cluster)
KINDS.register("case", Resampler.case)
