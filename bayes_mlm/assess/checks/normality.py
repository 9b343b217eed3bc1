"""Normal Q-Q plots: a curve with a simultaneous band from simulation."""

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from bayes_mlm.base import Floats, Ints, number, percent

# Numbers simulated, and the fewest and most samples made of them.
_NUMBERS, _FEWEST, _MOST = 800_000, 100, 400
# Values looked at; of more, a random choice.
MOST_VALUES = 8_000
# Points of the curve.
_PLACES = 160
_LEVEL = 0.95
# Beyond this many sds a value is in a tail.
_TAIL = 1.5


@dataclass(frozen=True, kw_only=True, eq=False)
class NormalQQ:
    """Ordered values with the quantiles and the band of a normal sample of their size.

    Parameters
    ----------
    expected : ndarray, shape (m,)
        Normal quantiles, in sds.
    found : ndarray, shape (m,)
        The ordered values, less their mean and divided by their sd, at the same places.
    lower, upper : ndarray, shape (m,)
        A band that holds 95 % of normal samples at every place at once.
    places : ndarray of int, shape (m,)
        Which of the values, as they were given.
    n : int
        Values that were looked at.
    p : float
        Part of normal samples that depart at least as far, at their worst place.
    skewness, kurtosis : float
        Of the values; 0 and 3 for a normal distribution.
    """

    expected: Floats
    found: Floats
    lower: Floats
    upper: Floats
    places: Ints
    n: int
    p: float
    skewness: float
    kurtosis: float

    @property
    def normal(self) -> bool:
        """Whether the values stay inside the band."""
        return self.p >= 1.0 - _LEVEL

    @property
    def outside(self) -> NDArray[np.bool_]:
        """Flags (m,) of the points outside the band."""
        return np.asarray((self.found > self.upper) | (self.found < self.lower))

    @property
    def departure(self) -> str:
        """Return a description of where the values leave the band."""
        if self.normal:
            return f"stay within the {percent(_LEVEL)} band of normal samples (p = {self.p:.2f})"
        tails = [text for text in map(self._tail, (-1, 1)) if text]
        where = f"{' and '.join(tails)} than normal" if tails else "between the tails"
        p = f"p {'<' if self.p < 0.01 else '='} {max(self.p, 0.01):.2f}"
        return (
            f"leave the {percent(_LEVEL)} band of normal samples ({p}): {where}; skewness "
            f"{number(self.skewness, 0.1)}, kurtosis {number(self.kurtosis, 0.1)} (normal: 3)"
        )

    def _tail(self, sign: int) -> str:
        """Return the direction of the outermost departure of the lower (sign -1) or upper tail."""
        places = np.flatnonzero(self.outside & (sign * self.expected > _TAIL))
        if not places.size:
            return ""
        at = places[0 if sign < 0 else -1]
        longer = sign * self.found[at] > sign * self.expected[at]
        name = "the upper tail is" if sign > 0 else "the lower tail is"
        return f"{name} {'longer' if longer else 'shorter'}"


def normal_qq(values: Floats, seed: int | np.random.Generator) -> NormalQQ | None:
    """Compare values with normal samples of their number, standardised as they are.

    Parameters
    ----------
    values : ndarray, shape (n,)
        Independent, or nearly so, under the model.
    seed : int or Generator
        Of the simulation.

    Returns
    -------
    NormalQQ or None
        None for fewer than three values, or values that are all alike.

    References
    ----------
    Atkinson (1985), Plots, Transformations, and Regression, ch. 4 (envelopes); Myllymäki,
    Mrkvička, Grabarnik, Seijo & Hahn (2017), J. R. Stat. Soc. B 79(2), sec. 4 (bands that hold at
    every place at once).

    Examples
    --------
    >>> sample = np.random.default_rng(3).normal(5.0, 2.0, 200)
    >>> normal_qq(sample, 1).normal, normal_qq(np.exp(sample), 1).normal
    (True, False)
    """
    rng = np.random.default_rng(seed)
    chosen = np.arange(values.size)
    if values.size > MOST_VALUES:
        chosen = np.sort(rng.choice(values.size, MOST_VALUES, replace=False))
    given = values[chosen]
    n = given.size
    if n < 3 or not np.ptp(given) > 1e-12 * float(np.abs(given).max()):
        return None
    order = np.argsort(given, kind="stable")
    ordered = _standardised(given[None, order])[0]
    at = _spread_places(n)
    samples = rng.normal(size=(int(np.clip(_NUMBERS // n, _FEWEST, _MOST)), n))
    samples = np.sort(_standardised(samples), axis=1)[:, at]
    centre = samples.mean(axis=0)
    low, high = np.quantile(samples, [0.025, 0.975], axis=0)
    down, up = np.maximum(centre - low, 1e-9), np.maximum(high - centre, 1e-9)
    worst = _worst(samples, centre, down, up)
    factor = float(np.quantile(worst, _LEVEL))
    mine = float(_worst(ordered[None, at], centre, down, up)[0])
    return NormalQQ(
        expected=normal_quantile((at + 0.5) / n),
        found=ordered[at],
        lower=centre - factor * down,
        upper=centre + factor * up,
        places=chosen[order[at]],
        n=n,
        p=float((1 + np.count_nonzero(worst >= mine)) / (1 + worst.size)),
        skewness=float((ordered**3).mean()),
        kurtosis=float((ordered**4).mean()),
    )


def _standardised(samples: Floats) -> Floats:
    centred = samples - samples.mean(axis=1, keepdims=True)
    return np.asarray(centred / centred.std(axis=1, keepdims=True))


def _worst(samples: Floats, centre: Floats, down: Floats, up: Floats) -> Floats:
    gap = samples - centre
    return np.asarray(np.where(gap > 0, gap / up, -gap / down).max(axis=1))


def _spread_places(n: int) -> Ints:
    """Choose places among n ordered values: all of few; of many, the ends and evenly in sds."""
    if n <= _PLACES:
        return np.arange(n)
    end = -float(normal_quantile(np.array([0.5 / n]))[0])
    parts = np.array([0.5 * math.erfc(-z / math.sqrt(2)) for z in np.linspace(-end, end, _PLACES)])
    ends = np.concatenate([np.arange(8), n - 1 - np.arange(8)])
    return np.unique(np.concatenate([ends, np.clip((parts * n).astype(np.int64), 0, n - 1)]))


def normal_quantile(p: Floats) -> Floats:
    """Return standard normal quantiles, to four decimals or better.

    scipy's would cost two seconds to import.

    Examples
    --------
    >>> normal_quantile(np.array([0.025, 0.5, 0.975])).round(3)
    array([-1.96,  0.  ,  1.96])
    """
    z, log_tail = _tail_table()
    p = np.asarray(p, dtype=np.float64)
    tail = np.log(np.minimum(p, 1.0 - p))
    return np.asarray(np.where(p < 0.5, -1.0, 1.0) * np.interp(-tail, -log_tail, z))


@cache
def _tail_table() -> tuple[Floats, Floats]:
    z = np.linspace(0.0, 8.0, 1601)
    return z, np.log([0.5 * math.erfc(value / math.sqrt(2)) for value in z])
