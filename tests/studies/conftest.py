"""Analyses that the tests of the document's figures share."""

import pytest

from bayes_mlm.fitting.request import make_settings
from bayes_mlm.fitting.side_by_side import analyse
from bayes_mlm.studies.record import WORKED_STUDY, records


@pytest.fixture(scope="session")
def hsb():
    """Every model of the study, by name."""
    return {
        record.name: analyse(
            record, make_settings(record, draws=250, random_seed=3), engines=["direct"]
        )
        for record in records(WORKED_STUDY)
    }


@pytest.fixture(scope="session")
def ladder(hsb):
    return list(hsb.values())
