"""Checks of columns by one query, as `bayes_mlm.data` checks rows, and the columns' means."""

import functools
import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

from bayes_mlm.base import DataError, OneValueError, check_memory, free_memory
from bayes_mlm.data import (
    FILE,
    Scan,
    check_footer_label,
    collect,
    collect_row,
    constant_outcome,
    constant_predictor,
    count,
    is_nan,
    is_whole,
    label_text,
    one_level,
    refuse_magnitude,
    two_values,
)
from bayes_mlm.design.aggregated.expressions import Guard

# As of `bayes_mlm.data`: values are equal to this part of their range, or of their size.
_OF_RANGE, _OF_SIZE = 1e-9, 1e-12
_DECIMAL_LEVELS = 20
_LARGEST = 1.7e308


@dataclass(frozen=True, kw_only=True, eq=False)
class ColumnStats:
    """Statistics of the columns of a model, from one pass.

    Parameters
    ----------
    n : int
        Rows.
    mean : mapping of str to float
        Of each column of the model.
    raw : mapping of str to (float, float)
        Lowest and highest value of each numeric column of the table.
    """

    n: int
    mean: Mapping[str, float]
    raw: Mapping[str, tuple[float, float]]


def notes_on_outcome(scan: Scan, name: str, stats: ColumnStats) -> tuple[str, ...]:
    """Return notes on an outcome that a reader should see: that it has two values."""
    low, high = stats.raw[name]
    if high - low != 1.0:  # others are not coded as 0 and 1, or 1 and 2; this costs a pass
        return ()
    value = scan.col(name).cast(nw.Float64)
    other = collect_row(scan, {"other": count((value != low) & (value != high))})["other"]
    return () if other else (two_values(name, low, high),)


def is_missing(scan: Scan, name: str) -> nw.Expr:
    """Flag the rows in which a column is missing: null, or not a number."""
    column = scan.col(name)
    return column.is_null() | is_nan(column) if name in scan.floats else column.is_null()


def complete(scan: Scan, names: Sequence[str]) -> tuple[Scan, int]:
    """Return the rows without missing values in some columns, and the number dropped."""
    gone = functools.reduce(operator.or_, (is_missing(scan, name) for name in names))
    found = collect_row(scan, {"n": nw.len(), "gone": count(gone)})
    if found["gone"] == found["n"]:
        raise DataError(f"every row of {scan.source} has a missing value in {', '.join(names)}")
    return replace(scan, frame=scan.frame.filter(~gone)), int(found["gone"])


def count_groups(scan: Scan, columns: Sequence[str]) -> int:
    """Count the combinations of the labels of columns, those with a missing one apart."""
    gone = functools.reduce(operator.or_, (is_missing(scan, name) for name in columns))
    labels = {f"label{k}_": scan.col(name) for k, name in enumerate(columns)}
    found = scan.frame.filter(~gone).select(**labels).unique()
    return int(collect_row(replace(scan, frame=found), {"n": nw.len()})["n"])


def check_columns(
    scan: Scan,
    names: Sequence[str],
    grouping: Sequence[str],
    columns: Mapping[str, nw.Expr],
    guards: Sequence[Guard],
) -> ColumnStats:
    """Check the columns of a model and compute their statistics, in one pass.

    Raises
    ------
    DataError
        If values are missing or infinite, or an expression is undefined somewhere; the message
        names the column and, where there are several files, the file.
    """
    numeric = [name for name in names if scan.kinds[name] != "text" and name not in grouping]
    inputs = _Inputs(scan=scan, names=names, numeric=numeric, columns=columns, guards=guards)
    found = _screen(inputs)
    n = int(found["n"])
    if n == 0:
        raise DataError(f"{scan.source} has no rows; columns: {', '.join(scan.kinds)}")
    if not _seems_whole(found, len(names), n):
        found |= _count_faults(inputs)
        _refuse_faults(inputs, found)
    raw = {name: (found[f"low{k}"], found[f"high{k}"]) for k, name in enumerate(numeric)}
    places = dict(enumerate(columns))
    return ColumnStats(
        n=n,
        mean={name: found[f"mean{k}"] for k, name in places.items()},
        raw=raw,
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Inputs:
    """Columns of the table to check, those that are numeric, and the model's columns."""

    scan: Scan
    names: Sequence[str]
    numeric: Sequence[str]
    columns: Mapping[str, nw.Expr]
    guards: Sequence[Guard]


def _screen(of: _Inputs) -> dict[str, float]:
    """Compute extremes and means in one fast pass.

    A missing, infinite or undefined value shows in a count, an extreme or a mean; only then does
    a second query locate it.
    """
    statistics: dict[str, nw.Expr] = {"n": nw.len()}
    for k, name in enumerate(of.names):
        statistics[f"there{k}"] = of.scan.col(name).count()
    for k, name in enumerate(of.numeric):
        value = of.scan.col(name).cast(nw.Float64)
        statistics[f"low{k}"], statistics[f"high{k}"] = value.min(), value.max()
    for k, name in enumerate(of.names):
        # Not every engine counts NaN as an extreme.
        if name in of.scan.floats and name not in of.columns:
            statistics[f"raw{k}"] = of.scan.col(name).mean()
    for k, guard in enumerate(of.guards):
        statistics[f"broken{k}"] = count(guard.broken)
    for k, value in enumerate(of.columns.values()):
        statistics[f"mean{k}"] = value.mean()
    return collect_row(of.scan, statistics)


def _seems_whole(found: Mapping[str, float], n_names: int, n: int) -> bool:
    """Return whether the statistics show no fault."""
    broken = any(value for key, value in found.items() if key.startswith("broken"))
    finite = all(
        abs(value) <= _LARGEST
        for key, value in found.items()
        if key.startswith(("low", "high", "raw", "mean"))
    )
    return finite and not broken and all(found[f"there{k}"] == n for k in range(n_names))


def _count_faults(of: _Inputs) -> dict[str, float]:
    statistics: dict[str, nw.Expr] = {"n": nw.len()}
    for k, name in enumerate(of.names):
        statistics[f"missing{k}"] = count(is_missing(of.scan, name))
    for k, name in enumerate(of.numeric):
        statistics[f"infinite{k}"] = count(_infinite(of.scan.col(name).cast(nw.Float64)))
    for k, guard in enumerate(of.guards):
        statistics[f"broken{k}"] = count(guard.broken)
    for k, value in enumerate(of.columns.values()):
        statistics[f"wild{k}"] = count(_infinite(value) | is_nan(value))
    return collect_row(of.scan, statistics)


def _refuse_faults(of: _Inputs, found: Mapping[str, float]) -> None:
    scan, n = of.scan, int(found["n"])
    _refuse_missing(scan, of.names, found, n)
    for k, name in enumerate(of.numeric):
        if found[f"infinite{k}"]:
            where = _where(scan, _infinite(scan.col(name).cast(nw.Float64)))
            raise DataError(
                f"column {name!r} of {scan.source} has {_counted(found[f'infinite{k}'])} infinite "
                f"value(s){where}; correct them, or make them missing and drop them with "
                'missing="drop" (--missing drop)'
            )
    for k, guard in enumerate(of.guards):
        if found[f"broken{k}"]:
            raise DataError(
                f"{guard.what} is undefined in {_counted(found[f'broken{k}'])} of {n:,} rows of "
                f"{scan.source}{_where(scan, guard.broken)}: {guard.reason}; correct or drop these "
                "rows, or transform otherwise"
            )
    for k, (name, value) in enumerate(of.columns.items()):
        if found[f"wild{k}"]:
            raise DataError(
                f"{name} is not a finite number in {_counted(found[f'wild{k}'])} of {n:,} rows of "
                f"{scan.source}{_where(scan, _infinite(value) | is_nan(value))}; rescale its "
                "columns"
            )


def _infinite(value: nw.Expr) -> nw.Expr:
    return (value > _LARGEST) | (value < -_LARGEST)


def _counted(value: float) -> str:
    return f"{int(value):,}"


def _refuse_missing(scan: Scan, names: Sequence[str], found: Mapping[str, float], n: int) -> None:
    gone = [(name, int(found[f"missing{k}"])) for k, name in enumerate(names)]
    parts = [
        f"column {name!r} has {many:,} missing value{'s' if many > 1 else ''}"
        f"{_where(scan, is_missing(scan, name))}"
        for name, many in gone
        if many
    ]
    if any(many == n for _, many in gone):
        raise DataError(f"{'; '.join(parts)}: every row of {scan.source} has one of them")
    if parts:
        raise DataError(
            f'{scan.source}: {"; ".join(parts)}; drop those rows with missing="drop" '
            "(--missing drop)"
        )


def _where(scan: Scan, condition: nw.Expr) -> str:
    """Return the file that holds most of the rows meeting a condition, if there are several."""
    if len(scan.files) < 2:
        return ""
    rows = scan.frame.filter(condition).group_by(FILE).agg(nw.len().alias("n"))
    found = collect(scan, rows)
    counts = sorted(zip(found["n"].tolist(), found[FILE].tolist(), strict=True), reverse=True)
    if not counts:
        return ""
    more = f" and {len(counts) - 1} files more" if len(counts) > 1 else ""
    return f" ({scan.files[counts[0][1]]}{more})"


def refuse_constant(
    names: Sequence[str], grouping: Sequence[str], raw: Mapping[str, tuple[float, float]]
) -> None:
    """Refuse an outcome (the first) or predictor that is constant or too large to square."""
    for k, name in enumerate(names):
        if name in grouping or name not in raw:
            continue
        low, high = raw[name]
        refuse_magnitude(name, low, high)
        if high - low > _OF_SIZE * max(abs(low), abs(high)):
            continue
        if k == 0:
            raise DataError(constant_outcome(name, low))
        raise OneValueError(constant_predictor(name, low))


def check_labels(group: str, labels: NDArray[Any], counts: NDArray[np.int64]) -> None:
    """Check that a column can group the rows.

    Raises
    ------
    DataError
        If there is one group, every group has one row, or labels look like a measurement.
    """
    many = labels.size
    check_footer_label(group, labels, counts)
    if many == 1:
        raise OneValueError(one_level(group, labels[0]))
    if labels.dtype.kind == "f" and many > _DECIMAL_LEVELS and not is_whole(labels):
        raise DataError(
            f"group {group!r} has {many} different decimal numbers: it looks like a measurement, "
            "and the group goes right of the bar; give a column of labels shared by several rows, "
            "such as a school id"
        )
    if int(counts.max()) == 1:
        raise OneValueError(
            f"every group of {group!r} has one row ({many} labels): group and residual are not "
            "identified; give a column of labels shared by several rows, such as a school id"
        )


def check_size(scan: Scan, factors: Sequence[str], keys: Sequence[str], n: int, width: int) -> None:
    """Check that the sums of `width` columns by combination of levels fit into memory.

    The combinations are counted only where there could be too many: one a row.

    Raises
    ------
    EngineError
        With the number of combinations.
    """
    # The query's result, and the same as arrays; the products of two columns twice in these.
    numbers = 2 * (1 + width) + 3 * width * (width + 1) // 2 + 2 * len(keys)
    free = free_memory()
    if free is not None and 8.0 * n * numbers <= free / 2.0:
        return
    cells = count_groups(scan, keys)
    check_memory(
        8.0 * cells * numbers,
        f"sums by {' and '.join(factors)}, whose levels have {cells:,} combinations with rows,",
        "keep the rows (rows='keep', --rows keep), or use fewer factors or predictors",
    )


def check_levels(scan: Scan, group: str, keys: Sequence[str], names: Sequence[str]) -> None:
    """Check that columns declared to be properties of the group are constant within it."""
    for name in names:
        varying_groups = _varying_text if scan.kinds[name] == "text" else _varying_numbers
        many, varying, example = varying_groups(scan, keys, name)
        if varying:
            raise DataError(
                f"{name!r} was declared constant within {group!r} but varies in {varying} of "
                f"{many} groups ({example}); correct the values, or do not declare it"
            )


def _varying_text(scan: Scan, keys: Sequence[str], name: str) -> tuple[int, int, str]:
    """Count the groups, and those with two texts or more; return an example too."""
    by = _grouped(scan, keys)
    pairs = scan.frame.select(**by, value_=scan.col(name)).unique()
    found = collect(scan, pairs.group_by(*by).agg(nw.len().alias("n")))
    varying = np.flatnonzero(found["n"] > 1)
    example = ""
    if varying.size:
        first = varying[0]
        example = f"{_label_of(found, by, first)}: {found['n'][first]} different"
    return int(found["n"].size), int(varying.size), example


def _varying_numbers(scan: Scan, keys: Sequence[str], name: str) -> tuple[int, int, str]:
    """Count the groups, and those with numbers that differ; return an example too."""
    column = scan.col(name).cast(nw.Float64)
    by = _grouped(scan, keys)
    rows = scan.frame.select(**by, value_=column)
    ends = (nw.col("value_").min().alias("low"), nw.col("value_").max().alias("high"))
    found = collect(scan, rows.group_by(*by).agg(*ends))
    low, high = found["low"], found["high"]
    tolerance = max(
        _OF_RANGE * float(high.max() - low.min()),
        _OF_SIZE * float(max(abs(low.min()), abs(high.max()))),
    )
    varying = np.flatnonzero(high - low > tolerance)
    example = ""
    if varying.size:
        first = varying[0]
        ends_text = f"{label_text(low[first])}, {label_text(high[first])}"
        example = f"{_label_of(found, by, first)}: {ends_text}"
    return int(low.size), int(varying.size), example


def _grouped(scan: Scan, keys: Sequence[str]) -> dict[str, nw.Expr]:
    return {f"group{k}_": scan.col(name) for k, name in enumerate(keys)}


def _label_of(found: Mapping[str, NDArray[Any]], by: Mapping[str, Any], place: int) -> str:
    return ":".join(label_text(found[name][place]) for name in by)
