"""Tables as aligned lines of text."""

from collections.abc import Collection, Sequence

from bayes_mlm.base.rendering.view import View
from bayes_mlm.base.text import align
from bayes_mlm.base.text.visible import visible

# Characters of a label; of text that is aligned to the left, which may be a sentence.
_WIDEST, _WIDEST_TEXT = 60, 200


def to_console(view: View) -> str:
    """Return a table as text: a section's heading stands over the columns, and widens none."""
    lines: list[Sequence[str]] = [view.headings]
    titles: dict[int, str] = {}
    for section, rows in view.parts():
        if section:
            titles[len(lines)] = section
        lines += [line for row in rows for line in row]
    if titles:
        lines = [("  " + first, *rest) for first, *rest in lines]
    columns = _columns(lines, view.left)
    text = _joined(columns)
    for at in sorted(titles, reverse=True):
        text.insert(at, titles[at])
    title = [visible(view.title)] if view.title else []
    return "\n".join([*title, *_spans(view, columns), *text, *view.legend])


def format_rows(rows: Sequence[Sequence[str]], left: Collection[int] = ()) -> str:
    """Align rows of text: the first column left, numbers at their decimal points, others right.

    Parameters
    ----------
    rows : sequence of sequence of str
        Lines of equal length.
    left : collection of int
        Further columns of text to be aligned to the left.

    Returns
    -------
    str
        One line each, two blanks between columns, no blanks at the end of a line.

    Examples
    --------
    >>> print(format_rows([("", "y"), ("mean", "12.5")]))
             y
    mean  12.5
    """
    return "\n".join(_joined(_columns(rows, left)))


def _columns(rows: Sequence[Sequence[str]], left: Collection[int]) -> list[list[str]]:
    """Return the columns, the cells of each padded to one width."""
    rows = [
        [_cut(visible(cell), _WIDEST_TEXT if k in left else _WIDEST) for k, cell in enumerate(row)]
        for row in rows
    ]
    padded = []
    for k, column in enumerate(zip(*rows, strict=True)):
        pad = str.ljust if k == 0 or k in left else str.rjust
        cells = list(column) if k == 0 else _aligned(column)
        width = max(map(len, cells))
        padded.append([pad(cell, width) for cell in cells])
    return padded


def _joined(columns: Sequence[Sequence[str]]) -> list[str]:
    return ["  ".join(cells).rstrip() for cells in zip(*columns, strict=True)]


def _spans(view: View, columns: Sequence[Sequence[str]]) -> list[str]:
    """Return the line of headings over several columns, short where they have no room."""
    cells, at = [], 0
    for span in view.spans:
        room = sum(len(one[0]) + 2 for one in columns[at : at + span.columns]) - 2
        text = visible(span.text)
        cells.append((text if len(text) <= room else span.short or _cut(text, room)).center(room))
        at += span.columns
    return ["  ".join(cells).rstrip()] if cells else []


def _cut(cell: str, most: int) -> str:
    """Cut a label that would push a table off any screen."""
    return cell if len(cell) <= most else f"{cell[: most - 1]}…"


def _aligned(column: Sequence[str]) -> list[str]:
    """Align a column that has a head, or none."""
    every = align(column)
    return every if every != list(column) else [column[0], *align(column[1:])]
