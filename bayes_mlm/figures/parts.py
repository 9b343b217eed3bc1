"""Draw the parts that several figures share: clouds of rows, lines with bands, legends."""

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise, product
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from bayes_mlm.base import count, shorten_all
from bayes_mlm.figures.lettering import text_width, wrap
from bayes_mlm.figures.lines import Line
from bayes_mlm.figures.style import (
    GREY,
    INK,
    LIKELIHOOD_STYLE,
    WIDTH,
    Artist,
    Axes,
    Figure,
    Style,
    figure_of,
    width_of,
)

# Beyond this many rows points hide each other, and are counted in hexagons instead.
_MOST_POINTS = 1500
# The part of a figure that matplotlib gives its axes before they are laid out; and the names of
# ticks left of them, in inches.
_AXES_WIDE, _TICKS_WIDE = 0.775, 0.6
# Characters of the names at ticks that fit the default width side by side.
_MOST_LEVEL = 90
# Points of an inch; ems of a legend's key with the spaces around it and its text.
_POINTS, _KEY = 72.0, 4.4
# A line, and a letter with its space, of 8 points, in inches; lines that a label may be moved by.
_LINE, _LETTER, _MOST_LIFTED = 0.165, 0.085, 6
# Characters of what groups are, where it is said above each small panel.
_SHORT = 10
# Ratios farther apart than this have ticks at 1, 2, 5, 10.
_WIDE = 8.0
_PALE, _DARK = "#EFEFEF", "#A0A0A0"


def draw_rows(ax: Axes, x: NDArray[Any], y: NDArray[Any]) -> Artist:
    """Draw rows in grey, behind everything; return the handle for a legend.

    Few are points, many are hexagons, the darker the more rows.
    """
    from matplotlib.colors import LinearSegmentedColormap, PowerNorm

    if x.size <= _MOST_POINTS:
        alpha = float(np.clip(120.0 / x.size, 0.35, 0.8))
        ax.plot(x, y, "o", ms=3.0, mew=0.0, color=GREY, alpha=alpha, zorder=1)
        return legend_key(ls="", marker="o", ms=3.5, color=GREY, label=count(x.size, "row"))
    shades = LinearSegmentedColormap.from_list("rows", [_PALE, _DARK])
    ax.hexbin(
        x,
        y,
        gridsize=(44, 22),
        mincnt=1,
        cmap=shades,
        norm=PowerNorm(0.6),
        linewidths=0.15,
        zorder=1,
    )
    label = f"{count(x.size, 'row')} (darker: more)"
    return legend_key(ls="", marker="h", ms=7.0, color="#BDBDBD", label=label)


def legend_key(**options: Any) -> Artist:
    """Return the key of a line or of points in a legend, by the options of a matplotlib line."""
    from matplotlib.lines import Line2D

    return Line2D([], [], **options)


def legend_patch(**options: Any) -> Artist:
    """Return the key of an area in a legend, by the options of a matplotlib patch."""
    from matplotlib.patches import Patch

    return Patch(**options)


def ratio_ticks(axis: Any) -> None:
    """Label a matplotlib axis of logarithms with the ratios."""
    from matplotlib.ticker import LogLocator, MaxNLocator

    ends = np.exp(axis.get_view_interval())
    locator = (
        LogLocator(subs=(1.0, 2.0, 5.0))
        if ends[1] > _WIDE * ends[0]
        else MaxNLocator(7, steps=[1, 2, 5, 10])
    )
    values = [one for one in locator.tick_values(*ends) if ends[0] <= one <= ends[1]]
    axis.set_ticks(np.log(values), [f"{one:.3g}" for one in values])


def on_logs(ax: Axes, which: str, *, subs: tuple[float, ...] = (1.0, 2.0, 5.0)) -> None:
    """Make the "x" or the "y" of axes logarithmic, its ticks labelled with plain numbers."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    ax.set(**{f"{which}scale": "log"})
    axis = ax.xaxis if which == "x" else ax.yaxis
    axis.set_major_locator(LogLocator(subs=subs))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))


def draw_line(ax: Axes, line: Line, style: Style, *, label: str) -> Artist:
    """Draw a line with its band in the colour of a style; return the handle for a legend."""
    ax.fill_between(line.x, line.lower, line.upper, color=style.colour, alpha=0.22, lw=0, zorder=3)
    (drawn,) = ax.plot(
        line.x, line.centre, color=style.colour, ls=style.line, lw=1.7, zorder=5, label=label
    )
    return drawn


def draw_likelihood(ax: Axes, line: Line) -> Artist:
    """Draw the line of REML or OLS, thin and dashed, over the posterior's."""
    style = LIKELIHOOD_STYLE
    ax.plot(line.x, line.likelihood, color=style.colour, ls=style.line, lw=0.8, zorder=6)
    return legend_key(color=style.colour, ls=style.line, lw=0.8, label=line.likelihood_engine)


def legend_point(
    style: Style, label: str, *, size: float = 4.5, filled: bool = True, line: bool = False
) -> Artist:
    """Return the legend handle of points in a style, on their line if they have one."""
    return legend_key(
        color=style.colour,
        ls=style.line if line else "",
        lw=1.7,
        marker=style.marker,
        ms=size,
        mec=style.colour,
        mfc=style.colour if filled else "white",
        label=label,
    )


def legend_outside(
    figure: Figure,
    handles: list[Any],
    *,
    columns: int = 3,
    loc: str = "outside lower center",
    **options: Any,
) -> None:
    """Place a legend below all axes, in columns that fit the width of the figure.

    Examples
    --------
    >>> from bayes_mlm.figures.style import new_figure
    >>> figure = new_figure(width=3.3)
    >>> legend_outside(figure, [legend_patch(label="varying slopes within groups")] * 4)
    >>> figure.legends[0]._ncols
    1
    """
    columns = _fit_legend(handles, width_of(figure), columns)
    figure.legend(
        handles=handles, loc=cast("Any", loc), ncols=columns, columnspacing=1.2, **options
    )


def legend_above(ax: Axes, handles: list[Any], *, columns: int = 2) -> None:
    """Place a legend over the axes, where it covers nothing, in columns that fit the page."""
    ax.legend(
        handles=handles,
        loc="lower left",
        bbox_to_anchor=(0.0, 1.0),
        ncols=_fit_legend(handles, axes_inches(ax)[0], columns),
        borderaxespad=0.2,
        columnspacing=1.4,
        handlelength=2.4,
    )


def _fit_legend(handles: list[Any], room: float, columns: int) -> int:
    """Return how many columns of a legend fit some inches; break labels that fit in none."""
    from matplotlib import rcParams
    from matplotlib.font_manager import FontProperties

    size = FontProperties(size=rcParams["legend.fontsize"]).get_size_in_points()
    key = _KEY * size / _POINTS
    labels = [str(handle.get_label()) for handle in handles]
    widths = [key + text_width(label, size) for label in labels]
    while columns > 1 and _width(widths, columns) > room:
        columns -= 1
    for handle, label in zip(handles, labels, strict=True):
        handle.set_label(wrap(label, max(room - key, key), size))
    return columns


def label_points(
    ax: Axes, x: NDArray[Any], y: NDArray[Any], chosen: NDArray[Any], labels: NDArray[Any]
) -> None:
    """Label some points next to them, a few lines up or down where less is covered."""
    low, high = ax.get_ylim()
    left, right = ax.get_xlim()
    wide_inches, tall_inches = axes_inches(ax)
    tall = _LINE / tall_inches * (high - low)
    letter = _LETTER / wide_inches * (right - left)
    covered, labelled = np.column_stack([x, y]), np.empty((0, 2))
    places = chosen.tolist()
    # Half of the axes at most.
    most = int(np.clip(0.5 * wide_inches / _LETTER, 8, 20))
    names = shorten_all((labels[k] for k in places), most)
    lifts = sorted(range(-_MOST_LIFTED, _MOST_LIFTED + 1), key=lambda lift: (abs(lift), -lift))
    for k, name in zip(places, names, strict=True):
        wide = (text_width(name, 8.0) + 0.05) / wide_inches * (right - left)
        best = (math.inf, 0, 0)
        for lift, sign in product(lifts, (1, -1)):
            at = y[k] + lift * tall
            start, end = sorted([x[k] + sign * 0.2 * letter, x[k] + sign * (wide + letter)])
            outside = (
                start < left or end > right or not low < at - 0.4 * tall < at + 0.4 * tall < high
            )
            cost = 0.5 * abs(lift) + 1000.0 * outside
            cost += _inside(covered, start, end, at, tall)
            cost += 50.0 * _inside(labelled, start, end, at, tall)
            # Its leader, less the part at the point, which may be next to that of another.
            near = x[k] - letter, x[k] + letter, (y[k] + at) / 2, 0.45 * abs(at - y[k])
            cost += 60.0 * (_inside(labelled, *near) > 0)
            best = best if best[0] <= cost else (cost, sign, lift)
        _, sign, lift = best
        at = float(y[k] + lift * tall)
        ax.annotate(
            name,
            (float(x[k]), float(y[k])),
            (float(x[k] + sign * 0.6 * letter), at),
            ha="left" if sign > 0 else "right",
            va="center",
            fontsize=8,
            arrowprops={"arrowstyle": "-", "lw": 0.4, "color": INK, "shrinkA": 0.0}
            if lift
            else None,
        )
        steps = np.linspace(0.0, wide, 8)
        text = np.column_stack([x[k] + sign * steps, np.full(8, at)])
        leader = np.column_stack([np.full(8, x[k]), np.linspace(y[k], at, 8)])
        labelled = np.concatenate([labelled, text, leader] if lift else [labelled, text])


def _inside(points: NDArray[Any], start: float, end: float, at: float, tall: float) -> int:
    """Count points in a box: from start to end, and at most so far from a height."""
    in_box = (points[:, 0] >= start) & (points[:, 0] <= end)
    return int(np.count_nonzero(in_box & (np.abs(points[:, 1] - at) < tall)))


def axes_inches(ax: Axes) -> tuple[float, float]:
    """Return width and height that axes will about have, before they are laid out."""
    figure = cast("Figure", ax.get_figure(root=False))
    place = ax.get_position(original=True)
    tall = max(figure.bbox.height / figure.dpi * place.height, 0.5)
    if (legend := ax.get_legend()) is not None:  # over the axes
        keys = sum(1 + key.get_text().count("\n") for key in legend.get_texts())
        tall = max(tall - _LINE * keys / getattr(legend, "_ncols", 1), 0.5)
    name = ax.yaxis.label
    lines = wrap(name.get_text(), tall, float(name.get_fontsize())).count("\n")
    wide = width_of(figure) * min(place.width / _AXES_WIDE, 1.0) - _TICKS_WIDE
    return max(wide - lines * _LINE, 0.5), tall


def name_ticks(ax: Axes, places: Sequence[float], labels: Iterable[Any]) -> None:
    """Label groups at their places on the axis: upright where their names need more room."""
    names = shorten_all(labels, 18)
    most = _MOST_LEVEL * width_of(figure_of(ax)) / WIDTH
    level = sum(len(name) + 2 for name in names) <= most
    ax.set_xticks(places, names, rotation=0 if level else 90)


def panel_names(group: str, labels: Iterable[Any]) -> tuple[str, ...]:
    """Return titles of small panels of groups: what a group is, if that is short, and its label.

    Examples
    --------
    >>> panel_names("school", [1224, 9158])
    ('school 1224', 'school 9158')
    >>> panel_names("name of the secondary school", ["St. Mary's, north", "The Old Grammar School"])
    ("St. Mary's, north", 'The Old Grammar S…')
    """
    if len(group) > _SHORT:
        return shorten_all(labels, 18)
    return tuple(f"{group} {label}" for label in shorten_all(labels, 8))


def _width(widths: list[float], columns: int) -> float:
    """Return the width of a legend of some columns: the first ones have what is left over."""
    deep, longer = divmod(len(widths), columns)
    starts = [k * deep + min(k, longer) for k in range(columns + 1)]
    return float(sum(max(widths[a:b]) for a, b in pairwise(starts) if b > a))
