"""Average predictive densities given the variance parameters over their posterior draws."""

from dataclasses import dataclass

import numpy as np

from bayes_mlm.base import Floats
from bayes_mlm.engines import smooth_rows


@dataclass(frozen=True, kw_only=True, eq=False)
class Averages:
    """Averages over S draws of the predictive densities of m parts of the data.

    Attributes
    ----------
    loo : (m,) array
        ``log p(y_k | y_-k)``.
    lpd : (m,) array
        ``log p(y_k' | y)``.
    k_hat : (m,) array
    influence : (m, S) array
        Of each draw on `loo`: their sum is its Monte Carlo error.
    """

    loo: Floats
    lpd: Floats
    k_hat: Floats
    influence: Floats


def average(loo: Floats, lpd: Floats) -> Averages:
    """Average over the draws: importance-weighted (leave-one-out), and over the posterior.

    Parameters
    ----------
    loo : (m, S) array
        ``log p(y_k | y_-k, theta)`` at draws from the posterior given all data. That without
        part k is proportional to it over ``p(y_k | y_-k, theta)``, so that
        ``p(y_k | y_-k) = 1 / E[1 / p(y_k | y_-k, theta)]``; the weights are smoothed.
    lpd : (m, S) array
        ``log p(y_k' | y, theta)``, whose average needs no weights.

    References
    ----------
    Vehtari, Mononen, Tolvanen, Sivula & Winther (2016), JMLR 17(103), sec. 3.6: integrated
    importance sampling. The error is that of a ratio of means, by the delta method.
    """
    from scipy.special import logsumexp

    smoothed = smooth_rows(-loo)
    weighted = smoothed.log_weight + loo
    value = logsumexp(weighted, axis=-1)
    return Averages(
        loo=value,
        lpd=logsumexp(lpd, axis=-1) - np.log(lpd.shape[1]),
        k_hat=smoothed.k_hat,
        influence=np.exp(weighted - value[:, None]) - np.exp(smoothed.log_weight),
    )
