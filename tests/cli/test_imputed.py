"""`bayes-mlm fit` of plausible values and imputations: the pooled table, and errors in a line."""

import json
from pathlib import Path

import numpy as np
import pytest

from bayes_mlm import load_sleepstudy

MODEL = "pv(y1..y3) ~ days + (1 | subject)"


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    frame, rng = load_sleepstudy(), np.random.default_rng(1)
    for k in range(1, 4):
        frame[f"y{k}"] = frame["reaction"] + 15.0 * rng.normal(size=len(frame))
    path = tmp_path_factory.mktemp("pv") / "wide.csv"
    frame.to_csv(path, index=False)
    return path


def test_the_pooled_table_is_shown(wide: Path, run_command) -> None:
    code, shown, _ = run_command("fit", MODEL, "--data", str(wide), "--engine", "reml")
    assert code == 0
    assert "3 imputations pooled by Rubin's rules" in shown
    assert "Rubin's rules on variances for sigma and icc" in shown
    assert "y: 3 columns, y1 to y3, each fitted and the results pooled" in shown


def test_a_program_gets_the_pooled_table(wide: Path, run_command) -> None:
    code, shown, _ = run_command("fit", MODEL, "--data", str(wide), "--engine", "reml", "--json")
    assert code == 0
    assert "between" in json.dumps(json.loads(shown))


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--cross-check"], "a cross-check is of the fit of one data set"),
        (["--imputation", "subject"], "are stated by a set of columns"),
        (["--rows", "sum"], "is read from rows"),
    ],
)
def test_a_wrong_option_is_one_line(wide: Path, more, message, run_command) -> None:
    code, _, err = run_command("fit", MODEL, "--data", str(wide), "--engine", "reml", *more)
    assert code == 1
    assert message in err
    assert "Traceback" not in err
