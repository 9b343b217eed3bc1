"""The factor of a design at given relative factors, and evaluations at many of them."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from bayes_mlm.base import Floats, Ints
from bayes_mlm.likelihood.sparse.plan import Plan

# Size of a tail below which compiled loops are faster than calls of LAPACK.
SMALL_TAIL = 64
type Relative = Sequence[Floats]


class Factor:
    """Cholesky factor of a design at one value of the relative factors.

    Parameters
    ----------
    plan : Plan
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._Lx = np.zeros(len(plan.arrays.Li))
        self._LX = np.zeros((plan.head, plan.products.p + 1))
        self._T = np.zeros((plan.tail, plan.tail))
        self._work = np.zeros(plan.Q)
        self._lists = tuple(np.zeros(plan.head, dtype=np.int64) for _ in range(3))

    @property
    def _tz(self) -> int:
        return self.plan.Q - self.plan.head

    def update(self, lam: Relative) -> bool:
        """Factorise at relative factors, one (q, q) array a factor; whether that was possible."""
        from bayes_mlm.likelihood.sparse import kernels

        plan, p1 = self.plan, self.plan.products.p + 1
        self.lam = [np.asarray(one, dtype=float) for one in lam]
        flat = np.concatenate([one.ravel() for one in self.lam])
        kernels.assemble(flat, plan.arrays, self._Lx, self._LX, self._T)
        logdet = kernels.factor_head(
            plan.arrays, self._Lx, self._LX, self._T, self._work, *self._lists
        )
        if np.isnan(logdet) or not _factor_tail(self._T):
            self.logdet, self.root = np.nan, np.full((p1, p1), np.nan)
            return False
        diagonal = np.diagonal(self._T)
        self.logdet = logdet + 2.0 * float(np.log(diagonal[: self._tz]).sum())
        self.root = np.tril(self._T[self._tz :, self._tz :].T)
        return True

    @property
    def logdet_x(self) -> float:
        """Log-determinant of the Schur complement of X."""
        return 2.0 * float(np.log(np.diagonal(self.root)[:-1]).sum())

    @property
    def r2(self) -> float:
        """Penalised residual sum of squares."""
        return float(self.root[-1, -1] ** 2)

    @property
    def beta(self) -> Floats:
        """Coefficients (p,) of generalised least squares."""
        return np.linalg.solve(self.root[:-1, :-1].T, self.root[-1, :-1])

    @property
    def beta_cov(self) -> Floats:
        """Their covariance (p, p) in units of the residual variance."""
        half = np.linalg.inv(self.root[:-1, :-1])
        return np.asarray(half.T @ half)

    @property
    def log_diagonal(self) -> Floats:
        """Logs (Q,) of the diagonal of L at the effects."""
        arrays = self.plan.arrays
        head = self._Lx[arrays.Lp[:-1]]
        return np.log(np.concatenate([head, np.diagonal(self._T)[: self._tz]]))

    def root_solve(self, B: Floats) -> Floats:
        """Return ``inv(L') B`` of effects (Q, k): of standard normal B draws with precision M."""
        return self._solve_transposed(B)

    def modes(self, beta: Floats | None = None) -> Floats:
        """Return the spherical effects v (Q,), u = Lambda v, at coefficients (by default GLS')."""
        beta = self.beta if beta is None else beta
        right = self._right() @ np.append(-beta, 1.0)
        return self._solve_transposed(right[:, None])[:, 0]

    def effects(self, beta: Floats | None = None, noise: Floats | None = None) -> list[Floats]:
        """Return conditional means (m, q) of each factor's effects, or draws with noise (k, Q).

        Parameters
        ----------
        beta : ndarray, shape (p,) or (k, p)
            By default that of generalised least squares.
        noise : ndarray, shape (k, Q), optional
            Normal, of the residual sd; draws are (k, m, q).
        """
        beta = self.beta if beta is None else beta
        if noise is None:
            v = self.modes(beta)[:, None]
        else:
            many = np.atleast_2d(beta)
            right = self._right() @ np.column_stack([-many, np.ones(len(many))]).T
            v = self._solve_transposed(right + noise.T)
        found = []
        for place, lam in zip(self.plan.places, self.lam, strict=True):
            u = np.einsum("ab,mbk->kma", lam, v[place])
            found.append(u[0] if noise is None else u)
        return found

    def half_solve(self, E: Floats, X: Floats | None = None) -> Floats:
        """Return W with ``W'W = [E; X]' inv(M_zx) [E; X]``.

        Parameters
        ----------
        E : ndarray, shape (Q, k)
            Of the effects, in the order of `Plan.places`.
        X : ndarray, shape (k, p), optional
            Of the coefficients; by default zero.
        """
        from bayes_mlm.likelihood.sparse import kernels

        head, tz, p = self.plan.head, self._tz, self.plan.products.p
        B = np.ascontiguousarray(E, dtype=float).copy()
        kernels.forward_head(self.plan.arrays, self._Lx, B)
        below = -self._LX[:, :p].T @ B[:head]
        if X is not None:
            below = below + X.T
        rest = np.concatenate([B[head:], below])
        return np.concatenate([B[:head], _solve(self._T, rest, tz + p)])

    def inverse_solve(self, E: Floats) -> Floats:
        """Return ``inv(M_zx) E`` at the effects, for E (Q, k)."""
        from bayes_mlm.likelihood.sparse import kernels

        head, tz, p = self.plan.head, self._tz, self.plan.products.p
        W = self.half_solve(E)
        tail = _solve(self._T, W[head:], tz + p, transposed=True)
        B = np.concatenate([W[:head] - self._LX[:, :p] @ tail[tz:], tail[:tz]])
        B = np.ascontiguousarray(B)
        kernels.backward_head(self.plan.arrays, self._Lx, B)
        return B

    def inverse_blocks(self, *, with_x: bool = True) -> list[Floats]:
        """Return the blocks (m, q, q) of the levels in the inverse of M, X eliminated or not.

        Parameters
        ----------
        with_x : bool
            Whether the coefficients are unknowns too (REML), or known (ML, conditional sds).
        """
        take = self._selected_inverse(self.plan.products.p if with_x else 0)
        return [take(target) for target in self.plan.diagonal]

    def inverse_entries(self) -> Floats:
        """Return the inverse of M, coefficients known, at the places of `Arrays.target`."""
        return self._selected_inverse(0)(self.plan.arrays.target)

    def _selected_inverse(self, p: int) -> Callable[[Ints], Floats]:
        """Return what looks up the inverse of M with p coefficients, on the pattern of L."""
        from bayes_mlm.likelihood.sparse import kernels

        plan, head, tz = self.plan, self.plan.head, self._tz
        S = _inverse(self._T, tz + p)
        Sx, SX = np.empty(len(plan.arrays.Li)), np.empty((head, p))
        widest = int(np.diff(plan.arrays.Lp).max(initial=1))
        where = np.full(plan.Q, -1, dtype=np.int64)
        kernels.invert_head(plan.arrays, self._Lx, self._LX, S, Sx, SX, np.zeros(widest + 1), where)

        def take(target: Ints) -> Floats:
            found, sparse = np.empty(target.shape), target >= 0
            found[sparse] = Sx[target[sparse]]
            place = -target[~sparse] - 1
            found[~sparse] = S[place // plan.tail, place % plan.tail]
            return found

        return take

    def _right(self) -> Floats:
        """Return ``inv(L) Lambda'Z'[X, y]``, shape (Q, p + 1)."""
        return np.concatenate([self._LX, self._T[: self._tz, self._tz :]])

    def _solve_transposed(self, B: Floats) -> Floats:
        """Return ``inv(L') B``, shape (Q, k)."""
        from bayes_mlm.likelihood.sparse import kernels

        head, tz = self.plan.head, self._tz
        B = np.ascontiguousarray(
            np.concatenate([B[:head], _solve(self._T, B[head:], tz, transposed=True)])
        )
        kernels.backward_head(self.plan.arrays, self._Lx, B)
        return B


def evaluate(plan: Plan, lam: Floats) -> tuple[Floats, Floats]:
    """Evaluate a design at many relative factors.

    Parameters
    ----------
    plan : Plan
    lam : ndarray, shape (B, k)
        Of each point the relative factors of all grouping factors, each (q, q) in C order.

    Returns
    -------
    logdet : ndarray, shape (B,)
        ``log|Lambda'Z'Z Lambda + I|``; nan where the factorisation failed.
    root : ndarray, shape (B, p + 1, p + 1)
        Lower Cholesky factor of the Schur complement of [X, y], from which beta is integrated or
        maximised: its last diagonal element squared is the penalised sum of squares.
    """
    from bayes_mlm.likelihood.sparse import kernels

    lam = np.ascontiguousarray(lam, dtype=float)
    if plan.tail <= SMALL_TAIL:
        logdets, roots = kernels.evaluate_small(lam, plan.arrays)
        return np.asarray(logdets), np.asarray(roots)
    factor, p1 = Factor(plan), plan.products.p + 1
    logdet, root = np.empty(len(lam)), np.empty((len(lam), p1, p1))
    for b, one in enumerate(lam):
        factor.update(split(plan, one))
        logdet[b], root[b] = factor.logdet, factor.root
    return logdet, root


def evaluate_responses(
    plan: Plan, lam: Floats, which: Ints, responses: Floats
) -> tuple[Floats, Floats]:
    """Evaluate a design at many relative factors, each with one of several outcomes.

    Parameters
    ----------
    plan : Plan
    lam : ndarray, shape (B, k)
        As in `evaluate`.
    which : ndarray of int, shape (B,)
        Outcome of each; those of one outcome are best next to one another.
    responses : ndarray, shape (R, Q + p + 1)
        Of each outcome ``Z'y``, as in ``plan.arrays.right``, ``X'y`` and ``y'y``.

    Returns
    -------
    logdet : ndarray, shape (B,)
    root : ndarray, shape (B, p + 1, p + 1)
        As of `evaluate`.
    """
    from bayes_mlm.likelihood.sparse import kernels

    arrays = plan.arrays
    lam, which = np.ascontiguousarray(lam, dtype=float), np.ascontiguousarray(which)
    if plan.tail <= SMALL_TAIL:
        own = arrays._replace(right=arrays.right.copy(), total=arrays.total.copy())
        logdets, roots = kernels.evaluate_responses(lam, which, responses, own)
        return np.asarray(logdets), np.asarray(roots)
    factor, p, last, rows = Factor(plan), plan.products.p, -1, len(arrays.right)
    logdet, root = np.empty(len(lam)), np.empty((len(lam), p + 1, p + 1))
    for b, (one, response) in enumerate(zip(lam, which.tolist(), strict=True)):
        if response != last:
            own = arrays._replace(right=arrays.right.copy(), total=arrays.total.copy())
            own.right[:, p] = responses[response, :rows]
            own.total[p] = own.total[:, p] = responses[response, rows:]
            factor.plan, last = replace(plan, arrays=own), response
        factor.update(split(plan, one))
        logdet[b], root[b] = factor.logdet, factor.root
    return logdet, root


def draw_effects(
    plan: Plan, lam: Floats, sigma: Floats, beta: Floats, noise: Floats
) -> list[Floats]:
    """Draw the group effects given the parameters, exactly.

    Parameters
    ----------
    plan : Plan
    lam : ndarray, shape (B, k)
        As in `evaluate`.
    sigma : ndarray, shape (B,)
        Residual sds.
    beta : ndarray, shape (B, p)
    noise : ndarray, shape (B, Q)
        Standard normal; zero gives the conditional means.

    Returns
    -------
    list of ndarray, shape (B, m, q)
        One a factor, in the order of ``plan.products.factors``.
    """
    from bayes_mlm.likelihood.sparse import kernels

    lam = np.ascontiguousarray(lam, dtype=float)
    if plan.tail <= SMALL_TAIL:
        u = kernels.draw_small(lam, sigma, np.ascontiguousarray(beta), noise, plan.arrays)
        ends = np.cumsum(plan.arrays.q * plan.arrays.m)
        return [
            part.reshape(len(lam), m, q)
            for part, m, q in zip(
                np.split(u, ends[:-1], axis=1), plan.arrays.m, plan.arrays.q, strict=True
            )
        ]
    factor, found = Factor(plan), []
    for b, one in enumerate(lam):
        factor.update(split(plan, one))
        found.append(factor.effects(beta[b : b + 1], sigma[b] * noise[b : b + 1]))
    return [np.concatenate(parts) for parts in zip(*found, strict=True)]


def split(plan: Plan, lam: Floats) -> list[Floats]:
    """Return the relative factors (q, q) of a point (k,)."""
    ends = plan.arrays.lam_start
    return [lam[ends[f] : ends[f + 1]].reshape(q, q) for f, q in enumerate(plan.arrays.q.tolist())]


def _factor_tail(T: Floats) -> bool:
    from bayes_mlm.likelihood.sparse import kernels

    if len(T) <= SMALL_TAIL:
        fine: bool = kernels.factor_tail(T)
        return fine
    from scipy.linalg.lapack import dpotrf

    # The transposed view is what LAPACK reads: nothing is copied.
    _, info = dpotrf(T.T, lower=1, overwrite_a=1, clean=0)
    return bool(info == 0)


def _solve(T: Floats, B: Floats, n: int, *, transposed: bool = False) -> Floats:
    """Return ``inv(L) B``, or ``inv(L') B``, with the first n rows of the tail's factor."""
    if not n:
        return B
    from scipy.linalg.blas import dtrsm

    return np.asarray(dtrsm(1.0, T[:n, :n].T, B, lower=1, trans_a=int(transposed)))


def _inverse(T: Floats, n: int) -> Floats:
    """Return the inverse (n, n) that the first n rows of the tail's factor are the root of."""
    if not n:
        return np.empty((0, 0))
    from scipy.linalg.lapack import dpotri

    from bayes_mlm.likelihood.sparse import kernels

    S = T[:n, :n].copy()  # which LAPACK overwrites
    dpotri(S.T, lower=1, overwrite_c=1)  # in place: the upper triangle of S
    kernels.mirror(S)
    return S
