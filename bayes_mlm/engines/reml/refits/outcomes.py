"""Draw the sums of new outcomes of a Gaussian model, exactly, without drawing a row.

Given X and Z, REML reads y through C_y,j = Q_j'y_j of each group and the cross-products of X and y
outside the span of Z, summed over the groups. For y_j = X_j beta + Z_j u_j + e_j, with M_j =
sigma_e^2 I + R_j Sigma R_j' and F = rest_XX, all independent:

    C_y,j          ~ N(C_X,j beta, M_j)                                   J q normal numbers
    X'y outside    = F beta + sigma_e F^(1/2) z                           rank F normal numbers
    y'y outside    = beta'F beta + 2 sigma_e beta'F^(1/2) z
                     + sigma_e^2 (z'z + chi2(n - sum rank Z_j - rank F))

whatever the number of rows. Outcomes are drawn at beta = 0: generalised least squares moves with y,
so that the coefficients are added to the estimates.
"""

from dataclasses import dataclass

import numpy as np

from bayes_mlm.base import Floats
from bayes_mlm.moments import RotatedMoments, root_outside


@dataclass(frozen=True, kw_only=True, eq=False)
class OutcomeSums:
    """Sums of B outcomes on one design.

    Attributes
    ----------
    c_y : ndarray, shape (B, J, q)
        Within the span of Z.
    x_y : ndarray, shape (B, p)
        Products with X outside of it.
    y_y : ndarray, shape (B,)
        Squares outside of it.
    """

    c_y: Floats
    x_y: Floats
    y_y: Floats


@dataclass(frozen=True, kw_only=True, eq=False)
class OutcomeDistribution:
    """Distribution of the sums of an outcome with coefficients of zero.

    Parameters
    ----------
    root : ndarray, shape (C, q, q)
        Factor of the covariance of C_y, by class of groups.
    of_group : ndarray of int, shape (J,)
    outside : ndarray, shape (p, f)
        ``F^(1/2)``: columns along which X varies outside the span of Z.
    left : int
        Dimensions of y outside the span of Z and of X.
    sigma2 : float
    """

    root: Floats
    of_group: np.ndarray
    outside: Floats
    left: int
    sigma2: float

    @classmethod
    def of(cls, reduced: RotatedMoments, sigma: Floats, sigma2: float) -> "OutcomeDistribution":
        """Return the distribution given the covariance (q, q) of effects of the centred Z."""
        r = reduced.r
        covariance = sigma2 * np.eye(reduced.q) + r @ sigma @ r.swapaxes(1, 2)
        live = np.abs(r).max(axis=2, initial=0.0) > 0.0  # a group of few rows has fewer dimensions
        outside = root_outside(reduced)
        z_rank = int(live.sum(axis=1) @ reduced.size)
        return cls(
            root=np.linalg.cholesky(covariance) * live[:, :, None],
            of_group=reduced.of_group,
            outside=outside,
            left=reduced.n - z_rank - outside.shape[1],
            sigma2=sigma2,
        )

    def draw(self, size: int, rng: np.random.Generator) -> OutcomeSums:
        """Draw the sums of outcomes."""
        groups, q = len(self.of_group), self.root.shape[1]
        z = rng.standard_normal((size, groups, q))
        c_y = np.einsum("jab,Bjb->Bja", self.root[self.of_group], z)
        e = np.sqrt(self.sigma2) * rng.standard_normal((size, self.outside.shape[1]))
        squares = np.square(e).sum(axis=1)
        if self.left > 0:
            squares += self.sigma2 * rng.chisquare(self.left, size)
        return OutcomeSums(c_y=c_y, x_y=e @ self.outside.T, y_y=squares)
