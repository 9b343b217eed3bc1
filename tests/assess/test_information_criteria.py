"""Likelihood-ratio tests and information criteria: lme4's numbers, nestedness, refusals."""

import numpy as np
import pytest
from scipy import stats

from bayes_mlm import (
    build_design,
    fit,
    fit_reml,
    information_criteria,
    load_contraception,
    load_sleepstudy,
)
from bayes_mlm.base import DesignError, EngineError
from bayes_mlm.engines import conditional_aic

NULL, LINE, SLOPE = (
    "reaction ~ 1 + (1 | subject)",
    "reaction ~ days + (1 | subject)",
    "reaction ~ days + (days | subject)",
)


def estimates(*formulas, engine="ml"):
    return [fit(one, load_sleepstudy(), engine=engine) for one in formulas]


def test_the_table_is_that_of_anova_in_lme4():
    """anova(m0, m1, m2), lme4 1.1-31: AIC 1916.5, 1802.1, 1763.9; chi2 116.46 (1), 42.139 (2)."""
    table = information_criteria(*estimates(SLOPE, NULL, LINE))
    assert [row.parameters for row in table] == [3, 4, 6]
    assert [round(row.aic, 1) for row in table] == [1916.5, 1802.1, 1763.9]
    line, slope = table.rows[1:]
    assert (round(line.chi2, 2), line.df) == (116.46, 1)
    assert (round(slope.chi2, 3), slope.df) == (42.139, 2)
    assert line.p == pytest.approx(stats.chi2.sf(line.chi2, 1))
    mixed = 0.5 * stats.chi2.sf(slope.chi2, 1) + 0.5 * stats.chi2.sf(slope.chi2, 2)
    assert slope.p == pytest.approx(mixed)
    assert sum(row.weight for row in table) == pytest.approx(1.0)


def test_restricted_likelihoods_are_compared_with_the_same_coefficients_alone():
    table = information_criteria(*estimates(LINE, SLOPE, engine="reml"))
    assert "by restricted likelihood" in str(table)
    assert table.rows[1].chi2 == pytest.approx(42.837, abs=1e-3)
    with pytest.raises(EngineError, match="engine='ml'"):
        information_criteria(*estimates(NULL, LINE, engine="reml"))
    (ml,), (reml,) = estimates(LINE), estimates(LINE, engine="reml")
    with pytest.raises(EngineError, match="a restricted likelihood and a likelihood"):
        information_criteria(ml, reml)


def test_models_that_are_not_nested_have_no_test():
    table = load_sleepstudy().assign(late=lambda one: (one["days"] > 4) * 1.0)
    two = [fit(f"reaction ~ {x} + (1 | subject)", table, engine="ml") for x in ("days", "late")]
    first, second = information_criteria(*two)
    assert (first.df, second.df) == (None, None)
    assert np.isnan(second.p)


def test_least_squares_and_other_families_take_part():
    lines = estimates("reaction ~ days", engine="ols") + estimates(LINE)
    table = information_criteria(*lines)
    assert table.rows[1].df == 1
    assert table.rows[1].p == pytest.approx(0.5 * stats.chi2.sf(table.rows[1].chi2, 1))
    data = load_contraception().assign(yes=lambda one: (one["use"] == "Y") * 1)
    two = [
        fit(f"yes ~ {x} + (1 | district)", data, family="bernoulli", engine="ml")
        for x in ("urban", "urban + livch")
    ]
    assert information_criteria(*two).rows[1].df == 3


def test_what_cannot_be_compared_is_refused():
    (line,) = estimates(LINE)
    with pytest.raises(EngineError, match="two models or more"):
        information_criteria(line)
    fewer = fit(LINE, load_sleepstudy().iloc[:100], engine="ml")
    with pytest.raises(DesignError, match="rows against"):
        information_criteria(line, fewer)
    with pytest.raises(EngineError, match="information_criteria"):
        information_criteria(line, "reml")


@pytest.mark.parametrize(
    ("bar", "method", "sd"),
    [
        ("(1 | g)", "reml", 1.0),
        ("(1 | g)", "ml", 0.0),
        ("(x || g)", "reml", 0.5),
        pytest.param("(x | g)", "ml", 1.0, marks=pytest.mark.slow),
    ],
)
def test_effective_parameters_are_the_derivatives_of_the_fitted_values(bar, method, sd):
    """Every outcome is moved, and the variances are estimated anew (Greven & Kneib 2010)."""
    rng = np.random.default_rng(3)
    g = np.repeat(np.arange(5), rng.integers(2, 5, 5))
    x = rng.normal(size=g.size) + 3.0
    y = x + sd * rng.normal(size=6)[g] * (1.0 + x) + rng.normal(size=g.size)

    def fitted(y):
        design = build_design(f"y ~ x + {bar}", {"y": y, "x": x, "g": g})
        one = fit_reml(design, profile=False, method=method.upper())
        effects = (design.group_term.Z * one.u[design.codes]).sum(axis=1)
        return design.X @ one.beta + effects, one

    def slope(place):
        step = 1e-4 * np.eye(y.size)[place]
        return (fitted(y + step)[0][place] - fitted(y - step)[0][place]) / 2e-4

    mean, one = fitted(y)
    found = conditional_aic(build_design(f"y ~ x + {bar}", {"y": y, "x": x, "g": g}).moments(), one)
    assert found.df == pytest.approx(sum(map(slope, range(y.size))), abs=1e-6)
    loglik = -0.5 * np.log(2 * np.pi * one.sigma_e**2) - 0.5 * ((y - mean) / one.sigma_e) ** 2
    assert found.loglik == pytest.approx(loglik.sum())
    assert found.value == pytest.approx(-2 * loglik.sum() + 2 * (found.df + 1))
