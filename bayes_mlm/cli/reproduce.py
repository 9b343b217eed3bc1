"""Run `bayes-mlm reproduce`."""

import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from bayes_mlm.base import DEFAULT_PROB, visible
from bayes_mlm.cli.files import check_folder
from bayes_mlm.cli.machine import Output
from bayes_mlm.cli.options import (
    Prob,
    Quiet,
    ReportPdf,
    ReportSections,
    Sampling,
    grouped,
    read_sections,
    settings_for,
)
from bayes_mlm.cli.progress import steps
from bayes_mlm.cli.showing import parts_of, print_analysis, report_of


@grouped
def reproduce(
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("reproduction"),
    sampling: Sampling = Sampling(),
    prob: Prob = DEFAULT_PROB,
    quick: Annotated[
        bool, typer.Option("--quick", help="Skip NUTS: the direct engine and REML only.")
    ] = False,
    sections: ReportSections = None,
    pdf: ReportPdf = False,
    quiet: Quiet = False,
    output: Output = Output(),
) -> None:
    """Reproduce the High School and Beyond study.

    Fits every model, and compares every printed figure, with a verdict on each. Writes
    report.html (figures, tables and conclusions), estimates.csv, published.csv, and for each model
    its posterior (.nc) and its record (.toml) with the seed and versions.
    """
    started = time.monotonic()
    from bayes_mlm.engines import Settings
    from bayes_mlm.report import (
        console as show,
        drawing_pool,
        find_chromium,
        print_pdf,
        run_files,
        write_run,
    )
    from bayes_mlm.studies import (
        WORKED_STUDY,
        Record,
        analyse_ladder,
        check_notes,
        check_table,
        load_study,
        records,
        tally,
    )

    of_report = read_sections(sections)
    printer = find_chromium() if pdf else ""  # an error before anything is fitted
    ladder = records(WORKED_STUDY)
    check_folder(out, run_files([record.name for record in ladder]))
    engines = engines_of_study(quick=quick)

    def settings_of(record: "Record") -> "Settings":
        return settings_for(record, sampling)

    for record in ladder:  # raises for faults in them before processes are started
        settings_of(record)
    console = output.console
    results, begun = [], list[str]()
    with steps("reading", quiet=quiet) as shown, drawing_pool() as pool:

        def show_engine(engine: str) -> None:
            text = f"fitting {begun[-1]} ({engine})"
            shown.update(text, done=len(begun) - 1, of=len(ladder))

        for result in analyse_ladder(
            ladder,
            settings_of,
            engines=engines,
            prob=prob,
            check=True,
            on_start=lambda record: begun.append(record.name),
            on_engine=show_engine,
        ):
            results.append(result)
            with shown.hidden():
                print_analysis(result.analysis, output)
        shown.update("checking the printed figures")
        published = [*check_table(), *(row for one in results for row in one.published)]
        analyses = [one.analysis for one in results]
        notes = check_notes()
        study = load_study()
        report = report_of(
            analyses,
            title="High School and Beyond: within schools and between them",
            subtitle=f"A Bayesian retelling of “{study.title}” ({study.author}, {study.date})",
            published=published,
            notes=[str(note) for note in notes],
            started=started,
            pool=pool,
            shown=shown,
            sections=of_report,
        )
        shown.update("writing")
        printed = print_pdf(report, printer) if pdf else b""
        write_run(out, analyses, published, records=ladder, report=report, pdf=printed)
    console.print("The ladder: posterior means, and REML or OLS estimates")
    console.print(show.ladder_table(analyses))
    console.print("Printed in 2015, and wrong")
    console.print(show.corrections_table(published))
    for note in notes:
        console.print(f"- {note}")
    console.print(f"\n{tally(published)}")
    unclean = [analysis.spec.name for analysis in analyses if not analysis.ok]
    console.print(
        f"{len(analyses)} models; "
        + (f"verdict NOT clean for: {', '.join(unclean)}" if unclean else "all verdicts clean")
    )
    output.finish(
        ok=not unclean,
        notes=map(str, notes),
        models=[parts_of(one) for one in analyses],
        published=[asdict(row) for row in published],
        summary=tally(published),
        written=out,
        remark=f"; read {visible(out / 'report.html')}",
    )


def engines_of_study(*, quick: bool) -> tuple[str, ...]:
    """Return the engines that draw from every model of the study, which has no survey weights."""
    from bayes_mlm.engines import engine_names

    return engine_names(drawing=True, auto=False, weighted=False)[: 1 if quick else None]
