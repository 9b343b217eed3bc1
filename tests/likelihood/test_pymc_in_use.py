"""The factories' models in PyMC's own tools: inspection, prediction, samplers, approximations."""

import importlib.util
import re
from importlib.metadata import version

import numpy as np
import pytest
from packaging.version import Version

from bayes_mlm import build_design, fit, load_dataset, load_fit, partial_pooling, predict, save_fit
from bayes_mlm.base import EngineError
from bayes_mlm.likelihood.pymc.models import FACTORIES

FORMULAS = ("y ~ x + (1 | child)", "y ~ x + (x | child)", "y ~ x + (x || child)")
PARAMETRISATIONS = {"centred": True, "non-centred": False, "default": None}
INTERCEPTS = "reaction ~ days + (1 | subject)"
SLOPES = "reaction ~ days + (days | subject)"
INDEPENDENT = "reaction ~ days + (days || subject)"


def panel():
    """Eight children at four ages, the mean of x different between them."""
    rng = np.random.default_rng(3)
    child = np.arange(8).repeat(4)
    x = np.tile([-1.0, 0.0, 1.0, 2.0], 8) + rng.normal(size=8)[child]
    y = 20 + 0.5 * x + rng.normal(size=8)[child] + rng.normal(size=32)
    return {"y": y, "x": x, "child": np.array([f"c{k}" for k in child])}


def model_of(kind, **options):
    bar = " + (1 | child)" if kind in ("mundlak", "partial_pooling") else ""
    return FACTORIES[kind](build_design("y ~ x" + bar, panel(), group="child"), **options)


def _built():
    """Every kind; and every parametrisation and layout of group effects, by name."""
    for kind in FACTORIES:
        yield pytest.param(lambda kind=kind: model_of(kind), id=kind)
    for formula in FORMULAS:
        for name, centred in PARAMETRISATIONS.items():
            yield pytest.param(
                lambda formula=formula, centred=centred: partial_pooling(
                    build_design(formula, panel()), centred=centred
                ),
                id=f"{formula}, {name}",
            )


# --- inspection -----------------------------------------------------------------------------------
MODELS = list(_built())


@pytest.mark.usefixtures("interpreted")
@pytest.mark.parametrize("make", MODELS)
def test_a_model_can_be_read(make, capsys):
    """Each variable has a line of `str_repr` and a node of the graph; `debug` finds nothing."""
    from pymc.model_graph import ModelGraph

    model = make()
    lines = model.str_repr().splitlines()
    assert [line.split()[0] for line in lines] == [
        *(v.name for v in model.data_vars),
        *(v.name for v in model.free_RVs),
        *(v.name for v in model.deterministics),
        *(v.name for v in model.observed_RVs),
    ]
    assert max(map(len, lines)) < 120
    assert r"\sim" in model.str_repr(formatting="latex").replace("&", "")
    model.debug(verbose=False)
    assert "No problems found" in capsys.readouterr().out
    graph = ModelGraph(model)
    nodes = {node.var.name for plate in graph.get_plates() for node in plate.variables}
    assert nodes == set(model.named_vars)
    # The outcome hangs on every parameter: nothing floats.
    parents = graph.make_compute_graph()
    found, todo = set(), [model.observed_RVs[0].name]
    while todo:
        name = todo.pop()
        found.add(name)
        todo += parents.get(name, set()) - found
    assert {v.name for v in model.free_RVs} <= found


@pytest.mark.usefixtures("interpreted")
@pytest.mark.parametrize("formula", FORMULAS)
def test_a_marginal_model_can_be_read(formula, capsys):
    """It has nothing to draw outcomes by, which PyMC's graph needs: the error says what to do."""
    from pymc.model_graph import ModelGraph

    model = partial_pooling(build_design(formula, panel()), likelihood="marginal")
    assert "sigma_e ~ HalfStudentT(3, 1.68)" in model.str_repr()
    model.debug(verbose=False)
    assert "No problems found" in capsys.readouterr().out
    with pytest.raises(EngineError, match='build it with likelihood="conditional"'):
        ModelGraph(model).get_plates()


@pytest.mark.parametrize("make", MODELS)
def test_a_model_can_be_drawn(make):
    """A node for every named variable, and a plate for the dims and lengths of each."""
    import pymc as pm

    model = make()
    source = pm.model_to_graphviz(model).source
    nodes = set(re.findall(r"^\t+(\w+) \[label=", source, flags=re.M))
    assert nodes == set(model.named_vars)
    plates = re.findall(r'subgraph "cluster(.+?)" \{(.*?)\n\t\}', source, flags=re.S)
    in_plate = {node: label for label, body in plates for node in re.findall(r"(\w+) \[", body)}
    for name, dims in model.named_vars_to_dims.items():
        lengths = [f"{dim} ({len(model.coords[dim])})" for dim in dims]
        assert in_plate[name] == " x ".join(lengths), name


def test_a_model_is_a_mermaid_diagram_and_a_network():
    import pymc as pm

    model = model_of("partial_pooling")
    text = pm.model_to_mermaid(model)
    assert all(re.search(rf"\b{name}\b", text) for name in model.named_vars)
    if importlib.util.find_spec("networkx"):  # not of the test extra
        assert set(pm.model_to_networkx(model).nodes) >= set(model.named_vars)


@pytest.mark.usefixtures("interpreted")
@pytest.mark.parametrize("kind", FACTORIES)
def test_a_parameter_can_be_set_and_observed(kind):
    """`do` takes it out of the density and fixes what follows; `observe` puts it into the data."""
    import pymc as pm

    model = model_of(kind)
    fixed = pm.do(model, {"sigma_e": 1e-9, "beta": np.zeros(len(model.coords["term"]))})
    assert not {"sigma_e", "beta"} & {v.name for v in fixed.free_RVs}
    if "u" in fixed.named_vars:
        drawn, u = pm.draw([fixed["y"], fixed["u"]], random_seed=1)
        expected = u[model["codes"].get_value(), 0]
    else:
        drawn, expected = pm.draw(fixed["y"], random_seed=1), 0.0
    np.testing.assert_allclose(drawn, expected, atol=1e-6)
    seen = pm.observe(model, {"sigma_e": 2.0})
    assert "sigma_e" in {v.name for v in seen.observed_RVs}
    point = {k: v for k, v in model.initial_point().items() if k != "sigma_e_log__"}
    density = model.compile_logp(jacobian=False)(point | {"sigma_e_log__": np.log(2.0)})
    assert seen.compile_logp(jacobian=False)(point) == pytest.approx(float(density))


# --- posterior predictive -------------------------------------------------------------------------

PREDICTED = [
    *((INTERCEPTS, centred) for centred in PARAMETRISATIONS.values()),
    *((SLOPES, centred) for centred in PARAMETRISATIONS.values()),
    *((INDEPENDENT, centred) for centred in PARAMETRISATIONS.values()),
]


@pytest.fixture(scope="module")
def predicted(tmp_path_factory):
    """By formula: the design, a fit, the same reloaded, and its predictive of each row."""
    folder, table = tmp_path_factory.mktemp("saved"), load_dataset("sleepstudy")
    found = {}
    for place, formula in enumerate((INTERCEPTS, SLOPES, INDEPENDENT)):
        fitted = fit(formula, "sleepstudy", random_seed=1)
        save_fit(fitted, folder / f"{place}.nc")
        rows = predict(fitted, table, kind="observation", likelihood=False)
        found[formula] = (
            build_design(formula, table),
            fitted,
            load_fit(folder / f"{place}.nc"),
            rows,
        )
    return found


@pytest.mark.usefixtures("interpreted")
@pytest.mark.parametrize(("formula", "centred"), PREDICTED)
@pytest.mark.parametrize(
    ("saved", "explicit"), [(True, False), (False, True)], ids=["reloaded", "freeze_vars"]
)
def test_the_posterior_predictive_is_the_fits(predicted, formula, centred, saved, explicit):
    """Row by row. Oracle: `predict`, which knows no PyMC; 4,000 draws of each."""
    import pymc as pm

    design, fitted, reloaded, rows = predicted[formula]
    options = {}
    with partial_pooling(design, centred=centred) as model:
        if explicit:
            options = {
                "sample_vars": ["reaction"],
                "freeze_vars": [v.name for v in model.free_RVs],
            }
        drawn = pm.sample_posterior_predictive(
            (reloaded if saved else fitted).data, random_seed=7, progressbar=False, **options
        )
    values = drawn["posterior_predictive"]["reaction"].values.reshape(-1, design.n)
    assert values.shape[0] == 4000
    # 5 standard errors of a difference of means; of sds (a normal's is sd / sqrt(2 S)), 180 rows.
    error = rows.sd * np.sqrt(2 / 4000)
    assert np.abs((values.mean(axis=0) - rows.mean) / error).max() < 5
    np.testing.assert_allclose(values.std(axis=0), rows.sd, rtol=5 / np.sqrt(4000))


# --- samplers and approximations ------------------------------------------------------------------

slow = pytest.mark.slow
SAMPLERS = [
    (kind, sampler) for kind in FACTORIES for sampler in ("nutpie", "pymc", "blackjax", "numpyro")
]


@pytest.fixture(scope="module")
def exact():
    """By kind: exact draws of the same model, by the direct engine."""
    found = {}
    for kind in FACTORIES:
        bar = " + (1 | child)" if kind in ("mundlak", "partial_pooling") else ""
        group = None if bar else "child"
        found[kind] = fit("y ~ x" + bar, panel(), kind=kind, group=group, random_seed=1)
        assert found[kind].engine == "direct"
    return found


def agree(draws, exact, errors):
    """Compare means of what both report, within so many posterior sds."""
    names = [name for name in ("beta", "sigma_u", "sigma_e") if name in draws]
    assert "sigma_e" in names
    for name in names:
        found, expected = draws[name], exact.posterior[name]
        gap = found.mean(("chain", "draw")) - expected.mean(("chain", "draw"))
        assert float(abs(gap / expected.std(("chain", "draw"))).max()) < errors, name


@slow  # each is compiled for it alone; notebook 05 and the tests of NUTS sample such models too
@pytest.mark.parametrize(("kind", "sampler"), SAMPLERS)
# JAX and PyTensor warn of what they do inside (compilation, cores); not what is tested.
@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")
def test_every_sampler_draws_from_every_factory(exact, kind, sampler):
    """Oracle: the direct engine's draws. 0.3 sd is over 5 errors at an ESS of 300."""
    import pymc as pm

    if sampler not in ("pymc", "nutpie"):
        pytest.importorskip(sampler)
    if sampler == "blackjax" and Version(version("blackjax")) >= Version("1.6"):
        pytest.skip("PyMC passes what blackjax 1.6 no longer takes (PyMC issue 8367)")
    # One device runs chains of JAX next to one another, not in parallel.
    jax = sampler in ("blackjax", "numpyro")
    options = {"nuts_sampler_kwargs": {"chain_method": "vectorized"}} if jax else {}
    with model_of(kind):
        tree = pm.sample(
            500,
            tune=500,
            chains=2,
            cores=1,
            nuts_sampler=sampler,
            **options,
            target_accept=0.95,
            random_seed=1,
            progressbar=False,
            compute_convergence_checks=False,
        )
    agree(tree["posterior"], exact[kind], 0.3)


@slow  # a notebook runs it
@pytest.mark.parametrize("kind", FACTORIES)
def test_advi_approximates_every_factory(exact, kind):
    """Of independent normals, so that it is near: means within one posterior sd."""
    import pymc as pm

    with model_of(kind):
        approximation = pm.fit(
            10_000,
            method="advi",
            obj_optimizer=pm.adagrad_window(learning_rate=0.02),
            random_seed=1,
            progressbar=False,
        )
        tree = approximation.sample(1000, random_seed=1)
    agree(tree["posterior"], exact[kind], 1.0)


@slow
@pytest.mark.parametrize("kind", FACTORIES)
@pytest.mark.parametrize("method", ["laplace", "pathfinder"])
@pytest.mark.filterwarnings("ignore")
def test_the_approximations_of_pymc_extras_take_every_factory(exact, kind, method):
    """At a mode, where that of the joint density of u and its sd is no summary: integrate u out."""
    extras = pytest.importorskip("pymc_extras")
    multilevel = kind in ("mundlak", "partial_pooling")
    with model_of(kind, **({"likelihood": "marginal"} if multilevel else {})):
        tree = extras.fit(method=method, random_seed=1, progressbar=False)
    agree(tree["posterior"], exact[kind], 1.0)
