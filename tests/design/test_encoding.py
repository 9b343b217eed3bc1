"""The columns of a formula: against formulae, against closed forms, and replayed on new data."""

import json
import math
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given, reject, settings, strategies as st

from bayes_mlm.base.errors import DataError, DesignError, FormulaError, StorageError
from bayes_mlm.data.table import Table, as_table, take
from bayes_mlm.design.encoding import Encoded, Encoding, encode, learn_encoding
from bayes_mlm.design.encoding.values import _ARITHMETIC
from bayes_mlm.formula.formula import parse_formula
from bayes_mlm.formula.functions import FUNCTIONS

N, J = 60, 6


def make_table() -> Table:
    """Simulate every kind of column; each of a, b and k crosses the others."""
    rng = np.random.default_rng(20260101)
    return as_table(
        {
            "y": rng.normal(10, 2, N) + 20,
            "x": rng.normal(size=N) + 5,
            "z": rng.uniform(1, 3, N),
            "a": np.array(["p", "q", "r"])[rng.integers(3, size=N)],
            "b": np.array(["v", "u"])[rng.integers(2, size=N)],
            "k": rng.integers(1, 4, N),
            "flag": rng.integers(2, size=N).astype(bool),
            "g": np.repeat(np.arange(J), N // J) * 10,
            "h": np.array(["s1", "s2", "s3"])[np.arange(N) % 3],
            "w": rng.exponential(size=N),
        }
    )


TABLE = make_table()


def encoded(text: str, table: Table = TABLE, *, group: str | None = None) -> Encoded:
    return encode(learn_encoding(parse_formula(text), table, group=group), table)


def column(text: str, table: Table = TABLE, *, group: str | None = None) -> np.ndarray:
    """Give the one column of a formula's right-hand side."""
    X = encoded(f"y ~ 0 + {text}", table, group=group).X
    assert X.shape == (table.n, 1)
    return X[:, 0]


def changed(**columns: object) -> Table:
    return as_table({**TABLE.columns, **columns})


# --- against formulae ----------------------------------------------------------------------------
@pytest.fixture(scope="session")
def formulae() -> ModuleType:
    return pytest.importorskip("formulae")


def theirs(formulae: ModuleType, text: str) -> tuple[np.ndarray, np.ndarray]:
    """Evaluate a formula with formulae 0.9; group effects are one column an effect and group."""
    import pandas as pd

    frame = pd.DataFrame(dict(TABLE.columns))
    found = formulae.design_matrices(text, frame, extra_namespace={"log": np.log, "exp": np.exp})
    Z = np.empty((N, 0)) if found.group is None else found.group.design_matrix.toarray()
    return np.asarray(found.common.design_matrix, dtype=float), Z


def same_columns(ours: np.ndarray, other: np.ndarray) -> bool:
    """Compare as sets of columns: names and order differ between the two."""
    if ours.shape != other.shape:
        return False
    # 1e-9: the same few operations on numbers below 1e4, in another order.
    apart = np.abs(ours[:, :, None] - other[:, None, :]).max(axis=0, initial=0.0)
    return bool((apart.min(axis=0) < 1e-9).all() and (apart.min(axis=1) < 1e-9).all())


@pytest.mark.parametrize(
    "text",
    [
        "y ~ 1",
        "y ~ x",
        "y ~ x + z - 1",
        "y ~ 0 + x + 1",
        "y ~ x * z",
        "y ~ (x + z + a) ** 2",
        "y ~ (x + a) / b",
        "y ~ x / z / a",
        "y ~ x * z - x",
        "y ~ a",
        "y ~ 0 + a",
        "y ~ 0 + a + b",
        "y ~ a * b",
        "y ~ a:b",
        "y ~ 0 + a:b",
        "y ~ a * b - a",
        "y ~ b:a + a",
        "y ~ x:a",
        "y ~ a + a:x",
        "y ~ 1 + a:b:x",
        "y ~ x:a + a:b:x",
        "y ~ C(k) * x",
        "y ~ C(k):a",
        "y ~ log(x) + exp(x) + I(x ** 2) + I(x / z - 1)",
        "y ~ center(x) * a",
        "log(y) ~ center(log(x))",
        "y ~ x + (1 | g)",
        "y ~ x + (x | g)",
        "y ~ x + (0 + x | g)",
        "y ~ x + (x * z | g)",
        "y ~ x + (a | g)",
        "y ~ x + (0 + a | g)",
        "y ~ x + (center(x) | h)",
    ],
)
def test_columns_equal_those_of_formulae(formulae: ModuleType, text: str) -> None:
    ours = encoded(text)
    X, Z = theirs(formulae, text)
    assert same_columns(ours.X, X)
    formula = parse_formula(text)
    if formula.group is not None:
        labels = TABLE.columns[formula.group]
        member = (labels[:, None] == np.unique(labels)[None, :]).astype(float)
        blocks = (ours.Z[0][:, :, None] * member[:, None, :]).reshape(N, -1)
        assert same_columns(blocks, Z)


# No calls here: formulae 0.9 cannot copy one inside an interaction on Python 3.13.
FACTORS = ["x", "z", "w", "a", "b", "h"]
TERMS = st.lists(st.sampled_from(FACTORS), min_size=1, max_size=3, unique=True).map(":".join)
SIDES = st.builds(
    lambda intercept, terms: " + ".join([intercept, *sorted(terms, key=lambda t: t.count(":"))]),
    st.sampled_from(["0", "1"]),
    st.lists(TERMS, min_size=1, max_size=4, unique_by=lambda term: frozenset(term.split(":"))),
)


def said_in_full(side: str, table: Table) -> np.ndarray:
    """Code every factor of every term in full: all that the model says, some of it twice."""
    columns = []
    for term in parse_formula(f"y ~ {side}").terms:
        block = [np.ones(table.n)]
        for factor in term:
            if str(factor) in ("a", "b", "h"):
                values = table.columns[factor.columns[0]]
                parts = [(values == level).astype(float) for level in np.unique(values)]
            else:
                parts = [column(str(factor), table)]
            block = [one * part for one in block for part in parts]
        columns += block
    return np.column_stack(columns)


@settings(max_examples=60)
@given(side=SIDES)
def test_generated_columns_equal_those_of_formulae(formulae: ModuleType, side: str) -> None:
    X, _ = theirs(formulae, f"y ~ {side}")
    # formulae 0.9 miscounts about one in fifty of these models, those that write the factors of a
    # margin in another order (1 + z + h:z + b:a:h gives it 18 columns, and the model has 21).
    if not X.shape[1] == rank(X) == rank(said_in_full(side, TABLE)):
        reject()
    assert same_columns(encoded(f"y ~ {side}").X, X)


@given(side=SIDES)
def test_columns_are_independent_and_span_the_model(side: str) -> None:
    # The closed form of the rule: coding every factor in full spans the model but says things
    # twice; ours must span the same with as few columns as can. Every cell of a x b x h has rows,
    # and x and z are continuous, so that these ranks are those of the algebra.
    rng = np.random.default_rng(7)
    tiled = {name: np.tile(values, 3) for name, values in TABLE.columns.items()}
    table = as_table({**tiled, "x": rng.normal(size=3 * N), "z": rng.normal(size=3 * N)})
    table = as_table({**table.columns, "w": rng.exponential(size=3 * N)})
    ours = encoded(f"y ~ {side}", table).X
    full = said_in_full(side, table)
    assert rank(ours) == ours.shape[1] == rank(full)
    assert rank(np.column_stack([ours, full])) == rank(full)


def rank(X: np.ndarray) -> int:
    """Count independent columns.

    The columns have unit length. 1e-9 lies far from both the smallest singular value of such
    designs that is real (about 1e-3) and those that are rounding (below 1e-14).
    """
    lengths = np.linalg.norm(X, axis=0)
    return int(np.linalg.matrix_rank(X[:, lengths > 0] / lengths[lengths > 0], tol=1e-9))


def test_group_effects_are_coded_by_the_rule_of_fixed_effects() -> None:
    # formulae 0.9 differs: it drops a level of a in (x:a | g), although x itself is not there.
    assert encoded("y ~ x + (x:a | g)").effects == (("Intercept", "x:a[p]", "x:a[q]", "x:a[r]"),)


# --- names and values ----------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("y ~ x * a", ("Intercept", "x", "a[q]", "a[r]", "x:a[q]", "x:a[r]")),
        ("y ~ 0 + b + x", ("b[u]", "b[v]", "x")),
        ("y ~ C(k)", ("Intercept", "C(k)[2]", "C(k)[3]")),
        ("y ~ C(flag)", ("Intercept", "C(flag)[True]")),
        ("y ~ flag + I(x**2)", ("Intercept", "flag", "I(x ** 2)")),
        ("y ~ within(x, g) + between(x, g)", ("Intercept", "within(x, g)", "between(x, g)")),
        ("y ~ b:a", ("Intercept", "a[q]", "a[r]", "b[v]:a[p]", "b[v]:a[q]", "b[v]:a[r]")),
    ],
)
def test_columns_are_named_as_written(text: str, terms: tuple[str, ...]) -> None:
    arrays = encoded(text)
    assert arrays.terms == terms
    assert arrays.X.shape == (N, len(terms))
    assert arrays.X.dtype == arrays.y.dtype == np.float64


def test_names_carry_no_backquotes() -> None:
    table = as_table({"y": [1.0, 2.0, 3.0], "hours a week": [1.0, 2.0, 4.0]})
    arrays = encoded("y ~ `hours a week` + log(`hours a week`)", table)
    assert arrays.terms == ("Intercept", "hours a week", "log(hours a week)")


def test_whole_float_category_is_named_like_an_integer() -> None:
    table = as_table({"y": [1.0, 2.0, 3.0], "k": [1.0, 2.0, 2.5]})
    assert encoded("y ~ C(k)", table).terms == ("Intercept", "C(k)[2]", "C(k)[2.5]")


def test_formula_without_bar_has_no_group_columns() -> None:
    arrays = encoded("y ~ x")
    assert arrays.Z == ()
    assert arrays.effects == ()


def test_intercept_is_ones_and_columns_are_the_data() -> None:
    arrays = encoded("y ~ x + flag + b")
    assert (arrays.X[:, 0] == 1).all()
    np.testing.assert_array_equal(arrays.X[:, 1], TABLE.columns["x"])
    np.testing.assert_array_equal(arrays.X[:, 2], TABLE.columns["flag"])
    np.testing.assert_array_equal(arrays.X[:, 3], TABLE.columns["b"] == "v")
    np.testing.assert_array_equal(arrays.y, TABLE.columns["y"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("log(x)", math.log),
        ("log2(x)", math.log2),
        ("log10(x)", math.log10),
        ("log1p(x)", math.log1p),
        ("exp(x)", math.exp),
        ("sqrt(x)", math.sqrt),
        ("abs(I(-x))", abs),
        ("I(x)", float),
        ("I(-x ** 2)", lambda x: -(x**2)),
        ("I((-x) ** 2)", lambda x: x**2),
        ("I(2 * x - 1 / x)", lambda x: 2 * x - 1 / x),
        ("I(2 ** -x)", lambda x: 2**-x),
        ("I(x - (1 - x) - 1)", lambda x: x - (1 - x) - 1),
        ("I(8 / x / 2)", lambda x: 8 / x / 2),
        ("log(sqrt(x) + 1)", lambda x: math.log(math.sqrt(x) + 1)),
    ],
)
def test_functions_compute_what_they_say(text: str, expected) -> None:
    values = [expected(value) for value in TABLE.columns["x"].tolist()]
    # NumPy's and the C library's elementary functions agree to a few units in the last place.
    np.testing.assert_allclose(column(text), values, rtol=1e-14)


def test_every_listed_function_is_computed() -> None:
    for function in FUNCTIONS.values():
        assert (function.elementwise is not None) == (function.kind == "elementwise")
        assert (function.basis is not None) == (function.kind == "basis")
    assert set(_ARITHMETIC) == {"+", "-", "*", "/", "**"}


def test_scale_divides_by_the_sample_sd() -> None:
    # (1, 2, 6): mean 3, sum of squares 4 + 1 + 9 = 14, sd sqrt(14 / 2); R: scale(c(1, 2, 6)).
    table = as_table({"y": [1.0, 2.0, 3.0], "x": [1.0, 2.0, 6.0]})
    np.testing.assert_allclose(column("scale(x)", table), np.array([-2, -1, 3]) / math.sqrt(7))
    np.testing.assert_allclose(column("center(x)", table), [-2, -1, 3])


def test_within_and_between_split_a_column() -> None:
    table = as_table({"y": [1.0, 2.0, 3.0, 4.0], "x": [1.0, 3.0, 5.0, 9.0], "g": list("abba")})
    # Group a: 1 and 9, mean 5; group b: 3 and 5, mean 4.
    np.testing.assert_array_equal(column("between(x, g)", table), [5, 4, 4, 5])
    np.testing.assert_array_equal(column("within(x, g)", table), [-4, -1, 1, 4])
    np.testing.assert_array_equal(column("within(x)", table, group="g"), [-4, -1, 1, 4])
    (Z,) = encoded("y ~ x + (within(x) | g)", table).Z
    np.testing.assert_array_equal(Z[:, 1], [-4, -1, 1, 4])


def test_group_means_keep_their_digits_under_a_large_offset() -> None:
    rng = np.random.default_rng(5)
    x = np.round(rng.normal(size=N), 6)
    near = column("within(x, g)", changed(x=x))
    far = column("within(x, g)", changed(x=x + 1e9))
    # x + 1e9 is itself rounded to 1.2e-7; nothing more may be lost.
    np.testing.assert_allclose(far, near, atol=2.5e-7)


def test_nested_functions_learn_from_the_inside_out() -> None:
    logs = np.log(TABLE.columns["x"])
    np.testing.assert_allclose(column("center(log(x))"), logs - logs.mean(), atol=1e-14)
    within = column("within(x, g)")
    np.testing.assert_allclose(column("scale(within(x, g))"), within / within.std(ddof=1))


# --- replay --------------------------------------------------------------------------------------
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


# --- wrong data ----------------------------------------------------------------------------------
X_BAD = TABLE.columns["x"].copy()
X_BAD[[3, 16]] = [-1.0, 0.0]


@pytest.mark.parametrize(
    ("text", "columns", "said"),
    [
        ("y ~ sess", {"ses": np.arange(N)}, r"no column 'sess' \(did you mean 'ses'\?\)"),
        ("y ~ log(x)", {"x": X_BAD}, r"log\(x\) is undefined in 2 of 60 rows \(rows 4, 17\)"),
        ("y ~ log(x)", {"x": X_BAD}, r"log needs values above 0, and x is -1"),
        ("y ~ log2(x)", {"x": X_BAD}, r"log2\(x\) is undefined in 2"),
        ("y ~ log10(x)", {"x": X_BAD}, r"log10\(x\) is undefined in 2"),
        ("y ~ log1p(x)", {"x": X_BAD}, r"log1p\(x\) is undefined in 1 of 60 rows \(row 4\)"),
        ("y ~ sqrt(x)", {"x": X_BAD}, r"sqrt\(x\) is undefined in 1 of 60 rows \(row 4\)"),
        ("y ~ I(z / x)", {"x": X_BAD}, r"z / x is undefined in 1 .* \(row 17\): x is 0 there"),
        ("y ~ I(x ** 0.5)", {"x": X_BAD}, r"x \*\* 0.5 is undefined in 1 .*not a finite"),
        ("y ~ I(x ** -1)", {"x": X_BAD}, r"x \*\* -1 is undefined in 1 .* \(row 17\)"),
        ("y ~ I(x ** (9 ** 9))", {}, r"undefined in 60 of 60 rows \(rows 1, 2, 3, 4, 5, …\)"),
        ("y ~ exp(exp(x))", {"x": X_BAD + 7}, r"exp\(exp\(x\)\) is undefined"),
        ("log(y) ~ x", {"y": X_BAD}, r"log\(y\) is undefined"),
        ("y ~ x:z", {"x": X_BAD * 1e300, "z": X_BAD * 1e300}, r"product x:z is too large"),
        ("y ~ log(a)", {}, r"'a' is text where a number is needed \(row 1 is '"),
        ("y ~ within(a, g)", {}, r"'a' is text where a number is needed"),
        ("a ~ x", {}, r"'a' is text where a number is needed"),
        ("y ~ I(a)", {"a": ["1", "2", "3"] * 20}, r"numbers written as text"),
        ("y ~ scale(x)", {"x": np.full(N, 0.1)}, r"scale\(x\) is undefined: x is 0.1 in every"),
        ("y ~ a", {"a": ["p"] * N}, r"'a' has a single category, 'p', in all 60 rows"),
        ("y ~ C(k)", {"k": np.ones(N)}, r"'C\(k\)' has a single category"),
        ("y ~ x", {"x": np.where(X_BAD == 0, np.nan, X_BAD)}, r"'x' has 1 missing value \(row 17"),
        ("y ~ x", {"x": np.where(X_BAD <= 0, np.inf, 1.0)}, r"2 infinite values \(rows 4, 17\)"),
        ("y ~ a", {"a": [None, *TABLE.columns["a"][1:]]}, r"'a' has 1 missing value \(row 1\)"),
        ("y ~ within(x, g)", {"g": np.where(X_BAD == 0, np.nan, 1.0)}, r"'g' has 1 missing value"),
        ("y ~ `x:z` + x:z", {"x:z": X_BAD}, r"two columns of the model are called 'x:z'"),
        ("y ~ Intercept", {"Intercept": X_BAD}, r"two columns of the model are called 'Interc"),
    ],
)
def test_wrong_data_are_said_plainly(text: str, columns: dict, said: str) -> None:
    with pytest.raises(DataError, match=said):
        encoded(text, changed(**columns))


def test_constant_column_that_rounds_has_no_sd() -> None:
    # The mean of sixty times 0.1 is not 0.1 in floating point; the sd must still be 0.
    assert np.full(N, 0.1).std(ddof=1) > 0
    with pytest.raises(DataError, match="its sd is 0"):
        encoded("y ~ scale(x)", changed(x=np.full(N, 0.1)))


def test_identifier_as_categories_is_refused() -> None:
    names = as_table({"y": np.arange(301), "id": [f"pupil {i}" for i in range(301)]})
    with pytest.raises(DataError, match=r"'id' has 301 different values in 301 rows"):
        encoded("y ~ id", names)
    numbers = as_table({"y": np.arange(301), "id": np.arange(301)})
    with pytest.raises(DataError, match=r"'C\(id\)' has 301 .* or write id for its values"):
        encoded("y ~ C(id)", numbers)
    # As many categories as this are a matter of taste.
    plenty = as_table({"y": np.arange(900), "id": [f"school {i % 300}" for i in range(900)]})
    assert len(encoded("y ~ id", plenty).terms) == 300


def test_too_many_columns_are_refused_before_they_are_made() -> None:
    n = 600
    many = as_table(
        {"y": np.arange(n), "a": [f"a{i % 150}" for i in range(n)], "b": np.arange(n) % 149}
    )
    with pytest.raises(DataError, match=r"a:C\(b\) brings the model to 22,350 columns"):
        encoded("y ~ a * C(b)", many)
    crossed = as_table({"y": [1.0, 2.0], **{name: ["u", "v"] for name in "abcdefg"}})
    with pytest.raises(DataError, match="crosses 7 categorical predictors"):
        encoded("y ~ a:b:c:d:e:f:g", crossed)


def test_within_needs_a_group() -> None:
    with pytest.raises(FormulaError, match=r"within\(x\) does not name the groups"):
        encoded("y ~ within(x)")
    with pytest.raises(DesignError, match="the formula groups by 'g' but group='h'"):
        encoded("y ~ x + (1 | g)", group="h")


def test_table_without_rows_is_refused() -> None:
    empty = Table(columns={"y": np.empty(0), "x": np.empty(0)}, n=0, source="nothing.csv")
    with pytest.raises(DataError, match=r"nothing.csv has no rows"):
        encoded("y ~ x", empty)
