"""Planning from a pilot's posterior, and studies of a binary outcome."""

import math

import numpy as np
import pytest

from bayes_mlm import build_design, fit, plan_from_pilot, plan_study
from bayes_mlm.base import EngineError
from bayes_mlm.engines import maximum_of, samples
from bayes_mlm.figures import plot_power, plot_power_contours
from bayes_mlm.planning.binary import BinaryScenario
from bayes_mlm.planning.closed_form import standard_error


@pytest.fixture(scope="module")
def pilot():
    rng = np.random.default_rng(3)
    school = np.repeat(np.arange(16), 10)
    new, x = (school % 2).astype(float), np.tile([0.0, 1.0], 80)
    y = 3.0 * (0.4 * new + 0.5 * x + 0.4 * rng.normal(size=16)[school] + rng.normal(size=160))
    return fit("y ~ new + x + (1 | school)", {"y": y, "new": new, "x": x, "school": school},
               random_seed=1)  # fmt: skip


def test_assurance_averages_over_what_the_pilot_leaves_open(pilot):
    """In the limit of a study of any size it is the posterior probability of the sign."""
    (row,) = plan_from_pilot(pilot, "x", groups=4000, size=2, compared="rows", n=100)
    beta = samples(pilot.draws, "beta")[:, pilot.design.terms.index("x")]
    assert row.assurance > 0.95
    total = np.sqrt(samples(pilot.draws, "sigma_u") ** 2 + samples(pilot.draws, "sigma_e") ** 2)
    assert row.effect == pytest.approx((beta / total).mean(), rel=1e-9)
    assert row.icc == pytest.approx(samples(pilot.draws, "icc").mean(), rel=1e-9)
    (small,) = plan_from_pilot(pilot, "new", groups=40, size=10, n=400)
    (known,) = plan_study(40, 10, small.icc, small.effect, n=400)
    assert small.power == pytest.approx(known.power, abs=0.1)
    assert small.assurance < small.power + 0.05
    doubled = plan_from_pilot(pilot, "new", groups=40, size=10, unit=2.0, n=100).rows[0]
    assert doubled.effect == pytest.approx(2 * small.effect)


def test_a_pilot_that_cannot_plan_is_refused(pilot):
    with pytest.raises(EngineError, match="no coefficient 'old'; it has Intercept, new, x"):
        plan_from_pilot(pilot, "old", 40, 10)
    with pytest.raises(EngineError, match="allowed: groups, rows"):
        plan_from_pilot(pilot, "new", 40, 10, compared="slopes")
    with pytest.raises(EngineError, match="groups"):
        plan_from_pilot(pilot, "new", 2, 10)
    alone = fit("y ~ x", {"y": [1.0, 2, 4, 3, 5, 9], "x": [1.0, 2, 3, 4, 5, 6]}, random_seed=1)
    with pytest.raises(EngineError, match="give plan_study the numbers"):
        plan_from_pilot(alone, "x", 40, 10)


@pytest.mark.parametrize("compared", ["groups", "rows"])
def test_binary_studies_are_near_the_first_order(compared):
    study = BinaryScenario(
        groups=80, size=30, sigma_u=0.5, sigma_slope=0.0, compared=compared, predictor="binary",
        probability=0.4,
    )  # fmt: skip
    found = study.errors(np.full(60, 0.3), np.random.default_rng(1))
    assert not found.failed.any()
    se, df = standard_error(study, 0.3)
    assert math.isinf(df)
    assert np.sqrt(found.variance).mean() == pytest.approx(se, rel=0.06)
    assert found.beta.std() == pytest.approx(se, rel=0.3)
    assert abs(found.beta.mean()) < 4 * se / math.sqrt(60)


def test_the_maximum_alone_is_that_of_the_fit():
    rng = np.random.default_rng(2)
    g = np.repeat(np.arange(20), 8)
    x = rng.normal(size=160)
    y = (rng.uniform(size=160) < 1 / (1 + np.exp(-x - rng.normal(size=20)[g]))).astype(int)
    table = {"y": y, "x": x, "g": g}
    beta, covariance, sds = maximum_of(build_design("y ~ x + (1 | g)", table, family="bernoulli"))
    whole = fit("y ~ x + (1 | g)", table, family="bernoulli", engine="ml").solution
    np.testing.assert_allclose(beta, whole.beta)
    np.testing.assert_allclose(covariance, whole.beta_cov)
    np.testing.assert_allclose(sds, whole.sigma_u)


def test_a_plan_of_a_binary_outcome_says_so_and_refuses_the_rest():
    plan = plan_study(40, 20, 0.1, 0.8, probability=0.3, n=100, effect_sd=0.1)
    assert "odds ratios" in str(plan)
    assert "0.80 in the log odds ratio" in plan.sentence
    assert plot_power(plan).axes[0].get_xlabel() == "number of groups"
    assert "Wald tests" in str(plan)
    for row in plan:
        assert abs(row.power - row.closed_form) < 4 * row.mcse + 0.06
        assert 0 < row.assurance < 1
    with pytest.raises(EngineError, match="omit predictor and slope_sd"):
        plan_study(40, 20, 0.1, 0.5, compared="rows", slope_sd=0.2, probability=0.3)
    with pytest.raises(EngineError, match="between 0 and 1, found 30"):
        plan_study(40, 20, 0.1, 0.5, probability=30)


def test_contours_need_a_grid():
    plan = plan_study([20, 40, 80], [5, 10, 20], 0.1, 0.4, n=100, cost_group=50, cost_row=2)
    (axes,) = plot_power_contours(plan).axes
    assert axes.get_xlabel() == "number of groups"
    with pytest.raises(EngineError, match="found 2, 1, 1 and 1"):
        plot_power_contours(plan_study([20, 40], 5, 0.1, 0.4, n=100))


def test_studies_without_an_estimate_are_counted():
    rare = plan_study(8, 4, 0.05, 0.5, probability=0.05, n=100)
    (row,) = rare
    assert row.failed > 0.1
    assert "have no estimate" in str(rare)
    with pytest.raises(EngineError, match="no simulated study has an estimate"):
        plan_study(4, 2, 0.0, 0.0, probability=1e-9, n=100)
