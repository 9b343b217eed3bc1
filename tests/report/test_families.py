"""The report of outcomes that are not Gaussian says what coefficients are differences in."""

import re
from functools import cache

import numpy as np
import pytest

from bayes_mlm import build_design, load_contraception
from bayes_mlm.base import UnsupportedModelError
from bayes_mlm.engines import samples
from bayes_mlm.figures.catalogue import model_figures
from bayes_mlm.figures.coefficients import ladder_coefficients
from bayes_mlm.figures.densities import variance_densities
from bayes_mlm.report import console
from bayes_mlm.report.equations import equations
from bayes_mlm.report.estimates import estimates_view
from bayes_mlm.report.group_table import group_table
from bayes_mlm.report.narrative import answer
from bayes_mlm.report.remarks import coded_outcome
from bayes_mlm.report.tables import ratios_table
from bayes_mlm.studies import FIGURES
from bayes_mlm.studies.hsb.figures.by_group import spread_by_group
from tests.helpers.figures import run, simulate


@cache
def passed():
    data = simulate(20, 15)
    data["y"] = (data["y"] > 1.0).astype(int)
    return run("y ~ x + (1 | g)", data, draws=100, family="bernoulli")


def letters(mathml):
    return re.sub(r"\s+", "", re.sub("<[^>]+>", "", mathml))


@pytest.mark.parametrize(
    ("family", "law"),
    [
        ("bernoulli", ["P(y_=1)=p_", "logit(p_)=η_"]),
        ("poisson", ["y_~Poisson(μ_)", "log(μ_)=η_"]),
        ("negative_binomial", ["y_~negativebinomial(μ_,shape)", "log(μ_)=η_"]),
        ("bernoulli(probit)", ["P(y_=1)=p_", "probit(p_)=η_"]),
        ("cumulative", ["logit(P(y_≤k))=τk−η_"]),
    ],
)
@pytest.mark.parametrize("formula", ["y ~ x + (1 | g)", "y ~ x", "y ~ x + (1 | g) + (1 | h)"])
def test_the_linear_predictor_has_no_residual_and_the_law_follows(family, law, formula):
    data = simulate(6, 6)
    data |= {"y": (data["y"] > 1.0).astype(int), "h": np.tile(np.arange(6), 6)}
    design = build_design(formula, data, family=family)
    shown = [letters(one.mathml) for one in equations(design)]
    assert shown[0].startswith("η")
    assert "+e" not in shown[0]
    index = "ij" if len(design.factors) == 1 else "i"
    assert shown[-len(law) :] == [one.replace("_", index) for one in law]


def test_coefficients_are_on_the_scale_of_the_linear_predictor():
    found = passed()
    [slope] = [one.text for one in answer([found]).conclusions if one.topic.startswith("The slope")]
    assert "a difference in log odds of y of" in slope
    assert ", an odds ratio of " in slope
    picture = ladder_coefficients([found])
    assert picture.terms[0].items[0].unit == "log odds of y"
    figure = FIGURES["coefficients"].draw(picture)
    (ax,) = figure.axes
    assert ax.get_title(loc="left") == "x (odds ratio of y)"
    places = [tick.get_position()[0] for tick in ax.get_xticklabels()]
    labels = [float(tick.get_text()) for tick in ax.get_xticklabels()]
    assert len(labels) >= 3
    np.testing.assert_allclose(np.exp(places), labels, rtol=0.005)  # three digits
    assert "Posterior means and ML agree" in picture.text.caption
    assert variance_densities(found).items[0].unit == "log odds of y"
    assert console.priors_table(found).view.headings[1] == "in log odds"


def test_odds_ratios_have_a_table_of_their_own():
    """Those of ML are exp() of the estimate and of the ends of its Wald interval."""
    found = passed()
    table = ratios_table(found, "ratios")
    assert table.view.title == "Odds ratios of y for one unit more: exp(β)."
    assert [row[0] for row in table.view.cells] == ["odds where all are zero", "x"]
    ml = found.estimate.summary()["beta[x]"]
    values = table.view.values[1]
    assert np.exp(ml.estimate) == pytest.approx(values[4])
    posterior = np.exp(samples(found.fits[0].draws, "beta")[:, 1])
    assert values[1] == pytest.approx(posterior.mean())
    assert ratios_table(run("y ~ x + (1 | g)", simulate(6, 5), draws=50), "none") is None


def test_the_summary_says_how_far_groups_differ():
    found = passed()
    text = next(one.text for one in answer([found]).conclusions if one.topic == "Between groups")
    rows = {row.quantity: row.estimate for row in found.summaries[0]}
    assert f"with an sd of {rows['sigma_u']:.2f}" in text
    assert "(median odds ratio)" in text
    # At the means of the predictors, 1.96 sds to either side: by hand.
    eta = rows["beta[Intercept]"] + rows["beta[x]"] * found.design.X[:, 1].mean()
    ends = [1 / (1 + np.exp(-(eta + k * 1.96 * rows["sigma_u"]))) for k in (0, -1, 1)]
    shown = re.search(
        r"is (\S+) in a group with an effect of 0, and between (\S+) and (\S+) in", text
    )
    for text_, value in zip(shown.groups(), ends, strict=True):
        assert float(text_) == pytest.approx(value, abs=0.006)


def test_which_category_is_1_is_a_fact_of_the_data():
    women = load_contraception()
    design = build_design("use ~ urban + (1 | district)", women, family="bernoulli")
    (text,) = coded_outcome(design)
    assert text == "use is 1 where it is Y: 759 of 1,934 rows, 39 %; 0 where it is N"
    ratings = simulate(4, 5) | {"y": np.tile([1, 2, 2, 3], 5)}
    (text,) = coded_outcome(build_design("y ~ x", ratings, family="cumulative"))
    assert text == "y, in order, with rows: 1 (5) < 2 (10) < 3 (5)"


def test_ml_is_called_ml():
    found = passed()
    assert found.agreement.message.startswith("posterior and ML ")
    assert "profile for sigma." in estimates_view(found).legend[0]


def test_figures_of_outcomes_and_lines_on_one_scale_are_of_outcomes_or_refused():
    found = passed()
    shown = {entry.name: data for entry, data in model_figures(found)}
    assert {"shrinkage", "trajectories"} <= shown.keys()
    assert shown["shrinkage"].outcome == shown["trajectories"].outcome == "probability of y = 1"
    with pytest.raises(UnsupportedModelError, match=r"the figure 'prototypes' needs a residual sd"):
        FIGURES["prototypes"].find(found)
    assert "randomised quantile residuals" in shown["row-residuals"].text.caption
    influence = shown["group-influence"]
    assert np.ptp(influence.effect) > 1.0
    assert influence.text.caption.startswith("Without ")
    assert "Right" not in influence.text.caption
    assert group_table(found).scale == "log odds of y"
    gaussian = run("y ~ x + (1 | g)", simulate(20, 15), draws=100)
    assert FIGURES["shrinkage"].find(gaussian).outcome == "y"
    needy = [entry for entry in FIGURES.values() if entry.additive and entry.of == "ladder"]
    assert needy
    for entry in needy:  # a ladder is of the models that it suits
        both, alone = entry.find([found, gaussian]), entry.find([gaussian])
        assert (both is None) == (alone is None)


def test_categories_have_no_figure_of_their_middle_half():
    assert spread_by_group([passed()]) is None


def test_variance_parts_name_their_scale():
    shown = FIGURES["variance-parts"].find(passed())
    assert shown.text.title.startswith("Where the variance of y comes from, on the latent scale (")
    assert "distribution-specific " in shown.text.caption
    assert "residuals" not in shown.text.caption
    assert shown.text.alt.endswith("and the ML estimate.")
    sums = [sum(one.mean for one in column.shares) for column in shown.columns]
    assert sums == pytest.approx([1.0] * len(sums))
