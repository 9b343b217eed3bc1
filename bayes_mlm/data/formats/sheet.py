"""Layout of a sheet of a workbook: its header, its data, and the rows that are neither."""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from bayes_mlm.base import DataError
from bayes_mlm.data.footers import is_footer
from bayes_mlm.data.texts import BLANKS, MISSING_TEXTS

_CELL = re.compile(r"(?P<column>[A-Za-z]{0,3})(?P<row>[0-9]{0,7})")
_LISTED = 4
_TAIL = 8  # rows at the end that may be below the data
_FEW = 4  # numbers, whose sum or mean another one may be by chance


@dataclass(frozen=True, kw_only=True)
class Area:
    """Rows and columns of a sheet, counted from 0; the last ones are included.

    Parameters
    ----------
    top, left : int
    bottom, right : int or None
        None for as far as there are cells.
    begins : bool
        Whether the first row was given: it names the columns.
    """

    top: int = 0
    left: int = 0
    bottom: int | None = None
    right: int | None = None
    begins: bool = False


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """Cells of one sheet.

    Parameters
    ----------
    name : str
    rows : list of list
        From the first cell of the sheet on; an empty cell is "".
    merged : tuple of ((row, column), (row, column))
        The first and the last cell of each merged range.
    """

    name: str
    rows: list[list[Any]]
    merged: tuple[tuple[tuple[int, int], tuple[int, int]], ...] = ()

    @property
    def extent(self) -> str:
        """The range that has cells, as "A1:D180"."""
        return f"A1:{cell_name(len(self.rows) - 1, max(map(len, self.rows)) - 1)}"


@dataclass(frozen=True, kw_only=True)
class Findings:
    """Rows of a sheet that appear to be neither header nor data.

    Parameters
    ----------
    header : int
        Row of the names of the columns, from 0.
    remarks : tuple of str
        One on each row, with a cell.
    omit : tuple of int
        Rows below the header to omit, from 0.
    """

    header: int
    remarks: tuple[str, ...] = ()
    omit: tuple[int, ...] = field(default=())


def cell_name(row: int, column: int) -> str:
    """Return the name of a cell.

    Examples
    --------
    >>> cell_name(2, 0), cell_name(0, 27)
    ('A3', 'AB1')
    """
    letters = ""
    column += 1
    while column:
        column, rest = divmod(column - 1, 26)
        letters = chr(65 + rest) + letters
    return f"{letters}{row + 1}"


def read_area(cells: str | None) -> Area:
    """Read a range of cells.

    Raises
    ------
    DataError
        If it is none.

    Examples
    --------
    >>> read_area("B3:D180"), read_area("A3").bottom
    (Area(top=2, left=1, bottom=179, right=3, begins=True), None)
    """
    if cells is None:
        return Area()
    parts = cells.replace("$", "").strip().split(":")
    found = [_CELL.fullmatch(part.strip()) for part in parts]
    if len(parts) > 2 or not all(one and one[0] for one in found):
        raise DataError(f"cells={cells!r} is no range of cells; give one such as A3:D180, or A3")
    corners = [(_column(one["column"]), int(one["row"] or 0) - 1) for one in found if one]
    left, top = corners[0]
    right, bottom = corners[1] if len(corners) == 2 else (-1, -1)
    if (right >= 0 and right < left) or (bottom >= 0 and bottom < top):
        raise DataError(f"cells={cells!r} ends before it begins; give one such as A3:D180")
    return Area(
        top=max(top, 0),
        left=max(left, 0),
        bottom=None if bottom < 0 else bottom,
        right=None if right < 0 else right,
        begins=top >= 0,
    )


def _column(letters: str) -> int:
    number = 0
    for letter in letters.upper():
        number = 26 * number + ord(letter) - 64
    return number - 1


def is_blank(value: Any) -> bool:
    """Return whether a cell is empty."""
    return value == "" or (isinstance(value, str) and not value.strip(BLANKS))


def is_text(value: Any) -> bool:
    """Return whether a cell holds text that does not stand for a missing value."""
    return isinstance(value, str) and value.strip(BLANKS) not in MISSING_TEXTS


def study(sheet: Sheet, area: Area, omitted: frozenset[int]) -> Findings:
    """Find the header of a sheet, and the rows that look like titles, units, totals and notes."""
    rows = [
        k
        for k in _within(sheet, area)
        if k not in omitted and not all(map(is_blank, _cells(sheet, area, k)))
    ]
    if not rows:
        return Findings(header=-1)
    filled = {k: sum(not is_blank(cell) for cell in _cells(sheet, area, k)) for k in rows}
    wide = sorted(filled.values())[len(rows) // 2]
    header = next((k for k in rows if 2 * filled[k] > wide or area.begins), rows[0])
    remarks = [
        f"row {k + 1} appears to be a title ({_example(sheet, area, k)})"
        for k in rows
        if k < header
    ][:_LISTED]
    body = [k for k in rows if k > header]
    omit = []
    if len(body) > 2 and _is_units(sheet, area, body):
        example = _example(sheet, area, body[0])
        if _completes(sheet, area, header, body[0]):
            return Findings(
                header=header,
                remarks=(
                    *remarks,
                    f"the names of the columns appear to be in two rows, {header + 1} and "
                    f"{body[0] + 1} ({example}); write each name in one cell",
                ),
            )
        omit.append(body[0])
        remarks.append(f"row {body[0] + 1} appears to contain units ({example})")
    for k, what in _tail(sheet, area, body, wide):
        omit.append(k)
        remarks.append(f"row {k + 1} appears to contain {what} ({_example(sheet, area, k)})")
    return Findings(header=header, remarks=tuple(remarks), omit=tuple(sorted(omit)))


def _completes(sheet: Sheet, area: Area, header: int, row: int) -> bool:
    """Return whether a row has names for columns that have none in the header."""
    names, others = _cells(sheet, area, header), _cells(sheet, area, row)
    return any(is_blank(name) and is_text(one) for name, one in zip(names, others, strict=False))


def _tail(sheet: Sheet, area: Area, body: Sequence[int], wide: int) -> list[tuple[int, str]]:
    """Find the rows of totals and notes below the data: the first of them, and all that follow."""
    last = body[1:][-_TAIL:]
    kinds = [_kind_of_tail(sheet, area, body, k, wide) for k in last]
    first = next((place for place, kind in enumerate(kinds) if kind), len(last))
    found = zip(last[first:], kinds[first:], strict=True)
    return [(k, kind or "a statistic of the rows above") for k, kind in found]


def _kind_of_tail(sheet: Sheet, area: Area, body: Sequence[int], row: int, wide: int) -> str:
    row_cells = _cells(sheet, area, row)
    cells = [cell for cell in row_cells if not is_blank(cell)]
    if isinstance(cells[0], str) and is_footer(cells[0]):
        return "totals"
    if wide > 2 and len(cells) == 1 and is_text(cells[0]):
        return "a note"
    if row != body[-1] or len(cells) == len(row_cells) or any(isinstance(c, str) for c in cells):
        return ""
    above = [_cells(sheet, area, k) for k in body if k < row]
    sums = [
        _is_summary(cell, [one[place] for one in above if place < len(one)])
        for place, cell in enumerate(row_cells)
        if not is_blank(cell)
    ]
    return "totals" if all(sums) else ""


def _is_summary(value: Any, above: Sequence[Any]) -> bool:
    """Return whether a number is the sum or the mean of those above it."""
    numbers = [one for one in above if isinstance(one, (int, float)) and not isinstance(one, bool)]
    if not isinstance(value, (int, float)) or len(numbers) < _FEW or not any(numbers):
        return False
    total = math.fsum(numbers)
    return any(math.isclose(value, one, rel_tol=1e-9) for one in (total, total / len(numbers)))


def _within(sheet: Sheet, area: Area) -> Iterator[int]:
    last = len(sheet.rows) - 1 if area.bottom is None else min(area.bottom, len(sheet.rows) - 1)
    return iter(range(area.top, last + 1))


def _cells(sheet: Sheet, area: Area, row: int) -> list[Any]:
    return sheet.rows[row][area.left : None if area.right is None else area.right + 1]


def _is_units(sheet: Sheet, area: Area, body: Sequence[int]) -> bool:
    """Return whether the first row of data has text, in columns of numbers, and no number."""
    first = _cells(sheet, area, body[0])
    below = [_cells(sheet, area, k) for k in body[1:]]
    odd = 0
    for place, cell in enumerate(first):
        if is_blank(cell):
            continue
        if not is_text(cell):
            return False
        others = [row[place] for row in below if place < len(row) and not is_blank(row[place])]
        numbers = sum(isinstance(one, (int, float)) for one in others)
        odd += bool(others) and 2 * numbers > len(others)
    return odd > 0


def _example(sheet: Sheet, area: Area, row: int) -> str:
    cells = _cells(sheet, area, row)
    place = next(k for k, cell in enumerate(cells) if not is_blank(cell))
    return f"{str(cells[place])[:40]!r} in {cell_name(row, area.left + place)}"
