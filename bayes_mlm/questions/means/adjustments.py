"""Adjustments of p-values and intervals for many comparisons, by name."""

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from bayes_mlm.base import DesignError, EngineError, Floats, Registry, Stream, stream

if TYPE_CHECKING:
    from collections.abc import Callable

# Sets of points of "mvt", and the power of two of their number.
_SETS, _POWER = 8, 14
_QUANTILES = 4096


@dataclass(frozen=True, kw_only=True, eq=False)
class Comparisons:
    """A family of comparisons that are judged together.

    Parameters
    ----------
    t : ndarray, shape (c,)
        Statistics.
    df : ndarray, shape (c,)
        Degrees of freedom; infinite of the normal.
    correlation : ndarray, shape (c, c)
        Of the estimates.
    means : int
        How many means are compared.
    pairwise : bool
        Whether they are all pairs of these.
    prob : float
        Of the intervals.
    random_seed : int
    """

    t: Floats
    df: Floats
    correlation: Floats
    means: int
    pairwise: bool
    prob: float
    random_seed: int

    @property
    def size(self) -> int:
        """Number of comparisons."""
        return self.t.size

    @property
    def p(self) -> Floats:
        """Two-sided p-values (c,) without adjustment."""
        from scipy import special

        return np.asarray(2.0 * special.stdtr(self.df, -np.abs(self.t)))


@dataclass(frozen=True, kw_only=True, eq=False)
class Adjusted:
    """P-values (c,), standard errors that the intervals reach (c,), and what was done."""

    p: Floats
    reach: Floats
    text: str


def adjusted(name: str, family: Comparisons) -> Adjusted:
    """Return the p-values and intervals of a family of comparisons by an adjustment.

    Raises
    ------
    EngineError, DesignError
        If there is no such adjustment, or it is not of such comparisons.
    """
    if not family.size:
        empty = np.empty(0)
        return Adjusted(p=empty, reach=empty, text="no comparison can be estimated")
    found = ADJUSTMENTS[name](family)
    if family.size > 1:
        return found
    return replace(_none(family), text="one comparison in each family, not adjusted")


ADJUSTMENTS: "Registry[Callable[[Comparisons], Adjusted]]" = Registry("adjustment", EngineError)


def t_reach(df: Floats, tail: float) -> Floats:
    """Return the quantile (c,) of t distributions with a tail above."""
    from scipy import special

    normal = special.ndtri(1.0 - tail)
    with np.errstate(invalid="ignore"):
        reach = special.stdtrit(np.where(np.isinf(df), 1, df), 1.0 - tail)
    return np.asarray(np.where(np.isinf(df), normal, reach))


def _none(family: Comparisons) -> Adjusted:
    reach = t_reach(family.df, 0.5 * (1.0 - family.prob))
    return Adjusted(p=family.p, reach=reach, text="not adjusted for the number of comparisons")


def _bonferroni(family: Comparisons) -> Adjusted:
    return Adjusted(
        p=np.minimum(1.0, family.size * family.p),
        reach=t_reach(family.df, 0.5 * (1.0 - family.prob) / family.size),
        text=f"Bonferroni, of {family.size} comparisons",
    )


def _sidak(family: Comparisons) -> Adjusted:
    # 1 - (1 - p)^c without the cancellation of small p.
    p = -np.expm1(family.size * np.log1p(-np.minimum(family.p, 1.0 - 1e-16)))
    tail = -np.expm1(np.log(family.prob) / family.size)
    return Adjusted(
        p=p,
        reach=t_reach(family.df, 0.5 * tail),
        text=f"Sidak, of {family.size} comparisons",
    )


def _holm(family: Comparisons) -> Adjusted:
    order = np.argsort(family.p)
    steps = np.maximum.accumulate(family.p[order] * np.arange(family.size, 0, -1))
    p = np.empty(family.size)
    p[order] = np.minimum(1.0, steps)
    return Adjusted(
        p=p,
        reach=_bonferroni(family).reach,
        text=f"Holm, of {family.size} comparisons; intervals by Bonferroni, as Holm has none",
    )


def _scheffe(family: Comparisons) -> Adjusted:
    from scipy import special

    values = np.linalg.eigvalsh(family.correlation)
    rank = int((values > 1e-8 * values[-1]).sum())
    square = np.square(family.t) / rank
    finite = np.where(np.isinf(family.df), 1.0, family.df)
    infinite = np.isinf(family.df)
    p = np.where(infinite, special.chdtrc(rank, square * rank), special.fdtrc(rank, finite, square))
    bound = np.where(
        infinite,
        special.chdtri(rank, 1.0 - family.prob),
        rank * special.fdtri(rank, finite, family.prob),
    )
    return Adjusted(
        p=np.asarray(p),
        reach=np.sqrt(bound),
        text=f"Scheffé, of all contrasts of rank {rank}",
    )


def _tukey(family: Comparisons) -> Adjusted:
    if not family.pairwise:
        raise DesignError(
            "Tukey's adjustment is of all pairs of means (contrasts='pairwise'); of other "
            "contrasts use adjust='mvt', which is exact for any, or 'holm'"
        )
    reach = np.array([_tukey_reach(family.prob, family.means, df) for df in family.df.tolist()])
    p = [
        _tukey_p(math.sqrt(2.0) * abs(t), family.means, df)
        for t, df in zip(family.t.tolist(), family.df.tolist(), strict=True)
    ]
    return Adjusted(
        p=np.array(p),
        reach=reach,
        text=f"Tukey, of a family of {family.means} means",
    )


@lru_cache(maxsize=4096)
def _tukey_p(q: float, means: int, df: float) -> float:
    from scipy.stats import studentized_range

    return float(np.clip(studentized_range.sf(q, means, df), 0.0, 1.0))


@lru_cache(maxsize=1024)
def _tukey_reach(prob: float, means: int, df: float) -> float:
    from scipy.stats import studentized_range

    return float(studentized_range.ppf(prob, means, df)) / math.sqrt(2.0)


def _mvt(family: Comparisons) -> Adjusted:
    largest = _largest(family.correlation, family.random_seed)
    p, error = np.empty(family.size), 0.0
    for k, (t, df) in enumerate(zip(np.abs(family.t), family.df, strict=True)):
        parts = _beyond(largest, float(t), float(df)).mean(axis=1)
        p[k] = parts.mean()
        error = max(error, float(parts.std(ddof=1)) / math.sqrt(_SETS))
    return Adjusted(
        p=np.maximum(p, family.p),  # no points are beyond a large t
        reach=_mvt_reach(largest, family),
        text=f"multivariate t, of {family.size} comparisons, by {largest.size:,} points: Monte "
        f"Carlo error of p {max(error, 1.0 / largest.size):.0e} at most "
        f"(random_seed {family.random_seed})",
    )


def _largest(correlation: Floats, random_seed: int) -> Floats:
    """Return the largest of correlated normals in absolute value, at sets of points.

    Each set is a randomised (scrambled) Sobol sequence, whose means differ by their error.
    """
    from scipy.special import ndtri
    from scipy.stats import qmc

    value, vector = np.linalg.eigh(correlation)
    keep = value > 1e-10 * value[-1]
    root = vector[:, keep] * np.sqrt(value[keep])
    rng = stream(random_seed, Stream.CONTRASTS)
    found = np.empty((_SETS, 2**_POWER))
    for one in found:
        uniform = qmc.Sobol(root.shape[1], rng=rng).random_base2(_POWER)
        normal = ndtri(np.clip(uniform, 1e-15, 1.0 - 1e-15))
        one[:] = np.abs(normal @ root.T).max(axis=1)
    return found


def _beyond(largest: Floats, t: float, df: float) -> Floats:
    """Return, for each draw, the chance that it exceeds t when divided by the root of chi2/df.

    The chi-squared variable is integrated out, which leaves less Monte Carlo error.
    """
    from scipy import special

    if t == 0.0:
        return np.ones(largest.shape)
    if math.isinf(df):
        return (largest >= t).astype(np.float64)
    return np.asarray(special.chdtr(df, df * np.square(largest / t)))


def _mvt_reach(largest: Floats, family: Comparisons) -> Floats:
    """Return the quantiles (c,), between those of no adjustment and of Bonferroni's."""
    from scipy.optimize import brentq

    # The function of the normals is smooth: midpoints of their quantiles have its mean.
    middle = np.quantile(largest, (np.arange(_QUANTILES) + 0.5) / _QUANTILES)
    low, high = (0.99 * _none(family).reach, 1.01 * _bonferroni(family).reach)
    found = np.empty(family.size)
    for k, df in enumerate(family.df.tolist()):
        if math.isinf(df):
            found[k] = np.quantile(largest, family.prob)
            continue

        def excess(t: float, df: float = df) -> float:
            return float(_beyond(middle, t, df).mean()) - (1.0 - family.prob)

        found[k] = brentq(excess, low[k], high[k], xtol=1e-7)
    return found


for _name, _method in {
    "none": _none,
    "tukey": _tukey,
    "holm": _holm,
    "bonferroni": _bonferroni,
    "sidak": _sidak,
    "scheffe": _scheffe,
    "mvt": _mvt,
}.items():
    ADJUSTMENTS.register(_name, _method)
