"""Probability of a statistic among its replicates under the model."""

import math

import numpy as np

from bayes_mlm.base import Floats

# Of replicates at least as extreme, from which their share is taken as it is.
_PLENTY = 20
# Values below which no formula is good for the shape of their distribution.
_LEAST_VALUES = 8
# Below this skewness of the replicates they are taken as normal.
_SYMMETRIC = 0.02


def upper_tail(value: float, replicates: Floats) -> float:
    """Estimate the probability of a statistic at least as large under the model.

    The share of the replicates, or, where few reach the value, the tail of the gamma distribution
    that has their mean, variance and skewness, which goes on where replicates end.

    Parameters
    ----------
    value : float
    replicates : ndarray, shape (R,)

    References
    ----------
    Davison & Hinkley (1997), Bootstrap Methods and their Application, sec. 4.2 (p values); Pearson
    (1895) on the type III distribution.

    Examples
    --------
    >>> import numpy as np
    >>> drawn = np.random.default_rng(1).chisquare(3, 2000)
    >>> round(upper_tail(7.815, drawn), 2), round(1e4 * upper_tail(21.108, drawn))  # 0.05, 1e-4
    (0.05, 2)
    """
    above = int(np.count_nonzero(replicates >= value))
    share = (1 + above) / (1 + replicates.size)
    sd = float(replicates.std())
    if above >= _PLENTY or not sd > 0.0:
        return share
    from scipy.special import gammainc, gammaincc

    centred = replicates - replicates.mean()
    z, skew = float((value - replicates.mean()) / sd), float((centred**3).mean() / sd**3)
    if abs(skew) < _SYMMETRIC:
        found = 0.5 * math.erfc(z / math.sqrt(2.0))
    else:
        shape = 4.0 / skew**2
        at = max(shape + math.copysign(1.0, skew) * z * math.sqrt(shape), 0.0)
        found = float(gammaincc(shape, at) if skew > 0.0 else gammainc(shape, at))
    return min(found, (1 + _PLENTY) / (1 + replicates.size))


def two_sided(value: float, replicates: Floats) -> float:
    """Estimate the probability of a statistic as extreme in its tail, doubled."""
    return min(1.0, 2.0 * min(upper_tail(value, replicates), upper_tail(-value, -replicates)))


def smallest_of(p: Floats) -> float:
    """Combine the smallest of k probabilities: that of one as small among k (Šidák).

    Examples
    --------
    >>> import numpy as np
    >>> round(smallest_of(np.array([0.01, 0.4])), 4)
    0.0199
    """
    return float(-np.expm1(p.size * np.log1p(-min(float(p.min()), 1.0 - 1e-16))))


def holm(p: Floats) -> Floats:
    """Adjust probabilities for their number, so that 0.05 bounds the chance of any false alarm.

    References
    ----------
    Holm (1979), Scandinavian Journal of Statistics 6(2).

    Examples
    --------
    >>> import numpy as np
    >>> holm(np.array([0.01, 0.04, 0.02])).round(3).tolist()
    [0.03, 0.04, 0.04]
    """
    order = np.argsort(p)
    raised = np.maximum.accumulate(p[order] * np.arange(p.size, 0, -1))
    out = np.empty_like(p)
    out[order] = np.minimum(raised, 1.0)
    return out


def skewness_tail(value: float, replicates: Floats, n: int) -> float:
    """Estimate the two-sided probability of a skewness of n values.

    By the distribution that skewness has for normal values (Johnson's S_U), with the mean and sd
    of the replicates: a gamma distribution has too short a tail for it.

    References
    ----------
    D'Agostino (1970), Biometrika 57(3).
    """
    if n < _LEAST_VALUES:
        return two_sided(value, replicates)
    fourth = 3.0 * (n**2 + 27 * n - 70) * (n + 1) * (n + 3)
    fourth /= (n - 2.0) * (n + 5) * (n + 7) * (n + 9)
    w2 = math.sqrt(2.0 * (fourth - 1.0)) - 1.0
    x = _standardised(value, replicates)
    z = math.asinh(x / math.sqrt(2.0 / (w2 - 1.0))) / math.sqrt(0.5 * math.log(w2))
    return math.erfc(abs(z) / math.sqrt(2.0))


def kurtosis_tail(value: float, replicates: Floats, n: int) -> float:
    """Estimate the two-sided probability of a kurtosis of n values, as `skewness_tail` does.

    References
    ----------
    Anscombe & Glynn (1983), Biometrika 70(1).
    """
    if n < _LEAST_VALUES:
        return two_sided(value, replicates)
    skew = 6.0 * (n**2 - 5 * n + 2) / ((n + 7.0) * (n + 9.0))
    skew *= math.sqrt(6.0 * (n + 3) * (n + 5) / (n * (n - 2.0) * (n - 3.0)))
    a = 6.0 + 8.0 / skew * (2.0 / skew + math.sqrt(1.0 + 4.0 / skew**2))
    x = _standardised(value, replicates)
    scale = max(1.0 + x * math.sqrt(2.0 / (a - 4.0)), 1e-9)
    root = math.cbrt((1.0 - 2.0 / a) / scale)
    z = (1.0 - 2.0 / (9.0 * a) - root) / math.sqrt(2.0 / (9.0 * a))
    return math.erfc(abs(z) / math.sqrt(2.0))


def _standardised(value: float, replicates: Floats) -> float:
    return (value - float(replicates.mean())) / max(float(replicates.std()), 1e-300)
