"""Read a table from a sheet of a workbook: Excel and OpenDocument."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from bayes_mlm.base import DataError, count, shown
from bayes_mlm.data.columns import Column, TypedColumn, as_whole, from_any
from bayes_mlm.data.formats.sheet import (
    Area,
    Findings,
    Sheet,
    cell_name,
    is_blank,
    read_area,
    study,
)
from bayes_mlm.data.formats.text import named
from bayes_mlm.data.na_values import NaValues, note_on_codes, read_na_values
from bayes_mlm.data.numerals import is_number
from bayes_mlm.data.reader import ReadOptions, import_extra, read_omitted
from bayes_mlm.data.table import Table, as_table, checked_names, table_of_columns
from bayes_mlm.data.texts import BLANKS, MISSING_TEXTS

_LISTED = 3


def read_workbook(
    path: Path, columns: Sequence[str] | None, options: ReadOptions, part: str = ""
) -> Table:
    """Read a sheet of a workbook, or a range of its cells; `bayes_mlm.read_table` has the rules."""
    if part:
        if options.sheet is not None:
            raise DataError(f"the sheet is named twice, as ::{part} and sheet={options.sheet!r}")
        name, mark, cells = part.rpartition("!")
        options = replace(
            options, sheet=name if mark else part, cells=cells if mark else options.cells
        )
    area, omitted = read_area(options.cells), read_omitted(options.omit_rows)
    sheet = _sheet(path, options, area, omitted)
    found = study(sheet, area, omitted)
    where = f"sheet {sheet.name!r} of {shown(path)}"
    if found.header < 0:
        raise DataError(f"{where} has no cells{' there' if options.cells else ''}")
    if found.remarks:
        raise DataError(f"in {where} {_advice(sheet, area, omitted, found)}")
    return _table(path, sheet, area, omitted, found.header, columns, options)


def _sheet(path: Path, options: ReadOptions, area: Area, omitted: frozenset[int]) -> Sheet:
    """Read the sheet that is meant: the one named, or the only one with cells."""
    library = import_extra("python_calamine", "python-calamine", path, "a workbook")
    try:
        with library.CalamineWorkbook.from_path(str(path)) as book:
            visible = [
                one.name
                for one in book.sheets_metadata
                if one.visible == library.SheetVisibleEnum.Visible
                and one.typ == library.SheetTypeEnum.WorkSheet
            ]
            names = (
                visible
                if options.sheet is None
                else [_named(path, book.sheet_names, options.sheet)]
            )
            sheets = [_read_sheet(path, book, name) for name in names]
    except library.PasswordError as error:
        raise DataError(f"{shown(path)} is locked by a password; save it without") from error
    except (library.CalamineError, library.ZipError, library.XmlError) as error:
        raise DataError(f"{shown(path)} is not an intact workbook ({error})") from error
    full = [one for one in sheets if one.rows]
    if not full:
        raise DataError(f"{shown(path)} has no cells")
    if len(full) == 1:
        return full[0]
    listed = ", ".join(f"{one.name!r} ({one.extent})" for one in full[:12])
    likely = max(full, key=lambda one: sum(len(row) for row in one.rows))
    found = study(likely, area, omitted)
    more = f". In {likely.name!r} {_advice(likely, area, omitted, found)}" if found.remarks else ""
    raise DataError(
        f"{shown(path)} has {len(full)} sheets with cells ({listed}); name one, such as "
        f"sheet={likely.name!r} (--sheet {_quoted(likely.name)}){more}"
    )


def _read_sheet(path: Path, book: Any, name: str) -> Sheet:
    sheet = book.get_sheet_by_name(name)
    if not sheet.height:
        return Sheet(name=name, rows=[])
    merged = sheet.merged_cell_ranges
    if merged is None:
        from bayes_mlm.data.formats.ods import merged_in_ods  # XML, of this kind only

        merged = merged_in_ods(path, name) if path.name.lower().endswith(".ods") else ()
    rows = sheet.to_python(skip_empty_area=False)
    return Sheet(name=name, rows=rows, merged=tuple(sorted(merged)))


def _named(path: Path, names: Sequence[str], wanted: str) -> str:
    folded = {name.strip().casefold(): name for name in names}
    found = folded.get(wanted.strip().casefold())
    if found is None:
        raise DataError(
            f"{shown(path)} has no sheet {wanted!r}; sheets: {', '.join(map(repr, names))}"
        )
    return found


def _quoted(name: str) -> str:
    return name if name.isalnum() else f"{name!r}"


def _advice(sheet: Sheet, area: Area, omitted: frozenset[int], found: Findings) -> str:
    """Return what is not data, and the options that read the rest."""
    options = {}
    first = cell_name(found.header, area.left)
    if found.header > area.top and any(
        f"row {k + 1} " in " ".join(found.remarks) for k in range(area.top, found.header)
    ):
        right = max(map(len, sheet.rows)) - 1 if area.right is None else area.right
        bottom = len(sheet.rows) - 1 if area.bottom is None else area.bottom
        options["cells"] = f"{first}:{cell_name(bottom, right)}"
    rows = sorted({*omitted, *found.omit})
    if rows:
        options["omit_rows"] = ",".join(str(row + 1) for row in rows)
    python = ", ".join(f'{name}="{value}"' for name, value in options.items())
    line = " ".join(f"--{name.replace('_', '-')} {value}" for name, value in options.items())
    advice = f"; read the table with {python} ({line})" if options else ""
    return f"{'; '.join(found.remarks)}{advice}"


def _table(
    path: Path,
    sheet: Sheet,
    area: Area,
    omitted: frozenset[int],
    header: int,
    columns: Sequence[str] | None,
    options: ReadOptions,
) -> Table:
    last = len(sheet.rows) if area.bottom is None else area.bottom + 1
    kept = [k for k in range(header + 1, min(last, len(sheet.rows))) if k not in omitted]
    filled = _fill(sheet, header)
    width = max(map(len, sheet.rows)) if area.right is None else area.right + 1
    places = list(range(area.left, width))
    kept = [k for k in kept if not all(is_blank(filled[k][c]) for c in places)]
    places = [
        c
        for c in places
        if not (is_blank(sheet.rows[header][c]) and all(is_blank(filled[k][c]) for k in kept))
    ]
    where = f"sheet {sheet.name!r} of {shown(path)}"
    names = named([_heading(sheet, where, header, c) for c in places])
    wanted = checked_names(names, where, columns)
    if not kept:
        raise DataError(f"{where} has columns ({', '.join(names)}) but no rows")
    declared = read_na_values(options.na_values)
    given: dict[str, TypedColumn] = {}
    notes: dict[str, tuple[str, ...]] = {}
    for name, c in zip(names, places, strict=True):
        if name not in wanted:
            continue
        cells, found = _without_codes(name, [(k, filled[k][c]) for k in kept], declared)
        given[name], remarks = _column(name, cells, c)
        remarks = (*remarks, *found)
        ranges = [one for one in sheet.merged if _fills(one, c, header, kept)]
        if ranges:
            begin, end = ranges[0]
            remarks = (
                *remarks,
                f"{name}: every row of a merged range has the value of its first cell "
                f"({len(ranges)} ranges, the first {cell_name(*begin)}:{cell_name(*end)})",
            )
        if remarks:
            notes[name] = remarks
    table = replace(table_of_columns({n: given[n] for n in wanted}, shown(path)), notes=notes)
    return table if options.decimal is None else as_table(table, decimal=options.decimal)


def _heading(sheet: Sheet, where: str, header: int, column: int) -> str:
    value = sheet.rows[header][column]
    if isinstance(value, str):
        return " ".join(value.split())
    if isinstance(value, float) and value.is_integer():
        return str(int(value))  # a year
    raise DataError(
        f"in {where} cell {cell_name(header, column)} is {value!r} where the names of the columns "
        "should be; add a row of names above the data, or give the range whose first row names "
        "them, such as cells='A3:D180' (--cells)"
    )


def _fill(sheet: Sheet, header: int) -> list[list[Any]]:
    """Return the rows with the value of a merged range in each of its cells, below the header."""
    rows = [list(row) for row in sheet.rows] if sheet.merged else sheet.rows
    for (top, left), (bottom, right) in sheet.merged:
        if top > header:
            for k in range(top, min(bottom + 1, len(rows))):
                for c in range(left, min(right + 1, len(rows[k]))):
                    rows[k][c] = rows[top][left]
    return rows


def _fills(merged: Any, column: int, header: int, kept: Sequence[int]) -> bool:
    (top, left), (bottom, right) = merged
    return bool(top > header and left <= column <= right and bottom > top and top <= kept[-1])


def _column(
    name: str, cells: Sequence[tuple[int, Any]], column: int
) -> tuple[TypedColumn, tuple[str, ...]]:
    """Convert the cells of a column; numbers stored as text are numbers, with a note."""
    values = [None if is_blank(v) or _is_missing(v) else v for _, v in cells]
    kinds = {type(v) for v in values if v is not None}
    numbers, texts = kinds & {int, float}, str in kinds
    if not (numbers and texts):
        if kinds <= {int, float}:
            return TypedColumn(values=_numbers(values)), ()
        if kinds - {str, bool, int, float} and texts:
            values = [None if v is None else str(v) for v in values]
        return from_any(name, values), ()
    odd = [(k, v) for (k, _), v in zip(cells, values, strict=True) if isinstance(v, str)]
    shown_cells = ", ".join(f"{v[:20]!r} in {cell_name(k, column)}" for k, v in odd[:_LISTED])
    shown_cells += ", …" if len(odd) > _LISTED else ""
    if kinds <= {int, float, str} and all(_is_plain(v) for _, v in odd):
        numerals = [float(v) if isinstance(v, str) else v for v in values]
        what = "1 number is" if len(odd) == 1 else f"{len(odd):,} numbers are"
        return TypedColumn(values=_numbers(numerals)), (
            f"{name}: {what} stored as text ({shown_cells})",
        )
    text = [None if v is None else _as_text(v) for v in values]
    many = sum(isinstance(v, (int, float)) for v in values)
    note = (
        f"{name}: {count(len(odd), 'cell')} of text ({shown_cells}) among {count(many, 'number')}"
    )
    return from_any(name, text), (note,)


def _without_codes(
    name: str, cells: list[tuple[int, Any]], declared: NaValues | None
) -> tuple[list[tuple[int, Any]], tuple[str, ...]]:
    """Return cells without codes of missing values that are text, and a note on each code."""
    codes = () if declared is None else declared.of(name)
    counts = dict.fromkeys(codes, 0)
    kept: list[tuple[int, Any]] = []
    for row, value in cells:
        text = value.strip(BLANKS) if isinstance(value, str) else ""
        if text in counts:
            counts[text] += 1
        kept.append((row, None if text in counts else value))
    return kept, note_on_codes(name, counts)


def _is_missing(value: Any) -> bool:
    return isinstance(value, str) and value.strip(BLANKS) in MISSING_TEXTS


def _is_plain(text: str) -> bool:
    """Return whether a text is a number and no identifier with leading zeros."""
    bare = text.strip(BLANKS)
    return is_number(bare) and not (bare.lstrip("+-").startswith("0") and bare[1:2].isdigit())


def _numbers(values: Sequence[Any]) -> Column:
    return as_whole(np.array([np.nan if v is None else v for v in values], dtype=np.float64))


def _as_text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.10g}"
    if isinstance(value, (dt.date, dt.time)):
        return value.isoformat()
    return str(value)
