"""Priors are read from text, checked before sampling, and written back exactly."""

import pytest
from hypothesis import given, strategies as st

from bayes_mlm.base.errors import PriorError
from bayes_mlm.model.priors import Prior, parse_prior, prior_target

# Every family of the issue, under every spelling that is documented.
GOOD = [
    ("beta", "Normal(0, 10)", "Normal(mu=0, sigma=10)"),
    ("beta[ses]", "Normal(mu=0, sigma=2.5)", "Normal(mu=0, sigma=2.5)"),
    ("Intercept", "StudentT(3, 12, 5)", "StudentT(nu=3, mu=12, sigma=5)"),
    ("beta", "Cauchy(0, 2.5)", "Cauchy(alpha=0, beta=2.5)"),
    ("beta", "flat", "Flat()"),
    ("beta", "Flat()", "Flat()"),
    ("u", "Normal(12, 100)", "Normal(mu=12, sigma=100)"),
    ("sigma_u", "HalfNormal(5)", "HalfNormal(sigma=5)"),
    ("sigma_u[ses]", "HalfStudentT(3, 5)", "HalfStudentT(nu=3, sigma=5)"),
    ("sigma_e", "HalfCauchy(5)", "HalfCauchy(beta=5)"),
    ("sigma_e", "Exponential(0.2)", "Exponential(lam=0.2)"),
    ("sigma_e", "Gamma(2, 0.1)", "Gamma(alpha=2, beta=0.1)"),
    ("sigma_u", "InverseGamma(0.001, 0.001)", "InverseGamma(alpha=0.001, beta=0.001)"),
    ("sigma_u", "Uniform(0, 100)", "Uniform(lower=0, upper=100)"),
    ("sigma_u", "Flat", "Flat()"),
    ("rho_u", "LKJ(2)", "LKJ(eta=2)"),
    ("sigma_u", {"family": "HalfNormal", "sigma": 5}, "HalfNormal(sigma=5)"),
    ("sigma_u", Prior("HalfNormal", (("sigma", 5.0),)), "HalfNormal(sigma=5)"),
]

# name, value, and what the message must say: what was found and what is allowed.
BAD = [
    ("tau", "HalfNormal(1)", "unknown prior name 'tau'"),
    ("sigma_uu", "HalfNormal(1)", "did you mean 'sigma_u'"),
    ("sigma[x]", "HalfNormal(1)", "unknown prior name"),
    ("sigma_u", "Normal(0, 1)", "'Normal' is not a family for it"),
    ("beta", "LKJ(1)", "allowed: Normal(mu, sigma)"),
    ("rho_u", "Uniform(-1, 1)", "allowed: LKJ(eta)"),
    ("sigma_u", "HalfNormal(-1)", "sigma of HalfNormal(sigma) must be above 0, found -1"),
    ("sigma_u", "HalfNormal(0)", "must be above 0"),
    ("sigma_u", "HalfNormal(inf)", "must be finite"),
    ("sigma_u", "HalfNormal(nan)", "must be finite"),
    ("sigma_u", "HalfNormal(five)", "must be a number, found 'five'"),
    ("sigma_u", "HalfNormal()", "HalfNormal needs sigma"),
    ("beta", "Normal(0)", "Normal needs sigma"),
    ("beta", "Normal(0, 1, 2)", "allowed: Normal(mu, sigma)"),
    ("beta", "Normal(mu=0, sd=1)", "allowed: Normal(mu, sigma)"),
    ("beta", "Normal(0, mu=1)", "allowed: Normal(mu, sigma)"),
    ("beta", "Normal(mu=0, mu=1)", "given twice"),
    ("beta", "Normal(0, 10", "cannot read"),
    ("beta", "__import__('os').system('true')", "cannot read"),
    ("sigma_u", "Uniform(5, 1)", "0 <= lower < upper"),
    ("sigma_u", "Uniform(-1, 1)", "0 <= lower < upper"),
    ("rho_u", "LKJ(0)", "must be above 0"),
    ("beta", {"sigma": 1}, "is not a family"),
    ("beta", 5, "write it as text"),
]


@pytest.mark.parametrize(("name", "value", "shown"), GOOD)
def test_every_documented_prior_is_read(name, value, shown):
    assert str(parse_prior(name, value)) == shown


@pytest.mark.parametrize(("name", "value", "says"), BAD)
def test_a_wrong_prior_says_what_is_allowed(name, value, says):
    with pytest.raises(PriorError) as caught:
        parse_prior(name, value)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6))
def test_text_round_trips_in_full_precision(mu, sigma):
    prior = parse_prior("beta", {"family": "Normal", "mu": mu, "sigma": sigma})
    assert parse_prior("beta", prior.to_text()) == prior


def test_only_flat_is_improper():
    assert not parse_prior("beta", "flat").is_proper
    assert parse_prior("sigma_u", "HalfCauchy(1)").is_proper


def test_roles_of_indexed_names():
    assert prior_target("sigma_u[ses]") == "sigma_u"
    assert prior_target("beta[sex[Male]:age]") == "beta"
