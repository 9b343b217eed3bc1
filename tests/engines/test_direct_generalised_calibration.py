"""Calibration and recovery of direct draws for outcomes that are not Gaussian.

As in `test_direct_calibration`: parameters from the prior, data from the model, uniform ranks of
the truth among independent draws (Talts et al. 2018, arXiv:1804.06788). Leaving out data sets by
what their outcomes are keeps the ranks uniform.
"""

import math

import numpy as np
import pytest
from scipy import integrate, special, stats

from bayes_mlm.data.table import as_table
from bayes_mlm.design import build_design
from bayes_mlm.engines.direct import sample_direct
from bayes_mlm.engines.direct.generalised.laplace import expand
from bayes_mlm.engines.direct.generalised.lattice import Exact
from bayes_mlm.engines.direct.generalised.problem import make_problem
from bayes_mlm.engines.direct.generalised.proposal import Proposal
from bayes_mlm.likelihood import model_priors

N_DATA_SETS, N_DRAWS, N_BINS = 200, 99, 10
# Small, unbalanced groups, some of a single row, in which all outcomes are often equal.
SIZES = (1, 1, 1, 2, 2, 3, 3, 4, 5, 6, 8, 10)
PRIORS = {
    "bernoulli": {"Intercept": "Normal(-0.5, 1.5)", "beta": "Normal(0.5, 1)"},
    "slope": {"Intercept": "Normal(-0.5, 1.5)", "beta": "Normal(0.5, 1)", "rho_u": "LKJ(2)"},
    "poisson": {"Intercept": "Normal(0.5, 0.7)", "beta": "Normal(0, 0.5)"},
    "cumulative": {"threshold": "Normal(0, 2)", "beta": "Normal(0.5, 1)"},
}


def draw_outcomes(family, eta, cuts, rng):
    """Draw outcomes given linear predictors; thresholds of ordered ones are at eta = 0."""
    if family == "poisson":
        return rng.poisson(np.exp(np.minimum(eta, 15.0))).astype(float)
    if family == "cumulative":
        latent = eta + rng.logistic(size=len(eta))
        return 1.0 + (latent[:, None] > cuts).sum(axis=1)
    return (rng.random(len(eta)) < 1.0 / (1.0 + np.exp(-eta))).astype(float)


def simulated(kind, rng):
    """Draw parameters from the prior, and data given them; None where a category has no rows."""
    codes = np.repeat(np.arange(len(SIZES)), SIZES)
    x, q = rng.normal(0.5, 1.0, len(codes)), 2 if kind == "slope" else 1
    centre, slope, cuts = 0.0, rng.normal(0.5, 1.0), np.zeros(0)
    if kind == "poisson":
        centre, slope = rng.normal(0.5, 0.7), rng.normal(0.0, 0.5)
    elif kind == "cumulative":
        cuts = np.sort(rng.normal(0.0, 2.0, 2))
    else:
        centre = rng.normal(-0.5, 1.5)
    sds, rho = np.abs(rng.normal(size=q)), 2.0 * rng.beta(2.0, 2.0) - 1.0
    factor = np.array([[1.0, 0.0], [rho, math.sqrt(1.0 - rho**2)]])[:q, :q]
    # Priors hold where x is at its mean; what is reported, where it is zero.
    root = np.array([[1.0, -x.mean()], [0.0, 1.0]])[:q, :q] @ (sds[:, None] * factor)
    u = rng.normal(size=(len(SIZES), q)) @ root.T
    eta = centre + slope * (x - x.mean()) + u[codes, 0] + (u[codes, 1] * x if q == 2 else 0.0)
    family = "bernoulli" if kind == "slope" else kind
    y = draw_outcomes(family, eta, cuts, rng)
    if len(np.unique(y)) < (3 if kind == "cumulative" else 1):
        return None
    truth = {"beta": slope, "u[first]": u[0, 0], "u[last]": u[-1, -1]}
    truth |= {f"sigma_u[{k}]": float(np.linalg.norm(root[k])) for k in range(q)}
    if kind == "cumulative":
        truth |= {f"threshold[{k}]": cuts[k] + slope * x.mean() for k in range(2)}
    else:
        truth["Intercept"] = centre - slope * x.mean()
    if q == 2:
        truth["rho_u"] = float(root[0] @ root[1]) / (truth["sigma_u[0]"] * truth["sigma_u[1]"])
    formula = f"y ~ x + ({'x' if q == 2 else '1'} | g)"
    design = build_design(formula, as_table({"y": y, "x": x, "g": codes}), family=family)
    return design, model_priors(design, PRIORS[kind] | {"sigma_u": "HalfNormal(1)"}), truth


def flatten(draws, names):
    """Return the draws (N_DRAWS,) of the named quantities."""
    found = {"beta": draws["beta"][0, :, -1], "Intercept": draws["beta"][0, :, 0]}
    found["u[first]"], found["u[last]"] = draws["u"][0, :, 0, 0], draws["u"][0, :, -1, -1]
    sds = draws["sigma_u"][0].reshape(N_DRAWS, -1)
    found |= {f"sigma_u[{k}]": sds[:, k] for k in range(sds.shape[1])}
    if "rho_u" in names:
        found["rho_u"] = draws["rho_u"][0, :, 0]
    if "threshold[0]" in names:
        found |= {f"threshold[{k}]": draws["threshold"][0, :, k] for k in range(2)}
    return {name: found[name] for name in names}


@pytest.mark.slow
@pytest.mark.parametrize("kind", sorted(PRIORS))
def test_ranks_are_uniform(kind):
    ranks, untrusted, seed, made = {}, 0, 0, 0
    while made < N_DATA_SETS:
        seed += 1
        simulation = simulated(kind, np.random.default_rng([seed, len(kind)]))
        if simulation is None:
            continue
        design, priors, truth = simulation
        result = sample_direct(design, priors, draws=N_DRAWS, chains=1, random_seed=seed)
        untrusted, made = untrusted + (not result.report.trusted), made + 1
        found = flatten(result.draws, list(truth))
        for name, value in truth.items():
            ranks.setdefault(name, []).append(int((found[name] < value).sum()))
    # All are kept, trusted or not, for leaving some out would bend the ranks.
    assert untrusted <= 0.05 * N_DATA_SETS
    counts = {
        name: np.bincount(np.array(values) * N_BINS // (N_DRAWS + 1), minlength=N_BINS)
        for name, values in ranks.items()
    }
    p_values = {name: stats.chisquare(one).pvalue for name, one in counts.items()}
    assert min(p_values.values()) > 1e-3 / len(p_values), (p_values, counts)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("centre", "sigma", "groups", "size"),
    [(0.0, 3.0, 150, 3), (-3.5, 1.5, 200, 4), (2.5, 2.0, 120, 2)],
    ids=["large sd", "rare events", "pairs, most of them 1"],
)
def test_sds_are_recovered_where_laplace_is_off(centre, sigma, groups, size):
    """Laplace's sds are up to half of the truth there; here errors are those of the posterior."""
    z, equal = [], []
    for seed in range(24):
        rng = np.random.default_rng([seed, groups])
        g = np.repeat(np.arange(groups), size)
        x = rng.normal(size=g.size)
        eta = centre + 0.8 * x + sigma * rng.normal(size=groups)[g]
        y = draw_outcomes("bernoulli", eta, None, rng)
        equal.append((np.ptp(y.reshape(groups, size), axis=1) == 0).mean())
        design = build_design("y ~ x + (1 | g)", {"y": y, "x": x, "g": g}, family="bernoulli")
        found = sample_direct(
            design, model_priors(design), draws=1000, chains=1, random_seed=seed, effects=False
        )
        assert found.report.trusted, found.report.verdict
        for values, truth in (
            (found.draws["sigma_u"], sigma),
            (found.draws["beta"][..., 0], centre),
            (found.draws["beta"][..., 1], 0.8),
        ):
            z.append((values.mean() - truth) / values.std())
    z = np.array(z).reshape(-1, 3)
    assert np.mean(equal) > 0.4
    # Means of 24 of about unit variance; priors pull a little.
    assert np.abs(z.mean(axis=0)).max() < 4 / math.sqrt(24)
    assert z.std(axis=0).min() > 0.6
    assert z.std(axis=0).max() < 1.5


def log_rows(family, y, eta):
    if family == "poisson":
        return y * eta - np.exp(eta) - special.gammaln(y + 1.0)
    return np.where(y == 1, -np.logaddexp(0.0, -eta), -np.logaddexp(0.0, eta))


@pytest.mark.parametrize("family", ["bernoulli", "poisson"])
def test_integrals_of_small_groups_with_large_effects(family):
    """Groups of one to three rows, sigma_u near 5: against adaptive quadrature of each."""
    rng = np.random.default_rng(3)
    g = np.repeat(np.arange(15), np.tile([1, 2, 3], 5))
    x = rng.normal(size=g.size)
    y = draw_outcomes(family, 0.5 * x - 0.5 + 2.0 * rng.normal(size=15)[g], None, rng)
    design = build_design("y ~ x + (1 | g)", {"y": y, "x": x, "g": g}, family=family)
    problem = make_problem(design, model_priors(design))
    proposal = Proposal(problem, np.random.default_rng(1))
    exact = Exact(problem, expand(problem, proposal.nodes[0]))
    points = np.column_stack([rng.normal(0.0, 0.7, (12, 2)), np.log(np.linspace(3.5, 7.0, 12))])
    exact.prepare(points)
    found, at = exact(points), problem.values(points)
    eta = problem.X @ at.g.T
    grid = np.linspace(-12.0, 12.0, 481)
    for k in (0, 6, 11):
        total = 0.0
        for j in range(15):
            rows = slice(problem.starts[j], problem.starts[j + 1])
            y_j, eta_j, z_j = problem.y[rows], eta[rows, k], at.sds[k, 0] * problem.Z[rows, 0]

            def height(v, y=y_j, eta=eta_j, z=z_j):
                return log_rows(family, y, eta + z * v).sum() - 0.5 * v * v

            values = np.array([height(v) for v in grid])
            top, high = grid[values.argmax()], values.max()
            near = [top - 1.0, top, top + 1.0]
            area, _ = integrate.quad(
                lambda v, f=height, m=high: math.exp(f(v) - m), -14.0, 14.0, points=near, limit=200
            )
            total += math.log(area) + high - 0.5 * math.log(2.0 * math.pi)
        assert found[k] == pytest.approx(total, abs=2e-3)
