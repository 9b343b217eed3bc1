"""Benchmarks, which CI does not run, name only what the package and their siblings have."""

import ast
from importlib import import_module, util
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parents[2] / "benchmarks"
MODULES = {path.stem: ast.parse(path.read_text(encoding="utf-8")) for path in HERE.glob("*.py")}


def names_of(tree: ast.Module) -> set[str]:
    """Return the names that a module binds anywhere."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found |= {one.asname or one.name for one in node.names}
    return found


def has(module: str, name: str) -> bool:
    if module in MODULES:
        return name in names_of(MODULES[module])
    found = import_module(module)
    return hasattr(found, name) or util.find_spec(f"{module}.{name}") is not None


@pytest.mark.parametrize("module", sorted(MODULES))
def test_what_a_benchmark_imports_exists(module: str) -> None:
    for node in ast.walk(MODULES[module]):
        if isinstance(node, ast.ImportFrom) and node.module:
            ours = node.module in MODULES or node.module.split(".")[0] == "bayes_mlm"
            for one in node.names if ours else ():
                assert has(node.module, one.name), f"{node.module} has no {one.name}"
