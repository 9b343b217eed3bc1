"""Run `bayes-mlm impute`."""

from pathlib import Path
from typing import Annotated

import typer

from bayes_mlm.base import DataError
from bayes_mlm.cli.files import check_file
from bayes_mlm.cli.machine import Output
from bayes_mlm.cli.options import Quiet, grouped, status
from bayes_mlm.cli.reading import Reading


@grouped
def impute(
    data: Annotated[str, typer.Argument(help="Data file of any kind, or an embedded set.")],
    model: Annotated[
        str | None,
        typer.Option(help="A formula, whose columns (with the outcome) the imputation model has."),
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(help="A further column of the imputation model; repeatable."),
    ] = None,
    group: Annotated[
        str | None, typer.Option(help="Grouping column, if not in the formula.")
    ] = None,
    m: Annotated[int, typer.Option("--m", help="Number of imputations.")] = 20,
    as_number: Annotated[
        list[str] | None,
        typer.Option(help="An incomplete column of two values to impute unrounded; repeatable."),
    ] = None,
    tune: Annotated[int, typer.Option(help="Cycles that each chain discards.")] = 200,
    thin: Annotated[
        int | None,
        typer.Option(help="Cycles between imputations of a chain (default: until chains agree)."),
    ] = None,
    chains: Annotated[int, typer.Option(help="Chains, which share the imputations.")] = 4,
    seed: Annotated[int | None, typer.Option(help="Random seed (default: a fresh one).")] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="CSV or Parquet file of all completed rows, numbered in a column _imp."),
    ] = None,
    reading: Reading = Reading(),
    quiet: Quiet = False,
    output: Output = Output(),
) -> None:
    """Impute missing values several times, by a normal model at two levels.

    The long file that it writes is fitted, and pooled by Rubin's rules, with
    fit --data FILE --imputation _imp.
    """
    from bayes_mlm.design import read_data
    from bayes_mlm.fitting import impute as impute_rows

    if out is not None:
        check_file(out, "long.csv", inputs=(data,), also=(".parquet",))
    if model is None and not column:
        raise DataError(
            "name the columns of the imputation model: --model FORMULA, or --column NAME for each"
        )
    table = read_data(data, strip=reading.strip, options=reading.options)
    with status("imputing", quiet=quiet):
        found = impute_rows(
            model if model is not None else column or [],
            table,
            group=group,
            m=m,
            auxiliary=(column or []) if model is not None else (),
            as_numbers=as_number or (),
            tune=tune,
            thin=thin,
            chains=chains,
            random_seed=seed,
        )
    output.console.print(str(found), soft_wrap=True, highlight=False)
    if out is not None:
        found.save(out)
    output.finish(
        found.diagnostics, model_columns=list(found.model_columns), seed=found.seed, written=out
    )
