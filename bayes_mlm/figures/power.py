"""Draw the power of designs of a study."""

from collections.abc import Sequence

import numpy as np

from bayes_mlm.base import EngineError, scaled
from bayes_mlm.figures.parts import legend_key
from bayes_mlm.figures.style import (
    BLUE,
    GREY,
    Axes,
    Figure,
    Style,
    across,
    model_styles,
    new_figure,
    styled,
)
from bayes_mlm.planning import StudyPlan, StudyPlanRow

# What may vary along the axis, in order of preference, and how it is called there and in keys.
_AXES = {
    "groups": "number of groups",
    "effect": "effect ({})",
    "size": "rows a group",
}
_KEYS = {"size": "{:g} a group", "effect": "effect {:g}", "groups": "{:g} groups"}
# Most panels side by side; power that most studies are planned for.
_PANELS, _WANTED = 3, 0.8
# Fewest numbers along each axis of contours, and the powers that these are of.
_GRID, _LEVELS = 3, (0.3, 0.5, 0.7, 0.8, 0.9, 0.95)


@styled
def plot_power(plan: StudyPlan) -> Figure:
    """Draw power along groups, effects or sizes: a panel an icc, a line of each other design.

    Points are simulated, with twice their Monte Carlo error; dashed lines are the closed form,
    which takes variances as known.

    Parameters
    ----------
    plan : StudyPlan
        Of `bayes_mlm.plan_study`. Of more than three iccs the first three are drawn.

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> from bayes_mlm import plan_study
    >>> figure = plot_power(plan_study([20, 40], [5, 10], 0.1, 0.5, n=100))
    >>> [axes.get_xlabel() for axes in figure.axes]
    ['number of groups']
    """
    varied = [name for name in _AXES if len({getattr(row, name) for row in plan}) > 1]
    along = varied[0] if varied else "groups"
    others = [name for name in _AXES if name in varied[1:]]
    iccs = list(dict.fromkeys(row.icc for row in plan))[:_PANELS]
    keys = list(dict.fromkeys(_key(row, others) for row in plan))
    styles = model_styles(keys)
    figure = new_figure(3.4)
    panels = across(figure, len(iccs))
    for axes, icc in zip(panels, iccs, strict=True):
        for key in keys:
            rows = [row for row in plan if row.icc == icc and _key(row, others) == key]
            _draw(axes, sorted(rows, key=lambda row: getattr(row, along)), along, styles[key])
        axes.axhline(_WANTED, color=GREY, lw=0.8, zorder=0)
        axes.set_ylim(0.0, 1.02)
        axes.set_xlabel(_AXES[along].format(plan.units))
        axes.set_title(f"icc {scaled(icc, 2)}")
    panels[0].set_ylabel("power")
    shown = [
        legend_key(color=styles[key].colour, marker=styles[key].marker, lw=1.3, label=key)
        for key in keys
        if key
    ]
    shown.append(legend_key(color=GREY, ls="--", label="closed form"))
    figure.legend(handles=shown, loc="outside lower center", ncols=min(4, len(shown)))
    return figure


def _key(row: StudyPlanRow, others: Sequence[str]) -> str:
    return ", ".join(_KEYS[name].format(getattr(row, name)) for name in others)


def _draw(axes: Axes, rows: Sequence[StudyPlanRow], along: str, style: Style) -> None:
    x = [getattr(row, along) for row in rows]
    axes.errorbar(
        x,
        [row.power for row in rows],
        [2.0 * row.mcse for row in rows],
        color=style.colour,
        marker=style.marker,
        ms=4.5,
        lw=1.3,
        elinewidth=0.9,
    )
    axes.plot(x, [row.closed_form for row in rows], color=style.colour, ls="--", lw=0.9)


@styled
def plot_power_contours(plan: StudyPlan) -> Figure:
    """Draw lines of equal power over numbers of groups and their sizes, and of equal cost.

    Parameters
    ----------
    plan : StudyPlan
        Of three or more numbers of groups and three or more sizes, at one icc and one effect.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    EngineError
        If there are fewer, or several iccs or effects.

    Examples
    --------
    >>> from bayes_mlm import plan_study
    >>> plan = plan_study([20, 40, 80], [5, 10, 20], 0.1, 0.4, n=100, cost_group=50, cost_row=2)
    >>> plot_power_contours(plan).axes[0].get_ylabel()
    'rows a group'
    """
    groups, sizes, iccs, effects = (
        sorted({getattr(row, name) for row in plan}) for name in ("groups", "size", "icc", "effect")
    )
    if min(len(groups), len(sizes)) < _GRID or len(iccs) * len(effects) > 1:
        raise EngineError(
            f"contours need {_GRID} numbers of groups and {_GRID} sizes or more, at one icc and "
            f"one effect; found {len(groups)}, {len(sizes)}, {len(iccs)} and {len(effects)}"
        )
    by = {(row.groups, row.size): row for row in plan}
    power, cost = (
        np.array([[getattr(by[one, size], name) for one in groups] for size in sizes])
        for name in ("power", "cost")
    )
    figure = new_figure(3.6)
    axes = figure.add_subplot()
    lines = axes.contour(groups, sizes, power, levels=_LEVELS, colors=BLUE, linewidths=1.4)
    axes.clabel(lines, fmt=lambda value: f"power {value:.2g}", fontsize=7)
    shown = [legend_key(color=BLUE, lw=1.4, label="equal power")]
    if np.isfinite(cost).all():
        lines = axes.contour(groups, sizes, cost, 6, colors=GREY, linewidths=0.9, linestyles="--")
        axes.clabel(lines, fmt=lambda value: f"{value:,.0f}", fontsize=7)
        shown.append(legend_key(color=GREY, lw=0.9, ls="--", label="equal cost"))
    axes.set_xlabel(_AXES["groups"])
    axes.set_ylabel(_AXES["size"])
    axes.set_title(f"icc {scaled(iccs[0], 2)}, effect {scaled(effects[0], 2)}")
    figure.legend(handles=shown, loc="outside lower center", ncols=2)
    return figure
