"""Write counts, shares, probabilities and numbers on a known scale, such as k-hat."""

import math

from bayes_mlm.base.text.numbers import MINUS, Style, digits, in_print

# A smaller share is written as less than this: more digits carry no information.
_LEAST_SHARE = 1e-5


def count(many: float, noun: str = "") -> str:
    """Write how many there are: ``7,185 rows``, ``1 row``; without a noun the number alone.

    Examples
    --------
    >>> count(7185, "row"), count(1, "group"), count(4000.2)
    ('7,185 rows', '1 group', '4,000')
    """
    number = f"{many:,.0f}"
    return f"{number} {noun}{'' if many == 1 else 's'}" if noun else number


def percent(share: float) -> str:
    """Write a share in per cent: two digits of it, or above 99 % of its complement.

    Examples
    --------
    >>> percent(0.95), percent(0.0512), percent(0.9985), percent(3e-9)
    ('95 %', '5.1 %', '99.85 %', '<0.001 %')
    """
    if not math.isfinite(share):
        return "not defined"
    if 0.0 < share < _LEAST_SHARE:
        return f"<{100 * _LEAST_SHARE:g} %"
    if 1.0 - _LEAST_SHARE < share < 1.0:
        return f">{100 * (1 - _LEAST_SHARE):g} %"
    if 0.99 < share < 1.0:
        lacking = f"{100 * (1.0 - share):.2g}"
        return f"{100 * share:.{len(lacking.partition('.')[2])}f} %"
    return f"{100 * share:.2g} %" if abs(share) < 0.1 else f"{100 * share:.0f} %"


def level(prob: float) -> str:
    """Write the probability of an interval, in full: 99.9 % is not 100 %.

    Examples
    --------
    >>> level(0.95), level(0.999)
    ('95%', '99.9%')
    """
    return f"{100 * prob:.10g}%"


def probability(value: float | None) -> str:
    """Write a probability estimated from draws, never as 0 or 1.

    Examples
    --------
    >>> probability(0.98765), probability(0.9995), probability(0.0), probability(None)
    ('0.988', '>0.999', '<0.001', '')
    """
    if value is None:
        return ""
    text = scaled(value, 3)
    return {"1.000": ">0.999", "0.000": "<0.001"}.get(text, text)


def p_value(value: float | None, least: float = 0.001) -> str:
    """Write a p value after its name, no nearer to 0 or 1 than `least`.

    Examples
    --------
    >>> p_value(0.7604), p_value(0.0023), p_value(1e-12), p_value(1.0)
    ('p = 0.76', 'p = 0.002', 'p < 0.001', 'p > 0.999')
    """
    if value is None or math.isnan(value):
        return "p not defined"
    if value < least:
        return f"p < {scaled(least, 3)}"
    if value > 1.0 - least:
        return f"p > {scaled(1.0 - least, 3)}"
    return f"p = {scaled(value, 2 if 0.01 <= value <= 0.99 else 3)}"


def p_cell(value: float | None) -> str:
    """Return a p-value for a cell of a table; empty where there is none.

    Examples
    --------
    >>> p_cell(0.0321), p_cell(1e-9), p_cell(None)
    ('0.03', '< 0.001', '')
    """
    if value is None or math.isnan(value):
        return ""
    return p_value(value).removeprefix("p ").removeprefix("= ")


def scaled(value: float, decimals: int) -> str:
    """Write a number on a scale that needs the same decimals whatever its size, such as R-hat.

    Examples
    --------
    >>> scaled(1.00312, 3), scaled(-0.0004, 2), scaled(float("nan"), 2)
    ('1.003', '0.00', 'not defined')
    """
    return digits(value, 1.5 * 10.0 ** (1 - decimals)).number(value)


def rounded(value: float, most: int = 4, *, style: Style = "terminal") -> str:
    """Write a setting, such as a prior's parameter, to so many significant digits at most.

    Examples
    --------
    >>> rounded(3.0), rounded(0.0213004), rounded(65823.4), rounded(7e-7), rounded(9999.6)
    ('3', '0.0213', '65823', '7e-07', '10000')
    """
    text = f"{value:.{most}g}"
    if 10.0**most <= abs(float(text)) < 1e10:
        text = f"{value:.0f}"
    return in_print(text) if style != "terminal" else text


def signed(value: float, decimals: int = 2, *, style: Style = "terminal") -> str:
    """Write a difference in sds with its sign; zero has none.

    Examples
    --------
    >>> signed(0.238), signed(-0.001), signed(-1.5, style="table")
    ('+0.24', '0.00', '−1.50')
    """
    text = scaled(value, decimals)
    if text[0] == "-":
        return text.replace("-", MINUS) if style != "terminal" else text
    return f"+{text}" if any(one in text for one in "123456789") else text


def tiny(value: float) -> str:
    """Write an error of which only the order of magnitude matters: ``5.7e-07``.

    Examples
    --------
    >>> tiny(5.7123e-07), tiny(0.0)
    ('5.7e-07', '0')
    """
    return f"{value:.1e}" if value else "0"
