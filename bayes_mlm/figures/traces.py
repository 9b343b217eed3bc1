"""Collect the course of some parameters' draws, and how the chains share their ranks."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bayes_mlm.base import Floats, Ints, count, percent, scaled, shorten
from bayes_mlm.engines import listed_quantities
from bayes_mlm.figures.entry import Entry
from bayes_mlm.figures.style import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PINK,
    new_figure,
    styled,
)
from bayes_mlm.fitting import Analysis

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST, _BINS = 5, 20

_LEVEL = 0.99

_CHAINS = (BLUE, ORANGE, GREEN, PINK, BLACK, GREY)

_DASHES = ("-", (0, (5.0, 1.2)), (0, (1.2, 1.0)), (0, (5.0, 1.2, 1.2, 1.2)))

# Points of a trace that can be told apart at this width.
_MOST_POINTS = 400


@dataclass(frozen=True, kw_only=True, eq=False)
class Trace:
    """Hold the draws of one parameter.

    Parameters
    ----------
    name : str
    values : ndarray, shape (chains, draws)
        In the parameter's units.
    ranks : ndarray of int, shape (chains, bins)
        How many of each chain's draws are in each part of the ranks over all chains.
    r_hat : float or None
        For a Markov chain sampler.
    """

    name: str
    values: Floats
    ranks: Ints
    r_hat: float | None


@dataclass(frozen=True, kw_only=True, eq=False)
class Traces:
    """Hold the draws of some parameters of one fit.

    Parameters
    ----------
    model, engine : str
    traces : tuple of Trace
        The variance parameters, then coefficients; of more than five, those with the largest
        R-hat, or the first of independent draws.
    n_parameters : int
        Of the model, group effects apart.
    lower, upper : float
        A band that holds 99 % of a chain's counts of ranks where chains do not differ.
    """

    model: str
    engine: str
    traces: tuple[Trace, ...]
    n_parameters: int
    lower: float
    upper: float

    @property
    def title(self) -> str:
        """What the figure is of."""
        return f"Draws in order, and their ranks by chain ({self.model}, {self.engine})"

    @property
    def outside(self) -> float:
        """Share of the counts of ranks that lie outside the band."""
        counts = np.array([trace.ranks for trace in self.traces])
        return float(((counts < self.lower) | (counts > self.upper)).mean())

    @property
    def caption(self) -> str:
        """What there is to see."""
        shown = f"{len(self.traces)} of {count(self.n_parameters, 'parameter')}"
        ranks = (
            f"{percent(self.outside)} of the counts of ranks lie outside the {percent(_LEVEL)} band"
        )
        chains, draws = self.traces[0].values.shape
        if self.engine == "direct":
            return (
                f"The draws are independent, so their order means nothing and the {chains} chains "
                f"are only a way to store them; there is nothing to converge. {ranks}, "
                f"{percent(1 - _LEVEL)} expected ({shown})."
            )
        worst = max(self.traces, key=lambda trace: trace.r_hat or 0.0)
        r_hat = "not defined" if worst.r_hat is None else scaled(worst.r_hat, 3)
        return (
            f"{chains} chains of {count(draws)} draws; {shown} with the largest R-hat, {r_hat} for "
            f"{worst.name}. {ranks} that chains alike would keep to; draws of one chain that "
            "depend on each other widen it."
        )

    @property
    def alt(self) -> str:
        """What is drawn."""
        names = ", ".join(trace.name for trace in self.traces)
        return f"For each of {names}: left the draws in order by chain, right counts of ranks."


def traces(analysis: Analysis) -> Traces | None:
    """Collect the draws of the first fit by a Markov chain sampler, else of the first fit.

    Returns
    -------
    Traces or None
        None without a posterior.

    References
    ----------
    Vehtari, Gelman, Simpson, Carpenter & Bürkner (2021), Bayesian Analysis 16(2), sec. 4: rank
    plots instead of traces alone.
    """
    if not analysis.fits:
        return None
    k = next((k for k, fit in enumerate(analysis.fits) if fit.engine == "nuts"), 0)
    fit, summary = analysis.fits[k], analysis.summaries[k]
    listed = [item for item in listed_quantities(fit.draws) if item[0].role != "derived"]
    named = {name: values for _, name, values in listed}
    fixed = {name for one, name, _ in listed if one.role == "fixed effect"}
    order = sorted(named, key=lambda name: name in fixed)
    r_hats = {name: row.r_hat for name in order if (row := summary.get(name)) is not None}
    if fit.engine == "nuts":
        worst = sorted(order, key=lambda name: -np.nan_to_num(r_hats.get(name) or 0.0, nan=9.0))
        order = [name for name in order if name in worst[:_MOST]]
    chains, draws = next(iter(named.values())).shape
    reach = 2.576 * np.sqrt(draws / _BINS * (1 - 1 / _BINS) * (1 - 1 / chains))
    return Traces(
        model=analysis.spec.name,
        engine=fit.engine,
        traces=tuple(
            Trace(
                name=name,
                values=named[name],
                ranks=rank_counts(named[name]),
                r_hat=r_hats.get(name),
            )
            for name in order[:_MOST]
        ),
        n_parameters=len(named),
        lower=max(0.0, draws / _BINS - reach),
        upper=draws / _BINS + reach,
    )


def rank_counts(values: Floats, bins: int = _BINS) -> Ints:
    """Count each chain's draws by their rank among all draws, in even parts: (chains, bins).

    Examples
    --------
    >>> rank_counts(np.array([[1.0, 2.0], [3.0, 4.0]]), bins=2)
    array([[2, 0],
           [0, 2]])
    """
    ranks = np.argsort(np.argsort(values, axis=None, kind="stable")).reshape(values.shape)
    part = ranks * bins // values.size
    return np.array([np.bincount(chain, minlength=bins) for chain in part])


@styled
def plot_traces(picture: Traces) -> "Figure":
    """Draw the draws of each parameter in order, and the counts of their ranks by chain.

    Parameters
    ----------
    picture : Traces

    Returns
    -------
    matplotlib.figure.Figure
        A row a parameter.
    """
    many = len(picture.traces)
    figure = new_figure(0.6 + 1.2 * many)
    panels = figure.subplots(many, 2, squeeze=False, width_ratios=(1.7, 1.0), sharex="col")
    for (left, right), trace in zip(panels, picture.traces, strict=True):
        chains, draws = trace.values.shape
        step = max(1, draws // _MOST_POINTS)
        edges = np.linspace(0.0, 100.0, trace.ranks.shape[1] + 1)
        right.axhspan(picture.lower, picture.upper, color="#E3E3E3", lw=0, zorder=0)
        for chain in range(chains):
            colour, dash = _CHAINS[chain % len(_CHAINS)], _DASHES[chain % len(_DASHES)]
            left.plot(
                np.arange(0, draws, step),
                trace.values[chain, ::step],
                color=colour,
                lw=0.5,
                alpha=0.75,
            )
            right.stairs(trace.ranks[chain], edges, color=colour, lw=1.1, ls=dash, baseline=None)
        left.set_title(shorten(trace.name, 40), fontsize=9, pad=2.0)
        left.locator_params(axis="y", nbins=4)
        right.set_ylim(0.0, max(1.4 * picture.upper, 1.1 * float(trace.ranks.max())))
        right.yaxis.tick_right()
        right.spines[["left", "right"]].set_visible(False)
        right.locator_params(axis="y", nbins=3)
    chains = picture.traces[0].values.shape[0]
    panels[-1, 0].set_xlabel(f"draw ({count(chains, 'chain')}, a colour each)")
    panels[-1, 1].set_xlabel("rank among all draws, %")
    panels[0, 1].set_title("draws of a chain in each 5 %", fontsize=9, pad=2.0)
    return figure


FIGURE = Entry(
    name="traces",
    title="Draws in order and their ranks",
    shows="draws by chain, and how the chains share their ranks",
    applies="the model has a posterior",
    of="model",
    prepare=traces,
    draw=plot_traces,
    section="diagnostics",
)
