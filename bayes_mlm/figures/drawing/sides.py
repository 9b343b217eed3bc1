"""Draw the difference between the two sides of the split along the slope."""

from typing import TYPE_CHECKING

from bayes_mlm.base import percent, shorten
from bayes_mlm.figures.drawing.style import BLACK, BLUE, INK, SIDES, new_figure, styled
from bayes_mlm.figures.sides import SideDifference

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@styled
def plot_side_difference(picture: SideDifference) -> "Figure":
    """Draw the difference with its band, and where the rows of each side lie.

    Parameters
    ----------
    picture : SideDifference

    Returns
    -------
    matplotlib.figure.Figure
    """
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    figure = new_figure(4.5)
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(3.4, 1.0))
    x, away = picture.x, picture.away
    top.fill_between(x, picture.lower, picture.upper, color=BLUE, alpha=0.15, lw=0)
    top.fill_between(
        x,
        picture.lower,
        picture.upper,
        where=away.tolist(),
        color=BLUE,
        alpha=0.3,
        lw=0,
        hatch="////",
        edgecolor=BLUE,
    )
    top.plot(x, picture.centre, color=BLUE, lw=1.8)
    top.plot(x, picture.classical, color=BLACK, lw=0.9, ls=(0, (3.5, 2.0)))
    top.axhline(0.0, color=INK, lw=0.9)
    for k in range(1, x.size):
        if away[k] != away[k - 1]:
            for ax in (top, bottom):
                ax.axvline(x[k] if away[k] else x[k - 1], color=INK, lw=0.8, ls=":")
    top.set_ylabel(f"difference in {shorten(picture.outcome, 30)}")
    figure.suptitle(
        f"{shorten(picture.sides[1], 40)} less {shorten(picture.sides[0], 40)}",
        x=0.01,
        ha="left",
        fontsize=9,
    )
    prob = percent(picture.prob)
    top.legend(
        handles=[
            Line2D([], [], color=BLUE, lw=1.8, label="posterior mean"),
            Patch(facecolor=BLUE, alpha=0.2, label=f"{prob} interval"),
            Line2D([], [], color=BLACK, lw=0.9, ls=(0, (3.5, 2.0)), label=picture.classical_engine),
            Patch(facecolor="#B3D0E4", hatch="////", edgecolor=BLUE, label="leaves out zero"),
        ],
        loc="lower left",
        bbox_to_anchor=(0.0, 1.0),
        ncols=4,
        borderaxespad=0.2,
        columnspacing=1.2,
    )
    for shares, name, style in zip(picture.rows, picture.sides, SIDES, strict=True):
        bottom.stairs(
            100 * shares,
            picture.bins,
            color=style.colour,
            ls=style.line,
            lw=1.3,
            label=f"rows, {shorten(name, 30)}",
        )
    bottom.set_ylabel("% of rows")
    bottom.set_ylim(bottom=0.0)
    figure.legend(
        handles=bottom.get_legend_handles_labels()[0],
        loc="outside lower center",
        ncols=2,
        handlelength=2.8,
    )
    bottom.set_xlabel(shorten(picture.slope, 60))
    bottom.set_xlim(x[0], x[-1])
    return figure
