"""PyMC models in use: containers of data, interventions, priors written as distributions."""

import numpy as np
import pytest
from scipy import stats

from bayes_mlm import (
    build_design,
    fit,
    load_dataset,
    no_pooling,
    partial_pooling,
    pooled,
)
from bayes_mlm.base import EngineError, PriorError
from bayes_mlm.likelihood import model_priors

pytestmark = pytest.mark.usefixtures("interpreted")

SLOPES = "reaction ~ days + (days | subject)"
INTERCEPTS = "reaction ~ days + (1 | subject)"
NEW_X = np.array([[1.0, 3.0], [1.0, 12.0], [1.0, 0.0]])
CASES = [
    (SLOPES, None),
    (SLOPES, True),
    ("reaction ~ days + (days || subject)", None),
    (INTERCEPTS, None),
    (INTERCEPTS, True),
    (INTERCEPTS, False),
]


@pytest.fixture(scope="module")
def fits():
    """Fits of the formulas, and their designs."""
    table = load_dataset("sleepstudy")
    found = {}
    for formula, _ in CASES:
        if formula not in found:
            found[formula] = (
                build_design(formula, table),
                fit(formula, "sleepstudy", random_seed=1, draws=250),
            )
    return found


def set_rows(model, codes):
    import pymc as pm

    rows = {"X": NEW_X, "codes": np.asarray(codes), "y_data": np.zeros(3)}
    if "Z" in model.named_vars:
        rows["Z"] = NEW_X
    pm.set_data(rows, coords={"obs": [0, 1, 2]}, model=model)


@pytest.mark.parametrize(("formula", "centred"), CASES)
def test_new_rows_of_known_groups_have_their_linear_predictor(fits, formula, centred):
    """Oracle: X beta + Z u of the draws, draw by draw."""
    import pymc as pm

    design, fitted = fits[formula]
    model = partial_pooling(design, centred=centred, mu=True)
    codes = np.array([2, 5, 2])
    set_rows(model, codes)
    with model:
        drawn = pm.sample_posterior_predictive(
            fitted.data, var_names=["mu"], random_seed=1, progressbar=False
        )
    u = fitted.draws["u"][:, :, codes]
    expected = fitted.draws["beta"] @ NEW_X.T + (u * NEW_X[:, : design.q]).sum(axis=3)
    found = drawn["posterior_predictive"]["mu"].values
    np.testing.assert_allclose(found, expected, rtol=1e-9)


@pytest.mark.filterwarnings("ignore::numba.core.errors.NumbaPerformanceWarning")  # PyTensor's
@pytest.mark.parametrize(("formula", "centred"), CASES)
def test_new_groups_are_drawn_from_the_population(fits, formula, centred):
    """Oracle: moments of the draws, x'E[beta] and x'Var(beta)x + E[z'Sigma z]."""
    import pymc as pm

    design, fitted = fits[formula]
    model = partial_pooling(design, centred=centred, mu=True)
    with model:
        model.set_dim("subject", 40, coord_values=[f"new {k}" for k in range(40)])
        set_rows(model, [0, 1, 39])
        dims = model.named_vars_to_dims
        effects = [v.name for v in model.free_RVs if "subject" in dims.get(v.name, ())]
        drawn = pm.sample_posterior_predictive(
            fitted.data, sample_vars=effects, var_names=["mu"], random_seed=1, progressbar=False
        )
    flat = {
        name: fitted.draws[name].reshape(1000, -1)
        for name in ("beta", "sigma_u", "rho_u")
        if name in fitted.draws.posterior
    }
    z = NEW_X[:, : design.q]
    rho = flat["rho_u"][:, 0] if "rho_u" in flat else np.zeros(1000)
    variance = np.zeros((1000, 3))
    for a in range(design.q):
        for b in range(design.q):
            r = 1.0 if a == b else rho
            cov = r * flat["sigma_u"][:, a] * flat["sigma_u"][:, b]
            variance += cov[:, None] * z[:, a] * z[:, b]
    mean = flat["beta"] @ NEW_X.T
    sd = np.sqrt(mean.var(axis=0) + variance.mean(axis=0))
    found = drawn["posterior_predictive"]["mu"].values.reshape(1000, 3)
    np.testing.assert_allclose(found.mean(axis=0), mean.mean(axis=0), atol=4 * sd.max() / 1000**0.5)
    np.testing.assert_allclose(found.std(axis=0), sd, rtol=0.12)


@pytest.mark.parametrize(("formula", "centred"), CASES)
def test_an_intervention_on_the_group_effects_moves_the_outcome(fits, formula, centred):
    """The same random numbers with effects of 0 and of 1000: the outcomes differ by Z 1000."""
    import pymc as pm

    design, _ = fits[formula]
    model = partial_pooling(design, centred=centred)
    shape = (design.J, design.q)
    low, high = (
        pm.draw(pm.do(model, {"u": np.full(shape, value)})["reaction"], random_seed=3)
        for value in (0.0, 1000.0)
    )
    np.testing.assert_allclose(high - low, 1000 * design.Z.sum(axis=1), rtol=1e-8)


def test_other_kinds_have_containers_too():
    import pymc as pm

    design = build_design("mathach ~ ses", load_dataset("hsb"), group="schoolid")
    model = no_pooling(design, mu=True)
    with model:
        pm.set_data(
            {"X": np.array([[0.5]]), "codes": np.array([3]), "y_data": np.zeros(1)},
            coords={"obs": [0]},
        )
        mu, u, beta = pm.draw([model["mu"], model["u"], model["beta"]], random_seed=1)
    assert mu == pytest.approx(u[3, 0] + 0.5 * beta[0])
    assert pooled(build_design("mathach ~ ses", load_dataset("hsb")), mu=True)["mu"].eval().shape


def test_the_marginal_model_has_no_linear_predictor():
    design = build_design(INTERCEPTS, load_dataset("sleepstudy"))
    with pytest.raises(EngineError, match="no linear predictor by row"):
        partial_pooling(design, likelihood="marginal", mu=True)


# --- priors ---------------------------------------------------------------------------------------


class Elicited:
    """What a PreliZ distribution offers: parameters as attributes, names, and draws."""

    param_names = ("mu", "sigma")

    def __init__(self, **values):
        self.__dict__.update(values)

    def rvs(self):
        raise NotImplementedError


class Normal(Elicited):
    """As PreliZ names its class."""


class Gamma(Elicited):
    """Given by mean and sd, with its standard parameters next to them."""


@pytest.fixture(scope="module")
def hsb():
    return build_design("mathach ~ ses * sector + (ses | schoolid)", load_dataset("hsb"))


def test_priors_may_be_distributions_of_pymc(hsb):
    """Oracle: SciPy's densities of what PyMC draws and evaluates."""
    import pymc as pm

    cases = [
        ("beta[ses]", pm.Normal.dist(1, 2), stats.norm(1, 2)),
        ("beta[ses]", pm.StudentT.dist(nu=4, mu=1, sigma=2), stats.t(4, 1, 2)),
        ("beta[ses]", pm.Cauchy.dist(1, 2), stats.cauchy(1, 2)),
        ("sigma_e", pm.HalfNormal.dist(3), stats.halfnorm(0, 3)),
        ("sigma_e", pm.HalfCauchy.dist(3), stats.halfcauchy(0, 3)),
        ("sigma_e", pm.Exponential.dist(lam=0.3), stats.expon(scale=1 / 0.3)),
        ("sigma_e", pm.Gamma.dist(alpha=2, beta=0.7), stats.gamma(2, scale=1 / 0.7)),
        ("sigma_e", pm.InverseGamma.dist(alpha=2, beta=0.7), stats.invgamma(2, scale=0.7)),
        ("sigma_e", pm.Uniform.dist(0, 30), stats.uniform(0, 30)),
    ]
    for name, distribution, oracle in cases:
        prior = model_priors(hsb, {name: distribution}).by_name(hsb)[name]
        again = getattr(pm, prior.family).dist(**dict(prior.parameters))
        at = np.array([0.2, 1.7])
        np.testing.assert_allclose(pm.logp(again, at).eval(), oracle.logpdf(at), rtol=1e-6)
    assert str(model_priors(hsb, {"rho_u": pm.LKJCorr.dist(n=2, eta=4)}).rho_u) == "LKJ(eta=4)"
    assert str(model_priors(hsb, {"sigma_e": pm.HalfFlat.dist()}).sigma_e) == "Flat()"


def test_priors_may_be_elicited(hsb):
    found = model_priors(
        hsb,
        {"beta": Normal(mu=0.0, sigma=np.float64(3.0)), "sigma_e": Gamma(alpha=2.0, beta=0.5)},
    ).by_name(hsb)
    assert str(found["beta[ses]"]) == "Normal(mu=0, sigma=3)"
    assert str(found["sigma_e"]) == "Gamma(alpha=2, beta=0.5)"


def test_a_pattern_is_for_all_it_matches_and_a_name_takes_precedence(hsb):
    found = model_priors(
        hsb, {"beta[ses*]": "Normal(0, 1)", "beta": "Normal(0, 5)", "beta[ses]": "Normal(0, 2)"}
    ).by_name(hsb)
    assert [found[f"beta[{term}]"]["sigma"] for term in ("ses", "sector", "ses:sector")] == [
        2,
        5,
        1,
    ]


def test_an_asterisk_in_a_term_is_no_pattern():
    design = build_design("mathach ~ I(ses ** 2) + (1 | schoolid)", load_dataset("hsb"))
    name = f"beta[{design.terms[1]}]"
    assert model_priors(design, {name: "Normal(0, 7)"}).by_name(design)[name]["sigma"] == 7


@pytest.mark.parametrize(
    ("priors", "message"),
    [
        ({"beta[x*]": "Normal(0, 1)"}, r"no parameter .* matches 'beta\[x\*\]'; it has: "),
        (
            {"beta[ses*]": "Normal(0, 1)", "beta[*sector]": "Normal(0, 2)"},
            r"both 'beta\[ses\*\]' and 'beta\[\*sector\]' match 'beta\[ses:sector\]'",
        ),
        ({"beta": Normal(mu=None, sigma=None)}, "has no value yet"),
        ({"beta": Normal(mu=np.zeros(2), sigma=1.0)}, "is 2 numbers"),
        ({"beta": 3}, "found int"),
    ],
)
def test_priors_that_cannot_be_are_refused(hsb, priors, message):
    with pytest.raises(PriorError, match=message):
        model_priors(hsb, priors)


def test_the_support_of_a_distribution_must_be_the_parameters(hsb):
    import pymc as pm

    with pytest.raises(PriorError, match="'Normal' is not a family for it; allowed: HalfNormal"):
        model_priors(hsb, {"sigma_u": pm.Normal.dist(0, 1)})


def test_a_fit_with_a_distribution_for_a_prior_is_that_of_its_text():
    import pymc as pm

    text = fit(INTERCEPTS, "sleepstudy", priors={"sigma_u": "HalfNormal(20)"}, random_seed=1)
    found = fit(INTERCEPTS, "sleepstudy", priors={"sigma_*": pm.HalfNormal.dist(20)}, random_seed=1)
    assert found.spec.priors == {"sigma_*": "HalfNormal(sigma=20.0)"}
    same = fit(INTERCEPTS, "sleepstudy", priors={"sigma_u": pm.HalfNormal.dist(20)}, random_seed=1)
    np.testing.assert_array_equal(same.draws["beta"], text.draws["beta"])


def test_mu_has_the_offset_as_the_trees_has():
    """With the identity link it is the expected outcome: X beta + Z u + offset."""
    import pymc as pm

    table = load_dataset("sleepstudy")
    columns = dict(table.columns) | {"w": np.arange(table.n, dtype=float)}
    formula = "reaction ~ days + offset(w) + (1 | subject)"
    fitted = fit(formula, columns, random_seed=1, draws=50)
    with partial_pooling(build_design(formula, columns), mu=True):
        drawn = pm.sample_posterior_predictive(
            fitted.data, var_names=["mu"], random_seed=1, progressbar=False
        )
    found = drawn["posterior_predictive"]["mu"].values
    np.testing.assert_allclose(found, fitted.tree(mu=True)["posterior"]["mu"].values, rtol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("centred", [None, True, False])
def test_an_intervention_on_one_of_several_factors_moves_the_outcome(centred):
    """As with one factor: the outcomes differ by what the effects of that factor contribute."""
    import pymc as pm

    rng = np.random.default_rng(0)
    x, a, b = rng.normal(size=60), rng.integers(0, 4, 60), rng.integers(0, 3, 60)
    columns = {"y": x + rng.normal(size=60), "x": x, "a": a, "b": b}
    model = partial_pooling(build_design("y ~ x + (1 | a) + (x | b)", columns), centred=centred)
    for name, shape, expected in (("u_a", (4, 1), 100.0), ("u_b", (3, 2), 100 * (1 + x))):
        low, high = (
            pm.draw(pm.do(model, {name: np.full(shape, value)})["y"], random_seed=3)
            for value in (0.0, 100.0)
        )
        np.testing.assert_allclose(high - low, expected, rtol=1e-8, atol=1e-8)
