"""Render a table of numbers on a terminal without losing a digit, from 20 columns on."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.box import SIMPLE_HEAD
from rich.console import Console, ConsoleOptions
from rich.table import Table
from rich.text import Text

from bayes_mlm.base.text import align
from bayes_mlm.base.text.visible import visible

# Columns of text, and of the names of rows, are folded to no less than this.
_LEAST_TEXT, _LEAST_NAME = 24, 8
_GAP = 3


@dataclass(frozen=True, kw_only=True)
class Head:
    """Head of a column.

    Parameters
    ----------
    text : str
    prose : bool
        Whether the column is text, which may be folded, and not numbers.
    opens : bool
        Whether a table that is too wide may be continued below from this column on.
    """

    text: str
    prose: bool = False
    opens: bool = True


@dataclass(frozen=True, kw_only=True, eq=False)
class TextTable:
    """Table whose numbers are aligned, continued below itself where the terminal is narrow.

    Numbers are folded only where those of one estimate and the names of the rows do not fit.

    Parameters
    ----------
    heads : sequence of Head
    rows : sequence of sequence of str
    title, caption : str
    names : int
        Columns, from the first, that name a row: they are repeated where the table is continued.
    """

    heads: Sequence[Head]
    rows: Sequence[Sequence[str]]
    title: str = ""
    caption: str = ""
    names: int = 1

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Table | Text]:
        most = options.max_width
        columns = [self._column(k) for k in range(len(self.heads))]
        widths = [max(map(len, column)) for column in columns]
        needed = [
            min(width, _LEAST_TEXT) if head.prose and k >= self.names else width
            for k, (head, width) in enumerate(zip(self.heads, widths, strict=True))
        ]
        needed[0] = min(widths[0], most // 2)
        if self.title:
            yield Text(visible(self.title))
        for block in self._blocks(needed, most):
            table = Table(box=SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
            wide = sum(needed[k] + _GAP for k in block) > most
            numbers = sum(widths[k] + _GAP for k in block if not self.heads[k].prose)
            for k in block:
                long = k == 0 and (wide or widths[0] > most // 2)
                folds = (self.heads[k].prose and k) or long or numbers + _LEAST_NAME > most
                table.add_column(
                    columns[k][0],
                    no_wrap=not folds,
                    overflow="fold",
                    max_width=most // 2 if long else None,
                )
            for r in range(1, len(self.rows) + 1):
                table.add_row(*(columns[k][r] for k in block))
            yield table
        if self.caption:
            yield Text(visible(self.caption))

    def _column(self, k: int) -> list[str]:
        """Return the head and the cells of a column; those of numbers have one width."""
        cells = [visible(row[k]) for row in self.rows]
        head = self.heads[k]
        if head.prose:
            return [visible(head.text), *cells]
        cells = align(cells)
        cells.insert(0, visible(head.text))
        width = max(map(len, cells))
        return [cell.rjust(width) for cell in cells]

    def _blocks(self, needed: Sequence[int], most: int) -> Iterator[list[int]]:
        """Split the columns into blocks that fit, each with the names of the rows in front."""
        names = list(range(self.names))
        opening = [k for k in range(self.names, len(needed)) if self.heads[k].opens]
        starts = sorted({self.names, *opening})
        empty = most - sum(needed[k] + _GAP for k in names)
        block, room = list(names), empty
        for start, stop in zip(starts, [*starts[1:], len(needed)], strict=True):
            size = sum(needed[k] + _GAP for k in range(start, stop))
            if size > room and len(block) > len(names):
                yield block
                block, room = list(names), empty
            block += range(start, stop)
            room -= size
        yield block
