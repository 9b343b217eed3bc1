"""The marginal model is the conditional one with u integrated out, to rounding, in every form."""

import numpy as np
import pytensor
import pytest
import scipy.stats

from bayes_mlm.base.errors import EngineError
from bayes_mlm.data.datasets import load_dataset
from bayes_mlm.data.table import as_table
from bayes_mlm.design import build_design
from bayes_mlm.engines.diagnostics import convergence
from bayes_mlm.engines.draws import quantities
from bayes_mlm.engines.nuts import sample_nuts
from bayes_mlm.engines.recovery import recover_effects
from bayes_mlm.engines.reml import fit_reml
from bayes_mlm.engines.settings import Settings
from bayes_mlm.likelihood.pymc.compiled import compile_log_density
from bayes_mlm.likelihood.pymc.marginal import cross_products
from bayes_mlm.likelihood.pymc.models import mundlak, partial_pooling

# A formula for each number of group effects, with and without an intercept on either side.
FORMULAS = {
    "intercept": ("mathach ~ ses * sector + (1 | schoolid)", "hsb"),
    "slope_alone": ("reaction ~ days + (0 + days | subject)", "sleepstudy"),
    "no_intercept": ("reaction ~ 0 + days + (1 | subject)", "sleepstudy"),
    "two": ("reaction ~ days + (days | subject)", "sleepstudy"),
    "three": ("mathach ~ ses + (ses + minority | schoolid)", "hsb"),
    "two_independent": ("reaction ~ days + (days || subject)", "sleepstudy"),
    "three_independent": ("mathach ~ ses + (ses + minority || schoolid)", "hsb"),
    "four": ("mathach ~ ses + (ses + minority + female | schoolid)", "hsb"),
}
FAMILIES = (
    {},
    {"beta": "StudentT(4, 0, 5)", "sigma_u": "HalfNormal(5)", "sigma_e": "Exponential(0.1)"},
    {"beta": "Cauchy(0, 2)", "sigma_u": "HalfCauchy(2)", "sigma_e": "Gamma(2, 0.1)"},
    {"Intercept": "Flat()", "sigma_u": "Uniform(0, 100)", "sigma_e": "InverseGamma(2, 30)"},
    {"beta": "Flat()", "sigma_u": "Flat()", "sigma_e": "Flat()"},
)


def design_of(name):
    formula, data = FORMULAS[name]
    return build_design(formula, load_dataset(data))


def points(model, n, seed=1):
    rng = np.random.default_rng(seed)
    start = model.initial_point()
    return [
        {name: value + rng.normal(size=np.shape(value)) for name, value in start.items()}
        for _ in range(n)
    ]


def evaluate(model, variables, point):
    """Evaluate variables of a model at unconstrained values, without compiling."""
    wanted = model.replace_rvs_by_values(variables)
    run = pytensor.function(model.value_vars, wanted, mode="FAST_COMPILE", on_unused_input="ignore")
    return run(*[point[value.name] for value in model.value_vars])


def loglik(model):
    """The log-likelihood, of the values of the parameters."""
    return model.logp(vars=model.observed_RVs)


def covariance(model, design, point):
    """Give cov(u) from the model's own sigma_u and rho_u."""
    sd = np.atleast_1d(evaluate(model, [model["sigma_u"]], point)[0])
    correlation = np.eye(design.q)
    if "rho_u" in model.named_vars:
        upper = np.triu_indices(design.q, k=1)
        correlation[upper] = evaluate(model, [model["rho_u"]], point)[0]
        correlation.T[upper] = correlation[upper]
    return correlation * np.outer(sd, sd)


@pytest.mark.parametrize("name", FORMULAS)
def test_the_likelihood_is_that_of_the_rows(name):
    """Oracle: SciPy's multivariate normal of each group's rows, with V = Z cov(u) Z' + s^2 I.

    1e-12: both are sums of thousands of terms in double precision.
    """
    design = design_of(name)
    model = partial_pooling(design, likelihood="marginal")
    for point in points(model, 2):
        found, beta, sigma_e = evaluate(
            model, [loglik(model), model["beta"], model["sigma_e"]], point
        )
        cov_u = covariance(model, design, point)
        wanted = 0.0
        for j in range(design.J):
            rows = design.codes == j
            Z = design.Z[rows]
            V = Z @ cov_u @ Z.T + sigma_e**2 * np.eye(len(Z))
            wanted += scipy.stats.multivariate_normal.logpdf(
                design.y[rows], design.X[rows] @ beta, V
            )
        assert found == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize("name", FORMULAS)
def test_the_gradient_is_that_of_the_log_density(name):
    """Central differences of step 1e-5 have an error of 1e-10 of the third derivative, and
    rounding of 1e-16 x |logp| / 1e-5: together below 1e-6 of the largest slope.
    """
    model = partial_pooling(design_of(name), likelihood="marginal")
    values = model.value_vars
    logp = pytensor.function(values, model.logp(), mode="FAST_COMPILE")
    gradient = pytensor.function(values, pytensor.grad(model.logp(), values), mode="FAST_COMPILE")
    (point,) = points(model, 1, seed=2)
    at = [np.asarray(point[value.name], dtype=float) for value in values]
    found = np.concatenate([np.ravel(part) for part in gradient(*at)])
    wanted = []
    for k, value in enumerate(at):
        for i in range(value.size):
            step = np.zeros(value.size)
            step[i] = 1e-5
            up, down = (
                [*at[:k], value + sign * step.reshape(value.shape), *at[k + 1 :]]
                for sign in (1, -1)
            )
            wanted.append(float(logp(*up) - logp(*down)) / 2e-5)
    np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-6 * np.abs(found).max())


@pytest.mark.parametrize("priors", FAMILIES, ids=lambda priors: str(priors.get("sigma_u")))
def test_priors_are_those_of_the_conditional_model(priors):
    """Every family: the joint densities differ by the likelihoods, and by nothing else."""
    design = design_of("intercept")
    marginal = partial_pooling(design, priors, likelihood="marginal")
    conditional = partial_pooling(design, priors, centred=True)
    shared = {value.name for value in marginal.value_vars}
    (point,) = points(marginal, 1)
    own = [v for v in conditional.free_RVs if conditional.rvs_to_values[v].name in shared]
    run = pytensor.function(
        conditional.value_vars,
        conditional.logp(vars=own),
        mode="FAST_COMPILE",
        on_unused_input="ignore",
    )
    u = np.zeros((design.J, design.q))
    wanted = run(*[point.get(value.name, u) for value in conditional.value_vars])
    total = pytensor.function(marginal.value_vars, marginal.logp(), mode="FAST_COMPILE")
    found = total(*[point[v.name] for v in marginal.value_vars])
    found -= evaluate(marginal, [loglik(marginal)], point)[0]
    # 1e-9: the difference of two numbers of 1e4 with 1e-12 of rounding.
    assert found == pytest.approx(wanted, abs=1e-7, rel=1e-9)


def test_sigma_u_of_zero_is_an_ordinary_point():
    """At sigma_u = 0 the marginal likelihood is that of the pooled regression."""
    from bayes_mlm.likelihood.pymc.op import loglik_and_gradient

    design = design_of("intercept")
    data = cross_products(design)
    free = np.array([12.0, 2.0, 1.0, -1.0])
    loglik, d_free, d_root, _ = loglik_and_gradient(
        free,
        np.zeros((1, 1)),
        np.array(6.0),
        data.outside,
        data.inside,
        data.spread,
        data.size,
        data.degrees,
        data.z_centring,
    )
    X = design.X - np.where(np.arange(4) == 0, 0.0, design.X.mean(axis=0))
    wanted = scipy.stats.norm.logpdf(design.y, X @ free, 6.0).sum()
    assert float(loglik) == pytest.approx(wanted, rel=1e-12)
    np.testing.assert_allclose(d_free, X.T @ (design.y - X @ free) / 36.0, rtol=1e-9)
    assert d_root[0, 0] == 0.0  # the density depends on sigma_u through its square


@pytest.mark.parametrize("offset", [0.0, 2000.0])
@pytest.mark.parametrize("size", [1e-6, 1.0, 1e6])
def test_units_and_offsets_cost_no_digits(offset, size):
    """y in units of `size` and x from `offset` on: the density moves by n log(size) alone.

    1e-8: of x, 2000 of offset against 1 of spread takes three digits of sixteen, and the
    likelihood squares them.
    """
    rng = np.random.default_rng(4)
    codes = np.repeat(np.arange(12), 5)
    x = np.round(rng.normal(size=60), 3)
    y = 3.0 + x + rng.normal(size=12)[codes] + rng.normal(size=60)

    def loglik(y, x):
        from bayes_mlm.likelihood.pymc.op import loglik_and_gradient

        table = as_table({"y": y, "x": x, "g": codes})
        data = cross_products(build_design("y ~ x + (1 | g)", table))
        scale = np.std(y)
        free = np.array([y.mean(), scale])
        args = (data.outside, data.inside, data.spread, data.size, data.degrees, data.z_centring)
        return float(loglik_and_gradient(free, np.full((1, 1), scale), np.array(scale), *args)[0])

    moved = loglik(size * y, x + offset)
    assert moved == pytest.approx(loglik(y, x) - 60 * np.log(size), rel=1e-8)


def test_the_model_and_mundlak_name_what_they_have():
    design = design_of("two")
    model = partial_pooling(design, likelihood="marginal")
    assert {"beta", "sigma_u", "rho_u", "sigma_e", design.outcome} <= set(model.named_vars)
    assert "u" not in model.named_vars
    assert model.named_vars_to_dims.get(design.outcome, ()) == ()
    assert model.named_vars_to_dims["rho_u"] == ("effect_pair",)
    hsb = build_design("mathach ~ ses + (1 | schoolid)", load_dataset("hsb"))
    model = mundlak(hsb, likelihood="marginal")
    assert model.coords["term"] == ("Intercept", "ses", "between(ses)")
    assert "icc" in model.named_vars


def test_options_that_do_not_apply_are_refused():
    design = design_of("intercept")
    with pytest.raises(EngineError, match="no group effects to be centred"):
        partial_pooling(design, likelihood="marginal", centred=True)
    with pytest.raises(EngineError, match="unknown likelihood 'full'; allowed: cond"):
        partial_pooling(design, likelihood="full")
    plain = build_design("mathach ~ ses", load_dataset("hsb"), group="schoolid")
    with pytest.raises(EngineError, match=r"add \(1 \| schoolid\)"):
        mundlak(plain, likelihood="marginal")


def test_large_classes_are_replaced_by_their_cross_products():
    """1,000 balanced groups have one class, so q (p + 1) = 3 pseudo-groups say everything."""
    rng = np.random.default_rng(2)
    table = as_table(
        {"y": rng.normal(size=3000), "x": rng.normal(size=3000), "g": np.arange(3000) // 3}
    )
    data = cross_products(build_design("y ~ x + (1 | g)", table))
    assert data.inside.shape == (3, 3)
    assert data.size.tolist() == [1000.0, 0.0, 0.0]


def test_the_compiled_density_is_the_models_own():
    """The numbers lifted out of the graph come back in: density, gradient and variables."""
    design = design_of("intercept")
    # Of the default families, whose compiled code other tests have use for.
    priors = {"beta": "Normal(0, 5)", "sigma_u": "HalfStudentT(3, 5)"}
    model = partial_pooling(design, priors, likelihood="marginal")
    density = compile_log_density(model)
    rng = np.random.default_rng(6)
    at = density.start + rng.normal(size=density.start.size)
    found = density.evaluate(at)
    cuts = np.cumsum([np.size(model.initial_point()[v.name]) for v in model.value_vars])
    parts = [
        part.reshape(np.shape(model.initial_point()[v.name]))
        for part, v in zip(np.split(at, cuts[:-1]), model.value_vars, strict=True)
    ]
    logp = model.logp()
    run = pytensor.function(
        model.value_vars, [logp, *pytensor.grad(logp, model.value_vars)], mode="FAST_COMPILE"
    )
    wanted = np.concatenate([np.ravel(part) for part in run(*parts)])
    # 1e-10: the compiled code may add up in another order.
    np.testing.assert_allclose(found[: wanted.size], wanted, rtol=1e-10)
    named = density.split(found[wanted.size :])
    point = {v.name: part for v, part in zip(model.value_vars, parts, strict=True)}
    for name in ("beta", "sigma_u", "sigma_e", "icc"):
        np.testing.assert_allclose(
            named[name], evaluate(model, [model[name]], point)[0], rtol=1e-12
        )


def test_other_data_and_priors_need_no_other_code(monkeypatch):
    """The key under which numba keeps the code has families and effects in it, but no data."""
    from pytensor.link.numba.cache import CACHED_SRC_FUNCTIONS

    made = []
    function = pytensor.function
    monkeypatch.setattr(
        pytensor, "function", lambda *a, **k: made.append(function(*a, **k)) or made[-1]
    )

    def key(formula, data, priors):
        design = build_design(formula, load_dataset(data))
        compile_log_density(partial_pooling(design, priors, likelihood="marginal"))
        return CACHED_SRC_FUNCTIONS[made[-1].vm.jit_fn.py_func]

    first = key("mathach ~ ses * sector + (1 | schoolid)", "hsb", {})
    assert (
        key("reaction ~ days + (1 | subject)", "sleepstudy", {"sigma_u": "HalfStudentT(5, 77)"})
        == first
    )
    assert (
        key("reaction ~ days + (1 | subject)", "sleepstudy", {"sigma_u": "HalfNormal(77)"}) != first
    )


def test_impossible_points_are_not_errors():
    """An sd that underflows to zero or overflows gives no number, which NUTS rejects."""
    density = compile_log_density(partial_pooling(design_of("intercept"), likelihood="marginal"))
    for value in (-1e3, 1e3, np.inf, np.nan):
        at = density.start.copy()
        at[4] = value
        assert not np.isfinite(density.evaluate(at)[0])


def test_nuts_on_the_marginal_model_agrees_with_reml():
    """Nearly flat priors and 160 schools: posterior means within 0.2 sd of REML's estimates.

    0.2: the posterior of a variance is skewed by about that at 160 groups; ESS is above 1,000.
    """
    design = design_of("intercept")
    settings = Settings(draws=500, tune=500, chains=4, random_seed=3, target_accept=0.9)
    draws = sample_nuts(partial_pooling(design, likelihood="marginal"), settings)
    again = sample_nuts(partial_pooling(design, likelihood="marginal"), settings)
    assert draws["beta"].shape == (4, 500, 4)
    assert int(draws.sample_stats["diverging"].values.sum()) == 0
    np.testing.assert_array_equal(draws["beta"], again["beta"])
    fit = fit_reml(design, check=False, profile=False)
    wanted = {"sigma_u": fit.sigma_u[0], "sigma_e": fit.sigma_e, "icc": fit.icc}
    wanted |= {f"beta[{t}]": b for t, b in zip(fit.terms, fit.beta, strict=True)}
    for name, values in quantities(draws):
        assert abs(values.mean() - wanted[name]) < 0.2 * values.std(), name


@pytest.mark.slow
@pytest.mark.parametrize("name", ["intercept", "two"])
def test_both_likelihoods_have_one_posterior(name):
    """Means within five Monte Carlo errors, sds within 12 %, u and the rest, of conditional NUTS.

    Of a few hundred quantities the largest error is expected at three to four. An sd from 1,000
    effective draws is known to 2.2 %.
    """
    design = design_of(name)
    settings = Settings(draws=1000, tune=1000, chains=4, random_seed=7, target_accept=0.9)
    marginal = sample_nuts(partial_pooling(design, likelihood="marginal"), settings)
    marginal = recover_effects(design, marginal, settings.random_seed)
    conditional = sample_nuts(partial_pooling(design), settings)
    assert set(marginal.posterior) == set(conditional.posterior)
    assert set(marginal.sample_stats) == set(conditional.sample_stats)
    for key, variable in conditional.posterior.items():
        ours = marginal.posterior[key]
        assert ours.dims == variable.dims
        shape = (*variable.values.shape[:2], -1)
        a, b = ours.values.reshape(shape), variable.values.reshape(shape)
        error = np.hypot(convergence(a).mcse_mean, convergence(b).mcse_mean)
        assert np.all(np.abs(a.mean(axis=(0, 1)) - b.mean(axis=(0, 1))) < 5 * error), key
        np.testing.assert_allclose(a.std(axis=(0, 1)), b.std(axis=(0, 1)), rtol=0.12)
    for dim, labels in conditional.coords.items():
        assert list(marginal.coords[dim]) == list(labels)


def test_several_terms_have_no_marginal_model():
    design = build_design("strength ~ 1 + (1 | sample) + (1 | batch)", load_dataset("pastes"))
    with pytest.raises(EngineError, match="one term of group effects, and the formula has 2"):
        partial_pooling(design, likelihood="marginal")
