"""Influence of each group on a REML estimate, by refitting without it."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from bayes_mlm.assess.bootstrap import Resampler, quantities_of
from bayes_mlm.base import Column, EngineError, Floats, ResultTable, View, count, expect, scaled
from bayes_mlm.fitting import Estimate, Fit, estimate_of

if TYPE_CHECKING:
    import pandas as pd

# Groups that the view shows.
_SHOWN = 10


@dataclass(frozen=True, kw_only=True)
class GroupInfluenceRow:
    """One group.

    Parameters
    ----------
    model : str
    group : Any
        Its label.
    n : int
        Its rows.
    cook : float
        Cook's distance of the coefficients: the squared change, in their covariance, over their
        number.
    quantity : str
        The parameter that moves most, in its standard errors.
    estimate, without : float
        Of it, with all groups and without this one.
    change : float
        `without` less `estimate`, in standard errors of the estimate.
    """

    model: str
    group: Any
    n: int
    cook: float
    quantity: str
    estimate: float
    without: float
    change: float


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class GroupInfluence(ResultTable[GroupInfluenceRow]):
    """Influence of groups, those of the largest Cook's distance first.

    Parameters
    ----------
    without : mapping of str to ndarray, shape (J,)
        Every parameter without each group, in the order of `labels`.
    labels : ndarray, shape (J,)
    """

    key = ("group",)
    row_type = GroupInfluenceRow

    without: dict[str, Floats]
    labels: np.ndarray

    @property
    def columns(self) -> tuple[Column, ...]:
        """Columns of the view."""
        return (
            Column(name="group"),
            Column(name="n", kind="count"),
            Column(name="cook", heading="Cook's distance", text=lambda row: scaled(row.cook, 3)),
            Column(name="quantity", heading="moves most", kind="label"),
            Column(name="estimate", text=lambda row: scaled(row.estimate, 3)),
            Column(name="without", text=lambda row: scaled(row.without, 3)),
            Column(name="change", heading="change (se)", text=lambda row: f"{row.change:+.2f}"),
        )

    def view(self) -> View:
        """Return the table of the groups of the largest Cook's distances."""
        more = len(self.rows) - _SHOWN
        if more <= 0:
            return super().view()
        notes = (f"{count(more, 'group')} of smaller ones in .rows", *self.notes)
        return replace(self, rows=self.rows[:_SHOWN], notes=notes).view()

    def changes(self) -> "pd.DataFrame":
        """Return every parameter without each group: group, quantity, without."""
        import pandas as pd

        names = list(self.without)
        return pd.DataFrame(
            {
                "group": np.repeat(self.labels, len(names)),
                "quantity": np.tile(names, len(self.labels)),
                "without": np.column_stack(list(self.without.values())).ravel(),
            }
        )


def group_influence(result: Fit | Estimate) -> GroupInfluence:
    """Refit without each group in turn: Cook's distance, and what moves most.

    Parameters
    ----------
    result : Fit or Estimate
        Of a Gaussian outcome with one grouping factor; of a posterior, the REML estimate of its
        model is taken.

    Returns
    -------
    GroupInfluence

    Raises
    ------
    UnsupportedModelError
        If the model is another.
    EngineError
        If a coefficient is not estimable without some group, which is named.

    Notes
    -----
    The refits are exact: variances are estimated anew (R's influence.ME does the same, by fits from
    rows). Of the posterior, `leave_one_group_out` has the predictive density of each group.

    References
    ----------
    Belsley, Kuh & Welsch (1980), Regression Diagnostics, ch. 2; Cook (1977), Technometrics 19(1).

    Examples
    --------
    >>> from bayes_mlm import fit
    >>> found = fit("reaction ~ days + (1 | subject)", "sleepstudy", engine="reml")
    >>> table = group_influence(found)
    >>> row = table.rows[0]
    >>> row.group, round(row.cook, 3), row.quantity
    (335, 0.526, 'beta[days]')
    """
    expect("group_influence", result, Fit, Estimate)
    resampler = Resampler(estimate=estimate_of(result))
    refits, solution = resampler.without_each, resampler.solution
    labels = solution.labels
    if refits.failed.any():
        listed = ", ".join(str(one) for one in labels[refits.failed][:5])
        raise EngineError(
            f"without {listed} the model has no REML estimate ({count(int(refits.failed.sum()))} "
            "such groups); drop the coefficient that these groups alone identify"
        )
    without = quantities_of(refits, resampler)
    data = {
        name: float(one[0]) for name, one in quantities_of(resampler.at_data, resampler).items()
    }
    errors = {name: se for name, _, se, _ in solution.estimate_rows()}
    names = [name for name in without if _error(errors, name) > 0.0]
    moved = np.column_stack([(without[name] - data[name]) / _error(errors, name) for name in names])
    apart = refits.beta - solution.beta
    cook = (
        np.einsum("jp,pj->j", apart, np.linalg.solve(solution.beta_cov, apart.T)) / apart.shape[1]
    )
    most = np.nanargmax(np.abs(moved), axis=1)
    counts = resampler.estimate.design.moments().counts
    rows = [
        GroupInfluenceRow(
            model=resampler.estimate.name,
            group=labels[j].item() if hasattr(labels[j], "item") else labels[j],
            n=int(counts[j]),
            cook=float(cook[j]),
            quantity=names[most[j]],
            estimate=data[names[most[j]]],
            without=float(without[names[most[j]]][j]),
            change=float(moved[j, most[j]]),
        )
        for j in np.argsort(-cook, kind="stable")
    ]
    return GroupInfluence(
        rows=tuple(rows),
        without=without,
        labels=labels,
        verdict=resampler.estimate.verdict,
        notes=(
            f"{count(len(labels))} refits by REML, each without one group; changes in standard "
            "errors of the estimate",
        ),
    )


def _error(errors: dict[str, float | None], name: str) -> float:
    """Return the standard error of a parameter; 0 if it has none."""
    found = errors.get(name, errors.get(f"{name}[Intercept]"))
    return 0.0 if found is None or not np.isfinite(found) else float(found)
