"""Designs aggregated out of core: sums of squares and products, without the rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import narwhals as nw
import numpy as np

from bayes_mlm.base import DataError, DesignError, expect
from bayes_mlm.data import (
    Scan,
    as_scan,
    check_missing,
    explain_absent,
    narrowed,
    note_on_lost_groups,
    notes_on_columns,
    refuse_magnitude,
)
from bayes_mlm.design.aggregated.checking import (
    check_columns,
    check_labels,
    check_levels,
    complete,
    count_groups,
    notes_on_outcome,
    refuse_constant,
)
from bayes_mlm.design.aggregated.crossed import Product, is_wide, sum_by_cells
from bayes_mlm.design.aggregated.expressions import Guard, Written, product, write, write_basis
from bayes_mlm.design.aggregated.learning import (
    Learned,
    known_levels,
    learn,
    replay_on,
    weighted_levels,
)
from bayes_mlm.design.design import VARIES, Design
from bayes_mlm.design.encoding import factors_of
from bayes_mlm.design.encoding.columns import OfBasis, Place, level_weights, place_name
from bayes_mlm.design.encoding.levels import label_notes, notes_on_levels
from bayes_mlm.design.estimability import check_estimable
from bayes_mlm.design.group_structure import check_effects
from bayes_mlm.design.terms import FixedColumns, GroupMeans, Response, terms_of_moments
from bayes_mlm.formula import Call, Factor, Formula, label, parse_formula, refuse_several
from bayes_mlm.moments import Columns, GroupMoments, lay_out_sums, sum_by_keys

# Engines whose data do not lie in Python's memory.
_OUTSIDE = ("duckdb", "pyspark")
SUMMED_NOTE = " were summed where they lie; figures and checks of rows need a sample of groups"


@dataclass(frozen=True, kw_only=True, eq=False)
class _Request:
    """Request of an aggregation: formula, group, and the treatment of missing values."""

    formula: Formula
    group: str | None
    missing: str
    group_level: tuple[str, ...]
    strip: bool

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of the table that are needed."""
        groups = [self.group] if self.group is not None else []
        return tuple(dict.fromkeys([*self.formula.columns, *groups, *self.group_level]))


def sum_rows(
    formula: str | Formula,
    data: Any,
    *,
    group: str | None = None,
    missing: Literal["error", "drop"] = "error",
    group_level: Sequence[str] = (),
    strip: bool = False,
) -> Design:
    """Aggregate data to the sums of a model by group, in the engine that stores them.

    Parameters
    ----------
    formula : str or Formula
        As of `build_design`.
    data : Scan or frame
        A lazy or eager frame of DuckDB, Apache Spark, polars, pandas or pyarrow, or the result
        of `open_data`.
    group, missing, group_level, strip
        As of `build_design`.

    Returns
    -------
    Design
        Aggregated, without rows: fits, REML, group effects, leave-one-group-out and predictions
        need none; what needs rows raises `RowsNeededError`.

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
    """
    scan = as_scan(data)
    if not isinstance(formula, (str, Formula)):
        raise DesignError(
            f"the formula must be text, found {type(formula).__name__}; pass it first"
        )
    parsed = parse_formula(formula) if isinstance(formula, str) else formula
    factors = factors_of(parsed, group)
    refuse_several(
        factors, "a fit to sums by group", "keep the rows (rows='keep') and use engine='nuts'"
    )
    for name, parts in parsed.interactions.items():
        raise DataError(
            f"sums by {name} need one column that is the combination of {' and '.join(parts)}; "
            "make it where the rows are (in SQL: concat_ws(':', ...)), or keep the rows "
            "(rows='keep', --rows keep)"
        )
    request = _Request(
        formula=parsed,
        group=factors[0] if factors else None,
        missing=missing,
        group_level=(group_level,) if isinstance(group_level, str) else tuple(group_level),
        strip=strip,
    )
    prepared = _prepared(request, scan)
    kept, n_dropped = _complete(request, prepared)
    design = _reduce(request, learn(parsed, kept, request.group), n_dropped)
    if not n_dropped or design.group is None:
        return design
    before = count_groups(prepared, design.group)
    return replace(
        design, notes=(*design.notes, *note_on_lost_groups(before, design.J, design.group))
    )


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
    scan = as_scan(data)
    request = _Request(
        formula=design.formula,
        group=design.group,
        missing=missing,
        group_level=(),
        strip=design.encoding.strip,
    )
    scan, n_dropped = _complete(request, _prepared(request, scan))
    return _reduce(request, replay_on(design.encoding, scan), n_dropped, estimable=False)


def _prepared(request: _Request, scan: Scan) -> Scan:
    """Return the required columns alone, with their types settled."""
    scan = replace(scan, strip=request.strip, complete=request.missing == "drop")
    absent = [name for name in request.columns if name not in scan.kinds]
    if absent:
        raise DataError(explain_absent(absent, list(scan.kinds), scan.source))
    return narrowed(scan.prepare(scan, request.columns), request.columns)


def _complete(request: _Request, scan: Scan) -> tuple[Scan, int]:
    """Return the rows without missing values if these are to be dropped, and the number dropped."""
    check_missing(request.missing)
    if request.missing == "error":
        return scan, 0
    return complete(scan, request.columns)


def _reduce(
    request: _Request, learned: Learned, n_dropped: int, *, estimable: bool = True
) -> Design:
    scan = learned.scan
    titles = {name: scan.labels[name] for name in request.columns if name in scan.labels}
    encoding = replace(learned.encoding, strip=request.strip, titles=titles)
    written = _write_columns(learned)
    stats = check_columns(scan, request.columns, request.group, written.plain, written.guards)
    if estimable:  # a part of the rows may well have one value
        formula = request.formula
        varying = [name for name in formula.columns if name not in formula.offset_columns]
        refuse_constant(varying, request.group, stats.raw)
    outcome = request.formula.outcome.columns[0]
    notes = notes_on_outcome(scan, outcome, stats) if estimable else ()
    if estimable:
        notes = (*notes, *notes_on_levels(encoding.levels, stats.n, scan.categories))
    terms, effects = encoding.terms, encoding.effects[0] if encoding.effects else ()
    columns = Columns(
        values=tuple(written.plain.values()),
        centre=np.array([stats.mean[name] for name in written.plain]),
        place=written.place,
    )
    key = () if request.group is None else (scan.col(request.group),)
    with np.errstate(over="ignore", invalid="ignore"):  # what does not fit is refused below
        if is_wide(written.products):
            sums = sum_by_cells(scan, columns, request.group, written.products, written.numbers)
        else:
            sums = sum_by_keys(scan, columns, key)
        summed = lay_out_sums(sums, columns, terms, effects, request.group)
        mean, sd = summed.moments
    for name, centre, spread in zip((*terms, *effects, encoding.outcome), mean, sd, strict=True):
        refuse_magnitude(name, centre - spread, centre + spread)
    if request.group is not None and estimable:
        check_labels(request.group, summed.labels, summed.counts)
        check_levels(scan, request.group, request.group_level)
    base = None
    if request.group is not None:
        base = group_means(summed, terms)
    group_terms = terms_of_moments(summed, request.formula)
    if estimable:
        nonzero = ((mean != 0.0) | (sd != 0.0))[len(terms) : -1]
        notes = (*notes, *(note for one in group_terms for note in check_effects(one, nonzero)))
    engine = f" ({scan.engine})" if scan.engine in _OUTSIDE else ""
    notes = (
        *notes_on_columns(
            scan.notes,
            request.columns,
            [*filter(None, [request.group]), *(item.column for item in encoding.levels)],
        ),
        *notes,
        *label_notes(encoding.levels, request.group, summed.labels),
        *encoding.notes,
        f"rows of {scan.source}{engine}{SUMMED_NOTE}",
    )
    found = Design(
        response=Response(name=encoding.outcome),
        fixed=FixedColumns(terms=terms),
        group_terms=group_terms,
        kind="partial_pooling" if effects else "pooled",
        formula=request.formula,
        encoding=encoding,
        base=base,
        n_dropped=n_dropped,
        notes=notes,
        aggregated=summed,
    )
    if estimable:
        check_estimable(found)
    return found


def group_means(summed: GroupMoments, terms: tuple[str, ...]) -> GroupMeans:
    """Compute the groups' means of the columns of X, and whether they vary within groups."""
    p = len(terms)
    inside = np.sqrt(np.einsum("jkk->k", summed.scatter[:, :p, :p]) / summed.n)
    mean, sd = summed.moments
    sizes = np.sqrt(np.square(mean[:p]) + np.square(sd[:p]))
    return GroupMeans(
        terms=terms,
        means=summed.means[:, :p] + summed.centre[:p],
        varies=inside > VARIES * sizes,
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Columns:
    """Columns as the engine reads them.

    Parameters
    ----------
    plain : mapping of str to narwhals.Expr
        The distinct columns other than ones, by name.
    place : tuple of int or None
        Where each of [X, Z, y] is among them; None for ones.
    guards : tuple of Guard
    products : tuple of Product
        What each of `plain` is a product of.
    numbers : mapping of str to narwhals.Expr
        The numbers in these products.
    """

    plain: Mapping[str, nw.Expr]
    place: tuple[int | None, ...]
    guards: tuple[Guard, ...]
    products: tuple[Product, ...]
    numbers: Mapping[str, nw.Expr]


def _write_columns(learned: Learned) -> _Columns:
    encoding, scan = learned.encoding, learned.scan
    levels = known_levels(encoding)
    written: dict[Factor, tuple[Written, ...]] = {}
    guards: list[Guard] = []

    def value(factor: Factor, place: Place) -> nw.Expr:
        """Return what a column takes of a factor."""
        if str(factor) in levels:
            known = levels[str(factor)]
            return weighted_levels(known, level_weights(place, known), scan)
        if factor not in written:
            written[factor] = (
                write_basis(factor, scan, learned.constants)
                if isinstance(factor, Call) and isinstance(place, OfBasis)
                else (write(factor, scan, learned.constants),)
            )
            guards.extend(guard for one in written[factor] for guard in one.guards)
        return written[factor][place.place if isinstance(place, OfBasis) else 0].value

    products: list[Product] = []
    numbers: dict[str, nw.Expr] = {}

    def take_apart(parts: Sequence[tuple[Factor, Place]]) -> Product:
        without = [one for one in parts if str(one[0]) not in levels]
        number = ":".join(place_name(*one, None) for one in without) if without else None
        if number is not None and number not in numbers:
            numbers[number] = product([value(*one) for one in without])
        known = [(levels[str(f)], place) for f, place in parts if str(f) in levels]
        indicators = tuple((one, level_weights(place, one)) for one, place in known)
        return Product(number=number, indicators=indicators)

    plain: dict[str, nw.Expr] = {}
    names: list[str | None] = []
    for column in (*encoding.x_columns, *(column for one in encoding.z_columns for column in one)):
        names.append(column.name if column.parts else None)
        if column.parts and column.name not in plain:
            plain[column.name] = product([value(*part) for part in column.parts])
            products.append(take_apart(column.parts))
    outcome = _free_name(label(encoding.formula.outcome), plain)
    plain[outcome] = value(encoding.formula.outcome, None)
    for offset in encoding.formula.offsets:
        subtracted = write(offset, scan, learned.constants)
        guards.extend(subtracted.guards)
        plain[outcome] = plain[outcome] - subtracted.value
    numbers[outcome] = plain[outcome]
    products.append(Product(number=outcome, indicators=()))
    names.append(outcome)
    places = {name: k for k, name in enumerate(plain)}
    return _Columns(
        plain=plain,
        place=tuple(None if name is None else places[name] for name in names),
        guards=tuple(guards),
        products=tuple(products),
        numbers=numbers,
    )


def _free_name(name: str, taken: Mapping[str, Any]) -> str:
    while name in taken:
        name = f"{name} "
    return name
