"""Draw how far other priors of sigma_u move the posteriors of a ladder."""

from typing import TYPE_CHECKING, Any

import numpy as np

from bayes_mlm.assess import LITTLE_SHIFT, NO_SHIFT
from bayes_mlm.base import shorten
from bayes_mlm.figures.drawing.style import BAND, GREY, INK, model_styles, new_figure, styled
from bayes_mlm.figures.prior_sensitivity import PriorSensitivity

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@styled
def plot_prior_shifts(picture: PriorSensitivity) -> "Figure":
    """Draw the shift of each model's posterior means under each prior.

    Parameters
    ----------
    picture : PriorSensitivity

    Returns
    -------
    matplotlib.figure.Figure
        Left sigma_u, right the coefficients of groups, where there are some.
    """
    from matplotlib.lines import Line2D

    panels: list[tuple[str, Any]] = [("sigma_u", picture.sds)]
    if np.isfinite(picture.coefficients).any():
        panels.append(("coefficients of groups", picture.coefficients))
    figure = new_figure(1.5 + 0.3 * len(picture.labels))
    axes = figure.subplots(1, len(panels), squeeze=False, sharey=True).ravel()
    styles = model_styles(picture.models)
    many = len(picture.models)
    for ax, (what, shifts) in zip(axes, panels, strict=True):
        for k in range(0, len(picture.labels), 2):
            ax.axhspan(k - 0.5, k + 0.5, color=BAND, lw=0, zorder=0)
        for limit, dash in ((NO_SHIFT, ":"), (LITTLE_SHIFT, "--")):
            for sign in (-1.0, 1.0):
                ax.axvline(sign * limit, color=GREY, lw=0.8, ls=dash, zorder=1)
        ax.axvline(0.0, color=INK, lw=0.8, zorder=1)
        for k, model in enumerate(picture.models):
            style = styles[model]
            y = np.arange(len(picture.labels)) + 0.66 * ((k + 0.5) / many - 0.5)
            ax.plot(shifts[k], y, style.marker, color=style.colour, ms=4.0, mew=0, zorder=3)
        widest = float(np.nanmax(np.abs(shifts), initial=0.0))
        reach = max(1.15 * widest, 1.3 * LITTLE_SHIFT)
        ax.set_xlim(-reach, reach)
        ax.set_xlabel(f"shift of {what}\n(posterior sds)")
        ax.tick_params(axis="y", length=0)
        ax.spines["left"].set_visible(False)
    names = [shorten(label, 32) for label in picture.labels]
    axes[0].set_yticks(range(len(names)), names)
    axes[0].set_ylim(len(names) - 0.5, -0.5)
    handles = [
        Line2D(
            [],
            [],
            ls="",
            marker=styles[model].marker,
            color=styles[model].colour,
            ms=4.5,
            label=shorten(model, 30),
        )
        for model in picture.models
    ]
    handles += [
        Line2D([], [], color=GREY, lw=0.8, ls=dash, label=f"{limit:g} sds")
        for limit, dash in ((NO_SHIFT, ":"), (LITTLE_SHIFT, "--"))
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=3)
    return figure
