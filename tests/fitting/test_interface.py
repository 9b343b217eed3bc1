"""One interface: results as tables, one model by several engines, progress where it is watched."""

import io
import sys
import time
import warnings

import pytest

from bayes_mlm import fit, load_sleepstudy, loo_compare
from bayes_mlm.base.errors import BayesMLMError, EngineError
from bayes_mlm.fitting import Summary, estimate_of, summarise, waiting as waiting_module
from bayes_mlm.fitting.waiting import is_watched, waiting

GROWTH = "reaction ~ days + (days | subject)"


@pytest.fixture(scope="module")
def drawn():
    return fit(GROWTH, "sleepstudy", random_seed=1, draws=250)


@pytest.fixture(scope="module")
def reml():
    return fit(GROWTH, "sleepstudy", engine="reml")


def test_an_estimate_is_a_table_of_about_ten_lines(reml):
    lines = repr(reml).splitlines()
    assert str(reml) == repr(reml)
    assert lines[0].startswith("reaction ~ 1 + days + (1 + days | subject) by reml; n = 180, 18 ")
    assert lines[1].split() == ["quantity", "estimate", "se", "95%", "CI"]
    # lme4, tests/reference/lme4.json (sleepstudy_slope): 10.467, se 1.546.
    assert lines[3].split()[:3] == ["beta[days]", "10.5", "1.5"]
    assert 9 <= len(lines) <= 12
    html = reml._repr_html_()
    assert "<table" in html
    assert "beta[days]" in html


def test_a_model_with_many_coefficients_prints_its_first_and_its_variances():
    table = load_sleepstudy().assign(day=lambda t: t["days"].map("d{:.0f}".format))
    # Day by another factor: 20 coefficients and more.
    table["half"] = (table["subject"].astype(int) % 2).map({0: "a", 1: "b"})
    found = fit("reaction ~ day * half + (1 | subject)", table, engine="reml")
    text = repr(found)
    assert len(text.splitlines()) <= 17
    assert "beta[Intercept]" in text
    assert "sigma_u" in text
    assert "more in .summary()" in text
    assert len(found.summary()) > 20


def test_questions_share_one_likelihood_estimate(drawn):
    assert estimate_of(drawn) is estimate_of(drawn)
    narrow = estimate_of(drawn, 0.5)
    assert narrow is estimate_of(drawn, 0.5)
    assert narrow.solution.beta_interval[0].level == 0.5
    assert estimate_of(drawn).solution.beta_interval[0].level == 0.95


def test_a_fit_prints_as_a_table_and_its_summary_is_summarise(drawn):
    assert "beta[days]" in str(drawn)
    assert "<table" in drawn._repr_html_()
    assert repr(drawn).startswith("<Fit ")
    for options in ({}, {"prob": 0.5}, {"interval": "eti"}, {"groups": True}):
        assert drawn.summary(**options).rows == summarise(drawn, **options).rows
    assert isinstance(drawn.summary(), Summary)
    assert list(drawn.summary().to_frame()["quantity"])[1] == "beta[days]"


def test_a_posterior_is_compared_with_the_likelihood_estimate(drawn, reml):
    found = drawn.compare()
    assert found.engines == ("direct", "reml")
    mine, other = found["beta[days]"].estimates
    assert mine == drawn.summary()["beta[days]"]
    # lme4, tests/reference/lme4.json (sleepstudy_slope).
    assert other.estimate == pytest.approx(10.46728596, abs=1e-6)
    assert found["beta[days]"].difference == pytest.approx(
        (mine.estimate - other.estimate) / mine.sd
    )
    frame = found.to_frame().set_index("quantity")
    assert frame.loc["beta[days]", "reml"] == other.estimate
    assert frame.loc["beta[days]", "direct_lower"] == mine.lower
    assert drawn.compare(reml).rows == drawn.compare("reml").rows == found.rows
    assert "diff/sd" in str(found)
    assert "<table" in found._repr_html_()


def test_an_estimate_is_compared_with_draws_and_with_another_estimate(drawn, reml):
    by_draws = reml.compare(random_seed=3)
    assert by_draws.engines == ("reml", "direct")
    again = reml.compare("direct", random_seed=3)
    assert again.rows == by_draws.rows
    assert by_draws.rows[1].estimates[1] == fit(GROWTH, "sleepstudy", random_seed=3).summary()[1]
    both = reml.compare("ml", drawn)
    assert both.engines == ("reml", "ml", "direct")
    # lme4, tests/reference/lme4.json: log-likelihood of the ML fit, below that of REML's own scale.
    ml = both["loglik"].estimates[1].estimate
    assert ml == pytest.approx(fit(GROWTH, "sleepstudy", engine="ml").summary()["loglik"].estimate)
    only = reml.compare("ml")
    assert "diff/sd" not in str(only)


def test_draws_of_a_comparison_have_the_fits_priors():
    tight = {"sigma_u": "HalfNormal(1)"}
    formula = "reaction ~ days + (1 | subject)"
    fitted = fit(formula, "sleepstudy", priors=tight, random_seed=1)
    other = fitted.compare("direct", random_seed=2)
    mine, again = other["sigma_u"].estimates
    free = fit(formula, "sleepstudy", random_seed=2).summary()["sigma_u"]
    assert other.engines == ("direct", "direct_2")
    assert again.estimate == pytest.approx(mine.estimate, abs=0.2 * mine.sd)
    assert abs(free.estimate - mine.estimate) > 3 * mine.sd


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ("rmel", "did you mean 'reml'"),
        ("ols", "OLS has no group effects"),
        (3, r"name of an engine, or another result of the same model, found int \(3\)"),
    ],
)
def test_what_cannot_be_compared_is_named(drawn, other, message):
    with (
        pytest.raises(EngineError, match=message)
        if other != "ols"
        else pytest.raises(BayesMLMError, match=message)
    ):
        drawn.compare(other)


def test_two_models_are_not_two_engines(drawn):
    simple = fit("reaction ~ days + (1 | subject)", "sleepstudy", random_seed=1, draws=250)
    with pytest.raises(EngineError, match="loo_compare"):
        drawn.compare(simple)
    assert len(loo_compare([drawn, simple]).by("row")) == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"REML": True}, "engine='reml'"),
        ({"seed": 1}, "random_seed=1"),
        ({"familly": "gaussian"}, "did you mean 'family'"),
        ({"draw": 100}, "did you mean 'draws'"),
        ({"engine": "nutz"}, "did you mean 'nuts'"),
        ({"kind": "partial"}, "did you mean 'partial_pooling'"),
        ({"rows": "kep"}, "did you mean 'keep'"),
        ({"missing": "dorp"}, "did you mean 'drop'"),
        ({"family": "studentt"}, "did you mean 'student_t'"),
    ],
)
def test_a_wrong_option_names_the_nearest(options, message):
    with pytest.raises(BayesMLMError, match=message):
        fit(GROWTH, "sleepstudy", **options)


def test_data_before_the_model_is_named():
    with pytest.raises(EngineError, match="the model comes first, the data second"):
        fit("sleepstudy", GROWTH)
    with pytest.raises(EngineError, match="the model comes first, the data second"):
        fit(load_sleepstudy(), GROWTH)


def test_a_quantity_that_is_not_there_names_the_nearest(drawn):
    with pytest.raises(KeyError, match=r"did you mean 'beta\[days\]'"):
        drawn.summary()["beta[day]"]


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("ranef", "group_lines"),
        ("fixef", r"summary\(\)"),
        ("predict", r"predict\(result, new\)"),
        ("aic", "loo_compare"),
        ("posterior_predict", "posterior_predictive"),
        ("as_draws_df", "data"),
        ("bayes_R2", "variance_by_level"),
        ("psense", "psense_summary"),
        ("isSingular", "verdict"),
        ("nobs", "design"),
    ],
)
def test_a_name_of_another_package_says_what_it_is_here(drawn, reml, name, advice):
    for result in (drawn, reml):
        with pytest.raises(AttributeError, match=advice):
            getattr(result, name)
    assert not hasattr(drawn, "__array__")


@pytest.mark.parametrize(
    ("text", "formula"),
    [
        ("y x || g:", "'y ~ x + (1 | g)'"),
        ("y ~ x || g:", "'y ~ x + (1 | g)'"),
        ("y ~ x, mle || g: x, covariance(unstructured)", "'y ~ x + (1 + x | g)'"),
        ("y c.x##i.z || g: x", "'y ~ x * C(z) + (1 + x || g)'"),
        ("y ~ x#z", "'y ~ x:z'"),
    ],
)
def test_statas_notation_is_answered_with_the_formula(text, formula):
    from bayes_mlm.formula import parse_formula

    for ask in (parse_formula, lambda one: fit(one, {"y": [1.0], "x": [1.0], "g": [1]})):
        with pytest.raises(BayesMLMError) as caught:
            ask(text)
        assert formula in str(caught.value)
    parse_formula(formula.strip("'"))


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def _shown(monkeypatch, stream, seconds):
    monkeypatch.setattr("bayes_mlm.fitting.waiting.PATIENCE", 0.05)
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("TERM", "xterm")
    with waiting("fitting [a] model"):
        time.sleep(seconds)
    return stream.getvalue()


def test_what_lasts_is_shown_on_a_terminal_and_not_in_a_pipe(monkeypatch):
    assert "fitting [a] model" in _shown(monkeypatch, _Terminal(), 0.6)
    assert _shown(monkeypatch, _Terminal(), 0.0) == ""
    assert _shown(monkeypatch, io.StringIO(), 0.2) == ""


def test_jupyter_is_watched_without_a_terminal(monkeypatch):
    class ZMQInteractiveShell:
        pass

    class IPython:
        @staticmethod
        def get_ipython():
            return ZMQInteractiveShell()

    monkeypatch.setattr(sys, "stderr", io.StringIO())
    monkeypatch.delitem(sys.modules, "IPython", raising=False)
    assert not is_watched()
    monkeypatch.setitem(sys.modules, "IPython", IPython)
    assert is_watched()
    # Without ipywidgets rich has nothing to draw with there, and would warn in the notebook.
    monkeypatch.setattr("bayes_mlm.fitting.waiting.find_spec", lambda _: None)
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("always")
        assert _shown(monkeypatch, io.StringIO(), 0.2) == ""
    assert not shown


def test_a_cell_without_widgets_gets_no_warning(monkeypatch):
    def started(*_):
        raise AssertionError("a status was to be shown")

    monkeypatch.setattr(waiting_module, "in_notebook", lambda: True)
    monkeypatch.setattr(waiting_module, "Timer", started)
    monkeypatch.setattr(waiting_module, "find_spec", lambda _: None)
    with waiting("fitting"):
        pass
    monkeypatch.setattr(waiting_module, "find_spec", lambda name: name)
    with pytest.raises(AssertionError), waiting("fitting"):
        pass


def test_the_same_formula_on_other_data_is_another_model():
    formula, table = "reaction ~ days + (1 | subject)", load_sleepstudy()
    one = fit(formula, "sleepstudy", engine="reml")
    table["reaction"] = table["reaction"].to_numpy()[::-1] * 1.5
    other = fit(formula, table, engine="ml")
    with pytest.raises(EngineError, match="two models"):
        one.compare(other)


def test_estimates_are_compared_at_a_coverage():
    one = fit("reaction ~ days + (1 | subject)", "sleepstudy", engine="reml")
    wide, narrow = one.compare("ml", prob=0.95), one.compare("ml", prob=0.5)
    assert narrow.engines == wide.engines == ("reml", "ml")
    spans = [one.summary(prob=prob)["beta[days]"] for prob in (0.5, 0.95)]
    assert spans[0].upper - spans[0].lower < spans[1].upper - spans[1].lower
