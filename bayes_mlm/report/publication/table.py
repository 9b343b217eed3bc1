"""Hold a table for a paper: text, rounded and free of any markup."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Cell:
    """Hold one cell: an estimate, and below it its error or interval.

    Parameters
    ----------
    text, below : str
        Rounded; empty where there is nothing to say.
    """

    text: str = ""
    below: str = ""


@dataclass(frozen=True, kw_only=True)
class Row:
    """Hold one quantity across the columns.

    Parameters
    ----------
    label : str
        "ses:sector", "σ_u", "R² between".
    cells : tuple of Cell
        One a column.
    """

    label: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True, kw_only=True)
class Section:
    """Hold the rows of one part of the table, under a heading."""

    title: str
    rows: tuple[Row, ...]


@dataclass(frozen=True, kw_only=True)
class Column:
    """Hold what stands above one column.

    Parameters
    ----------
    number : int
        The model's, from 1; columns of one model by several engines share it.
    model : str
        The record's name; empty for a model that was given as a formula.
    engine : str
        "direct", "NUTS", "REML" or "OLS".
    """

    number: int
    model: str
    engine: str


@dataclass(frozen=True, kw_only=True)
class PublicationTable:
    """Hold a whole table, ready to be set in any format.

    Parameters
    ----------
    title : str
    columns : tuple of Column
    sections : tuple of Section
    notes : tuple of str
        One or more sentences each; what a reader needs who has nothing but the table.
    """

    title: str
    columns: tuple[Column, ...]
    sections: tuple[Section, ...]
    notes: tuple[str, ...]
