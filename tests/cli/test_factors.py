"""Commands on models with several grouping factors: `--factor`."""

import csv

import pytest

from tests.helpers import REFERENCE

DATA = str(REFERENCE / "shares_with_a_slope.csv")
MODEL = ["y ~ x + (x | school) + (1 | class:school)", "--data", DATA, "--engine", "reml"]


@pytest.fixture
def new(tmp_path):
    path = tmp_path / "new.csv"
    path.write_text("school,x\n3,0.5\n3,1\n", encoding="utf-8")
    return str(path)


def test_a_new_class_in_a_known_school(run_command, new, tmp_path):
    out = tmp_path / "predictions.csv"
    options = ["--new", new, "--factor", "class:school", "--out", str(out)]
    _, text, _ = run_command("predict", *MODEL, *options)
    assert "a new class:school, like those of the data, in a known school" in text
    with out.open(encoding="utf-8") as file:
        first = next(csv.DictReader(file))
    assert float(first["sd"]) == pytest.approx(0.62, abs=0.01)
    code, _, error = run_command("predict", *MODEL, "--new", new, "--factor", "room")
    assert code != 0
    assert "no grouping factor 'room'" in error


def test_lines_are_of_one_factor(run_command):
    _, text, _ = run_command("lines", *MODEL, "--factor", "school", "--group", "3", "--x", "0,1")
    assert "effects of class:school at zero" in text
    code, _, error = run_command("lines", *MODEL, "--group", "3")
    assert code != 0
    assert "choose factor='school' or factor='class:school'" in error
    _, text, _ = run_command("lines", *MODEL, "--population", "--x", "0,1")
    assert "the population" in text


def test_shares_along_a_slope(run_command):
    _, text, _ = run_command("variance", *MODEL, "--at", "x=-1,0")
    for words in ("vpc[school,x=-1]", "icc[same class:school]", "part_total[fixed]"):
        assert words in text
