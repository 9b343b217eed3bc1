"""Folders and globs of files of every kind are read as one table."""

import shutil
import zipfile
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyreadstat
import pytest
from pyarrow import feather, parquet

from bayes_mlm import fit, open_data
from bayes_mlm.base.errors import DataError
from bayes_mlm.data import columns as of_columns
from bayes_mlm.data.lazy import staging
from bayes_mlm.data.reader import READERS, format_of
from bayes_mlm.data.reading import read_table
from bayes_mlm.design import read_data

FILES = Path(__file__).parent / "files"
FORMULA = "score ~ ses + agree + (1 | school)"
OPTIONS = {"stata13.dta": {"encoding": "utf-8"}}
# A file of each kind: of another program, or (of those not among them) written here.
BY_OTHERS = [
    *("study.csv", "study.csv.gz", "study.sqlite", "haven.rds", "stata13.dta", "stata15.dta"),
    *("spss.sav", "spss.zsav", "pspp.por", "sas.sas7bdat", "sas.xpt"),
    *("libreoffice.ods", "libreoffice.xls", "libreoffice.xlsx"),
]
WRITTEN = ["study.parquet", "study.feather", "study.duckdb", "study.tsv", "study.csv.bz2"]


def write(name: str, folder: Path) -> Path:
    """Return a file of the study, of the kind of its name."""
    target = folder / name
    frame = pd.read_csv(FILES / "study.csv")
    if name in BY_OTHERS:
        shutil.copy(FILES / name, target)
    elif name.endswith(".parquet"):
        frame.to_parquet(target)
    elif name.endswith(".feather"):
        feather.write_feather(pa.Table.from_pandas(frame), target)
    elif name.endswith(".bz2"):
        frame.to_csv(target, index=False)
    elif name.endswith(".tsv"):
        frame.to_csv(target, sep="\t", index=False)
    else:
        with duckdb.connect(target) as connection:
            connection.execute("create table study as select * from frame")
    return target


def test_every_kind_is_tried() -> None:
    """By the reader: .xlsm and .xlsb are read as .xlsx is. A zip archive has its own test."""
    tried = {format_name(name) for name in (*BY_OTHERS, *WRITTEN)} | {"a zip archive"}
    assert tried == {found.what for found in READERS.values()}


def format_name(name: str) -> str:
    known = format_of(Path(name))
    assert known is not None
    return known[1].what


@pytest.mark.parametrize("name", [*BY_OTHERS, *WRITTEN])
def test_two_files_are_the_table_of_both(name: str, tmp_path: Path) -> None:
    """Twice the same rows: the estimates of the CSV's rows, read twice."""
    folder = tmp_path / "parts"
    folder.mkdir()
    first = write(name, folder)
    shutil.copy(first, folder / f"second-{name}")
    options = OPTIONS.get(name, {})
    one = read_table(first, **options)
    both = read_data(folder) if not options else read_data(open_data(folder, **options))
    assert both.n == 2 * one.n
    assert both.names == one.names
    for column, values in one.columns.items():
        twice = np.concatenate([values, values])
        assert pd.Series(both.columns[column]).equals(pd.Series(twice)), column
    assert both.categories == one.categories
    assert both.labels == one.labels
    assert both.value_labels == one.value_labels
    twice_csv = pd.concat([pd.read_csv(FILES / "study.csv")] * 2)
    wanted = fit(FORMULA, twice_csv, engine="reml", missing="drop").solution
    formula = FORMULA.upper() if name.endswith(".por") else FORMULA  # a .por has capitals only
    ending = "".join(Path(name).suffixes)
    for source in (folder, folder / f"*{ending}"):
        for rows in ("keep", "sum"):
            found = fit(formula, source, engine="reml", missing="drop", rows=rows, **options)
            np.testing.assert_allclose(found.solution.beta, wanted.beta, rtol=1e-7)
            assert found.solution.loglik == pytest.approx(wanted.loglik, abs=1e-6)


@pytest.mark.parametrize("missing", ["drop", "error"])
def test_not_a_number_is_missing_where_parquet_leaves_it_out_of_the_extremes(
    missing, tmp_path: Path
) -> None:
    """DuckDB drops a filter by isnan if the file's statistics, which leave NaN out, are finite."""
    frame = pd.read_csv(FILES / "study.csv")
    table = pa.table({name: pa.array(frame[name].to_numpy()) for name in frame})
    assert table["ses"].null_count == 0
    assert frame["ses"].isna().sum() == 4
    parquet.write_table(table, tmp_path / "one.parquet")
    if missing == "error":
        with pytest.raises(DataError, match="'ses' has 4 missing"):
            fit(FORMULA, tmp_path / "one.parquet", engine="reml", rows="sum")
        return
    for rows in ("keep", "sum"):
        found = fit(FORMULA, tmp_path / "one.parquet", engine="reml", missing="drop", rows=rows)
        assert found.design.n == len(frame) - 4
        wanted = fit(FORMULA, frame.dropna(), engine="reml").solution
        np.testing.assert_allclose(found.solution.beta, wanted.beta, rtol=1e-9)


def test_one_file_is_in_memory_at_a_time(tmp_path: Path, monkeypatch) -> None:
    for k in range(4):
        write("stata15.dta", tmp_path).rename(tmp_path / f"{k}.dta")
    alive: list[object] = []
    real = staging.read_file

    def counting(*arguments):
        import gc
        import weakref

        gc.collect()
        assert sum(one() is not None for one in alive) <= 1
        table = real(*arguments)
        alive.append(weakref.ref(table))
        return table

    monkeypatch.setattr(staging, "read_file", counting)
    assert open_data(tmp_path).source == f"{tmp_path.name} (4 files)"
    assert len(alive) == 4


def test_a_table_of_each_database_is_named_after_the_pattern(tmp_path: Path) -> None:
    for k in range(2):
        with duckdb.connect(tmp_path / f"{k}.duckdb") as connection:
            connection.execute("create table a as select 1 as x")
            connection.execute(f"create table b as select {k} as x from range(3)")
    assert read_data(f"{tmp_path}/*.duckdb::b").columns["x"].tolist() == [0] * 3 + [1] * 3
    with pytest.raises(DataError, match=r"0.duckdb has 2 tables"):
        read_data(f"{tmp_path}/*.duckdb")


def save(path: Path, frame: pd.DataFrame, **labels) -> None:
    pyreadstat.write_sav(frame, path, variable_value_labels=labels)


def test_labels_that_occur_in_one_file_have_their_place_among_all(tmp_path: Path) -> None:
    often = {1.0: "never", 3.0: "often"}
    save(tmp_path / "a.sav", pd.DataFrame({"x": [1.0, 3.0], "y": [1.0, 2.0]}), x=often)
    all_three = {1.0: "never", 2.0: "sometimes", 3.0: "often"}
    save(tmp_path / "b.sav", pd.DataFrame({"x": [2.0, 1.0], "y": [np.nan, 2.0]}), x=all_three)
    table = read_data(tmp_path)
    assert table.columns["x"].tolist() == ["never", "often", "sometimes", "never"]
    assert table.categories["x"] == ("never", "sometimes", "often")
    assert table.value_labels["x"] == all_three


def test_one_value_with_two_labels_is_refused_where_it_is_read_by_value(tmp_path: Path) -> None:
    frame = pd.DataFrame({"sex": [1.0, 2.0, 7.0], "y": [1.0, 2.0, 3.0]})  # 7 has no label
    save(tmp_path / "a.sav", frame, sex={1.0: "male", 2.0: "female"})
    save(tmp_path / "b.sav", frame, sex={1.0: "female", 2.0: "male"})
    with pytest.raises(
        DataError, match=r"value 1.0 of column 'sex' is 'female' in b.sav and 'male'"
    ):
        read_data(tmp_path)


def test_a_column_without_values_in_one_file_is_of_the_type_of_the_others(tmp_path: Path) -> None:
    full = pd.DataFrame({"a": ["x", "y"], "b": [1.0, 2.0], "c": ["p", "q"]})
    empty = pd.DataFrame({"a": [np.nan] * 2, "b": [np.nan] * 2, "c": ["p", "q"]})
    for name, frame in (("1", empty), ("2", full), ("3", empty)):
        feather.write_feather(pa.Table.from_pandas(frame), tmp_path / f"{name}.feather")
    table = read_data(tmp_path)
    assert table.columns["a"].tolist() == [None, None, "x", "y", None, None]
    np.testing.assert_array_equal(table.columns["b"], [np.nan] * 2 + [1, 2] + [np.nan] * 2)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"ses": ["low", "high"]}, r"column 'ses' is text in b.feather and a number in a.feather"),
        ({"SES": [1.0, 2.0]}, r"a.feather has no column 'SES', and b.feather has"),
    ],
)
def test_files_that_differ_are_refused_by_name(change, says, tmp_path: Path) -> None:
    frame = pd.DataFrame({"y": [1.0, 2.0], "ses": [0.5, 1.5]})
    other = frame.assign(**change)
    for name, one in (("a", frame), ("b", other)):
        feather.write_feather(pa.Table.from_pandas(one), tmp_path / f"{name}.feather")
    with pytest.raises(DataError, match=says):
        read_data(tmp_path)


def test_a_folder_of_two_kinds_is_refused_with_both(tmp_path: Path) -> None:
    for name in ("stata15.dta", "study.csv", "libreoffice.xlsx"):
        write(name, tmp_path)
    with pytest.raises(DataError, match="files of several kinds") as caught:
        read_data(tmp_path)
    for part in ("a Stata file (stata15.dta)", "a text file (study.csv)", "a workbook (libre"):
        assert part in str(caught.value)
    assert read_data(tmp_path / "*.dta").n == read_table(FILES / "stata15.dta").n


def test_files_that_may_be_anything_are_data_where_a_pattern_names_them(tmp_path: Path) -> None:
    write("study.csv", tmp_path)
    (tmp_path / "readme.txt").write_text("What is in here\n")
    rows = read_data(tmp_path).n
    shutil.copy(tmp_path / "study.csv", tmp_path / "more.dat")
    with zipfile.ZipFile(tmp_path / "more.zip", "w") as archive:
        archive.write(tmp_path / "study.csv", "study.csv")
    shutil.copy(tmp_path / "more.zip", tmp_path / "most.zip")
    assert read_data(tmp_path).n == rows
    assert read_data(tmp_path / "*.dat").n == rows
    assert read_data(tmp_path / "*.zip").n == 2 * rows


def test_text_that_is_scanned_and_text_that_is_not_are_one_table(tmp_path: Path) -> None:
    write("study.csv", tmp_path)
    write("study.csv.bz2", tmp_path)
    assert read_data(tmp_path).n == 144


def test_a_damaged_file_among_others_is_named(tmp_path: Path) -> None:
    write("stata15.dta", tmp_path)
    (tmp_path / "z.dta").write_bytes(b"not Stata")
    with pytest.raises(DataError, match=r"z.dta"):
        read_data(tmp_path)


def test_orders_of_many_labels_are_joined_in_the_order_first_met() -> None:
    many = [str(k) for k in range(3000)]
    assert of_columns.merge_orders([many[::2], many]) == (*many[::2], *many[1::2])
    assert of_columns.merge_orders([["b", "c"], ["a", "b"], [], ["c", "d"]]) == tuple("abcd")
