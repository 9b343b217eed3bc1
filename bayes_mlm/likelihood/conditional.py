"""Normal distribution of the group effects given everything else."""

from dataclasses import dataclass

import numpy as np

from bayes_mlm.base import Floats, Ints
from bayes_mlm.likelihood.gaussian import invert_classes
from bayes_mlm.moments import RotatedMoments


@dataclass(frozen=True, kw_only=True, eq=False)
class EffectMoments:
    """Moments of the distribution of the group effects given the other parameters.

    Attributes
    ----------
    mean : (B, J, q) array
        ``E(u | y, beta, Lambda)``; it does not involve sigma_e.
    root : (B, C, q, q) array
        Roots of ``cov(u | y, beta, Lambda, sigma_e) / sigma_e^2``, one a class of groups.
    of_group : (J,) int array
        Class of each group.
    """

    mean: Floats
    root: Floats
    of_group: Ints


def group_effects(reduced: RotatedMoments, lam: Floats, beta: Floats) -> EffectMoments:
    """Compute the normal distribution of u given beta and the variance parameters.

    Parameters
    ----------
    reduced : RotatedMoments
    lam : (B, q, q) array
        Relative factors, in the units of Z as given.
    beta : (B, p) array
        Fixed effects, of X as given. At the generalised least-squares estimate `mean` is the
        BLUP and ``sigma_e^2 root root'`` is lme4's condVar.

    Returns
    -------
    EffectMoments
    """
    factor = reduced.z_centring @ lam
    s = factor @ factor.swapaxes(1, 2)
    back = np.linalg.inv(reduced.z_centring)
    inverse, _ = invert_classes(reduced.r, s)
    v = np.concatenate([-reduced.centred_beta(beta), np.ones((len(beta), 1))], axis=1)
    # u = S R' N^-1 C v, in the original units of Z.
    gain = (back @ s)[:, None] @ reduced.r.swapaxes(1, 2) @ inverse  # (B, C, q, q)
    rotated = np.tensordot(v, reduced.c, axes=([1], [2]))  # (B, J, q)
    mean = (gain[:, reduced.of_group] @ rotated[..., None])[..., 0]
    # cov = Lambda (I + Lambda'R'R Lambda)^-1 Lambda': symmetric whatever the rank of Lambda.
    rl = reduced.r @ factor[:, None]
    middle = np.eye(reduced.q) + rl.swapaxes(2, 3) @ rl
    upper = np.linalg.inv(np.linalg.cholesky(middle)).swapaxes(2, 3)
    return EffectMoments(mean=mean, root=lam[:, None] @ upper, of_group=reduced.of_group)
