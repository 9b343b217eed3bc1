"""Profile-likelihood intervals of sds, correlations and shares with several grouping factors.

On the scale of the fit, REML or ML, as with one factor (`bayes_mlm.engines.reml.profile`).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from bayes_mlm.base import Floats, one_thread, wald_reach
from bayes_mlm.engines.reml.inference import Interval
from bayes_mlm.engines.reml.profile_ends import Ends, Held, Profile, solve
from bayes_mlm.engines.reml.several.climb import Climber, Lowest
from bayes_mlm.engines.reml.several.deviance import residual_df
from bayes_mlm.engines.reml.several.held import (
    Coordinates,
    hold_correlation,
    hold_sd,
    hold_share,
    hold_sigma,
)
from bayes_mlm.engines.reml.several.search import Optimum
from bayes_mlm.likelihood import Method, Plan

# Seconds beyond which profiles are computed on request only.
MAX_SECONDS = 1.0
# Seconds that an evaluation takes at least, and Newton steps for one interval, as measured.
_CALL, _STEPS = 3e-6, 40
# Points among which other starts are sought at an end, and the largest number of levels of a
# factor with which they are: with more the likelihood has one maximum as a rule.
_SCATTERED, FEW_GROUPS = 64, 30
_NO_CORRELATION = "the likelihood is the same at any correlation: the most likely sd is zero"


@dataclass(frozen=True, kw_only=True, eq=False)
class FactorIntervals:
    """Profile intervals of one factor: of its sds, correlations (upper triangle) and share."""

    sigma_u: tuple[Interval, ...]
    rho_u: tuple[Interval, ...]
    icc: Interval | None


@dataclass(frozen=True, kw_only=True, eq=False)
class SeveralIntervals:
    """Profile intervals factor by factor, in the order of the plan, and of the residual sd."""

    factors: tuple[FactorIntervals, ...]
    sigma_e: Interval


def seconds(plan: Plan, *, shares: bool) -> float:
    """Return roughly how long all profiles of a design take."""
    entries = sum(int(one.free.sum()) for one in plan.products.factors)
    sds = sum(one.q for one in plan.products.factors)
    intervals = entries + 1 + (sds if shares else 0)
    points = 1 + 2 * (entries + 1) + (entries + 1) * entries // 2
    return intervals * _STEPS * points * (plan.cost + _CALL)


def profile_several(
    optimum: Optimum, method: Method, level: float, *, shares: bool
) -> SeveralIntervals:
    """Profile every sd, correlation and, where every effect is an intercept, share.

    Parameters
    ----------
    optimum : Optimum
    method : {"REML", "ML"}
        Scale of the profile; that of the fit.
    level : float
        Coverage.
    shares : bool
        Whether shares are defined.
    """
    plan, lam = optimum.factor.plan, optimum.lam
    log_s2 = math.log(optimum.factor.r2 / residual_df(plan, method))
    unit, label = plan.products.y_scale, f"profile ({method})"

    def interval(ends: Ends, scale: Callable[[float], float]) -> Interval:
        lower, upper = scale(ends.lower), scale(ends.upper)
        return Interval(lower=lower, upper=upper, level=level, method=label, note=ends.note)

    def of_factor(f: int) -> FactorIntervals:
        one = plan.products.factors[f]
        link, pairs = one.free | one.free.T, combinations(range(one.q), 2)
        return FactorIntervals(
            sigma_u=tuple(
                interval(
                    search.ends(hold_sd(plan, lam, log_s2, method, f, k), 0.0, math.inf),
                    lambda sd: sd * unit,
                )
                for k in range(one.q)
            ),
            rho_u=tuple(
                interval(search.of_correlation(f, pair), math.sin) for pair in pairs if link[pair]
            ),
            icc=interval(
                search.ends(hold_share(plan, lam, method, f), 0.0, 0.5 * math.pi),
                lambda angle: math.sin(angle) ** 2,
            )
            if shares
            else None,
        )

    search = _Search(optimum=optimum, method=method, z=wald_reach(level))
    with one_thread():
        residual = search.ends(hold_sigma(plan, lam, log_s2, method), -math.inf, math.inf)
        return SeveralIntervals(
            factors=tuple(of_factor(f) for f in range(len(plan.products.factors))),
            sigma_e=interval(residual, lambda log_s2: unit * math.exp(0.5 * log_s2)),
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Search:
    optimum: Optimum
    method: Method
    z: float

    def of_correlation(self, f: int, pair: tuple[int, int]) -> Ends:
        right = 0.5 * math.pi
        one = self.optimum.factor.plan.products.factors[f]
        sds = np.linalg.norm((one.transform @ self.optimum.lam[f])[list(pair)], axis=1)
        if not (sds > 0.0).all():
            return Ends(lower=-right, upper=right, note=_NO_CORRELATION)
        held = hold_correlation(self.optimum.factor.plan, self.optimum.lam, self.method, f, pair)
        return self.ends(held, -right, right)

    def ends(self, held: Coordinates, least: float, most: float) -> Ends:
        """Find both ends, between bounds that may be part of the interval."""
        climber, peak = Climber(of=held), -0.5 * self.optimum.deviance
        cut = peak - 0.5 * self.z**2
        estimate, x = float(held.start[0]), held.start[1:]
        known: dict[int, Lowest] = {}

        def at(value: float, start: Floats) -> Held:
            near = known.get(id(start))
            if near is not None:
                start = start + near.tangent * (value - near.z[0])
            found = climber.minimise(value, _off_zero(start, held.sizes[1:]))
            rest = found.z[1:]
            known[id(rest)] = found
            keep.append(rest)
            return Held(x=rest, loglik=-0.5 * found.deviance, slope=-0.5 * found.slope)

        keep: list[Floats] = []  # so that no identity is used twice
        scattered = _scattered(held)

        def others(value: float, known_x: Floats) -> Floats:
            starts = [x]
            if held.signs.any():
                starts.append(np.where(held.signs[1:], -known_x, known_x))
            if len(scattered):
                points = np.column_stack([np.full(len(scattered), value), scattered])
                found = held.deviances(points)
                starts.append(scattered[int(np.argmin(found))])
            return np.array(starts)

        profile = Profile(
            at=at,
            others=others,
            estimate=estimate,
            x=x,
            peak=peak,
            cut=cut,
            settled=_PRECISE,
            better=_BETTER,
        )
        here = at(estimate, x)
        curve = known[id(here.x)].curvature
        width = self.z * math.sqrt(2.0 / curve) if curve > 0.0 else math.inf
        found = []
        for bound in (least, most):
            towards = math.copysign(1.0, bound - estimate)
            found.append(self._end(profile, here, bound, towards, width))
        (lower, note), (upper, other) = found
        return Ends(lower=lower, upper=upper, note=note or other)

    def _end(
        self, profile: Profile, here: Held, bound: float, towards: float, width: float
    ) -> tuple[float, str]:
        room = abs(bound - profile.estimate)
        if room < _AT_BOUND:
            return bound, ""
        if math.isfinite(bound):
            inner = bound - _INSIDE * towards if abs(bound) > 0.0 else bound
            if profile.best(inner, profile.at(inner, here.x)).loglik >= profile.cut:
                return bound, ""
        step = min(width, 0.5 * room) if math.isfinite(room) else width
        if not math.isfinite(step):
            step = max(0.3 * abs(profile.estimate), 0.1)
        return solve(profile, towards * step, bound)


# Distance from a bound at which an estimate lies on it.
_AT_BOUND = 1e-7
# How far inside a bound other than zero the likelihood stands for that at it.
_INSIDE = 1e-6
# Log-likelihood by which another start must lead higher: along a flat valley, as of effects that
# the data hardly tell apart, Newton's method ends within less than that.
_BETTER = 5e-5
# Change of a quantity, relative to the interval's half-length, at which its end is found.
_PRECISE = 1e-7


def _off_zero(x: Floats, sizes: np.ndarray) -> Floats:
    """Move sizes stuck at zero, a saddle once the held quantity has moved, off it."""
    return np.where(sizes & (np.abs(x) < 1e-3), 0.02, x)


def _scattered(held: Coordinates) -> Floats:
    """Return points of the rest over two decades of sizes; none of a large model."""
    if min(one.m for one in held.plan.products.factors) > FEW_GROUPS:
        return np.empty((0, len(held.start) - 1))
    rng = np.random.default_rng(0)
    shape = (_SCATTERED, len(held.start) - 1)
    sizes = np.exp(rng.uniform(math.log(0.03), math.log(5.0), shape))
    signed = np.where(held.signs[1:], rng.choice([-1.0, 1.0], shape), 1.0)
    free = held.sizes[1:] | held.signs[1:]
    return np.where(free, sizes * signed, held.start[1:] + rng.normal(0.0, 0.3, shape))
