"""Regions of a moderator in which a linear difference is zero, or is not.

The difference at a value m of the moderator is a + b m. Its zero, -a/b, is a ratio: where b may
be zero its distribution has no mean and its interval may have no end.
"""

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np

from bayes_mlm.base import Floats, digits, number


@dataclass(frozen=True, kw_only=True)
class Span:
    """An interval of the moderator, from `lower` to `upper` (either may be infinite).

    `sign` is +1 where the difference is positive, -1 where it is negative, and 0 where its
    interval holds zero.
    """

    lower: float
    upper: float
    sign: int

    def __str__(self) -> str:
        if math.isinf(self.lower) and math.isinf(self.upper):
            return "everywhere"
        if math.isinf(self.lower):
            return f"below {number(self.upper, style='terminal')}"
        if math.isinf(self.upper):
            return f"above {number(self.lower, style='terminal')}"
        chosen = digits((self.lower, self.upper), None, self.lower, self.upper)
        return f"{chosen.number(self.lower)} to {chosen.number(self.upper)}"


@dataclass(frozen=True, kw_only=True)
class FiellerSet:
    """Values of the moderator at which a difference of zero is not rejected.

    Parameters
    ----------
    shape : {"bounded", "unbounded", "everything"}
        An interval; all but an interval (or one half of the line); the whole line.
    spans : tuple of Span
        Its one or two intervals.
    """

    shape: Literal["bounded", "unbounded", "everything"]
    spans: tuple[Span, ...]

    def __str__(self) -> str:
        return " or ".join(map(str, self.spans))


def fieller(estimate: Floats, covariance: Floats, reach: float) -> FiellerSet:
    """Solve for the Fieller set of -a/b: where ``(a + b m)^2 <= reach^2 var(a + b m)``.

    Parameters
    ----------
    estimate : ndarray, shape (2,)
        Of a and b.
    covariance : ndarray, shape (2, 2)
    reach : float
        Half-width of an interval in standard errors: 1.96 for 95 %.

    Returns
    -------
    FiellerSet
        Bounded where the interval of b excludes zero.

    References
    ----------
    Fieller (1954), Journal of the Royal Statistical Society B 16(2); Johnson & Neyman (1936) and
    Bauer & Curran (2005), Multivariate Behavioral Research 40(3), for the region outside it.

    Examples
    --------
    >>> print(fieller(np.array([2.0, -1.0]), np.diag([0.04, 0.01]), 1.96))
    1.51 to 2.65
    >>> print(fieller(np.array([2.0, -0.1]), np.diag([0.04, 0.01]), 1.96))
    below -20.6 or above 6.56
    >>> print(fieller(np.array([0.1, -0.1]), np.diag([0.04, 0.01]), 1.96))
    everywhere
    """
    a, b = (float(value) for value in estimate)
    square = b * b - reach**2 * float(covariance[1, 1])
    half = a * b - reach**2 * float(covariance[0, 1])
    rest = a * a - reach**2 * float(covariance[0, 0])
    inside = half * half - square * rest
    if square == 0.0:
        if half == 0.0:
            return _everything() if rest <= 0.0 else FiellerSet(shape="bounded", spans=())
        edge = -rest / (2.0 * half)
        ends = (-math.inf, edge) if half > 0.0 else (edge, math.inf)
        return FiellerSet(shape="unbounded", spans=(Span(lower=ends[0], upper=ends[1], sign=0),))
    if inside < 0.0:
        if square < 0.0:
            return _everything()
        inside = 0.0  # by rounding: -a/b itself is in the set
    # The root further from zero first, the other by their product: no cancellation.
    far = -(half + math.copysign(math.sqrt(inside), half))
    roots = sorted((far / square, rest / far)) if far != 0.0 else [0.0, 0.0]
    if square > 0.0:
        return FiellerSet(shape="bounded", spans=(Span(lower=roots[0], upper=roots[1], sign=0),))
    return FiellerSet(
        shape="unbounded",
        spans=(
            Span(lower=-math.inf, upper=roots[0], sign=0),
            Span(lower=roots[1], upper=math.inf, sign=0),
        ),
    )


def outside(found: FiellerSet, estimate: Floats) -> tuple[Span, ...]:
    """Return the regions where the interval excludes zero, with the sign of a + b m there."""
    if found.shape == "everything":
        return ()
    ends = sorted({end for span in found.spans for end in (span.lower, span.upper)})
    edges = [-math.inf, *(end for end in ends if math.isfinite(end)), math.inf]
    regions = []
    for low, high in pairwise(edges):
        middle = _between(low, high)
        if any(span.lower <= middle <= span.upper for span in found.spans):
            continue
        sign = 1 if estimate[0] + estimate[1] * middle > 0 else -1
        regions.append(Span(lower=low, upper=high, sign=sign))
    return tuple(regions)


def posterior_spans(a: Floats, b: Floats, prob: float, *, finest: float) -> tuple[Span, ...]:
    """Find where the equal-tailed posterior interval of a + b m excludes zero.

    The share of draws above zero changes only where the line of a draw crosses zero, so the
    regions are found exactly, by sorting the crossings.

    Parameters
    ----------
    a, b : ndarray, shape (S,)
        Draws.
    prob : float
        Of the interval.
    finest : float
        Regions and gaps shorter than this are Monte Carlo noise about an end.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> a, b = rng.normal(2.0, 0.2, 20_000), rng.normal(-1.0, 0.1, 20_000)
    >>> [str(span) for span in posterior_spans(a, b, 0.95, finest=0.01)]
    ['below 1.51', 'above 2.65']
    """
    tail = (1.0 - prob) / 2.0
    moving = b != 0.0
    crossing = -a[moving] / b[moving]
    order = np.argsort(crossing, kind="stable")
    edges = np.concatenate([[-np.inf], crossing[order], [np.inf]])
    before = np.count_nonzero(b < 0.0) + np.count_nonzero(~moving & (a > 0.0))
    above = before + np.concatenate([[0], np.cumsum(np.sign(b[moving][order]))])
    still = np.count_nonzero(~moving & (a == 0.0))
    share, zero = above / a.size, still / a.size
    state = np.where(share >= 1.0 - tail, 1, np.where(share + zero <= tail, -1, 0))
    starts = np.flatnonzero(np.diff(state, prepend=state[0] - 1))
    ends = np.append(starts[1:], state.size)
    spans = [
        Span(lower=float(edges[start]), upper=float(edges[end]), sign=int(state[start]))
        for start, end in zip(starts, ends, strict=True)
    ]
    return _without_noise([span for span in spans if span.sign], finest)


def _without_noise(spans: list[Span], finest: float) -> tuple[Span, ...]:
    joined: list[Span] = []
    for span in spans:
        last = joined[-1] if joined else None
        if last is not None and last.sign == span.sign and span.lower - last.upper < finest:
            joined[-1] = Span(lower=last.lower, upper=span.upper, sign=span.sign)
        else:
            joined.append(span)
    return tuple(span for span in joined if span.upper - span.lower >= finest)


def _between(low: float, high: float) -> float:
    if math.isinf(low) and math.isinf(high):
        return 0.0
    if math.isinf(low):
        return high - 1.0 - abs(high)
    return low + 1.0 + abs(low) if math.isinf(high) else 0.5 * (low + high)


def _everything() -> FiellerSet:
    return FiellerSet(shape="everything", spans=(Span(lower=-math.inf, upper=math.inf, sign=0),))
