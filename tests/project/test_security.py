"""What SECURITY.md says is never executed."""

import ast
import re

import pytest

from bayes_mlm import BayesMLMError, build_design, load_hsb
from bayes_mlm.model import parse_prior
from bayes_mlm.report.rendering import content_policy
from tests.helpers import ROOT

TEXT = (ROOT / "SECURITY.md").read_text("utf-8")
FILES = sorted((ROOT / "bayes_mlm").rglob("*.py"))
# Builtins that run text, and modules that run programs, unpickle or open connections.
RUN_TEXT = {"eval", "exec", "compile", "__import__"}
MODULES = {"pickle", "dill", "cloudpickle", "marshal", "shelve", "subprocess", "yaml"}
NETWORK = {"socket", "urllib", "http", "requests", "ftplib", "smtplib", "httpx"}
# The one module that starts a program, which SECURITY.md names: Chromium, where --pdf asks for it.
STARTS = {"pdf.py": {"subprocess"}}


def uses(tree: ast.AST) -> set[str]:
    """Return what a module calls by these names, and imports of these."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            found |= {node.func.id} & RUN_TEXT
        names = [one.name for one in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        found |= {name.partition(".")[0] for name in names} & (MODULES | NETWORK)
    return found


def test_no_module_runs_text_unpickles_or_opens_a_connection():
    assert len(FILES) > 200
    found = {path.name: used for path in FILES if (used := uses(ast.parse(path.read_bytes())))}
    assert found == STARTS


def test_the_one_program_that_is_started_is_chromium_by_a_list_of_arguments():
    tree = ast.parse((ROOT / "bayes_mlm" / "report" / "pdf.py").read_bytes())
    calls = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("subprocess.")
    ]
    assert [ast.unparse(one.func) for one in calls] == ["subprocess.run"]
    assert ast.unparse(calls[0].args[0]) == "command"  # a list that begins with the program
    assert not {"shell", "executable"} & {one.arg for one in calls[0].keywords}
    assert "--pdf" in TEXT
    assert "Chromium" in TEXT


def test_what_is_wrong_would_be_seen():
    code = "import os, pickle\nfrom urllib import request\neval('1')\nmodel.eval()\n"
    assert uses(ast.parse(code)) == {"pickle", "urllib", "eval"}


HOSTILE = "__import__('pathlib').Path('ran').write_text('x')"


@pytest.mark.parametrize("part", [HOSTILE, f"I({HOSTILE})", "ses.__class__", "lambda: 1"])
def test_a_formula_is_not_code(part, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BayesMLMError):
        build_design(f"mathach ~ {part} + (1 | schoolid)", load_hsb())
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("text", [HOSTILE, f"Normal(0, {HOSTILE})", "Normal(0, (1).__class__)"])
def test_a_prior_is_not_code(text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BayesMLMError):
        parse_prior("sigma_e", text)
    assert not any(tmp_path.iterdir())


def test_the_report_fetches_nothing_and_applies_only_what_it_was_written_with():
    policy = dict(one.split(" ", 1) for one in content_policy("p {}", "x = 1").split("; "))
    assert policy["default-src"] == "'none'"
    assert re.fullmatch(r"'sha256-[\w+/=]+'", policy["script-src"])
    assert policy["script-src"] != content_policy("p {}", "x = 2").split("script-src ")[1][:60]


def test_the_page_names_what_is_tested():
    for name in ("Formulas", "Priors", "Records", "Databases", "content security policy"):
        assert name in TEXT
