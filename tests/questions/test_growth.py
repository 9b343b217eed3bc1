"""Growth models and the own lines of individuals, by R's numbers and by the draws."""

import json
from dataclasses import replace
from functools import cache
from itertools import groupby

import numpy as np
import pytest

from bayes_mlm import (
    build_design,
    code_time,
    fit,
    fit_reml,
    group_lines,
    load_dataset,
    load_record,
    population_line,
    records,
    summarise,
)
from bayes_mlm.base.errors import DataError, DesignError, EngineError
from bayes_mlm.fitting.request import make_settings
from bayes_mlm.fitting.side_by_side import analyse
from bayes_mlm.questions.lines.level_two import coefficient_weights
from bayes_mlm.studies.record import WORKED_STUDY, dump_record
from tests.helpers import REFERENCE

# lmer() of lme4 1.1-31; the calls are in growth.R.
R = {case["id"]: case for case in json.loads((REFERENCE / "growth.json").read_text())["cases"]}
GROWTH = ("sleepstudy_growth", "orthodont_growth")


@cache
def fitted(model, data=None, **options):
    return fit(model, data, random_seed=1, **options)


@cache
def analysed(model):
    record = load_record(model)
    return analyse(record, make_settings(record, random_seed=1), engines=["direct"])


# --- the records ----------------------------------------------------------------------------------


def test_the_growth_records_are_a_study_of_their_own():
    assert tuple(record.name for record in records("growth")) == GROWTH
    studies = [record.study for record in records()]
    assert studies[:12] == [WORKED_STUDY] * 12
    assert studies.count("growth") == 2
    assert [study for study, _ in groupby(studies)] == list(dict.fromkeys(studies))
    assert all(record.source.data == "hsb" for record in records(WORKED_STUDY))
    assert 'study = "growth"' in dump_record(load_record(GROWTH[0]))


@pytest.mark.parametrize("name", GROWTH)
def test_the_growth_records_fit_cleanly(name):
    analysis = analysed(name)
    assert analysis.ok, analysis.fits[0].verdict
    assert analysis.design.group_term.correlated


def test_growth_agrees_with_lme4():
    """The record centres age at its mean, 11, where the R call takes 11 from it."""
    theirs = R["orthodont_growth"]["reml"]
    ours = analysed("orthodont_growth").estimate.solution
    assert ours.loglik == pytest.approx(theirs["loglik"], abs=1e-6)
    # Their fixed effects in our order; 1e-6 of their standard errors.
    for beta, want, se in zip(
        ours.beta, theirs["fixef"].values(), theirs["se"].values(), strict=True
    ):
        assert beta == pytest.approx(want, abs=1e-6 * se)
    # The posterior tells the same story, its priors being weak: within half a sd.
    for row in analysed("orthodont_growth").compared:
        if row.quantity.startswith("beta"):
            assert abs(row.difference) < 0.5, row.quantity


def test_growth_in_dates_is_growth_in_years():
    """A whole analysis from dates: the slope is the simulated 2 a year, within its error."""
    rng = np.random.default_rng(6)
    person = np.repeat(np.arange(60), 5)
    start = np.datetime64("2015-01-01") + rng.integers(0, 1000, 60)
    visit = start[person] + (np.tile(np.arange(5), 60) * 180 + rng.integers(0, 30, 300))
    years = code_time(visit, origin="person-first", person=person, unit="years").values
    u = rng.normal(0, [3.0, 0.7], (60, 2))
    y = 10 + u[person, 0] + (2 + u[person, 1]) * years + rng.normal(0, 1, 300)
    found = fit(
        "y ~ years + (years | person)", {"y": y, "years": years, "person": person}, random_seed=1
    )
    slope = summarise(found)["beta[years]"]
    assert abs(slope.estimate - 2.0) < 4 * slope.sd
    assert 0.4 < summarise(found)["sigma_u[years]"].estimate < 1.0


# --- own coefficients and lines -------------------------------------------------------------------


def test_own_coefficients_are_the_level_two_equations():
    """By hand, for every term that stands in an equation of level 2."""
    hsb = load_dataset("hsb")
    formula = "mathach ~ ses * sector + ses * pracad + minority + (1 + ses + minority | schoolid)"
    design = build_design(formula, hsb)
    weights = coefficient_weights(design)
    first = np.unique(design.codes, return_index=True)[1]
    sector, pracad = hsb.columns["sector"][first], hsb.columns["pracad"][first]
    wanted = {
        "Intercept": {"Intercept": 1.0, "sector": sector, "pracad": pracad},
        "ses": {"ses": 1.0, "ses:sector": sector, "ses:pracad": pracad},
        "minority": {"minority": 1.0},
    }
    for k, effect in enumerate(design.effects):
        for place, term in enumerate(design.terms):
            value = np.broadcast_to(wanted[effect].get(term, 0.0), design.J)
            # A ratio of products of doubles, averaged.
            np.testing.assert_allclose(weights[k, :, place], value, atol=1e-12)


def test_a_group_mean_belongs_to_the_intercept():
    design = fitted("mathach ~ ses + (ses | schoolid)", "hsb", kind="mundlak").design
    place = design.terms.index("between(ses)")
    weights = coefficient_weights(design)
    np.testing.assert_allclose(weights[0, :, place], design.base.means[:, 1], atol=1e-12)
    assert not weights[1, :, place].any()


def test_a_model_without_group_effects_has_no_own_lines():
    for options in ({"kind": "no_pooling", "group": "subject"}, {"kind": "pooled"}):
        found = fit("reaction ~ days", "sleepstudy", random_seed=1, draws=50, **options)
        with pytest.raises(EngineError, match="no random effects"):
            group_lines(found)
        with pytest.raises(EngineError, match="no random effects"):
            population_line(found, "days", [0])


@pytest.mark.parametrize("name", ["sleep_independent", "sleep_quadratic", "orthodont_growth"])
def test_reml_coefficients_are_those_of_lme4(name):
    """lme4's coef(): fixed effects plus predictions, here with the group's own properties."""
    case, theirs = R[name], R[name]["reml"]
    lines = group_lines(fitted(case["ours"], case["data"]), x=[0.0])
    for row in theirs["ranef_head"]:
        fixed = theirs["fixef"]
        for place, (effect, blup) in enumerate(row["blup"].items()):
            want = fixed[effect] + blup
            if name == "orthodont_growth" and row["id"].startswith("M"):
                by_sex = "sexMale" if effect == "(Intercept)" else f"{effect}:sexMale"
                want += fixed[by_sex]
            own = [one for one in lines.rows if str(one.group) == row["id"]]
            assert own[place].reml == pytest.approx(want, rel=1e-6)


def test_posterior_coefficients_are_made_of_the_draws():
    found = fitted("orthodont_growth")
    lines = group_lines(found, groups=["M05", "F03"])
    assert list(dict.fromkeys(row.group for row in lines.rows)) == ["M05", "F03"]
    beta = found.draws["beta"].reshape(-1, 4)
    labels = found.design.labels.tolist()
    u = found.draws["u"].reshape(-1, 27, 2)
    own = beta[:, 1] + beta[:, 3] + u[:, labels.index("M05"), 1]
    row = lines.rows[1]
    assert (row.group, row.effect) == ("M05", "center(age)")
    assert row.estimate == pytest.approx(own.mean(), rel=1e-12)
    assert row.sd == pytest.approx(own.std(ddof=1), rel=1e-12)
    inside = np.mean((own >= row.lower) & (own <= row.upper))
    assert inside == pytest.approx(0.95, abs=1e-3)


def test_a_line_is_its_coefficients():
    lines = group_lines(fitted("reaction ~ days + (days || subject)", "sleepstudy"), x=[0, 4, 9])
    own = {(row.group, row.effect): row for row in lines.rows}
    for point in lines.points:
        for field in ("estimate", "reml"):
            intercept, slope = (
                getattr(own[point.group, effect], field) for effect in ("Intercept", "days")
            )
            assert getattr(point, field) == pytest.approx(intercept + slope * point.x, rel=1e-12)
    assert [point.x for point in lines.line(308)] == [0, 4, 9]
    # The interval at 0 is that of the intercept, with equal tails instead of the densest part.
    start = lines.line(308)[0]
    u = fitted("reaction ~ days + (days || subject)", "sleepstudy")
    values = (u.draws["beta"][:, :, 0] + u.draws["u"][:, :, 0, 0]).ravel()
    assert (start.lower, start.upper) == pytest.approx(tuple(np.quantile(values, [0.025, 0.975])))


def test_a_curve_bends_as_the_formula_says():
    found = fitted("reaction ~ days + I(days ** 2) + (days | subject)", "sleepstudy")
    x = np.array([0.0, 3.0, 6.0])
    line = population_line(found, "days", x)
    beta = found.draws["beta"].reshape(-1, 3).mean(axis=0)
    np.testing.assert_allclose(
        [point.estimate for point in line], beta[0] + beta[1] * x + beta[2] * x**2, rtol=1e-12
    )
    reml = fit_reml(found.design, profile=False).beta
    np.testing.assert_allclose(
        [point.reml for point in line], reml[0] + reml[1] * x + reml[2] * x**2, rtol=1e-12
    )


def test_other_predictors_keep_the_values_of_the_groups_rows():
    hsb = load_dataset("hsb")
    found = fitted("mathach ~ ses * sector + minority + (ses || schoolid)", "hsb", draws=250)
    (point,) = group_lines(found, groups=[1288], x=[0.5]).points
    rows = hsb.columns["schoolid"] == 1288
    assert not hsb.columns["sector"][rows].any()
    beta, u = found.draws["beta"], found.draws["u"][:, :, 1]
    terms = found.design.terms
    expected = beta[:, :, 0] + 0.5 * beta[:, :, 1] + u[:, :, 0] + 0.5 * u[:, :, 1]
    share = hsb.columns["minority"][rows].mean()
    expected = expected + share * beta[:, :, terms.index("minority")]
    assert point.estimate == pytest.approx(expected.mean(), rel=1e-10)


def test_the_population_may_be_set():
    found = fitted("orthodont_growth")
    beta = found.draws["beta"].reshape(-1, 4).mean(axis=0)
    (girls,) = population_line(found, "age", [14], at={"sex": "Female"})
    (boys,) = population_line(found, "age", [14], at={"sex": "Male"})
    assert girls.group is None
    assert girls.estimate == pytest.approx(beta[0] + 3 * beta[1], rel=1e-12)
    difference = boys.estimate - girls.estimate
    assert difference == pytest.approx(beta[2] + 3 * beta[3], rel=1e-10)
    # Set to nothing, it is the mean over rows: 16 of the 27 children are boys.
    (mean,) = population_line(found, "age", [14])
    assert mean.estimate == pytest.approx(girls.estimate + difference * 16 / 27, rel=1e-10)


def test_centred_predictors_need_no_data_again():
    table = dict(load_dataset("orthodont").columns)
    for function in ("center", "scale"):
        found = fit(
            f"distance ~ {function}(age) + ({function}(age) || subject)", table, random_seed=1
        )
        lines = group_lines(found, groups=["M01"])
        assert lines.along == "age"
        assert (lines.points[0].x, lines.points[-1].x) == (8.0, 14.0)


def test_a_column_inside_a_function_is_kept_with_the_design():
    table = dict(load_dataset("sleepstudy").columns)
    found = fit("reaction ~ sqrt(days) + (sqrt(days) | subject)", table, random_seed=1)
    other = table | {"reaction": table["reaction"] + 1.0}
    with pytest.raises(DataError, match="other outcomes than the fitted"):
        group_lines(found, data=other)
    lines = group_lines(found, data=table, groups=[308], x=[0, 4])
    assert group_lines(found, groups=[308], x=[0, 4]).points.rows == lines.points.rows
    own = {row.effect: row.estimate for row in lines.rows}
    # The line is straight in the square root.
    start, later = lines.points
    assert later.estimate - start.estimate == pytest.approx(2 * own["sqrt(days)"], rel=1e-10)


def test_too_many_effects_to_keep_are_drawn_again_for_the_groups_asked_for():
    found = fit("reaction ~ days + (days | subject)", "sleepstudy", random_seed=1, draws=4000)
    kept = group_lines(found, groups=[308, 372])
    without = {name: v for name, v in found.draws.posterior.items() if name != "u"}
    summarised = replace(found, draws=replace(found.draws, posterior=without))
    again = group_lines(summarised, groups=[308, 372])
    for one, two in zip(kept.rows, again.rows, strict=True):
        # Two sets of 16,000 draws of u at the same draws of the rest: 4 standard errors of each.
        assert two.estimate == pytest.approx(one.estimate, abs=6 * one.sd / np.sqrt(16_000))
        assert two.sd == pytest.approx(one.sd, rel=0.05)
        assert two.reml == one.reml


def test_lines_say_what_is_wrong():
    found = fitted("reaction ~ days + (days || subject)", "sleepstudy")
    for options, told in (
        ({"groups": [1]}, "no 1; its labels are 308, 309"),
        ({"groups": []}, "groups is empty"),
        ({"along": "subject"}, "'subject' is no numeric predictor"),
        ({"along": "day"}, "'day' is no numeric predictor of the model; there are days"),
        ({"x": [np.inf]}, "finite numbers"),
        ({"x": []}, "finite numbers"),
        ({"prob": 2}, "must be a number between 0 and 1"),
    ):
        with pytest.raises((DesignError, EngineError), match=told):
            group_lines(found, **options)
    with pytest.raises(EngineError, match="expects the result of fit"):
        group_lines(fit_reml(found.design))
    with pytest.raises(EngineError, match="no line of 7; there are those of 308"):
        group_lines(found).line(7)
    with pytest.raises(DesignError, match="'days' .*cannot be set"):
        population_line(found, "days", [0], at={"days": 1})
    with pytest.raises(DesignError, match="no predictor 'sex'"):
        population_line(found, "days", [0], at={"sex": 1})
    with pytest.raises(EngineError, match="no numeric predictor of .* varies within groups"):
        group_lines(fit("distance ~ sex + (1 | subject)", "orthodont", random_seed=1, draws=100))


def test_rows_are_tidy():
    found = fitted("reaction ~ days + (days || subject)", "sleepstudy")
    lines = group_lines(found, x=[0, 9])
    frame = lines.to_frame()
    assert frame.shape == (36, 9)
    assert set(frame["effect"]) == {"Intercept", "days"}
    assert lines.points.to_frame().shape == (36, 8)
    assert lines.to_csv().splitlines()[0].startswith("model,engine,group,effect,estimate")
    assert len(lines.points.to_csv().splitlines()) == 37
    assert str(lines).splitlines()[-1].startswith("ok: ")
    assert "18 groups (subject)" in repr(lines)


# --- the command line -----------------------------------------------------------------------------


@pytest.fixture
def run(run_command):
    """Run one command line; give its exit code, output and error text."""
    return run_command


def test_lines_by_command(run, tmp_path):
    folder = tmp_path / "own"
    asked = ("--group", "308", "--group", "372", "--x", "0,9", "--out", str(folder))
    code, out, _ = run("lines", "sleepstudy_growth", *asked, "--quiet")
    assert code == 0
    assert [line.split()[:2] for line in out.splitlines()[1:5]] == [
        [group, effect] for group in ("308", "372") for effect in ("Intercept", "days")
    ]
    assert len((folder / "coefficients.csv").read_text().splitlines()) == 5
    assert len((folder / "lines.csv").read_text().splitlines()) == 5


def test_the_double_bar_by_command(run):
    formula = "reaction ~ days + (days || subject)"
    code, out, _ = run("fit", formula, "--data", "sleepstudy", "--engine", "direct", "--quiet")
    assert code == 0
    assert "sigma_u[days]" in out
    assert "rho_u" not in out
    # lme4: 251.4051 and 10.4673; sds 25.0513 and 5.9882 (lme4.json, sleep_rs_uncorr).
    for number in ("251.4", "10.5", "25.1", "6.0"):
        assert number in out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("lines", "orthodont_growth", "--group", "M99"), "no 'M99'"),
        (("lines", "orthodont_growth", "--x", "a"), "must be numbers"),
        (("lines", "orthodont_growth", "--along", "sex"), "no numeric predictor"),
        (("lines", "hsb_pooled"), "no random effects"),
    ],
)
def test_wrong_commands_are_a_line(run, arguments, told):
    code, out, error = run(*arguments, "--quiet")
    assert code == 1
    assert not out
    assert told in error
    assert len(error.strip().splitlines()) == 1
