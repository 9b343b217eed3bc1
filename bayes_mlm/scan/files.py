"""Open files for scanning: one or many, CSV or Parquet, by DuckDB out of core, or by Spark."""

import re
import tempfile
import weakref
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from bayes_mlm.arguments import expect_path
from bayes_mlm.data.reading import PARQUET, read_names
from bayes_mlm.errors import DataError
from bayes_mlm.scan.finding import find_files, suffix_of
from bayes_mlm.scan.schemas import check_schemas, damaged_file
from bayes_mlm.scan.source import FILE, Scan, as_scan
from bayes_mlm.scan.texts import settle_types

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
) -> Scan:
    """Open files to be scanned where they lie.

    Parameters
    ----------
    source : str or Path
        A file (.csv, .tsv, gzipped or not, .parquet), a directory of such files of one kind, or a
        glob (``"students/*.parquet"``).
    engine : {"duckdb", "spark"}
        DuckDB runs in this process, out of core; "spark" takes the active Spark session, or
        starts one (``pip install bayes-mlm[spark]``).
    memory : str, optional
        What DuckDB may take, as in "2GB"; beyond it spills to a temporary directory.
    threads : int, optional
        Of DuckDB; all cores by default.

    Returns
    -------
    Scan
        For `sum_rows`, or for `fit` in the place of data.

    Raises
    ------
    DataError
        If there is no such file, a directory holds none, a file is damaged, or files differ in
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
        return _open_spark(files, str(source))
    if engine != "duckdb":
        raise DataError(f"engine {engine!r} opens no files; give duckdb or spark")
    named = _named(files, str(source))
    connection, limit = _connect(memory, threads)
    if suffix_of(files[0]) in PARQUET:
        return _open_parquet(connection, files, named, limit)
    return _open_csv(connection, files, named, limit)


def _named(files: Sequence[Path], source: str) -> str:
    """Name the data without the folders they lie in, which are nobody's business."""
    if len(files) == 1:
        return files[0].name
    return f"{Path(source).name or 'files'} ({len(files)} files)"


def _connect(memory: str | None, threads: int | None) -> tuple["duckdb.DuckDBPyConnection", str]:
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
    return connection, limit


def _quoted(text: str) -> str:
    return text.replace("'", "''")


def _explainer(limit: str, files: Sequence[Path]) -> Any:
    """Make what words DuckDB's errors: out of memory, and which file is damaged."""

    def explain(error: Exception) -> str | None:
        text = str(error)
        if "Out of Memory" in text or "out of memory" in text:
            asked = f"the memory limit {limit} is" if limit else "memory is"
            return (
                f"{asked} too small for this query ({_first_line(text)}); raise it (--memory), or "
                "give fewer groups or columns"
            )
        named = next((file.name for file in files if str(file) in text), "")
        named = named or damaged_file(files)
        line = re.search(r"CSV Error on Line: (\d+)", text)
        if line is not None:
            where = f"line {line[1]} of {named or files[0].name}"
            return f"{where} cannot be read as CSV ({_first_line(text)}); correct that line"
        return f"{named} cannot be read: {_first_line(text)}; copy it again" if named else None

    return explain


def _first_line(text: str) -> str:
    return text.strip().splitlines()[0][:300]


def _open_parquet(
    connection: "duckdb.DuckDBPyConnection", files: Sequence[Path], named: str, limit: str
) -> Scan:
    differ = check_schemas(files)
    own = f"filename = '{FILE}', " if len(files) > 1 else ""
    listed = ", ".join(f"'{_quoted(str(file))}'" for file in files)
    relation = connection.sql(
        f"from read_parquet([{listed}], {own}union_by_name = {differ}, hive_partitioning = false)"
    )
    return _scan(connection, relation, named, files, limit)


def _scan(
    connection: "duckdb.DuckDBPyConnection",
    relation: "duckdb.DuckDBPyRelation",
    named: str,
    files: Sequence[Path],
    limit: str,
) -> Scan:
    scan = as_scan(
        relation,
        source=named,
        files=tuple(file.name for file in files) if len(files) > 1 else (),
        explain=_explainer(limit, files),
    )
    return replace(scan, progress=connection.query_progress)


def _open_csv(
    connection: "duckdb.DuckDBPyConnection", files: Sequence[Path], named: str, limit: str
) -> Scan:
    delimiter = _delimiter(files[0])
    names = _common_names(files, delimiter)
    _refuse_alike(names, files[0])
    relation = connection.read_csv(
        [str(file) for file in files],
        header=True,
        delimiter=delimiter,
        quotechar='"',
        escapechar='"',
        # Nothing is guessed from the first rows: every column is text until all are looked at.
        auto_detect=False,
        columns=dict.fromkeys(names, "VARCHAR"),
        filename=FILE if len(files) > 1 else False,
        hive_partitioning=False,
    )
    scan = _scan(connection, relation, named, files, limit)
    return replace(scan, prepare=settle_types)


def _refuse_alike(names: Sequence[str], file: Path) -> None:
    """Refuse names that DuckDB cannot tell apart."""
    seen: dict[str, str] = {}
    for name in names:
        other = seen.setdefault(name.casefold(), name)
        if other != name:
            raise DataError(
                f"{file.name} has columns {other!r} and {name!r}, which differ in case alone, and "
                "DuckDB does not tell them apart; rename one"
            )
        if not name:
            raise DataError(f"{file.name} has a column without a name; name it in its first line")


def _delimiter(file: Path) -> str:
    return "\t" if ".tsv" in suffix_of(file) else ","


def _common_names(files: Sequence[Path], delimiter: str) -> list[str]:
    """Read the column names of text files, which must be the same."""
    names = list(read_names(files[0], delimiter))
    for file in files[1:]:
        own = list(read_names(file, delimiter))
        if own != names:
            odd = next(
                (n for n in own if n not in names), next((n for n in names if n not in own), "")
            )
            what = f"column {odd!r}" if odd else "the order of the columns"
            raise DataError(
                f"the columns of {file.name} differ from those of {files[0].name} ({what}); files "
                "that are scanned together must have the same columns, in one order"
            )
    return names


def _open_spark(files: Sequence[Path], source: str) -> Scan:
    try:
        from pyspark.sql import SparkSession
    except ImportError as error:
        raise DataError(
            "Apache Spark is not installed; pip install 'bayes-mlm[spark]' (it needs Java 17)"
        ) from error
    delimiter = _delimiter(files[0])
    if suffix_of(files[0]) in PARQUET:
        check_schemas(files)
    else:
        _common_names(files, delimiter)
    session = SparkSession.getActiveSession() or (
        SparkSession.builder.appName("bayes-mlm").config("spark.ui.enabled", "false").getOrCreate()
    )
    session.sparkContext.setLogLevel("ERROR")
    paths = [str(file.resolve()) for file in files]
    if suffix_of(files[0]) in PARQUET:
        frame = session.read.parquet(*paths)
    else:
        frame = session.read.csv(paths, header=True, inferSchema=True, sep=delimiter)
    return as_scan(frame, source=_named(files, source))
