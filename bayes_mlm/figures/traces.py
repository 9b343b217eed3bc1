"""Trace plots of a NUTS run."""

from bayes_mlm.base import count, scaled
from bayes_mlm.figures.data import Text
from bayes_mlm.figures.entry import Entry
from bayes_mlm.figures.sampler import SamplerFigure, draw_with_arviz, nuts_fit, selection, slowest
from bayes_mlm.figures.style import Figure, styled
from bayes_mlm.fitting import Analysis


def traces(analysis: Analysis) -> SamplerFigure | None:
    """Return the draws in order of the parameters with the largest R-hat; None without NUTS."""
    fit = nuts_fit(analysis)
    if fit is None:
        return None
    values, r_hat, many = slowest(fit)
    worst = max(r_hat, key=lambda name: r_hat[name])
    return SamplerFigure(
        text=Text(
            title=f"Trace plots ({analysis.spec.name}, nuts)",
            caption=(
                f"{count(fit.draws.n_chains, 'chain')} of {count(fit.draws.n_draws, 'draw')}; "
                f"{selection(len(values), many)} (largest R-hat {scaled(r_hat[worst], 3)}, "
                f"{worst}). Chains that have converged overlap and show no trend."
            ),
            alt=f"Draws in order, a line a chain, of each of {', '.join(values)}.",
        ),
        values=values,
    )


@styled
def plot_traces(data: SamplerFigure) -> Figure:
    """Return trace plots, a panel a parameter, drawn by `arviz_plots.plot_trace`."""
    rows = -(-len(data.values) // 2)
    return draw_with_arviz(
        "plot_trace", data.values, 0.5 + 1.3 * rows, group="posterior", col_wrap=2
    )


FIGURE = Entry(
    name="traces",
    title="Trace plots",
    shows="draws in order, by chain",
    applies="a fit is by NUTS (--engine nuts): independent draws have nothing to converge",
    prepare=traces,
    draw=plot_traces,
    section="diagnostics",
)
