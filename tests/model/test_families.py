"""Families of the package: densities against SciPy, derivatives, draws, tails and refusals."""

import numpy as np
import pytest
from scipy import stats
from scipy.special import expit, ndtr

from bayes_mlm.base import DataError, SpecError
from bayes_mlm.model import FAMILIES, LINKS, family_of

NAMES = (
    *("bernoulli", "bernoulli(probit)", "bernoulli(cloglog)"),
    *("binomial", "binomial(probit)", "binomial(cloglog)", "poisson", "negative_binomial"),
    *("gamma", "beta", "cumulative", "cumulative(probit)", "gaussian", "student_t"),
)
_VALUES = {"shape": 1.7, "precision": 6.0, "sigma_e": 1.3, "nu": 5.0}


def auxiliary(family, n, rng):
    found = {one.name: np.array(_VALUES[one.name]) for one in family.auxiliary if not one.dims}
    if family.takes_trials:
        found["trials"] = rng.integers(1, 9, n).astype(float)
    if family.thresholds is not None:
        found["threshold"] = np.array([-1.0, 0.2, 1.4])
    return found


@pytest.mark.parametrize("name", NAMES)
def test_the_score_is_the_derivative_of_the_log_density(name):
    rng, family = np.random.default_rng(1), family_of(name)
    eta = 1.5 * rng.normal(size=300)
    aux = auxiliary(family, eta.size, rng)
    y = family.draw(eta, aux, rng)
    step = 1e-5
    numeric = family.log_density(y, eta + step, aux) - family.log_density(y, eta - step, aux)
    score, weight = family.score(y, eta, aux)
    np.testing.assert_allclose(score, numeric / (2 * step), rtol=1e-5, atol=1e-5)
    assert (weight > 0).all()


@pytest.mark.parametrize("name", NAMES)
def test_outcomes_drawn_have_its_mean_and_variance(name):
    rng, family = np.random.default_rng(2), family_of(name)
    eta = np.array([-1.2, 0.0, 0.8])
    aux = auxiliary(family, eta.size, rng)
    drawn = family.draw(np.broadcast_to(eta, (40_000, 3)), aux, rng)
    mean, variance = family.expected(eta, aux), family.variance(eta, aux)
    np.testing.assert_allclose(drawn.mean(axis=0), mean, atol=5 * np.sqrt(variance.max() / 40_000))
    np.testing.assert_allclose(drawn.var(axis=0), variance, rtol=0.12)


def test_densities_are_those_of_scipy():
    rng = np.random.default_rng(3)
    eta, trials = rng.normal(size=50), rng.integers(1, 9, 50).astype(float)
    mean = np.exp(eta)
    y = rng.poisson(mean).astype(float)
    shares = rng.uniform(0.02, 0.98, 50)
    for name, outcome, aux, expected in (
        ("poisson", y, {}, stats.poisson.logpmf(y, mean)),
        ("negative_binomial", y, {"shape": 2.5}, stats.nbinom.logpmf(y, 2.5, 2.5 / (2.5 + mean))),
        ("gamma", y + 0.5, {"shape": 2.5}, stats.gamma.logpdf(y + 0.5, 2.5, scale=mean / 2.5)),
        (
            "beta",
            shares,
            {"precision": 4.0},
            stats.beta.logpdf(shares, 4 * expit(eta), 4 * expit(-eta)),
        ),
        (
            "binomial",
            np.minimum(y, trials),
            {"trials": trials},
            stats.binom.logpmf(np.minimum(y, trials), trials, expit(eta)),
        ),
        ("bernoulli(probit)", (y > 0) * 1.0, {}, stats.bernoulli.logpmf(y > 0, ndtr(eta))),
    ):
        values = {key: np.asarray(one) for key, one in aux.items()}
        found = family_of(name).log_density(outcome, eta, values)
        np.testing.assert_allclose(found, expected, rtol=1e-9, err_msg=name)


@pytest.mark.parametrize("name", ["cumulative", "cumulative(probit)"])
def test_categories_have_probabilities_of_sum_one(name):
    family = family_of(name)
    aux = {"threshold": np.array([-1.0, 0.2, 1.4])}
    eta = np.linspace(-3, 3, 7)
    chances = family.chances(eta, aux)
    np.testing.assert_allclose(chances.sum(axis=1), 1.0)
    for k in range(4):
        logs = family.log_density(np.full(7, float(k)), eta, aux)
        np.testing.assert_allclose(np.exp(logs), chances[:, k], rtol=1e-10)
    # A row for each draw of the thresholds, as of a posterior.
    several = {"threshold": np.array([[[-1.0, 0.2, 1.4]], [[-2.0, 0.0, 3.0]]])}
    assert family.log_density(np.zeros(7), np.zeros((2, 7)), several).shape == (2, 7)


@pytest.mark.parametrize("name", NAMES[:9])
def test_tails_are_finite_and_keep_their_digits(name):
    family = family_of(name)
    rng = np.random.default_rng(4)
    aux = auxiliary(family, 2, rng)
    for eta in (-300.0, -40.0, 40.0):
        found = family.log_density(np.array([1.0, 1.0]), np.full(2, eta), aux)
        assert np.isfinite(found).all(), (name, eta)
    if family.name == "bernoulli" and family.link == "logit":
        found = family.log_density(np.array([1.0]), np.array([-300.0]), {})
        assert found[0] == pytest.approx(-300.0)


@pytest.mark.parametrize("name", LINKS)
def test_a_link_is_undone_by_its_inverse(name):
    link = LINKS[name]
    for mean in (0.02, 0.3, 0.5, 0.97):
        assert float(link.inverse(np.array(link.function(mean)))) == pytest.approx(mean)
    eta, step = np.linspace(-3, 2, 11), 1e-5
    slope = (link.inverse(eta + step) - link.inverse(eta - step)) / (2 * step)
    np.testing.assert_allclose(np.exp(link.log_slope(eta)), slope, rtol=1e-6)
    curve = (np.exp(link.log_slope(eta + step)) - np.exp(link.log_slope(eta - step))) / (2 * step)
    np.testing.assert_allclose(link.slope_ratio(eta), curve / slope, rtol=1e-5, atol=1e-9)


def test_a_family_is_named_with_its_link():
    assert family_of("bernoulli(probit)").text == "bernoulli(probit)"
    assert family_of("bernoulli", "logit") is FAMILIES["bernoulli"]
    for text, link, says in (
        ("bernouli", None, "did you mean 'bernoulli'"),
        ("bernoulli", "log", "no link 'log'"),
        ("poisson(logit)", None, "no link 'logit'"),
        ("bernoulli(probit)", "cloglog", "another"),
    ):
        with pytest.raises(SpecError, match=says):
            family_of(text, link)


@pytest.mark.parametrize(
    ("name", "y", "trials", "says"),
    [
        ("bernoulli", [0, 1, 2], None, "0 or 1.*first: 2"),
        ("binomial", [0, 1, 2], None, "number of trials"),
        ("binomial", [0, 5, 2], [3, 3, 3], "exceed trials in 1 row"),
        ("binomial", [0.2, 0.5, 1], [3, 3, 3], "not shares"),
        ("binomial", [0, 1, 1], [3, 2.5, 3], "trials are counts"),
        ("poisson", [0, -1, 2], None, "counts are.*first: -1, row 2"),
        ("negative_binomial", [0, 1.5, 2], None, "first: 1.5, row 2"),
        ("gamma", [0, 1, 2], None, "above 0"),
        ("beta", [0.5, 1, 0.2], None, "between 0 and 1"),
    ],
)
def test_outcomes_it_cannot_have_are_refused(name, y, trials, says):
    known = {} if trials is None else {"trials": np.array(trials, dtype=float)}
    with pytest.raises(DataError, match=says):
        FAMILIES[name].check_response(np.array(y, dtype=float), known)
