"""Designs aggregated out of core: sums of squares and products, without the rows."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from bayes_mlm.base import DataError, DesignError, expect
from bayes_mlm.data import (
    Scan,
    as_scan,
    check_missing,
    combined,
    explain_absent,
    is_whole,
    levels_of,
    narrowed,
    note_on_lost_groups,
    notes_on_columns,
    refuse_magnitude,
)
from bayes_mlm.design.aggregated.checking import (
    ColumnStats,
    check_columns,
    check_labels,
    check_size,
    complete,
    count_groups,
    notes_on_outcome,
    refuse_constant,
)
from bayes_mlm.design.aggregated.crossed import is_wide, sum_by_cells
from bayes_mlm.design.aggregated.learning import (
    Learned,
    learn,
    replay_on,
)
from bayes_mlm.design.aggregated.lists import TOO_CROSSED, ListedFactor, is_too_crossed, read_lists
from bayes_mlm.design.aggregated.patterns import count_patterns, learn_outcome_of
from bayes_mlm.design.aggregated.request import Request, check_group_level, notes_on_labels_of
from bayes_mlm.design.aggregated.weighted import (
    check_weights_of_sums,
    counted,
    weight_of_rows,
    weights_of_sums,
)
from bayes_mlm.design.aggregated.written import write_columns
from bayes_mlm.design.design import Design
from bayes_mlm.design.encoding import Encoding, factors_of
from bayes_mlm.design.encoding.columns import notes_on_independent
from bayes_mlm.design.encoding.levels import notes_on_levels
from bayes_mlm.design.estimability import check_estimable
from bayes_mlm.design.group_columns import columns_of_cells
from bayes_mlm.design.group_means import means_of_moments
from bayes_mlm.design.group_structure import check_group_terms
from bayes_mlm.design.terms import (
    FixedColumns,
    GroupMeans,
    GroupTerm,
    Response,
    terms_of_moments,
)
from bayes_mlm.formula import Formula, parse_formula, refuse_sets
from bayes_mlm.model import Family, Weights, as_weights, family_of
from bayes_mlm.moments import (
    CellFactor,
    CellMoments,
    Columns,
    CrossedTable,
    GroupSums,
    by_cell,
    lay_out_sums,
    sum_by_keys,
)

# Engines whose data do not lie in Python's memory.
_OUTSIDE = ("duckdb", "pyspark")
SUMMED_NOTE = " were summed where they lie; figures and checks of rows need a sample of groups"


def sum_rows(
    formula: str | Formula,
    data: Any,
    *,
    group: str | None = None,
    missing: Literal["error", "drop"] = "error",
    group_level: Sequence[str] = (),
    strip: bool = False,
    family: str | Family = "gaussian",
    weights: Weights | Mapping[str, str] | str | None = None,
) -> Design:
    """Aggregate data to the sums of a model by group, in the engine that stores them.

    Of an outcome that is not Gaussian, which has no such sums, the distinct rows are counted.

    Parameters
    ----------
    formula : str or Formula
        As of `build_design`.
    data : Scan or frame
        A lazy or eager frame of DuckDB, Apache Spark, polars, pandas or pyarrow, or the result
        of `open_data`.
    group, missing, group_level, strip
        As of `build_design`.
    family : str or Family
        As of `build_design`; of outcomes that are whole numbers or categories.
    weights : mapping, str or Weights, optional
        As of `build_design`; replicate weights need the rows.

    Returns
    -------
    Design
        Aggregated, without rows: fits, REML, group effects, leave-one-group-out and predictions
        need none; what needs rows raises `RowsNeededError`. Of other families `weighted_rows` are
        the distinct ones.

    Raises
    ------
    DataError, FormulaError, DesignError
        As `build_design`.

    Notes
    -----
    At most three passes over the columns: to check them and find their means, to sum, and to
    verify columns that seem constant within groups. Categories, `center`, `within` and `between`
    need a small query each before.

    Examples
    --------
    >>> import duckdb
    >>> from bayes_mlm import fit_reml, load_hsb
    >>> students = load_hsb()
    >>> design = sum_rows("mathach ~ ses + (1 | schoolid)", duckdb.sql("from students"))
    >>> design.n, design.J, round(fit_reml(design).icc, 4)
    (7185, 160, 0.1141)
    >>> design = sum_rows("female ~ sector + (1 | schoolid)", duckdb.sql("from students"),
    ...                   family="bernoulli")
    >>> design.n, design.weighted_rows.n
    (7185, 283)
    """
    scan = as_scan(data)
    if not isinstance(formula, (str, Formula)):
        raise DesignError(
            f"the formula must be text, found {type(formula).__name__}; pass it first"
        )
    parsed = parse_formula(formula) if isinstance(formula, str) else formula
    refuse_sets(parsed.imputed)
    factors = factors_of(parsed, group)
    request = Request(
        formula=parsed,
        factors=factors,
        missing=missing,
        group_level=(group_level,) if isinstance(group_level, str) else tuple(group_level),
        strip=strip,
        weights=as_weights(weights),
    )
    check_weights_of_sums(request)
    prepared = _prepared(request, scan)
    kept, n_dropped = _complete(request, prepared)
    family = family_of(family) if isinstance(family, str) else family
    if family.gaussian_moments:
        design = _reduce(request, learn(parsed, kept, request.group), n_dropped)
    else:
        outcome = learn_outcome_of(parsed, kept, family)
        learned = learn(parsed, kept, request.group, outcome=outcome)
        design = count_patterns(request, learned, n_dropped, outcome)
    for one in design.group_terms if n_dropped else ():
        before = count_groups(prepared, parsed.columns_of(one.factor))
        lost = note_on_lost_groups(before, one.J, one.factor)
        design = replace(design, notes=(*design.notes, *lost))
    return design


def sum_more_rows(design: Design, data: Any, *, missing: str = "error") -> Design:
    """Aggregate further data by an existing design, so that `merge_sums` can add the two.

    Parameters
    ----------
    design : Design
        Aggregated.
    data : Scan or frame
        With the same columns; categories and constants are those of `design`.
    missing : {"error", "drop"}

    Returns
    -------
    Design
        Of the further data alone.
    """
    expect("sum_more_rows", design, Design)
    if not design.family.gaussian_moments:
        raise DesignError(
            f"rows are added to sums, and the distinct rows of {design.family.label} outcomes were "
            "counted; count those of all data together"
        )
    if design.crossed is not None:
        raise DesignError(f"rows cannot be added to {' and '.join(design.factors)}: {TOO_CROSSED}")
    if design.weights is not None:
        raise DesignError(
            "rows cannot be added to weighted sums, whose weights are scaled by group; sum all of "
            "the rows again"
        )
    scan = as_scan(data)
    request = Request(
        formula=design.formula,
        factors=design.factors,
        missing=missing,
        group_level=(),
        strip=design.encoding.strip,
    )
    scan, n_dropped = _complete(request, _prepared(request, scan))
    return _reduce(request, replay_on(design.encoding, scan), n_dropped, estimable=False)


def _prepared(request: Request, scan: Scan) -> Scan:
    """Return the required columns alone, with their types settled."""
    scan = replace(scan, strip=request.strip, complete=request.missing == "drop")
    absent = [name for name in request.columns if name not in scan.kinds]
    if absent:
        raise DataError(explain_absent(absent, list(scan.kinds), scan.source))
    return narrowed(scan.prepare(scan, request.columns), request.columns)


def _complete(request: Request, scan: Scan) -> tuple[Scan, int]:
    """Return the rows without missing values if these are to be dropped, and the number dropped."""
    check_missing(request.missing)
    if request.missing == "error":
        return scan, 0
    return complete(scan, request.columns)


def _reduce(
    request: Request, learned: Learned, n_dropped: int, *, estimable: bool = True
) -> Design:
    scan = learned.scan
    titles = {name: scan.labels[name] for name in request.columns if name in scan.labels}
    encoding = replace(learned.encoding, strip=request.strip, titles=titles)
    written = write_columns(learned)
    stats = check_columns(scan, request.columns, request.keys, written.plain, written.guards)
    notes = _varying(request, scan, encoding, stats) if estimable else ()
    terms = encoding.terms
    effects = tuple(name for one in encoding.effects for name in one)
    columns = Columns(
        values=tuple(written.plain.values()),
        centre=np.array([stats.mean[name] for name in written.plain]),
        place=written.place,
        weight=weight_of_rows(request, scan, stats.raw),
    )
    keys = tuple(scan.col(name) for name in request.keys)
    made_of = [request.formula.columns_of(name) for name in request.factors]
    listed = estimable and is_too_crossed(scan, encoding, made_of)
    if listed:
        keys = ()
    elif len(request.factors) > 1:
        check_size(scan, request.factors, request.keys, stats.n, len(columns.values))
    with np.errstate(over="ignore", invalid="ignore"):  # what does not fit is refused below
        if columns.weight is None and is_wide(written.products):
            sums = sum_by_cells(scan, columns, keys, written.products, written.numbers)
        else:
            sums = sum_by_keys(scan, columns, keys)
        laid_out = lay_out_sums(sums, columns, terms, effects)
        crossed: CrossedTable | None = None
        factors: tuple[ListedFactor, ...] = ()
        if listed:
            crossed, factors = read_lists(scan, encoding, written, request.factors)
            moments = CellMoments(cells=laid_out, factors=tuple(one.of_all for one in factors))
        else:
            moments = by_cell(laid_out, _factors_of(request, encoding, sums))
        survey, moments = weights_of_sums(request, scan, sums, moments)
        mean, sd = moments.cells.moments
    for name, centre, spread in zip((*terms, *effects, encoding.outcome), mean, sd, strict=True):
        refuse_magnitude(name, centre - spread, centre + spread)
    group_terms = (
        terms_of_lists(factors) if listed else terms_of_moments(moments, request.formula.correlated)
    )
    group_terms = counted(group_terms, survey)
    if estimable:
        for one in group_terms:
            check_labels(one.factor, one.labels, one.sizes)
        check_group_level(request, scan)
        if not listed:  # of many rows for each level
            found = columns_of_cells(group_terms, moments)
            notes = (*notes, *check_group_terms(found, residual=True, made_of=made_of))
    engine = f" ({scan.engine})" if scan.engine in _OUTSIDE else ""
    notes = (
        *notes_on_columns(
            scan.notes,
            request.columns,
            [*request.keys, *(item.column for item in encoding.levels)],
        ),
        *notes,
        *notes_on_labels_of(encoding, group_terms),
        *encoding.notes,
        f"rows of {scan.source}{engine}{SUMMED_NOTE}",
    )
    design = Design(
        response=Response(name=encoding.outcome),
        fixed=FixedColumns(terms=terms),
        group_terms=group_terms,
        kind="partial_pooling" if effects else "pooled",
        formula=request.formula,
        encoding=encoding,
        base=base_of_moments(moments),
        n_dropped=n_dropped,
        notes=notes,
        aggregated=moments,
        crossed=crossed,
        weights=survey,
    )
    if estimable:
        check_estimable(design)
    return design


def _varying(
    request: Request, scan: Scan, encoding: Encoding, stats: ColumnStats
) -> tuple[str, ...]:
    """Refuse columns of one value, which a part of the rows may well have; return the notes."""
    formula = request.formula
    varying = [name for name in formula.columns if name not in formula.offset_columns]
    refuse_constant(varying, request.keys, stats.raw)
    categorical = {one.factor for one in encoding.levels}
    return (
        *notes_on_outcome(scan, formula.outcome.columns[0], stats),
        *notes_on_levels(encoding.levels, stats.n, scan.categories),
        *notes_on_independent(formula, categorical),
    )


def _factors_of(request: Request, encoding: Encoding, sums: GroupSums) -> list[CellFactor]:
    """Return the levels of each factor, in the order of the cells that were summed."""
    labels = dict(zip(request.keys, sums.labels, strict=False))
    effects = encoding.effects or ((),) * len(request.factors)
    found = []
    for name, columns in zip(request.factors, effects, strict=True):
        parts = [labels[one] for one in request.formula.columns_of(name)]
        levels, codes = levels_of(parts[0] if len(parts) == 1 else combined(parts))
        if levels.dtype.kind == "f" and is_whole(levels):
            levels = levels.astype(np.int64)
        found.append(CellFactor(factor=name, labels=levels, codes=codes, effects=columns))
    return found


def terms_of_lists(factors: Sequence[ListedFactor]) -> tuple[GroupTerm, ...]:
    """Return the group terms of two factors whose rows were read as lists."""
    return tuple(
        GroupTerm(factor=one.factor, labels=one.labels, effects=one.effects, counts=one.counts)
        for one in factors
    )


def base_of_moments(moments: CellMoments) -> GroupMeans | None:
    """Return the group means of the columns of X of one factor; None unless there is one."""
    if len(moments.factors) != 1:
        return None
    return means_of_moments(moments.cells)
