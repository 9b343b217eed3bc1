"""Declared codes of missing values: the same fit as with the values missing, and a note on each."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from bayes_mlm import fit, load_hsb, open_data, read_table
from bayes_mlm.base import DataError
from bayes_mlm.data import DATASETS, ReadOptions, load_dataset, without_codes
from bayes_mlm.data.na_values import na_text, note_on_sentinel
from bayes_mlm.data.table import as_table

FORMULA = "mathach ~ ses + (1 | schoolid)"
NOTES = (
    "2 values of mathach are -999: read as missing",
    "3 values of ses are k.A.: read as missing",
)


def _coded(frame: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    rows = frame[["mathach", "ses", "schoolid"]]
    missing, coded = rows.copy(), rows.copy()
    coded["ses"] = coded["ses"].astype(object)
    missing.loc[[3, 9, 11], "ses"] = np.nan
    coded.loc[[3, 9, 11], "ses"] = "k.A."
    missing.loc[[20, 30], "mathach"] = np.nan
    coded.loc[[20, 30], "mathach"] = -999
    return missing, coded


def _write(coded: pd.DataFrame, kind: str, folder: Path) -> Any:
    path = folder / f"a.{kind}"
    if kind == "frame":
        return coded
    if kind == "csv":
        coded.to_csv(path, index=False)
    elif kind == "parquet":
        coded.astype({"ses": str}).to_parquet(path)
    elif kind == "xlsx":
        coded.to_excel(path, index=False)
    else:
        path = folder / "many"
        path.mkdir()
        coded[:3000].to_csv(path / "1.csv", index=False)
        coded[3000:].to_csv(path / "2.csv", index=False)
    return path


@pytest.mark.parametrize(
    ("kind", "rows"),
    [
        *(("frame", "keep"), ("frame", "sum"), ("csv", "keep"), ("csv", "sum")),
        *(("parquet", "keep"), ("parquet", "sum"), ("folder", "keep"), ("xlsx", "keep")),
    ],
)
def test_codes_are_missing_in_data_of_every_kind(tmp_path: Path, kind: str, rows: Any) -> None:
    if kind == "xlsx":
        pytest.importorskip("openpyxl")
        pytest.importorskip("python_calamine")
    missing, coded = _coded(load_hsb())
    wanted = fit(FORMULA, missing, engine="reml", missing="drop")
    found = fit(
        FORMULA,
        _write(coded, kind, tmp_path),
        engine="reml",
        missing="drop",
        rows=rows,
        na_values=[-999, "k.A."],
    )
    assert found.design.n == wanted.design.n
    np.testing.assert_allclose(found.values.beta, wanted.values.beta, rtol=1e-7)
    assert set(NOTES) <= set(found.design.notes)


def test_codes_of_one_column_leave_the_others(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("g,x,y\n1,-9,-9\n2,3,-9.0\n3,-8,7\n")
    table = read_table(path, na_values={"x": [-9, -8]})
    np.testing.assert_array_equal(table.columns["x"], [np.nan, 3.0, np.nan])
    np.testing.assert_array_equal(table.columns["y"], [-9.0, -9.0, 7.0])
    both = read_table(path, na_values="x=-9;y=-9")
    np.testing.assert_array_equal(both.columns["y"], [np.nan, np.nan, 7.0])


def test_a_code_is_found_next_to_decimal_commas(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("g;x\n1;1,5\n2;k.A.\n3;2,5\n")
    table = read_table(path, na_values="k.A.")
    np.testing.assert_array_equal(table.columns["x"], [1.5, np.nan, 2.5])


def test_labelled_codes_are_missing_by_value_and_by_label() -> None:
    labels = {1.0: "low", 2.0: "high", -9.0: "Refused"}
    table = replace(
        as_table({"x": ["low", "Refused", "high"], "z": [4.0, -9.0, 5.0]}),
        value_labels={"x": labels, "z": {-9.0: "Refused"}},
        categories={"x": ("Refused", "low", "high")},
    )
    for code in ("-9", "Refused"):
        found = without_codes(table, code)
        assert found.columns["x"].tolist() == ["low", None, "high"]
        assert found.categories["x"] == ("low", "high")
        np.testing.assert_array_equal(found.columns["z"], [4.0, np.nan, 5.0])


def test_a_column_with_codes_that_is_not_there_is_noted(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("score,y\n1,2\n2,3\n")
    for table in (read_table(path, na_values="scroe=-9"), open_data(path, na_values="scroe=-9")):
        assert "no column 'scroe' (did you mean 'score'?)" in table.notes[""][0]


@pytest.mark.parametrize("text", ["", "x=", "-9,,k", "=-9", ["a,b"], ["x=1"]])
def test_what_are_no_codes_is_refused(text: Any) -> None:
    with pytest.raises(DataError, match="na_values"):
        na_text(text)


def test_new_rows_are_read_with_the_codes_and_the_notation(tmp_path: Path) -> None:
    for k in (1, 2):
        (tmp_path / f"{k}.csv").write_text("a;b\n1;2\n")
    options = ReadOptions(delimiter=";", encoding="cp1252", na_values="-9", sheet="Data")
    kept = {"delimiter": ";", "encoding": "cp1252", "na_values": "-9"}
    assert options.of_new_rows(tmp_path).given == kept
    assert options.of_new_rows(tmp_path / "*").given == kept
    assert options.of_new_rows(as_table({"x": [1]})).given == {"na_values": "-9"}


def test_no_bundled_column_seems_to_have_codes() -> None:
    for name in DATASETS:
        for column, values in load_dataset(name).columns.items():
            assert note_on_sentinel(column, values) == ()


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ([*range(10, 60), -9, -9, -8], -9),
        ([*np.linspace(-3, 3, 50), -999, -999], -999),
        ([*range(1, 8), 99, 99], 99),
        ([*range(1, 30), -1, -1], -1),
        ([*range(100), 99, 99], None),  # a percentage
        ([-1, 0, 1, -1, 0, 1], None),  # a contrast
        ([*np.linspace(-20, 30, 60), -9, -9], None),  # a temperature
        ([*range(10, 60), -9], None),  # one value may be any
        ([*range(5), -1, -1], None),  # a scale from -1 to 4
    ],
)
def test_a_repeated_extreme_that_stands_apart_is_noted(values: Any, code: float | None) -> None:
    found = note_on_sentinel("x", np.array(values, dtype=float))
    assert [f'na_values="x={code}"' in note for note in found] == ([] if code is None else [True])
