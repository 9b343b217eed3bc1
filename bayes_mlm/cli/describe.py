"""Run `bayes-mlm describe`."""

from typing import Annotated

import typer

from bayes_mlm.cli.options import Decimal, Delimiter, Strip


def describe(
    data: Annotated[str, typer.Option(help="CSV or Parquet file, or an embedded set.")] = "hsb",
    column: Annotated[
        list[str] | None, typer.Option(help="A column to describe; repeatable (default: numbers).")
    ] = None,
    group: Annotated[
        str | None, typer.Option(help="Grouping column: number and sizes of groups.")
    ] = None,
    cross: Annotated[
        str | None, typer.Option(help="Crosstab: rows, then columns: sector,female,minority.")
    ] = None,
    strip: Strip = False,
    decimal: Decimal = None,
    delimiter: Delimiter = None,
) -> None:
    """Describe the columns and groups of a table.

    Counts, means, sds, quartiles, group sizes, a crosstab. Notes list labels that differ
    only by spaces or case, and texts that may mark missing values.
    """
    from bayes_mlm.data import (
        Written,
        crosstab,
        describe as describe_columns,
        group_sizes,
        levels_of,
        notes_on_labels,
    )
    from bayes_mlm.design import read_data
    from bayes_mlm.report import console as show

    if data == "hsb":  # the first page of the study, as it was printed in 2015
        column = column or ["mathach", "ses"]
        group = group or "schoolid"
        cross = cross or "sector,female,minority"
    table = read_data(data, strip=strip, written=Written(decimal=decimal, delimiter=delimiter))
    console = show.make_console()
    console.print(str(describe_columns(table, column)), soft_wrap=True)
    if group is not None:
        console.print("\n" + str(group_sizes(table, group)), soft_wrap=True)
    if cross is not None:
        row, *columns = [name.strip() for name in cross.split(",")]
        console.print("\n" + str(crosstab(table, row, columns)), soft_wrap=True)
    for name, values in table.columns.items():
        if values.dtype == object:
            for note in notes_on_labels(name, levels_of(values)[0]):
                console.print(f"note: {note}", soft_wrap=True)
