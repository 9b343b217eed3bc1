"""Lazy tables: scanned by their engine (DuckDB, Spark, polars), never read into Python."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import narwhals as nw
from narwhals.exceptions import NarwhalsError
from numpy.typing import NDArray

from bayes_mlm.base import DataError
from bayes_mlm.data.absent import explain_absent
from bayes_mlm.data.columns import Column, from_arrow
from bayes_mlm.data.labels import strip_categories
from bayes_mlm.data.lazy.expressions import stripped
from bayes_mlm.data.numerals import Decimal
from bayes_mlm.data.table import Table, as_table, checked_names

type ColumnKind = Literal["number", "truth", "text"]
type Frame = nw.LazyFrame[Any]
# The column of file names that a scan of several files carries, for messages.
FILE = "bayes_mlm_file"
# Seconds between updates of the progress of a query.
_EVERY = 0.2
_TIMES = (nw.Date, nw.Datetime, nw.Duration, nw.Time)


@dataclass(frozen=True, kw_only=True, eq=False)
class Scan:
    """Lazy frame, with the types and categories of its columns.

    Parameters
    ----------
    frame : narwhals.LazyFrame
        Of any engine: DuckDB, Apache Spark, polars, or a frame in memory.
    source : str
        Its name in messages.
    engine : str
        "duckdb", "pyspark", "polars", "pandas", "pyarrow", ...
    kinds : mapping of str to {"number", "truth", "text"}
        Of each column; columns of neither numbers nor truth values count as text.
    floats : frozenset of str
        Columns that may hold NaN, which counts as missing.
    files : mapping of str to str
        Of files that are scanned together: what the engine calls each, and its name for messages;
        empty for a frame.
    explain : callable
        Returns a message for an error of the engine, if it recognises it.
    prepare : callable
        Takes the scan and the columns that are needed, and returns the scan with their types
        inferred: text files have none.
    progress : callable or None
        Returns the progress of the running query, in per cent, or less than 0.
    on_progress : callable or None
        Called with that a few times a second.
    aliases : mapping of str to str
        Names of the columns in the frame, once it was narrowed to those that are needed.
    categories, times
        As of `bayes_mlm.data.table.Table`.
    strip : bool
        Whether to strip spaces from the ends of labels.
    complete : bool
        Whether rows that miss a value are to be dropped.
    decimal : {".", ","} or None
        The decimal mark of numbers in text; None for plain numbers alone.
    from_text : bool
        Whether the columns come as text, whose types are decided from their values.
    codes : mapping of str to tuple of str
        Texts of columns that stand for missing values, next to `MISSING_TEXTS`.
    labels, value_labels, notes
        As of `bayes_mlm.data.table.Table`.
    """

    frame: Frame
    source: str
    engine: str
    kinds: Mapping[str, ColumnKind]
    floats: frozenset[str]
    prepare: Callable[["Scan", Sequence[str]], "Scan"]
    files: Mapping[str, str] = field(default_factory=dict)
    explain: Callable[[Exception], str | None] = field(default=lambda _: None)
    progress: Callable[[], float] | None = None
    on_progress: Callable[[float], None] | None = None
    aliases: Mapping[str, str] = field(default_factory=dict)
    categories: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    times: frozenset[str] = frozenset()
    strip: bool = False
    complete: bool = False
    decimal: Decimal | None = None
    from_text: bool = False
    codes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    value_labels: Mapping[str, Mapping[float | str, str]] = field(default_factory=dict)
    notes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def col(self, name: str) -> nw.Expr:
        """Return a column of the table by its name there, whatever its alias in the frame."""
        return nw.col(self.aliases.get(name, name))

    def __repr__(self) -> str:
        """Return the source, the engine and the number of columns, on one line."""
        return f"<Scan of {self.source} by {self.engine}, {len(self.kinds)} columns>"


def is_scannable(data: Any) -> bool:
    """Return whether data are a lazy frame, which its engine scans."""
    if isinstance(data, Scan):
        return True
    try:
        return isinstance(nw.from_native(data), nw.LazyFrame)
    except (TypeError, NarwhalsError):  # the reader of the data explains what is wrong
        return False


def is_distributed(data: Any) -> bool:
    """Return whether data are on a cluster (Apache Spark), whose rows are never collected."""
    return type(data).__module__.split(".")[0] in ("pyspark", "sqlframe")


def as_scan(
    data: Any,
    *,
    source: str | None = None,
    files: Mapping[str, str] | None = None,
    explain: Callable[[Exception], str | None] = lambda _: None,
) -> Scan:
    """Return a scan of a frame of any kind that narwhals supports.

    Parameters
    ----------
    data : Scan, Table or frame
        A DuckDB relation, a PySpark data frame, a polars frame, lazy or not, a pandas data frame,
        a pyarrow table.
    source : str, optional
        Its name in messages; by default its type.
    files, explain
        As in `Scan`.

    Raises
    ------
    DataError
        If it is no such frame, or its columns have no names, duplicates or odd ones.

    Examples
    --------
    >>> import duckdb
    >>> scan = as_scan(duckdb.sql("select 1 as g, 2.5 as y, 'a' as f"))
    >>> scan.engine, dict(scan.kinds)
    ('duckdb', {'g': 'number', 'y': 'number', 'f': 'text'})
    """
    if isinstance(data, Scan):
        return data
    if isinstance(data, Table):
        found = as_scan(data.columns_frame(), source=source or data.source)
        return replace(
            found,
            prepare=_as_it_is,
            categories=data.categories,
            times=data.times,
            labels=data.labels,
            value_labels=data.value_labels,
            notes=data.notes,
        )
    kind = type(data)
    named = source or f"{kind.__module__.split('.')[0].lstrip('_')}.{kind.__qualname__}"
    in_memory = False
    try:
        native = nw.from_native(data)
        in_memory = isinstance(native, nw.DataFrame)
        frame = native.lazy()
    except TypeError as error:
        raise DataError(
            f"cannot scan {named}; give a DuckDB relation, a PySpark, polars, pandas or pyarrow "
            "frame, or files (bayes_mlm.open_data)"
        ) from error
    except NarwhalsError as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{named} cannot be scanned: {reason}") from error
    scan = Scan(
        frame=frame,
        source=named,
        engine=str(frame.implementation.value),
        kinds={},
        floats=frozenset(),
        explain=explain,
        prepare=_as_it_is,
    )
    with engine_errors(scan):
        schema = dict(frame.collect_schema())
    checked_names(list(schema), named, None)
    return Scan(
        frame=frame,
        source=named,
        engine=scan.engine,
        kinds={name: _kind(dtype) for name, dtype in schema.items() if name != FILE or not files},
        floats=frozenset(name for name, dtype in schema.items() if dtype.is_float()),
        files=files or {},
        explain=explain,
        prepare=_read_as_rows(data) if in_memory else _as_it_is,
        categories={
            name: tuple(map(str, dtype.categories))
            for name, dtype in schema.items()
            if isinstance(dtype, nw.Enum)
        },
        times=frozenset(name for name, dtype in schema.items() if isinstance(dtype, _TIMES)),
    )


def _as_it_is(scan: Scan, _: Sequence[str]) -> Scan:
    return scan


def _read_as_rows(data: Any) -> Callable[[Scan, Sequence[str]], Scan]:
    """Return a function that converts columns of a frame in memory as `as_table` does."""

    def read(scan: Scan, names: Sequence[str]) -> Scan:
        found = as_scan(as_table(data, columns=names), source=scan.source)
        return replace(found, on_progress=scan.on_progress, strip=scan.strip)

    return read


def narrowed(scan: Scan, names: Sequence[str]) -> Scan:
    """Select the columns that are needed, under names that are valid in every engine.

    The names of a table may hold dots, differ in case alone, or be those that queries here use.
    """
    aliases = {name: f"column{k}_" for k, name in enumerate(names)}
    file = [FILE] if scan.files else []
    columns = {}
    labels = _labels(scan) if scan.strip else frozenset[str]()
    for name, alias in aliases.items():
        column = scan.col(name)
        if scan.aliases.get(name, name) in labels:
            column = stripped(column.cast(nw.String))
        # -0.0 is another key than 0.0 to some engines.
        columns[alias] = column + 0.0 if name in scan.floats else column
    with engine_errors(scan):
        frame = scan.frame.select(*file, **columns)
    declared = strip_categories(scan.categories) if scan.strip else scan.categories
    return replace(scan, frame=frame, aliases=aliases, categories=declared, prepare=_as_it_is)


def _labels(scan: Scan) -> frozenset[str]:
    """Return the names of the columns of text, which alone may have spaces."""
    with engine_errors(scan):
        schema = scan.frame.collect_schema()
    texts = (nw.String, nw.Categorical, nw.Enum)
    return frozenset(name for name, dtype in schema.items() if dtype in texts)


def _kind(dtype: nw.dtypes.DType) -> ColumnKind:
    if dtype.is_numeric() or dtype.is_decimal():
        return "number"
    return "truth" if dtype == nw.Boolean else "text"


def collect(scan: Scan, frame: Frame) -> dict[str, Column]:
    """Run a query and fetch its result: aggregates, never rows.

    Raises
    ------
    DataError
        With the engine's reason, if the query fails.
    """
    with engine_errors(scan), _watched(scan):
        found = frame.collect("pyarrow").to_native()
    return {name: from_arrow(found.column(name)) for name in found.column_names}


@contextmanager
def _watched(scan: Scan) -> Iterator[None]:
    """Report a query's progress while it runs."""
    progress, on_progress = scan.progress, scan.on_progress
    if progress is None or on_progress is None:
        yield
        return
    done = threading.Event()

    def watch() -> None:
        while not done.wait(_EVERY):
            share = progress()
            if share >= 0:
                on_progress(share)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()


def collect_row(scan: Scan, expressions: Mapping[str, nw.Expr]) -> dict[str, float]:
    """Run a query that gives one row of numbers."""
    found = collect(scan, scan.frame.select(**expressions))
    return {name: _number(values) for name, values in found.items()}


def _number(values: NDArray[Any]) -> float:
    value = values[0] if values.size else None
    return float("nan") if value is None else float(value)


def count_rows(scan: Scan) -> int:
    """Count the rows of a scan."""
    return int(collect(scan, scan.frame.select(n=nw.len()))["n"][0])


def collect_rows(scan: Scan, names: Sequence[str]) -> Table:
    """Fetch the rows of some columns, for a table in memory.

    Raises
    ------
    DataError
        If a column is not there.
    """
    absent = [name for name in names if name not in scan.kinds]
    if absent:
        raise DataError(explain_absent(absent, list(scan.kinds), scan.source))
    scan = scan.prepare(scan, names)
    scan = narrowed(scan, names)
    fetched = collect(scan, scan.frame.select(*(scan.aliases[name] for name in names)))
    columns = {name: fetched[scan.aliases[name]] for name in names}
    n = len(next(iter(columns.values())))
    if n == 0:
        raise DataError(f"{scan.source} has no rows; columns: {', '.join(names)}")
    return Table(
        columns=columns,
        n=n,
        source=scan.source,
        categories={name: scan.categories[name] for name in names if name in scan.categories},
        times=scan.times & set(names),
        from_text=scan.from_text,
        labels=scan.labels,
        value_labels=scan.value_labels,
        notes=scan.notes,
    )


@contextmanager
def engine_errors(scan: Scan) -> Iterator[None]:
    """Convert an engine's exceptions into a `DataError` of one line that names the source."""
    try:
        yield
    except _errors_of(scan.engine) as error:
        more = scan.explain(error)
        if more is not None:
            raise DataError(more) from error
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        reason = lines[0] if lines else type(error).__name__
        if reason.endswith(":"):  # Spark's: the exception is the last line of a traceback
            reason += f" {lines[-1]}"
        raise DataError(f"{scan.engine} cannot scan {scan.source}: {reason[:400]}") from error


def _errors_of(engine: str) -> tuple[type[Exception], ...]:
    """Return the exceptions of an engine, which is imported already.

    What an engine does not compute (a quantile of several partitions) is NotImplementedError.
    """
    found: list[type[Exception]] = [NarwhalsError, NotImplementedError]
    if engine == "duckdb":
        import duckdb

        found.append(duckdb.Error)
    elif engine == "polars":
        import polars as pl

        found.append(pl.exceptions.PolarsError)
    elif engine == "pyspark":
        from py4j.protocol import Py4JError
        from pyspark.errors import PySparkException

        found += [PySparkException, Py4JError]
    else:
        import pyarrow as pa

        found += [pa.ArrowException, TypeError, ValueError]
    return tuple(found)
