"""Difference of two subgroups along a predictor."""

import numpy as np
import pytest

from bayes_mlm.figures.contextual import contextual_effect
from bayes_mlm.figures.lines import line_along
from bayes_mlm.figures.roles import roles_of
from bayes_mlm.figures.subgroup_difference import subgroup_difference
from tests.helpers.figures import run, simulate


@pytest.mark.parametrize("formula", ["y ~ x * w + (1 | g)", "y ~ x * side + (x | g)"])
@pytest.mark.parametrize("kind", ["partial_pooling", "mundlak"])
def test_subgroup_difference_is_that_of_the_two_lines(formula, kind):
    data = simulate(30, 10)
    data["side"] = np.where(data["w"] == 1, "a", "b").astype(object)
    analysis = run(formula, data, kind=kind)
    picture = subgroup_difference(analysis)
    roles = roles_of(analysis.design)
    lines = [line_along(analysis, roles, picture.x, name="", subgroup=side) for side in (0, 1)]
    np.testing.assert_allclose(picture.centre, lines[1].centre - lines[0].centre, atol=1e-8)
    np.testing.assert_allclose(
        picture.likelihood, lines[1].likelihood - lines[0].likelihood, atol=1e-8
    )
    assert picture.change == pytest.approx(lines[1].slope - lines[0].slope, abs=1e-8)


def test_subgroup_difference_tells_where_it_is_credible(hsb):
    picture = subgroup_difference(hsb["hsb_sector_ses"])
    ses = hsb["hsb_sector_ses"].design.X[:, 1]
    above = picture.x[picture.lower > 0]
    assert above[0] == ses.min()
    # A row counts with its nearest point: half a step at most from the region's end.
    step = picture.x[1] - picture.x[0]
    assert picture.rows_excluding_zero[0] == np.count_nonzero(ses < above[-1] + step / 2)
    assert f"({picture.rows_excluding_zero[0]:,} rows of 7,185)" in picture.text.caption
    assert subgroup_difference(hsb["hsb_ses"]) is None


def test_both_ways_to_write_two_slopes_show_the_same():
    data = simulate(40, 8)
    one = contextual_effect(run("y ~ x + (1 | g)", data, kind="mundlak"))
    other = contextual_effect(run("y ~ within(x) + between(x) + (1 | g)", data))
    for name in ("within", "between", "difference"):
        a = getattr(one.predictors[0], name)
        b = getattr(other.predictors[0], name)
        # The same model in other coordinates: REML agrees to its convergence, draws to their noise
        # and to the priors, which are of other coefficients.
        assert a.likelihood.estimate == pytest.approx(b.likelihood.estimate, abs=1e-6)
        assert a.likelihood.lower == pytest.approx(b.likelihood.lower, abs=1e-5)
        assert a.posteriors[0].mean == pytest.approx(
            b.posteriors[0].mean, abs=0.3 * a.posteriors[0].sd
        )
