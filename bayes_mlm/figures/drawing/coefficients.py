"""Draw the coefficients of a ladder of models."""

from typing import TYPE_CHECKING

from bayes_mlm.base import percent, shorten
from bayes_mlm.figures.coefficients import Coefficients
from bayes_mlm.figures.drawing.style import BAND, GREY, engine_style, new_figure, styled
from bayes_mlm.figures.marks import Marked

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@styled
def plot_coefficients(picture: Coefficients) -> "Figure":
    """Draw each coefficient in every model that has it, engine beside engine.

    Parameters
    ----------
    picture : Coefficients

    Returns
    -------
    matplotlib.figure.Figure
        A panel a coefficient, a row a model.
    """
    from matplotlib.lines import Line2D

    sizes = [len(row.items) for row in picture.terms]
    figure = new_figure(0.6 + 0.19 * sum(sizes) + 0.62 * len(sizes))
    panels = figure.subplots(len(sizes), 1, squeeze=False, height_ratios=[n + 0.9 for n in sizes])
    engines: dict[str, None] = {}
    for ax, row in zip(panels.ravel(), picture.terms, strict=True):
        for k, item in enumerate(row.items):
            if k % 2 == 0:
                ax.axhspan(k - 0.5, k + 0.5, color=BAND, lw=0, zorder=0)
            engines |= dict.fromkeys(_draw(ax, item, k))
        ax.axvline(0.0, color=GREY, lw=0.9, zorder=1)
        ax.set_yticks(range(len(row.models)), [shorten(name, 30) for name in row.models])
        ax.set_ylim(len(row.models) - 0.5, -0.5)
        ax.tick_params(axis="y", length=0)
        ax.spines["left"].set_visible(False)
        ax.set_title(f"{shorten(row.term, 44)} ({shorten(picture.outcome, 26)})", fontsize=9)
    classical = [engine.upper() for engine in ("reml", "ols") if engine in engines]
    named: dict[str, str] = {e: e for e in ("direct", "nuts") if e in engines}
    named |= {classical[0].lower(): " or ".join(classical)} if classical else {}
    handles = [
        Line2D(
            [],
            [],
            color=engine_style(engine).colour,
            marker=engine_style(engine).marker,
            ms=4.0,
            lw=1.4,
            label=label,
        )
        for engine, label in named.items()
    ]
    figure.legend(
        handles=handles,
        loc="outside lower center",
        ncols=len(handles),
        title=f"estimate with {percent(picture.prob)} interval",
        title_fontsize=8.5,
    )
    return figure


def _draw(ax: "Axes", item: Marked, y: float) -> list[str]:
    """Draw the engines of one row one under the other; give their names."""
    rows: list[tuple[str, float, float | None, float | None]] = [
        (one.engine, one.mean, one.lower, one.upper) for one in item.posteriors
    ]
    if item.classical is not None:
        known = item.classical
        rows.append((known.engine, known.estimate, known.lower, known.upper))
    step = 0.62 / len(rows)
    for k, (engine, middle, lower, upper) in enumerate(rows):
        style = engine_style(engine)
        at = y + step * (k - (len(rows) - 1) / 2)
        if lower is not None and upper is not None:
            ax.plot([lower, upper], [at, at], color=style.colour, lw=1.3, zorder=2)
        ax.plot(middle, at, style.marker, color=style.colour, ms=3.4, zorder=3)
    return [engine for engine, *_ in rows]
