"""Many outcomes of one design: the same estimates as one by one."""

import numpy as np
import pytest

from bayes_mlm import build_design
from bayes_mlm.base import DesignError
from bayes_mlm.engines import fit_responses, fit_several
from tests.engines.several_dense import rows

FORMULAS = (
    ("y ~ x + (x | g) + (1 | h)", "REML"),
    ("y ~ x + (x || g) + (1 | h)", "ML"),
    ("y ~ 1 + (1 | g) + (1 | h)", "REML"),
)


def simulated(design, fit, number, seed):
    """Return outcomes simulated at the estimates."""
    rng = np.random.default_rng(seed)
    found = design.X @ fit.beta + fit.sigma_e * rng.normal(size=(number, design.n))
    for term, one in zip(design.group_terms, fit.factors, strict=True):
        root = fit.sigma_e * one.theta
        u = rng.normal(size=(number, term.J, term.q)) @ root.T
        found += np.einsum("nq,rnq->rn", term.Z, u[:, term.codes])
    return found


@pytest.mark.parametrize(("formula", "method"), FORMULAS)
@pytest.mark.parametrize("known", [True, False])
def test_estimates_are_those_of_one_fit_at_a_time(formula, method, known):
    design = build_design(formula, rows(6))
    fit = fit_several(design, method=method, profile=False)
    many = simulated(design, fit, 25, 1)
    found = fit_responses(design, many, method=method, start=fit if known else None)
    assert found.converged.all()
    assert found.factors == ("g", "h")
    for k, y in enumerate(many):
        one = fit_several(design.with_arrays(y=y), method=method, profile=False)
        assert found.loglik[k] == pytest.approx(one.loglik, abs=1e-6)
        assert found.sigma_e[k] == pytest.approx(one.sigma_e, rel=1e-4)
        np.testing.assert_allclose(found.beta[k], one.beta, atol=1e-3 * one.beta_se.min())
        np.testing.assert_allclose(found.beta_cov[k], one.beta_cov, rtol=1e-2, atol=1e-5)
        for f, factor in enumerate(one.factors):
            scale = np.diagonal(factor.cov_u).max() + 0.01
            np.testing.assert_allclose(found.cov_u[f][k], factor.cov_u, atol=2e-3 * scale)
    assert found.sigma_u[1].shape == (25, 1)
    assert found.singular.any() or "|| g" in formula or "x" not in formula


def test_the_outcomes_are_fitted_less_the_offset():
    table = rows(6)
    table["o"] = 3.0 * table["x"]
    design = build_design("y ~ x + offset(o) + (1 | g) + (1 | h)", table)
    found = fit_responses(design, design.y[None])
    one = fit_several(design, profile=False)
    assert found.loglik[0] == pytest.approx(one.loglik, abs=1e-7)
    np.testing.assert_allclose(found.beta[0], one.beta, rtol=1e-5)


def test_outcomes_in_parts_are_the_same(monkeypatch):
    design = build_design("y ~ 1 + (1 | g) + (1 | h)", rows(6))
    many = np.random.default_rng(2).normal(size=(7, design.n))
    whole = fit_responses(design, many)
    monkeypatch.setattr("bayes_mlm.engines.reml.several.responses._AT_ONCE", 3 * design.n)
    parts = fit_responses(design, many)
    np.testing.assert_allclose(whole.loglik, parts.loglik, atol=1e-6)
    np.testing.assert_allclose(whole.beta, parts.beta, atol=1e-4)


def test_a_large_tail_is_fitted_too(monkeypatch):
    design = build_design("y ~ 1 + (1 | g) + (1 | h)", rows(6))
    many = np.random.default_rng(2).normal(size=(2, design.n))
    whole = fit_responses(design, many)
    monkeypatch.setattr("bayes_mlm.likelihood.sparse.factor.SMALL_TAIL", 0)
    other = fit_responses(design, many)
    np.testing.assert_allclose(whole.loglik, other.loglik, atol=1e-8)


@pytest.mark.parametrize(
    ("many", "words"),
    [
        (np.zeros(72), r"shape \(72,\)"),
        (np.zeros((2, 5)), "of 72 values each"),
        (np.full((1, 72), np.nan), "missing or infinite"),
        (np.ones((1, 72)), "without residual variation"),
    ],
)
def test_responses_that_cannot_be_fitted(many, words):
    design = build_design("y ~ 1 + (1 | g) + (1 | h)", rows(6))
    with pytest.raises(DesignError, match=words):
        fit_responses(design, many)
