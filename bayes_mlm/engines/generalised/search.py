"""Maximise the likelihood of outcomes that are not Gaussian, by Newton's method."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from bayes_mlm.base import Floats
from bayes_mlm.engines.generalised.problem import PRECISE, Evaluation, Problem
from bayes_mlm.model import LINKS

# Log-likelihood that a Newton step may still gain at the optimum.
TOLERANCE = 1e-11
# Of the log-likelihood, by half the spacing of its integrals; and the least factor of the spacing.
ERROR, _FINEST = 3e-8, 0.1
MAX_STEPS = 100
_HALVINGS = 40
# Log of a shape from which it stays where it is: the rest is that of a Poisson.
_INFINITE = 28.0
# Change of an sd in a step, on the scale of the linear predictor.
_LONGEST = 5.0
# Sds of the group effects that are tried first, on the scale of the linear predictor.
_STARTS = (0.5, 2.0)
# Twice the log-likelihood, by the curvature, between a start's end and an optimum that is the same.
_NEAR = 1e-3
# Of the curvature, relative to its diagonal: less is taken for flat.
_FLAT = 1e-9


@dataclass(frozen=True, kw_only=True, eq=False)
class Optimum:
    """The maximum of the likelihood.

    Attributes
    ----------
    x : ndarray, shape (P,)
    at : Evaluation
    gain : float
        Log-likelihood that one more Newton step would gain.
    error : float
        Difference of the log-likelihood by half the spacing of the integrals.
    starts : tuple of (tuple of float, float)
        The entries of L at each, and the log-likelihood that it led to.
    without : float
        The log-likelihood without group effects.
    """

    x: Floats
    at: Evaluation
    gain: float
    error: float
    starts: tuple[tuple[tuple[float, ...], float], ...]
    without: float = math.nan


# A point, the likelihood there, and what one more Newton step would gain.
type Found = tuple[Floats, Evaluation, float]


def newton_step(score: Floats, hessian: Floats) -> tuple[Floats, float]:
    """Return an uphill step, and the log-likelihood that it is to gain."""
    scale = np.sqrt(np.maximum(np.abs(np.diagonal(hessian)), 1e-12))
    value, vector = np.linalg.eigh(-hessian / np.outer(scale, scale))
    value = np.maximum(np.abs(value), _FLAT)
    along = vector.T @ (score / scale)
    return (vector @ (along / value)) / scale, 0.5 * float((along**2 / value).sum())


@dataclass(frozen=True, kw_only=True)
class Rule:
    """How finely integrals are computed, and the gain of a Newton step at which a search ends."""

    refine: float = 1.0
    eps: float = PRECISE
    tolerance: float = TOLERANCE


# Of the way to an optimum, where the last digits do not matter.
COARSE = Rule(eps=1e-4, tolerance=1e-5)


def climb(
    problem: Problem,
    x: Floats,
    fixed: Floats | None = None,
    modes: Floats | None = None,
    rule: Rule = Rule(),
) -> Found:
    """Climb from a point; `fixed` (P,) are parameters that stay."""
    free = np.ones(x.size, dtype=bool) if fixed is None else ~np.asarray(fixed, dtype=bool)
    at = problem.evaluate(x, modes=modes, refine=rule.refine, eps=rule.eps)
    gain = math.inf
    for _ in range(MAX_STEPS):
        if at.score is None or at.hessian is None:
            return x, at, math.inf
        has_shape = problem.n_aux == 1 and problem.design.family.thresholds is None
        if has_shape and x[-1] > _INFINITE and at.score[-1] > 0.0:
            free[-1] = False
        if not free.any():
            return x, at, 0.0
        step = np.zeros(x.size)
        if free.all():
            step, gain = newton_step(at.score, at.hessian)
        else:
            step[free], gain = newton_step(at.score[free], at.hessian[np.ix_(free, free)])
        if gain < rule.tolerance * (1.0 + abs(at.loglik) * 1e-4):
            break
        if has_shape:
            step[-1] = min(step[-1], _INFINITE + 1.0 - x[-1])
        sds = step[problem.p : problem.p + int(problem.free.sum())]
        length = min(1.0, _LONGEST / (np.abs(sds).max(initial=0.0) * problem.z_size + 1e-300))
        for _ in range(_HALVINGS):
            trial = problem.evaluate(
                x + length * step, modes=at.modes, refine=rule.refine, eps=rule.eps
            )
            if trial.loglik > at.loglik - 1e-10 * (1.0 + abs(at.loglik)) * (length == 1.0):
                break
            length *= 0.4
        else:
            break
        x, at = x + length * step, trial
    return x, at, gain


def without_effects(plain: Problem) -> Found:
    """Climb to the optimum of a problem without group effects; also its last gain."""
    return climb(plain, _first(plain))


def _polish(problem: Problem, x: Floats, modes: Floats, best: Found | None) -> Found:
    """Climb the last steps, unless an optimum is known within hundredths of a standard error."""
    if best is not None and best[1].hessian is not None:
        apart = x - best[0]
        if -apart @ best[1].hessian @ apart < _NEAR:
            return best
    return climb(problem, x, modes=modes)


def _canonical(problem: Problem, x: Floats, modes: Floats) -> tuple[Floats, Floats]:
    """Return point and modes with the diagonal of L not below zero: the same covariance."""
    beta, factor, aux = problem.parts(x)
    signs = np.where(np.diagonal(factor) < 0, -1.0, 1.0)
    theta = (factor * signs)[np.tril_indices(problem.q)][problem.free]
    return np.concatenate([beta, theta, aux]), modes * signs


def maximise(problem: Problem, plain: Found | None = None) -> Optimum:
    """Return the best optimum of several starts, the model without group effects among them.

    Parameters
    ----------
    problem : Problem
    plain : tuple, optional
        What `without_effects` found, if it is known.
    """
    known = without_effects(problem.without_effects()) if plain is None else plain
    plain_x, plain_at, plain_gain = known
    if not problem.q:
        return _with_error(problem, plain_x, plain_at, plain_gain, (((), plain_at.loglik),))
    beta, aux = plain_x[: problem.p], plain_x[problem.p :]
    best: Found | None = None
    starts = []
    for sd, theta in _thetas(problem):
        x = np.concatenate(_conditional(problem, beta, theta, aux, sd))
        found = climb(problem, x, rule=COARSE)
        x, modes = _canonical(problem, found[0], found[1].modes)
        found = _polish(problem, x, modes, best)
        starts.append((tuple(theta.tolist()), found[1].loglik))
        if best is None or found[1].loglik > best[1].loglik + 1e-9:
            best = found
    assert best is not None  # for mypy: there are starts
    zero = np.zeros(int(problem.free.sum()))
    if plain_at.loglik >= best[1].loglik - 1e-9:  # a maximum at sds of zero
        x = np.concatenate([beta, zero, aux])
        best = climb(problem, x)
        starts.append((tuple(zero.tolist()), best[1].loglik))
    return replace(_with_error(problem, *best, tuple(starts)), without=plain_at.loglik)


def _with_error(
    problem: Problem,
    x: Floats,
    at: Evaluation,
    gain: float,
    starts: tuple[tuple[tuple[float, ...], float], ...],
) -> Optimum:
    refine = 1.0
    while True:
        finer = problem.evaluate(x, modes=at.modes, derive=False, refine=0.5 * refine)
        error = abs(finer.loglik - at.loglik)
        if error <= ERROR * (1.0 + 1e-5 * abs(at.loglik)) or refine < _FINEST:
            return Optimum(x=x, at=at, gain=gain, error=error, starts=starts)
        refine *= 0.5
        x, at, gain = climb(problem, x, modes=at.modes, rule=Rule(refine=refine))


def _first(plain: Problem) -> Floats:
    """Return a start of the model without group effects: an intercept, or thresholds, alone."""
    family, design = plain.design.family, plain.design
    beta = np.zeros(plain.p)
    if family.thresholds is not None:
        found = plain.outcomes
        shares = np.bincount(found.y.astype(np.int64), found.counts, minlength=plain.n_aux + 1)
        below = np.clip(np.cumsum(shares)[:-1] / shares.sum(), 1e-3, 1 - 1e-3)
        return np.concatenate([beta, [LINKS[family.link].function(float(one)) for one in below]])
    share = plain.outcomes.total(plain.outcomes.y) / plain.outcomes.total(plain.outcomes.trials)
    if design.has_intercept:
        mean, _ = family.scale(share, 1.0)
        beta[design.terms.index("Intercept")] = mean - float(plain.offset.mean())
    return np.concatenate([beta, np.zeros(plain.n_aux)])


def _thetas(problem: Problem) -> Iterator[tuple[float, Floats]]:
    """Return starts of the entries of L: independent effects of some sds."""
    size = np.sqrt(np.square(problem.Z).mean(axis=0))
    for sd in _STARTS:
        factor = np.diag(sd / np.where(size > 0, size, 1.0))
        yield sd, factor[np.tril_indices(problem.q)][problem.free]


def _conditional(
    problem: Problem, beta: Floats, theta: Floats, aux: Floats, sd: float
) -> tuple[Floats, Floats, Floats]:
    """Return a start: coefficients given the group effects are larger than those without.

    By the ratio of the sds of the latent outcome (Zeger, Liang & Albert 1988, Biometrics 44(4)).
    """
    family = problem.design.family
    if family.latent_variance is None:
        return beta, theta, aux
    ratio = math.sqrt(1.0 + problem.q * sd**2 / family.latent_variance)
    return beta * ratio, theta, aux * ratio
