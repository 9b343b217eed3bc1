"""Maximise the likelihood of several grouping factors over their relative factors.

Coordinates are a chart at the current point, ``Lambda_f <- Lambda_f expm(K_f)`` with K_f lower
triangular: they need no inverse of Lambda, so that a singular covariance is an ordinary point. With
spherical modes v, ``s2 = r2 / df``, H_f the sum over levels of the blocks of the inverse of M, and
V_f that of ``v v'``,

- the gradient of the deviance is ``2 lower(m_f I - H_f - V_f / s2)``;
- the average information is ``(e'e - e' inv(M_zx) e - (e'v)(e'v)' / r2) / s2``, with
  ``e = (K + K') v`` by level.

References
----------
Bates et al. (2015), J. Stat. Softw. 67(1), sec. 3; Gilmour, Thompson & Cullis (1995), Biometrics
51, 1440-1450; Johnson & Thompson (1995), J. Dairy Sci. 78, 449-456 (average information).
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from bayes_mlm.base import EngineError, Floats, one_thread
from bayes_mlm.engines.reml.factor import SINGULAR
from bayes_mlm.engines.reml.several.deviance import (
    coordinates,
    deviance_of,
    deviances,
    moved,
    residual_df,
)
from bayes_mlm.engines.reml.several.many import Responses, maximise_many
from bayes_mlm.likelihood import Factor, Method, Plan

# Deviance that a Newton step may still gain at the optimum.
TOLERANCE = 1e-12
MAX_STEPS = 100
# Longest step of a coordinate, in logs: a variance that goes to zero does so in a few steps.
_LONGEST = 2.5
# Size of a dense tail above which the traces of far steps are estimated, and signs for that.
_LARGE_TAIL, _PROBES = 300, 64
# Deviance that a step must gain so that estimated traces are precise enough for the next.
_FAR = 0.3
# Relative factors whose columns are below this are tried at zero.
_SMALL = 1e-2
# Least eigenvalue of the average information that is inverted.
_FLOOR = 1e-9
# Seconds of the points of a step by differences below which a model is small.
_BATCH = 2e-4
# Part of the largest singular value of a relative factor below which the smallest is near zero.
_NEAR = 0.05
# Difference of a free entry, relative to one plus its size.
_DIFFERENCE = 1e-4


@dataclass(frozen=True, kw_only=True, eq=False)
class Start:
    """A start of the search: what it was, and the log-likelihood that it led to."""

    name: str
    loglik: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Gradient:
    """First derivatives of the deviance in the chart, and the average information.

    Attributes
    ----------
    gradient : ndarray, shape (d,)
    information : ndarray, shape (d, d)
        Of the deviance, with beta and the residual variance profiled out.
    log_r2 : ndarray, shape (d,)
        Derivatives of the log of the penalised residual sum of squares.
    """

    gradient: Floats
    information: Floats
    log_r2: Floats

    def step(self) -> tuple[Floats, float]:
        """Return a bounded Newton step, and the deviance that it is to gain."""
        value, vector = np.linalg.eigh(self.information)
        value = np.maximum(np.abs(value), _FLOOR)
        along = vector.T @ self.gradient
        step = -vector @ np.clip(along / value, -_LONGEST, _LONGEST)
        return step, 0.5 * float((along**2 / value).sum())


@dataclass(frozen=True, kw_only=True, eq=False)
class Optimum:
    """The maximum of the likelihood.

    Attributes
    ----------
    factor : Factor
        Factorised there.
    lam : list of ndarray, shape (q, q)
        Relative factors, in the order of the plan.
    deviance : float
        Minus twice the log-likelihood, in the units of the transformed columns.
    gain : float
        Log-likelihood that one more Newton step would gain.
    starts : tuple of Start
    n_evaluations : int
    """

    factor: Factor
    lam: list[Floats]
    deviance: float
    gain: float
    starts: tuple[Start, ...]
    n_evaluations: int

    @property
    def singular(self) -> tuple[bool, ...]:
        """Whether the covariance of the effects of each factor is, in the order of the plan."""
        values = (np.linalg.svd(one, compute_uv=False)[-1] for one in self.lam)
        return tuple(bool(one < SINGULAR) for one in values)


def differentiate(factor: Factor, method: Method, *, exact: bool = True) -> Gradient:
    """Return the derivatives of the deviance at a factor.

    Parameters
    ----------
    factor : Factor
    method : {"REML", "ML"}
    exact : bool
        Whether the traces are; else they are estimated from random signs (Hutchinson 1990,
        Communications in Statistics - Simulation 19(2)), which costs less for a dense tail.
    """
    plan = factor.plan
    s2 = factor.r2 / residual_df(plan, method)
    v = factor.modes()
    blocks = [v[places] for places in plan.places]
    if exact:
        traces = [one.sum(axis=0) for one in factor.inverse_blocks(with_x=method == "REML")]
    else:
        traces = _estimated_traces(factor)
    squares = [one.T @ one for one in blocks]
    gradient, log_r2, E = [], [], []
    for f, a, b in coordinates(plan):
        q = len(traces[f])
        whole = plan.products.factors[f].m * np.eye(q) - traces[f] - squares[f] / s2
        gradient.append(2.0 * whole[a, b])
        log_r2.append(-2.0 * squares[f][a, b] / factor.r2)
        along = np.zeros((q, q))
        along[a, b] += 1.0
        along[b, a] += 1.0
        e = np.zeros(plan.Q)
        e[plan.places[f]] = blocks[f] @ along
        E.append(e)
    stacked = np.stack(E, axis=1)
    half = factor.half_solve(stacked)
    on_v = stacked.T @ v
    information = (stacked.T @ stacked - half.T @ half - np.outer(on_v, on_v) / factor.r2) / s2
    return Gradient(gradient=np.array(gradient), information=information, log_r2=np.array(log_r2))


def _estimated_traces(factor: Factor) -> list[Floats]:
    plan = factor.plan
    signs = np.asarray(
        np.random.default_rng(1).choice([-1.0, 1.0], (plan.Q, _PROBES)), dtype=np.float64
    )
    solved = factor.inverse_solve(signs)
    found = []
    for places in plan.places:
        product = np.einsum("lak,lbk->ab", solved[places], signs[places]) / _PROBES
        found.append(0.5 * (product + product.T))
    return found


def maximise(plan: Plan, method: Method) -> Optimum:
    """Find the maximum of the likelihood, from one start or several.

    Raises
    ------
    EngineError
        If the likelihood is not finite at the start.
    """
    with one_thread():
        if _is_small(plan):
            best = _from_batch(plan, method)
        else:
            first = [np.eye(one.q) for one in plan.products.factors]
            best = _descend(plan, first, method, "1")
            if plan.cost < 0.01 or best.smallest < _SMALL:
                for name, start in _further_starts(plan, best):
                    best = best.joined(_descend(plan, start, method, name))
        gain, known = best.gain, best.n_evaluations
        best = _with_zeros(best, method)
        if math.isnan(gain) or best.n_evaluations > known:
            best.factor.update(best.lam)
            _, gain = differentiate(best.factor, method).step()
        if best.is_singular:
            best, gain = _polished(best, method)
    return Optimum(
        factor=best.factor,
        lam=best.lam,
        deviance=best.deviance,
        gain=0.5 * gain,
        starts=tuple(best.starts),
        n_evaluations=best.n_evaluations,
    )


@dataclass(kw_only=True, eq=False)
class _Descent:
    factor: Factor
    lam: list[Floats]
    deviance: float
    starts: list[Start]
    n_evaluations: int
    gain: float = math.nan  # of one more step, where that was computed exactly

    @property
    def smallest(self) -> float:
        """Smallest singular value of the relative factors."""
        return min(float(np.linalg.svd(one, compute_uv=False)[-1]) for one in self.lam)

    @property
    def is_singular(self) -> bool:
        """Whether several correlated effects have a relative factor near a lower rank."""
        values = [np.linalg.svd(one, compute_uv=False) for one in self.lam if len(one) > 1]
        return any(one[-1] < _NEAR * one[0] or one[-1] < _SMALL for one in values)

    def joined(self, other: "_Descent") -> "_Descent":
        """Return the better of two descents, with the starts of both."""
        better = other if other.deviance < self.deviance else self
        return _Descent(
            factor=better.factor,
            lam=better.lam,
            deviance=better.deviance,
            starts=[*self.starts, *other.starts],
            n_evaluations=self.n_evaluations + other.n_evaluations,
            gain=better.gain,
        )


def _is_small(plan: Plan) -> bool:
    """Return whether a batch of differences costs less than exact derivatives."""
    d = len(coordinates(plan))
    return (1 + 2 * d + d * (d - 1) // 2) * plan.cost < _BATCH


def _from_batch(plan: Plan, method: Method) -> _Descent:
    """Descend from all starts at once, in the free entries; finish with exact derivatives."""
    places = coordinates(plan)
    diagonal = np.array([float(a == b) for _, a, b in places])
    sizes = (1.0, 0.1)
    found = maximise_many(
        Responses.of_plan(plan),
        np.array(sizes)[:, None] * diagonal,
        np.zeros(len(sizes), dtype=np.int64),
        method,
    )
    place = int(np.argmin(found.deviance))
    lam = [np.zeros((one.q, one.q)) for one in plan.products.factors]
    for (f, a, b), value in zip(places, found.theta[place], strict=True):
        lam[f][a, b] = value
    best = _descend(plan, lam, method, str(sizes[place]))
    best.starts += [
        Start(name=str(size), loglik=-0.5 * float(deviance))
        for k, (size, deviance) in enumerate(zip(sizes, found.deviance, strict=True))
        if k != place
    ]
    return best


def _further_starts(plan: Plan, best: _Descent) -> Iterator[tuple[str, list[Floats]]]:
    """Start from small factors too, and from the optimum with what is near zero enlarged."""
    if plan.cost < 0.01:
        yield "0.1", [0.1 * np.eye(one.q) for one in plan.products.factors]
    if best.smallest < _SMALL:
        enlarged = []
        for one, root in zip(plan.products.factors, best.lam, strict=True):
            raised = root.copy()
            places = np.arange(one.q)
            raised[places, places] = np.sign(np.diagonal(root) + 0.5) * np.maximum(
                np.abs(np.diagonal(root)), 0.2
            )
            enlarged.append(raised)
        yield "enlarged", enlarged


def _descend(plan: Plan, lam: list[Floats], method: Method, name: str) -> _Descent:
    """Take bounded Newton steps by the average information until none gains anything."""
    factor = Factor(plan)
    factor.update(lam)
    deviance = deviance_of(factor, method)
    if not math.isfinite(deviance):
        raise EngineError(
            "the likelihood is not finite at the start of the search; rescale the outcome and the "
            "predictors"
        )
    exact, n_evaluations = plan.tail - plan.products.p - 1 < _LARGE_TAIL, 1
    left = math.nan
    for _ in range(MAX_STEPS):
        found = differentiate(factor, method, exact=exact)
        step, gain = found.step()
        if not exact and gain < _FAR:
            exact = True
            continue
        if gain < TOLERANCE:
            left = gain
            break
        length, better = 1.0, False
        for _ in range(12):
            trial = moved(plan, lam, length * step)
            factor.update(trial)
            n_evaluations += 1
            value = deviance_of(factor, method)
            if value < deviance + 1e-13 * abs(deviance):
                better = True
                break
            length *= 0.35
        if not better:
            factor.update(lam)
            break
        lam, deviance = trial, value
    return _Descent(
        factor=factor,
        lam=lam,
        deviance=deviance,
        starts=[Start(name=name, loglik=-0.5 * deviance)],
        n_evaluations=n_evaluations,
        gain=left if exact else math.nan,
    )


def _with_zeros(best: _Descent, method: Method) -> _Descent:
    """Set columns of the relative factors that are almost zero to zero, where nothing is lost."""
    for f, root in enumerate(best.lam):
        for k in range(len(root)):
            column = best.lam[f][:, k]
            if not 0.0 < np.abs(column).max() < _SMALL:
                continue
            trial = [one.copy() for one in best.lam]
            trial[f][:, k] = 0.0
            best.factor.update(trial)
            value = deviance_of(best.factor, method)
            best.n_evaluations += 1
            if value <= best.deviance + 1e-9:
                best.lam, best.deviance = trial, min(value, best.deviance)
    return best


def _polished(best: _Descent, method: Method) -> tuple[_Descent, float]:
    """Finish in the free entries themselves, by differences; also return what is left to gain.

    In the chart a column of Lambda turns only as far as the ones after it allow, so that at a
    covariance of lower rank it may stop short of the maximum.
    """
    plan, places = best.factor.plan, coordinates(best.factor.plan)
    x = np.array([best.lam[f][a, b] for f, a, b in places])
    d, gain = len(x), math.inf
    pairs = [(i, j) for i in range(d) for j in range(i)]
    for _ in range(MAX_STEPS):
        h = _DIFFERENCE * (1.0 + np.abs(x))
        steps = np.diag(h)
        moves = [np.zeros(d), *steps, *-steps]
        moves += [steps[i] + steps[j] for i, j in pairs] + [-steps[i] - steps[j] for i, j in pairs]
        values = deviances(plan, x + np.array(moves), method)
        up, down = values[1 : d + 1], values[d + 1 : 2 * d + 1]
        gradient, second = (up - down) / (2.0 * h), up + down - 2.0 * values[0]
        hessian = np.diag(second / h**2)
        both = values[2 * d + 1 :].reshape(2, -1).sum(axis=0)
        for (i, j), value in zip(pairs, both, strict=True):
            cross = (value - 2.0 * values[0] - second[i] - second[j]) / (2.0 * h[i] * h[j])
            hessian[i, j] = hessian[j, i] = cross
        size = np.sqrt(np.maximum(np.abs(np.diagonal(hessian)), 1e-8))
        curve, vector = np.linalg.eigh(hessian / np.outer(size, size))
        along = vector.T @ (gradient / size)
        # Downhill out of a saddle, where by symmetry there is no slope.
        along[(curve < -1e-4) & (np.abs(along) < 1e-6)] = 1e-2
        step = -(vector @ (along / np.maximum(np.abs(curve), 1e-6))) / size
        gain = 0.5 * float((along**2 / np.maximum(np.abs(curve), 1e-6)).sum())
        trial = x + np.array([1.0, 0.3, 0.1, 0.03, 0.01, 1e-3])[:, None] * step
        found = deviances(plan, trial, method)
        best.n_evaluations += len(values) + len(found)
        place = int(np.argmin(found))
        if not found[place] < best.deviance - 1e-12 * abs(best.deviance):
            break
        x, best.deviance = trial[place], float(found[place])
        if gain < TOLERANCE:
            break
    for (f, a, b), value in zip(places, x, strict=True):
        best.lam[f][a, b] = value
    best.factor.update(best.lam)
    return best, gain
