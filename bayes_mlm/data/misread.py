"""Check for text that would wrongly become categories: dates, numbers in another notation.

The same rule applies whether rows are kept or summed: to the distinct values of a column.
"""

from collections.abc import Sequence

from bayes_mlm.base import DataError
from bayes_mlm.data.dates import are_dates
from bayes_mlm.data.numerals import Decimal, Numerals, numerals_among


def refuse_misread(name: str, role: str, levels: Sequence[str], *, is_time: bool = False) -> None:
    """Raise an error if an outcome or predictor contains dates, or numbers that were read as text.

    Not for columns that were declared to be categories.

    Parameters
    ----------
    name : str
        The column.
    role : str
        What the message calls it: "outcome", "predictor".
    levels : sequence of str
        Its different values, as text.
    is_time : bool
        Whether its declared type is one of dates or times.

    Raises
    ------
    DataError
        With what to do instead.

    Examples
    --------
    >>> refuse_misread("x", "predictor", ["3,14", "2,72"])
    Traceback (most recent call last):
        ...
    bayes_mlm.base.errors.DataError: predictor 'x' is text: numbers with a decimal comma, such as \
'3,14'; decimal="," (--decimal ,) reads them, and C(x) takes them as categories
    """
    as_categories = f", and C({name}) takes them as categories" if role == "predictor" else ""
    if is_time or are_dates(levels):
        example = f", such as {levels[0]!r}" if levels else ""
        raise DataError(
            f"{role} {name!r} contains dates or times{example}: convert them to numbers first, "
            "such as the days since the first date (bayes_mlm.code_time(…).values)"
            f"{as_categories}"
        )
    found = numerals_among(levels)
    if found is not None:
        raise DataError(f"{role} {name!r} is text: {_explain(found)}{as_categories}")


def _explain(found: Numerals) -> str:
    units = [unit for unit in found.units if unit]
    if len(found.units) > 1:
        several = "some with and some without" if len(units) == 1 else "values in"
        return (
            f"numbers, {several} {' and '.join(units)} (such as {found.example!r}); convert them "
            "to one unit"
        )
    if not found.decimals:
        return (
            f"numbers, some with a decimal comma and some with a point (such as "
            f"{found.example!r}); write them all in one way"
        )
    option = _option(found.decimals[0])
    if len(found.decimals) == 2:
        other = _option(found.decimals[1])
        reads = f"{option} reads a decimal comma in them, {other} separators of thousands"
    else:
        reads = f"{option} reads them"
    but = ""
    if found.stray:
        more = f" and {len(found.stray) - 1} more" if len(found.stray) > 1 else ""
        but = f", once {found.stray[0][:40]!r}{more} is corrected"
    kind = "a decimal comma" if found.decimals == (",",) else "separators or signs in them"
    return f"numbers with {kind}, such as {found.example!r}; {reads}{but}"


def _option(decimal: Decimal) -> str:
    return f'decimal="{decimal}" (--decimal {decimal})'
