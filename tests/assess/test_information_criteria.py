"""Likelihood-ratio tests and information criteria: lme4's numbers, nestedness, refusals."""

import numpy as np
import pytest
from scipy import stats

from bayes_mlm import fit, information_criteria, load_contraception, load_sleepstudy
from bayes_mlm.base import DesignError, EngineError

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
