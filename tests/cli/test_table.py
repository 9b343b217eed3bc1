"""`bayes-mlm table` as a stranger would use it, right and wrong."""

from functools import partial

import pytest

STUDENTS = """school,ses,math
1,0.5,12.1
1,-0.2,10.4
1,0.1,11.0
2,1.0,15.2
2,0.7,14.1
2,-0.4,13.0
3,0.0,9.5
3,0.3,10.1
3,-1.1,8.2
4,0.9,16.0
4,0.2,13.9
4,-0.6,12.2
"""
F = "math ~ ses + (1 | school)"


@pytest.fixture
def run(monkeypatch, run_command, tmp_path):
    """Run one command line in an empty folder; give its exit code, output and error text."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "students.csv").write_text(STUDENTS)
    (tmp_path / "folder").mkdir()
    return partial(run_command, "table")


def test_markdown_on_the_screen_and_nothing_else(run):
    code, out, err = run("hsb_null", "hsb_ses", "--engine", "reml")
    assert (code, err) == (0, "")
    assert out.startswith("**Models of mathach**\n\n|")
    # The 2015 document, In [358]: 12.636 (0.244), short of the optimum in the last digit.
    assert "12.64" in out
    assert "(0.24)" in out


def test_every_model_of_the_study_by_default(run):
    code, out, _ = run("--engine", "reml")
    assert code == 0
    for number, name in ((1, "pooled"), (12, r"slopes\_as\_outcomes")):
        assert rf"({number}) hsb\_{name}" in out


@pytest.mark.parametrize(
    ("given", "begins"),
    [
        (["--out", "t.tex"], "% needs"),
        (["--out", "t.HTML"], "<!DOCTYPE html>"),
        (["--out", "t.md"], "**Models"),
        (["--out", "t.txt"], "**Models"),
        (["--out", "t.txt", "--format", "latex"], "% needs"),
        (["--out", "folder/t.tex", "--format", "html"], "<!DOCTYPE html>"),
    ],
)
def test_the_format_is_the_one_asked_for_else_the_files(run, tmp_path, given, begins):
    code, out, _ = run(F, "--data", "students.csv", "--engine", "reml", *given)
    assert (code, out) == (0, f"written to {given[1]}\n")
    assert (tmp_path / given[1]).read_text("utf-8").startswith(begins)


def test_an_old_file_is_replaced_whole_or_not_at_all(run, tmp_path):
    (tmp_path / "t.md").write_text("old")
    assert run("math ~ sex", "--data", "students.csv", "--out", "t.md")[0] == 1
    assert (tmp_path / "t.md").read_text() == "old"
    assert run(F, "--data", "students.csv", "--engine", "reml", "--out", "t.md")[0] == 0
    assert "old" not in (tmp_path / "t.md").read_text("utf-8")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "students.csv", "t.md"]


def test_engines_side_by_side_and_intervals(run):
    code, out, _ = run(
        "hsb_ses", "--engine", "direct", "--engine", "reml", "--interval", "--draws", "200"
    )
    assert code == 0
    assert "95% HDI" in out
    assert "95% CI" in out
    assert "direct" in out
    # R² comes with a null model that is in no column.
    assert "R² between" in out
    assert "(2)" not in out


def test_the_same_command_gives_the_same_table(run):
    first, second = (run("hsb_ses", "--draws", "100")[1] for _ in range(2))
    assert first == second
    assert "seed 1982" in first


def test_a_verdict_that_is_not_clean_is_exit_code_3_beside_the_table(run, monkeypatch, mock_fit):
    from bayes_mlm.base.verdict import Finding, Verdict
    from bayes_mlm.fitting import side_by_side as analysis

    bad = Verdict((Finding("R-hat", False, "largest R-hat 1.20: raise --draws"),))

    def fitted(record, *_, **__):
        return mock_fit(record.name, verdict=bad)

    monkeypatch.setattr(analysis, "fit_design", fitted)
    code, out, err = run("hsb_ses")
    assert code == 3
    assert err == "verdict NOT clean for: hsb_ses; see bayes-mlm fit\n"
    assert "NOT reliable: largest R-hat 1.20" in out


WRONG = [
    (["hsb_sess"], 1, "hsb_ses"),
    (["hsb_ses", "hsb_ses"], 1, "twice"),
    ([F], 1, "needs data"),
    ([F, "--data", "nothing.csv"], 1, "nothing.csv"),
    (["math ~ sex", "--data", "students.csv"], 1, "'sex'"),
    (["hsb_ses", "--engine", "lme4"], 2, "allowed: auto, direct, nuts, reml"),
    (["hsb_ses", "--engine", "auto", "--engine", "direct"], 1, "omit it"),
    (["hsb_ses", "--format", "odt"], 2, "allowed: markdown, latex, html, word"),
    (["hsb_ses", "--format", "word"], 1, "add --out table.docx"),
    (["hsb_ses", "--prob", "94"], 1, "probability"),
    (["hsb_ses", "--draws", "0"], 1, "draws"),
    (["hsb_ses", "--out", "folder"], 1, "is a folder"),
    (["hsb_ses", "--out", "none/t.md"], 1, "no folder"),
    (["hsb_ses", "--out", "/proc/t.md", "--engine", "reml"], 1, "cannot write"),
]


@pytest.mark.parametrize(("arguments", "code", "message"), WRONG, ids=lambda v: str(v)[:50])
def test_a_mistake_is_one_line(run, monkeypatch, arguments, code, message):
    def refuse(*_, **__):
        raise AssertionError("a wrong input reached the sampler")

    monkeypatch.setattr("bayes_mlm.engines.nuts.sample_nuts", refuse)
    monkeypatch.setattr("bayes_mlm.engines.direct.sample_direct", refuse)
    found, out, err = run(*arguments)
    assert found == code
    assert out == ""
    assert message in err
    if code == 1:
        assert err.startswith("error: ")
        assert err.count("\n") == 1


def test_an_unknown_ending_is_refused_before_anything_is_fitted(run, tmp_path):
    code, out, err = run("hsb_null", "--out", "table.odt")
    assert (code, out) == (1, "")
    assert "does not end in .md" in err
    assert not (tmp_path / "table.odt").exists()
    assert run("hsb_null", "--engine", "reml", "--out", "t.txt", "--format", "markdown")[0] == 0
