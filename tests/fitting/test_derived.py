"""Quantities derived from variance parameters, against closed forms and the worked study."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

from bayes_mlm.fitting.derived import design_effect, explained, icc, r_squared, reliability

SD = st.floats(1e-6, 1e6)


@given(SD, SD, st.floats(1e-3, 1e3))
def test_icc_lies_between_0_and_1_and_has_no_units(sigma_u, sigma_e, factor):
    value = float(icc(sigma_u, sigma_e))
    assert 0 <= value <= 1
    # Squares and a quotient: a few roundings.
    assert float(icc(factor * sigma_u, factor * sigma_e)) == pytest.approx(value, rel=1e-12)


def test_icc_at_the_ends():
    assert float(icc(0.0, 2.0)) == 0.0
    assert float(icc(2.0, 0.0)) == 1.0


def test_the_worked_study():
    # lme4: sigma_u 2.93496588657632, sigma_e 6.25686198493817 gives icc 0.180351790873696
    # (tests/reference/lme4.json, hsb_null); the issue asks for 0.180.
    assert float(icc(2.93496588657632, 6.25686198493817)) == pytest.approx(0.180351790873696)
    # design.md: R² by level of ses against null is 44.65 % between, 5.40 % within.
    found = r_squared(2.18361494341196, 6.08558942034844, 2.93496588657632, 6.25686198493817)
    assert float(found["r2_between"]) == pytest.approx(0.4465, abs=5e-5)
    assert float(found["r2_within"]) == pytest.approx(0.0540, abs=5e-5)


@given(st.floats(0, 1), st.lists(st.integers(1, 200), min_size=1, max_size=30))
def test_design_effect_and_reliability_stay_in_range(value, sizes):
    assert float(design_effect(value, sizes)) >= 1 - 1e-12
    assert 0 <= float(reliability(value, sizes)) <= 1 + 1e-12


@given(st.floats(0.01, 0.99), st.integers(2, 100))
def test_equal_groups_have_textbook_forms(value, size):
    sizes = [size] * 7
    # Spearman-Brown and Kish for equal groups.
    expected = size * value / (1 + (size - 1) * value)
    assert float(reliability(value, sizes)) == pytest.approx(expected, rel=1e-12)
    assert float(design_effect(value, sizes)) == pytest.approx(1 + (size - 1) * value, rel=1e-12)


def test_design_effect_is_the_variance_ratio_it_claims():
    """Var of the mean of correlated rows over that of independent ones, by the full matrix."""
    sizes, value = [3, 5, 1], 0.3
    n = sum(sizes)
    codes = np.repeat(range(3), sizes)
    covariance = np.where(codes[:, None] == codes, value, 0.0) + (1 - value) * np.eye(n)
    ratio = covariance.sum() / n**2 / (1 / n)
    assert float(design_effect(value, sizes)) == pytest.approx(ratio, rel=1e-12)


def test_explained_can_be_negative_and_is_undefined_without_variance():
    assert float(explained(2.0, 1.0)) == -3.0
    assert np.isnan(float(explained(1.0, 0.0)))
