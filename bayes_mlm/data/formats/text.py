"""Read a table from a text file of separated values: CSV and TSV."""

import csv
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv

from bayes_mlm.base import DataError, shown
from bayes_mlm.data.formats.layout import (
    TextLayout,
    layout_of,
    lines_of_title,
    note_on_encoding,
    reader_of,
)
from bayes_mlm.data.formats.streams import (
    UTF8,
    damage,
    fallback_encoding,
    open_bytes,
    open_text,
)
from bayes_mlm.data.na_values import note_on_codes, read_na_values
from bayes_mlm.data.parsing import as_texts, parse_column
from bayes_mlm.data.reader import ReadOptions, read_omitted
from bayes_mlm.data.table import Table, checked_names
from bayes_mlm.data.texts import BLANKS


@dataclass(frozen=True, kw_only=True)
class Header:
    """The names of the columns of a CSV file, the lines before them, and those to their end."""

    names: list[str]
    blank: int
    lines: int
    has_rows: bool


def read_text(
    path: Path, columns: Sequence[str] | None, options: ReadOptions, _part: str = ""
) -> Table:
    """Read a CSV or TSV file, compressed or not; `bayes_mlm.read_table` has the rules."""
    if options.omit_rows is not None:
        with tempfile.TemporaryDirectory(prefix="bayes-mlm-") as folder:
            copy, kept, notes = without_lines(path, options, Path(folder))
            table = read_text(copy, columns, kept)
        notes = (*table.notes.get("", ()), *notes)
        of_table = {"": notes} if notes else {}
        return replace(table, source=shown(path), notes={**table.notes, **of_table})
    layout = layout_of(path, options)
    if layout.delimiter == " ":
        return _read_aligned(path, columns, layout)
    try:
        return _read(path, columns, layout)
    except UnicodeDecodeError as error:  # after the bytes by which it was detected
        if options.encoding is not None:
            raise DataError(
                f"{shown(path)} is not text in the encoding {options.encoding} ({error.reason}); "
                "give another encoding (--encoding)"
            ) from error
        with damage(path), open_bytes(path) as stream:
            text = stream.read()
        encoding = fallback_encoding(path, text)
        note = note_on_encoding(path, text.decode(encoding), encoding)
        return _read(path, columns, replace(layout, encoding=encoding, notes=(*layout.notes, note)))


def without_lines(
    path: Path, options: ReadOptions, folder: Path
) -> tuple[Path, ReadOptions, tuple[str, ...]]:
    """Copy a text file without the lines to omit, as UTF-8.

    Returns
    -------
    tuple
        The copy, the options that read it, and a note on the encoding, if it was not given.
    """
    omitted = read_omitted(options.omit_rows)
    layout = layout_of(path, replace(options, omit_rows=None))
    notes: tuple[str, ...] = ()
    ending = next(one for one in (".gz", ".zst", "") if path.name.lower().endswith(one))
    copy = folder / path.name[: len(path.name) - len(ending)]
    try:
        with (
            damage(path),
            open_text(path, layout.encoding) as text,
            copy.open("w", encoding="utf-8", newline="") as target,
        ):
            target.writelines(line for k, line in enumerate(text) if k not in omitted)
    except UnicodeDecodeError as error:
        raise DataError(
            f"{shown(path)} is not text in the encoding {layout.encoding} ({error.reason}); give "
            "another encoding (--encoding)"
        ) from error
    if options.encoding is None and layout.encoding != UTF8:
        text_of_copy = copy.read_text("utf-8")
        notes = (note_on_encoding(path, text_of_copy, layout.encoding),)
    return copy, replace(options, omit_rows=None, encoding="utf-8"), notes


def _read_aligned(path: Path, columns: Sequence[str] | None, layout: TextLayout) -> Table:
    """Read a text file whose columns are separated by any number of blanks, by a copy with tabs."""
    with tempfile.TemporaryDirectory(prefix="bayes-mlm-") as folder:
        copy = Path(folder, path.name)
        with (
            damage(path),
            open_text(path, layout.encoding) as text,
            copy.open("w", encoding="utf-8", newline="") as target,
        ):
            csv.writer(target, delimiter="\t").writerows(reader_of(text, " "))
        table = _read(copy, columns, replace(layout, delimiter="\t", encoding=UTF8))
    return replace(table, source=shown(path))


def read_header(path: Path, layout: TextLayout) -> Header:
    """Read the header of a CSV file, and check the names in it.

    Raises
    ------
    DataError
        If it is empty, has duplicate names, or is separated by something else.
    """
    header = _read_header(path, layout)
    _check_delimiter(path, header, layout.delimiter)
    checked_names(header.names, shown(path), None)
    return header


def _read(path: Path, columns: Sequence[str] | None, layout: TextLayout) -> Table:
    header = _read_header(path, layout)
    _check_delimiter(path, header, layout.delimiter)
    wanted = checked_names(header.names, shown(path), columns)
    if not header.has_rows:
        raise DataError(f"{shown(path)} has a header ({', '.join(header.names)}) but no rows")
    table = _read_texts(path, layout, header, wanted)
    declared = read_na_values(layout.na_values)
    arrays = {}
    notes: dict[str, tuple[str, ...]] = {"": layout.notes} if layout.notes else {}
    for name in wanted:
        codes = () if declared is None else declared.of(name)
        texts, found = _without_codes(name, table.column(name), codes)
        arrays[name] = parse_column(texts, layout.decimal)
        if found:
            notes[name] = found
    n = table.num_rows
    del table
    pa.default_memory_pool().release_unused()  # Arrow would keep what the texts took
    return Table(
        columns=arrays,
        n=n,
        source=shown(path),
        from_text=True,
        notes=notes,
    )


def _without_codes(name: str, texts: Any, codes: Sequence[str]) -> tuple[Any, tuple[str, ...]]:
    """Return a column of text with codes of missing values empty, and a note on each code."""
    if not codes:
        return texts, ()
    trimmed = pc.utf8_trim(texts, characters=BLANKS)
    counts = {code: pc.sum(pc.equal(trimmed, code)).as_py() or 0 for code in codes}
    gone = pc.is_in(trimmed, value_set=as_texts(codes))
    return pc.if_else(gone, "", texts), note_on_codes(name, counts)


def _read_header(path: Path, layout: TextLayout) -> Header:
    with damage(path), open_text(path, layout.encoding) as stream:
        before = 1 if layout.preamble else 0
        if before:
            stream.readline()
        reader = csv.reader(stream, delimiter=layout.delimiter)
        try:
            blank, first = next(((k, row) for k, row in enumerate(reader) if row), (0, None))
            if first is None:
                raise DataError(f"{shown(path)} is empty; its first line must name the columns")
            lines = before + reader.line_num
            row = next((row for row in reader if row), None)
            if len(first) == 1 and row is not None:
                _refuse_title(path, first[0], lines_of_title(path, layout))
            filled = [name for name in first if name.strip(BLANKS)]
            if len(first) > len(filled) == 1 and row is not None and all(map(str.strip, row)):
                _refuse_title(path, filled[0], lines)
            if layout.row_names:
                first.insert(0, "")
            elif row is not None and len(row) == len(first) + 1 and not row[-1].strip(BLANKS):
                first.append("")  # every row ends in a delimiter, but for the header
        except csv.Error as error:
            raise DataError(
                f"the header of {shown(path)} cannot be read ({error}); look for an unclosed quote"
            ) from error
    return Header(names=named(first), blank=before + blank, lines=lines, has_rows=row is not None)


def _refuse_title(path: Path, title: str, lines: int) -> None:
    """Refuse lines above the names of the columns, if there are any."""
    if not lines:
        return
    what = "a comment" if title.lstrip(BLANKS).startswith("#") else "a title"
    span = f"1-{lines}" if lines > 1 else "1"
    raise DataError(
        f"{shown(path)} appears to begin with {what} ({title!r}), and its first line must name the "
        f'columns; omit the lines above the names by omit_rows="{span}" (--omit-rows {span})'
    )


def named(header: Sequence[str]) -> list[str]:
    """Return a name for every column: R and pandas write none for row names."""
    names = [name.strip(BLANKS) for name in header]
    for k, name in enumerate(names):
        unique = name or f"unnamed_{k + 1}"
        while not name and unique in names:
            unique += "_"
        names[k] = unique
    return names


def _check_delimiter(path: Path, header: Header, delimiter: str) -> None:
    other = next((mark for mark in ";\t|," if mark != delimiter and mark in header.names[0]), None)
    if len(header.names) == 1 and other is not None:
        comma = ', and decimal="," (--decimal ,) if it has decimal commas' if other == ";" else ""
        raise DataError(
            f"{shown(path)} has one column, named {header.names[0]!r}: it seems to be separated "
            f"by {other!r} where {delimiter!r} is expected; give delimiter={other!r} (--delimiter "
            f"{other!r}){comma}, or save it with {delimiter!r}"
        )


def _read_texts(path: Path, layout: TextLayout, header: Header, wanted: tuple[str, ...]) -> Any:
    def read(handler: Any = None) -> Any:
        # Every column comes as text: Arrow would fix a type from the first block of the file, and
        # fail, or lose leading zeros, on what comes later.
        return arrow_csv.read_csv(
            path,
            read_options=arrow_csv.ReadOptions(
                column_names=header.names,
                skip_rows=header.lines,
                use_threads=handler is None,
                encoding="utf8" if layout.encoding == UTF8 else layout.encoding,
            ),
            parse_options=arrow_csv.ParseOptions(
                delimiter=layout.delimiter, newlines_in_values=True, invalid_row_handler=handler
            ),
            convert_options=arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(header.names, pa.string()),
                include_columns=list(wanted),
                strings_can_be_null=False,
            ),
        )

    try:
        with damage(path):
            return read()
    except pa.ArrowInvalid as error:
        if "UTF8" in str(error):
            raise UnicodeDecodeError("utf-8", b"", 0, 1, "invalid UTF-8") from error
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
