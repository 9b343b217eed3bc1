"""Energy plot of a NUTS run."""

import numpy as np

from bayes_mlm.base import Floats, count, scaled
from bayes_mlm.engines import MIN_EBFMI
from bayes_mlm.figures.data import Text
from bayes_mlm.figures.entry import Entry
from bayes_mlm.figures.sampler import SamplerFigure, draw_with_arviz, nuts_fit
from bayes_mlm.figures.style import Figure, styled
from bayes_mlm.fitting import Analysis


def energy(analysis: Analysis) -> SamplerFigure | None:
    """Return the energies of a NUTS run and their E-BFMI; None without NUTS.

    References
    ----------
    Betancourt (2016), arXiv:1604.00695.
    """
    fit = nuts_fit(analysis)
    if fit is None:
        return None
    values = fit.draws.sample_stats["energy"].values.astype(np.float64)
    ebfmi = ebfmi_of(values)
    low = int(np.count_nonzero(ebfmi < MIN_EBFMI))
    verdict = (
        f"above {MIN_EBFMI} in every chain"
        if low == 0
        else f"below {MIN_EBFMI} in {count(low, 'chain')}: the tails are explored slowly; raise "
        "--tune, or use the other parametrisation"
    )
    return SamplerFigure(
        text=Text(
            title=f"Energy ({analysis.spec.name}, nuts)",
            caption=(
                "Marginal distribution of the energy, and of its change from draw to draw; the "
                "sampler explores well where the two are about as wide. The smallest E-BFMI is "
                f"{scaled(float(ebfmi.min()), 2)}, {verdict}."
            ),
            alt="E-BFMI of each chain (left); densities of the energy and of its transitions "
            "(right).",
        ),
        values={"energy": values},
    )


def ebfmi_of(energies: Floats) -> Floats:
    """Return the mean squared transition over the variance of the energy, by chain.

    Parameters
    ----------
    energies : ndarray, shape (chains, draws)

    Returns
    -------
    ndarray, shape (chains,)

    Examples
    --------
    >>> ebfmi_of(np.array([[1.0, -1.0, 1.0, -1.0]])).tolist()
    [4.0]
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        found: Floats = np.square(np.diff(energies, axis=1)).mean(axis=1) / energies.var(axis=1)
    return found


@styled
def plot_energy(data: SamplerFigure) -> Figure:
    """Return the energy plot, drawn by `arviz_plots.plot_energy`."""
    from matplotlib.ticker import MaxNLocator

    figure = draw_with_arviz("plot_energy", data.values, 2.6, group="sample_stats")
    by_chain, energies = figure.axes
    by_chain.yaxis.set_major_locator(MaxNLocator(integer=True))
    by_chain.margins(0.15)  # no chain's mark is cut
    by_chain.autoscale()
    by_chain.set_title("E-BFMI", loc="left", fontsize="medium")
    energies.set_xlabel("energy, less its mean")
    return figure


FIGURE = Entry(
    name="energy",
    title="Energy",
    shows="energies of the NUTS draws and their transitions",
    applies="a fit is by NUTS (--engine nuts): independent draws have nothing to converge",
    prepare=energy,
    draw=plot_energy,
    section="diagnostics",
)
