"""Draw posterior densities, with REML or OLS and what was published below them."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from bayes_mlm.base import percent, shorten
from bayes_mlm.figures.contextual import Contextual
from bayes_mlm.figures.densities import Densities
from bayes_mlm.figures.drawing.style import (
    BLACK,
    BLUE,
    GREY,
    INK,
    ORANGE,
    engine_style,
    new_figure,
    styled,
)
from bayes_mlm.figures.explained import Explained
from bayes_mlm.figures.marks import Marked, Posterior
from bayes_mlm.figures.prior_posterior import AT_MEANS, PriorPosterior

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Heights of the rows below a density of height 1.
_ROW = 0.15
_COLUMNS = 3


@styled
def plot_densities(picture: Densities) -> "Figure":
    """Draw the density of each variance parameter, a panel each.

    Parameters
    ----------
    picture : Densities

    Returns
    -------
    matplotlib.figure.Figure
    """
    many = len(picture.items)
    columns = 2 if many == 4 else min(many, _COLUMNS)
    rows = -(-many // columns)
    figure = new_figure(0.75 + 2.0 * rows)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for ax, item in zip(panels, picture.items, strict=False):
        draw_marked(ax, item)
        ax.set_xlabel(f"{shorten(item.quantity, 28)}\n({shorten(item.unit, 26)})")
    for ax in panels[many:]:
        ax.remove()
    _legend_below(figure, picture.items, picture.prob)
    return figure


@styled
def plot_explained(picture: Explained) -> "Figure":
    """Draw R² by level for each model of a ladder.

    Parameters
    ----------
    picture : Explained

    Returns
    -------
    matplotlib.figure.Figure
    """
    many = len(picture.models)
    figure = new_figure(1.3 + 0.62 * many)
    left, right = figure.subplots(1, 2, sharey=True)
    for ax, items, level in (
        (left, picture.between, "between groups"),
        (right, picture.within, "within groups"),
    ):
        for k, item in enumerate(items):
            _draw_ridge(ax, item, many - 1 - k)
        ax.set_xlabel(f"share explained {level}")
        ax.axvline(0.0, color=GREY, lw=0.8, zorder=0)
        ax.spines["left"].set_visible(False)
        ax.tick_params(axis="y", length=0)
    left.set_yticks(range(many), [shorten(name, 26) for name in picture.models[::-1]])
    left.set_ylim(-0.45, many - 0.1)
    _legend_below(figure, (*picture.between, *picture.within), picture.prob)
    return figure


@styled
def plot_contextual(picture: Contextual) -> "Figure":
    """Draw the slopes within and between groups, and their difference.

    Parameters
    ----------
    picture : Contextual

    Returns
    -------
    matplotlib.figure.Figure
        A row a predictor: left the two slopes on one axis, right their difference.
    """
    many = len(picture.predictors)
    figure = new_figure(0.75 + 2.15 * many)
    panels = figure.subplots(many, 2, squeeze=False, width_ratios=(1.25, 1.0))
    for (left, right), item in zip(panels, picture.predictors, strict=True):
        for place, one in ((1, item.within), (0, item.between)):
            _draw_ridge(left, one, place)
        left.set_yticks([0, 1], ["between\ngroups", "within\ngroups"])
        left.set_ylim(-0.45, 1.95)
        left.tick_params(axis="y", length=0)
        left.spines["left"].set_visible(False)
        outcome = shorten(picture.outcome, 28)
        left.set_xlabel(f"slope ({outcome}\nfor one unit of {shorten(item.predictor, 26)})")
        draw_marked(right, item.difference)
        right.axvline(0.0, color=GREY, lw=0.9, zorder=0)
        right.set_xlabel(f"difference of the slopes\n({outcome})")
        sure = max(item.positive, 1.0 - item.positive)
        sign = ">" if item.positive >= 0.5 else "<"
        shown = "over 99.9 %" if sure > 0.999 else percent(sure)
        right.set_title(f"P(difference {sign} 0): {shown}", fontsize=9)
    items = [one for item in picture.predictors for one in (item.within, item.between)]
    _legend_below(figure, items, picture.prob)
    return figure


@styled
def plot_prior_posterior(picture: PriorPosterior) -> "Figure":
    """Draw each prior over the range of its posterior.

    Parameters
    ----------
    picture : PriorPosterior

    Returns
    -------
    matplotlib.figure.Figure
    """
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    many = len(picture.panels)
    columns = min(many, _COLUMNS)
    rows = -(-many // columns)
    figure = new_figure(0.7 + 1.75 * rows)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for ax, item in zip(panels, picture.panels, strict=False):
        ax.fill_between(item.posterior.x, item.posterior.y, color=BLUE, alpha=0.25, lw=0)
        ax.plot(item.posterior.x, item.posterior.y, color=BLUE, lw=1.3)
        ax.plot(item.x, item.density, color=BLACK, lw=1.2, ls=(0, (4.0, 2.0)))
        ax.hlines(-0.05 * item.posterior.y.max(), item.lower, item.upper, color=BLUE, lw=2.2)
        ax.set_xlim(item.x[0], item.x[-1])
        # A prior without bound at 0 must not press the posterior flat.
        top = min(float(np.max(item.density)), 1.5 * float(item.posterior.y.max()))
        ax.set_ylim(-0.1 * item.posterior.y.max(), 1.08 * max(float(item.posterior.y.max()), top))
        ax.set_yticks([])
        ax.spines["left"].set_visible(False)
        ax.set_title(shorten(item.name.removesuffix(AT_MEANS), 27), fontsize=9)
        where = AT_MEANS if item.name.endswith(AT_MEANS) else ""
        unit = f"{shorten(item.unit, 30 - len(where))}{where}"
        ax.set_xlabel(f"{unit}\n{shorten(item.prior, 30)}", fontsize=8)
        ax.locator_params(axis="x", nbins=4)
    for ax in panels[many:]:
        ax.remove()
    figure.legend(
        handles=[
            Patch(facecolor=BLUE, alpha=0.4, label="posterior"),
            Line2D([], [], color=BLUE, lw=2.2, label=f"its {percent(picture.prob)} interval"),
            Line2D([], [], color=BLACK, lw=1.2, ls=(0, (4.0, 2.0)), label="prior, named below"),
        ],
        loc="outside lower center",
        ncols=3,
    )
    return figure


def draw_marked(ax: "Axes", item: Marked) -> None:
    """Draw the densities of a quantity; below them a row for each estimate of it."""
    top = max(
        (float(one.density.y.max()) for one in item.posteriors if one.density is not None),
        default=1.0,
    )
    y = -0.12
    for one in item.posteriors:
        style = engine_style(one.engine)
        if one.density is not None:
            ax.plot(one.density.x, one.density.y / top, color=style.colour, ls=style.line, lw=1.4)
            if one is item.posteriors[0]:
                _fill(ax, one, top)
        _draw_row(ax, y, one.mean, one.lower, one.upper, one.engine)
        y -= _ROW
    if item.classical is not None:
        known = item.classical
        _draw_row(ax, y, known.estimate, known.lower, known.upper, known.engine)
        y -= _ROW
    if item.published:
        _draw_published(ax, item, y)
        y -= _ROW
    ax.axhline(0.0, color=INK, lw=0.6)
    ax.set_ylim(y + 0.02, 1.06)
    ax.set_yticks([])
    ax.spines["left"].set_visible(False)
    ax.locator_params(axis="x", nbins=4)


def _fill(ax: "Axes", one: Posterior, top: float) -> None:
    """Shade the density, darker inside the interval."""
    assert one.density is not None  # for mypy: the caller looked
    x, y, colour = one.density.x, one.density.y / top, engine_style(one.engine).colour
    ax.fill_between(x, y, color=colour, alpha=0.12, lw=0)
    inside = (x >= one.lower) & (x <= one.upper)
    ax.fill_between(x, y, where=inside.tolist(), color=colour, alpha=0.22, lw=0)


def _draw_row(
    ax: "Axes", y: float, middle: float, lower: float | None, upper: float | None, engine: str
) -> None:
    style = engine_style(engine)
    if lower is not None and upper is not None:
        ax.plot([lower, upper], [y, y], color=style.colour, lw=1.6, solid_capstyle="butt")
    ax.plot(middle, y, style.marker, color=style.colour, ms=4.5, zorder=4)


def _draw_published(ax: "Axes", item: Marked, y: float) -> None:
    style = engine_style("published")
    for one in item.published:
        ax.plot(
            one.value,
            y,
            style.marker,
            ms=6.0,
            mec=style.colour,
            mfc=style.colour if one.stands else "white",
            mew=0.9,
            zorder=4,
        )


def _draw_ridge(ax: "Axes", item: Marked, base: float) -> None:
    """Draw one quantity on a line of its own: density above, estimates below."""
    for k, one in enumerate(item.posteriors):
        style = engine_style(one.engine)
        if one.density is not None and k == 0:
            y = base + 0.62 * one.density.y / one.density.y.max()
            ax.fill_between(one.density.x, base, y, color=style.colour, alpha=0.25, lw=0)
            ax.plot(one.density.x, y, color=style.colour, lw=1.1)
        _draw_row(ax, base - 0.07 - 0.11 * k, one.mean, one.lower, one.upper, one.engine)
    below = base - 0.07 - 0.11 * len(item.posteriors)
    if item.classical is not None:
        known = item.classical
        _draw_row(ax, below, known.estimate, known.lower, known.upper, known.engine)
    if item.published:
        _draw_published(ax, item, below)


def _legend_below(figure: "Figure", items: Iterable[Marked], prob: float) -> None:
    """Name under the figure whatever marks are in it."""
    from matplotlib.lines import Line2D

    items = list(items)
    engines = dict.fromkeys(one.engine for item in items for one in item.posteriors)
    handles: list[Any] = []
    for engine in engines:
        style = engine_style(engine)
        text = f"posterior mean, {percent(prob)} HDI ({engine})"
        handles.append(
            Line2D([], [], color=style.colour, marker=style.marker, ms=4.5, lw=1.6, label=text)
        )
    for engine in dict.fromkeys(item.classical.engine for item in items if item.classical):
        style = engine_style(engine)
        span = any(item.classical.lower is not None for item in items if item.classical)
        text = f"{engine.upper()}, {percent(prob)} interval" if span else engine.upper()
        handles.append(
            Line2D(
                [],
                [],
                color=style.colour,
                marker=style.marker,
                ms=4.5,
                ls="-" if span else "",
                lw=1.6,
                label=text,
            )
        )
    style = engine_style("published")
    for stands, text in ((True, "published"), (False, "published, and corrected here")):
        if any(one.stands is stands for item in items for one in item.published):
            handles.append(
                Line2D(
                    [],
                    [],
                    ls="",
                    marker=style.marker,
                    ms=6.0,
                    mec=ORANGE,
                    mfc=ORANGE if stands else "white",
                    label=text,
                )
            )
    figure.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), 2))
