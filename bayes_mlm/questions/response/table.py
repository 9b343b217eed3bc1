"""The mean of the inverse link over normal linear predictors, tabulated once for all draws."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bayes_mlm.base import Floats
from bayes_mlm.model import Family
from bayes_mlm.questions.response.smooth import smoothed_link

# Relative error of an interpolated value, and the spacing at which it is first tried: of the
# mean of the linear predictor, and of log(1 + variance).
_PRECISE = 1e-6
_STEP_MEAN, _STEP_SPREAD = 1.0 / 32.0, 1.0 / 32.0
_MOST_NUMBERS, _TRIED = 3_000_000, 400


@dataclass(frozen=True, kw_only=True, eq=False)
class MeanTable:
    """Values (n_w, n_m) on a grid of w = log(1 + variance) by the linear predictor."""

    values: Floats
    first_mean: float
    step_mean: float
    first_spread: float
    step_spread: float

    def average(
        self, eta: Floats, variance: Floats, weights: Floats, cuts: Floats, sign: float
    ) -> Floats:
        """Return the weighted averages (b, k) over rows: of eta (b, n), variance (b, 1 or n)."""
        from bayes_mlm.questions.response.kernels import average_lookups  # loads numba

        out = np.empty((len(eta), cuts.shape[1]))
        arrays = [np.ascontiguousarray(one) for one in (eta, np.log1p(variance), weights, cuts)]
        grid = [self.first_mean, self.step_mean, self.first_spread, self.step_spread]
        average_lookups(*arrays, sign, self.values, *grid, out)  # type: ignore[call-arg]
        return out


def make_table(
    family: Family, means: tuple[float, float], variances: tuple[float, float]
) -> MeanTable | None:
    """Return a table over ranges of the linear predictor and its variance.

    None where it would be too large, or misses a relative error of 1e-6 at points between.
    """
    curve = smoothed_link(family)
    ends = math.log1p(variances[0]), math.log1p(variances[1])
    rng = np.random.default_rng(1)
    for finer in (1.0, 2.0, 4.0):
        steps = _STEP_MEAN / finer, _STEP_SPREAD / finer
        spreads = np.array(ends[:1]) if ends[0] == ends[1] else _grid(*ends, steps[1])
        grids = _grid(*means, steps[0]), spreads
        if grids[0].size * grids[1].size > _MOST_NUMBERS:
            return None
        with np.errstate(over="ignore"):
            values = curve(grids[0], np.maximum(np.expm1(grids[1]), 0.0)[:, None])
        values = np.ascontiguousarray(np.broadcast_to(values, (grids[1].size, grids[0].size)))
        table = MeanTable(
            values=values,
            first_mean=float(grids[0][0]),
            step_mean=steps[0],
            first_spread=float(grids[1][0]),
            step_spread=steps[1],
        )
        at = rng.uniform(*means, _TRIED), np.expm1(rng.uniform(*ends, _TRIED))
        if np.isfinite(values).all() and _error(table, curve, *at) < _PRECISE:
            return table
    return None


def _grid(low: float, high: float, step: float) -> Floats:
    """Return points about a range, two more on either side."""
    return np.asarray(low + step * np.arange(-2, int((high - low) / step) + 4), dtype=np.float64)


def _error(
    table: MeanTable, curve: Callable[[Floats, Floats], Floats], mean: Floats, variance: Floats
) -> float:
    one, none = np.ones(1), np.zeros((mean.size, 1))
    found = table.average(mean[:, None], variance[:, None], one, none, 1.0)[:, 0]
    exact = curve(mean, variance)
    return float((np.abs(found - exact) / (np.abs(exact) + 1e-9)).max())
