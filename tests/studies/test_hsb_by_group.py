"""Outcome by group: spread and expected means, against independent computations."""

from dataclasses import replace

import numpy as np
import pytest

from bayes_mlm.engines.draws import Draws, Variable
from bayes_mlm.studies.hsb.figures.by_group import spread_by_group
from bayes_mlm.studies.hsb.figures.extremes import extreme_groups
from bayes_mlm.studies.hsb.figures.prototypes import prototypes
from tests.helpers.figures import EXACT, joined, run


def test_spread_of_every_group(hsb, ladder):
    found = spread_by_group(ladder)
    design = hsb["hsb_null"].design
    rows = [design.y[design.codes == j] for j in range(design.J)]
    order = np.argsort([part.mean() for part in rows])
    assert found.labels.tolist() == design.labels[order].tolist()
    assert found.sizes.tolist() == [rows[j].size for j in order]
    for k, values in ((25, found.lower_quartile), (50, found.median), (75, found.upper_quartile)):
        expected = [np.percentile(rows[j], k) for j in order]
        np.testing.assert_allclose(values, expected, rtol=EXACT)
    np.testing.assert_allclose(found.mean, [rows[j].mean() for j in order], rtol=EXACT)
    assert found.model == "hsb_null"


def test_expected_means_are_intercept_and_effect(hsb, ladder):
    found = spread_by_group(ladder)
    null = hsb["hsb_null"]
    expected = joined(null, "beta") + joined(null, "u")[:, :, 0]
    place = {label: j for j, label in enumerate(null.design.labels)}
    means = expected[:, [place[label] for label in found.labels]]
    np.testing.assert_allclose(found.fitted, means.mean(axis=0), rtol=EXACT)
    assert ((found.fitted_lower < found.fitted) & (found.fitted < found.fitted_upper)).all()
    inside = (means >= found.fitted_lower) & (means <= found.fitted_upper)
    # The shortest interval holds 95 % of 1,000 draws, to the draw at each end.
    np.testing.assert_allclose(inside.mean(axis=0), 0.95, atol=0.002)


def test_middle_half_of_normal_residuals(hsb, ladder):
    width, lower, upper = spread_by_group(ladder).half_width
    # The upper quartile of a standard normal distribution, 0.6745 (any table).
    assert width == pytest.approx(0.6745 * joined(hsb["hsb_null"], "sigma_e").mean(), rel=1e-4)
    assert lower < width < upper


def test_expected_means_with_random_slopes():
    analysis = run("reaction ~ days + (days | subject)", "sleepstudy")
    found = spread_by_group([analysis])
    # Every subject is seen on days 0 to 9: the mean of days is 4.5.
    beta, u = joined(analysis, "beta"), joined(analysis, "u")
    expected = (beta[:, :1] + 4.5 * beta[:, 1:] + u[:, :, 0] + 4.5 * u[:, :, 1]).mean(axis=0)
    order = [analysis.design.labels.tolist().index(label) for label in found.labels]
    np.testing.assert_allclose(found.fitted, expected[order], rtol=EXACT)


def test_caption_counts_what_it_says(ladder):
    found = spread_by_group(ladder)
    inside = (found.lower_quartile <= found.overall) & (found.overall <= found.upper_quartile)
    assert f"{inside.sum()} of the 160 middle halves contain the overall mean" in found.text.caption
    assert f"{100 * found.fitted.std() / found.mean.std():.0f} % of the sd" in found.text.caption


def test_spread_without_a_posterior_of_groups(hsb):
    found = spread_by_group([hsb["hsb_pooled"]])
    assert found.fitted is None
    assert found.half_width is None
    assert "expected means" not in found.text.caption
    assert spread_by_group([hsb["hsb_between"]]) is None


def summarised(analysis):
    """Replace the draws of the group effects by their means and sds, as for very many groups."""
    fit = analysis.fits[0]
    u = joined(analysis, "u")
    posterior = {name: value for name, value in fit.draws.posterior.items() if name != "u"}
    dims = ("schoolid", "effect")
    posterior |= {"u_mean": Variable(dims, u.mean(0)), "u_sd": Variable(dims, u.std(0))}
    draws = Draws(posterior=posterior, sample_stats=fit.draws.sample_stats, coords=fit.draws.coords)
    return replace(analysis, fits=(replace(fit, draws=draws),))


def test_too_many_groups_to_keep_their_draws(hsb):
    full, short = hsb["hsb_ses"], summarised(hsb["hsb_ses"])
    found = spread_by_group([short])
    np.testing.assert_allclose(found.fitted, spread_by_group([full]).fitted, rtol=EXACT)
    assert found.fitted_lower is None
    assert prototypes(short) is None
    assert extreme_groups(summarised(hsb["hsb_no_pooling"])) is None
