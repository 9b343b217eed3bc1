"""Priors of any univariate family: read from PyMC and PreliZ, evaluated, drawn, fitted and kept."""

import importlib.util
import pickle

import numpy as np
import pytest
from scipy import stats

from bayes_mlm import (
    build_design,
    fit,
    leave_one_group_out,
    leave_one_row_out,
    load_dataset,
    load_fit,
    log_marginal_likelihood,
    partial_pooling,
    pooled,
    save_fit,
)
from bayes_mlm.base import EngineError, PriorError
from bayes_mlm.likelihood import model_priors
from bayes_mlm.likelihood.prior_densities import draw_prior, log_density
from bayes_mlm.model import parse_prior
from bayes_mlm.model.prior_families import PRIOR_FAMILIES, prior_family

FORMULA = "reaction ~ days + (1 | subject)"


def families():
    """Distributions of PyMC, with SciPy's for the same."""
    import pymc as pm

    return [
        (pm.AsymmetricLaplace.dist(2.0, 0.5, 1.5), stats.laplace_asymmetric(2, 0.5, 1 / 1.5)),
        (pm.Beta.dist(2, 3), stats.beta(2, 3)),
        (pm.Cauchy.dist(1, 2), stats.cauchy(1, 2)),
        (pm.ChiSquared.dist(3), stats.chi2(3)),
        (pm.ExGaussian.dist(0.5, 2, nu=1.5), stats.exponnorm(0.75, 0.5, 2)),
        (pm.Gamma.dist(2, 3), stats.gamma(2, scale=1 / 3)),
        (pm.Gamma.dist(mu=2, sigma=3), stats.gamma(4 / 9, scale=4.5)),
        (pm.Gumbel.dist(1, 2), stats.gumbel_r(1, 2)),
        (pm.HalfCauchy.dist(2), stats.halfcauchy(0, 2)),
        (pm.HalfNormal.dist(2), stats.halfnorm(0, 2)),
        (pm.InverseGamma.dist(mu=2, sigma=1), stats.invgamma(6, scale=10)),
        (pm.Laplace.dist(1, 2), stats.laplace(1, 2)),
        (pm.LogNormal.dist(1, 0.5), stats.lognorm(0.5, scale=np.e)),
        (pm.Logistic.dist(1, 2), stats.logistic(1, 2)),
        (pm.Moyal.dist(1, 2), stats.moyal(1, 2)),
        (pm.Pareto.dist(3.0, 2.0), stats.pareto(3, scale=2)),
        (pm.Rice.dist(nu=1, sigma=2), stats.rice(0.5, scale=2)),
        (pm.SkewNormal.dist(mu=1, sigma=2, alpha=3), stats.skewnorm(3, 1, 2)),
        (pm.SkewStudentT.dist(a=2, b=3, mu=1, sigma=2), stats.jf_skew_t(2, 3, 1, 2)),
        (pm.StudentT.dist(4, 1, sigma=2), stats.t(4, 1, 2)),
        (pm.Triangular.dist(lower=1, c=2, upper=5), stats.triang(0.25, 1, 4)),
        (pm.Truncated.dist(pm.Laplace.dist(0, 2), lower=0), stats.expon(scale=2)),
        (pm.TruncatedNormal.dist(1, 2, lower=0), stats.truncnorm(-0.5, np.inf, 1, 2)),
        (pm.TruncatedNormal.dist(1, 2, lower=0, upper=3), stats.truncnorm(-0.5, 1, 1, 2)),
        (pm.Uniform.dist(-3, 4), stats.uniform(-3, 7)),
        (pm.Wald.dist(mu=1.0, lam=2.0, alpha=0.5), stats.invgauss(0.5, 0.5, 2)),
        (pm.Weibull.dist(2, 3), stats.weibull_min(2, scale=3)),
    ]


def test_a_distribution_of_pymc_is_that_of_scipy():
    """Density, support, draws, and the text that keeps it."""
    at = np.linspace(-6, 9, 61) + 0.013
    rng = np.random.default_rng(1)
    for distribution, oracle in families():
        prior = parse_prior("beta", distribution)
        assert parse_prior("beta", prior.to_text()) == prior
        assert pickle.loads(pickle.dumps(prior)) == prior  # noqa: S301  (written the line before)
        assert prior.support == pytest.approx(oracle.support())
        found, expected = log_density(prior, at), oracle.logpdf(at)
        np.testing.assert_allclose(found, expected, rtol=2e-6, atol=1e-7, err_msg=str(prior))
        # 27 tests at 1e-4 each.
        assert stats.kstest(draw_prior(prior, rng, 2000), oracle.cdf).pvalue > 1e-4, str(prior)


def test_a_prior_is_cut_to_where_its_parameter_may_be():
    """Oracle: SciPy's distribution over its mass."""
    at = np.array([1.0, 2.5, 7.0])
    for text, oracle in [
        ("LogNormal(1, 0.5)", stats.lognorm(0.5, scale=np.e)),
        ("StudentT(3, 1, 4)", stats.t(3, 1, 4)),
        ("TruncatedWeibull(2, 3, upper=30)", stats.weibull_min(2, scale=3)),
    ]:
        prior = parse_prior("beta", text)
        expected = np.where(at >= 2, oracle.logpdf(at) - oracle.logsf(2.0), -np.inf)
        np.testing.assert_allclose(log_density(prior, at, (2.0, np.inf)), expected, rtol=1e-6)
        drawn = draw_prior(prior, np.random.default_rng(2), 500, (2.0, np.inf))
        assert drawn.min() >= 2


def test_every_family_says_what_its_parameters_are():
    """PyMC has each, takes its parameters by these names, and gives them back."""
    import pymc as pm

    values = {"lower": 0.1, "upper": 0.9, "c": 0.3, "alpha": 0.55, "m": 0.5, "lam": 2.0}
    for family, known in PRIOR_FAMILIES.items():
        if family in ("LKJ", "Flat"):
            continue
        given = {name: values.get(name, 0.75) for name in known.parameters}
        prior = parse_prior("beta", getattr(pm, family).dist(**given))
        assert prior.family == family
        assert dict(prior.parameters) == pytest.approx(given)
        assert np.isfinite(log_density(prior, np.array([0.6]))).all()
        if known.has_cdf and "lower" not in known.parameters:
            cut = parse_prior("beta", {"family": f"Truncated{family}", **given, "upper": 0.9})
            assert cut.support[1] == 0.9
            assert prior_family(cut.family).base == family
            assert log_density(cut, np.array([0.6])) > log_density(prior, np.array([0.6]))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("sigma_u", "Laplace(0, 1)", r"allowed: HalfNormal.*by NUTS, .*LogNormal.*TruncatedNormal"),
        ("sigma_u", "TruncatedLaplace(0, 1, upper=3)", "lies between -inf and 3, and sigma_u is 0"),
        ("sigma_u", "TruncatedLaplace(0, 1)", "needs lower or upper or both; or write Laplace"),
        ("sigma_u", "TruncatedLaplace(0, 1, 3, 2)", "needs lower < upper"),
        ("sigma_u", "Triangular(0, 5, 6)", "needs lower <= c <= upper"),
        ("sigma_u", "Triangular(-1, 5, 2)", "lies between -1 and 5, and sigma_u is 0 or above"),
        ("sigma_u", "Wald(1, 2, -3)", "lies between -3 and inf"),
        ("nu", "Beta(2, 2)", "lies between 0 and 1, and nu is 2 or above"),
        ("rho_e", "Pareto(2, 3)", "lies between 3 and inf, and rho_e is between -1 and 1"),
        ("rho_u", "Beta(2, 2)", r"allowed: LKJ\(eta\)$"),
        ("beta", "Poisson(3)", "'Poisson' is not a family for it; allowed: Normal"),
        ("beta", "TruncatedRice(1, 2, 0, 3)", "'TruncatedRice' is not a family"),
        ("beta", "TruncatedNormal(0, 1, lower=nan)", "must be finite"),
    ],
)
def test_what_a_prior_cannot_be(name, value, message):
    with pytest.raises(PriorError, match=message):
        parse_prior(name, value)


def test_distributions_without_a_family_are_refused_by_name():
    import pymc as pm

    two = [pm.Normal.dist(0, 1), pm.Normal.dist(3, 1)]
    for value, named in [
        (pm.Mixture.dist([0.5, 0.5], two), "Mixture"),
        (pm.Poisson.dist(3), "Poisson"),
        (pm.Censored.dist(pm.Normal.dist(0, 1), lower=0, upper=None), "Censored"),
    ]:
        with pytest.raises(PriorError, match=f"{named}.* is not a family for it; allowed: Normal"):
            parse_prior("beta", value)
    with pytest.raises(PriorError, match="is 2 numbers"):
        parse_prior("beta", pm.Laplace.dist([0, 1], 2))


class Laplace:
    """As a PreliZ distribution, which maxent has given its parameters."""

    param_names = ("mu", "b")
    mu, b = np.float64(1.0), 2.0

    def rvs(self):
        raise NotImplementedError


class Truncated:
    """As PreliZ's."""

    param_names = ("mu", "b", "lower", "upper")
    dist, lower, upper = Laplace(), 0, np.inf

    def rvs(self):
        raise NotImplementedError


def test_preliz_distributions_are_read():
    assert str(parse_prior("beta", Laplace())) == "Laplace(mu=1, b=2)"
    assert str(parse_prior("sigma_u", Truncated())) == "TruncatedLaplace(mu=1, b=2, lower=0)"


@pytest.mark.skipif(not importlib.util.find_spec("preliz"), reason="PreliZ is not installed")
def test_elicited_distributions_are_read():
    import preliz as pz

    elicited = pz.LogNormal()
    pz.maxent(elicited, 1, 20, 0.9, plot=False)
    prior = parse_prior("sigma_u", elicited)
    assert dict(prior.parameters) == pytest.approx({"mu": elicited.mu, "sigma": elicited.sigma})
    chi2, cut = pz.ChiSquared(3), pz.Truncated(pz.Laplace(1, 2), 0, np.inf)
    assert str(parse_prior("sigma_u", chi2)) == "Gamma(alpha=1.5, beta=0.5)"
    assert str(parse_prior("sigma_u", cut)) == "TruncatedLaplace(mu=1, b=2, lower=0)"


# --- in a model -----------------------------------------------------------------------------------


def test_a_model_has_the_density_of_its_priors():
    """Oracle: SciPy; the families of a vector differ, and one is cut at different ends."""
    design = build_design("y ~ a + b + c", {
        "y": [1.0, 2, 4, 3, 5, 7], "a": [0.0, 1, 0, 1, 1, 0], "b": [1.0, 2, 0, 1, 5, 3],
        "c": [2.0, 0, 1, 1, 0, 2],
    })  # fmt: skip
    priors = {
        "beta[a]": "TruncatedLaplace(0, 2, lower=0)",
        "beta[b]": "TruncatedLaplace(0, 2, upper=5)",
        "beta[c]": "Gumbel(1, 2)",
        "sigma_e": "LogNormal(0, 1)",
    }
    built = pooled(design, priors)
    names = [v.name for v in built.free_RVs]
    point = built.initial_point()
    logps = built.compile_logp(built.free_RVs, sum=False, jacobian=False)(point)
    found = {name: float(np.sum(one)) for name, one in zip(names, logps, strict=True)}
    forward = built.compile_fn(
        built.replace_rvs_by_values(built.free_RVs), inputs=built.value_vars, point_fn=False
    )
    values = forward(*(point[v.name] for v in built.value_vars))
    at = {name: float(np.ravel(one)[0]) for name, one in zip(names, values, strict=True)}
    upper = "beta_free_TruncatedLaplaceUpper_"
    assert found[upper] == pytest.approx(
        stats.laplace(0, 2).logpdf(at[upper]) - stats.laplace(0, 2).logcdf(5)
    )
    lower = "beta_free_TruncatedLaplaceLower_"
    assert found[lower] == pytest.approx(stats.expon(scale=2).logpdf(at[lower]))
    assert found["sigma_e"] == pytest.approx(stats.lognorm(1).logpdf(at["sigma_e"]))


@pytest.fixture(scope="module")
def fitted():
    """A fit that only NUTS can make, and one by the direct engine of all but the same priors."""
    options = {"random_seed": 1, "draws": 1000, "tune": 500}
    unusual = {"beta[days]": "TruncatedNormal(0, 30, lower=-900)", "sigma_u": "Rice(0.01, 30)"}
    made = fit(FORMULA, "sleepstudy", priors=unusual, **options)
    return made, fit(FORMULA, "sleepstudy", priors={"beta[days]": "Normal(0, 30)"}, **options)


@pytest.mark.slow
def test_nuts_takes_what_the_direct_engine_does_not(fitted):
    made, _ = fitted
    assert made.engine == "nuts"
    assert made.reason.startswith("not direct: the prior of a coefficient is TruncatedNormal(mu=0")
    message = (
        r"the prior of a group sd is LogNormal\(mu=0, sigma=1\), and the direct engine takes "
        r'HalfNormal, .* or Flat; use engine="nuts"'
    )
    with pytest.raises(EngineError, match=message):
        fit(FORMULA, "sleepstudy", priors={"sigma_u": "LogNormal(0, 1)"}, engine="direct")
    with pytest.raises(EngineError, match="cannot fit this model: the prior of a coefficient"):
        log_marginal_likelihood(made)


@pytest.mark.slow
def test_the_tree_of_such_a_fit_is_whole(fitted, tmp_path):
    """Oracle of the prior's density: SciPy."""
    made, _ = fitted
    tree = made.tree()
    sds = made.draws["sigma_u"]
    density = stats.rice(0.01 / 30, scale=30).logpdf(sds)
    np.testing.assert_allclose(tree["log_prior"]["sigma_u"].values, density, rtol=1e-5)
    drawn = tree["prior"]["sigma_u"].values.ravel()
    assert stats.kstest(drawn, stats.rice(0.01 / 30, scale=30).cdf).pvalue > 1e-4
    assert np.isfinite(tree["prior_predictive"]["reaction"].values).all()
    save_fit(made, tmp_path / "fit.nc")
    again = load_fit(tmp_path / "fit.nc")
    assert again.priors == made.priors
    assert again.spec.priors == made.spec.priors
    np.testing.assert_array_equal(
        again.tree()["log_prior"]["beta"].values, tree["log_prior"]["beta"].values
    )


@pytest.mark.slow
def test_leave_one_out_of_such_a_fit_is_that_of_the_all_but_equal_one(fitted):
    """The coefficients' priors are equal where the posterior is; those of sigma_u differ little."""
    made, direct = fitted
    for leave_out in (leave_one_row_out, leave_one_group_out):
        found, expected = leave_out(made), leave_out(direct)
        assert found.elpd == pytest.approx(expected.elpd, abs=0.05 * expected.se)


def test_residual_parameters_take_other_families():
    """Of AR(1) and Student-t residuals: built, cut, with a density at the start."""
    table = load_dataset("orthodont")
    design = build_design(
        "distance ~ age + (1 | subject)", table, residual={"ar": "age"}, family="gaussian"
    )
    for rho in ("Beta(2, 2)", "Laplace(0, 0.5)", "TruncatedNormal(0, 1, lower=0)"):
        model = partial_pooling(design, {"rho_e": rho})
        assert np.isfinite(model.compile_logp()(model.initial_point())), rho
    heavy = build_design("distance ~ age + (1 | subject)", table, family="student_t")
    for nu in ("LogNormal(2, 1)", "TruncatedGamma(2, 0.1, upper=60)", "Pareto(1, 3)"):
        model = partial_pooling(heavy, {"nu": nu})
        assert np.isfinite(model.compile_logp()(model.initial_point())), nu


def test_priors_by_pattern_may_be_of_any_family():
    design = build_design("mathach ~ ses * sector + (1 | schoolid)", load_dataset("hsb"))
    found = model_priors(design, {"beta[*ses*]": "Laplace(0, 1)"}).by_name(design)
    assert str(found["beta[ses:sector]"]) == "Laplace(mu=0, b=1)"
    assert found["beta[sector]"].family == "Normal"
