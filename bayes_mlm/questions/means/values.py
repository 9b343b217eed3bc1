"""Means by one result: posterior draws, or estimates with their covariance."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bayes_mlm.base import Flags, Floats, UnsupportedModelError
from bayes_mlm.engines import DF_METHODS, CoefficientTests
from bayes_mlm.fitting import Estimate, Fit
from bayes_mlm.questions.effects.scale import Comparison, Measure
from bayes_mlm.questions.effects.values import means_of
from bayes_mlm.questions.means.grid import ReferenceGrid
from bayes_mlm.questions.response.rows import targets_of

# From linear combinations (c, m) of means to degrees of freedom (c,).
type DfOf = Callable[[Floats], Floats]


@dataclass(frozen=True, kw_only=True, eq=False)
class MeanValues:
    """Means by one result, of one expected outcome; or linear combinations of them.

    Parameters
    ----------
    result : Fit or Estimate
    target : str
        Which expected outcome, where there are several.
    estimate : ndarray, shape (m,)
        Posterior mean, or the estimate.
    covariance : ndarray, shape (m, m)
        Without draws.
    draws : ndarray, shape (S, m), or None
    points : ndarray, shape (P, m), or None
        Of an estimate that is not linear in the parameters: at the points of its gradient.
    estimable : ndarray of bool, shape (m,)
    df_of : callable
    """

    result: Fit | Estimate
    target: str
    estimate: Floats
    covariance: Floats
    draws: Floats | None
    points: Floats | None
    estimable: Flags
    df_of: DfOf

    def transformed(self, how: Comparison) -> "MeanValues":
        """Return the logarithms, or log odds, of the means, whose differences are of ratios."""
        if how == "difference":
            return self
        function = np.log if how == "ratio" else _logit
        with np.errstate(divide="ignore", invalid="ignore"):
            draws = None if self.draws is None else function(self.draws)
            points = None if self.points is None else function(self.points)
        return _made(self.result, self.target, draws, points, self.estimable)

    def combined(self, weights: Floats) -> "MeanValues":
        """Return linear combinations of the means, weights (c, m)."""
        usable = ~((weights != 0.0) & ~self.estimable).any(axis=1)
        weights = np.where(usable[:, None], weights, 0.0)
        draws = None if self.draws is None else self.draws @ weights.T
        points = None if self.points is None else self.points @ weights.T
        return MeanValues(
            result=self.result,
            target=self.target,
            estimate=weights @ self.estimate,
            covariance=weights @ self.covariance @ weights.T,
            draws=draws,
            points=points,
            estimable=usable,
            df_of=lambda combined: self.df_of(combined @ weights),
        )

    @property
    def sd(self) -> Floats:
        """Posterior sds or standard errors (m,)."""
        if self.draws is not None:
            return np.asarray(self.draws.std(axis=0, ddof=1))
        return np.sqrt(np.maximum(np.diagonal(self.covariance), 0.0))

    @property
    def df(self) -> Floats:
        """Degrees of freedom (m,); infinite of the normal."""
        found = np.full(self.estimate.size, np.inf)
        rows = np.eye(self.estimate.size)[self.estimable]
        if len(rows):
            found[self.estimable] = self.df_of(rows)
        return found


def _logit(values: Floats) -> Floats:
    return np.asarray(np.log(values) - np.log1p(-values))


def _normal(weights: Floats) -> Floats:
    return np.full(len(weights), np.inf)


def _made(
    result: Fit | Estimate, target: str, draws: Floats | None, points: Floats | None, known: Flags
) -> MeanValues:
    """Return means that are not linear in the coefficients."""
    if draws is not None:
        size = draws.shape[1]
        estimate, covariance = draws.mean(axis=0), np.zeros((size, size))
    else:
        assert points is not None
        estimate = points[0]
        covariance = result.parameter_points().joint_covariance(points)
    return MeanValues(
        result=result,
        target=target,
        estimate=estimate,
        covariance=covariance,
        draws=draws,
        points=points,
        estimable=known,
        df_of=_normal,
    )


def tests_of(estimate: Estimate, df: str | None) -> tuple[CoefficientTests, str]:
    """Return how an estimate is tested: as requested, else by Satterthwaite where that is defined.

    Returns
    -------
    tests : CoefficientTests
    caution : str
        Why by the normal distribution, which was not requested; else empty.
    """
    solution, design = estimate.solution, estimate.design
    if df is not None:
        return DF_METHODS[df](solution, design), ""
    try:
        return DF_METHODS["satterthwaite"](solution, design), ""
    except UnsupportedModelError as error:
        why = str(error).split(";")[0] if design.family.is_additive else ""
        return DF_METHODS["normal"](solution, design), why


def mean_values(
    result: Fit | Estimate, grid: ReferenceGrid, measure: Measure, tests: CoefficientTests | None
) -> tuple[MeanValues, ...]:
    """Return the means of a grid by one result, of every expected outcome.

    Parameters
    ----------
    result : Fit or Estimate
    grid : ReferenceGrid
    measure : Measure
    tests : CoefficientTests or None
        Of an estimate whose means are linear in the coefficients.
    """
    rows, known = grid.rows
    weights = grid.weights
    missing = np.isnan(weights).any(axis=1)
    estimable = ~(missing | ((weights > 0.0) & ~known).any(axis=1))
    weights = np.where(estimable[:, None], weights, 0.0)
    if measure.is_linear(result.design):
        return (_linear(result, weights @ rows.X, weights @ rows.offset, estimable, tests),)
    points, targets = result.parameter_points(), targets_of(result.design)
    seed = result.random_seed
    found = np.stack(
        [
            means_of(result, points, rows.take(slice(k, k + 1)), measure, seed).values
            for k in range(rows.n)
        ]
    )
    values = np.einsum("mg,gsk->ksm", weights, found)
    drawn = points.is_drawn
    return tuple(
        _made(result, name, one if drawn else None, None if drawn else one, estimable)
        for name, one in zip(targets, values, strict=True)
    )


def _linear(
    result: Fit | Estimate,
    X: Floats,
    offset: Floats,
    known: Flags,
    tests: CoefficientTests | None,
) -> MeanValues:
    m = len(X)
    if isinstance(result, Fit):
        values = result.combine(X)
        draws = np.stack([np.asarray(one.draws) for one in values], axis=1) + offset
        return _made(result, "", draws, None, known)
    assert tests is not None
    return MeanValues(
        result=result,
        target="",
        estimate=X @ result.solution.beta + offset,
        covariance=X @ tests.covariance @ X.T if m else np.zeros((0, 0)),
        draws=None,
        points=None,
        estimable=known,
        df_of=lambda weights: tests.df(weights @ X),
    )
