"""Run `bayes-mlm calibrate`."""

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
def calibrate(
    model: Model,
    data: Data = None,
    simulations: Annotated[
        int, typer.Option(help="How many data sets are drawn from the fitted model.")
    ] = 1000,
    random_seed: Seed = None,
    group: Annotated[
        str | None, typer.Option(help="Grouping column, if not in the formula.")
    ] = None,
    reading: Reading = Reading(),
    prob: Prob = DEFAULT_PROB,
    out: Annotated[Path | None, typer.Option(help="Folder for coverage.csv.")] = None,
    quiet: Quiet = False,
    output: Output = Output(),
) -> None:
    """Refit data drawn from the fitted model: coverage of its intervals, and bias.

    Of the REML estimate of a Gaussian outcome with one grouping factor, on the rows and groups of
    the data. That the model is right is assumed.
    """
    from bayes_mlm.assess import calibrate as calibrated
    from bayes_mlm.base import atomic_folder
    from bayes_mlm.fitting import estimate_design

    if out is not None:
        check_folder(out, ["coverage.csv"], inputs=(model, data))
    check_prob(prob)
    request = request_for(model, data, group=group, **vars(reading))
    with status(f"fitting {request.name}", quiet=quiet):
        found = estimate_design(read_design(request, data), request=request)
        table = calibrated(found, simulations, prob=prob, random_seed=seed_of(request, random_seed))
    output.console.print(f"{request.name}: {request.model.formula} [{request.model.kind}]")
    output.console.print(str(table), soft_wrap=True)
    if out is not None:
        with atomic_folder(out) as stage:
            (stage / "coverage.csv").write_text(table.to_csv(), encoding="utf-8")
    output.finish(table, written=out)
