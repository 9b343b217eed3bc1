"""Log-priors and draws from priors, against PyMC, scipy and the LKJ distribution's margins."""

import numpy as np
import pytest
from scipy import stats

from bayes_mlm import build_design, fit, partial_pooling
from bayes_mlm.likelihood import draw_priors, log_priors, model_priors
from tests.helpers.classes import table

PRIORS = {
    "beta[x]": "StudentT(4, 0, 3)",
    "sigma_u[x]": "HalfNormal(1.5)",
    "sigma_u[Intercept]": "Gamma(2, 1)",
    "sigma_e": "HalfCauchy(2)",
    "rho_u": "LKJ(1.5)",
}


def test_log_priors_are_pymcs():
    """Oracle: PyMC's log-prior of the factory's model, at the same draws."""
    import pymc as pm

    fitted = fit("score ~ x + (x | room)", table(), random_seed=1, draws=4, priors=PRIORS)
    made = partial_pooling(fitted.design, fitted.priors, centred=True)
    quiet = {"compile_kwargs": {"mode": "FAST_COMPILE"}, "progressbar": False}
    found = pm.stats.compute_log_prior(fitted.tree(mu=False), model=made, **quiet)["log_prior"]
    own = fitted.data["log_prior"]
    pairs = (
        (own["beta"].sel(term="x"), found["beta_free_StudentT_"][..., 0]),
        (own["sigma_u"].sel(effect="x"), found["sigma_u_free_HalfNormal_"][..., 0]),
        (own["sigma_e"], found["sigma_e"]),
        (own["rho_u"], found["rho_cholesky_"]),
    )
    for ours, theirs in pairs:
        np.testing.assert_allclose(ours, theirs, rtol=1e-9)


@pytest.mark.parametrize(
    ("name", "prior", "known"),
    [
        ("beta[x]", "Normal(1, 2)", stats.norm(1, 2)),
        ("beta[x]", "Cauchy(1, 2)", stats.cauchy(1, 2)),
        ("beta[x]", "StudentT(3, 1, 2)", stats.t(3, 1, 2)),
        ("sigma_e", "HalfNormal(2)", stats.halfnorm(scale=2)),
        ("sigma_e", "HalfStudentT(3, 2)", None),
        ("sigma_e", "HalfCauchy(2)", stats.halfcauchy(scale=2)),
        ("sigma_e", "Exponential(2)", stats.expon(scale=0.5)),
        ("sigma_e", "Gamma(2, 3)", stats.gamma(2, scale=1 / 3)),
        ("sigma_e", "InverseGamma(3, 2)", stats.invgamma(3, scale=2)),
        ("sigma_e", "Uniform(1, 4)", stats.uniform(1, 3)),
    ],
)
def test_densities_and_draws_of_priors_are_scipys(name, prior, known):
    design = build_design("score ~ x + (1 | room)", table())
    priors = model_priors(design, {name: prior})
    drawn = draw_priors(design, priors, 4000, np.random.default_rng(1))
    values = drawn["beta"][:, 1] if name == "beta[x]" else drawn["sigma_e"]
    density = log_priors(design, priors, drawn)
    density = density["beta"][:, 1] if name == "beta[x]" else density["sigma_e"]
    if known is None:
        expected = np.log(2) + stats.t(3, scale=2).logpdf(values)
        p = stats.kstest(values, lambda x: 2 * stats.t(3, scale=2).cdf(x) - 1).pvalue
    else:
        expected, p = known.logpdf(values), stats.kstest(values, known.cdf).pvalue
    np.testing.assert_allclose(density, expected, rtol=1e-9)
    assert p > 1e-3


def test_correlations_of_three_effects_have_the_lkj_margins():
    """Each is Beta(eta + 1/2) on (-1, 1): Lewandowski, Kurowicka & Joe (2009), p. 1999."""
    data = table() | {"w": np.random.default_rng(3).normal(size=72)}
    fitted = fit(
        "score ~ 0 + x + w + (0 + x + w | room)", data, random_seed=1, draws=20,
        priors={"rho_u": "LKJ(2)"},
    )  # fmt: skip
    drawn = draw_priors(fitted.design, fitted.priors, 4000, np.random.default_rng(2))
    known = stats.beta(2.0, 2.0, loc=-1.0, scale=2.0)
    assert stats.kstest(drawn["rho_u"][:, 0], known.cdf).pvalue > 1e-3
    np.testing.assert_allclose(
        log_priors(fitted.design, fitted.priors, drawn)["rho_u"],
        known.logpdf(drawn["rho_u"][:, 0]),
        rtol=1e-9,
    )
    three = fit("score ~ x + w + (x + w | room)", data, random_seed=1, draws=20)
    drawn = draw_priors(three.design, three.priors, 4000, np.random.default_rng(2))
    # With an intercept the reported ones are at zero; the slopes' correlation stays as it was.
    known = stats.beta(2.5, 2.5, loc=-1.0, scale=2.0)
    assert stats.kstest(drawn["rho_u"][:, 2], known.cdf).pvalue > 1e-3
