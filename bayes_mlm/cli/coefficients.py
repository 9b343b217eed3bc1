"""Run `bayes-mlm coefficients`."""

from pathlib import Path
from typing import Annotated

import typer

from bayes_mlm.base import DEFAULT_PROB, check_prob, p_value, scaled
from bayes_mlm.cli.completion import Model
from bayes_mlm.cli.files import check_folder
from bayes_mlm.cli.machine import Output
from bayes_mlm.cli.options import Data, Prob, Quiet, grouped, read_design, request_for, status
from bayes_mlm.cli.outcome import Outcome
from bayes_mlm.cli.reading import Reading


@grouped
def coefficients(
    model: Model,
    data: Data = None,
    df: Annotated[
        str,
        typer.Option(
            help="Degrees of freedom: satterthwaite, kenward-roger, between-within or normal; or "
            "cluster-robust errors: cr2, cr1, cr0."
        ),
    ] = "satterthwaite",
    joint: Annotated[
        list[str] | None,
        typer.Option(help='Terms to be tested together by an F: "sex,age:sex"; repeatable.'),
    ] = None,
    group: Annotated[
        str | None, typer.Option(help="Grouping column, if not in the formula.")
    ] = None,
    outcome: Outcome = Outcome(),
    reading: Reading = Reading(),
    prob: Prob = DEFAULT_PROB,
    out: Annotated[Path | None, typer.Option(help="Folder for coefficients.csv.")] = None,
    quiet: Quiet = False,
    output: Output = Output(),
) -> None:
    """Test coefficients by t and F, with degrees of freedom for small samples.

    Of the REML estimate (ML of outcomes that are not Gaussian, least squares without groups).
    """
    from bayes_mlm.base import atomic_folder
    from bayes_mlm.fitting import estimate_design
    from bayes_mlm.questions import coefficient_tests

    if out is not None:
        check_folder(out, ["coefficients.csv"], inputs=(model, data))
    check_prob(prob)
    request = request_for(model, data, group=group, **vars(reading), **outcome.options)
    with status(f"fitting {request.name}", quiet=quiet):
        design = read_design(request, data)
        found = estimate_design(design, request=request, prob=prob)
        table = coefficient_tests(found, df=df, prob=prob)
        joined = {
            one: table.joint(*(term.strip() for term in one.split(",") if term.strip()))
            for one in joint or []
        }
    output.console.print(f"{request.name}: {request.model.formula} [{request.model.kind}]")
    output.console.print(str(table), soft_wrap=True)
    for one, test in joined.items():
        output.console.print(
            f"{one}: F({test.df}, {scaled(test.denominator_df, 2)}) = "
            f"{scaled(test.statistic, 3)}, {p_value(test.p)}"
        )
    if out is not None:
        with atomic_folder(out) as stage:
            (stage / "coefficients.csv").write_text(table.to_csv(), encoding="utf-8")
    output.finish(table, joint={key: vars(one) for key, one in joined.items()}, written=out)
