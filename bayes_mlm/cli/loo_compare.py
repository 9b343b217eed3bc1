"""Run `bayes-mlm loo-compare`."""

from pathlib import Path
from typing import Annotated

import typer

from bayes_mlm.cli.completion import complete_models
from bayes_mlm.cli.files import check_folder
from bayes_mlm.cli.machine import Output
from bayes_mlm.cli.options import (
    Data,
    DrawingEngine,
    Quiet,
    Sampling,
    grouped,
    read_design,
    refuse_repeats,
    request_for,
    settings_for,
    status,
)
from bayes_mlm.cli.outcome import Outcome
from bayes_mlm.cli.reading import Reading
from bayes_mlm.engines import has_chains


@grouped
def loo_compare(
    model: Annotated[
        list[str],
        typer.Argument(
            help="Two or more formulas, bundled models, or records (.toml).",
            autocompletion=complete_models,
        ),
    ],
    data: Data = None,
    engine: DrawingEngine = "auto",
    outcome: Outcome = Outcome(),
    reading: Reading = Reading(),
    sampling: Sampling = Sampling(),
    out: Annotated[
        Path | None, typer.Option(help="Folder for comparison.csv and pointwise.csv.")
    ] = None,
    quiet: Quiet = False,
    output: Output = Output(),
) -> None:
    """Compare models by predictive density.

    Of a new group, of a new member of a group, and of the data under the priors.

    Exact leave-one-group-out and leave-one-row-out, and the marginal likelihood, without refits.
    """
    from bayes_mlm.assess import check_comparable, loo_compare
    from bayes_mlm.base import EngineError
    from bayes_mlm.fitting import fit_design
    from bayes_mlm.report import COMPARISON_FILES, console as show, write_comparison

    if out is not None:
        check_folder(out, COMPARISON_FILES, inputs=(data, *model))
    if len(model) < 2:
        raise EngineError(f"loo-compare needs two models or more, found {len(model)}")
    refuse_repeats(model)
    requests = [request_for(one, data, **vars(reading), **outcome.options) for one in model]
    settings = [settings_for(request, sampling) for request in requests]
    designs = [read_design(request, data) for request in requests]
    for other, design in zip(model, designs, strict=True):
        check_comparable(designs[0], design, model[0], other)
    fits = []
    for k, (request, design, one) in enumerate(zip(requests, designs, settings, strict=True)):
        text = f"{k + 1}/{len(model)} fitting {model[k]}"
        with status(text, quiet=quiet, draws_bar=has_chains(engine)) as shown:
            fits.append(fit_design(request, design, one, engine=engine, progressbar=shown))
    with status("leaving out groups and rows", quiet=quiet):
        found = loo_compare(fits)
    console = output.console
    for part in [*show.comparison_parts(found), *show.comparison_lines(found)]:
        console.print(part, soft_wrap=isinstance(part, str))
    if out is not None:
        write_comparison(out, found)
    output.finish(found, written=out)
