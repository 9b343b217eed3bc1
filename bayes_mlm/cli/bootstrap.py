"""Run `bayes-mlm bootstrap`."""

from pathlib import Path
from typing import Annotated

import typer

from bayes_mlm.base import DEFAULT_PROB, check_prob
from bayes_mlm.cli.completion import Model
from bayes_mlm.cli.files import check_folder
from bayes_mlm.cli.machine import Output
from bayes_mlm.cli.options import (
    Data,
    Prob,
    Quiet,
    Seed,
    grouped,
    read_design,
    request_for,
    seed_of,
    status,
)
from bayes_mlm.cli.reading import Reading


@grouped
def bootstrap(
    model: Model,
    data: Data = None,
    refits: Annotated[int, typer.Option(help="How many data sets are refitted.")] = 1000,
    kind: Annotated[
        str,
        typer.Option(
            help="parametric (outcomes drawn from the model) or cluster (groups drawn with "
            "replacement)."
        ),
    ] = "parametric",
    interval: Annotated[
        str, typer.Option(help="Of the estimates: percentile, basic or bca.")
    ] = "percentile",
    random_seed: Seed = None,
    group: Annotated[
        str | None, typer.Option(help="Grouping column, if not in the formula.")
    ] = None,
    reading: Reading = Reading(),
    prob: Prob = DEFAULT_PROB,
    out: Annotated[Path | None, typer.Option(help="Folder for bootstrap.csv.")] = None,
    quiet: Quiet = False,
    output: Output = Output(),
) -> None:
    """Refit the REML estimate to simulated or resampled data: bias, errors and intervals.

    Of a Gaussian outcome with one grouping factor. Outcomes are drawn as the sums by group that
    REML reads: the time does not grow with the rows.
    """
    from bayes_mlm.assess import bootstrap as refitted
    from bayes_mlm.base import atomic_folder
    from bayes_mlm.fitting import estimate_design

    if out is not None:
        check_folder(out, ["bootstrap.csv"], inputs=(model, data))
    check_prob(prob)
    request = request_for(model, data, group=group, **vars(reading))
    with status(f"fitting {request.name}", quiet=quiet):
        design = read_design(request, data)
        found = estimate_design(design, request=request, prob=prob)
        table = refitted(
            found,
            refits,
            kind=kind,
            interval=interval,
            prob=prob,
            random_seed=seed_of(request, random_seed),
        )
    output.console.print(f"{request.name}: {request.model.formula} [{request.model.kind}]")
    output.console.print(str(table), soft_wrap=True)
    if out is not None:
        with atomic_folder(out) as stage:
            (stage / "bootstrap.csv").write_text(table.to_csv(), encoding="utf-8")
    output.finish(table, written=out)
