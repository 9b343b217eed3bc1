"""Run `bayes-mlm sensitivity`."""

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bayes_mlm.base import DEFAULT_PROB
from bayes_mlm.cli.files import check_folder
from bayes_mlm.cli.machine import Output
from bayes_mlm.cli.options import Data, Prob, Quiet, Seed, grouped, resolved, seed_of
from bayes_mlm.cli.reading import Reading

if TYPE_CHECKING:
    from bayes_mlm.model import ModelRequest


@grouped
def sensitivity(
    model: Annotated[
        list[str] | None,
        typer.Argument(
            help="Formulas, bundled models, records (.toml); none: the study's with groups.",
            show_default=False,
        ),
    ] = None,
    data: Data = None,
    prior: Annotated[
        list[str] | None,
        typer.Option(help='On sigma_u, such as "HalfNormal(5)"; repeatable (default: eight).'),
    ] = None,
    term: Annotated[
        list[str] | None,
        typer.Option(help="A coefficient to report; repeatable (default: those of groups)."),
    ] = None,
    reading: Reading = Reading(),
    prob: Prob = DEFAULT_PROB,
    draws: Annotated[
        int | None, typer.Option(help="Draws of each posterior (default: the record's).")
    ] = None,
    random_seed: Seed = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for sensitivity.csv and sensitivity.png.")
    ] = None,
    quiet: Quiet = False,
    output: Output = Output(),
) -> None:
    """Vary the prior of sigma_u.

    The results of every model under every prior, and whether its conclusions depend on them.
    """
    import msgspec

    from bayes_mlm.assess import choose_models, prior_sensitivity
    from bayes_mlm.report import SENSITIVITY_FILES, console as show, write_sensitivity

    if out is not None:
        check_folder(out, SENSITIVITY_FILES, inputs=(data, *(model or [])))
    requests = choose_models(
        [resolved(one) for one in model] if model else _worked_models(), data, **vars(reading)
    )
    found = prior_sensitivity(
        [
            replace(
                one,
                settings=msgspec.structs.replace(
                    one.settings, random_seed=seed_of(one, random_seed)
                ),
            )
            for one in requests
        ],
        data,
        priors=None if prior is None else [_read(text) for text in prior],
        terms=term,
        prob=prob,
        draws=draws,
    )
    console = output.console
    for table in show.sensitivity_tables(found):
        console.print(table)
    for line in show.sensitivity_lines(found):
        console.print(line)
    if not quiet:
        console.print(show.sensitivity_time(found))
    if out is not None:
        write_sensitivity(out, found)
    output.finish(found, ok=found.ok, written=out)


def _worked_models() -> "list[ModelRequest]":
    from bayes_mlm.studies import worked_models

    return worked_models()


def _read(text: str) -> str | dict[str, str]:
    """Read "HalfNormal(5)", or as `bayes-mlm fit` has it "sigma_u[ses]=HalfNormal(5)".

    >>> _read("HalfNormal(sigma=5)"), _read("sigma_u[bs(ses, df=4)[1]]=HalfNormal(5)")
    ('HalfNormal(sigma=5)', {'sigma_u[bs(ses, df=4)[1]]': 'HalfNormal(5)'})
    """
    # A name has its brackets closed before the equals sign: "sigma_u[bs(ses, df=4)[1]]".
    found = re.fullmatch(r"(\w+(?:\[.*\])?)\s*=(.*)", text.strip())
    return {found[1]: found[2].strip()} if found else text
