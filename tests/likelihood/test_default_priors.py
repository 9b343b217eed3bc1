"""Defaults scale with the data; the user's priors take their place; none is ignored."""

import numpy as np
import pytest

from bayes_mlm.base.errors import PriorError
from bayes_mlm.data.datasets import load_dataset
from bayes_mlm.data.table import as_table
from bayes_mlm.design import build_design
from bayes_mlm.design.layouts import for_kind
from bayes_mlm.likelihood.default_priors import model_priors


def sleep(formula="reaction ~ days + (days | subject)", times=1.0, **options):
    table = load_dataset("sleepstudy")
    columns = dict(table.columns) | {"reaction": table.columns["reaction"] * times}
    return build_design(formula, as_table(columns), **options)


def test_defaults_follow_the_documented_rule():
    design = sleep()
    y, x = design.y, design.X[:, 1]
    named = model_priors(design).by_name(design)
    assert named["Intercept"]["mu"] == pytest.approx(y.mean())
    assert named["beta[days]"]["sigma"] == pytest.approx(2.5 * y.std() / x.std())
    assert named["sigma_u[Intercept]"]["sigma"] == pytest.approx(y.std())
    assert named["sigma_u[days]"]["sigma"] == pytest.approx(y.std() / x.std())
    assert str(named["rho_u"]) == "LKJ(eta=2)"
    assert list(named)[-1] == "sigma_e"


def test_defaults_scale_with_the_outcome():
    one, thousand = (model_priors(d).by_name(d) for d in (sleep(), sleep(times=1000.0)))
    for name in ("Intercept", "beta[days]", "sigma_u[days]", "sigma_e"):
        assert thousand[name]["sigma"] == pytest.approx(1000 * one[name]["sigma"])


def test_one_coefficient_beats_all():
    design = sleep("reaction ~ days + I(days**2) + (1 | subject)")
    named = model_priors(
        design,
        {"beta": "Normal(0, 1)", "beta[days]": "StudentT(3, 0, 2)", "sigma_u": "HalfNormal(9)"},
    ).by_name(design)
    assert named["beta[days]"].family == "StudentT"
    assert named["beta[I(days ** 2)]"]["sigma"] == 1
    assert named["sigma_u"]["sigma"] == 9
    assert named["Intercept"]["sigma"] == pytest.approx(2.5 * np.std(design.y))


def test_no_pooling_has_a_prior_for_own_intercepts_and_none_for_their_sd():
    design = for_kind(sleep("reaction ~ days", group="subject"), "no_pooling")
    assert list(model_priors(design).by_name(design)) == ["beta[days]", "u", "sigma_e"]


@pytest.mark.parametrize(
    ("formula", "name", "says"),
    [
        ("reaction ~ days + (1 | subject)", "beta[day]", "did you mean 'beta[days]'"),
        ("reaction ~ days + (1 | subject)", "rho_u", "no parameter 'rho_u'"),
        ("reaction ~ days + (1 | subject)", "sigma_u[days]", "no parameter"),
        ("reaction ~ days + (1 | subject)", "u", "no parameter 'u'"),
        ("reaction ~ 0 + days + (1 | subject)", "Intercept", "no parameter 'Intercept'"),
        ("reaction ~ 1 + (1 | subject)", "beta", "no parameter 'beta'"),
        ("reaction ~ days", "sigma_u", "no parameter 'sigma_u'"),
    ],
)
def test_a_prior_that_would_be_ignored_is_refused(formula, name, says):
    text = {"rho": "LKJ(1)", "sig": "HalfNormal(1)"}.get(name[:3], "Normal(0, 1)")
    with pytest.raises(PriorError) as caught:
        model_priors(sleep(formula), {name: text})
    assert says in str(caught.value)


def test_two_priors_for_the_intercept_are_refused():
    with pytest.raises(PriorError, match="two priors"):
        model_priors(sleep(), {"Intercept": "Normal(0, 1)", "beta[Intercept]": "Normal(0, 1)"})


def test_priors_of_another_design_are_refused():
    with pytest.raises(PriorError, match="another design"):
        model_priors(sleep("reaction ~ days + (1 | subject)"), model_priors(sleep()))
