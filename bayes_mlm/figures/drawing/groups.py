"""Draw groups: their spreads in order, their typical ones, their means on two sides."""

from typing import TYPE_CHECKING, Any

import numpy as np

from bayes_mlm.base import count, percent, shorten, shorten_all
from bayes_mlm.figures.by_group import GroupSpread
from bayes_mlm.figures.drawing.parts import draw_classical, draw_line, legend_above, marked
from bayes_mlm.figures.drawing.style import (
    BLACK,
    BLUE,
    GREY,
    INK,
    MANY_GROUPS,
    ORANGE,
    SIDES,
    Style,
    axes_or_new,
    figure_of,
    new_figure,
    styled,
)
from bayes_mlm.figures.prototypes import Prototypes
from bayes_mlm.figures.split_means import SplitMeans

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Groups that can each have their name under the axis; and characters of a name written level.
_MOST_NAMED, _MOST_LEVEL = 30, 90
_POINTS_WIDE = 400.0


@styled
def plot_group_spread(picture: GroupSpread) -> "Figure":
    """Draw the middle half, mean and median of every group, in order of the means.

    Parameters
    ----------
    picture : GroupSpread

    Returns
    -------
    matplotlib.figure.Figure
        Above in the outcome's own units, below about each group's own mean.
    """
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    figure = new_figure(5.9 if _upright(picture) else 4.9)
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(1.35, 1.0))
    ranks = np.arange(1, picture.labels.size + 1)
    room = _POINTS_WIDE / picture.labels.size
    bar = float(np.clip(0.62 * room, 0.25, 9.0))
    dot = float(np.clip(1.1 * room, 0.7, 4.5))
    for ax, less in ((top, np.zeros_like(picture.mean)), (bottom, picture.mean)):
        ax.vlines(
            ranks,
            picture.lower_quartile - less,
            picture.upper_quartile - less,
            color="#C9C9C9",
            lw=bar,
            zorder=1,
        )
        ax.plot(
            ranks,
            picture.median - less,
            ls="",
            marker="_",
            ms=dot + 1.5,
            mew=min(1.3, dot / 2),
            color=ORANGE,
            zorder=4.5,
        )
    handles: list[Any] = [
        Patch(color="#C9C9C9", label="middle half of the rows"),
        Line2D([], [], ls="", marker="_", ms=8, mew=1.5, color=ORANGE, label="median"),
        Line2D([], [], ls="", marker="o", ms=3.5, color=BLACK, label="mean"),
    ]
    handles.append(Line2D([], [], color=INK, lw=0.8, ls=":", label="mean of all rows"))
    top.plot(ranks, picture.mean, "o", ms=dot, mew=0, color=BLACK, zorder=5)
    bottom.axhline(0.0, color=BLACK, lw=1.0, zorder=2)
    top.axhline(picture.overall, color=INK, lw=0.8, ls=":", zorder=2)
    if picture.fitted is not None:
        label = "expected mean"
        if picture.fitted_lower is not None and picture.fitted_upper is not None:
            top.vlines(
                ranks,
                picture.fitted_lower,
                picture.fitted_upper,
                color=BLUE,
                lw=max(0.25, bar * 0.45),
                alpha=0.75,
                zorder=4,
            )
            label += f", {percent(picture.prob)} interval"
        else:
            top.plot(ranks, picture.fitted, ".", ms=dot, color=BLUE, zorder=4)
        handles.append(Line2D([], [], color=BLUE, lw=2.2, alpha=0.75, label=label))
    if picture.half_width is not None:
        width, lower, upper = picture.half_width
        expected = "middle half of normal residuals (±0.67 sigma_e)"
        handles.append(Line2D([], [], color=BLUE, lw=0.9, label=expected))
        for sign in (-1.0, 1.0):
            bottom.axhspan(sign * lower, sign * upper, color=BLUE, alpha=0.35, lw=0, zorder=4)
            bottom.axhline(sign * width, color=BLUE, lw=0.9, zorder=4)
    legend_above(top, handles)
    top.set_ylabel(shorten(picture.outcome, 20))
    bottom.set_ylabel(f"{shorten(picture.outcome, 12)} less\nthe group's mean")
    _name_groups(bottom, picture)
    top.tick_params(axis="x", length=0)
    bottom.set_xlim(0.0, picture.labels.size + 1.0)
    return figure


def _upright(picture: GroupSpread) -> bool:
    """Tell whether the groups' names fit under the axis only when turned."""
    if picture.labels.size > _MOST_NAMED:
        return False
    return sum(len(name) + 2 for name in shorten_all(picture.labels, 22)) > _MOST_LEVEL


def _name_groups(ax: "Axes", picture: GroupSpread) -> None:
    """Name every group under the axis where there is room, else the first and the last."""
    many = picture.labels.size
    ax.tick_params(axis="x", length=0)
    sizes = f"{count(many, 'group')}, {count(picture.n, 'row')}"
    if many > _MOST_NAMED:
        ax.set_xticks([1, many], shorten_all(picture.labels[[0, -1]], 30))
        first, last = ax.get_xticklabels()
        first.set_horizontalalignment("left")
        last.set_horizontalalignment("right")
    else:
        names = shorten_all(picture.labels, 22)
        ax.set_xticks(range(1, many + 1), names, rotation=90 if _upright(picture) else 0)
    ax.set_xlabel(f"{shorten(picture.group, 30)}, in order of its mean ({sizes})")


@styled
def plot_prototypes(picture: Prototypes) -> "Figure":
    """Draw the members of each typical group, their own line and the partially pooled one.

    Parameters
    ----------
    picture : Prototypes

    Returns
    -------
    matplotlib.figure.Figure
        A panel a group.
    """
    from matplotlib.lines import Line2D

    figure = new_figure()
    panels = np.atleast_1d(figure.subplots(1, len(picture.groups), sharex=True, sharey=True))
    handles: list[Any] = []
    for ax, group, style in zip(panels, picture.groups, SIDES, strict=False):
        ax.plot(
            group.x, group.y, style.marker, ms=4.0, mec=style.colour, mfc="white", mew=0.9, zorder=2
        )
        draw_line(ax, group.line, Style(style.colour, style.marker, "-"), label=group.label)
        handles = [draw_classical(ax, group.line)]
        if group.own is not None:
            ax.plot(group.line.x, group.own, color=INK, lw=1.4, ls=":", zorder=4)
        title = f"{shorten(picture.cloud.group, 12)} {shorten(group.label, 16)}"
        size = count(group.x.size, "row")
        if len(picture.groups) > 1:
            title = f"{shorten(group.side, 24)}, {size}\n{title}"
        else:
            title = f"{title}, {size}"
        ax.set_title(title, fontsize=9)
        ax.set_xlabel(shorten(picture.cloud.slope, 36))
    panels[0].set_ylabel(shorten(picture.cloud.outcome, 40))
    band = f"partial pooling, posterior with {percent(picture.groups[0].line.prob)} band"
    handles = [
        Line2D([], [], color=INK, lw=1.7, label=band),
        *handles,
        Line2D([], [], color=INK, lw=1.4, ls=":", label="own least-squares line"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=3)
    return figure


@styled
def plot_split_means(picture: SplitMeans, *, ax: "Axes | None" = None) -> "Figure":
    """Draw the group means by side, with the model's lines and bands.

    Parameters
    ----------
    picture : SplitMeans
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib.figure.Figure
    """
    from matplotlib.lines import Line2D

    ax = axes_or_new(ax)
    cloud = picture.cloud
    handles: list[Any] = []
    many = cloud.sizes.size > MANY_GROUPS
    for side, style in zip(picture.sides, SIDES, strict=True):
        ax.plot(
            cloud.group_x[side.groups],
            cloud.group_y[side.groups],
            style.marker,
            ms=3.0 if many else 4.2,
            mec=style.colour,
            mfc="white" if style is SIDES[1] else style.colour,
            mew=0.9,
            alpha=0.4 if many else 0.75,
            zorder=2,
        )
        label = f"{shorten(side.name)} ({count(side.groups.size, 'group')})"
        handles.append(marked(style, label, filled=style is not SIDES[1], line=True))
        draw_line(ax, side.line, style, label=label)
        if side.own is not None:
            ax.plot(side.line.x, side.own, color=style.colour, lw=1.2, ls=":", zorder=4)
    band = f"line of the model, {percent(picture.prob)} band"
    handles.append(Line2D([], [], color=GREY, lw=1.7, label=band))
    if any(side.own is not None for side in picture.sides):
        through = "least squares through the means"
        handles.append(Line2D([], [], color=GREY, lw=1.2, ls=":", label=through))
    legend_above(ax, handles)
    ax.set_xlabel(f"{shorten(cloud.slope, 32)} (mean by {shorten(cloud.group)})")
    ax.set_ylabel(f"{shorten(cloud.outcome, 20)} (mean by {shorten(cloud.group, 14)})")
    return figure_of(ax)
