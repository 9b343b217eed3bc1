"""Tables on a terminal, which lose no digit from 20 columns on."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from rich.box import SIMPLE_HEAD
from rich.console import Console, ConsoleOptions
from rich.table import Table
from rich.text import Text

from bayes_mlm.base.rendering.view import Span, View
from bayes_mlm.base.text import align
from bayes_mlm.base.text.visible import visible

# Columns of text, and of the names of rows, are folded to no less than this.
_LEAST_TEXT, _LEAST_NAME = 24, 8
_GAP = 3


@dataclass(frozen=True, kw_only=True, eq=False)
class TerminalTable:
    """View on a terminal: continued below itself where it is too wide, never within a span.

    Numbers are folded only where those of one span and the names of the rows do not fit. A span's
    heading stands for that of its first column.

    Parameters
    ----------
    view : View
        Its columns to the left are text, which may be folded.
    names : int
        Columns, from the first, that name a row: they are repeated where the table is continued.
    """

    view: View
    names: int = 1

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Table | Text]:
        most, view = options.max_width, self.view
        columns = [self._column(k) for k in range(len(view.headings))]
        widths = [max(map(len, column)) for column in columns]
        needed = [
            min(width, _LEAST_TEXT) if k in view.left and k >= self.names else width
            for k, width in enumerate(widths)
        ]
        needed[0] = min(widths[0], most // 2)
        if view.title:
            yield Text(visible(view.title))
        for block in self._blocks(needed, most):
            table = Table(box=SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
            wide = sum(needed[k] + _GAP for k in block) > most
            numbers = sum(widths[k] + _GAP for k in block if not self._text(k))
            for k in block:
                long = k == 0 and (wide or widths[0] > most // 2)
                folds = (k and self._text(k)) or long or numbers + _LEAST_NAME > most
                table.add_column(
                    columns[k][0],
                    no_wrap=not folds,
                    overflow="fold",
                    max_width=most // 2 if long else None,
                )
            for r in range(1, len(view.cells) + 1):
                table.add_row(*(columns[k][r] for k in block))
            yield table
        if view.legend:
            yield Text(visible("\n".join(view.legend), keep="\n"))

    def _text(self, k: int) -> bool:
        return k < self.names or k in self.view.left

    def _starts(self) -> dict[int, str]:
        """Return the columns from which the table may be continued below, with their headings."""
        view = self.view
        spans = view.spans or [Span() for _ in view.headings]
        at = accumulate((span.columns for span in spans), initial=0)
        return {k: span.text or view.headings[k] for k, span in zip(at, spans, strict=False)}

    def _column(self, k: int) -> list[str]:
        """Return the heading and the cells of a column; those of numbers have one width."""
        heading = visible(self._starts().get(k, self.view.headings[k]))
        cells = [visible(row[k]) for row in self.view.cells]
        if self._text(k):
            return [heading, *cells]
        cells = [heading, *align(cells)]
        width = max(map(len, cells))
        return [cell.rjust(width) for cell in cells]

    def _blocks(self, needed: Sequence[int], most: int) -> Iterator[list[int]]:
        """Split the columns into blocks that fit, each with the names of the rows in front."""
        names = list(range(self.names))
        starts = sorted({self.names, *(k for k in self._starts() if k > self.names)})
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
