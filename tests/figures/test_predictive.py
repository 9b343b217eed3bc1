"""Posterior predictive checks as drawn, and their replicates."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.stats

from bayes_mlm.assess.checks.replicates import replicate
from bayes_mlm.engines.draws import Variable
from bayes_mlm.figures.predictive import predictive_checks
from bayes_mlm.figures.residuals import fitted_values
from bayes_mlm.figures.statistics import Statistic, p_text
from tests.helpers.figures import run, simulate


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
