"""Run `bayes-mlm bootstrap`, `calibrate` and `variance-tests`: refits of simulated data."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

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

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from bayes_mlm.base import ResultTable
    from bayes_mlm.fitting import Estimate

Group = Annotated[str | None, typer.Option(help="Grouping column, if not in the formula.")]


@grouped
def bootstrap(
    model: Model,
    data: Data = None,
    refits: Annotated[int, typer.Option(help="How many data sets are refitted.")] = 1000,
    kind: Annotated[
        str,
        typer.Option(
            help="parametric (outcomes drawn from the model), cluster (groups drawn with "
            "replacement) or case (rows within them too)."
        ),
    ] = "parametric",
    interval: Annotated[
        str, typer.Option(help="Of the estimates: percentile, basic or bca.")
    ] = "percentile",
    random_seed: Seed = None,
    group: Group = None,
    reading: Reading = Reading(),
    prob: Prob = DEFAULT_PROB,
    out: Annotated[Path | None, typer.Option(help="Folder for bootstrap.csv.")] = None,
    quiet: Quiet = False,
    output: Output = Output(),
) -> None:
    """Refit the REML estimate to simulated or resampled data: bias, errors and intervals.

    Of a Gaussian outcome with one grouping factor. Outcomes are drawn as the sums by group that
    REML reads: the time does not grow with the rows.
    """
    from bayes_mlm.assess import bootstrap as refitted

    check_prob(prob)

    def compute(found: "Estimate", seed: int) -> "ResultTable[Any]":
        options = {"kind": kind, "interval": interval}
        return refitted(found, refits, **options, prob=prob, random_seed=seed)

    _answer(
        compute,
        "bootstrap.csv",
        model,
        data,
        seed=random_seed,
        group=group,
        reading=reading,
        prob=prob,
        out=out,
        quiet=quiet,
        output=output,
    )


@grouped
def calibrate(
    model: Model,
    data: Data = None,
    simulations: Annotated[
        int, typer.Option(help="How many data sets are drawn from the fitted model.")
    ] = 1000,
    posterior: Annotated[
        bool, typer.Option("--posterior", help="Draw the posterior of every data set too.")
    ] = False,
    truths: Annotated[
        Literal["estimate", "prior"],
        typer.Option(
            help="What data are drawn at: the REML estimate; or draws of the prior, and the ranks "
            "of these in their posteriors (simulation-based calibration)."
        ),
    ] = "estimate",
    random_seed: Seed = None,
    group: Group = None,
    reading: Reading = Reading(),
    prob: Prob = DEFAULT_PROB,
    out: Annotated[
        Path | None, typer.Option(help="Folder for coverage.csv; of the prior ranks.png too.")
    ] = None,
    quiet: Quiet = False,
    output: Output = Output(),
) -> None:
    """Refit data drawn from the fitted model: coverage of its intervals, and bias.

    Of the REML estimate of a Gaussian outcome with one grouping factor, and of its posterior, on
    the rows and groups of the data. That the model is right is assumed.
    """
    from bayes_mlm.assess import calibrate as calibrated, simulation_based_calibration
    from bayes_mlm.fitting import fit_design, make_settings

    check_prob(prob)
    of_prior = truths == "prior"

    def compute(found: "Estimate", seed: int) -> "ResultTable[Any]":
        if not (posterior or of_prior):
            return calibrated(found, simulations, prob=prob, random_seed=seed)
        assert found.request is not None
        settings = make_settings(found.request, random_seed=seed)
        drawn = fit_design(found.request, found.design, settings, engine="direct")
        compute = simulation_based_calibration if of_prior else calibrated
        return compute(drawn, simulations, prob=prob, random_seed=seed)

    _answer(
        compute,
        "coverage.csv",
        model,
        data,
        seed=random_seed,
        group=group,
        reading=reading,
        prob=prob,
        out=out,
        quiet=quiet,
        output=output,
        figure=("ranks.png", _ranks) if of_prior else None,
    )


def _ranks(table: Any) -> "Figure":
    from bayes_mlm.figures import plot_simulation_based

    return plot_simulation_based(table)


@grouped
def variance_tests(
    model: Model,
    data: Data = None,
    simulations: Annotated[
        int, typer.Option(help="How many data sets are drawn without the variance.")
    ] = 10_000,
    random_seed: Seed = None,
    group: Group = None,
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

    _answer(
        lambda found, seed: tested(found, simulations, random_seed=seed),
        "variance_tests.csv",
        model,
        data,
        seed=random_seed,
        group=group,
        reading=reading,
        prob=DEFAULT_PROB,
        out=out,
        quiet=quiet,
        output=output,
    )


def _answer(
    compute: "Callable[[Estimate, int], ResultTable[Any]]",
    file: str,
    model: str,
    data: str | None,
    *,
    seed: int | None,
    group: str | None,
    reading: Reading,
    prob: float,
    out: Path | None,
    quiet: bool,
    output: Output,
    figure: "tuple[str, Callable[[Any], Figure]] | None" = None,
) -> None:
    """Fit a model, compute a table from the estimate, and print and write it with its figure."""
    from bayes_mlm.base import atomic_folder
    from bayes_mlm.fitting import estimate_design

    if out is not None:
        check_folder(out, [file, *([figure[0]] if figure else [])], inputs=(model, data))
    request = request_for(model, data, group=group, **vars(reading))
    with status(f"fitting {request.name}", quiet=quiet):
        design = read_design(request, data)
        found = estimate_design(design, request=request, prob=prob)
        table = compute(found, seed_of(request, seed))
    output.console.print(f"{request.name}: {request.model.formula} [{request.model.kind}]")
    output.console.print(str(table), soft_wrap=True)
    if out is not None:
        with atomic_folder(out) as stage:
            (stage / file).write_text(table.to_csv(), encoding="utf-8")
            if figure is not None:
                figure[1](table).savefig(stage / figure[0], dpi=200)
    output.finish(table, written=out)
