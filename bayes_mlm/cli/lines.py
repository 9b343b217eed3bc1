"""Run `bayes-mlm lines`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bayes_mlm.base import DEFAULT_PROB, EngineError
from bayes_mlm.cli.completion import Model
from bayes_mlm.cli.files import check_folder
from bayes_mlm.cli.machine import Output
from bayes_mlm.cli.options import (
    AnyEngine,
    Data,
    Prob,
    Quiet,
    Sampling,
    grouped,
    print_sample,
    read_at,
    read_design,
    read_numbers,
    request_for,
    settings_for,
    source_of_rows,
    status,
)
from bayes_mlm.cli.outcome import Outcome
from bayes_mlm.cli.reading import Reading
from bayes_mlm.engines import has_chains

if TYPE_CHECKING:
    from bayes_mlm.design import Design
    from bayes_mlm.questions import GroupLines, PopulationLine


@grouped
def lines(
    model: Model,
    data: Data = None,
    group: Annotated[
        list[str] | None, typer.Option(help="Label of a group; repeatable (default: every group).")
    ] = None,
    factor: Annotated[
        str | None, typer.Option(help="Whose groups, if there are several grouping factors.")
    ] = None,
    along: Annotated[
        str | None, typer.Option(help="Predictor on the x axis (default: that of the first slope).")
    ] = None,
    x: Annotated[
        str | None,
        typer.Option(
            help="Points on the x axis, as in 0,5,9, whose expected outcomes are then shown "
            "(default: over the range of the data, in --out only)."
        ),
    ] = None,
    population: Annotated[
        bool, typer.Option("--population", help="The population line instead of those of groups.")
    ] = False,
    at: Annotated[
        list[str] | None,
        typer.Option(help="With --population: the value of another predictor, NAME=VALUE."),
    ] = None,
    scale: Annotated[
        str | None,
        typer.Option(
            help="Of lines: response (probabilities, rates, counts; the default) or link (the "
            "linear predictor, the scale of the coefficients)."
        ),
    ] = None,
    question: Annotated[
        str | None,
        typer.Option(
            help="With --population and a link: new_group (averaged over the distribution of "
            "groups; the default) or population (group effects at zero)."
        ),
    ] = None,
    engine: AnyEngine = "auto",
    outcome: Outcome = Outcome(),
    reading: Reading = Reading(),
    sampling: Sampling = Sampling(),
    prob: Prob = DEFAULT_PROB,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for coefficients.csv and lines.csv, or population.csv."),
    ] = None,
    quiet: Quiet = False,
    output: Output = Output(),
) -> None:
    """Estimate group-specific intercepts and slopes.

    With the corresponding lines: of the expected outcome, in probabilities, rates or counts where
    the outcome is not Gaussian. Those of a Gaussian posterior are compared with REML predictions.
    """
    from bayes_mlm.fitting import fit_by, sample_rows
    from bayes_mlm.formula import place_of_factor
    from bayes_mlm.questions import (
        PopulationLine,
        along_of,
        check_random_effects,
        coefficient_weights,
        group_lines,
        population_line,
        read_measure,
    )

    if out is not None:
        names = ["population.csv"] if population else ["coefficients.csv", "lines.csv"]
        check_folder(out, names, inputs=(model, data))
    grid = None if x is None else read_numbers("--x", x)
    if at and not population:
        raise EngineError("--at sets predictors of the population's line; add --population")
    if question is not None and not population:
        raise EngineError(
            "--question is of the population's line; add --population, or omit it: lines of groups "
            "have the effects of the group"
        )
    if population and group is not None:
        raise EngineError("--group and --population exclude each other; give one of them")
    request = request_for(model, data, **vars(reading), **outcome.options)
    design = read_design(request, data)
    check_random_effects(design)  # before anything is drawn
    read_measure(design, scale, "difference", question)
    groups = None
    if not population:
        place = place_of_factor(design.factors, factor, "group_lines")
        chosen = design.of_factor(place)
        coefficient_weights(chosen)
        groups = None if group is None else [_label(chosen, text) for text in group]
    with status(f"fitting {request.name}", quiet=quiet, draws_bar=has_chains(engine)) as shown:
        settings = settings_for(request, sampling)
        fit = fit_by(request, design, settings, engine=engine, progressbar=shown, prob=prob)
    source: Any = data
    if design.patterns is not None:
        source = None  # the distinct rows and their numbers are all rows
    elif not design.has_rows:
        rows = source_of_rows(request, data)
        fit, source = sample_rows(fit, rows, groups=groups)
        print_sample(fit.design.notes[-1])
    console = output.console
    on: dict[str, Any] = {"scale": scale} | ({"question": question} if population else {})
    if population:
        found: GroupLines | PopulationLine = population_line(
            fit,
            along or along_of(design),
            grid,
            at=read_at(at or []),
            prob=prob,
            data=source,
            **on,
        )
    else:
        found = group_lines(
            fit,
            along=along,
            x=grid,
            groups=groups,
            prob=prob,
            data=source,
            factor=factor,
            **on,
        )
    console.print(str(found), soft_wrap=True)
    if not isinstance(found, PopulationLine) and grid is not None:
        console.print(f"\n{found.points}", soft_wrap=True)
    if out is not None:
        _write(found, out)
    output.finish(found, points=getattr(found, "points", None), written=out)


def _write(found: "GroupLines | PopulationLine", out: Path) -> None:
    from bayes_mlm.base import atomic_folder
    from bayes_mlm.questions import PopulationLine

    with atomic_folder(out) as stage:
        if isinstance(found, PopulationLine):
            (stage / "population.csv").write_text(found.to_csv(), encoding="utf-8")
            return
        (stage / "coefficients.csv").write_text(found.to_csv(), encoding="utf-8")
        (stage / "lines.csv").write_text(found.points.to_csv(), encoding="utf-8")


def _label(design: "Design", text: str) -> Any:
    """Return the label that is written as a text, or the text if there is none."""
    return next((one for one in design.group_term.names() if str(one) == text), text)
