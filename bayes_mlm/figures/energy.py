"""Compare the energies that a Hamiltonian sampler visits with the steps it takes between them."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bayes_mlm.base import Floats, count, scaled
from bayes_mlm.engines import MIN_EBFMI
from bayes_mlm.figures.density import Density, density_of
from bayes_mlm.figures.entry import Entry
from bayes_mlm.figures.parts import legend_above
from bayes_mlm.figures.style import (
    BLUE,
    ORANGE,
    axes_or_new,
    figure_of,
    styled,
)
from bayes_mlm.fitting import Analysis, Fit

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_DASHES = ("-", (0, (5.0, 1.2)), (0, (1.2, 1.0)), (0, (5.0, 1.2, 1.2, 1.2)))


@dataclass(frozen=True, kw_only=True, eq=False)
class Energy:
    """Hold the energies of a NUTS run.

    Parameters
    ----------
    model : str
    marginal, steps : Density
        Energies less their mean, and changes from one draw to the next, all chains together.
    ebfmi : ndarray, shape (chains,)
        Mean squared step over the variance of the energy.
    """

    model: str
    marginal: Density
    steps: Density
    ebfmi: Floats

    @property
    def title(self) -> str:
        """What the figure is of."""
        return f"Energy of the NUTS draws ({self.model})"

    @property
    def caption(self) -> str:
        """What there is to see."""
        least = float(self.ebfmi.min())
        low = int(np.count_nonzero(self.ebfmi < MIN_EBFMI))
        judged = (
            f"above {MIN_EBFMI} in every chain: the sampler moves between energies freely"
            if low == 0
            else f"below {MIN_EBFMI} in {count(low, 'chain')}: the steps are too small to reach "
            "the tails; raise --tune, or use the other parametrisation"
        )
        return (
            "Where the steps are as wide as the energies, draws pass from one energy to another "
            f"in a step. The smallest E-BFMI is {scaled(least, 2)}, {judged}."
        )

    @property
    def alt(self) -> str:
        """What is drawn."""
        return "Two density curves: energies about their mean, and steps from draw to draw."


def energy(analysis: Analysis) -> Energy | None:
    """Compute the energy picture of a NUTS fit.

    Returns
    -------
    Energy or None
        None where no fit is by NUTS.

    References
    ----------
    Betancourt (2016), arXiv:1604.00695.
    """
    fit = nuts_fit(analysis)
    if fit is None:
        return None
    values = fit.draws.sample_stats["energy"].values.astype(np.float64)
    steps = np.diff(values, axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        ebfmi = np.square(steps).mean(axis=1) / values.var(axis=1)
    return Energy(
        model=analysis.spec.name,
        marginal=density_of(values - values.mean()),
        steps=density_of(steps),
        ebfmi=np.asarray(ebfmi),
    )


def nuts_fit(analysis: Analysis) -> Fit | None:
    """Give the fit by NUTS, if there is one."""
    return next((fit for fit in analysis.fits if fit.engine == "nuts"), None)


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


FIGURE = Entry(
    name="energy",
    title="Energy",
    shows="energies of the NUTS draws beside the steps between them",
    applies="a fit is by NUTS (--engine nuts)",
    of="model",
    prepare=energy,
    draw=plot_energy,
    section="diagnostics",
)
