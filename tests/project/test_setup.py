"""Set-up finds an interpreter, makes .venv once and whole, from pins that name no host.

Interpreters and pip are played by a shell script here, so nothing is downloaded.
"""

import itertools
import os
import re
import shutil
import stat
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from bayes_mlm.report.sections import SECTIONS
from tests.helpers import ROOT

PINS = {level: ROOT / "requirements" / f"{level}.txt" for level in ("run", "dev", "bench")}

# Runs as this interpreter, says it is version {version}, makes a "virtual environment" that is a
# copy of itself, and writes down what pip is asked to do.
INTERPRETER = """#!/bin/sh
case "$1 $2" in
    "-m venv") mkdir -p "$3/bin"; cp "$0" "$3/bin/python" ;;
    "-m pip")
        echo "$*" >>pip.log
        [ ! -e pip.fails ] || {{ echo "ERROR: No matching distribution"; exit 1; }}
        ;;
    *)
        exec '{real}' -c 'import sys
sys.version_info = ({version}, "final", 0); sys.executable = sys.argv[1]; exec(sys.argv[3])' \
"$0" "$@" ;;
esac
"""
# Only what POSIX gives, so that no interpreter of the real machine is on PATH.
TOOLS = ["cat", "cksum", "cp", "cut", "dirname", "env", "grep", "head", "id", "ls", "mkdir", "rm"]
TOOLS += ["sh", "sleep", "sort", "tail", "tr", "wc"]
SHIM = '#!/bin/sh\necho "pyenv: $0: command not found; it exists in 3.13.0" >&2\nexit 127\n'


def executable(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def interpreter(path: Path, version: tuple[int, int, int]) -> Path:
    shown = ", ".join(map(str, version))
    return executable(path, INTERPRETER.format(real=sys.executable, version=shown))


class Machine:
    """A copy of the project, in a path with a space, on a machine with an empty environment."""

    def __init__(self, where: Path) -> None:
        self.project, self.bin, self.home = where / "a project", where / "bin", where / "home"
        self.home.mkdir()
        shutil.copytree(ROOT / "requirements", self.project / "requirements")
        shutil.copy(ROOT / "pyproject.toml", self.project)
        script = (ROOT / "scripts" / "setup").read_text(encoding="utf-8")
        # The machine has its own /opt and /usr/local, and nothing in them.
        for place in ("/usr/local", "/opt", "/Library"):
            script = script.replace(f" {place}/", f" {self.home}{place}/")
        executable(self.project / "scripts" / "setup", script)
        self.bin.mkdir()
        for tool in TOOLS:
            found = shutil.which(tool)
            assert found, f"this test needs {tool}"
            (self.bin / tool).symlink_to(found)

    def setup(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [shutil.which("sh") or "sh", str(self.project / "scripts" / "setup"), *arguments],
            env={"PATH": str(self.bin), "HOME": str(self.home), **environment},
            capture_output=True,
            text=True,
            check=False,
        )

    def which(self, **environment: str) -> str:
        run = self.setup("which", **environment)
        assert run.returncode == 0, run.stderr
        return run.stdout.strip()

    def pip_calls(self) -> list[str]:
        log = self.project / "pip.log"
        calls = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
        log.unlink(missing_ok=True)
        return calls


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_failing_shims_and_an_old_python3_are_passed_over(machine: Machine) -> None:
    interpreter(machine.bin / "python3", (3, 11, 7))
    for name in ("python3.12", "python3.13", "python3.14"):
        executable(machine.bin / name, SHIM)
    versions = machine.home / ".pyenv" / "versions"
    interpreter(versions / "3.11.7" / "bin" / "python3", (3, 11, 7))
    interpreter(versions / "3.12.9" / "bin" / "python3", (3, 12, 9))
    interpreter(versions / "3.12.10" / "bin" / "python3", (3, 12, 10))
    assert machine.which() == str(versions / "3.12.10" / "bin" / "python3")
    interpreter(versions / "3.13.0" / "bin" / "python3", (3, 13, 0))
    assert machine.which() == str(versions / "3.13.0" / "bin" / "python3")


def test_python3_on_path_is_enough(machine: Machine) -> None:
    found = interpreter(machine.bin / "python3", (3, 12, 0))
    assert machine.which() == str(found)


def test_python_variable_decides_or_fails(machine: Machine) -> None:
    interpreter(machine.bin / "python3.13", (3, 13, 0))
    chosen = interpreter(machine.home / "my own" / "python", (3, 12, 1))
    assert machine.which(PYTHON=str(chosen)) == str(chosen)
    old = interpreter(machine.home / "old", (3, 11, 9))
    run = machine.setup("which", PYTHON=str(old))
    assert run.returncode == 1
    assert "not a working CPython 3.12 or later" in run.stderr


def test_without_an_interpreter_one_message_says_what_to_install(machine: Machine) -> None:
    interpreter(machine.bin / "python3", (3, 11, 7))
    run = machine.setup("run")
    assert run.returncode == 1
    assert run.stderr.count("\n") == 1
    assert "no CPython 3.12 or later was found" in run.stderr
    assert "install Python 3.13" in run.stderr
    assert not (machine.project / ".venv").exists()


def test_opt_is_looked_into(machine: Machine) -> None:
    found = interpreter(machine.home / "opt" / "python" / "bin" / "python3.13", (3, 13, 1))
    assert machine.which() == str(found)


def test_the_interpreters_of_uv_are_found(machine: Machine) -> None:
    found = interpreter(
        machine.home / ".local/share/uv/python/cpython-3.13.2-linux-x86_64-gnu/bin/python3",
        (3, 13, 2),
    )
    assert machine.which() == str(found)


def test_second_run_does_nothing_and_changes_are_followed(machine: Machine) -> None:
    interpreter(machine.bin / "python3.13", (3, 13, 0))
    assert machine.setup("run").returncode == 0
    pins, package = machine.pip_calls()
    assert pins.endswith("-r requirements/run.txt")
    assert package.endswith("--editable .")

    again = machine.setup("run")
    assert (again.returncode, again.stderr, machine.pip_calls()) == (0, "", [])

    assert machine.setup("dev").returncode == 0
    assert [call.split()[-1] for call in machine.pip_calls()] == ["requirements/dev.txt"]
    assert machine.setup("run").returncode == 0
    assert machine.setup("dev").returncode == 0
    assert machine.pip_calls() == []

    with (machine.project / "pyproject.toml").open("a", encoding="utf-8") as file:
        file.write("# changed\n")
    assert machine.setup("dev").returncode == 0
    assert [call.split()[-1] for call in machine.pip_calls()] == ["."]

    with (machine.project / "requirements" / "run.txt").open("a", encoding="utf-8") as file:
        file.write("one-more==1.0\n")
    run = machine.setup("dev")
    assert "Making .venv" in run.stderr
    assert [call.split()[-1] for call in machine.pip_calls()] == ["requirements/dev.txt", "."]


def test_half_made_environment_is_made_anew(machine: Machine) -> None:
    interpreter(machine.bin / "python3.13", (3, 13, 0))
    (machine.project / "pip.fails").touch()
    run = machine.setup("run")
    assert run.returncode == 1
    assert "ERROR: No matching distribution" in run.stderr
    assert "point pip at a local index" in run.stderr.replace("\n", " ")
    leftover = machine.project / ".venv" / "leftover"
    leftover.touch()
    machine.pip_calls()
    (machine.project / "pip.fails").unlink()
    assert machine.setup("run").returncode == 0
    assert len(machine.pip_calls()) == 2
    assert not leftover.exists()
    assert not (machine.project / ".venv.lock").exists()


def test_lost_or_other_interpreter_is_noticed(machine: Machine) -> None:
    interpreter(machine.bin / "python3.13", (3, 13, 0))
    other = interpreter(machine.bin / "python3.12", (3, 12, 1))
    assert machine.setup("run").returncode == 0
    (machine.project / ".venv" / "bin" / "python").unlink()
    assert "Making .venv with Python 3.13.0" in machine.setup("run").stderr
    assert "Making .venv with Python 3.12.1" in machine.setup("run", PYTHON=str(other)).stderr


def test_moved_environment_is_made_anew(machine: Machine, tmp_path: Path) -> None:
    interpreter(machine.bin / "python3.13", (3, 13, 0))
    assert machine.setup("run").returncode == 0
    machine.project = machine.project.rename(tmp_path / "moved")
    assert "Making .venv" in machine.setup("run").stderr


def test_lock_of_a_killed_run_is_taken_over(machine: Machine) -> None:
    interpreter(machine.bin / "python3.13", (3, 13, 0))
    ended = subprocess.Popen(["true"])
    ended.wait()
    lock = machine.project / ".venv.lock"
    lock.mkdir()
    (lock / "pid").write_text(f"{ended.pid}\n", encoding="utf-8")
    assert machine.setup("run").returncode == 0


def pins(level: str) -> dict[str, str]:
    lines = PINS[level].read_text(encoding="utf-8").splitlines()
    found = [re.fullmatch(r"([a-z0-9-]+)==([0-9a-z.]+)( ; .*)?", line) for line in lines]
    assert all(found), "a line is not `name==version`: no option, host or path belongs here"
    return {match[1]: match[2] for match in found if match}


def test_pins_satisfy_what_the_project_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    run = [*project["project"]["dependencies"], *project["dependency-groups"]["build"]]
    groups = project["dependency-groups"]
    for level in PINS:
        listed = groups.get(level, [])
        included = [groups[one["include-group"]] for one in listed if isinstance(one, dict)]
        named = [one for one in listed if isinstance(one, str)]
        wanted = [*run, *named, *itertools.chain(*included)]
        pinned = pins(level)
        for requirement in map(Requirement, wanted):
            assert requirement.specifier.contains(pinned[requirement.name]), (level, requirement)


def test_checks_and_benchmarks_run_on_the_versions_that_are_shipped() -> None:
    for level in ("dev", "bench"):
        assert pins("run").items() <= pins(level).items()


def test_peers_get_an_environment_of_their_own(machine: Machine) -> None:
    interpreter(machine.bin / "python3", (3, 13, 0))
    assert machine.setup("bench").returncode == 0
    assert [call.split()[-1] for call in machine.pip_calls()] == ["requirements/bench.txt", "."]
    assert (machine.project / ".venv-bench").is_dir()
    assert not (machine.project / ".venv").exists()
    assert machine.setup("bench").returncode == 0
    assert machine.pip_calls() == []


def test_ci_runs_the_test_command_and_it_runs_every_check() -> None:
    ci = ROOT / ".ci" / "run"
    assert os.access(ci, os.X_OK)
    assert ci.read_text(encoding="utf-8").rstrip().endswith("\nmake test")
    run = subprocess.run(
        ["make", "--dry-run", "test"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    steps = [
        "scripts/setup dev",
        "ruff check",
        "ruff format --check",
        "mypy",
        "lint-imports",
        "pytest",
    ]
    places = [run.stdout.find(step) for step in steps]
    assert -1 not in places
    assert places == sorted(places)


def test_wheel_and_sdist_carry_what_they_should(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--directory", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    inside = set(zipfile.ZipFile(wheel).namelist())
    records = {f"bayes_mlm/_models/{path.name}" for path in (ROOT / "models").glob("*.toml")}
    data = {
        f"bayes_mlm/data/embedded/{path.name}"
        for path in (ROOT / "bayes_mlm/data/embedded").iterdir()
    }
    assert records
    assert data
    templates = ROOT / "bayes_mlm" / "report" / "templates"
    files = (path for path in templates.rglob("*") if path.is_file())
    pages = {path.relative_to(ROOT).as_posix() for path in files}
    assert len(pages) == 4 + len(SECTIONS)  # a template for each section of the report
    assert records | data | pages | {"bayes_mlm/py.typed", "bayes_mlm/__init__.py"} <= inside
    assert {path.split("/")[0] for path in inside} == {
        "bayes_mlm",
        wheel.name.split("-py3")[0] + ".dist-info",
    }
    (sdist,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        sources = {name.split("/", 1)[-1] for name in archive.getnames()}
    wanted = ("Makefile", "scripts/setup", "requirements/dev.txt", "tests/conftest.py", "LICENSE")
    assert {*wanted, "models/" + min(records).rsplit("/", 1)[-1]} <= sources
