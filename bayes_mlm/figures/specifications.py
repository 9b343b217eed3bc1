"""Draw a specification curve: a coefficient in every model of a multiverse, and their choices."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bayes_mlm.assess import Multiverse, SpecificationRow
from bayes_mlm.base import count, expect, level
from bayes_mlm.figures.lettering import embolden
from bayes_mlm.figures.parts import legend_key, legend_outside
from bayes_mlm.figures.style import (
    BLUE,
    GREY,
    INK,
    ORANGE,
    Axes,
    Figure,
    new_figure,
    styled,
)

# Models that are drawn at most: of more, as many at even steps of the order of the estimates.
_MOST = 1000
# Inches of the curve, and of a line of the choices.
_CURVE, _LINE = 2.6, 0.19


@styled
def plot_specification_curve(found: Multiverse) -> Figure:
    """Draw the estimates of a coefficient in order of size, above the options of each model.

    Parameters
    ----------
    found : Multiverse
        Of `bayes_mlm.multiverse`; its first coefficient is drawn, ``found.of("sector")`` is of
        another. Of more than a thousand models a thousand are drawn, at even steps of the order,
        the lowest and the highest among them.

    Returns
    -------
    matplotlib.figure.Figure
        REML estimates with intervals, zero, and the average if there is one; below, a mark where
        a model takes an option. The choices that move the estimate most are at the top.

    References
    ----------
    Simonsohn, Simmons & Nelson (2020), Nature Human Behaviour 4.

    Examples
    --------
    >>> from bayes_mlm import multiverse
    >>> found = multiverse("mathach ~ ses + (1 | schoolid)", "hsb", ["minority", "sector"],
    ...                    posterior=False)
    >>> figure = plot_specification_curve(found)
    >>> [label.get_text() for label in figure.axes[1].get_yticklabels()]
    ['with', 'without', 'with', 'without']
    """
    expect("plot_specification_curve", found, Multiverse)
    name = found[0].term
    rows = sorted(found.specifications.where(term=name), key=lambda row: row.estimate)
    total = len(rows)
    shown = np.unique(np.linspace(0, total - 1, min(total, _MOST)).round().astype(int))
    rows = [rows[place] for place in shown]
    blocks = _blocks(found, name, rows)
    lines = sum(len(one.options) for one in blocks) + len(blocks)
    figure = new_figure(_CURVE + _LINE * lines + 0.6)
    grid = figure.add_gridspec(2, 1, height_ratios=(_CURVE, _LINE * lines))
    top = figure.add_subplot(grid[0])
    bottom = figure.add_subplot(grid[1], sharex=top)
    x = shown + 1
    _draw_curve(top, found, name, rows, x)
    _draw_options(bottom, blocks, x)
    top.tick_params(labelbottom=False)
    top.set_ylabel(f"effect of {name}")
    few = "" if len(rows) == total else f" ({count(len(rows))} drawn)"
    bottom.set_xlabel(f"{count(total, 'model')} in the order of the estimate{few}")
    handles = [legend_key(color=BLUE, marker="o", ls="", label="estimate (REML)")]
    handles += [legend_key(color=GREY, lw=2.0, label=f"{level(found.prob)} interval")]
    if found[name].stacked is not None:
        handles.append(legend_key(color=ORANGE, lw=1.2, label="averaged by stacking"))
    legend_outside(figure, handles, loc="outside upper center")
    return figure


@dataclass(frozen=True, kw_only=True)
class _Block:
    """A choice: its options, and which of them each model takes (by place)."""

    name: str
    options: tuple[str, ...]
    taken: np.ndarray


def _blocks(found: Multiverse, term: str, rows: Sequence[SpecificationRow]) -> list[_Block]:
    """Return the choices, those that move the estimate most first."""
    ranked = [change.choice for change in found.changes.where(term=term)]
    names = list(dict.fromkeys((*ranked, *found.models.choices)))
    of_model = found.models.options
    blocks = []
    for name in names:
        place = found.models.choices.index(name)
        options = tuple(dict.fromkeys(taken[place] for taken in of_model))
        by_row = [options.index(of_model[row.specification - 1][place]) for row in rows]
        blocks.append(_Block(name=name, options=options, taken=np.array(by_row)))
    return blocks


def _draw_curve(
    axes: Axes,
    found: Multiverse,
    term: str,
    rows: Sequence[SpecificationRow],
    x: np.ndarray,
) -> None:
    estimate, lower, upper = np.array([(r.estimate, r.lower, r.upper) for r in rows]).T
    if len(rows) > 100:  # bars of their own would run into one another
        axes.fill_between(x, lower, upper, color=GREY, alpha=0.35, lw=0.0)
    else:
        axes.vlines(x, lower, upper, color=GREY, lw=1.6, alpha=0.8)
    size = 3.5 if len(rows) <= 100 else 1.5
    axes.plot(x, estimate, color=BLUE, marker="o", ms=size, ls="", zorder=3)
    row = found[term]
    if row.stacked is not None and row.stacked_lower is not None and row.stacked_upper is not None:
        axes.axhline(row.stacked, color=ORANGE, lw=1.2, zorder=2)
        axes.axhspan(row.stacked_lower, row.stacked_upper, color=ORANGE, alpha=0.12, lw=0.0)
    low, high = min(lower.min(), 0.0), max(upper.max(), 0.0)
    if max(abs(low), abs(high)) < 3.0 * (upper.max() - lower.min()):  # zero is in sight
        axes.axhline(0.0, color=INK, lw=0.8, zorder=1)
    axes.margins(x=0.01)


def _draw_options(axes: Axes, blocks: Sequence[_Block], x: np.ndarray) -> None:
    """Draw a line for each option, under the name of its choice, with a mark at its models."""
    y, ticks, labels = 0.0, [], []
    few = len(x) <= 100
    for block in blocks:
        name = axes.annotate(
            block.name,
            xy=(0.0, y),
            xycoords=("axes fraction", "data"),
            xytext=(4.0, 0.0),
            textcoords="offset points",
            va="center",
            ha="left",
            fontsize="small",
            color=INK,
        )
        embolden(name)
        y -= 1.0
        for place in reversed(range(len(block.options))):
            at = x[block.taken == place]
            axes.plot(
                at,
                np.full(at.size, y),
                color=BLUE if few else INK,
                marker="|",
                ms=7.0 if few else 5.0,
                mew=1.6 if few else 0.6,
                ls="",
            )
            ticks.append(y)
            labels.append(block.options[place])
            y -= 1.0
    axes.set_yticks(ticks, labels, fontsize="small")
    axes.set_ylim(y + 0.4, 0.7)
    axes.grid(visible=False)
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
