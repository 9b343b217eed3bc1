"""Read a table from a file of any kind that the registry of readers has."""

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from bayes_mlm.base import (
    ABSENT,
    DIRECTORY,
    DataError,
    expand_home,
    expect_path,
    explain_file,
    shown,
    unreadable_reason,
    visible,
)
from bayes_mlm.data.formats.archive import read_archive
from bayes_mlm.data.formats.arrow import FEATHER, PARQUET, read_feather, read_parquet
from bayes_mlm.data.formats.databases import DATABASES, read_database
from bayes_mlm.data.formats.layout import DELIMITERS, OTHER_TEXT
from bayes_mlm.data.formats.r_files import read_r
from bayes_mlm.data.formats.statistical import read_por, read_sas, read_spss, read_stata, read_xport
from bayes_mlm.data.formats.streams import damage, open_bytes
from bayes_mlm.data.formats.text import read_text
from bayes_mlm.data.formats.workbook import read_workbook
from bayes_mlm.data.na_values import na_text, without_codes
from bayes_mlm.data.numerals import Decimal, check_decimal
from bayes_mlm.data.reader import (
    ALWAYS,
    COMPRESSED,
    READERS,
    USUAL,
    Format,
    ReadOptions,
    check_options,
    format_of,
    register_format,
    split_part,
)
from bayes_mlm.data.table import Table


def read_table(
    source: str | Path,
    *,
    columns: Sequence[str] | None = None,
    decimal: Decimal | None = None,
    delimiter: str | None = None,
    encoding: str | None = None,
    sheet: str | None = None,
    cells: str | None = None,
    omit_rows: str | None = None,
    codes: str | None = None,
    na_values: Any = None,
) -> Table:
    r"""Read a data file: text, Parquet, Feather, Stata, SPSS, SAS, R, Excel, ODS or a database.

    Parameters
    ----------
    source : str or Path
        A file. Its ending is its kind: .csv, .tsv, .tab, .txt and .dat (text), .parquet and .pq,
        .feather and .arrow, .dta (Stata), .sav, .zsav and .por (SPSS), .sas7bdat and .xpt (SAS),
        .rds and .RData (R), .xlsx, .xls and .ods (workbooks), .duckdb, .sqlite and .db
        (databases); with .gz, .zst, .bz2 or .xz after it, compressed; .zip, an archive. A table of
        a database, a query, a sheet of a workbook, a data frame of an .RData file, or a file of an
        archive stands after two colons: ``"study.duckdb::pupils"``,
        ``"study.sqlite::select * from pupils"``, ``"book.xlsx::Data"``, ``"all.zip::pupils.csv"``.
    columns : sequence of str, optional
        The columns to read; all by default.
    decimal : {".", ","}, optional
        The decimal mark of numbers in text, which may then have separators of thousands (the other
        mark, a blank, an apostrophe), a typographic minus, brackets for it, and one currency or
        per cent sign throughout, which is dropped: with "," the texts "3,14", "1.234,5" and
        "12 %" are 3.14, 1234.5 and 12. Without it, only plain numbers such as 3.14 are read, but
        for text that is not separated by commas and has numbers with a decimal comma throughout.
    delimiter : str, optional
        What separates the columns of a text file; by default a comma, or a tab in .tsv and .tab,
        or what plainly does. Of blanks (" ") any number in a row separate.
    encoding : str, optional
        Of a text file, such as "cp1252"; by default UTF-8, or cp1252 where it is not. Of Stata,
        SPSS and SAS files, if they state none or a wrong one.
    sheet : str, optional
        Name of the sheet of a workbook; needed if several have cells.
    cells : str, optional
        The cells of the sheet to read, the first row of which names the columns: "A3:D180", or
        "A3" for all from there on.
    omit_rows : str, optional
        Rows of the sheet, or lines of the text file, to omit, by their numbers there: "4,181" or
        "181-190".
    codes : str, optional
        Columns whose values are read although they have value labels: "agree,grade", or "all".
    na_values : str, number, sequence or mapping, optional
        Codes that stand for missing values, next to `MISSING_TEXTS`: ``"-999,k.A."`` or ``[-999,
        "k.A."]`` of every column, ``"score=-9,-8;income=-1"`` or ``{"score": [-9, -8]}`` of some.
        A number is found however it is written, and by its value label; a column is of the type
        that its other values have, and a note states how many were read as missing.

    Returns
    -------
    Table
        Its source is the file's name, and its notes say what was recognised and not given. Columns
        of typed files are converted as `as_table` says. The type of a CSV column is decided from
        all its values, less the spaces around them, and with `MISSING_TEXTS` set aside: whole
        numbers, else numbers, else truth values (true, false), else text. A column stays text, so
        that an identifier keeps its identity, if a value has leading zeros (00123), or if it holds
        whole numbers too large for 64 bits (or, with values missing, for a float64). Text is as
        written, with the spaces around it; so are dates. Blank lines are skipped. Of Stata, SPSS
        and SAS files, values that are declared missing (user-missing codes, .a to .z) are missing;
        where every value that occurs has a label, the labels are categories in the order of the
        values; variable labels are titles.

    Raises
    ------
    DataError
        If the file is absent, a directory, empty, without rows, of an unknown kind, damaged, has
        duplicate column names, a row of another length than the header, or several tables of which
        none is named, lacks one of `columns`, an option does not apply to it, or the library that
        reads it is not installed (``pip install 'bayes-mlm[files]'``).

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
    options = ReadOptions(
        decimal=decimal,
        delimiter=delimiter,
        encoding=encoding,
        sheet=sheet,
        cells=cells,
        omit_rows=omit_rows,
        codes=codes,
        na_values=na_text(na_values),
    )
    return read_file(source, options, columns)


def read_file(
    source: str | Path, options: ReadOptions = USUAL, columns: Sequence[str] | None = None
) -> Table:
    """Read a data file as `read_table` does, with the options in one."""
    expect_path("read_table", source)
    named, part = split_part(str(source))
    path = expand_home(named)
    if isinstance(columns, str):
        columns = (columns,)
    require_file(path, named)
    path = path.absolute()  # Arrow takes s3:x.parquet for an address
    check_decimal(options.decimal)
    known = format_of(path)
    if known is None:
        raise DataError(
            f"{shown(path)} is of an unknown kind; files that can be read end in "
            f"{_plain_endings()}, and any of them in {', '.join(COMPRESSED)} after it. Save it as "
            "one of these, or read it with pandas or polars and give the frame"
        )
    ending, found = known
    check_options(path, found, options)
    try:
        if ending in READERS:
            table = found.read(path, columns, options, part)
        else:
            table = _read_compressed(path, ending, found, options, part, columns)
    except OSError as error:
        raise DataError(f"{shown(path)} cannot be read: {error.strerror or error}") from error
    return without_codes(table, options.na_values, options.decimal, whole=columns is None)


def _plain_endings() -> str:
    """Return the endings of data files, without the further ones of compressed text."""
    return ", ".join(one for one in READERS if not one.endswith(COMPRESSED))


def _read_compressed(
    path: Path,
    ending: str,
    found: Format,
    options: ReadOptions,
    part: str,
    columns: Sequence[str] | None,
) -> Table:
    """Decompress a file whole, to read it as its kind is."""
    bare = ending.removesuffix(next(suffix for suffix in COMPRESSED if ending.endswith(suffix)))
    with tempfile.TemporaryDirectory(prefix="bayes-mlm-") as folder:
        whole = Path(folder, path.name[: -len(ending)] + bare)
        with damage(path), open_bytes(path) as packed, whole.open("wb") as target:
            shutil.copyfileobj(packed, target)
        return replace(found.read(whole, columns, options, part), source=shown(path))


def require_file(path: Path, given: str) -> None:
    """Raise an error if a path is no file, with the nearest names."""
    reason, named = unreadable_reason(path), visible(given)
    if not reason:
        return
    if reason == DIRECTORY:
        raise DataError(
            f"{named} is a directory; give one file ({', '.join(DELIMITERS)}, .parquet)"
        )
    if reason != ABSENT:
        raise DataError(f"{named} {explain_file(path)}")
    if "://" in given:
        raise DataError(f"{named} is an address, not a file; download it and give the file's path")
    if "::" in given:
        file, _, _ = given.partition("::")
        raise DataError(
            f"{named} does not exist; :: names a table of a database or a sheet of a workbook, and "
            f"{visible(Path(file).name)} is neither"
        )
    folder = path.parent
    if not folder.is_dir():
        raise DataError(f"{named} does not exist: there is no directory {visible(folder)}")
    files = [entry.name for entry in folder.iterdir() if entry.is_file()]
    near = get_close_matches(path.name, files, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(map(repr, near))}?" if near else "check the name"
    raise DataError(f"{named} does not exist; {hint}")


_TEXT = ALWAYS | {"delimiter", "encoding", "omit_rows"}
_CODED = ALWAYS | {"encoding", "codes"}
_SHEET = ALWAYS | {"sheet", "cells", "omit_rows"}

for _endings, _format in {
    (*DELIMITERS, *OTHER_TEXT): Format(read=read_text, what="a text file", options=_TEXT),
    PARQUET: Format(read=read_parquet, what="a Parquet file"),
    FEATHER: Format(read=read_feather, what="a Feather file"),
    (".dta",): Format(read=read_stata, what="a Stata file", options=_CODED),
    (".sav", ".zsav"): Format(read=read_spss, what="an SPSS file", options=_CODED),
    (".por",): Format(read=read_por, what="a portable SPSS file", options=_CODED),
    (".sas7bdat",): Format(read=read_sas, what="a SAS file", options=_CODED),
    (".xpt", ".xport"): Format(read=read_xport, what="a SAS transport file", options=_CODED),
    (".rds", ".rdata", ".rda"): Format(
        read=read_r,
        what="an R file",
        options=ALWAYS | {"codes"},
        has_parts=True,
    ),
    (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods"): Format(
        read=read_workbook, what="a workbook", options=_SHEET, has_parts=True
    ),
    DATABASES: Format(read=read_database, what="a database", has_parts=True),
    (".zip",): Format(
        read=read_archive, what="a zip archive", options=_TEXT | _CODED | _SHEET, has_parts=True
    ),
}.items():
    register_format(_endings, _format)
