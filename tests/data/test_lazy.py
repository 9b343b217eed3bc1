"""The reduction as a query: sums by group, whatever engine holds the rows."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings, strategies as st

from bayes_mlm import build_design, fit, fit_reml, for_kind, load_hsb, open_data, sum_rows
from bayes_mlm.base.errors import (
    BayesMLMError,
    DataError,
    DesignError,
    EngineError,
    RowsNeededError,
)
from bayes_mlm.design.build import design_of
from bayes_mlm.engines.ols import fit_ols
from bayes_mlm.fitting.request import as_request
from bayes_mlm.questions.contextual.hausman import hausman

HSB = load_hsb()
FORMULA = "mathach ~ ses * sector + (1 | schoolid)"
ENGINES = {
    "pandas": lambda frame: frame,
    "polars": pl.from_pandas,
    "polars, lazy": lambda frame: pl.from_pandas(frame).lazy(),
    "pyarrow": lambda frame: pa.Table.from_pandas(frame, preserve_index=False),
    "duckdb": lambda frame: duckdb.connect().from_df(frame),
}


def away(rows, sums):
    """How far the sums of two designs are apart, at most, each in units of its own size."""
    a, b = rows.moments(), sums.moments()
    assert a.labels.tolist() == b.labels.tolist()
    assert np.array_equal(a.counts, b.counts)
    assert (a.terms, a.effects) == (b.terms, b.effects)
    mean, sd = a.moments
    size = np.abs(mean) + sd
    means = np.abs(a.means + a.centre - b.means - b.centre) / np.where(size > 0, size, 1.0)
    # A product of two columns is known to what either can hold: offsets included.
    whole = np.where(sd > 0, sd, 1.0)
    scatter = np.abs(a.scatter - b.scatter) / (a.n * whole[:, None] * whole[None, :])
    return max(float(means.max()), float(scatter.max()))


# --- random tables and formulas --------------------------------------------------------------

NUMBERS = ("x", "w", "k", "flag")
TERMS = (
    *NUMBERS,
    "colour",
    "x:w",
    "x * colour",
    "x:colour",
    "C(k)",
    "I(x**2)",
    "I(x / (1 + w**2))",
    "exp(x / 9)",
    "log(k + 5)",
    "sqrt(abs(w))",
    "center(x)",
    "scale(x) * colour",
    "within(x)",
    "between(x) + within(x)",
    "flag:w",
)
EFFECTS = ("1", "1 + x", "0 + x", "1 + x || ", "1 + center(x)", "1 + flag")


def random_table(seed, offset, n, n_groups, *, text_groups):
    rng = np.random.default_rng(seed)
    g = np.concatenate([np.arange(n_groups), rng.integers(0, n_groups, n - n_groups)])
    w = rng.normal(size=n_groups)[g] + (rng.normal(size=n) if seed % 2 else 0.0)
    return pd.DataFrame(
        {
            "g": np.array([f"group {i:03d}" for i in g]) if text_groups else g - n_groups // 2,
            "x": offset + rng.normal(size=n) + rng.normal(size=n_groups)[g],
            "w": w,
            "k": rng.integers(-3, 3, n).astype(np.int32),
            "flag": rng.random(n) < 0.4,
            "colour": rng.choice(["red", "blue", "dark 'green'", 'a "b"'], n),
            "y": offset + rng.normal(size=n),
        }
    )


@settings(max_examples=150)
@given(
    seed=st.integers(0, 10**6),
    offset=st.sampled_from([0.0, 10.0, -1e4]),
    n_groups=st.integers(3, 12),
    terms=st.lists(st.sampled_from(TERMS), min_size=1, max_size=3, unique=True),
    effect=st.sampled_from(EFFECTS),
    intercept=st.sampled_from(["1 + ", "0 + "]),
    text_groups=st.booleans(),
    engine=st.sampled_from(sorted(ENGINES)),
)
def test_any_formula_gives_the_sums_that_its_rows_have(
    seed, offset, n_groups, terms, effect, intercept, text_groups, engine
):
    table = random_table(seed, offset, 150, n_groups, text_groups=text_groups)
    bar = f"({effect.replace('|| ', '')} {'||' if '||' in effect else '|'} g)"
    formula = f"y ~ {intercept}{' + '.join(terms)} + {bar}"
    try:
        rows = build_design(formula, table)
    except BayesMLMError as error:
        # What rows refuse, sums refuse, in the same words but for what either can see.
        with pytest.raises(type(error)):
            sum_rows(formula, ENGINES[engine](table))
        return
    sums = sum_rows(formula, ENGINES[engine](table))
    assert away(rows, sums) < 1e-10
    assert rows.base.varies.tolist() == sums.base.varies.tolist()
    assert rows.encoding.levels == sums.encoding.levels


@pytest.mark.parametrize("engine", ENGINES)
def test_no_row_comes_to_python(engine, monkeypatch):
    fetched = []
    from bayes_mlm.data.lazy import source

    before = source.from_arrow

    def watched(column):
        fetched.append(len(column))
        return before(column)

    monkeypatch.setattr(source, "from_arrow", watched)
    many = pd.concat([HSB] * 3, ignore_index=True)
    sum_rows(FORMULA, ENGINES[engine](many))
    assert 0 < max(fetched) <= HSB.schoolid.nunique()


@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_a_large_offset_costs_no_digits(offset):
    table = HSB.assign(ses=HSB.ses + offset, mathach=HSB.mathach + offset)
    formula = "mathach ~ ses + sector + (1 | schoolid)"
    found = fit_reml(sum_rows(formula, duckdb.connect().from_df(table)))
    plain = fit_reml(build_design(formula, HSB))
    assert found.beta[1:] == pytest.approx(plain.beta[1:], rel=1e-8)
    assert found.sigma_e == pytest.approx(plain.sigma_e, rel=1e-9)


# --- kinds, and the posterior -----------------------------------------------------------------


@pytest.mark.parametrize("kind", ["pooled", "between", "no_pooling", "within", "mundlak"])
def test_every_kind_is_laid_out_from_sums_as_from_rows(kind):
    formula = "mathach ~ ses" if kind in ("no_pooling", "within") else "mathach ~ ses * sector"
    rows = for_kind(build_design(formula, HSB, group="schoolid"), kind)
    sums = for_kind(sum_rows(formula, HSB, group="schoolid"), kind)
    assert away(rows, sums) < 1e-10


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The study in every form that files have."""
    folder = tmp_path_factory.mktemp("hsb")
    HSB.to_parquet(folder / "hsb.parquet")
    HSB.to_csv(folder / "hsb.csv", index=False)
    HSB.to_csv(folder / "hsb.csv.gz", index=False)
    (folder / "parts").mkdir()
    for k in range(4):
        HSB.iloc[k::4].to_parquet(folder / "parts" / f"p{k}.parquet")
    (folder / "texts").mkdir()
    for k in range(3):
        HSB.iloc[k::3].to_csv(folder / "texts" / f"p{k}.csv.gz", index=False)
    return folder


SOURCES = ["hsb.parquet", "hsb.csv", "hsb.csv.gz", "parts", "texts", "parts/*.parquet"]


@pytest.fixture(scope="module")
def from_rows():
    return fit(FORMULA, HSB, random_seed=3)


@pytest.mark.parametrize("source", [*SOURCES, *ENGINES])
def test_the_posterior_is_the_same_wherever_the_rows_lie(source, files, from_rows):
    data = ENGINES[source](HSB) if source in ENGINES else files / source
    found = fit(FORMULA, data, rows="sum", random_seed=3)
    assert not found.design.has_rows
    assert found.engine == "direct"
    for name in ("beta", "sigma_u", "sigma_e"):
        np.testing.assert_allclose(found.draws[name], from_rows.draws[name], rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(found.draws["u"], from_rows.draws["u"], rtol=1e-8, atol=1e-7)


def test_rows_are_kept_or_summed_by_their_number(files, monkeypatch):
    from bayes_mlm.design import build as model_data

    record = as_request(FORMULA, files / "parts")
    assert design_of(record).has_rows
    monkeypatch.setattr(model_data, "KEPT_BYTES", 1_000)
    monkeypatch.setattr(model_data, "KEPT_ROWS", 1_000)
    assert not design_of(record).has_rows
    assert not design_of(record, pl.from_pandas(HSB).lazy()).has_rows
    assert design_of(record, HSB).has_rows  # it is in memory as it is
    assert design_of(record, rows="keep").has_rows


def test_rows_of_parquet_files_are_counted_and_gzipped_text_weighs_more(tmp_path, monkeypatch):
    from bayes_mlm.design import build as model_data

    HSB.to_parquet(tmp_path / "a.parquet")
    HSB.to_csv(tmp_path / "a.csv.gz", index=False)
    size = (tmp_path / "a.csv.gz").stat().st_size
    assert not model_data._is_large(str(tmp_path / "a.parquet"))
    monkeypatch.setattr(model_data, "KEPT_ROWS", 7_184)
    monkeypatch.setattr(model_data, "KEPT_BYTES", 3 * size)
    assert model_data._is_large(str(tmp_path / "a.parquet"))
    assert model_data._is_large(str(tmp_path / "a.csv.gz"))
    (tmp_path / "a.parquet").write_bytes(b"PAR1 cut")
    assert not model_data._is_large(str(tmp_path / "a.parquet"))  # reading it says what is wrong


# --- wrong inputs -----------------------------------------------------------------------------


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


def test_two_kinds_of_files_are_told_apart(parts):
    spoil(parts, "p9.csv", HSB[:9])
    assert "both Parquet" in refusal(parts)


def test_a_group_that_misses_is_no_group_of_its_own(parts):
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
    assert away(build_design(FORMULA, big), sum_rows(FORMULA, open_data(path))) < 1e-10


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
def test_what_makes_no_model_is_said_of_sums_as_of_rows(formula, names, files):
    with pytest.raises(BayesMLMError) as of_rows:
        build_design(formula, HSB)
    text = refusal(files / "parts", formula)
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


# --- rows that are away -----------------------------------------------------------------------


def test_what_needs_rows_says_so_and_works_on_a_sample():
    from bayes_mlm import check, leave_one_group_out, sample_groups

    whole = fit(FORMULA, HSB, rows="sum", random_seed=1)
    with pytest.raises(RowsNeededError, match="sample_groups"):
        _ = whole.design.X[:2]
    some = sample_groups(whole, HSB, n_groups=30)
    assert some.design.J == 30
    assert some.design.n == int(HSB.schoolid.isin(some.design.labels.tolist()).sum())
    assert f"30 of 160 groups, {some.design.n:,} of 7,185 rows" in some.design.notes[-1]
    text = str(check(whole, sample=some))
    assert "30 of 160 groups" in text
    with pytest.raises(EngineError, match="sample_groups gives for the same fit"):
        check(whole, sample=whole)
    with pytest.raises(DesignError, match="30 of 160 groups"):
        leave_one_group_out(some)
    with pytest.raises(DataError, match="other values .* mean of mathach in schoolid"):
        sample_groups(whole, HSB.assign(mathach=HSB.mathach + 0.1), n_groups=30)
    with pytest.raises(DesignError, match="n_groups .* found 0"):
        sample_groups(whole, HSB, n_groups=0)


@pytest.mark.parametrize("kind", ["partial_pooling", "no_pooling", "mundlak", "within"])
def test_estimates_beside_a_sample_are_those_of_all_data(kind, tmp_path):
    from bayes_mlm import comparisons, hausman, predict, sample_groups, save_fit, variance_by_level
    from bayes_mlm.base.errors import StorageError

    bar = " + (1 | schoolid)" if kind == "partial_pooling" else ""
    own = {"kind": kind, "random_seed": 1} | ({} if bar else {"group": "schoolid"})
    rows = fit(f"mathach ~ ses + minority{bar}", HSB, **own)
    whole = fit(f"mathach ~ ses + minority{bar}", HSB, rows="sum", **own)
    some = sample_groups(whole, HSB, n_groups=20)
    asked = {"contrast": {"ses": (0, 1)}, "at": {"minority": 0}}
    if kind in ("partial_pooling", "no_pooling"):  # the others hold the means of the rows at hand
        theirs, ours = comparisons(rows, **asked).rows[1], comparisons(some, **asked).rows[1]
        assert ours.estimate == pytest.approx(theirs.estimate, rel=1e-7)
        assert ours.sd == pytest.approx(theirs.sd, rel=1e-7)
    assert "of 20 of the 160 groups" in comparisons(some, **asked).over
    new = {"ses": [0.3], "minority": [1], "schoolid": [some.design.labels[3]]}
    if kind != "within":
        theirs, ours = predict(rows, new).plug_in, predict(some, new).plug_in
        assert ours.estimate == pytest.approx(theirs.estimate, rel=1e-7)
        assert ours.se == pytest.approx(theirs.se, rel=1e-7)
    assert str(variance_by_level(some)) == str(variance_by_level(whole))
    assert str(hausman(some.design)) == str(hausman(whole.design))
    with pytest.raises(StorageError, match="save the fit that sample_groups was given"):
        save_fit(some, tmp_path / "some.nc")


def test_a_sample_may_be_of_named_groups_and_keeps_their_effects():
    from bayes_mlm import sample_groups

    whole = fit(FORMULA, HSB, rows="sum", random_seed=1)
    some = sample_groups(whole, HSB, groups=[1288, 1224])
    assert some.design.labels.tolist() == [1224, 1288]
    places = [whole.design.labels.tolist().index(label) for label in (1224, 1288)]
    assert np.array_equal(some.draws["u"], whole.draws["u"][:, :, places])
    with pytest.raises(DesignError, match="schoolid has no 7"):
        sample_groups(whole, HSB, groups=[7])
    with pytest.raises(DataError, match="same data"):
        sample_groups(whole, HSB[HSB.schoolid != 1224], groups=[1288, 1224])


def test_rows_left_out_are_those_that_are_given():
    from bayes_mlm import leave_one_row_out

    rows = fit(FORMULA, HSB, random_seed=1)
    sums = fit(FORMULA, HSB, rows="sum", random_seed=1)
    with pytest.raises(RowsNeededError, match="rows="):
        leave_one_row_out(sums)
    picked = HSB.iloc[::211]
    found, whole = leave_one_row_out(sums, rows=picked), leave_one_row_out(rows)
    # Fewer rows leave room for more draws: alike but for Monte Carlo error.
    np.testing.assert_allclose(found.pointwise, whole.pointwise[::211], atol=2e-3)


# --- whole or not there -----------------------------------------------------------------------

SUMMING = """
import sys
from bayes_mlm import open_data, save_sums, sum_rows
from bayes_mlm.base.atomic import atomic_file
print("ready", flush=True)
save_sums(sum_rows("y ~ x + (1 | g)", open_data(sys.argv[1])), sys.argv[2])
"""


def test_killed_at_any_time_it_leaves_a_whole_file_or_none(tmp_path):
    n = 300_000
    rng = np.random.default_rng(1)
    table = pa.table({"g": np.arange(n) % 90_000, "x": rng.normal(size=n), "y": rng.normal(size=n)})
    data, out = tmp_path / "d.parquet", tmp_path / "d.sums"
    pq.write_table(table, data)
    script = [sys.executable, "-c", SUMMING, str(data), str(out)]
    subprocess.run(script, check=True, capture_output=True)
    whole = out.read_bytes()
    for wait in (0.05, 0.2, 0.35, 0.5, 0.65):
        out.unlink(missing_ok=True)
        process = subprocess.Popen(script, stdout=subprocess.PIPE)
        process.stdout.readline()  # imported; from here on it works
        time.sleep(wait)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
        if out.exists():
            assert pq.read_table(out).num_rows == 90_000
        assert not any(path.suffix == ".sums" for path in tmp_path.iterdir() if path != out)
    subprocess.run(script, check=True, capture_output=True)
    again = pq.read_table(out).to_pandas().sort_values("label").set_index("label")
    first = (
        pq.read_table(pa.BufferReader(whole)).to_pandas().sort_values("label").set_index("label")
    )
    pd.testing.assert_frame_equal(again, first, rtol=1e-10)


def test_what_cannot_be_written_whole_is_not_there(tmp_path, monkeypatch):
    from bayes_mlm import save_sums

    design = sum_rows(FORMULA, HSB)
    path = tmp_path / "hsb.sums"
    before = save_sums(design, path).read_bytes()

    def full(*_args, **_kwargs):
        raise OSError("No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(BayesMLMError, match="No space left"):
        save_sums(design, path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [Path(path)]


# --- answers ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("formula", "kind"),
    [
        ("mathach ~ ses * sector + size + (1 | schoolid)", None),
        ("mathach ~ ses + female + (ses | schoolid)", None),
        ("mathach ~ ses + meanses + (1 | schoolid)", None),
        ("mathach ~ ses * female", "mundlak"),
        ("mathach ~ ses + female", "within"),
        ("mathach ~ ses + female", "no_pooling"),
    ],
)
def test_the_hausman_test_is_the_same_from_sums(formula, kind):
    record = as_request(formula, HSB, kind=kind, group="schoolid" if kind else None)
    rows, sums = (hausman(design_of(record, HSB, rows=how)) for how in ("keep", "sum"))
    assert str(rows) == str(sums)
    assert sums.wald == pytest.approx(rows.wald, rel=1e-8)
    assert sums.statistic == pytest.approx(rows.statistic, rel=1e-6)


@pytest.mark.parametrize("kind", ["pooled", "within", "no_pooling", "between"])
def test_least_squares_is_the_same_from_sums(kind):
    record = as_request("mathach ~ ses", HSB, kind=kind, group="schoolid")
    rows, sums = (fit_ols(design_of(record, HSB, rows=how)) for how in ("keep", "sum"))
    for name in ("beta", "beta_se", "sigma_e", "r2", "loglik", "aic", "bic"):
        assert getattr(sums, name) == pytest.approx(getattr(rows, name), rel=1e-10), name
    assert sums.group_intercepts == pytest.approx(rows.group_intercepts, rel=1e-10)
    assert sums.group_intercepts_se == pytest.approx(rows.group_intercepts_se, rel=1e-10)


@pytest.mark.parametrize(
    "formula",
    [
        FORMULA,
        "mathach ~ ses + meanses + (ses | schoolid)",
        "mathach ~ ses * size + (1 | schoolid)",
    ],
)
def test_a_report_says_of_sums_what_it_says_of_rows(formula):
    from bayes_mlm.fitting.request import make_settings
    from bayes_mlm.fitting.side_by_side import analyse
    from bayes_mlm.report.narrative import answer

    record = as_request(formula, HSB)
    settings_ = make_settings(record, random_seed=1)
    answers = [
        answer([analyse(record, settings_, data=design_of(record, HSB, rows=how))])
        for how in ("keep", "sum")
    ]
    assert answers[0].conclusions == answers[1].conclusions
    assert len(answers[1].conclusions) > 1


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
        assert away(build_design(formula, table, missing="drop"), kept) < 1e-10


@pytest.mark.parametrize("few", [1, 50, 10**6])
def test_a_guess_from_few_rows_changes_nothing(few, monkeypatch):
    from bayes_mlm.moments import sums

    monkeypatch.setattr(sums, "_FEW", few)
    rows, found = build_design(FORMULA, HSB), sum_rows(FORMULA, pl.from_pandas(HSB))
    assert away(rows, found) < 1e-10
    inside = found.moments().scatter[:, 2, 2]
    assert (inside == 0.0).all()  # sector, of which no rounding is left


@pytest.mark.parametrize("engine", ["rows", "polars", "duckdb", "csv"])
def test_groups_that_go_with_their_rows_are_counted(engine, tmp_path):
    gaps = HSB.assign(ses=HSB.ses.where(~HSB.schoolid.isin([1224, 1288]) & (HSB.index % 9 > 0)))
    gaps.loc[gaps.index % 50 == 0, "schoolid"] = np.nan  # no group of its own
    if engine == "rows":
        design = build_design(FORMULA, gaps, missing="drop")
    elif engine == "csv":
        gaps.to_csv(tmp_path / "gaps.csv", index=False, na_rep="NA")
        design = sum_rows(FORMULA, open_data(tmp_path / "gaps.csv"), missing="drop")
    else:
        frame = pl.from_pandas(gaps).lazy() if engine == "polars" else duckdb.from_df(gaps)
        design = sum_rows(FORMULA, frame, missing="drop")
    assert design.J == 158
    assert any("2 of 160 groups (schoolid) had a missing value" in note for note in design.notes)


@pytest.mark.parametrize("engine", ["polars", "duckdb"])
def test_numbers_that_a_stray_text_makes_text_are_told_from_labels(engine):
    text = HSB.assign(ses=HSB.ses.astype(str), when=pd.date_range("2020-01-01", periods=len(HSB)))
    text.loc[4000, "ses"] = "unknown"
    frame = pl.from_pandas(text).lazy() if engine == "polars" else duckdb.from_df(text)
    with pytest.raises(DataError, match="mostly numbers; it contains 'unknown'"):
        sum_rows(FORMULA, frame)
    with pytest.raises(DataError, match="dates or times.*code_time"):
        sum_rows("mathach ~ when + (1 | schoolid)", frame)


@pytest.mark.parametrize(
    ("formula", "says"),
    [
        ("mathach ~ within(ses) + between(ses) + (1 | schoolid)", "group means"),
        ("mathach ~ log(size) + (1 | schoolid)", r"set size \(at\)"),
        ("mathach ~ I(size ** 2) + (1 | schoolid)", r"set size \(at\)"),
    ],
)
def test_slopes_that_need_rows_are_refused_from_sums(formula, says):
    from bayes_mlm import slopes

    whole = fit(sum_rows(formula, HSB), random_seed=1)
    with pytest.raises(RowsNeededError, match=says):
        slopes(whole, "ses" if "ses" in formula else "size")


@pytest.mark.parametrize("layout", [build_design, sum_rows])
def test_a_predictor_far_from_zero_is_told_to_be_centred(layout):
    with pytest.raises(DesignError, match=r"'ses' varies too little.* center\(\)"):
        layout(FORMULA, HSB.assign(ses=HSB.ses + 1e10))


def test_a_group_outside_of_the_sample_is_not_called_unseen():
    from bayes_mlm import predict, sample_groups

    whole = fit(FORMULA, HSB, rows="sum", random_seed=1)
    some = sample_groups(whole, HSB, groups=[1288])
    with pytest.raises(DataError, match="1224 are not in this sample"):
        predict(some, {"ses": [0.0], "sector": [0], "schoolid": [1224]})


def test_two_columns_of_one_name_are_refused_by_name():
    twice = pd.concat([HSB, HSB[["ses"]]], axis=1)
    for rows in ("keep", "auto", "sum"):
        with pytest.raises(DataError, match="'ses'"):
            fit(FORMULA, twice, rows=rows)
