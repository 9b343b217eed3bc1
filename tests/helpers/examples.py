"""Examples on pages: found by their marks, and run as files."""

import re
import runpy
from pathlib import Path
from typing import Any


def block(page: str, name: str, language: str = "python") -> str:
    """Return the code, or the output, between the marks of a page."""
    found = re.search(rf"<!-- {name} -->\n```{language}\n(.*?)```\n<!-- end -->", page, re.DOTALL)
    assert found, f"the page has no {name} block"
    return found[1]


def run_as_file(code: str, folder: Path) -> dict[str, Any]:
    """Return the names that a program leaves, run from a file in a folder."""
    path = folder / "example.py"
    path.write_text(code, "utf-8")
    return runpy.run_path(str(path))
