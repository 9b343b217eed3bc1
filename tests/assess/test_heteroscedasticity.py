"""Residual standard deviations of groups: ratios, their statistic and its reference."""

import numpy as np
import pytest
from scipy import stats

from bayes_mlm import fit
from bayes_mlm.assess.checks.heteroscedasticity import (
    _h_probability,
    h_statistic,
    heteroscedasticity,
)

GROWTH = "distance ~ age + (1 | subject)"


def test_the_spread_within_a_group_is_its_own_sd_over_the_models():
    own = fit(GROWTH, "orthodont", random_seed=1)
    found = heteroscedasticity(own, 1)
    design = own.design
    beta = own.draws["beta"].reshape(-1, 2).mean(axis=0)
    left = design.y - design.X @ beta
    sigma_e = own.draws["sigma_e"].mean()
    for j in (0, 9, 26):
        part = left[design.codes == j]
        ratio = part.std(ddof=1) / sigma_e
        assert found.ratio[j] == pytest.approx(ratio, rel=1e-9)
        chi2 = (part.size - 1) * ratio**2
        tail = min(stats.chi2(part.size - 1).cdf(chi2), stats.chi2(part.size - 1).sf(chi2))
        assert found.p[j] == pytest.approx(2 * tail, rel=1e-7)
    assert found.df.tolist() == [3] * 27
    # Raudenbush & Bryk (2002), p. 264, by hand: equal df, so the plain mean of the logs.
    logs = np.log(found.ratio**2)
    assert found.h == pytest.approx(np.square((logs - logs.mean()) * np.sqrt(1.5)).sum(), rel=1e-9)


def test_the_reference_of_h_is_right_for_few_rows():
    rng = np.random.default_rng(5)
    df = np.array([2, 3, 4, 6, 9] * 8)
    drawn = [
        _h_probability(
            float(h_statistic(np.log(stats.chi2(df).rvs(random_state=rng) / df)[None], df)[0]),
            df,
            3,
        )
        for _ in range(200)
    ]
    assert stats.kstest(drawn, "uniform").pvalue > 1e-3
    # With so few rows the textbook's chi-squared would cry wolf.
    h = [
        h_statistic(np.log(stats.chi2(df).rvs(random_state=rng) / df)[None], df)[0]
        for _ in range(400)
    ]
    assert (stats.chi2(df.size - 1).sf(h) < 0.05).mean() > 0.2


def test_with_many_rows_h_is_chi_squared():
    df = np.full(30, 200)
    assert _h_probability(45.0, df, 1) == pytest.approx(stats.chi2(29).sf(45.0), abs=0.02)
