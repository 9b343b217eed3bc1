"""What files and tables are refused for when they are summed, with file, column and value."""

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bayes_mlm import build_design, fit, open_data, sum_rows
from bayes_mlm.base.errors import (
    BayesMLMError,
    DataError,
    DesignError,
)
from bayes_mlm.data import engine_errors
from bayes_mlm.design import as_scan
from tests.helpers.lazy import ENGINES, FORMULA, HSB, difference


def spoil(folder, name, frame):
    path = folder / name
    (frame.to_parquet if name.endswith("parquet") else frame.to_csv)(path, index=False)
    return path


@pytest.fixture
def parts(tmp_path):
    for k in range(4):
        HSB.iloc[k::4].to_parquet(tmp_path / f"p{k}.parquet")
    return tmp_path


@pytest.fixture
def texts(tmp_path):
    for k in range(4):
        HSB.iloc[k::4].to_csv(tmp_path / f"p{k}.csv", index=False)
    return tmp_path


def refusal(source, formula=FORMULA, **how):
    with pytest.raises(BayesMLMError) as caught:
        sum_rows(formula, open_data(source, **how))
    return str(caught.value)


def test_a_text_among_the_numbers_of_one_file_names_file_column_and_value(texts):
    odd = HSB[:100].astype({"ses": object})
    odd.iloc[7, odd.columns.get_loc("ses")] = "oops"
    spoil(texts, "p9.csv", odd)
    text = refusal(texts)
    assert "p9.csv" in text
    assert "'ses'" in text
    assert "oops" in text


@pytest.mark.parametrize("change", ["renamed", "missing", "text"])
def test_differing_parquet_schemas_name_file_and_column(parts, change):
    odd = {
        "renamed": HSB[:9].rename(columns={"ses": "SES"}),
        "missing": HSB[:9].drop(columns="ses"),
        "text": HSB[:9].astype({"ses": str}),
    }[change]
    spoil(parts, "p9.parquet", odd)
    text = refusal(parts)
    assert "p9.parquet" in text
    assert "ses" in text.lower()


def test_whole_numbers_in_one_file_and_decimals_in_another_are_numbers(parts):
    spoil(parts, "p9.parquet", HSB[:9].astype({"sector": float}))
    assert sum_rows(FORMULA, open_data(parts)).n == len(HSB) + 9


def test_differing_csv_columns_name_file_and_column(texts):
    spoil(texts, "p9.csv", HSB[:9].rename(columns={"ses": "SES"}))
    text = refusal(texts)
    assert "p9.csv" in text
    assert "'SES'" in text


@pytest.mark.parametrize("how", ["half", "empty", "zeros inside"])
def test_a_damaged_parquet_file_is_named(parts, how):
    whole = (parts / "p0.parquet").read_bytes()
    inside = whole[:3000] + bytes(6000) + whole[9000:]
    broken = {"half": whole[: len(whole) // 2], "empty": b"", "zeros inside": inside}[how]
    (parts / "p9.parquet").write_bytes(broken)
    assert "p9.parquet" in refusal(parts)


def test_a_ragged_line_is_named(texts):
    lines = (texts / "p2.csv").read_text().splitlines()
    lines[20] += ",9,9"
    (texts / "p2.csv").write_text("\n".join(lines))
    text = refusal(texts)
    assert "p2.csv" in text
    assert "21" in text


def test_a_directory_without_data_says_what_it_looked_for(tmp_path):
    (tmp_path / "notes.txt").write_text("nothing")
    (tmp_path / ".cache").mkdir()
    HSB.to_csv(tmp_path / ".cache" / "hidden.csv")
    assert ".parquet" in refusal(tmp_path)
    assert "no data file matches" in refusal(str(tmp_path / "*.csv"))
    assert "no" in refusal(tmp_path / "absent.csv")


def test_two_kinds_of_files_are_distinguished(parts):
    spoil(parts, "p9.csv", HSB[:9])
    text = refusal(parts)
    assert "files of several kinds: a Parquet file (p0.parquet), a text file (p9.csv)" in text
    assert "such as '*.parquet'" in text


def test_a_missing_label_is_not_a_group(parts):
    odd = HSB[:100].astype({"schoolid": "Int64"})
    odd.iloc[3, odd.columns.get_loc("schoolid")] = pd.NA
    spoil(parts, "p9.parquet", odd)
    text = refusal(parts)
    assert "schoolid" in text
    assert "p9.parquet" in text
    kept = sum_rows(FORMULA, open_data(parts), missing="drop")
    assert (kept.n, kept.n_dropped) == (len(HSB) + 99, 1)


def test_whole_numbers_whose_product_overflows_are_multiplied_as_decimals(tmp_path):
    big = HSB.assign(
        ses=(HSB.ses * 1e9).astype("int64") + 4 * 10**9,
        sector=HSB.sector.astype("int32") * 2_000_000_000,
    )
    path = spoil(tmp_path, "big.parquet", big)
    assert difference(build_design(FORMULA, big), sum_rows(FORMULA, open_data(path))) < 1e-10


@pytest.mark.parametrize(
    ("formula", "names"),
    [
        ("mathach ~ ses + (1 | ses)", "'ses'"),
        ("mathach ~ log(ses) + (1 | schoolid)", "log(ses)"),
        ("mathach ~ sess + (1 | schoolid)", "'sess'"),
        ("mathach ~ ses + I(2 * ses) + (1 | schoolid)", "linear combination"),
        ("mathach ~ 1 + I(0 * ses) + (1 | schoolid)", "does not vary"),
        ("mathach ~ I(ses / (2 - 2)) + (1 | schoolid)", "is 0"),
    ],
)
def test_sums_refuse_a_model_as_rows_do(formula, names, parts):
    with pytest.raises(BayesMLMError) as of_rows:
        build_design(formula, HSB)
    text = refusal(parts, formula)
    assert names in text
    assert names in str(of_rows.value)


def test_memory_that_is_no_size_or_too_small_says_so(tmp_path):
    n = 400_000
    rng = np.random.default_rng(1)
    table = pa.table({"g": np.arange(n), "x": rng.normal(size=n), "y": rng.normal(size=n)})
    pq.write_table(table, tmp_path / "many.parquet")
    assert "500MB" in refusal(tmp_path, memory="lots")
    text = refusal(tmp_path, "y ~ x + (1 | g)", memory="10MB")
    assert "10MB" in text
    assert "--memory" in text


@pytest.mark.parametrize("formula", [FORMULA, "mathach ~ exp(ses / 9) + (1 | schoolid)"])
@pytest.mark.parametrize("fault", [np.nan, np.inf, -np.inf, None])
@pytest.mark.parametrize("engine", ENGINES)
def test_a_value_that_is_none_is_found_by_every_engine(engine, fault, formula):
    table = HSB[["mathach", "ses", "sector", "schoolid"]].copy()
    table.loc[table.index[4321], "ses"] = fault
    with pytest.raises(BayesMLMError) as of_rows:
        build_design(formula, table)
    with pytest.raises(BayesMLMError) as of_sums:
        sum_rows(formula, ENGINES[engine](table))
    for text in (str(of_rows.value), str(of_sums.value)):
        assert "'ses'" in text
        assert ("infinite" in text) == (fault in (np.inf, -np.inf))
    if fault is None or np.isnan(fault):
        kept = sum_rows(formula, ENGINES[engine](table), missing="drop")
        assert difference(build_design(formula, table, missing="drop"), kept) < 1e-10


@pytest.mark.parametrize("engine", ["polars", "duckdb"])
def test_numbers_with_a_stray_text_are_distinguished_from_labels(engine):
    text = HSB.assign(ses=HSB.ses.astype(str), when=pd.date_range("2020-01-01", periods=len(HSB)))
    text.loc[4000, "ses"] = "unknown"
    frame = pl.from_pandas(text).lazy() if engine == "polars" else duckdb.from_df(text)
    with pytest.raises(DataError, match="mostly numbers; it contains 'unknown'"):
        sum_rows(FORMULA, frame)
    with pytest.raises(DataError, match="dates or times.*code_time"):
        sum_rows("mathach ~ when + (1 | schoolid)", frame)


@pytest.mark.parametrize("layout", [build_design, sum_rows])
def test_a_predictor_far_from_zero_is_refused_with_advice_to_centre(layout):
    with pytest.raises(DesignError, match=r"'ses' varies too little.* center\(\)"):
        layout(FORMULA, HSB.assign(ses=HSB.ses + 1e10))


def test_two_columns_of_one_name_are_refused_by_name():
    twice = pd.concat([HSB, HSB[["ses"]]], axis=1)
    for rows in ("keep", "auto", "sum"):
        with pytest.raises(DataError, match="'ses'"):
            fit(FORMULA, twice, rows=rows)


def test_what_an_engine_does_not_compute_is_an_error_of_the_data():
    """As narwhals raises for quantiles of Dask's partitions."""
    message = "pandas cannot scan .*: quantiles of partitions"
    with pytest.raises(DataError, match=message), engine_errors(as_scan(HSB)):
        raise NotImplementedError("quantiles of partitions")
