"""Check by replicates of the data what the model implies for rows, groups and extremes."""

from dataclasses import dataclass
from typing import cast

import numpy as np

from bayes_mlm.assess import replicate
from bayes_mlm.base import Floats, count, number, percent, rounded
from bayes_mlm.design import mean_name
from bayes_mlm.figures.data import Text
from bayes_mlm.figures.entry import Entry
from bayes_mlm.figures.lettering import axis_name
from bayes_mlm.figures.parts import legend_key, legend_outside, legend_patch
from bayes_mlm.figures.rootogram import draw_categories, draw_rootogram
from bayes_mlm.figures.statistics import (
    LEAST_GROUPS,
    Statistic,
    categories_of,
    draw_statistics,
    p_text,
    statistics_of_groups,
    statistics_of_rows,
)
from bayes_mlm.figures.style import (
    BLACK,
    BLUE,
    INK,
    NARROW,
    Axes,
    Figure,
    across,
    new_figure,
    stack,
    styled,
    width_of,
)
from bayes_mlm.fitting import Analysis


@dataclass(frozen=True, kw_only=True, eq=False)
class Ordered:
    """Ordered values of the data with the band of the replicates' ordered values.

    Parameters
    ----------
    observed, centre, lower, upper : ndarray, shape (J,)
        In outcome units; the band is by place, of probability `prob`.
    """

    observed: Floats
    centre: Floats
    lower: Floats
    upper: Floats


@dataclass(frozen=True, kw_only=True, eq=False)
class Predictive:
    """Posterior predictive checks by level.

    Parameters
    ----------
    model, engine, outcome, mean_name : str
        The last is what the mean of the outcome is called.
    group : str or None
    n : int
        Rows.
    n_replicates : int
    edges : ndarray, shape (k + 1,)
        Bins of the outcome.
    categories : tuple of str
        Names of the outcomes 0, 1, ... that are categories; empty of numbers.
    whole : bool
        Whether outcomes are whole numbers, and the bins too.
    observed, centre, lower, upper : ndarray, shape (k,)
        Share of rows in each bin: of the data, and of the replicates (median and band).
    smallest, largest : float
        Observed outcomes.
    above, below : float
        Share of replicated outcomes above the largest observed one, and below the smallest.
    means, sds : Ordered or None
        Group means (with new group effects, where the model has them), and sds within groups.
    new_effects : bool
        Whether the replicated group means are of new groups with the same rows.
    statistics : tuple of Statistic
    prob : float
        Of the bands.
    """

    model: str
    engine: str
    outcome: str
    mean_name: str
    group: str | None
    n: int
    n_replicates: int
    edges: Floats
    categories: tuple[str, ...]
    whole: bool
    observed: Floats
    centre: Floats
    lower: Floats
    upper: Floats
    smallest: float
    largest: float
    above: float
    below: float
    means: Ordered | None
    sds: Ordered | None
    new_effects: bool
    statistics: tuple[Statistic, ...]
    prob: float

    @property
    def text(self) -> Text:
        """Title, caption and alternative text."""
        unlike = [item for item in self.statistics if item.unlike]
        if unlike:
            listed = ", ".join(f"{item.name} ({p_text(item)})" for item in unlike)
            judged = f"Unlike the replicates are: {listed}."
        else:
            judged = "Nothing that was looked at is unlike the replicates."
        means = (
            f" Replicated {self.group} means have group effects drawn anew."
            if self.new_effects
            else ""
        )
        groups = (
            f"; the ordered {self.group} means and sds within {self.group}s against bands of "
            "replicates"
            if self.means is not None
            else ""
        )
        return Text(
            title=f"Does {self.model} predict data like these?",
            caption=f"{judged} {self._described}{count(self.n_replicates, 'replicate')} "
            f"of {count(self.n, 'row')}.{means}",
            alt=f"{self._kind} of {self.outcome} over the band of replicated ones{groups}; and "
            "each statistic of the data among those of the replicates, with its p-value.",
        )

    @property
    def _kind(self) -> str:
        return "Shares" if self.categories else "Rootogram" if self.whole else "Histogram"

    @property
    def _described(self) -> str:
        """Describe what the first panel shows, to the last of its sentences."""
        if self.categories:
            return ""
        spread = 15.0 if self.whole else float(np.ptp(self.edges)) / 100
        hung = (
            "In the rootogram the square roots of the numbers of rows hang from the median of "
            "the replicates: where the model is right they end near zero. "
        )
        return (
            f"{hung if self.whole else ''}Of replicated outcomes {_share(self.above)} lie above "
            f"the largest observed one ({number(self.largest, spread)}) and {_share(self.below)} "
            f"below the smallest ({number(self.smallest, spread)}); "
        )


def _share(share: float) -> str:
    return "none" if share == 0.0 else percent(share)


def predictive_checks(analysis: Analysis) -> Predictive | None:
    """Replicate the data and compare densities, group means, group sds and extremes.

    None without a posterior.

    References
    ----------
    Gelman, Carlin, Stern, Dunson, Vehtari & Rubin (2013), Bayesian Data Analysis, 3rd ed., ch. 6.
    """
    if not analysis.fits:
        return None
    fit = analysis.fits[0]
    design = fit.design
    made = replicate(fit)
    tail = (1.0 - analysis.prob) / 2
    shares = made.counts / design.n
    categories = categories_of(design)
    lower, centre, upper = np.quantile(shares, [tail, 0.5, 1.0 - tail], axis=0)
    grouped = made.observed_means is not None and made.observed_means.size >= LEAST_GROUPS
    binary = design.family.outcome == "two levels"  # whose sds in groups follow from the means
    return Predictive(
        model=analysis.spec.name,
        engine=fit.engine,
        outcome=design.outcome_title,
        mean_name=mean_name(design),
        group=design.group,
        n=design.n,
        n_replicates=made.n,
        edges=made.edges,
        categories=categories,
        whole=made.whole,
        observed=made.observed_counts / design.n,
        centre=centre,
        lower=lower,
        upper=upper,
        smallest=float(design.y.min()),
        largest=float(design.y.max()),
        above=made.above,
        below=made.below,
        means=_ordered(made.observed_means, made.new_means, tail) if grouped else None,
        sds=_ordered(made.observed_sds, made.sds, tail) if grouped and not binary else None,
        new_effects=made.has_new_effects,
        statistics=(
            *statistics_of_rows(design, made, categories),
            *(statistics_of_groups(made, binary=binary) if grouped else ()),
        ),
        prob=analysis.prob,
    )


def _ordered(observed: Floats | None, replicated: Floats | None, tail: float) -> Ordered | None:
    if observed is None or replicated is None or not observed.size:
        return None
    lower, centre, upper = np.quantile(replicated, [tail, 0.5, 1.0 - tail], axis=0)
    return Ordered(observed=observed, centre=centre, lower=lower, upper=upper)


@styled
def plot_predictive(data: Predictive) -> Figure:
    """Draw the outcome, the group means, the sds within groups, and statistics of each.

    Two panels without groups, else three (of 0/1 outcomes, whose sds follow from means) or four.
    """
    below = 0.75 + 0.19 * len(data.statistics)
    of = axis_name(data.outcome)
    ordered = {axis_name(data.mean_name): data.means, f"sd of {of}": data.sds}
    shown = {what: one for what, one in ordered.items() if one is not None}
    figure = new_figure(2.75 + below)
    above = 2.45
    if width_of(figure) < NARROW:
        above = stack(figure, above, 1 + len(shown))
    top, bottom = figure.subfigures(2, 1, squeeze=False, height_ratios=(above, below)).ravel()
    ratios = (1.35, *(1.0 for _ in shown))
    first, *others = across(cast("Figure", top), 1 + len(shown), ratios=ratios)
    for ax, (what, one) in zip(others, shown.items(), strict=True):
        _draw_ordered(ax, one, what)
    drawn = data.observed, data.centre, data.lower, data.upper
    if data.categories:
        k = len(data.categories)
        draw_categories(first, data.categories, *(one[:k] for one in drawn))
    elif data.whole:
        draw_rootogram(first, data.edges, *(data.n * one for one in drawn))
    else:
        _draw_outcome(first, data)
    cut = ""
    if data.whole and not data.categories and data.edges[-1] < data.largest:
        cut = f" up to {int(data.edges[-1])}"
    first.set_xlabel(f"{axis_name(data.outcome)}{cut} ({count(data.n, 'row')})")
    draw_statistics(bottom.subplots(), data.statistics)
    legend_outside(
        figure,
        [
            legend_key(color=BLACK, lw=1.4, label="data"),
            legend_patch(facecolor=BLUE, alpha=0.35, label=f"{percent(data.prob)} of replicates"),
            legend_key(color=BLUE, lw=1.1, ls=(0, (4.0, 1.5)), label="median of replicates"),
        ],
    )
    return figure


def _draw_outcome(ax: Axes, data: Predictive) -> None:
    edges = data.edges
    twice = np.repeat(edges, 2)[1:-1]
    ax.fill_between(
        twice,
        100 * np.repeat(data.lower, 2),
        100 * np.repeat(data.upper, 2),
        color=BLUE,
        alpha=0.35,
        lw=0,
    )
    ax.stairs(100 * data.centre, edges, color=BLUE, lw=1.0, ls=(0, (4.0, 1.5)))
    ax.stairs(100 * data.observed, edges, color=BLACK, lw=1.3)
    highest = 100 * float(max(data.observed.max(), data.upper.max()))
    ax.set_ylim(0.0, 1.4 * highest)
    seen = np.flatnonzero((data.upper > 0) | (data.observed > 0))
    ax.set_xlim(edges[seen[0]], edges[seen[-1] + 1])
    for value, share, end, where in (
        (data.smallest, data.below, "left", "below"),
        (data.largest, data.above, "right", "above"),
    ):
        ax.vlines(value, 0.0, 1.08 * highest, color=INK, lw=0.9, ls=":")
        text = "none" if share == 0 else percent(share)
        ax.text(
            0.01 if end == "left" else 0.99,
            0.995,
            f"{text}\n{where}\n{rounded(value, style='table')}",
            transform=ax.transAxes,
            ha=end,
            va="top",
            fontsize=8,
        )
    ax.set_ylabel("% of rows")


def _draw_ordered(ax: Axes, ordered: Ordered, what: str) -> None:
    many = ordered.observed.size
    x = np.arange(1, many + 1)
    if many <= 12:
        ax.vlines(x, ordered.lower, ordered.upper, color=BLUE, alpha=0.35, lw=6.0)
        ax.plot(x, ordered.centre, "_", color=BLUE, ms=9.0)
        ax.plot(x, ordered.observed, "o", color=BLACK, ms=4.0)
        ax.set_xticks(x)
    else:
        ax.fill_between(x, ordered.lower, ordered.upper, color=BLUE, alpha=0.35, lw=0)
        ax.plot(x, ordered.centre, color=BLUE, lw=1.0, ls=(0, (4.0, 1.5)))
        ax.plot(x, ordered.observed, color=BLACK, lw=1.3)
        ax.set_xticks([1, (many + 1) // 2, many])
    ax.set_xlabel(f"{count(many, 'group')}, in order")
    ax.set_ylabel(what)


FIGURE = Entry(
    name="predictive",
    title="Posterior predictive checks",
    shows="outcomes, group means, sds within groups and extremes, next to replicates",
    applies="the model has a posterior",
    prepare=predictive_checks,
    draw=plot_predictive,
    section="diagnostics",
)
