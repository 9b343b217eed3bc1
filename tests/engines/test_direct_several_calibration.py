"""Simulation-based calibration with several grouping factors: nested, crossed, and with slopes.

As in `test_direct_calibration`: parameters from the prior, data from the model, uniform ranks of
the truth among independent draws (Talts et al. 2018, arXiv:1804.06788).
"""

import math

import numpy as np
import pytest
from scipy import stats

from bayes_mlm.data.table import as_table
from bayes_mlm.design import build_design
from bayes_mlm.engines.direct import sample_direct
from bayes_mlm.engines.direct.several import sampling
from bayes_mlm.likelihood.default_priors import model_priors

N_DRAWS, N_BINS = 99, 10
PRIORS = {
    "Intercept": "Normal(1, 2)",
    "beta": "Normal(0.5, 1)",
    "sigma_u": "HalfNormal(1)",
    "sigma_e": "Gamma(4, 4)",
}
FORMULAS = {
    "nested": "y ~ x + (1 | school) + (1 | class)",
    "crossed": "y ~ x + (1 | school) + (1 | rater)",
    "slope": "y ~ x + (x | school) + (1 | rater)",
}


def simulate(rng, kind, n=40, schools=6, others=5):
    """Draw parameters from the prior, and data given them: unbalanced, with empty cells."""
    school = np.sort(rng.integers(0, schools, n))
    school[:schools] = range(schools)
    other = rng.integers(0, others, n)
    other[:others] = range(others)
    if kind == "nested":
        other = np.unique(school * 3 + other % 3, return_inverse=True)[1]
    x = rng.normal(0.5, 1.0, n)
    slope, centre = rng.normal(0.5, 1.0), rng.normal(1.0, 2.0)
    beta = np.array([centre - slope * x.mean(), slope])
    q = 2 if kind == "slope" else 1
    sds, second, sigma_e = np.abs(rng.normal(size=q)), abs(rng.normal()), rng.gamma(4.0, 0.25)
    rho = 2.0 * rng.beta(2.0, 2.0) - 1.0
    factor = np.array([[1.0, 0.0], [rho, math.sqrt(1.0 - rho**2)]])[:q, :q]
    # Priors hold where x is at its mean; what is reported, where it is zero.
    root = np.array([[1.0, -x.mean()], [0.0, 1.0]])[:q, :q] @ (sds[:, None] * factor)
    u, v = rng.normal(size=(schools, q)) @ root.T, second * rng.normal(size=other.max() + 1)
    y = beta[0] + beta[1] * x + u[school, 0] + v[other] + sigma_e * rng.normal(size=n)
    y += u[school, -1] * x if q == 2 else 0.0
    name = "class" if kind == "nested" else "rater"
    design = build_design(FORMULAS[kind], as_table({"y": y, "x": x, "school": school, name: other}))
    truth = {"beta[0]": beta[0], "beta[1]": beta[1], "sigma_e": sigma_e}
    truth |= {"sigma_u[other]": second, "u[0]": u[0, 0], "u[-1]": u[-1, -1], "v[0]": v[0]}
    truth["sigma_u[0]"] = float(np.linalg.norm(root[0]))
    if q == 2:
        truth["sigma_u[1]"] = float(np.linalg.norm(root[1]))
        truth["rho_u"] = float(root[0] @ root[1]) / (truth["sigma_u[0]"] * truth["sigma_u[1]"])
    given = PRIORS | ({"rho_u": "LKJ(2)"} if q > 1 else {})
    return design, model_priors(design, given), truth, name


def flatten(draws, name):
    found = {
        "beta[0]": draws["beta"][0, :, 0],
        "beta[1]": draws["beta"][0, :, 1],
        "sigma_e": draws["sigma_e"][0],
        "sigma_u[other]": draws[f"sigma_u_{name}"][0],
        "u[0]": draws["u_school"][0, :, 0, 0],
        "u[-1]": draws["u_school"][0, :, -1, -1],
        "v[0]": draws[f"u_{name}"][0, :, 0, 0],
    }
    sds = draws["sigma_u_school"][0].reshape(N_DRAWS, -1)
    found |= {f"sigma_u[{k}]": sds[:, k] for k in range(sds.shape[1])}
    if "rho_u_school" in draws.posterior:
        found["rho_u"] = draws["rho_u_school"][0, :, 0]
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "interpolated", "data_sets"),
    [
        ("nested", False, 400),
        ("crossed", False, 400),
        ("slope", False, 400),
        ("crossed", True, 200),
        ("slope", True, 200),
    ],
)
def test_ranks_are_uniform(kind, interpolated, data_sets, monkeypatch):
    """Chi-squared of the rank histogram of each quantity, at 0.001 over their number."""
    if interpolated:
        monkeypatch.setattr(sampling, "EXACT_SECONDS", 0.0)
        monkeypatch.setattr(sampling, "FALLBACK_SECONDS", 0.0)
    # Interpolation is for models of a dear factorisation: few rows leave densities too wide for it.
    size = (600, 40, 25) if interpolated else ()
    rng = np.random.default_rng(20_261_128)
    ranks, untrusted = {}, 0
    for seed in range(data_sets):
        design, priors, truth, name = simulate(rng, kind, *size)
        found = sample_direct(design, priors, draws=4 * N_DRAWS, chains=1, random_seed=seed)
        untrusted += not found.report.trusted
        # Every fourth draw: the draws of an importance sample repel one another a little.
        thin = type(found.draws)(
            posterior={
                key: type(one)(one.dims, one.values[:, ::4])
                for key, one in found.draws.posterior.items()
            },
            sample_stats={},
            coords=found.draws.coords,
        )
        for quantity, values in flatten(thin, name).items():
            ranks.setdefault(quantity, []).append(int((values < truth[quantity]).sum()))
    bins = (N_DRAWS + 1) // N_BINS
    for quantity, found in ranks.items():
        counts = np.bincount(np.array(found) // bins, minlength=N_BINS)
        assert stats.chisquare(counts).pvalue > 0.001 / len(ranks), (kind, quantity, counts)
    # 6 of 200 with interpolated slopes; what is not trusted is counted in the ranks too.
    assert untrusted <= (0.05 if interpolated else 0.02) * data_sets
