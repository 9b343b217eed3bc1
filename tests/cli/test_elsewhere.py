"""Commands of Stata and R are named with those here that do the same."""

import shlex
import subprocess
import sys

import pytest
import typer

import bayes_mlm
from bayes_mlm.base import EngineError, PriorError
from bayes_mlm.cli import app
from bayes_mlm.cli.elsewhere import _FOUND, refuse_foreign


def test_every_command_that_is_named_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    known = set(typer.main.get_command(app).commands)  # type: ignore[attr-defined]
    assert not known & set(_FOUND)
    for word in _FOUND:
        with pytest.raises(SystemExit) as stop:
            refuse_foreign([word])
        assert stop.value.code == 2
        command, *words = shlex.split(capsys.readouterr().err.split("bayes-mlm ")[1])
        assert command in known
        assert len(set(words)) == len(words)  # a model given twice is refused
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


FORMULA, DATA = "distance ~ age + (1 | subject)", "orthodont"


@pytest.fixture(scope="module")
def estimate() -> bayes_mlm.Estimate:
    found = bayes_mlm.fit(FORMULA, DATA, engine="reml")
    assert isinstance(found, bayes_mlm.Estimate)
    return found


def test_arguments_of_other_packages_are_answered(estimate: bayes_mlm.Estimate) -> None:
    for call, advice in (
        (lambda: bayes_mlm.fit(formula=FORMULA, data=DATA), "formula in first place"),
        (lambda: bayes_mlm.slopes(estimate, "age", average_by="sex"), r"use at=\{'sex'"),
        (lambda: bayes_mlm.slopes(estimate, wrt="age"), "predictor, in second place"),
        (lambda: bayes_mlm.comparisons(estimate, "age", conditional="sex"), r"use at=\{'sex'"),
        (lambda: bayes_mlm.comparisons(estimate, "age", probs=0.9), "did you mean 'prob'"),
        (lambda: bayes_mlm.predict(estimate, DATA, kind="response"), "use kind='observation'"),
        (lambda: bayes_mlm.predict(estimate, newdata=DATA), "new rows, in second place"),
    ):
        with pytest.raises(EngineError, match=advice):
            call()


@pytest.mark.parametrize(
    ("name", "here"),
    [
        ("1|subject", "use sigma_u,"),
        ("age|subject", r"use sigma_u\[age\]"),
        ("common", "use beta,"),
        ("group_specific", "use sigma_u;"),
        ("sigma", "use sigma_e;"),
    ],
)
def test_names_of_priors_in_other_packages_are_answered(name: str, here: str) -> None:
    with pytest.raises(PriorError, match=here):
        bayes_mlm.fit(FORMULA, DATA, priors={name: "HalfNormal(5)"})


def test_prior_sensitivity_does_not_advise_an_engine_it_does_not_have() -> None:
    from bayes_mlm.fitting import as_request

    request = as_request(FORMULA, DATA, family="student_t")
    with pytest.raises(EngineError, match="only the direct engine") as found:
        bayes_mlm.prior_sensitivity(request)
    assert "--engine nuts" not in str(found.value)
