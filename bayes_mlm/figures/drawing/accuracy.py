"""Draw how exact the direct engine's draws are, and how groups were left out."""

from typing import TYPE_CHECKING

import numpy as np

from bayes_mlm.base import count, scaled
from bayes_mlm.figures.accuracy import Accuracy
from bayes_mlm.figures.drawing.parts import legend_above, name_points
from bayes_mlm.figures.drawing.style import BLUE, INK, ORANGE, axes_or_new, figure_of, styled
from bayes_mlm.figures.left_out import LeftOut

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_FLOOR = 1e-3


@styled
def plot_accuracy(picture: Accuracy, *, ax: "Axes | None" = None) -> "Figure":
    """Draw each measure of accuracy as a part of its limit.

    Parameters
    ----------
    picture : Accuracy
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib.figure.Figure
    """
    many = len(picture.checks)
    ax = axes_or_new(ax, 0.9 + 0.42 * many)
    low = min([_FLOOR, *(0.5 * check.part for check in picture.checks if check.part > 0)])
    high = max([10.0, *(3.0 * check.part for check in picture.checks)])
    ax.set_xscale("log")
    ax.set_xlim(low / 1.5, high)
    ax.axvspan(1.0, high, color=ORANGE, alpha=0.15, lw=0)
    ax.axvline(1.0, color=INK, lw=1.0, ls="--")
    for k, check in enumerate(picture.checks):
        within = check.value <= check.limit
        at = max(check.part, low)
        colour = BLUE if within else ORANGE
        ax.plot([low / 1.5, at], [k, k], color=colour, lw=2.5)
        ax.plot(at, k, "o" if within else "X", color=colour, ms=6.5, clip_on=False)
        ax.annotate(
            f"{check.text} (limit {check.limit:g})",
            (at, k),
            (7.0, 0.0),
            textcoords="offset points",
            va="center",
            fontsize=8.5,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6, "alpha": 0.75},
        )
    ax.set_yticks(range(many), [check.name for check in picture.checks])
    ax.set_ylim(many - 0.5, -0.5)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    ax.set_xlabel("part of its limit (shaded: not to be relied on)")
    return figure_of(ax)


@styled
def plot_left_out(picture: LeftOut, *, ax: "Axes | None" = None) -> "Figure":
    """Draw how well each group is foretold, against the k-hat of its weights.

    Parameters
    ----------
    picture : LeftOut
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib.figure.Figure
    """
    from matplotlib.lines import Line2D

    ax = axes_or_new(ax, 3.5)
    # Equal weights have no tail, whose shape is then minus infinity: drawn at the left edge.
    known = np.isfinite(picture.k_hat)
    floor = min(-0.1, float(picture.k_hat[known].min()) - 0.05) if known.any() else -0.1
    k_hat = np.where(known, picture.k_hat, floor)
    bad = k_hat > picture.limit
    again = picture.refitted
    dot = 4.5 if k_hat.size <= 400 else 2.2
    ax.plot(k_hat[~bad], picture.per_row[~bad], "o", ms=dot, color=BLUE, mew=0, alpha=0.7)
    ax.plot(k_hat[again], picture.per_row[again], "s", ms=6.0, mec=ORANGE, mfc="white", mew=1.1)
    worst = bad & ~again
    ax.plot(k_hat[worst], picture.per_row[worst], "X", ms=6.0, color=ORANGE, mew=0)
    ax.axvline(picture.limit, color=INK, lw=1.0, ls="--")
    ax.set_xlim(floor - 0.04, max(picture.limit, float(k_hat.max())) + 0.14)
    ax.margins(y=0.1)
    name_points(ax, k_hat, picture.per_row, picture.named, picture.labels)
    ax.set_xlabel("Pareto k-hat of the weights that leave the group out")
    ax.set_ylabel("log predictive density\nfor a row of the group")
    handles = [
        Line2D([], [], ls="", marker="o", ms=4.5, color=BLUE, label=count(k_hat.size, "group")),
        Line2D([], [], color=INK, lw=1.0, ls="--", label=f"limit {scaled(picture.limit, 2)}"),
    ]
    if again.any():
        handles.append(
            Line2D([], [], ls="", marker="s", ms=6.0, mec=ORANGE, mfc="white", label="fitted anew")
        )
    if worst.any():
        handles.append(
            Line2D([], [], ls="", marker="X", ms=6.0, color=ORANGE, label="not reliable")
        )
    legend_above(ax, handles, columns=4)
    return figure_of(ax)
