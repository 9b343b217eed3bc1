"""Lazy tables of files: one or many, CSV or Parquet, by DuckDB out of core, or by Spark."""

import contextlib
import functools
import re
import shutil
import tempfile
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from bayes_mlm.base import DataError, expect_path, shown, visible
from bayes_mlm.data.formats.arrow import PARQUET
from bayes_mlm.data.formats.databases import is_duckdb_file, relation_of
from bayes_mlm.data.formats.layout import TextLayout, layout_of
from bayes_mlm.data.formats.streams import UTF8, open_text
from bayes_mlm.data.formats.text import without_lines
from bayes_mlm.data.lazy.codes import scan_without_codes
from bayes_mlm.data.lazy.finding import find_files, is_pattern, suffix_of
from bayes_mlm.data.lazy.schemas import check_schemas, damaged_file
from bayes_mlm.data.lazy.shared import (
    as_text,
    called,
    common_headers,
    name_of,
    noted,
    with_declared,
)
from bayes_mlm.data.lazy.source import FILE, Scan, as_scan
from bayes_mlm.data.lazy.spark import open_spark
from bayes_mlm.data.lazy.staging import stage
from bayes_mlm.data.lazy.texts import with_decimal
from bayes_mlm.data.na_values import na_text
from bayes_mlm.data.numerals import Decimal
from bayes_mlm.data.reader import ReadOptions, check_options, format_of, split_part
from bayes_mlm.data.reading import read_file

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
    encoding: str | None = None,
    na_values: Any = None,
) -> Scan:
    """Open files as a lazy table, without reading their rows into memory.

    Parameters
    ----------
    source : str or Path
        A file of any kind that `read_table` reads, a directory of files of one kind, a glob
        (``"students/*.parquet"``), or a table or query of a DuckDB file
        (``"study.duckdb::pupils"``). Text, Parquet and DuckDB are read where they are. A file of
        another kind is read into memory first; of several, one at a time, and each is written as
        Parquet to a temporary directory, where the table is then read.
    engine : {"duckdb", "spark"}
        DuckDB runs in this process, out of core; "spark" takes the active Spark session, or
        starts one (``pip install bayes-mlm[spark]``).
    memory : str, optional
        Memory limit of DuckDB, as in "2GB"; beyond it spills to a temporary directory.
    threads : int, optional
        Of DuckDB; all cores by default.
    decimal, delimiter, encoding, na_values
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
    options = ReadOptions(
        decimal=decimal, delimiter=delimiter, encoding=encoding, na_values=na_text(na_values)
    )
    return open_files(source, options, engine=engine, memory=memory, threads=threads)


def open_files(
    source: str | Path,
    options: ReadOptions,
    *,
    engine: FileEngine = "duckdb",
    memory: str | None = None,
    threads: int | None = None,
) -> Scan:
    """Open files as `open_data` does, with all the options of reading in one."""
    expect_path("open_data", source)
    scan = _open(source, options, engine, memory, threads)
    return scan_without_codes(scan, options.na_values)


def _open(
    source: str | Path,
    options: ReadOptions,
    engine: FileEngine,
    memory: str | None,
    threads: int | None,
) -> Scan:
    files = find_files(str(source))
    known = format_of(files[0])
    if known is not None:
        check_options(files[0], known[1], options)
    if not all(map(suffix_of, files)):
        return _open_other(files, str(source), options, engine, memory, threads)
    if engine == "spark":
        if memory is not None:
            raise DataError(
                f"memory={memory!r} is for DuckDB; Spark's is set where its session is made "
                "(spark.driver.memory, spark.executor.memory)"
            )
        if options.omit_rows is not None:
            raise DataError("Spark omits no lines; omit engine='spark' (--engine-data spark)")
        return open_spark(files, str(source), options)
    if engine != "duckdb":
        raise DataError(f"engine {engine!r} opens no files; give duckdb or spark")
    named = name_of(files, str(source))
    connection, limit, folder = _connect(memory, threads)
    notes: tuple[str, ...] = ()
    if options.omit_rows is not None:
        if len(files) > 1:
            raise DataError("omit_rows (--omit-rows) is for one file; give that file alone")
        copy, options, notes = without_lines(files[0], options, folder)
        files = [copy]
    opened = _Opened(connection=connection, paths=_linked(files, folder), named=named, limit=limit)
    is_parquet = suffix_of(files[0]) in PARQUET
    if is_parquet:
        return with_decimal(_open_parquet(opened), options.decimal)
    layout = layout_of(files[0], options)
    layout = replace(layout, notes=(*layout.notes, *notes))
    return noted(with_decimal(_open_csv(opened, layout, folder), layout.decimal), layout)


def _open_other(
    files: Sequence[Path],
    source: str,
    options: ReadOptions,
    engine: FileEngine,
    memory: str | None,
    threads: int | None,
) -> Scan:
    """Open a table or query of a DuckDB file; read a file of another kind into memory.

    Of several files one is in memory at a time.
    """
    file, part = files[0], split_part(source)[1]
    if engine == "spark":
        raise DataError(
            f"Spark reads text and Parquet files, not {shown(file)}; omit engine='spark' "
            "(--engine-data spark)"
        )
    if len(files) > 1:
        connection, limit, folder = _connect(memory, threads)
        staged = stage(files, part, options, folder)
        opened = _Opened(
            connection=connection,
            paths=staged.paths,
            named=name_of(files, source),
            limit=limit,
        )
        relation = _read_parquet(opened, union_by_name=True)
        return staged.declare(called(_scan(opened, relation), staged.names))
    if not is_duckdb_file(file):
        return as_scan(read_file(f"{file}::{part}" if part else file, options))
    connection, limit, _ = _connect(memory, threads)
    relation = relation_of(connection, file, part)
    scan = as_scan(relation, source=shown(file), explain=_explainer(limit, {}))
    scan = replace(scan, progress=connection.query_progress)
    return with_decimal(scan, options.decimal)


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
    # In Jupyter DuckDB wants ipywidgets for a bar, even for one that is not printed.
    with contextlib.suppress(duckdb.InvalidInputException):
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
    relation = _read_parquet(opened, union_by_name=differ)
    scan = called(_scan(opened, relation), names)
    return replace(scan, prepare=with_declared(opened.files))


def _read_parquet(opened: _Opened, *, union_by_name: bool) -> "duckdb.DuckDBPyRelation":
    filename = f"filename = '{FILE}', " if len(opened.files) > 1 else ""
    listed = ", ".join(f"'{_quoted(path)}'" for path in opened.paths)
    return opened.connection.sql(
        f"from read_parquet([{listed}], {filename}union_by_name = {union_by_name}, "
        "hive_partitioning = false)"
    )


def _scan(opened: _Opened, relation: "duckdb.DuckDBPyRelation") -> Scan:
    names = {path: shown(file) for path, file in opened.paths.items()}
    scan = as_scan(
        relation,
        source=opened.named,
        files=names if len(names) > 1 else {},
        explain=_explainer(opened.limit, opened.paths),
    )
    return replace(scan, progress=opened.connection.query_progress)


def _open_csv(opened: _Opened, layout: TextLayout, folder: Path) -> Scan:
    if layout.encoding != UTF8:
        opened = replace(opened, paths=_as_utf8(opened.paths, layout.encoding, folder))
    headers = common_headers(opened.files, layout)
    names = headers[0].names
    places = [f"text{k}_" for k in range(len(names))]  # distinct without regard to case, too
    options: dict[str, Any] = {
        "header": True,
        "delimiter": layout.delimiter,
        "quotechar": '"',
        "escapechar": '"',
        # Nothing is guessed from the first rows: every column is text until all rows are read.
        "auto_detect": False,
        "columns": dict.fromkeys(places, "VARCHAR"),
        "filename": FILE if len(opened.paths) > 1 else False,
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
    return as_text(_scan(opened, relation), names)


def _as_utf8(paths: Mapping[str, Path], encoding: str, folder: Path) -> dict[str, Path]:
    """Copy text files in another encoding, which DuckDB does not read, to UTF-8."""
    copies = {}
    for k, file in enumerate(paths.values()):
        copy = folder / f"{k}-utf8.csv"
        try:
            with open_text(file, encoding) as text, copy.open("w", encoding="utf-8") as target:
                shutil.copyfileobj(text, target)
        except UnicodeDecodeError as error:
            raise DataError(
                f"{shown(file)} is not text in the encoding {encoding} ({error.reason}); give "
                "another encoding (--encoding)"
            ) from error
        copies[str(copy)] = file
    return copies
