"""Structure of several group terms: which of their variances the rows determine.

The covariance of the outcome given the predictors is a sum over variances and covariances, each
times a known matrix: of an intercept by school, 1 where two rows share a school. The parameters are
identified only if these matrices are linearly independent, as their inner products show; those
need one pass over the rows for each pair of terms, and no matrix of rows by rows.

References
----------
Searle, S. R., Casella, G. and McCulloch, C. E. (1992). Variance Components. Wiley, sec. 11.1 and
ch. 12: V is linear in the components, and the inner products are those of MINQUE at V = I.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from bayes_mlm.base import DesignError, Flags, Floats, Ints
from bayes_mlm.data import label_text
from bayes_mlm.design.terms import GroupTerm

# Matrices of unit length are dependent if a combination of them, with weights of unit length, is
# shorter than the root of this: the least eigenvalue of their inner products, which rounding moves
# by 1e-15.
_SPANNED = 1e-10
# A matrix is zero if the square of its length is below this part of the largest.
_ROUNDING = 1e-20
# A column is a combination of those before it if less than this part of its length is left.
_ALIASED = 1e-8
# In the remark on few groups alone.
FEW = "sds and correlations of its effects, which the data hardly determine; "
# Labels are reused as numbers of classes are: in this share of the groups they are the first ones.
_COUNTED = 0.75


def check_group_terms(
    terms: Sequence[GroupTerm], *, residual: bool, columns: Sequence[Sequence[str]] = ()
) -> tuple[str, ...]:
    """Refuse group terms whose variances cannot be distinguished; return remarks on the rest.

    Parameters
    ----------
    terms : sequence of GroupTerm
        With their rows.
    residual : bool
        Whether the model has independent residuals of one unknown sd.
    columns : sequence of sequence of str
        Columns of the table that each factor is made of.

    Returns
    -------
    tuple of str
        Remarks: fewer groups than parameters, and labels that are reused in another factor.

    Raises
    ------
    DesignError
        If an effect is zero in every row, two factors divide the rows alike and have an effect in
        common, or one variance is a combination of others.

    Examples
    --------
    >>> codes = np.array([0, 0, 1, 1])
    >>> ids, names = (
    ...     GroupTerm(factor=name, labels=np.arange(2), codes=codes, Z=np.ones((4, 1)),
    ...               effects=("Intercept",)) for name in ("shop_id", "shop_name"))
    >>> check_group_terms([ids, names], residual=True)
    Traceback (most recent call last):
        ...
    bayes_mlm.base.errors.DesignError: shop_id and shop_name divide the rows into the same 2 groups:
    only the sum of their variances is determined; keep one of them
    """
    active = [term for term in terms if term.q]
    notes = [note for term in active for note in check_effects(term, term.Z.any(axis=0))]
    for a, b in combinations(active, 2):
        common = set(a.effects) & set(b.effects)
        if common and a.J == b.J == _cells(a.codes, b.codes, b.J).size:
            raise DesignError(
                f"{a.factor} and {b.factor} divide the rows into the same {a.J:,} groups: only the "
                "sum of their variances is determined; keep one of them"
            )
    if len(active) > 1:
        _check_components(active, residual=residual)
    named = columns or [(term.factor,) for term in terms]
    reused = (
        _reused(a, b)
        for (a, of_a), (b, of_b) in combinations(zip(terms, named, strict=True), 2)
        if a.q and b.q and not set(of_a) & set(of_b)
    )
    return (*notes, *filter(None, reused))


def check_effects(term: GroupTerm, nonzero: Flags) -> tuple[str, ...]:
    """Refuse an effect that is zero in every row; return a remark where groups are too few.

    Parameters
    ----------
    term : GroupTerm
        With its rows or without.
    nonzero : ndarray of bool, shape (q,)
        Whether the column of each effect has a value other than zero.
    """
    for effect, some in zip(term.effects, nonzero, strict=True):
        if not some:
            raise DesignError(
                f"the effect {effect} by {term.factor} has no variance to estimate: its column is "
                "0 in every row; omit it"
            )
    n_parameters = term.q + len(term.pairs)
    if n_parameters <= term.J:
        return ()
    return (
        f"{term.factor} has {term.J} groups for {n_parameters} {FEW}use fewer effects, or || for "
        "independent ones",
    )


def _cells(a: Ints, b: Ints, n_b: int) -> Ints:
    """Return the combinations of two factors that have rows, each a * n_b + b."""
    return np.unique(a * n_b + b)


@dataclass(frozen=True, kw_only=True)
class _Component:
    """One variance or covariance: the effects of a term that it belongs to."""

    term: int
    first: int
    second: int
    name: str


def _components(terms: Sequence[GroupTerm]) -> list[_Component]:
    found = []
    for place, term in enumerate(terms):
        for k in range(term.q):
            name = f"the variance of {term.effects[k]} by {term.factor}"
            found.append(_Component(term=place, first=k, second=k, name=name))
        for k, m in term.pairs:
            name = f"the covariance of {term.effects[k]} and {term.effects[m]} by {term.factor}"
            found.append(_Component(term=place, first=k, second=m, name=name))
    return found


def _check_components(terms: Sequence[GroupTerm], *, residual: bool) -> None:
    """Refuse a component of variance that is a combination of those before it."""
    scaled = [_scaled(term) for term in terms]
    components = _components(terms)
    size = len(components) + residual
    gram = np.zeros((size, size))
    products = {
        (s, t): _cell_products(terms[s], terms[t], scaled[s], scaled[t])
        for s in range(len(terms))
        for t in range(s, len(terms))
    }
    for i, one in enumerate(components):
        for j in range(i, len(components)):
            other = components[j]
            m = products[one.term, other.term]
            value = (m[:, one.first, other.first] * m[:, one.second, other.second]).sum()
            value += (m[:, one.first, other.second] * m[:, one.second, other.first]).sum()
            gram[i, j] = gram[j, i] = value / 2.0
    if residual:
        n = len(terms[0].Z)
        for i, one in enumerate(components):
            z = scaled[one.term]
            gram[i, -1] = gram[-1, i] = z[:, one.first] @ z[:, one.second]
        gram[-1, -1] = n
    names = [*(one.name for one in components), *(["the variance of the residuals"] * residual)]
    _refuse_spanned(gram, names)


def _scaled(term: GroupTerm) -> Floats:
    """Return the columns of a term on one scale, and orthogonal where their effects may correlate.

    That changes no model of correlated effects, and keeps a year and an intercept apart.
    """
    Z = term.Z / np.sqrt(np.square(term.Z).mean(axis=0))
    if not term.correlated:
        return Z
    # The intercept first where there is one, as the formula has it.
    Q, R = np.linalg.qr(Z)
    for effect, rest in zip(term.effects, np.abs(np.diag(R)) / np.sqrt(len(Z)), strict=True):
        if rest <= _ALIASED:
            raise DesignError(
                f"the effect {effect} by {term.factor} cannot be distinguished from those before "
                "it: its column is a linear combination of theirs; omit it"
            )
    return np.asarray(Q * np.sqrt(len(Z)))


def _cell_products(a: GroupTerm, b: GroupTerm, of_a: Floats, of_b: Floats) -> Floats:
    """Return the sums of products of the columns of two terms by cell, (cells, q_a, q_b)."""
    cells, codes = np.unique(a.codes * b.J + b.codes, return_inverse=True)
    found = np.empty((cells.size, a.q, b.q))
    for k in range(a.q):
        for m in range(b.q):
            found[:, k, m] = np.bincount(codes, of_a[:, k] * of_b[:, m], minlength=cells.size)
    return found


def _refuse_spanned(gram: Floats, names: Sequence[str]) -> None:
    """Refuse a matrix in the span of those before it, with those that it is made of."""
    squares = np.diag(gram)
    # But for rounding zero: the covariance of effects of which no group has both.
    some = np.flatnonzero(squares > _ROUNDING * squares.max())
    unit = gram[np.ix_(some, some)] / np.sqrt(np.outer(squares[some], squares[some]))
    for k in range(1, some.size):
        lengths, vectors = np.linalg.eigh(unit[: k + 1, : k + 1])
        if lengths[0] > _SPANNED:
            continue
        weights = np.abs(vectors[:k, 0])
        used = [names[some[i]] for i in np.flatnonzero(weights > 1e-4 * weights.max())]
        raise DesignError(
            f"{names[some[k]]} cannot be distinguished from {' and '.join(used)}: the rows "
            "determine only a combination of them; omit one of these effects"
        )


def _reused(a: GroupTerm, b: GroupTerm) -> str | None:
    """Return a remark where the labels of one factor look like numbers within another."""
    outer, inner = (a, b) if a.J >= b.J else (b, a)
    cells = _cells(outer.codes, inner.codes, inner.J)
    of_outer, of_inner = cells // inner.J, cells % inner.J
    occurs = np.bincount(of_inner, minlength=inner.J)
    complete = cells.size == outer.J * inner.J
    if cells.size == len(outer.codes) or (complete and cells.size * 2 > len(outer.codes)):
        return None  # about a row a cell: raters by items
    sizes = np.bincount(of_outer, minlength=outer.J)
    # The labels by how often they occur: the k of a group are the first k where labels are counted.
    rank = np.empty(inner.J, dtype=np.int64)
    rank[np.lexsort((np.arange(inner.J), -occurs))] = np.arange(inner.J)
    last = np.zeros(outer.J, dtype=np.int64)
    np.maximum.at(last, of_outer, rank[of_inner])
    counted = (last < sizes) & (sizes > 1)
    if counted.mean() < _COUNTED:
        return None
    common = int(np.argmax(occurs))
    label = label_text(inner.labels[common])
    return (
        f"{inner.factor} {label} occurs in {occurs[common]:,} groups of {outer.factor}, and is the "
        f"same {inner.factor} in all of them; did you mean {outer.factor}/{inner.factor} "
        f"({cells.size:,} groups instead of {inner.J:,})?"
    )
