"""Draw the lines of individuals, and of the population."""

from typing import TYPE_CHECKING

from bayes_mlm.base import percent, shorten, shorten_all
from bayes_mlm.figures.drawing.style import (
    BLUE,
    GREY,
    INK,
    SIDES,
    Style,
    engine_style,
    new_figure,
    styled,
)
from bayes_mlm.figures.trajectories import Individual, Trajectories, seen

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLUMNS = 3


@styled
def plot_trajectories(picture: Trajectories) -> "Figure":
    """Draw the lines of individuals under that of the population, and some individuals alone.

    Parameters
    ----------
    picture : Trajectories

    Returns
    -------
    matplotlib.figure.Figure
        Left all lines, right a small panel an individual, from the least change to the greatest.
    """
    figure = new_figure()
    rows = -(-len(picture.panels) // _COLUMNS)
    grid = figure.add_gridspec(rows, _COLUMNS + 1, width_ratios=(2.0, *[1.0] * _COLUMNS))
    ax = figure.add_subplot(grid[:, 0])
    looks = SIDES if len(picture.population) > 1 else (Style(BLUE, "o", "-"),)
    handles = _draw_all(ax, picture, looks)
    panels = [picture.individuals[k] for k in picture.panels]
    names = shorten_all([one.curve.name for one in panels], 8)
    for k, (one, name) in enumerate(zip(panels, names, strict=True)):
        own = figure.add_subplot(grid[k // _COLUMNS, 1 + k % _COLUMNS], sharey=ax, sharex=ax)
        _draw_one(own, one, looks[one.side])
        own.set_title(f"{shorten(picture.group, 10)} {name}", fontsize=8.5, pad=2.5)
        own.tick_params(labelleft=k % _COLUMNS == 0, labelbottom=k >= len(panels) - _COLUMNS)
    figure.legend(handles=handles, loc="outside upper left", ncols=2)
    figure.supxlabel(shorten(picture.along, 60), fontsize=9.0)
    far = max(abs(end) for end in ax.get_xlim()) >= 1e4  # long labels: only a few fit
    ax.locator_params(axis="x", nbins=1 if far else 5, steps=[1, 2, 5, 10])
    if far:
        ax.ticklabel_format(axis="x", style="plain", useOffset=False)
        for panel in figure.axes:
            panel.tick_params(axis="x", labelrotation=30)
    ax.set_ylabel(shorten(picture.outcome, 40))
    return figure


def _draw_all(ax: "Axes", picture: Trajectories, looks: tuple[Style, ...]) -> "list[Artist]":
    """Draw every line, thin, and the population's over them; give the handles for a legend."""
    several = len(looks) > 1
    for one in picture.individuals:
        line, look = seen(one), looks[one.side]
        colour = look.colour if several else GREY
        ax.plot(line.x, line.centre, color=colour, lw=0.7, alpha=0.5, zorder=2)
    n = len(picture.individuals)
    of = f" of {picture.n_groups:,}" if n < picture.n_groups else ""
    handles = [_sample(GREY, 0.9, f"{n}{of} groups ({shorten(picture.group, 14)})")]
    for curve, look in zip(picture.population, looks, strict=True):
        ax.fill_between(curve.x, curve.lower, curve.upper, color=look.colour, alpha=0.25, lw=0)
        ax.plot(curve.x, curve.centre, color=look.colour, ls=look.line, lw=2.2, zorder=5)
        name = shorten(curve.name, 18)
        handles.append(_sample(look.colour, 2.2, f"{name}, {percent(picture.prob)} band", look))
        if curve.reml is not None:
            reml = engine_style("reml")
            ax.plot(curve.x, curve.reml, color=reml.colour, ls=reml.line, lw=0.8, zorder=6)
    if picture.population[0].reml is not None:
        reml = engine_style("reml")
        handles.append(_sample(reml.colour, 0.8, "REML", reml))
    return handles


def _draw_one(ax: "Axes", one: Individual, look: Style) -> None:
    """Draw one individual's rows, and its own line with its band."""
    line = seen(one)
    alpha = 0.9 if one.x.size <= 30 else 0.4
    ax.plot(one.x, one.y, look.marker, ms=3.4, mew=0.0, color=INK, alpha=alpha, zorder=3.5)
    ax.fill_between(line.x, line.lower, line.upper, color=look.colour, alpha=0.25, lw=0, zorder=3)
    ax.plot(line.x, line.centre, color=look.colour, lw=1.6, zorder=4)
    if line.reml is not None:
        reml = engine_style("reml")
        ax.plot(line.x, line.reml, color=reml.colour, ls=reml.line, lw=0.8, zorder=5)


def _sample(colour: str, width: float, label: str, look: Style | None = None) -> "Artist":
    """Give a line for the legend."""
    from matplotlib.lines import Line2D

    return Line2D(
        [], [], color=colour, lw=width, ls="-" if look is None else look.line, label=label
    )
