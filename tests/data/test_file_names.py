"""A name is that of one file, whatever marks are in it; what is no file is refused at once."""

import gzip
import os
import socket
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bayes_mlm import load_fit, load_record, load_sums, open_data, read_table, save_sums
from bayes_mlm.base.errors import BayesMLMError, DataError, SpecError, StorageError
from bayes_mlm.cli.files import check_file
from bayes_mlm.design.aggregated import collect_rows, find_files, sum_rows
from bayes_mlm.design.build import read_data
from bayes_mlm.model.spec import is_formula

# Marks of patterns, of shells, of addresses, of partitions; spaces, quotes, breaks, no ASCII.
NAMES = [
    *("br[1]", "a*b", "a?b", "{a,b}", "~t", "a%20b", "a b", "a'b", 'a"b', "-x", "a\nb", "s3:x"),
    *("http:a", "file:", "a\\b", "a\\*b", "a[!x]", "é日", "[", "[[]", "**", " ", "g=1", "_x"),
]
# What the patterns among them would match in their place.
DECOYS = ["br1", "aXb", "ax", "a", "b"]


def write(path, values):
    values = [float(value) for value in values]
    if path.name.endswith(".parquet"):
        with path.open("wb") as stream:  # a stream: Arrow may take the name for an address
            pq.write_table(pa.table({"v": values}), stream)
    else:
        text = "v\n" + "".join(f"{value}\n" for value in values)
        data = text.encode()
        path.write_bytes(gzip.compress(data) if path.name.endswith(".gz") else data)


READERS = {
    "read_table": read_table,
    "rows kept": read_data,
    "rows summed": lambda name: collect_rows(open_data(name), ["v"]),
}


@pytest.mark.parametrize("ending", [".csv", ".csv.gz", ".parquet"])
def test_every_reader_takes_a_name_literally(ending, tmp_path, monkeypatch):
    names = NAMES[:4] if ending == ".csv.gz" else NAMES
    for k, name in enumerate(names):
        write(tmp_path / (name + ending), [k + 0.5])
    for name in DECOYS:
        write(tmp_path / (name + ending), [-1.5])
    monkeypatch.chdir(tmp_path)
    for k, name in enumerate(names):
        given = str(tmp_path / (name + ending)) if k % 5 == 0 else f"./{name}{ending}"
        for what, read in READERS.items():
            assert read(given).columns["v"].tolist() == [k + 0.5], (what, given)
    # A folder: every file once, but for hidden ones.
    found = collect_rows(open_data(tmp_path), ["v"]).columns["v"]
    wanted = [k + 0.5 for k, name in enumerate(names) if name != "_x"] + [-1.5] * len(DECOYS)
    assert sorted(found.tolist()) == sorted(wanted)


def test_a_pattern_is_one_where_no_file_has_its_name(tmp_path):
    for name in ("y1.csv", "y2.csv", "z.csv"):
        write(tmp_path / name, [1])
    folder = tmp_path / "y[1]"
    folder.mkdir()
    write(folder / "y1.csv", [2])
    write(folder / "y[1].csv", [3])

    def found(pattern):
        return [file.name for file in find_files(str(tmp_path / pattern))]

    assert found("y?.csv") == found("y[12].csv") == ["y1.csv", "y2.csv"]
    assert found("y[1]/y?.csv") == ["y1.csv"]  # the folder is there, and so is no pattern
    assert found("y[1]/y[1].csv") == ["y[1].csv"]
    assert found("y[[]1]") == ["y1.csv", "y[1].csv"]  # a folder that matches: its files
    assert sorted(found("**/y*.csv")) == ["y1.csv", "y1.csv", "y2.csv", "y[1].csv"]
    with pytest.raises(DataError, match="no data file matches"):
        found("y[3].csv")
    with pytest.raises(DataError, match=r"y\[1\]/z.csv does not exist; did you mean"):
        found("y[1]/z.csv")


def test_a_file_under_two_names_is_read_once_and_a_link_back_does_no_harm(tmp_path):
    write(tmp_path / "a.csv", [1, 2])
    (tmp_path / "latest.csv").symlink_to("a.csv")
    os.link(tmp_path / "a.csv", tmp_path / "hard.csv")
    (tmp_path / "within").mkdir()
    (tmp_path / "within" / "back").symlink_to(tmp_path)
    write(tmp_path / "within" / "b.csv", [3])
    found = collect_rows(open_data(tmp_path), ["v"]).columns["v"]
    assert sorted(found.tolist()) == [1, 2, 3]


def test_the_file_of_a_message_is_named_on_one_line(tmp_path):
    path = tmp_path / "a\n[1].csv"
    path.write_text("v\n1\n2\nx,y\n")
    for read in READERS.values():
        with pytest.raises(DataError, match=r"a\\n\[1\].csv") as refused:
            read(path)
        assert "\n" not in str(refused.value)


def test_home_is_meant_only_where_no_file_has_the_name(tmp_path, monkeypatch):
    home, here = tmp_path / "home", tmp_path / "here"
    for folder in (home, here, here / "~"):
        folder.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(here)
    write(home / "t.csv", [1])
    assert [read("~/t.csv").columns["v"][0] for read in READERS.values()] == [1, 1, 1]
    write(here / "~" / "t.csv", [2])
    assert [read("~/t.csv").columns["v"][0] for read in READERS.values()] == [2, 2, 2]


def test_models_whose_names_hold_marks(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "http:a[1].csv").write_text("y,g\n1,a\n2,a\n4,b\n7,b\n")
    text = 'title = "t"\ndata = "http:a[1].csv"\nformula = "y ~ 1 + (1 | g)"\nkind = '
    (tmp_path / "~m.toml").write_text(f'{text}"partial_pooling"\n')
    assert not is_formula("./~m.toml")
    assert is_formula("y ~ x.toml")
    assert read_data(load_record("./~m.toml").source.location).n == 4
    (tmp_path / "m.toml").write_text(f'{text.replace("http:a", "http:b")}"partial_pooling"\n')
    with pytest.raises(SpecError, match="is an address"):
        load_record("m.toml")
    # Saved sums: a folder called label=3 makes no column of that name.
    (tmp_path / "label=3").mkdir()
    design = sum_rows("y ~ 1 + (1 | g)", open_data("http:a[1].csv"))
    saved = save_sums(design, Path("label=3", "s[1].sums"))
    assert load_sums(saved).labels.tolist() == ["a", "b"]


def test_what_is_read_is_not_written_to(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a~b.csv", "br[1].csv"):
        write(tmp_path / name, [1])
        with pytest.raises(StorageError, match="is read as"):
            check_file(Path(name), "o.csv", inputs=(name,))
    check_file(Path("br1.csv"), "o.csv", inputs=("br[1].csv", "y ~ x"))
    with pytest.raises(StorageError, match="is read as"):
        check_file(Path("br1.csv"), "o.csv", inputs=("br?.csv",))
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(StorageError, match="is read as"):
        check_file(Path("new.csv"), "o.csv", inputs=("~/*.csv",))


# --- no files ---------------------------------------------------------------------------------

KINDS = {
    "device": (lambda path: path.symlink_to("/dev/zero"), "is a device, which may never end"),
    "pipe": (os.mkfifo, "is a pipe, which may never end"),
    "socket": (lambda path: socket.socket(socket.AF_UNIX).bind(str(path)), "is a socket"),
    "broken": (lambda path: path.symlink_to("nowhere"), "is a link to a file that is not there"),
    "loop": (lambda path: path.symlink_to(path.name), "cannot be read"),
    "folder": (lambda path: path.mkdir(), "director"),
    "empty": (
        lambda path: path.touch(),
        r"empty|0 bytes|contains no sums|required key|cannot be read",
    ),
}
ENDINGS = {
    ".csv": (read_table, read_data, open_data),
    ".csv.gz": (read_table, open_data),
    ".parquet": (read_table, open_data),
    ".toml": (load_record,),
    ".sums": (load_sums,),
    ".nc": (load_fit,),
}


@pytest.mark.filterwarnings("ignore:unclosed.*socket:ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_file_is_refused_at_once(kind, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # a socket's path may have 107 characters
    make, reason = KINDS[kind]
    for ending, readers in ENDINGS.items():
        path = Path("x" + ending)
        make(path)
        for read in readers:
            with pytest.raises(BayesMLMError, match=reason) as refused:
                read(path)
            assert "\n" not in str(refused.value)


def test_a_folder_with_something_that_is_no_file_loses_nothing(tmp_path):
    write(tmp_path / "a.csv", [1])
    (tmp_path / "b.csv").symlink_to("nowhere")
    for source in (tmp_path, tmp_path / "*.csv"):
        with pytest.raises(DataError, match=r"b.csv is a link to a file that is not there"):
            open_data(source)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ("null\0.csv", "null character"),
        ("x" * 300 + ".csv", "cannot be read"),
        (os.fsdecode(b"\xff.csv"), "not UTF-8"),
        ("s3://bucket/t.csv", "is an address"),
    ],
)
def test_names_that_no_file_has(given, reason, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for read in READERS.values():
        with pytest.raises(DataError, match=reason) as refused:
            read(given)
        str(refused.value).encode()


@pytest.mark.parametrize(
    "arguments",
    [
        ("fit", "y ~ x + (1 | g)", "--data", "/dev/zero"),
        ("fit", "y ~ x + (1 | g)", "--data", "f.csv", "--rows", "sum"),
        ("fit", "f.toml"),
        ("fit", "f.sums"),
        ("describe", "--data", "f.csv"),
        ("predict", "y ~ x + (1 | g)", "--data", "t.csv", "--new", "f.csv"),
        ("sum", "f.sums", "--data", "t.csv", "--out", "o.sums"),
        ("merge", "f.sums", "f.sums", "--out", "o.sums"),
        ("loo-compare", "y ~ x + (1 | g)", "y ~ 1 + (1 | g)", "--data", "f.csv"),
    ],
)
def test_commands_refuse_pipes_and_devices_in_one_line(
    arguments, tmp_path, monkeypatch, run_command
):
    monkeypatch.chdir(tmp_path)
    for name in ("f.csv", "f.toml", "f.sums"):
        os.mkfifo(name)
    rows = np.random.default_rng(1).normal(size=(12, 2))
    lines = [f"{y},{x},{k % 3}" for k, (y, x) in enumerate(rows)]
    Path("t.csv").write_text("\n".join(["y,x,g", *lines]))
    code, out, err = run_command(*arguments)
    assert code == 1
    assert not out
    assert err.count("\n") == 1
    assert "which may never end; save what it gives to a file" in err
    assert not Path("o.sums").exists()
