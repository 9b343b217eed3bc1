"""The overview of variables: levels, ICC, and what stands in the way of a fit."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from statsmodels.formula.api import ols

from bayes_mlm import load_hsb
from bayes_mlm.base.errors import DataError
from bayes_mlm.data import as_table, describe_variables, group_sizes, intraclass, obstacles
from bayes_mlm.data.groups import find_groups


def icc_by_statsmodels(frame, column: str, group: str) -> float:
    """Return the ICC from statsmodels' analysis of variance, by the textbook's formula."""
    table = sm.stats.anova_lm(ols(f"{column} ~ C({group})", frame).fit())
    between, within = table["mean_sq"]
    sizes = frame.groupby(group).size().to_numpy()
    usual = (sizes.sum() - (sizes**2).sum() / sizes.sum()) / (sizes.size - 1)
    return (between - within) / (between + (usual - 1) * within)


@pytest.mark.parametrize("column", ["ses", "mathach", "minority", "female"])
def test_the_icc_is_that_of_an_analysis_of_variance(column: str) -> None:
    frame = load_hsb()
    found = describe_variables(frame, "schoolid", [column]).variables[0]
    assert found.icc == pytest.approx(icc_by_statsmodels(frame, column, "schoolid"), rel=1e-9)


def test_labels_of_two_kinds_have_the_icc_of_their_indicator() -> None:
    frame = load_hsb()
    as_text = as_table({"g": frame["schoolid"], "f": np.where(frame["female"], "yes", "no")})
    found = describe_variables(as_text, "g", ["f"]).variables[0]
    assert found.icc == pytest.approx(icc_by_statsmodels(frame, "female", "schoolid"), rel=1e-9)


@pytest.mark.parametrize("shift", [0.0, 1e9])
def test_an_icc_does_not_depend_on_the_unit_or_the_origin(shift: float) -> None:
    rng = np.random.default_rng(2)
    groups = np.repeat(range(30), 5)
    x = rng.normal(size=30)[groups] + rng.normal(size=150)
    table = as_table({"g": groups, "x": x, "moved": 1000 * x + shift})
    by = find_groups(table, "g")
    assert intraclass(table.columns["moved"], by) == pytest.approx(
        intraclass(table.columns["x"], by), rel=1e-6
    )


def test_an_icc_that_is_not_defined_is_none_of_a_number() -> None:
    table = as_table({"one": [1, 1, 1], "each": [1, 2, 3], "g": [1, 1, 2], "same": [5.0, 5.0, 5.0]})
    x = np.array([1.0, 2.0, 4.0])
    assert np.isnan(intraclass(x, find_groups(table, "one")))
    assert np.isnan(intraclass(x, find_groups(table, "each")))
    assert np.isnan(intraclass(table.columns["same"], find_groups(table, "g")))


def test_types_missing_values_and_levels() -> None:
    table = as_table(
        {
            "g": ["a", "a", "b", "b", None],
            "x": [1.5, None, 2.0, 2.0, 9.0],
            "k": [3, 3, 4, 4, 4],
            "t": ["u", "v", "u", "u", "u"],
            "b": [True, True, True, False, True],
            "none": [None] * 5,
        }
    )
    found = {one.name: one for one in describe_variables(table, "g").variables}
    assert [one.type for one in found.values()] == [
        *("text", "number", "whole number", "text", "true/false", "empty")
    ]
    assert [one.level for one in found.values()] == [
        *("group", "between", "between", "within", "within", "")
    ]
    assert found["x"].n_missing == 1
    assert found["t"].n_varying == 1
    assert found["k"].icc == 1.0
    text = str(describe_variables(table, "g"))
    assert "within (1 of 2 groups)" in text
    assert "5 rows, 6 variables, 2 groups (g)" in text
    with pytest.raises(DataError, match="no column 'h'"):
        describe_variables(table, "h")
    with pytest.raises(DataError, match="every value of 'none' is missing"):
        describe_variables(table, "none")


@pytest.mark.parametrize(
    ("columns", "group", "message"),
    [
        ({"y": [1.0, None, 3.0]}, None, r"y: 1 missing value \(row 2\)"),
        ({"y": [None, None, None]}, None, "y: every value is missing"),
        ({"y": [2.0, 2.0, 2.0]}, None, "predictor 'y' is constant"),
        ({"y": [2.0, np.inf, 3.0]}, None, "1 infinite"),
        ({"y": [2.0, 1e200, 3.0]}, None, "squared and summed"),
        ({"y": ["3,14", "2,7", "1,5"]}, None, "numbers with a decimal comma"),
        ({"y": ["2020-01-01", "2020-01-02", "2020-01-03"]}, None, "dates or times"),
        ({"y": ["a", "a ", "b"]}, None, "differ only by spaces or case"),
        ({"y": [*map(str, range(30)), "n/k"]}, None, r"y: text, though most .* \(not 'n/k'\)"),
        ({"y": [f"k{i}" for i in range(400)]}, None, "400 values, too many"),
        ({"g": [1, 2, 3], "y": [1, 2, 4]}, "g", "every group of 'g' has one row"),
        ({"g": [1, 1, 1], "y": [1, 2, 4]}, "g", "has one level"),
        ({"g": [1, 1, 2], "y": [1, 2, 4]}, "g", r"2 groups \(g\): few"),
        ({"g": [1, *range(20)], "y": range(21)}, "g", "19 of 20 groups"),
    ],
)
def test_what_stands_in_the_way_is_said(columns, group, message) -> None:
    import re

    found = obstacles(as_table({name: list(values) for name, values in columns.items()}), group)
    assert any(re.search(message, one) for one in found), found


def test_nothing_stands_in_the_way_of_a_clean_table() -> None:
    assert obstacles(load_hsb(), "schoolid") == ()


def test_the_histogram_counts_every_group() -> None:
    sizes = group_sizes(as_table(load_hsb()), "schoolid")
    assert sum(sizes.histogram) == 160
    assert sizes.bars().startswith("14 ")
    equal = group_sizes(as_table({"g": [1, 1, 2, 2]}), "g")
    assert (equal.histogram, equal.bars()) == ((2,), "2 █ 2")


def test_many_columns_with_missing_values_are_one_line() -> None:
    table = as_table({f"x{k}": [1.0, 2.0, None] for k in range(9)})
    (line,) = obstacles(table)
    assert line.startswith("9 columns with missing values: x0 (1), x1 (1)")


def test_dates_are_described_by_their_range() -> None:
    days = pd.date_range("2020-01-30", periods=40)
    frame = pd.DataFrame({"day": days[::-1], "seen": days[:2].repeat(20)})
    found = {one.name: one.values for one in describe_variables(as_table(frame)).variables}
    assert found["day"] == "2020-01-30 to 2020-03-09 (40 times)"
    assert " to " not in found["seen"]
