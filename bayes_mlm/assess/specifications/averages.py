"""Averages of a coefficient over models, as mixtures of their posteriors."""

from collections.abc import Mapping

import numpy as np

from bayes_mlm.assess.specifications.mixture import mixture
from bayes_mlm.base import Floats


def averages_of(
    name: str, share: str, mean: Floats, sd: Floats, weights: Floats, prob: float
) -> Mapping[str, float]:
    """Return the fields of an `EffectRow` on the average by some weights.

    Parameters
    ----------
    name, share : str
        Of the field with the mean, and of that with the weight of the models.
    mean, sd : ndarray, shape (m,)
        Posterior moments in the models that have the coefficient; each is taken as normal.
    weights : ndarray, shape (m,)
        Of these models among all.
    prob : float
        Of the interval.
    """
    total = float(weights.sum())
    if not total > 0.0:
        return {share: 0.0}
    found = mixture(mean[:, None], np.square(sd)[:, None], weights / total, 0.5 * (1.0 - prob))
    return {
        name: float(found.mean[0]),
        f"{name}_sd": float(found.sd[0]),
        f"{name}_lower": float(found.lower[0]),
        f"{name}_upper": float(found.upper[0]),
        f"{name}_positive": float(found.above[0]),
        share: total,
    }
