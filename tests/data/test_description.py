"""The first tables of the 2015 document, cell by cell."""

import sys
from random import Random

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, strategies as st

from bayes_mlm import cli
from bayes_mlm.base import format_rows
from bayes_mlm.base.errors import DataError
from bayes_mlm.data.datasets import load_dataset, load_hsb
from bayes_mlm.data.description import crosstab, describe, group_sizes
from bayes_mlm.data.table import as_table, take

# The 2015 document, section "Dataset", output of In [2]; two spaces at the ends of lines removed.
PRINTED_SUMMARY = """\
           mathach          ses
count  7185.000000  7185.000000
mean     12.747853     0.000143
std       6.878246     0.779355
min      -2.832000    -3.758000
25%       7.275000    -0.538000
50%      13.131000     0.002000
75%      18.316999     0.602000
max      24.993000     2.692000"""
PRINTED_CROSSTAB = """\
female       0          1
minority     0    1     0    1
sector
0         1315  415  1406  506
1         1166  494  1324  559"""


def test_summary_is_the_one_printed() -> None:
    found = str(describe(load_dataset("hsb"), ["mathach", "ses"]))
    # The document read the study in single precision, in which 18.317 is 18.316999435424805.
    assert f"{np.float32(18.317):.6f}" == "18.316999"
    assert found == PRINTED_SUMMARY.replace("18.316999", "18.317000")


def test_crosstab_is_the_one_printed() -> None:
    table = load_dataset("hsb")
    found = crosstab(table, "sector", ["female", "minority"])
    assert str(found) == PRINTED_CROSSTAB
    assert found.counts.sum() == table.n
    assert found.n_missing == 0


def test_group_sizes_are_those_printed() -> None:
    # Section "Random Effects Model", the head of the MixedLM table: 7185, 160, 14, 67, 44.9.
    assert group_sizes(load_dataset("hsb"), "schoolid").rows() == (
        ("No. Observations", "7185"),
        ("No. Groups", "160"),
        ("Min. group size", "14"),
        ("Max. group size", "67"),
        ("Mean group size", "44.9"),
    )


def test_frames_agree_with_pandas() -> None:
    frame, table = load_hsb(), load_dataset("hsb")
    # Both sum in double precision, in another order: rounding, hence 1e-12.
    pd.testing.assert_frame_equal(
        describe(table).to_frame().drop("missing"), frame.describe(), rtol=1e-12
    )
    pd.testing.assert_frame_equal(
        crosstab(table, "sector", ["female", "minority"]).to_frame(),
        pd.crosstab(frame["sector"], [frame["female"], frame["minority"]]),
    )
    pd.testing.assert_frame_equal(
        crosstab(table, "sector", ["himinty"]).to_frame(),
        pd.crosstab(frame["sector"], frame["himinty"]),
    )
    sizes = frame.groupby("schoolid").size()
    assert group_sizes(table, "schoolid").to_frame().loc["schoolid"].tolist() == [
        len(frame),
        len(sizes),
        sizes.min(),
        sizes.max(),
        sizes.mean(),
    ]


def test_missing_values_are_counted_and_left_out() -> None:
    table = as_table(
        {"y": [1.0, None, 3.0], "g": ["a", None, "b"], "h": [1, 2, 2], "void": [None] * 3}
    )
    found = describe(table)
    assert found.variables == ("y", "h", "void")
    assert found.omitted == ("g",)
    assert found.n_missing.tolist() == [1, 0, 3]
    assert found.values[:, 0].tolist() == [2.0, 2.0, np.sqrt(2.0), 1.0, 1.5, 2.0, 2.5, 3.0]
    assert found.rows()[2] == ("missing", "1", "0", "3")
    assert np.isnan(found.values[1:, 2]).all()
    counts = crosstab(table, "g", ["h"])
    assert counts.n_missing == 1
    assert counts.counts.tolist() == [[1, 0], [0, 1]]


def test_edges_of_a_summary() -> None:
    one = describe(as_table({"y": [2.0]})).values[:, 0]
    assert one[[0, 1, 3, 7]].tolist() == [1.0, 2.0, 2.0, 2.0]
    assert np.isnan(one[2])
    endless = describe(as_table({"y": [1.0, np.inf, 2.0]})).values[:, 0]
    assert endless[1] == endless[7] == np.inf
    assert np.isnan(endless[2])
    assert describe(as_table({"p": [True, False, True, True]})).values[1, 0] == 0.75


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 2), st.floats(-9, 9)), min_size=1),
    st.randoms(use_true_random=False),
)
def test_row_order_does_not_matter(drawn: list[tuple[str, int, float]], random: Random) -> None:
    labels, codes, numbers = zip(*drawn, strict=True)
    table = as_table({"g": list(labels), "k": list(codes), "y": list(numbers)})
    order = list(range(table.n))
    random.shuffle(order)
    moved = take(table, np.array(order))
    assert str(crosstab(moved, "g", ["k"])) == str(crosstab(table, "g", ["k"]))
    assert group_sizes(moved, "g") == group_sizes(table, "g")
    # Sums of at most a few hundred numbers below 10 in another order: far below 1e-9.
    np.testing.assert_allclose(
        describe(moved).values, describe(table).values, rtol=1e-9, atol=1e-9, equal_nan=True
    )


def test_three_columns_repeat_the_outer_label_only_where_it_changes() -> None:
    table = as_table(
        {"r": [0, 0, 1, 1], "a": ["x", "x", "x", "y"], "b": [0, 0, 1, 1], "c": [0, 1, 0, 0]}
    )
    found = crosstab(table, "r", ["a", "b", "c"]).rows()
    assert found[0] == ("a", "x", "", "", "y")
    assert found[1] == ("b", "0", "", "1", "1")
    assert found[2] == ("c", "0", "1", "0", "0")


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (["mathach", "sess"], r"no column 'sess' \(did you mean 'ses'"),
        (["sex"], "column 'sex' is text, not numbers: 4 of 4 values"),
    ],
)
def test_columns_that_cannot_be_described(columns: list[str], message: str) -> None:
    table = as_table({"mathach": [1, 2, 3, 4], "ses": [1, 2, 3, 4], "sex": list("mfmf")})
    with pytest.raises(DataError, match=message):
        describe(table, columns)


def test_columns_of_missing_values_alone_are_refused() -> None:
    frame = pd.DataFrame(
        {
            "visit": pd.to_datetime([None, None]),
            "arm": pd.Categorical([None, None], categories=["a", "b"]),
            "code": pd.Categorical([None, "1"]),
        }
    )
    for name, message in (
        ("visit", "contains dates or times: convert"),
        ("arm", "is text, not numbers: every value is missing"),
        ("code", r"kept as labels \(such as '1'"),
    ):
        with pytest.raises(DataError, match=message):
            describe(as_table(frame), [name])


def test_tables_that_cannot_be_described() -> None:
    with pytest.raises(DataError, match="no numeric column to describe: g"):
        describe(as_table({"g": ["a"]}))
    hsb = load_dataset("hsb")
    with pytest.raises(DataError, match="'schoolid' has 160 levels; a crosstab is for"):
        crosstab(hsb, "schoolid", ["sector"])
    with pytest.raises(DataError, match="each once"):
        crosstab(hsb, "sector", ["sector"])
    with pytest.raises(DataError, match="each once"):
        crosstab(hsb, "sector", [])
    with pytest.raises(DataError, match="every row of dict has a missing value in a, b"):
        crosstab(as_table({"a": ["x", None], "b": [None, 1]}), "a", ["b"])
    with pytest.raises(DataError, match="no column 'school'"):
        group_sizes(hsb, "school")


def test_rows_are_aligned() -> None:
    assert format_rows([("", "y"), ("mean", "12.5")]) == "         y\nmean  12.5"


def test_the_command_notes_labels_that_look_alike_until_they_are_stripped(
    tmp_path, monkeypatch, capsys
) -> None:
    path = tmp_path / "t.csv"
    path.write_text("g,y\na,1\na ,2\nb,3\nb,4\n")
    command = ["bayes-mlm", "describe", "--data", str(path), "--group", "g"]
    shown = []
    for options in ([], ["--strip"]):
        monkeypatch.setattr(sys, "argv", [*command, *options])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        assert not ended.value.code
        shown.append(" ".join(capsys.readouterr().out.split()))
    assert "No. Groups 3" in shown[0]
    assert "- g: labels differ only by spaces or case" in shown[0]
    assert "'a', 'a '; strip=True (--strip) strips the spaces at their ends" in shown[0]
    assert "No. Groups 2" in shown[1]
    assert "note:" not in shown[1]
