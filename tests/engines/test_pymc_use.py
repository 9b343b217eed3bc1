"""What PyMC makes of a fit's draws is that fit: nothing is drawn anew from a prior.

`pymc.sample_posterior_predictive` draws every free variable that it does not find in the tree from
its prior, without a word; `pymc.compute_log_likelihood` stops. So the tree has every one.
"""

import dataclasses
from functools import cache

import numpy as np
import pytensor
import pytest
import xarray as xr
from scipy import stats

from bayes_mlm import fit, load_fit, predict, save_fit
from bayes_mlm.base.errors import EngineError, RowsNeededError
from bayes_mlm.data.table import as_table
from bayes_mlm.engines.direct import sample_direct
from bayes_mlm.fitting.residuals import make_outcomes, residual_draws
from bayes_mlm.likelihood.free_variables import correlation_cholesky, free_values
from bayes_mlm.likelihood.pymc.models import FACTORIES
from bayes_mlm.model.residual.whitening import previous_correlation, whiten

# Python instead of compiled code: seconds of compiling are saved, and the numbers are the same.
PYTHON = {"compile_kwargs": {"mode": "FAST_COMPILE"}, "progressbar": False}
_SDS = {"sigma_u[x]": "HalfNormal(1)", "sigma_u[Intercept]": "Gamma(2, 1)"}
MIXED = {"beta[x]": "StudentT(4, 0, 3)"} | _SDS
BY_SEX = {"sigma_e[sex=F]": "HalfNormal(3)"}
THREE = "y ~ x + w + (x + w | g)"
# kind, formula, priors, residual structure
CASES = {
    "pooled": ("pooled", "y ~ x", {}, None),
    "pooled mixed": ("pooled", "y ~ x + w", {"beta[x]": "Cauchy(0, 1)"}, None),
    "no intercept": ("pooled", "y ~ 0 + x + w", {"beta[w]": "Flat()"}, None),
    "between": ("between", "y ~ x", {}, None),
    "within": ("within", "y ~ x", {}, None),
    "no_pooling": ("no_pooling", "y ~ x", {}, None),
    "mundlak": ("mundlak", "y ~ x + (1 | g)", {}, None),
    "mundlak, no bar": ("mundlak", "y ~ x", {}, None),
    "intercept": ("partial_pooling", "y ~ x + (1 | g)", {}, None),
    "slope alone": ("partial_pooling", "y ~ x + (0 + x | g)", {}, None),
    "two": ("partial_pooling", "y ~ x + (x | g)", MIXED, None),
    "three": ("partial_pooling", THREE, {}, None),
    "two, no intercept": ("partial_pooling", "y ~ x + w + (0 + x + w | g)", {}, None),
    "independent": ("partial_pooling", "y ~ x + (x || g)", MIXED, None),
    "by level": ("partial_pooling", "y ~ x + (1 | g)", BY_SEX, {"sigma": "sex"}),
    "AR(1)": ("partial_pooling", "y ~ x + (x | g)", {}, {"ar": "time", "sigma": "sex"}),
    "Student-t": ("partial_pooling", "y ~ x + (1 | g)", {}, {"family": "student_t"}),
    "pooled AR(1)": ("pooled", "y ~ x", {}, {"ar": "time"}),
}


def table():
    """Twelve groups of six, with a slope that differs, and a group that is not alphabetical."""
    rng = np.random.default_rng(4)
    group = np.repeat(np.arange(12), 6)
    x, w = rng.normal(3.0, 1.0, 72), rng.normal(size=72)
    u = rng.normal(size=(12, 2)) * [2.0, 0.7]
    y = 20.0 + 2.0 * x + w + u[group, 0] + u[group, 1] * x + rng.normal(size=72)
    return as_table(
        {
            "y": y,
            "x": x,
            "w": w,
            "g": np.array([f"g{k}" for k in rng.permutation(12)])[group],
            "sex": np.array(["F", "M"]).repeat(3)[np.arange(72) % 6],
            "time": (np.arange(72) % 6) * 1.0,
        }
    )


@pytest.fixture(scope="module")
def fits():
    """A fit of each case, by the direct engine or with draws as NUTS would give them."""
    return {name: _fit(*case) for name, case in CASES.items()}


def _fit(kind, formula, priors, residual):
    bar = "|" in formula
    options = {"kind": kind, "priors": priors, "random_seed": 1, "draws": 60}
    if not bar and (kind != "pooled" or residual is not None):
        options["group"] = "g"
    if residual is None:
        return fit(formula, table(), engine="direct", **options)
    plain = fit(formula, table(), engine="direct", **{**options, "priors": {}})
    return _structured(plain, formula, residual, options)


def _structured(plain, formula, residual, options):
    """Draws of a plain fit, with residual parameters that are right in form."""
    from bayes_mlm.design.build import design_of
    from bayes_mlm.engines.draws import Variable
    from bayes_mlm.fitting.request import as_request
    from bayes_mlm.likelihood.default_priors import model_priors

    keep = {key: options[key] for key in ("kind", "group") if key in options}
    structure = {key: one for key, one in residual.items() if key != "family"}
    keep["family"] = residual.get("family")
    record = as_request(formula, table(), priors=options["priors"], residual=structure, **keep)
    design = design_of(record, table())
    rng = np.random.default_rng(2)
    posterior, coords = dict(plain.draws.posterior), dict(plain.draws.coords)
    posterior.pop("icc", None)  # it would follow from what is changed here
    sigma_e = posterior["sigma_e"].values
    if design.residual.strata:
        sds = sigma_e[..., None] * [0.8, 1.3]
        posterior["sigma_e_by"] = Variable(("chain", "draw", "stratum"), sds)
        coords["stratum"] = np.array(design.residual.strata)
        posterior["sigma_e"] = Variable(("chain", "draw"), np.sqrt(sds**2 @ design.residual.share))
    if "ar" in residual:
        posterior["rho_e"] = Variable(("chain", "draw"), rng.uniform(0.5, 0.8, sigma_e.shape))
    if "family" in residual:
        posterior["nu"] = Variable(("chain", "draw"), rng.uniform(3, 9, sigma_e.shape))
    return dataclasses.replace(
        plain,
        request=record,
        design=design,
        priors=model_priors(design, record.model.priors),
        draws=dataclasses.replace(plain.draws, posterior=posterior, coords=coords),
        engine="nuts",
        report=None,
    )


@pytest.fixture(scope="module")
def models(fits):
    """Every model that the factory of a fit makes, by how it is made; each made once."""
    return cache(lambda name: _models(fits[name]))


def _models(fitted):
    design, priors, make = fitted.design, fitted.priors, FACTORIES[fitted.spec.kind]
    found = {"default": make(design, priors)}
    if "|" in fitted.spec.formula:
        found |= {f"centred={c}": make(design, priors, centred=c) for c in (True, False)}
        if design.residual is None:
            found["marginal"] = make(design, priors, likelihood="marginal")
    return found


def thinned(tree, step=12):
    return xr.DataTree.from_dict(
        {name: node.to_dataset().isel(draw=slice(None, None, step)) if "draw" in node.dims
         else node.to_dataset() for name, node in tree.children.items()}
    )  # fmt: skip


def means(fitted):
    """The expected outcome of each row at each draw, (S, n)."""
    design, n = fitted.design, fitted.draws.n_chains * fitted.draws.n_draws
    beta = fitted.draws["beta"].reshape(n, -1) if design.p else np.zeros((n, 0))
    mu = beta @ design.X.T
    if design.q:
        u = fitted.draws["u"].reshape(n, design.J, design.q)
        mu = mu + (design.Z * u[:, design.codes]).sum(axis=2)
    return mu


def expected_log_likelihood(fitted):
    """Log-density of each row, (S, n); of a series, given the row before in its group."""
    design, mu = fitted.design, means(fitted)
    if design.residual is None:
        return stats.norm(mu, fitted.draws["sigma_e"].reshape(-1, 1)).logpdf(design.y)
    drawn, found = residual_draws(fitted.draws), np.empty(mu.shape)
    for s in range(len(mu)):
        rho, sds = float(drawn.rho[s]), drawn.sds[s]
        white = whiten(design.residual, design.y - mu[s], sds, rho)
        spread = sds[design.residual.stratum] * np.sqrt(
            1 - previous_correlation(design.residual, rho) ** 2
        )
        nu = float(drawn.others["nu"][s]) if drawn.others else np.inf
        unit = stats.norm() if np.isinf(nu) else stats.t(nu, scale=np.sqrt(1 - 2 / nu))
        found[s] = unit.logpdf(white) - np.log(spread)
    return found


@pytest.mark.parametrize("name", CASES)
def test_the_tree_has_every_free_variable_of_every_model(fits, models, name, tmp_path):
    """With the dimensions and labels of the model, also in a file that xarray opens by itself."""
    fitted = fits[name]
    path = save_fit(fitted, tmp_path / "fit.nc")
    again = load_fit(path)
    with xr.open_datatree(path, engine="h5netcdf") as opened:
        trees = (fitted.data, again.data, opened.load())
    for made in models(name).values():
        for tree in trees:
            posterior = tree["posterior"].to_dataset()
            for variable in made.free_RVs:
                assert variable.name in posterior, variable.name
                array = posterior[variable.name]
                dims = made.named_vars_to_dims.get(variable.name, ())
                assert array.dims[2:] == dims or (
                    not dims and array.dims[2:] == tuple(
                        f"{variable.name}_dim_{k}" for k in range(variable.ndim)
                    )
                )  # fmt: skip
                for dim in dims:
                    assert list(array.coords[dim].values) == list(made.coords[dim])
    assert set(again.draws.posterior) == set(fitted.draws.posterior)
    assert set(again.draws.coords) == set(fitted.draws.coords)


@pytest.mark.parametrize("name", CASES)
def test_the_free_variables_give_back_what_is_reported(fits, models, name):
    """The model's graph from its free variables to beta, u, sigma_u, rho_u, sigma_e."""
    fitted = fits[name]
    for how, made in models(name).items():
        posterior = fitted.data["posterior"].to_dataset()
        wanted = [one for one in made.deterministics if not one.name.endswith("_")]
        free = made.free_RVs
        run = pytensor.function(free, wanted, mode="FAST_COMPILE", on_unused_input="ignore")
        for chain, draw in ((0, 3), (2, 50)):
            at = posterior.isel(chain=chain, draw=draw)
            found = run(*[at[one.name].to_numpy() for one in free])
            for one, value in zip(wanted, found, strict=True):
                if one.name in at:  # rounding, times the size of what cancels (the mean of y)
                    np.testing.assert_allclose(
                        value, at[one.name].to_numpy(), rtol=1e-9, atol=1e-10, err_msg=how
                    )


@pytest.mark.parametrize("name", CASES)
def test_the_log_likelihood_of_the_tree_is_the_models(fits, name):
    """Oracle: SciPy's densities of the rows; `expected_log_likelihood` is PyMC's, as held below."""
    fitted = fits[name]
    found = fitted.data["log_likelihood"]["y"].to_numpy()
    expected = expected_log_likelihood(fitted).reshape(found.shape)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(
        fitted.data["posterior"]["mu"].to_numpy().reshape(-1, fitted.design.n), means(fitted)
    )


@pytest.mark.parametrize(
    "name", ["pooled mixed", "between", "no_pooling", "three", "independent", "AR(1)", "Student-t"]
)
def test_the_log_likelihood_is_the_packages_own(fits, name):
    import pymc as pm

    fitted = fits[name]
    expected = expected_log_likelihood(fitted)
    expected = expected.reshape(fitted.draws.n_chains, fitted.draws.n_draws, -1)[:, ::12]
    made = FACTORIES[fitted.spec.kind](fitted.design, fitted.priors)
    found = pm.compute_log_likelihood(thinned(fitted.data), model=made, **PYTHON)
    np.testing.assert_allclose(found["log_likelihood"]["y"], expected, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("name", ["intercept", "three", "independent", "no_pooling", "within"])
def test_replicates_are_of_the_fit(fits, name):
    """Oracle: the fit's predictions of one outcome of each row."""
    import pymc as pm

    fitted = fits[name]
    made = FACTORIES[fitted.spec.kind](fitted.design, fitted.priors)
    found = pm.sample_posterior_predictive(fitted.data, model=made, random_seed=1, **PYTHON)
    y = found["posterior_predictive"]["y"].to_numpy().reshape(-1, fitted.design.n)
    expected = predict(fitted, table(), kind="observation", likelihood=False)
    # Five standard errors of a mean, and of an sd, of 240 draws.
    assert np.abs((y.mean(axis=0) - expected.mean) / expected.sd).max() < 5 / np.sqrt(240)
    assert np.abs(y.std(axis=0) / expected.sd - 1).max() < 5 / np.sqrt(2 * 240)


def test_replicates_of_a_series_are_series(fits):
    """Oracle: `make_outcomes`, which makes the package's replicates.

    Not steps from the outcomes that were observed: those would vary less, and follow the data.
    """
    import pymc as pm

    for name in ("AR(1)", "pooled AR(1)"):
        fitted = fits[name]
        design, mu = fitted.design, means(fitted)
        made = FACTORIES[fitted.spec.kind](design, fitted.priors)
        found = pm.sample_posterior_predictive(fitted.data, model=made, random_seed=1, **PYTHON)
        e = found["posterior_predictive"]["y"].to_numpy().reshape(mu.shape) - mu
        drawn, rng = residual_draws(fitted.draws), np.random.default_rng(3)
        expected = np.array([make_outcomes(design, drawn, s, 0.0, rng) for s in range(len(mu))])
        later = design.residual.previous >= 0
        before = design.residual.previous[later]

        def moments_of(e, later=later, before=before):
            return np.array([(e**2).mean(), (e[:, later] * e[:, before]).mean()])

        # 17,280 numbers, correlated: a few per cent; t's of few degrees of freedom vary more.
        np.testing.assert_allclose(moments_of(e), moments_of(expected), rtol=0.15, err_msg=name)
        assert moments_of(e)[1] > 0.4 * moments_of(e)[0]


def test_the_log_prior_is_that_of_the_fit(fits):
    """Oracle: SciPy's densities of the priors, at the reported parameters."""
    import pymc as pm

    fitted = fits["two"]
    at = thinned(fitted.data)
    found = pm.stats.compute_log_prior(
        at, model=FACTORIES["partial_pooling"](fitted.design, fitted.priors, centred=True), **PYTHON
    )["log_prior"]
    draws, design = at["posterior"], fitted.design
    by_name = fitted.priors.by_name(design)
    middle = draws["beta"].to_numpy() @ design.X.mean(axis=0)
    intercept = stats.norm(by_name["Intercept"]["mu"], by_name["Intercept"]["sigma"])
    np.testing.assert_allclose(
        found["beta_free_Normal_"].to_numpy()[..., 0], intercept.logpdf(middle), rtol=1e-10
    )
    # The priors of the effects hold where x is at its mean: u0 + m u1 and u1.
    m = design.Z[:, 1].mean()
    at_zero, r0 = draws["sigma_u"].to_numpy(), draws["rho_u"].to_numpy()[..., 0]
    cross = at_zero[..., 0] * at_zero[..., 1] * r0 + m * at_zero[..., 1] ** 2
    first = at_zero[..., 0] ** 2 + 2 * m * cross - m**2 * at_zero[..., 1] ** 2
    sds = np.stack([np.sqrt(first), at_zero[..., 1]], axis=-1)
    rho = cross / (sds[..., 0] * sds[..., 1])
    u = draws["u"].to_numpy() @ [[1, 0], [m, 1]]
    np.testing.assert_allclose(
        found["sigma_u_free_Gamma_"].to_numpy()[..., 0],
        stats.gamma(2).logpdf(sds[..., 0]),
        rtol=1e-9,
    )
    np.testing.assert_allclose(
        found["sigma_u_free_HalfNormal_"].to_numpy()[..., 0],
        stats.halfnorm(scale=1).logpdf(sds[..., 1]),
        rtol=1e-9,
    )
    for chain, draw in ((0, 0), (3, 2)):
        r, (a, b) = rho[chain, draw], sds[chain, draw]
        cov = [[a * a, r * a * b], [r * a * b, b * b]]
        expected = stats.multivariate_normal(np.zeros(2), cov).logpdf(u[chain, draw])
        np.testing.assert_allclose(found["u_free_"].to_numpy()[chain, draw], expected, rtol=1e-8)


def test_the_marginal_model_predicts_nothing_and_knows_its_likelihood(fits):
    import pymc as pm

    fitted = fits["two"]
    made = FACTORIES["partial_pooling"](fitted.design, fitted.priors, likelihood="marginal")
    with pytest.raises(EngineError, match='likelihood="conditional"'):
        pm.sample_posterior_predictive(fitted.data, model=made, **PYTHON)
    at = thinned(fitted.data)
    found = pm.compute_log_likelihood(at, model=made, **PYTHON)["log_likelihood"]["y"]
    assert found.dims == ("chain", "draw")
    design = fitted.design
    one = at["posterior"].to_dataset().isel(chain=1, draw=1)
    sds, rho = one["sigma_u"].to_numpy(), float(one["rho_u"][0])
    cov = np.outer(sds, sds) * [[1, rho], [rho, 1]]
    expected = 0.0
    for j in range(design.J):
        rows = design.codes == j
        Z = design.Z[rows]
        V = Z @ cov @ Z.T + float(one["sigma_e"]) ** 2 * np.eye(len(Z))
        mean = design.X[rows] @ one["beta"].to_numpy()
        expected += stats.multivariate_normal(mean, V).logpdf(design.y[rows])
    assert float(found[1, 1]) == pytest.approx(expected, rel=1e-10)


def test_effects_that_were_not_kept_are_not_drawn_anew(fits):
    import pymc as pm

    fitted = fits["intercept"]
    drawn = sample_direct(fitted.design, fitted.priors, random_seed=1, draws=20, max_effects=10)
    short = dataclasses.replace(fitted, draws=drawn.draws)
    made = FACTORIES["partial_pooling"](fitted.design, fitted.priors)
    for use in (pm.sample_posterior_predictive, pm.compute_log_likelihood):
        with pytest.raises((KeyError, ValueError)):
            use(short.data, model=made, **PYTHON)


def test_a_correlation_of_one_has_a_factor():
    """A singular matrix: u comes back exactly, in the one direction in which it varies."""
    design = fit("y ~ x + (x | g)", table(), random_seed=1, draws=4).design
    np.testing.assert_array_equal(
        correlation_cholesky(design, np.array([[1.0], [-1.0], [0.6]])),
        [[[1, 0], [1, 0]], [[1, 0], [-1, 0]], [[1, 0], [0.6, 0.8]]],
    )


def test_what_is_shown_has_no_coordinates_of_the_sampler(fits):
    from bayes_mlm import summarise
    from bayes_mlm.engines.draws import quantities

    fitted = fits["two"]
    assert not [name for name in fitted.posterior if name.endswith("_")]
    assert not [name for name, _ in quantities(fitted.draws, groups=True) if "_[" in name]
    assert "_free_" not in str(summarise(fitted))


def test_draws_of_a_sample_of_groups_keep_the_place_of_the_intercepts_prior():
    """The prior holds at the means of all rows, also where only some are at hand."""
    from bayes_mlm import sample_groups

    frame = table().columns_frame()
    whole = fit("y ~ x + (1 | g)", frame, rows="sum", random_seed=1, draws=60)
    some = sample_groups(whole, frame, n_groups=5)
    free = free_values(some.design, some.priors, {"beta": some.draws["beta"]})["beta_free_"]
    middle = some.draws["beta"] @ [1.0, table().columns["x"].mean()]
    np.testing.assert_allclose(free[..., 0], middle, rtol=1e-12)
    assert some.design.X[:, 1].mean() != pytest.approx(table().columns["x"].mean(), abs=0.01)
    with pytest.raises(RowsNeededError):  # PyMC is given no model of some rows of a fit
        FACTORIES["partial_pooling"](some.design, some.priors)
