"""Align a column of numbers on the decimal point, and one of intervals on the comma."""

import re
from collections.abc import Sequence

_NUMBER = re.compile(r"[<>]?[-+−]?\d[\d,]*(?=(?P<tail>(\.\d+)?(e[-+]\d+)?([ %*].*)?)$)")
_INTERVAL = re.compile(r"\[[^\[\],]+,(?=(?P<tail> [^\[\],]+\])( .*)?$)")
_WORDS = ("", "-", "inf", "-inf", "not defined", "not found")


def align(cells: Sequence[str]) -> list[str]:
    """Pad the cells of a column to one width.

    Parameters
    ----------
    cells : sequence of str
        Of one column, without its head.

    Returns
    -------
    list of str
        Numbers with their decimal points below one another, intervals with their commas; what is
        neither to the right. A column with any other text in it is returned as it is.

    Examples
    --------
    >>> for text in align(["0.01989", "7.0100e-07", "2.9", "300", ""]):
    ...     print(f"|{text}|")
    |  0.01989   |
    |  7.0100e-07|
    |  2.9       |
    |300         |
    |            |
    >>> align(["[12.1, 13.1]", "[-0.52, 1.4]"])
    [' [12.1, 13.1]', '[-0.52, 1.4] ']
    """
    for pattern in (_NUMBER, _INTERVAL):
        found = [pattern.match(cell) for cell in cells]
        known = all(match or cell in _WORDS for match, cell in zip(found, cells, strict=True))
        if not (known and any(found)):
            continue
        ends = [match.end() if match else None for match in found]
        before = max(end for end in ends if end is not None)
        after = max(
            len(cell) - end for cell, end in zip(cells, ends, strict=True) if end is not None
        )
        width = max(before + after, *map(len, cells))
        return [
            cell.rjust(width)
            if end is None
            else f"{cell[:end].rjust(width - after)}{cell[end:].ljust(after)}"
            for cell, end in zip(cells, ends, strict=True)
        ]
    return list(cells)
