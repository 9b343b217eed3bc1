"""Where a predictor has its zero changes nothing but what is reported there.

The priors of correlated group effects hold where the predictors are at their means, so the
posteriors for x and x - 100 are one, turned by u0 -> u0 + 100 u1.
"""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from scipy import stats

from bayes_mlm import fit, load_fit, save_fit
from bayes_mlm.assess.loo import leave_one_group_out, leave_one_row_out, shifts_without_groups
from bayes_mlm.assess.sensitivity import prior_sensitivity
from bayes_mlm.data.table import as_table
from bayes_mlm.design import build_design
from bayes_mlm.engines.draws import quantities
from bayes_mlm.engines.recovery import effects_root
from bayes_mlm.likelihood.default_priors import model_priors
from bayes_mlm.likelihood.effect_centring import design_transform, transform_spread
from bayes_mlm.likelihood.pymc.models import partial_pooling

pytestmark = pytest.mark.usefixtures("interpreted")

SHIFTS = (-100.0, 1e4)
MODEL = "y ~ x + w + (x + w | g)"
PRIORS = {"sigma_u[x]": "Gamma(2, 1)", "rho_u": "LKJ(3)"}


@cache
def table(shift=0.0):
    rng = np.random.default_rng(8)
    g = np.repeat(np.arange(15), 8)
    x, w = rng.normal(2.0, 1.5, 120), rng.normal(size=120)
    u = rng.normal(size=(15, 2)) @ [[2.0, 0.4], [0.0, 0.8]]
    y = 5 + x + w + u[g, 0] + u[g, 1] * x + rng.normal(size=120)
    return as_table({"y": y, "x": x + shift, "w": w, "g": g})


@cache
def fitted(shift=0.0, model="y ~ x + (x | g)", **options):
    return fit(model, table(shift), random_seed=1, engine="direct", **options)


def moved(values, shift):
    """Intercepts of ``x + shift`` at the old zero: that is x = shift."""
    return values[..., 0] + shift * values[..., 1]


@pytest.mark.parametrize("shift", SHIFTS)
def test_the_posterior_moves_with_the_origin(shift):
    """Draw by draw. 1e-7: |shift|^2 times rounding, over the variances."""
    here, there = fitted(), fitted(shift)
    for name in ("u", "beta"):
        one, other = here.draws[name], there.draws[name]
        np.testing.assert_allclose(other[..., 1:], one[..., 1:], rtol=1e-7, atol=1e-8)
        np.testing.assert_allclose(moved(other, shift), one[..., 0], rtol=1e-7, atol=1e-6)
    np.testing.assert_allclose(there.draws["sigma_e"], here.draws["sigma_e"], rtol=1e-8)
    roots = [effects_root(one.draws) for one in (here, there)]
    here_cov, there_cov = (root @ root.swapaxes(1, 2) for root in roots)
    transform = np.eye(here.design.q)
    transform[0, 1] = shift
    scale = np.abs(here_cov).max()
    np.testing.assert_allclose(
        transform @ there_cov @ transform.T, here_cov, rtol=1e-6, atol=1e-12 * shift**2 * scale
    )
    assert there.report.log_marginal_likelihood == pytest.approx(
        here.report.log_marginal_likelihood, abs=1e-8
    )
    assert there.verdict.ok, str(there.verdict)  # nothing is said of the place of zero


@pytest.mark.parametrize("shift", SHIFTS)
def test_what_is_left_out_and_other_priors_move_too(shift):
    here, there = fitted(), fitted(shift)
    for left_out in (leave_one_group_out, leave_one_row_out):
        assert left_out(there).elpd == pytest.approx(left_out(here).elpd, abs=1e-6)
    # The largest shifts are those of a refit: of slopes, in sds, they do not know of the origin.
    one, other = (shifts_without_groups(found) for found in (here, there))
    places = [one.quantities.index(name) for name in ("beta[x]", "sigma_u[x]", "sigma_e")]
    np.testing.assert_allclose(other.shift[:, places], one.shift[:, places], atol=1e-5)


@pytest.mark.parametrize("shift", SHIFTS)
def test_weights_to_another_prior_are_of_the_sds_that_it_is_of(shift):
    priors = {"sigma_u[Intercept]": "HalfNormal(2)"}
    found = [
        prior_sensitivity(
            "y ~ x + (x | g)", table(by), priors=[priors], terms=["x"], random_seed=1
        ).rows
        for by in (0.0, shift)
    ]
    slopes = [
        {(row.baseline, row.quantity): row.estimate for row in rows if "[x]" in row.quantity}
        for rows in found
    ]
    assert len(slopes[0]) == 4
    assert slopes[1].keys() == slopes[0].keys()
    for key, value in slopes[0].items():
        assert slopes[1][key] == pytest.approx(value, abs=1e-6), key


@pytest.mark.parametrize(
    ("centred", "likelihood"),
    [(None, "conditional"), (True, "conditional"), (False, "conditional"), (None, "marginal")],
)
def test_the_densities_of_the_models_do_not_know_the_origin(centred, likelihood, monkeypatch):
    """At any point of the free variables: NUTS then has the same thing to do."""
    monkeypatch.setattr("bayes_mlm.likelihood.pymc.builders.prefers_centred", lambda design: True)
    models = [
        partial_pooling(
            build_design(MODEL, table(by)), PRIORS, centred=centred, likelihood=likelihood
        )
        for by in (0.0, 1e4)
    ]
    rng = np.random.default_rng(3)
    point = {
        k: v + 0.3 * rng.normal(size=np.shape(v)) for k, v in models[0].initial_point().items()
    }
    here, there = (float(m.compile_logp(mode="FAST_COMPILE")(point)) for m in models)
    assert there == pytest.approx(here, rel=1e-8)


def test_the_prior_is_that_of_the_effects_at_the_means():
    """Oracle: Monte Carlo of the priors as stated, turned by hand to predictors of zero."""
    import pymc as pm

    design = build_design("y ~ x + (x | g)", table())
    priors = {"sigma_u[Intercept]": "HalfNormal(1)", "sigma_u[x]": "HalfNormal(0.5)"}
    with partial_pooling(design, priors):
        drawn = pm.sample_prior_predictive(
            draws=1000, var_names=["sigma_u", "rho_u", "u"], random_seed=1
        )["prior"].to_dataset()
    sds, rho = drawn["sigma_u"].to_numpy()[0], drawn["rho_u"].to_numpy()[0, :, 0]
    back = np.linalg.inv(design_transform(design, model_priors(design)))
    at_means, r = transform_spread(back, sds, rho[:, None])
    n = 1000
    for k, scale in enumerate((1.0, 0.5)):
        wanted = stats.halfnorm(scale=scale)
        assert at_means[:, k].mean() == pytest.approx(wanted.mean(), abs=4 * wanted.std() / n**0.5)
    # LKJ(2) of one correlation: mean 0 and variance 1/5.
    assert r.mean() == pytest.approx(0, abs=4 * np.sqrt(0.2 / n))
    assert r.var() == pytest.approx(0.2, rel=0.2)
    u = drawn["u"].to_numpy()[0, :, 0]
    m = design.Z[:, 1].mean()
    assert (u[:, 0] + m * u[:, 1]).std() == pytest.approx(1.0, rel=0.2)  # E sigma^2 = 1


def test_effects_without_an_intercept_or_independent_are_left_as_they_are():
    for formula in ("y ~ x + (0 + x | g)", "y ~ x + w + (0 + x + w | g)", "y ~ x + (x || g)",
                    "y ~ x + (1 | g)"):  # fmt: skip
        design = build_design(formula, table(50.0))
        np.testing.assert_array_equal(
            design_transform(design, model_priors(design)), np.eye(design.q)
        )
        names = {one.name for one in partial_pooling(design, centred=True).free_RVs}
        assert {"u", "sigma_u"} <= names, formula


def test_a_saved_fit_keeps_where_its_priors_hold(tmp_path):
    found = fitted()
    for where in ("means", "zero"):
        given = replace(found, priors=replace(found.priors, effects_at=where))
        assert load_fit(save_fit(given, tmp_path / f"{where}.nc")).priors == given.priors


def test_sds_and_correlations_turn_there_and_back():
    rng = np.random.default_rng(2)
    transform = np.array([[1.0, -3.0, 40.0], [0, 1, 0], [0, 0, 1]])
    root = rng.normal(size=(50, 3, 3))
    cov = root @ root.swapaxes(1, 2)
    sds = np.sqrt(np.diagonal(cov, axis1=1, axis2=2))
    upper = np.triu_indices(3, k=1)
    rho = (cov / sds[:, :, None] / sds[:, None])[:, upper[0], upper[1]]
    there = transform_spread(transform, sds, rho)
    wanted = transform @ cov @ transform.T
    np.testing.assert_allclose(there[0] ** 2, np.diagonal(wanted, axis1=1, axis2=2), rtol=1e-10)
    back = transform_spread(np.linalg.inv(transform), *there)
    np.testing.assert_allclose(back[0], sds, rtol=1e-6)
    np.testing.assert_allclose(back[1], rho, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("shift", [-100.0, 1e4])
def test_nuts_finds_the_same_posterior_wherever_zero_is(shift):
    """Oracle: the direct engine at the given zero; within four standard errors of NUTS."""
    from bayes_mlm.engines.diagnostics import convergence

    exact = dict(quantities(fitted(shift).draws))
    drawn = fit("y ~ x + (x | g)", table(shift), random_seed=2, engine="nuts")
    assert drawn.verdict.ok, str(drawn.verdict)
    for name, values in quantities(drawn.draws):
        ess = convergence(values).ess_bulk
        error = values.std() * np.sqrt(1 / ess + 1 / 4000)
        assert abs(values.mean() - exact[name].mean()) < 4 * error, name
