"""ML of outcomes that are not Gaussian: integrals, derivatives, optima, separation."""

import math

import numpy as np
import pytest
from scipy import integrate, optimize

from bayes_mlm import build_design, fit
from bayes_mlm.base import EngineError, Finding, UnsupportedModelError, Verdict
from bayes_mlm.engines import cautions
from bayes_mlm.engines.generalised import fit_generalised
from bayes_mlm.engines.generalised.problem import make_problem
from bayes_mlm.engines.generalised.separation import separated
from bayes_mlm.likelihood import model_priors
from bayes_mlm.model import family_of

NAMES = (
    *("bernoulli", "bernoulli(probit)", "bernoulli(cloglog)", "binomial", "poisson"),
    *("negative_binomial", "gamma", "cumulative", "cumulative(probit)"),
)


def simulate(name, seed=1, J=25, per=3, sigma=1.0, slope=0.0):
    """Return a formula and data of groups of `per` rows."""
    rng, family = np.random.default_rng(seed), family_of(name)
    g = np.repeat(np.arange(J), per)
    x = rng.normal(size=g.size)
    eta = 0.3 * x + sigma * rng.normal(size=J)[g] + slope * rng.normal(size=J)[g] * x
    aux = {}
    if family.takes_trials:
        aux["trials"] = rng.integers(1, 6, g.size).astype(float)
    if family.thresholds is not None:
        aux["threshold"] = np.array([-0.7, 0.8])
    elif family.auxiliary:
        aux["shape"] = np.array(2.0)
    data = {"y": family.draw(eta, aux, rng), "x": x, "g": g}
    if family.takes_trials:
        data["n"] = aux["trials"]
    effects = "1 + x" if slope else "1"
    left = "y | trials(n)" if family.takes_trials else "y"
    return f"{left} ~ x + ({effects} | g)", data


def problem_of(name, **options):
    formula, data = simulate(name, **options)
    return make_problem(build_design(formula, data, family=name))


def point_of(problem, sigma):
    beta = np.linspace(0.2, -0.3, problem.p)
    theta = np.diag(np.full(problem.q, sigma))
    if problem.q > 1:
        theta[1, 0] = -0.4 * sigma
    aux = [-0.5, 0.9] if problem.design.family.thresholds is not None else [0.6] * problem.n_aux
    return np.concatenate([beta, theta[np.tril_indices(problem.q)], aux])


def brute_force(problem, x):
    """Integrate each group by an adaptive rule of SciPy."""
    beta, factor, aux = problem.parts(x)
    values, family = problem.auxiliary(aux), problem.design.family
    total = 0.0
    for lo, hi in zip(problem.starts[:-1], problem.starts[1:], strict=True):
        rows = slice(lo, hi)
        aux_of = {k: (v[rows] if k == "trials" else v) for k, v in values.items()}
        eta0 = problem.X[rows] @ beta

        def log_integrand(*v, eta0=eta0, rows=rows, aux_of=aux_of):
            v = np.array(v)
            eta = eta0 + problem.Z[rows] @ (factor @ v)
            return family.log_density(problem.y[rows], eta, aux_of).sum() - 0.5 * v @ v

        mode = optimize.minimize(lambda v, f=log_integrand: -f(*v), np.zeros(problem.q)).x
        top = log_integrand(*mode)
        ends = [(one - 12.0, one + 12.0) for one in mode]
        found, _ = integrate.nquad(
            lambda *v, f=log_integrand, top=top: math.exp(f(*v) - top),
            ends,
            opts={"limit": 300, "epsabs": 1e-11, "epsrel": 1e-11},
        )
        total += top + math.log(found) - 0.5 * problem.q * math.log(2.0 * math.pi)
    return total


@pytest.mark.parametrize("sigma", [0.5, 5.0])
@pytest.mark.parametrize("name", NAMES)
def test_integrals_are_those_of_an_adaptive_rule(name, sigma):
    problem = problem_of(name, J=10, per=2)
    x = point_of(problem, sigma)
    found = problem.evaluate(x, derive=False, refine=0.5)
    assert found.loglik == pytest.approx(brute_force(problem, x), abs=2e-8)


def test_integrals_over_two_effects_are_those_of_an_adaptive_rule():
    problem = problem_of("bernoulli", J=4, per=5, slope=1.0)
    x = point_of(problem, 1.3)
    assert problem.evaluate(x, derive=False).loglik == pytest.approx(
        brute_force(problem, x), abs=1e-7
    )


@pytest.mark.parametrize("slope", [0.0, 0.7])
@pytest.mark.parametrize("name", NAMES)
def test_derivatives_are_those_of_the_value(name, slope):
    problem = problem_of(name, J=8, per=6, slope=slope)
    x = point_of(problem, 0.8)
    at = problem.evaluate(x, refine=0.5)
    steps = 1e-5 * np.eye(x.size)
    values = [
        problem.evaluate(x + d, derive=False, refine=0.5).loglik
        - problem.evaluate(x - d, derive=False, refine=0.5).loglik
        for d in steps
    ]
    np.testing.assert_allclose(at.score, np.array(values) / 2e-5, rtol=2e-5, atol=2e-5)
    scores = [
        problem.evaluate(x + d, refine=0.5).score - problem.evaluate(x - d, refine=0.5).score
        for d in steps
    ]
    np.testing.assert_allclose(at.hessian, np.array(scores) / 2e-5, rtol=2e-4, atol=2e-4)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("name", ["bernoulli", "poisson", "cumulative", "negative_binomial"])
def test_the_optimum_is_that_of_another_optimiser(name, seed):
    formula, data = simulate(name, seed=seed, J=20, per=4, sigma=[0.0, 0.5, 1.0, 3.0][seed])
    design = build_design(formula, data, family=name)
    found = fit_generalised(design)
    assert found.certificate.ok, found.certificate.message
    problem = make_problem(design)
    start = point_of(problem, 0.7)
    other = optimize.minimize(
        lambda x: -problem.evaluate(x, derive=False).loglik,
        start,
        method="Nelder-Mead",
        options={"maxiter": 4000, "xatol": 1e-7, "fatol": 1e-10, "adaptive": True},
    )
    assert found.loglik >= problem.evaluate(other.x, derive=False, refine=0.25).loglik - 1e-7


def test_an_sd_of_zero_is_an_ordinary_result():
    rng = np.random.default_rng(2)
    data = {"y": np.tile([0, 1], 60), "x": rng.normal(size=120), "g": np.repeat(np.arange(30), 4)}
    found = fit("y ~ x + (1 | g)", data, family="bernoulli", engine="ml")
    solution = found.solution
    assert solution.singular
    assert solution.certificate.ok
    assert solution.sigma_u[0] < 1e-4
    interval = solution.sigma_u_interval[0]
    assert interval.lower == 0.0
    assert 0.0 < interval.upper < 2.0


def test_ends_of_a_profile_interval_fall_by_half_a_quantile():
    formula, data = simulate("bernoulli", J=30, per=8)
    design = build_design(formula, data, family="bernoulli")
    found = fit_generalised(design)
    problem = make_problem(design)
    for end in (found.sigma_u_interval[0].lower, found.sigma_u_interval[0].upper):
        best = optimize.minimize(
            lambda b, end=end: -problem.evaluate(np.append(b, end), derive=False).loglik,
            found.beta,
        )
        assert found.loglik + best.fun == pytest.approx(0.5 * 3.841459, abs=1e-4)


def test_groups_without_variation_and_huge_offsets_are_fitted():
    rng = np.random.default_rng(4)
    g = np.repeat(np.arange(12), 5)
    y = np.where(np.isin(g, [0, 1]), 0, np.where(np.isin(g, [2]), 1, rng.integers(0, 2, 60)))
    found = fit("y ~ 1 + (1 | g)", {"y": y, "g": g}, family="bernoulli", engine="ml")
    assert found.verdict.ok
    assert found.solution.u[0, 0] < 0 < found.solution.u[2, 0]
    exposure = np.exp(rng.normal(12, 1, 60))
    counts = rng.poisson(exposure * 1e-5).astype(float)
    text = "y ~ 1 + offset(log(n)) + (1 | g)"
    rates = fit(text, {"y": counts, "n": exposure, "g": g}, family="poisson", engine="ml")
    assert rates.verdict.ok
    assert abs(rates.solution.beta[0] - math.log(1e-5)) < 4 * rates.solution.beta_se[0]


def test_without_groups_it_is_a_generalised_linear_model():
    import statsmodels.api as sm

    _, data = simulate("poisson", J=30)
    found = fit("y ~ x", data, family="poisson", engine="ml").solution
    glm = sm.GLM(data["y"], sm.add_constant(data["x"]), family=sm.families.Poisson()).fit(tol=1e-13)
    np.testing.assert_allclose(found.beta, glm.params, rtol=1e-6)
    np.testing.assert_allclose(found.beta_se, glm.bse, rtol=1e-6)
    assert found.loglik == pytest.approx(glm.llf, abs=1e-8)


X = np.linspace(-1, 1, 40)
G = np.repeat(np.arange(8), 5)
RANDOM = np.random.default_rng(0).normal(size=40)


@pytest.mark.parametrize(
    ("family", "y", "columns"),
    [
        ("bernoulli", (X > 0.03) * 1, {"x"}),
        ("bernoulli", np.where(RANDOM > 0.8, 1, np.arange(40) % 2), set()),
        ("poisson", np.zeros(40), {"Intercept"}),
        ("cumulative", np.digitize(X, [-0.4, 0.4]), {"x", "threshold[0|1]"}),
        ("poisson", np.random.default_rng(1).poisson(2.0, 40), set()),
    ],
)
def test_separation_is_found_before_fitting(family, y, columns):
    data = {"y": y, "x": X, "g": G}
    design = build_design("y ~ x + (1 | g)", data, family=family)
    assert columns <= set(separated(make_problem(design)))
    assert bool(columns) == bool(separated(make_problem(design)))
    if columns:
        with pytest.raises(EngineError, match="no maximum"):
            fit_generalised(design)


def test_draws_of_separated_data_carry_a_note_of_the_columns():
    data = {"y": (X > 0.03) * 1, "x": X, "z": RANDOM, "g": G}
    says = "x separates the outcomes: the likelihood has no maximum"
    options = {"family": "bernoulli", "engine": "direct", "random_seed": 1}
    found = fit("y ~ x + (1 | g)", data, **options)
    assert found.verdict.ok
    assert f"; {says}" in str(found.verdict)
    # Whatever draws, and next to checks that failed.
    (note,) = cautions(found.design, found.priors, None)
    assert note.ok
    assert says in str(Verdict((Finding("R-hat", False, "R-hat is 1.20; draw more"), note)))
    for left, other in (("y2 ~ x + z", np.arange(40) % 2), ("y2 ~ z", G % 2)):
        design = build_design(f"{left} + (1 | g)", {**data, "y2": other}, family="bernoulli")
        notes = [one.message for one in cautions(design, model_priors(design), None)]
        assert (notes == []) == (left == "y2 ~ x + z")
        assert all("in every group of g all outcomes are alike" in one for one in notes)


@pytest.mark.parametrize("pattern", ["all 0", "all 1", "mixed"])
@pytest.mark.parametrize(
    "name", ["bernoulli", "bernoulli(probit)", "bernoulli(cloglog)", "poisson"]
)
def test_integrands_that_fall_off_faster_than_at_their_mode_are_exact(name, pattern):
    """Groups of many rows that are all alike: the curvature at the mode is that of the prior."""
    g = np.repeat(np.arange(3), 60)
    y = {"all 0": g == 2, "all 1": g < 2, "mixed": np.arange(180) % 2 == 0}[pattern] * 1.0
    y[-1] = 1.0 - y[-1]
    problem = make_problem(build_design("y ~ 1 + (1 | g)", {"y": y, "g": g}, family=name))
    for sigma in (2.0, 5.0, 15.0):
        x = np.array([-1.0, sigma])
        coarse = problem.evaluate(x, derive=False).loglik
        fine = problem.evaluate(x, derive=False, refine=0.2, eps=1e-14).loglik
        assert coarse == pytest.approx(fine, abs=1e-8)


def test_a_small_sd_that_the_data_support_is_not_zero():
    """Of a log mean, from 500 counts a group of a million each: their error is half of it."""
    rng = np.random.default_rng(3)
    g = np.repeat(np.arange(20), 500)
    y = rng.poisson(np.exp(14.0 + 8e-5 * rng.normal(size=20)[g])).astype(float)
    found = fit("y ~ 1 + (1 | g)", {"y": y, "g": g}, family="poisson", engine="ml").solution
    assert not found.singular
    assert 5e-5 < found.sigma_u[0] < 2e-4
    assert found.errors.sigma_u[0] < 0.3 * found.sigma_u[0]


@pytest.mark.parametrize("name", [one for one in NAMES if one != "gamma"])
def test_equal_rows_are_one_term_of_the_same_likelihood(name, monkeypatch):
    """Binary predictors: the fit of distinct rows is that of rows, constants included."""
    _, data = simulate(name, seed=3, J=12, per=40)
    x, t = np.arange(480) % 2, np.arange(480) // 3 % 2
    data |= {"x": x, "t": t.astype(float), "w": 1.0 + t}
    left = "y | trials(n)" if "n" in data else "y"
    design = build_design(f"{left} ~ x + t + offset(log(w)) + (1 + x | g)", data, family=name)
    collapsed = make_problem(design, collapse=True)
    assert collapsed.y.size < 0.5 * design.n
    found = fit_generalised(design)
    monkeypatch.setattr("bayes_mlm.engines.generalised.problem.MOST_DISTINCT", 0.0)
    rows = fit_generalised(design)
    assert make_problem(design, collapse=True).y.size == design.n
    assert found.loglik == pytest.approx(rows.loglik, abs=1e-9 * abs(rows.loglik))
    # Newton ends where it would gain 1e-11.
    np.testing.assert_allclose(found.beta, rows.beta, atol=1e-6)
    np.testing.assert_allclose(found.beta_cov, rows.beta_cov, rtol=1e-4, atol=1e-8)
    np.testing.assert_allclose(found.cov_u, rows.cov_u, atol=1e-5)
    np.testing.assert_allclose(found.u, rows.u, atol=1e-5)
    at, same = make_problem(design), point_of(collapsed, 0.7)
    one, other = collapsed.evaluate(same), at.evaluate(same)
    assert one.loglik == pytest.approx(other.loglik, abs=1e-9)
    np.testing.assert_allclose(one.score, other.score, atol=1e-8)
    np.testing.assert_allclose(one.hessian, other.hessian, atol=1e-7)


def test_rows_that_differ_are_kept():
    formula, data = simulate("bernoulli", J=10, per=40)
    design = build_design(formula, data, family="bernoulli")
    assert make_problem(design, collapse=True).y.size == design.n


def test_a_category_whose_outcomes_are_all_alike_is_named():
    band = np.array(["a", "b", "c"])[np.arange(40) % 3]
    y = np.where(band == "c", 1, np.arange(40) // 2 % 2)
    design = build_design("y ~ band + (1 | g)", {"y": y, "band": band, "g": G}, family="bernoulli")
    assert separated(make_problem(design)) == ("band[c]",)


@pytest.mark.parametrize(
    ("formula", "family", "engine", "says"),
    [
        ("y ~ x + (1 | g)", "bernoulli", "reml", "no REML of Bernoulli"),
        ("s ~ x + (1 | g)", "beta", "ml", "no beta likelihood"),
        ("y ~ x", "bernoulli", "ols", "residual sd"),
    ],
)
def test_what_it_cannot_fit_is_refused(formula, family, engine, says):
    data = {
        "y": np.arange(40) % 2,
        "s": (1 + np.arange(40)) / 50,
        "x": RANDOM,
        "g": G,
    }
    with pytest.raises(UnsupportedModelError, match=says):
        fit(formula, data, family=family, engine=engine)


@pytest.mark.parametrize("family", ["bernoulli", "cumulative"])
def test_groups_that_are_all_alike_inside_have_no_finite_sd(family):
    g = np.repeat(np.arange(12), 4)
    data = {"y": g % (3 if family == "cumulative" else 2), "g": g}
    with pytest.raises(EngineError, match="sd of the groups goes to infinity"):
        fit("y ~ 1 + (1 | g)", data, family=family, engine="ml")


def test_a_search_ends_where_the_shape_goes_to_infinity():
    """Counts of less spread than Poisson, from a start whose shape is infinite at once."""
    rng = np.random.default_rng(4)
    g, x = np.repeat(np.arange(15), 6), rng.normal(size=90)
    y = rng.binomial(8, 0.3 + 0.2 * (g % 2)).astype(float)
    text, data = "y ~ x + (1 | g)", {"y": y, "x": x, "g": g}
    found = fit(text, data, family="negative_binomial", engine="ml").solution
    poisson = fit(text, data, family="poisson", engine="ml").solution
    assert found.certificate.ok, found.certificate.message
    assert found.loglik == pytest.approx(poisson.loglik, abs=1e-8)
    np.testing.assert_allclose(found.beta_se, poisson.beta_se, rtol=1e-4)


def test_predictors_that_separate_outcomes_within_groups_are_refused():
    """Two of 40 rows are not separated by x, and their groups take them: sds go to infinity."""
    rng = np.random.default_rng([5, 0])
    g, x = np.repeat(np.arange(10), 4), rng.normal(size=40)
    y = (x > 0.2) * 1.0
    y[[8, 9, 10, 11]] = 1.0
    with pytest.raises(EngineError, match="no maximum"):
        fit("y ~ x + (1 | g)", {"y": y, "x": x, "g": g}, family="bernoulli", engine="ml")


def test_counts_that_vary_as_poisson_have_an_infinite_shape():
    """The likelihood is that of the Poisson, and the shape has no interval, for a stated reason."""
    y = np.tile([3.0, 4.0], 60)
    data = {"y": y, "g": np.repeat(np.arange(20), 6)}
    found = fit("y ~ 1 + (1 | g)", data, family="negative_binomial", engine="ml")
    poisson = fit("y ~ 1 + (1 | g)", data, family="poisson", engine="ml")
    assert found.solution.loglik == pytest.approx(poisson.solution.loglik, abs=1e-5)
    text = str(found.summary())
    assert "vary no more than Poisson" in text
    assert "inf" not in text.replace("infinite", "")


SHAPES = [(name, seed) for seed, name in enumerate((*NAMES, *NAMES))]


@pytest.mark.parametrize(("name", "seed"), SHAPES)
def test_small_problems_are_those_of_brute_force(name, seed):
    rng = np.random.default_rng(seed)
    J, per, sigma = int(rng.integers(2, 6)), int(rng.integers(1, 4)), float(rng.uniform(0.1, 4.0))
    formula, data = simulate(name, seed=seed, J=max(J, 3), per=max(per, 2), sigma=sigma)
    problem = make_problem(build_design(formula, data, family=name))
    x = point_of(problem, sigma)[: problem.n_parameters]
    assert problem.evaluate(x, derive=False, refine=0.5).loglik == pytest.approx(
        brute_force(problem, x), abs=2e-8
    )


def test_integrals_over_three_effects_are_those_of_gauss_and_hermite():
    """Groups of 40 rows at a small sd, where 25 points a dimension have converged."""
    rng = np.random.default_rng(5)
    g, x, z = np.repeat(np.arange(3), 40), rng.normal(size=120), rng.normal(size=120)
    data = {"y": rng.integers(0, 2, 120), "x": x, "z": z, "g": g}
    problem = make_problem(build_design("y ~ 1 + (1 + x + z | g)", data, family="bernoulli"))
    at = np.array([0.2, 0.4, 0.1, 0.3, -0.1, 0.05, 0.2])
    beta, factor, _ = problem.parts(at)
    node, weight = np.polynomial.hermite_e.hermegauss(25)
    grid = np.stack(np.meshgrid(node, node, node), axis=-1).reshape(-1, 3)
    weights = np.stack(np.meshgrid(weight, weight, weight), axis=-1).reshape(-1, 3).prod(axis=1)
    eta = beta + problem.Z @ factor @ grid.T
    rows = problem.y[:, None] * eta - np.logaddexp(0.0, eta)
    groups = np.exp(np.add.reduceat(rows, problem.starts[:-1], axis=0))
    total = np.log(groups @ weights / (2.0 * math.pi) ** 1.5).sum()
    assert problem.evaluate(at, derive=False).loglik == pytest.approx(total, abs=1e-8)
