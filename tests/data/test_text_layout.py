"""The notation of a text file is given, or detected, and noted."""

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from bayes_mlm import fit
from bayes_mlm.base.errors import DataError
from bayes_mlm.data import DataSource, open_data
from bayes_mlm.data.reading import read_table
from bayes_mlm.design import build_design, design_of
from bayes_mlm.fitting import as_request

GERMAN = "schule;x;y\nÉcole 1;-1,5;1.000,25\nÉcole 1;2,5;17,5\nÉcole 2;0,5;3,0\nÉcole 2;1,0;4,25\n"


def written(path: Path, text: str, encoding: str = "utf-8") -> Path:
    data = text.encode(encoding)
    if path.name.endswith(".zst"):
        with pa.output_stream(str(path), compression="zstd") as sink:
            sink.write(data)
    else:
        path.write_bytes(gzip.compress(data) if path.name.endswith(".gz") else data)
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16", "utf-16-le"])
@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t.csv.zst"])
@pytest.mark.parametrize("rows", ["keep", "sum"])
def test_a_european_file_is_recognised_and_said(tmp_path, name, encoding, rows) -> None:
    path = written(tmp_path / name, GERMAN, encoding)
    table = read_table(path)
    assert table.columns["schule"].tolist() == ["École 1", "École 1", "École 2", "École 2"]
    assert table.columns["y"].tolist() == [1000.25, 17.5, 3.0, 4.25]
    (note,) = table.notes[""]
    assert "separated by ';'; numbers with a decimal comma (such as '-1,5'" in note
    assert ("encoding" in note) == (not encoding.startswith("utf-8"))
    design = design_of(as_request("y ~ x + (1 | schule)", str(path)), rows=rows)
    assert list(design.labels) == ["École 1", "École 2"]
    plain = {"schule": [1, 1, 2, 2], "x": [-1.5, 2.5, 0.5, 1.0], "y": [1000.25, 17.5, 3.0, 4.25]}
    exact = build_design("y ~ x + (1 | schule)", plain).moments()
    np.testing.assert_allclose(design.moments().scatter, exact.scatter, rtol=1e-12, atol=1e-9)
    assert note in design.notes


@pytest.mark.parametrize(
    ("text", "options"),
    [
        (GERMAN, {"delimiter": ";", "decimal": ",", "encoding": "cp1252"}),
        (GERMAN, {"encoding": "latin-1"}),
    ],
)
def test_what_is_given_is_not_said(tmp_path: Path, text: str, options: dict[str, str]) -> None:
    table = read_table(written(tmp_path / "t.csv", text, "cp1252"), **options)
    assert table.columns["y"][0] == 1000.25
    assert ("decimal" in "".join(table.notes.get("", ()))) == ("decimal" not in options)


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("a;b\n1,5;x\n2;y\n", "fO"),  # one column of commas is enough
        ("a;b\n1.5;x\n2,5;y\n", "OO"),  # both marks in one column: neither
        ("a;b\n1.5;1,5\n2.5;2,5\n", "fO"),  # 1.5 is no European number: no mark is recognised
        ("a;b\n1.234;1,5\n2.345;2,5\n", "if"),  # thousands, as the other column shows
        ("a;b\n1,234;x\n5,678;y\n", "OO"),  # thousands or decimals: left to the user
        ("a|b\n1.5|x\n2.5|y\n", "fO"),
        ("a\tb\n1\tx\n2\ty\n", "iO"),
    ],
)
def test_marks_are_recognised_from_all_columns(tmp_path: Path, text: str, kinds: str) -> None:
    table = read_table(written(tmp_path / "t.csv", text))
    assert "".join(values.dtype.kind for values in table.columns.values()) == kinds


def test_a_comma_separated_file_with_semicolons_in_texts_stays_one(tmp_path: Path) -> None:
    table = read_table(written(tmp_path / "t.csv", "a,b;c\n1,x;y\n2,z\n"))
    assert table.names == ("a", "b;c")
    assert table.notes == {}


def test_text_far_down_that_is_not_utf8_is_read_and_said(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(b"g,y\n" + b"a,1\n" * 400_000 + "Zoë,2\n".encode("cp1252"))
    table = read_table(path)
    assert table.columns["g"][-1] == "Zoë"
    assert "encoding cp1252 (such as 'Zoë')" in table.notes[""][0]
    with pytest.raises(DataError, match="t.csv is not text in the encoding utf-8"):
        read_table(path, encoding="utf-8")


@pytest.mark.parametrize("encoding", ["nope", "utf-99", ""])
def test_an_unknown_encoding_is_refused(tmp_path: Path, encoding: str) -> None:
    path = written(tmp_path / "t.csv", GERMAN)
    for read in (read_table, open_data):
        with pytest.raises(DataError, match="is not known; give one such as utf-8, cp1252"):
            read(path, encoding=encoding)


def test_files_in_several_pieces_are_read_to_the_end(tmp_path: Path) -> None:
    first, second = "g,y\na,1\na,2\n", "b,3\nb,5\n"
    (tmp_path / "t.csv.gz").write_bytes(
        gzip.compress(first.encode()) + gzip.compress(second.encode())
    )
    pieces = []
    for text in (first, second):
        sink = pa.BufferOutputStream()
        with pa.CompressedOutputStream(sink, "zstd") as packed:
            packed.write(text.encode())
        pieces.append(sink.getvalue().to_pybytes())
    skipped = b"\x50\x2a\x4d\x18\x04\x00\x00\x00abcd"  # a skippable frame of Zstandard
    (tmp_path / "t.csv.zst").write_bytes(pieces[0] + skipped + pieces[1])
    for name in ("t.csv.gz", "t.csv.zst"):
        assert read_table(tmp_path / name).columns["y"].tolist() == [1, 2, 3, 5]
        for rows in ("keep", "sum"):
            request = as_request("y ~ 1 + (1 | g)", str(tmp_path / name))
            assert design_of(request, rows=rows).n == 4


def test_identifiers_of_19_digits_keep_every_digit_where_some_are_missing(tmp_path: Path) -> None:
    # Seven identifiers that a double holds as one or two values, and two rows without one.
    ids = [str(1577134800018226901 + k) for k in range(7)]
    rng = np.random.default_rng(1)
    rows = [f"{one},{rng.normal():.3f}" for one in ids for _ in range(4)]
    path = written(tmp_path / "t.csv", "person,y\n" + "\n".join([*rows, ",1.5", ",2.5"]) + "\n")
    fitted = fit("y ~ 1 + (1 | person)", path, engine="reml", missing="drop")
    assert [str(one) for one in fitted.design.labels] == ids
    assert not any("had a missing value in every row" in note for note in fitted.design.notes)


def test_a_data_source_and_the_keywords_read_alike(tmp_path: Path) -> None:
    path = written(tmp_path / "t.csv", GERMAN, "cp1250")
    how = {"delimiter": ";", "decimal": ",", "encoding": "cp1250"}
    by_source = as_request("y ~ x + (1 | schule)", DataSource(data=str(path), **how))
    by_keywords = as_request("y ~ x + (1 | schule)", str(path), **how)
    assert by_source == by_keywords
    assert pd.Index(design_of(by_source).labels).tolist() == ["École 1", "École 2"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
def test_the_line_in_which_excel_names_the_separator_is_no_header(tmp_path, encoding) -> None:
    path = written(tmp_path / "t.csv", "sep=;\r\n" + GERMAN.replace("\n", "\r\n"), encoding)
    assert read_table(path).names == ("schule", "x", "y")
    for rows in ("keep", "sum"):
        design = design_of(as_request("y ~ x + (1 | schule)", str(path)), rows=rows)
        assert (design.n, design.J) == (4, 2)


def test_every_command_says_how_it_read_the_file(tmp_path, monkeypatch, capsys) -> None:
    from bayes_mlm import cli

    rng = np.random.default_rng(3)
    rows = [f"Zoë {k % 6};{rng.normal():.2f};{rng.normal():.2f}" for k in range(60)]
    text = "g;x;y\n" + "\n".join(rows).replace(".", ",") + "\n"
    path = written(tmp_path / "t.csv", text, "cp1252")
    for command in ("effects", "lines", "check", "variance", "fit"):
        more = ["--contrast", "x"] if command == "effects" else []
        more = more if command != "fit" else ["--engine", "reml"]
        words = ["bayes-mlm", command, "y ~ x + (1 | g)", "--data", str(path), *more]
        monkeypatch.setattr("sys.argv", words)
        with pytest.raises(SystemExit) as ended:
            cli.main()
        shown = capsys.readouterr()
        assert ended.value.code in (None, 0, 3), shown.err
        assert "decimal comma" in shown.out + shown.err, command


@pytest.mark.parametrize(
    ("encoding", "words"),
    [
        (
            "cp1252",
            [
                "École Élémentaire",
                "Straße Köln",
                "Muñoz São Paulo",
                "\u201cquoted\u201d \u2013 don\u2019t",
            ],
        ),
        ("cp1250", ["Łódź Žižkov"]),
        ("cp1251", ["Школа Москва", "Київ Львів"]),
        ("cp1253", ["Θεσσαλονίκη Αθήνα"]),
        ("mac-roman", ["École Élémentaire", "Straße Köln", "À côté naïve"]),
        ("cp850", ["École Élémentaire", "Straße Köln"]),
    ],
)
def test_an_encoding_is_recognised_by_its_words(tmp_path, encoding, words) -> None:
    for word in words:
        table = read_table(written(tmp_path / "t.csv", f"g;y\n{word};1,5\nb;2,5\n", encoding))
        assert table.columns["g"][0] == word
        assert encoding in table.notes[""][0]


@pytest.mark.parametrize("rows", ["keep", "sum"])
@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz"])
def test_titles_units_and_totals_are_omitted_by_their_lines(tmp_path, name, rows) -> None:
    head, *data = GERMAN.splitlines()
    lines = ["A study;;", "", head, ";cm;kg", *data, "Summe;2,5;1025"]
    path = written(tmp_path / name, "\n".join(lines) + "\n", "cp1252")
    with pytest.raises(DataError, match=r"title \('A study'\).*omit_rows=\"1\""):
        read_table(path)
    how = {"omit_rows": "1,4,9"}
    table = read_table(path, **how)
    assert table.source == name
    assert table.columns["y"].tolist() == [1000.25, 17.5, 3.0, 4.25]
    assert "encoding cp1252 (such as 'École')" in "".join(table.notes[""])
    design = design_of(as_request("y ~ x + (1 | schule)", str(path), **how), rows=rows)
    assert (design.n, list(design.labels)) == (4, ["École 1", "École 2"])
    assert any("encoding cp1252" in note for note in design.notes)
    with pytest.raises(DataError, match="'Summe'.*omit its line by omit_rows"):
        build_design("x ~ 1", read_table(path, omit_rows="1,4"))


def test_lines_are_omitted_from_one_file_alone(tmp_path: Path) -> None:
    for name in ("a.csv", "b.csv"):
        written(tmp_path / name, "g,y\n1,2\n")
    with pytest.raises(DataError, match="is for one file"):
        design_of(as_request("y ~ 1", str(tmp_path), omit_rows="1"), rows="sum")
