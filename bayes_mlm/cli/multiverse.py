"""Run `bayes-mlm multiverse`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from bayes_mlm.base import DEFAULT_PROB, EngineError, PriorError
from bayes_mlm.cli.files import check_folder
from bayes_mlm.cli.machine import Output
from bayes_mlm.cli.options import (
    DEFAULT_SEED,
    Data,
    Prob,
    Quiet,
    Seed,
    grouped,
    read_pairs,
    status,
)
from bayes_mlm.cli.reading import Reading

_PRIOR = "NAME=DISTRIBUTION, such as sigma_u=HalfNormal(5)"
_FILES = ["effects.csv", "specifications.csv", "models.csv", "changes.csv", "curve.png"]


@grouped
def multiverse(
    formula: Annotated[
        str, typer.Argument(help='What all models have: "mathach ~ ses + (1 | schoolid)".')
    ],
    data: Data = None,
    optional: Annotated[
        list[str] | None,
        typer.Option(help="A term that models may have or not: minority, ses:sector; repeatable."),
    ] = None,
    alternatives: Annotated[
        list[str] | None,
        typer.Option(
            help='Parts of a formula of which models have one: "ses=ses;within(ses)", '
            '"effects=(1 | g);(1 + x | g)"; repeatable.'
        ),
    ] = None,
    focal: Annotated[
        list[str] | None,
        typer.Option(help="Coefficients of interest (default: the first predictor); repeatable."),
    ] = None,
    reml_only: Annotated[
        bool,
        typer.Option("--reml-only", help="No posteriors, and so no averages over the models."),
    ] = False,
    prior: Annotated[
        list[str] | None,
        typer.Option(help='For example "sigma_u=HalfNormal(5)"; repeatable.'),
    ] = None,
    reading: Reading = Reading(),
    prob: Prob = DEFAULT_PROB,
    random_seed: Seed = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the tables (.csv) and curve.png.")
    ] = None,
    quiet: Quiet = False,
    output: Output = Output(),
) -> None:
    """Fit every model that a set of choices makes: range, averages, what moves the answer.

    Shares count the models that the choices make; they are no test.
    """
    from bayes_mlm.assess import multiverse as fit_all
    from bayes_mlm.base import ResultTable, atomic_folder

    if out is not None:
        check_folder(out, _FILES, inputs=(data,) if data else ())
    choices = {}
    for text in alternatives or []:
        name, mark, parts = text.partition("=")
        if not mark or not name.strip():
            raise EngineError(
                f"--alternatives is NAME=PART;PART, such as 'ses=ses;within(ses)', found {text!r}"
            )
        choices[name.strip()] = [part.strip() for part in parts.split(";")]
    with status("fitting the models", quiet=quiet):
        found = fit_all(
            formula,
            data,
            optional or [],
            alternatives=choices,
            focal=focal,
            posterior=not reml_only,
            priors=read_pairs("--prior", prior or [], _PRIOR, PriorError),
            prob=prob,
            random_seed=DEFAULT_SEED if random_seed is None else random_seed,
            **vars(reading),
        )
    console = output.console
    for sentence in found.sentences:
        console.print(sentence, soft_wrap=True)
    console.print(str(found), soft_wrap=True)
    console.print("\nWhat the choices change:")
    console.print(str(found.changes), soft_wrap=True)
    if out is not None:
        from bayes_mlm.figures import plot_specification_curve

        with atomic_folder(out) as stage:
            tables: tuple[ResultTable[Any], ...] = (
                found,
                found.specifications,
                found.models,
                found.changes,
            )
            for name, table in zip(_FILES, tables, strict=False):
                (stage / name).write_text(table.to_csv(), encoding="utf-8")
            plot_specification_curve(found).savefig(stage / _FILES[-1], dpi=200)
    output.finish(found, changes=[vars(one) for one in found.changes], written=out)
