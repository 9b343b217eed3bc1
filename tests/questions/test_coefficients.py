"""Tests of coefficients: degrees of freedom against R, exact cases, and what is refused.

``tests/reference/fixed_effects.json`` is of lmerTest 3.1-3 and pbkrtest 0.5.2 (versions and calls
in the file).
"""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from bayes_mlm import coefficient_tests, fit, load_dataset, variance_tests
from bayes_mlm.base.errors import DesignError, EngineError, UnsupportedModelError

REFERENCE = json.loads(
    (Path(__file__).parents[1] / "reference" / "fixed_effects.json").read_text("utf-8")
)
CASES = {one["id"]: one for one in REFERENCE["cases"]}


@pytest.fixture(scope="module")
def estimates():
    found = {}
    for name, one in CASES.items():
        formula = one["formula"].replace("factor(days)", "C(days)")
        found[name] = fit(formula, one["csv"].removesuffix(".csv"), engine="reml")
    return found


@pytest.mark.parametrize("name", CASES)
def test_satterthwaite_is_that_of_lmertest(estimates, name):
    table, known = coefficient_tests(estimates[name]), CASES[name]
    assert np.allclose([row.df for row in table], list(known["satterthwaite_df"].values()), 1e-5)
    assert np.allclose([row.se for row in table], list(known["se"].values()), 1e-5)
    p = np.array(list(known["satterthwaite_p"].values()))
    assert np.allclose([np.log(row.p) for row in table], np.log(p), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", CASES)
def test_kenward_roger_is_that_of_pbkrtest(estimates, name):
    table, known = coefficient_tests(estimates[name], df="kenward-roger"), CASES[name]
    assert np.allclose([row.df for row in table], list(known["kr_df"].values()), 1e-5)
    assert np.allclose(table.tests.covariance, known["kr_vcov"], rtol=1e-5)


@pytest.mark.parametrize(("method", "key"), [("satterthwaite",) * 2, ("kenward-roger", "kr")])
@pytest.mark.parametrize("name", [name for name, one in CASES.items() if one["joint"]])
def test_joint_tests_are_those_of_r(estimates, name, method, key):
    table, known = coefficient_tests(estimates[name], df=method), CASES[name]
    for one in known["joint"].values():
        names = list(known["fixef"])
        test = table.joint(*(table.rows[names.index(row)].term for row in one["rows"]))
        assert test.df == one[key]["ndf"]
        assert np.isclose(test.statistic, one[key]["F"], rtol=1e-5)
        assert np.isclose(test.denominator_df, one[key]["ddf"], rtol=1e-5)


@pytest.mark.parametrize("kind", ["CR0", "CR1", "CR2"])
@pytest.mark.parametrize("name", [name for name, one in CASES.items() if "cluster_robust" in one])
def test_cluster_robust_errors_are_those_of_clubsandwich(estimates, name, kind):
    known = CASES[name]["cluster_robust"][kind]
    table = coefficient_tests(estimates[name], df=kind.lower())
    assert np.allclose(table.tests.covariance, known["vcov"], rtol=2e-5, atol=1e-8)
    if kind == "CR2":
        assert np.allclose([row.df for row in table], list(known["df"].values()), rtol=1e-4)
    else:
        assert table.rows[0].df == len(estimates[name].solution.labels) - 1
    assert f"cluster-robust {kind} standard errors" in str(table)
    row, test = table.rows[1], table.joint(table.rows[1].term)
    assert (test.statistic, test.p) == (pytest.approx(row.t**2), pytest.approx(row.p))
    with pytest.raises(UnsupportedModelError, match="not cluster-robust here"):
        table.joint(*(row.term for row in table))


@pytest.mark.parametrize("name", [name for name, one in CASES.items() if "variance_tests" in one])
def test_likelihood_ratios_of_variances_are_those_of_lme4_and_rlrsim(estimates, name):
    (known,) = CASES[name]["variance_tests"].values()
    (row,) = variance_tests(estimates[name], 100)
    assert row.statistic == pytest.approx(known["rlrt"], rel=1e-6)
    if "p_mixture" in known:
        assert row.p_mixture == pytest.approx(known["p_mixture"], rel=1e-4)


def test_cluster_robust_errors_ignore_the_working_model_where_it_is_wrong():
    """Simulated: residuals of one half of the groups have five times the sd."""
    rng, covered = np.random.default_rng(4), {"normal": 0, "cr2": 0}
    g = np.repeat(np.arange(20), 10)
    wide, w = np.where(g < 6, 5.0, 1.0), (g < 6) * 1.0
    for _ in range(150):
        y = wide * (rng.normal(size=20)[g] + rng.normal(size=g.size))
        found = fit("y ~ w + (1 | g)", {"y": y, "w": w, "g": g}, engine="reml")
        for df in covered:
            row = coefficient_tests(found, df=df)["w"]
            covered[df] += row.lower < 0.0 < row.upper
    assert covered["cr2"] / 150 > 0.9
    assert covered["normal"] / 150 < 0.87


def test_a_categorical_predictor_is_tested_by_its_name(estimates):
    table = coefficient_tests(estimates["sleep_factor_ri"])
    assert table.joint("C(days)").df == 9
    with pytest.raises(DesignError, match="no term 'dayz'"):
        table.joint("dayz")
    with pytest.raises(DesignError, match="name the terms"):
        table.joint()


def test_balanced_groups_have_the_exact_t():
    """A property of groups, groups of one size: the t test of the group means, df exact."""
    rng = np.random.default_rng(1)
    group = np.repeat(np.arange(9), 4)
    w = (np.arange(9) % 3 - 1.0)[group]
    y = w + rng.normal(size=9)[group] + rng.normal(size=36)
    found = fit("y ~ w + (1 | g)", {"y": y, "w": w, "g": group}, engine="reml")
    means = y.reshape(9, 4).mean(axis=1)
    exact = stats.linregress(w[::4], means)
    for method in ("satterthwaite", "kenward-roger", "between-within"):
        row = coefficient_tests(found, df=method)["w"]
        assert np.isclose(row.df, 7.0, rtol=1e-6)
        assert np.isclose(row.p, exact.pvalue, rtol=1e-5)


def test_degrees_of_freedom_of_several_factors_are_those_of_lmertest():
    known = {"penicillin": 5.48709413, "pastes": 9.0}  # lmerTest 3.1-3, bobyqa to 1e-10
    formulas = {
        "penicillin": "diameter ~ 1 + (1 | plate) + (1 | sample)",
        "pastes": "strength ~ 1 + (1 | batch) + (1 | sample)",
    }
    for name, df in known.items():
        found = fit(formulas[name], name, engine="reml")
        assert np.isclose(coefficient_tests(found).rows[0].df, df, rtol=1e-5)
        with pytest.raises(UnsupportedModelError, match="one grouping factor"):
            coefficient_tests(found, df="kenward-roger")


def test_units_and_centring_change_no_degrees_of_freedom():
    table = load_dataset("sleepstudy").columns
    plain = fit("reaction ~ days + (days | subject)", dict(table), engine="reml")
    days = np.asarray(table["days"], dtype=float)
    moved = {**table, "days": 1000.0 + days * 0.01}
    other = fit("reaction ~ days + (days | subject)", moved, engine="reml")
    for method in ("satterthwaite", "kenward-roger"):
        first, second = (coefficient_tests(one, df=method)["days"] for one in (plain, other))
        assert np.isclose(first.df, second.df, rtol=1e-4)
        assert np.isclose(first.t, second.t, rtol=1e-5)


def test_least_squares_has_residual_degrees_of_freedom():
    found = fit("distance ~ age", "orthodont", engine="ols")
    assert {row.df for row in coefficient_tests(found, df="kenward-roger")} == {106.0}


def test_a_singular_fit_prints_the_other_degrees_of_freedom(estimates):
    table = coefficient_tests(estimates["hsb_rs"])
    assert "by Kenward-Roger" in table.cautions[0]
    assert "singular fit" in str(table)


def test_refusals():
    with pytest.raises(EngineError, match="unknown df"):
        coefficient_tests(fit("distance ~ age", "orthodont", engine="ols"), df="kenward")
    found = fit("reaction ~ days + (1 | subject)", "sleepstudy", engine="ml")
    with pytest.raises(UnsupportedModelError, match="REML"):
        coefficient_tests(found, df="kenward-roger")
