"""Draw residuals of rows and of groups, and their quantiles against normal ones."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from bayes_mlm.assess import NormalQQ
from bayes_mlm.base import count, shorten
from bayes_mlm.figures.drawing.parts import draw_rows
from bayes_mlm.figures.drawing.style import BLUE, INK, ORANGE, new_figure, styled
from bayes_mlm.figures.residuals import GroupResiduals, RowResiduals

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SHADE = "#D9D9D9"


@styled
def plot_row_residuals(picture: RowResiduals) -> "Figure":
    """Draw residuals against fitted values, and their Q-Q plot.

    Parameters
    ----------
    picture : RowResiduals

    Returns
    -------
    matplotlib.figure.Figure
    """
    from matplotlib.lines import Line2D

    figure = new_figure(3.5)
    left, right = figure.subplots(1, 2, width_ratios=(1.25, 1.0))
    rows = draw_rows(left, picture.fitted, picture.residual)
    left.axhline(0.0, color=INK, lw=0.8)
    left.errorbar(
        picture.at,
        picture.mean,
        yerr=[picture.mean - picture.low, picture.high - picture.mean],
        fmt="o",
        ms=3.5,
        color=ORANGE,
        lw=1.2,
        zorder=5,
    )
    left.set_xlabel(f"fitted {shorten(picture.outcome, 30)}")
    left.set_ylabel("residual, in sigma_e")
    told = Line2D([], [], marker="o", ms=3.5, color=ORANGE, lw=1.2, label="mean, ± 2 se")
    if picture.qq is not None:
        _draw_qq(right, picture.qq)
        right.set_ylabel("standardised residual")
        chosen = "" if picture.qq.n == picture.residual.size else f"{picture.qq.n:,} of "
        right.set_xlabel(f"normal quantile ({chosen}{count(picture.residual.size, 'row')})")
    else:
        right.remove()
    _legend_below(figure, *([picture.qq] if picture.qq else []), before=[rows, told])
    return figure


@styled
def plot_group_residuals(picture: GroupResiduals) -> "Figure":
    """Draw the Q-Q plot of each effect of the groups.

    Parameters
    ----------
    picture : GroupResiduals

    Returns
    -------
    matplotlib.figure.Figure
    """
    many = len(picture.curves)
    figure = new_figure(3.6 if many < 3 else 2.9)
    panels = figure.subplots(1, many, squeeze=False).ravel()
    for ax, effect, curve, named in zip(
        panels, picture.effects, picture.curves, picture.named, strict=True
    ):
        _draw_qq(ax, curve)
        what = "" if many == 1 else f"{shorten(effect, 18)} "
        ax.set_ylabel(f"standardised {what}effect")
        for place, label in named:
            x, y = float(curve.expected[place]), float(curve.found[place])
            ax.annotate(
                label,
                (x, y),
                (6.0 if x < 0 else -6.0, 0.0),
                textcoords="offset points",
                ha="left" if x < 0 else "right",
                va="center",
                fontsize=8,
            )
        ax.set_xlabel(f"normal quantile ({count(curve.n, 'group')})")
    _legend_below(figure, *picture.curves)
    return figure


def _draw_qq(ax: "Axes", curve: NormalQQ) -> None:
    ends = [float(curve.expected[0]), float(curve.expected[-1])]
    ax.fill_between(curve.expected, curve.lower, curve.upper, color=_SHADE, lw=0)
    ax.plot(ends, ends, color=INK, lw=0.9)
    out = curve.outside
    ax.plot(curve.expected[~out], curve.found[~out], "o", ms=2.8, color=BLUE, mew=0)
    ax.plot(curve.expected[out], curve.found[out], "D", ms=3.2, color=ORANGE, mew=0)


def _legend_below(figure: "Figure", *curves: NormalQQ, before: Sequence[Any] = ()) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles = [*before]
    if curves:
        handles.append(Patch(facecolor=_SHADE, label="95 % of normal samples"))
    if any(curve.outside.any() for curve in curves):
        handles.append(
            Line2D([], [], ls="", marker="D", ms=3.2, color=ORANGE, label="outside them")
        )
    figure.legend(handles=handles, loc="outside lower center", ncols=2)
