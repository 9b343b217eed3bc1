"""Unpooled group effects and their shrinkage."""

import numpy as np

from bayes_mlm.figures.shrinkage import shrinkage, unpooled_effects
from tests.helpers.figures import run, simulate


def test_unpooled_effects_are_least_squares_in_each_group(growth):
    design = growth.design
    beta = np.array([250.0, 10.0])
    found = unpooled_effects(design, design.y - design.X @ beta)
    for k in range(design.J):
        rows = design.codes == k
        left = design.y[rows] - design.X[rows] @ beta
        wanted = np.linalg.lstsq(design.Z[rows], left, rcond=None)[0]
        np.testing.assert_allclose(found[k], wanted, rtol=1e-8)


def test_unpooled_effects_are_not_known_where_the_slope_has_no_rows():
    data = simulate(12, 6)
    data["x"] = np.where(data["g"] == 3, 0.5, data["x"])
    analysis = run("y ~ x + (x | g)", data)
    found = unpooled_effects(analysis.design, analysis.design.y)
    assert np.flatnonzero(np.isnan(found).any(axis=1)).tolist() == [3]
    assert "not identified in 1 group alone" in shrinkage(analysis).text.caption


def test_small_groups_are_shrunk_more(hsb):
    picture = shrinkage(hsb["hsb_null"])
    (effect,) = picture.effects
    small, large = picture.kept(effect, slice(0, 53)), picture.kept(effect, slice(-53, None))
    assert small < large < 1.0
    # Raudenbush & Bryk (2002), eq. 3.42: a group of n keeps sigma_u^2 / (sigma_u^2 + sigma_e^2/n).
    fit = hsb["hsb_null"].estimate.solution
    u2, e2 = fit.sigma_u[0] ** 2, fit.sigma_e**2
    wanted = u2 / (u2 + e2 / picture.sizes)
    # A posterior mean of 4,000 draws of sd 0.9 is known to 0.015; the intercept's sd is 0.24.
    np.testing.assert_allclose(effect.partial, wanted * effect.unpooled, atol=0.07)
    assert (np.diff(picture.sizes) >= 0).all()
