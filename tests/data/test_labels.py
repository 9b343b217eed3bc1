"""One table has the same groups in every format, rows kept or summed; spaces are the user's."""

from dataclasses import replace

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from bayes_mlm import (
    build_design,
    fit,
    fit_reml,
    load_fit,
    load_record,
    load_sums,
    merge_sums,
    open_data,
    predict,
    read_table,
    sample_groups,
    save_fit,
    save_sums,
    sum_more_rows,
    sum_rows,
)
from bayes_mlm.base.errors import DataError, DesignError
from bayes_mlm.data.labels import notes_on_labels, strip_labels
from bayes_mlm.design.build import design_of
from bayes_mlm.fitting.request import as_request

FORMULA = "y ~ x + f + (1 | g)"
# A space before, after, no-break, tab, zero-width, of a byte-order mark; and a case.
GROUPS = ["a", " a", "a ", "\u00a0a", "a\t", "a\u200b", "\ufeffa", "A", "b"]
LEVELS = ["u", "u ", "v"]


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(22)
    n = 180
    frame = pd.DataFrame(
        {
            "g": [GROUPS[k % 9] for k in range(n)],
            "f": [LEVELS[k % 3] for k in range(0, 7 * n, 7)],
            "x": rng.normal(size=n).round(3),
        }
    )
    frame["y"] = (frame.x + rng.normal(size=n) + pd.factorize(frame.g)[0]).round(3)
    return frame


@pytest.fixture(scope="module")
def sources(table, tmp_path_factory):
    """The same table in every form, and what lays it out with rows kept and summed."""
    folder = tmp_path_factory.mktemp("formats")
    parts = folder / "parts"
    parts.mkdir()
    table.to_csv(folder / "t.csv", index=False)
    table.to_csv(folder / "t.tsv.gz", index=False, sep="\t")
    table.to_parquet(folder / "t.parquet")
    table.astype({"g": "category", "f": "category"}).to_parquet(folder / "dictionary.parquet")
    for k in range(2):
        table[k::2].to_csv(parts / f"{k}.csv", index=False)
    files = [folder / name for name in ("t.csv", "t.tsv.gz", "t.parquet", "dictionary.parquet")]
    return [
        *files,
        parts,
        table,
        table.astype({"g": "category"}),
        pl.from_pandas(table),
        pl.from_pandas(table).with_columns(pl.col("g").cast(pl.Categorical)),
        pl.from_pandas(table).lazy(),
        pa.Table.from_pandas(table, preserve_index=False),
        duckdb.connect().from_df(table),
    ]


def designs(source, **options):
    record = as_request(FORMULA, source, **options)
    return [design_of(record, source, rows=rows) for rows in ("keep", "sum")]


def test_the_same_groups_in_every_format_and_with_rows_kept_or_summed(sources):
    for source in sources:
        for design in designs(source):
            assert design.labels.tolist() == sorted(GROUPS)
            assert design.terms == ("Intercept", "x", "f[u ]", "f[v]")
            noted = [note for note in design.notes if "differ only by spaces or case" in note]
            assert noted[0].startswith("g: labels differ only by spaces or case, and are different")
            assert r"' a', 'A', 'a', 'a\t', …; strip=True (--strip)" in noted[0]
            assert noted[1].startswith("f: labels differ only by spaces or case")
            assert "'u', 'u '; strip=True" in noted[1]


def test_strip_makes_one_label_of_those_that_differ_by_spaces_in_every_format(table, sources):
    # By pandas: the labels without what Python strips and the two without width.
    clean = table.assign(
        g=[label.strip("\u200b\ufeff \u00a0\t") for label in table.g], f=table.f.str.strip()
    )
    wanted = fit_reml(build_design(FORMULA, clean))
    for source in sources:
        for design in designs(source, strip=True):
            assert design.labels.tolist() == ["A", "a", "b"]
            assert design.notes[0] == (
                "g: labels differ only by spaces or case, and are different levels: 'A', 'a'"
            )
            assert design.encoding.strip
            np.testing.assert_allclose(fit_reml(design).beta, wanted.beta, rtol=1e-6)


def test_what_was_stripped_is_stripped_again(table, tmp_path):
    table.to_csv(tmp_path / "t.csv", index=False)
    kept = fit(FORMULA, tmp_path / "t.csv", strip=True, random_seed=1)
    summed = fit(FORMULA, tmp_path / "t.csv", strip=True, rows="sum", random_seed=1)
    assert kept.source.strip
    assert summed.source.strip
    new = pd.DataFrame({"g": ["b ", "\u00a0a"], "f": ["u ", " v"], "x": [0.0, 1.0]})
    clean = strip_labels(replace(read_table(tmp_path / "t.csv"), source="clean"))
    assert set(clean.columns["g"].tolist()) == {"A", "a", "b"}
    wanted = predict(fit(FORMULA, clean, random_seed=1), new.assign(g=["b", "a"], f=["u", "v"]))
    for one in (kept, summed, load_fit(save_fit(kept, tmp_path / "k.nc"))):
        np.testing.assert_allclose(predict(one, new).mean, wanted.mean, rtol=1e-6)
    saved = save_sums(summed.design, tmp_path / "t.sums")
    assert fit(saved, random_seed=1).source.strip
    more = sum_more_rows(load_sums(saved), table)
    assert merge_sums(summed.design, more, allow_repeats=True).labels.tolist() == ["A", "a", "b"]
    assert sample_groups(summed, tmp_path / "t.csv", groups=["a"]).design.n == 140  # 7 of 9 labels
    as_written = sum_rows(FORMULA, table)
    with pytest.raises(DesignError, match="only one had spaces stripped"):
        merge_sums(as_written, more)
    save_sums(as_written, tmp_path / "w.sums")
    with pytest.raises(DataError, match="with unstripped spaces"):
        fit(tmp_path / "w.sums", strip=True)


def test_sums_that_are_merged_say_which_labels_are_alike_among_all(table):
    one, other = table[table.g.isin(["a", "b"])], table[table.g.isin([" a", "A"])]
    merged = merge_sums(sum_rows("y ~ x + (1 | g)", one), sum_rows("y ~ x + (1 | g)", other))
    assert [note for note in merged.notes if note.startswith("g:")] == [
        "g: labels differ only by spaces or case, and are different levels: ' a', 'A', 'a'; "
        "strip=True (--strip) strips the spaces at their ends"
    ]


def test_the_command_line_says_so_strips_and_keeps_it_in_the_record(
    table, tmp_path, monkeypatch, run_command
):
    monkeypatch.chdir(tmp_path)
    table.to_csv("t.csv", index=False)

    def run(*arguments):
        code, out, _ = run_command(*arguments)
        assert not code
        return " ".join(out.split())

    words = ("--data", "t.csv", "--engine", "reml", "--quiet")
    assert "strip=True (--strip) strips the spaces at their ends" in run("fit", FORMULA, *words)
    assert "3 groups (g)" in run("fit", FORMULA, *words, "--strip", "--rows", "sum")
    assert "3 groups (g)" in run(
        "sum", FORMULA, "--data", "t.csv", "--strip", "--out", "t.sums", "--quiet"
    )
    text = 'title = "t"\ndata = "t.csv"\nkind = "partial_pooling"\nstrip = true\n'
    (tmp_path / "m.toml").write_text(f'{text}formula = "{FORMULA}"\n')
    assert load_record("./m.toml").source.strip
    for rows in ("keep", "sum"):
        assert "3 groups (g)" in run("fit", "m.toml", "--engine", "reml", "--rows", rows, "--quiet")


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ([" 1", "2 ", "\u00a03", "\t4", "\u200b5", "6"], [1, 2, 3, 4, 5, 6]),
        (["1.5 ", " NA ", "\u00a0", "2", ".\t", "3"], [1.5, None, None, 2.0, None, 3.0]),
        (["a", " NA ", "  ", "a ", "\u200b", "\ufeffnan"], ["a", None, None, "a ", None, None]),
        (["true ", " TRUE", "False", "\ttrue", "false", ""], [1.0, 1.0, 0.0, 1.0, 0.0, None]),
        ([" 007", "7", "007", "8", "8", "9"], [" 007", "7", "007", "8", "8", "9"]),
        (['"a"', ' "a"', "b", ' "c ""d"', "c", "e"], ["a", "a", "b", 'c "d', "c", "e"]),
        (["9223372036854775807", "1"] * 3, [2**63 - 1, 1] * 3),
        (["9223372036854775808", "-5"] * 3, ["9223372036854775808", "-5"] * 3),
        (["-9223372036854775809", "1"] * 3, ["-9223372036854775809", "1"] * 3),
        (["1e3", "1000", "+1", ".5", "5.", "-0"], [1000.0, 1000.0, 1.0, 0.5, 5.0, 0.0]),
        (["1_000", "٣", "1,5"] * 2, ["1_000", "٣", "1"] * 2),
    ],
    ids=str,
)
def test_numbers_missing_values_and_text_with_spaces_are_the_same_to_both_readers(
    cells, expected, tmp_path
):
    path = tmp_path / "t.csv"
    path.write_text("k,x\n" + "".join(f"1,{cell.partition(',')[0]}\n" for cell in cells))
    for table in (read_table(path), _summed_rows(path)):
        found = table.columns["x"].tolist()
        assert [None if value != value else value for value in found] == expected


def _summed_rows(path):
    from bayes_mlm.design.aggregated import collect_rows

    return collect_rows(open_data(path), ["x"])


def test_a_label_that_reads_as_missing_is_named_where_missing_is_something_else():
    frame = pd.DataFrame({"g": ["NA", "a", " "] * 4, "y": np.sin(np.arange(12))})
    for lay_out in (build_design, sum_rows):
        note = lay_out("y ~ 1 + (1 | g)", frame).notes[0]
        assert note.startswith("g: ' ', 'NA' is a label here")


def test_notes_on_labels_tell_what_is_alike_and_nothing_else():
    assert notes_on_labels("g", ["x1", "x2", "y"]) == ()
    assert notes_on_labels("g", np.array([1, 2])) == ()
    for alike in (
        ["x 1", "x1"],
        ["ß", "SS"],
        ["é", "e\u0301"],
        ["\uff11", "1"],
        ["a\u00adb", "ab"],
    ):
        assert "differ only by spaces or case" in notes_on_labels("g", alike)[0]
    many = [f"{mark}{k}" for k in range(9) for mark in ("x", "X")]
    (note,) = notes_on_labels("g", many)
    assert note.startswith("g: 9 sets of labels differ")
    assert note.endswith("; …")  # and no advice to strip, which would not help
    assert "every label is a number but 'x7'" in notes_on_labels("g", ["1", "2", "3", "x7"])[0]
    for open_ended in ("3+", "≥ 3", ">2"):
        assert notes_on_labels("g", ["0", "1", "2", open_ended]) == ()
