"""Maximise many likelihoods of one design at once, over the free entries of the relative factors.

Newton's method on differences, for many outcomes or from many starts: the points of all of them are
one batch, so that of a small model little is spent but the compiled evaluations themselves.
"""

from dataclasses import dataclass

import numpy as np

from bayes_mlm.base import Flags, Floats, Ints
from bayes_mlm.engines.reml.several.deviance import coordinates, profiled, relative
from bayes_mlm.likelihood import Method, Plan, evaluate_responses

MAX_STEPS = 60
# Deviance that a step may gain where it is the last one, not looked at: the next would gain the
# square of that.
_SAFE = 1e-6
# Change of the deviance over a difference, and the longest difference relative to 1 + |theta|.
_RISE, _LONGEST = 1e-3, 5e-4
# Part of the predicted gain that a step must reach.
_DECREASE = 1e-3
# Shortest part of a step that is tried.
_SHORTEST = 1e-4
# Entries below which a relative factor is near zero, and what they are raised to for another start.
_SMALL, _RAISED = 1e-2, 0.2


@dataclass(frozen=True, kw_only=True, eq=False)
class Responses:
    """Products of R outcomes with the columns of a plan.

    Attributes
    ----------
    plan : Plan
    values : ndarray, shape (R, Q + p + 1)
        ``Z'y`` in the order of the plan, ``X'y``, ``y'y``.
    """

    plan: Plan
    values: Floats

    @classmethod
    def of_plan(cls, plan: Plan) -> "Responses":
        """Return the one outcome of a plan."""
        arrays = plan.arrays
        return cls(plan=plan, values=np.append(arrays.right[:, -1], arrays.total[-1])[None])


@dataclass(frozen=True, kw_only=True, eq=False)
class Maxima:
    """Maxima of R likelihoods.

    Attributes
    ----------
    theta : ndarray, shape (R, d)
        Free entries of the relative factors.
    deviance : ndarray, shape (R,)
    converged : ndarray of bool, shape (R,)
    """

    theta: Floats
    deviance: Floats
    converged: Flags


@dataclass(frozen=True, kw_only=True, eq=False)
class _Batch:
    responses: Responses
    method: Method
    places: list[tuple[int, int, int]]

    @property
    def diagonal(self) -> Flags:
        return np.array([a == b for _, a, b in self.places])

    def deviances(self, theta: Floats, which: Ints) -> Floats:
        """Return the deviance (N,) at entries (N, d) of outcomes (N,)."""
        plan = self.responses.plan
        lam = relative(plan, theta)
        return profiled(
            plan, self.method, *evaluate_responses(plan, lam, which, self.responses.values)
        )

    def descend(self, theta: Floats, which: Ints) -> Maxima:
        """Descend from starts (R, d), each of an outcome (R,)."""
        R, d = theta.shape
        i, j = np.tril_indices(d, -1)
        eye = np.eye(d)
        moves = np.vstack([np.zeros((1, d)), eye, -eye, eye[i] + eye[j]])
        x, step = theta.copy(), np.zeros((R, d))
        length, gain = np.ones(R), np.zeros(R)
        value, converged = np.full(R, np.inf), np.zeros(R, dtype=bool)
        h, active = _LONGEST * (1.0 + np.abs(x)), np.arange(R)
        for _ in range(MAX_STEPS):
            trial = x[active] + length[active, None] * step[active]
            points = trial[:, None] + moves * h[active, None]
            of = np.repeat(which[active], len(moves))
            values = self.deviances(points.reshape(-1, d), of).reshape(len(active), -1)
            slack = 1e-12 * (1.0 + np.abs(values[:, 0]))
            # By enough: the deviance is even, so that steps to and fro would lose nothing.
            least = value[active] - _DECREASE * length[active] * gain[active]
            better = values[:, 0] < least + slack
            kept = active[better]
            x[kept], value[kept], length[kept] = trial[better], values[better, 0], 1.0
            gradient, hessian = _derivatives(values[better], h[kept], i, j)
            step[kept], gain[kept] = _newton(gradient, hessian, x[kept])
            second = np.abs(np.diagonal(hessian, axis1=1, axis2=2))
            size = np.sqrt(_RISE / np.maximum(second, 1e-300))
            h[kept] = np.minimum(size, _LONGEST * (1.0 + np.abs(x[kept])))
            done = kept[gain[kept] < _SAFE]
            x[done] += step[done]
            value[done] -= gain[done]
            converged[done] = True
            worse = active[~better]
            length[worse] *= 0.3
            active = active[~converged[active] & (length[active] > _SHORTEST)]
            if not len(active):
                break
        return Maxima(theta=x, deviance=value, converged=converged)

    def with_zeros(self, found: Maxima, which: Ints) -> Maxima:
        """Set columns that are almost zero to zero, where nothing is lost."""
        theta, deviance = found.theta.copy(), found.deviance.copy()
        columns = sorted({(f, b) for f, _, b in self.places})
        for column in columns:
            own = [k for k, (f, _, b) in enumerate(self.places) if (f, b) == column]
            largest = np.abs(theta[:, own]).max(axis=1)
            some = np.flatnonzero((largest > 0.0) & (largest < _SMALL))
            if not len(some):
                continue
            trial = theta[some].copy()
            trial[:, own] = 0.0
            values = self.deviances(trial, which[some])
            fine = values <= deviance[some] + 1e-9
            theta[some[fine]] = trial[fine]
            deviance[some[fine]] = np.minimum(values[fine], deviance[some[fine]])
        return Maxima(theta=theta, deviance=deviance, converged=found.converged)


def _derivatives(values: Floats, h: Floats, i: Ints, j: Ints) -> tuple[Floats, Floats]:
    """Return gradients (R, d) and Hessians (R, d, d) from values at the moves."""
    d = h.shape[1]
    value, up, down = values[:, :1], values[:, 1 : d + 1], values[:, d + 1 : 2 * d + 1]
    with np.errstate(invalid="ignore"):
        gradient = (up - down) / (2.0 * h)
        hessian = np.zeros((len(h), d, d))
        cross = (values[:, 2 * d + 1 :] - up[:, i] - up[:, j] + value) / (h[:, i] * h[:, j])
        hessian[:, i, j] = hessian[:, j, i] = cross
        hessian[:, range(d), range(d)] = (up + down - 2.0 * value) / h**2
    if not np.isfinite(values).all():
        gradient = np.where(np.isfinite(gradient), gradient, 0.0)
        hessian = np.where(np.isfinite(hessian), hessian, 1.0)
    return gradient, hessian


def _newton(gradient: Floats, hessian: Floats, x: Floats) -> tuple[Floats, Floats]:
    """Return bounded steps (R, d) downhill, and the deviance (R,) that they are to gain."""
    size = np.sqrt(np.maximum(np.abs(np.diagonal(hessian, axis1=1, axis2=2)), 1e-8))
    curve, vector = np.linalg.eigh(hessian / (size[:, :, None] * size[:, None, :]))
    along = np.einsum("rab,ra->rb", vector, gradient / size)
    # Downhill out of a saddle, where by symmetry there is no slope.
    along = np.where((curve < -1e-4) & (np.abs(along) < 1e-3), 1e-2, along)
    curve = np.maximum(np.abs(curve), 1e-6)
    step = -np.einsum("rab,rb->ra", vector, along / curve) / size
    longest = np.max(np.abs(step) / (0.5 + np.abs(x)), axis=1, initial=1.0)
    return step / longest[:, None], 0.5 * (along**2 / curve).sum(axis=1)


def maximise_many(
    responses: Responses,
    theta: Floats,
    which: Ints,
    method: Method,
) -> Maxima:
    """Maximise from starts (R, d), each of one of the outcomes (R,).

    What ends near zero is tried again from larger values.
    """
    batch = _Batch(responses=responses, method=method, places=coordinates(responses.plan))
    found = batch.descend(theta, which)
    small = batch.diagonal & (np.abs(found.theta) < _SMALL)
    again = np.flatnonzero(small.any(axis=1))
    if len(again):
        raised = np.where(small[again], _RAISED, found.theta[again])
        other = batch.descend(raised, which[again])
        best = other.deviance < found.deviance[again]
        new, deviance, converged = found.theta.copy(), found.deviance.copy(), found.converged.copy()
        new[again[best]] = other.theta[best]
        deviance[again[best]] = other.deviance[best]
        converged[again] |= other.converged
        found = Maxima(theta=new, deviance=deviance, converged=converged)
    return batch.with_zeros(found, which)
