"""Validate new rows and encode them in the columns of the design."""

import difflib
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
from bayes_mlm.model import strata_of
from bayes_mlm.questions.prediction.residuals import Neighbours, neighbours
from bayes_mlm.questions.prediction.result import PredictionKind, Question


def check_rows(
    design: Design,
    rows: Any,
    *,
    question: Question | None = None,
    kind: PredictionKind = "mean",
) -> None:
    """Raise an error if a model of this design could not predict the rows, before it is fitted.

    Raises
    ------
    DataError, DesignError
        As `predict`.
    """
    arrange_rows(design, read_data(rows), check_question(design, question), kind)


@dataclass(frozen=True, kw_only=True, eq=False)
class PredictionRows:
    """Design columns of new rows, and the group of each by the estimand.

    For outcomes, which have residuals: `stratum` is the place of the residual sd of each row, and
    with AR(1) residuals `time` its time in steps and `near` its neighbours in time, where its group
    is one of the data. For expected outcomes these are 0 and None.
    """

    X: Floats
    offset: Floats
    groups: tuple[GroupRows, ...]
    notes: tuple[str, ...]
    stratum: Ints
    time: Floats
    near: Neighbours | None

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


def arrange_rows(
    design: Design, table: Table, question: Question, kind: PredictionKind
) -> PredictionRows:
    """Validate new rows and encode them as the design was."""
    table = strip_labels(table) if design.encoding.strip else table
    grouping = design.formula.grouping_columns or design.factors
    needed = list(design.encoding.predictor_columns)
    by_means = design.kind in ("within", "mundlak", "no_pooling")
    if question == "existing_group" or by_means:
        needed += grouping
    residual = design.residual if kind == "observation" else None
    needed += [] if residual is None else residual.spec.columns
    interactions = design.formula.interactions
    require_columns(table, [name for name in needed if name not in interactions])
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
    places = range(len(rows.groups))
    if question == "existing_group":
        for place in places:
            _check_groups(design.of_factor(place), table, rows.groups[place].codes)
        groups = rows.groups
    else:
        named = design.factors or ("",)
        groups = tuple(
            GroupRows(Z=rows.groups[k].Z, codes=_new_codes(table, named[k], question))
            for k in places
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
        notes=_notes(design, kept, rows.groups),
        stratum=codes * 0 if residual is None else strata_of(residual, table),
        time=time,
        near=near,
    )


def _new_codes(table: Table, factor: str, question: Question) -> Ints:
    """Return the new group of each row; all zero where the estimand has none."""
    if question != "new_group":
        return np.zeros(table.n, dtype=np.int64)
    if factor not in table.columns:
        return np.arange(table.n)
    _check_missing(table, [factor])
    return find_groups(table, factor).codes


def _check_missing(table: Table, names: list[str]) -> None:
    masks = {name: is_missing(table.columns[name]) for name in dict.fromkeys(names)}
    parts = [
        f"column {name!r} of {table.source} has {count_text(mask, 'missing')}"
        for name, mask in masks.items()
        if mask.any()
    ]
    if parts:
        raise DataError(f"{'; '.join(parts)}; fill them in, or omit those rows")


def _check_groups(design: Design, table: Table, codes: Ints) -> None:
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
    raise DataError(
        f"the data of the model have no {design.group} {', '.join(named)}{more}; predict for a new "
        'group with question="new_group" (--question new_group)'
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
