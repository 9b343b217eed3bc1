"""Distribution of R-hat and effective sample sizes over all parameters of a NUTS run."""

import numpy as np

from bayes_mlm.base import count, scaled
from bayes_mlm.engines import MAX_R_HAT, MIN_ESS_PER_CHAIN, SAMPLE_DIMS, convergence
from bayes_mlm.figures.data import Text
from bayes_mlm.figures.entry import Entry
from bayes_mlm.figures.sampler import SamplerFigure, draw_with_arviz, nuts_fit
from bayes_mlm.figures.style import Figure, styled
from bayes_mlm.fitting import Analysis


def converged(analysis: Analysis) -> SamplerFigure | None:
    """Return the draws of every parameter, the group effects included; None without NUTS."""
    fit = nuts_fit(analysis)
    if fit is None:
        return None
    draws = fit.draws
    drawn = {name: one for name, one in draws.posterior.items() if one.dims[:2] == SAMPLE_DIMS}
    labels = [
        draws.label(name, index)
        for name, one in drawn.items()
        for index in np.ndindex(*one.values.shape[2:])
    ]
    values = np.concatenate(
        [one.values.reshape(*one.values.shape[:2], -1) for one in drawn.values()], axis=2
    )
    found = convergence(values)
    r_hat, ess = np.atleast_1d(found.r_hat), np.fmin(found.ess_bulk, found.ess_tail)
    min_ess = float(MIN_ESS_PER_CHAIN * draws.n_chains)
    high = int(np.count_nonzero(~(r_hat <= MAX_R_HAT)))
    low = int(np.count_nonzero(~(ess >= min_ess)))
    worst = int(np.argmax(np.where(np.isfinite(r_hat), r_hat, np.inf)))
    rare = int(np.argmin(np.where(np.isfinite(ess), ess, -np.inf)))
    return SamplerFigure(
        text=Text(
            title=f"Effective sample sizes and R-hat of all parameters ({analysis.spec.name}, "
            "nuts)",
            caption=(
                f"Of {count(len(labels), 'parameter')}, {high} have R-hat above {MAX_R_HAT} "
                f"(largest {scaled(r_hat[worst], 3)}, {labels[worst]}) and {low} an effective "
                f"sample size below {count(min_ess)} (smallest {count(ess[rare])}, "
                f"{labels[rare]}), from {count(draws.n_chains * draws.n_draws)} draws."
            ),
            alt=(
                "Empirical distribution functions over all parameters of bulk and tail effective "
                "sample size and of R-hat, with the limits as dashed lines."
            ),
        ),
        values={"parameters": values},
    )


@styled
def plot_convergence(data: SamplerFigure) -> Figure:
    """Return the distributions, drawn by `arviz_plots.plot_convergence_dist`."""
    figure = draw_with_arviz("plot_convergence_dist", data.values, 2.4, group="posterior")
    for ax, title in zip(figure.axes, ("bulk ESS", "tail ESS", "R-hat"), strict=True):
        ax.set_title(title, loc="left", fontsize="medium")
    figure.axes[0].set_ylabel("share of parameters")
    return figure


FIGURE = Entry(
    name="convergence",
    title="R-hat and effective sample sizes",
    shows="R-hat and effective sample sizes of every parameter, the group effects included",
    applies="a fit is by NUTS (--engine nuts): independent draws have nothing to converge",
    prepare=converged,
    draw=plot_convergence,
    section="diagnostics",
)
