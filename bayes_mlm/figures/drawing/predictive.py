"""Draw posterior predictive checks: the data beside replicates of them."""

from typing import TYPE_CHECKING

import numpy as np

from bayes_mlm.base import count, percent, rounded, shorten
from bayes_mlm.figures.drawing.style import BLACK, BLUE, GREY, INK, ORANGE, new_figure, styled
from bayes_mlm.figures.predictive import Ordered, Predictive, Statistic, p_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@styled
def plot_predictive(picture: Predictive) -> "Figure":
    """Draw the outcome, the group means, the sds within groups, and statistics of each.

    Parameters
    ----------
    picture : Predictive

    Returns
    -------
    matplotlib.figure.Figure
        Two panels without groups, else four.
    """
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    grouped = picture.means is not None and picture.sds is not None
    below = 0.75 + 0.19 * len(picture.statistics)
    figure = new_figure(2.75 + below)
    top, bottom = figure.subfigures(2, 1, squeeze=False, height_ratios=(2.45, below)).ravel()
    if grouped:
        first, means, sds = top.subplots(1, 3, width_ratios=(1.35, 1.0, 1.0))
        _draw_ordered(means, picture.means, picture, "mean")
        _draw_ordered(sds, picture.sds, picture, "sd")
    else:
        first = top.subplots()
    _draw_outcome(first, picture)
    _draw_statistics(bottom.subplots(), picture.statistics)
    figure.legend(
        handles=[
            Line2D([], [], color=BLACK, lw=1.4, label="data"),
            Patch(facecolor=BLUE, alpha=0.35, label=f"{percent(picture.prob)} of replicates"),
            Line2D([], [], color=BLUE, lw=1.1, ls=(0, (4.0, 1.5)), label="their median"),
        ],
        loc="outside lower center",
        ncols=3,
    )
    return figure


def _draw_outcome(ax: "Axes", picture: Predictive) -> None:
    edges = picture.edges
    twice = np.repeat(edges, 2)[1:-1]
    ax.fill_between(
        twice,
        100 * np.repeat(picture.lower, 2),
        100 * np.repeat(picture.upper, 2),
        color=BLUE,
        alpha=0.35,
        lw=0,
    )
    ax.stairs(100 * picture.centre, edges, color=BLUE, lw=1.0, ls=(0, (4.0, 1.5)))
    ax.stairs(100 * picture.observed, edges, color=BLACK, lw=1.3)
    highest = 100 * float(max(picture.observed.max(), picture.upper.max()))
    ax.set_ylim(0.0, 1.65 * highest)
    seen = np.flatnonzero((picture.upper > 0) | (picture.observed > 0))
    ax.set_xlim(edges[seen[0]], edges[seen[-1] + 1])
    for value, share, side, where in (
        (picture.smallest, picture.below, "left", "below"),
        (picture.largest, picture.above, "right", "above"),
    ):
        ax.vlines(value, 0.0, 1.08 * highest, color=INK, lw=0.9, ls=":")
        text = "none" if share == 0 else percent(share)
        ax.text(
            0.01 if side == "left" else 0.99,
            0.995,
            f"{text} of\nreplicated\nvalues\n{where}\n{rounded(value, style='table')}",
            transform=ax.transAxes,
            ha=side,
            va="top",
            fontsize=8,
        )
    ax.set_xlabel(f"{shorten(picture.outcome, 18)} ({count(picture.n, 'row')})")
    ax.set_ylabel("% of rows")


def _draw_ordered(ax: "Axes", ordered: Ordered | None, picture: Predictive, what: str) -> None:
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
    ax.set_ylabel(f"{what} of {shorten(picture.outcome, 20)}")


def _draw_statistics(ax: "Axes", statistics: tuple[Statistic, ...]) -> None:
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
