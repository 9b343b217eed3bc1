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

from bayes_mlm.base import (
    ABSENT,
    DIRECTORY,
    DataError,
    Registry,
    expand_home,
    expect_path,
    explain_file,
    shown,
    unreadable_reason,
    visible,
)
from bayes_mlm.data.columns import Column, any_match, from_arrow, numbers_in, typed_from_table
from bayes_mlm.data.numerals import Decimal, check_decimal, plain_numerals
from bayes_mlm.data.reader import Reader, Written
from bayes_mlm.data.table import Table, as_table, checked_names, table_of_columns
from bayes_mlm.data.texts import BLANKS, FALSE_TEXTS, MISSING_TEXTS, TRUE_TEXTS

DELIMITERS = {".csv": ",", ".tsv": "\t", ".csv.gz": ",", ".tsv.gz": "\t"}
PARQUET = (".parquet", ".pq")
# By the ending of a file's name, in lower case.
READERS: Registry[Reader] = Registry("kind of data file", DataError)


@dataclass(frozen=True, kw_only=True)
class Header:
    """The names of the columns of a CSV file, the lines before them, and those to their end."""

    names: list[str]
    blank: int
    lines: int
    has_rows: bool


def read_table(
    source: str | Path,
    *,
    columns: Sequence[str] | None = None,
    decimal: Decimal | None = None,
    delimiter: str | None = None,
) -> Table:
    r"""Read a CSV, TSV (either one gzipped or not) or Parquet file.

    Parameters
    ----------
    source : str or Path
        A file ending in .csv, .tsv, .csv.gz, .tsv.gz, .parquet or .pq. Text is UTF-8, with or
        without a byte-order mark; its first line names the columns.
    columns : sequence of str, optional
        The columns to read; all by default.
    decimal : {".", ","}, optional
        The decimal mark of numbers in text, which may then have separators of thousands (the other
        mark, a blank, an apostrophe), a typographic minus, brackets for it, and one currency or
        per cent sign throughout, which is dropped: with "," the texts "3,14", "1.234,5" and
        "12 %" are 3.14, 1234.5 and 12. Without it, only plain numbers such as 3.14 are read.
    delimiter : str, optional
        What separates the columns of a text file; by default a comma, or a tab in .tsv.

    Returns
    -------
    Table
        Its source is the file's name. Parquet columns are converted as by `as_table`. The type
        of a CSV column is decided from all its values, less the spaces around them, and with
        `MISSING_TEXTS` set aside: whole numbers, else numbers, else truth values (true, false),
        else text. A column stays text, so that an identifier keeps its identity, if a value has
        leading zeros (00123), or if it holds whole numbers too large for 64 bits (or, with values
        missing, for a float64). Text is as written, with the spaces around it; so are dates. Blank
        lines are skipped.

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
    path = expand_home(source)
    if isinstance(columns, str):
        columns = (columns,)
    require_file(path, str(source))
    path = path.absolute()  # Arrow takes s3:x.parquet for an address
    name = path.name.lower()
    check_decimal(decimal)
    try:
        for suffix, read in READERS.items():
            if name.endswith(suffix):
                return read(path, columns, Written(decimal=decimal, delimiter=delimiter))
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(
            f"{shown(path)} is not an intact gzip file ({error}); copy it again"
        ) from error
    except OSError as error:
        raise DataError(f"{shown(path)} cannot be read: {error.strerror or error}") from error
    raise DataError(
        f"{shown(path)} is of an unknown kind; files that can be read end in "
        f"{', '.join(READERS)}. Save it as one of these, or read it with pandas "
        "or polars and give the frame to bayes_mlm.as_table"
    )


def parse_column(values: Any, decimal: Decimal | None = None) -> Column:
    """Infer the type of a column of text from all its values, and convert it.

    Parameters
    ----------
    values : pyarrow.Array or pyarrow.ChunkedArray of string, length n
        A column of a CSV file, as written.
    decimal : {".", ","}, optional
        As of `read_table`.

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
    if any_match(values, '^ "'):  # a space before a quoted value is no part of it
        quoted = '^ "((?:[^"]|"")*)"$'
        inside = pc.replace_substring(pc.replace_substring_regex(values, quoted, r"\1"), '""', '"')
        values = pc.if_else(pc.match_substring_regex(values, quoted), inside, values)
    trimmed = pc.utf8_trim(values, characters=BLANKS)
    gone = pc.is_in(trimmed, value_set=as_texts(MISSING_TEXTS))
    labels, values = (pc.if_else(gone, pa.nulls(1, pa.string())[0], x) for x in (values, trimmed))
    if values.null_count == len(values):
        return np.full(len(values), np.nan)
    numerals = values if decimal is None else plain_numerals(values, decimal)
    numbers = None if numerals is None else numbers_in(numerals)
    if numbers is not None:
        return from_arrow(numbers)
    known = pc.is_in(values, value_set=as_texts(TRUE_TEXTS + FALSE_TEXTS))
    if pc.all(pc.or_(known, pc.is_null(values))).as_py():
        truth = pc.is_in(values, value_set=as_texts(TRUE_TEXTS))
        return from_arrow(pc.if_else(pc.is_null(values), pa.nulls(1, pa.bool_())[0], truth))
    return from_arrow(labels)


def as_texts(texts: Sequence[str]) -> Any:
    """Make an Arrow array of a few texts (pyarrow.array would import pandas: it costs seconds)."""
    data = [text.encode() for text in texts]
    ends = np.cumsum([0, *map(len, data)], dtype=np.int32)
    return pa.StringArray.from_buffers(len(data), pa.py_buffer(ends), pa.py_buffer(b"".join(data)))


def require_file(path: Path, name: str) -> None:
    """Raise an error if a path is no file, with the nearest names."""
    reason, named = unreadable_reason(path), visible(name)
    if not reason:
        return
    if reason == DIRECTORY:
        raise DataError(
            f"{named} is a directory; give one file ({', '.join(DELIMITERS)}, .parquet)"
        )
    if reason != ABSENT:
        raise DataError(f"{named} {explain_file(path)}")
    if "://" in name:
        raise DataError(f"{named} is an address, not a file; download it and give the file's path")
    folder = path.parent
    if not folder.is_dir():
        raise DataError(f"{named} does not exist: there is no directory {visible(folder)}")
    files = [entry.name for entry in folder.iterdir() if entry.is_file()]
    near = get_close_matches(path.name, files, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(map(repr, near))}?" if near else "check the name"
    raise DataError(f"{named} does not exist; {hint}")


def _open_text(path: Path) -> TextIO:
    # utf-8-sig drops a byte-order mark, which would otherwise stick to the first name.
    if path.name.lower().endswith(".gz"):
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")


def _read_header(path: Path, delimiter: str) -> Header:
    with _open_text(path) as stream:
        reader = csv.reader(stream, delimiter=delimiter)
        try:
            blank, first = next(((k, row) for k, row in enumerate(reader) if row), (0, None))
            if first is None:
                raise DataError(f"{shown(path)} is empty; its first line must name the columns")
            lines = reader.line_num
            row = next((row for row in reader if row), None)
            if len(first) == 1 and first[0].lstrip(BLANKS).startswith("#") and len(row or ()) > 1:
                raise DataError(
                    f"{shown(path)} begins with a comment ({first[0]!r}), and its first line must "
                    "name the columns; delete comment lines"
                )
            if row is not None and len(row) == len(first) + 1 and not row[-1].strip(BLANKS):
                first.append("")  # every row ends in a delimiter, but for the header
        except UnicodeDecodeError as error:
            raise DataError(_not_utf8(path)) from error
        except csv.Error as error:
            raise DataError(
                f"the header of {shown(path)} cannot be read ({error}); look for an unclosed quote"
            ) from error
    return Header(names=_named(first), blank=blank, lines=lines, has_rows=row is not None)


def _named(header: Sequence[str]) -> list[str]:
    """Return a name for every column: R and pandas write none for row names."""
    names = [name.strip(BLANKS) for name in header]
    for k, name in enumerate(names):
        unique = name or f"unnamed_{k + 1}"
        while not name and unique in names:
            unique += "_"
        names[k] = unique
    return names


def read_header(path: Path, delimiter: str) -> Header:
    """Read the header of a CSV file, and check the names in it.

    Raises
    ------
    DataError
        If it is empty, has duplicate names, or is separated by something else.
    """
    try:
        header = _read_header(path, delimiter)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(
            f"{shown(path)} is not an intact gzip file ({error}); copy it again"
        ) from error
    _check_delimiter(path, header, delimiter)
    checked_names(header.names, shown(path), None)
    return header


def _not_utf8(path: Path) -> str:
    with path.open("rb") as file:
        begin = file.read(4)
    if begin[:2] == b"\x1f\x8b" and not path.name.lower().endswith(".gz"):
        return f"{shown(path)} is gzipped; give it a name that ends in .gz ({shown(path)}.gz)"
    if begin == b"PK\x03\x04":
        return f"{shown(path)} is a zip archive or an Excel workbook, not text; save it as CSV"
    return f"{shown(path)} is not UTF-8 text; save it again as CSV with encoding UTF-8"


def _check_delimiter(path: Path, header: Header, delimiter: str) -> None:
    other = next((mark for mark in ";\t|," if mark != delimiter and mark in header.names[0]), None)
    if len(header.names) == 1 and other is not None:
        comma = ', and decimal="," (--decimal ,) if it has decimal commas' if other == ";" else ""
        raise DataError(
            f"{shown(path)} has one column, named {header.names[0]!r}: it seems to be separated "
            f"by {other!r} where {delimiter!r} is expected; give delimiter={other!r} (--delimiter "
            f"{other!r}){comma}, or save it with {delimiter!r}"
        )


def settled_delimiter(delimiter: str | None, usual: str) -> str:
    """Return the separator of columns, the usual one by default.

    Raises
    ------
    DataError
        If it is not one character that can separate columns.
    """
    found = usual if delimiter is None else {"tab": "\t", "\\t": "\t"}.get(delimiter, delimiter)
    if len(found) != 1 or not found.isascii() or found in '"\r\n' or found.isalnum():
        raise DataError(
            f"delimiter={delimiter!r} cannot separate columns; give one character such as ';' "
            "or '|', or tab"
        )
    return found


def _read_csv(path: Path, columns: Sequence[str] | None, written: Written) -> Table:
    usual = next(mark for suffix, mark in DELIMITERS.items() if path.name.lower().endswith(suffix))
    delimiter = settled_delimiter(written.delimiter, usual)
    header = _read_header(path, delimiter)
    _check_delimiter(path, header, delimiter)
    wanted = checked_names(header.names, shown(path), columns)
    if not header.has_rows:
        raise DataError(f"{shown(path)} has a header ({', '.join(header.names)}) but no rows")
    table = _read_texts(path, delimiter, header, wanted)
    arrays = {name: parse_column(table.column(name), written.decimal) for name in wanted}
    n = table.num_rows
    del table
    pa.default_memory_pool().release_unused()  # Arrow would keep what the texts took
    return Table(columns=arrays, n=n, source=shown(path), from_text=True)


def _read_texts(path: Path, delimiter: str, header: Header, wanted: tuple[str, ...]) -> Any:
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
        raise DataError(f"{shown(path)} cannot be read as CSV: {error}") from error


def _explain_row(path: Path, header: Header, bad: list[Any], error: Exception) -> str:
    if not bad:
        return f"{shown(path)} cannot be read as CSV ({error}); look for an unclosed quote"
    row = bad[0]
    text = row.text if len(row.text) <= 60 else row.text[:60] + "…"
    found = "1 value" if row.actual_columns == 1 else f"{row.actual_columns} values"
    return (
        f"row {row.number - header.lines} of {shown(path)} (not counting the header) has "
        f"{found} where the header has {row.expected_columns} columns: {text!r}; correct that row, "
        "or look for an unclosed quote"
    )


def _read_parquet(path: Path, columns: Sequence[str] | None, written: Written) -> Table:
    if path.stat().st_size == 0:
        raise DataError(f"{shown(path)} is empty (0 bytes)")
    try:
        # ParquetFile rather than read_table, which makes columns of folder names such as year=1982.
        with pq.ParquetFile(path) as file:
            wanted = checked_names(file.schema_arrow.names, shown(path), columns)
            table = file.read(columns=list(wanted))
    except pa.ArrowException as error:
        raise DataError(f"{shown(path)} is not an intact Parquet file ({error})") from error
    if table.num_rows == 0:
        raise DataError(f"{shown(path)} has columns ({', '.join(wanted)}) but no rows")
    found = table_of_columns(typed_from_table(table), shown(path))
    return as_table(found, decimal=written.decimal)


for _suffix in DELIMITERS:
    READERS.register(_suffix, _read_csv)
for _suffix in PARQUET:
    READERS.register(_suffix, _read_parquet)
