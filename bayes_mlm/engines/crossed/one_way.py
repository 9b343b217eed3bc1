"""One margin of a crossed table as a one-way layout, given the effects of the other."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from bayes_mlm.base import Floats
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

    def condition(self, other: "OneWay", u: Floats) -> "Conditional":
        """Return the layout given effects (m of the other, LANES) of the other margin."""
        from bayes_mlm.engines.crossed.kernels import LANES, condition

        margin, width = self.margin, self.table.p + 1
        total = np.tile(self.total, (LANES, 1, 1))
        rest, Xr = np.empty((margin.m, LANES)), np.empty((len(self.levels), width, LANES))
        condition(
            *(self.right, margin.sums(u), margin.sizes[1]),
            *(other.right, other.margin.counts, u, rest, Xr, total),
        )
        by_chain = np.ascontiguousarray(np.moveaxis(Xr, 2, 0))
        return Conditional(layout=self, rest=rest, Xr=by_chain, total=total)


@dataclass(frozen=True, kw_only=True, eq=False)
class Conditional:
    """A one-way layout given the effects of the other factor, in each of LANES chains.

    Attributes
    ----------
    layout : OneWay
    rest : ndarray, shape (m, LANES)
        Sums by level of the outcome less the other factor's effects.
    Xr : ndarray, shape (LANES, k, p + 1)
        Of `condition`.
    total : ndarray, shape (LANES, p + 1, p + 1)
        ``[X, r]'[X, r]``.
    """

    layout: OneWay
    rest: Floats
    Xr: Floats
    total: Floats

    def density(self, chain: int, log_f: float, log_e: float, prior: Floats, root: Floats) -> float:
        """Evaluate the log-density of a chain at logs of the sds; see `one_way`."""
        from bayes_mlm.engines.crossed.kernels import one_way

        layout = self.layout
        sizes = layout.margin.sizes[0]
        return float(
            one_way(
                *(log_f, log_e, layout.table.n, sizes, layout.levels),
                *(layout.XX, self.Xr[chain], self.total[chain], prior, root),
            )
        )

    def coefficients(
        self, chain: int, log_f: float, log_e: float, prior: Floats
    ) -> tuple[Floats, Floats]:
        """Return the mean (p,) of the coefficients at sds and the root (p, p) of their precision.

        Raises
        ------
        numpy.linalg.LinAlgError
            Never: of a precision that is not positive the mean is nan.
        """
        root = np.zeros_like(self.total[chain])
        self.density(chain, log_f, log_e, prior, root)
        lower = np.tril(root)[:-1, :-1]
        return np.linalg.solve(lower.T, root[-1, :-1]), lower

    def draw(
        self,
        log_sds: Floats,
        priors: Sequence[Floats],
        rngs: Sequence[np.random.Generator],
        counter: tuple[int, int, int],
        seed: int,
        u: Floats,
        moments: Floats,
        kept: int,
    ) -> Floats:
        """Draw the coefficients (chains, p), and the effects into `u`; see `draw_levels`.

        Parameters
        ----------
        log_sds : ndarray, shape (chains, 2)
            Logs of the sds of effects and residuals.
        priors, rngs : sequence
            Of each chain.
        counter, seed, u, moments, kept
            As of `draw_levels`.
        """
        from bayes_mlm.engines.crossed.kernels import SERIAL_LEVELS, draw_levels, draw_parts

        found = [
            self.coefficients(c, float(log_sds[c, 0]), float(log_sds[c, 1]), prior)
            for c, prior in enumerate(priors)
        ]
        expected = np.array([one for one, _ in found])
        inverse = np.array([np.linalg.inv(lower) for _, lower in found])
        normal = np.array([rng.standard_normal(expected.shape[1]) for rng in rngs])
        beta = np.asarray(expected + np.einsum("cij,ci->cj", inverse, normal))
        margin = self.layout.margin
        variances = np.exp(2.0 * log_sds)
        vf, ve = np.ascontiguousarray(variances.T)
        given = (
            *(margin.counts, self.layout.right, self.rest, vf, ve),
            *(beta, expected, inverse, counter, seed, u, moments, kept),
        )
        if len(u) < SERIAL_LEVELS:
            draw_levels(0, len(u), *given)
        else:
            draw_parts(margin.parts, *given)
        return beta
