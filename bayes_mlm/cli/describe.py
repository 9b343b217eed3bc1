"""Run `bayes-mlm describe`."""

from typing import TYPE_CHECKING, Annotated

import typer

from bayes_mlm.cli.machine import Output
from bayes_mlm.cli.options import grouped
from bayes_mlm.cli.reading import Reading

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bayes_mlm.base import Tabular
    from bayes_mlm.data import Table

# A survey may have hundreds of columns with labels for some values.
_MOST_NOTES = 12


@grouped
def describe(
    data: Annotated[
        str, typer.Option(help="Data file of any kind, or an embedded set (see fit --data).")
    ] = "hsb",
    column: Annotated[
        list[str] | None, typer.Option(help="A column to describe; repeatable (default: all).")
    ] = None,
    group: Annotated[
        str | None, typer.Option(help="Grouping column: number and sizes of groups.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="A formula, whose obstacles to a fit are listed.")
    ] = None,
    cross: Annotated[
        str | None, typer.Option(help="Crosstab: rows, then columns: sector,female,minority.")
    ] = None,
    reading: Reading = Reading(),
    output: Output = Output(),
) -> None:
    """Describe the columns and groups of a table.

    Each variable's type, label, missing values, level and ICC; counts, means, sds, quartiles; group
    sizes; a crosstab; and obstacles to a fit.
    """
    from bayes_mlm.data import (
        describe as describe_columns,
        describe_variables,
        group_sizes,
        notes_on_columns,
    )
    from bayes_mlm.design import read_data
    from bayes_mlm.formula import parse_formula

    worked = data == "hsb" and not (column or group or model)
    if worked:  # the first page of the study, as it was printed in 2015
        column, group = ["mathach", "ses"], "schoolid"
        cross = cross or "sector,female,minority"
    table = read_data(data, strip=reading.strip, options=reading.options)
    console = output.console
    categories: set[str] = set()
    if model is not None:
        formula = parse_formula(model)
        plain = [name for name in formula.grouping_factors if name not in formula.interactions]
        group = group or next(iter(plain), None)
        taken = {*formula.predictor_columns, *formula.grouping_columns}
        categories = taken - {*formula.measured_columns}
    notes = notes_on_columns(table.notes, column or table.names, categories)
    variables = describe_variables(table, group, column)
    sizes = None if group is None else group_sizes(_with_group(table, group), group)
    counts = None if cross is None else _crosstab(table, cross)
    found, ready = _obstacles(table, group, column, model)
    for note in notes[:_MOST_NOTES]:
        console.print(f"note: {note}", soft_wrap=True, highlight=False)
    if len(notes) > _MOST_NOTES:
        console.print(f"note: {len(notes) - _MOST_NOTES} more notes; name columns by --column")
    if not worked:
        console.print(f"{variables}\n", soft_wrap=True, highlight=False)
    numeric = [name for name in column or table.names if table.columns[name].dtype != object]
    if numeric:
        console.print(str(describe_columns(table, numeric)), soft_wrap=True)
    if sizes is not None:
        console.print(f"\n{sizes}\nRows of a group   {sizes.bars()}", soft_wrap=True)
    if counts is not None:
        console.print(f"\n{counts}", soft_wrap=True)
    if not worked:
        for line in _obstacle_lines(found, ready, grouped_by=group):
            console.print(line, soft_wrap=True, highlight=False)
    output.finish(
        ok=True,
        notes=notes,
        variables=variables,
        group_sizes=sizes,
        crosstab=counts,
        obstacles=found,
    )


def _with_group(table: "Table", group: str) -> "Table":
    """Return the rows whose group is known."""
    from bayes_mlm.data import is_missing, require_columns, take

    require_columns(table, [group])
    return take(table, ~is_missing(table.columns[group]))


def _crosstab(table: "Table", names: str) -> "Tabular":
    from bayes_mlm.data import crosstab

    row, *columns = [name.strip() for name in names.split(",")]
    return crosstab(table, row, columns)


def _obstacles(
    table: "Table",
    group: str | None,
    columns: list[str] | None,
    model: str | None,
) -> tuple[list[str], str]:
    """Return the obstacles to a fit, in columns and in a design, and what can be fitted."""
    from bayes_mlm.base import BayesMLMError
    from bayes_mlm.data import obstacles
    from bayes_mlm.design import build_design
    from bayes_mlm.formula import parse_formula

    if model is None:
        return [*obstacles(table, group, columns)], ""
    named = [name for name in parse_formula(model).columns if name in table.columns]
    found = [*obstacles(table, group, named)]
    try:
        design = build_design(model, table, missing="drop")
    except BayesMLMError as error:
        return [*found, f"{model} is refused: {error}"], ""
    dropped = f", {design.n_dropped:,} rows dropped" if design.n_dropped else ""
    return found, f"{model} can be fitted: {design}{dropped}"


def _obstacle_lines(found: list[str], ready: str, *, grouped_by: str | None) -> "Iterator[str]":
    yield "\nObstacles to a fit:" if found else "\nNo obstacles to a fit."
    yield from (f"- {one}" for one in found)
    if grouped_by is None:
        yield "--group COLUMN adds the level and the ICC of each variable, and the sizes"
    if ready:
        yield ready
