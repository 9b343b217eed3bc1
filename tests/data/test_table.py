"""A table is the same whatever frame it came from, and is refused with one message."""

import datetime as dt
import pickle
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, strategies as st

from bayes_mlm.base.errors import DataError
from bayes_mlm.data.columns import from_any, from_arrow
from bayes_mlm.data.reading import read_table
from bayes_mlm.data.table import Table, as_table, take

COLUMNS: dict[str, list[Any]] = {
    "school": ["b", "a", None, "b"],
    "y": [1.5, None, -2.0, 3.25],
    "age": [9, 8, 12, 8],
    "wave": [1, None, 2, 3],
    "passed": [True, False, True, True],
    "when": [dt.datetime(2020, 1, day, 12) for day in (1, 2, 3, 4)],
}


def assert_same(left: Table, right: Table) -> None:
    assert left.names == right.names
    assert left.n == right.n
    for name in left.names:
        assert left.columns[name].dtype == right.columns[name].dtype, name
        # assert_array_equal takes NaN as equal to NaN, and None to None: bit for bit otherwise.
        np.testing.assert_array_equal(left.columns[name], right.columns[name], err_msg=name)


def frames(columns: dict[str, list[Any]]) -> dict[str, Any]:
    arrow = pa.table(columns)
    polars = pl.from_arrow(arrow)
    return {
        "dict": columns,
        "pandas": pd.DataFrame(columns),
        "pandas nullable": pd.DataFrame(columns).convert_dtypes(),
        "pandas objects": pd.DataFrame(columns, dtype=object),
        "pandas on arrow": arrow.to_pandas(types_mapper=pd.ArrowDtype),
        "polars": polars,
        "polars lazy": polars.lazy(),
        "pyarrow": arrow,
        "duckdb": duckdb.connect().from_arrow(arrow),
    }


PLAIN = [
    st.floats(),
    st.integers(),
    st.integers(-(2**53) - 2, -(2**53) + 2) | st.integers(2**53 - 2, 2**64),
    st.booleans(),
    st.text(st.characters(codec="utf-8")),
    st.integers(-9, 9) | st.floats(),
]


@given(st.sampled_from(PLAIN).flatmap(lambda one: st.lists(one | st.none(), min_size=1)))
def test_a_list_is_converted_as_arrow_converts_it(values: list[Any]) -> None:
    try:
        arrow = pa.array(values, from_pandas=True)
    except (pa.ArrowException, OverflowError):
        return
    found, expected = from_any("x", values).values, from_arrow(arrow)
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("kind", list(frames(COLUMNS)))
def test_every_frame_gives_the_same_table(kind: str) -> None:
    table = as_table(frames(COLUMNS)[kind])
    expected = {
        "school": np.array(["b", "a", None, "b"], dtype=object),
        "y": np.array([1.5, np.nan, -2.0, 3.25]),
        "age": np.array([9, 8, 12, 8]),
        "wave": np.array([1.0, np.nan, 2.0, 3.0]),
        "passed": np.array([True, False, True, True]),
        "when": np.array([f"2020-01-0{day} 12:00:00" for day in (1, 2, 3, 4)], dtype=object),
    }
    assert_same(table, Table(columns=expected, n=4, source="by hand"))


values = st.one_of(st.none(), st.floats(allow_infinity=False, width=32))
labels = st.one_of(st.none(), st.text("abcé 0", max_size=3))


@given(st.data(), st.integers(1, 12))
def test_frames_agree_on_any_data_and_column_order(data: st.DataObject, n: int) -> None:
    drawn = {
        "x": data.draw(st.lists(values, min_size=n, max_size=n)),
        "g": data.draw(st.lists(labels, min_size=n, max_size=n)),
        "k": data.draw(st.lists(st.integers(-(2**62), 2**62), min_size=n, max_size=n)),
    }
    # The type of a column without values differs between libraries.
    drawn["x"][0], drawn["g"][0] = 0.5, "a"
    order = data.draw(st.permutations(list(drawn)))
    columns = {name: drawn[name] for name in order}
    first = as_table(columns)
    assert first.names == tuple(order)
    for frame in (pd.DataFrame(columns), pl.DataFrame(columns), pa.table(columns)):
        assert_same(as_table(frame), first)


def test_source_names_the_kind_of_frame() -> None:
    found = {kind: as_table(frame).source for kind, frame in frames({"y": [1.0]}).items()}
    assert found["dict"] == "dict"
    assert found["pandas"] == "pandas.DataFrame"
    assert found["polars lazy"] == "polars.LazyFrame"
    assert found["pyarrow"] == "pyarrow.Table"
    assert found["duckdb"] == "duckdb.DuckDBPyRelation"


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (pd.Categorical(["b", "a", None]), ["b", "a", None]),
        (pd.Series(pd.Categorical([3, 1, 3])), ["3", "1", "3"]),
        (pd.Categorical([3, 1, 3]), ["3", "1", "3"]),  # numeric categories are labels too
        (pl.Series(["b", "a", None], dtype=pl.Categorical), ["b", "a", None]),
        (pd.Series([1, pd.NA, 3], dtype="Int64"), [1.0, None, 3.0]),
        (pd.Series([True, pd.NA, False], dtype="boolean"), [1.0, None, 0.0]),
        (pd.Series([Decimal("1.5"), None, Decimal(2)]), [1.5, None, 2.0]),
        (pd.Series([Decimal("1.5"), 2.0, 3], dtype=object), [1.5, 2.0, 3.0]),
        (pd.Series([1, 2.5, pd.NA], dtype=object), [1.0, 2.5, None]),
        (pd.Series([True, 2, None], dtype=object), [1.0, 2.0, None]),
        (pd.Series([1, "many", pd.NaT], dtype=object), ["1", "many", None]),
        ([10**30, 1, None], [str(10**30), "1", None]),
        ([2**60 + 1, None, 1], [str(2**60 + 1), None, "1"]),  # a float would blur the identifier
        (np.array([2**64 - 1, 1, 2], dtype=np.uint64), [str(2**64 - 1), "1", "2"]),
        (np.ma.masked_array([1.0, 2.0, 3.0], mask=[False, True, False]), [1.0, None, 3.0]),
        (np.array([1, 2, 3], dtype=">i4"), [1, 2, 3]),
        (np.array(["a", "b", "c"]), ["a", "b", "c"]),
        (np.array([1.5, 2, 3], dtype=np.float16), [1.5, 2.0, 3.0]),
        ([dt.date(2020, 1, 2), None, dt.date(2021, 1, 2)], ["2020-01-02", None, "2021-01-02"]),
        (pd.Series(pd.period_range("2020", periods=3, freq="Y")), ["2020", "2021", "2022"]),
        (pd.Series(pd.interval_range(0, 3)), ["(0, 1]", "(1, 2]", "(2, 3]"]),
        (pd.Series(pd.to_timedelta([1, None, 2], unit="h")), ["1:00:00", None, "2:00:00"]),
        (pd.Index([1, 2, 3]), [1, 2, 3]),
        (pa.chunked_array([["a", None], ["b"]]), ["a", None, "b"]),
        (pa.array([b"a", None, b"c"]), ["b'a'", None, "b'c'"]),
        ([[1], [2], [3]], ["[1]", "[2]", "[3]"]),
        ([None, None, None], [None, None, None]),
        (range(3), [0, 1, 2]),
    ],
    ids=lambda value: re.sub(" at 0x[0-9a-f]+", "", repr(value)),  # the same in every process
)
def test_each_type_of_column(column: Any, expected: list[Any]) -> None:
    found = as_table({"x": column}).columns["x"]
    assert found.dtype in (np.float64, np.int64, np.bool_, object)
    assert [None if value != value else value for value in found.tolist()] == expected


def test_microseconds_survive_and_precision_does_not_show() -> None:
    times = np.array(["2020-01-01T00:00:00.000100", "2020-01-01T00:00:01"], dtype="datetime64[ns]")
    found = as_table({"when": times}).columns["when"].tolist()
    assert found == ["2020-01-01 00:00:00.000100", "2020-01-01 00:00:01"]


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "duplicate column names: 'a'"),
        (pa.table([[1], [2]], names=["a", "a"]), "duplicate column names: 'a'"),
        (
            pd.DataFrame([[1]], columns=pd.MultiIndex.from_tuples([("a", "b")])),
            r"several levels of names \(\('a', 'b'\)\)",
        ),
        (pd.DataFrame([[1, 2]]), r"a name that is not text \(0\)"),
        (pd.DataFrame(), "no columns"),
        ({}, "no columns"),
        (pd.DataFrame({"a": []}), "no rows; columns: a"),
        (pl.DataFrame({"a": []}), "no rows"),
        ({"a": [1, 2], "b": [1]}, "differ in length: 'a' 2, 'b' 1"),
        ({"a": "text"}, "'a' is a single value"),
        ({"a": 3}, "'a' is a single value"),
        ({"a": np.ones((2, 2))}, r"'a' has shape \(2, 2\)"),
        ([1, 2], "cannot read a table from builtins.list; give a pandas"),
        ("students.csv", "for a file: bayes_mlm.read_table"),
        (None, "cannot read a table"),
        (np.ones((2, 2)), "cannot read a table from numpy.ndarray"),
    ],
    ids=str,
)
def test_frames_that_are_refused(frame: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        as_table(frame)


def test_only_the_columns_wanted_are_read() -> None:
    for frame in frames(COLUMNS).values():
        assert as_table(frame, columns=["age", "y", "age"]).names == ("age", "y")
        with pytest.raises(DataError, match=r"no column 'Age2' \(did you mean 'age'\?\)"):
            as_table(frame, columns=["Age2"])
    table = as_table(COLUMNS)
    assert as_table(table) is table
    assert as_table(table, columns="age").names == ("age",)


def test_a_table_is_read_only_but_its_source_is_not() -> None:
    mine = np.array([1.0, 2.0])
    table = as_table({"y": mine})
    with pytest.raises(ValueError, match="read-only"):
        table.columns["y"][0] = 5.0
    mine[0] = 5.0
    assert mine[0] == 5.0
    with pytest.raises(DataError, match="shape"):
        Table(columns={"y": mine}, n=3, source="x")
    assert_same(pickle.loads(pickle.dumps(table)), table)  # noqa: S301  (made a line above)


@given(st.permutations(range(4)))
def test_take_permutes_every_column(order: list[int]) -> None:
    table = as_table(COLUMNS)
    moved = take(table, np.array(order))
    for name, column in COLUMNS.items():
        assert_same(
            as_table({name: moved.columns[name]}),
            as_table({name: as_table({name: column}).columns[name][order]}),
        )


def test_parquet_gives_what_the_frame_gives(tmp_path: Path) -> None:
    path = tmp_path / "students.parquet"
    pd.DataFrame(COLUMNS).to_parquet(path)
    table = read_table(path)
    assert_same(table, as_table(COLUMNS))
    assert table.source == "students.parquet"
    assert read_table(path, columns=["y"]).names == ("y",)


def test_csv_gives_what_the_frame_gives(tmp_path: Path) -> None:
    path = tmp_path / "students.csv"
    pl.DataFrame(COLUMNS).drop("when").write_csv(path)
    table = read_table(path)
    assert_same(table, as_table({k: v for k, v in COLUMNS.items() if k != "when"}))
