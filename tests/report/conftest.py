"""Analyses that tests of the report share."""

import pytest

from bayes_mlm.fitting.request import make_settings
from bayes_mlm.studies.ladder import analyse_ladder
from bayes_mlm.studies.record import load_record


@pytest.fixture(scope="session")
def ladder():
    """A null model, both slopes, and a product of slope and split, by the direct engine."""
    names = ("hsb_null", "hsb_mundlak_random", "hsb_sector_ses")
    made = analyse_ladder(
        [load_record(name) for name in names],
        lambda record: make_settings(record, draws=100, random_seed=1),
        engines=["direct"],
    )
    return [one.analysis for one in made]
