"""The columns of group terms, of rows or of moments, as the check of their variances reads them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from bayes_mlm.base import DesignError, Flags, Floats, Ints
from bayes_mlm.design.terms import GroupTerm
from bayes_mlm.moments import CellMoments, effects_transform

# A column is a combination of those before it if less than this part of its length is left; sums of
# squares have half the digits of rows.
_ALIASED = 1e-8
_AGGREGATED = 1e-6

# Of term s, effect k, term t and effect m: the products of the two columns, shape (N,).
type Product = Callable[[int, int, int, int], Floats]


@dataclass(frozen=True, kw_only=True, eq=False)
class GroupColumns:
    """Group terms over N units, which are rows, or cells of rows that share every level.

    Parameters
    ----------
    terms : tuple of GroupTerm
    n : int
        Rows.
    codes : tuple of ndarray of int, shape (N,)
        The group of each unit, by term.
    nonzero : tuple of ndarray of bool, shape (q,)
        Whether the column of each effect has a value other than zero, by term.
    scaled : callable
        Returns the products, summed within units, of the columns on one scale, and orthogonal
        where their effects may correlate: that changes no model of correlated effects, and keeps a
        year and an intercept apart. An error if a column is a combination of those before it.
    """

    terms: tuple[GroupTerm, ...]
    n: int
    codes: tuple[Ints, ...]
    nonzero: tuple[Flags, ...]
    scaled: Callable[[], Product]

    def keys(self, s: int, t: int) -> Ints:
        """Return the pair of groups of each unit, the first times the second's number plus it."""
        return np.asarray(self.codes[s] * self.terms[t].J + self.codes[t])

    def pairs(self, s: int, t: int) -> Ints:
        """Return the pairs of groups of two terms that have rows, as `keys`, sorted."""
        return np.unique(self.keys(s, t))


def columns_of_rows(terms: Sequence[GroupTerm]) -> GroupColumns:
    """Return the columns of group terms with their rows."""

    def scaled() -> Product:
        found = [_scaled(term) if term.q else term.Z for term in terms]
        return lambda s, k, t, m: found[s][:, k] * found[t][:, m]

    return GroupColumns(
        terms=tuple(terms),
        n=len(terms[0].codes) if terms else 0,
        codes=tuple(term.codes for term in terms),
        nonzero=tuple(term.Z.any(axis=0) for term in terms),
        scaled=scaled,
    )


def columns_of_cells(terms: Sequence[GroupTerm], moments: CellMoments) -> GroupColumns:
    """Return the columns of group terms of aggregated data."""
    mean, sd = moments.cells.moments
    places = [moments.places_of(place) for place in range(len(terms))]

    def scaled() -> Product:
        origins, roots = [], []
        for term, z in zip(terms, places, strict=True):
            origin, _, unit = effects_transform(mean[z], sd[z], term.free)
            total = moments.products_about(origin, z).sum(axis=0)
            origins.append(origin)
            roots.append(_root(term, unit[:, None] * total * unit / moments.n) * unit)
        flat = [column for z in places for column in z]
        inside = moments.products_about(np.concatenate([np.empty(0), *origins]), flat)
        starts = np.cumsum([0, *(len(z) for z in places)])

        def product(s: int, k: int, t: int, m: int) -> Floats:
            block = inside[:, starts[s] : starts[s + 1], starts[t] : starts[t + 1]]
            return np.asarray(block @ roots[t][m] @ roots[s][k])

        return product

    return GroupColumns(
        terms=tuple(terms),
        n=moments.n,
        codes=tuple(one.codes for one in moments.factors),
        nonzero=tuple((mean[z] != 0.0) | (sd[z] != 0.0) for z in places),
        scaled=scaled,
    )


def _scaled(term: GroupTerm) -> Floats:
    """Return the columns of a term on one scale, and orthogonal where their effects correlate."""
    Z = term.Z / np.sqrt(np.square(term.Z).mean(axis=0))
    if not term.correlated:
        return Z
    # The intercept first where there is one, as the formula has it.
    Q, R = np.linalg.qr(Z)
    _refuse_aliased(term, np.abs(np.diag(R)) / np.sqrt(len(Z)), _ALIASED)
    return np.asarray(Q * np.sqrt(len(Z)))


def _root(term: GroupTerm, correlations: Floats) -> Floats:
    """Return what makes the columns of a term orthogonal, a row a column, from their products."""
    if not term.correlated:
        return np.eye(term.q)
    inverse, rest = np.eye(term.q), np.ones(term.q)
    for k in range(term.q):
        for m in range(k):
            inverse[k] -= (inverse[m] @ correlations[k]) * inverse[m]
        rest[k] = np.sqrt(max(float(inverse[k] @ correlations @ inverse[k]), 0.0))
        inverse[k] /= rest[k] or 1.0
    _refuse_aliased(term, rest, _AGGREGATED)
    return inverse


def _refuse_aliased(term: GroupTerm, rest: Floats, least: float) -> None:
    for effect, one in zip(term.effects, rest, strict=True):
        if one <= least:
            raise DesignError(
                f"the effect {effect} by {term.factor} cannot be distinguished from those before "
                "it: its column is a linear combination of theirs; omit it"
            )
