"""Run `bayes-mlm variance-tests`."""

from pathlib import Path
from typing import Annotated

import typer

from bayes_mlm.cli.completion import Model
from bayes_mlm.cli.files import check_folder
from bayes_mlm.cli.machine import Output
from bayes_mlm.cli.options import (
    Data,
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
def variance_tests(
    model: Model,
    data: Data = None,
    simulations: Annotated[
        int, typer.Option(help="How many data sets are drawn without the variance.")
    ] = 10_000,
    random_seed: Seed = None,
    group: Annotated[
        str | None, typer.Option(help="Grouping column, if not in the formula.")
    ] = None,
    reading: Reading = Reading(),
    out: Annotated[Path | None, typer.Option(help="Folder for variance_tests.csv.")] = None,
    quiet: Quiet = False,
    output: Output = Output(),
) -> None:
    """Test that a variance of group effects is zero, by the restricted likelihood ratio.

    Of a Gaussian outcome with one grouping factor. The null distribution of the only variance is
    exact; a slope is tested by refits of data drawn without it.
    """
    from bayes_mlm.assess import variance_tests as tested
    from bayes_mlm.base import atomic_folder
    from bayes_mlm.fitting import estimate_design

    if out is not None:
        check_folder(out, ["variance_tests.csv"], inputs=(model, data))
    request = request_for(model, data, group=group, **vars(reading))
    with status(f"fitting {request.name}", quiet=quiet):
        found = estimate_design(read_design(request, data), request=request)
        table = tested(found, simulations, random_seed=seed_of(request, random_seed))
    output.console.print(f"{request.name}: {request.model.formula} [{request.model.kind}]")
    output.console.print(str(table), soft_wrap=True)
    if out is not None:
        with atomic_folder(out) as stage:
            (stage / "variance_tests.csv").write_text(table.to_csv(), encoding="utf-8")
    output.finish(table, written=out)
