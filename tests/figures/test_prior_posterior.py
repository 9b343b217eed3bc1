"""Priors as drawn next to their posteriors."""

import numpy as np
import pytest
import scipy.stats

from bayes_mlm.figures.prior_posterior import prior_and_posterior, prior_density
from bayes_mlm.model.priors import parse_prior
from tests.helpers.figures import run, simulate


@pytest.mark.parametrize(
    ("name", "text", "law"),
    [
        ("beta", "Normal(1, 2)", scipy.stats.norm(1, 2)),
        ("beta", "StudentT(3, 1, 2)", scipy.stats.t(3, 1, 2)),
        ("beta", "Cauchy(1, 2)", scipy.stats.cauchy(1, 2)),
        ("sigma_e", "HalfNormal(2)", scipy.stats.halfnorm(0, 2)),
        ("sigma_e", "HalfCauchy(2)", scipy.stats.halfcauchy(0, 2)),
        ("sigma_e", "Exponential(0.5)", scipy.stats.expon(0, 2)),
        ("sigma_e", "Gamma(2, 0.5)", scipy.stats.gamma(2, 0, 2)),
        ("sigma_e", "InverseGamma(2, 0.5)", scipy.stats.invgamma(2, 0, 0.5)),
        # LKJ(eta) of two effects: Beta(eta, eta) on (-1, 1).
        ("rho_u", "LKJ(2)", scipy.stats.beta(2, 2, -1, 2)),
    ],
)
def test_prior_densities_are_scipys(name, text, law):
    x = np.linspace(0.05, 0.95, 19)
    found = prior_density(parse_prior(name, text), x, 2)
    np.testing.assert_allclose(found, law.pdf(x), rtol=1e-9)


def test_prior_ratio_is_that_over_the_interval(hsb):
    picture = prior_and_posterior(hsb["hsb_ses"])
    panels = {panel.name: panel for panel in picture.panels}
    assert list(panels) == ["Intercept, at the means", "beta[ses]", "sigma_u", "sigma_e"]
    row = hsb["hsb_ses"].summaries[0]["beta[ses]"]
    panel = panels["beta[ses]"]
    assert (panel.lower, panel.upper) == (row.lower, row.upper)
    prior = hsb["hsb_ses"].fits[0].priors.beta[1]
    ends = scipy.stats.norm(prior["mu"], prior["sigma"]).pdf([row.lower, row.upper])
    assert panel.ratio == pytest.approx(ends.max() / ends.min(), rel=1e-6)
    # At the means of the predictors the intercept is near the mean outcome, 12.75.
    middle = panels["Intercept, at the means"].posterior
    assert np.average(middle.x, weights=middle.y) == pytest.approx(12.7, abs=0.3)
    assert picture.text.caption.startswith("No prior is informative")


def test_flat_priors_are_named_and_tight_ones_are_said_to_weigh():
    data = simulate(20, 6)
    priors = {"beta[x]": "Flat()", "sigma_u": "HalfNormal(0.2)"}
    picture = prior_and_posterior(run("y ~ x + (1 | g)", data, priors=priors))
    assert picture.flat == ("beta[x]",)
    assert "beta[x]" not in [panel.name for panel in picture.panels]
    assert "sigma_u (factor" in picture.text.caption
    assert "There the prior is informative." in picture.text.caption
