"""Align a column of numbers on the decimal point, and one of intervals between their ends."""

import re
from collections.abc import Sequence

_POWER = r"e[-+]\d+|×10[⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+"
_NUMBER = re.compile(rf"([<>]?[-+−]?\d[\d,]*)((?:\.\d+)?(?:{_POWER})?(?:[ %*].*)?)")
_INTERVALS = (re.compile(r"(\[[^\[\],]+,)( [^\[\],]+\].*)"), re.compile(r"(\S+ to)( \S+)"))
# Text allowed in a column of numbers: it is aligned to the right.
_WORDS = frozenset(("", "-", "inf", "-inf", "∞", "−∞", "not defined", "not found"))


def align(cells: Sequence[str]) -> list[str]:
    """Pad the cells of a column to one width.

    Parameters
    ----------
    cells : sequence of str
        Of one column, without its head.

    Returns
    -------
    list of str
        Numbers aligned on their decimal points, intervals on their commas, empty cells and words
        such as "not defined" to the right. A column with any other text is returned as it is.

    Examples
    --------
    >>> for text in align(["0.01989", "7.010e-07", "2.9", "300", ""]):
    ...     print(f"|{text}|")
    |  0.01989   |
    |  7.010e-07|
    |  2.9       |
    |300         |
    |            |
    >>> align(["[12.1, 13.1]", "[-0.52, 1.4]"])
    [' [12.1, 13.1]', '[-0.52, 1.4] ']
    """
    parts = split(cells)
    if parts is None:
        return list(cells)
    before = max(len(head) for head, tail in parts if tail is not None)
    after = max(len(tail or "") for _, tail in parts)
    width = max(before + after, *(len(head) for head, _ in parts))
    return [
        head.rjust(width) if tail is None else f"{head.rjust(width - after)}{tail.ljust(after)}"
        for head, tail in parts
    ]


def split(cells: Sequence[str]) -> list[tuple[str, str | None]] | None:
    """Split each cell where its column is aligned: at the decimal point, or between the ends.

    Parameters
    ----------
    cells : sequence of str

    Returns
    -------
    list of (str, str or None), or None
        The text left and right of that place, the latter None for a cell that is not a number;
        None if the column has other text than numbers.

    Examples
    --------
    >>> split(["2.95", "7.01×10⁻⁷", ""]), split(["a", "1.0"])
    ([('2', '.95'), ('7', '.01×10⁻⁷'), ('', None)], None)
    """
    for pattern in (_NUMBER, *_INTERVALS):
        found = [pattern.fullmatch(cell) for cell in cells]
        known = all(one or cell in _WORDS for one, cell in zip(found, cells, strict=True))
        if known and any(found):
            return [
                (cell, None) if one is None else (one[1], one[2])
                for one, cell in zip(found, cells, strict=True)
            ]
    return None
