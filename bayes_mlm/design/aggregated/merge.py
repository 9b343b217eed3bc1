"""Add up the sums of several sets of rows of one model: of years, or of sites."""

import hashlib
from collections.abc import Iterator, Sequence

import numpy as np

from bayes_mlm.base import DesignError, expect
from bayes_mlm.data import ALIKE
from bayes_mlm.design.aggregated.designs import (
    SUMMED_NOTE,
    base_of_moments,
)
from bayes_mlm.design.aggregated.lists import TOO_CROSSED
from bayes_mlm.design.aggregated.request import notes_on_labels_of
from bayes_mlm.design.design import Design
from bayes_mlm.design.group_columns import columns_of_cells
from bayes_mlm.design.group_structure import FEW, REUSED, notes_on_group_terms
from bayes_mlm.design.terms import terms_of_moments
from bayes_mlm.moments import CellMoments, merge_cells

_LABELS = {
    "O": "text",
    "b": "truth values",
    "i": "whole numbers",
    "u": "whole numbers",
    "f": "decimal numbers",
}
# Sources named in a note.
_MOST_SOURCES = 6
# A column whose sd is below this share of its size is constant, but for rounding.
_CONSTANT = 1e-12
# Multiples of it less their whole parts are spread evenly, and the same whatever makes them.
_GOLDEN = (5.0**0.5 - 1.0) / 2.0
_BY_ONE = (
    "lay the rows of both out by one design that has all (sum_more_rows, or bayes-mlm sum "
    "FIRST.sums --data SECOND --alone)"
)


def merge_sums(one: Design, other: Design, *, allow_repeats: bool = False) -> Design:
    """Add up the sums of two sets of rows of one model, such as last year's and this year's.

    Parameters
    ----------
    one, other : Design
        Of summed data, the second made by the design of the first (`sum_more_rows`), or both with
        the same categories and without constants learned from the data.
    allow_repeats : bool
        Whether to add a set of rows that equals one that was added before, as different
        sets of few whole numbers may.

    Returns
    -------
    Design

    Raises
    ------
    DesignError
        If the two are of different models; the message names the difference. Or if a set of
        rows is in both that was summed as a whole; sets that overlap otherwise are not noticed.

    Notes
    -----
    Whether the sums suffice to fit the model is looked at when it is fitted: two sites of one
    sector may be added before that of the other. What `center` and `scale` took is that of the rows
    that were laid out first: a coefficient of ``scale(x)`` is for one of their sds.
    """
    for one_design in (one, other):
        expect("merge_sums", one_design, Design)
    if one.crossed is not None or other.crossed is not None:
        raise DesignError(f"sums of {' and '.join(one.factors)} cannot be merged: {TOO_CROSSED}")
    if one.aggregated is None or other.aggregated is None:
        raise DesignError("merge_sums takes designs of summed data; make them with sum_rows")
    if one.weights is not None or other.weights is not None:
        raise DesignError(
            "weighted sums are not merged: weights are scaled by group, over all of its rows; sum "
            "all of the rows together"
        )
    _check_alike(one, other)
    batches = batches_of(one), batches_of(other)
    twice = set(batches[0]) & set(batches[1])
    if twice and not allow_repeats:
        raise DesignError(
            f"{len(twice)} of {len(batches[1])} sets of rows in the second sums are in the first "
            "already, and would be counted twice; add each set once, or, if they are different "
            "rows, allow this (allow_repeats, --allow-repeats)"
        )
    summed = merge_cells(one.aggregated, other.aggregated)
    return one.with_moments(
        summed,
        base=base_of_moments(summed),
        n_dropped=one.n_dropped + other.n_dropped,
        notes=_join(one.notes, other.notes, _notes_of_groups(one, summed)),
        batches=(*batches[0], *batches[1]),
    )


def _notes_of_groups(design: Design, moments: CellMoments) -> tuple[str, ...]:
    """Return the remarks on the labels and on the number of groups, which both sets make."""
    formula, terms = design.formula, terms_of_moments(moments, design.formula.correlated)
    columns, made_of = columns_of_cells(terms, moments), map(formula.columns_of, design.factors)
    return (
        *notes_on_labels_of(design.encoding, terms),
        *notes_on_group_terms(columns, list(made_of)),
    )


def _join(one: Sequence[str], other: Sequence[str], groups: Sequence[str]) -> tuple[str, ...]:
    """Join notes; those that differ only in what was summed become one, those on groups are new."""
    of_groups = (ALIKE, FEW, REUSED)
    kept = [note for note in (*one, *other) if not any(words in note for words in of_groups)]
    notes = list(dict.fromkeys((*groups, *kept)))
    summed = [note for note in notes if note.endswith(SUMMED_NOTE)]
    if len(summed) < 2:
        return tuple(notes)
    what = [note.removeprefix("rows of ").removesuffix(SUMMED_NOTE) for note in summed]
    sources = list(dict.fromkeys(name for names in what for name in names.split(" + ")))
    if len(sources) > _MOST_SOURCES:
        sources = [*sources[: _MOST_SOURCES - 1], f"{len(sources) - _MOST_SOURCES + 1:,} more"]
    rest = [note for note in notes if note not in summed]
    return (*rest, f"rows of {' + '.join(sources)}{SUMMED_NOTE}")


def batches_of(design: Design) -> tuple[str, ...]:
    """Return the fingerprints of the sets of rows whose sums were added up, one a set.

    A fingerprint is a hash of the labels, of the numbers of rows by group, and of the columns'
    means, sds, correlations, and group means and scatter, these two added up with separate weights;
    all to seven digits, which the order of summing does not move. It reveals when rows that agree
    in all of this are added a second time; and, to someone who guesses a whole set, that the guess
    is right.
    """
    if design.batches:
        return design.batches
    assert design.aggregated is not None  # for mypy: the callers looked
    s = design.aggregated.cells
    mean, sd = s.moments
    size = np.hypot(mean, sd)
    live = sd > _CONSTANT * size
    scale = np.where(live, sd, 1.0)
    pairs = np.outer(scale, scale) * s.n
    apart = np.where(live, (s.means + s.centre - mean) / scale, 0.0)
    weight = np.modf(np.arange(1, s.J + 1) * _GOLDEN)[0]
    among = (apart * s.counts[:, None]).T @ apart / s.n
    numbers = np.concatenate(
        [
            mean / np.where(size > 0, size, 1.0),
            np.ravel(s.scatter.sum(axis=0) / pairs + among),
            (weight * s.counts) @ apart / s.n,
            np.ravel(np.tensordot(weight, s.scatter, axes=1) / pairs),
        ]
    )
    shown = [f"{one:.6e}" for one in np.where(live, sd, 0.0).tolist()]
    shown += [f"{one + 0.0:.7f}" for one in np.round(numbers, 7).tolist()]
    content = "\n".join([*shown, *map(str, s.counts.tolist()), *_levels_of(design.aggregated)])
    return (hashlib.sha256(content.encode()).hexdigest()[:16],)


def _levels_of(moments: CellMoments) -> Iterator[str]:
    """Yield the label of each cell, by factor."""
    if not moments.factors:
        yield "0"
    for one in moments.factors:
        yield from map(str, one.labels[one.codes].tolist())


def _check_alike(one: Design, other: Design) -> None:
    """Refuse to add up sums of different models."""
    if one.formula != other.formula:
        raise DesignError(
            f"cannot merge sums of different formulas: {str(one.formula)!r} and "
            f"{str(other.formula)!r}"
        )
    if (one.factors, one.kind) != (other.factors, other.kind):
        named = [" and ".join(map(repr, of.factors)) or None for of in (one, other)]
        raise DesignError(
            f"cannot merge sums by different groups or kinds: {named[0]} [{one.kind}] and "
            f"{named[1]} [{other.kind}]"
        )
    a, b = one.encoding, other.encoding
    if a.strip != b.strip:
        raise DesignError(
            "cannot merge sums of which only one had spaces stripped from its labels; sum the rows "
            "of both with strip=True (--strip), or neither"
        )
    if [item.factor for item in a.levels] != [item.factor for item in b.levels]:
        odd = {item.column for item in a.levels} ^ {item.column for item in b.levels}
        raise DesignError(
            f"cannot merge sums: {', '.join(map(repr, sorted(odd)))} has categories in one and "
            "numbers in the other; give the column one type everywhere"
        )
    if a.levels != b.levels:
        pairs = zip(a.levels, b.levels, strict=True)
        first = next((x, y) for x, y in pairs if x != y)
        raise DesignError(
            f"cannot merge sums with different categories of {first[0].column!r}: "
            f"{', '.join(map(str, first[0].levels))} and {', '.join(map(str, first[1].levels))}; "
            f"{_BY_ONE}"
        )
    if a.crossings != b.crossings:
        raise DesignError(
            f"cannot merge sums whose interactions have rows in different cells: "
            f"{'; '.join(a.notes) or 'all cells have rows'} in one, and "
            f"{'; '.join(b.notes) or 'all cells have rows'} in the other; {_BY_ONE}"
        )
    if a.centrings != b.centrings:
        raise DesignError(
            "cannot merge sums whose center() or scale() took different means "
            f"({a.centrings[0].mean:.6g} and {b.centrings[0].mean:.6g}); "
            f"{_BY_ONE}"
        )
    if a.bases != b.bases:
        basis = next(x for x, y in zip(a.bases, b.bases, strict=True) if x != y)
        raise DesignError(
            f"cannot merge sums whose {basis.expression} was learned from different rows; {_BY_ONE}"
        )
    if a.means or b.means:
        raise DesignError(
            "cannot merge sums of a formula with within() or between(): further rows change the "
            "group means that the old rows were taken from; use the kind 'mundlak' or 'within'"
        )
    for first_term, second_term in zip(one.group_terms, other.group_terms, strict=True):
        kinds = [_LABELS[term.labels.dtype.kind] for term in (first_term, second_term)]
        if kinds[0] != kinds[1]:
            raise DesignError(
                f"the labels of {first_term.factor!r} are {kinds[0]} in one and {kinds[1]} in the "
                "other; give them one type everywhere"
            )
