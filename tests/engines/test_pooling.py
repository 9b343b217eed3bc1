"""Rubin's rules by hand, and pooled likelihood estimates by definition."""

import math
import runpy
from typing import Any

import numpy as np
import pytest
from scipy import stats

from bayes_mlm import coefficient_tests, fit, load_sleepstudy
from bayes_mlm.base import DataError, EngineError, UnsupportedModelError
from bayes_mlm.design import build_design
from bayes_mlm.engines import BarnardRubin, pool, pool_solutions
from bayes_mlm.engines.ols import fit_ols
from bayes_mlm.engines.pooling.rubin import joint_df
from bayes_mlm.engines.reml.coefficient_tests import KnownDf
from tests.helpers import ROOT

SLEEP = {name: column.to_numpy() for name, column in load_sleepstudy().items()}
FORMULA = "reaction ~ days + (1 | subject)"


def noisy(m: int, sd: float = 15.0, seed: int = 1, **more: Any) -> list[dict[str, Any]]:
    rng = np.random.default_rng(seed)
    n = len(SLEEP["reaction"])
    return [
        {**SLEEP, **more, "reaction": SLEEP["reaction"] + sd * rng.normal(size=n)} for _ in range(m)
    ]


def test_rubin_by_hand() -> None:
    # Q = 1, 2, 4 and U = 1, 2, 3: mean 7/3, U 2, B 7/3, T 2 + 4/3 * 7/3 = 46/9.
    found = pool(np.array([[1.0], [2.0], [4.0]]), np.array([[1.0], [2.0], [3.0]]), df_complete=20.0)
    assert found.estimate[0] == pytest.approx(7 / 3)
    assert found.within[0] == pytest.approx(2.0)
    assert found.between[0] == pytest.approx(7 / 3)
    assert found.total[0] == pytest.approx(46 / 9)
    share, r = (28 / 9) / (46 / 9), (28 / 9) / 2
    assert found.share[0] == pytest.approx(share)
    assert found.relative_increase[0] == pytest.approx(r)
    old, known = 2 / share**2, 21 / 23 * 20 * (1 - share)  # Barnard & Rubin (1999), eq. 3-5
    df = old * known / (old + known)
    assert found.df[0] == pytest.approx(df)
    assert found.fmi[0] == pytest.approx((r + 2 / (df + 3)) / (r + 1))


def test_first_imputation_only() -> None:
    found = pool(np.array([[1.0], [2.0], [4.0]]), np.array([[1.0], [2.0], [3.0]]), within="first")
    assert found.total[0] == pytest.approx(1.0 + 28 / 9)
    assert found.df[0] == pytest.approx(2 / found.share[0] ** 2)


def test_combination_is_pooled_by_itself() -> None:
    rng = np.random.default_rng(3)
    estimates = rng.normal(size=(5, 3))
    roots = rng.normal(size=(5, 3, 3))
    covariances = roots @ roots.swapaxes(1, 2)
    tests = BarnardRubin(
        estimates=estimates,
        covariances=covariances,
        df_complete=lambda weights: np.full(len(weights), 40.0),
    )
    w = np.array([[1.0, -2.0, 0.5]])
    scalar = pool(
        estimates @ w.T, np.array([w @ one @ w.T for one in covariances])[:, 0], df_complete=40.0
    )
    assert tests.df(w) == pytest.approx(scalar.df)
    assert (w @ tests.covariance @ w.T)[0] == pytest.approx(scalar.total)
    one = tests.f_test(scalar.estimate, w)
    assert one.statistic == pytest.approx(scalar.estimate[0] ** 2 / scalar.total[0])
    assert one.denominator_df == pytest.approx(scalar.df[0])
    # The same combination, otherwise scaled, and twice.
    twice = tests.f_test(np.array([1.0, 3.0]) * scalar.estimate, np.array([[1.0], [3.0]]) * w)
    assert (twice.df, twice.p) == (1, pytest.approx(one.p))


def test_d1_by_hand() -> None:
    rng = np.random.default_rng(4)
    estimates, inside = rng.normal(1.0, 0.3, size=(6, 2)), np.array([[1.0, 0.3], [0.3, 0.5]])
    tests = BarnardRubin(
        estimates=estimates,
        covariances=np.tile(inside, (6, 1, 1)),
        df_complete=lambda weights: np.full(len(weights), np.inf),
    )
    mean, between = estimates.mean(axis=0), np.cov(estimates.T)
    r = (1 + 1 / 6) * np.trace(between @ np.linalg.inv(inside)) / 2
    d1 = mean @ np.linalg.inv(inside) @ mean / (2 * (1 + r))
    nu = 4 + (10 - 4) * (1 + (1 - 2 / 10) / r) ** 2  # Li, Raghunathan & Rubin (1991)
    found = tests.f_test(mean, np.eye(2))
    assert found.statistic == pytest.approx(d1)
    assert found.denominator_df == pytest.approx(nu)
    assert found.p == pytest.approx(stats.f.sf(d1, 2, nu))
    turned = np.array([[1.0, 1.0], [2.0, -1.0]])  # another basis of the same hypothesis
    assert tests.f_test(turned @ mean, turned).p == pytest.approx(found.p)


@pytest.mark.parametrize(("k", "m"), [(2, 2), (2, 3), (3, 5), (8, 10)])
@pytest.mark.parametrize("r", [0.01, 0.3, 3.0])
def test_joint_df_is_bounded(k: int, m: int, r: float) -> None:
    free = joint_df(r, k, m)
    for n in (5.0, 30.0, 1e3):
        assert 0.0 < joint_df(r, k, m, n) <= min(free, n) * (1 + 1e-9)
    assert joint_df(r, k, m, 1e9) == pytest.approx(free, rel=1e-2)


@pytest.mark.parametrize("engine", ["reml", "ml"])
def test_equal_imputations_are_one_fit(engine: str) -> None:
    one = fit(FORMULA, SLEEP, engine=engine)
    found = fit(FORMULA, [SLEEP] * 4, engine=engine)
    single, several = one.summary(), found.summary()
    for row in several:
        assert row.estimate == pytest.approx(single[row.quantity].estimate, rel=1e-12)
        if row.sd is not None:
            assert row.sd == pytest.approx(single[row.quantity].sd, rel=1e-10)
    assert "loglik" not in several
    for row in found.pooled:
        assert row.between == pytest.approx(0.0, abs=1e-15)
    complete = coefficient_tests(one)
    for row in coefficient_tests(found):
        n = complete[row.term].df
        assert row.df == pytest.approx(n * (n + 1) / (n + 3))


def test_estimate_by_numpy() -> None:
    frames = noisy(3)
    found = fit("reaction ~ days + (days | subject)", frames, engine="reml")
    parts = [fit("reaction ~ days + (days | subject)", one, engine="reml") for one in frames]
    beta = np.array([one.solution.beta for one in parts])
    total = np.mean([one.solution.beta_cov for one in parts], axis=0) + 4 / 3 * np.cov(beta.T)
    assert found.solution.beta == pytest.approx(beta.mean(axis=0))
    assert found.solution.beta_cov == pytest.approx(total)
    # A sd: the root of the mean variance, with the delta method's error of that.
    variance = np.array([one.solution.sigma_u[1] ** 2 for one in parts])
    error = np.array([one.solution.errors.sigma_u2[1] for one in parts])
    t = np.mean(error**2) + 4 / 3 * variance.var(ddof=1)
    row = found.summary()["sigma_u[days]"]
    assert row.estimate == pytest.approx(math.sqrt(variance.mean()))
    assert row.sd == pytest.approx(0.5 * math.sqrt(t / variance.mean()))
    assert row.lower < row.estimate < row.upper
    # Predicted effects of groups: Rubin's, each by itself.
    u = np.array([one.solution.u for one in parts])
    var = np.array([one.solution.u_sd**2 for one in parts])
    assert found.solution.u == pytest.approx(u.mean(axis=0))
    assert found.solution.u_sd**2 == pytest.approx(var.mean(axis=0) + 4 / 3 * u.var(axis=0, ddof=1))


def test_units_of_the_outcome_cancel() -> None:
    frames = noisy(3)
    scaled = [{**one, "reaction": 1000.0 * one["reaction"]} for one in frames]
    first, other = (fit(FORMULA, data, engine="reml").pooled for data in (frames, scaled))
    for a, b in zip(first, other, strict=True):
        factor = 1.0 if a.quantity == "icc" else 1000.0
        assert b.estimate == pytest.approx(factor * a.estimate, rel=1e-6)
        assert (b.fmi, b.df) == (pytest.approx(a.fmi, rel=1e-4), pytest.approx(a.df, rel=1e-4))


def test_singular_imputations_are_said() -> None:
    rng = np.random.default_rng(2)
    g, n = np.repeat(np.arange(12), 5), 60
    frames = [{"y": rng.normal(size=n), "g": g} for _ in range(4)]
    found = fit("y ~ 1 + (1 | g)", frames, engine="reml")
    singular = sum(fit("y ~ 1 + (1 | g)", one, engine="reml").solution.singular for one in frames)
    assert 0 < singular < 4
    assert f"singular in {singular} of 4 imputations" in str(found.verdict)
    row = found.summary()["sigma_u"]
    assert row.estimate > 0.0
    assert row.sd is None
    assert row.lower is None


def test_few_imputations_are_said() -> None:
    found = fit("reaction ~ days", noisy(3, sd=200.0), engine="ols")
    assert "3 imputations are few" in str(found.verdict)
    assert "few" not in str(fit("reaction ~ days", noisy(3, sd=1.0), engine="ols").verdict)


def test_what_has_no_meaning_is_refused() -> None:
    from bayes_mlm import bootstrap, information_criteria

    found = fit(FORMULA, noisy(3), engine="ml")
    with pytest.raises(UnsupportedModelError, match="a likelihood is of one data set"):
        information_criteria(found, found)
    with pytest.raises(UnsupportedModelError, match="pooled over 3 imputations"):
        bootstrap(fit(FORMULA, noisy(3), engine="reml"))
    with pytest.raises(EngineError, match="estimate of one data set"):
        _ = fit(FORMULA, SLEEP, engine="reml").pooled


def test_other_engines_solutions_are_pooled() -> None:
    frames = noisy(4)
    parts = [fit_ols(build_design("reaction ~ days", one)) for one in frames]
    found = pool_solutions(parts, df_complete=80.0, within="first")
    beta = np.array([one.beta for one in parts])
    assert found.beta_cov == pytest.approx(parts[0].beta_cov + 1.25 * np.cov(beta.T))
    share = 1.25 * beta.var(axis=0, ddof=1) / np.diagonal(found.beta_cov)
    expected = 1 / (share**2 / 3 + 83 / (81 * 80 * (1 - share)))
    assert found.tests.df(np.eye(2)) == pytest.approx(expected)
    assert isinstance(parts[0].tests, KnownDf)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], "at least two|several imputations"),
        ([SLEEP], "several imputations are needed, and the list has 1"),
        ([SLEEP, 3], "entry 2 is"),
        ([SLEEP, {**SLEEP, "extra": 1}], "shape|rows|length|column"),
        ([SLEEP, {name: one[:-1] for name, one in SLEEP.items()}], "imputation 2 has 179 rows"),
        ([SLEEP, {**SLEEP, "subject": np.roll(SLEEP["subject"], 0) + 1}], "labels of subject"),
        (
            [
                SLEEP,
                {
                    **SLEEP,
                    "subject": np.where(
                        np.arange(180) == 0, SLEEP["subject"][-1], SLEEP["subject"]
                    ),
                },
            ],
            "numbers of rows in some groups of subject",
        ),
        ([SLEEP, {"reaction": SLEEP["reaction"], "subject": SLEEP["subject"]}], "days"),
    ],
)
def test_wrong_lists(data: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        fit(FORMULA, data, engine="reml")


@pytest.mark.slow
def test_coverage_with_five_plausible_values() -> None:
    """Pooled intervals cover as they state; those of one plausible value alone do not."""
    coverage = runpy.run_path(str(ROOT / "benchmarks" / "plausible_values.py"))["coverage"]
    found = coverage(250, 40, 10, 5, seed=2)
    for quantity in ("beta[Intercept]", "beta[x]", "sigma_u", "sigma_e"):
        assert 0.91 <= found["pooled", quantity][0] <= 0.99, quantity
    assert found["first alone", "beta[x]"][0] < 0.88
    assert found["mean of them", "sigma_e"][0] < 0.3
