"""`bayes-mlm multiverse`: tables and curve in a folder; a wrong choice is one line."""

import csv
from pathlib import Path

import pytest

MODEL = ["multiverse", "reaction ~ days + (1 | subject)", "--data", "sleepstudy", "--reml-only"]


def test_folder_has_every_table_and_the_curve(run_command, tmp_path: Path) -> None:
    out = tmp_path / "all"
    choices = ["--alternatives", "effects=(1 | subject);(1 + days | subject)"]
    code, shown, _ = run_command(
        "multiverse", "reaction ~ days", "--data", "sleepstudy", "--reml-only",
        *choices, "--optional", "I(days ** 2)", "--out", str(out),
    )  # fmt: skip
    assert code == 0
    assert "The effect of days is positive in all 4 specifications" in shown
    assert "(1 | subject) → (1 + days | subject)" in shown
    assert "*" not in shown.replace("days ** 2", "")  # no stars
    models = list(csv.DictReader((out / "models.csv").read_text("utf-8").splitlines()))
    assert [row["effects"] for row in models].count("(1 | subject)") == 2
    estimates = list(csv.DictReader((out / "specifications.csv").read_text("utf-8").splitlines()))
    assert len(estimates) == len(models) == 4
    assert {path.name for path in out.iterdir()} == {
        "effects.csv", "specifications.csv", "models.csv", "changes.csv", "curve.png",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ([], "nothing is left open"),
        (["--alternatives", "days"], "--alternatives is NAME=PART;PART"),
        (["--optional", "dyas"], "no column 'dyas'"),
        (["--optional", "I(days ** 2)", "--focal", "dya"], "did you mean 'days'?"),
        (["--optional", "I(days ** 2)", "--prior", "beta"], "--prior"),
        (["--optional", "I(days ** 2)", "--imputation", "subject"], "is of one data set"),
    ],
)
def test_a_wrong_choice_is_one_line(more, message, run_command) -> None:
    code, out, err = run_command(*MODEL, *more)
    assert (code, out) == (1, "")
    assert err.startswith("error: ")
    assert message in err
