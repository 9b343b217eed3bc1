"""Tables of results: raw values in named columns, rounded only where they are shown."""

import csv
import io
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, is_dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, ClassVar, Literal, overload

from bayes_mlm.base.rendering import STYLE, View, render, to_word
from bayes_mlm.base.text import Digits, count, digits, p_cell, probability, scaled
from bayes_mlm.base.verdict import Verdict

if TYPE_CHECKING:
    import pandas as pd

type ColumnKind = Literal[
    "text", "label", "number", "error", "interval", "probability", "count", "ratio", "p"
]


# Of results that are not judged.
NO_VERDICT = Verdict(())


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column of the view of a result table.

    Parameters
    ----------
    name : str
        Field of the rows that it shows.
    heading : str
        Text above it; empty: the name.
    kind : str
        "number", "error" and "interval" (of the fields `lower` and `upper`) of a row are rounded
        together; "ratio" has three decimals, "p" is a p-value; a "label" is text aligned to the
        left.
    text : callable, optional
        Writes the cell of a row, where its field does not.
    """

    name: str
    heading: str = ""
    kind: ColumnKind = "text"
    text: Callable[[Any], str] | None = None


class Tabular(ABC):
    """Anything shown as a table: states its raw values and its view, and gets every form of both.

    A subclass has `names`, `raw` and `view`.
    """

    @property
    @abstractmethod
    def names(self) -> tuple[str, ...]:
        """Names of the columns of the data."""

    @abstractmethod
    def raw(self) -> Iterable[Sequence[Any]]:
        """Return the raw values, row by row, in the order of `names`; None if not defined."""

    @abstractmethod
    def view(self) -> View:
        """Return title, headings, cells and legend as text, for a renderer."""

    def to_frame(self) -> "pd.DataFrame":
        """Return a tidy data frame in full precision."""
        import pandas as pd

        return pd.DataFrame(list(self.raw()), columns=list(self.names))

    def to_csv(self) -> str:
        """Return CSV text in full precision; what is not defined is left empty."""
        return csv_text(self.names, self.raw())

    def render(self, form: str = "console") -> str:
        """Return the table as text for a console, or in another form of `RENDERERS`.

        Raises
        ------
        EngineError
            If there is no such form.
        """
        return render(self.view(), form)

    def to_word(self) -> bytes:
        """Return the table as a document of Word; write it to a file that ends in ``.docx``.

        Raises
        ------
        StorageError
            If python-docx is not installed: ``pip install 'bayes-mlm[word]'``.
        """
        return to_word(self.view())

    def __str__(self) -> str:
        """Return the aligned table with its legend."""
        return self.render()

    def _repr_html_(self) -> str:
        return f"<style>\n{STYLE}</style>\n{self.render('html')}"


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ResultTable[R](Tabular):
    r"""Rows of raw values with their notes and the verdict on the fit that they come from.

    A kind of result is a subclass that states the class of its rows (`row_type`), the fields that
    identify one (`key`), and the `columns` of what is shown.

    Parameters
    ----------
    rows : tuple
        Frozen dataclasses, one a row, with full precision.
    verdict : Verdict
        Whether the numbers can be relied on.
    notes : tuple of str
        What the numbers are.
    cautions : tuple of str
        What limits their interpretation.
    title : str

    Examples
    --------
    >>> from bayes_mlm.base import Finding
    >>> table = ResultTable(rows=(Column(name="icc", kind="number"),),
    ...                     verdict=Verdict((Finding("R-hat", True, "R-hat 1.00"),)))
    >>> print(table)
    name  heading    kind  text
    icc            number
    ok: R-hat 1.00
    >>> table["icc"].kind, table.to_csv()
    ('number', 'name,heading,kind,text\nicc,,number,\n')
    """

    key: ClassVar[tuple[str, ...]] = ("name",)
    row_type: ClassVar[type | None] = None

    rows: tuple[R, ...]
    verdict: Verdict = NO_VERDICT
    notes: tuple[str, ...] = ()
    cautions: tuple[str, ...] = ()
    title: str = ""

    def __iter__(self) -> Iterator[R]:
        """Iterate over the rows."""
        return iter(self.rows)

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.rows)

    def __contains__(self, key: object) -> bool:
        """Return whether there is a row of a key."""
        return self.get(key) is not None

    @overload
    def __getitem__(self, key: slice) -> tuple[R, ...]: ...
    @overload
    def __getitem__(self, key: object) -> R: ...
    def __getitem__(self, key: object) -> R | tuple[R, ...]:
        """Return the row of a key, such as a quantity, or at a place; rows of a slice.

        Raises
        ------
        KeyError
            If there is none; all keys are named.
        """
        if isinstance(key, int | slice):
            return self.rows[key]
        row = self.get(key)
        if row is None:
            known = ", ".join(str(self._key(row)) for row in self.rows)
            texts = [one for one in map(self._key, self.rows) if isinstance(one, str)]
            near = get_close_matches(key, texts, n=1) if isinstance(key, str) else []
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise KeyError(f"no {' and '.join(self.key)} {key!r}; {hint}there are {known}")
        return row

    def get(self, key: object) -> R | None:
        """Return the row of a key, or None."""
        return next((row for row in self.rows if self._key(row) == key), None)

    def where(self, **values: Any) -> tuple[R, ...]:
        """Return the rows whose fields have some values: ``table.where(engine="reml")``."""
        return tuple(
            row
            for row in self.rows
            if all(getattr(row, name) == value for name, value in values.items())
        )

    def _key(self, row: R) -> Any:
        found = tuple(getattr(row, name) for name in self.key)
        return found if len(found) > 1 else found[0]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns of the data."""
        return field_names(self.rows[0] if self.row_type is None else self.row_type)

    @property
    def columns(self) -> tuple[Column, ...]:
        """Columns of the view."""
        return tuple(Column(name=name) for name in self.names)

    def values(self, row: R) -> tuple[Any, ...]:
        """Return the raw values of a row, in the order of `names`."""
        return tuple(getattr(row, name) for name in self.names)

    def raw(self) -> Iterable[Sequence[Any]]:
        """Return the raw values, row by row, in the order of `names`."""
        return map(self.values, self.rows)

    def digits(self, row: R) -> Digits:
        """Return the digits to which the numbers of a row are shown."""
        numbers = [getattr(row, one.name) for one in self.columns if one.kind == "number"]
        error, lower, upper = (getattr(row, name, None) for name in ("sd", "lower", "upper"))
        return digits(numbers, error, lower, upper)

    def cells(self, row: R) -> tuple[str, ...]:
        """Return the texts of a row, one a column of the view."""
        columns = self.columns
        shown = self.digits(row) if any(one.kind == "number" for one in columns) else None
        return tuple(_cell(row, column, shown) for column in columns)

    @property
    def sections(self) -> tuple[str, ...]:
        """Heading that each row stands under; empty for a table without sections."""
        return ()

    @property
    def legend(self) -> tuple[str, ...]:
        """Lines below the table: notes, cautions and verdict."""
        cautions = tuple(f"caution: {text}" for text in self.cautions)
        return (*self.notes, *cautions, *([self.verdict.line] if self.verdict.findings else []))

    def view(self) -> View:
        """Return title, headings, cells and legend as text, for a renderer."""
        return View(
            title=self.title,
            headings=tuple(one.heading or one.name for one in self.columns),
            cells=tuple(map(self.cells, self.rows)),
            legend=self.legend,
            left=frozenset(k for k, one in enumerate(self.columns) if one.kind == "label"),
            sections=self.sections,
        )

    def __repr__(self) -> str:
        """Return the kind of table and its number of rows."""
        return f"<{type(self).__name__}: {len(self)} rows>"


def field_names(row: Any) -> tuple[str, ...]:
    """Return the names of the fields of a dataclass or of one of its instances."""
    return tuple(one.name for one in fields(row)) if is_dataclass(row) else ()


def csv_text(names: Sequence[str], rows: Iterable[Iterable[Any]]) -> str:
    r"""Return CSV text in full precision; None is left empty.

    Examples
    --------
    >>> csv_text(("quantity", "sd"), [("icc", None)])
    'quantity,sd\nicc,\n'
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(rows)
    return text.getvalue()


def tables_csv(tables: Sequence[Tabular]) -> str:
    """Return the rows of several tables, under all their columns, as CSV text."""
    names = tuple(dict.fromkeys(name for table in tables for name in table.names))
    rows = (dict(zip(table.names, row, strict=True)) for table in tables for row in table.raw())
    return csv_text(names, ([row.get(name) for name in names] for row in rows))


def _cell(row: Any, column: Column, shown: Digits | None) -> str:
    if column.kind == "interval":
        lower, upper = row.lower, row.upper
        return "" if shown is None or lower is None else shown.interval(lower, upper)
    if column.text is not None:
        return column.text(row)
    value = getattr(row, column.name)
    if value is None:
        return ""
    if column.kind in ("number", "error") and shown is not None:
        return shown.number(value) if column.kind == "number" else shown.error(value)
    if column.kind in ("text", "label"):
        return str(value)
    return _FORMATS[column.kind](value)


_FORMATS: dict[str, Callable[[float], str]] = {
    "probability": probability,
    "count": count,
    "ratio": lambda value: scaled(value, 3),
    "p": p_cell,
}
