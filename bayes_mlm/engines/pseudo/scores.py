r"""Scores of groups and the joint information of a weighted Gaussian model, and their sandwich.

With the weights w_ij of rows, conditional on their group and scaled, and w_j of groups, the log
pseudo-likelihood is (Pfeffermann, Skinner, Holmes, Goldstein & Rasbash 1998, J. R. Stat. Soc. B
60(1); Rabe-Hesketh & Skrondal 2006, J. R. Stat. Soc. A 169(4), eq. 3)

    l = sum_j w_j l_j,  l_j = log int N(u; 0, Sigma) prod_i N(y_ij; x_ij'b + z_ij'u, s^2)^w_ij du

The power is on the whole density, so that W_j = sum_i w_ij takes the place of the number of rows
where s is by itself, and weighted products that of the others. In the rotated statistics
(`bayes_mlm.moments.rotated`), with N_j = I + R_j S R_j', S = Sigma / s^2, a_j = C_j v, v = (-b, 1),
g_j = N_j^-1 a_j and E_j the weighted products outside the span of Z_j,

    l_j = -W_j log(2 pi s^2) / 2 - log|N_j| / 2 - (v'E_j v + a_j'g_j) / (2 s^2)
    along dS:     (g_j'R_j dS R_j'g_j / s^2 - tr N_j^-1 R_j dS R_j') / 2
    in log s^2:   ((v'E_j v + a_j'g_j) / s^2 - W_j) / 2
    in b:         (E_j,X. v + C_j,X'g_j) / s^2
"""

from dataclasses import dataclass

import numpy as np

from bayes_mlm.base import Floats
from bayes_mlm.engines.reml.inference import inverse_information
from bayes_mlm.engines.reml.search import Optimum
from bayes_mlm.moments import GroupMoments, RotatedMoments, rest_by_group


@dataclass(frozen=True, kw_only=True, eq=False)
class Joint:
    """Scores by group and minus the Hessian, in (theta, log sigma_e^2, beta of centred columns).

    Parameters
    ----------
    scores : ndarray, shape (J, m + 1 + p)
        With the weights of the groups.
    information : ndarray, shape (m + 1 + p, m + 1 + p)
    p : int
    """

    scores: Floats
    information: Floats
    p: int

    @property
    def meat(self) -> Floats:
        """Covariance of the sum of the scores between groups."""
        J = len(self.scores)
        found: Floats = J / (J - 1.0) * self.scores.T @ self.scores
        return found

    def sandwich(self, *, fixed: bool = False) -> Floats:
        """Return the covariance of all parameters that holds whatever those of the groups are.

        Parameters
        ----------
        fixed : bool
            Whether the variances are held at their estimates, as WeMix does: the covariance of the
            coefficients is then too small where these move with them.
        """
        bread = inverse_information(self.information)
        if fixed:
            b = slice(len(bread) - self.p, None)
            bread = np.zeros_like(bread)
            bread[b, b] = inverse_information(self.information[b, b])
        found: Floats = bread @ self.meat @ bread
        return found


def joint_scores(s: GroupMoments, reduced: RotatedMoments, optimum: Optimum) -> Joint:
    """Return scores and information at the maximum of a weighted likelihood.

    Parameters
    ----------
    s : GroupMoments
        With the weights of the groups.
    reduced : RotatedMoments
        Of the same.
    optimum : Optimum
        By method "ML".
    """
    weights = np.ones(s.J) if s.weights is None else s.weights
    p, m, point = reduced.p, len(optimum.theta), optimum.point
    sigma2, v = point.sigma_e2, np.append(-point.beta, 1.0)
    lam = optimum.factor.lam(optimum.theta)
    half = optimum.factor.basis @ lam.T
    directions = half + half.swapaxes(1, 2)
    r, c = reduced.r[reduced.of_group], reduced.of_each_group.c
    outside = rest_by_group(s) @ v
    n = np.eye(reduced.q) + r @ (lam @ lam.T) @ r.swapaxes(1, 2)
    inverse = np.linalg.inv(n)
    a = c @ v
    g = (inverse @ a[:, :, None])[:, :, 0]
    turned = np.einsum("jab,ja->jb", r, g)
    slope = r.swapaxes(1, 2) @ inverse @ r
    square = outside @ v + np.einsum("ja,ja->j", a, g)
    scores = np.empty((s.J, m + 1 + p))
    along = np.einsum("ja,mab,jb->jm", turned, directions, turned, optimize=True) / sigma2
    scores[:, :m] = 0.5 * (along - np.einsum("mab,jab->jm", directions, slope))
    scores[:, m] = 0.5 * (square / sigma2 - s.counts)
    scores[:, m + 1 :] = (outside[:, :p] + np.einsum("jap,ja->jp", c[:, :, :p], g)) / sigma2
    return Joint(scores=weights[:, None] * scores, information=_information(optimum, m, p), p=p)


def _information(optimum: Optimum, m: int, p: int) -> Floats:
    """Return minus the joint Hessian: from that of the profile, and how beta moves along it."""
    point = optimum.point
    of_beta = np.linalg.inv(point.beta_cov) / point.sigma_e2
    moved = np.vstack([point.d_beta, np.zeros((1, p))])  # the best beta does not depend on sigma_e
    found = np.empty((m + 1 + p, m + 1 + p))
    found[: m + 1, : m + 1] = -optimum.hessian + moved @ of_beta @ moved.T
    found[: m + 1, m + 1 :] = -moved @ of_beta
    found[m + 1 :, : m + 1] = found[: m + 1, m + 1 :].T
    found[m + 1 :, m + 1 :] = of_beta
    return found
