"""Rank plots of a NUTS run."""

from bayes_mlm.figures.data import Text
from bayes_mlm.figures.entry import Entry
from bayes_mlm.figures.sampler import SamplerFigure, draw_with_arviz, nuts_fit, selection, slowest
from bayes_mlm.figures.style import Figure, styled
from bayes_mlm.fitting import Analysis


def ranks(analysis: Analysis) -> SamplerFigure | None:
    """Return the draws of the parameters with the largest R-hat; None without NUTS.

    References
    ----------
    Säilynoja, Bürkner & Vehtari (2022), Statistics and Computing 32, 32: ECDF difference plots.
    Vehtari, Gelman, Simpson, Carpenter & Bürkner (2021), Bayesian Analysis 16(2), sec. 4.
    """
    fit = nuts_fit(analysis)
    if fit is None:
        return None
    values, _, many = slowest(fit)
    return SamplerFigure(
        text=Text(
            title=f"Rank plots ({analysis.spec.name}, nuts)",
            caption=(
                "Difference between the empirical distribution of each chain's ranks among all "
                f"draws and the uniform one; {selection(len(values), many)}. Chains that sample "
                "the same distribution stay near zero; p is of a test that they do."
            ),
            alt=f"ECDF differences of ranks, a line a chain, of each of {', '.join(values)}.",
        ),
        values=values,
    )


@styled
def plot_ranks(data: SamplerFigure) -> Figure:
    """Return rank plots, a panel a parameter, drawn by `arviz_plots.plot_rank`."""
    rows = -(-len(data.values) // 2)
    figure = draw_with_arviz(
        "plot_rank", data.values, 0.5 + 1.3 * rows, group="posterior", col_wrap=2
    )
    return with_spaced_p(figure)


def with_spaced_p(figure: Figure) -> Figure:
    """Return a figure of ArviZ with its p-values as they are written elsewhere."""
    for text in (text for ax in figure.axes for text in ax.texts):
        text.set_text(_spaced(text.get_text()))
    return figure


def _spaced(text: str) -> str:
    """Return ArviZ's "p=0.00(a=0.01)" as a p-value is written.

    Examples
    --------
    >>> _spaced("p=0.57(a=0.01)"), _spaced("p=0.00(a=0.01)")
    ('p = 0.57 (a = 0.01)', 'p < 0.01 (a = 0.01)')
    """
    return (
        text.replace("p=0.00", "p<0.01").replace("=", " = ").replace("<", " < ").replace("(", " (")
    )


FIGURE = Entry(
    name="ranks",
    title="Rank plots",
    shows="how evenly the chains share the ranks of all draws",
    applies="a fit is by NUTS (--engine nuts): independent draws have nothing to converge",
    prepare=ranks,
    draw=plot_ranks,
    section="diagnostics",
)
