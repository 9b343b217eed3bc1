"""Run `bayes-mlm means`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from bayes_mlm.base import DEFAULT_PROB, EngineError, check_prob
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
    read_at,
    read_design,
    read_numbers,
    request_for,
    settings_for,
    status,
)
from bayes_mlm.cli.outcome import Outcome
from bayes_mlm.cli.reading import Reading

if TYPE_CHECKING:
    from bayes_mlm.base import ResultTable

_FILES = ["means.csv", "contrasts.csv", "joint.csv"]


@grouped
def means(
    model: Model,
    data: Data = None,
    of: Annotated[
        list[str] | None,
        typer.Option(help="Predictors whose means are wanted: NAME or NAME,NAME; repeatable."),
    ] = None,
    by: Annotated[
        list[str] | None,
        typer.Option(help="Predictors within whose values means are compared; repeatable."),
    ] = None,
    at: Annotated[
        list[str] | None,
        typer.Option(help="Values of predictors: NAME=8,14 or NAME=mean±sd; repeatable."),
    ] = None,
    cell_weights: Annotated[
        Literal["equal", "proportional", "cells"],
        typer.Option(help="Of the categories that are averaged over."),
    ] = "equal",
    contrasts: Annotated[
        list[str] | None,
        typer.Option(
            help="pairwise, reference, consecutive, polynomial, or weights of the means: "
            "NAME=1,-0.5,-0.5; repeatable."
        ),
    ] = None,
    adjust: Annotated[
        str | None,
        typer.Option(
            help="tukey, holm, bonferroni, sidak, scheffe, mvt or none (default: tukey of all "
            "pairs, mvt of reference and consecutive, else none)."
        ),
    ] = None,
    comparison: Annotated[
        Literal["difference", "ratio", "odds_ratio"],
        typer.Option(help="Of contrasts: of means, probabilities or counts."),
    ] = "difference",
    letters: Annotated[
        bool, typer.Option("--letters", help="Letters that means share unless they differ.")
    ] = False,
    joint: Annotated[
        int | None, typer.Option(help="F tests of every term, of type 3 or 2.")
    ] = None,
    df: Annotated[
        str | None,
        typer.Option(
            help="Degrees of freedom: satterthwaite, kenward-roger, between-within or normal."
        ),
    ] = None,
    scale: Annotated[
        str | None,
        typer.Option(help="response (probabilities, counts; the default) or link."),
    ] = None,
    question: Annotated[
        str | None,
        typer.Option(
            help="With a link: new_group (averaged over the distribution of groups; the default) "
            "or population (group effects at zero)."
        ),
    ] = None,
    engine: AnyEngine = "auto",
    outcome: Outcome = Outcome(),
    reading: Reading = Reading(),
    sampling: Sampling = Sampling(),
    prob: Prob = DEFAULT_PROB,
    out: Annotated[
        Path | None, typer.Option(help="Folder for means.csv, contrasts.csv and joint.csv.")
    ] = None,
    quiet: Quiet = False,
    output: Output = Output(),
) -> None:
    """Estimate marginal means, compare them, and test terms by F.

    Expected outcomes at the categories of predictors, averaged over the other predictors
    (estimated marginal means, least-squares means).
    """
    from bayes_mlm.base import atomic_folder
    from bayes_mlm.engines import check_engine, has_chains, is_drawing, likelihood_engine
    from bayes_mlm.fitting import estimate_design, fit_design
    from bayes_mlm.questions import joint_tests, marginal_means

    check_prob(prob)
    if out is not None:
        check_folder(out, _FILES, inputs=(model, data))
    named, within = _names(of), _names(by)
    chosen = _contrasts(contrasts or [])
    compared = adjust is not None or comparison != "difference"
    _check_options(
        named=bool(named),
        joint=joint,
        of_means=bool(chosen or within or letters),
        compared=compared and not (chosen or letters),
    )
    settings: dict[str, Any] = {"at": read_at(at or []), "by": within, "weights": cell_weights}
    settings |= {"df": df, "scale": scale, "question": question, "prob": prob}
    request = request_for(model, data, **vars(reading), **outcome.options)
    design = read_design(request, data)
    sampler = settings_for(request, sampling)
    check_engine(engine, design)
    drawing = is_drawing(engine)

    def answers(found: Any) -> "dict[str, list[ResultTable[Any]]]":
        tables: dict[str, list[ResultTable[Any]]] = {}
        if named:
            table = marginal_means(found, named, **settings)
            shown = table.letters(adjust=adjust or "tukey") if letters else table
            tables["means"] = [shown]
            tables["contrasts"] = [
                table.contrasts(how, adjust=adjust, comparison=comparison) for how in chosen
            ]
        if joint is not None:
            of_joint = {} if joint == 2 else {"at": _single(settings["at"])}
            tables["joint"] = [joint_tests(found, type=joint, df=df, **of_joint)]
        return {name: some for name, some in tables.items() if some}

    with status(f"fitting {request.name}", quiet=quiet, draws_bar=has_chains(engine)) as shown:
        # The estimate first: a wrong option is refused before anything is drawn.
        if not drawing or likelihood_engine(design):
            fast = estimate_design(design, None if drawing else engine, request=request, prob=prob)
            found = answers(fast)
        if drawing and named:
            fit = fit_design(request, design, sampler, engine=engine, progressbar=shown)
            found = answers(fit)
    output.console.print(f"{request.name}: {request.model.formula} [{request.model.kind}]")
    every = [table for tables in found.values() for table in tables]
    for table in every:
        output.console.print(str(table), soft_wrap=True)
        output.console.print()
    if out is not None:
        from bayes_mlm.base import tables_csv

        with atomic_folder(out) as stage:
            for name, tables in found.items():
                (stage / f"{name}.csv").write_text(tables_csv(tables), encoding="utf-8")
    first, *rest = found
    more: dict[str, Any] = {
        name: [row for table in found[name] for row in _rows(table)] for name in rest
    }
    output.finish(*found[first], **more, written=out)


def _check_options(*, named: bool, joint: int | None, of_means: bool, compared: bool) -> None:
    """Refuse options that need others.

    Raises
    ------
    EngineError
    """
    if not named and joint is None:
        raise EngineError("give --of NAME, the predictors whose means are wanted, or --joint 3")
    if not named and of_means:
        raise EngineError("--by, --contrasts and --letters are of means: add --of NAME")
    if compared:
        raise EngineError("--adjust and --comparison are of contrasts: add --contrasts pairwise")


def _rows(table: "ResultTable[Any]") -> list[dict[str, Any]]:
    from bayes_mlm.cli.machine import rows_of

    return rows_of(table)


def _names(listed: list[str] | None) -> tuple[str, ...]:
    """Return the names of predictors in an option, separated by commas."""
    return tuple(name.strip() for one in listed or [] for name in one.split(",") if name.strip())


def _single(at: dict[str, list[str]]) -> dict[str, list[str]] | None:
    """Return the values that tests of terms have numbers at: those set to one."""
    return {name: values for name, values in at.items() if len(values) == 1} or None


def _contrasts(texts: list[str]) -> list[str | dict[str, list[float]]]:
    """Return the kinds of contrasts, and those of given weights together."""
    kinds: list[str | dict[str, list[float]]] = []
    weights: dict[str, list[float]] = {}
    for text in texts:
        name, equals, numbers = (part.strip() for part in text.partition("="))
        if not equals:
            kinds.append(name)
            continue
        if not name or name in weights:
            raise EngineError(f"--contrasts {text!r} needs a name of its own, as in NAME=1,-1")
        weights[name] = read_numbers("--contrasts", numbers)
    return [*kinds, *([weights] if weights else [])]
