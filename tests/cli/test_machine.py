"""What a program reads: JSON of every command, the completion of a shell, and `doctor`."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.main import get_command

from bayes_mlm import fit
from bayes_mlm.cli import app
from bayes_mlm.cli.completion import complete_models
from bayes_mlm.cli.doctor import _tests

SUMS = ("y ~ x + (1 | g)", "--data", "one.csv")
COMMANDS = {
    "fit": ["hsb_ses"],
    "effects": ["hsb_sector_ses", "--contrast", "sector", "--at", "ses=-1,1", "--crossing", "ses"],
    "variance": ["hsb_ses"],
    "coefficients": ["hsb_ses"],
    "bootstrap": ["sleepstudy_growth", "--refits", "50"],
    "calibrate": ["sleepstudy_growth", "--simulations", "100"],
    "variance-tests": ["hsb_ses", "--simulations", "200"],
    "means": ["hsb_sector_ses", "--of", "sector", "--contrasts", "pairwise", "--joint", "3"],
    "contextual": ["hsb_ses"],
    "design": [
        *[
            "--groups",
            "20",
            "--size",
            "10",
            "--icc",
            "0.1",
            "--effect",
            "0.5",
            "--simulations",
            "100",
        ]
    ],
    "multiverse": [
        "reaction ~ days + (1 | subject)",
        *("--data", "sleepstudy", "--optional", "I(days ** 2)", "--reml-only"),
    ],
    "check": ["sleepstudy_growth"],
    "lines": ["sleepstudy_growth", "--group", "308"],
    "predict": ["sleepstudy_growth", "--new", "sleepstudy", "--out", "new.csv"],
    "loo-compare": ["hsb_ses", "hsb_null"],
    "sensitivity": ["hsb_ses"],
    "describe": ["--data", "sleepstudy", "--group", "subject"],
    "impute": ["one.csv", "--model", SUMS[0], "--out", "long.csv"],
    "models": [],
    "table": ["hsb_ses", "--engine", "reml"],
    "plot": ["caterpillar", "sleepstudy_growth", "--out", "one.png"],
    "sum": [*SUMS, "--out", "all.sums"],
    "merge": ["one.sums", "two.sums", "--out", "all.sums"],
    "groups": [*SUMS, "--out", "groups.parquet"],
    "reproduce": ["--quick", "--draws", "200", "--out", "study"],
    "doctor": ["--no-test"],
}


# Of results that are no rows: what else the object has.
PARTS = {
    "fit": "estimates",
    "describe": "variables",
    "impute": "model_columns",
    "models": "models",
    "plot": "figure",
    "sum": "groups",
    "merge": "groups",
    "groups": "groups",
    "reproduce": "published",
    "doctor": "versions",
}


def test_every_command_is_tried() -> None:
    """A command that is added takes --json too: all of them print a result."""
    commands = vars(get_command(app))["commands"]
    assert set(COMMANDS) == set(commands)
    assert [name for name, one in commands.items() if "--json" not in flags(one)] == []


# The whole study takes half a minute; CI redoes it by `make report`.
@pytest.mark.parametrize(
    "command",
    [pytest.param(one, marks=pytest.mark.slow if one == "reproduce" else ()) for one in COMMANDS],
)
def test_every_command_prints_one_object(
    command, run_command, tmp_path, monkeypatch, small_study
) -> None:
    monkeypatch.chdir(tmp_path)
    for one in ("one", "two"):  # sites of different rows, for `merge`
        rows = (row for k, row in enumerate(small_study) if k % 2 == (one == "two"))
        (tmp_path / f"{one}.csv").write_text("\n".join(["g,x,y", *rows]))
        if command == "merge":
            run_command("sum", SUMS[0], "--data", f"{one}.csv", "--out", f"{one}.sums")
    code, out, _ = run_command(command, *COMMANDS[command], "--json")
    found = json.loads(out)  # nothing else is printed
    assert found["ok"] is (code == 0)
    assert "NaN" not in out
    rows = found[PARTS.get(command, "results")]
    assert rows
    if command not in PARTS:
        assert all(isinstance(row, dict) for row in rows)
    if "--out" in COMMANDS[command]:
        written = COMMANDS[command][COMMANDS[command].index("--out") + 1]
        assert found["written"] == written
        assert (tmp_path / written).exists()


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["models", "hsb_ses"], "model"),
        (["plot", "--list"], "figures"),
        (["table", "hsb_ses", "--out", "t.tex"], "results"),
        (["check", "sleepstudy_growth", "--out", "g.csv"], "results"),
        (["fit", "hsb_ses", "--engine", "reml", "--out", "o"], "estimates"),
    ],
)
def test_other_uses_of_a_command_print_one_object(
    arguments, part, run_command, tmp_path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = run_command(*arguments, "--json")
    assert code in (0, 3), err
    found = json.loads(out)
    assert found[part]
    if "--out" in arguments:
        assert (tmp_path / found["written"]).exists()


def test_a_wrong_input_prints_no_object(run_command) -> None:
    code, out, err = run_command("check", "y ~ x", "--data", "absent.csv", "--json")
    assert (code, out) == (1, "")
    assert err.startswith("error: ")


def flags(command: Any) -> set[str]:
    return {flag for one in command.params for flag in one.opts}


@pytest.fixture
def small_study() -> list[str]:
    rng = np.random.default_rng(3)
    values = rng.normal(size=(60, 2)).round(3).tolist()
    return [f"{k % 5},{x},{y + k % 5}" for k, (x, y) in enumerate(values)]


def test_numbers_have_full_precision(monkeypatch, run_command) -> None:
    _, out, _ = run_command(
        "fit", "reaction ~ days + (1 | subject)", "--data", "sleepstudy",
        "--engine", "reml", "--json",
    )  # fmt: skip
    found = {row["quantity"]: row["estimate"] for row in json.loads(out)["estimates"]["reml"]}
    exact = fit("reaction ~ days + (1 | subject)", "sleepstudy", engine="reml").solution
    assert found["beta[days]"] == exact.beta[1]


def test_completion_names_the_bundled_models() -> None:
    assert {"hsb_sector_ses", "hsb_ses"} <= set(complete_models("hsb_s"))
    assert all(name.startswith("hsb_s") for name in complete_models("hsb_s"))
    assert complete_models("nothing") == []
    command = [Path(sys.executable).with_name("bayes-mlm")]
    words = {"COMP_WORDS": "bayes-mlm desc", "COMP_CWORD": "1"}
    done = subprocess.run(
        command,
        env={**os.environ, "_BAYES_MLM_COMPLETE": "complete_bash", **words},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.stdout.split() == ["describe"]


def test_doctor_shows_versions_threads_caches_and_the_self_test(monkeypatch, run_command) -> None:
    code, out, _ = run_command("doctor")
    assert code == 0
    for part in ("versions", "extras", "threads", "caches", "self-test", "pyreadstat", "pymc"):
        assert part in out
    assert out.count(" ok ") == len(list(_tests(nuts=False)))
    code, out, _ = run_command("doctor", "--no-test", "--json")
    assert json.loads(out)["self_test"] == {}


def test_doctor_ends_in_code_3_where_a_result_is_wrong(monkeypatch, run_command) -> None:
    monkeypatch.setitem(sys.modules["bayes_mlm.cli.doctor"]._SLEEPSTUDY, "days", 10.5)
    code, out, _ = run_command("doctor", "--json")
    assert code == 3
    found = json.loads(out)
    assert found["ok"] is False
    assert "days is 10.4673, not 10.5" in found["self_test"]["REML of sleepstudy is lme4's"]
