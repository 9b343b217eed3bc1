"""Observed and estimated mean outcome of each group: shrinkage in probabilities, rates or means."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from bayes_mlm.base import Floats, Ints, count, number, percent, shorten
from bayes_mlm.design import expected_name
from bayes_mlm.engines import ENGINES, has_random_effects
from bayes_mlm.figures.caterpillar import MOST_TICKS
from bayes_mlm.figures.data import Text
from bayes_mlm.figures.entry import Entry
from bayes_mlm.figures.lettering import axis_name
from bayes_mlm.figures.parts import legend_above, legend_key, name_ticks
from bayes_mlm.figures.scales import ON_LOGS, is_wide, means_on_logs
from bayes_mlm.figures.style import BLUE, GREY, INK, Axes, Figure, new_figure, styled
from bayes_mlm.fitting import Analysis
from bayes_mlm.questions import RowSets, averages_by_set, outcome_rows

# Groups beyond it are left out, evenly by size; points have this width in all. Draws whose mean
# is taken where no interval is.
_MOST_GROUPS, _POINTS_WIDE, _FEW = 2_000, 380.0, 100


@dataclass(frozen=True, kw_only=True, eq=False)
class GroupMeans:
    """Mean outcome of each group, the smallest group first.

    Parameters
    ----------
    model, engine, outcome, group : str
        `outcome` is what is expected: "probability of use = Y".
    n_groups : int
        Groups of the model; more than are shown if there are many.
    labels, sizes : ndarray, shape (J,)
        Labels and numbers of rows.
    observed : ndarray, shape (J,)
        Share of successes, mean count or score, or rate of the group's rows.
    estimate, lower, upper : ndarray, shape (J,)
        Mean and ends of the interval of what the model expects of the same rows; nan without draws.
    expected : ndarray, shape (J,)
        The same of a new group with these rows: what the predictors tell.
    is_wide : bool
        Whether the axis of outcomes is logarithmic.
    prob : float
    """

    model: str
    engine: str
    outcome: str
    group: str
    n_groups: int
    labels: np.ndarray
    sizes: Ints
    observed: Floats
    estimate: Floats
    lower: Floats
    upper: Floats
    expected: Floats
    is_wide: bool
    prob: float

    @property
    def drawn(self) -> bool:
        """Whether there are intervals."""
        return bool(np.isfinite(self.lower).all())

    @property
    def kept(self) -> float:
        """Part of the groups' deviations from what their predictors tell that the model keeps."""
        off = self.observed - self.expected
        total = float(off @ off)
        return float(off @ (self.estimate - self.expected)) / total if total > 0.0 else 0.0

    @property
    def text(self) -> Text:
        """Title, caption and alternative text."""
        ends = [int(np.argmin(self.estimate)), int(np.argmax(self.estimate))]
        spread = float(np.ptp(self.estimate)) / 10.0 or 0.01
        low, high = (
            f"{number(self.estimate[k], spread)} ({shorten(self.labels[k])}, observed "
            f"{number(self.observed[k], spread)} in {count(int(self.sizes[k]), 'row')})"
            for k in ends
        )
        of = f" of {self.n_groups:,}" if self.labels.size < self.n_groups else ""
        point = "posterior mean" if self.drawn else f"{ENGINES[self.engine].label} estimate"
        lines = f"; lines are {percent(self.prob)} intervals" if self.drawn else ""
        return Text(
            title=f"{self.outcome[:1].upper()}{self.outcome[1:]} by {self.group}, observed and "
            f"estimated ({self.model})",
            caption=f"The open point is what was observed in a {self.group}, the filled one the "
            f"{point} for the same rows{lines}; the dash is what a new {self.group} with these "
            f"predictors would have on average. Estimates go from {low} to {high}; groups keep "
            f"{percent(self.kept)} of their deviations from the dashes.{ON_LOGS * self.is_wide}",
            alt=f"For {self.labels.size:,}{of} groups of {self.group}, in order of the number of "
            f"rows: {self.outcome}, observed and estimated.",
        )


def group_means(analysis: Analysis, factor: str | None = None) -> GroupMeans | None:
    """Compare each group's mean outcome with what the model expects of its rows.

    Parameters
    ----------
    analysis : Analysis
        Of outcomes with a link; its first posterior, else its first estimate is used.
    factor : str, optional
        Whose groups, where the model has several grouping factors.

    Returns
    -------
    GroupMeans or None
        None without random effects.
    """
    if not has_random_effects(analysis.design):
        return None
    result = analysis.fits[0] if analysis.fits else analysis.estimate
    design = result.design
    names = design.factors
    term = design.group_terms[0 if factor is None else names.index(factor)]
    outcomes = outcome_rows(design)
    observed = _ratio(term.codes, outcomes.total, outcomes.weights)
    order = np.lexsort((observed, term.sizes))
    if order.size > _MOST_GROUPS:
        order = order[np.linspace(0, order.size - 1, _MOST_GROUPS).round().astype(np.int64)]
    place = np.full(term.J, -1, dtype=np.int64)
    place[order] = np.arange(order.size)
    kept = np.flatnonzero(place[term.codes] >= 0)
    sets = RowSets(
        rows=outcomes.rows.take(kept),
        places=place[term.codes[kept]],
        weights=outcomes.weights[kept],
    )
    values = averages_by_set(result, sets, "existing_group")
    tail = (1.0 - analysis.prob) / 2.0
    lower, upper = np.quantile(values, [tail, 1.0 - tail], axis=0)
    if len(values) == 1:
        lower, upper = np.full((2, order.size), np.nan)
    return GroupMeans(
        model=analysis.spec.name,
        engine=result.engine,
        outcome=expected_name(design, rate=outcomes.is_rate),
        group=term.factor,
        n_groups=term.J,
        labels=term.labels[order],
        sizes=term.sizes[order],
        observed=observed[order],
        estimate=values.mean(axis=0),
        lower=lower,
        upper=upper,
        expected=averages_by_set(result, sets, "new_group", draws=_FEW).mean(axis=0),
        is_wide=is_wide(design, [observed]),
        prob=analysis.prob,
    )


def _ratio(codes: Ints, total: Floats, weights: Floats) -> Floats:
    return np.asarray(np.bincount(codes, weights=total) / np.bincount(codes, weights=weights))


@styled
def plot_group_means(data: GroupMeans) -> Figure:
    """Draw the observed and the estimated mean outcome of each group, the smallest first."""
    figure = new_figure(3.9)
    ax = figure.add_subplot()
    many = data.sizes.size
    x = np.arange(many)
    room = _POINTS_WIDE / many
    dot, thin = float(np.clip(1.2 * room, 0.9, 5.0)), float(np.clip(0.25 * room, 0.3, 1.2))
    wide = float(np.clip(1.8 * room, 1.5, 9.0))
    ax.plot(x, data.expected, "_", color=INK, ms=wide, mew=min(0.9, 2 * thin), zorder=2)
    ax.vlines(x, data.observed, data.estimate, color=GREY, lw=thin, zorder=1.5)
    if data.drawn:
        ax.vlines(x, data.lower, data.upper, color=BLUE, alpha=0.35, lw=2.2 * thin, zorder=1)
    ax.plot(x, data.observed, "o", ms=dot, mfc="white", mec=BLUE, mew=min(0.9, dot / 4), zorder=3)
    ax.plot(x, data.estimate, "o", ms=dot, color=BLUE, mew=0, zorder=4)
    estimated = "estimated" if data.drawn else f"estimated ({ENGINES[data.engine].label})"
    handles: list[Any] = [
        legend_key(ls="", marker="o", ms=4.5, mec=BLUE, mfc="white", label="observed"),
        legend_key(ls="", marker="o", ms=4.5, mec=BLUE, mfc=BLUE, label=estimated),
        legend_key(ls="", marker="_", ms=9, color=INK, label=f"new {axis_name(data.group)}"),
    ]
    if data.drawn:
        band = legend_key(color=BLUE, alpha=0.35, lw=2.5, label=f"{percent(data.prob)} interval")
        handles.insert(2, band)
    legend_above(ax, handles, columns=4)
    ax.set_ylabel(axis_name(data.outcome))
    if data.is_wide:
        means_on_logs(ax, np.concatenate([data.observed, data.estimate]))
    _size_ticks(ax, data)
    return figure


def _size_ticks(ax: Axes, data: GroupMeans) -> None:
    """Mark where groups of some sizes stand, in a row ordered by size."""
    sizes, many = data.sizes, data.sizes.size
    ax.set_xlim(-0.02 * many - 0.4, 1.02 * many - 0.6)
    groups = count(many, "group")
    if sizes[0] == sizes[-1]:
        each = count(int(sizes[0]), "row")
        if many <= MOST_TICKS:
            name_ticks(ax, range(many), data.labels)
            ax.set_xlabel(f"{axis_name(data.group)} ({groups} of {each})")
            return
        ax.set_xticks([])
        ax.set_xlabel(f"{axis_name(data.group)}: {groups} of {each}, in order of what was observed")
        return
    places = np.unique(np.linspace(0, many - 1, min(many, 7)).round().astype(int))
    ax.set_xticks(places, [f"{sizes[k]:,}" for k in places])
    ax.set_xlabel(f"rows of each {axis_name(data.group)}, the smallest first ({groups})")


FIGURE = Entry(
    name="shrinkage",
    title="Shrinkage by partial pooling",
    shows="each group's observed share, mean or rate and the estimated one",
    applies="random effects, by draws or by ML",
    prepare=group_means,
    draw=plot_group_means,
    section="groups",
    by_factor=True,
)
