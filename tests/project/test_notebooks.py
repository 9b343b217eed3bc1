"""Every notebook runs from top to bottom, draws what it should, and its outputs are of its code."""

import importlib.util
import re
import sys
from functools import cache

import nbformat
import pytest

from bayes_mlm.studies.published import find_quantity, tally
from bayes_mlm.studies.reproduction import check_study
from tests.helpers import ROOT

FOLDER = ROOT / "notebooks"
NOTEBOOKS = (
    "01_fixed_and_random_effects",
    "02_your_own_data",
    "03_bayes_and_reml",
    "04_change_over_time",
    "05_in_pymc",
    "06_classes_in_schools",
    "07_passed_or_failed",
    "08_planning_a_study",
    "09_a_small_experiment",
    "10_a_survey_like_pisa",
)
# These compile models for NUTS, PyMC's own among them, and approximate one in 40,000 steps: for
# minutes. CI runs them next to `make test`.
LONG = ("03_bayes_and_reml", "04_change_over_time", "05_in_pymc")
# Enough for every figure and every verdict to exist; not enough for the verdicts to be clean.
FEW_DRAWS = 100
# Numbers that the prose may hold, because they are no results: years, levels, ends of scales.
NO_RESULTS = {
    "01_fixed_and_random_effects": {"2015", "1982", "0", "1", "1978"},
    "02_your_own_data": set(),
    "03_bayes_and_reml": {"2003", "2015"},
    "04_change_over_time": {"1964", "0", "1"},
    "05_in_pymc": set(),
    "06_classes_in_schools": {"1972"},
    "07_passed_or_failed": {"1988", "1990", "1996"},
    "08_planning_a_study": {"1997"},
    "09_a_small_experiment": set(),
    # The rule of the simulation, and what follows from it.
    "10_a_survey_like_pisa": {
        *("2,000", "100", "0.5", "480", "20", "50", "35", "70", "160", "30", "0", "2015", "80"),
        *("810", "1"),
    },
}


def load_runner():
    """Import notebooks/run.py, which is a script and in no package."""
    spec = importlib.util.spec_from_file_location("notebooks_run", FOLDER / "run.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


runner = load_runner()


def committed(name):
    return nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def outputs_of(notebook):
    return [output for cell in code_cells(notebook) for output in cell.outputs]


def text_of(notebook):
    """Give everything an executed notebook says, in one text."""
    said = []
    for output in outputs_of(notebook):
        data = output.get("data", {})
        said.append(output.get("text", "") or data.get("text/markdown", "") or "")
    return "\n".join(said)


@pytest.fixture(scope="module")
def fresh():
    """Run one with few draws, in a kernel of its own, once."""
    return cache(lambda name: runner.run_notebook(FOLDER / f"{name}.ipynb", draws=FEW_DRAWS))


def test_these_are_all():
    assert tuple(path.stem for path in runner.find_notebooks()) == NOTEBOOKS


RUN = [pytest.param(one, marks=pytest.mark.slow if one in LONG else ()) for one in NOTEBOOKS]


@pytest.mark.parametrize("name", RUN)
def test_it_runs_from_top_to_bottom(fresh, name):
    """`run_notebook` refuses errors, warnings, paths and missing figures; here is what it gave."""
    cells = code_cells(fresh(name))
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert [cell.source for cell in cells] == [cell.source for cell in code_cells(committed(name))]


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_it_begins_with_a_question(name):
    question = committed(name).cells[0].source.split("\n\n")[1]
    assert re.search(r"\?\*$", question), question
    assert question.startswith("*")


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_it_ends_with_the_answer_in_numbers(name):
    last = committed(name).cells[-1]
    assert last.cell_type == "code"
    said = "".join(one["data"]["text/markdown"] for one in last.outputs)
    assert said.startswith("**Answer.** ")
    assert len(re.findall(r"\d+(?:\.\d+)?", said)) >= 4


@pytest.mark.parametrize("name", RUN)
def test_figures_are_there_and_say_what_they_show(fresh, name):
    for notebook in (fresh(name), committed(name)):
        drawn = [one for one in outputs_of(notebook) if "image/png" in one.get("data", {})]
        wanted = [cell for cell in notebook.cells if "figure" in cell.metadata.get("tags", [])]
        assert len(drawn) == len(wanted) >= 3
        for one in drawn:
            assert len(one.metadata["image/png"]["alt"]) > 20


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_what_is_committed_is_whole(name):
    notebook = committed(name)
    nbformat.validate(notebook)
    assert list(runner.problems(notebook)) == []
    cells = code_cells(notebook)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    # The outputs are those of this code: `make notebooks` sums it up.
    assert notebook.metadata["made_from"] == runner.fingerprint(notebook)
    assert notebook.metadata["kernelspec"]["name"] == "python3"
    assert (FOLDER / f"{name}.ipynb").stat().st_size < runner.MOST_BYTES


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_cells_are_named_and_nothing_names_a_machine(name):
    notebook = committed(name)
    ids = [cell.id for cell in notebook.cells]
    assert len(ids) == len(set(ids))
    for one in ids:  # "fit-ladder", not "9f3c2a1b"
        assert re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", one), one
        assert not re.fullmatch(r"[0-9a-f]{8}", one), one
    text = nbformat.writes(notebook)
    text = re.sub(r'"image/png": "[^"]*"', "", text)
    assert not re.search(r"/(home|root|Users|tmp|work)/|[A-Z]:\\\\|file://|localhost", text)


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_the_prose_holds_no_result_that_was_typed_in(name):
    """Results are said by cells that compute them; what is left in the prose is no result."""
    for cell in committed(name).cells:
        if cell.cell_type != "markdown":
            continue
        text = re.sub(r"```.*?```|\$\$.*?\$\$|\$[^$]*\$|`[^`]*`", " ", cell.source, flags=re.S)
        found = set(re.findall(r"(?<![\w.])\d[\d.,]*(?<![.,])", text))
        assert found <= NO_RESULTS[name], (cell.id, found - NO_RESULTS[name])


def test_the_study_says_what_is_right():
    """Notebook 01 against the figures that test_published holds to lme4 and to the document."""
    said = text_of(committed("01_fixed_and_random_effects"))
    assert str(tally(check_study())) in said
    icc, between, within = (
        find_quantity(f"{name}", {})
        for name in ("hsb_null/icc", "hsb_ses/r2_between_percent", "hsb_ses/r2_within_percent")
    )
    assert f"The ICC is **{icc:.4f}**, not 0.1603" in said
    assert f"It is **{between:.0f} %** and **{within:.1f} %**" in said
    assert "explains 8.44 % of the variation between schools and 46.43 %" in said
    assert "They are the document's: 1946, 5650." in said
    assert "verdicts that are not clean: none" in said


def test_the_boundary_is_where_it_is_known_to_be():
    """lme4 gives sigma_u = 0 for dyestuff2 (reference/lme4.json); the posterior cannot."""
    said = text_of(committed("03_bayes_and_reml"))
    assert re.search(r"\| reml +\| +0 \| +0 \|", said)
    # Priors hold at the means, so that the origin matters to || alone.
    assert "`|`: ok" in said
    assert "`||`: NOT OK: year is" in said


def executed(*cells):
    notebook = nbformat.v4.new_notebook(cells=list(cells))
    for k, cell in enumerate(code_cells(notebook), start=1):
        cell.execution_count = k
    return notebook


def cell_of(*outputs, tags=()):
    cell = nbformat.v4.new_code_cell("x", id="one", outputs=list(outputs))
    cell.metadata["tags"] = list(tags)
    return cell


PNG = nbformat.v4.new_output("display_data", data={"image/png": ""})
WARNING = nbformat.v4.new_output("stream", name="stderr", text="DeprecationWarning: x")
ERROR = nbformat.v4.new_output("error", ename="KeyError", evalue="'x'", traceback=[])
PATH = nbformat.v4.new_output("stream", name="stdout", text="saved to /place/x.nc")


@pytest.mark.parametrize(
    ("cell", "told"),
    [
        (cell_of(tags=["figure"]), "does not draw a figure"),
        (cell_of(PNG), "draws a figure"),
        (cell_of(WARNING), "warns: DeprecationWarning"),
        (cell_of(ERROR), "failed: KeyError"),
        (cell_of(PATH), "shows a path of this machine"),
    ],
    ids=["no figure", "untagged figure", "warning", "error", "path"],
)
def test_what_is_not_fit_to_be_read_is_told(cell, told):
    assert any(told in one for one in runner.problems(executed(cell), private=["/place"]))


def test_a_cell_that_was_not_run_is_told():
    notebook = nbformat.v4.new_notebook(cells=[cell_of()])
    assert list(runner.problems(notebook)) == ["cell 'one' was not run"]


def test_a_failing_cell_stops_the_run(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(runner, "HERE", tmp_path)
    cells = [nbformat.v4.new_code_cell("1 / 0", id="bad")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "09_bad.ipynb")
    before = (tmp_path / "09_bad.ipynb").read_bytes()
    assert runner.main(["09", "--out", str(tmp_path / "out")]) == 1
    assert "ZeroDivisionError" in capsys.readouterr().err
    assert (tmp_path / "09_bad.ipynb").read_bytes() == before
    assert runner.main(["08"]) == 1
    assert "no notebook begins with '08'; there are 09_bad" in capsys.readouterr().err


def test_a_notebook_that_grew_too_large_is_refused(tmp_path):
    cell = nbformat.v4.new_markdown_cell("x" * runner.MOST_BYTES, id="large")
    notebook = nbformat.v4.new_notebook(cells=[cell])
    with pytest.raises(runner.NotebookError, match="are the most"):
        runner.write_notebook(notebook, tmp_path / "large.ipynb")
    assert not (tmp_path / "large.ipynb").exists()
