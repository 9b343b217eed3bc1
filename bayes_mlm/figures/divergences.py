"""Find where in the posterior a sampler's trajectories diverged."""

from dataclasses import dataclass

import numpy as np

from bayes_mlm.base import Floats, count, number
from bayes_mlm.engines import listed_quantities
from bayes_mlm.figures.data import Text
from bayes_mlm.figures.entry import Entry
from bayes_mlm.figures.lettering import axis_name
from bayes_mlm.figures.parts import legend_key, legend_outside
from bayes_mlm.figures.sampler import nuts_fit
from bayes_mlm.figures.style import GREY, ORANGE, Figure, across, new_figure, styled
from bayes_mlm.fitting import Analysis

_MOST = 3


@dataclass(frozen=True, kw_only=True, eq=False)
class DivergencePanel:
    """Draws of two parameters.

    Parameters
    ----------
    x_name, y_name : str
    x, y : ndarray, shape (S,)
        In the parameters' units; an sd by its logarithm.
    """

    x_name: str
    y_name: str
    x: Floats
    y: Floats


@dataclass(frozen=True, kw_only=True, eq=False)
class Divergences:
    """Draws of a NUTS fit with those that diverged.

    Parameters
    ----------
    model : str
    diverging : ndarray of bool, shape (S,)
    panels : tuple of DivergencePanel
    location : str
        Where the diverging draws lie.
    """

    model: str
    diverging: np.ndarray
    panels: tuple[DivergencePanel, ...]
    location: str

    @property
    def text(self) -> Text:
        """Title, caption and alternative text."""
        many = int(self.diverging.sum())
        pairs = "; ".join(f"{one.y_name} against {one.x_name}" for one in self.panels)
        return Text(
            title=f"Where the sampler diverged ({self.model})",
            caption=f"{count(many, 'draw')} of {self.diverging.size:,} ended a divergent "
            f"trajectory. {self.location} Raise target_accept, or use the other parametrisation.",
            alt=f"Scatter of draws, the diverging ones marked: {pairs}.",
        )


def divergences(analysis: Analysis) -> Divergences | None:
    """Select the parameters in which diverging draws differ most, and plot them pairwise.

    None where no fit is by NUTS, or nothing diverged.
    """
    fit = nuts_fit(analysis)
    if fit is None:
        return None
    diverging = np.ravel(fit.draws.sample_stats["diverging"].values).astype(bool)
    if not diverging.any():
        return None
    named = {}
    for one, name, values in listed_quantities(fit.draws):
        if one.role != "derived":
            sd = one.is_sd
            with np.errstate(divide="ignore"):
                named[f"log {name}" if sd else name] = np.ravel(np.log(values) if sd else values)
    apart = {name: _distance(values, diverging) for name, values in named.items()}
    ranked = sorted(named, key=lambda name: -abs(apart[name]))
    first = ranked[0]
    where = "above" if apart[first] > 0 else "below"
    return Divergences(
        model=analysis.spec.name,
        diverging=diverging,
        panels=tuple(
            DivergencePanel(x_name=first, y_name=other, x=named[first], y=named[other])
            for other in ranked[1 : _MOST + 1]
        ),
        location=f"Their mean of {first} lies {number(abs(apart[first]), 1.0)} sds {where} that of "
        "all draws.",
    )


def _distance(values: Floats, chosen: np.ndarray) -> float:
    sd = float(values.std())
    return float(values[chosen].mean() - values.mean()) / sd if sd > 0 else 0.0


@styled
def plot_divergences(data: Divergences) -> Figure:
    """Draw the draws of some pairs of parameters, those that diverged on top."""
    many = max(1, len(data.panels))
    figure = new_figure(2.9)
    panels = across(figure, many)
    for ax, panel in zip(panels, data.panels, strict=False):
        bad = data.diverging
        ax.plot(panel.x[~bad], panel.y[~bad], "o", ms=1.8, color=GREY, mew=0, alpha=0.5)
        ax.plot(panel.x[bad], panel.y[bad], "X", ms=5.0, color=ORANGE, mec="black", mew=0.4)
        ax.set_xlabel(axis_name(panel.x_name))
        ax.set_ylabel(axis_name(panel.y_name))
    legend_outside(
        figure,
        [
            legend_key(ls="", marker="o", ms=3.0, color=GREY, label="draw"),
            legend_key(ls="", marker="X", ms=5.0, color=ORANGE, mec="black", label="diverged"),
        ],
    )
    return figure


FIGURE = Entry(
    name="divergences",
    title="Divergences",
    shows="the parts of the posterior in which trajectories diverged",
    applies="a fit is by NUTS (--engine nuts), and some trajectory diverged",
    prepare=divergences,
    draw=plot_divergences,
    section="diagnostics",
)
