"""Compute what is checked of residuals and group effects, of the data and of many replicates."""

from dataclasses import dataclass

import numpy as np

from bayes_mlm.assess.checks.heteroscedasticity import LEAST_DF, h_statistic
from bayes_mlm.assess.checks.working import Working
from bayes_mlm.base import Floats, Ints
from bayes_mlm.design import INTERCEPT

# Share of the length of a column that must be left after projection on the others.
_NEW = 1e-6


@dataclass(frozen=True, kw_only=True, eq=False)
class Sampled:
    """Statistics of the data and of R replicates under the model.

    Parameters
    ----------
    variance : ndarray, shape (k, 1 + R)
        Covariance of squared residuals with each predictor; the data first.
    spread : ndarray, shape (1 + R,)
        H of the variances within groups; nan where too few groups have rows enough.
    correlation : ndarray, shape (1 + R,)
        Of neighbouring residuals within groups.
    skewness, kurtosis : ndarray, shape (1 + R,)
        Of the residuals; the replicates have normal errors.
    effect_skewness, effect_kurtosis : ndarray, shape (q, 1 + R)
        Of the standardised group effects.
    effect_sizes : tuple of int
        Groups that those are of.
    """

    variance: Floats
    spread: Floats
    correlation: Floats
    skewness: Floats
    kurtosis: Floats
    effect_skewness: Floats
    effect_kurtosis: Floats
    effect_sizes: tuple[int, ...]


def sample_statistics(work: Working, predictors: Floats, seed: int) -> Sampled:
    """Compute the statistics of the data and of replicates under the model.

    Parameters
    ----------
    work : Working
    predictors : ndarray, shape (n, k)
        Along which the residual variance may change, orthonormal and of mean zero.
    seed : int

    Notes
    -----
    Statistics that are quadratic in the residuals are less their regression, over the replicates,
    on those that the variance parameters are estimated from (Neyman's C(alpha)): so they neither
    depend on how those are estimated, nor wait for a refit of each replicate.

    References
    ----------
    Neyman (1959), in Grenander (ed.), Probability and Statistics; Breusch & Pagan (1979),
    Econometrica 47(5); Raudenbush & Bryk (2002), Hierarchical Linear Models, 2nd ed., p. 263.
    """
    q, pairs, spread = work.root.shape[0], _pairs(work), _HStatistics(work)
    random = bool(work.root.any())

    def of(residuals: Floats) -> list[Floats]:
        scaled = work.scaled(residuals)
        square = np.square(scaled)
        total = square.sum(axis=0)
        inner = work.by_group(residuals) if q else np.zeros((work.starts.size, 0, square.shape[1]))
        effects_of = range(q if random else 0)  # of intercepts of no distribution nothing is left
        nuisance = [inner[:, a] * inner[:, b] for a in effects_of for b in range(a + 1)]
        squares = [np.square(residuals).sum(axis=0), *(one.sum(axis=0) for one in nuisance)]
        products = (scaled[pairs] * scaled[pairs - 1]).sum(axis=0) / np.maximum(total, 1e-300)
        effects = work.effects(residuals) if random else np.zeros((1, q, square.shape[1]))
        shapes = [moments(effects[work.reliable[:, a], a]) for a in range(q) if random]
        return [
            predictors.T @ square / np.maximum(total, 1e-300) * work.n,
            spread(residuals, inner),
            products,
            np.array(squares),
            np.array([one[0] for one in shapes]).reshape(len(shapes), square.shape[1]),
            np.array([one[1] for one in shapes]).reshape(len(shapes), square.shape[1]),
        ]

    parts = [of(work.found), *(of(part) for part in work.redraw(seed, normal=False))]
    variance, h, correlation, nuisance, skew, kurtosis = (
        np.concatenate([part[k] for part in parts], axis=-1) for k in range(6)
    )
    shape = [moments(work.scaled(work.design.family.normal_scores(work.found, work.others)))]
    shape += [moments(work.scaled(part)) for part in work.redraw(seed + 1, normal=True)]
    return Sampled(
        variance=_adjusted(variance, nuisance),
        spread=h,
        correlation=_adjusted(correlation[None], nuisance)[0],
        skewness=np.concatenate([one[0] for one in shape]),
        kurtosis=np.concatenate([one[1] for one in shape]),
        effect_skewness=skew,
        effect_kurtosis=kurtosis,
        effect_sizes=tuple(work.reliable.sum(axis=0).tolist()),
    )


def moments(values: Floats) -> tuple[Floats, Floats]:
    """Compute skewness and kurtosis of columns (m, R), nan for fewer than three values."""
    if values.shape[0] < 3:
        return np.full(values.shape[1], np.nan), np.full(values.shape[1], np.nan)
    centred = values - values.mean(axis=0)
    square = np.square(centred)
    spread = np.maximum(square.mean(axis=0), 1e-300)
    skewness = (square * centred).mean(axis=0) / spread**1.5
    return skewness, np.square(square).mean(axis=0) / np.square(spread)


def quadratic_form(values: Floats) -> Floats:
    """Compute the squared length of statistics (k, 1 + R) in the metric of the replicates."""
    replicates = values[:, 1:]
    centred = values - replicates.mean(axis=1, keepdims=True)
    covariance = np.atleast_2d(np.cov(replicates))
    return np.asarray(np.einsum("kr,kl,lr->r", centred, np.linalg.pinv(covariance), centred))


def _adjusted(values: Floats, nuisance: Floats) -> Floats:
    """Subtract from statistics (k, 1 + R) their regression on others (m, 1 + R) over replicates."""
    other = nuisance - nuisance[:, 1:].mean(axis=1, keepdims=True)
    spread = other[:, 1:].std(axis=1, keepdims=True)
    other = other / np.where(spread > 0.0, spread, 1.0)
    centred = values[:, 1:] - values[:, 1:].mean(axis=1, keepdims=True)
    slopes = np.linalg.lstsq(other[:, 1:].T, centred.T, rcond=1e-8)[0]
    return np.asarray(values - slopes.T @ other)


def _pairs(work: Working) -> Ints:
    """List the rows whose predecessor, in the order of rows, is of the same group."""
    if not work.grouped:
        return np.zeros(0, dtype=np.int64)
    first = np.zeros(work.n, dtype=bool)
    first[work.starts] = True
    return np.flatnonzero(~first)


class _HStatistics:
    """Computes H of residuals: how the logarithms of variances within groups differ.

    Variances within a group are about the group-specific coefficients, or the mean.
    """

    def __init__(self, work: Working) -> None:
        self.starts, self.sizes = work.starts, work.sizes
        self.inverse: Floats | None = None
        rank = np.ones(work.starts.size, dtype=np.int64)
        if work.Z.shape[1]:
            zz = work.by_group(work.Z)
            self.inverse = np.linalg.pinv(zz, rcond=1e-12, hermitian=True)
            rank = np.rint(np.trace(self.inverse @ zz, axis1=1, axis2=2)).astype(np.int64)
        self.df = work.sizes - rank
        self.tested = self.df >= LEAST_DF if work.grouped else np.zeros(1, dtype=bool)

    def __call__(self, residuals: Floats, inner: Floats) -> Floats:
        if np.count_nonzero(self.tested) < 2:
            return np.full(residuals.shape[1], np.nan)
        if self.inverse is None:
            total = np.add.reduceat(residuals, self.starts, axis=0)
            taken = np.square(total) / self.sizes[:, None]
        else:
            taken = (inner * np.matmul(self.inverse, inner)).sum(axis=1)
        sums = np.add.reduceat(np.square(residuals), self.starts, axis=0) - taken
        df = self.df[self.tested]
        return h_statistic(np.log(np.maximum(sums[self.tested], 1e-300).T / df), df)


def variance_predictors(work: Working) -> tuple[Floats, tuple[str, ...]]:
    """Return the predictors along which the residual variance may change, orthonormal, with names.

    Columns of products are omitted: their factors mostly capture the same change.
    """
    kept: list[Floats] = []
    names = []
    for term, column in zip(work.design.terms, work.design.X.T, strict=True):
        if term == INTERCEPT or ":" in term:
            continue
        rest = column - column.mean()
        size = float(np.linalg.norm(rest))
        for _ in range(2):  # twice is enough
            for other in kept:
                rest = rest - other * (other @ rest)
        left = float(np.linalg.norm(rest))
        if left > _NEW * max(size, _NEW * float(np.linalg.norm(column))):
            kept.append(rest / left)
            names.append(term)
    return np.array(kept).reshape(len(kept), work.n).T, tuple(names)
