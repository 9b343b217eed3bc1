"""REML of many simulated outcomes: each refit is the maximum that the certified search finds."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from bayes_mlm import (
    build_design,
    fit_reml,
    load_dyestuff2,
    load_hsb,
    load_orthodont,
    load_sleepstudy,
)
from bayes_mlm.engines import OutcomeDistribution, Simulation
from bayes_mlm.moments import from_rows, root_outside, rotate_moments

MODELS = {
    "intercept": ("reaction ~ days + (1 | subject)", load_sleepstudy),
    "slope": ("reaction ~ days + (days | subject)", load_sleepstudy),
    "independent": ("reaction ~ days + (days || subject)", load_sleepstudy),
    "group-level": ("distance ~ age * sex + (age | subject)", load_orthodont),
}


def simulation_of(name):
    formula, load = MODELS[name]
    design = build_design(formula, load())
    fit = fit_reml(design, profile=False)
    reduced = rotate_moments(design.moments())
    return Simulation(reduced=reduced, correlated=design.group_term.correlated), fit


def as_data(reduced, drawn, k):
    """The statistics with the outcome of one draw."""
    p = reduced.p
    c, rest = reduced.c.copy(), reduced.rest.copy()
    c[:, :, p] = drawn.c_y[k]
    rest[p, :p] = rest[:p, p] = drawn.x_y[k]
    rest[p, p] = drawn.y_y[k]
    return replace(reduced, c=c, rest=rest, y_mean=0.0)


@pytest.mark.parametrize("share", [1.0, 0.02], ids=["as fitted", "near the boundary"])
@pytest.mark.parametrize("name", list(MODELS))
def test_each_is_the_maximum_of_the_certified_search(name, share):
    from bayes_mlm.engines.reml.factor import make_factor
    from bayes_mlm.engines.reml.search import maximise

    simulation, fit = simulation_of(name)
    reduced, sigma2 = simulation.reduced, fit.sigma_e**2
    cov_u = share * np.diag(np.diagonal(fit.cov_u) + 0.1 * sigma2)
    centring = reduced.z_centring
    law = OutcomeDistribution.of(reduced, centring @ cov_u @ centring.T, sigma2)
    drawn = law.draw(12, np.random.default_rng(3))
    weights = np.eye(reduced.p)
    found = simulation.refit(simulation.designs, drawn, np.zeros(reduced.p), cov_u, sigma2, weights)
    assert not found.failed.any()
    for k in range(12):
        data = as_data(reduced, drawn, k)
        factor = make_factor(data, correlated=simulation.correlated)
        best = maximise(data, factor, "REML")
        s2 = best.point.sigma_e2
        back = np.linalg.inv(centring)
        expected = s2 * back @ factor.covariance(best.theta) @ back.T
        size = np.sqrt(np.diagonal(cov_u) / share)
        assert found.sigma2[k] == pytest.approx(s2, rel=1e-6)
        assert np.abs((found.cov_u[k] - expected) / np.outer(size, size)).max() < 1e-5
        beta = data.original_beta(best.point.beta)
        assert found.beta[k] == pytest.approx(beta, abs=1e-6 * np.abs(fit.beta).max())
        assert found.singular[k] == (factor.smallest(best.theta) < 1e-6)


def test_its_deviance_falls_to_that_of_no_other_point():
    simulation, fit = simulation_of("slope")
    rng, none = np.random.default_rng(5), np.zeros((0, simulation.reduced.p))
    drawn = OutcomeDistribution.of(simulation.reduced, np.zeros((2, 2)), fit.sigma_e**2)
    outcomes = drawn.draw(60, rng)
    found = [
        simulation.refit(
            simulation.designs, outcomes, np.zeros(2), start, fit.sigma_e**2, none
        ).deviance
        for start in (np.diag([900.0, 30.0]), np.diag([9e4, 3e3]), np.diag([1.0, 0.01]))
    ]
    assert np.ptp(found, axis=0).max() < 1e-5


@pytest.mark.parametrize(
    ("formula", "load"),
    [
        (MODELS["slope"][0], load_sleepstudy),
        ("yield ~ 1 + (1 | batch)", load_dyestuff2),  # singular: sd 0
        ("mathach ~ ses * sector + (ses | schoolid)", load_hsb),  # singular: correlation 1
    ],
)
def test_degrees_of_freedom_and_variances_are_those_of_a_fit(formula, load):
    """Also at singular fits, as lmerTest's: 1,358 for ses with random slopes in HSB."""
    design = build_design(formula, load())
    fit = fit_reml(design, profile=False)
    reduced, p, q = rotate_moments(design.moments()), design.p, design.q
    simulation = Simulation(reduced=reduced)
    drawn = OutcomeDistribution.of(reduced, np.eye(q), 1.0).draw(1, np.random.default_rng(0))
    own = replace(drawn, c_y=reduced.c[None, :, :, p], x_y=reduced.rest[None, :p, p])
    own = replace(own, y_y=reduced.rest[None, p, p])
    start = fit.cov_u + 0.01 * fit.sigma_e**2 * np.eye(q)
    found = simulation.refit(simulation.designs, own, np.zeros(p), start, fit.sigma_e**2, np.eye(p))
    assert found.variance[0] == pytest.approx(np.diagonal(fit.beta_cov))
    assert found.df[0] == pytest.approx(fit.tests.df(np.eye(p)), rel=1e-5)
    assert found.singular[0] == fit.singular


def test_sums_have_the_distribution_of_rows():
    """Moments of both, and what REML makes of them: 600 of each, by Kolmogorov and Smirnov."""
    rng = np.random.default_rng(11)
    codes = np.repeat(np.arange(15), rng.integers(1, 9, 15))
    n = len(codes)
    X = np.column_stack([np.ones(n), rng.normal(size=n), rng.normal(size=15)[codes]])
    Z, beta = X[:, :2], np.array([2.0, -1.0, 0.5])
    cov_u, sigma2 = np.array([[1.0, 0.3], [0.3, 0.4]]), 0.8
    one = {"terms": ["1", "x", "w"], "effects": ["1", "x"]}
    reduced = rotate_moments(from_rows(rng.normal(size=n), X, Z, codes, 15, **one))
    simulation, weights = Simulation(reduced=reduced), np.eye(3)
    root, found = np.linalg.cholesky(cov_u), []
    for _ in range(600):
        u = rng.normal(size=(15, 2)) @ root.T
        y = X @ beta + (Z * u[codes]).sum(axis=1) + np.sqrt(sigma2) * rng.normal(size=n)
        data = rotate_moments(from_rows(y, X, Z, codes, 15, **one))
        own = OutcomeDistribution.of(data, cov_u, sigma2).draw(1, rng)
        own = replace(own, c_y=data.c[None, :, :, 3], x_y=data.rest[None, :3, 3])
        own = replace(own, y_y=data.rest[None, 3, 3])
        origin = data.original_beta(np.zeros(3))
        found.append(
            Simulation(reduced=data).refit(simulation.designs, own, origin, cov_u, sigma2, weights)
        )
    rows = type(found[0]).joined(found)
    sums = simulation.refits(beta, cov_u, sigma2, contrasts=weights, size=600, rng=rng)
    pairs = {"sigma2": (rows.sigma2, sums.sigma2), "deviance": (rows.deviance, sums.deviance)}
    pairs |= {f"beta{k}": (rows.beta[:, k], sums.beta[:, k]) for k in range(3)}
    pairs |= {f"sd{k}": (rows.cov_u[:, k, k], sums.cov_u[:, k, k]) for k in range(2)}
    pairs |= {f"df{k}": (rows.df[:, k], sums.df[:, k]) for k in range(3)}
    p = {name: stats.ks_2samp(*both).pvalue for name, both in pairs.items()}
    assert min(p.values()) > 0.001, p


def test_the_rest_of_x_is_drawn_with_its_rank():
    design = build_design("mathach ~ ses * sector + (1 | schoolid)", load_hsb())
    reduced = rotate_moments(design.moments())
    root = root_outside(reduced)
    assert root.shape == (4, 2)  # ses and its product; the others are constant within schools
    assert root @ root.T == pytest.approx(reduced.rest[:4, :4], rel=1e-9, abs=1e-6)
