"""Texts of numbers: the digits that an error leaves, intervals, columns, shares."""

import math
import re

import numpy as np
import pytest
from hypothesis import assume, given, strategies as st
from scipy.special import stdtrit

from bayes_mlm.base import format_rows, text as wording, wald_reach
from bayes_mlm.base.text import (
    align,
    count,
    digits,
    estimate,
    interval,
    level,
    number,
    p_value,
    percent,
    probability,
    rounded,
    scaled,
    share_digits,
    shorten,
    shorten_all,
    signed,
    texts,
)

STYLES = ("terminal", "table", "sentence")


def power(text):
    """Read a power of ten that is set in print."""
    plain = text.translate({ord(a): b for a, b in zip("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789", strict=True)})
    return float(plain.replace("×10", "e").replace("−", "-").replace(",", "").replace("∞", "inf"))


sizes = st.builds(
    lambda sign, digits, exponent: float(f"{sign}{digits}e{exponent}"),
    st.sampled_from(["", "-"]),
    st.integers(10**15, 10**16 - 1).map(lambda one: f"{str(one)[0]}.{str(one)[1:]}"),
    st.integers(-300, 300),
)


@given(
    sizes | st.just(0.0),
    sizes.map(abs),
    st.floats(0.01, 100.0),
    st.floats(0.01, 100.0),
    st.sampled_from(STYLES),
)
def test_an_estimate_is_printed_inside_its_interval_and_to_two_digits_of_its_error(
    value, error, below, above, style
):
    lower, upper = value - below * error, value + above * error
    assume(math.isfinite(lower) and math.isfinite(upper))
    chosen = digits(value, error, lower, upper, style=style)
    shown = [power(chosen.number(one)) for one in (lower, value, upper)]
    assert shown == sorted(shown)
    # Half a unit of the second digit of the error; in exact decimal arithmetic, but for the last
    # bit of the subtraction below.
    half = 0.5 * 10.0 ** (math.floor(math.log10(error)) - 1)
    for one, read in zip((lower, value, upper), shown, strict=True):
        assert abs(one - read) <= half * (1 + 1e-9) + 4e-16 * abs(one)
    assert abs(power(chosen.error(error)) - error) <= half * (1 + 1e-9)
    if lower < upper and math.nextafter(lower, upper) < upper:
        assert shown[0] < shown[2]


@given(sizes, st.none() | sizes.map(abs), st.sampled_from(STYLES))
def test_without_error_three_digits_are_shown_and_no_value_is_shown_as_zero(value, lower, style):
    read = power(digits(value, None, lower, style=style).number(value))
    assert read != 0.0
    assert abs(read - value) <= 0.5001e-2 * abs(value)


@given(st.lists(st.tuples(sizes, sizes.map(abs)), min_size=1, max_size=8))
def test_columns_have_one_width_and_one_place_for_the_point(rows):
    shown = [texts(value, error, value - error, value + error) for value, error in rows]
    for column in zip(*shown, strict=True):
        cells = align(column)
        assert [cell.strip() for cell in cells] == list(column)
        assert len(set(map(len, cells))) == 1
        where = "," if column[0].startswith("[") else r"(?<=\d)([.e]| *$)"
        assert len({re.search(where, cell).start() for cell in cells}) == 1, cells


@pytest.mark.parametrize(
    ("value", "error", "shown"),
    [
        (1.98880e-02, 1.42110e-04, ("0.01989", "0.00014")),  # lme4, cases/18-small-numbers
        (7.01003e-07, 1.50934e-09, ("7.010e-07", "1.5e-09")),
        (4.86691e-04, 9.19430e-05, ("0.000487", "0.000092")),
        (2.9512, 0.1406, ("2.95", "0.14")),
        (12.6363, 0.0996, ("12.636", "0.100")),  # 0.10 would be off by more than half a digit
        (12345.0, 345.0, ("12345", "345")),  # no digit left of the point is dropped
        (-23320.95, 0.1, ("-23320.95", "0.10")),
        (1.234567e9, 2.3e7, ("1.235e+09", "2.3e+07")),
        (5.123456781, 1.2e-8, ("5.123456781", "1.2e-08")),  # a power of ten would hide the 5
        (-0.0004, 0.02, ("0.000", "0.020")),  # rounded to nothing, it has no sign
        (math.nan, 0.1, ("not defined", "0.10")),
        (1.0, math.nan, ("1.00", "")),
        (1.0, None, ("1.00", "")),
        (0.0, None, ("0", "")),
        (math.inf, None, ("inf", "")),
        (5e-324, 5e-324, ("4.9e-324", "4.9e-324")),  # the least of all doubles
    ],
)
def test_digits_follow_the_error(value, error, shown):
    assert texts(value, error)[:2] == shown


@pytest.mark.parametrize(
    ("given_", "shown"),
    [
        ((2.0, 0.5, 1.0, math.inf), "[1.00, inf]"),
        ((2.0, 0.5, -math.inf, 3.0), "[-inf, 3.00]"),
        ((2.0, 0.5, 1.0, math.nan), "[1.00, not found]"),
        ((2.0, 0.5, None, 3.0), "[not found, 3.00]"),
        ((2.0, 0.5, math.nan, math.nan), "not found"),
        ((2.0, 0.5, None, None), ""),
        ((0.0, 0.0, 0.0, 0.0), "[0, 0]"),  # a point
        # A mean that does not exist has an sd of any size: the interval keeps its digits.
        ((-44.252, 1482.2, -0.153, 1.0), "[-0.15, 1.00]"),
        ((0.25, None, 0.1882, 0.3121), "[0.188, 0.312]"),  # no error: a quarter of the width
        ((1.0, 0.5, -0.0004, 2.0), "[0.00, 2.00]"),
    ],
)
def test_intervals(given_, shown):
    assert texts(*given_).interval == shown


@pytest.mark.parametrize("scale", range(-12, 13))
def test_a_change_of_units_never_hides_a_number(scale):
    """The significant digits stay, whatever the unit; only exponent or decimals change."""
    unit = 10.0**scale
    value, error, lower, upper = (one * unit for one in (2.9512, 0.1406, 2.6752, 3.2272))
    for style in STYLES:
        chosen = digits(value, error, lower, upper, style=style)
        for one, least in ((value, 2.95), (lower, 2.68), (upper, 3.23)):
            # Two digits of the error at least, and all digits left of the point.
            assert power(chosen.number(one)) == pytest.approx(least * unit, rel=2e-3)
        assert power(chosen.error(error)) == pytest.approx(0.1406 * unit, rel=5e-3)


def test_print_has_true_minus_signs_and_powers_of_ten():
    assert number(-7.01003e-07, 1.50934e-09) == "−7.010×10⁻⁷"
    assert number(-math.inf) == "−∞"
    assert number(1234.5, 100.0) == "1,234"
    assert texts(1234.5, 100.0, style="table").estimate == "1234"
    assert interval(-2.0, 0.5) == "−2.00 to 0.50"
    assert estimate(-1.31, -1.47, -1.15) == "−1.310 (−1.470 to −1.150)"


def test_estimates_of_one_quantity_share_decimals_unless_one_is_far_finer():
    shared = share_digits([digits(2.95, 0.14), None, digits(2.39, 0.098), digits(2.4, 1e-6)])
    assert [one and one.number(2.4) for one in shared] == ["2.400", None, "2.400", "2.40000000"]
    assert shared[0].error(0.14) == "0.140"
    small = share_digits([digits(7e-7, 1e-9), digits(2e-3, 1e-4)])
    assert [one.number(value) for one, value in zip(small, (7e-7, 2e-3), strict=True)] == [
        "7.000e-07",
        "2.00e-03",
    ]


def test_aligned_columns():
    assert align(["1.5", "-10.25", "7e-07"]) == ["  1.5  ", "-10.25 ", "  7e-07"]
    assert align(["[1.0, 2.0]", "not found", ""]) == ["[1.0, 2.0]", " not found", " " * 10]
    assert align(["0.000393 (+0.20)", "2.1"]) == ["0.000393 (+0.20)", "2.1             "]
    assert align(["school 1", "2.0"]) == ["school 1", "2.0"]  # labels are left alone
    shown = format_rows([("", "y"), ("mean", "12.5"), ("n", "3")])
    assert shown.splitlines() == ["         y", "mean  12.5", "n      3"]


@pytest.mark.parametrize(
    ("shown", "text"),
    [
        (percent(0.94), "94 %"),
        (percent(0.9985), "99.85 %"),  # 100 % would be all of it
        (percent(1.0), "100 %"),
        (percent(3e-9), "<0.001 %"),
        (percent(0.999999999), ">99.999 %"),
        (percent(-0.153), "-15 %"),
        (percent(math.nan), "not defined"),
        (probability(0.0), "<0.001"),
        (probability(0.99996), ">0.999"),
        (probability(None), ""),
        (p_value(0.76), "p = 0.76"),
        (p_value(0.0), "p < 0.001"),
        (p_value(1.0, 0.05), "p > 0.950"),
        (p_value(None), "p not defined"),
        (level(0.95), "95%"),
        (level(0.999), "99.9%"),  # not "100%"
        (level(0.29), "29%"),  # 100 * 0.29 is 28.999999999999996
        (count(1234567), "1,234,567"),
        (count(1, "row"), "1 row"),
        (scaled(1.00312, 3), "1.003"),
        (scaled(math.inf, 2), "inf"),
        (signed(-0.0049), "0.00"),
        (signed(0.2), "+0.20"),
        (signed(-1.5, style="table"), "−1.50"),
        (rounded(65823.4), "65823"),
        (rounded(0.0213004), "0.0213"),
        (rounded(-7e-7, style="table"), "−7×10⁻⁷"),
    ],
)
def test_scales(shown, text):
    assert shown == text


def test_numbers_of_arrays_are_numbers():
    assert texts(np.float64(2.5), np.float64(0.1), np.float64(2.3), np.float64(2.7)) == (
        "2.50",
        "0.10",
        "[2.30, 2.70]",
    )


def test_all_that_is_offered_exists():
    assert all(hasattr(wording, name) for name in wording.__all__)


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e3))
def test_numbers_keep_two_digits_of_their_spread(value, spread):
    written = float(number(value, spread).replace("−", "-").replace(",", ""))
    assert abs(written - value) <= 0.05 * spread + 1e-9 * abs(value)


@pytest.mark.parametrize(
    ("value", "spread", "text"),
    [(-1e-9, 1.0, "0.0"), (-2.345, 0.2, "−2.35"), (1234.5, 100.0, "1,234"), (np.nan, 1, "not")],
)
def test_numbers_as_text(value, spread, text):
    assert number(value, spread).startswith(text)


def test_shares_in_per_cent():
    assert (percent(0.94), percent(0.053), percent(0.0)) == ("94 %", "5.3 %", "0 %")


@given(st.lists(st.text(min_size=1, max_size=60), min_size=1, max_size=30, unique=True))
def test_short_labels_stay_short_and_different(labels):
    short = shorten_all(labels, 20)
    assert all(len(text) <= 20 for text in short)
    words = {" ".join(label.split()) for label in labels}
    assert len(set(short)) >= len(words)
    assert all(len(shorten(label, 20)) <= 20 for label in labels)


@pytest.mark.parametrize("prob", [0.5, 0.8, 0.95, 0.999])
@pytest.mark.parametrize("df", [2.5, 99.9, 100.0, 155.3, 1e4, 1e13, np.inf])
def test_the_reach_is_the_quantile_of_the_t(prob, df):
    assert wald_reach(prob, df) == pytest.approx(stdtrit(df, 0.5 + prob / 2), rel=5e-9)
