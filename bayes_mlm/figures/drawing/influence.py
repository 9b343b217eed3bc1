"""Draw which groups lie far out, which the results hang on, and whose rows spread unlike."""

from typing import TYPE_CHECKING

import numpy as np

from bayes_mlm.base import count
from bayes_mlm.figures.drawing.parts import legend_above, name_beside
from bayes_mlm.figures.drawing.style import BLUE, INK, MANY_GROUPS, ORANGE, new_figure, styled
from bayes_mlm.figures.influence import GroupInfluence

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SHADE = "#D9D9D9"
_TICKS = (0.1, 0.2, 0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.4, 1.6, 2.0, 3.0, 5.0, 10.0)
_COARSE = (0.01, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


@styled
def plot_influence(picture: GroupInfluence) -> "Figure":
    """Draw shifts against standardised effects, and spreads against degrees of freedom.

    Parameters
    ----------
    picture : GroupInfluence

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure = new_figure(3.6)
    left, right = figure.subplots(1, 2)
    dot = 4.0 if picture.labels.size <= MANY_GROUPS else 2.2
    _draw_shifts(left, picture, dot)
    _draw_spread(right, picture, dot)
    return figure


def _draw_shifts(ax: "Axes", picture: GroupInfluence, dot: float) -> None:
    from matplotlib.lines import Line2D

    # A group of which the rows say nothing is drawn where its effect is expected.
    effect = np.nan_to_num(picture.effect)
    told = picture.reliable
    ax.plot(effect[told], picture.shift[told], "o", ms=dot, color=BLUE, mew=0, alpha=0.7)
    ax.plot(effect[~told], picture.shift[~told], "X", ms=6.0, color=ORANGE, mew=0)
    handles = [
        Line2D([], [], ls="", marker="o", ms=dot, color=BLUE, label=count(effect.size, "group"))
    ]
    if not told.all():
        handles.append(
            Line2D([], [], ls="", marker="X", ms=6.0, color=ORANGE, label="weights cannot tell")
        )
    if picture.shift.max() > 0.6 * picture.limit:
        ax.axhline(picture.limit, color=INK, lw=1.0, ls="--")
        handles.append(Line2D([], [], color=INK, lw=1.0, ls="--", label="more than chance does"))
    ax.set_ylim(0.0, 1.12 * float(max(picture.shift.max(), 0.1)))
    ax.margins(x=0.12)
    name_beside(ax, effect, picture.shift, picture.influential, picture.labels)
    size = "standardised group effect" if picture.n_effects == 1 else "size of the effects, in sds"
    ax.set_xlabel(size)
    ax.set_ylabel("largest shift of a posterior mean\nwithout the group, in posterior sds")
    legend_above(ax, handles, columns=1)


def _draw_spread(ax: "Axes", picture: GroupInfluence, dot: float) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    known = np.flatnonzero(np.isfinite(picture.ratio) & (picture.ratio > 0))
    df, size = picture.df[known].astype(np.float64), np.log(picture.ratio[known])
    edge = 0.15 * float(np.ptp(df)) or 1.0
    left, right = max(float(df.min()) - edge, 0.5), float(df.max()) + edge
    inside = (picture.band_df >= left) & (picture.band_df <= right)
    ax.fill_between(
        picture.band_df[inside],
        np.log(picture.lower[inside]),
        np.log(picture.upper[inside]),
        color=_SHADE,
        lw=0,
    )
    ax.axhline(0.0, color=INK, lw=0.8)
    ax.plot(df, size, "o", ms=dot, color=BLUE, mew=0, alpha=0.7)
    ax.set_xlim(left, right)
    reach = max(float(np.abs(size).max()), 0.1) * 1.15
    ax.set_ylim(-reach if size.min() < 0 else -0.1, reach if size.max() > 0 else 0.1)
    low, high = ax.get_ylim()
    ticks = np.array([t for t in _TICKS if low <= np.log(t) <= high])
    ticks = ticks if ticks.size <= 9 else np.array([t for t in _COARSE if low <= np.log(t) <= high])
    ax.set_yticks(np.log(ticks), [f"{tick:g}" for tick in ticks])
    named = np.flatnonzero(np.isin(known, picture.unlike))
    name_beside(ax, df, size, named, picture.labels[known])
    ax.set_xlabel("degrees of freedom")
    ax.set_ylabel("sd within the group over the model's")
    legend_above(
        ax,
        [
            Patch(color=_SHADE, label="95 % of groups, if all spread alike"),
            Line2D([], [], ls="", marker="o", ms=dot, color=BLUE, label="a group"),
        ],
        columns=1,
    )
