"""Covariance of the coefficients that holds whatever the groups' covariances are: CR0, CR1, CR2.

With the fitted V_j as working model (Bell & McCaffrey 2002, Survey Methodology 28(2); Pustejovsky &
Tipton 2018, J. Bus. Econ. Stat. 36(4), eqs 4-9; R's clubSandwich) and e_j the residuals,

    CR = Phi (sum X_j'V_j^-1 A_j e_j e_j' A_j'V_j^-1 X_j) Phi,  A_j = D_j'B_j^(-1/2)D_j,
    B_j = D_j (V_j - X_j Phi X_j') D_j',  D_j'D_j = V_j

Outside of the span of Z_j and X_j, V_j is sigma_e^2 I, so that q + p coordinates of a group are
enough: V_j becomes diag(M_j, sigma_e^2 I) and X_j becomes [C_X,j; K_j], K_j'K_j the products of X_j
outside the span of Z_j. No matrix has the rows of a group.
"""

from dataclasses import dataclass

import numpy as np

from bayes_mlm.base import Floats, UnsupportedModelError
from bayes_mlm.engines.reml.coefficient_tests import FTest
from bayes_mlm.moments import GroupMoments, rest_by_group, rotate_moments

# Shares of the largest eigenvalue below which one is zero.
_RANK = 1e-10


@dataclass(frozen=True, kw_only=True, eq=False)
class ClusterRobust:
    """A cluster-robust covariance, with the degrees of freedom of its t tests.

    Parameters
    ----------
    label : str
    covariance : ndarray, shape (p, p)
    groups : int
    parts : ndarray, shape (J, q + p, p), or None
        ``A_j'V_j^-1 X_j Phi``, for Satterthwaite's degrees of freedom (CR2); else those are J - 1.
    working : ndarray, shape (J, q + p, q + p)
        V_j.
    columns : ndarray, shape (J, q + p, p)
        X_j.
    phi : ndarray, shape (p, p)
    transform : ndarray, shape (p, p)
        From the coefficients of the centred columns to those of X as given.
    """

    label: str
    covariance: Floats
    groups: int
    parts: Floats | None
    working: Floats
    columns: Floats
    phi: Floats
    transform: Floats

    def df(self, weights: Floats) -> Floats:
        """Return the degrees of freedom (k,) of linear combinations, weights (k, p)."""
        if self.parts is None:
            return np.full(len(weights), self.groups - 1.0)
        g = self.parts @ (weights @ self.transform).T  # (J, q + p, k)
        own = np.einsum("jak,jab,jbk->jk", g, self.working, g, optimize=True)
        with_x = self.columns.swapaxes(1, 2) @ g  # (J, p, k)
        shared = np.einsum("jak,ab,jbk->jk", with_x, self.phi, with_x, optimize=True)
        crossed = self.phi @ np.einsum("jak,jbk->kab", with_x, with_x, optimize=True)
        square = np.square(own).sum(axis=0) - 2.0 * (own * shared).sum(axis=0)
        square += np.einsum("kab,kba->k", crossed, crossed)
        found: Floats = (own - shared).sum(axis=0) ** 2 / square
        return found

    def f_test(self, estimates: Floats, weights: Floats) -> FTest:
        """Test that one linear combination of the coefficients (1, p) is zero.

        Raises
        ------
        UnsupportedModelError
            Of several, whose distribution is another.
        """
        if len(weights) > 1:
            raise UnsupportedModelError(
                "F tests of several coefficients are not cluster-robust here; use "
                "df='kenward-roger', or test one coefficient at a time"
            )
        variance = float(weights[0] @ self.covariance @ weights[0])
        return FTest.at(float(estimates[0]) ** 2 / variance, 1, float(self.df(weights)[0]))


def cluster_robust(
    statistics: GroupMoments, cov_u: Floats, sigma2: float, kind: str
) -> ClusterRobust:
    """Return a cluster-robust covariance at variances that were estimated.

    Parameters
    ----------
    statistics : GroupMoments
    cov_u : ndarray, shape (q, q)
    sigma2 : float
    kind : {"CR0", "CR1", "CR2"}
        Without a correction; times J / (J - 1); or without bias where the working model is right.
    """
    reduced, rest = rotate_moments(statistics), rest_by_group(statistics)
    p, q, groups = reduced.p, reduced.q, len(reduced.of_group)
    r = (reduced.r @ reduced.z_centring)[reduced.of_group]
    x, y = _coordinates(reduced.c, rest, p)
    working = np.broadcast_to(sigma2 * np.eye(q + p), (groups, q + p, q + p)).copy()
    working[:, :q, :q] += r @ cov_u @ r.swapaxes(1, 2)
    solved = np.linalg.solve(working, x)
    phi = np.linalg.inv(np.einsum("jap,jas->ps", x, solved))
    e = y - x @ (phi @ np.einsum("jap,ja->p", solved, y))
    adjusted = _adjusted(working, x, phi) if kind == "CR2" else None
    turned = solved if adjusted is None else adjusted.swapaxes(1, 2) @ solved
    scores = np.einsum("jap,ja->jp", turned, e)
    meat = scores.T @ scores * (groups / (groups - 1.0) if kind == "CR1" else 1.0)
    transform = reduced.beta_transform
    bread = transform @ phi
    return ClusterRobust(
        label=f"cluster-robust {kind}",
        covariance=bread @ meat @ bread.T,
        groups=groups,
        parts=None if adjusted is None else turned @ phi,
        working=working,
        columns=x,
        phi=phi,
        transform=transform,
    )


def _coordinates(c: Floats, rest: Floats, p: int) -> tuple[Floats, Floats]:
    """Return X (J, q + p, p) and y (J, q + p) of each group in the coordinates that matter.

    The rank of what lies outside the span of Z_j is judged against all of X_j: where X_j lies in
    it, its rest is rounding.
    """
    size = np.einsum("jaa->ja", rest)[:, :p] + np.square(c[:, :, :p]).sum(axis=1)
    norm = np.sqrt(np.where(size > 0.0, size, 1.0))
    value, vector = np.linalg.eigh(rest[:, :p, :p] / (norm[:, :, None] * norm[:, None]))
    root = np.sqrt(np.where(value > _RANK, value, 0.0))
    inverse = np.divide(1.0, root, out=np.zeros_like(root), where=root > 0.0)
    turned = vector.swapaxes(1, 2)
    outside = root[:, :, None] * turned * norm[:, None]
    along = inverse[:, :, None] * ((turned / norm[:, None]) @ rest[:, :p, p:])
    x = np.concatenate([c[:, :, :p], outside], axis=1)
    return x, np.concatenate([c[:, :, p], along[:, :, 0]], axis=1)


def _adjusted(working: Floats, x: Floats, phi: Floats) -> Floats:
    """Return A_j (J, q + p, q + p); roots of singular B_j are Moore and Penrose's."""
    d = np.linalg.cholesky(working).swapaxes(1, 2)
    b = d @ (working - x @ phi @ x.swapaxes(1, 2)) @ d.swapaxes(1, 2)
    value, vector = np.linalg.eigh(b)
    live = value > _RANK * value[:, -1:]
    root = np.where(live, 1.0 / np.sqrt(np.where(live, value, 1.0)), 0.0)
    half = (vector * root[:, None]) @ vector.swapaxes(1, 2)
    found: Floats = d.swapaxes(1, 2) @ half @ d
    return found
