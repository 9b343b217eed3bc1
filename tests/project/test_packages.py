"""A package is used through what it exports, its exports exist, and the graph stays a small one."""

import ast
import importlib
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers import ROOT

PACKAGE = ROOT / "bayes_mlm"
STUBS = sorted(PACKAGE.rglob("__init__.pyi"))
FOLDERS = sorted(path.parent for path in PACKAGE.rglob("__init__.py"))
MODULES = sorted(PACKAGE.rglob("*.py"))
MAX_BOXES, MAX_ARROWS = 20, 115


def dotted(path: Path) -> str:
    """Return the name of a module or package by its path."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def box(module: str) -> str:
    """Return the package that a module is part of: one box of the picture."""
    return f"{module}.".split(".")[1]


def imports(tree: ast.AST) -> Iterator[tuple[int, str, tuple[str, ...]]]:
    """Yield each import of ours: its line, the module, and the names taken from it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "bayes_mlm":
            yield node.lineno, str(node.module), tuple(name.name for name in node.names)
        elif isinstance(node, ast.Import):
            for name in node.names:
                if name.name.split(".")[0] == "bayes_mlm":
                    yield node.lineno, name.name, ()


def exports(stub: Path) -> dict[str, str]:
    """Return the names that a stub exports, each with the module inside the package it is from."""
    tree = ast.parse(stub.read_text(encoding="utf-8"))
    lines = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
    return {name.asname or name.name: node.module or "" for node in lines for name in node.names}


EXPORTS = {dotted(stub): exports(stub) for stub in STUBS}


def past_the_door(module: str, text: str) -> list[str]:
    """Return each import of another package's inside, or of a name that it does not export."""
    found = []
    for line, source, names in imports(ast.parse(text)):
        if box(source) in ("", box(module), "_version"):
            continue
        package = f"bayes_mlm.{box(source)}"
        hidden = [name for name in names if name not in EXPORTS.get(package, {})]
        if source != package or hidden:
            found.append(f"{module}:{line}: {source}: {', '.join(hidden or names)}")
    return found


@pytest.mark.parametrize("name", sorted({box(dotted(path)) for path in MODULES} - {""}))
def test_other_packages_are_used_through_what_they_export(name: str) -> None:
    own = [path for path in MODULES if box(dotted(path)) == name and name != "__main__"]
    found = [line for path in own for line in past_the_door(dotted(path), path.read_text("utf-8"))]
    assert not found, "import it from the package, and list it in its __init__.pyi:\n" + "\n".join(
        found
    )


@pytest.mark.parametrize(
    ("text", "caught"),
    [
        ("from bayes_mlm.engines import fit_reml", 0),
        ("from bayes_mlm.engines.reml import fit_reml", 1),
        ("def f():\n    from bayes_mlm.engines.reml import fit_reml", 1),
        ("import bayes_mlm.engines.reml", 1),
        ("from bayes_mlm.engines import fit_reml, no_such_name", 1),
        ("from bayes_mlm.fitting.storage import save_fit", 0),
    ],
    ids=["export", "inside", "in-a-function", "module", "not-exported", "its-own"],
)
def test_import_past_the_door_is_caught(text: str, caught: int) -> None:
    assert len(past_the_door("bayes_mlm.fitting.entry", text)) == caught


@pytest.mark.parametrize("package", EXPORTS)
def test_every_export_exists_and_hides_no_module(package: str) -> None:
    module = importlib.import_module(package)
    folder = PACKAGE.joinpath(*package.split(".")[1:])
    assert set(module.__all__) == set(EXPORTS[package])
    for name, source in EXPORTS[package].items():
        assert hasattr(module, name)
        if source and source != name:
            inside = folder / name
            assert not inside.is_dir(), f"{package}.{name} is a package as well"
            assert not inside.with_suffix(".py").exists(), f"{package}.{name} is a module as well"


@pytest.mark.parametrize("folder", FOLDERS, ids=dotted)
def test_every_package_says_what_it_owns(folder: Path) -> None:
    tree = ast.parse((folder / "__init__.py").read_text(encoding="utf-8"))
    first = (ast.get_docstring(tree) or "").split("\n\n")[0]
    assert len(first.split()) >= 3
    assert first.endswith(".")


def contract() -> dict[str, list[str]]:
    """Return the contract of imports between packages: its layers, the highest first."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        contracts = tomllib.load(file)["tool"]["importlinter"]["contracts"]
    return dict(contracts[0])


def graph() -> tuple[set[str], set[tuple[str, str]]]:
    """Return the boxes and arrows between packages, of every import wherever it stands."""
    boxes, arrows = set(), set()
    for path in MODULES:
        here = box(dotted(path))
        boxes.add(here)
        for _, source, names in imports(ast.parse(path.read_text(encoding="utf-8"))):
            there = [box(source)] if box(source) else [EXPORTS["bayes_mlm"][n] for n in names]
            arrows |= {(here, name) for name in there if name != here}
    return boxes - {""}, arrows


def test_picture_of_the_packages_is_small_and_points_down() -> None:
    boxes, arrows = graph()
    assert len(boxes) <= MAX_BOXES
    assert len(arrows) <= MAX_ARROWS
    layers = enumerate(contract()["layers"])
    height = {name.strip(): -row for row, line in layers for name in line.split(":")}
    height |= {"_version": -99, "__main__": 99}
    exempt = [line.split(" -> ") for line in contract().get("ignore_imports", [])]
    upward = {(a, b) for a, b in arrows if height[a] <= height[b]}
    assert upward - {(box(a), box(b)) for a, b in exempt} == set()
