r"""Priors of correlated group effects, stated where the predictors are at their means.

Where the predictors of group-specific slopes are zero (the year 0) nobody knows what to expect of
the groups' intercepts, and a prior of their sd that holds there would press on the slopes. With m
the predictors' means, the priors of ``sigma_u`` and ``rho_u`` are those of

.. math:: u_{0j} + m' u_{1j}, u_{1j}

and the covariance of the effects as reported, at predictors of zero, is
:math:`\Sigma_u = T \Sigma T'`. Effects that are independent (``||``) are so where the predictors
are zero and nowhere else, and effects without an intercept absorb no shift: their priors hold
there.
"""

from collections.abc import Sequence

import numpy as np

from bayes_mlm.base import Floats
from bayes_mlm.design import INTERCEPT, Design, column_moments
from bayes_mlm.likelihood.default_priors import ModelPriors


def hold_at_means(effects: Sequence[str], priors: ModelPriors) -> bool:
    """Return whether the priors of the group effects are stated at the predictors' means."""
    return priors.rho_u is not None and INTERCEPT in effects and priors.effects_at == "means"


def effects_transform(effects: Sequence[str], z_mean: Floats, priors: ModelPriors) -> Floats:
    """Return T (q, q), from the effects that have the priors to the effects as reported.

    Parameters
    ----------
    effects : sequence of str, length q
    z_mean : (q,) array
        Means of the columns of Z over all rows.
    priors : ModelPriors

    Returns
    -------
    (q, q) array
        The identity where the effects as reported have the priors.
    """
    transform: Floats = np.eye(len(effects))
    if hold_at_means(effects, priors):
        place = list(effects).index(INTERCEPT)
        transform[place] = -z_mean
        transform[place, place] = 1.0
    return transform


def design_transform(design: Design, priors: ModelPriors) -> Floats:
    """Return T (q, q) of a design."""
    return effects_transform(design.effects, column_moments(design.whole).z_mean, priors)


def at_means(design: Design, priors: ModelPriors) -> Design:
    """Return the design with the columns Z of the effects that have the priors."""
    return design.with_arrays(Z=design.Z @ design_transform(design, priors))


def transform_spread(transform: Floats, sds: Floats, correlations: Floats) -> tuple[Floats, Floats]:
    """Transform sds (..., q) and correlations (..., pairs) to those of ``transform @ effects``.

    Examples
    --------
    >>> transform = np.array([[1.0, 3.0], [0.0, 1.0]])
    >>> transform_spread(transform, np.array([4.0, 1.0]), np.array([0.0]))
    (array([5., 1.]), array([0.6]))
    """
    q = sds.shape[-1]
    if np.array_equal(transform, np.eye(q)):
        return sds, correlations
    lower, upper = np.triu_indices(q, k=1)
    matrix = np.broadcast_to(np.eye(q), (*sds.shape, q)).copy()
    matrix[..., lower, upper] = matrix[..., upper, lower] = correlations
    covariance = transform @ (matrix * sds[..., None] * sds[..., None, :]) @ transform.T
    variance = np.diagonal(covariance, axis1=-2, axis2=-1)
    found = np.sqrt(np.maximum(variance, np.finfo(float).tiny))
    scaled = covariance / (found[..., None] * found[..., None, :])
    return found, np.clip(scaled[..., lower, upper], -1.0, 1.0)
