"""The reduction as a query: sums by group, whatever engine reads the rows."""

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings, strategies as st

from bayes_mlm import build_design, fit, fit_reml, for_kind, open_data, sum_rows
from bayes_mlm.design.build import design_of
from bayes_mlm.engines.ols import fit_ols
from bayes_mlm.fitting.request import as_request
from bayes_mlm.questions.contextual.hausman import hausman
from tests.helpers.lazy import ENGINES, FORMULA, HSB, difference, rows_and_sums

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


@settings(max_examples=60)
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
    designs = rows_and_sums(formula, table, engine)
    if designs is None:
        return
    rows, sums = designs
    assert difference(rows, sums) < 1e-10
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


@pytest.mark.parametrize("kind", ["pooled", "between", "no_pooling", "within", "mundlak"])
def test_every_kind_is_laid_out_from_sums_as_from_rows(kind):
    formula = "mathach ~ ses" if kind in ("no_pooling", "within") else "mathach ~ ses * sector"
    rows = for_kind(build_design(formula, HSB, group="schoolid"), kind)
    sums = for_kind(sum_rows(formula, HSB, group="schoolid"), kind)
    assert difference(rows, sums) < 1e-10


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
def test_a_report_of_sums_is_that_of_rows(formula):
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


@pytest.mark.parametrize("few", [1, 50, 10**6])
def test_a_guess_from_few_rows_changes_nothing(few, monkeypatch):
    from bayes_mlm.moments import sums

    monkeypatch.setattr(sums, "_FEW", few)
    rows, found = build_design(FORMULA, HSB), sum_rows(FORMULA, pl.from_pandas(HSB))
    assert difference(rows, found) < 1e-10
    inside = found.moments().scatter[:, 2, 2]
    assert (inside == 0.0).all()  # sector, of which no rounding is left


@pytest.mark.parametrize("engine", ["rows", "polars", "duckdb", "csv"])
def test_groups_that_go_with_their_rows_are_counted(engine, tmp_path):
    gaps = HSB.assign(ses=HSB.ses.where(~HSB.schoolid.isin([1224, 1288]) & (HSB.index % 9 > 0)))
    gaps.loc[gaps.index % 50 == 0, "schoolid"] = np.nan  # not a group
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


def test_files_are_summed_in_jupyter_without_widgets(tmp_path, monkeypatch):
    # DuckDB 2.0.1 there refuses both settings of its progress bar without ipywidgets.
    class Connection:
        def __init__(self, real):
            self._real = real

        def execute(self, text):
            if "progress_bar" in text:
                raise duckdb.InvalidInputException("required package 'ipywidgets' is missing")
            return self._real.execute(text)

        def __getattr__(self, name):
            return getattr(self._real, name)

    connect = duckdb.connect
    monkeypatch.setattr(duckdb, "connect", lambda *names: Connection(connect(*names)))
    HSB.to_parquet(tmp_path / "hsb.parquet")
    assert sum_rows(FORMULA, open_data(tmp_path / "hsb.parquet")).n == len(HSB)
