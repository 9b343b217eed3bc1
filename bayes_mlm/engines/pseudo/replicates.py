"""Estimates by replicate weights, of several outcomes at once, and their covariance."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from bayes_mlm.base import EngineError, Floats
from bayes_mlm.design import Design, GroupWeights
from bayes_mlm.engines.pseudo.jackknife import all_parameters, parameters_of
from bayes_mlm.engines.pseudo.maximum import Maximum
from bayes_mlm.engines.reml.refits import Designs, OutcomeSums, Refits, Simulation, refit
from bayes_mlm.moments import ReplicatedMoments, replicated_moments


def replicate_covariances(designs: Sequence[Design], maxima: Sequence[Maximum]) -> list[Floats]:
    """Return the covariance of all parameters (v + p, v + p) by replicate weights, of each design.

    The designs are of one model, such as the plausible values of an outcome; those that have the
    same columns are fitted in one pass over the rows.

    Parameters
    ----------
    designs : sequence of Design
        With rows and replicate weights.
    maxima : sequence of Maximum
        By the whole weights, of the same designs.

    Raises
    ------
    EngineError
        If there is no estimate by a replicate.

    References
    ----------
    OECD (2009), PISA Data Analysis Manual, 2nd ed., ch. 4.
    """
    found: dict[int, Floats] = {}
    left = list(range(len(designs)))
    while left:
        first = designs[left[0]]
        same = [k for k in left if _same_columns(first, designs[k])]
        estimates = _estimates([designs[k] for k in same], [maxima[k] for k in same])
        for k, values in zip(same, estimates, strict=True):
            found[k] = _covariance(values, designs[k], maxima[k])
        left = [k for k in left if k not in same]
    return [found[k] for k in range(len(designs))]


def _same_columns(one: Design, other: Design) -> bool:
    return one is other or (
        np.array_equal(one.X, other.X)
        and np.array_equal(one.Z, other.Z)
        and np.array_equal(one.codes, other.codes)
    )


def _covariance(values: Floats, design: Design, maximum: Maximum) -> Floats:
    """Return the sum of squared deviations from the estimate, each with its multiplier."""
    weights = _weights_of(design)
    spec = weights.spec.replicates
    assert spec is not None
    wrong = np.flatnonzero(~np.isfinite(values).all(axis=1))
    if wrong.size:
        name = spec.columns[wrong[0]] if spec.columns else f"{wrong[0] + 1}"
        raise EngineError(
            f"by the replicate weights {name} the model has no estimate ({wrong.size} of "
            f"{len(values)} such replicates): they leave too little to identify it; simplify the "
            'model, or use standard_errors="sandwich" without replicates'
        )
    plain = maximum.plain
    apart = values - all_parameters(plain, correlated=design.group_term.correlated)
    factors = np.array(spec.factors(len(values)))
    covariance: Floats = (factors[:, None] * apart).T @ apart
    return covariance


def _weights_of(design: Design) -> GroupWeights:
    assert design.weights is not None
    return design.weights


def _estimates(designs: Sequence[Design], maxima: Sequence[Maximum]) -> list[Floats]:
    """Return the estimates of each design by each replicate, (G, v + p)."""
    design, weights = designs[0], _weights_of(designs[0])
    assert weights.replicates is not None
    reduced = maxima[0].reduced
    means = np.array([one.reduced.y_mean for one in maxima])
    Y = np.stack([one.y_less_offset for one in designs], axis=1) - means

    def scale(W: Floats, square: Floats, count: Floats, groups: slice) -> tuple[Floats, Floats]:
        """Let a group's weight follow the sum of its rows', so that conditional ones remain so."""
        of_group = weights.whole_totals[groups, None]
        level2 = weights.level2[groups, None] / weights.level2.mean() * W / of_group
        if weights.spec.scaling == "size":
            return count, level2
        if weights.spec.scaling == "effective":
            return np.divide(W**2, square, out=np.zeros_like(W), where=square > 0.0), level2
        return np.broadcast_to(weights.conditional[groups, None], W.shape), level2

    sums = replicated_moments(
        design.X - reduced.x_mean,
        design.Z,
        Y,
        design.codes,
        design.J,
        weights.replicates,
        scale,
    )
    correlated = design.group_term.correlated
    simulation = Simulation(reduced=reduced, correlated=correlated)
    turn = simulation.turn
    found = _refitted(sums, maxima[0], turn, correlated=correlated)
    G, back = len(sums.n), np.linalg.inv(turn)
    parts = []
    for k, one in enumerate(maxima):
        some = np.zeros(len(found.sigma2), dtype=bool)
        some[k * G : (k + 1) * G] = True
        of_one = found.where(some).in_units(back, replace(reduced, y_mean=one.reduced.y_mean))
        parts.append(parameters_of(of_one, one.plain, correlated=correlated))
    return parts


def _refitted(
    sums: ReplicatedMoments, maximum: Maximum, turn: Floats, *, correlated: bool
) -> Refits:
    """Fit every outcome by every set of weights, the outcomes one after the other."""
    G, M = sums.y_y.shape
    designs = Designs(
        r=sums.r @ np.linalg.inv(turn),
        c_x=sums.c_x,
        x_x=sums.x_x,
        n=sums.n,
        correlated=correlated,
        weights=sums.weights,
        method="ML",
    )
    outcomes = OutcomeSums(
        c_y=sums.c_y.swapaxes(0, 1).reshape(M * G, *sums.c_y.shape[2:]),
        x_y=sums.x_y.swapaxes(0, 1).reshape(M * G, -1),
        y_y=sums.y_y.T.reshape(M * G),
    )
    sigma = turn @ maximum.plain.cov_u @ turn.T
    none = np.empty((0, sums.x_x.shape[1]))
    return refit(designs, outcomes, none, sigma, maximum.plain.sigma_e**2, near=True)
