"""Proposals of all parameters: the outer ones from their Laplace marginal, the others given these.

The Laplace approximation of log p(y | outer) is evaluated at some tens of nodes and interpolated,
in coordinates that are smooth where an sd is 0; so are the conditional mode and root of the
coefficients, which are drawn from a t. The difference to exact values at some hundred points,
fitted by a polynomial, moves the proposal. As INLA (Rue, Martino & Chopin 2009, JRSS B 71(2)), with
weights that make it exact.
"""

import math
from dataclasses import dataclass

import numpy as np

from bayes_mlm.base import EngineError, Floats
from bayes_mlm.engines.direct.generalised.interpolant import Interpolant, quadratic_basis
from bayes_mlm.engines.direct.generalised.laplace import Node, evaluate_node, first_guess
from bayes_mlm.engines.direct.generalised.outer_draws import draw_outer, draw_t, log_t
from bayes_mlm.engines.direct.generalised.problem import Problem, pairs_of

NU = 12.0
_TOLERANCE = 0.03
_MOST_NODES = {1: 40, 2: 80, 3: 120}
_WIDEST = 9.0
_START_LOG_SD, _START_LOG_SHAPE = math.log(0.6), 1.0
_STEP = 0.1


@dataclass(frozen=True, kw_only=True, eq=False)
class Proposals:
    """N proposals.

    Attributes
    ----------
    x : (N, inner + outer) array
    log_density : (N,) array
        Of the proposal, up to the constant `log_integral`.
    z, e : (N, d), (N, k) arrays
        Smooth coordinates of the outer part, and the standardised inner one.
    approximate : (N,) array
        Laplace's log posterior density, up to a constant.
    """

    x: Floats
    log_density: Floats
    z: Floats
    e: Floats
    approximate: Floats
    log_integral: float
    log_integral_error: float


class Proposal:
    """The proposal of one problem, made when it is constructed."""

    def __init__(self, problem: Problem, rng: np.random.Generator) -> None:
        self.problem, self.rng = problem, rng
        self.k, self.d = problem.inner, problem.outer
        self.below = np.tril_indices(self.k, -1)
        self.nodes: list[Node] = []
        self.trend: Floats | None = None
        self.rounds, self.residual = 0, math.inf
        self.mode, self.root = self._climb()
        self.best = -math.inf
        sd = np.sqrt((self.root**2).sum(axis=1))
        self.floor = np.empty(0)
        self._set_floor(sd)
        self.centre, self.white = np.zeros(self.d), np.eye(self.d)
        self._lay_nodes(sd)

    # -- nodes ---------------------------------------------------------------------------------
    def node(self, outer: Floats) -> float:
        """Evaluate a node; return its value."""
        problem = self.problem
        raw, v = first_guess(problem), np.zeros((problem.n_groups, problem.q))
        good = [one for one in self.nodes if math.isfinite(one.value)]
        if good:
            gaps = [float(((one.outer - outer) ** 2).sum()) for one in good]
            near = good[int(np.argmin(gaps))]
            raw, v = near.raw, near.v
            at = problem.values(np.concatenate([np.zeros(self.k), outer])[None])
            lower = (at.sds[:, :, None] * at.factor)[0]
            if problem.q and np.diagonal(lower).min() > 0.05:
                v = np.linalg.solve(lower, near.u.T).T
        found = evaluate_node(problem, outer, raw, np.ascontiguousarray(v))
        if not math.isfinite(found.value) and good:  # once more, from nothing
            found = evaluate_node(problem, outer, first_guess(problem), np.zeros_like(v))
        self.nodes.append(found)
        return found.value

    def _height(self, outer: Floats) -> float:
        if np.abs(outer).max(initial=0.0) > _WIDEST:
            return -1e10
        value = self.node(outer) + float(self.problem.log_prior_outer(outer[None])[0])
        return value if math.isfinite(value) else -1e10

    def _climb(self) -> tuple[Floats, Floats]:
        """Find the mode of the outer part by Newton's method with differences; and a root."""
        problem, d = self.problem, self.d
        x = np.zeros(d)
        x[: problem.q] = _START_LOG_SD
        if problem.has_shape:
            x[-1] = _START_LOG_SHAPE
        centre = self._height(x)
        if d == 0:
            if centre <= -1e10:
                raise EngineError(_NO_MODE)
            return x, np.empty((0, 0))
        if centre <= -1e10:
            raise EngineError(_NO_MODE)
        h, curvature, vector = _STEP, np.ones(d), np.eye(d)
        for _ in range(25):
            steps = h * np.eye(d)
            up = np.array([self._height(x + one) for one in steps])
            down = np.array([self._height(x - one) for one in steps])
            gradient = (up - down) / (2 * h)
            hessian = np.diag((up + down - 2 * centre) / h**2)
            for i in range(d):
                for j in range(i):
                    both = self._height(x + steps[i] + steps[j])
                    cross = (both - up[i] - up[j] + centre) / h**2
                    hessian[i, j] = hessian[j, i] = cross
            curvature, vector = np.linalg.eigh(-hessian)
            step = vector @ ((vector.T @ gradient) / np.maximum(np.abs(curvature), 0.5))
            if float(gradient @ step) < 0.02:
                break
            step *= min(1.0, 1.5 / np.abs(step).max())
            size = 1.0
            while size > 0.02:
                value = self._height(x + size * step)
                if value > centre:
                    break
                size *= 0.4
            else:
                break
            x, centre = x + size * step, value
        widths = (vector / np.maximum(curvature, 1.2)) @ vector.T
        return x, np.linalg.cholesky(widths)

    def _set_floor(self, sd: Floats) -> None:
        """Below it an sd does not change the likelihood: that of a coordinate smooth at 0."""
        problem, q = self.problem, self.problem.q
        log_square = 2.0 * self.mode[:q]
        wide = np.minimum(2.0 * sd[:q], 3.0) * 0.5
        if problem.has_shape:
            log_square = np.append(log_square, -self.mode[-1])
            wide = np.append(wide, min(sd[-1], 3.0) * 0.5)
        self.floor = log_square + np.log(np.maximum(wide, 1e-3)) - 1.0

    def smooth(self, outer: Floats) -> Floats:
        """Return coordinates (N, d) in which the likelihood is smooth where an sd is 0."""
        problem, q = self.problem, self.problem.q
        found = np.empty_like(outer)
        found[:, :q] = np.logaddexp(2.0 * outer[:, :q], self.floor[:q])
        for place, (i, j) in enumerate(pairs_of(problem), start=q):
            share = outer[:, i] + outer[:, j] - 0.5 * (found[:, i] + found[:, j])
            found[:, place] = 3.0 * np.tanh(outer[:, place] / 3.0) * np.exp(share)
        if problem.has_shape:
            found[:, -1] = np.logaddexp(-outer[:, -1], self.floor[-1])
        return found

    def coords(self, outer: Floats) -> Floats:
        """Return the smooth coordinates, centred and whitened."""
        return np.asarray((self.smooth(outer) - self.centre) @ self.white)

    def _lay_nodes(self, sd: Floats) -> None:
        """Lay nodes about the mode, then where draws are and little is known, until they agree."""
        d, rng = self.d, self.rng
        if d == 0:
            self.fit()
            return
        q, problem = self.problem.q, self.problem
        away = [1.7 * np.eye(d), -1.7 * np.eye(d)]
        away.append(
            1.3 * rng.standard_normal((14, d)) if d > 1 else np.array([[0.8], [-0.8], [3.0]])
        )
        nodes = list(self.mode + np.vstack(away) @ self.root.T)
        for k in np.flatnonzero(sd[:q] > 0.15):  # anchors where an sd is 0
            others = [one for one in range(q) if one != k]
            for shift in (0.0, 1.2, -1.2) if others else (0.0,):
                anchor = self.mode.copy()
                anchor[others] += shift * sd[others]
                anchor[k] = min(-7.0, anchor[k] - 3.0)
                nodes.append(anchor)
        if problem.has_shape and sd[-1] > 0.15:
            anchor = self.mode.copy()
            anchor[-1] = max(7.0, anchor[-1] + 3.0)
            nodes.append(anchor)
        for one in nodes:
            self.node(self._inside(one[None])[0])
        step = 1e-4 * np.eye(d)
        slopes = [
            (self.smooth((self.mode + e)[None]) - self.smooth((self.mode - e)[None]))[0]
            for e in step
        ]
        jacobian = np.column_stack(slopes) / 2e-4
        self.centre = self.smooth(self.mode[None])[0]
        self.white = np.linalg.inv(jacobian @ self.root).T
        most = _MOST_NODES.get(d, 160) + len(self.nodes)
        for self.rounds in range(1, 12):
            self.fit()
            drawn = draw_outer(
                lambda x: 0.6 * self.log_outer(x), self.mode, 1.3 * self.root, 400, rng, defend=0.0
            )
            y = self._inside(drawn.x)
            z, new = self.coords(y), list(range(3 if d == 1 else 6))  # at random: the check
            sure = len(new)
            for i in np.argsort(-self.process.variance(z)):
                if len(new) < 2 * sure and all(
                    float(np.linalg.norm(z[i] - z[j])) > 0.7 for j in new[sure:]
                ):
                    new.append(int(i))
            guess, base = (self.process.rows(z[new]) @ self.process.coef)[:, 0], self.base
            true = np.array([self.node(one) for one in y[new]]) - base
            here = true + self.problem.log_prior_outer(y[new]) > self.best - 7.0
            error = np.abs(guess - true)[here]
            small = len(error) > 0 and math.sqrt(float((error**2).mean())) < _TOLERANCE
            if (small and error.max() < 10 * _TOLERANCE and self.rounds > 1) or len(
                self.nodes
            ) > most:
                break
            moved = self.smooth(y)
            self.centre = moved.mean(axis=0)
            spread = np.atleast_2d(np.cov(moved.T)) + 1e-10 * np.eye(d)
            self.white = np.linalg.inv(np.linalg.cholesky(spread)).T
        self.fit()

    def _inside(self, outer: Floats) -> Floats:
        """Return points no farther out than nodes can be evaluated."""
        found, q = np.clip(outer, -_WIDEST, _WIDEST), self.problem.q
        found[:, :q] = np.minimum(found[:, :q], 4.0)
        pairs = slice(q, q + self.problem.n_pairs)
        found[:, pairs] = np.clip(found[:, pairs], -4.0, 4.0)
        return found

    def fit(self) -> None:
        """Interpolate the nodes."""
        outer = np.array([one.outer for one in self.nodes]).reshape(len(self.nodes), self.d)
        value = np.array([one.value for one in self.nodes])
        full = value + self.problem.log_prior_outer(outer)
        z = self.coords(outer)
        kept: list[int] = []
        for i in np.argsort(-full):  # of nodes close together the highest
            if full[i] < full.max() - 100 or not np.isfinite(value[i]):
                break
            if all(float(((z[i] - z[j]) ** 2).sum()) > 0.02 for j in kept):
                kept.append(int(i))
        k = self.k
        rows = [
            np.concatenate([
                self.nodes[i].mode, np.log(np.diagonal(self.nodes[i].root)),
                self.nodes[i].root[self.below],
            ])
            for i in kept
        ]  # fmt: skip
        self.base = float(value[kept].max())
        self.best = float(full[kept].max()) - self.base
        depth = np.maximum(full[kept].max() - full[kept] - 3.0, 0.0)
        nugget = np.minimum(1e-7 * 10.0 ** (depth / 2.5), 0.3)
        f = np.column_stack([value[kept] - self.base, np.array(rows).reshape(len(kept), -1)])
        if self.d == 0:
            self.process: Interpolant | _Constant = _constant(f[:1])
        else:
            self.process = Interpolant(z[kept], f, nugget)
        assert f.shape[1] == 1 + 2 * k + len(self.below[0])

    # -- densities -----------------------------------------------------------------------------
    def log_outer(self, outer: Floats) -> Floats:
        """Return the log marginal density of the outer part, up to a constant: (N,)."""
        q, problem = self.problem.q, self.problem
        low, high = np.full(self.d, -12.0), np.full(self.d, 12.0)
        high[:q] = 5.0
        high[q : q + problem.n_pairs] = 9.0
        low[q : q + problem.n_pairs] = -9.0
        if problem.has_shape:
            high[-1] = 16.0
        inside = ((outer > low) & (outer < high)).all(axis=1)
        x = np.clip(outer, low, high)
        z = self.coords(x)
        value = self.process.rows(z) @ self.process.coef[:, 0]
        value = value - 0.5 * np.maximum((z**2).sum(axis=1) - 25.0, 0.0)
        value = np.minimum(value + problem.log_prior_outer(x), self.best + 1.5)
        if self.trend is not None:
            value = value + self._correction(z)[0]
        return np.where(inside, value, -np.inf)

    def _correction(self, z: Floats) -> tuple[Floats, Floats]:
        basis = quadratic_basis(z)
        slope = np.clip(basis[:, : 1 + self.d], -3.0, 3.0) @ self.slopes
        one = 1.0 - self.curves
        assert self.trend is not None  # for mypy
        level = np.clip(basis, -9.0, 9.0) @ self.trend
        return level + 0.5 * (slope**2 / one - np.log(one)).sum(axis=1), slope / one

    def draw(self, n: int) -> Proposals:
        """Draw n proposals."""
        k = self.k
        drawn = draw_outer(self.log_outer, self.mode, self.root, n, self.rng)
        x, z = drawn.x, self.coords(drawn.x)
        out = self.process.rows(z) @ self.process.coef
        root = np.zeros((n, k, k))
        root[:, range(k), range(k)] = np.exp(out[:, 1 + k : 1 + 2 * k])
        root[:, self.below[0], self.below[1]] = out[:, 1 + 2 * k :]
        e = draw_t(n, k, NU, self.rng)
        logdet = out[:, 1 + k : 1 + 2 * k].sum(axis=1)
        log_q = drawn.log_density + log_t((e**2).sum(axis=1), k, NU) + logdet
        if self.trend is not None:
            e = self._correction(z)[1] + e / np.sqrt(1.0 - self.curves)
            log_q = log_q + 0.5 * np.log(1.0 - self.curves).sum()
        inner = out[:, 1 : 1 + k]
        if k:
            inner = inner + np.linalg.solve(root.swapaxes(1, 2), e[:, :, None])[:, :, 0]
        approximate = (
            out[:, 0] + self.problem.log_prior_outer(x) - 0.5 * (e**2).sum(axis=1) + logdet
        )
        return Proposals(
            x=np.concatenate([inner, x], axis=1),
            log_density=log_q,
            z=z,
            e=e,
            approximate=approximate,
            log_integral=drawn.log_integral,
            log_integral_error=drawn.log_integral_error,
        )

    def basis(self, z: Floats, e: Floats) -> Floats:
        """Return the polynomials that the difference to the exact density is fitted by."""
        outer = quadratic_basis(z)
        linear = (outer[:, : 1 + self.d, None] * e[:, None, :]).reshape(len(z), -1)
        return np.column_stack([outer, linear, 0.5 * e**2])

    @property
    def n_terms(self) -> int:
        """Number of these polynomials."""
        d = self.d
        return 1 + d + d * (d + 1) // 2 + (1 + d) * self.k + self.k

    def adapt(self, at: Proposals, exact: Floats, weight: Floats) -> Floats:
        """Move the proposal by exact log densities at some points; return the fitted polynomial."""
        z, e = at.z, at.e
        delta = exact - at.approximate
        fine = np.isfinite(delta)
        weight, delta = weight * fine, np.where(fine, delta, np.median(delta[fine]))
        near = float(np.average(delta, weights=weight))
        limited = np.minimum(weight, np.median(weight))
        spread = math.sqrt(float(np.average((delta - near) ** 2, weights=limited)))
        weight = weight * (np.abs(delta - near) < 6 + 3 * spread) * ((z**2).sum(axis=1) < 25)
        basis, root = self.basis(z, e), np.sqrt(weight / weight.mean())
        middle = float(np.average(delta, weights=weight))
        a = basis * root[:, None]
        ridge = 1e-3 * len(z) * np.diag((np.arange(basis.shape[1]) > 0).astype(float))
        coef = np.linalg.solve(a.T @ a + ridge, a.T @ ((delta - middle) * root))
        coef[0] += middle
        m = 1 + self.d + self.d * (self.d + 1) // 2
        last = m + (1 + self.d) * self.k
        self.trend = coef[:m]
        self.slopes = coef[m:last].reshape(1 + self.d, self.k)
        self.curves = np.clip(coef[last:], -2.0, 0.6)
        self.residual = math.sqrt(float(np.average((delta - basis @ coef) ** 2, weights=weight)))
        return np.asarray(coef)


class _Constant:
    """What an interpolant of no coordinates is."""

    def __init__(self, f: Floats) -> None:
        self.coef = f

    def rows(self, z: Floats) -> Floats:
        return np.ones((len(z), 1))

    def variance(self, z: Floats) -> Floats:
        return np.zeros(len(z))


def _constant(f: Floats) -> _Constant:
    return _Constant(f)


_NO_MODE = (
    "the posterior density has no mode that Newton's method finds: the predictors separate the "
    "outcomes, or the priors contradict the data; use --engine nuts with proper priors"
)
