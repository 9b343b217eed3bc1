"""Where a difference changes its sign: lme4's numbers, Fieller's sets, and the draws by hand."""

import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy.special import stdtrit

from bayes_mlm import fit, load_hsb
from bayes_mlm.fitting import estimate_of
from bayes_mlm.questions.effects import crossing
from bayes_mlm.questions.effects.regions import fieller, outside, posterior_spans

# lme4 1.1-31: m <- lmer(mathach ~ ses*sector + (1|schoolid), hsb), V <- vcov(m), b <- fixef(m)
# -b[3]/b[4]; g <- c(0,0,-1/b[4],b[3]/b[4]^2); sqrt(g %*% V %*% g); the roots of
# (b3 + m b4)^2 = qnorm(.975)^2 (V33 + 2 m V34 + m^2 V44)
CROSSING, CROSSING_SE, FIELLER = 1.62864890777, 0.366570386458, (1.02873869978, 2.58487906231)


@pytest.fixture(scope="module")
def ladder():
    return fit("hsb_sector_ses", random_seed=1)


@pytest.fixture(scope="module")
def hsb():
    return load_hsb()


@pytest.fixture(scope="module")
def odd(hsb):
    """HSB with a positive predictor, a text predictor of three categories, and one of two."""
    third = np.where(hsb.ses < -0.5, "low", np.where(hsb.ses < 0.5, "mid", "top"))
    return hsb.assign(wealth=np.exp(hsb.ses), third=third, sex=np.where(hsb.female, "f", "m"))


def beta_of(fitted, *terms):
    beta = fitted.draws["beta"].reshape(-1, fitted.design.p)
    return [beta[:, fitted.design.terms.index(term)] for term in terms]


def test_crossing_by_reml_is_lme4s(ladder):
    found = crossing(ladder, "sector", "ses", prob=0.95).likelihood
    assert found.estimate == pytest.approx(CROSSING, abs=1e-5)
    assert found.se == pytest.approx(CROSSING_SE, abs=1e-5)
    assert found.fieller.shape == "bounded"
    (span,) = found.fieller.spans
    # At the normal quantile, by lme4; at that of the t of fewest degrees of freedom a little wider.
    estimate = estimate_of(ladder)
    rows = np.eye(4)[[list(estimate.solution.terms).index(one) for one in ("sector", "ses:sector")]]
    parts = estimate.combine(rows)
    known = np.array([one.mean for one in parts]), estimate.joint_covariance(rows)
    (normal,) = fieller(*known, 1.959963984540054).spans
    assert (normal.lower, normal.upper) == pytest.approx(FIELLER, abs=1e-5)
    (wider,) = fieller(*known, stdtrit(min(one.df for one in parts), 0.975)).spans
    assert (span.lower, span.upper) == pytest.approx((wider.lower, wider.upper), rel=1e-8)
    # Outside the set, and only there, the Wald interval of the difference excludes zero.
    assert [(one.lower, one.upper, one.sign) for one in found.spans] == [
        (-np.inf, span.lower, 1),
        (span.upper, np.inf, -1),
    ]


def test_crossing_of_the_posterior(ladder):
    found = crossing(ladder, "sector", "ses", prob=0.95)
    sector, product = beta_of(ladder, "sector", "ses:sector")
    values = -sector / product
    assert found.posterior.median == pytest.approx(np.median(values), abs=1e-3)
    assert found.posterior.one_way == 1.0
    low, high = found.observed
    assert (low, high) == (-3.758, 2.692)  # the least and greatest ses of the 7,185
    assert found.posterior.inside == ((values >= low) & (values <= high)).mean()
    # With every slope negative the stretches end at the quantiles of the crossing.
    first, second = found.posterior.spans
    assert first.upper == pytest.approx(np.quantile(values, 0.025), abs=0.01)
    assert second.lower == pytest.approx(np.quantile(values, 0.975), abs=0.02)
    assert (first.sign, second.sign) == (1, -1)


# Estimates and sds of any size that is not silly; correlation short of one.
SIZES = st.floats(-10, 10).map(lambda value: round(value, 3))
SDS = st.floats(0.01, 5).map(lambda value: round(value, 3))


@given(SIZES, SIZES, SDS, SDS, st.floats(-0.95, 0.95), st.floats(-50, 50))
def test_fieller_set_is_where_the_interval_holds_zero(a, b, sd_a, sd_b, rho, m):
    covariance = np.array([[sd_a**2, rho * sd_a * sd_b], [rho * sd_a * sd_b, sd_b**2]])
    estimate, at = np.array([a, b]), np.array([1.0, m])
    found = fieller(estimate, covariance, 1.96)
    z = abs(estimate @ at) / np.sqrt(at @ covariance @ at)
    if abs(z - 1.96) < 1e-6:  # on the edge, rounding decides
        return
    inside = any(span.lower <= m <= span.upper for span in found.spans)
    assert inside == (z < 1.96)
    covered = [span for span in outside(found, estimate) if span.lower < m < span.upper]
    assert len(covered) == (0 if inside else 1)
    if covered:
        assert covered[0].sign == np.sign(estimate @ at)


def test_fieller_set_without_covariance_is_the_ratio():
    (span,) = fieller(np.array([2.0, -1.0]), np.zeros((2, 2)), 1.96).spans
    assert (span.lower, span.upper) == pytest.approx((2.0, 2.0))


def test_fieller_sets_that_have_no_end(mock_fit, odd):
    # sex by ses hardly interact: the crossing is anywhere, and the set says so.
    fitted = fit("mathach ~ ses * sex + (1 | schoolid)", odd, random_seed=1)
    found = crossing(fitted, "sex", "ses", prob=0.95)
    assert found.likelihood.fieller.shape == "unbounded"
    assert "unbounded" in str(found)
    assert found.posterior.one_way < 0.99
    assert found.posterior.parallel > 0.05
    assert np.isfinite([found.posterior.lower, found.posterior.upper]).all()


def test_posterior_stretches_are_those_of_pointwise_quantiles():
    rng = np.random.default_rng(4)
    a, b = rng.multivariate_normal([0.5, 0.3], [[0.1, 0.02], [0.02, 0.04]], 40_000).T
    spans = posterior_spans(a, b, 0.9, finest=0.01)
    for m in np.linspace(-30, 30, 241):
        lower, upper = np.quantile(a + b * m, [0.05, 0.95])
        if min(abs(lower), abs(upper)) < 0.02 * (1 + abs(m)):  # an end, within Monte Carlo error
            continue
        signs = [span.sign for span in spans if span.lower < m < span.upper]
        assert signs == ([1] if lower > 0 else [-1] if upper < 0 else [])


def test_parallel_draws_do_not_spoil_the_crossing(mock_fit):
    fitted = mock_fit("hsb_sector_ses")
    beta = fitted.draws["beta"]
    beta[0, 0, fitted.design.terms.index("ses:sector")] = 0.0
    found = crossing(fitted, "sector", "ses").posterior
    assert found.parallel == 1 / 1000
    assert np.isfinite([found.median, found.lower, found.upper]).all()
