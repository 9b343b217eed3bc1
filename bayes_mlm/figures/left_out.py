"""Compute how well the rest foretells each group, and whether weights could tell."""

from dataclasses import dataclass

import numpy as np

from bayes_mlm.assess import leave_one_group_out
from bayes_mlm.base import DesignError, EngineError, Floats, Ints, count, number, shorten
from bayes_mlm.engines import reliable_k_hat
from bayes_mlm.fitting import Analysis, has_random_effects

_NAMED = 3
# Beyond so many groups it would take seconds: `bayes-mlm compare` leaves out any number.
_MOST_GROUPS = 500


@dataclass(frozen=True, kw_only=True, eq=False)
class LeftOut:
    """Hold the predictive density of each group without itself.

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
        The groups foretold worst for a row, and those whose k-hat is above the limit.
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
    def title(self) -> str:
        """What the figure is of."""
        return f"Each {self.group} foretold by the others ({self.model})"

    @property
    def caption(self) -> str:
        """What there is to see."""
        high = int(np.count_nonzero(self.k_hat > self.limit))
        again = int(np.count_nonzero(self.refitted))
        largest = int(np.argmax(self.k_hat))
        k_hat = (
            "The weights are equal for every group"
            if not np.isfinite(self.k_hat[largest])
            else f"The largest Pareto k-hat is {number(self.k_hat[largest], 0.1)} "
            f"({shorten(self.labels[largest])}), and {high} of {count(self.labels.size, 'group')} "
            f"{'are' if high != 1 else 'is'} above the limit of {number(self.limit, 0.1)}"
        )
        refits = f", {again} of them settled by a fit without the group" if again else ""
        worst = int(np.argmin(self.per_row))
        spread = float(self.per_row.std())
        return (
            f"{k_hat}{refits}. {self.group} {shorten(self.labels[worst])} is foretold worst: "
            f"{number(self.per_row[worst], spread)} log density for a row, where the median of all "
            f"is {number(float(np.median(self.per_row)), spread)}. elpd of all groups "
            f"{number(self.elpd, self.se)}, standard error {number(self.se, self.se)}."
        )

    @property
    def alt(self) -> str:
        """What is drawn."""
        return (
            f"A point for each {self.group}: log predictive density for a row against the Pareto "
            "k-hat of its weights, with the limit as a line."
        )


def left_out_groups(analysis: Analysis) -> LeftOut | None:
    """Leave each group out in turn.

    Returns
    -------
    LeftOut or None
        None without a posterior of random effects, for very many groups, or where a group cannot
        be left out because no other tells a coefficient.
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
    return LeftOut(
        model=analysis.spec.name,
        outcome=fit.design.outcome,
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
