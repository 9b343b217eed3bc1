"""Draw how partial pooling moves each group's mean."""

import numpy as np
from numpy.typing import ArrayLike

from bayes_mlm.figures.style import BLUE, GREY, ORANGE, Axes, new_figure


def plot_shrinkage(
    unpooled: ArrayLike,
    partial: ArrayLike,
    sizes: ArrayLike,
    overall: float,
    *,
    outcome: str,
    group: str,
    ax: Axes | None = None,
) -> Axes:
    """Draw how partial pooling draws each group's mean towards the overall mean.

    Parameters
    ----------
    unpooled : array_like, shape (J,)
        Observed mean of each group (no pooling), in outcome units.
    partial : array_like, shape (J,)
        Its partially pooled mean.
    sizes : array_like of int, shape (J,)
        Rows in each group.
    overall : float
        The mean of every group under complete pooling.
    outcome, group : str
        Names for the axes.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> axes = plot_shrinkage([1.0, 5.0], [2.0, 4.5], [4, 20], 3.0, outcome="y", group="g")
    >>> axes.get_ylabel()
    'mean of y'
    """
    if ax is None:
        ax = new_figure(4.2, width=8.0).add_subplot()
    unpooled, partial, sizes = (
        np.asarray(values, dtype=float) for values in (unpooled, partial, sizes)
    )
    ax.axhline(overall, color=GREY, linewidth=1.2, zorder=1, label="complete pooling: one mean")
    ax.vlines(sizes, unpooled, partial, color=GREY, linewidth=0.6, zorder=2)
    ax.plot(
        sizes,
        unpooled,
        "o",
        mfc="white",
        mec=ORANGE,
        ms=4.5,
        zorder=3,
        label=f"no pooling: the {group} alone",
    )
    ax.plot(sizes, partial, "o", color=BLUE, ms=4, zorder=4, label="partial pooling")
    ax.set_xlabel(f"rows in the {group}")
    ax.set_ylabel(f"mean of {outcome}")
    ax.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, 1.12), ncols=3, fontsize=9)
    ax.spines[["top", "right"]].set_visible(False)
    return ax
