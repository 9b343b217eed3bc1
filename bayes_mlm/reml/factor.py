"""Choose coordinates in which a relative covariance is searched."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bayes_mlm.reduced import Reduced
from bayes_mlm.sufficient import FloatArray

# A relative factor with a singular value below this is singular; the columns of Z are brought to
# unit mean square first, so that no unit of y or Z matters (the bound of lme4's isSingular).
SINGULAR = 1e-4


@dataclass(frozen=True, kw_only=True, eq=False)
class Factor:
    """Describe the relative factors searched: L = sum theta_k basis_k, for the centred Z.

    Attributes
    ----------
    basis : (m, q, q) array
        Factor of the effects of the centred Z for each unit of theta.
    scaling : (q,) array
        Root mean square of each column of the centred Z.
    """

    basis: FloatArray
    scaling: FloatArray

    def lam(self, theta: FloatArray) -> FloatArray:
        """Give the factors (..., q, q) at theta (..., m)."""
        m, q, _ = self.basis.shape
        return (theta @ self.basis.reshape(m, q * q)).reshape(*theta.shape[:-1], q, q)

    def covariance(self, theta: FloatArray) -> FloatArray:
        """Give the relative covariances (..., q, q) of the centred effects at theta (..., m)."""
        lam = self.lam(theta)
        return lam @ lam.swapaxes(-1, -2)

    @property
    def off_diagonal(self) -> npt.NDArray[np.bool_]:
        """Tell which coordinates (m,) are off the diagonal of the triangular factor."""
        m, q, _ = self.basis.shape
        if m == q:
            return np.zeros(m, dtype=bool)
        return np.array([a != b for b in range(q) for a in range(b, q)])

    def smallest(self, theta: FloatArray) -> float:
        """Give the smallest singular value of the factor, with Z at unit mean square."""
        return float(np.linalg.svd(self.scaling[:, None] * self.lam(theta), compute_uv=False)[-1])


def make_factor(reduced: Reduced, *, correlated: bool = True, first: int | None = None) -> Factor:
    """Choose the coordinates of the relative factor.

    Parameters
    ----------
    reduced : Reduced
    correlated : bool
        False holds the effects independent (lme4's double bar), in the units of Z as given.
    first : int, optional
        With `correlated`, the effect whose sd is to be ``theta[0] / scaling`` alone: the factor
        is then lower triangular for Z as given with that effect moved to the front. Without, it
        is lower triangular for the centred Z, where the search is best conditioned.

    Returns
    -------
    Factor
    """
    q = reduced.q
    scaling = np.sqrt(
        np.maximum(
            np.einsum("c,cab,cab->b", reduced.size, reduced.r, reduced.r) / reduced.n,
            np.finfo(float).tiny,
        )
    )
    if correlated:
        pairs = [(a, b) for b in range(q) for a in range(b, q)]
        basis = np.zeros((len(pairs), q, q))
        order = [first or 0, *(a for a in range(q) if a != (first or 0))]
        for k, (a, b) in enumerate(pairs):
            basis[k, order[a], b] = 1.0 / scaling[order[a]]
        if first is not None:
            basis = reduced.z_centring @ basis
    else:
        basis = np.zeros((q, q, q))
        for a in range(q):
            basis[a, a, a] = 1.0 / scaling[a]
        basis = reduced.z_centring @ basis
    return Factor(basis=basis, scaling=scaling)


def lower_factor(lam: FloatArray) -> FloatArray:
    """Turn a square root (q, q) of a covariance into its lower-triangular one, singular or not.

    An orthogonal turn of the columns keeps the digits that a Cholesky factor of the product
    would lose; the diagonal is made non-negative.
    """
    lower = np.linalg.qr(lam.T)[1].T
    sign = np.where(np.diagonal(lower) < 0.0, -1.0, 1.0)
    turned: FloatArray = lower * sign
    return turned
