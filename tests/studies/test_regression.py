"""Every figure of the 2015 document's regression tables."""

import numpy as np
import pytest

from bayes_mlm.data.datasets import load_dataset
from bayes_mlm.design import build_design
from bayes_mlm.design.layouts import for_kind
from bayes_mlm.engines.ols import fit_ols
from bayes_mlm.studies.hsb.regression import regression_quantities
from bayes_mlm.studies.quantities import model_quantities


@pytest.fixture(scope="module")
def hsb():
    return load_dataset("hsb")


# The document's OLS tables, as printed (seed, "MODEL 1", "MODEL 2", and "MODEL 3" of the
# comparison of all models): quantity -> printed text. Where it prints 0.000 the text is that.
PRINTED = {
    "pooled": {
        "r_squared": "0.130",
        "r_squared_adj": "0.130",
        "f": "1075.",
        "p[f]": "8.71e-220",
        "loglik": "-23549.",
        "n": "7185",
        "aic": "4.710e+04",
        "df_residual": "7183",
        "bic": "4.712e+04",
        "df_model": "1",
        "beta": ("12.7474", "3.1839"),
        "se": ("0.076", "0.097"),
        "t": ("168.424", "32.783"),
        "p": ("0.000", "0.000"),
        "ci_lower": ("12.599", "2.993"),
        "ci_upper": ("12.896", "3.374"),
        "omnibus": "310.172",
        "p[omnibus]": "0.000",
        "skew": "-0.159",
        "kurtosis": "2.362",
        "durbin_watson": "1.820",
        "jarque_bera": "152.430",
        "p[jarque_bera]": "7.95e-34",
        "condition_number": "1.28",
    },
    "between": {
        "r_squared": "0.616",
        "r_squared_adj": "0.613",
        "f": "253.1",
        "p[f]": "1.25e-34",
        "loglik": "-331.96",
        "n": "160",
        "aic": "667.9",
        "df_residual": "158",
        "bic": "674.1",
        "df_model": "1",
        "beta": ("12.6573", "5.9093"),
        "se": ("0.153", "0.371"),
        "t": ("82.568", "15.910"),
        "p": ("0.000", "0.000"),
        "ci_lower": ("12.355", "5.176"),
        "ci_upper": ("12.960", "6.643"),
        "omnibus": "9.782",
        "p[omnibus]": "0.008",
        "skew": "-0.122",
        "kurtosis": "4.745",
        "durbin_watson": "2.166",
        "jarque_bera": "20.702",
        "p[jarque_bera]": "3.20e-05",
        "condition_number": "2.42",
    },
    "within": {
        "r_squared": "0.044",
        "r_squared_adj": "0.044",
        "f": "332.8",
        "p[f]": "9.96e-73",
        "loglik": "-23887.",
        "n": "7185",
        "aic": "4.778e+04",
        "df_residual": "7183",
        "bic": "4.779e+04",
        "df_model": "1",
        "beta": ("12.7479", "2.1912"),
        "se": ("0.079", "0.120"),
        "t": ("160.686", "18.244"),
        "p": ("0.000", "0.000"),
        "ci_lower": ("12.592", "1.956"),
        "ci_upper": ("12.903", "2.427"),
        "omnibus": "669.640",
        "p[omnibus]": "0.000",
        "skew": "-0.184",
        "kurtosis": "2.192",
        "durbin_watson": "1.641",
        "jarque_bera": "236.034",
        "p[jarque_bera]": "5.57e-52",
        "condition_number": "1.51",
    },
}


def half_digit(text):
    """Return half a unit of the last digit printed: the most that rounding can have moved it."""
    mantissa, _, exponent = text.partition("e")
    decimals = len(mantissa.partition(".")[2])
    # A hair more, for values that lie on the edge.
    return 0.5000001 * 10.0 ** (int(exponent or 0) - decimals)


def values(found, name, terms):
    return [found[name]] if name in found else [found[f"{name}[{term}]"] for term in terms]


FIGURES = [(kind, name) for kind, figures in PRINTED.items() for name in figures]


@pytest.mark.parametrize(("kind", "name"), FIGURES)
def test_every_printed_figure(hsb, kind, name):
    printed = PRINTED[kind][name]
    texts = (printed,) if isinstance(printed, str) else printed
    d = for_kind(build_design("mathach ~ ses", hsb, group="schoolid"), kind)
    ours = values(model_quantities(d, fit_ols(d)), name, d.terms)
    assert len(ours) == len(texts)
    for value, text in zip(ours, texts, strict=True):
        assert abs(value - float(text)) <= half_digit(text), (kind, name, value, text)


def test_the_tables_are_complete():
    # Each prints 18 figures besides the coefficients and 6 for each of two coefficients.
    for figures in PRINTED.values():
        assert sum(1 if isinstance(f, str) else len(f) for f in figures.values()) == 18 + 12


def test_an_intercept_a_group_counts_as_its_dummies(hsb):
    d = for_kind(build_design("mathach ~ ses", hsb, group="schoolid"), "no_pooling")
    fit, found = fit_ols(d), regression_quantities(d)
    assert found["df_model"] == d.n - fit.df_resid - 1
    adjusted = 1 - (1 - fit.r2) * (d.n - 1) / fit.df_resid
    np.testing.assert_allclose(found["r_squared_adj"], adjusted, rtol=1e-9)
