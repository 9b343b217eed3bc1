"""Table of models for a paper: a column a model and engine, a row a quantity."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby, pairwise
from typing import Any

from bayes_mlm.base import EngineError, Registry, Span, Tabular, View
from bayes_mlm.fitting import QuantityRow


@dataclass(frozen=True, kw_only=True)
class Cell:
    """Estimate of a model, and below it its error or interval.

    Parameters
    ----------
    text, below : str
        Rounded; empty where there is none.
    error, interval : str
        The same estimate's error, and its interval in brackets; one of them is `below`.
    stars : int
        Number of stars of its p-value.
    source : QuantityRow, optional
        The same in full precision.
    """

    text: str = ""
    below: str = ""
    error: str = field(default="", repr=False)
    interval: str = field(default="", repr=False)
    stars: int = field(default=0, repr=False)
    source: QuantityRow | None = field(default=None, repr=False)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One quantity across the columns.

    Parameters
    ----------
    section : str
        Heading of the part of the table that it is in.
    label : str
        "ses:sector", "σ_u", "R² between".
    cells : tuple of Cell
        One a column.
    bounded : bool
        Whether the quantity cannot exceed 1: a correlation, a share.
    """

    section: str
    label: str
    cells: tuple[Cell, ...]
    bounded: bool = False


@dataclass(frozen=True, kw_only=True)
class ModelColumn:
    """Model and engine that a column is of.

    Parameters
    ----------
    number : int
        The model's, from 1; columns of one model by several engines share it.
    model : str
        The record's name; empty for a model that was given as a formula.
    engine : str
        Label of the engine.
    outcome : str
        What the model is of.
    interval : str
        What its intervals are: "95% HDI".
    drawn : bool
        Whether its estimates are of a posterior.
    """

    number: int
    model: str
    engine: str
    outcome: str = ""
    interval: str = ""
    drawn: bool = False


@dataclass(frozen=True, kw_only=True, repr=False)
class PublicationTable(Tabular):
    """Models in adjacent columns; the underlying data have a row for each estimate.

    Parameters
    ----------
    title : str
    columns : tuple of ModelColumn
    rows : tuple of Row
    notes : tuple of str
        One or more sentences each, to make the table self-contained.
    style : str
        Style of the view, a name in `STYLES`.
    interval : bool
        Whether intervals stand below the estimates, or errors.
    levels : tuple of float
        Levels of the p-values that stars stand for; empty without stars.

    Examples
    --------
    >>> row = Row(section="Fixed part", label="ses", cells=(Cell(text="2.39", below="(0.11)"),))
    >>> column = ModelColumn(number=1, model="hsb_ses", engine="REML")
    >>> print(PublicationTable(title="Models of mathach", columns=(column,), rows=(row,)))
    Models of mathach
              (1)
      engine    REML
    Fixed part
      ses       2.39
              (0.11)
    """

    title: str
    columns: tuple[ModelColumn, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()
    style: str = "plain"
    interval: bool = False
    levels: tuple[float, ...] = ()

    def __repr__(self) -> str:
        """Return the title and the models, on one line."""
        models = dict.fromkeys(column.model for column in self.columns)
        return f"<PublicationTable {self.title!r}: {', '.join(models)}>"

    def in_parts(self, most: int) -> tuple["PublicationTable", ...]:
        """Return the table in parts of at most so many columns of numbers, alike in width.

        Rows that are empty in a part are left out of it; the notes stand below the last.
        """
        n = -(-len(self.columns) // most)
        if n < 2:
            return (self,)
        ends = [round(k * len(self.columns) / n) for k in range(n + 1)]
        parts = []
        for k, (start, end) in enumerate(pairwise(ends), start=1):
            rows = (replace(row, cells=row.cells[start:end]) for row in self.rows)
            parts.append(
                replace(
                    self,
                    title=f"{self.title} ({k} of {n})",
                    columns=self.columns[start:end],
                    rows=tuple(row for row in rows if any(cell.text for cell in row.cells)),
                    notes=self.notes if k == n else (),
                )
            )
        return tuple(parts)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns of the data."""
        return ("section", "row", "number", "model", "engine", "estimate", "sd", "lower", "upper")

    def raw(self) -> Iterator[Sequence[Any]]:
        """Return the estimates in full precision, row by row."""
        for row in self.rows:
            for column, cell in zip(self.columns, row.cells, strict=True):
                if one := cell.source:
                    values = (one.estimate, one.sd, one.lower, one.upper)
                    which = (column.number, column.model, column.engine)
                    yield (row.section, row.label, *which, *values)

    def view(self) -> View:
        """Return the table as text, in its style."""
        return STYLES[self.style].view(self)

    def starred(self, cell: Cell) -> str:
        """Return the text of a cell with its stars."""
        return cell.text + "*" * cell.stars

    def model_spans(self) -> tuple[Span, ...]:
        """Return a heading for each model, over the columns of its engines."""
        spans = [Span()]
        for (number, model), group in groupby(self.columns, lambda one: (one.number, one.model)):
            columns = len(list(group))
            spans.append(
                Span(text=f"({number}) {model}".rstrip(), columns=columns, short=f"({number})")
            )
        return tuple(spans)


@dataclass(frozen=True, kw_only=True)
class TableStyle:
    """How tables for papers are laid out.

    Parameters
    ----------
    view : callable
        Returns the view of a table.
    levels : tuple of float
        Levels of p-values, largest first, that one, two and three stars stand for.
    wide : int
        Most columns of estimates whose errors and intervals have columns of their own, not lines.
    """

    view: Callable[[PublicationTable], View]
    levels: tuple[float, ...]
    wide: int = 0


STYLES = Registry[TableStyle]("table style", EngineError)
