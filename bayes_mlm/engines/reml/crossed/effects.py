"""Sds of predicted effects, and errors of predictions, of two crossed random intercepts."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from bayes_mlm.base import EngineError, Floats, Ints
from bayes_mlm.engines.crossed.mixing import largest_eigenvalue
from bayes_mlm.engines.crossed.one_way import OneWay
from bayes_mlm.engines.reml.crossed.equations import Equations
from bayes_mlm.engines.reml.crossed.points import TOLERANCE
from bayes_mlm.engines.reml.crossed.search import CrossedOptimum
from bayes_mlm.moments import CrossedTable

# Sweeps of block Gibbs sampling at the estimated sds, of each of several chains, and those before.
_SWEEPS, _BEFORE = 4, 3
# Part of a variance that sweeps from the estimates may still lack, and rows that all sweeps before
# may pass over.
_LACKS, _ROWS_SWEPT = 0.02, 4e8
# Rows of a table above which the slowest direction of the sweeps is looked for less closely.
_LARGE, _ITERATIONS, _FEW_ITERATIONS = 4_000_000, 40, 10
# Rows whose errors of prediction are solved for, at most, and at a time.
_MOST_ROWS, _AT_A_TIME = 2000, 32


def conditional_sds(
    table: CrossedTable, optimum: CrossedOptimum, *, seed: int = 1
) -> tuple[Floats, Floats, float]:
    """Return the sds (m,) of the effects of each margin given coefficients and variances.

    In units of the table. The part of a variance that the other factor's effects being known would
    leave is exact; what their errors add, which is small where levels have many rows, is estimated
    from draws. That of the coefficients is taken out again exactly. The draws begin at the
    estimates, and the variance along a direction of eigenvalue r lacks ``r^2`` to the number of
    sweeps: these are as many as the slowest direction needs, unless they are too many. That r is
    the third value: where it is near one (levels linked by few rows) a few chains tell little of
    the variance along it.

    Parameters
    ----------
    table : CrossedTable
    optimum : CrossedOptimum
    seed : int
    """
    from bayes_mlm.engines.crossed.kernels import LANES, MOMENTS  # loads numba

    layouts = OneWay(table=table, place=0), OneWay(table=table, place=1)
    scale = table.y_scale
    sds = optimum.point.sds * scale
    found = optimum.point.found
    effects = [np.tile(one * scale, (1, LANES)) for one in (found.a, found.b)]
    moments = [np.zeros((one.m, MOMENTS)) for one in table.margins]
    rngs = [np.random.Generator(np.random.Philox(key=[seed, lane])) for lane in range(LANES)]
    flat = [np.zeros((table.p + 1, table.p + 1))] * LANES
    iterations = _ITERATIONS if table.n <= _LARGE else _FEW_ITERATIONS
    slowest = 0.0
    if (sds[:2] > 0.0).all():
        slowest = largest_eigenvalue(layouts, sds, flat[0], iterations=iterations)
    needed = math.log(_LACKS) / (2.0 * math.log(slowest)) if 0.0 < slowest < 1.0 else _BEFORE
    most = max(_ROWS_SWEPT / table.n, _BEFORE)
    before = math.ceil(min(max(needed, _BEFORE), most))
    for sweep in range(before + _SWEEPS):
        kept = max(sweep + 1 - before, 0)
        for place in (0, 1):
            given = layouts[place].condition(layouts[1 - place], effects[1 - place])
            log_sds = np.tile(np.log(sds[[place, 2]]), (LANES, 1))
            given.draw(
                *(log_sds, flat, rngs, (sweep, place, 0), seed),
                *(effects[place], moments[place], kept),
            )
    of_x = optimum.point.coefficients
    inverse = np.linalg.inv(of_x.beta)
    sigma2 = float(optimum.point.sds[2]) ** 2
    result = []
    for margin, one, solved, ratio in zip(
        table.margins, moments, (of_x.a, of_x.b), optimum.point.equations.ratios, strict=True
    ):
        means, count = one[:, :LANES], LANES * _SWEEPS
        between = one[:, LANES : 2 * LANES].sum(axis=1) + _SWEEPS * means.var(axis=1) * LANES
        variance = (between / (count - 1) + one[:, 2 * LANES] / count) / scale**2
        variance -= sigma2 * np.einsum("mp,pq,mq->m", solved, inverse, solved)
        result.append(np.sqrt(np.maximum(variance, sigma2 / (margin.counts + ratio))))
    return result[0], result[1], slowest


@dataclass(frozen=True, kw_only=True, eq=False)
class CrossedEquations:
    """The mixed-model equations at the estimates, by conjugate gradients.

    Attributes
    ----------
    equations : Equations
        In units of the table.
    """

    equations: Equations

    def relative_variance(self, X: Floats, groups: Mapping[int, tuple[Floats, Ints]]) -> Floats:
        """Return the variances (k,) of errors of prediction over the residual variance.

        As of `SeveralFactorsFit.error_variance`.

        Raises
        ------
        EngineError
            If the rows are too many.
        """
        table = self.equations.table
        order = table.in_formula_order(0, 1)
        codes = {order[place]: one for place, (_, one) in groups.items()}
        keys = np.column_stack([X, *(codes[place] for place in sorted(codes))])
        rows, back = np.unique(keys, axis=0, return_inverse=True)
        if len(rows) > _MOST_ROWS:
            raise EngineError(
                f"errors of prediction of {len(rows):,} rows, each by conjugate gradients; predict "
                f"{_MOST_ROWS:,} rows at most, or without the group effects"
            )
        found = np.empty(len(rows))
        for start in range(0, len(rows), _AT_A_TIME):
            part = slice(start, min(start + _AT_A_TIME, len(rows)))
            found[part] = self._variances(rows[part], sorted(codes))
        return np.asarray(found[back.ravel()])

    def _variances(self, rows: Floats, places: list[int]) -> Floats:
        table, k = self.equations.table, len(rows)
        x = (rows[:, : table.p] @ table.transform[:-1, :-1]).T
        right = [np.zeros((one.m, k)) for one in table.margins]
        for column, place in enumerate(places, start=table.p):
            margin = table.margins[place]
            where = np.empty(margin.m, dtype=np.int64)
            where[margin.places] = np.arange(margin.m)
            right[place][where[rows[:, column].astype(np.int64)], np.arange(k)] = 1.0
        solved = self.equations.solve(right[0], x, right[1], TOLERANCE)
        total = (right[0] * solved.a).sum(axis=0) + (right[1] * solved.b).sum(axis=0)
        return np.asarray(total + (x * solved.beta).sum(axis=0))
