"""The command line's reference: the help of every command, as the command prints it."""

import re
from pathlib import Path

import typer
from sphinx.application import Sphinx
from typer.testing import CliRunner

from bayes_mlm.cli import app as commands

_HEAD = """# The command line

`bayes-mlm COMMAND --help` prints these pages. Exit codes: 0 success, 1 invalid input, 2 invalid
command, 3 fitted but a diagnostic check failed, 130 interrupted.

"""


def setup(app: Sphinx) -> dict[str, bool]:
    """Write the page before pages are read."""
    app.connect("builder-inited", _write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _write(app: Sphinx) -> None:
    runner = CliRunner()
    text = [_HEAD]
    for name in typer.main.get_command(commands).commands:
        printed = runner.invoke(commands, [name, "--help"], prog_name="bayes-mlm").output
        lines = [re.sub(r"\s+$", "", line) for line in printed.strip().splitlines()]
        text.append(f"## {name}\n\n```text\n" + "\n".join(lines) + "\n```\n\n")
    _replace(Path(app.srcdir) / "reference" / "commands.md", "".join(text))


def _replace(path: Path, text: str) -> None:
    """Write a page if it differs, so that an unchanged one is not read again."""
    if not path.exists() or path.read_text("utf-8") != text:
        path.write_text(text, "utf-8")
