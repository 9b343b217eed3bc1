"""Polynomials, splines, codings: against patsy, formulaic and R, replayed, refused, in queries."""

import json
import warnings

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings, strategies as st

from bayes_mlm.base.errors import DataError, FormulaError, RowsNeededError, StorageError
from bayes_mlm.data.table import Table, as_table, take
from bayes_mlm.design import build_design, merge_sums, sum_more_rows, sum_rows
from bayes_mlm.design.encoding import Encoded, Encoding, encode, learn_encoding
from bayes_mlm.design.encoding.levels import with_reference
from bayes_mlm.formula import FUNCTIONS, Basis, Function
from bayes_mlm.formula.formula import parse_formula

N = 90


def make_frame() -> pd.DataFrame:
    """Simulate numbers far from zero, with ties and positive ones, and categories that cross."""
    rng = np.random.default_rng(20260303)
    return pd.DataFrame(
        {
            "y": rng.normal(10, 2, N),
            "x": rng.normal(1e4, 3, N),
            "z": rng.exponential(size=N) + 0.1,
            "r": rng.integers(0, 12, N).astype(float),
            "a": np.array(["p", "q", "r", "s"])[rng.integers(4, size=N)],
            "b": np.array(["v", "u"])[rng.integers(2, size=N)],
            "k": rng.integers(1, 4, N),
            "a name": rng.normal(size=N),
            "g": np.arange(N) % 9,
        }
    )


FRAME = make_frame()
TABLE = as_table(FRAME)


def encoded(text: str, table: Table = TABLE) -> Encoded:
    return encode(learn_encoding(parse_formula(text), table), table)


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
HEIGHT = np.arange(58.0, 73.0)
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


# --- names, replay, storage ----------------------------------------------------------------------
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


SMOOTH = (
    "log(z) ~ poly(x, 3) + bs(r, df=4) + cr(`a name`, df=3) * C(a, Sum) + ns(z, df=3) "
    "+ offset(center(z)) + (poly(`a name`, 2) | g)"
)


def test_replay_on_some_rows_gives_those_rows() -> None:
    encoding = learn_encoding(parse_formula(SMOOTH), TABLE)
    whole, rows = encode(encoding, TABLE), np.array([3, 50, 7])
    some = encode(encoding, take(TABLE, rows))
    np.testing.assert_array_equal(some.X, whole.X[rows])
    np.testing.assert_array_equal(some.Z[0], whole.Z[0][rows])
    np.testing.assert_array_equal(some.offset, whole.offset[rows])


@given(st.permutations(range(N)))
def test_order_of_rows_only_reorders_rows(order: list[int]) -> None:
    rows = np.array(order)
    whole, shuffled = encoded(SMOOTH), encoded(SMOOTH, take(TABLE, rows))
    # Means are sums in another order: a few units in the last place.
    np.testing.assert_allclose(shuffled.X, whole.X[rows], atol=1e-10)


def test_replay_survives_json_exactly() -> None:
    encoding = learn_encoding(parse_formula(SMOOTH), TABLE)
    payload = json.loads(json.dumps(encoding.to_dict()))
    again = Encoding.from_dict(payload)
    assert again == encoding
    np.testing.assert_array_equal(encode(again, TABLE).X, encode(encoding, TABLE).X)
    with pytest.raises(StorageError, match="does not match the formula"):
        Encoding.from_dict(payload | {"bases": payload["bases"][1:]})


def test_polynomials_keep_their_digits_far_from_zero() -> None:
    near = encoded("y ~ poly(r, 3)").X
    table = as_table({**TABLE.columns, "r": TABLE.columns["r"] + 1e8})
    # 1e8 rounds r + 1e8 to 1.5e-8 at worst; nothing more may be lost.
    np.testing.assert_allclose(encoded("y ~ poly(r, 3)", table).X, near, atol=1e-8)


# --- what is refused -----------------------------------------------------------------------------
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


def test_b_splines_are_not_defined_past_their_boundary_and_natural_ones_are_straight() -> None:
    table = as_table({"y": HEIGHT, "x": HEIGHT})
    new = as_table({"x": [56.0, 57.0, 58.0, 72.0, 73.0, 75.0]})
    encoding = learn_encoding(parse_formula("y ~ bs(x, df=4)"), table)
    with pytest.raises(DataError, match=r"4 of 6 rows.*boundary knots, 58 and 72.*cr\(x, ...\)"):
        encode(encoding, new, outcome=False)
    wide = learn_encoding(parse_formula("y ~ bs(x, df=4, lower_bound=50, upper_bound=80)"), table)
    assert np.isfinite(encode(wide, new, outcome=False).X).all()
    for text in ("cr(x, df=4)", "ns(x, df=4)"):
        X = encode(learn_encoding(parse_formula(f"y ~ {text}"), table), new, outcome=False).X
        np.testing.assert_allclose(X[0] - X[1], X[1] - X[2], atol=1e-12)
        np.testing.assert_allclose(X[5] - X[4], 2 * (X[4] - X[3]), atol=1e-12)
    # patsy continues them in the same way.
    frame = pd.DataFrame({"x": HEIGHT})
    import patsy

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        info = patsy.dmatrix("cr(x, df=4, constraints='center')", frame).design_info
        theirs = np.asarray(patsy.dmatrix(info, pd.DataFrame({"x": new.columns["x"]})))
    X = encode(learn_encoding(parse_formula("y ~ cr(x, df=4)"), table), new, outcome=False).X
    np.testing.assert_allclose(X, theirs, atol=1e-10)


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


# --- pushed down ---------------------------------------------------------------------------------
PUSHED = [
    "y ~ poly(x, 3) + C(a, Sum) * z + (1 | g)",
    "y ~ bs(r, df=4) * C(b, Helmert) + (z | g)",
    "y ~ cr(r, df=4) + ns(log(z), df=3) + offset(log(z)) + offset(x / 1000) + (1 | g)",
    'y ~ C(a, ref="r") + bs(z, knots=(0.5, 1), degree=2) + (poly(z, 2) | g)',
    "y ~ 0 + cr(r, df=4, include_intercept=True) + poly(z, 2, raw=True) + (1 | g)",
    "y ~ C(a, Sum) + C(a, Helmert):x + C(k, ref=2) * bs(z, df=4) + (1 | g)",
]


@pytest.mark.parametrize("engine", ["duckdb", "polars"])
@pytest.mark.parametrize("text", PUSHED)
def test_sums_where_the_rows_lie_are_those_of_rows_in_memory(text: str, engine: str) -> None:
    frame = FRAME
    source = duckdb.sql("from frame") if engine == "duckdb" else pl.from_pandas(frame).lazy()
    kept, summed = build_design(text, frame), sum_rows(text, source)
    assert summed.terms == kept.terms
    assert summed.effects == kept.effects
    assert summed.encoding.formula == kept.encoding.formula
    a, b = kept.moments(), summed.moments()
    scale = np.abs(a.scatter).max(axis=(0, 2))
    scale = np.sqrt(np.outer(scale, scale)) + 1e-300
    # Sums in another order: 1e-10 of the largest of each column.
    np.testing.assert_allclose(b.scatter / scale, a.scatter / scale, atol=1e-10)
    np.testing.assert_allclose(b.means + b.centre, a.means + a.centre, atol=1e-10, rtol=1e-10)


def test_further_rows_are_summed_by_the_basis_of_the_first() -> None:
    text = "y ~ cr(z, df=3) + C(a, Sum) + offset(z) + (1 | g)"
    first = sum_rows(text, pl.from_pandas(FRAME).lazy())
    more = FRAME.assign(z=FRAME["z"] * 1.5, y=FRAME["y"] + 1.0)
    joined = merge_sums(first, sum_more_rows(first, pl.from_pandas(more).lazy()))
    both = encode(first.encoding, as_table(pd.concat([FRAME, more])))
    np.testing.assert_allclose(
        joined.moments(grouped=False).means[0] + joined.moments(grouped=False).centre,
        np.column_stack([both.X, both.Z[0], both.y - both.offset]).mean(axis=0),
        atol=1e-10,
    )
    with pytest.raises(Exception, match="was learned from different rows"):
        merge_sums(first, sum_rows(text, pl.from_pandas(more).lazy()))


def test_splines_beyond_their_knots_are_refused_in_queries_too() -> None:
    first = sum_rows("y ~ bs(z, df=4) + (1 | g)", pl.from_pandas(FRAME).lazy())
    with pytest.raises(DataError, match=r"bs\(z, df=4\) is undefined in .*boundary knots"):
        sum_more_rows(first, pl.from_pandas(FRAME.assign(z=FRAME["z"] * 2)).lazy())


# --- a function of one's own ---------------------------------------------------------------------
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


def test_a_reference_can_be_named_by_its_value_label() -> None:
    call = parse_formula('y ~ C(prog, ref="academic")').terms[1][0]
    assert with_reference(call, (1, 2, 4), {1.0: "general", 2.0: "academic"}) == (2, 1, 4)
    wrong = parse_formula('y ~ C(prog, ref="acdemic")').terms[1][0]
    with pytest.raises(DataError, match="did you mean 'academic'"):
        with_reference(wrong, (1, 2, 4), {1.0: "general", 2.0: "academic"})
