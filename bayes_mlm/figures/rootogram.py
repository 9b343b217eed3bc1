"""Draw how often each whole number or category occurs, next to replicates.

References
----------
Kleiber & Zeileis (2016), The American Statistician 70(3): hanging rootograms.
"""

from collections.abc import Sequence

import numpy as np

from bayes_mlm.base import Floats, shorten_all
from bayes_mlm.figures.style import BLACK, BLUE, GREY, INK, ORANGE, Axes

_BAR = "#BDBDBD"


def draw_categories(
    ax: Axes, names: Sequence[str], observed: Floats, centre: Floats, lower: Floats, upper: Floats
) -> None:
    """Draw the share (K,) of each category as a bar, with the interval of the replicates'."""
    x = np.arange(len(names))
    ax.bar(x, 100 * observed, width=0.6, color=_BAR, edgecolor=BLACK, lw=0.9)
    ax.vlines(x, 100 * lower, 100 * upper, color=BLUE, alpha=0.6, lw=5.0)
    ax.plot(x, 100 * centre, "_", color=BLUE, ms=11.0)
    ax.set_xticks(x, shorten_all(names, max(4, 24 // len(names))))
    ax.set_xlim(-0.6, len(names) - 0.4)
    ax.tick_params(axis="x", length=0)
    ax.set_ylabel("% of rows")


def draw_rootogram(
    ax: Axes, edges: Floats, observed: Floats, centre: Floats, lower: Floats, upper: Floats
) -> None:
    """Draw a hanging rootogram: roots of the counts (k,) hang from those of the replicates' median.

    Where the model is right bars end near zero, in the band of the replicates.
    """
    seen = np.flatnonzero((upper > 0) | (observed > 0))
    part = slice(int(seen[0]), int(seen[-1]) + 1)
    x, width = ((edges[:-1] + edges[1:]) / 2)[part], float(edges[1] - edges[0])
    top, bar, low, high = (np.sqrt(one[part]) for one in (centre, observed, lower, upper))
    out = (bar < low) | (bar > high)
    colours = np.where(out, ORANGE, _BAR)
    ax.bar(x, bar, bottom=top - bar, width=0.75 * width, color=colours.tolist(), zorder=2)
    twice = np.repeat(np.append(x - width / 2, x[-1] + width / 2), 2)[1:-1]
    ends = np.repeat(top - high, 2), np.repeat(top - low, 2)
    ax.fill_between(twice, *ends, color=BLUE, alpha=0.35, lw=0, zorder=3)
    ax.plot(x, top, color=BLUE, lw=1.2, marker=".", ms=3.5, zorder=4)
    ax.axhline(0.0, color=INK, lw=0.9, zorder=4)
    ax.set_xlim(x[0] - width, x[-1] + width)
    ax.grid(axis="y", color=GREY, alpha=0.25, lw=0.5)
    ax.set_ylabel("square root of rows")
