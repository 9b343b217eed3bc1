"""Tests of variances at zero: the F test of balanced data, mixtures, null data sets."""

import numpy as np
import pytest
from scipy import stats

from bayes_mlm import build_design, fit, fit_reml, load_dyestuff2, load_hsb, load_sleepstudy
from bayes_mlm.assess.variance_tests import exact_null, mixture_p, variance_tests
from bayes_mlm.base import EngineError
from bayes_mlm.fitting import estimate_design
from bayes_mlm.likelihood import profiled_loglik
from bayes_mlm.moments import rotate_moments


def table_of(groups, size, sd, seed):
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(groups), size)
    return {"g": g, "y": sd * rng.normal(size=groups)[g] + rng.normal(size=g.size)}


@pytest.mark.parametrize("seed", range(4))
def test_of_balanced_groups_it_is_the_f_test(seed):
    data = table_of(12, 5, 0.35, seed)
    found = fit("y ~ 1 + (1 | g)", data, engine="reml")
    row = variance_tests(found, 40_000)["sigma_u"]
    f = stats.f_oneway(*np.split(data["y"], 12))
    if f.statistic <= 1.0:
        assert (row.statistic, row.p) == (0.0, 1.0)
        return
    error = np.sqrt(f.pvalue * (1 - f.pvalue) / 40_000)
    assert row.p == pytest.approx(f.pvalue, abs=4 * error + 1e-4)
    assert row.p_mixture == pytest.approx(0.5 * stats.chi2.sf(row.statistic, 1))


def test_the_null_distribution_is_that_of_refitted_noise():
    """Unequal groups, a group-level predictor: 400 outcomes of pure noise, refitted by rows."""
    rng = np.random.default_rng(2)
    g = np.repeat(np.arange(9), [2, 3, 3, 8, 12, 2, 5, 9, 20])
    data = {"g": g, "x": rng.normal(size=g.size), "w": rng.normal(size=9)[g]}
    ratios = []
    for _ in range(400):
        design = build_design("y ~ x + w + (1 | g)", data | {"y": rng.normal(size=g.size)})
        one = fit_reml(design, profile=False)
        reduced = rotate_moments(design.moments())
        bare = profiled_loglik(reduced, np.zeros((1, 1, 1)), "REML")[0]
        ratios.append(2 * (one.loglik - bare))
    null = exact_null(rotate_moments(design.moments()), 20_000, rng)
    ratios = np.maximum(ratios, 0.0)
    zero, many = (ratios < 1e-8).mean(), (null < 1e-8).mean()
    assert zero == pytest.approx(many, abs=4 * np.sqrt(0.25 / 400))
    p = stats.ks_2samp(ratios[ratios > 1e-8], null[null > 1e-8]).pvalue
    assert p > 0.001
    assert np.quantile(null, 0.95) < 2.71  # the mixture's, which rejects too rarely


def test_a_maximum_is_never_below_a_point_of_the_grid():
    design = build_design("reaction ~ days + (1 | subject)", load_sleepstudy())
    reduced = rotate_moments(design.moments())
    null = exact_null(reduced, 2000, np.random.default_rng(4))
    assert null.min() == 0.0
    assert 0.5 < (null == 0.0).mean() < 0.7


@pytest.mark.parametrize("bar", ["(days | subject)", "(days || subject)"])
def test_a_slope_is_tested_by_refits_of_data_without_it(bar):
    table = load_sleepstudy()
    found = fit(f"reaction ~ days + {bar}", table, engine="reml")
    (row,) = variance_tests(found, 400)
    smaller = fit("reaction ~ days + (1 | subject)", table, engine="reml").solution
    assert row.quantity == "sigma_u[days]"
    assert row.statistic == pytest.approx(2 * (found.solution.loglik - smaller.loglik), rel=1e-6)
    assert row.p == pytest.approx(1 / 401)
    assert row.null == "simulated"


def test_where_the_order_of_effects_is_another_so_are_not_the_numbers():
    table = load_sleepstudy()
    found = [fit(f"reaction ~ days + ({one} | subject)", table, engine="reml") for one in
             ("1 + days", "days + 1")]  # fmt: skip
    first, second = (variance_tests(one, 300)["sigma_u[days]"] for one in found)
    assert first.statistic == pytest.approx(second.statistic)
    assert first.p == second.p


def test_a_slope_that_does_not_vary_is_not_found():
    rng = np.random.default_rng(8)
    g = np.repeat(np.arange(40), 8)
    x = rng.normal(size=g.size)
    y = 1.0 + x + rng.normal(size=40)[g] + rng.normal(size=g.size)
    found = fit("y ~ x + (x | g)", {"y": y, "x": x, "g": g}, engine="reml")
    row = variance_tests(found, 400)["sigma_u[x]"]
    assert row.p > 0.05
    assert row.p_mixture == pytest.approx(mixture_p(row.statistic, 1, 2))


def test_a_statistic_of_zero_has_the_p_value_one():
    row = variance_tests(fit("yield ~ 1 + (1 | batch)", load_dyestuff2(), engine="reml"), 200)
    assert (row["sigma_u"].statistic, row["sigma_u"].p) == (0.0, 1.0)


def test_many_groups_of_few_sizes_have_few_eigenvalues():
    from bayes_mlm.assess.variance_tests import _eigenvalues

    reduced = rotate_moments(
        build_design("mathach ~ sector + (1 | schoolid)", load_hsb()).moments()
    )
    mu, times = _eigenvalues(reduced)
    r, c = np.abs(reduced.r[reduced.of_group, 0, 0]), reduced.c[:, 0, : reduced.p]
    x_x = reduced.rest[: reduced.p, : reduced.p] + c.T @ c
    dense = np.diag(r**2) - (r[:, None] * c) @ np.linalg.solve(x_x, (r[:, None] * c).T)
    value = np.linalg.eigvalsh(dense)
    value = value[value > 1e-10 * value.max()]
    assert np.repeat(mu, times.astype(int)) == pytest.approx(value, rel=1e-8)


def test_many_groups_of_few_sizes_take_little():
    g = np.repeat(np.arange(4000), 1 + np.arange(4000) % 7)
    rows = np.arange(g.size)
    design = build_design("y ~ x + (1 | g)", {"y": np.sin(rows), "x": np.cos(1.7 * rows), "g": g})
    assert variance_tests(estimate_design(design), 100)["sigma_u"].p <= 1.0


def test_wrong_requests_are_refused():
    found = fit("reaction ~ days + (1 | subject)", load_sleepstudy(), engine="reml")
    with pytest.raises(EngineError, match="100 or more, found 5"):
        variance_tests(found, 5)
    with pytest.raises(EngineError, match="variance_tests expects"):
        variance_tests("model")
