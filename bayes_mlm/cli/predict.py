"""Run `bayes-mlm predict`."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import typer

from bayes_mlm.base import DEFAULT_PROB, EngineError
from bayes_mlm.cli.completion import Model
from bayes_mlm.cli.files import check_file, write_file
from bayes_mlm.cli.machine import Output
from bayes_mlm.cli.options import (
    AnyEngine,
    Quiet,
    Sampling,
    grouped,
    read_design,
    request_for,
    settings_for,
    status,
)
from bayes_mlm.cli.outcome import Outcome
from bayes_mlm.cli.reading import NewPlaces, Reading
from bayes_mlm.engines import has_chains

Question = Literal["existing_group", "new_group", "population"]
# More rows would be a file's matter.
_SHOWN = 40


@grouped
def predict(
    model: Model,
    new: Annotated[
        str | None,
        typer.Option(
            help="File with the rows to predict, of any kind that --data takes, or an embedded set "
            "(default: --data)."
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(help="Data to fit: a file or folder (see fit --data), or an embedded set."),
    ] = None,
    question: Annotated[
        Question | None,
        typer.Option(
            help="A new member of a group of the data, of a new group like them, or the average "
            "over groups (default: existing_group; population without group effects)."
        ),
    ] = None,
    factor: Annotated[
        list[str] | None,
        typer.Option(
            help="Of a new group, which grouping factor's, if there are several (repeatable; "
            "default: all): a new class in a known school is --factor class:school."
        ),
    ] = None,
    kind: Annotated[
        Literal["mean", "observation"],
        typer.Option(help="The expected outcome, or one outcome with its variation."),
    ] = "mean",
    engine: AnyEngine = "auto",
    outcome: Outcome = Outcome(),
    reading: Reading = Reading(),
    places: NewPlaces = NewPlaces(),
    sampling: Sampling = Sampling(),
    prob: Annotated[
        float, typer.Option(help="Probability of the intervals (equal tails).")
    ] = DEFAULT_PROB,
    out: Annotated[
        Path | None, typer.Option(help="CSV file of the rows with their predictions.")
    ] = None,
    quiet: Quiet = False,
    output: Output = Output(),
) -> None:
    """Predict the outcome of new rows.

    Posterior predictive mean and interval, compared with the REML prediction.
    """
    from bayes_mlm.base import render
    from bayes_mlm.design import read_data
    from bayes_mlm.fitting import fit_by
    from bayes_mlm.model import is_formula
    from bayes_mlm.questions import check_rows, predict as predict_rows

    new = data if new is None else new
    if new is None:
        raise EngineError("give the rows to predict: --new FILE, or an embedded set such as hsb")
    if out is not None:
        check_file(out, "predictions.csv", inputs=(model, data, new))
    # A record declares how its data are written; the options then apply to the new rows.
    declared = data is None and not is_formula(model)
    request = request_for(
        model,
        data,
        missing=reading.missing,
        strip=reading.strip,
        **outcome.options,
        **({} if declared else reading.options.given),
    )
    options = reading.options.over(request.source.options).of_new_rows(new)
    with places.named():
        rows = read_data(new, options=places.options.over(options))
    design = read_design(request, data)
    check_rows(design, rows, question=question, kind=kind, factor=factor or None)
    with status(f"fitting {request.name}", quiet=quiet, draws_bar=has_chains(engine)) as shown:
        settings = settings_for(request, sampling)
        fit = fit_by(request, design, settings, engine=engine, progressbar=shown, prob=prob)
    found = predict_rows(fit, rows, question=question, kind=kind, prob=prob, factor=factor or None)
    console = output.console
    if out is None or not quiet:
        console.print(render(replace(found.view(_SHOWN), legend=())), soft_wrap=True)
    for line in found.legend:
        console.print(line, soft_wrap=True)
    if out is not None:
        write_file(out, lambda partial: partial.write_text(found.to_csv(), encoding="utf-8"))
    output.finish(
        ok=found.verdict.ok,
        verdicts=[found.verdict.line],
        notes=found.legend,
        results=found,
        written=out,
    )
