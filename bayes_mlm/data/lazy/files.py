"""Lazy tables of files: one or many, CSV or Parquet, by DuckDB out of core, or by Spark."""

import functools
import re
import tempfile
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from bayes_mlm.base import DataError, expect_path, shown, visible
from bayes_mlm.data.lazy.finding import find_files, is_pattern, suffix_of
from bayes_mlm.data.lazy.schemas import check_schemas, damaged_file, read_declared
from bayes_mlm.data.lazy.source import FILE, Scan, as_scan
from bayes_mlm.data.lazy.texts import settle_types, with_decimal
from bayes_mlm.data.numerals import Decimal
from bayes_mlm.data.reading import DELIMITERS, PARQUET, Header, read_header, settled_delimiter

if TYPE_CHECKING:
    import duckdb

type FileEngine = Literal["duckdb", "spark"]
_MEMORY = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([kKmMgGtT]?)[iI]?[bB]?\s*")


def open_data(
    source: str | Path,
    *,
    engine: FileEngine = "duckdb",
    memory: str | None = None,
    threads: int | None = None,
    decimal: Decimal | None = None,
    delimiter: str | None = None,
) -> Scan:
    """Open files as a lazy table, without reading their rows into memory.

    Parameters
    ----------
    source : str or Path
        A file (.csv, .tsv, gzipped or not, .parquet), a directory of such files of one kind, or a
        glob (``"students/*.parquet"``).
    engine : {"duckdb", "spark"}
        DuckDB runs in this process, out of core; "spark" takes the active Spark session, or
        starts one (``pip install bayes-mlm[spark]``).
    memory : str, optional
        Memory limit of DuckDB, as in "2GB"; beyond it spills to a temporary directory.
    threads : int, optional
        Of DuckDB; all cores by default.
    decimal, delimiter
        As of `bayes_mlm.read_table`.

    Returns
    -------
    Scan
        For `sum_rows`, or for `fit` as its data.

    Raises
    ------
    DataError
        If there is no such file, a directory has none, a file is damaged, or files differ in
        their columns or types; the message names file and column.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from bayes_mlm import load_hsb, sum_rows
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for sector, part in load_hsb().groupby("sector"):
    ...         part.to_csv(pathlib.Path(folder, f"sector{sector}.csv"), index=False)
    ...     scan = open_data(folder, memory="500MB")
    ...     sum_rows("mathach ~ ses * sector + (1 | schoolid)", scan).n
    7185
    """
    expect_path("open_data", source)
    files = find_files(str(source))
    if engine == "spark":
        if memory is not None:
            raise DataError(
                f"memory={memory!r} is for DuckDB; Spark's is set where its session is made "
                "(spark.driver.memory, spark.executor.memory)"
            )
        return _open_spark(files, str(source), decimal, delimiter)
    if engine != "duckdb":
        raise DataError(f"engine {engine!r} opens no files; give duckdb or spark")
    named = _named(files, str(source))
    connection, limit, folder = _connect(memory, threads)
    opened = _Opened(connection=connection, paths=_linked(files, folder), named=named, limit=limit)
    is_parquet = suffix_of(files[0]) in PARQUET
    return with_decimal(
        _open_parquet(opened) if is_parquet else _open_csv(opened, delimiter), decimal
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Opened:
    """A connection, and the files it is to read: what DuckDB calls each, and what it is."""

    connection: "duckdb.DuckDBPyConnection"
    paths: Mapping[str, Path]
    named: str
    limit: str

    @property
    def files(self) -> list[Path]:
        return list(self.paths.values())


def _named(files: Sequence[Path], source: str) -> str:
    """Return the name of the data without their folders, which are not disclosed."""
    if len(files) == 1:
        return shown(files[0])
    return f"{visible(Path(source).name) or 'files'} ({len(files)} files)"


def _connect(
    memory: str | None, threads: int | None
) -> tuple["duckdb.DuckDBPyConnection", str, Path]:
    import duckdb

    connection = duckdb.connect()
    limit = ""
    if memory is not None:
        match = _MEMORY.fullmatch(str(memory))
        if match is None or float(match[1]) <= 0:
            raise DataError(f"memory {memory!r} is no size; give one such as 500MB or 2GB")
        limit = f"{match[1]}{match[2].upper()}B"
        connection.execute(f"set memory_limit = '{limit}'")
    if threads is not None:
        connection.execute(f"set threads = {int(threads)}")
    folder = tempfile.TemporaryDirectory(prefix="bayes-mlm-", ignore_cleanup_errors=True)
    weakref.finalize(connection, folder.cleanup)
    connection.execute(f"set temp_directory = '{_quoted(folder.name)}'")
    connection.execute("set enable_progress_bar = true")
    connection.execute("set enable_progress_bar_print = false")
    return connection, limit, Path(folder.name)


def _quoted(text: str) -> str:
    return text.replace("'", "''")


def _linked(files: Sequence[Path], folder: Path) -> dict[str, Path]:
    """Return paths that DuckDB does not expand, with their files: the same, or links to them.

    DuckDB has no option against patterns, and to match an escaped one it reads every name of the
    directory, and fails on some.
    """
    paths = {}
    for k, file in enumerate(files):
        path = file
        if is_pattern(str(file)):
            path = folder / f"{k}{suffix_of(file)}"
            path.symlink_to(file)
        paths[str(path)] = file
    return paths


def _explainer(limit: str, paths: Mapping[str, Path]) -> Callable[[Exception], str | None]:
    """Return a function that explains DuckDB's errors: out of memory, or which file is damaged."""
    files = list(paths.values())

    def explain(error: Exception) -> str | None:
        text = str(error)
        if "Out of Memory" in text or "out of memory" in text:
            subject = f"the memory limit {limit} is" if limit else "memory is"
            return (
                f"{subject} too small for this query ({_first_line(text)}); raise it (--memory), "
                "or give fewer groups or columns"
            )
        named = next((file.name for path, file in paths.items() if path in text), "")
        named = visible(named or damaged_file(files))
        line = re.search(r"CSV Error on Line: (\d+)", text)
        if line is not None:
            where = f"line {line[1]} of {named or shown(files[0])}"
            original = " ".join(text.partition("Original Line:")[2].split("\n")[:2]).strip()
            reason = original[:200] or _first_line(text)
            return f"{where} cannot be read as CSV ({visible(reason)}); correct that line"
        return f"{named} cannot be read: {_first_line(text)}; copy it again" if named else None

    return explain


def _first_line(text: str) -> str:
    return text.strip().splitlines()[0][:300]


def _open_parquet(opened: _Opened) -> Scan:
    differ, names = check_schemas(opened.files)
    filename = f"filename = '{FILE}', " if len(opened.files) > 1 else ""
    listed = ", ".join(f"'{_quoted(path)}'" for path in opened.paths)
    relation = opened.connection.sql(
        f"from read_parquet([{listed}], {filename}union_by_name = {differ}, "
        "hive_partitioning = false)"
    )
    scan = _called(_scan(opened, relation), names)
    return replace(scan, prepare=_with_declared(opened.files))


def _called(scan: Scan, names: Sequence[str]) -> Scan:
    """Restore the names of the columns: DuckDB's are not case-sensitive."""
    aliases = dict(zip(names, scan.kinds, strict=True))
    return replace(
        scan,
        kinds={name: scan.kinds[alias] for name, alias in aliases.items()},
        floats=frozenset(name for name, alias in aliases.items() if alias in scan.floats),
        times=frozenset(name for name, alias in aliases.items() if alias in scan.times),
        aliases=aliases,
    )


def _with_declared(files: Sequence[Path]) -> Callable[[Scan, Sequence[str]], Scan]:
    """Return a function that adds categories and times from Parquet schemas to a scan."""

    def read(scan: Scan, names: Sequence[str]) -> Scan:
        categories, times = read_declared(files, names)
        return replace(scan, categories=categories, times=scan.times | times)

    return read


def _scan(opened: _Opened, relation: "duckdb.DuckDBPyRelation") -> Scan:
    names = {path: shown(file) for path, file in opened.paths.items()}
    scan = as_scan(
        relation,
        source=opened.named,
        files=names if len(names) > 1 else {},
        explain=_explainer(opened.limit, opened.paths),
    )
    return replace(scan, progress=opened.connection.query_progress)


def _open_csv(opened: _Opened, delimiter: str | None) -> Scan:
    files = opened.files
    delimiter = _delimiter(files[0], delimiter)
    headers = _common_headers(files, delimiter)
    names = headers[0].names
    places = [f"text{k}_" for k in range(len(names))]  # distinct without regard to case, too
    options: dict[str, Any] = {
        "header": True,
        "delimiter": delimiter,
        "quotechar": '"',
        "escapechar": '"',
        # Nothing is guessed from the first rows: every column is text until all rows are read.
        "auto_detect": False,
        "columns": dict.fromkeys(places, "VARCHAR"),
        "filename": FILE if len(files) > 1 else False,
        "hive_partitioning": False,
    }
    by_blank: dict[int, list[str]] = {}  # lines before the header, which DuckDB does not find
    for path, header in zip(opened.paths, headers, strict=True):
        by_blank.setdefault(header.blank, []).append(path)
    relations = [
        opened.connection.read_csv(paths, skiprows=blank, **options)
        for blank, paths in by_blank.items()
    ]
    relation = functools.reduce(lambda one, other: one.union(other), relations)
    return _as_text(_scan(opened, relation), names)


def _as_text(scan: Scan, names: Sequence[str]) -> Scan:
    """Return a scan whose columns of text get their types when they are needed."""
    return replace(_called(scan, names), prepare=settle_types, from_text=True)


def _delimiter(file: Path, delimiter: str | None) -> str:
    return settled_delimiter(delimiter, DELIMITERS.get(suffix_of(file), ","))


def _common_headers(files: Sequence[Path], delimiter: str) -> list[Header]:
    """Read the headers of text files, whose names must be the same."""
    headers = [read_header(file, delimiter) for file in files]
    names = headers[0].names
    for file, header in zip(files, headers, strict=True):
        found = header.names
        if found != names:
            odd = next(iter({n: 0 for n in (*found, *names) if (n in found) != (n in names)}), "")
            what = f"column {odd!r}" if odd else "the order of the columns"
            raise DataError(
                f"the columns of {shown(file)} differ from those of {shown(files[0])} ({what}); "
                "files that are scanned together must have the same columns, in one order"
            )
    return headers


def _open_spark(
    files: Sequence[Path], source: str, decimal: Decimal | None, delimiter: str | None
) -> Scan:
    try:
        from pyspark.sql import SparkSession
    except ImportError as error:
        raise DataError(
            "Apache Spark is not installed; pip install 'bayes-mlm[spark]' (it needs Java 17)"
        ) from error
    text = suffix_of(files[0]) not in PARQUET
    delimiter = _delimiter(files[0], delimiter)
    names = _common_headers(files, delimiter)[0].names if text else []
    if not text:
        check_schemas(files)
    for file in files:
        if file.name.startswith(("_", ".")) or ":" in file.name:
            raise DataError(
                f"Spark cannot read {shown(file)}: it ignores names that begin with _ or . and "
                "reads text before a colon as an address; rename the file"
            )
    session = SparkSession.getActiveSession() or (
        SparkSession.builder.appName("bayes-mlm").config("spark.ui.enabled", "false").getOrCreate()
    )
    session.sparkContext.setLogLevel("ERROR")
    paths = [str(file) for file in files]
    reader = session.read.option("__globPaths__", "false")  # names are no patterns
    if not text:
        scan = as_scan(reader.parquet(*paths), source=_named(files, source))
        return with_decimal(replace(scan, prepare=_with_declared(files)), decimal)
    places = [f"text{k}_" for k in range(len(names))]
    options: dict[str, Any] = {
        "sep": delimiter,
        "escape": '"',
        "mode": "FAILFAST",
        "multiLine": True,  # a quoted value may hold a line break
        "columnPruning": False,  # so that a row of another length is noticed
        "emptyValue": "",
    }
    reader = reader.schema(", ".join(f"{place} string" for place in places))
    frame = reader.options(**options).csv(paths, header=True)
    named = _named(files, source)
    scan = as_scan(frame, source=named, explain=_spark_explainer(named))
    return with_decimal(_as_text(scan, names), decimal)


def _spark_explainer(named: str) -> Callable[[Exception], str | None]:
    def explain(error: Exception) -> str | None:
        found = re.search(r"Malformed CSV record: (.*?)(?: SQLSTATE|$)", str(error))
        if found is None:
            return None
        return (
            f"a row of {named} has another number of values than the header: {found[1][:60]!r}; "
            "correct that row, or look for an unclosed quote"
        )

    return explain
