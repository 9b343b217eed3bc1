"""Group effects as the caterpillar plot has them."""

from dataclasses import replace

import numpy as np
import pytest

from bayes_mlm import fit
from bayes_mlm.base import UnsupportedModelError
from bayes_mlm.engines.draws import Variable
from bayes_mlm.figures.caterpillar import caterpillar, plot_caterpillar
from bayes_mlm.figures.effects import effects_of
from bayes_mlm.figures.residuals import group_residuals
from bayes_mlm.figures.roles import roles_of
from bayes_mlm.figures.scales import SCALES
from bayes_mlm.fitting import Analysis
from bayes_mlm.fitting.summary import summarise
from tests.helpers.figures import EXACT, run, simulate, study


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
    (approximate,) = effects_of(replace(fit, draws=replace(fit.draws, posterior=kept)), 0.95)
    np.testing.assert_array_equal(approximate.mean, drawn.mean)
    np.testing.assert_array_equal(approximate.standardised, drawn.standardised)
    # Ends of the shortest interval of 4,000 draws stray by about a seventh of an sd.
    assert np.abs((approximate.lower - drawn.lower) / drawn.sd).max() < 0.45


def test_standardised_effects_are_those_of_reml(hsb):
    # lme4's u and condVar at the REML estimate, which is near the posterior means.
    reml = hsb["hsb_ses"].estimate.solution
    wanted = reml.u[:, 0] / np.sqrt(reml.sigma_u[0] ** 2 - reml.u_sd[:, 0] ** 2)
    (effect,) = effects_of(hsb["hsb_ses"].fits[0], 0.95)
    np.testing.assert_allclose(effect.standardised, wanted, atol=0.05)
    assert effect.standardised.std() == pytest.approx(1.0, abs=0.05)


def test_standardised_slopes_of_low_reliability_are_not_stretched():
    # Normal slopes on which there are few data must not look long-tailed: their posterior sd
    # differs from group to group with its size, the diagnostic sd does not.
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


def test_where_groups_have_too_few_data_none_is_outlying():
    rng = np.random.default_rng(3)
    data = {"y": rng.normal(size=120), "g": np.repeat(np.arange(60), 2)}
    analysis = run("y ~ 1 + (1 | g)", data, priors={"sigma_u": "HalfNormal(0.02)"})
    (panel,) = caterpillar(analysis).panels
    assert panel.outlying.size == 0
    assert "are too few" in caterpillar(analysis).text.caption
    assert group_residuals(analysis) is None


def test_an_estimate_has_one_of_each_factor():
    """Predictions with Wald intervals; standardised by sqrt(sigma_u^2 - conditional variance)."""
    rng = np.random.default_rng(4)
    g, h = (part.ravel() for part in np.indices((30, 10)))
    u = rng.normal(size=30)
    u[7] = 7.0  # far out
    y = u[g] + 0.5 * rng.normal(size=10)[h] + rng.normal(size=g.size)
    found = fit("y ~ 1 + (1 | g) + (1 | h)", {"y": y, "g": g, "h": h}, engine="reml")
    analysis = Analysis(
        request=found.request,
        design=found.design,
        fits=(),
        estimates=(found,),
        summaries=(),
        prob=0.9,
    )
    drawn = {name: caterpillar(analysis, factor=name) for name in "gh"}
    panel, one = drawn["g"].panels[0], found.solution.factors[0]
    np.testing.assert_array_equal(panel.effect.mean, one.u[:, 0])
    known = np.sqrt(one.sigma_u[0] ** 2 - np.square(one.u_sd[:, 0]))
    np.testing.assert_allclose(panel.effect.standardised, one.u[:, 0] / known, rtol=1e-9)
    assert panel.outlying.tolist() == [7]
    assert drawn["h"].text.alt.startswith("Prediction and interval of the effect of each h")
    assert plot_caterpillar(drawn["h"]).axes[0].get_xlabel().endswith("prediction, 90 % interval)")


def test_effects_are_drawn_as_odds_ratios_and_as_shares():
    data = simulate(25, 20)
    data["y"] = (data["y"] > 1.0).astype(int)
    analysis = run("y ~ x + (1 | g)", data, draws=100, family="bernoulli")
    plain, ratio, share = (caterpillar(analysis, scale=one) for one in SCALES)
    (u,), (odds,), (chance,) = (
        [panel.effect for panel in one.panels] for one in (plain, ratio, share)
    )
    np.testing.assert_allclose(odds.lower, np.exp(u.lower))
    beta = analysis.fits[0].draws["beta"].mean(axis=(0, 1))
    eta = analysis.design.X.mean(axis=0) @ beta  # where predictors are at their means
    np.testing.assert_allclose(chance.mean, 1 / (1 + np.exp(-(eta + u.mean))))
    assert (plain.what, ratio.what, share.what) == (
        "effect on log odds of y",
        "odds ratio to an effect of 0",
        "share with y = 1",
    )
    counted = [one.text.caption.partition(" for ")[2].partition(";")[0] for one in (plain, ratio)]
    assert counted[0] == counted[1]  # 1 is where 0 was
    ax = plot_caterpillar(ratio).axes[0]
    labels = [float(tick.get_text()) for tick in ax.get_yticklabels()]
    places = [tick.get_position()[1] for tick in ax.get_yticklabels()]
    np.testing.assert_allclose(np.exp(places), labels, rtol=0.005)
    gaussian = run("y ~ x + (1 | g)", simulate(8, 5), draws=50)
    with pytest.raises(UnsupportedModelError, match="ratios"):
        caterpillar(gaussian, scale="ratio")
