"""A file is read whole and true, or refused with one message."""

import gzip
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bayes_mlm import fit
from bayes_mlm.base.errors import DataError
from bayes_mlm.data.reader import READERS, Format
from bayes_mlm.data.reading import read_table
from bayes_mlm.data.table import as_table
from bayes_mlm.data.texts import MISSING_TEXTS


def write(folder: Path, name: str, content: str | bytes) -> Path:
    data = content.encode() if isinstance(content, str) else content
    path = folder / name
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return path


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("t.csv", "a,b\n1,x\n2,y\n"),
        ("t.CSV", "a,b\r\n1,x\r\n2,y\r\n"),
        ("t.csv", "\ufeffa,b\n1,x\n2,y"),
        ("t.csv", "\n\na,b\n\n1,x\n\n2,y\n\n"),
        ("t.csv", " a , b\n 1,x\n2 ,y\n"),
        ("t.tsv", "a\tb\n1\tx\n2\ty\n"),
        ("t.csv.gz", "a,b\n1,x\n2,y\n"),
        ("t.tsv.gz", "\ufeffa\tb\n1\tx\n2\ty\n"),
        ("t.csv", '"a","b"\n"1","x"\n"2","y"\n'),
    ],
)
def test_kinds_of_text_file(tmp_path: Path, name: str, content: str) -> None:
    table = read_table(write(tmp_path, name, content))
    assert table.names == ("a", "b")
    assert table.columns["a"].dtype == np.int64
    assert table.columns["a"].tolist() == [1, 2]
    assert table.columns["b"].tolist() == ["x", "y"]
    assert table.source == name


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["1", "-2", "+3"], [1.0, -2.0, 3.0]),
        (["1", "2.5", ".5"], [1.0, 2.5, 0.5]),
        (["1e3", "5.", "-0.5"], [1000.0, 5.0, -0.5]),
        (["1", "NA", "3"], [1.0, None, 3.0]),
        (["inf", "-Inf", "1"], [np.inf, -np.inf, 1.0]),
        (["true", "False", "TRUE"], [True, False, True]),
        (["true", "", "false"], [1.0, None, 0.0]),
        (["yes", "no", "."], ["yes", "no", None]),
        (["1", "2", "many"], ["1", "2", "many"]),
        (["00123", "45", "6"], ["00123", "45", "6"]),  # an identifier, not 123
        (["0", "0.5", "-0.25"], [0.0, 0.5, -0.25]),  # zeros that are numbers
        (["0x1F", "1", "2"], ["0x1F", "1", "2"]),
        (["9223372036854775807", "1", "2"], [2**63 - 1, 1, 2]),
        (["9223372036854775808", "1", "2"], ["9223372036854775808", "1", "2"]),
        (["9007199254740993", "", "2"], ["9007199254740993", None, "2"]),
        (["2020-01-02", "2021-03-04", "2022-05-06"], ["2020-01-02", "2021-03-04", "2022-05-06"]),
        (["12:30", "13:00", "1:00"], ["12:30", "13:00", "1:00"]),
        (['"a,b"', '"line\nbreak"', '"q""q"'], ["a,b", "line\nbreak", 'q"q']),
        (["é", "日本", "ß"], ["é", "日本", "ß"]),
    ],
    ids=str,
)
def test_the_type_of_a_column_is_decided_from_all_its_values(
    tmp_path: Path, cells: list[str], expected: list[object]
) -> None:
    content = "id,x\n" + "".join(f"k,{cell}\n" for cell in cells)
    found = read_table(write(tmp_path, "t.csv", content)).columns["x"].tolist()
    assert [None if value != value else value for value in found] == expected
    assert [type(value) for value in found if value == value and value is not None] == [
        type(value) for value in expected if value is not None
    ]


@pytest.mark.parametrize("text", MISSING_TEXTS)
def test_every_missing_text_is_missing_among_numbers_and_among_labels(
    tmp_path: Path, text: str
) -> None:
    table = read_table(write(tmp_path, "t.csv", f"x,g\n1.5,a\n{text},{text}\n"))
    assert np.isnan(table.columns["x"][1])
    assert table.columns["g"].tolist() == ["a", None]


def test_a_stray_text_far_down_the_file_is_found(tmp_path: Path) -> None:
    # Beyond Arrow's first block of 1 MiB, from which it would have fixed the type.
    content = "x,y\n" + "1,2.5\n" * 300_000 + "many,0071\n"
    table = read_table(write(tmp_path, "t.csv", content))
    assert table.columns["x"][[0, -1]].tolist() == ["1", "many"]
    assert table.columns["y"][[0, -1]].tolist() == ["2.5", "0071"]


def test_only_the_columns_wanted_are_read(tmp_path: Path) -> None:
    path = write(tmp_path, "t.csv", "a,b,c\n1,2,3\n")
    assert read_table(path, columns=["c", "a"]).names == ("c", "a")
    with pytest.raises(DataError, match=r"t.csv has no column 'B1' \(did you mean 'b'\?\)"):
        read_table(path, columns=["B1"])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.csv", "", "t.csv is empty; its first line must name the columns"),
        ("t.csv", "\n\n", "t.csv is empty"),
        ("t.csv.gz", "", "is empty"),
        ("t.csv", "a,b\n", r"t.csv has a header \(a, b\) but no rows"),
        ("t.csv", "a,b\n\n\n", "but no rows"),
        ("t.csv", "a,b,a\n1,2,3\n", "duplicate column names: 'a'"),
        ("t.csv", "a, a\n1,2\n", "duplicate column names: 'a'"),
        (
            "t.csv",
            "a,b\n1,2\n3\n4,5\n",
            r"row 2 of t.csv \(not counting the header\) has 1 value where the header has 2",
        ),
        ("t.csv", "a,b\n1,2\n3,4\n5,6,7\n", "row 3 of t.csv .* has 3 values"),
        ("t.csv", 'a,b\n"1,2\n3,4\n', "look for an unclosed quote"),
        ("t.csv", b"a,b\n\x81\x01\x02\x03,3\n", "t.csv is not UTF-8 text"),
        ("t.csv", b"a,b\n" + b"1,2\n" * 500_000 + b"\xff\x00\x01,3\n", "t.csv is not UTF-8 text"),
        ("t.csv", b"a,b\n\x00\x01\x02,3\n", "t.csv is not UTF-8 text"),
        ("t.csv", "a;b\n1;2;3\n4\n", "separated by ';' where ',' is expected"),
        ("t.tsv", "a,b\n1,2,3\n2\n", "separated by ','"),
        ("t.docx", "x", "of an unknown kind; files that can be read end in .csv"),
        ("t.xlsx", "x", "t.xlsx is not an intact workbook"),
        ("students", "x", "of an unknown kind"),
        ("t.parquet", "", "is empty"),
        ("t.parquet", "this is no Parquet file", "not an intact Parquet file"),
    ],
)
def test_files_that_are_refused(
    tmp_path: Path, name: str, content: str | bytes, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        read_table(write(tmp_path, name, content))


def test_damaged_archives(tmp_path: Path) -> None:
    whole = gzip.compress(b"a,b\n" + np.random.default_rng(0).bytes(3000).hex().encode() * 40)
    for name, content in (("cut.csv.gz", whole[: len(whole) // 2]), ("fake.csv.gz", b"a,b\n1,2\n")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError, match=f"{name} (is not an intact gzip|cannot be read)"):
            read_table(tmp_path / name)
    pq.write_table(pa.table({"a": np.arange(1000)}), tmp_path / "whole.parquet")
    content = (tmp_path / "whole.parquet").read_bytes()
    (tmp_path / "cut.parquet").write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match="not an intact Parquet file"):
        read_table(tmp_path / "cut.parquet")


def test_parquet_without_rows_and_with_duplicate_names(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": pa.array([], pa.int64())}), tmp_path / "none.parquet")
    with pytest.raises(DataError, match=r"has columns \(a\) but no rows"):
        read_table(tmp_path / "none.parquet")
    pq.write_table(pa.table([[1], [2]], names=["a", "a"]), tmp_path / "twice.parquet")
    with pytest.raises(DataError, match="duplicate column names: 'a'"):
        read_table(tmp_path / "twice.parquet")


def test_a_folder_named_like_a_partition_adds_no_column(tmp_path: Path) -> None:
    folder = tmp_path / "year=1982"
    folder.mkdir()
    pq.write_table(pa.table({"a": [1]}), folder / "t.parquet")
    assert read_table(folder / "t.parquet").names == ("a",)


def test_files_that_are_not_there(tmp_path: Path) -> None:
    write(tmp_path, "students.csv", "a\n1\n")
    with pytest.raises(DataError, match=r"does not exist; did you mean 'students.csv'\?"):
        read_table(tmp_path / "student.csv")
    with pytest.raises(DataError, match="does not exist; check the name"):
        read_table(tmp_path / "zzz.parquet")
    with pytest.raises(DataError, match="there is no directory"):
        read_table(tmp_path / "nowhere" / "students.csv")
    with pytest.raises(DataError, match="is a directory; give one file"):
        read_table(tmp_path)
    with pytest.raises(DataError, match="is an address, not a file; download it"):
        read_table("https://example.org/students.csv")


def test_a_new_kind_of_file_is_one_function_and_one_line(tmp_path, monkeypatch):
    """What a reader registers is read by `read_table` and by `fit`, and named in refusals."""

    def read_pairs(path, columns, options, part):
        values = np.array([line.split("=") for line in path.read_text().split()]).T
        return as_table({"y": values[1].astype(float), "g": values[0]}, columns=columns)

    members = {**READERS._members, ".pairs": Format(read=read_pairs, what="pairs")}
    monkeypatch.setattr(READERS, "_members", members)
    path = tmp_path / "scores.pairs"
    path.write_text("a=1 a=2.5 a=1.7 b=3 b=4.1 b=3.2 c=0.3 c=1.9 c=1.1")
    assert read_table(path, columns=["y"]).columns["y"][1] == 2.5
    fitted = fit("y ~ 1 + (1 | g)", path, random_seed=1, draws=50)
    assert list(fitted.design.labels) == ["a", "b", "c"]
    with pytest.raises(DataError, match=r"end in .*\.pairs"):
        read_table(write(tmp_path, "scores.xyz", "a"))
