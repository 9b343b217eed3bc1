"""Commands of Stata and R are named with those here that do the same."""

import subprocess
import sys

import pytest
import typer

import bayes_mlm
from bayes_mlm.cli import app
from bayes_mlm.cli.elsewhere import _FOUND, refuse_foreign


def test_every_command_that_is_named_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    known = set(typer.main.get_command(app).commands)  # type: ignore[attr-defined]
    assert not known & set(_FOUND)
    for word in _FOUND:
        with pytest.raises(SystemExit) as stop:
            refuse_foreign([word])
        assert stop.value.code == 2
        said = capsys.readouterr().err
        assert said.split("bayes-mlm ")[1].split()[0].rstrip(":") in known
    refuse_foreign(["fit"])
    refuse_foreign([])


def test_the_command_line_ends_with_code_2() -> None:
    found = subprocess.run(
        [sys.executable, "-m", "bayes_mlm", "estat", "icc"],
        check=False,
        capture_output=True,
        text=True,
    )
    assert found.returncode == 2
    assert "use bayes-mlm variance" in found.stderr


def test_functions_that_are_named_are_there() -> None:
    from bayes_mlm.fitting.elsewhere import _FUNCTIONS

    for name in _FUNCTIONS:
        assert name not in bayes_mlm.__all__
    with pytest.raises(AttributeError, match=r"has no 'lmer'; use fit\('y ~ x"):
        _ = bayes_mlm.lmer  # type: ignore[attr-defined]
    with pytest.raises(AttributeError, match="has no 'nothing'$"):
        _ = bayes_mlm.nothing  # type: ignore[attr-defined]
