"""Compute the slope within groups, the slope between them, and their difference."""

from dataclasses import dataclass

import numpy as np

from bayes_mlm.base import Floats, estimate, percent
from bayes_mlm.design import pairs_of
from bayes_mlm.engines import OlsFit, samples
from bayes_mlm.figures.density import density_of
from bayes_mlm.figures.marks import Classical, Marked, Posterior
from bayes_mlm.fitting import Analysis, shortest_interval

_MOST = 4


@dataclass(frozen=True, kw_only=True, eq=False)
class TwoSlopes:
    """Hold the slopes of one predictor at either level.

    Parameters
    ----------
    predictor : str
    within, between, difference : Marked
        Slopes in outcome units for one unit of the predictor; the difference is between less
        within, the contextual effect.
    positive : float
        Posterior probability that the difference is above zero.
    """

    predictor: str
    within: Marked
    between: Marked
    difference: Marked
    positive: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Contextual:
    """Hold slopes within and between groups of a model that has both.

    Parameters
    ----------
    model, outcome, group : str
    predictors : tuple of TwoSlopes
        At most four.
    prob : float
        Of the intervals.
    """

    model: str
    outcome: str
    group: str
    predictors: tuple[TwoSlopes, ...]
    prob: float

    @property
    def title(self) -> str:
        """What the figure is of."""
        names = ", ".join(item.predictor for item in self.predictors)
        return f"Slope of {self.outcome} on {names} within and between groups ({self.model})"

    @property
    def caption(self) -> str:
        """What there is to see."""
        return " ".join(self._told(item) for item in self.predictors)

    @property
    def alt(self) -> str:
        """What is drawn."""
        return (
            "Density curves of the slope within groups, the slope between groups and their "
            "difference, each with its mean, its interval and the REML or OLS estimate."
        )

    def _told(self, item: TwoSlopes) -> str:
        first = [m.posteriors[0] for m in (item.within, item.between, item.difference)]
        within, between, gap = (estimate(one.mean, one.lower, one.upper) for one in first)
        sure = max(item.positive, 1.0 - item.positive)
        way = "more" if item.positive >= 0.5 else "less"
        shown = "over 99.9 %" if sure > 0.999 else percent(sure)
        return (
            f"One unit of {item.predictor} goes with {within} {self.outcome} among members of one "
            f"{self.group} and with {between} between {self.group} means "
            f"({percent(self.prob)} intervals): {gap} apart. The posterior probability that the "
            f"slope between is the {'steeper upward' if way == 'more' else 'lower'} one is {shown}."
        )


def contextual_effect(analysis: Analysis) -> Contextual | None:
    """Compute both slopes of every predictor that is in the model with its group mean.

    Returns
    -------
    Contextual or None
        None without a posterior or without a predictor at two levels
        (`bayes_mlm.design.predictor_levels`) whose slopes are single numbers.
    """
    if not analysis.fits:
        return None
    pairs, _ = pairs_of(analysis.design)
    found = [
        _slopes(analysis, pair.predictor, np.array([pair.within, pair.between, pair.contextual]))
        for pair in pairs
        if not pair.averaged  # a product with either makes a slope depend on something else
    ]
    if not found:
        return None
    return Contextual(
        model=analysis.spec.name,
        outcome=analysis.design.outcome,
        group=str(analysis.design.group),
        predictors=tuple(found[:_MOST]),
        prob=analysis.prob,
    )


def _slopes(analysis: Analysis, name: str, turns: Floats) -> TwoSlopes:
    classical = analysis.classical
    fixed, cov = turns @ classical.beta, turns @ classical.beta_cov @ turns.T
    spans = analysis.classical.beta_interval
    # Wald intervals are as wide in standard errors for a sum of coefficients as for one.
    at = int(np.argmax(turns[0]))
    reach = (spans[at].upper - spans[at].lower) / 2 / np.sqrt(classical.beta_cov[at, at])
    engine = "ols" if isinstance(classical, OlsFit) else "reml"
    marked, positive = [], 0.0
    for k, label in enumerate(("within", "between", "difference")):
        posteriors = []
        for fit in analysis.fits:
            drawn = samples(fit.draws, "beta") @ turns[k]
            lower, upper = shortest_interval(drawn[:, None], analysis.prob)
            posteriors.append(
                Posterior(
                    engine=fit.engine,
                    mean=float(drawn.mean()),
                    sd=float(drawn.std(ddof=1)),
                    lower=float(lower[0]),
                    upper=float(upper[0]),
                    density=density_of(drawn),
                )
            )
            if fit is analysis.fits[0]:
                positive = float((drawn > 0).mean())
        width = float(reach * np.sqrt(cov[k, k]))
        marked.append(
            Marked(
                quantity=label,
                unit=analysis.design.outcome,
                posteriors=tuple(posteriors),
                classical=Classical(
                    engine=engine,
                    estimate=float(fixed[k]),
                    lower=float(fixed[k]) - width,
                    upper=float(fixed[k]) + width,
                ),
                published=(),
            )
        )
    return TwoSlopes(
        predictor=name,
        within=marked[0],
        between=marked[1],
        difference=marked[2],
        positive=positive,
    )
