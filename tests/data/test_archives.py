"""Text of other endings, compressed files, archives, and files of R with several objects."""

import bz2
import lzma
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest

from bayes_mlm.base.errors import DataError
from bayes_mlm.data import as_table
from bayes_mlm.data.reading import read_table

FILES = Path(__file__).parent / "files"
TEXT = "g,v\nÅs,1.5\nÅs,\n,3\n"


def test_files_compressed_by_bzip2_and_xz(tmp_path: Path) -> None:
    packed = {"t.csv.bz2": bz2.compress(TEXT.encode()), "t.csv.xz": lzma.compress(TEXT.encode())}
    for name, content in packed.items():
        (tmp_path / name).write_bytes(content)
        assert read_table(tmp_path / name).columns["g"].tolist() == ["Ås", "Ås", None]
        (tmp_path / name).write_bytes(content[: len(content) // 2])
        with pytest.raises(DataError, match=r"not an intact|cannot be read"):
            read_table(tmp_path / name)


def test_the_data_file_of_an_archive(tmp_path: Path) -> None:
    path = tmp_path / "all.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("data/pupils.csv", TEXT)
        archive.writestr("__MACOSX/data/._pupils.csv", b"\x00")
        archive.writestr("LICENCE", "free")
    table = read_table(path)
    assert table.source == "all.zip"
    assert table.columns["v"].tolist()[::2] == [1.5, 3.0]
    assert read_table(path, columns=["v"]).names == ("v",)
    with pytest.raises(DataError, match=r"a text file, to which sheet \(--sheet\) does not apply"):
        read_table(path, sheet="A")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("b.csv", "w\n1\n")
    with pytest.raises(DataError, match=r"2 data files .* two colons: 'all.zip::data/pupils.csv'"):
        read_table(path)
    assert read_table(f"{path}::b.csv").columns["w"].tolist() == [1]
    assert read_table(f"{path}::pupils.csv").names == ("g", "v")
    with pytest.raises(DataError, match="has no data file 'c.csv'; it has"):
        read_table(f"{path}::c.csv")


def test_archives_that_have_none(tmp_path: Path) -> None:
    path = tmp_path / "t.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("notes.docx", "x")
    with pytest.raises(DataError, match=r"no data file, but 'notes.docx'; unpack it first"):
        read_table(path)
    path.write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(DataError, match="not an intact zip archive"):
        read_table(path)


def test_objects_that_r_saved_together() -> None:
    one = read_table(FILES / "one.RData")  # the only data frame
    assert one.categories["g"] == ("y", "x")
    np.testing.assert_array_equal(one.columns["v"], [1.5, np.nan, 3.0])
    with pytest.raises(DataError, match=r"2 data frames \('a', 'c'\); .*'several.RData::a'"):
        read_table(FILES / "several.RData")
    assert read_table(f"{FILES / 'several.RData'}::c").columns["w"].tolist() == [4, 5]
    with pytest.raises(DataError, match="has no data frame 'b'; it has 'a', 'c'"):
        read_table(f"{FILES / 'several.RData'}::b")
    with pytest.raises(DataError, match="one object, which has no name; omit ::a"):
        read_table(f"{FILES / 'factors.rds'}::a")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("t.txt", "g,v\nx y,1.5\nz,2\n"),
        ("t.txt", "g\tv\nx y\t1.5\nz\t2\n"),
        ("t.tab", "g\tv\nx y\t1.5\nz\t2\n"),
        ("t.dat", "g;v\nx y;1,5\nz;2\n"),
        ("t.csv2", "g;v\nx y;1,5\nz;2\n"),
        ("t.dat", '  g      v\n  "x y"  1.5 \n  z      2\n'),
        ("t.txt", '"g" "v"\n"1" "x y" 1.5\n"2" "z" 2\n'),  # R's write.table
        ("t.txt", '"g"\t"v"\n"1"\t"x y"\t1.5\n"2"\t"z"\t2\n'),  # with sep = "\t"
        ("t.txt", '"g" "v"\n"1" "x y" 1,5\n"2" "z" 2\n'),  # with dec = ","
    ],
)
def test_text_of_other_endings(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    table = read_table(tmp_path / name)
    assert table.columns["g"].tolist() == ["x y", "z"]
    assert table.columns["v"].tolist() == [1.5, 2.0]


def test_blanks_separate_where_they_are_asked_to(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("g   v\nx   1\ny  22\n")
    assert read_table(path).names == ("g   v",)
    assert read_table(path, delimiter="blank").columns["v"].tolist() == [1, 22]


@pytest.mark.parametrize("mark", [",", ";"])
@pytest.mark.parametrize("title", ["Study of towns\nprinted in May\n\n", "# from the lab\n"])
def test_lines_above_the_names_are_counted(tmp_path: Path, title: str, mark: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(title + mark.join("gv") + "\n" + f"a{mark}1\n" * 4)
    span = "1-3" if "towns" in title else "1"
    with pytest.raises(DataError, match=rf"--omit-rows {span}\)"):
        read_table(path)
    assert read_table(path, omit_rows=span).names == ("g", "v")


def test_utf32_and_enumerations_of_polars(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(TEXT.encode("utf-32"))
    assert read_table(tmp_path / "t.csv").columns["g"].tolist() == ["Ås", "Ås", None]
    frame = pl.DataFrame({"a": pl.Series(["lo", None, "hi"], dtype=pl.Enum(["lo", "hi"]))})
    for compat in ("newest", "oldest"):
        frame.write_ipc(tmp_path / "t.feather", compat_level=_level(compat))
        table = read_table(tmp_path / "t.feather")
        assert table.columns["a"].tolist() == ["lo", None, "hi"]
        assert table.categories["a"] == ("lo", "hi")


def _level(name: str) -> pl.CompatLevel:
    return getattr(pl.CompatLevel, name)()


def test_named_levels_of_an_index_are_columns(tmp_path: Path) -> None:
    frame = pd.DataFrame({"g": ["a", "b"], "h": [1, 2], "v": [3.0, 4.0]}).set_index(["g", "h"])
    frame.to_parquet(tmp_path / "t.parquet")
    for source in (as_table(frame), read_table(tmp_path / "t.parquet")):
        assert set(source.names) == {"g", "h", "v"}
        assert source.columns["g"].tolist() == ["a", "b"]
    assert as_table(frame, columns=["v"]).names == ("v",)
    both = frame.reset_index().set_index("g", drop=False)  # a column of that name is there
    assert as_table(both).names == ("g", "h", "v")
    assert as_table(frame.reset_index(level="h").rename_axis(None)).names == ("h", "v")
