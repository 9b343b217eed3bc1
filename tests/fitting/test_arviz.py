"""Every public function of arviz-stats and arviz-plots on the tree of a fit, from their own lists.

One that does not apply to such a model is named with the reason, and a new one of either library
fails the test until it is in one of the two tables.
"""

import inspect
from functools import cache

import arviz_plots
import arviz_stats
import matplotlib.pyplot as plt
import numpy as np
import pytest

from bayes_mlm import fit, load_fit, save_fit

# ArviZ warns of few draws, of large k-hats, of figures of one curve; and prints.
pytestmark = pytest.mark.filterwarnings("ignore")
FORMULA = "weight ~ age + (1 | child)"
SOME = ["beta", "sigma_u", "sigma_e"]
ROWS = {"coords": {"obs": range(4)}}


def table():
    """Ten children of five weights each."""
    rng = np.random.default_rng(8)
    child = np.repeat(np.arange(10), 5)
    age = np.tile(np.arange(5.0), 10)
    weight = 20.0 + 3.0 * age + 2.0 * rng.normal(size=10)[child] + rng.normal(size=50)
    return {"weight": weight, "age": age, "child": [f"c{k}" for k in child]}


@pytest.fixture(scope="module")
def fits(tmp_path_factory):
    """Return fits by their names, each drawn once."""
    small = {"random_seed": 1, "draws": 100}
    folder = tmp_path_factory.mktemp("fit")

    @cache
    def fitted(name):
        if name == "direct":
            return fit(FORMULA, table(), engine="direct", **small)
        if name == "reloaded":
            return load_fit(save_fit(fitted("direct"), folder / "fit.nc"))
        options = {"family": "student_t"} if name == "Student t" else {"engine": "nuts"}
        return fit(FORMULA, table(), tune=100, **options, **small)

    return fitted


def public(module):
    """The functions that a library lists."""
    names = getattr(module, "__all__", None) or [n for n in dir(module) if not n.startswith("_")]
    return {name for name in names if inspect.isfunction(getattr(module, name))}


def draws(tree, name):
    return tree["posterior"][name]


def compared(tree):
    other = tree.copy()
    return arviz_stats.compare({"one": tree, "two": other})


def pointwise(tree):
    return arviz_stats.loo(tree, pointwise=True)


def lines(tree):
    return arviz_plots.plot_dist(tree, var_names=["sigma_e"])


NEEDS_REFITS = "refits without parts of the data, by a wrapper that the user writes"
NOT_OF_A_TREE = "takes no tree"
DISCRETE = "for binary, ordinal or categorical outcomes"

STATS = {
    "bayes_factor": lambda s, t: s.bayes_factor(t, var_names=["sigma_u"], ref_vals=1.0),
    "bayesian_r2": lambda s, t: s.bayesian_r2(t, "mu", "sigma_e"),
    "bfmi": lambda s, t: s.bfmi(t),
    "ci_in_rope": lambda s, t: s.ci_in_rope(t, (-1, 1), var_names=["beta"]),
    "compare": lambda s, t: compared(t),
    "diagnose": lambda s, t: s.diagnose(
        t, var_names=SOME, show_diagnostics=False, return_diagnostics=True
    ),
    "ecdf": lambda s, t: s.ecdf(t["posterior"].dataset[SOME]),  # of trees by no version yet
    "ess": lambda s, t: s.ess(t),
    "eti": lambda s, t: s.eti(t),
    "generate_survival_curves": lambda s, t: s.generate_survival_curves(t, ["weight"]),
    "get_function": NOT_OF_A_TREE,
    "get_log_likelihood": lambda s, t: s.get_log_likelihood(t),
    "hdi": lambda s, t: s.hdi(t, var_names=SOME),
    "hexbin": lambda s, t: s.hexbin(
        draws(t, "sigma_u"), draws(t, "sigma_e"), dim=["chain", "draw"]
    ),
    "histogram": lambda s, t: s.histogram(t, var_names=SOME),
    "histogram2d": lambda s, t: s.histogram2d(
        draws(t, "sigma_u"), draws(t, "sigma_e"), dim=["chain", "draw"]
    ),
    "iqr": lambda s, t: s.iqr(t),
    "kaplan_meier": lambda s, t: s.kaplan_meier(t, ["weight"]),
    "kde": lambda s, t: s.kde(t, var_names=SOME),
    "kde2d": lambda s, t: s.kde2d(draws(t, "sigma_u"), draws(t, "sigma_e")),
    "kl_divergence": lambda s, t: s.kl_divergence(t, t.copy(), var_names=SOME, num_samples=50),
    "lfo_cv": NEEDS_REFITS,
    "loo": lambda s, t: s.loo(t),
    "loo_approximate_posterior": lambda s, t: s.loo_approximate_posterior(
        t, t["sample_stats"]["lp"], t["sample_stats"]["lp"] - t["sample_stats"]["log_weight"]
    ),
    "loo_expectations": lambda s, t: s.loo_expectations(t),
    "loo_i": lambda s, t: s.loo_i(3, t),
    "loo_influence": lambda s, t: s.loo_influence(t, var_names=["beta"], group="posterior"),
    "loo_kfold": NEEDS_REFITS,
    "loo_metrics": lambda s, t: s.loo_metrics(t),
    "loo_moment_match": "moves draws in the coordinates of a PyMC model, which it is given",
    "loo_pit": lambda s, t: s.loo_pit(t),
    "loo_r2": lambda s, t: s.loo_r2(t, "weight"),
    "loo_score": lambda s, t: s.loo_score(t),
    "loo_subsample": lambda s, t: s.loo_subsample(t, observations=10),
    "mad": lambda s, t: s.mad(t),
    "mcse": lambda s, t: s.mcse(t),
    "mean": lambda s, t: s.mean(t),
    "median": lambda s, t: s.median(t),
    "metrics": lambda s, t: s.metrics(t),
    "mode": lambda s, t: s.mode(t, var_names=SOME),
    "psense": lambda s, t: s.psense(t, var_names=SOME),
    "psense_summary": lambda s, t: s.psense_summary(t, var_names=SOME),
    "qds": lambda s, t: s.qds(t, var_names=["sigma_e"]),
    "reloo": NEEDS_REFITS,
    "residual_r2": lambda s, t: s.residual_r2(t, "mu", "weight"),
    "rhat": lambda s, t: s.rhat(t),
    "rhat_nested": lambda s, t: s.rhat_nested(t, superchain_ids=[0, 0, 1, 1]),
    "std": lambda s, t: s.std(t),
    "summary": lambda s, t: s.summary(t),
    "thin": lambda s, t: s.thin(t),
    "update_subsample": lambda s, t: s.update_subsample(
        s.loo_subsample(t, observations=10, pointwise=True), t, observations=5
    ),
    "var": lambda s, t: s.var(t),
    "wasserstein": lambda s, t: s.wasserstein(t, t.copy(), var_names=SOME, num_samples=50),
    "weight_predictions": lambda s, t: s.weight_predictions([t, t.copy()], weights=[0.4, 0.6]),
}

PLOTS = {
    "add_bands": lambda p, t: p.add_bands(lines(t), values=[(0.9, 1.1)]),
    "add_lines": lambda p, t: p.add_lines(lines(t), values=[1.0]),
    "combine_plots": lambda p, t: p.combine_plots(
        t, [(p.plot_dist, {}), (p.plot_trace, {})], var_names=["sigma_e"]
    ),
    "plot_autocorr": lambda p, t: p.plot_autocorr(t, var_names=["sigma_e"]),
    "plot_bf": lambda p, t: p.plot_bf(t, var_names=["sigma_u"], ref_val=1.0),
    "plot_compare": lambda p, t: p.plot_compare(compared(t)),
    "plot_convergence_dist": lambda p, t: p.plot_convergence_dist(t, var_names=SOME),
    "plot_dgof": lambda p, t: p.plot_dgof(t, var_names=["sigma_e"]),
    "plot_dgof_dist": lambda p, t: p.plot_dgof_dist(t, var_names=["sigma_e"]),
    "plot_dist": lambda p, t: p.plot_dist(t, var_names=SOME),
    "plot_ecdf_pit": "shows ranks of simulation-based calibration",
    "plot_energy": lambda p, t: p.plot_energy(t),
    "plot_ess": lambda p, t: p.plot_ess(t, var_names=["sigma_e"]),
    "plot_ess_evolution": lambda p, t: p.plot_ess_evolution(t, var_names=["sigma_e"]),
    "plot_forest": lambda p, t: p.plot_forest(t, var_names=["beta", "u"]),
    "plot_khat": lambda p, t: p.plot_khat(pointwise(t)),
    "plot_lm": lambda p, t: p.plot_lm(t, x="age", y="weight"),
    "plot_loo_interval": lambda p, t: p.plot_loo_interval(t),
    "plot_loo_pava": DISCRETE,
    "plot_loo_pit": lambda p, t: p.plot_loo_pit(t),
    "plot_mcse": lambda p, t: p.plot_mcse(t, var_names=["sigma_e"]),
    "plot_pair": lambda p, t: p.plot_pair(t, var_names=["sigma_u", "sigma_e"]),
    "plot_pair_focus": lambda p, t: p.plot_pair_focus(t, "sigma_u", var_names=["sigma_e"]),
    "plot_parallel": lambda p, t: p.plot_parallel(t, var_names=SOME),
    "plot_ppc_censored": lambda p, t: p.plot_ppc_censored(t, num_samples=5),
    "plot_ppc_dist": lambda p, t: p.plot_ppc_dist(t, num_samples=5),
    "plot_ppc_dist_pit": lambda p, t: p.plot_ppc_dist_pit(t, num_samples=5),
    "plot_ppc_interval": lambda p, t: p.plot_ppc_interval(t),
    "plot_ppc_pava": DISCRETE,
    "plot_ppc_pava_residuals": DISCRETE,
    "plot_ppc_pit": lambda p, t: p.plot_ppc_pit(t),
    "plot_ppc_rootogram": "for counts",
    "plot_ppc_tstat": lambda p, t: p.plot_ppc_tstat(t),
    "plot_prior_posterior": lambda p, t: p.plot_prior_posterior(t, var_names=SOME),
    "plot_psense_dist": lambda p, t: p.plot_psense_dist(t, var_names=["sigma_e"]),
    "plot_psense_quantities": lambda p, t: p.plot_psense_quantities(t, var_names=["sigma_e"]),
    "plot_rank": lambda p, t: p.plot_rank(t, var_names=["sigma_e"]),
    "plot_rank_dist": lambda p, t: p.plot_rank_dist(t, var_names=["sigma_e"]),
    "plot_ridge": lambda p, t: p.plot_ridge(t, var_names=["beta"]),
    "plot_trace": lambda p, t: p.plot_trace(t, var_names=SOME),
    "plot_trace_dist": lambda p, t: p.plot_trace_dist(t, var_names=SOME),
}

# Those that apply to some fits only, by the start of the fit's name.
CHAINS = "independent draws have no energy"
WEIGHTS = "its draws are not those of an approximation"
ONLY = {
    "bfmi": (("NUTS", "Student t"), CHAINS),
    "plot_energy": (("NUTS", "Student t"), CHAINS),
    "loo_approximate_posterior": (("direct", "reloaded"), WEIGHTS),
}


@pytest.mark.parametrize(("module", "calls"), [(arviz_stats, STATS), (arviz_plots, PLOTS)])
def test_the_tables_are_the_libraries_lists(module, calls):
    assert set(calls) == public(module)


# What was read back is what the direct engine gave; Student-t residuals have a variable more.
slow = pytest.mark.slow
NAMES = ["reloaded", "NUTS", *(pytest.param(one, marks=slow) for one in ("direct", "Student t"))]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("module", "calls"), [(arviz_stats, STATS), (arviz_plots, PLOTS)])
def test_every_function_that_applies_runs(fits, module, calls, name):
    failed, tree = {}, fits(name).data
    for function, call in calls.items():
        fitted, _ = ONLY.get(function, ((name,), ""))
        if isinstance(call, str) or name not in fitted:
            continue
        try:
            found = call(module, tree)
            assert found is not None, "it returned nothing"
        except Exception as error:  # noqa: BLE001  all that fail are listed
            failed[function] = f"{type(error).__name__}: {error}"
        plt.close("all")
    assert not failed, "\n".join(f"{key}: {value}" for key, value in failed.items())


def test_what_does_not_apply_to_some_fits_fails_there(fits):
    for function, (names, _) in ONLY.items():
        module, calls = (arviz_stats, STATS) if function in STATS else (arviz_plots, PLOTS)
        for name in {"direct", "reloaded", "NUTS"} - set(names):
            with pytest.raises((AttributeError, KeyError, ValueError)):
                calls[function](module, fits(name).data)


def test_the_statistics_of_a_sampler_have_the_names_of_the_schema(fits):
    names = {"lp", "tree_depth", "acceptance_rate", "reached_max_treedepth", "diverging"}
    names |= {"energy", "n_steps", "step_size", "tune"}
    assert names <= set(fits("NUTS").data["sample_stats"].data_vars)
    assert set(fits("direct").data["sample_stats"].data_vars) == {"lp", "log_weight"}


@pytest.mark.parametrize(
    ("name", "library", "tuning"),
    [("direct", "bayes-mlm", 0), ("reloaded", "bayes-mlm", 0), ("NUTS", "nutpie", 100)],
)
def test_groups_have_the_attributes_of_the_schema(fits, name, library, tuning):
    fitted = fits(name)
    for group in (fitted.data, *fitted.data.children.values()):
        assert group.attrs["creation_library"] == group.attrs["modeling_interface"] == "bayes-mlm"
        assert group.attrs["created_at"] == fitted.created_at
    found = fitted.data["posterior"].attrs
    assert found["inference_library"] == library
    assert found["inference_library_version"] == fitted.versions[library]
    assert (found["tuning_steps"], found["random_seed"]) == (tuning, 1)
    assert found["sampling_time"] == fitted.seconds > 0


def test_nuts_and_direct_have_the_same_tree(fits):
    """Same groups, and in each the same variables, dimensions and labels."""
    one, other = fits("direct").data, fits("NUTS").data
    assert set(one.children) == set(other.children)
    for name in set(one.children) - {"sample_stats"}:
        a, b = one[name].to_dataset(), other[name].to_dataset()
        assert {k: v.dims for k, v in a.items()} == {k: v.dims for k, v in b.items()}, name
        for dim in a.coords:
            assert a[dim].dtype == b[dim].dtype
            assert (a[dim].values == b[dim].values).all()
