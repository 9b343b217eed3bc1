"""A table is the same whatever program wrote it, and so is its fit.

The files of `files/` are of one table, written by R's haven, PSPP, LibreOffice and sqlite3
(`files/make.R`, `files/make.sh`).
"""

import dataclasses
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyreadstat
import pytest
from pyarrow import feather

from bayes_mlm import fit
from bayes_mlm.base.errors import BayesMLMError, DataError
from bayes_mlm.data import DataSource, open_data
from bayes_mlm.data.reader import READERS, ReadOptions, format_of
from bayes_mlm.data.reading import read_table
from bayes_mlm.design import build_design, design_of
from bayes_mlm.fitting import as_request, load_fit, save_fit
from bayes_mlm.questions import predict
from bayes_mlm.studies import dump_record, load_record, record_of

FILES = Path(__file__).parent / "files"
FORMULA = "score ~ ses + C(band) + agree + (1 | school)"
# lme4 1.1-31 on study.csv, band as factor(levels = c("low", "middle", "high")), REML.
LME4 = {
    "beta": [21.255942132, 2.152537237, -0.236754772, 2.274510024, 0.537794988],
    "sd": [2.21017338, 2.22784025],
    "loglik": -158.071282,
}
BY_OTHERS = {
    "factors.rds": {},
    "haven.rds": {},
    "pspp.sav": {},
    "sas.sas7bdat": {},
    "sas.xpt": {},
    "spss.sav": {},
    "spss.zsav": {},
    "stata13.dta": {"encoding": "utf-8"},  # it states none, and haven writes UTF-8 all the same
    "stata15.dta": {},
}
BY_ALPHABET = ["libreoffice.ods", "libreoffice.xls", "libreoffice.xlsx", "study.csv.gz"]


@pytest.mark.parametrize("name", [*BY_OTHERS, *BY_ALPHABET, "study.sqlite", "study.csv"])
def test_a_file_of_another_program_gives_the_fit_of_lme4(name: str) -> None:
    found = fit(
        FORMULA, FILES / name, engine="reml", missing="drop", **BY_OTHERS.get(name, {})
    ).solution
    beta = dict(zip(found.terms, found.beta, strict=True))
    assert found.loglik == pytest.approx(LME4["loglik"], abs=2e-6)  # printed to nine digits
    np.testing.assert_allclose([found.sigma_u[0], found.sigma_e], LME4["sd"], rtol=1e-5)
    expected = dict(zip(("Intercept", "ses", "middle", "high", "agree"), LME4["beta"], strict=True))
    if name in BY_OTHERS:  # the order of the values is in the file, and low is the reference
        np.testing.assert_allclose(found.beta, list(expected.values()), rtol=1e-6)
    else:  # labels only, by the alphabet: high is the reference
        assert beta["C(band)[low]"] == pytest.approx(-expected["high"], rel=1e-6)
        assert beta["ses"] == pytest.approx(expected["ses"], rel=1e-6)


BAR = "(1 | school)"
SHEET = {"sheet": "Data", "cells": "A3:D185", "omit_rows": "4,185"}
# Simulated files, each with what readers get wrong; restricted log-likelihood, residual sd, numbers
# of rows and groups by lme4 1.1-31 from the table that was written into the file.
HARD = [
    # codes 97 to 99 of x are user-missing; band has labels in the order of its values
    ("survey.sav", "y ~ x + C(band) + (1 | school)", {}, (-395.0143, 2.68730, 160, 12)),
    # .a, .b and .c in x
    ("panel.dta", "y ~ x + C(band) + (1 | school)", {}, (-446.1051, 3.05227, 171, 12)),
    # a title, units, a total, and a number stored as text, on the second sheet
    ("book.xlsx", "y ~ x + (1 | school)", SHEET, (-473.9378, 3.14652, 180, 12)),
    # semicolons, decimal commas, a point for thousands, cp1252
    ("daten.csv", "y ~ x + (1 | school)", {}, (-1022.2454, 73.14737, 180, 12)),
    # a value without a label in track; talk and years have labels for their extremes only
    (
        "teachers.dta",
        "y ~ talk + years + C(track) + (1 | school)",
        {},
        (-655.1198, 5.00259, 213, 14),
    ),
    # two schools of one label, in several scripts
    ("towns.dta", "y ~ x + (1 | school)", {}, (-366.3301, 3.09611, 138, 12)),
    # merged cells, and two rows with no school
    ("pupils.xlsx", "y ~ x + public + (1 | school)", {}, (-244.4761, 3.16144, 93, 10)),
    # comments in cells, repeated rows stored once, a million empty rows
    ("wards.ods", "y ~ dose + share + (1 | ward)", {}, (-270.8940, 1.94849, 126, 10)),
    # identifiers of 19 digits, three of them missing
    ("visits.csv", "y ~ week + (1 | person)", {}, (-336.1070, 2.02547, 145, 18)),
    # compressed in two pieces
    ("sites.csv.gz", "y ~ age + (1 | site)", {}, (-450.4409, 8.08267, 126, 14)),
    ("sites.csv.zst", "y ~ age + (1 | site)", {}, (-450.4409, 8.08267, 126, 14)),
    # numbers of four bytes, exact zeros, special missing values, padded texts
    ("trial.xpt", "Y ~ C(DOSE) + X + (1 | CLINIC)", {}, (-348.0098, 4.00210, 121, 12)),
]


@pytest.mark.parametrize("rows", ["keep", "sum"])
@pytest.mark.parametrize(("name", "formula", "options", "expected"), HARD, ids=str)
def test_what_readers_get_wrong(name, formula, options, expected, rows) -> None:
    path = FILES / "hard" / name
    found = fit(formula, path, engine="reml", missing="drop", rows=rows, **options)
    loglik, sigma_e, n, n_groups = expected
    assert (found.design.n, found.design.J) == (n, n_groups)
    assert found.solution.loglik == pytest.approx(loglik, abs=6e-5)
    assert found.solution.sigma_e == pytest.approx(sigma_e, abs=6e-6)


@pytest.mark.parametrize("name", ["pspp.sav", "spss.sav", "spss.zsav", "stata15.dta", "haven.rds"])
def test_labels_are_categories_in_order_titles_and_missing_codes(name: str) -> None:
    table = read_table(FILES / name)
    plain = read_table(FILES / "study.csv")
    assert table.categories["band"] == ("low", "middle", "high")
    assert table.columns["band"].tolist() == plain.columns["band"].tolist()
    assert table.columns["school"].tolist() == plain.columns["school"].tolist()
    assert table.labels["ses"] == "Home resources"
    assert table.columns["agree"].dtype == np.int64  # of 0 to 10, two have a label
    assert table.value_labels["agree"] == {0.0: "never", 10.0: "always"}
    np.testing.assert_array_equal(table.columns["ses"], plain.columns["ses"])
    assert "4 values with" in table.notes["ses"][0]
    assert "none for 1, 2, 3, 4, …" in table.notes["agree"][0]
    assert design_of(as_request(FORMULA, str(FILES / name), missing="drop")).encoding.title(
        "score"
    ) == table.labels.get("score", "score")


def test_a_portable_file_has_the_names_that_its_format_has() -> None:
    table = read_table(FILES / "pspp.por")
    assert table.names == ("SCHOOL", "SES", "BAND", "AGREE", "SCORE")
    assert table.categories["BAND"] == ("low", "middle", "high")
    np.testing.assert_array_equal(
        table.columns["SES"], read_table(FILES / "study.csv").columns["ses"]
    )


def test_the_codes_are_read_where_they_are_asked_for() -> None:
    path = FILES / "spss.sav"
    found = read_table(path, codes="band")
    assert found.columns["band"].dtype == np.int64
    assert set(found.columns["band"]) == {1, 2, 3}
    assert read_table(path, codes="all").columns["school"].max() == 9
    with pytest.raises(DataError, match=r"codes=\"band\" \(--codes band\) reads the values"):
        fit("band ~ ses + (1 | school)", path, engine="reml", missing="drop")
    with pytest.raises(DataError, match='codes="band"'):
        build_design("score ~ I(band ** 2) + (1 | school)", read_table(path), missing="drop")
    assert fit("band ~ ses + (1 | school)", path, engine="reml", missing="drop", codes="band")
    for codes, message in (("score", "has no value labels"), ("nope", "is no column")):
        with pytest.raises(DataError, match=f"{message} in spss.sav; columns with value labels"):
            read_table(path, codes=codes)


def half_labelled(path: Path, values: list[int]) -> Path:
    frame = pd.DataFrame(
        {"g": np.repeat(range(len(values) // 4), 4), "track": values, "y": np.arange(len(values))}
    )
    frame["y"] = frame["y"] ** 1.5 % 7
    pyreadstat.write_dta(
        frame, str(path), variable_value_labels={"track": {1: "general", 2: "academic"}}
    )
    return path


def test_a_value_without_a_label_is_a_level_and_no_row_is_lost(tmp_path: Path) -> None:
    path = half_labelled(tmp_path / "t.dta", [1, 2, 3, 1] * 6)
    numeric = build_design("y ~ track + (1 | g)", read_table(path))
    assert numeric.terms == ("Intercept", "track")
    assert any(note.endswith("C(track) makes it categorical") for note in numeric.notes)
    design = build_design("y ~ C(track) + (1 | g)", read_table(path))
    assert not any("makes it categorical" in note for note in design.notes)
    assert design.terms == ("Intercept", "C(track)[academic]", "C(track)[3]")
    assert design.n == 24
    fitted = fit("y ~ C(track) + (1 | g)", path, random_seed=1, draws=50)
    again = load_fit(save_fit(fitted, tmp_path / "fit.nc"))
    assert again.design.terms == design.terms
    assert again.design.encoding.levels == design.encoding.levels
    summed = design_of(as_request("y ~ C(track) + (1 | g)", str(path)), rows="sum")
    assert summed.terms == design.terms
    assert not any("makes it categorical" in note for note in summed.notes)
    np.testing.assert_allclose(
        design.moments().scatter, summed.moments().scatter, rtol=1e-9, atol=1e-9
    )


def test_new_rows_that_are_all_labelled_or_not_are_read_as_the_first(tmp_path: Path) -> None:
    half = half_labelled(tmp_path / "half.dta", [1, 2, 3, 1] * 6)
    whole = half_labelled(tmp_path / "whole.dta", [1, 2, 2, 1] * 6)
    assert read_table(whole).columns["track"].dtype == object
    for formula in ("y ~ track + (1 | g)", "y ~ C(track) + (1 | g)"):
        by_file = predict(fit(formula, half, engine="reml"), whole).mean
        plain = {"g": read_table(whole).columns["g"], "track": np.array([1, 2, 2, 1] * 6)}
        np.testing.assert_allclose(by_file, predict(fit(formula, half, engine="reml"), plain).mean)
    fitted = fit("y ~ C(track) + (1 | g)", whole, engine="reml")
    with pytest.raises(BayesMLMError, match="has the category '3'"):
        predict(fitted, half)


def test_a_label_that_two_values_have_keeps_them_apart(tmp_path: Path) -> None:
    frame = pd.DataFrame({"school": [1.0, 2, 3, 1, 2, 3], "y": [1.0, 2, 4, 1, 3, 5]})
    path = tmp_path / "towns.sav"
    labels = {"school": {1: "St. Mary", 2: "Nord", 3: "St. Mary"}}
    pyreadstat.write_sav(frame, str(path), variable_value_labels=labels)
    table = read_table(path)
    assert table.categories["school"] == ("St. Mary (1)", "Nord", "St. Mary (3)")
    assert "is used for several values" in table.notes["school"][0]


def test_long_codes_with_one_label_remain_different_levels(tmp_path: Path) -> None:
    codes = [123456789012.0, 123456789013.0]
    frame = pd.DataFrame({"school": codes * 2, "y": [1.0, 2, 4, 1]})
    path = tmp_path / "towns.sav"
    labels = {"school": dict.fromkeys(codes, "St. Mary")}
    pyreadstat.write_sav(frame, str(path), variable_value_labels=labels)
    assert len(set(read_table(path).columns["school"].tolist())) == 2


def test_missing_codes_of_texts_and_labels_that_repeat_the_values(tmp_path: Path) -> None:
    frame = pd.DataFrame({"g": ["a", "zz", "b"], "year": [2001.0, 2002, 2003], "k": [1.0, 2, 9]})
    path = tmp_path / "t.sav"
    pyreadstat.write_sav(
        frame,
        str(path),
        missing_ranges={"g": ["zz"], "k": [9]},
        variable_value_labels={"year": {2001: "2001", 2002: "2002", 2003: "2003"}},
    )
    table = read_table(path)
    assert table.columns["g"].tolist() == ["a", None, "b"]
    assert table.columns["year"].tolist() == [2001, 2002, 2003]
    np.testing.assert_array_equal(table.columns["k"], [1, 2, np.nan])


def test_every_kind_of_file_refuses_what_is_not_one(tmp_path: Path) -> None:
    junk = b"this is no data, but long enough to be taken for the header of a file" * 9
    for ending in READERS:
        if ending.startswith((".csv", ".tsv")) and not ending.endswith((".gz", ".zst")):
            continue
        for content in (junk, b""):
            path = tmp_path / f"junk{ending}"
            path.write_bytes(content)
            with pytest.raises(DataError, match=r"^junk"):
                read_table(path)


@pytest.mark.parametrize("place", [0, 100, 600, -1])
def test_a_damaged_file_of_r_is_refused(place: int, tmp_path: Path) -> None:
    whole = (FILES / "factors.rds").read_bytes()
    for content in (whole[:place], whole[:place] + bytes([whole[place] ^ 255]) + whole[place:][1:]):
        (tmp_path / "t.rds").write_bytes(content)
        with pytest.raises(DataError, match=r"^t.rds is not an intact file of saveRDS"):
            read_table(tmp_path / "t.rds")


@pytest.mark.parametrize(
    ("module", "name"),
    [("pyreadstat", "spss.sav"), ("python_calamine", "libreoffice.xlsx"), ("rdata", "haven.rds")],
)
def test_a_missing_library_is_named_with_what_to_install(module, name, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(DataError, match=r"is not installed: pip install 'bayes-mlm\[files\]'"):
        read_table(FILES / name)


def test_an_option_of_another_kind_of_file_is_refused_with_those_that_apply() -> None:
    with pytest.raises(DataError, match=r"an SPSS file, to which sheet \(--sheet\) does not apply"):
        read_table(FILES / "spss.sav", sheet="Data")
    with pytest.raises(DataError, match=r"those that do: .*delimiter .*encoding"):
        read_table(FILES / "study.csv", codes="band")
    with pytest.raises(DataError, match="a workbook, to which delimiter"):
        open_data(FILES / "libreoffice.xlsx", delimiter=";")


def test_feather_and_compressed_files(tmp_path: Path) -> None:
    table = pa.table({"g": pa.array(["b", "a", "b"]).dictionary_encode(), "x": [1.5, None, 2.0]})
    feather.write_feather(table, tmp_path / "t.feather")
    found = read_table(tmp_path / "t.feather", columns=["g"])
    assert found.categories == {"g": ("b", "a")}
    with (
        pa.OSFile(str(tmp_path / "s.arrow"), "wb") as sink,
        pa.ipc.new_stream(sink, table.schema) as writer,
    ):
        writer.write_table(table)
    np.testing.assert_array_equal(read_table(tmp_path / "s.arrow").columns["x"], [1.5, np.nan, 2.0])
    for name, codec in (("spss.sav.gz", "gzip"), ("spss.sav.zst", "zstd")):
        with pa.output_stream(str(tmp_path / name), compression=codec) as sink:
            sink.write((FILES / "spss.sav").read_bytes())
        packed = read_table(tmp_path / name)
        assert packed.source == name
        assert packed.categories == read_table(FILES / "spss.sav").categories
    assert format_of(Path("X.SAV.GZ"))[0] == ".sav.gz"


# Ibis, not the package, calls what DuckDB 2 renames.
@pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")
def test_columns_and_a_frame_of_each_library_give_one_design(tmp_path: Path) -> None:
    import duckdb
    import ibis

    frame = read_table(FILES / "study.csv")
    given = pd.DataFrame(dict(frame.columns))
    with duckdb.connect() as connection:
        connection.execute("create table study as from given")
        frames = {
            "pandas": given,
            "polars": pl.DataFrame(given),
            "lazy": pl.LazyFrame(given),
            "arrow": pa.Table.from_pandas(given),
            "duckdb": connection.table("study"),
            "ibis": ibis.duckdb.from_connection(connection).table("study"),
        }
        exact = build_design(FORMULA, frame, missing="drop").moments()
        for name, data in frames.items():
            for rows in ("auto", "sum"):
                design = design_of(as_request(FORMULA, data, missing="drop"), data, rows=rows)
                found = design.moments()
                np.testing.assert_allclose(
                    found.scatter, exact.scatter, rtol=1e-9, atol=1e-9, err_msg=name
                )
    assert read_table(FILES / "stata15.dta", columns=["score", "ses"]).names == ("score", "ses")


def test_a_record_and_a_saved_fit_read_the_file_again(tmp_path: Path) -> None:
    for name in ("spss.sav", "libreoffice.xlsx", "study.sqlite::pupils", "factors.rds"):
        (tmp_path / name.partition("::")[0]).write_bytes(
            (FILES / name.partition("::")[0]).read_bytes()
        )
        source = DataSource(data=str(tmp_path / name), missing="drop")
        fitted = fit(FORMULA, source, random_seed=1, draws=50)
        assert fitted.request.source.data == str(tmp_path / name)
        save_fit(fitted, tmp_path / "fit.nc")
        again = load_fit(tmp_path / "fit.nc")
        assert again.design.encoding.titles == fitted.design.encoding.titles
        refitted = fit(again.request, random_seed=1, draws=50)
        np.testing.assert_array_equal(
            refitted.data.posterior["beta"], fitted.data.posterior["beta"]
        )
        record = as_request(FORMULA, DataSource(data=name), missing="drop")
        (tmp_path / "again.toml").write_text(dump_record(record_of(record)), encoding="utf-8")
        assert design_of(load_record(tmp_path / "again.toml")).n == 68


def test_long_texts_of_stata_are_read(tmp_path: Path) -> None:
    frame = pd.DataFrame({"g": ["a" * 3000, "b", ""], "y": [1.0, 2.0, 3.0], "s": ["u", "v", "w"]})
    frame.to_stata(tmp_path / "t.dta", version=118, convert_strl=["g"], write_index=False)
    table = read_table(tmp_path / "t.dta")
    assert table.columns["g"].tolist() == ["a" * 3000, "b", None]
    assert table.columns["s"].tolist() == ["u", "v", "w"]


def test_contrasts_name_the_labels_of_values(tmp_path: Path) -> None:
    from bayes_mlm.questions import comparisons

    path = half_labelled(tmp_path / "t.dta", [1, 2, 3, 1] * 6)
    fitted = fit("y ~ C(track) + (1 | g)", path, engine="reml")
    found = comparisons(fitted, {"track": "pairwise"})
    assert [row.contrast for row in found.rows] == [
        *("track: academic - general", "track: 3 - general", "track: 3 - academic")
    ]
    by_label = comparisons(fitted, {"track": ("general", "academic")}).rows[0]
    assert by_label.estimate == found.rows[0].estimate


@pytest.mark.parametrize(
    ("name", "needed"),
    [
        ("study.csv", set()),
        ("spss.sav", {"pyreadstat"}),
        ("stata15.dta", {"pyreadstat"}),
        ("libreoffice.xlsx", {"python_calamine"}),
        ("libreoffice.ods", {"python_calamine", "xml.etree"}),
        ("study.sqlite", {"sqlite3"}),
    ],
)
def test_libraries_are_imported_for_files_of_their_kind_alone(name: str, needed: set[str]) -> None:
    code = (
        "import sys\n"
        "from bayes_mlm.data import read_table\n"
        f"read_table({str(FILES / name)!r})\n"
        "print(sorted({'pyreadstat', 'python_calamine', 'rdata', 'duckdb', 'pandas', 'xml.etree',"
        " 'sqlite3', 'pyarrow.parquet'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(sorted(needed))


def test_every_format_is_whole() -> None:
    known = {one.name for one in dataclasses.fields(ReadOptions)}
    for ending, found in READERS.items():
        assert ending.startswith(".")
        assert ending == ending.lower()
        assert found.what.split()[0] in ("a", "an")
        assert found.options <= known
        assert format_of(Path(f"study{ending.upper()}")) == (ending, found)
