"""The distribution of the effects of known groups at an estimate, given their outcomes."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from bayes_mlm.base import Floats, Ints
from bayes_mlm.design import Design
from bayes_mlm.engines import GeneralisedFit
from bayes_mlm.fitting import ParameterPoints
from bayes_mlm.model import Family
from bayes_mlm.questions.response.average import means_at
from bayes_mlm.questions.response.rows import ResponseRows

# Points along each effect, by the number of effects, and the sds on either side.
_POINTS = {0: 1, 1: 41, 2: 17, 3: 11}
_REACH = {0: 0.0, 1: 8.0, 2: 6.0, 3: 5.0}
# Relative to the largest: a smaller variance has no density.
_SINGULAR = 1e-8
# Numbers in one working array.
_BLOCK = 400_000


@dataclass(frozen=True, kw_only=True, eq=False)
class ConditionalEffects:
    """Points of the effects of some groups, and their weights at any parameters.

    The density of the effects given the outcomes is computed at points about its mean, so that
    means over it follow its skewness (to about 1e-6 with one effect). Where an sd of the effects is
    zero it is normal.

    Parameters
    ----------
    design : Design
    solution : GeneralisedFit
    groups : ndarray of int, shape (G,)
        Places of the groups.
    """

    design: Design
    solution: GeneralisedFit
    groups: Ints

    @cached_property
    def nodes(self) -> Floats:
        """Standard points (K, q)."""
        q = self.design.q
        line = np.linspace(-_REACH[q], _REACH[q], _POINTS[q])
        return np.stack(np.meshgrid(*[line] * q, indexing="ij"), axis=-1).reshape(-1, q)

    @cached_property
    def u(self) -> Floats:
        """Points (G, K, q)."""
        value, vector = np.linalg.eigh(self.solution.u_cov[self.groups])
        root = vector * np.sqrt(np.maximum(value, 0.0))[:, None, :]
        found = self.solution.u[self.groups][:, None] + self.nodes @ root.swapaxes(1, 2)
        return np.asarray(found)

    @cached_property
    def _rows(self) -> tuple[Ints, Ints, Ints]:
        """Rows of the groups in their order, the group of each, and the first of each group."""
        codes = self.design.weighted_rows.group_term.codes
        place = np.full(self.design.J, -1)
        place[self.groups] = np.arange(self.groups.size)
        chosen = np.flatnonzero(place[codes] >= 0)
        order = chosen[np.argsort(place[codes[chosen]], kind="stable")]
        of_rows = place[codes[order]]
        starts = np.searchsorted(of_rows, np.arange(self.groups.size))
        return order, of_rows, starts

    def weights(self, points: ParameterPoints, s: int) -> Floats:
        """Return the weights (G, K) of the points, of sum one, at one point of the parameters."""
        cov = points.cov_u[0][s]
        value, vector = np.linalg.eigh(cov)
        if value.min() <= _SINGULAR * max(float(value.max()), 1e-300):
            logs = np.broadcast_to(
                -0.5 * np.square(self.nodes).sum(axis=1), (self.groups.size, len(self.nodes))
            )
        else:
            design = self.design.weighted_rows
            counts = design.response.weights
            order, of_rows, starts = self._rows
            fixed = (design.X @ points.beta[s] + design.offset)[order]
            aux = {name: one[s : s + 1] for name, one in points.auxiliary.items()}
            aux |= {name: one[order][None] for name, one in design.response.known.items()}
            y, Z = design.y[order], design.group_term.Z[order]
            density = np.empty((self.groups.size, len(self.nodes)))
            for k in range(len(self.nodes)):
                eta = fixed + np.einsum("nq,nq->n", Z, self.u[of_rows, k])
                at = design.family.log_density(y, eta[None], aux)[0]
                at = at if counts is None else at * counts[order]
                density[:, k] = np.add.reduceat(at, starts)
            along = self.u @ vector
            logs = density - 0.5 * (np.square(along) / value).sum(axis=2)
        logs = logs - logs.max(axis=1, keepdims=True)
        found = np.exp(logs)
        return np.asarray(found / found.sum(axis=1, keepdims=True))

    def predictors(
        self, points: ParameterPoints, s: int, rows: ResponseRows
    ) -> tuple[Floats, Floats]:
        """Return linear predictors (n, K) of rows at the points of their groups, and weights."""
        place = np.searchsorted(self.groups, rows.codes[0])
        return self.linear(points, s, rows), self.weights(points, s)[place]

    def linear(self, points: ParameterPoints, s: int, rows: ResponseRows) -> Floats:
        """Return linear predictors (n, K) of rows at the points of their groups."""
        place = np.searchsorted(self.groups, rows.codes[0])
        added = np.einsum("nkq,nq->nk", self.u[place], rows.Z[0])
        fixed = rows.X @ points.beta[s] + rows.offset
        return np.asarray(fixed[:, None] + added)

    def means(
        self, family: Family, points: ParameterPoints, s: int, rows: ResponseRows, scores: Floats
    ) -> Floats:
        """Return the expected outcome (n, k) of each row over the effects of its group."""
        aux = {name: one[s : s + 1] for name, one in points.auxiliary.items()}
        step = max(1, _BLOCK // len(self.nodes))
        parts, shares = [], self.weights(points, s)
        for start in range(0, rows.n, step):
            some = rows.take(slice(start, start + step))
            weights = shares[np.searchsorted(self.groups, some.codes[0])]
            values = means_at(family, self.linear(points, s, some), aux, scores)
            parts.append(np.einsum("nkt,nk->nt", values, weights))
        return np.concatenate(parts)

    def root(
        self,
        family: Family,
        points: ParameterPoints,
        rows: ResponseRows,
        scores: Floats,
        shares: Floats,
    ) -> Floats:
        """Return a root (G K, k) of the covariance of the average over rows, at the estimate.

        The rows have shares (n,) of sum one. Of the distribution of the effects given the
        outcomes, which are independent by group.
        """
        aux = {name: one[:1] for name, one in points.auxiliary.items()}
        step = max(1, _BLOCK // len(self.nodes))
        total = np.zeros((self.groups.size, len(self.nodes), max(scores.size + 1, 1)))
        for start in range(0, rows.n, step):
            part = slice(start, start + step)
            some = rows.take(part)
            values = means_at(family, self.linear(points, 0, some), aux, scores)
            values = values * shares[part, None, None]
            np.add.at(total, np.searchsorted(self.groups, some.codes[0]), values)
        weights = self.weights(points, 0)[:, :, None]
        off = total - (weights * total).sum(axis=1, keepdims=True)
        return np.asarray((np.sqrt(weights) * off).reshape(-1, total.shape[2]))
