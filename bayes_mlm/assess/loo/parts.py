"""Parts of the rows of a model with several grouping factors, from the rows or from their sums."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bayes_mlm.base import Flags, Floats, Ints
from bayes_mlm.design import Design

if TYPE_CHECKING:
    from scipy.sparse import csr_array


@dataclass(frozen=True, kw_only=True, eq=False)
class Parts:
    """Parts of the rows, and the group effects that the rows of each have.

    Parameters
    ----------
    sizes : ndarray of int, shape (m,)
        Rows of each part.
    effects : ndarray of int, shape (m, K)
        Places of the effects among those of all factors, filled up with 0.
    products : ndarray, shape (m, K, K)
        ``Z'Z`` of the rows of each part; zero where filled up.
    residual_sums : callable
        From coefficients (S, p) to ``r'r`` (S, m) and ``Z'r`` (S, m, K) of the rows of each part,
        with r = y - X beta.
    new : ndarray of bool, shape (m, K)
        Effects of groups that a further part like it would not share: of the factor that is left
        out, and of those nested in it.
    n_effects : int
        Of all factors.
    """

    sizes: Ints
    effects: Ints
    products: Floats
    residual_sums: Callable[[Floats], tuple[Floats, Floats]]
    new: Flags
    n_effects: int

    def total(self, values: Floats) -> Floats:
        """Return sums over the parts (..., m, K) by effect of all factors (..., Q)."""
        found = np.zeros((self.n_effects, *values.shape[:-2]))
        np.add.at(found, self.effects, np.moveaxis(values, (-2, -1), (0, 1)))
        return np.moveaxis(found, 0, -1)

    @property
    def total_products(self) -> Floats:
        """``Z'Z`` of all rows, shape (Q, Q)."""
        found = np.zeros((self.n_effects, self.n_effects))
        np.add.at(found, (self.effects[:, :, None], self.effects[:, None, :]), self.products)
        return found


def parts_of_rows(design: Design, of_row: Ints, n_parts: int, left_out: frozenset[int]) -> Parts:
    """Return parts of the rows, each row's part (n,) given."""
    from scipy.sparse import csr_array

    Z = _columns(design, csr_array)
    entries = Z.tocoo()
    part, effect, place = _pairs(of_row[entries.row], entries.col, Z.shape[1])
    effects, there, order = _padded(part, effect, n_parts)
    K = effects.shape[1]
    at = (part * K + order)[place]
    sums = csr_array((entries.data, (at, entries.row)), shape=(n_parts * K, design.n))
    products = np.zeros((n_parts, K, K))
    for k, rows in _rows_of(of_row, n_parts):
        one = sums[k * K : (k + 1) * K][:, rows]
        products[k] = (one @ one.T).toarray()

    def residual_sums(beta: Floats) -> tuple[Floats, Floats]:
        r = design.y_less_offset - beta @ design.X.T
        squares = [np.bincount(of_row, weights=one, minlength=n_parts) for one in np.square(r)]
        found = np.asarray(sums @ r.T).reshape(n_parts, K, -1)
        return np.array(squares), found.transpose(2, 0, 1)

    return Parts(
        sizes=np.bincount(of_row, minlength=n_parts),
        effects=effects,
        products=products,
        residual_sums=residual_sums,
        new=_fresh(design, left_out)[effects] & there,
        n_effects=Z.shape[1],
    )


def parts_of_groups(design: Design, place: int, left_out: frozenset[int]) -> Parts:
    """Return the groups of one factor as parts of the rows, from the rows or from their sums."""
    found = design.aggregated
    if found is None:
        term = design.group_terms[place]
        return parts_of_rows(design, term.codes, term.J, left_out)
    s, of_cell, m = found.cells, found.factors[place].codes, found.factors[place].m
    columns, effects, first = [], [], 0
    for k, one in enumerate(found.factors):
        q = len(one.effects)
        columns += found.places_of(k)
        effects.append(first + one.codes[:, None] * q + np.arange(q))
        first += one.m * q
    of_effect = np.concatenate(effects, axis=1)  # (C, k)
    part, effect, at = _pairs(
        np.repeat(of_cell, of_effect.shape[1]), of_effect.ravel(), max(first, 1)
    )
    padded, there, order = _padded(part, effect, m)
    slot = order[at].reshape(of_effect.shape)
    # X and y about their means, so that an offset costs no digits; a last column of ones.
    fixed = [*range(s.p), len(s.centre) - 1]
    mean = s.moments[0][fixed]
    origin = np.concatenate([np.zeros(len(columns)), mean])
    kept, k = [*columns, *fixed], len(columns)
    products = found.products_about(origin, kept)
    sums = s.counts[:, None] * (s.means[:, kept] + (s.centre[kept] - origin))
    squares = np.zeros((m, s.p + 2, s.p + 2))
    np.add.at(squares[:, :-1, :-1], of_cell, products[:, k:, k:])
    np.add.at(squares[:, :-1, -1], of_cell, sums[:, k:])
    squares[:, -1, :-1] = squares[:, :-1, -1]
    sizes = found.counts_of(place)
    squares[:, -1, -1] = sizes
    K = padded.shape[1]
    own, right = np.zeros((m, K, K)), np.zeros((m, K, s.p + 2))
    cell = of_cell[:, None]
    np.add.at(own, (cell[:, :, None], slot[:, :, None], slot[:, None, :]), products[:, :k, :k])
    across = np.concatenate([products[:, :k, k:], sums[:, :k, None]], axis=2)
    np.add.at(right, (cell, slot), across)

    def residual_sums(beta: Floats) -> tuple[Floats, Floats]:
        """With r = (y - its mean) - (X - its means) beta + what both means leave."""
        ones = np.ones((len(beta), 1))
        a = np.concatenate([-beta, ones, (mean[-1] - beta @ mean[:-1])[:, None]], axis=1)
        return np.einsum("sa,mab,sb->sm", a, squares, a, optimize=True), np.einsum(
            "mka,sa->smk", right, a
        )

    return Parts(
        sizes=sizes,
        effects=padded,
        products=own,
        residual_sums=residual_sums,
        new=_fresh(design, left_out)[padded] & there,
        n_effects=first,
    )


def _fresh(design: Design, left_out: frozenset[int]) -> Flags:
    """Flag the effects of the factors that are left out, among those of all."""
    return np.concatenate(
        [np.full(term.J * term.q, k in left_out) for k, term in enumerate(design.group_terms)]
    )


def _pairs(part: Ints, effect: Ints, n_effects: int) -> tuple[Ints, Ints, Ints]:
    """Return the distinct pairs of a part and an effect, and the place of each given one."""
    keys = part.astype(np.int64) * n_effects + effect
    known, place = np.unique(keys, return_inverse=True)
    parts, effects = np.divmod(known, n_effects)
    return parts, effects, place.ravel()


def _padded(part: Ints, effect: Ints, n_parts: int) -> tuple[Ints, Flags, Ints]:
    """Return the effects of each part, filled up; where they are; the order of each pair."""
    order = np.arange(part.size) - np.searchsorted(part, np.arange(n_parts))[part]
    K = int(order.max()) + 1
    effects, there = np.zeros((n_parts, K), dtype=np.int64), np.zeros((n_parts, K), dtype=bool)
    effects[part, order], there[part, order] = effect, True
    return effects, there, order


def _columns(design: Design, csr_array: type) -> "csr_array":
    """Return Z (n, Q) of all factors, the effects of a group next to each other."""
    rows, columns, values, first = [], [], [], 0
    for term in design.group_terms:
        for k in range(term.q):
            rows.append(np.arange(design.n))
            columns.append(first + term.codes * term.q + k)
            values.append(term.Z[:, k])
        first += term.J * term.q
    places = (np.concatenate(rows), np.concatenate(columns))
    return csr_array((np.concatenate(values), places), shape=(design.n, first))


def _rows_of(of_row: Ints, n_parts: int) -> Iterator[tuple[int, Ints]]:
    order = np.argsort(of_row, kind="stable")
    ends = np.searchsorted(of_row[order], np.arange(n_parts + 1))
    for part in range(n_parts):
        yield part, order[ends[part] : ends[part + 1]]
