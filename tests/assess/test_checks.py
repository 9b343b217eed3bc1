"""Model checks: what is right passes, a departure fails its check, and tests keep their level."""

import csv
import io

import numpy as np
import pytest
from scipy import stats

from bayes_mlm import check, fit
from bayes_mlm.assess.checks import _together, assess
from bayes_mlm.assess.checks.groups import outlying
from bayes_mlm.assess.checks.nested import slopes_by_level
from bayes_mlm.assess.checks.shape import on_skewness, on_tails
from bayes_mlm.assess.checks.standardised import standardised_effects
from bayes_mlm.assess.checks.statistics import Sampled
from bayes_mlm.assess.checks.working import working_rows
from bayes_mlm.base.errors import EngineError
from bayes_mlm.data.table import as_table

SLEEP, GROWTH = "reaction ~ days + (days | subject)", "distance ~ age + (1 | subject)"


# --- the page -------------------------------------------------------------------------------------


def simulated(rng, *, groups=40, n=15, u=None, scale=None, noise=None, bend=0.0, between=0.0):
    """Data from the model ``y ~ x + (1 | g)``, with the departures given."""
    code = np.repeat(np.arange(groups), n)
    x = rng.normal(0, 0.5, groups)[code] + rng.normal(size=code.size)
    effects = rng.normal(0, 1.0, groups) if u is None else u
    e = rng.normal(size=code.size) if noise is None else noise(code.size)
    spread = np.ones(code.size) if scale is None else scale(x, code)
    mean = np.bincount(code, x) / n
    y = 10 + 0.5 * x + bend * x**2 + between * mean[code] + effects[code] + 2 * e * spread
    return as_table({"y": y, "x": x, "g": code})


def judged(table, formula="y ~ x + (1 | g)", **asked):
    return check(fit(formula, table, random_seed=1, draws=250, **asked))


def failed(found):
    return {one.topic for one in found.rows if one.fine is False}


TESTS = {
    "Slopes within and between groups",
    "Omitted group effects",
    "Curvature",
    "Residual variance along predictors",
    "Residual variance by group",
    "Residual autocorrelation",
    "Skewness of residuals",
    "Tails of residuals",
    "Skewness of group effects",
    "Tails of group effects",
}


def test_what_is_right_passes():
    found = judged(simulated(np.random.default_rng(4)))
    assert found.fine, str(found)
    tested = {one.topic for one in found.rows if one.p is not None}
    assert tested == TESTS
    assert {one.topic for one in found.rows} - TESTS == {
        "Computation",
        "Outcome",
        "Influential groups",
    }
    assert "FAILS" not in str(found)
    assert "→" not in str(found)


@pytest.mark.parametrize(("groups", "n"), [(8, 20), (40, 4)])
def test_right_models_rarely_raise_any_alarm(groups, n):
    alarms = 0
    for k in range(15):
        table = simulated(np.random.default_rng(1000 + k), groups=groups, n=n)
        tests = assess(fit("y ~ x + (1 | g)", table, random_seed=1, draws=250))
        alarms += any(one.fine is False for one in tests)
    # At most 5 % of them, all tests together: of 15, more than 3 have a chance of 0.005.
    assert alarms <= 3


def ar(rng, rho):
    def noise(n):
        e = rng.normal(size=(n // 15, 15))
        for k in range(1, 15):
            e[:, k] = rho * e[:, k - 1] + np.sqrt(1 - rho**2) * e[:, k]
        return e.ravel()

    return noise


RNG = np.random.default_rng(2)


@pytest.mark.parametrize(
    ("topic", "remedy", "asked"),
    [
        ("Slopes within and between groups", "within(x) + between(x)", {"between": 2.5}),
        ("Curvature", "I(x ** 2)", {"bend": 0.6}),
        ("Residual variance along predictors", "--sigma", {"scale": lambda x, g: np.exp(0.4 * x)}),
        (
            "Residual variance by group",
            "--sigma",
            {"scale": lambda x, g: np.exp(0.5 * RNG.normal(size=40))[g]},
        ),
        ("Residual autocorrelation", "--ar", {"noise": ar(RNG, 0.7)}),
        ("Skewness of residuals", "Transform", {"noise": lambda n: RNG.exponential(size=n) - 1}),
        ("Tails of residuals", "student_t", {"noise": lambda n: RNG.standard_t(3, n)}),
        ("Skewness of group effects", "extreme groups", {"u": 3 * RNG.gamma(0.3, size=40)}),
        ("Tails of group effects", "17 (", {"u": np.where(np.arange(40) == 17, 12.0, 0.5)}),
    ],
)
def test_a_departure_fails_its_check_which_names_the_remedy(topic, remedy, asked):
    if topic == "Tails of group effects":
        asked = {"u": asked["u"] * np.where(np.arange(40) % 2, 1.0, -1.0)}
    one = judged(simulated(RNG, **asked))[topic]
    assert one.fine is False
    assert one.p < 0.001
    assert one.p <= one.p_adjusted < 0.05
    assert remedy in one.remedy + one.found
    assert one.question.endswith("?")


def test_an_ignored_slope_and_ignored_groups_are_found():
    rng = np.random.default_rng(5)
    g = np.repeat(np.arange(40), 15)
    x = rng.normal(size=g.size)
    y = (0.5 + rng.normal(0, 0.6, 40)[g]) * x + rng.normal(0, 1, 40)[g] + rng.normal(size=g.size)
    table = as_table({"y": y, "x": x, "g": g})
    assert "(x | g)" in judged(table)["Omitted group effects"].remedy
    assert judged(table, "y ~ x + (x | g)").fine
    pooled = judged(table, "y ~ x", kind="pooled", group="g")
    assert "(1 | g)" in pooled["Omitted group effects"].remedy


@pytest.mark.parametrize("within", ["within(x)", "within(x, g)"])
def test_a_slope_that_varies_is_not_tested_again_under_another_name(within):
    table = simulated(np.random.default_rng(5))
    found = judged(table, f"y ~ {within} + between(x) + (x | g)")
    assert found["Omitted group effects"].verdict == "not tested"


def test_the_variance_of_a_factor_is_given_to_sigma():
    rng = np.random.default_rng(6)
    table = simulated(rng)
    sex = rng.choice(["f", "m"], table.n)
    y = table.columns["y"] + np.where(sex == "m", 3.0, 0.0) * rng.normal(size=table.n)
    found = judged(as_table({**table.columns, "y": y, "sex": sex}), "y ~ x + sex + (1 | g)")
    assert "--sigma sex" in found["Residual variance along predictors"].remedy
    # What unequal variances do to the tails is not taken for a Student-t.
    assert "--family student_t" not in str(found)


def test_a_few_groups_may_have_sds_of_their_own():
    rng = np.random.default_rng(6)
    found = judged(simulated(rng, groups=10, n=40, scale=lambda x, g: np.where(g < 5, 1.0, 2.0)))
    assert "--sigma g" in found["Residual variance by group"].remedy


@pytest.mark.parametrize("heavy", [True, False])
def test_long_tails_and_skew_are_not_taken_for_unequal_variances(heavy):
    rng = np.random.default_rng(3)

    def noise(n):
        return rng.standard_t(3, n) if heavy else rng.exponential(size=n)

    found = judged(simulated(rng, noise=noise))
    assert failed(found) & TESTS == (
        {"Tails of residuals"} if heavy else {"Skewness of residuals", "Tails of residuals"}
    ) | (failed(found) & {"Skewness of residuals"})
    assert ("--family student_t" in str(found)) is heavy


def test_tails_that_differ_by_next_to_nothing_do_not_fail():
    work = working_rows(fit(SLEEP, "sleepstudy", random_seed=1), 1)
    rng = np.random.default_rng(1)
    replicates = rng.normal(0, 0.002, 1000)

    def sampled(kurtosis, skewness):
        other = np.zeros((1, 1001))
        return Sampled(
            variance=other,
            spread=other[0],
            correlation=other[0],
            skewness=np.append(skewness, replicates),
            kurtosis=np.append(kurtosis, 3 + replicates),
            effect_skewness=other,
            effect_kurtosis=other,
            effect_sizes=(18,),
        )

    tails = on_tails(work, sampled(3.05, 0.0), "", unequal=False, sd=None)
    assert tails.p < 1e-6
    (tails,) = _together([tails])
    assert tails.fine
    assert tails.remedy == ""
    assert on_skewness(work, sampled(3.0, 0.05), "").negligible
    assert not on_tails(work, sampled(4.0, 0.0), "", unequal=False, sd=None).negligible


@pytest.mark.parametrize("values", [(0, 1), (1, 2), (-1, 0, 1), (1, 2, 3, 4, 5)])
def test_an_outcome_of_few_values_is_not_for_this_family(values):
    rng = np.random.default_rng(1)
    g = np.repeat(np.arange(30), 20)
    x = rng.normal(size=g.size)
    latent = x + rng.normal(size=30)[g] + rng.logistic(size=g.size)
    cuts = np.quantile(latent, np.linspace(0, 1, len(values) + 1)[1:-1])
    table = {"y": np.array(values)[np.searchsorted(cuts, latent)], "x": x, "g": g}
    found = judged(as_table(table))
    assert found["Outcome"].fine is False
    assert "Gaussian family is wrong" in found["Outcome"].remedy
    assert "student_t" not in str(found)
    assert "--sigma" not in str(found)
    assert not found.fine
    if len(values) == 2:  # sums tell two values too
        summed = check(fit("y ~ x + (1 | g)", table, rows="sum", random_seed=1, draws=250))
        assert summed["Outcome"].fine is False


def test_order_is_that_of_time_where_the_model_has_it_and_else_of_rows():
    rng = np.random.default_rng(4)
    n = 40 * 15
    time, e = np.tile(np.arange(15), 40), ar(rng, 0.6)(n)
    table = {"y": e + rng.normal(size=40).repeat(15), "time": time, "g": np.repeat(range(40), 15)}
    order = rng.permutation(n)
    mixed = {name: np.asarray(column)[order] for name, column in table.items()}
    found = judged(as_table(mixed), "y ~ time + (1 | g)")["Residual autocorrelation"]
    assert found.fine is False
    assert "--ar time" in found.remedy
    centred = judged(as_table(mixed), "y ~ center(time) + (1 | g)")["Residual autocorrelation"]
    assert "--ar time." in centred.remedy
    assert judged(as_table(mixed), "y ~ 1 + (1 | g)")["Residual autocorrelation"].fine
    assert judged(as_table(table), "y ~ 1 + (1 | g)")["Residual autocorrelation"].fine is False


def test_rows_sorted_by_the_outcome_tell_nothing_of_their_order():
    table = simulated(np.random.default_rng(4))
    order = np.lexsort((table.columns["y"], table.columns["g"]))
    found = judged(as_table({name: column[order] for name, column in table.columns.items()}))
    assert found.fine
    assert found["Residual autocorrelation"].p is None
    assert "sorted by y" in found["Residual autocorrelation"].found


def test_units_and_offsets_change_no_probability():
    table = simulated(np.random.default_rng(4)).columns
    one = judged(as_table(table))
    far = {**table, "x": 1e-3 * table["x"] + 5.0, "y": 1e3 * table["y"] - 1e6}
    other = judged(as_table(far))
    for topic in TESTS:  # the draws of the posterior are others
        assert other[topic].p == pytest.approx(one[topic].p, abs=0.02), topic


def test_sums_and_rows_give_the_same_tests_of_slopes():
    columns = dict(simulated(np.random.default_rng(8), between=0.6).columns)
    rows = check(fit("y ~ x + (1 | g)", columns, rows="keep", random_seed=1))
    sums = check(fit("y ~ x + (1 | g)", columns, rows="sum", random_seed=1))
    for topic in ("Slopes within and between groups", "Omitted group effects"):
        assert sums[topic].p == pytest.approx(rows[topic].p, rel=1e-6)
    assert sums["Residual variance by group"].p == pytest.approx(
        rows["Residual variance by group"].p, abs=0.1
    )
    assert "sample_groups" in sums["Residual autocorrelation"].found
    assert sums["Tails of group effects"].p is not None


def test_the_test_of_slopes_is_exact_for_equal_groups():
    """F of the group means is that of the regression of means, with 8 groups as with many."""
    rng = np.random.default_rng(3)
    p = []
    for _ in range(100):
        table = simulated(rng, groups=8, n=5, u=rng.normal(0, 2, 8))
        own = fit("y ~ x + (1 | g)", table, random_seed=1, draws=10)
        p.append(slopes_by_level(own).p)
    assert stats.kstest(p, "uniform").pvalue > 0.01


def test_a_predictor_within_groups_takes_no_group_from_the_test_of_another():
    columns = dict(simulated(np.random.default_rng(3), groups=12).columns)
    columns["z"] = columns["x"] + np.random.default_rng(4).normal(size=180)
    found = judged(as_table(columns), "y ~ within(x) + z + (1 | g)")
    # 12 groups less the intercept and the mean of z.
    assert found["Slopes within and between groups"].statistic.startswith("F(1, 10)")
    alone = judged(as_table(columns), "y ~ within(x) + (within(x) | g)")
    assert alone["Slopes within and between groups"].p is None


def test_few_groups_are_influential_at_times_and_that_is_no_failure():
    found = [
        judged(simulated(np.random.default_rng(seed), groups=10))["Influential groups"]
        for seed in range(4)
    ]
    assert False not in [one.fine for one in found]
    u = np.where(np.arange(40) == 17, 12.0, 0.0) + np.random.default_rng(1).normal(size=40)
    noted = judged(simulated(np.random.default_rng(1), u=u))["Influential groups"]
    assert (noted.fine, noted.verdict) == (None, "note")
    assert "17" in noted.found


def test_hsb_says_what_is_known_of_it():
    found = check(fit("hsb_sector_ses", random_seed=1))
    # The contextual effect of ses (Raudenbush & Bryk 2002, p. 140: about 3), by --sigma sector.
    assert "ses between groups is 3" in found["Slopes within and between groups"].found
    assert "--sigma sector" in found["Residual variance along predictors"].remedy
    assert found["Residual variance by group"].fine is False
    # A test of items that are right or wrong has ends, and shorter tails than a normal.
    assert "bounded scale" in found["Tails of residuals"].remedy
    assert "student_t" not in str(found)
    assert "log(" not in str(found)  # it leans to the left, and some outcomes are below zero


def test_every_kind_has_a_page():
    for model in ("hsb_pooled", "hsb_no_pooling", "hsb_between", "hsb_mundlak"):
        found = check(fit(model, random_seed=1, draws=250))
        assert found["Computation"].fine
        assert len(found.groups) == 160
        assert sum(one.p is not None for one in found.rows) >= 4
    plain = check(fit("mathach ~ ses", "hsb", random_seed=1, draws=250))
    assert plain.groups.rows == ()
    with pytest.raises(KeyError, match="there are Computation"):
        plain["Influential groups"]


def test_several_effects_are_judged_together():
    z = outlying(np.array([[3.0, 4.0], [0.0, np.nan]]))
    assert z.effect[0] == 5.0
    assert z.p[0] == pytest.approx(stats.chi2(2).sf(25.0))
    assert np.isnan(z.p[1])
    own = fit(SLEEP, "sleepstudy", random_seed=1)
    rows = check(own).groups
    assert rows[0].effect == pytest.approx(np.linalg.norm(standardised_effects(own)[0]))


def test_a_fit_is_wanted():
    with pytest.raises(EngineError, match="expects the result of fit"):
        check("hsb_ses")


def test_the_command_writes_a_row_a_group(run_command, tmp_path):
    out = tmp_path / "groups.csv"
    code, shown, _ = run_command("check", "sleepstudy_growth", "--out", out)
    assert code == 3  # long tails
    assert "note        Influential groups" in shown
    assert "subject 332 moves" in shown
    assert "FAILS       Tails of residuals" in shown
    rows = list(csv.DictReader(io.StringIO(out.read_text())))
    assert len(rows) == 18
    assert set(rows[0]) >= {"group", "effect", "spread", "shift", "moved", "reliable"}
    found = check(fit("sleepstudy_growth", random_seed=1982))
    assert found.groups.to_frame().shape == (18, 9)
    page = found.to_frame().set_index("topic")
    assert page.loc["Tails of residuals", "verdict"] == "FAILS"
    assert (page.p_adjusted.dropna() >= page.p.dropna()).all()
    assert run_command("check", "sleepstudy_growth", "--out", "/")[0] == 1


def test_the_command_ends_in_0_where_all_checks_pass(tmp_path, run_command):
    columns = simulated(np.random.default_rng(4)).columns
    path = tmp_path / "right.csv"
    rows = zip(*(columns[name].tolist() for name in ("y", "x", "g")), strict=True)
    path.write_text("y,x,g\n" + "".join(f"{y},{x},{g}\n" for y, x, g in rows))
    arguments = ["y ~ x + (1 | g)", "--data", str(path), "--random-seed", "1"]
    assert run_command("check", *arguments)[0] == 0
