"""Read a table from a CSV, TSV or Parquet file."""

import csv
import gzip
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv
import pyarrow.parquet as pq

from bayes_mlm.arguments import expect_path
from bayes_mlm.data.columns import Column, from_arrow
from bayes_mlm.data.table import Table, checked_names
from bayes_mlm.errors import DataError

MISSING_TEXTS = (
    *("", "NA", "N/A", "#N/A", "n/a", "<NA>", "NaN", "nan", "NAN", "-nan", "null", "NULL", "Null"),
    *("None", "NONE", "."),
)
"""What a CSV file may hold for a value that is missing ("." is Stata's and SAS's)."""
_TRUE, _FALSE = ("true", "True", "TRUE"), ("false", "False", "FALSE")
DELIMITERS = {".csv": ",", ".tsv": "\t", ".csv.gz": ",", ".tsv.gz": "\t"}
PARQUET = (".parquet", ".pq")


@dataclass(frozen=True, kw_only=True)
class _Header:
    names: list[str]
    lines: int  # physical lines up to the end of the header
    has_rows: bool


def read_table(source: str | Path, *, columns: Sequence[str] | None = None) -> Table:
    r"""Read a CSV, TSV (either one gzipped or not) or Parquet file.

    Parameters
    ----------
    source : str or Path
        A file ending in .csv, .tsv, .csv.gz, .tsv.gz, .parquet or .pq. Text is UTF-8, with or
        without a byte-order mark; its first line names the columns.
    columns : sequence of str, optional
        The columns to read; all by default.

    Returns
    -------
    Table
        Its source is the file's name. Parquet columns are converted as `as_table` says. The type
        of a CSV column is decided from all its values, after blanks around them are stripped and
        `MISSING_TEXTS` are set aside: whole numbers, else numbers, else truth values (true, false),
        else text. A column stays text, so that an identifier keeps its identity, if a value has
        leading zeros (00123), or if it holds whole numbers too large for 64 bits (or, with values
        missing, for a float64). Dates are text, as written. Blank lines are skipped.

    Raises
    ------
    DataError
        If the file is absent, a directory, empty, without rows, of an unknown kind, damaged, not
        UTF-8, has duplicate column names or a row of another length than the header, or lacks one
        of `columns`.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "students.csv")
    ...     _ = path.write_text("school,y\n007,1.5\n008,NA\n")
    ...     table = read_table(path)
    >>> table.columns["school"].tolist(), table.columns["y"].tolist()
    (['007', '008'], [1.5, nan])
    """
    expect_path("read_table", source)
    path = at_home(source)
    if isinstance(columns, str):
        columns = (columns,)
    require_file(path, str(source))
    name = path.name.lower()
    try:
        for suffix, delimiter in DELIMITERS.items():
            if name.endswith(suffix):
                return _read_csv(path, delimiter, columns)
        if name.endswith(PARQUET):
            return _read_parquet(path, columns)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(
            f"{path.name} is not an intact gzip file ({error}); copy it again"
        ) from error
    except OSError as error:
        raise DataError(f"{path.name} cannot be read: {error.strerror or error}") from error
    raise DataError(
        f"{path.name} is of an unknown kind; files that can be read end in "
        f"{', '.join([*DELIMITERS, *PARQUET])}. Save it as one of these, or read it with pandas "
        "or polars and give the frame to bayes_mlm.as_table"
    )


def parse_column(values: Any) -> Column:
    """Decide from all its values what a column of text holds, and convert it.

    Parameters
    ----------
    values : pyarrow.Array or pyarrow.ChunkedArray of string, length n
        A column of a CSV file, as written.

    Returns
    -------
    ndarray, shape (n,)
        int64, float64, bool, or object holding str and None; `read_table` gives the rules.

    Examples
    --------
    >>> parse_column(pa.array(["1", "2.5", "NA"])).tolist()
    [1.0, 2.5, nan]
    >>> parse_column(pa.array(["1", "2.5", "many"])).tolist()
    ['1', '2.5', 'many']
    """
    values = pc.utf8_trim_whitespace(values)
    gone = pc.is_in(values, value_set=_texts(MISSING_TEXTS))
    values = pc.if_else(gone, pa.nulls(1, pa.string())[0], values)
    if values.null_count == len(values):
        return np.full(len(values), np.nan)
    # Arrow would read 00123 as 123, and 0x1F as 31.
    if _any_match(values, r"^[+-]?0([0-9]+|[xX].*)$"):
        return from_arrow(values)
    for kind in (pa.int64(), pa.float64()):
        try:
            numbers = values.cast(kind)
        except pa.ArrowInvalid:
            continue
        # Whole numbers only, and too large for 64 bits: identifiers, which a float would blur.
        if pa.types.is_floating(kind) and _any_match(values, r"^[+-]?[0-9]{19,}$"):
            return from_arrow(values if not _any_match(values, r"[^0-9+-]") else numbers)
        return from_arrow(numbers)
    known = pc.is_in(values, value_set=_texts(_TRUE + _FALSE))
    if pc.all(pc.or_(known, pc.is_null(values))).as_py():
        truth = pc.is_in(values, value_set=_texts(_TRUE))
        return from_arrow(pc.if_else(pc.is_null(values), pa.nulls(1, pa.bool_())[0], truth))
    return from_arrow(values)


def _texts(texts: Sequence[str]) -> Any:
    """Make an Arrow array of a few texts (pyarrow.array would import pandas: it costs seconds)."""
    data = [text.encode() for text in texts]
    ends = np.cumsum([0, *map(len, data)], dtype=np.int32)
    return pa.StringArray.from_buffers(len(data), pa.py_buffer(ends), pa.py_buffer(b"".join(data)))


def _any_match(values: Any, pattern: str) -> bool:
    return bool(pc.any(pc.match_substring_regex(values, pattern)).as_py())


def at_home(source: str | Path) -> Path:
    """Give a path with ~ for the home folder, or as it is where there is no such user."""
    try:
        return Path(source).expanduser()
    except RuntimeError:
        return Path(source)


def require_file(path: Path, given: str) -> None:
    """Refuse a path that is no file, and offer the nearest names."""
    if path.is_dir():
        raise DataError(
            f"{given} is a directory; give one file ({', '.join(DELIMITERS)}, .parquet)"
        )
    if path.exists():
        return
    if "://" in given:
        raise DataError(f"{given} is an address, not a file; download it and give the file's path")
    folder = path.parent
    if not folder.is_dir():
        raise DataError(f"{given} does not exist: there is no directory {folder}")
    files = [entry.name for entry in folder.iterdir() if entry.is_file()]
    near = get_close_matches(path.name, files, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(map(repr, near))}?" if near else "check the name"
    raise DataError(f"{given} does not exist; {hint}")


def _open_text(path: Path) -> TextIO:
    # utf-8-sig drops a byte-order mark, which would otherwise stick to the first name.
    if path.name.lower().endswith(".gz"):
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")


def _read_header(path: Path, delimiter: str) -> _Header:
    with _open_text(path) as stream:
        reader = csv.reader(stream, delimiter=delimiter)
        try:
            first = next((row for row in reader if row), None)
            if first is None:
                raise DataError(f"{path.name} is empty; its first line must name the columns")
            lines = reader.line_num
            has_rows = any(row for row in reader)
        except UnicodeDecodeError as error:
            raise DataError(_not_utf8(path)) from error
        except csv.Error as error:
            raise DataError(
                f"the header of {path.name} cannot be read ({error}); look for an unclosed quote"
            ) from error
    return _Header(names=[name.strip() for name in first], lines=lines, has_rows=has_rows)


def read_names(path: Path, delimiter: str) -> list[str]:
    """Read the names of the columns of a CSV file, checked.

    Raises
    ------
    DataError
        If it is empty, has duplicate names, or is separated by something else.
    """
    try:
        header = _read_header(path, delimiter)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(
            f"{path.name} is not an intact gzip file ({error}); copy it again"
        ) from error
    _check_delimiter(path, header, delimiter)
    return list(checked_names(header.names, path.name, None))


def _not_utf8(path: Path) -> str:
    return f"{path.name} is not UTF-8 text; save it again as CSV with encoding UTF-8"


def _check_delimiter(path: Path, header: _Header, delimiter: str) -> None:
    other = next((mark for mark in ";\t|," if mark != delimiter and mark in header.names[0]), None)
    if len(header.names) == 1 and other is not None:
        raise DataError(
            f"{path.name} has one column, named {header.names[0]!r}: it seems to be separated by "
            f"{other!r} where {delimiter!r} is expected; save it with {delimiter!r}"
        )


def _read_csv(path: Path, delimiter: str, columns: Sequence[str] | None) -> Table:
    header = _read_header(path, delimiter)
    _check_delimiter(path, header, delimiter)
    wanted = checked_names(header.names, path.name, columns)
    if not header.has_rows:
        raise DataError(f"{path.name} has a header ({', '.join(header.names)}) but no rows")
    table = _read_texts(path, delimiter, header, wanted)
    arrays, n = {name: parse_column(table.column(name)) for name in wanted}, table.num_rows
    del table
    pa.default_memory_pool().release_unused()  # Arrow would keep what the texts took
    return Table(columns=arrays, n=n, source=path.name)


def _read_texts(path: Path, delimiter: str, header: _Header, wanted: tuple[str, ...]) -> Any:
    def read(handler: Any = None) -> Any:
        # Every column comes as text: Arrow would fix a type from the first block of the file, and
        # fail, or lose leading zeros, on what comes later.
        return arrow_csv.read_csv(
            path,
            read_options=arrow_csv.ReadOptions(
                column_names=header.names, skip_rows=header.lines, use_threads=handler is None
            ),
            parse_options=arrow_csv.ParseOptions(
                delimiter=delimiter, newlines_in_values=True, invalid_row_handler=handler
            ),
            convert_options=arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(header.names, pa.string()),
                include_columns=list(wanted),
                strings_can_be_null=False,
            ),
        )

    try:
        return read()
    except pa.ArrowInvalid as error:
        if "UTF8" in str(error):
            raise DataError(_not_utf8(path)) from error
        bad: list[Any] = []

        def keep_first(row: Any) -> str:
            bad.append(row)
            return "error"

        # Rows are numbered only when one thread reads, so the row is looked for in a second pass.
        try:
            read(keep_first)
        except pa.ArrowInvalid as second:
            raise DataError(_explain_row(path, header, bad, second)) from second
        raise DataError(f"{path.name} cannot be read as CSV: {error}") from error


def _explain_row(path: Path, header: _Header, bad: list[Any], error: Exception) -> str:
    if not bad:
        return f"{path.name} cannot be read as CSV ({error}); look for an unclosed quote"
    row = bad[0]
    text = row.text if len(row.text) <= 60 else row.text[:60] + "…"
    found = "1 value" if row.actual_columns == 1 else f"{row.actual_columns} values"
    return (
        f"row {row.number - header.lines} of {path.name} (not counting the header) has {found} "
        f"where the header has {row.expected_columns} columns: {text!r}; correct that row, or "
        "look for an unclosed quote"
    )


def _read_parquet(path: Path, columns: Sequence[str] | None) -> Table:
    if path.stat().st_size == 0:
        raise DataError(f"{path.name} is empty (0 bytes)")
    try:
        # ParquetFile rather than read_table, which makes columns of folder names such as year=1982.
        with pq.ParquetFile(path) as file:
            wanted = checked_names(file.schema_arrow.names, path.name, columns)
            table = file.read(columns=list(wanted))
    except pa.ArrowException as error:
        raise DataError(f"{path.name} is not an intact Parquet file ({error})") from error
    if table.num_rows == 0:
        raise DataError(f"{path.name} has columns ({', '.join(wanted)}) but no rows")
    arrays = {name: from_arrow(table.column(name)) for name in wanted}
    return Table(columns=arrays, n=table.num_rows, source=path.name)
