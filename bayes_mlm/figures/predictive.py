"""Check by replicates of the data what the model implies for rows, groups and extremes."""

from dataclasses import dataclass

import numpy as np

from bayes_mlm.assess import Replicates, replicate, skewness_of
from bayes_mlm.base import Floats, count, number, p_value, percent, rounded, shorten
from bayes_mlm.figures.data import Text
from bayes_mlm.figures.entry import Entry
from bayes_mlm.figures.parts import legend_key, legend_patch
from bayes_mlm.figures.style import BLACK, BLUE, GREY, INK, ORANGE, Axes, Figure, new_figure, styled
from bayes_mlm.fitting import Analysis

# A p-value nearer 0 or 1 than this: the data are unlike the replicates.
_UNLIKELY = 0.025
_LEAST_GROUPS = 3


@dataclass(frozen=True, kw_only=True, eq=False)
class Statistic:
    """One statistic of the data and of the replicates.

    Parameters
    ----------
    name : str
    level : {"rows", "groups"}
    observed : float
    replicated : ndarray, shape (R,)
    """

    name: str
    level: str
    observed: float
    replicated: Floats

    @property
    def p(self) -> float:
        """Posterior predictive p-value: share of replicates above the data, ties by half."""
        above = np.count_nonzero(self.replicated > self.observed)
        ties = np.count_nonzero(self.replicated == self.observed)
        return float((above + 0.5 * ties) / self.replicated.size)

    @property
    def unlike(self) -> bool:
        """Test whether the data are in the tails of the replicates."""
        return not _UNLIKELY <= self.p <= 1.0 - _UNLIKELY


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
    model, engine, outcome : str
    group : str or None
    n : int
        Rows.
    n_replicates : int
    edges : ndarray, shape (k + 1,)
        Bins of the outcome.
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
    group: str | None
    n: int
    n_replicates: int
    edges: Floats
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
        spread = float(np.ptp(self.edges)) / 100
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
            caption=f"{judged} Of replicated outcomes {_share(self.above)} lie above the largest "
            f"observed one ({number(self.largest, spread)}) and {_share(self.below)} below the "
            f"smallest ({number(self.smallest, spread)}); {count(self.n_replicates, 'replicate')} "
            f"of {count(self.n, 'row')}.{means}",
            alt=f"Histogram of {self.outcome} over the band of replicated histograms{groups}; and "
            "each statistic of the data among those of the replicates, with its p-value.",
        )


def p_text(item: Statistic) -> str:
    """Write a p-value: no nearer to 0 or 1 than the number of replicates allows."""
    return p_value(item.p, 1.0 / item.replicated.size)


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
    lower, centre, upper = np.quantile(shares, [tail, 0.5, 1.0 - tail], axis=0)
    grouped = made.observed_means is not None and made.observed_means.size >= _LEAST_GROUPS
    return Predictive(
        model=analysis.spec.name,
        engine=fit.engine,
        outcome=design.outcome_title,
        group=design.group,
        n=design.n,
        n_replicates=made.n,
        edges=made.edges,
        observed=made.observed_counts / design.n,
        centre=centre,
        lower=lower,
        upper=upper,
        smallest=float(design.y.min()),
        largest=float(design.y.max()),
        above=made.above,
        below=made.below,
        means=_ordered(made.observed_means, made.new_means, tail) if grouped else None,
        sds=_ordered(made.observed_sds, made.sds, tail) if grouped else None,
        new_effects=made.has_new_effects,
        statistics=_statistics(design.y, made, grouped=grouped),
        prob=analysis.prob,
    )


def _ordered(observed: Floats | None, replicated: Floats | None, tail: float) -> Ordered | None:
    if observed is None or replicated is None or not observed.size:
        return None
    lower, centre, upper = np.quantile(replicated, [tail, 0.5, 1.0 - tail], axis=0)
    return Ordered(observed=observed, centre=centre, lower=lower, upper=upper)


def _statistics(y: Floats, made: Replicates, *, grouped: bool) -> tuple[Statistic, ...]:
    found = [
        ("smallest outcome", "rows", float(y.min()), made.extremes[:, 0]),
        ("largest outcome", "rows", float(y.max()), made.extremes[:, 1]),
        ("skewness", "rows", skewness_of(y), made.skewness),
    ]
    for what, observed, replicated in (
        ("group mean", made.observed_means, made.new_means),
        ("group sd", made.observed_sds, made.sds),
    ):
        if not grouped or observed is None or replicated is None or observed.size < _LEAST_GROUPS:
            continue
        found += [
            (f"smallest {what}", "groups", float(observed[0]), replicated[:, 0]),
            (f"largest {what}", "groups", float(observed[-1]), replicated[:, -1]),
            (f"sd of {what}s", "groups", float(observed.std()), replicated.std(axis=1)),
        ]
    return tuple(
        Statistic(name=name, level=level, observed=value, replicated=values)
        for name, level, value, values in found
    )


@styled
def plot_predictive(data: Predictive) -> Figure:
    """Draw the outcome, the group means, the sds within groups, and statistics of each.

    Two panels without groups, else four.
    """
    grouped = data.means is not None and data.sds is not None
    below = 0.75 + 0.19 * len(data.statistics)
    figure = new_figure(2.75 + below)
    top, bottom = figure.subfigures(2, 1, squeeze=False, height_ratios=(2.45, below)).ravel()
    if grouped:
        first, means, sds = top.subplots(1, 3, width_ratios=(1.35, 1.0, 1.0))
        _draw_ordered(means, data.means, data, "mean")
        _draw_ordered(sds, data.sds, data, "sd")
    else:
        first = top.subplots()
    _draw_outcome(first, data)
    _draw_statistics(bottom.subplots(), data.statistics)
    figure.legend(
        handles=[
            legend_key(color=BLACK, lw=1.4, label="data"),
            legend_patch(facecolor=BLUE, alpha=0.35, label=f"{percent(data.prob)} of replicates"),
            legend_key(color=BLUE, lw=1.1, ls=(0, (4.0, 1.5)), label="their median"),
        ],
        loc="outside lower center",
        ncols=3,
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
    ax.set_ylim(0.0, 1.65 * highest)
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
            f"{text} of\nreplicated\nvalues\n{where}\n{rounded(value, style='table')}",
            transform=ax.transAxes,
            ha=end,
            va="top",
            fontsize=8,
        )
    ax.set_xlabel(f"{shorten(data.outcome, 18)} ({count(data.n, 'row')})")
    ax.set_ylabel("% of rows")


def _draw_ordered(ax: Axes, ordered: Ordered | None, data: Predictive, what: str) -> None:
    assert ordered is not None  # for mypy: the caller looked
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
    ax.set_ylabel(f"{what} of {shorten(data.outcome, 20)}")


def _draw_statistics(ax: Axes, statistics: tuple[Statistic, ...]) -> None:
    """Draw each statistic of the data in sds of the replicates', on one axis."""
    for k, item in enumerate(statistics):
        centre, sd = float(item.replicated.mean()), float(item.replicated.std())
        sd = sd if sd > 0 else 1.0
        low, high = (np.quantile(item.replicated, [0.025, 0.975]) - centre) / sd
        ax.plot([low, high], [k, k], color=BLUE, alpha=0.35, lw=5.0, solid_capstyle="butt")
        at = float(np.clip((item.observed - centre) / sd, -6.0, 6.0))
        beyond = abs(at) == 6.0
        marker = (">" if at > 0 else "<") if beyond else "o"
        ax.plot(at, k, marker, color=ORANGE if item.unlike else BLACK, ms=6.0 if beyond else 4.5)
        ax.text(
            1.02,
            k,
            p_text(item),
            transform=ax.get_yaxis_transform(),
            va="center",
            fontsize=8,
            fontweight="bold" if item.unlike else "normal",
        )
    ax.axvline(0.0, color=GREY, lw=0.8, zorder=0)
    ax.set_yticks(range(len(statistics)), [item.name for item in statistics])
    ax.set_ylim(len(statistics) - 0.5, -0.5)
    ax.set_xlim(-6.8, 6.8)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    ax.set_xlabel("data, in sds of the replicates")


FIGURE = Entry(
    name="predictive",
    title="Posterior predictive checks",
    shows="outcomes, group means, sds within groups and extremes, next to replicates",
    applies="the model has a posterior",
    prepare=predictive_checks,
    draw=plot_predictive,
    section="diagnostics",
)
