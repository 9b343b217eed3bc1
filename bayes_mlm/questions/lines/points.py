"""What the lines of groups and of the population have in common."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bayes_mlm.base import DesignError, EngineError, Floats, expect_text
from bayes_mlm.design import Design, predictor_name
from bayes_mlm.engines import fit_reml, is_drawing
from bayes_mlm.fitting import CoefficientSource, DrawSummary, Estimate, estimate_design
from bayes_mlm.questions.effects.rows import Population
from bayes_mlm.questions.lines.expected import Expected
from bayes_mlm.questions.lines.result import LinePoint

# Points of a line by default.
_POINTS = 11


def check_along(rows: Population, along: str) -> None:
    """Refuse what is no numeric predictor of the model."""
    expect_text("a line", along, "the name of the column along which it runs", EngineError)
    numeric = [name for name in rows.predictors if rows.column(name).dtype.kind in "biuf"]
    if along not in numeric:
        raise EngineError(
            f"{along!r} is no numeric predictor of the model; there are {', '.join(numeric)}"
        )


def grid_of(values: NDArray[Any], x: ArrayLike | None) -> Floats:
    """Return the values (m,) that a line has points at: given ones, or evenly over the data."""
    if x is None:
        return np.linspace(float(np.min(values)), float(np.max(values)), _POINTS)
    grid = np.atleast_1d(np.asarray(x, dtype=np.float64))
    if grid.ndim != 1 or not grid.size or not np.isfinite(grid).all():
        raise EngineError("x must be one or more finite numbers")
    return grid


def reml_of(fit: CoefficientSource) -> Estimate | None:
    """Fit the design of a posterior by REML; None where only the priors identify the model.

    None too of outcomes without a residual and under survey weights, which have no REML.
    """
    design = fit.design
    reml = design.family.is_additive and design.weights is None
    if not is_drawing(fit.engine) or not reml:
        return None
    try:
        if len(design.factors) > 1:
            return estimate_design(design, "reml", request=fit.request)
        solution = fit_reml(design.whole, profile=False).of_groups(design)
    except (DesignError, EngineError):
        return None
    return Estimate(design=design, solution=solution, request=fit.request)


def line_points(
    fit: CoefficientSource, group: Any, grid: Floats, found: DrawSummary, reml: Floats | None
) -> Iterator[LinePoint]:
    """Return the points of one line."""
    for i, value in enumerate(grid):
        yield LinePoint(
            model=fit.name,
            engine=fit.engine,
            group=group,
            x=float(value),
            estimate=float(found.mean[i]),
            lower=float(found.lower[i]),
            upper=float(found.upper[i]),
            reml=None if reml is None else float(reml[i]),
        )


def line_scale(design: Design, expected: Expected | None) -> str:
    """Return what the points of lines are; empty where they are expected outcomes themselves."""
    if expected is not None:
        return expected.scale
    return predictor_name(design) if design.family.predictor_scale else ""
