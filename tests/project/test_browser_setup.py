"""Chromium is installed where that asks nobody, and never in the way (scripts/browser)."""

import shutil
import subprocess

import pytest

from tests.helpers import ROOT

SCRIPT = ROOT / "scripts" / "browser"
TOOLS = ("cat", "dirname", "env", "mkdir", "sh")
APT = '#!/bin/sh\necho "$*" >>"$CALLS"\n'


@pytest.fixture
def machine(tmp_path):
    """Play a machine: its tools, apt among them, write down what they are asked for."""
    tools, project = tmp_path / "bin", tmp_path / "a project"
    tools.mkdir()
    (project / "scripts").mkdir(parents=True)
    shutil.copy(SCRIPT, project / "scripts" / "browser")
    for tool in TOOLS:
        (tools / tool).symlink_to(shutil.which(tool))
    calls = tmp_path / "calls"

    def add(name, text):
        path = tools / name
        path.write_text(text)
        path.chmod(0o755)

    def run(**tools_of):
        add("id", "#!/bin/sh\necho 0\n")
        add("timeout", '#!/bin/sh\nshift\nexec "$@"\n')
        for name, text in tools_of.items():
            add(name.replace("_", "-"), text)
        calls.write_text("")
        done = subprocess.run(
            [shutil.which("sh"), str(project / "scripts" / "browser")],
            env={"PATH": str(tools), "CALLS": str(calls)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return calls.read_text().splitlines(), done.stderr

    return run


INSTALL = "install -y -qq --no-install-recommends chromium"


def test_root_with_apt_installs_it_once(machine):
    assert machine(apt_get=APT)[0] == [INSTALL]
    assert machine(apt_get=APT) == ([], "")  # tried already


def test_without_lists_of_packages_they_are_fetched_first(machine):
    fails_first = f'{APT}case "$(cat "$CALLS")" in *update*) ;; *) exit 100 ;; esac\n'
    called, said = machine(apt_get=fails_first)
    assert called == [INSTALL, "update -qq", INSTALL]
    assert "could not" not in said


def test_where_it_fails_that_is_said_and_no_more(machine):
    called, said = machine(apt_get=f"{APT}exit 100\n")
    assert called == [INSTALL, "update -qq"]
    assert "its tests will be skipped" in said


def test_it_is_left_alone_where_there_is_one(machine):
    assert machine(apt_get=APT, chromium="#!/bin/sh\n") == ([], "")


def test_nobody_but_root_is_asked(machine):
    assert machine(apt_get=APT, id="#!/bin/sh\necho 1000\n") == ([], "")


def test_a_machine_without_apt_is_no_error(machine):
    assert machine() == ([], "")
