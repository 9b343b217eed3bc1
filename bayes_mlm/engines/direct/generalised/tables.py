"""The log-likelihood of many rows from tables of each group's, where the posterior is narrow.

The nodes of a lattice in the effects w at the centre of the coefficients have the value of each
group's log-likelihood and its expansion to second order in the coefficients, whose change within
the span of z is first taken into w: u = w - T (b - b0), with T the effects' regression on them
(hierarchical centring; Papaspiliopoulos, Roberts & Skold 2007, Statistical Science 22(1)). What is
left of a predictor is its deviation within groups, whose coefficient a great many rows determine.
The prior of w is exact, and so are draws of u by rejection: the table decides where it surely can,
the rows elsewhere. They are used only where they agree with lattices of some points (`sampling`).
"""

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np

from bayes_mlm.base import Flags, Floats, Ints
from bayes_mlm.engines.direct.generalised.laplace import Node, expand
from bayes_mlm.engines.direct.generalised.lattice import LANES, Exact
from bayes_mlm.engines.direct.generalised.problem import Problem, Values
from bayes_mlm.likelihood import code_of

# Fewer rows are evaluated faster as they are.
LEAST_ROWS = 20_000
# Sd of the log sds beyond which one lattice does not suit every point.
_WIDEST = 0.2
_MOST_NUMBERS = 30_000_000
_REFINE, _REACH, _DEPTH = 1.2, 5.4, 1e-6
# Spacing, in eta, at which the nearest poles of the log-likelihood leave an error of 1e-5.
_POLES = 0.9 * 2.0 * math.pi**2 / -math.log(1e-5)
# Share of the groups' integrals, summed over them, at the rim of the nodes.
_MOST_RIM = 0.03
_THREADS = 2


def can_tabulate(problem: Problem, points: Floats) -> bool:
    """Return whether tables serve points of the posterior, going by these."""
    if problem.n < LEAST_ROWS or not problem.q or problem.n_cuts or problem.has_shape:
        return False
    log_sds = points[:, problem.inner : problem.inner + problem.q]
    terms = 1 + problem.p * (problem.p + 3) / 2
    nodes = problem.n_groups * 12.0**problem.q
    return bool(log_sds.std(axis=0).max() < _WIDEST and nodes * terms < _MOST_NUMBERS)


class Tables:
    """Tables about one node, called as `lattice.Exact` is."""

    def __init__(self, problem: Problem, node: Node) -> None:
        from bayes_mlm.engines.direct.generalised.table_kernels import tabulate  # loads numba

        self.problem, self.node, self.n_evaluations = problem, node, 0
        code = code_of(problem.family)
        assert code is not None  # for mypy: such a model is refused
        self.code, groups, q = code, problem.n_groups, problem.q
        self.expansion = around = expand(problem, node)
        centre = problem.values(np.concatenate([node.raw, node.outer])[None])
        prior = _precisions(centre, q)[:, 0]
        self.u, self.Z = np.zeros((groups, 2)), np.zeros((problem.n, 2))
        self.u[:, :q], self.Z[:, :q] = node.u, problem.Z
        information = np.zeros((groups, 2, 2))
        information[:, 0, 0], information[:, 1, 1] = around.inner[:, 0], around.inner[:, 2]
        information[:, 0, 1] = information[:, 1, 0] = around.inner[:, 1]
        little = 1e-9 * np.trace(information, axis1=1, axis2=2) + 1e-12
        self.tied = -np.linalg.solve(
            information + little[:, None, None] * np.eye(2), around.cross
        )  # of q = 1 the second row is 0
        rest = problem.X + np.einsum(
            "nq,nqk->nk", self.Z, self.tied[problem.group_of], optimize=True
        )
        self.active = np.flatnonzero(np.abs(rest).max(axis=0, initial=0.0) > 1e-6)
        rest = np.ascontiguousarray(rest[:, self.active])
        self.axes, self.half = self._lattices(information, prior)
        eta = problem.X @ node.raw + problem.offset
        m = len(self.active)
        todo, self.top, self.rough = np.ones(groups, dtype=bool), np.empty(groups), np.empty(groups)
        self.of_nodes, self.table = np.zeros(1, dtype=np.int64), np.empty((0, 0))
        for _ in range(6):
            sizes = (2 * self.half + 1).prod(axis=1)
            last, kept = self.of_nodes, self.table
            self.of_nodes = np.concatenate([[0], np.cumsum(sizes)])
            self.table = np.empty((int(self.of_nodes[-1]), 1 + m + m * (m + 1) // 2))
            if len(kept):
                done = np.repeat(~todo, sizes)
                self.table[done] = kept[np.repeat(~todo, np.diff(last))]
            tabulate(
                code, problem.y, problem.trials, eta, rest, self.Z, problem.starts, self.u,
                self.axes, prior, self.half, self.of_nodes, todo, self.table, self.top, self.rough,
            )  # fmt: skip
            share, at_end = self._shares(prior)
            high = np.maximum.reduceat(np.where(at_end, share, 0.0), self.of_nodes[:-1])
            todo = high > _DEPTH
            if not todo.any():
                break
            grown = np.ceil(1.3 * self.half).astype(np.int64)
            self.half = np.where(todo[:, None], grown, self.half)
        self.complete = not todo.any()
        if self.complete:
            self._keep(share > _DEPTH, at_end)

    def _lattices(self, information: Floats, prior: Floats) -> tuple[Floats, Ints]:
        """Return the steps (J, 2, 2) of the lattices as columns, and how far they reach (J, 2)."""
        problem, q = self.problem, self.problem.q
        h = information + np.array([[prior[0], prior[1]], [prior[1], prior[2]]])
        if q == 1:
            h[:, 1, 1] = 1.0
        curvature, vectors = np.linalg.eigh(h)
        axes = vectors / np.sqrt(curvature)[:, None, :]
        if q == 1:
            axes = np.zeros_like(axes)
            axes[:, 0, 0], axes[:, 1, 1] = 1.0 / np.sqrt(h[:, 0, 0]), 1.0
        eta = np.abs(np.einsum("nq,nqk->nk", self.Z, axes[problem.group_of], optimize=True))
        span = np.maximum(np.maximum.reduceat(eta, problem.starts[:-1], axis=0), 1e-300)
        step = np.minimum(_REFINE, _POLES / span)
        half = np.ceil(_REACH / step).astype(np.int64)
        if q == 1:
            step[:, 1], half[:, 1] = 1.0, 0
        return axes * step[:, None, :], half

    def _shares(self, prior: Floats) -> tuple[Floats, Flags]:
        """Return the value of each node over its group's largest, and which are at an end."""
        sizes = np.diff(self.of_nodes)
        group = np.repeat(np.arange(len(sizes)), sizes)
        place = np.arange(len(group)) - self.of_nodes[group]
        half = self.half[group]
        wide = 2 * half[:, 0] + 1
        node = np.column_stack([place % wide, place // wide]) - half
        end = np.abs(node) == half
        at_end = end[:, 0] | (end[:, 1] & (half[:, 1] > 0))
        w = self.u[group] + np.einsum("nab,nb->na", self.axes[group], node, optimize=True)
        level = prior[0] * w[:, 0] ** 2 + 2 * prior[1] * w[:, 0] * w[:, 1] + prior[2] * w[:, 1] ** 2
        return np.exp(self.table[:, 0] - 0.5 * level), at_end

    def _keep(self, on: Flags, at_end: Flags) -> None:
        """Keep the nodes that count; those with a neighbour that does not are the rim."""
        sizes = np.diff(self.of_nodes)
        wide = np.repeat(2 * self.half[:, 0] + 1, sizes)
        nodes = np.arange(len(on))
        inner = on & ~at_end
        both = np.repeat(self.half[:, 1] > 0, sizes)
        for step, where in ((np.ones_like(wide), inner), (wide, inner & both)):
            for sign in (1, -1):
                near = np.where(where, nodes + sign * step, nodes)
                inner = inner & on[near]
        group = np.repeat(np.arange(len(sizes)), sizes)
        self.kept = (nodes - self.of_nodes[group])[on]
        self.rim = 1.0 - inner[on].astype(float)
        self.of_kept = np.concatenate([[0], np.cumsum(np.add.reduceat(on, self.of_nodes[:-1]))])

    def __call__(
        self, points: Floats, *, seed: int = 0, u: Floats | None = None,
        counts: Floats | None = None, moments: Floats | None = None,
    ) -> Floats:  # fmt: skip
        """Return log p(y | point) of points (N, d), as `lattice.Exact` does."""
        problem = self.problem
        at = problem.values(points)
        out, rim = np.empty(len(points)), np.empty(len(points))
        self.n_evaluations += len(points)
        most = int((2 * self.half + 1).prod(axis=1).max()) * LANES
        groups = problem.n_groups

        def work(first: int) -> None:
            from bayes_mlm.engines.direct.generalised.lane_kernels import SCRATCH
            from bayes_mlm.engines.direct.generalised.table_kernels import from_tables

            here = slice(first, min(first + LANES, len(points)))
            n = here.stop - first
            which = np.minimum(np.arange(first, first + LANES), len(points) - 1)
            g = np.ascontiguousarray(at.g[which])
            move = g - self.node.raw
            active = move[:, self.active]
            m = active.shape[1]
            rows, columns = np.tril_indices(m)
            product = np.concatenate([active, active[:, rows] * active[:, columns]], axis=1)
            value, edge, tally = np.zeros(LANES), np.zeros(LANES), np.zeros((LANES, 2))
            drawn = np.empty((LANES, groups if u is not None else 0, 2))
            sums = np.empty((LANES, groups if moments is not None else 0, 5))
            bits = np.empty(LANES, np.int64)
            precision = np.ascontiguousarray(_precisions(at, problem.q)[:, which])
            from_tables(
                self.table, self.kept, self.rim, self.of_kept, self.of_nodes, self.half, self.u,
                self.axes, self.rough, self.tied, move.T.ravel(), product.T.ravel(),
                precision, value, edge, seed + 1 + first,
                drawn, sums, tally, self.code, problem.y, problem.trials, problem.offset,
                problem.X, self.Z, problem.starts, self.top, g, np.zeros(SCRATCH), bits,
                bits.view(np.float64), np.empty(most), np.empty(most),
            )  # fmt: skip
            out[here], rim[here] = value[:n], edge[:n]
            if u is not None:
                u[here] = drawn[:n]
            if counts is not None:
                counts[here] = tally[:n]
            if moments is not None:
                moments[here] = sums[:n]

        with ThreadPoolExecutor(_THREADS) as pool:
            list(pool.map(work, range(0, len(points), LANES)))
        out += self.constant(at)
        with np.errstate(invalid="ignore"):
            near = out > np.nanmax(out) - 40
        beyond = np.flatnonzero(near & ~(rim < _MOST_RIM))
        if len(beyond):
            self._beyond(points, beyond, seed, out, u, counts, moments)
        return out

    def _beyond(
        self, points: Floats, which: Ints, seed: int, out: Floats, u: Floats | None,
        counts: Floats | None, moments: Floats | None,
    ) -> None:  # fmt: skip
        """Set what is found at points that the tables do not reach, by lattices of their own."""
        exact = Exact(self.problem, self.expansion)
        exact.prepare(points[which], bins=1)
        empty, n, groups = np.empty, len(which), self.problem.n_groups
        drawn = None if u is None else empty((n, groups, 2))
        sums = None if moments is None else empty((n, groups, 5))
        tally = np.zeros((n, 2))
        out[which] = exact(points[which], seed=seed + 5, u=drawn, counts=tally, moments=sums)
        if u is not None and drawn is not None:
            u[which] = drawn
        if counts is not None:
            counts[which] = tally
        if moments is not None and sums is not None:
            moments[which] = sums

    def constant(self, at: Values) -> Floats:
        """Return what the log-likelihood has beyond the sums over nodes: (N,)."""
        problem, q, root = self.problem, self.problem.q, at.root()
        area = np.linalg.det(self.axes) if q == 2 else self.axes[:, 0, 0]
        each = -0.5 * q * math.log(2.0 * math.pi) - np.log(root[0]) - np.log(root[2])
        both = float(self.top.sum() + np.log(np.abs(area)).sum()) + problem.constant
        return np.asarray(problem.n_groups * each + both)

    def of_groups(self, groups: Ints) -> "Tables":
        """Return the tables of some groups."""
        return Tables(self.problem.of_groups(groups), replace(self.node, u=self.node.u[groups]))


def _precisions(at: Values, q: int) -> Floats:
    """Return the precisions (3, N) of the effects: 00, 01, 11."""
    root = at.root()
    found = np.zeros((3, root.shape[1]))
    i0, i1 = 1.0 / root[0], 1.0 / root[2]
    low = -root[1] * i0 * i1
    found[0] = i0**2 + (low**2 if q == 2 else 0.0)
    if q == 2:
        found[1], found[2] = low * i1, i1**2
    return found
