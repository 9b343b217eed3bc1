"""Models ranked by what they predict; and the command that shows it."""

import csv
import dataclasses
import math
from functools import partial

import numpy as np
import pytest
from scipy import integrate, stats

from bayes_mlm import fit
from bayes_mlm.assess import comparison as model_comparison
from bayes_mlm.assess.comparison import loo_compare
from bayes_mlm.assess.loo import leave_one_row_out
from bayes_mlm.assess.marginal_likelihood import log_marginal_likelihood
from bayes_mlm.assess.ranking import CRITERIA, NamedElpd, cautions_on, rank_elpds
from bayes_mlm.assess.stacking import stacking_weights
from bayes_mlm.base.errors import DesignError, EngineError

HSB = ("hsb_sector_ses", "hsb_ses", "hsb_pooled", "hsb_no_pooling")
SLEEP = "sleepstudy"


@pytest.fixture(scope="module")
def hsb():
    return loo_compare([fit(name, random_seed=1) for name in HSB])


@pytest.fixture(scope="module")
def sleep():
    formulas = ["reaction ~ days + (1 | subject)", "reaction ~ days + (days | subject)"]
    return [fit(formula, SLEEP, random_seed=1) for formula in formulas]


def row_of(comparison, criterion, model):
    return next(row for row in comparison.by(criterion) if row.model == model)


def far_behind(comparison, criterion, model, than):
    """Tell whether a model is behind another by more than 4 and more than 3 standard errors."""
    found = {one.model: one.elpd for one in comparison.elpds if one.elpd.unit == criterion}
    gap = found[than].pointwise - found[model].pointwise
    return gap.sum() > max(4.0, 3.0 * math.sqrt(len(gap)) * gap.std(ddof=1))


# --- what the study says ------------------------------------------------------------------------


def test_a_new_school_is_foretold_better_with_its_sector(hsb):
    assert far_behind(hsb, "group", "hsb_ses", "hsb_sector_ses")


def test_a_student_of_a_known_school_is_not_foretold_by_a_pooled_model(hsb):
    assert far_behind(hsb, "row", "hsb_pooled", "hsb_ses")


def test_own_intercepts_foretell_students_but_no_new_school(hsb):
    assert far_behind(hsb, "row", "hsb_pooled", "hsb_no_pooling")
    # A new school's intercept comes from a prior of ten sds of the outcome.
    assert far_behind(hsb, "group", "hsb_no_pooling", "hsb_pooled")
    assert hsb.by("group")[-1].model == "hsb_no_pooling"


def test_effective_parameters_are_of_the_right_size(hsb):
    # Three parameters where rows are independent; of 160 shrunken intercepts the most part.
    assert row_of(hsb, "row", "hsb_pooled").p == pytest.approx(3.0, abs=1.0)
    assert 100 < row_of(hsb, "row", "hsb_ses").p < 165
    assert row_of(hsb, "row", "hsb_no_pooling").p == pytest.approx(162.0, abs=5.0)


def test_rows_are_complete_and_in_order(hsb):
    assert [row.criterion for row in hsb.rows] == [c for c in CRITERIA for _ in HSB]
    for criterion in CRITERIA:
        rows = hsb.by(criterion)
        assert sorted(row.model for row in rows) == sorted(HSB)
        assert [row.rank for row in rows] == [1, 2, 3, 4]
        assert rows[0].difference == 0.0
        assert rows[0].se_difference == 0.0
        values = [row.value for row in rows]
        assert values == sorted(values, reverse=True)
        assert [row.difference for row in rows] == [value - values[0] for value in values]
        if criterion != "marginal_likelihood":
            assert sum(row.weight for row in rows) == pytest.approx(1.0)
            points = [one.elpd.pointwise for one in hsb.elpds if one.elpd.unit == criterion]
            names = [one.model for one in hsb.elpds if one.elpd.unit == criterion]
            weights = dict(zip(names, stacking_weights(np.stack(points, axis=1)), strict=True))
            assert {row.model: row.weight for row in rows} == pytest.approx(weights, abs=1e-4)
    assert hsb.verdict.ok
    assert "school" in hsb.question("group")


def test_tidy_text_holds_full_precision(hsb):
    rows = list(csv.DictReader(hsb.to_csv().splitlines()))
    assert len(rows) == 12
    for read, row in zip(rows, hsb.rows, strict=True):
        assert float(read["value"]) == row.value
        assert read["standing"] == row.standing
    points = list(csv.DictReader(hsb.pointwise_csv().splitlines()))
    assert len(points) == 4 * (160 + 7185)
    total = math.fsum(
        float(point["log_density"])
        for point in points
        if (point["model"], point["unit"]) == ("hsb_ses", "group")
    )
    assert total == pytest.approx(row_of(hsb, "group", "hsb_ses").value)
    assert points[0]["label"] == "1224"  # the first school's id


# --- rules --------------------------------------------------------------------------------------


def elpd_of(template, pointwise):
    return dataclasses.replace(template, pointwise=np.asarray(pointwise, dtype=float))


def test_differences_within_noise_are_ties(sleep):
    found = leave_one_row_out(sleep[0])
    n, wave = len(found.pointwise), np.resize([1.0, -1.0], len(found.pointwise))
    models = {
        "best": found.pointwise,
        "near": found.pointwise - 3.0 / n,  # 3 in all, without noise: below 4
        "noisy": found.pointwise - 10.0 / n + wave,  # 10, with an error of sqrt(180)
        "far": found.pointwise - 10.0 / n,
    }
    rows = rank_elpds(
        "row", [NamedElpd(model=m, elpd=elpd_of(found, v)) for m, v in models.items()]
    )
    assert {row.model: row.standing for row in rows} == {
        "best": "best",
        "near": "tie",
        "noisy": "tie",
        "far": "behind",
    }
    noisy = next(row for row in rows if row.model == "noisy")
    assert noisy.se_difference == pytest.approx(math.sqrt(n) * wave.std(ddof=1))
    said = " ".join(cautions_on(rows))
    assert "cannot be distinguished" in said
    assert "near" in said
    assert "far" not in said.replace("as far", "")


def test_few_groups_are_told(sleep):
    found = loo_compare(sleep)
    assert any("18 groups" in caution for caution in found.cautions)
    # Sleepstudy's slopes differ between subjects (lme4: sd 5.9 about 10.5); all measures say so.
    for criterion in CRITERIA:
        assert found.by(criterion)[0].model == "reaction ~ days + (days | subject)"


def test_measures_that_a_model_lacks_are_left_empty_with_the_reason(sleep):
    chains = dataclasses.replace(sleep[1], engine="nuts", report=None)
    flat = fit(
        "reaction ~ days",
        SLEEP,
        kind="no_pooling",
        group="subject",
        priors={"u": "Flat"},
        random_seed=1,
    )
    found = loo_compare([sleep[0], chains, flat])
    notes = {(row.criterion, row.model): row.note for row in found.rows if row.value is None}
    assert sorted(notes) == [
        ("group", "reaction ~ days"),
        ("marginal_likelihood", "reaction ~ days"),
        ("marginal_likelihood", "reaction ~ days + (days | subject)"),
    ]
    assert "new group's intercept" in notes["group", "reaction ~ days"]
    assert "by nuts" in notes["marginal_likelihood", "reaction ~ days + (days | subject)"]
    assert all(row.rank is None for row in found.rows if row.value is None)


def test_a_bad_verdict_is_passed_on(sleep, monkeypatch):
    real = model_comparison.leave_one_row_out
    monkeypatch.setattr(
        model_comparison,
        "leave_one_row_out",
        lambda fitted, **how: dataclasses.replace(real(fitted, **how), mcse=2.0),
    )
    found = loo_compare(sleep)
    assert not found.verdict.ok
    assert "leaving one row out: Monte Carlo error 2.00" in str(found.verdict)


def test_groups_that_differ_have_no_common_groups_to_leave_out():
    rng = np.random.default_rng(1)
    data = {"y": rng.normal(size=40), "x": rng.normal(size=40), "a": np.arange(40) % 5}
    data["b"] = np.arange(40) // 8
    found = loo_compare([fit(f"y ~ x + (1 | {name})", data, random_seed=1) for name in ("a", "b")])
    (without,) = (row for row in found.by("group") if row.value is None)
    assert without.note == "it groups by 'b', not by 'a'"
    assert len([row for row in found.by("row") if row.value is not None]) == 2


def test_models_of_other_data_are_refused(sleep):
    table = {"g": [1, 1, 2, 2, 3, 3], "x": [1.0, 2, 3, 1, 2, 4], "y": [1.0, 3, 2, 5, 4, 8]}
    one = fit("y ~ x", table, random_seed=1)
    with pytest.raises(DesignError, match="'reaction' in one and 'y' in the other"):
        loo_compare([sleep[0], one])
    with pytest.raises(DesignError, match=r"'y' in one and 'log\(y\)' in the other"):
        loo_compare([one, fit("log(y) ~ x", table, random_seed=1)])
    fewer = fit("y ~ x + z", table | {"z": [1.0, math.nan, 0, 0, 1, 1]}, missing="drop")
    with pytest.raises(DesignError, match=r"6 rows against 5 rows \(1 dropped"):
        loo_compare([one, fewer])
    backwards = {name: column[::-1] for name, column in table.items()}
    with pytest.raises(DesignError, match="order of the rows"):
        loo_compare([one, fit("y ~ x + (1 | g)", backwards, random_seed=1)])
    between = fit("y ~ x", table, kind="between", group="g", random_seed=1)
    with pytest.raises(DesignError, match=r"3 rows \(group means\)"):
        loo_compare([one, between])
    with pytest.raises(EngineError, match="two models or more, found 1"):
        loo_compare([one])
    with pytest.raises(EngineError, match="are the same model"):
        loo_compare([one, fit("y ~ 1 + x", table, random_seed=2)])


def test_models_of_one_name_are_told_apart():
    table = {"x": [1.0, 2, 3, 1, 2, 4], "y": [1.0, 3, 2, 5, 4, 8]}
    narrow = {"beta": "Normal(0, 0.1)"}
    fits = [fit("y ~ x", table, random_seed=1), fit("y ~ x", table, priors=narrow, random_seed=1)]
    assert {row.model for row in loo_compare(fits).rows} == {
        "y ~ x [pooled] (1)",
        "y ~ x [pooled] (2)",
    }


# --- the marginal likelihood --------------------------------------------------------------------


def test_marginal_likelihood_is_the_integral_over_the_priors():
    # Normal data, one coefficient: over beta in closed form, over sigma_e by scipy.
    y = np.array([1.2, 0.4, 2.6, 1.9, 3.1])
    x = np.array([-1.0, -0.5, 0.0, 0.5, 1.0])
    priors = {"Intercept": "Normal(1, 2)", "beta": "Normal(0, 3)", "sigma_e": "Exponential(0.5)"}
    found = log_marginal_likelihood(fit("y ~ x", {"x": x, "y": y}, priors=priors, random_seed=1))
    prior_cov = 4.0 + 9.0 * np.outer(x, x)

    def density(sigma_e):
        data = stats.multivariate_normal(np.full(5, 1.0), prior_cov + sigma_e**2 * np.eye(5))
        return data.pdf(y) * stats.expon(scale=2.0).pdf(sigma_e)

    want = integrate.quad(density, 1e-9, 60.0, epsabs=1e-14, limit=200)[0]
    # The engine claims 1e-4 at most.
    assert found.error < 1e-4
    assert found.value == pytest.approx(math.log(want), abs=1e-4)


def test_marginal_likelihood_with_groups_is_the_integral_over_the_priors():
    y = np.array([1.2, 0.4, 2.6, 1.9, 3.1, 4.0])
    g = np.array([0, 0, 1, 1, 2, 2])
    priors = {
        "Intercept": "Normal(1, 2)",
        "sigma_u": "Exponential(0.7)",
        "sigma_e": "Exponential(0.5)",
    }
    found = log_marginal_likelihood(fit("y ~ 1 + (1 | g)", {"y": y, "g": g}, priors=priors))
    same = (g[:, None] == g).astype(float)

    def density(sigma_u, sigma_e):
        cov = 4.0 + sigma_u**2 * same + sigma_e**2 * np.eye(6)
        chol = np.linalg.cholesky(cov)
        z = np.linalg.solve(chol, y - 1.0)
        log_data = -0.5 * z @ z - np.log(np.diag(chol)).sum() - 3.0 * math.log(2 * math.pi)
        return math.exp(log_data - 0.7 * sigma_u - 0.5 * sigma_e) * 0.7 * 0.5

    nodes, weights = np.polynomial.legendre.leggauss(120)
    at = 12.5 * (nodes + 1.0)  # 0 to 25: e^-12 of the priors lies beyond
    total = sum(
        wu * we * density(su, se)
        for su, wu in zip(at, weights, strict=True)
        for se, we in zip(at, weights, strict=True)
    )
    assert found.value == pytest.approx(math.log(total * 12.5**2), abs=1e-3)


def test_marginal_likelihood_falls_by_log_ten_for_a_prior_ten_times_wider():
    table = {"x": np.linspace(-1, 1, 30), "y": np.linspace(-1, 2, 30) + np.resize([0.1, -0.1], 30)}
    one, two = (
        log_marginal_likelihood(fit("y ~ x", table, priors={"beta": f"Normal(0, {sd})"})).value
        for sd in (30, 300)
    )
    # The likelihood is of width 0.03: a normal prior of 30 is flat over it to (2 / 30)^2 / 2.
    assert one - two == pytest.approx(math.log(10), abs=0.01)


def test_marginal_likelihood_is_refused_where_it_is_not_defined(sleep):
    flat = fit("reaction ~ days + (1 | subject)", SLEEP, priors={"sigma_u": "Flat", "beta": "Flat"})
    with pytest.raises(
        EngineError, match=r"flat prior on beta\[days\] and sigma_u; .*HalfStudentT"
    ):
        log_marginal_likelihood(flat)
    with pytest.raises(EngineError, match="fit with engine direct"):
        log_marginal_likelihood(dataclasses.replace(sleep[0], engine="nuts", report=None))
    heavy = fit("reaction ~ days", SLEEP, kind="no_pooling", group="subject", random_seed=1)
    student = dataclasses.replace(heavy.priors.u, family="StudentT")
    heavy = dataclasses.replace(
        heavy, engine="nuts", report=None, priors=dataclasses.replace(heavy.priors, u=student)
    )
    with pytest.raises(EngineError, match="it cannot fit this model"):
        log_marginal_likelihood(heavy)


# --- the command --------------------------------------------------------------------------------

STUDENTS = """school,ses,math,sector
1,0.5,12.1,0
1,-0.2,10.4,0
1,0.1,11.0,0
2,1.0,15.2,1
2,0.7,14.1,1
2,-0.4,13.0,1
3,0.0,9.5,0
3,0.3,10.1,0
3,-1.1,8.2,0
4,0.9,16.0,1
4,0.2,13.9,1
4,-0.6,12.2,1
"""


@pytest.fixture
def run(monkeypatch, run_command, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "students.csv").write_text(STUDENTS)
    (tmp_path / "gap.csv").write_text(STUDENTS.replace("0.7,14.1", ",14.1"))
    return partial(run_command, "loo-compare")


F, G = "math ~ ses + (1 | school)", "math ~ ses"


def test_command_shows_each_question_and_writes_the_numbers(run, tmp_path):
    code, out, err = run(F, G, "--data", "students.csv", "--out", "o")
    assert (code, err) == (0, "")
    for words in ("group that it has never seen", "another member", "priors together predict"):
        assert words in out
    assert "ok " in out
    rows = list(csv.DictReader((tmp_path / "o" / "comparison.csv").read_text().splitlines()))
    assert [(row["criterion"], row["model"]) for row in rows if row["rank"] == "1"] == [
        (criterion, F) for criterion in CRITERIA
    ]
    points = list(csv.DictReader((tmp_path / "o" / "pointwise.csv").read_text().splitlines()))
    assert len(points) == 2 * (4 + 12)
    again = run(F, G, "--data", "students.csv", "--out", "p")
    assert again[0] == 0
    assert (tmp_path / "o" / "comparison.csv").read_text() == (
        tmp_path / "p" / "comparison.csv"
    ).read_text()


def test_command_without_groups_says_so(run):
    code, out, _ = run(G, "math ~ ses + sector", "--data", "students.csv")
    assert code == 0
    assert out.count("no model names groups") == 1


def test_command_gives_code_3_where_it_is_not_to_be_trusted(run):
    code, out, _ = run(F, G, "--data", "students.csv", "--draws", "30")
    assert code == 3
    assert "NOT OK" in out
    assert "raise --draws" in out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([F, "--data", "students.csv"], "two models or more"),
        ([F, F, "--data", "students.csv"], "given twice"),
        ([F, "math ~ 1 + ses + (1 | school)", "--data", "students.csv"], "the same model"),
        ([F, G], "a formula needs data"),
        ([G, "log(math) ~ ses", "--data", "students.csv"], "'log(math)'"),
        ([G, "math ~ 1", "--data", "gap.csv"], "--missing drop"),
        ([G, "math ~ 1", "--data", "gap.csv", "--missing", "drop"], "1 dropped"),
        (["hsb_ses", "hsb_between"], "group means"),
        (["hsb_ses", "hsb_sess"], "hsb_ses"),
        ([F, G, "--data", "students.csv", "--out", "gap.csv"], "is a file"),
        ([F, G, "--data", "students.csv", "--draws", "0"], "draws"),
    ],
    ids=lambda value: str(value)[:50],
)
def test_wrong_input_is_one_line_before_anything_is_sampled(run, monkeypatch, arguments, says):
    if says != "the same model":
        monkeypatch.setattr("bayes_mlm.engines.direct.sample_direct", None)
    code, out, err = run(*arguments)
    assert code == 1, out + err
    assert says in err
    assert len(err.strip().splitlines()) == 1
    assert err.startswith("error: ")


def test_unknown_engine_is_a_usage_error(run):
    assert run(F, G, "--engine", "reml")[0] == 2
