"""The likelihood of several grouping factors by Laplace about the joint mode of their effects."""

import math
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import numpy as np

from bayes_mlm.base import Floats, Ints, one_thread
from bayes_mlm.design import Design
from bayes_mlm.engines.generalised.problem import Problem, make_problem
from bayes_mlm.engines.generalised.several.parts import exact_factor
from bayes_mlm.likelihood import Factor, Plan, constants, make_plan
from bayes_mlm.moments import cross_products

# Log-likelihood that a step to the joint mode may still gain, as half its squared length.
_AT_MODE = 1e-18
_MOST_STEPS, _HALVINGS = 100, 40
# Of the linear predictor between groups: beyond it a search goes to infinity.
_LARGEST_SD = 1e3


@dataclass(frozen=True, kw_only=True, eq=False)
class JointPoint:
    """The Laplace approximation at one point.

    Attributes
    ----------
    loglik : float
        With its constants; minus infinity where it cannot be computed.
    score : ndarray, shape (P,), or None
        Its derivatives, those of the mode included.
    v : ndarray, shape (Q,)
        Joint mode of the spherical effects, in the order of `Plan.places`.
    eta, weight : ndarray, shape (n,)
        Linear predictor and minus the second derivatives of the rows at the mode.
    """

    loglik: float
    score: Floats | None
    v: Floats
    eta: Floats
    weight: Floats


@dataclass(frozen=True, kw_only=True, eq=False)
class JointProblem:
    """Rows of a design with several grouping factors, sorted by the one integrated exactly.

    The parameters x are beta (p,) of the columns `X`, the free entries of the factors Lambda, of
    u = Lambda v with v standard normal, by rows, and the log of a shape or the thresholds.

    Attributes
    ----------
    base : Problem
        Of that factor alone: outcome, trials, offset, family.
    plan : Plan
        Layout of the curvature in v; it is without X.
    X : ndarray, shape (n, p)
        Columns centred and scaled: those of the design times `transform` (p, p).
    Z : ndarray, shape (n, k)
        Columns of the effects of all factors, side by side, in the order of the plan.
    codes : ndarray of int, shape (n, F)
    where : ndarray of int, shape (n, sets)
        First number of each row's block in each of ``plan.arrays.sets``.
    """

    base: Problem
    plan: Plan
    X: Floats
    transform: Floats
    Z: Floats
    codes: Ints
    where: Ints

    @property
    def p(self) -> int:
        """Columns of X."""
        return int(self.X.shape[1])

    @cached_property
    def first(self) -> Ints:
        """First effect of each factor (F + 1,), factor by factor and level by level."""
        arrays = self.plan.arrays
        return np.concatenate([[0], np.cumsum(arrays.q * arrays.m)])

    @cached_property
    def unknowns(self) -> Ints:
        """Place in v (Q,) of each effect, factor by factor and level by level."""
        return np.concatenate([one.ravel() for one in self.plan.places])

    @cached_property
    def entries(self) -> Ints:
        """Places of the free entries among those of all factors Lambda (q, q) end to end."""
        flags = [one.free.ravel() for one in self.plan.products.factors]
        return np.flatnonzero(np.concatenate(flags))

    @cached_property
    def factor(self) -> Factor:
        """What factorises the curvature; of the last point evaluated."""
        arrays = self.plan.arrays
        own = arrays._replace(
            blocks=arrays.blocks.copy(),
            right=np.zeros((self.plan.Q, 2)),
            total=np.diag([1.0, 1e100]),  # no column of X, and an outcome that does not matter
        )
        return Factor(replace(self.plan, arrays=own))

    def parts(self, x: Floats) -> tuple[Floats, list[Floats], Floats]:
        """Return beta (p,), the factors Lambda (q, q) of the plan, and the auxiliary numbers."""
        many, arrays = self.entries.size, self.plan.arrays
        flat = np.zeros(int(arrays.lam_start[-1]))
        flat[self.entries] = x[self.p : self.p + many]
        lam = [
            flat[start : start + q * q].reshape(q, q)
            for start, q in zip(arrays.lam_start[:-1].tolist(), arrays.q.tolist(), strict=True)
        ]
        return x[: self.p], lam, x[self.p + many :]

    def thresholds(self, aux: Floats) -> tuple[Floats, float] | None:
        """Return the thresholds with infinite ends, and psi; None of impossible ones."""
        if self.base.design.family.thresholds is not None:
            if not (np.diff(aux) > 0).all():
                return None
            return np.concatenate([[-math.inf], aux, [math.inf]]), 0.0
        psi = float(aux[0]) if aux.size else 0.0
        return None if abs(psi) > 30.0 else (np.zeros(2), psi)

    def effects(self, lam: list[Floats], v: Floats) -> Floats:
        """Return u = Lambda v (Q,), factor by factor and level by level."""
        found = [v[place] @ one.T for place, one in zip(self.plan.places, lam, strict=True)]
        return np.concatenate([one.ravel() for one in found])

    def constant(self, aux: Floats) -> tuple[float, float]:
        """Return the part of the log-likelihood without eta, and its derivative in psi."""
        if not aux.size:
            return self.base.fixed_constants[0], 0.0
        base = self.base
        return constants(base.design.family, base.outcomes, base.auxiliary(aux))[:2]

    def evaluate(self, x: Floats, *, v: Floats | None = None, derive: bool = True) -> JointPoint:
        """Return the Laplace approximation at a point, its search for the mode begun at v."""
        with one_thread():
            return self._evaluate(x, np.zeros(self.plan.Q) if v is None else v, derive=derive)

    def _evaluate(self, x: Floats, v: Floats, *, derive: bool) -> JointPoint:
        from bayes_mlm.likelihood import joint_rows, joint_sums  # loads numba

        base, arrays = self.base, self.plan.arrays
        beta, lam, aux = self.parts(x)
        empty = np.empty(0)
        impossible = JointPoint(loglik=-math.inf, score=None, v=v, eta=empty, weight=empty)
        known = self.thresholds(aux)
        if known is None or np.abs(x[self.p : self.p + self.entries.size]).max() > _LARGEST_SD:
            return impossible
        cuts, psi = known
        eta0 = self.X @ beta + base.offset
        rows = (base.code, psi, cuts, eta0, base.y, base.trials, self.Z, self.codes, arrays.q)
        own, n = self.factor.plan.arrays, len(eta0)
        part, slope, weight = np.empty(n), np.empty(n), np.empty(n)
        best, step, length, settled = -math.inf, np.zeros_like(v), 1.0, False
        for _ in range(_MOST_STEPS):
            trial = v + length * step
            u = self.effects(lam, trial)
            level = joint_rows(*rows, self.first, u, part, slope, weight)
            value = level - 0.5 * float(trial @ trial)
            if not value >= best - 1e-12 * (1.0 + abs(best)):
                length *= 0.5
                if length < 0.5**_HALVINGS:
                    return impossible
                continue
            best, v, length = value, trial, 1.0
            joint_sums(
                *(part, slope, weight, self.Z, self.codes, arrays.q, self.first, self.where),
                *(own.sets, own.blocks, own.right),
            )
            if not self.factor.update(lam):
                return impossible
            if settled:
                break
            step = self.factor.modes(np.zeros(1)) - v
            # Near the mode the last step leaves its square: the factor is that of the mode.
            settled = float(step @ step) < math.sqrt(_AT_MODE) * (1.0 + float(v @ v))
        constant, slope_aux = self.constant(aux)
        loglik = best - 0.5 * self.factor.logdet + constant
        if not math.isfinite(loglik):
            return impossible
        eta, score = eta0 + part, None
        if derive:
            score = self._score(lam, aux, (cuts, psi), v, eta, slope, weight)
            if aux.size and base.design.family.thresholds is None:
                score[-1] += slope_aux
        return JointPoint(loglik=loglik, score=score, v=v, eta=eta, weight=weight)

    def _score(
        self,
        lam: list[Floats],
        aux: Floats,
        known: tuple[Floats, float],
        v: Floats,
        eta: Floats,
        slope: Floats,
        weight: Floats,
    ) -> Floats:
        """Return the derivatives: of the mode's height, and of the log-determinant about it.

        With t = h l''' of the rows and a = inv(M) Lambda'Z't, a change of the mode adds a/2 times
        the change of its equations.
        """
        from bayes_mlm.likelihood import curvature_rows, project  # loads numba

        base, arrays, (cuts, psi) = self.base, self.plan.arrays, known
        n = len(eta)
        ends = np.concatenate([[0], np.cumsum(arrays.q)]).tolist()
        columns = [self.Z[:, a:b] for a, b in pairwise(ends)]
        ZL = np.hstack([z @ one for z, one in zip(columns, lam, strict=True)])
        third, explicit, cross = np.empty(n), np.empty(int(arrays.lam_start[-1])), np.zeros((n, 2))
        own = np.zeros(aux.size)
        curvature_rows(
            *(base.code, psi, cuts, eta, base.y, base.trials, weight, self.Z, ZL),
            *(arrays.q, self.where, arrays.sets, self.factor.inverse_entries()),
            *(arrays.lam_start, third, explicit, own, cross),
        )
        pulled = np.empty(self.plan.Q)
        project(third, self.Z, self.codes, arrays.q, self.first, pulled)
        right = np.empty((self.plan.Q, 1))
        for f, place in enumerate(self.plan.places):
            block = pulled[self.first[f] : self.first[f + 1]].reshape(place.shape)
            right[place, 0] = block @ lam[f]
        a = self.factor.inverse_solve(right)[:, 0]
        moved = np.zeros(n)
        for f, place in enumerate(self.plan.places):
            by_row = (a[place] @ lam[f].T)[self.codes[:, f]]
            moved += np.einsum("nk,nk->n", columns[f], by_row)
        along = slope + 0.5 * third - 0.5 * weight * moved
        entries = []
        for f, place in enumerate(self.plan.places):
            at = self.codes[:, f]
            pulls = columns[f].T @ (
                along[:, None] * v[place][at] + 0.5 * slope[:, None] * a[place][at]
            )
            entries.append(pulls.ravel())
        theta = (np.concatenate(entries) - explicit)[self.entries]
        if aux.size and base.design.family.thresholds is None:
            own[0] += 0.5 * float(cross[:, 0] @ moved)
        elif aux.size:
            place = base.y.astype(np.int64)
            below, above = place > 0, place < aux.size
            pull = 0.5 * cross * moved[:, None]
            own += np.bincount(place[below] - 1, weights=pull[below, 0], minlength=aux.size)
            own += np.bincount(place[above], weights=pull[above, 1], minlength=aux.size)
        return np.concatenate([self.X.T @ along, theta, own])


def make_joint_problem(design: Design) -> JointProblem:
    """Return the problem of a design with several grouping factors."""
    terms = [term for term in design.group_terms if term.q]
    columns = [term.effect_columns for term in terms]
    inner = exact_factor(design)
    products = cross_products(design.y_less_offset, np.ones((design.n, 1)), columns, first=inner)
    plan = make_plan(products, reorder=False)
    order = terms[inner].row_order()
    base = make_problem(design.of_factor(inner))
    chosen = [terms[place] for place in products.places]
    Z = np.hstack(
        [t.Z[order] @ one.transform for t, one in zip(chosen, products.factors, strict=True)]
    )
    codes = np.column_stack([term.codes[order] for term in chosen]).astype(np.int64)
    centred = cross_products(design.y_less_offset, design.X, columns[:1])
    transform = centred.transform[:-1, :-1]  # of X alone: no factor comes into it
    where = np.empty((design.n, len(plan.arrays.sets)), dtype=np.int64)
    for k, (f, g, q_f, q_g, _, start) in enumerate(plan.arrays.sets.tolist()):
        if f == g:
            where[:, k] = start + codes[:, f] * q_f * q_f
            continue
        cells, many = products.cells[f, g], products.factors[g].m
        keys = cells.rows * many + cells.columns
        sort = np.argsort(keys)
        found = sort[np.searchsorted(keys[sort], codes[:, f] * many + codes[:, g])]
        where[:, k] = start + found * q_f * q_g
    return JointProblem(
        base=base,
        plan=plan,
        X=np.ascontiguousarray(base.X @ transform),
        transform=transform,
        Z=np.ascontiguousarray(Z),
        codes=np.ascontiguousarray(codes),
        where=where,
    )
