"""Variance by level against R, against hand calculation, and draw by draw.

R's values are in reference/variance_r.json, made by reference/make_variance.R (lme4 1.1-31,
performance 0.10.2, and Rights & Sterba's and Snijders & Bosker's formulas written out).
"""

import csv
import io
import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, strategies as st

from bayes_mlm import build_design, fit, fit_reml, for_kind, load_dataset, load_record, records
from bayes_mlm.base.errors import EngineError
from bayes_mlm.design.build import design_of
from bayes_mlm.engines.draws import Variable
from bayes_mlm.figures.variance_parts import plot_variance_parts, variance_parts
from bayes_mlm.fitting import Estimate, FactorValues, estimate_design
from bayes_mlm.fitting.side_by_side import analyse
from bayes_mlm.moments import from_rows
from bayes_mlm.questions.variance import QUESTIONS, variance_by_level
from bayes_mlm.questions.variance.moments import design_moments, moments
from bayes_mlm.questions.variance.parameters import (
    null_design,
)
from bayes_mlm.questions.variance.partition import along
from bayes_mlm.questions.variance.rights_sterba import decompose, shares
from bayes_mlm.questions.variance.rsquared import bayes_empirical, fitted_variance
from bayes_mlm.studies import FIGURES
from tests.helpers import REFERENCE

R = json.loads((REFERENCE / "variance_r.json").read_text())
CASES = {case["id"]: case for case in R["cases"]}
# lmer stops within about 1e-6 of the optimum in theta where slopes vary (a flat ridge on HSB, with
# a slope variance of next to nothing), and within 1e-8 where they do not.
CLOSE, LOOSE = 2e-6, 3e-4


def reml_table(case, at=None):
    model = case["model"]
    if "~" in model:
        design = build_design(model, load_dataset(case["id"].split("_")[0]))
    else:
        design = design_of(load_record(model))
    null = estimate_design(null_design(design))
    return variance_by_level(
        Estimate(solution=fit_reml(design, profile=False), design=design), null=null, at=at
    )


@pytest.mark.parametrize("name", CASES)
def test_every_measure_is_rs(name):
    case = CASES[name]
    table = reml_table(case)
    slopes = "vpc" in case
    wanted = ["icc_adjusted", "icc_unadjusted", "r2_marginal", "r2_conditional", "r2_bayes"]
    if "icc_null" in case:
        wanted += ["icc_null", "r2_between", "r2_within", "r2_level1", "r2_level2"]
    for quantity in wanted:
        found = table[quantity].estimate
        assert found == pytest.approx(case[quantity], abs=LOOSE if slopes else CLOSE), quantity
    for whole, parts in case["parts"].items():
        for part, value in parts.items():
            row = table.get(f"part_{whole}[{part}]")
            found = 0.0 if row is None else row.estimate
            assert found == pytest.approx(value, abs=LOOSE if slopes else CLOSE), (whole, part)


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if "vpc" in case])
def test_partition_along_a_slope_is_rs(name):
    case = CASES[name]
    effect = {"hsb_random_slope": "ses", "hsb_slopes_as_outcomes": "within(ses)"}.get(
        name, "days" if "sleep" in name else "age"
    )
    points = [one["at"] for one in case["vpc"]]
    table = reml_table(case, at={effect: points})
    for one in case["vpc"]:
        row = table[f"vpc[{effect}={one['at']:g}]"]
        assert row.estimate == pytest.approx(one["value"], abs=LOOSE)


@pytest.mark.parametrize("name", R["rungs"])
def test_rungs_without_group_effects_are_rs(name):
    design = design_of(load_record(name))
    table = variance_by_level(Estimate(solution=estimate_design(design).solution, design=design))
    # Both are closed forms; R prints ten digits.
    assert table["r2_bayes"].estimate == pytest.approx(R["rungs"][name], rel=1e-8)


def test_the_whole_ladder_is_checked():
    study = {record.name for record in records() if record.name.startswith("hsb_")}
    assert study == set(R["rungs"]) | {case["model"] for case in R["cases"]} & study


TINY = {"y": [1.0, 3, 5, 9, 9, 10], "x": [-1.0, 1] * 3, "g": ["a", "a", "b", "b", "c", "c"]}


def test_tiny_balanced_data_by_hand():
    # Group means 2, 7, 9.5: their sum of squares 175/6 is the mean square between (2 a group, 2
    # df). Slope 7/6; sigma_e² = (10.5 - 49/6) / 2 = 7/6, sigma_u² = (175/6 - 7/6) / 2 = 14; without
    # x: 10.5 / 3 = 3.5 and (175/6 - 3.5) / 2 = 77/6. var(x) = 6/5, so the fixed part has 49/30.
    design = build_design("y ~ x + (1 | g)", TINY)
    null = estimate_design(null_design(design))
    table = variance_by_level(
        Estimate(solution=fit_reml(design, profile=False), design=design), null=null
    )
    by_hand = {
        "icc_null": (77 / 6) / (77 / 6 + 3.5),
        "icc_adjusted": 12 / 13,
        "icc_unadjusted": 5 / 6,
        "r2_between": -1 / 11,
        "r2_within": 2 / 3,
        "r2_level1": 1 / 14,
        "r2_level2": 0.0,
        "r2_marginal": 7 / 72,
        "r2_conditional": 7 / 72 + 5 / 6,
        "part_within[fixed_within]": (49 / 30) / (49 / 30 + 7 / 6),
        "part_between[means]": 1.0,
        "part_total[residual]": (7 / 6) / 16.8,
    }
    for quantity, value in by_hand.items():
        assert table[quantity].estimate == pytest.approx(value, abs=1e-9), quantity
    assert "suppress differences" in table["r2_between"].note
    assert not table["r2_within"].note


def test_draws_are_measured_one_by_one(mock_fit):
    fitted = mock_fit("hsb_slopes_as_outcomes", draws=5)
    rng = np.random.default_rng(3)
    rho = Variable(("chain", "draw", "effect_pair"), rng.uniform(-0.6, 0.6, size=(4, 5, 1)))
    posterior = dict(fitted.draws.posterior) | {"rho_u": rho}
    draws = type(fitted.draws)(
        posterior=posterior, sample_stats=fitted.draws.sample_stats, coords=fitted.draws.coords
    )
    fitted = type(fitted)(**(vars(fitted) | {"draws": draws}))
    table = variance_by_level(fitted)
    X, Z, codes = fitted.design.X, fitted.design.Z, fitted.design.codes
    found = {name: [] for name in ("icc_adjusted", "r2_marginal", "r2_conditional", "r2_bayes")}
    for chain in range(4):
        for k in range(5):
            sd, r = draws["sigma_u"][chain, k], float(rho.values[chain, k, 0])
            sigma = np.array([[sd[0] ** 2, r * sd[0] * sd[1]], [r * sd[0] * sd[1], sd[1] ** 2]])
            random = np.mean([z @ sigma @ z for z in Z])
            fixed = np.var(X @ draws["beta"][chain, k], ddof=1)
            own = np.var(
                X @ draws["beta"][chain, k] + (Z * draws["u"][chain, k][codes]).sum(axis=1), ddof=1
            )
            e = draws["sigma_e"][chain, k] ** 2
            found["icc_adjusted"].append(random / (random + e))
            found["r2_marginal"].append(fixed / (fixed + random + e))
            found["r2_conditional"].append((fixed + random) / (fixed + random + e))
            found["r2_bayes"].append(own / (own + e))
    for quantity, values in found.items():
        assert table[quantity].estimate == pytest.approx(np.mean(values), rel=1e-10)
        assert table[quantity].sd == pytest.approx(np.std(values, ddof=1), rel=1e-8)
    assert table["r2_bayes_marginal"].estimate == table["r2_marginal"].estimate


@pytest.mark.parametrize("groups", [True, False])
def test_residuals_at_hand_as_brms_has_them(mock_fit, groups):
    fitted = mock_fit("hsb_random_slope", draws=4)
    design, own = fitted.design, fitted.values
    mu = own.beta @ design.X.T
    if groups:
        mu = mu + np.einsum("nq,snq->sn", design.Z, own.u[:, design.codes])
    explained, rest = mu.var(axis=1, ddof=1), (design.y - mu).var(axis=1, ddof=1)
    found = bayes_empirical(own, design, groups=groups)
    np.testing.assert_allclose(found, explained / (explained + rest), rtol=1e-10)


def test_no_pooling_has_the_bayesian_r2_of_its_own_intercepts():
    design = design_of(load_record("hsb_no_pooling"))
    ols = estimate_design(design).solution
    fitted = design.X @ ols.beta + ols.group_intercepts[design.codes]
    wanted = fitted.var(ddof=1)
    found = fitted_variance(Estimate(solution=ols, design=design).values, design)
    assert found[0] == pytest.approx(wanted, rel=1e-10)
    table = variance_by_level(Estimate(solution=ols, design=design))
    assert table["r2_bayes"].estimate == pytest.approx(wanted / (wanted + ols.sigma_e**2))


def test_too_many_groups_to_keep_draws_of(mock_fit):
    fitted = mock_fit("hsb_ses", draws=10)
    kept = {name: one for name, one in fitted.draws.posterior.items() if name != "u"}
    draws = type(fitted.draws)(
        posterior=kept, sample_stats=fitted.draws.sample_stats, coords=fitted.draws.coords
    )
    table = variance_by_level(type(fitted)(**(vars(fitted) | {"draws": draws})))
    assert table["r2_bayes"].estimate is None
    assert "too many groups" in table["r2_bayes"].note
    assert table["r2_bayes_marginal"].estimate > 0


@pytest.mark.parametrize("name", ["hsb_pooled", "hsb_between", "hsb_within", "hsb_mundlak"])
def test_models_without_group_effects_say_why(name, mock_fit):
    table = variance_by_level(mock_fit(name, draws=50))
    for quantity in ("icc_adjusted", "r2_marginal", "part_total"):
        assert table[quantity].estimate is None
        assert "add (1 | group)" in table[quantity].note
    assert 0 < table["r2_bayes"].estimate < 1


def test_own_intercepts_are_part_of_what_no_pooling_expects():
    table = variance_by_level(fit("hsb_no_pooling", random_seed=2))
    ols = estimate_design(design_of(load_record("hsb_no_pooling"))).solution
    plug_in = variance_by_level(
        Estimate(solution=ols, design=design_of(load_record("hsb_no_pooling")))
    )
    row = table["r2_bayes"]
    # Draws of 160 intercepts spread more than their estimates: above the plug-in by under 3 sds.
    assert 0 < row.estimate - plug_in["r2_bayes"].estimate < 3 * row.sd


def test_posterior_lies_about_reml():
    fitted, null = (fit(name, random_seed=4) for name in ("hsb_sector_ses", "hsb_null"))
    table = variance_by_level(fitted, null=null)
    reml = reml_table(CASES["hsb_sector_ses"])
    for row in reml:
        # A tenth more than the sd of the posterior: skewness and priors, never another estimand.
        # The Bayesian R² of REML is of predicted effects, which are drawn in.
        away = 2.0 if row.quantity == "r2_bayes" else 0.3
        assert table[row.quantity].estimate == pytest.approx(
            row.estimate, abs=away * table[row.quantity].sd + 1e-12
        ), row.quantity
        assert table[row.quantity].lower <= table[row.quantity].upper
    assert any("outer bounds" in note for note in table.notes)
    assert any("one slope at both levels" in note for note in table.notes)


def test_slopes_that_vary_leave_r2_by_level_undefined(mock_fit):
    table = variance_by_level(mock_fit("hsb_random_slope", draws=20))
    for quantity in ("r2_between", "r2_within", "r2_level1", "r2_level2"):
        assert table[quantity].estimate is None
        assert "with random slopes" in table[quantity].note
    assert table["icc_null"].note.startswith("needs a null model")


def test_the_null_model_is_its_own_baseline(mock_fit):
    table = variance_by_level(mock_fit("hsb_null", draws=20))
    assert table["icc_null"].estimate == table["icc_adjusted"].estimate
    assert table["icc_unadjusted"].estimate == pytest.approx(table["icc_null"].estimate)
    assert "the null model, without predictors" in table["r2_between"].note
    assert table["r2_marginal"].estimate == 0.0


def test_no_variance_between_groups_is_said_not_divided_by():
    # Dyestuff2: REML's sigma_u is 0 (Bates et al. 2015), so nothing lies between groups.
    table = "yield_ ~ 1 + (1 | batch)"
    data = load_dataset("dyestuff2").columns
    frame = {"yield_": data["yield"], "batch": data["batch"]}
    design = build_design(table, frame)
    found = variance_by_level(Estimate(solution=fit_reml(design, profile=False), design=design))
    assert found["icc_null"].estimate == 0.0
    assert found["part_between[means]"].estimate is None
    assert "zero" in found["part_between[means]"].note


WRONG_NULL = [("hsb_ses", "no predictors"), ("hsb_pooled", "random intercept")]


@pytest.mark.parametrize(("null", "said"), WRONG_NULL)
def test_a_wrong_null_model_is_refused(null, said, mock_fit):
    with pytest.raises(EngineError, match=said):
        variance_by_level(mock_fit("hsb_sector", draws=5), null=mock_fit(null, draws=5))


def test_other_wrong_arguments(mock_fit):
    fitted = mock_fit("hsb_sector", draws=5)
    with pytest.raises(EngineError, match="equal numbers"):
        variance_by_level(fitted, null=mock_fit("hsb_null", draws=6))
    with pytest.raises(EngineError, match="predictors with one: none"):
        variance_by_level(fitted, at={"ses": [0]})
    with pytest.raises(EngineError, match="between 0 and 1"):
        variance_by_level(fitted, prob=94)
    other = build_design("mathach ~ 1 + (1 | schoolid)", _part(load_dataset("hsb"), 7000))
    with pytest.raises(EngineError, match="same 7185 rows"):
        variance_by_level(estimate_design(fitted.design), null=estimate_design(other))


def _part(table, n):
    return {name: column[:n] for name, column in table.columns.items()}


def test_functions_of_one_column_move_together():
    sleep = load_dataset("sleepstudy")
    design = build_design("reaction ~ days + I(days**2) + (days + I(days**2) | subject)", sleep)
    first, second = along(design, {"days": [0, 3]})
    np.testing.assert_allclose(first.Z[0], [[1, 0, 0], [1, 3, 9]])
    assert second.effect == "I(days ** 2)"
    with pytest.raises(EngineError, match="0 to 9"):
        along(design, {"days": [12]})


def test_independent_slopes_have_no_covariance():
    sleep = load_dataset("sleepstudy")
    design = build_design("reaction ~ days + (days || subject)", sleep)
    found = fit_reml(design, profile=False)
    table = variance_by_level(Estimate(solution=found, design=design), at={"days": [4]})
    between = found.sigma_u[0] ** 2 + 16 * found.sigma_u[1] ** 2
    wanted = between / (between + found.sigma_e**2)
    assert table["vpc[days=4]"].estimate == pytest.approx(wanted, rel=1e-12)


@given(
    st.integers(2, 6),
    st.integers(2, 5),
    st.integers(0, 2**31),
    st.floats(0.1, 1e3),
    st.floats(-1e4, 1e4),
)
def test_shares_add_up_and_do_not_depend_on_units(groups, size, seed, unit, shift):
    rng = np.random.default_rng(seed)
    codes = np.repeat(np.arange(groups), size)
    x = rng.normal(size=codes.size) + codes
    none = np.empty((codes.size, 0))
    parts = moments(from_rows(x, x[:, None], none, codes, groups), range(1))
    assert parts.total[0, 0] == pytest.approx(np.var(x, ddof=1), rel=1e-9)
    moved = moments(from_rows(x, (unit * x + shift)[:, None], none, codes, groups), range(1))
    assert moved.within[0, 0] == pytest.approx(unit**2 * parts.within[0, 0], rel=1e-6)
    frame = {"y": rng.normal(size=codes.size) + codes, "x": x, "g": codes}
    design = build_design("y ~ x + (x | g)", frame) if size * groups > 4 else None
    if design is None:
        return
    parameters = estimate_design(for_kind(design, "pooled")).values
    covariance = np.array([[[2.0, 0.3], [0.3, 1.0]]])
    factor = FactorValues(factor="g", cov_u=covariance, u=None)
    parameters = replace(parameters, residual_variance=np.array([1.5]), factors=(factor,))
    found = decompose(parameters, design_moments(design))
    for whole in ("total", "within", "between"):
        values = shares(found, whole)
        assert sum(value[0] for value in values.values()) == pytest.approx(1.0)
        assert all(value[0] >= -1e-12 for value in values.values())


def test_table_reads_by_question_and_as_csv(mock_fit):
    table = variance_by_level(mock_fit("hsb_slopes_as_outcomes", draws=20))
    text = str(table)
    of_families = ("observation", "ratios")
    wanted = [q for name, q in QUESTIONS.items() if name not in of_families]
    assert [q for q in QUESTIONS.values() if q in text] == wanted
    assert text.count("not defined with random slopes") == 1
    rows = list(csv.DictReader(io.StringIO(table.to_csv())))
    assert [row["quantity"] for row in rows] == [row.quantity for row in table]
    assert float(rows[1]["estimate"]) == table["icc_adjusted"].estimate
    assert table.to_frame().shape == (len(rows), len(rows[0]))
    with pytest.raises(KeyError, match="icc_adjusted"):
        table["icc"]


def test_picture_shows_the_parts_and_their_uncertainty():
    analysis = analyse(load_record("hsb_slopes_as_outcomes"), None, engines=["reml"])
    picture = variance_parts(analysis)
    for column in picture.columns:
        assert sum(one.mean for one in column.shares) == pytest.approx(1.0)
    # By R, reference/variance_r.json.
    between = CASES["hsb_slopes_as_outcomes"]["parts"]["between"]
    assert picture.columns[2].shares[0].mean == pytest.approx(between["fixed_between"], abs=LOOSE)
    assert "predictors between groups 72 %" in picture.text.caption
    figure = plot_variance_parts(picture)
    left, right = figure.axes
    heights = [patch.get_height() for patch in left.patches]
    assert sum(heights) == pytest.approx(3.0)
    labels = [label.get_text() for label in right.get_yticklabels()]
    assert len(labels) == sum(len(column.shares) for column in picture.columns)
    assert any(entry.name == "variance-parts" for entry in FIGURES.values())


def test_picture_does_not_apply_without_group_effects():
    assert variance_parts(analyse(load_record("hsb_pooled"), None, engines=["ols"])) is None
