"""Predictors are what they are meant to be: dates, or numbers in another notation."""

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from bayes_mlm import as_table, build_design, open_data, read_table, sum_rows
from bayes_mlm.base.errors import DataError
from bayes_mlm.data.dates import are_dates
from bayes_mlm.data.misread import refuse_misread
from bayes_mlm.data.numerals import numerals_among
from bayes_mlm.design.build import design_of
from bayes_mlm.fitting.request import as_request
from bayes_mlm.studies.record import dump_record, load_record, record_of
from tests.helpers.predictors import BOTH, RNG, G, N, X, Y, design, frame, written

DAYS = pd.Timestamp("2020-01-01") + pd.to_timedelta(RNG.integers(0, 40, N), unit="D")
HELD: dict[str, Any] = {
    "timestamp": DAYS,
    "zone": DAYS.tz_localize("Europe/Berlin"),
    "date": [day.date() for day in DAYS],
    "period": DAYS.to_period("D"),
    "duration": DAYS - DAYS.min(),
    "time": [dt.time(day.day % 24, 30) for day in DAYS],
}
FORMATS: dict[str, Callable[[pd.DataFrame, Path], Any]] = {
    "pandas": lambda table, _: table,
    "polars": lambda table, _: pl.from_pandas(table).lazy(),
    "arrow": lambda table, _: pa.Table.from_pandas(table),
    "duckdb": lambda table, _: duckdb.from_arrow(pa.Table.from_pandas(table)),
    "parquet": lambda table, folder: written(table.to_parquet, folder / "a.parquet"),
    "csv": lambda table, folder: written(table.to_csv, folder / "a.csv"),
}


@BOTH
@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("kind", HELD)
def test_a_date_is_no_predictor_in_any_format(
    kind: str, form: str, rows: str, tmp_path: Path
) -> None:
    if kind == "period" and form in ("polars", "duckdb"):
        pytest.skip("these hold a period as a number, and no longer know what it was")
    data = FORMATS[form](frame(w=HELD[kind]), tmp_path)
    with pytest.raises(
        DataError, match=r"predictor 'w' contains dates or times.*code_time.*C\(w\)"
    ):
        design("y ~ x + w + (1 | g)", data, rows)


@pytest.mark.parametrize(
    "form",
    [
        *("%Y-%m-%d", "%Y/%m/%d", "%d.%m.%Y", "%m/%d/%Y", "%d/%m/%y", "%d.%m.%y", "%d-%b-%Y"),
        *("%B %d, %Y", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d %H:%M:%S+02:00", "%Y-%m", "%Y-W%V"),
        *("%m/%d/%Y %I:%M %p", "%a, %d %b %Y %H:%M:%S GMT", "%H:%M", "%Y-%m-%d %H:%M:%S.%f"),
    ],
)
def test_written_dates_are_recognised(form: str) -> None:
    assert are_dates(sorted(set(DAYS.strftime(form))))


@pytest.mark.parametrize(
    "levels",
    [
        ["12-34", "10-11", "9-8"],  # product codes
        ["1.2.10", "1.3.1", "2.0.0"],  # versions
        ["2019", "2020", "2021"],
        ["18-25", "26-40", "41-65"],
        ["2020-02-30", "2020-13-01"],  # of no calendar
        ["12-11-10", "10-09-08"],
        ["5:1", "3:2"],
        ["2020-01-31", "a", "b", "c"],
        ["A-2020-01", "B-2020-02"],
        ["192.168.1.10", "10.0.0.1"],
    ],
)
def test_what_looks_a_little_like_a_date_is_no_date(levels: list[str]) -> None:
    refuse_misread("w", "predictor", levels)


@BOTH
def test_dates_may_group_or_be_categories_and_years_are_numbers(rows: str) -> None:
    table = frame(w=DAYS, year=DAYS.day + 1980)
    assert table.w.nunique() == design("y ~ x + (1 | w)", table, rows).J
    assert design("y ~ C(w) + (1 | g)", table, rows).p == table.w.nunique()
    assert design("y ~ year + (1 | g)", table, rows).terms == ("Intercept", "year")
    with pytest.raises(DataError, match="outcome 'w' contains dates"):
        design("w ~ x + (1 | g)", table, rows)
    with pytest.raises(DataError, match="predictor 'w' contains dates"):
        design("y ~ center(w) + (1 | g)", table, rows)


# What is written, and the number that it is.
NOTATIONS = {
    ",": {
        "3,14": 3.14,
        "-0,5": -0.5,
        "\u22122,25": -2.25,
        "1.234,5": 1234.5,
        "1 234,5": 1234.5,
        "1\u202f234": 1234.0,
        "1'234'567,8": 1234567.8,
        "2,5e-3": 0.0025,
        "(12,5)": -12.5,
    },
    ".": {"1,234.5": 1234.5, "1'234.50": 1234.5, "\u22121.5": -1.5, "3.25": 3.25, "+7": 7.0},
}


@pytest.mark.parametrize("decimal", NOTATIONS)
def test_notations_are_read_kept_and_summed(decimal: Any, tmp_path: Path) -> None:
    texts = list(NOTATIONS[decimal])
    rows = [texts[k % len(texts)] for k in range(N)]
    table = pd.DataFrame({"g": G, "w": rows, "u": [f"{text} €" for text in rows]})
    path = written(table.to_csv, tmp_path / "a.csv")
    wanted = [NOTATIONS[decimal][text] for text in rows]
    kept = read_table(path, decimal=decimal).columns
    assert kept["w"].tolist() == wanted
    assert kept["u"].tolist() == wanted
    held = as_table({"w": rows}, decimal=decimal).columns["w"].tolist()
    assert held == wanted
    with pytest.raises(DataError, match=rf'outcome .w. is text.*decimal="{decimal}" \(--decimal'):
        sum_rows("w ~ u + (1 | g)", open_data(path))
    formula = "w ~ I(u / 2) + (1 | g)"
    summed = sum_rows(formula, open_data(path, decimal=decimal)).moments()
    exact = build_design(formula, frame(w=wanted, u=wanted)).moments()
    np.testing.assert_allclose(summed.means + summed.centre, exact.means + exact.centre, rtol=1e-12)


@pytest.mark.parametrize(
    ("levels", "message"),
    [
        (["3,14", "2,7"], r'a decimal comma, such as .3,14.; decimal="," \(--decimal ,\) reads'),
        (["1,234", "5,678"], r'decimal="," .*reads a decimal comma.*decimal="\." .*thousands'),
        (["1,234.5", "2"], r'decimal="\." \(--decimal \.\) reads them'),
        (["$3.50", "$4"], r'such as .\$3.50.; decimal="\."'),
        (["12 %", "3 %"], r'decimal="\."'),
        (["\u22121.5", "2.5"], r'decimal="\."'),
        (["1,00,000", "12,34,567.5"], r'decimal="\." .* reads them'),
        (["1,5", "1.5", "2,25", "2.5"], "some with a decimal comma and some with a point"),
        (["$3", "€4"], "values in .*one unit"),
        (["3 %", "0.5"], "some with and some without %"),
        ([*(f"{k},5" for k in range(19)), "n/k"], "once 'n/k' is corrected"),
    ],
)
def test_numbers_read_as_text_are_recognised(levels: list[str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        refuse_misread("w", "predictor", levels)


@pytest.mark.parametrize(
    "levels", [["a,b", "c,d"], ["1-2", "3,4-5"], ["3.14", "2.7"], ["<5%", ">5%"], ["1,2,3", "1,3"]]
)
def test_labels_are_no_numbers(levels: list[str]) -> None:
    assert numerals_among(levels) is None


@BOTH
def test_numbers_as_text_are_refused_in_frames_and_read_on_request(rows: str) -> None:
    text = [f"{value:.2f}".replace(".", ",") for value in X]
    for data in (frame(w=text), pl.DataFrame({"y": Y, "g": G, "w": text}).lazy()):
        with pytest.raises(DataError, match="predictor 'w' is text: numbers with a decimal comma"):
            design("y ~ w + (1 | g)", data, rows)
        found = design("y ~ w + (1 | g)", data, rows, decimal=",")
        assert found.terms == ("Intercept", "w")
    assert design("y ~ C(w) + (1 | g)", frame(w=text), rows).p > 100
    assert design("y ~ x + (1 | w)", frame(w=[t[:3] for t in text]), rows).J > 10


@BOTH
def test_a_decimal_mark_is_no_matter_where_no_column_is_text(rows: Any, tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    frame().to_parquet(path)
    for data in (frame(), str(path)):
        assert design("y ~ x + (1 | g)", data, rows, decimal=",").n == N


@BOTH
def test_a_european_file_is_read_and_its_record_reads_it_again(rows: Any, tmp_path: Path) -> None:
    # The ten numbers are exact in binary, so that both readings must give the same sums.
    value = np.round(X * 4) / 4 + 1000
    text = [f"{v:_.2f}".replace(".", ",").replace("_", ".") for v in value]
    path = tmp_path / "daten.csv"
    pd.DataFrame({"y": text, "g": G, "x": text[::-1]}).to_csv(path, sep=";", index=False)
    seen = design("y ~ x + (1 | g)", str(path), rows)
    assert any("separated by ';'; numbers with a decimal comma" in note for note in seen.notes)
    record = as_request("y ~ x + (1 | g)", str(path), decimal=",", delimiter=";")
    (tmp_path / "again.toml").write_text(dump_record(record_of(record)), encoding="utf-8")
    again = load_record(tmp_path / "again.toml")
    exact = build_design("y ~ x + (1 | g)", {"y": value, "g": G, "x": value[::-1]}).moments()
    for one in (record, again):
        found = design_of(one, rows=rows).moments()
        np.testing.assert_allclose(found.means + found.centre, exact.means + exact.centre)


@pytest.mark.parametrize("option", [{"decimal": "x"}, {"delimiter": ";;"}, {"delimiter": "a"}])
def test_odd_options_are_refused(option: Any, tmp_path: Path) -> None:
    path = written(frame().to_csv, tmp_path / "a.csv")
    for read in (read_table, open_data):
        with pytest.raises(DataError, match="is no decimal mark|cannot separate columns"):
            read(path, **option)


@BOTH
def test_the_command_line_takes_both_options_and_mentions_many_levels(
    rows: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from bayes_mlm import cli

    text = [f"{value:.3f}".replace(".", ",") for value in Y]
    table = pd.DataFrame({"y": text, "g": G, "k": [f"k{one % 13:02d}" for one in range(N)]})
    table.to_csv(tmp_path / "daten.csv", sep=";", index=False)
    monkeypatch.chdir(tmp_path)
    words = ["fit", "y ~ k + (1 | g)", "--data", "daten.csv", "--engine", "reml", "--rows", rows]
    monkeypatch.setattr("sys.argv", ["bayes-mlm", *words, "--delimiter", ";", "--decimal", ","])
    with pytest.raises(SystemExit):
        cli.main()
    printed = capsys.readouterr()
    assert f"n = {N}, 12 groups (g)" in printed.out
    assert "note: the predictor k has 13 levels" in printed.err


def test_a_record_reads_its_data_by_its_options_and_new_rows_by_those_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from bayes_mlm import cli

    table = pd.DataFrame({"y": Y.round(3), "x": (Y**2).round(3), "g": G})
    table.to_csv(tmp_path / "t.csv", index=False)
    table.to_csv(tmp_path / "neu.csv", sep=";", decimal=",", index=False)
    (tmp_path / "r.toml").write_text(
        'title = "t"\ndata = "t.csv"\nformula = "y ~ x + (1 | g)"\nkind = "partial_pooling"\n'
    )
    monkeypatch.chdir(tmp_path)
    shown = []
    for words in (["t.csv"], ["neu.csv", "--delimiter", ";", "--decimal", ","]):
        monkeypatch.setattr("sys.argv", ["bayes-mlm", "predict", "r.toml", "--new", *words])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        assert not stopped.value.code
        shown.append(capsys.readouterr().out)
    assert shown[0] == shown[1]
