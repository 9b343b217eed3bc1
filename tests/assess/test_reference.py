"""Reference distributions of the checks: adjusted p values, and tails of the statistics."""

import numpy as np
import pytest
from scipy import stats

from bayes_mlm.assess.checks.reference import (
    holm,
    kurtosis_tail,
    skewness_tail,
    two_sided,
    upper_tail,
)
from bayes_mlm.assess.checks.statistics import moments


def test_holm_adjusts_for_the_number_of_tests():
    # As p.adjust of R, method "holm".
    p = holm(np.array([0.01, 0.04, 0.03, 0.005]))
    assert p.tolist() == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_a_tail_goes_on_where_replicates_end():
    drawn = np.random.default_rng(1).chisquare(4, 3000)
    for value in (9.488, 14.860, 23.513):  # chi-squared on 4 df: 0.05, 0.005, 1e-4
        truth = stats.chi2(4).sf(value)
        assert upper_tail(value, drawn) == pytest.approx(truth, rel=0.4)
        assert two_sided(value, drawn) == pytest.approx(2 * truth, rel=0.4)


@pytest.mark.parametrize("n", [8, 40, 300])
def test_skewness_and_kurtosis_have_the_tails_of_normal_samples(n):
    rng = np.random.default_rng(2)
    skewness, kurtosis = moments(rng.standard_normal((n, 6000)))
    replicates = moments(rng.standard_normal((n, 1000)))
    for tail, values, other in zip(
        (skewness_tail, kurtosis_tail), (skewness, kurtosis), replicates, strict=True
    ):
        p = np.array([tail(value, other, n) for value in values])
        # A gamma distribution in their place gives 0.02 for a kurtosis of 40 values.
        assert (p < 0.005).mean() < 0.011
        assert 0.03 < (p < 0.05).mean() < 0.065
