"""Leave-one-out: what does not change it, and models that are taken with care."""

import dataclasses
import math

import numpy as np
import pytest
from scipy import stats

from bayes_mlm.assess import loo as loo_module
from bayes_mlm.assess.loo import leave_one_group_out, leave_one_row_out
from bayes_mlm.base.errors import DesignError, EngineError
from bayes_mlm.data.table import as_table
from bayes_mlm.design import build_design
from bayes_mlm.engines.direct.pareto import smooth_rows, smooth_weights
from bayes_mlm.fitting.entry import fit
from tests.helpers.loo import FLAT, grouped, small_fit

# --- invariances --------------------------------------------------------------------------------


@pytest.mark.parametrize("formula", ["y ~ x + w + (1 | g)", "y ~ x + (x | g)"])
def test_order_of_rows_and_names_of_groups_do_not_matter(formula):
    data = grouped((6, 5, 8, 4, 6, 7))
    order = np.random.default_rng(0).permutation(len(data["y"]))
    names = np.array(["f", "c", "a", "e", "b", "d"])
    shuffled = {name: column[order] for name, column in data.items()}
    shuffled["g"] = names[shuffled["g"]]
    one, two = (fit(formula, table, random_seed=1) for table in (data, shuffled))
    a, b = leave_one_group_out(one), leave_one_group_out(two)
    agree(a, b, np.searchsorted(b.labels, names))
    a, b = leave_one_row_out(one), leave_one_row_out(two)
    agree(a, b, np.argsort(order))


def agree(a, b, where):
    # The same seed gives the same draws but for rounding (see test_direct.py); the few fits
    # without a part have seeds of their own, and an error of some 0.02.
    tolerance = np.where(a.refitted, 0.1, 1e-3)
    assert (np.abs(b.pointwise[where] - a.pointwise) < tolerance).all()


def test_another_engines_draws_serve_as_well():
    fitted = fit("reaction ~ days + (days | subject)", "sleepstudy", random_seed=1)
    chains = dataclasses.replace(fitted, engine="nuts", report=None)
    for measure in (leave_one_group_out, leave_one_row_out):
        one, two = measure(fitted), measure(chains)
        np.testing.assert_array_equal(one.pointwise, two.pointwise)
        # Batches of independent draws show the same error, within the noise of 60 batches.
        assert two.mcse == pytest.approx(one.mcse, rel=0.5)


def test_thinning_stays_within_its_error(monkeypatch):
    fitted = fit("reaction ~ days + (1 | subject)", "sleepstudy", random_seed=1)
    for measure in (leave_one_group_out, leave_one_row_out):
        every = measure(fitted)
        with monkeypatch.context() as fewer:
            fewer.setattr(loo_module, "MAX_GROUP_EVALUATIONS", 1)
            fewer.setattr(loo_module, "MAX_ROW_EVALUATIONS", 1)
            some = measure(fitted)
        assert every.n_draws == 4000
        assert some.n_draws == 200
        assert abs(some.elpd - every.elpd) < 4 * math.hypot(some.mcse, every.mcse)


def test_blocks_do_not_matter(monkeypatch):
    from bayes_mlm.assess.loo import groups, rows

    fitted = small_fit("slope")
    before = [leave_one_group_out(fitted), leave_one_row_out(fitted)]
    for module in (groups, rows):
        monkeypatch.setattr(module, "_CHUNK", 1)
    monkeypatch.setattr(rows, "_SEGMENT", 1)
    after = [leave_one_group_out(fitted), leave_one_row_out(fitted)]
    for a, b in zip(before, after, strict=True):
        np.testing.assert_allclose(a.pointwise, b.pointwise, atol=1e-9)
        assert a.mcse == pytest.approx(b.mcse)


def test_weights_smoothed_together_are_smoothed_each_by_itself():
    rng = np.random.default_rng(1)
    sets = [np.log(stats.genpareto(k).rvs(400, random_state=rng) + 0.1) for k in (0.1, 0.5, 0.9)]
    sets += [np.zeros(400), np.where(np.arange(400) < 398, -np.inf, 0.0)]
    together = smooth_rows(np.array(sets))
    for row, one in enumerate(sets):
        alone = smooth_weights(one)
        np.testing.assert_array_equal(together.log_weight[row], alone.log_weight)
        assert together.k_hat[row] == alone.k_hat
    # Equal weights; and two of 400 that are not zero, from which no tail can be fitted.
    assert list(together.k_hat[3:]) == [-math.inf, math.inf]


# --- models that are taken with care ------------------------------------------------------------


def test_a_fit_without_groups_takes_them_from_another():
    data = grouped()
    pooled = fit("y ~ x", data, random_seed=1)
    with pytest.raises(DesignError, match="names none"):
        leave_one_group_out(pooled)
    grouping = build_design("y ~ x + (1 | g)", as_table(data))
    lent = leave_one_group_out(pooled, grouping=grouping)
    own = leave_one_group_out(fit("y ~ x", data, kind="pooled", group="g", random_seed=1))
    np.testing.assert_allclose(lent.pointwise, own.pointwise, atol=1e-6)
    other = build_design("y ~ x + (1 | g)", as_table(grouped(seed=4)))
    with pytest.raises(DesignError, match="other rows"):
        leave_one_group_out(pooled, grouping=other)


def test_rows_of_a_pooled_model_are_independent_of_groups():
    a = leave_one_row_out(small_fit("pooled"))
    b = leave_one_row_out(fit("y ~ x + w", grouped(), random_seed=1))
    np.testing.assert_allclose(a.pointwise, b.pointwise, atol=1e-6)


def test_flat_own_intercepts_cannot_foretell_a_new_group():
    data = grouped((5, 3, 8, 2, 6))
    fitted = fit("y ~ x", data, kind="no_pooling", group="g", priors={"u": "Flat"}, random_seed=1)
    with pytest.raises(EngineError, match=r"new group's intercept .* Normal\("):
        leave_one_group_out(fitted)


def test_a_group_that_alone_tells_a_coefficient():
    data = grouped()
    data["d"] = np.where(data["g"] == 2, data["v"], 0.0)
    flat = {"priors": {"beta[d]": "Flat", "Intercept": "Flat"}}
    with pytest.raises(DesignError, match=r"without g 2 the coefficient of 'd'"):
        leave_one_group_out(fit("y ~ x + d + (1 | g)", data, random_seed=1, **flat))
    proper = leave_one_group_out(fit("y ~ x + d + (1 | g)", data, random_seed=1))
    assert np.isfinite(proper.pointwise).all()


def test_a_row_that_alone_tells_a_coefficient():
    data = grouped()
    data["d"] = np.where(np.arange(len(data["y"])) == 4, 1.0, 0.0)
    flat = {"priors": {"beta[d]": "Flat", "Intercept": "Flat"}}
    with pytest.raises(DesignError, match=r"without row 5 .* coefficient of 'd'"):
        leave_one_row_out(fit("y ~ x + d + (1 | g)", data, random_seed=1, **flat))
    assert np.isfinite(leave_one_row_out(fit("y ~ x + d + (1 | g)", data)).pointwise).all()


def test_a_group_of_one_with_a_flat_intercept():
    fitted = small_fit("no pooling", priors={"u": "Flat"})
    with pytest.raises(DesignError, match="the intercept of g 3"):
        leave_one_row_out(fitted)


def test_an_improper_posterior_without_a_group_is_refused():
    # A flat sigma_u needs three groups (Gelman 2006, sec. 2.2), so of three none may be left out.
    data = grouped((6, 6, 6))
    fitted = fit("y ~ x + (1 | g)", data, priors=FLAT | {"sigma_u": "Flat"}, random_seed=1)
    with pytest.raises(EngineError, match=r"without g 0 the posterior is improper"):
        leave_one_group_out(fitted)


def test_two_groups():
    found = leave_one_group_out(fit("y ~ x + (1 | g)", grouped((8, 8)), random_seed=1))
    assert np.isfinite(found.pointwise).all()
    assert found.verdict.findings[0].ok


def test_what_is_not_exact_is_refused(mock_fit):
    fitted = small_fit("no pooling")
    student = dataclasses.replace(
        fitted.priors.u, family="StudentT", parameters=(("nu", 3.0), ("mu", 0.0), ("sigma", 9.0))
    )
    heavy = dataclasses.replace(fitted, priors=dataclasses.replace(fitted.priors, u=student))
    for measure in (leave_one_group_out, leave_one_row_out):
        with pytest.raises(EngineError, match="give u a Normal prior"):
            measure(heavy)
        with pytest.raises(EngineError, match="100 draws, found 40"):
            measure(mock_fit("hsb_ses", draws=10))


def test_a_density_that_is_not_finite_is_an_error(monkeypatch):
    fitted = small_fit("intercept")
    real = loo_module.group_densities

    def spoilt(*arguments, **options):
        found = real(*arguments, **options)
        found.lpd[1] = np.nan
        return found

    monkeypatch.setattr(loo_module, "group_densities", spoilt)
    with pytest.raises(EngineError, match="group 1 is not finite"):
        leave_one_group_out(fitted)


def test_too_much_noise_is_told():
    found = leave_one_group_out(small_fit("intercept"))
    noisy = dataclasses.replace(found, mcse=1.0)
    assert not noisy.verdict.ok
    assert "--draws" in str(noisy.verdict)


def test_standard_errors_are_those_of_sums_of_independent_parts():
    found = leave_one_row_out(fit("y ~ x", grouped(), random_seed=1))
    n = len(found.pointwise)
    assert found.elpd == pytest.approx(math.fsum(found.pointwise))
    assert found.se == pytest.approx(math.sqrt(n) * np.std(found.pointwise, ddof=1))
    better = dataclasses.replace(found, pointwise=found.pointwise + 0.5)
    # The same gain in every part: no doubt about the difference, whatever the spread of the parts.
    assert loo_module.difference_se(better, found) == pytest.approx(0.0, abs=1e-9)
