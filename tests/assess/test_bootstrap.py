"""The bootstrap: closed forms, exact refits, intervals, refusals."""

import numpy as np
import pandas as pd
import pytest

from bayes_mlm import bootstrap, build_design, fit, fit_reml, load_orthodont, variance_by_level
from bayes_mlm.assess.bootstrap import Resampler
from bayes_mlm.assess.bootstrap.intervals import INTERVALS, Replicated
from bayes_mlm.base import EngineError, UnsupportedModelError


@pytest.fixture(scope="module")
def estimate():
    return fit("distance ~ age * sex + (1 | subject)", load_orthodont(), engine="reml")


@pytest.fixture(scope="module")
def refitted(estimate):
    return bootstrap(estimate, 2000, random_seed=3)


def test_errors_are_those_of_generalised_least_squares(estimate, refitted):
    solution = estimate.solution
    for k, term in enumerate(solution.terms):
        row = refitted[f"beta[{term}]"]
        assert row.sd == pytest.approx(solution.beta_se[k], rel=0.06)
        assert abs(row.bias) < 4 * row.sd / np.sqrt(2000)
    assert refitted["sigma_e"].sd == pytest.approx(solution.errors.sigma_e, rel=0.06)


def test_balanced_estimates_have_the_distribution_of_the_mean_squares(estimate):
    """REML of balanced groups: s2 (within) is sigma2 chi2 / df, whatever the data are."""
    found = bootstrap(estimate, 4000, random_seed=5)
    df = 108 - 27 - 2  # rows less groups and the two slopes within
    inside = ~found.refits.singular
    ratio = df * found.samples["sigma_e"][inside] ** 2 / estimate.solution.sigma_e**2
    assert ratio.mean() == pytest.approx(df, rel=0.01)
    assert ratio.var() == pytest.approx(2 * df, rel=0.1)


def test_estimates_without_a_group_are_fits_without_it(estimate):
    resampler = Resampler(estimate=estimate)
    left = resampler.without_each
    table = load_orthodont()
    labels = list(estimate.solution.labels)
    for k in (0, 13, 26):
        rows = table[table["subject"] != labels[k]]
        direct = fit_reml(build_design("distance ~ age * sex + (1 | subject)", rows), profile=False)
        assert left.beta[k] == pytest.approx(direct.beta, rel=1e-6)
        assert left.cov_u[k, 0, 0] == pytest.approx(direct.cov_u[0, 0], rel=1e-5)
        assert left.sigma2[k] == pytest.approx(direct.sigma_e**2, rel=1e-6)


def test_a_resample_of_groups_is_a_fit_of_their_rows(estimate):
    resampler, table = Resampler(estimate=estimate), load_orthodont()
    places = np.array([0, 0, 5, 7, 9, 12, 15, 15, 15, 20, 24, 26] * 2 + [1, 2, 3])
    found = resampler._of_groups(1, len(places), lambda at: places[None])
    labels = estimate.solution.labels
    rows = [table[table["subject"] == labels[k]].assign(subject=j) for j, k in enumerate(places)]
    whole = pd.concat(rows)
    direct = fit_reml(build_design("distance ~ age * sex + (1 | subject)", whole), profile=False)
    assert found.beta[0] == pytest.approx(direct.beta, rel=1e-6)
    assert found.cov_u[0, 0, 0] == pytest.approx(direct.cov_u[0, 0], rel=1e-5)


def test_any_quantity_of_a_question(estimate, refitted):
    def adjusted(one):
        return variance_by_level(one)["icc_adjusted"].estimate

    few = bootstrap(estimate, 50, random_seed=3)
    row, icc = few.of(adjusted, "adjusted"), few["icc"]
    assert (row.lower, row.upper, row.sd) == pytest.approx((icc.lower, icc.upper, icc.sd))
    assert refitted.of(lambda one: one.solution.sigma_e).estimate == estimate.solution.sigma_e


@pytest.mark.parametrize("kind", ["parametric", "cluster", "case"])
@pytest.mark.parametrize("interval", list(INTERVALS))
def test_a_seed_gives_the_same_numbers(estimate, kind, interval):
    first, second = (
        bootstrap(estimate, 60, kind=kind, interval=interval, random_seed=9) for _ in range(2)
    )
    assert first.rows == second.rows
    assert first["icc"].lower < first["icc"].upper


def test_bca_is_scipys():
    """With the estimates without each group given; scipy omits one row at a time."""
    from scipy.stats import bootstrap as scipys

    x = np.random.default_rng(1).exponential(size=40)
    theirs = scipys((x,), np.mean, n_resamples=4000, method="BCa", rng=np.random.default_rng(2))
    sample = Replicated(
        values=theirs.bootstrap_distribution,
        estimate=float(x.mean()),
        jackknife=(x.sum() - x) / (len(x) - 1),
    )
    ours = INTERVALS["bca"](sample, 0.95)
    assert ours == pytest.approx(tuple(theirs.confidence_interval), abs=1e-9)


def test_it_says_what_it_is(refitted):
    text = str(refitted)
    assert "parametric bootstrap, 2,000 refits" in text
    assert "percentile intervals" in text
    assert refitted.to_frame().shape == (7, 7)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"n": 10}, EngineError, "whole number of 40 or more, found 10"),
        ({"n": 99.5}, EngineError, "found 99.5"),
        ({"kind": "rows"}, EngineError, "allowed: parametric, cluster, case"),
        ({"interval": "student"}, EngineError, "allowed: percentile, basic, bca"),
    ],
)
def test_wrong_requests_say_what_is_allowed(estimate, options, error, words):
    with pytest.raises(error, match=words):
        bootstrap(estimate, **({"n": 50} | options))


@pytest.mark.parametrize(
    ("formula", "options", "words"),
    [
        ("distance ~ age", {"engine": "ols"}, "0 grouping factors"),
        ("distance ~ age + (1 | subject) + (1 | sex)", {"engine": "reml"}, "2 grouping factors"),
        ("distance ~ age + (1 | subject)", {"engine": "ml"}, "not by REML"),
    ],
)
def test_what_has_no_refits_is_refused_with_the_reason(formula, options, words):
    found = fit(formula, load_orthodont(), **({"engine": "reml"} | options))
    with pytest.raises(UnsupportedModelError, match=words):
        bootstrap(found, 50)


def test_cases_are_refitted_from_their_rows(estimate):
    """Rows that are all drawn once give the estimate; fewer groups with a slope have failed."""
    resampler = Resampler(estimate=estimate)
    same = resampler._of_moments(estimate.design.moments())
    np.testing.assert_allclose(same.beta[0], estimate.solution.beta, rtol=1e-7)
    np.testing.assert_allclose(same.cov_u[0], estimate.solution.cov_u, rtol=1e-5)
    moments = estimate.design.moments().select(x=[0, 0, *range(2, estimate.design.p)])
    assert resampler._of_moments(moments).failed.tolist() == [True]
    cases, groups = (bootstrap(estimate, 200, kind=kind) for kind in ("case", "cluster"))
    name = f"beta[{estimate.design.terms[1]}]"
    assert cases[name].sd == pytest.approx(groups[name].sd, rel=0.5)
    assert "rows within each, drawn with replacement" in str(cases)
