"""Designs of outcomes that are not Gaussian, out of core: distinct rows, with their numbers.

A likelihood term of rows that are equal in their group, predictors and outcome is that of one,
times their number: what comes to Python is one row for each combination that occurs.
"""

from collections.abc import Sequence
from dataclasses import replace

import narwhals as nw
import numpy as np

from bayes_mlm.base import DataError, Floats, Ints
from bayes_mlm.data import (
    Scan,
    Table,
    collect,
    combined,
    is_distributed,
    is_whole,
    levels_of,
    notes_on_columns,
    refuse_magnitudes,
)
from bayes_mlm.design.aggregated.checking import check_columns, check_labels, refuse_constant
from bayes_mlm.design.aggregated.expressions import number_of
from bayes_mlm.design.aggregated.learning import (
    Learned,
    LearnedOutcome,
    distinct_values,
    weighted_levels,
)
from bayes_mlm.design.aggregated.request import Request, check_group_level, notes_on_labels_of
from bayes_mlm.design.aggregated.written import WrittenColumns, write_columns
from bayes_mlm.design.design import Design
from bayes_mlm.design.encoding import Encoding, columns_of_inputs
from bayes_mlm.design.encoding.columns import notes_on_independent
from bayes_mlm.design.encoding.levels import notes_on_levels
from bayes_mlm.design.estimability import check_estimable
from bayes_mlm.design.group_columns import columns_of_rows
from bayes_mlm.design.group_means import means_of_rows
from bayes_mlm.design.group_structure import check_group_terms
from bayes_mlm.design.outcome import check_coded, learn_outcome, outcome_notes
from bayes_mlm.design.terms import FixedColumns, GroupTerm, Response
from bayes_mlm.formula import Formula
from bayes_mlm.model import Family, plain_rows

# Distinct rows beyond which they are not read.
MAX_PATTERNS = 2_000_000
# Of an engine whose likelihood takes no numbers of rows.
NEED_ROWS = (
    'need the rows, of which only distinct ones were read; use engine="ml", or keep the rows '
    '(rows="keep", --rows keep)'
)
_REMEDY = (
    'use fewer or rounded predictors; or keep the rows (rows="keep", --rows keep), or fit a sample '
    "of groups"
)


def learn_outcome_of(formula: Formula, scan: Scan, family: Family) -> LearnedOutcome:
    """Return the outcome of a family whose distinct rows can be counted, after checking it.

    Raises
    ------
    DataError
        If the family is one of measurements, or it does not take the outcome.
    """
    if not (family.outcome != "number" or family.takes_trials or family.counts):
        raise DataError(
            f"{family.label} outcomes need the rows, as few of them are equal, and those of "
            f'{scan.source} are counted where they lie; keep them (rows="keep", --rows keep), or '
            "fit a sample of groups"
        )
    if len(formula.grouping_factors) > 1:
        raise DataError(
            f"{family.label} outcomes with {len(formula.grouping_factors)} grouping factors need "
            f"the rows, and those of {scan.source} are counted where they lie; keep them "
            '(rows="keep", --rows keep), or use one factor'
        )
    column = formula.outcome.columns[0]
    as_text = scan.kinds[column] == "text"
    if family.outcome == "number":
        number_of(scan, column)  # refuses text
    values = np.array(distinct_values(column, scan), dtype=object if as_text else np.float64)
    if scan.kinds[column] == "truth":
        values = values.astype(bool)
    table = Table(
        columns={column: values},
        n=values.size,
        source=scan.source,
        categories={k: v for k, v in scan.categories.items() if k == column},
        times=scan.times & {column},
        value_labels={k: v for k, v in scan.value_labels.items() if k == column},
    )
    if not values.size:
        raise DataError(f"{scan.source} has no rows with a value of {column}")
    check_coded(formula, table, family)
    return LearnedOutcome(family=family, levels=learn_outcome(formula, table, family), values=table)


def count_patterns(
    request: Request, learned: Learned, n_dropped: int, outcome: LearnedOutcome
) -> Design:
    """Count the rows of each combination of group, predictors and outcome.

    Returns
    -------
    Design
        Without rows; its `patterns` are the distinct ones.

    Raises
    ------
    DataError
        If values are missing or impossible, or more than `MAX_PATTERNS` rows are distinct.
    """
    scan, formula, family = learned.scan, request.formula, outcome.family
    titles = {name: scan.labels[name] for name in request.columns if name in scan.labels}
    encoding = replace(learned.encoding, strip=request.strip, titles=titles)
    written = write_columns(learned, apart=True)
    every = {**written.plain, **written.extra}
    stats = check_columns(scan, request.columns, request.keys, every, written.guards)
    varying = [name for name in formula.predictor_columns if name not in formula.offset_columns]
    refuse_constant(["", *varying], request.keys, stats.raw)
    rows = _read(scan, request, encoding, written, stats.n)
    rows = replace(rows, family=family, n_dropped=n_dropped)
    try:
        said = family.check_response(rows.y, rows.response.known)
    except DataError as error:
        raise DataError(f"{scan.source}, its distinct rows: {error}") from error
    for names, columns in (
        (rows.terms, rows.X),
        (rows.effects, rows.Z),
        (("offset",), rows.offset),
    ):
        refuse_magnitudes(names, columns)
    for one in rows.group_terms:
        check_labels(one.factor, one.labels, one.sizes)
    check_group_level(request, scan)
    made_of = [formula.columns_of(name) for name in request.factors]
    found = check_group_terms(columns_of_rows(rows.group_terms), residual=False, made_of=made_of)
    categorical = {one.factor for one in encoding.levels}
    weights = _weights(rows)
    notes = (
        *notes_on_columns(
            scan.notes,
            request.columns,
            [*request.keys, *(item.column for item in encoding.levels)],
        ),
        *notes_on_levels(encoding.levels, stats.n, scan.categories),
        *notes_on_independent(formula, categorical),
        *notes_on_labels_of(encoding, rows.group_terms),
        *outcome_notes(outcome.levels, rows.y, outcome.values, family, weights),
        *said,
        *found,
        *encoding.notes,
        f"rows of {scan.source} ({scan.engine}) were counted where they lie: {rows.y.size:,} of "
        f"{stats.n:,} are distinct; figures and checks of rows need a sample of groups",
    )
    counted = without_rows(replace(rows, notes=notes))
    check_estimable(counted)
    return counted


def without_rows(patterns: Design) -> Design:
    """Return the design that distinct rows stand for."""
    terms = tuple(
        GroupTerm(
            factor=one.factor,
            labels=one.labels,
            effects=one.effects,
            correlated=one.correlated,
            counts=one.sizes,
        )
        for one in patterns.group_terms
    )
    return replace(
        patterns,
        response=Response(name=patterns.outcome),
        fixed=FixedColumns(terms=patterns.terms),
        group_terms=terms,
        inputs={},
        patterns=patterns,
    )


def _weights(rows: Design) -> Floats:
    assert rows.response.weights is not None  # for mypy: they are counted
    return rows.response.weights


def _read(
    scan: Scan, request: Request, encoding: Encoding, written: WrittenColumns, n: int
) -> Design:
    """Return the distinct rows of a scan, their numbers as weights."""
    keys = {f"group{k}_": scan.col(name) for k, name in enumerate(request.keys)}
    every = {**written.plain, **written.extra}
    places = {name: f"x{k}_" for k, name in enumerate(every)}
    columns = {places[name]: one for name, one in every.items()}
    of_inputs = _inputs(scan, encoding)
    inputs = {name: f"i{k}_" for k, name in enumerate(of_inputs)}
    columns |= {inputs[name]: one for name, one in of_inputs.items()}
    frame = scan.frame.select(**keys, **columns)
    if n > 2 * MAX_PATTERNS and not is_distributed(scan.frame.to_native()):
        # As many among the first rows are enough to refuse, before all are compared.
        few = frame.head(2 * MAX_PATTERNS).unique().select(n=nw.len())
        _refuse_many(scan, int(collect(scan, few)["n"][0]), n)
    grouped = frame.group_by(*keys, *columns).agg(nw.len().alias("n_"))
    grouped = grouped.head(MAX_PATTERNS + 1).sort(*keys, *columns)
    read = collect(scan, grouped)
    weights = read["n_"].astype(np.float64)
    _refuse_many(scan, weights.size, n)
    at = [read[places[name]].astype(np.float64) for name in written.plain]
    ones = np.ones(weights.size)
    laid_out = [ones if place is None else at[place] for place in written.place]
    p = len(encoding.terms)
    X = np.column_stack([*laid_out[:p], np.empty((weights.size, 0))])
    extra = {name.strip(): read[places[name]].astype(np.float64) for name in written.extra}
    terms = []
    effects = encoding.effects or ((),) * len(request.factors)
    for place, (factor, names) in enumerate(zip(request.factors, effects, strict=True)):
        labels, codes = _groups([read[f"group{k}_"] for k in range(len(request.keys))])
        Z = laid_out[p : p + len(names)]
        bars = request.formula.correlated
        terms.append(
            GroupTerm(
                factor=factor,
                labels=labels,
                codes=codes,
                Z=np.column_stack([*Z, np.empty((weights.size, 0))]),
                effects=names,
                correlated=bars[place] if bars else True,
                counts=np.bincount(codes, weights).astype(np.int64),
            )
        )
    return Design(
        response=Response(name=encoding.outcome, y=laid_out[-1], weights=weights, **extra),
        fixed=FixedColumns(X=X, terms=encoding.terms),
        group_terms=tuple(terms),
        kind="partial_pooling" if request.formula.group_terms else "pooled",
        formula=request.formula,
        encoding=encoding,
        base=means_of_rows(X, encoding.terms, terms[0], weights) if terms else None,
        residual=plain_rows(weights.size),
        inputs={name: read[place].astype(np.float64) for name, place in inputs.items()},
    )


def _inputs(scan: Scan, encoding: Encoding) -> dict[str, nw.Expr]:
    """Return the columns that `bayes_mlm.design.encoding.inputs_of` takes, as queries."""
    levels, numbers = columns_of_inputs(encoding)
    found = {one.column: weighted_levels(one, range(len(one.levels)), scan) for one in levels}
    return found | {name: number_of(scan, name) for name in numbers if scan.kinds[name] != "text"}


def _refuse_many(scan: Scan, distinct: int, n: int) -> None:
    if distinct > MAX_PATTERNS:
        raise DataError(
            f"more than {MAX_PATTERNS:,} of the {n:,} rows of {scan.source} differ in their group, "
            f"predictors or outcome, too many to be read; {_REMEDY}"
        )


def _groups(parts: Sequence[np.ndarray]) -> tuple[np.ndarray, Ints]:
    labels, codes = levels_of(parts[0] if len(parts) == 1 else combined(parts))
    if labels.dtype.kind == "f" and is_whole(labels):
        labels = labels.astype(np.int64)
    return labels, codes
