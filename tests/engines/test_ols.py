"""Least squares: every figure of the 2015 document's regression tables, and own intercepts."""

import numpy as np
import pytest

from bayes_mlm.base.errors import DesignError, EngineError
from bayes_mlm.data.datasets import load_dataset
from bayes_mlm.data.table import as_table
from bayes_mlm.design.design import build_design
from bayes_mlm.design.layouts import for_kind
from bayes_mlm.engines.ols import fit_ols


@pytest.fixture(scope="module")
def hsb():
    return load_dataset("hsb")


def design(hsb, kind, formula="mathach ~ ses"):
    return for_kind(build_design(formula, hsb, group="schoolid"), kind)


# The document's OLS tables, as printed (seed, "MODEL 1", "MODEL 2", and "MODEL 3" of the
# comparison of all models): quantity -> printed text. Where it prints 0.000 the text is that.
PRINTED = {
    "pooled": {
        "r2": "0.130",
        "r2_adj": "0.130",
        "f": "1075.",
        "f_p": "8.71e-220",
        "loglik": "-23549.",
        "n": "7185",
        "aic": "4.710e+04",
        "df_resid": "7183",
        "bic": "4.712e+04",
        "df_model": "1",
        "beta": ("12.7474", "3.1839"),
        "beta_se": ("0.076", "0.097"),
        "beta_t": ("168.424", "32.783"),
        "beta_p": ("0.000", "0.000"),
        "lower": ("12.599", "2.993"),
        "upper": ("12.896", "3.374"),
        "omnibus": "310.172",
        "omnibus_p": "0.000",
        "skew": "-0.159",
        "kurtosis": "2.362",
        "durbin_watson": "1.820",
        "jarque_bera": "152.430",
        "jarque_bera_p": "7.95e-34",
        "condition_number": "1.28",
    },
    "between": {
        "r2": "0.616",
        "r2_adj": "0.613",
        "f": "253.1",
        "f_p": "1.25e-34",
        "loglik": "-331.96",
        "n": "160",
        "aic": "667.9",
        "df_resid": "158",
        "bic": "674.1",
        "df_model": "1",
        "beta": ("12.6573", "5.9093"),
        "beta_se": ("0.153", "0.371"),
        "beta_t": ("82.568", "15.910"),
        "beta_p": ("0.000", "0.000"),
        "lower": ("12.355", "5.176"),
        "upper": ("12.960", "6.643"),
        "omnibus": "9.782",
        "omnibus_p": "0.008",
        "skew": "-0.122",
        "kurtosis": "4.745",
        "durbin_watson": "2.166",
        "jarque_bera": "20.702",
        "jarque_bera_p": "3.20e-05",
        "condition_number": "2.42",
    },
    "within": {
        "r2": "0.044",
        "r2_adj": "0.044",
        "f": "332.8",
        "f_p": "9.96e-73",
        "loglik": "-23887.",
        "n": "7185",
        "aic": "4.778e+04",
        "df_resid": "7183",
        "bic": "4.779e+04",
        "df_model": "1",
        "beta": ("12.7479", "2.1912"),
        "beta_se": ("0.079", "0.120"),
        "beta_t": ("160.686", "18.244"),
        "beta_p": ("0.000", "0.000"),
        "lower": ("12.592", "1.956"),
        "upper": ("12.903", "2.427"),
        "omnibus": "669.640",
        "omnibus_p": "0.000",
        "skew": "-0.184",
        "kurtosis": "2.192",
        "durbin_watson": "1.641",
        "jarque_bera": "236.034",
        "jarque_bera_p": "5.57e-52",
        "condition_number": "1.51",
    },
}


def half_digit(text):
    """Give half a unit of the last digit printed: the most that rounding can have moved it."""
    mantissa, _, exponent = text.partition("e")
    decimals = len(mantissa.partition(".")[2])
    # A hair more, for values that lie on the edge.
    return 0.5000001 * 10.0 ** (int(exponent or 0) - decimals)


def values(fit, name):
    if name in ("lower", "upper"):
        return [getattr(interval, name) for interval in fit.beta_interval]
    return np.atleast_1d(getattr(fit, name))


FIGURES = [(kind, name) for kind, figures in PRINTED.items() for name in figures]


@pytest.mark.parametrize(("kind", "name"), FIGURES)
def test_every_printed_figure(hsb, kind, name):
    printed = PRINTED[kind][name]
    texts = (printed,) if isinstance(printed, str) else printed
    ours = values(fit_ols(design(hsb, kind)), name)
    assert len(ours) == len(texts)
    for value, text in zip(ours, texts, strict=True):
        assert abs(value - float(text)) <= half_digit(text), (kind, name, value, text)


def test_the_tables_are_complete():
    # Each prints 18 figures beside the coefficients and 6 for each of two coefficients.
    for figures in PRINTED.values():
        assert sum(1 if isinstance(f, str) else len(f) for f in figures.values()) == 18 + 12


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
        "r2_adj": "rsquared_adj",
        "f": "fvalue",
        "df_model": "df_model",
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
    assert fit.df_model == 1
    assert fit.r2 == pytest.approx(1 - fit.rss / float(d.y @ d.y), rel=1e-12)


def test_an_exact_fit_is_refused(hsb):
    d = design(hsb, "pooled")
    with pytest.raises(EngineError, match="no residual variation"):
        fit_ols(d.with_arrays(y=d.X @ [1.0, 2.0]))


def test_a_bad_level_says_what_is_allowed(hsb):
    with pytest.raises(EngineError, match="number between 0 and 1"):
        fit_ols(design(hsb, "pooled"), level=95)
