"""The direct engine against the covariance of all rows written out, and textbook posteriors."""

import math

import numpy as np
import pytest
from scipy import stats

from bayes_mlm.data.datasets import load_dataset
from bayes_mlm.data.table import as_table
from bayes_mlm.design import Design, build_design
from bayes_mlm.design.layouts import for_kind
from bayes_mlm.engines.direct import sample_direct
from bayes_mlm.engines.direct.density import log_posterior, make_problem, sums_at
from bayes_mlm.engines.direct.posterior import Variances
from bayes_mlm.likelihood.default_priors import model_priors
from bayes_mlm.likelihood.effect_centring import at_means
from bayes_mlm.model.priors import Prior
from bayes_mlm.moments.rotated import rotate_moments


def design_of(formula: str, **columns: object) -> Design:
    return build_design(formula, as_table(columns))


def singletons(n: int) -> Design:
    """Put every row in a group by itself, which `build_design` refuses to begin with."""
    design = design_of("y ~ x + (1 | g)", **grouped((2,) * (n // 2)))
    return design.with_arrays(codes=np.arange(n), labels=np.arange(n))


def grouped(sizes: tuple[int, ...], seed: int = 1, sd: float = 1.0) -> dict[str, np.ndarray]:
    """Simulate a small unbalanced set with a predictor and known group effects."""
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(len(sizes)), sizes)
    x = rng.normal(size=len(g))
    u = rng.normal(0, sd, len(sizes))
    return {"g": g, "x": x, "y": 3.0 + 0.5 * x + u[g] + rng.normal(size=len(g))}


# --- an independent density: the covariance of all rows written out ---------------------------


def scipy_sd(prior: Prior) -> object:
    """Give scipy's distribution of an sd's prior."""
    value = dict(prior.parameters)
    match prior.family:
        case "HalfNormal":
            return stats.halfnorm(scale=value["sigma"])
        case "HalfStudentT":
            return stats.t(value["nu"], scale=value["sigma"])  # twice its density, on x > 0
        case "HalfCauchy":
            return stats.halfcauchy(scale=value["beta"])
        case "Exponential":
            return stats.expon(scale=1 / value["lam"])
        case "Gamma":
            return stats.gamma(value["alpha"], scale=1 / value["beta"])
        case "InverseGamma":
            return stats.invgamma(value["alpha"], scale=value["beta"])
        case "Uniform":
            return stats.uniform(value["lower"], value["upper"] - value["lower"])
    raise AssertionError(prior)


def scipy_log_sd(prior: Prior, sd: np.ndarray) -> np.ndarray:
    twice = math.log(2) if prior.family == "HalfStudentT" else 0.0
    return scipy_sd(prior).logpdf(sd) + twice


class Dense:
    """Work with the (n, n) covariance of y: nothing of the engine's algebra is used."""

    def __init__(self, design: Design, priors: object) -> None:
        self.design, self.priors = design, priors
        to_beta = np.eye(design.p)
        if design.has_intercept:
            place = design.terms.index("Intercept")
            to_beta[place] = -design.X.mean(axis=0)
            to_beta[place, place] = 1.0
        self.mean = to_beta @ np.array([prior["mu"] for prior in priors.beta])
        self.cov = (to_beta * np.array([prior["sigma"] ** 2 for prior in priors.beta])) @ to_beta.T
        self.same = design.codes[:, None] == design.codes

    def covariance(self, sigma_u: np.ndarray, corr: np.ndarray, sigma_e: float) -> np.ndarray:
        Z = self.design.Z * sigma_u
        V = (Z @ corr @ Z.T) * self.same
        V += sigma_e**2 * np.eye(self.design.n)
        return V + self.design.X @ self.cov @ self.design.X.T

    def log_likelihood(self, sigma_u: np.ndarray, corr: np.ndarray, sigma_e: float) -> float:
        V = self.covariance(sigma_u, corr, sigma_e)
        mean = self.design.X @ self.mean
        return float(stats.multivariate_normal(mean, V).logpdf(self.design.y))


def intercept_grid(design: Design, priors: object, low: float = -14.0, low_e: float = -2.0) -> dict:
    """Integrate a random-intercept model on a plain, fine grid of (log sigma_u, log sigma_e)."""
    dense = Dense(design, priors)
    s = design.y.std()
    n_u = round((9.0 - low) / 0.11)
    log_u = np.log(s) + np.linspace(low, 9.0, n_u)
    n_e = round((2.0 - low_e) / 0.037)
    log_e = np.log(s) + np.linspace(low_e, 2.0, n_e)
    one = np.ones((1, 1))
    base_u = dense.covariance(np.ones(1), one, 0.0) - design.X @ dense.cov @ design.X.T
    base = design.X @ dense.cov @ design.X.T
    residual = design.y - design.X @ dense.mean
    logs = np.empty((n_u, n_e))
    effects = np.empty((n_u, n_e, design.J, 2))
    indicator = (design.codes == np.arange(design.J)[:, None]).astype(float)
    for i, a in enumerate(log_u):
        V = math.exp(2 * a) * base_u + base
        V = V + np.exp(2 * log_e)[:, None, None] * np.eye(design.n)
        right = np.concatenate([residual[:, None], indicator.T], axis=1)
        solved = np.linalg.solve(V, np.broadcast_to(right, (n_e, *right.shape)))
        quad = solved[:, :, 0] @ residual
        logs[i] = -0.5 * (np.linalg.slogdet(V)[1] + quad + design.n * math.log(2 * math.pi))
        effects[i, :, :, 0] = math.exp(2 * a) * solved[:, :, 0] @ indicator.T
        weighted = np.einsum("jn,enj->ej", indicator, solved[:, :, 1:])
        effects[i, :, :, 1] = math.exp(2 * a) - math.exp(4 * a) * weighted
    logs += (scipy_log_sd(priors.sigma_u[0], np.exp(log_u)) + log_u)[:, None]
    logs += scipy_log_sd(priors.sigma_e, np.exp(log_e)) + log_e
    top = logs[np.isfinite(logs)].max()
    weight = np.exp(logs - top)
    total = weight.sum() * (log_u[1] - log_u[0]) * (log_e[1] - log_e[0])
    weight /= weight.sum()
    mean = np.einsum("ae,aej->j", weight, effects[..., 0])
    second = np.einsum("ae,aej->j", weight, effects[..., 0] ** 2 + effects[..., 1])
    return {
        "log_marginal": top + math.log(total),
        "log_u": (log_u, weight.sum(axis=1)),
        "log_e": (log_e, weight.sum(axis=0)),
        "u_mean": mean,
        "u_sd": np.sqrt(second - mean**2),
    }


def cdf_at(grid: tuple[np.ndarray, np.ndarray], at: np.ndarray) -> np.ndarray:
    """Give the distribution function of a grid's marginal, cells halved at their points."""
    points, mass = grid
    edges = np.append(points - 0.5 * (points[1] - points[0]), points[-1] + 0.5)
    return np.interp(at, edges, np.concatenate([[0.0], np.cumsum(mass)]))


def check_uniform(values: np.ndarray) -> None:
    """Check that values of a distribution function at its draws are uniform."""
    # Kolmogorov-Smirnov at 1e-4: one test in ten thousand fails by chance, and seeds are fixed.
    assert stats.kstest(values, "uniform").pvalue > 1e-4


# --- the density ------------------------------------------------------------------------------

PRIOR_SETS = {
    "normal": {},
    "mixed": {
        "Intercept": "Normal(2, 0.7)",
        "beta": "Normal(1, 0.3)",
        "sigma_u": "Gamma(0.7, 1.3)",
        "sigma_e": "InverseGamma(2, 1.5)",
        "rho_u": "LKJ(1.5)",
    },
}


@pytest.mark.parametrize("name", PRIOR_SETS)
@pytest.mark.parametrize("effects", ["1", "x", "0 + x", "x + z"])
def test_density_is_that_of_all_rows(effects: str, name: str) -> None:
    data = grouped((3, 5, 1, 4, 2)) | {"z": np.random.default_rng(5).normal(2.0, 1.0, 15)}
    design = design_of(f"y ~ x + ({effects} | g)", **data)
    given = dict(PRIOR_SETS[name])
    if design.q == 1:
        given.pop("rho_u", None)
    priors = model_priors(design, given)
    problem = make_problem(
        rotate_moments(design.moments()),
        priors,
        np.append(design.X.mean(axis=0), design.Z.mean(axis=0)),
    )
    # The priors of effects that may correlate are of those where predictors are at their means.
    dense, rng = Dense(at_means(design, priors), priors), np.random.default_rng(2)
    for _ in range(4):
        sigma_u, sigma_e = np.exp(rng.normal(0, 1, design.q)), float(np.exp(rng.normal(0, 0.3)))
        root = np.linalg.cholesky(np.corrcoef(rng.normal(size=(design.q, 8))).reshape(design.q, -1))
        at = Variances(
            log_sigma_u=np.log(sigma_u)[None],
            factor=root[None],
            log_sigma_e=np.log([sigma_e]),
            log_scale=np.zeros((1, 0)),
        )
        want = dense.log_likelihood(sigma_u, root @ root.T, sigma_e)
        want += float(scipy_log_sd(priors.sigma_e, np.array(sigma_e)))
        want += sum(
            float(scipy_log_sd(prior, sd))
            for prior, sd in zip(priors.sigma_u, sigma_u, strict=True)
        )
        # Both are sums of a few dozen terms of size 10 in double precision.
        assert log_posterior(problem, at, sums_at(problem, at))[0] == pytest.approx(want, abs=1e-8)


def test_no_pooling_density_is_that_of_all_rows() -> None:
    data = grouped((3, 5, 2, 4))
    design = for_kind(build_design("y ~ x", as_table(data), group="g"), "no_pooling")
    priors = model_priors(design, {"u": "Normal(2, 1.5)", "sigma_e": "HalfNormal(2)"})
    result = sample_direct(design, priors, draws=2000, random_seed=1)
    slope = priors.beta[0]["sigma"]
    log_e = np.linspace(-2.5, 2.5, 2001)
    dummies = (design.codes[:, None] == np.arange(4)).astype(float)
    logs = []
    for value in log_e:
        V = 1.5**2 * dummies @ dummies.T + slope**2 * design.X @ design.X.T
        V += math.exp(2 * value) * np.eye(design.n)
        logs.append(stats.multivariate_normal(np.full(design.n, 2.0), V).logpdf(design.y))
    logs = np.array(logs) + stats.halfnorm(scale=2).logpdf(np.exp(log_e)) + log_e
    total = math.log(np.exp(logs - logs.max()).sum() * (log_e[1] - log_e[0])) + logs.max()
    # A trapezoid of 2,000 steps over a smooth density that vanishes at both ends is exact.
    assert result.report.log_marginal_likelihood == pytest.approx(total, abs=1e-6)
    weight = np.exp(logs - logs.max())
    check_uniform(cdf_at((log_e, weight / weight.sum()), np.log(result.draws["sigma_e"].ravel())))
    # u given sigma_e, from the joint normal of u and y.
    mean = np.zeros(4)
    for value, mass in zip(log_e[::10], weight[::10] / weight[::10].sum(), strict=True):
        V = 1.5**2 * dummies @ dummies.T + slope**2 * design.X @ design.X.T
        V += math.exp(2 * value) * np.eye(design.n)
        mean += mass * (2.0 + 1.5**2 * dummies.T @ np.linalg.solve(V, design.y - 2.0))
    drawn = result.draws["u"].reshape(-1, 4)
    # Five standard errors of 8,000 independent draws.
    assert np.abs(drawn.mean(axis=0) - mean).max() < 5 * drawn.std(axis=0).max() / math.sqrt(8000)


# --- exact moments ----------------------------------------------------------------------------


def test_flat_regression_is_the_textbook_t() -> None:
    data = grouped((6, 6))
    design = design_of("y ~ x", **{key: data[key] for key in ("x", "y")})
    priors = model_priors(design, {"Intercept": "Flat()", "beta": "Flat()", "sigma_e": "Flat()"})
    result = sample_direct(design, priors, draws=5000, random_seed=3)
    n, p = 12, 2
    beta, rss = np.linalg.lstsq(design.X, design.y, rcond=None)[:2]
    # Under a flat sigma_e (not 1/sigma_e) rss / sigma_e^2 is chi-square with n - p - 1 degrees of
    # freedom (Gelman et al. 2013, ch. 14.2, with one power of sigma_e less).
    check_uniform(stats.chi2(n - p - 1).cdf(rss[0] / result.draws["sigma_e"].ravel() ** 2))
    inverse = np.linalg.inv(design.X.T @ design.X)
    scale = np.sqrt(rss[0] / (n - p - 1) * np.diag(inverse))
    for k in range(p):
        draws = result.draws["beta"][:, :, k].ravel()
        check_uniform(stats.t(n - p - 1, loc=beta[k], scale=scale[k]).cdf(draws))
    assert result.report.log_marginal_likelihood is None


def test_no_pooling_flat_is_least_squares_with_dummies() -> None:
    design = for_kind(
        build_design("y ~ x", as_table(grouped((4, 6, 3, 5))), group="g"), "no_pooling"
    )
    priors = model_priors(design, {"u": "Flat()", "beta": "Flat()", "sigma_e": "Flat()"})
    result = sample_direct(design, priors, draws=5000, random_seed=4)
    X = np.column_stack([design.codes[:, None] == np.arange(4), design.X]).astype(float)
    beta, rss = np.linalg.lstsq(X, design.y, rcond=None)[:2]
    df = design.n - 5 - 1
    scale = np.sqrt(rss[0] / df * np.diag(np.linalg.inv(X.T @ X)))
    for k in range(4):
        values = stats.t(df, loc=beta[k], scale=scale[k]).cdf(result.draws["u"][:, :, k, 0].ravel())
        check_uniform(values)


GRID_CASES = {
    "dyestuff2": ("dyestuff2", {}),
    "dyestuff2, prior rules": (
        "dyestuff2",
        {"sigma_u": "Exponential(4)", "sigma_e": "Gamma(9, 2)"},
    ),
    "dyestuff2, density infinite at 0": ("dyestuff2", {"sigma_u": "Gamma(0.5, 0.5)"}),
    "dyestuff2, none at 0": ("dyestuff2", {"sigma_u": "InverseGamma(2, 1)"}),
    "dyestuff2, bounded": ("dyestuff2", {"sigma_u": "Uniform(0.5, 3)"}),
    "2 groups": ((6, 4), {}),
    "3 groups": ((3, 4, 5), {"sigma_u": "HalfCauchy(3)"}),
    "singletons": (8, {"sigma_u": "HalfNormal(2)", "sigma_e": "HalfNormal(1)"}),
    "some singletons": ((1, 1, 5, 1, 3), {}),
}


@pytest.mark.parametrize("case", GRID_CASES)
def test_random_intercept_is_that_of_a_plain_grid(case: str) -> None:
    source, given = GRID_CASES[case]
    if isinstance(source, str):
        design = build_design("yield ~ 1 + (1 | batch)", load_dataset(source))
    elif isinstance(source, int):
        design = singletons(source)
    else:
        design = design_of("y ~ x + (1 | g)", **grouped(source))
    priors = model_priors(design, given)
    # A density as sigma_u^(-1/2) leaves a part e^(-x/2) of the mass below e^-x; without pairs of
    # rows in a group the residual sd may be zero too.
    want = intercept_grid(
        design,
        priors,
        low=-35.0 if "infinite" in case else -14.0,
        low_e=-9.0 if case == "singletons" else -2.0,
    )
    result = sample_direct(design, priors, draws=2500, random_seed=8)
    report, draws = result.report, result.draws
    assert report.trusted
    # The error of the plain grid, seen by halving it, is below 1e-4; an importance sampler's
    # standard error is reported. The sharp edges of a Uniform cost the plain grid half a cell.
    loose = 0.05 if "bounded" in case else 1e-3
    margin = 4 * report.log_marginal_likelihood_error + loose
    assert report.log_marginal_likelihood == pytest.approx(want["log_marginal"], abs=margin)
    if "bounded" not in case:
        check_uniform(cdf_at(want["log_u"], np.log(draws["sigma_u"].ravel())))
    check_uniform(cdf_at(want["log_e"], np.log(draws["sigma_e"].ravel())))
    u = draws["u"][..., 0].reshape(10_000, -1)
    # Five standard errors of 10,000 draws; the error of the sd is larger where tails are heavy.
    assert np.abs(u.mean(axis=0) - want["u_mean"]).max() < 0.06 * want["u_sd"].max()
    if case not in ("2 groups", "3 groups", "some singletons"):
        assert np.abs(u.std(axis=0) / want["u_sd"] - 1).max() < 0.05
    assert len(np.unique(draws["sigma_u"])) == 10_000  # no grid is to be seen
