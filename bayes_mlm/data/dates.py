"""Recognise dates and times that are written as text."""

import re
from collections.abc import Sequence
from datetime import date

# At most so many distinct values are checked, of which nearly all must be dates.
_CHECKED = 300
NEARLY_ALL = 0.9

_TIME = (
    r"(?:[01]?\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:[.,]\d+)?)?(?: ?[AaPp]\.?[Mm]\.?)?"
    r"(?: ?(?:Z|UTC|GMT|[+-]\d\d:?(?:\d\d)?))?(?: ?\[?[A-Z][A-Za-z_]+/[A-Za-z_/]+\]?| [A-Z]{3,4})?"
)
_MONTHS = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|mär|mai|okt|dez"
_MONTH = rf"(?P<name>{_MONTHS})[a-zé]*\.?"
_YEAR = r"(?P<y>1[5-9]\d\d|20\d\d|2100)"
_TAIL = rf"(?:[T ,]+{_TIME})?"
# Two digits make a year only where the rest leaves little doubt: 1.2.10 is a version, 12-11-10 a
# code. Day and month may stand in either order.
_FORMS = tuple(
    re.compile(form, re.IGNORECASE)
    for form in (
        rf"{_YEAR}(?P<by>[-/.])(?P<a>\d\d?)(?P=by)(?P<b>\d\d?){_TAIL}",
        rf"(?P<a>\d\d?)(?P<by>[-/.])(?P<b>\d\d?)(?P=by){_YEAR}{_TAIL}",
        rf"(?P<a>\d\d?)/(?P<b>\d\d?)/\d\d{_TAIL}",
        rf"(?P<a>\d\d)\.(?P<b>\d\d)\.\d\d{_TAIL}",
        rf"(?P<a>\d\d?)[-. ]+{_MONTH}[-, ]+(?:{_YEAR}|\d\d){_TAIL}",
        rf"{_MONTH} (?P<a>\d\d?)(?:st|nd|rd|th)?,? {_YEAR}{_TAIL}",
        rf"(?:[a-z]{{3}}, )(?P<a>\d\d?) {_MONTH} {_YEAR}{_TAIL}",
        rf"{_YEAR}[-/. ]{_MONTH}[-/. ](?P<a>\d\d?){_TAIL}",
        rf"{_MONTH}[-/. ]{_YEAR}",
        # a month, a quarter, a week of a year; a period from day to day
        rf"{_YEAR}[-/](?:0[1-9]|1[0-2])",
        rf"{_YEAR}[- ]?(?:Q[1-4]|W[0-5]\d(?:-[1-7])?)",
        rf"{_YEAR}-(?P<a>\d\d)-(?P<b>\d\d)/\d{{4}}-\d\d-\d\d",
        # a time of day, a duration as pandas and R write it
        _TIME,
        rf"-?\d+ days?,?(?: \+?{_TIME})?",
    )
)


def are_dates(levels: Sequence[str]) -> bool:
    """Return whether nearly all distinct values of a column of text are dates or times.

    Parameters
    ----------
    levels : sequence of str
        The distinct values; at most 300 of them are checked, evenly spaced.

    Examples
    --------
    >>> are_dates(["2020-01-31", "2020-02-29"]), are_dates(["31.01.2020", "01.02.2020 09:30"])
    (True, True)
    >>> are_dates(["12-34", "56-78"]), are_dates(["2020", "2021"]), are_dates(["2020-02-30"])
    (False, False, False)
    """
    checked = levels[:: 1 + len(levels) // _CHECKED]
    return bool(checked) and sum(map(_is_date, checked)) >= NEARLY_ALL * len(checked)


def _is_date(text: str) -> bool:
    matches = (form.fullmatch(text.strip()) for form in _FORMS)
    return any(match is not None and _is_in_calendar(match.groupdict()) for match in matches)


def _is_in_calendar(found: dict[str, str | None]) -> bool:
    """Return whether day and month exist, in one order or the other."""
    year = int(found.get("y") or 2000)
    a, b = (int(found.get(part) or 1) for part in ("a", "b"))
    if found.get("name"):  # `a` is the day of a month that is named
        return 1 <= a <= 31
    return any(_exists(year, month, day) for month, day in ((a, b), (b, a)))


def _exists(year: int, month: int, day: int) -> bool:
    try:
        date(year, month, day)
    except ValueError:
        return False
    return True
