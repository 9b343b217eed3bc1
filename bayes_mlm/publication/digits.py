"""Round for print: two significant digits of the error, and as many decimals for the estimate."""

import math
from collections.abc import Iterable

MINUS = "\N{MINUS SIGN}"
TIMES = "\N{MULTIPLICATION SIGN}"
SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_ERROR_DIGITS = 2
_BARE_DIGITS = 3
# Beyond this a column of zeros is harder to read than a power of ten.
_MOST_DECIMALS = 6


def decimals_for(estimates: Iterable[float], errors: Iterable[float | None]) -> int:
    """Choose the decimals of a row, so that its columns can be compared digit by digit.

    Parameters
    ----------
    estimates : iterable of float
        Of one quantity, a model each.
    errors : iterable of float or None
        Their standard errors or posterior sds; None where there is none.

    Returns
    -------
    int
        0 or more. As many as show two significant digits of the smallest error, or three of the
        smallest estimate if no estimate has an error.

    References
    ----------
    The rule is that of the measurement guides: JCGM 100:2008 (GUM), sec. 7.2.6.

    Examples
    --------
    >>> decimals_for([2.9512, 2.3901], [0.1406, 0.1057]), decimals_for([0.447], [None])
    (2, 3)
    """
    known = [error for error in errors if error and math.isfinite(error)]
    if known:
        return max(0, _ERROR_DIGITS - 1 - math.floor(math.log10(min(known))))
    sizes = [abs(value) for value in estimates if value and math.isfinite(value)]
    return max(0, _BARE_DIGITS - 1 - math.floor(math.log10(min(sizes)))) if sizes else 0


def set_number(value: float, decimals: int) -> str:
    """Write a number with a true minus sign, and as a power of ten if it needs many zeros.

    Parameters
    ----------
    value : float
    decimals : int
        As `decimals_for` chose them.

    Returns
    -------
    str

    Examples
    --------
    >>> set_number(-1.3128, 2), set_number(-0.0004, 2), set_number(1.234e-8, 10)
    ('−1.31', '0.00', '1.23×10⁻⁸')
    """
    if decimals <= _MOST_DECIMALS or value == 0:
        text = f"{value:.{decimals}f}"
        # Rounded to nothing, a number has no sign.
        return text.replace("-", "" if float(text) == 0 else MINUS)
    leading = math.floor(math.log10(abs(value)))
    mantissa, _, power = f"{value:.{max(0, decimals + leading)}e}".partition("e")
    return f"{mantissa.replace('-', MINUS)}{TIMES}10{str(int(power)).translate(SUPERSCRIPTS)}"
