"""Options of how data files are read, which the commands share."""

from typing import Annotated, Literal

import typer

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
Strip = Annotated[bool, typer.Option("--strip", help="Strip spaces from the ends of labels.")]
