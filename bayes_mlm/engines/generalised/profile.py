"""Profile intervals of the sds of group effects."""

import math
from dataclasses import dataclass, replace

import numpy as np

from bayes_mlm.base import Floats
from bayes_mlm.engines.generalised.problem import Evaluation, Problem
from bayes_mlm.engines.generalised.search import Optimum, Rule, climb
from bayes_mlm.engines.reml.inference import Interval

# Sds beyond it have no meaning on the scale of a linear predictor.
_LARGEST = 1e3
# Of the signed root of twice the fall of the log-likelihood, and relative to the sd.
_PRECISION = 1e-5
_MOST_STEPS = 60
# Log-likelihood that a Newton step in the other parameters may still gain; it is added.
_GAIN = 1e-4
_RULE = Rule(eps=1e-8)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Place:
    """The maximum of the likelihood at one sd: the signed root and its slope, and where it is."""

    sd: float
    root: float
    slope: float
    x: Floats
    along: Floats
    modes: Floats


def profile_sd(
    problem: Problem, optimum: Optimum, level: float, effect: int = 0, wald: float = math.nan
) -> Interval:
    """Return where the profile of the log-likelihood falls by half a chi-squared quantile.

    Newton's method on the signed root of the fall, which is nearly linear in the sd; its slope
    comes with the score, so that an end needs three or four points.

    Parameters
    ----------
    problem : Problem
    optimum : Optimum
    level : float
    effect : int
        Which of the q effects.
    wald : float
        Standard error of its sd, for the first guess; nan where there is none.

    References
    ----------
    Venzon & Moolgavkar (1988), Applied Statistics 37(1), sec. 2; Bates & Watts (1988), Nonlinear
    Regression Analysis, sec. 6.1.2: the signed root.
    """
    from scipy.special import chdtri

    reach = math.sqrt(float(chdtri(1, 1.0 - level)))
    problem, x = _with_first(problem, optimum.x, effect)
    sd = abs(float(x[problem.p]))
    x[problem.p] = sd
    top = optimum.at.loglik
    at = optimum.at if effect == 0 and optimum.x[problem.p] >= 0 else problem.evaluate(x)
    best = _place(problem, x, at, 0.0, top)
    guess = sd * math.exp(min(reach * wald / sd, 1.0)) if sd > 0 and wald > 0 else sd + 0.25
    note, lower = "", 0.0
    if sd > 0 and _root_at_zero(problem, x, top) > reach:
        down = sd * sd / guess
        lower = _end(problem, best, top, -reach, down, (0.0, sd))
    upper = _end(problem, best, top, reach, guess, (sd, math.inf))
    if upper > _LARGEST:
        upper, note = math.inf, "the likelihood has not fallen at an sd of 1000"
    return Interval(lower=lower, upper=upper, level=level, method="profile (ML)", note=note)


def _with_first(problem: Problem, x: Floats, effect: int) -> tuple[Problem, Floats]:
    """Return the problem with an effect as its first, whose sd is then an entry of L."""
    if effect == 0:
        return problem, x.copy()
    order = [effect, *(k for k in range(problem.q) if k != effect)]
    beta, factor, aux = problem.parts(x)
    # (P L)' = Q R, so that R' is the lower triangle of the same covariance.
    lower = np.linalg.qr(factor[order].T, mode="r").T
    lower = lower * np.where(np.diagonal(lower) < 0, -1.0, 1.0)
    theta = lower[np.tril_indices(problem.q)][problem.free]
    moved = replace(problem, Z=np.ascontiguousarray(problem.Z[:, order]))
    return moved, np.concatenate([beta, theta, aux])


def _root_at_zero(problem: Problem, x: Floats, top: float) -> float:
    """Return the root of twice the fall of the log-likelihood without the first effect."""
    beta, factor, aux = problem.parts(x)
    q = problem.q - 1
    lower = np.tril_indices(q)
    rest = np.linalg.qr(factor[1:].T, mode="r").T if q else np.zeros((0, 0))
    kept = np.array([a > 0 and b > 0 for a, b in zip(*np.tril_indices(q + 1), strict=True)])
    free = problem.free[kept]
    less = replace(problem, Z=np.ascontiguousarray(problem.Z[:, 1:]), free=free)
    _, at, gain = climb(less, np.concatenate([beta, rest[lower][free], aux]), rule=_rule(top))
    return math.sqrt(max(2.0 * (top - at.loglik - gain), 0.0))


def _rule(top: float) -> Rule:
    return replace(_RULE, tolerance=_GAIN / (1.0 + 1e-4 * abs(top)))


def _place(problem: Problem, x: Floats, at: Evaluation, gain: float, top: float) -> _Place:
    """Return signed root and slope at a point that is within a Newton step of the profile."""
    one = problem.p
    rest = np.delete(np.arange(x.size), one)
    if at.score is None or at.hessian is None:
        zero = np.zeros(x.size)
        return _Place(
            sd=abs(float(x[one])), root=math.inf, slope=math.nan, x=x, along=zero, modes=at.modes
        )
    inner, cross = -at.hessian[np.ix_(rest, rest)], at.hessian[rest, one]
    both = np.linalg.lstsq(inner, np.column_stack([cross, at.score[rest]]), rcond=1e-10)[0]
    along = np.zeros(x.size)
    along[one], along[rest] = 1.0, both[:, 0]
    settled = x.copy()
    settled[rest] += both[:, 1]
    score = float(at.score[one] + cross @ both[:, 1])
    fall = 2.0 * max(top - at.loglik - gain, 0.0)
    root = math.copysign(math.sqrt(fall), -score)
    slope = -score / root if fall > 1e-12 else math.nan
    return _Place(sd=float(x[one]), root=root, slope=slope, x=settled, along=along, modes=at.modes)


def _end(
    problem: Problem,
    best: _Place,
    top: float,
    reach: float,
    guess: float,
    bracket: tuple[float, float],
) -> float:
    """Return the sd at which the signed root is `reach`, inside a bracket."""
    fixed = np.zeros(best.x.size, dtype=bool)
    fixed[problem.p] = True
    low, high = bracket
    near = best
    for _ in range(_MOST_STEPS):
        x = near.x + (guess - near.sd) * near.along
        x[problem.p] = guess
        found = climb(problem, x, fixed=fixed, modes=near.modes, rule=_rule(top))
        here = _place(problem, *found, top)
        short = abs(here.root) - abs(reach)
        if (short < 0) == (reach > 0):
            low = guess
        else:
            high = guess
        step = -math.copysign(1.0, reach) * short / abs(here.slope) if here.slope else math.nan
        following = guess + (step if math.isfinite(step) else 0.0)
        if abs(short) < _PRECISION or abs(high - low) < _PRECISION * high:
            return min(max(following, low), high)
        if not low < following < high or not math.isfinite(step):
            following = 0.5 * (low + high) if math.isfinite(high) else 2.0 * guess
        elif math.isinf(high):
            following = min(following, 3.0 * guess)
        if guess > _LARGEST:
            return guess
        near, guess = here if math.isfinite(here.root) else near, following
    return guess
