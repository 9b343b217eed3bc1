"""Compute the slope within groups, the slope between them, and their difference."""

from dataclasses import dataclass

import numpy as np

from bayes_mlm.base import Floats, estimate, percent
from bayes_mlm.design import pairs_of, predictor_name
from bayes_mlm.figures.comparison import (
    LikelihoodEstimate,
    Posterior,
    QuantityEstimates,
    draw_estimates,
    draw_ridge,
    legend_below,
)
from bayes_mlm.figures.data import Text
from bayes_mlm.figures.density import density_of
from bayes_mlm.figures.entry import Entry
from bayes_mlm.figures.lettering import axis_name, extra_lines
from bayes_mlm.figures.style import GREY, NARROW, Figure, new_figure, stack, styled, width_of
from bayes_mlm.fitting import Analysis

_MOST = 4


@dataclass(frozen=True, kw_only=True, eq=False)
class TwoSlopes:
    """Slopes of one predictor at either level.

    Parameters
    ----------
    predictor : str
    within, between, difference : QuantityEstimates
        Slopes in outcome units for one unit of the predictor; the difference is between less
        within, the contextual effect.
    positive : float
        Posterior probability that the difference is above zero.
    """

    predictor: str
    within: QuantityEstimates
    between: QuantityEstimates
    difference: QuantityEstimates
    positive: float

    @property
    def sure(self) -> str:
        """Posterior probability of the sign of the difference, as text."""
        sure = max(self.positive, 1.0 - self.positive)
        return "over 99.9 %" if sure > 0.999 else percent(sure)


@dataclass(frozen=True, kw_only=True, eq=False)
class Contextual:
    """Slopes within and between groups of a model that has both.

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
    def text(self) -> Text:
        """Title, caption and alternative text."""
        names = ", ".join(item.predictor for item in self.predictors)
        return Text(
            title=f"Slope of {self.outcome} on {names} within and between groups ({self.model})",
            caption=" ".join(self._describe(item) for item in self.predictors),
            alt="Density curves of the slope within groups, the slope between groups and their "
            "difference, each with its mean, its interval and the REML or OLS estimate.",
        )

    def _describe(self, item: TwoSlopes) -> str:
        first = [m.posteriors[0] for m in (item.within, item.between, item.difference)]
        within, between, gap = (estimate(one.mean, one.lower, one.upper) for one in first)
        way = "steeper upward" if item.positive >= 0.5 else "lower"
        return (
            f"One unit of {item.predictor} is associated with {within} {self.outcome} among "
            f"members of one {self.group} and with {between} between {self.group} means "
            f"({percent(self.prob)} intervals): {gap} apart. The posterior probability that the "
            f"slope between is the {way} one is {item.sure}."
        )


def contextual_effect(analysis: Analysis) -> Contextual | None:
    """Compute both slopes of every predictor that is in the model with its group mean.

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
        outcome=predictor_name(analysis.design),
        group=str(analysis.design.group),
        predictors=tuple(found[:_MOST]),
        prob=analysis.prob,
    )


def _slopes(analysis: Analysis, name: str, turns: Floats) -> TwoSlopes:
    estimates = analysis.estimate.combine(turns)
    marked, positive = [], 0.0
    for k, label in enumerate(("within", "between", "difference")):
        posteriors = []
        for fit in analysis.fits:
            (value,) = fit.combine(turns[k : k + 1])
            lower, upper = value.interval(analysis.prob)
            assert value.draws is not None  # for mypy: of a posterior
            posteriors.append(
                Posterior(
                    engine=fit.engine,
                    mean=value.mean,
                    sd=value.sd,
                    lower=lower,
                    upper=upper,
                    density=density_of(value.draws),
                )
            )
            if fit is analysis.fits[0]:
                positive = value.positive or 0.0
        lower, upper = estimates[k].interval(analysis.prob)
        marked.append(
            QuantityEstimates(
                quantity=label,
                unit=predictor_name(analysis.design),
                posteriors=tuple(posteriors),
                likelihood=LikelihoodEstimate(
                    engine=analysis.estimate.engine,
                    estimate=estimates[k].mean,
                    lower=lower,
                    upper=upper,
                ),
                published=(),
            )
        )
    return TwoSlopes(
        predictor=name, within=marked[0], between=marked[1], difference=marked[2], positive=positive
    )


@styled
def plot_contextual(data: Contextual) -> Figure:
    """Draw the slopes within and between groups, and their difference.

    A row a predictor: left the two slopes on one axis, right their difference.
    """
    many = len(data.predictors)
    outcome = axis_name(data.outcome)
    names = [
        f"slope ({outcome}\nfor one unit of {axis_name(one.predictor)})" for one in data.predictors
    ]
    half = width_of(new_figure()) / (1 if width_of(new_figure()) < NARROW else 2)
    more = max(extra_lines(name, 0.8 * half, 9.0) for name in names)
    row = 2.15 + 0.16 * more
    figure = new_figure(0.75 + row * many)
    if width_of(figure) < NARROW:
        stack(figure, row * many, 2)
        drawn = figure.subplots(2 * many, 1)
    else:
        drawn = figure.subplots(many, 2, squeeze=False, width_ratios=(1.25, 1.0)).ravel()
    placed = zip(drawn[::2], drawn[1::2], data.predictors, names, strict=True)
    for left, right, item, name in placed:
        for place, one in ((1, item.within), (0, item.between)):
            draw_ridge(left, one, place)
        left.set_yticks([0, 1], ["between\ngroups", "within\ngroups"])
        left.set_ylim(-0.45, 1.95)
        left.tick_params(axis="y", length=0)
        left.spines["left"].set_visible(False)
        left.set_xlabel(name)
        draw_estimates(right, item.difference)
        right.axvline(0.0, color=GREY, lw=0.9, zorder=0)
        right.set_xlabel(f"difference of the slopes\n({outcome})")
        sign = ">" if item.positive >= 0.5 else "<"
        right.set_title(f"P(difference {sign} 0): {item.sure}", fontsize=9)
    items = [one for item in data.predictors for one in (item.within, item.between)]
    legend_below(figure, items, data.prob)
    return figure


FIGURE = Entry(
    name="within-between",
    title="Slopes within and between groups",
    shows="the slope within groups, the slope between them, and their difference",
    applies="the model has a predictor and its group mean, and no product with either",
    prepare=contextual_effect,
    draw=plot_contextual,
    section="posterior",
)
