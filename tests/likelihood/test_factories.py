"""Every factory obeys one contract, and its density is the one its documentation states."""

import numpy as np
import pytest
import scipy.stats

from bayes_mlm.base.errors import DesignError
from bayes_mlm.data.datasets import load_dataset
from bayes_mlm.data.table import Table, as_table
from bayes_mlm.design import build_design
from bayes_mlm.design.layouts import for_kind
from bayes_mlm.likelihood.default_priors import model_priors
from bayes_mlm.likelihood.effect_centring import design_transform
from bayes_mlm.likelihood.pymc.models import FACTORIES, partial_pooling
from bayes_mlm.likelihood.pymc.parts import prefers_centred
from bayes_mlm.model.spec import KINDS

pytestmark = pytest.mark.usefixtures("interpreted")

# What the design document promises of each kind: variable -> dims.
CONTRACT = {
    "pooled": {"beta": ("term",), "sigma_e": ()},
    "between": {"beta": ("term",), "sigma_e": ()},
    "no_pooling": {"beta": ("term",), "u": ("child", "effect"), "sigma_e": ()},
    "within": {"beta": ("term",), "sigma_e": ()},
    "mundlak": {
        "beta": ("term",),
        "u": ("child", "effect"),
        "sigma_u": (),
        "sigma_e": (),
        "icc": (),
    },
    "partial_pooling": {
        "beta": ("term",),
        "u": ("child", "effect"),
        "sigma_u": (),
        "sigma_e": (),
        "icc": (),
    },
}


def panel():
    """Six children at four unequal times: x differs between children on average."""
    rng = np.random.default_rng(3)
    columns = {
        "y": 20 + rng.normal(size=24),
        "x": np.tile([8.0, 10.0, 12.0, 14.0], 6) + np.repeat(rng.normal(size=6), 4),
        "sex": np.array(["F", "M"] * 3).repeat(4),
        "child": np.array([f"c{k}" for k in range(6)]).repeat(4),
    }
    return as_table(columns)


def design_for(kind, formula="y ~ x"):
    bar = " + (1 | child)" if kind in ("mundlak", "partial_pooling") else ""
    return build_design(formula + bar, panel(), group="child")


def test_every_kind_has_a_factory():
    assert tuple(FACTORIES) == KINDS
    assert set(CONTRACT) == set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_the_contract(kind):
    model = FACTORIES[kind](design_for(kind))
    for name, dims in CONTRACT[kind].items():
        assert model.named_vars_to_dims.get(name, ()) == dims, name
    laid_out = for_kind(design_for(kind), kind)
    assert tuple(model.coords["term"]) == laid_out.terms
    if "u" in CONTRACT[kind]:
        assert list(model.coords[laid_out.group]) == ["c0", "c1", "c2", "c3", "c4", "c5"]
    # The sampler's coordinates end in an underscore; everything else is promised above.
    containers = {one.name for one in model.data_vars}
    named = {name for name in model.named_vars if not name.endswith("_")} - containers
    assert named == set(CONTRACT[kind]) | {"y"}
    assert containers <= {"X", "Z", "codes", "y_data"}
    assert model["y"].eval().shape == (laid_out.n,)


@pytest.mark.parametrize("kind", KINDS)
def test_it_needs_nothing_but_pymc(kind):
    import pymc as pm
    from pymc.testing import mock_sample

    with FACTORIES[kind](design_for(kind)):
        tree = mock_sample(draws=3, chains=2)
        assert set(CONTRACT[kind]) <= set(
            tree["prior" if "prior" in tree else "posterior"].data_vars
        )
        predicted = pm.sample_prior_predictive(draws=2, random_seed=1)
    assert np.isfinite(predicted["prior_predictive"]["y"]).all()


def test_several_group_effects_have_correlations_and_no_icc():
    design = build_design("y ~ x + (x | child)", panel())
    model = partial_pooling(design)
    assert model.named_vars_to_dims["sigma_u"] == ("effect",)
    assert model.named_vars_to_dims["rho_u"] == ("effect_pair",)
    assert list(model.coords["effect_pair"]) == ["Intercept,x"]
    assert "icc" not in model.named_vars
    independent = partial_pooling(build_design("y ~ x + (x || child)", panel()))
    assert independent.named_vars_to_dims["sigma_u"] == ("effect",)
    assert not {"rho_u", "rho_cholesky_", "icc"} & set(independent.named_vars)
    assert "effect_pair" not in independent.coords
    only_slope = partial_pooling(build_design("y ~ x + (0 + x | child)", panel()))
    assert only_slope.named_vars_to_dims["sigma_u"] == ("effect",)
    assert "icc" not in only_slope.named_vars


def test_the_intercept_is_reported_at_zero_and_its_prior_stated_at_the_means():
    import pymc as pm

    design = build_design("y ~ x + (1 | child)", panel())
    model = partial_pooling(design, {"Intercept": "Normal(20, 0.001)", "beta": "Normal(3, 0.001)"})
    beta = np.mean(pm.draw(model["beta"], draws=50, random_seed=1), axis=0)
    # 20 at the mean of x and 3 a unit of x, so 20 - 3 * mean(x) at zero; the priors' sds are 0.001.
    assert beta[1] == pytest.approx(3, abs=0.01)
    assert beta[0] == pytest.approx(20 - 3 * design.X[:, 1].mean(), abs=0.1)


def test_the_density_is_the_documented_one():
    """log p at one point, by SciPy: priors of four families, then the normal likelihood."""
    design = build_design("y ~ x + sex + (1 | child)", panel())
    priors = {
        "Intercept": "Normal(20, 5)",
        "beta[x]": "Cauchy(0, 1)",
        "beta[sex[M]]": "StudentT(4, 0, 2)",
        "sigma_u": "HalfCauchy(2)",
        "sigma_e": "Exponential(0.5)",
    }
    model = partial_pooling(design, priors, centred=True)
    rng = np.random.default_rng(5)
    sigma_u, sigma_e, u = 0.7, 1.3, rng.normal(size=(6, 1))
    slopes = {
        "beta_free_Cauchy_": [0.2],
        "beta_free_StudentT_": [-0.4],
        "beta_free_Normal_": [19.5],
    }
    centre = design.X.mean(axis=0)
    beta = np.array([19.5 - 0.2 * centre[1] + 0.4 * centre[2], 0.2, -0.4])
    mu = design.X @ beta + u[design.codes, 0]
    expected = (
        scipy.stats.norm(20, 5).logpdf(19.5)
        + scipy.stats.cauchy(0, 1).logpdf(0.2)
        + scipy.stats.t(4, 0, 2).logpdf(-0.4)
        + scipy.stats.halfcauchy(0, 2).logpdf(sigma_u)
        + scipy.stats.expon(scale=2).logpdf(sigma_e)
        + scipy.stats.norm(0, sigma_u).logpdf(u).sum()
        + scipy.stats.norm(mu, sigma_e).logpdf(design.y).sum()
    )
    point = model.initial_point() | {key: np.array(value) for key, value in slopes.items()}
    point |= {"u": u, "sigma_u_log__": np.log(sigma_u), "sigma_e_log__": np.log(sigma_e)}
    found = float(model.compile_logp(jacobian=False)(point))
    assert found == pytest.approx(expected, rel=1e-10)  # the same sums in another order


def test_both_parametrisations_describe_one_model():
    """The densities differ by the Jacobian of u = L z alone: J log|L|, exactly."""
    design = build_design("y ~ x + (x | child)", panel())
    centred, free = (partial_pooling(design, centred=flag) for flag in (True, False))
    assert "u_free_" in {variable.name for variable in centred.free_RVs}
    z = np.random.default_rng(2).normal(size=(6, 2))
    sds = np.array([0.7, 0.3])
    shared = {"sigma_u_free__log__": np.log(sds), "sigma_e_log__": np.log(1.3)}
    point = free.initial_point() | shared | {"z_": z}
    # At its initial point LKJ's factor is the identity, so L is the diagonal of the sds.
    other = {key: value for key, value in point.items() if key != "z_"} | {"u_free_": z * sds}
    found = float(free.compile_logp()(point)) - float(centred.compile_logp()(other))
    assert found == pytest.approx(6 * np.log(sds).sum(), rel=1e-9)


@pytest.mark.parametrize(
    "formula", ["y ~ x + size + (1 | child)", "y ~ x + (x | child)", "y ~ x + (x || child)"]
)
def test_group_specific_coefficients_describe_the_same_model(formula, monkeypatch):
    """They are u moved by what only beta decides: the density is the same, point by point."""
    monkeypatch.setattr("bayes_mlm.likelihood.pymc.builders.prefers_centred", lambda design: True)
    table = panel()
    sizes = np.random.default_rng(5).normal(size=6)[
        np.unique(table.columns["child"], return_inverse=True)[1]
    ]
    table = Table(columns={**table.columns, "size": sizes}, n=table.n, source="simulated")
    design = build_design(formula, table)
    specific, centred = partial_pooling(design), partial_pooling(design, centred=True)
    assert "group_beta_" in {variable.name for variable in specific.free_RVs}
    rng = np.random.default_rng(2)
    point = {
        key: value + 0.3 * rng.normal(size=np.shape(value))
        for key, value in specific.initial_point().items()
    }
    effects = specific.replace_rvs_by_values([specific["u"]])
    compiled = specific.compile_fn(effects, inputs=specific.value_vars, on_unused_input="ignore")
    u = compiled(point)[0]
    transform = design_transform(design, model_priors(design))
    at_means = {"u": u, "u_free_": u @ np.linalg.inv(transform).T}
    other = {key: value for key, value in point.items() if key != "group_beta_"}
    other |= {v.name: at_means[v.name] for v in centred.free_RVs if v.name in at_means}
    found, expected = float(specific.compile_logp()(point)), float(centred.compile_logp()(other))
    assert found == pytest.approx(expected, rel=1e-9)


def test_the_parametrisation_follows_the_data():
    hsb = load_dataset("hsb")
    assert prefers_centred(build_design("mathach ~ ses + (1 | schoolid)", hsb))
    # Box & Tiao's data were made so that the variance between batches is estimated as zero.
    assert not prefers_centred(build_design("yield ~ 1 + (1 | batch)", load_dataset("dyestuff2")))


def test_partial_pooling_needs_a_bar():
    with pytest.raises(DesignError, match="add a term such as"):
        partial_pooling(build_design("y ~ x", panel(), group="child"))
