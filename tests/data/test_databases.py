"""A table of a database, or a query, is data like any other, and only read."""

import sqlite3
from pathlib import Path

import duckdb
import numpy as np
import pytest

from bayes_mlm import fit, load_hsb
from bayes_mlm.base.errors import DataError
from bayes_mlm.data import open_data
from bayes_mlm.data.reading import read_table

FORMULA = "mathach ~ ses + (1 | schoolid)"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    found = tmp_path_factory.mktemp("databases")
    students = load_hsb()
    with duckdb.connect(str(found / "study.duckdb")) as connection:
        connection.execute("create table pupils as from students")
        connection.execute("create view catholic as from pupils where sector = 1")
        connection.execute("create schema other")
        connection.execute("create type size as enum ('small', 'large')")
        connection.execute(
            "create table other.sizes as select 'large'::size as s, 1 as x "
            "union all select 'small'::size, 2"
        )
    with sqlite3.connect(found / "study.sqlite") as connection:
        students.to_sql("pupils", connection, index=False)
        connection.execute('create table "odd name" (x real, t text)')
        connection.executemany('insert into "odd name" values (?, ?)', [(1.5, None), (None, "a")])
    connection.close()
    return found


@pytest.mark.parametrize("rows", ["auto", "keep", "sum"])
@pytest.mark.parametrize("file", ["study.duckdb", "study.sqlite"])
def test_a_table_and_a_query_give_the_fit_of_the_frame(folder: Path, file: str, rows: str) -> None:
    exact = fit(FORMULA, load_hsb(), engine="reml").solution.beta
    found = fit(FORMULA, f"{folder / file}::pupils", engine="reml", rows=rows)
    np.testing.assert_allclose(found.solution.beta, exact, rtol=1e-10)
    source = f"{folder / file}::select * from pupils where sector = 1"
    some = fit(FORMULA, source, engine="reml", rows=rows)
    assert some.design.n == 3543  # the Catholic schools' students
    assert some.request.source.data == source


def test_tables_are_found_by_name(folder: Path) -> None:
    path = folder / "study.duckdb"
    assert read_table(f"{path}::catholic", columns=["ses"]).n == 3543
    sizes = read_table(f"{path}::other.sizes")
    assert sizes.categories == {"s": ("small", "large")}
    odd = read_table(f"{folder / 'study.sqlite'}::ODD NAME")
    assert odd.columns["t"].tolist() == [None, "a"]
    np.testing.assert_array_equal(odd.columns["x"], [1.5, np.nan])
    assert open_data(f"{path}::pupils").engine == "duckdb"


@pytest.mark.parametrize("file", ["study.duckdb", "study.sqlite"])
@pytest.mark.parametrize(
    ("part", "message"),
    [
        ("", r"has [23] tables \('.*'\); name one, or give a query, after two colons: '.*::"),
        ("nope", "has no table 'nope'; tables: "),
        ("select nope from pupils", "cannot answer 'select nope from pupils': .*nope"),
        ("select * from pupils where ses > 100", "but no rows"),
    ],
)
def test_what_cannot_be_read_is_refused(folder: Path, file: str, part: str, message: str) -> None:
    source = f"{folder / file}::{part}" if part else str(folder / file)
    with pytest.raises(DataError, match=message):
        read_table(source)


@pytest.mark.parametrize(
    "query", ["with t as (select 1 as x) select * from t; drop table pupils", "drop table pupils"]
)
@pytest.mark.parametrize("file", ["study.duckdb", "study.sqlite"])
def test_a_database_is_only_read(folder: Path, file: str, query: str) -> None:
    before = (folder / file).read_bytes()
    with pytest.raises(DataError):
        read_table(f"{folder / file}::{query}")
    assert (folder / file).read_bytes() == before


@pytest.mark.parametrize(
    "query",
    [
        "select 1 as x; copy (select 1) to '{file}'",
        "select * from read_csv('{secret}')",
        "from '{secret}'",
        "select * from secret",  # a frame of this process
        "select 1 as x; attach '{file}'",
        "select 1 as x; set enable_external_access = true",
    ],
)
def test_a_query_reads_its_database_and_nothing_besides(folder: Path, tmp_path, query: str) -> None:
    secret, file = tmp_path / "secret.csv", tmp_path / "written"
    secret.write_text("a\n1\n")
    source = query.format(secret=secret, file=file)
    for read in (read_table, lambda source: fit("x ~ 1", source, engine="ols", rows="sum")):
        with pytest.raises(DataError):
            read(f"{folder / 'study.duckdb'}::{source}")
        assert not file.exists()


def test_a_database_that_is_written_elsewhere_is_explained(folder: Path) -> None:
    with duckdb.connect(str(folder / "study.duckdb")) as connection:
        with pytest.raises(DataError, match=r"study.duckdb"):
            read_table(f"{folder / 'study.duckdb'}::pupils")
        assert connection.table("pupils").shape[0] == 7185


def test_only_databases_and_workbooks_have_parts(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a\n1\n")
    with pytest.raises(DataError, match="t.csv is neither"):
        read_table(f"{tmp_path / 't.csv'}::a")
    (tmp_path / "odd::name.csv").write_text("a\n1\n")
    assert read_table(tmp_path / "odd::name.csv").n == 1


def test_a_report_names_the_table_and_not_its_folder(folder: Path, tmp_path, monkeypatch) -> None:
    from bayes_mlm import cli
    from bayes_mlm.data import DataSource
    from bayes_mlm.report.provenance import checksum, data_name

    source = DataSource(data=f"{folder / 'study.sqlite'}::select ses / 2 as x from pupils")
    assert data_name(source) == "study.sqlite::select ses / 2 as x from pupils"
    assert len(checksum(source)) == 64  # SHA-256 of the whole file
    words = ["bayes-mlm", "fit", FORMULA, "--data", f"{folder / 'study.sqlite'}::pupils"]
    monkeypatch.setattr("sys.argv", [*words, "--out", str(tmp_path / "run"), "--quiet"])
    with pytest.raises(SystemExit):
        cli.main()
    report = (tmp_path / "run" / "report.html").read_text("utf-8")
    assert "study.sqlite::pupils" in report
    assert str(folder) not in report
    monkeypatch.setattr("sys.argv", [*words, "--out", str(folder / "study.sqlite")])
    with pytest.raises(SystemExit):
        cli.main()


def test_an_output_never_replaces_the_database_that_is_read(folder: Path) -> None:
    from bayes_mlm.base.errors import StorageError
    from bayes_mlm.cli.files import check_file

    path = folder / "study.sqlite"
    with pytest.raises(StorageError, match="does not write"):
        check_file(path, "x.csv", inputs=(f"{path}::pupils",))
