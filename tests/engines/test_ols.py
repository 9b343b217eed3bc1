"""Least squares, with and without an intercept a group."""

import numpy as np
import pytest

from bayes_mlm.base.errors import DesignError, EngineError
from bayes_mlm.data.datasets import load_dataset
from bayes_mlm.data.table import as_table
from bayes_mlm.design import build_design
from bayes_mlm.design.layouts import for_kind
from bayes_mlm.engines.ols import fit_ols


@pytest.fixture(scope="module")
def hsb():
    return load_dataset("hsb")


def design(hsb, kind, formula="mathach ~ ses"):
    return for_kind(build_design(formula, hsb, group="schoolid"), kind)


def test_the_mundlak_coefficients_printed(hsb):
    # seed: "Intercept 12.747033, ses 2.191172, schoolmean_ses 3.525709".
    fit = fit_ols(design(hsb, "mundlak"))
    assert fit.terms == ("Intercept", "ses", "between(ses)")
    np.testing.assert_allclose(fit.beta, [12.747033, 2.191172, 3.525709], atol=5.1e-7)


@pytest.mark.parametrize("formula", ["mathach ~ ses", "mathach ~ ses + minority", "mathach ~ 1"])
def test_own_intercepts_equal_dummies(hsb, formula):
    """Against the regression on 160 dummies that de-meaning stands for."""
    from statsmodels.regression.linear_model import OLS

    d = design(hsb, "no_pooling", formula)
    fit = fit_ols(d)
    dummies = (d.codes[:, None] == np.arange(d.J)).astype(float)
    full = OLS(d.y, np.column_stack([dummies, d.X])).fit(method="qr")
    # QR of a 7185 x 161 matrix; both are good to some twelve digits.
    close = {"rtol": 1e-9}
    np.testing.assert_allclose(fit.group_intercepts, full.params[: d.J], **close)
    np.testing.assert_allclose(fit.group_intercepts_se, full.bse[: d.J], **close)
    np.testing.assert_allclose(fit.beta, full.params[d.J :], **close)
    np.testing.assert_allclose(fit.beta_se, full.bse[d.J :], **close)
    for name, theirs in {
        "loglik": "llf",
        "aic": "aic",
        "bic": "bic",
        "r2": "rsquared",
        "df_resid": "df_resid",
    }.items():
        assert getattr(fit, name) == pytest.approx(getattr(full, theirs), rel=1e-9), name
    assert fit.sigma_e == pytest.approx(np.sqrt(full.scale), rel=1e-9)
    assert fit.group == "schoolid"
    np.testing.assert_array_equal(fit.labels, d.labels)


def test_an_offset_outcome_keeps_its_intercepts(hsb):
    d = design(hsb, "no_pooling")
    plain, moved = fit_ols(d), fit_ols(d.with_arrays(y=d.y + 1e6))
    # 1e6 leaves the data ten decimals.
    np.testing.assert_allclose(moved.group_intercepts - 1e6, plain.group_intercepts, atol=1e-8)
    np.testing.assert_allclose(moved.beta, plain.beta, rtol=1e-9)
    assert moved.sigma_e == pytest.approx(plain.sigma_e, rel=1e-9)


def test_a_group_level_predictor_is_refused_beside_own_intercepts(hsb):
    d = design(hsb, "no_pooling")
    sector = hsb.columns["sector"].astype(float)
    d = d.with_arrays(X=np.column_stack([d.X, sector]), terms=(*d.terms, "sector"))
    with pytest.raises(DesignError, match="'sector' does not vary within 'schoolid'"):
        fit_ols(d)


def test_an_aliased_column_is_named(hsb):
    d = design(hsb, "pooled")
    d = d.with_arrays(X=np.column_stack([d.X, 2 * d.X[:, 1]]), terms=(*d.terms, "twice"))
    with pytest.raises(DesignError, match="'twice' is a linear combination of 'ses'"):
        fit_ols(d)


def test_group_effects_are_refused(hsb):
    with pytest.raises(EngineError, match="cannot fit group effects"):
        fit_ols(build_design("mathach ~ ses + (1 | schoolid)", hsb))


def test_without_a_constant_r2_is_about_zero():
    d = build_design("y ~ 0 + x", as_table({"x": np.arange(1.0, 9.0), "y": np.arange(8.0) ** 2}))
    fit = fit_ols(d)
    assert fit.r2 == pytest.approx(1 - fit.rss / float(d.y @ d.y), rel=1e-12)


def test_an_exact_fit_is_refused(hsb):
    d = design(hsb, "pooled")
    with pytest.raises(EngineError, match="no residual variation"):
        fit_ols(d.with_arrays(y=d.X @ [1.0, 2.0]))


def test_a_bad_level_says_what_is_allowed(hsb):
    with pytest.raises(EngineError, match="number between 0 and 1"):
        fit_ols(design(hsb, "pooled"), level=95)
