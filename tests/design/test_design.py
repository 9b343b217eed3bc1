"""A design holds the columns a formula asks for, checked; a kind lays them out."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from bayes_mlm.base.errors import BayesMLMError, DataError, DesignError, SeveralFactorsError
from bayes_mlm.data.datasets import load_dataset
from bayes_mlm.data.table import as_table
from bayes_mlm.design import build_design, means_by_group
from bayes_mlm.design.layouts import for_kind, replay
from bayes_mlm.model.spec import KINDS


@pytest.fixture(scope="module")
def hsb():
    return load_dataset("hsb")


@pytest.fixture(scope="module")
def plain(hsb):
    return build_design("mathach ~ ses", hsb, group="schoolid")


def small(**changes):
    """Six rows in three groups; x varies within groups, w does not."""
    columns = {
        "y": [1.0, 2.5, 3.0, 4.5, 5.0, 7.0],
        "x": [0.0, 1.0, 0.5, 2.0, 1.0, 3.5],
        "w": [0.0, 0.0, 1.0, 1.0, 0.0, 0.0],
        "g": [10, 10, 20, 20, 30, 30],
    }
    return as_table(columns | changes)


def test_the_worked_study(hsb):
    design = build_design("mathach ~ ses * sector + (1 | schoolid)", hsb)
    # Counts: the 2015 document, "No. Observations" and "No. Groups".
    assert (design.n, design.J) == (7185, 160)
    assert design.terms == ("Intercept", "ses", "sector", "ses:sector")
    assert design.effects == ("Intercept",)
    assert design.kind == "partial_pooling"
    assert design.labels[0] == 1224
    assert design.group_sizes.min() == 14
    assert design.group_sizes.max() == 67
    assert design.has_icc


def test_between_has_one_row_a_group(plain):
    between = for_kind(plain, "between")
    rows = plain.codes == 5
    assert between.n == plain.J
    assert between.y[5] == pytest.approx(plain.y[rows].mean(), rel=1e-14)
    assert between.X[5, 1] == pytest.approx(plain.X[rows, 1].mean(), rel=1e-14)
    assert between.q == 0


def test_within_takes_the_group_mean_off(plain):
    within = for_kind(plain, "within")
    assert within.terms == ("Intercept", "within(ses)")
    means = means_by_group(within.X[:, 1], within.codes, within.J)
    assert np.abs(means).max() < 1e-14  # rounding of some 45 numbers of size one
    assert np.array_equal(within.y, plain.y)


def test_mundlak_adds_means_of_what_varies_within_groups(hsb):
    design = build_design("mathach ~ ses + sector + (1 | schoolid)", hsb)
    mundlak = for_kind(design, "mundlak")
    assert mundlak.terms == ("Intercept", "ses", "sector", "between(ses)")
    assert mundlak.q == 1
    # Within plus mean is the column itself: the identity behind the contextual effect.
    within = for_kind(build_design("mathach ~ ses", hsb, group="schoolid"), "within")
    assert np.allclose(within.X[:, 1] + mundlak.X[:, 3], design.X[:, 1], atol=1e-14)


def test_no_pooling_has_no_common_intercept(plain):
    alone = for_kind(plain, "no_pooling")
    assert alone.terms == ("ses",)
    assert alone.effects == ("Intercept",)
    assert not alone.has_intercept


def test_a_kind_is_laid_out_once(plain):
    within = for_kind(plain, "within")
    assert for_kind(within, "within") is within
    with pytest.raises(DesignError, match="already laid out"):
        for_kind(within, "between")


@pytest.mark.parametrize("kind", KINDS)
def test_replay_on_the_same_rows_gives_the_same_columns(kind):
    formula = "y ~ x + (1 | g)" if kind == "partial_pooling" else "y ~ x"
    design = for_kind(build_design(formula, small(), group="g"), kind)
    rows = replay(design, small())
    if kind == "between":  # a line through group means is read at any value of x
        assert rows.X.shape == (6, 2)
    else:
        assert np.allclose(rows.X, design.X, atol=1e-14)
        assert np.array_equal(rows.Z, design.Z)
        assert np.array_equal(rows.codes, design.codes)


def test_replay_of_a_new_group_uses_its_own_mean():
    design = for_kind(build_design("y ~ x", small(), group="g"), "mundlak")
    rows = replay(design, as_table({"x": [1.0, 3.0, 9.0], "g": [99, 99, 10]}))
    assert rows.codes.tolist() == [-1, -1, 0]
    assert rows.X[:, 2].tolist() == [2.0, 2.0, 0.5]


@settings(max_examples=30, deadline=None)
@given(st.permutations(range(6)))
def test_row_order_does_not_matter(order):
    take = list(order)
    columns = {name: values[take] for name, values in small().columns.items()}
    one = for_kind(build_design("y ~ x", small(), group="g"), "mundlak")
    two = for_kind(build_design("y ~ x", as_table(columns), group="g"), "mundlak")
    assert np.allclose(one.X[take], two.X, atol=1e-14)
    assert np.allclose(one.base.means, two.base.means, atol=1e-14)


BAD = [
    ("y ~ z + (1 | g)", {}, {}, "column 'z'"),
    ("y ~ x + (1 | gg)", {}, {}, "'gg'"),
    ("y ~ x + (1 | g)", {"x": [1.0] * 6}, {}, "constant"),
    ("y ~ x + (1 | g)", {"y": [1.0] * 6}, {}, "'y'"),
    ("y ~ x + (1 | g)", {"x": [np.nan, 1, 2, 3, 4, 5]}, {}, "missing"),
    ("y ~ x + (1 | g)", {"x": [np.inf, 1, 2, 3, 4, 5]}, {}, "infinite"),
    ("y ~ x + (1 | g)", {"g": [1] * 6}, {}, "one level"),
    ("y ~ x + (1 | g)", {"g": [1, 2, 3, 4, 5, 6]}, {}, "every group"),
    ("y ~ x + I(2 * x) + (1 | g)", {}, {}, "linear combination"),
    ("y ~ x + (1 | g)", {}, {"group_level": ["x"]}, "'x'"),
    ("y ~ x + (1 | g)", {}, {"group": "w"}, "give one of them"),
]


@pytest.mark.parametrize(("formula", "columns", "options", "says"), BAD)
def test_a_table_that_cannot_make_the_model_is_refused(formula, columns, options, says):
    with pytest.raises(BayesMLMError) as caught:
        build_design(formula, small(**columns), **options)
    assert says in str(caught.value)


BAD_KINDS = [
    ("y ~ x", None, "between", "model needs groups"),
    ("y ~ x", "g", "partial_pooling", "add a term such as (1 | g)"),
    ("y ~ w", "g", "within", "does not vary within g"),
    ("y ~ w", "g", "no_pooling", "does not vary within g"),
    ("y ~ x", "g", "hierarchical", "unknown kind"),
    ("y ~ x + w", "g", "between", "cannot estimate"),
]


@pytest.mark.parametrize(("formula", "group", "kind", "says"), BAD_KINDS)
def test_a_kind_that_the_data_cannot_serve_is_refused(formula, group, kind, says):
    with pytest.raises(DesignError) as caught:
        for_kind(build_design(formula, small(), group=group), kind)
    assert says in str(caught.value)


def test_dropped_rows_are_counted():
    table = small(x=[np.nan, 1.0, 0.5, 2.0, 1.0, 3.5])
    assert build_design("y ~ x + (1 | g)", table, missing="drop").n_dropped == 1
    with pytest.raises(DataError, match="missing"):
        build_design("y ~ x + (1 | g)", table)


def test_near_collinear_predictors_are_kept_and_exact_ones_refused():
    rng = np.random.default_rng(7)
    x, z = rng.normal(size=(2, 60))
    columns = {
        "y": x + rng.normal(size=60),
        "x": x,
        "near": x + 1e-4 * z,
        "g": np.repeat([1, 2], 30),
    }
    assert build_design("y ~ x + near + (1 | g)", as_table(columns)).p == 3
    columns["near"] = 3.0 * x + 2000.0
    with pytest.raises(DesignError, match="'near' is a linear combination"):
        build_design("y ~ x + near + (1 | g)", as_table(columns))


TWO = {
    "y": [1.0, 2.0, 4.0, 3.0, 5.0, 1.5, 2.5, 0.5],
    "x": [0.1, 0.4, 0.2, 0.9, 0.7, 0.3, 0.8, 0.6],
    "a": ["p", "p", "q", "q", "r", "r", "p", "q"],
    "b": [1, 2, 1, 2, 1, 2, 2, 1],
}


def test_every_bar_becomes_a_group_term():
    design = build_design("y ~ x + (1 | a) + (1 + x || b)", TWO)
    one, two = design.group_terms
    assert (one.factor, one.effects, one.J, one.correlated) == ("a", ("Intercept",), 3, True)
    assert (two.factor, two.effects, two.J, two.correlated) == ("b", ("Intercept", "x"), 2, False)
    assert np.array_equal(two.Z, np.column_stack([np.ones(8), TWO["x"]]))
    u = np.array([[1.0, 0.0], [0.0, 2.0]])
    by_hand = [u[code] @ z for code, z in zip(two.codes, two.Z, strict=True)]
    np.testing.assert_allclose(two.sum_effects(u), by_hand)


def test_new_rows_of_several_factors_find_their_groups():
    design = build_design("y ~ x + (1 | a) + (1 + x || b)", TWO)
    rows = replay(design, as_table({"x": [1.0, 2.0], "a": ["q", "new"], "b": [2, 1]}))
    assert [one.codes.tolist() for one in rows.groups] == [[1, -1], [1, 0]]
    assert [one.Z.shape for one in rows.groups] == [(2, 1), (2, 2)]


@pytest.mark.parametrize("ask", ["codes", "Z", "labels", "group", "effects", "q", "J"])
def test_code_for_one_factor_refuses_two(ask):
    design = build_design("y ~ x + (1 | a) + (1 | b)", TWO)
    with pytest.raises(SeveralFactorsError, match=r"2 \(a, b\); use a model with one"):
        getattr(design, ask)
    with pytest.raises(SeveralFactorsError, match="the within model takes one"):
        for_kind(design, "within")
