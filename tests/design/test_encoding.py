"""The columns of a formula: their names and values, and data that they are refused for."""

import math

import numpy as np
import pytest

from bayes_mlm.base.errors import DataError, DesignError, FormulaError
from bayes_mlm.data.table import Table, as_table
from bayes_mlm.design.encoding.values import _ARITHMETIC
from bayes_mlm.formula.functions import FUNCTIONS
from tests.helpers.encoding import TABLE, N, changed, column, encoded


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
