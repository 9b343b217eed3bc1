"""The tree of a fit: what each group has, when it is computed, and what a file keeps of it."""

import copy
import dataclasses
import pickle

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy import stats

from bayes_mlm import (
    fit,
    leave_one_group_out,
    leave_one_row_out,
    load_fit,
    predict,
    sample_groups,
    save_fit,
)
from bayes_mlm.base.errors import EngineError, RowsNeededError, StorageError
from bayes_mlm.fitting.tree.assemble import lay_out_tree
from tests.helpers.classes import table

GROUPS = {
    "posterior",
    "sample_stats",
    "log_likelihood",
    "log_likelihood_group",
    "log_prior",
    "prior",
    "prior_predictive",
    "posterior_predictive",
    "observed_data",
    "constant_data",
}


@pytest.fixture(scope="module")
def slopes():
    return fit("score ~ x + (x | room)", table(), random_seed=1, draws=200)


@pytest.fixture(scope="module")
def intercepts():
    return fit("score ~ x + (1 | room)", table(), random_seed=1)


def test_every_group_is_there_with_its_labels(slopes):
    tree = slopes.data
    assert set(tree.children) == GROUPS
    assert tree["log_likelihood"]["score"].dims == ("chain", "draw", "obs")
    assert tree["log_likelihood_group"]["score"].dims == ("chain", "draw", "room")
    assert list(tree["observed_data"].data_vars) == ["score"]
    assert list(tree["prior"]["room"].values[:2]) == ["r0", "r1"]
    for name in ("log_likelihood", "posterior_predictive", "prior_predictive"):
        assert list(tree[name].data_vars) == ["score"]
    assert tree["prior"]["beta"].dims == ("chain", "draw", "term")
    assert set(tree["log_prior"].data_vars) == {"beta", "sigma_u", "rho_u", "sigma_e"}


def test_predictors_are_found_by_name(slopes):
    constant, design = slopes.data["constant_data"], slopes.design
    assert next(iter(constant.data_vars)) == "x"  # what plot_lm takes where it is told nothing
    np.testing.assert_array_equal(constant["x"], design.X[:, 1])
    np.testing.assert_array_equal(constant["X"].sel(term="x"), design.X[:, 1])
    np.testing.assert_array_equal(constant["Z"], design.Z)
    assert (constant["room"].values[constant["codes"].values] == table()["room"]).all()
    assert (constant["room_of_obs"].values == table()["room"]).all()


def test_names_that_are_taken_are_changed():
    """An outcome and predictors that are called as variables of the package."""
    data = table()
    data |= {"u": data["score"], "X": data["x"], "codes": data["x"] ** 2}
    fitted = fit("u ~ X + codes + (1 | room)", data, random_seed=1, draws=50)
    constant = fitted.data["constant_data"]
    np.testing.assert_array_equal(constant["X_column"], data["X"])
    np.testing.assert_array_equal(constant["codes_column"], data["codes"])
    assert list(fitted.data["observed_data"].data_vars) == ["u_observed"]
    assert fitted.data["posterior"]["u"].dims == ("chain", "draw", "room", "effect")


def test_nothing_costly_is_computed_before_it_is_read(slopes, monkeypatch):
    import bayes_mlm.fitting.tree.groups as module

    def refuse(*_):
        raise AssertionError("computed")

    for name in ("row_log_likelihood", "replicated_outcomes", "group_log_likelihood"):
        monkeypatch.setattr(module, name, refuse)
    monkeypatch.setattr("bayes_mlm.fitting.tree.prior_draws.draw_priors", refuse)
    tree = dataclasses.replace(slopes).data
    assert "score" in repr(tree)
    part = copy.deepcopy(tree)["log_likelihood"].isel(obs=[3, 1], draw=slice(2))
    with pytest.raises(AssertionError, match="computed"):
        part["score"].load()
    with pytest.raises(AssertionError, match="computed"):
        tree["prior"]["beta"].load()


def test_parts_of_what_is_computed_are_those_of_the_whole(slopes):
    values = slopes.data["log_likelihood"]["score"]
    whole = values.values
    np.testing.assert_array_equal(values.isel(obs=[3, 1], chain=2), whole[2][:, [3, 1]])
    np.testing.assert_array_equal(values.isel(draw=slice(None, None, 50)), whole[:, ::50])
    again = pickle.loads(pickle.dumps(slopes)).data  # noqa: S301
    again = again["log_likelihood"]["score"]
    np.testing.assert_array_equal(again, whole)


def test_a_groups_log_likelihood_is_the_normal_density(slopes):
    """Oracle: the multivariate normal density with covariance ZSZ' + sigma_e^2 I."""
    design = slopes.design
    found = slopes.data["log_likelihood_group"]["score"].values
    one = slopes.posterior.isel(chain=1, draw=7)
    sds, rho = one["sigma_u"].values, float(one["rho_u"][0])
    cov = np.outer(sds, sds) * [[1, rho], [rho, 1]]
    for j in range(design.J):
        rows = design.codes == j
        Z = design.Z[rows]
        V = Z @ cov @ Z.T + float(one["sigma_e"]) ** 2 * np.eye(len(Z))
        density = stats.multivariate_normal(design.X[rows] @ one["beta"].values, V)
        assert found[1, 7, j] == pytest.approx(density.logpdf(design.y[rows]), rel=1e-10)


def test_a_groups_log_likelihood_without_pooling_integrates_over_the_prior():
    fitted = fit(
        "score ~ x", table(), kind="no_pooling", group="room", random_seed=1, draws=20,
        priors={"u": "Normal(25, 3)"},
    )  # fmt: skip
    design, rows = fitted.design, fitted.design.codes == 4
    found = fitted.data["log_likelihood_group"]["score"].values[0, 3, 4]
    one = fitted.posterior.isel(chain=0, draw=3)
    V = 9.0 + float(one["sigma_e"]) ** 2 * np.eye(rows.sum())
    density = stats.multivariate_normal(25.0 + design.X[rows] @ one["beta"].values, V)
    assert found == pytest.approx(density.logpdf(design.y[rows]), rel=1e-10)


@pytest.mark.filterwarnings("ignore")  # of few draws
def test_loo_of_the_tree_is_the_packages_own(intercepts):
    """By rows and by groups: importance sampling over all parameters against the exact integral.

    4,000 draws: 0.01 in a row or group where k-hat is small, as measured on three data sets.
    """
    import arviz as az

    for by, own in (("row", leave_one_row_out), ("group", leave_one_group_out)):
        expected, found = own(intercepts), az.loo(intercepts.tree(by=by), pointwise=True)
        np.testing.assert_allclose(found.elpd_i.values, expected.pointwise, atol=0.1)
        assert found.elpd == pytest.approx(expected.elpd, abs=0.3)
        assert found.n_data_points == expected.pointwise.size


@pytest.mark.filterwarnings("ignore")
def test_arviz_ranks_by_rows_and_by_groups(slopes, intercepts):
    import arviz as az

    simple = dataclasses.replace(intercepts)  # its tree has not been read
    for by in ("row", "group"):
        found = az.compare({"slopes": slopes.tree(by=by), "simple": simple.tree(by=by)})
        assert list(found.index) == ["slopes", "simple"]
    own = {"slopes": leave_one_group_out(slopes), "simple": leave_one_group_out(simple)}
    found = az.compare({name: one.to_arviz() for name, one in own.items()}, round_to="none")
    assert float(found.elpd["simple"]) == pytest.approx(own["simple"].elpd)
    assert float(found.elpd_diff["simple"]) == pytest.approx(
        own["simple"].elpd - own["slopes"].elpd
    )
    assert list(own["slopes"].to_arviz().elpd_i["room"].values[:2]) == ["r0", "r1"]
    assert list(leave_one_row_out(simple).to_arviz().elpd_i["obs"].values[:2]) == [0, 1]
    with pytest.raises(EngineError, match="allowed: row, group"):
        slopes.tree(by="school")


def test_the_predictive_is_that_of_predict(intercepts):
    """Oracle: `predict`, of one outcome of each row; five standard errors of a mean and an sd."""
    found = intercepts.data["posterior_predictive"]["score"].values.reshape(-1, 72)
    own = predict(intercepts, table(), kind="observation", likelihood=False)
    assert np.abs((found.mean(axis=0) - own.mean) / own.sd).max() < 5 / np.sqrt(4000)
    assert np.abs(found.std(axis=0) / own.sd - 1).max() < 5 / np.sqrt(2 * 4000)


def test_the_expected_outcome_is_there_where_it_is_small(intercepts):
    mu = intercepts.data["posterior"]["mu"].values
    draws, design = intercepts.draws, intercepts.design
    expected = draws["beta"] @ design.X.T + draws["u"][..., design.codes, 0]
    np.testing.assert_allclose(mu, expected, rtol=1e-12)
    assert "mu" not in intercepts.posterior
    assert "mu" not in intercepts.tree(mu=False)["posterior"]


def test_the_expected_outcome_of_many_rows_is_there_on_request(mock_fit):
    fitted = mock_fit("hsb_ses", draws=100)
    tree = fitted.data
    assert "mu" not in tree["posterior"]
    assert tree.attrs["no_mu"] == "7,185 rows: fitted.tree(mu=True) has it"
    assert fitted.tree(mu=True)["posterior"]["mu"].shape == (4, 100, 7185)


def test_the_prior_is_of_the_model(slopes):
    """What is drawn agrees within itself: u has its sds, y its residual, mu its parts."""
    prior = slopes.data["prior"].isel(chain=0)
    y = slopes.data["prior_predictive"]["score"].values[0]
    z = (y - prior["mu"].values) / prior["sigma_e"].values[:, None]
    assert abs(z.mean()) < 0.05
    assert z.std() == pytest.approx(1.0, abs=0.02)
    u = prior["u"].values / prior["sigma_u"].values[:, None, :]
    np.testing.assert_allclose(u.std(axis=(0, 1)), 1.0, atol=0.05)
    eta = prior["beta"].values @ slopes.design.X.T
    eta += np.einsum("nq,snq->sn", slopes.design.Z, prior["u"].values[:, slopes.design.codes])
    np.testing.assert_allclose(prior["mu"], eta, rtol=1e-9)
    # The intercept's prior is where x is at its mean.
    middle = prior["beta"].values @ slopes.design.X.mean(axis=0)
    own = slopes.priors.by_name(slopes.design)["Intercept"]
    assert stats.kstest(middle, stats.norm(own["mu"], own["sigma"]).cdf).pvalue > 1e-3


def test_groups_that_a_model_has_not_say_why():
    data = table()
    flat = fit("score ~ x", data, random_seed=1, draws=20, priors={"beta": "Flat"})
    assert set(flat.data.children) == GROUPS - {"prior", "prior_predictive", "log_likelihood_group"}
    assert flat.data.attrs["no_prior"] == "the prior of beta[x] is flat, which has no draws"
    with pytest.raises(EngineError, match="names no groups"):
        flat.tree(by="group")
    summed = fit("score ~ x + (1 | room)", data, rows="sum", random_seed=1, draws=20)
    by_row = {"log_likelihood", "posterior_predictive", "prior_predictive", "observed_data"}
    assert set(summed.data.children) == GROUPS - by_row
    assert "need the rows" in summed.data.attrs["no_log_likelihood"]
    rows = fit("score ~ x + (1 | room)", data, random_seed=1, draws=20)
    np.testing.assert_allclose(
        summed.data["log_likelihood_group"]["score"],
        rows.data["log_likelihood_group"]["score"],
        rtol=1e-8,
    )
    with pytest.raises(RowsNeededError):
        summed.tree(mu=True)
    some = sample_groups(summed, pd.DataFrame(data), n_groups=5)
    assert some.data["log_likelihood"]["score"].values.shape == (4, 20, 30)


def same(one, other):
    assert set(one.children) == set(other.children)
    for name in one.children:
        a, b = one[name].to_dataset(), other[name].to_dataset()
        xr.testing.assert_identical(a.load(), b.load())
        for variable in a.variables:
            assert a[variable].dtype == b[variable].dtype, (name, variable)


def test_a_file_and_the_reloaded_fit_have_the_same_tree(slopes, tmp_path):
    path = save_fit(slopes, tmp_path / "fit.nc")
    again = load_fit(path)
    same(slopes.data, again.data)
    with xr.open_datatree(path, engine="h5netcdf") as opened:
        same(slopes.data, opened.load())
    assert again.draws.coords["term"].dtype == slopes.draws.coords["term"].dtype


def test_costly_groups_may_be_left_out_of_the_file(slopes, tmp_path, monkeypatch):
    kept = {"posterior", "sample_stats", "observed_data", "constant_data"}

    def saved(name, **asked):
        path = save_fit(slopes, tmp_path / name, **asked)
        with xr.open_datatree(path, engine="h5netcdf") as tree:
            return set(tree.children), dict(tree.attrs), path

    groups, attrs, path = saved("none.nc", groups="none")
    assert groups == kept
    assert attrs["left_out"].startswith("log_likelihood, log_likelihood_group, log_prior")
    same(slopes.data, load_fit(path).data)
    assert saved("one.nc", groups=["log_likelihood"])[0] == kept | {"log_likelihood"}
    with pytest.raises(StorageError, match="no group 'lok'.*auto, all, none, or some of log_like"):
        saved("no.nc", groups=["lok"])
    monkeypatch.setattr("bayes_mlm.fitting.storage.MAX_NUMBERS", 10_000)
    few = saved("auto.nc")[0]
    assert "log_likelihood" not in few  # 57,600 numbers
    assert "log_likelihood_group" in few  # 9,600
    assert saved("all.nc", groups="all")[0] == GROUPS


def test_what_a_user_adds_is_saved(slopes, tmp_path):
    fitted = dataclasses.replace(slopes)
    tree = fitted.data
    tree["mine"] = xr.DataTree(xr.Dataset({"z": ("k", [1.0, 2.0])}, {"k": ["a", "b"]}))
    tree["mine/deep"] = xr.DataTree(xr.Dataset({"when": ("t", np.array(["2026-01-01"], "M8[ns]"))}))
    slope = tree["posterior"]["beta"].sel(term="x", drop=True)
    tree["posterior"] = tree["posterior"].to_dataset().assign(doubled=2 * slope)
    other = tree["posterior_predictive"].to_dataset() * 0
    tree["posterior_predictive"] = xr.DataTree(other.assign_attrs(creation_library="pymc"))
    path = save_fit(fitted, tmp_path / "fit.nc")
    again = load_fit(path)
    same(tree, again.data)
    assert set(again.draws.posterior) == set(slopes.draws.posterior)
    assert float(again.data["posterior_predictive"]["score"].max()) == 0.0
    twice = load_fit(save_fit(again, tmp_path / "again.nc"))  # its tree read, then not
    same(tree, twice.data)
    same(tree, load_fit(save_fit(load_fit(path), tmp_path / "third.nc")).data)


def test_what_belongs_to_each_outcome_is_in_the_tree_and_the_file(slopes, tmp_path):
    design = slopes.design
    trials, weights = np.arange(1, 73), np.linspace(0.5, 2.0, 72)
    response = dataclasses.replace(design.response, trials=trials, weights=weights)
    fitted = dataclasses.replace(slopes, design=dataclasses.replace(design, response=response))
    assert "offset" not in fitted.data["constant_data"]
    again = load_fit(save_fit(fitted, tmp_path / "fit.nc", groups="none"))
    for tree in (fitted.data, again.data):
        np.testing.assert_array_equal(tree["constant_data"]["trials"], trials)
        np.testing.assert_array_equal(tree["constant_data"]["weights"], weights)
    np.testing.assert_array_equal(again.design.response.weights, weights)
    assert again.design.response.offset is None


def test_what_cannot_be_saved_says_so(slopes, tmp_path):
    fitted = dataclasses.replace(slopes)
    posterior = fitted.data["posterior"].to_dataset()
    fitted.data["posterior"] = posterior.assign(sigma_e=posterior["sigma_e"] * 2)
    with pytest.raises(StorageError, match="sigma_e of the tree's posterior was changed"):
        save_fit(fitted, tmp_path / "changed.nc")
    summed = fit("score ~ x + (1 | room)", table(), rows="sum", random_seed=1, draws=20)
    summed.data["observed_data"] = xr.DataTree(xr.Dataset({"score": ("obs", [1.0])}))
    with pytest.raises(StorageError, match="has no observed_data .*under another name"):
        save_fit(summed, tmp_path / "summed.nc")
    assert not list(tmp_path.iterdir())


def test_a_group_inside_another_is_saved(slopes, tmp_path):
    fitted = dataclasses.replace(slopes)
    fitted.data["posterior/notes"] = xr.DataTree(xr.Dataset({"z": ("k", [1.0, 2.0])}))
    again = load_fit(save_fit(fitted, tmp_path / "fit.nc"))
    assert list(again.data["posterior/notes"]["z"].values) == [1.0, 2.0]
    assert set(again.draws.posterior) == set(slopes.draws.posterior)


def test_what_another_program_adds_to_a_file_is_in_the_tree(slopes, tmp_path):
    with xr.open_datatree(save_fit(slopes, tmp_path / "fit.nc"), engine="h5netcdf") as opened:
        tree = opened.load()
    tree["predictions"] = xr.DataTree(xr.Dataset({"score": ("new", [1.0, 2.0])}))
    tree.to_netcdf(tmp_path / "more.nc", engine="h5netcdf")
    again = load_fit(tmp_path / "more.nc").data
    assert list(again["predictions"]["score"].values) == [1.0, 2.0]
    assert set(again.children) == GROUPS | {"predictions"}


def test_laying_out_costs_little(mock_fit):
    """Of 7,185 rows nothing by row and draw is computed: what is read is the design."""
    tree = lay_out_tree(mock_fit("hsb_ses", draws=250))
    computed = [one for group in tree.groups.values() for one in group.variables.values()]
    assert not any(getattr(one, "is_computed", False) for one in computed)
