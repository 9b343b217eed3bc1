"""Variance explained by level over a ladder."""

import numpy as np
import pytest

from bayes_mlm.figures.explained import explained_by_level


def test_explained_is_the_summaries_r2(hsb):
    picture = explained_by_level(list(hsb.values()))
    assert picture.models == ("hsb_ses", "hsb_sector_ses", "hsb_mundlak_random")
    for name, between, within in zip(picture.models, picture.between, picture.within, strict=True):
        assert between.posteriors[0].mean == hsb[name].summaries[0]["r2_between"].estimate
        assert within.likelihood.estimate == hsb[name].summaries[1]["r2_within"].estimate
        curve = between.posteriors[0].density
        middle = np.average(curve.x, weights=curve.y)
        # The curve leaves out half a per cent of the draws, in the lower tail.
        assert middle == pytest.approx(between.posteriors[0].mean, abs=0.01)
    assert explained_by_level([hsb["hsb_null"]]) is None
