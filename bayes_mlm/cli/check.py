"""Run `bayes-mlm check`."""

from pathlib import Path
from typing import Annotated

import typer

from bayes_mlm.cli.completion import Model
from bayes_mlm.cli.files import check_file, write_file
from bayes_mlm.cli.machine import Output
from bayes_mlm.cli.options import (
    Data,
    DrawingEngine,
    Quiet,
    Sampling,
    grouped,
    print_sample,
    read_design,
    request_for,
    settings_for,
    source_of_rows,
    status,
)
from bayes_mlm.cli.outcome import Outcome
from bayes_mlm.cli.reading import Reading
from bayes_mlm.engines import has_chains


@grouped
def check(
    model: Model,
    data: Data = None,
    engine: DrawingEngine = "auto",
    outcome: Outcome = Outcome(),
    reading: Reading = Reading(),
    sampling: Sampling = Sampling(),
    out: Annotated[Path | None, typer.Option(help="CSV file, one row per group.")] = None,
    quiet: Quiet = False,
    output: Output = Output(),
) -> None:
    """Check the assumptions of a model.

    A violated assumption is reported with a remedy, and gives exit code 3.
    Slopes within and between groups, omitted group effects, curvature, residual variance along
    predictors and by group, autocorrelation, skewness and tails of residuals and of group effects,
    influential groups. At most 5 % of correctly specified models fail any check.
    """
    from bayes_mlm.assess import check as check_fit
    from bayes_mlm.design import rows_at_source
    from bayes_mlm.fitting import fit_design, sample_groups

    if out is not None:
        check_file(out, "groups.csv", inputs=(model, data))
    request = request_for(model, data, **vars(reading), **outcome.options)
    design = read_design(request, data)
    settings = settings_for(request, sampling)
    with status(f"fitting {request.name}", quiet=quiet, draws_bar=has_chains(engine)) as shown:
        fit = fit_design(request, design, settings, engine=engine, progressbar=shown)
    with status("redrawing the data, leaving out groups", quiet=quiet):
        sample = None
        if design.group is not None and rows_at_source(design, request.source.data):
            sample = sample_groups(fit, source_of_rows(request, data))
        found = check_fit(fit, sample=sample)
    if sample is not None:
        print_sample(sample.design.notes[-1])
    console = output.console
    console.print(str(found), soft_wrap=True)
    if out is not None:
        write_file(out, lambda partial: partial.write_text(found.groups.to_csv(), encoding="utf-8"))
    output.finish(found, ok=found.fine, groups=found.groups, written=out)
