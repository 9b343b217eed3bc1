"""Where engines differ from one another, and from rows: names, types, blanks, digits."""

from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bayes_mlm import (
    build_design,
    fit,
    fit_reml,
    load_sums,
    merge_sums,
    open_data,
    read_table,
    sample_groups,
    save_sums,
    sum_more_rows,
    sum_rows,
)
from bayes_mlm.base.errors import BayesMLMError, DataError, DesignError, EngineError
from bayes_mlm.design.build import design_of
from bayes_mlm.engines import fit_ols
from bayes_mlm.figures.lines import rows_of_x
from bayes_mlm.figures.roles import roles_of
from bayes_mlm.fitting.request import as_request
from bayes_mlm.questions.lines.level_two import coefficient_weights
from tests.helpers.lazy import ENGINES, HSB

every_engine = pytest.mark.parametrize("engine", [one for one in ENGINES if one != "polars"])


def small(n=240, n_groups=8, seed=0):
    rng = np.random.default_rng(seed)
    g = np.arange(n) % n_groups
    return pd.DataFrame({"g": g, "x": rng.normal(size=n) + g / 9, "y": rng.normal(size=n)})


def same(rows, sums, rel=1e-10):
    a, b = rows.moments(), sums.moments()
    assert (a.terms, a.effects) == (b.terms, b.effects)
    assert a.labels.tolist() == b.labels.tolist()
    assert np.array_equal(a.counts, b.counts)
    size = np.sqrt(a.n) * a.moments[1] + (a.moments[1] == 0)
    means, others = a.means + a.centre, b.means + b.centre
    assert np.abs((means - others) * np.sqrt(a.n) / size).max() < rel
    assert (np.abs(a.scatter - b.scatter) / np.outer(size, size)).max() < rel


# --- names ------------------------------------------------------------------------------------

NAMES = ["group_mean_0_", "value_", "VALUE_", "a.b", "(outcome)", "n_", "x0_", "group_", "column0_"]
NAMES += ["filename", "bayes_mlm_file", "level", "key_", "Intercept_", "select", 'say "no"', "ä ö"]


@every_engine
@pytest.mark.parametrize("name", NAMES)
def test_no_name_is_taken_for_another(engine, name):
    table = small()
    wider = table.assign(**{name: np.random.default_rng(1).normal(size=len(table))})
    formula = "y ~ within(x) + between(x) + (1 | g)"
    same(build_design(formula, table), sum_rows(formula, ENGINES[engine](wider)))
    as_group = table.rename(columns={"g": name})
    quoted = f"y ~ within(x) + between(x) + (1 | `{name}`)"
    same(build_design(quoted, as_group), sum_rows(quoted, ENGINES[engine](as_group)))
    as_predictor = table.rename(columns={"x": name})
    quoted = f"y ~ `{name}` + (1 | g)"
    same(build_design(quoted, as_predictor), sum_rows(quoted, ENGINES[engine](as_predictor)))


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_files_may_have_columns_that_duckdb_would_add(kind, tmp_path):
    table = small().rename(columns={"x": "filename"}).assign(year=lambda one: 1990 + one.g % 3)
    for k in range(2):
        folder = tmp_path / f"year={2000 + k}"
        folder.mkdir()
        part = table.iloc[k::2]
        if kind == "csv":
            part.to_csv(folder / "a.csv", index=False)
        else:
            part.to_parquet(folder / "a.parquet")
    formula = "y ~ filename + year + (1 | g)"
    same(build_design(formula, table), sum_rows(formula, open_data(tmp_path)))


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_names_that_differ_in_case_alone_are_told_apart(ending, tmp_path):
    table = pd.DataFrame({"": 1, "g": [1, 1, 2, 2] * 3, "x": range(12), "X": [1.5, 0, 3] * 4})
    table["y"] = np.sin(table.x)
    path = tmp_path / f"a.{ending}"
    table.to_csv(path, index=False) if ending == "csv" else table.to_parquet(path)
    for formula in ("y ~ x + X + (1 | g)", "y ~ X + (1 | g)"):
        same(build_design(formula, table), sum_rows(formula, open_data(path)))
    if ending == "parquet":
        pq.write_table(pa.table([[1], [2]], names=["a", "a"]), tmp_path / "twice.parquet")
        with pytest.raises(DataError, match="twice.parquet has duplicate column names: 'a'"):
            open_data(tmp_path / "twice.parquet")
        (tmp_path / "twice.parquet").unlink()
        table.to_parquet(tmp_path / "b.parquet")
        with pytest.raises(DataError, match="a.parquet has columns whose names differ in case"):
            open_data(tmp_path)


# --- types ------------------------------------------------------------------------------------

TYPES = {
    "object of numbers": lambda k: pd.Series(k).astype(object),
    "object of decimals": lambda k: pd.Series([Decimal(int(one)) / 2 for one in k]),
    "object of truth values": lambda k: pd.Series(k > 1).astype(object),
    "nullable": lambda k: pd.Series(k).astype("Int64"),
    "truth values": lambda k: pd.Series(k > 1),
    "categories": lambda k: pd.Series(k).astype(str).astype("category"),
    "small": lambda k: pd.Series(k).astype("int8"),
}
DATES = pd.Timestamp("2020-01-01") + pd.to_timedelta(range(4), unit="D")


@pytest.mark.parametrize("kind", TYPES)
def test_types_of_a_frame_are_what_they_are_to_rows(kind):
    table = small().assign(k=TYPES[kind](np.random.default_rng(2).integers(0, 4, 240)))
    formula = "y ~ k + x + (1 | g)"
    same(build_design(formula, table), sum_rows(formula, table))
    grouped = "y ~ x + (1 | k)"
    same(build_design(grouped, table), sum_rows(grouped, table))


def test_dates_may_group_and_be_categories_if_asked_for():
    table = small().assign(k=DATES[np.random.default_rng(2).integers(0, 4, 240)])
    for formula in ("y ~ C(k) + x + (1 | g)", "y ~ x + (1 | k)"):
        same(build_design(formula, table), sum_rows(formula, table))


@every_engine
def test_a_truth_value_may_be_declared_a_property_of_groups(engine):
    table = small().assign(flag=lambda one: one.g > 3)
    formula = "y ~ x + flag + (1 | g)"
    sum_rows(formula, ENGINES[engine](table), group_level=["flag"])
    odd = table.assign(flag=lambda one: one.x > 0)
    with pytest.raises(DataError, match="'flag' was declared constant"):
        sum_rows(formula, ENGINES[engine](odd), group_level=["flag"])


@every_engine
def test_a_text_may_be_declared_a_property_of_groups(engine):
    table = small().assign(kind=lambda one: np.where(one.g > 3, "a", "b"))
    formula = "y ~ x + (1 | g)"
    sum_rows(formula, ENGINES[engine](table), group_level=["kind"])
    odd = table.assign(kind=np.where(table.x > 0, "a", "b"))
    with pytest.raises(DataError, match="'kind' was declared constant"):
        sum_rows(formula, ENGINES[engine](odd), group_level=["kind"])


@every_engine
def test_a_group_that_is_not_a_number_is_missing(engine):
    table = small().astype({"g": float})
    table.loc[7, "g"] = np.nan
    with pytest.raises(DataError, match="'g'"):
        sum_rows("y ~ x + (1 | g)", ENGINES[engine](table))


@every_engine
def test_a_negative_zero_is_no_group_of_its_own(engine):
    table = small().astype({"g": float})
    table.loc[table.index[::16], "g"] = -0.0
    formula = "y ~ between(x) + within(x) + (1 | g)"
    same(build_design(formula, table), sum_rows(formula, ENGINES[engine](table)))


# --- text files -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "label",
    [
        "\tA1",
        '"A1\n"',
        "\u00a0A1",
        "007",
        "1234567890123456789",
        "12345678901234567890",
        "+5",
        "-0",
    ],
)
def test_labels_of_a_csv_file_are_those_that_are_read(label, tmp_path):
    path = tmp_path / "a.csv"
    others = ["A1", "B2"] if "A1" in label else ["3", "4"]
    rng = np.random.default_rng(0)
    lines = [f"{(label, *others)[k % 3]},{rng.normal()},{rng.normal()}" for k in range(60)]
    path.write_text("\n".join(["g,x,y", *lines]), encoding="utf-8")
    formula = "y ~ x + (1 | g)"
    same(build_design(formula, read_table(path)), sum_rows(formula, open_data(path)))


@pytest.mark.parametrize("value", ["\t1.5", "1e5", ".5", "+.5", "00.5", "9" * 25])
def test_numbers_of_a_csv_file_are_those_that_are_read(value, tmp_path):
    path = tmp_path / "a.csv"
    rng = np.random.default_rng(0)
    lines = [f"{k % 3},{value if k == 7 else rng.normal()},{rng.normal()}" for k in range(60)]
    path.write_text("\n".join(["g,x,y", *lines]), encoding="utf-8")
    formula = "y ~ x + (1 | g)"
    same(build_design(formula, read_table(path)), sum_rows(formula, open_data(path)))


# --- digits -----------------------------------------------------------------------------------


@every_engine
@pytest.mark.parametrize("size", [1e-12, 1e-6, 1.0, 1e3])
def test_log1p_keeps_its_digits_near_zero(engine, size):
    table = small().assign(x=lambda one: size * np.abs(one.x))
    formula = "y ~ log1p(x) + (1 | g)"
    same(build_design(formula, table), sum_rows(formula, ENGINES[engine](table)))


@every_engine
def test_a_centre_keeps_its_digits_at_a_large_offset(engine):
    table = small().assign(x=lambda one: 1e8 + 1e-3 * one.x)
    formula = "y ~ scale(x) + (1 | g)"
    rows, sums = (build_design(formula, table), sum_rows(formula, ENGINES[engine](table)))
    assert sums.encoding.centrings[0].sd == pytest.approx(rows.encoding.centrings[0].sd, rel=1e-7)
    assert fit_reml(sums).beta == pytest.approx(fit_reml(rows).beta, rel=1e-4, abs=1e-6)


def test_least_squares_of_rows_keeps_its_digits_at_a_large_offset():
    table = small()
    plain = fit_ols(build_design("y ~ x", table))
    moved = fit_ols(build_design("y ~ x", table.assign(x=lambda one: one.x + 2.0**27)))
    assert moved.beta[1] == pytest.approx(plain.beta[1], rel=1e-7)
    assert moved.beta_se[1] == pytest.approx(plain.beta_se[1], rel=1e-7)
    assert moved.beta_se[0] == pytest.approx(plain.beta_se[1] * 2.0**27, rel=1e-6)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("kind", ["pooled", "no_pooling"])
def test_an_outcome_that_predictors_reproduce_is_refused(seed, kind):
    table = small(seed=seed).assign(y=lambda one: 3 * one.x + 1.7)
    for rows in ("keep", "sum"):
        design = design_of(as_request("y ~ x", table, kind=kind, group="g"), table, rows=rows)
        with pytest.raises(EngineError, match="no residual variation"):
            fit_ols(design)


def test_a_predictor_with_a_large_offset_is_no_property_of_groups():
    table = small().assign(x=lambda one: one.x + 1e7)
    rows, sums = build_design("y ~ x + (1 | g)", table), sum_rows("y ~ x + (1 | g)", table)
    assert np.array_equal(coefficient_weights(rows) != 0, coefficient_weights(sums) != 0)


# --- further rows -----------------------------------------------------------------------------


@pytest.mark.parametrize("rows", [HSB.schoolid == 1224, HSB.index == 5])
def test_one_school_or_one_student_can_be_added(rows):
    formula = "mathach ~ ses * sector + (1 | schoolid)"
    before = sum_rows(formula, HSB[~rows])
    both = merge_sums(before, sum_more_rows(before, HSB[rows]))
    same(build_design(formula, HSB), both)


def test_what_is_of_another_type_is_not_added():
    table = small()
    first = sum_rows("y ~ x + (1 | g)", table)
    text = table.assign(x=np.where(table.x > 0, "high", "low"))
    with pytest.raises(DesignError, match="'x' has categories in one"):
        merge_sums(first, sum_rows("y ~ x + (1 | g)", text))
    for labels, says in ((table.g > 3, "truth values"), (table.g + 0.5, "decimal numbers")):
        other = sum_rows("y ~ x + (1 | g)", table.assign(g=labels))
        with pytest.raises(DesignError, match=says):
            merge_sums(first, other)


def test_a_predictor_may_be_called_outcome(tmp_path):
    table = small().rename(columns={"x": "(outcome)"})
    design = sum_rows("y ~ `(outcome)` + (1 | g)", table)
    again = load_sums(save_sums(design, tmp_path / "a.sums"))
    assert np.array_equal(design.moments().means, again.moments().means)
    assert np.array_equal(design.moments().scatter, again.moments().scatter)


# --- samples of groups ------------------------------------------------------------------------


@every_engine
@pytest.mark.parametrize("labels", ["numbers", "decimals", "dates", "text", "truth"])
def test_groups_of_any_type_are_found_again(engine, labels):
    made = {
        "numbers": lambda g: g,
        "decimals": lambda g: g.astype(float),
        "dates": lambda g: pd.Timestamp("2020-01-01") + pd.to_timedelta(g, unit="D"),
        "text": lambda g: "group " + g.astype(str),
        "truth": lambda g: g > 3,
    }[labels]
    table = small().assign(g=lambda one: made(one.g))
    frame = ENGINES[engine](table)
    whole = fit("y ~ x + (1 | g)", frame, rows="sum", random_seed=1)
    some = sample_groups(whole, frame, n_groups=1 if labels == "truth" else 3)
    assert some.design.labels.tolist() == sorted(some.design.labels.tolist())
    assert np.array_equal(
        some.design.group_sizes,
        whole.design.group_sizes[np.isin(whole.design.labels, some.design.labels)],
    )


@every_engine
def test_rows_that_were_left_out_are_not_in_a_sample(engine):
    table = small()
    table.loc[table.index[::11], "x"] = np.nan
    frame = ENGINES[engine](table)
    whole = fit("y ~ x + (1 | g)", frame, rows="sum", missing="drop", random_seed=1)
    some = sample_groups(whole, frame, n_groups=8)
    assert some.design.n == whole.design.n == table.x.notna().sum()
    with pytest.raises(DataError, match="same data"):
        sample_groups(whole, ENGINES[engine](table.dropna()[5:]), n_groups=8)


# --- lines ------------------------------------------------------------------------------------


def timed(n=300):
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "g": np.arange(n) % 12,
            "t": rng.integers(0, 4, n),  # zero in some rows
            "v": rng.normal(0.75, 1, n),
            "y": rng.normal(size=n),
            "c": rng.choice(list("abc"), n),
        }
    )
    return table.assign(s=table.g % 2)


@pytest.mark.parametrize("kind", ["pooled", "within", "mundlak", "partial_pooling"])
@pytest.mark.parametrize("right", ["t * v", "t * s + v", "t * s * v", "t * c", "t + v"])
def test_a_line_is_the_same_from_sums_as_from_rows(right, kind):
    table = timed()
    bar = " + (1 | g)" if kind == "partial_pooling" else ""
    record = as_request(f"y ~ {right}{bar}", table, kind=kind, group=None if bar else "g")
    try:
        rows = design_of(record, table)
    except BayesMLMError:  # sector does not vary within schools
        with pytest.raises(BayesMLMError):
            design_of(record, table, rows="sum")
        return
    sums = design_of(record, table, rows="sum")
    one, other = roles_of(rows), roles_of(sums)
    assert (one.slope, one.moderator) == (other.slope, other.moderator)
    for subgroup in (None, 0, 1) if one.moderator else (None,):
        for follow in (False, True):
            x = np.array([0.0, 2.0])
            expected = rows_of_x(rows, one, x, None, subgroup, follow=follow)
            found = rows_of_x(sums, other, x, None, subgroup, follow=follow)
            np.testing.assert_allclose(found, expected, atol=1e-10)


def test_what_crosses_a_slope_is_at_its_mean_of_all_rows():
    table = timed()
    design = build_design("y ~ t * v + (1 | g)", table)
    x = np.array([0.0, 2.0])
    rows = rows_of_x(design, roles_of(design), x, None, None, follow=False)
    product = rows[:, design.terms.index("t:v")]
    assert product == pytest.approx(x * table.v.mean())
