"""Columns of a formula replayed on new data, and stored."""

import json

import numpy as np
import pytest
from hypothesis import given, strategies as st

from bayes_mlm.base.errors import DataError, StorageError
from bayes_mlm.data.table import as_table, take
from bayes_mlm.design.encoding import Encoding, encode, learn_encoding
from bayes_mlm.formula.formula import parse_formula
from tests.helpers.encoding import TABLE, N, changed, column, encoded

REPLAYED = (
    "log(y) ~ scale(x) * a + center(log(z)) + C(k):x + between(x) + within(I(x * z), h) "
    "+ (center(x) + b | g)"
)


def test_replay_on_some_rows_gives_those_rows() -> None:
    encoding = learn_encoding(parse_formula(REPLAYED), TABLE)
    whole = encode(encoding, TABLE)
    rows = np.array([3, 50, 7])
    some = encode(encoding, take(TABLE, rows))
    np.testing.assert_array_equal(some.X, whole.X[rows])
    np.testing.assert_array_equal(some.Z[0], whole.Z[0][rows])
    np.testing.assert_array_equal(some.y, whole.y[rows])
    assert (some.terms, some.effects) == (whole.terms, whole.effects)
    assert (encoding.terms, encoding.effects) == (whole.terms, whole.effects)
    assert encoding.outcome == "log(y)"


def test_replay_survives_json_exactly() -> None:
    encoding = learn_encoding(parse_formula(REPLAYED), TABLE)
    again = Encoding.from_dict(json.loads(json.dumps(encoding.to_dict())))
    assert again == encoding
    assert again.formula.text == encoding.formula.text
    np.testing.assert_array_equal(encode(again, TABLE).X, encode(encoding, TABLE).X)


FINITE = st.floats(-1e6, 1e6, allow_subnormal=False)


@given(
    x=st.lists(FINITE, min_size=4, max_size=12),
    text=st.lists(st.text(min_size=1, max_size=4), min_size=2, max_size=3, unique=True),
    labels=st.one_of(
        st.lists(st.integers(-(2**53), 2**53), min_size=2, max_size=3, unique=True),
        st.lists(FINITE, min_size=2, max_size=3, unique=True),
        st.lists(st.text(min_size=1, max_size=3), min_size=2, max_size=3, unique=True),
        st.just([False, True]),
    ),
)
def test_any_encoding_survives_json(x: list[float], text: list[str], labels: list) -> None:
    n = len(x)
    table = as_table(
        {
            "y": np.arange(n),
            "x": x,
            "a": [text[i % len(text)] for i in range(n)],
            "g": [labels[i % len(labels)] for i in range(n)],
        }
    )
    encoding = learn_encoding(parse_formula("y ~ center(x) + within(x) * a + C(g) + (1|g)"), table)
    again = Encoding.from_dict(json.loads(json.dumps(encoding.to_dict())))
    assert again == encoding
    assert repr(again) == repr(encoding)  # also -0.0, and 1 against 1.0 against True
    np.testing.assert_array_equal(encode(again, table).X, encode(encoding, table).X)


@given(st.permutations(range(N)))
def test_order_of_rows_only_reorders_rows(order: list[int]) -> None:
    rows = np.array(order)
    shuffled = encoded(REPLAYED, take(TABLE, rows))
    # Means are sums in another order: a few units in the last place of values below 1e3.
    np.testing.assert_allclose(shuffled.X, encoded(REPLAYED).X[rows], atol=1e-10)


@given(moved=st.floats(-1e3, 1e3), stretched=st.floats(0.01, 100))
def test_scale_does_not_feel_the_units(moved: float, stretched: float) -> None:
    other = changed(x=TABLE.columns["x"] * stretched + moved)
    # An offset of 1e3 on an sd of 0.01 costs 5 of 16 digits, and 1e-9 leaves room for two more.
    np.testing.assert_allclose(column("scale(x)", other), column("scale(x)"), atol=1e-9)


def test_prediction_needs_no_outcome() -> None:
    encoding = learn_encoding(parse_formula("log(y) ~ x + a"), TABLE)
    new = as_table({"x": [1.0, 2.0], "a": ["r", "p"]})
    arrays = encode(encoding, new, outcome=False)
    assert arrays.y.shape == (0,)
    np.testing.assert_array_equal(arrays.X, [[1, 1, 0, 1], [1, 2, 0, 0]])
    assert encoding.predictor_columns == ("x", "a")
    assert encoding.columns == ("y", "x", "a")
    with pytest.raises(DataError, match="no column 'y'"):
        encode(encoding, new)


def test_unseen_group_takes_the_mean_of_its_own_rows() -> None:
    table = as_table({"y": [1.0, 2.0, 3.0], "x": [1.0, 3.0, 5.0], "g": [1, 1, 2]})
    encoding = learn_encoding(parse_formula("y ~ between(x) + within(x) + (1 | g)"), table)
    new = as_table({"x": [10.0, 6.0, 8.0, 0.0], "g": [9, 9, 2, 1]})
    X = encode(encoding, new, outcome=False).X
    # Group 9 is new: (10 + 6) / 2. Groups 1 and 2 keep the means 2 and 5 of the first table.
    np.testing.assert_array_equal(X[:, 1], [8, 8, 5, 2])
    np.testing.assert_array_equal(X[:, 2], [2, -2, 3, -2])


def test_group_labels_read_as_floats_are_still_known() -> None:
    encoding = learn_encoding(parse_formula("y ~ between(x) + (1 | g)"), TABLE)
    floats = changed(g=TABLE.columns["g"].astype(float), x=TABLE.columns["x"] + 1)
    np.testing.assert_array_equal(encode(encoding, floats).X, encode(encoding, TABLE).X)


def test_group_labels_that_became_text_are_refused() -> None:
    encoding = learn_encoding(parse_formula("y ~ between(x) + (1 | g)"), TABLE)
    with pytest.raises(DataError, match="'g' are text, and were numbers"):
        encode(encoding, changed(g=TABLE.columns["g"].astype(str)))


def test_unseen_category_is_named_with_those_known() -> None:
    encoding = learn_encoding(parse_formula("y ~ a"), TABLE)
    new = as_table({"y": [1.0, 2.0, 3.0], "a": ["p", "Q", "q"]})
    with pytest.raises(DataError, match=r"'a' .* 'Q' \(row 2\).* known: 'p', 'q', 'r'"):
        encode(encoding, new)
    encoding = learn_encoding(parse_formula("y ~ C(k)"), TABLE)
    with pytest.raises(DataError, match=r"the category 7 \(rows 1, 2\).* known: 1, 2, 3"):
        encode(encoding, as_table({"y": [1.0, 2.0], "k": [7, 7]}))


def test_text_in_new_data_where_numbers_were_learned_is_refused() -> None:
    encoding = learn_encoding(parse_formula("y ~ x"), TABLE)
    with pytest.raises(DataError, match=r"'x' is text where a number is needed \(row 2 is 'n/a'"):
        encode(encoding, as_table({"y": [1.0, 2.0], "x": ["1.5", "n/a"]}))


@pytest.mark.parametrize(
    "damage",
    [
        {"formula": "y ~ lgo(x)"},
        {"formula": 3},
        {"formula": "y ~ x"},
        {"group": None},
        {"group": 1},
        {"levels": []},
        {"levels": [{"factor": "C(a)", "column": "a", "levels": [None, 1]}]},
        {"centrings": []},
        {"centrings": [{"expression": "x", "mean": "high", "sd": 1.0}]},
        {"means": [{"expression": "x", "group": "g", "labels": [1, 2], "means": [1.0]}]},
        {"means": None},
    ],
)
def test_damaged_encoding_is_refused(damage: dict) -> None:
    stored = learn_encoding(parse_formula("y ~ center(x) + C(a) + within(x) + (1 | g)"), TABLE)
    assert Encoding.from_dict(stored.to_dict()) == stored
    with pytest.raises(StorageError, match="stored encoding"):
        Encoding.from_dict({**stored.to_dict(), **damage})
    for key in damage:
        with pytest.raises(StorageError, match="stored encoding"):
            Encoding.from_dict({k: v for k, v in stored.to_dict().items() if k != key})
