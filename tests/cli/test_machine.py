"""What a program reads: JSON of every command, the completion of a shell, and `doctor`."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bayes_mlm import fit
from bayes_mlm.cli.completion import complete_models
from bayes_mlm.cli.doctor import _tests

COMMANDS = {
    "fit": ["hsb_ses"],
    "effects": ["hsb_sector_ses", "--contrast", "sector", "--at", "ses=-1,1", "--crossing", "ses"],
    "variance": ["hsb_ses"],
    "contextual": ["hsb_ses"],
    "check": ["sleepstudy_growth"],
    "lines": ["sleepstudy_growth", "--group", "308"],
    "predict": ["sleepstudy_growth", "--new", "sleepstudy"],
    "loo-compare": ["hsb_ses", "hsb_null"],
    "sensitivity": ["hsb_ses"],
    "describe": ["--data", "sleepstudy", "--group", "subject"],
}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_prints_one_object(command, run_command) -> None:
    code, out, _ = run_command(command, *COMMANDS[command], "--json")
    found = json.loads(out)  # nothing else is printed
    assert found["ok"] is (code == 0)
    assert "NaN" not in out
    if command not in ("fit", "describe"):
        assert found["results"]
        assert all(isinstance(row, dict) for row in found["results"])


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
    words = {"COMP_WORDS": "bayes-mlm des", "COMP_CWORD": "1"}
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
