"""Normal quantile-quantile values, and how departures are named."""

from statistics import NormalDist

import numpy as np
import pytest

from bayes_mlm.assess.checks.normality import normal_qq, normal_quantile


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
