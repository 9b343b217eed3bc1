"""Choose coordinates in which a relative covariance is searched."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bayes_mlm.base import Floats
from bayes_mlm.moments import RotatedMoments, root_mean_square

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

    basis: Floats
    scaling: Floats

    def lam(self, theta: Floats) -> Floats:
        """Return the factors (..., q, q) at theta (..., m)."""
        m, q, _ = self.basis.shape
        return (theta @ self.basis.reshape(m, q * q)).reshape(*theta.shape[:-1], q, q)

    def covariance(self, theta: Floats) -> Floats:
        """Return the relative covariances (..., q, q) of the centred effects at theta (..., m)."""
        lam = self.lam(theta)
        return lam @ lam.swapaxes(-1, -2)

    @property
    def off_diagonal(self) -> npt.NDArray[np.bool_]:
        """Flag the coordinates (m,) that are off the diagonal of the triangular factor."""
        m, q, _ = self.basis.shape
        if m == q:
            return np.zeros(m, dtype=bool)
        return np.array([a != b for b in range(q) for a in range(b, q)])

    def smallest(self, theta: Floats) -> float:
        """Return the smallest singular value of the factor, with Z at unit mean square."""
        return float(np.linalg.svd(self.scaling[:, None] * self.lam(theta), compute_uv=False)[-1])


def make_factor(reduced: RotatedMoments, *, correlated: bool = True) -> Factor:
    """Return the coordinates of the relative factor.

    Parameters
    ----------
    reduced : RotatedMoments
    correlated : bool
        False makes the effects independent (lme4's double bar), in the units of Z. Else
        the factor is lower triangular for the centred Z, where the search is best conditioned.

    Returns
    -------
    Factor
    """
    q = reduced.q
    scaling = root_mean_square(reduced, np.eye(q))
    if correlated:
        return Factor(basis=_triangle(scaling), scaling=scaling)
    basis = np.zeros((q, q, q))
    basis[range(q), range(q), range(q)] = 1.0 / root_mean_square(reduced, reduced.z_centring)
    return Factor(basis=reduced.z_centring @ basis, scaling=scaling)


@dataclass(frozen=True, kw_only=True, eq=False)
class Turned:
    """Coordinates in which one effect's sd is ``sigma_e * theta[place] / unit`` alone.

    Attributes
    ----------
    factor : Factor
    place : int
    unit : float
    from_centred : (q, q) array
        From the effects of the centred Z to those whose factor is the triangle of theta.
    units : (q,) array
        Change of theta per unit of each of those.
    """

    factor: Factor
    place: int
    unit: float
    from_centred: Floats
    units: Floats

    def theta(self, lam: Floats) -> Floats:
        """Return theta (m,) of a factor (q, q) of the effects of the centred Z."""
        q = len(lam)
        scaled = lower_factor(self.from_centred @ lam) * self.units[:, None]
        if len(self.factor.basis) == q:
            return np.abs(np.diagonal(scaled))
        return np.array([scaled[a, b] for b in range(q) for a in range(b, q)])


def rotate_to(reduced: RotatedMoments, effect: int, *, correlated: bool = True) -> Turned:
    """Choose coordinates, one of which is the sd of an effect of Z.

    The others are of all but one of the effects of the centred Z. The one omitted weighs most in
    the effect chosen, so that no digits are lost however far from zero a column of Z lies.

    Parameters
    ----------
    reduced : RotatedMoments
    effect : int
    correlated : bool
        As of `make_factor`.
    """
    plain = make_factor(reduced, correlated=correlated)
    back = np.linalg.inv(reduced.z_centring)
    if not correlated:
        units = root_mean_square(reduced, reduced.z_centring)
        return Turned(
            factor=plain,
            place=effect,
            unit=float(units[effect]),
            from_centred=back,
            units=units,
        )
    row = back[effect]
    out = int(np.argmax(np.abs(row) / plain.scaling))
    others = [a for a in range(reduced.q) if a != out]
    from_centred = np.vstack([row, np.eye(reduced.q)[others]])
    units = np.append(plain.scaling[out] / abs(row[out]), plain.scaling[others])
    return Turned(
        factor=Factor(basis=np.linalg.inv(from_centred) @ _triangle(units), scaling=plain.scaling),
        place=0,
        unit=float(units[0]),
        from_centred=from_centred,
        units=units,
    )


def _triangle(units: Floats) -> Floats:
    """Return the basis (m, q, q) of lower-triangular factors, by columns."""
    q = len(units)
    pairs = [(a, b) for b in range(q) for a in range(b, q)]
    basis = np.zeros((len(pairs), q, q))
    for k, (a, b) in enumerate(pairs):
        basis[k, a, b] = 1.0 / units[a]
    return basis


def lower_factor(lam: Floats) -> Floats:
    """Return the lower-triangular factor of a covariance from any square root (q, q) of it.

    An orthogonal turn of the columns keeps the digits that a Cholesky factor of the product
    would lose; the diagonal is made non-negative.
    """
    lower = np.linalg.qr(lam.T)[1].T
    sign = np.where(np.diagonal(lower) < 0.0, -1.0, 1.0)
    transformed: Floats = lower * sign
    return transformed
