"""Align a table of text."""

from collections.abc import Sequence

from bayes_mlm.base import align, visible

_WIDEST = 60  # characters of a label


def format_rows(rows: Sequence[Sequence[str]]) -> str:
    """Align rows of text: the first column to the left, numbers on their points, others right.

    Parameters
    ----------
    rows : sequence of sequence of str
        Lines of equal length.

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
    rows = [[_cut(visible(cell)) for cell in row] for row in rows]
    labels, *others = zip(*rows, strict=True)
    columns = [labels, *map(_aligned, others)]
    first, *rest = (max(map(len, column)) for column in columns)
    lines = []
    for label, *cells in zip(*columns, strict=True):
        aligned = (cell.rjust(width) for cell, width in zip(cells, rest, strict=True))
        lines.append("  ".join((label.ljust(first), *aligned)).rstrip())
    return "\n".join(lines)


def _cut(cell: str) -> str:
    """Cut a label that would push a table off any screen."""
    return cell if len(cell) <= _WIDEST else f"{cell[: _WIDEST - 1]}…"


def _aligned(column: Sequence[str]) -> list[str]:
    """Align a column that has a head, or none."""
    every = align(column)
    return every if every != list(column) else [column[0], *align(column[1:])]
