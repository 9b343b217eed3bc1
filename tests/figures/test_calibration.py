"""Quantile residuals, calibration and counts of outcomes that are not Gaussian."""

import numpy as np
import pytest
import scipy.stats

from bayes_mlm.assess import calibration, fitted_values, quantile_residuals
from bayes_mlm.figures import FIGURES
from bayes_mlm.figures.predictive import predictive_checks
from bayes_mlm.figures.residuals import row_residuals
from tests.helpers.figures import run, simulate


def counts(rng, *, shape=None):
    """Return counts whose logs have a slope of 0.5 and groups of sd 0.4; negative binomial."""
    data = simulate(25, 20)
    u = 0.4 * rng.normal(size=25)[data["g"]]
    mean = np.exp(1.0 + 0.5 * data["x"] + u)
    if shape is not None:
        mean = mean * rng.gamma(shape, 1.0 / shape, mean.size)
    return data | {"y": rng.poisson(mean)}


@pytest.fixture(scope="module")
def right():
    return run("y ~ x + (1 | g)", counts(np.random.default_rng(4)), draws=200, family="poisson")


@pytest.fixture(scope="module")
def binary():
    data, rng = simulate(25, 20), np.random.default_rng(5)
    p = 1 / (1 + np.exp(-(2 * data["x"] ** 2 - 1)))
    data["y"] = np.where(rng.random(p.size) < p, "yes", "no")
    return data


@pytest.fixture(scope="module")
def straight(binary):
    return run("y ~ x + (1 | g)", binary, draws=200, family="bernoulli")


def test_quantile_residuals_lie_between_the_quantiles_of_the_distribution_function(right):
    """Dunn & Smyth (1996): between F(y - 1) and F(y), here at the posterior mean of eta."""
    fit = right.fits[0]
    mean, y = np.exp(fitted_values(fit)), fit.design.y
    low, high = scipy.stats.poisson.cdf(y - 1, mean), scipy.stats.poisson.cdf(y, mean)
    found = scipy.stats.norm.cdf(quantile_residuals(fit))
    # 400 draws: a share has a standard error of 0.025 at most; the mean of eta adds 0.02 or so.
    assert np.mean((found > low - 0.08) & (found < high + 0.08)) > 0.99
    # Ties are broken at random: the whole is uniform (Kolmogorov's p of 500 values).
    assert scipy.stats.kstest(found, "uniform").pvalue > 0.05


def test_more_spread_than_the_family_has_is_seen():
    rng = np.random.default_rng(6)
    wrong = run("y ~ x + (1 | g)", counts(rng, shape=1.5), draws=200, family="poisson")
    picture = row_residuals(wrong)
    assert picture.quantile
    assert picture.residual.std() > 1.3
    unlike = {item.name for item in predictive_checks(wrong).statistics if item.unlike}
    assert "share of zeros" in unlike


def test_calibration_has_the_means_of_its_bins(right):
    fit = right.fits[0]
    found = calibration(fit, 0.95)
    order = np.argsort(fitted_values(fit), kind="stable")
    bins = np.array_split(fit.design.y[order], found.rows.size)
    np.testing.assert_allclose(found.observed, [part.mean() for part in bins])
    # E exp(eta) is above exp(E eta), by half the variance of eta: below 0.02 here.
    expected = [part.mean() for part in np.array_split(np.exp(fitted_values(fit))[order], 15)]
    np.testing.assert_allclose(found.expected, expected, rtol=0.03)
    assert np.count_nonzero(found.outside) <= 3  # of 15 right ones more have p = 0.005


def test_a_curve_that_is_left_out_is_seen(binary, straight):
    straight = FIGURES["calibration"].find(straight)
    bent = FIGURES["calibration"].find(
        run("y ~ x + I(x ** 2) + (1 | g)", binary, draws=200, family="bernoulli")
    )
    assert straight.outcome == "share with y = yes"
    assert np.count_nonzero(straight.found.outside) > np.count_nonzero(bent.found.outside)
    assert "where" in straight.text.caption
    assert "expected" in straight.text.caption
    assert FIGURES["calibration"].find(run("y ~ x + (1 | g)", simulate(8, 5))) is None


def test_two_categories_are_bars_and_groups_have_shares(binary, straight):
    picture = predictive_checks(straight)
    assert picture.categories == ("no", "yes")
    share = float((binary["y"] == "yes").mean())
    np.testing.assert_allclose(picture.observed[:2], [1 - share, share])
    assert picture.sds is None  # they follow from the shares
    assert [item.name for item in picture.statistics] == [
        "share of yes",
        "smallest group share",
        "largest group share",
        "sd of group shares",
    ]
    assert "largest" not in picture.text.caption
    figure = FIGURES["predictive"].draw(picture)
    assert [tick.get_text() for tick in figure.subfigs[0].axes[0].get_xticklabels()] == [
        "no",
        "yes",
    ]


def test_counts_have_a_rootogram(right):
    picture = predictive_checks(right)
    y = right.design.y.astype(int)
    known = np.bincount(y, minlength=picture.observed.size)[: picture.observed.size]
    np.testing.assert_allclose(picture.n * picture.observed, known)  # a bar a whole number
    ax = FIGURES["predictive"].draw(picture).subfigs[0].axes[0]
    first = ax.patches[0]
    # It hangs from the root of the replicates' median, and is as long as that of the data.
    assert first.get_height() == pytest.approx(np.sqrt(known[0]))
    top = first.get_y() + first.get_height()
    assert top == pytest.approx(np.sqrt(picture.n * picture.centre[0]))


def test_ordered_categories_have_a_share_each():
    data, rng = simulate(15, 12), np.random.default_rng(3)
    data["y"] = np.digitize(data["x"] + rng.logistic(size=data["x"].size), [-1.0, 1.0])
    picture = predictive_checks(run("y ~ x + (1 | g)", data, draws=200, family="cumulative"))
    assert picture.categories == ("0", "1", "2")
    assert [one.name for one in picture.statistics[:3]] == [f"share of {k}" for k in range(3)]
    assert picture.sds is not None
