"""Names of the columns that the terms of a formula become."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

from bayes_mlm.base import DataError, FormulaError
from bayes_mlm.design.encoding.contrasts import Coding, choose_codings
from bayes_mlm.design.encoding.levels import Levels
from bayes_mlm.formula import (
    CODINGS,
    FUNCTIONS,
    Basis,
    Call,
    Factor,
    Formula,
    Name,
    Term,
    label,
    label_term,
)

INTERCEPT = "Intercept"
MAX_COLUMNS = 1_000
# Effects of a group: 55 variances and covariances, and no engine here searches more.
MAX_EFFECTS = 10
# Each more doubles the parts that a term is taken apart into; no model crosses so many.
_MAX_CATEGORICAL = 6


@dataclass(frozen=True)
class Contrast:
    """A column of a coding of categories: its name, and its value in each category."""

    name: str
    weights: tuple[float, ...]


@dataclass(frozen=True)
class OfBasis:
    """One of the columns of a function that is several, such as a spline: its name and place."""

    name: str
    place: int


# What a column takes of a factor: its number, an indicator of a category by its place, a contrast
# of the categories, or a column of a basis.
type Place = int | Contrast | OfBasis | None


@dataclass(frozen=True)
class Column:
    """Name of a column, and its factors with what it takes of each."""

    name: str
    parts: tuple[tuple[Factor, Place], ...]


def part_values(values: NDArray[Any], place: Place) -> NDArray[Any]:
    """Return what a column takes of a factor, by row, shape (n,).

    Parameters
    ----------
    values : ndarray, shape (n,) or (n, k)
        Numbers, places of categories, or the columns of a basis.
    place : Place
    """
    match place:
        case None:
            return values
        case Contrast(_, weights):
            return np.asarray(np.asarray(weights)[values.astype(np.int64)])
        case OfBasis(_, k):
            return np.asarray(values[:, k])
        case _:
            return np.asarray(values == place)


def level_weights(place: Place, levels: Levels) -> tuple[float, ...]:
    """Return the value in each category of what a column takes of a categorical factor."""
    if isinstance(place, Contrast):
        return place.weights
    return tuple(float(k == place) for k in range(len(levels.levels)))


def place_name(factor: Factor, place: Place, levels: Levels | None) -> str:
    """Write what a column takes of a factor: ``ses``, ``sex[Male]``, ``poly(x, 2)[1]``."""
    if place is None or (isinstance(place, OfBasis) and not place.name):
        return label(factor)
    if isinstance(place, Contrast | OfBasis):
        return f"{label(factor)}[{place.name}]"
    assert levels is not None  # for mypy: an indicator is of a category
    return f"{label(factor)}[{levels.name(place)}]"


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
        size = sum(_size(term, coding, known) for coding in codings)
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


def is_basis(factor: Factor) -> TypeGuard[Call]:
    """Return whether a factor is a function that is several columns."""
    return isinstance(factor, Call) and factor.kind == "basis"


def basis_of(call: Call) -> Basis:
    """Return what computes a function that is several columns."""
    basis = FUNCTIONS[call.function].basis
    assert basis is not None  # for mypy: of this kind
    return basis


def _basis_places(call: Call) -> tuple[OfBasis, ...]:
    names = basis_of(call).names(call.settings)
    return tuple(OfBasis(name, k) for k, name in enumerate(names))


def _contrasts(factor: Factor, levels: Levels) -> tuple[Place, ...]:
    """Return the columns of a factor next to the constant: of its coding."""
    size = len(levels.levels)
    name = str(factor.settings.get("coding", "Treatment")) if isinstance(factor, Call) else ""
    coding = CODINGS[name or "Treatment"]
    if coding.matrix is None:
        return tuple(range(1, size))
    if size > coding.most:
        raise DataError(
            f"{label(factor)} has {size} categories, and {name} coding takes {coding.most} at "
            f"most; write C({label(Name(factor.columns[0]))}), or a function of the numbers"
        )
    names = coding.names([levels.name(k) for k in range(size)])
    columns = coding.matrix(size).T.tolist()
    return tuple(
        Contrast(name, tuple(weights)) for name, weights in zip(names, columns, strict=True)
    )


def check_constants(formula: Formula) -> None:
    """Refuse a function whose columns add up to the constant next to an intercept."""
    for terms in (formula.terms, *(one.terms for one in formula.group_terms)):
        for term in terms if () in terms else ():
            call = term[0] if len(term) == 1 else None
            if call is not None and is_basis(call) and basis_of(call).constant(call.settings):
                raise FormulaError(
                    f"{label(call)} holds the constant, and so does the intercept: omit "
                    "include_intercept, or write 0 + ... for no intercept"
                )


def check_independent(formula: Formula) -> None:
    """Refuse independent effects of the columns of a function, which depend on its basis."""
    for term in _independent(formula):
        for factor in term:
            if is_basis(factor):
                raise FormulaError(
                    f"the group effects of {label(factor)} cannot be independent of one another "
                    "(||): what that says depends on the basis; write | , or columns of your own, "
                    "as in (x + I(x ** 2) || group)"
                )


def notes_on_independent(formula: Formula, categorical: Collection[str]) -> tuple[str, ...]:
    """Return remarks on independent effects of the columns of categories.

    Parameters
    ----------
    formula : Formula
    categorical : collection of str
        The factors that are categories, as the formula writes them.

    Notes
    -----
    Each column has its variance. lme4's double bar keeps the columns of a category correlated
    among themselves, which shows nowhere in its results.
    """
    found = [
        label(factor)
        for term in _independent(formula)
        for factor in term
        if str(factor) in categorical
    ]
    return tuple(
        f"the group effects of the columns of {name} are independent, with an sd each (||), so the "
        "model depends on its reference category; with | it does not"
        for name in dict.fromkeys(found)
    )


def _independent(formula: Formula) -> list[Term]:
    """Return the terms of group effects that are independent of one another."""
    return [term for one in formula.group_terms if not one.correlated for term in one.terms]


def _size(term: Term, coding: Coding, known: Mapping[Factor, Levels]) -> int:
    full = [len(known[factor].levels) for factor in coding.full]
    reduced = [len(known[factor].levels) - 1 for factor in coding.reduced]
    bases = [len(_basis_places(one)) for one in term if is_basis(one)]
    return math.prod([*full, *reduced, *bases])


def _block(term: Term, coding: Coding, known: Mapping[Factor, Levels]) -> list[Column]:
    columns = [Column("", ())]
    for factor in term:
        places: tuple[Place, ...] = (None,)
        if factor in known:
            if factor not in coding.full | coding.reduced:
                continue
            levels = known[factor]
            whole = factor in coding.full
            places = tuple(range(len(levels.levels))) if whole else _contrasts(factor, levels)
        elif is_basis(factor):
            places = _basis_places(factor)
        parts = [(place_name(factor, place, known.get(factor)), place) for place in places]
        columns = [
            Column(f"{column.name}:{name}".removeprefix(":"), (*column.parts, (factor, place)))
            for name, place in parts
            for column in columns
        ]
    return [Column(column.name or INTERCEPT, column.parts) for column in columns]
