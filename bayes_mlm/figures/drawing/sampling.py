"""Draw how a sampler went: its course, its energy, its convergence, its divergences."""

from typing import TYPE_CHECKING

import numpy as np

from bayes_mlm.base import count, scaled, shorten
from bayes_mlm.figures.convergence import Converged
from bayes_mlm.figures.divergences import Divergences
from bayes_mlm.figures.drawing.parts import legend_above
from bayes_mlm.figures.drawing.style import (
    BAND,
    BLACK,
    BLUE,
    GREEN,
    GREY,
    INK,
    ORANGE,
    PINK,
    axes_or_new,
    figure_of,
    new_figure,
    styled,
)
from bayes_mlm.figures.energy import Energy
from bayes_mlm.figures.traces import Traces

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_CHAINS = (BLUE, ORANGE, GREEN, PINK, BLACK, GREY)
_DASHES = ("-", (0, (5.0, 1.2)), (0, (1.2, 1.0)), (0, (5.0, 1.2, 1.2, 1.2)))
# Points of a trace that can be told apart at this width.
_MOST_POINTS = 400


@styled
def plot_traces(picture: Traces) -> "Figure":
    """Draw the draws of each parameter in order, and the counts of their ranks by chain.

    Parameters
    ----------
    picture : Traces

    Returns
    -------
    matplotlib.figure.Figure
        A row a parameter.
    """
    many = len(picture.traces)
    figure = new_figure(0.6 + 1.2 * many)
    panels = figure.subplots(many, 2, squeeze=False, width_ratios=(1.7, 1.0), sharex="col")
    for (left, right), trace in zip(panels, picture.traces, strict=True):
        chains, draws = trace.values.shape
        step = max(1, draws // _MOST_POINTS)
        edges = np.linspace(0.0, 100.0, trace.ranks.shape[1] + 1)
        right.axhspan(picture.lower, picture.upper, color="#E3E3E3", lw=0, zorder=0)
        for chain in range(chains):
            colour, dash = _CHAINS[chain % len(_CHAINS)], _DASHES[chain % len(_DASHES)]
            left.plot(
                np.arange(0, draws, step),
                trace.values[chain, ::step],
                color=colour,
                lw=0.5,
                alpha=0.75,
            )
            right.stairs(trace.ranks[chain], edges, color=colour, lw=1.1, ls=dash, baseline=None)
        left.set_title(shorten(trace.name, 40), fontsize=9, pad=2.0)
        left.locator_params(axis="y", nbins=4)
        right.set_ylim(0.0, max(1.4 * picture.upper, 1.1 * float(trace.ranks.max())))
        right.yaxis.tick_right()
        right.spines[["left", "right"]].set_visible(False)
        right.locator_params(axis="y", nbins=3)
    chains = picture.traces[0].values.shape[0]
    panels[-1, 0].set_xlabel(f"draw ({count(chains, 'chain')}, a colour each)")
    panels[-1, 1].set_xlabel("rank among all draws, %")
    panels[0, 1].set_title("draws of a chain in each 5 %", fontsize=9, pad=2.0)
    return figure


@styled
def plot_energy(picture: Energy, *, ax: "Axes | None" = None) -> "Figure":
    """Draw the energies about their mean, and the steps between them.

    Parameters
    ----------
    picture : Energy
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib.figure.Figure
    """
    ax = axes_or_new(ax, 3.0)
    ax.fill_between(picture.marginal.x, picture.marginal.y, color=BLUE, alpha=0.2, lw=0)
    ax.plot(picture.marginal.x, picture.marginal.y, color=BLUE, lw=1.5, label="energy, centred")
    ax.plot(
        picture.steps.x,
        picture.steps.y,
        color=ORANGE,
        lw=1.5,
        ls=_DASHES[1],
        label="step from one draw to the next",
    )
    ax.set_ylim(bottom=0.0)
    ax.set_yticks([])
    ax.spines["left"].set_visible(False)
    ax.set_xlabel("energy (minus log posterior density, with the momenta)")
    told = ", ".join(scaled(value, 2) for value in picture.ebfmi[:8])
    ax.set_title(f"E-BFMI by chain: {told}", fontsize=9, pad=20.0)
    legend_above(ax, ax.get_legend_handles_labels()[0])
    return figure_of(ax)


@styled
def plot_convergence(picture: Converged) -> "Figure":
    """Draw R-hat and effective sample sizes of every parameter, by variable.

    Parameters
    ----------
    picture : Converged

    Returns
    -------
    matplotlib.figure.Figure
    """
    from matplotlib.lines import Line2D

    many = len(picture.families)
    figure = new_figure(1.0 + 0.42 * many)
    left, right = figure.subplots(1, 2, sharey=True)
    for k, family in enumerate(picture.families):
        size = family.r_hat.size
        # Spread over the row, in order, so that hundreds of group effects can be seen.
        spread = np.linspace(-0.28, 0.28, size) if size > 1 else np.zeros(1)
        dot = 4.5 if size <= 30 else 2.5
        if k % 2 == 0:
            for ax in (left, right):
                ax.axhspan(k - 0.5, k + 0.5, color=BAND, lw=0, zorder=0)
        left.plot(family.r_hat, k + spread, "o", ms=dot, color=BLUE, mew=0, alpha=0.8)
        right.plot(family.ess_bulk, k + spread - 0.06, "o", ms=dot, color=BLUE, mew=0, alpha=0.8)
        right.plot(family.ess_tail, k + spread + 0.06, "^", ms=dot, color=ORANGE, mew=0, alpha=0.8)
    for ax, limit in ((left, picture.max_r_hat), (right, picture.min_ess)):
        ax.axvline(limit, color=INK, lw=1.0, ls="--")
        ax.tick_params(axis="y", length=0)
        ax.spines["left"].set_visible(False)
    left.set_yticks(
        range(many),
        [
            name if len(family.labels) == 1 else f"{name} ({len(family.labels)})"
            for family in picture.families
            for name in (family.name,)
        ],
    )
    left.set_ylim(many - 0.5, -0.5)
    left.set_xlabel("R-hat")
    right.set_xlabel(f"effective sample size (of {count(picture.n_draws)} draws)")
    right.set_xlim(left=0.0)
    line = Line2D([], [], color=INK, lw=1.0, ls="--", label="limit")
    legend_above(left, [line], columns=1)
    legend_above(
        right,
        [
            Line2D([], [], ls="", marker="o", ms=4.5, color=BLUE, label="bulk"),
            Line2D([], [], ls="", marker="^", ms=4.5, color=ORANGE, label="tail"),
            line,
        ],
        columns=3,
    )
    return figure


@styled
def plot_divergences(picture: Divergences) -> "Figure":
    """Draw the draws of some pairs of parameters, those that diverged on top.

    Parameters
    ----------
    picture : Divergences

    Returns
    -------
    matplotlib.figure.Figure
    """
    from matplotlib.lines import Line2D

    many = max(1, len(picture.panels))
    figure = new_figure(2.9)
    panels = np.atleast_1d(figure.subplots(1, many))
    for ax, panel in zip(panels, picture.panels, strict=False):
        bad = picture.diverging
        ax.plot(panel.x[~bad], panel.y[~bad], "o", ms=1.8, color=GREY, mew=0, alpha=0.5)
        ax.plot(panel.x[bad], panel.y[bad], "X", ms=5.0, color=ORANGE, mec="black", mew=0.4)
        ax.set_xlabel(shorten(panel.x_name, 26))
        ax.set_ylabel(shorten(panel.y_name, 26))
    figure.legend(
        handles=[
            Line2D([], [], ls="", marker="o", ms=3.0, color=GREY, label="draw"),
            Line2D([], [], ls="", marker="X", ms=5.0, color=ORANGE, mec="black", label="diverged"),
        ],
        loc="outside lower center",
        ncols=2,
    )
    return figure
