"""Coding of each categorical factor of each term, so that no column is redundant.

A factor coded in full (an indicator a level) spans its reduced coding (without the first level)
and the constant. A term of factors a and b coded in full therefore spans 1, a-, b- and a-b-,
where - is the reduced coding. Each term needs only those parts that no earlier term has spanned;
parts are then put together again into full codings, so that columns stay readable.

This is the rule of R's `model.matrix` where that gives independent columns, and its completion
where R's does not (``y ~ a:b`` with an intercept): see N. J. Smith's patsy, "Redundancy and
categorical factors", whose result formulae and bambi share.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from bayes_mlm.formula import Factor, Term


@dataclass(frozen=True)
class Coding:
    """Categorical factors of a block of columns: those coded in full, those reduced."""

    full: frozenset[Factor]
    reduced: frozenset[Factor]


def choose_codings(
    terms: Sequence[Term], categorical: frozenset[Factor]
) -> tuple[tuple[Coding, ...], ...]:
    """Choose the blocks of columns of each term.

    Parameters
    ----------
    terms : sequence of Term
        In the order of the model.
    categorical : frozenset of Factor
        The factors that are not numeric.

    Returns
    -------
    tuple of tuple of Coding
        For each term its blocks; none for a term that the earlier ones span.

    Examples
    --------
    >>> from bayes_mlm.formula import Name
    >>> a = Name("a")
    >>> with_margin = choose_codings([(), (a,)], frozenset({a}))
    >>> without = choose_codings([(a,)], frozenset({a}))
    >>> with_margin[1][0].full == frozenset(), without[0][0].full == {a}
    (True, True)
    """
    spanned: set[tuple[frozenset[Factor], frozenset[Factor]]] = set()
    chosen = []
    for term in terms:
        numeric = frozenset(term) - categorical
        factors = [factor for factor in term if factor in categorical]
        blocks = []
        for size in range(len(factors) + 1):
            for part in map(frozenset, combinations(factors, size)):
                if (numeric, part) not in spanned:
                    spanned.add((numeric, part))
                    blocks.append(Coding(full=frozenset(), reduced=part))
        chosen.append(tuple(_joined(blocks)))
    return tuple(chosen)


def _joined(blocks: list[Coding]) -> list[Coding]:
    """Join blocks that differ by one reduced factor, smallest first, until none do."""
    joined = _join_once(blocks)
    while joined is not None:
        blocks, joined = joined, _join_once(joined)
    return blocks


def _join_once(blocks: list[Coding]) -> list[Coding] | None:
    for place, small in enumerate(blocks):
        for later, large in enumerate(blocks[place + 1 :], place + 1):
            extra = large.reduced - small.reduced
            if large.full == small.full and small.reduced < large.reduced and len(extra) == 1:
                whole = Coding(full=small.full | extra, reduced=small.reduced)
                return [*blocks[:place], *blocks[place + 1 : later], whole, *blocks[later + 1 :]]
    return None
