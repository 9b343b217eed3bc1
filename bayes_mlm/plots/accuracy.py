"""Draw how exact the direct engine's draws are, and how groups were left out."""

from typing import TYPE_CHECKING

import numpy as np

from bayes_mlm.pictures.accuracy import Accuracy
from bayes_mlm.pictures.left_out import LeftOut
from bayes_mlm.pictures.wording import count, shorten_all
from bayes_mlm.plots.parts import legend_above
from bayes_mlm.plots.style import (
    BLUE,
    INK,
    ORANGE,
    axes_or_new,
    figure_of,
    styled,
)

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
    _name(ax, picture, k_hat)
    ax.set_xlabel("Pareto k-hat of the weights that leave the group out")
    ax.set_ylabel("log predictive density\nfor a row of the group")
    handles = [
        Line2D([], [], ls="", marker="o", ms=4.5, color=BLUE, label=count(k_hat.size, "group")),
        Line2D([], [], color=INK, lw=1.0, ls="--", label=f"limit {picture.limit:.2f}"),
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


def _name(ax: "Axes", picture: LeftOut, k_hat: np.ndarray) -> None:
    """Name some points, to the side where there is room, no two names on one line."""
    low, high = ax.get_ylim()
    left, right = ax.get_xlim()
    line = 0.055 * (high - low)
    taken: list[float] = []
    chosen = picture.named.tolist()
    names = dict(zip(chosen, shorten_all((picture.labels[k] for k in chosen), 20), strict=True))
    for k in sorted(chosen, key=lambda k: float(picture.per_row[k])):
        y = float(picture.per_row[k])
        while any(abs(y - other) < line for other in taken):
            y += line
        taken.append(y)
        beside = k_hat[np.abs(picture.per_row - y) < line]
        on_left = float(beside.max()) > left + 0.6 * (right - left)
        end = float(beside.min() if on_left else beside.max())
        ax.annotate(
            names[k],
            (float(k_hat[k]), float(picture.per_row[k])),
            (end + (-1 if on_left else 1) * 0.02 * (right - left), y),
            ha="right" if on_left else "left",
            va="center",
            fontsize=8,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8, "alpha": 0.8},
            arrowprops={"arrowstyle": "-", "lw": 0.4, "color": INK, "shrinkA": 0.0},
        )
