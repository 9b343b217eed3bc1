"""Reduce rows to per-group counts, means and scatter: all a Gaussian likelihood needs of them.

The likelihood of a Gaussian model with one grouping factor touches the rows only through, per
group, the count and the cross-products of the stacked row ``[X, Z, y]`` (`design.md`; Bates et
al. 2015, J. Stat. Softw. 67(1), section 3). They are held as count, mean and scatter about the
group's own mean rather than as raw sums of squares: the three carry the same information, merge
exactly (Chan, Golub & LeVeque 1983, The American Statistician 37(3)), and keep their digits when
a column has an offset a million times its spread.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from bayes_mlm.base import DesignError, Floats, Ints


@dataclass(frozen=True, kw_only=True, eq=False)
class GroupMoments:
    """Sufficient statistics of a grouped Gaussian model; add two to merge them.

    The columns of the row are ``[X, Z, y]``, k = p + q + 1 of them.

    Attributes
    ----------
    labels : (J,) array
        Group labels, distinct.
    counts : (J,) int array
        Rows in each group; of weighted rows the sum of their weights, a float.
    centre : (k,) array
        Origin from which `means` are measured, in the units of each column.
    means : (J, k) array
        Group means less `centre`.
    scatter : (J, k, k) array
        Cross-products of the deviations from the group's mean.
    terms, effects : tuple of str
        Names of the p columns of X and the q columns of Z.
    group : str or None
        Name of the grouping factor.
    weights : (J,) array, or None
        How often each group counts: level-2 weights. None where each counts once.
    """

    labels: npt.NDArray[np.generic]
    counts: Ints | Floats
    centre: Floats
    means: Floats
    scatter: Floats
    terms: tuple[str, ...]
    effects: tuple[str, ...]
    group: str | None
    weights: Floats | None = None

    @property
    def n(self) -> int:
        """Count the rows; of weighted rows the sum of their weights."""
        total: Any = self.counts.sum().item()
        return cast("int", total)

    @property
    def p(self) -> int:
        """Count the columns of X."""
        return len(self.terms)

    @property
    def q(self) -> int:
        """Count the columns of Z."""
        return len(self.effects)

    @property
    def J(self) -> int:  # noqa: N802 - the project's name for the number of groups
        """Count the groups."""
        return len(self.counts)

    @property
    def moments(self) -> tuple[Floats, Floats]:
        """Return the mean and the sd (divisor n) of each column over all rows, both (k,)."""
        s = self.counted
        mean = s.counts @ s.means / s.n
        apart = s.means - mean
        square = np.einsum("jkk->k", s.scatter) + s.counts @ np.square(apart)
        return mean + s.centre, np.sqrt(np.maximum(square, 0.0) / s.n)

    @property
    def counted(self) -> "GroupMoments":
        """The statistics with the weights of groups in their counts, for sums over all rows."""
        if self.weights is None:
            return self
        scatter = self.weights[:, None, None] * self.scatter
        return replace(self, counts=self.weights * self.counts, scatter=scatter, weights=None)

    def products(self, groups: Ints | None = None) -> Floats:
        """Return the uncentred cross-products (J, k, k) of all groups or of some."""
        some = slice(None) if groups is None else groups
        mean = self.means[some] + self.centre
        outer = mean[:, :, None] * mean[:, None, :]
        return np.asarray(self.scatter[some] + self.counts[some, None, None] * outer)

    def select(
        self, x: Sequence[int] | None = None, z: Sequence[int] | None = None
    ) -> "GroupMoments":
        """Return the statistics of some columns of X and of Z, in the order of their places.

        Examples
        --------
        >>> import numpy as np
        >>> X = np.array([[1.0, 2.0], [1.0, 3.0], [1.0, 5.0]])
        >>> of = from_rows(np.arange(3.0), X, X, np.array([0, 0, 1]), 2, terms=["1", "x"],
        ...                effects=["1", "x"])
        >>> of.select(z=[1]).effects, of.select(z=()).terms
        (('x',), ('1', 'x'))
        """
        x = range(self.p) if x is None else x
        z = range(self.q) if z is None else z
        kept = [*x, *(self.p + place for place in z), self.p + self.q]
        return replace(
            self,
            centre=self.centre[kept],
            means=self.means[:, kept],
            scatter=self.scatter[:, kept][:, :, kept],
            terms=tuple(self.terms[place] for place in x),
            effects=tuple(self.effects[place] for place in z),
        )

    def __add__(self, other: "GroupMoments") -> "GroupMoments":
        """Merge with the statistics of other rows of the same model; see `merge`."""
        return merge(self, other)


def from_rows(
    y: Floats,
    X: Floats,
    Z: Floats,
    codes: Ints,
    n_groups: int,
    *,
    labels: npt.ArrayLike | None = None,
    terms: Sequence[str] | None = None,
    effects: Sequence[str] | None = None,
    group: str | None = None,
    weights: Floats | None = None,
) -> GroupMoments:
    """Reduce rows to sufficient statistics; the rows may come in any order.

    Parameters
    ----------
    y : (n,) array
        Outcome.
    X, Z : (n, p) and (n, q) arrays
        Fixed-effect and group-effect columns; q = 0 for a model without group effects.
    codes : (n,) int array
        Group of each row, in 0..n_groups-1.
    n_groups : int
        Number of groups J; a group may have no rows.
    labels, terms, effects, group : optional
        Names; numbered ones are made up where they are not given.
    weights : (n,) array, optional
        How many equal rows each stands for; counts are then their sums.

    Returns
    -------
    GroupMoments

    Raises
    ------
    DesignError
        If shapes disagree, a code lies outside 0..n_groups-1, or a value is not finite.

    Examples
    --------
    >>> import numpy as np
    >>> y = np.array([1.0, 2.0, 3.0, 5.0])
    >>> one = np.ones((4, 1))
    >>> s = from_rows(y, one, one, np.array([0, 0, 1, 1]), 2)
    >>> s.counts, s.means[:, -1] + s.centre[-1], s.scatter[:, -1, -1]
    (array([2, 2]), array([1.5, 4. ]), array([0.5, 2. ]))
    """
    X, Z = np.asarray(X, dtype=float), np.asarray(Z, dtype=float)
    y, codes = np.asarray(y, dtype=float), np.asarray(codes, dtype=np.int64)
    _check_shapes(y, X, Z, codes, n_groups)
    columns = [*X.T, *Z.T, y]
    kept, place = _distinct(columns)
    counts, centre, means, scatter = _moments([columns[i] for i in kept], codes, n_groups, weights)
    return GroupMoments(
        labels=np.arange(n_groups) if labels is None else np.asarray(labels),
        counts=counts,
        centre=centre[place],
        means=means[:, place],
        scatter=scatter[:, place][:, :, place],
        terms=tuple(terms) if terms is not None else tuple(f"x{i}" for i in range(X.shape[1])),
        effects=(
            tuple(effects) if effects is not None else tuple(f"z{i}" for i in range(Z.shape[1]))
        ),
        group=group,
    )


def one_group(s: GroupMoments) -> GroupMoments:
    """Join all groups to one: what least squares needs."""
    mean = s.counts @ s.means / s.n
    apart = s.means - mean
    scatter = s.scatter.sum(axis=0) + (apart * s.counts[:, None]).T @ apart
    return replace(
        s,
        labels=np.zeros(1, dtype=np.int64),
        counts=np.array([s.n]),
        means=mean[None],
        scatter=scatter[None],
    )


def merge(a: GroupMoments, b: GroupMoments) -> GroupMoments:
    """Merge the statistics of two sets of rows of one model; groups are matched by label.

    Parameters
    ----------
    a, b : GroupMoments
        Of the same terms, effects and grouping factor; their centres may differ.

    Returns
    -------
    GroupMoments
        With the centre of `a`; labels in the order of `a` when the two agree, else sorted.

    Raises
    ------
    DesignError
        If the two describe different models.
    """
    if a.weights is not None or b.weights is not None:
        raise DesignError("weighted sums cannot be merged; sum all rows together")
    if (a.terms, a.effects, a.group) != (b.terms, b.effects, b.group):
        raise DesignError(
            f"cannot merge sufficient statistics of different models: terms {a.terms}, effects "
            f"{a.effects}, group {a.group!r} against terms {b.terms}, effects {b.effects}, group "
            f"{b.group!r}; make both from the same formula"
        )
    if np.array_equal(a.labels, b.labels):
        labels, at_a, at_b = a.labels, np.arange(a.J), np.arange(b.J)
    else:
        labels, where = np.unique(np.concatenate([a.labels, b.labels]), return_inverse=True)
        at_a, at_b = where[: a.J], where[a.J :]
    n_a, m_a, s_a = _spread(a, at_a, len(labels), np.zeros_like(a.centre))
    n_b, m_b, s_b = _spread(b, at_b, len(labels), b.centre - a.centre)
    n = n_a + n_b
    safe = np.maximum(n, 1)
    gap = m_b - m_a
    means = np.where((n_a > 0)[:, None], m_a, 0.0) + gap * (n_b / safe)[:, None]
    means = np.where((n_a > 0)[:, None], means, m_b)
    # Chan, Golub & LeVeque (1983), eq. 1.5b: scatter of the union from the parts' scatter.
    cross = (n_a * n_b / safe)[:, None, None] * (gap[:, :, None] * gap[:, None, :])
    return GroupMoments(
        labels=labels,
        counts=n,
        centre=a.centre,
        means=means,
        scatter=s_a + s_b + cross,
        terms=a.terms,
        effects=a.effects,
        group=a.group,
    )


def _spread(s: GroupMoments, at: Ints, n_groups: int, shift: Floats) -> tuple[Ints, Floats, Floats]:
    """Place counts, means and scatter at the rows `at` of arrays for `n_groups` groups."""
    k = len(s.centre)
    counts = np.zeros(n_groups, dtype=np.int64)
    means, scatter = np.zeros((n_groups, k)), np.zeros((n_groups, k, k))
    counts[at], means[at], scatter[at] = s.counts, s.means + shift, s.scatter
    return counts, means, scatter


def _check_shapes(
    y: Floats,
    X: Floats,
    Z: Floats,
    codes: Ints,
    n_groups: int,
) -> None:
    n = len(y)
    if X.ndim != 2 or Z.ndim != 2 or not len(X) == len(Z) == len(codes) == n or n == 0:
        raise DesignError(
            f"y, X, Z and codes disagree: shapes {y.shape}, {X.shape}, {Z.shape}, {codes.shape}; "
            "give (n,), (n, p), (n, q), (n,) with at least one row"
        )
    if codes.min() < 0 or codes.max() >= n_groups:
        raise DesignError(
            f"group codes run from {codes.min()} to {codes.max()}; they must lie in "
            f"0..{n_groups - 1} (missing group labels must be dropped first)"
        )
    for name, array in (("y", y), ("X", X), ("Z", Z)):
        if not np.isfinite(array).all():
            raise DesignError(
                f"{name} holds {np.count_nonzero(~np.isfinite(array))} values that are missing "
                'or infinite; drop those rows first (missing="drop")'
            )


def _distinct(columns: list[Floats]) -> tuple[list[int], list[int]]:
    """Find equal columns, so that a column in both X and Z is reduced once.

    Returns the indices kept, and for every column the position of its twin among those.
    """
    kept: list[int] = []
    place: list[int] = []
    for i, column in enumerate(columns):
        for position, j in enumerate(kept):
            twin = columns[j]
            # The ends are compared first: on a million rows the full comparison is worth avoiding.
            if twin[0] == column[0] and twin[-1] == column[-1] and np.array_equal(twin, column):
                place.append(position)
                break
        else:
            place.append(len(kept))
            kept.append(i)
    return kept, place


def _moments(
    columns: list[Floats], codes: Ints, n_groups: int, weights: Floats | None
) -> tuple[Ints | Floats, Floats, Floats, Floats]:
    """Compute counts (J,), centre (k,), means about it (J, k) and scatter (J, k, k)."""
    n, k = len(codes), len(columns)
    counts: Ints | Floats = np.bincount(codes, weights, minlength=n_groups)
    # Sums of the 1/M of each of M imputations are whole numbers but for rounding.
    if weights is None or np.abs(counts - np.rint(counts)).max() < 1e-9 * n:
        counts = np.rint(counts).astype(np.int64)
    safe = np.where(counts > 0, counts, 1)
    centre = np.array(
        [
            c[0] if c[0] == c[-1] and (c == c[0]).all() else np.average(c, weights=weights)
            for c in columns
        ]
    )
    means = np.zeros((n_groups, k))
    deviation: list[Floats | None] = []
    for i, column in enumerate(columns):
        shifted = column - centre[i]
        if not shifted.any():
            deviation.append(None)
            continue
        summed = shifted if weights is None else shifted * weights
        means[:, i] = np.bincount(codes, weights=summed, minlength=n_groups) / safe
        shifted -= means[codes, i]
        deviation.append(shifted)
    live = [i for i, d in enumerate(deviation) if d is not None]
    scatter = np.zeros((n_groups, k, k))
    pairs = len(live) * (len(live) + 1) // 2
    # Costs in nanoseconds, measured: a weighted count against a BLAS product per group.
    if weights is not None or pairs * n * 8 <= n_groups * 8_000 + n * len(live) ** 2 + n * 100:
        for a, i in enumerate(live):
            for j in live[: a + 1]:
                product = deviation[i] * deviation[j]  # type: ignore[operator]  # live: not None
                product = product if weights is None else product * weights
                total = np.bincount(codes, weights=product, minlength=n_groups)
                scatter[:, i, j] = scatter[:, j, i] = total
    elif live:
        order = np.argsort(codes, kind="stable")
        block = np.stack([d for d in deviation if d is not None], axis=1)[order]
        ends = np.cumsum(counts)
        at = np.ix_(live, live)
        for j, (start, end) in enumerate(zip(ends - counts, ends, strict=True)):
            rows = block[start:end]
            scatter[j][at] = rows.T @ rows
    return counts, centre, means, scatter
