"""The site: every page is reached, every link leads somewhere, every command exists.

What can be read from the sources is checked at once, and every page is read by Sphinx with warnings
as errors, without running its code. The slow tests build the site as `make docs` does, code and
figures included, or take the one in the folder that SITE names, and visit every page in a browser.
With axe-core (`npm install --no-save axe-core`, or AXE with the path of axe.min.js) its rules are
checked too.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from bayes_mlm.cli import app
from tests.helpers import ROOT
from tests.helpers.browser import PROGRAM, WHY, Browser

DOCS = ROOT / "docs"
# Written by the build, so that they may not be there.
WRITTEN = ("_build", "gallery", "notebooks", "reference/api", "reference/commands", "extensions")
COMMANDS = typer.main.get_command(app).commands
FENCE = re.compile(r"^(`{3,}|:{3,})(.*?)\n(.*?)^\1\s*$", re.DOTALL | re.MULTILINE)
AXE = Path(os.environ.get("AXE") or ROOT / "node_modules" / "axe-core" / "axe.min.js")
ACCESSIBILITY = (ROOT / "tests" / "helpers" / "accessibility.js").read_text("utf-8")


def is_written(path: Path) -> bool:
    return path.relative_to(DOCS).as_posix().startswith(WRITTEN)


SOURCES = sorted(path for path in DOCS.rglob("*.md") if not is_written(path))
NAMES = [path.relative_to(DOCS).as_posix() for path in SOURCES]


def prose(text: str) -> str:
    """Return a page without its code and its fences of one."""
    return FENCE.sub("", text)


def entries(path: Path):
    """List the pages that the toctrees of a page name."""
    for block in re.findall(r"```\{toctree\}\n(.*?)```", path.read_text("utf-8"), re.DOTALL):
        for line in block.splitlines():
            if line.strip() and not line.startswith(":"):
                target = re.sub(r"^.*<(.*)>$", r"\1", line.strip())
                yield (path.parent / f"{target}.md").resolve()


def anchors(path: Path) -> set[str]:
    """Return the anchors of a page: of its headings, as MyST names them, and those it sets."""
    text = path.read_text("utf-8")
    found = {
        re.sub(r"[^\w\- ]", "", heading.replace("`", "").lower()).strip().replace(" ", "-")
        for heading in re.findall(r"^#{1,3} (.+)$", prose(text), re.MULTILINE)
    }
    return found | set(re.findall(r"^\(([\w-]+)\)=$", text, re.MULTILINE))


def test_every_page_is_in_a_toctree():
    reached, waiting = set(), [DOCS / "index.md"]
    while waiting:
        page = waiting.pop()
        if page in reached:
            continue
        reached.add(page)
        if page.exists() and not is_written(page):
            waiting += entries(page)
    missing = {one for one in reached if not one.exists() and not is_written(one)}
    assert not missing, "toctrees name pages that are not there"
    assert set(SOURCES) <= reached


@pytest.mark.parametrize("name", NAMES)
def test_every_link_leads_somewhere(name):
    path = DOCS / name
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(path.read_text("utf-8"))):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        found = (path.parent / file).resolve() if file else path
        if found.is_relative_to(DOCS) and is_written(found):
            continue
        assert found.exists(), target
        if anchor:
            assert anchor in anchors(found), target


def commands_of(text: str):
    """List the command lines of a page: of its blocks, its cells, and those quoted in prose."""
    for _, kind, body in FENCE.findall(text):
        shell = kind.strip() == "sh"
        for line in body.replace("\\\n", " ").splitlines():
            if line.startswith("!bayes-mlm") or (shell and "bayes-mlm " in line):
                yield line.lstrip("!")
    yield from re.findall(r"`(bayes-mlm [^`]+)`", prose(text))


def invocations(line: str):
    """List the words after `bayes-mlm` of each command in a line."""
    words = shlex.split(line, comments=True)
    while "bayes-mlm" in words:
        words = words[words.index("bayes-mlm") + 1 :]
        end = next((k for k, word in enumerate(words) if word in {"&&", "|", ">", ";"}), len(words))
        yield words[:end]


def fault(words: list[str]) -> str:
    """Return what is wrong with a command's words, or nothing."""
    if not words or words[0].startswith("-") or words[0].isupper():
        return ""  # options of the program itself, or a placeholder
    if words[0] not in COMMANDS:
        return f"no command {words[0]!r}"
    options = {
        text for one in COMMANDS[words[0]].params for text in (*one.opts, *one.secondary_opts)
    }
    given = [word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)]
    unknown = set(given) - options - {"--help"}
    return f"{words[0]} has no {', '.join(sorted(unknown))}" if unknown else ""


@pytest.mark.parametrize("name", NAMES)
def test_every_command_exists(name):
    lines = [*commands_of((DOCS / name).read_text("utf-8"))]
    faults = [
        f"{line}: {said}" for line in lines for one in invocations(line) if (said := fault(one))
    ]
    assert not faults


def test_every_public_name_is_in_the_reference():
    page = (DOCS / "reference" / "api.md").read_text("utf-8")
    names = re.findall(r"\w+ as (\w+)", (ROOT / "bayes_mlm" / "__init__.pyi").read_text("utf-8"))
    assert len(names) > 50
    assert [name for name in names if not re.search(rf"\b{name}\b", page)] == ["__version__"]


def test_what_is_wrong_would_be_seen():
    text = "```sh\nbayes-mlm fitt a && bayes-mlm fit b --no-such 1\n```\n`bayes-mlm plot --list`\n"
    found = [fault(one) for line in commands_of(text) for one in invocations(line)]
    assert found == ["no command 'fitt'", "fit has no --no-such", ""]


def build(builder: str, docs: Path, folder: Path, **environment: str):
    """Run Sphinx on a folder of pages, with warnings as errors."""
    command = [sys.executable, "-m", "sphinx", "-b", builder, "-W", "--keep-going", "-q"]
    return subprocess.run(
        [*command, "-d", str(folder / "trees"), str(docs), str(folder / builder)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env=os.environ | environment,
    )


def copy_of_docs(folder: Path) -> Path:
    """Copy the pages, without what a build wrote, to where their includes are found as well."""
    skipped = {DOCS / one for one in WRITTEN} - {DOCS / "extensions"}
    shutil.copytree(
        DOCS,
        folder / "docs",
        ignore=lambda at, names: [one for one in names if Path(at) / one in skipped],
    )
    for one in ("benchmarks", "notebooks", "CONTRIBUTING.md", "CHANGELOG.md"):
        (folder / one).symlink_to(ROOT / one)
    return folder / "docs"


def test_sphinx_reads_every_page_and_docstring_without_a_warning(tmp_path):
    docs = copy_of_docs(tmp_path)
    # A page with a reference to nothing, so that a build which checks nothing would be seen.
    (docs / "wrong.md").write_text("---\norphan: true\n---\n# Wrong\n\n{doc}`no-such-page`\n")
    built = build("dummy", docs, tmp_path, DOCS_RUN="off")
    complaints = [
        line for line in built.stderr.splitlines() if "WARNING" in line or "ERROR" in line
    ]
    assert built.returncode != 0
    assert len(complaints) == 1, built.stderr
    assert "no-such-page" in complaints[0]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Return the folder of the built site."""
    if folder := os.environ.get("SITE"):
        return Path(folder).resolve()
    folder = tmp_path_factory.mktemp("site")
    built = build("html", DOCS, folder)
    assert built.returncode == 0, built.stderr
    return folder / "html"


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    opened = Browser(tmp_path_factory.mktemp("profile"))
    yield opened
    opened.close()


def pages(site: Path) -> list[Path]:
    found = sorted(one for one in site.rglob("*.html") if "_static" not in one.parts)
    assert len(found) > 50
    return found


def errors(browser: Browser) -> list[str]:
    """Return what the console calls an error or a warning; the theme tells its steps as well."""
    notes = {"log", "info", "debug"}
    for event in browser.events:
        if event.get("method") == "Runtime.consoleAPICalled" and event["params"]["type"] in notes:
            event["method"] = "a note"
    return browser.complaints


def settle(browser: Browser) -> None:
    """Bring every transition to its end, so that colours are those that remain."""
    browser.evaluate("document.getAnimations().forEach((one) => one.finish())")


def collect(found: dict[str, list], page: Path, site: Path, complaints) -> None:
    if complaints:
        found[str(page.relative_to(site))] = complaints


needs_browser = pytest.mark.skipif(PROGRAM is None, reason=WHY)


@pytest.mark.slow
@needs_browser
def test_no_page_complains_or_asks_the_network(browser, site):
    found = {}
    for page in pages(site):
        browser.open(page)
        asked = [one for one in browser.requests if not one.startswith(("file:", "blob:"))]
        # What moves a cursor is for a terminal: a progress bar that ran on a page.
        controls = re.findall(r"\x1b|\?25[lh]", page.read_text("utf-8"))
        collect(found, page, site, [*errors(browser), *asked, *controls])
    assert found == {}


@pytest.mark.slow
@needs_browser
def test_no_page_scrolls_sideways_on_a_phone(browser, site):
    found = {}
    for page in pages(site):
        browser.open(page, width=390, height=844)
        width = browser.evaluate("document.documentElement.scrollWidth")
        collect(found, page, site, [width] if width > 390 else [])
    assert found == {}


@pytest.mark.slow
@needs_browser
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_every_page_can_be_read_by_all(browser, site, dark):
    found = {}
    for page in pages(site):
        browser.open(page, dark=dark)
        settle(browser)
        theme = browser.evaluate("document.documentElement.dataset.theme")
        complaints = [] if theme == ("dark" if dark else "light") else [f"theme {theme}"]
        collect(found, page, site, complaints + browser.evaluate(ACCESSIBILITY))
    assert found == {}


@pytest.mark.slow
@needs_browser
@pytest.mark.skipif(not AXE.is_file(), reason="no axe-core: npm install --no-save axe-core")
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_axe_finds_nothing(browser, site, dark):
    found, source = {}, AXE.read_text("utf-8")
    for page in pages(site):
        browser.open(page, dark=dark)
        settle(browser)
        browser.evaluate(f"{source}; 0")
        violations = browser.evaluate(
            "axe.run({runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']})"
            ".then((result) => result.violations.map((one) =>"
            " `${one.id}: ${one.nodes.length}, first ${one.nodes[0].html.slice(0, 120)}`))"
        )
        collect(found, page, site, violations)
    assert found == {}
