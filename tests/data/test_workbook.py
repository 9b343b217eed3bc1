"""A sheet is read whole and true, or refused with the sheet, the row, the cell and the option."""

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pytest

from bayes_mlm import fit
from bayes_mlm.base.errors import DataError
from bayes_mlm.data.formats.ods import merged_in_ods
from bayes_mlm.data.formats.sheet import cell_name, read_area
from bayes_mlm.data.reader import read_omitted
from bayes_mlm.data.reading import read_table

HEADER = ["school", "x", "y"]
ROWS = [[f"s{k % 4}", k / 2, (k * k) % 11 + 0.5] for k in range(20)]


def book(path: Path, rows: list[list[Any]], *, merged: tuple[str, ...] = (), **more: Any) -> Path:
    found = openpyxl.Workbook()
    for row in rows:
        found.active.append(row)
    for cells in merged:
        found.active.merge_cells(cells)
    for name, others in more.items():
        sheet = found.create_sheet(name)
        for row in others:
            sheet.append(row)
    found.save(path)
    return path


def test_cells_have_the_types_that_the_sheet_gives_them(tmp_path: Path) -> None:
    rows = [
        ["id", "x", "whole", "day", "passed", "code", 2020, None],
        ["a", 0.5, 1, dt.date(2020, 1, 2), True, "007", 1, None],
        ["b", "NA", 2, dt.date(2020, 1, 3), False, "008", 2, None],
        [None, 1.5, 3, None, True, "009", 3, None],
        [None] * 8,
        ["a", 2.5, 4, dt.date(2020, 1, 5), False, "010", 4, None],
    ]
    table = read_table(book(tmp_path / "t.xlsx", rows))
    assert table.names == ("id", "x", "whole", "day", "passed", "code", "2020")
    assert table.n == 4  # an empty row is none
    assert table.columns["id"].tolist() == ["a", "b", None, "a"]
    np.testing.assert_array_equal(table.columns["x"], [0.5, np.nan, 1.5, 2.5])
    assert table.columns["whole"].dtype == np.int64
    assert table.columns["day"].tolist() == ["2020-01-02", "2020-01-03", None, "2020-01-05"]
    assert table.times == {"day"}
    assert table.columns["passed"].dtype == np.bool_
    assert table.columns["code"].tolist() == ["007", "008", "009", "010"]


def test_titles_units_totals_and_notes_are_named_with_the_options_that_omit_them(tmp_path) -> None:
    rows = [["A study"], [], HEADER, [None, "m", "points"], *ROWS]
    rows += [["Total", None, 99.0], ["Source: our survey"]]
    path = book(tmp_path / "t.xlsx", rows, Readme=[["hello"]])
    with pytest.raises(DataError) as refusal:
        read_table(path)
    message = str(refusal.value)
    assert "has 2 sheets with cells ('Sheet' (A1:C26), 'Readme' (A1:A1))" in message
    for cell in ("'A study' in A1", "'m' in B4", "'Total' in A25", "'Source: our survey' in A26"):
        assert cell in message
    assert 'cells="A3:C26", omit_rows="4,25,26" (--cells A3:C26 --omit-rows 4,25,26)' in message
    options = {"sheet": "Sheet", "cells": "A3:C26", "omit_rows": "4,25,26"}
    table = read_table(path, **options)
    assert table.names == tuple(HEADER)
    assert table.columns["y"].tolist() == [row[2] for row in ROWS]
    plain = read_table(book(tmp_path / "plain.xlsx", [HEADER, *ROWS]))
    one, other = (fit("y ~ x + (1 | school)", data, engine="reml") for data in (table, plain))
    np.testing.assert_array_equal(one.solution.beta, other.solution.beta)
    named = fit("y ~ x + (1 | school)", f"{path}::Sheet!A3:C24", engine="reml", omit_rows="4")
    assert named.design.n == 20


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([[], [], *[HEADER, *ROWS]], ""),  # empty rows above are no matter
        ([HEADER, [None, "m", None], *ROWS], r"row 2 appears to contain units \('m' in B2\)"),
        (
            [HEADER, *ROWS, [], ["Mean", 5, 5]],
            "row 23 appears to contain totals",
        ),
        ([HEADER, *ROWS, ["Mean", "1", 2], ["SD", 3, 4]], "'Mean' in A22.*'SD' in A23"),
        ([HEADER, *ROWS, [None, None, sum(row[2] for row in ROWS)]], "row 22 .* totals"),
        ([["id", "score", None], [None, "pre", "post"], *ROWS], "in two rows, 1 and 2 \\('pre' in"),
        ([HEADER], r"has columns \(school, x, y\) but no rows"),
        (list(ROWS), "cell B1 is|cell A1 is|names of the columns"),
        ([["a", "a"], [1, 2], [2, 3]], "duplicate column names: 'a'"),
        ([], "t.xlsx has no cells"),
    ],
)
def test_rows_that_are_no_data_are_found(tmp_path: Path, rows: Any, message: str) -> None:
    path = book(tmp_path / "t.xlsx", rows)
    if not message:
        assert read_table(path).n == 20
        return
    with pytest.raises(DataError, match=message):
        read_table(path)


def test_numbers_stored_as_text_are_read_and_said_and_other_text_is_named(tmp_path: Path) -> None:
    rows = [list(row) for row in ROWS]
    rows[3][2], rows[5][1] = "15.85", "n/k"
    table = read_table(book(tmp_path / "t.xlsx", [HEADER, *rows]))
    assert table.columns["y"][3] == 15.85
    assert table.notes["y"] == ("y: 1 number is stored as text ('15.85' in C5)",)
    assert table.columns["x"].dtype == object
    with pytest.raises(DataError, match=r"1 cell of text \('n/k' in B7\) among 19 numbers"):
        fit("x ~ y + (1 | school)", table, engine="reml")
    rows[3][2] = "007"  # leading zeros: an identifier
    assert read_table(book(tmp_path / "t.xlsx", [HEADER, *rows])).columns["y"].dtype == object


def test_a_merged_range_has_its_value_in_every_row_and_an_empty_cell_has_none(tmp_path) -> None:
    rows = [["a", 1.0, 2.0], [None, 2.0, 1.0], [None, 3.0, 4.0], ["b", 1.5, 2.5], [None, 2.0, 3.0]]
    path = book(tmp_path / "t.xlsx", [HEADER, *rows], merged=("A2:A4",))
    table = read_table(path)
    assert table.columns["school"].tolist() == ["a", "a", "a", "b", None]
    assert "1 range, the first A2:A4" in table.notes["school"][0].replace("ranges", "range")
    titled = book(tmp_path / "u.xlsx", [["Title", None, None], HEADER, *rows], merged=("A1:C1",))
    with pytest.raises(DataError, match="'Title' in A1.*--cells A2:C7"):
        read_table(titled)


def test_merged_cells_of_opendocument_are_found(tmp_path: Path) -> None:
    import zipfile

    table = "urn:oasis:names:tc:opendocument:xmlns:table:1.0"
    office = "urn:oasis:names:tc:opendocument:xmlns:office:1.0"
    text = "urn:oasis:names:tc:opendocument:xmlns:text:1.0"

    def cell(value: Any, more: str = "") -> str:
        kind = "float" if isinstance(value, float) else "string"
        held = f' office:value="{value}"' if kind == "float" else ""
        return (
            f'<table:table-cell office:value-type="{kind}"{held}{more}><text:p>{value}</text:p>'
            "</table:table-cell>"
        )

    spanned = ' table:number-rows-spanned="2" table:number-columns-spanned="1"'
    covered = "<table:covered-table-cell/>"
    rows = [
        cell("g") + cell("y"),
        cell("a", spanned) + cell(1.0),
        covered + cell(2.0),
        cell("b") + cell(3.0),
        "<table:table-cell/>" + cell(4.0),
    ]
    body = "".join(f"<table:table-row>{row}</table:table-row>" for row in rows)
    content = (
        f'<?xml version="1.0"?><office:document-content xmlns:office="{office}" '
        f'xmlns:table="{table}" xmlns:text="{text}"><office:body><office:spreadsheet>'
        f'<table:table table:name="Data">{body}</table:table></office:spreadsheet></office:body>'
        "</office:document-content>"
    )
    path = tmp_path / "t.ods"
    kind = "application/vnd.oasis.opendocument.spreadsheet"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mimetype", kind)
        archive.writestr("content.xml", content)
        archive.writestr(
            "META-INF/manifest.xml",
            "<manifest:manifest "
            'xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0">'
            f'<manifest:file-entry manifest:full-path="/" manifest:media-type="{kind}"/>'
            "</manifest:manifest>",
        )
    assert merged_in_ods(path, "Data") == [((1, 0), (2, 0))]
    assert read_table(path).columns["g"].tolist() == ["a", "a", "b", None]


def test_sheets_and_ranges_are_named(tmp_path: Path) -> None:
    path = book(tmp_path / "t.xlsx", [HEADER, *ROWS], Other=[["y"], [1.0], [2.0]])
    assert read_table(path, sheet=" other ").n == 2
    assert read_table(f"{path}::Sheet!B1:C5").names == ("x", "y")
    assert read_table(path, sheet="Sheet", cells="B:C", columns=["y"]).names == ("y",)
    with pytest.raises(DataError, match="has no sheet 'Nope'; sheets: 'Sheet', 'Other'"):
        read_table(path, sheet="Nope")
    with pytest.raises(DataError, match="the sheet is named twice"):
        read_table(f"{path}::Sheet", sheet="Other")
    for cells in ("", "3:1", "A1:B2:C3", "1A", "?"):
        with pytest.raises(DataError, match="cells="):
            read_table(path, sheet="Sheet", cells=cells)
    for rows in ("x", "3-", "-1", ""):
        with pytest.raises(DataError, match="omit_rows="):
            read_table(path, sheet="Sheet", omit_rows=rows)


def test_names_of_cells_and_ranges() -> None:
    assert [cell_name(0, k) for k in (0, 25, 26, 701, 702)] == ["A1", "Z1", "AA1", "ZZ1", "AAA1"]
    area = read_area("$B$3:AA9")
    assert (area.top, area.left, area.bottom, area.right) == (2, 1, 8, 26)
    assert read_omitted("4,8-10") == {3, 7, 8, 9}


def test_the_first_row_of_a_range_names_the_columns(tmp_path: Path) -> None:
    rows = [["A study"], ["school", None, None, None], *[[*row, None] for row in ROWS]]
    path = book(tmp_path / "t.xlsx", rows)
    assert read_table(path, cells="A2").names[0] == "school"
