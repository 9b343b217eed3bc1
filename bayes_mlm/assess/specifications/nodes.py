"""Quadrature over the variance parameters of one model of many, by the trapezium rule."""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from bayes_mlm.assess.specifications.mixture import Mixture, mixture
from bayes_mlm.base import Floats, Ints
from bayes_mlm.engines import sd_log_density
from bayes_mlm.likelihood import LOG_2PI
from bayes_mlm.model import Prior

# Steps of the quadrature, in posterior sds; of the trapezium rule for a normal density the error is
# then below 1e-20, and with every second node, which leave-one-out takes, below 1e-5.
_STEP = 0.6
# Log-density below the highest at which the nodes end, and at which those of leave-one-out do.
_DEPTH, _DEPTH_LOO = 25.0, 16.0
_REACH, _MOST_EXTENSIONS = 12, 12
# Difference of log integrals by all and by every second node above which steps are halved.
TOLERANCE = 1e-4
_HALVINGS = 3
_SCAN = np.linspace(-12.0, 12.0, 65)
_ZOOM = np.linspace(-1.0, 1.0, 17)
# Share of the posterior without a group, at nodes far out, above which these do not suffice.
_OUTER = 1e-3


@dataclass(frozen=True, kw_only=True, eq=False)
class SubmodelPosterior:
    """What is kept of the posterior of one model.

    Attributes
    ----------
    effects : Mixture
        Of contrasts of the coefficients.
    log_marginal_likelihood, error : float
        And its numerical error.
    loo : ndarray, shape (J,)
        ``log p(y_j | y_-j)`` of each group.
    reliable : bool
        Whether all numerical errors are small.
    """

    effects: Mixture
    log_marginal_likelihood: float
    error: float
    loo: Floats
    reliable: bool


@dataclass(frozen=True, kw_only=True, eq=False)
class NodeData:
    """What the quadrature of every model reads, of all P columns of X, with one group effect.

    Attributes
    ----------
    rest : ndarray, shape (P+1, P+1)
        Cross-products of [X, y] outside the span of Z; `by_group` (J, P+1, P+1) are their parts.
    c : ndarray, shape (J, P+1)
        Products within it, by group.
    products : ndarray, shape (C, P+1, P+1)
        Sums of ``c_j c_j'`` over classes of groups, of some size (C,) and r^2 (C,).
    of_group : ndarray of int, shape (J,)
    counts : ndarray, shape (J,)
    precision, offset : ndarray, shape (P,)
        Normal priors of the coefficients of the centred columns.
    sigma_u, sigma_e : Prior
    tail : float
        Probability on each side of an interval.
    """

    rest: Floats
    by_group: Floats
    c: Floats
    products: Floats
    size: Floats
    r2: Floats
    of_group: Ints
    counts: Floats
    precision: Floats
    offset: Floats
    sigma_u: Prior
    sigma_e: Prior
    tail: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Integral:
    """Nodes x (B,) and y (m,) with log-densities (B, m), and levels (B,) that y is relative to."""

    x: Floats
    y: Floats
    values: Floats
    levels: Floats

    @cached_property
    def log_total(self) -> float:
        """Log of the integral."""
        top = self.values.max()
        area = (self.x[1] - self.x[0]) * (self.y[1] - self.y[0])
        return float(top + math.log(np.exp(self.values - top).sum() * area))

    @cached_property
    def error(self) -> float:
        """Difference of the log integral by every second node."""
        every = np.exp(self.values - self.values.max())
        return abs(math.log(4.0 * every[::2, ::2].sum() / every.sum()))


class Nodes:
    """Quadrature over log theta and log sigma_e of one model, by the trapezium rule.

    Parameters
    ----------
    of : NodeData
    x : ndarray of int, shape (p,)
        Columns of X.
    without : int, optional
        Group that is left out.
    """

    def __init__(self, of: NodeData, x: Ints, without: int | None = None) -> None:
        kept = np.append(x, len(of.precision))
        self.of, self.x, self.kept = of, x, kept
        if without is None:
            self.rest = np.ascontiguousarray(of.rest[np.ix_(kept, kept)])
            self.products = np.ascontiguousarray(of.products[:, kept][:, :, kept])
            self.r2, self.size, self.n = of.r2, of.size, float(of.counts.sum())
        else:  # a class for each of the other groups
            others = np.delete(np.arange(len(of.c)), without)
            c = of.c[np.ix_(others, kept)]
            self.rest = np.ascontiguousarray(of.by_group[others][:, kept][:, :, kept].sum(axis=0))
            self.products = c[:, :, None] * c[:, None, :]
            self.r2, self.size = of.r2[of.of_group[others]], np.ones(len(others))
            self.n = float(of.counts[others].sum())
        precision, offset = of.precision[x], of.offset[x]
        p = len(x)
        self.prior = np.zeros((p + 1, p + 1))
        self.prior[range(p), range(p)] = precision
        self.prior[p, :p] = self.prior[:p, p] = precision * offset
        self.prior[p, p] = float(precision @ offset**2)
        self.constant = 0.5 * float(np.log(precision).sum()) - 0.5 * self.n * LOG_2PI
        self.residual_df = self.n - p

    def densities(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """Return log-densities (B, m) in the logs at theta (B,) and levels + y; and the levels."""
        from bayes_mlm.assess.specifications.node_kernels import fill_densities

        of = self.of
        levels, values = np.empty(len(x)), np.empty((len(x), len(y)))
        fill_densities(
            self.rest,
            self.products,
            self.r2,
            self.size,
            self.prior,
            self.n,
            x,
            y,
            levels,
            values,
        )
        log_sigma_e = levels[:, None] + y
        log_sigma_u = x[:, None] + log_sigma_e
        values += sd_log_density(of.sigma_e, log_sigma_e) + log_sigma_e
        values += sd_log_density(of.sigma_u, log_sigma_u) + log_sigma_u
        values += self.constant
        return np.where(np.isfinite(values), values, -np.inf), levels

    def mode(self) -> tuple[Floats, Floats]:
        """Return the mode (2,) of (log theta, shift), and sds (2,) by the curvature along each."""
        mean = float(self.size @ self.r2) / float(self.size.sum())
        at = np.array([-0.5 * math.log(mean), 0.0])
        reach = np.array([0.0, 8.0 / math.sqrt(2.0 * self.residual_df)])
        scan = at[0] + _SCAN
        at[0] = scan[self.densities(scan, at[1:])[0][:, 0].argmax()]
        reach[0] = _SCAN[1] - _SCAN[0]
        sds = np.empty(2)
        for _ in range(2):
            for axis in (1, 0):
                at[axis], sds[axis] = self._along(at, axis, reach[axis])
                reach[axis] = 4.0 * sds[axis]
        return at, sds

    def _along(self, at: Floats, axis: int, reach: float) -> tuple[float, float]:
        """Return the highest point and the sd along an axis, from points ever closer."""
        centre = at[axis]
        for _ in range(60):
            points = centre + reach * _ZOOM
            values = (
                self.densities(points, at[1:])[0][:, 0]
                if axis == 0
                else self.densities(at[:1], points)[0][0]
            )
            best = int(values.argmax())
            centre = points[best]
            if best in (0, len(points) - 1):
                reach *= 2.0
                continue
            low, top, high = values[best - 1 : best + 2]
            curvature = 2.0 * top - low - high
            step = reach * (_ZOOM[1] - _ZOOM[0])
            if curvature < 0.5:
                bent = max(curvature, step**2)  # as of a density that falls off as exp(-x)
                move = 0.5 * (high - low) / bent
                return float(centre + step * min(1.0, max(-1.0, move))), step / math.sqrt(bent)
            reach *= 0.15
        return float(centre), 1.0

    def integral(self) -> Integral | None:
        """Return the nodes and their log-densities; None if they are not exact enough."""
        if self.residual_df < 1:
            return None
        at, sds = self.mode()
        step = _STEP * sds
        found = None
        for _ in range(_HALVINGS):
            found = self._grid(at, step)
            if found is None or found.error <= TOLERANCE:
                break
            step = 0.5 * step
        return None if found is None or found.error > 100.0 * TOLERANCE else found

    def summary(self, contrasts: Floats) -> SubmodelPosterior | None:
        """Return the summary of contrasts (h, p); None if the quadrature is not exact enough."""
        from bayes_mlm.assess.specifications.node_kernels import fill_nodes

        found = self.integral()
        if found is None:
            return None
        half = found.values[::2, ::2]
        rows, columns = np.nonzero(half > half.max() - _DEPTH_LOO)
        weights = np.exp(half[rows, columns] - half.max())
        weights /= weights.sum()
        log_sigma_e = found.levels[::2][rows] + found.y[::2][columns]
        of = self.of
        loo = np.empty((len(of.c), len(weights)))
        mean, variance = np.empty((2, len(weights), len(contrasts)))
        fill_nodes(
            np.ascontiguousarray(of.by_group[:, self.kept][:, :, self.kept]),
            np.ascontiguousarray(of.c[:, self.kept]),
            of.r2[of.of_group],
            of.counts,
            self.prior,
            contrasts,
            found.x[::2][rows],
            log_sigma_e,
            loo,
            mean,
            variance,
        )
        lowest = loo.min(axis=1, keepdims=True)
        inverse = np.exp(lowest - loo) * weights  # the posterior without the group, by node
        whole = inverse.sum(axis=1)
        outer = inverse[:, half[rows, columns] < half.max() - 0.75 * _DEPTH_LOO].sum(axis=1)
        by_group = lowest[:, 0] - np.log(whole)
        reliable = found.error <= TOLERANCE
        # Without such a group the posterior reaches beyond the nodes: it is integrated anew.
        for group in np.flatnonzero(~(outer <= _OUTER * whole)).tolist():
            part = Nodes(of, self.x, group).integral()
            if part is None:
                reliable = False
            else:
                by_group[group] = found.log_total - part.log_total
        return SubmodelPosterior(
            effects=mixture(mean, variance, weights, of.tail),
            log_marginal_likelihood=found.log_total,
            error=found.error,
            loo=by_group,
            reliable=reliable,
        )

    def _grid(self, at: Floats, step: Floats) -> Integral | None:
        """Return the nodes about a point that reach to where the density is nothing."""
        low, high = np.full(2, -_REACH), np.full(2, _REACH)
        for _ in range(_MOST_EXTENSIONS):
            x = at[0] + step[0] * np.arange(low[0], high[0] + 1)
            y = at[1] + step[1] * np.arange(low[1], high[1] + 1)
            values, levels = self.densities(x, y)
            floor = values.max() - _DEPTH
            if not math.isfinite(floor):
                return None
            edges = values[0], values[-1], values[:, 0], values[:, -1]
            over = [bool((edge > floor).any()) for edge in edges]
            if not any(over):
                return Integral(x=x, y=y, values=values, levels=levels)
            low[0] -= 2 * _REACH * over[0]
            high[0] += 2 * _REACH * over[1]
            low[1] -= _REACH * over[2]
            high[1] += _REACH * over[3]
        return None
