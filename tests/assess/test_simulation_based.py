"""Simulation-based calibration, and coverage of posteriors: sums against rows, a wrong engine."""

import numpy as np
import pytest

from bayes_mlm import build_design, calibrate, fit, simulation_based_calibration
from bayes_mlm.assess import simulated_posteriors
from bayes_mlm.assess.simulated_posteriors import SimulatedPosteriors
from bayes_mlm.base import EngineError, UnsupportedModelError
from bayes_mlm.engines import Direct, OutcomeSums, quantities, sample_direct, sample_problem
from bayes_mlm.fitting import estimate_of
from bayes_mlm.moments import rotate_moments


@pytest.fixture(scope="module")
def few_groups():
    rng = np.random.default_rng(4)
    g = np.repeat(np.arange(12), rng.integers(3, 9, 12))
    table = {"g": g, "x": rng.normal(size=g.size), "w": np.sin(g)}
    table["y"] = 1.0 + table["x"] + rng.normal(size=12)[g] + rng.normal(size=g.size)
    return table


@pytest.mark.parametrize("formula", ["y ~ x + w + (1 | g)", "y ~ x + w + (x | g)"])
def test_a_posterior_from_sums_is_that_from_rows(few_groups, formula):
    """The sums of another outcome, put into the problem, give the draws of its rows."""
    made = fit(formula, few_groups, random_seed=1)
    posteriors = SimulatedPosteriors(fit=made)
    reduced, beta = posteriors.joined.problem.reduced, np.array([2.0, -1.0, 0.5])
    rng = np.random.default_rng(8)
    noise = rng.normal(size=made.design.n)
    table = dict(few_groups)
    table["y"] = made.design.X @ beta + noise
    # The sums of the noise alone, from which rotating its moments has taken the mean.
    alone = rotate_moments(build_design(formula, {**few_groups, "y": noise}).moments())
    outcome = OutcomeSums(
        c_y=alone.c[None, :, :, -1], x_y=alone.rest[None, :-1, -1], y_y=alone.rest[None, -1, -1]
    )
    problem = posteriors.joined.with_outcome(outcome, beta + alone.y_mean * reduced.ones)
    design = build_design(formula, table)
    by_sums = sample_problem(design, problem, 500, np.random.default_rng(3))
    by_rows = sample_direct(design, made.priors, draws=500, chains=1, random_seed=3, effects=False)
    for (name, one), (_, other) in zip(
        quantities(by_sums.draws), quantities(by_rows.draws), strict=True
    ):
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-8, err_msg=name)
    assert by_sums.report.log_marginal_likelihood == pytest.approx(
        by_rows.report.log_marginal_likelihood, abs=1e-6
    )


def test_ranks_are_uniform_and_a_wrong_posterior_is_found(few_groups, monkeypatch):
    found = fit("y ~ x + (1 | g)", few_groups, random_seed=1)
    table = simulation_based_calibration(found, 50)
    assert all(row.p > 1e-3 for row in table)
    assert not table.cautions
    assert table.pit.shape == (50, 5)
    assert len(table.shares()) == 250

    def narrow(design, problem, n_draws, rng):
        drawn = sample_problem(design, problem, n_draws, rng)
        sigma = drawn.draws.posterior["sigma_e"].values
        sigma[:] = sigma.mean() + 0.3 * (sigma - sigma.mean())
        return Direct(draws=drawn.draws, report=drawn.report)

    monkeypatch.setattr(simulated_posteriors, "sample_problem", narrow)
    off = simulation_based_calibration(found, 50)
    np.testing.assert_array_equal(off.pit[:, :2], table.pit[:, :2])
    assert off["sigma_e"].coverage < 0.7
    assert "sigma_e" in " ".join(off.cautions)


def test_coverage_of_the_posterior_is_next_to_that_of_reml(few_groups):
    found = fit("y ~ x + w + (1 | g)", few_groups, random_seed=1)
    table = calibrate(found, 100)
    for row in table:
        assert 0.85 < row.coverage_posterior <= 1.0
    assert "(HDI)" in str(table)
    assert np.isnan(calibrate(estimate_of(found), 100)["icc"].coverage_posterior)


def test_wrong_requests_are_refused(few_groups):
    with pytest.raises(EngineError, match="needs posterior draws"):
        simulation_based_calibration(fit("y ~ x + (1 | g)", few_groups, engine="reml"))
    flat = fit("y ~ x + (1 | g)", few_groups, priors={"Intercept": "Flat"}, random_seed=1)
    with pytest.raises(EngineError, match="flat prior"):
        simulation_based_calibration(flat, 100)
    with pytest.raises(EngineError, match="50 or more"):
        simulation_based_calibration(flat, 10)
    pooled = fit("y ~ x", few_groups, random_seed=1)
    with pytest.raises(UnsupportedModelError, match="one grouping factor"):
        simulation_based_calibration(pooled, 100)
    by_group = fit("y ~ x", few_groups, group="g", kind="no_pooling", random_seed=1)
    with pytest.raises(UnsupportedModelError, match="common sd"):
        simulation_based_calibration(by_group, 100)
