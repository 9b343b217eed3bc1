"""Rank models by one measure, and say which ranks mean nothing."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np

from bayes_mlm.assess.loo import Elpd, difference_se
from bayes_mlm.assess.stacking import stacking_weights

type Criterion = Literal["group", "row", "marginal_likelihood"]
CRITERIA: tuple[Criterion, ...] = get_args(Criterion.__value__)
BY: dict[Criterion, str] = {
    "group": "by leaving groups out",
    "row": "by leaving rows out",
    "marginal_likelihood": "by marginal likelihood",
}
# Differences that say nothing (Sivula, Magnusson, Matamoros & Vehtari, arXiv:2008.10296): below 4,
# or below two of their standard errors.
LEAST_DIFFERENCE, LEAST_ERRORS = 4.0, 2.0
# Of log marginal likelihoods: a factor of 20, the least that Kass & Raftery (1995, J. Am. Stat.
# Assoc. 90(430), sec. 3.2) call strong.
LEAST_LOG_FACTOR = 3.0
# With fewer parts the standard errors are themselves rough (the same, sec. 2).
_ENOUGH_PARTS = 100


@dataclass(frozen=True, kw_only=True)
class ComparisonRow:
    """One model by one measure.

    Parameters
    ----------
    criterion : {"group", "row", "marginal_likelihood"}
    model : str
    rank : int or None
        1 is the best; None where there is no value.
    value : float or None
        Elpd, or log marginal likelihood.
    se : float or None
        Standard error of the elpd, from the differences between the parts.
    difference, se_difference : float or None
        From the best model, 0 or less; the standard error pairs the parts.
    p : float or None
        Effective number of parameters.
    mcse : float or None
        Monte Carlo or numerical error of `value`.
    k_hat : float or None
        Largest Pareto k-hat of the parts that were not computed anew.
    n_parts, n_refitted : int or None
        Groups or rows omitted in turn, and how many of them needed a refit.
    weight : float or None
        By stacking, among the models with this measure: by which their predictive densities are
        mixed to predict omitted parts best together (`stacking_weights`).
    standing : {"best", "tie", "behind", "none"}
        "tie": the difference from the best is within its noise.
    note : str
        Why there is no value.
    """

    criterion: Criterion
    model: str
    rank: int | None = None
    value: float | None = None
    se: float | None = None
    difference: float | None = None
    se_difference: float | None = None
    p: float | None = None
    mcse: float | None = None
    k_hat: float | None = None
    n_parts: int | None = None
    n_refitted: int | None = None
    weight: float | None = None
    standing: Literal["best", "tie", "behind", "none"] = "none"
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class NamedElpd:
    """Elpd of a model under its name."""

    model: str
    elpd: Elpd


def rank_elpds(criterion: Criterion, elpds: Sequence[NamedElpd]) -> list[ComparisonRow]:
    """Order models by elpd, the best first, each with its paired difference from the best."""
    if not elpds:
        return []
    order = sorted(elpds, key=lambda one: -one.elpd.elpd)
    rows = []
    weights = stacking_weights(np.stack([one.elpd.pointwise for one in order], axis=1))
    for rank, one in enumerate(order, start=1):
        elpd, best = one.elpd, order[0].elpd
        row = ComparisonRow(
            criterion=criterion,
            model=one.model,
            rank=rank,
            value=elpd.elpd,
            se=elpd.se,
            difference=elpd.elpd - best.elpd,
            se_difference=difference_se(elpd, best),
            p=elpd.p,
            mcse=elpd.mcse,
            k_hat=float(np.max(elpd.k_hat, where=~elpd.refitted, initial=-math.inf)),
            n_parts=len(elpd.pointwise),
            n_refitted=elpd.n_refitted,
            weight=float(weights[rank - 1]),
            standing="best",
        )
        rows.append(replace(row, standing=_standing(row, LEAST_DIFFERENCE)))
    return rows


def _standing(row: ComparisonRow, least: float) -> Literal["best", "tie", "behind"]:
    gap, error = abs(row.difference or 0.0), row.se_difference or 0.0
    if row.rank == 1:
        return "best"
    return "tie" if gap < least or gap < LEAST_ERRORS * error else "behind"


def rank_marginal(rows: Sequence[ComparisonRow]) -> list[ComparisonRow]:
    """Order models by the log marginal likelihood that their rows hold, the best first."""
    best = max((row.value for row in rows if row.value is not None), default=0.0)
    order = sorted(rows, key=lambda row: -(row.value or 0.0))
    ranked = []
    for rank, row in enumerate(order, start=1):
        noise = math.hypot(row.mcse or 0.0, order[0].mcse or 0.0) if rank > 1 else 0.0
        gap = (row.value or 0.0) - best
        placed = replace(row, rank=rank, difference=gap, se_difference=noise)
        ranked.append(replace(placed, standing=_standing(placed, LEAST_LOG_FACTOR)))
    return ranked


def cautions_on(rows: Sequence[ComparisonRow]) -> list[str]:
    """Return cautions: ranks without meaning, and how to read the measures."""
    texts = []
    for criterion in CRITERIA:
        ties = [row.model for row in rows if row.criterion == criterion and row.standing == "tie"]
        if ties:
            best = next(row.model for row in rows if row.criterion == criterion and row.rank == 1)
            rule = "4, or 2 standard errors" if criterion != "marginal_likelihood" else "3"
            texts.append(
                f"{BY[criterion]}, {best} and {', '.join(ties)} cannot be distinguished "
                f"(differences below {rule}): choose by what is known of the subject, or the "
                "simpler one"
            )
    sizes = {row.criterion: row.n_parts for row in rows if row.n_parts is not None}
    few = [(name, n) for name, n in sizes.items() if n < _ENOUGH_PARTS]
    if few:
        named = " and ".join(f"{n} {name}s" for name, n in few)
        texts.append(f"with {named} the standard errors of the differences are themselves rough")
    if any(row.criterion == "marginal_likelihood" and row.value is not None for row in rows):
        texts.append(
            "the marginal likelihood changes with the priors where the posterior does not: ten "
            "times wider a prior of a coefficient costs log 10 = 2.3; default priors are scaled "
            "by the data"
        )
    return texts
