"""One margin of a crossed table as a one-way layout, given the effects of the other."""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from bayes_mlm.base import Array, Floats
from bayes_mlm.moments import CrossedTable, Margin


@dataclass(frozen=True, kw_only=True, eq=False)
class OneWay:
    """A margin whose other factor's effects are given; what varies is filled in by `condition`.

    The outcome has the units of the data, its least-squares fit taken out.

    Attributes
    ----------
    table : CrossedTable
    place : int
        Of the margin.
    """

    table: CrossedTable
    place: int

    @property
    def margin(self) -> Margin:
        """The margin."""
        return self.table.margins[self.place]

    @cached_property
    def right(self) -> Floats:
        """Sums (m, p + 1) of [X, y] by level."""
        found = self.margin.right.copy()
        found[:, -1] *= self.table.y_scale
        return found

    @cached_property
    def total(self) -> Floats:
        """``[X, y]'[X, y]`` (p + 1, p + 1)."""
        scale = np.ones(self.table.p + 1)
        scale[-1] = self.table.y_scale
        return np.asarray(self.table.total * scale * scale[:, None])

    @cached_property
    def levels(self) -> Floats:
        """Levels (k,) of each size."""
        return np.bincount(self.margin.sizes[1]).astype(float)

    @cached_property
    def XX(self) -> Floats:  # noqa: N802
        """Sums (k, p, p) over the levels of each size of the products of their sums of X."""
        p, (sizes, of) = self.table.p, self.margin.sizes
        found = np.empty((len(sizes), p, p))
        for i in range(p):
            for j in range(i + 1):
                products = self.right[:, i] * self.right[:, j]
                found[:, i, j] = found[:, j, i] = np.bincount(of, products, len(sizes))
        return found

    def condition(self, other: "OneWay", u: Array) -> "Conditional":
        """Return the layout given effects (m of the other,) of the other margin."""
        from bayes_mlm.engines.crossed.kernels import condition

        margin, total = self.margin, self.total.copy()
        rest, Xr = np.empty(margin.m), np.empty((len(self.levels), self.table.p + 1))
        condition(
            *(self.right, margin.sums(u), margin.sizes[1]),
            *(other.right, other.margin.counts, u, rest, Xr, total),
        )
        return Conditional(layout=self, rest=rest, Xr=Xr, total=total)


@dataclass(frozen=True, kw_only=True, eq=False)
class Conditional:
    """A one-way layout given the effects of the other factor.

    Attributes
    ----------
    layout : OneWay
    rest : ndarray, shape (m,)
        Sums by level of the outcome less the other factor's effects.
    Xr : ndarray, shape (k, p + 1)
        Of `condition`.
    total : ndarray, shape (p + 1, p + 1)
        ``[X, r]'[X, r]``.
    """

    layout: OneWay
    rest: Floats
    Xr: Floats
    total: Floats

    def density(self, log_f: float, log_e: float, prior: Floats, root: Floats) -> float:
        """Evaluate the log-density at logs of the sds; see `one_way`."""
        from bayes_mlm.engines.crossed.kernels import one_way

        layout = self.layout
        sizes = layout.margin.sizes[0]
        return float(
            one_way(
                *(log_f, log_e, layout.table.n, sizes, layout.levels),
                *(layout.XX, self.Xr, self.total, prior, root),
            )
        )

    def coefficients(self, log_f: float, log_e: float, prior: Floats) -> tuple[Floats, Floats]:
        """Return the mean (p,) of the coefficients at sds and the root (p, p) of their precision.

        Raises
        ------
        numpy.linalg.LinAlgError
            Never: of a precision that is not positive the mean is nan.
        """
        root = np.zeros_like(self.total)
        self.density(log_f, log_e, prior, root)
        lower = np.tril(root)[:-1, :-1]
        return np.linalg.solve(lower.T, root[-1, :-1]), lower

    def draw(
        self,
        log_sds: tuple[float, float],
        prior: Floats,
        rng: np.random.Generator,
        counter: tuple[int, int, int],
        seed: int,
        u: Array,
        moments: Floats,
        kept: int,
    ) -> Floats:
        """Draw the coefficients (p,), and the effects into `u`; see `draw_levels`."""
        from bayes_mlm.engines.crossed.kernels import SERIAL_LEVELS, draw_levels, draw_parts

        expected, lower = self.coefficients(*log_sds, prior)
        inverse = np.linalg.inv(lower)
        beta = expected + inverse.T @ rng.standard_normal(len(expected))
        margin = self.layout.margin
        vf, ve = (math.exp(2.0 * one) for one in log_sds)
        given = (
            *(margin.counts, self.layout.right, self.rest, vf, ve),
            *(beta, expected, inverse, counter, seed, u, moments, kept),
        )
        if len(u) < SERIAL_LEVELS:
            draw_levels(0, len(u), *given)
        else:
            draw_parts(margin.parts, *given)
        return beta
