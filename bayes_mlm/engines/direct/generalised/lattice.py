"""The exact log-likelihood of many points, with draws or moments of the group effects."""

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np

from bayes_mlm.base import Flags, Floats, Ints
from bayes_mlm.engines.direct.generalised.laplace import Expansion
from bayes_mlm.engines.direct.generalised.problem import Problem, Values

LANES = 64
# Rows up to which one thread does the work.
_SMALL = 3_000
# Groups of more trials than this are too informative for products relative to the mode.
MOST_TRIALS = 40_000.0
_BINS = 2
# Nodes of all groups together up to which a lattice grows.
_MOST_NODES = 4_000_000
# Of the spacing at which the poles alone would leave an error of `depth`.
_NEAR = 0.75
_THREADS = 2


@dataclass(frozen=True, kw_only=True, eq=False)
class Layout:
    """The rows as factors of the likelihood, sorted by group and z.

    Attributes
    ----------
    form : int
        Of `kernels.integrate`.
    X, sign, offset, level : arrays
        Of a factor ``a = exp(X g + offset - sign * cut[level] + lane)``; level -1 has no cut.
    weight : (rows,) array
    of_group, of_cell, cz, total, z_mean, flat : arrays
        As of `kernels.integrate`.
    """

    form: int
    X: Floats
    sign: Floats
    offset: Floats
    level: Ints
    weight: Floats
    of_group: Ints
    of_cell: Ints
    cz: Floats
    total: Floats
    z_mean: Floats
    flat: Flags


def make_layout(problem: Problem) -> Layout:
    """Return the rows of a problem as factors of its likelihood."""
    y, code, n = problem.y, problem.code, problem.n
    rows, none = np.arange(n), np.full(n, -1)
    if code == 0:
        lost, won = np.flatnonzero(problem.trials > y), np.flatnonzero(y > 0)
        row = np.concatenate([lost, won])
        sign = np.repeat([1.0, -1.0], [lost.size, won.size])
        weight = np.concatenate([(problem.trials - y)[lost], y[won]])
        level = np.full(row.size, -1)
    elif code == 4:
        place = y.astype(np.int64)
        above, below = np.flatnonzero(place < problem.n_cuts), np.flatnonzero(place > 0)
        row = np.concatenate([above, below])
        sign = np.repeat([1.0, -1.0], [above.size, below.size])
        level = np.concatenate([place[above], place[below] - 1])
        weight = problem.trials[row]
    else:
        row, level = rows, none
        sign = np.full(n, -1.0 if code == 3 else 1.0)
        weight = y if code == 2 else np.ones(n)
    extra = np.log({1: problem.trials, 3: y}.get(code, np.ones(n)))
    z = np.zeros((n, 2))
    z[:, : problem.q] = problem.Z
    zs, group = sign[:, None] * z[row], problem.group_of[row]
    order = np.lexsort((zs[:, 0], zs[:, 1], group))
    row, sign, zs, group = row[order], sign[order], zs[order], group[order]
    edge = np.concatenate([[True], np.diff(group) != 0])
    cell = edge | np.concatenate([[True], (np.diff(zs, axis=0) != 0).any(axis=1)])
    of_cell = np.append(np.flatnonzero(cell), row.size)
    # Of groups in order, also those without rows: none of these is in a design.
    first = np.searchsorted(group, np.arange(problem.n_groups + 1))
    sizes = np.maximum(np.diff(problem.starts), 1)[:, None]
    starts = problem.starts[:-1]
    pull = {1: y, 2: y, 3: np.full(n, -1.0)}.get(code, np.zeros(n))
    return Layout(
        form={0: 0, 4: 0, 1: 1, 3: 1, 2: 2}[code],
        X=np.ascontiguousarray(sign[:, None] * problem.X[row]),
        sign=sign,
        offset=sign * problem.offset[row] + extra[row],
        level=level[order],
        weight=np.ascontiguousarray(weight[order], dtype=float),
        of_group=np.searchsorted(of_cell, first),
        of_cell=of_cell,
        cz=zs[of_cell[:-1]].copy(),
        total=np.add.reduceat(pull[:, None] * z, starts, axis=0),
        z_mean=np.add.reduceat(z, starts, axis=0) / sizes,
        flat=(np.maximum.reduceat(z, starts) == np.minimum.reduceat(z, starts)).all(axis=1),
    )


type Lattice = tuple[Ints, Ints, Ints, Floats]


@dataclass(eq=False)
class Exact:
    """Log-likelihoods by lattices that are found once for each of a few ranges of the effects' sds.

    Parameters
    ----------
    problem : Problem
    expansion : Expansion
        From which Newton's method starts.
    refine, depth, tolerance : float
        Spacing in sds; share of the top below which nodes are omitted; Newton decrement.
    """

    problem: Problem
    expansion: Expansion
    refine: float = 1.3
    depth: float = 1e-5
    tolerance: float = 3e-2

    def __post_init__(self) -> None:
        """Make the factors of the rows."""
        self.layout = make_layout(self.problem)
        self.uncovered = 0
        self.n_evaluations = 0
        self.cuts: Floats = np.empty(0)
        self.bins: list[Lattice] = []
        poles = 1.0 if self.layout.form == 1 else 2.0
        self.widest = _NEAR * poles * math.pi**2 / -math.log(self.depth)

    def _run(
        self,
        at: Values,
        which: Ints,
        lattice: Lattice,
        *,
        share: Floats | None = None,
        span: Floats | None = None,
        seed: int = 0,
        u: Floats | None = None,
        moments: Floats | None = None,
    ) -> tuple[Floats, Floats, Floats]:
        """Return log integrals and rim shares of up to `LANES` points, and counts."""
        from bayes_mlm.engines.direct.generalised.kernels import integrate, scratch  # loads numba

        lay, problem, begin = self.layout, self.problem, self.expansion
        n, groups = len(which), problem.n_groups
        which = np.concatenate([which, np.repeat(which[-1:], LANES - n)])
        g, cuts = at.g[which].T, at.cuts[which].T
        moved = np.concatenate([g, cuts]) - begin.raw[:, None]
        root = np.ascontiguousarray(at.root()[:, which])
        shape = at.shape[which]
        lane = {2: -np.log(shape), 3: np.log(shape)}.get(problem.code, np.zeros(LANES))
        extra = shape if problem.code == 2 else np.zeros(LANES)
        scale = shape if problem.code == 3 else np.ones(LANES)
        out, rim, counts = np.zeros(LANES), np.zeros(LANES), np.zeros((LANES, 2))
        integrate(
            lay.form, lay.X, lay.offset, lay.sign, lay.level, lay.weight, g.ravel(), lane,
            cuts.ravel(), extra, scale, lay.of_group, lay.of_cell, lay.cz, lay.total, lay.z_mean,
            lay.flat, root, begin.pull, begin.inner, begin.cross, moved.ravel(), *lattice,
            self.refine, self.widest, self.tolerance, out, rim,
            np.empty(0) if share is None else share,
            np.empty((groups, 0)) if span is None else span, seed,
            np.empty((LANES, 0, 2)) if u is None else u,
            np.empty((LANES, 0, 5)) if moments is None else moments, counts,
            *scratch(lay.of_group, lay.of_cell, *lattice[:3]),
        )  # fmt: skip
        return out[:n], rim[:n], counts[:n]

    def _find(self, at: Values, which: Ints, old: Lattice | None = None) -> Lattice:
        """Find the nodes above `depth` of the top at any of up to 64 points, from growing discs."""
        groups, flat = self.problem.n_groups, self.layout.flat
        zero = np.zeros(groups, np.int64)
        span = np.full((groups, 2), 9.0)
        alone = np.arange(groups + 1), zero, zero, np.zeros(groups)
        self._run(at, which[:LANES], alone, span=span)
        most = int(np.clip(_MOST_NODES / groups, 500, 20_000))
        reach = np.full(groups, math.sqrt(-2.0 * math.log(self.depth)) + 0.5)
        todo = np.ones(groups, dtype=bool)
        sets: list[tuple[Ints, Ints]] = [(zero[:1], zero[:1])] * groups
        for _ in range(6):
            discs = [
                _disc(r, s, most, flat=bool(f)) if t else (zero[:1], zero[:1])
                for t, r, s, f in zip(todo, reach, span.tolist(), flat, strict=True)
            ]
            of_nodes = np.concatenate([[0], np.cumsum([len(k) for k, _ in discs])])
            nk, nl = (np.concatenate([one[i] for one in discs]) for i in range(2))
            share = np.zeros(len(nk))
            self._run(at, which[:LANES], (of_nodes, nk, nl, np.zeros(len(nk))), share=share)
            for j in np.flatnonzero(todo):
                (k, m), (h1, h2) = discs[j], span[j]
                on = share[of_nodes[j] : of_nodes[j + 1]] > self.depth
                sets[j] = k[on], m[on]
                if len(k) >= most // 2:  # as far as is affordable
                    todo[j] = False
                    continue
                # Nodes whose neighbours are not all in the disc.
                last = (h1 * (np.abs(k[on]) + 1)) ** 2
                if not flat[j]:
                    above = (h2 * (np.abs(m[on]) + 1)) ** 2
                    last = np.maximum(last + (h2 * m[on]) ** 2, (h1 * k[on]) ** 2 + above)
                todo[j] = bool((last > reach[j] ** 2).any())
            reach[todo] *= 1.5
            if not todo.any():
                break
        self.uncovered += int(todo.sum())
        found = []
        for group, (along, across) in enumerate(sets):
            both = along, across
            if old is not None:
                part = slice(old[0][group], old[0][group + 1])
                both = (
                    np.concatenate([along, old[1][part]]),
                    np.concatenate([across, old[2][part]]),
                )
            found.append(_filled(*both, flat=bool(flat[group])))
        sizes = [len(one[0]) for one in found]
        joined = [np.concatenate([one[i] for one in found]) for i in range(3)]
        return (np.concatenate([[0], np.cumsum(sizes)]), joined[0], joined[1], joined[2])

    def prepare(self, points: Floats, bins: int = _BINS) -> None:
        """Find the lattices of the ranges that some points of the posterior span."""
        at = self.problem.values(points)
        key = self._key(at)
        parts = np.array_split(np.argsort(key, kind="stable"), bins)
        self.cuts = key[[part[0] for part in parts[1:]]]
        k = self.problem.inner
        self.bins = []
        for part in parts:
            outer = points[part, k:]
            ends = np.concatenate([outer.argmax(axis=0), outer.argmin(axis=0)])
            few = np.linspace(0, len(part) - 1, LANES - len(ends)).astype(int)
            self.bins.append(self._find(at, part[np.unique(np.concatenate([ends, few]))]))

    @staticmethod
    def _key(at: Values) -> Floats:
        """Return log|L|, by which points share a lattice."""
        root = at.root()
        return np.asarray(np.log(np.maximum(root[0], 1e-300)) + np.log(np.maximum(root[2], 1e-300)))

    def __call__(
        self, points: Floats, *, seed: int = 0, u: Floats | None = None,
        counts: Floats | None = None, moments: Floats | None = None,
    ) -> Floats:  # fmt: skip
        """Return log p(y | point) of points (N, d); fill u (N, J, 2) or moments (N, J, 5).

        With u also counts (N, 2): trials of the draws, and violations of their bounds.
        """
        at = self.problem.values(points)
        key = self._key(at)
        place = np.searchsorted(self.cuts, key)
        out, rim = np.empty(len(points)), np.empty(len(points))
        self.n_evaluations += len(points)

        def work(job: tuple[int, Ints]) -> None:
            number, which = job
            own = None if u is None else np.empty((LANES, self.problem.n_groups, 2))
            sums = None if moments is None else np.empty((LANES, self.problem.n_groups, 5))
            start = seed + 1 + 7 * int(which[0]) + number
            found = self._run(at, which, self.bins[number], seed=start, u=own, moments=sums)
            out[which], rim[which] = found[0], found[1]
            if u is not None and own is not None:
                u[which] = own[: len(which)]
            if counts is not None:
                counts[which] = found[2]
            if moments is not None and sums is not None:
                moments[which] = sums[: len(which)]

        def run(number: int, todo: Ints) -> None:
            jobs = [(number, todo[i : i + LANES]) for i in range(0, len(todo), LANES)]
            if len(jobs) > 1 and self.problem.n > _SMALL:
                with ThreadPoolExecutor(_THREADS) as pool:
                    list(pool.map(work, jobs))
            else:
                for job in jobs:
                    work(job)

        for number in range(len(self.bins)):
            todo = np.flatnonzero(place == number)
            todo = todo[np.argsort(key[todo], kind="stable")]
            run(number, todo)
            if not len(todo):
                continue
            wrong = ~(rim[todo] < 0.01 + 5 * np.median(rim[todo]))
            with np.errstate(invalid="ignore"):
                near = out[todo] > np.nanmax(out) - 40
            again = todo[wrong & near]
            if len(again):
                worst = again[np.argsort(-rim[again])]
                self.bins[number] = self._find(at, worst, self.bins[number])
                run(number, again)
        return out + self.constant(at)

    def of_groups(self, groups: Ints) -> "Exact":
        """Return the same of some groups, with their lattices."""
        found = replace(
            self, problem=self.problem.of_groups(groups), expansion=self.expansion.of_groups(groups)
        )
        found.cuts = self.cuts
        for of_nodes, *lattice in self.bins:
            sizes = np.diff(of_nodes)[groups]
            nodes = np.concatenate([np.arange(of_nodes[j], of_nodes[j + 1]) for j in groups])
            nk, nl, rim = (one[nodes] for one in lattice)
            found.bins.append((np.concatenate([[0], np.cumsum(sizes)]), nk, nl, rim))
        return found

    def constant(self, at: Values) -> Floats:
        """Return what the log-likelihood has beyond the integrals: (N,)."""
        problem, shape = self.problem, at.shape
        total = np.full(len(shape), problem.constant)
        if problem.code in (1, 2):
            total += at.g @ (problem.X.T @ problem.y) + problem.y @ problem.offset
        if problem.code == 2:
            total += _log_rising(problem, shape) - problem.y.sum() * np.log(shape)
        if problem.code == 3:
            log_gamma = np.array([math.lgamma(one) for one in shape])
            total += problem.n * (shape * np.log(shape) - log_gamma)
            total += shape * np.log(problem.y).sum()
            total -= shape * (at.g @ problem.X.sum(axis=0) + problem.offset.sum())
        if problem.n_cuts > 1:
            numbers = _per_category(problem)[1:-1]
            gaps = np.diff(at.cuts, axis=1)
            with np.errstate(divide="ignore", invalid="ignore"):
                total += np.log(-np.expm1(-gaps)) @ numbers
        return total


def _per_category(problem: Problem) -> Floats:
    """Return the rows of each category, shape (K,)."""
    return np.bincount(problem.y.astype(np.int64), problem.trials, minlength=problem.n_cuts + 1)


def _log_rising(problem: Problem, shape: Floats) -> Floats:
    """Return sums over rows of log Gamma(y + shape) - log Gamma(shape)."""
    values, counts = problem.distinct
    if len(values) * len(shape) > 300_000:
        from scipy.special import gammaln

        rising = [gammaln(values + one) @ counts - counts.sum() * gammaln(one) for one in shape]
        return np.array(rising)
    found = np.zeros(len(shape))
    for value, count in zip(values.tolist(), counts.tolist(), strict=True):
        each = [math.lgamma(value + one) - math.lgamma(one) for one in shape.tolist()]
        found += count * np.array(each)
    return found


def _disc(reach: float, span: "list[float]", most: int, *, flat: bool) -> tuple[Ints, Ints]:
    """Return the nodes no farther than `reach` from the middle of a lattice of spacings `span`.

    They are `most` at most.
    """
    if flat:
        a = min(int(reach / span[0]), most // 2)
        along = np.arange(-a, a + 1)
        return along, np.zeros_like(along)
    reach = min(reach, math.sqrt(most * span[0] * span[1] / math.pi))
    a, c = int(reach / span[0]), int(reach / span[1])
    k, m = np.meshgrid(np.arange(-a, a + 1), np.arange(-c, c + 1))
    on = np.square(k * span[0]) + np.square(m * span[1]) <= reach**2
    return k[on], m[on]


def _filled(k: Ints, m: Ints, *, flat: bool) -> tuple[Ints, Ints, Floats]:
    """Return the nodes of a lattice without gaps along its lines, and which are at the rim."""
    on = np.zeros((np.ptp(m) + 3, np.ptp(k) + 3), dtype=bool)
    on[m - m.min() + 1, k - k.min() + 1] = True
    right = np.logical_or.accumulate(on[:, ::-1], axis=1)[:, ::-1]
    on = np.logical_or.accumulate(on, axis=1) & right
    inner = on[1:-1, :-2] & on[1:-1, 2:]
    if not flat:
        inner &= on[:-2, 1:-1] & on[2:, 1:-1]
    rows, columns = np.nonzero(on)
    rim: Floats = 1.0 - inner[rows - 1, columns - 1].astype(np.float64)
    return (columns - 1 + k.min()).astype(np.int64), (rows - 1 + m.min()).astype(np.int64), rim
