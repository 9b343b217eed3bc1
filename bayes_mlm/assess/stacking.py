"""Stacking: weights by which predictive densities of models predict best together."""

import numpy as np

from bayes_mlm.base import EngineError, Floats

# Mean log score that other weights might gain at most when the search ends.
_GAP = 1e-10
_MAX_STEPS = 500
# Models that are taken up at a step, those of the steepest ascent.
_TAKEN_UP = 10


def stacking_weights(log_densities: Floats) -> Floats:
    """Return the weights of models whose mixture has the highest mean log score.

    Parameters
    ----------
    log_densities : ndarray, shape (m, K)
        ``log p(y_k | y_-k)`` of each of m parts left out, by each of K models.

    Returns
    -------
    ndarray, shape (K,)
        Weights of 0 or more, with a sum of 1; unique where the models' densities are independent.

    Raises
    ------
    EngineError
        If a density is not finite.

    References
    ----------
    Yao, Vehtari, Simpson & Gelman (2018), Bayesian Analysis 13(3), on stacking; Wang (2007),
    Journal of the Royal Statistical Society B 69(2), for the algorithm: constrained Newton steps on
    the models with weight and those that ascend most.

    Examples
    --------
    >>> stacking_weights(np.log([[0.5, 0.1], [0.1, 0.5]]))
    array([0.5, 0.5])
    """
    from scipy.optimize import nnls

    log_densities = np.asarray(log_densities, dtype=float)
    if not np.isfinite(log_densities).all():
        raise EngineError("a predictive density is not finite; leave its model out of the stack")
    parts, models = log_densities.shape
    density = np.exp(log_densities - log_densities.max(axis=1, keepdims=True))
    weights = np.zeros(models)
    weights[int(log_densities.sum(axis=0).argmax())] = 1.0
    for _ in range(_MAX_STEPS):
        mixture = density @ weights
        slopes = (density / mixture[:, None]).mean(axis=0)  # 1 or less at the maximum
        if slopes.max() - 1.0 <= _GAP:
            break
        best = np.argsort(-slopes)[:_TAKEN_UP]
        used = np.union1d(np.flatnonzero(weights), best)
        # The log score to second order is that of least squares: ratios S, S w near 2.
        ratios = density[:, used] / mixture[:, None]
        penalty = np.sqrt(1e6 * parts)  # holds the sum at 1
        stacked = np.vstack([ratios, np.full((1, used.size), penalty)])
        found = nnls(stacked, np.append(np.full(parts, 2.0), penalty))[0]
        target = np.zeros(models)
        target[used] = found / found.sum()
        step, now = 1.0, np.log(mixture).mean()
        rise = float(slopes @ (target - weights))
        while step > 1e-12:
            trial = weights + step * (target - weights)
            if np.log(density @ trial).mean() >= now + 1e-4 * step * rise:
                break
            step *= 0.5
        else:
            break
        weights = trial
        weights[weights < 1e-12] = 0.0
        weights /= weights.sum()
    return weights
