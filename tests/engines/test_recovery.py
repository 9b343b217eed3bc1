"""Group effects drawn given the other parameters have exactly their conditional distribution."""

import numpy as np
import pytest

from bayes_mlm.data.datasets import load_dataset
from bayes_mlm.data.table import as_table
from bayes_mlm.design import build_design
from bayes_mlm.engines.draws import SAMPLE_DIMS, Draws, Variable
from bayes_mlm.engines.recovery import effects_root, recover_effects
from bayes_mlm.engines.reml import fit_reml

FORMULAS = {
    "intercept": ("mathach ~ ses * sector + (1 | schoolid)", "hsb"),
    "two": ("reaction ~ days + (days | subject)", "sleepstudy"),
    "three": ("mathach ~ ses + (ses + minority | schoolid)", "hsb"),
}
N_DRAWS = 4000


def design_of(name):
    formula, data = FORMULAS[name]
    return build_design(formula, load_dataset(data))


def repeated(design, beta, sigma_u, rho_u, sigma_e, n_draws=N_DRAWS):
    """Give draws that all have the same parameters, as 4 chains."""

    def variable(value, *dims):
        values = np.broadcast_to(value, (4, n_draws // 4, *np.shape(value)))
        return Variable(SAMPLE_DIMS + dims, values)

    posterior = {
        "beta": variable(beta, "term"),
        "sigma_u": variable(sigma_u[0]) if design.has_icc else variable(sigma_u, "effect"),
        "sigma_e": variable(sigma_e),
    }
    if design.q > 1:
        posterior["rho_u"] = variable(rho_u[np.triu_indices(design.q, k=1)], "effect_pair")
    return Draws(posterior=posterior, sample_stats={}, coords={"term": np.array(design.terms)})


@pytest.mark.parametrize("name", FORMULAS)
def test_at_the_reml_estimates_they_have_the_blups_and_condvars(name):
    """Oracle: BLUPs and conditional sds of our REML, which test_reml.py holds against lme4.

    The Monte Carlo error of a mean of 4,000 draws is 0.016 sd, of an sd 1.1 %: five of each, for
    the largest of up to 480.
    """
    design = design_of(name)
    fit = fit_reml(design, check=False, profile=False)
    draws = repeated(design, fit.beta, fit.sigma_u, fit.rho_u, fit.sigma_e)
    found = recover_effects(design, draws, 1)
    assert found.posterior["u"].dims == ("chain", "draw", design.group, "effect")
    assert found.coords[design.group].tolist() == design.labels.tolist()
    u = found["u"].reshape(N_DRAWS, design.J, design.q)
    assert np.abs((u.mean(axis=0) - fit.u) / fit.u_sd).max() < 5 * 0.016
    np.testing.assert_allclose(u.std(axis=0), fit.u_sd, rtol=5 * 0.011)


@pytest.mark.parametrize("name", FORMULAS)
def test_summaries_at_fixed_parameters_are_exact(name):
    """No Monte Carlo error is left where every draw has the same parameters."""
    design = design_of(name)
    fit = fit_reml(design, check=False, profile=False)
    draws = repeated(design, fit.beta, fit.sigma_u, fit.rho_u, fit.sigma_e, n_draws=8)
    found = recover_effects(design, draws, 1, max_effects=0).posterior
    assert "u" not in found
    assert found["u_mean"].dims == (design.group, "effect")
    # 1e-8: the estimates' correlation goes through the eigenvalues of its matrix.
    np.testing.assert_allclose(found["u_mean"].values, fit.u, rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(found["u_sd"].values, fit.u_sd, rtol=1e-8)


def test_their_joint_distribution_within_a_group():
    """Intercept and slope of one subject have the conditional covariance, not only its diagonal."""
    design = design_of("two")
    fit = fit_reml(design, check=False, profile=False)
    draws = repeated(design, fit.beta, fit.sigma_u, fit.rho_u, fit.sigma_e, n_draws=20_000)
    u = recover_effects(design, draws, 2)["u"].reshape(-1, design.J, 2)
    wanted = fit.u_cov[fit.u_class[0]]
    found = np.cov(u[:, 0].T)
    # A correlation from 20,000 draws is known to 0.007: five of them.
    size = np.sqrt(np.outer(np.diag(wanted), np.diag(wanted)))
    assert np.abs(found / size - wanted / size).max() < 0.035


def test_seeds_chunks_and_degenerate_variances():
    """A seed gives the same u; sigma_u = 0 gives u = 0; a correlation of one is no error."""
    design = design_of("two")
    beta = np.array([251.4, 10.5])
    flat = repeated(design, beta, np.array([24.0, 6.0]), np.eye(2), 25.0, n_draws=8)
    np.testing.assert_array_equal(
        recover_effects(design, flat, 5)["u"], recover_effects(design, flat, 5)["u"]
    )
    assert not np.array_equal(
        recover_effects(design, flat, 5)["u"], recover_effects(design, flat, 6)["u"]
    )
    none = repeated(design, beta, np.zeros(2), np.eye(2), 25.0, n_draws=8)
    assert not recover_effects(design, none, 5)["u"].any()
    one = repeated(design, beta, np.array([24.0, 6.0]), np.ones((2, 2)), 25.0, n_draws=8)
    u = recover_effects(design, one, 5)["u"]
    # With a correlation of one the slope is a fixed multiple of the intercept.
    np.testing.assert_allclose(u[..., 1], u[..., 0] * 6.0 / 24.0, atol=1e-5)


def test_the_root_is_one_of_the_covariance():
    rho = np.array([[1.0, 0.3, -0.2], [0.3, 1.0, 0.5], [-0.2, 0.5, 1.0]])
    design = design_of("three")
    sds = np.array([3.0, 0.5, 2.0])
    root = effects_root(repeated(design, np.zeros(2), sds, rho, 6.0, n_draws=4))
    np.testing.assert_allclose(
        root @ root.swapaxes(1, 2), np.broadcast_to(rho * np.outer(sds, sds), (4, 3, 3)), atol=1e-12
    )


def test_a_slope_far_from_the_origin_of_its_column():
    """Years of 2000 on: u of the year's slope does not depend on where years are counted from."""
    rng = np.random.default_rng(8)
    g = np.repeat(np.arange(10), 6)
    year = np.tile(np.arange(6.0), 10)
    y = 1.0 + 0.5 * year + rng.normal(size=10)[g] * year + rng.normal(size=60)

    def summary(offset):
        table = as_table({"y": y, "x": year + offset, "g": g})
        design = build_design("y ~ x + (0 + x | g)", table)
        shifted = np.array([1.0 - 0.5 * offset, 0.5])
        draws = repeated(design, shifted, np.array([1.0]), None, 1.0, n_draws=8)
        return recover_effects(design, draws, 1, max_effects=0).posterior["u_mean"].values, design

    near, _ = summary(0.0)
    far, design = summary(2000.0)
    Z, r = design.Z[:, 0], y - design.X @ np.array([1.0 - 1000.0, 0.5])
    size, cross = np.bincount(g, Z**2), np.bincount(g, Z * r)
    np.testing.assert_allclose(far[:, 0], cross / (size + 1.0), rtol=1e-6)
    assert not np.allclose(near, far)  # another model: the origin matters without group intercepts
