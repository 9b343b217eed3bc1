"""Compute where the variance of the outcome comes from, by Rights & Sterba's decomposition."""

from dataclasses import dataclass

import numpy as np

from bayes_mlm.base import percent
from bayes_mlm.fitting import Analysis, has_random_effects
from bayes_mlm.questions import (
    PARTS,
    VarianceRow,
    VarianceTable,
    variance_by_level,
    variance_by_level_classical,
)

LABELS = {
    "fixed_within": "predictors within groups",
    "fixed_between": "predictors between groups",
    "slopes_within": "varying slopes within groups",
    "slopes_between": "varying slopes between groups",
    "means": "group effects",
    "residual": "residuals",
}
_MEASURES = {
    "total": "whole variance",
    "within": "variance within groups",
    "between": "variance between groups",
}
# A share this small is rounding of one that is nothing.
_NOTHING = 1e-9
# A share below this is written as nothing: a ten-thousandth.
_LEAST = 1e-4


@dataclass(frozen=True, kw_only=True)
class Share:
    """Hold one part's share of one variance.

    Parameters
    ----------
    part : str
        A key of `LABELS`.
    mean : float
        Posterior mean; the REML estimate where there is no posterior.
    lower, upper : float or None
        Of its interval.
    classical : float
        By REML.
    """

    part: str
    mean: float
    lower: float | None
    upper: float | None
    classical: float


@dataclass(frozen=True, kw_only=True)
class Column:
    """Hold the parts of one variance, which add up to 1.

    Parameters
    ----------
    measure : {"total", "within", "between"}
    label : str
    shares : tuple of Share
        In the order in which they are stacked.
    """

    measure: str
    label: str
    shares: tuple[Share, ...]


@dataclass(frozen=True, kw_only=True)
class VarianceParts:
    """Hold the decomposition of the whole variance, and of that within and between groups.

    Parameters
    ----------
    model, outcome, group : str
    n, n_groups : int
    engine : str
        Of the means: "direct", "nuts" or "reml".
    columns : tuple of Column
    prob : float
        Of the intervals.
    notes : tuple of str
        What a reader must know of the predictors.
    """

    model: str
    outcome: str
    group: str
    n: int
    n_groups: int
    engine: str
    columns: tuple[Column, ...]
    prob: float
    notes: tuple[str, ...]

    @property
    def title(self) -> str:
        """What the figure is of."""
        return f"Where the variance of {self.outcome} comes from ({self.model})"

    @property
    def caption(self) -> str:
        """What there is to see."""
        told = []
        for column in self.columns:
            named = sorted(column.shares, key=lambda share: -share.mean)
            if len(named) > 1:
                parts = ", ".join(f"{LABELS[one.part]} {_share(one)}" for one in named)
            else:
                parts = f"all of it {LABELS[named[0].part]}"
            told.append(f"Of the {column.label}: {parts}.")
        source = (
            f"Posterior means with {percent(self.prob)} intervals"
            if self.engine != "reml"
            else "REML estimates"
        )
        notes = " ".join(f"{note[0].upper()}{note[1:]}." for note in self.notes)
        return f"{' '.join(told)} {source}, after Rights & Sterba (2019). {notes}".strip()

    @property
    def alt(self) -> str:
        """What is drawn."""
        return (
            "Left, stacked bars: the parts of the whole variance, of that within groups and of "
            "that between groups. Right, every part as a point with its interval, and the REML "
            "estimate."
        )


def variance_parts(analysis: Analysis) -> VarianceParts | None:
    """Decompose the variance that a model implies.

    Returns
    -------
    VarianceParts or None
        None without a distribution of group effects.
    """
    design = analysis.design
    if not has_random_effects(design):
        return None
    classical = variance_by_level_classical(analysis.classical, design, name=analysis.spec.name)
    shown = classical
    if analysis.fits:
        shown = variance_by_level(analysis.fits[0], prob=analysis.prob)
    columns = [
        Column(measure=measure, label=label, shares=shares)
        for measure, label in _MEASURES.items()
        if (shares := _shares(measure, shown, classical))
    ]
    return VarianceParts(
        model=analysis.spec.name,
        outcome=design.outcome,
        group=str(design.group),
        n=design.n,
        n_groups=design.J,
        engine=shown.rows[0].engine,
        columns=tuple(columns),
        prob=analysis.prob,
        notes=shown.notes,
    )


def _shares(measure: str, shown: VarianceTable, classical: VarianceTable) -> tuple[Share, ...]:
    found = []
    for part in PARTS[measure]:
        quantity = f"part_{measure}[{part}]"
        if quantity not in shown:
            continue
        row = shown[quantity]
        if row.estimate is None:  # no variance between groups at all
            return ()
        plug_in = _estimate(classical[quantity]) if quantity in classical else 0.0
        if max(row.estimate, plug_in) < _NOTHING:  # predictors that have nothing at this level
            continue
        found.append(
            Share(part=part, mean=row.estimate, lower=row.lower, upper=row.upper, classical=plug_in)
        )
    return tuple(found)


def _estimate(row: VarianceRow) -> float:
    return np.nan if row.estimate is None else row.estimate


def _share(one: Share) -> str:
    if one.lower is None or one.upper is None:
        return percent(one.mean)
    lower = percent(one.lower) if one.lower >= _LEAST else "0 %"
    return f"{percent(one.mean)} ({lower} to {percent(one.upper)})"
