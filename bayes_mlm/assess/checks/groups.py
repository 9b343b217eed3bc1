"""Collect what is known of each group: how far out it is, how its rows spread, what it moves."""

import math
from dataclasses import dataclass

import numpy as np

from bayes_mlm.assess.checks.heteroscedasticity import Heteroscedasticity
from bayes_mlm.assess.checks.result import GroupRow
from bayes_mlm.assess.loo import ParameterShifts
from bayes_mlm.base import Floats
from bayes_mlm.fitting import Fit

# Chance that any group of a right model is called outlying, over their number (Bonferroni).
OUTLYING = 0.01


@dataclass(frozen=True, kw_only=True, eq=False)
class Outlying:
    """Standardised distances of the groups' effects from their distribution.

    Parameters
    ----------
    effect : ndarray, shape (J,)
        Standardised: signed for one effect, the root of the sum of squares for several; nan
        where the rows say next to nothing.
    p : ndarray, shape (J,)
    """

    effect: Floats
    p: Floats


def outlying(standardised: Floats) -> Outlying:
    """Judge standardised effects (J, q), taken as independent."""
    q = standardised.shape[1]
    if q == 1:
        z = standardised[:, 0]
        return Outlying(effect=z, p=np.array([_tail(value) for value in z]))
    from scipy.special import gammaincc

    square = np.square(standardised).sum(axis=1)
    return Outlying(effect=np.sqrt(square), p=np.asarray(gammaincc(0.5 * q, 0.5 * square)))


def _tail(z: float) -> float:
    return math.erfc(abs(z) / math.sqrt(2.0)) if math.isfinite(z) else math.nan


def group_rows(
    fit: Fit,
    out: Outlying | None,
    spread: Heteroscedasticity | None,
    shifts: ParameterShifts | None,
) -> tuple[GroupRow, ...]:
    """Return a row for each group, without the statistics that the model does not define."""
    design = fit.design
    labels, sizes = design.group_term.names(), design.group_sizes.tolist()

    def listed(values: Floats | None) -> list[float | None]:
        if values is None:
            return [None] * len(labels)
        return [None if math.isnan(value) else value for value in values.tolist()]

    effects, effect_p = (None, None) if out is None else (out.effect, out.p)
    ratio, spread_p = (None, None) if spread is None else (spread.ratio, spread.p)
    largest = None if shifts is None else np.argmax(np.abs(shifts.shift), axis=1)
    columns = zip(
        labels, sizes, *(listed(v) for v in (effects, effect_p, ratio, spread_p)), strict=True
    )
    rows = []
    for j, (label, n, effect, p, one, one_p) in enumerate(columns):
        shift, moved, reliable = None, "", True
        if shifts is not None and largest is not None:
            shift = float(shifts.shift[j, largest[j]])
            moved, reliable = shifts.quantities[largest[j]], bool(shifts.reliable[j])
        rows.append(
            GroupRow(
                group=label,
                n=n,
                effect=effect,
                effect_p=p,
                spread=one,
                spread_p=one_p,
                shift=shift,
                moved=moved,
                reliable=reliable,
            )
        )
    return tuple(rows)
