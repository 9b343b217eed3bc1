"""Draw the lines that models lay through rows and group means."""

from typing import TYPE_CHECKING

from bayes_mlm.base import count, estimate, percent, shorten
from bayes_mlm.figures.drawing.parts import (
    draw_classical,
    draw_line,
    draw_rows,
    legend_above,
    marked,
)
from bayes_mlm.figures.drawing.style import (
    GREY,
    MANY_GROUPS,
    SIDES,
    Style,
    axes_or_new,
    engine_style,
    figure_of,
    model_styles,
    new_figure,
    styled,
)
from bayes_mlm.figures.extremes import Extremes
from bayes_mlm.figures.pooled_between import PooledBetween
from bayes_mlm.figures.slopes import FourSlopes
from bayes_mlm.figures.within_line import WithinLine

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Line styles of the four slopes, so that they part in grey too.
_DASHES = ("-", (0, (6.0, 1.5)), (0, (1.2, 1.2)), (0, (6.0, 1.5, 1.2, 1.5)))


@styled
def plot_pooled_between(picture: PooledBetween, *, ax: "Axes | None" = None) -> "Figure":
    """Draw the line through all rows and the line through the group means, with bands.

    Parameters
    ----------
    picture : PooledBetween
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib.figure.Figure
    """
    ax = axes_or_new(ax)
    cloud, pooled, between = picture.cloud, picture.pooled, picture.between
    styles = model_styles([pooled.model, between.model])
    total = Style(styles[pooled.model].colour, "", _DASHES[1])
    means = Style(styles[between.model].colour, "o", _DASHES[0])
    rows = draw_rows(ax, cloud.x, cloud.y)
    few = cloud.sizes.size <= MANY_GROUPS
    ax.plot(
        cloud.group_x,
        cloud.group_y,
        "o",
        ms=3.6 if few else 2.2,
        mec=means.colour,
        mfc="white" if few else means.colour,
        mew=0.9 if few else 0.0,
        alpha=0.9 if few else 0.3,
        zorder=2,
    )
    handles = [
        rows,
        marked(means, count(cloud.sizes.size, "group mean"), filled=not few),
        draw_line(ax, pooled, total, label=f"line of all rows, {percent(pooled.prob)} band"),
        draw_line(ax, between, means, label=f"line of group means, {percent(pooled.prob)} band"),
    ]
    legend_above(ax, handles)
    ax.set_xlabel(shorten(cloud.slope, 60))
    ax.set_ylabel(shorten(cloud.outcome, 40))
    return figure_of(ax)


@styled
def plot_within_line(picture: WithinLine, *, ax: "Axes | None" = None) -> "Figure":
    """Draw the line along the deviations from the group means, with its band.

    Parameters
    ----------
    picture : WithinLine
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib.figure.Figure
    """
    ax = axes_or_new(ax)
    cloud, line = picture.cloud, picture.line
    style = model_styles([line.model])[line.model]
    handles = [
        draw_rows(ax, picture.deviation, cloud.y),
        draw_line(ax, line, style, label=f"line within groups, {percent(line.prob)} band"),
        draw_classical(ax, line),
    ]
    legend_above(ax, handles, columns=3)
    ax.set_xlabel(f"{shorten(cloud.slope, 36)} less its mean by {shorten(cloud.group)}")
    ax.set_ylabel(shorten(cloud.outcome, 40))
    return figure_of(ax)


@styled
def plot_extremes(picture: Extremes, *, ax: "Axes | None" = None) -> "Figure":
    """Draw the no-pooling lines of the groups with the lowest and the highest mean.

    Parameters
    ----------
    picture : Extremes
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib.figure.Figure
    """
    ax = axes_or_new(ax)
    cloud = picture.cloud
    handles = [draw_rows(ax, cloud.x, cloud.y)]
    for which, place, line, style in zip(
        ("lowest", "highest"), picture.groups, picture.lines, SIDES, strict=True
    ):
        own = cloud.codes == place
        ax.plot(
            cloud.x[own],
            cloud.y[own],
            style.marker,
            ms=4.0,
            mec=style.colour,
            mfc="white",
            mew=0.9,
            zorder=4,
        )
        label = (
            f"{which} mean {shorten(cloud.slope, 16)}: {shorten(line.name)} "
            f"({count(int(cloud.sizes[place]), 'row')})"
        )
        solid = Style(style.colour, style.marker)
        draw_line(ax, line, solid, label=label)
        handles.append(marked(solid, label, filled=False, line=True))
    handles.append(draw_classical(ax, picture.lines[0]))
    draw_classical(ax, picture.lines[1])
    legend_above(ax, handles)
    ax.set_xlabel(shorten(cloud.slope, 60))
    ax.set_ylabel(shorten(cloud.outcome, 40))
    return figure_of(ax)


@styled
def plot_four_slopes(picture: FourSlopes) -> "Figure":
    """Draw total, between, within and random-effects lines, and their slopes beside them.

    Parameters
    ----------
    picture : FourSlopes

    Returns
    -------
    matplotlib.figure.Figure
        Left the lines over the rows, right the slopes with their intervals and values.
    """
    figure = new_figure()
    left, right = figure.subplots(1, 2, width_ratios=(1.55, 1.0))
    cloud = picture.cloud
    rows = draw_rows(left, cloud.x, cloud.y)
    styles = model_styles([line.model for line in picture.lines])
    classical = {line.classical_engine for line in picture.lines}
    for k, line in enumerate(picture.lines):
        look = styles[line.model]
        style = Style(look.colour, look.marker, _DASHES[k])
        draw_line(left, line, style, label=line.name)
        right.plot([line.slope_lower, line.slope_upper], [k, k], color=style.colour, lw=1.8)
        right.plot(line.slope, k, style.marker, color=style.colour, ms=6.0, zorder=3)
        right.plot(
            line.classical_slope,
            k + 0.22,
            marker=engine_style("ols").marker,
            ms=3.5,
            mfc="white",
            mec="black",
            ls="",
        )
        right.plot(
            [0.02, 0.16],
            [k - 0.36, k - 0.36],
            color=style.colour,
            ls=style.line,
            lw=1.7,
            transform=right.get_yaxis_transform(),
        )
        right.text(
            0.2,
            k - 0.36,
            f"{line.name}\n{estimate(line.slope, line.slope_lower, line.slope_upper)}",
            transform=right.get_yaxis_transform(),
            va="center",
            fontsize=8.5,
        )
    right.set_ylim(len(picture.lines) - 0.6, -0.75)
    right.set_yticks([])
    right.spines["left"].set_visible(False)
    right.margins(x=0.12)
    unit = f"unit of {shorten(cloud.slope, 20)}"
    right.set_xlabel(f"slope: {shorten(cloud.outcome, 16)} for one\n{unit}")
    left.set_xlabel(shorten(cloud.slope, 40))
    left.set_ylabel(shorten(cloud.outcome, 40))
    legend_above(left, [rows], columns=1)
    told = marked(
        Style("black", engine_style("ols").marker),
        " or ".join(sorted(classical)),
        size=3.5,
        filled=False,
    )
    interval = marked(Style(GREY, "o"), f"posterior mean, {percent(picture.prob)} interval")
    legend_above(right, [interval, told], columns=1)
    return figure
