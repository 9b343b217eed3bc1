"""Direct draws with several grouping factors, against dense matrices and a grid."""

import numpy as np
import pytest
from scipy import stats

from bayes_mlm import build_design, fit, load_dataset, model_priors, summarise
from bayes_mlm.base.errors import EngineError, UnsupportedModelError
from bayes_mlm.engines.direct import sample_direct
from bayes_mlm.engines.direct.density import draw_beta, log_posterior
from bayes_mlm.engines.direct.parametrisation import dimension, variances_at
from bayes_mlm.engines.direct.several.problem import make_several
from tests.helpers.dense import dense_log_density, posterior_on_grid


def pastes():
    return load_dataset("pastes")


def penicillin():
    return load_dataset("penicillin")


def mixed(seed=1, n=90):
    """Unbalanced: slopes by class, classes in schools, raters crossed with both."""
    rng = np.random.default_rng(seed)
    school = rng.integers(0, 5, n)
    kind = school * 3 + rng.integers(0, 3, n)
    rater = rng.integers(0, 4, n)
    x, w = rng.normal(2.0, 1.0, n), 100.0 + 5.0 * rng.normal(size=n)
    y = 3.0 + 0.5 * x + rng.normal(size=5)[school] + rng.normal(size=15)[kind] * (1 + x)
    y += 0.7 * rng.normal(size=4)[rater] + rng.normal(size=n)
    return {"y": y, "x": x, "w": w, "school": school, "kind": kind, "rater": rater}


FORMULA = "y ~ x + w + (1 | school) + (x | kind) + (w || rater)"
PRIORS = {
    "Intercept": "Normal(2, 4)",
    "beta[x]": "StudentT(4, 0, 2)",
    "sigma_u[school]": "HalfCauchy(2)",
    "sigma_u[kind,x]": "Uniform(0.01, 30)",
    "sigma_e": "Exponential(0.5)",
}


@pytest.fixture(scope="module")
def problem():
    design = build_design(FORMULA, mixed())
    return design, make_several(design, model_priors(design, PRIORS))


def conditions(design, problem, seed=3):
    """Points of the density, the covariances of the effects there, and beta's prior scales."""
    rng = np.random.default_rng(seed)
    x = 0.7 * rng.normal(size=(6, dimension(problem)))
    at = variances_at(problem, x)
    covariances = []
    for term in problem.terms:
        some = term.block.places
        root = np.exp(at.log_sigma_u[:, some])[:, :, None] * at.factor[:, some, some]
        root = term.transform @ root
        covariances.append(root @ root.swapaxes(1, 2))
    return x, at, covariances


def terms_of(design):
    return [(term.codes, term.Z) for term in design.group_terms]


def test_the_density_is_that_of_dense_matrices(problem):
    """Likelihood with normal and t priors on beta, against scipy's multivariate normal."""
    design, one = problem
    _, at, covariances = conditions(design, one)
    found = log_posterior(one, at, one.sums(at))
    priors, p = one.priors, design.p
    m = design.X.mean(axis=0)
    # The prior of the intercept holds at the predictors' means: intercept = a - m'slopes.
    back = np.eye(p)
    back[0, 1:] = -m[1:]
    mean = np.array([priors.beta[0]["mu"], 0.0, priors.beta[2]["mu"]])
    sd = np.array([prior["sigma"] for prior in priors.beta])
    for b in range(len(found)):
        sigma_e = np.exp(at.log_sigma_e[b])
        scale = np.exp(at.log_scale[b, 0])
        spread = sd**2 * np.array([1.0, scale, 1.0])
        expected = dense_log_density(
            design.y,
            design.X,
            terms_of(design),
            sigma_e,
            [one[b] for one in covariances],
            back @ mean,
            back @ np.diag(spread) @ back.T,
        )
        expected += stats.expon(scale=2.0).logpdf(sigma_e)
        expected += stats.invgamma(2.0, scale=2.0).logpdf(scale) + np.log(scale)
        sds = np.exp(at.log_sigma_u[b])
        expected += stats.halfcauchy(scale=2.0).logpdf(sds[0])
        expected += stats.uniform(0.01, 29.99).logpdf(sds[2])
        for k in (1, 3, 4):
            prior = one.sds[k]
            half = stats.t(prior["nu"], scale=prior["sigma"]).logpdf(sds[k]) + np.log(2.0)
            expected += half
        assert found[b] == pytest.approx(expected, abs=1e-7)


def test_effects_are_drawn_from_their_conditional_distribution(problem):
    """Means and covariances of beta and u, given the variances, by dense normal theory."""
    design, one = problem
    x, _, _ = conditions(design, one)
    n_draws = 20_000
    at = variances_at(one, np.repeat(x[:1], n_draws, axis=0))
    _, _, covariances = conditions(design, one)
    rng = np.random.default_rng(8)
    beta = draw_beta(one, at, rng)
    noise = rng.standard_normal((n_draws, one.system.products.n_effects))
    effects = one.system.draw(one.relative(at), np.exp(at.log_sigma_e), beta, noise)
    blocks, columns = [], []
    for (codes, Z), covariance, term in zip(
        terms_of(design), covariances, design.group_terms, strict=True
    ):
        blocks.append(np.kron(np.eye(term.J), covariance[0]))
        wide = np.zeros((design.n, term.J, term.q))
        wide[np.arange(design.n), codes] = Z
        columns.append(wide.reshape(design.n, -1))
    H = np.column_stack([design.X, *columns])
    prior = np.zeros((H.shape[1], H.shape[1]))
    priors, m = one.priors, design.X.mean(axis=0)
    back = np.eye(design.p)
    back[0, 1:] = -m[1:]
    scale = np.exp(at.log_scale[0, 0])
    spread = np.array([p["sigma"] ** 2 for p in priors.beta]) * np.array([1.0, scale, 1.0])
    prior[: design.p, : design.p] = np.linalg.inv(back @ np.diag(spread) @ back.T)
    first = design.p
    for block in blocks:
        some = slice(first, first + len(block))
        prior[some, some] = np.linalg.inv(block)
        first += len(block)
    sigma2 = np.exp(2 * at.log_sigma_e[0])
    cov = np.linalg.inv(H.T @ H / sigma2 + prior)
    right = H.T @ design.y / sigma2
    mu = np.array([priors.beta[0]["mu"], 0.0, priors.beta[2]["mu"]])
    right[: design.p] += prior[: design.p, : design.p] @ back @ mu
    drawn = np.column_stack([beta, *(u.reshape(n_draws, -1) for u in effects)])
    sd = np.sqrt(np.diag(cov))
    gap = (drawn.mean(axis=0) - cov @ right) / sd
    assert np.abs(gap).max() < 4.5 / np.sqrt(n_draws)
    correlation = (cov / np.outer(sd, sd)) - np.cov(drawn.T) / np.outer(sd, sd)
    assert np.abs(correlation).max() < 6.0 / np.sqrt(n_draws)


@pytest.mark.parametrize(
    ("data", "formula", "factors", "ranges"),
    [
        (penicillin, "diameter ~ 1 + (1 | plate) + (1 | sample)", ("plate", "sample"),
         ((-1.2, 2.2), (-0.6, 4.5))),
        (pastes, "strength ~ 1 + (1 | sample) + (1 | batch)", ("sample", "batch"),
         ((0.0, 2.6), (-9.0, 3.0))),
    ],
)  # fmt: skip
def test_the_posterior_is_that_of_a_grid(data, formula, factors, ranges):
    """Posterior moments within 3.5 Monte Carlo errors, sds within 6 %, and the evidence."""
    data = data()
    design = build_design(formula, data)
    priors = model_priors(design)
    codes = [design.of_factor(design.factors.index(name)).codes for name in factors]
    sds = [half_t(priors.groups[design.factors.index(name)].sigma_u[0]) for name in factors]
    grid, total = posterior_on_grid(
        design.y,
        design.X,
        codes,
        [*sds, half_t(priors.sigma_e)],
        np.array([priors.beta[0]["mu"]]),
        np.array([priors.beta[0]["sigma"]]),
        [np.linspace(low, high, 33) for low, high in ranges],
    )
    found = sample_direct(design, priors, random_seed=4)
    assert found.report.trusted
    assert found.report.log_marginal_likelihood == pytest.approx(total, abs=0.02)
    names = [*(f"sigma_u_{name}" for name in factors), "sigma_e", "beta"]
    for name, (mean, sd) in zip(names, grid, strict=True):
        values = found.draws[name].ravel()
        assert abs(values.mean() - mean) < 3.5 * sd / np.sqrt(found.report.ess), name
        assert values.std() == pytest.approx(sd, rel=0.06), name


def half_t(prior):
    return lambda sd: stats.t(prior["nu"], scale=prior["sigma"]).logpdf(sd) + np.log(2.0)


def test_auto_is_direct_and_laid_out_as_by_nuts():
    data = mixed()
    found = fit(FORMULA, data, random_seed=1, draws=250)
    assert (found.engine, found.reason) == ("direct", "exact by importance")
    draws, posterior = found.draws, found.posterior
    assert draws["u_kind"].shape == (4, 250, 15, 2)
    assert posterior["u_kind"].dims == ("chain", "draw", "kind", "effect_kind")
    assert posterior["sigma_u_school"].dims == ("chain", "draw")
    assert posterior["rho_u_kind"].dims == ("chain", "draw", "effect_pair_kind")
    names = [row.quantity for row in summarise(found).rows]
    assert names[3:] == [
        "sigma_u[school]",
        "sigma_u[kind,Intercept]",
        "sigma_u[kind,x]",
        "sigma_u[rater,Intercept]",
        "sigma_u[rater,w]",
        "rho_u[kind,Intercept,x]",
        "sigma_e",
    ]


def test_effects_that_are_too_many_are_summarised():
    """Means and sds of draws that are not kept, against those of the same draws."""
    design = build_design("strength ~ 1 + (1 | sample) + (1 | batch)", pastes())
    priors = model_priors(design)
    drawn = sample_direct(design, priors, random_seed=2)
    short = sample_direct(design, priors, random_seed=2, max_effects=1000)
    assert (drawn.report.effects, short.report.effects) == ("drawn", "summarised")
    assert short.draws.posterior["u_mean_batch"].dims == ("batch", "effect_batch")
    for name in ("sample", "batch"):
        u = drawn.draws[f"u_{name}"]
        np.testing.assert_allclose(
            short.draws.posterior[f"u_mean_{name}"].values, u.mean(axis=(0, 1)), atol=1e-9
        )
        np.testing.assert_allclose(
            short.draws.posterior[f"u_sd_{name}"].values, u.std(axis=(0, 1)), rtol=1e-9
        )
    assert sample_direct(design, priors, random_seed=2, effects=False).report.effects == "none"


def test_units_and_the_order_of_rows_do_not_matter():
    data = mixed()
    base = sample_direct(*bound(data), random_seed=1)
    order = np.random.default_rng(0).permutation(len(data["y"]))
    shuffled = {name: np.asarray(column)[order] for name, column in data.items()}
    other = sample_direct(*bound(shuffled), random_seed=1)
    np.testing.assert_allclose(
        other.draws["sigma_u_kind"].mean(axis=(0, 1)),
        base.draws["sigma_u_kind"].mean(axis=(0, 1)),
        rtol=1e-5,
    )
    scaled = dict(data, y=1e3 * data["y"] + 1e9)
    third = sample_direct(*bound(scaled), random_seed=1)
    for name in ("sigma_u_school", "sigma_u_rater", "sigma_e"):
        assert third.draws[name].mean() == pytest.approx(1e3 * base.draws[name].mean(), rel=2e-3)


def bound(data):
    design = build_design(FORMULA, data)
    return design, model_priors(design)


def test_improper_posteriors_are_refused():
    """A flat sd of a factor with two levels has no posterior (Gelman 2006, sec. 2.2)."""
    data = mixed()
    data["rater"] = data["rater"] % 2
    formula = "y ~ x + (1 | school) + (1 | rater)"
    flat = {"sigma_u[rater]": "Flat", "beta": "Flat", "Intercept": "Flat"}
    with pytest.raises(EngineError, match=r"flat prior on sigma_u\[rater\].*2 groups \(rater\)"):
        fit(formula, data, engine="direct", priors=flat)
    fine = {"sigma_u[school]": "Flat", "beta": "Flat", "Intercept": "Flat"}
    found = fit(formula, data, engine="direct", priors=fine, random_seed=1, draws=200)
    assert found.report.log_marginal_likelihood is None


def test_an_outcome_without_residuals_is_refused():
    data = mixed()
    rng = np.random.default_rng(2)
    data["y"] = rng.normal(size=5)[data["school"]] + rng.normal(size=4)[data["rater"]]
    with pytest.raises(EngineError, match="no residual variation"):
        fit("y ~ 1 + (1 | school) + (1 | rater)", data, engine="direct")


def test_models_beyond_it_are_refused():
    data = mixed()
    with pytest.raises(UnsupportedModelError, match="Student-t"):
        fit("y ~ x + (1 | school) + (1 | rater)", data, engine="direct", family="student_t")
