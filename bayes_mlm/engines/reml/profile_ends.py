"""Ends of profile likelihood intervals, or the reason why there is none.

With a parameter fixed the rest may have several maxima, as where either sign of a correlation
fits. A search from the last point finds only one of them, so that an end is accepted once no
other start leads higher there.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from bayes_mlm.base import Floats

MAX_STEPS = 80
# A profile that has not come down where a parameter is this many times its first step off never
# does, as far as rounding allows to decide.
_FAR = 1e8
# How much higher another start must lead to count as another maximum.
_BETTER = 1e-6


@dataclass(frozen=True, kw_only=True)
class Ends:
    """Ends of a profile interval, and the reason why one is infinite or missing (nan)."""

    lower: float
    upper: float
    note: str = ""


@dataclass(frozen=True, kw_only=True, eq=False)
class Held:
    """Maximum with one parameter fixed: the rest, the value, and its slope there."""

    x: Floats
    loglik: float
    slope: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Profile:
    """Functions and values that the search of one profile uses.

    Attributes
    ----------
    at : callable
        The maximum with the parameter at a value, climbing from a start (m,).
    others : callable
        Further starts (N, m) at a value, from the maximum known there.
    estimate : float
    x : (m,) array
        The rest at the estimate.
    peak, cut : float
        Log-likelihood at the estimate, and at the ends.
    settled : float
        Part of the interval's half-length below which a step ends the search.
    better : float
        Log-likelihood by which another start must lead higher to count as another maximum.
    """

    at: Callable[[float, Floats], Held]
    others: Callable[[float, Floats], Floats]
    estimate: float
    x: Floats
    peak: float
    cut: float
    settled: float = 1e-10
    better: float = _BETTER

    def best(self, value: float, known: Held) -> Held:
        """Return the highest of a known maximum and those that other starts lead to."""
        for start in self.others(value, known.x):
            found = self.at(value, start)
            if found.loglik > known.loglik + self.better:
                known = found
        return known


def solve(profile: Profile, step: float, bound: float) -> tuple[float, str]:
    """Find where the profile falls to the cut in one direction, or the reason why it does not.

    The signed root of twice the fall is nearly linear in the parameter, so that Newton's steps on
    it take few evaluations; they are kept between the last point inside and the last one outside.
    """
    at, z = profile.estimate, math.sqrt(2.0 * (profile.peak - profile.cut))
    inside, outside, t, x = at, bound, at + step, profile.x
    for _ in range(MAX_STEPS):
        held = profile.at(t, x)
        root = math.sqrt(max(2.0 * (profile.peak - held.loglik), 0.0))
        if root < z:
            inside, x = t, held.x
            if abs(t - at) > _FAR * abs(step):
                return math.copysign(math.inf, step), _UNBOUNDED
        else:  # or not a number
            outside = t
        slope = -held.slope / root if root > 0.0 else 0.0
        rising = slope * math.copysign(1.0, step) > 0.0
        target = t + (z - root) / slope if rising else math.inf
        low, high = min(inside, outside), max(inside, outside)
        if not low < target < high or not math.isfinite(target):
            wide = not math.isfinite(outside)
            target = at + 2.0 * (t - at) if wide else 0.5 * (inside + outside)
        elif not math.isfinite(outside):
            # Far from the answer the root bends: no step longer than fourfold.
            target = at + math.copysign(min(abs(target - at), 4.0 * abs(t - at)), step)
        if abs(target - t) <= profile.settled * max(abs(target - at), abs(target)):
            other = profile.best(target, held)
            if other is held:
                return target, ""
            # A better point lies outside what was thought the end: go on from there.
            x, inside, outside = other.x, target, bound
            target = target + 0.1 * (target - at) if not math.isfinite(bound) else 0.9 * target
        t = target
    return math.nan, _UNSETTLED


_UNBOUNDED = "no bound: the profile likelihood stays above the cut however far out"
_UNSETTLED = f"not found: the profile did not come down to the cut in {MAX_STEPS} steps"
