"""The likelihood of several grouping factors, corrected by importance: Laplace is where it starts.

The groups of one factor are integrated exactly, by the adaptive trapezium rule,
given the effects w of the others: p(y | theta) is an integral over w alone, whose integrand is
near normal, as each w_k is known from many groups. It falls apart where w does (schools that share
no group), and each part is a sum of its own: over a lattice, where a part has one or two effects,
else over draws about the mode with its curvature, in pairs of opposite sign, their tails a little
longer than the normal's. The same draws serve all theta, so that the correction is a smooth
function of it.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from bayes_mlm.base import Floats, Ints, one_thread
from bayes_mlm.engines.direct.pareto import smooth_rows
from bayes_mlm.engines.generalised.several.parts import connected
from bayes_mlm.engines.generalised.several.problem import JointPoint, JointProblem

# Relative precision of each group's integral, given the effects of the other factors.
_EPS = 1e-7
# Of a lattice: largest part, spacing, and its radius, in sds of the integrand.
MAX_LATTICE, _SPACING, _RADIUS = 2, (0.5, 0.8), 8.0
# Of the integrals over one effect, by row; over one effect more, times that.
_ROW_SECONDS, _DEEPER = 3e-7, 8
# Effects at all nodes at a time.
_NUMBERS = 10_000_000
_LOG_2PI = math.log(2.0 * math.pi)


@dataclass(frozen=True, kw_only=True, eq=False)
class Nodes:
    """Points at which the effects outside the exact integrals are set.

    Attributes
    ----------
    z : ndarray, shape (S, D)
        In units of the curvature's root at the mode.
    log_weight : ndarray, shape (S, D)
        Minus the log density of each, or the log of the lattice's spacing.
    coarse : ndarray of bool, shape (S,), or None
        Points of the lattice of twice the spacing; None of draws.
    """

    z: Floats
    log_weight: Floats
    coarse: np.ndarray | None


@dataclass(frozen=True, kw_only=True, eq=False)
class Corrected:
    """The corrected log-likelihood at one point.

    Attributes
    ----------
    loglik, laplace : float
    error : float
        Standard error of the first, of draws; of a lattice what half its spacing changed.
    k_hat : float
        Largest Pareto k of the weights of a part; minus infinity of a lattice.
    v : ndarray, shape (Q,)
        The joint mode.
    log_weight : ndarray, shape (S, parts)
    """

    loglik: float
    laplace: float
    error: float
    k_hat: float
    v: Floats
    log_weight: Floats


@dataclass(frozen=True, kw_only=True, eq=False)
class Scheme:
    """Which effects are integrated exactly, and which parts the others fall into.

    Attributes
    ----------
    problem : JointProblem
    """

    problem: JointProblem

    @property
    def inner(self) -> int:
        """Number of effects that are integrated exactly: the first of the plan."""
        return int(self.problem.first[1])

    @property
    def outer(self) -> int:
        """Number of the other effects."""
        return int(self.problem.plan.Q - self.inner)

    @cached_property
    def _labels(self) -> tuple[int, Ints]:
        """Return how many parts there are, and the part of each level, factor by factor."""
        return connected(list(self.problem.codes.T), self.problem.plan.arrays.m.tolist())

    @cached_property
    def part_of_group(self) -> Ints:
        """Part of each group of the factor that is integrated exactly."""
        return self._labels[1][: int(self.problem.plan.arrays.m[0])]

    @cached_property
    def part_of_effect(self) -> Ints:
        """Part of each outer effect, in the order of the plan."""
        arrays, labels = self.problem.plan.arrays, self._labels[1]
        by_effect = np.repeat(labels, np.repeat(arrays.q, arrays.m))
        found = np.empty(self.problem.plan.Q, dtype=np.int64)
        found[self.problem.unknowns] = by_effect
        return found[self.inner :]

    @property
    def parts(self) -> int:
        """Number of parts."""
        return self._labels[0]

    @cached_property
    def largest(self) -> int:
        """Outer effects of the largest part."""
        return int(np.bincount(self.part_of_effect, minlength=self.parts).max())

    @property
    def seconds(self) -> float:
        """Seconds that one node takes, roughly: by its operations, not a clock."""
        q = int(self.problem.plan.arrays.q[0])
        return len(self.problem.X) * _ROW_SECONDS * float(_DEEPER ** (q - 1)) + 5e-5

    def lattice(self) -> Nodes:
        """Return a lattice for parts of one or two effects."""
        d = self.largest
        h = _SPACING[d - 1]
        far = int(_RADIUS / h)
        axes = np.meshgrid(*[np.arange(-far, far + 1)] * d, indexing="ij")
        steps = np.column_stack([one.ravel() for one in axes])
        steps = steps[np.square(h * steps).sum(axis=1) <= _RADIUS**2]
        rank = _ranks(self.part_of_effect)
        z: Floats = (h * steps)[:, rank].astype(np.float64)
        # A part of fewer effects than the lattice: its sum runs over one point of the other axis.
        size = np.bincount(self.part_of_effect, minlength=self.parts)
        weight = np.full(z.shape, math.log(h))
        for effect in np.flatnonzero(size[self.part_of_effect] < d):
            weight[
                (steps[:, size[self.part_of_effect[effect]] :] != 0).any(axis=1), effect
            ] = -np.inf
        return Nodes(z=z, log_weight=weight, coarse=(steps % 2 == 0).all(axis=1))

    def draws(self, many: int, random_seed: int = 0) -> Nodes:
        """Return draws in pairs of opposite sign: `many` of them, from a t of each effect."""
        from scipy.special import gammaln

        rng = np.random.default_rng(random_seed)
        df = float(np.clip(2.0 * self.largest, 8.0, 100.0))
        half = rng.standard_t(df, size=(many // 2, self.outer))
        z = np.concatenate([half, -half])
        constant = gammaln(0.5 * df + 0.5) - gammaln(0.5 * df) - 0.5 * math.log(df * math.pi)
        density = constant - 0.5 * (df + 1.0) * np.log1p(np.square(z) / df)
        return Nodes(z=z, log_weight=-density, coarse=None)

    def nodes(self, many: int) -> Nodes:
        """Return the lattice where that is small, else draws."""
        return self.lattice() if self.largest <= MAX_LATTICE else self.draws(many)

    def evaluate(self, x: Floats, nodes: Nodes, v: Floats | None = None) -> Corrected:
        """Return the corrected log-likelihood at a point, and how well it is known."""
        problem = self.problem
        at = problem.evaluate(x, v=v, derive=False)
        nothing = np.empty((0, self.parts))
        failed = Corrected(
            loglik=-math.inf,
            laplace=at.loglik,
            error=math.inf,
            k_hat=math.inf,
            v=at.v,
            log_weight=nothing,
        )
        if not math.isfinite(at.loglik):
            return failed
        factor, inner, part = problem.factor, self.inner, self.part_of_effect
        centre, known = self._centre(x, at), -0.5 * np.square(nodes.z) - 0.5 * _LOG_2PI
        log_weight = np.empty((len(nodes.z), self.parts))
        many = max(1, _NUMBERS // problem.plan.Q)
        for first in range(0, len(nodes.z), many):
            z, weight = (one[first : first + many] for one in (nodes.z, nodes.log_weight))
            noise = np.zeros((problem.plan.Q, len(z)))
            noise[inner:] = z.T
            with one_thread():
                moved = centre[:, None] + factor.root_solve(noise)
            own = -0.5 * np.square(moved[inner:].T) - 0.5 * _LOG_2PI + weight
            sums = _summed(own - factor.log_diagonal[inner:], part, self.parts)
            for s, integrals in enumerate(self._integrals(x, moved)):
                if integrals is None:
                    return failed
                sums[s] += np.bincount(self.part_of_group, weights=integrals, minlength=self.parts)
            log_weight[first : first + many] = sums
        control = _summed(known + nodes.log_weight, part, self.parts)
        loglik, error, k_hat = _mean(log_weight, control, nodes)
        aux = problem.parts(x)[2]
        return Corrected(
            loglik=loglik + problem.constant(aux)[0],
            laplace=at.loglik,
            error=error,
            k_hat=k_hat,
            v=at.v,
            log_weight=log_weight,
        )

    def _centre(self, x: Floats, at: JointPoint) -> Floats:
        """Return the effects (Q,) at the mode in w, the others integrated by Laplace.

        It is a step off the joint mode, to which the determinant of the others' curvature adds.
        """
        from bayes_mlm.likelihood import curvature_rows, project  # loads numba

        problem, base = self.problem, self.problem.base
        arrays, n = problem.plan.arrays, len(at.eta)
        _, lam, aux = problem.parts(x)
        cuts, psi = problem.thresholds(aux) or (np.zeros(2), 0.0)
        q = int(arrays.q[0])
        zl, place = problem.Z[:, :q] @ lam[0], problem.plan.places[0]
        own = problem.factor.plan.arrays.blocks[: place.size * q].reshape(-1, q, q)
        inverse = np.linalg.inv(lam[0].T @ own @ lam[0] + np.eye(q))
        third, nothing, cross = np.empty(n), np.empty(q * q), np.empty((n, 2))
        curvature_rows(
            *(base.code, psi, cuts, at.eta, base.y, base.trials, at.weight, problem.Z, zl),
            *(arrays.q[:1], problem.where, arrays.sets[:1], inverse.ravel()),
            *(arrays.lam_start, third, nothing, np.empty(0), cross),
        )
        pulled = np.empty(problem.plan.Q)
        project(third, problem.Z, problem.codes, arrays.q, problem.first, pulled)
        pull = pulled[: place.size].reshape(place.shape) @ lam[0]
        a = np.einsum("jab,jb->ja", inverse, pull)
        back = at.weight * np.einsum("nk,nk->n", zl, a[problem.codes[:, 0]])
        project(0.5 * (third - back), problem.Z, problem.codes, arrays.q, problem.first, pulled)
        right = np.zeros((problem.plan.Q, 1))
        for f, where in enumerate(problem.plan.places[1:], start=1):
            block = pulled[problem.first[f] : problem.first[f + 1]].reshape(where.shape)
            right[where, 0] = block @ lam[f]
        return np.asarray(at.v + problem.factor.inverse_solve(right)[:, 0])

    def _integrals(self, x: Floats, moved: Floats):  # type: ignore[no-untyped-def]
        """Yield the log integrals (J,) at each column of effects (Q, S); None where one failed."""
        from bayes_mlm.likelihood import find_group_modes, integrate_groups  # loads numba

        problem, base = self.problem, self.problem.base
        beta, lam, aux = problem.parts(x)
        known = problem.thresholds(aux)
        assert known is not None  # for mypy: the point was evaluated
        cuts, psi = known
        q = int(problem.plan.arrays.q[0])
        zl = np.ascontiguousarray(problem.Z[:, :q] @ lam[0])
        eta0 = problem.X @ beta + base.offset
        many = base.starts.size - 1
        root, out = np.zeros((many, q, q)), np.empty(many)
        mean, square = np.zeros((many, q)), np.zeros((many, q, q))
        # Derivatives are not asked for, but their places are.
        none, size = np.empty((len(eta0), 0)), q * (q + 1) // 2 + aux.size
        score, hessian = np.zeros(size), np.zeros((size, size))
        rows = (base.y, base.trials)
        for s in range(moved.shape[1]):
            eta = eta0 + self._outer_part(lam, moved[:, s])
            v = np.ascontiguousarray(moved[problem.plan.places[0], s])
            find_group_modes(base.code, psi, cuts, eta, *rows, zl, base.starts, v, root)
            if not np.isfinite(root).all():
                yield None
                return
            integrate_groups(
                *(base.code, psi, cuts, eta, *rows, none, none, zl, base.starts),
                *(v, root, 1.0, _EPS, False, out, score, hessian, mean, square),
            )
            yield out if np.isfinite(out).all() else None

    def _outer_part(self, lam: list[Floats], v: Floats) -> Floats:
        """Return what the outer effects add to the linear predictor, shape (n,)."""
        problem = self.problem
        column, total = int(problem.plan.arrays.q[0]), np.zeros(len(problem.X))
        for f in range(1, len(lam)):
            q = len(lam[f])
            u = v[problem.plan.places[f]] @ lam[f].T
            z, by_row = problem.Z[:, column : column + q], u[problem.codes[:, f]]
            total += z[:, 0] * by_row[:, 0] if q == 1 else np.einsum("nk,nk->n", z, by_row)
            column += q
        return total


def _ranks(labels: Ints) -> Ints:
    """Return the place of each among those with its label, in order."""
    order = np.argsort(labels, kind="stable")
    starts = np.searchsorted(labels[order], labels[order])
    found = np.empty(labels.size, dtype=np.int64)
    found[order] = np.arange(labels.size) - starts
    return found


def _summed(values: Floats, labels: Ints, many: int) -> Floats:
    """Return sums (S, many) of the columns of values (S, D) by label."""
    if many == 1:
        return values.sum(axis=1, keepdims=True)
    found = np.zeros((len(values), many))
    np.add.at(found.T, labels, values.T)
    return found


def _mean(log_weight: Floats, log_control: Floats, nodes: Nodes) -> tuple[float, float, float]:
    """Return the sum over parts of the logs of sums or means, its error, and the largest k-hat.

    The mean of the controls, which are the weights of a normal integrand, is known to be 1.
    """
    top = log_weight.max(axis=0)
    weight = np.exp(log_weight - top)
    if nodes.coarse is not None:
        fine = np.log(weight.sum(axis=0))
        step = 2.0 ** round(math.log2(len(weight) / max(int(nodes.coarse.sum()), 1)))
        coarse = np.log(weight[nodes.coarse].sum(axis=0) * step)
        # Twice the spacing has far larger an error, which falls as its exponential.
        apart = float(np.abs(fine - coarse).sum())
        return float((top + fine).sum()), min(apart, apart**2 * 10.0 + 1e-9), -math.inf
    half = len(weight) // 2
    pairs, control = 0.5 * (weight[:half] + weight[half:]), np.exp(log_control[:half])
    centred = control - control.mean(axis=0)
    slope = (centred * pairs).sum(axis=0) / np.maximum(np.square(centred).sum(axis=0), 1e-300)
    left = pairs - slope * (control - 1.0)
    mean = left.mean(axis=0)
    if not (mean > 0.0).all():
        left, mean = pairs, pairs.mean(axis=0)
    error = math.sqrt(float(((left / mean).var(axis=0, ddof=1) / half).sum()))
    k_hat = float(smooth_rows(log_weight.T).k_hat.max())
    return float((top + np.log(mean)).sum()), error, k_hat
