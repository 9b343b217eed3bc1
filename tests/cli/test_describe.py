"""`bayes-mlm describe` on files of several kinds."""

import json
from pathlib import Path

import pytest

FILES = Path(__file__).resolve().parents[1] / "data" / "files"


@pytest.mark.parametrize("name", ["spss.sav", "stata15.dta", "haven.rds", "study.sqlite::pupils"])
def test_variables_groups_and_obstacles_are_described(name: str, run_command) -> None:
    model = "score ~ ses + C(band) + (1 | school)"
    code, out, _ = run_command("describe", "--data", str(FILES / name), "--model", model)
    assert code == 0
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert "72 rows, 5 variables, 9 groups (school)" in lines
    assert "Rows of a group 8 █ 8" in lines
    assert any(line.startswith("- ses: 4 missing values (rows 3, 17, 40, …)") for line in lines)
    assert any(line.startswith(f"{model} can be fitted: <Design") for line in lines)
    if "." in name and "sqlite" not in name:
        assert any(line.startswith("ses Home resources number 4 within") for line in lines)
        assert any("low < middle < high" in line for line in lines)


def test_a_model_that_is_refused_says_why(run_command) -> None:
    path = str(FILES / "spss.sav")
    for model, reason in (
        ("score ~ nope + (1 | school)", "no column 'nope'"),
        ("band ~ ses + (1 | school)", 'codes="band"'),
    ):
        code, out, _ = run_command("describe", "--data", path, "--model", model)
        assert code == 0
        assert f"{model} is refused: " in out
        assert reason in out
        _, out, _ = run_command("describe", "--data", path, "--model", model, "--json")
        assert reason in json.loads(out)["obstacles"][-1]


def test_a_column_of_text_is_described(run_command) -> None:
    code, out, _ = run_command("describe", "--data", "orthodont", "--column", "sex")
    assert code == 0
    assert "Female, Male" in out
    assert "No obstacles to a fit." in out


def test_a_crosstab_is_part_of_the_object(run_command) -> None:
    words = ["--data", "hsb", "--column", "ses", "--cross", "sector,female", "--json"]
    _, out, _ = run_command("describe", *words)
    assert json.loads(out)["crosstab"][0] == {"sector": 0, "female": 0, "n": 1730}


def test_a_column_that_is_not_there_is_an_error_of_one_line(run_command) -> None:
    for words in (["--column", "nope"], ["--group", "nope"]):
        code, _, err = run_command("describe", "--data", str(FILES / "spss.sav"), *words)
        assert code == 1
        assert "has no column 'nope'" in err
        assert "Traceback" not in err


def test_a_fit_names_the_variable_labels(run_command, tmp_path) -> None:
    formula, path = "score ~ ses + (1 | school)", str(FILES / "spss.sav")
    words = ["--data", path, "--missing", "drop", "--out", str(tmp_path / "run")]
    code, out, _ = run_command("fit", formula, *words)
    assert code == 0
    line = "variables: score = Score; ses = Home resources; school = School"
    assert line in out
    report = (tmp_path / "run" / "report.html").read_text("utf-8")
    assert line in report
    assert report.count("Home resources") > 1  # an axis, a row of the table
