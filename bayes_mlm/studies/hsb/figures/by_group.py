"""Compute how the outcome is spread within each group, the groups in order of their means."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bayes_mlm.base import DEFAULT_PROB, Floats, Ints, count, number, percent, shorten, shorten_all
from bayes_mlm.design import Design
from bayes_mlm.engines import samples
from bayes_mlm.figures import (
    BLACK,
    BLUE,
    INK,
    ORANGE,
    Axes,
    Entry,
    Figure,
    Text,
    has_effects,
    legend_above,
    legend_key,
    legend_patch,
    new_figure,
    styled,
    with_intercepts,
)
from bayes_mlm.fitting import Analysis, Fit, shortest_interval

# A quarter of a normal distribution lies beyond this many sds.
_QUARTILE = 0.674489750196082
# Groups that are summarised at a time, so that draws x groups stays a small array.
_CHUNK = 512
_ALIKE = 1e-9
# Groups that can each have their name under the axis; and characters of a name written level.
_MOST_NAMED, _MOST_LEVEL = 30, 90
_POINTS_WIDE = 400.0


@dataclass(frozen=True, kw_only=True, eq=False)
class GroupSpread:
    """Distribution of the outcome in each group; groups in order of their means.

    Parameters
    ----------
    outcome, group : str
        Names.
    n : int
        Rows.
    labels : ndarray, shape (J,)
        Groups, the one with the lowest mean first.
    sizes : ndarray of int, shape (J,)
        Rows in each.
    mean, median, lower_quartile, upper_quartile : ndarray, shape (J,)
        Of the outcome in each group, in its units. Less `mean` they are those of the de-meaned
        outcome.
    overall : float
        Mean of all rows.
    model : str or None
        The record whose posterior is shown; None without a model with random intercepts.
    fitted, fitted_lower, fitted_upper : ndarray, shape (J,), or None
        Posterior mean and interval of each group's expected mean. No interval where the group
        effects are kept as summaries.
    half_width : tuple of float or None
        Posterior mean, lower and upper end of 0.674 residual sds: how far the middle half would
        reach below and above the mean in every group if the residuals were normal with one sd.
    prob : float
        Of the intervals.
    """

    outcome: str
    group: str
    n: int
    labels: NDArray[Any]
    sizes: Ints
    mean: Floats
    median: Floats
    lower_quartile: Floats
    upper_quartile: Floats
    overall: float
    model: str | None
    fitted: Floats | None
    fitted_lower: Floats | None
    fitted_upper: Floats | None
    half_width: tuple[float, float, float] | None
    prob: float

    @property
    def text(self) -> Text:
        """Title, caption and alternative text."""
        spread = self._scale
        widths = self.upper_quartile - self.lower_quartile
        first = (
            f"The mean of {self.outcome} runs from {number(self.mean[0], spread)} "
            f"({self.group} {shorten(self.labels[0])}) to {number(self.mean[-1], spread)} "
            f"({shorten(self.labels[-1])}) over {count(self.labels.size, 'group')}, while the "
            f"middle half of a typical group's rows is "
            f"{number(float(np.median(widths)), spread)} wide; {self._reach}."
        )
        fitted = "" if self.fitted is None else " and the posterior of its expected mean"
        return Text(
            title=f"{self.outcome} by {self.group}, and about each {self.group}'s mean",
            caption=" ".join(filter(None, [first, self._pulled, self._tilt])),
            alt=f"Two panels over {count(self.labels.size, 'group')} in order of their mean "
            f"{self.outcome}: above, each group's middle half, mean and median{fitted}; below, the "
            "same about the group's mean.",
        )

    @property
    def _scale(self) -> float:
        """What the figures of the caption are exact to: a tenth of the sd of the means or so."""
        return float(np.std(self.mean)) / 3.0

    @property
    def _reach(self) -> str:
        """How many groups' middle halves contain the overall mean."""
        inside = (self.lower_quartile <= self.overall) & (self.overall <= self.upper_quartile)
        return (
            f"{int(inside.sum()):,} of the {self.labels.size:,} middle halves contain the overall "
            f"mean, {number(self.overall, self._scale)}"
        )

    @property
    def _pulled(self) -> str:
        """How far the model draws the group means together."""
        if self.fitted is None:
            return ""
        observed, expected = float(np.std(self.mean)), float(np.std(self.fitted))
        if observed <= 0.0:
            return ""
        return (
            f"The expected means of {self.model} lie closer together than the observed ones: "
            f"their sd is {percent(expected / observed)} of the sd of the observed means."
            if expected < observed * (1.0 - _ALIKE)
            else f"The expected means of {self.model} spread as widely as the observed ones."
        )

    @property
    def _tilt(self) -> str:
        """Whether mean and median differ along the order of the groups."""
        several = self.sizes > 2
        if several.sum() < 10:
            return ""
        gap = (self.median - self.mean)[several]
        third = max(1, gap.size // 3)
        low, high = float(gap[:third].mean()), float(gap[-third:].mean())
        below, beyond = (number(abs(gap), self._scale) for gap in (low, high))
        return (
            f"The median lies on average {below} {_above(low)} the mean in the third of the groups "
            f"with the lowest means, and {beyond} {_above(high)} it in the third with the highest."
        )


def spread_by_group(analyses: Sequence[Analysis]) -> GroupSpread | None:
    """Compute the spread of the outcome in each group of the first model that has the rows.

    Parameters
    ----------
    analyses : sequence of Analysis
        The posterior is that of the one with random intercepts and the fewest terms.

    Returns
    -------
    GroupSpread or None
        None where no model has groups and rows below them, or the outcome has categories.

    Examples
    --------
    >>> from bayes_mlm.fitting import analyse
    >>> from bayes_mlm import load_record
    >>> found = spread_by_group([analyse(load_record("hsb_pooled").request, None, engines=["ols"])])
    >>> int(found.labels[0]), round(float(found.mean[0]), 2)
    (8854, 4.24)
    """
    chosen = with_intercepts(analyses)
    grouped = [
        item
        for item in analyses
        if item.design.group
        and item.design.kind != "between"
        and item.design.family.outcome == "number"  # categories have no middle half
    ]
    if not grouped:
        return None
    design = grouped[0].design if chosen is None else chosen.design
    quartiles = _quartiles(design)
    mean = design.group_term.means(design.y)
    order = np.argsort(mean, kind="stable")
    fitted = None if chosen is None else _expected_means(chosen.fits[0], chosen.prob)
    return GroupSpread(
        outcome=design.outcome,
        group=str(design.group),
        n=design.n,
        labels=design.labels[order],
        sizes=design.group_sizes[order],
        mean=mean[order],
        median=quartiles[order, 1],
        lower_quartile=quartiles[order, 0],
        upper_quartile=quartiles[order, 2],
        overall=float(design.y.mean()),
        model=None if chosen is None else chosen.spec.name,
        fitted=None if fitted is None else fitted[0][order],
        fitted_lower=None if fitted is None or fitted[1] is None else fitted[1][order],
        fitted_upper=None if fitted is None or fitted[2] is None else fitted[2][order],
        half_width=None if chosen is None else _half_width(chosen.fits[0], chosen.prob),
        prob=DEFAULT_PROB if chosen is None else chosen.prob,
    )


def _quartiles(design: Design) -> Floats:
    """Compute the quartiles (J, 3) of y in each group, interpolated as NumPy does."""
    order = design.group_term.row_order(design.y)
    y, sizes = design.y[order], design.group_sizes
    start = np.cumsum(sizes) - sizes
    found = []
    for share in (0.25, 0.5, 0.75):
        place = share * (sizes - 1)
        below = np.floor(place).astype(np.int64)
        above = np.minimum(below + 1, sizes - 1)
        part = place - below
        found.append(y[start + below] * (1 - part) + y[start + above] * part)
    return np.array(found).T


def _expected_means(fit: Fit, prob: float) -> tuple[Floats, Floats | None, Floats | None] | None:
    """Compute the posterior mean and interval of each group's expected mean, shape (J,) each."""
    design = fit.design
    X = design.group_term.means(design.X)
    Z = design.group_term.column_means
    beta = samples(fit.draws, "beta") if design.p else np.zeros((1, 0))
    if not has_effects(fit):
        u_mean = fit.draws["u_mean"]
        return X @ beta.mean(axis=0) + (Z * u_mean).sum(axis=1), None, None
    u = samples(fit.draws, "u")
    centre, lower, upper = (np.empty(design.J) for _ in range(3))
    for start in range(0, design.J, _CHUNK):
        part = slice(start, start + _CHUNK)
        expected = beta @ X[part].T + np.einsum("sjq,jq->sj", u[:, part], Z[part])
        centre[part] = expected.mean(axis=0)
        lower[part], upper[part] = shortest_interval(expected, prob)
    return centre, lower, upper


def _half_width(fit: Fit, prob: float) -> tuple[float, float, float]:
    widths = _QUARTILE * samples(fit.draws, str(fit.design.family.residual_sd))
    lower, upper = shortest_interval(widths[:, None], prob)
    return float(widths.mean()), float(lower[0]), float(upper[0])


def _above(gap: float) -> str:
    return "above" if gap >= 0 else "below"


@styled
def plot_group_spread(data: GroupSpread) -> Figure:
    """Draw the middle half, mean and median of every group, in order of the means.

    Above in the outcome's units, below about each group's mean.
    """
    figure = new_figure(5.9 if _upright(data) else 4.9)
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(1.35, 1.0))
    ranks = np.arange(1, data.labels.size + 1)
    room = _POINTS_WIDE / data.labels.size
    bar = float(np.clip(0.62 * room, 0.25, 9.0))
    dot = float(np.clip(1.1 * room, 0.7, 4.5))
    for ax, less in ((top, np.zeros_like(data.mean)), (bottom, data.mean)):
        ax.vlines(
            ranks,
            data.lower_quartile - less,
            data.upper_quartile - less,
            color="#C9C9C9",
            lw=bar,
            zorder=1,
        )
        ax.plot(
            ranks,
            data.median - less,
            ls="",
            marker="_",
            ms=dot + 1.5,
            mew=min(1.3, dot / 2),
            color=ORANGE,
            zorder=4.5,
        )
    handles: list[Any] = [
        legend_patch(color="#C9C9C9", label="middle half of the rows"),
        legend_key(ls="", marker="_", ms=8, mew=1.5, color=ORANGE, label="median"),
        legend_key(ls="", marker="o", ms=3.5, color=BLACK, label="mean"),
    ]
    handles.append(legend_key(color=INK, lw=0.8, ls=":", label="mean of all rows"))
    top.plot(ranks, data.mean, "o", ms=dot, mew=0, color=BLACK, zorder=5)
    bottom.axhline(0.0, color=BLACK, lw=1.0, zorder=2)
    top.axhline(data.overall, color=INK, lw=0.8, ls=":", zorder=2)
    if data.fitted is not None:
        label = "expected mean"
        if data.fitted_lower is not None and data.fitted_upper is not None:
            top.vlines(
                ranks,
                data.fitted_lower,
                data.fitted_upper,
                color=BLUE,
                lw=max(0.25, bar * 0.45),
                alpha=0.75,
                zorder=4,
            )
            label += f", {percent(data.prob)} interval"
        else:
            top.plot(ranks, data.fitted, ".", ms=dot, color=BLUE, zorder=4)
        handles.append(legend_key(color=BLUE, lw=2.2, alpha=0.75, label=label))
    if data.half_width is not None:
        width, lower, upper = data.half_width
        expected = "middle half of normal residuals (±0.67 residual sds)"
        handles.append(legend_key(color=BLUE, lw=0.9, label=expected))
        for sign in (-1.0, 1.0):
            bottom.axhspan(sign * lower, sign * upper, color=BLUE, alpha=0.35, lw=0, zorder=4)
            bottom.axhline(sign * width, color=BLUE, lw=0.9, zorder=4)
    legend_above(top, handles)
    top.set_ylabel(shorten(data.outcome, 20))
    bottom.set_ylabel(f"{shorten(data.outcome, 12)} less\nthe group's mean")
    _name_groups(bottom, data)
    top.tick_params(axis="x", length=0)
    bottom.set_xlim(0.0, data.labels.size + 1.0)
    return figure


def _upright(data: GroupSpread) -> bool:
    """Test whether the groups' names fit under the axis only when rotated."""
    if data.labels.size > _MOST_NAMED:
        return False
    return sum(len(name) + 2 for name in shorten_all(data.labels, 22)) > _MOST_LEVEL


def _name_groups(ax: Axes, data: GroupSpread) -> None:
    """Label every group under the axis where there is room, else the first and the last."""
    many = data.labels.size
    ax.tick_params(axis="x", length=0)
    sizes = f"{count(many, 'group')}, {count(data.n, 'row')}"
    if many > _MOST_NAMED:
        ax.set_xticks([1, many], shorten_all(data.labels[[0, -1]], 30))
        first, last = ax.get_xticklabels()
        first.set_horizontalalignment("left")
        last.set_horizontalalignment("right")
    else:
        names = shorten_all(data.labels, 22)
        ax.set_xticks(range(1, many + 1), names, rotation=90 if _upright(data) else 0)
    ax.set_xlabel(f"{shorten(data.group, 30)}, in order of its mean ({sizes})")


FIGURE = Entry(
    name="group-spread",
    title="Outcome by group, and about each group's mean",
    shows="middle half, mean and median of every group, with the posterior of its mean",
    applies="the model has groups and rows below them, and the outcome is a number",
    of="ladder",
    prepare=spread_by_group,
    draw=plot_group_spread,
    section="data",
)
