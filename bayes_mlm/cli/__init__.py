"""Run analyses from the command line: the only place that prints."""

import sys
import time
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from bayes_mlm._version import __version__
from bayes_mlm.base import DEFAULT_PROB, EngineError, PriorError, StorageError, visible
from bayes_mlm.cli.check import check
from bayes_mlm.cli.coefficients import coefficients
from bayes_mlm.cli.completion import Model, complete_models
from bayes_mlm.cli.contextual import contextual
from bayes_mlm.cli.describe import describe
from bayes_mlm.cli.design import design
from bayes_mlm.cli.doctor import doctor
from bayes_mlm.cli.effects import effects
from bayes_mlm.cli.elsewhere import refuse_foreign
from bayes_mlm.cli.faults import in_one_line
from bayes_mlm.cli.files import check_folder
from bayes_mlm.cli.impute import impute
from bayes_mlm.cli.labels import Labels, labelled, read_labels
from bayes_mlm.cli.lines import lines
from bayes_mlm.cli.loo_compare import loo_compare
from bayes_mlm.cli.machine import Output
from bayes_mlm.cli.means import means
from bayes_mlm.cli.multiverse import multiverse
from bayes_mlm.cli.options import (
    AnyEngine,
    Data,
    DataEngine,
    Memory,
    Prob,
    Quiet,
    ReportPdf,
    ReportSections,
    RowsOption,
    Sampling,
    design_for,
    grouped,
    read_pairs,
    read_sections,
    resolved,
    settings_for,
    status,
)
from bayes_mlm.cli.outcome import Exponentiate, Outcome
from bayes_mlm.cli.plot import plot
from bayes_mlm.cli.predict import predict
from bayes_mlm.cli.progress import steps
from bayes_mlm.cli.reading import Reading
from bayes_mlm.cli.reproduce import reproduce
from bayes_mlm.cli.sensitivity import sensitivity
from bayes_mlm.cli.showing import parts_of, print_analysis, report_of
from bayes_mlm.cli.simulations import bootstrap, calibrate, variance_tests
from bayes_mlm.cli.sums import groups, merge, sum_data
from bayes_mlm.cli.table import table
from bayes_mlm.cli.variance import variance
from bayes_mlm.engines import has_chains, is_drawing

if TYPE_CHECKING:
    from bayes_mlm.design import Design
    from bayes_mlm.engines import Settings
    from bayes_mlm.fitting import Analysis
    from bayes_mlm.model import ModelRequest
    from bayes_mlm.report import LiveModel
    from bayes_mlm.studies import PublishedRow, Record

app = typer.Typer(
    add_completion=True,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help=(
        "How much of an outcome's variation lies within groups and how much between, and what do "
        "predictors at each level have to do with it? Bayesian posterior, compared with REML.\n\n"
        "Start with:\n\n"
        "  bayes-mlm reproduce          the High School and Beyond study, every model\n\n"
        '  bayes-mlm fit "y ~ x + (1 | g)" --data my.csv\n\n'
        "Exit codes: 0 success; 1 invalid input; 2 invalid command; 3 fitted, but a "
        "diagnostic check failed; 130 interrupted."
    ),
)

_PRIOR = "NAME=DISTRIBUTION, such as sigma_u=HalfNormal(5)"
# As in `bayes_mlm.model.spec`, whose import would cost `--help` a second.
Kind = Literal["pooled", "between", "no_pooling", "within", "mundlak", "partial_pooling"]


app.command()(reproduce)


@app.command()
@grouped
def fit(
    model: Model,
    data: Data = None,
    engine: AnyEngine = "auto",
    kind: Annotated[
        Kind | None,
        typer.Option(
            help="Kind of model (default: partial_pooling if the formula has a bar, else pooled)."
        ),
    ] = None,
    group: Annotated[
        str | None, typer.Option(help="Grouping column, if not in the formula.")
    ] = None,
    group_level: Annotated[
        list[str] | None, typer.Option(help="A column that must be constant within groups.")
    ] = None,
    reading: Reading = Reading(),
    prior: Annotated[
        list[str] | None, typer.Option(help='For example "sigma_u=HalfNormal(5)"; repeatable.')
    ] = None,
    sigma: Annotated[
        str | None,
        typer.Option(help='A factor whose levels differ in residual sd: "sigma ~ sector".'),
    ] = None,
    ar: Annotated[
        str | None, typer.Option(help="Column of times: residuals of a group are AR(1) along it.")
    ] = None,
    outcome: Outcome = Outcome(),
    exponentiate: Exponentiate = False,
    sampling: Sampling = Sampling(),
    prob: Prob = DEFAULT_PROB,
    cross_check: Annotated[
        bool,
        typer.Option(
            "--cross-check", help="Compare the REML optimum with statsmodels (takes seconds)."
        ),
    ] = False,
    rows: RowsOption = "auto",
    memory: Memory = None,
    engine_data: DataEngine = "duckdb",
    out: Annotated[
        Path | None, typer.Option(help="Folder for report, estimates, posterior, record.")
    ] = (None),
    live: Annotated[
        bool,
        typer.Option(
            "--live",
            help="With --out: the report refits the model in the page from sums by group "
            "(Gaussian, random intercepts), or predicts from draws (others).",
        ),
    ] = False,
    least_rows: Annotated[
        int,
        typer.Option(min=1, help="With --live: refuse groups of fewer rows, which it discloses."),
    ] = 10,
    sections: ReportSections = None,
    label: Labels = None,
    pdf: ReportPdf = False,
    quiet: Quiet = False,
    output: Output = Output(),
) -> None:
    """Fit one model, and write its report.

    The model is a formula (with --data), a bundled model, or a record (.toml).

    --out writes report.html (results, tables and figures on one page; with --pdf also printed),
    estimates.csv, and the model's posterior (.nc) and record (.toml).
    """
    started = time.monotonic()
    from bayes_mlm.report import find_chromium, print_pdf, run_files, write_run

    if live and out is None:
        raise StorageError("--live is of the report, which --out writes: add --out FOLDER")
    if sections is not None and out is None:
        raise StorageError("--sections is of the report, which --out writes: add --out FOLDER")
    of_report = read_sections(sections)
    if pdf and out is None:
        raise StorageError("--pdf is of the report, which --out writes: add --out FOLDER")
    printer = find_chromium() if pdf else ""  # an error before anything is fitted
    labels = read_labels(label)
    if out is not None:
        check_folder(out, run_files(()), inputs=(model, data))
    request, design = design_for(
        model,
        data,
        rows=rows,
        memory=memory,
        engine_data=engine_data,
        quiet=quiet,
        kind=kind,
        group=group,
        group_level=group_level or (),
        **vars(reading),
        priors=read_pairs("--prior", prior or [], _PRIOR, PriorError),
        residual=_read_residual(sigma, ar),
        **outcome.options,
    )
    if exponentiate:
        design.family.require_ratio()
    if labels:
        from bayes_mlm.design import with_labels

        with_labels(design, labels)  # an error before anything is fitted
    if out is not None:
        source = request.source.location if data is None else data
        check_folder(out, run_files([request.name]), inputs=(model, source))
    if not is_drawing(engine) and (prior or sampling.draws or sampling.tune or sampling.chains):
        raise EngineError(
            f"--engine {engine} has no priors and no draws; omit --prior, --draws, --tune and "
            "--chains, or choose --engine auto"
        )
    settings = settings_for(request, sampling)
    with status(f"fitting {request.name}", quiet=quiet, draws_bar=has_chains(engine)) as bar:
        options = {"engines": [engine], "prob": prob, "check": cross_check, "progressbar": bar}
        analysis, published, records, null = _analyse(
            model, request, settings, design, data, rows, **options
        )
    if labels:
        analysis, *others = labelled([analysis, *([] if null is None else [null])], labels)
        null = others[0] if others else None
    held = _live(analysis, least_rows) if live else None
    shown_as = analysis.exponentiated() if exponentiate else analysis
    print_analysis(shown_as, output, priors=not quiet)
    read = ""
    if out is not None:
        from bayes_mlm.report import drawing_pool

        with steps(quiet=quiet) as shown, drawing_pool() as pool:
            report = report_of(
                [analysis] if null is None else [null, analysis],
                title=analysis.title or analysis.spec.formula,
                published=published,
                started=started,
                pool=pool,
                shown=shown,
                live=held,
                sections=of_report,
            )
            if pdf:
                shown.update("printing")
            printed = print_pdf(report, printer) if pdf else b""
        write_run(out, [analysis], published, records=records, report=report, pdf=printed)
        read = f"; read {visible(out / 'report.html')}"
    output.finish(**parts_of(shown_as), written=out, remark=read)


@app.command()
@grouped
def models(
    name: Annotated[
        str | None,
        typer.Argument(help="Record to print.", autocompletion=complete_models),
    ] = None,
    output: Output = Output(),
) -> None:
    """List the bundled models, or print a record.

    A printed record is a template for another.
    """
    from bayes_mlm.report import console as show
    from bayes_mlm.studies import as_starter, dump_record, load_record, records

    if name is None:
        found = records()
        output.console.print(show.records_table(found))
        output.console.print("bayes-mlm models NAME prints one; bayes-mlm fit NAME fits it")
        listed = [{"name": one.name, "title": one.title, **_model_of(one)} for one in found]
        output.finish(models=listed)
        return
    record = dump_record(as_starter(load_record(name)))
    output.console.print(record, soft_wrap=True, end="")
    output.finish(model=tomllib.loads(record))


app.command()(describe)
app.command()(impute)
app.command()(sensitivity)
app.command("loo-compare")(loo_compare)
app.command()(check)
app.command()(table)
app.command()(plot)
app.command()(variance)
app.command()(coefficients)
app.command()(bootstrap)
app.command()(calibrate)
app.command("variance-tests")(variance_tests)
app.command()(contextual)
app.command()(effects)
app.command()(means)
app.command()(predict)
app.command()(lines)
app.command()(design)
app.command()(multiverse)
app.command("sum")(sum_data)
app.command()(merge)
app.command()(groups)
app.command()(doctor)


@app.callback(invoke_without_command=True)
def version(
    show_version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False,
) -> None:
    """Show the version; typer calls this before every command."""
    if show_version:
        print(__version__)
        raise typer.Exit


def main() -> None:
    """Run the command line; a mistake in the input is one line and exit code 1."""
    with in_one_line():
        refuse_foreign(sys.argv[1:])
        app()


def _analyse(
    model: str,
    request: "ModelRequest",
    settings: "Settings",
    design: "Design",
    data: str | None,
    rows: Literal["auto", "keep", "sum"],
    **options: Any,
) -> "tuple[Analysis, tuple[PublishedRow, ...], tuple[Record, ...], Analysis | None]":
    """Return the analysis of a model; for a record with published values and the null model."""
    from bayes_mlm.fitting import analyse

    if isinstance(resolved(model), str):
        return analyse(request, settings, data=design, **options), (), (), None
    from bayes_mlm.design import design_of
    from bayes_mlm.studies import analyse_record, baseline, load_record

    record, null = load_record(model).requesting(request), None
    below = baseline(record)
    if below is not None:  # where that takes no time: not by NUTS
        engines = [one for one in options["engines"] if not has_chains(one)]
        quick = {"engines": engines, "prob": options["prob"]}
        null = analyse_record(
            below, settings, data=design_of(below.request, data, rows=rows), **quick
        )
    found = analyse_record(record, settings, data=design, null=null, **options)
    return found.analysis, found.published, (record,), None if null is None else null.analysis


def _live(analysis: "Analysis", least_rows: int) -> "LiveModel":
    """Return what the report holds of the model to compute with."""
    from bayes_mlm.report import live_model, why_not_live

    why = why_not_live(analysis.fits[0]) if analysis.fits else "it has no posterior (--engine auto)"
    if why:
        raise EngineError(f"--live: the page cannot use this model, since {why}; omit --live")
    return live_model(analysis.fits[0], least_rows=least_rows)


def _model_of(record: "Record") -> dict[str, Any]:
    model = record.model
    return {"kind": model.kind, "family": model.family, "formula": model.formula}


def _read_residual(sigma: str | None, ar: str | None) -> dict[str, str] | None:
    options = {"sigma": sigma, "ar": ar}
    return {key: value for key, value in options.items() if value is not None} or None
