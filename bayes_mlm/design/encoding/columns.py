"""Names of the columns that the terms of a formula become."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bayes_mlm.base import DataError, FormulaError
from bayes_mlm.design.encoding.contrasts import Coding, choose_codings
from bayes_mlm.design.encoding.levels import Levels
from bayes_mlm.formula import Factor, Formula, Term, label, label_term

INTERCEPT = "Intercept"
MAX_COLUMNS = 1_000
# Effects of a group: 55 variances and covariances, and no engine here searches more.
MAX_EFFECTS = 10
# Each more doubles the parts that a term is taken apart into; no model crosses so many.
_MAX_CATEGORICAL = 6


@dataclass(frozen=True)
class Column:
    """Name and factors of a column; a categorical one with the index of its level."""

    name: str
    parts: tuple[tuple[Factor, int | None], ...]


def lay_out(terms: Sequence[Term], levels: Sequence[Levels]) -> tuple[Column, ...]:
    """Return the columns of some terms; the level of the first factor runs fastest, as in R."""
    by_text = {item.factor: item for item in levels}
    known = {
        factor: by_text[str(factor)] for term in terms for factor in term if str(factor) in by_text
    }
    for term in terms:
        crossed = [factor for factor in term if factor in known]
        if len(crossed) > _MAX_CATEGORICAL:
            raise DataError(
                f"the term {label_term(term)} crosses {len(crossed)} categorical predictors; "
                f"at most {_MAX_CATEGORICAL} are possible"
            )
    columns: list[Column] = []
    for term, codings in zip(terms, choose_codings(terms, frozenset(known)), strict=True):
        size = sum(_size(coding, known) for coding in codings)
        if len(columns) + size > MAX_COLUMNS:
            raise DataError(
                f"the term {label_term(term)} brings the model to {len(columns) + size:,} columns; "
                f"at most {MAX_COLUMNS:,} are possible: omit it, or group by it"
            )
        columns += [column for coding in codings for column in _block(term, coding, known)]
    return tuple(columns)


def check_columns(
    terms: Sequence[str], effects: Sequence[Sequence[str]], factors: Sequence[str]
) -> None:
    """Refuse two columns of one name, and more effects of a group than can have covariances."""
    for names in (terms, *effects):
        twice = [name for name in names if names.count(name) > 1]
        if twice:
            raise DataError(f"two columns of the model are called {twice[0]!r}; rename one")
    for factor, names in zip(factors, effects, strict=True):
        if len(names) > MAX_EFFECTS:
            raise DataError(
                f"a group of {factor!r} would have {len(names)} effects ({', '.join(names[:3])}, "
                f"…); at most {MAX_EFFECTS} can vary by group: use categories of fewer levels "
                f"there, or (1 | {factor})"
            )


def check_independent(formula: Formula, categorical: Sequence[Factor]) -> None:
    """Refuse independent effects of categories, which would depend on the reference category.

    lme4's double bar keeps the columns of a category correlated among themselves, which shows
    nowhere in its results.
    """
    independent = [one for one in formula.group_terms if not one.correlated]
    for term in (term for one in independent for term in one.terms):
        for factor in term:
            if factor in categorical:
                raise FormulaError(
                    f"the group effects of the categorical {label(factor)!r} cannot be independent "
                    "of one another (||): the model would depend on the reference category; write "
                    "| , or use a column of numbers (0 and 1) for a particular contrast"
                )


def _size(coding: Coding, known: Mapping[Factor, Levels]) -> int:
    full = [len(known[factor].levels) for factor in coding.full]
    return int(np.prod([*full, *(len(known[factor].levels) - 1 for factor in coding.reduced)]))


def _block(term: Term, coding: Coding, known: Mapping[Factor, Levels]) -> list[Column]:
    columns = [Column("", ())]
    for factor in term:
        parts: list[tuple[str, int | None]] = [(label(factor), None)]
        if factor in known:
            if factor not in coding.full | coding.reduced:
                continue
            names = known[factor]
            first = 0 if factor in coding.full else 1
            parts = [
                (f"{label(factor)}[{names.name(place)}]", place)
                for place in range(first, len(names.levels))
            ]
        columns = [
            Column(f"{column.name}:{name}".removeprefix(":"), (*column.parts, (factor, place)))
            for name, place in parts
            for column in columns
        ]
    return [Column(column.name or INTERCEPT, column.parts) for column in columns]
