"""Slopes within and between groups, and the Hausman test, against R.

R's values are in reference/variance_r.json, made by reference/make_variance.R (lm with a dummy a
school; lmer of lme4 1.1-31).
"""

import csv
import io
import json

import numpy as np
import pytest
from scipy.stats import t

from bayes_mlm import (
    build_design,
    contextual_effects,
    fit,
    fit_reml,
    for_kind,
    hausman,
    load_dataset,
    load_record,
)
from bayes_mlm.base.errors import DesignError
from bayes_mlm.design.predictor_levels import LEAST_SHARE, pairs_of, share_between
from bayes_mlm.engines import fit_ols
from bayes_mlm.figures.contextual import contextual_effect
from bayes_mlm.fitting import Estimate
from bayes_mlm.fitting.side_by_side import analyse
from bayes_mlm.questions.contextual.table import QUANTITIES, describe_contextual
from tests.helpers import REFERENCE

R = json.loads((REFERENCE / "variance_r.json").read_text())
TESTS = {test["id"]: test for test in R["hausman"]}
HSB = load_dataset("hsb")


def reml(formula, kind=None, data=HSB):
    design = build_design(formula, data)
    design = design if kind is None else for_kind(design, kind)
    return fit_reml(design, profile=False), design


def table(formula, kind=None, data=HSB, **given):
    fit, design = reml(formula, kind, data)
    return contextual_effects(Estimate(solution=fit, design=design), **given)


def test_slopes_of_the_mundlak_model_are_rs():
    found, r = table("mathach ~ ses + (1 | schoolid)", "mundlak"), TESTS["ses"]
    contextual = found["ses", "contextual"]
    # lmer's optimum and ours agree to 1e-8 in theta for a random intercept; R prints 10 digits.
    assert contextual.estimate == pytest.approx(r["contextual"]["mses"], rel=1e-7)
    assert contextual.sd == pytest.approx(r["contextual_se"]["mses"], rel=1e-6)
    # In the Mundlak model the slope within is the fixed-effects one (Mundlak 1978).
    assert found["ses", "within"].estimate == pytest.approx(r["fixed"]["ses"], rel=1e-8)


def test_either_way_of_writing_the_model_gives_the_same_slopes():
    first = table("mathach ~ ses + (1 | schoolid)", "mundlak")
    second = table("mathach ~ within(ses) + between(ses) + (1 | schoolid)")
    third = table("mathach ~ ses + between(ses) + (1 | schoolid)")
    for row in first:
        for other in (second, third):
            same = other["ses", row.quantity]
            # One model in other coordinates: what differs is rounding.
            assert same.estimate == pytest.approx(row.estimate, rel=1e-8)
            assert (same.sd, same.lower) == pytest.approx((row.sd, row.lower), rel=1e-6)


def test_standard_errors_carry_the_covariance():
    found, design = reml("mathach ~ within(ses) + between(ses) + (1 | schoolid)")
    rows = contextual_effects(Estimate(solution=found, design=design), prob=0.95)
    within, between = (design.terms.index(f"{how}(ses)") for how in ("within", "between"))
    cov = found.beta_cov
    sd = np.sqrt(cov[within, within] + cov[between, between] - 2 * cov[within, between])
    row = rows["ses", "contextual"]
    assert row.sd == pytest.approx(sd)
    weights = np.zeros((1, design.p))
    weights[0, [within, between]] = -1.0, 1.0
    (df,) = found.tests.df(weights)
    assert 150 < df < 200  # of 160 schools, and the rows within them
    assert row.upper - row.estimate == pytest.approx(t.ppf(0.975, df) * sd, rel=1e-6)
    assert "CI: t (Satterthwaite df)" in str(rows)


def test_posterior_rows_are_the_draws(mock_fit):
    fitted = mock_fit("hsb_mundlak_random", draws=100)
    found = contextual_effects(fitted, prob=0.9)
    beta = fitted.draws["beta"].reshape(-1, 3)
    values = {"within": beta[:, 1], "between": beta[:, 1] + beta[:, 2], "contextual": beta[:, 2]}
    for quantity, draws in values.items():
        row = found["ses", quantity]
        assert (row.estimate, row.sd) == pytest.approx((draws.mean(), draws.std(ddof=1)))
        assert row.above == (draws > 0).mean()
        assert np.mean((draws >= row.lower) & (draws <= row.upper)) == pytest.approx(0.9, abs=0.01)
        assert row.direction == max(row.above, 1 - row.above)


def test_posterior_and_reml_tell_one_story():
    found = contextual_effects(fit("hsb_mundlak_random", random_seed=3))
    plug_in = table("mathach ~ ses + (1 | schoolid)", "mundlak")
    for row in plug_in:
        # 4,000 independent draws: the mean errs by sd/63; priors of the record are wide.
        drawn = found["ses", row.quantity]
        assert drawn.estimate == pytest.approx(row.estimate, abs=0.1 * row.sd)
        assert drawn.sd == pytest.approx(row.sd, rel=0.1)
    (line,) = describe_contextual(found)
    assert "more than 0.999" in line
    assert "the two slopes differ" in line


def test_the_two_group_means_of_hsb_are_kept_apart_by_name():
    found = table("mathach ~ ses + meanses + (1 | schoolid)")
    r = R["meanses"]
    assert found["ses", "contextual"].estimate == pytest.approx(r["fixef"]["meanses"], rel=1e-7)
    assert found["ses", "contextual"].sd == pytest.approx(r["se"]["meanses"], rel=1e-6)
    assert {row.mean for row in found} == {"meanses"}
    assert "a column of the data" in found.notes[0]
    assert "not between(ses)" in found.notes[0]
    rows = table("mathach ~ ses + (1 | schoolid)", "mundlak")
    assert {row.mean for row in rows} == {"between(ses)"}
    assert "over the rows of each group" in rows.notes[0]
    assert rows["ses", "contextual"].estimate != found["ses", "contextual"].estimate


def test_a_column_of_means_can_be_named():
    data = dict(HSB.columns) | {"level": HSB.columns["meanses"] * 0.4}  # too flat to be found
    formula = "mathach ~ ses + level + (1 | schoolid)"
    with pytest.raises(DesignError, match="both within and between"):
        table(formula, data=data)
    found = table(formula, data=data, means={"ses": "level"})
    assert found["ses", "contextual"].mean == "level"
    with pytest.raises(DesignError, match="no predictor 'sess'"):
        table(formula, data=data, means={"sess": "level"})
    with pytest.raises(DesignError, match="'means'"):
        table(formula, data=data, means={"ses": "means"})


@pytest.mark.parametrize(
    ("formula", "kind"),
    [
        ("mathach ~ ses * sector + (1 | schoolid)", "mundlak"),
        (
            "mathach ~ between(ses) * within(ses) + sector * within(ses) + (1 | schoolid)",
            None,
        ),
    ],
)
def test_products_give_average_slopes(formula, kind):
    found, design = reml(formula, kind)
    rows = contextual_effects(Estimate(solution=found, design=design))
    # By moving the data: every ses a hundredth up within groups, then with the group's mean.
    step = 0.01

    def expected(within, between):
        terms = design.terms
        shifted = design.X.copy()
        s = HSB.columns["sector"]
        if kind == "mundlak":
            ses, mean = design.X[:, terms.index("ses")], design.X[:, terms.index("between(ses)")]
            shifted[:, terms.index("ses")] = ses + within + between
            shifted[:, terms.index("between(ses)")] = mean + between
            shifted[:, terms.index("ses:sector")] = (ses + within + between) * s
            shifted[:, terms.index("between(ses:sector)")] = (mean + between) * s
        else:
            w, b = (design.X[:, terms.index(f"{how}(ses)")] for how in ("within", "between"))
            for term in terms:
                value = np.ones(design.n)
                for factor in term.split(":"):
                    if factor == "Intercept":
                        continue
                    value = (
                        value
                        * {
                            "within(ses)": w + within,
                            "between(ses)": b + between,
                            "sector": s,
                        }[factor]
                    )
                shifted[:, terms.index(term)] = value
        return (shifted @ found.beta).mean()

    base = expected(0, 0)
    slopes = {
        "within": (expected(step, 0) - expected(-step, 0)) / (2 * step),
        "between": (expected(0, step) - expected(0, -step)) / (2 * step),
    }
    slopes["contextual"] = slopes["between"] - slopes["within"]
    assert np.isfinite(base)
    for quantity, value in slopes.items():
        # Central differences of a bilinear function are exact but for rounding of step 0.01.
        assert rows["ses", quantity].estimate == pytest.approx(value, rel=1e-8)
    assert any("averages over the rows" in note for note in rows.notes)


def test_a_slope_that_is_no_one_number_is_left_out():
    formula = "mathach ~ ses + I(ses**2) + minority + (1 | schoolid)"
    found = table(formula, "mundlak")
    assert {row.predictor for row in found} == {"minority"}
    assert any(note.startswith("omitted: ses") for note in found.notes)


def simulated(share, seed=0, groups=60, size=15, **slopes):
    """Make rows whose predictor has a share of its variance between groups."""
    rng = np.random.default_rng(seed)
    codes = np.repeat(np.arange(groups), size)
    level = np.sqrt(share) * rng.normal(size=groups)[codes]
    away = rng.normal(size=codes.size)
    away = np.sqrt(1 - share) * (away - np.bincount(codes, away)[codes] / size)
    x = level + away
    y = slopes.get("within", 1.0) * away + slopes.get("between", 1.0) * level
    return {"y": y + slopes.get("noise", 1.0) * rng.normal(size=codes.size), "x": x, "g": codes}


@pytest.mark.parametrize(
    ("share", "words"), [(0.001, "between groups"), (0.99, "within groups"), (0.4, None)]
)
def test_a_predictor_that_hardly_varies_at_one_level_is_warned_of(share, words):
    found = table("y ~ x + (1 | g)", "mundlak", simulated(share))
    if words is None:
        assert not found.cautions
    else:
        (caution,) = found.cautions
        assert words in caution


def test_share_between_is_free_of_chance():
    # No differences between groups at all: group means of 15 still have 1/15 of the variance.
    shares = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        data = {"y": rng.normal(size=900), "x": rng.normal(size=900), "g": np.arange(900) // 15}
        design = build_design("y ~ x + (1 | g)", data)
        shares.append(share_between(design.X[:, 1], design))
    # The estimate's sd is about 0.013 (Donner 1986), cut at 0: a mean of 0.005.
    assert np.mean(shares) < 0.01 < LEAST_SHARE
    design = build_design("mathach ~ ses + (1 | schoolid)", HSB)
    # R: anova(lm(ses ~ factor(schoolid))), ten digits.
    assert share_between(design.X[:, 1], design) == pytest.approx(R["share_ses"], rel=1e-9)


def test_least_squares_ignores_that_rows_go_together():
    design = for_kind(build_design("mathach ~ ses", HSB, group="schoolid"), "mundlak")
    found = contextual_effects(Estimate(solution=fit_ols(design), design=design))
    assert "independent" in found.cautions[0]
    assert found.rows[0].engine == "ols"


def test_tables_read_and_write():
    found = table("mathach ~ ses + minority + (1 | schoolid)", "mundlak")
    text = str(found)
    assert all(word in text for word in (*QUANTITIES, "minority", "95% CI"))
    rows = list(csv.DictReader(io.StringIO(found.to_csv())))
    assert [row["quantity"] for row in rows] == list(QUANTITIES) * 2
    assert float(rows[2]["estimate"]) == found["ses", "contextual"].estimate
    assert rows[0]["above"] == ""
    assert found.to_frame().shape == (6, 10)
    with pytest.raises(KeyError, match="contextual"):
        found["ses", "context"]


def test_a_model_with_one_slope_for_both_is_told_what_to_do():
    with pytest.raises(DesignError, match='kind = "mundlak"'):
        table("mathach ~ ses + (1 | schoolid)")
    between = for_kind(build_design("mathach ~ ses", HSB, group="schoolid"), "between")
    assert pairs_of(between) == ((), ())


def test_the_picture_has_the_same_slopes():
    analysis = analyse(load_record("hsb_mundlak_random"), None, engines=["reml"])
    assert contextual_effect(analysis) is None  # it draws posteriors
    (pair,), _ = pairs_of(analysis.design)
    np.testing.assert_array_equal(pair.contextual, [0, 0, 1])


@pytest.mark.parametrize("name", TESTS)
def test_hausman_is_rs(name):
    r = TESTS[name]
    found = hausman(build_design(r["formula"], HSB))
    assert found.predictors == tuple(r["fixed"])
    np.testing.assert_allclose(found.fixed, list(r["fixed"].values()), rtol=1e-8)
    np.testing.assert_allclose(found.random, list(r["random"].values()), rtol=1e-7)
    np.testing.assert_allclose(found.contextual, list(r["contextual"].values()), rtol=1e-6)
    # A difference of nearly equal covariances: digits of lmer's optimum (1e-8) are lost in it.
    assert found.statistic == pytest.approx(r["statistic"], rel=1e-4)
    assert found.p == pytest.approx(r["p"], rel=1e-2)
    assert found.wald == pytest.approx(r["wald"], rel=1e-6)
    assert found.wald_p == pytest.approx(r["wald_p"], rel=1e-4)
    assert found.df == len(r["fixed"])


def test_fixed_effects_are_those_of_no_pooling():
    design = build_design("mathach ~ ses + minority + female + (1 | schoolid)", HSB)
    ols = fit_ols(for_kind(design, "no_pooling"))
    found = hausman(design)
    np.testing.assert_allclose(found.fixed, ols.beta, rtol=1e-9)
    np.testing.assert_allclose(found.fixed_se, ols.beta_se, rtol=1e-9)


@pytest.mark.parametrize(
    ("formula", "kind"),
    [
        ("mathach ~ ses + (1 | schoolid)", "mundlak"),
        ("mathach ~ within(ses) + between(ses) + (1 | schoolid)", None),
        ("mathach ~ ses + meanses + (1 | schoolid)", None),
        ("mathach ~ ses", "no_pooling"),
        ("mathach ~ ses", "within"),
        ("mathach ~ ses", "pooled"),
        ("mathach ~ ses + (ses | schoolid)", None),
    ],
)
def test_hausman_is_the_same_however_the_model_is_written(formula, kind):
    design = build_design(formula, HSB, group="schoolid")
    found = hausman(design if kind is None else for_kind(design, kind))
    assert found.statistic == pytest.approx(TESTS["ses"]["statistic"], rel=1e-4)
    assert found.wald == pytest.approx(TESTS["ses"]["wald"], rel=1e-6)
    if "meanses" in formula:
        assert "meanses is replaced" in found.notes[0]
    if "(ses |" in formula:
        assert "random intercept alone" in found.notes[0]


def test_a_difference_that_is_no_covariance_is_said():
    # Opposite slopes, and rows within groups of which few have company: the one slope leaves so
    # much more residual than group-specific intercepts do that V_F - V_R is below 0.
    rng = np.random.default_rng(0)
    codes = np.concatenate([np.arange(40), np.arange(15)])
    x = rng.normal(size=40)[codes] + rng.normal(size=55)
    level = (np.bincount(codes, x) / np.bincount(codes))[codes]
    y = -2 * (x - level) + 2 * level + 0.5 * rng.normal(size=55)
    found = hausman(build_design("y ~ x + (1 | g)", {"y": y, "x": x, "g": codes}))
    assert found.statistic is None
    assert found.p is None
    assert found.smallest < 0
    assert "not positive definite" in str(found)
    assert found.wald_p < 1e-6  # the Mundlak form is there all the same


def test_equal_slopes_are_seldom_told_apart():
    rejected = 0
    for seed in range(60):
        found = hausman(build_design("y ~ x + (1 | g)", simulated(0.3, seed=seed, groups=30)))
        rejected += found.wald_p < 0.05
    # 5 % of 60 is 3; binomial, so above 9 has a probability of under 0.001.
    assert rejected <= 9


def test_means_that_do_not_differ_are_not_tested():
    orthodont = load_dataset("orthodont")
    design = build_design("distance ~ age + sex + (1 | subject)", orthodont)
    with pytest.raises(DesignError, match="no two slopes"):
        hausman(design)
    rng = np.random.default_rng(1)
    data = dict(orthodont.columns) | {"x": rng.normal(size=108)}
    found = hausman(build_design("distance ~ age + x + (1 | subject)", data))
    assert found.predictors == ("x",)
    assert "age" in found.notes[0]


def test_hausman_says_what_it_cannot_do():
    with pytest.raises(DesignError, match="no groups of rows"):
        hausman(build_design("mathach ~ ses", HSB))
    tied = "mathach ~ between(ses) * within(ses) + (1 | schoolid)"
    with pytest.raises(DesignError, match='kind = "mundlak"'):
        hausman(build_design(tied, HSB))
    few = {"y": [1.0, 2, 4, 3], "x": [0.0, 1, 0.5, 2], "g": [0, 0, 1, 1]}
    design = build_design("y ~ x + (1 | g)", few)
    wide = design.with_arrays(X=np.column_stack([design.X, design.X[:, 1] ** 2]))
    wide = wide.with_arrays(terms=(*design.terms, "x2"))
    with pytest.raises(DesignError, match="more rows"):
        hausman(wide)
