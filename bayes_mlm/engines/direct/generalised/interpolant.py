"""Functions of a few coordinates, interpolated by a quadratic and a Gaussian process about it."""

import numpy as np

from bayes_mlm.base import Floats

_LENGTHS = (1.5, 2.5, 4.0, 6.0, 9.0)


def quadratic_basis(z: Floats) -> Floats:
    """Return 1, the coordinates and their products: (N, 1 + d + d(d+1)/2)."""
    d = z.shape[1]
    products = [z[:, a] * z[:, b] for a in range(d) for b in range(a + 1)]
    return np.column_stack([np.ones(len(z)), z, *products])


class Interpolant:
    """Interpolant of several functions; its length minimises the first's leave-one-out error.

    Parameters
    ----------
    z : (K, d) array
        Nodes.
    f : (K, m) array
        Values.
    nugget : (K,) array
        Added to the diagonal of the kernel: small where the values matter.

    References
    ----------
    Rasmussen & Williams (2006), Gaussian Processes for Machine Learning, secs 2.7 and 5.4.2.
    """

    def __init__(self, z: Floats, f: Floats, nugget: Floats) -> None:
        self.z, (count, self.d) = z, z.shape
        basis, best = quadratic_basis(z), np.inf
        m = basis.shape[1]
        self.length, self.inverse, self.coef = _LENGTHS[0], np.empty((0, 0)), np.empty((0, 0))
        for length in _LENGTHS if self.d else _LENGTHS[:1]:
            top = np.concatenate([self._kernel(z, length) + np.diag(nugget), basis], axis=1)
            bottom = np.concatenate([basis.T, np.zeros((m, m))], axis=1)
            try:
                inverse = np.linalg.inv(np.concatenate([top, bottom]))
            except np.linalg.LinAlgError:
                continue
            error = (inverse[:count, :count] @ f[:, 0]) / np.diagonal(inverse)[:count]
            score = float(np.average(error**2, weights=1.0 / (1.0 + 1e4 * nugget)))
            if score < best:
                best, self.length, self.inverse = score, length, inverse
                self.coef = inverse[:, :count] @ f

    def _kernel(self, z: Floats, length: float) -> Floats:
        square = (z**2).sum(axis=1)[:, None] + (self.z**2).sum(axis=1) - 2.0 * z @ self.z.T
        return np.asarray(np.exp(np.minimum(square * (-0.5 / length**2), 0.0)))

    def rows(self, z: Floats) -> Floats:
        """Return what multiplies `coef` at points (N, d)."""
        return np.concatenate([self._kernel(z, self.length), quadratic_basis(z)], axis=1)

    def variance(self, z: Floats) -> Floats:
        """Return the variance (N,) of the process at points."""
        rows = self.rows(z)
        return np.asarray(1.0 - np.einsum("ij,ij->i", rows @ self.inverse, rows))
