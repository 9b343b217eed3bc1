"""Columns of polynomials, splines and codings: against patsy, formulaic and R; a function added."""

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings, strategies as st

from bayes_mlm.base.errors import RowsNeededError
from bayes_mlm.data.table import as_table
from bayes_mlm.design import sum_rows
from bayes_mlm.formula import FUNCTIONS, Basis, Function
from bayes_mlm.formula.formula import parse_formula
from tests.helpers.bases import FRAME, HEIGHT, TABLE, N, encoded


def of_patsy(side: str, frame: pd.DataFrame = FRAME) -> np.ndarray:
    import patsy

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its use of pandas
        return np.asarray(patsy.dmatrix(side, frame), dtype=float)


def of_formulaic(side: str, frame: pd.DataFrame = FRAME) -> np.ndarray:
    import formulaic

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return np.asarray(formulaic.model_matrix(side, frame), dtype=float)


# Ours, patsy's and formulaic's names for the same columns, in the same order.
SAME = [
    ("poly(x, 2)", None, "poly(x, 2)"),
    ("poly(z, degree=4)", None, "poly(z, 4)"),
    ("poly(r, 3, raw=True)", None, "poly(r, 3, raw=True)"),
    ("bs(x, df=4)", "bs(x, df=4)", "bs(x, df=4)"),
    ("bs(z, 6)", "bs(z, 6)", "bs(z, 6)"),
    ("bs(r, df=5, degree=2)", "bs(r, df=5, degree=2)", "bs(r, df=5, degree=2)"),
    ("0 + bs(z, df=5, include_intercept=True)",) * 3,
    ("bs(z, knots=(0.5, 1), degree=1)",) * 3,
    ("bs(z, knots=[0.5, 1], lower_bound=0, upper_bound=9)",) * 3,
    ("cr(x, df=4)", "cr(x, df=4, constraints='center')", "cr(x, df=4, constraints='center')"),
    ("cr(r, df=5)", "cr(r, df=5, constraints='center')", "cr(r, df=5, constraints='center')"),
    ("0 + cr(r, df=5, include_intercept=True)", "0 + cr(r, df=5)", "0 + cr(r, df=5)"),
    (
        "cr(z, knots=(0.5, 1))",
        "cr(z, knots=(0.5, 1), constraints='center')",
        "cr(z, knots=(0.5, 1), constraints='center')",
    ),
    ("bs(log(z), df=4)", "bs(np.log(z), df=4)", "bs(np.log(z), df=4)"),
    ("C(a, Sum)", "C(a, Sum)", "C(a, contr.sum)"),
    ("C(a, Helmert)", "C(a, Helmert)", "C(a, contr.helmert)"),
    ("C(a, Diff)", "C(a, Diff)", None),
    ("C(a, Poly)", "C(a, Poly)", "C(a, contr.poly)"),
    ('C(a, ref="r")', "C(a, Treatment('r'))", "C(a, contr.treatment('r'))"),
    ("C(a, Treatment('r'))", "C(a, Treatment('r'))", "C(a, contr.treatment('r'))"),
    ("C(k, ref=2)", "C(k, Treatment(2))", "C(k, contr.treatment(2))"),
    ("C(a, Sum) * b", "C(a, Sum) * b", "C(a, contr.sum) * b"),
    ("C(a, Helmert) * z", "C(a, Helmert) * z", "C(a, contr.helmert) * z"),
    ("bs(z, df=3):b", None, "bs(z, df=3):b"),
]


@pytest.mark.parametrize(("ours", "patsys", "formulaics"), SAME)
def test_columns_are_those_of_patsy_and_formulaic(
    ours: str, patsys: str | None, formulaics: str | None
) -> None:
    X = encoded(f"y ~ {ours}").X
    # 1e-9 of numbers of the order of 1: other algorithms (Cox-de Boor, QR) on x near 1e4.
    if patsys is not None:
        np.testing.assert_allclose(X, of_patsy(patsys), atol=1e-9)
    if formulaics is not None:
        np.testing.assert_allclose(X, of_formulaic(formulaics), atol=1e-9)


# R's data set `women`, and lm(weight ~ ns(height, df = 5), data = women) of the example of its
# ?ns: the first columns of the basis as R 4 prints it, and the coefficients.
WEIGHT = [115, 117, 120, 123, 126, 129, 132, 135, 139, 142, 146, 150, 154, 159, 164]
NS_ROWS = [
    [0.0, 0.0, 0.0, 0.0, 0.0],
    [7.592323e-03, 0.0, -8.670223e-02, 2.601067e-01, -1.734045e-01],
    [6.073858e-02, 0.0, -1.503044e-01, 4.509132e-01, -3.006088e-01],
    [2.047498e-01, 6.073858e-05, -1.677834e-01, 5.033503e-01, -3.355669e-01],
    [4.334305e-01, 1.311953e-02, -1.324404e-01, 3.973211e-01, -2.648807e-01],
]
NS_COEFFICIENTS = {3: 33.25822, 4: 50.78938, 5: 45.03633}


def test_natural_splines_are_those_of_r() -> None:
    women = as_table({"weight": WEIGHT, "height": HEIGHT})
    arrays = encoded("weight ~ ns(height, df=5)", women)
    np.testing.assert_allclose(arrays.X[:5, 1:], NS_ROWS, atol=6e-8)  # as printed
    beta = np.linalg.lstsq(arrays.X, arrays.y)[0]
    for k, printed in NS_COEFFICIENTS.items():
        assert beta[k] == pytest.approx(printed, abs=6e-6)
    # predict(fm1, data.frame(height = 58)) is 114.7447, and past the boundary it is a line.
    assert beta[0] == pytest.approx(114.7447, abs=6e-5)


def test_natural_bases_of_the_same_knots_span_the_same_curves() -> None:
    cr, ns = (encoded(f"y ~ {one}(z, knots=(0.5, 1, 2))").X for one in ("cr", "ns"))
    fitted = cr @ np.linalg.lstsq(cr, ns)[0]
    np.testing.assert_allclose(fitted, ns, atol=1e-9)


# --- random formulas -----------------------------------------------------------------------------
PARTS = {
    "z": "z",
    "poly(r, 2)": "poly(r, 2)",
    "bs(w, df=3)": "bs(w, df=3)",
    "cr(x, df=2)": "cr(x, df=2, constraints='center')",
    "C(a, Sum)": "C(a, contr.sum)",
    'C(b, ref="v")': "C(b, contr.treatment('v'))",
    "C(k, Helmert)": "C(k, contr.helmert)",
}
TERMS = st.lists(st.sampled_from(sorted(PARTS)), min_size=1, max_size=2, unique=True)
SIDES = st.tuples(
    st.sampled_from(["0", "1"]), st.lists(TERMS, min_size=1, max_size=3, unique_by=frozenset)
)


def spans(first: np.ndarray, second: np.ndarray) -> bool:
    """Return whether every column of one is a combination of those of the other.

    1e-7: far above what rounding leaves of a column of unit length, far below any real one.
    """
    unit = second / np.linalg.norm(second, axis=0)
    scaled = first / np.linalg.norm(first, axis=0)
    left = unit - scaled @ np.linalg.lstsq(scaled, unit)[0]
    return float(np.abs(left).max()) < 1e-7


@settings(max_examples=40, deadline=None)
@given(side=SIDES)
def test_random_formulas_span_what_formulaic_spans(side: tuple[str, list[list[str]]]) -> None:
    rng = np.random.default_rng(5)
    frame = FRAME.loc[np.arange(4 * N) % N].reset_index(drop=True)
    frame["z"] = rng.exponential(size=4 * N) + 0.1
    frame["w"] = rng.normal(size=4 * N)
    frame["x"], frame["r"] = rng.normal(size=4 * N), rng.normal(size=4 * N)
    frame["a"], frame["b"] = rng.permutation(frame["a"]), rng.permutation(frame["b"])
    frame["k"] = rng.permutation(frame["k"])
    intercept, terms = side
    terms = sorted(terms, key=len)
    ours = encoded(f"y ~ {' + '.join([intercept, *map(':'.join, terms)])}", as_table(frame)).X
    theirs = of_formulaic(
        " + ".join([intercept, *(":".join(PARTS[one] for one in term) for term in terms)]), frame
    )
    assert np.linalg.matrix_rank(ours / np.linalg.norm(ours, axis=0)) == ours.shape[1]
    assert spans(ours, theirs)
    assert spans(theirs, ours)


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("y ~ poly(x, 2)", ("Intercept", "poly(x, 2)[1]", "poly(x, 2)[2]")),
        ("y ~ poly(x)", ("Intercept", "poly(x)[1]")),
        ("y ~ bs(`a name`, 3)", ("Intercept", *(f"bs(a name, df=3)[{k}]" for k in (1, 2, 3)))),
        ("y ~ C(b, Sum)", ("Intercept", "C(b, Sum)[S.u]")),
        ("y ~ 0 + C(b, Sum)", ("C(b, Sum)[u]", "C(b, Sum)[v]")),
        ("y ~ C(k, Poly)", ("Intercept", "C(k, Poly)[L]", "C(k, Poly)[Q]")),
        ('y ~ C(b, ref="v")', ("Intercept", 'C(b, ref="v")[u]')),
        (
            "y ~ poly(z, 2):b",
            ("Intercept", *(f"poly(z, 2)[{k}]:b[{b}]" for b in "uv" for k in (1, 2))),
        ),
    ],
)
def test_columns_are_named_after_the_function(text: str, terms: tuple[str, ...]) -> None:
    assert encoded(text).terms == terms


def test_polynomials_keep_their_digits_far_from_zero() -> None:
    near = encoded("y ~ poly(r, 3)").X
    table = as_table({**TABLE.columns, "r": TABLE.columns["r"] + 1e8})
    # 1e8 rounds r + 1e8 to 1.5e-8 at worst; nothing more may be lost.
    np.testing.assert_allclose(encoded("y ~ poly(r, 3)", table).X, near, atol=1e-8)


def test_a_function_of_ones_own_is_one_registration() -> None:
    hinge = Function(
        name="hinge",
        kind="basis",
        summary="the part of x above its median",
        basis=Basis(
            names=lambda _: ("",),
            learn=lambda x, _: {"knot": (float(np.median(x)),)},
            evaluate=lambda x, _, known: np.maximum(x - known["knot"][0], 0.0)[:, None],
        ),
    )
    FUNCTIONS.register("hinge", hinge)
    try:
        arrays = encoded("y ~ z + hinge(z) + hinge(z):b")
        assert arrays.terms[2:] == ("hinge(z)", "hinge(z):b[v]")
        z = TABLE.columns["z"]
        np.testing.assert_array_equal(arrays.X[:, 2], np.maximum(z - np.median(z), 0.0))
        with pytest.raises(RowsNeededError, match=r"hinge\(z\) needs the rows"):
            sum_rows("y ~ hinge(z) + (1 | g)", pl.from_pandas(FRAME).lazy())
    finally:
        del FUNCTIONS._members["hinge"]
        parse_formula.__globals__["_parse"].cache_clear()
