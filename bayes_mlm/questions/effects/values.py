"""Values of effects: linear combinations of coefficients, or functions of expected outcomes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from bayes_mlm.base import (
    DataError,
    Floats,
    Stream,
    count,
    stream,
)
from bayes_mlm.engines import effects_of_groups
from bayes_mlm.fitting import Estimate, Fit, ParameterPoints, Value
from bayes_mlm.questions.effects.rows import Moved
from bayes_mlm.questions.effects.scale import Comparison, Measure
from bayes_mlm.questions.response.average import Added, average_means
from bayes_mlm.questions.response.known import Averages, known_averages
from bayes_mlm.questions.response.rows import ResponseRows, scores_of, targets_of


@dataclass(frozen=True, kw_only=True, eq=False)
class Found:
    """One effect by one result.

    Parameters
    ----------
    value : Value
        Its draws, or its estimate; of a ratio without draws those of its logarithm.
    target : str
        Which expected outcome it is of, where there are several.
    ratio : bool
    """

    value: Value
    target: str = ""
    ratio: bool = False

    def summary(self, prob: float) -> tuple[float, float, float, float]:
        """Return mean or estimate, sd or standard error, and the ends of its interval."""
        one = self.value
        lower, upper = one.interval(prob)
        if one.draws is not None or not self.ratio:
            return one.mean, one.sd, lower, upper
        value = float(np.exp(one.estimate))
        return value, value * one.se, float(np.exp(lower)), float(np.exp(upper))

    def shares(self, ends: tuple[float, float]) -> tuple[float, float]:
        """Return the shares of the draws below and above two numbers."""
        draws = self.value.draws
        assert draws is not None
        return float((draws < ends[0]).mean()), float((draws > ends[1]).mean())


def values_of(
    result: Fit | Estimate, moved: Sequence[Moved], measure: Measure
) -> Iterator[tuple[Found, ...]]:
    """Return each effect by one result, of every expected outcome."""
    if measure.is_linear(result.design):
        yield from _linear(result, moved, measure)
        return
    points, targets = result.parameter_points(), targets_of(result.design)
    if measure.comparison != "difference":
        targets = targets[: len(targets) - (len(targets) > 1)]  # a score has no zero
    seed = result.settings.random_seed if isinstance(result, Fit) else 0
    for one in moved:
        assert one.high is not None
        assert one.low is not None
        high, low = (means_of(result, points, rows, measure, seed) for rows in (one.high, one.low))
        values = _compare(high.values, low.values, measure.comparison) / one.step
        root = _root(high, low, measure.comparison) / one.step
        values, root = values[:, : len(targets)], root[:, : len(targets)]
        ratio = measure.comparison != "difference"
        if points.is_drawn:
            drawn = (np.exp(values) if ratio else values).T
            found = [Value(draws=one) for one in drawn]
        else:
            errors = np.hypot(points.errors(values), np.linalg.norm(root, axis=0))
            pairs = zip(values[0].tolist(), errors.tolist(), strict=True)
            found = [Value(estimate=estimate, se=se) for estimate, se in pairs]
        yield tuple(
            Found(value=one, target=name, ratio=ratio)
            for one, name in zip(found, targets, strict=True)
        )


def _linear(
    result: Fit | Estimate, moved: Sequence[Moved], measure: Measure
) -> Iterator[tuple[Found, ...]]:
    ratio = measure.comparison != "difference"
    values = result.combine(np.array([one.weights for one in moved]))
    for value, one in zip(values, moved, strict=True):
        plus = value.plus(one.shift)
        if ratio and plus.draws is not None:
            plus = replace(plus, draws=np.exp(plus.draws))
        yield (Found(value=plus, ratio=ratio),)


def _compare(high: Floats, low: Floats, comparison: Comparison) -> Floats:
    """Return differences, or the logarithms of ratios."""
    if comparison == "difference":
        return high - low
    with np.errstate(divide="ignore", invalid="ignore"):
        if comparison == "ratio":
            return np.asarray(np.log(high) - np.log(low))
        return np.asarray(np.log(high) - np.log1p(-high) - np.log(low) + np.log1p(-low))


def _root(high: Averages, low: Averages, comparison: Comparison) -> Floats:
    """Return the root of the variance over group effects of a comparison, to the first order."""
    if comparison == "difference":
        return high.root - low.root
    factors = [1.0 / one.values[0] for one in (high, low)]
    if comparison == "odds_ratio":
        factors = [one / (1.0 - of.values[0]) for one, of in zip(factors, (high, low), strict=True)]
    return np.asarray(high.root * factors[0] - low.root * factors[1])


def means_of(
    result: Fit | Estimate,
    points: ParameterPoints,
    rows: ResponseRows,
    measure: Measure,
    seed: int,
) -> Averages:
    """Return the expected outcomes, averaged over rows."""
    design, scores = result.design, scores_of(result.design)
    added: Added = None
    if measure.question == "existing_group":
        _check_known(result, rows)
        if isinstance(result, Estimate):
            return known_averages(result, points, rows)
        added = effects_on(result, rows, seed)
    values = average_means(
        design.family,
        points,
        rows,
        integrated=measure.question == "new_group",
        added=added,
        scores=scores,
    )
    return Averages(values=values, root=np.zeros((1, values.shape[1])))


def effects_on(fit: Fit, rows: ResponseRows, seed: int) -> Added:
    """Return what the draws of group effects add to the linear predictors of rows."""
    rng = stream(seed, Stream.PREDICTION)
    parts = []
    for name, Z, codes in zip(fit.design.factors, rows.Z, rows.codes, strict=True):
        one = fit.of_factor(name)
        known, places = np.unique(codes, return_inverse=True)
        if Z.shape[1]:
            parts.append((effects_of_groups(one.design, one.draws, rng)(known), Z, places))

    def added(some: slice) -> Floats:
        total = np.zeros((1, rows.n))
        for u, Z, places in parts:
            for k in range(Z.shape[1]):
                total = total + u[some, :, k][:, places] * Z[:, k]
        return total

    return added


def _check_known(result: Fit | Estimate, rows: ResponseRows) -> None:
    """Refuse rows of groups that the model has not."""
    for name, codes in zip(result.design.factors, rows.codes, strict=True):
        if (codes < 0).any():
            raise DataError(
                f"question='existing_group' needs rows with a known {name}, and "
                f"{count(int((codes < 0).sum()), 'row')} of {rows.n:,} have none that the data of "
                "the model have; use question='new_group' (--question new_group)"
            )
