"""Densities of variance components, and the density estimate."""

import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, strategies as st

from bayes_mlm.figures.comparison import printed_of
from bayes_mlm.figures.densities import variance_densities
from bayes_mlm.figures.density import density_of


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
