"""Options of how data files are read, which the commands share."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from bayes_mlm.data import ReadOptions

Missing = Annotated[Literal["error", "drop"], typer.Option(help="Treatment of missing values.")]
Decimal = Annotated[
    Literal[".", ","] | None,
    typer.Option(help="Decimal mark of numbers in text: , reads 3,14 and 1.234,50 €; . 1,234.50."),
]
Delimiter = Annotated[
    str | None,
    typer.Option(help="Separator of the columns of a text file: ; or | or tab (default: ,)."),
]
Encoding = Annotated[
    str | None,
    typer.Option(help="Encoding of text, such as cp1252 (default: UTF-8, else what it seems)."),
]
Sheet = Annotated[str | None, typer.Option(help="Sheet of a workbook, if several have cells.")]
Cells = Annotated[
    str | None,
    typer.Option(help="Cells of the sheet, the first row naming the columns: A3:D180, or A3."),
]
OmitRows = Annotated[
    str | None, typer.Option(help="Rows of the sheet, or lines of text, to omit: 4,181 or 181-190.")
]
NewSheet = Annotated[str | None, typer.Option(help="Sheet of the workbook of new rows.")]
NewCells = Annotated[str | None, typer.Option(help="Cells of that sheet: A3:D180, or A3.")]
NewOmitRows = Annotated[
    str | None, typer.Option(help="Rows of it, or lines of a text file of new rows, to omit.")
]
Codes = Annotated[
    str | None,
    typer.Option(help="Columns to read by value, not by value label: agree,grade, or all."),
]
NaValues = Annotated[
    str | None,
    typer.Option(help='Codes of missing values: "-999,k.A.", or by column "score=-9,-8;age=-1".'),
]
Imputation = Annotated[
    str | None,
    typer.Option(help="Column that numbers the imputations of a long table; each-file: files do."),
]
Strip = Annotated[bool, typer.Option("--strip", help="Strip spaces from the ends of labels.")]


@dataclass(frozen=True)
class Reading:
    """Options of how data are read."""

    missing: Missing = "error"
    strip: Strip = False
    imputation: Imputation = None
    decimal: Decimal = None
    delimiter: Delimiter = None
    encoding: Encoding = None
    sheet: Sheet = None
    cells: Cells = None
    omit_rows: OmitRows = None
    codes: Codes = None
    na_values: NaValues = None

    @property
    def options(self) -> "ReadOptions":
        """How a file is read, where it does not say so itself."""
        from bayes_mlm.data import ReadOptions

        return ReadOptions(**{one.name: getattr(self, one.name) for one in fields(ReadOptions)})


@dataclass(frozen=True)
class NewPlaces:
    """Options of where the table of new rows is in its file: those of `Reading`, with "new" first.

    A place in the file of the data means nothing in another.
    """

    new_sheet: NewSheet = None
    new_cells: NewCells = None
    new_omit_rows: NewOmitRows = None

    @property
    def options(self) -> "ReadOptions":
        """The places, as a reader takes them."""
        from bayes_mlm.data import ReadOptions

        return ReadOptions(**{name.removeprefix("new_"): one for name, one in vars(self).items()})

    @contextmanager
    def named(self) -> Iterator[None]:
        """Name these options in an error that advises those of the data."""
        from bayes_mlm.base import DataError

        try:
            yield
        except DataError as error:
            text = str(error)
            for name in vars(self):
                flag = name.replace("_", "-")
                text = text.replace(f"--{flag.removeprefix('new-')}", f"--{flag}")
            raise type(error)(text) from error
