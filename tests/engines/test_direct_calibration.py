"""Simulation-based calibration of the direct engine: the posterior is right on average, everywhere.

Parameters are drawn from the prior and data from the model; then the rank of each true value among
independent posterior draws is uniform, whatever the model (Talts, Betancourt, Simpson, Vehtari &
Gelman 2018, arXiv:1804.06788). A posterior too wide, too narrow, shifted or skewed shows as a
rank histogram that is a hill, a bowl, a slope or lopsided.
"""

import math

import numpy as np
import pytest
from scipy import stats

from bayes_mlm.data.table import as_table
from bayes_mlm.design import Design, build_design
from bayes_mlm.engines.direct import sample_direct
from bayes_mlm.likelihood.default_priors import ModelPriors, model_priors

N_DATA_SETS = 1000
N_DRAWS = 99  # ranks 0..99
N_BINS = 20
# Small, unbalanced groups, some of a single row: where the prior matters and sigma_u may be 0.
SIZES = (1, 2, 2, 3, 3, 4, 5, 6)
PRIORS = {
    "Intercept": "Normal(1, 2)",
    "beta": "Normal(0.5, 1)",
    "sigma_u": "HalfNormal(1)",
    "sigma_e": "Gamma(4, 4)",
}


def simulate(rng: np.random.Generator, effects: str) -> tuple[Design, ModelPriors, dict]:
    """Draw parameters from the prior, and data given them."""
    codes = np.repeat(np.arange(len(SIZES)), SIZES)
    x = rng.normal(0.5, 1.0, len(codes))
    slope, centre = rng.normal(0.5, 1.0), rng.normal(1.0, 2.0)
    beta = np.array([centre - slope * x.mean(), slope])
    q = 1 if effects == "1" else 2
    sigma_u, sigma_e = np.abs(rng.normal(size=q)), rng.gamma(4.0, 0.25)
    # LKJ(2) of two effects is Beta(2, 2) on (-1, 1) (Lewandowski et al. 2009).
    rho = 2.0 * rng.beta(2.0, 2.0) - 1.0
    factor = np.array([[1.0, 0.0], [rho, math.sqrt(1.0 - rho**2)]])[:q, :q]
    # Priors hold where x is at its mean; what is reported, where it is zero.
    root = np.array([[1.0, -x.mean()], [0.0, 1.0]])[:q, :q] @ (sigma_u[:, None] * factor)
    u = rng.normal(size=(len(SIZES), q)) @ root.T
    sigma_u = np.linalg.norm(root, axis=1)
    rho = float(root[0] @ root[-1]) / (sigma_u[0] * sigma_u[-1])
    Z = np.column_stack([np.ones_like(x), x])[:, :q]
    y = beta[0] + beta[1] * x + (Z * u[codes]).sum(axis=1) + rng.normal(0.0, sigma_e, len(x))
    design = build_design(f"y ~ x + ({effects} | g)", as_table({"y": y, "x": x, "g": codes}))
    given = PRIORS | ({"rho_u": "LKJ(2)"} if q > 1 else {})
    truth = {
        "beta[0]": beta[0],
        "beta[1]": beta[1],
        "sigma_e": sigma_e,
        "u[first]": u[0, 0],
        "u[last]": u[-1, -1],
        **{f"sigma_u[{k}]": sigma_u[k] for k in range(q)},
    }
    truth |= {"rho_u": rho} if q > 1 else {"icc": sigma_u[0] ** 2 / (sigma_u[0] ** 2 + sigma_e**2)}
    return design, model_priors(design, given), truth


def flatten(draws) -> dict[str, np.ndarray]:
    found = {
        "beta[0]": draws["beta"][0, :, 0],
        "beta[1]": draws["beta"][0, :, 1],
        "sigma_e": draws["sigma_e"][0],
        "u[first]": draws["u"][0, :, 0, 0],
        "u[last]": draws["u"][0, :, -1, -1],
    }
    sigma_u = draws["sigma_u"][0].reshape(N_DRAWS, -1)
    found |= {f"sigma_u[{k}]": sigma_u[:, k] for k in range(sigma_u.shape[1])}
    if "rho_u" in draws.posterior:
        found["rho_u"] = draws["rho_u"][0, :, 0]
    else:
        found["icc"] = draws["icc"][0]
    return found


@pytest.mark.slow
@pytest.mark.parametrize("effects", ["1", "x"], ids=["random intercept", "random slope"])
def test_ranks_are_uniform(effects: str) -> None:
    ranks: dict[str, list[int]] = {}
    untrusted = 0
    for seed in range(N_DATA_SETS):
        design, priors, truth = simulate(np.random.default_rng([seed, len(effects)]), effects)
        result = sample_direct(design, priors, draws=N_DRAWS, chains=1, random_seed=seed)
        untrusted += not result.report.trusted
        found = flatten(result.draws)
        for name, value in truth.items():
            ranks.setdefault(name, []).append(int((found[name] < value).sum()))
    # All data sets are kept, trusted or not, for leaving some out would bend the ranks.
    assert untrusted <= 0.01 * N_DATA_SETS
    histograms = {
        name: np.bincount(np.array(values) * N_BINS // (N_DRAWS + 1), minlength=N_BINS)
        for name, values in ranks.items()
    }
    p_values = {name: stats.chisquare(counts).pvalue for name, counts in histograms.items()}
    # Eight quantities: one run in a thousand would have a p-value below 1e-3 / 8 by chance.
    assert min(p_values.values()) > 1e-3 / len(p_values), (p_values, histograms)
