"""Summaries say what their columns are and hold what the draws hold."""

import numpy as np
import pytest

from bayes_mlm.base.errors import EngineError
from bayes_mlm.design.build import design_of
from bayes_mlm.fitting import Estimate, estimate_design, shortest_interval, summarise
from bayes_mlm.fitting.agreement import join_engines
from bayes_mlm.studies.record import load_record


@pytest.fixture(scope="module")
def null(mock_fit):
    return mock_fit("hsb_null", seed=3)


def test_rows_are_the_documented_quantities(mock_fit, null):
    summary = summarise(mock_fit(), null=null)
    assert [row.quantity for row in summary] == [
        "beta[Intercept]",
        "beta[ses]",
        "sigma_u",
        "sigma_e",
        "icc",
        "design_effect",
        "reliability",
        "r2_between",
        "r2_within",
    ]
    assert summary.interval == "95% HDI"
    assert tuple(summary.to_frame().columns)[:4] == ("model", "engine", "quantity", "estimate")


def test_a_row_is_computed_from_its_draws(mock_fit):
    fit = mock_fit()
    row = summarise(fit)["icc"]
    draws = fit.draws["icc"]
    assert row.estimate == pytest.approx(draws.mean(), rel=1e-12)
    assert row.sd == pytest.approx(draws.std(ddof=1), rel=1e-12)
    # The HDI is the shortest interval with 95 % of the 1,000 draws: so many lie in it.
    inside = ((draws >= row.lower) & (draws <= row.upper)).sum()
    assert 945 <= inside <= 955
    ordered = np.sort(draws.ravel())
    shortest = (ordered[950:] - ordered[: 1000 - 950]).min()
    assert row.upper - row.lower == pytest.approx(shortest, rel=0.02)
    # Independent draws: ESS near 1,000, R-hat near one.
    assert 700 < row.ess_bulk < 1400
    assert row.r_hat < 1.02


def test_intervals_are_named_and_nested(mock_fit):
    fit = mock_fit()
    wide, narrow = (summarise(fit, prob=prob, interval="eti") for prob in (0.95, 0.5))
    assert wide.interval == "95% ETI"
    assert wide["icc"].lower < narrow["icc"].lower < narrow["icc"].upper < wide["icc"].upper
    with pytest.raises(EngineError, match="between 0 and 1"):
        summarise(fit, prob=95)
    with pytest.raises(EngineError, match="did you mean 'hdi'"):
        summarise(fit, interval="hpd")


def test_r_squared_needs_a_null_model_of_the_same_rows(mock_fit, null):
    with pytest.raises(EngineError, match="no null model"):
        summarise(mock_fit(), null=mock_fit("hsb_sector"))
    with pytest.raises(EngineError, match="as many draws"):
        summarise(mock_fit(), null=mock_fit("hsb_null", draws=100))


def test_group_effects_carry_real_labels(mock_fit):
    summary = summarise(mock_fit(), groups=True)
    assert "u[1224]" in summary
    assert "u[9586]" in summary


def test_rows_of_an_estimate_have_the_same_names():
    record = load_record("hsb_ses")
    design = design_of(record)
    fit = estimate_design(design).solution
    null_design = design_of(load_record("hsb_null"))
    summary = Estimate(solution=fit, design=design).summary(
        null=Estimate(solution=estimate_design(null_design).solution, design=null_design)
    )
    # lme4 (tests/reference/lme4.json, hsb_ses): icc 0.114064132901364, se(ses) 0.105719082052973.
    assert summary["icc"].estimate == pytest.approx(0.114064132901364, rel=1e-6)
    assert summary["beta[ses]"].sd == pytest.approx(0.105719082052973, rel=1e-6)
    assert summary["loglik"].estimate == pytest.approx(-23322.5846562759, abs=1e-6)
    assert summary["icc"].lower < summary["icc"].estimate < summary["icc"].upper
    assert summary["r2_between"].estimate == pytest.approx(0.4465, abs=5e-5)  # design.md
    assert summary.verdict.ok


def test_engines_are_joined_by_quantity(mock_fit):
    fit = mock_fit()
    found = Estimate(solution=estimate_design(fit.design).solution, design=fit.design).summary()
    joined = {row.quantity: row for row in join_engines(summarise(fit), found)}
    row = joined["beta[ses]"]
    posterior, reml = row.estimates
    expected = (posterior.estimate - reml.estimate) / posterior.sd
    assert row.difference == pytest.approx(expected)
    # The mock draws lie about the REML estimate: 1,000 of them, so within 4 / sqrt(1000) sds.
    assert abs(row.difference) < 0.13
    assert joined["loglik"].estimates[0] is None


def test_the_shortest_interval_is_arvizs(mock_fit):
    from arviz_stats.base import array_stats

    values = mock_fit().draws["beta"].reshape(1000, -1)
    lower, upper = shortest_interval(values, 0.94)
    theirs = np.asarray(array_stats.hdi(values, 0.94, axis=0))
    # ArviZ counts floor(0.94 n) steps where we count ceil(0.94 n) draws: one draw of 1,000.
    assert np.allclose(
        np.column_stack([lower, upper]), theirs, atol=0.05 * values.std(axis=0).max()
    )


def test_r_squared_pairs_draws_of_the_two_models_independently(mock_fit):
    """With one seed for both models the draws go together; R² must not narrow because of it."""
    same, other = (summarise(mock_fit(seed=7), null=mock_fit("hsb_null", seed=s)) for s in (7, 8))
    assert same["r2_between"].sd == pytest.approx(other["r2_between"].sd, rel=0.15)


def test_csv_has_full_precision(mock_fit):
    summary = summarise(mock_fit())
    line = summary.to_csv().splitlines()[1].split(",")
    assert float(line[3]) == summary.rows[0].estimate


def test_the_text_table_names_interval_and_verdict(mock_fit):
    text = str(summarise(mock_fit()))
    assert "95% HDI" in text
    assert text.endswith("ok: made for a test")
