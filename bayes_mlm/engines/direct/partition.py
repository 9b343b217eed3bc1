"""Integrate a density over adaptive rectangles, and draw from it without a visible grid.

The plane is cut into rectangles. On each the density is the polynomial through its values at a
product of Gauss-Legendre nodes; the size of the highest coefficients says how far it is from the
truth, and along which axis to halve it. Rectangles are added outwards until the density
at the edge no longer matters. One-dimensional problems have a second axis of a single node.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from bayes_mlm.base import Floats
from bayes_mlm.engines.direct.legendre import Rule, invert_cdf, legendre, make_rule

ORDER = 10
# Relative error allowed over the rectangles, and outside of them.
TOLERANCE = 1e-5
TAIL = 1e-9
MAX_RECTANGLES = 6_000
MAX_GROWTH = 200

type LogDensity = Callable[[Floats, Floats], Floats]


@dataclass(frozen=True, kw_only=True, eq=False)
class Region:
    """Region with the grid that the refinement begins with; nothing outside it is evaluated.

    Attributes
    ----------
    x, y : (a,), (b,) arrays
        Increasing edges of the first rectangles.
    growth : (2,) array
        Width of the first rectangles added outside, along x and along y.
    limits : (2, 2) array
        Lowest and highest value allowed of x and of y.
    """

    x: Floats
    y: Floats
    growth: Floats
    limits: Floats


@dataclass(frozen=True, kw_only=True, eq=False)
class Partition:
    """A density as polynomials on N rectangles.

    Attributes
    ----------
    low, width : (N, 2) arrays
        Lower corner and size.
    coefficients : (N, m1, m2) array
        Legendre coefficients of ``exp(log density - reference)``.
    mass, error : (N,), (N, 2) arrays
        Integral, and bound on the error of the polynomial along each axis.
    reference : float
    n_evaluations : int
    outside : float
        Part of the mass that may lie outside of the rectangles.
    """

    low: Floats
    width: Floats
    coefficients: Floats
    mass: Floats
    error: Floats
    reference: float
    n_evaluations: int
    outside: float = 0.0

    @property
    def log_total(self) -> float:
        """Log of the integral."""
        return float(np.log(self.mass.sum()) + self.reference)

    @property
    def relative_error(self) -> float:
        """Upper estimate of the relative error of the integral over the rectangles."""
        return float(self.error.sum() / self.mass.sum() + self.outside)


@dataclass(frozen=True, kw_only=True, eq=False)
class PartitionDraws:
    """Points (S, 2) and the log of the polynomial density (S,) they were drawn from."""

    points: Floats
    log_density: Floats


def integrate(
    log_density: LogDensity, region: Region, reference: float, *, flat: bool = False
) -> Partition:
    """Cut a plane into rectangles on which a density is known to a small part of its integral.

    Parameters
    ----------
    log_density : callable
        Takes x (N, m1) and y (N, m2) and gives (N, m1, m2) values.
    region : Region
    reference : float
        Largest log-density, or near it.
    flat : bool
        Whether there is only the x axis (y is then one rectangle of one node).

    Returns
    -------
    Partition
        With `relative_error` above `TOLERANCE` if `MAX_RECTANGLES` did not suffice.
    """
    rules = make_rule(ORDER + 6 if flat else ORDER), make_rule(1 if flat else ORDER)
    x, y, growth = region.x, region.y, region.growth.copy()
    partition = _refine(log_density, _grid(log_density, x, y, rules, reference), rules)
    for _ in range(MAX_GROWTH):
        grown, outside = False, 0.0
        for axis in range(1 if flat else 2):
            for bound in (0, 1):
                edges = x if axis == 0 else y
                at = edges[-bound]
                beyond = _edge_density(partition, axis, bound, at) * growth[axis]
                if beyond <= TAIL * partition.mass.sum() or at == region.limits[axis, bound]:
                    outside += 0.0 if at == region.limits[axis, bound] else beyond
                    continue
                grown = True
                end = at + growth[axis] * (1 if bound else -1)
                end = min(max(end, region.limits[axis, 0]), region.limits[axis, 1])
                strip = np.sort(np.array([at, end]))
                fresh = _grid(
                    log_density,
                    strip if axis == 0 else x,
                    strip if axis == 1 else y,
                    rules,
                    reference,
                )
                partition = _join(partition, fresh)
                edges = np.append(edges, end) if bound else np.insert(edges, 0, end)
                x, y = (edges, y) if axis == 0 else (x, edges)
        if not grown or len(partition.mass) > MAX_RECTANGLES:
            break
        growth *= 1.5
        partition = _refine(log_density, partition, rules)
    return replace(partition, outside=outside / float(partition.mass.sum()))


def _grid(
    log_density: LogDensity,
    x: Floats,
    y: Floats,
    rules: tuple[Rule, Rule],
    reference: float,
) -> Partition:
    low = np.stack(np.meshgrid(x[:-1], y[:-1], indexing="ij"), axis=-1).reshape(-1, 2)
    width = np.stack(np.meshgrid(np.diff(x), np.diff(y), indexing="ij"), axis=-1).reshape(-1, 2)
    return _fill(log_density, low, width, rules, reference)


def _fill(
    log_density: LogDensity,
    low: Floats,
    width: Floats,
    rules: tuple[Rule, Rule],
    reference: float,
) -> Partition:
    """Evaluate the density on rectangles and fit the polynomials."""
    x = low[:, :1] + width[:, :1] * (0.5 * rules[0].nodes + 0.5)
    y = low[:, 1:] + width[:, 1:] * (0.5 * rules[1].nodes + 0.5)
    # Far above the reference a density would overflow; the reference is the largest value known.
    values = np.exp(np.minimum(log_density(x, y) - reference, 700.0))
    coefficients = rules[0].transform @ values @ rules[1].transform.T
    area = width[:, 0] * width[:, 1]
    size = np.abs(coefficients)
    tail_x = size[:, -2:].sum(axis=(1, 2))
    tail_y = size[:, :, -2:].sum(axis=(1, 2)) if len(rules[1].nodes) > 1 else np.zeros(len(area))
    return Partition(
        low=low,
        width=width,
        coefficients=coefficients,
        mass=coefficients[:, 0, 0] * area,
        error=np.stack([tail_x, tail_y], axis=1) * area[:, None],
        reference=reference,
        n_evaluations=values.size,
    )


def _refine(log_density: LogDensity, partition: Partition, rules: tuple[Rule, Rule]) -> Partition:
    """Halve the rectangles that are wrong by too much, each along its worse axis."""
    while len(partition.mass) < MAX_RECTANGLES:
        allowed = TOLERANCE * partition.mass.sum()
        worst = partition.error.max(axis=1)
        if partition.error.sum() <= allowed:
            break
        split = worst > 0.5 * allowed / len(worst)
        axis = partition.error[split].argmax(axis=1)
        half = partition.width[split].copy()
        rows = np.arange(len(axis))
        half[rows, axis] *= 0.5
        upper = partition.low[split].copy()
        upper[rows, axis] += half[rows, axis]
        fresh = _fill(
            log_density,
            np.concatenate([partition.low[split], upper]),
            np.concatenate([half, half]),
            rules,
            partition.reference,
        )
        partition = _join(_keep(partition, ~split), fresh)
    return partition


def _keep(partition: Partition, kept: npt.NDArray[np.bool_]) -> Partition:
    return replace(
        partition,
        low=partition.low[kept],
        width=partition.width[kept],
        coefficients=partition.coefficients[kept],
        mass=partition.mass[kept],
        error=partition.error[kept],
    )


def _join(a: Partition, b: Partition) -> Partition:
    return Partition(
        low=np.concatenate([a.low, b.low]),
        width=np.concatenate([a.width, b.width]),
        coefficients=np.concatenate([a.coefficients, b.coefficients]),
        mass=np.concatenate([a.mass, b.mass]),
        error=np.concatenate([a.error, b.error]),
        reference=a.reference,
        n_evaluations=a.n_evaluations + b.n_evaluations,
    )


def _edge_density(partition: Partition, axis: int, bound: int, at: float) -> float:
    """Integrate the density along one edge of the region."""
    edge = partition.low[:, axis] + (partition.width[:, axis] if bound else 0.0)
    touching = np.isclose(edge, at, rtol=0.0, atol=1e-9 * partition.width[:, axis])
    other = partition.width[touching, 1 - axis]
    along = (
        partition.coefficients[touching, :, 0] if axis == 0 else partition.coefficients[touching, 0]
    )
    sign = np.ones(along.shape[1]) if bound else (-1.0) ** np.arange(along.shape[1])
    return float(np.abs((along @ sign) * other).sum())


def draw_from(partition: Partition, n_draws: int, rng: np.random.Generator) -> PartitionDraws:
    """Draw independent points from the polynomials, by inverting distribution functions."""
    mass = np.maximum(partition.mass, 0.0)
    cumulative = np.cumsum(mass)
    place = np.searchsorted(cumulative, rng.random(n_draws) * cumulative[-1], side="right")
    place = np.minimum(place, len(mass) - 1)
    chosen = partition.coefficients[place]
    x = invert_cdf(chosen[:, :, 0], rng.random(n_draws))
    conditional = np.einsum("ms,smk->sk", legendre(x, chosen.shape[1]), chosen)
    y = invert_cdf(conditional, rng.random(n_draws))
    density = (conditional.T * legendre(y, chosen.shape[2])).sum(axis=0)
    inside = np.stack([x, y], axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        log_density = np.log(density) + partition.reference
    return PartitionDraws(
        points=partition.low[place] + partition.width[place] * (0.5 * inside + 0.5),
        log_density=log_density,
    )
