"""Draws from an interpolated density with exact weights: closed forms, and what is refused."""

import numpy as np
import pytest

from bayes_mlm import build_design
from bayes_mlm.engines import sample_direct
from bayes_mlm.engines.direct import variances
from bayes_mlm.engines.direct.interpolation import sample_interpolated
from bayes_mlm.engines.direct.mode import find_mode
from bayes_mlm.engines.direct.posterior import Sums
from bayes_mlm.likelihood import model_priors
from tests.helpers.many_groups import unbalanced


def with_sums(log_density):
    """Return values with sums that carry the point, to be found again in the draws."""
    return lambda x: (log_density(x), Sums(logdet=x[:, 0].copy(), a=x.T[None].copy()))


def log_gamma(x):
    """Logs of independent gamma variables, of shapes 200, 300, ...: skewed, with known moments."""
    shape = 200.0 + 100.0 * np.arange(x.shape[1])
    return (shape * x - np.exp(x)).sum(axis=1)


def test_moments_and_integral_of_a_skewed_density():
    from scipy.special import digamma, gammaln, polygamma

    rng = np.random.default_rng(1)
    shape = 200.0 + 100.0 * np.arange(3)
    mode = find_mode(log_gamma, np.log(shape) + 0.1, np.full(3, 0.1))
    found = sample_interpolated(with_sums(log_gamma), mode, 20_000, rng)
    x, sd = found.draws.x, np.sqrt(polygamma(1, shape))
    assert np.abs(x.mean(axis=0) - digamma(shape)).max() < 4.0 * sd.max() / np.sqrt(20_000)
    assert np.allclose(x.std(axis=0), sd, rtol=4.0 / np.sqrt(40_000))
    assert np.isclose(found.draws.log_integral, gammaln(shape).sum(), atol=0.02)
    # Third moments are the interpolant's and not the normal's.
    skewness = (((x - digamma(shape)) / sd) ** 3).mean(axis=0)
    assert np.allclose(skewness, polygamma(2, shape) / sd**3, atol=4.0 * np.sqrt(6.0 / 20_000))
    assert found.log_weight_sd < 0.01
    assert found.draws.n_evaluations < 1.2 * 20_000
    assert len(np.unique(x[:, 0])) == 20_000
    assert np.array_equal(found.sums.logdet, x[:, 0])
    assert np.array_equal(found.draws.log_density, log_gamma(x))


def two_hills(x):
    other = x - 6.0
    return np.logaddexp(-0.5 * (x**2).sum(axis=1), -0.5 * (other**2).sum(axis=1) - 1.0)


def arm(x):
    """An sd that may be zero: in its log the density falls no faster than e^x."""
    return x[:, 0] - 0.5 * (np.exp(x[:, 0]) ** 2) - 0.5 * (x[:, 1:] ** 2).sum(axis=1)


def edge(x):
    return np.where(x[:, 0] < 0.5, -0.5 * (x**2).sum(axis=1), -np.inf)


@pytest.mark.parametrize("density", [two_hills, arm, edge])
def test_what_is_not_nearly_normal_is_refused(density):
    mode = find_mode(density, np.full(2, 0.1), np.full(2, 0.5))
    for seed in range(5):
        rng = np.random.default_rng(seed)
        assert sample_interpolated(with_sums(density), mode, 500, rng) is None


def test_draws_are_those_of_importance_sampling(monkeypatch):
    formula, table = unbalanced(2000, 1)
    design = build_design(formula, table)
    priors, found = model_priors(design), {}
    for how, dear in (("interpolated", 0), ("importance", np.inf)):
        monkeypatch.setattr(variances, "_DEAR", dear)
        found[how] = sample_direct(design, priors, random_seed=2, effects=False)
    one, other = found["interpolated"], found["importance"]
    assert one.report.log_weight_sd < 0.01
    assert other.report.log_weight_sd is None
    assert one.report.n_evaluations < 0.4 * other.report.n_evaluations
    assert one.report.trusted
    assert "interpolated" in str(one.report.verdict)
    for name in ("beta", "sigma_u", "rho_u", "sigma_e"):
        a, b = (each.draws[name].reshape(4000, -1) for each in (one, other))
        # Four Monte Carlo errors of the difference, the second being worth 3,000 draws.
        assert np.abs((a.mean(axis=0) - b.mean(axis=0)) / b.std(axis=0)).max() < 4.0 / np.sqrt(1700)
        assert np.abs(a.std(axis=0) / b.std(axis=0) - 1.0).max() < 4.0 / np.sqrt(3400)
    gap = one.report.log_marginal_likelihood - other.report.log_marginal_likelihood
    assert abs(gap) < 0.03


def test_where_it_is_refused_importance_sampling_draws(monkeypatch):
    """The slopes hardly vary, so the log of their sd has a long arm to the left."""
    formula, table = unbalanced(2000, 1)
    rng = np.random.default_rng(5)
    table["y"] = (
        0.3 * table["x1"] + rng.normal(size=2000)[table["g"]] + rng.normal(size=table["g"].size)
    )
    design = build_design(formula, table)
    monkeypatch.setattr(variances, "_DEAR", 0)
    drawn = sample_direct(design, model_priors(design), random_seed=2, effects=False)
    assert drawn.report.log_weight_sd is None
    assert drawn.report.trusted
