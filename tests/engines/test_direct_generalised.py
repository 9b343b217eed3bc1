"""Direct draws of outcomes that are not Gaussian, against grids, ML and NUTS."""

import numpy as np
import pytest

from bayes_mlm import build_design, fit, leave_one_group_out, predict
from bayes_mlm.base import BayesMLMError
from bayes_mlm.engines.direct.generalised.problem import make_problem as make_direct_problem
from bayes_mlm.engines.generalised.problem import make_problem
from bayes_mlm.likelihood import model_priors
from bayes_mlm.likelihood.prior_distributions import log_priors
from tests.engines.test_generalised import simulate

PRIORS = {"beta": "Normal(0, 2)", "Intercept": "Normal(0, 3)", "sigma_u": "HalfNormal(1.5)"}


def grid_moments(formula, data, family, priors):
    """Integrate the posterior of (intercept, slope, sigma_u) over a grid around its bulk."""
    design = build_design(formula, data, family=family)
    problem, stated = make_problem(design), model_priors(design, priors)
    rough = fit(formula, data, family=family, engine="ml").solution
    wide = np.maximum(np.sqrt(np.diagonal(rough.beta_cov)), 0.05)
    axes = [np.linspace(b - 5 * w, b + 5 * w, 25) for b, w in zip(rough.beta, wide, strict=True)]
    axes.append(np.linspace(1e-3, rough.sigma_u[0] * 2.2 + 1.5, 60))
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    logs = np.array([problem.evaluate(x, derive=False, eps=1e-7).loglik for x in points])
    reported = {"beta": points[:, :2], "sigma_u": points[:, 2]}
    for value in log_priors(design, stated, reported).values():
        logs = logs + value.reshape(len(points), -1).sum(axis=1)
    weight = np.exp(logs - logs.max())
    weight /= weight.sum()
    mean = weight @ points
    return mean, np.sqrt(weight @ np.square(points - mean))


@pytest.mark.parametrize("name", ["bernoulli", "binomial", "poisson"])
def test_moments_are_those_of_a_grid(name):
    formula, data = simulate(name, seed=4, J=15, per=8)
    mean, sd = grid_moments(formula, data, name, PRIORS)
    found = fit(formula, data, family=name, priors=PRIORS, random_seed=1)
    assert found.engine == "direct"
    assert found.verdict.ok, str(found.verdict)
    rows = {row.quantity: row for row in found.summary().rows}
    for k, quantity in enumerate(("beta[Intercept]", "beta[x]", "sigma_u")):
        assert abs(rows[quantity].estimate - mean[k]) < 0.1 * sd[k], quantity
        assert rows[quantity].sd == pytest.approx(sd[k], rel=0.07), quantity


@pytest.mark.parametrize("name", ["negative_binomial", "gamma", "cumulative"])
def test_auxiliary_parameters_are_near_their_ml_estimates(name):
    formula, data = simulate(name, seed=5, J=30, per=12)
    found = fit(formula, data, family=name, random_seed=1)
    assert found.engine == "direct"
    ml = fit(formula, data, family=name, engine="ml").summary()
    for row in found.summary().rows:
        if row.sd is not None:
            assert abs(row.estimate - ml[row.quantity].estimate) < 0.6 * row.sd, row.quantity


def test_effects_are_drawn_from_their_conditional_distribution():
    """Given the parameters the mean of u is that of the integrals of ML, at each draw."""
    formula, data = simulate("bernoulli", seed=6, J=15, per=6)
    found = fit(formula, data, family="bernoulli", random_seed=1)
    problem = make_problem(found.design)
    u = found.draws["u"][..., 0].reshape(-1, 15)
    beta = found.draws["beta"].reshape(-1, 2)
    sd = found.draws["sigma_u"].ravel()
    chosen = np.linspace(0, len(sd) - 1, 400).astype(int)
    wanted = np.array(
        [problem.evaluate(np.append(beta[k], sd[k]), derive=True).v[:, 0] * sd[k] for k in chosen]
    )
    np.testing.assert_allclose(u.mean(axis=0), wanted.mean(axis=0), atol=0.12)


def test_the_marginal_likelihood_without_groups_is_normalised():
    """One coin: the integral over its log odds, by a grid."""
    y = np.array([1.0] * 14 + [0.0] * 26)
    priors = {"Intercept": "Normal(0, 1.5)"}
    found = fit("y ~ 1", {"y": y}, family="bernoulli", priors=priors, random_seed=1)
    at = np.linspace(-8, 8, 20001)
    logs = 14 * at - 40 * np.logaddexp(0, at) - 0.5 * (at / 1.5) ** 2
    logs -= np.log(1.5 * np.sqrt(2 * np.pi))
    wanted = logs.max() + np.log(np.trapezoid(np.exp(logs - logs.max()), at))
    assert found.report.log_marginal_likelihood == pytest.approx(wanted, abs=0.02)


def test_questions_follow():
    formula, data = simulate("poisson", seed=7, J=20, per=6)
    found = fit(formula, data, family="poisson", random_seed=1, draws=300)
    assert (predict(found, {"x": [0.0, 1.0], "g": [1, 1]}).mean > 0).all()
    assert np.isfinite(leave_one_group_out(found).elpd)
    assert found.report.log_marginal_likelihood is not None


@pytest.mark.parametrize(
    ("family", "link", "says"),
    [("bernoulli", "probit", "link probit"), ("beta", None, "beta outcomes")],
)
def test_what_it_cannot_draw_goes_to_nuts(family, link, says):
    formula, data = simulate("bernoulli")
    if family == "beta":
        data["y"] = np.clip(data["y"], 0.1, 0.8) + 0.01 * np.arange(len(data["y"])) / 100
    with pytest.raises(BayesMLMError, match=says):
        fit(formula, data, family=family, link=link, engine="direct")


@pytest.mark.parametrize("name", ["bernoulli", "binomial", "poisson", "cumulative"])
def test_equal_rows_are_computed_once(name, monkeypatch):
    """Binary predictors: draws by distinct rows are those by rows, of the same seed."""
    _, data = simulate(name, seed=3, J=8, per=120)
    x, t = np.arange(960) % 2, np.arange(960) // 3 % 2
    data |= {"x": x, "t": t.astype(float)}
    formula = f"{'y | trials(n)' if 'n' in data else 'y'} ~ x + t + (1 | g)"
    design = build_design(formula, data, family=name)
    found = make_direct_problem(design, model_priors(design))
    assert found.n < 0.2 * design.n
    few = fit(formula, data, family=name, engine="direct", random_seed=1)
    target = "bayes_mlm.engines.direct.generalised.problem._MOST_DISTINCT"
    monkeypatch.setattr(target, dict.fromkeys(range(5), 0.0))
    assert make_direct_problem(design, model_priors(design)).n == design.n
    rows = fit(formula, data, family=name, engine="direct", random_seed=1)
    one, other = few.report.log_marginal_likelihood, rows.report.log_marginal_likelihood
    assert one == pytest.approx(other, rel=1e-9)
    for each in ("beta", "sigma_u"):  # lattices start from modes that differ by rounding
        np.testing.assert_allclose(few.draws[each], rows.draws[each], rtol=1e-5, atol=1e-5)
    u, same = few.draws["u"], rows.draws["u"]
    np.testing.assert_allclose(u.mean(axis=(0, 1)), same.mean(axis=(0, 1)), atol=0.02)
