"""View of a table: text, rounded and free of markup, which every renderer reads."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import groupby

from bayes_mlm.base.errors import EngineError
from bayes_mlm.base.registry import Registry
from bayes_mlm.base.text import split


@dataclass(frozen=True, kw_only=True)
class Span:
    """Heading over several columns; an empty one over those that need none.

    Parameters
    ----------
    text : str
    columns : int
    short : str
        What stands for it where there is no room.
    """

    text: str = ""
    columns: int = 1
    short: str = ""


@dataclass(frozen=True, kw_only=True)
class View:
    """A table as text, rounded and without markup.

    Parameters
    ----------
    title : str
    headings : tuple of str
    cells : tuple of tuple of str
        By row.
    legend : tuple of str
        Lines below it.
    left : frozenset of int
        Columns of text aligned to the left on a console, besides the first.
    sections : tuple of str
        Of each row, the heading that it stands under; empty without sections.
    spans : tuple of Span
        Headings over the headings, for all columns; empty without them.
    below : tuple of tuple of str
        Second lines of the cells, such as standard errors; empty where all have one line.
    values : tuple of tuple of float or None
        Of each row, the cells that are one number, in full precision; empty where not needed.
    rules : frozenset of int
        Rows that have a rule above them, besides those of the sections.
    estimates : bool
        Whether each column but the first is of numbers, whatever words are among them.
    """

    title: str = ""
    headings: tuple[str, ...]
    cells: tuple[tuple[str, ...], ...]
    legend: tuple[str, ...] = ()
    left: frozenset[int] = frozenset()
    sections: tuple[str, ...] = ()
    spans: tuple[Span, ...] = ()
    below: tuple[tuple[str, ...], ...] = ()
    values: tuple[tuple[float | None, ...], ...] = ()
    rules: frozenset[int] = frozenset()
    estimates: bool = False

    @cached_property
    def numeric(self) -> tuple[bool, ...]:
        """Whether each column has numbers only."""
        if self.estimates:
            return (False, *(True,) * (len(self.headings) - 1))
        columns = zip(*self.cells, strict=True)
        return tuple(split(one) is not None for one in columns) or (False,) * len(self.headings)

    def only(self, columns: Sequence[int]) -> "View":
        """Return the table with some of its columns, and the rows that have text in them.

        Parameters
        ----------
        columns : sequence of int
            Places, in order; the first is that of the names of rows.

        Examples
        --------
        >>> table = View(headings=("", "a", "b"), cells=(("x", "1", ""), ("y", "", "2")))
        >>> table.only([0, 2]).cells
        (('y', '2'),)
        """
        named = [span for span in self.spans for _ in range(span.columns)]
        kept = [named[place] for place in columns] if named else []
        spans = tuple(
            replace(span, columns=len(list(group)))
            for _, alike in groupby(kept, key=id)
            for span, group in groupby(alike)
        )
        blank = ((),) * len(self.cells)
        rows = [
            row
            for row, (cells, below) in enumerate(zip(self.cells, self.below or blank, strict=True))
            if any(one[place] for one in (cells, below) if one for place in columns[1:])
        ]

        def of[T](table: tuple[tuple[T, ...], ...]) -> tuple[tuple[T, ...], ...]:
            return tuple(tuple(table[row][place] for place in columns) for row in rows if table)

        return replace(
            self,
            headings=tuple(self.headings[place] for place in columns),
            cells=of(self.cells),
            below=of(self.below),
            values=of(self.values),
            spans=spans,
            sections=tuple(self.sections[row] for row in rows) if self.sections else (),
            left=frozenset(k for k, place in enumerate(columns) if place in self.left),
        )

    def parts(self) -> Iterator[tuple[str, list[list[tuple[str, ...]]]]]:
        """Iterate over sections: the heading, and its rows, each of one or two lines."""
        rows = [
            [row, below] if any(below) else [row]
            for row, below in zip(self.cells, self.below or ((),) * len(self.cells), strict=True)
        ]
        named = zip(self.sections or ("",) * len(rows), rows, strict=True)
        for section, pairs in groupby(named, key=lambda pair: pair[0]):
            yield section, [row for _, row in pairs]


RENDERERS = Registry[Callable[[View], str]]("format", EngineError)


def render(view: View, form: str = "console") -> str:
    """Return a view in a form of `RENDERERS`: console, html, latex, markdown or page.

    A "page" is a whole page of HTML, "html" the part of it that another page takes in.

    Raises
    ------
    EngineError
        If there is no such form.

    Examples
    --------
    >>> print(render(View(headings=("", "sd"), cells=(("icc", "0.018"),), legend=("ok",))))
            sd
    icc  0.018
    ok
    """
    return RENDERERS[form](view)
