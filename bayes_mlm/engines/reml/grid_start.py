"""Choose where to start a search of the restricted likelihood with several group effects."""

import math
from dataclasses import dataclass

import numpy as np

from bayes_mlm.base import Floats, Ints
from bayes_mlm.engines.reml.factor import Factor
from bayes_mlm.moments import RotatedMoments, residual_squares

# Evaluations of one group's part of the likelihood that a scan may cost, some ms.
_SCAN_EFFORT = 6_000
FEW_GROUPS = 50
# Group effects that may be this many times the residual have points of their size too.
_LARGE = 30.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Scan:
    """Points at which to evaluate the likelihood before climbing.

    Attributes
    ----------
    theta : (N, m) array
    part : (N,) int array
        The part of the space each lies in: sign of the correlation, and which sd is the larger.
    direction : (N, q) array
        Of the points of rank one (all effects in one proportion), else zero.
    """

    theta: Floats
    part: Ints
    direction: Floats


def scan(reduced: RotatedMoments, factor: Factor) -> Scan:
    """Return diagonal factors on a grid; for correlated effects also random and rank-one factors.

    As many random ones as are cheap: few groups make several maxima, many groups make an
    evaluation dear and the maximum single. Rank one is where several maxima are seen most: each
    is a proportion of the effects that all groups share.
    """
    q, m = reduced.q, len(factor.basis)
    diagonal = np.flatnonzero(~factor.off_diagonal)
    levels = np.array([0.03, 0.1, 0.3, 1.0, 3.0]) if q <= 2 else np.array([0.05, 0.3, 2.0])
    if m == q > 1:  # effects that are independent at zero, which may be far from all values
        levels = np.geomspace(0.02, 200.0, 9 if q == 2 else 5)
    typical = _typical(reduced)
    axes = [np.append(levels, [0.3 * size, size]) if size > _LARGE else levels for size in typical]
    mesh = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, q)
    theta = np.zeros((len(mesh), m))
    theta[:, diagonal] = mesh
    direction = np.zeros((len(mesh), q))
    if m > q:
        rng = np.random.default_rng(0)
        n = int(np.clip(_SCAN_EFFORT // len(reduced.size), 16, 400))
        rows = np.tril(rng.normal(size=(n, q, q)))
        rows /= np.linalg.norm(rows, axis=2, keepdims=True)
        rows *= np.exp(rng.uniform(np.log(0.01), np.log(10.0), size=(n, q, 1)))
        few = len(reduced.c) <= FEW_GROUPS
        angle = np.linspace(0.0, np.pi, 36 if few else 12, endpoint=False)
        reach = np.geomspace(0.03, 10.0, 12 if few else 5)
        unit = np.stack([np.cos(angle), np.sin(angle)], axis=1)
        if q > 2:
            unit = rng.normal(size=(40, q))
            unit /= np.linalg.norm(unit, axis=1, keepdims=True)
        line = np.zeros((len(unit) * len(reach), q, q))
        line[:, :, 0] = (reach[:, None, None] * unit).reshape(-1, q)
        # Not quite rank one: at the boundary itself the slope there is zero in theta.
        line[:, range(1, q), range(1, q)] = 0.01
        factors = np.concatenate([rows, line])
        scattered = np.stack([factors[:, a, b] for b in range(q) for a in range(b, q)], axis=1)
        theta = np.vstack([theta, scattered])
        direction = np.vstack([direction, np.zeros((n, q)), np.tile(unit, (len(reach), 1))])
    scaled = factor.scaling[:, None] * factor.lam(theta)
    sds = np.maximum(np.linalg.norm(scaled, axis=2), np.finfo(float).tiny)
    correlation = (scaled[:, 0] * scaled[:, 1]).sum(axis=1) / (sds[:, 0] * sds[:, 1])
    ratio = np.log(sds[:, 0] / sds[:, 1])
    part = 3 * np.digitize(correlation, [-0.3, 0.3]) + np.digitize(ratio, [-1.0, 1.0])
    return Scan(theta=theta, part=part, direction=direction)


def _typical(reduced: RotatedMoments) -> Floats:
    """Return the size (q,) of theta if group effects are all of y that is in the span of Z."""
    p = reduced.p
    left = residual_squares(reduced) / max(reduced.within_df, 1)
    of_y = np.sqrt(np.square(reduced.c[:, :, p]).sum(axis=0) / (left * reduced.n))
    first = reduced.z_constant
    places = [*([] if first is None else [first]), *(a for a in range(reduced.q) if a != first)]
    typical = np.empty(reduced.q)
    typical[places] = of_y
    return typical


def peaks(direction: Floats, loglik: Floats) -> list[int]:
    """Return the local maxima of rank one: points higher than those of neighbouring directions.

    With two effects a direction has its neighbours 5 degrees off with few groups;
    with more effects the directions are too few to be neighbours.
    """
    chosen: list[int] = []
    nearby = math.cos(math.radians(7.0))
    on_line = np.flatnonzero(direction.any(axis=1))
    if on_line.size == 0:  # independent effects have no rank-one factors
        return chosen
    alike = np.abs(direction[on_line] @ direction[on_line].T) > nearby
    highest = np.where(alike, loglik[on_line], -np.inf).max(axis=1)
    for k in on_line[np.argsort(-loglik[on_line])]:
        peak = loglik[k] >= highest[on_line.searchsorted(k)]
        if peak and (np.abs(direction[chosen] @ direction[k]) <= nearby).all():
            chosen.append(int(k))
    return chosen[:4]
