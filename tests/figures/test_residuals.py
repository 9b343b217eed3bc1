"""Residuals of rows and of groups."""

import numpy as np
import pytest

from bayes_mlm.figures.residuals import fitted_values, row_residuals
from tests.helpers.figures import EXACT, run, simulate


def test_fitted_and_residual_make_up_the_outcome(growth):
    picture = row_residuals(growth)
    sigma_e = growth.summaries[0]["sigma_e"].estimate
    np.testing.assert_allclose(picture.fitted + sigma_e * picture.residual, growth.design.y)
    # REML's fitted values (BLUPs) are near; posterior means differ by the prior and the draws.
    reml = growth.estimate.solution
    design = growth.design
    blup = design.X @ reml.beta + (design.Z * reml.u[design.codes]).sum(axis=1)
    assert np.abs(fitted_values(growth.fits[0]) - blup).max() < 0.25 * sigma_e


def test_a_spread_that_grows_is_told_and_one_that_does_not_is_not():
    data = simulate(40, 12, sigma_u=0.5)
    assert not row_residuals(run("y ~ x + (1 | g)", data)).unequal
    rng = np.random.default_rng(1)
    data["y"] = 3 * data["x"] + np.exp(0.5 * data["x"]) * rng.normal(size=data["x"].size)
    picture = row_residuals(run("y ~ x + (1 | g)", data))
    assert picture.unequal
    assert picture.sds[0] < picture.sds[1]
    assert "more than chance allows" in picture.text.caption


def test_bins_of_residuals_are_means_of_all_rows(hsb):
    picture = row_residuals(hsb["hsb_ses"])
    sizes = [len(part) for part in np.array_split(np.arange(7185), picture.at.size)]
    assert np.average(picture.mean, weights=sizes) == pytest.approx(
        picture.residual.mean(), abs=EXACT
    )
    # The ceiling: no residual can be above what is left to 24.993 points.
    sigma_e = hsb["hsb_ses"].summaries[0]["sigma_e"].estimate
    assert (picture.residual <= (24.994 - picture.fitted) / sigma_e).all()
    assert "the upper tail is shorter than normal" in picture.text.caption
