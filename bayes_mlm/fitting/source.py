"""What every question needs of a result: linear combinations, group effects, variances."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, Protocol, Self, get_args

import numpy as np

from bayes_mlm.base import Floats, Ints, Verdict, wald_reach
from bayes_mlm.design import Design
from bayes_mlm.fitting.parameter_points import ParameterPoints

if TYPE_CHECKING:
    from bayes_mlm.model import ModelRequest

type IntervalKind = Literal["hdi", "eti"]
# Numbers whose order an interval is read from: of more, every k-th draw will do.
_MOST_NUMBERS = 1_500_000
INTERVALS: tuple[str, ...] = get_args(IntervalKind.__value__)


def shortest_interval(values: Floats, prob: float) -> tuple[Floats, Floats]:
    """Return the ends of the shortest interval that holds `prob` of the draws (the HDI).

    Parameters
    ----------
    values : ndarray, shape (draws, k)
        Of k quantities with one mode each.
    prob : float

    Returns
    -------
    lower, upper : ndarray, shape (k,)

    References
    ----------
    Chen & Shao (1999), Journal of Computational and Graphical Statistics 8(1), sec. 3.

    Examples
    --------
    >>> lower, upper = shortest_interval(np.array([[0.0], [1.0], [1.1], [1.2], [5.0]]), 0.6)
    >>> float(lower[0]), float(upper[0])
    (1.0, 1.2)
    """
    ordered = np.sort(values, axis=0)
    span = min(math.ceil(prob * len(ordered)), len(ordered)) - 1
    starts = (ordered[span:] - ordered[: len(ordered) - span]).argmin(axis=0)
    columns = np.arange(ordered.shape[1])
    return ordered[starts, columns], ordered[starts + span, columns]


@dataclass(frozen=True, kw_only=True, eq=False)
class DrawSummary:
    """Mean (or estimate), sd (or standard error) and interval of k quantities, arrays (k,)."""

    mean: Floats
    sd: Floats
    lower: Floats
    upper: Floats

    def plus(self, shift: Floats) -> "DrawSummary":
        """Return the summary of the quantities with known numbers (k,) added."""
        ends = {"lower": self.lower + shift, "upper": self.upper + shift}
        return replace(self, mean=self.mean + shift, **ends)


def summarise_draws(values: Floats, prob: float, interval: IntervalKind = "hdi") -> DrawSummary:
    """Compute mean, sd and interval of draws.

    Parameters
    ----------
    values : ndarray, shape (S, k) or (S,)
    prob : float
        Probability of the interval.
    interval : {"hdi", "eti"}
        Highest density interval, or equal tails.

    Returns
    -------
    DrawSummary

    Examples
    --------
    >>> found = summarise_draws(np.linspace(0.0, 1.0, 101), 0.9, "eti")
    >>> found.mean.round(3), found.lower.round(3), found.upper.round(3)
    (array([0.5]), array([0.05]), array([0.95]))
    """
    draws = values[:, None] if values.ndim == 1 else values
    if interval == "hdi":
        lower, upper = shortest_interval(draws, prob)
    else:
        tail = (1 - prob) / 2
        lower, upper = np.quantile(draws, [tail, 1 - tail], axis=0)
    columns = np.ascontiguousarray(draws.T)  # summed pairwise, quantity by quantity
    return DrawSummary(
        mean=columns.mean(axis=1), sd=columns.std(axis=1, ddof=1), lower=lower, upper=upper
    )


def summarise_wald(
    estimate: Floats, se: Floats, prob: float, df: float | Sequence[float]
) -> DrawSummary:
    """Compute the Wald intervals of estimates (k,): what `summarise_draws` is for draws.

    The degrees of freedom are of each, or of all.

    Examples
    --------
    >>> found = summarise_wald(np.array([2.0]), np.array([1.0]), 0.95, math.inf)
    >>> found.lower.round(2), found.upper.round(2)
    (array([0.04]), array([3.96]))
    """
    half = np.array([wald_reach(prob, one) for one in np.atleast_1d(df).tolist()]) * se
    return DrawSummary(mean=estimate, sd=se, lower=estimate - half, upper=estimate + half)


@dataclass(frozen=True, kw_only=True, eq=False)
class Value:
    """One estimand: its draws, or its estimate with standard error and degrees of freedom.

    Parameters
    ----------
    draws : ndarray, shape (S,), or None
        Posterior draws.
    estimate, se : float
        Without draws: estimate and standard error.
    df : float
        Without draws: of the t distribution of the Wald statistic; infinite for the normal.

    Examples
    --------
    >>> value = Value(estimate=2.0, se=1.0)
    >>> [round(end, 2) for end in value.interval(0.95)], round(value.p_value, 4)
    ([0.04, 3.96], 0.0455)
    """

    draws: Floats | None = None
    estimate: float = math.nan
    se: float = math.nan
    df: float = math.inf

    def plus(self, shift: float) -> "Value":
        """Return the estimand with a known number added."""
        if shift == 0.0:
            return self
        draws = None if self.draws is None else self.draws + shift
        return replace(self, draws=draws, estimate=self.estimate + shift)

    @property
    def mean(self) -> float:
        """Posterior mean, or the estimate."""
        return self.estimate if self.draws is None else float(self.draws.mean())

    @property
    def sd(self) -> float:
        """Posterior sd, or the standard error."""
        return self.se if self.draws is None else float(self.draws.std(ddof=1))

    def interval(self, prob: float) -> tuple[float, float]:
        """Return the ends of the HDI, or of the Wald interval."""
        if self.draws is None:
            half = wald_reach(prob, self.df) * self.se
            return self.estimate - half, self.estimate + half
        found = summarise_draws(self.draws, prob)
        return float(found.lower[0]), float(found.upper[0])

    @property
    def positive(self) -> float | None:
        """Posterior probability that it is above zero; None without draws."""
        return None if self.draws is None else float((self.draws > 0.0).mean())

    @property
    def direction(self) -> float | None:
        """Probability of direction, that of the more probable sign; None without draws."""
        if self.draws is None:
            return None
        return float(max((self.draws > 0.0).mean(), (self.draws < 0.0).mean()))

    @property
    def p_value(self) -> float:
        """Two-sided p-value of the Wald test of zero; nan with draws."""
        if self.draws is not None:
            return math.nan
        from scipy.special import stdtr

        return float(2.0 * stdtr(self.df, -abs(self.estimate / self.se)))


def summarise_values(
    values: Sequence[Value], prob: float, interval: IntervalKind = "hdi"
) -> DrawSummary:
    """Compute mean, sd and interval of k estimands: of their draws, or Wald's of estimates.

    Examples
    --------
    >>> summarise_values([Value(estimate=2.0, se=1.0)], 0.95).upper.round(2)
    array([3.96])
    """
    draws = [value.draws for value in values if value.draws is not None]
    if draws:
        return summarise_draws(np.stack(draws, axis=1), prob, interval)
    estimate, se = np.array([(value.estimate, value.se) for value in values]).T
    return summarise_wald(estimate, se, prob, [value.df for value in values])


@dataclass(frozen=True, kw_only=True, eq=False)
class GroupEffects:
    """Effects of every group, arrays (J, q) in units of the outcome (for one unit of x).

    Parameters
    ----------
    mean, sd : ndarray
        Posterior mean and sd; or best linear unbiased prediction, and its sd given the
        coefficients and variances (lme4's ``condVar``).
    lower, upper : ndarray
        Ends of the interval.
    interval : {"HDI", "interval"}
        What it is: shortest, or normal.
    """

    mean: Floats
    sd: Floats
    lower: Floats
    upper: Floats
    interval: str

    @classmethod
    def wald(cls, mean: Floats, sd: Floats, prob: float, df: float = math.inf) -> "GroupEffects":
        """Return effects with the intervals of their means and sds."""
        half = wald_reach(prob, df) * sd
        return cls(mean=mean, sd=sd, lower=mean - half, upper=mean + half, interval="interval")

    @classmethod
    def of_draws(cls, u: Floats, prob: float) -> "GroupEffects":
        """Return the effects that draws (S, J, q) are of, with shortest intervals."""
        mean = u.mean(axis=0)
        # Not u.std: of 2,000 groups it takes a second.
        deviations = u - mean
        sd = np.sqrt(np.einsum("sjq,sjq->jq", deviations, deviations) / len(u))
        thin = max(1, u.size // _MOST_NUMBERS)
        flat = u[::thin].reshape(-1, mean.size)
        lower, upper = (ends.reshape(mean.shape) for ends in shortest_interval(flat, prob))
        return cls(mean=mean, sd=sd, lower=lower, upper=upper, interval="HDI")


@dataclass(frozen=True, kw_only=True, eq=False)
class FactorValues:
    """S values of the parameters of one grouping factor.

    Parameters
    ----------
    factor : str
    cov_u : ndarray, shape (S, q, q)
        Covariance of the group effects, in squared units of the outcome; q = 0 without any.
    u : ndarray, shape (S, J, k), or None
        Group effects: draws, predictions by REML, or (`no_pooling`) the intercepts of the groups.
        None where the model has none, or has too many groups to keep draws.
    """

    factor: str
    cov_u: Floats
    u: Floats | None


@dataclass(frozen=True, kw_only=True, eq=False)
class ParameterValues:
    """S values of every parameter: posterior draws, or one estimate (S = 1).

    Parameters
    ----------
    beta : ndarray, shape (S, p)
        Fixed effects.
    residual_variance : ndarray, shape (S,)
        Residual variance; nan of a family without one.
    factors : tuple of FactorValues
        One for each grouping factor, in the order of the design.
    auxiliary : mapping of str to ndarray, shape (S,) or (S, k)
        Further parameters of the family: a shape, thresholds.
    """

    beta: Floats
    residual_variance: Floats
    factors: tuple[FactorValues, ...]
    auxiliary: Mapping[str, Floats] = field(default_factory=dict)

    @property
    def cov_u(self) -> Floats:
        """Covariance (S, q, q) of the effects of the one factor; q = 0 without groups."""
        if not self.factors:
            return np.zeros((len(self.beta), 0, 0))
        (only,) = self.factors
        return only.cov_u

    @property
    def u(self) -> Floats | None:
        """Effects (S, J, k) of the groups of the one factor; None without groups or draws."""
        if not self.factors:
            return None
        (only,) = self.factors
        return only.u


class CoefficientSource(Protocol):
    """A result as a question sees it: `Fit` (draws) and `Estimate` (a maximum) are both one."""

    @property
    def name(self) -> str:
        """Name of the model."""

    @property
    def title(self) -> str:
        """Its name, or the formula of a model without one."""

    @property
    def engine(self) -> str:
        """The engine, by its name in the registry."""

    @property
    def request(self) -> "ModelRequest | None":
        """The model with its data; None of an estimate made from a design alone."""

    @property
    def design(self) -> Design:
        """What was fitted."""

    @property
    def verdict(self) -> Verdict:
        """Whether the result can be relied on."""

    @property
    def reason(self) -> str:
        """Why this engine, in a few words."""

    @property
    def random_seed(self) -> int:
        """Seed of its draws; 0 of an estimate."""

    @property
    def interval_kind(self) -> str:
        """What an interval of a coefficient is: "HDI" or "CI"."""

    @property
    def interval_method(self) -> str:
        """How it is made: "HDI", "t (Satterthwaite df)", "t (residual df)" or "Wald"."""

    def combine(self, weights: Floats) -> tuple[Value, ...]:
        """Return k linear combinations of the fixed effects, weights (k, p)."""

    def joint_covariance(self, weights: Floats) -> Floats:
        """Return the covariance (k, k) of linear combinations of the fixed effects."""

    def parameter_points(self) -> ParameterPoints:
        """Return values of every parameter, for quantities that are not linear in them."""

    def group_covariance(self) -> Floats:
        """Return the covariance (S, q, q) of the group effects."""

    def combine_by_group(self, X: Floats, Z: Floats, places: Ints) -> Iterator[tuple[Value, ...]]:
        """Return X beta + Z u of G groups, one by one: X (G, k, p), Z (G, k, q), places (G,)."""

    def of_factor(self, factor: str | None) -> Self:
        """Return the result with the group effects of one factor, by its name among several.

        Raises
        ------
        SeveralFactorsError, DesignError
            If none is named of several, or there is no such factor.
        """

    def group_effects(self, prob: float, factor: str | None = None) -> GroupEffects | None:
        """Return the effects of every group of a factor; None without any."""

    def effect_moments(self, factor: str | None = None) -> Callable[[Ints], tuple[Floats, Floats]]:
        """Return what computes means and sds (G, q) of the effects of groups, by their places.

        Nothing is drawn, so that the groups may be any number.
        """

    def of_sample(self, design: Design, places: Ints, random_seed: int) -> Self:
        """Return the result with the groups of a sample, by their places; `design` has its rows."""

    @property
    def values(self) -> ParameterValues:
        """The parameters that variances are made of."""
