"""Posteriors of residuals that differ in variance, are AR(1) or Student-t: the model, a fit."""

import numpy as np
import pytest
from scipy import stats

from bayes_mlm import build_design, fit, fit_reml, load_dataset, load_fit, save_fit, summarise
from bayes_mlm.base.errors import BayesMLMError, PriorError
from bayes_mlm.fitting.derived import correlation_at
from bayes_mlm.fitting.request import as_request, make_settings
from bayes_mlm.fitting.side_by_side import analyse
from bayes_mlm.likelihood.default_priors import model_priors
from bayes_mlm.likelihood.effect_centring import design_transform
from bayes_mlm.likelihood.pymc.models import partial_pooling, pooled
from bayes_mlm.model.priors import parse_prior
from tests.helpers.residuals import GROWTH, NLME, covariance


def logp_at(model, values):
    """Evaluate the model's log-density of the outcomes at values of its named variables."""
    point = {}
    for name, value in values.items():
        variable = model[name]
        transform = model.rvs_to_transforms[variable]
        inside = np.asarray(value, dtype=float)
        if transform is not None:
            inside = transform.forward(inside, *variable.owner.inputs).eval()
        point[model.rvs_to_values[variable].name] = inside
    logp = model.compile_logp(vars=model.observed_RVs, jacobian=False)
    rest = {name: value for name, value in model.initial_point().items() if name not in point}
    return float(logp(point | rest))


def test_the_likelihood_is_that_of_the_covariance_written_out():
    table = load_dataset("orthodont")
    residual = {"sigma": "sex", "ar": "age"}
    design = build_design("distance ~ age * sex + (age | subject)", table, residual=residual)
    model = partial_pooling(design, centred=True)
    rng = np.random.default_rng(1)
    beta, u = rng.normal(size=design.p), rng.normal(size=(design.J, 2))
    free = np.linalg.solve(np.eye(design.p), beta)
    free[0] += design.X.mean(axis=0)[1:] @ beta[1:]  # the intercept where predictors are at means
    sds, rho = np.array([0.8, 1.7]), -0.35
    mean = design.X @ beta + (design.Z * u[design.codes]).sum(axis=1)
    V = covariance(design.residual, sds, rho, design.codes)
    expected = stats.multivariate_normal(mean, V).logpdf(design.y)
    centred = u @ np.linalg.inv(design_transform(design, model_priors(design))).T
    values = {"beta_free_": free, "u_free_": centred, "sigma_e_by": sds, "rho_e": rho}
    assert logp_at(model, values) == pytest.approx(expected, rel=1e-10)


def test_student_t_residuals_have_the_sd_that_is_named():
    design = build_design("distance ~ 1", load_dataset("orthodont"), family="student_t")
    model = pooled(design)
    values = {"beta_free_": np.array([24.0]), "sigma_e": 2.0, "nu": 5.0}
    scale = 2.0 * np.sqrt(3.0 / 5.0)  # sd^2 = scale^2 nu / (nu - 2)
    expected = stats.t(5.0, 24.0, scale).logpdf(design.y).sum()
    assert logp_at(model, values) == pytest.approx(expected, rel=1e-10)
    assert stats.t(5.0, 24.0, scale).std() == pytest.approx(2.0)


def test_priors_of_the_structure_are_named_and_checked():
    design = build_design(GROWTH, load_dataset("orthodont"), residual={"sigma": "sex", "ar": "age"})
    given_one = {"sigma_e[sex=Male]": "HalfNormal(4)", "sigma_e": "HalfNormal(2)", "rho_e":
                 "Normal(0, 0.4)"}  # fmt: skip
    named = model_priors(design, given_one).by_name(design)
    assert [str(named[f"sigma_e[sex={s}]"]) for s in ("Female", "Male")] == [
        "HalfNormal(sigma=2)",
        "HalfNormal(sigma=4)",
    ]
    assert "sigma_e" not in named
    with pytest.raises(PriorError, match=r"did you mean 'sigma_e\[sex=Male\]'"):
        model_priors(design, {"sigma_e[sex=Mal]": "HalfNormal(4)"})
    with pytest.raises(PriorError, match="no parameter 'nu'"):
        model_priors(design, {"nu": "Gamma(2, 0.1)"})
    with pytest.raises(PriorError, match="-1 <= lower < upper <= 1"):
        parse_prior("rho_e", "Uniform(0, 2)")
    plain = build_design(GROWTH, load_dataset("orthodont"))
    with pytest.raises(PriorError, match="another design"):
        model_priors(plain, model_priors(design))


def test_degrees_of_freedom_stay_above_two():
    import pymc as pm

    design = build_design("distance ~ 1", load_dataset("orthodont"), family="student_t")
    with pooled(design):
        drawn = pm.sample_prior_predictive(draws=400, random_seed=1)["prior"]["nu"].to_numpy()
    assert drawn.min() > 2
    # Gamma(2, 0.1) above 2: its mean from the closed form of a truncated gamma.
    gamma = stats.gamma(2, scale=10)
    mean = gamma.expect(lb=2) / gamma.sf(2)
    assert drawn.mean() == pytest.approx(mean, abs=3 * gamma.std() / 20)


@pytest.fixture(scope="module")
def grown():
    return fit(
        GROWTH,
        "orthodont",
        residual={"sigma": "sex", "ar": "age"},
        random_seed=2,
        draws=700,
        tune=700,
    )


@pytest.mark.slow  # its model is compiled for it alone
def test_the_posterior_agrees_with_reml(grown):
    assert grown.engine == "nuts"
    assert "residual sds that differ and AR(1) residuals" in grown.reason
    summary, reml = summarise(grown), fit_reml(grown.design)
    assert summary["sigma_e[sex=Male]"].estimate > 1.5 * summary["sigma_e[sex=Female]"].estimate
    # Posterior means of sds lie above their mode; half a posterior sd or so for 11 girls.
    for k, stratum in enumerate(grown.design.residual.strata):
        row = summary[f"sigma_e[{stratum}]"]
        assert abs(row.estimate - reml.residual.sigma_e[k]) < row.sd
        assert summary[f"icc[{stratum}]"].estimate == pytest.approx(
            reml.residual.icc[k], abs=2 * summary[f"icc[{stratum}]"].sd
        )
    assert abs(summary["rho_e"].estimate - reml.residual.rho_e) < summary["rho_e"].sd
    for term, beta in zip(grown.design.terms, reml.beta, strict=True):
        row = summary[f"beta[{term}]"]
        assert abs(row.estimate - beta) < 0.25 * row.sd
    sds = grown.draws["sigma_e_by"]
    share = grown.design.residual.share
    np.testing.assert_allclose(grown.draws["sigma_e"] ** 2, sds**2 @ share)
    expected = correlation_at(grown.draws["icc"], grown.draws["rho_e"]).mean()
    assert summary["corr_next"].estimate == pytest.approx(expected)


@pytest.mark.slow
def test_a_saved_fit_comes_back_whole(grown, tmp_path):
    again = load_fit(save_fit(grown, tmp_path / "fit.nc"))
    assert again.request == grown.request
    assert again.priors == grown.priors
    one, other = again.design.residual, grown.design.residual
    assert (one.spec, one.levels, one.step, one.whole) == (
        other.spec,
        other.levels,
        other.step,
        other.whole,
    )
    for name in ("stratum", "time", "previous", "gap"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    assert str(summarise(again)) == str(summarise(grown))


def test_reml_is_compared_with_any_engine(tmp_path):
    record = as_request(GROWTH, "orthodont", residual={"sigma": "sex"})
    found = analyse(record, make_settings(record), engines=["reml"])
    rows = {row.quantity: row for row in found.rows}
    assert rows["sigma_e[sex=Female]"].estimate == pytest.approx(
        NLME["orthodont_sex"]["sigma_e"][0], rel=1e-5
    )
    assert "design_effect" not in rows  # its formula has one residual variance
    with pytest.raises(BayesMLMError, match="use --engine reml"):
        analyse(record, make_settings(record), engines=["ols"])
