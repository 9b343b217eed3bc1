"""Contextual effects as drawn."""

import pytest

from bayes_mlm.figures.contextual import contextual_effect
from tests.helpers.figures import EXACT


def test_contextual_effect_is_the_between_coefficient(hsb):
    analysis = hsb["hsb_mundlak_random"]
    (item,) = contextual_effect(analysis).predictors
    row = analysis.summaries[0]["beta[between(ses)]"]
    assert item.difference.posteriors[0].mean == pytest.approx(row.estimate, abs=EXACT)
    assert item.difference.posteriors[0].lower == pytest.approx(row.lower, abs=EXACT)
    span = analysis.summaries[1]["beta[between(ses)]"]
    assert item.difference.likelihood.lower == pytest.approx(span.lower, abs=1e-8)
    # Sums of coefficients: 2.19 within and 5.87 between (lme4 on this model, tests/reference).
    assert item.between.likelihood.estimate == pytest.approx(2.191 + 3.675, abs=0.01)
    assert contextual_effect(hsb["hsb_sector_ses"]) is None
