"""Multiverse: every model is the one that a fit of its own finds; hierarchy, averages, refusals."""

from typing import Any

import numpy as np
import pytest

from bayes_mlm import build_design, fit, fit_reml, multiverse
from bayes_mlm.assess import Multiverse, log_marginal_likelihood, stacking_weights
from bayes_mlm.assess.loo.conditional import make_model
from bayes_mlm.assess.loo.refit import log_marginal, without_group
from bayes_mlm.base import BayesMLMError
from bayes_mlm.engines import Submodels
from bayes_mlm.figures import plot_specification_curve
from bayes_mlm.fitting import Fit
from bayes_mlm.moments import rotate_moments

BASE = "y ~ x + (1 | g)"
OPTIONAL = ["w", "C(f)", "z", "x:w"]


def make(seed: int, groups: int = 12, sd: float = 1.0) -> dict[str, Any]:
    """Return rows with numbers at both levels and a factor of three categories."""
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(groups), rng.integers(4, 15, groups))
    n = g.size
    w, u = rng.normal(size=groups)[g], sd * rng.normal(size=groups)[g]
    x = rng.normal(size=n) + 0.5 * w
    z = 100.0 + 5.0 * rng.normal(size=n) + x
    f = np.array(["a", "b", "c"])[rng.integers(0, 3, n)]
    y = 10.0 + x + 0.5 * w + 0.3 * x * w + u + rng.normal(size=n) + (f == "b")
    return {"y": y, "x": x, "w": w, "z": z, "f": f, "g": g}


@pytest.fixture(scope="module")
def rows() -> dict[str, Any]:
    return make(1)


@pytest.fixture(scope="module")
def found(rows: dict[str, Any]) -> Multiverse:
    return multiverse(BASE, rows, optional=OPTIONAL, focal=["x", "C(f)"])


def is_a_fit_of_its_own(found: Multiverse, rows: dict[str, Any], tolerance: float) -> None:
    for model in found.models:
        design = build_design(model.formula, rows)
        one = fit_reml(design, profile=False)
        assert model.reml_loglik == pytest.approx(one.loglik, abs=1e-7)
        assert model.sigma_e == pytest.approx(one.sigma_e, rel=tolerance)
        assert model.sigma_u == pytest.approx(one.sigma_u[0], rel=tolerance, abs=1e-4)
        assert model.singular == one.singular
        for row in found.specifications.where(specification=model.specification):
            weights = np.zeros(design.p)
            place = design.terms.index(row.term)
            weights[place] = 1.0
            if row.term == "x" and "x:w" in design.terms:
                weights[design.terms.index("x:w")] = np.mean(rows["w"])
            assert row.estimate == pytest.approx(weights @ one.beta, rel=tolerance, abs=1e-8)
            se = np.sqrt(weights @ one.beta_cov @ weights)
            assert row.se == pytest.approx(se, rel=tolerance)
            if not one.singular:
                assert row.df == pytest.approx(one.tests.df(weights[None])[0], rel=1e-4)


def test_every_model_is_the_reml_estimate_from_the_rows(
    found: Multiverse, rows: dict[str, Any]
) -> None:
    assert len(found.models) == 12  # x:w is in with w alone
    is_a_fit_of_its_own(found, rows, 1e-6)


@pytest.mark.parametrize("seed", [2, 3, 4])
def test_random_data_and_singular_fits(seed: int) -> None:
    rows = make(seed, groups=7, sd=0.0)
    is_a_fit_of_its_own(multiverse(BASE, rows, optional=OPTIONAL, posterior=False), rows, 1e-5)


def test_slopes_by_group_and_independent_ones(rows: dict[str, Any]) -> None:
    effects = ["(1 | g)", "(1 + x | g)", "(1 + x || g)"]
    found = multiverse(
        "y ~ x", rows, optional=["w"], alternatives={"effects": effects}, posterior=False
    )
    assert [model.formula for model in found.models][:2] == [
        "y ~ 1 + x + (1 | g)",
        "y ~ 1 + x + (1 + x | g)",
    ]
    is_a_fit_of_its_own(found, rows, 1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("bar", ["(1 | g)", "(x | g)", "(x || g)", "(x + z | g)"])
def test_few_groups_with_several_maxima(bar: str) -> None:
    """The compiled search ends in the maximum that the certified one finds."""
    for seed in range(25):
        rng = np.random.default_rng(seed)
        g = np.repeat(np.arange(6), rng.integers(2, 9, 6))
        x = rng.normal(size=g.size) * rng.choice([1, 100]) + rng.choice([0, 5, 1000])
        of_x = (x - x.mean()) / x.std()
        u, slope = rng.choice([0, 1, 5]) * rng.normal(size=6), rng.choice([0, 0.5, 3])
        y = of_x + u[g] + slope * rng.normal(size=6)[g] * of_x + rng.normal(size=g.size)
        rows = {"y": y, "x": x, "z": rng.normal(size=g.size), "g": g}
        design = build_design(f"y ~ x + z + {bar}", rows)
        correlated = "||" not in bar
        one = fit_reml(design, profile=False)
        models = Submodels(rotate_moments(design.moments()), correlated=correlated)
        assert models.fit(np.arange(3), np.eye(3)).loglik == pytest.approx(one.loglik, abs=1e-6)


def test_marginal_likelihood_and_posterior_are_those_of_the_direct_engine(
    found: Multiverse, rows: dict[str, Any]
) -> None:
    for model in (found.models[0], found.models[-1]):
        one = fit(model.formula, rows, random_seed=1)
        assert isinstance(one, Fit)
        exact = log_marginal_likelihood(one)
        assert model.log_marginal_likelihood == pytest.approx(exact.value, abs=1e-4)
        assert model.reliable
        row = found.specifications[model.specification, "x"]
        terms = one.design.terms
        draws = one.draws["beta"].reshape(-1, len(terms))
        slope = draws[:, terms.index("x")]
        if "x:w" in terms:
            slope = slope + draws[:, terms.index("x:w")] * np.mean(rows["w"])
        assert row.posterior_mean == pytest.approx(slope.mean(), abs=5 * slope.std() / 4000**0.5)
        assert row.posterior_sd == pytest.approx(slope.std(), rel=0.06)
        assert row.posterior_lower == pytest.approx(np.quantile(slope, 0.025), abs=0.02)


@pytest.mark.parametrize(("groups", "sd"), [(5, 1.0), (4, 20.0)])
def test_leaving_a_group_out_is_the_ratio_of_marginal_likelihoods(groups: int, sd: float) -> None:
    """log p(y_j | y_-j) = log p(y) - log p(y_-j), both by the direct engine's quadrature."""
    rows = make(11, groups=groups, sd=sd)
    found = multiverse(BASE, rows, optional=["w"])
    one = fit(found.models[1].formula, rows, random_seed=1)
    assert isinstance(one, Fit)
    model, rng = make_model(one, None, 100), np.random.default_rng(1)
    without = [log_marginal(model, without_group(model, j), rng) for j in range(model.statistics.J)]
    value = log_marginal_likelihood(one).value
    exact = sum(value - part.value for part in without if part is not None)
    assert found.models[1].elpd == pytest.approx(exact, abs=1e-3)


def test_order_of_terms_and_units_do_not_matter(rows: dict[str, Any]) -> None:
    first = multiverse(BASE, rows, optional=OPTIONAL)
    moved = rows | {"z": 1e3 * rows["z"] - 7.0, "w": rows["w"] * 1e-3}
    second = multiverse(BASE, moved, optional=["x:w", "z", "C(f)", "w"])
    a, b = (one.models.to_frame().set_index("formula").sort_index() for one in (first, second))
    assert len(a) == len(b)
    assert np.allclose(np.sort(a.elpd), np.sort(b.elpd), atol=1e-4)
    assert np.allclose(np.sort(a.stacking_weight), np.sort(b.stacking_weight), atol=1e-3)
    for name in ("lowest", "median", "highest", "stacked", "averaged"):
        assert getattr(first["x"], name) == pytest.approx(getattr(second["x"], name), abs=1e-4)


def test_missing_values_leave_the_same_rows_out_of_every_model(rows: dict[str, Any]) -> None:
    holes = rows | {"z": rows["z"].copy()}
    holes["z"][:3] = np.nan
    with pytest.raises(BayesMLMError, match="z"):
        multiverse(BASE, holes, optional=["z"], posterior=False)
    found = multiverse(BASE, holes, optional=["z"], posterior=False, missing="drop")
    kept = {name: values[3:] for name, values in rows.items()}
    again = multiverse(BASE, kept, optional=["z"], posterior=False)
    assert found["x"] == again["x"]
    assert "3 rows with a missing value" in found.notes[0]


def test_hierarchy_and_repeated_models(rows: dict[str, Any]) -> None:
    found = multiverse(
        BASE,
        rows,
        optional=["w", "x:w", "I(x ** 2)", "I(w ** 2)"],
        alternatives={"again": ["", "w"]},
        posterior=False,
    )
    formulas = [model.formula for model in found.models]
    assert len(set(formulas)) == len(formulas)
    for formula in formulas:
        terms = formula.split(" ~ ")[1].split(" + ")
        assert "w" in terms or not {"x:w", "I(w ** 2)"} & {*terms}
    assert any("same model as another" in note for note in found.notes)
    assert any("is also in I(x ** 2)" in text for text in found.cautions)


def test_collinear_models_are_left_out_with_the_reason(rows: dict[str, Any]) -> None:
    twice = rows | {"z2": 3.0 - rows["z"]}
    found = multiverse(BASE, twice, optional=["z", "z2"], posterior=False)
    assert len(found.models) == 3
    assert "linear combination" in found.left_out[0].reason
    assert "1 combination left out" in found.cautions[0]


def test_changes_by_hand(found: Multiverse) -> None:
    table = found.specifications.to_frame().query("term == 'x'").set_index(OPTIONAL)
    change = found.changes["x", "z", "without", "with"]
    pairs = [
        (row.estimate, table.loc[(w, f, "with", p)].estimate)
        for (w, f, z, p), row in table.iterrows()
        if z == "without"
    ]
    moved = np.diff(np.array(pairs))[:, 0]
    assert change.pairs == len(pairs) == 6
    assert (change.mean, change.lowest, change.highest) == pytest.approx(
        (moved.mean(), moved.min(), moved.max())
    )
    assert change.in_se == pytest.approx(np.abs(moved).mean() / table.se.median())
    assert found["x"].specifications == 12
    assert found["C(f)[b]"].specifications == 6
    assert "positive in all 12 specifications" in found.sentences[0]


def test_averages_by_hand(found: Multiverse) -> None:
    table = found.specifications.to_frame().query("term == 'C(f)[c]'")
    effect = found["C(f)[c]"]
    for name, column in (("stacked", "stacking_weight"), ("averaged", "probability")):
        weight = table[column] / table[column].sum()
        mean = (weight * table.posterior_mean).sum()
        square = (weight * (table.posterior_sd**2 + (table.posterior_mean - mean) ** 2)).sum()
        assert getattr(effect, name) == pytest.approx(mean)
        assert getattr(effect, f"{name}_sd") == pytest.approx(square**0.5)
    assert effect.stacking_share == pytest.approx(table.stacking_weight.sum())
    models = found.models.to_frame()
    assert models.stacking_weight.sum() == pytest.approx(1.0)
    relative = np.exp(models.log_marginal_likelihood - models.log_marginal_likelihood.max())
    assert np.allclose(models.probability, relative / relative.sum())


def test_curve_has_every_model_in_order(found: Multiverse) -> None:
    figure = plot_specification_curve(found, figsize=3.4)
    top, bottom = figure.axes
    (points,) = [line for line in top.lines if len(line.get_xdata()) == 12]
    estimates = [row.estimate for row in found.specifications.where(term="x")]
    assert np.asarray(points.get_ydata()).tolist() == sorted(estimates)
    marks = [len(line.get_xdata()) for line in bottom.lines]
    assert sum(marks) == 12 * len(OPTIONAL)  # each model takes an option of each choice
    assert plot_specification_curve(found.of("C(f)[b]")).axes[0].get_ylabel() == "effect of C(f)[b]"


def test_stacking_weights_are_those_of_an_optimiser() -> None:
    from scipy.optimize import minimize

    rng = np.random.default_rng(1)
    log_density = 3.0 * rng.normal(size=(40, 1)) + 0.4 * rng.normal(size=(40, 6))
    weights = stacking_weights(log_density)
    density = np.exp(log_density)

    def loss(free: np.ndarray) -> float:
        return -float(np.log(density @ free).mean())

    sums = {"type": "eq", "fun": lambda free: free.sum() - 1.0}
    other = minimize(
        loss, np.full(6, 1 / 6), bounds=[(0, 1)] * 6, constraints=sums, options={"ftol": 1e-13}
    )
    assert loss(weights) <= other.fun + 1e-9
    assert np.allclose(weights, other.x, atol=1e-4)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"optional": ()}, "nothing is left open"),
        ({"optional": "w"}, "list of terms"),
        ({"optional": [1]}, "text such as"),
        ({"optional": ["x"]}, "is in the formula"),
        ({"optional": ["w", "w"]}, "two choices are called"),
        ({"optional": ["y ~ w"]}, "right of the ~"),
        ({"optional": ["(1 | g)"]}, "group effects are not"),
        ({"optional": ["w:z"]}, "has no parent"),
        ({"optional": ["lgo(w)"]}, "unknown function"),
        ({"optional": ["ww"]}, "ww"),
        ({"alternatives": {"z": ["z"]}}, "two or more"),
        ({"alternatives": ["z"]}, "dict of lists"),
        ({"alternatives": {"z": ["z", "z"]}}, "twice"),
        ({"alternatives": {"e": ["(1 | g)", "(x | g)"]}}, "state them in one"),
        ({"formula": "y ~ x"}, "have no groups"),
        ({"formula": "y ~ 0 + x + (1 | g)"}, "have an intercept"),
        ({"formula": "y ~ x + (1 | g) + (1 | f)"}, "one grouping factor"),
        ({"formula": "y ~ x + x:z + (1 | g)", "optional": ["z"]}, "is left open"),
        ({"focal": "v"}, "no coefficient of the models is called 'v'"),
        ({"focal": []}, "focal is a coefficient of interest"),
        ({"focal": 5}, "focal is a coefficient of interest"),
        ({"foo": 1}, "unknown argument 'foo'"),
        ({"formula": "y ~ 1 + (1 | g)"}, "name the coefficients of interest"),
        ({"priors": {"beta": "Flat"}}, "not defined with a flat prior"),
        ({"family": "poisson"}, "Gaussian outcome"),
        ({"prob": 1.5}, "prob"),
        ({"random_seed": -1}, "random_seed"),
    ],
)
def test_wrong_input_is_one_clear_error(
    rows: dict[str, Any], changed: dict[str, Any], message: str
) -> None:
    given: dict[str, Any] = {"formula": BASE, "data": rows, "optional": ["w"]} | changed
    with pytest.raises(BayesMLMError, match=message):
        multiverse(**given)
