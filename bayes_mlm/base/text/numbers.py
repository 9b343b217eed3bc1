"""Write an estimate, its error and its interval to the digits that the error leaves them.

The rule is that of the measurement guides (JCGM 100:2008, GUM, sec. 7.2.6): two significant digits
of the standard error or posterior sd, and the estimate and the ends of its interval to the same
place. Rounding to one place keeps the order of numbers, so an estimate inside of its interval is
also printed inside of it.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Literal, NamedTuple

type Style = Literal["terminal", "table", "sentence"]
MINUS = "\N{MINUS SIGN}"
TIMES = "\N{MULTIPLICATION SIGN}"
SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
# Differences of some tenths of a log-likelihood matter, whatever its size.
LOGLIK_ERROR = 0.1
_ERROR_DIGITS = 2
_BARE_DIGITS = 3
# Beyond this many decimals a column of zeros is harder to read than a power of ten.
_MOST_DECIMALS = 6
# Values of at least this size keep their decimals however many there are: 5.123456780.
_LEAST_PLAIN = 1e-3
# Values of at least this size are powers of ten, unless their error is in the units or below.
_MOST_PLAIN = 1e7
# Seventeen digits distinguish any double from its neighbours.
_MOST_DIGITS = 17
# Places by which estimates that share their decimals may differ.
_MOST_APART = 2


class Texts(NamedTuple):
    """Texts of an estimate, its error and its interval; empty where there is none."""

    estimate: str
    error: str
    interval: str


@dataclass(frozen=True, kw_only=True)
class Digits:
    """Digits to which the numbers of one estimate are written.

    Parameters
    ----------
    place, error_place : int
        Power of ten of the last digit of the estimate and of the ends, and of the error: -2 is
        hundredths.
    power, error_power : bool
        Whether they are written with a power of ten: 7.010e-07.
    style : {"terminal", "table", "sentence"}
        As on a terminal (-7.010e-07), or as in print (−7.010×10⁻⁷); in a sentence thousands are
        set apart (1,234).
    """

    place: int
    error_place: int
    power: bool
    error_power: bool
    style: Style = "terminal"

    def number(self, value: float | None) -> str:
        """Write an estimate, or an end of an interval."""
        return self._written(value, self.place, self.power, "not defined")

    def error(self, value: float | None) -> str:
        """Write a standard error or sd; one that is not defined is left empty."""
        return self._written(value, self.error_place, self.error_power, "")

    def interval(self, lower: float | None, upper: float | None) -> str:
        """Write an interval, of which an end may not be found; empty if it has no end at all."""
        ends = self._ends(lower, upper)
        return f"[{', '.join(ends)}]" if len(ends) == 2 else "".join(ends)

    def span(self, lower: float | None, upper: float | None) -> str:
        """Write an interval as a sentence does: ``5.21 to 6.61``."""
        return " to ".join(self._ends(lower, upper))

    def _ends(self, lower: float | None, upper: float | None) -> tuple[str, ...]:
        if lower is None and upper is None:
            return ()
        first, last = (
            self._written(math.nan if end is None else end, self.place, self.power, "not found")
            for end in (lower, upper)
        )
        return (first,) if first == last == "not found" else (first, last)

    def _written(self, value: float | None, place: int, power: bool, undefined: str) -> str:
        if value is None:
            return ""
        value = float(value)
        if math.isnan(value):
            return undefined
        if math.isinf(value):
            text = "inf" if value > 0 else "-inf"
        elif power:
            text = _power(value, place)
        else:
            text = _plain(value, place, "," if self.style == "sentence" else "")
        return text if self.style == "terminal" else in_print(text)


def digits(
    value: float | Iterable[float | None] | None = None,
    error: float | Iterable[float | None] | None = None,
    lower: float | None = None,
    upper: float | None = None,
    *,
    style: Style = "terminal",
) -> Digits:
    """Choose the digits of an estimate, its error and its interval.

    Parameters
    ----------
    value : float or iterable of float
        The estimate, or several that are to be compared.
    error : float or iterable of float, optional
        Standard error or posterior sd; of several the smallest counts.
    lower, upper : float, optional
        Ends of the interval; either may be infinite, NaN or None.
    style : {"terminal", "table", "sentence"}
        See `Digits`.

    Returns
    -------
    Digits
        Two significant digits of the error; where there is none, or where the interval is much
        narrower, of a quarter of the interval's width, which is the sd of a normal distribution's
        95 % interval; else three of the smallest estimate.

    Examples
    --------
    >>> digits(2.9512, 0.1406).number(2.9512), digits(0.44712).number(0.44712)
    ('2.95', '0.447')
    >>> small = digits(7.01003e-07, 1.50934e-09)
    >>> small.number(7.01003e-07), small.error(1.50934e-09)
    ('7.010e-07', '1.5e-09')
    """
    values = [one for one in _listed(value) if math.isfinite(one)]
    errors = [one for one in _listed(error) if math.isfinite(one) and one > 0.0]
    ends = [float(end) for end in (lower, upper) if end is not None and math.isfinite(end)]
    width = ends[1] / 4 - ends[0] / 4 if len(ends) == 2 else 0.0
    spread = min(errors, default=0.0)
    if width > 0.0 and not 0.0 < spread <= 4 * width:
        spread = width
    place = _place(spread, _ERROR_DIGITS)
    if place is None:
        sizes = [abs(one) for one in values or ends if one]
        place = _place(min(sizes, default=0.0), _BARE_DIGITS)
    error_place = _place(min(errors, default=0.0), _ERROR_DIGITS)
    place = 0 if place is None else place
    largest = max((abs(one) for one in (*values, *ends)), default=0.0)
    error_place = place if error_place is None else error_place
    error_size = max(errors, default=0.0)
    return Digits(
        place=place,
        error_place=error_place,
        power=_needs_power(place, max(largest, error_size) if place > 0 else largest),
        error_power=_needs_power(
            error_place, max(largest, error_size) if error_place > 0 else error_size
        ),
        style=style,
    )


def share_digits(several: Sequence[Digits | None]) -> list[Digits | None]:
    """Return digits with common decimals, so that estimates of one quantity compare digit by digit.

    An estimate whose error is smaller than a hundredth of the others' keeps its digits.

    Examples
    --------
    >>> first, second = share_digits([digits(2.95, 0.14), digits(2.39, 0.098)])
    >>> first.number(2.95), second.number(2.39)
    ('2.950', '2.390')
    """
    known = [one for one in several if one is not None]
    least = max((one.place for one in known), default=0) - _MOST_APART
    common = min((one.place for one in known if one.place >= least), default=0)
    power = any(one.power for one in known)

    def sharing(one: Digits) -> Digits:
        finer = max(0, one.place - common)
        return replace(
            one,
            place=one.place - finer,
            error_place=one.error_place - finer,
            power=power,
            error_power=power or one.error_power,
        )

    return [None if one is None else sharing(one) for one in several]


def texts(
    value: float | None,
    error: float | None = None,
    lower: float | None = None,
    upper: float | None = None,
    *,
    style: Style = "terminal",
) -> Texts:
    """Write an estimate, its error and its interval, as `digits` chooses.

    Examples
    --------
    >>> texts(0.0198880, 0.000142110, 0.0196094, 0.0201665)
    Texts(estimate='0.01989', error='0.00014', interval='[0.01961, 0.02017]')
    >>> texts(-1.31, 0.08, -1.47, -1.15, style="sentence")
    Texts(estimate='−1.310', error='0.080', interval='−1.470 to −1.150')
    """
    chosen = digits(value, error, lower, upper, style=style)
    ends = chosen.interval(lower, upper) if style == "terminal" else chosen.span(lower, upper)
    return Texts(chosen.number(value), chosen.error(error), ends)


def number(value: float, error: float | None = None, *, style: Style = "sentence") -> str:
    """Write a number to the digits that its error leaves it, for a sentence.

    Examples
    --------
    >>> number(-1.3131, 0.8), number(12.6573), number(7.01e-7, 1.5e-9), number(-0.004, 0.1)
    ('−1.31', '12.7', '7.010×10⁻⁷', '0.00')
    """
    return digits(value, error, style=style).number(value)


def interval(lower: float, upper: float) -> str:
    """Write an interval for a sentence: ``5.21 to 6.61``."""
    return digits(None, None, lower, upper, style="sentence").span(lower, upper)


def estimate(value: float, lower: float, upper: float, *, error: float | None = None) -> str:
    """Write an estimate with its interval for a sentence: ``5.91 (5.21 to 6.61)``.

    Examples
    --------
    >>> estimate(5.9087, 5.2137, 6.6121)
    '5.91 (5.21 to 6.61)'
    """
    shown = texts(value, error, lower, upper, style="sentence")
    return f"{shown.estimate} ({shown.interval})"


def _listed(given: float | Iterable[float | None] | None) -> list[float]:
    several = given if isinstance(given, Iterable) else (given,)
    return [float(one) for one in several if one is not None]


def _place(size: float, significant: int) -> int | None:
    """Power of ten of the last of so many significant digits; None of zero."""
    return Decimal(size).adjusted() - significant + 1 if size else None


def _needs_power(place: int, largest: float) -> bool:
    if place < -_MOST_DECIMALS and largest < _LEAST_PLAIN:
        return True
    return largest >= 10.0 ** (_MOST_DIGITS - 2) or (place > 1 and largest >= _MOST_PLAIN)


def _plain(value: float, place: int, separator: str) -> str:
    most = _MOST_DIGITS - 1 - (Decimal(value).adjusted() if value else 0)
    text = f"{value:{separator}.{max(0, min(-place, most))}f}"
    # Rounded to nothing, a number has no sign.
    return text.removeprefix("-") if not any(one in text for one in "123456789") else text


def _power(value: float, place: int) -> str:
    if value == 0.0:
        return "0"
    decimals = Decimal(value).adjusted() - place
    return f"{value:.{min(max(0, decimals), _MOST_DIGITS - 1)}e}"


def in_print(text: str) -> str:
    """Return a terminal's number with a true minus sign and a power of ten, as in print."""
    text = text.replace("inf", "∞").replace("-", MINUS, text.startswith("-"))
    mantissa, _, power = text.partition("e")
    return f"{mantissa}{TIMES}10{str(int(power)).translate(SUPERSCRIPTS)}" if power else mantissa
