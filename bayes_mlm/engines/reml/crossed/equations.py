"""Mixed-model equations of two crossed random intercepts, solved by conjugate gradients.

With ``r_f = sigma_e^2 / sigma_f^2`` the matrix is ``M = W'W + diag(r_a, 0, r_b)``, W = [Z_a, X,
Z_b]. The effects a and the coefficients are eliminated: with ``d = n_a + r_a``, N the counts of the
cells, and X_a, X_b the sums of X by level,

- ``C = X'X - X_a' D^-1 X_a`` and ``G = X_b - N' D^-1 X_a``,
- ``S = diag(n_b + r_b) - N' D^-1 N - G C^-1 G'``.

As X spans the constant, ``S 1 = r_b 1`` exactly: that direction, which would take most iterations,
is solved by hand, and the others by conjugate gradients with the diagonal of S as preconditioner.
"""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from bayes_mlm.base import EngineError, Floats
from bayes_mlm.moments import CrossedTable

# Iterations of conjugate gradients, at most.
MAX_ITERATIONS = 400


@dataclass(frozen=True, kw_only=True, eq=False)
class Solution:
    """Solutions of k right-hand sides: effects a (m_a, k), coefficients (p, k), effects b (m_b, k).

    `inner` (m_b, k + e) is what conjugate gradients found, from which another search may start;
    `sums` (m_a, k + e) are those of b and of e extra solutions over the rows of each level.
    """

    a: Floats
    beta: Floats
    b: Floats
    inner: Floats
    sums: Floats


@dataclass(eq=False)
class Work:
    """Iterations of conjugate gradients, and columns that were multiplied by S."""

    iterations: int = 0
    columns: int = 0


@dataclass(frozen=True, kw_only=True, eq=False)
class Equations:
    """The equations at two ratios of variances.

    Attributes
    ----------
    table : CrossedTable
    ratios : (float, float)
        Residual variance over that of the effects of each margin.
    """

    table: CrossedTable
    ratios: tuple[float, float]
    work: Work = field(default_factory=Work)

    @cached_property
    def d(self) -> Floats:
        """Diagonal (m_a,) of the block of the first margin."""
        return np.asarray(self.table.margins[0].counts + self.ratios[0], dtype=np.float64)

    @cached_property
    def X_over_d(self) -> Floats:  # noqa: N802
        """Sums of X by level of the first margin, over `d`."""
        return np.ascontiguousarray(self.table.margins[0].right[:, :-1] / self.d[:, None])

    @cached_property
    def C(self) -> Floats:  # noqa: N802
        """Block (p, p) of the coefficients, the first margin eliminated."""
        return np.asarray(
            self.table.total[:-1, :-1] - self.table.margins[0].right[:, :-1].T @ self.X_over_d
        )

    @cached_property
    def C_inverse(self) -> Floats:  # noqa: N802
        """Inverse (p, p) of `C`."""
        return np.asarray(np.linalg.inv(self.C), dtype=np.float64)

    @cached_property
    def _gathered(self) -> Floats:
        own = np.column_stack([self.table.margins[0].right, np.ones_like(self.d)])
        return self.table.margins[1].sums(own / self.d[:, None])

    @property
    def of_outcome(self) -> Floats:
        """Sums (m_b, 1) over the rows of each level of the first margin's sums of y, over `d`."""
        return np.asarray(self._gathered[:, -2:-1])

    @cached_property
    def G(self) -> Floats:  # noqa: N802
        """Block (m_b, p) of the second margin and the coefficients, the first eliminated."""
        return np.asarray(self.table.margins[1].right[:, :-1] - self._gathered[:, :-2])

    @cached_property
    def diagonal(self) -> Floats:
        """Diagonal (m_b,) of S; a bound of it where a cell has several rows."""
        own = self.table.margins[1].counts + self.ratios[1] - self._gathered[:, -1]
        within = np.einsum("jp,pq,jq->j", self.G, self.C_inverse, self.G)
        return np.asarray(np.maximum(own - within, 1e-3 * own))

    @property
    def lift(self) -> float:
        """What is added to S along the constant, whose solution is known."""
        return float((self.diagonal.mean() - self.ratios[1]) / len(self.diagonal))

    def multiply(self, P: Floats) -> Floats:
        """Return ``(S + lift 1 1') P``; of columns across the constant it is ``S P``."""
        first, second = self.table.margins
        self.work.columns += P.shape[1]
        found = (second.counts + self.ratios[1])[:, None] * P
        found -= second.sums(first.sums(P) / self.d[:, None])
        found -= self.G @ (self.C_inverse @ (self.G.T @ P))
        found += self.lift * P.sum(axis=0)
        return np.asarray(found)

    def conjugate_gradients(
        self,
        R: Floats,
        tolerance: float,
        start: Floats | None = None,
        coefficients: list[tuple[Floats, Floats]] | None = None,
    ) -> Floats:
        """Return ``(S + lift 1 1')^-1 R`` of all columns (m_b, k) of R.

        Parameters
        ----------
        R : ndarray, shape (m_b, k)
        tolerance : float
            Of the residual over R, in the norm of the inverse diagonal.
        start : ndarray, shape (m_b, k), optional
        coefficients : list, optional
            Takes the coefficients alpha and beta (k,) of each iteration.

        Raises
        ------
        EngineError
            If it does not converge.
        """
        D = self.diagonal[:, None]
        size = np.sqrt((R * R / D).sum(axis=0))
        # Next to the others a column may be zero, of which no part can be reached by rounding.
        size = np.maximum(size, np.finfo(float).eps * max(1.0, float(size.max(initial=0.0))))
        X = np.zeros_like(R) if start is None else start.copy()
        R = R.copy() if start is None else R - self.multiply(X)
        P = R / D
        rz = (R * P).sum(axis=0)
        for _ in range(MAX_ITERATIONS):
            if (np.sqrt(rz) <= tolerance * size).all():
                return X
            Q = self.multiply(P)
            alpha = rz / np.maximum((P * Q).sum(axis=0), np.finfo(float).tiny)
            X += alpha * P
            R -= alpha * Q
            Z = R / D
            new = (R * Z).sum(axis=0)
            beta = new / np.maximum(rz, np.finfo(float).tiny)
            P *= beta
            P += Z
            rz = new
            self.work.iterations += 1
            if coefficients is not None:
                coefficients.append((alpha, beta))
        factors = " and ".join(one.factor for one in self.table.margins)
        raise EngineError(
            f"conjugate gradients did not converge in {MAX_ITERATIONS} iterations: parts of the "
            f"levels of {factors} are linked by few rows; fit them apart, or use fewer levels"
        )

    def solve(
        self,
        a: Floats,
        beta: Floats,
        b: Floats,
        tolerance: float,
        *,
        start: Floats | None = None,
        extra: Floats | None = None,
        gathered: Floats | None = None,
    ) -> Solution:
        """Solve for right-hand sides a (m_a, k), beta (p, k) and b (m_b, k).

        Parameters
        ----------
        a, beta, b : ndarray
        tolerance : float
        start : ndarray, optional
            `inner` of a solution of similar equations.
        extra : ndarray, shape (m_b, e), optional
            Right-hand sides of S alone, whose mean is taken out; solved along, in `inner`.
        gathered : ndarray, shape (m_b, k), optional
            Sums of ``a / d`` over the rows of each level of the second margin, if they are known.
        """
        first, second = self.table.margins
        beta = beta - self.X_over_d.T @ a
        gathered = second.sums(a / self.d[:, None]) if gathered is None else gathered
        R = b - gathered - self.G @ (self.C_inverse @ beta)
        k = R.shape[1]
        if extra is not None:
            R = np.column_stack([R, extra])
        low = R.mean(axis=0)
        inner = self.conjugate_gradients(R - low, tolerance, start)
        found = inner[:, :k] + low[:k] / self.ratios[1]
        coefficients = self.C_inverse @ (beta - self.G.T @ found)
        sums = first.sums(np.column_stack([found, inner[:, k:]]))
        own = a - first.right[:, :-1] @ coefficients - sums[:, :k]
        return Solution(a=own / self.d[:, None], beta=coefficients, b=found, inner=inner, sums=sums)

    def log_determinant(self, signs: Floats, tolerance: float = 1e-3) -> tuple[float, float]:
        """Return the log-determinant of M and its Monte Carlo standard error.

        By stochastic Lanczos quadrature, whose matrix is in the coefficients of conjugate
        gradients with right-hand sides ``diagonal^1/2 z`` (Ubaru, Chen & Saad 2017, SIAM J. Matrix
        Anal. Appl. 38(4)).

        Parameters
        ----------
        signs : ndarray, shape (m_b, k)
            Random, of +1 and -1.
        tolerance : float
        """
        m, k = signs.shape
        steps: list[tuple[Floats, Floats]] = []
        self.conjugate_gradients(
            np.sqrt(self.diagonal)[:, None] * signs, tolerance, coefficients=steps
        )
        alpha, beta = (np.array(one) for one in zip(*steps, strict=True))
        found = np.empty(k)
        for t in range(k):
            # What follows a residual of zero is rounding: a balanced table takes one step.
            done = np.flatnonzero((alpha[:, t] <= 0.0) | (beta[:, t] < np.finfo(float).eps ** 2))
            last = max(1, len(alpha) if not done.size else int(done[0]) + (alpha[done[0], t] > 0.0))
            a, b = alpha[:last, t], beta[: last - 1, t]
            on = 1.0 / a
            on[1:] += b / a[:-1]
            off = np.sqrt(b) / a[:-1]
            value, vector = np.linalg.eigh(np.diag(on) + np.diag(off, 1) + np.diag(off, -1))
            found[t] = m * float(vector[0] ** 2 @ np.log(value))
        known = np.log(self.d).sum() + np.linalg.slogdet(self.C)[1] + np.log(self.diagonal).sum()
        known -= np.log((self.ratios[1] + self.lift * m) / self.ratios[1])
        error = float(found.std(ddof=1) / np.sqrt(k)) if k > 1 else float("nan")
        return float(known + found.mean()), error
