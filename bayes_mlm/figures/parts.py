"""Draw the parts that several figures share: clouds of rows, lines with bands, legends."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bayes_mlm.base import count, shorten_all
from bayes_mlm.figures.lines import Line
from bayes_mlm.figures.style import GREY, INK, Artist, Axes, Figure, Style, engine_style, width_of

# Beyond this many rows points hide each other, and are counted in hexagons instead.
_MOST_POINTS = 1500
# Characters of a legend, with room for the samples, that fit the width of a figure.
_WIDEST = 92
# Characters of the names at ticks that fit the width of a figure side by side.
_MOST_LEVEL = 90
# Points of an inch; ems of a legend's key with the spaces around it and its text.
_POINTS, _KEY = 72.0, 4.2
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


def draw_line(ax: Axes, line: Line, style: Style, *, label: str) -> Artist:
    """Draw a line with its band in the colour of a style; return the handle for a legend."""
    ax.fill_between(line.x, line.lower, line.upper, color=style.colour, alpha=0.22, lw=0, zorder=3)
    (drawn,) = ax.plot(
        line.x, line.centre, color=style.colour, ls=style.line, lw=1.7, zorder=5, label=label
    )
    return drawn


def draw_likelihood(ax: Axes, line: Line) -> Artist:
    """Draw the line of REML or OLS, thin and dashed, over the posterior's."""
    style = engine_style(line.likelihood_engine.lower())
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


def legend_outside(figure: Figure, handles: list[Any], *, columns: int = 3, **options: Any) -> None:
    """Place a legend below all axes, in columns that fit the width of the figure.

    Examples
    --------
    >>> from bayes_mlm.figures.style import new_figure
    >>> figure = new_figure(width=3.3)
    >>> legend_outside(figure, [legend_patch(label="varying slopes within groups")] * 4)
    >>> figure.legends[0]._ncols
    1
    """
    from matplotlib import rcParams
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    font = FontProperties(size=rcParams["legend.fontsize"])
    em = font.get_size_in_points()
    page = _POINTS * width_of(figure)
    labels = [str(handle.get_label()) for handle in handles]
    widths = [text_to_path.get_text_width_height_descent(t, font, False)[0] for t in labels]
    while columns > 1 and _width([w + _KEY * em for w in widths], columns) > page:
        columns -= 1
    figure.legend(
        handles=handles, loc="outside lower center", ncols=columns, columnspacing=1.2, **options
    )


def legend_above(ax: Axes, handles: list[Any], *, columns: int = 2) -> None:
    """Place a legend over the axes, where it covers nothing, in columns that fit the page."""
    widths = [len(handle.get_label()) + 6 for handle in handles]
    while columns > 1 and _width(widths, columns) > _WIDEST:
        columns -= 1
    ax.legend(
        handles=handles,
        loc="lower left",
        bbox_to_anchor=(0.0, 1.0),
        ncols=columns,
        borderaxespad=0.2,
        columnspacing=1.4,
        handlelength=2.4,
    )


def name_points(
    ax: Axes, x: NDArray[Any], y: NDArray[Any], chosen: NDArray[Any], labels: NDArray[Any]
) -> None:
    """Label some points, beyond the other points of their line, no two names on one line."""
    low, high = ax.get_ylim()
    left, right = ax.get_xlim()
    line = 0.055 * (high - low)
    taken: list[float] = []
    places = chosen.tolist()
    names = dict(zip(places, shorten_all((labels[k] for k in places), 20), strict=True))
    middle = float(np.median(y))
    # Outwards from the others, which lie about the middle.
    for k in sorted(places, key=lambda k: abs(float(y[k]) - middle)):
        at = float(y[k])
        while any(abs(at - other) < line for other in taken):
            at += line if y[k] > middle else -line
        taken.append(at)
        near = x[np.abs(y - at) < line]
        near = near if near.size else x[[k]]
        on_left = float(near.max()) > left + 0.6 * (right - left)
        end = float(near.min() if on_left else near.max())
        ax.annotate(
            names[k],
            (float(x[k]), float(y[k])),
            (end + (-1 if on_left else 1) * 0.02 * (right - left), at),
            ha="right" if on_left else "left",
            va="center",
            fontsize=8,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8, "alpha": 0.8},
            arrowprops={"arrowstyle": "-", "lw": 0.4, "color": INK, "shrinkA": 0.0},
        )


def label_points(
    ax: Axes, x: NDArray[Any], y: NDArray[Any], chosen: NDArray[Any], labels: NDArray[Any]
) -> None:
    """Label some points to their right, a line up or down where less is covered."""
    low, high = ax.get_ylim()
    left, right = ax.get_xlim()
    tall, letter = 0.05 * (high - low), 0.034 * (right - left)
    covered = np.column_stack([x, y])
    places = chosen.tolist()
    names = shorten_all((labels[k] for k in places), 20)
    for k, name in zip(places, names, strict=True):
        wide = letter * len(name)
        best = (math.inf, 0, 0)
        for lift in (0, 1, -1, 2, -2, 3, -3):
            at = y[k] + lift * tall
            for sign in (1, -1):
                start, end = sorted([x[k] + sign * 0.2 * letter, x[k] + sign * (wide + letter)])
                inside = (covered[:, 0] > start) & (covered[:, 0] < end)
                inside &= np.abs(covered[:, 1] - at) < tall
                beyond = 100.0 * (start < left or end > right or not low < at < high)
                cost = float(np.count_nonzero(inside)) + beyond
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
        steps = np.linspace(0.5 * letter, wide, 6)
        label = np.column_stack([x[k] + sign * steps, np.full(6, at)])
        covered = np.concatenate([covered, label])


def name_ticks(ax: Axes, places: Sequence[float], labels: Iterable[Any]) -> None:
    """Label groups at their places on the axis: upright where their names need more room."""
    names = shorten_all(labels, 18)
    level = sum(len(name) + 2 for name in names) <= _MOST_LEVEL
    ax.set_xticks(places, names, rotation=0 if level else 90)


def _width(widths: list[Any], columns: int) -> float:
    """Return the width of a legend of some columns, filled column by column."""
    deep = -(-len(widths) // columns)
    columns_wide = (max(widths[start : start + deep]) for start in range(0, len(widths), deep))
    return float(sum(columns_wide))
