"""Compute the posterior densities of the variance parameters, with REML and published figures."""

from dataclasses import dataclass

from bayes_mlm.base import percent
from bayes_mlm.design import predictor_name
from bayes_mlm.engines import listed_quantities
from bayes_mlm.figures.comparison import (
    COLUMNS,
    QuantityEstimates,
    describe_likelihood,
    describe_published,
    draw_estimates,
    estimates_of,
    legend_below,
)
from bayes_mlm.figures.data import Text
from bayes_mlm.figures.entry import Entry
from bayes_mlm.figures.lettering import axis_name
from bayes_mlm.figures.panels import mosaic
from bayes_mlm.figures.style import Figure, styled
from bayes_mlm.fitting import Analysis

# More panels than these would be too small to read.
_MOST = 9


@dataclass(frozen=True, kw_only=True, eq=False)
class Densities:
    """Posterior of each sd, correlation and the icc of one model.

    Parameters
    ----------
    model, outcome : str
    items : tuple of QuantityEstimates
        A panel each.
    prob : float
        Of the intervals.
    n_omitted : int
        Quantities there was no room for.
    """

    model: str
    outcome: str
    items: tuple[QuantityEstimates, ...]
    prob: float
    n_omitted: int

    @property
    def text(self) -> Text:
        """Title, caption and alternative text."""
        described = "; ".join(item.summary for item in self.items)
        omitted = f" {self.n_omitted} more are not shown." if self.n_omitted else ""
        names = ", ".join(item.quantity for item in self.items)
        return Text(
            title=f"How {self.outcome} varies: posterior of the variance parameters ({self.model})",
            caption=(
                f"Posterior means with {percent(self.prob)} intervals: {described}. "
                f"{describe_likelihood(self.items)} {describe_published(self.items)}{omitted}"
            ).strip(),
            alt=f"Density curves of {names}; below each the posterior mean with its interval, the "
            "REML, ML or OLS estimate with its interval, and published figures.",
        )


def variance_densities(analysis: Analysis) -> Densities | None:
    """Compute the densities of sds, correlations and icc; None without a posterior of any."""
    if not analysis.fits:
        return None
    listed = listed_quantities(analysis.fits[0].draws)
    units = {name: one.unit for one, name, _ in listed if one.role != "fixed effect"}
    names = list(units)
    if not names:  # as of a Bernoulli outcome without groups
        return None
    scale = predictor_name(analysis.design)
    return Densities(
        model=analysis.spec.name,
        outcome=analysis.design.outcome,
        items=tuple(estimates_of(analysis, name, units[name] or scale) for name in names[:_MOST]),
        prob=analysis.prob,
        n_omitted=max(0, len(names) - _MOST),
    )


@styled
def plot_densities(data: Densities) -> Figure:
    """Draw the density of each variance parameter, a panel each."""
    many = len(data.items)
    columns = 2 if many == 4 else COLUMNS
    names = [f"{axis_name(one.quantity)}\n({axis_name(one.unit)})" for one in data.items]
    figure, panels = mosaic(many, columns=columns, base=0.75, row=2.0, texts=names)
    for ax, item, name in zip(panels, data.items, names, strict=True):
        draw_estimates(ax, item)
        ax.set_xlabel(name)
    legend_below(figure, data.items, data.prob)
    return figure


FIGURE = Entry(
    name="densities",
    title="Densities of the variance parameters",
    shows="posterior of sds, correlations and icc, with REML, ML or OLS and published figures",
    applies="the model has a posterior, and variance parameters",
    prepare=variance_densities,
    draw=plot_densities,
    section="posterior",
)
