"""Predictions of outcomes that are not Gaussian from a maximum of the likelihood.

The expected outcome is integrated over the effects of the group: of a new one over their normal
distribution, of a known one over their distribution given its outcomes. Standard errors have the
variance over that distribution and, by the delta method, that of all parameters.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from bayes_mlm.base import Floats, Ints, UnsupportedModelError, wald_reach
from bayes_mlm.engines import GeneralisedFit
from bayes_mlm.fitting import Estimate, ParameterPoints
from bayes_mlm.model import Family
from bayes_mlm.questions.prediction.rows import PredictionRows
from bayes_mlm.questions.response.average import has_own_mean, means_at
from bayes_mlm.questions.response.conditional import ConditionalEffects
from bayes_mlm.questions.response.rows import ResponseRows, entries, scores_of
from bayes_mlm.questions.response.smooth import normal_nodes

# Numbers in one working array, and outcomes simulated for a predictive interval.
_BLOCK, _SIMULATED = 400_000, 4_000
# exp() of anything above it is infinite.
_LARGEST = 700.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Predicted:
    """Predictions of m rows: mean, sd and interval, and the chances (m, K) of categories."""

    mean: Floats
    sd: Floats
    lower: Floats
    upper: Floats
    chances: Floats
    what: str


def predict_estimate(
    estimate: Estimate,
    new: PredictionRows,
    *,
    observation: bool,
    prob: float,
    rng: np.random.Generator,
) -> Predicted:
    """Predict rows from an ML estimate of outcomes that are not Gaussian.

    Parameters
    ----------
    estimate : Estimate
    new : PredictionRows
    observation : bool
        Whether one outcome is predicted, rather than its mean.
    prob : float
        Of the intervals.
    rng : numpy.random.Generator
        Of outcomes, whose quantiles are the interval of an observation.
    """
    family, scores = estimate.design.family, scores_of(estimate.design)
    points = estimate.parameter_points()
    rows = ResponseRows(
        X=new.X,
        offset=new.offset,
        Z=tuple(one.Z for one in new.groups),
        codes=tuple(one.codes for one in new.groups),
    )
    nodes = _Nodes(estimate, points, new, rows)
    parts: list[list[Floats]] = []
    for some in nodes.blocks():
        known = {name: values[some] for name, values in new.known.items()}
        found = _moments(family, nodes, some, known, scores)
        mean, sd, chances = found.mean[0, :, -1], found.sd[:, -1], found.mean[0, :, :-1]
        if observation:
            lower, upper = _simulated(family, found, known, scores, prob, rng)
            sd = _outcome_sd(family, found, known, scores)
        else:
            lower, upper = _interval(family, found, known, scores, prob)
        parts.append([mean, sd, lower, upper, chances])
    mean, sd, lower, upper, chances = (np.concatenate(one) for one in zip(*parts, strict=True))
    return Predicted(
        mean=mean,
        sd=sd,
        lower=lower,
        upper=upper,
        chances=chances,
        what=_what(new, observation=observation),
    )


def _what(new: PredictionRows, *, observation: bool) -> str:
    """Return what the numbers are: over which effects the mean is, and what the errors have."""
    over = {
        "known": "integrated over the distribution of group effects given the outcomes",
        "new": "integrated over the distribution of group effects",
        "mean": "at group effects of zero",
    }
    statuses = dict.fromkeys(one.status for one in new.groups)
    interval = (
        "interval by simulated outcomes"
        if observation
        else "interval on the scale of the linear predictor"
    )
    return (
        f"mean {', '.join(over[one] for one in statuses)}; errors by the delta method, of all "
        f"parameters; {interval}"
    )


class _Nodes:
    """Linear predictors of rows at points of the effects of their groups, and weights."""

    def __init__(
        self, estimate: Estimate, points: ParameterPoints, new: PredictionRows, rows: ResponseRows
    ) -> None:
        self.points, self.new, self.rows = points, new, rows
        self.effects: ConditionalEffects | None = None
        known = [one for one in new.groups if one.status == "known"]
        if known:
            solution = estimate.solution
            if not isinstance(solution, GeneralisedFit):
                raise UnsupportedModelError(
                    "ML of several factors has the joint mode of group effects and not their "
                    "distribution: use question='new_group' or 'population', or engine='nuts'"
                )
            self.effects = ConditionalEffects(
                design=estimate.design, solution=solution, groups=np.unique(known[0].codes)
            )
        spread = np.zeros((points.size, rows.n))
        if any(one.status == "new" for one in new.groups):
            spread = self._variances()
        self.sd = np.sqrt(np.maximum(spread, 0.0))

    def _variances(self) -> Floats:
        """Return the variances (S, m) of the linear predictor over new groups."""
        places = [k for k, one in enumerate(self.new.groups) if one.status == "new"]
        some = ResponseRows(
            X=self.rows.X,
            offset=self.rows.offset,
            Z=tuple(self.rows.Z[k] for k in places),
            codes=(),
        )
        covariances = tuple(self.points.cov_u[k] for k in places)
        return np.asarray(entries(covariances) @ some.products.T)

    def blocks(self) -> Iterator[Ints]:
        """Return the rows in blocks."""
        many = len(self.effects.nodes) if self.effects is not None else 60
        step = max(1, _BLOCK // many)
        for start in range(0, self.rows.n, step):
            yield np.arange(start, min(start + step, self.rows.n))

    def at(self, s: int, some: Ints) -> tuple[Floats, Floats]:
        """Return linear predictors (b, K) of rows, and weights of sum one, at one point."""
        rows = self.rows.take(some)
        if self.effects is not None:
            return self.effects.predictors(self.points, s, rows)
        sd = self.sd[s, some]
        # The nodes of the estimate: of a step they are to be the same.
        nodes, weights = normal_nodes(float(self.sd[0, some].max()))
        eta = (rows.X @ self.points.beta[s] + rows.offset)[:, None] + sd[:, None] * nodes
        return eta, np.broadcast_to(weights, eta.shape)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Moments:
    """Moments of b rows: means (S, b, k) at every point, the rest at the estimate.

    `sd` (b, k) has the variance over group effects and that of the parameters; `eta` and `eta_sd`
    (b,) are of the linear predictor.
    """

    mean: Floats
    sd: Floats
    eta: Floats
    eta_sd: Floats
    aux: dict[str, Floats]


def _moments(
    family: Family, nodes: _Nodes, some: Ints, known: dict[str, Floats], scores: Floats
) -> _Moments:
    points = nodes.points
    trials = known["trials"] if family.takes_trials and "trials" in known else np.ones(some.size)
    means, centres = [], []
    for s in range(points.size):
        aux = {name: one[s : s + 1] for name, one in points.auxiliary.items()}
        eta, weights = nodes.at(s, some)
        values = means_at(family, eta, aux, scores) * trials[:, None, None]
        means.append(np.einsum("bkt,bk->bt", values, weights))
        centres.append((eta * weights).sum(axis=1))
        if s == 0:
            first = aux
            square = np.einsum("bkt,bk->bt", np.square(values), weights)
            spread = (np.square(eta - centres[0][:, None]) * weights).sum(axis=1)
    found, centre = np.array(means), np.array(centres)
    over = np.maximum(square - np.square(found[0]), 0.0)
    errors = points.errors(found.reshape(points.size, -1)).reshape(found[0].shape)
    return _Moments(
        mean=found,
        sd=np.sqrt(over + np.square(errors)),
        eta=centre[0],
        eta_sd=np.sqrt(spread + np.square(points.errors(centre))),
        aux=first,
    )


def _outcome_sd(
    family: Family, found: _Moments, known: dict[str, Floats], scores: Floats
) -> Floats:
    """Return the sd (b,) of an outcome at normal linear predictors."""
    nodes, weights = normal_nodes(float(found.eta_sd.max()))
    eta = found.eta[:, None] + found.eta_sd[:, None] * nodes
    aux = {**found.aux, **{name: one[:, None] for name, one in known.items()}}
    if family.thresholds is not None:
        chances = np.einsum("bkt,k->bt", means_at(family, eta, aux, scores)[..., :-1], weights)
        return np.asarray(np.sqrt(chances @ np.square(scores) - np.square(chances @ scores)))
    mean = family.expected(eta, aux)
    over = np.square(mean) @ weights - np.square(mean @ weights)
    return np.asarray(np.sqrt(family.variance(eta, aux) @ weights + np.maximum(over, 0.0)))


def _interval(
    family: Family, found: _Moments, known: dict[str, Floats], scores: Floats, prob: float
) -> tuple[Floats, Floats]:
    """Return the interval (b,) of the mean: that of the linear predictor, transformed."""
    reach = wald_reach(prob, math.inf)
    if family.thresholds is None and not has_own_mean(family):
        trials = known["trials"] if family.takes_trials and "trials" in known else 1.0
        ends = [
            trials * family.inverse_link(found.eta + sign * reach * found.eta_sd)
            for sign in (-1.0, 1.0)
        ]
        return np.minimum(*ends), np.maximum(*ends)
    span = (
        (float(scores.min()), float(scores.max()))
        if family.thresholds is not None
        else family.mean_range
    )
    return bounded_interval(found.mean[0, :, -1], reach * found.sd[:, -1], span)


def bounded_interval(
    mean: Floats, half: Floats, span: tuple[float, float]
) -> tuple[Floats, Floats]:
    """Return an interval about means that stays in a range: on the logit's or log's scale of it.

    Examples
    --------
    >>> bounded_interval(np.array([0.9]), np.array([0.2]), (0.0, 1.0))[1].round(3)
    array([0.988])
    """
    low, high = span
    if math.isinf(low):
        return mean - half, mean + half
    above = np.maximum(mean - low, 1e-300)
    if math.isinf(high):
        factor = np.exp(np.minimum(half / above, _LARGEST))
        return low + above / factor, low + above * factor
    below = np.maximum(high - mean, 1e-300)
    odds, factor = (
        above / below,
        np.exp(np.minimum(half * (high - low) / (above * below), _LARGEST)),
    )
    with np.errstate(over="ignore"):
        ends = [1.0 / (1.0 + 1.0 / (odds * one)) for one in (1.0 / factor, factor)]
    return low + (high - low) * ends[0], low + (high - low) * ends[1]


def _simulated(
    family: Family,
    found: _Moments,
    known: dict[str, Floats],
    scores: Floats,
    prob: float,
    rng: np.random.Generator,
) -> tuple[Floats, Floats]:
    """Return quantiles (b,) of outcomes at normal linear predictors."""
    tail = (1.0 - prob) / 2.0
    ends = np.empty((2, found.eta.size))
    step = max(1, _BLOCK // _SIMULATED)
    for start in range(0, found.eta.size, step):
        some = slice(start, start + step)
        noise = rng.standard_normal((_SIMULATED, found.eta[some].size))
        eta = found.eta[some] + found.eta_sd[some] * noise
        aux = {**found.aux, **{name: one[None, some] for name, one in known.items()}}
        made = family.draw(eta, aux, rng)
        if family.thresholds is not None:
            made = scores[made.astype(np.int64)]
        ends[:, some] = np.quantile(made, [tail, 1.0 - tail], axis=0, method="nearest")
    return ends[0], ends[1]
