"""Draw where the variance comes from: stacked bars, and every part with its uncertainty."""

from typing import TYPE_CHECKING

from bayes_mlm.base import count, percent, shorten
from bayes_mlm.figures.drawing.style import (
    BAND,
    BLUE,
    GREEN,
    INK,
    ORANGE,
    PINK,
    SKY,
    new_figure,
    styled,
)
from bayes_mlm.figures.variance_parts import LABELS, Column, VarianceParts

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Colour, hatch that tells the part in grey, and colour of a number written on it.
_LOOK = {
    "fixed_within": (BLUE, "", "white"),
    "fixed_between": (ORANGE, "", "white"),
    "slopes_within": (SKY, "///", "black"),
    "slopes_between": (PINK, "\\\\\\", "black"),
    "means": (GREEN, "..", "white"),
    "residual": ("#D9D9D9", "", "black"),
}
_SHORT = {"total": "whole", "within": "within\ngroups", "between": "between\ngroups"}
# A part thinner than this has no room for a number in a bar.
_ROOM = 0.045


@styled
def plot_variance_parts(picture: VarianceParts) -> "Figure":
    """Draw the decomposition of the variance.

    Parameters
    ----------
    picture : VarianceParts

    Returns
    -------
    matplotlib.figure.Figure
        Left a stacked bar for the whole variance, that within and that between groups; right each
        part as a point with its interval, and its REML estimate.
    """
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    rows = sum(len(column.shares) for column in picture.columns)
    figure = new_figure(max(3.4, 1.35 + 0.27 * (rows + len(picture.columns))))
    left, right = figure.subplots(1, 2, width_ratios=(1.0, 1.15))
    for place, column in enumerate(picture.columns):
        _draw_bar(left, place, column)
    left.set_xticks(
        range(len(picture.columns)), [_SHORT[column.measure] for column in picture.columns]
    )
    left.set_ylim(0.0, 1.0)
    left.set_ylabel(f"share of the variance of {shorten(picture.outcome, 20)}")
    left.tick_params(axis="x", length=0)
    left.set_title(
        f"{count(picture.n, 'row')}, {count(picture.n_groups, 'group')}", fontsize=9, color=INK
    )
    _draw_intervals(right, picture)
    used = dict.fromkeys(one.part for column in picture.columns for one in column.shares)
    handles: list[Patch | Line2D] = [
        Patch(facecolor=_LOOK[part][0], hatch=_LOOK[part][1], edgecolor="white", label=LABELS[part])
        for part in LABELS
        if part in used
    ]
    if picture.engine != "reml":
        handles.append(
            Line2D(
                [],
                [],
                color=INK,
                lw=2.0,
                marker="o",
                ms=4.5,
                label=f"posterior mean, {percent(picture.prob)} interval",
            )
        )
    handles.append(
        Line2D([], [], color="black", ls="", marker="D", ms=3.8, mfc="white", label="REML")
    )
    figure.legend(handles=handles, loc="outside lower center", ncols=3, columnspacing=1.2)
    return figure


def _draw_bar(ax: "Axes", place: int, column: Column) -> None:
    bottom = 0.0
    for one in column.shares:
        colour, hatch, ink = _LOOK[one.part]
        ax.bar(
            place,
            one.mean,
            0.72,
            bottom=bottom,
            color=colour,
            hatch=hatch,
            edgecolor="white",
            lw=0.6,
        )
        if one.mean >= _ROOM:
            # Hatching would run through the number.
            box = {"facecolor": colour, "edgecolor": "none", "pad": 2.0} if hatch else None
            ax.text(
                place,
                bottom + one.mean / 2,
                percent(one.mean),
                ha="center",
                va="center",
                fontsize=8,
                color=ink,
                bbox=box,
            )
        bottom += one.mean


def _draw_intervals(ax: "Axes", picture: VarianceParts) -> None:
    y, ticks, names = 0.0, [], []
    for k, column in enumerate(picture.columns):
        top = y - 0.55
        ax.text(0.0, y, f"of the {column.label}", fontsize=8.5, va="center", color=INK)
        for one in column.shares:
            y += 1.0
            colour = _LOOK[one.part][0] if one.part != "residual" else "#7F7F7F"
            if one.lower is not None and one.upper is not None:
                ax.plot([one.lower, one.upper], [y, y], color=colour, lw=2.4, zorder=3)
                ax.plot(one.mean, y, "o", color=colour, ms=5.0, zorder=4)
            # Below its row, or it would hide the posterior's point.
            below = 0.0 if one.lower is None else 0.3
            ax.plot(
                one.classical, y + below, "D", mec="black", mfc="white", mew=0.8, ms=3.8, zorder=5
            )
            ticks.append(y)
            names.append(LABELS[one.part].removesuffix(" groups"))
        if k % 2 == 0:
            ax.axhspan(top, y + 0.5, color=BAND, zorder=0, lw=0)
        y += 1.05
    ax.set_yticks(ticks, names, fontsize=8)
    ax.set_ylim(y - 0.5, -0.6)
    ax.set_xlim(-0.02, 1.02)
    ax.set_xlabel("share")
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
