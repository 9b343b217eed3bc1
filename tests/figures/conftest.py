"""Analyses that the tests of several figures share."""

from dataclasses import replace

import pytest

from bayes_mlm.studies import FIGURES
from tests.helpers.figures import run, study


@pytest.fixture(scope="session")
def hsb():
    null = study("hsb_null")
    names = ("hsb_ses", "hsb_sector_ses", "hsb_mundlak_random", "hsb_pooled")
    found = {"hsb_null": null} | {name: study(name, null) for name in names}
    return {name: one.analysis for name, one in found.items()}


@pytest.fixture(scope="session")
def pictures(hsb):
    """Prepare every figure that applies to a model of the study, or to all of them."""
    found = {}
    for entry in FIGURES.values():
        sources = [list(hsb.values())] if entry.of == "ladder" else hsb.values()
        prepared = (entry.prepare(source) for source in sources)
        found[entry.name] = next((one for one in prepared if one is not None), None)
    return {name: one for name, one in found.items() if one is not None}


@pytest.fixture(scope="session")
def growth():
    return run("reaction ~ days + (days | subject)", "sleepstudy")


@pytest.fixture
def nuts(mock_fit, hsb):
    fit = mock_fit("hsb_ses", draws=100)
    return replace(hsb["hsb_ses"], fits=(fit,))
