"""Outcomes that are not Gaussian out of core: distinct rows, counted, against the rows."""

import numpy as np
import pandas as pd
import pytest

from bayes_mlm import (
    build_design,
    check,
    comparisons,
    fit,
    for_kind,
    group_lines,
    leave_one_row_out,
    load_fit,
    population_line,
    predict,
    sample_groups,
    save_fit,
    slopes,
    sum_more_rows,
    sum_rows,
    variance_by_level,
)
from bayes_mlm.base import BayesMLMError, DataError, RowsNeededError
from bayes_mlm.design import column_moments, mean_offset
from bayes_mlm.design.aggregated import patterns
from bayes_mlm.fitting import Analysis, estimate_design
from bayes_mlm.fitting.structured_densities import conditional_model, group_log_densities
from bayes_mlm.likelihood import code_of, likelihood_rows, model_priors
from bayes_mlm.report.remarks import coded_outcome
from bayes_mlm.report.tables import variables_table

duckdb = pytest.importorskip("duckdb")

N, J = 3000, 25


@pytest.fixture(scope="module")
def table():
    """Rows whose predictors take few values; trials and exposures vary."""
    rng = np.random.default_rng(7)
    g, x, w = rng.integers(0, J, N), rng.integers(0, 2, N) * 1.0, rng.integers(1, 3, N) * 1.0
    band = np.array(["low", "mid", "high"])[rng.integers(0, 3, N)]
    eta = -0.4 + 0.5 * x + 0.3 * (band == "mid") + 0.7 * rng.normal(size=J)[g]
    happens, trials = 1.0 / (1.0 + np.exp(-eta)), rng.integers(1, 4, N)
    return pd.DataFrame(
        {
            "g": [f"s{k}" for k in g],
            "x": x,
            "band": band,
            "w": w,
            "n": trials,
            "y": np.where(rng.random(N) < happens, "yes", "no"),
            "s": rng.binomial(trials, happens),
            "c": rng.poisson(w * np.exp(eta)),
            "k": np.minimum(rng.poisson(np.exp(eta)), 3),
        }
    )


MODELS = [
    ("bernoulli", "y ~ scale(x) * band + (1 | g)"),
    ("bernoulli(probit)", "y ~ x + (1 | g)"),
    ("binomial", "s | trials(n) ~ x + band + (1 + x | g)"),
    ("poisson", "c ~ x + within(x) + offset(log(w)) + (1 | g)"),
    ("negative_binomial", "c ~ x + offset(log(w)) + (1 | g)"),
    ("cumulative", "C(k) ~ x + band + (1 | g)"),
]


def counted(formula, table, family):
    return sum_rows(formula, duckdb.from_df(table), family=family)


@pytest.mark.parametrize(("family", "formula"), MODELS)
def test_distinct_rows_are_the_rows(table, family, formula):
    """What is learned of the columns, default priors and notes are those of the rows."""
    few, rows = counted(formula, table, family), build_design(formula, table, family=family)
    assert few.n == rows.n == N
    assert few.patterns.n < N / 2
    assert few.patterns.response.weights.sum() == N
    assert (few.terms, few.effects) == (rows.terms, rows.effects)
    np.testing.assert_array_equal(few.labels, rows.labels)
    np.testing.assert_array_equal(few.group_sizes, rows.group_sizes)
    np.testing.assert_allclose(few.base.means, rows.base.means, atol=1e-12)
    assert mean_offset(few) == pytest.approx(mean_offset(rows), rel=1e-12)
    one, other = column_moments(few), column_moments(rows)
    for name in ("y_mean", "y_sd", "x_mean", "x_sd", "z_mean", "z_sd"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), atol=1e-12)
    priors = [model_priors(design).by_name(design) for design in (few, rows)]
    assert [str(one) for one in priors[0].values()] == [str(one) for one in priors[1].values()]
    assert few.notes[:-1] == rows.notes
    assert f"of {N:,} are distinct" in few.notes[-1]


@pytest.mark.parametrize(("family", "formula"), MODELS)
def test_ml_of_distinct_rows_is_that_of_rows(table, family, formula):
    lazy = duckdb.from_df(table)
    few = fit(formula, lazy, family=family, engine="ml", rows="sum").solution
    rows = fit(formula, table, family=family, engine="ml").solution
    assert few.loglik == pytest.approx(rows.loglik, rel=1e-12)
    np.testing.assert_allclose(few.beta, rows.beta, atol=1e-8)
    np.testing.assert_allclose(few.cov_u, rows.cov_u, atol=1e-7)
    np.testing.assert_allclose(few.u, rows.u, atol=1e-7)
    assert few.bic == pytest.approx(rows.bic, rel=1e-12)


@pytest.mark.parametrize(("family", "formula"), [MODELS[0], MODELS[3], MODELS[5]])
def test_draws_of_distinct_rows_are_those_of_rows(table, family, formula):
    lazy, asked = duckdb.from_df(table), {"family": family, "engine": "direct", "random_seed": 1}
    few = fit(formula, lazy, rows="sum", **asked)
    rows = fit(formula, table, **asked)
    for name in ("beta", "sigma_u"):
        np.testing.assert_allclose(few.draws[name], rows.draws[name], atol=1e-5)


def test_the_order_of_the_rows_does_not_matter(table):
    made = [counted("y ~ x * band + (1 | g)", one, "bernoulli") for one in (table, table[::-1])]
    first, second = (likelihood_rows(one, code_of(one.family)) for one in made)
    for name in ("X", "Z", "y", "trials", "starts"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))


def test_kinds_are_those_of_the_rows(table):
    formula = "y ~ x + band + (1 | g)"
    few, rows = (
        counted(formula, table, "bernoulli"),
        build_design(formula, table, family="bernoulli"),
    )
    for kind in ("mundlak", "within", "pooled"):
        one, other = for_kind(few, kind), for_kind(rows, kind)
        assert one.terms == other.terms
        assert not one.has_rows
        total = one.patterns.response.weights @ one.patterns.X
        np.testing.assert_allclose(total, other.X.sum(axis=0), atol=1e-8)


@pytest.fixture(scope="module")
def fits(table):
    """The posterior of a model by its distinct rows, and by all."""
    asked = {"family": "bernoulli", "random_seed": 1, "draws": 250}
    formula, lazy = "y ~ log(w) * x + band + (1 | g)", duckdb.from_df(table)
    return fit(formula, lazy, rows="sum", **asked), fit(formula, table, **asked)


def test_predictions_are_those_of_the_rows(fits):
    new = {"x": [0.0, 1.0], "g": ["s1", "s2"], "w": [1.0, 2.0], "band": ["low", "mid"]}
    for question in ("population", "new_group", "existing_group"):
        ours, theirs = (predict(one, new, question=question).to_frame()["mean"] for one in fits)
        np.testing.assert_allclose(ours, theirs, atol=1e-6)


@pytest.fixture(scope="module")
def estimates(table):
    """As `fits`, by ML."""
    formula, lazy = "y ~ log(w) * x + band + (1 | g)", duckdb.from_df(table)
    few = fit(formula, lazy, family="bernoulli", engine="ml", rows="sum")
    return few, fit(formula, table, family="bernoulli", engine="ml")


QUESTIONS = {
    "risk differences": lambda one: comparisons(one, "x", likelihood=False),
    "of one sd, a ratio": lambda one: comparisons(
        one, {"w": "sd"}, comparison="ratio", likelihood=False
    ),
    "of known groups": lambda one: comparisons(
        one, "band", question="existing_group", likelihood=False
    ),
    "slopes": lambda one: slopes(
        one, "x", at={"w": ["mean±sd", "median"]}, question="population", likelihood=False
    ),
    "linear": lambda one: comparisons(one, "x", scale="link", likelihood=False),
    "variance": variance_by_level,
    "lines": lambda one: group_lines(one, along="x"),
    "population": lambda one: population_line(one, "x", at={"band": "mid"}),
}


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("drawn", [False, True])
def test_averages_over_distinct_rows_are_those_over_rows(fits, estimates, drawn, question):
    """Means, sds and intervals; draws of one seed differ by the rounding of their search."""
    found = [QUESTIONS[question](one) for one in (fits if drawn else estimates)]
    one, other = (each.to_frame().select_dtypes("number") for each in found)
    assert one.size > 0
    np.testing.assert_allclose(one, other, rtol=1e-4 if drawn else 1e-6, atol=1e-7)


def test_the_null_model_of_distinct_rows_is_that_of_rows(estimates, table):
    null = "y ~ 1 + (1 | g)", {"family": "bernoulli", "engine": "ml"}
    few = fit(null[0], duckdb.from_df(table), rows="sum", **null[1])
    rows = fit(null[0], table, **null[1])
    found = [
        variance_by_level(one, null=of) for one, of in zip(estimates, (few, rows), strict=True)
    ]
    one, other = (each["r2_between"].estimate for each in found)
    assert one == pytest.approx(other, rel=1e-6)
    lost = fit(null[0], duckdb.from_df(table[table.x > 0]), rows="sum", **null[1])
    with pytest.raises(BayesMLMError, match="the same outcome"):
        variance_by_level(estimates[0], null=lost)


def test_means_of_groups_that_are_set_anew_are_those_of_rows(table):
    """A mundlak model averages products with a predictor of groups over the rows of each."""
    data = table.assign(z=table.g.map(lambda label: float(len(label) > 2)))
    formula, asked = "y ~ x * z + (1 | g)", {"family": "bernoulli", "engine": "ml"}
    asked["kind"] = "mundlak"
    few = fit(formula, duckdb.from_df(data), rows="sum", **asked)
    rows = fit(formula, data, **asked)
    ours, theirs = (comparisons(one, {"z": (0, 1)}).to_frame() for one in (few, rows))
    np.testing.assert_allclose(ours["estimate"], theirs["estimate"], rtol=1e-7)


def test_densities_of_groups_are_those_of_rows(fits):
    """What leaving out groups is made of; of distinct rows more draws are affordable."""
    one, other = (group_log_densities(conditional_model(each, None, 100)) for each in fits)
    np.testing.assert_allclose(one, other, atol=1e-6)


def test_the_rows_of_some_groups_are_fetched(fits, estimates, table):
    lazy = duckdb.from_df(table)
    for one in (fits[0], estimates[0]):
        some = sample_groups(one, lazy, n_groups=5)
        assert some.design.has_rows
        assert some.design.J == 5
        places = some.design.group_term.places_in(one.design.labels)
        assert some.design.n == one.design.group_sizes[places].sum()
    again = estimate_design(some.design, "ml").solution  # of all groups, whatever the rows
    np.testing.assert_allclose(again.beta, estimates[0].solution.beta, rtol=1e-7)


def test_what_needs_rows_says_so(fits, table):
    few, _ = fits
    for question in (
        lambda: few.design.y,
        lambda: few.design.X,
        few.design.rows,
        lambda: leave_one_row_out(few),
        lambda: check(few),
    ):
        with pytest.raises(RowsNeededError, match='keep the rows \\(rows="keep"\\)'):
            question()
    with pytest.raises(BayesMLMError, match="count those of all data together"):
        sum_more_rows(few.design, duckdb.from_df(table))


def test_a_saved_fit_has_the_distinct_rows(fits, tmp_path):
    few, _ = fits
    again = load_fit(save_fit(few, tmp_path / "fit.nc", groups="none")).design
    one, other = few.design.patterns, again.patterns
    for name in ("X", "y", "Z", "codes", "group_sizes"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    np.testing.assert_array_equal(one.response.weights, other.response.weights)
    np.testing.assert_array_equal(one.inputs["w"], other.inputs["w"])
    assert not again.has_rows
    assert again.n == N
    assert "observed_data" not in few.data.children
    assert few.data.constant_data["weights"].sum() == N


def test_moments_are_those_of_the_rows(fits):
    one, other = (fitted.design.moments() for fitted in fits)
    np.testing.assert_array_equal(one.counts, other.counts)
    np.testing.assert_allclose(one.means + one.centre, other.means + other.centre, atol=1e-12)
    np.testing.assert_allclose(one.scatter, other.scatter, atol=1e-9)


def test_the_command_line_fits(table, run_command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    table.to_parquet("rows.parquet")
    asked = ("fit", "s | trials(n) ~ x", "--data", "rows.parquet", "--engine", "ml")
    asked = (*asked, "--family", "binomial", "--quiet")
    code, few, _ = run_command(*asked, "--rows", "sum")
    assert code == 0
    _, rows, _ = run_command(*asked, "--rows", "keep")
    printed, _, rest = few.partition("rows of rows.parquet (duckdb) were counted where they lie")
    assert f"of {N:,} are distinct" in rest
    one, other = (text.partition("certified")[0] for text in (printed, rows))
    assert one == other


@pytest.mark.slow
@pytest.mark.usefixtures("undrawn")
def test_the_command_line_writes_a_report(table, run_command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    table.to_parquet("rows.parquet")
    asked = ("fit", "y ~ x + (1 | g)", "--data", "rows.parquet", "--family", "bernoulli")
    code, _, err = run_command(*asked, "--rows", "sum", "--out", "few", "--quiet")
    assert code == 0, err
    written = tmp_path / "few"
    assert not load_fit(written / "model.nc").design.has_rows
    assert "--rows sum" in (written / "model.toml").read_text(encoding="utf-8")
    assert f"of {N:,} are distinct" in (written / "report.html").read_text(encoding="utf-8")


def test_the_data_of_a_report_are_those_of_the_rows(fits):
    few, rows = (
        Analysis(
            request=one.request,
            design=one.design,
            fits=(one,),
            estimates=(),
            summaries=(),
            prob=0.9,
        )
        for one in fits
    )
    assert variables_table(few) == variables_table(rows)
    assert list(coded_outcome(few.design)) == list(coded_outcome(rows.design))


@pytest.mark.parametrize(
    ("family", "formula", "says"),
    [
        ("gamma", "w ~ x + (1 | g)", "gamma outcomes need the rows, as few of them are equal"),
        ("bernoulli", "y ~ x + (1 | g) + (1 | band)", "2 grouping factors need the rows"),
        ("bernoulli", "band ~ x + (1 | g)", "3 categories"),
        ("binomial", "n | trials(s) ~ x + (1 | g)", "its distinct rows: successes exceed trials"),
        ("poisson", "y ~ x + (1 | g)", "is text"),
        ("poisson", "half ~ x + (1 | g)", "counts are 0, 1, 2"),
        ("bernoulli", "gone ~ x + (1 | g)", "2 missing values"),
    ],
)
def test_what_cannot_be_counted_is_refused(table, family, formula, says):
    gone = np.where(np.arange(N) < 2, np.nan, table.x)
    data = table.assign(half=table.x + 0.5, gone=gone)
    with pytest.raises(BayesMLMError, match=says):
        counted(formula, data, family)


def test_engines_that_need_rows_say_so(table):
    lazy = duckdb.from_df(table)
    with pytest.raises(BayesMLMError, match='use engine="ml", or keep the rows'):
        fit("c ~ x + (1 | g)", lazy, family="negative_binomial", rows="sum")
    with pytest.raises(BayesMLMError, match="NUTS engine cannot fit this model"):
        fit("y ~ x + (1 | g)", lazy, family="bernoulli", engine="nuts", rows="sum")


def test_too_many_distinct_rows_are_refused(table, monkeypatch):
    few = counted("y ~ x + (1 | g)", table, "bernoulli").patterns.n
    for most in (few, few - 1, 20):  # as many; found in the result; found in the first rows
        monkeypatch.setattr(patterns, "MAX_PATTERNS", most)
        if most == few:
            assert counted("y ~ x + (1 | g)", table, "bernoulli").patterns.n == few
            continue
        with pytest.raises(DataError, match=f"more than {most} of the {N:,} rows"):
            counted("y ~ x + (1 | g)", table, "bernoulli")
