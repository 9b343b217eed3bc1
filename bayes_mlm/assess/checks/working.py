"""Compute the residuals and group effects that a fitted model leaves, and redraw them under it."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from bayes_mlm.assess.checks.ordering import Ordering, in_order, order_of_rows
from bayes_mlm.assess.checks.standardised import LEAST_RELIABLE
from bayes_mlm.base import Floats, Ints
from bayes_mlm.design import INTERCEPT, Design
from bayes_mlm.engines import effects_root, has_random_effects
from bayes_mlm.fitting import Fit, residual_draws
from bayes_mlm.model import Auxiliary, whiten

# Rows looked at; of more, those of groups chosen at random.
MOST_ROWS = 100_000
# Numbers drawn for a reference distribution, and the fewest and most replicates made of them.
_NUMBERS, _FEWEST, _MOST, _AT_ONCE = 2_000_000, 200, 1_000, 100_000
# Share of a residual's variance that the fit must leave for it to be scaled up.
_LEAST_LEFT = 0.05


@dataclass(frozen=True, kw_only=True, eq=False)
class Working:
    """The rows of a fit, scaled so that residuals are independent with an sd of one.

    Rows are in order of groups and, within them, of time. The variance parameters are held at
    their posterior means; the coefficients are those of generalised least squares given them, so
    that residuals are linear in the outcome and can be redrawn without a refit.

    Parameters
    ----------
    design : Design
        Its rows in that order, unscaled.
    X, Z, y : ndarray
        Scaled (whitened, where residuals are structured).
    starts : ndarray of int, shape (J,)
        First row of each group.
    root : ndarray, shape (q, q)
        Root of the covariance of the group effects; zero for group intercepts of no distribution.
    shrink : ndarray, shape (J, q, q)
        K of ``V_j^-1 = I - Z_j K_j Z_j'``.
    others : mapping
        Further auxiliary parameters of the family, at their posterior means.
    ordering : Ordering
    """

    design: Design
    X: Floats
    Z: Floats
    y: Floats
    starts: Ints
    root: Floats
    shrink: Floats
    others: Auxiliary
    ordering: Ordering

    @property
    def n(self) -> int:
        """Number of rows."""
        return int(self.y.size)

    @property
    def sizes(self) -> Ints:
        """Rows of each group, shape (J,)."""
        return np.diff(np.append(self.starts, self.n))

    @property
    def grouped(self) -> bool:
        """Whether the rows are of groups."""
        return self.design.group is not None and self.design.kind != "between"

    def by_group(self, columns: Floats) -> Floats:
        """Sum ``Z_j'`` times columns (n, R) over each group: (J, q, R)."""
        if not self.Z.shape[1]:
            return np.zeros((self.starts.size, 0, columns.shape[1]))
        parts = [
            np.add.reduceat(self.Z[:, a, None] * columns, self.starts, axis=0)
            for a in range(self.Z.shape[1])
        ]
        return np.stack(parts, axis=1)

    def weigh(self, columns: Floats) -> Floats:
        """Multiply columns (n, R) by the inverse of V."""
        if not self.Z.shape[1]:
            return columns
        taken = np.matmul(self.shrink, self.by_group(columns))
        out = columns.copy()
        for a in range(self.Z.shape[1]):
            out -= self.Z[:, a, None] * np.repeat(taken[:, a], self.sizes, axis=0)
        return out

    @cached_property
    def _gls(self) -> tuple[Floats, Floats]:
        weighed = self.weigh(self.X)
        return weighed, np.linalg.pinv(self.X.T @ weighed, hermitian=True)

    def residuals(self, outcome: Floats) -> Floats:
        """Compute the residuals of outcomes (n, R), group effects taken out: ``P y``."""
        weighed, inverse = self._gls
        return np.asarray(self.weigh(outcome) - weighed @ (inverse @ (weighed.T @ outcome)))

    @cached_property
    def left(self) -> Floats:
        """Variance (n,) of each residual, as a share of that of the error."""
        weighed, inverse = self._gls
        found = 1.0 - np.einsum("np,pq,nq->n", weighed, inverse, weighed)
        if self.Z.shape[1]:
            shrink = np.repeat(self.shrink, self.sizes, axis=0)
            found -= np.einsum("na,nab,nb->n", self.Z, shrink, self.Z)
        return np.asarray(found)

    def scaled(self, residuals: Floats) -> Floats:
        """Divide residuals (n, R) by their sds; those that the fit leaves nothing of are zero."""
        inverse = np.where(self.left > _LEAST_LEFT, 1.0, 0.0) / np.sqrt(
            np.maximum(self.left, _LEAST_LEFT)
        )
        return np.asarray(residuals * inverse[:, None])

    @cached_property
    def found(self) -> Floats:
        """Residuals (n, 1) of the data."""
        return self.residuals(self.y[:, None])

    def effects(self, residuals: Floats) -> Floats:
        """Estimate standardised group effects (J', q, R) of the groups with enough information."""
        covariance = self.root @ self.root.T
        scale = np.where(self.reliable[..., None], self._effect_sds[..., None], np.inf)
        return np.asarray(np.matmul(covariance, self.by_group(residuals)) / scale)

    @cached_property
    def _effect_sds(self) -> Floats:
        weighed, inverse = self._gls
        zz = self.by_group(self.Z)
        cross = self.by_group(weighed)
        inner = zz - zz @ self.shrink @ zz - cross @ inverse @ cross.swapaxes(1, 2)
        covariance = self.root @ self.root.T
        found = np.diagonal(covariance @ inner @ covariance, axis1=1, axis2=2)
        return np.sqrt(np.maximum(found, 0.0))

    @cached_property
    def reliable(self) -> np.ndarray:
        """Which group effects (J, q) the rows contain enough information on to be assessed."""
        variance = np.diagonal(self.root @ self.root.T)
        return np.asarray(np.square(self._effect_sds) > LEAST_RELIABLE * variance)

    def redraw(self, seed: int, *, normal: bool) -> Iterator[Floats]:
        """Redraw the data under the model, and give the residuals (n, r) in parts.

        Parameters
        ----------
        seed : int
        normal : bool
            Whether errors are normal; else they are drawn from the scaled residuals of the data,
            and have the tails that those have.
        """
        rng = np.random.default_rng(seed)
        n, left = self.n, int(np.clip(_NUMBERS // self.n, _FEWEST, _MOST))
        at_once = max(1, _AT_ONCE // n)
        pool = self.scaled(self.found)[:, 0]
        pool = pool[self.left > _LEAST_LEFT]
        pool = pool - pool.mean()
        pool = pool / (np.sqrt(np.mean(np.square(pool))) or 1.0)
        while left > 0:
            r = min(left, at_once)
            left -= r
            if normal:
                noise = rng.standard_normal((n, r))
            else:
                noise = pool[rng.integers(pool.size, size=(n, r), dtype=np.uint32)]
            if self.root.any():
                z = rng.standard_normal((self.starts.size, self.root.shape[0], r))
                u = np.matmul(self.root, z)
                for a in range(self.Z.shape[1]):
                    noise = noise + self.Z[:, a, None] * np.repeat(u[:, a], self.sizes, axis=0)
            yield self.residuals(noise)


def working_rows(fit: Fit, seed: int) -> Working:
    """Scale the rows of a fit, at the posterior means of its variance parameters.

    Parameters
    ----------
    fit : Fit
        With rows.
    seed : int
        Of the choice of groups, where there are more than a hundred thousand rows.
    """
    design = _some(fit.design, seed)
    given = residual_draws(fit.draws).mean
    ordering = order_of_rows(design)
    ordered = in_order(design, ordering.order)
    grouped = design.group is not None and design.kind != "between"
    if not grouped:
        ordered = ordered.with_arrays(codes=np.zeros_like(ordered.codes), labels=design.labels[:1])
    q = design.q
    # About their means, so that an offset of a million sds costs no digits.
    x_mean, z_mean, transform = np.zeros(design.p), np.zeros(q), np.eye(q)
    y_mean = float(ordered.y_less_offset.mean()) if design.has_intercept else 0.0
    if design.has_intercept:
        x_mean = np.where(np.array(design.terms) == INTERCEPT, 0.0, ordered.X.mean(axis=0))
    if INTERCEPT in design.effects:
        constant = design.effects.index(INTERCEPT)
        z_mean = np.where(np.arange(q) == constant, 0.0, ordered.Z.mean(axis=0))
        transform[constant] += z_mean
    y = ordered.y_less_offset - y_mean
    columns = np.column_stack([ordered.X - x_mean, ordered.Z - z_mean, y])
    if ordered.residual is None:
        columns = columns / given.sds[0, 0]
    else:
        columns = whiten(ordered.residual, columns, given.sds[0], float(given.rho[0]))
    X, Z, y = columns[:, : design.p], columns[:, design.p : -1], columns[:, -1]
    starts = np.flatnonzero(np.diff(ordered.codes, prepend=-1))
    root, shrink = np.zeros((q, q)), np.zeros((starts.size, q, q))
    if q:
        zz = np.array([Z[a:b].T @ Z[a:b] for a, b in _stretches(starts, Z.shape[0])])
        if has_random_effects(design):
            roots = effects_root(fit.draws)
            values, vectors = np.linalg.eigh((roots @ roots.swapaxes(1, 2)).mean(axis=0))
            root = transform @ (vectors * np.sqrt(np.maximum(values, 0.0)))
            inner = np.eye(q) + root.T @ zz @ root
            shrink = root @ np.linalg.solve(inner, np.broadcast_to(root.T, inner.shape))
        else:
            shrink = np.linalg.pinv(zz, hermitian=True)
    return Working(
        design=ordered,
        X=X,
        Z=Z,
        y=y,
        starts=starts,
        root=root,
        shrink=shrink,
        others=given.others,
        ordering=ordering,
    )


def _stretches(starts: Ints, n: int) -> Iterator[tuple[int, int]]:
    return zip(starts.tolist(), [*starts[1:].tolist(), n], strict=True)


def _some(design: Design, seed: int) -> Design:
    """Sample groups at random, and of large ones the first rows, where there are many rows."""
    if design.n <= MOST_ROWS or design.residual is not None:
        return design
    rng = np.random.default_rng(seed)
    order = design.group_term.row_order()
    sizes = design.group_sizes
    starts = np.cumsum(sizes) - sizes
    most = max(MOST_ROWS // design.J, MOST_ROWS // 10)
    chosen, kept = [], 0
    for j in rng.permutation(design.J):
        rows = order[starts[j] : starts[j] + min(int(sizes[j]), most)]
        if kept + rows.size > MOST_ROWS:
            break
        chosen.append(rows)
        kept += rows.size
    places = np.sort(np.concatenate(chosen))
    return design.take(places).drop_empty_groups()
