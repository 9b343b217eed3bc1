"""What no sampler's diagnostics can see still makes a verdict unclean."""

import numpy as np
import pytest

from bayes_mlm.base.errors import BayesMLMError
from bayes_mlm.data.table import as_table
from bayes_mlm.design import build_design
from bayes_mlm.engines.reml import fit_reml
from bayes_mlm.fitting.agreement import printed_figures
from bayes_mlm.fitting.entry import fit
from bayes_mlm.fitting.request import as_request, make_settings
from bayes_mlm.fitting.side_by_side import MAX_DIFFERENCE, analyse
from bayes_mlm.fitting.summary import summarise
from bayes_mlm.likelihood.pymc.models import partial_pooling
from bayes_mlm.studies.published import check_published
from bayes_mlm.studies.record import load_record


def panel(offset=0.0, n_groups=12, size=9):
    rng = np.random.default_rng(15)
    codes = np.repeat(np.arange(n_groups), size)
    x = np.tile(np.linspace(-2, 2, size), n_groups)
    slopes = 1.0 + 0.35 * rng.normal(size=n_groups)
    y = 0.8 * rng.normal(size=n_groups)[codes] + slopes[codes] * x + rng.normal(size=codes.size)
    return as_table({"y": y, "x": x + offset, "g": codes, "w": codes % 2})


def checks(result):
    return {finding.check for finding in result.verdict.problems}


def test_a_slope_far_from_zero_is_not_called_fine():
    """Independence of intercepts and slopes holds where x is zero, and moves with its origin."""
    centred = fit("y ~ x + (x || g)", panel(), random_seed=1)
    assert centred.verdict.ok, str(centred.verdict)
    far = fit("y ~ x + (x || g)", panel(20.0), engine="direct", random_seed=1)
    assert "offset" in checks(far)
    assert "center(x)" in str(far.verdict)
    # The remedy that it names works, to Monte Carlo error.
    mended = fit("y ~ center(x) + (center(x) || g)", panel(20.0), random_seed=1)
    assert mended.verdict.ok
    assert mended.draws["sigma_u"].mean(axis=(0, 1)) == pytest.approx(
        centred.draws["sigma_u"].mean(axis=(0, 1)), rel=0.05
    )


def test_a_posterior_that_contradicts_reml_is_told():
    record = as_request("y ~ x + (1 | g)", "sleepstudy", priors={"beta": "Normal(50, 0.01)"})
    settings = make_settings(record, random_seed=1)
    analysis = analyse(record, settings, data=panel())
    assert not analysis.ok
    assert "beta[x]" in analysis.agreement.message
    assert all(summary.verdict.ok for summary in analysis.summaries)
    fair = as_request("y ~ x + (1 | g)", "sleepstudy")
    assert analyse(fair, settings, data=panel()).ok
    # A variance estimated as zero: the posterior mean lies some posterior sds from it, not more.
    zero = as_request("yield ~ 1 + (1 | batch)", "dyestuff2")
    found = analyse(zero, settings)
    assert found.ok
    assert max(abs(row.difference or 0) for row in found.compared) < MAX_DIFFERENCE


def test_too_few_independent_draws_are_told():
    assert "draws" in checks(fit("y ~ x + (1 | g)", panel(), draws=10, random_seed=1))
    assert fit("y ~ x + (1 | g)", panel(), draws=100, random_seed=1).verdict.ok


@pytest.mark.parametrize("engine", ["direct", "nuts"])
def test_sigma_u_that_the_data_cannot_tell_is_told_by_either_engine(engine):
    two = panel(n_groups=2)
    result = fit("y ~ x + w + (1 | g)", two, engine=engine, random_seed=1)
    assert "identification" in checks(result)


def test_a_flat_prior_on_sigma_u_needs_groups():
    three = panel(n_groups=3)
    result = fit("y ~ x + (1 | g)", three, priors={"sigma_u": "Flat"}, random_seed=1)
    assert "moments" in checks(result)


def test_statsmodels_rounding_is_not_taken_for_a_fault_of_ours():
    for offset in (2000.0, 2e6):
        fitted = fit_reml(build_design("y ~ x + (1 | g)", panel(offset)), check=True)
        assert fitted.certificate.ok, fitted.certificate.message
        assert abs(fitted.certificate.statsmodels_difference) < 1e-6


def test_the_printed_figure_is_the_quantitys_own_and_starred_if_wrong():
    # In [3] of the document prints 3.1839 for the pooled slope; In [298] prints another model's
    # 5.9093 in its place.
    pooled = printed_figures(check_published(load_record("hsb_pooled")))
    assert pooled["beta[ses]"] == "3.1839"
    # design.md, mistake 6: stopped early. Mistake 1: not a variance component.
    crossed = printed_figures(check_published(load_record("hsb_sector_ses")))
    assert crossed["beta[Intercept]"] == "11.800*"
    assert crossed["beta[sector]"] == "2.138"
    assert crossed["sigma_u"] == "2.1501*"


def test_first_mistakes_in_python_are_one_line_errors():
    frame = dict(panel().columns)
    assert build_design("y ~ x + (1 | g)", frame, group_level="w").n == 108
    wrong = [
        lambda: fit(frame, "y ~ x + (1 | g)"),
        lambda: fit("y ~ x + (1 | g)", frame, priors="sigma_u=HalfNormal(5)"),
        lambda: fit("y ~ x + (1 | g)", frame, kind="partial"),
        lambda: fit("y ~ x", frame, engine="reml"),
        lambda: partial_pooling("y ~ x + (1 | g)"),
        lambda: summarise(fit_reml(build_design("y ~ x + (1 | g)", frame))),
        lambda: build_design(frame, "y ~ x"),
    ]
    for call in wrong:
        with pytest.raises(BayesMLMError) as caught:
            call()
        assert len(str(caught.value).splitlines()) == 1
