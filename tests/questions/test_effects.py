"""Differences and slopes: against lme4, closed forms, and the draws by hand."""

import json

import numpy as np
import pytest

from bayes_mlm import build_design, fit, fit_reml, load_hsb, load_record
from bayes_mlm.base.errors import DataError, DesignError, EngineError
from bayes_mlm.data.table import as_table
from bayes_mlm.design.build import design_of
from bayes_mlm.fitting import Estimate, shortest_interval
from bayes_mlm.questions.effects import comparisons, crossing, slopes
from bayes_mlm.questions.effects.rows import rebuild
from tests.helpers import REFERENCE

# lme4 1.1-31: m <- lmer(mathach ~ ses*sector + (1|schoolid), hsb), V <- vcov(m), b <- fixef(m)
# L <- rbind(c(0,0,1,-1), c(0,0,1,0), c(0,0,1,1)); L %*% b; sqrt(diag(L %*% V %*% t(L)))
DIFFERENCES = (3.45101967853, 2.13817045461, 0.825321230685)
DIFFERENCES_SE = (0.40495844084, 0.341346238233, 0.398657432353)
# The same with the rows c(0,1,0,0) and c(0,1,0,1).
SLOPES = (2.95117436158, 1.63832513765)
SLOPES_SE = (0.140608700649, 0.158655231666)
# lme4's optimiser stops within 1e-6 of the optimum.
LME4 = {"abs": 2e-6}


@pytest.fixture(scope="module")
def ladder():
    return fit("hsb_sector_ses", random_seed=1)


@pytest.fixture(scope="module")
def hsb():
    return load_hsb()


@pytest.fixture(scope="module")
def odd(hsb):
    """HSB with a positive predictor, a text predictor of three categories, and one of two."""
    third = np.where(hsb.ses < -0.5, "low", np.where(hsb.ses < 0.5, "mid", "top"))
    return hsb.assign(wealth=np.exp(hsb.ses), third=third, sex=np.where(hsb.female, "f", "m"))


def beta_of(fitted, *terms):
    beta = fitted.draws["beta"].reshape(-1, fitted.design.p)
    return [beta[:, fitted.design.terms.index(term)] for term in terms]


def estimate_of(fitted, *terms):
    reml = fit_reml(fitted.design)
    return [reml.beta[reml.terms.index(term)] for term in terms]


def test_sector_difference_by_reml_is_lme4s(ladder):
    rows = comparisons(ladder, "sector", at={"ses": [-1, 0, 1]}).by("reml")
    assert [row.estimate for row in rows] == pytest.approx(DIFFERENCES, **LME4)
    assert [row.sd for row in rows] == pytest.approx(DIFFERENCES_SE, **LME4)


def test_simple_slopes_by_reml_are_lme4s(ladder):
    rows = slopes(ladder, "ses", at={"sector": [0, 1]}).by("reml")
    assert [row.estimate for row in rows] == pytest.approx(SLOPES, **LME4)
    assert [row.sd for row in rows] == pytest.approx(SLOPES_SE, **LME4)


def test_posterior_rows_are_the_draws_by_hand(ladder):
    sector, product = beta_of(ladder, "sector", "ses:sector")
    found = comparisons(ladder, "sector", at={"ses": [-1, 1]}, prob=0.9, rope=(-1.0, 1.0))
    for row, ses in zip(found.by("direct"), (-1, 1), strict=True):
        values = sector + ses * product
        lower, upper = shortest_interval(values[:, None], 0.9)
        assert row.estimate == pytest.approx(values.mean())
        assert row.sd == pytest.approx(values.std(ddof=1))
        assert (row.lower, row.upper) == pytest.approx((lower[0], upper[0]))
        assert row.direction == row.positive == (values > 0).mean()
        shares = ((values < -1).mean(), (abs(values) <= 1).mean(), (values > 1).mean())
        assert (row.below, row.within, row.above) == pytest.approx(shares)


def test_direct_nuts_and_reml_agree_on_the_sector_difference(ladder):
    # NUTS: the stored run of this model, 4 x 8,000 draws; a sum of its means is the mean of the
    # sum. Two Monte Carlo errors each: direct has 4,000 independent draws.
    path = REFERENCE / "nuts_ladder.json"
    stored = json.loads(path.read_text())["records"]["hsb_sector_ses"]["quantities"]
    sector, product = stored["beta[sector]"], stored["beta[ses:sector]"]
    rows = comparisons(ladder, "sector", at={"ses": [-1, 0, 1]})
    for ses, direct, reml in zip((-1, 0, 1), rows.by("direct"), rows.by("reml"), strict=True):
        nuts = sector["mean"] + ses * product["mean"]
        error = direct.sd / np.sqrt(4000) + sector["mcse"] + product["mcse"]
        assert abs(direct.estimate - nuts) < 3 * error
        # The priors are wide: what they move is far below a tenth of a standard error.
        assert abs(direct.estimate - reml.estimate) < 3 * error + 0.1 * reml.sd
        assert direct.sd == pytest.approx(reml.sd, rel=0.05)
    at_zero = crossing(ladder, "sector", "ses").posterior.median
    # To first order the median of the ratio is the ratio of the means (their sd is 0.37).
    assert at_zero == pytest.approx(-sector["mean"] / product["mean"], abs=0.03)


def test_average_effect_is_at_the_mean_where_the_model_is_straight(ladder, hsb):
    sector, product = estimate_of(ladder, "sector", "ses:sector")
    (row,) = comparisons(ladder, "sector").by("reml")
    assert row.estimate == pytest.approx(sector + hsb.ses.mean() * product, rel=1e-9)
    ses, product = estimate_of(ladder, "ses", "ses:sector")
    (row,) = slopes(ladder, "ses").by("reml")
    assert row.estimate == pytest.approx(ses + hsb.sector.mean() * product, rel=1e-9)


def test_average_over_other_rows(ladder, hsb):
    catholic = hsb[hsb.sector == 1]
    sector, product = estimate_of(ladder, "sector", "ses:sector")
    found = comparisons(ladder, "sector", data=catholic)
    assert found.by("reml")[0].estimate == pytest.approx(sector + catholic.ses.mean() * product)
    assert found.over.startswith(f"the {len(catholic):,} rows of the new data")


def test_statistics_of_the_rows_as_values(ladder, hsb):
    mean, sd = hsb.ses.mean(), hsb.ses.std()
    rows = comparisons(ladder, "sector", at={"ses": "mean±sd"}).by("reml")
    assert [row.at[0].value for row in rows] == pytest.approx([mean - sd, mean, mean + sd])
    assert [row.at[0].word for row in rows] == ["mean-sd", "mean", "mean+sd"]
    (row,) = comparisons(ladder, "sector", at={"ses": "median"}).by("reml")
    assert row.at[0].value == pytest.approx(hsb.ses.median())


def test_every_combination_is_a_row(odd):
    fitted = fit("mathach ~ ses * sector * sex + (1 | schoolid)", odd, random_seed=1)
    rows = comparisons(fitted, "sector", at={"ses": [-1, 1], "sex": ["f", "m"]}).by("direct")
    found = [tuple(one.value for one in row.at) for row in rows]
    assert found == [(-1, "f"), (-1, "m"), (1, "f"), (1, "m")]


def test_kinds_of_change_of_a_number(ladder, hsb):
    (slope,) = slopes(ladder, "ses", at={"sector": 0}).by("reml")
    size = {"sd": hsb.ses.std(), 2: 2.0, (-1, 0.5): 1.5}
    for how, change in size.items():
        (row,) = comparisons(ladder, {"ses": how}, at={"sector": 0}).by("reml")
        assert row.estimate == pytest.approx(change * slope.estimate)
    # A name alone is a change by one of a number, the second value less the first of two.
    assert comparisons(ladder, "ses").rows[0].contrast == "ses: +1"
    assert comparisons(ladder, "sector").rows[0].contrast == "sector: 1 - 0"


def test_transformations_follow(odd):
    fitted = fit("mathach ~ log(wealth) + (1 | schoolid)", odd, random_seed=1)
    (b,) = estimate_of(fitted, "log(wealth)")
    (row,) = comparisons(fitted, {"wealth": (1, 4)}, data=odd).by("reml")
    assert row.estimate == pytest.approx(b * np.log(4.0))
    rows = slopes(fitted, "wealth", at={"wealth": [0.5, 2]}, data=odd).by("reml")
    # A central difference: its error is of the order of the square of the step, 1e-4 sds.
    assert [row.estimate for row in rows] == pytest.approx([b / 0.5, b / 2.0], rel=1e-6)
    (average,) = slopes(fitted, "wealth", data=odd).by("reml")
    assert average.estimate == pytest.approx(b * (1 / odd.wealth).mean(), rel=1e-5)


def test_slope_of_a_bent_line(hsb):
    fitted = fit("mathach ~ ses + I(ses**2) + (1 | schoolid)", hsb, random_seed=1)
    straight, bent = estimate_of(fitted, *fitted.design.terms[1:])
    rows = slopes(fitted, "ses", at={"ses": [-1, 0, 2]}).by("reml")
    wanted = [straight + 2 * bent * x for x in (-1, 0, 2)]
    assert [row.estimate for row in rows] == pytest.approx(wanted, rel=1e-6)


def test_categories(odd):
    fitted = fit("mathach ~ third * sex + (1 | schoolid)", odd, random_seed=1)
    names = [row.contrast for row in comparisons(fitted, "third").by("direct")]
    assert names == ["third: mid - low", "third: top - low"]
    names = [row.contrast for row in comparisons(fitted, {"third": "pairwise"}).by("direct")]
    assert names == ["third: mid - low", "third: top - low", "third: top - mid"]
    mid, top, mid_m, top_m = estimate_of(
        fitted, "third[mid]", "third[top]", "third[mid]:sex[m]", "third[top]:sex[m]"
    )
    (row,) = comparisons(fitted, {"third": ("mid", "top")}, at={"sex": "m"}).by("reml")
    assert row.estimate == pytest.approx(top + top_m - mid - mid_m)


def test_within_and_between_follow_the_encoding(hsb):
    formula = "mathach ~ within(ses) * sector + between(ses) + (1 | schoolid)"
    fitted = fit(formula, "hsb", random_seed=1)
    ses, product = estimate_of(fitted, "within(ses)", "within(ses):sector")
    rows = slopes(fitted, "ses", at={"sector": [0, 1]}).by("reml")
    # A student's ses moves within(ses) alone: the school's mean is the school's.
    assert [row.estimate for row in rows] == pytest.approx([ses, ses + product])
    sector, product = estimate_of(fitted, "sector", "within(ses):sector")
    (row,) = comparisons(fitted, "sector", at={"ses": 1}).by("reml")
    means = hsb.groupby("schoolid").ses.transform("mean")
    assert row.estimate == pytest.approx(sector + (1 - means).mean() * product)


def test_mundlak_means_of_products_follow_what_a_group_shares(hsb):
    fitted = fit(
        "mathach ~ ses * sector + (1 | schoolid)", hsb, kind="mundlak", random_seed=1, draws=50
    )
    sector, product, means = estimate_of(fitted, "sector", "ses:sector", "between(ses:sector)")
    (row,) = comparisons(fitted, "sector", at={"ses": 1}).by("reml")
    # In a school of the other sector the mean of ses:sector would be its mean ses, or 0.
    assert row.estimate == pytest.approx(sector + product + hsb.ses.mean() * means)
    ses, product = estimate_of(fitted, "ses", "ses:sector")
    (row,) = slopes(fitted, "ses", at={"sector": 1}).by("reml")
    assert row.estimate == pytest.approx(ses + product)


@pytest.mark.parametrize("name", ["hsb_within", "hsb_between", "hsb_no_pooling", "hsb_pooled"])
def test_kinds_without_drawn_effects_have_their_coefficient(name, mock_fit):
    fitted = mock_fit(name)
    row, beside = slopes(fitted, "ses").rows
    term = next(term for term in fitted.design.terms if "ses" in term)
    assert row.estimate == pytest.approx(beta_of(fitted, term)[0].mean())
    assert (row.engine, beside.engine) == ("nuts", "ols")


def test_ols_intervals_are_students(hsb):
    small = hsb.head(30)  # one school: the tails of t on 28 degrees of freedom matter
    fitted = fit("mathach ~ ses", small, random_seed=1)
    (row,) = slopes(fitted, "ses", prob=0.95).by("ols")
    # From R's qt at 0.975 with 28 degrees of freedom.
    assert (row.upper - row.estimate) / row.sd == pytest.approx(2.048407, abs=1e-6)


def test_rows_are_taken_back_out_of_the_design(odd):
    formula = "mathach ~ ses * third + sector + (ses | schoolid)"
    design = build_design(formula, odd)
    back = rebuild(design)
    for name in ("ses", "third", "sector", "schoolid"):
        assert back.columns[name].tolist() == as_table(odd).columns[name].tolist()
    within = design_of(load_record("hsb_within"))
    assert rebuild(within).columns["ses"] == pytest.approx(load_hsb().ses.to_numpy(), abs=1e-14)


def test_effects_of_an_estimate(ladder):
    reml = Estimate(solution=fit_reml(ladder.design), design=ladder.design)
    found = comparisons(reml, "sector", at={"ses": 0})
    assert [row.engine for row in found] == ["reml"]
    assert found.rows[0].estimate == pytest.approx(DIFFERENCES[1], **LME4)
    assert crossing(reml, "sector", "ses").posterior is None


def test_likelihood_can_be_left_out(ladder):
    assert [row.engine for row in comparisons(ladder, "sector", likelihood=False)] == ["direct"]
    assert crossing(ladder, "sector", "ses", likelihood=False).likelihood is None


def test_tidy_rows(ladder):
    found = comparisons(ladder, "sector", at={"ses": [-1, 0]}, rope=(-1, 1))
    frame = found.to_frame()
    assert frame.columns.tolist()[:5] == ["model", "engine", "kind", "contrast", "ses"]
    assert frame.ses.tolist() == [-1, -1, 0, 0]
    assert frame.decision.tolist()[0] == "different"
    assert frame[frame.engine == "reml"].direction.isna().all()
    lines = found.to_csv().splitlines()
    assert lines[0] == ",".join(frame.columns)
    assert len(lines) == 1 + len(found) == 5
    assert "rope" in str(found).splitlines()[0]
    assert "P(direction)" in str(found)
    rows = crossing(ladder, "sector", "ses").to_frame()
    assert set(rows.what) == {"crossing", "fieller", "excludes zero"}


@pytest.mark.parametrize(
    ("rope", "decision"),
    # The interval at ses = 1 is about 0.06 to 1.55.
    [((-0.1, 2.0), "equivalent"), ((-1.0, 0.0), "different"), ((-0.5, 0.5), "undecided")],
)
def test_practical_equivalence(ladder, rope, decision):
    (row,) = comparisons(ladder, "sector", at={"ses": 1}, rope=rope).by("direct")
    assert row.decision(rope) == decision
    assert row.below + row.within + row.above == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("ask", "error", "message"),
    [
        (lambda f: comparisons(f, "sectr"), DesignError, "did you mean 'sector'"),
        (lambda f: comparisons(f, "schoolid"), DesignError, "is a grouping factor"),
        (lambda f: comparisons(f, "within(ses)"), DesignError, "name the column 'ses'"),
        (lambda f: comparisons(f, {"sector": (1,)}), DesignError, "found 1"),
        (lambda f: comparisons(f, {"sector": (1, 1)}), DesignError, "twice"),
        (lambda f: comparisons(f, {"sector": "wide"}), DesignError, "found 'wide'"),
        (lambda f: comparisons(f, {"sector": 0}), DesignError, "change by a number"),
        (lambda f: comparisons(f, {"a": 1, "b": 2}), DesignError, "one predictor"),
        (lambda f: comparisons(f, "sector", at={"sector": 0}), DesignError, "what is compared"),
        (lambda f: comparisons(f, "sector", at={"ses": []}), DesignError, "no value"),
        (lambda f: comparisons(f, "sector", at={"ses": "big"}), DesignError, "mean±sd"),
        (lambda f: comparisons(f, "sector", at={"ses": np.nan}), DesignError, "a number"),
        (lambda f: comparisons(f, "sector", rope=(1, -1)), EngineError, "lower, upper"),
        (lambda f: comparisons(f, "sector", prob=94), EngineError, "between 0 and 1"),
        (lambda f: comparisons(f, "sector", data={"ses": [1.0]}), DataError, "sector"),
        (lambda f: comparisons(f.draws, "sector"), EngineError, "found Draws"),
        (lambda f: crossing(f, "sector", "sector"), DesignError, "another predictor"),
        (lambda f: crossing(f, "sector", "ses", at={"ses": 1}), DesignError, "cannot be set"),
    ],
)
def test_wrong_questions(ladder, ask, error, message):
    with pytest.raises(error, match=message):
        ask(ladder)


def test_wrong_questions_of_categories(odd):
    fitted = fit("mathach ~ ses * sex + third + (1 | schoolid)", odd, random_seed=1, draws=50)
    with pytest.raises(DesignError, match="has no slope"):
        slopes(fitted, "sex")
    with pytest.raises(DesignError, match="did you mean 'low'"):
        comparisons(fitted, {"third": ("lo", "top")})
    with pytest.raises(DesignError, match="categorical; contrast two"):
        comparisons(fitted, {"third": 2})
    with pytest.raises(DesignError, match="does not change with 'ses'"):
        crossing(fitted, {"third": ("low", "top")}, "ses")
    with pytest.raises(DesignError, match="choose one"):
        crossing(fitted, "third", "ses")
    with pytest.raises(DesignError, match="categorical; a crossing"):
        crossing(fitted, "ses", "sex")


def test_bent_differences_have_no_crossing(odd):
    fitted = fit("mathach ~ log(wealth) * sex + (1 | schoolid)", odd, random_seed=1, draws=50)
    with pytest.raises(DesignError, match="not linear"):
        crossing(fitted, "sex", "wealth", data=odd)
    # The design keeps the rows' wealth, which its columns have the logarithm of.
    given = comparisons(fitted, "wealth", data=odd).weights
    np.testing.assert_array_equal(comparisons(fitted, "wealth").weights, given)
    # And categories without a term of their own.
    fitted = fit("mathach ~ ses:third + (1 | schoolid)", odd, random_seed=1, draws=50)
    given = comparisons(fitted, "third", data=odd).weights
    np.testing.assert_allclose(comparisons(fitted, "third").weights, given, rtol=1e-12)
    # Of a model of group means the rows are not there.
    means = fit("mathach ~ ses", odd, kind="between", group="schoolid", random_seed=1, draws=50)
    with pytest.raises(DataError, match="give its rows too"):
        comparisons(means, "ses")


def test_data_that_were_not_fitted_are_not_averaged_over(hsb):
    # The between kind keeps group means only, so the record's data are read again; these differ.
    fitted = fit(load_record("hsb_between"), hsb[hsb.schoolid > 2000], random_seed=1, draws=50)
    with pytest.raises(DataError, match="other outcomes than the fitted"):
        slopes(fitted, "ses")
    found = slopes(fitted, "ses", data=hsb[hsb.schoolid > 2000])
    assert "groups of the new data" in found.over


def test_an_effect_that_a_kind_does_not_have(mock_fit, hsb):
    fitted = fit("mathach ~ ses + (1 | schoolid)", hsb, kind="mundlak", random_seed=1, draws=50)
    with pytest.raises(DesignError, match="no predictor 'sector'"):
        comparisons(fitted, "sector")


def test_a_value_outside_of_the_data_has_a_caution():
    fitted = fit("hsb_sector_ses", random_seed=1, draws=250)
    found = comparisons(fitted, "sector", at={"ses": [0, -10]})
    (caution,) = found.cautions
    assert caution.startswith("caution: ses = -10 lies outside of the data (-3.758 to 2.692)")
    assert caution in str(found)
    assert comparisons(fitted, "sector", at={"ses": [-1, 1]}).cautions == ()
