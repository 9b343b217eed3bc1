"""Maximise the Laplace likelihood of several grouping factors: Newton's steps on its scores."""

import math
from dataclasses import dataclass

import numpy as np

from bayes_mlm.base import Floats
from bayes_mlm.engines.generalised.search import newton_step
from bayes_mlm.engines.generalised.several.problem import JointPoint, JointProblem
from bayes_mlm.model import LINKS

# Log-likelihood that a Newton step may still gain at the optimum.
TOLERANCE = 1e-9
# Gain below which the curvature is computed anew, not carried on.
_CLOSE = 1e-2
MAX_STEPS, _HALVINGS = 100, 40
# Sds of the group effects that are tried first, on the scale of the linear predictor.
_STARTS = (0.5, 2.0)
# Twice the log-likelihood, by the curvature, between a start's end and an optimum that is the same.
_NEAR = 1e-3
_STEP = 1e-4


@dataclass(frozen=True, kw_only=True, eq=False)
class JointOptimum:
    """The maximum of the Laplace likelihood.

    Attributes
    ----------
    x : ndarray, shape (P,)
    at : JointPoint
    hessian : ndarray, shape (P, P)
        Of the log-likelihood, by differences of scores.
    gain : float
        Log-likelihood that one more Newton step would gain.
    starts : tuple of (tuple of float, float)
        The free entries of the factors at each, and the log-likelihood that it led to.
    """

    x: Floats
    at: JointPoint
    hessian: Floats
    gain: float
    starts: tuple[tuple[tuple[float, ...], float], ...] = ()


def curvature(problem: JointProblem, x: Floats, at: JointPoint, *, central: bool) -> Floats:
    """Return the Hessian (P, P) at a point, by differences of scores."""
    assert at.score is not None  # for mypy: it was derived
    found = np.empty((x.size, x.size))
    for k in range(x.size):
        step = np.zeros(x.size)
        step[k] = _STEP * (1.0 + abs(float(x[k])))
        up = problem.evaluate(x + step, v=at.v).score
        down = problem.evaluate(x - step, v=at.v).score if central else at.score
        if up is None or down is None:
            return np.full_like(found, math.nan)
        found[k] = (up - down) / (step[k] * (2.0 if central else 1.0))
    return 0.5 * (found + found.T)


def climb(problem: JointProblem, x: Floats, tolerance: float = TOLERANCE) -> JointOptimum:
    """Climb from a point; the curvature is carried on by symmetric updates until the end."""
    at = problem.evaluate(x)
    unknown = JointOptimum(x=x, at=at, hessian=np.full((x.size, x.size), np.nan), gain=math.inf)
    if at.score is None:
        return unknown
    hessian, age, gain = curvature(problem, x, at, central=False), 0, math.inf
    for _ in range(MAX_STEPS):
        if not np.isfinite(hessian).all() or at.score is None:
            return unknown
        step, gain = newton_step(at.score, hessian)
        if gain < tolerance:
            break
        if gain < _CLOSE and age > 1:
            hessian, age = curvature(problem, x, at, central=False), 0
            continue
        length, trial = 1.0, at
        for _ in range(_HALVINGS):
            trial = problem.evaluate(x + length * step, v=at.v)
            if trial.loglik > at.loglik - 1e-11 * (1.0 + abs(at.loglik)):
                break
            length *= 0.4
        else:
            if age == 0:
                break
            hessian, age = curvature(problem, x, at, central=False), 0
            continue
        assert trial.score is not None  # for mypy: its likelihood is finite
        hessian = _updated(hessian, length * step, trial.score - at.score)
        x, at, age = x + length * step, trial, age + 1
    return JointOptimum(x=x, at=at, hessian=hessian, gain=gain)


def _updated(hessian: Floats, step: Floats, change: Floats) -> Floats:
    """Return the curvature after a step, by the symmetric rank-one update."""
    apart = change - hessian @ step
    along = float(apart @ step)
    if abs(along) < 1e-8 * float(np.linalg.norm(apart) * np.linalg.norm(step)):
        return hessian
    return hessian + np.outer(apart, apart) / along


def canonical(problem: JointProblem, x: Floats) -> Floats:
    """Return a point with the diagonals of the factors not below zero: the same covariances."""
    beta, lam, aux = problem.parts(x)
    flat = [(one * np.where(np.diagonal(one) < 0.0, -1.0, 1.0)).ravel() for one in lam]
    return np.concatenate([beta, np.concatenate(flat)[problem.entries], aux])


def maximise(problem: JointProblem, plain: tuple[Floats, float]) -> JointOptimum:
    """Return the best optimum of several starts, the model without group effects among them.

    Parameters
    ----------
    problem : JointProblem
    plain : (ndarray, shape (P0,); float)
        Coefficients of the columns of the problem and auxiliary numbers of the model without group
        effects, and its log-likelihood.
    """
    beta, aux, best, starts = plain[0][: problem.p], plain[0][problem.p :], None, []
    for sd in _STARTS:
        x, theta = _start(problem, beta, aux, sd)
        found = climb(problem, x, tolerance=1e-4)
        x = canonical(problem, found.x)
        if best is not None and math.isfinite(found.gain):
            apart = x - best.x
            if -apart @ best.hessian @ apart < _NEAR:
                starts.append((theta, best.at.loglik))
                continue
        found = climb(problem, x)
        starts.append((theta, found.at.loglik))
        if best is None or found.at.loglik > best.at.loglik + 1e-9:
            best = found
    assert best is not None  # for mypy: there are starts
    if plain[1] >= best.at.loglik - 1e-9:  # a maximum at sds of zero
        best = climb(problem, np.concatenate([beta, np.zeros(problem.entries.size), aux]))
        starts.append((tuple(np.zeros(problem.entries.size).tolist()), best.at.loglik))
    return _certified(problem, best, tuple(starts))


def _certified(
    problem: JointProblem,
    found: JointOptimum,
    starts: tuple[tuple[tuple[float, ...], float], ...],
) -> JointOptimum:
    """Return an optimum with its gain by a curvature of central differences."""
    x, at, gain, hessian = canonical(problem, found.x), found.at, found.gain, found.hessian
    for _ in range(3):
        at = problem.evaluate(x)
        if at.score is None:
            break
        hessian = curvature(problem, x, at, central=True)
        if not np.isfinite(hessian).all():
            break
        step, gain = newton_step(at.score, hessian)
        if gain < TOLERANCE:
            break
        x = x + step
    return JointOptimum(x=x, at=at, hessian=hessian, gain=gain, starts=starts)


def _start(
    problem: JointProblem, beta: Floats, aux: Floats, sd: float
) -> tuple[Floats, tuple[float, ...]]:
    """Return a start: independent effects of one sd, coefficients given them larger for it.

    By the ratio of the sds of the latent outcome (Zeger, Liang & Albert 1988, Biometrics 44(4)).
    """
    arrays, family = problem.plan.arrays, problem.base.design.family
    flat = np.concatenate([sd * np.eye(q).ravel() for q in arrays.q.tolist()])
    theta, ratio = flat[problem.entries], 1.0
    if family.link in LINKS and family.latent_variance is not None:
        ratio = math.sqrt(1.0 + int(arrays.q.sum()) * sd**2 / family.latent_variance)
        aux = aux * ratio
    return np.concatenate([beta * ratio, theta, aux]), tuple(theta.tolist())
