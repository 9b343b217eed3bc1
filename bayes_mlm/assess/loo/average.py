"""Average predictive densities given the variance parameters over their posterior draws."""

from dataclasses import dataclass

import numpy as np

from bayes_mlm.assess.loo.log_sums import log_sum
from bayes_mlm.base import Floats
from bayes_mlm.engines import smooth_rows


@dataclass(frozen=True, kw_only=True, eq=False)
class Averages:
    """Averages over S draws of the predictive densities of m parts of the data.

    Attributes
    ----------
    left_out : (m,) array
        ``log p(y_k | y_-k)``.
    again : (m,) array
        ``log p(y_k' | y)``.
    k_hat : (m,) array
    influence : (m, S) array
        Of each draw on `left_out`: their sum is its Monte Carlo error.
    """

    left_out: Floats
    again: Floats
    k_hat: Floats
    influence: Floats


def average(left_out: Floats, again: Floats) -> Averages:
    """Average over the draws: importance-weighted (leave-one-out), and over the posterior.

    Parameters
    ----------
    left_out : (m, S) array
        ``log p(y_k | y_-k, theta)`` at draws from the posterior given all data. That without
        part k is proportional to it over ``p(y_k | y_-k, theta)``, so that
        ``p(y_k | y_-k) = 1 / E[1 / p(y_k | y_-k, theta)]``; the weights are smoothed.
    again : (m, S) array
        ``log p(y_k' | y, theta)``, whose average needs no weights.

    References
    ----------
    Vehtari, Mononen, Tolvanen, Sivula & Winther (2016), JMLR 17(103), sec. 3.6: integrated
    importance sampling. The error is that of a ratio of means, by the delta method.
    """
    smoothed = smooth_rows(-left_out)
    weighted = smoothed.log_weight + left_out
    value = log_sum(weighted)
    return Averages(
        left_out=value,
        again=log_sum(again) - np.log(again.shape[1]),
        k_hat=smoothed.k_hat,
        influence=np.exp(weighted - value[:, None]) - np.exp(smoothed.log_weight),
    )
