"""Averages over rows of known groups of expected outcomes, at a maximum of the likelihood."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from bayes_mlm.base import Floats
from bayes_mlm.engines import GeneralisedFit, GeneralisedSeveralFit, refuse_pooled
from bayes_mlm.fitting import Estimate, ParameterPoints, expected_outcomes
from bayes_mlm.questions.response.average import means_at
from bayes_mlm.questions.response.conditional import ConditionalEffects
from bayes_mlm.questions.response.rows import ResponseRows, scores_of
from bayes_mlm.questions.response.smooth import normal_nodes

# Numbers in one working array, and the step of a derivative in the linear predictor.
_BLOCK, _STEP = 2_000_000, 1e-4

# What of several imputations, and why not.
_POOLED = (
    "an average over groups of the data",
    "their effects given the outcomes are of one data set; use question='new_group', or draws "
    "(engine='auto')",
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Averages:
    """Averages of expected outcomes over rows, with their errors in two parts.

    Parameters
    ----------
    values : ndarray, shape (S, k)
        At every point of the parameters, of which the standard errors of parameters follow.
    root : ndarray, shape (D, k)
        Of the covariance of the averages over the effects of the groups; without rows of averages
        that have no such part.
    """

    values: Floats
    root: Floats


def known_averages(
    estimate: Estimate,
    points: ParameterPoints,
    rows: ResponseRows,
    weights: Floats | None = None,
) -> Averages:
    """Average expected outcomes over rows of groups of the data, integrated over their effects.

    With one factor the parameters' errors are those of all of them, and the distribution of the
    effects given the outcomes is exact. With several the effects and coefficients are normal
    about their joint mode, the variances known, as `predict` has them.

    Parameters
    ----------
    estimate : Estimate
        By ML, of outcomes that are not Gaussian.
    points : ParameterPoints
        Of it.
    rows : ResponseRows
        With known groups.
    weights : ndarray, shape (n,), optional
        Of the rows, by default how many each stands for.
    """
    shares = rows.shares if weights is None else weights / weights.sum()
    design, solution, scores = estimate.design, estimate.solution, scores_of(estimate.design)
    refuse_pooled(solution, *_POOLED)
    if isinstance(solution, GeneralisedSeveralFit):
        return _about_joint_mode(estimate, solution, points, rows, shares)
    assert isinstance(solution, GeneralisedFit)
    effects = ConditionalEffects(design=design, solution=solution, groups=np.unique(rows.codes[0]))
    values = [
        shares @ effects.means(design.family, points, s, rows, scores) for s in range(points.size)
    ]
    root = effects.root(design.family, points, rows, scores, shares)
    return Averages(values=np.stack(values), root=root)


def known_means(estimate: Estimate, points: ParameterPoints, rows: ResponseRows) -> Floats:
    """Return the expected outcome (n,) of each row over the effects of its groups.

    Of one trial; of ordered categories the expected score.
    """
    family, solution, scores = estimate.design.family, estimate.solution, scores_of(estimate.design)
    refuse_pooled(solution, *_POOLED)
    if isinstance(solution, GeneralisedFit):
        groups = np.unique(rows.codes[0])
        effects = ConditionalEffects(design=estimate.design, solution=solution, groups=groups)
        return effects.means(family, points, 0, rows, scores)[:, -1]
    assert isinstance(solution, GeneralisedSeveralFit)
    aux = {name: one[:1] for name, one in points.auxiliary.items()}
    return np.concatenate(
        [
            means_at(family, eta, aux, scores)[..., -1] @ weights
            for _, _, eta, weights in _predictors(estimate, solution, rows)
        ]
    )


def _predictors(
    estimate: Estimate, solution: GeneralisedSeveralFit, rows: ResponseRows
) -> Iterator[tuple[slice, ResponseRows, Floats, Floats]]:
    """Yield rows and their places, linear predictors (b, k) about the joint mode, weights (k,)."""
    levels = sum(len(one.labels) for one in solution.factors)
    for start in range(0, rows.n, step := max(1, _BLOCK // levels)):
        part = slice(start, start + step)
        some = rows.take(part)
        pairs = list(zip(some.Z, some.codes, strict=True))
        eta, variance = expected_outcomes(solution, estimate.design, some.X, pairs)
        sd = np.sqrt(np.maximum(variance, 0.0))
        nodes, weights = normal_nodes(float(sd.max()))
        yield part, some, (eta + some.offset)[:, None] + sd[:, None] * nodes, weights


def _about_joint_mode(
    estimate: Estimate,
    solution: GeneralisedSeveralFit,
    points: ParameterPoints,
    rows: ResponseRows,
    shares: Floats,
) -> Averages:
    family, scores = estimate.design.family, scores_of(estimate.design)
    levels = [len(one.labels) for one in solution.factors]
    k = max(scores.size + 1, 1)
    values = np.zeros((points.size, k))
    of_beta = np.zeros((k, rows.X.shape[1]))
    of_u = {f: np.zeros((k, m, rows.Z[f].shape[1])) for f, m in enumerate(levels)}
    for part, some, eta, weights in _predictors(estimate, solution, rows):
        pairs = list(zip(some.Z, some.codes, strict=True))

        def means(
            s: int,
            shift: float,
            eta: Floats = eta,
            weights: Floats = weights,
            shares: Floats = shares[part],
        ) -> Floats:
            aux = {name: one[s : s + 1] for name, one in points.auxiliary.items()}
            found = means_at(family, eta + shift, aux, scores)
            return np.asarray(np.einsum("nkt,k->tn", found, weights)) * shares

        # Coefficients are at their estimates; only auxiliary parameters move.
        moved = points.size if points.auxiliary else 1
        for s in range(moved):
            values[s] += means(s, 0.0).sum(axis=1)
        slope = (means(0, _STEP) - means(0, -_STEP)) / (2.0 * _STEP)
        of_beta += slope @ some.X
        for f, (Z, codes) in enumerate(pairs):
            np.add.at(of_u[f].swapaxes(0, 1), codes, slope.T[:, :, None] * Z[:, None, :])
    if not points.auxiliary:
        values[1:] = values[0]
    return Averages(values=values, root=solution.error_root(of_beta, of_u))
