"""Recognise the rows of totals that spreadsheets have below the data."""

import re
from collections.abc import Iterable
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from bayes_mlm.base import DataError
from bayes_mlm.data.table import Table
from bayes_mlm.data.texts import BLANKS

# Of the whole value, in lower case, without spaces around it; read by every engine.
FOOTER = (
    r"((grand|sub|column|overall)[ -]?)?"
    r"(totals?|sums?|average|mean|median|summe|gesamt|insgesamt|somme|suma|totale?s?|totaal)"
    r"[ ]*[:=.]?[ ]*(\(.*\))?"
)


def is_footer(value: Any) -> bool:
    """Return whether a value names a row of totals.

    Examples
    --------
    >>> [is_footer(value) for value in ("Total", " Grand total: ", "Total Care Centre", 3)]
    [True, True, False, False]
    """
    return isinstance(value, str) and re.fullmatch(FOOTER, value.strip(BLANKS).lower()) is not None


def refuse_footer(word: str, source: str, *, row: int = 0) -> NoReturn:
    """Refuse a row that begins with a word for totals, naming the word, and the row if known."""
    where = f"row {row} of {source}" if row else f"a row of {source}"
    raise DataError(
        f"{where} begins with {word.strip(BLANKS)!r}: it looks like the footer of a spreadsheet, "
        "not like data; delete that row, or omit its line by omit_rows (--omit-rows)"
    )


def check_footer(table: Table) -> None:
    """Refuse a table that was read from text and has one row of totals.

    Raises
    ------
    DataError
        See `refuse_footer`. With several such rows, that is what the column is of.
    """
    first = next(iter(table.columns.values()))
    if not table.from_text or first.dtype != object:
        return
    values = first.tolist()
    # A factor has few different values, and identifiers end with digits, which a footer does not.
    named = (value for value in set(values) if value and not value[-1].isdigit())
    words = {value for value in named if is_footer(value)}
    rows = [row for row, value in enumerate(values) if value in words] if words else []
    if len(rows) == 1:
        refuse_footer(first[rows[0]], table.source, row=rows[0] + 1)


def check_footer_label(group: str, labels: Iterable[Any], counts: NDArray[np.int64]) -> None:
    """Refuse a group of one row that is called Total or the like.

    Raises
    ------
    DataError
        With the label.
    """
    for label, count in zip(labels, counts.tolist(), strict=True):
        if count == 1 and is_footer(label):
            raise DataError(
                f"{group} {label.strip(BLANKS)!r} has one row, which looks like the footer of a "
                "spreadsheet, not like data; delete that row"
            )
