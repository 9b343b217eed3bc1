"""The likelihood of a regression whose predictors have latent group means, and its derivatives."""

from dataclasses import dataclass

import numpy as np

from bayes_mlm.base import Floats, Ints
from bayes_mlm.moments import GroupMoments

# Least sd of a latent mean, relative to the sd of its column, and so of the others given it.
_LEAST = 1e-3
# Step of the numerical derivative of the exact gradient.
_STEP = 1e-5


@dataclass(frozen=True, kw_only=True, eq=False)
class LatentModel:
    """Standardised moments and the layout of the parameters.

    The P columns with a slope between groups of their own are the last. The parameters are b; a,
    the slopes of y on their independent parts between groups in units of sd, which stay finite
    where such a part has no variance (c = L'^-1 a, of the last block L of the factor below);
    log sigma2_e; sigma2_u; and the lower triangles of the Cholesky factors of the covariances of x
    within and between groups, with logarithms on the diagonals.
    """

    K: int
    P: int
    scale: Floats
    sizes: Floats
    scatter: Floats
    # Of the D distinct sizes: their number of groups, and cross-products of [w, means].
    distinct: Floats
    number: Floats
    products: Floats

    @classmethod
    def of(cls, s: GroupMoments, columns: list[int], n_paired: int) -> "LatentModel":
        """Return the model of some columns of X, the last of them with slopes of their own."""
        used = s.counts > 0
        places = [*columns, s.p + s.q]
        centre, sd = s.moments
        means = (s.means[used] + s.centre - centre)[:, places] / sd[places]
        scatter = s.scatter.sum(axis=0)[np.ix_(places, places)] / np.outer(sd[places], sd[places])
        rest = [k for k in range(s.p) if k not in columns]
        w = np.linalg.qr((s.means[used] + s.centre)[:, rest])[0] * np.sqrt(used.sum())
        distinct, at, number = np.unique(s.counts[used], return_inverse=True, return_counts=True)
        both = np.column_stack([w, means])
        order = np.argsort(at, kind="stable")
        parts = np.split(both[order], np.cumsum(number)[:-1])
        return cls(
            K=len(columns),
            P=n_paired,
            scale=sd[places],
            sizes=s.counts[used].astype(float),
            scatter=scatter,
            distinct=distinct.astype(float),
            number=number.astype(float),
            products=np.array([rows.T @ rows for rows in parts]),
        )

    @property
    def q(self) -> int:
        """Number of the other columns of X, the constant among them."""
        return int(self.products.shape[1]) - self.K - 1

    @property
    def n_triangle(self) -> int:
        """Number of entries of a lower triangle."""
        return self.K * (self.K + 1) // 2

    @property
    def diagonal_between(self) -> Ints:
        """Places of the logarithms of the diagonal of the factor between groups."""
        first = self.K + self.P + 2 + self.n_triangle
        rows, columns = np.tril_indices(self.K)
        return np.asarray(first + np.flatnonzero(rows == columns))

    @property
    def logarithms(self) -> Ints:
        """Places of the logarithms of variances and of sds."""
        between = self.diagonal_between
        return np.concatenate([[self.K + self.P], between - self.n_triangle, between])

    @property
    def lower(self) -> Floats:
        """Lower bounds of the parameters."""
        bounds = np.full(self.K + self.P + 2 + 2 * self.n_triangle, -np.inf)
        bounds[self.K + self.P + 1] = 0.0
        bounds[self.diagonal_between] = np.log(_LEAST)
        return bounds

    def unpack(self, theta: Floats) -> tuple[Floats, Floats, Floats, Floats, Floats, Floats]:
        """Return b, c, both residual variances and both factors of points (..., m)."""
        K, P, t = self.K, self.P, self.n_triangle
        first = K + P + 2
        rows, columns = np.tril_indices(K)
        diagonal = np.arange(K)
        roots = []
        for values in (theta[..., first : first + t], theta[..., first + t :]):
            root = np.zeros((*theta.shape[:-1], K, K))
            root[..., rows, columns] = values
            root[..., diagonal, diagonal] = np.exp(root[..., diagonal, diagonal])
            roots.append(root)
        b, a = theta[..., :K], theta[..., K : K + P]
        block = roots[1][..., K - P :, K - P :]
        c = np.linalg.solve(np.swapaxes(block, -1, -2), a[..., None])[..., 0]
        return b, c, np.exp(theta[..., K + P]), theta[..., K + P + 1], roots[0], roots[1]

    def slopes_by_parameters(self, theta: Floats) -> Floats:
        """Return the derivative (K + P, m) of b and c by the parameters."""
        K, P = self.K, self.P
        _, c, *_, root = self.unpack(theta)
        inverse = np.linalg.inv(root[K - P :, K - P :]).T
        found = np.zeros((K + P, len(theta)))
        found[:K, :K] = np.eye(K)
        found[K:, K : K + P] = inverse
        first = len(theta) - self.n_triangle
        for place, (i, j) in enumerate(zip(*np.tril_indices(K), strict=True)):
            if j >= K - P:
                size = root[i, i] if i == j else 1.0
                found[K:, first + place] = -inverse[:, j - K + P] * c[i - K + P] * size
        return found

    def start(self) -> Floats:
        """Return values from the analysis of variance, with its between part made positive."""
        N, J, q = self.sizes.sum(), len(self.sizes), self.q
        within = self.scatter / max(N - J, 1.0)
        whole = self.products.sum(axis=0)
        crossed = whole[:q, q:]
        between = (whole[q:, q:] - crossed.T @ np.linalg.solve(whole[:q, :q], crossed)) / J
        between = between - within * np.mean(1.0 / self.sizes)
        values, vectors = np.linalg.eigh(between)
        floor = 0.05 * np.diag(within + between).max()
        between = vectors @ np.diag(np.maximum(values, floor)) @ vectors.T
        K, P = self.K, self.P
        b = np.linalg.solve(within[:K, :K], within[:K, K])
        slope = np.linalg.solve(between[:K, :K], between[:K, K])
        last = np.linalg.cholesky(between[:K, :K])[K - P :, K - P :]
        parts = [b, last.T @ (slope - b)[K - P :]]
        sigma2 = max(within[K, K] - within[K, :K] @ b, 1e-6)
        parts.append(np.array([np.log(sigma2), between[K, K] - between[K, :K] @ slope]))
        for matrix in (within, between):
            root = np.linalg.cholesky(matrix[:K, :K])
            np.fill_diagonal(root, np.log(np.diag(root)))
            parts.append(root[np.tril_indices(K)])
        return np.maximum(np.concatenate(parts), self.lower)

    def value(self, theta: Floats) -> tuple[Floats, Floats]:
        """Return minus twice the log-likelihood of points (S, m), and its gradients (S, m).

        In standardised units.
        """
        b, c, sigma2_e, sigma2_u, root_w, root_b = self.unpack(theta)
        slope = b.copy()
        K, P, d = self.K, self.P, self.K + 1
        slope[:, K - P :] += c
        within, turn_w, cov_x_w = _covariance(root_w, b, sigma2_e)
        between, turn_b, cov_x_b = _covariance(root_b, slope, sigma2_u)
        lower = np.linalg.cholesky(within)
        inverse = np.linalg.inv(lower)
        ratio, vectors = np.linalg.eigh(inverse @ between @ _t(inverse))
        both = _t(inverse) @ vectors  # within and between covariances are diagonal in these columns
        n, number = self.distinct[:, None], self.number[:, None]
        N, J = self.sizes.sum(), len(self.sizes)
        shrink = 1.0 / (1.0 + n * ratio[:, None])
        residual = self._residual_products(both, n * shrink)
        inner = _t(both) @ self.scatter @ both
        diagonal = np.arange(d)
        value = (
            N * (d * np.log(2.0 * np.pi) + 2.0 * np.log(lower[:, diagonal, diagonal]).sum(axis=1))
            - (number * np.log(shrink)).sum(axis=(1, 2))
            + inner[:, diagonal, diagonal].sum(axis=1)
            + (n * shrink * residual[..., diagonal, diagonal]).sum(axis=(1, 2))
        )
        scaled = n[:, None] * shrink[..., None] * shrink[:, :, None] * residual
        of_within = -inner - scaled.sum(axis=1)
        of_within[:, diagonal, diagonal] += N - J + (number * shrink).sum(axis=1)
        of_between = -(n[:, None] * scaled).sum(axis=1)
        of_between[:, diagonal, diagonal] += (number * n * shrink).sum(axis=1)
        G_w, G_b = both @ of_within @ _t(both), both @ of_between @ _t(both)
        of_b = _gradient_of_slopes(cov_x_w, G_w, b)
        of_slope = _gradient_of_slopes(cov_x_b, G_b, slope)
        of_a = np.linalg.solve(root_b[:, K - P :, K - P :], of_slope[:, K - P :, None])[..., 0]
        parts = [of_b + of_slope, of_a]
        parts.append(np.column_stack([G_w[:, K, K] * sigma2_e, G_b[:, K, K]]))
        rows, columns = np.tril_indices(K)
        diagonal = np.arange(K)
        for G, turn, root in ((G_w, turn_w, root_w), (G_b, turn_b, root_b)):
            of_root = 2.0 * (_t(turn) @ G @ turn)[:, :K, :K] @ root
            if root is root_b:
                of_root[:, K - P :, K - P :] -= c[:, :, None] * of_a[:, None]
            of_root[:, diagonal, diagonal] *= root[:, diagonal, diagonal]
            parts.append(of_root[:, rows, columns])
        return value, np.concatenate(parts, axis=1)

    def _residual_products(self, both: Floats, weight: Floats) -> Floats:
        """Return cross-products (S, D, d, d) of the residuals of the means in transformed columns.

        Those of weighted regressions on w, of each column with weights of its own.
        """
        q, d = self.q, self.K + 1
        S, D = len(both), len(self.number)
        flat = np.swapaxes(weight, 1, 2).reshape(S * d, D)
        left = (flat @ self.products[:, :q, :q].reshape(D, -1)).reshape(S, d, q, q)
        right = (flat @ self.products[:, :q, q:].reshape(D, -1)).reshape(S, d, q, d)
        right = right @ _t(both)[..., None]
        gamma = np.linalg.solve(left, right)[..., 0]
        columns = np.concatenate([-_t(gamma), both], axis=1)[:, None]
        return np.asarray(_t(columns) @ (self.products @ columns))

    def derivatives(self, theta: Floats) -> tuple[Floats, Floats]:
        """Return the gradient, and its derivative by central differences."""
        steps = _STEP * np.maximum(1.0, np.abs(theta))
        moved = np.diag(steps)
        gradients = self.value(np.vstack([theta, theta + moved, theta - moved]))[1]
        m = len(theta)
        found = (gradients[1 : m + 1] - gradients[m + 1 :]) / (2.0 * steps[:, None])
        return gradients[0], 0.5 * (found + found.T)


def _t(matrices: Floats) -> Floats:
    return np.swapaxes(matrices, -1, -2)


def _covariance(root: Floats, slopes: Floats, variance: Floats) -> tuple[Floats, Floats, Floats]:
    """Return the covariance of [x, y], the turn to it from [x, residual], and that of x."""
    S, K = slopes.shape
    turn = np.zeros((S, K + 1, K + 1))
    turn[:] = np.eye(K + 1)
    turn[:, K, :K] = slopes
    middle = np.zeros_like(turn)
    middle[:, :K, :K] = root @ _t(root)
    middle[:, K, K] = variance
    return turn @ middle @ _t(turn), turn, middle[:, :K, :K]


def _gradient_of_slopes(cov: Floats, gradient: Floats, slopes: Floats) -> Floats:
    of_row = gradient[:, :-1, -1] + slopes * gradient[:, -1:, -1]
    return 2.0 * (cov @ of_row[..., None])[..., 0]
