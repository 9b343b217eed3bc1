"""Table of models for a paper: a column a model and engine, a row a quantity."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from bayes_mlm.base import Span, Tabular, View
from bayes_mlm.fitting import QuantityRow


@dataclass(frozen=True, kw_only=True)
class Cell:
    """Estimate of a model, and below it its error or interval.

    Parameters
    ----------
    text, below : str
        Rounded; empty where there is none.
    source : QuantityRow, optional
        The same in full precision.
    """

    text: str = ""
    below: str = ""
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
    """

    section: str
    label: str
    cells: tuple[Cell, ...]


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
    """

    number: int
    model: str
    engine: str


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

    def __repr__(self) -> str:
        """Return the title and the models, on one line."""
        models = dict.fromkeys(column.model for column in self.columns)
        return f"<PublicationTable {self.title!r}: {', '.join(models)}>"

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
        """Return the table as text: engines under the models, errors below the estimates."""
        spans = [Span()]
        for (number, model), group in groupby(self.columns, lambda one: (one.number, one.model)):
            columns = len(list(group))
            spans.append(
                Span(text=f"({number}) {model}".rstrip(), columns=columns, short=f"({number})")
            )
        return View(
            title=self.title,
            headings=("engine", *(column.engine for column in self.columns)),
            spans=tuple(spans),
            cells=tuple((row.label, *(cell.text for cell in row.cells)) for row in self.rows),
            below=tuple(("", *(cell.below for cell in row.cells)) for row in self.rows),
            sections=tuple(row.section for row in self.rows),
            legend=self.notes,
        )
