"""Data that polynomials, splines, codings and offsets are refused for."""

import numpy as np
import polars as pl
import pytest

from bayes_mlm.base.errors import DataError, FormulaError
from bayes_mlm.data.table import as_table
from bayes_mlm.design import build_design, sum_rows
from bayes_mlm.design.encoding.levels import with_reference
from bayes_mlm.formula.formula import parse_formula
from tests.helpers.bases import FRAME, TABLE, N, encoded


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('y ~ C(b, ref="w")', r"column 'b' has no category 'w'.*categories: 'u', 'v'"),
        ('y ~ C(a, ref="P")', "no category 'P'; did you mean 'p'"),
        ("y ~ C(k, ref=9)", "no category 9.*categories: 1, 2, 3"),
        ("y ~ C(x, Poly)", "90 categories, and Poly coding takes 12 at most"),
        ("y ~ poly(b, 2)", "column 'b' is text where a number is needed"),
        ("y ~ bs(b, df=4)", "column 'b' is text where a number is needed"),
        ("y ~ poly(k, 3)", r"poly\(k, 3\) needs more than 3 different values, found 3"),
        ("y ~ bs(k, df=8)", "cannot have 5 inner knots between 1 and 3"),
        ("y ~ bs(z, knots=(0.5, 99))", "cannot have 2 inner knots"),
        ("y ~ x + offset(b)", "column 'b' is text where a number is needed"),
        ("y ~ x + offset(log(`a name`))", "log.* is undefined"),
    ],
)
def test_data_that_do_not_suit_are_refused(text: str, said: str) -> None:
    with pytest.raises(DataError, match=said):
        encoded(text)


def test_missing_reference_names_the_nearest() -> None:
    table = as_table({"y": [1.0, 2.0, 3.0], "sector": ["public", "catholic", "public"]})
    with pytest.raises(DataError, match="did you mean 'public'"):
        encoded('y ~ C(sector, ref="pubic")', table)


def test_constant_column_and_single_category_are_refused() -> None:
    flat = as_table({**TABLE.columns, "z": np.full(N, 2.0), "b": np.full(N, "u")})
    for text in ("poly(z, 2)", "bs(z, df=4)", "cr(z, df=3)", "ns(z, df=2)"):
        with pytest.raises(DataError, match=r"different value|values, and all are 2"):
            encoded(f"y ~ {text}", flat)
    for text in ("C(b, Sum)", 'C(b, ref="u")'):
        with pytest.raises(DataError, match="single category"):
            encoded(f"y ~ {text}", flat)


def test_missing_values_are_refused_or_dropped() -> None:
    gone = FRAME.assign(z=FRAME["z"].where(FRAME.index != 4))
    with pytest.raises(DataError, match="'z' has 1 missing value"):
        build_design("y ~ bs(z, df=4) + (1 | g)", gone)
    design = build_design("y ~ bs(z, df=4) + offset(z) + (1 | g)", gone, missing="drop")
    whole = build_design("y ~ bs(z, df=4) + offset(z) + (1 | g)", FRAME.drop(index=4))
    np.testing.assert_array_equal(design.X, whole.X)
    np.testing.assert_array_equal(design.offset, whole.offset)


def test_a_reference_can_be_named_by_its_value_label() -> None:
    call = parse_formula('y ~ C(prog, ref="academic")').terms[1][0]
    assert with_reference(call, (1, 2, 4), {1.0: "general", 2.0: "academic"}) == (2, 1, 4)
    wrong = parse_formula('y ~ C(prog, ref="acdemic")').terms[1][0]
    with pytest.raises(DataError, match="did you mean 'academic'"):
        with_reference(wrong, (1, 2, 4), {1.0: "general", 2.0: "academic"})


def test_a_basis_with_the_constant_needs_a_model_without_intercept() -> None:
    for text in (
        "y ~ cr(z, df=4, include_intercept=True) + (1 | g)",
        "y ~ x + (bs(z, df=4, include_intercept=True) | g)",
    ):
        with pytest.raises(FormulaError, match="holds the constant, and so does the intercept"):
            build_design(text, FRAME)
        with pytest.raises(FormulaError, match="holds the constant"):
            sum_rows(text, pl.from_pandas(FRAME).lazy())
    design = build_design("y ~ 0 + cr(z, df=4, include_intercept=True) + (1 | g)", FRAME)
    # A curve of value 1 at a knot and 0 at the others: they add up to 1.
    np.testing.assert_allclose(design.X.sum(axis=1), 1.0, atol=1e-12)


def test_a_constant_offset_is_no_constant_predictor() -> None:
    text, flat = "y ~ x + offset(z) + (1 | g)", FRAME.assign(z=2.0)
    plain = build_design("I(y - 2) ~ x + (1 | g)", flat)
    np.testing.assert_array_equal(build_design(text, flat).y_less_offset, plain.y)
    summed = sum_rows(text, pl.from_pandas(flat).lazy()).moments()
    np.testing.assert_allclose(
        summed.means + summed.centre, plain.moments().means + plain.moments().centre, rtol=1e-12
    )
    with pytest.raises(DataError, match="'z' is constant"):
        build_design("y ~ z + offset(z) + (1 | g)", flat)


def test_independent_effects_of_a_basis_are_refused() -> None:
    with pytest.raises(FormulaError, match="depends on the basis"):
        encoded("y ~ z + (poly(z, 2) || g)")
