"""Encodings learned by queries: categories, means and group means of a formula's columns."""

import functools
import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import narwhals as nw
import numpy as np

from bayes_mlm.base import DataError, FormulaError, OneValueError
from bayes_mlm.data import (
    Scan,
    Table,
    collect,
    collect_row,
    combined,
    count,
    mostly_numbers,
    refuse_misread,
)
from bayes_mlm.design.aggregated.expressions import Constants, number_of, stray_text, write
from bayes_mlm.design.aggregated.summaries import learn_basis
from bayes_mlm.design.encoding import Encoding, check_cells, with_crossings
from bayes_mlm.design.encoding.columns import check_columns, check_constants, check_independent
from bayes_mlm.design.encoding.levels import (
    MAX_LEVELS,
    Levels,
    in_order,
    labels_of,
    too_many,
    with_reference,
)
from bayes_mlm.design.encoding.means import Centring, LearnedBasis, LevelMeans
from bayes_mlm.design.encoding.values import group_of
from bayes_mlm.formula import Call, Factor, Formula, calls, label, unique
from bayes_mlm.model import Family

# Rows in which a number of more than two values is recognised, before all rows are queried.
_FIRST = 500


@dataclass(frozen=True, kw_only=True, eq=False)
class Learned:
    """An encoding, and the scan with the group means that it needs joined on.

    Parameters
    ----------
    encoding : Encoding
    scan : Scan
    constants : Constants
    """

    encoding: Encoding
    scan: Scan
    constants: Constants


@dataclass(frozen=True, kw_only=True, eq=False)
class LearnedOutcome:
    """The outcome of a family that is not Gaussian.

    Parameters
    ----------
    family : Family
    levels : Levels or None
        Its categories; None of numbers.
    values : Table
        Its distinct values, where they are few.
    """

    family: Family
    levels: Levels | None
    values: Table


def learn(
    formula: Formula, scan: Scan, group: str | None, *, outcome: LearnedOutcome | None = None
) -> Learned:
    """Learn an encoding from a scan, innermost calls first; one query for each depth.

    Raises
    ------
    DataError
        If a column does not suit its use.
    FormulaError
        If the effects of a basis by group are to be independent (``||``).
    """
    levels_of_outcome = None if outcome is None else outcome.levels
    for name in () if levels_of_outcome else formula.outcome.columns:
        _refuse_misread(name, "outcome", scan, _levels_of_text(name, scan))
        number_of(scan, name)  # refuses text, before a predictor is found to be so
    categorical = [factor for factor in formula.factors if _is_categorical(factor, scan)]
    check_constants(formula)
    check_independent(formula)
    distinct = {name: _levels_of_text(name, scan) for name in formula.measured_columns}
    for name, values in distinct.items():
        _refuse_misread(name, "predictor", scan, values)
    levels = tuple(
        _levels(
            factor,
            scan,
            distinct.get(factor.columns[0]) or distinct_values(factor.columns[0], scan),
        )
        for factor in categorical
    )
    numeric = [factor for factor in formula.factors if factor not in categorical]
    centrings: dict[str, Centring] = {}
    means: dict[tuple[str, str], str] = {}
    learned: list[LevelMeans] = []
    bases: dict[str, LearnedBasis] = {}
    known = Constants(centrings=centrings, means=means, bases=bases, group=group)
    measured = () if levels_of_outcome else (formula.outcome,)
    parts = (*measured, *numeric, *formula.offsets)
    for call in (call for one in parts for call in calls(one)):
        text, kind = str(call.argument), call.kind
        if kind == "centring" and text not in centrings:
            centrings[text] = _centring(text, call, scan, known)
        if kind == "grouped" and (text, group_of(call, group)) not in means:
            by = group_of(call, group)
            place, keys = len(means), formula.columns_of(by)
            scan, found = _join_means(text, call, by, keys, scan, known, place)
            means[text, by] = _mean_name(len(means))
            learned.append(found)
        if kind == "basis" and str(call) not in bases:
            bases[str(call)] = learn_basis(call, scan, known)
    encoding = Encoding(
        formula=formula,
        group=group,
        levels=levels,
        centrings=tuple(centrings.values()),
        means=tuple(learned),
        bases=tuple(bases.values()),
        outcome_levels=levels_of_outcome,
        thresholds=outcome is not None and outcome.family.thresholds is not None,
    )
    check_columns(encoding.terms, encoding.effects, encoding.formula.grouping_factors)
    encoding = with_crossings(
        encoding,
        lambda name: _two_valued(scan, name),
        lambda names: _distinct_rows(scan, names, encoding),
    )
    return Learned(encoding=encoding, scan=scan, constants=known)


def replay_on(encoding: Encoding, scan: Scan) -> Learned:
    """Return an encoding bound to new rows of the same model, unchanged.

    Raises
    ------
    DataError
        If it has group means, which new rows of known groups would change, or a category is new.
    """
    if encoding.means:
        one = encoding.means[0]
        raise DataError(
            f"the formula has the group means of {one.expression!r}, and further rows of a group "
            "would change them; use the kind 'mundlak' or 'within', whose group means are "
            "computed from the sums"
        )
    for levels in encoding.levels:
        _check_known(levels, scan)
    for crossing in encoding.crossings:
        factors = encoding.layout.factors_of(crossing)
        names = [name for factor in factors for name in factor.columns]
        check_cells(encoding, _distinct_rows(scan, unique(tuple(names)), encoding), crossing)
    known = Constants(
        centrings={item.expression: item for item in encoding.centrings},
        means={},
        bases={item.expression: item for item in encoding.bases},
        group=encoding.group,
    )
    return Learned(encoding=encoding, scan=scan, constants=known)


def _is_categorical(factor: Factor, scan: Scan) -> bool:
    if isinstance(factor, Call):
        return factor.kind == "categorical"
    return scan.kinds[factor.name] == "text"


def distinct_values(column: str, scan: Scan) -> list[Any]:
    """Return the distinct values of a column, or some of them if too many for a model."""
    level = as_category(column, scan)
    distinct = scan.frame.select(level=level).unique().head(MAX_LEVELS + 2)
    values = collect(scan, distinct)["level"].tolist()
    return sorted(value for value in values if not _is_missing(value))


def as_category(column: str, scan: Scan) -> nw.Expr:
    """Return a column as its categories are stored: as text, or as numbers."""
    value = scan.col(column)
    return value.cast(nw.String) if scan.kinds[column] == "text" else value


def _levels_of_text(column: str, scan: Scan) -> list[Any]:
    """Return the distinct values of a column of text; none for numbers and for times."""
    is_text = scan.kinds[column] == "text" and column not in scan.times
    return distinct_values(column, scan) if is_text else []


def _refuse_misread(column: str, role: str, scan: Scan, found: Sequence[str]) -> None:
    """Refuse text that is dates, or numbers with some unreadable values among them."""
    if column in scan.times:
        example = collect(scan, scan.frame.select(value=scan.col(column)).head(1))["value"]
        refuse_misread(column, role, example.astype(str).tolist(), is_time=True)
    if column in scan.categories or not found:
        return
    refuse_misread(column, role, found)
    if role == "predictor" and mostly_numbers(found):
        stray = stray_text(scan, column)
        reason = (
            f"it contains {stray} too: correct such values so that it reads as numbers"
            if stray
            else f"they were kept as labels, such as {found[0]!r} (leading zeros, or a column of "
            'text, which decimal="." (--decimal .) reads); convert the column to numbers first'
        )
        raise DataError(f"column {column!r} of {scan.source} is text, but mostly numbers; {reason}")


def _levels(factor: Factor, scan: Scan, found: Sequence[Any]) -> Levels:
    column = factor.columns[0]
    if len(found) == 1:
        raise OneValueError(
            f"the predictor {label(factor)!r} has a single category, {found[0]!r}, in all rows of "
            f"{scan.source}; omit it"
        )
    if len(found) > MAX_LEVELS:
        value, level = as_category(column, scan), nw.col("level")
        rows = scan.frame.filter(~value.is_null()).select(level=value)
        many = collect(scan, rows.select(n=nw.len(), many=level.n_unique(), first=level.min()))
        n, levels, first = (many[name].tolist()[0] for name in ("n", "many", "first"))
        raise DataError(too_many(factor, levels, n, first))
    labelled = scan.value_labels.get(column)
    levels = with_reference(factor, in_order(found, scan.categories.get(column)), labelled)
    labels = labels_of(levels, labelled)
    return Levels(factor=str(factor), column=column, levels=levels, labels=labels)


def _check_known(levels: Levels, scan: Scan) -> None:
    """Refuse a category that is not among those known: its rows would count as the first."""
    column, text = levels.column, isinstance(levels.levels[0], str)
    level = scan.col(column).cast(nw.String) if text else number_of(scan, column)
    distinct = scan.frame.select(level=level).unique().head(MAX_LEVELS + 2)
    values = [v for v in collect(scan, distinct)["level"].tolist() if not _is_missing(v)]
    known = set(levels.levels)
    new = sorted(value for value in values if value not in known)
    if new:
        named = repr(new[0]) if text else f"{new[0]:g}"
        raise DataError(
            f"column {column!r} of {scan.source} has the category {named}, which the data of "
            f"the model did not have ({', '.join(map(str, levels.levels[:9]))}); sum "
            "all data together to add it"
        )


def _two_valued(scan: Scan, name: str) -> bool:
    """Return whether a numeric column has two values; the first rows usually suffice."""
    if scan.kinds[name] == "text":
        return False
    value = number_of(scan, name)
    first = replace(scan, frame=scan.frame.select(value_=value).head(_FIRST))
    if collect_row(first, {"n": nw.col("value_").n_unique()})["n"] > 2:
        return False
    ends = collect_row(scan, {"low": value.min(), "high": value.max()})
    low, high = ends["low"], ends["high"]
    if not low < high:
        return False
    others = count((value != low) & (value != high))
    return not collect_row(scan, {"others": others})["others"]


def _distinct_rows(scan: Scan, names: Sequence[str], encoding: Encoding) -> Table:
    """Return the distinct rows of some columns, without missing values."""
    text = {i.column for i in encoding.levels if isinstance(i.levels[0], str)}
    cells = {
        f"cell{k}": scan.col(name).cast(nw.String) if name in text else number_of(scan, name)
        for k, name in enumerate(names)
    }
    found = collect(scan, scan.frame.select(**cells).unique())
    rows = sorted(
        row
        for row in zip(*(found[key].tolist() for key in cells), strict=True)
        if not any(map(_is_missing, row))
    )
    columns = {
        name: np.array(values, dtype=object if name in text else np.float64)
        for name, values in zip(names, zip(*rows, strict=True), strict=True)
    }
    return Table(columns=columns, n=len(rows), source=scan.source)


def _is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and np.isnan(value))


def _centring(text: str, call: Call, scan: Scan, known: Constants) -> Centring:
    value = write(call.argument, scan, known).value
    found = collect_row(scan, {"mean": value.mean(), "low": value.min(), "high": value.max()})
    # About that mean, so that a large offset costs neither mean nor sd digits.
    shifted = value - found["mean"]
    squares = (shifted * shifted).mean()
    more = collect_row(scan, {"mean": shifted.mean(), "square": squares, "n": nw.len()})
    n = more["n"]
    varies = n > 1 and found["high"] > found["low"]
    square = max(more["square"] - more["mean"] ** 2, 0.0)
    sd = float(np.sqrt(square * n / (n - 1))) if varies else 0.0
    return Centring(expression=text, mean=found["mean"] + more["mean"], sd=sd)


def _mean_name(place: int) -> str:
    return f"group_mean_{place}_"


def _join_means(
    text: str,
    call: Call,
    by: str,
    columns: Sequence[str],
    scan: Scan,
    known: Constants,
    place: int,
) -> tuple[Scan, LevelMeans]:
    """Compute the means by group in a separate pass and join them to the rows."""
    if any(name not in scan.kinds for name in columns):
        raise FormulaError(f"{label(call)} groups by {by!r}, which is no column of {scan.source}")
    name = _mean_name(place)
    value = write(call.argument, scan, known).value
    keys = {f"{name}key{k}_": scan.col(column) for k, column in enumerate(columns)}
    means = (
        scan.frame.select(**keys, value_=value)
        .group_by(*keys)
        .agg(nw.col("value_").mean().alias(name))
    )
    found = collect(scan, means)
    parts = [found[key] for key in keys]
    labels = (parts[0] if len(parts) == 1 else combined(parts)).tolist()
    order = sorted(range(len(labels)), key=lambda k: (labels[k] is None, labels[k]))
    order = [k for k in order if not _is_missing(labels[k])]
    left = [scan.aliases[column] for column in columns]
    frame = scan.frame.join(means, left_on=left, right_on=list(keys), how="left")
    joined = replace(scan, frame=frame)
    return joined, LevelMeans(
        expression=text,
        group=by,
        labels=tuple(labels[k] for k in order),
        means=tuple(float(found[name][k]) for k in order),
    )


def weighted_levels(levels: Levels, weights: Sequence[float], scan: Scan) -> nw.Expr:
    """Return a number for each category: 1 for one and 0 for the others is its indicator."""
    column = scan.col(levels.column)
    text = scan.kinds[levels.column] == "text"
    values = column.cast(nw.String) if text else number_of(scan, levels.column)
    used = [
        (str(level) if text else float(level), weight)
        for level, weight in zip(levels.levels, weights, strict=True)
        if weight
    ]
    parts = [(values == level).cast(nw.Float64) * weight for level, weight in used]
    return functools.reduce(operator.add, parts)


def known_levels(encoding: Encoding) -> Mapping[str, Levels]:
    """Return the categories of each categorical factor, by its text."""
    return {item.factor: item for item in encoding.levels}
