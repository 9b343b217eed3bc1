"""A family that the package does not know goes through everything, registered from here alone."""

import math

import numpy as np
import pytest
from scipy.special import gammaln

from bayes_mlm import (
    build_design,
    check,
    comparisons,
    fit,
    leave_one_group_out,
    leave_one_row_out,
    load_fit,
    predict,
    save_fit,
    slopes,
    summarise,
    variance_by_level,
)
from bayes_mlm.base.errors import BayesMLMError, DataError, EngineError, UnsupportedModelError
from bayes_mlm.fitting import Analysis
from bayes_mlm.model import FAMILIES, Family
from bayes_mlm.report.page import Origin
from bayes_mlm.report.rendering import render_report
from tests.helpers import ROOT


def _check_counts(y, _):
    if (y < 0).any() or (y != np.floor(y)).any():
        raise DataError("Poisson outcomes are counts 0, 1, 2, ...; look at the outcome column")
    return ()


def _observe(name, eta, aux, observed, dims):
    import pymc as pm

    return pm.Poisson(name, mu=pm.math.exp(eta), observed=observed.astype(int), dims=dims)


POISSON = Family(
    name="poisson_of_the_test",
    label="Poisson",
    link="log",
    auxiliary=(),
    log_density=lambda y, eta, _: y * eta - np.exp(eta) - gammaln(y + 1.0),
    score=lambda y, eta, _: (y - np.exp(eta), np.exp(eta)),
    variance=lambda eta, _: np.exp(eta),
    draw=lambda eta, _, rng: rng.poisson(np.exp(eta)).astype(float),
    observe=_observe,
    inverse_link=np.exp,
    mean_range=(0.0, math.inf),
    mean_name="expected count",
    scale=lambda mean, _: (math.log(mean), 1.0),
    check_response=_check_counts,
)
TRUTH = {"beta[Intercept]": 1.0, "beta[x]": 0.5, "sigma_u": 0.6}


@pytest.fixture(scope="module", autouse=True)
def family():
    return FAMILIES.register(POISSON.name, POISSON)


def counts(seed=1, J=40, n=12):
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(J), n)
    x = rng.normal(size=g.size)
    u = TRUTH["sigma_u"] * rng.normal(size=J)
    eta = TRUTH["beta[Intercept]"] + TRUTH["beta[x]"] * x + u[g]
    return {"y": rng.poisson(np.exp(eta)).astype(float), "x": x, "g": g, "u": u}


@pytest.fixture(scope="module")
def fitted(family):
    data = {name: values for name, values in counts().items() if name != "u"}
    return fit(
        "y ~ x + (1 | g)",
        data,
        family=family.name,
        random_seed=1,
        draws=250,
        tune=120,
        chains=2,
    )


def test_it_recovers_what_the_data_were_made_with(fitted):
    assert fitted.engine == "nuts"
    assert "Poisson" in fitted.reason
    found = summarise(fitted)
    assert [row.quantity for row in found.rows] == list(TRUTH)
    for row in found.rows:
        assert abs(row.estimate - TRUTH[row.quantity]) < 3.5 * row.sd, row
    u = fitted.draws["u"][..., 0].mean(axis=(0, 1))
    assert np.corrcoef(u, counts()["u"])[0, 1] > 0.9


def test_it_predicts_on_the_scale_of_the_outcome(fitted):
    new = {"x": [0.0, 1.0], "g": [3, 3]}
    mean = predict(fitted, new)
    outcome = predict(fitted, new, kind="observation", draws=True)
    assert mean.plug_in is None
    assert (outcome.draws == np.floor(outcome.draws)).all()
    np.testing.assert_allclose(outcome.mean, mean.mean, rtol=0.1)
    assert (outcome.sd > mean.sd).all()
    # E exp(eta + u) over new groups is exp(sigma²/2) times that of an average one.
    population = predict(fitted, new, question="population").mean
    others = predict(fitted, new, question="new_group").mean
    np.testing.assert_allclose(others / population, math.exp(0.6**2 / 2), rtol=0.15)


def test_its_effects_are_on_the_scale_of_the_outcome(fitted):
    """Oracle: E exp(eta + u) is exp(eta + sigma^2 / 2), so that a ratio is exp(beta)."""
    beta = fitted.beta
    variance = np.square(fitted.draws["sigma_u"].reshape(-1))
    x = fitted.design.X[:, 1]
    base = np.exp(beta[:, :1] + beta[:, 1:] * x).mean(axis=1)
    (ratio,) = comparisons(fitted, "x", comparison="ratio").rows
    assert ratio.estimate == pytest.approx(np.exp(beta[:, 1]).mean(), rel=1e-6)
    for question, factor in (("new_group", np.exp(variance / 2)), ("population", 1.0)):
        (row,) = comparisons(fitted, "x", question=question).rows
        expected = (base * np.expm1(beta[:, 1]) * factor).mean()
        assert row.estimate == pytest.approx(expected, rel=1e-6)
        (row,) = slopes(fitted, "x", question=question).rows
        assert row.estimate == pytest.approx((base * beta[:, 1] * factor).mean(), rel=1e-5)
    with pytest.raises(BayesMLMError, match="expected count of Poisson outcomes"):
        comparisons(fitted, "x", comparison="odds_ratio")


def test_leaving_out_groups_integrates_over_their_effects(fitted):
    """Oracle: the integral over u by a fine grid, at each draw of the rest."""
    groups, rows = leave_one_group_out(fitted), leave_one_row_out(fitted)
    assert groups.pointwise.size == 40
    assert rows.pointwise.size == fitted.design.n
    assert groups.elpd < rows.elpd
    from bayes_mlm.fitting.structured_densities import conditional_model, group_log_densities

    model = conditional_model(fitted, None, 3)
    found = group_log_densities(model)
    grid = np.linspace(-8, 8, 4001)
    design = model.likelihood.design
    for s, point in enumerate(model.points):
        eta = design.X @ point.beta
        sd = float(abs(point.root[0, 0]))
        dense = np.empty(40)
        for j in range(40):
            rows_of = design.codes == j
            at = eta[rows_of][:, None] + sd * grid
            logs = POISSON.log_density(design.y[rows_of][:, None], at, {}).sum(axis=0)
            logs += -0.5 * grid**2 - 0.5 * math.log(2 * math.pi)
            dense[j] = np.log(np.trapezoid(np.exp(logs - logs.max()), grid)) + logs.max()
        np.testing.assert_allclose(found[:, s], dense, atol=1e-5)


def test_checks_are_posterior_predictive(fitted):
    found = {one.topic: one for one in check(fitted)}
    assert {"Calibration", "Dispersion", "Zeros"} <= set(found)
    assert found["Zeros"].fine
    # By chance: at the true parameters the mean squared Pearson residual of these data is 1.24, and
    # of 2,000 such data sets 1.00 (0.07), one in a thousand as large.
    assert not found["Dispersion"].fine


def test_outcomes_it_cannot_have_are_refused():
    data = counts()
    with pytest.raises(DataError, match="counts"):
        build_design("y ~ x", {"y": data["y"] - 0.5, "x": data["x"]}, family=POISSON.name)


@pytest.mark.parametrize("engine", ["direct"])
def test_engines_for_gaussian_outcomes_refuse_it(engine):
    data = {name: values for name, values in counts().items() if name != "u"}
    with pytest.raises(EngineError, match="Poisson"):
        fit("y ~ x + (1 | g)", data, family=POISSON.name, engine=engine)


def test_an_icc_and_sums_are_refused_with_a_reason(fitted):
    assert "icc" not in fitted.draws.posterior
    with pytest.raises(BayesMLMError, match="Poisson"):
        fitted.design.family.require_residual_sd("the intraclass correlation")


def test_its_variance_is_partitioned(fitted):
    """A log link: var(y) = mean by what the family declares, the group effects integrated out."""
    found = variance_by_level(fitted)
    beta, sd = (fitted.draws[name].reshape(-1, k) for name, k in (("beta", 2), ("sigma_u", 1)))
    at = beta[:, 0] + beta[:, 1] * fitted.design.X[:, 1].mean()
    mean = np.exp(at + 0.5 * sd[:, 0] ** 2)
    between = mean**2 * np.expm1(sd[:, 0] ** 2)
    share = (between / (between + mean)).mean()
    assert found["vpc_observation[means]"].estimate == pytest.approx(share, rel=1e-9)
    assert 0.3 < found["icc_adjusted"].estimate < 0.7
    assert "trigamma variance" in found["r2_marginal"].meaning
    # It names no ratio, and is not said to be of counts.
    assert "is no ratio" in found["median_odds_ratio"].note
    with pytest.raises(UnsupportedModelError, match="are no ratios"):
        summarise(fitted, exponentiate=True)


def test_a_report_of_it_has_figures_and_no_residual_sd(fitted):
    summary = summarise(fitted)
    analysis = Analysis(
        request=fitted.request,
        design=fitted.design,
        fits=(fitted,),
        estimates=(),
        summaries=(summary,),
        prob=0.95,
    )
    page = render_report([analysis], Origin(title="Counts"))
    assert "Poisson outcomes, link log" in page
    assert "σ_e" not in page
    assert page.count("data:image") > 8
    with pytest.raises(UnsupportedModelError, match="no likelihood engine"):
        _ = analysis.estimate


def test_a_saved_fit_is_read_back(fitted, tmp_path):
    again = load_fit(save_fit(fitted, tmp_path / "fit.nc"))
    assert again.design.family is FAMILIES[POISSON.name]
    assert str(summarise(again)) == str(summarise(fitted))


@pytest.mark.slow
def test_a_second_grouping_factor_of_it(family):
    rng = np.random.default_rng(3)
    g, h = (one.ravel() for one in np.meshgrid(np.arange(30), np.arange(15)))
    u, v = 0.5 * rng.normal(size=30), 0.3 * rng.normal(size=15)
    data = {"y": rng.poisson(np.exp(1.0 + u[g] + v[h])).astype(float), "g": g, "h": h}
    found = fit("y ~ 1 + (1 | g) + (1 | h)", data, family=family.name, random_seed=1, draws=500)
    rows = {row.quantity: row for row in summarise(found).rows}
    assert list(rows) == ["beta[Intercept]", "sigma_u[g]", "sigma_u[h]"]
    for name, truth in zip(rows, (1.0, 0.5, 0.3), strict=True):
        assert abs(rows[name].estimate - truth) < 3.5 * rows[name].sd
    assert leave_one_row_out(found).pointwise.size == 450


@pytest.mark.slow
def test_an_offset_is_the_exposure_of_counts(family):
    """Events of 26 sites in visits of unequal length, simulated.

    ML by brute-force integration, equal to glmer(y ~ trt + offset(log(hours)) + (1 | site),
    family = poisson, nAGQ = 50): 0.139187 (0.114652), -0.412912 (0.093123), sd 0.499264; without
    the offset the intercept is 1.47534.
    """
    data = ROOT / "tests" / "cases" / "offset_exposure.csv"
    text = "y ~ trt + offset(log(hours)) + (1 | site)"
    found = fit(text, data, family=family.name, random_seed=1, draws=1000)
    rows = {row.quantity: row for row in summarise(found).rows}
    # A quarter of a standard error: the prior and the skewness of the posterior.
    assert rows["beta[Intercept]"].estimate == pytest.approx(0.139187, abs=0.03)
    assert rows["beta[trt[net]]"].estimate == pytest.approx(-0.412912, abs=0.025)
    assert rows["sigma_u"].estimate == pytest.approx(0.499264, abs=0.06)
    new = {"site": ["t05", "t05", "t05"], "trt": ["ctl"] * 3, "hours": [1.0, 8.0, 2.0]}
    for question in ("existing_group", "new_group", "population"):
        mean = predict(found, new, question=question).mean
        np.testing.assert_allclose(mean[1:] / mean[0], [8.0, 2.0], rtol=1e-12)
    # With the mean over the posterior of u at the estimates: 1.32180 in one hour.
    assert predict(found, new).mean[0] == pytest.approx(1.32180, rel=0.05)
    with pytest.raises(DataError, match=r"row 2.*log needs values above 0, and hours is 0"):
        predict(found, new | {"hours": [1.0, 0.0, 2.0]})
    with pytest.raises(DataError, match="hours"):
        predict(found, {"site": ["t05"], "trt": ["ctl"]})
    assert leave_one_row_out(found).elpd > leave_one_group_out(found).elpd
