"""The registry of figures; the command line, the report and notebooks read it.

A new figure is a file with its data, its drawing and its `Entry`, and a line here.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from bayes_mlm.base import Registry, RowsNeededError, UnsupportedModelError
from bayes_mlm.figures import (
    accuracy,
    calibration,
    caterpillar,
    cells,
    coefficients,
    contextual,
    convergence,
    densities,
    divergences,
    energy,
    explained,
    group_means,
    influence,
    loo,
    predictive,
    prior_posterior,
    prior_sensitivity,
    ranks,
    residuals,
    response_curves,
    shrinkage,
    subgroup_difference,
    traces,
    trajectories,
    variance_parts,
)
from bayes_mlm.figures.data import FigureData
from bayes_mlm.figures.entry import Entry
from bayes_mlm.fitting import Analysis

FIGURES = Registry[Entry]("figure")

for _entry in (
    densities.FIGURE,
    explained.FIGURE,
    coefficients.FIGURE,
    caterpillar.FIGURE,
    cells.FIGURE,
    trajectories.FIGURE.or_of_outcomes(response_curves.FIGURE, response_curves.ResponseCurves),
    shrinkage.FIGURE.or_of_outcomes(group_means.FIGURE, group_means.GroupMeans),
    subgroup_difference.FIGURE,
    contextual.FIGURE,
    variance_parts.FIGURE,
    prior_posterior.FIGURE,
    prior_sensitivity.FIGURE,
    traces.FIGURE,
    ranks.FIGURE,
    energy.FIGURE,
    convergence.FIGURE,
    divergences.FIGURE,
    accuracy.FIGURE,
    loo.FIGURE,
    influence.FIGURE,
    predictive.FIGURE,
    calibration.FIGURE,
    residuals.ROW_RESIDUALS,
    residuals.GROUP_RESIDUALS,
):
    FIGURES.register(_entry.name, _entry)


def model_figures(analysis: Analysis) -> Iterator[tuple[Entry, FigureData]]:
    """Prepare every figure of one model that applies to it, in the order of the registry."""
    yield from _prepared("model", analysis)


def ladder_figures(analyses: Sequence[Analysis]) -> Iterator[tuple[Entry, FigureData]]:
    """Prepare every figure of a ladder of models (or of one) that applies to it."""
    yield from _prepared("ladder", analyses)


def prepared(entry: Entry, source: Any) -> tuple[FigureData, ...]:
    """Prepare a figure, of each grouping factor if it is of one; none where it does not apply."""
    several = entry.by_factor and len(source.design.factors) > 1
    factors = [{"factor": name} for name in source.design.factors] if several else [{}]
    try:
        found = [entry.find(source, **factor) for factor in factors]
    except (RowsNeededError, UnsupportedModelError):
        return ()
    return tuple(data for data in found if data is not None)


def _prepared(of: str, source: object) -> Iterator[tuple[Entry, FigureData]]:
    for entry in FIGURES.values():
        if entry.of == of:
            for data in prepared(entry, source):
                yield entry, data
