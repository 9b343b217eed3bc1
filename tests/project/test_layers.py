"""Imports point down the layers, stay lazy, and the check of it does catch what it should."""

import inspect
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import bayes_mlm
from bayes_mlm.base.prob import DEFAULT_PROB
from tests.helpers import ROOT

# Each takes one to nine seconds of CPU to import (measured on two slow cores).
HEAVY = (
    "arviz",
    "matplotlib",
    "nutpie",
    "pandas",
    "pymc",
    "pytensor",
    "scipy",
    "statsmodels",
    "xarray",
)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Copy what import-linter reads, so that a test may spoil it."""
    shutil.copytree(
        ROOT / "bayes_mlm", tmp_path / "bayes_mlm", ignore=shutil.ignore_patterns("__pycache__")
    )
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def lint_imports(where: Path) -> subprocess.CompletedProcess[str]:
    command = "import sys; from importlinter.cli import lint_imports_command as main; main()"
    return subprocess.run(
        [sys.executable, "-c", command, "--no-cache", "--no-logo"],
        cwd=where,
        capture_output=True,
        text=True,
        check=False,
    )


def test_layers_hold(copy: Path) -> None:
    run = lint_imports(copy)
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize(
    "line",
    [
        "from bayes_mlm import cli\n",
        "def f() -> None:\n    import bayes_mlm.cli\n",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from bayes_mlm.cli import main\n",
    ],
    ids=["top", "inside-a-function", "for-types-only"],
)
def test_upward_import_is_caught(copy: Path, line: str) -> None:
    with (copy / "bayes_mlm" / "base" / "errors.py").open("a", encoding="utf-8") as errors:
        errors.write(f"\n{line}")
    run = lint_imports(copy)
    assert run.returncode == 1, run.stdout + run.stderr
    assert "bayes_mlm.base is not allowed to import bayes_mlm.cli" in run.stdout


def test_module_without_a_layer_is_caught(copy: Path) -> None:
    (copy / "bayes_mlm" / "stowaway.py").write_text('"""Belong nowhere."""\n', encoding="utf-8")
    run = lint_imports(copy)
    assert run.returncode == 1, run.stdout + run.stderr
    assert "bayes_mlm.stowaway" in run.stdout


@pytest.mark.parametrize(
    "action",
    [
        "import bayes_mlm",
        "import bayes_mlm.cli",
        "import sys; from bayes_mlm.cli import main; sys.argv = ['bayes-mlm', '--help']; main()",
    ],
    ids=["package", "cli", "help"],
)
def test_heavy_libraries_stay_unimported(action: str) -> None:
    program = (
        "import atexit, json, sys\n"
        "atexit.register(lambda: print('\\n' + json.dumps(sorted(sys.modules))))\n" + action
    )
    run = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    modules = set(json.loads(run.stdout.splitlines()[-1]))
    assert "bayes_mlm" in modules
    assert not modules & set(HEAVY)


# A class of PyTensor's or matplotlib's, or a function that numba compiles, cannot be made without
# them; who uses these modules imports them in a function.
COMPILED = {
    "op",
    "page_layout",
    "kernels",
    "search_kernels",
    "row_kernels",
    "newton_kernels",
    "lane_kernels",
    "ordering",
    "pattern",
    "group_blocks",
    "group_kernels",
    "draw_kernels",
    "table_kernels",
    "neighbours",
    "node_kernels",
    "joint_kernels",
}


def test_no_module_imports_a_heavy_library_at_its_top() -> None:
    paths = [path.relative_to(ROOT) for path in (ROOT / "bayes_mlm").rglob("*.py")]
    wanted = [path for path in paths if path.stem not in COMPILED | {"__main__"}]
    modules = sorted(".".join(path.with_suffix("").parts) for path in wanted)
    modules = [name.removesuffix(".__init__") for name in modules]
    program = (
        "import importlib, json, sys\n"
        f"for name in {modules!r}:\n    importlib.import_module(name)\n"
        "print(json.dumps(sorted(sys.modules)))"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    assert not set(json.loads(run.stdout)) & set(HEAVY)


def test_every_default_probability_is_the_one_default():
    """Intervals of one table must not mix 94 and 95 %: every public default is the same object."""
    found = {}
    for name in bayes_mlm.__all__:
        value = getattr(bayes_mlm, name)
        if callable(value) and not isinstance(value, type):
            for key, parameter in inspect.signature(value).parameters.items():
                if key in ("prob", "prob", "level"):
                    found[name] = parameter.default
    assert len(found) > 10
    assert found.pop("summarise") is None  # that of the estimate, or the default of draws
    assert set(found.values()) == {DEFAULT_PROB}
    # In the code the number stands once; figures.py holds what another program prints.
    text = re.compile(r"(prob|prob|level)\b[^=\n]*= ?0?\.9[0-9]")
    again = [
        str(path)
        for path in Path(bayes_mlm.__file__).parent.rglob("*.py")
        for line in path.read_text().splitlines()
        if text.search(line) and ">>>" not in line
    ]
    assert again == []
