"""How well the other groups predict each one, and whether the weights are reliable."""

from dataclasses import dataclass

import numpy as np

from bayes_mlm.assess import leave_one_group_out
from bayes_mlm.base import DesignError, EngineError, Floats, Ints, count, number, scaled, shorten
from bayes_mlm.engines import has_random_effects, reliable_k_hat
from bayes_mlm.figures.data import Text
from bayes_mlm.figures.entry import Entry
from bayes_mlm.figures.parts import label_points, legend_above, legend_key
from bayes_mlm.figures.style import (
    BLUE,
    INK,
    MANY_GROUPS,
    ORANGE,
    Figure,
    figure_of,
    new_figure,
    styled,
)
from bayes_mlm.fitting import Analysis

_NAMED = 3
# Beyond so many groups it would take seconds: `bayes-mlm loo-compare` leaves out any number.
_MOST_GROUPS = 500


@dataclass(frozen=True, kw_only=True, eq=False)
class LooGroups:
    """Predictive density of each group without itself.

    Parameters
    ----------
    model, outcome, group : str
    labels : ndarray, shape (J,)
    sizes : ndarray of int, shape (J,)
        Rows.
    per_row : ndarray, shape (J,)
        ``log p(y_j | y_-j)`` over the group's rows.
    k_hat : ndarray, shape (J,)
        Pareto shape of the weights; minus infinity where they are equal.
    refitted : ndarray of bool, shape (J,)
        Computed by a fit without the group instead.
    limit : float
        The largest k-hat that can be relied on.
    elpd, se : float
        The sum, and its standard error.
    named : ndarray of int
        The groups predicted worst for a row, and those whose k-hat is above the limit.
    """

    model: str
    outcome: str
    group: str
    labels: np.ndarray
    sizes: Ints
    per_row: Floats
    k_hat: Floats
    refitted: np.ndarray
    limit: float
    elpd: float
    se: float
    named: Ints

    @property
    def text(self) -> Text:
        """Title, caption and alternative text."""
        high = int(np.count_nonzero(self.k_hat > self.limit))
        refits = int(np.count_nonzero(self.refitted))
        largest = int(np.argmax(self.k_hat))
        k_hat = (
            "The weights are equal for every group"
            if not np.isfinite(self.k_hat[largest])
            else f"The largest Pareto k-hat is {number(self.k_hat[largest], 0.1)} "
            f"({shorten(self.labels[largest])}), and {high} of {count(self.labels.size, 'group')} "
            f"{'are' if high != 1 else 'is'} above the limit of {number(self.limit, 0.1)}"
        )
        settled = f", {refits} of them settled by a fit without the group" if refits else ""
        worst = int(np.argmin(self.per_row))
        spread = float(self.per_row.std())
        return Text(
            title=f"Each {self.group} predicted by the others ({self.model})",
            caption=f"{k_hat}{settled}. {self.group} {shorten(self.labels[worst])} is predicted "
            f"worst: {number(self.per_row[worst], spread)} log density for a row, where the "
            f"median of all is {number(float(np.median(self.per_row)), spread)}. elpd of all "
            f"groups {number(self.elpd, self.se)}, standard error {number(self.se, self.se)}.",
            alt=f"A point for each {self.group}: log predictive density for a row against the "
            "Pareto k-hat of its weights, with the limit as a line.",
        )


def loo_groups(analysis: Analysis) -> LooGroups | None:
    """Leave each group out in turn.

    None without a posterior of random effects, for very many groups, or where a group cannot be
    left out because it alone identifies a coefficient.
    """
    if not analysis.fits or not has_random_effects(analysis.design):
        return None
    fit = analysis.fits[0]
    if fit.design.J > _MOST_GROUPS:
        return None
    try:
        found = leave_one_group_out(fit)
    except (DesignError, EngineError):
        return None
    sizes = fit.design.group_sizes
    per_row = found.pointwise / sizes
    worst = np.argsort(per_row, kind="stable")[:_NAMED]
    limit = reliable_k_hat(found.n_draws)
    high = [int(k) for k in np.argsort(-found.k_hat)[:_NAMED] if found.k_hat[k] > limit]
    return LooGroups(
        model=analysis.spec.name,
        outcome=fit.design.outcome_title,
        group=str(fit.design.group),
        labels=fit.design.labels,
        sizes=sizes,
        per_row=per_row,
        k_hat=found.k_hat,
        refitted=found.refitted,
        limit=limit,
        elpd=found.elpd,
        se=found.se,
        named=np.array(list(dict.fromkeys([*worst.tolist(), *high])), dtype=np.int64),
    )


@styled
def plot_loo_groups(data: LooGroups) -> Figure:
    """Draw how well each group is predicted, against the k-hat of its weights."""
    ax = new_figure(3.5).add_subplot()
    # Equal weights have no tail, whose shape is then minus infinity: drawn at the left edge.
    known = np.isfinite(data.k_hat)
    floor = min(-0.1, float(data.k_hat[known].min()) - 0.05) if known.any() else -0.1
    k_hat = np.where(known, data.k_hat, floor)
    bad = k_hat > data.limit
    refits = data.refitted
    dot = 4.5 if k_hat.size <= MANY_GROUPS else 2.2
    ax.plot(k_hat[~bad], data.per_row[~bad], "o", ms=dot, color=BLUE, mew=0, alpha=0.7)
    ax.plot(k_hat[refits], data.per_row[refits], "s", ms=6.0, mec=ORANGE, mfc="white", mew=1.1)
    worst = bad & ~refits
    ax.plot(k_hat[worst], data.per_row[worst], "X", ms=6.0, color=ORANGE, mew=0)
    ax.axvline(data.limit, color=INK, lw=1.0, ls="--")
    ax.set_xlim(floor - 0.04, max(data.limit, float(k_hat.max())) + 0.14)
    ax.margins(y=0.1)
    label_points(ax, k_hat, data.per_row, data.named, data.labels)
    ax.set_xlabel("Pareto k-hat of the leave-one-group-out weights")
    ax.set_ylabel("log predictive density\nper row of the group")
    handles = [
        legend_key(ls="", marker="o", ms=4.5, color=BLUE, label=count(k_hat.size, "group")),
        legend_key(color=INK, lw=1.0, ls="--", label=f"limit {scaled(data.limit, 2)}"),
    ]
    if refits.any():
        handles.append(
            legend_key(ls="", marker="s", ms=6.0, mec=ORANGE, mfc="white", label="refitted")
        )
    if worst.any():
        handles.append(legend_key(ls="", marker="X", ms=6.0, color=ORANGE, label="not reliable"))
    legend_above(ax, handles, columns=4)
    return figure_of(ax)


FIGURE = Entry(
    name="loo-groups",
    title="Leave-one-group-out predictions",
    shows="how well each group is predicted by the others, and the k-hat of its weights",
    applies="the model has random effects of at most 500 groups, and a posterior without any",
    prepare=loo_groups,
    draw=plot_loo_groups,
    section="diagnostics",
)
