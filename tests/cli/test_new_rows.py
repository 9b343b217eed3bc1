"""Rows to predict lie in a sheet, and cells, of their own."""

import csv
import json
import shutil
from pathlib import Path

import openpyxl
import pytest

from tests.helpers.students import F

FILES = Path(__file__).parents[1] / "data" / "files"
NEW = [["school", "ses", "math"], [1, 0.2, None], [3, -0.5, None]]


@pytest.fixture
def predict(run, tmp_path):
    """Return a function that predicts rows; students.csv and book.xlsx are there."""
    book = openpyxl.Workbook()
    book.active.title = "Read me"
    book.active.append(["Made in 2020"])
    sheet = book.create_sheet("New pupils")
    for row in [["Title"], [], *NEW, ["Total", 9.0]]:
        sheet.append(row)
    # The data too: another sheet, in other cells.
    with (tmp_path / "students.csv").open() as file:
        pupils = book.create_sheet("Pupils")
        for names in csv.reader(file):
            pupils.append([None, *(float(x) if x[-1].isdigit() else x for x in names)])
    book.save(tmp_path / "book.xlsx")

    def call(*options, data=("students.csv",)):
        words = ["--data", *data, "--new", *options, "--engine", "reml", "--json"]
        code, out, err = run("predict", F, *words)
        return code, [row["mean"] for row in json.loads(out)["results"]] if out else [], err

    return call


def test_the_place_of_new_rows_is_an_option(predict):
    found = predict("book.xlsx", "--new-sheet", "New pupils", "--new-cells", "A3:C5")
    assert (found[0], len(found[1])) == (0, 2)
    places = ["--new-sheet", "new pupils", "--new-omit-rows", "1,6"]
    assert predict("book.xlsx", *places) == found
    assert predict("book.xlsx::New pupils!A3:C5") == found
    data = ("book.xlsx", "--sheet", "Pupils", "--cells", "B1")  # of the same book
    assert predict("book.xlsx", *places, data=data) == found


def test_an_error_advises_the_options_of_new_rows(predict):
    code, _, err = predict("book.xlsx")
    assert code == 1
    assert "(--new-sheet 'New pupils')" in err or "--new-sheet Pupils" in err
    code, _, err = predict("book.xlsx", "--new-sheet", "New pupils")
    assert code == 1
    assert "--new-cells A3:C6 --new-omit-rows" in err
    code, _, err = predict("students.csv", "--new-sheet", "Pupils")
    assert (code, err.count("--new-sheet")) == (1, 1)


def test_new_rows_of_opendocument(run, tmp_path):
    for name in ("study.csv", "libreoffice.ods"):
        shutil.copy(FILES / name, tmp_path)
    words = ["score ~ agree + (1 | school)", "--data", "study.csv", "--engine", "reml"]
    words += ["--new", "libreoffice.ods", "--question", "new_group"]
    code, out, err = run("predict", *words, "--new-cells", "A1:E5", "--json")
    assert (code, err) == (0, "")
    assert len(json.loads(out)["results"]) == 4
