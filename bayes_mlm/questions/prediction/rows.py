"""Validate new rows and encode them in the columns of the design."""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, get_args

import numpy as np

from bayes_mlm.base import DataError, DesignError, EngineError, Floats, Ints
from bayes_mlm.data import (
    Table,
    count_text,
    find_groups,
    is_missing,
    label_text,
    require_columns,
    strip_labels,
    with_interactions,
)
from bayes_mlm.design import Design, GroupRows, notes_beyond, read_data, replay
from bayes_mlm.formula import place_of_factor
from bayes_mlm.model import strata_of
from bayes_mlm.questions.prediction.residuals import Neighbours, neighbours
from bayes_mlm.questions.prediction.result import GroupStatus, PredictionKind
from bayes_mlm.questions.response.rows import Question


def check_rows(
    design: Design,
    rows: Any,
    *,
    question: Question | None = None,
    kind: PredictionKind = "mean",
    factor: str | Sequence[str] | None = None,
) -> None:
    """Raise an error if a model of this design could not predict the rows, before it is fitted.

    Raises
    ------
    DataError, DesignError
        As `predict`.
    """
    estimand = check_estimand(design, question, factor)
    arrange_rows(design, read_data(rows), estimand, kind)


@dataclass(frozen=True, kw_only=True)
class Estimand:
    """What is predicted: the question, and by factor which groups it is about.

    Parameters
    ----------
    question : {"existing_group", "new_group", "population"}
    groups : tuple of {"known", "new", "mean"}
        Of each grouping factor: groups of the data, new ones, or effects at their mean of zero;
        without groups one "mean".
    new_factors, known_factors : tuple of str
        Names of the factors with new groups and with groups of the data.
    """

    question: Question
    groups: tuple[GroupStatus, ...]
    new_factors: tuple[str, ...]
    known_factors: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class TermRows:
    """The part of one group term in predicted rows.

    Parameters
    ----------
    Z : ndarray, shape (m, q)
    codes : ndarray of int, shape (m,)
        Group of each row: of the data, or counted from 0 among the new ones.
    status : {"known", "new", "mean"}
        As in `Estimand`.
    """

    Z: Floats
    codes: Ints
    status: GroupStatus


@dataclass(frozen=True, kw_only=True, eq=False)
class PredictionRows:
    """Design columns of new rows, and the group of each by the estimand.

    For outcomes, which have residuals: `stratum` is the place of the residual sd of each row, and
    with AR(1) residuals `time` its time in steps and `near` its neighbours in time, where its group
    is one of the data. For expected outcomes these are 0 and None. `known` is what the family is
    told of each outcome: its trials.
    """

    X: Floats
    offset: Floats
    groups: tuple[TermRows, ...]
    notes: tuple[str, ...]
    stratum: Ints
    time: Floats
    near: Neighbours | None
    known: Mapping[str, Floats]

    @property
    def Z(self) -> Floats:  # noqa: N802  (the field's symbol)
        """Columns of the one group term."""
        return self.groups[0].Z

    @property
    def codes(self) -> Ints:
        """Group of each row, of the one group term."""
        return self.groups[0].codes


def check_question(design: Design, question: str | None) -> Question:
    """Return the estimand, or raise an error if it is not defined for the model."""
    if question is None:
        return "existing_group" if design.has_group_effects else "population"
    known = get_args(Question.__value__)
    if question not in known:
        near = difflib.get_close_matches(str(question), known, n=1, cutoff=0.4)
        hint = f"; did you mean {near[0]!r}?" if near else ";"
        raise EngineError(f"unknown question {question!r}{hint} allowed: {', '.join(known)}")
    if design.kind == "no_pooling" and question != "existing_group":
        raise DesignError(
            "a no-pooling model has no distribution of group effects, so it predicts "
            "question='existing_group' only (for the others use partial pooling)"
        )
    if not design.has_group_effects and question != "population":
        raise DesignError(
            f"the {design.kind} model has no group effects, so it predicts question='population' "
            "only (for the others add (1 | group) to the formula)"
        )
    return next(one for one in get_args(Question.__value__) if one == question)


def check_estimand(
    design: Design, question: str | None, factor: str | Sequence[str] | None = None
) -> Estimand:
    """Return the estimand with the status of the groups of each factor.

    Parameters
    ----------
    design : Design
    question : str, optional
    factor : str or sequence of str, optional
        Factors with new groups, by default all of them. The groups of a factor within a new group
        are new too.

    Raises
    ------
    EngineError, DesignError
        If the question or a factor is unknown, or factors are named with another question.
    """
    factors = design.factors
    if factor is not None and question is None:
        question = "new_group"
    found = check_question(design, question)
    named = [factor] if isinstance(factor, str) else list(factors if factor is None else factor)
    if factor is not None and found != "new_group":
        raise EngineError(
            f"factor names the factors with new groups, and question={found!r} has none: use "
            "question='new_group' (--question new_group)"
        )
    outer = {place_of_factor(factors, name, "a new group") for name in named}
    new = {place for place in range(len(factors)) if any(design.is_nested(place, k) for k in outer)}
    usual: GroupStatus = "mean" if found == "population" else "known"
    status: list[GroupStatus] = [
        "new" if found == "new_group" and place in new else usual for place in range(len(factors))
    ]
    by_status = {
        one: tuple(name for name, its in zip(factors, status, strict=True) if its == one)
        for one in ("new", "known")
    }
    return Estimand(
        question=found,
        groups=tuple(status) or ("mean",),
        new_factors=by_status["new"],
        known_factors=by_status["known"],
    )


def arrange_rows(
    design: Design, table: Table, estimand: Estimand, kind: PredictionKind
) -> PredictionRows:
    """Validate new rows and encode them as the design was."""
    table = strip_labels(table) if design.encoding.strip else table
    question = estimand.question
    grouping = design.formula.grouping_columns or design.factors
    needed = list(design.encoding.predictor_columns)
    by_means = design.kind in ("within", "mundlak", "no_pooling")
    if question == "existing_group" or by_means:
        needed += grouping
    needed += estimand.known_factors
    needed = [one for name in needed for one in (name, *design.formula.columns_of(name))]
    residual = design.residual if kind == "observation" else None
    needed += [] if residual is None else residual.spec.columns
    interactions = design.formula.interactions
    try:
        require_columns(table, [name for name in needed if name not in interactions])
    except DataError as error:
        raise DataError(f"{error}{_hint(design, table, estimand)}") from error
    _check_missing(table, [name for name in needed if name not in interactions])
    table = with_interactions(table, interactions)
    unused = {*grouping} - set(needed)
    unused |= {name for name, parts in interactions.items() if not set(parts) <= set(needed)}
    columns = {name: values for name, values in table.columns.items() if name not in unused}
    kept = replace(table, columns=columns) if unused else table
    try:
        rows = replay(design, kept)
    except DesignError as error:
        raise DataError(f"{table.source}: {error}") from error
    groups = tuple(
        _term_rows(design, table, place, estimand.groups[place], one)
        for place, one in enumerate(rows.groups)
    )
    codes = groups[0].codes
    time, near = np.zeros(table.n), None
    if residual is not None and residual.spec.ar is not None:
        times = table.columns[residual.spec.ar].astype(np.float64)
        time = times / residual.step
        near = neighbours(design, codes if question == "existing_group" else codes * 0 - 1, times)
    return PredictionRows(
        X=rows.X,
        offset=rows.offset,
        groups=groups,
        notes=(*_notes(design, kept, rows.groups), *_notes_on_new(design, table, estimand)),
        stratum=codes * 0 if residual is None else strata_of(residual, table),
        time=time,
        near=near,
        known=rows.known,
    )


def _hint(design: Design, table: Table, estimand: Estimand) -> str:
    """Return how to predict for new groups of a factor whose column is missing."""
    if design.kind in ("within", "mundlak", "no_pooling"):
        return ""  # needs the groups of new rows as well
    given = {*table.columns, *design.encoding.predictor_columns}
    absent = [
        name
        for name in estimand.known_factors
        if not given.issuperset(design.formula.columns_of(name))
    ]
    if not absent:
        return ""
    if len(design.factors) < 2:
        return f'; for a new {absent[0]} use question="new_group" (--question new_group)'
    return f"; for a new {absent[0]} use factor={absent[0]!r} (--factor {absent[0]!r})"


def _term_rows(
    design: Design, table: Table, place: int, status: GroupStatus, rows: GroupRows
) -> TermRows:
    """Return the rows of one factor with the group of each; all zero where effects are zero."""
    codes = np.zeros(table.n, dtype=np.int64)
    if status == "known":
        codes = rows.codes
        _check_groups(design.of_factor(place), table, codes, several=len(design.factors) > 1)
    elif status == "new":
        codes = _new_codes(table, design.factors[place])
    return TermRows(Z=rows.Z, codes=codes, status=status)


def _new_codes(table: Table, factor: str) -> Ints:
    """Return the new group of each row: by its label, or each row in one of its own."""
    if factor not in table.columns:
        return np.arange(table.n)
    _check_missing(table, [factor])
    return find_groups(table, factor).codes


def _notes_on_new(design: Design, table: Table, estimand: Estimand) -> tuple[str, ...]:
    """Return remarks on labels that the data have, of groups that are predicted as new."""
    if not estimand.known_factors:
        return ()
    notes = []
    for name in estimand.new_factors:
        if name not in table.columns:
            continue
        term = design.of_factor(design.factors.index(name)).group_term
        both = set(table.columns[name].tolist()) & set(term.names())
        if both:
            shown = ", ".join(sorted(map(label_text, both))[:3]) + (", …" if len(both) > 3 else "")
            notes.append(f"{name} {shown}: in the data, and predicted as new groups here")
    return tuple(notes)


def _check_missing(table: Table, names: list[str]) -> None:
    masks = {name: is_missing(table.columns[name]) for name in dict.fromkeys(names)}
    parts = [
        f"column {name!r} of {table.source} has {count_text(mask, 'missing')}"
        for name, mask in masks.items()
        if mask.any()
    ]
    if parts:
        raise DataError(f"{'; '.join(parts)}; fill them in, or omit those rows")


def _check_groups(design: Design, table: Table, codes: Ints, *, several: bool) -> None:
    """Raise an error for a group that is not in the data, with those of similar names."""
    unknown = list(dict.fromkeys(table.columns[str(design.group)][codes < 0].tolist()))
    if not unknown:
        return
    if design.sample_of is not None and np.isin(unknown, design.sample_of.labels).all():
        raise DataError(
            f"the {design.group} {', '.join(map(label_text, unknown[:3]))} are not in this sample "
            "of groups; predict from the fit that was sampled, which needs no rows"
        )
    known = [label_text(label) for label in design.group_term.names()]
    named = []
    for label in map(label_text, unknown[:3]):
        near = difflib.get_close_matches(label, known, n=3)
        named.append(label + (f" (near: {', '.join(near)})" if near else ""))
    more = f" and {len(unknown) - 3} more" if len(unknown) > 3 else ""
    of = f", factor={str(design.group)!r}" if several else ""
    option = f" --factor {str(design.group)!r}" if several else ""
    raise DataError(
        f"the data of the model have no {design.group} {', '.join(named)}{more}; predict for a new "
        f'group with question="new_group"{of} (--question new_group{option})'
    )


def _notes(design: Design, table: Table, groups: tuple[GroupRows, ...]) -> tuple[str, ...]:
    notes = []
    by = {one.group for one in design.encoding.means}
    by |= set(design.factors) if design.kind in ("within", "mundlak") else set()
    for factor, group in zip(design.factors, groups, strict=False):
        if factor not in by or factor not in table.columns or (group.codes >= 0).all():
            continue
        notes.append(
            f"the predictor means of a new {factor} are those of its rows in {table.source}"
        )
    if design.kind == "between":
        notes.append("rows and residuals are of group means, not of members")
    return (*notes, *notes_beyond(design.encoding, table))
