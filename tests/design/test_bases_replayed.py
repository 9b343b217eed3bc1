"""Polynomials, splines and codings on other rows: replayed, stored, by queries where rows lie."""

import json
import warnings

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, strategies as st

from bayes_mlm.base.errors import DataError, StorageError
from bayes_mlm.data.table import as_table, take
from bayes_mlm.design import build_design, merge_sums, sum_more_rows, sum_rows
from bayes_mlm.design.encoding import Encoding, encode, learn_encoding
from bayes_mlm.formula.formula import parse_formula
from tests.helpers.bases import FRAME, HEIGHT, TABLE, N, encoded

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
