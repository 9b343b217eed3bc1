"""Predictions of outcomes that are not Gaussian: by ML against quad, of draws against integrals."""

import math

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import expit
from scipy.stats import norm

from bayes_mlm import fit, predict
from bayes_mlm.base.errors import BayesMLMError
from bayes_mlm.engines import samples
from bayes_mlm.model import FAMILIES
from bayes_mlm.questions.prediction.of_estimate import bounded_interval
from tests.questions.test_effects_of_families import DATA

NEW = {"x": [0.5, -1.0, 2.0], "w": [0, 1, 1], "g": [3, 7, 7], "n": [1, 4, 20]}
QUESTIONS = ("existing_group", "new_group", "population")
MODELS = {
    "bernoulli": "y ~ x + (1 | g)",
    "bernoulli(cloglog)": "y ~ x + (1 | g)",
    "binomial(probit)": "s | trials(n) ~ x + (1 | g)",
    "poisson": "k ~ x + offset(log(n)) + (1 | g)",
    "negative_binomial": "k ~ x + offset(log(n)) + (1 | g)",
    "cumulative": "rating ~ x + (1 | g)",
}


def family_named(text):
    name, _, link = text.rstrip(")").partition("(")
    return FAMILIES[name].with_link(link or None)


def exact(fitted, name, question):
    """Return means and sds over the effects of the group (3,), each by quad."""
    family, solution, design = family_named(name), fitted.solution, fitted.design
    sd = float(solution.sigma_u[0])
    aux = {key: np.asarray(value)[None, None] for key, value in solution.auxiliary.items()}
    slope, first = float(solution.beta[-1]), 0.0 if name == "cumulative" else solution.beta[0]
    found = []
    for x, g, n in zip(NEW["x"], NEW["g"], NEW["n"], strict=True):
        eta = first + slope * x + (math.log(n) if "offset" in MODELS[name] else 0.0)
        rows = np.flatnonzero(design.codes == g)
        known = {key: values[rows][None] for key, values in design.response.known.items()}
        fixed = design.X[rows] @ solution.beta + design.offset[rows]

        def mean(u, eta=eta, n=n):
            at, own = np.array([[eta + u]]), {**aux, "trials": np.array([[float(n)]])}
            if family.chances is not None:
                return float((family.chances(at, own) @ [1.0, 2.0, 3.0, 4.0])[0, 0])
            return float(family.expected(at, own if family.takes_trials else aux)[0, 0])

        def weight(u, fixed=fixed, rows=rows, known=known):
            given = family.log_density(design.y[rows], (fixed + u)[None], {**aux, **known}).sum()
            given = given if question == "existing_group" else 0.0
            return math.exp(given + 50.0 * (question == "existing_group") + norm.logpdf(u / sd))

        if question == "population":
            found.append((mean(0.0), 0.0))
            continue
        ends = -9 * sd, 9 * sd
        total, top, square = (
            quad(lambda u, p=p: weight(u) * mean(u) ** p, *ends, limit=200)[0] for p in range(3)
        )
        first_moment = top / total
        found.append((first_moment, math.sqrt(square / total - first_moment**2)))
    return np.array(found).T


@pytest.mark.parametrize("name", MODELS)
def test_means_by_ml_are_the_integral_over_the_effects(name):
    fitted = fit(MODELS[name], DATA, family=name, engine="ml")
    for question in QUESTIONS:
        found = predict(fitted, NEW, question=question)
        mean, over = exact(fitted, name, question)
        np.testing.assert_allclose(found.mean, mean, rtol=1e-6)
        # And the error of the parameters, which is smaller than all of it and not zero.
        assert (found.sd > over).all()
        assert (np.square(found.sd) < np.square(over) + 0.5 * mean * (1 + mean)).all()
        assert (found.lower < found.mean).all()
        assert (found.mean < found.upper).all()
        if family_named(name).is_probability and name != "cumulative":
            trials = np.array(NEW["n"]) if name.startswith("binomial") else 1
            assert (found.lower > 0).all()
            assert (found.upper < trials).all()
        one = predict(fitted, NEW, question=question, kind="observation")
        np.testing.assert_allclose(one.mean, found.mean)
        assert (one.sd > found.sd).all()
        assert (one.lower == np.floor(one.lower)).all()
        text = str(found)
        assert ("given the outcomes" in text) == (question == "existing_group")
        assert "delta method" in text


def test_at_zero_the_standard_error_is_that_of_the_coefficients():
    fitted = fit(MODELS["bernoulli"], DATA, family="bernoulli", engine="ml")
    found = predict(fitted, NEW, question="population")
    X = np.column_stack([np.ones(3), NEW["x"]])
    eta = X @ fitted.solution.beta
    se = np.sqrt(np.einsum("ij,jk,ik->i", X, fitted.solution.beta_cov, X))
    np.testing.assert_allclose(found.sd, expit(eta) * expit(-eta) * se, rtol=1e-5)
    np.testing.assert_allclose(found.upper, expit(eta + 1.959964 * se), rtol=1e-5)
    # An outcome is 0 or 1, with the variance of one.
    one = predict(fitted, NEW, question="new_group", kind="observation")
    np.testing.assert_allclose(one.sd, np.sqrt(one.mean * (1 - one.mean)), rtol=0.02)


def test_a_random_slope_is_integrated_too():
    fitted = fit("k ~ x + (x | g)", DATA, family="poisson", engine="ml")
    found = predict(fitted, NEW, question="new_group")
    solution = fitted.solution
    z = np.column_stack([np.ones(3), NEW["x"]])
    spread = np.einsum("ij,jk,ik->i", z, solution.cov_u, z)
    np.testing.assert_allclose(found.mean, np.exp(z @ solution.beta + spread / 2), rtol=1e-8)
    over = np.exp(2 * z @ solution.beta + spread) * np.expm1(spread)
    assert (np.square(found.sd) > over).all()


# Compiling the draws of further links takes half a minute, once.
@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.slow if "(" in name else ()) for name in MODELS],
)
def test_draws_for_a_new_group_are_the_integral(name):
    """Of each draw, with a group effect of its own: their mean is that of the integrals."""
    fitted = fit(MODELS[name], DATA, family=name, random_seed=1, draws=1000)
    family, draws = family_named(name), fitted.draws
    beta, sd = samples(draws, "beta"), samples(draws, "sigma_u").reshape(-1, 1)
    aux = {one.name: samples(draws, one.name).reshape(len(beta), 1, -1) for one in family.auxiliary}
    aux = {key: one if family.thresholds else one[..., 0] for key, one in aux.items()}
    nodes, weights = np.polynomial.hermite_e.hermegauss(30)
    n = np.array(NEW["n"], dtype=float)
    X = np.array(NEW["x"])[:, None]
    X = X if family.thresholds else np.column_stack([np.ones(3), X])
    eta = beta @ X.T + (np.log(n) if "offset" in MODELS[name] else 0.0)
    aux |= {"trials": n[None]} if family.takes_trials else {}
    mean, square = 0.0, 0.0
    chances = 0.0
    for z, w in zip(nodes, weights / weights.sum(), strict=True):
        at = eta + sd * z
        if family.thresholds:
            chances = chances + w * family.chances(at, aux).mean(axis=0)
            values = family.chances(at, aux) @ [1.0, 2.0, 3.0, 4.0]
        else:
            values = family.expected(at, aux)
        mean, square = mean + w * values.mean(axis=0), square + w * np.square(values).mean(axis=0)
    found = predict(fitted, NEW, question="new_group", random_seed=5)
    error = np.sqrt((square - np.square(mean)) / len(beta))
    assert (np.abs(found.mean - mean) < 4.0 * error).all()
    np.testing.assert_allclose(found.sd, error * math.sqrt(len(beta)), rtol=0.1)
    if family.thresholds:
        assert found.names[-4:] == ("P(1)", "P(2)", "P(3)", "P(4)")
        np.testing.assert_allclose(found.chances, chances, atol=0.02)
        np.testing.assert_allclose(found.chances.sum(axis=1), 1.0)
        np.testing.assert_allclose(found.chances @ [1.0, 2.0, 3.0, 4.0], found.mean)
    else:
        assert found.chances is None


def test_intervals_stay_in_their_range():
    lower, upper = bounded_interval(np.array([0.01, 0.5, 0.999]), np.array([0.5, 0.1, 3.0]), (0, 1))
    assert (lower >= 0).all()
    assert (upper <= 1).all()
    lower, upper = bounded_interval(np.array([2.0]), np.array([0.2]), (0, math.inf))
    assert (lower[0], upper[0]) == pytest.approx((2 / math.exp(0.1), 2 * math.exp(0.1)))


def test_what_an_estimate_cannot_is_refused():
    fitted = fit(MODELS["bernoulli"], DATA, family="bernoulli", engine="ml")
    with pytest.raises(BayesMLMError, match="no draws; omit draws=True"):
        predict(fitted, NEW, draws=True)
    with pytest.raises(BayesMLMError, match="no g 99"):
        predict(fitted, {"x": [1.0], "g": [99]})
