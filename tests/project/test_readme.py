"""Examples of the README and of pages that it leads to run as printed; its figures are ours."""

import re
import shlex
import sys

import pytest

from bayes_mlm import cli
from bayes_mlm.fitting import entry as fitting
from bayes_mlm.studies.published import tally
from bayes_mlm.studies.record import WORKED_STUDY, load_record, records
from bayes_mlm.studies.reproduction import check_study
from tests.helpers import ROOT
from tests.helpers.examples import block, run_as_file

README = ROOT / "README.md"
PAGE = README.read_text("utf-8")
DOCS = ROOT / "docs"
REPRODUCED, COMMANDS, LARGE, FAMILIES, ARVIZ = (
    (DOCS / name).read_text("utf-8")
    for name in (
        "start/reproduce.md",
        "start/commands.md",
        "how-to/large-data.md",
        "concepts/families.md",
        "pymc.md",
    )
)


def test_it_is_short():
    assert len(PAGE.splitlines()) <= 90
    assert max(map(len, prose(PAGE))) <= 120


def prose(page: str) -> list[str]:
    """List the lines of a page that are neither of a table nor a picture."""
    return [line for line in page.splitlines() if not line.startswith(("|", "!["))]


def test_the_example_runs(monkeypatch, capsys, mock_fit, tmp_path):
    # The fit is a mock here; that NUTS gives it is held in test_sampling.
    monkeypatch.setattr(fitting, "fit_design", lambda *_, **__: mock_fit("hsb_sector_ses"))
    code = block(PAGE, "example")
    assert len([line for line in code.splitlines() if line.strip()]) <= 12
    run_as_file(code, tmp_path)
    printed = capsys.readouterr().out
    assert "95% HDI" in printed
    assert "0.091" in printed  # lme4: icc 0.0911387614 (tests/reference/lme4.json)
    assert "certified" in printed


def test_the_example_of_large_data_runs(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    names = run_as_file(block(LARGE, "example: large"), tmp_path)
    assert names["fitted"].design.n == int((names["students"].minority == 0).sum())
    assert "a random sample: 40 of" in capsys.readouterr().out
    again = names["fit"](tmp_path / "schools.sums", random_seed=1)
    assert (again.draws["beta"] == names["fitted"].draws["beta"]).all()


def test_the_example_of_families_prints_what_is_shown(capsys, tmp_path):
    names = run_as_file(block(FAMILIES, "example: families"), tmp_path)
    assert names["women"].verdict.ok
    printed = [line.split() for line in capsys.readouterr().out.splitlines()]
    shown = block(FAMILIES, "output: families", "text").splitlines()
    assert len(shown) > 15
    for line in filter(None, shown):
        assert line.split() in printed, line


@pytest.mark.filterwarnings("ignore")  # ArviZ warns of a large k-hat where slopes vary
def test_the_example_of_arviz_runs(tmp_path):
    names = run_as_file(block(ARVIZ, "example: arviz"), tmp_path)
    for found in (names["by_rows"], names["by_subjects"], names["exact"]):
        assert list(found.index) == ["slopes", "intercepts"]


def test_the_counts_are_ours():
    assert f"each of the {tally(check_study()).printed} figures it prints" in " ".join(PAGE.split())
    assert len(records(WORKED_STUDY)) == 12
    assert "twelve models" in " ".join(PAGE.split())


def test_the_printed_output_is_real():
    """The REML column of the output shown is what REML gives (it has no randomness)."""
    from bayes_mlm.design.build import design_of
    from bayes_mlm.fitting import Estimate, estimate_design
    from bayes_mlm.fitting.estimates import estimate_texts

    shown = block(REPRODUCED, "output: reproduce", "text")
    design = design_of(load_record("hsb_sector_ses"))
    for row in Estimate(solution=estimate_design(design).solution, design=design).summary():
        if row.quantity.startswith(("beta", "sigma", "icc")):
            line = next(text for text in shown.splitlines() if row.quantity in text)
            assert f" {estimate_texts(row).estimate} " in line, row.quantity


# Which rows of the benchmarks each row of speed is from: the programs are those of its columns.
SPEED = {
    "CSV to table, High School and Beyond": {
        "bambi": "whole process, CSV to table, bambi + nutpie",
        "lme4": "whole process, CSV to table, Rscript + lme4 (REML only)",
    },
    "CSV to table, Pastes": {"lme4": "whole process, CSV to table, Pastes"},
    "REML, High School and Beyond": {
        "lme4": "REML, in process, lme4",
        "statsmodels": "REML, in process, statsmodels",
        "mixedlm": "REML, sector by SES, High School and Beyond: log-likelihood -7.3e-12",
    },
    "REML, Penicillin, two crossed factors": {
        "lme4": "Penicillin, REML: deviance -8.9e-09",
        "mixedlm": "REML, Penicillin, two crossed factors: log-likelihood +2.2e-12",
    },
    "REML, InstEval, 73,421 rows, two crossed factors": {
        "lme4": "InstEval, REML: deviance -2.1e-09",
        "mixedlm": "REML, InstEval, 73,421 rows, two crossed factors: log-likelihood -1.9e-10",
    },
}


def rows_of(text: str) -> dict[str, list[str]]:
    """Return the cells of each row of the tables of a text, by the first of the row."""
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines()]
    return {row[0]: row[1:] for row in rows if row}


def test_the_speed_shown_is_that_of_the_benchmarks():
    """Every cell is the time of the peer over ours of a row that a benchmark wrote."""
    shown = rows_of(PAGE.split("<!-- output: peers -->\n")[1].split("<!-- end")[0])
    folder = README.parent / "benchmarks"
    measured = rows_of("\n".join(path.read_text("utf-8") for path in folder.glob("*.md")))
    programs = [re.sub(r"[\[\]]|\(.*", "", name).strip() for name in shown[""]]
    assert programs[0] == "bayes_mlm"
    for label, sources in SPEED.items():
        cells = dict(zip(programs, shown[label], strict=True))
        assert {name for name in programs[1:] if re.match(r"\d", cells[name])} == set(sources)
        # That of bayes_mlm is of the run against lme4.
        assert cells["bayes_mlm"] == measured[sources["lme4"]][0]
        for name, row in sources.items():
            ours, theirs = (float(cell.split()[0]) for cell in measured[row][:2])
            assert measured[row][0].split()[1] == measured[row][1].split()[1]  # one unit
            assert float(cells[name]) == pytest.approx(theirs / ours, rel=0.05), (label, name)
    # What was slower is shown too.
    assert float(shown["REML, Penicillin, two crossed factors"][-1]) < 1
    # No other row has a number.
    others = [cells for label, cells in shown.items() if label and label not in SPEED]
    assert len(others) >= 9
    assert not [cell for cells in others for cell in cells if re.match(r"\d", cell)]


def test_the_site_has_the_benchmarks_in_full():
    page = (DOCS / "validation.md").read_text("utf-8")
    for name in ("results", "large", "several_factors", "mixedlm"):
        assert f"```{{include}} ../benchmarks/{name}.md" in page
    for name in ("results", "large"):
        assert "(missed)" not in (ROOT / "benchmarks" / f"{name}.md").read_text("utf-8")


def test_links_lead_somewhere():
    targets = re.findall(r"\]\(([^)\s#]+)[^)]*\)", PAGE)
    files = [one for one in targets if not one.startswith("https:")]
    assert {"CONTRIBUTING.md", "docs/pooling.png", "docs/limitations.md"} <= set(files)
    assert len(files) > 20
    for one in files:
        assert (README.parent / one).exists(), one


def test_every_page_that_took_over_from_it_can_be_reached():
    for one in ("start/reproduce", "start/commands", "reference/files", "how-to/large-data"):
        assert f"docs/{one}.md" in PAGE
    for one in ("limitations", "concepts/families", "concepts/change", "pymc", "coming-from/index"):
        assert f"docs/{one}.md" in PAGE


def _commands() -> list[str]:
    """List the lines of the shell blocks, in order, but for those that set up or redo it all."""
    pages = "".join((PAGE, COMMANDS, FAMILIES, LARGE))
    blocks = re.findall(r"```sh\n(.*?)```", pages, re.DOTALL)
    lines = [line.partition("    #")[0].strip() for one in blocks for line in one.splitlines()]
    lines = [part.strip() for line in lines for part in line.split("&&")]
    # `reproduce` is held by test_study, and what is drawn by NUTS takes a minute.
    return [
        line
        for line in lines
        if line.startswith(("bayes-mlm ", "python -c", "mkdir"))
        and "reproduce" not in line
        and "--ar" not in line
    ]


def test_what_its_commands_read_is_written_before(monkeypatch, tmp_path, capsys):
    """A newcomer types them from the top: each finds what an earlier one wrote."""
    files = ("my_model", "years", ".sums")
    _run_in_order(
        [c for c in _commands() if any(f in c for f in files)], monkeypatch, tmp_path, capsys
    )


@pytest.mark.slow
def test_all_its_commands_run_in_order(monkeypatch, tmp_path, capsys):
    commands = _commands()
    assert len(commands) >= 20
    _run_in_order(commands, monkeypatch, tmp_path, capsys)
    assert (tmp_path / "results" / "report.html").is_file()


def _run_in_order(commands, monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    for line in commands:
        command, _, target = line.partition(" > ")
        program, *arguments = shlex.split(command.partition(" #")[0])
        if program == "mkdir":
            (tmp_path / arguments[0]).mkdir()
        elif program == "python":
            run_as_file(arguments[1], tmp_path)
        else:
            monkeypatch.setattr(sys, "argv", [program, *arguments])
            with pytest.raises(SystemExit) as ended:
                cli.main()
            shown = capsys.readouterr()
            # A check that fails is an answer too.
            good = (0, None, 3) if arguments[0] == "check" else (0, None)
            assert ended.value.code in good, (line, shown.err)
            if target:
                (tmp_path / target).write_text(shown.out)
