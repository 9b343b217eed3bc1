"""The Laplace approximation of coefficients and group effects at one value of the outer part."""

import math
from dataclasses import dataclass, replace

import numpy as np

from bayes_mlm.base import Floats, Ints
from bayes_mlm.engines.direct.generalised.problem import Problem
from bayes_mlm.likelihood import code_of, constants

_STEPS = 80
# The value is corrected by half the decrement: what is left is of its power 3/2.
_SMALL = 1e-3
# A Newton decrement above it is of no mode: far out, where the root is nearly singular.
_FOUND = 1e-2


@dataclass(frozen=True, kw_only=True, eq=False)
class Node:
    """The approximation at one value of the outer part.

    Attributes
    ----------
    outer : (d,) array
    value : float
        Log of the density of the outcome, the rest integrated out by Laplace's method, without
        the prior of the outer part; minus infinity where no mode was found.
    raw : (k,) array
        The mode of coefficients and thresholds.
    mode, root : (k,), (k, k) arrays
        Of coefficients, first threshold and logs of gaps: the mode, and the lower Cholesky factor
        of the precision.
    u : (J, q) array
        Modes of the effects.
    v : (J, q) array
        The same, standardised.
    """

    outer: Floats
    value: float
    raw: Floats
    mode: Floats
    root: Floats
    u: Floats
    v: Floats


def first_guess(problem: Problem) -> Floats:
    """Return coefficients and thresholds to start from: none but the level of the outcome."""
    raw = np.zeros(problem.inner)
    if problem.n_cuts:
        n = problem.trials.sum()
        below = np.array([problem.trials @ (problem.y <= k) for k in range(problem.n_cuts)]) / n
        below = np.clip(below, 0.5 / n, 1.0 - 0.5 / n)
        cuts = np.log(below / (1.0 - below))
        raw[problem.p :] = np.maximum.accumulate(cuts + 1e-3 * np.arange(problem.n_cuts))
    elif problem.code in (1, 2, 3) and problem.p:
        n = problem.trials.sum()
        level = np.log(max(problem.y.sum() / n, 1e-3)) - problem.trials @ problem.offset / n
        constant = np.flatnonzero(problem.X.std(axis=0) < 1e-12)
        if constant.size:
            raw[constant[0]] = level / problem.X[0, constant[0]]
    return raw


def evaluate_node(
    problem: Problem, outer: Floats, raw: Floats, v: Floats, *, steps: int = _STEPS
) -> Node:
    """Find the mode by Newton's method with halved steps; evaluate Laplace's approximation."""
    from bayes_mlm.engines.direct.generalised.newton_kernels import newton_pass

    p, k, q, groups = problem.p, problem.inner, problem.q, problem.n_groups
    point = np.concatenate([np.zeros(k), outer])[None]
    at = problem.values(point)
    shape, code = float(at.shape[0]), code_of(problem.family)
    assert code is not None  # for mypy: such a model is refused
    lower = (at.sds[:, :, None] * at.factor)[0]
    z = np.ascontiguousarray(problem.Z @ lower)
    s, uphill = np.empty((k, k)), np.empty(k)
    inner, move = np.empty((groups, q, q)), np.empty((groups, q))
    cross = np.empty((groups, q, k))
    best, size = -np.inf, 1.0
    step, step_v = np.zeros(k), np.zeros((groups, q))
    decrement = np.inf
    for _ in range(steps):
        trial, trial_v = raw + size * step, v + size * step_v
        cuts = trial[p:]
        value = -np.inf
        if problem.n_cuts < 2 or (np.diff(cuts) > 0).all():
            information, pull = problem.prior_pull(trial[:p], cuts)
            eta = problem.X @ trial[:p] + problem.offset
            value, logdet, gain = newton_pass(
                code, math.log(shape), problem.y, problem.trials, cuts, eta, problem.X, z,
                problem.starts, trial_v, information, s, uphill, inner, move, cross,
            )  # fmt: skip
            value += float(problem.log_prior_raw(trial[None, :p], trial[None, p:])[0])
        if not value >= best - 1e-10 * abs(best) and size > 1e-4:
            size *= 0.4
            continue
        best, raw, v, size = value, trial, trial_v, 1.0
        uphill += pull
        step = _solve(s, uphill)
        step_v = move - cross @ step
        decrement = float(uphill @ step) + gain
        if decrement < _SMALL:
            break
    mode, root, logdet_root = _in_coordinates(problem, raw, s)
    value = best + 0.5 * decrement - 0.5 * logdet - logdet_root
    value += constants(problem.family, problem.outcomes, {"shape": np.array(shape)})[0]
    found = decrement < _FOUND and np.isfinite(value)
    return Node(
        outer=outer.copy(),
        value=value if found else -np.inf,
        raw=raw,
        mode=mode,
        root=root,
        u=v @ lower.T,
        v=v,
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class Expansion:
    """The log-likelihood of each group to second order about effects u at coefficients `raw`.

    Attributes
    ----------
    raw : (k,) array
    pull : (J, 2) array
        Score in u, plus the information times u.
    inner : (J, 3) array
        Information 00, 01 and 11 of u.
    cross : (J, 2, k) array
        Information of u with coefficients and thresholds.
    """

    raw: Floats
    pull: Floats
    inner: Floats
    cross: Floats

    def of_groups(self, groups: Ints) -> "Expansion":
        """Return the expansions of some groups."""
        return replace(
            self, pull=self.pull[groups], inner=self.inner[groups], cross=self.cross[groups]
        )


def expand(problem: Problem, node: Node) -> Expansion:
    """Expand the log-likelihood about the mode that a node has."""
    from bayes_mlm.engines.direct.generalised.newton_kernels import newton_pass

    p, k, q, groups = problem.p, problem.inner, problem.q, problem.n_groups
    at = problem.values(np.concatenate([node.raw, node.outer])[None])
    code = code_of(problem.family)
    assert code is not None  # for mypy: such a model is refused
    information, move = np.empty((groups, q, q)), np.empty((groups, q))
    cross = np.empty((groups, q, k))
    newton_pass(
        code, math.log(float(at.shape[0])), problem.y, problem.trials, node.raw[p:],
        problem.X @ node.raw[:p] + problem.offset, problem.X, problem.Z, problem.starts, node.u,
        np.zeros((k, k)), np.empty((k, k)), np.empty(k), information, move, cross,
    )  # fmt: skip
    pull, inner, mixed = np.zeros((groups, 2)), np.zeros((groups, 3)), np.zeros((groups, 2, k))
    if q:  # what stands there has the prior's identity and score -u
        information[:, range(q - 1), range(1, q)] = information[:, range(1, q), range(q - 1)]
        pull[:, :q] = (information @ (move + node.u)[:, :, None])[:, :, 0]
        mixed[:, :q] = information @ cross
        inner[:, 0] = information[:, 0, 0] - 1.0
    if q == 2:
        inner[:, 1], inner[:, 2] = information[:, 0, 1], information[:, 1, 1] - 1.0
    return Expansion(raw=node.raw, pull=pull, inner=inner, cross=mixed)


def _solve(s: Floats, uphill: Floats) -> Floats:
    try:
        return np.asarray(np.linalg.solve(s, uphill))
    except np.linalg.LinAlgError:
        scale = 1e-10 * np.trace(s) / max(len(s), 1)
        return np.asarray(np.linalg.solve(s + scale * np.eye(len(s)), uphill))


def _in_coordinates(problem: Problem, raw: Floats, s: Floats) -> tuple[Floats, Floats, float]:
    """Return mode and root of the precision in the coordinates, and half log|S| of the raw ones."""
    p, k = problem.p, problem.inner
    if k == 0:
        return raw, s.copy(), 0.0
    root = np.linalg.cholesky(s + 1e-14 * np.trace(s) / k * np.eye(k))
    half = float(np.log(np.diagonal(root)).sum())
    if problem.n_cuts < 2:
        return raw.copy(), root, half
    gaps = np.diff(raw[p:])
    mode = raw.copy()
    mode[p + 1 :] = np.log(gaps)
    jacobian = np.eye(k)
    for column in range(problem.n_cuts):
        jacobian[p + column :, p + column] = 1.0 if column == 0 else gaps[column - 1]
    return mode, np.linalg.cholesky(jacobian.T @ s @ jacobian), half
