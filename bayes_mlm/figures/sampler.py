"""What the figures of a NUTS run have in common: its draws by name, drawn by `arviz_plots`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from bayes_mlm.base import EngineError, Floats, count
from bayes_mlm.engines import SAMPLE_DIMS, convergence, has_chains, listed_quantities
from bayes_mlm.figures.canvas import current_canvas
from bayes_mlm.figures.data import Text
from bayes_mlm.figures.style import WIDTH, Figure
from bayes_mlm.fitting import Analysis, Fit

# Panels of a figure of single parameters.
_MOST = 6


@dataclass(frozen=True, kw_only=True, eq=False)
class SamplerFigure:
    """Draws of a NUTS run, with the caption of their figure.

    Parameters
    ----------
    text : Text
    values : mapping of str to ndarray, shape (chains, draws)
        By name of the parameter or of the sampler's statistic.
    """

    text: Text
    values: Mapping[str, Floats]


def nuts_fit(analysis: Analysis) -> Fit | None:
    """Return the fit by NUTS, if there is one."""
    return next((fit for fit in analysis.fits if has_chains(fit.engine)), None)


def selection(shown: int, many: int) -> str:
    """Return which parameters a figure shows.

    Examples
    --------
    >>> selection(4, 4), selection(6, 20)
    ('all 4 parameters', 'the 6 of 20 parameters with the largest R-hat')
    """
    if shown == many:
        return f"all {count(many, 'parameter')}"
    return f"the {shown} of {count(many, 'parameter')} with the largest R-hat"


def slowest(fit: Fit) -> tuple[dict[str, Floats], dict[str, float], int]:
    """Return draws and R-hat of the parameters with the largest R-hat, and how many there are.

    Group effects and functions of other parameters (icc) are left to the figure of convergence.
    """
    listed = listed_quantities(fit.draws)
    named = {name: values for one, name, values in listed if one.role != "derived"}
    stacked = np.stack(list(named.values()), axis=-1)
    r_hat = dict(zip(named, np.atleast_1d(convergence(stacked).r_hat).tolist(), strict=True))
    worst = sorted(named, key=lambda name: -np.nan_to_num(r_hat[name], nan=9.0))[:_MOST]
    return {n: v for n, v in named.items() if n in worst}, {n: r_hat[n] for n in worst}, len(named)


def draw_with_arviz(
    function: str, values: Mapping[str, Floats], height: float, *, group: str, **options: Any
) -> Figure:
    """Return the figure that a function of `arviz_plots` draws of arrays of draws.

    Parameters
    ----------
    function : str
        Such as "plot_trace".
    values : mapping of str to ndarray, shape (chains, draws) or (chains, draws, k)
    height : float
        In inches.
    group : {"posterior", "sample_stats"}
        Where ArviZ looks for them.
    **options
        Of the function.

    Raises
    ------
    EngineError
        If axes or a subfigure were handed over to draw in.

    References
    ----------
    ArviZ: Martin et al. (2026), Journal of Open Source Software; https://www.arviz.org.
    """
    import arviz_plots
    import xarray as xr
    from matplotlib import pyplot as plt

    canvas = current_canvas()
    if canvas.ax is not None:
        raise EngineError(
            "ArviZ draws this figure whole; omit ax=, or call arviz_plots on fit.data"
        )
    size = canvas.size(WIDTH, height)
    chains, draws = next(iter(values.values())).shape[:2]
    dims = (*SAMPLE_DIMS, "parameter")
    coords = {"chain": np.arange(chains), "draw": np.arange(draws)}
    dataset = xr.Dataset({name: (dims[: v.ndim], v) for name, v in values.items()}, coords)
    collection = getattr(arviz_plots, function)(
        xr.DataTree.from_dict({group: dataset}),
        backend="matplotlib",
        figure_kwargs={"figsize": size, "layout": "constrained"},
        **options,
    )
    figure: Figure = collection.viz["figure"].item()
    plt.close(figure)
    return figure
