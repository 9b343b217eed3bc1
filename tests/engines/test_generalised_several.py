"""ML of several grouping factors, outcomes not Gaussian: Laplace, its correction, its accuracy."""

import itertools

import numpy as np
import pytest
from scipy import special, stats

from bayes_mlm import build_design, fit
from bayes_mlm.base import EngineError
from bayes_mlm.engines.generalised.search import without_effects
from bayes_mlm.engines.generalised.several import fit_generalised_several
from bayes_mlm.engines.generalised.several.correction import Scheme
from bayes_mlm.engines.generalised.several.problem import make_joint_problem
from bayes_mlm.engines.generalised.several.search import maximise
from bayes_mlm.model import family_of

NAMES = (
    *("bernoulli", "bernoulli(probit)", "bernoulli(cloglog)", "binomial", "poisson"),
    *("negative_binomial", "gamma", "cumulative", "cumulative(probit)"),
)


def simulate(name, seed=3, groups=(12, 5), per=2, sigma=(0.8, 0.6)):
    """Return data of two crossed factors, `per` rows of each pair."""
    rng, family = np.random.default_rng(seed), family_of(name)
    g, h = (np.repeat(one.ravel(), per) for one in np.indices(groups))
    x = rng.normal(size=g.size)
    eta = 0.2 + 0.5 * x + sigma[0] * rng.normal(size=groups[0])[g]
    eta += sigma[1] * rng.normal(size=groups[1])[h]
    aux = {}
    if family.takes_trials:
        aux["trials"] = rng.integers(1, 6, g.size).astype(float)
    if family.thresholds is not None:
        aux["threshold"] = np.array([-0.7, 0.8])
    elif family.auxiliary:
        aux["shape"] = np.array(2.0)
    data = {"y": family.draw(eta, aux, rng), "x": x, "g": g, "h": h}
    return data | ({"n": aux["trials"]} if family.takes_trials else {})


def problem_of(name, effects="(1 | g) + (1 | h)", **options):
    left = "y | trials(n)" if name == "binomial" else "y"
    return make_joint_problem(
        build_design(f"{left} ~ x + {effects}", simulate(name, **options), family=name)
    )


def point_of(problem):
    """Return a point with correlated slopes, if there are any."""
    beta, theta = np.linspace(0.2, -0.3, problem.p), []
    for one in problem.plan.products.factors:
        lam = np.diag(np.linspace(0.9, 0.5, one.q)) - 0.3 * np.tri(one.q, k=-1)
        theta.append(lam[one.free])
    several = problem.base.design.family.thresholds is not None
    aux = [-0.5, 0.9] if several else [0.6] * problem.base.n_aux
    return np.concatenate([beta, *theta, aux])


@pytest.mark.parametrize("name", NAMES)
def test_scores_are_the_derivatives_of_the_likelihood(name):
    """The mode and the determinant move with the parameters: central differences of the value."""
    problem = problem_of(name, "(x | g) + (1 | h)")
    x = point_of(problem)
    at = problem.evaluate(x)
    steps = 1e-5 * np.eye(x.size)
    up, down = ([problem.evaluate(x + s * one).loglik for one in steps] for s in (1.0, -1.0))
    assert (np.array(up) - down) / 2e-5 == pytest.approx(at.score, rel=2e-6, abs=2e-6)


def by_lattice(name, problem, x):
    """Sum over a fine lattice of all effects of the second factor, the first on a fine line."""
    beta, (inner, outer), _ = problem.parts(x)
    base, shape = problem.base, np.exp(x[-1])
    law = {
        "bernoulli": lambda y, e: -np.logaddexp(0.0, np.where(y == 1, -e, e)),
        "poisson": lambda y, e: y * e - np.exp(e) - special.gammaln(y + 1),
        "gamma": lambda y, e: stats.gamma.logpdf(y, shape, scale=np.exp(e) / shape),
    }[name]
    levels = problem.plan.arrays.m.tolist()
    step = 0.2 if levels[1] == 2 else 0.5
    line = np.arange(-int(7.2 / step), int(7.2 / step) + 1) * step
    fine = np.arange(-50, 51) * 0.15
    w = np.array(list(itertools.product(line, repeat=levels[1])))
    eta, total = problem.X @ beta + base.offset, stats.norm.logpdf(w).sum(axis=1)
    for j in range(levels[0]):
        inside = np.tile(stats.norm.logpdf(fine), (len(w), 1))
        for i in np.flatnonzero(problem.codes[:, 0] == j):
            at = eta[i] + (outer[0, 0] * w[:, problem.codes[i, 1]])[:, None]
            inside += law(base.y[i], at + inner[0, 0] * fine)
        total += special.logsumexp(inside, axis=1) + np.log(0.15)
    return special.logsumexp(total) + levels[1] * np.log(step)


@pytest.mark.parametrize(("name", "sigma"), [("bernoulli", 2.0), ("poisson", 0.7), ("gamma", 0.7)])
def test_corrected_likelihood_is_the_sum_over_a_lattice(name, sigma):
    """Of 4 x 2 groups Laplace is off by up to .2; the corrected one has six digits."""
    problem = problem_of(name, groups=(4, 2), per=2, sigma=(0.7, 0.7))
    x = point_of(problem)
    x[2:4] = sigma, 0.7 * sigma
    scheme = Scheme(problem=problem)
    found = scheme.evaluate(x, scheme.nodes(0))
    assert found.loglik == pytest.approx(by_lattice(name, problem, x), abs=2e-5)
    assert found.error < 1e-4
    assert abs(found.laplace - found.loglik) > 1e-3


@pytest.mark.slow
def test_draws_agree_with_the_lattice_within_their_error():
    """Three effects outside the exact integrals: drawn, by seeds that are not chosen."""
    problem = problem_of("bernoulli", groups=(5, 3), per=1, sigma=(1.0, 1.0))
    x = point_of(problem)
    x[2:4] = 1.5, 1.2
    scheme, exact = Scheme(problem=problem), by_lattice("bernoulli", problem, x)
    for seed in range(3):
        found = scheme.evaluate(x, scheme.draws(2048, seed))
        assert found.loglik == pytest.approx(exact, abs=4.0 * found.error)
        assert found.error < 0.01
        assert found.k_hat < 0.7
        assert abs(found.laplace - exact) > 0.1


def arithmetic():
    """Return data made without a generator, which R reads alike."""
    i = np.arange(480)
    g, h, k = i // 8 % 20, i % 6, i // 4 % 2
    x = np.round(np.sin(1.7 * i) + 0.3 * np.cos(0.31 * i), 4)
    eta = 0.2 + 0.6 * x + 1.2 * np.sin(2.1 * g + 1) + 0.8 * np.cos(1.3 * h)
    eta += 0.7 * np.sin(5 * g + 3 * k)
    chance = np.abs(np.sin(12.9898 * i + 78.233) * 43758.5453) % 1
    counts = np.floor(np.exp(0.4 * eta + 0.9 * np.sin(7.7 * i)))
    y = (chance < 1 / (1 + np.exp(-eta))) * 1
    return {"y": y, "c": counts, "x": x, "g": g, "h": h, "k": k}


# R: glmer(..., control = glmerControl(optCtrl = list(maxfun = 1e5))), lme4 1.1-31: log-likelihood,
# coefficients, and sds in the order of the formula here.
GLMER = {
    ("y ~ x + (1 | g) + (1 | h)", "bernoulli"): (
        -293.50758448282,
        (0.4119677125, 0.6992631244),
        (0.7936779098, 0.5708444085),
    ),
    ("c ~ x + (1 | g) + (1 | h)", "poisson"): (
        -656.55341186077,
        (-0.07881663529, 0.32542460200),
        (0.4447979934, 0.3289018364),
    ),
    ("y ~ x + (1 | g) + (1 | g:k)", "bernoulli"): (
        -298.49374852525,
        (0.4074220958, 0.6977949773),
        (0.5619868163, 0.7602166454),
    ),
    ("c ~ x + (x | g) + (1 | h)", "poisson"): (
        -653.78252285104,
        (-0.1084585796, 0.3693694913),
        (0.45942771, 0.23628538, 0.32897635),
    ),
}


@pytest.mark.parametrize(("formula", "family"), GLMER)
def test_laplace_optimum_is_that_of_glmer(formula, family):
    """Its log-likelihood is never below glmer's, whose inner iterations leave 2e-4."""
    problem = make_joint_problem(build_design(formula, arithmetic(), family=family))
    x, at, _ = without_effects(problem.base.without_effects())
    p = problem.p
    start = np.concatenate([np.linalg.solve(problem.transform, x[:p]), x[p:]])
    optimum = maximise(problem, (start, at.loglik))
    loglik, beta, sds = GLMER[formula, family]
    assert -1e-7 < optimum.at.loglik - loglik < 5e-4
    assert optimum.gain < 1e-9
    assert problem.transform @ optimum.x[:p] == pytest.approx(beta, abs=2e-3)
    factors = zip(problem.plan.products.factors, problem.parts(optimum.x)[1], strict=True)
    found = [np.sqrt(np.square(one.transform @ lam).sum(axis=1)) for one, lam in factors]
    order = np.argsort(problem.plan.products.places)
    assert np.concatenate([found[k] for k in order]) == pytest.approx(sds, abs=1e-3)


def test_nested_factors_have_no_monte_carlo_error():
    """Schools are parts of their own: a lattice of each, the classes integrated exactly."""
    found = fit("y ~ x + (1 | g) + (1 | g:k)", arithmetic(), family="bernoulli", engine="ml")
    solution = found.solution
    assert found.verdict.ok
    assert solution.corrected
    assert solution.k_hat == -np.inf
    assert solution.loglik_error < 1e-6
    assert solution.loglik > solution.laplace + 0.1
    assert [one.factor for one in solution.factors] == ["g", "g:k"]
    assert "log-likelihood exact to" in str(found)


def test_estimates_maximise_the_corrected_likelihood():
    """Steps of .3 standard errors from them lower it, by an eighth of a tenth at least."""
    design = build_design("y ~ x + (1 | g) + (1 | h)", arithmetic(), family="bernoulli")
    found = fit_generalised_several(design)
    assert found.certificate.ok
    assert found.corrected
    assert found.off < 0.05
    problem = make_joint_problem(design)
    scheme, nodes = Scheme(problem=problem), Scheme(problem=problem).draws(512)
    sds = [float(one.sigma_u[0]) for one in found.factors]
    x = np.concatenate([np.linalg.solve(problem.transform, found.beta), sds])
    top = scheme.evaluate(x, nodes).loglik
    assert top == pytest.approx(found.loglik, abs=0.1)
    errors = [float(one.errors.sigma_u[0]) for one in found.factors]
    for k, se in enumerate(errors, start=2):
        for sign in (-1.0, 1.0):
            moved = x.copy()
            moved[k] += sign * 0.3 * se
            assert 0.01 < top - scheme.evaluate(moved, nodes).loglik < 0.1


def test_effects_are_the_joint_mode():
    """Their score is their own prior's: sum of y - mu is u / sigma^2, of every group."""
    data = arithmetic()
    found = fit("c ~ x + (1 | g) + (1 | h)", data, family="poisson", engine="ml").solution
    g, h = found.factors
    X = np.column_stack([np.ones(480), data["x"]])
    mu = np.exp(X @ found.beta + g.u[data["g"], 0] + h.u[data["h"], 0])
    for name, one in (("g", g), ("h", h)):
        pull = np.bincount(data[name], weights=data["c"] - mu)
        assert pull == pytest.approx(one.u[:, 0] / one.sigma_u[0] ** 2, abs=1e-6)
        assert (one.u_sd > 0.0).all()
        assert (one.u_sd[:, 0] < one.sigma_u[0]).all()


def test_a_factor_without_variance_is_singular():
    rng = np.random.default_rng(1)
    data = simulate("poisson", groups=(15, 6), per=3, sigma=(0.7, 0.0)) | {
        "h": rng.permutation(np.tile(np.arange(6), 45))
    }
    found = fit("y ~ x + (1 | g) + (1 | h)", data, family="poisson", engine="ml").solution
    assert found.certificate.ok
    assert found.singular
    assert found.factors[1].sigma_u[0] < 1e-3


def test_separated_columns_are_named():
    data = arithmetic()
    data["z"] = data["y"] * 1.0 + 0.0
    with pytest.raises(EngineError, match="z separate the outcomes"):
        fit("y ~ z + (1 | g) + (1 | h)", data, family="bernoulli", engine="ml")


def test_a_factor_whose_groups_are_alike_has_no_maximum():
    data = arithmetic()
    data["y"] = (data["g"] % 2 == 0) * 1
    with pytest.raises(EngineError, match="every group of g all outcomes are alike"):
        fit("y ~ x + (1 | g) + (1 | h)", data, family="bernoulli", engine="ml")


@pytest.mark.parametrize("name", ["bernoulli", "negative_binomial", "cumulative"])
def test_without_the_other_factor_it_is_the_likelihood_of_one(name):
    """With an sd of zero the weights are those of a normal integrand, whose mean is known."""
    problem = problem_of(name, "(x | g) + (1 | h)", groups=(40, 3), per=1)
    scheme, x = Scheme(problem=problem), point_of(problem)
    assert problem.plan.products.places == (0, 1)  # the slopes are integrated exactly
    x[problem.p + 3] = 0.0
    found = scheme.evaluate(x, scheme.draws(16))
    beta, lam, aux = problem.parts(x)
    factor = problem.plan.products.factors[0].transform @ lam[0]
    root = np.linalg.cholesky(factor @ factor.T)  # lower triangular: the same covariance
    theta = root[np.tril_indices(2)]
    at = np.concatenate([problem.transform @ beta, theta, aux])
    exact = problem.base.evaluate(at, derive=False)
    assert found.loglik == pytest.approx(exact.loglik, abs=1e-4)
