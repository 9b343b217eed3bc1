"""Outcomes of two categories and of ordered ones, and numbers of trials."""

import numpy as np
import pandas as pd
import pytest

from bayes_mlm import build_design, fit, load_fit, predict, save_fit
from bayes_mlm.base import DataError, DesignError, FormulaError

X = [1.0, 2.0, 3.0, 5.0, 4.0, 2.5]


@pytest.mark.parametrize(
    ("formula", "y", "codes", "says"),
    [
        (
            "y ~ x",
            ["no", "yes", "no", "yes", "no", "yes"],
            [0, 1, 0, 1, 0, 1],
            "1 is 'yes' (3 rows)",
        ),
        (
            'C(y, ref="yes") ~ x',
            ["no", "yes", "no", "yes", "no", "yes"],
            [1, 0, 1, 0, 1, 0],
            "1 is 'no'",
        ),
        ("C(y) ~ x", [1, 2, 1, 2, 1, 1], [0, 1, 0, 1, 0, 0], "1 is '2' (2 rows)"),
        ("y ~ x", [True, False, True, True, False, False], [1, 0, 1, 1, 0, 0], ""),
        ("y ~ x", [0, 1, 1, 1, 0, 0], [0, 1, 1, 1, 0, 0], ""),
    ],
)
def test_two_categories_are_0_and_1_and_said(formula, y, codes, says):
    design = build_design(formula, {"y": y, "x": X}, family="bernoulli")
    assert design.y.tolist() == codes
    assert says in " ".join(design.notes)


def test_categories_are_in_the_order_stated():
    words = ["low", "high", "middle", "low", "high", "middle"]
    for data, formula in (
        ({"y": words, "x": X}, 'C(y, levels=["low", "middle", "high"]) ~ x'),
        (
            pd.DataFrame(
                {"y": pd.Categorical(words, ["low", "middle", "high"], ordered=True), "x": X}
            ),
            "y ~ x",
        ),
    ):
        design = build_design(formula, data, family="cumulative")
        assert design.y.tolist() == [0, 2, 1, 0, 2, 1]
        assert design.terms == ("x",)
        assert design.encoding.between_levels == ("low|middle", "middle|high")
        assert "low (2 rows) < middle (2 rows) < high (2 rows)" in " ".join(design.notes)


def test_a_category_without_rows_is_named():
    design = build_design("y ~ x", {"y": [1, 2, 5, 1, 2, 5], "x": X}, family="cumulative")
    assert "without rows (3, 4)" in " ".join(design.notes)
    assert design.y.tolist() == [0, 1, 2, 0, 1, 2]


@pytest.mark.parametrize(
    ("formula", "y", "family", "says"),
    [
        ("y ~ x", list("abcabc"), "bernoulli", "3 categories.*cumulative"),
        ("y ~ x", list("abcabc"), "cumulative", "order of its categories is not stated"),
        ("y ~ x", ["a"] * 6, "bernoulli", "constant"),
        ("y ~ x", [1] * 6, "cumulative", "constant"),
        ('C(y, levels=["a", "b"]) ~ x', list("abcabc"), "cumulative", "omits 'c'"),
        ("C(y) ~ x", list("ababab"), "gaussian", "categories.*bernoulli"),
        ("log(y) ~ x", [1, 2, 1, 2, 1, 2], "cumulative", "not log"),
        ("y | trials(6) ~ x", [1, 2, 1, 2, 1, 2], "poisson", "takes none"),
    ],
)
def test_what_a_family_cannot_take_is_refused(formula, y, family, says):
    with pytest.raises((DataError, DesignError), match=says):
        build_design(formula, {"y": y, "x": X}, family=family)


@pytest.mark.parametrize(
    ("y", "says"),
    [
        ([0, 1, 1, 0, 1, 0], "family='bernoulli'"),
        ([1, 3, 2, 4, 5, 2], "family='cumulative'"),
        ([0, 3, 12, 1, 0, 2], "family='poisson'"),
        ([10.5, 3, 2, 4, 5, 2], ""),
        ([0, 160, 200, 120, 90, 80], ""),
    ],
)
def test_a_gaussian_model_of_other_outcomes_names_the_family(y, says):
    notes = " ".join(build_design("y ~ x", {"y": y, "x": X}).notes)
    assert (says in notes) if says else "family=" not in notes


def test_trials_are_known_wherever_outcomes_are(tmp_path):
    rng = np.random.default_rng(1)
    data = {"n": rng.integers(2, 9, 60), "x": rng.normal(size=60)}
    data["s"] = rng.binomial(data["n"], 0.4)
    one = fit("s ~ x", data, family="binomial", trials="n", draws=200, random_seed=1)
    two = build_design("p(s, n) ~ x", data, family="binomial")
    assert one.design.response.known["trials"].tolist() == two.response.trials.tolist()
    again = load_fit(save_fit(one, tmp_path / "fit.nc"))
    assert again.design.response.trials.tolist() == data["n"].tolist()
    shares = predict(one, {"x": [0.0, 0.0]}).mean
    counts = predict(one, {"x": [0.0, 0.0], "n": [10, 20]}).mean
    np.testing.assert_allclose(counts, shares * [10, 20])
    with pytest.raises(FormulaError, match="trials already"):
        fit("s | trials(n) ~ x", data, family="binomial", trials="n")
