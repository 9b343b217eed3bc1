"""Latent icc, median ratios and exponentiated coefficients of a summary."""

import math
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from scipy.stats import norm

from bayes_mlm import build_design, fit, summarise
from bayes_mlm.base import UnsupportedModelError
from bayes_mlm.fitting import Analysis, shortest_interval
from bayes_mlm.fitting.derived import median_ratio
from bayes_mlm.fitting.ratios import latent_quantities, ratio_of
from bayes_mlm.model import FAMILIES, family_of
from bayes_mlm.report import console, publication_table
from tests.helpers import ROOT
from tests.helpers.figures import run, simulate

CONTRACEPTION = ROOT / "tests" / "cases" / "contraception.csv"
FORMULA = "use ~ age + urban + (1 | district)"


@cache
def estimate(family="bernoulli", formula=FORMULA):
    return fit(formula, CONTRACEPTION, family=family, engine="ml")


@cache
def drawn():
    return fit(FORMULA, CONTRACEPTION, family="bernoulli", random_seed=1, draws=500)


def test_the_median_ratio_is_that_of_simulated_pairs():
    """Brute force: pairs of groups, the larger effect relative to the smaller."""
    rng = np.random.default_rng(1)
    for sigma in (0.2, 1.0, 2.5):
        u = sigma * rng.normal(size=(200_000, 2))
        ratios = np.exp(np.abs(u[:, 0] - u[:, 1]))
        # Of the log of a median of 200,000: sd about sigma * .003.
        assert math.log(median_ratio(sigma)) == pytest.approx(
            math.log(np.median(ratios)), abs=0.012 * sigma
        )
    assert median_ratio(0.0) == 1.0


def test_rows_of_a_maximum_carry_the_profile_of_the_sd_over():
    """Goldstein, Browne & Rasbash (2002); Larsen & Merlo (2005): by hand from sigma_u."""
    found = estimate().summary()
    sd = found["sigma_u"]
    icc = {end: v**2 / (v**2 + math.pi**2 / 3) for end in ("estimate", "lower", "upper")
           for v in [getattr(sd, end)]}  # fmt: skip
    factor = math.sqrt(2) * norm.ppf(0.75)
    for end, value in icc.items():
        assert getattr(found["icc"], end) == pytest.approx(value, rel=1e-12)
        ratio = math.exp(factor * getattr(sd, end))
        assert getattr(found["median_odds_ratio"], end) == pytest.approx(ratio, rel=1e-12)
    step = 1e-6
    for name in ("icc", "median_odds_ratio"):
        ends = [
            latent_quantities(estimate().design, lambda _, d=d: np.asarray(sd.estimate + d))[name]
            for d in (-step, step)
        ]
        slope = (ends[1] - ends[0]) / (2 * step)
        assert found[name].sd == pytest.approx(slope * sd.sd, rel=1e-6)
    assert "3.29 (logit)" in str(found)


def test_rows_of_draws_are_made_draw_by_draw():
    found, sds = drawn().summary(), drawn().draws["sigma_u"].ravel()
    assert found["median_odds_ratio"].estimate == pytest.approx(median_ratio(sds).mean())
    assert found["icc"].estimate == pytest.approx((sds**2 / (sds**2 + math.pi**2 / 3)).mean())
    assert found["icc"].ess_bulk is not None
    both = drawn().compare(estimate())
    assert abs(both["median_odds_ratio"].difference) < 1.0
    assert sum("latent outcome" in note for note in both.notes) == 1


@pytest.mark.parametrize(
    ("family", "variance", "median"),
    [
        ("bernoulli", math.pi**2 / 3, "median_odds_ratio"),
        ("bernoulli(probit)", 1.0, None),
        ("bernoulli(cloglog)", math.pi**2 / 6, "median_hazard_ratio"),
        ("cumulative", math.pi**2 / 3, "median_odds_ratio"),
        ("poisson", None, "median_rate_ratio"),
        ("negative_binomial", None, "median_rate_ratio"),
        ("gamma", None, "median_mean_ratio"),
        ("beta", None, "median_odds_ratio"),
        ("gaussian", None, None),
        ("student_t", None, None),
    ],
)
def test_each_family_has_what_its_link_gives(family, variance, median):
    data = simulate(6, 6)
    h = np.tile(np.arange(6), 6)
    positive = np.exp(data["y"] / 9)
    data |= {
        "y": positive / (1 + positive) if family == "beta" else np.floor(positive) + 1, "h": h
    }  # fmt: skip
    if "bernoulli" in family:
        data["y"] = (data["x"] > 0) * 1
    design = build_design("y ~ x + (1 | g)", data, family=family)
    found = latent_quantities(design, lambda _: np.array([0.5, 2.0]))
    assert ("icc" in found) == (variance is not None)
    if variance is not None:
        np.testing.assert_allclose(found["icc"], [0.25 / (0.25 + variance), 4 / (4 + variance)])
    assert set(found) == {one for one in ("icc" * (variance is not None), median) if one}
    both = build_design("y ~ x + (1 | g) + (1 | h)", data, family=family)
    found = latent_quantities(both, lambda name: np.array(0.5 if name == "sigma_u_g" else 1.0))
    if variance is not None:
        assert found["icc[g]"] == pytest.approx(0.25 / (1.25 + variance))
    slopes = build_design("y ~ x + (x | g)", data, family=family)
    assert not latent_quantities(slopes, lambda _: np.array(1.0))


def test_ratios_of_a_maximum():
    plain, found = estimate().summary(), estimate().summary(exponentiate=True)
    slope, ratio = plain["beta[age]"], found["odds_ratio[age]"]
    assert ratio.estimate == math.exp(slope.estimate)
    assert ratio.sd == pytest.approx(math.exp(slope.estimate) * slope.sd)
    assert (ratio.lower, ratio.upper) == (math.exp(slope.lower), math.exp(slope.upper))
    assert found["odds[Intercept]"].estimate == math.exp(plain["beta[Intercept]"].estimate)
    assert found["sigma_u"] == plain["sigma_u"]
    hazard = estimate("bernoulli(cloglog)").summary(exponentiate=True)
    assert "hazard_ratio[age]" in hazard
    assert summarise(estimate(), exponentiate=True, prob=0.5).interval == "50% CI"


def test_the_hdi_of_a_ratio_is_of_the_ratio():
    plain, found = drawn().summary(), drawn().summary(exponentiate=True)
    draws = np.exp(drawn().beta[:, drawn().design.terms.index("urban[Y]")])
    ratio = found["odds_ratio[urban[Y]]"]
    assert ratio.estimate == pytest.approx(draws.mean())
    assert ratio.sd == pytest.approx(draws.std(ddof=1))
    ends = (float(end[0]) for end in shortest_interval(draws[:, None], 0.95))
    assert (ratio.lower, ratio.upper) == tuple(ends)
    odds, row = found["odds[Intercept]"], plain["beta[Intercept]"]
    exponentiated = math.exp(row.upper) - math.exp(row.lower)
    assert odds.upper - odds.lower < exponentiated  # the shortest
    ends = [drawn().summary(interval="eti", exponentiate=one) for one in (False, True)]
    quantiles = np.quantile(draws, [0.025, 0.975])
    shown = ends[1]["odds_ratio[urban[Y]]"]
    np.testing.assert_allclose([shown.lower, shown.upper], quantiles, rtol=1e-12)


@pytest.mark.parametrize("family", ["gaussian", "student_t", "bernoulli(probit)"])
def test_links_without_ratios_are_refused(family):
    found = family_of(family)
    with pytest.raises(UnsupportedModelError, match="are no ratios; use exponentiate with"):
        found.require_ratio()
    data = simulate(6, 6)
    if family == "gaussian":
        found = fit("y ~ x + (1 | g)", data, engine="reml")
        with pytest.raises(UnsupportedModelError, match="Gaussian family"):
            found.summary(exponentiate=True)


def test_a_table_for_a_paper_has_ratios():
    analysis = Analysis(
        request=drawn().request,
        design=drawn().design,
        fits=(drawn(),),
        estimates=(estimate(),),
        summaries=(drawn().summary(), estimate().summary()),
        prob=0.95,
    )
    table = publication_table([analysis], exponentiate=True)
    labels = [row.label for row in table.rows]
    assert labels[:3] == ["Intercept (odds)", "age (odds ratio)", "urban[Y] (odds ratio)"]
    assert labels[labels.index("ICC") + 1] == "median odds ratio"
    assert table.rows[2].cells[1].source == estimate().summary(exponentiate=True)[4 - 2]
    assert any("share of the variance of the latent outcome" in note for note in table.notes)
    assert analysis.exponentiated().compared[0].quantity == "odds[Intercept]"
    shown = console.estimates_table(analysis.exponentiated()).view
    assert any("exponentiated draws" in line for line in shown.legend)
    assert publication_table([analysis]).rows[0].label == "Intercept"
    gaussian = run("y ~ x + (1 | g)", simulate(20, 15), draws=100)
    with pytest.raises(UnsupportedModelError):
        publication_table([analysis, gaussian], exponentiate=True)


def test_a_family_of_one_own_names_its_ratio():
    own = replace(FAMILIES["poisson"], name="own", ratio_name="prevalence ratio")
    assert ratio_of(own, "beta[x]") == "prevalence_ratio[x]"
    assert ratio_of(own, "beta[Intercept]") == "prevalence[Intercept]"
