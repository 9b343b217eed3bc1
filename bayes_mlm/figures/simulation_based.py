"""Draw the ranks of simulation-based calibration."""

from bayes_mlm.assess import SimulationBasedCalibration
from bayes_mlm.figures.ranks import with_spaced_p
from bayes_mlm.figures.sampler import draw_with_arviz
from bayes_mlm.figures.style import Figure, styled

# Panels of a figure.
_MOST = 12


@styled
def plot_simulation_based(table: SimulationBasedCalibration) -> Figure:
    """Draw the distribution of truths in their posteriors: a panel a quantity.

    Each line is the empirical distribution of the shares of the posteriors below their truths, less
    the uniform one, with the p-value of a test that there is no difference. A hill: the truths lie
    low in the posteriors; a line that rises, then falls below: the posteriors are too narrow.

    Parameters
    ----------
    table : SimulationBasedCalibration
        Of `bayes_mlm.simulation_based_calibration`. Of more than twelve quantities the first are
        drawn.

    Returns
    -------
    matplotlib.figure.Figure

    References
    ----------
    Säilynoja, Bürkner & Vehtari (2022), Statistics and Computing 32, 32; drawn by
    `arviz_plots.plot_ecdf_pit`.

    Examples
    --------
    >>> from bayes_mlm import fit, simulation_based_calibration
    >>> found = fit("reaction ~ 1 + (1 | subject)", "sleepstudy", random_seed=1)
    >>> plot_simulation_based(simulation_based_calibration(found, 50)).axes[0].get_xlabel()
    'share of the posterior below'
    """
    values = {row.quantity: table.pit[None, :, k] for k, row in enumerate(table)}
    shown = dict(list(values.items())[:_MOST])
    rows = -(-len(shown) // 3)
    figure = draw_with_arviz(
        "plot_ecdf_pit", shown, 0.5 + 1.6 * rows, group="prior_sbc", col_wrap=3
    )
    for axes in figure.axes:
        if axes.get_xlabel():
            axes.set_xlabel("share of the posterior below")
    figure.supylabel("ECDF − uniform")
    return with_spaced_p(figure)
