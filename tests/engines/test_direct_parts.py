"""The parts of the direct engine, each against something that knows the answer."""

import math

import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy import stats

from bayes_mlm.data.datasets import load_dataset
from bayes_mlm.design import build_design
from bayes_mlm.engines.direct.importance import sample_importance
from bayes_mlm.engines.direct.legendre import invert_cdf, make_rule
from bayes_mlm.engines.direct.mixture import (
    draw_mixture,
    fit_mixture,
    make_mixture,
    mixture_log_density,
)
from bayes_mlm.engines.direct.mode import Mode, find_mode
from bayes_mlm.engines.direct.pareto import smooth_weights
from bayes_mlm.engines.direct.partition import Region, draw_from, integrate
from bayes_mlm.engines.direct.priors import (
    correlation_factor,
    lower_pairs,
    partial_correlation_log_density,
    scale_log_density,
    sd_log_density,
)
from bayes_mlm.engines.direct.quadratic import Kernel, evaluate_quadratic
from bayes_mlm.likelihood.gaussian import quadratic
from bayes_mlm.model.priors import Prior, parse_prior
from bayes_mlm.moments.rotated import rotate_moments

SD_PRIORS = {
    "HalfNormal(2.5)": stats.halfnorm(scale=2.5),
    "HalfCauchy(1.5)": stats.halfcauchy(scale=1.5),
    "Exponential(0.7)": stats.expon(scale=1 / 0.7),
    "Gamma(0.4, 2)": stats.gamma(0.4, scale=0.5),
    "InverseGamma(2.5, 3)": stats.invgamma(2.5, scale=3.0),
    "Uniform(0.5, 4)": stats.uniform(0.5, 3.5),
}


@pytest.mark.parametrize("text", SD_PRIORS)
def test_sd_priors_are_scipys(text: str) -> None:
    log_sd = np.linspace(-6, 4, 41)
    want = SD_PRIORS[text].logpdf(np.exp(log_sd))
    # Both in double precision.
    np.testing.assert_allclose(sd_log_density(parse_prior("sigma_u", text), log_sd), want, 1e-12)


def test_half_t_is_twice_the_t() -> None:
    log_sd = np.linspace(-6, 4, 41)
    want = math.log(2) + stats.t(3, scale=7).logpdf(np.exp(log_sd))
    found = sd_log_density(parse_prior("sigma_u", "HalfStudentT(3, 7)"), log_sd)
    np.testing.assert_allclose(found, want, 1e-12)


def test_flat_sd_has_no_density() -> None:
    np.testing.assert_array_equal(sd_log_density(Prior("Flat"), np.array([-3.0, 5.0])), 0.0)


def test_scale_density_makes_a_student_t() -> None:
    # Integrated over log lambda, Normal(0, lambda) is Student's t: a fine grid against scipy.
    ell = np.linspace(-12, 60, 40_001)
    log_mix = scale_log_density(np.array([3.0]), ell[:, None])
    for x in (0.0, 0.8, 5.0):
        density = np.exp(log_mix) * stats.norm.pdf(x, scale=np.exp(0.5 * ell))
        total = density.sum() * (ell[1] - ell[0])
        assert total == pytest.approx(stats.t(3).pdf(x), rel=1e-9)


def test_lkj_of_two_is_a_beta() -> None:
    w = np.linspace(-2, 2, 9)[:, None]
    found = partial_correlation_log_density(1.7, 2, w)
    rho = np.tanh(w[:, 0])
    # Lewandowski et al. (2009): rho is Beta(eta, eta) on (-1, 1); d rho = (1 - rho^2) dw.
    want = stats.beta(1.7, 1.7, loc=-1, scale=2).logpdf(rho) + np.log1p(-(rho**2))
    np.testing.assert_allclose(found, want, atol=1e-10)


@pytest.mark.parametrize("q", [3, 4])
def test_lkj_is_a_power_of_the_determinant(q: int) -> None:
    eta, step = 2.3, 1e-6
    pairs = lower_pairs(q)
    rng = np.random.default_rng(q)

    def entries(w: np.ndarray) -> np.ndarray:
        factor = correlation_factor(q, w[None])[0]
        correlation = factor @ factor.T
        return np.array([correlation[a, b] for a, b in pairs])

    gaps = []
    for _ in range(5):
        w = rng.normal(0, 0.7, len(pairs))
        # The Jacobian by differences: 1e-10 of its size.
        moves = step * np.eye(len(pairs))
        jacobian = np.array([(entries(w + m) - entries(w - m)) / (2 * step) for m in moves])
        factor = correlation_factor(q, w[None])[0]
        want = (eta - 1) * 2 * np.log(np.diag(factor)).sum() + np.linalg.slogdet(jacobian)[1]
        gaps.append(float(partial_correlation_log_density(eta, q, w[None])[0]) - want)
    np.testing.assert_allclose(gaps, gaps[0], atol=1e-6)  # all but the normalising constant


@pytest.mark.parametrize("effects", ["1", "ses", "0 + ses", "ses + minority"])
def test_sums_over_groups_are_those_of_marginal(effects: str) -> None:
    design = build_design(f"mathach ~ ses * sector + ({effects} | schoolid)", load_dataset("hsb"))
    reduced = rotate_moments(design.moments())
    root = np.random.default_rng(1).normal(size=(50, reduced.q, reduced.q))
    s = root @ root.swapaxes(1, 2)
    logdet, a = evaluate_quadratic(Kernel(reduced=reduced), s)
    want_logdet, want_a = quadratic(reduced, s)
    np.testing.assert_allclose(logdet, want_logdet, rtol=1e-12)
    # Entries near zero are differences: their error is measured against the largest.
    np.testing.assert_allclose(a.transpose(2, 0, 1), want_a, atol=1e-11 * np.abs(want_a).max())


# --- quadrature -------------------------------------------------------------------------------


@given(st.lists(st.floats(0.05, 2.0), min_size=2, max_size=6), st.floats(0.01, 0.99))
def test_cdf_of_a_polynomial_is_inverted(values: list[float], chance: float) -> None:
    # A density that is positive at its nodes; it may dip below zero between them by little.
    rule = make_rule(len(values))
    coefficients = rule.transform @ (2.0 + np.array(values))
    x = invert_cdf(coefficients[None], np.array([chance]))[0]
    integral = np.polynomial.legendre.Legendre(coefficients).integ(lbnd=-1)
    assert integral(x) / integral(1.0) == pytest.approx(chance, abs=1e-9)


def test_rectangles_integrate_and_draw_a_known_density() -> None:
    def log_density(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        # A Gumbel in x (one steep and one exponential tail) and a normal around a curve in y.
        a, b = x[:, :, None], y[:, None, :]
        return -a - np.exp(-a) - 0.5 * ((b - np.tanh(a)) / 0.3) ** 2

    region = Region(
        x=np.linspace(-1.0, 1.0, 3),
        y=np.linspace(-1.0, 1.0, 3),
        growth=np.ones(2),
        limits=np.full((2, 2), np.inf) * [[-1.0, 1.0]],
    )
    found = integrate(log_density, region, 0.0)
    assert found.relative_error < 1.1e-5
    assert found.log_total == pytest.approx(math.log(0.3 * math.sqrt(2 * math.pi)), abs=1e-6)
    drawn = draw_from(found, 20_000, np.random.default_rng(1))
    assert stats.kstest(drawn.points[:, 0], stats.gumbel_r.cdf).pvalue > 1e-4
    z = (drawn.points[:, 1] - np.tanh(drawn.points[:, 0])) / 0.3
    assert stats.kstest(z, "norm").pvalue > 1e-4
    x = drawn.points[:, 0]
    exact = -x - np.exp(-x) - 0.5 * z**2
    # Half the mean difference of the densities, relative: an error in any probability.
    assert 0.5 * np.abs(np.expm1(exact - drawn.log_density)).mean() < 1e-5


# --- importance sampling ----------------------------------------------------------------------


def skewed(x: np.ndarray) -> np.ndarray:
    """Give a normalised density with a long arm: a log-gamma coordinate and a normal around it."""
    first = stats.loggamma(1.0).logpdf(x[:, 0])
    return first + stats.norm.logpdf(x[:, 1], loc=0.3 * x[:, 0], scale=0.1)


def test_importance_draws_follow_a_known_density() -> None:
    mode = find_mode(skewed, np.array([0.3, 0.2]), np.array([0.3, 0.3]))
    np.testing.assert_allclose(mode.x, [0.0, 0.0], atol=0.02)
    found = sample_importance(skewed, mode, np.array([1.0, 0.0]), 4000, np.random.default_rng(1))
    assert found.k_hat < 0.5
    assert found.n_unique >= 3990
    assert abs(found.log_integral) < 5 * found.log_integral_error
    assert stats.kstest(found.x[:, 0], stats.loggamma(1.0).cdf).pvalue > 1e-3
    z = (found.x[:, 1] - 0.3 * found.x[:, 0]) / 0.1
    assert stats.kstest(z, "norm").pvalue > 1e-3


def test_importance_says_when_tails_are_too_heavy() -> None:
    # Cauchy in logs, in three dimensions: nothing like it comes from a model with proper priors,
    # and t distributions with 5 degrees of freedom cannot cover it.
    def cauchy(x: np.ndarray) -> np.ndarray:
        return -2.0 * np.log1p((x**2).sum(axis=1))

    mode = Mode(x=np.zeros(3), value=0.0, covariance=np.eye(3))
    found = sample_importance(cauchy, mode, np.zeros(3), 1000, np.random.default_rng(1))
    assert found.k_hat > 0.7


def test_mixture_density_is_that_of_its_draws() -> None:
    rng = np.random.default_rng(1)
    mixture = make_mixture(
        np.array([0.3, 0.7]),
        np.array([[0.0, 0.0], [2.0, -1.0]]),
        np.array([np.eye(2), [[2.0, 0.5], [0.5, 0.3]]]),
    )
    x = draw_mixture(mixture, 20_000, rng)
    # The mean of 1/q over a square, drawn from q, is the square's area: 4.
    inside = (np.abs(x - [1.0, -0.5]) < 1.0).all(axis=1)
    ratio = inside / np.exp(mixture_log_density(mixture, x))
    assert ratio.mean() == pytest.approx(4.0, abs=5 * ratio.std() / math.sqrt(20_000))
    want = stats.multivariate_t([0.0, 0.0], np.eye(2), df=5).logpdf([0.7, 0.1])
    single = make_mixture(np.ones(1), np.zeros((1, 2)), np.eye(2)[None])
    assert mixture_log_density(single, np.array([[0.7, 0.1]]))[0] == pytest.approx(want, abs=1e-12)


def test_mixture_finds_two_hills() -> None:
    rng = np.random.default_rng(2)
    x = np.concatenate([rng.normal(0, 1, (1500, 2)), rng.normal(6, 0.5, (500, 2))])
    fitted = fit_mixture(x, np.full(2000, 1 / 2000), 2, rng)
    order = np.argsort(fitted.mean[:, 0])
    # Standard errors are 0.03; t components are pulled no further.
    np.testing.assert_allclose(fitted.mean[order], [[0, 0], [6, 6]], atol=0.15)
    np.testing.assert_allclose(fitted.weight[order], [0.75, 0.25], atol=0.01)


@pytest.mark.parametrize("shape", [-0.3, 0.1, 0.5, 0.9])
def test_pareto_smoothing_is_arvizs(shape: float) -> None:
    from arviz_stats.base import array_stats

    log_ratio = np.log(stats.genpareto(shape).rvs(3000, random_state=1) + 0.1)
    found = smooth_weights(log_ratio)
    want_log, want_k = array_stats.psislw(-log_ratio)
    want_log = np.asarray(want_log) if np.ndim(want_log) else want_log
    assert found.k_hat == pytest.approx(float(want_k), abs=1e-3)
    np.testing.assert_allclose(found.log_weight, want_log, atol=1e-3)


def test_equal_weights_are_left_alone() -> None:
    found = smooth_weights(np.zeros(100))
    assert found.k_hat == -math.inf
    np.testing.assert_allclose(np.exp(found.log_weight), 0.01)
