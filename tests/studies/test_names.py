"""Names and paths of records, where a model is given; and who needs no records."""

import subprocess
import sys
from inspect import signature
from pathlib import Path

import pytest

import bayes_mlm
from bayes_mlm.base.errors import BayesMLMError, EngineError
from bayes_mlm.fitting import entry
from bayes_mlm.studies.names import as_record, resolve
from bayes_mlm.studies.record import load_record
from tests.helpers import ROOT

FORMULA = "reaction ~ days + (1 | subject)"


@pytest.mark.parametrize("model", ["hsb_null", ROOT / "models" / "hsb_null.toml"])
def test_a_record_is_found_by_name_and_path(model):
    assert resolve(model) == load_record("hsb_null").request
    assert resolve([model, FORMULA]) == [load_record("hsb_null").request, FORMULA]


def test_fit_takes_a_record_its_name_and_its_request():
    record = load_record("sleepstudy_growth")
    fits = [bayes_mlm.fit(one, random_seed=1) for one in ("sleepstudy_growth", record)]
    fits.append(bayes_mlm.fit(model=record.request, random_seed=1))
    for one in fits:
        assert one.spec == record.model
        assert (one.draws["sigma_e"] == fits[0].draws["sigma_e"]).all()


def test_the_fit_of_the_top_is_that_of_fitting_with_names():
    assert signature(bayes_mlm.fit) == signature(entry.fit)
    with pytest.raises(EngineError, match="'hsb_null' is no formula"):
        entry.fit("hsb_null")


def test_options_come_before_what_a_record_declares():
    record = as_record("hsb_null", priors={"sigma_u": "Flat"}, missing="drop", decimal=",")
    assert record.model.priors == {"sigma_u": "Flat"}
    assert (record.source.missing, record.source.decimal) == ("drop", ",")
    assert record.published == load_record("hsb_null").published
    with pytest.raises(BayesMLMError, match="a record states its kind"):
        as_record("hsb_null", kind="pooled")


def test_a_fit_of_a_formula_imports_no_studies(tmp_path: Path):
    code = (
        "import sys; from bayes_mlm.__main__ import main\n"
        f"sys.argv = ['bayes-mlm', 'fit', {FORMULA!r}, '--data', 'sleepstudy', '--quiet']\n"
        "try: main()\nexcept SystemExit: pass\n"
        "print([m for m in sys.modules if m.startswith('bayes_mlm.studies')])"
    )
    command = [sys.executable, "-c", code]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines()[-1] == "[]"
