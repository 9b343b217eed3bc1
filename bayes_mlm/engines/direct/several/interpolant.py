"""Interpolate the sums of a model whose factorisation is dear, as functions of the relative sds.

One factorisation serves every residual sd and every prior: all that the density needs of it is
log|M| and the Cholesky factor of the Schur complement of [X, y]. Each of these numbers is a smooth
function of ``s_k = log(theta_k^2 + floor_k)``, finite and flat at theta_k = 0, and of the partial
correlations. It is interpolated by a quadratic and a Gaussian process about it (Rasmussen &
Williams 2006, Gaussian Processes for Machine Learning, sec. 2.7), in coordinates in which the
posterior is round. The profiled deviance is one of the functions, so that its error is not a
difference of two.
"""

from dataclasses import dataclass

import numpy as np

from bayes_mlm.base import Floats
from bayes_mlm.engines.direct.posterior import Sums, Variances
from bayes_mlm.engines.direct.priors import lower_pairs
from bayes_mlm.engines.direct.quadratic import cholesky
from bayes_mlm.engines.direct.several.problem import SeveralProblem

# Of the diagonal of the correlation matrix of the nodes: at 1e-9 rounding makes it oscillate.
_JITTER = 1e-7
_LENGTHS = (1.2, 1.8, 2.7, 4.0, 6.0)
# Distance, in posterior sds, at which the trend turns from a quadratic into a line.
_BEND = 3.0
# A deviance this much above the least is of a point that no draw comes near.
_DEPTH = 80.0


def relative_coordinates(problem: SeveralProblem, at: Variances) -> Floats:
    """Return log(sd / sigma_e) of every effect, then atanh of the partial correlations: (B, d)."""
    columns = [at.log_sigma_u - at.log_sigma_e[:, None]]
    for block in problem.blocks:
        factor = at.factor[:, block.places, block.places]
        rest = np.ones(len(factor))
        for row, column in lower_pairs(block.q) if block.n_pairs else ():
            rest = np.ones(len(factor)) if column == 0 else rest
            share = factor[:, row, column] / np.maximum(rest, 1e-150)
            share = np.clip(share, -1.0 + 1e-15, 1.0 - 1e-15)
            columns.append(np.arctanh(share)[:, None])
            rest = rest * np.sqrt(1.0 - share**2)
    return np.concatenate(columns, axis=1)


def pack(sums: Sums, df: int) -> Floats:
    """Return the functions that are interpolated, (B, k): the profiled deviance first.

    Then ``df log r^2`` and the Cholesky factor of the Schur complement of [X, y], its diagonal in
    logs and without r.
    """
    lower = cholesky(sums.a)
    p = len(lower) - 1
    with np.errstate(all="ignore"):
        diagonal = np.log(lower[range(p), range(p)])
        fit = 2.0 * df * np.log(lower[p, p])
    rows, columns = np.tril_indices(p, -1)
    deviance = sums.logdet + 2.0 * diagonal.sum(axis=0) + fit
    return np.vstack([deviance, fit, diagonal, lower[rows, columns], lower[p, :p]]).T


def unpack(functions: Floats, p: int, df: int) -> Sums:
    """Return the sums that `pack` made functions (B, k) of."""
    n = len(functions)
    deviance, fit, diagonal = functions[:, 0], functions[:, 1], functions[:, 2 : 2 + p]
    rows, columns = np.tril_indices(p, -1)
    lower = np.zeros((n, p + 1, p + 1))
    with np.errstate(over="ignore", invalid="ignore"):
        lower[:, range(p), range(p)] = np.exp(diagonal)
        lower[:, rows, columns] = functions[:, 2 + p : 2 + p + len(rows)]
        lower[:, p, :p] = functions[:, 2 + p + len(rows) :]
        lower[:, p, p] = np.exp(0.5 * fit / df)
        a = np.einsum("bik,bjk->ijb", lower, lower)
    return Sums(logdet=deviance - fit - 2.0 * diagonal.sum(axis=1), a=np.ascontiguousarray(a))


@dataclass(frozen=True, kw_only=True, eq=False)
class Chart:
    """Coordinates in which the functions are interpolated: s, centred and whitened.

    Attributes
    ----------
    floor : (d,) array
        Logs of what is added to theta^2; minus infinity for the correlations.
    centre : (d,) array
    whiten : (d, d) array
        ``z = whiten @ (s - centre)``.
    """

    floor: Floats
    centre: Floats
    whiten: Floats

    def __call__(self, relative: Floats) -> Floats:
        """Return z (B, d) at relative coordinates (B, d)."""
        found: Floats = (self.bend(relative) - self.centre) @ self.whiten.T
        return found

    def bend(self, relative: Floats) -> Floats:
        """Return s (B, d)."""
        sds = np.isfinite(self.floor)
        s = relative.copy()
        s[:, sds] = np.logaddexp(2.0 * relative[:, sds], self.floor[sds])
        return s


@dataclass(frozen=True, kw_only=True, eq=False)
class Interpolant:
    """Interpolated functions; exact at the nodes to the jitter.

    Attributes
    ----------
    chart : Chart
    nodes : (K, d) array
        In the chart.
    length : float
        Of the correlation of the Gaussian process.
    terms : int
        Polynomial terms: a quadratic, or a plane where the nodes are few.
    base : (k,) array
        Taken from the functions.
    weights : (K + terms, k) array
    inverse : (K + terms, K + terms) array
        Of the matrix of the nodes, for the variance.
    error : float
        Root mean square of the leave-one-out errors of the deviance.
    scale : float
        Standard deviation of the process that is the deviance less its trend.
    """

    chart: Chart
    nodes: Floats
    length: float
    terms: int
    base: Floats
    weights: Floats
    inverse: Floats
    error: float
    scale: float

    def __call__(self, relative: Floats) -> Floats:
        """Return the functions (B, k) at relative coordinates (B, d)."""
        found: Floats = self._rows(self.chart(relative)) @ self.weights + self.base
        return found

    def uncertainty(self, relative: Floats) -> Floats:
        """Return standard deviations (B,) of the error in the log-density, by the process."""
        rows = self._rows(self.chart(relative))
        left = 1.0 - np.einsum("ij,jk,ik->i", rows, self.inverse, rows)
        return np.asarray(0.5 * self.scale * np.sqrt(np.maximum(left, 0.0)))

    def beyond(self, relative: Floats) -> Floats:
        """Return by how much (B,) the squared distance exceeds that of any posterior mass."""
        square = np.square(self.chart(relative)).sum(axis=1)
        return np.asarray(np.maximum(square - (36.0 + 4.0 * self.nodes.shape[1]), 0.0))

    def _rows(self, z: Floats) -> Floats:
        return np.concatenate(
            [_correlation(z, self.nodes, self.length), trend(z)[:, : self.terms]], axis=1
        )


def trend(z: Floats) -> Floats:
    """Return the terms (B, 1 + d + d(d+1)/2) of the trend: quadratic near 0, linear far out.

    So is the deviance in logs of sds; a quadratic would have to be cancelled far out.
    """
    d = z.shape[1]
    squares = [np.sqrt(_BEND**2 + z[:, a] ** 2) for a in range(d)]
    products = [
        z[:, a] * z[:, b] / np.sqrt(_BEND**2 + z[:, a] ** 2 + z[:, b] ** 2)
        for a in range(d)
        for b in range(a)
    ]
    return np.column_stack([np.ones(len(z)), z, *squares, *products])


def interpolate(chart: Chart, relative: Floats, functions: Floats) -> Interpolant:
    """Interpolate functions (K, k) at nodes of relative coordinates (K, d).

    The length of the correlation is that of the least leave-one-out error (Dubrule 1983,
    Mathematical Geology 15(6)).
    """
    deviance = functions[:, 0]
    fine = np.isfinite(functions).all(axis=1)
    fine &= deviance - np.min(deviance[fine]) < _DEPTH
    nodes, values = chart(relative[fine]), functions[fine]
    base = values[np.argmin(values[:, 0])]
    terms = trend(nodes)
    if terms.shape[1] > 0.8 * len(nodes):
        terms = terms[:, : 1 + nodes.shape[1]]
    found: list[Interpolant] = []
    spare = max(len(nodes) - terms.shape[1], 1)
    for length in _LENGTHS:
        matrix = _correlation(nodes, nodes, length) + _JITTER * np.eye(len(nodes))
        inverse = _bordered_inverse(matrix, terms)
        weights = inverse[:, : len(nodes)] @ (values - base)
        error = weights[: len(nodes), 0] / np.diagonal(inverse)[: len(nodes)]
        found.append(
            Interpolant(
                chart=chart,
                nodes=nodes,
                length=length,
                terms=terms.shape[1],
                base=base,
                weights=weights,
                inverse=inverse,
                error=float(np.sqrt(np.mean(error**2))),
                scale=float(np.sqrt((values - base)[:, 0] @ weights[: len(nodes), 0] / spare)),
            )
        )
    return min(found, key=lambda one: one.error)


def _correlation(a: Floats, b: Floats, length: float) -> Floats:
    square = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1) - 2.0 * (a @ b.T)
    return np.asarray(np.exp(-0.5 / length**2 * np.maximum(square, 0.0)))


def _bordered_inverse(matrix: Floats, terms: Floats) -> Floats:
    """Invert [[R, P], [P', 0]] through the null space of P', where it is positive definite."""
    n, m = terms.shape
    q, r = np.linalg.qr(terms, mode="complete")
    null = q[:, m:]
    root = np.linalg.cholesky(null.T @ matrix @ null)
    half = np.linalg.solve(root, null.T)
    core = half.T @ half
    to = np.linalg.solve(r[:m], q[:, :m].T)  # P's left inverse
    cross = to @ (np.eye(n) - matrix @ core)
    corner = -to @ (matrix - matrix @ core @ matrix) @ to.T
    return np.block([[core, cross.T], [cross, corner]])
