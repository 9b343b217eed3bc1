"""The report of outcomes that are not Gaussian says what coefficients are differences in."""

import re
from functools import cache

import numpy as np
import pytest

from bayes_mlm import build_design
from bayes_mlm.base import UnsupportedModelError
from bayes_mlm.figures.catalogue import model_figures
from bayes_mlm.figures.coefficients import ladder_coefficients
from bayes_mlm.figures.densities import variance_densities
from bayes_mlm.report import console
from bayes_mlm.report.equations import equations
from bayes_mlm.report.estimates import estimates_view
from bayes_mlm.report.group_table import group_table
from bayes_mlm.report.narrative import answer
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
        ("bernoulli", "Bernoulli,linklogit"),
        ("poisson", "Poisson,linklog"),
        ("bernoulli(probit)", "Bernoulli,linkprobit"),
    ],
)
@pytest.mark.parametrize("formula", ["y ~ x + (1 | g)", "y ~ x", "y ~ x + (1 | g) + (1 | h)"])
def test_the_linear_predictor_has_no_residual(family, law, formula):
    data = simulate(6, 6)
    data |= {"y": (data["y"] > 1.0).astype(int), "h": np.tile(np.arange(6), 6)}
    design = build_design(formula, data, family=family)
    shown = [letters(one.mathml) for one in equations(design)]
    assert shown[0].startswith("η")
    assert "+e" not in shown[0]
    index = "ij" if len(design.factors) == 1 else "i"
    assert shown[-1] == f"y{index}~{law},linearpredictorη{index}"


def test_coefficients_are_on_the_scale_of_the_linear_predictor():
    found = passed()
    [slope] = [one.text for one in answer([found]).conclusions if one.topic.startswith("The slope")]
    assert "a difference in log odds of y of" in slope
    picture = ladder_coefficients([found])
    assert picture.terms[0].items[0].unit == "log odds of y"
    assert "Posterior means and ML agree" in picture.text.caption
    assert variance_densities(found).items[0].unit == "log odds of y"
    assert console.priors_table(found).view.headings[1] == "in log odds"


def test_ml_is_called_ml():
    found = passed()
    assert found.agreement.message.startswith("posterior and ML ")
    assert "profile for sigma." in estimates_view(found).legend[0]


def test_figures_of_outcomes_and_lines_on_one_scale_are_refused():
    found = passed()
    shown = {entry.name: data for entry, data in model_figures(found)}
    assert not {"shrinkage", "trajectories"} & shown.keys()
    with pytest.raises(UnsupportedModelError, match=r"the figure 'shrinkage' needs a residual sd"):
        FIGURES["shrinkage"].find(found)
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
