"""Covariance and F tests of the coefficients in small samples, by Kenward and Roger."""

from dataclasses import dataclass

import numpy as np

from bayes_mlm.base import Floats
from bayes_mlm.engines.reml.coefficient_tests import FTest, satterthwaite_df
from bayes_mlm.engines.reml.factor import lower_factor, make_factor
from bayes_mlm.engines.reml.search import maximise, maximise_near
from bayes_mlm.moments import RotatedMoments

# Groups whose products of C are formed at once where hardly two groups share a design.
_AT_ONCE = 4096


@dataclass(frozen=True, kw_only=True, eq=False)
class KenwardRoger:
    """Kenward and Roger's covariance of the coefficients, and what their tests need.

    Parameters
    ----------
    covariance : ndarray, shape (p, p)
        Adjusted for the error of the variance parameters.
    unadjusted : ndarray, shape (p, p)
        Of generalised least squares at the estimates.
    slopes : ndarray, shape (m, p, p)
        Derivatives of `unadjusted` in the m variances and covariances.
    parameters : ndarray, shape (m, m)
        Inverse of the expected information of those.

    Notes
    -----
    Kenward & Roger (1997), Biometrics 53(3), eqs 3-8; steps for quotients 0/0 as Halekoh &
    Hojsgaard (2014), J. Stat. Softw. 59(9), sec. 5. For one combination the F is unscaled, and its
    degrees of freedom are Satterthwaite's with the expected information.
    """

    covariance: Floats
    unadjusted: Floats
    slopes: Floats
    parameters: Floats

    label = "Kenward-Roger"

    def df(self, weights: Floats) -> Floats:
        """Return the degrees of freedom (k,) of linear combinations, weights (k, p)."""
        return satterthwaite_df(weights, self.unadjusted, self.slopes, self.parameters)

    def f_test(self, estimates: Floats, weights: Floats) -> FTest:
        """Test that linear combinations (k, p) of coefficients, with estimates (k,), are zero."""
        phi, k = weights @ self.unadjusted @ weights.T, len(weights)
        turned = -np.linalg.solve(phi, weights @ self.slopes @ weights.T)  # (m, k, k)
        trace = np.einsum("maa->m", turned)
        a1 = float(trace @ self.parameters @ trace)
        a2 = float(np.einsum("mn,mab,nba->", self.parameters, turned, turned))
        if a2 == 0.0:  # the variance does not vary with the parameters
            df, scale = np.inf, 1.0
        else:
            df, scale = _moments(a1, a2, k)
        covariance = weights @ self.covariance @ weights.T
        statistic = scale * float(estimates @ np.linalg.solve(covariance, estimates)) / k
        return FTest.at(statistic, k, df)


def _moments(a1: float, a2: float, k: int) -> tuple[float, float]:
    """Match the first two moments of the scaled F: denominator df and scale (eqs 4-8)."""
    b = (a1 + 6.0 * a2) / (2.0 * k)
    g = ((k + 1) * a1 - (k + 4) * a2) / ((k + 2) * a2)
    c1, c2, c3 = np.array([g, k - g, k + 2 - g]) / (3 * k + 2 * (1 - g))
    v0, v1, v2 = 1.0 + c1 * b, 1.0 - c2 * b, 1.0 - c3 * b
    ratio = (1.0 - a2 / k) / v1 if abs(v1) > 1e-14 else 1.0
    rho = ratio**2 * (v0 if abs(v0) > 1e-10 else 0.0) / v2
    df = 4.0 + (k + 2) / (rho - 1.0)
    scale = 1.0 if abs(df - 2.0) < 1e-2 else df * (1.0 - a2 / k) / (df - 2.0)
    return float(df), float(scale)


def kenward_roger(
    reduced: RotatedMoments, *, correlated: bool = True, lam: Floats | None = None
) -> KenwardRoger:
    """Return Kenward and Roger's covariance at the REML estimate, which is found anew.

    The covariance of the effects of the centred Z keeps digits that one in the units of Z as given
    has lost where a column lies far from zero.

    Parameters
    ----------
    reduced : RotatedMoments
    correlated : bool
        Whether the effects may correlate.
    lam : ndarray, shape (q, q), optional
        Relative factor of the effects of Z as given, near which the maximum is.

    Notes
    -----
    With G_i = dV / d parameter i, which are constant, every product of V^-1 and G_i has the form
    ``a (I - QQ') + Q M Q'``, so that ``P_i = X' dV^-1_i X`` and
    ``Q_ij = X'V^-1 G_i V^-1 G_j V^-1 X`` are sums over classes of groups of (q, q) matrices, times
    products of C.
    """
    q, p, groups = reduced.q, reduced.p, len(reduced.of_group)
    factor = make_factor(reduced, correlated=correlated)
    if lam is None or q < 2:  # a line is searched whole in a moment
        optimum = maximise(reduced, factor, "REML")
    else:
        near = reduced.z_centring @ lam
        near = lower_factor(near) if correlated else near
        optimum = maximise_near(reduced, factor, "REML", near)
    sigma2 = optimum.point.sigma_e2
    s = sigma2 * optimum.factor.covariance(optimum.theta)
    pairs = [(a, b) for b in range(q) for a in range(b, q) if correlated or a == b]
    directions = np.zeros((len(pairs), q, q))
    for i, (a, b) in enumerate(pairs):
        directions[i, a, b] = directions[i, b, a] = 1.0
    if not correlated:  # the covariances of correlated effects are free in any coordinates
        directions = reduced.z_centring @ directions @ reduced.z_centring.T
    m, r = len(pairs), reduced.r
    inverse = np.linalg.inv(sigma2 * np.eye(q) + r @ s @ r.swapaxes(1, 2))
    along = np.concatenate(
        [
            r @ directions[:, None] @ r.swapaxes(1, 2),
            np.broadcast_to(np.eye(q), (1, *inverse.shape)),
        ]
    )
    left = inverse @ along  # (m + 1, C, q, q)
    bend = left @ inverse

    information = reduced.rest[:p, :p] / sigma2 + _sum(reduced, inverse)
    first = -np.stack([_sum(reduced, one) for one in bend])
    first[m] -= reduced.rest[:p, :p] / sigma2**2
    second = np.empty((m + 1, m + 1, p, p))
    for i in range(m + 1):
        for j in range(i + 1):
            second[i, j] = _sum(reduced, left[i] @ bend[j])
            second[j, i] = second[i, j].T
    second[m, m] += reduced.rest[:p, :p] / sigma2**3
    traces = np.einsum("c,icab,jcba->ij", reduced.size, left, left, optimize=True)
    traces[m, m] += (reduced.n - groups * q) / sigma2**2

    phi = np.linalg.inv(information)
    moved = phi @ first
    expected = 0.5 * (
        traces
        - 2.0 * np.einsum("ab,ijba->ij", phi, second)
        + np.einsum("iab,jba->ij", moved, moved)
    )
    parameters = np.linalg.inv(expected)
    inside = np.einsum("ij,ijab->ab", parameters, second)
    inside -= np.einsum("ij,iab,jbc->ac", parameters, first, moved, optimize=True)
    adjusted = phi + 2.0 * phi @ inside @ phi
    transform = reduced.beta_transform
    return KenwardRoger(
        covariance=transform @ (0.5 * (adjusted + adjusted.T)) @ transform.T,
        unadjusted=transform @ phi @ transform.T,
        slopes=transform @ (-moved @ phi) @ transform.T,
        parameters=parameters,
    )


def _sum(reduced: RotatedMoments, kernel: Floats) -> Floats:
    """Sum C_j' K_j C_j over the groups, a kernel (q, q) a class, for the columns of X."""
    p = reduced.p
    if not reduced.many_designs:
        whole = (kernel.reshape(-1) @ reduced.products).reshape(p + 1, p + 1)
        return np.asarray(whole[:p, :p])
    total = np.zeros((p, p))
    for start in range(0, len(reduced.c), _AT_ONCE):
        c = reduced.c[start : start + _AT_ONCE, :, :p]
        of_groups = kernel[reduced.of_group[start : start + _AT_ONCE]]
        total += np.tensordot(c, of_groups @ c, axes=((0, 1), (0, 1)))
    return total
