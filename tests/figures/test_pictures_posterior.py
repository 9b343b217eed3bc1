"""What posterior figures and diagnostics show: every number against an independent computation."""

import math
from dataclasses import replace
from statistics import NormalDist

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, strategies as st

from bayes_mlm.assess.checks.normality import normal_qq, normal_quantile
from bayes_mlm.assess.checks.replicates import replicate
from bayes_mlm.assess.loo import leave_one_group_out
from bayes_mlm.base import scaled
from bayes_mlm.engines.draws import Variable
from bayes_mlm.figures.accuracy import direct_accuracy
from bayes_mlm.figures.caterpillar import caterpillar
from bayes_mlm.figures.coefficients import ladder_coefficients
from bayes_mlm.figures.comparison import printed_of
from bayes_mlm.figures.contextual import contextual_effect
from bayes_mlm.figures.convergence import converged
from bayes_mlm.figures.densities import variance_densities
from bayes_mlm.figures.density import density_of
from bayes_mlm.figures.divergences import divergences
from bayes_mlm.figures.effects import effects_of
from bayes_mlm.figures.energy import ebfmi_of, energy
from bayes_mlm.figures.explained import explained_by_level
from bayes_mlm.figures.lines import line_along
from bayes_mlm.figures.loo import loo_groups
from bayes_mlm.figures.predictive import Statistic, p_text, predictive_checks
from bayes_mlm.figures.prior_posterior import prior_and_posterior, prior_density
from bayes_mlm.figures.prior_sensitivity import prior_sensitivity_of
from bayes_mlm.figures.ranks import ranks
from bayes_mlm.figures.residuals import fitted_values, group_residuals, row_residuals
from bayes_mlm.figures.roles import roles_of
from bayes_mlm.figures.shrinkage import shrinkage, unpooled_effects
from bayes_mlm.figures.subgroup_difference import subgroup_difference
from bayes_mlm.figures.traces import traces
from bayes_mlm.fitting.request import as_request, make_settings
from bayes_mlm.fitting.side_by_side import analyse
from bayes_mlm.fitting.summary import summarise
from bayes_mlm.model.priors import parse_prior
from bayes_mlm.studies.record import load_record
from bayes_mlm.studies.result import analyse_record

# Two sums of the same numbers in another order.
EXACT = 1e-9


def run(formula, data, *, kind=None, group=None, name="model", draws=250, **given):
    record = as_request(formula, data if isinstance(data, str) else {}, kind=kind, group=group)
    record = replace(record, model=replace(record.model, name=name, **given))
    settings = make_settings(record, draws=draws, random_seed=7)
    return analyse(record, settings, data=data, engines=["direct"])


def simulate(n_groups, size, *, seed=5, sigma_u=1.0, noise=1.0):
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(n_groups), size)
    x = rng.normal(size=n_groups)[g] + rng.normal(size=g.size)
    w = (np.arange(n_groups) % 2)[g]
    u = sigma_u * rng.normal(size=n_groups)
    y = 1.0 + x * (1.0 - 0.5 * w) + 0.5 * w + u[g] + noise * rng.normal(size=g.size)
    return {"y": y, "x": x, "w": w, "g": g}


def study(name, null=None, draws=1000):
    record = load_record(name)
    settings = make_settings(record.request, draws=draws, random_seed=7)
    return analyse_record(record, settings, engines=["direct"], null=null)


@pytest.fixture(scope="module")
def hsb():
    null = study("hsb_null")
    names = ("hsb_ses", "hsb_sector_ses", "hsb_mundlak_random", "hsb_pooled")
    found = {"hsb_null": null} | {name: study(name, null) for name in names}
    return {name: one.analysis for name, one in found.items()}


@pytest.fixture(scope="module")
def growth():
    return run("reaction ~ days + (days | subject)", "sleepstudy")


@pytest.fixture
def nuts(mock_fit, hsb):
    fit = mock_fit("hsb_ses", draws=100)
    return replace(hsb["hsb_ses"], fits=(fit,))


# --- densities ------------------------------------------------------------------------------------


def test_density_is_that_of_the_distribution():
    draws = np.random.default_rng(1).normal(3.0, 2.0, 40_000)
    found = density_of(draws)
    exact = scipy.stats.norm(3.0, 2.0).pdf(found.x)
    # Kernel and Monte Carlo error of 40,000 draws: a fiftieth of the peak.
    np.testing.assert_allclose(found.y, exact, atol=0.02 * exact.max())


def test_density_does_not_fall_at_a_bound():
    draws = np.abs(np.random.default_rng(1).normal(size=40_000))
    found = density_of(draws, lower=0.0)
    # Half-normal density at 0 is sqrt(2 / pi); without mirroring half of it would be found.
    assert found.x[0] == 0.0
    assert found.y[0] == pytest.approx(math.sqrt(2 / math.pi), rel=0.04)
    both = density_of(np.random.default_rng(2).uniform(size=40_000), lower=0.0, upper=1.0)
    np.testing.assert_allclose(both.y, 1.0, atol=0.1)


@given(
    st.lists(st.integers(-(10**6), 10**6), min_size=2, max_size=40),
    st.sampled_from([-math.inf, 0.0]),
)
def test_density_has_area_one(values, lower):
    values = np.array(values) / 1e3 if lower < 0 else np.abs(values) / 1e3
    found = density_of(values, lower=lower, points=4001)
    assert (found.y >= 0).all()
    # The kernel is cut off at 3.5 bandwidths; curves of two far draws are spikes between points.
    assert np.trapezoid(found.y, found.x) == pytest.approx(1.0, abs=0.05)


def test_variance_densities_hold_the_summaries_numbers(hsb):
    picture = variance_densities(hsb["hsb_ses"])
    assert [item.quantity for item in picture.items] == ["sigma_u", "sigma_e", "icc"]
    posterior, reml = hsb["hsb_ses"].summaries
    for item in picture.items:
        row, other = posterior[item.quantity], reml[item.quantity]
        (one,) = item.posteriors
        assert (one.mean, one.lower, one.upper) == (row.estimate, row.lower, row.upper)
        assert item.likelihood.estimate == other.estimate
        assert item.gap == pytest.approx((other.estimate - row.estimate) / row.sd)
    # REML: 2.18 (lme4); the posterior mean is a little above the mode.
    assert "sigma_u 2.20 (" in picture.text.caption


def test_published_figures_are_marked_in_the_quantitys_units(hsb):
    # The 2015 document, In [358]: Intercept RE 8.614 and Scale 39.1483 are variances that stand;
    # sigma_u 3.0056 is an sd of raw residuals, printed in the place of sigma_u.
    marks = {one.printed: one for one in printed_of(hsb["hsb_null"], "sigma_u")}
    assert marks["8.614"].value == pytest.approx(math.sqrt(8.614))
    assert marks["3.0056"].value == 3.0056
    assert marks["8.614"].stands
    assert not marks["3.0056"].stands
    shares = {one.printed: one.value for one in printed_of(hsb["hsb_sector_ses"], "r2_between")}
    assert shares["8.52 %"] == pytest.approx(0.0852)


# --- the ladder -----------------------------------------------------------------------------------


def test_explained_is_the_summaries_r2(hsb):
    picture = explained_by_level(list(hsb.values()))
    assert picture.models == ("hsb_ses", "hsb_sector_ses", "hsb_mundlak_random")
    for name, between, within in zip(picture.models, picture.between, picture.within, strict=True):
        assert between.posteriors[0].mean == hsb[name].summaries[0]["r2_between"].estimate
        assert within.likelihood.estimate == hsb[name].summaries[1]["r2_within"].estimate
        curve = between.posteriors[0].density
        middle = np.average(curve.x, weights=curve.y)
        # The curve leaves out half a per cent of the draws, in the lower tail.
        assert middle == pytest.approx(between.posteriors[0].mean, abs=0.01)
    assert explained_by_level([hsb["hsb_null"]]) is None


def test_coefficients_leave_intercepts_out_where_there_are_slopes(hsb):
    picture = ladder_coefficients(list(hsb.values()))
    assert [row.term for row in picture.terms] == ["ses", "sector", "ses:sector", "between(ses)"]
    assert picture.omitted == ("Intercept",)
    assert "Every 95 % interval of ses, sector, ses:sector, between(ses) excludes 0." in (
        picture.text.caption
    )
    other = run("reaction ~ days + (1 | subject)", "sleepstudy")
    assert len(ladder_coefficients([*hsb.values(), other]).terms) == 4  # of one outcome only
    alone = ladder_coefficients([hsb["hsb_null"]])
    assert [row.term for row in alone.terms] == ["Intercept"]


def test_prior_sensitivity_is_measured_from_the_own_prior(hsb):
    picture = prior_sensitivity_of([hsb["hsb_ses"], hsb["hsb_pooled"]])
    assert picture.models == ("hsb_ses",)
    assert picture.sds[0, 0] == 0.0
    # HalfNormal(s / 4) draws sigma_u towards zero, Gamma(2, 1 / (10 s)) away from it.
    shifts = dict(zip(picture.labels, picture.sds[0], strict=True))
    tight = next(value for label, value in shifts.items() if label.startswith("HalfNormal(sigma=1"))
    away = next(value for label, value in shifts.items() if label.startswith("Gamma"))
    assert tight < 0 < away


# --- group effects --------------------------------------------------------------------------------


def test_effects_are_the_summaries(hsb):
    analysis = hsb["hsb_ses"]
    (effect,) = effects_of(analysis.fits[0], 0.95)
    rows = [row for row in summarise(analysis.fits[0], groups=True) if row.quantity[:2] == "u["]
    np.testing.assert_allclose(effect.mean, [row.estimate for row in rows], rtol=EXACT)
    np.testing.assert_allclose(effect.sd, [row.sd for row in rows], rtol=1e-3)  # n for n - 1
    np.testing.assert_array_equal(effect.lower, [row.lower for row in rows])


def test_effects_from_means_and_sds_are_nearly_those_from_draws(hsb):
    fit = hsb["hsb_ses"].fits[0]
    (drawn,) = effects_of(fit, 0.95)
    dims = ("schoolid", "effect")
    kept = {name: v for name, v in fit.draws.posterior.items() if name != "u"}
    kept["u_mean"] = Variable(dims, drawn.mean[:, None])
    kept["u_sd"] = Variable(dims, drawn.sd[:, None])
    (told,) = effects_of(replace(fit, draws=replace(fit.draws, posterior=kept)), 0.95)
    np.testing.assert_array_equal(told.mean, drawn.mean)
    np.testing.assert_array_equal(told.standardised, drawn.standardised)
    # Ends of the shortest interval of 4,000 draws stray by about a seventh of an sd.
    assert np.abs((told.lower - drawn.lower) / drawn.sd).max() < 0.45


def test_standardised_effects_are_those_of_reml(hsb):
    # lme4's u and condVar at the REML estimate, which is near the posterior means.
    reml = hsb["hsb_ses"].estimate.solution
    wanted = reml.u[:, 0] / np.sqrt(reml.sigma_u[0] ** 2 - reml.u_sd[:, 0] ** 2)
    (effect,) = effects_of(hsb["hsb_ses"].fits[0], 0.95)
    np.testing.assert_allclose(effect.standardised, wanted, atol=0.05)
    assert effect.standardised.std() == pytest.approx(1.0, abs=0.05)


def test_standardised_slopes_of_low_reliability_are_not_stretched():
    # Normal slopes of which the data say little must not look long-tailed: their posterior sd
    # differs from group to group with their own size, the diagnostic sd does not.
    analysis = study("hsb_random_slope").analysis
    picture = group_residuals(analysis)
    assert picture.effects == ("Intercept", "ses")
    assert all(curve.normal for curve in picture.curves)


def test_caterpillar_is_sorted_within_blocks(hsb):
    picture = caterpillar(hsb["hsb_sector_ses"])
    (panel,) = picture.panels
    sector = roles_of(hsb["hsb_sector_ses"].design).subgroup
    for k, block in enumerate(panel.blocks):
        assert (np.diff(panel.effect.mean[block.order]) >= 0).all()
        assert (sector[block.order] == k).all()
    assert sorted(np.concatenate([block.order for block in panel.blocks])) == list(range(160))
    above = int((panel.effect.lower > 0).sum())
    below = int((panel.effect.upper < 0).sum())
    assert (
        f"wholly above zero for {above} and wholly below for {below} of 160" in picture.text.caption
    )


def test_a_group_far_out_is_outlying_and_no_other():
    data = simulate(60, 12)
    data["y"] = data["y"] + np.where(data["g"] == 7, 9.0, 0.0)
    (panel,) = caterpillar(run("y ~ x + (1 | g)", data)).panels
    assert panel.outlying.tolist() == [7]
    assert 7 in panel.named


def test_where_nothing_can_be_told_of_groups_nothing_stands_out():
    rng = np.random.default_rng(3)
    data = {"y": rng.normal(size=120), "g": np.repeat(np.arange(60), 2)}
    analysis = run("y ~ 1 + (1 | g)", data, priors={"sigma_u": "HalfNormal(0.02)"})
    (panel,) = caterpillar(analysis).panels
    assert panel.outlying.size == 0
    assert "are too few" in caterpillar(analysis).text.caption
    assert group_residuals(analysis) is None


def test_unpooled_effects_are_least_squares_in_each_group(growth):
    design = growth.design
    beta = np.array([250.0, 10.0])
    found = unpooled_effects(design, design.y - design.X @ beta)
    for k in range(design.J):
        rows = design.codes == k
        left = design.y[rows] - design.X[rows] @ beta
        wanted = np.linalg.lstsq(design.Z[rows], left, rcond=None)[0]
        np.testing.assert_allclose(found[k], wanted, rtol=1e-8)


def test_unpooled_effects_are_not_known_where_the_slope_has_no_rows():
    data = simulate(12, 6)
    data["x"] = np.where(data["g"] == 3, 0.5, data["x"])
    analysis = run("y ~ x + (x | g)", data)
    own = unpooled_effects(analysis.design, analysis.design.y)
    assert np.flatnonzero(np.isnan(own).any(axis=1)).tolist() == [3]
    assert "not identified in 1 group alone" in shrinkage(analysis).text.caption


def test_small_groups_are_shrunk_more(hsb):
    picture = shrinkage(hsb["hsb_null"])
    (effect,) = picture.effects
    small, large = picture.kept(effect, slice(0, 53)), picture.kept(effect, slice(-53, None))
    assert small < large < 1.0
    # Raudenbush & Bryk (2002), eq. 3.42: a group of n keeps sigma_u^2 / (sigma_u^2 + sigma_e^2/n).
    fit = hsb["hsb_null"].estimate.solution
    u2, e2 = fit.sigma_u[0] ** 2, fit.sigma_e**2
    wanted = u2 / (u2 + e2 / picture.sizes)
    # A posterior mean of 4,000 draws of sd 0.9 is known to 0.015; the intercept's sd is 0.24.
    np.testing.assert_allclose(effect.partial, wanted * effect.unpooled, atol=0.07)
    assert (np.diff(picture.sizes) >= 0).all()


# --- slopes and sides -----------------------------------------------------------------------------


@pytest.mark.parametrize("formula", ["y ~ x * w + (1 | g)", "y ~ x * side + (x | g)"])
@pytest.mark.parametrize("kind", ["partial_pooling", "mundlak"])
def test_subgroup_difference_is_that_of_the_two_lines(formula, kind):
    data = simulate(30, 10)
    data["side"] = np.where(data["w"] == 1, "a", "b").astype(object)
    analysis = run(formula, data, kind=kind)
    picture = subgroup_difference(analysis)
    roles = roles_of(analysis.design)
    lines = [line_along(analysis, roles, picture.x, name="", subgroup=side) for side in (0, 1)]
    np.testing.assert_allclose(picture.centre, lines[1].centre - lines[0].centre, atol=1e-8)
    np.testing.assert_allclose(
        picture.likelihood, lines[1].likelihood - lines[0].likelihood, atol=1e-8
    )
    assert picture.change == pytest.approx(lines[1].slope - lines[0].slope, abs=1e-8)


def test_subgroup_difference_tells_where_it_is_credible(hsb):
    picture = subgroup_difference(hsb["hsb_sector_ses"])
    ses = hsb["hsb_sector_ses"].design.X[:, 1]
    above = picture.x[picture.lower > 0]
    assert above[0] == ses.min()
    # A row counts with its nearest point: half a step at most from the region's end.
    step = picture.x[1] - picture.x[0]
    assert picture.rows_excluding_zero[0] == np.count_nonzero(ses < above[-1] + step / 2)
    assert f"({picture.rows_excluding_zero[0]:,} rows of 7,185)" in picture.text.caption
    assert subgroup_difference(hsb["hsb_ses"]) is None


def test_both_ways_to_write_two_slopes_show_the_same():
    data = simulate(40, 8)
    one = contextual_effect(run("y ~ x + (1 | g)", data, kind="mundlak"))
    other = contextual_effect(run("y ~ within(x) + between(x) + (1 | g)", data))
    for name in ("within", "between", "difference"):
        a = getattr(one.predictors[0], name)
        b = getattr(other.predictors[0], name)
        # The same model in other coordinates: REML agrees to its convergence, draws to their noise
        # and to the priors, which are of other coefficients.
        assert a.likelihood.estimate == pytest.approx(b.likelihood.estimate, abs=1e-6)
        assert a.likelihood.lower == pytest.approx(b.likelihood.lower, abs=1e-5)
        assert a.posteriors[0].mean == pytest.approx(
            b.posteriors[0].mean, abs=0.3 * a.posteriors[0].sd
        )


def test_contextual_effect_is_the_between_coefficient(hsb):
    analysis = hsb["hsb_mundlak_random"]
    (item,) = contextual_effect(analysis).predictors
    row = analysis.summaries[0]["beta[between(ses)]"]
    assert item.difference.posteriors[0].mean == pytest.approx(row.estimate, abs=EXACT)
    assert item.difference.posteriors[0].lower == pytest.approx(row.lower, abs=EXACT)
    span = analysis.summaries[1]["beta[between(ses)]"]
    assert item.difference.likelihood.lower == pytest.approx(span.lower, abs=1e-8)
    # Sums of coefficients: 2.19 within and 5.87 between (lme4 on this model, tests/reference).
    assert item.between.likelihood.estimate == pytest.approx(2.191 + 3.675, abs=0.01)
    assert contextual_effect(hsb["hsb_sector_ses"]) is None


# --- priors ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text", "law"),
    [
        ("beta", "Normal(1, 2)", scipy.stats.norm(1, 2)),
        ("beta", "StudentT(3, 1, 2)", scipy.stats.t(3, 1, 2)),
        ("beta", "Cauchy(1, 2)", scipy.stats.cauchy(1, 2)),
        ("sigma_e", "HalfNormal(2)", scipy.stats.halfnorm(0, 2)),
        ("sigma_e", "HalfCauchy(2)", scipy.stats.halfcauchy(0, 2)),
        ("sigma_e", "Exponential(0.5)", scipy.stats.expon(0, 2)),
        ("sigma_e", "Gamma(2, 0.5)", scipy.stats.gamma(2, 0, 2)),
        ("sigma_e", "InverseGamma(2, 0.5)", scipy.stats.invgamma(2, 0, 0.5)),
        # LKJ(eta) of two effects: Beta(eta, eta) on (-1, 1).
        ("rho_u", "LKJ(2)", scipy.stats.beta(2, 2, -1, 2)),
    ],
)
def test_prior_densities_are_scipys(name, text, law):
    x = np.linspace(0.05, 0.95, 19)
    found = prior_density(parse_prior(name, text), x, 2)
    np.testing.assert_allclose(found, law.pdf(x), rtol=1e-9)


def test_prior_ratio_is_that_over_the_interval(hsb):
    picture = prior_and_posterior(hsb["hsb_ses"])
    panels = {panel.name: panel for panel in picture.panels}
    assert list(panels) == ["Intercept, at the means", "beta[ses]", "sigma_u", "sigma_e"]
    row = hsb["hsb_ses"].summaries[0]["beta[ses]"]
    panel = panels["beta[ses]"]
    assert (panel.lower, panel.upper) == (row.lower, row.upper)
    prior = hsb["hsb_ses"].fits[0].priors.beta[1]
    ends = scipy.stats.norm(prior["mu"], prior["sigma"]).pdf([row.lower, row.upper])
    assert panel.ratio == pytest.approx(ends.max() / ends.min(), rel=1e-6)
    # At the means of the predictors the intercept is near the mean outcome, 12.75.
    middle = panels["Intercept, at the means"].posterior
    assert np.average(middle.x, weights=middle.y) == pytest.approx(12.7, abs=0.3)
    assert picture.text.caption.startswith("No prior is informative")


def test_flat_priors_are_named_and_tight_ones_are_said_to_weigh():
    data = simulate(20, 6)
    priors = {"beta[x]": "Flat()", "sigma_u": "HalfNormal(0.2)"}
    picture = prior_and_posterior(run("y ~ x + (1 | g)", data, priors=priors))
    assert picture.flat == ("beta[x]",)
    assert "beta[x]" not in [panel.name for panel in picture.panels]
    assert "sigma_u (factor" in picture.text.caption
    assert "There the prior is informative." in picture.text.caption


# --- normality ------------------------------------------------------------------------------------


def test_normal_quantiles_are_pythons():
    p = np.array([1e-9, 1e-4, 0.025, 0.3, 0.5, 0.9, 0.99999])
    wanted = [NormalDist().inv_cdf(value) for value in p]
    # The table is interpolated: an error of a hundredth of a millimetre on any page.
    np.testing.assert_allclose(normal_quantile(p), wanted, atol=1e-4)


@pytest.mark.parametrize("n", [3, 20, 500])
def test_the_band_holds_19_normal_samples_of_20(n):
    rng = np.random.default_rng(n)
    made = [normal_qq(rng.normal(4.0, 3.0, n), seed=k) for k in range(80)]
    inside = sum(not curve.outside.any() for curve in made)
    # 80 trials at 0.95: 68 or fewer have probability 0.001.
    assert inside >= 69
    assert sum(curve.normal for curve in made) >= 69


def test_departures_are_named_by_tail():
    rng = np.random.default_rng(1)
    cut = normal_qq(np.minimum(rng.normal(size=4000), 1.5), 1)
    assert "the upper tail is shorter than normal" in cut.departure
    long = normal_qq(rng.standard_t(3, 4000), 1)
    assert "the lower tail is longer and the upper tail is longer than normal" in long.departure
    assert long.skewness == pytest.approx(0.0, abs=1.5)
    assert long.kurtosis > 4.0


def test_alike_values_have_no_quantiles_to_compare():
    assert normal_qq(np.full(30, 2.0), 1) is None
    assert normal_qq(np.array([1.0, 2.0]), 1) is None


def test_places_lead_back_to_the_values():
    values = np.random.default_rng(2).normal(size=9000)
    curve = normal_qq(values, 1)
    assert curve.n == 8000
    given = values[curve.places]
    assert (np.diff(given) >= 0).all()
    # Standardised by the mean and sd of the 8,000 that were chosen.
    slope, _ = np.polyfit(given, curve.found, 1)
    assert slope == pytest.approx(1.0, abs=0.03)


# --- residuals ------------------------------------------------------------------------------------


def test_fitted_and_residual_make_up_the_outcome(growth):
    picture = row_residuals(growth)
    sigma_e = growth.summaries[0]["sigma_e"].estimate
    np.testing.assert_allclose(picture.fitted + sigma_e * picture.residual, growth.design.y)
    # REML's fitted values (BLUPs) are near; posterior means differ by the prior and the draws.
    reml = growth.estimate.solution
    design = growth.design
    blup = design.X @ reml.beta + (design.Z * reml.u[design.codes]).sum(axis=1)
    assert np.abs(fitted_values(growth.fits[0]) - blup).max() < 0.25 * sigma_e


def test_a_spread_that_grows_is_told_and_one_that_does_not_is_not():
    data = simulate(40, 12, sigma_u=0.5)
    assert not row_residuals(run("y ~ x + (1 | g)", data)).unequal
    rng = np.random.default_rng(1)
    data["y"] = 3 * data["x"] + np.exp(0.5 * data["x"]) * rng.normal(size=data["x"].size)
    picture = row_residuals(run("y ~ x + (1 | g)", data))
    assert picture.unequal
    assert picture.sds[0] < picture.sds[1]
    assert "more than chance allows" in picture.text.caption


def test_bins_of_residuals_are_means_of_all_rows(hsb):
    picture = row_residuals(hsb["hsb_ses"])
    sizes = [len(part) for part in np.array_split(np.arange(7185), picture.at.size)]
    assert np.average(picture.mean, weights=sizes) == pytest.approx(
        picture.residual.mean(), abs=EXACT
    )
    # The ceiling: no residual can be above what is left to 24.993 points.
    sigma_e = hsb["hsb_ses"].summaries[0]["sigma_e"].estimate
    assert (picture.residual <= (24.994 - picture.fitted) / sigma_e).all()
    assert "the upper tail is shorter than normal" in picture.text.caption


# --- replicates -----------------------------------------------------------------------------------


def test_share_beyond_the_ceiling_is_the_normal_tails(hsb):
    fit = hsb["hsb_sector_ses"].fits[0]
    found = replicate(fit)
    # At the posterior means, with the spread of each fitted value by the posterior of its group.
    fitted, sigma_e = fitted_values(fit), fit.draws["sigma_e"].mean()
    sd_u = fit.draws["u"].std(axis=(0, 1))[fit.design.codes, 0]
    z = (fit.design.y.max() - fitted) / np.sqrt(sigma_e**2 + sd_u**2)
    exact = scipy.stats.norm.sf(z).mean()
    # 208 replicates of 7,185 rows: binomial error 0.00015; the coefficients' spread is left out.
    assert found.above == pytest.approx(exact, abs=0.001)
    assert found.above > 0.03  # the ceiling: of the data none is above
    picture = predictive_checks(hsb["hsb_sector_ses"])
    assert f"{100 * found.above:.1f} % lie above the largest observed one (24.99)" in (
        picture.text.caption
    )
    unlike = {item.name for item in picture.statistics if item.unlike}
    assert {"largest outcome", "skewness"} <= unlike


def test_new_groups_have_the_spread_of_the_model(hsb):
    fit = hsb["hsb_null"].fits[0]
    found = replicate(fit)
    sizes = fit.design.group_sizes
    variance = fit.draws["sigma_u"].mean() ** 2 + fit.draws["sigma_e"].mean() ** 2 / sizes
    # Of 160 means the sd has a standard error of 6 %, of 208 replicates' mean 0.4 %.
    assert found.new_means.std(axis=1).mean() == pytest.approx(np.sqrt(variance.mean()), rel=0.03)
    assert found.has_new_effects


def test_a_pooled_model_cannot_make_groups_differ(hsb):
    picture = predictive_checks(hsb["hsb_pooled"])
    assert not picture.new_effects
    p = {item.name: item.p for item in picture.statistics}
    assert p["sd of group means"] == 0.0
    assert p["smallest group mean"] == 1.0


def test_group_statistics_are_numpys():
    data = simulate(5, 4)
    data["g"] = np.array([0, 1, 2, 3, 4, 4, 3, 2, 1, 0, 0, 1, 2, 3, 4, 5, 0, 1, 2, 3])
    analysis = run("y ~ x + (1 | g)", data)
    found = replicate(analysis.fits[0])
    groups = [data["y"][data["g"] == k] for k in range(6)]
    np.testing.assert_allclose(found.observed_means, sorted(y.mean() for y in groups))
    # The group of one row has no sd.
    wanted = sorted(y.std(ddof=1) for y in groups if y.size > 1)
    np.testing.assert_allclose(found.observed_sds, wanted)
    assert found.observed_counts.sum() == 20
    assert found.sds.shape == (found.n, 5)


def test_replicates_do_not_need_draws_of_the_effects(growth):
    fit = growth.fits[0]
    kept = {name: v for name, v in fit.draws.posterior.items() if name != "u"}
    (mean, sd) = (fit.draws["u"].mean(axis=(0, 1)), fit.draws["u"].std(axis=(0, 1)))
    kept |= {"u_mean": Variable(("schoolid", "effect"), mean)}
    kept |= {"u_sd": Variable(("schoolid", "effect"), sd)}
    summarised = replicate(replace(fit, draws=replace(fit.draws, posterior=kept)))
    drawn = replicate(fit)
    # Two sets of 400 replicates of 180 rows, each sd of a statistic over 20.
    for name in ("extremes", "skewness"):
        one, other = getattr(summarised, name), getattr(drawn, name)
        gap = np.abs(one.mean(axis=0) - other.mean(axis=0))
        assert (gap < 5 * drawn_error(one, other)).all()


def drawn_error(one, other):
    return np.sqrt(one.var(axis=0) / len(one) + other.var(axis=0) / len(other))


def test_replicates_are_the_same_again(growth):
    one, other = replicate(growth.fits[0]), replicate(growth.fits[0])
    np.testing.assert_array_equal(one.counts, other.counts)


def test_p_values_count_replicates_above_and_ties_by_half():
    values = np.array([1.0, 2.0, 2.0, 3.0])
    assert Statistic(name="", level="rows", observed=2.0, replicated=values).p == 0.5
    high = Statistic(name="", level="rows", observed=0.0, replicated=values)
    assert (high.p, high.unlike, p_text(high)) == (1.0, True, "p > 0.750")


@pytest.mark.parametrize("kind", ["between", "within", "no_pooling", "pooled"])
def test_every_kind_can_be_replicated(kind):
    data = simulate(12, 6)
    picture = predictive_checks(run("y ~ x", data, kind=kind, group="g"))
    assert (picture.means is None) == (kind == "between")
    assert not picture.new_effects


def test_a_model_that_is_right_is_not_found_unlike():
    data = simulate(40, 10)
    picture = predictive_checks(run("y ~ x * w + (1 | g)", data))
    assert [item.name for item in picture.statistics if item.unlike] == []
    assert picture.text.caption.startswith("Nothing that was looked at is unlike")


# --- engines --------------------------------------------------------------------------------------


def test_accuracy_is_the_engines_report(hsb, growth):
    picture = direct_accuracy(hsb["hsb_ses"])
    report = hsb["hsb_ses"].fits[0].report
    assert picture.checks[0].value == report.error
    assert picture.text.caption.startswith("Every measure is within its limit.")
    by_weights = direct_accuracy(growth)
    assert by_weights.method == "importance"
    assert [check.name for check in by_weights.checks] == ["Pareto k-hat", "draws that are copies"]
    assert by_weights.ess == growth.fits[0].report.ess


def test_groups_left_out_are_those_of_leave_one_group_out(growth):
    picture = loo_groups(growth)
    found = leave_one_group_out(growth.fits[0])
    np.testing.assert_array_equal(picture.k_hat, found.k_hat)
    np.testing.assert_allclose(picture.per_row * picture.sizes, found.pointwise)
    worst = picture.labels[np.argmin(picture.per_row)]
    assert f"subject {worst} is predicted worst" in picture.text.caption


def test_sampler_figures_are_of_nuts_only(hsb):
    for figure in (traces, ranks, energy, converged):
        assert figure(hsb["hsb_ses"]) is None


def test_traces_and_ranks_are_of_the_largest_r_hats(nuts):
    for figure in (traces, ranks):
        picture = figure(nuts)
        assert "all 4 parameters" in picture.text.caption
        assert list(picture.values) == ["beta[Intercept]", "beta[ses]", "sigma_u", "sigma_e"]
        np.testing.assert_array_equal(picture.values["sigma_u"], nuts.fits[0].draws["sigma_u"])
    assert "4 chains of 100 draws" in traces(nuts).text.caption


def test_nuts_pictures_come_from_the_samplers_record(nuts):
    fit = nuts.fits[0]
    picture = energy(nuts)
    values = fit.draws.sample_stats["energy"].values
    wanted = (np.diff(values, axis=1) ** 2).mean(axis=1) / values.var(axis=1)
    np.testing.assert_allclose(ebfmi_of(picture.values["energy"]), wanted)
    assert scaled(wanted.min(), 2) in picture.text.caption
    found = converged(nuts)
    assert found.values["parameters"].shape[2] == 2 + 1 + 1 + 1 + 160
    assert "below 400" in found.text.caption
    assert divergences(nuts) is None
    stats = dict(fit.draws.sample_stats)
    low = fit.draws["sigma_u"] < np.quantile(fit.draws["sigma_u"], 0.05)
    stats["diverging"] = Variable(("chain", "draw"), low)
    bad = replace(nuts, fits=(replace(fit, draws=replace(fit.draws, sample_stats=stats)),))
    told = divergences(bad)
    assert told.panels[0].x_name == "log sigma_u"
    assert "below that of all draws" in told.text.caption
    assert told.text.caption.startswith("20 draws of 400")
    assert "nuts" in traces(bad).text.title
