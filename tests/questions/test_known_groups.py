"""Effects for known groups by ML: several factors, and the variance of the effects of groups."""

import math

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import expit
from scipy.stats import norm

from bayes_mlm import comparisons, fit, predict, slopes
from bayes_mlm.questions.effects.rows import read_population
from bayes_mlm.questions.response.known import known_averages
from tests.helpers.outcomes import DATA, EACH, J

H = np.tile(np.arange(EACH), J)
SOME = np.arange(0, J * EACH, 20)
SEVERAL = {
    "bernoulli": "y ~ x + (x | g) + (1 | h)",
    "poisson": "k ~ x + offset(log(n)) + (1 | g) + (1 | h)",
    "cumulative": "rating ~ x + (1 | g) + (1 | h)",
}


@pytest.mark.parametrize("family", SEVERAL)
def test_known_groups_of_several_factors_are_the_averages_of_predictions(family):
    data = {**DATA, "h": H}
    fitted = fit(SEVERAL[family], data, family=family, engine="ml")
    few = {name: values[SOME] for name, values in data.items()}
    low, high = (predict(fitted, few | {"x": few["x"] + by}).mean.mean() for by in (0.0, 1.0))
    found = comparisons(fitted, "x", question="existing_group", data=few)
    assert found.rows[-1].estimate == pytest.approx(high - low, rel=1e-7)
    ratio = "difference" if family == "cumulative" else "ratio"
    found = comparisons(fitted, "x", question="existing_group", data=few, comparison=ratio)
    expected = high - low if family == "cumulative" else high / low
    assert found.rows[-1].estimate == pytest.approx(expected, rel=1e-7)
    step = 1e-4
    low, high = (predict(fitted, few | {"x": few["x"] + by}).mean.mean() for by in (-step, step))
    found = slopes(fitted, "x", question="existing_group", data=few)
    assert found.rows[-1].estimate == pytest.approx((high - low) / (2 * step), rel=1e-4)


def test_errors_of_several_factors_follow_from_the_dense_precision():
    """Of effects and coefficients about their joint mode, written down as one matrix."""
    x, g, rng = DATA["x"], DATA["g"], np.random.default_rng(5)
    u, v, b = rng.normal(size=(3, J)) * [[0.9], [0.8], [0.7]]
    y = (rng.random(x.size) < expit(u[g] + (0.7 + v[g]) * x + b[H])) * 1
    data = {**DATA, "y": y, "h": H}
    fitted = fit(SEVERAL["bernoulli"], data, family="bernoulli", engine="ml")
    solution = fitted.solution
    first, second = solution.factors
    X = np.column_stack([np.ones(x.size), x])
    U = np.zeros((x.size, 2 * J + EACH))
    U[np.arange(x.size), 2 * g] = 1.0
    U[np.arange(x.size), 2 * g + 1] = x
    U[np.arange(x.size), 2 * J + H] = 1.0
    u = np.concatenate([first.u.ravel(), second.u.ravel()])
    prior = np.zeros((u.size, u.size))
    prior[: 2 * J, : 2 * J] = np.kron(np.eye(J), np.linalg.inv(first.cov_u))
    prior[2 * J :, 2 * J :] = np.eye(EACH) / second.cov_u[0, 0]
    whole = np.hstack([X, U])
    p = expit(whole @ np.concatenate([solution.beta, u]))
    precision = whole.T @ (whole * (p * (1 - p))[:, None])
    precision[2:, 2:] += prior
    covariance = np.linalg.inv(precision)

    def gradient(by):
        """Of the average probability with x higher, the variance of each predictor in it."""
        moved = whole.copy()
        moved[:, 1] += by
        moved[np.arange(x.size), 2 + 2 * g + 1] += by
        eta = moved @ np.concatenate([solution.beta, u])
        sd = np.sqrt(np.einsum("np,pq,nq->n", moved, covariance, moved))
        z = np.linspace(-8, 8, 201)
        weight = norm.pdf(z) / norm.pdf(z).sum()
        q = expit(eta[:, None] + sd[:, None] * z)
        return ((q * (1 - q)) @ weight) @ moved / x.size

    change = gradient(1.0) - gradient(0.0)
    (found,) = comparisons(fitted, "x", question="existing_group").rows
    assert found.sd == pytest.approx(math.sqrt(change @ covariance @ change), rel=1e-6)


def test_errors_for_known_groups_have_the_variance_of_their_effects():
    """One group's probability at a coefficient that is known all but exactly: by quad."""
    binary = fit("y ~ x * w + (1 | g)", DATA, family="bernoulli", engine="ml")
    one = {name: values[DATA["g"] == 3] for name, values in DATA.items()}
    (found,) = comparisons(binary, "x", question="existing_group", data=one).rows
    solution, design = binary.solution, binary.design
    X = np.column_stack([np.ones(EACH), one["x"], one["w"], one["x"] * one["w"]])
    step = np.array([0.0, 1.0, 0.0, one["w"][0]])
    fixed, sd = X @ solution.beta, float(solution.sigma_u[0])
    own = design.X[DATA["g"] == 3] @ solution.beta
    signs = 2 * DATA["y"][DATA["g"] == 3] - 1

    def moment(power):
        def value(u):
            change = (expit(fixed + step @ solution.beta + u) - expit(fixed + u)).mean()
            return (
                change**power * math.exp(np.log(expit(signs * (own + u))).sum()) * norm.pdf(u / sd)
            )

        return quad(value, -9 * sd, 9 * sd)[0]

    total = moment(0)
    variance = moment(2) / total - (moment(1) / total) ** 2
    points = binary.parameter_points()
    rows_of = read_population(design, None, one)
    moved = rows_of.difference({"x": one["x"] + 1.0}, {"x": one["x"]})
    high, low = (known_averages(binary, points, at) for at in (moved.high, moved.low))
    assert np.square(high.root - low.root).sum() == pytest.approx(variance, rel=1e-5)
    parameters = float(points.errors(high.values - low.values)[0])
    assert found.sd == pytest.approx(math.hypot(parameters, math.sqrt(variance)), rel=1e-5)
