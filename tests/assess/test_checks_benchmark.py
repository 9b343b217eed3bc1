"""The committed simulation of the model checks, and that its script still makes such rows."""

import importlib
import json
import math

import numpy as np
import pytest

from bayes_mlm.assess.checks import assess
from tests.helpers import ROOT

FOLDER = ROOT / "benchmarks"


@pytest.fixture(scope="module")
def script():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(FOLDER)
        return importlib.import_module("checks")


@pytest.fixture(scope="module")
def found():
    return json.loads((FOLDER / "checks.json").read_text(encoding="utf-8"))


def test_the_table_is_that_of_the_numbers(script, found):
    assert (FOLDER / "checks.md").read_text(encoding="utf-8") == script.table(found)
    assert set(found["false_alarms"]) <= {right.name for right in script.RIGHT}
    assert set(found["power"]) == {wrong.name for wrong in script.WRONG}


def test_right_models_raise_alarms_in_5_percent_at_most(found):
    rows = [row for rows in found["false_alarms"].values() for row in rows]
    for row in rows:
        allowed = 0.05 + 3.0 * math.sqrt(0.05 * 0.95 / row["data_sets"])
        assert row["any_alarm"] <= allowed, row["model"]
    n = sum(row["data_sets"] for row in rows)
    alarms = sum(row["any_alarm"] * row["data_sets"] for row in rows)
    assert alarms / n <= 0.05


def test_no_check_has_less_power_than_the_standard_test_at_its_level(found):
    for rows in found["power"].values():
        for row in rows:
            if row["standard"] == "Mundlak Wald, chi²":
                continue  # it takes its F for a chi-squared, and so rejects right models too often
            error = 3.0 * math.sqrt(0.25 / row["data_sets"])
            for level in ("alone", "page"):
                gap = row[f"check_{level}"] - row[f"standard_{level}"]
                assert gap >= -error, (row["departure"], row["strength"])


def test_a_row_can_be_made_again(script):
    right = script.RIGHT[1]
    columns = right.draw(np.random.default_rng([script.SEED, 1, 0]))
    tests = assess(script.fitted(right.model, columns, script.SEED))
    assert sum(one.p is not None for one in tests) == 10
