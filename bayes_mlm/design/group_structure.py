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

from bayes_mlm.base import DesignError, Flags, Floats
from bayes_mlm.data import label_text
from bayes_mlm.design.design import Design
from bayes_mlm.design.estimability import check_estimable
from bayes_mlm.design.group_columns import GroupColumns, Product, columns_of_cells
from bayes_mlm.design.terms import GroupTerm

# Matrices of unit length are dependent if a combination of them, with weights of unit length, is
# shorter than the root of this: the least eigenvalue of their inner products, which rounding moves
# by 1e-15.
_SPANNED = 1e-10
# A matrix is zero if the square of its length is below this part of the largest.
_ROUNDING = 1e-20
# In the remark on few groups alone.
FEW = "sds and correlations of its effects, which the data hardly determine; "
# In the remark on reused labels alone.
REUSED = "; did you mean "
# Labels are reused as numbers of classes are: in this share of the groups they are the first ones.
_COUNTED = 0.75


def check_group_terms(
    columns: GroupColumns, *, residual: bool, made_of: Sequence[Sequence[str]] = ()
) -> tuple[str, ...]:
    """Refuse group terms whose variances cannot be distinguished; return remarks on the rest.

    Parameters
    ----------
    columns : GroupColumns
        Of rows or of moments by cell.
    residual : bool
        Whether the model has independent residuals of one unknown sd.
    made_of : sequence of sequence of str
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
    >>> from bayes_mlm.design.group_columns import columns_of_rows
    >>> codes = np.array([0, 0, 1, 1])
    >>> ids, names = (
    ...     GroupTerm(factor=name, labels=np.arange(2), codes=codes, Z=np.ones((4, 1)),
    ...               effects=("Intercept",)) for name in ("shop_id", "shop_name"))
    >>> check_group_terms(columns_of_rows([ids, names]), residual=True)
    Traceback (most recent call last):
        ...
    bayes_mlm.base.errors.DesignError: shop_id and shop_name divide the rows into the same 2 groups:
    only the sum of their variances is determined; keep one of them
    """
    terms = columns.terms
    active = [place for place, term in enumerate(terms) if term.q]
    for k in active:
        _refuse_zero(terms[k], columns.nonzero[k])
    for k, m in combinations(active, 2):
        a, b = terms[k], terms[m]
        common = set(a.effects) & set(b.effects)
        if common and a.J == b.J == columns.pairs(k, m).size:
            raise DesignError(
                f"{a.factor} and {b.factor} divide the rows into the same {a.J:,} groups: only the "
                "sum of their variances is determined; keep one of them"
            )
    if len(active) > 1:
        _check_components(columns, active, residual=residual)
    return notes_on_group_terms(columns, made_of)


def notes_on_group_terms(
    columns: GroupColumns, made_of: Sequence[Sequence[str]] = ()
) -> tuple[str, ...]:
    """Return remarks on fewer groups than parameters, and on labels reused in another factor.

    Parameters
    ----------
    columns, made_of
        As of `check_group_terms`.
    """
    terms = columns.terms
    active = [place for place, term in enumerate(terms) if term.q]
    named = made_of or [(term.factor,) for term in terms]
    few = (_few_groups(terms[k]) for k in active)
    reused = (
        _reused(columns, k, m)
        for k, m in combinations(active, 2)
        if not set(named[k]) & set(named[m])
    )
    return (*filter(None, few), *filter(None, reused))


def check_aggregated(design: Design) -> None:
    """Refuse an aggregated design whose coefficients or variances its sums do not determine.

    That is looked at when a model is fitted, not before: sums of one site may not suffice, and
    those of several together.

    Raises
    ------
    DesignError
    """
    check_estimable(design)
    if design.aggregated is not None and design.crossed is None:
        check_group_terms(columns_of_cells(design.group_terms, design.aggregated), residual=True)


def _refuse_zero(term: GroupTerm, nonzero: Flags) -> None:
    """Refuse an effect that is zero in every row."""
    for effect, some in zip(term.effects, nonzero, strict=True):
        if not some:
            raise DesignError(
                f"the effect {effect} by {term.factor} has no variance to estimate: its column is "
                "0 in every row; omit it"
            )


def _few_groups(term: GroupTerm) -> str | None:
    n_parameters = term.q + len(term.pairs)
    if n_parameters <= term.J:
        return None
    return (
        f"{term.factor} has {term.J} groups for {n_parameters} {FEW}use fewer effects, or || for "
        "independent ones"
    )


@dataclass(frozen=True, kw_only=True)
class _Component:
    """One variance or covariance: the effects of a term that it belongs to."""

    term: int
    first: int
    second: int
    name: str


def _components(columns: GroupColumns, active: Sequence[int]) -> list[_Component]:
    found = []
    for place in active:
        term = columns.terms[place]
        for k in range(term.q):
            name = f"the variance of {term.effects[k]} by {term.factor}"
            found.append(_Component(term=place, first=k, second=k, name=name))
        for k, m in term.pairs:
            name = f"the covariance of {term.effects[k]} and {term.effects[m]} by {term.factor}"
            found.append(_Component(term=place, first=k, second=m, name=name))
    return found


def _check_components(columns: GroupColumns, active: Sequence[int], *, residual: bool) -> None:
    """Refuse a component of variance that is a combination of those before it."""
    product = columns.scaled()
    components = _components(columns, active)
    size = len(components) + residual
    gram = np.zeros((size, size))
    products = {
        (s, t): _cell_products(columns, product, s, t)
        for place, s in enumerate(active)
        for t in active[place:]
    }
    for i, one in enumerate(components):
        for j in range(i, len(components)):
            other = components[j]
            m = products[one.term, other.term]
            value = (m[:, one.first, other.first] * m[:, one.second, other.second]).sum()
            value += (m[:, one.first, other.second] * m[:, one.second, other.first]).sum()
            gram[i, j] = gram[j, i] = value / 2.0
    if residual:
        for i, one in enumerate(components):
            whole = products[one.term, one.term][:, one.first, one.second].sum()
            gram[i, -1] = gram[-1, i] = whole
        gram[-1, -1] = columns.n
    names = [*(one.name for one in components), *(["the variance of the residuals"] * residual)]
    _refuse_spanned(gram, names)


def _cell_products(columns: GroupColumns, product: Product, s: int, t: int) -> Floats:
    """Return the sums of products of the columns of two terms by cell, (cells, q_s, q_t)."""
    one, other = columns.terms[s], columns.terms[t]
    cells, codes = np.unique(columns.keys(s, t), return_inverse=True)
    found = np.empty((cells.size, one.q, other.q))
    for k in range(one.q):
        for m in range(other.q):
            found[:, k, m] = np.bincount(codes, product(s, k, t, m), minlength=cells.size)
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


def _reused(columns: GroupColumns, a: int, b: int) -> str | None:
    """Return a remark where the labels of one factor look like numbers within another."""
    first, second = (a, b) if columns.terms[a].J >= columns.terms[b].J else (b, a)
    outer, inner = columns.terms[first], columns.terms[second]
    cells = columns.pairs(first, second)
    of_outer, of_inner = cells // inner.J, cells % inner.J
    occurs = np.bincount(of_inner, minlength=inner.J)
    complete = cells.size == outer.J * inner.J
    if cells.size == columns.n or (complete and cells.size * 2 > columns.n):
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
        f"same {inner.factor} in all of them{REUSED}{outer.factor}/{inner.factor} "
        f"({cells.size:,} groups instead of {inner.J:,})?"
    )
