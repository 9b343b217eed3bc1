"""Group lines, population lines and contextual effects with several grouping factors."""

import numpy as np
import pandas as pd
import pytest

from bayes_mlm import contextual_effects, fit, group_lines, population_line, predict
from bayes_mlm.base.errors import DesignError, SeveralFactorsError
from tests.helpers import REFERENCE

NESTED = "y ~ x + (x | school) + (1 | class:school)"
BY_SCHOOL = "y ~ within(x, school) + between(x, school) + (1 | school) + (1 | class:school)"


def sloping():
    return pd.read_csv(REFERENCE / "shares_with_a_slope.csv")


@pytest.fixture(scope="module")
def estimate():
    return fit(NESTED, sloping(), engine="reml")


@pytest.fixture(scope="module")
def drawn():
    return fit(NESTED, sloping(), engine="direct", random_seed=1, draws=1000)


def test_lines_of_a_school_are_predictions_of_new_classes_in_it(estimate):
    """Their means, and their variances less that of the effects of a new class."""
    lines = group_lines(estimate, factor="school", groups=[1, 4], x=[-1.0, 2.0])
    new = predict(estimate, {"x": [-1.0, 2.0] * 2, "school": [1, 1, 4, 4]}, factor="class:school")
    points = [*lines.line(1), *lines.line(4)]
    np.testing.assert_allclose([one.estimate for one in points], new.mean, rtol=1e-9)
    room = estimate.solution.factors[1].cov_u[0, 0]
    half = np.array([(one.upper - one.lower) / 2 for one in points]) / 1.959963984540054
    np.testing.assert_allclose(half, np.sqrt(np.square(new.sd) - room), rtol=1e-7)
    assert "effects of class:school at zero" in str(lines)


def test_lines_of_draws_are_near_those_of_the_estimate(estimate, drawn):
    for name, label in (("school", 4), ("class:school", "k2:4")):
        one, other = (
            group_lines(each, factor=name, along="x", groups=[label], x=[0.5])
            for each in (estimate, drawn)
        )
        row, reml = other.rows[0], one.rows[0]
        assert abs(row.estimate - reml.estimate) < 0.3 * row.sd
        assert row.reml == pytest.approx(reml.estimate, rel=1e-6)
    with pytest.raises(SeveralFactorsError, match="choose factor='school'"):
        group_lines(estimate)


def test_population_lines_are_of_the_coefficients(estimate, drawn):
    for result, beta in ((estimate, estimate.solution.beta), (drawn, drawn.beta.mean(axis=0))):
        line = population_line(result, "x", [0.0, 2.0])
        wanted = [beta[0], beta[0] + 2 * beta[1]]
        np.testing.assert_allclose([one.estimate for one in line], wanted, rtol=1e-9)


@pytest.mark.parametrize("engine", ["reml", "direct"])
def test_contextual_effects_are_by_factor(engine):
    result = fit(BY_SCHOOL, sloping(), engine=engine, random_seed=1)
    table = contextual_effects(result, factor="school")
    beta = result.solution.beta if engine == "reml" else result.beta.mean(axis=0)
    wanted = [beta[1], beta[2], beta[2] - beta[1]]
    found = [table["x", one].estimate for one in ("within", "between", "contextual")]
    np.testing.assert_allclose(found, wanted, rtol=1e-9)
    with pytest.raises(DesignError, match=r"because of within\(x, school\)"):
        contextual_effects(result, factor="class:school")
    with pytest.raises(SeveralFactorsError, match="choose factor='school'"):
        contextual_effects(result)


def test_means_of_two_factors_are_not_mixed_up():
    formula = "y ~ x + between(x, school) + between(x, class:school) + (1 | school/class)"
    data = sloping()
    result = fit(formula, data, engine="reml")
    means = [data.groupby(by)["x"].transform("mean") for by in ("school", ["school", "class"])]
    assert result.design.terms[2:] == ("between(x, school)", "between(x, class:school)")
    np.testing.assert_allclose(result.design.X[:, 2:], np.column_stack(means), atol=1e-12)
    with pytest.raises(DesignError, match="coefficient of each is its contextual effect"):
        contextual_effects(result, factor="school")


def test_a_new_class_has_the_means_of_its_rows():
    formula = "y ~ within(x, class:school) + between(x, class:school) + (1 | school/class)"
    result = fit(formula, sloping(), engine="reml")
    rows = {"x": [1.0, 2.0], "school": [1, 1], "class": ["new", "new"]}
    found = predict(result, rows, factor="class:school")
    beta, u = result.solution.beta, result.solution.factors[0].u[0, 0]
    wanted = beta[0] + beta[1] * np.array([-0.5, 0.5]) + beta[2] * 1.5 + u
    np.testing.assert_allclose(found.mean, wanted, rtol=1e-9)
