"""What the machine refuses is said once, and leaves what was there as it was."""

import io
import resource
import sys

import pytest
from rich.console import Console

from bayes_mlm import open_data, read_table
from bayes_mlm.base import memory
from bayes_mlm.base.atomic import atomic_file, atomic_folder, file_obstacle, folder_obstacle
from bayes_mlm.base.errors import DataError, EngineError, SpecError, StorageError
from bayes_mlm.base.rendering.terminal import TerminalTable
from bayes_mlm.base.rendering.view import View
from bayes_mlm.base.text.visible import visible
from bayes_mlm.cli.faults import in_one_line
from bayes_mlm.design.damage import naming
from bayes_mlm.fitting.entry import fit
from bayes_mlm.studies.record import load_record


@pytest.fixture
def small_files():
    """Let no file grow beyond 4 kB, as a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def put(folder, **files):
    with atomic_folder(folder) as stage:
        for name, text in files.items():
            (stage / name).write_text(text)


def test_a_full_disk_leaves_what_was_there(small_files, tmp_path):
    (tmp_path / "a").write_text("old")
    with pytest.raises(StorageError, match="a': File too large"), atomic_file(tmp_path / "a") as p:
        p.write_bytes(bytes(9999))
    with pytest.raises(StorageError, match="too large"):
        put(tmp_path, a="new", b="x" * 9999)
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("a", "old")]


def test_a_folder_in_the_place_of_a_file_stops_all_of_them(tmp_path):
    (tmp_path / "a").write_text("old")
    (tmp_path / "b").mkdir()
    with pytest.raises(StorageError, match="'b' exists"):
        put(tmp_path, a="new", b="new")
    assert (tmp_path / "a").read_text() == "old"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "b"]
    assert "'b'" in folder_obstacle(tmp_path, ["a", "b"])


@pytest.mark.parametrize("name", ["/dev/full", "n" * 300, "a\0b", "file/x", "no/x", "."])
def test_places_for_no_file(name, tmp_path):
    (tmp_path / "file").write_text("")
    assert file_obstacle(tmp_path / name) is not None


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ("x=" + "[" * 2000 + "]" * 2000, "nested|key"),
        ("order=" + "9" * 5000, "digits"),
    ],
)
def test_records_that_break_a_reader(more, says, tmp_path):
    path = tmp_path / "r.toml"
    path.write_text(more)
    with pytest.raises(SpecError, match=says):
        load_record(path)


def test_more_draws_than_memory_are_refused():
    with pytest.raises(EngineError, match="4,000,000,000,000 draws need about .* GB"):
        fit("reaction ~ days", "sleepstudy", draws=10**12, random_seed=1)


def test_effects_that_are_summarised_count_for_no_memory(monkeypatch):
    def begin(*_, **__):
        raise EngineError("begun")

    monkeypatch.setattr(
        "bayes_mlm.base.memory.free_memory", lambda: 5e8
    )  # 72 million effects: 0.58 GB
    monkeypatch.setattr("bayes_mlm.engines.nuts.sample_nuts", begin)
    formula, settings = "reaction ~ days + (1 | subject)", {"draws": 10**6, "random_seed": 1}
    with pytest.raises(EngineError, match="begun"):
        fit(formula, "sleepstudy", engine="nuts", **settings)


def test_cached_files_of_a_container_are_free_memory(tmp_path, monkeypatch):
    for name, text in (
        ("memory.max", "1000\n"),
        ("memory.current", "900\n"),
        ("memory.stat", "anon 200\nactive_file 300\ninactive_file 400\n"),
    ):
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(memory, "_CGROUPS", [(tmp_path, "memory.max", "memory.current")])
    assert memory.free_memory() == 800.0
    (tmp_path / "memory.max").write_text("max\n")
    assert memory.free_memory() > 1e6


def test_memory_that_runs_out_is_not_said_to_be_a_damaged_file(tmp_path):
    with pytest.raises(MemoryError), naming(tmp_path, "a saved fit", "copy it again"):
        raise MemoryError


def test_a_closed_standard_error_sends_no_error_to_the_output(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stderr", None)
    with pytest.raises(SystemExit) as ended, in_one_line():
        raise DataError("no column 'x'")
    sys.stderr.close()
    assert ended.value.code == 1
    assert capsys.readouterr().out == ""


def test_control_characters_are_shown():
    assert visible("a\x1b[2J\u202e\x9b\nb") == r"a\x1b[2J\u202e\x9b\nb"
    acting, text = "a\x1b[2Jb", io.StringIO()
    view = View(headings=(acting,), cells=((acting,),), title=acting, legend=(acting,))
    Console(file=text, markup=False).print(TerminalTable(view=view))
    assert "\x1b" not in text.getvalue()
    assert text.getvalue().count(visible(acting)) == 4


def test_an_interrupt_while_the_command_line_is_imported_is_a_line(monkeypatch, capsys):
    from bayes_mlm import __main__ as entry

    class Interrupted:
        def find_spec(self, name, *_):
            if name == "bayes_mlm.cli":
                raise KeyboardInterrupt

    monkeypatch.setattr(sys, "meta_path", [Interrupted(), *sys.meta_path])
    for name in [name for name in sys.modules if name.startswith("bayes_mlm.cli")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr("bayes_mlm.cli", raising=False)
    with pytest.raises(SystemExit) as stopped:
        entry.main()
    assert stopped.value.code == 130
    assert capsys.readouterr().err == "interrupted; nothing is half-written\n"


@pytest.mark.parametrize(("begin", "says"), [(b"\x1f\x8b\x08", "gz"), (b"PK\x03\x04", "workbook")])
def test_a_csv_that_is_something_else_is_said_to_be(begin, says, tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes(begin + bytes(range(256)))
    for read in (read_table, open_data):
        with pytest.raises(DataError, match=says):
            read(path)
