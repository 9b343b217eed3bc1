"""Compute R-hat and effective sample sizes of every parameter, the group effects included."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bayes_mlm.base import Floats, count, scaled
from bayes_mlm.engines import MAX_R_HAT, MIN_ESS_PER_CHAIN, SAMPLE_DIMS, convergence
from bayes_mlm.figures.energy import nuts_fit
from bayes_mlm.figures.entry import Entry
from bayes_mlm.figures.parts import legend_above
from bayes_mlm.figures.style import (
    BAND,
    BLUE,
    INK,
    ORANGE,
    new_figure,
    styled,
)
from bayes_mlm.fitting import Analysis

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, kw_only=True, eq=False)
class Family:
    """Hold the diagnostics of all elements of one variable.

    Parameters
    ----------
    name : str
        "beta", "u", "sigma_e", ...
    labels : tuple of str
        Names of its elements.
    r_hat, ess_bulk, ess_tail : ndarray, shape (k,)
    """

    name: str
    labels: tuple[str, ...]
    r_hat: Floats
    ess_bulk: Floats
    ess_tail: Floats


@dataclass(frozen=True, kw_only=True, eq=False)
class Converged:
    """Hold the diagnostics of a NUTS fit.

    Parameters
    ----------
    model : str
    families : tuple of Family
    max_r_hat, min_ess : float
        The limits.
    n_draws : int
        Of all chains.
    """

    model: str
    families: tuple[Family, ...]
    max_r_hat: float
    min_ess: float
    n_draws: int

    @property
    def title(self) -> str:
        """What the figure is of."""
        return f"R-hat and effective sample size of every parameter ({self.model}, nuts)"

    @property
    def caption(self) -> str:
        """What there is to see."""
        r_hat = np.concatenate([one.r_hat for one in self.families])
        ess = np.concatenate([np.fmin(one.ess_bulk, one.ess_tail) for one in self.families])
        labels = [label for one in self.families for label in one.labels]
        high = int(np.count_nonzero(~(r_hat <= self.max_r_hat)))
        low = int(np.count_nonzero(~(ess >= self.min_ess)))
        worst = int(np.argmax(np.where(np.isfinite(r_hat), r_hat, np.inf)))
        rare = int(np.argmin(np.where(np.isfinite(ess), ess, -np.inf)))
        return (
            f"Of {count(len(labels), 'parameter')}, {high} have R-hat above {self.max_r_hat} "
            f"(largest {scaled(r_hat[worst], 3)}, {labels[worst]}) and {low} an effective sample "
            f"size below {count(self.min_ess)} (smallest {count(ess[rare])}, {labels[rare]}), "
            f"from {count(self.n_draws)} draws."
        )

    @property
    def alt(self) -> str:
        """What is drawn."""
        return (
            "Points of R-hat (left) and of bulk and tail effective sample size (right) of each "
            "parameter, by variable, with the limits as lines."
        )


def converged(analysis: Analysis) -> Converged | None:
    """Compute the diagnostics of a NUTS fit; ArviZ computes them.

    Returns
    -------
    Converged or None
        None where no fit is by NUTS: independent draws have nothing to converge.
    """
    fit = nuts_fit(analysis)
    if fit is None:
        return None
    draws, families = fit.draws, []
    for name, variable in draws.posterior.items():
        if variable.dims[:2] != SAMPLE_DIMS:
            continue
        shape = variable.values.shape[2:]
        found = convergence(variable.values.reshape(*variable.values.shape[:2], -1))
        families.append(
            Family(
                name=name,
                labels=tuple(draws.label(name, index) for index in np.ndindex(*shape)),
                r_hat=np.atleast_1d(found.r_hat),
                ess_bulk=np.atleast_1d(found.ess_bulk),
                ess_tail=np.atleast_1d(found.ess_tail),
            )
        )
    order = [one.name for one in draws.parameters]
    families.sort(key=lambda one: order.index(one.name) if one.name in order else len(order))
    return Converged(
        model=analysis.spec.name,
        families=tuple(families),
        max_r_hat=MAX_R_HAT,
        min_ess=float(MIN_ESS_PER_CHAIN * draws.n_chains),
        n_draws=draws.n_chains * draws.n_draws,
    )


@styled
def plot_convergence(picture: Converged) -> "Figure":
    """Draw R-hat and effective sample sizes of every parameter, by variable.

    Parameters
    ----------
    picture : Converged

    Returns
    -------
    matplotlib.figure.Figure
    """
    from matplotlib.lines import Line2D

    many = len(picture.families)
    figure = new_figure(1.0 + 0.42 * many)
    left, right = figure.subplots(1, 2, sharey=True)
    for k, family in enumerate(picture.families):
        size = family.r_hat.size
        # Spread over the row, in order, so that hundreds of group effects can be seen.
        spread = np.linspace(-0.28, 0.28, size) if size > 1 else np.zeros(1)
        dot = 4.5 if size <= 30 else 2.5
        if k % 2 == 0:
            for ax in (left, right):
                ax.axhspan(k - 0.5, k + 0.5, color=BAND, lw=0, zorder=0)
        left.plot(family.r_hat, k + spread, "o", ms=dot, color=BLUE, mew=0, alpha=0.8)
        right.plot(family.ess_bulk, k + spread - 0.06, "o", ms=dot, color=BLUE, mew=0, alpha=0.8)
        right.plot(family.ess_tail, k + spread + 0.06, "^", ms=dot, color=ORANGE, mew=0, alpha=0.8)
    for ax, limit in ((left, picture.max_r_hat), (right, picture.min_ess)):
        ax.axvline(limit, color=INK, lw=1.0, ls="--")
        ax.tick_params(axis="y", length=0)
        ax.spines["left"].set_visible(False)
    left.set_yticks(
        range(many),
        [
            name if len(family.labels) == 1 else f"{name} ({len(family.labels)})"
            for family in picture.families
            for name in (family.name,)
        ],
    )
    left.set_ylim(many - 0.5, -0.5)
    left.set_xlabel("R-hat")
    right.set_xlabel(f"effective sample size (of {count(picture.n_draws)} draws)")
    right.set_xlim(left=0.0)
    line = Line2D([], [], color=INK, lw=1.0, ls="--", label="limit")
    legend_above(left, [line], columns=1)
    legend_above(
        right,
        [
            Line2D([], [], ls="", marker="o", ms=4.5, color=BLUE, label="bulk"),
            Line2D([], [], ls="", marker="^", ms=4.5, color=ORANGE, label="tail"),
            line,
        ],
        columns=3,
    )
    return figure


FIGURE = Entry(
    name="convergence",
    title="R-hat and effective sample sizes",
    shows="R-hat and effective sample sizes of every parameter, the group effects included",
    applies="a fit is by NUTS (--engine nuts): independent draws have nothing to converge",
    of="model",
    prepare=converged,
    draw=plot_convergence,
    section="diagnostics",
)
